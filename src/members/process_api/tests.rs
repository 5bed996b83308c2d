use super::*;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn api(base: &str, credentials: Credentials) -> ProcessApi {
    let builder = || client::builder(Duration::from_secs(1), true);
    ProcessApi {
        elsewhere: false,
        member: MemberId::new("A"),
        client: Ok(builder().build().unwrap()),
        once: Ok(builder().pool_max_idle_per_host(0).http1_only().build().unwrap()),
        base: base.parse().unwrap(),
        internal: true,
        credentials,
        fixed: HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("test"))]),
        via: "1.1 stac-broker-test".into(),
        guard: Arc::new(Guard::new(&MemberId::new("A"), &federation::Request::default(), true)),
        memory: Arc::new(Memory::new(1 << 20)),
        idle: reply::IDLE,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn execution() -> Outgoing {
    let body = (Bytes::from_static(b"{}"), HeaderValue::from_static("application/json"));
    Outgoing { method: Method::POST, body: Some(body), ..Outgoing::get("processes/p/execution") }
}

/// What a member does with a connection after it has read so much.
#[derive(Clone, Copy)]
enum Does {
    CloseAtOnce,
    CloseAfterRequest,
    Answer(&'static str),
}

/// A member that counts the requests that came.
async fn member(does: Does) -> (SocketAddr, Arc<AtomicUsize>) {
    let (address, requests, _) = counting(does).await;
    (address, requests)
}

/// A member that counts requests and connections.
async fn counting(does: Does) -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, accepted) = (Arc::clone(&count), Arc::clone(&connections));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Ordering::SeqCst);
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                if matches!(does, Does::CloseAtOnce) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                let mut read = [0; 4096];
                while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let Does::Answer(text) = does else { return };
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, count, connections)
}

#[test]
fn paths_stay_below_the_base() {
    let api = api("https://m.example/ogc", Credentials::None);
    let good = api.url("jobs/123/results", Some("outputs=a")).unwrap();
    assert_eq!(good.as_str(), "https://m.example/ogc/jobs/123/results?outputs=a");
    assert_eq!(api.url("processes/a%20b%2Fc", None).unwrap().path(), "/ogc/processes/a%20b%2Fc");
    for bad in
        ["../x", "jobs/../../x", "jobs/%2e%2e/%2E%2E/x", "jobs/./x", "jobs\\..\\x", "jobs/x?y", "jobs/x#y", "jobs/a b"]
    {
        assert!(api.url(bad, None).is_err(), "{bad}");
    }
    for odd in ["/evil.example/x", "//evil.example", "https://evil.example/", "@evil.example/"] {
        let url = api.url(odd, None);
        assert!(url.as_ref().map_or(true, |url| api.is_own(url)), "{odd}: {url:?}");
    }
}

