//! The conformance classes, once; the landing page and `/conformance` both read this table.

use axum::Extension;
use axum::response::Response;
use serde_json::json;

use crate::broker::Snapshot;
use crate::processes::listing;

use super::door::Call;
use super::processes;
use super::respond::{self, Keep};

/// What holds for every member in scope, by pushing down or by the broker's own evaluation.
///
/// Some stand under several names, because clients in use match one of them only: Sort under two versions (`v1.0.*`),
/// two classes of CQL2 also under the names of its drafts.
pub const CLASSES: &[&str] = &[
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    // Sort and Sortables
    "https://api.stacspec.org/v1.1.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.1.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.1.0/collection-search#sort",
    "https://api.stacspec.org/v1.0.0/collection-search#sort",
    "https://api.stacspec.org/v1.1.0/item-search#sortables",
    "https://api.stacspec.org/v1.1.0/collection-search#sortables",
    "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/sortables",
    // Fields
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    // Query and Filter
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    // CQL2
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/case-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/accent-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions-plus",
    "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/array-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
    "http://www.opengis.net/spec/cql2/1.0/conf/arithmetic",
    // Collection Search
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#free-text",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#filter",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#sort",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#fields",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
    "https://api.openeo.org/extensions/federation/0.2.0",
];

/// What holds besides where a member executes processes (18-062r2). `callback` is not claimed: it depends on the member
/// that is chosen.
const PROCESSES: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
];

/// What holds where a member may be asked for the caller's jobs.
const JOB_LIST: &str = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list";

/// The classes of this federation.
pub fn classes(snapshot: &Snapshot) -> Vec<&'static str> {
    let executes = processes::any(snapshot);
    let lists_jobs = listing::is_enabled(snapshot).then_some(JOB_LIST);
    CLASSES.iter().chain(PROCESSES.iter().filter(|_| executes)).copied().chain(lists_jobs).collect()
}

/// `GET /conformance`
pub async fn get(Extension(call): Extension<Call>) -> Response {
    respond::json(&json!({ "conformsTo": classes(&call.snapshot) }), Keep::For(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_not_built_are_not_claimed() {
        for absent in
            ["context", "transaction", "browseable", "aggregation", "item-search#free-text", "conf/functions", "/req/"]
        {
            assert!(CLASSES.iter().all(|class| !class.contains(absent)), "{absent}");
        }
    }

    #[test]
    fn every_class_of_cql2_that_is_evaluated_is_claimed() {
        for class in crate::cql2::Class::ALL {
            let uri = format!("http://www.opengis.net/spec/cql2/1.0/conf/{}", class.name());
            assert!(CLASSES.contains(&uri.as_str()), "{uri}");
        }
    }

    #[test]
    fn each_class_stands_once() {
        let distinct: std::collections::BTreeSet<_> = CLASSES.iter().chain(PROCESSES).collect();
        assert_eq!(distinct.len(), CLASSES.len() + PROCESSES.len());
    }
}
