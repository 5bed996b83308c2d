//! The dialect `page`, the older CDSE and CREODIAS catalogues (`members.md` section 6): a test for each of its habits, and
//! walks longer than the hundred pages that it serves.

use serde_json::{Value, json};
use stac_broker::federation::{Dialect, Federation};
use stac_broker::members::{Ask, Member, Registry};

use crate::support::front::names;
use crate::support::oracle::Oracle;
use crate::support::page::Page;
use crate::support::stub::Stub;
use crate::support::{Front, Running, ScriptedMember, federation_of, item, items, time};

/// Items a minute apart, some of them in threes, and `tie` of one time in the middle.
fn catalogue(count: usize, tie: usize) -> Vec<Value> {
    let one = |n: usize| {
        let minute = if n.abs_diff(count / 2) <= tie / 2 { count / 2 } else { n - n % 3 };
        let mut item = item(["S2", "S3"][n % 2], &format!("{:04}-{n}", (n * 271) % 10_000), &time(minute));
        item["properties"]["cloudCover"] = (n % 100).into();
        item
    };
    (0..count).map(one).collect()
}

async fn creodias(page: Page) -> Stub {
    Stub::start("CREODIAS", page).await
}

fn alone(stub: &Stub) -> Federation {
    federation_of([stub.declared(Dialect::Page)])
}

fn oracle(items: &[Value]) -> Oracle {
    Oracle::of([("CREODIAS", items)])
}

async fn check(front: &Front, query: &str, wanted: &[String]) {
    let pages = front.walk_get(&format!("/search?{query}")).await;
    let got = names(&pages);
    assert!(got == wanted, "{query}: {} of {} Items: {:?}", got.len(), wanted.len(), pages.last().unwrap().report());
    assert!(pages.iter().all(|page| page.missing().is_empty()), "{query}");
}

#[tokio::test]
async fn a_walk_equals_the_union_in_pages_of_any_size() {
    let (ours, theirs) = (catalogue(240, 12), items("plain", 120));
    let stub = creodias(Page::new(ours.clone())).await;
    let plain = ScriptedMember::new("PLAIN").items(theirs.clone()).start().await;
    let front = Front::of(federation_of([stub.declared(Dialect::Page), plain.declared()])).await;
    let union = Oracle::of([("CREODIAS", ours.as_slice()), ("PLAIN", theirs.as_slice())]);
    for limit in [1, 7, 100] {
        check(&front, &format!("limit={limit}"), &union.newest_first()).await;
    }
    check(&front, "limit=100&sortby=datetime", &union.oldest_first()).await;
}

#[tokio::test]
async fn a_deep_walk_over_more_than_a_hundred_pages_is_complete() {
    // a tie of more pages than one page of ours may ask for would be walked in the member's own order
    let items = catalogue(3_000, 50);
    let stub = creodias(Page::new(items.clone()).cap(20)).await;
    let front = Front::of(alone(&stub)).await;
    check(&front, "limit=50", &oracle(&items).newest_first()).await;
    check(&front, "limit=50&sortby=datetime", &oracle(&items).oldest_first()).await;
    assert!(stub.searches().iter().filter_map(|asked| asked.number("page")).all(|page| page <= 100));
}

/// A federation in which no order can be had, so that each member's list is walked by its own places.
async fn by_turns(stub: &Stub) -> (Front, Running) {
    let unsorted = ScriptedMember::new("UNSORTED").items(items("plain", 30)).no_sort().start().await;
    let front = Front::of(federation_of([stub.declared(Dialect::Page), unsorted.declared()])).await;
    (front, unsorted)
}

#[tokio::test]
async fn a_deep_walk_by_turns_is_cut_by_time_before_the_hundredth_page() {
    let ours = catalogue(3_000, 150);
    let stub = creodias(Page::new(ours.clone()).cap(20)).await;
    let (front, _unsorted) = by_turns(&stub).await;
    let pages = front.walk_get("/search?limit=100").await;
    assert_eq!(pages[0].report()["order"]["by"], "quota");
    let mut got: Vec<String> = names(&pages).into_iter().filter(|name| name.starts_with("CREODIAS")).collect();
    assert_eq!(got.len(), 3_000, "each Item once: {:?}", pages.last().unwrap().report());
    got.sort_unstable();
    assert_eq!(got, oracle(&ours).names());
    assert!(pages.iter().all(|page| page.missing().is_empty()));
    assert!(stub.searches().iter().filter_map(|asked| asked.number("page")).all(|page| page <= 100));
}

#[tokio::test]
async fn a_tie_larger_than_a_hundred_pages_is_walked_where_there_is_an_order_and_else_declared() {
    let ours = catalogue(3_000, 2_400);
    let stub = creodias(Page::new(ours.clone()).cap(20)).await;
    let (front, _unsorted) = by_turns(&stub).await;
    let pages = front.walk_get("/search?limit=100").await;
    assert!(names(&pages).len() < 3_030);
    assert_eq!(pages.last().unwrap().missing(), ["CREODIAS"]);
    assert_eq!(pages.last().unwrap().member("CREODIAS")["status"], "too-large");

    let stub = creodias(Page::new(ours.clone())).await;
    let front = Front::of(alone(&stub)).await;
    let pages = front.walk_get("/search?limit=100").await;
    let (mut got, mut wanted) = (names(&pages), oracle(&ours).newest_first());
    let older = oracle(&ours).only(|held| held.item["properties"]["datetime"].as_str() < Some(&*time(1_500)));
    assert!(got.ends_with(&older.newest_first()), "behind the tie in order again");
    got.sort_unstable();
    wanted.sort_unstable();
    assert!(got == wanted, "{} of {} Items, each once", got.len(), wanted.len());
    assert!(pages.iter().any(|page| page.report()["order"]["ties"] == "member"));
    assert!(pages.iter().all(|page| page.missing().is_empty()));
}

