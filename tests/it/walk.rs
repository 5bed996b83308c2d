//! Walks over all Items of five unlike members, over HTTP: each Item once, in order, whatever the page size, by the links
//! of GET and of POST; and what a cursor is good for.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Federation, Secret};

use crate::support::front::names;
use crate::support::oracle::{Held, Oracle};
use crate::support::{Front, NextForm, Running, ScriptedMember, federation_of, item, items, time};

const MEMBERS: [&str; 5] = ["CMEMS", "EDITO", "EMODNET", "EODC", "GRNET"];

/// A catalogue with ties inside and across members, ids whose order is not that of the times, upper case, letters beyond
/// ASCII, and the same id in two collections.
fn catalogue(member: usize, count: usize) -> Vec<Value> {
    let own = MEMBERS[member].to_lowercase();
    let mut items = Vec::with_capacity(count);
    for n in 0..count {
        let prefix = ["a", "B", "c_", "Z", "z", "é"][(n * 7 + member) % 6];
        let id = format!("{prefix}{:03}-{member}-{n}", (n * 271) % 1000);
        let collection = if n % 3 == 0 { "sea-surface".to_owned() } else { format!("{own}-{}", n % 2) };
        let twin = n % 50 == 8;
        let (collection, id, minute) = if twin {
            let before: &Value = &items[n - 1];
            ("twins".to_owned(), before["id"].as_str().unwrap().to_owned(), n - 1)
        } else {
            (collection, id, n)
        };
        let mut item = item(&collection, &id, &time((minute * 17 + member * 3) % (count / 2)));
        let at = [
            f64::from(u32::try_from(n * 101 % 360).unwrap()) - 180.0,
            f64::from(u32::try_from(n * 53 % 160).unwrap()) - 80.0,
        ];
        item["geometry"]["coordinates"] = json!(at);
        item["bbox"] = json!([at[0], at[1], at[0], at[1]]);
        items.push(item);
    }
    items
}

fn oracle(catalogues: &[Vec<Value>]) -> Oracle {
    Oracle::of(MEMBERS.iter().zip(catalogues).map(|(id, items)| (*id, items.as_slice())))
}

/// Five members as unlike as real ones: plain, GET-only with a small cap, counting pages and showing Items again, slow
/// with an empty page at its end, and capped without counts.
fn unlike(catalogues: &[Vec<Value>]) -> [ScriptedMember; 5] {
    let member = |index: usize| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone());
    [
        member(0).next_form(NextForm::PostFull),
        member(1).get_only().page_cap(37),
        member(2).page_cap(50).repeats(3),
        member(3).next_form(NextForm::PostMerge).trailing_empty_page().slow(Duration::from_millis(2)),
        member(4).next_form(NextForm::GetAfterPost).page_cap(100).no_counts(),
    ]
}

/// The same members without faults: all count.
fn alike(catalogues: &[Vec<Value>]) -> [ScriptedMember; 5] {
    [0, 1, 2, 3, 4].map(|index| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone()))
}

async fn start(members: [ScriptedMember; 5]) -> Vec<Running> {
    let mut running = Vec::new();
    for member in members {
        running.push(member.start().await);
    }
    running
}

/// All members order text by bytes.
fn declared(members: &[Running]) -> Federation {
    federation_of(members.iter().map(|member| {
        let mut declared = member.declared();
        declared.capabilities.string_order_bytes = true;
        declared
    }))
}

fn catalogues(count: usize) -> Vec<Vec<Value>> {
    (0..5).map(|member| catalogue(member, count)).collect()
}

/// The first place where two lists differ: a whole list of thousands tells nobody anything.
fn check_same(got: &[String], wanted: &[String], what: &str) {
    let differs = got.iter().zip(wanted).position(|(got, wanted)| got != wanted);
    if let Some(at) = differs.or((got.len() != wanted.len()).then_some(got.len().min(wanted.len()))) {
        let near = |list: &[String]| list.iter().skip(at.saturating_sub(1)).take(4).cloned().collect::<Vec<_>>();
        let repeats = got.len() - got.iter().collect::<HashSet<_>>().len();
        panic!(
            "{what}: {} of {} Items, {repeats} repeated, different from place {at} on: got {:?}, wanted {:?}",
            got.len(),
            wanted.len(),
            near(got),
            near(wanted)
        );
    }
}

