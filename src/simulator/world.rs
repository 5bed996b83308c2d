//! A federation made of a number: its members, what they hold, what goes wrong when, and what is searched for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::federation::{Admin, Cursor, Federation, Limits, Member, Registry, Routing, Secret, Server, Telemetry};

use super::dice::Dice;
use super::faults::{Effect, Fault};
use super::keys::{By, Sort};
use super::listed::written;
use super::member::{Catalogue, Habits, NextForm, Spell, Thing};
use super::net::Net;
use super::sharing::Sharing;

/// Seconds since 1970 of the first moment of every run, 2025-06-30T12:00:00Z, and of the oldest Item.
const BEGIN_S: i64 = 1_751_284_800;
const OLDEST_S: i64 = BEGIN_S - 20 * 86_400;

/// The shared Collection of a world, and its holders' own id of it.
pub const SHARED: &str = "shared";
pub const SHARED_NATIVE: &str = "s0";

/// Under which id clients see a member's Collection.
pub fn exposed(member: &str, native: &str) -> String {
    if native == SHARED_NATIVE { SHARED.to_owned() } else { format!("{member}|{native}") }
}

/// What one client searches for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub sort: Sort,
    pub limit: u32,
    pub collection: Option<String>,
    /// Microseconds since 1970, both included.
    pub interval: Option<(i64, i64)>,
    pub strict: bool,
}

impl Wish {
    pub fn all(sort: Sort, limit: u32) -> Self {
        Self { sort, limit, collection: None, interval: None, strict: false }
    }

    pub fn params(&self) -> Vec<(String, String)> {
        let mut params = vec![("limit".to_owned(), self.limit.to_string())];
        params.extend(self.sort.text().map(|sort| ("sortby".to_owned(), sort)));
        params.extend(self.collection.iter().map(|id| ("collections".to_owned(), id.clone())));
        let interval = self.interval.map(|(from, to)| format!("{}/{}", written(from), written(to)));
        params.extend(interval.map(|interval| ("datetime".to_owned(), interval)));
        params
    }

    /// `native` is the member's own id of the Collection.
    pub fn wants(&self, thing: &Thing, native: &str) -> bool {
        let named = if native == SHARED_NATIVE { SHARED } else { native };
        self.collection.as_ref().is_none_or(|id| id == named)
            && self.interval.is_none_or(|(from, to)| from <= thing.at_us && thing.at_us <= to)
    }
}

/// See the module.
pub struct World {
    pub federation: Federation,
    pub net: Arc<Net>,
    pub wishes: Vec<Wish>,
    /// What happens to the broker, before which page of the first client.
    pub happenings: Vec<(u32, Fault)>,
    /// Spells reach into discovery.
    pub sick_from_the_start: bool,
    pub dice: Dice,
    /// How far the broker's clock is off.
    skew_ms: AtomicI64,
}

impl World {
    pub fn new(catalogues: Vec<Catalogue>, wishes: Vec<Wish>, seed: u64, traced: bool) -> Self {
        let ids: Vec<String> = catalogues.iter().map(|catalogue| catalogue.id.clone()).collect();
        Self {
            federation: federation(&ids),
            net: Net::new(catalogues, traced),
            wishes,
            happenings: Vec::new(),
            sick_from_the_start: false,
            dice: Dice::new(seed ^ 0x5eed),
            skew_ms: AtomicI64::new(0),
        }
    }

    /// Two to twenty members, some of which fall ill.
    pub fn random(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let count = if dice.one_in(10) { dice.between(7, 20) } else { dice.between(2, 6) };
        let times = times(&mut dice);
        let mut catalogues: Vec<Catalogue> = (0..count).map(|index| catalogue(index, &times, &mut dice)).collect();
        if dice.one_in(40) {
            crowd(&mut catalogues[0], &times, &mut dice);
        }
        let sharing = dice.one_in(3).then(|| Sharing::random(&mut catalogues, &times, &mut dice));
        let sorted = catalogues.iter().all(|catalogue| catalogue.habits.sorts);
        let clients = if dice.one_in(5) { dice.between(2, 4) } else { 1 };
        let mut wishes: Vec<Wish> = (0..clients).map(|_| wish(&mut dice, sorted, &times)).collect();
        let other = dice.one_in(4).then(|| *dice.pick(&Sort::OTHERS));
        for wish in &mut wishes {
            wish.sort = other.unwrap_or(wish.sort);
            if catalogues[0].things.len() > CROWD_MIN {
                wish.limit = wish.limit.max(20);
            }
            if sharing.is_some() && dice.one_in(4) {
                wish.collection = Some(SHARED.to_owned());
            }
        }
        let mut world = Self::new(catalogues, wishes, seed, traced);
        for member in &mut world.federation.members {
            member.capabilities.string_order_bytes = other.is_some();
        }
        if let Some(sharing) = sharing {
            sharing.declare(&mut world.federation);
        }
        // a client may have less time than a page takes that waits for one member after another
        let seconds = *dice.pick(&[15, 15, 6]);
        world.federation.limits.deadline = Duration::from_secs(seconds);
        world.sick_from_the_start = sorted && dice.one_in(6);
        world.fall_ill(&mut dice);
        world
    }

