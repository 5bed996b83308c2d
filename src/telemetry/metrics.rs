//! The metrics: their names, kinds and help texts in one table, and one function per thing that is counted.
//!
//! Label values come from closed sets (statuses, rules, routes) and from the federation file (member ids), never from a
//! client or a member. Only this file knows the metrics library; where no recorder was installed nothing is counted.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the latency histograms, in seconds: from an answer out of memory to the longest deadline.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

const REQUESTS: &str = "stac_broker_requests_total";
const REQUEST_SECONDS: &str = "stac_broker_request_seconds";
const REFUSALS: &str = "stac_broker_refusals_total";
const PAGES: &str = "stac_broker_pages_total";
const OUTCOMES: &str = "stac_broker_member_outcomes_total";
const MEMBER_REQUESTS: &str = "stac_broker_member_requests_total";
const MEMBER_SECONDS: &str = "stac_broker_member_search_seconds";
const MEMBER_ITEMS: &str = "stac_broker_member_items_total";
const CONTRADICTIONS: &str = "stac_broker_member_contradictions_total";
const PRUNED: &str = "stac_broker_pruned_total";
const GAPS: &str = "stac_broker_gaps_total";
const DROPPED: &str = "stac_broker_items_dropped_total";
const UP: &str = "stac_broker_member_up";
const COLLECTIONS: &str = "stac_broker_member_collections";
const QUARANTINED: &str = "stac_broker_member_quarantined_collections";
const HARVEST_AGE: &str = "stac_broker_harvest_age_seconds";
const HARVEST_ITEMS: &str = "stac_broker_harvest_items";
const HARVEST_COMPLETE: &str = "stac_broker_harvest_complete";
const HARVEST_LEFT_OUT: &str = "stac_broker_harvest_left_out_documents";
const HARVEST_BYTES: &str = "stac_broker_harvest_transferred_bytes";
const HARVEST_RUNNING: &str = "stac_broker_harvest_running_documents";
const RELOADS: &str = "stac_broker_reloads_total";
const REFUSED: &str = "stac_broker_reload_refused";
const INFO: &str = "stac_broker_info";

/// Every metric that the broker has.
pub const METRICS: &[Metric] = &[
    metric(REQUESTS, Kind::Counter, &["route", "status"], "Requests answered, by route and status of HTTP."),
    metric(REQUEST_SECONDS, Kind::Histogram, &["route"], "Time from a request's head to its answer's head."),
    metric(REFUSALS, Kind::Counter, &["code"], "Requests answered with an error, by its code."),
    metric(PAGES, Kind::Counter, &["result"], "Pages of searches: complete, incomplete or failed."),
    metric(OUTCOMES, Kind::Counter, &["member", "status"], "How the share of a member in a page ended."),
    metric(MEMBER_REQUESTS, Kind::Counter, &["member"], "Requests sent to a member for pages of searches."),
    metric(MEMBER_SECONDS, Kind::Histogram, &["member"], "Time a member took for its share of a page."),
    metric(MEMBER_ITEMS, Kind::Counter, &["member"], "Items of a member that clients were given."),
    metric(
        CONTRADICTIONS,
        Kind::Counter,
        &["member"],
        "Items dropped because a member returned what its own capabilities exclude.",
    ),
    metric(PRUNED, Kind::Counter, &["member", "rule"], "Searches that left a member out, by the rule that proved it."),
    metric(GAPS, Kind::Counter, &["member"], "Ranges reported as possibly missing."),
    metric(DROPPED, Kind::Counter, &["reason"], "Items not passed on: invalid, or given before."),
    metric(UP, Kind::Gauge, &["member"], "1 when the last check of a member went well, else 0."),
    metric(COLLECTIONS, Kind::Gauge, &["member"], "Collections of a member that are listed."),
    metric(QUARANTINED, Kind::Gauge, &["member"], "Collections of a member that are searched but not listed."),
    metric(HARVEST_AGE, Kind::Gauge, &["member"], "Age of the snapshot of a member that is read whole."),
    metric(HARVEST_ITEMS, Kind::Gauge, &["member"], "Items in that snapshot."),
    metric(HARVEST_COMPLETE, Kind::Gauge, &["member"], "1 when it is all the member has, as far as that is known."),
    metric(HARVEST_LEFT_OUT, Kind::Gauge, &["member"], "Documents that it lacks, or has from an earlier harvest."),
    metric(HARVEST_BYTES, Kind::Gauge, &["member"], "Bytes of documents that were transferred for it."),
    metric(HARVEST_RUNNING, Kind::Gauge, &["member"], "Documents read so far by a running harvest; 0 while none runs."),
    metric(RELOADS, Kind::Counter, &["result"], "Federation files taken (good) and refused (bad) since the start."),
    metric(REFUSED, Kind::Gauge, &[], "1 while the federation file on disk is refused and an older one is in effect."),
    metric(INFO, Kind::Gauge, &["version"], "Always 1; the label says which version runs."),
];

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

    /// All metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// A request was answered. `route` is the pattern of its path, not the path.
pub fn request(route: &str, status: u16, took: Duration) {
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status.to_string()).increment(1);
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
    counter!(GAPS, "member" => member()).increment(share.gaps as u64);
    if share.requests > 0 {
        histogram!(MEMBER_SECONDS, "member" => member()).record(share.took.as_secs_f64());
    }
}

/// A search left a member out.
pub fn pruned(member: &str, rule: &'static str) {
    counter!(PRUNED, "member" => member.to_owned(), "rule" => rule).increment(1);
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

/// What is shown of a member that is read whole.
#[derive(Debug, Clone, Copy)]
pub struct Harvested {
    /// Absent: there is no snapshot yet.
    pub age_s: Option<i64>,
    pub items: usize,
    pub complete: bool,
    pub left_out: u64,
    pub bytes: u64,
    /// Documents of the running harvest.
    pub running: u64,
}

/// The state of a member that is read whole.
pub fn harvest(member: &str, seen: &Harvested) {
    let set = |name: &'static str, value: f64| gauge!(name, "member" => member.to_owned()).set(value);
    #[expect(clippy::cast_precision_loss, reason = "counts for a graph")]
    let number = |count: u64| count as f64;
    if let Some(age_s) = seen.age_s {
        set(HARVEST_AGE, number(age_s.unsigned_abs()));
    }
    set(HARVEST_ITEMS, number(seen.items as u64));
    set(HARVEST_COMPLETE, if seen.complete { 1.0 } else { 0.0 });
    set(HARVEST_LEFT_OUT, number(seen.left_out));
    set(HARVEST_BYTES, number(seen.bytes));
    set(HARVEST_RUNNING, number(seen.running));
}

/// How reloads went since the start.
pub fn reloads(good: u64, bad: u64, refused: bool) {
    counter!(RELOADS, "result" => "good").absolute(good);
    counter!(RELOADS, "result" => "bad").absolute(bad);
    gauge!(REFUSED).set(if refused { 1.0 } else { 0.0 });
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
                assert!(name.ends_with("_seconds"), "{name}: the unit is part of the name");
            }
            let reserved = ["le", "quantile", "job", "instance"];
            assert!(labels.iter().all(|label| !reserved.contains(label)), "{name}");
            assert!(help.len() > 10 && help.ends_with('.'), "{name}: {help}");
        }
    }
}
