//! How often a member did otherwise than it claims: often enough, and its word is not taken any more (S6, S10).

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// So many times in so much time.
const TIMES: usize = 3;
const WINDOW: Duration = Duration::from_secs(600);

/// The latest times that one member broke one claim; at most [`TIMES`] are kept.
#[derive(Debug, Default)]
pub struct Tally(Mutex<VecDeque<Instant>>);

impl Tally {
    /// Counts one; true when that makes it too many.
    pub fn add(&self, now: Instant) -> bool {
        let Ok(mut seen) = self.0.lock() else { return false };
        seen.push_back(now);
        seen.retain(|at| now.saturating_duration_since(*at) <= WINDOW);
        if seen.len() < TIMES {
            return false;
        }
        seen.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_in_ten_minutes_is_too_often() {
        let tally = Tally::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!tally.add(start) && !tally.add(after(300)));
        assert!(!tally.add(after(700)), "the first is forgotten");
        assert!(tally.add(after(800)));
        assert!(!tally.add(after(801)), "and counted anew");
    }
}
