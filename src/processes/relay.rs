//! A member's answer on its way to the client: the headers that may pass, the addresses in them, and the body as it comes.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant};

use crate::federation::MemberId;
use crate::members::Failure;
use crate::members::process_api::{BodyStream, Buffered, Reply};

use super::answers;
use super::job::JobPath;
use super::multipart;
use super::rewrite::Outbound;

/// Largest body in which addresses are rewritten; larger ones pass as they are (`processes.md` 1).
pub const REWRITE_BYTES_MAX: usize = 8 << 20;
/// A body that is rewritten has to be there within this time.
const REWRITE_TIME: Duration = Duration::from_secs(120);
/// Largest document that is read of an error or of the answer to an asynchronous execution.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
const DOCUMENT_TIME: Duration = Duration::from_secs(10);

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Headers that describe a body, or the request it answers.
const PASSING: [HeaderName; 11] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    PREFERENCE_APPLIED,
];
/// Those of them that no longer hold when the body was rewritten.
const OF_THE_BYTES: [HeaderName; 3] = [header::CONTENT_LENGTH, header::ACCEPT_RANGES, header::ETAG];

/// What the client gets.
pub struct Answer {
    pub member: MemberId,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

pub enum Body {
    /// A document made here.
    Document(Map<String, Value>),
    Bytes(Bytes),
    Stream(BodyStream),
}

/// The headers of an answer that may pass, with the broker's addresses.
#[must_use]
pub fn headers(out: &Outbound<'_>, reply: &Reply) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in PASSING {
        for value in reply.headers.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    for value in reply.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok()) {
        if let Ok(value) = HeaderValue::from_str(&out.link_header(value)) {
            headers.append(header::LINK, value);
        }
    }
    let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let own = location.map(|location| match reply.status.as_u16() {
        303 => out.collection(location),
        // Results that lie elsewhere: an address of a store may have `/jobs/` in it and be no job.
        300..=399 => out.href(location).unwrap_or_else(|| location.to_owned()),
        _ => job_or_href(out, reply, location),
    });
    if let Some(own) = own.and_then(|own| HeaderValue::from_str(&own).ok()) {
        headers.insert(header::LOCATION, own);
    }
    headers
}

/// A `Location` leads to a job in whatever form it was sent (section 2, rows 1 and 4).
fn job_or_href(out: &Outbound<'_>, reply: &Reply, location: &str) -> String {
    let job = reply.url.join(location).ok().and_then(|url| JobPath::of_location(out.processes, &url));
    match job {
        Some(job) => format!("{}/jobs/{}", out.face.base, job.public(out.member)),
        None => out.href(location).unwrap_or_else(|| location.to_owned()),
    }
}

/// Relays an answer: rewritten where it is JSON or has parts, whole and of moderate size; else as it comes.
///
/// # Errors
/// When a body that has to be read breaks off.
pub async fn relay(out: &Outbound<'_>, reply: Reply) -> Result<Answer, Failure> {
    let mut headers = headers(out, &reply);
    let status = reply.status;
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.to_owned();
    let boundary = multipart::boundary(&media_type);
    let whole = status != StatusCode::PARTIAL_CONTENT && !headers.contains_key(header::CONTENT_ENCODING);
    let body = if whole && (is_json(&media_type) || boundary.is_some()) {
        match reply.buffered(REWRITE_BYTES_MAX, Instant::now() + REWRITE_TIME).await? {
            Buffered::Longer(stream) => Body::Stream(stream),
            Buffered::Whole(bytes) => {
                let rewritten = match boundary {
                    Some(boundary) => multipart::rewritten(out, &bytes, boundary),
                    None => answers::results(out, &bytes),
                };
                if rewritten.is_some() {
                    for name in OF_THE_BYTES {
                        headers.remove(name);
                    }
                }
                Body::Bytes(rewritten.map_or(bytes, Bytes::from))
            }
        }
    } else {
        Body::Stream(reply.stream())
    };
    Ok(Answer { member: out.member.id.clone(), status, headers, body })
}

/// The JSON document of an answer, whatever its media type says; `None` when it is none, or too large.
pub async fn document(reply: Reply) -> Option<Value> {
    document_of(reply, DOCUMENT_BYTES_MAX).await
}

/// The same within another bound on bytes.
pub async fn document_of(reply: Reply, bytes_max: usize) -> Option<Value> {
    let bytes = reply.document(bytes_max, Instant::now() + DOCUMENT_TIME).await.ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn is_json(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}
