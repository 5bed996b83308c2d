//! What a shared Collection says of itself, made of what its holders say.

#![expect(clippy::needless_pass_by_value, reason = "literals read better so")]

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::*;
use crate::collections::{CollectionHrefs, HolderHrefs, Ids, Lookup, View};
use crate::federation::{Federation, load_text};
use crate::members::Listing;

fn federation() -> Federation {
    let text = r#"
        [federation]
        id = "test"
        [[member]]
        id = "A"
        url = "https://a.example/stac"
        [[member]]
        id = "B"
        url = "https://b.example"
        [[collection]]
        id = "scenes"
        holders = ["B|s2", "A|S2"]
    "#;
    load_text("test.toml", text, Path::new(".")).unwrap().federation
}

fn document(id: &str, more: Value) -> Value {
    let mut document = json!({
        "type": "Collection", "stac_version": "1.1.0", "id": id, "description": id, "license": "CC-BY-4.0",
        "extent": { "spatial": { "bbox": [[0, 0, 10, 10]] }, "temporal": { "interval": [["2020-01-01T00:00:00Z", null]] } },
        "links": [{ "rel": "license", "href": "licence.html" }],
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// The view when these members were read.
fn view(read: &[(&str, Vec<Value>)]) -> View {
    let federation = federation();
    let ids = Ids::new(&federation);
    read.iter().fold(View::unread(&federation), |view, (member, documents)| {
        let collections = documents.iter().map(|document| document.to_string().into()).collect();
        let listing = Listing { collections, complete: true };
        view.with(&MemberView::of(federation.member(member).unwrap(), &ids, &listing, DateTime::<Utc>::default()))
    })
}

fn both(a: Value, b: Value) -> View {
    view(&[("A", vec![document("S2", a)]), ("B", vec![document("s2", b)])])
}

fn written(view: &View) -> Value {
    let entry = &view.shared[0];
    let behind = entry.behind.as_ref().unwrap();
    let holder = |own: &Arc<Entry>| HolderHrefs {
        title: own.member.to_string(),
        href: format!("https://broker.example/collections/{}", own.exposed_id),
        source: Some(format!("https://{}.example/collections/{}", own.member.as_str().to_lowercase(), own.native_id)),
    };
    let holders: Vec<HolderHrefs> = behind.entries.iter().map(holder).collect();
    let names: Vec<&str> = behind.entries.iter().map(|own| own.member.as_str()).collect();
    let missing: Vec<&str> = behind.missing.iter().map(MemberId::as_str).collect();
    let hrefs = CollectionHrefs {
        id: &entry.exposed_id,
        self_href: "https://broker.example/collections/scenes",
        root_href: "https://broker.example/",
        items_href: None,
        queryables_href: None,
        sortables_href: None,
        canonical: None,
        backends: &names,
        holders: &holders,
        missing: &missing,
    };
    let mut out = Vec::new();
    entry.write(&hrefs, &mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_shared_collection_is_made_of_what_its_holders_say() {
    let a = json!({
        "title": "Of A", "keywords": ["x", "y"], "license": "MIT", "x:kept": 1, "sci:doi": "a",
        "providers": [{ "name": "ESA" }, { "name": "A" }],
        "extent": { "spatial": { "bbox": [[-5, 5, 5, 20]] }, "temporal": { "interval": [["2015-01-01T00:00:00Z", "2019-01-01T00:00:00Z"]] } },
        "item_assets": { "B01": { "title": "a" }, "B02": { "title": "a" } },
    });
    let b = json!({
        "description": "Of B", "keywords": ["y", "z"], "sci:doi": "b",
        "providers": [{ "name": "ESA", "roles": ["producer"] }],
        "item_assets": { "B01": { "title": "b" } },
    });
    let made = written(&both(a, b));
    for (name, expected) in [
        ("id", json!("scenes")),
        ("title", json!("Of A")),
        ("description", json!("Of B")),
        ("license", json!("other")),
        ("keywords", json!(["y", "z", "x"])),
        ("providers", json!([{ "name": "ESA", "roles": ["producer"] }, { "name": "A" }])),
        ("item_assets", json!({ "B01": { "title": "b" }, "B02": { "title": "a" } })),
        ("sci:doi", json!("b")),
        ("federation:backends", json!(["B", "A"])),
        ("federation:missing", Value::Null),
        ("x:kept", Value::Null),
    ] {
        assert_eq!(made[name], expected, "{name}");
    }
    assert_eq!(made["extent"]["spatial"]["bbox"], json!([[-5.0, 0.0, 10.0, 20.0]]));
    assert_eq!(made["extent"]["temporal"]["interval"], json!([["2015-01-01T00:00:00Z", null]]));
    let links: Vec<(&str, &str)> = made["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["rel"].as_str().unwrap(), l["href"].as_str().unwrap()))
        .collect();
    assert!(links.contains(&("alternate", "https://broker.example/collections/B|s2")), "{links:?}");
    assert!(links.contains(&("alternate", "https://broker.example/collections/A|S2")), "{links:?}");
    assert!(
        links.contains(&("license", "https://b.example/collections/licence.html")),
        "relative to the first: {links:?}"
    );
    assert!(repair::judge(made.to_string().as_bytes()).is_ok(), "what we write can be listed");
}

#[test]
fn summaries_are_joined_soundly_or_left_out() {
    let a = json!({ "summaries": {
        "platform": ["s2a", "s2b"], "gsd": { "minimum": 10, "maximum": 20 }, "same": { "type": "string" },
        "schema": { "type": "string" }, "mixed": [1], "datetime": { "minimum": "2020-01-01T00:00:00+02:00", "maximum": "2020-01-02T00:00:00Z" },
        "words": { "minimum": "a", "maximum": "b" }, "only": [1], "none": [],
    } });
    let b = json!({ "summaries": {
        "platform": ["s2c", "s2b"], "gsd": { "minimum": 15, "maximum": 60 }, "same": { "type": "string" },
        "schema": { "type": "number" }, "mixed": { "minimum": 1, "maximum": 2 }, "words": { "minimum": "c", "maximum": "d" },
        "datetime": { "minimum": "2020-01-01T00:00:00Z", "maximum": "2021-01-02T00:00:00Z" }, "none": ["x"],
    } });
    assert_eq!(
        written(&both(a, b))["summaries"],
        json!({
            "platform": ["s2c", "s2b", "s2a"], "gsd": { "minimum": 10, "maximum": 60 }, "same": { "type": "string" },
            "datetime": { "minimum": "2020-01-01T00:00:00+02:00", "maximum": "2021-01-02T00:00:00Z" }, "none": ["x"], "only": [1],
        })
    );
}

#[test]
fn a_holder_that_was_not_read_is_named_and_proves_nothing() {
    let none = view(&[]);
    assert!(none.shared.is_empty());
    let one = view(&[("A", vec![document("S2", json!({}))])]);
    let made = written(&one);
    assert_eq!((&made["federation:backends"], &made["federation:missing"]), (&json!(["A"]), &json!(["B"])));
    assert!(one.shared[0].area.is_none() && one.shared[0].interval.is_none());
    let lacking = view(&[("A", vec![document("S2", json!({}))]), ("B", vec![document("other", json!({}))])]);
    let made = written(&lacking);
    assert_eq!((&made["federation:backends"], &made["federation:missing"]), (&json!(["A"]), &Value::Null));
    assert!(lacking.shared[0].area.is_some(), "who surely lacks it says nothing of its extent");
    assert_eq!(
        lacking.with(&lacking.members[0].kept(Utc::now())).shared[0].behind.as_ref().unwrap().missing.len(),
        1,
        "older than it should be"
    );
}

#[test]
fn a_bare_id_is_the_shared_collection_if_there_is_one() {
    let federation = federation();
    let ids = Ids::new(&federation);
    let view = view(&[
        ("A", vec![document("S2", json!({})), document("scenes", json!({}))]),
        ("B", vec![document("s2", json!({}))]),
    ]);
    let name = |given: &str| match view.lookup(&ids, &federation, given) {
        Lookup::One(entry) => entry.exposed_id.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(
        (name("scenes"), name("A|scenes"), name("s2"), name("A|S2")),
        ("scenes".into(), "A|scenes".into(), "B|s2".into(), "A|S2".into())
    );
}
