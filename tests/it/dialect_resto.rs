//! The dialect `resto` (`members.md` 6.1): a test for each of its habits, against a member that has them all.

use serde_json::{Value, json};
use stac_broker::federation::{Dialect, Federation, Support};
use stac_broker::members::Registry;

use crate::support::front::names;
use crate::support::oracle::Oracle;
use crate::support::resto::Resto;
use crate::support::store::instant;
use crate::support::stub::{Asked, Kind, Stub, collections, landing};
use crate::support::{Front, ScriptedMember, federation_of, item, items, time};

/// Items with ties, of two collections, some lasting for hours, and none at a whole second.
fn catalogue(count: usize) -> Vec<Value> {
    let one = |n: usize| {
        let collection = ["temperature", "salinity"][n % 2];
        let at = time(n / 3).replace('Z', ".250Z");
        let mut item = item(collection, &format!("{:03}-{n}", (n * 271) % 1000), &at);
        item["properties"]["eo:cloud_cover"] = (n % 100).into();
        if n.is_multiple_of(10) {
            lasting(&mut item, &at, &time(n / 3 + 600));
        }
        item
    };
    (0..count).map(one).collect()
}

fn lasting(item: &mut Value, from: &str, until: &str) {
    item["properties"]["datetime"] = Value::Null;
    item["properties"]["start_datetime"] = from.into();
    item["properties"]["end_datetime"] = until.into();
}

async fn edito(items: Vec<Value>) -> Stub {
    Stub::start("EDITO", Resto::new(items)).await
}

fn alone(edito: &Stub) -> Federation {
    federation_of([edito.declared(Dialect::Auto)])
}

fn oracle(items: &[Value]) -> Oracle {
    Oracle::of([("EDITO", items)])
}

/// A complete walk by GET, which gives exactly this.
async fn check(front: &Front, query: &str, wanted: &[String]) {
    let pages = front.walk_get(&format!("/search?{query}")).await;
    assert_eq!(names(&pages), wanted, "{query}");
    for page in &pages {
        assert_eq!(page.report()["complete"], true, "{query}: {}", page.report());
    }
}

#[tokio::test]
async fn a_walk_equals_the_union_in_pages_of_any_size() {
    let (ours, theirs) = (catalogue(240), items("plain", 120));
    let edito = edito(ours.clone()).await;
    let plain = ScriptedMember::new("PLAIN").items(theirs.clone()).start().await;
    let front = Front::of(federation_of([edito.declared(Dialect::Auto), plain.declared()])).await;
    let union = Oracle::of([("EDITO", ours.as_slice()), ("PLAIN", theirs.as_slice())]);
    for limit in [1, 7, 100] {
        check(&front, &format!("limit={limit}"), &union.newest_first()).await;
    }
    for limit in [7, 100] {
        check(&front, &format!("limit={limit}&sortby=datetime"), &union.oldest_first()).await;
    }
}

#[tokio::test]
async fn it_is_recognised_and_the_file_overrules() {
    let edito = edito(catalogue(20)).await;
    let front = Front::of(alone(&edito)).await;
    let member = front.get("/federation/members/EDITO").await.json()["capabilities"].clone();
    assert_eq!(
        (&member["dialect"], &member["dialect_seen"]),
        (&json!("resto"), &json!("`resto:version` on the landing page"))
    );
    assert_eq!(
        (&member["search_post"], &member["page_items_max"], &member["counts_exact"]),
        (&json!(false), &json!(500), &json!(false))
    );
    let front = Front::of(federation_of([edito.declared(Dialect::Standard)])).await;
    let member = front.get("/federation/members/EDITO").await.json()["capabilities"].clone();
    assert_eq!((&member["dialect"], &member["dialect_seen"]), (&json!("standard"), &Value::Null));
}

