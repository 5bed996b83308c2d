//! The table of metrics: name, kind, labels and help text of each. `docs/operating.md` and `deploy/` are held against it.

use super::{Kind, Metric};

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

pub(super) const REQUESTS: &str = "stac_broker_requests_total";
pub(super) const REQUEST_SECONDS: &str = "stac_broker_request_seconds";
pub(super) const REFUSALS: &str = "stac_broker_refusals_total";
pub(super) const PAGES: &str = "stac_broker_pages_total";
pub(super) const OUTCOMES: &str = "stac_broker_member_outcomes_total";
pub(super) const MEMBER_REQUESTS: &str = "stac_broker_member_requests_total";
pub(super) const MEMBER_SECONDS: &str = "stac_broker_member_search_seconds";
pub(super) const MEMBER_ITEMS: &str = "stac_broker_member_items_total";
pub(super) const CONTRADICTIONS: &str = "stac_broker_member_contradictions_total";
pub(super) const PRUNED: &str = "stac_broker_pruned_total";
pub(super) const POLICY: &str = "stac_broker_member_policy_contradictions_total";
pub(super) const SUSPICIOUS: &str = "stac_broker_member_suspicious_ends_total";
pub(super) const GAPS: &str = "stac_broker_gaps_total";
pub(super) const DROPPED: &str = "stac_broker_items_dropped_total";
pub(super) const UP: &str = "stac_broker_member_up";
pub(super) const COLLECTIONS: &str = "stac_broker_member_collections";
pub(super) const QUARANTINED: &str = "stac_broker_member_quarantined_collections";
pub(super) const HARVEST_AGE: &str = "stac_broker_harvest_age_seconds";
pub(super) const HARVEST_ITEMS: &str = "stac_broker_harvest_items";
pub(super) const HARVEST_COMPLETE: &str = "stac_broker_harvest_complete";
pub(super) const HARVEST_LEFT_OUT: &str = "stac_broker_harvest_left_out_documents";
pub(super) const HARVEST_BYTES: &str = "stac_broker_harvest_transferred_bytes";
pub(super) const HARVEST_RUNNING: &str = "stac_broker_harvest_running_documents";
pub(super) const RELOADS: &str = "stac_broker_reloads_total";
pub(super) const REFUSED: &str = "stac_broker_reload_refused";
pub(super) const SHORT_PAGES: &str = "stac_broker_short_pages_total";
pub(super) const CURSOR_ERRORS: &str = "stac_broker_cursor_errors_total";
pub(super) const CURSOR_BYTES: &str = "stac_broker_cursor_bytes";
pub(super) const IN_FLIGHT: &str = "stac_broker_requests_in_flight";
pub(super) const BUFFERED: &str = "stac_broker_buffered_bytes";
pub(super) const TASKS: &str = "stac_broker_tasks";
pub(super) const CACHE: &str = "stac_broker_cache_answers_total";
pub(super) const ACCESS_LOST: &str = "stac_broker_access_lines_lost_total";
pub(super) const SPANS: &str = "stac_broker_trace_spans_total";
pub(super) const REGISTRY_ANSWERS: &str = "stac_broker_registry_answers_total";
pub(super) const REGISTRY_MEMBERS: &str = "stac_broker_registry_members";
pub(super) const INFO: &str = "stac_broker_info";
pub(super) const MEMBER_HTTP: &str = "stac_broker_member_http_requests_total";
pub(super) const MEMBER_HTTP_SECONDS: &str = "stac_broker_member_http_request_seconds";
pub(super) const MEMBER_BYTES: &str = "stac_broker_member_received_bytes_total";
pub(super) const RETRIES: &str = "stac_broker_member_retries_total";
pub(super) const RETRIES_WITHHELD: &str = "stac_broker_member_retries_withheld_total";
pub(super) const UNSENT: &str = "stac_broker_member_unsent_total";
pub(super) const COALESCED: &str = "stac_broker_member_coalesced_total";
pub(super) const BREAKER: &str = "stac_broker_member_breaker_state";
pub(super) const BREAKER_OPENINGS: &str = "stac_broker_member_breaker_openings_total";
pub(super) const CONCURRENCY: &str = "stac_broker_member_concurrency_limit";
pub(super) const MEMBER_IN_FLIGHT: &str = "stac_broker_member_in_flight";
pub(super) const PAUSE: &str = "stac_broker_member_pause_seconds";

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
    metric(MEMBER_HTTP, Kind::Counter, &["member", "outcome"], "HTTP requests sent to a member, by how they ended."),
    metric(
        MEMBER_HTTP_SECONDS,
        Kind::Histogram,
        &["member"],
        "Time from one HTTP request to a member to the end of its answer.",
    ),
    metric(MEMBER_BYTES, Kind::Counter, &["member"], "Bytes of members' answers, after decompression."),
    metric(RETRIES, Kind::Counter, &["member", "cause"], "Requests that were sent to a member once more, by cause."),
    metric(
        RETRIES_WITHHELD,
        Kind::Counter,
        &["member"],
        "Requests that were not sent once more because the budget of retries was spent.",
    ),
    metric(
        UNSENT,
        Kind::Counter,
        &["member", "cause"],
        "Requests that the broker itself kept from a member, by cause.",
    ),
    metric(COALESCED, Kind::Counter, &["member"], "Requests that shared the answer of an equal one under way."),
    metric(BREAKER, Kind::Gauge, &["member"], "Circuit breaker of a member: 0 closed, 1 half open, 2 open."),
    metric(BREAKER_OPENINGS, Kind::Counter, &["member"], "How often the circuit breaker of a member opened."),
    metric(
        CONCURRENCY,
        Kind::Gauge,
        &["member"],
        "Requests that may be under way at a member at once, as adapted now.",
    ),
    metric(MEMBER_IN_FLIGHT, Kind::Gauge, &["member"], "Requests under way at a member."),
    metric(PAUSE, Kind::Gauge, &["member"], "Seconds left of the pause that a member asked for; 0: none."),
    metric(
        POLICY,
        Kind::Counter,
        &["member", "rule"],
        "Items given to clients though a rule of their member's policy excludes them.",
    ),
    metric(SUSPICIOUS, Kind::Counter, &["member"], "Full pages of a member without a link to the next one."),
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
    metric(SHORT_PAGES, Kind::Counter, &[], "Pages with fewer Items than asked for though more follow."),
    metric(CURSOR_ERRORS, Kind::Counter, &["cause"], "Cursors that were refused, by cause."),
    metric(CURSOR_BYTES, Kind::Histogram, &[], "Size of the cursors given to clients."),
    metric(IN_FLIGHT, Kind::Gauge, &[], "Requests of clients in progress."),
    metric(BUFFERED, Kind::Gauge, &[], "Bytes of members' answers that are held at this moment."),
    metric(
        TASKS,
        Kind::Gauge,
        &[],
        "Tasks of the process that are alive: connections, requests, work in the background.",
    ),
    metric(CACHE, Kind::Counter, &["cache", "result"], "Answers about members' metadata, by where they came from."),
    metric(ACCESS_LOST, Kind::Counter, &[], "Lines of the access log that could not be written."),
    metric(SPANS, Kind::Counter, &["result"], "Spans of traces: exported to the collector, or lost on the way."),
    metric(
        REGISTRY_ANSWERS,
        Kind::Counter,
        &["result"],
        "Answers of the registry of sites: good, empty (names nobody) and failed.",
    ),
    metric(REGISTRY_MEMBERS, Kind::Gauge, &[], "Members that the registry of sites names."),
    metric(INFO, Kind::Gauge, &["version"], "Always 1; the label says which version runs."),
];