/// `query` by GET and `body` by POST, in pages of these sizes, give exactly this list.
async fn check_walks(front: &Front, query: &str, body: &Value, limits: &[u32], wanted: &[String]) {
    for limit in limits {
        let got = front.walk_get(&format!("/search?limit={limit}&{query}")).await;
        check_same(&names(&got), wanted, &format!("GET {query} in pages of {limit}"));
        assert!(got.iter().all(|page| page.report()["complete"] == true), "GET {query} in pages of {limit}");
        let mut body = body.clone();
        body["limit"] = (*limit).into();
        let got = front.walk_post(&body).await;
        check_same(&names(&got), wanted, &format!("POST {body} in pages of {limit}"));
        assert!(got.iter().all(|page| page.missing().is_empty()), "POST {body} in pages of {limit}");
    }
}

async fn check_all_of_five_thousand(limits: &[u32]) {
    let catalogues = catalogues(1_000);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    check_walks(&front, "", &json!({}), limits, &oracle(&catalogues).newest_first()).await;
}

#[tokio::test]
async fn five_thousand_items_in_pages_of_1000_and_100() {
    check_all_of_five_thousand(&[1000, 100]).await;
}

#[tokio::test]
async fn five_thousand_items_in_pages_of_7() {
    check_all_of_five_thousand(&[7]).await;
}

#[tokio::test]
async fn six_hundred_items_in_pages_of_1() {
    let catalogues = catalogues(120);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let pages = front.walk_get("/search?limit=1").await;
    check_same(&names(&pages), &oracle(&catalogues).newest_first(), "GET in pages of 1");
}

#[tokio::test]
async fn three_hundred_items_in_posted_pages_of_1() {
    let catalogues = catalogues(60);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let pages = front.walk_post(&json!({"limit": 1})).await;
    check_same(&names(&pages), &oracle(&catalogues).newest_first(), "POST in pages of 1");
}

#[tokio::test]
async fn every_order_is_the_order_asked_for() {
    let catalogues = catalogues(120);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let all = oracle(&catalogues);
    let by = |field: &str, direction: &str| json!({"sortby": [{"field": field, "direction": direction}]});
    check_walks(&front, "sortby=datetime", &by("properties.datetime", "asc"), &[7, 100], &all.oldest_first()).await;
    check_walks(&front, "sortby=-datetime", &by("datetime", "desc"), &[11], &all.newest_first()).await;
    let by_id = |a: &Held, b: &Held| a.id().as_bytes().cmp(b.id().as_bytes());
    check_walks(&front, "sortby=id", &by("id", "asc"), &[7, 100], &all.sorted(by_id)).await;
    check_walks(&front, "sortby=-id", &by("id", "desc"), &[7, 100], &all.sorted(|a, b| by_id(b, a))).await;
    let wanted = all.sorted(|a, b| a.collection().cmp(&b.collection()).then(b.at().cmp(&a.at())));
    let body =
        json!({"sortby": [{"field": "collection", "direction": "asc"}, {"field": "datetime", "direction": "desc"}]});
    check_walks(&front, "sortby=collection,-datetime", &body, &[7, 100], &wanted).await;
}

#[tokio::test]
async fn conditions_give_what_the_union_would() {
    let catalogues = catalogues(200);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let all = oracle(&catalogues);

    let (from, to) = (time(20), time(60));
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
    let wanted = all.only(|held| at(&from) <= held.at() && held.at() <= at(&to)).newest_first();
    assert!(wanted.len() > 100);
    check_walks(
        &front,
        &format!("datetime={from}/{to}"),
        &json!({"datetime": format!("{from}/{to}")}),
        &[9, 100],
        &wanted,
    )
    .await;
    let wanted = all.only(|held| held.at() >= at(&to)).oldest_first();
    let body = json!({"datetime": format!("{to}/.."), "sortby": [{"field": "datetime"}]});
    check_walks(&front, &format!("datetime={to}/..&sortby=datetime"), &body, &[9], &wanted).await;

    let within = |held: &Held, west: f64, east: f64| {
        let [x, y] = [&held.item["bbox"][0], &held.item["bbox"][1]].map(|number| number.as_f64().unwrap());
        let wide = if west > east { x >= west || x <= east } else { west <= x && x <= east };
        wide && (-40.0..=40.0).contains(&y)
    };
    let wanted = all.only(|held| within(held, -20.0, 60.0)).newest_first();
    assert!(wanted.len() > 10);
    check_walks(&front, "bbox=-20,-40,60,40", &json!({"bbox": [-20, -40, 60, 40]}), &[9, 100], &wanted).await;
    let wanted = all.only(|held| within(held, 150.0, -150.0)).newest_first();
    assert!(wanted.len() > 5);
    check_walks(&front, "bbox=150,-40,-150,40", &json!({"bbox": [150, -40, -150, 40]}), &[9], &wanted).await;

    let native = |held: &Held| held.item["collection"].as_str().unwrap().to_owned();
    let wanted = all.only(|held| native(held) == "sea-surface" || held.collection() == "EODC|eodc-1").newest_first();
    let body = json!({"collections": ["sea-surface", "EODC|eodc-1"]});
    check_walks(&front, "collections=sea-surface,EODC%7Ceodc-1", &body, &[9, 100], &wanted).await;

    let some: Vec<String> = all.0.iter().step_by(13).map(|held| held.id().to_owned()).collect();
    let wanted = all.only(|held| some.iter().any(|id| id == held.id())).newest_first();
    check_walks(&front, &format!("ids={}", some.join(",")), &json!({"ids": some}), &[9, 100], &wanted).await;
}

