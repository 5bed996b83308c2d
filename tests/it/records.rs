//! Members of the kind `ogc-records`: read whole through their pages, listed as Collections or searched as Items.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Kind, Records};
use stac_broker::members::{Ask, Failure, Fault, Listing, Member, Registry};
use tokio::time::Instant;

use crate::support::catalogue::{Catalogue, Habits, record, records_of};
use crate::support::{Front, OutboundMonitor, ScriptedMember, federation_of, item};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn as_items() -> Records {
    Records::Items { collection: "records".to_owned() }
}

fn adapter(catalogue: &Catalogue, records: Records) -> Arc<dyn Member> {
    let federation = federation_of([catalogue.declared("EMODNET", records)]);
    Registry::new(&federation).iter().next().unwrap().clone()
}

async fn listed(kind: Kind, habits: Habits) -> (Catalogue, Result<Listing, Failure>, Arc<dyn Member>) {
    let catalogue = Catalogue::start(kind, habits).await;
    let member = adapter(&catalogue, Records::Collections);
    let listing = member.collections(soon()).await;
    (catalogue, listing, member)
}

fn ids(listing: &Listing) -> Vec<String> {
    let id = |bytes: &bytes::Bytes| serde_json::from_slice::<Value>(bytes).unwrap()["id"].as_str().unwrap().to_owned();
    listing.collections.iter().map(id).collect()
}

const KINDS: [Kind; 2] = [Kind::OgcRecords, Kind::Csw];

#[tokio::test]
async fn every_page_is_read_and_every_record_is_a_collection() {
    for kind in KINDS {
        for (count, cap) in [(0, None), (1, None), (99, None), (100, None), (101, None), (250, None), (45, Some(7))] {
            let habits = Habits { records: records_of(count), page_cap: cap, ..Habits::default() };
            let (catalogue, listing, _) = listed(kind, habits).await;
            let listing = listing.unwrap();
            let wanted: Vec<String> = (0..count).map(|n| format!("r-{n:04}")).collect();
            assert_eq!((ids(&listing), listing.complete), (wanted, true), "{kind:?} {count} by {cap:?}");
            let pages = catalogue.asked().iter().filter(|(uri, _)| uri.contains('?')).count();
            assert_eq!(pages, count.div_ceil(cap.unwrap_or(100)).max(1), "{kind:?} {count} by {cap:?}");
        }
    }
}

