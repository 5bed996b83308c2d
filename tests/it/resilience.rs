//! Members that suffer, and clients that are too many: who is asked again, who is left alone, and what clients are told.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stac_broker::broker::Broker;
use stac_broker::federation::{Federation, Kind, Records};
use stac_broker::http::{App, serve};
use stac_broker::members::{Ask, Fault, Registry};
use stac_broker::search::KeyRing;
use tokio::time::Instant;

use crate::support::catalogue::{Catalogue, Habits, records_of};
use crate::support::files::{self, Files, sea, tree};
use crate::support::process_stub::{ProcessStub, Script};
use crate::support::{Fails, Front, Running, ScriptedMember, declared, federation_of, items};

fn script(id: &str) -> ScriptedMember {
    ScriptedMember::new(id).items(items(&id.to_lowercase(), 60))
}

fn federation(members: &[&Running]) -> Federation {
    federation_of(members.iter().map(|member| member.declared()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// A path for each number, no two of them alike.
fn search(number: usize) -> String {
    format!("/search?limit={}", number + 1)
}

#[tokio::test]
async fn a_member_that_fails_again_and_again_is_left_alone_and_all_are_told_why() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    bad.breaks(Fails::Status(500, None));
    for number in 0..5 {
        assert_eq!(front.get(&search(number)).await.member("BAD")["status"], "bad-response");
    }
    let asked = bad.recorded().len();
    let page = front.get("/search?limit=60").await;
    assert_eq!((page.status, page.missing()), (200, vec!["BAD".to_owned()]), "{}", page.text);
    assert_eq!(page.names().iter().filter(|name| name.starts_with("GOOD")).count(), 60, "{}", page.text);
    let told = page.member("BAD");
    assert_eq!((&told["status"], &told["retryable"]), (&"circuit-open".into(), &true.into()), "{told}");
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("5 requests failed in a row, the last with `bad-response`; it is not asked for another "),
        "{reason}"
    );
    assert!((20..=36).contains(&told["retry_after_s"].as_u64().unwrap()), "{told}");
    assert!(told["gaps"][0]["retryable"].as_bool().unwrap(), "{told}");

    let strict = front.get_with("/search", "prefer", "handling=strict").await;
    assert_eq!(strict.status, 503, "{}", strict.text);
    assert!(strict.header("retry-after").parse::<u32>().unwrap() >= 20);
    let explained = front.get("/search/explain?limit=60").await;
    let legs = &explained.json()["legs"];
    assert_eq!((legs[0]["id"].as_str(), legs[0].get("withheld")), (Some("GOOD"), None), "{}", explained.text);
    let withheld = &legs[1]["withheld"];
    assert_eq!((legs[1]["id"].as_str(), withheld["status"].as_str()), (Some("BAD"), Some("circuit-open")));
    assert!(withheld["reason"].as_str().unwrap().starts_with("5 requests failed in a row"), "{withheld}");
    assert!((1..=36).contains(&withheld["retry_after_s"].as_u64().unwrap()), "{withheld}");
    let alone = front.get("/search?collections=bad").await;
    assert_eq!((alone.status, alone.json()["code"].as_str()), (503, Some("MembersUnavailable")));
    let item = front.get("/collections/BAD%7Cbad/items/bad-0001").await;
    assert_eq!(item.status, 503, "{}", item.text);
    front.broker.refresh_now().await;
    assert_eq!(bad.recorded().len(), asked, "nothing was sent, not even for its Collections");

    let known = front.get("/federation/members/BAD").await;
    let guard = &known.json()["guard"];
    assert_eq!((&guard["breaker"], &guard["openings"]), (&"open".into(), &1.into()), "{guard}");
    assert!(guard["reason"].as_str().unwrap().contains("failed in a row"), "{guard}");
    let good_guard = front.get("/federation/members/GOOD").await.json()["guard"].clone();
    assert_eq!((&good_guard["breaker"], good_guard["reason"].is_null()), (&"closed".into(), true), "{good_guard}");
    let landing = front.get("/").await;
    assert_eq!(landing.json()["federation"]["BAD"]["status"], "offline", "{}", landing.text);
    assert_eq!(landing.json()["federation"]["GOOD"]["status"], "online", "{}", landing.text);
    let ready = front.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["degraded"][0]["id"]), (200, &"BAD".into()), "{}", ready.text);
}

