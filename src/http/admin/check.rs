//! `POST /admin/members/check`: the onboarding checklist for a form or a script.
//!
//! It makes the broker ask an address that somebody sends, so it is answered here alone, for JSON only (which no page of
//! another site can send without asking first), a few at a time; and addresses of the own network, which a federation
//! file would have to call `internal`, are for those who show a token.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::super::params;
use super::super::respond::{self, Keep};
use super::{Office, refused};
use crate::federation::Kind;
use crate::onboarding::{Candidate, Registered, check};

/// Checks at the same time: each sends some tens of requests.
const AT_ONCE: usize = 2;
/// An address, an id, two flags.
const BODY_BYTES_MAX: usize = 4 << 10;
const BODY_TIME: Duration = Duration::from_secs(5);
/// When a check has most likely ended.
const RETRY_AFTER_S: &str = "30";

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

pub(super) async fn answer(State(office): State<Office>, request: Request) -> Response {
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !json.is_some_and(|media| media.trim().to_ascii_lowercase().starts_with("application/json")) {
        let wanted = "send the body as `Content-Type: application/json`";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", wanted);
    }
    let body = match params::body(request.into_body(), BODY_BYTES_MAX, BODY_TIME).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => {
            let text = format!("the body is not `{{\"url\": …, \"internal\": …, \"kind\": …, \"id\": …}}`: {error}");
            return refused(StatusCode::BAD_REQUEST, "InvalidParameterValue", &text);
        }
    };
    if asked.internal && office.token.is_none() {
        let text = "`internal` needs an admin token: set `server.admin_token`";
        return refused(StatusCode::FORBIDDEN, "Forbidden", text);
    }
    let kind = match asked.kind.as_deref().map(|name| (name, Kind::named(name))) {
        Some((name, None)) => {
            let text = format!("`kind` is `{name}`, not one of {}", Kind::ALL.map(Kind::name).join(", "));
            return refused(StatusCode::BAD_REQUEST, "InvalidParameterValue", &text);
        }
        named => named.and_then(|(_, kind)| kind),
    };
    let Ok(_turn) = TURNS.try_acquire() else {
        let busy = refused(StatusCode::SERVICE_UNAVAILABLE, "Busy", "other checks are under way; try again");
        return ([(header::RETRY_AFTER, RETRY_AFTER_S)], busy).into_response();
    };
    let federation = office.broker.snapshot().federation.clone();
    let registered = Registered::of(&federation, "the federation file", &asked.url, asked.id.as_deref());
    let candidate = Candidate {
        url: asked.url,
        internal: asked.internal,
        kind,
        id: asked.id,
        limits: federation.limits.clone(),
        registered: Some(registered),
    };
    match check(&candidate, &|_| ()).await {
        Ok(report) => respond::json(&report.to_json(), Keep::Never),
        Err(wrong) => {
            let internal = wrong.is_internal.then(|| "`\"internal\": true` says that it is meant".to_owned());
            let hint = internal.or(wrong.hint).map(|hint| format!("; {hint}")).unwrap_or_default();
            refused(StatusCode::BAD_REQUEST, "InvalidParameterValue", &format!("{}{hint}", wrong.sentence))
        }
    }
}
