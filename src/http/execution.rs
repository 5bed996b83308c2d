//! `POST /processes/{process}/execution`. Who executes is decided in `processes::route`, and the execution is sent by
//! `processes::execute`; what a trouble is called and which status it has is decided in `jobs.rs`.

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use crate::members::process_api::Caller;
use crate::processes::execute::Execution;
use crate::processes::facts::Facts;
use crate::processes::holders::How;
use crate::processes::prefer::Prefer;
use crate::processes::refusal;
use crate::processes::route::{self, Asked, Candidate, Decision};
use crate::processes::{ids, offers, references};

use super::door::Call;
use super::exception::{Exception, Kind};
use super::jobs::{self, relayed};
use super::params;

/// `POST /processes/{process}/execution`
pub async fn post(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Exception> {
    let process = params::segments(path)?;
    let caller = jobs::caller(&headers)?;
    let media_type = media_type(&headers)?;
    let limits = &call.snapshot.federation.limits;
    let body = Bytes::from(params::body(body, limits.request_body_bytes_max, limits.deadline).await?);
    let document = read(&body)?;
    let prefer = Prefer::read(headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()));
    let decision = choose(&call, &process, &document, prefer, &caller).await?;
    let reason = decision.outcome.as_ref().map_or("", |reason| reason.name());
    let references = decision.located.iter().filter(|located| located.how != Some(How::Pin));
    let execution = Execution {
        snapshot: &call.snapshot,
        base: call.links.base(),
        caller: &caller,
        process: &process,
        ranking: decision.ranking.iter().map(|ranked| &ranked.candidate).collect(),
        reason,
        places: references.flat_map(|located| &located.reference.places).collect(),
        prefer,
        accept: headers.get(header::ACCEPT).cloned(),
        media_type,
        body: body.clone(),
        document: &document,
    };
    Ok(relayed(execution.run().await?))
}

/// The media type of the body, as the member gets it: JSON of any kind, or nothing said.
fn media_type(headers: &HeaderMap) -> Result<HeaderValue, Exception> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(HeaderValue::from_static("application/json"));
    };
    let text = given.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = text.split(';').next().unwrap_or_default().trim();
    if kind == "application/json" || kind.ends_with("+json") {
        return Ok(given.clone());
    }
    let detail = format!("an execution is `application/json`, not `{}`", kind.chars().take(80).collect::<String>());
    Err(Exception::new(Kind::UnsupportedMediaType, detail))
}

/// The body as JSON; what stands in it is for the references and the member to say.
fn read(body: &Bytes) -> Result<Value, Exception> {
    let text = if body.trim_ascii().is_empty() { &b"{}"[..] } else { body };
    let document: Value = serde_json::from_slice(text).map_err(|error| {
        let detail = format!("the request is not JSON: line {}, column {}", error.line(), error.column());
        Exception::new(Kind::InvalidRequest, detail).with("pointer", "")
    })?;
    let wrong = |pointer: &str, expected: &str| {
        let at = if pointer.is_empty() { "the request".to_owned() } else { format!("`{pointer}`") };
        Err(Exception::new(Kind::InvalidRequest, format!("{at} is not {expected}")).with("pointer", pointer))
    };
    let Value::Object(members) = &document else { return wrong("", "a JSON object") };
    if members.get("inputs").is_some_and(|inputs| !inputs.is_object() && !inputs.is_array()) {
        return wrong("/inputs", "an object of inputs by name");
    }
    for key in ["outputs", "subscriber"] {
        if members.get(key).is_some_and(|value| !value.is_object() && !value.is_null() && !value.is_array()) {
            return wrong(&format!("/{key}"), "an object");
        }
    }
    Ok(document)
}

/// The members that may execute, or why nobody does.
async fn choose(
    call: &Call,
    process: &str,
    document: &Value,
    prefer: Prefer,
    caller: &Caller,
) -> Result<Decision, Exception> {
    let snapshot = &call.snapshot;
    let bases = url::Url::parse(call.links.base()).into_iter().collect();
    let facts = Facts::of(snapshot, bases, |_| None, chrono::Utc::now());
    let declared = snapshot.federation.members.iter().filter_map(|member| member.processes.as_ref());
    let data_inputs: BTreeSet<String> = declared.flat_map(|own| own.data_inputs.iter().cloned()).collect();
    let references = references::find(document, &data_inputs).map_err(|over| {
        let detail = format!("the request has more than {} {}", over.max, over.what);
        Exception::new(Kind::BodyTooLarge, detail)
    })?;
    let pinned = match ids::parse(&snapshot.ids, process) {
        ids::Named::Pinned { member, .. } => Some(member),
        ids::Named::Logical(_) => None,
    };
    let offers: Vec<Candidate> = offers::of(snapshot, process, caller).await;
    let asked = Asked {
        pinned,
        offers,
        references,
        wants_async: prefer.respond_async,
        has_token: caller.is_authenticated(),
        ..Asked::default()
    };
    let decision = route::decide(&facts, asked);
    match &decision.outcome {
        Ok(_) => Ok(decision),
        Err(refused) => {
            let kind = match refused.name() {
                "no-such-process" => Kind::NoSuchProcess,
                "data-expired" => Kind::DataExpired,
                "data-spread" => Kind::DataSpread,
                "process-not-near-data" => Kind::ProcessNotNearData,
                "credentials-not-forwardable" => Kind::CredentialsNotForwardable,
                "member-unavailable" => Kind::MemberUnavailable,
                "ambiguous-data-location" => Kind::AmbiguousDataLocation,
                _ => Kind::DataLocationUnknown,
            };
            Err(Exception::new(kind, refusal::sentence(&facts, &decision, refused, process)))
        }
    }
}
