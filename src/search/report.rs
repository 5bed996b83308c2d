//! `federation:report`: what was asked, what is missing, and why (`semantics.md` section 5).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::federation::{MemberId, interval};

use super::counts::Bounds;
use super::order::{Comparator, Position, Value};
use super::outcome::Status;
use super::outside::Outside;
use super::page::{LegEnd, PageEnd};
use super::plan::{Order, Plan, Pruned};
use super::session::Gap;

/// The report of one page; serialises to the object of `semantics.md` section 5.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// When the walk began that the page belongs to; for the log.
    #[serde(skip)]
    pub started: DateTime<Utc>,
    /// There is a next page.
    #[serde(skip)]
    pub continues: bool,
    /// Items that were given though their member's policy excludes them.
    #[serde(skip)]
    pub outside: Vec<Outside>,
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
    /// `broker`, or `member` where Items of a large tie are given in their member's own order (S7).
    pub ties: &'static str,
    /// The members whose own order that is, on this page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ties_members: Vec<MemberId>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MemberReport {
    pub id: MemberId,
    pub status: Status,
    pub retryable: bool,
    /// For finding the log lines of a failed leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Why a `circuit-open` member is not asked, and when it will be; or what ended a request that was not the member's
    /// doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds after which it is worth asking again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    /// The feature a `skipped-capability` member lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    pub returned: u32,
    /// Items that were dropped although the member says that it evaluates the condition which excludes them.
    #[serde(skip_serializing_if = "is_none")]
    pub contradictions: u32,
    pub requests: u32,
    /// Full pages without a `next` link, which may be cut.
    #[serde(skip)]
    pub suspicious_ends: u32,
    pub took_ms: u64,
    /// Members that took over what this one failed to give (S13).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub covered_by: Vec<String>,
    pub gaps: Vec<GapReport>,
    /// It lacks its Items on this page, whether or not a gap is carried on.
    #[serde(skip)]
    pub turn_missed: bool,
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

impl Report {
    /// The report of a finished page. `order` is what was applied; `verdict_complete` is the outcome's word.
    #[must_use]
    pub fn of(end: &PageEnd, plan: &Plan, took: &[(MemberId, u64)], complete: bool, ignored: &[String]) -> Self {
        let mut members: Vec<MemberReport> = Vec::new();
        for leg in &end.legs {
            match members.iter_mut().find(|known| known.id == leg.member) {
                Some(known) => known.take_in(leg),
                None => members.push(member_report(leg, took)),
            }
        }
        // of a member that takes part, another share may have come in: what is told of it is the worse
        let joined = end.joined.iter().filter(|id| !end.legs.iter().any(|leg| leg.member == **id));
        members.extend(joined.map(|id| MemberReport::bare(id, Status::Joined, None)));
        members.extend(plan.refused.iter().map(|refused| {
            MemberReport::bare(&refused.member, Status::SkippedCapability, Some(refused.feature.clone()))
        }));
        Self {
            started: DateTime::default(),
            continues: false,
            outside: Vec::new(),
            complete,
            order: applied(plan, end),
            members,
            pruned: plan.pruned.iter().map(pruned_report).collect(),
            matched: Bounds { lower: end.bounds.lower.or(Some(end.hits.len() as u64)), ..end.bounds },
            deduplicated: end.deduplicated,
            invalid: end.invalid,
            ignored: ignored.to_vec(),
        }
    }

    /// The members of which something is missing: `federation:missing`.
    #[must_use]
    pub fn missing(&self) -> Vec<&MemberId> {
        self.members.iter().filter(|member| member.is_missing()).map(|member| &member.id).collect()
    }
}

impl MemberReport {
    /// A member of which nothing but its status is told.
    #[must_use]
    pub fn bare(id: &MemberId, status: Status, feature: Option<String>) -> Self {
        Self {
            id: id.clone(),
            status,
            retryable: status.retryable(),
            correlation: None,
            reason: None,
            retry_after_s: None,
            feature,
            returned: 0,
            contradictions: 0,
            requests: 0,
            suspicious_ends: 0,
            took_ms: 0,
            covered_by: Vec::new(),
            gaps: Vec::new(),
            turn_missed: false,
        }
    }

