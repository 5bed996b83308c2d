//! Who owns an Item that several holders of a shared Collection have, where equal keys cannot tell (S14).
//!
//! Replicas agree on their times and ids only. In an order by anything else the same Item may stand at two places, so
//! before a lower holder's is given, each higher holder is asked by `ids` whether it has it: one request per holder and
//! page, of all Items at hand. Held there, it is dropped here.
//!
//! A higher holder that does not answer may have given the Item already, which nobody can see. If it gave nothing in this
//! session it takes no part in the rest of it, and its gap says so; otherwise the page ends, or the lower holder's part is
//! the gap. A repeat could not be declared.

use std::collections::HashMap;
use std::sync::Arc;

use crate::federation::MemberId;
use crate::members::{Item, Page};

use super::merge::{Merge, MergeLeg, Step};
use super::order::{Comparator, Position};
use super::outcome::Status;
use super::session::Class;
use super::stream::{Hit, LegFailure, Request};

/// Sort fields on which replicas agree.
const AGREED: [&str; 5] = ["datetime", "start_datetime", "end_datetime", "id", "collection"];
/// Questions to one holder per page: as many as pages of a leg that are read for a page without an Item.
const QUESTIONS_MAX: u32 = 12;
/// Items that one question is about: at least this many, or thrice what the page still has room for, since many of them
/// will turn out to be given elsewhere. The answer holds whole Items, so more would be bytes for nothing.
const ASKED_MIN: usize = 20;
const ASKED_PER_ITEM: usize = 3;

/// What is known of who has what.
pub struct Owners {
    /// Keys differ between holders, so they are asked.
    needed: bool,
    /// By the leg of a higher holder and the id of an Item: whether it has it.
    held: HashMap<(usize, Box<str>), bool>,
    /// By shared Collection and id: lower holders of what a higher one has still to give.
    lower: HashMap<(Arc<str>, Box<str>), Vec<MemberId>>,
}

/// A leg's part in it: all holders of the shared Collection are asked for the same.
#[derive(Debug, Clone)]
pub struct United {
    pub id: Arc<str>,
    /// Ids that the member is asked for at once; 0: it cannot be asked by ids.
    pub ids_max: usize,
}

/// What is to be done with the smallest Item.
pub enum Owned {
    /// Nobody who comes before its holder has it.
    Here,
    /// A higher holder has it, and gives it at its own place.
    Elsewhere,
    /// It is not known yet.
    Asking(Step),
    /// A holder that had to be asked cannot be, and why.
    Unknown(usize, LegFailure),
}

/// Whether replicas stand at one place in an order: behind an id nothing is compared any more.
pub fn replicas_agree(order: &Comparator) -> bool {
    order.keys().iter().take_while(|key| key.field != "id").all(|key| AGREED.contains(&key.field.as_str()))
}

impl Owners {
    pub fn new(order: &Comparator) -> Self {
        let needed = !replicas_agree(order);
        Self { needed, held: HashMap::new(), lower: HashMap::new() }
    }
}

impl MergeLeg {
    /// Its place among the holders: those that cannot be asked come last, as they can ask the others.
    fn seniority(&self) -> Option<(bool, usize)> {
        self.united.as_ref().map(|united| (united.ids_max == 0, self.rank))
    }

    fn is_of(&self, shared: &Arc<str>) -> bool {
        self.united.as_ref().is_some_and(|united| united.id == *shared)
    }

    /// Why it cannot be asked what it has.
    fn cannot_tell(&self) -> Option<LegFailure> {
        // who is too slow to read, or out of order, can still be asked by ids
        let is_silent = |failure: &&LegFailure| {
            !matches!(
                failure.status,
                Status::ScanLimit | Status::TooLarge | Status::OrderViolation | Status::NoProgress
            )
        };
        let own = self.failure.as_ref().filter(|_| self.dead).or(self.stream.failure.as_ref()).filter(is_silent);
        let too_many = || (self.questions >= QUESTIONS_MAX).then(|| Status::TooLarge.into());
        self.unheard.clone().or_else(|| own.cloned()).or_else(too_many)
    }
}

