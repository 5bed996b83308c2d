//! What a later page needs of the earlier ones: the content of a cursor. Pure data, no authority.

use super::counts::Bounds;
use super::missed::Range;
use super::order::{Comparator, Position};
use super::outcome::Status;
use super::owners::replicas_agree;
use super::plan::{Leg, Order};
use crate::members::Token;

/// Gaps kept for one member; beyond it the oldest two become one, widened outward (`paging.md` section 6).
const GAPS_PER_MEMBER_MAX: usize = 4;

/// A chain of pages from one first request (S26).
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Start of the session in milliseconds since 1970: retention windows are computed from it.
    pub started_ms: i64,
    /// One digest per query parameter, so that a changed one can be named.
    pub digests: [u32; 12],
    pub order: Order,
    /// Sum of the first page's counts, if S25 allows it.
    pub matched: Option<u64>,
    /// Where there is no such sum, or beside it: what the first page tells of how many match.
    pub bounds: Bounds,
    /// The position up to which the client has been served.
    pub watermark: Position,
    /// Quota order: the member whose turn it is.
    pub turn: String,
    pub legs: Vec<SessionLeg>,
}

impl Session {
    /// Whether replicas stand at one place in its order.
    #[must_use]
    pub fn agreed(&self) -> bool {
        match &self.order {
            Order::Quota => true,
            Order::Sorted(keys) => replicas_agree(&Comparator::new(keys.clone())),
        }
    }
}

/// One member's part of a session. Members are named by id, never by position or address.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionLeg {
    pub member: String,
    /// Which share of the member this is: empty for its own collections, else the shared collection it is a holder of.
    pub part: String,
    /// Has no more Items for this session.
    pub ended: bool,
    /// Items it gave to the last page.
    pub share: u16,
    /// Where a token or quota leg goes on; `None`: at its start, or by bound.
    pub place: Option<Place>,
    pub gaps: Vec<Gap>,
    /// How it takes part in the tie in which the watermark lies; stays for all pages that end there.
    pub class: Class,
    /// Of a leg that is read by windows: how wide the last one was, as the power of two of its milliseconds.
    pub window: u8,
    /// The holders that took over what this one failed to give (S13): it is not asked again, and nothing is missing.
    pub covered_by: Option<Cover>,
    /// Of a `retry-missed` session: the parts that are asked for, in their order. Empty: everything.
    pub ranges: Vec<Range>,
}

/// Who took over from a leg, and how that had failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    pub members: Vec<String>,
    pub status: Status,
}

/// How a leg takes part in one tie of the first key (`paging.md` section 5). Sticky: a tie that grows must not be read in
/// another way on the next page, or a part of it would be repeated or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Class {
    /// Not known: nothing of the tie was given, or the watermark lies in none.
    #[default]
    Unknown,
    /// Read whole and sorted.
    Keyed,
    /// Too large to be read whole; the member orders it.
    Ordered,
    /// Too large, and in the member's own order: given after all that is ordered.
    Walker,
    /// Nothing of it is left.
    Past,
    /// Takes no part; a gap is declared.
    Out,
}

/// A place in a member's own list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Of the page to ask for; `None`: the first.
    pub token: Option<Token>,
    /// Page size to repeat: page-number tokens depend on it.
    pub size: u32,
    /// Items of that page already given, as received.
    pub offset: u32,
    /// Inside a tie that the member orders itself.
    pub ordered: bool,
    /// The bound of the list that the token goes on in; `Start`: the leg's own ask; `Walk`: of the tie that is walked.
    pub bound: Position,
    /// Hashes of the last Items given from that page; they hold the place when its start shifts.
    pub anchors: Vec<u64>,
}

/// A range in which Items of a member may be missing: `from` exclusive, `to` inclusive, `None` while it is open.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    pub from: Position,
    pub to: Option<Position>,
    pub status: Status,
    /// Where the member's own list stood at `from`, if a bound does not lead there.
    pub place: Option<Place>,
}

impl Place {
    /// Whether it lies inside a tie in the member's own order.
    #[must_use]
    pub fn is_walk(&self) -> bool {
        matches!(self.bound, Position::Walk { .. })
    }

    /// What is left of it in a cursor that is too long: how far a walk has come, as nothing else tells that.
    #[must_use]
    pub fn shortened(self) -> Option<Self> {
        self.is_walk().then(|| Self { bound: self.bound, ..Self::default() })
    }
}

