//! What holds for a whole run: breakers, retries, requests, nothing left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Broker;
use crate::members::{Service, State};

use super::net::Net;

/// A retry is one in so many requests of ten seconds, or the only one of a second.
const ONE_IN: usize = 5;
const SECONDS_10: Duration = Duration::from_secs(10);
/// Two that are decided a second apart are sent a second apart but for the difference of their pauses.
const SECOND_APART: Duration = Duration::from_millis(790);
/// What is surely inside of the window of whole seconds that the broker looks back.
const SECONDS_9: Duration = Duration::from_secs(9);

/// The findings of a run.
#[derive(Default)]
pub struct Judge {
    pub wrong: Vec<String>,
    pub healthy: BTreeSet<String>,
    /// Members that hold the shared Collection.
    pub holders: BTreeSet<String>,
    /// When a member's breaker was told to be open, and until when.
    shut: BTreeMap<String, Vec<(Instant, Instant)>>,
}

impl Judge {
    pub fn of(healthy: BTreeSet<String>, holders: BTreeSet<String>) -> Self {
        Self { healthy, holders, ..Self::default() }
    }

    pub fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Where the guards stand after a page.
    pub fn guards(&mut self, broker: &Broker) {
        let (now, snapshot) = (Instant::now(), broker.snapshot());
        for member in snapshot.members.iter() {
            let id = member.id().as_str();
            let Some(told) = snapshot.members.guard(id, Service::Catalogue) else { continue };
            if told.breaker.state == State::Closed {
                continue;
            }
            if self.healthy.contains(id) {
                self.wrong(format!("the breaker of {id} is open, and nothing was ever wrong with it"));
            }
            if told.breaker.reason.is_none() || told.breaker.left > Duration::from_secs(360) {
                self.wrong(format!(
                    "the breaker of {id} is open without a reason, or for too long: {:?}",
                    told.breaker
                ));
            }
            if told.breaker.state == State::Open {
                self.shut.entry(id.to_owned()).or_default().push((now, now + told.breaker.left));
            }
        }
    }

    /// What the members saw: nothing while their breaker was open, and few requests twice.
    pub fn arrivals(&mut self, net: &Net, alone: bool) {
        for id in net.ids() {
            let arrivals = net.with(&id, |catalogue| catalogue.arrivals.clone());
            for (from, until) in self.shut.get(&id).cloned().unwrap_or_default() {
                let came = arrivals.iter().find(|arrival| arrival.at > from && arrival.at < until);
                if let Some(came) = came {
                    let left = until - came.at;
                    self.wrong(format!("{id} was asked {left:?} before its breaker let anybody in"));
                }
            }
            if !alone {
                // equal requests of several clients look like one that is sent again
                continue;
            }
            let again: Vec<Instant> =
                arrivals.iter().filter(|arrival| arrival.again).map(|arrival| arrival.at).collect();
            for (index, at) in again.iter().enumerate() {
                let since = |at: &Instant, other: Instant, window: Duration| *at >= other && *at - other < window;
                let twice = again[..=index].iter().filter(|other| since(at, **other, SECONDS_9)).count();
                let firsts = arrivals.iter().filter(|other| !other.again && since(at, other.at, SECONDS_10)).count();
                let first_of_a_second = index == 0 || *at - again[index - 1] >= SECOND_APART;
                if !first_of_a_second && twice * ONE_IN > firsts {
                    self.wrong(format!("{id} was asked {twice} times again for {firsts} requests"));
                }
            }
        }
    }

    /// Nothing goes on after the end.
    pub fn nothing_is_left(&mut self, net: &Net, broker: &Broker) {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        if tasks > 0 || net.under_way() > 0 {
            self.wrong(format!("{tasks} tasks and {} requests are left", net.under_way()));
        }
        let snapshot = broker.snapshot();
        for member in snapshot.members.iter() {
            let told = snapshot.members.guard(member.id().as_str(), Service::Catalogue);
            if let Some(told) = told.filter(|told| told.in_flight > 0) {
                self.wrong(format!("{} turns of {} were not given back", told.in_flight, member.id()));
            }
        }
    }
}
