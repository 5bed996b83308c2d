//! From a request to a choice: finds the process, reads the body, gathers the facts, and lets `route.rs` decide.
//!
//! This is what waits: for lists and descriptions, and for members that are asked whether they have a matching Item
//! (`probe`). What it gives back holds everything that an execution or an explanation needs.

use std::collections::BTreeSet;

use chrono::Utc;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::broker::Snapshot;
use crate::federation::{Member, MemberId};
use crate::members::process_api::Caller;
use crate::members::{Ask, Fault};

use super::catalogue::{Catalogue, Lookup};
use super::facts::Facts;
use super::holders::{How, Located};
use super::ids::{self, Named};
use super::merge::{Process, collection_inputs};
use super::references::{self, Target, TooMuch};
use super::refusal::{self, Refused};
use super::rewrite::{Face, Inbound};
use super::route::{Asked, Candidate, Decision, Probed, decide};
use super::splice::{self, Rewrite};

/// References about which members are asked; each is a search at each of them.
const PROBES_MAX: usize = 3;
/// Members asked at once.
const AT_ONCE: usize = 8;

/// An execution as a client asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As in the path.
    pub process: &'a str,
    pub body: &'a [u8],
    /// The broker's own base, without a slash at its end.
    pub base: &'a str,
    pub wants_async: bool,
    pub caller: &'a Caller,
    /// For members that are asked whether they have an Item.
    pub deadline: Instant,
}

/// Why there is nothing to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// The body is not an execution: where, and a clause.
    Body {
        pointer: String,
        reason: String,
    },
    TooMuch(TooMuch),
    /// Whether the process exists cannot be told: these members gave no answer.
    Unread {
        missing: Vec<MemberId>,
        fault: Fault,
    },
}

/// The choice for one request.
#[derive(Debug)]
pub struct Choice {
    /// Absent when nobody offers it.
    pub process: Option<Process>,
    pub decision: Decision,
    /// Why nobody executes, told.
    pub refusal: Option<Refusal>,
}

/// A refusal in words, with what the problem document lists.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub refused: Refused,
    pub sentence: String,
    pub expired: Vec<Expired>,
}

/// Data past the retention of a member.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Expired {
    pub pointer: String,
    pub member: MemberId,
    pub rule: &'static str,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_process: Option<String>,
}

/// Chooses the member that executes a request.
///
/// # Errors
/// When the request cannot be read, or its process cannot be looked up.
pub async fn choose(catalogue: &Catalogue, snapshot: &Snapshot, request: &Request<'_>) -> Result<Choice, Invalid> {
    let body = read(request.body)?;
    let (process, offered_by) = match catalogue.find(snapshot, request.process, request.caller).await {
        Lookup::Found(process) => (Some(process), Vec::new()),
        Lookup::Unknown { offered_by } => (None, offered_by),
        Lookup::Unread { missing, fault } => return Err(Invalid::Unread { missing, fault }),
    };
    let names = data_inputs(snapshot, process.as_ref());
    let pinned = match ids::parse(&snapshot.ids, request.process) {
        Named::Pinned { member, .. } => Some(member),
        Named::Logical(_) => None,
    };
    let mut asked = Asked {
        pinned,
        offers: process.as_ref().map(candidates).unwrap_or_default(),
        offered_by,
        references: references::find(&body, &names).map_err(Invalid::TooMuch)?,
        wants_async: request.wants_async,
        has_token: request.caller.is_authenticated(),
        ..Asked::default()
    };
    let bases: Vec<Url> = Url::parse(request.base).into_iter().collect();
    // Members that fail repeatedly are not known here yet: every one counts as reachable.
    let facts = Facts::of(snapshot, bases, |_| None, Utc::now());
    let mut decision = decide(&facts, &asked);
    if snapshot.federation.routing.probe && decision.ranking.len() > 1 {
        asked.probed = probe(snapshot, &decision, request.deadline).await;
        decision = decide(&facts, &asked);
    }
    let refusal = decision.outcome.as_ref().err().map(|refused| Refusal {
        refused: refused.clone(),
        sentence: refusal::sentence(&facts, &decision, refused, request.process),
        expired: refusal::expired(&facts, &decision).iter().map(Expired::of).collect(),
    });
    Ok(Choice { process, decision, refusal })
}

/// An Execute request, as far as its form is certain.
fn read(body: &[u8]) -> Result<Value, Invalid> {
    let wrong = |pointer: &str, reason: String| Invalid::Body { pointer: pointer.to_owned(), reason };
    let value: Value = serde_json::from_slice(body).map_err(|error| wrong("", format!("is not JSON: {error}")))?;
    if !value.is_object() {
        return Err(wrong("", "is not a JSON object".into()));
    }
    match value.get("inputs") {
        None | Some(Value::Object(_) | Value::Array(_)) => Ok(value),
        Some(_) => Err(wrong("/inputs", "is not an object".into())),
    }
}

fn candidates(process: &Process) -> Vec<Candidate> {
    let one = |offer: &super::merge::Offer| Candidate {
        member: offer.member.clone(),
        native: offer.native.clone(),
        runs_async: offer.runs_async(),
    };
    process.offers.iter().map(one).collect()
}

