//! The contract of a member kind, for catalogues of files: what `contract.rs` asks of every kind, as far as there are requests.

use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Auth, Interval, Secret};
use stac_broker::members::{Ask, Fault};
use tokio::time::Instant;

use super::{adapter, soon};
use crate::contract::{ask, ids, walk};
use crate::support::files::{Files, Tree, Trouble, tree};
use crate::support::{OutboundMonitor, collection, items};

fn of(collections: &[&str], items: &[Value]) -> Tree {
    let collections: Vec<Value> = collections.iter().map(|id| collection(id)).collect();
    tree(&collections, items)
}

#[tokio::test]
async fn it_is_walked_to_the_end_at_any_page_size() {
    let files = Files::start(of(&["c"], &items("c", 60))).await;
    let member = adapter(files.declared("S"));
    for limit in [1, 7, 100] {
        let pages = walk(&*member, ask(limit), 200).await.unwrap();
        let got: Vec<String> = pages.iter().flat_map(ids).collect();
        let wanted: Vec<String> = (0..60).rev().map(|n| format!("c-{n:04}")).collect();
        assert_eq!(got, wanted, "at {limit}");
        assert!(pages.iter().all(|page| page.matched.is_some_and(|matched| matched.count == 60 && matched.exact)));
        assert!(pages.iter().all(|page| page.next.as_ref().is_none_or(|token| token.0.len() < 2048)));
    }
}

#[tokio::test]
async fn conditions_reach_it() {
    let mut all = items("c", 10);
    all.extend(items("d", 10));
    let files = Files::start(of(&["c", "d"], &all)).await;
    let member = adapter(files.declared("S"));
    let search = |ask: Ask| {
        let member = member.clone();
        async move { ids(&member.search(&Ask { limit: 100, ..ask }, soon()).await.unwrap()).len() }
    };
    assert_eq!(search(Ask { collections: Some(vec!["d".to_owned()]), ..Ask::default() }).await, 10);
    let two = vec!["c-0001".to_owned(), "d-0002".to_owned()];
    assert_eq!(search(Ask { ids: Some(two.clone()), ..Ask::default() }).await, 2);
    assert_eq!(search(Ask { ids: Some(two), collections: Some(vec!["c".to_owned()]), ..Ask::default() }).await, 1);
    let until = Interval { start: None, end: "2025-01-01T00:04:00Z".parse().ok() };
    assert_eq!(search(Ask { datetime: Some(until), ..Ask::default() }).await, 10);
}

#[tokio::test]
async fn one_item_is_found_or_said_to_be_absent_whatever_its_id() {
    let mut odd = items("urn:c|x/y", 1);
    odd[0]["id"] = "a b/c?d#é".into();
    let catalog = json!({"type": "Catalog", "id": "r", "links": [{"rel": "item", "href": "odd%20name.json"}]});
    let files = [("catalog.stac.json", catalog.to_string()), ("odd name.json", odd[0].to_string())];
    let files = Files::start(files.map(|(path, text)| (path.to_owned(), text)).into()).await;
    let member = adapter(files.declared("S"));
    let item = member.item("urn:c|x/y", "a b/c?d#é", soon()).await.unwrap().unwrap();
    assert_eq!(&*item.collection, "urn:c|x/y");
    assert!(member.item("urn:c|x/y", "other", soon()).await.unwrap().is_none());
    assert!(!member.collections(soon()).await.unwrap().complete, "the Collection of an Item is not listed");
}

#[tokio::test]
async fn a_catalogue_inside_another_is_read_and_items_of_a_catalog_are_found_under_its_id() {
    let mut tree = of(&["c"], &items("c", 3));
    let catalog = json!({"type": "Catalog", "id": "inner", "links": [
        {"rel": "child", "href": "../deep/catalog.json"}, {"rel": "item", "href": "loose.json"}]});
    tree.insert("inner/catalog.json".into(), catalog.to_string());
    let mut loose = items("x", 1)[0].clone();
    loose.as_object_mut().unwrap().remove("collection");
    tree.insert("inner/loose.json".into(), loose.to_string());
    let mut deep = collection("deep");
    deep["links"] = json!([{"rel": "item", "href": "item.json"}]);
    tree.insert("deep/catalog.json".into(), deep.to_string());
    tree.insert("deep/item.json".into(), items("deep", 1)[0].to_string());
    let files = Files::start(tree).await;
    files.change("catalog.stac.json", |root| {
        root["links"].as_array_mut().unwrap().push(json!({"rel": "child", "href": "./inner/catalog.json"}));
    });
    let member = adapter(files.declared("S"));
    let listed = member.collections(soon()).await.unwrap().collections;
    assert_eq!(listed.len(), 3, "the Catalog that holds an Item is one of them");
    assert!(member.item("deep", "deep-0000", soon()).await.unwrap().is_some());
    assert!(member.item("inner", "x-0000", soon()).await.unwrap().is_some());
}

#[tokio::test]
async fn every_way_to_fail_has_its_category() {
    let monitor = OutboundMonitor::start().await;
    let files = Files::start(of(&["c"], &items("c", 3))).await;
    for (trouble, fault) in [
        (Trouble::Status(401), Fault::Unauthorized),
        (Trouble::Status(403), Fault::Forbidden),
        (Trouble::Status(400), Fault::BadResponse),
        (Trouble::Moved(monitor.base.clone()), Fault::BadResponse),
    ] {
        files.trouble("catalog.stac.json", trouble);
        assert_eq!(adapter(files.declared("S")).collections(soon()).await.unwrap_err().fault, fault);
    }
    files.trouble("catalog.stac.json", Trouble::Silent);
    let member = adapter(files.declared("S"));
    let late = Instant::now() + Duration::from_millis(200);
    assert_eq!(member.search(&ask(5), late).await.unwrap_err().fault, Fault::Timeout);
    monitor.assert_untouched();
}

#[tokio::test]
async fn private_addresses_are_refused_unless_internal() {
    let files = Files::start(of(&["c"], &items("c", 3))).await;
    let mut declared = files.declared("S");
    declared.internal = false;
    let late = Instant::now() + Duration::from_secs(8);
    assert!(adapter(declared).collections(late).await.is_err());
    assert_eq!(files.taken().0.len(), 0, "nothing was sent");
}

#[tokio::test]
async fn credentials_go_to_the_catalogue_and_nowhere_else() {
    let monitor = OutboundMonitor::start().await;
    let files = Files::start(of(&["c"], &items("c", 3))).await;
    files.change("c/product.stac.json", |product| {
        product["links"]
            .as_array_mut()
            .unwrap()
            .push(json!({"rel": "item", "href": format!("{}/x.json", monitor.base)}));
    });
    files.trouble("c/c-0001/dataset.stac.json", Trouble::Moved(format!("{}/y.json", monitor.base)));
    let mut declared = files.declared("S");
    declared.auth = Auth::Bearer { token: Secret::new("canary".to_owned()) };
    let member = adapter(declared);
    member.renew(soon()).await.unwrap();
    let state = member.harvest().unwrap();
    assert_eq!((state.items, state.complete), (2, false));
    assert!(!format!("{state:?}").contains("canary"));
    let seen = files.credentials();
    assert!(seen.len() == 5 && seen.iter().all(|one| one.as_deref() == Some("Bearer canary")), "{seen:?}");
    monitor.assert_untouched();
}
