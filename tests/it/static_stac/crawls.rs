//! How a catalogue is read: politely, within its bounds, and what becomes of what cannot be read.

use std::time::Duration;

use serde_json::json;
use stac_broker::federation::{Kind, Member as Declared};
use stac_broker::members::{Ask, Fault};

use super::{adapter, all, soon, state};
use crate::support::files::{Files, Trouble, sea, tree, write};
use crate::support::{Front, OutboundMonitor, declared, federation_of};

async fn served() -> Files {
    let (collections, items) = sea(4, 6);
    Files::start(tree(&collections, &items)).await
}

fn folder(id: &str, folder: &std::path::Path) -> Declared {
    let url = url::Url::parse("file:///catalog.stac.json").unwrap();
    Declared { kind: Kind::StaticStac, folder: Some(folder.to_owned()), ..declared(id, url) }
}

#[tokio::test]
async fn a_second_crawl_that_changes_nothing_transfers_nothing() {
    let files = served().await;
    let member = adapter(files.declared("S"));
    let first = state(&*member).await;
    assert_eq!((first.items, first.collections, first.read.documents), (24, 4, 29));
    let (asked, bytes) = files.taken();
    assert!(asked.iter().all(|(_, conditional)| !conditional) && asked.len() == 29 && bytes > 10_000);
    assert_eq!(first.read.bytes, bytes);

    let second = state(&*member).await;
    let (asked, bytes) = files.taken();
    assert!(asked.iter().all(|(_, conditional)| *conditional) && asked.len() == 29, "{asked:?}");
    assert_eq!((bytes, second.read.bytes, second.read.unchanged), (0, 0, 29));
    assert_eq!((second.items, second.collections, second.complete), (24, 4, true));

    files.change("SEA_002/cmems_p2_d3/dataset.stac.json", |item| item["properties"]["n"] = 77.into());
    let third = state(&*member).await;
    assert_eq!((third.read.documents, third.read.unchanged), (29, 28));
    let item = member.item("SEA_002", "cmems_p2_d3", soon()).await.unwrap().unwrap();
    assert!(std::str::from_utf8(&item.bytes).unwrap().contains("\"n\":77"));
}

