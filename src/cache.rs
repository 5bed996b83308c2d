//! Answers of members that are held for a while (`stac-api.md` 7.5): fresh, then served stale while one task reads them
//! again, then served stale only because the member fails.
//!
//! It knows neither members nor what an answer is; callers bring the key, the reading and the weight. One key is read
//! by one task at a time however many ask, and that task goes on when they leave: the next one finds its answer. A
//! failure is never held as an answer. It is remembered for a short time only, so that a member that fails is not asked
//! by every request. Start reading at [`Cache::get`]; `Times::step` decides, and nothing else looks at ages.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::Instrument;

use crate::telemetry::context::carried;
use crate::telemetry::metrics;

/// Keys that are read at the same time; each is a task and a connection to a member.
const FLIGHTS_MAX: usize = 64;
/// What an entry weighs beside its answer: the key, two times, the books of the cache.
const ENTRY_BYTES: usize = 256;

/// How long an answer serves, counted from when it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Served without another thought.
    pub fresh: Duration,
    /// Served at once, and read again behind the request.
    pub stale: Duration,
    /// Served only because reading it again failed.
    pub kept: Duration,
    /// After a failure, how long nothing is asked.
    pub retry: Duration,
}

impl Times {
    /// Queryables, capabilities and process lists of members.
    pub const METADATA: Self = Self {
        fresh: Duration::from_secs(300),
        stale: Duration::from_secs(3600),
        kept: Duration::from_secs(24 * 3600),
        retry: Duration::from_secs(30),
    };

    /// What to do with an answer of this age, after a failure that lies so far back; `None`: there was none.
    fn step(&self, answer: Option<Duration>, failure: Option<Duration>) -> Step {
        let younger = |age: Option<Duration>, than: Duration| age.is_some_and(|age| age < than);
        if younger(answer, self.fresh) {
            Step::Serve
        } else if younger(failure, self.retry) {
            if younger(answer, self.kept) { Step::Serve } else { Step::Refuse }
        } else if younger(answer, self.stale) {
            Step::ServeAndRead
        } else {
            Step::Read
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Serve,
    ServeAndRead,
    /// Wait for the reading; where it fails, an answer that is still kept serves.
    Read,
    /// The last failure is told again.
    Refuse,
}

/// An answer.
#[derive(Debug)]
pub struct Got<V> {
    pub value: Arc<V>,
    /// Older than the fresh time, and not read again yet: the last good answer.
    pub stale: bool,
    /// Its age, where it serves only because reading it again failed.
    pub outdated: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread<E> {
    #[error("reading failed: {0}")]
    Failed(E),
    #[error("as many answers are being read as may be at once")]
    Busy,
    #[error("reading ended without an outcome")]
    Lost,
}

/// Answers by key, bounded by their weight in bytes. Cheap to clone; clones share what is held.
pub struct Cache<K, V, E> {
    /// What is counted under.
    name: &'static str,
    times: Times,
    held: moka::sync::Cache<K, Held<V, E>>,
    flights: Flights<K, V, E>,
}

type Flights<K, V, E> = Arc<Mutex<HashMap<K, watch::Receiver<Option<Held<V, E>>>>>>;

/// What is held of one key: the last good answer and the failure after it, each with its time.
struct Held<V, E> {
    good: Option<(Arc<V>, Instant)>,
    failed: Option<(E, Instant)>,
}

impl<V, E: Clone> Clone for Held<V, E> {
    fn clone(&self) -> Self {
        Self { good: self.good.clone(), failed: self.failed.clone() }
    }
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self { name: self.name, times: self.times, held: self.held.clone(), flights: self.flights.clone() }
    }
}

impl<K, V, E> Cache<K, V, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// An empty cache that holds at most so many bytes; `weigh` gives those of one answer, `name` is for metrics.
    #[must_use]
    pub fn new(
        name: &'static str,
        times: Times,
        bytes_max: u64,
        weigh: impl Fn(&V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let weight = move |_: &K, held: &Held<V, E>| {
            let answer = held.good.as_ref().map_or(0, |(value, _)| weigh(value));
            u32::try_from(answer.saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        let held = moka::sync::Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weight)
            // Memory of what nobody asks for; what may be served is decided by `step`.
            .time_to_live(times.kept)
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        Self { name, times, held, flights: Flights::default() }
    }

    /// The answer of a key: held, or read by `read`. Needs a running tokio runtime. Waits no longer than the reading
    /// takes, which has to end by a deadline of its own.
    ///
    /// # Errors
    /// Why the last reading gave no answer, where no earlier one is kept.
    pub async fn get<F>(&self, key: K, read: impl FnOnce() -> F) -> Result<Got<V>, Unread<E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        self.get_at(Instant::now(), key, read).await
    }

    async fn get_at<F>(&self, now: Instant, key: K, read: impl FnOnce() -> F) -> Result<Got<V>, Unread<E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let held = self.held.get(&key).unwrap_or(Held { good: None, failed: None });
        let age = |at: Instant| now.saturating_duration_since(at);
        let step =
            self.times.step(held.good.as_ref().map(|good| age(good.1)), held.failed.as_ref().map(|bad| age(bad.1)));
        let answer = self.taken(step, now, key, held, read).await;
        metrics::cached(self.name, counted_as(step, &answer));
        answer
    }

    async fn taken<F>(
        &self,
        step: Step,
        now: Instant,
        key: K,
        held: Held<V, E>,
        read: impl FnOnce() -> F,
    ) -> Result<Got<V>, Unread<E>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        match step {
            Step::Serve | Step::Refuse => self.given(&held, now),
            Step::ServeAndRead => {
                // Should no further reading be possible now, the next request tries again.
                let _ = self.flight(now, &key, &held, read);
                self.given(&held, now)
            }
            Step::Read => {
                let Some(mut flight) = self.flight(now, &key, &held, read) else {
                    return self.given(&held, now).map_err(|_none_is_kept| Unread::Busy);
                };
                let landed = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                match landed {
                    Some(landed) => self.given(&landed, now),
                    None => self.given(&held, now).map_err(|_none_is_kept| Unread::Lost),
                }
            }
        }
    }

