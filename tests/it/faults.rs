//! Members that go wrong, one fault each: what it costs, what the answer says, and that the rest is right.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::Federation;
use stac_broker::members::{Ask, Fault, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::support::front::{Reply, names};
use crate::support::oracle::Oracle;
use crate::support::{
    Fails, Front, NextForm, OutboundMonitor, Running, ScriptedMember, declared, federation_of, items,
};

/// What a member may take.
const DEADLINE: Duration = Duration::from_millis(600);
/// What a busy test machine may take beyond.
const MARGIN: Duration = Duration::from_millis(1_900);
const ANSWER_BYTES_MAX: usize = 4 << 20;
const EMPTY: &str = r#"{"type":"FeatureCollection","features":[],"links":[]}"#;

/// GOOD and BAD have 60 Items each, at the same times.
fn script(id: &str) -> ScriptedMember {
    ScriptedMember::new(id).items(items(&id.to_lowercase(), 60))
}

fn federation(members: &[&Running]) -> Federation {
    let mut federation = federation_of(members.iter().map(|member| member.declared()));
    federation.limits.member_deadline = DEADLINE;
    federation.limits.deadline = Duration::from_secs(4);
    federation.limits.answer_bytes_max = ANSWER_BYTES_MAX;
    federation
}

fn wanted(members: &[&str]) -> Vec<String> {
    let all: Vec<(&str, Vec<Value>)> = members.iter().map(|id| (*id, items(&id.to_lowercase(), 60))).collect();
    Oracle::of(all.iter().map(|(id, items)| (*id, items.as_slice()))).newest_first()
}

/// gunicorn closes a connection that was idle for two seconds; a request sent at that moment is lost.
#[tokio::test]
async fn a_connection_that_is_closed_instead_of_an_answer_is_tried_again_once() {
    for (closed, good) in [(1, true), (2, false)] {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 8192];
                let read = stream.read(&mut request).await.unwrap();
                assert!(read > 0);
                if number >= closed {
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", EMPTY.len());
                    stream.write_all(format!("{head}{EMPTY}").as_bytes()).await.unwrap();
                }
            }
        });
        let member =
            Registry::new(&federation_of([declared("A", base.parse().unwrap())])).iter().next().unwrap().clone();
        let answer = member.search(&Ask { limit: 1, ..Ask::default() }, Instant::now() + DEADLINE).await;
        assert_eq!(answer.as_ref().map_err(|failed| failed.fault).err(), (!good).then_some(Fault::Unreachable));
        server.abort();
    }
}

/// What clients see of a member that failed with this status.
fn check_partial(page: &Reply, status: &str) {
    assert_eq!(page.status, 200, "{status}: {}", page.text);
    assert!(page.took < DEADLINE + MARGIN, "{status} took {:?}", page.took);
    assert_eq!(page.names(), wanted(&["GOOD"]), "{status}: the rest is right");
    assert_eq!(page.missing(), ["BAD"], "{status}");
    assert_eq!(page.header("federation-missing"), "BAD", "{status}");
    assert_eq!(page.header("cache-control"), "no-store", "{status}");
    assert_eq!(page.report()["complete"], false, "{status}");
    assert_eq!(page.json().get("numberMatched"), None, "{status}: the sum is not known");
    let bad = page.member("BAD");
    assert_eq!(bad["status"], status, "{bad}");
    assert_eq!(
        bad["gaps"],
        json!([{"from": null, "to": null, "state": "open", "retryable": bad["retryable"]}]),
        "{status}"
    );
    assert_eq!(bad["correlation"], page.header("x-request-id"), "{status}");
    assert!(!page.text.contains("canary-of-the-member"), "{status}: {}", page.text);
}

/// A search that fails as a whole.
fn check_failed(page: &Reply, status: u16, how: &str) {
    let code = match status {
        502 => "MembersFailed",
        503 => "MembersUnavailable",
        504 => "MembersTimedOut",
        _ => "InvalidParameter",
    };
    assert_eq!((page.status, page.json()["code"].as_str()), (status, Some(code)), "{how}: {}", page.text);
    assert!(page.took < DEADLINE + MARGIN, "{how} took {:?}", page.took);
    if status > 502 {
        assert!(page.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{how}: Retry-After");
    }
    if !page.json()["federation:report"]["members"].as_array().unwrap().iter().any(|member| member["retryable"] == true)
    {
        assert!(page.header("retry-after").is_empty(), "{how}: waiting does not help");
    }
    assert_eq!(page.missing(), ["BAD"], "{how}");
    assert!(page.json()["description"].as_str().unwrap().contains("`BAD`"), "{how}: {}", page.text);
    assert!(!page.text.contains("canary-of-the-member"), "{how}: {}", page.text);
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("access-control-allow-origin"), "*");
}

