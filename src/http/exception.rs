//! An error of the Processes face: a problem document (RFC 9457) whose type is one of OGC API - Processes where the
//! standard has one (18-062r2, 7.11 and 7.13), else one of ours, described in `docs/processes.md`.
//!
//! Handlers below `/processes` and `/jobs` answer with these; `door.rs` writes the body, since only it knows the request
//! id, and turns the other errors of those paths into them.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::problem::Problem;

/// Types that the standard names.
const OGC: &str = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/";
/// Types of our own: names, not addresses, so that they are the same at every broker.
const OWN: &str = "urn:stac-broker:problem:";

/// What kind of error it is; each has its type, its title and the status it comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NoSuchProcess,
    NoSuchJob,
    ResultNotReady,
    ResultNotAvailable,
    NoSuchOutput,
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    DataLocationUnknown,
    DataSpread,
    ProcessNotNearData,
    DataExpired,
    DataNotKept,
    AmbiguousDataLocation,
    CallbackUnsupported,
    CredentialsNotForwardable,
    /// The member's own refusal, relayed with its status.
    MemberRefused,
    MemberUnavailable,
    UpstreamContract,
    OutcomeUnknown,
    UpstreamTimeout,
    ForwardingLoop,
    /// Errors of the broker that have no type: the status says it all.
    NotFound,
    MethodNotAllowed,
    Overloaded,
    TooManyRequests,
    Internal,
}

impl Kind {
    /// The last part of the type, the status and the title.
    fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::NoSuchProcess => ("no-such-process", 404, "No such process"),
            Self::NoSuchJob => ("no-such-job", 404, "No such job"),
            Self::ResultNotReady => ("result-not-ready", 404, "The results are not ready"),
            Self::ResultNotAvailable => ("result-not-available", 404, "The result is not available"),
            Self::NoSuchOutput => ("no-such-output", 400, "No such output"),
            Self::InvalidRequest => ("invalid-request", 400, "The request is not valid"),
            Self::BodyTooLarge => ("body-too-large", 413, "The request is too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The request is not JSON"),
            Self::DataLocationUnknown => ("data-location-unknown", 422, "Nothing says where the data lies"),
            Self::DataSpread => ("data-spread", 422, "No single member holds all the data"),
            Self::ProcessNotNearData => {
                ("process-not-near-data", 422, "The members that hold the data do not offer the process")
            }
            Self::DataExpired => ("data-expired", 422, "The data is no longer kept"),
            Self::DataNotKept => ("data-not-kept", 422, "No member keeps data of that time"),
            Self::AmbiguousDataLocation => ("ambiguous-data-location", 422, "Several members hold the data"),
            Self::CallbackUnsupported => ("callback-unsupported", 422, "The member makes no callbacks"),
            Self::CredentialsNotForwardable => {
                ("credentials-not-forwardable", 401, "The member needs your credentials")
            }
            Self::MemberRefused => ("member-refused", 502, "The member refused the request"),
            Self::MemberUnavailable => ("member-unavailable", 503, "The member cannot be reached"),
            Self::UpstreamContract => ("upstream-contract", 502, "The member's answer is not understood"),
            Self::OutcomeUnknown => ("outcome-unknown", 502, "It is not known whether the process was started"),
            Self::UpstreamTimeout => ("upstream-timeout", 504, "The member did not answer in time"),
            Self::ForwardingLoop => ("forwarding-loop", 508, "The request was forwarded in a circle"),
            Self::NotFound => ("", 404, "Not Found"),
            Self::MethodNotAllowed => ("", 405, "Method Not Allowed"),
            Self::Overloaded => ("", 503, "Service Unavailable"),
            Self::TooManyRequests => ("", 429, "Too Many Requests"),
            Self::Internal => ("", 500, "Internal Server Error"),
        }
    }

    /// The `type` of the document.
    pub fn uri(self) -> String {
        let (name, ..) = self.facts();
        match self {
            _ if name.is_empty() => "about:blank".into(),
            Self::NoSuchProcess
            | Self::NoSuchJob
            | Self::ResultNotReady
            | Self::ResultNotAvailable
            | Self::NoSuchOutput => format!("{OGC}{name}"),
            _ => format!("{OWN}{name}"),
        }
    }
}

/// One error on its way to the client.
#[derive(Debug, Clone)]
pub struct Exception {
    pub kind: Kind,
    /// The kind's own status, unless a member's is relayed.
    pub status: StatusCode,
    /// A sentence for people, without a final full stop. Clients show it as it is.
    pub detail: String,
    /// `Retry-After`, `WWW-Authenticate`, `Allow`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Further members of the document, for example `references` or `upstream`.
    pub more: Box<Map<String, Value>>,
}