/// Names of inputs that carry collection ids: declared for the members that offer the process, or said by the process.
fn data_inputs(snapshot: &Snapshot, process: Option<&Process>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for offer in process.iter().flat_map(|process| &process.offers) {
        let declared = snapshot.federation.member(offer.member.as_str()).and_then(|member| member.processes.as_ref());
        names.extend(declared.into_iter().flat_map(|own| own.data_inputs.iter().cloned()));
        names.extend(offer.description.iter().flat_map(collection_inputs));
    }
    names
}

/// Asks the members that could execute whether they have a matching Item. A member has all or none: what one reference
/// lacks counts.
async fn probe(
    snapshot: &Snapshot,
    decision: &Decision,
    deadline: Instant,
) -> std::collections::BTreeMap<MemberId, Probed> {
    let several = decision
        .located
        .iter()
        .filter(|located| located.holders.len() > 1 && matches!(located.how, Some(How::Collection | How::ItemUrl)));
    let several: Vec<&Located> = several.take(PROBES_MAX).collect();
    let asks = decision.ranking.iter().map(|ranked| {
        let (member, several) = (&ranked.candidate.member, &several);
        async move {
            let mut least = Probed::Some;
            for located in several {
                least = least.min(has(snapshot, member, located, deadline).await);
            }
            (member.clone(), least)
        }
    });
    futures::stream::iter(asks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await
}

/// Whether a member has an Item of what a reference means.
async fn has(snapshot: &Snapshot, id: &MemberId, located: &Located, deadline: Instant) -> Probed {
    let holder = located.holders.iter().find(|holder| holder.member == *id);
    let collection = holder.and_then(|holder| holder.collection.clone());
    let (Some(member), Some(collection)) = (snapshot.members.get(id.as_str()), collection) else {
        return Probed::Unknown;
    };
    let filter = &located.reference.filter;
    let ask = Ask {
        collections: Some(vec![collection]),
        ids: (!filter.ids.is_empty()).then(|| filter.ids.clone()),
        bbox: filter.bbox,
        datetime: filter.time,
        limit: 1,
        ..Ask::default()
    };
    match member.search(&ask, deadline).await {
        Ok(page) if !page.items.is_empty() => Probed::Some,
        Ok(page) if page.received == 0 && page.next.is_none() && !page.partial => Probed::None,
        Ok(_) => Probed::Unknown,
        Err(failure) => {
            tracing::debug!(member = %id, fault = ?failure.fault, detail = %failure.detail, "member not probed");
            Probed::Unknown
        }
    }
}

impl Expired {
    fn of(one: &refusal::Expired<'_>) -> Self {
        Self {
            pointer: one.pointer.to_owned(),
            member: one.member.clone(),
            rule: "retention",
            detail: one.detail.to_owned(),
            order_process: one.order_process.clone(),
        }
    }
}

impl Choice {
    /// What has to be said otherwise in the body so that this member understands it: addresses of the broker become
    /// those of the members that have the data, and collection ids its own. Only where a reference was recognised.
    #[must_use]
    pub fn rewrites(&self, snapshot: &Snapshot, base: &str, executing: &Candidate) -> Vec<Rewrite> {
        let face = Face { base, federation: &snapshot.federation, ids: &snapshot.ids, view: &snapshot.view };
        let mut rewrites = Vec::new();
        for located in &self.decision.located {
            let holder = match located.holders.first() {
                Some(first) if !located.is_held_by(&executing.member) => &first.member,
                _ => &executing.member,
            };
            let Some((member, processes)) = snapshot.federation.member(holder.as_str()).and_then(executes) else {
                continue;
            };
            let native_process = |id: &str| self.native_process(snapshot, &member.id, id);
            let inbound = Inbound { face, member, processes, native_process: &native_process };
            for place in &located.reference.places {
                let (before, after) = match &place.target {
                    Target::Address(text) => (text, inbound.address(text)),
                    // A collection of another member keeps its qualified name: here it names nothing else.
                    Target::Collection(id) if *holder == executing.member => (id, inbound.collection(id)),
                    Target::Collection(_) | Target::Store(_) => continue,
                };
                if let Some(after) = after {
                    rewrites.push(Rewrite { pointer: place.pointer.clone(), before: before.clone(), after });
                }
            }
        }
        rewrites
    }

    /// The body for a member: the bytes as they came when nothing has to be said otherwise.
    #[must_use]
    pub fn body<'b>(
        &self,
        snapshot: &Snapshot,
        base: &str,
        executing: &Candidate,
        body: &'b [u8],
    ) -> std::borrow::Cow<'b, [u8]> {
        let rewrites = self.rewrites(snapshot, base, executing);
        let changed = (!rewrites.is_empty()).then(|| splice::replace(body, &rewrites)).flatten();
        changed.map_or(std::borrow::Cow::Borrowed(body), std::borrow::Cow::Owned)
    }

    /// A member's own id of a process: the pinned one, or that of the process asked for.
    fn native_process(&self, snapshot: &Snapshot, member: &MemberId, id: &str) -> Option<String> {
        if let Named::Pinned { member: pinned, native } = ids::parse(&snapshot.ids, id) {
            return (pinned == *member).then_some(native);
        }
        let process = self.process.as_ref().filter(|process| process.id == id)?;
        process.offers.iter().find(|offer| offer.member == *member).map(|offer| offer.native.clone())
    }
}

fn executes(member: &Member) -> Option<(&Member, &crate::federation::MemberProcesses)> {
    Some((member, member.processes.as_ref()?))
}