    /// What is held, without reading anything.
    fn given(&self, held: &Held<V, E>, now: Instant) -> Result<Got<V>, Unread<E>> {
        let age = |at: &Instant| now.saturating_duration_since(*at);
        match (&held.good, &held.failed) {
            (Some((value, at)), failed) if age(at) < self.times.kept => {
                let stale = age(at) >= self.times.fresh;
                let outdated = (stale && failed.is_some()).then(|| age(at));
                Ok(Got { value: Arc::clone(value), stale, outdated })
            }
            (_, Some((failure, _))) => Err(Unread::Failed(failure.clone())),
            (_, None) => Err(Unread::Lost),
        }
    }

    /// The reading of a key: the one under way, or a new one; `None` when there are too many.
    fn flight<F>(
        &self,
        now: Instant,
        key: &K,
        before: &Held<V, E>,
        read: impl FnOnce() -> F,
    ) -> Option<watch::Receiver<Option<Held<V, E>>>>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        // Held over the start of the task, which does not wait: two requests must not both start one.
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Some(flight.clone());
        }
        if flights.len() >= FLIGHTS_MAX {
            return None;
        }
        let (landed, flight) = watch::channel(None);
        flights.insert(key.clone(), flight.clone());
        let listed = Listed { flights: Arc::clone(&self.flights), key: key.clone() };
        let (cache, reading, earlier) = (self.clone(), read(), before.good.clone());
        let began = Instant::now();
        // A task of its own: when whoever asked goes away, the others still get their answer.
        let task = async move {
            let outcome = reading.await;
            let held = match outcome {
                Ok(value) => Held { good: Some((Arc::new(value), now)), failed: None },
                Err(failure) => {
                    let ended = now + began.elapsed();
                    let kept = earlier.filter(|(_, at)| ended.saturating_duration_since(*at) < cache.times.kept);
                    Held { good: kept, failed: Some((failure, ended)) }
                }
            };
            cache.held.insert(listed.key.clone(), held.clone());
            // Held first: whoever comes after the flight finds its answer.
            drop(listed);
            landed.send_replace(Some(held));
        };
        tokio::spawn(carried(task).in_current_span());
        Some(flight)
    }
}

