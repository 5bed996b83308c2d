//! The sorted merge: a state machine that asks for input and gives Items in the total order, each once.
//!
//! `paging.md` section 4. An Item is emitted only if it lies behind the last one emitted: that alone gives order and
//! uniqueness, whatever members do. Nothing is emitted while some leg could still produce something smaller: that gives
//! completeness. A leg that fails after an Item was emitted ends the page early; on an empty page it opens a gap.

use std::cmp::Ordering;

use crate::federation::MemberId;
use crate::members::{Fault, Item, Page};

use super::order::{Comparator, Position};
use super::outcome::Status;
use super::owners::{Owned, Owners, United};
use super::session::{Gap, Place, SessionLeg};
use super::stream::{Bound, Hit, LegFailure, REQUESTS_EMPTY_MAX, REQUESTS_MAX, Request, Stream};

/// Items examined per leg while the page holds an Item: at least this many, or twenty times the page.
const EXAMINED_MIN: usize = 2_000;
const EXAMINED_PER_ITEM: usize = 20;

/// What the merge wants next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Ask these legs; nothing new to ask (all are under way) when it is empty.
    Needs(Vec<(usize, Request)>),
    Done,
}

/// One leg of the merge.
pub struct MergeLeg {
    pub member: MemberId,
    pub stream: Stream,
    pub session: SessionLeg,
    /// Items wanted from it by the first request.
    pub first_need: u32,
    pub asked: Option<Request>,
    pub answered: bool,
    /// Its failure took effect: it takes no more part in this page.
    pub dead: bool,
    /// How it failed, whether or not that took effect.
    pub failure: Option<LegFailure>,
    /// A tie of it was given up on this page, or all Items without a key; it goes on with the rest.
    pub tie_given_up: bool,
    /// It said of an answer that it is not complete.
    pub partial: Option<std::sync::Arc<str>>,
    pub returned: u32,
    /// As [`Leg::rank`](super::plan::Leg::rank).
    pub rank: usize,
    /// It stands by: it is asked when the leg of this index fails.
    pub waits_for: Option<usize>,
    /// It serves windows of time, not all of it.
    pub is_windowed: bool,
    /// Other holders may give the same Items.
    pub united: Option<United>,
    /// Questions to it, which Items it has, and why it did not answer one.
    pub questions: u32,
    pub unheard: Option<LegFailure>,
}

impl MergeLeg {
    /// Whether it takes no part now: it failed, or stands by.
    fn is_out(&self) -> bool {
        self.dead || self.waits_for.is_some()
    }

    /// Items without a key that are out of reach: declared once, on the pages after it the gap is there.
    fn declare_missing_nulls(&mut self, order: &Comparator) {
        let missing = self.stream.missing_nulls(order).filter(|(gap, _)| !self.session.gaps.contains(gap));
        if let Some((gap, failure)) = missing {
            self.session.push_gap(gap);
            self.tie_given_up |= failure.is_some();
            self.failure = failure.or(self.failure.take());
        }
    }
}

pub struct Merge {
    pub order: Comparator,
    pub legs: Vec<MergeLeg>,
    limit: u32,
    /// The position emitted up to.
    pub last: Position,
    pub watermark: Position,
    pub hits: Vec<(usize, Hit)>,
    pub deduplicated: u32,
    pub owners: Owners,
    /// The page ended before it was full.
    pub short: bool,
    /// There is no time to ask anybody any more.
    pub out_of_time: bool,
}

impl Merge {
    pub fn new(order: Comparator, watermark: Position, limit: u32, legs: Vec<MergeLeg>) -> Self {
        let owners = Owners::new(&order);
        let mut merge = Self {
            owners,
            order,
            legs,
            limit,
            last: watermark.clone(),
            watermark,
            hits: Vec::new(),
            deduplicated: 0,
            short: false,
            out_of_time: false,
        };
        merge.pass_over_mutes();
        merge
    }

