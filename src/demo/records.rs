//! OGC API - Records, Part 1: one catalogue of metadata records, each of which describes one dataset.
//!
//! There are no Items here. Which ones a broker makes of the records is said in `catalog.rs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::assets;
use super::catalog::{COLLECTIONS, Entry, extent, segment, text};
use super::server::{Site, document, refused, tagged};
use super::table::{self, Row};

/// Id of the catalogue, and of the Collection that a broker makes of it.
pub const CATALOGUE: &str = "emodnet";
/// Records of a page when none are asked for, and at most (clause 8.4.2).
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 200;
/// The classes that hold here.
const CLASSES: [&str; 5] = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-collection",
    "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/json",
];

/// What every request sees.
#[derive(Clone)]
struct Records {
    site: Site,
    /// Id and record, in the order of the table.
    list: Arc<[(String, Value)]>,
}

pub fn routes(site: &Site) -> Router {
    let base = site.habits.base;
    // The same text was read when the catalogue was made, which ends the start where a row is broken.
    let rows = table::rows(site.habits.table).unwrap_or_default();
    let list = rows.iter().map(|row| (row.id.clone(), record(site, row))).collect();
    Router::new()
        .route(base, get(landing))
        .route(&format!("{base}/"), get(landing))
        .route(&format!("{base}/conformance"), get(conformance))
        .route(&format!("{base}/collections"), get(collections))
        .route(&format!("{base}/collections/{CATALOGUE}"), get(collection))
        .route(&format!("{base}/collections/{CATALOGUE}/items"), get(items))
        .route(&format!("{base}/collections/{CATALOGUE}/items/{{id}}"), get(item))
        .with_state(Records { site: site.clone(), list })
}

fn link(rel: &str, href: &str) -> Value {
    json!({ "rel": rel, "type": "application/json", "href": href })
}

async fn landing(State(Records { site, .. }): State<Records>) -> Response {
    let url = &site.url;
    document(&json!({
        "title": site.habits.title,
        "description": format!("Embedded member of the demo federation: {}.", site.habits.habit),
        "conformsTo": CLASSES,
        "links": [
            link("self", &format!("{url}/")),
            link("conformance", &format!("{url}/conformance")),
            link("data", &format!("{url}/collections")),
        ],
    }))
}

async fn conformance() -> Response {
    document(&json!({ "conformsTo": CLASSES }))
}

async fn collections(State(Records { site, .. }): State<Records>) -> Response {
    let list: Vec<&Value> = site.catalog.collections.iter().map(|(_, document)| document).collect();
    document(&json!({ "collections": list, "links": [link("self", &format!("{}/collections", site.url))] }))
}

async fn collection(State(Records { site, .. }): State<Records>) -> Response {
    match site.catalog.collections.first() {
        Some((_, found)) => document(found),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such catalogue"),
    }
}

/// The catalogue of all records (clause 9): `itemType` tells it from a collection of features.
pub fn catalogue(habits: &super::Habits, url: &str, entries: &[Entry]) -> Option<(String, Value)> {
    let all: Vec<&Entry> = entries.iter().collect();
    let own = format!("{url}/collections/{CATALOGUE}");
    let document = json!({
        "id": CATALOGUE,
        "type": "Collection",
        "itemType": "record",
        "title": habits.title,
        "description": "Products of the thematic portals, one record for each.",
        "extent": extent(&all, false)?,
        "links": [
            link("self", &own),
            { "rel": "items", "type": "application/geo+json", "href": format!("{own}/items") },
        ],
    });
    Some((CATALOGUE.to_owned(), document))
}

/// One page: `type`, `limit` and `offset` count, all else is ignored.
async fn items(State(Records { site, list }): State<Records>, RawQuery(query): RawQuery, asked: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    let given = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let number = |name: &str, otherwise: usize| given(name).map_or(Ok(otherwise), |value| value.parse::<usize>());
    let (Ok(limit @ 1..), Ok(offset)) = (number("limit", PAGE_DEFAULT), number("offset", 0)) else {
        return refused(StatusCode::BAD_REQUEST, "InvalidParameterValue", "`limit` and `offset` are whole numbers");
    };
    let limit = limit.min(PAGE_MAX);
    let datasets = given("type").is_none_or(|kinds| kinds.split(',').any(|kind| kind == "dataset"));
    let found = if datasets { &list[..] } else { &[] };
    let page: Vec<&Value> = found.iter().skip(offset).take(limit).map(|(_, record)| record).collect();
    let own = format!("{}/collections/{CATALOGUE}/items", site.url);
    let at = |offset: usize| format!("{own}?type=dataset&limit={limit}&offset={offset}");
    let mut links = vec![link("self", &at(offset))];
    let following = offset.saturating_add(page.len());
    if datasets && following < found.len() {
        links.push(json!({ "rel": "next", "type": "application/geo+json", "href": at(following) }));
    }
    let body = json!({
        "type": "FeatureCollection",
        "numberMatched": found.len(),
        "numberReturned": page.len(),
        "features": page,
        "links": links,
    });
    tagged(&asked, "application/geo+json", body.to_string())
}

async fn item(State(Records { list, .. }): State<Records>, Path(id): Path<String>, asked: HeaderMap) -> Response {
    match list.iter().find(|(known, _)| *known == id) {
        Some((_, found)) => tagged(&asked, "application/geo+json", found.to_string()),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such record"),
    }
}

/// A record of one dataset (clause 8, Tables 8 to 12).
fn record(site: &Site, row: &Row) -> Value {
    let described = table::described(COLLECTIONS, site.habits.id);
    let theme = described.iter().find(|known| known.id == row.collection);
    let time = match (row.datetime, row.start, row.end) {
        (Some(at), ..) => json!({ "timestamp": text(at) }),
        (None, Some(start), Some(end)) => json!({ "interval": [text(start), text(end)] }),
        _ => Value::Null,
    };
    let own = format!("{}/collections/{CATALOGUE}/items/{}", site.url, segment(&row.id));
    json!({
        "type": "Feature",
        "id": row.id,
        "conformsTo": ["http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core"],
        "geometry": table::footprint(&row.footprint).as_ref().map(geojson::GeometryValue::from),
        "time": time,
        "properties": {
            "type": "dataset",
            "title": theme.map(|known| format!("{}: {}", known.title, row.id)),
            "description": theme.map(|known| known.description),
            "keywords": theme.map(|known| known.keywords.clone()),
            "license": assets::licence(site.habits.id).0,
            "contacts": [{ "organization": site.habits.title, "roles": ["publisher"] }],
        },
        "links": [
            { "rel": "self", "type": "application/geo+json", "href": own },
            link("collection", &format!("{}/collections/{CATALOGUE}", site.url)),
            { "rel": "preview", "type": "image/png", "href": format!("{own}/preview.png"), "title": "Preview" },
            { "rel": "item", "type": "image/tiff", "href": assets::coverage(row), "protocol": "OGC:WCS", "title": "The coverage as GeoTIFF" },
        ],
    })
}