/// Where an answer came from, in a word.
fn counted_as<V, E>(step: Step, answer: &Result<Got<V>, Unread<E>>) -> &'static str {
    match (step, answer) {
        (_, Ok(got)) if got.stale => "stale",
        (Step::Read, Ok(_)) => "read",
        (_, Ok(_)) => "fresh",
        (Step::Refuse, Err(_)) => "refused",
        (_, Err(Unread::Busy)) => "busy",
        (_, Err(_)) => "failed",
    }
}

/// A place in the list of flights, given back however the reading ends.
struct Listed<K: Hash + Eq, V, E> {
    flights: Flights<K, V, E>,
    key: K,
}

impl<K: Hash + Eq, V, E> Drop for Listed<K, V, E> {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const TIMES: Times = Times::METADATA;
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn ages_decide_what_happens() {
        let hour = 60 * MINUTE;
        let second = Duration::from_secs(1);
        let before = |then: Duration| then.saturating_sub(second);
        for (answer, failure, step) in [
            (None, None, Step::Read),
            (Some(Duration::ZERO), None, Step::Serve),
            (Some(before(5 * MINUTE)), None, Step::Serve),
            (Some(5 * MINUTE), None, Step::ServeAndRead),
            (Some(before(hour)), None, Step::ServeAndRead),
            (Some(hour), None, Step::Read),
            (Some(23 * hour), None, Step::Read),
            // A failure a moment ago: nothing is asked.
            (None, Some(second), Step::Refuse),
            (Some(6 * MINUTE), Some(second), Step::Serve),
            (Some(23 * hour), Some(29 * second), Step::Serve),
            (Some(24 * hour), Some(second), Step::Refuse),
            // It lies far enough back.
            (None, Some(30 * second), Step::Read),
            (Some(6 * MINUTE), Some(30 * second), Step::ServeAndRead),
            (Some(2 * hour), Some(30 * second), Step::Read),
        ] {
            assert_eq!(TIMES.step(answer, failure), step, "{answer:?} {failure:?}");
        }
    }

    struct Asked {
        cache: Cache<&'static str, String, &'static str>,
        start: Instant,
        readings: Arc<AtomicU32>,
    }

    impl Asked {
        fn new(bytes_max: u64) -> Self {
            let cache = Cache::new("test", TIMES, bytes_max, String::len);
            Self { cache, start: Instant::now(), readings: Arc::default() }
        }

        async fn at(
            &self,
            after: Duration,
            outcome: Result<&str, &'static str>,
        ) -> Result<(String, bool), Unread<&'static str>> {
            let (readings, outcome) = (Arc::clone(&self.readings), outcome.map(str::to_owned));
            let read = || async move {
                readings.fetch_add(1, Ordering::Relaxed);
                outcome
            };
            let got = self.cache.get_at(self.start + after, "key", read).await;
            got.map(|got| (got.value.as_str().to_owned(), got.stale))
        }

        fn readings(&self) -> u32 {
            self.readings.load(Ordering::Relaxed)
        }

