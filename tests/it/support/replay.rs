//! A member that says what another server once said: each path has its answers, given one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use stac_broker::federation::Member;
use url::Url;

/// What is answered on `/search` and on `items` when the answers are used up.
const EMPTY: &str = r#"{"type":"FeatureCollection","features":[],"links":[]}"#;

/// One answer: path below the landing page as it is written in an address, status, body.
pub type Answer = (String, u16, String);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    /// Below the landing page, without a slash at its start.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Map<String, Value>,
}

/// A serving member. Dropping it stops it.
pub struct Replay {
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Replay {
    pub async fn start(answers: Vec<Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/stac", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, left) = (asked.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let request = read(method, &uri, &body);
            let response = answer(&mut left.lock().unwrap(), &request.path);
            log.lock().unwrap().push(request);
            std::future::ready(response)
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, task }
    }

    /// As a federation would declare it.
    pub fn declared(&self) -> Member {
        super::declared("A", self.url.clone())
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn read(method: Method, uri: &Uri, body: &Bytes) -> Asked {
    let path = uri.path().strip_prefix("/stac").unwrap_or("?").trim_matches('/').to_owned();
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    Asked { method, path, query, body: serde_json::from_slice(body).unwrap_or_default() }
}

fn answer(left: &mut VecDeque<Answer>, path: &str) -> Response {
    let at = left.iter().position(|(of, ..)| of == path);
    let (status, body) = match at.and_then(|at| left.remove(at)) {
        Some((_, status, body)) => (status, body),
        None if path == "search" || path.ends_with("/items") => (200, EMPTY.to_owned()),
        None => (404, "{}".to_owned()),
    };
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
