//! The pages of one search, each held against what the members hold: I1, I2, I4, S17 to S21, S26.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::search::outcome::Status;
use crate::search::report::{GapReport, MemberReport, PlaceReport};
use crate::search::{Answer, Report, may_follow};

use super::judge::Judge;
use super::member::Thing;
use super::world::{Sort, Wish, World};

/// Requests of one leg on one page: as many while the page holds no Item.
const REQUESTS_MAX: u32 = 12;

/// Place of an Item, as far as the order of a search goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub at_ms: i64,
    pub id: String,
    /// As exposed.
    pub collection: String,
}

impl Key {
    pub fn of(thing: &Thing, member: &str, collection: &str) -> Self {
        Self { at_ms: thing.at_ms(), id: thing.id.clone(), collection: format!("{member}|{collection}") }
    }

    fn first(&self, other: &Self, sort: Sort) -> Ordering {
        match sort {
            Sort::Oldest => self.at_ms.cmp(&other.at_ms),
            Sort::Id => self.id.cmp(&other.id),
            Sort::Newest | Sort::Unsaid => other.at_ms.cmp(&self.at_ms),
        }
    }

    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let rest = (&self.id, &self.collection).cmp(&(&other.id, &other.collection));
        self.first(other, sort).then(rest)
    }
}

/// What is missing of a member for good.
pub type Lasting = BTreeMap<String, Vec<Gone>>;

/// A part that another try does not bring.
#[derive(Debug, Clone)]
pub enum Gone {
    All,
    Part(Box<GapReport>),
}

/// The Item that was given last.
struct Last {
    key: Key,
    member: String,
    /// In its member's own order.
    walked: bool,
}

/// One walk from a first page, or from a `retry-missed`, to its end.
pub struct Pages<'a> {
    pub wish: &'a Wish,
    exempt: &'a BTreeSet<String>,
    /// It fetches what an earlier walk missed.
    of_gaps: bool,
    last: Option<Last>,
    /// Ties that their member may give in its own order (S7): the member and the time.
    walks: BTreeSet<(String, i64)>,
    pub shown: BTreeSet<(String, String)>,
    pub count: usize,
    /// Statuses that each member had on some page.
    pub statuses: BTreeMap<String, BTreeSet<&'static str>>,
    pub lasting: Lasting,
    /// Every page said that nothing is missing.
    pub complete: bool,
}

impl<'a> Pages<'a> {
    pub fn new(wish: &'a Wish, exempt: &'a BTreeSet<String>, of_gaps: bool) -> Self {
        Self {
            wish,
            exempt,
            of_gaps,
            last: None,
            walks: BTreeSet::new(),
            shown: BTreeSet::new(),
            count: 0,
            statuses: BTreeMap::new(),
            lasting: Lasting::new(),
            complete: true,
        }
    }

    /// Takes a page in; `late` where it took all of its time.
    pub fn take(&mut self, answer: &Answer, late: bool, world: &World, judge: &mut Judge) {
        self.count += 1;
        self.complete &= answer.report.complete;
        let sorted = answer.report.order.by == "broker";
        if answer.items.is_empty() && answer.next.is_some() {
            judge.wrong("a page without an Item has a `next`");
        }
        if answer.items.len() > self.wish.limit as usize {
            judge.wrong(format!("{} Items on a page of {}", answer.items.len(), self.wish.limit));
        }
        self.note_walks(answer);
        for found in &answer.items {
            let key = Key {
                at_ms: found.item.time_key().unwrap_or_default(),
                id: found.item.id.to_string(),
                collection: found.collection.to_string(),
            };
            let misled = self.exempt.contains(found.member.as_str());
            let walked = self.comes_walked(&key, found.member.as_str());
            if let (true, Some(last)) = (sorted, &self.last)
                && !follows((&key, found.member.as_str(), walked), last, self.wish.sort)
            {
                judge.wrong(format!("I1: {key:?} comes after {:?}", last.key));
            }
            if !self.shown.insert((key.collection.clone(), key.id.clone())) && (sorted || !misled) {
                judge.wrong(format!("I2: {key:?} comes twice"));
            }
            self.last = Some(Last { key, member: found.member.to_string(), walked });
        }
        self.members(&answer.report, late, judge);
        self.note_lasting(&answer.report);
        if !self.of_gaps {
            self.nothing_is_missing_unsaid(answer, sorted, world, judge);
        }
    }

    /// Which ties of the page are given in a member's own order, as the page says.
    fn note_walks(&mut self, answer: &Answer) {
        for member in &answer.report.order.ties_members {
            let times = answer.items.iter().filter_map(|found| found.item.time_key());
            self.walks.extend(times.map(|at_ms| (member.to_string(), at_ms)));
        }
    }

    fn is_walked(&self, member: &str, at_ms: i64) -> bool {
        self.walks.contains(&(member.to_owned(), at_ms))
    }

    /// Whether an Item is surely given in its member's own order: it may be, and is not where the order has it.
    fn comes_walked(&self, key: &Key, member: &str) -> bool {
        let before = self.last.as_ref().filter(|last| last.key.first(key, self.wish.sort).is_eq());
        self.is_walked(member, key.at_ms)
            && before.is_some_and(|last| last.walked || last.key.compare(key, self.wish.sort).is_gt())
    }

