//! How often a member broke the order it claims: often enough, and its word on sorting is not taken any more (S6).

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// So many broken orders in so much time.
const TIMES: usize = 3;
const WINDOW: Duration = Duration::from_secs(600);

/// The latest broken orders of one member; at most [`TIMES`] are kept.
#[derive(Debug, Default)]
pub struct Disorder(Mutex<VecDeque<Instant>>);

impl Disorder {
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
        let disorder = Disorder::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!disorder.add(start) && !disorder.add(after(300)));
        assert!(!disorder.add(after(700)), "the first is forgotten");
        assert!(disorder.add(after(800)));
        assert!(!disorder.add(after(801)), "and counted anew");
    }
}