        /// Lets tasks behind requests come to their end.
        async fn settle(&self) {
            while !self.cache.flights.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    fn good(value: &str, stale: bool) -> (String, bool) {
        (value.to_owned(), stale)
    }

    #[tokio::test]
    async fn an_answer_lives_its_life() {
        let asked = Asked::new(1 << 20);
        assert_eq!(asked.at(Duration::ZERO, Ok("one")).await, Ok(good("one", false)));
        assert_eq!(asked.at(4 * MINUTE, Ok("two")).await, Ok(good("one", false)));
        assert_eq!(asked.readings(), 1);
        assert_eq!(asked.at(10 * MINUTE, Ok("three")).await, Ok(good("one", true)), "stale while it is read again");
        asked.settle().await;
        assert_eq!(asked.at(11 * MINUTE, Ok("four")).await, Ok(good("three", false)));
        assert_eq!(asked.readings(), 2);
        assert_eq!(asked.at(90 * MINUTE, Ok("five")).await, Ok(good("five", false)), "too old to serve unread");
    }

    #[tokio::test]
    async fn a_failure_is_told_and_not_asked_for_again_at_once() {
        let asked = Asked::new(1 << 20);
        assert_eq!(asked.at(Duration::ZERO, Err("away")).await, Err(Unread::Failed("away")));
        assert_eq!(asked.at(Duration::from_secs(20), Ok("one")).await, Err(Unread::Failed("away")));
        assert_eq!(asked.readings(), 1);
        assert_eq!(asked.at(MINUTE, Ok("one")).await, Ok(good("one", false)));
    }

    #[tokio::test]
    async fn the_last_good_answer_stays_for_a_day_of_failures() {
        let asked = Asked::new(1 << 20);
        assert_eq!(asked.at(Duration::ZERO, Ok("one")).await, Ok(good("one", false)));
        for hours in 2..24 {
            assert_eq!(asked.at(hours * 60 * MINUTE, Err("away")).await, Ok(good("one", true)), "{hours}");
        }
        assert_eq!(asked.at(24 * 60 * MINUTE, Err("away")).await, Err(Unread::Failed("away")));
        assert_eq!(asked.readings(), 24);
    }

    #[tokio::test]
    async fn what_serves_only_because_reading_failed_says_how_old_it_is() {
        let asked = Asked::new(1 << 20);
        let outdated = async |after: Duration, outcome: Result<&'static str, &'static str>| {
            let read = move || async move { outcome.map(str::to_owned) };
            asked.cache.get_at(asked.start + after, "key", read).await.unwrap().outdated
        };
        assert_eq!(outdated(Duration::ZERO, Ok("one")).await, None);
        assert_eq!(outdated(6 * MINUTE, Err("away")).await, None, "stale, and nothing is known to be wrong");
        asked.settle().await;
        assert_eq!(outdated(6 * MINUTE, Ok("two")).await, Some(6 * MINUTE));
        assert_eq!(outdated(7 * MINUTE, Ok("two")).await, Some(7 * MINUTE), "said until it was read again");
        asked.settle().await;
        assert_eq!(outdated(8 * MINUTE, Err("away")).await, None);
        assert_eq!(outdated(120 * MINUTE, Err("away")).await, Some(113 * MINUTE));
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_reading() {
        let asked = Asked::new(1 << 20);
        let all = futures::future::join_all((0..50).map(|_| asked.at(Duration::ZERO, Ok("one")))).await;
        assert!(all.iter().all(|one| *one == Ok(good("one", false))));
        assert_eq!(asked.readings(), 1);
    }

    #[tokio::test]
    async fn a_reading_goes_on_when_its_first_asker_leaves() {
        let asked = Asked::new(1 << 20);
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let read = || async move {
            let _ = wait.await;
            Ok("one".to_owned())
        };
        let first = asked.cache.get_at(asked.start, "key", read);
        assert!(tokio::time::timeout(Duration::from_millis(5), first).await.is_err(), "it left");
        go.send(()).unwrap();
        assert_eq!(asked.at(Duration::ZERO, Ok("two")).await, Ok(good("one", false)));
        assert_eq!(asked.readings(), 0);
    }

    #[tokio::test]
    async fn a_reading_that_panics_leaves_nothing_behind() {
        let asked = Asked::new(1 << 20);
        let read = || async { panic!("on purpose") };
        assert!(matches!(asked.cache.get_at(asked.start, "key", read).await, Err(Unread::Lost)));
        assert_eq!(asked.at(Duration::ZERO, Ok("one")).await, Ok(good("one", false)));
    }

    #[tokio::test]
    async fn readings_at_once_are_bounded() {
        let cache: Cache<usize, (), ()> = Cache::new("test", TIMES, 1 << 20, |()| 0);
        let never = || async { std::future::pending::<Result<(), ()>>().await };
        for key in 0..FLIGHTS_MAX {
            let got = cache.get(key, never);
            assert!(tokio::time::timeout(Duration::ZERO, got).await.is_err());
        }
        assert!(matches!(cache.get(FLIGHTS_MAX, never).await, Err(Unread::Busy)));
    }

    #[tokio::test]
    async fn weight_is_bounded() {
        let cache: Cache<usize, Vec<u8>, ()> = Cache::new("test", TIMES, 64 << 10, Vec::len);
        for key in 0..100 {
            assert_eq!(cache.get(key, || async { Ok(vec![0; 8 << 10]) }).await.unwrap().value.len(), 8 << 10);
        }
        cache.held.run_pending_tasks();
        assert!(cache.held.weighted_size() <= 64 << 10);
        let huge = cache.get(100, || async { Ok(vec![0; 1 << 20]) }).await;
        assert_eq!(huge.unwrap().value.len(), 1 << 20, "served though it is not held");
    }
}
