//! Asks the members, concurrently; the only part of the pipeline that waits.
//!
//! All legs that the page needs are asked at once and their answers are fed as they come: a slow one delays nobody's
//! reading. What is still under way at the deadline has timed out.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::broker::Snapshot;
use crate::cql2::Expr;
use crate::federation::MemberId;
use crate::members::{Ask, Failure, Fault, Page};

use super::Clock;
use super::merge::Step;
use super::page::PageRun;
use super::plan::Leg;
use super::stream::Request;

/// Kept of the client's deadline for merging and writing.
const RESERVE: Duration = Duration::from_millis(300);

/// With less time than this no member is asked any more: a request that is cut as it is sent tells nothing of the member,
/// and costs it all the same.
const LEAST: Duration = Duration::from_millis(50);

/// Said of a member whose answer was still under way when the page had to end, though it had time of its own left.
const CUT: &str = "the time for the page was over before it answered";

/// Reasons that one log line shows.
const REASONS_MAX: usize = 8;

/// Runs a page to its end; gives the time spent on each member in milliseconds.
pub async fn run(snapshot: &Snapshot, page: &mut PageRun<'_>, clock: Clock) -> Vec<(MemberId, u64)> {
    let deadline = clock.deadline.checked_sub(RESERVE).unwrap_or(clock.deadline);
    let mut took: Vec<(MemberId, u64)> = Vec::new();
    let mut under_way = FuturesUnordered::new();
    let mut waiting: Vec<usize> = Vec::new();
    loop {
        if Instant::now() + LEAST >= deadline {
            page.stop_asking();
        }
        let Step::Needs(requests) = page.step() else { break };
        for (index, request) in requests {
            waiting.push(index);
            under_way.push(ask(snapshot, page.leg(index), index, request, deadline));
        }
        match timeout_at(deadline, under_way.next()).await {
            Ok(Some(Asked { index, ms, answer, cut })) => {
                waiting.retain(|other| *other != index);
                note(&mut took, &page.leg(index).member, ms);
                page.feed(index, answer);
                page.say(index, cut.then_some(CUT));
            }
            // nothing to ask and nothing under way: the page cannot go on
            Ok(None) => break,
            Err(_elapsed) => {
                for index in waiting.drain(..) {
                    let member = &page.leg(index).member;
                    warn!(member = %member, "leg timed out at the deadline of the request");
                    page.feed(index, Err((Fault::Timeout, None)));
                    page.say(index, Some(CUT));
                }
                under_way.clear();
            }
        }
    }
    took
}

/// What became of one request.
struct Asked {
    /// Of its leg.
    index: usize,
    ms: u64,
    answer: Result<Page, (Fault, Option<u32>)>,
    /// It had to end with the page, before the member's own time was over.
    cut: bool,
}

async fn ask(snapshot: &Snapshot, leg: &Leg, index: usize, request: Request, deadline: Instant) -> Asked {
    let started = Instant::now();
    let Some(member) = snapshot.members.get(leg.member.as_str()) else {
        return Asked { index, ms: 0, answer: Err((Fault::Unreachable, None)), cut: false };
    };
    let ask = Ask {
        limit: request.limit,
        token: request.token,
        datetime: request.datetime.or(leg.ask.datetime),
        ids: among(leg.ask.ids.as_ref(), request.ids),
        filter: joined(leg.ask.filter.as_ref(), request.filter.as_ref()),
        ..leg.ask.clone()
    };
    let own = snapshot.federation.member(leg.member.as_str()).and_then(|member| member.request.deadline);
    let own = started + own.unwrap_or(snapshot.federation.limits.member_deadline);
    let answer = timeout_at(deadline.min(own), member.search(&ask, deadline.min(own))).await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = match answer {
        Ok(Ok(page)) => {
            tell_invalid(leg, &page);
            Ok(page)
        }
        Ok(Err(failure)) => Err(told(leg, elapsed_ms, &failure)),
        Err(_elapsed) => {
            warn!(member = %leg.member, elapsed_ms, "leg timed out");
            Err((Fault::Timeout, None))
        }
    };
    let is_late = matches!(answer, Err((Fault::Timeout, _)));
    // an adapter ends a little before the time that it is given
    let cut = is_late && deadline < own && Instant::now() + LEAST >= deadline;
    Asked { index, ms: elapsed_ms, answer, cut }
}

/// Ids that are asked for in particular, of those that are asked for at all.
fn among(own: Option<&Vec<String>>, asked: Option<Vec<String>>) -> Option<Vec<String>> {
    match (own, asked) {
        (Some(own), Some(asked)) => Some(asked.into_iter().filter(|id| own.contains(id)).collect()),
        (own, asked) => asked.or_else(|| own.cloned()),
    }
}

/// Both conditions.
fn joined(own: Option<&Arc<Expr>>, further: Option<&Arc<Expr>>) -> Option<Arc<Expr>> {
    match (own, further) {
        (Some(own), Some(further)) => Some(Arc::new(Expr::And(vec![own.as_ref().clone(), further.as_ref().clone()]))),
        (own, further) => own.or(further).cloned(),
    }
}

/// Documents that are left out: the client gets their number, the log why.
fn tell_invalid(leg: &Leg, page: &Page) {
    let nameless = page.items.iter().filter(|item| item.collection.is_empty() && leg.only_collection().is_none());
    let nameless = nameless.map(|item| format!("`{}`: no `collection`, and several were asked for", item.id));
    let reasons: Vec<String> = page.invalid.reasons.iter().cloned().chain(nameless).take(REASONS_MAX).collect();
    if !reasons.is_empty() {
        warn!(member = %leg.member, count = page.invalid.count, reasons = ?reasons, "documents left out");
    }
}

/// What a member said goes to the log, never to the client.
fn told(leg: &Leg, elapsed_ms: u64, failure: &Failure) -> (Fault, Option<u32>) {
    if failure.fault == Fault::CircuitOpen {
        // Told once, when it opened.
        debug!(member = %leg.member, retry_after_s = failure.retry_after_s, "leg not asked, its breaker is open");
        return (failure.fault, failure.retry_after_s);
    }
    warn!(member = %leg.member, elapsed_ms, status = failure.status, fault = ?failure.fault, detail = %failure.detail, "leg failed");
    (failure.fault, failure.retry_after_s)
}

fn note(took: &mut Vec<(MemberId, u64)>, member: &MemberId, ms: u64) {
    match took.iter_mut().find(|(known, _)| known == member) {
        Some((_, sum)) => *sum += ms,
        None => took.push((member.clone(), ms)),
    }
}
