//! What the executable test suite of OGC API - Processes 1.0 asserts (ets-ogcapi-processes10), in our words: each test
//! names the requirements of 18-062r2 that it covers.
//!
//! | area | requirements | test |
//! |---|---|---|
//! | list | core/process-list, process-list-success, pl-limit-definition, pl-limit-response, pl-links | `the_list` |
//! | description | core/process-description, process-description-success, process-exception-no-such-process; ogc-process-description | `descriptions` |
//! | mode | core/process-execute-default-execution-mode, process-execute-auto-execution-mode, sync and async alike | `modes` |
//! | inputs | core/process-execute-inputs, input-inline-object, input-inline-bbox, input-inline-binary, input-mixed-type, input-validation | `inputs` |
//! | synchronous results | core/process-execute-sync-raw-value-one, -raw-value-multi, -raw-ref, -raw-mixed-multi, -document | `synchronous_results` |
//! | job | core/job, job-success, job-exception-no-such-job, process-execute-success-async | `jobs` |
//! | asynchronous results | core/job-results, job-results-async-raw-…, job-results-async-document, job-results-exception/results-not-ready, -no-such-job | `asynchronous_results` |
//! | failed job | core/job-results-failed | `failed_jobs` |
//! | job list | job-list/job-list-op, job-list-success, limit-definition, limit-response, status, processID, datetime | `the_job_list` and following |
//! | dismissal | dismiss/job-dismiss-op, job-dismiss-success | `dismissal` |

use serde_json::{Value, json};

use super::{check_problem, execute, execute_with, job_of, one, public};
use crate::support::front::{Reply, sent};
use crate::support::process_stub::{Does, On, ProcessStub, Results, Script};
use crate::support::{Front, federation_of};

const STATES: [&str; 5] = ["accepted", "running", "successful", "failed", "dismissed"];

/// A statusInfo by its schema (statusInfo.yaml).
fn check_status_info(info: &Value) {
    assert!(info["jobID"].as_str().is_some_and(|id| !id.is_empty()), "{info}");
    assert_eq!(info["type"], "process");
    assert!(STATES.contains(&info["status"].as_str().unwrap()), "{info}");
    for text in ["processID", "message", "created", "started", "finished", "updated"] {
        assert!(info.get(text).is_none_or(Value::is_string), "{text}: {info}");
    }
    for time in ["created", "started", "finished", "updated"] {
        let given = info.get(time).and_then(Value::as_str);
        assert!(given.is_none_or(|given| chrono::DateTime::parse_from_rfc3339(given).is_ok()), "{time}: {info}");
    }
    assert!(
        info.get("progress").is_none_or(|progress| progress.as_u64().is_some_and(|progress| progress <= 100)),
        "{info}"
    );
    check_links(&info["links"]);
}

fn check_links(links: &Value) {
    for link in links.as_array().unwrap() {
        let href = link["href"].as_str().unwrap();
        assert!(url::Url::parse(href).is_ok(), "{href} is not absolute");
        assert!(link["rel"].is_string(), "{link}");
    }
}

fn check_summary(process: &Value) {
    for text in ["id", "version"] {
        assert!(process[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {process}");
    }
    let modes = process["jobControlOptions"].as_array().unwrap();
    assert!(modes.iter().all(|mode| ["sync-execute", "async-execute", "dismiss"].contains(&mode.as_str().unwrap())));
    check_links(&process["links"]);
}

#[tokio::test]
async fn the_list() {
    let (_stub, front) = one(Script { further_processes: 5, ..Script::default() }).await;
    for (query, count) in [("", 6), ("?limit=10", 6), ("?limit=1", 1)] {
        let reply = front.get(&format!("/processes{query}")).await;
        let processes = reply.json()["processes"].as_array().unwrap();
        assert_eq!((reply.status, processes.len()), (200, count), "{query}");
        processes.iter().for_each(check_summary);
        check_links(&reply.json()["links"]);
    }
}

#[tokio::test]
async fn descriptions() {
    let (_stub, front) = one(Script::default()).await;
    for id in ["echo", "A:echo"] {
        let reply = front.get(&format!("/processes/{id}")).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!(id)));
        check_summary(reply.json());
        for part in ["inputs", "outputs"] {
            assert!(
                reply.json()[part].as_object().unwrap().values().all(|one| one.get("schema").is_some()),
                "{}",
                reply.text
            );
        }
    }
    let unknown = front.get("/processes/none").await;
    check_problem(&unknown, 404, "no-such-process");
    assert_eq!(unknown.json()["type"], "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process");
}

#[tokio::test]
async fn modes() {
    let (_stub, front) = one(Script::default()).await;
    assert_eq!(execute(&front, None).await.status, 200);
    let reply = execute(&front, Some("respond-async")).await;
    assert_eq!(reply.status, 201);
    let status = front.get(&job_of(&front, &reply)).await;
    assert_eq!(status.status, 200);
    check_status_info(status.json());
    // the suite appends to the address it was given
    assert!(!reply.header("location").contains('?'));
}

