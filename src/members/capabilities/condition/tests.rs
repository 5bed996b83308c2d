//! A member is given what it does and what catalogues agree on, and nothing that it may return too little for.

use crate::cql2::{Class, Expr};
use crate::federation::Support::{self, Exact, Inexact, Unsupported};
use crate::members::capabilities::{Capabilities, Found, Language, Source, Spoken};

const STAC: &str = "https://api.stacspec.org/v1.0.0";
const CQL2: &str = "http://www.opengis.net/spec/cql2/1.0/conf";

fn member() -> crate::federation::Member {
    crate::federation::load_text(
        "test",
        "[federation]\nid = \"t\"\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n",
        std::path::Path::new(""),
    )
    .unwrap_or_else(|problems| panic!("{}", problems.to_text()))
    .federation
    .members
    .remove(0)
}

fn found(stac: &[&str], cql2: &[&str]) -> Found {
    let stac = stac.iter().map(|class| format!("{STAC}/item-search#{class}"));
    let conforms_to = stac.chain(cql2.iter().map(|class| format!("{CQL2}/{class}"))).collect();
    Found { conforms_to, search_link: true, search_post: true, items_only: false, seen: None }
}

/// A member that declares everything.
fn able() -> Capabilities {
    let classes: Vec<&str> = Class::ALL.iter().map(|class| class.name()).chain(["cql2-text", "cql2-json"]).collect();
    Capabilities::discovered(&member(), &found(&["filter", "query"], &classes))
}

fn declaring(classes: &[&str]) -> Capabilities {
    Capabilities::discovered(&member(), &found(&["filter"], classes))
}

#[track_caller]
fn check(can: &Capabilities, wanted: Support, conditions: &[&str]) {
    for text in conditions {
        let condition = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(can.condition(&condition), wanted, "{text}");
    }
}

#[test]
fn what_catalogues_agree_on_is_left_to_the_member() {
    check(
        &able(),
        Exact,
        &[
            "collection = 'c'",
            "id IN ('a', 'b')",
            "platform = 'sentinel-2a'",
            "platform <> 'sentinel-2a'",
            "eo:cloud_cover < 10",
            "eo:cloud_cover BETWEEN 0 AND 10",
            "10 > eo:cloud_cover",
            "eo:cloud_cover IS NULL",
            "NOT eo:cloud_cover IS NULL",
            "flag = TRUE",
            "platform = 'a' AND (eo:cloud_cover < 10 OR NOT gsd = 10)",
            "S_INTERSECTS(geometry, POINT(1 2))",
            "S_INTERSECTS(geometry, BBOX(170, -10, -170, 10))",
            "S_DISJOINT(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))",
        ],
    );
}

#[test]
fn backends_are_never_asked_of_a_member_that_may_be_a_broker_itself() {
    let mut vouched = able();
    vouched.queryables = Some(vec!["federation:backends".to_owned(), "gsd".to_owned()]);
    for can in [able(), vouched] {
        check(
            &can,
            Unsupported,
            &[
                "A_CONTAINS(federation:backends, ('A'))",
                "properties.federation:backends IS NULL",
                "gsd = 1 OR NOT A_EQUALS(federation:backends, ('A', 'B'))",
            ],
        );
    }
}

#[test]
fn what_may_return_too_much_is_checked_and_never_negated() {
    check(&able(), Inexact, &["platform LIKE 'sent%'", "CASEI(platform) = CASEI('Landsat')", "a = 1 AND p LIKE 'x%'"]);
    check(
        &able(),
        Unsupported,
        &["NOT platform LIKE 'sent%'", "NOT (a = 1 AND p LIKE 'x%')", "NOT (CASEI(platform) = CASEI('Landsat'))"],
    );
    check(&able(), Inexact, &["NOT (NOT platform LIKE 'sent%')"]);
}

#[test]
fn what_may_return_too_little_stays_with_the_broker() {
    check(
        &able(),
        Unsupported,
        &[
            // collations
            "platform > 'a'",
            "platform BETWEEN 'a' AND 'b'",
            // words of a text
            "title = 'a scene'",
            "description LIKE '%sea%'",
            // escapes
            "platform LIKE '100\\%'",
            // ranges kept as instants, instants kept as texts
            "datetime > TIMESTAMP('2025-01-01T00:00:00Z')",
            "datetime IS NULL",
            "created = TIMESTAMP('2025-01-01T00:00:00Z')",
            "T_AFTER(datetime, TIMESTAMP('2025-01-01T00:00:00Z'))",
            // rounded coordinates
            "S_EQUALS(geometry, POINT(1 2))",
            "S_TOUCHES(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))",
            // letters that fold differently
            "CASEI(platform) = CASEI('straße')",
            "a + 1 = 2",
            "a = b",
            "a = 1 AND platform > 'a'",
        ],
    );
}

