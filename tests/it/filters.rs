//! Filters over members that know none: the same answers as from an oracle that looks at every Item, whichever way the
//! filter is written, and what it costs when hardly anything matches.

use serde_json::{Value, json};

use crate::support::front::{Reply, names};
use crate::support::oracle::{Held, Oracle};
use crate::support::{Filters, Front, Running, ScriptedMember, federation_of, item, time};

/// Items of two collections and two platforms, their clouds in no order.
fn catalogue(member: usize, count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| {
            let mut item = item(["sea", "land"][n % 2], &format!("i{member}-{n:05}"), &time((n * 17 + member) % count));
            let x = f64::from(u32::try_from(n % 40).unwrap());
            item["geometry"] = json!({"type": "Point", "coordinates": [x, 50.0]});
            item["bbox"] = json!([x, 50.0, x, 50.0]);
            if n % 5 != 0 {
                item["properties"]["eo:cloud_cover"] = json!((n * 37) % 100);
            }
            item["properties"]["platform"] = json!(["sentinel-2a", "sentinel-2b"][n / 2 % 2]);
            item["properties"]["view"] = json!({"sun": {"angle": n % 7}});
            item
        })
        .collect()
}

const MEMBERS: [&str; 3] = ["A", "B", "C"];

fn catalogues() -> Vec<Vec<Value>> {
    (0..3).map(|member| catalogue(member, 200)).collect()
}

/// One that sorts, one by GET in small pages, one that repeats Items.
async fn members(catalogues: &[Vec<Value>]) -> Vec<Running> {
    let member = |index: usize| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone());
    vec![
        member(0).start().await,
        member(1).get_only().page_cap(37).start().await,
        member(2).page_cap(50).repeats(3).start().await,
    ]
}

fn oracle(catalogues: &[Vec<Value>]) -> Oracle {
    Oracle::of(MEMBERS.iter().zip(catalogues).map(|(id, items)| (*id, items.as_slice())))
}

type Meant = fn(&Held) -> bool;

fn cloud(held: &Held) -> Option<i64> {
    held.item["properties"]["eo:cloud_cover"].as_i64()
}

/// CQL2 text, CQL2 JSON, and what is meant.
fn filters() -> Vec<(&'static str, Value, Meant)> {
    let property = |name: &str| json!({ "property": name });
    vec![
        (
            "eo:cloud_cover < 20 AND platform = 'sentinel-2a'",
            json!({"op": "and", "args": [
                {"op": "<", "args": [property("eo:cloud_cover"), 20]},
                {"op": "=", "args": [property("properties.platform"), "sentinel-2a"]},
            ]}),
            |held| cloud(held).is_some_and(|cloud| cloud < 20) && held.item["properties"]["platform"] == "sentinel-2a",
        ),
        (
            "collection = 'B|sea' OR (collection = 'land' AND eo:cloud_cover IS NULL)",
            json!({"op": "or", "args": [
                {"op": "=", "args": [property("collection"), "B%7Csea"]},
                {"op": "and", "args": [
                    {"op": "=", "args": [property("collection"), "land"]},
                    {"op": "isNull", "args": [property("eo:cloud_cover")]},
                ]},
            ]}),
            |held| held.collection() == "B|sea" || (held.item["collection"] == "land" && cloud(held).is_none()),
        ),
        (
            "NOT collection IN ('A|sea', 'land') AND view.sun.angle BETWEEN 2 AND 4",
            json!({"op": "and", "args": [
                {"op": "not", "args": [{"op": "in", "args": [property("collection"), ["A|sea", "land"]]}]},
                {"op": "between", "args": [property("view.sun.angle"), 2, 4]},
            ]}),
            |held| {
                let angle = held.item["properties"]["view"]["sun"]["angle"].as_i64().unwrap();
                held.item["collection"] == "sea" && held.member != "A" && (2..=4).contains(&angle)
            },
        ),
        (
            "S_INTERSECTS(geometry, POLYGON((9.5 49, 20.5 49, 20.5 51, 9.5 51, 9.5 49))) AND datetime >= TIMESTAMP('2025-01-01T02:00:00Z')",
            json!({"op": "and", "args": [
                {"op": "s_intersects", "args": [property("geometry"), {"type": "Polygon", "coordinates": [[[9.5, 49], [20.5, 49], [20.5, 51], [9.5, 51], [9.5, 49]]]}]},
                {"op": ">=", "args": [property("datetime"), {"timestamp": "2025-01-01T03:00:00+01:00"}]},
            ]}),
            |held| {
                let x = held.item["bbox"][0].as_f64().unwrap();
                (9.5..=20.5).contains(&x) && held.at() >= 1_735_696_800_000
            },
        ),
        (
            "id IN ('i0-00007', 'i1-00007', 'i2-00107', 'none')",
            json!({"op": "in", "args": [property("id"), ["i0-00007", "i1-00007", "i2-00107", "none"]]}),
            |held| ["i0-00007", "i1-00007", "i2-00107"].contains(&held.id()),
        ),
        ("unheard:of = 5", json!({"op": "=", "args": [property("unheard:of"), 5]}), |_| false),
    ]
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn members_without_filter_give_what_the_oracle_gives() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    for (text, json, meant) in filters() {
        let wanted = oracle(&catalogues).only(meant).newest_first();
        for limit in [7, 100] {
            let pages = front.walk_get(&format!("/search?limit={limit}&filter={}", encoded(text))).await;
            assert_eq!(names(&pages), wanted, "{text} in pages of {limit}");
            assert!(pages.iter().all(|page| page.report()["complete"] == true), "{text} in pages of {limit}");
            let pages = front.walk_post(&json!({ "limit": limit, "filter": json })).await;
            assert_eq!(names(&pages), wanted, "{json} in pages of {limit}");
        }
        let pages = front.walk_get(&format!("/search?limit=50&filter={}&sortby=datetime", encoded(text))).await;
        let mut upwards = names(&pages);
        upwards.sort();
        let mut all = wanted.clone();
        all.sort();
        assert_eq!(upwards, all, "{text} from the oldest on");
    }
}