#[tokio::test]
async fn the_items_of_a_collection_are_walked_by_its_own_links() {
    let catalogues = catalogues(120);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    for limit in [1, 7, 100] {
        let pages = front.walk_get(&format!("/collections/EDITO%7Csea-surface/items?limit={limit}")).await;
        let wanted = oracle(&catalogues).only(|held| held.collection() == "EDITO|sea-surface").newest_first();
        check_same(&names(&pages), &wanted, "items");
        assert!(pages[0].next().is_none_or(|next| next["href"].as_str().unwrap().contains("/items?")));
    }
}

#[tokio::test]
async fn a_member_that_cannot_sort_is_drained_for_an_order_and_takes_turns_without_one() {
    let catalogues = catalogues(120);
    let mut scripts = unlike(&catalogues);
    scripts[2] = ScriptedMember::new(MEMBERS[2]).items(catalogues[2].clone()).page_cap(50).no_sort();
    let members = start(scripts).await;
    let front = Front::of(declared(&members)).await;
    let all = oracle(&catalogues);
    let body = json!({"sortby": [{"field": "datetime", "direction": "desc"}]});
    check_walks(&front, "sortby=-datetime", &body, &[7, 100], &all.newest_first()).await;

    for limit in [1, 7, 100, 1000] {
        let pages = front.walk_get(&format!("/search?limit={limit}")).await;
        assert_eq!(pages[0].report()["order"]["by"], "quota");
        let mut got = names(&pages);
        let first: HashSet<String> =
            got.iter().take(5).map(|name| name.split('|').next().unwrap().to_owned()).collect();
        assert_eq!(first.len(), 5, "one of each in turn");
        got.sort_unstable();
        check_same(&got, &all.names(), &format!("in turn, in pages of {limit}"));
    }
    let one = names(&front.walk_get("/search?limit=1").await);
    for limit in [7, 100] {
        let got = names(&front.walk_get(&format!("/search?limit={limit}")).await);
        check_same(&got, &one, "the order does not depend on the page size");
    }
}

#[tokio::test]
async fn members_that_cannot_sort_are_walked_in_turns_under_every_condition() {
    let catalogues = catalogues(100);
    let script = |index: usize| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone()).no_sort();
    let scripts = [
        script(0).next_form(NextForm::PostMerge),
        script(1).get_only().page_cap(9),
        script(2).next_form(NextForm::PageNumber).trailing_empty_page(),
        script(3).next_form(NextForm::LinkHeader).page_cap(13),
        script(4).next_form(NextForm::GetAfterPost).no_counts(),
    ];
    let members = start(scripts).await;
    let front = Front::of(declared(&members)).await;
    let all = oracle(&catalogues);
    let until = chrono::DateTime::parse_from_rfc3339(&time(30)).unwrap().timestamp_millis();
    let x = |held: &Held| held.item["bbox"][0].as_f64().unwrap();
    let some: Vec<String> = all.0.iter().step_by(7).map(|held| held.id().to_owned()).collect();
    for (query, wanted) in [
        (String::new(), all.clone()),
        (format!("datetime=../{}", time(30)), all.only(|held| held.at() <= until)),
        ("bbox=-50,-90,50,90".to_owned(), all.only(|held| (-50.0..=50.0).contains(&x(held)))),
        (
            "collections=twins,sea-surface".to_owned(),
            all.only(|held| held.collection().ends_with("twins") || held.collection().ends_with("sea-surface")),
        ),
        // a single member: its own order passes through
        ("collections=EODC%7Ceodc-1".to_owned(), all.only(|held| held.collection() == "EODC|eodc-1")),
        (format!("ids={}", some.join(",")), all.only(|held| some.iter().any(|id| id == held.id()))),
    ] {
        assert!(wanted.0.len() > 9, "{query}");
        for limit in [1, 7, 100] {
            let pages = front.walk_get(&format!("/search?limit={limit}&{query}")).await;
            let mut got = names(&pages);
            got.sort_unstable();
            check_same(&got, &wanted.names(), &format!("{query} in pages of {limit}"));
            assert!(
                pages.iter().all(|page| page.report()["complete"] == true && page.report()["order"]["by"] != "broker")
            );
        }
    }
}

