//! Spans for a collector of OpenTelemetry: OTLP over HTTP in its JSON encoding (OTLP 1.x, "JSON Protobuf Encoding").
//!
//! Written here rather than taken from a library: decision 20. Spans wait in a bounded queue and are dropped, and
//! counted, when the collector does not keep up: tracing never holds up a search. It opens no connection; who starts the
//! broker gives it one.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::metrics;
use super::trace::{SpanId, Trace};

/// Spans that wait for the collector: some seconds of a busy broker, some megabytes.
const WAITING_MAX: usize = 8_192;
/// Spans of one message, and how long the first of them waits for others.
const BATCH_MAX: usize = 512;
const BATCH_TIME: Duration = Duration::from_secs(2);

static EXPORT: OnceLock<Export> = OnceLock::new();

#[derive(Debug)]
struct Export {
    queue: mpsc::Sender<Value>,
    /// How many in a hundred of the traces begun here are recorded.
    percent: u64,
    begun: AtomicU64,
}

/// Something that took time, in one trace.
#[derive(Debug)]
pub struct Span {
    pub name: String,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    /// A request to a member; else the request of a client.
    pub is_client: bool,
    pub since: SystemTime,
    pub until: SystemTime,
    /// Of HTTP; `None`: there was no answer.
    pub status: Option<u16>,
    pub about: Vec<(&'static str, String)>,
}

/// Begins to record spans: of so many in a hundred of the traces that begin here, and of whatever clients trace. `send`
/// delivers one message. Does nothing when it was started before.
pub fn start<F, S>(percent: u8, send: S) -> Option<impl Future<Output = ()>>
where
    F: Future<Output = Result<(), String>>,
    S: Fn(Value) -> F,
{
    let (queue, spans) = mpsc::channel(WAITING_MAX);
    EXPORT.set(Export { queue, percent: percent.into(), begun: AtomicU64::new(0) }).ok()?;
    Some(deliver(spans, send))
}

/// Whether the next trace that begins here is recorded: spread evenly, not drawn.
pub(super) fn takes_new_traces() -> bool {
    let Some(export) = EXPORT.get() else { return false };
    let before = export.begun.fetch_add(export.percent, Ordering::Relaxed);
    (before + export.percent) / 100 != before / 100
}

/// A span of this trace came to its end; `span` is made only where it is wanted.
pub fn ended(trace: &Trace, span: impl FnOnce() -> Span) {
    let Some(export) = EXPORT.get().filter(|_| trace.is_sampled()) else { return };
    if export.queue.try_send(written(trace, &span())).is_err() {
        metrics::spans("lost", 1);
    }
}

async fn deliver<F: Future<Output = Result<(), String>>>(mut spans: mpsc::Receiver<Value>, send: impl Fn(Value) -> F) {
    let mut batch = Vec::new();
    while let Some(first) = spans.recv().await {
        batch.push(first);
        let full = async {
            while batch.len() < BATCH_MAX {
                let Some(next) = spans.recv().await else { return };
                batch.push(next);
            }
        };
        // Full or not, what is there by then is sent.
        let _ = tokio::time::timeout(BATCH_TIME, full).await;
        let count = batch.len() as u64;
        match send(message(&std::mem::take(&mut batch))).await {
            Ok(()) => metrics::spans("exported", count),
            Err(reason) => {
                metrics::spans("lost", count);
                tracing::warn!(spans = count, detail = %reason, "the collector of traces did not take spans");
            }
        }
    }
}

fn message(spans: &[Value]) -> Value {
    let about = [("service.name", "stac-broker"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let about: Vec<Value> = about.iter().map(|(key, text)| attribute(key, text)).collect();
    let scope = json!({ "name": "stac-broker", "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{
        "resource": { "attributes": about },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] })
}

fn written(trace: &Trace, span: &Span) -> Value {
    const SERVER: u8 = 2;
    const CLIENT: u8 = 3;
    const ERROR: u8 = 2;
    let mut about: Vec<Value> = span.about.iter().map(|(key, text)| attribute(key, text)).collect();
    if let Some(status) = span.status {
        about.push(json!({ "key": "http.response.status_code", "value": { "intValue": status.to_string() } }));
    }
    // To a client only the broker's own failures are errors, to the broker every refusal of a member.
    let least = if span.is_client { 400 } else { 500 };
    let is_error = span.status.is_none_or(|status| status >= least);
    let mut json = json!({
        "traceId": trace.id.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": if span.is_client { CLIENT } else { SERVER },
        "startTimeUnixNano": nanoseconds(span.since),
        "endTimeUnixNano": nanoseconds(span.until.max(span.since)),
        "attributes": about,
        "status": if is_error { json!({ "code": ERROR }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = trace.state() {
        json["traceState"] = state.into();
    }
    json
}

fn attribute(key: &str, text: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": text } })
}

/// As text: JSON numbers do not hold them.
fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::TraceId;

    fn trace() -> Trace {
        Trace::begun(TraceId::new([0xab; 16]).unwrap(), SpanId::new([1; 8]).unwrap(), true)
    }

    fn span(status: Option<u16>, is_client: bool) -> Span {
        let since = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001);
        Span {
            name: "GET /search".into(),
            id: SpanId::new([2; 8]).unwrap(),
            parent: Some(trace().span),
            is_client,
            since,
            until: since + Duration::from_millis(3),
            status,
            about: vec![("http.request.method", "GET".into())],
        }
    }

    #[test]
    fn spans_are_written_as_the_protocol_has_them() {
        let json = written(&trace(), &span(Some(200), true));
        assert_eq!(json["traceId"], "ab".repeat(16));
        assert_eq!((&json["spanId"], &json["parentSpanId"]), (&"02".repeat(8).into(), &"01".repeat(8).into()));
        assert_eq!((&json["kind"], &json["status"]), (&3.into(), &json!({})));
        assert_eq!(
            (&json["startTimeUnixNano"], &json["endTimeUnixNano"]),
            (&"1700000000000000001".into(), &"1700000000003000001".into())
        );
        assert_eq!(json["attributes"][1]["value"]["intValue"], "200");
        let code = |status, is_client| written(&trace(), &span(status, is_client))["status"]["code"].clone();
        assert_eq!((code(Some(404), true), code(None, true), code(Some(503), false)), (2.into(), 2.into(), 2.into()));
        assert_eq!(code(Some(404), false), Value::Null, "a client's mistake is no error of the broker");
    }

    #[tokio::test]
    async fn spans_travel_in_batches_and_a_collector_that_fails_ends_nothing() {
        let (queue, spans) = mpsc::channel(WAITING_MAX);
        for _ in 0..=BATCH_MAX {
            queue.try_send(written(&trace(), &span(Some(200), false))).unwrap();
        }
        drop(queue);
        let sizes = std::cell::RefCell::new(Vec::new());
        let send = |message: Value| {
            let batch = message["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len();
            sizes.borrow_mut().push(batch);
            async move { if batch > 1 { Err("away".to_owned()) } else { Ok(()) } }
        };
        deliver(spans, send).await;
        assert_eq!(*sizes.borrow(), [BATCH_MAX, 1]);
    }
}