#[tokio::test]
async fn what_members_do_themselves_changes_no_answer() {
    let catalogues = catalogues();
    let member = |index: usize| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone());
    for abilities in [
        [member(0).able(), member(1).able().get_only(), member(2).able().page_cap(40)],
        [member(0).able(), member(1), member(2).filters(&["cql2-json"])],
        [member(0).queries(), member(1).filters(&["cql2-text"]).really(Filters::Loosely), member(2).get_only()],
        [member(0).able().queryables(&["platform"]), member(1).items_only(), member(2).able().no_sort()],
        // nothing of what they claim is true
        [
            member(0).able().really(Filters::Ignores),
            member(1).able().really(Filters::Refuses),
            member(2).claims_query().ignores(&["ids", "datetime", "intersects", "bbox", "collections"]),
        ],
    ] {
        let mut members = Vec::new();
        for member in abilities {
            members.push(member.start().await);
        }
        let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
        for (text, json, meant) in filters() {
            let mut wanted = oracle(&catalogues).only(meant).newest_first();
            wanted.sort();
            for pages in [
                front.walk_get(&format!("/search?limit=13&filter={}", encoded(text))).await,
                front.walk_post(&json!({ "limit": 60, "filter": json })).await,
            ] {
                let mut got = names(&pages);
                got.sort();
                assert_eq!(got, wanted, "{text}");
                assert!(pages.iter().all(|page| page.report()["complete"] == true), "{text}: {}", pages[0].report());
            }
        }
    }
}

#[tokio::test]
async fn a_member_that_does_not_filter_as_it_says_is_named() {
    let catalogues = catalogues();
    let member = ScriptedMember::new("A").items(catalogues[0].clone()).able().really(Filters::Ignores).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let path = format!("/search?limit=5&filter={}", encoded("eo:cloud_cover < 20 AND platform = 'sentinel-2a'"));
    for _ in 0..3 {
        let page = front.get(&path).await;
        assert!(page.member("A")["contradictions"].as_u64().unwrap() > 0, "{}", page.text);
        assert!(page.json().get("numberMatched").is_none());
    }
    let page = front.get(&path).await;
    assert_eq!(page.member("A")["contradictions"], Value::Null, "not believed any more");
    let explained = front.get(&path.replace("/search", "/search/explain")).await;
    let residual = explained.json()["legs"][0]["residual"].to_string();
    assert!(residual.contains("filter: eo:cloud_cover < 20"), "{residual}");
}

