//! Every class of CQL2 that is claimed, over a member that can evaluate none of it: what is claimed is what the broker
//! does itself. Both languages, both methods, and the Query extension.

use serde_json::{Value, json};
use stac_broker::cql2::{Class, Expr};

use crate::support::{Front, Running, ScriptedMember, collection, federation_of, item};

/// Three Items that differ in everything a condition can be on.
async fn front() -> (Running, Front) {
    let make = |id: &str, time: &str, at: [f64; 2], properties: &Value| {
        let mut item = item("c", id, time);
        item["geometry"] = json!({"type": "Point", "coordinates": at});
        item["bbox"] = json!([at[0], at[1], at[0], at[1]]);
        item["properties"].as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        item
    };
    let items = vec![
        make("a", "2025-01-01T00:00:00Z", [0.0, 0.0], &json!({"n": 1, "m": 1, "name": "Ærø", "tags": ["x", "y"]})),
        make("b", "2025-02-01T00:00:00Z", [10.0, 10.0], &json!({"n": 2, "m": 5, "name": "Café", "tags": ["y"]})),
        make("c", "2025-03-01T00:00:00Z", [20.0, 20.0], &json!({"n": 3, "m": 2, "name": "COAST"})),
    ];
    let member = ScriptedMember::new("A").items(items).collections(vec![collection("c")]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    (member, front)
}

/// A class, a condition that needs it, and the Items it selects.
const CONDITIONS: [(Class, &str, &str); 16] = [
    (Class::BasicCql2, "n >= 2 AND NOT (id = 'c' OR tags IS NULL)", "b"),
    (Class::BasicCql2, "datetime < TIMESTAMP('2025-02-01T00:00:00Z')", "a"),
    (Class::BasicCql2, "collection = 'A|c' AND n <> 2", "ac"),
    (Class::AdvancedComparisonOperators, "n BETWEEN 2 AND 3 AND name LIKE 'C%'", "bc"),
    (Class::AdvancedComparisonOperators, "id NOT IN ('a', 'b')", "c"),
    (Class::CaseInsensitiveComparison, "CASEI(name) = CASEI('coast')", "c"),
    (Class::AccentInsensitiveComparison, "ACCENTI(name) = ACCENTI('cafe')", ""),
    (Class::AccentInsensitiveComparison, "ACCENTI(CASEI(name)) = ACCENTI(CASEI('cafe'))", "b"),
    (Class::BasicSpatialFunctions, "S_INTERSECTS(geometry, BBOX(5, 5, 30, 30))", "bc"),
    (Class::BasicSpatialFunctionsPlus, "S_INTERSECTS(geometry, POLYGON((-1 -1, 11 -1, 11 11, -1 11, -1 -1)))", "ab"),
    (Class::SpatialFunctions, "S_WITHIN(geometry, POLYGON((9 9, 11 9, 11 11, 9 11, 9 9)))", "b"),
    (Class::SpatialFunctions, "S_DISJOINT(geometry, POINT(10 10))", "ac"),
    (Class::TemporalFunctions, "T_INTERSECTS(datetime, INTERVAL('2025-01-15T00:00:00Z', '2025-02-15T00:00:00Z'))", "b"),
    (Class::ArrayFunctions, "A_CONTAINS(tags, ('x', 'y'))", "a"),
    (Class::PropertyProperty, "n < m", "b"),
    (Class::Arithmetic, "n * 2 - 1 > 3", "c"),
];

fn ids(body: &Value) -> String {
    let mut ids: Vec<&str> =
        body["features"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.concat()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn every_class_of_cql2_that_is_claimed_is_done() {
    let (_member, front) = front().await;
    let claimed = front.get("/conformance").await.json()["conformsTo"].clone();
    for class in Class::ALL {
        assert!(CONDITIONS.iter().any(|(tested, ..)| *tested == class), "{class:?} is not tested");
        let uri = format!("http://www.opengis.net/spec/cql2/1.0/conf/{}", class.name());
        assert!(claimed.as_array().unwrap().contains(&json!(uri)), "{uri}");
    }
    for (class, text, expected) in CONDITIONS {
        let read = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert!(read.classes().contains(&class), "{text} does not need {class:?}");
        let written: Value = read.to_json();
        for path in ["/search", "/collections/A%7Cc/items"] {
            let by_text = front.get(&format!("{path}?filter={}", encoded(text))).await;
            assert_eq!(by_text.status, 200, "{text}: {}", by_text.text);
            assert_eq!(ids(by_text.json()), expected, "{path}: {text}");
            let by_json = format!("{path}?filter-lang=cql2-json&filter={}", encoded(&written.to_string()));
            assert_eq!(ids(front.get(&by_json).await.json()), expected, "{path}: {written}");
        }
        assert_eq!(ids(front.post("/search", &json!({"filter": written})).await.json()), expected, "{written}");
        let posted = front.post("/search", &json!({"filter": text, "filter-lang": "cql2-text"})).await;
        assert_eq!(ids(posted.json()), expected, "{text}");
    }
}

#[tokio::test]
async fn the_query_extension_is_done() {
    let (_member, front) = front().await;
    for (query, expected) in [
        (json!({"n": {"gte": 2}}), "bc"),
        (json!({"n": {"gt": "1", "lt": "3"}}), "b"),
        (json!({"name": {"startsWith": "C"}, "m": {"neq": 5}}), "c"),
        (json!({"name": {"contains": "OAS"}}), "c"),
        (json!({"id": {"in": ["a", "c"]}}), "ac"),
    ] {
        assert_eq!(ids(front.post("/search", &json!({"query": query})).await.json()), expected, "{query}");
        let by_get = front.get(&format!("/search?query={}", encoded(&query.to_string()))).await;
        assert_eq!(ids(by_get.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn the_landing_page_equals_conformance() {
    let (_member, front) = front().await;
    let landing = front.get("/").await.json()["conformsTo"].clone();
    assert_eq!(landing, front.get("/conformance").await.json()["conformsTo"]);
    let classes: Vec<&str> = landing.as_array().unwrap().iter().map(|class| class.as_str().unwrap()).collect();
    // What clients look for under older names.
    for name in ["cql2/1.0/conf/basic-spatial-operators", "cql2/1.0/conf/temporal-operators", "v1.0.0/item-search#sort"]
    {
        assert!(classes.iter().any(|class| class.ends_with(name)), "{name}");
    }
}
