//! The broker as clients see it: the real server on a free loopback port, and a client that walks its pages.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use stac_broker::broker::Broker;
use stac_broker::federation::Federation;
use stac_broker::http::{App, serve};
use stac_broker::members::Registry;
use stac_broker::search::KeyRing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// More pages than any walk here has: one that does not end fails.
const PAGES_MAX: usize = 6_000;

/// A serving broker. Dropping it stops it.
pub struct Front {
    /// Without a slash at its end.
    pub base: String,
    pub address: SocketAddr,
    pub broker: Arc<Broker>,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    pub took: Duration,
    /// The text as JSON, read when it is first asked for.
    json: OnceLock<Value>,
}

impl Reply {
    pub fn json(&self) -> &Value {
        let parse = || serde_json::from_str(&self.text);
        self.json.get_or_init(|| parse().unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `next` link.
    pub fn next(&self) -> Option<Value> {
        self.link("next")
    }

    /// The link that goes on where a page without an Item had to stop.
    pub fn retry(&self) -> Option<Value> {
        self.link("retry-missed")
    }

    fn link(&self, rel: &str) -> Option<Value> {
        self.json()["links"].as_array()?.iter().find(|link| link["rel"] == rel).cloned()
    }

    /// `collection id`, in the order given.
    pub fn names(&self) -> Vec<String> {
        let body = self.json();
        let features = body["features"].as_array().unwrap_or_else(|| panic!("{} {}", self.status, self.text));
        features.iter().map(|item| format!("{} {}", text(&item["collection"]), text(&item["id"]))).collect()
    }

    /// What the report says of a member.
    pub fn member(&self, id: &str) -> Value {
        let body = self.json();
        let members = body["federation:report"]["members"].as_array().cloned().unwrap_or_default();
        members.into_iter().find(|member| member["id"] == id).unwrap_or_default()
    }

    /// `federation:missing`.
    pub fn missing(&self) -> Vec<String> {
        let body = self.json();
        body["federation:missing"].as_array().into_iter().flatten().map(|id| text(id).to_owned()).collect()
    }

    pub fn report(&self) -> Value {
        self.json()["federation:report"].clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

impl Front {
    /// Serves this federation, its members read once.
    pub async fn of(federation: Federation) -> Self {
        let front = Self::unread(federation).await;
        front.broker.refresh_now().await;
        front
    }

    /// Serves this federation; nothing is known of its members yet.
    pub async fn unread(federation: Federation) -> Self {
        let keys = Arc::new(KeyRing::from_federation(&federation).unwrap());
        let registry = Registry::new(&federation);
        Self::over(Broker::of(federation, registry), keys).await
    }

    /// Serves a broker made elsewhere.
    pub async fn over(broker: Arc<Broker>, keys: Arc<KeyRing>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = App { broker: broker.clone(), keys };
        tokio::spawn(async move { serve(app, listener, async { drop(stopped.await) }).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        Self { base: format!("http://{address}"), address, broker, client, _stop: stop }
    }

    /// `path` may be a whole address, as a link gives it.
    fn at(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.at(path))
    }

    pub async fn get(&self, path: &str) -> Reply {
        sent(self.request("GET", path)).await
    }

    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Reply {
        sent(self.request("GET", path).header(name, value)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_text(path, &body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: &str) -> Reply {
        sent(self.request("POST", path).header("content-type", "application/json").body(body.to_owned())).await
    }

    /// Goes where a `next` link leads.
    pub async fn follow(&self, next: &Value) -> Reply {
        let href = next["href"].as_str().unwrap();
        match next["method"].as_str() {
            Some("POST") => self.post(href, &next["body"]).await,
            _ => self.get(href).await,
        }
    }

    /// All pages from this first answer on.
    pub async fn pages(&self, first: Reply) -> Vec<Reply> {
        let mut pages = vec![first];
        loop {
            let page = pages.last().unwrap();
            assert_eq!(page.status, 200, "{}", page.text);
            let body = page.json();
            let count = body["features"].as_array().unwrap().len();
            assert_eq!(body["numberReturned"], count, "numberReturned is the length of the page");
            let Some(next) = page.next() else { return pages };
            assert!(count > 0, "a page with a next link is not empty: {}", page.text);
            assert!(pages.len() < PAGES_MAX, "the walk does not end");
            pages.push(self.follow(&next).await);
        }
    }

    pub async fn walk_get(&self, path: &str) -> Vec<Reply> {
        self.pages(self.get(path).await).await
    }

    pub async fn walk_post(&self, body: &Value) -> Vec<Reply> {
        self.pages(self.post("/search", body).await).await
    }

    /// Bytes as they are; the answer as it comes, until the broker closes or the time is over.
    pub async fn raw(&self, bytes: &[u8], at_most: Duration) -> (String, bool) {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        // a broker that closes early makes the rest of a write fail
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(at_most, stream.read_to_end(&mut answer)).await.is_ok();
        (String::from_utf8_lossy(&answer).into_owned(), closed)
    }
}

/// Sends a request and reads its answer; longer than any deadline of the broker is a hang.
pub async fn sent(request: reqwest::RequestBuilder) -> Reply {
    let started = Instant::now();
    let read = async {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        (status, headers, String::from_utf8_lossy(&bytes).into_owned())
    };
    let (status, headers, text) = tokio::time::timeout(Duration::from_secs(40), read).await.expect("no hang");
    Reply { status, headers, text, took: started.elapsed(), json: OnceLock::new() }
}

/// All names of these pages.
pub fn names(pages: &[Reply]) -> Vec<String> {
    pages.iter().flat_map(Reply::names).collect()
}
