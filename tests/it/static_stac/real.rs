//! The catalogue of Copernicus Marine, laid out as it is published; and what a catalogue ten times as large costs.

use std::path::Path;

use serde_json::{Value, json};

use super::{adapter, all, state};
use crate::binary::{File, Served};
use crate::real_data::{folder, lines};
use crate::support::files::{Files, Tree, sea, tree, write};
use crate::support::front::names;
use crate::support::oracle::Oracle;
use crate::support::{Front, ScriptedMember, federation_of, items};

fn values(path: &Path) -> Vec<Value> {
    lines(path).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_catalogue_of_copernicus_marine_is_crawled_searched_and_merged() {
    let Some(data) = folder("the catalogue of Copernicus Marine") else { return };
    let collections = values(&data.join("cmems/collections.ndjson.gz"));
    let own = values(&data.join("cmems/items.ndjson.gz"));
    let tree = tree(&collections, &own);
    let (documents, bytes) = (tree.len() as u64, tree.values().map(String::len).sum::<usize>() as u64);
    let files = Files::start(tree).await;
    let member = adapter(files.declared("CMEMS"));
    let first = state(&*member).await;
    assert_eq!((first.collections, first.items), (collections.len(), own.len()));
    assert_eq!(
        (first.read.documents, first.read.bytes, first.left_out.count, first.complete),
        (documents, bytes, 0, true)
    );
    let second = state(&*member).await;
    assert_eq!((second.read.documents, second.read.unchanged, second.read.bytes), (documents, documents, 0));
    drop(member);

    let others = items("c", 40);
    let other = ScriptedMember::new("B").items(others.clone()).start().await;
    let front = Front::of(federation_of([files.declared("CMEMS"), other.declared()])).await;
    let oracle = Oracle::of([("CMEMS", own.as_slice()), ("B", others.as_slice())]);
    for limit in [7, 100] {
        let pages = front.walk_get(&format!("/search?limit={limit}&sortby=datetime")).await;
        assert_eq!(names(&pages), oracle.oldest_first(), "at {limit}");
        assert_eq!(pages.last().unwrap().report()["complete"], true);
    }
    let late =
        |item: &Value| item["properties"]["end_datetime"].as_str().is_some_and(|end| end >= "2026-10-01T00:00:00Z");
    let wanted = oracle.only(|held| held.member == "CMEMS" && late(&held.item));
    assert!(!wanted.0.is_empty(), "forecasts end in the future");
    let pages = front.walk_get("/search?limit=1&datetime=2026-10-01T00:00:00Z/..").await;
    assert_eq!(names(&pages), wanted.newest_first());
    let listed = front.get("/collections?limit=1000").await;
    assert_eq!(listed.json()["collections"].as_array().unwrap().len(), collections.len());
}

#[tokio::test]
async fn documents_as_copernicus_marine_writes_them_are_crawled_along_their_own_links() {
    let Some(data) = folder("documents as Copernicus Marine writes them") else { return };
    let mut files = Tree::new();
    let mut children = Vec::new();
    for collection in values(&data.join("cmems/collections_mds.ndjson")) {
        let path = format!("{}/product.stac.json", collection["id"].as_str().unwrap());
        children.push(json!({"rel": "child", "href": path}));
        files.insert(path, collection.to_string());
    }
    for text in lines(&data.join("cmems/items_mds.ndjson")) {
        let item: Value = serde_json::from_str(&text).unwrap();
        let name = |key: &str| item[key].as_str().unwrap().to_owned();
        // as it is written: its numbers are the publisher's texts
        files.insert(format!("{}/{}/dataset.stac.json", name("collection"), name("id")), text);
    }
    let strange = "INSITU_GLO_WAV_DISCRETE_MY_013_045";
    let mut links = Vec::new();
    for n in ["007", "008", "009"] {
        let text = std::fs::read_to_string(data.join(format!("malformed/{n}-cmems-item.json"))).unwrap();
        links.push(json!({"rel": "item", "href": format!("{n}.json")}));
        files.insert(format!("{strange}/{n}.json"), text);
    }
    for n in ["006", "010"] {
        let path = data.join(format!("malformed/{n}-cmems-collection.json"));
        let mut collection: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        if collection["id"] == strange {
            collection["links"] = links.clone().into();
        }
        let path = format!("{}/product.stac.json", collection["id"].as_str().unwrap());
        children.push(json!({"rel": "child", "href": path}));
        files.insert(path, collection.to_string());
    }
    let catalog =
        json!({"type": "Catalog", "stac_version": "1.0.0", "id": "cmems", "description": "d", "links": children});
    files.insert("catalog.stac.json".to_owned(), catalog.to_string());
    let texts: Vec<String> = files.values().cloned().collect();
    let server = Files::start(files).await;
    let member = adapter(server.declared("CMEMS"));
    let found = state(&*member).await;
    assert_eq!((found.collections, found.items, found.complete), (4, 7, true), "{found:?}");
    let dead: Vec<&str> = found.left_out.list.iter().map(|(document, _)| document.as_str()).collect();
    assert!(
        dead.contains(&"GLOBAL_ANALYSISFORECAST_PHY_001_024/unavailable_dataset_202012/dataset.stac.json"),
        "{dead:?}"
    );
    assert_eq!(all(&*member).await.len(), 7);
    for id in ["cmems_mod_glo_phy-cur_anfc_0.083deg_P1D-m_202211", "cmems_mod_nws_bgc-chl_my_7km-3D_P1M-m_202012"] {
        let original = texts.iter().find(|text| text.contains(&format!("\"id\":\"{id}\""))).unwrap();
        let front = Front::of(federation_of([server.declared("CMEMS")])).await;
        let reply = front.get(&format!("/search?ids={id}")).await;
        let (was, is): (Value, Value) = (serde_json::from_str(original).unwrap(), reply.json()["features"][0].clone());
        assert_eq!((&was["geometry"], &was["bbox"]), (&is["geometry"], &is["bbox"]));
        for (name, value) in was["properties"].as_object().unwrap() {
            assert_eq!(*value, is["properties"][name], "{name}");
        }
    }
    let front = Front::of(federation_of([server.declared("CMEMS")])).await;
    for query in [
        "bbox=-180,-90,180,90",
        "bbox=0,40,1,41&limit=1",
        "datetime=2021-01-01T00:00:00Z/..&limit=1",
        "sortby=datetime&limit=1",
    ] {
        let pages = front.walk_get(&format!("/search?{query}")).await;
        assert!(!names(&pages).is_empty() && pages.last().unwrap().report()["complete"] == true, "{query}");
    }
    let listed = front.get("/collections").await;
    assert_eq!(listed.status, 200);
    let told = front.get("/federation/members/CMEMS").await;
    let quarantined = &told.json()["collections"]["quarantined"];
    assert!(
        listed.json()["collections"].as_array().unwrap().len() + quarantined.as_array().unwrap().len() == 4,
        "{quarantined}"
    );
}

/// Bytes that a process has in memory, and the most it had, as the system counts them.
#[cfg(target_os = "linux")]
fn resident(process: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let kib = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    (kib("VmRSS:"), kib("VmHWM:"))
}

/// Serves a folder, and gives what the process has in memory when it has read it.
#[cfg(target_os = "linux")]
async fn serving(folder: &Path, count: usize) -> (u64, u64) {
    let text = format!(
        "[federation]\nid = \"test\"\ntitle = \"Test\"\n[[member]]\nid = \"S\"\nkind = \"static-stac\"\nurl = \"{}\"\n",
        folder.join("catalog.stac.json").display()
    );
    let file = File::of(&text);
    let served = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..30 {
        // each waits for the first reading until its deadline
        let reply = client.get(format!("{}/search?limit=1", served.0.base)).send().await.unwrap();
        if reply.status() == 200 {
            let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
            assert_eq!(body["numberMatched"], count);
            return resident(served.0.process());
        }
    }
    panic!("the folder is not read");
}

/// A bound that `docs/members.md` states: the documents as they are published, and 3 KiB for each of them.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_ten_times_as_large_as_copernicus_marine_stays_within_its_bound() {
    const EACH: u64 = 3 << 10;
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (collections, own) = sea(1, 1);
    write(&tree(&collections, &own), small.path());
    let (collections, mut own) = sea(2_000, 3);
    for item in &mut own {
        // as much as a real dataset has to say of its variables and levels
        item["properties"]["cube:dimensions"] = (0..800).collect::<Vec<_>>().into();
    }
    let tree = tree(&collections, &own);
    let (documents, bytes) = (tree.len() as u64, tree.values().map(String::len).sum::<usize>() as u64);
    assert!(own.len() == 6_000 && bytes > 15_000_000, "{bytes} bytes");
    write(&tree, large.path());
    let (before, _) = serving(small.path(), 1).await;
    let (after, most) = serving(large.path(), own.len()).await;
    let bound = bytes + documents * EACH;
    assert!(
        after - before < bound,
        "{} KiB, {} for each of {documents} documents beside their own bytes",
        (after - before) >> 10,
        (after - before).saturating_sub(bytes) / documents
    );
    assert!(most - before < bound, "at most {} KiB while reading", (most - before) >> 10);
}
