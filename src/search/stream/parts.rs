//! The parts of its order that a stream is asked for alone: gaps that are fetched again, windows of a shared Collection.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::walk::Walk;
use super::{Comparator, Key, Next, Position, Range, Stream, with_its_tie};

impl Stream {
    /// The member's list is over: so is the leg, or the part that the list was asked for.
    pub(super) fn list_is_over(&mut self, order: &Comparator) {
        if self.goes_on_with_nulls(order) {
            return;
        }
        let range = self.ranges.as_ref().and_then(VecDeque::front).filter(|_| self.is_bounded());
        self.known = range.map_or(Position::End, |range| order.later(&self.known, &range.to).clone());
    }

    /// Leaves the parts that are read behind: the leg goes on with the next one, and ends after the last.
    pub fn pass_ranges(&mut self, order: &Comparator) {
        let bounded = self.is_bounded();
        let Some(ranges) = &mut self.ranges else { return };
        let count = ranges.len();
        while let Some(range) = ranges.front()
            && order.positions(&range.to, &self.known) != Ordering::Greater
        {
            if bounded {
                // long Items that reach into the part say nothing of what lies behind it
                self.known = range.to.clone();
            }
            ranges.pop_front();
        }
        match ranges.front() {
            None => {
                self.known = Position::End;
                self.walk = None;
            }
            Some(range) if ranges.len() < count => {
                let walk = Walk::resumed(range.place.as_ref(), &self.name, &range.from, order)
                    .or_else(|| Walk::lost(&self.name, &range.from));
                self.known = order.later(&self.known, &with_its_tie(&range.from)).clone();
                self.walk = None;
                if bounded {
                    self.begin_anew(Next::Bound(self.known.clone()));
                }
                if let Some(walk) = walk {
                    self.enter_walk(walk);
                }
            }
            Some(_) => {}
        }
    }

    /// Whether an Item lies in what is asked for.
    pub(super) fn in_ranges(&self, key: &Key, order: &Comparator) -> bool {
        let holds = |range: &Range| order.key_after(key, &range.from) && !order.key_after(key, &range.to);
        self.ranges.as_ref().is_none_or(|ranges| ranges.iter().any(holds))
    }

    /// Whether an Item lies behind the part that its list was asked for, as one does that lasts into it: the list of its
    /// own part brings it again.
    pub(super) fn is_of_a_later_range(&self, key: &Key, order: &Comparator) -> bool {
        let range = self.ranges.as_ref().and_then(VecDeque::front).filter(|_| self.is_bounded());
        range.is_some_and(|range| order.key_after(key, &range.to))
    }
}
