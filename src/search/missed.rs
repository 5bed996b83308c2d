//! What a session misses and may still get: the session of its `retry-missed` link (S26 e; `paging.md` section 6).
//!
//! It is a session like any other, over the same query, whose legs are restricted to [`Range`]s: the gaps of their
//! members that another try may fill. Its own gaps lie inside these ranges, so that a retry can be retried.

use std::cmp::Ordering;

use super::counts::Bounds;
use super::order::{Comparator, Position};
use super::plan::Order;
use super::session::{Gap, Place, Session, SessionLeg};

/// A part of the total order that a leg is restricted to.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// Exclusive.
    pub from: Position,
    /// Inclusive.
    pub to: Position,
    /// Where the member's own list stands at `from`, for a leg that a bound does not lead there.
    pub place: Option<Place>,
}

/// The session that asks for what `session` misses, as far as waiting may help; `None` when there is nothing of that.
///
/// `goes_on` tells whether the session has a next page: then what is still open is missed up to its watermark only, as the
/// rest is still to come.
pub fn of(session: &Session, goes_on: bool) -> Option<Session> {
    let legs: Vec<SessionLeg> = match &session.order {
        Order::Sorted(keys) => {
            let order = Comparator::new(keys.clone());
            let until = if goes_on { &session.watermark } else { &Position::End };
            session.legs.iter().map(|leg| restricted(leg, until, &order)).collect()
        }
        // each leg keeps its place as long as the session goes on
        Order::Quota if goes_on => return None,
        Order::Quota => session.legs.iter().map(taken_up).collect(),
    };
    if legs.iter().all(|leg| leg.ended) {
        return None;
    }
    let watermark = match &session.order {
        Order::Quota => Position::Start,
        Order::Sorted(keys) => {
            let order = Comparator::new(keys.clone());
            let starts = legs.iter().filter_map(|leg| leg.ranges.first()).map(|range| &range.from);
            starts.min_by(|a, b| order.positions(a, b)).cloned().unwrap_or_default()
        }
    };
    // a count of everything is no count of what was missed
    Some(Session { watermark, legs, matched: None, bounds: Bounds::default(), turn: String::new(), ..session.clone() })
}

/// The gaps of a leg as far as they lie in what it is restricted to: what it really misses.
pub fn gaps_within(leg: &SessionLeg, order: &Comparator) -> Vec<Gap> {
    if leg.ranges.is_empty() {
        return leg.gaps.clone();
    }
    let pieces = |gap: &Gap| {
        let gap = gap.clone();
        leg.ranges.iter().filter_map(move |range| {
            let from = order.later(&gap.from, &range.from).clone();
            let to = gap.to.as_ref().map_or(&range.to, |to| earlier(to, &range.to, order)).clone();
            let some = order.positions(&from, &to) == Ordering::Less;
            some.then(|| Gap { from, to: Some(to), ..gap.clone() })
        })
    };
    leg.gaps.iter().flat_map(pieces).collect()
}

/// A leg that asks for its gaps alone; ended when it has none that can be filled.
fn restricted(leg: &SessionLeg, until: &Position, order: &Comparator) -> SessionLeg {
    let mut ranges: Vec<Range> = gaps_within(leg, order)
        .into_iter()
        .filter(|gap| gap.status.retryable())
        .map(|gap| Range { to: gap.to.unwrap_or_else(|| until.clone()), from: gap.from, place: gap.place })
        .filter(|range| order.positions(&range.from, &range.to) == Ordering::Less)
        .collect();
    ranges.sort_by(|a, b| order.positions(&a.from, &b.from));
    ranges.dedup_by(|next, range| {
        let touches = order.positions(&next.from, &range.to) != Ordering::Greater;
        if touches {
            range.to = order.later(&range.to, &next.to).clone();
        }
        touches
    });
    SessionLeg {
        member: leg.member.clone(),
        part: leg.part.clone(),
        window: leg.window,
        ended: ranges.is_empty(),
        place: ranges.first().and_then(|range| range.place.clone()),
        // what no page can have stays known, as it tells how the member's list is read
        gaps: leg.gaps.iter().filter(|gap| gap.is_lasting()).cloned().collect(),
        ranges,
        ..SessionLeg::default()
    }
}

/// A leg of the quota order that goes on from its place, or, where its own answers lacked something, from its start.
fn taken_up(leg: &SessionLeg) -> SessionLeg {
    let wanted = |gap: &&Gap| gap.status.retryable();
    let lacking = leg.gaps.iter().filter(wanted).any(|gap| gap.to.is_some());
    SessionLeg {
        ended: !leg.gaps.iter().any(|gap| gap.status.retryable()),
        place: leg.place.clone().filter(|_| !lacking),
        gaps: Vec::new(),
        share: 0,
        ..leg.clone()
    }
}

fn earlier<'a>(a: &'a Position, b: &'a Position, order: &Comparator) -> &'a Position {
    if order.positions(a, b) == Ordering::Greater { b } else { a }
}
