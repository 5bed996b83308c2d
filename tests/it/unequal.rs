//! One federation whose members do everything, and others whose members do little or lie about it, with the same
//! Items: every search gives the same Items in the same order, page by page. What it costs stands in `explain`.

use serde_json::{Value, json};
use stac_broker::federation::{Federation, Support};

use crate::support::front::names;
use crate::support::{Filters, Front, OutboundMonitor, Running, ScriptedMember, collection, federation_of, item, time};

/// Items of a site: two collections, clouds and platforms, some without either, places across the antimeridian.
fn holdings(site: usize) -> Vec<Value> {
    let platforms = ["sentinel-2a", "Sentinel-2B", "landsat-8"];
    (0..70)
        .map(|n| {
            let name = if n % 3 == 0 { "s1" } else { "s2" };
            let mut one = item(name, &format!("{name}-{site}-{n:03}"), &time((n * 37 + site * 11) % 90));
            let (x, y) = (-179.5 + f64::from((n as u32 * 53 + site as u32 * 17) % 359), -60.0 + n as f64);
            one["geometry"]["coordinates"] = json!([x, y]);
            one["bbox"] = json!([x, y, x, y]);
            if n % 5 > 0 {
                one["properties"]["eo:cloud_cover"] = json!((n * 13 + site) % 100);
            }
            if n % 7 > 0 {
                one["properties"]["platform"] = json!(platforms[n % 3]);
            }
            one["properties"]["gsd"] = if n % 11 == 0 { json!("10") } else { json!(n % 4 * 10) };
            one["properties"]["title"] = json!(format!("a scene of day {n}"));
            if n % 6 == 0 {
                one["properties"]["instruments"] = json!(["msi", "hrc"]);
            }
            one
        })
        .collect()
}

fn site(id: &str, number: usize) -> ScriptedMember {
    ScriptedMember::new(id).collections(vec![collection("s1"), collection("s2")]).items(holdings(number))
}

/// A federation of the sites A and B, each as `make` makes it.
struct World {
    what: &'static str,
    members: Vec<Running>,
    front: Front,
}

async fn world(what: &'static str, probed: bool, make: impl Fn(ScriptedMember) -> ScriptedMember) -> World {
    let mut members = Vec::new();
    for (number, id) in ["A", "B"].into_iter().enumerate() {
        members.push(make(site(id, number)).start().await);
    }
    started(what, probed, members).await
}

async fn started(what: &'static str, probed: bool, members: Vec<Running>) -> World {
    let mut federation: Federation = federation_of(members.iter().map(Running::declared));
    // as these members order texts: otherwise nothing could be merged by id
    federation.members.iter_mut().for_each(|member| member.capabilities.string_order_bytes = true);
    let front = Front::of(federation).await;
    if probed {
        front.broker.probe_now().await;
    }
    World { what, members, front }
}

/// Conditions of every class that is pushed to some member, and of some that never are.
const CONDITIONS: [&str; 27] = [
    "eo:cloud_cover < 20",
    "eo:cloud_cover >= 50 AND platform = 'sentinel-2a'",
    "eo:cloud_cover BETWEEN 10 AND 30",
    "eo:cloud_cover IS NULL",
    "NOT eo:cloud_cover IS NULL AND NOT eo:cloud_cover < 90",
    "platform IN ('sentinel-2a', 'landsat-8')",
    "platform LIKE 'sentinel%'",
    "NOT platform LIKE 'sentinel%'",
    "NOT (platform LIKE '%2_' OR eo:cloud_cover < 50)",
    "platform > 'landsat-8'",
    "CASEI(platform) = CASEI('SENTINEL-2B')",
    "platform <> 'landsat-8'",
    "gsd = 10",
    "gsd > 10",
    "gsd = '10'",
    "title = 'a scene of day 7'",
    "unheard_of = 1",
    "unheard_of IS NULL AND eo:cloud_cover < 5",
    "eo:cloud_cover < 20 OR platform = 'landsat-8'",
    "eo:cloud_cover < 20 OR unheard_of = 1",
    "id = 's2-0-007'",
    "id LIKE 's1-1-%' AND eo:cloud_cover < 50",
    "S_INTERSECTS(geometry, POLYGON((-20 -30, 60 -30, 60 10, -20 10, -20 -30)))",
    "S_INTERSECTS(geometry, BBOX(150, -60, -150, 10)) AND eo:cloud_cover < 80",
    "S_DISJOINT(geometry, BBOX(-170, -60, 170, 0))",
    "datetime > TIMESTAMP('2025-01-01T00:30:00Z') AND eo:cloud_cover < 60",
    "A_CONTAINS(instruments, ('msi'))",
];