#[test]
fn headers_are_built_from_nothing() {
    let mut given = HeaderMap::new();
    for name in
        ["authorization", "cookie", "x-forwarded-for", "te", "accept-language", "traceparent", "host", "forwarded"]
    {
        given.insert(HeaderName::from_static(name), HeaderValue::from_static("canary"));
    }
    given.insert(VIA, HeaderValue::from_static("1.1 first"));
    let caller = Caller::of(&given);
    let names = |api: &ProcessApi| {
        let headers = api.headers(&Outgoing::get("jobs"), &caller);
        assert_eq!(headers[VIA], "1.1 first, 1.1 stac-broker-test");
        let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    // `traceparent` is put there when the request leaves, from the trace of the request at hand.
    let always = "accept accept-language user-agent via";
    assert_eq!(names(&api("https://m.example", Credentials::None)), always);
    assert_eq!(
        names(&api("https://m.example", Credentials::Forward)),
        always.replace("accept-language", "accept-language authorization")
    );
    let own = Credentials::Own(HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret"));
    assert_eq!(names(&api("https://m.example", own)), format!("{always} x-api-key"));
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let api = api(&format!("http://{address}"), Credentials::None);
    let no = api.execute(&execution(), &Caller::default(), soon()).await.err().unwrap();
    assert_eq!((no.sent, no.failure.fault), (Sent::No, Fault::Unreachable));
}

#[tokio::test]
async fn tls_that_fails_sent_nothing_of_the_request() {
    // the member speaks plain text: the handshake cannot end
    let (address, _) = member(Does::Answer("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let api = api(&format!("https://{address}"), Credentials::None);
    let no = api.execute(&execution(), &Caller::default(), soon()).await.err().unwrap();
    assert_eq!(no.sent, Sent::No, "{no}");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_sent_nothing() {
    let api = api("http://member.invalid", Credentials::None);
    let no = api.execute(&execution(), &Caller::default(), soon()).await.err().unwrap();
    assert_eq!(no.sent, Sent::No, "{no}");
}

#[tokio::test]
async fn a_lost_connection_may_have_sent_and_is_not_tried_again() {
    for does in [Does::CloseAtOnce, Does::CloseAfterRequest, Does::Answer("HTTP/1.1 2")] {
        let (address, count) = member(does).await;
        let api = api(&format!("http://{address}"), Credentials::None);
        let deadline = Instant::now() + Duration::from_millis(500);
        let no = api.execute(&execution(), &Caller::default(), deadline).await.err().unwrap();
        assert_eq!(no.sent, Sent::Maybe, "{no}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn an_execution_never_rides_on_a_kept_connection() {
    let (address, count, connections) = counting(Does::Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")).await;
    // made as the running broker makes it
    let file = format!(
        "[federation]\nid = \"test\"\n[[member]]\nid = \"A\"\nurl = \"http://{address}\"\ninternal = true\n\
         [member.processes]\nurl = \"http://{address}\"\n"
    );
    let federation = federation::load_text("federation.toml", &file, std::path::Path::new(".")).unwrap().federation;
    let registry = super::super::Registry::new(&federation);
    let api = registry.process_api("A").unwrap();
    for _ in 0..2 {
        let reply = api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.unwrap();
        assert_eq!(reply.document(100, soon()).await.unwrap(), "{}");
    }
    let reply = api.execute(&execution(), &Caller::default(), soon()).await.unwrap();
    assert_eq!(reply.document(100, soon()).await.unwrap(), "{}");
    assert_eq!((count.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (3, 2));
}

#[tokio::test]
async fn a_get_is_repeated_once() {
    let (address, count) = member(Does::CloseAfterRequest).await;
    let api = api(&format!("http://{address}"), Credentials::None);
    assert!(api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let delete = Outgoing { method: Method::DELETE, ..Outgoing::get("jobs/1") };
    assert!(api.ask(&delete, &Caller::default(), soon()).await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_body_over_the_bound_goes_on_as_a_stream() {
    let (address, _) =
        member(Does::Answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nabcde")).await;
    let api = api(&format!("http://{address}"), Credentials::None);
    let reply = api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.unwrap();
    let Buffered::Longer(stream) = reply.buffered(4, soon()).await.unwrap() else { panic!("longer than the bound") };
    let parts: Vec<_> = futures::StreamExt::collect(stream).await;
    assert_eq!(parts.into_iter().flat_map(|part| part.unwrap().to_vec()).collect::<Vec<_>>(), b"abcde");
}

#[tokio::test]
async fn a_body_that_falls_silent_is_given_up() {
    // more is announced than comes, and the connection stays open
    let (address, _) = member(Does::Answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc")).await;
    let api = ProcessApi { idle: Duration::from_millis(50), ..api(&format!("http://{address}"), Credentials::None) };
    let reply = api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.unwrap();
    assert_eq!(reply.document(100, soon()).await.unwrap_err().fault, Fault::Timeout);
    let reply = api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.unwrap();
    let parts: Vec<_> = futures::StreamExt::collect(reply.stream()).await;
    assert!(parts.len() == 2 && parts[0].as_ref().unwrap() == "abc", "{parts:?}");
    assert_eq!(parts[1].as_ref().unwrap_err().fault, Fault::Timeout);
    // the bound on the whole holds as well
    let api = ProcessApi { idle: reply::IDLE, ..api };
    let reply = api.ask(&Outgoing::get("jobs/1"), &Caller::default(), soon()).await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(reply.document(100, deadline).await.unwrap_err().fault, Fault::Timeout);
}
