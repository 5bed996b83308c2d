//! Results of a stub, in every form.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, header};
use futures::stream;
use serde_json::{Value, json};

use super::answers::{no_such, ok, page, say, with};
use super::{Asked, Job, Results, Script, State};

/// Bytes sent at once.
pub const CHUNK: u64 = 64 << 10;

pub(super) fn single(script: &Script, job: &Job, output: &str) -> Response<Body> {
    match job.inputs.get(output) {
        _ if script.no_single_outputs => page(404),
        Some(value) => ok(value),
        None => no_such("no-such-output"),
    }
}

pub(super) fn results(state: &Arc<State>, script: &Script, asked: &Asked, job: &Job) -> Response<Body> {
    match &script.results {
        Results::Document => ok(&job.inputs),
        Results::List => {
            let outputs: Vec<Value> =
                job.inputs.as_object().unwrap().iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
            ok(&json!({"outputs": outputs}))
        }
        Results::Raw(media_type, bytes) => {
            let answer = say(200, media_type, Bytes::from_static(bytes));
            with(answer, header::CONTENT_DISPOSITION, Some("attachment; filename=\"out.nc\""))
        }
        Results::Multipart(with_location) => multipart(state, *with_location),
        Results::Links => {
            let links = format!(
                "<{}/files/1.nc>; rel=\"text\", <{}/jobs/job-1/results/text>; rel=\"other\"",
                state.base, state.base
            );
            with(say(204, "application/json", ""), header::LINK, Some(&links))
        }
        Results::References => ok(&references(&state.base)),
        Results::Bytes(size, pause) => bytes(state, asked, *size, *pause),
        Results::SeeOther(to) => Response::builder().status(303).header("location", *to).body(Body::empty()).unwrap(),
    }
}

pub(super) fn references(base: &str) -> Value {
    json!({
        "inside": {"href": format!("{base}/jobs/job-1/results/inside"), "type": "image/tiff"},
        "outside": {"href": "https://store.example/bucket/1.nc?sig=A%2FB", "type": "application/x-netcdf"},
        "relative": [{"href": "/ogc/files/1.nc"}],
        "text": format!("{base}/jobs/job-1"),
        "number": 1.50,
    })
}

fn multipart(state: &State, with_location: bool) -> Response<Body> {
    let location = format!("Content-Location: {}/files/1.nc\r\n", state.base);
    let location = if with_location { location.as_str() } else { "" };
    let body = format!(
        "--xyz\r\nContent-Type: text/plain\r\nContent-ID: <text>\r\n\r\nhello\r\n--xyz\r\nContent-ID: <file>\r\n{location}\r\n{}\r\n--xyz--\r\n",
        "Content-Location: not a header"
    );
    say(200, "multipart/related; boundary=xyz", body)
}

/// Bytes that tell where they stand: each is its offset modulo 251. At most `CHUNK` of them.
pub fn bytes_at(offset: u64, count: u64) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..=250).cycle().take(usize::try_from(CHUNK).unwrap() + 251).collect());
    &pattern[usize::try_from(offset % 251).unwrap()..][..usize::try_from(count).unwrap()]
}

/// Counts results for as long as they are sent.
struct Streaming(Arc<State>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

fn bytes(state: &Arc<State>, asked: &Asked, size: u64, pause: Duration) -> Response<Body> {
    let range =
        asked.headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let (from, to) = match range {
        Some((from, to)) => (from.parse().unwrap(), to.parse::<u64>().map_or(size, |to| to + 1).min(size)),
        None => (0, size),
    };
    state.streams.fetch_add(1, Ordering::SeqCst);
    let streaming = Streaming(state.clone());
    let parts = stream::unfold((from, streaming), move |(at, streaming)| async move {
        if at >= to {
            return None;
        }
        tokio::time::sleep(pause).await;
        let end = (at + CHUNK).min(to);
        Some((Ok::<_, io::Error>(Bytes::from_static(bytes_at(at, end - at))), (end, streaming)))
    });
    let builder = Response::builder()
        .header("content-type", "application/x-netcdf")
        .header("content-length", to - from)
        .header("etag", "\"v1\"")
        .header("accept-ranges", "bytes");
    let builder = match range {
        Some(_) => builder.status(206).header("content-range", format!("bytes {from}-{}/{size}", to - 1)),
        None => builder,
    };
    builder.body(Body::from_stream(parts)).unwrap()
}
