//! Keeps the view fresh in the background: one task per member, few of them asking at once.
//!
//! A refresh never edits a view: it hands a new [`MemberView`] to whoever holds the view. What is decided (when to ask
//! again, what is kept) is pure; [`keep_fresh`] is the only loop.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::federation::{self, Federation, MemberId};
use crate::members::{Failure, Fault, Member};

use super::ids::Ids;
use super::view::{FRESH, MemberView};

/// First pause after a failure; it doubles up to the fresh time.
const RETRY: Duration = Duration::from_secs(5);
/// How often landing page and conformance are read again.
const DISCOVER_EVERY: Duration = Duration::from_secs(6 * 3600);
/// A member's whole list, all its pages: it is nobody's request that waits here.
const LISTING_TIME: Duration = Duration::from_secs(60);
/// Landing page and conformance.
const DISCOVERY_TIME: Duration = Duration::from_secs(20);
/// A whole probe, all its requests.
pub const PROBE_TIME: Duration = Duration::from_secs(120);
/// Members that are read at the same time: a start must not open a connection to every site at once.
pub const AT_ONCE: usize = 8;
/// Members that are probed at the same time; nobody waits for it.
const PROBED_AT_ONCE: usize = 2;

/// How many members may be read, and probed, at the same time.
#[derive(Debug)]
pub struct Gates {
    reading: Semaphore,
    probing: Semaphore,
}

impl Default for Gates {
    fn default() -> Self {
        Self { reading: Semaphore::new(AT_ONCE), probing: Semaphore::new(PROBED_AT_ONCE) }
    }
}

/// How the refreshes of one member went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// Failures since the last success.
    pub failures: u32,
    pub discovered: Option<Instant>,
}

impl History {
    /// Whether landing page and conformance are due.
    #[must_use]
    pub fn discovery_due(&self, now: Instant) -> bool {
        self.discovered.is_none_or(|at| now.duration_since(at) >= DISCOVER_EVERY)
    }

    /// How long to wait for the next refresh. `jitter` is between 0 and 1 and spreads the pause by 20 % either way, so
    /// that members are not asked in step.
    #[must_use]
    pub fn pause(&self, jitter: f64) -> Duration {
        let pause = match self.failures {
            0 => FRESH,
            failures => RETRY.saturating_mul(1 << (failures - 1).min(16)).min(FRESH),
        };
        pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
    }
}

/// Reads one member once: its abilities where `discover`, then its list.
///
/// # Errors
/// How the member failed. A landing page that is answered wrongly is no reason not to read the list.
pub async fn read(
    member: &dyn Member,
    declared: &federation::Member,
    ids: &Ids,
    discover: bool,
) -> Result<(MemberView, bool), Failure> {
    let mut discovered = false;
    if discover {
        match member.discover(Instant::now() + DISCOVERY_TIME).await {
            Ok(_) => discovered = true,
            Err(failure) if away(failure.fault) => return Err(failure),
            Err(failure) => {
                tracing::warn!(member = %declared.id, fault = ?failure.fault, detail = %failure.detail, "discovery failed");
            }
        }
    }
    let listing = member.collections(Instant::now() + LISTING_TIME).await?;
    let part = MemberView::of(declared, ids, &listing, Utc::now());
    for unlisted in &part.quarantined {
        tracing::debug!(member = %declared.id, collection = %unlisted.native_id, reason = %unlisted.reason, "collection quarantined");
    }
    Ok((part, discovered))
}

/// Whether asking for something else is in vain too.
fn away(fault: Fault) -> bool {
    matches!(fault, Fault::Timeout | Fault::Unreachable | Fault::CircuitOpen)
}

/// Reads one member again and again, and hands over how each time went. Ends when `publish` says that nobody listens.
/// Between two readings the member is probed when that is due, so that neither a start nor a reading waits for it.
pub async fn keep_fresh(
    member: Arc<dyn Member>,
    federation: Arc<Federation>,
    ids: Arc<Ids>,
    gates: Arc<Gates>,
    publish: impl Fn(&MemberId, Result<&MemberView, &Failure>) -> bool,
) {
    let Some(declared) = federation.member(member.id().as_str()) else { return };
    let mut history = History::default();
    let spread = RandomState::new();
    for round in 0_u64.. {
        let outcome = {
            let Ok(_turn) = gates.reading.acquire().await else { return };
            read(member.as_ref(), declared, &ids, history.discovery_due(Instant::now())).await
        };
        history.failures = if outcome.is_ok() { 0 } else { history.failures.saturating_add(1) };
        if matches!(outcome, Ok((_, true))) {
            history.discovered = Some(Instant::now());
        }
        if !publish(&declared.id, outcome.as_ref().map(|(part, _)| part)) {
            return;
        }
        if outcome.is_ok() && member.probe_due() {
            let Ok(_turn) = gates.probing.acquire().await else { return };
            // a probe that was broken off is due again after the next reading
            drop(member.probe(Instant::now() + PROBE_TIME).await);
        }
        #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
        let jitter = (spread.hash_one(round) >> 32) as f64 / f64::from(u32::MAX);
        tokio::time::sleep(history.pause(jitter)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_sooner_and_never_later_than_fresh() {
        let pause = |failures| History { failures, discovered: None }.pause(0.5).as_secs();
        assert_eq!([0, 1, 2, 3, 6, 7, 99, u32::MAX].map(pause), [300, 5, 10, 20, 160, 300, 300, 300]);
    }

    #[test]
    fn the_spread_is_a_fifth_either_way() {
        let history = History::default();
        assert_eq!(history.pause(0.0).as_secs(), 240);
        assert_eq!(history.pause(1.0).as_secs(), 360);
        assert_eq!(history.pause(7.0).as_secs(), 360);
    }

    #[test]
    fn discovery_is_due_at_first_and_after_six_hours() {
        let start = Instant::now();
        let history = History { failures: 0, discovered: Some(start) };
        assert!(History::default().discovery_due(start));
        assert!(!history.discovery_due(start + Duration::from_secs(6 * 3600 - 1)));
        assert!(history.discovery_due(start + DISCOVER_EVERY));
    }
}
