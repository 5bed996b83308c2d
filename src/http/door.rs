//! What every request passes on its way in and out: request id, preflight, loop check, base address, admission, panics,
//! and the headers of every answer. It deliberately does not know what a path means: `routes.rs` does.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tracing::{Instrument, debug, error, error_span, field};

use crate::broker::Snapshot;
use crate::collections::Queryables;
use crate::processes::catalogue::Catalogue;
use crate::telemetry::context::{self, Context};
use crate::telemetry::{metrics, otlp};

use super::App;
use super::admission::{Admission, Full, Turn};
use super::clients::{self, Clients};
use super::exception::{self, Exception};
use super::links::{self, Links};
use super::problem::Problem;
use super::routes::Route;
use super::seen::Seen;
use super::{respond, routes};

/// Bodies below this are sent as they are: compressing them costs more than it saves.
const COMPRESS_ABOVE_BYTES: u64 = 1024;
/// What metrics call the route of a request that reached none.
const NO_ROUTE: &str = "other";

/// What all requests share.
pub struct Face {
    pub app: App,
    /// What members list and describe of their processes.
    pub processes: Catalogue,
    pub queryables: Queryables,
    /// What members did otherwise than they should.
    pub seen: Seen,
    pub admission: Admission,
    pub clients: Clients,
    closed: AtomicBool,
}

impl Face {
    /// Whether a request would be served now.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
            && self.admission.is_open()
            && !self.app.broker.snapshot().members.is_full()
    }

    /// Whether the process is about to end.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// What one request runs with.
#[derive(Clone)]
pub struct Call {
    pub snapshot: Arc<Snapshot>,
    pub links: Arc<Links>,
    pub request_id: Arc<str>,
    /// Whose request it is, where that is known.
    pub client: Option<IpAddr>,
    /// Since when its client waits.
    pub came: Instant,
}

impl Call {
    /// Counts what a request cost members, beyond itself, on its client.
    pub fn charge(&self, face: &Face, requests: u32) {
        if let Some(client) = self.client {
            let rate = self.snapshot.federation.limits.client_rate_per_s;
            face.clients.charge(client, rate, requests.saturating_sub(1), Instant::now());
        }
    }
}

/// The whole service; cheap to clone.
#[derive(Clone)]
pub struct Door {
    face: Arc<Face>,
    router: Router,
}

impl Door {
    pub fn new(app: App) -> Self {
        let in_flight_max = app.broker.snapshot().federation.limits.in_flight_max;
        let face = Arc::new(Face {
            app,
            processes: Catalogue::default(),
            queryables: Queryables::default(),
            seen: Seen::default(),
            admission: Admission::new(in_flight_max),
            clients: Clients::default(),
            closed: AtomicBool::new(false),
        });
        let router = routes::router(Arc::clone(&face));
        Self { face, router }
    }

    /// From now on the broker says that it is not ready; requests are still served.
    pub fn close(&self) {
        self.face.closed.store(true, Ordering::Relaxed);
    }

