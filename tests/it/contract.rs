//! The contract of a member kind, run against `stac-api` by POST and by GET: collections, search, paging to the end, each
//! form of `next`, each way to end or loop, bounds, credentials only where they belong. Kinds that are read whole have theirs in
//! `static_stac/contract.rs` and `records.rs`.

use std::sync::Arc;
use std::time::Duration;

use stac_broker::federation::{Auth, Dialect, Federation, Member as Declared, Method, Secret, Support};
use stac_broker::members::{Ask, Failure, Fault, Member, Page, Registry};
use tokio::time::Instant;

use crate::support::page::Page as NumberedPages;
use crate::support::resto::Resto;
use crate::support::stub::Stub;
use crate::support::{Fails, NextForm, OutboundMonitor, Quirks, Running, ScriptedMember, federation_of, items};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn adapter_of(federation: &Federation) -> Arc<dyn Member> {
    Registry::new(federation).iter().next().unwrap().clone()
}

fn adapter(running: &Running, change: impl FnOnce(&mut Declared)) -> Arc<dyn Member> {
    let mut declared = running.declared();
    change(&mut declared);
    adapter_of(&federation_of([declared]))
}

fn by(running: &Running, method: Method) -> Arc<dyn Member> {
    adapter(running, |declared| declared.request.method = method)
}

pub fn ask(limit: u32) -> Ask {
    Ask { limit, sortby: vec![("properties.datetime".to_owned(), true), ("id".to_owned(), false)], ..Ask::default() }
}

pub fn ids(page: &Page) -> Vec<String> {
    page.items.iter().map(|item| item.id.to_string()).collect()
}

/// All pages, at most `max` of them.
pub async fn walk(member: &dyn Member, mut ask: Ask, max: usize) -> Result<Vec<Page>, Failure> {
    let mut pages = Vec::new();
    while pages.len() < max {
        let page = member.search(&ask, soon()).await?;
        ask.token.clone_from(&page.next);
        let over = page.next.is_none();
        pages.push(page);
        if over {
            break;
        }
    }
    Ok(pages)
}

async fn check_walk(script: ScriptedMember, method: Method, limit: u32) {
    let running = script.start().await;
    let member = by(&running, method);
    let pages = walk(&*member, ask(limit), 200).await.unwrap();
    let got: Vec<String> = pages.iter().flat_map(ids).collect();
    let wanted: Vec<String> = (0..60).rev().map(|n| format!("c-{n:04}")).collect();
    assert_eq!(got, wanted);
    assert_eq!(pages[0].matched.map(|matched| matched.count), Some(60));
}

#[tokio::test]
async fn every_form_of_next_is_walked_to_the_end() {
    let forms = [
        NextForm::Get,
        NextForm::PostFull,
        NextForm::PostMerge,
        NextForm::Headers,
        NextForm::GetAfterPost,
        NextForm::PageNumber,
        NextForm::LinkHeader,
    ];
    for form in forms {
        for method in [Method::Post, Method::Get] {
            for limit in [1, 7, 100] {
                check_walk(ScriptedMember::new("A").items(items("c", 60)).next_form(form), method, limit).await;
            }
        }
    }
}

/// Each kind of server in its own manner: how it goes on, and what else is odd about it.
fn in_manner_of(dialect: Dialect) -> ScriptedMember {
    let new = ScriptedMember::new("A").items(items("c", 60));
    let quirks = Quirks::default();
    match dialect {
        Dialect::StacServer => new
            .next_form(NextForm::PostFull)
            .trailing_empty_page()
            .filters(&["cql2-json"])
            .quirks(Quirks { fails_over: Some((60, 500)), counts_in_context: true, ..quirks }),
        Dialect::PlanetaryComputer => {
            new.next_form(NextForm::PostFull).quirks(Quirks { needs_collections: true, ..quirks })
        }
        Dialect::Cmr => {
            new.next_form(NextForm::GetAfterPost).page_cap(20).quirks(Quirks { counts_in_context: true, ..quirks })
        }
        Dialect::Fedeo => new.next_form(NextForm::Offset).page_cap(20),
        Dialect::Geoserver => {
            new.next_form(NextForm::GetEcho).filters(&["cql2-text"]).quirks(Quirks { formats_in_hrefs: true, ..quirks })
        }
        _ => new.next_form(NextForm::PostFull).able(),
    }
}

