//! What stands between the broker and one member, for the good of both: pauses, pace, breaker, turns, retries.
//!
//! The parts are pure state machines, each in its file; here they are asked in one order under one lock, and this is the
//! only place of theirs that waits. It deliberately does not know what is sent. Start reading at [`Guard::enter`].

mod breaker;
pub mod flights;
mod judge;
mod limiter;
mod pace;
mod retry;
mod seconds;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::line::failure;
use super::{Failure, Fault};
use crate::federation::{self, MemberId};
use crate::telemetry::metrics;

pub use breaker::{Standing, State};
pub use judge::{Judged, Rules};
pub use pace::Bucket;
pub use retry::{Again, Lost};

use breaker::{Breaker, Entry};
use limiter::Limiter;
pub use limiter::Strength;
use retry::Retries;

/// How long a request waits for its turn at a member where no turn is given back by an answer. It is counted in steps, so
/// that a moment in which this process does not run counts as one step and not as the member's fault.
const STEP: Duration = Duration::from_millis(20);
const STEPS: u32 = 5;
/// Where turns are given back, a request waits for its own for at most one part in so many of the time it has left: the
/// rest is for the answer. A burst passes; how many can wait at all is bounded at the door.
const WAIT_PARTS: u32 = 2;
/// Longest wait for the rate that a member allows.
const RATE_WAIT_MAX: Duration = Duration::from_secs(1);
/// After a name that was not found, or a connection that took its whole time not to come, nothing is tried for so long.
/// A connection that is refused costs nothing and is tried again at once.
const UNREACHABLE: Duration = Duration::from_secs(5);
/// Longest pause a member can ask for.
pub const RETRY_AFTER_MAX_S: u32 = 300;

/// The guard of one member.
#[derive(Debug)]
pub struct Guard {
    member: MemberId,
    parts: Mutex<Parts>,
    /// Told when a turn is given back.
    free: Notify,
}

#[derive(Debug)]
struct Parts {
    breaker: Breaker,
    limiter: Limiter,
    retries: Retries,
    pace: Option<Bucket>,
    /// The member asked for it by `Retry-After`.
    pause: Option<Instant>,
    unreachable: Option<Instant>,
    /// Turns given back by an answer so far.
    answers: u64,
}

/// What can be told of a guard at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub breaker: Standing,
    pub concurrency_limit: usize,
    pub in_flight: usize,
    /// What is left of a pause that the member asked for.
    pub pause: Duration,
    /// What is left of the time in which it is not tried to reach it again.
    pub unreachable: Duration,
}

impl Told {
    /// Why a request would not be sent at this moment; in the order in which `Guard::enter` asks.
    #[must_use]
    pub fn withheld(&self) -> Option<Withheld> {
        let not_asked = |why: &str, left: Duration| format!("{why}; it is not asked for another {} s", seconds(left));
        let (fault, reason, left) = if !self.pause.is_zero() {
            (Fault::RateLimited, not_asked("it asked for a pause", self.pause), self.pause)
        } else if !self.breaker.left.is_zero() {
            (Fault::CircuitOpen, self.breaker.to_string(), self.breaker.left)
        } else if !self.unreachable.is_zero() {
            let why = not_asked("it could not be reached a moment ago", self.unreachable);
            (Fault::Unreachable, why, self.unreachable)
        } else {
            return None;
        };
        Some(Withheld { fault, reason, retry_after_s: seconds(left) })
    }
}

/// A member that would be asked and cannot be at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// How a request would end.
    pub fault: Fault,
    /// For those who miss the member's Items.
    pub reason: String,
    /// Until it is worth asking.
    pub retry_after_s: u32,
}

