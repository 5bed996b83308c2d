//! Federation + member registry + collections view, immutable; and the holder of the current one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::Utc;
use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::collections::refresh::{self, AT_ONCE, Gates, PROBE_TIME};
use crate::collections::{Ids, MemberView, View};
use crate::federation::{Federation, MemberId};
use crate::members::{Failure, Registry};

use super::pulse;
use super::registry::Joining;
use super::reload::Reloads;

/// What one request runs with.
#[derive(Clone)]
pub struct Snapshot {
    pub federation: Arc<Federation>,
    pub members: Arc<Registry>,
    pub view: Arc<View>,
    pub ids: Arc<Ids>,
}

/// Holds the current Snapshot and the tasks that keep it fresh. Dropping it stops them.
pub struct Broker {
    current: ArcSwap<Snapshot>,
    /// Members that were never tried yet.
    untried: watch::Sender<Vec<MemberId>>,
    /// The refresh task of each member; none where the broker reads only when told to.
    tasks: Mutex<HashMap<MemberId, AbortHandle>>,
    gates: Arc<Gates>,
    /// How the reloads of the federation file went.
    pub reloads: Reloads,
    /// What is declared, and what a registry names besides.
    pub joining: Joining,
}

impl Broker {
    /// Makes the members and starts their refresh in the background. Waits for nobody. Needs a running tokio runtime.
    #[must_use]
    pub fn start(federation: Federation) -> Arc<Self> {
        let registry = Registry::new(&federation);
        let broker = Self::of(federation, registry);
        broker.keep_fresh();
        broker
    }

    /// As [`Broker::start`], over members made elsewhere.
    #[cfg(test)]
    pub fn running(federation: Federation, registry: Registry) -> Arc<Self> {
        let broker = Self::of(federation, registry);
        broker.keep_fresh();
        broker
    }

