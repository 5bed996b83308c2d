//! Documents as clients get them, and the view made of members' listings.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::repair::tests::GOOD;
use super::*;
use crate::federation::{Federation, load_text};
use crate::members::Listing;

const HREFS: CollectionHrefs<'_> = CollectionHrefs {
    id: "A|c",
    self_href: "https://broker.example/collections/A%7Cc",
    root_href: "https://broker.example/",
    items_href: Some("https://broker.example/collections/A%7Cc/items"),
    queryables_href: Some("https://broker.example/collections/A%7Cc/queryables"),
    sortables_href: Some("https://broker.example/collections/A%7Cc/sortables"),
    canonical: Some("https://a.example/stac/collections/c"),
    backends: &["A"],
    holders: &[],
    missing: &[],
};

fn federation() -> Federation {
    let text = r#"
        [federation]
        id = "test"
        [[member]]
        id = "A"
        url = "https://a.example/stac"
        [member.policy]
        collections = { exclude = ["*-demo"] }
        [[member]]
        id = "B"
        url = "https://b.example/stac/"
        [member.policy]
        priority = 5
        [[member]]
        id = "C"
        url = "https://c.example"
        enabled = false
    "#;
    load_text("test.toml", text, Path::new(".")).unwrap().federation
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn document(id: &str) -> Value {
    let mut document: Value = serde_json::from_str(GOOD).unwrap();
    document["id"] = id.into();
    document
}

fn listing(documents: &[Value]) -> Listing {
    Listing {
        collections: documents.iter().map(|document| Bytes::from(document.to_string())).collect(),
        complete: true,
    }
}

/// The part of member `A` that lists these documents.
fn part(documents: &[Value]) -> MemberView {
    part_of("A", &listing(documents), at("2025-06-01T00:00:00Z"))
}

fn part_of(member: &str, listing: &Listing, now: DateTime<Utc>) -> MemberView {
    let federation = federation();
    MemberView::of(federation.member(member).unwrap(), &Ids::new(&federation), listing, now)
}

fn entry(document: &str) -> Arc<Entry> {
    let listing = Listing { collections: vec![Bytes::from(document.to_owned())], complete: true };
    let part = part_of("A", &listing, Utc::now());
    part.entries.first().unwrap_or_else(|| panic!("{:?}", part.quarantined)).clone()
}

fn written(entry: &Entry) -> String {
    let mut out = Vec::new();
    entry.write(&HREFS, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_collection_keeps_its_bytes_but_for_identity_and_links() {
    let entry = entry(
        r#"{"type":"Collection", "x:number":1.50, "id":"c","stac_version":"1.1.0","description":"d \u00e9","license":"other",
        "extent":{"spatial":{"bbox":[[1.0,2,3,4]]},"temporal":{"interval":[[null,"2020-01-01T00:00:00Z"]]}},
        "links":[{"rel":"self","href":"/x"},{"rel":"license","href":"l.txt"}],"federation:backends":["EVIL"],
        "assets":{"t":{"href":"./thumb.png"}},"summaries":{"gsd":[10.0]}}"#,
    );
    assert_eq!(
        written(&entry),
        concat!(
            r#"{"type":"Collection","x:number":1.50,"id":"A|c","stac_version":"1.1.0","description":"d \u00e9","license":"other","#,
            r#""extent":{"spatial":{"bbox":[[1.0,2,3,4]]},"temporal":{"interval":[[null,"2020-01-01T00:00:00Z"]]}},"#,
            r#""links":[{"rel":"self","href":"https://broker.example/collections/A%7Cc","type":"application/json"},"#,
            r#"{"rel":"root","href":"https://broker.example/","type":"application/json"},"#,
            r#"{"rel":"parent","href":"https://broker.example/","type":"application/json"},"#,
            r#"{"rel":"items","href":"https://broker.example/collections/A%7Cc/items","type":"application/geo+json"},"#,
            r#"{"rel":"http://www.opengis.net/def/rel/ogc/1.0/queryables","href":"https://broker.example/collections/A%7Cc/queryables","type":"application/schema+json"},"#,
            r#"{"rel":"http://www.opengis.net/def/rel/ogc/1.0/sortables","href":"https://broker.example/collections/A%7Cc/sortables","type":"application/schema+json"},"#,
            r#"{"rel":"canonical","href":"https://a.example/stac/collections/c","type":"application/json"},"#,
            r#"{"rel":"license","href":"https://a.example/stac/collections/l.txt"}],"#,
            r#""assets":{"t":{"href":"https://a.example/stac/collections/thumb.png"}},"summaries":{"gsd":[10.0]},"#,
            r#""federation:backends":["A"]}"#
        )
    );
    assert!(entry.repairs().is_empty());
}

#[test]
fn repairs_show_in_what_is_written_and_in_what_admins_read() {
    let mut faulty = document("c");
    faulty["title"] = Value::Null;
    faulty["summaries"] = json!({"gsd": [], "platform": ["a"]});
    faulty["extent"]["temporal"]["interval"] = json!([["2000-02-20T00:00:00", null]]);
    let entry = entry(&faulty.to_string());
    let written: Value = serde_json::from_str(&written(&entry)).unwrap();
    assert!(written.get("title").is_none());
    assert_eq!(written["summaries"], json!({"platform": ["a"]}));
    assert_eq!(written["extent"]["temporal"]["interval"], json!([["2000-02-20T00:00:00Z", null]]));
    assert_eq!(entry.repairs().len(), 3, "{:?}", entry.repairs());
    let stored: Value = serde_json::from_slice(&entry.document).unwrap();
    assert_eq!(stored, faulty, "the stored document is the member's");
}

#[test]
fn the_source_is_the_members_self_link_only_below_its_own_base() {
    let federation = federation();
    let member = federation.member("A").unwrap();
    let source = |href: &str, id: &str| {
        let mut given = document(id);
        given["links"] = json!([{"rel": "self", "href": href}]);
        entry(&given.to_string()).source(member)
    };
    assert_eq!(source("https://a.example/stac/c/c?f=json", "c"), "https://a.example/stac/c/c?f=json");
    assert_eq!(source("https://a.example/stacks/c", "c"), "https://a.example/stac/collections/c");
    assert_eq!(source("http://internal:8082/c", "urn:x/y|z"), "https://a.example/stac/collections/urn:x%2Fy%7Cz");
    assert_eq!(source("./c", "c"), "https://a.example/stac/collections/c");
}

#[test]
fn a_listing_becomes_entries_and_quarantine_under_the_policy() {
    let mut faulty = document("b");
    faulty.as_object_mut().unwrap().remove("license");
    let part = part(&[document("z"), faulty, document("a"), document("x-demo"), document("a")]);
    let ids: Vec<_> = part.entries.iter().map(|entry| (entry.native_id.as_str(), entry.exposed_id.as_str())).collect();
    assert_eq!(ids, [("a", "A|a"), ("z", "A|z")]);
    assert_eq!(part.quarantined.len(), 1);
    assert_eq!(
        (part.quarantined[0].native_id.as_str(), part.quarantined[0].reason.as_str()),
        ("b", "`license` is missing")
    );
    assert_eq!(part.known, Known::Complete);
    assert!(part.entry("z").is_some() && part.entry("b").is_none());
}

#[test]
fn a_list_with_a_nameless_document_or_cut_short_proves_nothing() {
    let nameless = part(&[document("a"), json!({"type": "Collection"})]);
    assert_eq!((nameless.known, nameless.entries.len()), (Known::Unknown, 1));
    assert_eq!(nameless.quarantined[0].native_id, "");
    let cut = Listing { complete: false, ..listing(&[document("a")]) };
    assert_eq!(part_of("A", &cut, Utc::now()).known, Known::Unknown);
}

#[test]
fn a_failed_refresh_keeps_the_list_and_marks_it_once_it_is_old() {
    let good = part(&[document("a")]);
    let soon = good.kept(at("2025-06-01T00:04:59Z"));
    let late = good.kept(at("2025-06-01T00:05:01Z"));
    assert_eq!((soon.stale, late.stale, late.entries.len()), (false, true, 1));
    let federation = federation();
    let unread = MemberView::unread(&federation.members[0].id).kept(Utc::now());
    assert!(!unread.stale, "what was never read is unknown, not stale");
}

#[test]
fn a_cut_list_replaces_a_whole_one_only_after_a_day() {
    let whole = part(&[document("a"), document("b")]);
    let cut = part_of("A", &Listing { complete: false, ..listing(&[document("a")]) }, at("2025-06-01T01:00:00Z"));
    let after = whole.succeeded_by(&cut, at("2025-06-01T01:00:00Z"));
    assert_eq!((after.entries.len(), after.stale, after.known), (2, true, Known::Complete));
    let next_day = whole.succeeded_by(&cut, at("2025-06-02T00:00:00Z"));
    assert_eq!((next_day.entries.len(), next_day.known), (1, Known::Unknown));
    let new = part(&[document("c")]);
    assert_eq!(whole.succeeded_by(&new, at("2025-06-01T01:00:00Z")).entries[0].native_id, "c");
}

#[test]
fn a_view_has_the_enabled_members_and_replaces_one_at_a_time() {
    let view = View::unread(&federation());
    assert_eq!(view.members.iter().map(|part| part.member.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    let next = view.with(&part(&[document("a")]));
    assert_eq!((view.members[0].entries.len(), next.members[0].entries.len()), (0, 1));
    assert_eq!(next.members[1].known, Known::Unknown);
}

#[test]
fn lookup_finds_qualified_bare_and_encoded_ids() {
    let federation = federation();
    let ids = Ids::new(&federation);
    let now = Utc::now();
    let view = View::unread(&federation)
        .with(&part_of("A", &listing(&[document("both"), document("one")]), now))
        .with(&part_of("B", &listing(&[document("both")]), now));
    let name = |lookup: Lookup| match lookup {
        Lookup::None => vec![],
        Lookup::One(entry) => vec![entry.exposed_id.clone()],
        Lookup::Many(entries) => entries.iter().map(|entry| entry.exposed_id.clone()).collect(),
    };
    let found = |given: &str| name(view.lookup(&ids, &federation, given));
    assert_eq!(found("A|both"), ["A|both"]);
    assert_eq!(found("A%7Cboth"), ["A|both"]);
    assert_eq!(found("one"), ["A|one"]);
    assert_eq!(found("both"), ["B|both", "A|both"], "by descending priority");
    for unknown in ["A|none", "C|both", "none", "a|both", ""] {
        assert!(found(unknown).is_empty(), "{unknown}");
    }
}

#[test]
fn a_merged_view_unites_extents_and_names_all() {
    let mut other = document("c");
    other["extent"] = json!({"spatial": {"bbox": [[0, 45, 5, 60]]}, "temporal": {"interval": [["2010-01-01T00:00:00Z", "2012-01-01T00:00:00Z"]]}});
    other["license"] = "MIT".into();
    other["title"] = "Other".into();
    let hrefs = CollectionHrefs { id: "c", canonical: None, backends: &["A", "B"], ..HREFS };
    let merged = |entries: &[Arc<Entry>]| {
        let mut out = Vec::new();
        write_merged(entries, &hrefs, &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let united = merged(&[entry(GOOD), entry(&other.to_string())]);
    assert_eq!(
        (united["id"].as_str(), united["title"].as_str(), united["license"].as_str()),
        (Some("c"), Some("C"), Some("various"))
    );
    assert_eq!(united["extent"]["spatial"]["bbox"], json!([[0.0, 40.0, 20.0, 60.0]]));
    assert_eq!(united["extent"]["temporal"]["interval"], json!([["2010-01-01T00:00:00Z", null]]));
    assert_eq!(united["federation:backends"], json!(["A", "B"]));
    let rels: Vec<_> = united["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    let ogc = |name: &str| format!("http://www.opengis.net/def/rel/ogc/1.0/{name}");
    assert_eq!(rels, ["self", "root", "parent", "items", &ogc("queryables"), &ogc("sortables")]);
    assert!(super::repair::judge(united.to_string().as_bytes()).is_ok(), "what we write can be listed");
    other["extent"]["spatial"]["bbox"] = json!([[0, 90, 5, -90]]);
    let unknown = merged(&[entry(GOOD), entry(&other.to_string())]);
    assert_eq!(unknown["extent"]["spatial"]["bbox"], json!([[-180.0, -90.0, 180.0, 90.0]]));
}