/// Whether a request may go now.
enum Door {
    Open {
        tries: bool,
    },
    Shut(Failure, &'static str),
    /// `pace`: the time until the pace allows one more; else there is no turn.
    Wait {
        pace: Option<Duration>,
        answers: u64,
    },
}

impl Guard {
    /// `full`: begin with all the concurrency that is allowed, for requests that take minutes.
    pub fn new(member: &MemberId, request: &federation::Request, full: bool) -> Self {
        let now = Instant::now();
        let rate = request.rate_per_s.map(f64::from);
        let parts = Parts {
            breaker: Breaker::new(now),
            limiter: Limiter::new(request.concurrency_max, full),
            retries: Retries::new(now),
            // A quiet second can be made up for.
            pace: rate.map(|rate| Bucket::new(rate, rate.max(1.0), now)),
            pause: None,
            unreachable: None,
            answers: 0,
        };
        Self { member: member.clone(), parts: Mutex::new(parts), free: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // No part is left half changed by a panic: each change is one call.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, or says why there is none.
    ///
    /// # Errors
    /// `circuit-open`, `rate-limited`, or `unreachable` where that was found out a moment ago.
    pub async fn enter(self: &Arc<Self>, deadline: Instant) -> Result<Pass, Failure> {
        let began = Instant::now();
        let last = began + deadline.saturating_duration_since(began) / WAIT_PARTS;
        let last_by_rate = deadline.min(began + RATE_WAIT_MAX);
        let (mut steps, mut seen) = (0, None);
        loop {
            let free = self.free.notified();
            let now = Instant::now();
            let (pace, answers) = match self.lock().look(now) {
                Door::Open { tries } => {
                    return Ok(Pass { guard: Arc::clone(self), began: now, tries, ended: false });
                }
                Door::Shut(why, cause) => return Err(self.unsent(why, cause)),
                Door::Wait { pace, answers } => (pace, answers),
            };
            if pace.is_some_and(|wait| now + wait > last_by_rate) {
                return Err(self.unsent(failure(Fault::RateLimited, "its requests in a second are used up"), "rate"));
            }
            if seen != Some(answers) {
                (steps, seen) = (0, Some(answers));
            }
            if pace.is_none() && (now >= last || steps >= STEPS) {
                return Err(self.unsent(failure(Fault::RateLimited, "all turns at this member are taken"), "turn"));
            }
            let step = pace.unwrap_or(STEP).max(Duration::from_millis(1));
            if timeout(step, free).await.is_err() {
                steps += 1;
            }
        }
    }

    /// A page came larger than it may, also where fewer Items were asked for: a body without an end costs every search
    /// its whole size.
    pub fn endless(&self) {
        // The request that tried whether the member is back was one of these, if there was one.
        self.judge(true, Judged::Bad(Fault::TooLarge));
    }

    /// Whether the breaker lets nobody in, without entering.
    ///
    /// # Errors
    /// `circuit-open`.
    pub fn closed(&self) -> Result<(), Failure> {
        let entry = self.lock().entry(Instant::now());
        entry.map(|_| ()).map_err(|why| self.unsent(why, "breaker"))
    }

    fn unsent(&self, why: Failure, cause: &'static str) -> Failure {
        metrics::unsent(self.member.as_str(), cause);
        why
    }

    pub fn member(&self) -> &MemberId {
        &self.member
    }

    /// A request is about to be sent for the first time.
    pub fn asked(&self) {
        self.lock().retries.asked(Instant::now());
    }

    /// Whether a request that was lost is sent once more, and after which pause.
    pub fn again(&self, lost: Lost, deadline: Instant) -> Option<Duration> {
        match self.lock().retries.again(Instant::now(), deadline, chance()) {
            Again::After(pause) => {
                metrics::retried(self.member.as_str(), lost.name());
                Some(pause)
            }
            Again::Spent => {
                metrics::retry_withheld(self.member.as_str());
                None
            }
            Again::Late => None,
        }
    }

    /// The member asked for a pause.
    pub fn pause(&self, seconds: u32) {
        let until = Instant::now() + Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S).into());
        self.lock().pause = Some(until);
    }

    /// Nobody is there, and finding that out again would cost time.
    pub fn unreachable(&self) {
        self.lock().unreachable = Some(Instant::now() + UNREACHABLE);
    }

    pub fn told(&self) -> Told {
        let now = Instant::now();
        let parts = self.lock();
        Told {
            breaker: parts.breaker.standing(now),
            concurrency_limit: parts.limiter.allowed(parts.breaker.share(now)),
            in_flight: parts.limiter.in_flight(),
            pause: left(parts.pause, now).unwrap_or_default(),
            unreachable: left(parts.unreachable, now).unwrap_or_default(),
        }
    }

