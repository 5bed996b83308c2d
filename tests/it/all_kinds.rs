//! One federation of every kind of member at once: a model server, a catalogue of files, records of both protocols, resto,
//! pages by number, and a server without Item Search. A walk over it is the union, in order, whatever the page.

use std::collections::BTreeSet;

use serde_json::Value;
use stac_broker::federation::{Dialect, Kind, Records};

use crate::support::catalogue::{Catalogue, Habits, records_of};
use crate::support::files::{Files, sea, tree};
use crate::support::page::Page;
use crate::support::resto::Resto;
use crate::support::stub::Stub;
use crate::support::{Front, Running, ScriptedMember, federation_of, item, items, time};

struct All {
    front: Front,
    wanted: BTreeSet<String>,
    _kept: (Running, Running, Files, Catalogue, Catalogue, Stub, Stub),
}

fn named<'a>(member: &'a str, items: &'a [Value]) -> impl Iterator<Item = String> + 'a {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items.iter().map(move |item| format!("{member}|{} {}", text(item, "collection"), text(item, "id")))
}

async fn all() -> All {
    let (collections, files) = sea(4, 12);
    let of = |prefix: &str, count: usize| -> Vec<Value> {
        (0..count).map(|n| item(prefix, &format!("{prefix}-{n:03}"), &time(n * 37 % 50))).collect()
    };
    let (able, plain, resto, page) = (items("a", 60), of("items-only", 30), of("resto", 70), of("page", 70));
    let records = |habits: usize| Habits { records: records_of(40), page_cap: Some(habits), ..Habits::default() };
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for (member, items) in [("ABLE", &able), ("EDITO", &resto), ("PAGES", &page), ("FILES", &files)] {
        wanted.extend(named(member, items));
    }
    for member in ["RECORDS", "CSW"] {
        wanted.extend((0..40).map(|n| format!("{member}|records r-{n:04}")));
    }
    wanted.extend(named("PLAIN", &plain));
    let kept = (
        ScriptedMember::new("ABLE").items(able).page_cap(23).start().await,
        ScriptedMember::new("PLAIN").items(plain).items_only().start().await,
        Files::start(tree(&collections, &files)).await,
        Catalogue::start(Kind::OgcRecords, records(15)).await,
        Catalogue::start(Kind::Csw, records(9)).await,
        Stub::start("EDITO", Resto::new(resto)).await,
        Stub::start("PAGES", Page::new(page).cap(11)).await,
    );
    let as_items = || Records::Items { collection: "records".to_owned() };
    let members = [
        kept.0.declared(),
        kept.1.declared(),
        kept.2.declared("FILES"),
        kept.3.declared("RECORDS", as_items()),
        kept.4.declared("CSW", as_items()),
        kept.5.declared(Dialect::Auto),
        kept.6.declared(Dialect::Page),
    ];
    let front = Front::of(federation_of(members)).await;
    All { front, wanted, _kept: kept }
}

async fn walked(sortby: &str, limit: u32) {
    let all = all().await;
    let pages = all.front.walk_get(&format!("/search?limit={limit}{sortby}")).await;
    let got: Vec<String> = pages.iter().flat_map(crate::support::front::Reply::names).collect();
    for page in &pages {
        assert_eq!(page.report()["complete"], true, "{}", page.report());
    }
    let once: BTreeSet<String> = got.iter().cloned().collect();
    assert_eq!(once.len(), got.len(), "an Item came twice");
    assert_eq!(once, all.wanted);
}

#[tokio::test]
async fn a_walk_over_all_kinds_is_the_union_newest_first() {
    walked("&sortby=-datetime", 37).await;
}

#[tokio::test]
async fn a_walk_over_all_kinds_is_the_union_oldest_first() {
    walked("&sortby=%2Bdatetime", 100).await;
}

#[tokio::test]
async fn a_walk_over_all_kinds_is_the_union_in_no_order_asked_for() {
    walked("", 50).await;
}
