//! A catalogue of files, as the Marine Service publishes it: `catalog.stac.json`, one `product.stac.json` for each
//! Collection and one `dataset.stac.json` for each Item, joined by relative links. There is no API.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::catalog::{Entry, segment};
use super::server::{Site, refused, tagged};

/// Name of the root document.
pub const ROOT: &str = "catalog.stac.json";

/// Documents by their path below the folder of the root document.
type Documents = Arc<BTreeMap<String, String>>;

pub fn routes(site: &Site) -> Router {
    let path = format!("{}/{{*path}}", site.habits.base);
    Router::new().route(&path, get(document)).with_state(Documents::new(documents(site)))
}

fn documents(site: &Site) -> BTreeMap<String, String> {
    let collections = &site.catalog.collections;
    let mut all = BTreeMap::from([(ROOT.to_owned(), root(site).to_string())]);
    all.extend(collections.iter().map(|(id, document)| (format!("{id}/product.stac.json"), document.to_string())));
    let path = |entry: &Entry| format!("{}/{}/dataset.stac.json", entry.collection, entry.id);
    all.extend(site.catalog.entries.iter().map(|entry| (path(entry), entry.text.clone())));
    all
}

async fn document(State(documents): State<Documents>, Path(path): Path<String>, asked: HeaderMap) -> Response {
    match documents.get(&path) {
        Some(text) => tagged(&asked, "application/json", text.clone()),
        None => refused(StatusCode::NOT_FOUND, "NotFound", "no such file"),
    }
}

fn link(rel: &str, href: &str) -> Value {
    json!({ "rel": rel, "type": "application/json", "href": href })
}

fn root(site: &Site) -> Value {
    let child = |(id, document): &(String, Value)| {
        let mut child = link("child", &format!("{}/product.stac.json", segment(id)));
        child["title"] = document["title"].clone();
        child
    };
    let mut links = vec![link("root", ROOT)];
    links.extend(site.catalog.collections.iter().map(child));
    json!({
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": site.habits.id.to_lowercase(),
        "title": site.habits.title,
        "description": format!("Embedded member of the demo federation: {}.", site.habits.habit),
        "links": links,
    })
}

/// Links of an Item, which lies two folders below the root document.
pub fn item_links() -> Value {
    let of = "../product.stac.json";
    json!([link("root", &format!("../../{ROOT}")), link("parent", of), link("collection", of)])
}

/// Links of a Collection, which has its Items below its own folder.
pub fn collection_links(items: &[&Entry]) -> Vec<Value> {
    let root = format!("../{ROOT}");
    let mut links = vec![link("root", &root), link("parent", &root)];
    links.extend(items.iter().map(|entry| link("item", &format!("{}/dataset.stac.json", segment(&entry.id)))));
    links
}
