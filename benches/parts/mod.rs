//! The processes of the whole-path benchmark: canned members, a plain proxy, the broker.

mod canned;
pub mod clients;
pub mod role;

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;

use stac_broker::broker::Broker;
use stac_broker::search::KeyRing;

pub use canned::{ITEMS_PER_PAGE, MEMBERS};

pub const ROLE: &str = "STAC_BROKER_BENCH_ROLE";
pub const UPSTREAM: &str = "STAC_BROKER_BENCH_UPSTREAM";
/// Items of a member's page.
pub const ITEMS: &str = "STAC_BROKER_BENCH_ITEMS";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Tells the parent where to find this process.
fn announce(addresses: &[String]) {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{}", addresses.join(","));
    let _ = out.flush();
}

#[derive(Clone)]
struct Canned {
    base: Arc<str>,
    page: Bytes,
}

/// Five members, each on its own port, each with one canned page in memory.
pub async fn members() -> Outcome<()> {
    let items = std::env::var(ITEMS)?.parse()?;
    let mut addresses = Vec::new();
    let mut servers = Vec::new();
    for member in 0..MEMBERS {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let canned = Canned { base: base.as_str().into(), page: canned::page_of(items, &base, member).into() };
        let app = Router::new()
            .route("/", get(landing))
            .route("/conformance", get(conformance))
            .route("/collections", get(collections))
            .route("/search", get(search).post(search))
            .with_state(canned);
        servers.push(tokio::spawn(async move { axum::serve(listener, app).await }));
        addresses.push(base);
    }
    announce(&addresses);
    for server in servers {
        server.await??;
    }
    Ok(())
}

fn json(body: impl Into<Body>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], body.into())
}

const CLASSES: &str = r#"["https://api.stacspec.org/v1.0.0/core","https://api.stacspec.org/v1.0.0/collections","https://api.stacspec.org/v1.0.0/item-search","https://api.stacspec.org/v1.0.0/item-search#sort"]"#;

async fn landing(State(canned): State<Canned>) -> impl IntoResponse {
    let base = &canned.base;
    json(format!(
        r#"{{"type":"Catalog","stac_version":"1.0.0","id":"m","description":"m","conformsTo":{CLASSES},"links":[
        {{"rel":"data","type":"application/json","href":"{base}/collections"}},
        {{"rel":"search","type":"application/geo+json","method":"GET","href":"{base}/search"}},
        {{"rel":"search","type":"application/geo+json","method":"POST","href":"{base}/search"}}]}}"#
    ))
}

async fn conformance() -> impl IntoResponse {
    json(format!(r#"{{"conformsTo":{CLASSES}}}"#))
}

async fn collections() -> impl IntoResponse {
    json(
        r#"{"collections":[{"type":"Collection","stac_version":"1.0.0","id":"c","description":"c","license":"other","links":[],"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[["2015-01-01T00:00:00Z",null]]}}}],"links":[],"numberMatched":1}"#,
    )
}

async fn search(State(canned): State<Canned>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/geo+json")], canned.page)
}

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: Arc<str>,
}

/// A plain proxy: passes a member's page on as it comes.
pub async fn proxy() -> Outcome<()> {
    let upstream = std::env::var(UPSTREAM)?;
    let first = upstream.split(',').next().unwrap_or_default();
    let state =
        Upstream { client: reqwest::Client::builder().no_proxy().build()?, url: format!("{first}/search").into() };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&[format!("http://{}", listener.local_addr()?)]);
    axum::serve(listener, Router::new().route("/page", get(pass_on)).with_state(state)).await?;
    Ok(())
}

async fn pass_on(State(upstream): State<Upstream>) -> impl IntoResponse {
    match upstream.client.get(&*upstream.url).send().await {
        Ok(answer) => json(Body::from_stream(answer.bytes_stream())).into_response(),
        Err(_) => axum::http::StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// The broker over the five members.
pub async fn broker() -> Outcome<()> {
    let mut file = String::from("[federation]\nid = \"bench\"\n");
    for (index, url) in std::env::var(UPSTREAM)?.split(',').enumerate() {
        let _ = write!(file, "[[member]]\nid = \"M{index}\"\nkind = \"stac-api\"\nurl = \"{url}\"\ninternal = true\n");
    }
    let loaded = stac_broker::federation::load_text("bench.toml", &file, std::path::Path::new("."))
        .map_err(|problems| format!("the federation of the benchmark: {problems:?}"))?;
    let keys = Arc::new(KeyRing::from_federation(&loaded.federation)?);
    let broker = Broker::start(loaded.federation);
    broker.settled(std::time::Duration::from_secs(10)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&[format!("http://{}", listener.local_addr()?)]);
    stac_broker::http::serve(stac_broker::http::App { broker, keys }, listener, std::future::pending()).await?;
    Ok(())
}