    fn members(&mut self, report: &Report, late: bool, judge: &mut Judge) {
        for member in &report.members {
            let id = member.id.as_str();
            self.statuses.entry(id.to_owned()).or_default().insert(member.status.name());
            if member.requests > REQUESTS_MAX {
                judge.wrong(format!("{id} was asked {} times for one page", member.requests));
            }
            // when a page's time is over while one member is waited for, the others are told to have timed out too
            let out_of_time = late && member.status == Status::Timeout;
            if judge.healthy.contains(id) && !out_of_time && (is_missing(member) || !member.gaps.is_empty()) {
                judge.wrong(format!("{id} is well, and said to be missing: {member:?}"));
            }
            if member.status == Status::CircuitOpen && (member.reason.is_none() || member.retry_after_s.is_none()) {
                judge.wrong(format!("{id} is not asked, without a reason or a time: {member:?}"));
            }
            if report.complete && (is_missing(member) || !member.gaps.is_empty()) {
                judge.wrong(format!("`complete`, and {id} is missing: {member:?}"));
            }
        }
    }

    fn note_lasting(&mut self, report: &Report) {
        for member in &report.members {
            let gone = self.lasting.entry(member.id.to_string()).or_default();
            if member.status == Status::SkippedCapability {
                gone.push(Gone::All);
            }
            gone.extend(member.gaps.iter().filter(|gap| !gap.retryable).map(|gap| Gone::Part(Box::new(gap.clone()))));
        }
    }

    /// I4: whatever should have come by now came, or lies in a gap, or its member is named.
    fn nothing_is_missing_unsaid(&mut self, answer: &Answer, sorted: bool, world: &World, judge: &mut Judge) {
        let over = answer.next.is_none();
        for (member, key) in wanted(world, self.wish) {
            let walked = self.is_walked(&member, key.at_ms);
            let passed = |last: &Last| {
                if walked {
                    key.first(&last.key, self.wish.sort).is_lt()
                } else {
                    key.compare(&last.key, self.wish.sort).is_le()
                }
            };
            let due = over || (sorted && self.last.as_ref().is_some_and(passed));
            let came = self.shown.contains(&(key.collection.clone(), key.id.clone()));
            if !due || came || self.exempt.contains(&member) {
                continue;
            }
            let told = answer.report.members.iter().find(|told| told.id.as_str() == member);
            let declared = told.is_some_and(|told| {
                is_missing(told) || told.gaps.iter().any(|gap| covers(gap, &key, self.wish.sort, sorted))
            });
            if !declared {
                judge.wrong(format!("I4: {key:?} is missing on page {}, and nothing says so: {told:?}", self.count));
            }
            if answer.report.complete {
                judge.wrong(format!("S17: `complete` on page {}, and {key:?} is missing", self.count));
            }
        }
    }

    /// Whether an Item is missing for good, and said to be.
    pub fn is_gone(lasting: &Lasting, member: &str, key: &Key, sort: Sort) -> bool {
        lasting.get(member).into_iter().flatten().any(|gone| match gone {
            Gone::All => true,
            Gone::Part(gap) => covers(gap, key, sort, true),
        })
    }
}

/// I1. In what order a member walks its own tie is known to nobody but the member.
fn follows((key, member, walked): (&Key, &str, bool), last: &Last, sort: Sort) -> bool {
    let walks = || if member >= last.member.as_str() { Ordering::Greater } else { Ordering::Less };
    may_follow((walked, last.walked), key.first(&last.key, sort), key.compare(&last.key, sort), walks)
}

fn is_missing(member: &MemberReport) -> bool {
    member.turn_missed || member.status == Status::SkippedCapability
}

/// The Items that a search selects, at members that hold them all the time.
pub fn wanted(world: &World, wish: &Wish) -> Vec<(String, Key)> {
    let catalogues = world.net.lock();
    let mut wanted = Vec::new();
    for catalogue in catalogues.values() {
        for thing in catalogue.things.iter().filter(|thing| thing.lasting) {
            let collection = &catalogue.collections[thing.collection];
            if wish.wants(thing, collection) {
                wanted.push((catalogue.id.clone(), Key::of(thing, &catalogue.id, collection)));
            }
        }
    }
    wanted
}

/// Whether a gap covers a place. Where it does not say whether its edge is before or behind a time, it covers that.
fn covers(gap: &GapReport, key: &Key, sort: Sort, sorted: bool) -> bool {
    if !sorted {
        return true;
    }
    let edge = |place: &PlaceReport| {
        let text = place.value.as_str().unwrap_or_default();
        let at_ms = text.parse::<DateTime<Utc>>().map_or(0, |at| at.timestamp_millis());
        let id = place.id.clone().unwrap_or_else(|| text.to_owned());
        (Key { at_ms, id, collection: place.collection.clone().unwrap_or_default() }, place.id.is_some())
    };
    let behind = gap.from.as_ref().is_none_or(|from| match edge(from) {
        (edge, true) => key.compare(&edge, sort) == Ordering::Greater,
        (edge, false) => key.first(&edge, sort) != Ordering::Less,
    });
    let before = gap.to.as_ref().is_none_or(|to| match edge(to) {
        (edge, true) => key.compare(&edge, sort) != Ordering::Greater,
        (edge, false) => key.first(&edge, sort) != Ordering::Greater,
    });
    behind && before
}
