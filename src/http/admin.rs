//! The admin listener: metrics, the running federation, reload, the checklist for catalogues that want to join. Nothing of
//! it is answered on the public one.

mod check;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;
use url::Url;

use crate::broker::registry::Asked;
use crate::broker::reload::Told;
use crate::broker::{Broker, Snapshot};
use crate::collections::Known;
use crate::federation::registry::LeftOut;
use crate::federation::{Secret, interval};
use crate::telemetry::metrics::{self, Recorder};

use super::federation::{Status, guard, listed, public, status};
use super::respond::{self, Keep};
use super::server::{DRAIN, accept_until};

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a token is shown.
const SCHEME: &[u8] = b"Bearer ";

/// What the listener needs.
#[derive(Clone)]
pub struct Office {
    pub broker: Arc<Broker>,
    pub recorder: Recorder,
    /// What callers must show as `Authorization: Bearer`; `None`: whoever reaches the address may ask.
    pub token: Option<Secret>,
    /// The version and the time of start are told with the status.
    pub started: chrono::DateTime<chrono::Utc>,
}

/// Serves until `stop` resolves.
///
/// # Errors
/// When the listener itself fails.
pub async fn serve(office: Office, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
    let router = router(office);
    let answer = move |request: Request| {
        let router = router.clone();
        async move {
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    accept_until(listener, None, stop, DRAIN, answer, || ()).await
}

fn router(office: Office) -> Router {
    Router::new()
        .route("/metrics", get(rendered))
        .route("/admin/status", get(told))
        .route("/admin/reload", post(reload))
        .route("/admin/members/check", post(check::answer))
        .method_not_allowed_fallback(|| async {
            refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "another method is answered here, see `Allow`")
        })
        .fallback(|| async {
            let paths = "paths here: `/metrics`, `/admin/status`, `/admin/reload`, `/admin/members/check`";
            refused(StatusCode::NOT_FOUND, "NotFound", paths)
        })
        .layer(middleware::from_fn_with_state(office.clone(), admitted))
        .with_state(office)
}

/// Asks for the token, where there is one.
async fn admitted(State(office): State<Office>, request: Request, next: Next) -> Response {
    if office.token.as_ref().is_some_and(|token| !shows(request.headers(), token)) {
        let refusal =
            refused(StatusCode::UNAUTHORIZED, "Unauthorized", "show the admin token: `Authorization: Bearer …`");
        return ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response();
    }
    next.run(request).await
}

/// Whether the headers carry the token; compared in constant time, so that its bytes cannot be guessed one by one.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    // The scheme may be written in any case (RFC 9110, 11.1).
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(SCHEME.len()));
    let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME)).map(|(_, token)| token);
    let wanted = token.expose().as_bytes();
    given.is_some_and(|given| aws_lc_rs::constant_time::verify_slices_are_equal(given, wanted).is_ok())
}

fn refused(status: StatusCode, code: &str, description: &str) -> Response {
    let mut response = respond::json(&json!({ "code": code, "description": description }), Keep::Never);
    *response.status_mut() = status;
    response
}

/// `GET /metrics`
async fn rendered(State(office): State<Office>) -> Response {
    let snapshot = office.broker.snapshot();
    for part in &snapshot.view.members {
        let up = status(&snapshot, &part.member) == Status::Online;
        metrics::member(part.member.as_str(), up, part.entries.len(), part.quarantined.len());
    }
    for (member, harvest) in snapshot.members.iter().filter_map(|member| Some((member.id(), member.harvest()?))) {
        let seen = metrics::Harvested {
            age_s: harvest.age_s,
            items: harvest.items,
            complete: harvest.complete,
            left_out: harvest.left_out.count,
            bytes: harvest.read.bytes,
            running: harvest.running.map_or(0, |running| running.documents),
        };
        metrics::harvest(member.as_str(), &seen);
    }
    metrics::buffered(crate::members::held_bytes());
    metrics::tasks(tokio::runtime::Handle::current().metrics().num_alive_tasks());
    snapshot.members.measure();
    let told = office.broker.reloads.told();
    if snapshot.federation.registry.gocdb.is_some() {
        let asked = office.broker.joining.told();
        let listed = snapshot.federation.registry.listed.len();
        metrics::registry(asked.good, asked.empty, asked.failed, listed);
    }
    metrics::reloads(told.good, told.bad, told.refused_at.is_some());
    let known: Vec<&str> = snapshot.federation.members.iter().map(|member| member.id.as_str()).collect();
    ([(header::CONTENT_TYPE, PROMETHEUS)], office.recorder.render(&known)).into_response()
}

/// `GET /admin/status`
async fn told(State(office): State<Office>) -> Response {
    // Before the snapshot: what it tells of is in effect by then.
    let asked = office.broker.joining.told();
    let snapshot = office.broker.snapshot();
    respond::json(
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": interval::text(office.started),
            "federation": snapshot.federation.id,
            "members": members(&snapshot),
            "registry": registry(&snapshot, &asked),
            "reloads": reloads(&office.broker.reloads.told()),
        }),
        Keep::Never,
    )
}

fn members(snapshot: &Snapshot) -> Vec<Value> {
    let one = |member: &crate::federation::Member| {
        let part = snapshot.view.member(&member.id);
        let notes = snapshot.members.get(member.id.as_str()).map(|adapter| adapter.capabilities().notes.clone());
        json!({
            "id": member.id,
            "enabled": member.enabled,
            "status": status(snapshot, &member.id).name(),
            "collections": part.map(|part| part.entries.len()),
            "quarantined": part.map(|part| &part.quarantined),
            "list": part.map(|part| if part.known == Known::Complete { "complete" } else { "unknown" }),
            "read_at": part.and_then(|part| part.read_at).map(interval::text),
            "stale": part.map(|part| part.stale),
            "notes": notes,
            "guard": guard(snapshot, &member.id),
        })
    };
    snapshot.federation.members.iter().map(one).collect()
}

/// What the registry says, and what came of it; nothing where the file names none.
fn registry(snapshot: &Snapshot, asked: &Asked) -> Value {
    let registry = &snapshot.federation.registry;
    let Some(gocdb) = &registry.gocdb else { return Value::Null };
    let left_out = |left: &LeftOut| {
        let url = Url::parse(&left.endpoint.url).map(|url| public(&url)).ok();
        json!({ "site": left.endpoint.site, "url": url, "reason": left.reason })
    };
    json!({
        "url": public(&gocdb.url),
        "scope": gocdb.scope,
        "refresh_s": gocdb.refresh.as_secs(),
        "asked_at": asked.asked_at.map(interval::text),
        "answered_at": asked.answered_at.map(interval::text),
        "answers": { "good": asked.good, "empty": asked.empty, "failed": asked.failed },
        "problem": asked.problem,
        "listed": registry.listed.iter().map(listed).collect::<Vec<_>>(),
        "left_out": registry.left_out.iter().map(left_out).collect::<Vec<_>>(),
    })
}

fn reloads(told: &Told) -> Value {
    json!({
        "good": told.good,
        "bad": told.bad,
        "taken_at": told.taken_at.map(interval::text),
        "refused_at": told.refused_at.map(interval::text),
        "problems": told.problems,
        "restart_needed": told.restart_needed,
    })
}

/// `POST /admin/reload`: asks the registry again, and looks at the file; 200 when the file is in effect, 409 when it was refused.
async fn reload(State(office): State<Office>) -> Response {
    office.broker.joining.ask_now();
    let told = office.broker.reloads.look_now().await;
    let mut response = respond::json(&reloads(&told), Keep::Never);
    if told.refused_at.is_some() {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    response
}
