//! So many requests a second, with a little saved up: for one member, and in `http` for one client.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket that fills by the second. Pure: time comes in as an argument.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    per_s: f64,
    most: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// Full: `per_s` a second, at most `most` saved up.
    pub fn new(per_s: f64, most: f64, now: Instant) -> Self {
        Self { per_s, most, level: most, at: now }
    }

    /// Takes one; else says how long it takes until there is one.
    ///
    /// # Errors
    /// The time to wait.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        if self.level >= 1.0 {
            self.level -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.level) / self.per_s))
    }

    /// Takes as many as something turned out to cost, on credit of at most what can be saved up.
    pub fn charge(&mut self, now: Instant, count: u32) {
        self.fill(now);
        self.level = (self.level - f64::from(count)).max(-self.most);
    }

    /// Whether it is as if it had never been used.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level >= self.most
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_s).min(self.most);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_up_goes_at_once_and_then_it_is_so_many_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, 10.0, start);
        let mut taken = [0; 3];
        for tick in 0..3_000 {
            let now = start + Duration::from_millis(tick);
            if bucket.take(now).is_ok() {
                taken[usize::try_from(tick / 1_000).unwrap()] += 1;
            }
        }
        assert!((18..=20).contains(&taken[0]), "ten at once and ten in the second: {taken:?}");
        assert!(taken[1..].iter().all(|count| (9..=11).contains(count)), "{taken:?}");
    }

    #[test]
    fn the_time_to_wait_is_enough_and_not_more() {
        let start = Instant::now();
        let mut bucket = Bucket::new(4.0, 1.0, start);
        assert_eq!(bucket.take(start), Ok(()));
        let wait = bucket.take(start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        assert!(bucket.take(start + wait - Duration::from_millis(1)).is_err());
        assert_eq!(bucket.take(start + wait), Ok(()));
    }

    #[test]
    fn credit_has_an_end() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2.0, 6.0, start);
        bucket.charge(start, u32::MAX);
        assert_eq!(bucket.take(start), Err(Duration::from_secs_f64(3.5)));
        assert!(!bucket.is_full(start + Duration::from_secs(5)) && bucket.is_full(start + Duration::from_secs(6)));
    }
}
