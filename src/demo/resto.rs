//! A STAC API of the kind resto 10, as EDITO runs it: by what its source does, not by what it declares.
//!
//! A POST becomes parameters of a GET, and a member of the body that is none is refused. A parameter of a GET that it does
//! not know is a word to look for, which no Item has. `startDate` is all it sorts by: down without a sign, up with a minus.
//! `datetime` is held against the start of an Item alone. `ids` override everything else, and of several it makes nothing.
//! Pages go on at numbers "less than" the last one, whatever the order; a full last page has a `next` to an empty one.
//! Counts of a hundred or more are estimates. It says that it filters; the demo's does not say so, and does not.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::api;
use super::catalog::{Entry, segment};
use super::conditions::Conditions;
use super::server::{Site, answer, document, refused};

/// Items of a page when none are asked for, and at most: more are refused.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 500;
/// Counts from here on are estimates.
const EXACT_BELOW: usize = 100;
/// What it knows of a GET.
const PARAMETERS: [&str; 8] = ["limit", "collections", "ids", "intersects", "bbox", "datetime", "sortby", "next"];

pub fn routes(site: &Site) -> Router {
    let base = site.habits.base;
    let searches = Router::new()
        .route(base, get(landing))
        .route(&format!("{base}/"), get(landing))
        .route(&format!("{base}/conformance"), get(conformance))
        .route(&format!("{base}/collections/{{collection}}/items"), get(items))
        .route(&format!("{base}/search"), any(search))
        .with_state(site.clone());
    api::documents(site).merge(searches)
}

async fn landing(State(site): State<Site>) -> Response {
    let mut page = api::landing_page(&site, &api::CLASSES, true);
    page["resto:version"] = json!("10.1.0");
    document(&page)
}

async fn conformance() -> Response {
    document(&json!({ "conformsTo": api::CLASSES }))
}

async fn items(State(site): State<Site>, Path(collection): Path<String>, RawQuery(query): RawQuery) -> Response {
    let own = format!("{}/collections/{}/items", site.url, segment(&collection));
    let mut given = pairs(&query.unwrap_or_default());
    given.retain(|(name, _)| name != "collections");
    given.push(("collections".to_owned(), collection));
    told(listed(&site, &own, &given))
}

async fn search(State(site): State<Site>, method: Method, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let own = format!("{}/search", site.url);
    match method {
        Method::GET | Method::HEAD => told(listed(&site, &own, &pairs(&query.unwrap_or_default()))),
        Method::POST => told(parameters(&body).and_then(|given| listed(&site, &own, &given))),
        _ => {
            let refusal = refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Method Not Allowed");
            ([(header::ALLOW, "GET, HEAD, POST")], refusal).into_response()
        }
    }
}

fn told(page: Result<String, String>) -> Response {
    match page {
        Ok(page) => answer(StatusCode::OK, "application/geo+json", page),
        Err(description) => refused(StatusCode::BAD_REQUEST, "BadRequest", &description),
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The members of a body as parameters. Of a list to sort by there is none.
fn parameters(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|wrong| wrong.to_string())?;
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameter = |(name, value): (String, Value)| {
        if name == "sortby" || !PARAMETERS.contains(&name.as_str()) {
            return Err(format!("`{name}` is not known"));
        }
        let text = match &value {
            Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
            other => plain(other),
        };
        Ok((name, text))
    };
    body.into_iter().map(parameter).collect()
}

/// An Item with the number that it is sorted by.
type Row<'a> = (i64, &'a Entry);

/// Milliseconds of the start, and which one of the catalogue it is: what the place of a list means.
fn rows(site: &Site) -> Vec<Row<'_>> {
    let entries = site.catalog.entries.iter().zip(1_i64..);
    entries.map(|(entry, count)| (number(entry.span.0) | count, entry)).collect()
}

/// The first number of an instant; 17 bits count what shares it.
fn number(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis() << 17
}

