//! Policies against what is held: what is told, and what is not worth telling.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::*;
use crate::collections::{Ids, MemberView};
use crate::federation::{Area, Bbox, Federation, load_text};
use crate::members::Listing;

const NOW: &str = "2026-06-01T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn federation(policy: &str) -> Federation {
    let text = format!("[federation]\nid = \"f\"\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n{policy}");
    load_text("f", &text, std::path::Path::new("")).unwrap().federation
}

fn view(federation: &Federation, collections: &[(&str, [f64; 4], &str)]) -> MemberView {
    let documents = collections.iter().map(|(id, bbox, start)| {
        let document = serde_json::json!({
            "type": "Collection", "stac_version": "1.0.0", "id": id, "description": "d", "license": "other", "links": [],
            "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[start, null]]}},
        });
        Bytes::from(document.to_string())
    });
    let listing = Listing { collections: documents.collect(), complete: true };
    MemberView::of(&federation.members[0], &Ids::new(federation), &listing, at(NOW))
}

fn item(collection: &str, time: &str) -> ItemSeen {
    let bbox = Bbox { west: 5.0, south: 5.0, east: 6.0, north: 6.0, elevation: None };
    ItemSeen {
        collection: collection.into(),
        id: format!("{collection}-1"),
        at: Some(at(time)),
        area: Some(Area::from_boxes(&[bbox])),
    }
}

fn remarks(policy: &str, held: &Held) -> Vec<Remark> {
    let federation = federation(policy);
    let view = view(&federation, &[("s2", [0.0, 0.0, 10.0, 10.0], "2026-03-10T00:00:00Z")]);
    judge(&federation.members[0].policy, &view, held, at(NOW))
}

const EVERYTHING: &str =
    "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n[[member.policy.retention]]\nkeep = \"P90D\"\n";

#[test]
fn a_policy_that_fits_is_left_alone() {
    let held = Held {
        rules: vec![(Some(item("s2", "2026-03-10T00:00:00Z")), Some(item("s2", "2026-05-30T00:00:00Z")))],
        ids: vec!["x".into()],
        ..Held::default()
    };
    assert_eq!(remarks(EVERYTHING, &held), []);
}

#[test]
fn items_that_the_policy_hides_come_first_with_a_rule_to_paste() {
    let held = Held { beyond: vec![("`datetime=../x`".into(), item("s2", "2020-01-01T00:00:00Z"))], ..Held::default() };
    let first = remarks(EVERYTHING, &held).remove(0);
    assert!(first.seen.contains("`s2-1` of `s2` of 2020-01-01") && first.seen.contains("retention"), "{first:?}");
    assert!(first.toml.contains(&"from = \"2020-01-01T00:00:00Z\"".to_owned()), "{first:?}");
    let covered = Held { beyond: vec![("x".into(), item("s2", "2026-05-01T00:00:00Z"))], ..Held::default() };
    assert_eq!(remarks(EVERYTHING, &covered), [], "another rule may cover it");
}

#[test]
fn windows_much_wider_than_what_is_there_are_told_and_rounded_ones_are_not() {
    let rule = "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n[[member.policy.retention]]\nfrom = \"2000-01-01T00:00:00Z\"\n";
    let with = |oldest: &str, newest: &str| {
        let rules = vec![(Some(item("s2", oldest)), Some(item("s2", newest)))];
        remarks(rule, &Held { rules, ..Held::default() })
    };
    assert_eq!(with("2000-09-01T00:00:00Z", "2026-05-01T00:00:00Z"), []);
    let late = with("2015-09-01T00:00:00Z", "2026-05-01T00:00:00Z").remove(0);
    assert!(late.toml.contains(&"from = \"2015-09-01T00:00:00Z\"".to_owned()), "{late:?}");
    let ended = with("2000-09-01T00:00:00Z", "2010-05-01T00:00:00Z").remove(0);
    assert!(ended.toml.contains(&"until = \"2010-05-02T00:00:00Z\"".to_owned()), "{ended:?}");
}

