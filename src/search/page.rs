//! One page from unequal members: session + plan -> what to ask next -> hits and the next session.
//!
//! The facade over the sorted merge and the quota interleave. Pure: the caller asks the members and feeds the answers.

mod counting;
mod ending;

use crate::federation::MemberId;
use crate::members::{Fault, Item, Page};

use super::counts::Bounds;
use super::merge::{Merge, MergeLeg, Step};
use super::order::{Comparator, Position};
use super::outcome::Status;
use super::plan::shared::Share;
use super::plan::{Leg, Order, Plan};
use super::quota::{Quota, QuotaLeg};
use super::residual::Fit;
use super::session::{Session, SessionLeg};
use super::stream::Stream;
use super::taking::{Active, Taking};

pub use ending::{LegEnd, PageEnd};

/// Up to this many Items in all, every member is asked for a full page.
const FULL_PAGES_ITEMS_MAX: u32 = 500;

/// The making of one page.
pub struct PageRun<'a> {
    plan: &'a Plan,
    session: Session,
    first: bool,
    engine: Engine,
    /// Members of the session that are not asked on this page, with the reason unless they had ended.
    absent: Vec<(SessionLeg, Option<Status>)>,
    joined: Vec<MemberId>,
    /// The plan's leg of each engine leg.
    planned: Vec<&'a Leg>,
    /// Items of each engine leg that contradict what its member says it evaluates.
    contradictions: Vec<u32>,
    /// Why each engine leg gave no more, where that is not the member's doing.
    reasons: Vec<Option<&'static str>>,
}

enum Engine {
    Sorted(Box<Merge>),
    Quota(Quota),
}

impl Session {
    /// The session of a first page.
    #[must_use]
    pub fn begin(plan: &Plan, digests: [u32; 12], started_ms: i64) -> Self {
        Self {
            started_ms,
            digests,
            order: plan.order.clone(),
            matched: None,
            bounds: Bounds::default(),
            watermark: Position::Start,
            turn: String::new(),
            legs: plan.legs.iter().map(SessionLeg::begin).collect(),
        }
    }
}

