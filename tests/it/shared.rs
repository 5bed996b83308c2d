//! Shared Collections over HTTP: who is asked for which windows, what becomes of replicas, and who takes over.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stac_broker::federation::retention::Retention;
use stac_broker::federation::{Federation, Holder, MemberId, Replicas, Shared};

use crate::support::front::{Reply, names};
use crate::support::{Fails, Front, Running, ScriptedMember, collection, federation_of, item, time};

/// Items of the archive; the relay has the last [`RECENT`] of them.
const ITEMS: usize = 90;
const RECENT: usize = 30;

/// `S|…`, named alike at every holder.
fn scene(native: &str, number: usize) -> Value {
    item(native, &format!("scene-{number:04}"), &time(number))
}

/// A relay that keeps what is recent, and an archive that has everything.
async fn holders() -> (Running, Running) {
    let relay = (ITEMS - RECENT..ITEMS).map(|number| scene("s2", number)).collect();
    let archive = (0..ITEMS).map(|number| scene("SENTINEL2", number)).collect();
    let relay = ScriptedMember::new("RELAY").items(relay).collections(vec![collection("s2")]).page_cap(7).start().await;
    (
        relay,
        ScriptedMember::new("ARCHIVE")
            .items(archive)
            .collections(vec![collection("SENTINEL2")])
            .page_cap(50)
            .start()
            .await,
    )
}

fn shared(replicas: Replicas) -> Shared {
    let holder = |member, native: &str| Holder { member: MemberId::new(member), native: native.to_owned() };
    let holders = vec![holder("RELAY", "s2"), holder("ARCHIVE", "SENTINEL2")];
    Shared { id: "scenes".to_owned(), title: None, replicas, holders }
}

fn federation(relay: &Running, archive: &Running, replicas: Replicas) -> Federation {
    let mut federation = federation_of([relay.declared(), archive.declared()]);
    federation.members[0].policy.retention =
        vec![Retention { from: Some(time(ITEMS - RECENT).parse().unwrap()), ..Retention::default() }];
    federation.shared = vec![shared(replicas)];
    federation
}

fn ids(pages: &[Reply]) -> Vec<String> {
    let features = pages.iter().flat_map(|page| page.json()["features"].as_array().unwrap());
    features.map(|feature| feature["id"].as_str().unwrap().to_owned()).collect()
}

/// All scenes, newest first.
fn expected() -> Vec<String> {
    (0..ITEMS).rev().map(|number| format!("scene-{number:04}")).collect()
}

/// Searches that went to a member, but for probes.
fn searches(member: &Running) -> usize {
    member.recorded().iter().filter(|request| request.uri.path().ends_with("/search") && !request.is_probe()).count()
}

