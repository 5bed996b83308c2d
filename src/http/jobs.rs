//! `/jobs/{job}`, its results, single outputs and dismissal; and how a member's answer or a trouble is written.

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use futures::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use crate::federation::MemberId;
use crate::members::process_api::Caller;
use crate::processes::relay::{self, Answer};
use crate::processes::results::{JobCall, Wanted};
use crate::processes::trouble::{self, Trouble};

use super::door::Call;
use super::exception::{Exception, Kind};
use super::params;
use super::respond;

/// Federations that a request may have passed before this one.
const HOPS_MAX: usize = 4;

const FEDERATION_MEMBER: HeaderName = HeaderName::from_static("federation-member");

/// `GET /jobs/{job}`
pub async fn status(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let (id, caller) = (params::segments(path)?, caller(&headers)?);
    let job = JobCall::of(&call.snapshot, call.links.base(), &caller, &id)?;
    Ok(relayed(job.status().await?))
}

/// `DELETE /jobs/{job}`
pub async fn dismiss(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let (id, caller) = (params::segments(path)?, caller(&headers)?);
    let job = JobCall::of(&call.snapshot, call.links.base(), &caller, &id)?;
    Ok(relayed(job.dismiss().await?))
}

/// `GET /jobs/{job}/results`
///
/// `HEAD` asks the member by GET and reads nothing of the body: not every member knows `HEAD`, and none sends the same
/// headers for both.
pub async fn results(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let (id, caller) = (params::segments(path)?, caller(&headers)?);
    let job = JobCall::of(&call.snapshot, call.links.base(), &caller, &id)?;
    Ok(relayed(job.results(&wanted(query, &headers)).await?))
}

/// `GET /jobs/{job}/results/{output}`
pub async fn output(
    Extension(call): Extension<Call>,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let ((id, output), caller) = (params::segments(path)?, caller(&headers)?);
    let job = JobCall::of(&call.snapshot, call.links.base(), &caller, &id)?;
    Ok(relayed(job.output(&output, &wanted(query, &headers)).await?))
}

fn wanted(query: Option<String>, headers: &HeaderMap) -> Wanted {
    let given = |name: HeaderName| headers.get(&name).map(|value| (name, value.clone()));
    let ranges = [header::RANGE, header::IF_RANGE].into_iter().filter_map(given).collect();
    Wanted { query, accept: headers.get(header::ACCEPT).cloned(), ranges }
}

/// What of a request goes on to members; a request that went through too many federations goes nowhere.
///
/// # Errors
/// When it did.
pub fn caller(headers: &HeaderMap) -> Result<Caller, Exception> {
    let via = headers.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    let hops = via.flat_map(|value| value.split(',')).filter(|entry| entry.contains("stac-broker-")).count();
    if hops > HOPS_MAX {
        let detail = format!("the request has passed {hops} federations; at most {HOPS_MAX} are accepted");
        return Err(Exception::new(Kind::ForwardingLoop, detail));
    }
    Ok(Caller::of(headers))
}

/// A member's answer as a response. Nobody keeps it: what a job is changes, and who may see it is the member's to say.
pub fn relayed(answer: Answer) -> Response {
    let mut headers = answer.headers;
    let body = match answer.body {
        relay::Body::Document(document) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(respond::JSON));
            Body::from(Value::Object(document).to_string())
        }
        relay::Body::Bytes(bytes) => Body::from(bytes),
        relay::Body::Stream(stream) => {
            let member = answer.member.clone();
            Body::from_stream(stream.inspect_err(move |failure| {
                // The status is out already: the client sees a body that is cut off, never one that looks whole.
                tracing::warn!(%member, fault = ?failure.fault, detail = %failure.detail, "results broke off");
            }))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    respond::never_keep(&mut response);
    respond::as_it_is(&mut response);
    name_member(response.headers_mut(), &answer.member);
    response
}

fn name_member(headers: &mut HeaderMap, member: &MemberId) {
    if let Ok(value) = HeaderValue::from_str(member.as_str()) {
        headers.insert(FEDERATION_MEMBER, value);
    }
}

impl From<Trouble> for Exception {
    fn from(trouble: Trouble) -> Self {
        let (kind, status) = match trouble.kind {
            trouble::Kind::NoSuchProcess => (Kind::NoSuchProcess, None),
            trouble::Kind::NoSuchJob => (Kind::NoSuchJob, None),
            trouble::Kind::ResultNotReady => (Kind::ResultNotReady, None),
            trouble::Kind::ResultNotAvailable => (Kind::ResultNotAvailable, None),
            trouble::Kind::NoSuchOutput => (Kind::NoSuchOutput, None),
            trouble::Kind::Refused(status) => (Kind::MemberRefused, Some(status)),
            trouble::Kind::Unavailable => (Kind::MemberUnavailable, None),
            trouble::Kind::Contract => (Kind::UpstreamContract, None),
            trouble::Kind::OutcomeUnknown => (Kind::OutcomeUnknown, None),
            trouble::Kind::Timeout => (Kind::UpstreamTimeout, None),
            trouble::Kind::CallbackUnsupported => (Kind::CallbackUnsupported, None),
        };
        let mut exception = Self::new(kind, trouble.detail);
        exception.status = status.unwrap_or(exception.status);
        exception.headers = trouble.headers;
        if let Some(job) = trouble.job {
            exception = exception.with("jobID", job);
        }
        let Some(member) = trouble.member else { return exception };
        if let Ok(value) = HeaderValue::from_str(member.as_str()) {
            exception.headers.push((FEDERATION_MEMBER, value));
        }
        if let Some(upstream) = trouble.upstream {
            let mut said = json!({ "member": member, "status": upstream.status });
            for (name, text) in [("type", upstream.r#type), ("detail", upstream.detail)] {
                if let Some(text) = text {
                    said[name] = json!(text);
                }
            }
            exception = exception.with("upstream", said);
        }
        exception.with("member", member.as_str())
    }
}
