//! Large ties: Items of one first key that are too many to be read for one page (`paging.md` section 5).

use std::cmp::Ordering;

use crate::search::order::{Comparator, Key, Position, Value};
use crate::search::outcome::Status;
use crate::search::plan::{FirstKey, Mode};
use crate::search::session::{Class, Place};

use super::segment::Lead;
use super::{DRAIN_ITEMS_MAX, LegFailure, Next, PageAsked, Stream, TIE_PAGES_MAX};

impl Stream {
    /// Gives up one tie: the leg goes on strictly behind it.
    pub fn skip_tie(&mut self) -> Option<Position> {
        let tie = match &self.known {
            _ if self.is_sliced() => self.window_given_up(),
            Position::Before(value) | Position::Walk { first: value, .. } => Position::After(value.clone()),
            Position::At(key) => Position::After(key.values.first()?.clone()),
            _ => return None,
        };
        self.buffer.clear();
        // what was at hand comes again where it lies behind the tie
        self.seen.clear();
        self.walk = None;
        self.failure = None;
        self.known = tie.clone();
        self.begin_anew(Next::Bound(tie.clone()));
        Some(tie)
    }

    /// Whether all that is at hand belongs to the tie that is being read, or to what may be one there. A list of which
    /// nothing was read is in none.
    pub(super) fn in_tie(&self) -> bool {
        match (&self.known, &self.last_first, self.buffer.front().and_then(|hit| hit.key.values.first())) {
            (Position::Before(tie), Some(_), Some(first)) => first.compare(tie, self.descending) != Ordering::Less,
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
    /// A leg that has nothing but a walk before it: in that walk. Inside a tie that the member orders itself: the earliest page, in reading order, that holds an Item not yet
    /// given. Else, in token mode and where no bound leads on: the page in which the first tie that is not fully given
    /// begins.
    pub fn place(&self, watermark: &Position) -> Option<Place> {
        if let Some(walk) = self.walk.as_ref().filter(|_| self.buffer.is_empty()) {
            return Some(walk.place());
        }
        let ordered = match watermark {
            Position::At(key) => key.values.first().is_some_and(|first| self.ordered.contains(first)),
            _ => false,
        };
        let page = if ordered {
            self.buffer.iter().map(|hit| hit.page).min()
        } else if self.is_of_one_list(watermark) && !self.has_no_place() {
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
        self.onward().map(|place| Place { ordered, ..place })
    }

    /// Whether the client now stands in a tie that this leg has too much of to read it whole.
    pub fn is_large(&self, watermark: &Position) -> bool {
        let (Position::At(_) | Position::Walk { .. }, Some(tie)) = (watermark, watermark.first()) else { return false };
        let walk = self.walk.as_ref().map(|walk| &walk.tie).or(self.walked.as_ref());
        self.ordered.contains(tie) || walk == Some(tie)
    }

    /// Whether Items of the tie in which the client stands are still to come in the member's own order.
    pub fn walks(&self, watermark: &Position) -> bool {
        self.walk.as_ref().is_some_and(|walk| watermark.first() == Some(&walk.tie))
    }

    /// How the leg takes part in the large tie in which the client now stands.
    pub fn class(&self, watermark: &Position, order: &Comparator) -> Class {
        let Some(tie) = watermark.first() else { return Class::Unknown };
        if self.walks(watermark) {
            Class::Walker
        } else if self.buffer.front().is_some_and(|hit| hit.key.values.first() == Some(tie)) {
            if self.ordered.contains(tie) { Class::Ordered } else { Class::Keyed }
        } else if order.positions(&self.known, &Position::After(tie.clone())) != Ordering::Less {
            Class::Past
        } else if self.ordered.contains(tie) {
            Class::Ordered
        } else {
            Class::Unknown
        }
    }

    /// Whether the leg goes on by its token alone: no bound leads on from where the client stands.
    fn is_of_one_list(&self, watermark: &Position) -> bool {
        let behind_a_walk = || self.walked.as_ref().is_some_and(|tie| watermark.first() == Some(tie));
        let at_the_edge = || watermark.first().is_some_and(|first| self.is_at_the_edge(first));
        self.mode == Mode::Token || at_the_edge() || (!self.is_bounded() && behind_a_walk())
    }

    /// A tie that is too large to be read whole is given as it comes, if the member orders it, else walked; a drain that
    /// is too long is refused.
    pub(super) fn check_tie(&mut self, order: &Comparator) {
        if self.mode == Mode::Drain {
            if self.examined as u64 > DRAIN_ITEMS_MAX {
                self.refuse_drain();
            }
            return;
        }
        let large = self.buffer.len() > self.tie_items_max;
        if self.lead == Lead::Nulls || !self.in_tie() || !(large || self.tie_pages >= TIE_PAGES_MAX) {
            return;
        }
        let goes_on = matches!(self.next, Next::Token(_));
        let told_apart = self.last_first.as_ref().is_some_and(|first| !first.may_be_several());
        if goes_on && self.tie_sorted && told_apart && self.buffer.len() >= self.tie_items_telling {
            self.ordered.extend(self.last_first.clone());
            if let Some(shown) = self.shown() {
                self.known = order.later(&self.known, &shown).clone();
            }
        } else if goes_on && self.may_walk() {
            // a few Items in order may be chance: a little more is read before they are taken for none
            if large || !self.tie_sorted || self.tie_pages >= 2 * TIE_PAGES_MAX {
                self.open_walk();
            }
        } else if self.buffer.len() > self.tie_items_max.saturating_mul(if goes_on { 2 } else { 1 }) {
            self.fail(self.too_large());
        }
    }

    /// Whether the tie that is being read can be walked: not when a part of it was given in order, or is asked for in
    /// order. A tie that was read whole and has grown is read on instead, up to twice the bound.
    ///
    /// Nor are values that a member may hold for several walked, as it goes on with its own order between these; nor lists
    /// of which it is not known where Items without a key stand; nor shares of a shared Collection, as inside a walk nobody can take over and equal Items do not meet.
    fn may_walk(&self) -> bool {
        let Some(tie) = &self.last_first else { return false };
        let alone = self.buffer.front().and_then(|hit| hit.key.values.first()) == Some(tie);
        let several = matches!(tie, Value::Number(_)) || tie.may_be_several();
        let mixed = matches!(self.first, FirstKey::Unbounded { nulls_last: false });
        if !alone || several || mixed || self.shared {
            return false;
        }
        let of_the_tie = |position: &Position| position.first() == self.last_first.as_ref();
        let ordered = |position: &Position| matches!(position, Position::At(_)) && of_the_tie(position);
        let begun = |position: &Position| {
            ordered(position) || (matches!(position, Position::Walk { .. }) && of_the_tie(position))
        };
        let mut ranges = self.ranges.iter().flatten();
        !begun(&self.from) && ranges.all(|range| !begun(&range.from) && !ordered(&range.to))
    }
}