impl<'a> PageRun<'a> {
    /// Sets the page up. `first` tells a first page; `prefix` gives what stands before a member's collection ids.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        session: Session,
        first: bool,
        limit: u32,
        prefix: impl Fn(&MemberId) -> String,
    ) -> Self {
        let Taking { active, absent, joined } = Taking::of(plan, &session);
        let planned: Vec<&Leg> = active.iter().map(|one| one.leg).collect();
        let engine = match &session.order {
            Order::Quota => {
                let legs = active.into_iter().map(|one| QuotaLeg::new(one.leg, one.state, &prefix(&one.leg.member)));
                let legs: Vec<_> = legs.collect();
                let turn = turn_among(&legs, &session.turn);
                Engine::Quota(Quota::new(legs, turn, limit))
            }
            Order::Sorted(keys) => {
                let order = Comparator::new(keys.clone());
                let count =
                    u32::try_from(session.legs.iter().filter(|leg| !leg.ended).count()).unwrap_or(u32::MAX).max(1);
                let stream = |leg: &Leg, state: &SessionLeg| {
                    let mut stream = Stream::new(leg, state, &session.watermark, &order, &prefix(&leg.member));
                    if state.ended {
                        stream.end();
                    }
                    stream
                };
                let legs = active
                    .into_iter()
                    .map(|Active { leg, state, waits_for }| MergeLeg {
                        member: leg.member.clone(),
                        stream: stream(leg, &state),
                        first_need: first_need(limit, count, if first { None } else { Some(state.share) }),
                        session: state,
                        asked: None,
                        answered: false,
                        dead: false,
                        failure: None,
                        tie_given_up: false,
                        partial: None,
                        returned: 0,
                        rank: leg.rank(),
                        waits_for,
                        is_windowed: leg.shared.as_ref().is_some_and(|share| !share.windows.is_all()),
                        united: leg.shared.as_ref().and_then(Share::united),
                        questions: 0,
                        unheard: None,
                    })
                    .collect();
                Engine::Sorted(Box::new(Merge::new(order, session.watermark.clone(), limit, legs)))
            }
        };
        let contradictions = vec![0; planned.len()];
        let reasons = vec![None; planned.len()];
        Self { plan, session, first, engine, absent, joined, planned, contradictions, reasons }
    }

    /// From now on nobody is asked any more, as the time for the page is over; what is under way may still be fed.
    pub fn stop_asking(&mut self) {
        match &mut self.engine {
            Engine::Sorted(merge) => merge.out_of_time = true,
            Engine::Quota(quota) => quota.out_of_time = true,
        }
    }

    /// Why a leg gave no answer to its last request, if that is not the member's doing.
    pub fn say(&mut self, index: usize, reason: Option<&'static str>) {
        self.reasons[index] = reason;
    }

    /// Other bounds on ties, for tests.
    #[cfg(test)]
    pub fn with_ties_of(&mut self, items_max: impl Fn(&MemberId) -> (usize, bool)) {
        if let Engine::Sorted(merge) = &mut self.engine {
            for leg in &mut merge.legs {
                let (items_max, ordered) = items_max(&leg.member);
                leg.stream.with_ties_of(items_max, ordered);
            }
        }
    }

    /// What to ask now; the indices are those of [`PageRun::leg`].
    pub fn step(&mut self) -> Step {
        match &mut self.engine {
            Engine::Sorted(merge) => merge.step(),
            Engine::Quota(quota) => quota.step(),
        }
    }

    /// Items on the page so far.
    #[cfg(test)]
    pub fn given(&self) -> usize {
        match &self.engine {
            Engine::Sorted(merge) => merge.hits.len(),
            Engine::Quota(quota) => quota.hits.len(),
        }
    }

    /// The plan's leg of an index.
    #[must_use]
    pub fn leg(&self, index: usize) -> &'a Leg {
        self.planned[index]
    }

    /// Takes a member's answer in.
    pub fn feed(&mut self, index: usize, answer: Result<Page, (Fault, Option<u32>)>) {
        let residual = &self.planned[index].residual;
        let contradictions = &mut self.contradictions[index];
        // what was not said to the member is no promise that it broke
        let unsaid = matches!(&answer, Ok(page) if page.unsaid);
        let keeps = |item: &Item| match residual.fit(item) {
            Fit::Kept => true,
            Fit::Dropped => false,
            Fit::Contradiction => {
                *contradictions += u32::from(!unsaid);
                false
            }
        };
        match (&mut self.engine, answer) {
            (Engine::Sorted(merge), Ok(page)) => merge.feed(index, page, keeps),
            (Engine::Quota(quota), Ok(page)) => quota.feed(index, page, keeps),
            (Engine::Sorted(merge), Err((fault, after))) => merge.feed_failure(index, fault, after),
            (Engine::Quota(quota), Err((fault, after))) => quota.feed_failure(index, fault, after),
        }
    }
}

/// The leg whose turn it is: of the member that is named, else of the next one by id.
fn turn_among(legs: &[QuotaLeg], turn: &str) -> usize {
    legs.iter().position(|leg| leg.member.as_str() >= turn).unwrap_or(0)
}

/// `paging.md` section 7: full pages while that is little, else by the member's last share with room for chance.
fn first_need(limit: u32, legs: u32, share: Option<u16>) -> u32 {
    if legs.saturating_mul(limit) <= FULL_PAGES_ITEMS_MAX {
        return limit;
    }
    let expected = share.map_or(limit.div_ceil(legs), u32::from);
    let chance = 2.0 * f64::from(expected).sqrt();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a root of a page size is small and positive"
    )]
    let chance = chance.ceil() as u32;
    (expected + chance).clamp(1, limit)
}
