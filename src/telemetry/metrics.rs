//! The metrics: their names, kinds and help texts in one table, and one function per thing that is counted.
//!
//! Label values come from closed sets (statuses, rules, routes) and from the federation file (member ids), never from a
//! client or a member. Only this file knows the metrics library; where no recorder was installed nothing is counted.

mod guard;
mod harvest;
mod table;

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use guard::{Breaker, Guard, breaker_opened, coalesced, guard, retried, retry_withheld, sent, unsent};
pub use harvest::{Harvested, harvest};
pub use table::METRICS;
use table::{
    ACCESS_LOST, BUFFERED, CACHE, COLLECTIONS, CONTRADICTIONS, CURSOR_BYTES, CURSOR_ERRORS, DROPPED, GAPS, IN_FLIGHT,
    INFO, MEMBER_ITEMS, MEMBER_REQUESTS, MEMBER_SECONDS, OUTCOMES, PAGES, POLICY, PRUNED, QUARANTINED, REFUSALS,
    REFUSED, REGISTRY_ANSWERS, REGISTRY_MEMBERS, RELOADS, REQUEST_SECONDS, REQUESTS, SHORT_PAGES, SPANS, SUSPICIOUS,
    TASKS, UP,
};

/// Upper bounds of the latency histograms, in seconds: from an answer out of memory to the longest deadline.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Upper bounds of the histogram of cursors, up to the longest that is written into a link.
const BYTES: [f64; 6] = [128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// What renders the metrics.
#[derive(Clone)]
pub struct Recorder(PrometheusHandle);

impl Recorder {
    /// Begins counting in this process.
    ///
    /// # Errors
    /// When something counts already.
    pub fn install() -> Result<Self, String> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES))
            .map_err(|wrong| wrong.to_string())?;
        let handle = builder.install_recorder().map_err(|wrong| wrong.to_string())?;
        for Metric { name, kind, help, .. } in METRICS {
            match kind {
                Kind::Counter => describe_counter!(*name, *help),
                Kind::Gauge => describe_gauge!(*name, *help),
                Kind::Histogram => describe_histogram!(*name, *help),
            }
        }
        gauge!(INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(Self(handle))
    }

    /// All metrics in the text format of Prometheus. Of a member that a reload took away there is no state to tell: its
    /// gauges would keep their last value, and alerts their alarm.
    #[must_use]
    pub fn render(&self, members: &[&str]) -> String {
        self.0.run_upkeep();
        let text = self.0.render();
        let gauges = METRICS.iter().filter(|metric| metric.kind == Kind::Gauge);
        let of_members: Vec<&str> = gauges.filter(|gauge| gauge.labels == ["member"]).map(|gauge| gauge.name).collect();
        let is_gone = |line: &str| {
            let Some((name, rest)) = line.split_once("{member=\"") else { return false };
            of_members.contains(&name) && !rest.split_once('"').is_some_and(|(member, _)| members.contains(&member))
        };
        text.lines().filter(|line| !is_gone(line)).flat_map(|line| [line, "\n"]).collect()
    }
}

/// A request was answered. `route` is the pattern of its path, not the path. A status that passes through from a member
/// can be any number; the ones that are not registered count by their class.
pub fn request(route: &str, status: http::StatusCode, took: Duration) {
    let status = match status.canonical_reason() {
        Some(_) => status.as_str().to_owned(),
        None => format!("{}xx", status.as_u16() / 100),
    };
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(took.as_secs_f64());
}

/// A request was answered with an error of this code.
pub fn refusal(code: &'static str) {
    counter!(REFUSALS, "code" => code).increment(1);
}

/// A page of a search came to its end.
pub fn page(result: &'static str) {
    counter!(PAGES, "result" => result).increment(1);
}

/// One member's share of a page.
#[derive(Debug)]
pub struct Share<'a> {
    pub member: &'a str,
    /// A word of the closed set.
    pub status: &'a str,
    pub requests: u32,
    pub items: u32,
    pub contradictions: u32,
    pub suspicious_ends: u32,
    pub gaps: usize,
    pub took: Duration,
}

/// A member did its share of a page, or failed to.
pub fn share(share: &Share<'_>) {
    let member = || share.member.to_owned();
    counter!(OUTCOMES, "member" => member(), "status" => share.status.to_owned()).increment(1);
    counter!(MEMBER_REQUESTS, "member" => member()).increment(share.requests.into());
    counter!(MEMBER_ITEMS, "member" => member()).increment(share.items.into());
    counter!(CONTRADICTIONS, "member" => member()).increment(share.contradictions.into());
    counter!(SUSPICIOUS, "member" => member()).increment(share.suspicious_ends.into());
    counter!(GAPS, "member" => member()).increment(share.gaps as u64);
    if share.requests > 0 {
        histogram!(MEMBER_SECONDS, "member" => member()).record(share.took.as_secs_f64());
    }
}