    fn fall_ill(&mut self, dice: &mut Dice) {
        let horizon_ms = dice.between(2_000, 120_000);
        let kinds: Vec<Fault> = Fault::ALL.iter().copied().filter(|fault| may_come_by_chance(*fault)).collect();
        // now and then nothing but what must not be seen at all
        let harmless = dice.one_in(4);
        let kinds: Vec<Fault> =
            kinds.into_iter().filter(|fault| !harmless || fault.effect() == Effect::Whole).collect();
        for id in self.net.ids() {
            if dice.one_in(2) {
                continue;
            }
            for _ in 0..dice.between(1, 3) {
                let from = self.net.started() + Duration::from_millis(dice.below(horizon_ms));
                let until = from + Duration::from_millis(dice.between(200, horizon_ms));
                self.net.spell(&id, Spell { fault: *dice.pick(&kinds), from, until });
            }
        }
        let of_the_broker: Vec<Fault> = Fault::ALL.iter().copied().filter(|fault| fault.is_of_the_broker()).collect();
        if dice.one_in(4) && !harmless {
            self.happenings.push((dice.between(1, 4) as u32, *dice.pick(&of_the_broker)));
        }
    }

    /// The broker's clock.
    pub fn now(&self) -> DateTime<Utc> {
        let since = TimeDelta::milliseconds(self.net.started().elapsed().as_millis() as i64);
        let skew = TimeDelta::milliseconds(self.skew_ms.load(Ordering::Relaxed));
        DateTime::from_timestamp(BEGIN_S, 0).expect("a time") + since + skew
    }

    pub fn skew(&self, minutes: i64) {
        self.skew_ms.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }

    /// Members whose Items may be missing unsaid, for a search in this order.
    pub fn exempt(&self, sort: Sort) -> BTreeSet<String> {
        let catalogues = self.net.lock();
        let misleads = |catalogue: &Catalogue| {
            let unseen = |spell: &Spell| spell.fault.effect() == Effect::Unseen;
            // without an order of its own, or with one that the broker cannot bound, the member's places count
            let bounded = match sort.first() {
                By::Time => sort.is_said(),
                By::Number => catalogue.habits.filters,
                By::Id | By::Text => false,
            };
            let by_place = !catalogue.habits.sorts || !bounded;
            let shifts = |spell: &Spell| by_place && spell.fault.shifts();
            catalogue.spells.iter().any(|spell| unseen(spell) || shifts(spell))
        };
        catalogues.values().filter(|catalogue| misleads(catalogue)).map(|catalogue| catalogue.id.clone()).collect()
    }

    /// Members with which nothing is ever wrong.
    pub fn healthy(&self) -> BTreeSet<String> {
        let catalogues = self.net.lock();
        let leaves = self.happenings.iter().any(|(_, fault)| *fault == Fault::MemberLeaves);
        let left = self.federation.members.last().filter(|_| leaves).map(|member| member.id.as_str());
        let well =
            catalogues.values().filter(|catalogue| catalogue.spells.is_empty() && Some(catalogue.id.as_str()) != left);
        well.map(|catalogue| catalogue.id.clone()).collect()
    }

    /// Members that hold the shared Collection.
    pub fn holders(&self) -> BTreeSet<String> {
        let holders = self.federation.shared.iter().flat_map(|shared| &shared.holders);
        holders.map(|holder| holder.member.to_string()).collect()
    }

    /// A fault at a member from now on.
    pub fn strike(&self, id: &str, fault: Fault) {
        let from = Instant::now();
        self.net.spell(id, Spell { fault, from, until: from + Duration::from_secs(86_400) });
    }
}

/// Faults that need a world of their own are not drawn; nor is one that changes sort keys when it begins and ends (A3).
fn may_come_by_chance(fault: Fault) -> bool {
    !fault.is_of_the_broker() && !matches!(fault, Fault::HugeTie | Fault::CollectionsCut | Fault::TimesInSeconds)
}

