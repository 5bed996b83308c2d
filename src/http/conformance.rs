//! The conformance classes, once; the landing page and `/conformance` both read this table.

use axum::Extension;
use axum::response::Response;
use serde_json::json;

use super::door::Call;
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

/// `GET /conformance`
pub async fn get(Extension(_): Extension<Call>) -> Response {
    respond::json(&json!({ "conformsTo": CLASSES }), Keep::For(300))
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
        let distinct: std::collections::BTreeSet<_> = CLASSES.iter().collect();
        assert_eq!(distinct.len(), CLASSES.len());
    }
}
