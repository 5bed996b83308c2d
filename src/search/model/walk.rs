//! One history: a client that walks a session page by page, then asks for what was missing.

use std::collections::{BTreeMap, HashSet};

use crate::collections::Ids;
use crate::search::KeyRing;
use crate::search::counts::Bounds;
use crate::search::order::{Key, Position};
use crate::search::outcome::Status;
use crate::search::page::{LegEnd, PageEnd};
use crate::search::plan::Plan;
use crate::search::session::{Gap, Session, SessionLeg};

use super::catalogue::{Catalogue, Counts, Lists, Takes};
use super::judge::{hold_the_bounds, judge, may_follow};
use super::oracle::Oracle;
use super::page::page;
use super::thing::Condition;
use super::world::World;

const PAGES_MAX: usize = 600;
/// Sessions of gaps that one history walks; after the second no member fails any more.
const GAP_RETRIES_MAX: usize = 6;
const GAP_RETRIES_FAILING: usize = 2;
/// Pages in a row on which everybody failed, after which a client gives up.
const FAILURES_MAX: usize = 50;
/// Gaps of one member from which on some may have been made one.
const GAPS_WIDENED: usize = 4;

/// What a client was given, and what it was told is missing.
#[derive(Default)]
pub(super) struct Walk {
    /// The keys of what was given, as the oracle reads them.
    pub(super) given: Vec<Given>,
    /// Members with the first keys whose ties they give in their own order.
    pub(super) walkers: HashSet<(String, String)>,
    pub(super) gaps: BTreeMap<String, Vec<Gap>>,
    /// Gaps of ended sessions that no retry can fill.
    pub(super) lasting_gaps: BTreeMap<String, Vec<Gap>>,
    /// A gap was widened, so that a retry may repeat what lies beside it.
    pub(super) widened: bool,
    /// Some member did not answer as it should.
    pub(super) failed_once: bool,
    /// How many match, by the first page.
    pub(super) counted: Option<(Option<u64>, Bounds)>,
    pub(super) followed: Followed,
}

/// An Item that was given.
pub(super) struct Given {
    pub(super) key: Key,
    member: String,
    /// In its member's own order, and its place there.
    walked: Option<u64>,
}

/// Links that were followed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Followed {
    pub(super) pages: usize,
    /// `retry-missed` from pages without an Item.
    pub(super) retries: usize,
    /// Sessions of `retry-missed` that asked for gaps.
    pub(super) gap_retries: usize,
}

/// Runs one history and checks it against the oracle.
pub(super) fn history(world: &mut World, keys: &KeyRing, ids: &Ids) -> Result<Followed, String> {
    let plan = world.plan();
    for catalogue in &world.catalogues {
        let Catalogue { member, mode, things, habits, takes, store, first, .. } = catalogue;
        let condition = world.condition.map(Condition::text);
        world.trace.say(|| {
            format!("{member} {mode:?} {} Items {habits:?} {takes:?} {store:?} {first:?} {condition:?}", things.len())
        });
    }
    let outages = if world.dice.one_in(2) { 0 } else { 2 + world.dice.below(12) };
    let limit = 1 + world.dice.below(20) as u32;
    let session = Session::begin(&plan, [0; 12], 0);
    let mut client =
        Client { plan, keys, ids, outages, limit, session, first: true, begun: 0, failures: 0, walk: Walk::default() };
    while client.turn(world)? {
        if client.walk.followed.pages > PAGES_MAX {
            return Err("the walk does not end".into());
        }
    }
    judge(world, &client.walk)?;
    Ok(client.walk.followed)
}

/// A client between two pages.
struct Client<'a> {
    plan: Plan,
    keys: &'a KeyRing,
    ids: &'a Ids,
    /// One request in so many fails; 0: none.
    outages: u64,
    limit: u32,
    session: Session,
    first: bool,
    /// Items given when the session at hand began.
    begun: usize,
    /// Pages in a row on which everybody failed.
    failures: usize,
    walk: Walk,
}