    /// Goes on until input is needed or the page is done.
    pub fn step(&mut self) -> Step {
        while self.hits.len() < self.limit as usize && !self.short {
            let Some(leg) = self.smallest() else { break };
            match self.legs[leg].stream.bound(&self.order) {
                Bound::Head => match self.owned(leg) {
                    Owned::Here => self.emit(leg),
                    Owned::Elsewhere => self.leave_to_owner(leg),
                    Owned::Asking(step) => return step,
                    Owned::Unknown(higher, failure) => self.cannot_decide(leg, higher, failure),
                },
                Bound::Walk(_) if self.legs[leg].stream.has_walked() => self.emit_walked(leg),
                Bound::AtLeast(_) | Bound::Walk(_) if self.legs[leg].stream.failure.is_some() => self.fail(leg),
                Bound::AtLeast(_) | Bound::Walk(_) if self.legs[leg].asked.is_none() && self.allowance_is_over(leg) => {
                    // its own bounds are not to blame where time is over
                    let stream = &mut self.legs[leg].stream;
                    stream.fail(if self.out_of_time { Status::ScanLimit.into() } else { stream.out_of_allowance() });
                }
                Bound::AtLeast(_) => return Step::Needs(self.needs()),
                // all others show larger bounds: only this one is asked
                Bound::Walk(_) => return Step::Needs(self.needs_of(leg)),
                Bound::Nothing => break,
            }
        }
        Step::Done
    }

