//! Executions and jobs through the broker, against the strict stub.

mod choice;
mod execution;
mod jobs;
mod once;
mod relayed;
mod suite;

use serde_json::{Value, json};

use crate::support::front::{Reply, sent};
use crate::support::process_stub::{ProcessStub, Script};
use crate::support::{Front, federation_of};

/// One stub behind a broker.
async fn one(script: Script) -> (ProcessStub, Front) {
    let stub = ProcessStub::start("A", script).await;
    let front = Front::unread(federation_of([stub.declared()])).await;
    (stub, front)
}

/// An execution of `echo` with one text, `Prefer` where given.
async fn execute(front: &Front, prefer: Option<&str>) -> Reply {
    execute_with(front, &json!({"inputs": {"text": "hello"}}), prefer).await
}

async fn execute_with(front: &Front, body: &Value, prefer: Option<&str>) -> Reply {
    let request = front.request("POST", "/processes/echo/execution").header("content-type", "application/json");
    let request = match prefer {
        Some(prefer) => request.header("prefer", prefer),
        None => request,
    };
    sent(request.body(body.to_string())).await
}

/// The path of the job that an answer leads to.
fn job_of(front: &Front, reply: &Reply) -> String {
    let location = reply.header("location");
    let path = location.strip_prefix(&front.base).unwrap_or_else(|| panic!("`{location}` is not below {}", front.base));
    path.to_owned()
}

/// The public id of a job of the stub.
fn public(path: &str) -> String {
    use base64::Engine;
    format!("A.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(path))
}

/// Checks a problem document: status, the last part of its type, and that nothing of the member's own page is in it.
fn check_problem(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    let r#type = problem["type"].as_str().unwrap();
    assert_eq!(r#type.rsplit(['/', ':']).next().unwrap(), kind, "{}", reply.text);
    assert_eq!(problem["status"], status);
    for member in ["title", "detail", "instance"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", reply.text);
    }
    assert!(!reply.text.contains("<!doctype"), "{}", reply.text);
}
