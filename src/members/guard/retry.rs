//! Whether a request that failed is sent once more. Pure: time and chance come in as arguments.
//!
//! Only searches and metadata come here, which may be asked twice; executions never do (`process_api.rs`).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::seconds::Seconds;

/// The pause before a request is sent again is this long, and up to so much longer by chance: what failed together does
/// not come back together.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_SPREAD: Duration = Duration::from_millis(200);
/// Of a member's requests in ten seconds one in so many may be sent again: a small site that suffers is not hit twice.
const ONE_IN: u32 = 5;
/// One in so long is always allowed, so that a member that is asked little is not denied it.
const ALWAYS_EVERY: Duration = Duration::from_secs(1);
/// Answers of which the median time is known.
const TIMES_KEPT: usize = 63;

/// How a request was lost in a way that another try may mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No connection. `slowly`: finding that out took a name server or the whole time for connecting.
    Connect { slowly: bool },
    /// The connection ended before anything of an answer came. Servers close idle connections when they like (gunicorn
    /// after two seconds), and a request that leaves at that very moment is lost without having been looked at.
    Reset,
    /// 502, 503 or 504.
    Status(u16),
}

impl Lost {
    /// A status that may be better next time. A member that says when to come back is not asked before.
    pub fn of_status(status: u16, retry_after_s: Option<u32>) -> Option<Self> {
        (matches!(status, 502..=504) && retry_after_s.is_none()).then_some(Self::Status(status))
    }

    /// A word of a closed set, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Reset => "reset",
            Self::Status(502) => "502",
            Self::Status(503) => "503",
            Self::Status(_) => "504",
        }
    }
}

/// What a member is asked again, and how long it takes to answer.
#[derive(Debug)]
pub struct Retries {
    /// Requests of the last ten seconds; the marked ones were sent again.
    recent: Seconds,
    last: Option<Instant>,
    times: VecDeque<Duration>,
}

impl Retries {
    pub fn new(now: Instant) -> Self {
        Self { recent: Seconds::from(now), last: None, times: VecDeque::new() }
    }

    /// A request is sent for the first time.
    pub fn asked(&mut self, now: Instant) {
        self.recent.add(now, false);
    }

    /// An answer took so long.
    pub fn answered(&mut self, took: Duration) {
        if self.times.len() == TIMES_KEPT {
            self.times.pop_front();
        }
        self.times.push_back(took);
    }

    /// The median of the last answers; nothing while there are none.
    pub fn median(&self) -> Duration {
        let mut times: Vec<Duration> = self.times.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// Whether there is time and budget to send once more; counts it where there is.
    pub fn again(&mut self, now: Instant, deadline: Instant, chance: f64) -> Again {
        let pause = PAUSE + PAUSE_SPREAD.mul_f64(chance.clamp(0.0, 1.0));
        if deadline.saturating_duration_since(now + pause) <= self.median() {
            return Again::Late;
        }
        let (asked, again) = self.recent.sum(now);
        let first = asked.saturating_sub(again);
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= ALWAYS_EVERY);
        if !due && again.saturating_add(1).saturating_mul(ONE_IN) > first {
            return Again::Spent;
        }
        self.last = Some(now);
        self.recent.add(now, true);
        Again::After(pause)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    After(Duration),
    /// The time that is left is not enough for an answer.
    Late,
    /// The budget is spent.
    Spent,
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
