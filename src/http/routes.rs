//! The whole API on one screen. Any other path is 404, any other method 405, `OPTIONS` is answered by `door.rs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use super::door::Face;
use super::problem::Problem;
use super::{
    collections, conformance, execution, federation, health, items, job_list, jobs, landing, openapi, processes,
    queryables, search,
};

pub fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/", get(landing::get))
        .route("/conformance", get(conformance::get))
        .route("/api", get(openapi::get))
        .route("/api.html", get(openapi::page))
        .route("/collections", get(collections::list))
        .route("/collections/{collection}", get(collections::one))
        .route("/collections/{collection}/queryables", get(queryables::of_collection))
        .route("/collections/{collection}/sortables", get(queryables::sortables_of_collection))
        .route("/collections/{collection}/items", get(items::list))
        .route("/collections/{collection}/items/{item}", get(items::one))
        .route("/collections-queryables", get(queryables::for_collections))
        .route("/collections-sortables", get(queryables::sortables_for_collections))
        .route("/queryables", get(queryables::all))
        .route("/sortables", get(queryables::sortables))
        .route("/search", get(search::get).post(search::post))
        .route("/search/explain", get(search::explain_get).post(search::explain_post))
        .route("/processes", get(processes::list))
        .route("/processes/{process}", get(processes::one))
        .route("/processes/{process}/execution", post(execution::post))
        .route("/processes/{process}/execution/explain", post(processes::explain))
        .route("/jobs", get(job_list::get))
        .route("/jobs/{job}", get(jobs::status).delete(jobs::dismiss))
        .route("/jobs/{job}/results", get(jobs::results))
        .route("/jobs/{job}/results/{output}", get(jobs::output))
        .route("/federation/members", get(federation::list))
        .route("/federation/members/{member}", get(federation::one))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route_layer(middleware::from_fn(noted))
        .fallback(|| async { Problem::not_found("no such path; `/api` describes those that exist") })
        .with_state(face)
}

/// The pattern of the path that a request was answered under, for measuring: a label that clients cannot fill.
#[derive(Debug, Clone)]
pub struct Route(pub String);

async fn noted(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| Route(path.as_str().to_owned()));
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

#[cfg(test)]
pub mod tests {
    use crate::federation::Federation;

    /// A federation without members: what the face answers by itself.
    pub fn federation() -> Federation {
        use crate::federation::{Cursor, Limits, Server};
        Federation {
            id: "test".into(),
            title: "Test".into(),
            description: String::new(),
            public_url: None,
            delimiter: '|',
            server: Server {
                listen: "127.0.0.1:8080".parse().unwrap(),
                tls: None,

                admin: crate::federation::Admin::default(),
                trusted_proxies: Vec::new(),
                cors_origins: vec!["*".into()],
            },
            limits: Limits::default(),
            telemetry: crate::federation::Telemetry::default(),
            cursor: Cursor { keys: Vec::new(), life: std::time::Duration::from_secs(60) },
            processes: 1,
            routing: crate::federation::Routing::default(),
            registry: crate::federation::Registry::default(),
            members: Vec::new(),
            shared: Vec::new(),
        }
    }
}