/// Times that Items share: whole seconds, milliseconds and microseconds, some of them close.
fn times(dice: &mut Dice) -> Vec<i64> {
    let count = dice.between(8, 80);
    let time = |dice: &mut Dice| {
        let second = OLDEST_S + dice.below(15 * 86_400) as i64;
        let finer = match dice.below(3) {
            0 => 0,
            1 => dice.below(1_000) * 1_000,
            _ => dice.below(1_000_000),
        };
        second * 1_000_000 + finer as i64
    };
    let mut times: Vec<i64> = (0..count).map(|_| time(dice)).collect();
    for index in 0..times.len() {
        if dice.one_in(4) {
            times.push(times[index] + dice.below(900_000) as i64);
        }
    }
    times
}

/// Things in some of the collections, at some of these times.
pub fn things(count: u64, collections: u64, times: &[i64], spans: bool, dice: &mut Dice) -> Vec<Thing> {
    let thing = |number: u64, dice: &mut Dice| Thing {
        // the same ids in several collections and at several members
        id: format!("{}{number:04}", if dice.one_in(3) { "x" } else { "X" }),
        collection: dice.below(collections) as usize,
        at_us: *dice.pick(times),
        spans: spans && dice.one_in(6),
        tie: dice.roll(),
        lasting: true,
    };
    (0..count).map(|number| thing(number, dice)).collect()
}

fn catalogue(index: u64, times: &[i64], dice: &mut Dice) -> Catalogue {
    let collections = dice.between(1, 3);
    let count = if dice.one_in(6) { dice.below(90) } else { dice.below(30) };
    let spans = dice.one_in(4);
    let things = things(count, collections, times, spans, dice);
    let names = (0..collections).map(|number| format!("c{number}")).collect();
    Catalogue::new(&format!("M{index:02}"), names, things, Habits::random(dice), dice.fork())
}

/// Items of a member from which on pages are not made small.
const CROWD_MIN: usize = 99;

/// Many Items of two times at one member: ties that are too large to be read whole, now and then.
fn crowd(catalogue: &mut Catalogue, times: &[i64], dice: &mut Dice) {
    let count = if dice.one_in(2) { dice.between(1_050, 1_400) } else { dice.between(100, 600) };
    let few = [*dice.pick(times), *dice.pick(times)];
    catalogue.things = things(count, catalogue.collections.len() as u64, &few, false, dice);
    catalogue.habits.cap = *dice.pick(&[100, 1_000]);
}

fn wish(dice: &mut Dice, sorted: bool, times: &[i64]) -> Wish {
    let sort = match dice.below(4) {
        0 => Sort::UNSAID,
        1 => Sort::OLDEST,
        _ => Sort::NEWEST,
    };
    // members of which nothing was read are taken to sort: an order that is chosen is chosen for all of them
    let sort = if sort == Sort::UNSAID && sorted && dice.one_in(2) { Sort::NEWEST } else { sort };
    let limit = *dice.pick(&[1, 3, 7, 10, 20, 50]);
    let interval = dice.one_in(4).then(|| {
        let (a, b) = (*dice.pick(times), *dice.pick(times));
        (a.min(b), a.max(b))
    });
    Wish { sort, limit, collection: dice.one_in(6).then(|| "c0".to_owned()), interval, strict: dice.one_in(10) }
}

/// The habits of a member of a directed case.
pub fn plain(cap: usize) -> Habits {
    Habits {
        cap,
        next: NextForm::Query,
        post: false,
        sorts: true,
        filters: false,
        nulls_first: false,
        orders_ties: true,
        counts: true,
        latency: Duration::from_millis(50),
    }
}

/// A federation of these members, with the defaults that admins get.
pub fn federation(ids: &[String]) -> Federation {
    Federation {
        id: "sim".to_owned(),
        title: "Simulated".to_owned(),
        description: String::new(),
        public_url: None,
        delimiter: '|',
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            admin: Admin::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        },
        limits: Limits::default(),
        cursor: Cursor { keys: vec![key(1)], life: Duration::from_secs(86_400) },
        telemetry: Telemetry::default(),
        processes: 1,
        routing: Routing::default(),
        registry: Registry::default(),
        shared: Vec::new(),
        members: ids.iter().map(|id| member(id)).collect(),
    }
}

pub fn member(id: &str) -> Member {
    Member::plain(id, id, &Catalogue::address(id), false).expect("a member")
}

/// A key for cursors.
pub fn key(number: u8) -> Secret {
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([number; 32]))
}
