//! The members as their clients see them: real requests on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use geo::BoundingRect;
use serde_json::{Value, json};

use crate::federation::{self, Area, Interval, Question};

use super::habits::{Habits, Speaks};
use super::{Demo, HABITS, catalog, recent, table};

fn url(demo: &Demo, member: &str) -> String {
    demo.portraits().into_iter().find(|portrait| portrait.id == member).unwrap().url
}

/// Members that are asked for Items.
fn searched() -> impl Iterator<Item = &'static Habits> {
    HABITS.iter().filter(|habits| !habits.speaks.read_whole())
}

fn takes_post(habits: &Habits) -> bool {
    matches!(habits.speaks, Speaks::StacApi(ways) if ways.post)
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
    for habits in searched() {
        let search = format!("{}/search", url(&demo, habits.id));
        let got = walk(get(&format!("{search}?limit=170")).await, &json!({})).await;
        assert_eq!(got.len(), demo.items(habits.id), "{}", habits.id);
        assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), held(&demo, habits.id), "{}", habits.id);

        let body = json!({ "limit": 170, "sortby": [{ "field": "properties.datetime", "direction": "asc" }] });
        let (status, first) = post(&search, &body).await;
        if takes_post(habits) {
            let got = walk(first, &body).await;
            assert_eq!(got.len(), demo.items(habits.id), "{}", habits.id);
            assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), held(&demo, habits.id), "{}", habits.id);
        } else {
            assert!(status == 405 || status == 400, "{}: {status}", habits.id);
        }
    }
}

#[tokio::test]
async fn the_catalogues_have_the_size_and_the_habits_that_are_promised() {
    let demo = Demo::start().await.unwrap();
    let sizes: Vec<usize> = HABITS.iter().map(|habits| demo.items(habits.id)).collect();
    assert!(sizes.iter().all(|items| *items >= 190), "{sizes:?}");
    assert!((1_500..=2_500).contains(&sizes.iter().sum::<usize>()), "{sizes:?}");
    let replicas = held(&demo, "EODC").intersection(&held(&demo, "GRNET-OPENSTACK")).count();
    assert!(replicas > 50, "{replicas} Items at both holders of the shared Collection");
    let all = sizes.iter().sum::<usize>() - replicas;
    assert_eq!(demo.all_ids().len(), all, "an Item is identified by member, collection and id");

    let page = get(&format!("{}/search?limit=400", url(&demo, "GRNET-OPENSTACK"))).await;
    assert_eq!(ids(&page).len(), 100, "cut in silence");
}