fn listed(site: &Site, own: &str, given: &[(String, String)]) -> Result<String, String> {
    let value = |wanted: &str| given.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let limit = match value("limit").map(str::parse) {
        None => PAGE_DEFAULT,
        Some(Ok(limit @ 1..=PAGE_MAX)) => limit,
        Some(_) => return Err(format!("`limit` is a whole number from 1 to {PAGE_MAX}")),
    };
    let mut found = rows(site);
    if given.iter().any(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        found.clear();
    }
    match value("ids") {
        Some(ids) => found.retain(|(_, entry)| entry.id == ids),
        None => restrict(&mut found, given)?,
    }
    found.sort_by_key(|(number, _)| *number);
    match value("sortby") {
        None | Some("startDate") => found.reverse(),
        Some("-startDate") => {}
        Some(other) => return Err(format!("`sortby` is `{other}`; accepted: startDate, -startDate")),
    }
    let matched = found.len();
    if let Some(next) = value("next") {
        let next: i64 = next.parse().map_err(|_no_number| "`next` is no number")?;
        found.retain(|(number, _)| *number < next);
    }
    found.truncate(limit);
    Ok(page(site, own, given, &found, matched, limit))
}

/// The conditions beside `ids`.
fn restrict(found: &mut Vec<Row<'_>>, given: &[(String, String)]) -> Result<(), String> {
    let mut plain = form_urlencoded::Serializer::new(String::new());
    for (name, value) in given {
        match name.as_str() {
            "bbox" if value.split(',').count() != 4 => return Err("`bbox` has four numbers".to_owned()),
            "bbox" | "intersects" | "collections" => drop(plain.append_pair(name, value)),
            "datetime" => {
                let (from, until) = starts(value)?;
                found.retain(|(number, _)| from.is_none_or(|from| *number >= from));
                found.retain(|(number, _)| until.is_none_or(|until| *number <= until));
            }
            _ => {}
        }
    }
    let asked = Conditions::from_query(&plain.finish())?;
    found.retain(|(_, entry)| asked.hold(entry));
    Ok(())
}

/// First and last number of an interval. Both ends are first numbers of their instant, so that of the last millisecond
/// nothing is found; an instant is its second.
fn starts(text: &str) -> Result<(Option<i64>, Option<i64>), String> {
    let at = |text: &str| {
        let at = DateTime::parse_from_rfc3339(text).map_err(|wrong| format!("`datetime` is `{text}`: {wrong}"))?;
        Ok::<_, String>(at.to_utc())
    };
    let end = |text: &str| if matches!(text, "" | "..") { Ok(None) } else { at(text).map(|at| Some(number(at))) };
    if let Some((from, until)) = text.split_once('/') {
        return Ok((end(from)?, end(until)?));
    }
    let second = at(text)?.with_nanosecond(0).ok_or("`datetime` has no such second")?;
    Ok((Some(number(second)), Some(number(second + TimeDelta::seconds(1)))))
}

fn page(site: &Site, own: &str, given: &[(String, String)], found: &[Row<'_>], matched: usize, limit: usize) -> String {
    let link = |rel: &str, href: &str| json!({ "rel": rel, "type": "application/geo+json", "href": href });
    let mut links = vec![link("self", own), link("root", &format!("{}/", site.url))];
    if let Some((last, _)) = found.last().filter(|_| found.len() == limit) {
        let kept = given.iter().filter(|(name, _)| name != "next" && name != "limit");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("next", &last.to_string()).append_pair("limit", &limit.to_string());
        links.push(link("next", &format!("{own}?{}", query.finish())));
    }
    let (matched, exact) = (estimate(matched), matched < EXACT_BELOW);
    let features: Vec<&str> = found.iter().map(|(_, entry)| entry.text.as_str()).collect();
    let context = json!({ "returned": found.len(), "limit": limit, "matched": matched, "exactCount": exact });
    format!(
        r#"{{"type":"FeatureCollection","links":{},"context":{context},"numberMatched":{matched},"numberReturned":{},"features":[{}]}}"#,
        Value::from(links),
        found.len(),
        features.join(","),
    )
}

/// Two digits of a large count.
fn estimate(count: usize) -> usize {
    let mut unit = 1;
    while count / unit >= EXACT_BELOW {
        unit *= 10;
    }
    (count + unit / 2) / unit * unit
}
