//! `GET /jobs`: the caller's jobs, where at least one member may be asked for them; else the path does not exist.

use axum::Extension;
use axum::extract::RawQuery;
use axum::response::Response;
use chrono::Utc;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::federation::Interval;
use crate::processes::listing::{self, Position, Wanted};

use super::door::Call;
use super::exception::{Exception, Kind};
use super::features::link;
use super::items::cut;
use super::jobs;
use super::params;
use super::respond::{self, JSON, Keep};

/// Jobs of one page (18-062r2, 11.2.2).
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 1000;

/// `GET /jobs`
pub async fn get(
    Extension(call): Extension<Call>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Exception> {
    if !listing::is_enabled(&call.snapshot) {
        let detail = "this federation lists no jobs; each job is found by the address that its execution answered";
        return Err(Exception::new(Kind::NotFound, detail));
    }
    let caller = jobs::caller(&headers)?;
    let query = query.unwrap_or_default();
    let wanted = read(&params::pairs(&query))?;
    let listed = listing::list(&call.snapshot, call.links.base(), &caller, &wanted, Utc::now()).await;
    if listed.without_credentials == listed.members {
        let detail =
            "jobs are listed only with your own credentials for the members, and the request has no `Authorization`";
        let mut exception = Exception::new(Kind::CredentialsNotForwardable, detail);
        exception.headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        return Err(exception);
    }
    let href = call.links.to("/jobs");
    let mut links = vec![
        link("self", &params::with_query(&href, &query), JSON),
        link("root", &call.links.root(), JSON),
        link("up", &call.links.root(), JSON),
    ];
    links.extend(listed.next.map(|next| link("next", &params::with_token(&href, &query, &next.token()), JSON)));
    let jobs: Vec<Value> = listed.jobs.into_iter().map(Value::Object).collect();
    let mut document = json!({ "jobs": jobs, "links": links });
    if !listed.missing.is_empty() {
        document["federation:missing"] = json!(listed.missing);
    }
    let mut response = respond::json(&document, Keep::Never);
    respond::say_missing(&mut response, listed.missing.iter().map(crate::federation::MemberId::as_str));
    Ok(response)
}

/// Reads the parameters of the list; unknown ones are left out.
fn read(pairs: &[(String, String)]) -> Result<Wanted, Exception> {
    let mut wanted = Wanted { limit: LIMIT, ..Wanted::default() };
    for (name, value) in pairs {
        let refuse = |accepted: &str| {
            let detail = format!("`{name}` is `{}`; accepted: {accepted}", cut(value));
            Exception::new(Kind::InvalidRequest, detail).with("parameter", name.as_str())
        };
        let list = || value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned);
        let seconds = || value.parse().map_err(|_not_a_number| refuse("a whole number of seconds"));
        match name.as_str() {
            "status" => wanted.states.extend(list()),
            "processID" => wanted.processes.extend(list()),
            "datetime" => {
                let accepted = |clause: String| refuse(&format!("an RFC 3339 time or interval (this one {clause})"));
                wanted.datetime = Some(Interval::from_param(value).map_err(accepted)?);
            }
            "minDuration" => wanted.duration_min = Some(seconds()?),
            "maxDuration" => wanted.duration_max = Some(seconds()?),
            "limit" => {
                let limit = value.parse::<usize>().ok().filter(|limit| *limit > 0);
                let limit = limit.ok_or_else(|| refuse("a whole number of 1 or more"))?;
                wanted.limit = limit.min(LIMIT_MAX);
            }
            "token" => {
                wanted.after = Some(Position::read(value).ok_or_else(|| refuse("a token of a `next` link"))?);
            }
            _ => {}
        }
    }
    Ok(wanted)
}