#[tokio::test]
async fn what_a_member_refuses_closes_it_to_nobody() {
    let (good, bad) = (script("GOOD").start().await, script("BAD").start().await);
    let front = Front::of(federation(&[&good, &bad])).await;
    for status in [400, 401, 403, 404, 422] {
        bad.breaks(Fails::Status(status, None));
        for number in 0..7 {
            front.get(&search(number)).await;
        }
    }
    bad.heals();
    let page = front.get("/search?limit=120").await;
    assert_eq!((page.names().len(), page.missing().len()), (120, 0), "{}", page.text);
}

#[tokio::test]
async fn clients_without_patience_close_nobody() {
    let (good, slow) = (script("GOOD").start().await, script("SLOW").start().await);
    let mut patient = federation(&[&good, &slow]);
    patient.limits.member_deadline = Duration::from_secs(10);
    let front = Front::of(patient).await;
    slow.breaks(Fails::Hang);
    let hasty = (0..12).map(|number| {
        let path = search(number);
        let front = &front;
        async move { front.get_with(&path, "prefer", "wait=1").await }
    });
    for page in futures::future::join_all(hasty).await {
        assert_eq!(page.member("SLOW")["status"], "timeout", "{}", page.text);
    }
    let gone = (20..40).map(|number| {
        let path = search(number);
        let front = &front;
        async move { tokio::time::timeout(Duration::from_millis(100), front.get(&path)).await }
    });
    assert!(futures::future::join_all(gone).await.iter().all(Result::is_err));
    slow.heals();
    let page = front.get("/search?limit=120").await;
    assert_eq!((page.names().len(), page.missing().len()), (120, 0), "{}", page.text);
}

#[tokio::test]
async fn what_a_moment_broke_is_asked_again_once() {
    for status in [502, 503, 504] {
        let member = script("A").fails_from(1, Fails::Status(status, None)).start().await;
        let adapter = Registry::new(&federation(&[&member])).iter().next().unwrap().clone();
        let one = |limit| Ask { limit, ..Ask::default() };
        assert!(adapter.search(&one(1), soon()).await.is_ok());
        let failed = adapter.search(&one(2), soon()).await.unwrap_err();
        assert_eq!((failed.status, member.searches()), (Some(status), 3), "asked again, and once only");
    }
    for (status, retry_after) in [(500, None), (503, Some("3")), (429, None), (404, None)] {
        let member = script("A").fails(Fails::Status(status, retry_after)).start().await;
        let adapter = Registry::new(&federation(&[&member])).iter().next().unwrap().clone();
        assert!(adapter.search(&Ask { limit: 1, ..Ask::default() }, soon()).await.is_err());
        assert_eq!(member.searches(), 1, "{status} {retry_after:?} is not asked again");
    }
}

#[tokio::test]
async fn many_that_fail_together_are_not_asked_twice() {
    let member = script("A").fails(Fails::Status(503, None)).start().await;
    let adapter = Registry::new(&federation(&[&member])).iter().next().unwrap().clone();
    let asks: Vec<Ask> = (1..=16).map(|limit| Ask { limit, ..Ask::default() }).collect();
    let outcomes = futures::future::join_all(asks.iter().map(|ask| adapter.search(ask, soon()))).await;
    assert!(outcomes.iter().all(Result::is_err));
    // A fifth of sixteen, and one that is always allowed; where this machine paused, one more for each second.
    assert!(member.searches() < 24, "{} requests for sixteen", member.searches());
}

