//! `POST /processes/{process}/execution`. Who executes is decided in `processes::route`, and the execution is sent by
//! `processes::execute`; what a trouble is called and which status it has is decided in `jobs.rs`, what a refusal is in
//! `processes.rs`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, header};

use crate::processes::execute::Execution;

use super::door::{Call, Face};
use super::exception::Exception;
use super::jobs::relayed;
use super::processes;

/// `POST /processes/{process}/execution`
pub async fn post(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Exception> {
    let asked = processes::Execution::of(&call, path, &headers, body).await?;
    let choice = asked.choose(&face, &call).await?;
    if let Some(exception) = processes::refused(&choice) {
        return Err(exception);
    }
    let reason = choice.decision.outcome.as_ref().map_or("", |reason| reason.name());
    let execution = Execution {
        snapshot: &call.snapshot,
        base: call.links.base(),
        caller: &asked.caller,
        process: &asked.process,
        ranking: choice.decision.ranking.iter().map(|ranked| &ranked.candidate).collect(),
        reason,
        places: choice.places(),
        prefer: asked.prefer,
        accept: headers.get(header::ACCEPT).cloned(),
        media_type: asked.media_type,
        body: asked.body.clone(),
        document: &asked.document,
    };
    Ok(relayed(execution.run().await?))
}
