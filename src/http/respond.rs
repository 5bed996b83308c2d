//! Answers -> bytes, media type and headers. It deliberately does not know what an answer says.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::telemetry::context::REQUEST_ID;

use super::exception::Exception;
use super::problem::Problem;

pub const JSON: &str = "application/json";
pub const GEOJSON: &str = "application/geo+json";
pub const SCHEMA: &str = "application/schema+json";
pub const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";
pub const PROBLEM: &str = "application/problem+json";
pub const HTML: &str = "text/html; charset=utf-8";

const FEDERATION_MISSING: HeaderName = HeaderName::from_static("federation-missing");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const ALLOW_METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";
const ALLOW_HEADERS: &str = "content-type, authorization, accept, accept-language, prefer, range, if-range, \
     traceparent, tracestate, x-request-id";
/// The last ones are for results of processes, which may be large files, and for members that ask for credentials.
const EXPOSE_HEADERS: &str = "location, link, federation-missing, federation-member, preference-applied, retry-after, \
     x-request-id, www-authenticate, content-disposition, content-range, accept-ranges, etag";
/// JSON is data: a browser that is tricked into showing it as a page must not run or load anything.
const CSP_DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// Our own pages have a style sheet inside and nothing else.
const CSP_PAGE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How long an answer may be kept by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Incomplete, or a moment's state.
    Never,
    /// May be stored, must be asked for again.
    Revalidate,
    /// Seconds.
    For(u32),
}

impl Keep {
    fn value(self) -> HeaderValue {
        match self {
            Self::Never => HeaderValue::from_static("no-store"),
            Self::Revalidate => HeaderValue::from_static("no-cache"),
            Self::For(seconds) => number(&format!("max-age={seconds}")),
        }
    }
}

/// Text of digits, letters and punctuation that is always a valid header value.
fn number(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// A document of this media type.
pub fn document(media_type: &'static str, body: impl Into<Body>, keep: Keep) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, keep.value());
    response
}

pub fn json(value: &Value, keep: Keep) -> Response {
    document(JSON, value.to_string(), keep)
}

/// The error body and its headers.
pub fn problem(problem: &Problem, request_id: &str) -> Response {
    let mut response = json(&problem.body(request_id), Keep::Never);
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, number(&seconds.to_string()));
    }
    if let Some(allow) = problem.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    say_missing(&mut response, problem.missing.iter().map(String::as_str));
    response
}

/// A problem document of the Processes face and its headers.
pub fn exception(exception: &Exception, path: &str, request_id: &str) -> Response {
    let body = exception.document(path, request_id).to_string();
    let mut response = document(PROBLEM, body, Keep::Never);
    *response.status_mut() = exception.status;
    for (name, value) in &exception.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// Marks an answer in which something of these members is missing (S18); nothing happens for none.
pub fn say_missing<'a>(response: &mut Response, members: impl Iterator<Item = &'a str>) {
    let list = structured_list(members);
    if list.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&list) {
        response.headers_mut().insert(FEDERATION_MISSING, value);
    }
    never_keep(response);
}

/// Marks an answer whose bytes pass as they are, so that lengths, ranges and streams hold.
#[derive(Debug, Clone, Copy)]
pub struct AsItIs;

/// The answer is not to be compressed here.
pub fn as_it_is(response: &mut Response) {
    response.extensions_mut().insert(AsItIs);
}

/// Nobody may keep this answer.
pub fn never_keep(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, Keep::Never.value());
}

/// Echoes the preferences that were honoured (RFC 7240 section 3). The answer depends on them either way.
pub fn say_applied(response: &mut Response, applied: Option<&str>) {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Prefer"));
    if let Some(value) = applied.and_then(|applied| HeaderValue::from_str(applied).ok()) {
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
}

/// A list of tokens (RFC 9651): an id that starts with a digit, or `_`, or `-` is no token and becomes a string.
fn structured_list<'a>(members: impl Iterator<Item = &'a str>) -> String {
    let entry = |id: &str| {
        if id.starts_with(|first: char| first.is_ascii_alphabetic()) { id.to_owned() } else { format!("\"{id}\"") }
    };
    members.map(entry).collect::<Vec<_>>().join(", ")
}

/// What the headers of every answer depend on.
pub struct Asked {
    origin: Option<HeaderValue>,
    has_credentials: bool,
    is_preflight: bool,
}

impl Asked {
    pub fn of(request: &Request) -> Self {
        Self {
            origin: request.headers().get(header::ORIGIN).cloned(),
            has_credentials: request.headers().contains_key(header::AUTHORIZATION),
            is_preflight: request.method() == http::Method::OPTIONS,
        }
    }
}

/// The headers that every answer has, errors included.
pub fn finish(response: &mut Response, asked: &Asked, origins: &[String], request_id: &str) {
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == HTML);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, number(request_id));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = if is_page { CSP_PAGE } else { CSP_DATA };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if asked.has_credentials {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    cors(headers, asked, origins);
}