#[tokio::test]
async fn a_folder_is_read_again_only_where_its_files_changed() {
    let place = tempfile::tempdir().unwrap();
    let (collections, items) = sea(4, 6);
    write(&tree(&collections, &items), place.path());
    let member = adapter(folder("S", place.path()));
    let first = state(&*member).await;
    assert_eq!((first.items, first.collections, first.complete), (24, 4, true), "{first:?}");
    let second = state(&*member).await;
    assert_eq!((second.read.bytes, second.read.unchanged), (0, 29));
    let path = place.path().join("SEA_002/cmems_p2_d3/dataset.stac.json");
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("\"n\":3", "\"n\":777")).unwrap();
    std::fs::remove_file(place.path().join("SEA_003/cmems_p3_d0/dataset.stac.json")).unwrap();
    let third = state(&*member).await;
    assert_eq!((third.items, third.read.unchanged, third.left_out.count), (23, 27, 1), "{third:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_is_not_left() {
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("inside");
    let (collections, items) = sea(1, 1);
    write(&tree(&collections, &items), &inside);
    std::fs::write(place.path().join("secret.json"), r#"{"type":"Catalog","id":"secret","links":[]}"#).unwrap();
    std::os::unix::fs::symlink(place.path().join("secret.json"), inside.join("link.json")).unwrap();
    let links = json!([
        {"rel": "child", "href": "link.json"}, {"rel": "child", "href": "../secret.json"}, {"rel": "child", "href": "..%2fsecret.json"},
        {"rel": "child", "href": "/etc/hosts"}, {"rel": "child", "href": "SEA_MULTIYEAR/product.stac.json"},
    ]);
    let catalog = json!({"type": "Catalog", "id": "c", "links": links});
    std::fs::write(inside.join("catalog.stac.json"), catalog.to_string()).unwrap();
    let state = state(&*adapter(folder("S", &inside))).await;
    assert_eq!((state.items, state.read.documents), (1, 5), "{state:?}");
    let told: Vec<String> = state.left_out.list.iter().map(|(what, why)| format!("{what}: {why}")).collect();
    for wanted in [
        "../secret.json: it leads outside the folder",
        "..%2fsecret.json: its address has a slash in disguise",
        "etc/hosts: a link leads to it, but no such file is in the folder",
    ] {
        assert!(told.iter().any(|line| line == wanted), "{wanted}: {told:?}");
    }
    assert!(told.iter().any(|line| line.starts_with("link.json: ") && line.contains("forbidden")), "{told:?}");
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_pauses_kept() {
    let files = served().await;
    let mut declared = files.declared("S");
    declared.crawl.requests_max = 3;
    files.trouble("SEA_002/product.stac.json", Trouble::Busy(503, "1", 1));
    files.trouble("SEA_003/cmems_p3_d1/dataset.stac.json", Trouble::Busy(429, "1", 1));
    let began = std::time::Instant::now();
    let state = state(&*adapter(declared)).await;
    assert_eq!((state.items, state.complete, state.left_out.count), (24, true, 0), "{state:?}");
    assert!(began.elapsed() >= Duration::from_secs(2), "two pauses of a second");
    assert!((2..=3).contains(&files.open_max()), "{} at once", files.open_max());
}

#[tokio::test]
async fn a_branch_that_cannot_be_read_stays_as_it_was() {
    let files = served().await;
    let member = adapter(files.declared("S"));
    state(&*member).await;
    files.trouble("SEA_002/product.stac.json", Trouble::Status(403));
    files.put("SEA_003/product.stac.json", "{ broken");
    files.put("SEA_003/cmems_p3_d2/dataset.stac.json", "[]");
    let later = state(&*member).await;
    assert_eq!((later.items, later.collections, later.read.kept, later.complete), (24, 4, 3, true), "{later:?}");
    assert!(later.left_out.list.iter().all(|(_, why)| why.ends_with("what was read of it before stays")));

    // what the server says is gone is gone, with what hangs from it
    files.well_again();
    files.remove("SEA_002/product.stac.json");
    let last = state(&*member).await;
    assert_eq!((last.items, last.collections, last.complete), (18, 3, true), "{last:?}");
}

#[tokio::test]
async fn a_branch_that_was_never_read_makes_answers_incomplete() {
    let files = served().await;
    files.trouble("SEA_002/product.stac.json", Trouble::Status(403));
    let front = Front::of(federation_of([files.declared("S")])).await;
    let reply = front.get("/search?limit=100").await;
    assert_eq!((reply.names().len(), reply.missing()), (18, vec!["S".to_owned()]), "{}", reply.text);
    assert_eq!(reply.report()["complete"], false);
    assert_eq!(reply.member("S")["feature"], "one document of its catalogue could not be read");
    let strict = front.get_with("/search", "prefer", "handling=strict").await;
    assert_eq!(strict.status, 503, "{}", strict.text);
    // What is missing is there when the catalogue is read again, and not before.
    let every = front.broker.snapshot().federation.members[0].crawl.every.as_secs();
    let wait: u64 = strict.header("retry-after").parse().unwrap();
    assert!(wait > every / 2 && wait <= every * 5 / 4, "{wait} s of {every} s");
    assert!(reply.member("S")["retry_after_s"].as_u64().unwrap().abs_diff(wait) < 60, "{}", reply.text);

    files.well_again();
    front.broker.snapshot().members.get("S").unwrap().renew(soon()).await.unwrap();
    let reply = front.get("/search?limit=100").await;
    assert_eq!((reply.names().len(), reply.missing().len()), (24, 0), "{}", reply.text);
}

#[tokio::test]
async fn faulty_items_and_dead_links_are_left_out_with_a_reason() {
    let files = served().await;
    files.put("SEA_002/cmems_p2_d1/dataset.stac.json", r#"{"type":"Feature","id":"x","geometry":{"type":"Point"}}"#);
    files.put("SEA_002/cmems_p2_d2/dataset.stac.json", r#"{"type":"Feature","properties":{"fill":NaN}}"#);
    files.remove("SEA_003/cmems_p3_d0/dataset.stac.json");
    files.remove("SEA_MULTIYEAR/product.stac.json");
    let state = state(&*adapter(files.declared("S"))).await;
    assert_eq!((state.items, state.collections, state.complete, state.left_out.count), (15, 3, true, 4), "{state:?}");
    let said = state.remarks().join("\n");
    for part in [
        "left out `SEA_002/cmems_p2_d1/dataset.stac.json`: geometry is neither null nor a GeoJSON geometry",
        "left out `SEA_002/cmems_p2_d2/dataset.stac.json`: not JSON",
        "left out `SEA_MULTIYEAR/product.stac.json`: a link leads to it, but it is not there",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_root_that_is_not_there_is_a_failure_and_never_an_empty_catalogue() {
    let files = served().await;
    for (trouble, fault) in [
        (Trouble::Status(404), Fault::BadResponse),
        (Trouble::Status(403), Fault::Forbidden),
        (Trouble::Moved("https://elsewhere.example/catalog.json".into()), Fault::BadResponse),
    ] {
        files.trouble("catalog.stac.json", trouble);
        let member = adapter(files.declared("S"));
        let failed = member.collections(soon()).await.unwrap_err();
        assert_eq!(failed.fault, fault, "{failed}");
        assert!(failed.detail.starts_with("the root document"), "{failed}");
        assert_eq!(member.search(&Ask::default(), soon()).await.unwrap_err().fault, fault);
        assert_eq!(member.health().last_failure, Some(fault));
    }
    files.well_again();
    for (text, why) in
        [("{", "not JSON"), ("{\"type\":\"Feature\",\"id\":\"a\",\"geometry\":null}", "an Item"), ("[]", "begins")]
    {
        files.put("catalog.stac.json", text);
        let failed = adapter(files.declared("S")).collections(soon()).await.unwrap_err();
        assert!(failed.detail.contains(why), "{failed}");
    }
}

#[tokio::test]
async fn a_crawl_that_fails_keeps_the_snapshot_and_says_its_age() {
    let files = served().await;
    let front = Front::of(federation_of([files.declared("S")])).await;
    files.trouble("catalog.stac.json", Trouble::Status(404));
    let member = front.broker.snapshot().members.get("S").unwrap().clone();
    assert_eq!(member.renew(soon()).await.unwrap_err().fault, Fault::BadResponse);
    let state = member.harvest().unwrap();
    assert_eq!((state.items, state.failure, state.complete), (24, Some(Fault::BadResponse), true));
    assert!(state.remarks()[0].starts_with("the last harvest failed; the snapshot is "), "{:?}", state.remarks());
    assert_eq!(all(&*member).await.len(), 24);
    let told = front.get("/federation/members/S").await;
    let told = told.json();
    assert_eq!(
        (&told["kind"], &told["status"], &told["harvest"]["failure"]),
        (&json!("static-stac"), &json!("offline"), &json!("bad-response"))
    );
    assert!(told["harvest"]["age_s"].is_i64() && told["harvest"]["read_at"].is_string(), "{told}");
}

#[tokio::test]
async fn circles_spellings_and_ways_out_are_not_followed() {
    let monitor = OutboundMonitor::start().await;
    let files = served().await;
    files.change("SEA_002/product.stac.json", |collection| {
        let links = collection["links"].as_array_mut().unwrap();
        for href in [
            "../catalog.stac.json",
            "./cmems_p2_d1/../cmems_p2_d1/dataset.stac.json",
            "%63mems_p2_d2//dataset.stac.json#here",
            "../../secret.json",
            &format!("{}/catalog.json", monitor.base),
            "file:///etc/passwd",
            "deeper/product.stac.json",
        ] {
            links.push(json!({"rel": "child", "href": href}));
        }
    });
    let same = serde_json::to_string(&{
        let mut same = crate::support::collection("again");
        same["links"] = json!([{"rel": "child", "href": "again/product.stac.json"}]);
        same
    })
    .unwrap();
    // a folder that contains itself, as a link of the file system makes it
    files.put("SEA_002/deeper/product.stac.json", &same);
    files.put("SEA_002/deeper/again/product.stac.json", &same);
    let state = state(&*adapter(files.declared("S"))).await;
    assert_eq!((state.items, state.collections, state.read.documents, state.complete), (24, 5, 31, true), "{state:?}");
    let said = state.remarks().join("\n");
    for part in [
        "`catalog.stac.json`: it was read; a link that leads back to it from below was passed over",
        "`../../secret.json`: it leads outside the catalogue's own address",
        "`file:///etc/passwd`: it leads outside",
        "again/product.stac.json`: it is the same document as one above it",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (asked, _) = files.taken();
    assert_eq!(asked.len(), 31, "each document was asked for once");
    monitor.assert_untouched();
}

#[tokio::test]
async fn every_bound_stops_the_crawl_and_says_so() {
    type Change = fn(&mut Declared);
    let files = served().await;
    let cases: [(Change, &str, u64); 4] = [
        (|member| member.crawl.documents_max = 10, "more than 10 documents (`documents_max`)", 10),
        (|member| member.crawl.depth_max = 1, "more than 1 levels deep (`depth_max`)", 1),
        (|member| member.crawl.document_bytes_max = 480, "more than 480 bytes (`document_bytes_max`)", 29),
        (|member| member.crawl.time = Duration::ZERO, "takes longer than 0 s (`time_s`)", 0),
    ];
    for (change, why, documents) in cases {
        let mut declared = files.declared("S");
        change(&mut declared);
        let member = adapter(declared);
        if documents == 0 {
            let failed = member.renew(soon()).await.unwrap_err();
            assert!(failed.detail.contains(why), "{failed}");
            continue;
        }
        let state = state(&*member).await;
        assert!(state.incomplete.as_ref().is_some_and(|text| text.contains(why)), "{why}: {state:?}");
        assert!(state.read.documents <= documents, "{why}: {state:?}");
        let page = member.search(&Ask { limit: 5, ..Ask::default() }, soon()).await.unwrap();
        assert!(page.partial.is_some_and(|text| text.contains(why)), "{why}");
    }
    let mut declared = files.declared("S");
    (declared.crawl.bytes_max, declared.crawl.requests_max) = (4_000, 1);
    let state = state(&*adapter(declared)).await;
    assert!(state.incomplete.is_some_and(|text| text.contains("(`bytes_max`)")));
    assert!(state.read.bytes < 6_000, "{:?}", state.read);
}

#[tokio::test]
async fn a_server_that_is_gone_is_not_asked_for_every_document() {
    let (collections, items) = sea(1, 200);
    let files = Files::start(tree(&collections, &items)).await;
    let member = adapter(files.declared("S"));
    state(&*member).await;
    files.taken();
    for d in 0..200 {
        files.trouble(&format!("SEA_MULTIYEAR/cmems_p0_d{d}/dataset.stac.json"), Trouble::Status(403));
    }
    let state = state(&*member).await;
    assert_eq!((state.items, state.read.kept, state.complete), (200, 200, true));
    assert!(files.taken().0.len() < 40, "twenty failures in a row are enough");
}

#[tokio::test]
async fn without_validators_everything_comes_again() {
    let files = served().await;
    files.without_validators();
    let member = adapter(files.declared("S"));
    state(&*member).await;
    let again = state(&*member).await;
    assert_eq!((again.items, again.read.unchanged), (24, 0));
}

#[tokio::test]
async fn a_redirect_inside_the_catalogue_is_where_relative_links_start() {
    let files = served().await;
    files.trouble("SEA_002/product.stac.json", Trouble::Moved("/cat/moved/here/product.stac.json".into()));
    files.put("moved/here/product.stac.json", &{
        let mut moved = crate::support::collection("SEA_002");
        moved["links"] = json!([{"rel": "item", "href": "../there.json"}]);
        moved.to_string()
    });
    files.put("moved/there.json", &crate::support::item("SEA_002", "there", "2020-01-01T00:00:00Z").to_string());
    let member = adapter(files.declared("S"));
    let first = state(&*member).await;
    assert_eq!((first.items, first.collections, first.complete), (19, 4, true), "{first:?}");
    assert!(member.item("SEA_002", "there", soon()).await.unwrap().is_some());
    assert_eq!(state(&*member).await.items, 19);
}

#[tokio::test]
async fn items_below_a_bare_catalog_have_a_collection_to_go_to() {
    let item = |id: &str| crate::support::item("north", id, "2025-01-01T00:00:00Z").to_string();
    let tree = [
        ("catalog.stac.json", json!({"type": "Catalog", "stac_version": "1.0.0", "id": "root", "description": "All",
            "links": [{"rel": "child", "href": "north/catalog.stac.json"}]}).to_string()),
        ("north/catalog.stac.json", json!({"type": "Catalog", "stac_version": "1.0.0", "id": "north", "title": "North",
            "description": "Items of the north", "links": [{"rel": "item", "href": "a.json"}, {"rel": "item", "href": "b.json"}]}).to_string()),
        ("north/a.json", item("a")),
        ("north/b.json", item("b")),
    ];
    let files = Files::start(tree.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()).await;
    let front = Front::of(federation_of([files.declared("S")])).await;
    let page = front.get("/search?collections=S%7Cnorth").await;
    assert_eq!(page.names(), ["S|north a", "S|north b"], "{}", page.text);
    let links = page.json()["features"][0]["links"].as_array().unwrap().clone();
    let leads = links.iter().find(|link| link["rel"] == "collection").unwrap()["href"].as_str().unwrap().to_owned();
    let collection = front.get(&leads).await;
    assert_eq!(collection.status, 200, "{}", collection.text);
    let collection = collection.json();
    assert_eq!((&collection["id"], &collection["title"]), (&json!("S|north"), &json!("North")));
    assert_eq!(collection["extent"]["spatial"]["bbox"], json!([[10.5, 54.25, 10.5, 54.25]]));
    let canonical = collection["links"].as_array().unwrap().iter().find(|link| link["rel"] == "canonical").unwrap();
    assert_eq!(canonical["href"], files.base.join("north/catalog.stac.json").unwrap().as_str());
    assert_eq!(front.get("/collections/S%7Cnorth/items").await.names().len(), 2);
    // a second crawl that changes nothing gives the same
    front.broker.snapshot().members.get("S").unwrap().renew(soon()).await.unwrap();
    front.broker.refresh_now().await;
    assert_eq!(front.get(&leads).await.status, 200);
}
