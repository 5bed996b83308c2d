//! No execution is ever sent twice, whatever breaks and when: counted at the members.

use std::time::{Duration, Instant};

use http::HeaderValue;
use serde_json::json;
use stac_broker::federation::MemberId;
use stac_broker::members::process_api::Caller;
use stac_broker::processes::execute::Execution;
use stac_broker::processes::prefer::Prefer;
use stac_broker::processes::route::Candidate;
use stac_broker::processes::trouble::{Kind, Trouble};
use tokio::io::AsyncWriteExt;

use super::{check_problem, execute, one};
use crate::support::process_stub::{Does, On, ProcessStub, Script};
use crate::support::{Front, federation_of};

fn goes_wrong(does: Does) -> Script {
    Script { goes_wrong: Some((On::Execution, does)), ..Script::default() }
}

/// Executes at these members, the first one first.
async fn execute_at(front: &Front, members: &[&str]) -> Result<u16, Trouble> {
    let snapshot = front.broker.snapshot();
    let candidate = |id: &&str| Candidate { member: MemberId::new(id), native: "echo".into(), runs_async: true };
    let candidates: Vec<Candidate> = members.iter().map(candidate).collect();
    let document = json!({"inputs": {"text": "hello"}});
    let execution = Execution {
        snapshot: &snapshot,
        base: &front.base,
        caller: &Caller::default(),
        process: "echo",
        ranking: candidates.iter().collect(),
        reason: "preferred",
        places: Vec::new(),
        prefer: Prefer { wait_s: Some(1), ..Prefer::default() },
        accept: None,
        media_type: HeaderValue::from_static("application/json"),
        body: document.to_string().into(),
        document: &document,
    };
    execution.run().await.map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn what_breaks_after_the_connection_is_never_sent_again() {
    let phases = [
        (Does::CloseBeforeHeaders, Kind::OutcomeUnknown),
        (Does::CloseAfterHeaders, Kind::OutcomeUnknown),
        (Does::CloseMidBody, Kind::OutcomeUnknown),
        (Does::Hang, Kind::Timeout),
        (Does::Late(Duration::from_secs(3)), Kind::Timeout),
        (Does::Says(503, &[("retry-after", "7")], "busy"), Kind::Unavailable),
        (Does::Says(429, &[], "{}"), Kind::Refused(http::StatusCode::TOO_MANY_REQUESTS)),
        (Does::Says(500, &[], "{}"), Kind::Refused(http::StatusCode::BAD_GATEWAY)),
        (Does::Says(502, &[], ""), Kind::Contract),
        (Does::Says(504, &[], ""), Kind::Timeout),
        (Does::Says(408, &[], ""), Kind::Refused(http::StatusCode::REQUEST_TIMEOUT)),
        (Does::Says(425, &[], ""), Kind::Refused(http::StatusCode::TOO_EARLY)),
        (Does::Html(500), Kind::Contract),
        (Does::Redirect(307, "/ogc/processes/echo/execution".into()), Kind::Contract),
        (Does::Redirect(308, "/ogc/processes/echo/execution?x".into()), Kind::Contract),
        (Does::Redirect(302, "/ogc/processes/echo/execution".into()), Kind::Contract),
    ];
    for (does, kind) in phases {
        let first = ProcessStub::start("A", goes_wrong(does.clone())).await;
        let second = ProcessStub::start("B", Script::default()).await;
        let front = Front::unread(federation_of([first.declared(), second.declared()])).await;
        let trouble = execute_at(&front, &["A", "B"]).await.unwrap_err();
        assert_eq!(trouble.kind, kind, "{does:?}: {}", trouble.detail);
        assert_eq!(trouble.member, Some(MemberId::new("A")));
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!((first.executions().len(), second.executions().len()), (1, 0), "{does:?}");
    }
}

#[tokio::test]
async fn the_next_member_serves_only_when_no_connection_was_made() {
    let mut first = ProcessStub::start("A", Script::default()).await;
    let second = ProcessStub::start("B", Script::default()).await;
    let mut away = ProcessStub::start("C", Script::default()).await.declared();
    // the member speaks no TLS: the handshake fails before a byte of the request
    let tls = first.base.as_str().replace("http://", "https://").parse().unwrap();
    let mut no_tls = first.declared();
    no_tls.id = MemberId::new("T");
    no_tls.processes.as_mut().unwrap().url = tls;
    away.processes.as_mut().unwrap().url = "http://member.invalid/ogc".parse().unwrap();
    first.refuse().await;
    let front = Front::unread(federation_of([first.declared(), second.declared(), away, no_tls])).await;
    for (members, count) in [(["A", "B"], 1), (["C", "B"], 2)] {
        assert_eq!(execute_at(&front, &members).await.unwrap(), 200);
        assert_eq!((first.executions().len(), second.executions().len()), (0, count));
    }
    first.accept_again().await;
    assert_eq!(execute_at(&front, &["T", "B"]).await.unwrap(), 200);
    assert_eq!((first.executions().len(), second.executions().len()), (0, 3));
    first.refuse().await;
    let trouble = execute_at(&front, &["A", "C"]).await.unwrap_err();
    assert_eq!(trouble.kind, Kind::Unavailable);
    assert!(trouble.detail.contains("`A` and `C`") && trouble.detail.contains("was not sent"), "{}", trouble.detail);
}

#[tokio::test]
async fn a_member_that_does_not_say_whether_it_makes_callbacks_was_reached() {
    let body = json!({"inputs": {"text": "x"}, "subscriber": {"successUrl": "http://client.example/ok"}});
    for (does, status) in [(Does::CloseBeforeHeaders, 503), (Does::CloseMidBody, 502)] {
        let script = Script { callbacks: true, goes_wrong: Some((On::Conformance, does.clone())), ..Script::default() };
        let first = ProcessStub::start("A", script).await;
        let front = Front::unread(federation_of([first.declared()])).await;
        let reply = super::execute_with(&front, &body, None).await;
        assert_eq!(reply.status, status, "{does:?}: {}", reply.text);
        assert!(reply.json()["detail"].as_str().unwrap().contains("did not say whether it makes callbacks"));
        assert_eq!(first.executions().len(), 0);
    }
}

#[tokio::test]
async fn a_redirected_execution_does_not_lead_back_to_itself() {
    for status in [302, 307, 308] {
        let (stub, front) = one(goes_wrong(Does::Redirect(status, "/ogc/processes/echo/execution".into()))).await;
        let reply = execute(&front, None).await;
        check_problem(&reply, 502, "upstream-contract");
        assert_eq!((reply.header("location"), stub.executions().len()), ("", 1));
        assert!(reply.json()["detail"].as_str().unwrap().contains("is not followed"), "{}", reply.text);
    }
}

#[tokio::test]
async fn kept_connections_that_died_do_not_repeat_an_execution() {
    let (mut stub, front) = one(Script::default()).await;
    for round in 1..4 {
        // connections are kept by these, and cut here
        assert_eq!(front.get("/jobs/A.am9icy94").await.status, 404);
        stub.refuse().await;
        stub.accept_again().await;
        assert_eq!(execute(&front, None).await.status, 200);
        assert_eq!(stub.executions().len(), round);
    }
}

#[tokio::test]
async fn what_the_client_is_told_helps() {
    let (stub, front) = one(goes_wrong(Does::CloseBeforeHeaders)).await;
    let reply = execute(&front, None).await;
    check_problem(&reply, 502, "outcome-unknown");
    assert!(reply.json()["detail"].as_str().unwrap().contains("do not repeat it blindly"), "{}", reply.text);
    assert_eq!((reply.header("federation-member"), stub.executions().len()), ("A", 1));

    stub.now(|script| script.goes_wrong = Some((On::Execution, Does::Hang)));
    let reply = execute(&front, Some("wait=1")).await;
    check_problem(&reply, 504, "upstream-timeout");
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("execution state is unknown") && detail.contains("respond-async"), "{detail}");
    assert_eq!(stub.executions().len(), 2);
}

