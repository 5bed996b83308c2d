//! Replicas in the sorted merge: the parts of the order that a holder's windows are (S12), and how a leg that stands by
//! takes over from one that failed (S13).

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::merge::{Merge, MergeLeg};
use super::missed::Range;
use super::order::{Comparator, Position, Value};
use super::outcome::Status;
use super::owners::replicas_agree;
use super::plan::windows::{Window, Windows};
use super::session::{Cover, Gap, Place};
use super::stream::{Bound, LegFailure};

/// The parts of an order by time that windows are, in the direction of the order; `None` where they are no parts of it,
/// or all of it.
pub fn ranges(windows: &Windows, order: &Comparator) -> Option<VecDeque<Range>> {
    if windows.is_all() || !order.by_time() {
        return None;
    }
    let first = |at: i64| Position::Before(Value::Time(at));
    let last = |at: i64| Position::After(Value::Time(at));
    let range = |window: &Window| {
        let (from, to) = if order.descending() {
            (window.to.map(|to| first(to.saturating_sub(1))), window.from.map(last))
        } else {
            (window.from.map(first), window.to.map(|to| last(to.saturating_sub(1))))
        };
        Range { from: from.unwrap_or(Position::Start), to: to.unwrap_or(Position::End), place: None }
    };
    let mut ranges: VecDeque<Range> = windows.list().iter().map(range).collect();
    if order.descending() {
        ranges.make_contiguous().reverse();
    }
    Some(ranges)
}

/// What lies in both lists of ranges, each in the order.
pub fn both(a: &[Range], b: &VecDeque<Range>, order: &Comparator) -> VecDeque<Range> {
    let mut both = VecDeque::new();
    for left in a {
        for right in b {
            let from = order.later(&left.from, &right.from).clone();
            let to = if order.positions(&left.to, &right.to) == Ordering::Greater { &right.to } else { &left.to };
            if order.positions(&from, to) == Ordering::Less {
                both.push_back(Range { from, to: to.clone(), place: left.place.clone() });
            }
        }
    }
    both
}

impl Merge {
    /// Lets those that stand by go on from the last position where a leg failed; false when there are none. The leg
    /// takes no more part in the session, and nothing is missing of it.
    pub(super) fn take_over(&mut self, index: usize, failure: &LegFailure, bound: &Bound) -> bool {
        // a bound of the broker's own, or of one tie, would stop the next holder just as well
        if failure.tie_only || failure.status == Status::ScanLimit {
            return false;
        }
        let Some(goes_on_at) = self.goes_on_at(bound) else { return false };
        let standing_by: Vec<usize> =
            (0..self.legs.len()).filter(|&leg| self.legs[leg].waits_for == Some(index)).collect();
        if standing_by.is_empty() {
            return false;
        }
        let mut members = Vec::new();
        for leg in standing_by {
            let MergeLeg { member, stream, waits_for, .. } = &mut self.legs[leg];
            *waits_for = None;
            stream.begin_at(&goes_on_at, &self.order);
            members.push(member.to_string());
        }
        let failed = &mut self.legs[index];
        if goes_on_at != self.last {
            let place = failed.stream.place(&self.last).filter(Place::is_walk);
            let gap = Gap { from: self.last.clone(), to: Some(goes_on_at), status: failure.status, place };
            failed.session.push_gap(gap);
        }
        failed.session.covered_by = Some(Cover { members, status: failure.status });
        failed.dead = true;
        true
    }

    /// Where another holder can take over: where it stands alike in the order. In a tie that is walked, or sorted by what
    /// replicas need not agree on, that is behind the tie; in an order by such a key it is nowhere but at the start.
    fn goes_on_at(&self, bound: &Bound) -> Option<Position> {
        let by_turns = matches!(bound, Bound::Walk(walk) if walk.first() == self.last.first());
        let alike = replicas_agree(&self.order) && !by_turns;
        match &self.last {
            Position::Start => Some(Position::Start),
            Position::At(_) if alike => Some(self.last.clone()),
            Position::At(_) | Position::Walk { .. } if self.order.by_time() => {
                self.last.first().cloned().map(Position::After)
            }
            Position::Before(_) | Position::After(_) if alike || self.order.by_time() => Some(self.last.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod histories;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::request::SortBy;

    fn order(descending: bool) -> Comparator {
        Comparator::new(vec![SortBy { field: "datetime".into(), descending, ..SortBy::default() }])
    }

    fn windows() -> Windows {
        Windows::of([
            Window { from: None, to: Some(10) },
            Window { from: Some(20), to: Some(30) },
            Window { from: Some(40), to: None },
        ])
    }

    #[test]
    fn windows_are_parts_of_an_order_by_time() {
        let time = Value::Time;
        let range = |from, to| Range { from, to, place: None };
        let ascending = [
            range(Position::Start, Position::After(time(9))),
            range(Position::Before(time(20)), Position::After(time(29))),
            range(Position::Before(time(40)), Position::End),
        ];
        assert_eq!(ranges(&windows(), &order(false)).unwrap(), ascending);
        let descending = [
            range(Position::Start, Position::After(time(40))),
            range(Position::Before(time(29)), Position::After(time(20))),
            range(Position::Before(time(9)), Position::End),
        ];
        assert_eq!(ranges(&windows(), &order(true)).unwrap(), descending);
        assert_eq!(ranges(&Windows::default(), &order(true)), None);
        let by_id = Comparator::new(vec![SortBy { field: "id".into(), ..SortBy::default() }]);
        assert_eq!(ranges(&windows(), &by_id), None);
    }

    #[test]
    fn a_retry_stays_within_the_windows() {
        let own = ranges(&windows(), &order(false)).unwrap();
        let asked =
            [Range { from: Position::Before(Value::Time(5)), to: Position::Before(Value::Time(25)), place: None }];
        let both = both(&asked, &own, &order(false));
        let expected = [
            (Position::Before(Value::Time(5)), Position::After(Value::Time(9))),
            (Position::Before(Value::Time(20)), Position::Before(Value::Time(25))),
        ];
        assert_eq!(both.into_iter().map(|range| (range.from, range.to)).collect::<Vec<_>>(), expected);
    }
}
