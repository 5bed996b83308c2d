//! What a catalogue of files answers: the same as any member that can do everything.

use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Kind, Member as Declared, Support};

use super::{adapter, soon};
use crate::support::files::{Files, sea, tree, write};
use crate::support::front::names;
use crate::support::oracle::{Held, Oracle};
use crate::support::store::instant;
use crate::support::{Front, ScriptedMember, declared, federation_of, items};

fn number(item: &Value, place: usize) -> f64 {
    item["bbox"][place].as_f64().unwrap()
}

fn meets(item: &Value, [west, south, east, north]: [f64; 4]) -> bool {
    number(item, 0) <= east && number(item, 2) >= west && number(item, 1) <= north && number(item, 3) >= south
}

fn property<'a>(held: &'a Held, name: &str) -> &'a Value {
    &held.item["properties"][name]
}

/// Whether an Item lies in an interval, in milliseconds.
fn lasts_into(held: &Held, from: &str, to: &str) -> bool {
    let milli = |text: &str| instant(text).unwrap() / 1000;
    let end = property(held, "end_datetime").as_str().map_or(held.at(), milli);
    held.at() <= milli(to) && end >= milli(from)
}

/// Walks a search at several limits, and compares it with what it has to give, its count included.
async fn check(front: &Front, query: &str, wanted: &[String]) {
    check_walks(front, query, wanted).await;
    let page = front.get(&format!("/search?limit=1&{query}")).await;
    assert_eq!(page.json()["numberMatched"], wanted.len(), "{query}: {}", page.report());
}

async fn check_walks(front: &Front, query: &str, wanted: &[String]) {
    for limit in [1, 7, 100] {
        let pages = front.walk_get(&format!("/search?limit={limit}&{query}")).await;
        assert_eq!(names(&pages), wanted, "{query} at {limit}");
        let last = pages.last().unwrap();
        assert_eq!(last.report()["complete"], true, "{query}: {}", last.text);
    }
}

async fn check_everything(front: &Front, oracle: &Oracle) {
    let all = front.walk_get("/search?limit=40").await;
    assert_eq!(names(&all), oracle.newest_first());
    check(front, "sortby=datetime&collections=S|SEA_003,S|sea_multiyear", &{
        let wanted = oracle.only(|held| ["S|SEA_003", "S|sea_multiyear"].contains(&&*held.collection()));
        wanted.oldest_first()
    })
    .await;
    let by_id = oracle.only(|held| held.collection() == "S|SEA_004");
    check(front, "sortby=-id&collections=S|SEA_004", &by_id.sorted(|a, b| b.id().cmp(a.id()))).await;
    let ids = oracle.only(|held| ["cmems_p2_d3", "cmems_p0_d1"].contains(&held.id()));
    check(front, "ids=cmems_p2_d3,nothing,cmems_p0_d1", &ids.newest_first()).await;
    let bbox = [-100.0, -20.0, -20.0, 30.0];
    let inside = oracle.only(|held| meets(&held.item, bbox));
    assert!(inside.0.len() > 3);
    check(front, "bbox=-100,-20,-20,30", &inside.newest_first()).await;
    let over = oracle.only(|held| {
        meets(&held.item, [170.0, -90.0, 180.0, 90.0]) || meets(&held.item, [-180.0, -90.0, -150.0, 90.0])
    });
    check(front, "bbox=170,-90,-150,90", &over.newest_first()).await;
    let late = oracle.only(|held| lasts_into(held, "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"));
    assert!(!late.0.is_empty(), "forecasts end in the future");
    check(front, "datetime=2030-01-01T00:00:00Z/2031-01-01T00:00:00Z", &late.newest_first()).await;
    let filter =
        |held: &Held| property(held, "processing:level") == "Level 3" || property(held, "n").as_u64() > Some(8);
    check(front, "filter=%22processing:level%22='Level%203'%20OR%20n>8", &oracle.only(filter).newest_first()).await;
    let text = "filter=title%20LIKE%20'%25of%20product%202'%20AND%20NOT%20n%20IN%20(1,2)%20AND%20S_INTERSECTS(geometry,BBOX(-180,-40,0,40))";
    let wanted = oracle.only(|held| {
        property(held, "title").as_str().is_some_and(|title| title.ends_with("of product 2"))
            && ![1, 2].contains(&property(held, "n").as_u64().unwrap())
            && meets(&held.item, [-180.0, -40.0, 0.0, 40.0])
    });
    check(front, text, &wanted.newest_first()).await;
    let triangle = json!({"type": "Polygon", "coordinates": [[[-180, -60], [-100, -60], [-180, 20], [-180, -60]]]});
    let pages = front.walk_post(&json!({"limit": 7, "intersects": triangle})).await;
    // left of the line from the one corner to the other
    let wanted = oracle.only(|held| {
        meets(&held.item, [-180.0, -60.0, -100.0, 20.0])
            && number(&held.item, 0).max(-180.0) + 180.0 + number(&held.item, 1).max(-60.0) + 60.0 <= 80.0
    });
    assert_eq!(names(&pages), wanted.newest_first());
}

