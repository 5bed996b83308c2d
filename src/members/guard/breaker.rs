//! The circuit breaker of one member: closed -> open -> one request that tries -> closed, slowly at first.
//!
//! Members are not interchangeable: leaving one out removes data. So a breaker opens late, always says why and for how
//! long, and one answer closes it. It is pure: time and chance come in as arguments.

use std::time::Duration;

use tokio::time::Instant;

use super::super::Fault;
use super::seconds::Seconds;

/// Failures one after the other that open it: two may be chance, five are not.
const ROW_MAX: u32 = 5;
/// It opens too when half of at least so many requests of the last ten seconds failed: a member that answers every
/// other request never fails five times in a row.
const SHARE_REQUESTS_MIN: u32 = 20;
/// Time open after the first opening, added for each further one in a row, and at most.
const OPEN: Duration = Duration::from_secs(30);
const OPEN_MAX: Duration = Duration::from_secs(300);
/// Up to this part of the time open is added by chance, so that brokers do not come back in step.
const SPREAD: f64 = 0.2;
/// After closing, the share of the concurrency that is allowed grows from this to all of it.
const SLOW_START_SHARE: f64 = 0.1;
const SLOW_START: Duration = Duration::from_secs(30);
/// What others are told while one request tries whether the member is back.
const TRYING: Duration = Duration::from_secs(1);

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Go,
    /// It is the one that tries whether the member is back.
    Try,
    /// Nothing is sent for so long.
    Closed(Duration),
}

/// Why it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub failures: u32,
    /// Of so many requests; `None`: they came in a row.
    pub of: Option<u32>,
    pub last: Fault,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.of {
            Some(of) => write!(out, "{} of its last {of} requests failed", self.failures)?,
            None => write!(out, "{} requests failed in a row", self.failures)?,
        }
        write!(out, ", the last with `{}`", self.last.name())
    }
}

/// Where it stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    /// Of the last opening, until it has been closed for a while.
    pub reason: Option<Reason>,
    /// Until the next request may try.
    pub left: Duration,
    /// Openings in a row.
    pub openings: u32,
}

impl std::fmt::Display for Standing {
    /// For those who miss the member's Items.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(reason) = &self.reason {
            write!(out, "{reason}; ")?;
        }
        match self.state {
            State::Closed => write!(out, "it is asked again"),
            State::HalfOpen => write!(out, "it is being tried again"),
            State::Open => write!(out, "it is not asked for another {} s", self.left_s()),
        }
    }
}

impl Standing {
    /// Whole seconds until the next request may try, never none.
    #[must_use]
    pub fn left_s(&self) -> u32 {
        super::seconds(self.left)
    }
}

/// What a breaker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    /// One of them tries whether the member is back.
    HalfOpen,
    Open,
}

impl State {
    /// The word for it in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// `since`: closed again after it had been open, and not yet trusted with everything.
    Closed {
        since: Option<Instant>,
    },
    Open {
        until: Instant,
    },
    /// One request is under way that tries, or the next one will.
    Trying {
        under_way: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Breaker {
    phase: Phase,
    /// Failures since the last good answer.
    row: u32,
    recent: Seconds,
    openings: u32,
    reason: Option<Reason>,
}

impl Breaker {
    pub fn new(now: Instant) -> Self {
        Self { phase: Phase::Closed { since: None }, row: 0, recent: Seconds::from(now), openings: 0, reason: None }
    }

    /// What [`Breaker::enter`] would say, without entering.
    pub fn look(&self, now: Instant) -> Entry {
        match self.phase {
            Phase::Closed { .. } => Entry::Go,
            Phase::Open { until } if now < until => Entry::Closed(until - now),
            Phase::Open { .. } | Phase::Trying { under_way: false } => Entry::Try,
            Phase::Trying { under_way: true } => Entry::Closed(TRYING),
        }
    }

    /// Lets a request in, or says for how long not.
    pub fn enter(&mut self, now: Instant) -> Entry {
        let entry = self.look(now);
        if entry == Entry::Try {
            self.phase = Phase::Trying { under_way: true };
        }
        entry
    }

    /// A request that was let in got an answer. `tries`: it was let in to try.
    pub fn succeeded(&mut self, now: Instant, tries: bool) {
        match self.phase {
            Phase::Closed { since } => {
                self.row = 0;
                self.recent.add(now, false);
                if since.is_some_and(|since| now.saturating_duration_since(since) >= SLOW_START) {
                    self.phase = Phase::Closed { since: None };
                    (self.openings, self.reason) = (0, None);
                }
            }
            Phase::Trying { .. } if tries => {
                self.phase = Phase::Closed { since: Some(now) };
                self.row = 0;
                self.recent = Seconds::from(now);
            }
            // It was sent before the breaker opened: what it says is older than what opened it.
            Phase::Open { .. } | Phase::Trying { .. } => {}
        }
    }

    /// A request that was let in failed. `chance` is between 0 and 1. Says whether that opened the breaker.
    pub fn failed(&mut self, now: Instant, tries: bool, fault: Fault, chance: f64) -> bool {
        match self.phase {
            Phase::Closed { .. } => {
                self.row = self.row.saturating_add(1);
                self.recent.add(now, true);
                let (all, bad) = self.recent.sum(now);
                let reason = if self.row >= ROW_MAX {
                    Reason { failures: self.row, of: None, last: fault }
                } else if all >= SHARE_REQUESTS_MIN && 2 * bad >= all {
                    Reason { failures: bad, of: Some(all), last: fault }
                } else {
                    return false;
                };
                self.open(now, reason, chance);
                true
            }
            Phase::Trying { .. } if tries => {
                let failures = self.row.saturating_add(1);
                self.row = failures;
                self.open(now, Reason { failures, of: None, last: fault }, chance);
                true
            }
            Phase::Open { .. } | Phase::Trying { .. } => false,
        }
    }

    /// A request that was let in says nothing about the member, or was given up by the client.
    pub fn learnt_nothing(&mut self, tries: bool) {
        if let (Phase::Trying { .. }, true) = (self.phase, tries) {
            self.phase = Phase::Trying { under_way: false };
        }
    }

    /// The share of the concurrency that may be used now.
    pub fn share(&self, now: Instant) -> f64 {
        match self.phase {
            Phase::Closed { since: None } => 1.0,
            Phase::Closed { since: Some(since) } => {
                let part = now.saturating_duration_since(since).as_secs_f64() / SLOW_START.as_secs_f64();
                (SLOW_START_SHARE + (1.0 - SLOW_START_SHARE) * part).min(1.0)
            }
            Phase::Open { .. } | Phase::Trying { .. } => SLOW_START_SHARE,
        }
    }

    pub fn standing(&self, now: Instant) -> Standing {
        let (state, left) = match (self.phase, self.look(now)) {
            (Phase::Closed { .. }, _) => (State::Closed, Duration::ZERO),
            (Phase::Open { .. }, Entry::Closed(left)) => (State::Open, left),
            (_, Entry::Closed(left)) => (State::HalfOpen, left),
            (_, Entry::Go | Entry::Try) => (State::HalfOpen, Duration::ZERO),
        };
        Standing { state, reason: self.reason, left, openings: self.openings }
    }

    fn open(&mut self, now: Instant, reason: Reason, chance: f64) {
        self.openings = self.openings.saturating_add(1);
        self.reason = Some(reason);
        let base = OPEN.saturating_mul(self.openings).min(OPEN_MAX);
        self.phase = Phase::Open { until: now + base.mul_f64(1.0 + SPREAD * chance.clamp(0.0, 1.0)) };
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