#[tokio::test]
async fn a_member_with_too_many_items_to_be_sorted_here_is_named() {
    let catalogues = [catalogue(0, 60), catalogue(1, 2_500)];
    let good = ScriptedMember::new(MEMBERS[0]).items(catalogues[0].clone()).start().await;
    // without a bound on time there are no windows that it could be read by
    let large = ScriptedMember::new(MEMBERS[1]).items(catalogues[1].clone()).no_sort().ignores(&["datetime"]);
    let large = large.start().await;
    let front = Front::of(federation_of([good.declared(), large.declared()])).await;
    let wanted = Oracle::of([(MEMBERS[0], catalogues[0].as_slice())]).newest_first();
    let page = front.get("/search?sortby=-datetime&limit=100").await;
    check_same(&page.names(), &wanted, "the other member");
    assert_eq!(page.header("federation-missing"), "EDITO");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.member("EDITO")["status"], "skipped-capability");
    assert!(page.member("EDITO")["feature"].as_str().unwrap().starts_with("sort"));

    // further down fewer of its Items are left, so it may come in; what it did not show stays declared
    let pages = front.walk_get("/search?sortby=-datetime&limit=7").await;
    let of_the_other: Vec<String> = names(&pages).into_iter().filter(|name| name.starts_with("CMEMS")).collect();
    check_same(&of_the_other, &wanted, "the other member");
    assert!(pages.iter().all(|page| page.missing() == ["EDITO"] && page.report()["complete"] == false));
    let strict = front.get_with("/search?sortby=-datetime", "prefer", "handling=strict").await;
    assert_eq!((strict.status, strict.json()["code"].as_str()), (400, Some("InvalidParameter")));
    assert!(strict.text.contains("EDITO"), "{}", strict.text);
}

#[tokio::test]
async fn text_is_not_ordered_by_members_of_unknown_collation() {
    let catalogues = catalogues(20);
    let members = start(alike(&catalogues)).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let page = front.get("/search?sortby=id").await;
    assert_eq!((page.status, page.json()["code"].as_str()), (400, Some("InvalidParameter")), "{}", page.text);
    let alone = front.get("/search?sortby=id&collections=CMEMS%7Csea-surface").await;
    assert_eq!((alone.status, alone.missing().len()), (200, 0), "one member's own order is good enough");
}

/// Walks two members in pages of 1, 7 and 100, newest and oldest first.
async fn check_pair(scripts: [ScriptedMember; 2], catalogues: [&[Value]; 2]) {
    let [a, b] = scripts;
    let members = [a.start().await, b.start().await];
    let front = Front::of(declared(&members)).await;
    let all = Oracle::of([(members[0].id.as_str(), catalogues[0]), (members[1].id.as_str(), catalogues[1])]);
    let oldest = json!({"sortby": [{"field": "datetime"}]});
    check_walks(&front, "", &json!({}), &[1, 7, 100], &all.newest_first()).await;
    check_walks(&front, "sortby=datetime", &oldest, &[7, 100], &all.oldest_first()).await;
}

#[tokio::test]
async fn every_form_of_next_and_every_way_of_asking() {
    let (one, other) = (catalogue(0, 40), catalogue(1, 40));
    let plain = || ScriptedMember::new("B").items(other.clone()).page_cap(9);
    for form in [NextForm::LinkHeader, NextForm::Headers, NextForm::GetAfterPost, NextForm::PageNumber] {
        let script = ScriptedMember::new("A").items(one.clone()).page_cap(9).next_form(form);
        check_pair([script, plain()], [&one, &other]).await;
    }
    for script in [
        ScriptedMember::new("A").claims_post(),
        ScriptedMember::new("A").post_only().page_cap(11),
        ScriptedMember::new("A").get_only().trailing_empty_page(),
        ScriptedMember::new("A").next_form(NextForm::None),
    ] {
        check_pair([script.items(one.clone()), plain()], [&one, &other]).await;
    }
}