    /// Answers one request, compressed where the client allows it.
    pub async fn answer(&self, mut request: Request) -> Response {
        if let Some(refused) = self.refused(&request) {
            return refused;
        }
        let is_head = request.method() == Method::HEAD;
        let encoding = respond::encoding(request.headers());
        // The layer answers 406 to what it cannot satisfy; here an encoding is never a reason to refuse.
        request.headers_mut().remove(header::ACCEPT_ENCODING);
        if let Some(encoding) = encoding {
            request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        }
        let compression = CompressionLayer::new()
            .quality(CompressionLevel::Fastest)
            .compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES).and(may_compress));
        let service = service_fn(|request| async { Ok::<_, Infallible>(self.finished(request).await) });
        let response = match compression.layer(service).oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        };
        if is_head { response.map(|_| Body::empty()) } else { response }
    }

    /// The refusal of a request for which there is no room, before anything else is done for it: what refusals cost is
    /// taken from those that are served. `None` where there is room, or more to look at.
    fn refused(&self, request: &Request) -> Option<Response> {
        let path = request.uri().path();
        let is_plain = matches!(*request.method(), Method::GET | Method::POST) && !exception::concerns(path);
        // Below a prefix too, which is not known yet.
        if self.face.admission.is_open() || !is_plain || path.contains("/health/") {
            return None;
        }
        let request_id = context::request_id(request.headers());
        let problem = Problem::overloaded();
        debug!(%request_id, status = problem.status.as_u16(), code = problem.code, "request refused");
        metrics::refusal(problem.code);
        metrics::request(NO_ROUTE, problem.status, Duration::ZERO);
        let mut response = respond::problem(&problem, &request_id);
        let snapshot = self.face.app.broker.snapshot();
        let origins = &snapshot.federation.server.cors_origins;
        respond::finish(&mut response, &respond::Asked::of(request), origins, &request_id);
        Some(response)
    }

    /// The answer with every header and, for a problem, its body. A panic ends here.
    async fn finished(&self, request: Request) -> Response {
        let context = Arc::new(Context::of(request.headers()));
        let request_id = Arc::clone(&context.request_id);
        let _in_flight = metrics::InFlight::begin();
        let (since, method) = (SystemTime::now(), request.method().clone());
        let snapshot = self.face.app.broker.snapshot();
        let begun = std::time::Instant::now();
        let asked = respond::Asked::of(&request);
        let path = request.uri().path().to_owned();
        // Of the highest level, so that it stands on every line of this request that is written at all.
        let span = error_span!("request", %request_id, trace_id = field::Empty);
        if context.trace.parent.is_some() {
            span.record("trace_id", field::display(&context.trace.id));
        }
        let admitted = self.admitted(request, &request_id, &snapshot);
        let admitted = Arc::clone(&context).scope(caught(admitted));
        let mut response = admitted.instrument(span.clone()).await;
        let route = response.extensions_mut().remove::<Route>().map_or_else(|| NO_ROUTE.to_owned(), |route| route.0);
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            debug!(parent: &span, status = problem.status.as_u16(), code = problem.code, "request refused");
            metrics::refusal(problem.code);
            response = if exception::concerns(&path) {
                respond::exception(&problem.into(), &path, &request_id)
            } else {
                respond::problem(&problem, &request_id)
            };
        }
        if let Some(exception) = response.extensions_mut().remove::<Exception>() {
            debug!(parent: &span, status = exception.status.as_u16(), kind = ?exception.kind, "request refused");
            response = respond::exception(&exception, &path, &request_id);
        }
        let status = response.status();
        metrics::request(&route, status, begun.elapsed());
        otlp::ended(&context.trace, || otlp::Span {
            name: format!("{method} {route}"),
            id: context.trace.span,
            parent: context.trace.parent,
            is_client: false,
            since,
            until: SystemTime::now(),
            status: Some(status.as_u16()),
            about: vec![
                ("http.request.method", method.to_string()),
                ("http.route", route),
                ("stac_broker.request_id", request_id.to_string()),
            ],
        });
        respond::finish(&mut response, &asked, &snapshot.federation.server.cors_origins, &request_id);
        response
    }

    /// Room for a request, now or soon.
    async fn turn(&self, snapshot: &Snapshot) -> Result<Turn, Full> {
        if snapshot.members.is_full() { Err(Full) } else { self.face.admission.enter().await }
    }

    /// Looks whether this machine keeps up with what was let in, for ever.
    pub async fn watch(self) -> Infallible {
        self.face.admission.clone().watch().await
    }

    /// Preflight, loops, the base address, and room for the request.
    async fn admitted(&self, mut request: Request, request_id: &Arc<str>, snapshot: &Arc<Snapshot>) -> Response {
        let came = Instant::now();
        if request.method() == Method::OPTIONS {
            return StatusCode::NO_CONTENT.into_response();
        }
        if links::is_loop(&snapshot.federation, request.headers()) {
            return Problem::looped().into_response();
        }
        let (parts, body) = request.into_parts();
        let links = match Links::of(&snapshot.federation, &parts) {
            Ok(links) => links,
            Err(problem) => return problem.into_response(),
        };
        let client = clients::client(&snapshot.federation, &parts);
        request = Request::from_parts(parts, body);
        rebase(request.uri_mut(), links.prefix());

        let is_exempt = request.uri().path().starts_with("/health/");
        let rate = snapshot.federation.limits.client_rate_per_s;
        if let Some(Err(seconds)) = client.filter(|_| !is_exempt).map(|from| self.face.clients.admit(from, rate, came))
        {
            return Problem::too_many(rate, seconds).into_response();
        }
        let turn = if is_exempt { None } else { Some(self.turn(snapshot).await) };
        if turn.as_ref().is_some_and(Result::is_err) {
            return Problem::overloaded().into_response();
        }
        let (snapshot, request_id) = (Arc::clone(snapshot), Arc::clone(request_id));
        let call = Call { snapshot, links: Arc::new(links), request_id, client, came };
        request.extensions_mut().insert(call);
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        with_methods(response)
    }
}

/// What passes through from a member keeps its bytes.
fn may_compress(_: StatusCode, _: http::Version, _: &http::HeaderMap, extensions: &http::Extensions) -> bool {
    extensions.get::<respond::AsItIs>().is_none()
}

/// A panic costs its own request only (T24).
async fn caught(answer: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
        error!("a request ended in a panic");
        Problem::internal().into_response()
    })
}

/// Takes the public prefix and a trailing slash off the path.
fn rebase(uri: &mut Uri, prefix: &str) {
    let below = links::below(uri.path(), prefix);
    let trimmed = below.trim_end_matches('/');
    let path = if trimmed.is_empty() { "/" } else { trimmed };
    if path == uri.path() {
        return;
    }
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // A part of a valid path is a valid path; should it not be, the request keeps its own and is not found.
    if let Ok(shorter) = text.parse() {
        *uri = shorter;
    }
}

/// A 405 of the router gets its text; `OPTIONS` is allowed everywhere.
fn with_methods(response: Response) -> Response {
    // A member's own refusal of a method says itself what is allowed.
    let is_relayed = response.extensions().get::<Exception>().is_some();
    if response.status() != StatusCode::METHOD_NOT_ALLOWED || is_relayed {
        return response;
    }
    let known = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok()).unwrap_or("GET,HEAD");
    let mut methods: Vec<&str> = known.split(',').map(str::trim).collect();
    methods.push("OPTIONS");
    Problem::method_not_allowed(methods.join(", ")).into_response()
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