    /// Tells the metrics where it stands.
    pub fn measure(&self) {
        let told = self.told();
        let breaker = match told.breaker.state {
            State::Closed => metrics::Breaker::Closed,
            State::HalfOpen => metrics::Breaker::HalfOpen,
            State::Open => metrics::Breaker::Open,
        };
        let (concurrency_limit, in_flight, pause) = (told.concurrency_limit, told.in_flight, told.pause);
        metrics::guard(self.member.as_str(), &metrics::Guard { breaker, concurrency_limit, in_flight, pause });
    }

    fn give_back(&self, strength: Strength) {
        let mut parts = self.lock();
        parts.answers += u64::from(strength == Strength::Fine);
        parts.limiter.give_back(Instant::now(), strength);
        drop(parts);
        self.free.notify_one();
    }

    fn judge(&self, tries: bool, judged: Judged) {
        let now = Instant::now();
        let mut parts = self.lock();
        match judged {
            Judged::Good => {
                parts.breaker.succeeded(now, tries);
                let closed = tries.then(|| parts.breaker.standing(now).state == State::Closed);
                drop(parts);
                if closed == Some(true) {
                    info!(member = %self.member, "member answers again, its breaker is closed");
                    self.free.notify_waiters();
                }
            }
            Judged::Nothing => parts.breaker.learnt_nothing(tries),
            Judged::Bad(fault) => {
                let opened = parts.breaker.failed(now, tries, fault, chance());
                let standing = parts.breaker.standing(now);
                drop(parts);
                if opened {
                    metrics::breaker_opened(self.member.as_str());
                    let reason = standing.reason.map(|reason| reason.to_string()).unwrap_or_default();
                    warn!(member = %self.member, reason, open_s = standing.left.as_secs(), openings = standing.openings, "breaker opened, member is not asked meanwhile");
                }
            }
        }
    }
}

impl Parts {
    fn look(&mut self, now: Instant) -> Door {
        if let Some(left) = left(self.pause, now) {
            let why = failure(Fault::RateLimited, "member asked for a pause");
            return Door::Shut(Failure { retry_after_s: Some(seconds(left)), ..why }, "pause");
        }
        let entry = match self.entry(now) {
            Ok(entry) => entry,
            Err(why) => return Door::Shut(why, "breaker"),
        };
        if let Some(left) = left(self.unreachable, now) {
            let why = failure(Fault::Unreachable, "could not be reached a moment ago");
            return Door::Shut(Failure { retry_after_s: Some(seconds(left)), ..why }, "breaker");
        }
        let tries = entry == Entry::Try;
        let share = self.breaker.share(now);
        if !tries && self.limiter.in_flight() >= self.limiter.allowed(share) {
            return Door::Wait { pace: None, answers: self.answers };
        }
        if let Some(Err(wait)) = self.pace.as_mut().map(|pace| pace.take(now)) {
            return Door::Wait { pace: Some(wait), answers: self.answers };
        }
        if tries {
            self.limiter.take_anyway();
        } else {
            self.limiter.take(share);
        }
        self.breaker.enter(now);
        Door::Open { tries }
    }