#[tokio::test]
async fn items_and_collections_have_what_stac_requires() {
    let demo = Demo::start().await.unwrap();
    for habits in searched() {
        let base = url(&demo, habits.id);
        let listed = get(&format!("{base}/collections")).await;
        let mut extents = BTreeMap::new();
        for document in listed["collections"].as_array().unwrap() {
            for member in ["id", "title", "description", "license", "extent", "links"] {
                assert!(document.get(member).is_some(), "{} {member}", document["id"]);
            }
            extents.insert(document["id"].as_str().unwrap().to_owned(), document["extent"].clone());
        }
        let first = get(&format!("{base}/search?limit=500")).await;
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
    assert!(low.iter().any(|(collection, _)| collection == "sentinel-2-l2a"), "under the name that both holders share");
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
async fn holders_of_the_shared_collection_have_the_same_items_where_both_declare_to_keep_them() {
    let demo = Demo::start().await.unwrap();
    let of = |member: &str| -> BTreeMap<String, (DateTime<Utc>, Value)> {
        let entries = demo.member(member).unwrap().catalog.entries.iter();
        let shared = entries.filter(|entry| entry.collection == "sentinel-2-l2a" && entry.id.contains("_2023"));
        let second_half = shared.filter(|entry| entry.time >= "2023-07-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        second_half
            .map(|entry| (entry.id.clone(), (entry.time, entry.property("eo:cloud_cover").unwrap_or_default())))
            .collect()
    };
    let (archive, relay) = (of("EODC"), of("GRNET-OPENSTACK"));
    assert!(archive.len() > 50 && archive == relay, "{} and {}", archive.len(), relay.len());
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
    for habits in HABITS.iter().filter(|habits| matches!(habits.speaks, Speaks::StacApi(_))) {
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
    let nameless = "filter-lang=cql2-json&filter=%7B%22op%22%3A%22isNull%22%2C%22args%22%3A%5B%7B%22property%22%3A%22id%22%7D%5D%7D";
    let all = get(&format!("{}/search?{nameless}", url(&demo, "GRNET-OPENSTACK"))).await;
    assert_eq!(all["numberMatched"], demo.items("GRNET-OPENSTACK"), "no Item lacks an id, but it does not filter");
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
    let none = get(&format!("{}/collections/none/queryables", url(&demo, "EODC"))).await;
    assert_eq!(none["code"], "NotFound");
}

#[tokio::test]
async fn a_resto_does_otherwise_than_the_standard() {
    let demo = Demo::start().await.unwrap();
    let base = url(&demo, "EDITO");
    let asked = async |query: &str| get(&format!("{base}/search?{query}")).await;
    assert_eq!(get(&base).await["resto:version"], "10.1.0");

    assert_eq!(ids(&asked("").await).len(), 10);
    assert_eq!(ids(&asked("limit=500").await).len(), 500);
    assert!(asked("limit=501").await["description"].as_str().unwrap().contains("500"));
    let (status, refused) = post(&format!("{base}/search"), &json!({ "limit": 5, "conf": {} })).await;
    assert_eq!((status, refused["description"].as_str().unwrap().contains("`conf`")), (400, true));
    let (status, page) = post(&format!("{base}/search"), &json!({ "limit": 5, "collections": ["slp", "ssl"] })).await;
    assert_eq!((status, ids(&page).len()), (200, 5), "a body that it can read as parameters");
    assert_eq!(ids(&asked("fields=id").await).len(), 0, "a parameter that it does not know is a word");
    assert_eq!(asked("bbox=1,2,0,3,4,9").await["code"], "BadRequest");

    let starts = |page: &Value| -> Vec<DateTime<Utc>> {
        let start = |item: &Value| {
            let properties = &item["properties"];
            let text = properties["datetime"].as_str().or(properties["start_datetime"].as_str()).unwrap();
            text.parse().unwrap()
        };
        page["features"].as_array().unwrap().iter().map(start).collect()
    };
    let (down, up) = (asked("sortby=startDate&limit=100").await, asked("sortby=-startDate&limit=100").await);
    assert!(starts(&down).is_sorted_by(|a, b| a >= b) && starts(&up).is_sorted());
    assert_eq!(asked("sortby=-datetime").await["code"], "BadRequest");
    let second = get(next(&up).unwrap()["href"].as_str().unwrap()).await;
    assert!(starts(&second)[0] < *starts(&up).last().unwrap(), "upwards its second page begins anew");

    let whole = demo.matching("collections=SST_GLO_PHY_L3S_MY_010_039").unwrap();
    let lasting = whole.iter().filter(|(of, _)| of.starts_with("EDITO|")).count();
    assert_eq!(lasting, 1, "an Item of forty years ...");
    let in_2010 = "collections=SST_GLO_PHY_L3S_MY_010_039&datetime=2010-01-01T00:00:00Z/2010-12-31T00:00:00Z";
    assert_eq!(ids(&asked(in_2010).await).len(), 0, "... is not found by what it covers");

    let (one, other) = (&ids(&down)[0].1, &ids(&down)[1].1);
    let encoded = |id: &str| catalog::segment(id);
    assert!(!ids(&asked(&format!("ids={}&collections=none", encoded(one))).await).is_empty(), "`ids` override");
    assert_eq!(ids(&asked(&format!("ids={},{}", encoded(one), encoded(other))).await).len(), 0);

    let few = asked("collections=sc&limit=7").await;
    assert_eq!((&few["context"]["exactCount"], &few["numberMatched"]), (&json!(true), &json!(14)));
    let last = get(next(&few).unwrap()["href"].as_str().unwrap()).await;
    assert_eq!(ids(&last).len(), 7);
    let behind = get(next(&last).unwrap()["href"].as_str().unwrap()).await;
    assert_eq!((ids(&behind).len(), next(&behind)), (0, None), "a full last page leads to an empty one");
    let all = asked("").await;
    assert_eq!((&all["context"]["exactCount"], &all["numberMatched"]), (&json!(false), &json!(680)));
}

#[tokio::test]
async fn the_catalogue_of_files_leads_to_every_item_and_sends_nothing_twice() {
    let demo = Demo::start().await.unwrap();
    let root = reqwest::Url::parse(&url(&demo, "CMEMS")).unwrap();
    let leads = async |at: &reqwest::Url, rel: &str| -> Vec<reqwest::Url> {
        let document = get(at.as_str()).await;
        let links = document["links"].as_array().unwrap().iter().filter(|link| link["rel"] == rel);
        links.map(|link| at.join(link["href"].as_str().unwrap()).unwrap()).collect()
    };
    let products = leads(&root, "child").await;
    assert_eq!(products.len(), 72);
    let mut found = BTreeSet::new();
    for product in &products {
        for dataset in leads(product, "item").await {
            let item = get(dataset.as_str()).await;
            found.insert((item["collection"].as_str().unwrap().into(), item["id"].as_str().unwrap().into()));
            assert_eq!(leads(&dataset, "collection").await, std::slice::from_ref(product));
            assert_eq!(leads(&dataset, "root").await, std::slice::from_ref(&root));
        }
    }
    assert_eq!(found, held(&demo, "CMEMS"));

    let client = reqwest::Client::new();
    let first = client.get(root.clone()).send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = client.get(root.clone()).header("if-none-match", tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), again.text().await.unwrap().len()), (304, 0));
    assert_eq!(client.get(root.join("none.json").unwrap()).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn each_record_is_given_once_and_says_what_its_item_says() {
    let demo = Demo::start().await.unwrap();
    let base = url(&demo, "EMODnet");
    let listed = get(&format!("{base}/collections")).await;
    let catalogue = &listed["collections"][0];
    assert_eq!((&catalogue["id"], &catalogue["itemType"]), (&json!("emodnet"), &json!("record")));
    let items = format!("{base}/collections/emodnet/items");
    let (mut page, mut found) = (get(&format!("{items}?type=dataset&limit=200")).await, BTreeSet::new());
    loop {
        assert_eq!(page["numberMatched"], demo.items("EMODnet"));
        for record in page["features"].as_array().unwrap() {
            assert_eq!(record["properties"]["type"], "dataset");
            assert!(record["properties"]["title"].is_string() && record["geometry"]["coordinates"].is_array());
            let time = &record["time"];
            assert!(time["timestamp"].is_string() || time["interval"].as_array().unwrap().len() == 2, "{time}");
            assert!(record["links"].as_array().unwrap().iter().any(|link| link["protocol"] == "OGC:WCS"));
            assert!(found.insert(("emodnet".to_owned(), record["id"].as_str().unwrap().to_owned())));
        }
        let Some(link) = next(&page) else { break };
        page = get(link["href"].as_str().unwrap()).await;
    }
    assert_eq!(found, held(&demo, "EMODnet"));
    assert_eq!(get(&format!("{items}?type=service")).await["numberMatched"], 0);
    assert_eq!(get(&format!("{items}?limit=0")).await["code"], "InvalidParameterValue");
    let (_, id) = found.first().unwrap();
    assert_eq!(get(&format!("{items}/{id}")).await["id"], json!(id));
    assert!(demo.search_requests().iter().all(|(_, searches)| *searches == 0), "to read it is no search");
}
