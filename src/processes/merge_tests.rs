#![expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "a table of literals reads better so")]

use super::*;

use crate::federation::Equated;

fn offer(member: &str, native: &str, description: Option<Value>) -> Offer {
    let priority = if member == "EODC" { 5 } else { 0 };
    let summary = json!({ "id": native, "title": format!("{native} at {member}"), "version": "1.0", "links": [{ "href": "http://inner" }] });
    Offer { member: MemberId::new(member), priority, native: native.into(), summary, description }
}

fn described(inputs: Value, more: Value) -> Option<Value> {
    let mut description = json!({ "id": "x", "version": "1.0", "inputs": inputs, "outputs": { "o": {} } });
    description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Some(description)
}

fn listed(offers: Vec<Offer>, routing: &Routing) -> Vec<(String, String)> {
    let members = |process: &Process| process.members().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    merge(offers, routing).iter().map(|process| (process.id.clone(), members(process))).collect()
}

fn check(offers: Vec<Offer>, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(id, members)| ((*id).to_owned(), (*members).to_owned())).collect();
    assert_eq!(listed(offers, &Routing::default()), expected);
}

#[test]
fn equal_processes_are_one_and_the_others_are_pinned() {
    let same = || described(json!({ "a": {}, "b": { "minOccurs": 0 } }), json!({}));
    let fewer = described(json!({ "a": {} }), json!({}));
    let stricter = described(json!({ "a": {}, "b": {} }), json!({}));
    check(
        vec![offer("EDITO", "subset", same()), offer("EODC", "subset", same()), offer("EODC", "other", None)],
        &[("other", "EODC"), ("subset", "EODC EDITO")],
    );
    for unlike in [fewer, stricter] {
        check(
            vec![offer("EDITO", "subset", same()), offer("EODC", "subset", unlike), offer("GRNET", "zonal", None)],
            &[("zonal", "GRNET"), ("EDITO:subset", "EDITO"), ("EODC:subset", "EODC")],
        );
    }
    // A description that nobody may read does not part them; inputs as a list are inputs too.
    let list = described(json!([{ "id": "b", "minOccurs": 0 }, { "id": "a" }]), json!({}));
    check(
        vec![offer("A", "subset", same()), offer("B", "subset", None), offer("C", "subset", list)],
        &[("subset", "A B C")],
    );
}

#[test]
fn unequal_processes_are_told_with_what_parts_them() {
    let list = merge(
        vec![
            offer("EDITO", "subset", described(json!({ "a": {} }), json!({}))),
            offer("EODC", "subset", described(json!({ "b": {} }), json!({}))),
            offer("EODC", "alone", None),
        ],
        &Routing::default(),
    );
    let parted = parted(&list, &Routing::default());
    assert_eq!(parted.len(), 1);
    let (id, differences) = &parted[0];
    assert_eq!((id.as_str(), differences[0].what.as_str()), ("subset", "inputs"));
    assert_eq!(json!(differences[0].values), json!({ "EDITO": ["a"], "EODC": ["b"] }));
}

#[test]
fn equated_processes_have_one_public_id() {
    let equated = Equated { public: "subset".into(), processes: vec![(MemberId::new("EDITO"), "clip".into())] };
    let routing = Routing { aliases: vec![equated], ..Routing::default() };
    let offers = vec![offer("EDITO", "clip", None), offer("EDITO", "subset", None), offer("EODC", "subset", None)];
    let expected = [("subset", "EODC EDITO"), ("EDITO:subset", "EDITO")];
    let expected: Vec<_> = expected.map(|(id, members)| (id.to_owned(), members.to_owned())).into();
    assert_eq!(listed(offers, &routing), expected);
}

#[test]
fn a_document_has_the_modes_of_all_and_shows_what_differs() {
    let schema = |kind: &str| json!({ "a": { "schema": { "type": kind } } });
    let one = described(schema("string"), json!({ "jobControlOptions": ["sync-execute"], "version": "2.0" }));
    let two = described(schema("number"), json!({ "jobControlOptions": ["async-execute", "dismiss", "odd"] }));
    let list = merge(vec![offer("EDITO", "subset", two), offer("EODC", "subset", one)], &Routing::default());
    let document = list[0].description(&[json!({ "rel": "self", "href": "http://b" })]);
    assert_eq!(document["id"], "subset");
    assert_eq!(document["jobControlOptions"], json!(["sync-execute", "async-execute", "dismiss"]));
    assert_eq!(document["federation:backends"], json!(["EODC", "EDITO"]));
    assert_eq!(document["inputs"], schema("string"));
    assert_eq!(document["links"], json!([{ "rel": "self", "href": "http://b" }]));
    let differences = document["federation:differences"].as_array().unwrap();
    let what: Vec<&str> = differences.iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["version", "jobControlOptions", "inputs/a/schema"]);
    assert_eq!(differences[0]["members"], json!({ "EODC": "2.0", "EDITO": "1.0" }));
    assert_eq!(differences[2]["members"], json!({ "EODC": "as `EODC`", "EDITO": "as `EDITO`" }));
    let alone = merge(vec![offer("EODC", "subset", None)], &Routing::default());
    let summary = alone[0].summary(&[]);
    assert!(summary.get("federation:differences").is_none());
    assert_eq!((&summary["title"], &summary["links"]), (&json!("subset at EODC"), &json!([])));
}

#[test]
fn inputs_that_carry_collections_say_so() {
    let inputs = json!({ "a": { "schema": { "format": "stac-collection" } }, "b": { "schema": { "type": "array", "items": { "format": "stac-collection" } } }, "c": { "schema": { "type": "string" } } });
    let found = collection_inputs(&json!({ "inputs": inputs }));
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_search_finds_words_in_any_case() {
    let process = &merge(vec![offer("EODC", "subset", None)], &Routing::default())[0];
    for q in ["SUB", "nothing,at eodc", " subset "] {
        assert!(matches(process, q), "{q}");
    }
    for q in ["nothing", "", ","] {
        assert!(!matches(process, q), "{q}");
    }
}
