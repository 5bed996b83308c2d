//! Who takes part in a page: the legs of the session as the plan has them now, those that stand by, and those that are not
//! asked any more (S26 g).

use std::collections::BTreeSet;

use crate::federation::MemberId;

use super::order::Position;
use super::outcome::Status;
use super::plan::{Leg, Order, Plan, shared_id};
use super::session::{Session, SessionLeg};

/// The legs of one page.
pub struct Taking<'a> {
    pub active: Vec<Active<'a>>,
    /// Legs of the session that are not asked, with the reason unless they had ended or were taken over.
    pub absent: Vec<(SessionLeg, Option<Status>)>,
    /// Members that are asked by new searches only.
    pub joined: Vec<MemberId>,
}

/// A leg that is asked, or stands by.
pub struct Active<'a> {
    pub leg: &'a Leg,
    pub state: SessionLeg,
    /// It is asked when the leg of this index fails.
    pub waits_for: Option<usize>,
}

impl<'a> Taking<'a> {
    pub fn of(plan: &'a Plan, session: &Session) -> Self {
        let is_sorted = session.order != Order::Quota;
        // a retry asks for gaps, and for nothing else
        let is_whole = is_sorted && session.legs.iter().all(|leg| leg.ranges.is_empty());
        let agreed = session.agreed();
        // one holder can go on where another one stood, if Items have one place at both
        let exchangeable = is_whole && (agreed || session.watermark == Position::Start);
        let (mut active, mut absent) = (Vec::new(), Vec::new());
        for leg in &session.legs {
            let planned = || plan.legs.iter().chain(&plan.standby).find(|planned| leg.is_of(planned));
            // which Items it gave is asked of it, where only it can tell
            let tells =
                |planned: &&Leg| !(agreed && is_sorted) && planned.shared.as_ref().is_some_and(|share| share.united);
            if leg.is_out() {
                absent.push((leg.clone(), leg.open().map(|gap| gap.status)));
            } else if let (true, Some(planned)) = (leg.ended, planned().filter(tells)) {
                active.push(Active { leg: planned, state: leg.clone(), waits_for: None });
            } else if leg.ended || leg.covered_by.is_some() {
                absent.push((leg.clone(), None));
            } else if let Some(planned) = planned() {
                active.push(Active { leg: planned, state: leg.clone(), waits_for: None });
            } else if exchangeable && plan.covers(&leg.part) {
                // others serve what it served: the plan divides the windows anew, and each goes on from the watermark
                let mut leg = leg.clone();
                let status = leg.leave_walk(&session.watermark).then_some(Status::Removed);
                absent.push((leg, status));
            } else {
                let mut leg = leg.clone();
                let status = absence(plan, &leg.member);
                leg.open_gap(session.watermark.clone(), status);
                absent.push((leg, Some(status)));
            }
        }
        if is_whole && !exchangeable {
            leave_undecided(plan, session, &mut active, &mut absent);
        }
        let mut joined = BTreeSet::new();
        for leg in plan.legs.iter().filter(|leg| !session.legs.iter().any(|known| known.is_of(leg))) {
            let id = shared_id(&leg.part);
            let known = !id.is_empty() && session.legs.iter().any(|known| shared_id(&known.part) == id);
            if known && exchangeable {
                active.push(Active { leg, state: SessionLeg::begin(leg), waits_for: None });
            } else {
                joined.insert(leg.member.clone());
            }
        }
        if is_whole {
            add_standbys(plan, session, &mut active);
        }
        if !is_sorted {
            active.sort_by(|a, b| a.leg.member.cmp(&b.leg.member).then_with(|| a.leg.part.cmp(&b.leg.part)));
        }
        Self { active, absent, joined: joined.into_iter().collect() }
    }
}

/// Adds those that stand by for a leg that takes part; a leg comes before those that stand by for it.
fn add_standbys<'a>(plan: &'a Plan, session: &Session, active: &mut Vec<Active<'a>>) {
    for leg in &plan.standby {
        let Some(over) = leg.shared.as_ref().and_then(|share| share.stands_by.as_ref()) else { continue };
        let known = session.legs.iter().any(|known| known.is_of(leg));
        let waits_for = active.iter().position(|one| one.state.member == over.member && one.state.part == over.part);
        if let (false, Some(_)) = (known, waits_for) {
            active.push(Active { leg, state: SessionLeg::begin(leg), waits_for });
        }
    }
}

/// Where a holder is gone, nobody can tell which Items it gave that others have at other places: theirs are missing too.
fn leave_undecided(
    plan: &Plan,
    session: &Session,
    active: &mut Vec<Active<'_>>,
    absent: &mut Vec<(SessionLeg, Option<Status>)>,
) {
    let is_planned = |leg: &SessionLeg| plan.legs.iter().any(|planned| leg.is_of(planned));
    let gone = session.legs.iter().filter(|leg| !leg.part.is_empty() && !leg.is_out() && !is_planned(leg));
    let gone: BTreeSet<&str> = gone.map(|leg| shared_id(&leg.part)).collect();
    active.retain(|one| {
        let united = one.leg.shared.as_ref().is_some_and(|share| share.united);
        let is_left = united && gone.contains(shared_id(&one.leg.part));
        if is_left {
            let mut state = one.state.clone();
            if !state.ended {
                state.open_gap(session.watermark.clone(), Status::Removed);
            }
            let status = Some(Status::Removed).filter(|_| !state.ended);
            absent.push((state, status));
        }
        !is_left
    });
}

/// Why a member of the session is not in the plan any more.
fn absence(plan: &Plan, member: &str) -> Status {
    if plan.refused.iter().any(|refused| refused.member.as_str() == member) {
        Status::SkippedCapability
    } else {
        Status::Removed
    }
}
