//! One page from unequal members: session + plan -> what to ask next -> hits and the next session.
//!
//! The facade over the sorted merge and the quota interleave. Pure: the caller asks the members and feeds the answers.

use std::collections::BTreeSet;

use crate::federation::MemberId;
use crate::members::{Fault, Item, Page};

use super::counts::{Bounds, LegCount};
use super::merge::{Merge, MergeLeg, Step};
use super::missed;
use super::order::{Comparator, Position};
use super::outcome::Status;
use super::plan::shared::Share;
use super::plan::{Leg, Order, Plan, shared_id};
use super::progress;
use super::quota::{Quota, QuotaLeg};
use super::residual::Fit;
use super::session::{Class, Gap, Place, Session, SessionLeg};
use super::stream::{Hit, LegFailure, Stream};
use super::taking::{Active, Taking};

/// Up to this many Items in all, every member is asked for a full page.
const FULL_PAGES_ITEMS_MAX: u32 = 500;
/// Said of members that the page had no time for.
const UNASKED: &str = "the time for the page was over before it was asked";
const NOT_ASKED_AGAIN: &str = "the time for the page was over before it was asked for more";

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

/// A finished page.
#[derive(Debug)]
pub struct PageEnd {
    pub hits: Vec<(MemberId, Hit)>,
    /// Where the next page goes on; `None` when the session is over.
    pub next: Option<Session>,
    /// Where a page without an Item goes on: there is no next one, but some leg only stopped at its own allowance.
    pub retry: Option<Session>,
    /// What the session misses and may get on another try.
    pub missed: Option<Session>,
    pub legs: Vec<LegEnd>,
    pub joined: Vec<MemberId>,
    pub matched: Option<u64>,
    pub bounds: Bounds,
    pub deduplicated: u32,
    pub invalid: u32,
}

/// How one leg ended on this page.
#[derive(Debug, Clone)]
pub struct LegEnd {
    pub member: MemberId,
    /// As [`Leg::part`].
    pub part: String,
    /// The holders that took over from it, now or on an earlier page.
    pub covered_by: Vec<String>,
    pub status: Status,
    pub feature: Option<String>,
    /// Why, where the status alone would be said of the member though it is not its doing.
    pub reason: Option<&'static str>,
    pub returned: u32,
    pub requests: u32,
    pub gaps: Vec<Gap>,
    /// This page opened or continues a gap, or lacks the member's turn: strict handling refuses it.
    pub broken: bool,
    /// It has no more Items, now or since an earlier page.
    pub ended: bool,
    /// Items it returned although its own filter, as it says, excludes them.
    pub contradictions: u32,
    /// Full pages without a `next` link, after which it was asked once more (F3).
    pub suspicious_ends: u32,
    pub retry_after_s: Option<u32>,
    /// Items of it are given in its own order on this page, or next in the tie in which the page ends (S7).
    pub walked: bool,
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