impl Merge {
    /// Whether the smallest Item of a leg is given by that leg.
    pub(super) fn owned(&mut self, leg: usize) -> Owned {
        let (true, Some(united), Some(head)) =
            (self.owners.needed, &self.legs[leg].united, self.legs[leg].stream.head())
        else {
            return Owned::Here;
        };
        let (shared, id) = (Arc::clone(&united.id), head.key.id.clone());
        let (mut open, mut waiting, mut unknown) = (Vec::new(), false, None);
        for higher in self.higher(leg, &shared) {
            match self.has(higher, &id) {
                Some(true) => return Owned::Elsewhere,
                Some(false) => {}
                None if self.legs[higher].asked.is_some() => waiting = true,
                None if self.out_of_time => unknown = Some((higher, Status::ScanLimit.into())),
                None => match self.legs[higher].cannot_tell() {
                    Some(failure) => unknown = Some((higher, failure)),
                    None => open.push(higher),
                },
            }
        }
        if open.is_empty() && !waiting {
            return unknown.map_or(Owned::Here, |(higher, failure)| Owned::Unknown(higher, failure));
        }
        let mut questions = Vec::new();
        for higher in open {
            let request = self.question(higher, &shared);
            let asked = &mut self.legs[higher];
            asked.asked = Some(request.clone());
            asked.questions += 1;
            questions.push((higher, request));
        }
        Owned::Asking(Step::Needs(questions))
    }

    /// The holders that come before a leg's and take part.
    fn higher(&self, leg: usize, shared: &Arc<str>) -> Vec<usize> {
        let mine = self.legs[leg].seniority();
        let comes_before =
            |other: &MergeLeg| other.is_of(shared) && other.seniority() < mine && !other.session.is_out();
        (0..self.legs.len()).filter(|&index| comes_before(&self.legs[index])).collect()
    }

    /// Whether a holder has an Item, as far as that is known.
    fn has(&self, holder: usize, id: &str) -> Option<bool> {
        let known = self.owners.held.get(&(holder, id.into())).copied();
        known.or_else(|| self.is_read_whole(holder).then_some(false))
    }

    /// Whether all that a holder has was met on this page.
    fn is_read_whole(&self, holder: usize) -> bool {
        let leg = &self.legs[holder];
        self.watermark == Position::Start
            && leg.stream.known == Position::End
            && leg.stream.failure.is_none()
            && leg.partial.is_none()
            && leg.session.ranges.is_empty()
    }

    /// Asks a holder for what lower ones have at hand and it may have too.
    fn question(&self, higher: usize, shared: &Arc<str>) -> Request {
        let asked = &self.legs[higher];
        let ids_max = asked.united.as_ref().map_or(0, |united| united.ids_max);
        let ids_max = ids_max.min(ASKED_MIN.max(ASKED_PER_ITEM * self.room()));
        let lower =
            self.legs.iter().filter(|leg| !leg.dead && leg.is_of(shared) && leg.seniority() > asked.seniority());
        // the Items that come first are asked for first
        let mut hits: Vec<_> = lower.flat_map(|leg| leg.stream.at_hand()).collect();
        hits.sort_by(|a, b| self.order.keys_of(&a.key, &b.key));
        let mut ids: Vec<String> = Vec::new();
        for hit in hits {
            if self.has(higher, &hit.key.id).is_none() && !ids.iter().any(|id| **id == *hit.key.id) {
                ids.push(hit.key.id.to_string());
            }
            if ids.len() >= ids_max {
                break;
            }
        }
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Request { limit, ids: Some(ids), ..Request::default() }
    }

    /// What a holder has shown it has.
    pub(super) fn note_held(&mut self, leg: usize) {
        if self.owners.needed && self.legs[leg].united.is_some() {
            let shown = self.legs[leg].stream.at_hand().map(|hit| ((leg, hit.key.id.clone()), true));
            self.owners.held.extend(shown);
        }
    }