#[tokio::test]
async fn equal_searches_at_the_same_time_are_one_request() {
    let member = script("A").slow(Duration::from_millis(300)).start().await;
    let front = Front::of(federation(&[&member])).await;
    let before = member.recorded().len();
    let pages = futures::future::join_all((0..30).map(|_| front.get("/search?limit=7"))).await;
    for page in &pages {
        assert_eq!((page.status, page.names()), (200, pages[0].names()));
    }
    let sent = member.recorded().len() - before;
    assert!(sent < 10, "{sent} requests for thirty equal searches");
    front.get("/search?limit=7").await;
    assert_eq!(member.recorded().len() - before, sent + 1, "nothing is kept");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let member = script("A").start().await;
    let mut limited = federation(&[&member]);
    limited.limits.client_rate_per_s = 2;
    let front = Front::of(limited).await;
    let replies = futures::future::join_all((0..20).map(|_| front.get("/conformance"))).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(refused.len() >= 20 - 6 - 2 * 5, "{} of twenty", refused.len());
    for reply in &refused {
        assert_eq!(reply.json()["code"], "TooManyRequests");
        assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    assert_eq!(front.get("/health/live").await.status, 200, "health is exempt");
    let process = front.get("/processes").await;
    assert_eq!((process.status, process.header("content-type")), (429, "application/problem+json"), "{}", process.text);
}

#[tokio::test]
async fn bytes_of_members_close_the_door_before_they_are_too_many() {
    let member = script("A").start().await;
    let mut small = federation(&[&member]);
    (small.limits.answer_bytes_max, small.limits.buffered_bytes_max) = (48 << 10, 64 << 10);
    let front = Front::of(small).await;
    let adapter = front.broker.snapshot().members.iter().next().unwrap().clone();
    // An answer that somebody still holds: its Items are slices of it.
    let mut held = Vec::new();
    while !front.broker.snapshot().members.is_full() {
        let limit = 20 + u32::try_from(held.len()).unwrap();
        let page = adapter.search(&Ask { limit, ..Ask::default() }, soon()).await;
        assert!(held.len() < 30, "never full");
        held.extend(page);
        if held.len() > 3 && !front.broker.snapshot().members.is_full() {
            held.push(adapter.search(&Ask { limit: 1, ..Ask::default() }, soon()).await.unwrap());
        }
    }
    let refused = front.get("/search").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("Overloaded")), "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(front.get("/health/ready").await.status, 503);
    drop(held);
    assert_eq!(front.get("/search?limit=2").await.status, 200);
}

#[tokio::test]
async fn what_is_in_progress_at_the_stop_is_finished() {
    let member = script("A").slow(Duration::from_millis(400)).start().await;
    let federation = federation(&[&member]);
    let keys = Arc::new(KeyRing::from_federation(&federation).unwrap());
    let registry = Registry::new(&federation);
    let broker = Broker::of(federation, registry);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(App { broker, keys }, listener, async { drop(stopped.await) }));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let searching = tokio::spawn(client.get(format!("http://{address}/search?limit=60")).send());
    while member.searches() == 0 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    let answer = searching.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("a-0059"));
    served.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody new is let in");
}

#[tokio::test]
async fn a_sign_of_life_is_asked_for_and_can_be_switched_off() {
    for (every, beats) in [(1, true), (0, false)] {
        let member = script("A").start().await;
        let mut checked = federation(&[&member]);
        checked.limits.check_every_s = every;
        let broker = Broker::start(checked);
        broker.settled(Duration::from_secs(10)).await;
        // What is read and probed at the start is over when nothing came for a while.
        let landings = || {
            let is_landing = |request: &&crate::support::scripted::Recorded| request.uri.path() == "/stac";
            member.recorded().iter().filter(is_landing).count()
        };
        let until = std::time::Instant::now() + Duration::from_secs(if beats { 30 } else { 2 });
        while std::time::Instant::now() < until && landings() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(landings() >= 3, beats, "{} landing pages", landings());
        assert_eq!(broker.snapshot().members.iter().next().unwrap().health().last_failure, None::<Fault>);
    }
}

#[tokio::test]
async fn an_explanation_says_of_a_pause_and_of_a_name_that_is_not_found() {
    let bad = script("BAD").fails(Fails::Status(429, Some("7"))).start().await;
    let lost = declared("LOST", "http://no-such-name.invalid/stac".parse().unwrap());
    let front = Front::of(federation_of([bad.declared(), lost])).await;
    front.get("/search?sortby=-datetime").await;
    let explained = front.get("/search/explain?sortby=-datetime").await;
    let withheld = |at: usize| explained.json()["legs"][at]["withheld"].clone();
    assert_eq!(withheld(0)["status"], "rate-limited", "{}", explained.text);
    assert!(withheld(0)["reason"].as_str().unwrap().starts_with("it asked for a pause; it is not asked for another "));
    assert!((1..=7).contains(&withheld(0)["retry_after_s"].as_u64().unwrap()), "{}", withheld(0));
    assert_eq!(withheld(1)["status"], "unreachable", "{}", explained.text);
    assert!((1..=5).contains(&withheld(1)["retry_after_s"].as_u64().unwrap()), "{}", withheld(1));
}

