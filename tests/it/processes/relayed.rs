//! Results on their way to the client: streamed, in ranges, rewritten only where addresses are known to stand.

use std::time::{Duration, Instant};

use futures::StreamExt;

use super::{execute, one, public};
use crate::support::Front;
use crate::support::front::sent;
use crate::support::process_stub::{CHUNK, Does, On, ProcessStub, Results, Script, bytes_at};

/// A stub with one job that has these results, and the path to them.
async fn with_results(results: Results) -> (ProcessStub, Front, String) {
    let (stub, front) = one(Script { results, ..Script::default() }).await;
    stub.job("x", "successful");
    (stub, front, format!("/jobs/{}/results", public("jobs/x")))
}

/// Reads an answer as it comes: status, bytes counted and checked from this offset on.
async fn drained(request: reqwest::RequestBuilder, offset: u64) -> (u16, u64) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let (mut parts, mut at) = (response.bytes_stream(), offset);
    while let Some(part) = parts.next().await {
        for piece in part.unwrap().chunks(usize::try_from(CHUNK).unwrap()) {
            let count = u64::try_from(piece.len()).unwrap();
            assert!(piece == bytes_at(at, count), "after {at}");
            at += count;
        }
    }
    (status, at - offset)
}

/// Resident memory of this process in bytes; nothing where the system does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

#[tokio::test]
async fn results_stream_through_in_bounded_memory() {
    // PROCESSES_STREAM_MIB=1024 makes it a gigabyte; docs/processes.md says how to run it alone
    let mib: u64 = std::env::var("PROCESSES_STREAM_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(64);
    let (_stub, front, path) = with_results(Results::Bytes(mib << 20, Duration::ZERO)).await;
    let before = resident();
    let started = Instant::now();
    assert_eq!(drained(front.request("GET", &path), 0).await, (200, mib << 20));
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before) >> 20;
        println!("{mib} MiB in {:?}, resident memory grew by {grown} MiB to {} MiB", started.elapsed(), after >> 20);
        // other tests run beside this one; what counts is that it does not grow with the size
        assert!(mib < 512 || grown < mib / 4, "{grown} MiB more");
    }
}

#[tokio::test]
async fn the_first_bytes_are_there_before_the_last_were_made() {
    let (_stub, front, path) = with_results(Results::Bytes(1 << 20, Duration::from_millis(100))).await;
    let started = Instant::now();
    let response = front.request("GET", &path).send().await.unwrap();
    assert_eq!(response.headers()["content-length"], "1048576");
    let mut parts = response.bytes_stream();
    assert_eq!(parts.next().await.unwrap().unwrap()[0], 0);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn ranges_pass_through_also_to_clients_that_take_gzip() {
    let (stub, front, path) = with_results(Results::Bytes(1_000_000, Duration::ZERO)).await;
    let request = front
        .request("GET", &path)
        .header("range", "bytes=1000-1999")
        .header("accept-encoding", "gzip")
        .header("if-range", "\"v1\"");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 206);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (header("content-range").as_str(), header("content-length").as_str()),
        ("bytes 1000-1999/1000000", "1000")
    );
    assert_eq!((header("etag").as_str(), response.headers().get("content-encoding")), ("\"v1\"", None));
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes, bytes_at(1000, 1000));
    assert_eq!(stub.asked().pop().unwrap().headers["if-range"], "\"v1\"");
    let whole = front.request("GET", &path).header("accept-encoding", "gzip");
    assert_eq!(drained(whole, 0).await, (200, 1_000_000));
}

