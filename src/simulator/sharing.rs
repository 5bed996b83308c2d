//! A Collection that several members hold: what each has of it, and how the federation declares it.

use chrono::DateTime;

use crate::federation::retention::Retention;
use crate::federation::{Federation, Holder, MemberId, Patterns, Replicas, Shared};

use super::dice::Dice;
use super::member::{Catalogue, Thing};
use super::world::{SHARED, SHARED_NATIVE, things};

/// What is drawn of it.
pub struct Sharing {
    replicas: Replicas,
    /// In order of preference.
    holders: Vec<String>,
    /// The first holder keeps nothing older; in microseconds since 1970, whole milliseconds.
    from_us: Option<i64>,
}

impl Sharing {
    /// All of these are asked.
    pub fn united(holders: &[&str]) -> Self {
        let holders = holders.iter().map(|id| (*id).to_owned()).collect();
        Self { replicas: Replicas::Union, holders, from_us: None }
    }

    /// Gives Items of one Collection to two or three of the members.
    pub fn random(catalogues: &mut [Catalogue], times: &[i64], dice: &mut Dice) -> Self {
        let replicas = if dice.one_in(2) { Replicas::Union } else { Replicas::Prefer };
        let most = (catalogues.len() as u64).min(3);
        let (first, count) = (dice.below(catalogues.len() as u64) as usize, dice.between(2, most) as usize);
        let members: Vec<usize> = (0..count).map(|next| (first + next) % catalogues.len()).collect();
        let from_us = dice.one_in(2).then(|| dice.pick(times).div_euclid(1_000) * 1_000);
        let from_us = from_us.filter(|_| replicas == Replicas::Prefer);
        let amount = dice.below(40);
        let all = things(amount, 1, times, false, dice);
        for (rank, member) in members.iter().enumerate() {
            let catalogue = &mut catalogues[*member];
            let collection = catalogue.collections.len();
            catalogue.collections.push(SHARED_NATIVE.to_owned());
            for thing in &all {
                let kept = rank > 0 || from_us.is_none_or(|from| from <= thing.at_us);
                // in union each may lack some
                let lacks = replicas == Replicas::Union && dice.one_in(4);
                // and what replicas need not agree on differs
                let tie = if dice.one_in(4) { dice.roll() } else { thing.tie };
                if kept && !lacks {
                    catalogue.things.push(Thing { collection, tie, ..thing.clone() });
                }
            }
            catalogue.forget_lists();
        }
        let holders = members.iter().map(|member| catalogues[*member].id.clone()).collect();
        Self { replicas, holders, from_us }
    }

    pub fn declare(self, federation: &mut Federation) {
        let holder = |id: &String| Holder { member: MemberId::new(id), native: SHARED_NATIVE.to_owned() };
        let holders = self.holders.iter().map(holder).collect();
        federation.shared = vec![Shared { id: SHARED.to_owned(), title: None, replicas: self.replicas, holders }];
        let first = federation.members.iter_mut().find(|member| member.id.as_str() == self.holders[0]);
        if let (Some(first), Some(from_us)) = (first, self.from_us) {
            let collections = Patterns::new(&[SHARED_NATIVE.to_owned()]).expect("a pattern");
            first.policy.retention =
                vec![Retention { collections, from: DateTime::from_timestamp_micros(from_us), ..Retention::default() }];
        }
    }
}
