//! What members claim and what they do (`members.md` section 9): for each capability one member that claims and lacks
//! it, and one that has it and does not say so. A probe finds both; the federation file overrules it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::cql2::Expr;
use stac_broker::federation::{Method, Support};
use stac_broker::members::{Ask, Capabilities, Counts, Language, Member, Registry, Source};
use tokio::time::Instant;

use crate::support::{Fails, Filters, OutboundMonitor, Running, ScriptedMember, federation_of, items, time};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Sixty Items with clouds, in an order that is not that of their times.
fn cloudy() -> Vec<Value> {
    let mut all = items("c", 60);
    for (n, item) in all.iter_mut().enumerate() {
        item["properties"]["datetime"] = json!(time((n * 37) % 60));
        item["properties"]["eo:cloud_cover"] = json!((n * 7) % 100);
    }
    all
}

fn new() -> ScriptedMember {
    ScriptedMember::new("A").items(cloudy())
}

async fn adapter(running: &Running, change: impl FnOnce(&mut stac_broker::federation::Member)) -> Arc<dyn Member> {
    let mut declared = running.declared();
    change(&mut declared);
    let member = Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
    member.discover(soon()).await.unwrap();
    member
}

/// Declared, then probed.
async fn both(script: ScriptedMember) -> (Arc<Capabilities>, Arc<Capabilities>) {
    let running = script.start().await;
    let member = adapter(&running, |_| {}).await;
    let declared = member.capabilities();
    assert!(member.probe_due() && declared.probed_at.is_none());
    member.probe(soon()).await.unwrap();
    assert!(!member.probe_due());
    assert!(running.probes() <= 40, "{} requests", running.probes());
    assert_eq!(running.searches(), 0, "a probe says that it is one");
    (declared, member.capabilities())
}

fn noted(can: &Capabilities, text: &str) -> bool {
    can.notes.iter().any(|note| note.contains(text))
}

#[tokio::test]
async fn an_honest_member_keeps_all_that_it_declares() {
    let monitor = OutboundMonitor::start().await;
    for script in [new().able(), new().able().get_only(), new().filters(&["cql2-json"]).no_counts()] {
        let (declared, probed) = both(script).await;
        assert_eq!(probed.notes, declared.notes);
        assert_eq!(probed.contradictions, 0);
        assert!(probed.probed_at.is_some());
        let supports = |can: &Capabilities| {
            [can.sort, can.filter, can.query, can.ids, can.collections, can.datetime, can.bbox, can.intersects]
        };
        assert_eq!(supports(&probed), supports(&declared));
        assert_eq!(probed.filter, Support::Exact);
    }
    monitor.assert_untouched();
}

#[tokio::test]
async fn filter_that_is_claimed_and_lacking_is_taken_away() {
    for how in [Filters::Ignores, Filters::Refuses] {
        let (declared, probed) = both(new().able().really(how)).await;
        assert_eq!((declared.filter, probed.filter), (Support::Exact, Support::Unsupported), "{how:?}");
        assert_eq!(probed.sources["filter"], Source::Probed);
        assert!(probed.contradictions > 0 && noted(&probed, "declares `filter`, but does not do it"));
    }
    let (_, probed) = both(new().able().really(Filters::Loosely)).await;
    assert_eq!(probed.filter, Support::Inexact, "its comparisons return too much");
}

#[tokio::test]
async fn filter_that_is_there_and_not_claimed_is_used_with_care() {
    let (declared, probed) = both(new().filters(&["cql2-text", "cql2-json"]).says_filter(&[])).await;
    assert_eq!((declared.filter, probed.filter), (Support::Unsupported, Support::Inexact));
    let part = |text: &str| probed.condition(&Expr::from_text(text).unwrap());
    assert_eq!(part("eo:cloud_cover < 10"), Support::Inexact);
    assert_eq!(part("eo:cloud_cover IN (1, 2)"), Support::Unsupported, "of the basic class alone");
    assert!(noted(&probed, "does not declare `filter`, but has it"));
}

#[tokio::test]
async fn the_language_of_each_method_is_the_one_that_works() {
    let (declared, probed) = both(new().able().reads_get(&["cql2-json"])).await;
    assert_eq!((declared.spoken.get, probed.spoken.get), (Some(Language::Text), Some(Language::Json)));
    assert_eq!(probed.spoken.post, Some(Language::Json));
    assert!(noted(&probed, "declares cql2-text, but not by GET"));
    assert_eq!(probed.filter, Support::Exact);
}