#[tokio::test]
async fn a_catalogue_on_a_server_is_searched_with_every_condition() {
    let (collections, items) = sea(6, 11);
    let files = Files::start(tree(&collections, &items)).await;
    let front = Front::of(federation_of([files.declared("S")])).await;
    check_everything(&front, &Oracle::of([("S", items.as_slice())])).await;
    let explained = front.get("/search/explain?filter=n%3D3&bbox=1,1,2,2&ids=a&datetime=2020-01-01T00:00:00Z").await;
    assert_eq!(explained.status, 200);
}

#[tokio::test]
async fn a_catalogue_in_a_folder_is_searched_with_every_condition() {
    let place = tempfile::tempdir().unwrap();
    let (collections, items) = sea(6, 11);
    write(&tree(&collections, &items), place.path());
    let text = r#"
        [federation]
        id = "t"
        [[member]]
        id = "S"
        kind = "static-stac"
        url = "catalog.stac.json"
    "#;
    let loaded =
        stac_broker::federation::load_text("t.toml", text, place.path()).map_err(|wrong| wrong.to_text()).unwrap();
    let front = Front::of(loaded.federation).await;
    check_everything(&front, &Oracle::of([("S", items.as_slice())])).await;
    let item = front.get("/collections/S%7CSEA_002/items/cmems_p2_d1").await;
    assert_eq!(item.json()["assets"]["native"]["href"], "file:///SEA_002/cmems_p2_d1/data.nc");
    let machine = place.path().to_str().unwrap();
    for path in ["/federation/members", "/collections", "/search?limit=100", "/"] {
        assert!(!front.get(path).await.text.contains(machine), "{path} shows where the folder lies");
    }
}

#[tokio::test]
async fn it_is_merged_with_others_in_one_order() {
    let (collections, own) = sea(5, 9);
    let files = Files::start(tree(&collections, &own)).await;
    let others = items("c", 60);
    let other = ScriptedMember::new("B").items(others.clone()).page_cap(9).start().await;
    let unsorted = items("d", 20);
    let front = Front::of(federation_of([files.declared("S"), other.declared()])).await;
    let oracle = Oracle::of([("S", own.as_slice()), ("B", others.as_slice())]);
    check_walks(&front, "sortby=-datetime", &oracle.newest_first()).await;
    check_walks(&front, "sortby=datetime", &oracle.oldest_first()).await;

    let plain = ScriptedMember::new("C").items(unsorted.clone()).no_sort().start().await;
    let front = Front::of(federation_of([files.declared("S"), plain.declared()])).await;
    let oracle = Oracle::of([("S", own.as_slice()), ("C", unsorted.as_slice())]);
    for limit in [1, 7, 100] {
        let mut got = names(&front.walk_get(&format!("/search?limit={limit}")).await);
        got.sort_unstable();
        assert_eq!(got, oracle.names(), "taken in turns at {limit}");
    }
}

