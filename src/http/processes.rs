//! `/processes`, `/processes/{process}` and `/processes/{process}/execution/explain`. Who executes is decided in
//! `processes::route`; what a refusal is called and which status it has is decided here.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::broker::Snapshot;
use crate::federation::MemberId;
use crate::members::Fault;
use crate::members::process_api::Caller;
use crate::processes::catalogue::Lookup;
use crate::processes::choose::{self, Choice, Invalid};
use crate::processes::execute::no_callbacks;
use crate::processes::explain::{explanation, references};
use crate::processes::ids::{self, Named};
use crate::processes::merge::{self, Process};
use crate::processes::prefer::Prefer;
use crate::processes::refusal::{Refused, no_such_process, proposed, series};

use super::door::{Call, Face};
use super::exception::{Exception, Kind};
use super::features::link;
use super::items::cut;
use super::jobs;
use super::links::encode;
use super::params;
use super::problem::RETRY_AFTER_S;
use super::respond::{self, JSON, Keep};
use super::stale::Stale;

/// Processes of one page, also where no limit is given (`processes.md` 1).
const PAGE_MAX: usize = 1000;
/// Longest token that is looked at: an id of some hundred bytes.
const TOKEN_MAX: usize = 1400;
/// Seconds for which others may keep a complete list.
const KEEP_S: u32 = 60;
/// Where the standard says that executions go.
const EXECUTE: &str = "http://www.opengis.net/def/rel/ogc/1.0/execute";
/// The document of the standard's list of processes.
pub const PROCESSES: &str = "http://www.opengis.net/def/rel/ogc/1.0/processes";

/// Whether any member executes: only then is there anything to say of processes.
pub fn any(snapshot: &Snapshot) -> bool {
    snapshot.members.process_apis().next().is_some()
}

/// `GET /processes`
pub async fn list(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    jobs::caller(&headers)?;
    let query = query.unwrap_or_default();
    let asked = Asked::of(&params::pairs(&query))?;
    let listed = face.processes.list(&call.snapshot).await;
    if !listed.any && any(&call.snapshot) {
        let detail = "no member's list of processes could be read; try again shortly";
        let exception = Exception::new(Kind::MemberUnavailable, detail).retry_after(RETRY_AFTER_S);
        return Err(exception.with("federation:missing", json!(listed.missing)));
    }
    let wanted = |process: &&Process| asked.q.as_ref().is_none_or(|q| merge::matches(process, q));
    let after = |process: &&Process| asked.after.as_ref().is_none_or(|last| place(process) > (last.0, last.1.as_str()));
    let mut rest = listed.processes.iter().filter(wanted).filter(after);
    let page: Vec<&Process> = rest.by_ref().take(asked.limit).collect();
    let is_last = rest.next().is_none();

    let href = call.links.to("/processes");
    let mut links = vec![
        link("self", &params::with_query(&href, &query), JSON),
        link("root", &call.links.root(), JSON),
        link("up", &call.links.root(), JSON),
    ];
    if let Some(last) = page.last().filter(|_| !is_last) {
        links.push(link("next", &params::with_token(&href, &query, &token(last)), JSON));
    }
    let processes: Vec<Value> = page.iter().map(|process| process.summary(&process_links(&call, process))).collect();
    let matched = listed.processes.iter().filter(wanted).count();
    let mut document =
        json!({ "processes": processes, "links": links, "numberMatched": matched, "numberReturned": page.len() });
    let mut stale = Stale::default();
    listed.outdated.iter().for_each(|(member, age)| stale.add(member, Some(*age)));
    let missing = stale.mark(&mut document, &listed.missing);
    let mut response = respond::json(&document, Keep::For(KEEP_S));
    respond::say_missing(&mut response, missing.iter().map(MemberId::as_str));
    Ok(response)
}

