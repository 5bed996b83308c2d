//! What belongs to one client's request wherever its work is done: the request id, the trace, and what was sent to members.
//!
//! It travels with the task, so that a request that leaves for a member deep below finds it without being handed it. Work
//! that moves to another task takes it along by [`carried`]; work in the background has none.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::otlp::{self, Span};
use super::trace::{SpanId, Trace, TraceId};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a client's own request id: longer ones are no ids, and stand on every line of the log.
const REQUEST_ID_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: Arc<Context>;
}

/// One client's request.
#[derive(Debug)]
pub struct Context {
    pub request_id: Arc<str>,
    pub trace: Trace,
    /// Requests that left for members, by member; there are no more entries than members.
    sent: Mutex<Vec<(Box<str>, u32)>>,
}

impl Context {
    /// The context of a request with these headers: its own id and trace where they can be used, else new ones.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let random: [u8; 16] = random();
        let request_id = own_or(headers, random.first_chunk().copied().unwrap_or_default());
        let span = new_span();
        let trace =
            Trace::read(&texts(headers, &TRACEPARENT), &texts(headers, &TRACESTATE), span).unwrap_or_else(|| {
                // Begins with our request id, so that a member's log line leads to ours.
                let id = TraceId::new(random).or(TraceId::new([1; 16]));
                Trace::begun(id.unwrap_or_else(|| unreachable!("ones are not zero")), span, otlp::takes_new_traces())
            });
        Self { request_id, trace, sent: Mutex::default() }
    }

    /// Runs the work of this request.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Requests that left for each member so far, retries included.
    #[must_use]
    pub fn sent(&self, member: &str) -> u32 {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find(|(known, _)| **known == *member).map_or(0, |(_, count)| *count)
    }
}

/// The id of a request with these headers, for one that gets no context: its own where it can be used, else a new one.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Arc<str> {
    own_or(headers, random())
}

fn own_or(headers: &HeaderMap, random: [u8; 8]) -> Arc<str> {
    own_id(&texts(headers, &REQUEST_ID)).unwrap_or_else(|| format!("{:016x}", u64::from_be_bytes(random)).into())
}

/// All values of a header; one that is no text is empty.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("")).collect()
}

/// The context of the work at hand.
#[must_use]
pub fn current() -> Option<Arc<Context>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// The work with the context of whoever calls this, for a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let context = current();
    async move {
        match context {
            Some(context) => CURRENT.scope(context, work).await,
            None => work.await,
        }
    }
}

/// A request on its way to a member; ends when it is dropped.
#[derive(Debug)]
pub struct Leaving {
    context: Arc<Context>,
    span: SpanId,
    member: Box<str>,
    method: Method,
    since: SystemTime,
    status: Option<u16>,
}

/// Counts a request that leaves for a member now, and makes its span; `None` where nobody's request is being worked on.
#[must_use]
pub fn leaving(member: &str, method: &Method) -> Option<Leaving> {
    let context = current()?;
    {
        let mut sent = context.sent.lock().unwrap_or_else(PoisonError::into_inner);
        match sent.iter_mut().find(|(known, _)| **known == *member) {
            Some((_, count)) => *count += 1,
            None => sent.push((member.into(), 1)),
        }
    }
    let (span, since) = (new_span(), SystemTime::now());
    Some(Leaving { context, span, member: member.into(), method: method.clone(), since, status: None })
}

impl Leaving {
    /// Puts `traceparent` and `tracestate` among the headers of the request.
    pub fn mark(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        if let Ok(parent) = HeaderValue::from_str(&self.context.trace.parent_for(self.span)) {
            headers.insert(TRACEPARENT, parent);
        }
        if let Some(Ok(state)) = self.context.trace.state().map(HeaderValue::from_str) {
            headers.insert(TRACESTATE, state);
        }
    }

    /// The member answered with this status.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let trace = &self.context.trace;
        otlp::ended(trace, || Span {
            name: format!("{} {}", self.method, self.member),
            id: self.span,
            parent: Some(trace.span),
            is_client: true,
            since: self.since,
            until: SystemTime::now(),
            status: self.status,
            about: vec![
                ("http.request.method", self.method.to_string()),
                ("stac_broker.member", self.member.to_string()),
                ("stac_broker.request_id", self.context.request_id.to_string()),
            ],
        });
    }
}

/// A client's own id, when it is one that can stand in a log line, a header and a message as it is.
fn own_id(given: &[&str]) -> Option<Arc<str>> {
    let [id] = given else { return None };
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(inside)).then(|| (*id).into())
}

fn new_span() -> SpanId {
    let any = SpanId::new(random()).or(SpanId::new([1; 8]));
    any.unwrap_or_else(|| unreachable!("ones are not zero"))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness ids are useless but harmless.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&'static str, &str)]) -> Context {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Context::of(&headers)
    }

    #[test]
    fn a_sane_request_id_is_taken_and_others_replaced() {
        assert_eq!(&*context(&[("x-request-id", "3f1c.a_b-9")]).request_id, "3f1c.a_b-9");
        let long = "x".repeat(REQUEST_ID_MAX + 1);
        for wrong in ["", "a b", "a\"b", "<b>", "a/b", "é", &long] {
            let given = context(&[("x-request-id", wrong)]).request_id;
            assert!(given.len() == 16 && *given != *wrong, "{wrong} -> {given}");
        }
        assert_ne!(&*context(&[("x-request-id", "a"), ("x-request-id", "b")]).request_id, "a");
        assert_ne!(context(&[]).request_id, context(&[]).request_id);
    }

    #[test]
    fn a_trace_that_begins_here_begins_with_the_request_id() {
        let begun = context(&[]);
        assert!(begun.trace.id.to_string().starts_with(&*begun.request_id) && begun.trace.parent.is_none());
        let given = context(&[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")]);
        assert_eq!(given.trace.id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[tokio::test]
    async fn what_leaves_is_counted_and_marked_with_a_span_of_its_own() {
        assert!(leaving("A", &Method::GET).is_none(), "work in the background has no context");
        let context = Arc::new(context(&[
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("tracestate", "v=1"),
        ]));
        let marked = |leaving: Option<Leaving>| {
            let mut headers = HeaderMap::new();
            leaving.unwrap().mark(&mut headers);
            let text = |name: HeaderName| headers[name].to_str().unwrap().to_owned();
            (text(TRACEPARENT), text(TRACESTATE))
        };
        let work = async {
            let (one, state) = marked(leaving("A", &Method::GET));
            let elsewhere = tokio::spawn(carried(async move { marked(leaving("A", &Method::POST)) }));
            let (other, _) = elsewhere.await.unwrap();
            assert!(one.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && one.ends_with("-01"), "{one}");
            assert_ne!(one, other, "each request is a span");
            assert_eq!(state, "v=1");
        };
        Arc::clone(&context).scope(work).await;
        assert_eq!((context.sent("A"), context.sent("B")), (2, 0));
    }
}
