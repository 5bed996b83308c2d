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
use crate::federation::MemberId;
use crate::members::process_api::Caller;
use crate::members::{Ask, Fault, Service, State};

use super::catalogue::{Catalogue, Lookup};
use super::execute;
use super::facts::Facts;
use super::holders::{How, Located};
use super::ids::{self, Elsewhere, Named};
use super::merge::{Process, collection_inputs};
use super::references::{self, Place, TooMuch};
use super::refusal::{self, Refused};
use super::route::{Asked, Candidate, Decision, Probed, decide};
use super::splice::Rewrite;

/// References about which members are asked; each is a search at each of them.
const PROBES_MAX: usize = 3;
/// Members asked at once.
const AT_ONCE: usize = 8;

/// An execution as a client asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As in the path.
    pub process: &'a str,
    /// An object; what stands in it is for the references and the member to say.
    pub body: &'a Value,
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
    let (process, elsewhere, unread) = match catalogue.find(snapshot, request.process, request.caller).await {
        Lookup::Found { process, unread } => (Some(process), Elsewhere::default(), unread),
        Lookup::Unknown(elsewhere) => (None, elsewhere, Vec::new()),
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
        elsewhere,
        unread,
        references: references::find(request.body, &names).map_err(Invalid::TooMuch)?,
        wants_async: request.wants_async,
        has_token: request.caller.is_authenticated(),
        ..Asked::default()
    };
    let bases: Vec<Url> = Url::parse(request.base).into_iter().collect();
    let facts = Facts::of(snapshot, bases, |member| closed_s(snapshot, member), Utc::now());
    let mut decision = decide(&facts, &asked);
    if asked.pinned.is_none() && decision.located.iter().any(Located::is_item_of_some) {
        asked.having = having(snapshot, &decision, request.deadline).await;
        decision = decide(&facts, &asked);
    }
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

/// For how long the processes of a member are not asked, after repeated failures.
fn closed_s(snapshot: &Snapshot, member: &MemberId) -> Option<u32> {
    let breaker = snapshot.members.guard(member.as_str(), Service::Processes)?.breaker;
    (breaker.state == State::Open).then(|| breaker.left_s())
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
    if several.is_empty() {
        return std::collections::BTreeMap::new();
    }
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

/// Asks the holders of a bare collection who has the Item of an address, by the pointer of the reference. When one says
/// that it has it, the others do not count; when none does, those that gave no answer stay.
async fn having(
    snapshot: &Snapshot,
    decision: &Decision,
    deadline: Instant,
) -> std::collections::BTreeMap<String, Vec<MemberId>> {
    let mut found = std::collections::BTreeMap::new();
    for located in decision.located.iter().filter(|located| located.is_item_of_some()).take(PROBES_MAX) {
        let asks = located
            .holders
            .iter()
            .map(|holder| async { (holder.member.clone(), has(snapshot, &holder.member, located, deadline).await) });
        let said: Vec<_> = futures::stream::iter(asks.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let best = if said.iter().any(|(_, has)| *has == Probed::Some) { Probed::Some } else { Probed::Unknown };
        let having = said.into_iter().filter(|(_, has)| *has == best).map(|(member, _)| member).collect();
        found.insert(refusal::pointer(located).to_owned(), having);
    }
    found
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
        Ok(page) if page.received == 0 && page.next.is_none() && page.partial.is_none() => Probed::None,
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
    /// The recognised references in the body: the places where something may have to be said otherwise.
    #[must_use]
    pub fn places(&self) -> Vec<&Place> {
        let places = self.decision.located.iter().flat_map(|located| &located.reference.places);
        // The process id in the path is a reference that stands nowhere in the body.
        places.filter(|place| !place.pointer.is_empty()).collect()
    }

    /// What the member that executes reads otherwise than the client wrote it.
    #[must_use]
    pub fn rewrites(&self, snapshot: &Snapshot, base: &str) -> Vec<Rewrite> {
        let chosen = self.decision.chosen().and_then(|chosen| snapshot.federation.member(chosen.member.as_str()));
        chosen.map(|member| execute::rewrites(snapshot, base, member, &self.places())).unwrap_or_default()
    }
}
