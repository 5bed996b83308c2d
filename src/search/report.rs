//! `federation:report`: what was asked, what is missing, and why (`semantics.md` section 5).

use serde::Serialize;

use crate::federation::MemberId;

use super::outcome::Status;

/// The report of one page; serialises to the object of `semantics.md` section 5.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub complete: bool,
    pub order: AppliedOrder,
    pub members: Vec<MemberReport>,
    pub pruned: Vec<PrunedReport>,
    pub matched: Bounds,
    pub deduplicated: u32,
    pub invalid: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct AppliedOrder {
    /// For example `-properties.datetime`, `+id`, `+collection`; empty in the quota order.
    pub keys: Vec<String>,
    /// `broker`, `member` or `quota`.
    pub by: &'static str,
    pub ties: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct MemberReport {
    pub id: MemberId,
    pub status: Status,
    pub retryable: bool,
    /// For finding the log lines of a failed leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The feature a `skipped-capability` member lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    pub returned: u32,
    pub requests: u32,
    pub took_ms: u64,
    pub gaps: Vec<GapReport>,
}

#[derive(Debug, Clone, Serialize)]
pub struct GapReport {
    /// Exclusive; `None`: the start of the order.
    pub from: Option<PlaceReport>,
    /// Inclusive; `None`: the end of the order.
    pub to: Option<PlaceReport>,
    pub state: &'static str,
    pub retryable: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct PlaceReport {
    pub value: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PrunedReport {
    pub id: MemberId,
    pub rule: &'static str,
    pub detail: String,
}

/// Bounds on how many Items match; `None` where unknown.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Bounds {
    pub lower: Option<u64>,
    pub upper: Option<u64>,
}

impl Report {
    /// The members of which something is missing: `federation:missing`.
    #[must_use]
    pub fn missing(&self) -> Vec<&MemberId> {
        todo!()
    }
}
