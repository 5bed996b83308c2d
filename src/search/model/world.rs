//! The members of a history together, what is asked of them, and what changes while they are asked.

use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Interval, MemberId};
use crate::search::plan::{Mode, Order, Plan};

use super::catalogue::{Catalogue, Lists};
use super::dice::Dice;
use super::oracle::{By, Oracle};
use super::thing::{Condition, Span, Thing, When, instant};
use super::walk::Given;

/// Where ties are as large as outside of tests, none is large.
const TIES_MAX: usize = 1_000;

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) order: Option<Oracle>,
    pub(super) catalogues: Vec<Catalogue>,
    pub(super) user: Option<Interval>,
    pub(super) condition: Option<Condition>,
    /// Ties over this many Items are large.
    pub(super) ties_max: usize,
    /// Items have the properties `n` and `s`.
    keyed: bool,
    pub(super) trace: Trace,
}

/// What happened in a history; written only when one is replayed alone.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) wanted: bool,
    pub(super) lines: Vec<String>,
}

impl Trace {
    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push(line());
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let kind = dice.below(16);
        let down = dice.one_in(2);
        let other = dice.one_in(2);
        let order = match kind {
            0..=5 => Some(Oracle::new(&[(By::Time, down)])),
            6 => Some(Oracle::new(&[(By::Time, down), (By::Collection, dice.one_in(2))])),
            7 if other => Some(Oracle::new(&[(By::Id, down)])),
            // each collection is one tie, in the member's own order
            7 => Some(Oracle::new(&[(By::Collection, down), (By::Time, dice.one_in(2))])),
            8 | 9 => None,
            10..=12 => Some(Oracle::new(&[(By::Number, down)])),
            13 => Some(Oracle::new(&[(By::Text, down)])),
            14 => Some(Oracle::new(&[(By::Number, down), (By::Text, other), (By::Time, dice.one_in(2))])),
            _ => Some(Oracle::new(&[(By::Time, down), (By::Number, other)])),
        };
        let lead = order.as_ref().map(Oracle::lead);
        let by_time = kind <= 6 || kind == 15;
        let keyed = kind >= 10;
        let members = 1 + dice.below(5);
        let span = 1 + dice.below(60) as i64;
        let long_items = dice.one_in(4);
        let mut catalogues: Vec<Catalogue> = (0..members)
            .map(|index| {
                let mode = match (kind, dice.below(6)) {
                    (0..=7 | 10..=15, 0) => Mode::Drain,
                    (0..=6 | 15, 1 | 2) => Mode::Slice,
                    (0..=6 | 15, _) | (10..=14, 1..=3) => Mode::Keyset,
                    (7 | 10..=14, _) => Mode::Token,
                    _ if members == 1 => Mode::PassThrough,
                    _ => Mode::Quota,
                };
                Catalogue::new(&mut dice, index, mode, lead, keyed, (span, long_items))
            })
            .collect();
        let user = ((by_time || keyed) && dice.one_in(3)).then(|| {
            let start = dice.below(span as u64) as i64;
            let end = start + dice.below(span as u64) as i64;
            Interval { start: dice.below(4).gt(&0).then(|| instant(start)), end: Some(instant(end)) }
        });
        let condition = dice.one_in(3).then(|| Condition::random(&mut dice));
        if condition.is_some() {
            for catalogue in &mut catalogues {
                catalogue.value(&mut dice);
            }
        }
        let ties_max = if dice.one_in(2) { 1 + dice.below(12) as usize } else { TIES_MAX };
        Self { dice, order, catalogues, user, condition, ties_max, keyed, trace: Trace::default() }
    }

    pub(super) fn plan(&self) -> Plan {
        let order = match &self.order {
            Some(order) => Order::Sorted(order.asked()),
            None => Order::Quota,
        };
        let filter = self.condition.map(|condition| Arc::new(Expr::from_text(&condition.text()).expect("a filter")));
        let legs = self.catalogues.iter().map(|catalogue| catalogue.leg(self.user, filter.as_ref())).collect();
        Plan { order, legs, pruned: Vec::new(), refused: Vec::new(), unsorted: Vec::new(), standby: Vec::new() }
    }

    /// How many Items of all members are asked for.
    pub(super) fn matches(&self) -> u64 {
        let asked = Span::of(self.user);
        let things = self.catalogues.iter().flat_map(|catalogue| &catalogue.things);
        let meant = |thing: &Thing| self.condition.is_none_or(|condition| condition.holds(thing.value));
        things.filter(|thing| thing.meets(&asked) && meant(thing)).count() as u64
    }

    /// Items come and go between pages, where the member's paging can bear it: page numbers cannot, and a place in the
    /// order by turns is held by the Items given last.
    pub(super) fn drift(&mut self, given: &[Given]) {
        let dice = &mut self.dice;
        for catalogue in &mut self.catalogues {
            // the place in a window does not outlast the page, but that in a walk does
            let is_small = self.ties_max == TIES_MAX && catalogue.things.len() <= 3 * catalogue.habits.cap;
            let by_window = catalogue.mode == Mode::Slice && (is_small || catalogue.habits.lists == Lists::Shuffled);
            let steady = catalogue.mode == Mode::Token || (catalogue.habits.offsets && !by_window);
            if steady || !dice.one_in(6) {
                continue;
            }
            if (dice.one_in(2) || catalogue.habits.sorts_ties) && !catalogue.things.is_empty() {
                let gone = dice.below(catalogue.things.len() as u64) as usize;
                let anchored = self.order.is_none() && is_last_given(&catalogue.things[gone], given, &catalogue.member);
                if !anchored {
                    catalogue.things.remove(gone);
                }
            } else {
                let when = When { start_ms: dice.below(60) as i64, lasts_ms: 0, micros: 0 };
                let id = format!("new-{:x}", dice.roll());
                let exposed = format!("{}|c0", catalogue.member).into();
                let mut thing = Thing::new(&id, "c0", exposed, when, dice.roll());
                thing.lasting = false;
                if self.keyed {
                    thing = thing.keyed(dice, 4, false);
                }
                catalogue.insert(if self.condition.is_some() { thing.valued(dice) } else { thing });
            }
        }
    }
}

/// Whether it is the Item that its member gave last.
fn is_last_given(thing: &Thing, given: &[Given], member: &MemberId) -> bool {
    let of_member = |given: &&Given| given.key.collection.split_once('|').is_some_and(|(id, _)| id == member.as_str());
    let is_it = |given: &Given| given.key.id == thing.item.id && given.key.collection == thing.exposed;
    given.iter().rev().find(of_member).is_some_and(is_it)
}
