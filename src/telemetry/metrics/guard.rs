//! What is counted between the broker and one member: requests on the wire, retries, breaker, limits.
//!
//! Counters are counted where things happen; the state of a member (breaker, limit, pause) is a [`Guard`], told when the
//! metrics are read. Outcomes and causes are words of closed sets.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::table::{
    BREAKER, BREAKER_OPENINGS, COALESCED, CONCURRENCY, MEMBER_BYTES, MEMBER_HTTP, MEMBER_HTTP_SECONDS,
    MEMBER_IN_FLIGHT, PAUSE, RETRIES, RETRIES_WITHHELD, UNSENT,
};

/// The circuit breaker of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Breaker {
    #[default]
    Closed,
    /// One request tries whether the member is back.
    HalfOpen,
    /// Nothing is sent.
    Open,
}

impl Breaker {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }

    fn number(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// What stands between the broker and a member at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    pub breaker: Breaker,
    pub concurrency_limit: usize,
    pub in_flight: usize,
    /// What is left of a pause that the member asked for.
    pub pause: Duration,
}

/// A request went over the wire and came to its end. `outcome` is `ok`, `not-modified`, `cancelled`, or the name of a
/// fault; `bytes` are those of the body after decompression, also of a part of it.
pub fn sent(member: &str, outcome: &'static str, took: Duration, bytes: usize) {
    counter!(MEMBER_HTTP, "member" => member.to_owned(), "outcome" => outcome).increment(1);
    histogram!(MEMBER_HTTP_SECONDS, "member" => member.to_owned()).record(took.as_secs_f64());
    counter!(MEMBER_BYTES, "member" => member.to_owned()).increment(bytes as u64);
}

/// A request is sent once more. `cause` is `connect`, `reset`, or a status: `502`, `503`, `504`.
pub fn retried(member: &str, cause: &'static str) {
    counter!(RETRIES, "member" => member.to_owned(), "cause" => cause).increment(1);
}

/// A request would have been sent once more, but the budget of retries was spent.
pub fn retry_withheld(member: &str) {
    counter!(RETRIES_WITHHELD, "member" => member.to_owned()).increment(1);
}

/// A request was not sent at all. `cause` is `breaker`, `pause` (the member's `Retry-After`), `turn` (all turns are
/// taken), `rate` (`rate_per_s`) or `memory`.
pub fn unsent(member: &str, cause: &'static str) {
    counter!(UNSENT, "member" => member.to_owned(), "cause" => cause).increment(1);
}

/// A request took the answer of an equal one that was under way.
pub fn coalesced(member: &str) {
    counter!(COALESCED, "member" => member.to_owned()).increment(1);
}

/// The breaker of a member opened.
pub fn breaker_opened(member: &str) {
    counter!(BREAKER_OPENINGS, "member" => member.to_owned()).increment(1);
}

/// The state of a member at the moment at which the metrics are read.
pub fn guard(member: &str, guard: &Guard) {
    #[expect(clippy::cast_precision_loss, reason = "some thousands of requests")]
    let number = |count: usize| count as f64;
    gauge!(BREAKER, "member" => member.to_owned()).set(guard.breaker.number());
    gauge!(CONCURRENCY, "member" => member.to_owned()).set(number(guard.concurrency_limit));
    gauge!(MEMBER_IN_FLIGHT, "member" => member.to_owned()).set(number(guard.in_flight));
    gauge!(PAUSE, "member" => member.to_owned()).set(guard.pause.as_secs_f64());
}