/// A search left a member out.
pub fn pruned(member: &str, rule: &'static str) {
    counter!(PRUNED, "member" => member.to_owned(), "rule" => rule).increment(1);
}

/// Items that a rule of their member's policy excludes.
pub fn policy_contradicted(member: &str, rule: &'static str, items: u32) {
    counter!(POLICY, "member" => member.to_owned(), "rule" => rule).increment(items.into());
}

/// Items that were not passed on.
pub fn dropped(invalid: u32, repeated: u32) {
    counter!(DROPPED, "reason" => "invalid").increment(invalid.into());
    counter!(DROPPED, "reason" => "repeated").increment(repeated.into());
}

/// What is known of a member at this moment.
pub fn member(member: &str, up: bool, collections: usize, quarantined: usize) {
    #[expect(clippy::cast_precision_loss, reason = "some thousands of Collections")]
    let number = |count: usize| count as f64;
    gauge!(UP, "member" => member.to_owned()).set(if up { 1.0 } else { 0.0 });
    gauge!(COLLECTIONS, "member" => member.to_owned()).set(number(collections));
    gauge!(QUARANTINED, "member" => member.to_owned()).set(number(quarantined));
}

/// A page had fewer Items than it could have, and others follow.
pub fn short_page() {
    counter!(SHORT_PAGES).increment(1);
}

/// A cursor was refused: `too-long`, `not-a-cursor`, `version`, `sealed`, `expired` or `other-search`.
pub fn cursor_refused(cause: &'static str) {
    counter!(CURSOR_ERRORS, "cause" => cause).increment(1);
}

/// A cursor was given.
pub fn cursor_given(bytes: usize) {
    #[expect(clippy::cast_precision_loss, reason = "some thousands of bytes")]
    histogram!(CURSOR_BYTES).record(bytes as f64);
}

/// Bytes of members' answers that the process holds at this moment.
pub fn buffered(bytes: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    gauge!(BUFFERED).set(bytes as f64);
}

/// Tasks of the runtime that are alive at this moment: what only grows is a leak.
pub fn tasks(alive: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    gauge!(TASKS).set(alive as f64);
}

/// A request of a client in progress, however it ends.
pub struct InFlight(());

impl InFlight {
    #[must_use]
    pub fn begin() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}

/// An answer about metadata of members: `fresh`, `stale`, `read`, `refused` (failed a moment ago), `failed`, `busy`.
pub fn cached(cache: &'static str, result: &'static str) {
    counter!(CACHE, "cache" => cache, "result" => result).increment(1);
}

/// A line of the access log that could not be written.
pub fn access_lost() {
    counter!(ACCESS_LOST).increment(1);
}

/// Spans that the collector took (`exported`) or did not get (`lost`).
pub fn spans(result: &'static str, count: u64) {
    counter!(SPANS, "result" => result).increment(count);
}

/// How reloads went since the start.
pub fn reloads(good: u64, bad: u64, refused: bool) {
    counter!(RELOADS, "result" => "good").absolute(good);
    counter!(RELOADS, "result" => "bad").absolute(bad);
    gauge!(REFUSED).set(if refused { 1.0 } else { 0.0 });
}

/// How the registry of sites answered since the file names it, and how many members it names.
pub fn registry(good: u64, empty: u64, failed: u64, members: usize) {
    for (result, count) in [("good", good), ("empty", empty), ("failed", failed)] {
        counter!(REGISTRY_ANSWERS, "result" => result).absolute(count);
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundreds of members")]
    gauge!(REGISTRY_MEMBERS).set(members as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The habits that `promtool check metrics` asks for.
    #[test]
    fn names_and_help_texts_follow_the_habits_of_prometheus() {
        let mut seen = std::collections::BTreeSet::new();
        for Metric { name, kind, labels, help } in METRICS {
            assert!(seen.insert(*name), "{name} stands twice");
            assert!(name.starts_with("stac_broker_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}: only counters end in _total");
            if *kind == Kind::Histogram {
                assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}: the unit is part of the name");
            }
            let reserved = ["le", "quantile", "job", "instance"];
            assert!(labels.iter().all(|label| !reserved.contains(label)), "{name}");
            assert!(help.len() > 10 && help.ends_with('.'), "{name}: {help}");
        }
    }
}