#[tokio::test]
async fn times_finer_than_a_millisecond_are_one_tie() {
    let fine = |name: &str| -> Vec<Value> {
        let at = |n: usize| format!("2025-01-01T00:00:00.00{}{:03}Z", n % 4, (n * 137) % 1000);
        (0..60).map(|n| item(name, &format!("{name}-{:02}", (n * 7) % 60), &at(n))).collect()
    };
    let (one, other) = (fine("c"), fine("d"));
    let scripts =
        [ScriptedMember::new("A").items(one.clone()), ScriptedMember::new("B").items(other.clone()).page_cap(13)];
    check_pair(scripts, [&one, &other]).await;
}

#[tokio::test]
async fn times_in_every_notation_and_items_that_last() {
    let mut one = items("c", 60);
    for (n, item) in one.iter_mut().enumerate() {
        let properties = item["properties"].as_object_mut().unwrap();
        match n % 4 {
            0 => properties.insert("datetime".to_owned(), format!("2025-01-01T{:02}:30:00.5+01:00", n % 24).into()),
            1 => properties.insert("datetime".to_owned(), format!("2025-01-01t{:02}:00:00z", n % 24).into()),
            2 => {
                properties.insert("datetime".to_owned(), Value::Null);
                properties.insert("start_datetime".to_owned(), format!("2024-12-{:02}T00:00:00Z", 1 + n % 28).into());
                properties.insert("end_datetime".to_owned(), "2025-02-01T00:00:00Z".into())
            }
            _ => None,
        };
    }
    let other = items("d", 60);
    let scripts = [
        ScriptedMember::new("A").items(one.clone()).page_cap(17),
        ScriptedMember::new("B").items(other.clone()).get_only(),
    ];
    check_pair(scripts, [&one, &other]).await;
}

#[tokio::test]
async fn a_tie_longer_than_a_members_page_is_read_whole() {
    let at_once = |name: &str, count: usize| -> Vec<Value> {
        (0..count).map(|n| item(name, &format!("{name}-{:03}", (n * 61) % count), &time(n / 90))).collect()
    };
    let (one, other) = (at_once("c", 180), at_once("d", 180));
    let scripts = [
        ScriptedMember::new("A").items(one.clone()).page_cap(30),
        ScriptedMember::new("B").items(other.clone()).page_cap(50).repeats(2),
    ];
    check_pair(scripts, [&one, &other]).await;
}

#[tokio::test]
async fn a_tie_of_thousands_is_walked_whole_where_the_member_orders_it() {
    let mut one: Vec<Value> = (0..2_500).map(|n| item("c", &format!("c-{:04}", (n * 7) % 2_500), &time(10))).collect();
    one.extend(items("e", 20));
    let other = items("d", 20);
    let members = [
        ScriptedMember::new("A").items(one.clone()).start().await,
        ScriptedMember::new("B").items(other.clone()).page_cap(10).start().await,
    ];
    let front = Front::of(declared(&members)).await;
    let all = Oracle::of([("A", one.as_slice()), ("B", other.as_slice())]).newest_first();
    let pages = front.walk_get("/search?limit=100").await;
    check_same(&names(&pages), &all, "pages of 100");
    for page in &pages {
        assert_eq!(page.report()["complete"], true, "{}", page.report());
        assert!(page.member("A")["requests"].as_u64().unwrap() <= 5, "{}", page.member("A"));
    }
}

#[tokio::test]
async fn a_tie_too_long_to_be_sorted_is_given_in_its_members_own_order_behind_all_others() {
    let mut one: Vec<Value> = (0..2_500).map(|n| item("c", &format!("c-{:04}", (n * 7) % 2_500), &time(10))).collect();
    one.extend(items("e", 20));
    let other = items("d", 20);
    let members = [
        ScriptedMember::new("A").items(one.clone()).start().await,
        ScriptedMember::new("B").items(other.clone()).start().await,
    ];
    let mut federation = declared(&members);
    federation.members[0].capabilities.sort_fields = Some(vec!["datetime".to_owned()]);
    let front = Front::of(federation).await;
    let mut wanted = Oracle::of([("A", &one[2_500..]), ("B", other.as_slice())]).newest_first();
    // the other Item of A at this very time comes where A has it
    wanted.retain(|name| name != "A|e e-0010");
    let behind = wanted.iter().position(|name| name.ends_with("d-0010")).unwrap() + 1;
    let own = one[..2_500].iter().map(|item| format!("A|c {}", item["id"].as_str().unwrap()));
    wanted.splice(behind..behind, own.chain(["A|e e-0010".to_owned()]));
    for limit in [7, 100] {
        let pages = front.walk_get(&format!("/search?limit={limit}")).await;
        check_same(&names(&pages), &wanted, &format!("pages of {limit}"));
        let last = pages.last().unwrap();
        assert!(last.missing().is_empty(), "{}", last.report());
        let walked = pages.iter().filter(|page| page.report()["order"]["ties"] == "member").count();
        let least = 2_501_usize.div_ceil(limit);
        // the page on which the tie begins may end before the walk does begin
        assert!((least..=least + 1).contains(&walked), "{walked} of {least} pages of {limit}");
    }
}

