//! One Item by its ids: asked of every member that may hold its Collection, given from the first that has it.

use std::cmp::Reverse;
use std::sync::Arc;

use futures::future::join_all;
use tokio::time::timeout_at;
use tracing::warn;

use crate::broker::Snapshot;
use crate::collections::Known;
use crate::collections::ids::Named;
use crate::federation::{self, MemberId};
use crate::members::Fault;

use super::outcome::Failed;
use super::report::Report;
use super::{Clock, Found, Item, OneItem, Replica, SearchError};

/// Members asked for one bare id at most; more holders of one id than this is not a federation anybody runs.
const HOLDERS_MAX: usize = 16;

/// One Item by its exposed collection id (qualified or bare): from the first member, in order of priority, that has it.
/// `Ok(None)`: every holder answered that it has no such Item, or no member can hold the collection.
///
/// # Errors
/// [`SearchError::Failed`] when no holder has it and some could not be asked.
pub async fn item(
    snapshot: &Snapshot,
    collection: &str,
    id: &str,
    clock: Clock,
) -> Result<Option<OneItem>, SearchError> {
    let named = snapshot.ids.parse(collection);
    let holders = holders(snapshot, &named);
    let asked = holders.iter().map(|(member, native)| ask(snapshot, member, native, id, clock));
    let answers = join_all(asked).await;
    let mut found: Option<OneItem> = None;
    let mut failures: Vec<(MemberId, Fault)> = Vec::new();
    for ((member, native), answer) in holders.iter().zip(answers) {
        match answer {
            Ok(Some(item)) => {
                let own: Arc<str> = snapshot.ids.qualified(member, native).into();
                let shared = if let Named::Shared(id) = &named { Some(id.as_str().into()) } else { None };
                match (&mut found, shared) {
                    (Some(first), None) => first.alternates.push(own),
                    (Some(first), Some(_)) => {
                        first.found.replicas.push(Replica { member: member.clone(), collection: own });
                    }
                    (None, shared) => {
                        let collection = shared.unwrap_or(own);
                        let chosen = Found { member: member.clone(), collection, item, replicas: Vec::new() };
                        found = Some(OneItem { found: chosen, alternates: Vec::new() });
                    }
                }
            }
            Ok(None) => {}
            Err(fault) => failures.push((member.clone(), fault)),
        }
    }
    match found {
        None if !failures.is_empty() => Err(failed(&failures)),
        found => Ok(found),
    }
}

/// Members that may hold the collection, with their own id of it: those of a shared one by rank, others by descending
/// priority, then in the order of the file.
fn holders(snapshot: &Snapshot, named: &Named) -> Vec<(MemberId, String)> {
    let members = snapshot.federation.members.iter().filter(|member| member.enabled);
    let mut holders: Vec<(&federation::Member, &str)> = members
        .filter_map(|member| Some((member, snapshot.ids.native(named, &member.id)?)))
        .filter(|(member, native)| member.policy.sees(native) && may_hold(snapshot, &member.id, native))
        .collect();
    match named {
        Named::Shared(id) => {
            holders.sort_by_key(|(member, _)| snapshot.ids.shared(id).and_then(|shared| shared.rank(&member.id)));
        }
        _ => holders.sort_by_key(|(member, _)| Reverse(member.policy.priority)),
    }
    holders.into_iter().take(HOLDERS_MAX).map(|(member, native)| (member.id.clone(), native.to_owned())).collect()
}

/// Missing information means: ask (S15).
fn may_hold(snapshot: &Snapshot, member: &MemberId, native: &str) -> bool {
    let Some(view) = snapshot.view.member(member) else { return true };
    view.known == Known::Unknown
        || view.entries.iter().any(|entry| entry.native_id == native)
        || view.quarantined.iter().any(|collection| collection.native_id == native)
}

async fn ask(
    snapshot: &Snapshot,
    member: &MemberId,
    native: &str,
    id: &str,
    clock: Clock,
) -> Result<Option<Item>, Fault> {
    let Some(adapter) = snapshot.members.get(member.as_str()) else { return Err(Fault::Unreachable) };
    match timeout_at(clock.deadline, adapter.item(native, id, clock.deadline)).await {
        Ok(Ok(item)) => Ok(item),
        Ok(Err(failure)) => {
            warn!(member = %member, fault = ?failure.fault, detail = %failure.detail, "item request failed");
            Err(failure.fault)
        }
        Err(_elapsed) => {
            warn!(member = %member, "item request timed out");
            Err(Fault::Timeout)
        }
    }
}

fn failed(failures: &[(MemberId, Fault)]) -> SearchError {
    let kind = if failures.iter().all(|(_, fault)| *fault == Fault::Timeout) {
        Failed::TimedOut
    } else if failures
        .iter()
        .any(|(_, fault)| matches!(fault, Fault::Unreachable | Fault::CircuitOpen | Fault::RateLimited))
    {
        Failed::Unavailable
    } else {
        Failed::Bad
    };
    let names: Vec<String> = failures.iter().map(|(member, _)| format!("`{member}`")).collect();
    SearchError::Failed {
        kind,
        description: format!(
            "no member that answered has this Item, and these could not be asked: {}",
            names.join(", ")
        ),
        retry_after_s: Some(super::outcome::RETRY_AFTER_S),
        report: Box::new(Report::default()),
        retry: None,
    }
}
