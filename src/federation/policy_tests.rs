//! The worked examples of the policy rules, and what each rule must and must not prove.

use chrono::{DateTime, Utc};

use super::super::area::{Area, Bbox};
use super::super::interval::{Interval, parse_instant};
use super::super::retention::{Period, Retention};
use super::*;

const TODAY: &str = "2025-06-30T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

fn patterns(written: &[&str]) -> Patterns {
    Patterns::new(&written.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn area(numbers: [f64; 4]) -> Area {
    Bbox::from_numbers(&numbers).unwrap().into()
}

fn period(text: &str) -> Option<Period> {
    Some(Period::parse(text).unwrap())
}

/// Greece, `sentinel-*`, the last 90 days, published after three hours.
fn grnet() -> Policy {
    Policy {
        include: patterns(&["sentinel-*"]),
        focus: Some(area([19.0, 34.0, 30.0, 42.0])),
        retention: vec![Retention { keep: period("P90D"), lag: period("PT3H"), ..Retention::default() }],
        ..Policy::default()
    }
}

/// `ocean-*`, 1993 to 2024.
fn cmems() -> Policy {
    Policy {
        include: patterns(&["ocean-*"]),
        retention: vec![Retention {
            collections: patterns(&["ocean-*"]),
            from: Some(at("1993-01-01T00:00:00Z")),
            until: Some(at("2024-12-31T23:59:59Z")),
            ..Retention::default()
        }],
        ..Policy::default()
    }
}

/// A question as a client writes it.
#[derive(Default)]
struct Asked {
    datetime: &'static str,
    bbox: Option<[f64; 4]>,
    ids: Option<&'static [&'static str]>,
}

fn asked(datetime: &'static str) -> Asked {
    Asked { datetime, ..Asked::default() }
}

fn answer(policy: &Policy, collection: Option<&str>, asked: &Asked) -> Result<(), (Rule, String)> {
    let interval = (!asked.datetime.is_empty()).then(|| Interval::from_param(asked.datetime).unwrap());
    let area = asked.bbox.map(area);
    let ids: Option<Vec<_>> = asked.ids.map(|ids| ids.iter().map(ToString::to_string).collect());
    let question = Question { interval, area: area.as_ref(), ids: ids.as_deref() };
    let answer = match collection {
        Some(collection) => policy.admits(collection, &question, at(TODAY)),
        None => policy.admits_any(&question, at(TODAY)),
    };
    answer.map_err(|refusal| (refusal.rule, refusal.detail))
}

#[track_caller]
fn check_asked(policy: &Policy, collection: Option<&str>, asked: &Asked) {
    assert_eq!(answer(policy, collection, asked), Ok(()));
}

#[track_caller]
fn check_pruned(policy: &Policy, collection: Option<&str>, asked: &Asked, rule: Rule, detail: &str) {
    assert_eq!(answer(policy, collection, asked), Err((rule, detail.to_string())));
}

const S2: Option<&str> = Some("sentinel-2-l2a");
const GREECE: Option<[f64; 4]> = Some([23.0, 37.0, 24.0, 38.0]);
const NORWAY: Option<[f64; 4]> = Some([5.0, 58.0, 12.0, 64.0]);

#[test]
fn example_1_recent_data_in_greece() {
    check_asked(&grnet(), S2, &Asked { bbox: GREECE, ..asked("2025-06-01T00:00:00Z/..") });
}

#[test]
fn example_2_a_window_that_reaches_beyond_the_retention_still_asks() {
    check_asked(&grnet(), S2, &Asked { bbox: GREECE, ..asked("2025-01-01T00:00:00Z/..") });
}

#[test]
fn example_3_norway_is_outside_the_focus() {
    let query = Asked { bbox: NORWAY, ..asked("2025-06-01T00:00:00Z/..") };
    check_pruned(&grnet(), S2, &query, Rule::FocusArea, "keeps 19,34,30,42; the query asks 5,58,12,64");
    check_pruned(&grnet(), None, &query, Rule::FocusArea, "keeps 19,34,30,42; the query asks 5,58,12,64");
}

#[test]
fn example_4_old_data() {
    let query = asked("2019-05-01T00:00:00Z/2019-05-02T23:59:59Z");
    let detail = "keeps the last 90 days, nothing newer than 3 hours; the query ends 2019-05-02";
    check_pruned(&grnet(), S2, &query, Rule::Retention, detail);
    check_pruned(&grnet(), None, &query, Rule::Retention, detail);
    check_asked(&cmems(), Some("ocean-sst"), &query);
    check_asked(&cmems(), None, &query);
    check_asked(&Policy::default(), S2, &query);
    check_asked(&Policy::default(), None, &query);
}

#[test]
fn example_10_ids_with_another_prefix() {
    let eodc = Policy { ids_prefixes: vec!["S1".into()], ..Policy::default() };
    let query = Asked { ids: Some(&["S2A_1", "S2B_2"]), ..Asked::default() };
    let detail = "its ids start with `S1`; none of the query's ids does";
    check_pruned(&eodc, S2, &query, Rule::Ids, detail);
    check_pruned(&eodc, None, &query, Rule::Ids, detail);
    check_asked(&eodc, S2, &Asked { ids: Some(&["S2A_1", "S1A_1"]), ..Asked::default() });
    check_asked(&grnet(), S2, &query);
    let none = Asked { ids: Some(&[]), ..Asked::default() };
    check_pruned(&Policy::default(), S2, &none, Rule::Ids, "the query's list of ids is empty");
}

#[test]
fn example_11_a_collection_outside_the_focus() {
    let detail = "its policy leaves out the collection `no-such-thing`";
    check_pruned(&grnet(), Some("no-such-thing"), &Asked::default(), Rule::FocusCollection, detail);
    check_asked(&Policy::default(), Some("no-such-thing"), &Asked::default());
}

#[test]
fn example_12_data_that_is_not_published_yet() {
    let query = asked("2025-06-30T11:30:00Z/..");
    let detail = "keeps the last 90 days, nothing newer than 3 hours; the query starts 2025-06-30T11:30:00Z";
    check_pruned(&grnet(), S2, &query, Rule::Retention, detail);
    let detail = "keeps 1993-01-01 to 2024-12-31; the query starts 2025-06-30T11:30:00Z";
    check_pruned(&cmems(), Some("ocean-sst"), &query, Rule::Retention, detail);
}

#[test]
fn rolling_edges_have_a_margin_of_an_hour() {
    // 90 days before now is 2025-04-01T12:00:00Z; three hours before now is 09:00.
    check_asked(&grnet(), S2, &asked("../2025-04-01T11:00:00Z"));
    assert!(answer(&grnet(), S2, &asked("../2025-04-01T10:59:59Z")).is_err());
    check_asked(&grnet(), S2, &asked("2025-06-30T10:00:00Z/.."));
    assert!(answer(&grnet(), S2, &asked("2025-06-30T10:00:01Z/..")).is_err());
}

#[test]
fn absolute_edges_have_no_margin_but_the_longest_item() {
    check_asked(&cmems(), Some("ocean-sst"), &asked("2024-12-31T23:59:59Z/.."));
    assert!(answer(&cmems(), Some("ocean-sst"), &asked("2025-01-01T00:00:00Z/..")).is_err());
    assert!(answer(&cmems(), Some("ocean-sst"), &asked("../1992-12-31T23:59:59Z")).is_err());
    let mut monthly = cmems();
    monthly.retention[0].item_span_max = Period::parse("P1M").unwrap();
    check_asked(&monthly, Some("ocean-sst"), &asked("2025-01-31T00:00:00Z/.."));
    check_asked(&monthly, Some("ocean-sst"), &asked("../1992-12-01T00:00:00Z"));
    assert!(answer(&monthly, Some("ocean-sst"), &asked("2025-02-01T00:00:00Z/..")).is_err());
}

#[test]
fn rules_of_one_collection_are_alternatives() {
    let archive = Retention {
        collections: patterns(&["dem-*", "sentinel-2-*"]),
        until: Some(at("2020-01-01T00:00:00Z")),
        ..Retention::default()
    };
    let recent = Retention { collections: patterns(&["sentinel-*"]), keep: period("P30D"), ..Retention::default() };
    let policy = Policy { retention: vec![archive, recent], ..Policy::default() };
    check_asked(&policy, S2, &asked("2019-01-01T00:00:00Z"));
    check_asked(&policy, S2, &asked("2025-06-29T00:00:00Z"));
    let detail = "keeps times until 2020-01-01 or the last 30 days; the query asks for 2023-01-01";
    check_pruned(&policy, S2, &asked("2023-01-01T00:00:00Z"), Rule::Retention, detail);
    let between = asked("2023-01-01T00:00:00Z/2023-02-01T00:00:00Z");
    let detail = "keeps times until 2020-01-01 or the last 30 days; the query asks for 2023-01-01 to 2023-02-01";
    check_pruned(&policy, S2, &between, Rule::Retention, detail);
    check_pruned(
        &policy,
        Some("dem-30"),
        &asked("2025-06-29T00:00:00Z/.."),
        Rule::Retention,
        "keeps times until 2020-01-01; the query starts 2025-06-29",
    );
    // No rule names it: kept without limit; and so the rules prove nothing for the whole member.
    check_asked(&policy, Some("landsat-8"), &asked("2023-01-01T00:00:00Z"));
    check_asked(&policy, None, &asked("2023-01-01T00:00:00Z"));
}

#[test]
fn rules_prove_something_for_the_member_only_when_they_name_everything() {
    let query = asked("2019-05-01T00:00:00Z");
    let mut policy = grnet();
    policy.retention[0].collections = patterns(&["sentinel-2-*"]);
    check_asked(&policy, None, &query);
    policy.retention[0].collections = patterns(&["sentinel-2-*", "sentinel-*"]);
    assert!(answer(&policy, None, &query).is_err());
    policy.retention.push(Retention { collections: patterns(&["sentinel-1-*"]), ..Retention::default() });
    check_asked(&policy, None, &query);
}

#[test]
fn a_rule_with_a_focus_holds_for_its_area_only() {
    let alps = Retention { keep: period("P1Y"), focus: Some(area([9.0, 46.0, 18.0, 49.0])), ..Retention::default() };
    let world = Retention { keep: period("P30D"), ..Retention::default() };
    let both = Policy { retention: vec![alps.clone(), world], ..Policy::default() };
    let alone = Policy { retention: vec![alps], ..Policy::default() };
    let spring = "2025-01-01T00:00:00Z/2025-02-01T00:00:00Z";
    check_asked(&both, S2, &Asked { bbox: Some([10.0, 47.0, 11.0, 48.0]), ..asked(spring) });
    check_asked(&both, S2, &Asked { bbox: NORWAY, ..asked("2025-06-20T00:00:00Z/..") });
    // Only the rule of the area is in time, and its area is missed: the area is what proves it.
    let detail = "keeps 9,46,18,49; the query asks 5,58,12,64";
    check_pruned(&both, S2, &Asked { bbox: NORWAY, ..asked(spring) }, Rule::FocusArea, detail);
    check_pruned(&alone, S2, &Asked { bbox: NORWAY, ..Asked::default() }, Rule::FocusArea, detail);
    check_asked(&alone, S2, &asked(spring));
    let member = Policy { focus: Some(area([0.0, 0.0, 5.0, 5.0])), ..alone };
    let detail = "keeps 0,0,5,5; the query asks 10,47,11,48";
    check_pruned(
        &member,
        S2,
        &Asked { bbox: Some([10.0, 47.0, 11.0, 48.0]), ..Asked::default() },
        Rule::FocusArea,
        detail,
    );
}

#[test]
fn the_first_rule_in_order_is_named() {
    let everything_wrong = Asked { datetime: "2001-01-01T00:00:00Z", bbox: NORWAY, ids: Some(&[]) };
    let rule = |collection| answer(&grnet(), collection, &everything_wrong).unwrap_err().0;
    assert_eq!(rule(Some("other")), Rule::FocusCollection);
    assert_eq!(rule(S2), Rule::Retention);
    let area_and_ids = Asked { bbox: NORWAY, ids: Some(&[]), ..Asked::default() };
    assert_eq!(answer(&grnet(), S2, &area_and_ids).unwrap_err().0, Rule::FocusArea);
}

#[test]
fn missing_information_means_ask() {
    for policy in [Policy::default(), grnet(), cmems()] {
        check_asked(&policy, None, &Asked::default());
    }
    check_asked(&grnet(), S2, &asked("../2025-06-30T00:00:00Z"));
    check_asked(&grnet(), S2, &asked("2019-01-01T00:00:00Z/.."));
    check_asked(&grnet(), S2, &Asked { bbox: GREECE, ..Asked::default() });
}

#[test]
fn collections_are_seen_when_included_and_not_excluded() {
    let policy =
        Policy { include: patterns(&["sentinel-*", "dem"]), exclude: patterns(&["*-demo*"]), ..Policy::default() };
    assert!(policy.sees("sentinel-1") && policy.sees("dem"));
    assert!(!policy.sees("dem-30") && !policy.sees("sentinel-1-demo-x") && !policy.sees("Sentinel-1"));
    let nothing = Policy { exclude: patterns(&["*"]), ..Policy::default() };
    assert!(!nothing.sees("dem"));
    assert_eq!(answer(&nothing, None, &Asked::default()).unwrap_err().0, Rule::FocusCollection);
}

#[test]
fn globs_over_collection_ids() {
    let set = patterns(&["urn:eop:VITO:*", "a?c", "{x,y}/z", "[0-9]*"]);
    for id in ["urn:eop:VITO:CGS_S1_GRD_L1", "urn:eop:VITO:a/b", "abc", "y/z", "7th"] {
        assert!(set.matches(id), "{id}");
    }
    for id in ["urn:eop:vito:CGS", "ac", "z/z", ""] {
        assert!(!set.matches(id), "{id}");
    }
    assert!(patterns(&["*"]).matches("") && !Patterns::nothing().matches("x"));
    assert_eq!(patterns(&["a", "b"]).written, ["a", "b"]);
}

#[test]
fn globs_that_cannot_be_read() {
    let read = |written: &[&str]| Patterns::new(&written.iter().map(ToString::to_string).collect::<Vec<_>>());
    let bad = read(&["ok", "[a"]).unwrap_err();
    assert_eq!(bad.index, 1);
    assert!(bad.reason.starts_with("is not a glob: "), "{}", bad.reason);
    assert_eq!(read(&[""]).unwrap_err().reason, "is empty");
    assert!(read(&["x".repeat(257).as_str()]).unwrap_err().reason.contains("256"));
    assert!(read(&vec!["x"; 257]).is_err());
}
