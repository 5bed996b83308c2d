//! How each leg ended, and whether the answer is complete, partial or failed (S17 to S21). Decided here and nowhere else.

use crate::federation::MemberId;
use crate::members::Fault;

use super::page::{LegEnd, PageEnd};
use super::plan::Plan;
use super::request::Handling;

/// The closed status set of S21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    Exhausted,
    Joined,
    SkippedCapability,
    Timeout,
    Unreachable,
    CircuitOpen,
    RateLimited,
    Unauthorized,
    Forbidden,
    BadResponse,
    TooLarge,
    ScanLimit,
    OrderViolation,
    NoProgress,
    Removed,
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout => Self::Timeout,
            Fault::Unreachable => Self::Unreachable,
            Fault::CircuitOpen => Self::CircuitOpen,
            Fault::RateLimited => Self::RateLimited,
            Fault::Unauthorized => Self::Unauthorized,
            Fault::Forbidden => Self::Forbidden,
            Fault::BadResponse | Fault::TokenRefused => Self::BadResponse,
            Fault::TooLarge => Self::TooLarge,
            Fault::Unsupported => Self::SkippedCapability,
        }
    }
}

impl Status {
    /// The name in reports (S21).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exhausted => "exhausted",
            Self::Joined => "joined",
            Self::SkippedCapability => "skipped-capability",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::CircuitOpen => "circuit-open",
            Self::RateLimited => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::BadResponse => "bad-response",
            Self::TooLarge => "too-large",
            Self::ScanLimit => "scan-limit",
            Self::OrderViolation => "order-violation",
            Self::NoProgress => "no-progress",
            Self::Removed => "removed",
        }
    }

    /// Whether a missing part of this kind may be there on another try (S21).
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Unreachable
                | Self::CircuitOpen
                | Self::RateLimited
                | Self::BadResponse
                | Self::ScanLimit
                | Self::OrderViolation
        )
    }
}

/// How a search without a page failed (S19, S20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// 502 `MembersFailed`
    Bad,
    /// 503 `MembersUnavailable`
    Unavailable,
    /// 504 `MembersTimedOut`
    TimedOut,
    /// 410 `MembersRemoved`: a part of what the cursor goes on with is out of the federation for good.
    Gone,
    /// 400: strict handling and a member that lacks a feature: waiting does not help.
    Incapable,
}

/// Seconds a client is told to wait when no member says more.
pub const RETRY_AFTER_S: u32 = 5;

/// What becomes of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Complete,
    Partial,
    Failed { kind: Failed, description: String, retry_after_s: Option<u32> },
}

/// Decides whether a page is complete, partial or failed (S17 to S20).
#[must_use]
pub fn decide(end: &PageEnd, plan: &Plan, handling: Handling) -> Verdict {
    let demanded =
        |member: &MemberId, required: bool| handling == Handling::Strict || required || is_required(plan, member);
    if let Some(refused) = plan.refused.iter().find(|refused| demanded(&refused.member, refused.required)) {
        return incapable(&refused.member, &refused.feature);
    }
    let broken: Vec<&LegEnd> = end.legs.iter().filter(|leg| leg.broken && demanded(&leg.member, false)).collect();
    if !broken.is_empty() {
        return not_accepted(&broken);
    }
    if nobody_contributed(end) {
        let all: Vec<&LegEnd> = end.legs.iter().filter(|leg| leg.covered_by.is_empty()).collect();
        return failed(&all);
    }
    if end.legs.is_empty()
        && let Some(refused) = plan.refused.first()
    {
        return incapable(&refused.member, &refused.feature);
    }
    let whole = plan.refused.is_empty() && end.legs.iter().all(|leg| leg.gaps.is_empty() && !leg.broken);
    if whole { Verdict::Complete } else { Verdict::Partial }
}

