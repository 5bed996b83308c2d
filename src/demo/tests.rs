//! The members as their clients see them: real requests on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use geo::BoundingRect;
use serde_json::{Value, json};

use crate::federation::{self, Area, Interval, Question};

use super::{Demo, HABITS, catalog, recent, table};

fn url(demo: &Demo, member: &str) -> String {
    demo.portraits().into_iter().find(|portrait| portrait.id == member).unwrap().url
}

async fn get(url: &str) -> Value {
    serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap()
}

async fn post(url: &str, body: &Value) -> (u16, Value) {
    let answer = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

fn ids(page: &Value) -> Vec<(String, String)> {
    let key = |item: &Value| (item["collection"].as_str().unwrap().into(), item["id"].as_str().unwrap().into());
    page["features"].as_array().unwrap().iter().map(key).collect()
}

fn next(page: &Value) -> Option<Value> {
    page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next").cloned()
}

/// Follows the member's own next links from the first page.
async fn walk(first: Value, sent: &Value) -> Vec<(String, String)> {
    let (mut page, mut all) = (first, Vec::new());
    loop {
        all.extend(ids(&page));
        let Some(link) = next(&page) else { return all };
        let href = link["href"].as_str().unwrap();
        if link["method"] == "POST" {
            let mut body = if link["merge"] == json!(true) { sent.clone() } else { json!({}) };
            for (name, value) in link["body"].as_object().unwrap() {
                body[name] = value.clone();
            }
            page = post(href, &body).await.1;
        } else {
            page = get(href).await;
        }
    }
}

fn held(demo: &Demo, member: &str) -> BTreeSet<(String, String)> {
    let bare = |(collection, id): (String, String)| (collection.split_once('|').unwrap().1.to_owned(), id);
    demo.ids_of(member).into_iter().map(bare).collect()
}

#[tokio::test]
async fn every_member_gives_each_item_once_by_its_own_next_links() {
    let demo = Demo::start().await.unwrap();
    for habits in &HABITS {
        let search = format!("{}/search", url(&demo, habits.id));
        let got = walk(get(&format!("{search}?limit=170")).await, &json!({})).await;
        assert_eq!(got.len(), demo.items(habits.id), "{}", habits.id);
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), held(&demo, habits.id), "{}", habits.id);

        let body = json!({ "limit": 170, "sortby": [{ "field": "properties.datetime", "direction": "asc" }] });
        let (status, first) = post(&search, &body).await;
        if habits.post {
            let got = walk(first, &body).await;
            assert_eq!(got.len(), demo.items(habits.id), "{}", habits.id);
            assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), held(&demo, habits.id), "{}", habits.id);
        } else {
            assert_eq!(status, 405);
        }
    }
}

#[tokio::test]
async fn the_catalogues_have_the_size_and_the_habits_that_are_promised() {
    let demo = Demo::start().await.unwrap();
    let sizes: Vec<usize> = HABITS.iter().map(|habits| demo.items(habits.id)).collect();
    assert!(sizes.iter().all(|items| *items >= 190), "{sizes:?}");
    assert!((1_500..=2_500).contains(&sizes.iter().sum::<usize>()), "{sizes:?}");
    assert_eq!(demo.all_ids().len(), sizes.iter().sum::<usize>(), "an Item is identified by member, collection and id");

    let page = get(&format!("{}/search?limit=400", url(&demo, "EDITO"))).await;
    assert_eq!(ids(&page).len(), 50, "cut in silence");
    let (_, page) = post(
        &format!("{}/search", url(&demo, "EMODnet")),
        &json!({ "limit": 200, "sortby": [{ "field": "datetime", "direction": "desc" }] }),
    )
    .await;
    let times: Vec<&str> = page["features"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["properties"]["datetime"].as_str())
        .collect();
    assert!(!times.is_sorted() && !times.iter().rev().is_sorted(), "its order is not by time, whatever is asked");
    assert_eq!(page["numberMatched"], 496);
}