    /// The page as it stands.
    #[must_use]
    pub fn finish(self) -> PageEnd {
        let (matched, bounds) = if self.first {
            let matched = self.first_count();
            (matched, matched.map_or_else(|| self.first_bounds(), Bounds::exactly))
        } else {
            (self.session.matched, self.session.bounds)
        };
        let Self { session, engine, absent, joined, contradictions, reasons, .. } = self;
        let out_of_time = match &engine {
            Engine::Sorted(merge) => merge.out_of_time,
            Engine::Quota(quota) => quota.out_of_time,
        };
        let mut next = Session { matched, bounds, legs: Vec::new(), ..session };
        let mut retry = match &engine {
            Engine::Sorted(merge) => progress::of_merge(merge, &next),
            Engine::Quota(quota) => progress::of_quota(quota, &next),
        };
        let mut end = PageEnd {
            hits: Vec::new(),
            next: None,
            retry: None,
            missed: None,
            legs: Vec::new(),
            joined,
            matched,
            bounds,
            deduplicated: 0,
            invalid: 0,
        };
        let live = match engine {
            Engine::Sorted(merge) => finish_sorted(*merge, &mut end, &mut next),
            Engine::Quota(quota) => finish_quota(quota, &mut end, &mut next),
        };
        // the legs of the engine come first, in its order
        for (leg, count) in end.legs.iter_mut().zip(contradictions) {
            leg.contradictions = count;
        }
        for (leg, reason) in end.legs.iter_mut().zip(reasons) {
            leg.reason = match leg.status {
                Status::Timeout => reason,
                Status::ScanLimit if out_of_time && leg.requests == 0 => Some(UNASKED),
                Status::ScanLimit if out_of_time => Some(NOT_ASKED_AGAIN),
                _ => None,
            };
        }
        for (leg, status) in absent {
            let covered = leg.covered_by.as_ref().map(|cover| cover.status);
            let mute = leg.is_out() && status == Some(Status::SkippedCapability);
            end.legs.push(LegEnd {
                member: MemberId::new(&leg.member),
                part: leg.part.clone(),
                covered_by: leg.covered_by.as_ref().map_or_else(Vec::new, |cover| cover.members.clone()),
                status: status.or(covered).unwrap_or(Status::Exhausted),
                feature: mute.then(|| "ids".to_owned()),
                reason: None,
                returned: 0,
                requests: 0,
                gaps: leg.gaps.clone(),
                broken: status.is_some(),
                ended: status.is_none() && covered.is_none(),
                contradictions: 0,
                suspicious_ends: 0,
                retry_after_s: None,
                walked: false,
            });
            if let Some(retry) = &mut retry {
                retry.legs.push(leg.clone());
            }
            next.legs.push(leg);
        }
        end.retry = retry;
        // a page is never empty while it has a next link
        let goes_on = live && !end.hits.is_empty();
        end.missed = missed::of(&next, goes_on);
        end.next = goes_on.then_some(next);
        end
    }

