//! For load balancers and people on call: is the process alive, would it serve a request.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::door::{Call, Face};
use super::federation::{Status, status};
use super::respond::{self, Keep};

/// `GET /health/live`
pub async fn live() -> Response {
    respond::json(&json!({ "status": "live" }), Keep::Never)
}

/// `GET /health/ready`: the members that are not online do not make the broker unready, but are named.
pub async fn ready(State(face): State<Arc<Face>>, Extension(call): Extension<Call>) -> Response {
    let reason = if face.is_closed() {
        Some("the process is about to end")
    } else if face.is_open() {
        None
    } else {
        Some("as many requests are in progress as may be")
    };
    let enabled = call.snapshot.federation.members.iter().filter(|member| member.enabled);
    let degraded: Vec<_> = enabled
        .map(|member| (&member.id, status(&call.snapshot, &member.id)))
        .filter(|(_, status)| *status != Status::Online)
        .map(|(id, status)| json!({ "id": id, "status": status.name() }))
        .collect();
    let state = if reason.is_none() { "ready" } else { "not-ready" };
    let body = json!({ "status": state, "reasons": reason.as_slice(), "degraded": degraded });
    let code = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::with_status(respond::json(&body, Keep::Never), code)
}
