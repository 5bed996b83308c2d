//! Members that cannot sort and have more than can be drained, over HTTP: read by windows of time, and merged with members
//! that sort.

use serde_json::{Value, json};

use crate::support::front::names;
use crate::support::oracle::Oracle;
use crate::support::{Front, Running, ScriptedMember, federation_of, item, time};

/// So many Items of a member, in no order: ties of two and three, and every seventh lasts for two hours.
fn unordered(id: &str, count: usize) -> Vec<Value> {
    let one = |n: usize| {
        let place = n * 1_009 % count;
        let minute = place * 2 - place % 3;
        let mut item = item(&format!("{}-items", id.to_lowercase()), &format!("{id}{place:04}"), &time(minute));
        if place.is_multiple_of(7) {
            item["properties"] = json!({
                "datetime": null, "start_datetime": time(minute), "end_datetime": time(minute + 120)
            });
        }
        item
    };
    (0..count).map(one).collect()
}

struct World {
    front: Front,
    all: Oracle,
    /// The one that cannot sort.
    unsorted: Running,
    _sorting: [Running; 2],
}

/// A member of 3,000 Items that cannot sort, changed by `script`, beside two of 400 that can.
async fn world(script: impl Fn(ScriptedMember) -> ScriptedMember) -> World {
    let catalogues = [("A", 3_000), ("B", 400), ("C", 400)].map(|(id, count)| (id, unordered(id, count)));
    let all = Oracle::of(catalogues.iter().map(|(id, items)| (*id, items.as_slice())));
    let [a, b, c] = catalogues.map(|(id, items)| ScriptedMember::new(id).items(items));
    let unsorted = script(a.no_sort()).start().await;
    let sorting = [b.start().await, c.start().await];
    let members = [&unsorted, &sorting[0], &sorting[1]].map(Running::declared);
    World { front: Front::of(federation_of(members)).await, all, unsorted, _sorting: sorting }
}

impl World {
    /// Walks to the end: everything once and in order, whole, with few requests to the member that cannot sort.
    async fn check(&self, sortby: &str, limit: u32, requests_a_page: usize) {
        let before = self.unsorted.searches();
        let pages = self.front.walk_get(&format!("/search?sortby={sortby}&limit={limit}")).await;
        let what = format!("sortby={sortby}, pages of {limit}");
        let wanted =
            self.all.sorted(|a, b| if sortby.starts_with('-') { b.at().cmp(&a.at()) } else { a.at().cmp(&b.at()) });
        let failed = pages.iter().find(|page| page.report()["complete"] != true).map(|page| page.member("A"));
        assert!(failed.is_none(), "{what}: {failed:?}");
        let got = names(&pages);
        let differs = got.iter().zip(&wanted).position(|(got, wanted)| got != wanted);
        assert!(
            differs.is_none() && got.len() == wanted.len(),
            "{what}: {} Items, other from {differs:?} on",
            got.len()
        );
        assert!(pages.iter().all(|page| page.missing().is_empty()), "{what}");
        assert!(pages[1..].iter().all(|page| page.member("A")["requests"].as_u64().unwrap() <= 4), "{what}");
        assert!(pages[0].member("A")["requests"].as_u64().unwrap() <= 12, "{what}");
        let asked = self.unsorted.searches() - before;
        assert!(asked <= requests_a_page * pages.len() + 12, "{what}: {asked} requests for {} pages", pages.len());
    }
}

#[tokio::test]
async fn a_member_that_cannot_sort_is_merged_by_time_whatever_it_holds() {
    let world = world(|member| member).await;
    for sortby in ["-datetime", "%2Bdatetime"] {
        for limit in [100, 1000] {
            world.check(sortby, limit, 3).await;
        }
    }
    // a window of few Items is one request
    world.check("-datetime", 7, 2).await;
}

#[tokio::test]
async fn windows_need_neither_counts_nor_large_pages() {
    let world = world(|member| member.no_counts().page_cap(40)).await;
    world.check("%2Bdatetime", 60, 4).await;
    world.check("-datetime", 60, 4).await;
}

#[tokio::test]
async fn the_interval_of_the_client_bounds_the_windows() {
    let world = world(super::support::scripted::ScriptedMember::trailing_empty_page).await;
    let (start, end) = (time(1_000), time(3_000));
    let wanted = world.all.only(|held| {
        let properties = &held.item["properties"];
        let last = properties["end_datetime"].as_str().or_else(|| properties["datetime"].as_str()).unwrap();
        held.at() <= chrono::DateTime::parse_from_rfc3339(&end).unwrap().timestamp_millis() && *last >= *start
    });
    for (sortby, descending) in [("-datetime", true), ("%2Bdatetime", false)] {
        let pages = world.front.walk_get(&format!("/search?sortby={sortby}&limit=90&datetime={start}/{end}")).await;
        let order = wanted.sorted(|a, b| if descending { b.at().cmp(&a.at()) } else { a.at().cmp(&b.at()) });
        assert_eq!(names(&pages), order, "{sortby}");
    }
}

#[tokio::test]
async fn explain_names_windows_and_a_search_without_an_order_takes_turns() {
    let world = world(|member| member).await;
    let plan = world.front.get("/search/explain?sortby=-datetime").await;
    let leg = &plan.json()["legs"][0];
    assert_eq!((&leg["id"], &leg["mode"], &leg["residual"]), (&json!("A"), &json!("slice"), &json!(["sortby"])));
    assert_eq!(plan.json()["requests_max"], 36, "three members, each twelve times at most");
    let page = world.front.get("/search?limit=9").await;
    assert_eq!(page.report()["order"]["by"], "quota", "newest first cannot be had of it without asking for it");
}