#[tokio::test]
async fn inputs() {
    let (_stub, front) = one(Script::default()).await;
    let all = json!({
        "text": "hello",
        "number": 1.5,
        "object": {"value": {"a": [1, null], "b": {"c": "ü"}}},
        "array": [1, "two", false],
        "bbox": {"bbox": [51.9, 7.0, 52.0, 7.1], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
        "binary": {"value": "SGVsbG8=", "encoding": "base64", "mediaType": "application/octet-stream"},
        "reference": {"href": "https://data.example/x.tif", "type": "image/tiff"},
        "mixed": [{"href": "https://data.example/y.tif"}, "plain", 7],
    });
    for (name, value) in all.as_object().unwrap() {
        let one: Value = [(name.clone(), value.clone())].into_iter().collect::<serde_json::Map<_, _>>().into();
        assert_eq!(execute_with(&front, &json!({ "inputs": one }), None).await.json(), &one, "{name}");
    }
    assert_eq!(execute_with(&front, &json!({ "inputs": all }), None).await.json(), &all);
    let wrong = execute_with(&front, &json!({"inputs": {"text": 7}}), None).await;
    check_problem(&wrong, 400, "member-refused");
    assert_eq!(wrong.json()["upstream"]["detail"], "`text` is not a text");
    assert!(execute_with(&front, &json!({"intentionally": "wrong"}), None).await.status > 200);
}

/// What is asserted of an answer.
type Check = fn(&Reply, &Front);

/// Each response form of the standard with its check.
fn forms() -> Vec<(Results, Check)> {
    vec![
        (Results::Raw("text/plain", b"hello"), |reply, _| {
            assert_eq!((reply.status, reply.header("content-type"), reply.text.as_str()), (200, "text/plain", "hello"));
        }),
        (Results::Multipart(false), |reply, _| {
            assert!(reply.status == 200 && reply.header("content-type").starts_with("multipart/related"));
            assert!(reply.text.contains("\r\n\r\nhello\r\n"), "{}", reply.text);
        }),
        (Results::Multipart(true), |reply, _| {
            assert!(reply.status == 200 && reply.text.contains("Content-Location: http"), "{}", reply.text);
        }),
        (Results::Links, |reply, front| {
            assert_eq!((reply.status, reply.text.as_str()), (204, ""));
            assert!(reply.header("link").contains("rel=\"text\"") && reply.header("link").contains(&front.base));
        }),
        (Results::Document, |reply, _| {
            assert_eq!((reply.status, reply.json()), (200, &json!({"text": "hello"})));
            assert_eq!(reply.header("content-type"), "application/json");
        }),
    ]
}

#[tokio::test]
async fn synchronous_results() {
    for (results, check) in forms() {
        let (_stub, front) = one(Script { results, ..Script::default() }).await;
        check(&execute(&front, None).await, &front);
    }
}

#[tokio::test]
async fn jobs() {
    let (_stub, front) = one(Script::default()).await;
    let path = job_of(&front, &execute(&front, Some("respond-async")).await);
    let reply = front.get(&path).await;
    assert_eq!(reply.status, 200);
    check_status_info(reply.json());
    for unknown in [public("jobs/none"), "none".into()] {
        for path in [format!("/jobs/{unknown}"), format!("/jobs/{unknown}/results")] {
            let reply = front.get(&path).await;
            check_problem(&reply, 404, "no-such-job");
            assert_eq!(
                reply.json()["type"],
                "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job"
            );
        }
    }
}

#[tokio::test]
async fn asynchronous_results() {
    for (results, check) in forms() {
        let (stub, front) = one(Script { results, ..Script::default() }).await;
        let reply = execute(&front, Some("respond-async")).await;
        let path = format!("{}/results", job_of(&front, &reply));
        let early = front.get(&path).await;
        check_problem(&early, 404, "result-not-ready");
        assert_eq!(
            early.json()["type"],
            "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready"
        );
        stub.all_jobs_are("successful");
        check(&front.get(&path).await, &front);
    }
}

#[tokio::test]
async fn failed_jobs() {
    let (stub, front) = one(Script::default()).await;
    let path = job_of(&front, &execute(&front, Some("respond-async")).await);
    stub.all_jobs_are("failed");
    assert_eq!(front.get(&path).await.json()["status"], "failed");
    let reply = front.get(&format!("{path}/results")).await;
    assert!((400..600).contains(&reply.status), "{}", reply.status);
    check_problem(&reply, reply.status, "member-refused");
}

#[tokio::test]
async fn dismissal() {
    let (_stub, front) = one(Script::default()).await;
    let path = job_of(&front, &execute(&front, Some("respond-async")).await);
    let reply = sent(front.request("DELETE", &path)).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("dismissed")));
    check_status_info(reply.json());
    check_problem(&front.get(&path).await, 404, "no-such-job");
}