    /// What the breaker says.
    fn entry(&self, now: Instant) -> Result<Entry, Failure> {
        let entry = self.breaker.look(now);
        let Entry::Closed(left) = entry else { return Ok(entry) };
        let reason = self.breaker.standing(now).reason.map(|reason| reason.to_string()).unwrap_or_default();
        let why = failure(Fault::CircuitOpen, &format!("not asked for a while: {reason}"));
        Err(Failure { retry_after_s: Some(seconds(left)), ..why })
    }
}

/// A turn at a member. Dropping it before its end says that whoever asked went away.
#[derive(Debug)]
pub struct Pass {
    guard: Arc<Guard>,
    began: Instant,
    /// It was let in to try whether the member is back.
    tries: bool,
    ended: bool,
}

impl Pass {
    /// Whether it may be sent again should it be lost: not where it only tries.
    pub fn may_go_again(&self) -> bool {
        !self.tries
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    /// An answer came whole: gives the turn back. What the answer is worth is said by the [`Trial`].
    pub fn answered(mut self, outcome: &'static str, bytes: usize) -> Trial {
        self.ended = true;
        let took = self.began.elapsed();
        self.guard.lock().retries.answered(took);
        self.guard.give_back(Strength::Fine);
        metrics::sent(self.guard.member.as_str(), outcome, took, bytes);
        Trial(Some((Arc::clone(&self.guard), self.tries)))
    }

    /// No good answer came.
    pub fn failed(mut self, fault: Fault, judged: Judged, strength: Strength) {
        self.ended = true;
        self.guard.give_back(strength);
        self.guard.judge(self.tries, judged);
        metrics::sent(self.guard.member.as_str(), fault.name(), self.began.elapsed(), 0);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.ended {
            self.guard.give_back(Strength::Unknown);
            self.guard.judge(self.tries, Judged::Nothing);
            metrics::sent(self.guard.member.as_str(), "cancelled", self.began.elapsed(), 0);
        }
    }
}

/// Whether an answer is as good as it looked: it is, unless whoever reads it says otherwise before dropping this.
#[derive(Debug, Default)]
pub struct Trial(Option<(Arc<Guard>, bool)>);

impl Trial {
    /// Says what became of reading the answer: that it is not what was asked for counts as the member's failure.
    ///
    /// # Errors
    /// Those it was given.
    pub fn of<T>(mut self, read: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure { fault: Fault::BadResponse, .. }) = &read
            && let Some((guard, tries)) = self.0.take()
        {
            guard.judge(tries, Judged::Bad(Fault::BadResponse));
        }
        read
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some((guard, tries)) = self.0.take() {
            guard.judge(tries, Judged::Good);
        }
    }
}

/// Which of a member's two services: its catalogue, or its process API, which may be another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    Catalogue,
    Processes,
}

/// The guards of all members of a registry.
#[derive(Debug, Default)]
pub struct Guards(Mutex<HashMap<(MemberId, Service), Arc<Guard>>>);

impl Guards {
    /// The guard of a member's service; the same for all who ask.
    pub fn of(&self, member: &federation::Member, service: Service) -> Arc<Guard> {
        let make = || Arc::new(Guard::new(&member.id, &member.request, service == Service::Processes));
        Arc::clone(self.lock().entry((member.id.clone(), service)).or_insert_with(make))
    }

    pub fn get(&self, member: &str, service: Service) -> Option<Arc<Guard>> {
        self.lock().get(&(MemberId::new(member), service)).map(Arc::clone)
    }

    /// Takes over the guards of a member that goes on as it was.
    pub fn adopt(&self, member: &MemberId, from: &Self) {
        for service in [Service::Catalogue, Service::Processes] {
            if let Some(guard) = from.get(member.as_str(), service) {
                self.lock().insert((member.clone(), service), guard);
            }
        }
    }

    /// Tells the metrics where the catalogues' guards stand.
    pub fn measure(&self) {
        let catalogues = |(key, guard): (&(MemberId, Service), &Arc<Guard>)| {
            (key.1 == Service::Catalogue).then(|| Arc::clone(guard))
        };
        let guards: Vec<Arc<Guard>> = self.lock().iter().filter_map(catalogues).collect();
        for guard in guards {
            guard.measure();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(MemberId, Service), Arc<Guard>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between 0 and 1, another one each time.
pub fn chance() -> f64 {
    #[cfg(test)]
    if let Some(chance) = super::wire::chance() {
        return chance;
    }
    // A hasher's keys differ from one to the next; that is all the chance that is needed here.
    #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
    let chance = (RandomState::new().hash_one(0_u8) >> 32) as f64 / f64::from(u32::MAX);
    chance
}

fn left(until: Option<Instant>, now: Instant) -> Option<Duration> {
    until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
}

/// Whole seconds, never none.
pub fn seconds(left: Duration) -> u32 {
    u32::try_from(left.as_secs() + u64::from(left.subsec_nanos() > 0)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