#[tokio::test]
async fn counts_of_members_that_filter_exactly_are_counts_of_the_answer() {
    let catalogues = catalogues();
    let mut members = Vec::new();
    for (index, items) in catalogues.iter().enumerate() {
        members.push(ScriptedMember::new(MEMBERS[index]).items(items.clone()).able().start().await);
    }
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let page = front.get(&format!("/search?limit=3&filter={}", encoded("eo:cloud_cover < 20"))).await;
    let wanted = oracle(&catalogues).only(|held| cloud(held).is_some_and(|cloud| cloud < 20)).0.len();
    assert_eq!(page.json()["numberMatched"], wanted, "{}", page.report());
}

#[tokio::test]
async fn members_that_cannot_sort_filter_too() {
    let catalogues = catalogues();
    let mut members = Vec::new();
    for (index, items) in catalogues.iter().enumerate() {
        members.push(ScriptedMember::new(MEMBERS[index]).items(items.clone()).no_sort().start().await);
    }
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    for (text, _, meant) in filters() {
        let mut wanted = oracle(&catalogues).only(meant).newest_first();
        wanted.sort();
        let pages = front.walk_get(&format!("/search?limit=9&filter={}", encoded(text))).await;
        let mut got = names(&pages);
        got.sort();
        assert_eq!(got, wanted, "{text}");
        assert!(pages.iter().all(|page| page.report()["complete"] == true), "{text}");
    }
}

#[tokio::test]
async fn one_session_serves_every_spelling_of_a_filter() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let (text, json, meant) = filters().swap_remove(0);
    let wanted = oracle(&catalogues).only(meant).newest_first();
    let first = front.get(&format!("/search?limit=5&filter={}", encoded(text))).await;
    let token = first.next().unwrap()["href"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let second = front.post("/search", &json!({ "limit": 5, "filter": json, "token": token })).await;
    assert_eq!([first.names(), second.names()].concat(), wanted[..10]);

    let changed = front.get(&format!("/search?limit=5&filter={}&token={token}", encoded("a = 1"))).await;
    assert_eq!((changed.status, changed.json()["code"].as_str()), (400, Some("InvalidParameter")));
    assert!(changed.text.contains("`filter`"), "{}", changed.text);
    let added = front.post("/search", &json!({ "filter": json, "token": token, "query": {"a": {"eq": 1}} })).await;
    assert!(added.status == 400 && added.text.contains("`query`"), "{}", added.text);
}

#[tokio::test]
async fn the_items_of_a_collection_are_filtered() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let meant = |held: &Held| held.collection() == "B|sea" && cloud(held).is_some_and(|cloud| cloud >= 90);
    let wanted = oracle(&catalogues).only(meant).newest_first();
    let filter = encoded("eo:cloud_cover >= 90");
    let pages = front.walk_get(&format!("/collections/B%7Csea/items?limit=4&filter={filter}")).await;
    assert_eq!(names(&pages), wanted);
    let query = encoded(r#"{"eo:cloud_cover": {"gte": 90}}"#);
    let pages = front.walk_get(&format!("/collections/B%7Csea/items?limit=4&query={query}")).await;
    assert_eq!(names(&pages), wanted);
}

#[tokio::test]
async fn counts_are_given_only_where_the_broker_drops_nothing() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let of = |filter: &str| format!("/search?limit=3&filter={}", encoded(filter));
    let dropped = front.get(&of("eo:cloud_cover < 20")).await;
    assert!(dropped.json().get("numberMatched").is_none(), "{}", dropped.text);
    let by_parameter = front.get(&of("collection = 'sea'")).await;
    assert_eq!(by_parameter.json()["numberMatched"], 300);
}

