//! Equal requests at the same time are one request.
//!
//! The first one leads in its own time; the others wait for its answer, each by its own deadline. What the leader's
//! member said is everybody's, good or bad. Where the leader only ran out of its own time or turns, or went away, one of
//! those who wait takes its place: a failure of the leader's own is never theirs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Requests under way that others can join; with more, each goes by itself. As many as the broker takes clients.
const FLIGHTS_MAX: usize = 1024;

type Landing<V> = watch::Receiver<Option<V>>;

/// The requests under way, by what makes them equal.
#[derive(Debug)]
pub struct Flights<K: Hash + Eq, V>(Mutex<HashMap<K, Landing<V>>>);

impl<K: Hash + Eq, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// How a request came to its answer.
#[derive(Debug)]
pub enum Flown<T, V> {
    /// It was sent.
    Led(T),
    /// It took another's answer.
    Joined(V),
    /// The deadline came while it waited for another's.
    Late,
}

enum Seat<'a, K: Hash + Eq + Clone, V> {
    Leads(Lead<'a, K, V>),
    Joins(Landing<V>),
    Alone,
}

/// The place of a leader, given back however it ends.
struct Lead<'a, K: Hash + Eq + Clone, V> {
    flights: &'a Flights<K, V>,
    key: K,
    landed: watch::Sender<Option<V>>,
}

impl<K: Hash + Eq + Clone, V> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Flights<K, V> {
    /// Sends by `send`, or takes the answer of an equal request under way. `share` says what of an outcome others get;
    /// `None`: it is the leader's own.
    pub async fn fly<T, F>(
        &self,
        key: K,
        deadline: Instant,
        share: impl Fn(&T) -> Option<V>,
        send: impl FnOnce() -> F,
    ) -> Flown<T, V>
    where
        F: Future<Output = T>,
    {
        loop {
            match self.seat(&key) {
                Seat::Alone => return Flown::Led(send().await),
                Seat::Leads(lead) => {
                    let outcome = send().await;
                    let shared = share(&outcome);
                    // Off the list first: who comes now asks anew, and those on board still hear of it.
                    let landed = lead.landed.clone();
                    drop(lead);
                    landed.send_replace(shared);
                    return Flown::Led(outcome);
                }
                Seat::Joins(mut landing) => {
                    let landed = timeout_at(deadline, landing.wait_for(Option::is_some)).await;
                    match landed.map(|landed| landed.ok().and_then(|value| value.clone())) {
                        Err(_elapsed) => return Flown::Late,
                        Ok(Some(value)) => return Flown::Joined(value),
                        // The leader left without an answer for others: whoever is first here leads.
                        Ok(None) => {}
                    }
                }
            }
        }
    }

    fn seat(&self, key: &K) -> Seat<'_, K, V> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = flights.get(key) {
            return Seat::Joins(landing.clone());
        }
        if flights.len() >= FLIGHTS_MAX {
            return Seat::Alone;
        }
        let (landed, landing) = watch::channel(None);
        flights.insert(key.clone(), landing);
        Seat::Leads(Lead { flights: self, key: key.clone(), landed })
    }
}

#[cfg(test)]
#[path = "flights_tests.rs"]
mod tests;