/// BAD goes wrong on every search: the status in the report, that of a strict answer, and that of an answer to which
/// only BAD could contribute.
async fn check(bad: ScriptedMember, status: &str, strict: u16, alone: u16) {
    let (good, bad) = (script("GOOD").start().await, bad.start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    check_partial(&front.get("/search?limit=100").await, status);
    check_partial(&front.post("/search", &json!({"limit": 100})).await, status);
    check_failed(&front.get_with("/search?limit=100", "prefer", "handling=strict").await, strict, status);
    check_failed(&front.get("/search?collections=bad").await, alone, status);
    check_failed(&front.get("/collections/BAD%7Cbad/items").await, alone, status);

    let mut required = federation(&[&good, &bad]);
    required.members[1].policy.required = true;
    let front = Front::of(required).await;
    check_failed(&front.get("/search?limit=100").await, strict, status);
}

#[tokio::test]
async fn items_that_are_nonsense_are_left_out_and_counted() {
    let mut documents: Vec<String> = items("good", 20).iter().map(Value::to_string).collect();
    let item = |change: &dyn Fn(&mut Value)| {
        let mut item = items("good", 25).pop().unwrap();
        change(&mut item);
        item.to_string()
    };
    let large = format!(r#"{{"type":"Feature","id":"large","collection":"good","x":"{}"}}"#, "a".repeat(3 << 20));
    let deep =
        format!(r#"{{"type":"Feature","id":"deep","collection":"good","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let nonsense = [
        "null".to_owned(),
        "5".to_owned(),
        "\"Feature\"".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        large,
        deep,
        item(&|item| item["id"] = json!(5)),
        item(&|item| item["id"] = json!("")),
        item(&|item| item["collection"] = json!(["good"])),
        item(&|item| item["properties"] = json!(null)),
        item(&|item| item["properties"] = json!("x")),
        item(&|item| item["properties"]["datetime"] = json!("yesterday")),
        item(&|item| item["properties"]["datetime"] = json!(null)),
        item(&|item| item["type"] = json!("Collection")),
    ];
    let count = nonsense.len();
    for (at, text) in nonsense.into_iter().enumerate() {
        documents.insert(2 * at, text);
    }
    let member = ScriptedMember::new("GOOD").documents(documents).start().await;
    let front = Front::of(federation(&[&member])).await;
    let page = front.get("/search?limit=100").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let good: Vec<String> = page.names().into_iter().filter(|name| name.starts_with("GOOD|good good-")).collect();
    assert_eq!(good, wanted(&["GOOD"])[40..], "every good one, in order");
    assert_eq!(page.report()["invalid"], count, "{}", page.report());
}

#[tokio::test]
async fn a_member_that_hangs() {
    check(script("BAD").fails(Fails::Hang), "timeout", 504, 504).await;
}

#[tokio::test]
async fn a_member_that_sends_one_byte_at_a_time() {
    check(script("BAD").fails(Fails::Trickle(Duration::from_millis(30))), "timeout", 504, 504).await;
}

#[tokio::test]
async fn a_member_that_answers_html() {
    check(script("BAD").fails(Fails::Html), "bad-response", 503, 502).await;
}

#[tokio::test]
async fn a_member_that_answers_json_of_another_kind() {
    for text in [
        "null",
        "5",
        "[]",
        "\"canary-of-the-member\"",
        "{}",
        r#"{"features": null}"#,
        r#"{"features": {}}"#,
        r#"{"features": "x", "links": []}"#,
        r#"{"type": "FeatureCollection", "features": [}"#,
        r#"{"type": "Catalog", "links": []}"#,
        r#"{"code": "Error", "description": "canary-of-the-member"}"#,
        "{\"type\": \"FeatureCollection\", \"features\": []} canary-of-the-member",
    ] {
        let (good, bad) = (script("GOOD").start().await, script("BAD").fails(Fails::Says(text)).start().await);
        let front = Front::of(federation(&[&good, &bad])).await;
        let page = front.get("/search?limit=100").await;
        assert_eq!(page.member("BAD")["status"], "bad-response", "{text}: {}", page.text);
        check_partial(&page, "bad-response");
    }
}

#[tokio::test]
async fn what_surrounds_the_items_may_be_nonsense() {
    for text in [
        r#"{"type": "FeatureCollection", "features": []}"#,
        r#"{"features": [], "links": null}"#,
        r#"{"features": [], "links": 5, "numberMatched": "x"}"#,
        r#"{"features": [], "links": [null, 5, {"rel": "next"}, {"rel": 5, "href": []}], "numberMatched": -1}"#,
        r#"{"features": [], "links": [{"rel": "next", "href": "http://["}], "context": {"matched": {}}}"#,
        r#"{"features": [], "links": [], "numberMatched": 1e400, "context": null}"#,
    ] {
        let (good, odd) = (script("GOOD").start().await, script("BAD").fails(Fails::Says(text)).start().await);
        let front = Front::of(federation(&[&good, &odd])).await;
        let pages = front.walk_get("/search?limit=30").await;
        assert_eq!(names(&pages), wanted(&["GOOD"]), "{text}");
    }
}

#[tokio::test]
async fn a_member_whose_later_pages_fail() {
    for how in [Fails::Status(500, None), Fails::Status(404, None), Fails::Truncated, Fails::Hang] {
        let good = script("GOOD").start().await;
        let bad = script("BAD").page_cap(20).fails_from(1, how.clone()).start().await;
        let front = Front::of(federation(&[&good, &bad])).await;
        let pages = front.walk_get("/search?limit=100").await;
        let got = names(&pages);
        let of_good: Vec<String> = got.iter().filter(|name| name.starts_with("GOOD")).cloned().collect();
        assert_eq!(of_good, wanted(&["GOOD"]), "{how:?}");
        let in_order: Vec<String> = wanted(&["GOOD", "BAD"]).into_iter().filter(|name| got.contains(name)).collect();
        assert_eq!(got, in_order, "{how:?}");
        assert!(got.len() >= 78, "{how:?}: what it gave on its first page is given: {}", got.len());
        assert_eq!(pages.last().unwrap().missing(), ["BAD"], "{how:?}");
        let gap = pages.last().unwrap().member("BAD")["gaps"][0].clone();
        assert!(gap["from"]["value"].is_string(), "{how:?}: only the rest is missing: {gap}");
    }
}

#[tokio::test]
async fn a_member_whose_answer_is_cut_off() {
    check(script("BAD").fails(Fails::Truncated), "bad-response", 503, 502).await;
}

#[tokio::test]
async fn a_member_that_answers_500() {
    check(script("BAD").fails(Fails::Status(500, None)), "bad-response", 503, 502).await;
}

#[tokio::test]
async fn a_member_that_refuses_us() {
    check(script("BAD").fails(Fails::Status(401, None)), "unauthorized", 502, 502).await;
    check(script("BAD").fails(Fails::Status(403, None)), "forbidden", 502, 502).await;
}

#[tokio::test]
async fn a_member_that_asks_for_a_pause() {
    check(script("BAD").fails(Fails::Status(429, Some("7"))), "rate-limited", 503, 503).await;
    let (good, bad) = (script("GOOD").start().await, script("BAD").fails(Fails::Status(429, Some("7"))).start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    for _ in 0..3 {
        let strict = front.get_with("/search", "prefer", "handling=strict").await;
        let seconds: u32 = strict.header("retry-after").parse().unwrap();
        assert!((5..=7).contains(&seconds), "{seconds}");
    }
    assert_eq!(bad.searches(), 1, "it is left alone meanwhile");
}

#[tokio::test]
async fn a_member_that_sends_100_mb() {
    check(script("BAD").fails(Fails::Huge(100 << 20)), "too-large", 502, 502).await;
}

#[tokio::test]
async fn a_member_that_redirects_elsewhere() {
    let monitor = OutboundMonitor::start().await;
    let to = format!("{}/stac/search", monitor.base);
    check(script("BAD").fails(Fails::Redirect(to)), "bad-response", 503, 502).await;
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_member_that_claims_an_order_and_has_none() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").claims_sort().start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    let page = front.get("/search?limit=100").await;
    check_partial(&page, "order-violation");
    let pages = front.walk_get("/search?limit=1&sortby=-datetime").await;
    let got = names(&pages);
    let of_good: Vec<String> = got.iter().filter(|name| name.starts_with("GOOD")).cloned().collect();
    assert_eq!(of_good, wanted(&["GOOD"]));
    let in_order: Vec<String> = wanted(&["GOOD", "BAD"]).into_iter().filter(|name| got.contains(name)).collect();
    assert_eq!(got, in_order);
    assert!(pages.iter().all(|page| page.missing() == ["BAD"]), "what was lost once stays declared");
}

#[tokio::test]
async fn a_member_that_breaks_its_order_three_times_is_not_asked_to_sort_any_more() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").claims_sort().start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    for _ in 0..3 {
        check_partial(&front.get("/search?limit=100").await, "order-violation");
    }
    let pages = front.walk_get("/search?limit=7&sortby=-datetime").await;
    assert_eq!(names(&pages), wanted(&["GOOD", "BAD"]), "read whole and sorted by the broker");
    assert!(pages.iter().all(|page| page.missing().is_empty()));
    let answer = front.get("/federation/members/BAD").await;
    let known = answer.json();
    assert_eq!(known["capabilities"]["sort"], "unsupported", "{known}");
    assert!(known["capabilities"]["notes"].to_string().contains("broke its order"), "{known}");
}

#[tokio::test]
async fn a_member_that_is_not_there() {
    let (good, mut bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    assert_eq!(front.get("/search?limit=200").await.names(), wanted(&["GOOD", "BAD"]));
    bad.refuse().await;
    check_partial(&front.get("/search?limit=100").await, "unreachable");
    check_failed(&front.get_with("/search", "prefer", "handling=strict").await, 503, "unreachable");
    check_failed(&front.get("/search?collections=bad").await, 503, "unreachable");
    bad.accept_again().await;
    let page = front.get("/search?limit=200").await;
    assert_eq!((page.names(), page.missing().len()), (wanted(&["GOOD", "BAD"]), 0), "it is back at once");
}

#[tokio::test]
async fn a_member_that_was_never_there() {
    let (good, mut bad) = (script("GOOD").start().await, script("BAD").start().await);
    bad.refuse().await;
    let front = Front::of(federation(&[&good, &bad])).await;
    // of BAD nothing is known: not that it sorts, so an order has to be asked for
    check_partial(&front.get("/search?limit=100&sortby=-datetime").await, "unreachable");
    let collections = front.get("/collections").await;
    assert_eq!((collections.status, collections.missing()), (200, vec!["BAD".to_owned()]));
    let members = front.get("/federation/members/BAD").await;
    assert_eq!(members.json()["status"], "offline");
}

#[tokio::test]
async fn a_member_that_loops() {
    for form in [NextForm::Get, NextForm::PostFull, NextForm::PageNumber] {
        let (good, bad) = (script("GOOD").start().await, script("BAD").page_cap(20).next_form(form).fails(Fails::Loop));
        let bad = bad.start().await;
        let front = Front::of(federation(&[&good, &bad])).await;
        let pages = front.walk_get("/search?limit=15").await;
        let got = names(&pages);
        assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "nothing is given twice");
        let of_good: Vec<String> = got.iter().filter(|name| name.starts_with("GOOD")).cloned().collect();
        assert_eq!(of_good, wanted(&["GOOD"]));
        let in_order: Vec<String> = wanted(&["GOOD", "BAD"]).into_iter().filter(|name| got.contains(name)).collect();
        assert_eq!(got, in_order);
        let last = pages.last().unwrap();
        assert!(got.len() == 120 || last.missing() == ["BAD"], "{form:?}: {} Items and nothing missing", got.len());
        assert!(bad.searches() <= 12 * pages.len(), "{form:?}: {} searches for {} pages", bad.searches(), pages.len());
        assert!(pages.iter().all(|page| page.took < DEADLINE + MARGIN));
    }
}

#[tokio::test]
async fn all_members_that_fail_are_an_error_and_never_an_empty_list() {
    for (one, other, status) in [
        (Fails::Html, Fails::Truncated, 502),
        (Fails::Hang, Fails::Hang, 504),
        (Fails::Hang, Fails::Status(500, None), 502),
        (Fails::Status(429, Some("9")), Fails::Html, 503),
    ] {
        let (a, b) = (script("GOOD").fails(one).start().await, script("BAD").fails(other).start().await);
        let front = Front::of(federation(&[&a, &b])).await;
        let page = front.get("/search").await;
        assert_eq!(page.status, status, "{}", page.text);
        assert_eq!(page.missing(), ["GOOD", "BAD"]);
        assert_eq!(page.header("federation-missing"), "GOOD, BAD");
    }
}

#[tokio::test]
async fn after_recovery_the_walk_goes_on_and_the_gap_stays_declared() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    let first = front.get("/search?limit=20").await;
    assert!(first.missing().is_empty());
    bad.breaks(Fails::Html);
    let second = front.follow(&first.next().unwrap()).await;
    assert_eq!(second.missing(), ["BAD"]);
    bad.heals();
    let rest = front.pages(front.follow(&second.next().unwrap()).await).await;
    for page in &rest {
        assert_eq!(page.missing(), ["BAD"], "every later page says so");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.member("BAD")["gaps"][0]["state"], "closed");
    }
    // the last of page 2, all of GOOD, is where BAD was picked up again
    let missed: Vec<String> = second.names().iter().map(|name| name.replace("GOOD|good good", "BAD|bad bad")).collect();
    let got = [first.names(), second.names(), names(&rest)].concat();
    let all: Vec<String> = wanted(&["GOOD", "BAD"]);
    let lost: Vec<&String> = all.iter().filter(|name| !got.contains(name)).collect();
    assert!(lost.iter().all(|name| missed.contains(name)), "what is missing lies in the gap: {lost:?}");
    let in_order: Vec<String> = all.iter().filter(|name| got.contains(name)).cloned().collect();
    assert_eq!(got, in_order, "the order holds and nothing is given twice");
    let gap = &rest[0].member("BAD")["gaps"][0];
    assert_eq!(gap["from"]["id"], *first.names().last().unwrap().split(' ').next_back().unwrap());
}