#[tokio::test]
async fn every_kind_of_server_keeps_the_contract() {
    let kinds = [
        Dialect::Standard,
        Dialect::StacServer,
        Dialect::Pgstac,
        Dialect::PlanetaryComputer,
        Dialect::Cmr,
        Dialect::Fedeo,
        Dialect::Geoserver,
    ];
    for dialect in kinds {
        let running = in_manner_of(dialect).start().await;
        for method in [Method::Post, Method::Get] {
            let member = adapter(&running, |declared| {
                (declared.request.dialect, declared.request.method) = (dialect, method);
            });
            let known = member.discover(soon()).await.unwrap();
            assert_eq!((known.dialect, known.by_post()), (dialect, method == Method::Post));
            for limit in [1, 7, 100] {
                let pages = walk(&*member, ask(limit.min(known.page_items_max)), 200).await.unwrap();
                let got: Vec<String> = pages.iter().flat_map(ids).collect();
                let wanted: Vec<String> = (0..60).rev().map(|n| format!("c-{n:04}")).collect();
                assert_eq!(got, wanted, "{} by {method:?} in pages of {limit}", dialect.name());
                assert_eq!(pages[0].matched.map(|matched| matched.count), Some(60), "{}", dialect.name());
            }
            let few = Ask { ids: Some(vec!["c-0001".to_owned(), "c-0002".to_owned()]), ..ask(10) };
            assert_eq!(member.search(&few, soon()).await.unwrap().items.len(), 2, "{}", dialect.name());
            let listing = member.collections(soon()).await.unwrap();
            assert!(listing.complete && listing.collections.len() == 1, "{}", dialect.name());
            assert!(member.item("c", "c-0001", soon()).await.unwrap().is_some(), "{}", dialect.name());
            assert!(member.item("c", "none", soon()).await.unwrap().is_none(), "{}", dialect.name());
        }
    }
}

/// All ids of a list, in the order of its pages.
async fn list_of(member: &dyn Member, limit: u32, descending: bool) -> Vec<String> {
    let ask = Ask { limit, sortby: vec![("properties.datetime".to_owned(), descending)], ..Ask::default() };
    walk(member, ask, 200).await.unwrap().iter().flat_map(ids).collect()
}

#[tokio::test]
async fn every_dialect_is_walked_to_the_end_in_either_direction() {
    let wanted = |descending: bool| {
        let up = (0..60).map(|n| format!("c-{n:04}"));
        if descending { up.rev().collect::<Vec<_>>() } else { up.collect() }
    };
    let stubs = [
        (Dialect::Resto, Stub::start("A", Resto::new(items("c", 60))).await),
        (Dialect::Page, Stub::start("A", NumberedPages::new(items("c", 60))).await),
    ];
    for (dialect, stub) in &stubs {
        let member = adapter_of(&federation_of([stub.declared(*dialect)]));
        for limit in [1, 7, 100] {
            for descending in [true, false] {
                let got = list_of(&*member, limit, descending).await;
                assert_eq!(got, wanted(descending), "{} in pages of {limit}", dialect.name());
            }
        }
        let item = member.item("c", "c-0007", soon()).await.unwrap().unwrap();
        assert_eq!((&*item.id, &*item.collection), ("c-0007", "c"));
        let listing = member.collections(soon()).await.unwrap();
        assert_eq!((listing.collections.len(), listing.complete), (1, true));
    }
}

#[tokio::test]
async fn caps_and_trailing_empty_pages_lose_nothing() {
    for method in [Method::Post, Method::Get] {
        check_walk(ScriptedMember::new("A").items(items("c", 60)).page_cap(9), method, 50).await;
        check_walk(
            ScriptedMember::new("A").items(items("c", 60)).page_cap(9).next_form(NextForm::PageNumber),
            method,
            50,
        )
        .await;
        check_walk(ScriptedMember::new("A").items(items("c", 60)).trailing_empty_page(), method, 20).await;
    }
}