    /// Another share of the same member: its status is told if it is worse.
    fn take_in(&mut self, leg: &LegEnd) {
        let taken_over = !leg.covered_by.is_empty() && !self.turn_missed;
        let better = self.status == Status::Exhausted && self.covered_by.is_empty();
        for holder in &leg.covered_by {
            if !self.covered_by.contains(holder) {
                self.covered_by.push(holder.clone());
            }
        }
        if (leg.broken && !self.turn_missed) || taken_over || better {
            self.status = leg.status;
            self.retryable = leg.status.retryable();
            self.feature.clone_from(&leg.feature);
            self.reason = leg.reason.map(str::to_owned);
        }
        self.returned += leg.returned;
        self.contradictions += leg.contradictions;
        self.requests += leg.requests;
        self.suspicious_ends += leg.suspicious_ends;
        self.retry_after_s = self.retry_after_s.max(leg.retry_after_s);
        self.gaps.extend(leg.gaps.iter().map(gap_report));
        self.turn_missed |= leg.broken;
    }

    fn is_missing(&self) -> bool {
        !self.gaps.is_empty() || self.status == Status::SkippedCapability || self.turn_missed
    }
}

fn member_report(leg: &LegEnd, took: &[(MemberId, u64)]) -> MemberReport {
    MemberReport {
        status: leg.status,
        retryable: leg.status.retryable(),
        feature: leg.feature.clone(),
        reason: leg.reason.map(str::to_owned),
        returned: leg.returned,
        contradictions: leg.contradictions,
        requests: leg.requests,
        suspicious_ends: leg.suspicious_ends,
        retry_after_s: leg.retry_after_s,
        covered_by: leg.covered_by.clone(),
        took_ms: took.iter().find(|(member, _)| *member == leg.member).map_or(0, |(_, ms)| *ms),
        gaps: leg.gaps.iter().map(gap_report).collect(),
        turn_missed: leg.broken,
        ..MemberReport::bare(&leg.member, leg.status, None)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

fn gap_report(gap: &Gap) -> GapReport {
    GapReport {
        from: place(&gap.from),
        to: gap.to.as_ref().and_then(place),
        state: if gap.to.is_some() { "closed" } else { "open" },
        retryable: gap.status.retryable(),
    }
}

fn place(position: &Position) -> Option<PlaceReport> {
    let value = |value: &Value| match value {
        Value::Time(ms) => {
            DateTime::from_timestamp_millis(*ms).map_or(serde_json::Value::Null, |at| interval::text(at).into())
        }
        Value::Number(number) => (*number).into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Bool(yes) => (*yes).into(),
        Value::Null => serde_json::Value::Null,
    };
    match position {
        Position::Start | Position::End => None,
        Position::Before(first) | Position::After(first) | Position::Walk { first, .. } => {
            Some(PlaceReport { value: value(first), id: None, collection: None })
        }
        Position::At(key) => Some(PlaceReport {
            value: key.values.first().map_or(serde_json::Value::Null, value),
            id: Some(key.id.to_string()),
            collection: Some(key.collection.to_string()),
        }),
    }
}

fn pruned_report(pruned: &Pruned) -> PrunedReport {
    PrunedReport { id: pruned.member.clone(), rule: pruned.refusal.rule.name(), detail: pruned.refusal.detail.clone() }
}

fn applied(plan: &Plan, end: &PageEnd) -> AppliedOrder {
    let walked: BTreeSet<&MemberId> = end.legs.iter().filter(|leg| leg.walked).map(|leg| &leg.member).collect();
    let ties_members: Vec<MemberId> = walked.into_iter().cloned().collect();
    match (&plan.order, plan.legs.as_slice()) {
        (Order::Sorted(keys), _) => AppliedOrder {
            keys: Comparator::new(keys.clone()).described(),
            by: "broker",
            ties: if ties_members.is_empty() { "broker" } else { "member" },
            ties_members,
        },
        // what a single member was asked for, in its own collation
        (Order::Quota, [alone]) => AppliedOrder { keys: alone.sorted_by(), by: "member", ties: "member", ties_members },
        (Order::Quota, _) => AppliedOrder { keys: Vec::new(), by: "quota", ties: "member", ties_members },
    }
}