#[tokio::test]
async fn query_is_seen_for_what_it_is() {
    let (declared, probed) = both(new().claims_query()).await;
    assert_eq!((declared.query, probed.query), (Support::Exact, Support::Unsupported));
    let (declared, probed) = both(new().hides_query()).await;
    assert_eq!((declared.query, probed.query), (Support::Unsupported, Support::Inexact));
}

#[tokio::test]
async fn sort_is_seen_for_what_it_is() {
    let (declared, probed) = both(new().claims_sort()).await;
    assert_eq!((declared.sort, probed.sort), (Support::Exact, Support::Unsupported));
    let (declared, probed) = both(new().hides_sort()).await;
    assert_eq!((declared.sort, probed.sort), (Support::Unsupported, Support::Exact));
    assert_eq!(probed.sort_fields.as_deref(), Some(&["properties.datetime".to_owned()][..]), "as far as it was seen");
}

#[tokio::test]
async fn parameters_of_the_core_that_are_ignored_or_lose_items_are_noticed() {
    for name in ["datetime", "bbox", "intersects", "collections", "ids"] {
        let of = |can: &Capabilities| match name {
            "datetime" => can.datetime,
            "bbox" => can.bbox,
            "intersects" => can.intersects,
            "collections" => can.collections,
            _ => can.ids,
        };
        let (declared, ignores) = both(new().able().ignores(&[name])).await;
        // what ignores ids says nothing about them
        let weaker = if name == "ids" { Support::Unsupported } else { Support::Inexact };
        assert_eq!((of(&declared), of(&ignores)), (Support::Exact, weaker), "{name} ignored");
        let (_, loses) = both(new().able().loses(&[name])).await;
        assert_eq!(of(&loses), Support::Unsupported, "{name} loses Items");
        assert!(loses.contradictions > 0);
    }
}

#[tokio::test]
async fn counts_are_seen_for_what_they_are() {
    assert_eq!(both(new()).await.1.counts, Some(Counts::Exact));
    assert_eq!(both(new().no_counts()).await.1.counts, Some(Counts::None));
    let (_, guessed) = both(new().guesses_counts()).await;
    assert_eq!((guessed.counts, guessed.counts_exact), (Some(Counts::Estimated), false));
}

#[tokio::test]
async fn properties_that_the_member_does_not_know_are_not_asked_for() {
    let (_, probed) = both(new().able().queryables(&["eo:cloud_cover"])).await;
    let part = |text: &str| probed.condition(&Expr::from_text(text).unwrap());
    assert_eq!(part("eo:cloud_cover < 10"), Support::Exact);
    assert_eq!(part("platform = 'x'"), Support::Unsupported);
}

#[tokio::test]
async fn a_member_without_items_proves_nothing() {
    let (declared, probed) = both(ScriptedMember::new("A").able()).await;
    assert_eq!((probed.filter, probed.sort, probed.contradictions), (declared.filter, declared.sort, 0));
}

#[tokio::test]
async fn a_probe_that_is_broken_off_proves_nothing_and_stays_due() {
    let running = new().able().really(Filters::Ignores).start().await;
    let member = adapter(&running, |_| {}).await;
    running.breaks(Fails::Status(429, None));
    assert!(member.probe(soon()).await.is_err());
    assert_eq!(member.capabilities().filter, Support::Exact);
    assert!(member.probe_due());
    running.heals();
    member.probe(soon()).await.unwrap();
    assert_eq!(member.capabilities().filter, Support::Unsupported);
}

