//! What a stub answers.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Response, header};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{Asked, Created, Does, Job, Location, Names, On, Results, Script, State};

pub const CHUNK: u64 = 64 << 10;
const EXCEPTIONS: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0";

type Answer = Result<Response<Body>, io::Error>;

pub(super) async fn answer(state: &Arc<State>, asked: &Asked) -> Answer {
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
    match (&asked.method, parts.as_slice(), job_parts) {
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
        (&Method::POST, ["processes", process, "execution"], _) => execute(state, &script, asked, process).await,
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
    }
}

async fn go_wrong(does: &Does) -> Option<Answer> {
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
        Does::Html(status) => page(*status),
        Does::Redirect(status, to) => {
            Ok(Response::builder().status(*status).header("location", to).body(Body::empty()).unwrap())
        }
    })
}

fn ok(value: &Value) -> Answer {
    say(200, "application/json", value.to_string())
}

fn say(status: u16, media_type: &str, body: impl Into<Body>) -> Answer {
    Ok(Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap())
}

fn with(answer: Answer, name: header::HeaderName, value: Option<&str>) -> Answer {
    let mut answer = answer?;
    if let Some(value) = value {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(answer)
}

fn page(status: u16) -> Answer {
    say(status, "text/html", "<!doctype html><p>canary-of-the-member")
}

fn exception(status: u16, document: &Value) -> Answer {
    say(status, "application/problem+json", document.to_string())
}

fn no_such(name: &str) -> Answer {
    exception(
        404,
        &json!({"type": format!("{EXCEPTIONS}/{name}"), "title": name, "status": 404, "detail": "canary-of-the-member"}),
    )
}

fn find(state: &State, id: &str) -> Option<Job> {
    state.jobs.lock().unwrap().get(id).cloned()
}

fn conformance(script: &Script) -> Value {
    let mut classes = vec!["core", "json", "dismiss"];
    classes.extend(script.callbacks.then_some("callback"));
    let classes: Vec<String> = classes
        .iter()
        .map(|class| format!("http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{class}"))
        .collect();
    json!({"conformsTo": classes})
}

fn process_of(script: &Script, id: &str) -> Option<Value> {
    let known = id == "echo"
        || id
            .strip_prefix("process-")
            .and_then(|n| n.parse().ok())
            .is_some_and(|n: usize| n < script.further_processes);
    let any = json!({"title": "any", "schema": {}});
    let mut inputs = json!({"text": any});
    if let Some(name) = script.further_input {
        inputs[name] = any.clone();
    }
    known.then(|| {
        json!({
            "id": id, "title": id, "version": "1.0.0", "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
            "outputTransmission": ["value", "reference"], "inputs": inputs, "outputs": {"text": any}, "links": [],
        })
    })
}

fn list(state: &State, script: &Script, asked: &Asked) -> Value {
    let mut ids = vec!["echo".to_owned()];
    ids.extend((0..script.further_processes).map(|n| format!("process-{n}")));
    let from: usize =
        asked.uri.query().and_then(|query| query.strip_prefix("offset=")).and_then(|at| at.parse().ok()).unwrap_or(0);
    let summary = |id: &String| {
        let mut process = process_of(script, id)?;
        process.as_object_mut()?.retain(|key, _| !matches!(key.as_str(), "inputs" | "outputs"));
        Some(process)
    };
    let shown: Vec<Value> = ids.iter().skip(from).take(script.list_max).filter_map(summary).collect();
    let mut links = Vec::new();
    if script.list_next && from + shown.len() < ids.len() {
        links.push(json!({"rel": "next", "href": format!("{}/processes?offset={}", state.base, from + shown.len())}));
    }
    json!({"processes": shown, "links": links})
}

fn job_path(script: &Script, id: &str, process: &str) -> String {
    if script.legacy_jobs { format!("processes/{process}/jobs/{id}") } else { format!("jobs/{id}") }
}

async fn execute(state: &Arc<State>, script: &Script, asked: &Asked, process: &str) -> Answer {
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

fn location(state: &State, script: &Script, id: &str, process: &str) -> Option<String> {
    let path = job_path(script, id, process);
    match script.location {
        Location::Absolute => Some(format!("{}/{path}", state.base)),
        Location::Relative => Some(format!("{}/{path}", script.base_path)),
        Location::WrongHost => Some(format!("http://member-internal:5000/oapi/{path}")),
        Location::WithQuery => Some(format!("{}/{path}?f=json", state.base)),
        Location::Absent => None,
        Location::Nonsense => Some("http://elsewhere.example/started".into()),
    }
}

fn status_info(state: &State, script: &Script, id: &str, job: &Job) -> Value {
    let path = job_path(script, id, &job.process);
    let link = |rel: &str, path: &str| json!({"rel": rel, "href": format!("{}/{path}", state.base), "type": "application/json"});
    let links = json!([
        link("self", &path),
        link("http://www.opengis.net/def/rel/ogc/1.0/results", &format!("{path}/results?f=json")),
        json!({"rel": "related", "href": "https://store.example/x?sig=A%2FB"}),
    ]);
    let mut info = json!({"status": job.state, "message": "as scripted", "created": format!("2026-01-01T00:{:02}:00Z", job.minute), "links": links, "x-own": [1.50]});
    match script.names {
        Names::Standard => {
            info["jobID"] = json!(id);
            info["type"] = json!("process");
            info["processID"] = json!(job.process);
            info["progress"] = json!(5);
        }
        Names::V2 => {
            info["id"] = json!(id);
            info["processingEntityType"] = json!("process");
            info["processID"] = json!(format!("{}/processes/{}", state.base, job.process));
            info["progress"] = json!(12.7);
            if job.state == "failed" {
                info["exception"] = json!({"type": "about:blank", "detail": "as scripted"});
            }
        }
        Names::Edito => {
            info["jobId"] = json!(id);
            info["progress"] = json!("half");
        }
    }
    info
}

/// In pages, and whatever is asked for.
fn jobs(state: &State, script: &Script, asked: &Asked) -> Value {
    let query = asked.uri.query().unwrap_or_default();
    let from: usize = query.strip_prefix("offset=").and_then(|at| at.parse().ok()).unwrap_or(0);
    let all = state.jobs.lock().unwrap();
    let page = all.iter().skip(from).take(script.jobs_per_page);
    let shown: Vec<Value> = page.map(|(id, job)| status_info(state, script, id, job)).collect();
    let mut links = Vec::new();
    if from + shown.len() < all.len() {
        links.push(json!({"rel": "next", "href": format!("{}/jobs?offset={}", state.base, from + shown.len())}));
    }
    json!({"jobs": shown, "links": links})
}

fn dismiss(state: &State, script: &Script, id: &str) -> Answer {
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

fn single(script: &Script, job: &Job, output: &str) -> Answer {
    match job.inputs.get(output) {
        _ if script.no_single_outputs => page(404),
        Some(value) => ok(value),
        None => no_such("no-such-output"),
    }
}

fn results(state: &Arc<State>, script: &Script, asked: &Asked, job: &Job) -> Answer {
    match &script.results {
        Results::Document => ok(&job.inputs),
        Results::List => {
            let outputs: Vec<Value> =
                job.inputs.as_object().unwrap().iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
            ok(&json!({"outputs": outputs}))
        }
        Results::Raw(media_type, bytes) => {
            let answer = say(200, media_type, Bytes::from_static(bytes));
            with(answer, header::CONTENT_DISPOSITION, Some("attachment; filename=\"out.nc\""))
        }
        Results::Multipart(with_location) => multipart(state, *with_location),
        Results::Links => {
            let links = format!(
                "<{}/files/1.nc>; rel=\"text\", <{}/jobs/job-1/results/text>; rel=\"other\"",
                state.base, state.base
            );
            with(say(204, "application/json", ""), header::LINK, Some(&links))
        }
        Results::References => ok(&references(&state.base)),
        Results::Bytes(size, pause) => bytes(state, asked, *size, *pause),
        Results::SeeOther(to) => {
            Ok(Response::builder().status(303).header("location", *to).body(Body::empty()).unwrap())
        }
    }
}

pub(super) fn references(base: &str) -> Value {
    json!({
        "inside": {"href": format!("{base}/jobs/job-1/results/inside"), "type": "image/tiff"},
        "outside": {"href": "https://store.example/bucket/1.nc?sig=A%2FB", "type": "application/x-netcdf"},
        "relative": [{"href": "/ogc/files/1.nc"}],
        "text": format!("{base}/jobs/job-1"),
        "number": 1.50,
    })
}

fn multipart(state: &State, with_location: bool) -> Answer {
    let location = format!("Content-Location: {}/files/1.nc\r\n", state.base);
    let location = if with_location { location.as_str() } else { "" };
    let body = format!(
        "--xyz\r\nContent-Type: text/plain\r\nContent-ID: <text>\r\n\r\nhello\r\n--xyz\r\nContent-ID: <file>\r\n{location}\r\n{}\r\n--xyz--\r\n",
        "Content-Location: not a header"
    );
    say(200, "multipart/related; boundary=xyz", body)
}

/// Bytes that tell where they stand: each is its offset modulo 251. At most `CHUNK` of them.
pub fn bytes_at(offset: u64, count: u64) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..=250).cycle().take(usize::try_from(CHUNK).unwrap() + 251).collect());
    &pattern[usize::try_from(offset % 251).unwrap()..][..usize::try_from(count).unwrap()]
}

/// Counts results for as long as they are sent.
struct Streaming(Arc<State>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

fn bytes(state: &Arc<State>, asked: &Asked, size: u64, pause: Duration) -> Answer {
    let range =
        asked.headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let (from, to) = match range {
        Some((from, to)) => (from.parse().unwrap(), to.parse::<u64>().map_or(size, |to| to + 1).min(size)),
        None => (0, size),
    };
    state.streams.fetch_add(1, Ordering::SeqCst);
    let streaming = Streaming(state.clone());
    let parts = stream::unfold((from, streaming), move |(at, streaming)| async move {
        if at >= to {
            return None;
        }
        tokio::time::sleep(pause).await;
        let end = (at + CHUNK).min(to);
        Some((Ok::<_, io::Error>(Bytes::from_static(bytes_at(at, end - at))), (end, streaming)))
    });
    let builder = Response::builder()
        .header("content-type", "application/x-netcdf")
        .header("content-length", to - from)
        .header("etag", "\"v1\"")
        .header("accept-ranges", "bytes");
    let builder = match range {
        Some(_) => builder.status(206).header("content-range", format!("bytes {from}-{}/{size}", to - 1)),
        None => builder,
    };
    Ok(builder.body(Body::from_stream(parts)).unwrap())
}
