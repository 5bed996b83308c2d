//! What becomes of a stream whose member fails, refuses a token, or has used up what a page may ask of it.

use super::walk::Walk;
use super::{DRAIN_ITEMS_MAX, Mode, Next, Position, Status, Stream};

/// A failure that takes effect when the leg's bound is the smallest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegFailure {
    pub status: Status,
    /// What a `skipped-capability` member lacks.
    pub feature: Option<String>,
    /// The tie that is given up alone, if it is only that.
    pub tie_only: bool,
    pub retry_after_s: Option<u32>,
}

impl From<Status> for LegFailure {
    fn from(status: Status) -> Self {
        Self { status, feature: None, tie_only: false, retry_after_s: None }
    }
}

impl Stream {
    /// The failure of a leg whose allowance of requests is used up.
    pub fn out_of_allowance(&self) -> LegFailure {
        if self.mode == Mode::Drain {
            Self::drain_refusal(self.by_time)
        } else if self.walk.as_ref().is_some_and(Walk::is_searching) {
            self.of_the_tie(Status::BadResponse)
        } else if self.is_sliced() && self.walk.is_none() {
            self.window_out_of_allowance()
        } else if self.in_tie() && self.known.first() == self.from.first() {
            // every request of the page went into this tie
            self.too_large()
        } else {
            Status::ScanLimit.into()
        }
    }

    pub(super) fn drain_refusal(by_time: bool) -> LegFailure {
        let otherwise = if by_time { "" } else { ", or sort by `datetime`" };
        let feature = format!(
            "sort by what was asked for; it reports more than {DRAIN_ITEMS_MAX} matches, more than are sorted here: ask for fewer{otherwise}"
        );
        LegFailure { feature: Some(feature), ..Status::SkippedCapability.into() }
    }

    pub(super) fn refuse_drain(&mut self) {
        self.buffer.clear();
        let refusal = Self::drain_refusal(self.by_time);
        self.fail(refusal);
    }

    /// Remembers a failure; the merge decides when it takes effect.
    pub fn fail(&mut self, failure: LegFailure) {
        if failure.status == Status::OrderViolation {
            // nothing it said is a place to go on from
            self.buffer.clear();
            self.ordered.clear();
            self.walk = None;
            self.next = Next::Bound(self.start.clone());
        }
        self.failure = Some(failure);
    }

    /// A member refused the token it gave: a keyset leg reads on by bound, once.
    pub fn token_refused(&mut self) {
        if self.walk.is_some() {
            self.walk_token_refused();
            return;
        }
        match (&self.last_first, &self.next) {
            (_, Next::Token(_)) if self.is_sliced() => self.window_refused(),
            (Some(first), Next::Token(_)) if self.resumes_by_bound() => {
                self.next = Next::Bound(Position::Before(first.clone()));
            }
            // the tie is read again from its start
            (None, Next::Token(_)) if self.resumes_by_bound() => self.next = Next::Bound(self.start.clone()),
            _ => self.fail(Status::BadResponse.into()),
        }
    }
}
