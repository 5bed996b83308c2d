//! A STAC API that does what it says: landing page, Collections, Items, Item Search.
//!
//! Collections and single Items are answered alike by all that speak STAC; `resto.rs` takes them from here.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::catalog::{Entry, segment};
use super::conditions::Conditions;
use super::habits::{Api, NextForm};
use super::server::{Site, answer, document, refused};

/// Items of a page when none are asked for.
const PAGE_ITEMS_DEFAULT: usize = 10;

/// What the requests that search see.
#[derive(Clone)]
struct Searched {
    site: Site,
    ways: Api,
}

pub fn routes(site: &Site, ways: Api) -> Router {
    let base = site.habits.base;
    let searched = Searched { site: site.clone(), ways };
    let searches = Router::new()
        .route(base, get(landing))
        .route(&format!("{base}/"), get(landing))
        .route(&format!("{base}/conformance"), get(conformance))
        .route(&format!("{base}/collections/{{collection}}/queryables"), get(queryables))
        .route(&format!("{base}/collections/{{collection}}/items"), get(items))
        .route(&format!("{base}/search"), any(search))
        .with_state(searched);
    documents(site).merge(searches)
}

/// Collections and single Items.
pub fn documents(site: &Site) -> Router {
    let base = site.habits.base;
    Router::new()
        .route(&format!("{base}/collections"), get(collections))
        .route(&format!("{base}/collections/{{collection}}"), get(collection))
        .route(&format!("{base}/collections/{{collection}}/items/{{item}}"), get(item))
        .with_state(site.clone())
}

/// The classes of every STAC API here.
pub const CLASSES: [&str; 7] = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
];

fn classes(ways: Api) -> Vec<&'static str> {
    let mut classes = CLASSES.to_vec();
    if ways.filters {
        classes.extend([
            "https://api.stacspec.org/v1.0.0/item-search#filter",
            "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
            "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
            "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
            "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
        ]);
    }
    classes
}

/// A landing page, and whether it names POST.
pub fn landing_page(site: &Site, classes: &[&str], post: bool) -> Value {
    let url = &site.url;
    let link = |rel: &str, href: String| json!({ "rel": rel, "type": "application/json", "href": href });
    let search = |method: &str| json!({ "rel": "search", "type": "application/geo+json", "method": method, "href": format!("{url}/search") });
    let mut links = vec![
        link("self", format!("{url}/")),
        link("root", format!("{url}/")),
        link("conformance", format!("{url}/conformance")),
        link("data", format!("{url}/collections")),
        search("GET"),
    ];
    if post {
        links.push(search("POST"));
    }
    json!({
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": site.habits.id.to_lowercase(),
        "title": site.habits.title,
        "description": format!("Embedded member of the demo federation: {}.", site.habits.habit),
        "conformsTo": classes,
        "links": links,
    })
}

async fn landing(State(Searched { site, ways }): State<Searched>) -> Response {
    document(&landing_page(&site, &classes(ways), ways.post))
}

async fn conformance(State(Searched { ways, .. }): State<Searched>) -> Response {
    document(&json!({ "conformsTo": classes(ways) }))
}

async fn collections(State(site): State<Site>) -> Response {
    let list: Vec<&Value> = site.catalog.collections.iter().map(|(_, document)| document).collect();
    document(&json!({
        "collections": list,
        "numberMatched": list.len(),
        "numberReturned": list.len(),
        "links": [
            { "rel": "self", "type": "application/json", "href": format!("{}/collections", site.url) },
            { "rel": "root", "type": "application/json", "href": format!("{}/", site.url) },
        ],
    }))
}

async fn collection(State(site): State<Site>, Path(id): Path<String>) -> Response {
    match site.catalog.collections.iter().find(|(known, _)| *known == id) {
        Some((_, found)) => document(found),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such Collection"),
    }
}

/// What conditions can name, where the member filters: the properties that its Items have, with their types.
async fn queryables(State(Searched { site, ways }): State<Searched>, Path(id): Path<String>) -> Response {
    let known = site.catalog.collections.iter().any(|(known, _)| *known == id);
    if !known || !ways.filters {
        return refused(StatusCode::NOT_FOUND, "NotFound", "no queryables of such a Collection");
    }
    let mut properties = Map::new();
    for name in ["id", "collection"] {
        properties.insert(name.to_owned(), json!({ "type": "string" }));
    }
    properties.insert("geometry".to_owned(), json!({ "format": "geometry-any" }));
    for entry in site.catalog.entries.iter().filter(|entry| entry.collection == id) {
        for (name, value) in entry.properties() {
            properties.entry(name.clone()).or_insert_with(|| schema(&name, &value));
        }
    }
    document(&json!({
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": format!("{}/collections/{}/queryables", site.url, segment(&id)),
        "type": "object",
        "properties": properties,
        "additionalProperties": true,
    }))
}

