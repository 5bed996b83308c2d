//! Who gives an Item that several holders of a shared Collection have, where members give their Items by turns (S14).
//!
//! Each list has an order of its own, so replicas meet on one page by chance alone. Before a lower holder's Items are given,
//! each higher holder is asked by `ids` which of them it has: it gives those at its own places, and here they are passed
//! by. Where it cannot be asked the lower holder's turn is missed, which keeps its place and is declared: a repeat could
//! not be.

use crate::members::{Item, Page};
use crate::search::merge::Step;
use crate::search::outcome::Status;
use crate::search::stream::{LegFailure, Request};

use super::{Quota, QuotaLeg};

/// What is to be done with the next Item of a leg.
enum Owned {
    /// Nobody who comes before its holder has it.
    Here,
    /// A higher holder has it, and gives it at its own place.
    Elsewhere,
    /// It is not known yet.
    Asking(Step),
    /// This holder had to be asked and cannot be.
    Unknown(usize),
}

impl QuotaLeg {
    /// Its place among the holders: those that cannot be asked come last, as they can ask the others.
    fn seniority(&self) -> Option<(bool, usize)> {
        self.united.as_ref().map(|united| (united.ids_max == 0, self.rank))
    }
}

impl Quota {
    /// Passes by the Items at hand of a leg that a higher holder gives. What has to be done before that is known.
    pub(super) fn pass_by(&mut self, index: usize) -> Option<Step> {
        while self.legs[index].failure.is_none() && !self.legs[index].waits {
            match self.owned(index) {
                Owned::Here => return None,
                Owned::Elsewhere => self.pass(index),
                Owned::Asking(step) => return Some(step),
                Owned::Unknown(higher) => {
                    let failure = self.unable(higher);
                    if failure.status == Status::ScanLimit && !self.hits.is_empty() {
                        self.legs[index].waits = true;
                    } else {
                        self.legs[index].failure = Some(failure);
                    }
                }
            }
        }
        None
    }

    /// Whether a leg gives only what others lack.
    pub(super) fn is_lower(&self, index: usize) -> bool {
        self.legs[index].united.is_some() && self.legs[index].rank > 0
    }

    /// An Item that is given elsewhere; if that was on this page, this holder is named with it.
    fn pass(&mut self, index: usize) {
        let Some(hit) = self.legs[index].take() else { return };
        self.legs[index].returned -= 1;
        self.deduplicated += 1;
        let member = &self.legs[index].member;
        let is_same = |(_, known): &&mut (usize, super::Hit)| {
            known.key.id == hit.key.id && known.key.collection == hit.key.collection
        };
        if let Some((_, known)) = self.hits.iter_mut().find(is_same) {
            known.replicas.push(member.clone());
        }
    }

    /// Why a higher holder could not be asked.
    fn unable(&self, higher: usize) -> LegFailure {
        let other = &self.legs[higher];
        let can = other.united.as_ref().is_some_and(|united| united.ids_max > 0);
        let known = self.mute.get(&higher).or(other.failure.as_ref()).cloned();
        known.unwrap_or_else(|| {
            if can {
                return Status::ScanLimit.into();
            }
            let feature = Some(format!("ids, at `{}`, which may have the same", other.member));
            LegFailure { feature, ..Status::SkippedCapability.into() }
        })
    }

    fn owned(&mut self, index: usize) -> Owned {
        let leg = &self.legs[index];
        let (Some(united), Some((_, item))) = (&leg.united, leg.buffer.front()) else { return Owned::Here };
        let (id, mine, shared) = (item.id.clone(), leg.seniority(), united.id.clone());
        let mut asks = Vec::new();
        let mut waits = false;
        for (higher, other) in self.legs.iter().enumerate() {
            let is_higher = other.seniority() < mine && other.united.as_ref().is_some_and(|united| united.id == shared);
            if !is_higher {
                continue;
            }
            let can = other.united.as_ref().is_some_and(|united| united.ids_max > 0);
            match self.held.get(&(higher, id.clone())) {
                Some(true) => return Owned::Elsewhere,
                Some(false) => {}
                None if other.asked.is_some() => waits = true,
                None if !can
                    || other.failure.is_some()
                    || self.mute.contains_key(&higher)
                    || self.allowance_is_over(higher) =>
                {
                    return Owned::Unknown(higher);
                }
                None => asks.push(higher),
            }
        }
        if asks.is_empty() && !waits {
            return Owned::Here;
        }
        let questions: Vec<(usize, Request)> =
            asks.into_iter().map(|higher| (higher, self.question(higher, index))).collect();
        Owned::Asking(Step::Needs(questions))
    }

    /// Asks a holder for what a lower one has at hand.
    fn question(&mut self, higher: usize, lower: usize) -> Request {
        let at_hand = self.legs[lower].buffer.iter().map(|(_, item)| &item.id);
        let unknown = at_hand.filter(|id| !self.held.contains_key(&(higher, (*id).clone())));
        let ids_max = self.legs[higher].united.as_ref().map_or(0, |united| united.ids_max);
        let ids: Vec<String> = unknown.take(ids_max).map(ToString::to_string).collect();
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let request = Request { limit, ids: Some(ids), ..Request::default() };
        self.legs[higher].requests += 1;
        self.legs[higher].asked = Some(request.clone());
        request
    }

    /// Takes the answer of a holder in that was asked by ids.
    pub(super) fn hear(&mut self, higher: usize, asked: &[String], page: &Page, mut keeps: impl FnMut(&Item) -> bool) {
        let known = self.held.len();
        for item in &page.items {
            if asked.iter().any(|id| **id == *item.id) && keeps(item) {
                self.held.insert((higher, item.id.clone()), true);
            }
        }
        if page.partial.is_some() {
            // what it does not name may be at a member of its own that did not answer
            self.mute.insert(higher, Status::BadResponse.into());
        } else if page.next.is_none() && !page.cut {
            for id in asked {
                self.held.entry((higher, id.as_str().into())).or_insert(false);
            }
        } else if self.held.len() == known {
            self.mute.insert(higher, Status::NoProgress.into());
        }
    }
}