#[tokio::test]
async fn number_matched_is_the_sum_of_the_first_page_and_stays() {
    let catalogues = catalogues(40);
    let members = start(alike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    for page in front.walk_get("/search?limit=30").await {
        assert_eq!(page.json()["numberMatched"], 200);
        assert_eq!(page.report()["matched"], json!({"lower": 200, "upper": 200}));
    }
    assert_eq!(front.post("/search", &json!({"limit": 1})).await.json()["numberMatched"], 200);
    let one = front.get("/search?collections=twins").await;
    let one = one.json();
    let wanted = oracle(&catalogues).only(|held| held.item["collection"] == "twins").0.len();
    assert_eq!(
        (one["numberMatched"].as_u64(), one["numberReturned"].as_u64()),
        (Some(wanted as u64), Some(wanted as u64))
    );

    let counts_not = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&counts_not)).await;
    for page in front.walk_get("/search?limit=30").await {
        assert_eq!(page.json().get("numberMatched"), None, "one member gives no count");
        assert_eq!(page.report()["matched"]["upper"], Value::Null);
    }
}

#[tokio::test]
async fn the_limit_may_change_from_page_to_page() {
    let catalogues = catalogues(120);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let all = oracle(&catalogues);
    let by_id = |a: &Held, b: &Held| a.id().as_bytes().cmp(b.id().as_bytes());
    for (query, wanted) in [
        ("", all.newest_first()),
        ("&sortby=datetime", all.oldest_first()),
        ("&sortby=id", all.sorted(by_id)),
        ("&sortby=-collection", all.sorted(|a, b| b.collection().cmp(&a.collection()))),
    ] {
        let mut page = front.get(&format!("/search?limit=3{query}")).await;
        let mut got = page.names();
        for limit in [50, 1, 200, 2, 7, 1000].iter().cycle() {
            let Some(next) = page.next() else { break };
            let token = token_of(&next);
            page = front.get(&format!("/search?limit={limit}{query}&token={token}")).await;
            assert!(page.names().len() <= *limit);
            got.extend(page.names());
        }
        check_same(&got, &wanted, &format!("changing limits{query}"));
    }
}

#[tokio::test]
async fn small_pages_by_collection_give_whole_collections() {
    let (one, other) = (items("c", 300), items("d", 150));
    let members = [
        ScriptedMember::new("A").items(one.clone()).start().await,
        ScriptedMember::new("B").items(other.clone()).page_cap(40).start().await,
    ];
    let front = Front::of(declared(&members)).await;
    let all = Oracle::of([("A", one.as_slice()), ("B", other.as_slice())]);
    let body = json!({"sortby": [{"field": "collection"}]});
    let wanted = all.sorted(|a, b| a.collection().cmp(&b.collection()));
    check_walks(&front, "sortby=collection", &body, &[5, 10], &wanted).await;
}

#[tokio::test]
async fn two_brokers_with_one_key_serve_alternating_pages() {
    let catalogues = catalogues(120);
    let members = start(unlike(&catalogues)).await;
    let with_key = || {
        let mut federation = declared(&members);
        federation.cursor.keys = vec![Secret::new("A".repeat(43))];
        federation
    };
    let fronts = [Front::of(with_key()).await, Front::of(with_key()).await];
    for by_post in [false, true] {
        for limit in [7, 100] {
            let mut page = if by_post {
                fronts[0].post("/search", &json!({"limit": limit})).await
            } else {
                fronts[0].get(&format!("/search?limit={limit}")).await
            };
            let mut got = page.names();
            for turn in (0..2).cycle().skip(1) {
                let Some(mut next) = page.next() else { break };
                let href = next["href"].as_str().unwrap();
                next["href"] = href.replace(&fronts[1 - turn].base, &fronts[turn].base).into();
                page = fronts[turn].follow(&next).await;
                assert_eq!(page.status, 200, "{}", page.text);
                got.extend(page.names());
            }
            check_same(&got, &oracle(&catalogues).newest_first(), "alternating pages");
        }
    }
    let other = Front::of(declared(&members)).await;
    let next = fronts[0].get("/search?limit=3").await.next().unwrap();
    let refused = other.get(&format!("/search?limit=3&token={}", token_of(&next))).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("InvalidCursor")), "another key");
}

