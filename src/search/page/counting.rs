//! What the answers of a first page say of how many Items match (S25).

use crate::search::counts::{Bounds, LegCount};
use crate::search::order::Position;
use crate::search::plan::shared_id;

use super::{Engine, PageRun};

impl PageRun<'_> {
    /// S25: the sum of the counts, if every asked member gave one and nothing is filtered by the broker.
    pub(super) fn first_count(&self) -> Option<u64> {
        let honest = self.plan.refused.is_empty()
            && self.contradictions.iter().all(|count| *count == 0)
            && self.plan.legs.iter().all(|leg| leg.counts_exact && !leg.residual.selective && !self.plan.is_split(leg));
        if !honest {
            return None;
        }
        let counts: Vec<Option<u64>> = match &self.engine {
            Engine::Sorted(merge) => merge
                .legs
                .iter()
                .filter(|leg| leg.waits_for.is_none())
                .map(|leg| {
                    leg.stream.matched.filter(|_| leg.stream.failure.is_none() && !leg.dead && leg.partial.is_none())
                })
                .collect(),
            Engine::Quota(quota) => quota
                .legs
                .iter()
                .map(|leg| leg.matched.filter(|_| leg.failure.is_none() && leg.partial.is_none()))
                .collect(),
        };
        counts.into_iter().sum()
    }

    pub(super) fn first_bounds(&self) -> Bounds {
        let count = |index: usize, kept: u64, whole: bool, counted: Option<u64>| {
            let leg = self.planned[index];
            let counted = counted.filter(|_| leg.counts_exact);
            LegCount {
                part: shared_id(&leg.part),
                kept,
                whole,
                counted,
                unfiltered: !leg.residual.selective && self.contradictions[index] == 0,
            }
        };
        let legs: Vec<LegCount<'_>> = match &self.engine {
            Engine::Sorted(merge) => (0..)
                .zip(&merge.legs)
                .filter(|(_, leg)| leg.waits_for.is_none())
                .map(|(index, leg)| {
                    let well = leg.failure.is_none() && leg.stream.failure.is_none() && leg.partial.is_none();
                    let whole = well && leg.stream.known == Position::End;
                    count(index, leg.stream.kept, whole, leg.stream.matched.filter(|_| well))
                })
                .collect(),
            Engine::Quota(quota) => (0..)
                .zip(&quota.legs)
                .map(|(index, leg)| {
                    let well = leg.failure.is_none() && leg.partial.is_none();
                    count(index, u64::from(leg.returned), well && leg.ended, leg.matched.filter(|_| well))
                })
                .collect(),
        };
        Bounds::of(&legs, self.plan.refused.is_empty())
    }
}
