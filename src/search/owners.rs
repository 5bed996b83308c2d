//! Who owns an Item that several holders of a shared Collection have, where equal keys cannot tell (S14).
//!
//! Replicas agree on their times and ids only. In an order by anything else the same Item may stand at two places, so
//! before a lower holder's is given, each higher holder is asked by `ids` whether it has it: one request per holder and
//! page, of all Items at hand. Held there, it is dropped here. A holder that cannot be asked is given up with a gap, since
//! a repeat could not be declared.

use std::collections::HashMap;
use std::sync::Arc;

use crate::members::{Item, Page};

use super::merge::{Merge, Step};
use super::order::Comparator;
use super::outcome::Status;
use super::stream::{LegFailure, REQUESTS_EMPTY_MAX, Request};

/// Sort fields on which replicas agree.
const AGREED: [&str; 5] = ["datetime", "start_datetime", "end_datetime", "id", "collection"];
/// Most ids of one question: they fit the address of a GET with ids of usual length.
const IDS_MAX: usize = 50;

/// What is known of who has what.
#[derive(Default)]
pub struct Owners {
    /// Keys differ between holders, so they are asked.
    needed: bool,
    /// By the leg of a higher holder and the id of an Item: whether it has it.
    held: HashMap<(usize, Box<str>), bool>,
}

/// A leg's part in it: all holders of the shared Collection are asked for the same.
#[derive(Debug, Clone)]
pub struct United {
    pub id: Arc<str>,
    /// The member can be asked by `ids`.
    pub by_ids: bool,
}

/// What is to be done with the smallest Item.
pub enum Owned {
    /// Nobody who comes before its holder has it.
    Here,
    /// A higher holder has it, and gives it at its own place.
    Elsewhere,
    /// It is not known yet.
    Asking(Step),
    /// A holder that had to be asked cannot be.
    Unknown(usize),
}

impl Owners {
    pub fn new(order: &Comparator) -> Self {
        let needed = order.keys().iter().any(|key| !AGREED.contains(&key.field.as_str()));
        Self { needed, held: HashMap::new() }
    }
}

impl Merge {
    /// Whether the smallest Item of a leg is given by that leg.
    pub(super) fn owned(&mut self, leg: usize) -> Owned {
        let (true, Some(united), Some(head)) =
            (self.owners.needed, &self.legs[leg].united, self.legs[leg].stream.head())
        else {
            return Owned::Here;
        };
        let (shared, id, rank) = (Arc::clone(&united.id), head.key.id.clone(), self.legs[leg].rank);
        let mut questions = Vec::new();
        let mut waiting = false;
        for higher in 0..self.legs.len() {
            let other = &self.legs[higher];
            let is_higher = other.rank < rank && other.united.as_ref().is_some_and(|united| united.id == shared);
            // one that failed has a gap, which says that it may have any of them
            if !is_higher || other.dead {
                continue;
            }
            match self.owners.held.get(&(higher, id.clone())) {
                Some(true) => return Owned::Elsewhere,
                Some(false) => {}
                None if other.asked.is_some() => waiting = true,
                None if !other.united.as_ref().is_some_and(|united| united.by_ids)
                    || other.stream.requests >= REQUESTS_EMPTY_MAX =>
                {
                    return Owned::Unknown(higher);
                }
                None => questions.push((higher, self.question(higher, &shared))),
            }
        }
        if questions.is_empty() && !waiting {
            return Owned::Here;
        }
        for (higher, request) in &questions {
            self.legs[*higher].asked = Some(request.clone());
            self.legs[*higher].stream.requests += 1;
        }
        Owned::Asking(Step::Needs(questions))
    }

    /// Asks a holder for what lower ones have at hand and it may have too.
    fn question(&self, higher: usize, shared: &Arc<str>) -> Request {
        let rank = self.legs[higher].rank;
        let lower = self.legs.iter().filter(|leg| {
            !leg.dead && leg.rank > rank && leg.united.as_ref().is_some_and(|united| united.id == *shared)
        });
        // the Items that come first are asked for first
        let mut hits: Vec<_> = lower.flat_map(|leg| leg.stream.at_hand()).collect();
        hits.sort_by(|a, b| self.order.keys_of(&a.key, &b.key));
        let mut ids: Vec<String> = Vec::new();
        for hit in hits {
            let id = hit.key.id.to_string();
            if !self.owners.held.contains_key(&(higher, hit.key.id.clone())) && !ids.contains(&id) {
                ids.push(id);
            }
            if ids.len() == IDS_MAX {
                break;
            }
        }
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Request { limit, ids: Some(ids), ..Request::default() }
    }

    /// Takes the answer of a holder in that was asked by ids; false when it says nothing more.
    pub(super) fn hear(&mut self, higher: usize, asked: &[String], page: &Page, mut keeps: impl FnMut(&Item) -> bool) {
        let mut told = 0;
        for item in &page.items {
            if asked.iter().any(|id| **id == *item.id) && keeps(item) {
                told += 1;
                self.owners.held.insert((higher, item.id.clone()), true);
            }
        }
        if page.next.is_none() && !page.cut {
            for id in asked {
                self.owners.held.entry((higher, id.as_str().into())).or_insert(false);
            }
        } else if told == 0 {
            self.give_up(higher, Status::NoProgress.into());
        }
    }

    /// A holder that cannot be asked who owns what.
    pub(super) fn give_up(&mut self, higher: usize, failure: LegFailure) {
        self.legs[higher].stream.fail(failure);
        self.fail(higher);
    }
}
