//! The pipeline of a search: request -> plan -> legs -> residual -> merge -> page + cursor -> report.
//!
//! Everything but `legs.rs` is pure: no await, no clock, no I/O; time comes in as an argument. It deliberately does not
//! know HTTP. Start reading at [`search`].

pub mod cursor;
pub mod fields;
mod legs;
mod merge;
pub mod order;
pub mod outcome;
mod page;
pub mod plan;
pub mod report;
pub mod request;
pub mod residual;

use crate::broker::Snapshot;
pub use cursor::KeyRing;
pub use report::Report;
pub use request::SearchRequest;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::federation::MemberId;
use crate::members::Item;

/// One page of a federated search.
#[derive(Debug)]
pub struct Answer {
    pub items: Vec<Found>,
    /// Sealed cursor of the next page.
    pub next: Option<String>,
    /// S25.
    pub number_matched: Option<u64>,
    pub report: Report,
}

/// An Item of an answer and where it came from.
#[derive(Debug)]
pub struct Found {
    pub member: MemberId,
    /// As exposed: `MEMBER|collection`.
    pub collection: Arc<str>,
    pub item: Item,
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
    Failed { kind: outcome::Failed, description: String, retry_after_s: Option<u32>, report: Box<Report> },
}

/// Answers one page.
///
/// # Errors
/// See [`SearchError`].
pub async fn search(
    _snapshot: &Snapshot,
    _keys: &KeyRing,
    _request: &SearchRequest,
    _clock: Clock,
) -> Result<Answer, SearchError> {
    todo!()
}

/// The plan of a first page, as a search at this moment would run it (S24). Asks nobody.
///
/// # Errors
/// A condition that nobody can honour, named.
pub fn explain(
    _snapshot: &Snapshot,
    _request: &SearchRequest,
    _now: DateTime<Utc>,
) -> Result<plan::Plan, request::Invalid> {
    todo!()
}

/// One Item by its exposed collection id (qualified or bare): from the first member, in order of priority, that has it.
/// `Ok(None)`: every holder answered that it has no such Item, or no member can hold the collection.
///
/// # Errors
/// [`SearchError::Failed`] when no holder has it and some could not be asked.
pub async fn item(
    _snapshot: &Snapshot,
    _collection: &str,
    _id: &str,
    _clock: Clock,
) -> Result<Option<OneItem>, SearchError> {
    todo!()
}

/// An Item and the further members that were asked before or beside it and have it too.
#[derive(Debug)]
pub struct OneItem {
    pub found: Found,
    /// Further exposed collections that hold an Item of this id, for `alternate` links.
    pub alternates: Vec<Arc<str>>,
}
