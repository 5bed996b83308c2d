//! `GET` and `POST /search`, and the explanation of either. What a search means is decided in the room `search`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::search::outcome::Status;
use crate::search::{Answer, Clock, Report, SearchError, SearchRequest};

use super::access;
use super::door::{Call, Face};
use super::features::{self, link};
use super::measure;
use super::params;
use super::problem::{Problem, RETRY_MISSED};
use super::queryables;
use super::respond::{self, GEOJSON, JSON, Keep};

/// How the next page of an answer is asked for.
pub enum Paging<'a> {
    /// The original parameters and the token.
    Get { href: &'a str, query: &'a str },
    /// The complete original body and the token.
    Post { href: &'a str, body: &'a Value },
}

impl Paging<'_> {
    /// A link that goes on with a cursor: `next` (P1, P2) or `retry-missed` (P10).
    pub fn onward(&self, rel: &str, token: &str) -> Value {
        match self {
            Self::Get { href, query } => json!({
                "rel": rel, "href": params::with_token(href, query, token), "type": GEOJSON, "method": "GET",
            }),
            Self::Post { href, body } => {
                let mut body = (*body).clone();
                if let Some(members) = body.as_object_mut() {
                    members.insert("token".into(), json!(token));
                }
                json!({ "rel": rel, "href": href, "type": GEOJSON, "method": "POST", "body": body, "merge": false })
            }
        }
    }

    /// The pattern of the path.
    fn route(&self) -> &'static str {
        match self {
            Self::Get { href, .. } if href.ends_with("/items") => "/collections/{collection}/items",
            _ => "/search",
        }
    }

    fn own(&self) -> Value {
        match self {
            Self::Get { href, query } => link("self", &params::with_query(href, query), GEOJSON),
            Self::Post { href, .. } => link("self", href, GEOJSON),
        }
    }
}

/// `GET /search`
pub async fn get(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let request = SearchRequest::from_query(&params::pairs(&query), &call.snapshot.federation.limits)?;
    let href = call.links.to("/search");
    run(&face, &call, request, &headers, &Paging::Get { href: &href, query: &query }, &[]).await
}

/// `POST /search`
pub async fn post(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = posted(&call, body).await?;
    let request = SearchRequest::from_body(&body, &call.snapshot.federation.limits)?;
    // Accepted above, so this reads too; the value serves the next link only.
    let value = serde_json::from_slice(&body).unwrap_or_else(|_| json!({}));
    let href = call.links.to("/search");
    run(&face, &call, request, &headers, &Paging::Post { href: &href, body: &value }, &[]).await
}

/// `GET /search/explain`
pub async fn explain_get(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = params::pairs(&query.unwrap_or_default());
    explain(&face, &call, SearchRequest::from_query(&pairs, &call.snapshot.federation.limits)?).await
}

/// `POST /search/explain`
pub async fn explain_post(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    body: Body,
) -> Result<Response, Problem> {
    let body = posted(&call, body).await?;
    explain(&face, &call, SearchRequest::from_body(&body, &call.snapshot.federation.limits)?).await
}

/// The plan (S24); asks no member for Items.
async fn explain(face: &Face, call: &Call, mut request: SearchRequest) -> Result<Response, Problem> {
    queryables::declare_keys(face, call, &mut request).await?;
    let plan = crate::search::explained(&call.snapshot, &request, Utc::now())?;
    Ok(respond::json(&plan, Keep::Never))
}

/// The body of a search; none at all asks for everything.
async fn posted(call: &Call, body: Body) -> Result<Vec<u8>, Problem> {
    let limits = &call.snapshot.federation.limits;
    let body = params::body(body, limits.request_body_bytes_max, limits.deadline).await?;
    Ok(if body.trim_ascii().is_empty() { b"{}".to_vec() } else { body })
}

/// When a request runs and how long it may take: a client may lower the deadline, never raise it.
pub fn clock(call: &Call, wait_s: Option<u32>) -> Clock {
    let most = call.snapshot.federation.limits.deadline;
    let wait = wait_s.map_or(most, |seconds| most.min(Duration::from_secs(seconds.into())));
    Clock { now: Utc::now(), deadline: call.came + wait }
}