/// Brokers of one key, each with some of these members.
async fn with_one_key(members: &[Vec<&Running>]) -> Vec<Front> {
    let mut fronts = Vec::new();
    for members in members {
        let mut federation = federation_of(members.iter().map(|member| member.declared()));
        federation.cursor.keys = vec![Secret::new("A".repeat(43))];
        fronts.push(Front::of(federation).await);
    }
    fronts
}

#[tokio::test]
async fn a_member_that_joins_or_leaves_in_a_walk_is_reported() {
    let (one, other) = (items("c", 60), items("d", 60));
    let (a, b) = (
        ScriptedMember::new("A").items(one.clone()).start().await,
        ScriptedMember::new("B").items(other.clone()).start().await,
    );
    let fronts = with_one_key(&[vec![&a, &b], vec![&a]]).await;
    let elsewhere = |next: Value, to: usize| {
        let mut next = next;
        let href = next["href"].as_str().unwrap();
        next["href"] = href.replace(&fronts[1 - to].base, &fronts[to].base).into();
        next
    };
    let (of_a, all) =
        (Oracle::of([("A", one.as_slice())]), Oracle::of([("A", one.as_slice()), ("B", other.as_slice())]));

    let first = fronts[0].get("/search?limit=20").await;
    let left = fronts[1].pages(fronts[1].follow(&elsewhere(first.next().unwrap(), 1)).await).await;
    let wanted: Vec<String> = [first.names(), of_a.newest_first()[10..].to_vec()].concat();
    check_same(&[first.names(), names(&left)].concat(), &wanted, "B left");
    assert!(left.iter().all(|page| page.missing() == ["B"] && page.member("B")["status"] == "removed"));
    let next = elsewhere(first.next().unwrap(), 1);
    let strict = fronts[1].get_with(next["href"].as_str().unwrap(), "prefer", "handling=strict").await;
    assert_eq!((strict.status, strict.json()["code"].as_str()), (410, Some("MembersRemoved")), "{}", strict.text);
    assert!(strict.header("retry-after").is_empty() && strict.json().get("links").is_none(), "waiting does not help");
    let told = strict.json()["description"].as_str().unwrap().to_owned();
    assert!(told.contains("`B`") && told.ends_with("begin the search anew, without `token`"), "{told}");
    assert_eq!(fronts[1].get_with("/search?limit=20", "prefer", "handling=strict").await.status, 200);
    // it is back: from where the walk stands then, and the gap stays declared
    let second = fronts[1].follow(&elsewhere(first.next().unwrap(), 1)).await;
    let back = fronts[0].pages(fronts[0].follow(&elsewhere(second.next().unwrap(), 0)).await).await;
    let got = [first.names(), second.names(), names(&back)].concat();
    let in_order: Vec<String> = all.newest_first().into_iter().filter(|name| got.contains(name)).collect();
    check_same(&got, &in_order, "B came back");
    assert!(back.iter().all(|page| page.missing() == ["B"]));
    assert!(names(&back).iter().any(|name| name.starts_with("B|")), "it contributes again");

    let first = fronts[1].get("/search?limit=20").await;
    let asked = b.searches();
    let joined = fronts[0].pages(fronts[0].follow(&elsewhere(first.next().unwrap(), 0)).await).await;
    check_same(&[first.names(), names(&joined)].concat(), &of_a.newest_first(), "B joined");
    assert!(joined.iter().all(|page| page.missing().is_empty() && page.member("B")["status"] == "joined"));
    assert_eq!(b.searches(), asked, "a member that joined is asked by new searches only");
}

#[tokio::test]
async fn a_cursor_of_another_federation_is_refused() {
    let a = ScriptedMember::new("A").items(items("c", 30)).start().await;
    let of = |id: &str| {
        let mut federation = federation_of([a.declared()]);
        federation.id = id.to_owned();
        federation.cursor.keys = vec![Secret::new("A".repeat(43))];
        federation
    };
    let (one, other) = (Front::of(of("one")).await, Front::of(of("other")).await);
    let token = token_of(&one.get("/search?limit=2").await.next().unwrap());
    let refused = other.get(&format!("/search?limit=2&token={token}")).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("InvalidCursor")));
}

