//! The contract of a member without Item Search (CEOS-STAC-PER-4320): its Items collection by collection, and what the
//! broker makes of it in a federation.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Interval, Support};
use stac_broker::members::{Ask, Fault, Member, Page, Registry};
use tokio::time::Instant;

use crate::support::front::names;
use crate::support::{Fails, Front, OutboundMonitor, Running, ScriptedMember, collection, federation_of, items, time};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn discovered(running: &Running) -> Arc<dyn Member> {
    let member = Registry::new(&federation_of([running.declared()])).iter().next().unwrap().clone();
    member.discover(soon()).await.unwrap();
    member
}

fn three(count: usize) -> Vec<Value> {
    ["a", "b", "c"].into_iter().flat_map(|name| items(name, count)).collect()
}

fn ids(page: &Page) -> Vec<String> {
    page.items.iter().map(|item| item.id.to_string()).collect()
}

async fn walk(member: &dyn Member, mut ask: Ask) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = member.search(&ask, soon()).await.unwrap();
        ask.token.clone_from(&page.next);
        pages.push(page);
        if ask.token.is_none() {
            return pages;
        }
        assert!(pages.len() < 300, "the walk does not end");
    }
}

async fn check_walk(script: ScriptedMember, ask: &Ask, wanted: &[String]) {
    let running = script.items(three(20)).items_only().start().await;
    let member = discovered(&running).await;
    for limit in [1, 7, 100] {
        let pages = walk(&*member, Ask { limit, ..ask.clone() }).await;
        assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), wanted, "pages of {limit}");
    }
}

fn all_of(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| (0..20).map(move |n| format!("{name}-{n:04}"))).collect()
}

#[tokio::test]
async fn every_collection_is_walked_to_its_end() {
    let new = || ScriptedMember::new("A");
    check_walk(new(), &Ask::default(), &all_of(&["a", "b", "c"])).await;
    check_walk(new().page_cap(3), &Ask::default(), &all_of(&["a", "b", "c"])).await;
    check_walk(new().no_counts(), &Ask::default(), &all_of(&["a", "b", "c"])).await;
    let named = Ask { collections: Some(vec!["c".into(), "none".into(), "a".into()]), ..Ask::default() };
    check_walk(new(), &named, &all_of(&["a", "c"])).await;
}

#[tokio::test]
async fn short_and_empty_pages_in_the_middle_lose_nothing() {
    let late = Interval { start: time(15).parse().ok(), end: None };
    let wanted: Vec<String> =
        ["a", "b", "c"].iter().flat_map(|name| (15..20).map(move |n| format!("{name}-{n:04}"))).collect();
    let ask = Ask { datetime: Some(late), ..Ask::default() };
    check_walk(ScriptedMember::new("A").pages_before_filtering().page_cap(4), &ask, &wanted).await;
    check_walk(ScriptedMember::new("A"), &ask, &wanted).await;
}

#[tokio::test]
async fn its_items_get_the_collection_that_was_asked() {
    let running = ScriptedMember::new("A").items(three(2)).items_only().unnamed_collections().start().await;
    let member = discovered(&running).await;
    let page = member.search(&Ask { limit: 10, ..Ask::default() }, soon()).await.unwrap();
    let collections: Vec<&str> = page.items.iter().map(|item| &*item.collection).collect();
    assert_eq!(collections, ["a", "a", "b", "b", "c", "c"]);
    assert_eq!(page.matched.map(|matched| matched.count), Some(6));
}