#[tokio::test]
async fn results_that_break_off_are_cut_off_and_never_look_whole() {
    let (stub, front, path) = with_results(Results::Document).await;
    let wrong = |does: Does| stub.now(|script| script.goes_wrong = Some((On::Results, does)));
    wrong(Does::CloseMidBody);
    // JSON is read before it is passed on: the client gets a whole answer that says so
    let reply = front.get(&path).await;
    assert_eq!(reply.status, 502, "{}", reply.text);
    stub.now(|script| {
        script.goes_wrong = None;
        script.results = Results::Bytes(50_000_000, Duration::from_millis(20));
    });
    let response = front.request("GET", &path).send().await.unwrap();
    let mut parts = response.bytes_stream();
    assert!(parts.next().await.unwrap().is_ok());
    let mut stub = stub;
    stub.refuse().await;
    let mut broke = false;
    while let Some(part) = parts.next().await {
        broke = part.is_err();
    }
    assert!(broke, "an answer that breaks off is an error for the client");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_members_stream() {
    let (stub, front, path) = with_results(Results::Bytes(u64::MAX / 2, Duration::from_millis(5))).await;
    let response = front.request("GET", &path).send().await.unwrap();
    let mut parts = response.bytes_stream();
    parts.next().await.unwrap().unwrap();
    assert_eq!(stub.streams(), 1);
    drop(parts);
    let until = Instant::now() + Duration::from_secs(5);
    while stub.streams() > 0 {
        assert!(Instant::now() < until, "the member goes on sending");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn results_by_value_keep_every_byte_and_their_headers() {
    const RAW: &[u8] = b"{ \"a\" : 1.50e+00, \"b\":{\"href\" : \"https://store.example/x\"} }\n";
    for (media_type, bytes) in [
        ("application/json", RAW),
        ("application/geo+json; charset=utf-8", RAW),
        ("application/x-netcdf", &b"CDF\x01\x00\xff"[..]),
        ("application/json", b"{not json"),
        ("text/html", b"<p>a page is a result too"),
    ] {
        let (_stub, front, path) = with_results(Results::Raw(media_type, bytes)).await;
        let response = front.request("GET", &path).header("accept-encoding", "gzip").send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some(media_type));
        assert_eq!(header("content-length"), Some(bytes.len().to_string()));
        assert_eq!(header("content-disposition").as_deref(), Some("attachment; filename=\"out.nc\""));
        assert_eq!(
            (header("federation-member").as_deref(), header("cache-control").as_deref()),
            (Some("A"), Some("no-store"))
        );
        assert!(header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(response.bytes().await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn results_by_reference_lead_through_the_broker_where_they_lie_at_the_member() {
    let (stub, front, path) = with_results(Results::References).await;
    let member = stub.base.as_str().trim_end_matches("/ogc");
    let own = stub.references();
    let expected = own
        .replace(
            &format!("{}/jobs/job-1/results/inside", stub.base),
            &format!("{}/jobs/{}/results/inside", front.base, public("jobs/job-1")),
        )
        .replace("\"/ogc/files/1.nc\"", &format!("\"{member}/ogc/files/1.nc\""));
    let reply = front.get(&path).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, expected.as_str()));
    assert_eq!(reply.header("content-length"), expected.len().to_string());
    // the same in a synchronous answer
    assert_eq!(execute(&front, None).await.text, expected);
}

#[tokio::test]
async fn parts_and_links_are_rewritten_where_addresses_stand() {
    let (stub, front, path) = with_results(Results::Multipart(true)).await;
    stub.now(|script| script.base_path = "/ogc");
    let reply = front.get(&path).await;
    assert_eq!(reply.header("content-type"), "multipart/related; boundary=xyz");
    assert!(reply.text.contains(&format!("Content-Location: {}/files/1.nc\r\n", stub.base)), "{}", reply.text);
    assert!(reply.text.contains("\r\n\r\nhello\r\n") && reply.text.contains("Content-Location: not a header"));
    let (_stub, front, path) = with_results(Results::Multipart(false)).await;
    let text = front.get(&path).await.text;
    assert!(text.starts_with("--xyz\r\n") && text.ends_with("--xyz--\r\n"), "{text}");
    let (_stub, front, path) = with_results(Results::Links).await;
    let reply = front.get(&path).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert!(reply.header("link").contains(&format!("<{}/jobs/", front.base)), "{}", reply.header("link"));
}

#[tokio::test]
async fn the_query_of_results_reaches_the_member_and_nothing_else_does() {
    let (stub, front, path) = with_results(Results::Document).await;
    assert_eq!(front.get(&format!("{path}?outputs=text&f=json")).await.status, 200);
    assert_eq!(stub.asked().pop().unwrap().uri.to_string(), "/ogc/jobs/x/results?outputs=text&f=json");
    let odd = front
        .request("GET", &path)
        .header("cookie", "canary")
        .header("authorization", "Bearer canary")
        .header("accept", "*/*");
    assert_eq!(sent(odd).await.status, 200);
    let asked = stub.asked().pop().unwrap();
    let mut names: Vec<&str> = asked.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "traceparent", "user-agent", "via"]);
}

#[tokio::test]
async fn results_that_lie_elsewhere_are_fetched_by_the_client() {
    let (stub, front, path) = with_results(Results::Document).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    for (to, location) in [
        ("https://store.example/jobs/1/out.nc?sig=A%2FB", "https://store.example/jobs/1/out.nc?sig=A%2FB"),
        ("/other/1.nc", "/other/1.nc"),
    ] {
        stub.now(|script| script.goes_wrong = Some((On::Results, Does::Redirect(302, to.into()))));
        let reply = sent(client.get(format!("{}{path}", front.base))).await;
        assert_eq!(reply.status, 302);
        let location =
            if location.starts_with('/') { stub.base.join(location).unwrap().to_string() } else { location.into() };
        assert_eq!(reply.header("location"), location);
    }
    // below the base they are followed here, so that credentials stay where they belong
    stub.job("y", "successful");
    stub.now(|script| script.goes_wrong = Some((On::Results, Does::Redirect(302, "/ogc/conformance".into()))));
    assert!(sent(client.get(format!("{}{path}", front.base))).await.json()["conformsTo"].is_array());
}
