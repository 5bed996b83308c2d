//! The description of the API: `openapi.json` beside this file, with the federation's own words and limits put in.

use axum::Extension;
use axum::response::Response;
use serde_json::{Value, json};

use crate::processes::listing;

use super::door::Call;
use super::respond::{self, HTML, Keep, OPENAPI};
use super::{html, processes};

const TEMPLATE: &str = include_str!("openapi.json");
/// What is added where a member executes processes.
const PROCESSES: &str = include_str!("openapi_processes.json");

/// `GET /api`
pub async fn get(Extension(call): Extension<Call>) -> Response {
    respond::document(OPENAPI, document(&call).to_string(), Keep::For(300))
}

/// `GET /api.html`
pub async fn page(Extension(call): Extension<Call>) -> Response {
    respond::document(HTML, html::api(&document(&call)), Keep::For(300))
}

fn document(call: &Call) -> Value {
    let declared = &call.snapshot.federation;
    // A test reads the template, so it parses.
    let mut document: Value = serde_json::from_str(TEMPLATE).unwrap_or_default();
    if processes::any(&call.snapshot) {
        add(&mut document, &serde_json::from_str(PROCESSES).unwrap_or_default());
        if !listing::is_enabled(&call.snapshot)
            && let Some(paths) = document["paths"].as_object_mut()
        {
            paths.shift_remove("/jobs");
        }
    }
    document["info"]["title"] = json!(declared.title);
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["servers"] = json!([{ "url": call.links.base() }]);
    for limit in ["/components/parameters/limit/schema", "/components/schemas/searchBody/properties/limit"] {
        if let Some(schema) = document.pointer_mut(limit) {
            schema["default"] = json!(declared.limits.page_items_default);
            schema["maximum"] = json!(declared.limits.page_items_max);
        }
    }
    document
}

/// Adds the members of objects and the values of lists to those that are there.
fn add(document: &mut Value, more: &Value) {
    match (document, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (key, value) in more {
                add(members.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(values), Value::Array(more)) => values.extend(more.iter().cloned()),
        (place, more) => *place = more.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        let mut document = serde_json::from_str(TEMPLATE).unwrap();
        add(&mut document, &serde_json::from_str(PROCESSES).unwrap());
        document
    }

    fn check_references(document: &Value, value: &Value) {
        if let Some(reference) = value["$ref"].as_str() {
            assert_ne!(html::resolved(document, value), value, "{reference} leads nowhere");
        }
        match value {
            Value::Object(members) => members.values().for_each(|value| check_references(document, value)),
            Value::Array(values) => values.iter().for_each(|value| check_references(document, value)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        check_references(&template(), &template());
    }

    #[test]
    fn every_route_is_described() {
        let described: Vec<_> = template()["paths"].as_object().unwrap().keys().cloned().collect();
        let routes = include_str!("routes.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
        let routes: Vec<_> = routes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert!(routes.len() > 10);
        for route in &routes {
            // Path parameters are called after what they name, whatever the router calls them.
            let shape = |path: &str| {
                path.split('/')
                    .map(|part| if part.starts_with('{') { "{}" } else { part })
                    .collect::<Vec<_>>()
                    .join("/")
            };
            assert!(described.iter().any(|path| shape(path) == shape(route)), "{route} is not described");
        }
        assert_eq!(described.len(), routes.len());
    }
}