/// Any origin, or listed ones only; never with credentials (2.6, T22).
fn cors(headers: &mut HeaderMap, asked: &Asked, origins: &[String]) {
    if origins.iter().any(|origin| origin == "*") {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let listed = |origin: &&HeaderValue| origins.iter().any(|known| origin.as_bytes() == known.as_bytes());
        let Some(origin) = asked.origin.as_ref().filter(listed) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOW_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW_HEADERS));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE_HEADERS));
    if asked.is_preflight {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
}

/// The encoding that may be used: zstd or gzip, whichever weighs more (RFC 9110 section 12.5.3). Of equals zstd, which
/// costs less; for `*` gzip, since a client that takes anything says nothing about what it has.
pub fn encoding(headers: &HeaderMap) -> Option<&'static str> {
    let entries = || weighted(headers, &header::ACCEPT_ENCODING);
    let of = |names: &[&str]| entries().find(|(name, _)| names.contains(&name.as_str())).map(|(_, weight)| weight);
    let zstd = of(&["zstd"]).unwrap_or(0.0);
    let gzip = of(&["gzip", "x-gzip"]).or_else(|| of(&["*"])).unwrap_or(0.0);
    match (zstd, gzip) {
        (zstd, gzip) if zstd > 0.0 && zstd >= gzip => Some("zstd"),
        (_, gzip) if gzip > 0.0 => Some("gzip"),
        _ => None,
    }
}

/// Whether a page is wanted more than data: `text/html` ranks above JSON (2.5).
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let weight = |ranges: &[&str]| {
        let found = ranges.iter().find_map(|range| {
            weighted(headers, &header::ACCEPT).find(|(name, _)| name == range).map(|(_, weight)| weight)
        });
        found.unwrap_or(0.0)
    };
    // The most specific range that is named decides (RFC 9110 section 12.5.1).
    weight(&["text/html", "text/*", "*/*"]) > weight(&["application/json", "application/*", "*/*"])
}

/// The entries of a header with their weights, names in lower case, other parameters left out.
fn weighted<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (String, f32)> + 'a {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    })
}

/// Sets the status of an answer.
pub fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn ids_that_are_no_tokens_are_strings() {
        assert_eq!(structured_list(["EODC", "3DEP", "A-b_c"].into_iter()), "EODC, \"3DEP\", A-b_c");
        assert_eq!(structured_list(std::iter::empty()), "");
    }

    #[test]
    fn a_page_only_for_those_who_rank_it_first() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, page) in [
            (browser, true),
            ("text/html", true),
            ("*/*", false),
            ("application/json, text/html", false),
            ("text/html;q=0.5, application/json", false),
            ("application/json;q=0.5, text/html;q=0.9", true),
            ("text/*, */*;q=0.1", true),
            ("text/html;q=0", false),
            ("image/png", false),
            ("", false),
        ] {
            assert_eq!(prefers_html(&headers("accept", accept)), page, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn the_encoding_of_greater_weight_is_taken() {
        for (given, expected) in [
            ("gzip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("GZIP;q=0.1", Some("gzip")),
            ("zstd", Some("zstd")),
            ("gzip, zstd", Some("zstd")),
            ("gzip;q=1.0, zstd;q=0.9", Some("gzip")),
            ("*", Some("gzip")),
            ("*;q=0", None),
            ("gzip;q=0, *", None),
            ("zstd;q=0, gzip;q=0", None),
            ("br", None),
            ("", None),
        ] {
            assert_eq!(encoding(&headers("accept-encoding", given)), expected, "{given}");
        }
        assert_eq!(encoding(&HeaderMap::new()), None);
    }

    fn allowed(origin: Option<&str>, origins: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        let asked =
            Asked { origin: origin.map(|origin| origin.parse().unwrap()), has_credentials: false, is_preflight: false };
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        cors(&mut headers, &asked, &origins);
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn listed_origins_only_if_any_are_listed() {
        assert_eq!(allowed(Some("https://a.example"), &["*"]).unwrap(), "*");
        assert_eq!(allowed(None, &["*"]).unwrap(), "*");
        let listed = ["https://a.example"];
        assert_eq!(allowed(Some("https://a.example"), &listed).unwrap(), "https://a.example");
        for other in ["null", "https://a.example.evil", "https://xa.example", "http://a.example", "https://a.exampl"] {
            assert_eq!(allowed(Some(other), &listed), None, "{other}");
        }
        assert_eq!(allowed(None, &listed), None);
    }

    #[test]
    fn pages_of_others_may_ask_for_a_part_of_results() {
        let allowed: Vec<&str> = ALLOW_HEADERS.split(", ").collect();
        assert!(allowed.contains(&"range") && allowed.contains(&"if-range"));
    }
}