    /// Takes the answer of a holder in that was asked by ids.
    pub(super) fn hear(&mut self, higher: usize, asked: &[String], page: &Page, mut keeps: impl FnMut(&Item) -> bool) {
        let mut told = 0;
        for item in &page.items {
            if asked.iter().any(|id| **id == *item.id) && keeps(item) {
                told += 1;
                self.owners.held.insert((higher, item.id.clone()), true);
            }
        }
        if page.partial.is_some() {
            // what it does not name may be at a member of its own that did not answer
            self.legs[higher].unheard = Some(Status::BadResponse.into());
        } else if page.next.is_none() && !page.cut {
            for id in asked {
                self.owners.held.entry((higher, id.as_str().into())).or_insert(false);
            }
        } else if told == 0 {
            self.legs[higher].unheard = Some(Status::NoProgress.into());
        }
    }

    /// The smallest Item of a leg is given by another holder, which is named with it.
    pub(super) fn leave_to_owner(&mut self, leg: usize) {
        let Some(hit) = self.legs[leg].stream.pop() else { return };
        self.deduplicated += 1;
        let member = self.legs[leg].member.clone();
        let is_same =
            |given: &&mut (usize, Hit)| given.1.key.id == hit.key.id && given.1.key.collection == hit.key.collection;
        let given = self.hits.iter_mut().find(is_same);
        let named = match given {
            Some((_, given)) => &mut given.replicas,
            None => self.owners.lower.entry((hit.key.collection, hit.key.id)).or_default(),
        };
        if !named.contains(&member) {
            named.push(member);
        }
    }

    /// The lower holders of an Item that were met before it.
    pub(super) fn lower_holders(&mut self, hit: &Hit) -> Vec<MemberId> {
        if self.owners.lower.is_empty() {
            return Vec::new();
        }
        self.owners.lower.remove(&(Arc::clone(&hit.key.collection), hit.key.id.clone())).unwrap_or_default()
    }

    /// Nobody can tell whether a higher holder has the smallest Item of a leg.
    pub(super) fn cannot_decide(&mut self, leg: usize, higher: usize, failure: LegFailure) {
        let own_bound = matches!(failure.status, Status::TooLarge | Status::ScanLimit);
        if !own_bound && self.watermark == Position::Start && self.legs[higher].returned == 0 {
            self.pass_over(higher, failure);
        } else if self.hits.is_empty() {
            let holder = &self.legs[higher].member;
            let why = if failure.status == Status::ScanLimit {
                format!("there was no time to ask `{holder}` which of its Items it has too")
            } else if own_bound {
                format!("too many of its Items are at `{holder}` too, which gives them at other places")
            } else {
                format!("cannot tell which of its Items `{holder}` gave already, as that one does not answer")
            };
            self.legs[leg].stream.fail(LegFailure { feature: Some(why), tie_only: false, ..failure });
            self.fail(leg);
        } else {
            self.short = true;
        }
    }

    /// Others give what a holder has too, so it takes no more part in this session: it would repeat them.
    fn pass_over(&mut self, holder: usize, failure: LegFailure) {
        let leg = &mut self.legs[holder];
        leg.session.open_gap(self.last.clone(), failure.status);
        leg.session.ended = true;
        leg.session.class = Class::Out;
        leg.failure = Some(failure);
        leg.dead = true;
    }

    /// Of holders that cannot be asked one alone takes part: nobody could tell what another one gives too.
    pub(super) fn pass_over_mutes(&mut self) {
        if !self.owners.needed {
            return;
        }
        let is_mute = |leg: &MergeLeg| leg.united.as_ref().is_some_and(|united| united.ids_max == 0);
        for index in (0..self.legs.len()).filter(|&index| is_mute(&self.legs[index])).collect::<Vec<_>>() {
            let Some(United { id, .. }) = self.legs[index].united.clone() else { continue };
            if self.higher(index, &id).into_iter().any(|higher| is_mute(&self.legs[higher])) {
                let feature = Some("ids".to_owned());
                self.pass_over(index, LegFailure { feature, ..Status::SkippedCapability.into() });
            }
        }
    }
}