#[tokio::test]
async fn one_that_says_nothing_of_itself_is_told_by_an_answer() {
    let stub = Stub::start("EDITO", Resto::silent(catalogue(20))).await;
    let registry = Registry::new(&alone(&stub));
    let member = registry.get("EDITO").unwrap();
    let soon = || tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    member.discover(soon()).await.unwrap();
    member.probe(soon()).await.unwrap();
    assert_eq!(member.capabilities().dialect, Dialect::Standard, "nothing gives it away");
    let stub = Stub::start("EDITO", Unlabelled(Resto::new(catalogue(20)))).await;
    let registry = Registry::new(&alone(&stub));
    let member = registry.get("EDITO").unwrap();
    member.discover(soon()).await.unwrap();
    assert_eq!(member.capabilities().dialect, Dialect::Standard);
    member.probe(soon()).await.unwrap();
    let known = member.capabilities();
    assert_eq!(
        (known.dialect, known.dialect_seen.as_deref()),
        (Dialect::Resto, Some("`context.exactCount` in an answer"))
    );
    assert_eq!((known.sort, known.datetime_starts), (Support::Exact, true));
}

/// A resto behind a landing page that does not say so.
struct Unlabelled(Resto);

impl Kind for Unlabelled {
    fn answer(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        let mut answer = self.0.answer(base, asked)?;
        if let Some(page) = answer.as_object_mut() {
            page.remove("resto:version");
        }
        Ok(answer)
    }
}

#[tokio::test]
async fn it_is_asked_by_get_in_its_own_spelling_and_never_upwards() {
    let edito = edito(catalogue(60)).await;
    let front = Front::of(alone(&edito)).await;
    edito.forget();
    front.walk_get("/search?limit=20").await;
    front.walk_get("/search?limit=20&sortby=datetime&bbox=1,2,30,60").await;
    front
        .walk_post(
            &json!({"limit": 20, "sortby": [{"field": "datetime", "direction": "asc"}], "bbox": [1, 2, -5, 30, 60, 5]}),
        )
        .await;
    let asked = edito.searches();
    assert!(asked.len() > 6);
    for asked in asked {
        assert_eq!(asked.method, "GET");
        assert_eq!(asked.get("sortby"), Some("startDate"), "{asked:?}");
        assert!(asked.get("bbox").is_none_or(|bbox| bbox.split(',').count() == 4), "{asked:?}");
        assert!(asked.number("limit").unwrap() <= 500);
    }
}

#[tokio::test]
async fn a_thousand_items_are_asked_for_in_pages_of_500() {
    let items = catalogue(1_200);
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    check(&front, "limit=1000", &oracle(&items).newest_first()).await;
    assert!(edito.searches().iter().all(|asked| asked.number("limit").unwrap() <= 500));
}

#[tokio::test]
async fn upwards_it_is_read_by_windows_of_time() {
    let mut items = catalogue(1_300);
    items.extend((0..700).map(|n| item("tie", &format!("tie-{:03}", (n * 37) % 700), "2024-06-01T12:00:00.125Z")));
    items.push(item("old", "oldest", "1850-01-01T00:00:00Z"));
    items.push(item("new", "newest", "2300-01-01T00:00:00Z"));
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    for limit in [100, 1_000] {
        check(&front, &format!("limit={limit}&sortby=datetime"), &oracle(&items).oldest_first()).await;
    }
}

#[tokio::test]
async fn windows_of_time_cost_few_requests_for_a_page() {
    let edito = edito(catalogue(2_000)).await;
    let front = Front::of(alone(&edito)).await;
    edito.forget();
    let pages = front.walk_get("/search?limit=100&sortby=datetime").await.len();
    let requests = edito.searches().len();
    assert!(pages >= 20 && requests < pages * 5, "{requests} requests for {pages} pages");
}

#[tokio::test]
async fn its_ids_override_all_else_so_that_the_broker_checks_the_rest() {
    let items = catalogue(60);
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    let chosen = |wanted: &dyn Fn(usize) -> bool| {
        oracle(&items).only(|held| items.iter().position(|item| *item == held.item).is_some_and(wanted))
    };
    let id = |n: usize| items[n]["id"].as_str().unwrap().to_owned();
    let four = format!("ids={},{},{},{}", id(3), id(4), id(7), id(50));
    check(&front, &four, &chosen(&|n| [3, 4, 7, 50].contains(&n)).newest_first()).await;
    check(&front, &format!("{four}&sortby=datetime"), &chosen(&|n| [3, 4, 7, 50].contains(&n)).oldest_first()).await;
    check(&front, &format!("{four}&collections=EDITO|salinity"), &chosen(&|n| [3, 7].contains(&n)).newest_first())
        .await;
    check(&front, &format!("{four}&datetime=../{}", time(2)), &chosen(&|n| [3, 4].contains(&n)).newest_first()).await;
    check(&front, &format!("{four}&bbox=100,0,110,10"), &[]).await;
    check(&front, &format!("filter=id='{}'", id(7)), &chosen(&|n| n == 7).newest_first()).await;
    let asked = edito.searches();
    assert!(asked.iter().filter_map(|asked| asked.get("ids")).all(|ids| !ids.contains(',')));
}