    /// A broker over members made elsewhere that reads them only when told to ([`Broker::refresh_now`]).
    #[must_use]
    pub fn of(federation: Federation, registry: Registry) -> Arc<Self> {
        let untried = registry.iter().map(|member| member.id().clone()).collect();
        let federation = Arc::new(federation);
        let snapshot = Snapshot {
            view: Arc::new(View::unread(&federation)),
            ids: Arc::new(Ids::new(&federation)),
            federation: Arc::clone(&federation),
            members: Arc::new(registry),
        };
        Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            untried: watch::Sender::new(untried),
            tasks: Mutex::default(),
            gates: Arc::default(),
            reloads: Reloads::default(),
            joining: Joining::of(federation),
        })
    }

    /// The Snapshot of this moment. A request takes one and keeps it to its end.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Waits until every member was tried once, or until the time is over.
    pub async fn settled(&self, at_most: Duration) {
        let mut untried = self.untried.subscribe();
        // Either way the caller goes on with what is known by then.
        let _ = tokio::time::timeout(at_most, untried.wait_for(Vec::is_empty)).await;
    }

    /// Reads every member once, abilities included, and says how it went, in the order of the file.
    pub async fn refresh_now(&self) -> Vec<(MemberId, Result<(), Failure>)> {
        self.refresh_telling(|_| ()).await
    }

    /// As [`Broker::refresh_now`]; `told` hears of each member that was tried.
    pub async fn refresh_telling(&self, told: impl Fn(&MemberId)) -> Vec<(MemberId, Result<(), Failure>)> {
        let snapshot = self.snapshot();
        let reads = snapshot.members.iter().filter_map(|member| {
            let declared = snapshot.federation.member(member.id().as_str())?;
            let (ids, told) = (&snapshot.ids, &told);
            Some(async move {
                let outcome = refresh::read(member.as_ref(), declared, ids, true).await;
                let told_of = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
                self.publish(member.id(), outcome.as_ref().map(|(part, _)| part));
                told(member.id());
                (member.id().clone(), told_of)
            })
        });
        futures::stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
    }

    /// Asks every member whose probe is due what it really does, and says how it went, in the order of the file. The
    /// background does this by itself; this is for those who want to know now.
    pub async fn probe_now(&self) -> Vec<(MemberId, Result<(), Failure>)> {
        let snapshot = self.snapshot();
        let due = snapshot.members.iter().filter(|member| member.probe_due());
        let probes = due.map(|member| async move {
            let outcome = member.probe(tokio::time::Instant::now() + PROBE_TIME).await;
            (member.id().clone(), outcome)
        });
        futures::stream::iter(probes.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
    }

    /// Puts another federation in the place of the current one; requests in flight end with the one they began with.
    ///
    /// A member that is asked as before keeps its adapter, and one whose policy is as before its Collections and its
    /// refresh too; every other one is read anew, and until then asked without knowing its Collections.
    pub(super) fn swap(self: &Arc<Self>, federation: Federation) {
        let before = self.snapshot();
        let registry = before.members.succeeded(&before.federation, &federation);
        let ids = Arc::new(Ids::new(&federation));
        let mut view = View::unread(&federation);
        let mut tasks = self.lock_tasks();
        let mut kept = Vec::new();
        for member in registry.iter() {
            let (old, new) = (before.federation.member(member.id().as_str()), federation.member(member.id().as_str()));
            let same_adapter = before.members.get(member.id().as_str()).is_some_and(|old| Arc::ptr_eq(old, member));
            if same_adapter && old == new && before.federation.delimiter == federation.delimiter {
                view = before.view.member(member.id()).map(|part| view.with(part)).unwrap_or(view);
                kept.push(member.id().clone());
            }
        }
        let refreshing = !tasks.is_empty();
        tasks.retain(|id, task| {
            let stays = kept.contains(id);
            if !stays {
                task.abort();
            }
            stays
        });
        let unread = registry.iter().map(|member| member.id()).filter(|id| !kept.contains(id)).cloned().collect();
        let snapshot =
            Snapshot { federation: Arc::new(federation), members: Arc::new(registry), view: Arc::new(view), ids };
        self.current.store(Arc::new(snapshot));
        self.untried.send_replace(unread);
        drop(tasks);
        if refreshing || before.members.iter().next().is_none() {
            self.keep_fresh();
        }
    }

    /// Starts one refresh task for each member that has none.
    fn keep_fresh(self: &Arc<Self>) {
        let snapshot = self.snapshot();
        let mut tasks = self.lock_tasks();
        for member in snapshot.members.iter().filter(|member| !tasks.contains_key(member.id())).collect::<Vec<_>>() {
            // Weak: the tasks must not keep alive what stops them when it is dropped.
            let (broker, adapter) = (Arc::downgrade(self), Arc::downgrade(member));
            let publish = move |id: &MemberId, outcome: Result<&MemberView, &Failure>| {
                let Some(broker) = Weak::upgrade(&broker) else { return false };
                // What was read through an adapter that was replaced meanwhile speaks of another declaration.
                let current = broker.snapshot().members.get(id.as_str()).map(Arc::downgrade);
                let is_current = current.is_some_and(|current| current.ptr_eq(&adapter));
                if is_current {
                    broker.publish(id, outcome);
                }
                is_current
            };
            let (federation, ids) = (snapshot.federation.clone(), snapshot.ids.clone());
            let every = Duration::from_secs(federation.limits.check_every_s.into());
            let beat = {
                let processes = snapshot.members.process_api(member.id().as_str()).map(Arc::clone);
                pulse::beat(Arc::clone(member), processes, every)
            };
            let fresh = refresh::keep_fresh(Arc::clone(member), federation, ids, self.gates.clone(), publish);
            let task = async move {
                // The refresh ends when nobody listens any more, and with it the pulse.
                tokio::select! {
                    () = fresh => {}
                    () = beat => {}
                }
            };
            tasks.insert(member.id().clone(), tokio::spawn(task).abort_handle());
        }
    }

    fn lock_tasks(&self) -> MutexGuard<'_, HashMap<MemberId, AbortHandle>> {
        // Each change leaves the map whole, so a panic elsewhere is no reason to stop.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns of a holder that lacks what a shared Collection names, when that is seen first: it is left out.
    fn tell_holders(&self, part: &MemberView) {
        let snapshot = self.snapshot();
        for shared in &snapshot.federation.shared {
            let Some(native) = shared.native(&part.member).filter(|native| part.lacks(native)) else { continue };
            if !snapshot.view.member(&part.member).is_some_and(|before| before.lacks(native)) {
                tracing::warn!(member = %part.member, collection = %native, shared = %shared.id, "holder left out, it lacks the collection");
            }
        }
    }

    /// Puts a new Snapshot in place of the current one: the member's new list, or its last good one, marked.
    fn publish(&self, member: &MemberId, outcome: Result<&MemberView, &Failure>) {
        match outcome {
            Ok(part) => {
                let (listed, quarantined) = (part.entries.len(), part.quarantined.len());
                tracing::debug!(member = %member, listed, quarantined, "collections read");
                self.tell_holders(part);
            }
            Err(failure) => {
                tracing::warn!(member = %member, fault = ?failure.fault, detail = %failure.detail, "collections not read");
            }
        }
        let now = Utc::now();
        // May run again when another member's list arrives at the same time; it only builds values.
        self.current.rcu(|snapshot| {
            let part = snapshot.view.member(member).map(|old| match outcome {
                Ok(new) => old.succeeded_by(new, now),
                Err(_) => old.kept(now),
            });
            let view = part.map_or_else(|| snapshot.view.clone(), |part| Arc::new(snapshot.view.with(&part)));
            Snapshot { view, ..Snapshot::clone(snapshot) }
        });
        self.untried.send_modify(|untried| untried.retain(|id| id != member));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).values().for_each(AbortHandle::abort);
    }
}
