//! The landing page: a STAC Catalog for programs, a short page for people. Never waits for a member.

use axum::Extension;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::processes::listing;

use super::conformance;
use super::door::Call;
use super::features::link;
use super::queryables::{QUERYABLES_REL, SORTABLES_REL};
use super::respond::{self, GEOJSON, HTML, JSON, Keep, OPENAPI, SCHEMA};
use super::{federation, html, processes};

/// Above this many Collections no `child` links are given: plain clients fetch each of them.
const CHILDREN_MAX: usize = 200;

/// `GET /`
pub async fn get(Extension(call): Extension<Call>, headers: HeaderMap) -> Response {
    let catalog = catalog(&call);
    let mut response = if respond::prefers_html(&headers) {
        respond::document(HTML, html::landing(&catalog), Keep::Revalidate)
    } else {
        respond::json(&catalog, Keep::Revalidate)
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn catalog(call: &Call) -> Value {
    let declared = &call.snapshot.federation;
    // A Catalog needs a description that is not empty.
    let description = if declared.description.is_empty() { &declared.title } else { &declared.description };
    json!({
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": declared.id,
        "title": declared.title,
        "description": description,
        "conformsTo": conformance::classes(&call.snapshot),
        "links": links(call),
        "federation": federation::map(&call.snapshot),
    })
}

/// The links of `stac-api.md` section 4 that this release has.
fn links(call: &Call) -> Vec<Value> {
    let to = |path: &str| call.links.to(path);
    let search = |method: &str| json!({ "rel": "search", "href": to("/search"), "type": GEOJSON, "title": "Item Search", "method": method });
    let mut links = vec![
        link("self", &call.links.root(), JSON),
        link("root", &call.links.root(), JSON),
        link("data", &to("/collections"), JSON),
        search("GET"),
        search("POST"),
        link("conformance", &to("/conformance"), JSON),
        link("http://www.opengis.net/def/rel/ogc/1.0/conformance", &to("/conformance"), JSON),
        link(QUERYABLES_REL, &to("/queryables"), SCHEMA),
        link(SORTABLES_REL, &to("/sortables"), SCHEMA),
        link("service-desc", &to("/api"), OPENAPI),
        link("service-doc", &to("/api.html"), "text/html"),
    ];
    if processes::any(&call.snapshot) {
        links.push(link(processes::PROCESSES, &to("/processes"), JSON));
        // Clients of the first drafts look for the plain name.
        links.push(link("processes", &to("/processes"), JSON));
    }
    if listing::is_enabled(&call.snapshot) {
        links.push(link("http://www.opengis.net/def/rel/ogc/1.0/job-list", &to("/jobs"), JSON));
    }
    let view = &call.snapshot.view;
    let entries = || view.shared.iter().chain(view.members.iter().flat_map(|member| &member.entries));
    if entries().count() <= CHILDREN_MAX {
        links.extend(entries().map(|entry| {
            let mut child = link("child", &call.links.collection(&entry.exposed_id), JSON);
            if let Some(title) = &entry.title {
                child["title"] = json!(title);
            }
            child
        }));
    }
    links
}
