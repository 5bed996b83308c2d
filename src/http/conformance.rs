//! The conformance classes, once; the landing page and `/conformance` both read this table.

use axum::Extension;
use axum::response::Response;
use serde_json::json;

use crate::broker::Snapshot;

use super::door::Call;
use super::processes;
use super::respond::{self, Keep};

/// What holds for every member in scope, by pushing down or by the broker's own evaluation.
///
/// Sort stands under two versions because clients in use match `v1.0.*` only.
pub const CLASSES: &[&str] = &[
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "https://api.stacspec.org/v1.1.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.1.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    "https://api.openeo.org/extensions/federation/0.2.0",
];

/// What holds besides where a member executes processes (18-062r2). `callback` and `job-list` are not claimed: either
/// depends on the member that is chosen.
const PROCESSES: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
];

/// The classes of this federation.
pub fn classes(snapshot: &Snapshot) -> Vec<&'static str> {
    let executes = processes::any(snapshot);
    CLASSES.iter().chain(PROCESSES.iter().filter(|_| executes)).copied().collect()
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
        for absent in ["filter", "cql2", "query", "sortables", "collection-search", "context", "transaction", "/req/"] {
            assert!(CLASSES.iter().all(|class| !class.contains(absent)), "{absent}");
        }
    }

    #[test]
    fn each_class_stands_once() {
        let distinct: std::collections::BTreeSet<_> = CLASSES.iter().chain(PROCESSES).collect();
        assert_eq!(distinct.len(), CLASSES.len() + PROCESSES.len());
    }
}