#[tokio::test]
async fn each_mode_has_its_own_time() {
    let stub = ProcessStub::start("A", goes_wrong(Does::Hang)).await;
    let mut member = stub.declared();
    let processes = member.processes.as_mut().unwrap();
    (processes.sync, processes.r#async) = (Duration::from_millis(700), Duration::from_millis(100));
    let front = Front::unread(federation_of([member])).await;
    for (prefer, least, most) in
        [(None, 700, 3_000), (Some("wait=3600"), 700, 3_000), (Some("respond-async, wait=60"), 100, 650)]
    {
        let started = Instant::now();
        check_problem(&execute(&front, prefer).await, 504, "upstream-timeout");
        let took = started.elapsed().as_millis();
        assert!((least..most).contains(&took), "{prefer:?} took {took} ms");
    }
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_members_connection_and_nothing_else() {
    let (stub, front) = one(goes_wrong(Does::Late(Duration::from_secs(5)))).await;
    let mut client = tokio::net::TcpStream::connect(front.address).await.unwrap();
    let body = "{\"inputs\":{}}";
    let request = format!(
        "POST /processes/echo/execution HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while stub.executions().is_empty() {
        assert!(Instant::now() < until, "the execution did not arrive");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stub.executing(), 1);
    drop(client);
    while stub.executing() > 0 {
        assert!(Instant::now() < until, "the member's connection stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((stub.executions().len(), stub.count("DELETE", "/jobs/job-1")), (1, 0));
}
