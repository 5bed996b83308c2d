//! The member over the newest snapshot of what is read whole, and the task that reads it again and again.
//!
//! The task begins with the first question about the member and ends when the member is dropped. A harvest that fails
//! changes nothing but what admins are told; a search never waits for one, except for the very first.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use chrono::Utc;
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::snapshot::Snapshot;
use super::state::{Harvest, Past, Pulse};
use super::{Harvested, Progress, Source, queryables};
use crate::federation::{self, MemberId};
use crate::members::capabilities::Capabilities;
use crate::members::{Ask, Failure, Fault, Health, Item, Listing, Member, Page, failure};

/// Pause after the first failure; it doubles up to the time between harvests.
const RETRY: Duration = Duration::from_secs(30);

/// A member that is read whole.
pub struct Harvester<S: Source> {
    shared: Arc<Shared<S>>,
    task: Mutex<Option<AbortHandle>>,
}

/// What the task and the member both look at.
struct Shared<S: Source> {
    member: federation::Member,
    source: S,
    capabilities: Arc<Capabilities>,
    newest: ArcSwapOption<Snapshot<S::Kept>>,
    progress: Progress,
    past: watch::Sender<Past>,
    /// Of the last sign of life that was asked for.
    pulse: ArcSwapOption<Pulse>,
    /// Begins the next harvest before its time.
    now: Notify,
}

impl<S: Source> Harvester<S> {
    pub fn new(member: &federation::Member, source: S) -> Self {
        let shared = Shared {
            capabilities: Arc::new(Capabilities::evaluated_here(member)),
            member: member.clone(),
            source,
            newest: ArcSwapOption::empty(),
            progress: Progress::default(),
            past: watch::Sender::default(),
            pulse: ArcSwapOption::empty(),
            now: Notify::new(),
        };
        Self { shared: Arc::new(shared), task: Mutex::default() }
    }

    /// Begins to read the member; false when that goes on already.
    fn start(&self) -> bool {
        let Ok(mut task) = self.task.lock() else { return false };
        let begins = task.is_none();
        if begins {
            *task = Some(tokio::spawn(Arc::clone(&self.shared).keep_fresh()).abort_handle());
        }
        begins
    }

    async fn read_anew(&self, deadline: Instant) -> Result<(), Failure> {
        let shared = &self.shared;
        let mut past = shared.past.subscribe();
        let (attempts, running) = {
            let past = past.borrow_and_update();
            (past.attempts, past.begun_at.is_some())
        };
        if !self.start() {
            shared.now.notify_one();
        }
        // one that runs already may have read what has changed since
        let wanted = attempts + 1 + u64::from(running);
        match tokio::time::timeout_at(deadline, past.wait_for(|past| past.attempts >= wanted)).await {
            Ok(Ok(past)) => past.failure.clone().map_or(Ok(()), Err),
            _ => Err(failure(Fault::Timeout, "it is still being read")),
        }
    }

    /// The newest snapshot; waits for the end of the first harvest where there is none.
    async fn newest(&self, deadline: Instant) -> Result<Arc<Snapshot<S::Kept>>, Failure> {
        let shared = &self.shared;
        if let Some(newest) = shared.newest.load_full() {
            return Ok(newest);
        }
        self.start();
        let mut past = shared.past.subscribe();
        let tried = tokio::time::timeout_at(deadline, past.wait_for(|past| past.attempts > 0)).await;
        if let Some(newest) = shared.newest.load_full() {
            return Ok(newest);
        }
        let failed = tried.ok().and_then(Result::ok).and_then(|past| past.failure.clone());
        Err(failed.unwrap_or_else(|| {
            let (documents, _) = shared.progress.now();
            failure(Fault::Timeout, &format!("it is being read for the first time; {documents} documents so far"))
        }))
    }

    async fn page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let newest = self.newest(deadline).await?;
        let mut searched = newest.search(ask, &self.shared.member.id, deadline).await?;
        tracing::debug!(member = %self.shared.member.id, looked_at = searched.looked_at, "snapshot searched");
        searched.page.partial = newest.harvested.incomplete.as_deref().map(Arc::from);
        Ok(searched.page)
    }

    async fn described(&self, collection: Option<&str>, deadline: Instant) -> Result<Option<Bytes>, Failure> {
        let newest = self.newest(deadline).await?;
        Ok(queryables::of(newest.items_of(collection)).map(|schema| schema.to_string().into()))
    }
}

impl<S: Source> Drop for Harvester<S> {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().ok().and_then(Option::take) {
            task.abort();
        }
    }
}