/// Two members whose jobs may be listed, with jobs made at these minutes.
async fn listing(a: &[u32], b: &[u32]) -> (ProcessStub, ProcessStub, Front) {
    let mut members = Vec::new();
    let mut stubs = Vec::new();
    for (id, minutes) in [("A", a), ("B", b)] {
        let stub = ProcessStub::start(id, Script { jobs_per_page: 2, ..Script::default() }).await;
        for minute in minutes {
            stub.job_at(&format!("j{minute}"), if minute % 2 == 0 { "successful" } else { "running" }, *minute);
        }
        let mut member = stub.declared();
        member.processes.as_mut().unwrap().job_list = true;
        members.push(member);
        stubs.push(stub);
    }
    let front = Front::unread(federation_of(members)).await;
    let b = stubs.pop().unwrap();
    (stubs.pop().unwrap(), b, front)
}

fn made(reply: &Reply) -> Vec<String> {
    let jobs = reply.json()["jobs"].as_array().unwrap_or_else(|| panic!("{}", reply.text));
    jobs.iter().for_each(check_status_info);
    let member = |job: &Value| job["jobID"].as_str().unwrap()[..1].to_owned();
    jobs.iter().map(|job| format!("{}{}", member(job), &job["created"].as_str().unwrap()[14..16])).collect()
}

#[tokio::test]
async fn the_job_list() {
    let (_a, _b, front) = listing(&[1, 2, 5, 8, 9], &[3, 4, 5]).await;
    let all = ["A09", "A08", "A05", "B05", "B04", "B03", "A02", "A01"];
    let reply = front.get("/jobs").await;
    assert_eq!((reply.status, made(&reply)), (200, all.map(str::to_owned).to_vec()));
    check_links(&reply.json()["links"]);
    for limit in [1, 3, 8] {
        let mut reply = front.get(&format!("/jobs?limit={limit}")).await;
        let mut walked = made(&reply);
        assert_eq!(walked.len(), limit);
        while let Some(next) = reply.next() {
            reply = front.follow(&next).await;
            walked.extend(made(&reply));
        }
        assert_eq!(walked, all, "limit {limit}");
    }
}

#[tokio::test]
async fn the_job_list_is_filtered_again() {
    let (_a, _b, front) = listing(&[1, 2, 3], &[4]).await;
    for (query, expected) in [
        ("status=running", &["A03", "A01"][..]),
        ("status=running,successful", &["B04", "A03", "A02", "A01"]),
        ("status=failed", &[]),
        ("processID=echo", &["B04", "A03", "A02", "A01"]),
        ("processID=B:echo", &["B04"]),
        ("processID=other", &[]),
        ("datetime=2026-01-01T00:02:00Z/2026-01-01T00:03:00Z", &["A03", "A02"]),
        ("datetime=../2026-01-01T00:01:00Z", &["A01"]),
        ("minDuration=1&limit=1", &["B04"]),
        ("maxDuration=1", &[]),
    ] {
        assert_eq!(made(&front.get(&format!("/jobs?{query}")).await), expected, "{query}");
    }
    for query in ["limit=0", "limit=x", "datetime=soon", "minDuration=-1", "token=x"] {
        check_problem(&front.get(&format!("/jobs?{query}")).await, 400, "invalid-request");
    }
}

#[tokio::test]
async fn the_job_list_names_members_that_fail_and_asks_only_those_that_allow_it() {
    let (a, mut b, front) = listing(&[1], &[2]).await;
    b.refuse().await;
    let reply = front.get("/jobs").await;
    assert_eq!(
        (made(&reply), reply.missing(), reply.header("federation-missing")),
        (vec!["A01".to_owned()], vec!["B".to_owned()], "B")
    );
    a.now(|script| script.goes_wrong = Some((On::Everything, Does::Says(401, &[], ""))));
    assert_eq!(front.get("/jobs").await.missing(), ["A", "B"]);

    let rel = "http://www.opengis.net/def/rel/ogc/1.0/job-list";
    assert!(front.get("/").await.text.contains(rel) && front.get("/conformance").await.text.contains("conf/job-list"));

    let stub = ProcessStub::start("A", Script::default()).await;
    let front = Front::unread(federation_of([stub.declared()])).await;
    assert!(
        !front.get("/").await.text.contains(rel) && !front.get("/conformance").await.text.contains("conf/job-list")
    );
    check_problem(&front.get("/jobs").await, 404, "blank");
    let reply = sent(front.request("POST", "/jobs")).await;
    assert_eq!((reply.status, reply.header("allow").contains("GET")), (405, true));
    assert_eq!(stub.asked().len(), 0);

    let mut forwards = stub.declared();
    forwards.auth = stac_broker::federation::Auth::Forward;
    forwards.processes.as_mut().unwrap().job_list = true;
    let front = Front::unread(federation_of([forwards])).await;
    check_problem(&front.get("/jobs").await, 401, "credentials-not-forwardable");
    assert_eq!(front.get_with("/jobs", "authorization", "Bearer canary").await.status, 200);
    assert_eq!(stub.asked().pop().unwrap().headers["authorization"], "Bearer canary");
}