    /// The leg of the smallest bound; of equal Heads the one of the highest holder, else the one that stands first. `None`
    /// when no live leg is left.
    fn smallest(&self) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (index, leg) in self.legs.iter().enumerate() {
            if leg.is_out() || leg.stream.is_over() {
                continue;
            }
            let comes_before = |best: usize| {
                let by_rank = || leg.rank.cmp(&self.legs[best].rank);
                self.compare(index, best).then_with(by_rank) == Ordering::Less
            };
            if best.is_none_or(comes_before) {
                best = Some(index);
            }
        }
        best
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let (left, right) = (&self.legs[a].stream, &self.legs[b].stream);
        match (left.bound(&self.order), right.bound(&self.order)) {
            (Bound::Head, Bound::Head) => match (left.head(), right.head()) {
                (Some(left), Some(right)) => self.order.keys_of(&left.key, &right.key),
                _ => Ordering::Equal,
            },
            (Bound::AtLeast(left) | Bound::Walk(left), Bound::AtLeast(right) | Bound::Walk(right)) => {
                self.order.positions(&left, &right)
            }
            (Bound::AtLeast(known) | Bound::Walk(known), _) => head_against(right, &known, &self.order).reverse(),
            (_, Bound::AtLeast(known) | Bound::Walk(known)) => head_against(left, &known, &self.order),
            (Bound::Nothing, _) => Ordering::Greater,
            (_, Bound::Nothing) => Ordering::Less,
        }
    }

    fn emit(&mut self, leg: usize) {
        let Some(mut hit) = self.legs[leg].stream.pop() else { return };
        if !self.order.key_after(&hit.key, &self.last) {
            self.deduplicated += 1;
            return;
        }
        self.last = Position::At(hit.key.clone());
        self.legs[leg].returned += 1;
        hit.replicas = self.lower_holders(&hit);
        self.take_replicas(leg, &mut hit);
        self.hits.push((leg, hit));
    }

    /// The same Item at other holders: equal keys are one Item of a shared Collection (S14). Each of them has it at hand by
    /// now, or surely lacks it, since nothing smaller than this Item is unseen.
    fn take_replicas(&mut self, of: usize, hit: &mut Hit) {
        let member = self.legs[of].member.clone();
        for (index, other) in self.legs.iter_mut().enumerate() {
            let is_same = |head: &Hit| self.order.keys_of(&head.key, &hit.key) == Ordering::Equal;
            if index == of || other.is_out() || !other.stream.head().is_some_and(is_same) {
                continue;
            }
            other.stream.pop();
            self.deduplicated += 1;
            if other.member != member && !hit.replicas.contains(&other.member) {
                hit.replicas.push(other.member.clone());
            }
        }
    }

    /// The next Item of a tie in its member's own order.
    fn emit_walked(&mut self, leg: usize) {
        let Some((hit, position)) = self.legs[leg].stream.pop_walked(&self.order) else { return };
        self.last = position;
        self.legs[leg].returned += 1;
        // the list may have ended with the tie
        self.legs[leg].declare_missing_nulls(&self.order);
        self.hits.push((leg, hit));
    }

    /// The request of a leg that alone must be read; nothing while one is under way.
    fn needs_of(&mut self, leg: usize) -> Vec<(usize, Request)> {
        if self.legs[leg].asked.is_some() { Vec::new() } else { vec![(leg, self.ask(leg))] }
    }

    /// Every leg that must be read before the next Item can be given, with its request.
    fn needs(&mut self) -> Vec<(usize, Request)> {
        let head = (0..self.legs.len())
            .filter(|&leg| !self.legs[leg].is_out() && self.legs[leg].stream.bound(&self.order) == Bound::Head)
            .min_by(|&a, &b| self.compare(a, b));
        let smallest = self.smallest();
        let mut needs = Vec::new();
        for leg in 0..self.legs.len() {
            let candidate = &self.legs[leg];
            let open = !candidate.is_out() && candidate.asked.is_none() && candidate.stream.failure.is_none();
            let blocks = matches!(candidate.stream.bound(&self.order), Bound::AtLeast(_))
                && head.is_none_or(|head| self.compare(leg, head) != Ordering::Greater);
            // a window whose turn has not come is not read ahead of it
            let is_ahead = candidate.is_windowed
                && candidate.stream.requests == 0
                && smallest.is_some_and(|smallest| self.compare(leg, smallest) == Ordering::Greater);
            if open && blocks && !(head.is_none() && is_ahead) && !self.allowance_is_over(leg) {
                needs.push((leg, self.ask(leg)));
            }
        }
        needs
    }

    /// Items that the page still has room for.
    pub(super) fn room(&self) -> usize {
        (self.limit as usize).saturating_sub(self.hits.len())
    }

    fn ask(&mut self, leg: usize) -> Request {
        let remaining = self.limit - u32::try_from(self.hits.len()).unwrap_or(self.limit).min(self.limit);
        let leg = &mut self.legs[leg];
        let need = if leg.stream.requests == 0 { leg.first_need } else { remaining };
        let request = leg.stream.request(need.min(remaining), self.limit);
        leg.asked = Some(request.clone());
        request
    }

    fn allowance_is_over(&self, leg: usize) -> bool {
        let stream = &self.legs[leg].stream;
        if self.out_of_time {
            return true;
        }
        if self.hits.is_empty() {
            return stream.requests >= REQUESTS_EMPTY_MAX;
        }
        let examined_max = EXAMINED_MIN.max(EXAMINED_PER_ITEM * self.limit as usize);
        stream.requests >= REQUESTS_MAX || stream.examined > examined_max
    }

    /// A leg's failure takes effect: its bound is the smallest and nothing more can be had of it.
    pub(super) fn fail(&mut self, index: usize) {
        let bound = self.legs[index].stream.bound(&self.order);
        let leg = &mut self.legs[index];
        let Some(failure) = leg.stream.failure.clone() else { return };
        leg.failure = Some(failure.clone());
        let walks = leg.stream.walks_here(&self.last);
        // inside a walk a page that holds an Item ends early rather than that the rest is missing
        if (self.hits.is_empty() || !walks) && self.take_over(index, &failure, &bound) {
            return;
        }
        let leg = &mut self.legs[index];
        if !self.hits.is_empty() {
            self.short = true;
            return;
        }
        // all that is ordered in a tie that is to be walked is no loss of this leg
        let from = match bound {
            Bound::Walk(walk) => self.order.later(&self.last, &walk).clone(),
            // and a tie that was walked to its end is none either
            Bound::AtLeast(known) if matches!(self.last, Position::Walk { .. }) => {
                self.order.later(&self.last, &known).clone()
            }
            _ => self.last.clone(),
        };
        if failure.tie_only
            && let Some(to) = leg.stream.skip_tie()
        {
            leg.session.push_gap(Gap { from, to: Some(to), status: failure.status, place: None });
            leg.tie_given_up = true;
            leg.stream.pass_ranges(&self.order);
            return;
        }
        // a retry of a walk goes on just where it stands
        let place = leg.stream.place(&from).filter(Place::is_walk).or_else(|| leg.session.place.clone());
        leg.session.open_gap_at(from, failure.status, place);
        leg.dead = true;
    }

    /// Takes a page of a leg in.
    pub fn feed(&mut self, index: usize, page: Page, mut keeps: impl FnMut(&Item) -> bool) {
        let leg = &mut self.legs[index];
        let Some(asked) = leg.asked.take() else { return };
        if let Some(ids) = &asked.ids {
            self.hear(index, ids, &page, keeps);
            return;
        }
        if !leg.answered {
            leg.answered = true;
            let start = self.order.later(&self.watermark, &leg.stream.start).clone();
            leg.session.close_gap(&start);
        }
        if page.partial.is_some() {
            // its own gap is not known here, so it reaches from the watermark to where it next answers in full
            leg.session.open_gap(self.watermark.clone(), Status::BadResponse);
            leg.partial.clone_from(&page.partial);
        }
        leg.stream.feed(page, &asked, &self.order, &self.last, &mut keeps);
        leg.declare_missing_nulls(&self.order);
        if let Some(failure) = leg.stream.failure.clone().filter(|failure| failure.status == Status::OrderViolation) {
            // what it gave earlier cannot be trusted either, so this does not wait for an empty page (S6)
            leg.session.open_gap(Position::Start, failure.status);
            leg.failure = Some(failure.clone());
            leg.dead = true;
            if self.take_over(index, &failure, &Bound::Nothing) {
                self.legs[index].session.close_gap(&self.last);
            }
        }
        self.note_held(index);
    }

    /// A leg's request failed. It takes effect when the leg's bound is the smallest.
    pub fn feed_failure(&mut self, index: usize, fault: Fault, retry_after_s: Option<u32>) {
        let leg = &mut self.legs[index];
        let asked = leg.asked.take();
        if asked.is_some_and(|asked| asked.ids.is_some()) {
            leg.unheard = Some(LegFailure { retry_after_s, ..Status::from(fault).into() });
        } else if fault == Fault::TokenRefused {
            leg.stream.token_refused();
        } else {
            leg.stream.fail(LegFailure { retry_after_s, ..Status::from(fault).into() });
        }
    }

    /// Where the next page goes on: the last Item, or further where a short page has examined more.
    pub fn next_watermark(&self) -> Position {
        let examined = self.smallest().filter(|_| self.hits.len() < self.limit as usize);
        match examined.map(|leg| self.legs[leg].stream.bound(&self.order)) {
            Some(Bound::AtLeast(known @ (Position::Before(_) | Position::After(_))) | Bound::Walk(known)) => {
                self.order.later(&self.last, &known).clone()
            }
            _ => self.last.clone(),
        }
    }
}

/// The smallest Item of a stream against a position that is no Item's.
fn head_against(stream: &Stream, position: &Position, order: &Comparator) -> Ordering {
    match stream.head() {
        Some(hit) if order.key_after(&hit.key, position) => Ordering::Greater,
        Some(_) => Ordering::Less,
        None => Ordering::Greater,
    }
}