#[tokio::test]
async fn a_strict_client_waits_and_loses_nothing() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    let first = front.get_with("/search?limit=20", "prefer", "handling=strict").await;
    assert_eq!(first.header("preference-applied"), "handling=strict");
    let next = first.next().unwrap()["href"].as_str().unwrap().to_owned();
    bad.breaks(Fails::Hang);
    for _ in 0..2 {
        let refused = front.get_with(&next, "prefer", "handling=strict").await;
        check_failed(&refused, 504, "strict");
    }
    bad.heals();
    let again = front.get_with(&next, "prefer", "handling=strict").await;
    let rest = front.pages(again).await;
    assert_eq!([first.names(), names(&rest)].concat(), wanted(&["GOOD", "BAD"]));
    assert!(rest.iter().all(|page| page.missing().is_empty()));
}

#[tokio::test]
async fn a_client_may_wait_less_than_a_member_may_take() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").fails(Fails::Hang).start().await);
    let mut slow = federation(&[&good, &bad]);
    slow.limits.member_deadline = Duration::from_secs(8);
    slow.limits.deadline = Duration::from_secs(12);
    let front = Front::of(slow).await;
    let page = front.get_with("/search?limit=100", "prefer", "wait=1").await;
    check_partial(&page, "timeout");
    assert_eq!(page.header("preference-applied"), "wait=1");
}

