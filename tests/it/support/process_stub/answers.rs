//! What a stub answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Response, header};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::documents::{conformance, jobs, list, location, process_of, status_info};
use super::results::{results, single};
use super::{Asked, Created, Does, Job, On, Script, State};

const EXCEPTIONS: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0";

/// An error closes the connection without an answer.
pub(super) async fn answer(state: &Arc<State>, asked: &Asked) -> io::Result<Response<Body>> {
    let script = state.script.lock().unwrap().clone();
    let path = asked.uri.path().strip_prefix(script.base_path).unwrap_or("?").trim_start_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    // legacy jobs stand below their process
    let job_parts = match parts.as_slice() {
        ["processes", _, "jobs", rest @ ..] if script.legacy_jobs => Some(rest),
        ["jobs", rest @ ..] if !script.legacy_jobs => Some(rest),
        _ => None,
    };
    let on = match (&asked.method, parts.as_slice(), job_parts) {
        (&Method::POST, ["processes", _, "execution"], _) => On::Execution,
        (&Method::DELETE, _, Some([_])) => On::Dismissal,
        (_, ["conformance"], _) => On::Conformance,
        (_, _, Some([_])) => On::Status,
        (_, _, Some([_, "results", ..])) => On::Results,
        _ => On::Everything,
    };
    let wrong = script.goes_wrong.clone().filter(|(where_, _)| *where_ == on || *where_ == On::Everything);
    if let Some((_, does)) = wrong
        && let Some(answer) = go_wrong(&does).await
    {
        return answer;
    }
    Ok(match (&asked.method, parts.as_slice(), job_parts) {
        (_, ["conformance"], _) => ok(&conformance(&script)),
        (_, ["processes"], _)
            if script.refuses_limit && asked.uri.query().is_some_and(|query| query.contains("limit")) =>
        {
            exception(400, &json!({"title": "unknown parameter"}))
        }
        (_, ["processes"], _) => ok(&list(state, &script, asked)),
        (_, ["processes", _], _) if script.hides_descriptions && !asked.headers.contains_key("authorization") => {
            exception(401, &json!({"title": "who are you"}))
        }
        (_, ["processes", process], _) => match process_of(&script, process) {
            Some(description) => ok(&description),
            None => no_such("no-such-process"),
        },
        (&Method::POST, ["processes", process, "execution"], _) => execute(state, &script, asked, process),
        (_, _, Some([])) => ok(&jobs(state, &script, asked)),
        (&Method::DELETE, _, Some([id])) => dismiss(state, &script, id),
        (&Method::GET, _, Some([id])) => match find(state, id) {
            Some(job) => with(ok(&status_info(state, &script, id, &job)), header::RETRY_AFTER, script.retry_after),
            None => no_such("no-such-job"),
        },
        (&Method::GET, _, Some([id, "results", rest @ ..])) => match find(state, id) {
            None => no_such("no-such-job"),
            Some(job) if job.state == "failed" => exception(
                400,
                &json!({"type": "InvalidParameterValue", "title": "failed", "detail": "division by zero at http://10.0.0.1/x"}),
            ),
            Some(job) if job.state != "successful" => no_such("result-not-ready"),
            Some(job) => match rest {
                [] => results(state, &script, asked, &job),
                [output] => single(&script, &job, output),
                _ => page(404),
            },
        },
        _ => page(404),
    })
}

async fn go_wrong(does: &Does) -> Option<io::Result<Response<Body>>> {
    let broken = || io::Error::new(io::ErrorKind::ConnectionReset, "scripted");
    let cut = |first: &'static str| {
        let parts = stream::iter([Ok(Bytes::from_static(first.as_bytes()))]).chain(stream::once(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "scripted"))
        }));
        Response::builder()
            .header("content-type", "application/json")
            .header("content-length", "1000")
            .body(Body::from_stream(parts))
    };
    Some(match does {
        Does::Says(status, headers, body) => {
            let mut builder = Response::builder().status(*status);
            for (name, value) in *headers {
                builder = builder.header(*name, *value);
            }
            Ok(builder.body(Body::from(*body)).unwrap())
        }
        Does::CloseBeforeHeaders => Err(broken()),
        Does::CloseAfterHeaders => Ok(cut("").unwrap()),
        Does::CloseMidBody => Ok(cut("{\"text\": \"hal").unwrap()),
        Does::Hang => std::future::pending().await,
        Does::Late(delay) => {
            tokio::time::sleep(*delay).await;
            return None;
        }
        Does::Html(status) => Ok(page(*status)),
        Does::Redirect(status, to) => {
            Ok(Response::builder().status(*status).header("location", to).body(Body::empty()).unwrap())
        }
    })
}

