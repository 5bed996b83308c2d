//! OGC API - Processes at a member: two small processes that run where the Items are.
//!
//! `describe.rs` what is offered, `compute.rs` what it does, `jobs.rs` what was asked to run on its own. Both modes of
//! execution, results as a document or raw, dismissal; strict in what it takes, so that a careless request shows.

mod compute;
mod describe;
mod jobs;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::Utc;
use serde_json::{Map, Value, json};

use super::Shared;
use compute::Inputs;
use describe::{PROCESSES, description, output, summary};
use jobs::{Jobs, status};

/// How long a job runs at least, so that it can be seen running; longer where a busy machine tests it.
const JOB_RUNS: Duration = Duration::from_millis(if cfg!(test) { 3_000 } else { 300 });

/// The classes that hold here.
const CLASSES: [&str; 5] = [
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
];

/// A member's process service.
#[derive(Clone)]
pub struct Service {
    catalog: Shared,
    /// Landing page of the catalogue: what Item addresses begin with.
    stac_url: Arc<str>,
    /// Landing page of the process service.
    url: Arc<str>,
    jobs: Arc<Jobs>,
    /// Execute requests that arrived.
    executions: Arc<AtomicU64>,
}

impl Service {
    pub fn new(catalog: Shared, stac_url: &str, url: &str) -> Self {
        Self { catalog, stac_url: stac_url.into(), url: url.into(), jobs: Arc::default(), executions: Arc::default() }
    }

    /// Execute requests that arrived since the start.
    pub fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }

    /// The paths below the service's landing page, which has the path `base`.
    pub fn routes(self, base: &str) -> Router {
        let below = Router::new()
            .route("/conformance", get(conformance))
            .route("/processes", get(list))
            .route("/processes/{process}", get(one))
            .route("/processes/{process}/execution", post(execute))
            .route("/jobs/{job}", get(job).delete(dismiss))
            .route("/jobs/{job}/results", get(results))
            .route("/jobs/{job}/results/{output}", get(result));
        Router::new()
            .route(base, get(landing))
            .route(&format!("{base}/"), get(landing))
            .nest(base, below)
            .with_state(self)
    }

    fn run(&self, process: &str, inputs: &Inputs) -> Result<Value, String> {
        match process {
            "subset" => compute::subset(&self.catalog, inputs, &self.stac_url),
            _ => compute::statistics(&self.catalog, inputs),
        }
    }
}