#[tokio::test]
async fn a_member_that_fails_at_the_end_is_declared_on_the_last_page() {
    let few = ScriptedMember::new("GOOD").items(items("good", 5)).start().await;
    let bad = script("BAD").start().await;
    let front = Front::of(federation(&[&few, &bad])).await;
    let first = front.get("/search?limit=62").await;
    assert_eq!(first.names().len(), 62);
    bad.breaks(Fails::Status(500, None));
    few.breaks(Fails::Status(500, None));
    let all_failed = front.follow(&first.next().unwrap()).await;
    assert_eq!(all_failed.status, 502, "nobody contributed: {}", all_failed.text);
    few.heals();
    let last = front.pages(front.follow(&first.next().unwrap()).await).await;
    assert_eq!(last.last().unwrap().missing(), ["BAD"]);
    bad.heals();
    let rest = front.pages(front.follow(&first.next().unwrap()).await).await;
    assert_eq!(first.names().len() + names(&rest).len(), 65, "the cursor is as good as before");
}

#[tokio::test]
async fn in_turns_a_failed_member_keeps_its_place_and_loses_nothing() {
    let good = script("GOOD").no_sort().start().await;
    let bad = script("BAD").no_sort().start().await;
    let front = Front::of(federation(&[&good, &bad])).await;
    let first = front.get("/search?limit=10").await;
    assert_eq!(first.report()["order"]["by"], "quota");
    bad.breaks(Fails::Hang);
    let second = front.follow(&first.next().unwrap()).await;
    assert_eq!((second.missing(), second.member("BAD")["status"].clone()), (vec!["BAD".to_owned()], json!("timeout")));
    bad.heals();
    let rest = front.pages(front.follow(&second.next().unwrap()).await).await;
    let mut got = [first.names(), second.names(), names(&rest)].concat();
    got.sort_unstable();
    let mut all = wanted(&["GOOD", "BAD"]);
    all.sort_unstable();
    assert_eq!(got, all);
    assert!(rest.last().unwrap().missing().is_empty(), "nothing is missing any more");
}