/// Of a member that knows no filter, hardly anything matches: `next` leads on as long as Items are found.
async fn check_rare(member: ScriptedMember, limit: u32, requests_max: usize) {
    let mut items = catalogue(0, 20_000);
    for (place, item) in items.iter_mut().enumerate() {
        item["properties"]["rare"] = json!(place % 5_000 == 2_500);
    }
    let oracle = Oracle::of([("A", items.as_slice())]);
    let wanted = oracle.only(|held| held.item["properties"]["rare"] == true).newest_first();
    assert_eq!(wanted.len(), 4);
    let member = member.items(items).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let before = member.searches();
    let pages = front.walk_get(&format!("/search?limit={limit}&filter={}", encoded("rare = TRUE"))).await;
    let mut got = names(&pages);
    let asked = member.searches() - before;
    assert!(asked <= requests_max, "{asked} requests for {} pages", pages.len());
    got.sort();
    let mut sorted = wanted.clone();
    sorted.sort();
    assert_eq!(got, sorted);
    let last = pages.last().unwrap();
    assert!(last.report()["complete"] == true, "{}", last.text);
}

#[tokio::test]
async fn a_rare_match_is_found_page_by_page() {
    check_rare(ScriptedMember::new("A"), 10, 40).await;
}

#[tokio::test]
async fn a_rare_match_is_found_in_the_members_own_order() {
    check_rare(ScriptedMember::new("A").no_sort(), 10, 60).await;
}

/// Links from pages without an Item that 20,000 Items may take: by id, 3,000 are read for one page.
const RETRIES_MAX: usize = 7;

/// Many Items of which one is the oldest and one the last, by id and in the member's own order.
fn two_marked(member: usize, tied: bool) -> Vec<Value> {
    // a full page without a next link would leave the end of a tie in doubt
    let count = if tied { 19_950 } else { 20_000 };
    let mut items = catalogue(member, count);
    for item in items.iter_mut().filter(|_| tied) {
        item["properties"]["datetime"] = json!(time(0));
    }
    items[0]["properties"]["mark"] = json!("oldest");
    items[count - 1]["properties"]["mark"] = json!("last");
    items
}

/// Where an answer goes on, by either link; a page that can only be tried again holds nothing and says what it lacks.
fn onward(page: &Reply) -> Option<Value> {
    let Some(retry) = page.retry() else { return page.next() };
    assert_eq!((page.names().len(), page.next()), (0, None), "{}", page.text);
    assert!(!page.missing().is_empty() && page.report()["complete"] == false, "{}", page.text);
    assert!(page.report()["members"].to_string().contains("scan-limit"), "{}", page.text);
    Some(retry)
}

/// Follows an answer to its end: the Items met, and how many links were `retry-missed`.
async fn to_the_end(front: &Front, first: Reply) -> (Vec<String>, usize) {
    let (mut page, mut met, mut retries) = (first, Vec::new(), 0);
    loop {
        assert_eq!(page.status, 200, "{}", page.text);
        met.extend(page.names());
        retries += usize::from(page.retry().is_some());
        assert!(retries <= RETRIES_MAX, "does not come to an end: {}", page.text);
        let Some(link) = onward(&page) else { break };
        page = front.follow(&link).await;
    }
    assert!(page.report()["complete"] == true && page.missing().is_empty(), "{}", page.text);
    (met, retries)
}

/// The same of a client that takes complete pages only.
async fn strictly_to_the_end(front: &Front, path: &str) -> (Vec<String>, usize) {
    let (mut path, mut met, mut retries) = (path.to_owned(), Vec::new(), 0);
    loop {
        let page = front.get_with(&path, "prefer", "handling=strict").await;
        let link = if page.status == 503 {
            retries += 1;
            assert!(retries <= RETRIES_MAX && !page.header("retry-after").is_empty(), "{}", page.text);
            Some(page.retry().expect("a link in the body"))
        } else {
            met.extend(page.names());
            assert!(page.status == 200 && page.report()["complete"] == true, "{}", page.text);
            page.next()
        };
        let Some(link) = link else { return (met, retries) };
        link["href"].as_str().unwrap().clone_into(&mut path);
    }
}