#[tokio::test]
async fn a_member_without_next_gives_one_page() {
    let running = ScriptedMember::new("A").items(items("c", 60)).next_form(NextForm::None).start().await;
    let page = by(&running, Method::Post).search(&ask(7), soon()).await.unwrap();
    assert_eq!((page.items.len(), page.next), (7, None));
}

#[tokio::test]
async fn next_links_at_other_hosts_are_asked_at_the_configured_one() {
    let monitor = OutboundMonitor::start().await;
    for form in [NextForm::Get, NextForm::PostFull, NextForm::LinkHeader, NextForm::GetAfterPost] {
        check_walk(
            ScriptedMember::new("A").items(items("c", 60)).next_form(form).next_at(&monitor.base),
            Method::Auto,
            7,
        )
        .await;
    }
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_member_that_repeats_its_first_page_gives_the_same_token_again() {
    let running = ScriptedMember::new("A").items(items("c", 60)).fails(Fails::Loop).start().await;
    let pages = walk(&*by(&running, Method::Get), ask(7), 3).await.unwrap();
    assert_eq!(pages.len(), 3);
    assert_eq!(pages[0].next, pages[1].next);
}

#[tokio::test]
async fn conditions_reach_the_member() {
    for method in [Method::Post, Method::Get] {
        let mut all = items("c", 10);
        all.extend(items("d", 10));
        let running = ScriptedMember::new("A").items(all).start().await;
        let member = by(&running, method);
        let search = |ask: Ask| {
            let member = member.clone();
            async move { ids(&member.search(&Ask { limit: 100, ..ask }, soon()).await.unwrap()).len() }
        };
        assert_eq!(search(Ask { collections: Some(vec!["d".to_owned()]), ..Ask::default() }).await, 10);
        assert_eq!(
            search(Ask { ids: Some(vec!["c-0001".to_owned(), "d-0002".to_owned()]), ..Ask::default() }).await,
            2
        );
        let until = stac_broker::federation::Interval { start: None, end: "2025-01-01T00:04:00Z".parse().ok() };
        assert_eq!(search(Ask { datetime: Some(until), ..Ask::default() }).await, 10);
    }
}

#[tokio::test]
async fn one_item_is_found_or_said_to_be_absent() {
    let mut odd = items("urn:c|x/y", 1);
    odd[0]["id"] = "a b/c?d#é".into();
    let running = ScriptedMember::new("A").items(odd).start().await;
    let member = adapter(&running, |_| {});
    let item = member.item("urn:c|x/y", "a b/c?d#é", soon()).await.unwrap().unwrap();
    assert_eq!(&*item.collection, "urn:c|x/y");
    assert!(member.item("urn:c|x/y", "other", soon()).await.unwrap().is_none());
}

#[tokio::test]
async fn collections_are_read_through_their_pages() {
    let many =
        |count: usize| (0..count).map(|n| serde_json::json!({"type": "Collection", "id": format!("c{n}")})).collect();
    for (count, page, complete) in
        [(25, 10, true), (1, 10, true), (100, 100, false), (100, 50, true), (101, usize::MAX, true)]
    {
        let running = ScriptedMember::new("A").collections(many(count)).collections_page(page).start().await;
        let listing = adapter(&running, |_| {}).collections(soon()).await.unwrap();
        assert_eq!((listing.collections.len(), listing.complete), (count, complete), "{count} by {page}");
    }
}

#[tokio::test]
async fn capabilities_are_discovered_and_overruled() {
    let running = ScriptedMember::new("A").get_only().start().await;
    let member = adapter(&running, |_| {});
    assert!(!member.capabilities().discovered);
    let known = member.discover(soon()).await.unwrap();
    assert!(known.discovered && !known.search_post && known.search_get);
    assert_eq!(known.sort, Support::Exact);
    assert!(member.health().last_success.is_some());

    let running = ScriptedMember::new("A").no_sort().start().await;
    let known = adapter(&running, |_| {}).discover(soon()).await.unwrap();
    assert!(known.search_post && known.sort == Support::Unsupported);
    let member = adapter(&running, |declared| declared.capabilities.sort = Some(Support::Inexact));
    assert_eq!(member.discover(soon()).await.unwrap().sort, Support::Inexact);
}

#[tokio::test]
async fn a_refused_post_becomes_a_get_once_and_for_all() {
    let running = ScriptedMember::new("A").items(items("c", 5)).claims_post().start().await;
    let member = adapter(&running, |_| {});
    member.discover(soon()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(member.search(&ask(10), soon()).await.unwrap().items.len(), 5);
    }
    assert_eq!(running.searches(), 4, "one POST and three GETs");
    assert!(!member.capabilities().search_post);
}

async fn fault_of(how: Fails, within: Duration) -> Failure {
    let name = format!("{how:?}");
    let running = ScriptedMember::new("A").items(items("c", 5)).fails(how).start().await;
    let member = adapter(&running, |_| {});
    let began = Instant::now();
    let failed = member.search(&ask(5), began + within).await.unwrap_err();
    assert!(began.elapsed() < within + Duration::from_millis(500), "{name} took {:?}: {failed}", began.elapsed());
    failed
}

#[tokio::test]
async fn every_way_to_fail_has_its_category_and_costs_no_more_than_its_bounds() {
    let monitor = OutboundMonitor::start().await;
    let short = Duration::from_millis(400);
    let long = Duration::from_secs(9);
    for (how, within, fault) in [
        (Fails::Hang, short, Fault::Timeout),
        (Fails::Html, long, Fault::BadResponse),
        (Fails::Truncated, long, Fault::BadResponse),
        (Fails::Huge(100 << 20), long, Fault::TooLarge),
        (Fails::Bomb(36 << 20), long, Fault::TooLarge),
        (Fails::Trickle(Duration::from_millis(50)), long, Fault::Timeout),
        (Fails::Status(401, None), long, Fault::Unauthorized),
        (Fails::Status(403, None), long, Fault::Forbidden),
        (Fails::Status(429, Some("7")), long, Fault::RateLimited),
        (Fails::Status(500, None), long, Fault::BadResponse),
        (Fails::Redirect(monitor.base.clone()), long, Fault::BadResponse),
    ] {
        let name = format!("{how:?}");
        let failed = fault_of(how, within).await;
        assert_eq!(failed.fault, fault, "{name}: {failed}");
    }
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_a_pause_is_kept() {
    let mut running = ScriptedMember::new("A").start().await;
    running.refuse().await;
    let member = adapter(&running, |_| {});
    assert_eq!(member.search(&ask(5), soon()).await.unwrap_err().fault, Fault::Unreachable);
    assert_eq!(member.health().last_failure, Some(Fault::Unreachable));

    let running = ScriptedMember::new("A").fails(Fails::Status(429, Some("100"))).start().await;
    let member = adapter(&running, |_| {});
    assert_eq!(member.search(&ask(5), soon()).await.unwrap_err().retry_after_s, Some(100));
    assert_eq!(member.search(&ask(5), soon()).await.unwrap_err().fault, Fault::RateLimited);
    assert_eq!(running.searches(), 1);
}

#[tokio::test]
async fn a_refused_token_is_told_from_a_bad_answer() {
    let running = ScriptedMember::new("A").items(items("c", 20)).fails_from(1, Fails::Status(404, None)).start().await;
    let member = by(&running, Method::Get);
    let token = member.search(&ask(5), soon()).await.unwrap().next;
    assert!(token.is_some());
    let failed = member.search(&Ask { token, ..ask(5) }, soon()).await.unwrap_err();
    assert_eq!(failed.fault, Fault::TokenRefused);
}

#[tokio::test]
async fn turns_at_a_member_are_bounded() {
    let running = ScriptedMember::new("A").slow(Duration::from_millis(600)).start().await;
    let member = adapter(&running, |declared| declared.request.concurrency_max = 1);
    let (first, equal) = (ask(5), ask(5));
    let (first, equal, second) = tokio::join!(member.search(&first, soon()), member.search(&equal, soon()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        member.search(&ask(6), soon()).await
    });
    assert!(first.is_ok());
    assert!(equal.is_ok(), "an equal one needs no turn");
    assert_eq!(second.unwrap_err().fault, Fault::RateLimited);
}

#[tokio::test]
async fn private_addresses_are_refused_unless_internal() {
    let running = ScriptedMember::new("A").start().await;
    for host in ["127.0.0.1", "localhost", "2130706433"] {
        let member = adapter(&running, |declared| {
            declared.internal = false;
            declared.url.set_host(Some(host)).unwrap();
        });
        assert_eq!(member.search(&ask(5), soon()).await.unwrap_err().fault, Fault::Unreachable, "{host}");
    }
    assert_eq!(running.recorded().len(), 0);
}

#[tokio::test]
async fn credentials_go_to_their_member_and_nowhere_else() {
    let monitor = OutboundMonitor::start().await;
    let secret = || Secret::new("canary".to_owned());
    for (auth, name, value) in [
        (Auth::Bearer { token: secret() }, "authorization", "Bearer canary"),
        (Auth::Basic { user: secret(), password: secret() }, "authorization", "Basic Y2FuYXJ5OmNhbmFyeQ=="),
        (Auth::Header { name: "x-api-key".to_owned(), value: secret() }, "x-api-key", "canary"),
    ] {
        let running = ScriptedMember::new("A")
            .items(items("c", 9))
            .next_form(NextForm::Headers)
            .landing_redirect(&monitor.base)
            .start()
            .await;
        let member = adapter(&running, |declared| declared.auth = auth);
        walk(&*member, ask(4), 9).await.unwrap();
        let failed = member.discover(soon()).await.unwrap_err();
        assert_eq!(failed.fault, Fault::BadResponse);
        assert!(!failed.to_string().contains("canary"));
        for request in running.recorded() {
            assert_eq!(request.headers[name], value);
            assert!(!request.uri.to_string().contains("canary"));
            assert!(request.headers["user-agent"].to_str().unwrap().starts_with("stac-broker/"));
            assert_eq!(request.headers["via"], "1.1 stac-broker-test");
            assert!(!request.headers.contains_key("cookie"));
        }
        assert!(running.recorded().len() >= 4);
    }
    let running = ScriptedMember::new("B").items(items("c", 9)).next_form(NextForm::Headers).start().await;
    walk(&*adapter(&running, |_| {}), ask(4), 9).await.unwrap();
    assert!(running.recorded().iter().all(|request| !request.headers.contains_key("authorization")));
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_landing_page_may_redirect_within_its_origin() {
    let running = ScriptedMember::new("A").landing_redirect("/stac/conformance").start().await;
    assert!(adapter(&running, |_| {}).discover(soon()).await.is_ok());
    let running = ScriptedMember::new("A").landing_redirect("/stac").start().await;
    assert_eq!(
        adapter(&running, |_| {}).discover(soon()).await.unwrap_err().fault,
        Fault::BadResponse,
        "a circle of redirects"
    );
}

#[tokio::test]
async fn answers_held_at_once_are_bounded_together() {
    let running = ScriptedMember::new("A").items(items("c", 60)).start().await;
    let mut federation = federation_of([running.declared()]);
    federation.limits.buffered_bytes_max = 30_000;
    let member = adapter_of(&federation);
    let whole = ask(60);
    let held = member.search(&whole, soon()).await.unwrap();
    assert!(held.bytes < 30_000 && held.bytes > 15_000, "{} bytes: the bound holds one such page, not two", held.bytes);
    assert_eq!(member.search(&whole, soon()).await.unwrap_err().fault, Fault::RateLimited);
    drop(held);
    assert_eq!(member.search(&whole, soon()).await.unwrap().items.len(), 60);
}

#[tokio::test]
async fn lists_too_long_for_an_address_are_left_to_the_broker() {
    let running = ScriptedMember::new("A").items(items("c", 3)).start().await;
    let many: Vec<String> = (0..2_000).map(|n| format!("c-{n:04}")).collect();
    let long = Ask { ids: Some(many), collections: Some(vec!["c".to_owned()]), ..ask(10) };
    let page = by(&running, Method::Get).search(&long, soon()).await.unwrap();
    assert_eq!((page.items.len(), page.matched.is_none()), (3, true), "a count without the list is no count of it");
    let page = by(&running, Method::Post).search(&long, soon()).await.unwrap();
    assert!(page.matched.is_some(), "a body has room");
}
