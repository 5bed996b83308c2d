//! Which members offer a process: each is asked for its description.

use futures::future::join_all;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::broker::Snapshot;
use crate::members::process_api::{Caller, Outgoing, ProcessApi};

use super::ids;
use super::names;
use super::relay;
use super::rewrite::segment;
use super::route::Candidate;

/// For a description.
const DESCRIPTION_TIME: Duration = Duration::from_secs(10);

/// The members that describe a process of this public id.
pub async fn of(snapshot: &Snapshot, process: &str, caller: &Caller) -> Vec<Candidate> {
    // Nobody but the member that will execute gets the caller's credentials, and who that is, is not known yet.
    let is_pinned = matches!(ids::parse(&snapshot.ids, process), ids::Named::Pinned { .. });
    let caller = &if is_pinned { caller.clone() } else { caller.anonymous() };
    let asked = snapshot.members.process_apis().filter_map(|api| {
        let native = names::native(snapshot, api.member(), process)?;
        Some(async move { offer(api, native, caller).await })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn offer(api: &ProcessApi, native: String, caller: &Caller) -> Option<Candidate> {
    let request = Outgoing::get(format!("processes/{}", segment(&native)));
    let reply = api.ask(&request, caller, Instant::now() + DESCRIPTION_TIME).await.ok()?;
    if !reply.status.is_success() {
        return None;
    }
    let description = relay::document(reply).await?;
    let options = description["jobControlOptions"].as_array().cloned().unwrap_or_default();
    let runs_async = options.iter().any(|option| *option == Value::from("async-execute"));
    Some(Candidate { member: api.member().clone(), native, runs_async })
}