impl<S: Source> Shared<S> {
    async fn keep_fresh(self: Arc<Self>) {
        let spread = RandomState::new();
        let mut failures = 0_u32;
        for round in 0_u64.. {
            self.past.send_modify(|past| past.begun_at = Some(Utc::now()));
            let outcome = self.read_once().await;
            failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
            #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
            let jitter = (spread.hash_one(round) >> 32) as f64 / f64::from(u32::MAX);
            let asked = outcome.as_ref().err().and_then(|failed| failed.retry_after_s);
            let pause = pause(self.member.crawl.every, failures, asked, jitter);
            self.remember(outcome, pause);
            // over when somebody asks for the next one before its time
            drop(tokio::time::timeout(pause, self.now.notified()).await);
        }
    }

    /// One harvest, and its snapshot in the place of the one before.
    async fn read_once(&self) -> Result<(), Failure> {
        self.progress.restart();
        let before = self.newest.load_full();
        let deadline = Instant::now() + self.member.crawl.time;
        let before = before.as_deref().map(|snapshot| &snapshot.harvested);
        let harvested = self.source.read(before, &self.progress, deadline).await?;
        // sorting and boxing thousands of Items would hold up whoever shares this thread
        let snapshot = tokio::task::spawn_blocking(move || Snapshot::of(harvested)).await;
        let snapshot = snapshot.map_err(|error| failure(Fault::BadResponse, &format!("no snapshot: {error}")))?;
        let Harvested { collections, tally, incomplete, .. } = &snapshot.harvested;
        tracing::info!(
            member = %self.member.id, collections = collections.len(), items = snapshot.len(),
            documents = tally.documents, unchanged = tally.unchanged, kept = tally.kept, bytes = tally.bytes,
            left_out = snapshot.left_out.count, incomplete = incomplete.is_some(), "member harvested"
        );
        self.newest.store(Some(Arc::new(snapshot)));
        Ok(())
    }

    fn remember(&self, outcome: Result<(), Failure>, pause: Duration) {
        let now = Utc::now();
        if let Err(failed) = &outcome {
            tracing::warn!(member = %self.member.id, fault = ?failed.fault, detail = %failed.detail, "member not harvested");
        }
        self.past.send_modify(|past| {
            past.attempts += 1;
            past.begun_at = None;
            past.tried_at = Some(now);
            past.next_at = now.checked_add_signed(chrono::TimeDelta::from_std(pause).unwrap_or_default());
            if outcome.is_ok() {
                past.read_at = Some(now);
            }
            past.failure = outcome.err();
        });
    }
}

/// How long until the next harvest. `jitter` is between 0 and 1 and spreads the pause by 20 % either way, so that
/// brokers do not read a member in step.
fn pause(every: Duration, failures: u32, asked_s: Option<u32>, jitter: f64) -> Duration {
    let pause = match failures {
        0 => every,
        failures => RETRY.saturating_mul(1 << (failures - 1).min(16)).min(every),
    };
    let asked = Duration::from_secs(asked_s.unwrap_or(0).into());
    pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)).max(asked)
}

impl<S: Source> Member for Harvester<S> {
    fn id(&self) -> &MemberId {
        &self.shared.member.id
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        Arc::clone(&self.shared.capabilities)
    }

    fn health(&self) -> Health {
        self.shared.past.borrow().health(self.shared.pulse.load().as_deref())
    }

    fn harvest(&self) -> Option<Harvest> {
        let past = self.shared.past.borrow().clone();
        let newest = self.shared.newest.load();
        Some(Harvest::of(
            &past,
            newest.as_deref(),
            self.shared.progress.now(),
            self.shared.member.crawl.every,
            Utc::now(),
        ))
    }

    fn search<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(self.page(ask, deadline))
    }

    fn item<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Item>, Failure>> {
        Box::pin(async move { Ok(self.newest(deadline).await?.get(collection, id).cloned()) })
    }

    /// What the newest snapshot has. Waits for the first harvest, but not to its end where that takes longer.
    fn collections(&self, deadline: Instant) -> BoxFuture<'_, Result<Listing, Failure>> {
        Box::pin(async move { Ok(self.newest(deadline).await?.listing()) })
    }

    fn queryables<'a>(
        &'a self,
        collection: Option<(&'a str, Option<&'a str>)>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(self.described(collection.map(|(id, _)| id), deadline))
    }

    fn renew(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.read_anew(deadline))
    }

    /// While it is read, its answers are sign enough; before that, nobody asked for it.
    fn check(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let (attempts, running) = {
                let past = self.shared.past.borrow();
                (past.attempts, past.begun_at.is_some())
            };
            if attempts == 0 || running {
                return Ok(());
            }
            let outcome = self.shared.source.sign_of_life(deadline).await;
            let failed = outcome.as_ref().err().map(|failed| failed.fault);
            // What was not sent says nothing about the member at this moment.
            if failed != Some(Fault::CircuitOpen) {
                self.shared.pulse.store(Some(Arc::new(Pulse { at: Utc::now(), failed })));
            }
            outcome
        })
    }

    /// Begins to read the member. What it can do is known without asking.
    fn discover(&self, _deadline: Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>> {
        self.start();
        Box::pin(std::future::ready(Ok(self.capabilities())))
    }
}

#[cfg(test)]
mod tests;