/// No match, and one at the very end, by GET, by POST and strictly.
async fn check_progress(members: Vec<ScriptedMember>, sortby: Option<&str>, mark: &str, wanted: &[&str], tied: bool) {
    let mut running = Vec::new();
    for (index, member) in members.into_iter().enumerate() {
        running.push(member.items(two_marked(index, tied)).start().await);
    }
    let front = Front::of(federation_of(running.iter().map(Running::declared))).await;
    for (mark, wanted) in [("none", &[][..]), (mark, wanted)] {
        let filter = format!("mark = '{mark}'");
        let sort = sortby.map_or_else(String::new, |key| format!("&sortby={key}"));
        let path = format!("/search?filter={}{sort}", encoded(&filter));
        let mut body = json!({ "filter": filter, "filter-lang": "cql2-text" });
        if let Some(key) = sortby {
            body["sortby"] = json!([{ "field": key, "direction": "asc" }]);
        }
        let walks = [
            to_the_end(&front, front.get(&path).await).await,
            to_the_end(&front, front.post("/search", &body).await).await,
            strictly_to_the_end(&front, &path).await,
        ];
        for (mut met, retries) in walks {
            // whose turn it is depends on how far each was read
            met.sort();
            assert_eq!(met, wanted, "{path}");
            assert!(retries > 0, "{path}: nothing was left to try again");
        }
    }
}

#[tokio::test]
async fn a_filter_that_nothing_matches_is_read_on_to_its_end() {
    let member = ScriptedMember::new("A").items(two_marked(0, false)).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let before = member.searches();
    let path = format!("/search?limit=7&filter={}", encoded("mark = 'none'"));
    let page = front.get(&path).await;
    assert_eq!((page.status, page.names().len(), page.next()), (200, 0, None));
    assert_eq!(page.member("A")["status"], "scan-limit");
    assert_eq!(page.missing(), ["A"]);
    assert!(member.searches() - before <= 12);
    let link = page.retry().unwrap();
    assert!(link["href"].as_str().unwrap().starts_with(&format!("{}{path}&token=", front.base)), "{link}");
    assert_eq!((&link["method"], &link["type"]), (&json!("GET"), &json!("application/geo+json")));

    let body = json!({ "limit": 7, "filter": "mark = 'none'", "filter-lang": "cql2-text" });
    let link = front.post("/search", &body).await.retry().unwrap();
    assert_eq!((&link["method"], &link["merge"]), (&json!("POST"), &json!(false)));
    assert!(link["body"]["token"].is_string() && link["body"]["filter"] == body["filter"], "{link}");
    let other = front.get(&format!("{path}1&token={}", link["body"]["token"].as_str().unwrap())).await;
    assert_eq!(other.status, 400, "the link belongs to its search: {}", other.text);
}

#[tokio::test]
async fn a_last_match_is_reached_newest_first() {
    check_progress(vec![ScriptedMember::new("A")], None, "oldest", &["A|sea i0-00000"], false).await;
}

#[tokio::test]
async fn a_last_match_is_reached_by_id() {
    check_progress(vec![ScriptedMember::new("A")], Some("id"), "last", &["A|land i0-19999"], false).await;
}

#[tokio::test]
async fn a_last_match_is_reached_in_the_members_own_order() {
    let members = vec![ScriptedMember::new("A").no_sort(), ScriptedMember::new("B").no_sort()];
    check_progress(members, None, "last", &["A|land i0-19999", "B|land i1-19999"], false).await;
}

#[tokio::test]
async fn a_last_match_is_reached_among_items_of_one_time() {
    check_progress(vec![ScriptedMember::new("A")], None, "last", &["A|land i0-19949"], true).await;
}

#[tokio::test]
async fn a_large_tie_in_which_nothing_matches_is_walked_to_its_end() {
    let mut items = catalogue(0, 20_000);
    for item in &mut items {
        item["properties"]["datetime"] = json!(time(0));
    }
    let member = ScriptedMember::new("A").items(items).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let mut page = front.get(&format!("/search?filter={}", encoded("mark = 'none'"))).await;
    let mut retries = 0;
    while let Some(link) = onward(&page) {
        page = front.follow(&link).await;
        retries += 1;
        assert!(retries <= RETRIES_MAX, "does not come to an end: {}", page.text);
    }
    assert_eq!((page.status, page.missing()), (200, Vec::new()), "{}", page.text);
    assert_eq!(page.member("A")["status"], "exhausted");
}
