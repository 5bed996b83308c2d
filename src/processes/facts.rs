//! What the choice of a member is made from: values about the federation, gathered before, so that the choice itself is pure.

use chrono::{DateTime, Utc};
use url::Url;

use crate::broker::Snapshot;
use crate::collections::{Ids, Known};
use crate::federation::{Auth, Member, MemberId, Policy, Routing};

/// Everything a choice looks at besides the request.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Bases under which clients reach this broker.
    pub bases: Vec<Url>,
    pub ids: &'a Ids,
    pub routing: &'a Routing,
    /// Every enabled member, whether it executes or not: all of them may hold data.
    pub members: Vec<Holdings<'a>>,
    pub now: DateTime<Utc>,
}

/// What one member holds, and how it is reached.
#[derive(Debug, Clone)]
pub struct Holdings<'a> {
    pub id: &'a MemberId,
    /// Bases of its catalogue, the configured one first.
    pub stac: Vec<&'a Url>,
    /// Bases of its processes, the configured one first; empty when it executes nothing.
    pub processes: Vec<&'a Url>,
    pub data_prefixes: &'a [String],
    /// Its own ids of the Collections the federation sees, in byte order.
    pub collections: Vec<&'a str>,
    /// Whether a Collection outside that list is surely not there.
    pub complete: bool,
    pub policy: &'a Policy,
    /// The process that brings back data past its retention.
    pub order_process: Option<&'a str>,
    /// Whether executions there need the caller's own `Authorization`.
    pub needs_token: bool,
    /// Seconds for which it is not asked, after repeated failures.
    pub closed_s: Option<u32>,
}

impl<'a> Facts<'a> {
    /// What the Snapshot knows. `bases` are the broker's own; `closed` says for how long a member is not asked.
    #[must_use]
    pub fn of(
        snapshot: &'a Snapshot,
        bases: Vec<Url>,
        closed: impl Fn(&MemberId) -> Option<u32>,
        now: DateTime<Utc>,
    ) -> Self {
        let enabled = snapshot.federation.members.iter().filter(|member| member.enabled);
        let members = enabled.map(|member| Holdings::of(snapshot, member, closed(&member.id))).collect();
        Self { bases, ids: &snapshot.ids, routing: &snapshot.federation.routing, members, now }
    }

    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Holdings<'a>> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The priority of a member; an unknown one has none.
    #[must_use]
    pub fn priority(&self, id: &MemberId) -> i32 {
        self.member(id).map_or(0, |member| member.policy.priority)
    }
}

impl<'a> Holdings<'a> {
    fn of(snapshot: &'a Snapshot, member: &'a Member, closed_s: Option<u32>) -> Self {
        let part = snapshot.view.member(&member.id);
        // What is put aside is searched too, so it counts as held.
        let mut collections: Vec<&str> = part.map_or_else(Vec::new, |part| {
            let listed = part.entries.iter().map(|entry| entry.native_id.as_str());
            let aside = part.quarantined.iter().map(|one| one.native_id.as_str()).filter(|id| !id.is_empty());
            listed.chain(aside).collect()
        });
        collections.sort_unstable();
        let executes = member.processes.as_ref();
        Self {
            id: &member.id,
            stac: std::iter::once(&member.url).chain(&member.aliases).collect(),
            processes: executes.map_or_else(Vec::new, |own| std::iter::once(&own.url).chain(&own.aliases).collect()),
            data_prefixes: executes.map_or(&[], |own| own.data_prefixes.as_slice()),
            collections,
            complete: part.is_some_and(|part| part.known == Known::Complete),
            policy: &member.policy,
            order_process: executes.and_then(|own| own.order_process.as_deref()),
            needs_token: matches!(member.auth, Auth::Forward),
            closed_s,
        }
    }

    /// Whether a Collection of this id is listed.
    #[must_use]
    pub fn lists(&self, native: &str) -> bool {
        self.collections.binary_search(&native).is_ok()
    }
}
