//! Jobs without state: status, results, outputs, dismissal, and ids that lead nowhere else.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use stac_broker::federation::Auth;

use super::{check_problem, execute, job_of, one, public};
use crate::support::front::sent;
use crate::support::process_stub::{Does, Names, On, ProcessStub, Results, Script};
use crate::support::{Front, OutboundMonitor, federation_of};

#[tokio::test]
async fn the_broker_is_restarted_between_submit_and_results() {
    let stub = ProcessStub::start("A", Script::default()).await;
    let first = Front::unread(federation_of([stub.declared()])).await;
    let path = job_of(&first, &execute(&first, Some("respond-async")).await);
    drop(first);
    // another broker, which knows nothing but the file, and where the member has another name by now
    let mut renamed = stub.declared();
    renamed.id = stac_broker::federation::MemberId::new("NEW");
    renamed.renamed_from = vec!["A".into()];
    let second = Front::unread(federation_of([renamed])).await;
    let status = second.get(&path).await;
    assert_eq!((status.status, &status.json()["status"]), (200, &json!("accepted")));
    assert_eq!(status.json()["jobID"], path.trim_start_matches("/jobs/"));
    stub.all_jobs_are("successful");
    let results = second.get(&format!("{path}/results")).await;
    assert_eq!((results.status, results.json()), (200, &json!({"text": "hello"})));
    assert_eq!(results.header("federation-member"), "NEW");
    assert_eq!(stub.executions().len(), 1);
}