pub(super) fn ok(value: &Value) -> Response<Body> {
    say(200, "application/json", value.to_string())
}

pub(super) fn say(status: u16, media_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap()
}

pub(super) fn with(mut answer: Response<Body>, name: header::HeaderName, value: Option<&str>) -> Response<Body> {
    if let Some(value) = value {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

pub(super) fn page(status: u16) -> Response<Body> {
    say(status, "text/html", "<!doctype html><p>canary-of-the-member")
}

fn exception(status: u16, document: &Value) -> Response<Body> {
    say(status, "application/problem+json", document.to_string())
}

pub(super) fn no_such(name: &str) -> Response<Body> {
    exception(
        404,
        &json!({"type": format!("{EXCEPTIONS}/{name}"), "title": name, "status": 404, "detail": "canary-of-the-member"}),
    )
}

fn find(state: &State, id: &str) -> Option<Job> {
    state.jobs.lock().unwrap().get(id).cloned()
}

fn execute(state: &Arc<State>, script: &Script, asked: &Asked, process: &str) -> Response<Body> {
    if process_of(script, process).is_none() {
        return exception(
            404,
            &json!({"code": "NoSuchProcess", "type": "NoSuchProcess", "description": "identifier not found"}),
        );
    }
    let wrong =
        |text: &str| exception(400, &json!({"type": "InvalidParameterValue", "title": "bad request", "detail": text}));
    let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return wrong("not JSON") };
    let Some(inputs) = body.get("inputs").or_else(|| body.get("processInputs")).filter(|inputs| inputs.is_object())
    else {
        return wrong("no inputs");
    };
    if inputs.get("text").is_some_and(|text| !text.is_string() && !text.is_object()) {
        return wrong("`text` is not a text");
    }
    let prefer: Vec<&str> = asked.headers.get_all("prefer").iter().map(|value| value.to_str().unwrap()).collect();
    let id = format!("job-{}", state.jobs.lock().unwrap().len() + 1);
    // as pygeoapi does: with anything else beside it, it runs synchronously
    let is_async = prefer == ["respond-async"];
    let job = Job {
        process: process.into(),
        state: if is_async { "accepted" } else { "successful" }.into(),
        inputs: inputs.clone(),
        minute: 0,
    };
    state.jobs.lock().unwrap().insert(id.clone(), job.clone());
    let location = location(state, script, &id, process);
    if !is_async {
        let answer = results(state, script, asked, &job);
        return with(answer, header::LOCATION, location.filter(|_| script.location_of_sync).as_deref());
    }
    let info = status_info(state, script, &id, &job);
    let answer = match script.created {
        Created::StatusInfo => say(201, "application/json", info.to_string()),
        Created::Null => say(201, "application/json", "null"),
        Created::EmptyObject => say(201, "application/json", "{}"),
        Created::Empty => say(201, "application/json", ""),
        Created::Html => say(201, "text/html", "<html>started</html>"),
        Created::Id => say(201, "application/json", json!({"id": id, "status": "RUNNING"}).to_string()),
        Created::JobId => say(201, "application/json", json!({"jobID": id}).to_string()),
    };
    let answer = with(answer, header::LOCATION, location.as_deref());
    with(answer, header::HeaderName::from_static("preference-applied"), script.says_applied.then_some("respond-async"))
}

fn dismiss(state: &State, script: &Script, id: &str) -> Response<Body> {
    let Some(mut job) = find(state, id) else { return no_such("no-such-job") };
    if script.dismissal == 405 {
        return exception(405, &json!({"title": "no dismissal"}));
    }
    state.jobs.lock().unwrap().remove(id);
    job.state = "dismissed".into();
    match script.dismissal {
        200 => say(200, "text/html", status_info(state, script, id, &job).to_string()),
        status => say(status, "application/json", ""),
    }
}
