//! A member whose answers are a function of the request: for servers with rules of their own, where a script of habits
//! does not do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use stac_broker::federation::{Dialect, Member};
use url::Url;

/// One request as the member received it: the path below its landing page, and its parameters.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub body: Value,
}

impl Asked {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.get(name).and_then(|text| text.parse().ok())
    }
}

/// What a kind of server answers; an error is a status.
pub trait Kind: Send + Sync + 'static {
    fn answer(&self, base: &str, asked: &Asked) -> Result<Value, u16>;
}

/// A serving stub. Dropping it stops it.
pub struct Stub {
    pub id: String,
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    pub async fn start(id: &str, kind: impl Kind) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/stac", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (base, kept, kind) = (url.to_string(), asked.clone(), Arc::new(kind));
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let asked = received(method, &uri, &body);
            kept.lock().unwrap().push(asked.clone());
            std::future::ready(respond(kind.answer(&base, &asked)))
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { id: id.to_owned(), url, asked, task }
    }

    /// As a federation file would declare it, its kind told by the file.
    pub fn declared(&self, dialect: Dialect) -> Member {
        let mut declared = super::declared(&self.id, self.url.clone());
        declared.request.dialect = dialect;
        declared
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Requests to `/search` so far.
    pub fn searches(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.path == "search").collect()
    }

    pub fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

fn received(method: Method, uri: &Uri, body: &Bytes) -> Asked {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    Asked {
        method,
        path: uri.path().trim_start_matches("/stac").trim_start_matches('/').to_owned(),
        query: pairs.into_owned().collect(),
        body: serde_json::from_slice(body).unwrap_or_default(),
    }
}

fn respond(answer: Result<Value, u16>) -> Response {
    match answer {
        Ok(body) => ([("content-type", "application/geo+json")], body.to_string()).into_response(),
        Err(status) => (StatusCode::from_u16(status).unwrap(), json!({"code": status}).to_string()).into_response(),
    }
}

/// A landing page with these classes, and a `search` link for each of these methods.
pub fn landing(base: &str, classes: &[&str], methods: &[&str]) -> Value {
    let mut links =
        vec![json!({"rel": "self", "href": base}), json!({"rel": "data", "href": format!("{base}/collections")})];
    links.extend(methods.iter().map(|method| {
        json!({"rel": "search", "type": "application/geo+json", "href": format!("{base}/search"), "method": method})
    }));
    let classes: Vec<String> = classes.iter().map(|class| format!("https://api.stacspec.org/v1.0.0/{class}")).collect();
    json!({"type": "Catalog", "id": "stub", "description": "stub", "stac_version": "1.0.0", "conformsTo": classes, "links": links})
}

/// The Collections of these Items.
pub fn collections(items: &[Value]) -> Value {
    let mut ids: Vec<&str> = items.iter().filter_map(|item| item["collection"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    json!({"collections": ids.iter().map(|id| super::collection(id)).collect::<Vec<_>>(), "links": []})
}

/// The Item at `collections/{id}/items/{id}`.
pub fn one_item(items: &[Value], path: &str) -> Result<Value, u16> {
    let parts: Vec<&str> = path.split('/').collect();
    let ["collections", collection, "items", id] = *parts else { return Err(404) };
    items.iter().find(|item| item["collection"] == collection && item["id"] == id).cloned().ok_or(404)
}