#[tokio::test]
async fn status_infos_are_regular() {
    let (stub, front) = one(Script { retry_after: Some("3"), ..Script::default() }).await;
    stub.job("x", "running");
    let id = public("jobs/x");
    let reply = front.get(&format!("/jobs/{id}")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(
        (reply.header("retry-after"), reply.header("cache-control"), reply.header("federation-member")),
        ("3", "no-store", "A")
    );
    let info = reply.json();
    for (name, value) in [
        ("jobID", json!(id)),
        ("type", json!("process")),
        ("processID", json!("echo")),
        ("status", json!("running")),
        ("progress", json!(5)),
        ("message", json!("as scripted")),
        ("created", json!("2026-01-01T00:00:00Z")),
        ("federation:backends", json!(["A"])),
    ] {
        assert_eq!(info[name], value, "{name}");
    }
    // what nobody here has heard of stays
    assert!(reply.text.contains("\"x-own\":[1.5]"), "{}", reply.text);
    let links: Vec<(&str, &str)> = info["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["rel"].as_str().unwrap(), link["href"].as_str().unwrap()))
        .collect();
    let own = format!("{}/jobs/{id}", front.base);
    let expected = [
        ("self", own.clone()),
        ("via", format!("{}/jobs/x", stub.base)),
        ("http://www.opengis.net/def/rel/ogc/1.0/results", format!("{own}/results?f=json")),
        ("related", "https://store.example/x?sig=A%2FB".into()),
    ];
    assert_eq!(links, expected.iter().map(|(rel, href)| (*rel, href.as_str())).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_state_and_every_naming_of_a_status_is_understood() {
    for names in [Names::Standard, Names::V2, Names::Edito] {
        let (stub, front) = one(Script { names, ..Script::default() }).await;
        let id = public("jobs/x");
        for (given, shown) in [
            ("accepted", "accepted"),
            ("running", "running"),
            ("successful", "successful"),
            ("failed", "failed"),
            ("dismissed", "dismissed"),
            ("RUNNING", "running"),
        ] {
            stub.job("x", given);
            let reply = front.get(&format!("/jobs/{id}")).await;
            let info = reply.json();
            assert_eq!(
                (&info["jobID"], &info["type"], &info["status"]),
                (&json!(id), &json!("process"), &json!(shown))
            );
            match names {
                Names::Standard => {
                    assert!(info.get("id").is_none() && info["processID"] == "echo" && info["progress"] == 5);
                }
                Names::V2 => {
                    assert_eq!(info["id"], id);
                    assert_eq!(info["processID"], format!("{}/processes/echo", front.base));
                    assert_eq!(info["progress"], 12);
                }
                Names::Edito => {
                    assert!(info["jobId"] == id && info.get("progress").is_none() && info.get("processID").is_none());
                }
            }
        }
    }
}

#[tokio::test]
async fn statuses_that_are_none() {
    for (does, status, kind) in [
        (Does::Html(200), 502, "upstream-contract"),
        (Does::Says(200, &[], "[]"), 502, "upstream-contract"),
        (Does::Says(200, &[], "{\"jobID\":\"x\"}"), 502, "upstream-contract"),
        (Does::Says(200, &[], "{"), 502, "upstream-contract"),
        (Does::Says(200, &[], "{\"jobID\":\"x\",\"status\":\"Cooking\"}"), 502, "upstream-contract"),
        (Does::Says(404, &[], "{\"code\":\"InvalidParameterValue\"}"), 404, "no-such-job"),
        (Does::Html(404), 404, "no-such-job"),
        (Does::Says(410, &[], ""), 404, "no-such-job"),
        (Does::Says(401, &[("www-authenticate", "Bearer")], ""), 401, "member-refused"),
        (Does::Says(403, &[], ""), 403, "member-refused"),
        (Does::Says(429, &[("retry-after", "9")], ""), 429, "member-refused"),
        (Does::Says(503, &[("retry-after", "9")], ""), 503, "member-unavailable"),
        (Does::Says(500, &[], "{}"), 502, "upstream-contract"),
        (Does::Says(504, &[], "{}"), 504, "upstream-timeout"),
        (Does::CloseBeforeHeaders, 503, "member-unavailable"),
        (Does::CloseMidBody, 502, "upstream-contract"),
        (Does::Redirect(302, "http://127.0.0.1:9/jobs/x".into()), 502, "upstream-contract"),
    ] {
        let (_stub, front) = one(Script { goes_wrong: Some((On::Status, does.clone())), ..Script::default() }).await;
        let reply = front.get(&format!("/jobs/{}", public("jobs/x"))).await;
        check_problem(&reply, status, kind);
        assert_eq!(reply.json()["jobID"], public("jobs/x"), "{does:?}");
        match does {
            Does::Says(401, ..) => assert_eq!(reply.header("www-authenticate"), "Bearer"),
            Does::Says(429 | 503, ..) => assert_eq!(reply.header("retry-after"), "9"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_job_that_is_gone_is_told_with_the_member_s_own_status() {
    let script = Script { goes_wrong: Some((On::Status, Does::Says(410, &[], ""))), ..Script::default() };
    let (_stub, front) = one(script).await;
    let reply = front.get(&format!("/jobs/{}", public("jobs/x"))).await;
    check_problem(&reply, 404, "no-such-job");
    assert_eq!(reply.json()["upstream"]["status"], 410);
}

#[tokio::test]
async fn results_that_are_accepted_are_not_ready() {
    let (stub, front) = one(Script::default()).await;
    stub.job("x", "running");
    stub.now(|script| script.goes_wrong = Some((On::Results, Does::Says(202, &[], "{}"))));
    for path in ["results", "results/text"] {
        check_problem(&front.get(&format!("/jobs/{}/{path}", public("jobs/x"))).await, 404, "result-not-ready");
    }
}

#[tokio::test]
async fn a_member_that_is_down_is_not_a_job_that_is_unknown() {
    let (mut stub, front) = one(Script::default()).await;
    stub.job("x", "running");
    let job = format!("/jobs/{}", public("jobs/x"));
    stub.refuse().await;
    for path in [job.clone(), format!("{job}/results"), format!("{job}/results/text")] {
        let reply = front.get(&path).await;
        check_problem(&reply, 503, "member-unavailable");
        assert!(!reply.header("retry-after").is_empty() && reply.json()["member"] == "A");
    }
    check_problem(&sent(front.request("DELETE", &job)).await, 503, "member-unavailable");
    stub.accept_again().await;
    assert_eq!(front.get(&job).await.status, 200);
    // switched off in the file is away too; taken out of it is gone, in words of its own
    let mut off = stub.declared();
    off.enabled = false;
    let front = Front::unread(federation_of([off])).await;
    check_problem(&front.get(&job).await, 503, "member-unavailable");
    let front = Front::unread(federation_of([])).await;
    let reply = front.get(&job).await;
    check_problem(&reply, 404, "no-such-job");
    assert!(reply.json()["detail"].as_str().unwrap().contains("has no more"), "{}", reply.text);
}

#[tokio::test]
async fn tampered_ids_are_404_without_any_request() {
    let (stub, front) = one(Script::default()).await;
    let monitor = OutboundMonitor::start().await;
    let evil = &monitor.base;
    let authority = evil.trim_start_matches("http://");
    let mut ids: Vec<String> = [
        "..",
        "../processes/echo",
        "jobs/../processes/echo",
        "jobs/%2e%2e/processes/echo",
        "jobs/..%2f..%2fadmin",
        "/jobs/x",
        "//jobs/x",
        "jobs/x?f=json",
        "jobs/x#y",
        "jobs\\x",
        "jobs/x\r\nhost: y",
        "jobs",
        "processes/echo",
        "",
        "jobs/\u{0}",
        "jobs/é",
        &format!("{evil}/jobs/x"),
        &format!("//{authority}/jobs/x"),
        &format!("@{authority}/jobs/x"),
        &format!("jobs/../..//{authority}/x"),
        &format!("\\\\{authority}/jobs/x"),
        &format!("http:{authority}/jobs/x"),
        &"jobs/x".repeat(200),
    ]
    .iter()
    .map(|path| format!("A.{}", URL_SAFE_NO_PAD.encode(path)))
    .collect();
    ids.extend(
        [
            "A",
            "A.",
            "A.!",
            "A.am9icy94=",
            "B.am9icy94",
            "a.am9icy94",
            "A.A.am9icy94",
            "am9icy94",
            ".am9icy94",
            "A%00.am9icy94",
        ]
        .map(str::to_owned),
    );
    for id in &ids {
        for path in [format!("/jobs/{id}"), format!("/jobs/{id}/results"), format!("/jobs/{id}/results/text")] {
            let reply = front.get(&path).await;
            check_problem(&reply, 404, "no-such-job");
        }
        check_problem(&sent(front.request("DELETE", &format!("/jobs/{id}"))).await, 404, "no-such-job");
    }
    assert_eq!(stub.asked().len(), 0);
    monitor.assert_untouched();
}

#[tokio::test]
async fn results_that_are_not_there_say_why() {
    let (stub, front) = one(Script { retry_after: Some("4"), ..Script::default() }).await;
    let path = format!("/jobs/{}/results", public("jobs/x"));
    for (state, status, kind) in [
        ("accepted", 404, "result-not-ready"),
        ("running", 404, "result-not-ready"),
        ("dismissed", 404, "result-not-available"),
        ("failed", 400, "member-refused"),
    ] {
        stub.job("x", state);
        for path in [path.clone(), format!("{path}/text")] {
            let reply = front.get(&path).await;
            check_problem(&reply, status, kind);
            if kind == "result-not-ready" {
                assert_eq!(
                    (reply.header("retry-after"), reply.json()["type"].as_str().unwrap()),
                    ("4", "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready")
                );
            }
        }
    }
    // why it failed is in the member's own words, without its addresses
    let reply = front.get(&path).await;
    assert_eq!(reply.json()["upstream"]["detail"], "division by zero at …");
    let unknown = format!("/jobs/{}/results", public("jobs/other"));
    check_problem(&front.get(&unknown).await, 404, "no-such-job");
    stub.job("x", "successful");
    stub.now(|script| script.goes_wrong = Some((On::Results, Does::Html(404))));
    check_problem(&front.get(&path).await, 404, "result-not-available");
    stub.now(|script| script.goes_wrong = Some((On::Results, Does::Says(500, &[], r#"{"detail":"lost"}"#))));
    check_problem(&front.get(&path).await, 500, "member-refused");
    stub.now(|script| script.goes_wrong = Some((On::Results, Does::Html(500))));
    check_problem(&front.get(&path).await, 502, "upstream-contract");
}

#[tokio::test]
async fn single_outputs_come_from_the_member_or_are_cut_out() {
    for (no_single_outputs, results) in [(false, Results::Document), (true, Results::Document), (true, Results::List)] {
        let (stub, front) = one(Script { no_single_outputs, results: results.clone(), ..Script::default() }).await;
        stub.job("x", "successful");
        let path = format!("/jobs/{}/results", public("jobs/x"));
        let reply = front.get(&format!("{path}/text")).await;
        assert_eq!(
            (reply.status, reply.text.as_str(), reply.header("content-type")),
            (200, "\"hello\"", "application/json")
        );
        if no_single_outputs {
            check_problem(&front.get(&format!("{path}/none")).await, 400, "no-such-output");
        }
        assert_eq!(stub.count("GET", "/jobs/x/results"), if no_single_outputs { 2 } else { 0 });
    }
    let (stub, front) =
        one(Script { no_single_outputs: true, results: Results::References, ..Script::default() }).await;
    stub.job("x", "successful");
    let path = format!("/jobs/{}/results", public("jobs/x"));
    let reply = front.get(&format!("{path}/inside")).await;
    assert_eq!(
        reply.json(),
        &json!({"href": format!("{}/jobs/{}/results/inside", front.base, public("jobs/job-1")), "type": "image/tiff"})
    );
    stub.now(|script| script.results = Results::Raw("application/x-netcdf", b"CDF\x01"));
    check_problem(&front.get(&format!("{path}/inside")).await, 400, "no-such-output");
}

#[tokio::test]
async fn dismissals_end_as_the_standard_says() {
    for dismissal in [200, 202, 204] {
        let (stub, front) = one(Script { dismissal, ..Script::default() }).await;
        stub.job("x", "running");
        let path = format!("/jobs/{}", public("jobs/x"));
        let reply = sent(front.request("DELETE", &path)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{dismissal}");
        let info = reply.json();
        assert_eq!(
            (&info["status"], &info["jobID"], &info["type"]),
            (&json!("dismissed"), &json!(public("jobs/x")), &json!("process"))
        );
        assert_eq!(stub.count("DELETE", "/jobs/x"), 1);
        check_problem(&front.get(&path).await, 404, "no-such-job");
        check_problem(&sent(front.request("DELETE", &path)).await, 404, "no-such-job");
    }
    let (stub, front) = one(Script { dismissal: 405, ..Script::default() }).await;
    stub.job("x", "running");
    let reply = sent(front.request("DELETE", &format!("/jobs/{}", public("jobs/x")))).await;
    check_problem(&reply, 405, "member-refused");
    assert_eq!(reply.header("allow"), "GET, HEAD, OPTIONS");
    // a dismissal is not repeated either
    stub.now(|script| script.goes_wrong = Some((On::Dismissal, Does::CloseBeforeHeaders)));
    check_problem(
        &sent(front.request("DELETE", &format!("/jobs/{}", public("jobs/x")))).await,
        503,
        "member-unavailable",
    );
    assert_eq!(stub.count("DELETE", "/jobs/x"), 2);
}

#[tokio::test]
async fn a_callers_token_goes_with_the_job_to_its_member_only() {
    let (mine, other) =
        (ProcessStub::start("A", Script::default()).await, ProcessStub::start("B", Script::default()).await);
    let with_forward = |stub: &ProcessStub| {
        let mut member = stub.declared();
        member.auth = Auth::Forward;
        member
    };
    let front = Front::unread(federation_of([with_forward(&mine), with_forward(&other)])).await;
    mine.job("x", "successful");
    let path = format!("/jobs/{}", public("jobs/x"));
    for path in [path.clone(), format!("{path}/results")] {
        let reply = front.get_with(&path, "authorization", "Bearer canary").await;
        assert_eq!((reply.status, reply.header("cache-control")), (200, "private, no-store"));
    }
    assert!(mine.asked().iter().all(|asked| asked.headers["authorization"] == "Bearer canary"));
    assert_eq!(other.asked().len(), 0);
    assert_eq!(front.get(&path).await.status, 200);
    assert!(!mine.asked().pop().unwrap().headers.contains_key("authorization"));
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let (stub, front) = one(Script { results: Results::Bytes(1_000_000, Duration::ZERO), ..Script::default() }).await;
    stub.job("x", "successful");
    let path = format!("/jobs/{}", public("jobs/x"));
    let head = sent(front.request("HEAD", &path)).await;
    assert_eq!((head.status, head.text.as_str(), head.header("federation-member")), (200, "", "A"));
    let head = sent(front.request("HEAD", &format!("{path}/results"))).await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", "1000000"));
    assert_eq!((head.header("etag"), head.header("accept-ranges")), ("\"v1\"", "bytes"));
}