fn document(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Why there is no answer: OGC's own type where there is one (18-062r2, clause 7.11).
struct Exception {
    status: StatusCode,
    name: &'static str,
    detail: String,
}

impl IntoResponse for Exception {
    fn into_response(self) -> Response {
        let Self { status, name, detail } = self;
        let kind = format!("http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/{name}");
        let body = json!({ "type": kind, "title": name, "status": status.as_u16(), "detail": detail });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

fn exception(status: StatusCode, name: &'static str, detail: &str) -> Exception {
    Exception { status, name, detail: detail.to_owned() }
}

fn known(process: &str) -> Result<&'static str, Exception> {
    let found = PROCESSES.into_iter().find(|known| *known == process);
    found.ok_or_else(|| exception(StatusCode::NOT_FOUND, "no-such-process", "no process of this id"))
}

async fn landing(State(service): State<Service>) -> Response {
    let url = &service.url;
    let link =
        |rel: &str, path: &str| json!({ "rel": rel, "type": "application/json", "href": format!("{url}{path}") });
    let links = [
        link("self", "/"),
        link("http://www.opengis.net/def/rel/ogc/1.0/conformance", "/conformance"),
        link("http://www.opengis.net/def/rel/ogc/1.0/processes", "/processes"),
    ];
    document(StatusCode::OK, &json!({ "title": "Processes beside the data", "links": links }))
}

async fn conformance() -> Response {
    document(StatusCode::OK, &json!({ "conformsTo": CLASSES }))
}

async fn list(State(service): State<Service>) -> Response {
    let processes = PROCESSES.map(|process| summary(process, &service.url));
    let own = json!({ "rel": "self", "type": "application/json", "href": format!("{}/processes", service.url) });
    document(StatusCode::OK, &json!({ "processes": processes, "links": [own] }))
}

async fn one(State(service): State<Service>, Path(process): Path<String>) -> Response {
    match known(&process) {
        Ok(process) => document(StatusCode::OK, &description(process, &service.url)),
        Err(refused) => refused.into_response(),
    }
}

async fn execute(
    State(service): State<Service>,
    Path(process): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    service.executions.fetch_add(1, Ordering::Relaxed);
    let process = match known(&process) {
        Ok(process) => process,
        Err(refused) => return refused.into_response(),
    };
    let request: Map<String, Value> = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(wrong) => {
            let detail = format!("the body is no Execute request: {wrong}");
            return exception(StatusCode::BAD_REQUEST, "invalid-parameter-value", &detail).into_response();
        }
    };
    let none = Map::new();
    let inputs = request.get("inputs").and_then(Value::as_object).unwrap_or(&none);
    let inputs = match Inputs::read(inputs, &service.stac_url) {
        Ok(inputs) => inputs,
        Err(wrong) => return exception(StatusCode::BAD_REQUEST, "invalid-parameter-value", &wrong).into_response(),
    };
    if headers.get("prefer").is_some_and(|prefer| prefer.as_bytes() == b"respond-async") {
        return begin(&service, process, inputs);
    }
    match service.run(process, &inputs) {
        Err(wrong) => exception(StatusCode::BAD_REQUEST, "invalid-parameter-value", &wrong).into_response(),
        // The one output, raw unless a document is asked for (18-062r2, clause 7.11.4).
        Ok(value) if request.get("response").is_some_and(|form| form == "document") => {
            document(StatusCode::OK, &json!({ output(process): value }))
        }
        Ok(value) => raw(process, &value),
    }
}

fn raw(process: &str, value: &Value) -> Response {
    let media_type = if process == "subset" { "application/geo+json" } else { "application/json" };
    (StatusCode::OK, [(header::CONTENT_TYPE, media_type)], value.to_string()).into_response()
}

fn begin(service: &Service, process: &'static str, inputs: Inputs) -> Response {
    let id = service.jobs.begin(process, Utc::now());
    let runner = service.clone();
    tokio::spawn(async move {
        tokio::time::sleep(JOB_RUNS).await;
        let ended = match runner.run(process, &inputs) {
            Ok(value) => jobs::State::Successful(value),
            Err(why) => jobs::State::Failed(why),
        };
        runner.jobs.end(id, ended, Utc::now());
    });
    let Some(job) = service.jobs.get(id) else { return no_such_job().into_response() };
    let location = format!("{}/jobs/{id}", service.url);
    let headers =
        [(header::LOCATION, location), (header::HeaderName::from_static("preference-applied"), "respond-async".into())];
    (headers, document(StatusCode::CREATED, &status(&job, id, &service.url))).into_response()
}

fn no_such_job() -> Exception {
    exception(StatusCode::NOT_FOUND, "no-such-job", "no job of this id")
}

fn found(service: &Service, job: &str) -> Result<(u64, jobs::Job), Exception> {
    let id = job.parse().ok();
    let found = id.and_then(|id| Some((id, service.jobs.get(id)?)));
    found.ok_or_else(no_such_job)
}

async fn job(State(service): State<Service>, Path(job): Path<String>) -> Response {
    match found(&service, &job) {
        Ok((id, job)) => document(StatusCode::OK, &status(&job, id, &service.url)),
        Err(refused) => refused.into_response(),
    }
}

async fn dismiss(State(service): State<Service>, Path(job): Path<String>) -> Response {
    let dismissed = job.parse().ok().and_then(|id| Some((id, service.jobs.dismiss(id, Utc::now())?)));
    match dismissed {
        Some((id, job)) => document(StatusCode::OK, &status(&job, id, &service.url)),
        None => no_such_job().into_response(),
    }
}

/// The value of a job's output, or why there is none.
fn value(service: &Service, job: &str) -> Result<(&'static str, Value), Exception> {
    let (_, job) = found(service, job)?;
    match job.state {
        jobs::State::Successful(value) => Ok((job.process, value)),
        jobs::State::Failed(why) => Err(exception(StatusCode::BAD_REQUEST, "invalid-parameter-value", &why)),
        _ => Err(exception(StatusCode::NOT_FOUND, "result-not-ready", "the job is still running")),
    }
}

async fn results(State(service): State<Service>, Path(job): Path<String>) -> Response {
    match value(&service, &job) {
        Ok((process, value)) => document(StatusCode::OK, &json!({ output(process): value })),
        Err(refused) => refused.into_response(),
    }
}

async fn result(State(service): State<Service>, Path((job, name)): Path<(String, String)>) -> Response {
    match value(&service, &job) {
        Ok((process, value)) if name == output(process) => raw(process, &value),
        Ok(_) => exception(StatusCode::NOT_FOUND, "no-such-output", "no output of this name").into_response(),
        Err(refused) => refused.into_response(),
    }
}