#[tokio::test]
async fn the_same_cursor_gives_the_same_page_any_number_of_times() {
    let catalogues = catalogues(60);
    let members = start(unlike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let next = front.get("/search?limit=20").await.next().unwrap();
    let first = front.follow(&next).await.names();
    for _ in 0..3 {
        assert_eq!(front.follow(&next).await.names(), first);
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query() {
    let catalogues = catalogues(20);
    let members = start(alike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let query =
        "collections=sea-surface&datetime=2024-01-01T00:00:00Z/..&bbox=-180,-90,180,90&sortby=-datetime&fields=id";
    let token = token_of(&front.get(&format!("/search?limit=2&{query}")).await.next().unwrap());
    for (changed, parameter) in [
        (query.replace("sea-surface", "twins"), "collections"),
        (query.replace("2024-01-01", "2024-01-02"), "datetime"),
        (query.replace("-180,", "-179,"), "bbox"),
        (query.replace("-datetime", "datetime"), "sortby"),
        (query.replace("fields=id", "fields=bbox"), "fields"),
        (format!("{query}&ids=x"), "ids"),
        (query.replace("&bbox=-180,-90,180,90", ""), "bbox"),
    ] {
        let refused = front.get(&format!("/search?limit=2&{changed}&token={token}")).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("InvalidParameter")), "{changed}");
        let description = refused.json()["description"].as_str().unwrap().to_owned();
        assert!(description.contains(&format!("`{parameter}`")), "{description}");
    }
    let same = query.replace("00:00:00Z", "00:00:00.000%2B00:00").replace("-180,-90", "-180.0,-90.0");
    assert_eq!(
        front.get(&format!("/search?limit=5&{same}&token={token}")).await.status,
        200,
        "the same, spelled otherwise"
    );
    let body = json!({
        "collections": ["sea-surface"], "datetime": "2024-01-01T00:00:00Z/..", "bbox": [-180, -90, 180, 90],
        "sortby": [{"field": "datetime", "direction": "desc"}], "fields": {"include": ["id"]}, "token": token,
    });
    assert_eq!(front.post("/search", &body).await.status, 200, "the same, by POST");
}

#[tokio::test]
async fn an_altered_cursor_is_refused_wherever_it_is_altered() {
    let catalogues = catalogues(20);
    let members = start(alike(&catalogues)).await;
    let front = Front::of(declared(&members)).await;
    let token = token_of(&front.get("/search?limit=2").await.next().unwrap());
    assert!(token.len() < 1_500, "{} characters", token.len());
    let asked: usize = members.iter().map(Running::searches).sum();
    let mut altered: Vec<String> = (0..token.len())
        .step_by(5)
        .map(|at| {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &token[..at], &token[at + 1..])
        })
        .collect();
    altered.extend([token[..token.len() - 4].to_owned(), format!("{token}AAAA"), "x".to_owned(), String::new()]);
    altered.extend([format!("{token}%3D"), "%F0%9F%98%80".to_owned(), "A".repeat(15_999), "..%2F..".to_owned()]);
    for token in altered {
        let refused = front.get(&format!("/search?limit=2&token={token}")).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("InvalidCursor")), "{token}");
    }
    assert_eq!(members.iter().map(Running::searches).sum::<usize>(), asked, "nobody was asked");
}

#[tokio::test]
async fn an_expired_cursor_comes_with_a_fresh_one() {
    let catalogues = catalogues(20);
    let members = start(alike(&catalogues)).await;
    let mut federation = declared(&members);
    federation.cursor.life = Duration::from_millis(400);
    let front = Front::of(federation).await;
    for by_post in [false, true] {
        let first = if by_post {
            front.post("/search", &json!({"limit": 60})).await
        } else {
            front.get("/search?limit=60").await
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        let expired = front.follow(&first.next().unwrap()).await;
        assert_eq!((expired.status, expired.json()["code"].as_str()), (410, Some("ExpiredCursor")));
        let fresh = expired.next().unwrap();
        assert_eq!(fresh["method"], if by_post { "POST" } else { "GET" });
        let second = front.follow(&fresh).await;
        let got = [first.names(), second.names()].concat();
        check_same(&got, &oracle(&catalogues).newest_first(), "goes on where the old one stood");
    }
}

fn token_of(next: &Value) -> String {
    let href = url::Url::parse(next["href"].as_str().unwrap()).unwrap();
    href.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned()
}
