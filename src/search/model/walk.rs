//! One history: a client that walks a session page by page, then asks for what was missing.

use std::collections::BTreeMap;

use crate::collections::Ids;
use crate::members::{Ask, Fault};
use crate::search::KeyRing;
use crate::search::merge::Step;
use crate::search::order::Position;
use crate::search::outcome::Status;
use crate::search::page::{LegEnd, PageEnd, PageRun};
use crate::search::plan::{Mode, Plan};
use crate::search::session::{Gap, Session};
use crate::search::stream::{REQUESTS_EMPTY_MAX, Request};

use super::catalogue::{Catalogue, Lists, Takes};
use super::judge::judge;
use super::thing::Condition;
use super::world::World;

const PAGES_MAX: usize = 600;
/// Sessions of gaps that one history walks; after the second no member fails any more.
const GAP_RETRIES_MAX: usize = 6;

#[derive(Default)]
pub(super) struct Walk {
    pub(super) given: Vec<(String, String, String)>,
    pub(super) gaps: BTreeMap<String, Vec<Gap>>,
    pub(super) pages: usize,
    /// Links that were followed from pages without an Item.
    pub(super) retries: usize,
    /// Sessions of `retry-missed` that asked for gaps.
    pub(super) gap_retries: usize,
    /// Gaps of ended sessions that no retry can fill.
    pub(super) lasting_gaps: BTreeMap<String, Vec<Gap>>,
    /// A gap was widened, so that a retry may repeat what lies beside it.
    pub(super) widened: bool,
}

/// Runs one history and checks it against the oracle; gives how many `retry-missed` links it followed from pages without
/// an Item, and how many sessions of gaps it walked.
pub(super) fn history(seed: u64, keys: &KeyRing, ids: &Ids) -> Result<(usize, usize), String> {
    walk_the(&mut World::new(seed), keys, ids)
}

pub(super) fn walk_the(world: &mut World, keys: &KeyRing, ids: &Ids) -> Result<(usize, usize), String> {
    let plan = world.plan();
    for catalogue in &world.catalogues {
        let Catalogue { member, mode, things, habits, takes, .. } = catalogue;
        let condition = world.condition.map(Condition::text);
        world.trace.say(|| format!("{member} {mode:?} {} Items {habits:?} {takes:?} {condition:?}", things.len()));
    }
    let mut outages = if world.dice.one_in(2) { 0 } else { 2 + world.dice.below(12) };
    let mut limit = 1 + world.dice.below(20) as u32;
    let mut session = Session::begin(&plan, [0; 12], 0);
    let mut first = true;
    let mut walk = Walk::default();
    let mut last = Position::Start;
    let mut failed_once = false;
    let mut failures_in_a_row = 0;
    loop {
        walk.pages += 1;
        if walk.pages > PAGES_MAX {
            return Err("the walk does not end".into());
        }
        let before = session.clone();
        let end = page(world, &plan, session.clone(), first, limit, outages)?;
        world.trace.say(|| {
            let legs = end.legs.iter().map(|leg| {
                format!(
                    "\n  {} {:?} returned {} requests {} gaps {:?}",
                    leg.member, leg.status, leg.returned, leg.requests, leg.gaps
                )
            });
            format!(
                "page {} of {limit}: {} hits; next {}{}",
                walk.pages,
                end.hits.len(),
                end.next.is_some(),
                legs.collect::<String>()
            )
        });
        let fine = |leg: &LegEnd| match leg.status {
            Status::Ok | Status::Exhausted => true,
            // goes on where it stopped, with no more gaps than it had
            Status::ScanLimit => end.retry.as_ref().is_some_and(|retry| gaps_of(retry, leg) == gaps_of(&session, leg)),
            _ => false,
        };
        failed_once |= !end.legs.iter().all(fine);
        if let Some(leg) = end.legs.iter().find(|leg| leg.requests > REQUESTS_EMPTY_MAX) {
            return Err(format!("{} requests to {}", leg.requests, leg.member));
        }
        if end.hits.len() > limit as usize {
            return Err("a page larger than its limit".into());
        }
        if outages == 0 && world.dice.one_in(10) {
            let again = page(world, &plan, before, first, limit, 0)?;
            let ids = |end: &PageEnd| {
                end.hits.iter().map(|(_, hit)| (hit.key.id.clone(), hit.key.collection.clone())).collect::<Vec<_>>()
            };
            // a page may end early, depending on who answers first; what it gives is the same
            let (one, other) = (ids(&end), ids(&again));
            let alike = one.iter().zip(&other).all(|(one, other)| one == other);
            let shuffles =
                |catalogue: &Catalogue| catalogue.habits.shuffles_ties || catalogue.habits.lists == Lists::Shuffled;
            if !alike && !world.catalogues.iter().any(shuffles) {
                return Err("the same cursor gave another page".into());
            }
        }
        for (member, hit) in &end.hits {
            if let Some(order) = &world.order {
                if !order.key_after(&hit.key, &last) {
                    return Err(format!("order: {:?} does not lie behind {last:?}", hit.key));
                }
                last = Position::At(hit.key.clone());
            }
            walk.given.push((member.to_string(), hit.key.collection.to_string(), hit.key.id.to_string()));
        }
        for leg in end.legs.iter().filter(|leg| leg.contradictions > 0) {
            let false_word =
                |catalogue: &Catalogue| catalogue.member == leg.member && catalogue.takes == Takes::Falsely;
            if !world.catalogues.iter().any(false_word) {
                return Err(format!("{} did not contradict itself", leg.member));
            }
        }
        for leg in &end.legs {
            let known = walk.gaps.entry(leg.member.to_string()).or_default();
            if known.len() > leg.gaps.len() && leg.gaps.len() < 4 && world.order.is_some() && walk.gap_retries == 0 {
                return Err(format!("a gap of {} was forgotten", leg.member));
            }
            known.clone_from(&leg.gaps);
            walk.widened |= leg.gaps.len() >= 4;
        }
        if let Some(retry) = end.retry {
            if end.next.is_some() || !end.hits.is_empty() {
                return Err("a page that goes on offers another try".into());
            }
            // the gaps that it closes are no gaps of the walk
            walk.gaps = retry.legs.iter().map(|leg| (leg.member.clone(), leg.gaps.clone())).collect();
            walk.retries += 1;
            session = reopened(&retry, keys, ids)?;
            first = false;
            failures_in_a_row = 0;
            world.drift();
            continue;
        }
        let all_failed = end.hits.is_empty() && end.legs.iter().all(|leg| leg.broken && !leg.ended);
        if all_failed && !end.legs.is_empty() {
            // the client gets an error and comes again with the cursor it has
            let bounded = end
                .legs
                .iter()
                .any(|leg| matches!(leg.status, Status::SkippedCapability | Status::TooLarge | Status::ScanLimit));
            if outages == 0 && !bounded {
                return Err("everybody failed without an outage".into());
            }
            failures_in_a_row += 1;
            // what fails by a bound fails again; an outage may pass
            if bounded || failures_in_a_row > 50 {
                break;
            }
            walk.gaps = session.legs.iter().map(|leg| (leg.member.clone(), leg.gaps.clone())).collect();
            continue;
        }
        failures_in_a_row = 0;
        first = false;
        session = match (end.next, end.missed) {
            (Some(next), _) => reopened(&next, keys, ids)?,
            // the walk is over: what it missed is asked for, at first while members still fail
            (None, Some(missed)) if walk.gap_retries < GAP_RETRIES_MAX => {
                walk.gap_retries += 1;
                outages = if walk.gap_retries > 2 { 0 } else { outages };
                last = Position::Start;
                for (member, gaps) in std::mem::take(&mut walk.gaps) {
                    let lasting = gaps.into_iter().filter(|gap| !gap.status.retryable());
                    walk.lasting_gaps.entry(member).or_default().extend(lasting);
                }
                world.trace.say(|| format!("retry {missed:?}"));
                reopened(&missed, keys, ids)?
            }
            (None, _) => break,
        };
        if world.dice.one_in(4) {
            limit = 1 + world.dice.below(30) as u32;
        }
        world.drift();
    }
    judge(world, &walk, failed_once)?;
    Ok((walk.retries, walk.gap_retries))
}

