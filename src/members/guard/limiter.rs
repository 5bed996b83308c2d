//! How many requests may be at one member at once: more while it answers, fewer when it is strained.
//!
//! Additive up, multiplicative down, as TCP finds out what a line carries. Pure: time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Where a member begins that nothing is known of.
const START: usize = 16;
/// Never fewer than this, unless the federation file says so: below it one slow search blocks the others.
const MIN: usize = 4;
/// What is left of the limit when a member is strained.
const DOWN: f64 = 0.7;
/// A strain is answered once: requests that were sent together fail together.
const DOWN_EVERY: Duration = Duration::from_secs(1);

/// What a request that came to its end says about the member's strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    Fine,
    /// It timed out, or the member said 429 or 503.
    Strained,
    Unknown,
}

/// See the module.
#[derive(Debug)]
pub struct Limiter {
    limit: f64,
    min: f64,
    max: f64,
    in_flight: usize,
    lowered: Option<Instant>,
}

impl Limiter {
    /// At most `max` at once; `full` begins there.
    pub fn new(max: usize, full: bool) -> Self {
        let max = max.max(1);
        let limit = if full { max } else { START.min(max) };
        Self { limit: number(limit), min: number(MIN.min(max)), max: number(max), in_flight: 0, lowered: None }
    }

    /// Takes a turn where there is one. `share` is the part of the limit that may be used now.
    pub fn take(&mut self, share: f64) -> bool {
        let free = self.in_flight < self.allowed(share);
        self.in_flight += usize::from(free);
        free
    }

    /// Takes a turn whatever the limit is: for the one request that tries whether a member is back.
    pub fn take_anyway(&mut self) {
        self.in_flight += 1;
    }

    /// Gives a turn back.
    pub fn give_back(&mut self, now: Instant, strength: Strength) {
        match strength {
            // Answers prove nothing about a limit that was far from being reached.
            Strength::Fine if 2.0 * number(self.in_flight) >= self.limit => {
                self.limit = (self.limit + 1.0 / self.limit).min(self.max);
            }
            Strength::Strained if self.lowered.is_none_or(|at| now.saturating_duration_since(at) >= DOWN_EVERY) => {
                self.limit = (self.limit * DOWN).max(self.min);
                self.lowered = Some(now);
            }
            _ => {}
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How many may be under way with this share; always one.
    pub fn allowed(&self, share: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and some thousand")]
        let allowed = (self.limit * share) as usize;
        allowed.max(1)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand at most")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_it_is_used_and_answers_come() {
        let (now, mut limiter) = (Instant::now(), Limiter::new(64, false));
        assert_eq!(limiter.allowed(1.0), 16);
        for _ in 0..10_000 {
            assert!(limiter.take(1.0));
            limiter.give_back(now, Strength::Fine);
        }
        assert_eq!(limiter.allowed(1.0), 16, "one at a time says nothing about sixteen");
        let mut rounds = 0;
        while limiter.allowed(1.0) < 64 {
            rounds += 1;
            assert!(rounds < 200, "{}", limiter.allowed(1.0));
            let mut taken = 0;
            while limiter.take(1.0) {
                taken += 1;
            }
            assert_eq!(taken, limiter.in_flight());
            (0..taken).for_each(|_| limiter.give_back(now, Strength::Fine));
        }
        assert!(rounds >= 48, "one more with each round, not faster: {rounds}");
    }

    #[test]
    fn a_strain_lowers_it_once_a_second_and_not_below_four() {
        let (now, mut limiter) = (Instant::now(), Limiter::new(64, false));
        let mut seen = Vec::new();
        for second in 0..8 {
            for _ in 0..3 {
                assert!(limiter.take(1.0));
                limiter.give_back(now + Duration::from_secs(second), Strength::Strained);
            }
            seen.push(limiter.allowed(1.0));
        }
        assert_eq!(seen, [11, 7, 5, 4, 4, 4, 4, 4]);
    }

    #[test]
    fn the_file_s_bound_holds_and_a_share_leaves_one() {
        assert_eq!(Limiter::new(2, false).allowed(1.0), 2);
        assert_eq!(Limiter::new(200, false).allowed(1.0), 16);
        assert_eq!(Limiter::new(200, true).allowed(1.0), 200);
        assert_eq!(Limiter::new(64, false).allowed(0.1), 1);
        assert_eq!(Limiter::new(64, false).allowed(0.01), 1);
        let mut one = Limiter::new(1, false);
        assert!(one.take(1.0) && !one.take(1.0));
        one.give_back(Instant::now(), Strength::Strained);
        assert!(one.take(1.0), "never none");
    }
}
