//! The pipeline of a search: request -> plan -> legs -> residual -> merge -> page + cursor -> report.
//!
//! Everything but `legs.rs` is pure: no await, no clock, no I/O; time comes in as an argument. It deliberately does not
//! know HTTP. Start reading at [`search`].

pub mod request;
pub mod filter;
pub mod plan;
mod legs;
pub mod residual;
pub mod order;
mod stream;
mod merge;
mod anchors;
mod replicas;
mod owners;
mod quota;
mod taking;
mod page;
mod progress;
mod missed;
mod counts;
pub mod session;
pub mod cursor;
mod sealing;
pub mod outcome;
pub mod report;
pub mod fields;
mod one;
pub mod outside;

#[cfg(test)]
mod directed;
#[cfg(test)]
mod model;

use crate::broker::Snapshot;
pub use cursor::KeyRing;
#[cfg(test)]
pub use model::may_follow;
pub use one::item;
pub use report::Report;
pub use request::SearchRequest;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::warn;

use crate::federation::MemberId;
use crate::members::{Item, Service, Withheld};
use crate::telemetry::metrics;

use page::PageRun;
use sealing::Seals;
use session::Session;

/// One page of a federated search.
#[derive(Debug)]
pub struct Answer {
    pub items: Vec<Found>,
    /// Sealed cursor of the next page.
    pub next: Option<String>,
    /// Sealed cursor of what is missing and may be there on another try (S26 e), or, where a page without an Item had to
    /// stop, of where it goes on (P10).
    pub retry: Option<String>,
    /// S25.
    pub number_matched: Option<u64>,
    pub report: Report,
}

/// An Item of an answer and where it came from.
#[derive(Debug)]
pub struct Found {
    pub member: MemberId,
    /// As exposed: `MEMBER|collection`, or the id of a shared Collection.
    pub collection: Arc<str>,
    pub item: Item,
    /// Of a shared Collection: the other holders that are known to have it.
    pub replicas: Vec<Replica>,
}

/// The same Item at another holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub member: MemberId,
    /// `MEMBER|collection`.
    pub collection: Arc<str>,
}

/// When a search runs and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub now: DateTime<Utc>,
    pub deadline: Instant,
}

/// Why a search has no page.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// 400: names the parameter, what was given, what is accepted.
    #[error(transparent)]
    Invalid(#[from] request::Invalid),
    /// 400 `InvalidCursor`.
    #[error("{0}")]
    Cursor(String),
    /// 410 `ExpiredCursor`: of the right query, but too old; a fresh cursor at the same watermark.
    #[error("the cursor in `token` has expired")]
    Expired { fresh: String },
    /// 502, 503, 504 (S19, S20).
    #[error("{description}")]
    Failed {
        kind: outcome::Failed,
        description: String,
        retry_after_s: Option<u32>,
        report: Box<Report>,
        /// As [`Answer::retry`], where following it misses nothing.
        retry: Option<String>,
    },
}

/// Answers one page.
///
/// # Errors
/// See [`SearchError`].
pub async fn search(
    snapshot: &Snapshot,
    keys: &KeyRing,
    request: &SearchRequest,
    clock: Clock,
) -> Result<Answer, SearchError> {
    let now_ms = clock.now.timestamp_millis();
    let session = match &request.token {
        Some(token) => Some(resume(snapshot, keys, request, token, now_ms)?),
        None => None,
    };
    let started =
        session.as_ref().and_then(|session| DateTime::from_timestamp_millis(session.started_ms)).unwrap_or(clock.now);
    let plan = planned(snapshot, request, started, session.as_ref().map(|session| &session.order))?;
    let first = session.is_none();
    let session = session.unwrap_or_else(|| Session::begin(&plan, request.digests(), now_ms));
    let mut page = PageRun::new(&plan, session, first, request.limit, |member| snapshot.ids.qualified(member, ""));
    let took = legs::run(snapshot, &mut page, clock).await;
    let end = page.finish();
    tell_members(snapshot, &plan, &end);
    let outside = outside::of(&snapshot.federation, &end.hits, started);
    let mut answer = answer(snapshot, keys, request, &plan, end, &took, now_ms);
    match &mut answer {
        Ok(answer) => {
            answer.report.started = started;
            answer.report.outside = outside;
            answer.report.continues = answer.next.is_some();
            answer.next.iter().for_each(|cursor| metrics::cursor_given(cursor.len()));
        }
        Err(SearchError::Failed { report, .. }) => report.started = started,
        Err(_) => {}
    }
    answer
}