#[tokio::test]
async fn next_links_at_other_hosts_are_asked_at_the_configured_one() {
    let monitor = OutboundMonitor::start().await;
    let habits = Habits { records: records_of(250), links_at: Some(monitor.base.clone()), ..Habits::default() };
    let (_catalogue, listing, _) = listed(Kind::OgcRecords, habits).await;
    assert_eq!(listing.unwrap().collections.len(), 250);
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_page_that_leads_back_ends_the_walk_and_is_told() {
    // a CSW that names a next record which is not larger is at its end; that records are missing is seen by their number
    for (kind, told) in [(Kind::OgcRecords, "leads back"), (Kind::Csw, "200 of 350 records came")] {
        let habits = Habits { records: records_of(350), loops_at: Some(1), ..Habits::default() };
        let (catalogue, listing, member) = listed(kind, habits).await;
        let listing = listing.unwrap();
        assert_eq!((listing.collections.len(), listing.complete), (200, false), "{kind:?}");
        let harvest = member.harvest().unwrap();
        assert!(harvest.incomplete.as_ref().is_some_and(|why| why.contains(told)), "{kind:?} {harvest:?}");
        assert!(catalogue.asked().len() <= 4, "{kind:?}");
    }
}

#[tokio::test]
async fn a_catalogue_that_says_less_than_it_has_is_incomplete() {
    let habits = Habits { records: records_of(250), no_next: true, ..Habits::default() };
    let (_catalogue, listing, member) = listed(Kind::OgcRecords, habits.clone()).await;
    assert_eq!((listing.as_ref().unwrap().collections.len(), listing.unwrap().complete), (100, false));
    assert_eq!(member.harvest().unwrap().incomplete.as_deref(), Some("100 of 250 records came"));
    // a CSW may leave `nextRecord` out: then it goes on behind what it gave
    let (_catalogue, listing, _) = listed(Kind::Csw, habits).await;
    assert_eq!((listing.as_ref().unwrap().collections.len(), listing.unwrap().complete), (250, true));
}

#[tokio::test]
async fn a_page_that_fails_costs_what_is_behind_it() {
    for kind in KINDS {
        let habits = Habits { records: records_of(250), fails_from: Some((1, 404)), ..Habits::default() };
        let (_catalogue, listing, member) = listed(kind, habits).await;
        assert_eq!(listing.unwrap().collections.len(), 100);
        let why = member.harvest().unwrap().incomplete.unwrap();
        assert_eq!(why, "page 2 could not be read (BadResponse, status 404)");
        let habits = Habits { fails_from: Some((0, 404)), ..Habits::default() };
        let (_catalogue, listing, _) = listed(kind, habits).await;
        let failed = listing.unwrap_err();
        assert_eq!((failed.fault, failed.status), (Fault::BadResponse, Some(404)), "no list is not an empty list");
    }
}

#[tokio::test]
async fn a_page_over_the_bound_is_asked_for_in_smaller_parts() {
    let habits = Habits { records: records_of(60), huge_above: Some(30), ..Habits::default() };
    for kind in KINDS {
        let (catalogue, listing, _) = listed(kind, habits.clone()).await;
        let listing = listing.unwrap();
        assert_eq!((listing.collections.len(), listing.complete), (60, true), "{kind:?}");
        let sizes: Vec<bool> =
            catalogue.asked().iter().map(|(uri, _)| uri.contains("=25&") || uri.ends_with("=25")).collect();
        assert_eq!(sizes.iter().filter(|small| **small).count(), 3, "{kind:?} {sizes:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_with_words() {
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><a>&b;</a>";
    for (kind, body, word) in [
        (Kind::Csw, bomb.to_owned(), "document type declaration"),
        (Kind::Csw, "<html><body>".to_owned(), "`html`"),
        (Kind::Csw, "{}".to_owned(), "not XML"),
        (Kind::Csw, "<a>".repeat(100_000), "`a`"),
        (Kind::Csw, format!("<a k=\"{}\"/>", "x".repeat(1 << 20)), "an attribute of more than"),
        (Kind::Csw, "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>".to_owned(), "`UTF-16`"),
        (Kind::OgcRecords, "<html/>".to_owned(), "not a JSON object"),
    ] {
        let (_catalogue, listing, _) = listed(kind, Habits { says: Some(body), ..Habits::default() }).await;
        // the catalogue's own listing of collections answers well
        let Err(failed) = listing else { panic!("{kind:?} {word}: taken for an answer") };
        assert_eq!(failed.fault, Fault::BadResponse);
        assert!(failed.detail.contains(word), "{kind:?} {}", failed.detail);
    }
}

/// A federation that reads this member again as soon as it is asked to.
async fn again(member: &Arc<dyn Member>, before: &stac_broker::members::Harvest) -> stac_broker::members::Harvest {
    for _ in 0..600 {
        let now = member.harvest().unwrap();
        if now.read_at != before.read_at && now.running.is_none() {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not read again");
}

fn hasty(catalogue: &Catalogue, records: Records) -> Arc<dyn Member> {
    let mut declared = catalogue.declared("EMODNET", records);
    declared.crawl.every = Duration::from_millis(200);
    Registry::new(&federation_of([declared])).iter().next().unwrap().clone()
}

#[tokio::test]
async fn an_unchanged_harvest_transfers_nothing_where_pages_have_tags_and_changes_nothing_where_not() {
    for (kind, tags) in [(Kind::OgcRecords, true), (Kind::OgcRecords, false), (Kind::Csw, true), (Kind::Csw, false)] {
        let habits = Habits { records: records_of(250), tags, ..Habits::default() };
        let catalogue = Catalogue::start(kind, habits).await;
        let member = hasty(&catalogue, Records::Collections);
        let first = member.collections(soon()).await.unwrap();
        let before = member.harvest().unwrap();
        // the time of day is in every answer, which changes the tag but not what is said
        catalogue.change(|habits| habits.clock = if tags { 0 } else { 7 });
        let now = again(&member, &before).await;
        assert_eq!(now.read.unchanged, 3, "{kind:?} {tags}");
        if tags {
            assert_eq!(now.read.bytes, 0, "{kind:?}");
        }
        let second = member.collections(soon()).await.unwrap();
        let same = first.collections.iter().zip(&second.collections).all(|(a, b)| a.as_ptr() == b.as_ptr());
        assert!(same && second.collections.len() == 250, "{kind:?}: held once");
    }
}

#[tokio::test]
async fn a_later_failure_keeps_what_was_behind_it_and_a_change_before_it() {
    for kind in KINDS {
        let catalogue = Catalogue::start(kind, Habits { records: records_of(250), ..Habits::default() }).await;
        let member = hasty(&catalogue, Records::Collections);
        member.collections(soon()).await.unwrap();
        let before = member.harvest().unwrap();
        catalogue.change(|habits| {
            habits.records[0]["properties"]["title"] = json!("Changed");
            habits.fails_from = Some((1, 404));
        });
        let now = again(&member, &before).await;
        assert_eq!((now.collections, now.complete, now.read.kept), (250, true, 2), "{kind:?}");
        let listing = member.collections(soon()).await.unwrap();
        let first: Value = serde_json::from_slice(&listing.collections[0]).unwrap();
        assert_eq!(first["title"], "Changed");
    }
}

#[tokio::test]
async fn records_as_collections_are_listed_and_never_searched() {
    let catalogue = Catalogue::start(Kind::OgcRecords, Habits { records: records_of(3), ..Habits::default() }).await;
    let other = ScriptedMember::new("A").items(vec![item("c", "i", "2020-01-01T00:00:00Z")]).start().await;
    let front = Front::of(federation_of([catalogue.declared("EMODNET", Records::Collections), other.declared()])).await;

    let listed = front.get("/collections?limit=100").await;
    let of_records = |collection: &&Value| collection["id"].as_str().unwrap().starts_with("EMODNET|");
    assert_eq!(listed.json()["collections"].as_array().unwrap().iter().filter(of_records).count(), 3);
    let one = front.get("/collections/EMODNET%7Cr-0001").await;
    let rels: Vec<&str> =
        one.json()["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["self", "root", "parent", "via"]);
    let via = one.json()["links"][3]["href"].as_str().unwrap();
    assert_eq!(via, format!("{}/collections/all/items/r-0001", catalogue.url));
    assert_eq!(one.json()["assets"]["data"]["href"], "https://data.example/r-0001.nc");
    let found = front.get("/collections?q=%22Record%202%22").await;
    assert_eq!(found.json()["collections"].as_array().map(Vec::len), Some(1), "{}", found.text);

    for path in ["/search", "/search?collections=EMODNET%7Cr-0001", "/search?bbox=0,0,90,90"] {
        let page = front.get(path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let pruned = page.report()["pruned"].as_array().unwrap().clone();
        assert!(pruned.iter().any(|one| one["id"] == "EMODNET" && one["rule"] == "no-items"), "{path} {pruned:?}");
        assert!(page.missing().is_empty());
    }
    let explained = front.get("/search/explain").await;
    assert!(explained.text.contains("no-items"), "{}", explained.text);
    let items = front.get("/collections/EMODNET%7Cr-0001/items").await;
    assert_eq!((items.status, items.names().len()), (200, 0), "empty, as a search for it is");
    assert_eq!(front.get("/collections/EMODNET%7Cr-0001/items/x").await.status, 404);
    let member = front.get("/federation/members/EMODNET").await;
    assert_eq!((&member.json()["has_items"], &member.json()["kind"]), (&json!(false), &json!("ogc-records")));
}

#[tokio::test]
async fn records_as_items_are_searched_like_all_others() {
    let catalogue = Catalogue::start(Kind::OgcRecords, Habits { records: records_of(60), ..Habits::default() }).await;
    let other = ScriptedMember::new("A").items(vec![item("c", "i", "2020-01-10T12:00:00Z")]).start().await;
    let front = Front::of(federation_of([catalogue.declared("EMODNET", as_items()), other.declared()])).await;
    let page = front.get("/search?limit=100").await;
    assert_eq!(page.names().len(), 61, "{}", page.text);
    assert_eq!(page.names()[0], "EMODNET|records r-0059", "newest first");
    assert_eq!(page.names()[50], "A|c i", "merged with another member's");
    let near = front.get("/search?bbox=9.5,49,11.5,51&collections=EMODNET%7Crecords").await;
    assert_eq!(near.names(), ["EMODNET|records r-0011", "EMODNET|records r-0010"]);
    let filter = "filter=title%20LIKE%20%27Record%205%25%27&limit=100";
    assert_eq!(front.get(&format!("/search?{filter}")).await.names().len(), 11);
    let one = front.get("/collections/EMODNET%7Crecords/items/r-0007").await;
    let rels: Vec<&str> =
        one.json()["links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["self", "root", "parent", "collection", "via"]);
    assert_eq!(one.json()["properties"]["license"], "CC-BY-4.0");
    let holder = front.get("/collections/EMODNET%7Crecords").await;
    let bbox = &holder.json()["extent"]["spatial"]["bbox"][0];
    assert_eq!(*bbox, json!([0.0, 50.0, 59.0, 50.0]), "{}", holder.text);
}

#[tokio::test]
async fn pages_of_a_search_put_together_are_all_records() {
    let catalogue = Catalogue::start(Kind::OgcRecords, Habits { records: records_of(60), ..Habits::default() }).await;
    let member = adapter(&catalogue, as_items());
    for limit in [1, 7, 100] {
        let sortby = vec![("properties.datetime".to_owned(), true), ("id".to_owned(), false)];
        let mut ask = Ask { limit, sortby, ..Ask::default() };
        let mut got: Vec<String> = Vec::new();
        loop {
            let page = member.search(&ask, soon()).await.unwrap();
            assert_eq!(page.matched.map(|matched| matched.count), Some(60));
            got.extend(page.items.iter().map(|item| item.id.to_string()));
            ask.token = page.next;
            if ask.token.is_none() {
                break;
            }
        }
        let wanted: Vec<String> = (0..60).rev().map(|n| format!("r-{n:04}")).collect();
        assert_eq!(got, wanted, "{limit}");
    }
}

#[tokio::test]
async fn odd_records_cost_themselves_and_admins_read_why() {
    let mut records = records_of(3);
    records.push(json!({"type": "Feature", "id": "s", "properties": {"type": "service"}}));
    records.push(json!({"type": "Feature", "properties": {"type": "dataset", "title": "nameless"}}));
    records.push(record("r-0001", 1));
    records.push(record("r/0001", 1));
    records.push(json!({"type": "Feature", "id": "bare", "properties": {"title": "Bare"}}));
    let (_catalogue, listing, member) = listed(Kind::OgcRecords, Habits { records, ..Habits::default() }).await;
    let found = ids(&listing.unwrap());
    assert_eq!(found, ["r-0000", "r-0001", "r-0002", "r_0001", "bare"]);
    let harvest = member.harvest().unwrap();
    assert_eq!(harvest.left_out.count, 2, "{harvest:?}");
    let remarks = harvest.remarks().join("\n");
    for said in [
        "left out `s`: it describes no data set or series",
        "it has no `id`",
        "1 record: no area is stated",
        "1 record: came more than once",
        "characters of the identifier are replaced",
    ] {
        assert!(remarks.contains(said), "{said} in {remarks}");
    }
}

/// Found by a reviewer: 220 of 240 Items came, `numberMatched` said 240, and `invalid` depended on the page size.
#[tokio::test]
async fn records_without_a_time_are_counted_alike_whatever_the_page_and_are_no_match_in_an_order_of_time() {
    let mut records = records_of(60);
    for record in records.iter_mut().step_by(6) {
        record["time"] = Value::Null;
    }
    let catalogue = Catalogue::start(Kind::OgcRecords, Habits { records, ..Habits::default() }).await;
    let front = Front::of(federation_of([catalogue.declared("EMODNET", as_items())])).await;
    for limit in [7, 20, 100] {
        let pages = front.walk_get(&format!("/search?limit={limit}")).await;
        let given: usize = pages.iter().map(|page| page.names().len()).sum();
        assert_eq!(given, 50, "{limit}");
        for page in &pages {
            assert_eq!(page.json()["numberMatched"], 50, "{limit}");
        }
        assert_eq!(pages[0].report()["invalid"], 10, "{limit}");
    }
    assert_eq!(front.get("/search?sortby=id&limit=100").await.names().len(), 60, "another order has a place for them");
}

/// What `contract.rs` asks of every kind, of both kinds of records.
#[tokio::test]
async fn both_kinds_keep_the_contract_of_a_member() {
    let monitor = OutboundMonitor::start().await;
    for kind in KINDS {
        let catalogue = Catalogue::start(kind, Habits { records: records_of(60), ..Habits::default() }).await;
        let member = adapter(&catalogue, as_items());
        for limit in [1, 7, 100] {
            let pages = crate::contract::walk(&*member, crate::contract::ask(limit), 200).await.unwrap();
            let got: Vec<String> = pages.iter().flat_map(crate::contract::ids).collect();
            let wanted: Vec<String> = (0..60).rev().map(|n| format!("r-{n:04}")).collect();
            assert_eq!(got, wanted, "{kind:?} at {limit}");
            assert!(pages.iter().all(|page| page.next.as_ref().is_none_or(|token| token.0.len() < 2048)));
        }
        let count = async |ask: Ask| member.search(&Ask { limit: 100, ..ask }, soon()).await.unwrap().items.len();
        assert_eq!(count(Ask { collections: Some(vec!["records".to_owned()]), ..Ask::default() }).await, 60);
        assert_eq!(count(Ask { collections: Some(vec!["other".to_owned()]), ..Ask::default() }).await, 0);
        let two = vec!["r-0003".to_owned(), "r-0041".to_owned(), "none".to_owned()];
        assert_eq!(count(Ask { ids: Some(two), ..Ask::default() }).await, 2);
        let item = member.item("records", "r-0007", soon()).await.unwrap().expect("an Item by its address");
        assert_eq!((&*item.id, &*item.collection), ("r-0007", "records"));
        assert!(member.item("records", "none", soon()).await.unwrap().is_none());
        assert!(member.collections(soon()).await.unwrap().complete, "{kind:?}");
        let known = member.discover(soon()).await.unwrap();
        assert!(known.discovered && known.evaluated_here, "{kind:?}");
        drop(catalogue);
        let gone = adapter_at("http://127.0.0.1:9/api", kind);
        assert!(gone.search(&crate::contract::ask(1), soon()).await.is_err(), "a closed port is a failure");
    }
    monitor.assert_untouched();
}

fn adapter_at(url: &str, kind: Kind) -> Arc<dyn Member> {
    let mut declared = crate::support::declared("GONE", url.parse().unwrap());
    (declared.kind, declared.crawl.records) = (kind, as_items());
    Registry::new(&federation_of([declared])).iter().next().unwrap().clone()
}