impl Exception {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (_, status, _) = kind.facts();
        Self {
            kind,
            // Every status of the table is one.
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            detail: detail.into(),
            headers: Vec::new(),
            more: Box::default(),
        }
    }

    /// Adds a member to the document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Says when another try is worth it.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// The document. `request_id` leads to the log; `instance` names this one occurrence by it.
    pub fn document(&self, path: &str, request_id: &str) -> Value {
        let (_, _, title) = self.kind.facts();
        let mut document = Map::new();
        document.insert("type".into(), json!(self.kind.uri()));
        document.insert("title".into(), json!(title));
        document.insert("status".into(), json!(self.status.as_u16()));
        document.insert("detail".into(), json!(self.detail));
        document.insert("instance".into(), json!(format!("{path}#{request_id}")));
        document.insert("request_id".into(), json!(request_id));
        document.extend(self.more.as_ref().clone());
        Value::Object(document)
    }
}

/// The roots of the API. The first of them that a path has as a segment says which face it belongs to, whatever prefix a
/// proxy puts before it.
const ROOTS: [&str; 8] = ["processes", "jobs", "collections", "search", "federation", "health", "api", "conformance"];

/// Whether the errors of this path are problem documents.
pub fn concerns(path: &str) -> bool {
    path.split('/').find(|segment| ROOTS.contains(segment)).is_some_and(|root| matches!(root, "processes" | "jobs"))
}

impl From<Problem> for Exception {
    /// An error that the broker has for every path.
    fn from(problem: Problem) -> Self {
        let kind = match problem.status.as_u16() {
            400 => Kind::InvalidRequest,
            404 => Kind::NotFound,
            405 => Kind::MethodNotAllowed,
            413 => Kind::BodyTooLarge,
            429 => Kind::TooManyRequests,
            503 => Kind::Overloaded,
            508 => Kind::ForwardingLoop,
            _ => Kind::Internal,
        };
        let mut exception = Self { more: problem.more, ..Self::new(kind, problem.description) };
        if let Some(seconds) = problem.retry_after_s {
            exception = exception.retry_after(seconds);
        }
        if let Some(allow) = problem.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            exception.headers.push((header::ALLOW, allow));
        }
        exception
    }
}

impl IntoResponse for Exception {
    /// Travels as an extension until `door.rs` writes the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_member_of_the_standard_and_ours() {
        let exception = Exception::new(Kind::NoSuchProcess, "no member offers `x`").with("candidates", json!(["EODC"]));
        let expected = json!({
            "type": "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process",
            "title": "No such process",
            "status": 404,
            "detail": "no member offers `x`",
            "instance": "/processes/x#r1",
            "request_id": "r1",
            "candidates": ["EODC"],
        });
        assert_eq!(exception.document("/processes/x", "r1"), expected);
        assert_eq!(Kind::DataSpread.uri(), "urn:stac-broker:problem:data-spread");
        assert_eq!(Kind::MethodNotAllowed.uri(), "about:blank");
    }

    #[test]
    fn paths_belong_to_one_face() {
        for path in ["/processes", "/v1/processes/x/execution", "/jobs/A.b", "/processes/search", "/jobs/collections"] {
            assert!(concerns(path), "{path}");
        }
        for path in ["/", "/collections/jobs", "/v1/collections/processes/items/x", "/search", "/processesx"] {
            assert!(!concerns(path), "{path}");
        }
    }

    #[test]
    fn a_body_of_too_many_bytes_names_the_bound() {
        let exception = Exception::from(Problem::too_large(9));
        assert_eq!((exception.kind, exception.status.as_u16()), (Kind::BodyTooLarge, 413));
        assert_eq!(exception.document("/processes/x", "r1")["bound"], json!({"what": "bytes", "max": 9}));
    }

    #[test]
    fn errors_of_every_path_keep_their_headers() {
        let exception = Exception::from(Problem::method_not_allowed("GET, HEAD".into()));
        assert_eq!((exception.kind, exception.status.as_u16()), (Kind::MethodNotAllowed, 405));
        assert_eq!(exception.headers, [(header::ALLOW, HeaderValue::from_static("GET, HEAD"))]);
        let exception = Exception::from(Problem::overloaded());
        assert_eq!(exception.headers[0].0, header::RETRY_AFTER);
        assert_eq!(Exception::from(Problem::looped()).kind.uri(), "urn:stac-broker:problem:forwarding-loop");
    }
}
