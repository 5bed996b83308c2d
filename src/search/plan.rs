//! Who is asked what, decided without I/O: every member is a [`Leg`], [`Pruned`] with its rule, or [`Refused`] for lack of a feature.

use chrono::{DateTime, Utc};

use crate::collections::{Ids, MemberView};
use crate::federation::{Federation, MemberId, Refusal};
use crate::members::{Ask, Capabilities};

use super::request::{Invalid, SearchRequest, SortBy};
use super::residual::Residual;

/// What the plan knows of one member. `None` where nothing was discovered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub capabilities: Option<&'a Capabilities>,
    pub collections: Option<&'a MemberView>,
}

/// The plan of one search.
#[derive(Debug, Clone)]
pub struct Plan {
    pub order: Order,
    /// In the order of the file.
    pub legs: Vec<Leg>,
    pub pruned: Vec<Pruned>,
    /// `skipped-capability`, with the feature.
    pub refused: Vec<Refused>,
}

/// The order of the answer (S1, S4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// One total order by these keys, then id, then exposed collection id. Never empty.
    Sorted(Vec<SortBy>),
    /// Deterministic interleave by quota; with a single leg the member's own order passes through.
    Quota,
}

/// How a leg is read and resumed (`paging.md` section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Sorted by the member, resumed by an inclusive bound on the time key.
    Keyset,
    /// Sorted by the member, resumed by its token.
    Token,
    /// Cannot sort and reports few matches: read whole and sorted on every page.
    Drain,
    /// Own order, places instead of a watermark.
    Quota,
    /// Quota with a single leg.
    PassThrough,
}

/// One member's share.
#[derive(Debug, Clone)]
pub struct Leg {
    pub member: MemberId,
    pub mode: Mode,
    /// Conditions and sort keys in the member's own terms; `limit` and `token` are set for each request.
    pub ask: Ask,
    /// What the broker checks on each Item that comes back.
    pub residual: Residual,
    /// For people, for example `collections`, `datetime`, `sortby: -properties.datetime,+id`.
    pub pushdown: Vec<String>,
    /// Largest page the member takes.
    pub page_max: u32,
    /// Why the member is asked.
    pub reason: String,
    /// The member declares `required = true`.
    pub required: bool,
    /// Its counts are known to be exact.
    pub counts_exact: bool,
}

#[derive(Debug, Clone)]
pub struct Pruned {
    pub member: MemberId,
    pub refusal: Refusal,
}

#[derive(Debug, Clone)]
pub struct Refused {
    pub member: MemberId,
    /// For example `sort: properties.datetime`.
    pub feature: String,
    pub required: bool,
}

/// Decides who is asked what.
///
/// `now` is the session's start (retention windows are computed from it). `order` is the session's order once it is
/// chosen; `None` on a first page. `facts` gives what is known of each member.
///
/// # Errors
/// A condition that nobody can honour, named.
pub fn plan<'a>(
    _federation: &Federation,
    _ids: &Ids,
    _facts: impl Fn(&MemberId) -> Facts<'a>,
    _request: &SearchRequest,
    _now: DateTime<Utc>,
    _order: Option<&Order>,
) -> Result<Plan, Invalid> {
    todo!()
}

impl Plan {
    /// S24: the plan as JSON.
    #[must_use]
    pub fn explain(&self, _request: &SearchRequest) -> serde_json::Value {
        todo!()
    }

    /// The plan as text that an admin can read, without colour.
    #[must_use]
    pub fn explain_text(&self, _request: &SearchRequest) -> String {
        todo!()
    }
}