#[tokio::test]
async fn only_known_parameters_are_sent_and_the_broker_does_the_rest() {
    let items = catalogue(120, 10);
    let stub = creodias(Page::new(items.clone())).await;
    let front = Front::of(alone(&stub)).await;
    stub.forget();
    let cover = |item: &Value| item["properties"]["cloudCover"].as_u64().unwrap();
    let clear = oracle(&items).only(|held| cover(&held.item) < 10 && held.item["collection"] == "S2");
    check(&front, "limit=30&collections=CREODIAS|S2&filter=\"eo:cloud_cover\"<10&fields=id", &clear.newest_first())
        .await;
    let query = json!({"limit": 30, "query": {"eo:cloud_cover": {"gte": 95}}, "bbox": [10, 54, 11, 55]});
    let cloudy = oracle(&items).only(|held| cover(&held.item) >= 95);
    assert_eq!(names(&front.walk_post(&query).await), cloudy.newest_first());
    let area = json!({"limit": 30, "intersects": {"type": "Point", "coordinates": [10.5, 54.25]}});
    assert_eq!(names(&front.walk_post(&area).await), oracle(&items).newest_first());
    for asked in stub.searches() {
        assert_eq!(asked.method, "GET");
        let known = ["limit", "collections", "bbox", "datetime", "sortby", "page"];
        assert!(asked.query.keys().all(|name| known.contains(&name.as_str())), "{asked:?}");
        assert_eq!(asked.get("sortby"), Some("-datetime"));
    }
}

#[tokio::test]
async fn items_shown_again_on_later_pages_are_given_once() {
    let items = catalogue(400, 30);
    let stub = creodias(Page::new(items.clone()).cap(20).repeats(3)).await;
    let front = Front::of(alone(&stub)).await;
    check(&front, "limit=70", &oracle(&items).newest_first()).await;
    check(&front, "limit=70&sortby=datetime", &oracle(&items).oldest_first()).await;
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + std::time::Duration::from_secs(10)
}

async fn walk(member: &dyn Member, mut ask: Ask) -> (Vec<String>, bool) {
    let mut ids = Vec::new();
    loop {
        let page = member.search(&ask, soon()).await.unwrap();
        ids.extend(page.items.iter().map(|item| item.id.to_string()));
        match page.next {
            Some(token) => ask.token = Some(token),
            None => return (ids, page.cut),
        }
    }
}

#[tokio::test]
async fn a_list_in_order_ends_as_cut_at_its_deepest_page_and_one_without_order_goes_on() {
    let items = catalogue(150, 0);
    let stub = creodias(Page::new(items.clone())).await;
    let registry = Registry::new(&alone(&stub));
    let member = registry.get("CREODIAS").unwrap();
    let sortby = vec![("properties.datetime".to_owned(), true)];
    for limit in [7, 100] {
        let (ids, cut) = walk(&**member, Ask { limit, sortby: sortby.clone(), ..Ask::default() }).await;
        assert_eq!((ids.len(), cut), (150, false), "limit {limit}");
    }
    let (ids, cut) = walk(&**member, Ask { limit: 1, sortby, ..Ask::default() }).await;
    assert_eq!((ids.len(), cut), (100, true));
    let (mut ids, cut) = walk(&**member, Ask { limit: 1, ..Ask::default() }).await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), cut), (150, false));
}

#[tokio::test]
async fn it_is_told_by_its_items_and_links() {
    let stub = creodias(Page::new(catalogue(60, 0))).await;
    let registry = Registry::new(&federation_of([stub.declared(Dialect::Auto)]));
    let member = registry.get("CREODIAS").unwrap();
    member.discover(soon()).await.unwrap();
    member.probe(soon()).await.unwrap();
    let known = member.capabilities();
    assert_eq!(known.dialect, Dialect::Page);
    assert!(known.dialect_seen.as_deref().is_some_and(|sign| sign.contains("cloudCover")), "{:?}", known.dialect_seen);
    assert!(!known.search_post && known.search_get && known.page_items_max == 1_000);
}

#[tokio::test]
async fn an_able_member_mistaken_for_it_loses_nothing() {
    let items = catalogue(150, 9);
    let able = ScriptedMember::new("CREODIAS").items(items.clone()).able().start().await;
    let mut declared = able.declared();
    declared.request.dialect = Dialect::Page;
    let front = Front::of(federation_of([declared])).await;
    check(&front, "limit=40", &oracle(&items).newest_first()).await;
    check(&front, "limit=40&sortby=datetime", &oracle(&items).oldest_first()).await;
    // and the other way around: declared, or complete
    let stub = creodias(Page::new(items.clone())).await;
    let front = Front::of(federation_of([stub.declared(Dialect::Standard)])).await;
    let mut page = front.get("/search?limit=40").await;
    let mut got = Vec::new();
    while page.status == 200 && page.missing().is_empty() {
        got.extend(page.names());
        let Some(next) = page.next() else { break };
        page = front.follow(&next).await;
    }
    let told = page.status != 200 || page.missing() == ["CREODIAS"];
    got.sort_unstable();
    assert!(told || got == oracle(&items).names(), "{} Items, and nothing is said to be missing", got.len());
}