#[tokio::test]
async fn items_and_collections_have_what_stac_requires() {
    let demo = Demo::start().await.unwrap();
    for habits in &HABITS {
        let base = url(&demo, habits.id);
        let listed = get(&format!("{base}/collections")).await;
        let mut extents = BTreeMap::new();
        for document in listed["collections"].as_array().unwrap() {
            for member in ["id", "title", "description", "license", "extent", "links"] {
                assert!(document.get(member).is_some(), "{} {member}", document["id"]);
            }
            extents.insert(document["id"].as_str().unwrap().to_owned(), document["extent"].clone());
        }
        let first = get(&format!("{base}/search?limit=1000")).await;
        for item in first["features"].as_array().unwrap() {
            let collection = item["collection"].as_str().unwrap();
            assert!(extents.contains_key(collection), "{collection} has no Collection");
            assert_eq!(item["stac_version"], "1.0.0");
            assert!(item["geometry"]["coordinates"].is_array(), "{item}");
            assert_eq!(item["bbox"].as_array().unwrap().len(), 4);
            let bounds: Vec<f64> = item["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert!(bounds[0] >= -180.0 && bounds[2] <= 180.0 && bounds[1] >= -90.0 && bounds[3] <= 90.0, "{item}");
            let properties = &item["properties"];
            assert!(properties["datetime"].is_string() || properties["start_datetime"].is_string());
            assert!(properties["datetime"].is_string() || properties["end_datetime"].is_string());
            let own = item["links"].as_array().unwrap().iter().find(|link| link["rel"] == "self").unwrap();
            assert!(own["href"].as_str().unwrap().starts_with(&base));
        }
        let own = first["features"][0]["links"][0]["href"].as_str().unwrap();
        assert_eq!(get(own).await["id"], first["features"][0]["id"], "an Item is where its self link says");
    }
}

#[tokio::test]
async fn no_more_than_five_hundred_items_share_an_instant() {
    let demo = Demo::start().await.unwrap();
    let mut ties: BTreeMap<DateTime<Utc>, usize> = BTreeMap::new();
    for member in &demo.members {
        for entry in &member.catalog.entries {
            *ties.entry(entry.time).or_default() += 1;
        }
    }
    assert!(ties.values().all(|items| *items <= 500));
}

#[tokio::test]
async fn conditions_leave_out_what_does_not_match_and_nothing_else() {
    let demo = Demo::start().await.unwrap();
    let all = demo.all_ids();
    let low = demo.matching("bbox=4,50,7,52&datetime=2023-09-01T00:00:00Z/2023-09-30T23:59:59Z").unwrap();
    assert!(low.iter().any(|(collection, _)| collection == "EODC|sentinel-2-l2a"));
    assert!(low.iter().any(|(collection, _)| collection == "GRNET-OPENSTACK|sentinel-2-l2a"));
    assert!(!low.iter().any(|(collection, _)| collection == "EODC|sentinel-2-l1c"));
    assert_eq!(demo.matching("datetime=../2300-01-01T00:00:00Z").unwrap(), all);
    assert!(
        demo.matching("datetime=1958-01-01T00:00:00Z/1965-01-01T00:00:00Z")
            .unwrap()
            .iter()
            .all(|(c, _)| c.starts_with("EMODnet|"))
    );
    assert!(demo.matching("ids=no-such-thing").unwrap().is_empty());
    let pacific = demo.matching("bbox=170,-20,-170,0").unwrap();
    assert!(!pacific.is_empty() && !pacific.iter().any(|(c, _)| c.starts_with("EODC|") || c.starts_with("EMODnet|")));
    let point = r#"intersects={"type":"Point","coordinates":[5,51]}"#;
    assert!(demo.matching(point).unwrap().iter().any(|(c, _)| c == "EODC|sentinel-2-l1c"));
    for wrong in ["bbox=1,2,3", "bbox=1,5,2,4", "datetime=2020", "limit=0", "sortby=cloud", "intersects=x"] {
        assert!(demo.matching(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_member_that_is_switched_off_refuses_and_comes_back() {
    let demo = Demo::start().await.unwrap();
    let landing = url(&demo, "CMEMS");
    let client = reqwest::Client::new();
    assert!(client.get(&landing).send().await.is_ok());
    demo.switch_off("CMEMS", true);
    assert!(client.get(&landing).send().await.is_err(), "also on the kept-alive connection");
    assert!(client.get(url(&demo, "EODC")).send().await.is_ok(), "the others go on");
    demo.switch_off("CMEMS", false);
    assert!(client.get(&landing).send().await.is_ok());
    let asked: BTreeMap<String, u64> = demo.requests().into_iter().collect();
    assert_eq!((asked["CMEMS"], asked["EODC"], asked["EDITO"]), (2, 1, 0));
    assert!(demo.search_requests().iter().all(|(_, searches)| *searches == 0));
}

#[tokio::test]
async fn the_relay_holds_nothing_outside_its_declared_windows() {
    let demo = Demo::start().await.unwrap();
    let now = Utc::now();
    let member = demo.member("GRNET-OPENSTACK").unwrap();
    let campaign = "2023-07-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().."2024-01-01T00:00:00Z".parse().unwrap();
    let mut recent = 0;
    for entry in member.catalog.entries.iter().filter(|entry| entry.collection.starts_with("sentinel-2")) {
        let rolling = entry.time <= now && entry.time >= now - TimeDelta::days(90);
        assert!(rolling || campaign.contains(&entry.time), "{}", entry.id);
        recent += usize::from(rolling);
    }
    assert!(recent > 60, "{recent}");
}

#[tokio::test]
async fn every_item_lies_inside_what_its_admin_declares() {
    let demo = Demo::start().await.unwrap();
    let loaded = federation::load_text("demo", &demo.federation_toml, Path::new(".")).unwrap();
    assert_eq!(loaded.federation.members.len(), HABITS.len());
    for member in &demo.members {
        let policy = &loaded.federation.member(member.habits.id).unwrap().policy;
        for entry in &member.catalog.entries {
            let bounds = entry.geometry.bounding_rect().unwrap();
            let area = Area { boxes: vec![bounds], geometry: Some(entry.geometry.clone()) };
            let ids = [entry.id.clone()];
            for at in [entry.span.0, entry.span.1] {
                let interval = Some(Interval::instant(at));
                let question = Question { interval, area: Some(&area), ids: Some(&ids) };
                let admitted = policy.admits(&entry.collection, &question, Utc::now());
                assert_eq!(admitted, Ok(()), "{} at {at}", entry.id);
            }
        }
    }
}

#[test]
fn recent_passes_are_named_after_their_day_and_unlike_one_another() {
    let templates = table::rows(HABITS[1].table).unwrap();
    for now in ["2027-03-01T09:30:00Z", "2031-12-31T23:59:59Z"] {
        let now: DateTime<Utc> = now.parse().unwrap();
        let passes = recent::passes(&templates, now);
        let ids: BTreeSet<&str> = passes.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), passes.len());
        for row in &passes {
            let at = row.datetime.unwrap();
            assert!(at < now && at > now - TimeDelta::days(89), "{}", row.id);
            assert_eq!(&row.id[11..19], at.format("%Y%m%d").to_string());
            assert!(row.id[45..60] <= *now.format("%Y%m%dT%H%M%S").to_string(), "{} lies in the future", row.id);
        }
    }
}

#[test]
fn rows_that_cannot_be_read_are_refused() {
    let head = "head\n";
    assert!(table::rows(&format!("{head}a\tb\t\t\t\t\t1 2 3 4\n")).is_ok());
    assert!(table::rows(&format!("{head}a\tb\tyesterday\t\t\t\t1 2 3 4\n")).is_err());
    assert!(table::rows(&format!("{head}a\tb\n")).is_err());
    assert!(table::footprint("1 2 3").is_none());
    assert!(table::footprint("1 2,3").is_none());
    assert_eq!(catalog::segment("a\\b%"), "a%5Cb%25");
}

#[tokio::test]
async fn members_that_sort_declare_the_order_of_text() {
    let demo = Demo::start().await.unwrap();
    let federation = federation::load_text("demo", &demo.federation_toml, Path::new(".")).unwrap().federation;
    for habits in HABITS.iter().filter(|habits| habits.sorts) {
        let member = federation.members.iter().find(|member| member.id.as_str() == habits.id).unwrap();
        assert!(member.capabilities.string_order_bytes, "`{}` orders ids by bytes and should say so", habits.id);
    }
}

#[tokio::test]
async fn a_filter_holds_where_its_member_filters_and_nowhere_else() {
    let demo = Demo::start().await.unwrap();
    let clouds = json!({ "op": "<", "args": [{ "property": "eo:cloud_cover" }, 20] });
    let platform = json!({ "op": "=", "args": [{ "property": "platform" }, "sentinel-2b"] });
    let body = json!({ "limit": 1000, "filter": { "op": "and", "args": [clouds, platform] } });
    let (_, kept) = post(&format!("{}/search", url(&demo, "EODC")), &body).await;
    let kept = kept["features"].as_array().unwrap();
    assert!(!kept.is_empty() && kept.len() < demo.items("EODC"));
    for item in kept {
        assert!(item["properties"]["eo:cloud_cover"].as_f64().unwrap() < 20.0);
        assert_eq!(item["properties"]["platform"], "sentinel-2b");
    }
    let (_, all) = post(&format!("{}/search", url(&demo, "CMEMS")), &body).await;
    assert_eq!(all["numberMatched"], demo.items("CMEMS"));
    let wrong = json!({ "filter": { "op": "like", "args": [{ "property": "id" }, "S2%"] } });
    let (status, refused) = post(&format!("{}/search", url(&demo, "EODC")), &wrong).await;
    assert_eq!((status, refused["description"].as_str().unwrap().contains("`like`")), (400, true));
}

#[tokio::test]
async fn the_member_that_filters_tells_what_conditions_can_name() {
    let demo = Demo::start().await.unwrap();
    let told = get(&format!("{}/collections/sentinel-2-l2a/queryables", url(&demo, "EODC"))).await;
    assert_eq!(told["properties"]["eo:cloud_cover"], json!({ "type": "number" }));
    assert_eq!(told["properties"]["datetime"]["format"], "date-time");
    let none = get(&format!("{}/collections/none/queryables", url(&demo, "CMEMS"))).await;
    assert_eq!(none["code"], "NotFound");
}