#[test]
fn a_file_that_vouches_overrules_the_caution_but_not_the_classes() {
    let mut can = able();
    can.sources.insert("filter", Source::File);
    check(
        &can,
        Exact,
        &["platform > 'a'", "datetime > TIMESTAMP('2025-01-01T00:00:00Z')", "NOT platform LIKE 'a%'", "a + 1 = 2"],
    );
    let mut basic = declaring(&["cql2-json", "basic-cql2"]);
    basic.sources.insert("filter", Source::File);
    check(&basic, Exact, &["a = 1", "platform > 'a'"]);
    check(&basic, Unsupported, &["a IN (1, 2)", "S_INTERSECTS(geometry, POINT(1 2))"]);
}

#[test]
fn only_declared_classes_are_used() {
    let basic = declaring(&["cql2-json", "basic-cql2"]);
    check(&basic, Exact, &["a = 1", "a = 1 OR b = 2"]);
    check(&basic, Unsupported, &["a IN (1, 2)", "a BETWEEN 1 AND 2", "p LIKE 'a%'", "a = 1 OR b IN (2)"]);
    check(&basic, Unsupported, &["S_INTERSECTS(geometry, POINT(1 2))"]);
    for name in
        ["basic-spatial-functions", "basic-spatial-operators", "basic-spatial-functions-plus", "spatial-functions"]
    {
        let can = declaring(&["cql2-text", "basic-cql2", name]);
        check(&can, Exact, &["S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))"]);
    }
    check(&declaring(&["basic-cql2"]), Unsupported, &["a = 1"]);
    check(&declaring(&["cql2-json"]), Unsupported, &["a = 1"]);
}

#[test]
fn a_language_of_the_other_method_is_no_language() {
    let mut can = able();
    can.spoken = Spoken { get: Some(Language::Text), post: None };
    can.query = Unsupported;
    check(&can, Unsupported, &["a = 1"]);
    can.search_post = false;
    check(&can, Exact, &["a = 1"]);
}

#[test]
fn unknown_and_refused_properties_are_not_sent() {
    let mut can = able();
    can.queryables = Some(vec!["platform".to_owned()]);
    check(&can, Exact, &["platform = 'a'", "id = 'x'", "collection = 'c'"]);
    check(&can, Unsupported, &["a = 1", "platform = 'a' OR a = 1"]);
    can.queryables = None;
    can.refuse(["a".to_owned()]);
    check(&can, Unsupported, &["a = 1", "a = 1 OR b = 1"]);
    check(&can, Exact, &["b = 1"]);
    for n in 0..40 {
        can.refuse([format!("p{n}")]);
    }
    check(&can, Unsupported, &["b = 1"]);
    assert!(can.filter_refused.len() <= 32, "{:?}", can.filter_refused);
}

#[test]
fn query_serves_where_filter_does_not() {
    let mut can = Capabilities::discovered(&member(), &found(&["query"], &[]));
    check(&can, Exact, &["a = 1", "a < 1 AND b >= 2", "platform = 'x'", "platform IN ('x', 'y')"]);
    check(&can, Inexact, &["platform LIKE 'x%'"]);
    check(
        &can,
        Unsupported,
        &["a = 1 OR b = 2", "NOT a = 1", "id = 'x'", "collection = 'x'", "platform > 'a'", "a <> 1"],
    );
    can.query = Inexact;
    check(&can, Inexact, &["a = 1"]);
    check(&Capabilities::discovered(&member(), &found(&[], &[])), Unsupported, &["a = 1"]);
    check(&Capabilities::implied(&member()), Unsupported, &["a = 1"]);
}

#[test]
fn an_inexact_filter_is_inexact_in_all_its_parts() {
    let mut can = able();
    can.filter = Inexact;
    check(&can, Inexact, &["a = 1", "collection = 'c'"]);
    check(&can, Unsupported, &["platform > 'a'"]);
}