#[tokio::test]
async fn one_item_of_a_member_that_fails() {
    let (good, mut bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    assert_eq!(front.get("/collections/BAD%7Cbad/items/bad-0001").await.status, 200);
    assert_eq!(front.get("/collections/BAD%7Cbad/items/nothing").await.status, 404);
    bad.refuse().await;
    let gone = front.get("/collections/BAD%7Cbad/items/bad-0001").await;
    assert_eq!((gone.status, gone.json()["code"].as_str()), (503, Some("MembersUnavailable")), "{}", gone.text);
    assert_eq!(front.get("/collections/GOOD%7Cgood/items/good-0001").await.status, 200);
}

#[tokio::test]
async fn a_hanging_member_does_not_hold_up_searches_of_others() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").fails(Fails::Hang).start().await);
    // Long enough that being held up is told from a machine that does other things too.
    let held = Duration::from_secs(6);
    let mut patient = federation(&[&good, &bad]);
    patient.limits.member_deadline = held;
    patient.limits.deadline = 2 * held;
    let front = Front::of(patient).await;
    // No two alike, so that none takes the answer of another.
    let paths = |rest: &'static str| (1..=24).map(move |limit| format!("/search?limit={limit}{rest}"));
    let held_up: Vec<String> = paths("").collect();
    let free: Vec<String> = paths("&collections=good").collect();
    let held_up = futures::future::join_all(held_up.iter().map(|path| front.get(path)));
    let free = futures::future::join_all(free.iter().map(|path| front.get(path)));
    let (held_up, free) = futures::future::join(held_up, free).await;
    for (limit, page) in (1..).zip(&free) {
        assert_eq!((page.status, page.names().len(), page.missing().len()), (200, limit, 0), "{}", page.text);
    }
    let slowest = free.iter().map(|page| page.took).max().unwrap();
    assert!(slowest < held, "{slowest:?}");
    for page in &held_up {
        assert_eq!((page.status, page.missing()), (200, vec!["BAD".to_owned()]), "{}", page.text);
    }
}

