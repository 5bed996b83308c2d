//! What is counted of a search: its page, each member's share, and who was left out by which rule.

use std::time::Duration;

use crate::search::Report;
use crate::telemetry::metrics::{self, Share};

/// Counts a page. `answered` is false when the search failed as a whole.
pub fn search(report: &Report, limit: u32, answered: bool) {
    metrics::page(match (answered, report.complete) {
        (false, _) => "failed",
        (true, true) => "complete",
        (true, false) => "incomplete",
    });
    let given: u32 = report.members.iter().map(|member| member.returned).sum();
    if answered && given < limit && report.continues {
        metrics::short_page();
    }
    for member in &report.members {
        metrics::share(&Share {
            member: member.id.as_str(),
            status: member.status.name(),
            requests: member.requests,
            items: if answered { member.returned } else { 0 },
            contradictions: member.contradictions,
            suspicious_ends: member.suspicious_ends,
            gaps: member.gaps.len(),
            took: Duration::from_millis(member.took_ms),
        });
    }
    for outside in &report.outside {
        metrics::policy_contradicted(outside.member.as_str(), outside.rule.name(), outside.items);
    }
    for left_out in &report.pruned {
        metrics::pruned(left_out.id.as_str(), left_out.rule);
    }
    metrics::dropped(report.invalid, report.deduplicated);
}