/// `GET /processes/{process}`
pub async fn one(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    let id = params::segments(path)?;
    let caller = jobs::caller(&headers)?;
    match face.processes.find(&call.snapshot, &id, &caller).await {
        Lookup::Found { process, .. } => {
            let links = process_links(&call, &process);
            let keep = if caller.is_authenticated() { Keep::Never } else { Keep::For(KEEP_S) };
            Ok(respond::json(&process.description(&links), keep))
        }
        Lookup::Unknown(elsewhere) => {
            let named = match ids::parse(&call.snapshot.ids, &id) {
                Named::Pinned { member, native } => Some((member, native)),
                Named::Logical(_) => None,
            };
            let pinned = named.as_ref().map(|(member, native)| (member, native.as_str()));
            let exception = Exception::new(Kind::NoSuchProcess, no_such_process(&id, pinned, &elsewhere));
            Err(exception.with("offered_by", json!(elsewhere.members)).with("pins", json!(elsewhere.pins)))
        }
        Lookup::Unread { missing, fault } => Err(unread(&id, &missing, fault)),
    }
}

/// `POST /processes/{process}/execution/explain`: what an execution would do, without doing it.
pub async fn explain(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Exception> {
    let execution = Execution::of(&call, path, &headers, body).await?;
    let choice = execution.choose(&face, &call).await?;
    let rewrites = choice.rewrites(&call.snapshot, call.links.base());
    let mut document = explanation(&execution.process, &choice, &rewrites);
    let chosen = choice.decision.chosen().and_then(|one| call.snapshot.federation.member(one.member.as_str()));
    let no_callbacks = chosen.and_then(|member| no_callbacks(member, &execution.document)).map(Exception::from);
    if let Some(exception) = refused(&choice).or(no_callbacks) {
        if let Some(members) = document.as_object_mut() {
            members.shift_remove("chosen");
        }
        let path = format!("/processes/{}/execution", encode(&execution.process));
        document["problem"] = exception.document(&path, &call.request_id);
    }
    Ok(respond::json(&document, Keep::Never))
}

/// A request to execute, read as far as the broker has to.
pub struct Execution {
    /// As in the path.
    pub process: String,
    pub caller: Caller,
    pub prefer: Prefer,
    pub media_type: HeaderValue,
    pub body: Bytes,
    /// The body; always an object.
    pub document: Value,
}

impl Execution {
    /// Reads a request.
    pub async fn of(
        call: &Call,
        path: Result<Path<String>, PathRejection>,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, Exception> {
        let process = params::segments(path)?;
        let caller = jobs::caller(headers)?;
        let media_type = media_type(headers)?;
        let limits = &call.snapshot.federation.limits;
        let body = Bytes::from(params::body(body, limits.request_body_bytes_max, limits.deadline).await?);
        let document = read(&body)?;
        let prefer = Prefer::read(headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()));
        Ok(Self { process, caller, prefer, media_type, body, document })
    }

    /// Chooses the member; a refusal is part of the choice.
    pub async fn choose(&self, face: &Face, call: &Call) -> Result<Choice, Exception> {
        let request = choose::Request {
            process: &self.process,
            body: &self.document,
            base: call.links.base(),
            wants_async: self.prefer.respond_async,
            caller: &self.caller,
            deadline: Instant::now() + call.snapshot.federation.limits.member_deadline,
        };
        let choice = choose::choose(&face.processes, &call.snapshot, &request).await;
        choice.map_err(|invalid| match invalid {
            Invalid::TooMuch(over) => {
                let detail = format!("the request has more than {} {}", over.max, over.what);
                Exception::new(Kind::BodyTooLarge, detail).with("bound", json!({ "what": over.what, "max": over.max }))
            }
            Invalid::Unread { missing, fault } => unread(&self.process, &missing, fault),
        })
    }
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
    let detail = format!("an execution is `application/json`, not `{}`", cut(kind));
    Err(Exception::new(Kind::UnsupportedMediaType, detail))
}

/// The body as JSON; what stands in it is for the references and the member to say.
fn read(body: &Bytes) -> Result<Value, Exception> {
    if body.trim_ascii().is_empty() {
        let detail = "the request has no body; an execution is a JSON object, at least `{}`";
        return Err(Exception::new(Kind::InvalidRequest, detail).with("pointer", ""));
    }
    let document: Value = serde_json::from_slice(body).map_err(|error| {
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

/// Why nobody executes, as the document that an execution answers.
pub fn refused(choice: &Choice) -> Option<Exception> {
    let refusal = choice.refusal.as_ref()?;
    let kind = match refusal.refused {
        Refused::NoSuchProcess { .. } => Kind::NoSuchProcess,
        Refused::Expired => Kind::DataExpired,
        Refused::NotKept => Kind::DataNotKept,
        Refused::Unlocated => Kind::DataLocationUnknown,
        Refused::Spread => Kind::DataSpread,
        Refused::NotNearData { .. } => Kind::ProcessNotNearData,
        Refused::Credentials { .. } => Kind::CredentialsNotForwardable,
        Refused::Unavailable { .. } | Refused::Unread { .. } => Kind::MemberUnavailable,
        Refused::Ambiguous { .. } => Kind::AmbiguousDataLocation,
    };
    let decision = &choice.decision;
    let candidates: Vec<_> = decision.candidates.iter().map(|candidate| &candidate.member).collect();
    let mut exception = Exception::new(kind, refusal.sentence.clone())
        .with("references", references(&decision.located))
        .with("candidates", json!(candidates))
        .with("pins", json!(proposed(decision, &refusal.refused)));
    match &refusal.refused {
        Refused::NoSuchProcess { elsewhere } => exception = exception.with("offered_by", json!(elsewhere.members)),
        Refused::NotNearData { holders } => exception = exception.with("holders", json!(holders)),
        Refused::Expired => exception = exception.with("expired", json!(refusal.expired)),
        Refused::Credentials { members } => {
            exception.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            exception = exception.with("members", json!(members));
        }
        Refused::Unavailable { members, retry_after_s } => {
            let seconds = retry_after_s.unwrap_or(RETRY_AFTER_S);
            exception = exception.with("members", json!(members)).retry_after(seconds);
        }
        Refused::Unread { members } => {
            exception = exception.with("members", json!(members)).retry_after(RETRY_AFTER_S);
        }
        Refused::Ambiguous { members } => exception = exception.with("members", json!(members)),
        Refused::Unlocated | Refused::Spread | Refused::NotKept => {}
    }
    Some(exception)
}

/// Members that might have the process gave no answer.
fn unread(process: &str, missing: &[MemberId], fault: Fault) -> Exception {
    let detail = format!(
        "it cannot be told whether a process `{}` is offered: {} could not be asked; try again shortly",
        cut(process),
        series(missing, "and")
    );
    let kind = match fault {
        // The member's own refusal is relayed: with credentials it may answer.
        Fault::Unauthorized => {
            let detail = format!("{} describes `{}` only to those it knows", series(missing, "and"), cut(process));
            let mut exception = Exception::new(Kind::MemberRefused, detail).with("members", json!(missing));
            exception.status = StatusCode::UNAUTHORIZED;
            exception.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            return exception;
        }
        Fault::Forbidden => {
            let detail = format!("{} does not let you see `{}`", series(missing, "and"), cut(process));
            let mut exception = Exception::new(Kind::MemberRefused, detail).with("members", json!(missing));
            exception.status = StatusCode::FORBIDDEN;
            return exception;
        }
        Fault::Timeout => Kind::UpstreamTimeout,
        Fault::BadResponse | Fault::TooLarge | Fault::Unsupported => Kind::UpstreamContract,
        _ => Kind::MemberUnavailable,
    };
    Exception::new(kind, detail).retry_after(RETRY_AFTER_S).with("members", json!(missing))
}

fn process_links(call: &Call, process: &Process) -> Vec<Value> {
    let own = call.links.to(&format!("/processes/{}", encode(&process.id)));
    let execution = format!("{own}/execution");
    vec![link("self", &own, JSON), link("root", &call.links.root(), JSON), link(EXECUTE, &execution, JSON)]
}

/// The order of the list: logical ids, then pinned ones, each in byte order.
fn place(process: &Process) -> (bool, &str) {
    (process.is_pinned, process.id.as_str())
}

fn token(last: &Process) -> String {
    let mark = if last.is_pinned { 'p' } else { 'l' };
    URL_SAFE_NO_PAD.encode(format!("{mark}{}", last.id))
}

/// The parameters of the list.
#[derive(Debug)]
struct Asked {
    limit: usize,
    q: Option<String>,
    /// The last process given: whether it was a pinned one, and its id.
    after: Option<(bool, String)>,
}

impl Asked {
    fn of(pairs: &[(String, String)]) -> Result<Self, Exception> {
        let invalid = |detail: String| Exception::new(Kind::InvalidRequest, detail);
        let mut asked = Self { limit: PAGE_MAX, q: None, after: None };
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => {
                    asked.limit = limit(value).ok_or_else(|| {
                        let given = cut(value);
                        invalid(format!(
                            "`limit` is `{given}`; accepted: a whole number from 1; a page has at most {PAGE_MAX}"
                        ))
                    })?;
                }
                "token" => {
                    let last = last(value);
                    let last = last.ok_or_else(|| invalid("`token` is not one that `/processes` gave out".into()))?;
                    asked.after = Some(last);
                }
                "q" if !value.trim().is_empty() => asked.q = Some(value.clone()),
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// A limit of at least 1; larger ones are clamped.
fn limit(value: &str) -> Option<usize> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Digits that do not fit are a large number.
    let limit = digits.then(|| value.parse().unwrap_or(usize::MAX))?;
    (limit > 0).then(|| limit.min(PAGE_MAX))
}

fn last(token: &str) -> Option<(bool, String)> {
    let bytes = (token.len() <= TOKEN_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
    let text = String::from_utf8(bytes).ok()?;
    let (mark, id) = (text.chars().next()?, text.get(1..)?);
    match mark {
        'p' => Some((true, id.to_owned())),
        'l' => Some((false, id.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_list_are_read_or_refused() {
        let asked = |name: &str, value: &str| Asked::of(&[(name.to_owned(), value.to_owned())]);
        assert_eq!(asked("limit", "7").unwrap().limit, 7);
        assert_eq!(asked("limit", "99999999999999999999999").unwrap().limit, PAGE_MAX);
        for bad in ["0", "-1", "", "1.5", "ten"] {
            let exception = asked("limit", bad).unwrap_err();
            assert_eq!((exception.kind, exception.status.as_u16()), (Kind::InvalidRequest, 400), "{bad}");
        }
        assert_eq!(asked("token", &URL_SAFE_NO_PAD.encode("pA:x")).unwrap().after, Some((true, "A:x".into())));
        for bad in ["", "!", &URL_SAFE_NO_PAD.encode("x"), &URL_SAFE_NO_PAD.encode([0xff]), &"A".repeat(2000)] {
            assert!(asked("token", bad).is_err(), "{bad}");
        }
        assert_eq!(asked("q", " ").unwrap().q, None);
    }

    #[test]
    fn bodies_that_are_no_execution_are_refused_with_their_place() {
        for (body, pointer) in [
            ("", ""),
            (" \n", ""),
            ("[]", ""),
            ("{", ""),
            ("\"x\"", ""),
            (r#"{"inputs": 5}"#, "/inputs"),
            (r#"{"outputs": "x"}"#, "/outputs"),
        ] {
            let exception = read(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!((exception.kind, &exception.more["pointer"]), (Kind::InvalidRequest, &json!(pointer)), "{body}");
        }
        for body in ["{}", r#"{"inputs": {}, "outputs": {}, "other": 1}"#, r#"{"inputs": []}"#] {
            assert!(read(&Bytes::from_static(body.as_bytes())).is_ok(), "{body}");
        }
    }
}