/// S20: each one failed; none has ended in this session or got as far as its allowance.
fn nobody_contributed(end: &PageEnd) -> bool {
    let failed = |leg: &LegEnd| leg.broken && !leg.ended && (leg.status != Status::ScanLimit || is_unasked(leg));
    // one that was taken over contributes nothing, and those that took over are legs of their own
    let mut legs = end.legs.iter().filter(|leg| leg.covered_by.is_empty()).peekable();
    end.hits.is_empty() && legs.peek().is_some() && legs.all(failed)
}

fn is_required(plan: &Plan, member: &MemberId) -> bool {
    plan.legs.iter().any(|leg| leg.required && leg.member == *member)
}

fn incapable(member: &MemberId, feature: &str) -> Verdict {
    let description = format!("member `{member}` cannot do what was asked: {feature}");
    Verdict::Failed { kind: Failed::Incapable, description, retry_after_s: None }
}

/// The page had no time for it.
fn is_unasked(leg: &LegEnd) -> bool {
    leg.status == Status::ScanLimit && leg.requests == 0
}

/// S19: the client refused a page that others could have filled. Where waiting cannot bring it, that is said instead.
fn not_accepted(legs: &[&LegEnd]) -> Verdict {
    if let Some(leg) = legs.iter().find(|leg| leg.status == Status::SkippedCapability) {
        return incapable(&leg.member, leg.feature.as_deref().unwrap_or("the search"));
    }
    if legs.iter().any(|leg| leg.status == Status::Removed) {
        return gone(legs);
    }
    let what = format!("a page that may lack Items was not accepted: {}", named(legs));
    if !legs.iter().all(|leg| leg.status.retryable()) {
        let description = format!("{what}; waiting does not help: ask for less, or accept what the other members have");
        return Verdict::Failed { kind: Failed::Bad, description, retry_after_s: None };
    }
    let kind = if are_late(legs) { Failed::TimedOut } else { Failed::Unavailable };
    Verdict::Failed { kind, description: what, retry_after_s: Some(retry_after_s(legs)) }
}

/// S20: nobody answered.
fn failed(legs: &[&LegEnd]) -> Verdict {
    if let Some(leg) = legs.first().filter(|_| legs.iter().all(|leg| leg.status == Status::SkippedCapability)) {
        return incapable(&leg.member, leg.feature.as_deref().unwrap_or("the search"));
    }
    if legs.iter().all(|leg| leg.status == Status::Removed) {
        return gone(legs);
    }
    let waiting = |leg: &&LegEnd| matches!(leg.status, Status::CircuitOpen | Status::RateLimited | Status::Unreachable);
    let kind = if are_late(legs) {
        Failed::TimedOut
    } else if legs.iter().any(waiting) {
        Failed::Unavailable
    } else {
        Failed::Bad
    };
    let description = format!("no member that was asked could answer: {}", named(legs));
    let retry_after_s = legs.iter().any(|leg| leg.status.retryable()).then(|| retry_after_s(legs));
    Verdict::Failed { kind, description, retry_after_s }
}

fn gone(legs: &[&LegEnd]) -> Verdict {
    let members = legs.iter().filter(|leg| leg.status == Status::Removed);
    let mut members: Vec<String> = members.map(|leg| format!("`{}`", leg.member)).collect();
    members.dedup();
    let description = format!(
        "the cursor in `token` goes on with {}, which left the federation since this search began, or which policy keeps \
         from it now; begin the search anew, without `token`",
        members.join(", ")
    );
    Verdict::Failed { kind: Failed::Gone, description, retry_after_s: None }
}

fn are_late(legs: &[&LegEnd]) -> bool {
    legs.iter().all(|leg| leg.status == Status::Timeout || is_unasked(leg))
}

fn retry_after_s(legs: &[&LegEnd]) -> u32 {
    legs.iter().filter_map(|leg| leg.retry_after_s).max().unwrap_or(RETRY_AFTER_S)
}

fn named(legs: &[&LegEnd]) -> String {
    let mut names: Vec<String> = Vec::new();
    for leg in legs {
        let name = format!("`{}` ({})", leg.member, leg.status.name());
        // a member may have several shares, and fail alike with all of them
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}
