//! A good member of the demo with one thing bent: a server in front of it that changes questions or answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A request on its way to the member.
#[derive(Debug, Clone)]
pub struct Asked {
    pub post: bool,
    /// The path as it was asked, for example `/api/v1/search`.
    pub raw: String,
    /// Below the landing page, without slashes at its ends.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Of a POST.
    pub body: Value,
}

impl Asked {
    pub fn is_search(&self) -> bool {
        self.path == "search"
    }

    /// A parameter, by whatever method it came.
    pub fn value(&self, name: &str) -> Option<String> {
        self.query.get(name).cloned().or_else(|| self.body.get(name).map(ToString::to_string))
    }

    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub fn forget(&mut self, name: &str) {
        self.query.remove(name);
        if let Some(body) = self.body.as_object_mut() {
            body.remove(name);
        }
    }
}

/// An answer on its way back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Value,
    /// Instead of the body.
    pub text: Option<&'static str>,
}

impl Reply {
    pub fn links(&mut self) -> &mut Vec<Value> {
        self.body["links"].as_array_mut().unwrap()
    }

    pub fn without_link(&mut self, rel: &str) {
        self.links().retain(|link| link["rel"] != rel);
    }

    pub fn fails(&mut self, status: u16) {
        self.status = status;
        self.body = serde_json::json!({"code": "Failed", "description": "bent"});
    }
}

/// What is bent.
#[derive(Clone, Copy)]
pub struct Bend {
    pub ask: fn(&mut Asked),
    pub reply: fn(&Asked, &mut Reply),
}

pub fn ask(ask: fn(&mut Asked)) -> Bend {
    Bend { ask, reply: |_, _| () }
}

pub fn reply(reply: fn(&Asked, &mut Reply)) -> Bend {
    Bend { ask: |_| (), reply }
}

/// The server. Dropping it stops it.
pub struct Bent {
    pub url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Bent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bent {
    /// Serves in front of a landing page.
    pub async fn of(member: &str, bend: Bend) -> Self {
        let member = url::Url::parse(member).unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let url = format!("{own}{}", member.path());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let site = Arc::new((member, own, client, bend));
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, _: HeaderMap, body: Bytes| {
            let site = site.clone();
            async move { pass(&site, method == Method::POST, &uri, &body).await }
        });
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(app.clone());
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    drop(builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await);
                });
            }
        });
        Self { url, task }
    }
}

async fn pass(site: &(url::Url, String, reqwest::Client, Bend), post: bool, uri: &Uri, body: &Bytes) -> Response {
    let (member, own, client, bend) = site;
    let path = uri.path().strip_prefix(member.path()).unwrap_or(uri.path()).trim_matches('/').to_owned();
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let body = serde_json::from_slice(body).unwrap_or_default();
    let mut asked = Asked { post, raw: uri.path().to_owned(), path, query, body };
    (bend.ask)(&mut asked);
    let mut target = member.clone();
    if !asked.path.is_empty() {
        target.set_path(&format!("{}/{}", member.path(), asked.path));
    }
    if !asked.query.is_empty() {
        target.query_pairs_mut().extend_pairs(&asked.query);
    }
    let request = if asked.post {
        client.post(target).header("content-type", "application/json").body(asked.body.to_string())
    } else {
        client.get(target)
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap().replace(&member.origin().ascii_serialization(), own);
    let mut reply =
        Reply { status, headers: Vec::new(), body: serde_json::from_str(&text).unwrap_or_default(), text: None };
    (bend.reply)(&asked, &mut reply);
    let text = reply.text.map_or_else(|| reply.body.to_string(), str::to_owned);
    let mut response = (StatusCode::from_u16(reply.status).unwrap(), text).into_response();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