impl Client<'_> {
    /// Asks for one page; false when there is nothing more to ask for.
    fn turn(&mut self, world: &mut World) -> Result<bool, String> {
        self.walk.followed.pages += 1;
        let end = page(world, &self.plan, self.session.clone(), self.first, self.limit, self.outages)?;
        self.trace(world, &end);
        self.bounds_hold(&end)?;
        self.count(world, &end)?;
        if self.walk.followed.pages == 1 {
            hold_the_bounds(world, &end)?;
        }
        if self.outages == 0 && world.dice.one_in(10) {
            self.repeat(world, &end)?;
        }
        self.take_items(world, &end)?;
        contradictions_are_true(world, &end)?;
        self.take_gaps(world, &end)?;
        if let Some(retry) = &end.retry {
            self.follow_stop(retry, &end)?;
        } else if !end.legs.is_empty() && everybody_failed(&end) {
            return self.come_again(&end);
        } else {
            self.failures = 0;
            match (&end.next, &end.missed) {
                (Some(next), _) => self.session = self.reopened(next)?,
                (None, Some(missed)) if self.walk.followed.gap_retries < GAP_RETRIES_MAX => {
                    world.trace.say(|| format!("retry {missed:?}"));
                    self.ask_for_gaps(missed)?;
                }
                (None, _) => return Ok(false),
            }
            if world.dice.one_in(4) {
                self.limit = 1 + world.dice.below(30) as u32;
            }
        }
        self.first = false;
        world.drift(&self.walk.given);
        Ok(true)
    }

    fn trace(&self, world: &mut World, end: &PageEnd) {
        world.trace.say(|| {
            let legs: String = end.legs.iter().map(told).collect();
            let (hits, next) = (end.hits.len(), end.next.is_some());
            format!("page {} of {}: {hits} hits; next {next}{legs}", self.walk.followed.pages, self.limit)
        });
    }

    /// The bounds of a page (`paging.md` section 6).
    fn bounds_hold(&self, end: &PageEnd) -> Result<(), String> {
        if end.hits.len() > self.limit as usize {
            return Err("a page larger than its limit".into());
        }
        if end.hits.is_empty() && end.next.is_some() {
            return Err("an empty page with a next link".into());
        }
        Ok(())
    }

    /// S25: what the first page says of how many match is true, and every later page repeats it.
    fn count(&mut self, world: &World, end: &PageEnd) -> Result<(), String> {
        if self.walk.followed.gap_retries > 0 {
            return Ok(());
        }
        let said = (end.matched, end.bounds);
        if !self.first {
            let before = self.walk.counted.unwrap_or(said);
            return if said == before { Ok(()) } else { Err(format!("{before:?} match, and then {said:?}")) };
        }
        self.walk.counted = Some(said);
        let true_word =
            |catalogue: &Catalogue| catalogue.takes != Takes::Falsely && catalogue.habits.counts != Counts::Everything;
        let truth = world.matches();
        let wrong = end.matched.is_some_and(|matched| matched != truth)
            || end.bounds.lower.is_some_and(|lower| lower > truth)
            || end.bounds.upper.is_some_and(|upper| upper < truth);
        if wrong && world.catalogues.iter().all(true_word) {
            return Err(format!("{truth} match, not {said:?}"));
        }
        Ok(())
    }

    /// The same cursor again: a page may end early, depending on who answers first; what it gives is the same.
    fn repeat(&self, world: &mut World, end: &PageEnd) -> Result<(), String> {
        let again = page(world, &self.plan, self.session.clone(), self.first, self.limit, 0)?;
        let alike = end.hits.iter().zip(&again.hits).all(|((_, one), (_, other))| one.key == other.key);
        let shuffles =
            |catalogue: &Catalogue| catalogue.habits.shuffles_ties || catalogue.habits.lists == Lists::Shuffled;
        if !alike && !world.catalogues.iter().any(shuffles) {
            return Err("the same cursor gave another page".into());
        }
        Ok(())
    }

    /// I1: each Item lies behind the one before, and is what its member sent.
    fn take_items(&mut self, world: &World, end: &PageEnd) -> Result<(), String> {
        for (member, hit) in &end.hits {
            let native = hit.key.collection.strip_prefix(member.as_str()).and_then(|rest| rest.strip_prefix('|'));
            if native != Some(&*hit.item.collection) || hit.key.id != hit.item.id {
                return Err(format!("{:?} is not the key of {} of {member}", hit.key, hit.item.id));
            }
            let key =
                world.order.as_ref().map_or_else(|| hit.key.clone(), |order| order.key(&hit.item, &hit.key.collection));
            let own = |catalogue: &Catalogue| catalogue.own_place(&hit.item);
            let walked = hit.walked.then(|| world.catalogues.iter().find(|it| it.member == *member).and_then(own));
            let given = Given { key, member: member.to_string(), walked: walked.flatten() };
            if let Some(order) = &world.order
                && let Some(last) = self.walk.given[self.begun..].last()
                && !comes_after(order, &given, last)
            {
                return Err(format!("order: {:?} does not lie behind {:?}", given.key, last.key));
            }
            self.walk.given.push(given);
        }
        Ok(())
    }

    /// I4: what was missing stays declared, and nothing is declared without a failure.
    fn take_gaps(&mut self, world: &World, end: &PageEnd) -> Result<(), String> {
        let fine = |leg: &LegEnd| match leg.status {
            Status::Ok | Status::Exhausted => true,
            // goes on where it stopped, with no more gaps than it had
            Status::ScanLimit => {
                end.retry.as_ref().is_some_and(|retry| gaps_of(retry, leg) == gaps_of(&self.session, leg))
            }
            _ => false,
        };
        // members of the model time out, are too slow to read or too large, and nothing else
        let known = |leg: &LegEnd| {
            let by_bound = matches!(leg.status, Status::ScanLimit | Status::TooLarge | Status::SkippedCapability);
            fine(leg) || by_bound || (leg.status == Status::Timeout && self.outages > 0)
        };
        if let Some(leg) = end.legs.iter().find(|leg| !known(leg)) {
            return Err(format!("{} is said to be {:?}", leg.member, leg.status));
        }
        self.walk.failed_once |= !end.legs.iter().all(fine);
        for session in [&end.next, &end.retry, &end.missed].into_iter().flatten() {
            self.walk.walkers.extend(session.legs.iter().flat_map(walks_of));
        }
        if let Some(leg) = end.legs.iter().find(|leg| leg.status == Status::OrderViolation) {
            return Err(format!("{} kept its order and is not believed", leg.member));
        }
        let must_stay = world.order.is_some() && self.walk.followed.gap_retries == 0;
        for leg in &end.legs {
            let known = self.walk.gaps.entry(leg.member.to_string()).or_default();
            if known.len() > leg.gaps.len() && leg.gaps.len() < GAPS_WIDENED && must_stay {
                return Err(format!("a gap of {} was forgotten", leg.member));
            }
            known.clone_from(&leg.gaps);
            self.walk.widened |= leg.gaps.len() >= GAPS_WIDENED;
        }
        Ok(())
    }

    /// A page without an Item stopped at its allowance: it goes on from there, and its gaps are no gaps of the walk.
    fn follow_stop(&mut self, retry: &Session, end: &PageEnd) -> Result<(), String> {
        if end.next.is_some() || !end.hits.is_empty() {
            return Err("a page that goes on offers another try".into());
        }
        self.walk.gaps = gaps(retry);
        self.walk.followed.retries += 1;
        self.failures = 0;
        self.session = self.reopened(retry)?;
        Ok(())
    }

    /// The client got an error, and comes again with the cursor that it has.
    fn come_again(&mut self, end: &PageEnd) -> Result<bool, String> {
        let bounded =
            |leg: &LegEnd| matches!(leg.status, Status::SkippedCapability | Status::TooLarge | Status::ScanLimit);
        let bounded = end.legs.iter().any(bounded);
        if self.outages == 0 && !bounded {
            return Err("everybody failed without an outage".into());
        }
        self.failures += 1;
        // what fails by a bound fails again; an outage may pass
        if bounded || self.failures > FAILURES_MAX {
            return Ok(false);
        }
        self.walk.gaps = gaps(&self.session);
        Ok(true)
    }

    /// The walk is over: what it missed is asked for, at first while members still fail.
    fn ask_for_gaps(&mut self, missed: &Session) -> Result<(), String> {
        self.walk.followed.gap_retries += 1;
        if self.walk.followed.gap_retries > GAP_RETRIES_FAILING {
            self.outages = 0;
        }
        self.begun = self.walk.given.len();
        for (member, gaps) in std::mem::take(&mut self.walk.gaps) {
            let lasting = gaps.into_iter().filter(|gap| !gap.status.retryable());
            self.walk.lasting_gaps.entry(member).or_default().extend(lasting);
        }
        self.session = self.reopened(missed)?;
        Ok(())
    }

    /// A session as its cursor brings it back.
    fn reopened(&self, session: &Session) -> Result<Session, String> {
        let sealed = self.keys.seal(session, self.ids, 0);
        let opened = self.keys.open(&sealed, self.ids, 0).map_err(|refused| refused.to_string())?.session;
        if opened == *session { Ok(opened) } else { Err("the cursor does not open to what was sealed".into()) }
    }
}