impl Gap {
    /// It reaches to the end of the order, and no page can fill it.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.to == Some(Position::End) && self.status == Status::SkippedCapability
    }
}

impl SessionLeg {
    /// Of a leg that begins.
    #[must_use]
    pub fn begin(leg: &Leg) -> Self {
        Self { member: leg.member.to_string(), part: leg.part.clone(), ..Self::default() }
    }

    /// Whether this is the session of a leg of the plan.
    #[must_use]
    pub fn is_of(&self, leg: &Leg) -> bool {
        self.member == leg.member.as_str() && self.part == leg.part
    }

    /// Leaves the tie that it walks, if the client stands in that: the rest of it is missing. False where it walks none.
    pub fn leave_walk(&mut self, watermark: &Position) -> bool {
        let walks = self.place.as_ref().is_some_and(Place::is_walk) || self.class == Class::Walker;
        let Some(tie) = watermark.first().filter(|_| walks && !matches!(watermark, Position::Before(_))) else {
            return false;
        };
        let to = Position::After(tie.clone());
        match self.open() {
            Some(_) => self.close_gap(&to),
            None => self.push_gap(Gap { from: watermark.clone(), to: Some(to), status: Status::Removed, place: None }),
        }
        self.place = None;
        self.class = Class::Past;
        true
    }

    /// Opens a gap unless one is open.
    pub fn open_gap(&mut self, from: Position, status: Status) {
        let place = self.place.clone();
        self.open_gap_at(from, status, place);
    }

    /// Opens a gap unless one is open, where the member's own list is known to stand elsewhere than when the page began.
    pub fn open_gap_at(&mut self, from: Position, status: Status, place: Option<Place>) {
        if self.open().is_none() {
            let place = place.filter(|place| place.token.is_some() || place.is_walk());
            self.push_gap(Gap { from, to: None, status, place });
        }
    }

    /// Closes the open gap, if there is one.
    pub fn close_gap(&mut self, at: &Position) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.to.is_none()) {
            gap.to = Some(at.clone());
        }
    }

    /// Whether it takes no more part in the session, and what it still has is missing (`owners.rs`).
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.ended && self.class == Class::Out && self.open().is_some()
    }

    #[must_use]
    pub fn open(&self) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.to.is_none())
    }

    /// Widens the gaps to whole first keys and joins those that then touch; false when that changes nothing. Widening is
    /// outward only: a gap may promise too much missing, never too little.
    pub fn widen_gaps(&mut self, order: &Comparator) -> bool {
        let before = self.gaps.clone();
        for gap in &mut self.gaps {
            if let Some(first) = gap.from.first().cloned().filter(|_| !matches!(gap.from, Position::After(_))) {
                gap.from = Position::Before(first);
            }
            if let Some(to) = &mut gap.to
                && let Some(first) = to.first().cloned().filter(|_| !matches!(to, Position::Before(_)))
            {
                *to = Position::After(first);
            }
        }
        self.gaps.sort_by(|a, b| order.positions(&a.from, &b.from));
        self.gaps.dedup_by(|next, gap| {
            let touches = gap.to.as_ref().is_none_or(|to| order.positions(&next.from, to).is_le());
            if touches {
                // what another try may give is asked for again, even beside what it cannot
                if next.status.retryable() {
                    gap.status = next.status;
                }
                gap.to = match (gap.to.take(), next.to.take()) {
                    (Some(one), Some(other)) => Some(order.later(&one, &other).clone()),
                    _ => None,
                };
            }
            touches
        });
        self.gaps != before
    }

    /// Adds a gap; with too many of them the two oldest become one that covers both. One to the end of the order, of
    /// what can be asked for on no page, stays apart behind the others.
    pub fn push_gap(&mut self, gap: Gap) {
        let place = self.gaps.iter().position(Gap::is_lasting).unwrap_or(self.gaps.len());
        self.gaps.insert(place, gap);
        let passing = self.gaps.iter().filter(|gap| !gap.is_lasting()).count();
        if passing > GAPS_PER_MEMBER_MAX {
            let oldest = self.gaps.remove(0);
            if let Some(next) = self.gaps.first_mut() {
                next.from = oldest.from;
                next.place = oldest.place;
            }
        }
    }
}