/// Searches and writes one page; `more` are further links of the answer.
pub async fn run(
    face: &Face,
    call: &Call,
    mut request: SearchRequest,
    headers: &HeaderMap,
    paging: &Paging<'_>,
    more: &[Value],
) -> Result<Response, Problem> {
    let applied = prefer(&mut request, headers);
    let clock = clock(call, request.wait_s);
    let begun = Instant::now();
    queryables::declare_keys(face, call, &mut request).await?;
    let searched = crate::search::search(&call.snapshot, &face.app.keys, &request, clock).await;
    match &searched {
        Ok(answer) => tell(face, call, &request, paging, begun, &answer.report, StatusCode::OK),
        Err(SearchError::Failed { report, kind, .. }) => {
            tell(face, call, &request, paging, begun, report, Problem::status_of(*kind));
        }
        Err(_) => {}
    }
    call.charge(face, requests(&searched));
    let mut answer = searched.map_err(|error| Problem::of_search(error, |rel, token| paging.onward(rel, token)))?;
    if answer.report.ignored.is_empty() {
        answer.report.ignored.clone_from(&request.ignored);
    }
    Ok(page(call, answer, &request, applied.as_deref(), paging, more))
}

/// Counts a page that came to its end, and writes its line.
fn tell(
    face: &Face,
    call: &Call,
    request: &SearchRequest,
    paging: &Paging<'_>,
    begun: Instant,
    report: &Report,
    status: StatusCode,
) {
    measure::search(report, request.limit, status == StatusCode::OK);
    face.seen.take(report, &call.snapshot.federation, Utc::now());
    let told = access::Told { route: paging.route(), status: status.as_u16(), took: begun.elapsed(), request };
    access::search(&call.snapshot, &told, report);
}

/// Requests that a search made to members.
fn requests(searched: &Result<Answer, SearchError>) -> u32 {
    let report = match searched {
        Ok(answer) => &answer.report,
        Err(SearchError::Failed { report, .. }) => report.as_ref(),
        Err(_) => return 0,
    };
    report.members.iter().map(|member| member.requests).sum()
}

/// Reads `Prefer`; gives what is honoured.
pub fn prefer(request: &mut SearchRequest, headers: &HeaderMap) -> Option<String> {
    request.prefer(headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()))
}

/// One page as an answer.
pub fn page(
    call: &Call,
    mut answer: Answer,
    request: &SearchRequest,
    applied: Option<&str>,
    paging: &Paging<'_>,
    more: &[Value],
) -> Response {
    for member in &mut answer.report.members {
        let is_well = matches!(member.status, Status::Ok | Status::Exhausted | Status::Joined);
        if !is_well && member.correlation.is_none() {
            member.correlation = Some(call.request_id.to_string());
        }
    }
    let mut links = vec![paging.own(), link("root", &call.links.root(), JSON)];
    links.extend_from_slice(more);
    links.extend(answer.next.as_deref().map(|token| paging.onward("next", token)));
    links.extend(answer.retry.as_deref().map(|token| paging.onward(RETRY_MISSED, token)));
    let bytes = features::collection(&answer, &call.snapshot, &call.links, request.fields.as_ref(), &links);
    let mut response = respond::document(GEOJSON, bytes, Keep::Revalidate);
    respond::say_missing(&mut response, answer.report.missing().into_iter().map(crate::federation::MemberId::as_str));
    if !answer.report.complete {
        respond::never_keep(&mut response);
    }
    respond::say_applied(&mut response, applied);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_of_a_get_keeps_the_parameters() {
        let paging = Paging::Get { href: "http://x/search", query: "limit=2&token=old" };
        let next = paging.onward("next", "new");
        assert_eq!(next["href"], "http://x/search?limit=2&token=new");
        assert_eq!((&next["method"], &next["type"]), (&json!("GET"), &json!(GEOJSON)));
    }

    #[test]
    fn next_of_a_post_has_the_complete_body() {
        let body = json!({ "limit": 2, "unknown": { "x": 1 }, "token": "old" });
        let next = Paging::Post { href: "http://x/search", body: &body }.onward("next", "new");
        assert_eq!(next["body"], json!({ "limit": 2, "unknown": { "x": 1 }, "token": "new" }));
        assert_eq!((&next["merge"], &next["method"]), (&json!(false), &json!("POST")));
        assert!(next.get("headers").is_none());
    }

    #[test]
    fn self_is_the_address_asked() {
        assert_eq!(Paging::Get { href: "http://x/s", query: "" }.own()["href"], "http://x/s");
        assert_eq!(Paging::Get { href: "http://x/s", query: "limit=1" }.own()["href"], "http://x/s?limit=1");
    }
}