fn schema(name: &str, value: &Value) -> Value {
    match value {
        _ if name.ends_with("datetime") => json!({ "type": "string", "format": "date-time" }),
        Value::Number(_) => json!({ "type": "number" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Array(_) => json!({ "type": "array" }),
        Value::Object(_) => json!({ "type": "object" }),
        Value::String(_) | Value::Null => json!({ "type": "string" }),
    }
}

async fn item(State(site): State<Site>, Path((collection, id)): Path<(String, String)>) -> Response {
    match site.catalog.entries.iter().find(|entry| entry.collection == collection && entry.id == id) {
        Some(found) => answer(StatusCode::OK, "application/geo+json", found.text.clone()),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such Item"),
    }
}

async fn items(State(at): State<Searched>, Path(collection): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let path = format!("{}/collections/{}/items", at.site.url, segment(&collection));
    let asked = Conditions::from_query(&query).map(|asked| Conditions { collections: Some(vec![collection]), ..asked });
    listed(&at, asked, &Request::Get { path, query })
}

async fn search(State(at): State<Searched>, method: Method, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let path = format!("{}/search", at.site.url);
    match method {
        Method::GET | Method::HEAD => {
            let query = query.unwrap_or_default();
            listed(&at, Conditions::from_query(&query), &Request::Get { path, query })
        }
        Method::POST if at.ways.post => match serde_json::from_slice::<Map<String, Value>>(&body) {
            Ok(body) => listed(&at, Conditions::from_body(&body), &Request::Post { path, body }),
            Err(wrong) => listed(&at, Err(wrong.to_string()), &Request::Get { path, query: String::new() }),
        },
        _ => {
            let allow = if at.ways.post { "GET, HEAD, POST" } else { "GET, HEAD" };
            let refusal = refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "Method Not Allowed");
            ([(header::ALLOW, allow)], refusal).into_response()
        }
    }
}

/// How a list was asked for: what its `next` link repeats.
enum Request {
    Get { path: String, query: String },
    Post { path: String, body: Map<String, Value> },
}

fn listed(at: &Searched, asked: Result<Conditions, String>, request: &Request) -> Response {
    let Searched { site, ways } = at;
    let asked = match asked {
        Ok(asked) => asked,
        Err(description) => return refused(StatusCode::BAD_REQUEST, "BadRequest", &description),
    };
    let asked = if ways.filters { asked } else { Conditions { filter: None, ..asked } };
    let limit = asked.limit.unwrap_or(PAGE_ITEMS_DEFAULT).min(ways.page_items_max);
    let Some(from) = start(ways.next, asked.place.as_ref(), limit) else {
        return refused(StatusCode::BAD_REQUEST, "BadRequest", "the paging parameter was not made here");
    };

    let mut found: Vec<&Entry> = site.catalog.entries.iter().filter(|entry| asked.hold(entry)).collect();
    if !asked.sortby.is_empty() {
        found.sort_by(|a, b| asked.compare(a, b));
    }
    let page = found.get(from..).unwrap_or_default();
    let page = &page[..page.len().min(limit)];
    let mut links = vec![json!({ "rel": "root", "type": "application/json", "href": format!("{}/", site.url) })];
    if from + page.len() < found.len() {
        links.push(next(ways.next, request, from + limit, limit));
    }
    answer(StatusCode::OK, "application/geo+json", feature_collection(page, found.len(), &links))
}

fn feature_collection(page: &[&Entry], matched: usize, links: &[Value]) -> String {
    let features: Vec<&str> = page.iter().map(|entry| entry.text.as_str()).collect();
    format!(
        r#"{{"type":"FeatureCollection","features":[{}],"links":{},"numberMatched":{matched},"numberReturned":{}}}"#,
        features.join(","),
        Value::from(links.to_vec()),
        page.len(),
    )
}

/// Items to leave out before the page; `None` when the place was not made here.
fn start(form: NextForm, place: Option<&(String, String)>, limit: usize) -> Option<usize> {
    let Some((name, value)) = place else { return Some(0) };
    if name != form.parameter() {
        return Some(0); // a parameter of other members, unknown here
    }
    match form {
        NextForm::WholeBody => value.strip_prefix("from:")?.parse().ok(),
        NextForm::PageNumber => value.parse::<usize>().ok()?.checked_sub(1)?.checked_mul(limit),
    }
}

/// The link to the page that begins at `from`.
fn next(form: NextForm, request: &Request, from: usize, limit: usize) -> Value {
    let place = match form {
        NextForm::WholeBody => format!("from:{from}"),
        NextForm::PageNumber => (from / limit + 1).to_string(),
    };
    match request {
        Request::Get { path, query } => {
            let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != form.parameter());
            let mut again = form_urlencoded::Serializer::new(String::new());
            again.extend_pairs(kept).append_pair(form.parameter(), &place);
            json!({ "rel": "next", "type": "application/geo+json", "method": "GET", "href": format!("{path}?{}", again.finish()) })
        }
        Request::Post { path, body } => {
            let mut body = body.clone();
            body.insert(form.parameter().to_owned(), json!(place));
            json!({ "rel": "next", "type": "application/geo+json", "method": "POST", "href": path, "body": body })
        }
    }
}