    /// S25: the sum of the counts, if every asked member gave one and nothing is filtered by the broker.
    fn first_count(&self) -> Option<u64> {
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

    fn first_bounds(&self) -> Bounds {
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

fn leg_end(
    (member, part): (MemberId, &str),
    failure: Option<&LegFailure>,
    ended: bool,
    broken: bool,
    gaps: &[Gap],
) -> LegEnd {
    let status = failure.map_or(if ended { Status::Exhausted } else { Status::Ok }, |failure| failure.status);
    LegEnd {
        member,
        part: part.to_owned(),
        covered_by: Vec::new(),
        status,
        feature: failure.and_then(|failure| failure.feature.clone()),
        reason: None,
        returned: 0,
        requests: 0,
        gaps: gaps.to_vec(),
        broken,
        ended,
        contradictions: 0,
        suspicious_ends: 0,
        retry_after_s: failure.and_then(|failure| failure.retry_after_s),
        walked: false,
    }
}

/// What is said of a member that is a federation itself and lacks members of its own.
fn incomplete_itself(why: &str) -> LegFailure {
    LegFailure { feature: Some(why.to_owned()), ..Status::BadResponse.into() }
}

/// Returns whether some leg can go on.
fn finish_sorted(merge: Merge, end: &mut PageEnd, next: &mut Session) -> bool {
    next.watermark = merge.next_watermark();
    end.deduplicated = merge.deduplicated;
    let mut live = false;
    let members: Vec<MemberId> = merge.legs.iter().map(|leg| leg.member.clone()).collect();
    let in_large_tie = merge.legs.iter().any(|leg| leg.stream.is_large(&next.watermark));
    let in_a_walk = matches!(next.watermark, Position::Walk { .. });
    let walkers: BTreeSet<usize> = merge.hits.iter().filter(|(_, hit)| hit.walked).map(|(leg, _)| *leg).collect();
    let legs = merge.legs.into_iter().enumerate();
    for (number, leg) in legs.filter(|(_, leg)| leg.waits_for.is_none()) {
        let covered = leg.session.covered_by.as_ref();
        let covered_by = covered.map_or_else(Vec::new, |cover| cover.members.clone());
        let ended = leg.stream.is_over() && !leg.dead;
        live |= !ended && !leg.dead;
        end.invalid += leg.stream.invalid;
        // in a walk of another leg it is not asked, and what it lacks of the tie goes on being missing
        let waits = leg.session.open().filter(|_| in_a_walk && !leg.answered && !leg.dead && !ended);
        let waits = waits.map(|gap| gap.status.into());
        let broken = (leg.dead && covered.is_none()) || leg.tie_given_up || leg.partial.is_some() || waits.is_some();
        // the allowance of one page is the broker's own bound: the next page goes on, and the member did nothing wrong
        let allowance = |failure: &&LegFailure| !broken && (failure.status == Status::ScanLimit || failure.tie_only);
        let partial = leg.partial.as_deref().map(incomplete_itself);
        let failure = leg.failure.as_ref().or(leg.stream.failure.as_ref()).filter(|failure| !allowance(failure));
        let failure = failure.or(partial.as_ref()).or(waits.as_ref());
        end.legs.push(LegEnd {
            covered_by,
            returned: leg.returned,
            walked: walkers.contains(&number) || leg.stream.walks(&next.watermark),
            requests: leg.stream.requests + leg.questions,
            suspicious_ends: leg.stream.suspicious_ends,
            ..leg_end(
                (leg.member, &leg.session.part),
                failure,
                ended,
                broken,
                &missed::gaps_within(&leg.session, &merge.order),
            )
        });
        // a leg whose range is still to come stands where it stood
        let untouched = leg.stream.requests == 0 && !leg.session.ranges.is_empty();
        let place = if untouched { leg.session.place.clone() } else { leg.stream.place(&next.watermark) };
        // whoever fails in a walk takes no part in the rest of it; its gap keeps the place
        let out = leg.dead && place.as_ref().is_some_and(Place::is_walk);
        let place = if out { leg.stream.place_beside_the_walk() } else { place };
        let same_tie = merge.watermark.first() == next.watermark.first();
        let class = match (in_large_tie, leg.dead) {
            (true, false) => leg.stream.class(&next.watermark, &merge.order),
            (true, true) if leg.stream.is_large(&next.watermark) => Class::Out,
            // as it was, if it was said of this tie
            (true, true) if same_tie => leg.session.class,
            _ => Class::Unknown,
        };
        let is_out = leg.session.is_out();
        next.legs.push(SessionLeg {
            // windows may be divided anew when the federation changes, so nobody is past all of them
            ended: is_out || (ended && !leg.is_windowed),
            share: u16::try_from(leg.returned).unwrap_or(u16::MAX),
            place,
            class: if is_out { Class::Out } else { class },
            window: leg.stream.window(),
            ..leg.session
        });
    }
    end.hits = merge.hits.into_iter().map(|(leg, hit)| (members[leg].clone(), hit)).collect();
    live
}

fn finish_quota(quota: Quota, end: &mut PageEnd, next: &mut Session) -> bool {
    next.turn = quota.turn_member();
    end.deduplicated = quota.deduplicated;
    let live = quota.legs.iter().any(|leg| !leg.ended);
    let going_on = live && !quota.hits.is_empty();
    let members: Vec<MemberId> = quota.legs.iter().map(|leg| leg.member.clone()).collect();
    for mut leg in quota.legs {
        end.invalid += leg.invalid;
        if let (Some(failure), false) = (&leg.failure, going_on) {
            // the last page: what it still had cannot be reached any more
            leg.session.open_gap(Position::Start, failure.status);
        }
        let broken = leg.failure.is_some() || leg.partial.is_some();
        let partial = leg.partial.as_deref().map(incomplete_itself);
        let failure = leg.failure.as_ref().or(partial.as_ref());
        end.legs.push(LegEnd {
            returned: leg.returned,
            requests: leg.requests,
            ..leg_end((leg.member.clone(), &leg.session.part), failure, leg.ended, broken, &leg.session.gaps)
        });
        let place = Some(leg.place());
        next.legs.push(SessionLeg {
            ended: leg.ended,
            share: u16::try_from(leg.returned).unwrap_or(u16::MAX),
            place,
            ..leg.session
        });
    }
    end.hits = quota.hits.into_iter().map(|(leg, hit)| (members[leg].clone(), hit)).collect();
    live
}
