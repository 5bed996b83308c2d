//! What a finished page holds, and the session that the next one goes on with.

use std::collections::BTreeSet;

use crate::federation::MemberId;
use crate::search::counts::Bounds;
use crate::search::merge::Merge;
use crate::search::order::Position;
use crate::search::outcome::Status;
use crate::search::quota::Quota;
use crate::search::session::{Class, Gap, Place, Session, SessionLeg};
use crate::search::stream::{Hit, LegFailure};
use crate::search::{missed, progress};

use super::{Engine, PageRun};

/// Said of members that the page had no time for.
const UNASKED: &str = "the time for the page was over before it was asked";
const NOT_ASKED_AGAIN: &str = "the time for the page was over before it was asked for more";

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

impl PageRun<'_> {
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