const SORTS: [&str; 3] = ["-datetime", "%2Bdatetime", "%2Bid"];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn searches() -> Vec<String> {
    let condition = |text: &str, rest: &str| format!("/search?filter-lang=cql2-text&filter={}&{rest}", encoded(text));
    let mut all: Vec<String> = CONDITIONS.iter().map(|text| condition(text, "sortby=-datetime&limit=100")).collect();
    for (n, sort) in SORTS.iter().enumerate() {
        all.push(condition(CONDITIONS[n], &format!("sortby={sort}&limit=7")));
        all.push(condition(CONDITIONS[18 + n], &format!("sortby={sort}&limit=3")));
    }
    all.push(condition("collection = 'A|s1' AND eo:cloud_cover < 50", "sortby=-datetime&limit=100"));
    all.push(condition("eo:cloud_cover < 50", "sortby=-datetime&limit=10&collections=B%7Cs2&bbox=-180,-90,0,90"));
    all.push(condition("platform = 'landsat-8'", "sortby=-datetime&limit=10&datetime=2025-01-01T00:20:00Z/.."));
    let query = json!({"eo:cloud_cover": {"lt": 40}, "platform": {"eq": "landsat-8"}});
    all.push(format!("/search?query={}&sortby=-datetime&limit=100", encoded(&query.to_string())));
    all
}

async fn walk(world: &World, path: &str) -> Vec<String> {
    let pages = world.front.walk_get(path).await;
    for page in &pages {
        assert!(page.missing().is_empty(), "{}: {path}: {}", world.what, page.report());
    }
    names(&pages)
}

async fn check(worlds: &[World]) {
    let able = world("able", false, ScriptedMember::able).await;
    let mut with_items = 0;
    for path in searches() {
        let wanted = walk(&able, &path).await;
        with_items += usize::from(!wanted.is_empty());
        for other in worlds {
            assert_eq!(walk(other, &path).await, wanted, "{}: {path}", other.what);
        }
    }
    assert!(with_items > 25, "only {with_items} of the searches find anything");
    assert!(able.members.iter().all(|member| {
        member.recorded().iter().any(|request| String::from_utf8_lossy(&request.body).contains("filter-lang"))
    }));
}

#[tokio::test]
async fn members_that_do_little_give_the_same_items_in_the_same_order() {
    let monitor = OutboundMonitor::start().await;
    let basic = ["item-search#filter", "cql2-json", "basic-cql2"];
    check(&[
        world("core only", false, |site| site).await,
        world("core only, unsorted", false, ScriptedMember::no_sort).await,
        world("by GET", false, |site| site.able().get_only()).await,
        world("query only", false, ScriptedMember::queries).await,
        world("text only", false, |site| site.filters(&["cql2-text"])).await,
        world("JSON only, by GET", false, |site| site.filters(&["cql2-json"]).get_only()).await,
        world("the basic class only", false, |site| site.filters(&["cql2-json"]).says_filter(&basic)).await,
        world("closed queryables", false, |site| site.able().queryables(&["eo:cloud_cover", "gsd"])).await,
        world("small pages", false, |site| site.able().page_cap(9)).await,
    ])
    .await;
    monitor.assert_untouched();
}

#[tokio::test]
async fn members_without_item_search_give_the_same_items_in_the_same_order() {
    let monitor = OutboundMonitor::start().await;
    check(&[
        world("items only", false, |site| site.items_only().next_at(&monitor.base)).await,
        world("items only, short pages", true, |site| site.items_only().pages_before_filtering().page_cap(40)).await,
    ])
    .await;
    monitor.assert_untouched();
}

#[tokio::test]
async fn members_that_say_what_is_not_so_give_the_same_items_in_the_same_order() {
    let both = ["cql2-text", "cql2-json"];
    check(&[
        world("claims a filter", false, |site| site.able().really(Filters::Ignores)).await,
        world("claims a filter, probed", true, |site| site.able().really(Filters::Ignores)).await,
        world("refuses its filter", false, |site| site.able().really(Filters::Refuses)).await,
        world("filters loosely", false, |site| site.able().really(Filters::Loosely)).await,
        world("claims a query", false, ScriptedMember::claims_query).await,
        world("hides its filter, probed", true, |site| site.filters(&both).says_filter(&[])).await,
        world("hides its query, probed", true, ScriptedMember::hides_query).await,
        world("ignores bbox and datetime", false, |site| site.able().ignores(&["bbox", "datetime", "intersects"]))
            .await,
        world("loses what it is asked for by ids and intersects, probed", true, |site| {
            site.loses(&["ids", "intersects"])
        })
        .await,
    ])
    .await;
}

