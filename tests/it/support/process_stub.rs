//! A strict stub of a process API: a real HTTP server on loopback that does what members were seen to do, one behaviour at
//! a time, and counts the executions that arrive.
//!
//! Without a script it is a correct OGC API - Processes 1.0 with one process, `echo`, which gives back its inputs.

mod answers;
mod documents;
mod results;
mod script;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use serde_json::Value;
use stac_broker::federation::{Member, MemberProcesses};
use url::Url;

pub use results::{CHUNK, bytes_at};
pub use script::{Created, Does, Location, Names, On, Results, Script};

/// A request as the member received it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A job of the stub.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub process: String,
    pub state: String,
    pub inputs: Value,
    /// Minute of the first of January 2026 at which it was made.
    pub minute: u32,
}

pub(super) struct State {
    pub script: Mutex<Script>,
    /// `http://127.0.0.1:PORT/ogc`
    pub base: String,
    pub jobs: Mutex<BTreeMap<String, Job>>,
    pub asked: Mutex<Vec<Asked>>,
    /// Executions being answered, whose connections are open.
    pub executing: std::sync::atomic::AtomicUsize,
    /// Slow results being sent.
    pub streams: std::sync::atomic::AtomicUsize,
}

/// Counts an execution for as long as its connection is open: hyper drops the answer with the connection.
struct Executing(Arc<State>);

impl Drop for Executing {
    fn drop(&mut self) {
        self.0.executing.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

/// A serving stub. Dropping it stops it.
pub struct ProcessStub {
    pub id: String,
    pub base: Url,
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl ProcessStub {
    pub async fn start(id: &str, script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("http://{address}{}", script.base_path);
        let state = Arc::new(State {
            script: Mutex::new(script),
            base: base.clone(),
            jobs: Mutex::default(),
            asked: Mutex::default(),
            executing: std::sync::atomic::AtomicUsize::new(0),
            streams: std::sync::atomic::AtomicUsize::new(0),
        });
        let task = tokio::spawn(serve(listener, state.clone()));
        Self { id: id.to_owned(), base: base.parse().unwrap(), address, state, task }
    }

    /// As a federation would declare it; its catalogue is a place where nobody listens.
    pub fn declared(&self) -> Member {
        let mut member = super::declared(&self.id, "http://127.0.0.1:9/stac".parse().unwrap());
        member.processes = Some(MemberProcesses::at(self.base.clone()));
        member
    }

    /// Changes the script from now on.
    pub fn now(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.state.script.lock().unwrap());
    }

    /// Puts every job into this state.
    pub fn all_jobs_are(&self, state: &str) {
        for job in self.state.jobs.lock().unwrap().values_mut() {
            state.clone_into(&mut job.state);
        }
    }

    /// A job made by hand, as its native id.
    pub fn job(&self, id: &str, state: &str) {
        self.job_at(id, state, 0);
    }

    /// A job made in this minute.
    pub fn job_at(&self, id: &str, state: &str, minute: u32) {
        let inputs = serde_json::json!({"text": "hello"});
        let job = Job { process: "echo".into(), state: state.into(), inputs, minute };
        self.state.jobs.lock().unwrap().insert(id.to_owned(), job);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The executions that arrived.
    pub fn executions(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.method == Method::POST).collect()
    }

    /// Executions that are being answered.
    pub fn executing(&self) -> usize {
        self.state.executing.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Results that are being sent.
    pub fn streams(&self) -> usize {
        self.state.streams.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// The results by reference, as the stub writes them.
    pub fn references(&self) -> String {
        results::references(self.base.as_str()).to_string()
    }

    /// Requests of this method to this path below the base.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let whole = format!("{}{path}", self.base.path());
        self.asked().iter().filter(|asked| asked.method == method && asked.uri.path() == whole).count()
    }

    /// Stops serving: open connections are cut, new ones refused.
    pub async fn refuse(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Serves again at the address it had.
    pub async fn accept_again(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.task = tokio::spawn(serve(listener, self.state.clone()));
    }
}

impl Drop for ProcessStub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: tokio::net::TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = state.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| receive(state.clone(), request));
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            // how a connection ends is part of the script
            drop(builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error here closes the connection without an answer.
async fn receive(state: Arc<State>, request: Request<hyper::body::Incoming>) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    state.asked.lock().unwrap().push(asked.clone());
    let executing = (asked.method == Method::POST).then(|| {
        state.executing.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Executing(state.clone())
    });
    let _executing = executing;
    answers::answer(&state, &asked).await
}