#[tokio::test]
async fn members_that_are_read_whole_are_asked_for_a_sign_of_life_by_head() {
    let (collections, documents) = sea(2, 2);
    let files = Files::start(tree(&collections, &documents)).await;
    let habits = || Habits { records: records_of(3), ..Habits::default() };
    let (records, csw) =
        (Catalogue::start(Kind::OgcRecords, habits()).await, Catalogue::start(Kind::Csw, habits()).await);
    let all = [
        files.declared("FILES"),
        records.declared("RECORDS", Records::Collections),
        csw.declared("CSW", Records::Collections),
    ];
    let registry = Registry::new(&federation_of(all));
    let heads = || {
        let of = |catalogue: &Catalogue| catalogue.asked().iter().filter(|(uri, _)| uri.starts_with("HEAD ")).count();
        (files.heads(), of(&records), of(&csw))
    };
    for member in registry.iter() {
        member.check(soon()).await.unwrap();
    }
    assert_eq!(heads(), (0, 0, 0), "nobody asked for them yet");
    for member in registry.iter() {
        member.renew(soon()).await.unwrap();
        let read = member.health().last_success;
        // What its server makes of HEAD does not matter: records know no such request at their landing page.
        member.check(soon()).await.unwrap();
        let health = member.health();
        assert!(health.last_success > read && health.last_failure.is_none(), "{}: {health:?}", member.id());
    }
    assert_eq!(heads(), (1, 1, 1));
    drop((files, records, csw));
    for member in registry.iter() {
        assert_eq!(member.check(soon()).await.unwrap_err().fault, Fault::Unreachable, "{}", member.id());
        assert_eq!(member.health().last_failure, Some(Fault::Unreachable), "{}", member.id());
        assert!(!member.collections(soon()).await.unwrap().collections.is_empty(), "what was read is there");
    }
}

#[tokio::test]
async fn a_folder_gives_a_sign_of_life_while_its_root_is_there() {
    let place = tempfile::tempdir().unwrap();
    let (collections, documents) = sea(1, 1);
    files::write(&tree(&collections, &documents), place.path());
    let url = "file:///catalog.stac.json".parse().unwrap();
    let mut member = declared("FOLDER", url);
    (member.kind, member.folder) = (Kind::StaticStac, Some(place.path().to_owned()));
    let member = Registry::new(&federation_of([member])).iter().next().unwrap().clone();
    member.renew(soon()).await.unwrap();
    member.check(soon()).await.unwrap();
    std::fs::remove_file(place.path().join("catalog.stac.json")).unwrap();
    assert_eq!(member.check(soon()).await.unwrap_err().fault, Fault::Unreachable);
}

#[tokio::test]
async fn a_process_api_at_another_server_is_asked_for_a_sign_of_life() {
    let mut stub = ProcessStub::start("A", Script::default()).await;
    let mut beside = stub.declared();
    beside.id = stac_broker::federation::MemberId::new("B");
    beside.url.set_port(beside.processes.as_ref().unwrap().url.port()).unwrap();
    let registry = Registry::new(&federation_of([stub.declared(), beside]));
    let apis: Vec<_> = registry.process_apis().collect();
    let heads = |stub: &ProcessStub| stub.asked().iter().filter(|asked| asked.method == "HEAD").count();
    apis[0].check(soon()).await.unwrap();
    assert_eq!(heads(&stub), 1);
    apis[1].check(soon()).await.unwrap();
    assert_eq!(heads(&stub), 1, "its catalogue's sign of life is its own");
    stub.refuse().await;
    assert!(apis[0].check(soon()).await.is_err());
    assert!(stub.executions().is_empty(), "nothing was executed for that");
}

#[tokio::test]
async fn an_execution_does_not_go_to_a_member_that_fails_again_and_again() {
    let mut stub = ProcessStub::start("A", Script::default()).await;
    let front = Front::unread(federation_of([stub.declared()])).await;
    let body = json!({"inputs": {"text": "hello"}});
    assert_eq!(front.post("/processes/echo/execution", &body).await.status, 200);
    stub.refuse().await;
    for _ in 0..5 {
        assert_eq!(front.post("/processes/echo/execution", &body).await.status, 503);
    }
    stub.accept_again().await;
    let executed = stub.executions().len();
    let refused = front.post("/processes/echo/execution", &body).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.json()["type"].as_str().unwrap().ends_with("member-unavailable"), "{}", refused.text);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 20, "{:?}", refused.headers);
    assert_eq!(stub.executions().len(), executed, "nothing was sent");
    let explained = front.post("/processes/echo/execution/explain", &body).await;
    assert_eq!(explained.json()["eliminated"][0]["rule"], "unavailable", "{}", explained.text);
}
