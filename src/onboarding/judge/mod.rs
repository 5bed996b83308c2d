//! Facts -> findings. Pure: what was asked lies in the facts, and time comes in as one of them.

mod collections;
mod landing;
mod manner;
mod order;
mod paging;
mod register;
mod search;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

pub use collections::read_whole;
pub use order::{Sorts, native, verdict};
pub use paging::cap;

use super::ask::{Counted, Landing, Listing, Order, Paging, Search};
use super::candidate::Candidate;
use super::finding::{Evidence, Finding, PER_ROW_MAX, Severity};
use super::row::Row;
use crate::collections::MemberView;

/// All that was seen; what was not asked is absent.
pub struct Facts<'a> {
    pub candidate: &'a Candidate,
    /// The configured address.
    pub base: Url,
    pub landing: Landing,
    pub listing: Option<Listing>,
    /// The Collections as the broker would hold them.
    pub view: Option<MemberView>,
    pub search: Option<Search>,
    pub paging: Option<Paging>,
    pub order: Option<Order>,
    pub counted: Option<Counted>,
    pub manner: Manner,
    pub now: DateTime<Utc>,
}

/// How the member answered, whatever was asked.
#[derive(Debug, Default)]
pub struct Manner {
    /// How long searches took.
    pub times: Vec<Duration>,
    pub deadline: Duration,
    pub limits: Vec<String>,
    pub closed: Vec<Evidence>,
    pub oversized: Vec<Evidence>,
    pub largest: usize,
    pub bytes_max: usize,
}

/// What the facts say, and the rows that do not apply.
pub fn judge(facts: &Facts<'_>) -> (Vec<Finding>, Vec<Row>) {
    let mut findings = Findings::default();
    register::judge(facts, &mut findings);
    landing::judge(facts, &mut findings);
    if let (Some(listing), Some(view)) = (&facts.listing, &facts.view) {
        collections::judge(facts, listing, view, &mut findings);
    }
    if let Some(search) = &facts.search {
        search::judge(facts, search, &mut findings);
    }
    if let (Some(paging), Some(search)) = (&facts.paging, &facts.search) {
        paging::judge(facts, paging, search, &mut findings);
    }
    if let (Some(order), Some(search)) = (&facts.order, &facts.search) {
        order::judge(facts, order, search, &mut findings);
    }
    if facts.landing.page.is_some() {
        manner::judge(facts, &mut findings);
    }
    (findings.list, findings.left_out)
}

/// Findings so far.
#[derive(Default)]
pub struct Findings {
    pub list: Vec<Finding>,
    pub left_out: Vec<Row>,
}

impl Findings {
    pub fn add(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// What was found wrong of a row; where it is nothing, that it is good. Beyond a few the rest is counted.
    pub fn add_all(&mut self, row: Row, wrong: Vec<Finding>, good: impl FnOnce() -> Finding) {
        if wrong.is_empty() {
            self.list.push(good());
            return;
        }
        let more = wrong.len().saturating_sub(PER_ROW_MAX);
        let mut shown: Vec<Finding> = wrong.into_iter().take(PER_ROW_MAX).collect();
        if let (true, Some(last)) = (more > 0, shown.last_mut()) {
            last.seen = format!("{}; and {more} more of this kind", last.seen);
        }
        debug_assert!(shown.iter().all(|finding| finding.row == row), "findings of one row");
        self.list.append(&mut shown);
    }

    pub fn leave_out(&mut self, row: Row) {
        self.left_out.push(row);
    }
}

/// A finding of the severity D, which most are.
fn degraded(row: Row, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::bad(row, Severity::Degraded, seen, remedy)
}

pub(super) fn error(row: Row, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::bad(row, Severity::Error, seen, remedy)
}

fn note(row: Row, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::bad(row, Severity::Note, seen, remedy)
}

/// A number with its noun, for example `1 Item`, `2 Items`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
