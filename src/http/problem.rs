//! An error as clients see it: status, code, description (`stac-api.md` section 8). Never 422 on this face.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::search::SearchError;
use crate::search::outcome::Failed;
use crate::search::report::Report;
use crate::search::request::Invalid;

/// Seconds after which an overloaded broker, or a federation whose members failed, is worth another try.
pub const RETRY_AFTER_S: u32 = 5;

/// Relation of the link that goes on where a page without an Item had to stop.
pub const RETRY_MISSED: &str = "retry-missed";

/// What went wrong. `door.rs` writes the body, since only it knows the request id.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub description: String,
    pub retry_after_s: Option<u32>,
    /// Methods, for 405.
    pub allow: Option<String>,
    /// Members of which something is missing.
    pub missing: Vec<String>,
    /// Further members of the body.
    pub more: Box<Map<String, Value>>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            retry_after_s: None,
            allow: None,
            missing: Vec::new(),
            more: Box::default(),
        }
    }

    pub fn invalid(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", description)
    }

    pub fn invalid_cursor(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidCursor", description)
    }

    pub fn not_found(description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", description)
    }

    pub fn method_not_allowed(allow: String) -> Self {
        let description = format!("this path accepts {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", description) }
    }

    pub fn too_large(bytes_max: usize) -> Self {
        let description = format!("the request body has more than {bytes_max} bytes");
        let problem = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", description);
        let bound = json!({ "what": "bytes", "max": bytes_max });
        Self { more: Box::new(Map::from_iter([("bound".to_owned(), bound)])), ..problem }
    }

    pub fn overloaded() -> Self {
        let description = "the broker serves as many requests as it may at once; try again shortly";
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Overloaded", description)
        }
    }

    /// A client that asks more often than it may.
    pub fn too_many(rate: u32, seconds: u32) -> Self {
        let description = format!(
            "more than {rate} requests a second, those to members counted in; wait {seconds} s, or ask for less at once"
        );
        Self {
            retry_after_s: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", description)
        }
    }

    pub fn looped() -> Self {
        let description = "the request has passed this federation before: a federation contains itself";
        Self::new(StatusCode::LOOP_DETECTED, "LoopDetected", description)
    }

    pub fn internal() -> Self {
        let description = "a fault of the broker; its log has the details under this `request_id`";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", description)
    }

    /// Why a search has no page. `link` makes one of a relation that goes on with a cursor.
    pub fn of_search(error: SearchError, link: impl FnOnce(&str, &str) -> Value) -> Self {
        let description = error.to_string();
        match error {
            SearchError::Invalid(invalid) => invalid.into(),
            SearchError::Cursor(_) => Self::invalid_cursor(description),
            SearchError::Expired { fresh } => {
                let mut problem = Self::new(StatusCode::GONE, "ExpiredCursor", description);
                problem.more.insert("links".into(), json!([link("next", &fresh)]));
                problem
            }
            SearchError::Failed { kind, retry_after_s, report, retry, .. } => {
                let mut problem = Self::of_members(kind, description, retry_after_s, &report);
                if let Some(retry) = retry.filter(|_| !matches!(kind, Failed::Incapable | Failed::Gone)) {
                    problem.more.insert("links".into(), json!([link(RETRY_MISSED, &retry)]));
                }
                problem
            }
        }
    }

    /// The status of a search that failed as a whole.
    pub fn status_of(kind: Failed) -> StatusCode {
        match kind {
            Failed::Bad => StatusCode::BAD_GATEWAY,
            Failed::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Failed::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Failed::Gone => StatusCode::GONE,
            Failed::Incapable => StatusCode::BAD_REQUEST,
        }
    }

    /// The members' failures (S19, S20), with the report of who failed and how.
    fn of_members(kind: Failed, description: String, retry_after_s: Option<u32>, report: &Report) -> Self {
        let (code, retry_after_s) = match kind {
            Failed::Bad => ("MembersFailed", retry_after_s),
            Failed::Unavailable => ("MembersUnavailable", retry_after_s.or(Some(RETRY_AFTER_S))),
            Failed::TimedOut => ("MembersTimedOut", retry_after_s.or(Some(RETRY_AFTER_S))),
            Failed::Gone => ("MembersRemoved", None),
            Failed::Incapable => ("InvalidParameter", None),
        };
        let mut problem = Self::new(Self::status_of(kind), code, description);
        problem.retry_after_s = retry_after_s;
        problem.missing = report.missing().iter().map(ToString::to_string).collect();
        if !problem.missing.is_empty() {
            problem.more.insert("federation:missing".into(), json!(problem.missing));
        }
        problem.more.insert("federation:report".into(), json!(report));
        problem
    }

    /// The body; `code` and `description` come first.
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = Map::new();
        body.insert("code".into(), json!(self.code));
        body.insert("description".into(), json!(self.description));
        body.insert("request_id".into(), json!(request_id));
        body.extend(self.more.as_ref().clone());
        Value::Object(body)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.to_string())
    }
}

impl IntoResponse for Problem {
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

    fn onward(rel: &str, token: &str) -> Value {
        json!({ "rel": rel, "href": format!("http://x/search?token={token}") })
    }

    #[test]
    fn every_search_error_has_its_status_and_code() {
        let failed = |kind| SearchError::Failed {
            kind,
            description: "all asked members failed".into(),
            retry_after_s: None,
            report: Box::default(),
            retry: None,
        };
        let invalid = Invalid { parameter: "limit".into(), given: "`0`".into(), accepted: "1 or more".into() };
        for (error, status, code, retries) in [
            (SearchError::Invalid(invalid), 400, "InvalidParameter", false),
            (SearchError::Cursor("not a cursor".into()), 400, "InvalidCursor", false),
            (SearchError::Expired { fresh: "abc".into() }, 410, "ExpiredCursor", false),
            (failed(Failed::Bad), 502, "MembersFailed", false),
            (failed(Failed::Unavailable), 503, "MembersUnavailable", true),
            (failed(Failed::TimedOut), 504, "MembersTimedOut", true),
            (failed(Failed::Gone), 410, "MembersRemoved", false),
            (failed(Failed::Incapable), 400, "InvalidParameter", false),
        ] {
            let problem = Problem::of_search(error, onward);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert_eq!(problem.retry_after_s.is_some(), retries, "{code}");
        }
    }

    #[test]
    fn an_expired_cursor_brings_a_fresh_link() {
        let problem = Problem::of_search(SearchError::Expired { fresh: "abc".into() }, onward);
        assert_eq!(problem.body("r1")["links"][0]["href"], "http://x/search?token=abc");
    }

    #[test]
    fn the_body_has_code_description_and_request_id() {
        let body = Problem::not_found("no collection `x`").body("r1");
        assert_eq!(body, json!({ "code": "NotFound", "description": "no collection `x`", "request_id": "r1" }));
    }
}