#[tokio::test]
async fn next_links_to_other_hosts_and_addresses_are_asked_where_the_collection_is() {
    let monitor = OutboundMonitor::start().await;
    check_walk(ScriptedMember::new("A").next_at(&monitor.base), &Ask::default(), &all_of(&["a", "b", "c"])).await;
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_next_link_that_is_stuck_gives_the_same_token_again() {
    let running = ScriptedMember::new("A").items(items("a", 40)).items_only().fails(Fails::Loop).start().await;
    let member = discovered(&running).await;
    let mut ask = Ask { limit: 5, ..Ask::default() };
    let first = member.search(&ask, soon()).await.unwrap();
    ask.token = first.next.clone();
    let second = member.search(&ask, soon()).await.unwrap();
    assert!(first.next.is_some());
    assert_eq!(first.next, second.next);
    assert!(running.searches() < 10);
}

#[tokio::test]
async fn a_few_ids_are_asked_for_by_their_addresses_and_many_are_left_to_the_broker() {
    let running = ScriptedMember::new("A").items(three(20)).items_only().start().await;
    let member = discovered(&running).await;
    assert_eq!(member.capabilities().ids, Support::Inexact);
    let ask = |count: usize| Ask {
        ids: Some((0..count).map(|n| format!("b-{n:04}")).collect()),
        limit: 100,
        ..Ask::default()
    };
    assert_eq!(ids(&member.search(&ask(2), soon()).await.unwrap()), ["b-0000", "b-0001"]);
    assert_eq!(running.searches(), 0, "by address alone");
    assert_eq!(member.search(&ask(19), soon()).await.unwrap().received, 60);
}

#[tokio::test]
async fn more_collections_than_a_leg_may_ask_are_refused_unless_named() {
    let many: Vec<Value> = (0..25).map(|n| collection(&format!("c{n:02}"))).collect();
    let running = ScriptedMember::new("A").collections(many).items(items("c07", 3)).items_only().start().await;
    let member = discovered(&running).await;
    let refused = member.search(&Ask { limit: 5, ..Ask::default() }, soon()).await.unwrap_err();
    assert_eq!(refused.fault, Fault::Unsupported);

    let front = Front::of(federation_of([running.declared()])).await;
    let plan = front.get("/search/explain").await;
    let feature = plan.json()["refused"][0]["feature"].as_str().unwrap().to_owned();
    assert!(feature.contains("25 of its collections") && feature.contains("at most 20"), "{feature}");
    assert_eq!(front.get("/search").await.status, 400, "nobody is left who can answer");
    let named = front.get("/search?collections=A%7Cc07,A%7Cc08").await;
    assert_eq!((named.status, named.names().len()), (200, 3));
}

/// pygeoapi answers 400 to a `datetime` outside its extent, and so do pages that are resumed by a bound on time.
#[tokio::test]
async fn a_member_that_cannot_take_datetime_is_not_asked_for_it_on_later_pages() {
    let running = ScriptedMember::new("A").items(three(20)).items_only().loses(&["datetime"]).start().await;
    let front = Front::of(federation_of([running.declared()])).await;
    front.broker.probe_now().await;
    let before = running.recorded().len();
    let pages = front.walk_get("/search?sortby=-datetime&limit=7").await;
    assert_eq!(names(&pages).len(), 60);
    let asked = running.recorded();
    let searches =
        asked[before..].iter().filter(|request| request.uri.path().ends_with("/items") && !request.is_probe());
    assert!(searches.clone().count() > 8, "each page reads the whole list");
    for request in searches {
        assert!(!request.uri.query().unwrap_or_default().contains("datetime"), "{}", request.uri);
    }
}

#[tokio::test]
async fn a_member_is_taken_for_one_without_search_only_when_search_is_not_there() {
    let running = ScriptedMember::new("A").items(three(2)).items_only().start().await;
    let known = discovered(&running).await.capabilities();
    assert_eq!((known.collections_max, known.search_post, known.sort), (Some(20), false, Support::Unsupported));

    let running = ScriptedMember::new("A").items(three(2)).silent().start().await;
    assert_eq!(discovered(&running).await.capabilities().collections_max, None, "it does not say so, but it searches");
    let running = ScriptedMember::new("A").items(three(2)).silent().post_only().start().await;
    assert_eq!(discovered(&running).await.capabilities().collections_max, None, "by POST alone");

    let running = ScriptedMember::new("A").start().await;
    assert_eq!(discovered(&running).await.capabilities().collections_max, None);
    assert_eq!(running.searches(), 0, "no need to try");
}

#[tokio::test]
async fn a_failure_in_the_middle_costs_that_page_only() {
    let running =
        ScriptedMember::new("A").items(three(5)).items_only().fails_from(1, Fails::Status(500, None)).start().await;
    let member = discovered(&running).await;
    let page = member.search(&Ask { limit: 100, ..Ask::default() }, soon()).await.unwrap();
    assert_eq!(page.items.len(), 5, "what came before stays useful");
    let failed = member.search(&Ask { limit: 100, token: page.next, ..Ask::default() }, soon()).await.unwrap_err();
    assert_eq!(failed.fault, Fault::BadResponse);
}

#[tokio::test]
async fn in_a_federation_it_gives_the_same_items_as_one_with_search() {
    let monitor = OutboundMonitor::start().await;
    let items = three(20);
    let without = ScriptedMember::new("A").items(items.clone()).items_only().next_at(&monitor.base).start().await;
    let with = ScriptedMember::new("A").items(items).start().await;
    let (without, with) =
        (Front::of(federation_of([without.declared()])).await, Front::of(federation_of([with.declared()])).await);
    for query in [
        "sortby=-datetime",
        "sortby=%2Bdatetime&datetime=2025-01-01T00:05:00Z/..",
        "sortby=-datetime&bbox=10,54,11,55",
        "sortby=-datetime&bbox=0,0,1,1",
        "sortby=id&ids=a-0003,c-0004",
        "sortby=-datetime&collections=A%7Cb",
        "sortby=-datetime&intersects=%7B%22type%22%3A%22Point%22%2C%22coordinates%22%3A%5B10.5%2C54.25%5D%7D",
    ] {
        for limit in [7, 100] {
            let path = format!("/search?{query}&limit={limit}");
            let (got, wanted) = (without.walk_get(&path).await, with.walk_get(&path).await);
            assert_eq!(names(&got), names(&wanted), "{path}");
        }
    }
    let all = names(&without.walk_get("/search?limit=7").await);
    assert_eq!(all.len(), 60, "in its own order, each once");
    let item = without.get("/collections/A%7Cb/items/b-0003").await;
    assert_eq!((item.status, &item.json()["id"]), (200, &json!("b-0003")));
    monitor.assert_untouched();
}
