//! Who is not asked: counted at the members. What an explanation names is what a search then asks.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use stac_broker::federation::retention::{Period, Retention};
use stac_broker::federation::{Area, Federation, Patterns, interval};

use crate::support::{Front, Running, ScriptedMember, collection, federation_of, item};

/// So many days ago.
fn ago(days: i64) -> String {
    (Utc::now() - TimeDelta::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn placed(mut item: Value, x: f64, y: f64) -> Value {
    item["geometry"]["coordinates"] = json!([x, y]);
    item["bbox"] = json!([x, y, x, y]);
    item
}

fn keeps(keep_days: Option<u64>, from: Option<&str>, until: Option<&str>) -> Retention {
    Retention {
        collections: Patterns::new(&["*".to_owned()]).unwrap(),
        keep: keep_days.map(|days| Period { months: 0, seconds: days * 86_400 }),
        from: from.map(|text| interval::parse_instant(text).unwrap()),
        until: until.map(|text| interval::parse_instant(text).unwrap()),
        lag: None,
        item_span_max: Period { months: 0, seconds: 0 },
        focus: None,
    }
}

fn area(bbox: [f64; 4]) -> Area {
    Area { boxes: vec![geo::Rect::new((bbox[0], bbox[1]), (bbox[2], bbox[3]))], geometry: None }
}

/// GRNET: Greece, the last 90 days. EODC: worldwide, all. CMEMS: 1993 to 2020. EMODNET: ids that begin with `EMO_`.
async fn sites() -> (Vec<Running>, Federation) {
    let grnet = vec![placed(item("sentinel-2-l2a", "S2_now", &ago(5)), 23.0, 38.0)];
    let eodc = vec![
        placed(item("sentinel-2-l2a", "S2_old", "2019-05-01T10:00:00Z"), 16.0, 48.0),
        placed(item("sentinel-1-grd", "S1_new", &ago(4)), 10.0, 50.0),
    ];
    let cmems = vec![placed(item("ocean-sst", "sst", "2015-01-01T00:00:00Z"), -20.0, 40.0)];
    let emodnet = vec![placed(item("bathymetry", "EMO_1", "2018-01-01T00:00:00Z"), 3.0, 55.0)];
    let mut members = Vec::new();
    for (id, items) in [("GRNET", grnet), ("EODC", eodc), ("CMEMS", cmems), ("EMODNET", emodnet)] {
        let mut names: Vec<&str> = items.iter().map(|item| item["collection"].as_str().unwrap()).collect();
        names.dedup();
        let collections = names.into_iter().map(collection).collect();
        members.push(ScriptedMember::new(id).collections(collections).items(items).start().await);
    }
    let mut federation = federation_of(members.iter().map(Running::declared));
    federation.members[0].policy.retention = vec![keeps(Some(90), None, None)];
    federation.members[0].policy.focus = Some(area([19.0, 34.0, 30.0, 42.0]));
    federation.members[2].policy.retention =
        vec![keeps(None, Some("1993-01-01T00:00:00Z"), Some("2020-12-31T00:00:00Z"))];
    federation.members[3].policy.ids_prefixes = vec!["EMO_".to_owned()];
    (members, federation)
}

fn searches(members: &[Running]) -> Vec<usize> {
    members.iter().map(Running::searches).collect()
}

/// Searches with this query string: exactly these members get a request, exactly these are named by `explain`, which
/// asks nobody, and these Items come back.
async fn check(query: &str, asked: &[&str], pruned: &[(&str, &str)], items: &[&str]) {
    let (members, federation) = sites().await;
    let front = Front::of(federation).await;
    let before = members.iter().map(|member| member.recorded().len()).sum::<usize>();
    let plan = front.get(&format!("/search/explain?{query}")).await;
    assert_eq!(plan.status, 200, "{}", plan.text);
    assert_eq!(members.iter().map(|member| member.recorded().len()).sum::<usize>(), before, "explain asks nobody");
    let named = |list: &str| -> BTreeSet<String> {
        plan.json()[list].as_array().unwrap().iter().map(|leg| leg["id"].as_str().unwrap().to_owned()).collect()
    };
    let asked: BTreeSet<String> = asked.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(named("legs"), asked, "{query}: {}", plan.text);

    let page = front.get(&format!("/search?{query}")).await;
    let got: BTreeSet<String> =
        members.iter().filter(|member| member.searches() > 0).map(|member| member.id.clone()).collect();
    assert_eq!(got, asked, "{query}: members that got a request");
    assert_eq!(page.report()["complete"], true, "what was left out by policy is not missing: {}", page.text);
    let rules = |body: &Value| -> Vec<(String, String)> {
        let list = body["pruned"].as_array().unwrap().iter();
        list.map(|one| (one["id"].as_str().unwrap().to_owned(), one["rule"].as_str().unwrap().to_owned())).collect()
    };
    let pruned: Vec<(String, String)> =
        pruned.iter().map(|(id, rule)| ((*id).to_owned(), (*rule).to_owned())).collect();
    assert_eq!(rules(&page.report()), pruned, "{query}");
    assert_eq!(rules(plan.json()), pruned, "{query}: as explained");
    let body = page.json();
    let ids: Vec<&str> = body["features"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, items, "{query}");
}

#[tokio::test]
async fn everything_is_asked_of_everybody() {
    check("", &["GRNET", "EODC", "CMEMS", "EMODNET"], &[], &["S1_new", "S2_now", "S2_old", "EMO_1", "sst"]).await;
}

#[tokio::test]
async fn an_interval_before_a_rolling_window_leaves_its_member_in_peace() {
    let query = "datetime=2019-01-01T00:00:00Z/2019-12-31T00:00:00Z";
    // what is advertised says nothing here: these Collections are of everywhere and always
    check(query, &["EODC", "CMEMS", "EMODNET"], &[("GRNET", "retention")], &["S2_old"]).await;
}

#[tokio::test]
async fn an_interval_behind_an_absolute_window_leaves_its_member_in_peace() {
    let query = format!("datetime={}/..", ago(10));
    check(&query, &["GRNET", "EODC", "EMODNET"], &[("CMEMS", "retention")], &["S1_new", "S2_now"]).await;
}

#[tokio::test]
async fn an_area_outside_a_focus_leaves_its_member_in_peace() {
    check("bbox=2,50,8,56", &["EODC", "CMEMS", "EMODNET"], &[("GRNET", "focus-area")], &["EMO_1"]).await;
    let polygon = "intersects=%7B%22type%22%3A%22Polygon%22%2C%22coordinates%22%3A%5B%5B%5B2%2C50%5D%2C%5B8%2C50%5D%2C%5B8%2C56%5D%2C%5B2%2C50%5D%5D%5D%7D";
    check(polygon, &["EODC", "CMEMS", "EMODNET"], &[("GRNET", "focus-area")], &[]).await;
}

#[tokio::test]
async fn an_area_inside_a_focus_is_asked_for() {
    check("bbox=22,37,24,39", &["GRNET", "EODC", "CMEMS", "EMODNET"], &[], &["S2_now"]).await;
}

#[tokio::test]
async fn ids_of_another_prefix_are_not_asked_for() {
    check("ids=S2_old,sst", &["GRNET", "EODC", "CMEMS"], &[("EMODNET", "ids")], &["S2_old", "sst"]).await;
}

#[tokio::test]
async fn a_qualified_collection_is_asked_of_its_member_alone() {
    let others = [("GRNET", "not-requested"), ("CMEMS", "not-requested"), ("EMODNET", "not-requested")];
    check("collections=EODC%7Csentinel-1-grd", &["EODC"], &others, &["S1_new"]).await;
    check("collections=EODC%257Csentinel-1-grd", &["EODC"], &others, &["S1_new"]).await;
}

#[tokio::test]
async fn a_bare_collection_is_asked_of_those_that_have_it() {
    let others = [("CMEMS", "collection"), ("EMODNET", "collection")];
    check("collections=sentinel-2-l2a", &["GRNET", "EODC"], &others, &["S2_now", "S2_old"]).await;
}

#[tokio::test]
async fn a_search_that_meets_nobody_is_empty_and_complete_and_asks_nobody() {
    let all = [("GRNET", "collection"), ("EODC", "collection"), ("CMEMS", "collection"), ("EMODNET", "collection")];
    check("collections=nowhere", &[], &all, &[]).await;
    let all = ["GRNET", "EODC", "CMEMS", "EMODNET"].map(|id| (id, "ids"));
    check("ids=", &[], &all, &[]).await;
}

#[tokio::test]
async fn several_conditions_are_tested_one_by_one() {
    let query = format!("collections=sentinel-2-l2a&datetime={}/..&bbox=2,50,8,56", ago(30));
    let pruned = [("GRNET", "focus-area"), ("CMEMS", "collection"), ("EMODNET", "collection")];
    check(&query, &["EODC"], &pruned, &[]).await;
}

#[tokio::test]
async fn later_pages_ask_only_those_of_the_first() {
    let (members, federation) = sites().await;
    let front = Front::of(federation).await;
    let pages = front.walk_get(&format!("/search?limit=1&datetime={}/..", ago(10))).await;
    assert_eq!(pages.len(), 2);
    assert_eq!(searches(&members)[2], 0, "CMEMS");
    let body = json!({"limit": 1, "collections": ["GRNET|sentinel-2-l2a"]});
    let before = searches(&members);
    front.walk_post(&body).await;
    assert_eq!(searches(&members)[1..], before[1..], "only GRNET is asked");
}

#[tokio::test]
async fn a_disabled_member_is_named_and_never_asked() {
    let (members, mut federation) = sites().await;
    federation.members[1].enabled = false;
    let front = Front::of(federation).await;
    let page = front.get("/search").await;
    assert_eq!(page.report()["pruned"][0]["rule"], "disabled");
    assert!(members[1].recorded().is_empty(), "not even its landing page was read");
}

#[tokio::test]
async fn members_whose_collections_are_not_known_are_asked() {
    let (members, federation) = sites().await;
    let front = Front::unread(federation).await;
    let page = front.get("/search?collections=sentinel-1-grd&sortby=-datetime").await;
    assert_eq!(searches(&members), [1, 1, 1, 1], "missing information means ask");
    assert_eq!(page.names(), ["EODC|sentinel-1-grd S1_new"]);
}

#[tokio::test]
async fn one_collection_and_one_item_are_asked_of_their_member_alone() {
    let (members, federation) = sites().await;
    let front = Front::of(federation).await;
    let before: Vec<usize> = members.iter().map(|member| member.recorded().len()).collect();
    assert_eq!(front.get("/collections").await.status, 200);
    assert_eq!(front.get("/collections/EODC%7Csentinel-1-grd").await.status, 200);
    assert_eq!(front.get("/collections/EODC%7Csentinel-1-grd/items/S1_new").await.json()["id"], "S1_new");
    assert_eq!(front.get("/collections/EODC%7Csentinel-1-grd/items").await.names().len(), 1);
    let after: Vec<usize> = members.iter().map(|member| member.recorded().len()).collect();
    assert_eq!((before[0], before[2], before[3]), (after[0], after[2], after[3]), "only EODC is asked");
    assert_eq!(after[1], before[1] + 2, "once for the Item and once for the list");
}
