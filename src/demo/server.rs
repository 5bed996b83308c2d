//! One member as an HTTP server on a free loopback port, with the habits it was given.
//!
//! The accept loop is its own, because a member that is switched off must refuse and drop connections, kept-alive ones
//! included, and come back on the same port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{self, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Shared;
use super::catalog::{Catalog, fingerprint};
use super::habits::{Habits, Speaks};
use super::processes::Service;
use super::{api, files, records, resto};

/// How often a member was asked.
#[derive(Debug, Default)]
pub struct Counters {
    all: AtomicU64,
    searches: AtomicU64,
}

impl Counters {
    pub fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }
    pub fn searches(&self) -> u64 {
        self.searches.load(Ordering::Relaxed)
    }
}

/// A member that serves. Dropping it closes its port and its connections.
pub struct Running {
    pub habits: &'static Habits,
    /// What the federation file names: the landing page, without a slash at the end, or the root document.
    pub url: String,
    pub catalog: Shared,
    pub counters: Arc<Counters>,
    /// Where it executes processes: the landing page of that service, and the service.
    pub processes: Option<(String, Service)>,
    off: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
        self.off.send_replace(true);
    }
}

/// What every request sees.
#[derive(Clone)]
pub struct Site {
    pub habits: &'static Habits,
    /// Where the catalogue lies, without a slash at the end.
    pub url: Arc<str>,
    pub catalog: Shared,
}

impl Running {
    /// Binds a free port and serves.
    ///
    /// # Errors
    /// When no port can be bound, or the table cannot be read.
    pub async fn start(habits: &'static Habits, now: DateTime<Utc>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let url = format!("{origin}{}", habits.base);
        let catalog = Arc::new(Catalog::of(habits, &url, now).map_err(io::Error::other)?);
        let counters = Arc::new(Counters::default());
        let site = Site { habits, url: url.as_str().into(), catalog: catalog.clone() };
        let mut app = routes(&site, &counters);
        let processes = habits.processes.map(|base| {
            let at = format!("{origin}{base}");
            let service = Service::new(catalog.clone(), &url, &at);
            (base, at, service)
        });
        if let Some((base, _, service)) = &processes {
            app = app.merge(service.clone().routes(base));
        }
        let processes = processes.map(|(_, at, service)| (at, service));
        let url = if habits.speaks == Speaks::Files { format!("{url}/{}", files::ROOT) } else { url };
        let (off, switched) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, app, switched));
        Ok(Self { habits, url, catalog, counters, processes, off, accepting })
    }

    pub fn switch_off(&self, off: bool) {
        self.off.send_replace(off);
    }

    /// The Items under the names of this member: `(MEMBER|collection, id)`.
    pub fn exposed(&self) -> impl Iterator<Item = (String, String)> {
        self.catalog.entries.iter().map(|entry| (format!("{}|{}", self.habits.id, entry.collection), entry.id.clone()))
    }
}

async fn accept(listener: TcpListener, app: Router, switched: watch::Receiver<bool>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        if *switched.borrow() {
            continue; // dropped: the client sees a reset
        }
        let (service, mut switched) = (TowerToHyperService::new(app.clone()), switched.clone());
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            tokio::select! {
                _ = server.serve_connection(TokioIo::new(stream), service) => {}
                _ = switched.wait_for(|off| *off) => {}
            }
        });
    }
}

fn routes(site: &Site, counters: &Arc<Counters>) -> Router {
    let app = match site.habits.speaks {
        Speaks::StacApi(ways) => api::routes(site, ways),
        Speaks::Resto => resto::routes(site),
        Speaks::Files => files::routes(site),
        Speaks::Records => records::routes(site),
    };
    // What is read whole is never searched, though its records have the path that Items have elsewhere.
    let searched = !site.habits.speaks.read_whole();
    app.layer(middleware::from_fn_with_state((counters.clone(), searched), count))
}

/// Counts a request. Those of a probe, which say so in their `User-Agent`, are nobody's search.
async fn count(
    State((counters, searched)): State<(Arc<Counters>, bool)>,
    request: extract::Request,
    next: Next,
) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    if !agent.is_some_and(|agent| agent.as_bytes().ends_with(b"(probe)")) {
        counters.all.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path();
        let searches = u64::from(searched && (path.ends_with("/search") || path.ends_with("/items")));
        counters.searches.fetch_add(searches, Ordering::Relaxed);
    }
    next.run(request).await
}

pub fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
}

pub fn document(value: &Value) -> Response {
    answer(StatusCode::OK, "application/json", value.to_string())
}

pub fn refused(status: StatusCode, code: &str, description: &str) -> Response {
    answer(status, "application/json", json!({ "code": code, "description": description }).to_string())
}

/// A document that says which one it is, and that is not sent to who has it (RFC 9110, section 13.1.2).
pub fn tagged(asked: &HeaderMap, media_type: &'static str, body: String) -> Response {
    let tag = format!("\"{:x}\"", fingerprint(&body));
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let answer =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { answer(StatusCode::OK, media_type, body) };
    ([(header::ETAG, tag)], answer).into_response()
}
