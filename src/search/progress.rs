//! How far a page without an Item got: the session of its `retry-missed` link (`stac-api.md` P10).
//!
//! A leg that stops at its own allowance has read Items that the client does not want, and knows where it stands. The
//! session made here goes on there, without the gap that the page reports for it: following it reads just that range.

use std::cmp::Ordering;

use super::merge::{Merge, MergeLeg};
use super::order::Position;
use super::outcome::Status;
use super::quota::{Quota, QuotaLeg};
use super::session::{Class, Place, Session, SessionLeg};
use super::stream::LegFailure;

/// Where a page goes on that holds no Item; `None` when it holds one, or when no leg that stopped got anywhere.
///
/// `before` is the session that the page began with. The legs of the result are those of the merge, in its order.
pub fn of_merge(merge: &Merge, before: &Session) -> Option<Session> {
    if !merge.hits.is_empty() {
        return None;
    }
    let going_on: Vec<bool> = merge.legs.iter().map(|leg| goes_on(merge, leg)).collect();
    let known = merge.legs.iter().zip(&going_on).filter(|(_, going_on)| **going_on).map(|(leg, _)| &leg.stream.known);
    // nothing that a leg going on has not shown lies before the smallest place known of them
    let smallest = known.min_by(|a, b| merge.order.positions(a, b))?;
    let watermark = merge.order.later(&merge.watermark, smallest).clone();
    let taking_part = merge.legs.iter().zip(&going_on).filter(|(leg, _)| leg.waits_for.is_none());
    let legs = taking_part.map(|(leg, going_on)| {
        let place = leg.stream.place(&watermark);
        // a bound would lead such a leg back to where it began
        let walk = || leg.stream.onward().filter(|_| *going_on && !is_known_further(merge, leg));
        let is_large = leg.stream.is_large(&watermark);
        let class = if is_large { leg.stream.class(&watermark, &merge.order) } else { Class::Unknown };
        let next = SessionLeg {
            ended: leg.session.is_out() || (leg.stream.is_over() && !leg.dead),
            share: 0,
            place: place.or_else(walk),
            class: if leg.session.is_out() { Class::Out } else { class },
            window: leg.stream.window(),
            ..leg.session.clone()
        };
        if *going_on { without_its_stop(next) } else { next }
    });
    let legs = legs.collect();
    Some(Session { watermark, legs, ..before.clone() })
}

/// The same in quota order, where each leg has a place of its own.
pub fn of_quota(quota: &Quota, before: &Session) -> Option<Session> {
    let goes_on =
        |leg: &QuotaLeg| stopped(leg.failure.as_ref()) && leg.place() != leg.session.place.clone().unwrap_or_default();
    if !quota.hits.is_empty() || !quota.legs.iter().any(goes_on) {
        return None;
    }
    let legs = quota.legs.iter().map(|leg| {
        let next = SessionLeg { ended: leg.ended, share: 0, place: Some(leg.place()), ..leg.session.clone() };
        if goes_on(leg) { without_its_stop(next) } else { with_its_failure(next, leg.failure.as_ref()) }
    });
    Some(Session { turn: quota.turn_member(), legs: legs.collect(), ..before.clone() })
}

/// Whether a leg stopped at its allowance, and further on than it began.
fn goes_on(merge: &Merge, leg: &MergeLeg) -> bool {
    let walked = || {
        let place: Option<Place> = leg.stream.place(&merge.watermark).or_else(|| leg.stream.onward());
        place.is_some() && place != leg.session.place
    };
    // a leg that is read by windows goes on with a narrower one
    let on = is_known_further(merge, leg) || walked() || leg.stream.is_narrowed();
    leg.dead && stopped(leg.failure.as_ref()) && on
}

/// Whether all that it can still have lies behind the watermark that the page began with.
fn is_known_further(merge: &Merge, leg: &MergeLeg) -> bool {
    merge.order.positions(&leg.stream.known, &merge.watermark) == Ordering::Greater
}

fn stopped(failure: Option<&LegFailure>) -> bool {
    failure.is_some_and(|failure| failure.status == Status::ScanLimit)
}

fn without_its_stop(mut leg: SessionLeg) -> SessionLeg {
    leg.gaps.retain(|gap| gap.to.is_some() || gap.status != Status::ScanLimit);
    leg
}

fn with_its_failure(mut leg: SessionLeg, failure: Option<&LegFailure>) -> SessionLeg {
    if let Some(failure) = failure {
        leg.open_gap(Position::Start, failure.status);
    }
    leg
}