#[tokio::test]
async fn items_that_began_before_the_interval_and_last_are_found() {
    let items = catalogue(200);
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    // in the middle of what lasts, at the very millisecond of an Item, and its last millisecond
    for (from, until) in [(time(50), time(55)), ("..".to_owned(), "2025-01-01T00:20:00.250Z".to_owned())] {
        let meets = |item: &Value| {
            let properties = &item["properties"];
            let start = properties["start_datetime"].as_str().or_else(|| properties["datetime"].as_str()).unwrap();
            let end = properties["end_datetime"].as_str().unwrap_or(start);
            instant(start) <= instant(&until) && (from == ".." || instant(end) >= instant(&from))
        };
        let wanted = oracle(&items).only(|held| meets(&held.item));
        check(&front, &format!("limit=30&datetime={from}/{until}"), &wanted.newest_first()).await;
        check(&front, &format!("limit=30&datetime={from}/{until}&sortby=datetime"), &wanted.oldest_first()).await;
    }
    let instant =
        oracle(&items).only(|held| held.item["properties"]["datetime"] == "2025-01-01T00:20:00.250Z").newest_first();
    assert!(!instant.is_empty());
    let found = names(&front.walk_get("/search?datetime=2025-01-01T00:20:00.250Z").await);
    assert!(instant.iter().all(|name| found.contains(name)), "{found:?}");
}

#[tokio::test]
async fn a_longest_item_in_the_policy_saves_reading_to_the_beginning_of_time() {
    let mut declared = alone(&edito(Vec::new()).await);
    let edito = edito(catalogue(200)).await;
    declared.members = vec![edito.declared(Dialect::Auto)];
    let text = |federation: &Federation| federation.members[0].policy.retention.len();
    assert_eq!(text(&declared), 0);
    let rule = stac_broker::federation::retention::Retention {
        item_span_max: stac_broker::federation::retention::Period::parse("PT12H").unwrap(),
        ..Default::default()
    };
    declared.members[0].policy.retention = vec![rule];
    let front = Front::of(declared).await;
    edito.forget();
    let pages = front.walk_get(&format!("/search?limit=100&datetime={}/{}", time(50), time(55))).await;
    assert!(!names(&pages).is_empty());
    let starts: Vec<String> = edito
        .searches()
        .iter()
        .filter_map(|asked| Some(asked.get("datetime")?.split('/').next()?.to_owned()))
        .collect();
    assert!(!starts.is_empty() && starts.iter().all(|start| start == "2024-12-31T12:50:00Z"), "{starts:?}");
}

#[tokio::test]
async fn items_without_a_time_do_not_hide_the_others() {
    let mut items = catalogue(40);
    let timed = oracle(&items);
    for n in 0..30 {
        let mut timeless = item("timeless", &format!("none-{n}"), "x");
        timeless["properties"] = json!({});
        items.push(timeless);
    }
    let edito = edito(items).await;
    let front = Front::of(alone(&edito)).await;
    check(&front, "limit=10", &timed.newest_first()).await;
    check(&front, "limit=10&sortby=datetime", &timed.oldest_first()).await;
}

#[tokio::test]
async fn an_empty_page_behind_a_full_one_is_the_end_and_estimates_are_no_counts() {
    let items = catalogue(30);
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    let pages = front.walk_get("/search?limit=10").await;
    assert_eq!(names(&pages), oracle(&items).newest_first());
    assert!(pages.iter().all(|page| page.json().get("numberMatched").is_none()));
}

