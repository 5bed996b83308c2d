//! Who is let in when clients are more than can be served: so many requests at once, some that wait for their turn, and
//! for all others a refusal at once.
//!
//! How many may be in progress depends on what they wait for. Requests that wait for members cost nothing but memory:
//! `limits.in_flight_max` of them. Requests that wait for this machine only make one another late, and the refusals too,
//! since these stand in the same queue. So where the threads of the runtime never rest, requests in progress are made
//! fewer until they nearly do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// How often it is looked how busy the machine is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A look that is overdue by so much has not come because of too much else to do.
const LATE: Duration = Duration::from_millis(15);
/// Parts of the time that the threads of the runtime spend with tasks: from here on, more requests in progress are not
/// served sooner.
const SATURATED: f64 = 0.95;
/// Below this, more requests in progress would be.
const HAS_ROOM: f64 = 0.85;
/// Below this the machine has so little to do that fewer requests than all are allowed no more.
const RESTS: f64 = 0.5;
/// Of what is in progress when the machine is saturated, so many eighths may stay.
const KEEP_EIGHTHS: usize = 7;
/// One part in so many is added at each look at which the machine has room.
const GROW_PARTS: usize = 16;
/// What a core can always have in progress: fewer leave it idle while members answer.
const FEWEST_PER_CORE: usize = 4;
/// For each request in progress so many may wait: they wait about so many times as long as a request takes.
const WAITING_PER_TURN: usize = 8;
/// Longest wait for a turn: a third of the longest time that a page may take by default. The turns that are to be expected
/// come much sooner; it ends the wait of those that were expected and did not come.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The door's count of requests.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    turns: Mutex<Turns>,
    /// Told when so many requests are in progress that it matters how busy the machine is.
    busy: Notify,
}

/// A request in progress. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Turn(Admission);

/// No turn, now or soon.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Admission {
    /// At most so many requests, waiting ones counted in.
    pub fn new(most: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Mutex::new(Turns::new(most, FEWEST_PER_CORE * cores));
        Self(Arc::new(Shared { turns, busy: Notify::new() }))
    }

    /// Whether a request would be let in, at once or soon.
    pub fn is_open(&self) -> bool {
        self.lock().place(Instant::now()) != Place::None
    }

    /// A turn, after waiting for it where that is not for long.
    ///
    /// # Errors
    /// [`Full`], at once unless a turn was to be expected.
    pub async fn enter(&self) -> Result<Turn, Full> {
        self.enter_within(WAIT_MAX).await
    }

    async fn enter_within(&self, wait_max: Duration) -> Result<Turn, Full> {
        let turn = {
            let mut turns = self.lock();
            match turns.place(Instant::now()) {
                Place::Turn => {
                    turns.running += 1;
                    if turns.is_busy() {
                        self.0.busy.notify_one();
                    }
                    return Ok(Turn(self.clone()));
                }
                Place::None => return Err(Full),
                Place::Queue => {
                    let (give, turn) = oneshot::channel();
                    turns.waiting.push_back(give);
                    turn
                }
            }
        };
        timeout(wait_max, turn).await.ok().and_then(Result::ok).ok_or(Full)
    }

    /// Looks how busy the machine is, for ever.
    pub async fn watch(self) -> Infallible {
        let mut load = Load::of(Handle::current().metrics());
        loop {
            if !self.lock().is_busy() {
                self.lock().due = None;
                self.0.busy.notified().await;
                load.begin();
            }
            let due = Instant::now() + LOOK_EVERY;
            self.lock().due = Some(due);
            sleep_until(due).await;
            self.lock().look(load.since_last());
            self.call();
        }
    }

    /// Gives turns to those who wait.
    fn call(&self) {
        while let Some(next) = self.lock().next() {
            // Should the client leave at this very moment, the turn comes back and is dropped here: it goes to the next.
            drop(next.send(Turn(self.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        // Nothing is left half changed by a panic: each change is one number.
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.call();
    }
}

/// How busy the threads of the runtime are.
struct Load {
    runtime: RuntimeMetrics,
    at: std::time::Instant,
    busy: Duration,
}

impl Load {
    fn of(runtime: RuntimeMetrics) -> Self {
        Self { busy: busy(&runtime), runtime, at: std::time::Instant::now() }
    }

    fn begin(&mut self) {
        self.at = std::time::Instant::now();
        self.busy = busy(&self.runtime);
    }

    /// The part of the time since the last look that the threads spent with tasks, 0 to 1.
    fn since_last(&mut self) -> f64 {
        let (at, before) = (self.at, self.busy);
        self.begin();
        let threads = f64::from(u32::try_from(self.runtime.num_workers()).unwrap_or(u32::MAX));
        let time = self.at.saturating_duration_since(at).as_secs_f64() * threads;
        if time > 0.0 { (self.busy.saturating_sub(before).as_secs_f64() / time).min(1.0) } else { 0.0 }
    }
}

/// What all threads together spent with tasks so far.
fn busy(runtime: &RuntimeMetrics) -> Duration {
    (0..runtime.num_workers()).map(|thread| runtime.worker_total_busy_duration(thread)).sum()
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Turn,
    Queue,
    None,
}

#[derive(Debug)]
struct Turns {
    /// In progress and waiting together.
    most: usize,
    fewest: usize,
    /// What may be in progress now.
    allowed: usize,
    running: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// When the next look is due; `None`: nobody looks.
    due: Option<Instant>,
}

impl Turns {
    fn new(most: usize, fewest: usize) -> Self {
        Self { most, fewest: fewest.min(most), allowed: most, running: 0, waiting: VecDeque::new(), due: None }
    }

    /// Whether so many are in progress that fewer might do, or fewer than all are allowed.
    fn is_busy(&self) -> bool {
        self.running >= self.fewest || self.allowed < self.most
    }

    /// Who gets the next turn; it counts as in progress from here on.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while self.running < self.allowed {
            let next = self.waiting.pop_front()?;
            // Who went away needs no turn.
            if !next.is_closed() {
                self.running += 1;
                return Some(next);
            }
        }
        None
    }

    /// The machine spent such a part of the time since the last look with tasks.
    fn look(&mut self, busy: f64) {
        let wanted = self.running >= self.allowed || !self.waiting.is_empty();
        if busy >= SATURATED {
            self.allowed = (self.running * KEEP_EIGHTHS / 8).clamp(self.fewest, self.allowed.max(self.fewest));
        } else if busy < RESTS || busy < HAS_ROOM && wanted {
            self.allowed = (self.allowed + self.allowed / GROW_PARTS + 1).min(self.most);
        }
    }

    /// Where a request that comes now goes.
    fn place(&mut self, now: Instant) -> Place {
        if self.running + self.waiting.len() >= self.most {
            return Place::None;
        }
        // A look that is overdue says that there is too much to do before there is a look to say so.
        if self.due.is_some_and(|due| now.saturating_duration_since(due) > LATE) {
            self.allowed = self.running.clamp(self.fewest, self.allowed.max(self.fewest));
        }
        if self.running < self.allowed && self.waiting.is_empty() {
            Place::Turn
        } else if self.waiting.len() < WAITING_PER_TURN * self.allowed {
            Place::Queue
        } else {
            Place::None
        }
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