/// Members hear when their answers broke what they claim.
fn tell_members(snapshot: &Snapshot, plan: &plan::Plan, end: &page::PageEnd) {
    for leg in &end.legs {
        let Some(member) = snapshot.members.get(leg.member.as_str()) else { continue };
        if leg.status == outcome::Status::OrderViolation {
            member.disordered();
        }
        if leg.contradictions > 0 {
            let promised = plan.legs.iter().find(|planned| planned.member == leg.member && planned.part == leg.part);
            let promised = promised.and_then(|planned| planned.residual.promised.as_ref());
            let filter = promised.map_or_else(String::new, |promised| plan::shown(&promised.to_text()));
            warn!(member = %leg.member, items = leg.contradictions, filter, "items do not match the filter sent");
            member.contradicted(&filter);
        }
    }
}

/// Opens the cursor of a later page and checks that it belongs to this query (S26 h).
fn resume(
    snapshot: &Snapshot,
    keys: &KeyRing,
    request: &SearchRequest,
    token: &str,
    now_ms: i64,
) -> Result<Session, SearchError> {
    let opened = keys.open(token, &snapshot.ids, now_ms).map_err(|refused| {
        metrics::cursor_refused(refused.cause());
        SearchError::Cursor(refused.to_string())
    })?;
    let digests = request.digests();
    let changed = opened.session.digests.iter().zip(digests).position(|(before, now)| *before != now);
    if let Some(parameter) = changed.and_then(|index| request::DIGEST_NAMES.get(index)) {
        metrics::cursor_refused("other-search");
        return Err(SearchError::Invalid(request::Invalid {
            parameter: (*parameter).to_owned(),
            given: "not the one of the first page".to_owned(),
            accepted: "the same value on every page of one search; only `limit` may change".to_owned(),
        }));
    }
    if opened.expired {
        metrics::cursor_refused("expired");
        return Err(SearchError::Expired { fresh: keys.seal(&opened.session, &snapshot.ids, now_ms) });
    }
    Ok(opened.session)
}

/// Turns a finished page into the answer, or into its failure.
fn answer(
    snapshot: &Snapshot,
    keys: &KeyRing,
    request: &SearchRequest,
    plan: &plan::Plan,
    mut end: page::PageEnd,
    took: &[(MemberId, u64)],
    now_ms: i64,
) -> Result<Answer, SearchError> {
    let chars_max = Seals::room(request.by_body);
    let sealed = Seals { keys, ids: &snapshot.ids, now_ms, chars_max }.page(&mut end);
    say_when(snapshot, &mut end, DateTime::from_timestamp_millis(now_ms).unwrap_or_default());
    let verdict = outcome::decide(&end, plan, request.handling);
    let mut report = Report::of(&end, plan, took, verdict == outcome::Verdict::Complete, &request.ignored);
    say_why(snapshot, &mut report);
    // What is asked of a snapshot leaves for nobody.
    for member in &mut report.members {
        let adapter = snapshot.members.get(member.id.as_str());
        if adapter.is_some_and(|adapter| adapter.capabilities().evaluated_here) {
            member.requests = 0;
        }
    }
    if let outcome::Verdict::Failed { kind, description, retry_after_s } = verdict {
        // a client that wants all or nothing must not be led past what others failed to give
        let retry =
            sealed.retry.filter(|_| end.legs.iter().all(|leg| !leg.broken || leg.status == outcome::Status::ScanLimit));
        return Err(SearchError::Failed { kind, description, retry_after_s, report: Box::new(report), retry });
    }
    let items = end
        .hits
        .into_iter()
        .map(|(member, hit)| {
            let replicas = replicas_of(snapshot, &hit);
            Found { member, collection: hit.key.collection, item: hit.item, replicas }
        })
        .collect();
    Ok(Answer { items, next: sealed.next, retry: sealed.retry.or(sealed.missed), number_matched: end.matched, report })
}