#[test]
fn prefixes_globs_and_extents_that_do_not_fit_are_told() {
    let held = Held { ids: vec!["S2A_1".into(), "LC08_1".into()], ..Held::default() };
    let prefixes =
        format!("{}ids_prefixes = [\"S2A_\"]\n", "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n");
    let told = remarks(&prefixes, &held).remove(0);
    assert!(told.seen.contains("1 of 2 ids") && told.seen.contains("`LC08_1`"), "{told:?}");

    let globs = "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n[[member.policy.retention]]\ncollections = [\"s3-*\"]\nkeep = \"P1Y\"\n";
    let told = remarks(globs, &Held::default()).remove(0);
    assert!(told.seen.contains("`s3-*` in `policy.retention.collections` matches no collection"), "{told:?}");

    let elsewhere =
        "[member.policy]\nfocus = { bbox = [40.0, 40.0, 50.0, 50.0] }\n[[member.policy.retention]]\nkeep = \"P1Y\"\n";
    let told = remarks(elsewhere, &Held::default()).remove(0);
    assert!(told.seen.contains("collection `s2` lies outside the policy"), "{told:?}");

    let short =
        "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n[[member.policy.retention]]\nkeep = \"P10D\"\n";
    let told = remarks(short, &Held::default()).remove(0);
    assert!(told.seen.contains("policy keeps collection `s2` from 2026-05-21 on"), "{told:?}");
}

#[test]
fn what_could_be_declared_is_suggested_where_nothing_is() {
    let held = Held {
        oldest: Some(item("s2", "2026-03-10T00:00:00Z")),
        newest: Some(item("s2", "2026-05-30T00:00:00Z")),
        ..Held::default()
    };
    let told = remarks("", &held);
    let lines: Vec<&str> = told.iter().flat_map(|remark| &remark.toml).map(String::as_str).collect();
    assert!(lines.iter().any(|line| line.starts_with("keep = \"P90D\"")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("focus = ")), "{lines:?}");
    // what is suggested can be pasted
    let pasted = lines.join("\n");
    federation(&pasted);
}

#[test]
fn a_window_that_is_wider_for_items_that_last_is_not_too_wide() {
    let policy = |span: &str| {
        format!(
            "[member.policy]\nfocus = {{ bbox = [0.0, 0.0, 10.0, 10.0] }}\n[[member.policy.retention]]\nfrom = \"1979-01-01T00:00:00Z\"\n{span}"
        )
    };
    let held = Held {
        rules: vec![(Some(item("s2", "1980-01-01T00:00:00Z")), Some(item("s2", "2019-01-01T00:00:00Z")))],
        ids: vec!["x".into()],
        ..Held::default()
    };
    let told = remarks(&policy(""), &held);
    assert!(told.iter().any(|remark| remark.seen.contains("the newest Item is of 2019-01-01")), "{told:?}");
    assert_eq!(remarks(&policy("item_span_max = \"P47Y\"\n"), &held), [], "an Item of 2019 may last until today");
}

#[test]
fn a_window_is_judged_by_what_its_rule_declares() {
    let rule = "[member.policy]\nfocus = { bbox = [0.0, 0.0, 10.0, 10.0] }\n[[member.policy.retention]]\ncollections = [\"s2\"]\nfrom = \"1979-01-01T00:00:00Z\"\nitem_span_max = \"P47Y\"\n";
    let with = |oldest: &str| {
        let rules = vec![(Some(item("s2", oldest)), Some(item("s2", "2026-05-01T00:00:00Z")))];
        let remarks = remarks(rule, &Held { rules, ..Held::default() });
        remarks.into_iter().find(|remark| remark.seen.contains("the oldest Item"))
    };
    assert_eq!(with("1979-02-01T00:00:00Z"), None, "the remedy cures");
    let late = with("2015-09-01T00:00:00Z").unwrap();
    assert!(late.seen.contains("begins 1979-01-01"), "{late:?}");
    assert!(late.toml.contains(&"collections = [\"s2\"]".to_owned()), "{late:?}");
}