fn told(leg: &LegEnd) -> String {
    let LegEnd { member, status, returned, requests, gaps, .. } = leg;
    format!("\n  {member} {status:?} returned {returned} requests {requests} gaps {gaps:?}")
}

fn everybody_failed(end: &PageEnd) -> bool {
    end.hits.is_empty() && end.legs.iter().all(|leg| leg.broken && !leg.ended)
}

/// Only a member that says one thing and does another is told to contradict itself.
fn contradictions_are_true(world: &World, end: &PageEnd) -> Result<(), String> {
    for leg in end.legs.iter().filter(|leg| leg.contradictions > 0) {
        let false_word = |catalogue: &Catalogue| catalogue.member == leg.member && catalogue.takes == Takes::Falsely;
        if !world.catalogues.iter().any(false_word) {
            return Err(format!("{} did not contradict itself", leg.member));
        }
    }
    Ok(())
}

fn gaps(session: &Session) -> BTreeMap<String, Vec<Gap>> {
    session.legs.iter().map(|leg| (leg.member.clone(), leg.gaps.clone())).collect()
}

fn gaps_of(session: &Session, leg: &LegEnd) -> usize {
    session.legs.iter().filter(|known| known.member == leg.member.as_str()).map(|known| known.gaps.len()).sum()
}

fn comes_after(order: &Oracle, given: &Given, last: &Given) -> bool {
    let walks = || (&given.member, given.walked).cmp(&(&last.member, last.walked));
    let walked = (given.walked.is_some(), last.walked.is_some());
    may_follow(walked, order.firsts(&given.key, &last.key), order.compare(&given.key, &last.key), walks)
}

/// The ties that a leg walks or has a gap in a walk of.
fn walks_of(leg: &SessionLeg) -> Vec<(String, String)> {
    let places = leg.place.iter().chain(leg.gaps.iter().filter_map(|gap| gap.place.as_ref()));
    let places = places.chain(leg.ranges.iter().filter_map(|range| range.place.as_ref()));
    let bounds = places.map(|place| &place.bound).chain(leg.gaps.iter().map(|gap| &gap.from));
    let own = |bound: &&Position| matches!(bound, Position::Walk { member, .. } if **member == *leg.member);
    bounds.filter(own).filter_map(Position::first).map(|first| (leg.member.clone(), format!("{first:?}"))).collect()
}