/// One page, answers arriving in any order; `outages` decides which requests fail.
fn page(
    world: &mut World,
    plan: &Plan,
    session: Session,
    first: bool,
    limit: u32,
    outages: u64,
) -> Result<PageEnd, String> {
    let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
    run.with_ties_of(|member| {
        // a few Items may look ordered by chance, so only members that do order their ties have small ones taken for large
        let simple = world.order.as_ref().is_some_and(|order| order.keys().len() == 1);
        let sorts = |catalogue: &Catalogue| {
            catalogue.member == *member
                && (catalogue.habits.sorts_ties || matches!(catalogue.mode, Mode::Token | Mode::Slice))
        };
        if simple && world.catalogues.iter().any(sorts) { world.ties_max } else { usize::MAX }
    });
    let mut under_way: Vec<(usize, Request)> = Vec::new();
    let mut rounds = 0;
    while let Step::Needs(requests) = run.step() {
        under_way.extend(requests);
        if under_way.is_empty() {
            return Err("asks for input, but for none that is not under way".into());
        }
        rounds += 1;
        if rounds > 200 {
            return Err("does not come to an end of its page".into());
        }
        let chosen = world.dice.below(under_way.len() as u64) as usize;
        let (index, request) = under_way.swap_remove(chosen);
        let leg = run.leg(index);
        let ask = Ask {
            limit: request.limit,
            token: request.token,
            datetime: request.datetime.or(leg.ask.datetime),
            ..leg.ask.clone()
        };
        let catalogue =
            world.catalogues.iter().find(|catalogue| catalogue.member == leg.member).expect("a member of the world");
        let fails = outages > 0 && world.dice.one_in(outages);
        let answer = if fails {
            Err((Fault::Timeout, None))
        } else {
            catalogue.answer(world.order.as_ref(), world.condition, &ask, &mut world.dice)
        };
        if let Ok(page) = &answer {
            let items: Vec<_> = page.items.iter().map(|item| (item.time_key(), &item.id, &item.collection)).collect();
            world.trace.say(|| format!("    {} {ask:?} -> {items:?}", leg.member));
        }
        run.feed(index, answer);
    }
    Ok(run.finish())
}

fn gaps_of(session: &Session, leg: &LegEnd) -> usize {
    session.legs.iter().filter(|known| known.member == leg.member.as_str()).map(|known| known.gaps.len()).sum()
}

/// A session as its cursor brings it back.
fn reopened(session: &Session, keys: &KeyRing, ids: &Ids) -> Result<Session, String> {
    let sealed = keys.seal(session, ids, 0);
    let opened = keys.open(&sealed, ids, 0).map_err(|refused| refused.to_string())?.session;
    if opened == *session { Ok(opened) } else { Err("the cursor does not open to what was sealed".into()) }
}