#[tokio::test]
async fn many_walks_at_once_are_each_right() {
    let (good, bad) =
        (script("GOOD").slow(Duration::from_millis(1)).start().await, script("BAD").page_cap(7).start().await);
    let mut patient = federation(&[&good, &bad]);
    patient.limits.member_deadline = Duration::from_secs(8);
    patient.limits.deadline = Duration::from_secs(12);
    let front = Front::of(patient).await;
    let limits = [5, 17, 30, 60, 100];
    let paths: Vec<String> = (0..20).map(|n| format!("/search?limit={}", limits[n % limits.len()])).collect();
    let walks = paths.iter().map(|path| front.walk_get(path));
    for pages in futures::future::join_all(walks).await {
        assert_eq!(names(&pages), wanted(&["GOOD", "BAD"]));
    }
}

#[tokio::test]
async fn clients_that_go_away_leave_the_broker_as_it_was() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").fails(Fails::Hang).start().await);
    let mut few = federation(&[&good, &bad]);
    few.limits.in_flight_max = 8;
    let front = Front::of(few).await;
    for _ in 0..40 {
        let gone = tokio::time::timeout(Duration::from_millis(20), front.get("/search")).await;
        assert!(gone.is_err());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(front.get("/search?collections=good").await.status, 200, "their places are free again");
}

#[tokio::test]
async fn more_requests_than_the_broker_takes_are_told_so_at_once() {
    let bad = script("BAD").fails(Fails::Hang).start().await;
    let mut few = federation(&[&bad]);
    few.limits.in_flight_max = 4;
    let front = Front::of(few).await;
    let all = futures::future::join_all((0..12).map(|_| front.get("/search"))).await;
    let refused: Vec<_> = all.iter().filter(|page| page.json()["code"] == "Overloaded").collect();
    assert_eq!(refused.len(), 8);
    for page in refused {
        assert_eq!((page.status, page.header("retry-after")), (503, "5"));
        assert!(page.took < DEADLINE, "{:?}", page.took);
    }
    assert_eq!(front.get("/health/live").await.status, 200);
}
