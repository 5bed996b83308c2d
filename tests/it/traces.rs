//! Request ids and W3C Trace Context from the client to the members.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::binary::{File, Served};
use crate::support::{Front, Running, ScriptedMember, federation_of, items};

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The `traceparent` and `tracestate` of each search that the member got since so many requests.
fn traces(member: &Running, since: usize) -> Vec<(String, String)> {
    let text = |headers: &http::HeaderMap, name: &str| {
        headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    };
    let recorded = member.recorded();
    recorded[since..].iter().map(|one| (text(&one.headers, "traceparent"), text(&one.headers, "tracestate"))).collect()
}

#[tokio::test]
async fn a_trace_goes_on_to_every_member_under_spans_of_its_own() {
    let a = ScriptedMember::new("A").items(items("a", 30)).page_cap(10).start().await;
    let b = ScriptedMember::new("B").items(items("b", 30)).start().await;
    let front = Front::of(federation_of([a.declared(), b.declared()])).await;
    let since = [a.recorded().len(), b.recorded().len()];
    assert!(traces(&a, 0).iter().all(|(parent, _)| parent.is_empty()), "reading in the background is nobody's trace");
    let request =
        front.request("GET", "/search?limit=50").header("traceparent", GIVEN).header("tracestate", "v=1, w=2");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let sent = [traces(&a, since[0]), traces(&b, since[1])].concat();
    assert!(sent.len() >= 3, "{sent:?}");
    let mut spans = BTreeSet::new();
    for (parent, state) in &sent {
        let parts: Vec<&str> = parent.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"), "{parent}");
        assert!(parts[2] != "00f067aa0ba902b7" && spans.insert(parts[2].to_owned()), "{parent}");
        assert_eq!(state, "v=1,w=2");
    }
}

#[tokio::test]
async fn a_wrong_trace_is_not_passed_on_and_a_new_one_leads_to_the_request_id() {
    let a = ScriptedMember::new("A").items(items("a", 3)).start().await;
    let front = Front::of(federation_of([a.declared()])).await;
    for wrong in ["00-0-0-01", "canary", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] {
        let since = a.recorded().len();
        let request = front.request("GET", "/search").header("traceparent", wrong).header("tracestate", "canary=1");
        let answer = request.send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        for (parent, state) in traces(&a, since) {
            assert!(parent.starts_with(&format!("00-{id}")) && parent.ends_with("-00"), "{parent} for {id}");
            assert_eq!(state, "");
        }
    }
}

#[tokio::test]
async fn a_sane_request_id_of_the_client_is_kept() {
    let a = ScriptedMember::new("A").items(items("a", 3)).start().await;
    let front = Front::of(federation_of([a.declared()])).await;
    let kept = front.get_with("/search?limit=0", "x-request-id", "my.own-id_7").await;
    assert_eq!((kept.header("x-request-id"), &kept.json()["request_id"]), ("my.own-id_7", &"my.own-id_7".into()));
    let replaced = front.get_with("/search?limit=0", "x-request-id", "<script>").await;
    assert_eq!(replaced.header("x-request-id").len(), 16);
}

/// A collector that keeps what it is sent.
async fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    let take = move |body: axum::body::Bytes| {
        let keeps = Arc::clone(&keeps);
        async move {
            keeps.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            "{\"partialSuccess\":{}}"
        }
    };
    let router = axum::Router::new().route("/v1/traces", axum::routing::post(take));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, kept)
}

fn spans(kept: &Mutex<Vec<Value>>) -> Vec<Value> {
    let kept = kept.lock().unwrap();
    let of = |message: &Value| message["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
    kept.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_a_request_and_of_its_members_reach_the_collector() {
    let a = ScriptedMember::new("A").items(items("a", 3)).start().await;
    let (url, kept) = collector().await;
    let file = File::with(&[&a], &format!("[telemetry]\notlp_url = \"{url}\"\naccess_log = \"off\"\n"));
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/search?limit=2", served.base)).header("traceparent", GIVEN);
    let asked = request.header("x-request-id", "traced").send().await.unwrap();
    assert_eq!(asked.status(), 200);
    // Sent within seconds; a machine under load takes its time.
    for _ in 0..600 {
        if spans(&kept).len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let spans = spans(&kept);
    let of = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
    let (server, member) = (of("GET /search"), of("POST A"));
    for span in [server, member] {
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span["attributes"].to_string().contains("traced"), "{span}");
    }
    assert_eq!((&server["parentSpanId"], &server["kind"]), (&"00f067aa0ba902b7".into(), &2.into()));
    assert_eq!((&member["parentSpanId"], &member["kind"]), (&server["spanId"], &3.into()));
    let sent = traces(&a, 0).into_iter().find(|(parent, _)| !parent.is_empty()).unwrap().0;
    assert!(sent.contains(member["spanId"].as_str().unwrap()), "the member can say which span it answered: {sent}");
}