#[tokio::test]
async fn a_running_broker_probes_in_the_background_and_searches_do_not_wait() {
    let running = new().able().really(Filters::Ignores).start().await;
    let broker = stac_broker::broker::Broker::start(federation_of([running.declared()]));
    let settled = Instant::now();
    broker.settled(Duration::from_secs(10)).await;
    assert!(settled.elapsed() < Duration::from_secs(8));
    let probed = async {
        loop {
            let can = broker.snapshot().members.get("A").unwrap().capabilities();
            if can.probed_at.is_some() {
                return can;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let can = tokio::time::timeout(Duration::from_secs(20), probed).await.unwrap();
    assert_eq!(can.filter, Support::Unsupported);
    assert_eq!(running.searches(), 0);
}

#[tokio::test]
async fn the_federation_file_has_the_last_word() {
    let running = new().able().really(Filters::Ignores).start().await;
    let member = adapter(&running, |declared| declared.capabilities.filter = Some(Support::Inexact)).await;
    member.probe(soon()).await.unwrap();
    let can = member.capabilities();
    assert_eq!((can.filter, can.sources["filter"]), (Support::Inexact, Source::File));
    assert!(noted(&can, "the federation file decides otherwise"));
}

#[tokio::test]
async fn a_new_discovery_keeps_what_the_last_probe_saw() {
    let running = new().able().really(Filters::Ignores).start().await;
    let member = adapter(&running, |_| {}).await;
    member.probe(soon()).await.unwrap();
    let again = member.discover(soon()).await.unwrap();
    assert_eq!(again.filter, Support::Unsupported);
    assert!(member.probe_due(), "and asks for another one");
}

#[tokio::test]
async fn a_member_that_was_repaired_counts_as_exact_again_after_the_next_probe() {
    let running = new().able().really(Filters::Ignores).start().await;
    let member = adapter(&running, |_| {}).await;
    member.probe(soon()).await.unwrap();
    assert_eq!(member.capabilities().filter, Support::Unsupported);
    running.filters_now(Filters::Exactly);
    member.discover(soon()).await.unwrap();
    member.probe(soon()).await.unwrap();
    let can = member.capabilities();
    assert_eq!((can.filter, can.sources["filter"], can.contradictions), (Support::Exact, Source::Declared, 0));
}

fn filtered(text: &str) -> Ask {
    Ask { filter: Some(Arc::new(Expr::from_text(text).unwrap())), limit: 100, ..Ask::default() }
}

#[tokio::test]
async fn conditions_arrive_in_the_words_of_the_member() {
    let wanted = cloudy().iter().filter(|item| item["properties"]["eo:cloud_cover"].as_i64().unwrap() < 30).count();
    for (script, method, parameter, language) in [
        (new().filters(&["cql2-text", "cql2-json"]), Method::Post, "filter", Some("cql2-json")),
        (new().filters(&["cql2-text", "cql2-json"]), Method::Get, "filter", Some("cql2-text")),
        (new().filters(&["cql2-json"]), Method::Get, "filter", Some("cql2-json")),
        (new().filters(&["cql2-text"]), Method::Post, "filter", Some("cql2-text")),
        (new().queries(), Method::Post, "query", None),
        (new().queries(), Method::Get, "query", None),
    ] {
        let running = script.start().await;
        let member = adapter(&running, |declared| declared.request.method = method).await;
        let page = member.search(&filtered("eo:cloud_cover < 30"), soon()).await.unwrap();
        assert_eq!((page.items.len(), page.matched.map(|matched| matched.count)), (wanted, Some(wanted as u64)));
        let sent = running.recorded().pop().unwrap();
        let asked: Value = if method == Method::Post {
            serde_json::from_slice(&sent.body).unwrap()
        } else {
            let pairs = url::form_urlencoded::parse(sent.uri.query().unwrap().as_bytes());
            Value::Object(pairs.map(|(name, value)| (name.into_owned(), value.into())).collect())
        };
        assert!(asked.get(parameter).is_some(), "{asked}");
        assert_eq!(asked.get("filter-lang").and_then(Value::as_str), language);
    }
}

#[tokio::test]
async fn a_condition_that_an_address_has_no_room_for_is_left_to_the_broker() {
    let running = new().filters(&["cql2-text"]).get_only().start().await;
    let member = adapter(&running, |_| {}).await;
    let names: Vec<String> = (0..400).map(|n| format!("'c-{n:020}'")).collect();
    let page = member.search(&filtered(&format!("eo:cloud_cover < 30 AND id IN ({})", names.join(","))), soon()).await;
    let page = page.unwrap();
    let sent = running.recorded().pop().unwrap().uri.to_string();
    assert!(sent.len() < 8_192 && sent.contains("eo%3Acloud_cover"), "{} bytes", sent.len());
    assert!(!page.items.is_empty());
    assert_eq!(page.matched, None, "a count of a part of the condition is no count of it");
}

#[tokio::test]
async fn a_refused_condition_is_asked_once_without_and_remembered() {
    let running = new().able().queryables(&["eo:cloud_cover"]).start().await;
    let member = adapter(&running, |_| {}).await;
    let page = member.search(&filtered("platform = 'x' AND eo:cloud_cover < 30"), soon()).await.unwrap();
    assert_eq!((page.items.len(), page.matched, running.searches()), (60, None, 2));
    assert_eq!(member.capabilities().filter_refused, ["eo:cloud_cover", "platform"], "either may be to blame");
    assert!(noted(&member.capabilities(), "refuses conditions on"));
    member.search(&filtered("platform = 'x'"), soon()).await.unwrap();
    assert_eq!(running.searches(), 3, "it is not asked again");

    // what it took before is not to blame
    let running = new().able().queryables(&["eo:cloud_cover"]).start().await;
    let member = adapter(&running, |_| {}).await;
    member.search(&filtered("eo:cloud_cover < 30"), soon()).await.unwrap();
    member.search(&filtered("platform = 'x' AND eo:cloud_cover < 30"), soon()).await.unwrap();
    assert_eq!(member.capabilities().filter_refused, ["platform"]);
    member.probe(soon()).await.unwrap();
    assert_eq!(member.capabilities().filter_refused, ["platform"], "a probe of other properties does not take it back");
    member.discover(soon()).await.unwrap();
    assert!(member.capabilities().filter_refused.is_empty());
    assert_eq!(member.capabilities().queryables.as_deref(), Some(&["eo:cloud_cover".to_owned()][..]));
}

#[tokio::test]
async fn a_list_goes_on_under_the_condition_that_it_began_with() {
    for method in [Method::Post, Method::Get] {
        let running = new().able().start().await;
        let member = adapter(&running, |declared| declared.request.method = method).await;
        let mut ask = Ask { limit: 5, ..filtered("eo:cloud_cover < 30 AND platform IS NULL") };
        let first = member.search(&ask, soon()).await.unwrap();
        ask.token = first.next;
        // something else makes the member refuse the property meanwhile: the place is one in the filtered list
        for _ in 0..3 {
            member.contradicted("eo:cloud_cover < 30");
        }
        assert_eq!(member.capabilities().filter, Support::Inexact);
        let second = member.search(&ask, soon()).await.unwrap();
        let mut ids: Vec<&str> = first.items.iter().chain(&second.items).map(|item| &*item.id).collect();
        assert_eq!(ids.len(), 10);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 10);
        // and without that condition there is no such list
        let other = Ask { filter: None, ..ask };
        let refused = member.search(&other, soon()).await.unwrap_err();
        assert_eq!(refused.fault, stac_broker::members::Fault::TokenRefused);
    }
}

#[tokio::test]
async fn items_outside_an_exact_condition_make_it_inexact_until_the_next_discovery() {
    let running = new().able().start().await;
    let member = adapter(&running, |_| {}).await;
    member.contradicted("a = 1");
    member.contradicted("a = 1");
    assert_eq!(member.capabilities().filter, Support::Exact);
    member.contradicted("a = 1");
    assert_eq!((member.capabilities().filter, member.capabilities().query), (Support::Inexact, Support::Inexact));
    assert!(noted(&member.capabilities(), "outside a condition that counted as exact: a = 1"));
    member.probe(soon()).await.unwrap();
    assert_eq!(member.capabilities().filter, Support::Inexact, "a probe of a few Items cannot take that back");
    assert_eq!(member.discover(soon()).await.unwrap().filter, Support::Exact);

    let member = adapter(&running, |declared| declared.capabilities.filter = Some(Support::Exact)).await;
    for _ in 0..3 {
        member.contradicted("a = 1");
    }
    assert_eq!(member.capabilities().filter, Support::Exact, "the file decides");
    assert!(noted(&member.capabilities(), "the federation file says `filter = \"exact\"`"));
}

#[tokio::test]
async fn a_broken_order_has_the_member_probed_again_and_after_three_no_probe_gives_it_back() {
    let running = new().start().await;
    let member = adapter(&running, |_| {}).await;
    let sorts = || member.capabilities().sort;
    member.probe(soon()).await.unwrap();
    assert_eq!((sorts(), member.probe_due()), (Support::Exact, false));
    member.disordered();
    assert!(member.probe_due(), "it is asked again before the next discovery");
    member.probe(soon()).await.unwrap();
    assert_eq!((sorts(), member.probe_due()), (Support::Exact, false), "once is no habit");
    member.disordered();
    member.disordered();
    assert_eq!(sorts(), Support::Unsupported);
    member.probe(soon()).await.unwrap();
    assert_eq!(sorts(), Support::Unsupported, "a few Items in order take nothing back");
    member.discover(soon()).await.unwrap();
    assert_eq!(sorts(), Support::Exact);
}
