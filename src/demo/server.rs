//! One member as an HTTP server on a free loopback port: a small STAC API with the habits it was given.
//!
//! The accept loop is its own, because a member that is switched off must refuse and drop connections, kept-alive ones
//! included, and come back on the same port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{self, Path, RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chrono::{DateTime, Utc};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::form_urlencoded;

use super::Shared;
use super::catalog::{Catalog, Entry, segment};
use super::conditions::Conditions;
use super::habits::{Habits, NextForm};
use super::processes::Service;

/// Items of a page when none are asked for.
const PAGE_ITEMS_DEFAULT: usize = 10;

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
    /// Landing page, without a slash at the end.
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
struct Site {
    habits: &'static Habits,
    url: Arc<str>,
    catalog: Shared,
    counters: Arc<Counters>,
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
        let site = Site { habits, url: url.as_str().into(), catalog: catalog.clone(), counters: counters.clone() };
        let mut app = routes(site);
        let processes = habits.processes.map(|base| {
            let at = format!("{origin}{base}");
            let service = Service::new(catalog.clone(), &url, &at);
            (base, at, service)
        });
        if let Some((base, _, service)) = &processes {
            app = app.merge(service.clone().routes(base));
        }
        let processes = processes.map(|(_, at, service)| (at, service));
        let (off, switched) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, app, switched));
        Ok(Self { habits, url, catalog, counters, processes, off, accepting })
    }

    pub fn switch_off(&self, off: bool) {
        self.off.send_replace(off);
    }

    /// The Items as the broker must expose them.
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

fn routes(site: Site) -> Router {
    let below = Router::new()
        .route("/conformance", get(conformance))
        .route("/collections", get(collections))
        .route("/collections/{collection}", get(collection))
        .route("/collections/{collection}/items", get(items))
        .route("/collections/{collection}/items/{item}", get(item))
        .route("/search", any(search));
    let base = site.habits.base;
    let counted = middleware::from_fn_with_state(site.counters.clone(), count);
    let all = Router::new().route(base, get(landing)).route(&format!("{base}/"), get(landing)).nest(base, below);
    all.layer(counted).with_state(site)
}

/// Counts a request. Those of a probe, which say so in their `User-Agent`, are nobody's search.
async fn count(State(counters): State<Arc<Counters>>, request: extract::Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    if !agent.is_some_and(|agent| agent.as_bytes().ends_with(b"(probe)")) {
        counters.all.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path();
        let searches = u64::from(path.ends_with("/search") || path.ends_with("/items"));
        counters.searches.fetch_add(searches, Ordering::Relaxed);
    }
    next.run(request).await
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
}

fn document(value: &Value) -> Response {
    answer(StatusCode::OK, "application/json", value.to_string())
}

fn refused(status: StatusCode, code: &str, description: &str) -> Response {
    answer(status, "application/json", json!({ "code": code, "description": description }).to_string())
}

fn classes(habits: &Habits) -> Vec<&'static str> {
    let mut classes = vec![
        "https://api.stacspec.org/v1.0.0/core",
        "https://api.stacspec.org/v1.0.0/collections",
        "https://api.stacspec.org/v1.0.0/ogcapi-features",
        "https://api.stacspec.org/v1.0.0/item-search",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
        "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    ];
    if habits.sorts {
        classes.push("https://api.stacspec.org/v1.0.0/item-search#sort");
    }
    if habits.filters {
        classes.extend([
            "https://api.stacspec.org/v1.0.0/item-search#filter",
            "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
            "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
            "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
            "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
        ]);
    }
    classes
}

async fn landing(State(site): State<Site>) -> Response {
    let url = &site.url;
    let mut links = vec![
        json!({ "rel": "self", "type": "application/json", "href": format!("{url}/") }),
        json!({ "rel": "root", "type": "application/json", "href": format!("{url}/") }),
        json!({ "rel": "conformance", "type": "application/json", "href": format!("{url}/conformance") }),
        json!({ "rel": "data", "type": "application/json", "href": format!("{url}/collections") }),
        json!({ "rel": "search", "type": "application/geo+json", "method": "GET", "href": format!("{url}/search") }),
    ];
    if site.habits.post {
        links.push(
            json!({ "rel": "search", "type": "application/geo+json", "method": "POST", "href": format!("{url}/search") }),
        );
    }
    document(&json!({
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": site.habits.id.to_lowercase(),
        "title": site.habits.title,
        "description": format!("Embedded member of the demo federation: {}.", site.habits.habit),
        "conformsTo": classes(site.habits),
        "links": links,
    }))
}

async fn conformance(State(site): State<Site>) -> Response {
    document(&json!({ "conformsTo": classes(site.habits) }))
}

async fn collections(State(site): State<Site>) -> Response {
    let list: Vec<&Value> = site.catalog.collections.iter().map(|(_, document)| document).collect();
    document(&json!({
        "collections": list,
        "numberMatched": list.len(),
        "numberReturned": list.len(),
        "links": [
            { "rel": "self", "type": "application/json", "href": format!("{}/collections", site.url) },
            { "rel": "root", "type": "application/json", "href": format!("{}/", site.url) },
        ],
    }))
}

async fn collection(State(site): State<Site>, Path(id): Path<String>) -> Response {
    match site.catalog.collections.iter().find(|(known, _)| *known == id) {
        Some((_, found)) => document(found),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such Collection"),
    }
}

