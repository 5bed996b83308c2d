//! The pages of one search, each held against what the members hold: I1, I2, I4, S17 to S21, S26.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::search::outcome::Status;
use crate::search::report::{GapReport, MemberReport};
use crate::search::{Answer, Report, may_follow};

use super::judge::Judge;
use super::keys::{By, Key, Sort, covers};
use super::world::{SHARED, Wish, World, exposed};

/// Requests of one leg on one page: as many while the page holds no Item.
const REQUESTS_MAX: u32 = 12;

/// How a reason begins that is the page's own.
const OUT_OF_TIME: &str = "the time for the page was over ";

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
    /// Ties that their member may give in its own order (S7): the member and the first value.
    walks: BTreeSet<(String, String)>,
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
            let key = Key::of_found(found, self.wish.sort);
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
            let keys = answer.items.iter().map(|found| Key::of_found(found, self.wish.sort));
            self.walks.extend(keys.map(|key| (member.to_string(), key.tie())));
        }
    }

    fn is_walked(&self, member: &str, key: &Key) -> bool {
        self.walks.contains(&(member.to_owned(), key.tie()))
    }

    /// Whether an Item is surely given in its member's own order: it may be, and is not where the order has it.
    fn comes_walked(&self, key: &Key, member: &str) -> bool {
        let before = self.last.as_ref().filter(|last| last.key.first(key, self.wish.sort).is_eq());
        self.is_walked(member, key)
            && before.is_some_and(|last| last.walked || last.key.compare(key, self.wish.sort).is_gt())
    }

    fn members(&mut self, report: &Report, late: bool, judge: &mut Judge) {
        for member in &report.members {
            let id = member.id.as_str();
            self.statuses.entry(id.to_owned()).or_default().insert(member.status.name());
            // a holder's shares of a shared Collection are legs of their own
            let legs = if judge.holders.contains(id) { 3 } else { 1 };
            if member.requests > legs * REQUESTS_MAX {
                judge.wrong(format!("{id} was asked {} times for one page", member.requests));
            }
            // where a page's time was over while others were waited for, that is said, and is not the member's doing
            let out_of_time = late && member.reason.as_ref().is_some_and(|reason| reason.starts_with(OUT_OF_TIME));
            let lacks_nulls = !member.gaps.is_empty() && member.gaps.iter().all(|gap| is_of_nulls(gap, self.wish.sort));
            let lacks = !lacks_nulls && (is_missing(member) || !member.gaps.is_empty());
            if judge.healthy.contains(id) && !out_of_time && lacks {
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
        let sort = self.wish.sort;
        for Wanted { collection, id, at } in wanted(world, self.wish) {
            let passed = |(member, key): &(String, Key)| {
                self.last.as_ref().is_some_and(|last| {
                    if self.is_walked(member, key) {
                        key.first(&last.key, sort).is_lt()
                    } else {
                        key.compare(&last.key, sort).is_le()
                    }
                })
            };
            let due = over || (sorted && at.iter().all(passed));
            let came = self.shown.contains(&(collection.clone(), id.clone()));
            if !due || came || at.iter().any(|(member, _)| self.exempt.contains(member)) {
                continue;
            }
            let told = |member: &str| answer.report.members.iter().find(|told| told.id.as_str() == member);
            let declared = at.iter().any(|(member, key)| {
                told(member).is_some_and(|told| {
                    is_missing(told) || told.gaps.iter().any(|gap| !sorted || covers(gap, key, sort))
                })
            });
            if !declared {
                let told: Vec<_> = at.iter().map(|(member, _)| told(member)).collect();
                judge.wrong(format!("I4: {at:?} is missing on page {}, and nothing says so: {told:?}", self.count));
            }
            if answer.report.complete {
                judge.wrong(format!("S17: `complete` on page {}, and {at:?} is missing", self.count));
            }
        }
    }

    /// Whether an Item is missing for good, and said to be.
    pub fn is_gone(lasting: &Lasting, member: &str, key: &Key, sort: Sort) -> bool {
        lasting.get(member).into_iter().flatten().any(|gone| match gone {
            Gone::All => true,
            Gone::Part(gap) => covers(gap, key, sort),
        })
    }
}

/// I1. In what order a member walks its own tie is known to nobody but the member.
fn follows((key, member, walked): (&Key, &str, bool), last: &Last, sort: Sort) -> bool {
    let walks = || if member >= last.member.as_str() { Ordering::Greater } else { Ordering::Less };
    may_follow((walked, last.walked), key.first(&last.key, sort), key.compare(&last.key, sort), walks)
}

/// Items without a key, which a member that shows them first and takes no condition cannot be asked for.
fn is_of_nulls(gap: &GapReport, sort: Sort) -> bool {
    let at_null = gap.from.as_ref().is_some_and(|from| from.value.is_null() && from.id.is_none());
    matches!(sort.first(), By::Number | By::Text) && at_null && gap.to.is_none() && !gap.retryable
}

fn is_missing(member: &MemberReport) -> bool {
    member.turn_missed || member.status == Status::SkippedCapability
}

/// An Item that a search selects, at members that hold it all the time: one, or the holders of a shared Collection.
pub struct Wanted {
    pub collection: String,
    pub id: String,
    /// Each with its own place in the order: replicas agree on their times and ids only.
    pub at: Vec<(String, Key)>,
}

/// The Items that a search selects.
pub fn wanted(world: &World, wish: &Wish) -> Vec<Wanted> {
    let catalogues = world.net.lock();
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for catalogue in catalogues.values() {
        for thing in catalogue.things.iter().filter(|thing| thing.lasting) {
            let native = &catalogue.collections[thing.collection];
            if !wish.wants(thing, native) {
                continue;
            }
            let exposed = exposed(&catalogue.id, native);
            let at = (catalogue.id.clone(), Key::of(thing, &exposed, wish.sort));
            let known = (exposed == SHARED).then(|| shared.get(&thing.id).copied()).flatten();
            if let Some(known) = known {
                wanted[known].at.push(at);
                continue;
            }
            if exposed == SHARED {
                shared.insert(thing.id.clone(), wanted.len());
            }
            wanted.push(Wanted { collection: exposed, id: thing.id.clone(), at: vec![at] });
        }
    }
    wanted
}