/// The same Item at other holders, under their own names.
fn replicas_of(snapshot: &Snapshot, hit: &stream::Hit) -> Vec<Replica> {
    let shared = snapshot.ids.shared(&hit.key.collection).filter(|_| !hit.replicas.is_empty());
    let replica = |member: &MemberId| {
        let native = shared?.native(member)?;
        Some(Replica { member: member.clone(), collection: snapshot.ids.qualified(member, native).into() })
    };
    hit.replicas.iter().filter_map(replica).collect()
}

/// Says of members that are not asked for a while why, and for how long.
fn say_why(snapshot: &Snapshot, report: &mut Report) {
    for member in report.members.iter_mut().filter(|member| member.status == outcome::Status::CircuitOpen) {
        let guard = snapshot.members.guard(member.id.as_str(), Service::Catalogue);
        member.reason = guard.map(|guard| guard.breaker.to_string());
    }
}

/// Says when members are read again that are read whole: what they lack is there then, and not before.
fn say_when(snapshot: &Snapshot, end: &mut page::PageEnd, now: DateTime<Utc>) {
    for leg in end.legs.iter_mut().filter(|leg| leg.broken && leg.retry_after_s.is_none()) {
        let harvest = snapshot.members.get(leg.member.as_str()).and_then(|member| member.harvest());
        leg.retry_after_s = harvest.and_then(|harvest| harvest.next_in_s(now));
    }
}

/// Why a search would get nothing of a member at this moment.
fn withheld(snapshot: &Snapshot, member: &str, now: DateTime<Utc>) -> Option<Withheld> {
    match snapshot.members.get(member)?.harvest() {
        // A search asks its snapshot, whatever becomes of requests to the member.
        Some(harvest) => harvest.withheld(now),
        None => snapshot.members.guard(member, Service::Catalogue)?.withheld(),
    }
}

/// The plan of a first page as JSON, with the members that it would ask and that cannot be asked at this moment (S24).
/// Asks nobody.
///
/// # Errors
/// As [`explain`].
pub fn explained(
    snapshot: &Snapshot,
    request: &SearchRequest,
    now: DateTime<Utc>,
) -> Result<serde_json::Value, request::Invalid> {
    let mut plan = explain(snapshot, request, now)?.explain(request);
    plan::explain::withhold(&mut plan, |member| withheld(snapshot, member, now));
    Ok(plan)
}

/// The plan of a first page, as a search at this moment would run it (S24). Asks nobody.
///
/// # Errors
/// A condition that nobody can honour, named.
pub fn explain(
    snapshot: &Snapshot,
    request: &SearchRequest,
    now: DateTime<Utc>,
) -> Result<plan::Plan, request::Invalid> {
    planned(snapshot, request, now, None)
}

fn planned(
    snapshot: &Snapshot,
    request: &SearchRequest,
    started: DateTime<Utc>,
    order: Option<&plan::Order>,
) -> Result<plan::Plan, request::Invalid> {
    let capabilities: Vec<_> =
        snapshot.members.iter().map(|member| (member.id().clone(), member.capabilities())).collect();
    let facts = |id: &MemberId| plan::Facts {
        capabilities: capabilities.iter().find(|(known, _)| known == id).map(|(_, found)| found.as_ref()),
        collections: snapshot.view.member(id),
    };
    plan::plan(&snapshot.federation, &snapshot.ids, facts, request, started, order)
}

/// An Item and the further members that were asked before or beside it and have it too.
#[derive(Debug)]
pub struct OneItem {
    pub found: Found,
    /// Of a bare id: further exposed collections that hold an Item of this id, for `alternate` links. They are not known to
    /// be replicas.
    pub alternates: Vec<Arc<str>>,
}
