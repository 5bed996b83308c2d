//! The description of the API: `openapi.json` beside this file, with the federation's own words and limits put in.

use axum::Extension;
use axum::response::Response;
use serde_json::{Value, json};

use super::door::Call;
use super::html;
use super::respond::{self, HTML, Keep, OPENAPI};

const TEMPLATE: &str = include_str!("openapi.json");

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

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        serde_json::from_str(TEMPLATE).unwrap()
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
