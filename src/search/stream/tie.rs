//! Large ties: Items of one first key that are too many to be read for one page (`paging.md` section 5).

use std::cmp::Ordering;

use crate::search::order::{Comparator, Key, Position};
use crate::search::outcome::Status;
use crate::search::plan::Mode;
use crate::search::session::Place;

use super::segment::Lead;
use super::{DRAIN_ITEMS_MAX, LegFailure, Next, PageAsked, Stream, TIE_ITEMS_TELLING, TIE_PAGES_MAX};

impl Stream {
    /// Gives up one tie: the leg goes on strictly behind it.
    pub fn skip_tie(&mut self) -> Option<Position> {
        let tie = match &self.known {
            _ if self.is_sliced() => self.window_given_up(),
            Position::Before(value) => Position::After(value.clone()),
            Position::At(key) => Position::After(key.values.first()?.clone()),
            _ => return None,
        };
        self.buffer.clear();
        self.failure = None;
        self.known = tie.clone();
        self.next = Next::Bound(tie.clone());
        self.last_first = None;
        Some(tie)
    }

    /// Whether all that is at hand belongs to the tie that is being read, or to what may be one there.
    pub(super) fn in_tie(&self) -> bool {
        match (&self.known, self.buffer.front().and_then(|hit| hit.key.values.first())) {
            (Position::Before(tie), Some(first)) => first.compare(tie, self.descending) != Ordering::Less,
            _ => false,
        }
    }

    /// The failure of a tie that cannot be read whole; only a leg with a bound can go on behind it.
    pub fn too_large(&self) -> LegFailure {
        LegFailure { tie_only: self.mode == Mode::Keyset && self.by_time, ..Status::TooLarge.into() }
    }

    /// Inside a tie: whether the member orders it by the further keys and the id, as a class `ordered` tie must be.
    pub(super) fn check_tie_order(
        &mut self,
        against: Ordering,
        key: &Key,
        order: &Comparator,
    ) -> Result<(), LegFailure> {
        let in_order = match &self.last_key {
            Some(before) if against == Ordering::Equal => order.within_member(before, key) != Ordering::Greater,
            _ => true,
        };
        self.tie_sorted &= in_order;
        let claimed = key.values.first().is_some_and(|first| self.ordered.contains(first));
        if claimed && !in_order { Err(Status::OrderViolation.into()) } else { Ok(()) }
    }

    /// What a stream has shown up to its last Item: everything before its tie, or, where the member orders the tie
    /// itself, everything before that Item's id.
    pub(super) fn shown(&self) -> Option<Position> {
        let first = self.last_first.as_ref()?;
        match &self.last_key {
            Some(key) if self.ordered.contains(first) && key.values.first() == Some(first) => {
                // Items of one id may come from several collections in any order
                Some(Position::At(Key { collection: "".into(), ..key.clone() }))
            }
            _ => Some(Position::Before(first.earliest_near(self.descending))),
        }
    }

    /// Whether the list has not come behind the first key that it began with.
    pub(super) fn is_at_start(&self) -> bool {
        matches!((&self.start, &self.last_first), (Position::Before(start), Some(first)) if start == first)
    }

    /// Where a leg goes on that cannot go on by its bound alone, when the client has been served up to `watermark`.
    ///
    /// Inside a tie that the member orders itself: the earliest page, in reading order, that holds an Item not yet
    /// given. Else, in token mode: the page in which the first tie that is not fully given begins.
    pub fn place(&self, watermark: &Position) -> Option<Place> {
        let ordered = match watermark {
            Position::At(key) => key.values.first().is_some_and(|first| self.ordered.contains(first)),
            _ => false,
        };
        let page = if ordered {
            self.buffer.iter().map(|hit| hit.page).min()
        } else if self.mode == Mode::Token && !self.has_no_place() {
            let first = self.buffer.front().and_then(|hit| hit.key.values.first());
            let tie =
                first.and_then(|first| self.firsts.iter().find(|(value, _)| value == first)).map(|(_, page)| *page);
            // of numbers that are nearly one, the later may come first
            self.buffer.iter().map(|hit| hit.page).min().map(|page| tie.map_or(page, |tie| tie.min(page)))
        } else {
            return None;
        };
        if let Some(PageAsked { token, size, bound }) = page.and_then(|page| self.pages.get(page)) {
            let (token, bound) = (token.clone(), bound.clone());
            return Some(Place { token, size: *size, ordered, bound, ..Place::default() });
        }
        self.walk().map(|place| Place { ordered, ..place })
    }

    /// A tie that is too large to be read whole is given as it comes, if the member orders it, else given up; a drain
    /// that is too long is refused.
    pub(super) fn check_tie(&mut self, order: &Comparator) {
        if self.mode == Mode::Drain {
            if self.examined as u64 > DRAIN_ITEMS_MAX {
                self.refuse_drain();
            }
            return;
        }
        let large = self.buffer.len() > self.tie_items_max;
        let long = self.tie_pages >= TIE_PAGES_MAX && self.buffer.len() >= self.tie_items_max.min(TIE_ITEMS_TELLING);
        if self.lead == Lead::Nulls || !self.in_tie() || !(large || long) {
            return;
        }
        let told_apart = self.last_first.as_ref().is_some_and(|first| !first.may_be_several());
        if self.tie_sorted && told_apart && matches!(self.next, Next::Token(_)) {
            self.ordered.extend(self.last_first.clone());
            if let Some(shown) = self.shown() {
                self.known = order.later(&self.known, &shown).clone();
            }
        } else if large {
            self.fail(self.too_large());
        }
    }
}