#[tokio::test]
async fn each_window_is_asked_of_its_first_holder_and_of_nobody_else() {
    let (relay, archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
    let (relay_before, archive_before) = (searches(&relay), searches(&archive));
    let mut page = front.get("/search?collections=scenes&limit=10&sortby=-datetime").await;
    let mut pages = Vec::new();
    loop {
        assert_eq!(page.report()["complete"], true, "{}", page.text);
        let given: usize = pages.iter().map(|page: &Reply| page.names().len()).sum::<usize>() + page.names().len();
        if given < RECENT {
            assert_eq!(searches(&archive), archive_before, "polled for a window that is not its own: {}", page.text);
        }
        let next = page.next();
        pages.push(page);
        let Some(next) = next else { break };
        page = front.follow(&next).await;
    }
    assert_eq!(ids(&pages), expected());
    assert!(searches(&relay) > relay_before && searches(&archive) > archive_before);
    let asked: Vec<String> = archive
        .recorded()
        .iter()
        .map(|request| format!("{} {}", request.uri, String::from_utf8_lossy(&request.body)))
        .collect();
    assert!(asked.iter().all(|asked| !asked.contains("scenes")), "by its own name: {asked:?}");
    let feature = &pages[0].json()["features"][0];
    assert_eq!(
        (&feature["collection"], &feature["properties"]["federation:backends"]),
        (&json!("scenes"), &json!(["RELAY"])),
        "{feature}"
    );
    assert_eq!(pages[0].json().get("numberMatched"), None, "two holders: no sum");
    let recent = front.get(&format!("/search?collections=scenes&limit=10&datetime={}/..", time(ITEMS - 5))).await;
    assert_eq!(recent.json()["numberMatched"], 5, "one holder: its count is the count: {}", recent.text);
}

#[tokio::test]
async fn ascending_and_by_id_every_item_comes_once_from_its_window() {
    let (relay, archive) = holders().await;
    let mut federation = federation(&relay, &archive, Replicas::Prefer);
    for member in &mut federation.members {
        member.capabilities.string_order_bytes = true;
    }
    let front = Front::of(federation).await;
    let mut ascending = expected();
    ascending.reverse();
    for sortby in ["%2Bdatetime", "%2Bid"] {
        for limit in [7, 40] {
            let pages = front.walk_get(&format!("/search?collections=scenes&limit={limit}&sortby={sortby}")).await;
            assert_eq!(ids(&pages), ascending, "{sortby} {limit}");
            for feature in pages.iter().flat_map(|page| page.json()["features"].as_array().unwrap()) {
                let recent = feature["id"].as_str().unwrap() >= format!("scene-{:04}", ITEMS - RECENT).as_str();
                let from = if recent { "RELAY" } else { "ARCHIVE" };
                assert_eq!(feature["properties"]["federation:backends"], json!([from]), "{feature}");
            }
        }
    }
}

#[tokio::test]
async fn the_next_holder_takes_over_on_any_page_and_nothing_is_lost_or_repeated() {
    for failing_page in 0..3 {
        let (mut relay, archive) = holders().await;
        let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
        if failing_page == 0 {
            relay.refuse().await;
        }
        let mut page = front.get("/search?collections=scenes&limit=8&sortby=-datetime").await;
        let mut pages = Vec::new();
        for number in 1.. {
            assert_eq!((page.status, page.report()["complete"].as_bool()), (200, Some(true)), "{}", page.text);
            assert!(page.missing().is_empty() && page.retry().is_none(), "{}", page.text);
            if number > failing_page {
                let told = page.member("RELAY");
                assert_eq!(told["covered_by"], json!(["ARCHIVE"]), "page {number}: {}", page.text);
                assert_eq!(told["status"], "unreachable", "page {number}: {}", page.text);
                assert_eq!(told["gaps"], json!([]));
            }
            let next = page.next();
            pages.push(page);
            let Some(next) = next else { break };
            if number == failing_page {
                relay.refuse().await;
            }
            if number == failing_page + 1 {
                relay.accept_again().await;
                relay.forget();
            }
            page = front.follow(&next).await;
        }
        assert_eq!(ids(&pages), expected(), "failing on page {failing_page}");
        assert_eq!(searches(&relay), 0, "the session remembers who took over");
    }
}

#[tokio::test]
async fn strict_handling_and_a_required_holder_accept_a_page_that_was_taken_over() {
    let (mut relay, archive) = holders().await;
    let mut federation = federation(&relay, &archive, Replicas::Prefer);
    federation.members[0].policy.required = true;
    let front = Front::of(federation).await;
    relay.refuse().await;
    let page = front.get_with("/search?collections=scenes&limit=5", "prefer", "handling=strict").await;
    assert_eq!((page.status, page.names().len()), (200, 5), "{}", page.text);
}

#[tokio::test]
async fn without_anybody_to_take_over_a_failure_is_a_gap_and_the_retry_fills_it() {
    let (relay, mut archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
    archive.refuse().await;
    let pages = front.walk_get("/search?collections=scenes&limit=10&sortby=-datetime").await;
    assert_eq!(ids(&pages), expected()[..RECENT], "what the relay has");
    let last = pages.last().unwrap();
    assert_eq!((last.missing(), last.report()["complete"].as_bool()), (vec!["ARCHIVE".to_owned()], Some(false)));
    archive.accept_again().await;
    let mut page = front.follow(&last.retry().expect("what is missing can be had")).await;
    let mut rest = Vec::new();
    loop {
        assert_eq!(page.report()["complete"], true, "{}", page.text);
        let next = page.next();
        rest.push(page);
        let Some(next) = next else { break };
        page = front.follow(&next).await;
    }
    assert_eq!(ids(&rest), expected()[RECENT..]);
}

#[tokio::test]
async fn when_nobody_is_left_the_search_fails() {
    let (mut relay, mut archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
    relay.refuse().await;
    archive.refuse().await;
    let page = front.get("/search?collections=scenes").await;
    assert_eq!((page.status, page.json()["code"].as_str()), (503, Some("MembersUnavailable")), "{}", page.text);
}

#[tokio::test]
async fn union_gives_each_item_once_with_all_its_holders() {
    let (relay, archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Union)).await;
    for (sortby, limit) in [("-datetime", 10), ("%2Bdatetime", 7), ("-datetime", 1000)] {
        let pages = front.walk_get(&format!("/search?collections=scenes&limit={limit}&sortby={sortby}")).await;
        let mut want = expected();
        if sortby != "-datetime" {
            want.reverse();
        }
        assert_eq!(ids(&pages), want, "{sortby} {limit}");
        let counted: u64 = pages.iter().map(|page| page.report()["deduplicated"].as_u64().unwrap()).sum();
        assert!(counted >= RECENT as u64, "{counted} replicas");
        for feature in pages.iter().flat_map(|page| page.json()["features"].as_array().unwrap()) {
            let recent = feature["id"].as_str().unwrap() >= format!("scene-{:04}", ITEMS - RECENT).as_str();
            let backends = if recent { json!(["RELAY", "ARCHIVE"]) } else { json!(["ARCHIVE"]) };
            assert_eq!(feature["properties"]["federation:backends"], backends, "{feature}");
            let other = feature["links"].as_array().unwrap().iter().find(|link| link["rel"] == "alternate");
            assert_eq!(other.is_some(), recent, "{feature}");
            if let Some(other) = other {
                let href = other["href"].as_str().unwrap();
                assert!(href.contains("/collections/ARCHIVE%7CSENTINEL2/items/scene-"), "{href}");
            }
        }
        assert!(pages.iter().all(|page| page.json().get("numberMatched").is_none()));
    }
}

#[tokio::test]
async fn in_union_the_representation_is_the_highest_holders_whoever_answers_first() {
    let relay = ScriptedMember::new("RELAY").items(vec![scene("s2", 1)]).slow(std::time::Duration::from_millis(80));
    let archive = ScriptedMember::new("ARCHIVE").items(vec![scene("SENTINEL2", 1)]);
    let (relay, archive) = (relay.start().await, archive.start().await);
    let mut federation = federation_of([archive.declared(), relay.declared()]);
    federation.shared = vec![shared(Replicas::Union)];
    let front = Front::of(federation).await;
    let page = front.get("/search?collections=scenes").await;
    assert_eq!(page.json()["features"][0]["properties"]["federation:backends"], json!(["RELAY", "ARCHIVE"]));
    assert_eq!(page.json()["features"].as_array().unwrap().len(), 1, "{}", page.text);
}

#[tokio::test]
async fn a_search_that_names_no_collection_gives_what_is_shared_once() {
    let relay: Vec<Value> = (0..20).map(|number| scene("s2", number)).collect();
    let mut archive: Vec<Value> = (0..20).map(|number| scene("SENTINEL2", number)).collect();
    archive.extend((0..20).map(|number| item("other", &format!("other-{number}"), &time(number))));
    let relay = ScriptedMember::new("RELAY").items(relay).start().await;
    let archive = ScriptedMember::new("ARCHIVE").items(archive).start().await;
    for replicas in [Replicas::Prefer, Replicas::Union] {
        let mut federation = federation_of([relay.declared(), archive.declared()]);
        federation.shared = vec![shared(replicas)];
        let front = Front::of(federation).await;
        let given = names(&front.walk_get("/search?limit=9").await);
        assert_eq!(given.len(), 40, "{replicas:?}: {given:?}");
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 40);
        assert_eq!(given.iter().filter(|name| name.starts_with("scenes ")).count(), 20, "{replicas:?}: {given:?}");
        let own = front.walk_get("/search?collections=ARCHIVE%7CSENTINEL2&limit=9").await;
        let own = names(&own);
        assert!(own.len() == 20 && own.iter().all(|name| name.starts_with("ARCHIVE|SENTINEL2 ")), "{own:?}");
    }
}

#[tokio::test]
async fn a_shared_collection_is_listed_read_and_asked_like_any_other() {
    let (relay, mut archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
    let list = front.get("/collections").await;
    let listed: Vec<&str> =
        list.json()["collections"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(listed, ["scenes", "RELAY|s2", "ARCHIVE|SENTINEL2"], "shared ones stand first");
    let landing = front.get("/").await;
    let children = landing.json()["links"].as_array().unwrap().iter().filter(|link| link["rel"] == "child");
    assert_eq!(children.count(), 3, "clients that know no list of Collections find them too: {}", landing.text);
    let one = front.get("/collections/scenes").await;
    assert_eq!(one.json()["federation:backends"], json!(["RELAY", "ARCHIVE"]), "{}", one.text);
    let holder = one.json()["links"].as_array().unwrap().iter().filter(|link| link["rel"] == "alternate").count();
    assert_eq!(holder, 2, "{}", one.text);
    let items = front.get("/collections/scenes/items?limit=3").await;
    assert_eq!((items.status, items.names()[0].as_str()), (200, "scenes scene-0089"), "{}", items.text);
    let item = front.get("/collections/scenes/items/scene-0089").await;
    assert_eq!(item.json()["collection"], "scenes", "{}", item.text);
    assert_eq!(item.json()["properties"]["federation:backends"], json!(["RELAY", "ARCHIVE"]));
    let old = front.get("/collections/scenes/items/scene-0001").await;
    assert_eq!(old.json()["properties"]["federation:backends"], json!(["ARCHIVE"]), "{}", old.text);
    archive.refuse().await;
    let there = front.get("/collections/scenes/items/scene-0089").await;
    assert_eq!((there.status, &there.json()["properties"]["federation:backends"]), (200, &json!(["RELAY"])));
    assert_eq!(front.get("/collections/scenes/queryables").await.status, 200);
    let explained = front.get(&format!("/search/explain?collections=scenes&datetime={}/..", time(ITEMS - 2))).await;
    assert_eq!(explained.json()["standby"], json!(["ARCHIVE"]), "{}", explained.text);
    assert_eq!(explained.json()["pruned"][0]["rule"], "replica", "{}", explained.text);
}

#[tokio::test]
async fn a_holder_that_leaves_or_comes_in_mid_walk_costs_nothing_where_others_cover() {
    let (relay, archive) = holders().await;
    let before = federation(&relay, &archive, Replicas::Prefer);
    let front = Front::of(before.clone()).await;
    let first = front.get("/search?collections=scenes&limit=8&sortby=-datetime").await;
    let mut without = before.clone();
    without.members.remove(0);
    front.broker.replace(without);
    let second = front.follow(&first.next().unwrap()).await;
    assert_eq!(second.report()["complete"], true, "{}", second.text);
    front.broker.replace(before);
    let rest = front.pages(front.follow(&second.next().unwrap()).await).await;
    let mut all = vec![first, second];
    all.extend(rest);
    assert_eq!(ids(&all), expected());
}

#[tokio::test]
async fn an_outage_of_both_in_turn_ends_with_a_gap_that_is_declared() {
    let (mut relay, mut archive) = holders().await;
    let front = Front::of(federation(&relay, &archive, Replicas::Prefer)).await;
    let first = front.get("/search?collections=scenes&limit=8&sortby=-datetime").await;
    relay.refuse().await;
    let second = front.follow(&first.next().unwrap()).await;
    assert_eq!(second.report()["complete"], true, "{}", second.text);
    archive.refuse().await;
    let third = front.follow(&second.next().unwrap()).await;
    assert_eq!(third.status, 503, "nobody is left: {}", third.text);
    archive.accept_again().await;
    archive.breaks(Fails::Status(500, None));
    let fourth = front.follow(&second.next().unwrap()).await;
    assert_eq!(fourth.status, 502, "{}", fourth.text);
    archive.heals();
    let rest = front.pages(front.follow(&second.next().unwrap()).await).await;
    let mut all = vec![first, second];
    all.extend(rest);
    assert_eq!(ids(&all), expected(), "the cursor was not hurt");
}

/// Items that the holders do not agree on: each says something else of the clouds.
async fn clouded() -> (Running, Running) {
    let clouded = |native: &str, number: usize, cover: usize| {
        let mut scene = scene(native, number);
        scene["properties"]["eo:cloud_cover"] = json!(cover);
        scene
    };
    let relay = (ITEMS - RECENT..ITEMS).map(|number| clouded("s2", number, (number * 37) % 91)).collect();
    let archive = (0..ITEMS).map(|number| clouded("SENTINEL2", number, (number * 53) % 89)).collect();
    let relay = ScriptedMember::new("RELAY").items(relay).collections(vec![collection("s2")]);
    let archive = ScriptedMember::new("ARCHIVE").items(archive).collections(vec![collection("SENTINEL2")]);
    (relay.able().start().await, archive.start().await)
}

/// Requests to a member that name Items.
fn questions(member: &Running) -> Vec<String> {
    let recorded = member.recorded();
    let asked = recorded.iter().filter(|request| !request.is_probe());
    let text = asked.map(|request| format!("{} {}", request.uri, String::from_utf8_lossy(&request.body)));
    text.filter(|text| text.contains("ids=") || text.contains("\"ids\"")).collect()
}

#[tokio::test]
async fn where_holders_disagree_on_the_key_each_item_comes_once_for_one_question_a_page() {
    let (relay, archive) = clouded().await;
    let mut federation = federation_of([relay.declared(), archive.declared()]);
    federation.shared = vec![shared(Replicas::Union)];
    let front = Front::of(federation).await;
    for (sortby, limit) in [("eo:cloud_cover", 7), ("-eo:cloud_cover", 20), ("eo:cloud_cover,-datetime", 9)] {
        relay.forget();
        archive.forget();
        let mut page = front.get(&format!("/search?collections=scenes&limit={limit}&sortby={sortby}")).await;
        let mut pages = Vec::new();
        loop {
            assert_eq!(page.report()["complete"], true, "{sortby}: {}", page.text);
            let asked = questions(&relay);
            assert!(
                asked.len() <= pages.len() + 1,
                "{sortby}: more than one question for page {}: {asked:?}",
                pages.len()
            );
            let next = page.next();
            pages.push(page);
            let Some(next) = next else { break };
            page = front.follow(&next).await;
        }
        let given = ids(&pages);
        let all: BTreeSet<String> = given.iter().cloned().collect();
        assert_eq!((given.len(), all), (ITEMS, expected().into_iter().collect()), "{sortby}");
        for feature in pages.iter().flat_map(|page| page.json()["features"].as_array().unwrap()) {
            let recent = feature["id"].as_str().unwrap() >= format!("scene-{:04}", ITEMS - RECENT).as_str();
            let first = &feature["properties"]["federation:backends"][0];
            assert_eq!(first, if recent { "RELAY" } else { "ARCHIVE" }, "from its owner: {feature}");
        }
        assert!(!questions(&relay).is_empty(), "{sortby}: nobody was asked");
        assert!(questions(&archive).is_empty(), "the lower holder owns nothing of the higher one's");
    }
}

#[tokio::test]
async fn where_the_owner_falls_silent_nothing_is_repeated_and_the_retry_has_the_rest() {
    let (mut relay, archive) = clouded().await;
    let other = (0..ITEMS).map(|number| {
        let mut item = item("other", &format!("other-{number:04}"), &time(number));
        item["properties"]["eo:cloud_cover"] = json!(number);
        item
    });
    let other = ScriptedMember::new("OTHER").items(other.collect()).start().await;
    let mut federation = federation_of([relay.declared(), archive.declared(), other.declared()]);
    federation.shared = vec![shared(Replicas::Union)];
    let front = Front::of(federation).await;
    let mut pages = vec![front.get("/search?limit=15&sortby=eo:cloud_cover").await];
    relay.refuse().await;
    while let Some(next) = pages.last().unwrap().next() {
        pages.push(front.follow(&next).await);
    }
    let given = ids(&pages);
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len(), "nothing twice");
    assert_eq!(given.iter().filter(|id| id.starts_with("other-")).count(), ITEMS, "all of who is not concerned");
    let last = pages.last().unwrap();
    assert_eq!(last.missing(), ["RELAY", "ARCHIVE"], "{}", last.text);
    let told = last.member("ARCHIVE")["feature"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("`RELAY`"), "{}", last.text);
    relay.accept_again().await;
    let mut all: BTreeSet<String> = given.into_iter().collect();
    let mut rest = front.pages(front.follow(&last.retry().expect("it can be had")).await).await;
    all.extend(ids(&rest));
    // a breaker may still be open when the first retry comes
    while let Some(retry) = rest.last().unwrap().retry().filter(|_| all.len() < 2 * ITEMS) {
        rest = front.pages(front.follow(&retry).await).await;
        all.extend(ids(&rest));
    }
    assert_eq!(all.len(), 2 * ITEMS);
}

#[tokio::test]
async fn a_shared_collection_that_is_gone_from_the_file_in_mid_walk_is_told_as_removed() {
    let (relay, archive) = holders().await;
    let before = federation(&relay, &archive, Replicas::Prefer);
    let front = Front::of(before.clone()).await;
    let first = front.get("/search?collections=scenes&limit=8&sortby=-datetime").await;
    let mut renamed = before.clone();
    renamed.shared[0].id = "pictures".to_owned();
    front.broker.replace(renamed);
    removed(&front.follow(&first.next().unwrap()).await);
    front.broker.replace(before.clone());
    let rest = front.pages(front.follow(&first.next().unwrap()).await).await;
    let mut all = vec![first];
    all.extend(rest);
    assert_eq!(ids(&all), expected(), "the cursor is good again when the name is");
    // a search that named nothing goes on with what is left, and says what is not
    let first = front.get("/search?limit=8&sortby=-datetime").await;
    let mut without = before;
    without.shared.clear();
    front.broker.replace(without);
    removed(&front.follow(&first.next().unwrap()).await);
    assert_eq!(ids(&front.walk_get("/search?limit=50").await).len(), ITEMS + RECENT, "a new search has them all");
}

/// Both holders are told as removed, once each, with a gap that no retry fills.
fn removed(page: &Reply) {
    assert!(page.status >= 400 && page.missing() == ["RELAY", "ARCHIVE"], "{}", page.text);
    for member in ["RELAY", "ARCHIVE"] {
        let told = page.member(member);
        assert_eq!((&told["status"], &told["retryable"]), (&json!("removed"), &json!(false)), "{}", page.text);
    }
    assert_eq!(page.report()["members"].as_array().unwrap().len(), 2, "{}", page.text);
    assert!(page.retry().is_none() && page.text.contains("removed"), "{}", page.text);
}