#[tokio::test]
async fn conditions_are_sent_as_plain_text_and_never_joined_by_or() {
    let items = catalogue(200);
    let edito = edito(items.clone()).await;
    let front = Front::of(alone(&edito)).await;
    front.broker.refresh_now().await;
    edito.forget();
    let cover = |item: &Value| item["properties"]["eo:cloud_cover"].as_u64().unwrap();
    let some = oracle(&items).only(|held| (20..30).contains(&cover(&held.item)));
    check(&front, "limit=50&filter=\"eo:cloud_cover\">=20 AND \"eo:cloud_cover\"<30", &some.newest_first()).await;
    let said: Vec<String> =
        edito.searches().iter().filter_map(|asked| asked.get("filter").map(str::to_owned)).collect();
    assert!(
        !said.is_empty() && said.iter().all(|filter| filter.contains(">= 20") && filter.contains("< 30")),
        "{said:?}"
    );
    edito.forget();
    let either = oracle(&items).only(|held| cover(&held.item) < 5 || cover(&held.item) > 95);
    check(&front, "limit=50&filter=\"eo:cloud_cover\"<5 OR \"eo:cloud_cover\">95", &either.newest_first()).await;
    assert!(edito.searches().iter().all(|asked| asked.get("filter").is_none()));
}

#[tokio::test]
async fn a_wrong_guess_loses_nothing_without_saying_so() {
    // an able member mistaken for a resto
    let items = items("c", 130);
    let able = ScriptedMember::new("EDITO").items(items.clone()).able().start().await;
    let mut declared = able.declared();
    declared.request.dialect = Dialect::Resto;
    let wanted = oracle(&items);
    let front = Front::of(federation_of([declared])).await;
    let first = front.get("/search?limit=20").await;
    let told = first.status == 502 && first.member("EDITO")["status"] == "order-violation";
    assert!(told || names(&front.pages(first.clone()).await) == wanted.newest_first(), "{}", first.text);

    // a resto mistaken for a member that keeps to the standard
    let items = catalogue(130);
    let edito = edito(items.clone()).await;
    let front = Front::of(federation_of([edito.declared(Dialect::Standard)])).await;
    let first = front.get("/search?limit=20").await;
    let told = first.status != 200
        || first.missing() == ["EDITO"]
        || names(&front.pages(first.clone()).await) == oracle(&items).newest_first();
    assert!(told, "{}", first.text);
}

#[tokio::test]
async fn a_probe_takes_nothing_away_from_an_honest_one() {
    let edito = edito(catalogue(40)).await;
    let registry = Registry::new(&alone(&edito));
    let member = registry.get("EDITO").unwrap();
    let soon = || tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let before = member.discover(soon()).await.unwrap();
    edito.forget();
    member.probe(soon()).await.unwrap();
    let known = member.capabilities();
    for (name, before, now) in [
        ("collections", before.collections, known.collections),
        ("datetime", before.datetime, known.datetime),
        ("bbox", before.bbox, known.bbox),
        ("ids", before.ids, known.ids),
        ("sort", before.sort, known.sort),
    ] {
        assert_eq!(now, before, "{name}: {:?}", known.notes);
    }
    assert!(edito.searches().iter().all(|asked| asked.method == "GET"));
    assert!(edito.searches().iter().all(|asked| asked.get("sortby").is_none_or(|sortby| sortby == "startDate")));
}

/// A member of POST only that says of itself that it is a resto.
struct Impostor(Vec<Value>);

impl Kind for Impostor {
    fn answer(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        match asked.path.as_str() {
            "" => {
                let mut page = landing(base, &["core", "item-search", "item-search#sort"], &["POST"]);
                page["resto:version"] = "10.1.0".into();
                Ok(page)
            }
            "collections" => Ok(collections(&self.0)),
            "search" if asked.method == "POST" => {
                let mut newest: Vec<&Value> = self.0.iter().collect();
                newest.reverse();
                Ok(json!({"type": "FeatureCollection", "features": newest, "links": []}))
            }
            _ => Err(405),
        }
    }
}

#[tokio::test]
async fn a_guess_that_does_not_hold_is_taken_back() {
    let items = items("c", 5);
    let stub = Stub::start("EDITO", Impostor(items.clone())).await;
    let front = Front::of(alone(&stub)).await;
    let dialect = || async { front.get("/federation/members/EDITO").await.json()["capabilities"]["dialect"].clone() };
    assert_eq!(dialect().await, "resto");
    check(&front, "limit=10", &oracle(&items).newest_first()).await;
    assert_eq!(dialect().await, "standard");
    front.broker.refresh_now().await;
    assert_eq!(dialect().await, "standard", "it is not guessed again");
}