#[tokio::test]
async fn one_federation_of_unequal_members_gives_what_equal_ones_give() {
    let members = vec![site("A", 0).able().start().await, site("B", 1).items_only().start().await];
    let unequal = started("one able, one items only", true, members).await;
    check(&[unequal]).await;
}

#[tokio::test]
async fn the_cost_of_what_a_member_cannot_do_stands_in_explain() {
    let path =
        format!("/search/explain?sortby=-datetime&filter={}", encoded("eo:cloud_cover < 20 AND title = 'a scene'"));
    let leg = async |world: &World| world.front.get(&path).await.json()["legs"][0].clone();
    let has = |leg: &Value, part: &str, text: &str| {
        leg[part].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains(text))
    };
    let able = leg(&world("able", false, ScriptedMember::able).await).await;
    assert!(has(&able, "pushdown", "eo:cloud_cover") && !has(&able, "residual", "eo:cloud_cover"), "{able}");
    assert!(has(&able, "residual", "title"), "its words may be indexed: {able}");
    let core = leg(&world("core", false, |site| site).await).await;
    assert!(!has(&core, "pushdown", "filter") && has(&core, "residual", "eo:cloud_cover"), "{core}");
    let items = world("items only", false, ScriptedMember::items_only).await;
    let plan = items.front.get(&path).await;
    assert_eq!(plan.json()["legs"][0]["requests"], 2, "one for each collection");
    assert_eq!(plan.json()["requests_first_page"], 4);
}

#[tokio::test]
async fn what_members_can_do_is_shown_with_where_it_is_known_from() {
    let mut members = vec![site("A", 0).able().really(Filters::Loosely).start().await];
    members.push(site("B", 1).filters(&["cql2-json"]).start().await);
    members.push(site("C", 2).items_only().start().await);
    let mut federation = federation_of(members.iter().map(Running::declared));
    federation.members[1].capabilities.filter = Some(Support::Inexact);
    let front = Front::of(federation).await;
    front.broker.probe_now().await;
    let can = |id: &str| {
        let path = format!("/federation/members/{id}");
        let front = &front;
        async move { front.get(&path).await.json()["capabilities"].clone() }
    };
    let a = can("A").await;
    assert_eq!((&a["filter"], &a["sources"]["filter"]), (&json!("inexact"), &json!("probed")));
    assert_eq!(a["filter_lang"], json!(["cql2-text", "cql2-json"]));
    assert!(a["probed_at"].as_str().unwrap().ends_with('Z') && a["contradictions"] == 1, "{a}");
    assert!(a["notes"][0].as_str().unwrap().contains("declares `filter`"), "{a}");
    let b = can("B").await;
    assert_eq!(
        (&b["filter"], &b["sources"]["filter"], &b["sources"]["sort"]),
        (&json!("inexact"), &json!("file"), &json!("declared"))
    );
    let c = can("C").await;
    assert_eq!((&c["collections_max"], &c["sort"]), (&json!(20), &json!("unsupported")));
    assert!(c["notes"][0].as_str().unwrap().contains("no Item Search"), "{c}");
}

#[tokio::test]
async fn a_member_that_breaks_its_word_is_believed_less_after_a_while() {
    let world = world("filters loosely", false, |site| site.able().really(Filters::Loosely)).await;
    let path = format!("/search?filter={}&sortby=-datetime&limit=100", encoded("eo:cloud_cover < 20"));
    let can = |id: &'static str| {
        let front = &world.front;
        async move { front.get(&format!("/federation/members/{id}")).await.json()["capabilities"].clone() }
    };
    let counted = |page: &crate::support::front::Reply| page.json()["numberMatched"].clone();
    for _ in 0..2 {
        assert_eq!(counted(&world.front.get(&path).await), Value::Null, "its count is one of too much");
        assert_eq!(can("A").await["filter"], "exact");
    }
    world.front.get(&path).await;
    assert_eq!(can("A").await["filter"], "inexact");
    let page = world.front.get(&path).await;
    assert!(page.names().len() > 10 && counted(&page).is_null());
    assert!(world.members[0].searches() >= 4);
}
