//! A sign of life of every member, again and again: it keeps a connection warm, tells when a member comes and goes, and
//! is the request that tries whether a member is back whose breaker had opened.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::members::Member;
use crate::members::process_api::ProcessApi;

/// How long a landing page may take.
const CHECK_TIME: Duration = Duration::from_secs(3);

/// Asks a member, and its process API, for a sign of life every so often; never, where that is zero. Does not end by itself.
pub async fn beat(member: Arc<dyn Member>, processes: Option<Arc<ProcessApi>>, every: Duration) {
    if every.is_zero() {
        return std::future::pending().await;
    }
    let spread = RandomState::new();
    for round in 0_u64.. {
        #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
        let chance = (spread.hash_one(round) >> 32) as f64 / f64::from(u32::MAX);
        sleep(pause(every, chance)).await;
        // What it says is kept by the adapter and its guard.
        drop(member.check(Instant::now() + CHECK_TIME).await);
        if let Some(processes) = &processes {
            drop(processes.check(Instant::now() + CHECK_TIME).await);
        }
    }
}

/// Spread by a fifth either way, so that members are not asked in step.
fn pause(every: Duration, chance: f64) -> Duration {
    every.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_a_fifth_either_way() {
        let every = Duration::from_secs(30);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| pause(every, chance).as_secs()), [24, 30, 36]);
    }
}