#[tokio::test]
async fn clients_see_where_a_document_stands_at_the_catalogue() {
    let (collections, items) = sea(3, 4);
    let files = Files::start(tree(&collections, &items)).await;
    let front = Front::of(federation_of([files.declared("S")])).await;
    let link = |body: &Value, rel: &str| {
        body["links"].as_array().unwrap().iter().find(|link| link["rel"] == rel).map(|link| link["href"].clone())
    };
    let at = |path: &str| Some(Value::from(files.base.join(path).unwrap().as_str()));
    let item = front.get("/collections/S%7CSEA_002/items/cmems_p2_d1").await;
    assert_eq!(link(item.json(), "canonical"), at("SEA_002/cmems_p2_d1/dataset.stac.json"));
    assert_eq!(item.json()["assets"]["native"]["href"], at("SEA_002/cmems_p2_d1/data.nc").unwrap());
    assert_eq!(item.json()["assets"]["far"]["href"], "https://data.example/2/1.zarr");
    assert_eq!(item.json()["collection"], "S|SEA_002", "though the document names none");
    assert_eq!(item.json()["properties"]["datetime"], Value::Null);
    let collection = front.get("/collections/S%7CSEA_002").await;
    assert_eq!(link(collection.json(), "canonical"), at("SEA_002/product.stac.json"));
    assert!(link(collection.json(), "child").is_none() && link(collection.json(), "item").is_none());
    let both = front.get("/collections").await;
    let listed: Vec<_> = both.json()["collections"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(listed, ["S|SEA_002", "S|SEA_MULTIYEAR", "S|sea_multiyear"], "ids that differ in case are two");
    let named = front.get("/collections/S%7CSEA_002/queryables").await;
    assert_eq!(named.json()["properties"]["n"], json!({"type": "number"}), "{}", named.text);
    assert_eq!(front.get("/collections/S%7CSEA_002/items/none").await.status, 404);

    let mut declared = files.declared("S");
    declared.aliases = vec!["https://stac.example/public".parse().unwrap()];
    files.change("SEA_002/cmems_p2_d1/dataset.stac.json", |item| {
        item["links"] =
            json!([{"rel": "self", "href": "https://stac.example/public/SEA_002/cmems_p2_d1/dataset.stac.json"}]);
    });
    let front = Front::of(federation_of([declared])).await;
    let item = front.get("/collections/S%7CSEA_002/items/cmems_p2_d1").await;
    assert_eq!(item.json()["assets"]["native"]["href"], "https://stac.example/public/SEA_002/cmems_p2_d1/data.nc");
}

#[tokio::test]
async fn pages_go_on_over_a_new_snapshot() {
    let (collections, items) = sea(3, 8);
    let files = Files::start(tree(&collections, &items)).await;
    let front = Front::of(federation_of([files.declared("S")])).await;
    let wanted = Oracle::of([("S", items.as_slice())]).sorted(|a, b| a.id().cmp(b.id()));
    let first = front.get("/search?limit=6&sortby=id").await;
    let mut got = first.names();
    // the last Item given goes, and one comes that lies behind: the next page begins where it would have
    let (gone, place) = (wanted[5].clone(), wanted[5].split(' ').nth(1).unwrap().to_owned());
    assert_eq!(got.last(), Some(&gone));
    let collection = gone.split([' ', '|']).nth(1).unwrap();
    files.remove(&format!("{collection}/{place}/dataset.stac.json"));
    files.put("SEA_002/new.json", &crate::support::item("SEA_002", "cmems_p9", "2020-01-01T00:00:00Z").to_string());
    files.change("SEA_002/product.stac.json", |product| {
        product["links"].as_array_mut().unwrap().push(json!({"rel": "item", "href": "new.json"}));
    });
    front.broker.snapshot().members.get("S").unwrap().renew(soon()).await.unwrap();
    let rest = front.follow(&first.next().unwrap()).await;
    got.extend(names(&front.pages(rest).await));
    let mut expected = wanted;
    expected.push("S|SEA_002 cmems_p9".to_owned());
    assert_eq!(got, expected);
}

#[tokio::test]
async fn everything_is_exact_and_known_without_asking() {
    let member = adapter(Declared {
        kind: Kind::StaticStac,
        ..declared("S", "http://127.0.0.1:9/catalog.json".parse().unwrap())
    });
    let can = member.capabilities();
    let all = [can.datetime, can.bbox, can.intersects, can.ids, can.collections, can.sort, can.filter];
    assert!(all.iter().all(|support| *support == Support::Exact) && can.discovered && can.counts_exact);
    assert!(can.string_order_bytes && can.evaluated_here);
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    let failed = member.collections(until).await.unwrap_err();
    assert!(failed.detail.starts_with("the root document cannot be read"), "{failed}");
}