async fn item(State(site): State<Site>, Path((collection, id)): Path<(String, String)>) -> Response {
    match site.catalog.entries.iter().find(|entry| entry.collection == collection && entry.id == id) {
        Some(found) => answer(StatusCode::OK, "application/geo+json", found.text.clone()),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such Item"),
    }
}

async fn items(State(site): State<Site>, Path(collection): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let path = format!("{}/collections/{}/items", site.url, segment(&collection));
    let asked = Conditions::from_query(&query).map(|asked| Conditions { collections: Some(vec![collection]), ..asked });
    listed(&site, asked, &Request::Get { path, query }).await
}

async fn search(State(site): State<Site>, method: Method, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let path = format!("{}/search", site.url);
    match method {
        Method::GET | Method::HEAD => {
            let query = query.unwrap_or_default();
            listed(&site, Conditions::from_query(&query), &Request::Get { path, query }).await
        }
        Method::POST if site.habits.post => match serde_json::from_slice::<Map<String, Value>>(&body) {
            Ok(body) => listed(&site, Conditions::from_body(&body), &Request::Post { path, body }).await,
            Err(wrong) => listed(&site, Err(wrong.to_string()), &Request::Get { path, query: String::new() }).await,
        },
        _ => {
            let allow = if site.habits.post { "GET, HEAD, POST" } else { "GET, HEAD" };
            let refusal = refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Method Not Allowed");
            ([(header::ALLOW, allow)], refusal).into_response()
        }
    }
}

/// How a list was asked for: what its `next` link repeats.
enum Request {
    Get { path: String, query: String },
    Post { path: String, body: Map<String, Value> },
}

async fn listed(site: &Site, asked: Result<Conditions, String>, request: &Request) -> Response {
    tokio::time::sleep(site.habits.delay).await;
    let asked = match asked {
        Ok(asked) => asked,
        Err(description) => return refused(StatusCode::BAD_REQUEST, "BadRequest", &description),
    };
    let asked = if site.habits.filters { asked } else { Conditions { filter: None, ..asked } };
    let limit = asked.limit.unwrap_or(PAGE_ITEMS_DEFAULT).min(site.habits.page_items_max);
    let Some(from) = start(site.habits.next, asked.place.as_ref(), limit) else {
        return refused(StatusCode::BAD_REQUEST, "BadRequest", "the paging parameter was not made here");
    };

    let mut found: Vec<&Entry> = site.catalog.entries.iter().filter(|entry| asked.hold(entry)).collect();
    if site.habits.sorts && !asked.sortby.is_empty() {
        found.sort_by(|a, b| asked.compare(a, b));
    }
    let page = found.get(from..).unwrap_or_default();
    let page = &page[..page.len().min(limit)];
    let mut links = vec![json!({ "rel": "root", "type": "application/json", "href": format!("{}/", site.url) })];
    if from + page.len() < found.len() {
        links.push(next(site.habits.next, request, from + limit, limit));
    }
    answer(StatusCode::OK, "application/geo+json", feature_collection(page, found.len(), &links))
}

fn feature_collection(page: &[&Entry], matched: usize, links: &[Value]) -> String {
    let features: Vec<&str> = page.iter().map(|entry| entry.text.as_str()).collect();
    format!(
        r#"{{"type":"FeatureCollection","features":[{}],"links":{},"numberMatched":{matched},"numberReturned":{}}}"#,
        features.join(","),
        Value::from(links.to_vec()),
        page.len(),
    )
}

/// Items to leave out before the page; `None` when the place was not made here.
fn start(form: NextForm, place: Option<&(String, String)>, limit: usize) -> Option<usize> {
    let Some((name, value)) = place else { return Some(0) };
    if name != form.parameter() {
        return Some(0); // a parameter of other members, unknown here
    }
    match form {
        NextForm::WholeBody | NextForm::Merge => value.strip_prefix("next:")?.parse().ok(),
        NextForm::Offset => value.parse().ok(),
        NextForm::PageNumber => value.parse::<usize>().ok()?.checked_sub(1)?.checked_mul(limit),
    }
}

/// The link to the page that begins at `from`.
fn next(form: NextForm, request: &Request, from: usize, limit: usize) -> Value {
    let place = match form {
        NextForm::WholeBody | NextForm::Merge => format!("next:{from}"),
        NextForm::Offset => from.to_string(),
        NextForm::PageNumber => (from / limit + 1).to_string(),
    };
    match request {
        Request::Get { path, query } => {
            let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != form.parameter());
            let mut again = form_urlencoded::Serializer::new(String::new());
            again.extend_pairs(kept).append_pair(form.parameter(), &place);
            json!({ "rel": "next", "type": "application/geo+json", "method": "GET", "href": format!("{path}?{}", again.finish()) })
        }
        Request::Post { path, body } => {
            let place = if form == NextForm::Offset { json!(from) } else { json!(place) };
            let mut delta = if form == NextForm::WholeBody { body.clone() } else { Map::new() };
            delta.insert(form.parameter().to_owned(), place);
            let mut link =
                json!({ "rel": "next", "type": "application/geo+json", "method": "POST", "href": path, "body": delta });
            if form != NextForm::WholeBody {
                link["merge"] = json!(true);
            }
            link
        }
    }
}
