//! What a stream asks its member for next: the page's size, and the interval of time that leads to it (`paging.md` 3).

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Interval, Key, Mode, Next, Position, REQUESTS_MAX, Request, SELECTIVE_PAGE_MIN, Stream, TIE_ITEMS_MAX,
    TOKEN_PAGE_MIN, Value,
};

impl Stream {
    /// The next request. `need` is how many more Items the page wants from this leg, `limit` the page's own.
    pub fn request(&mut self, need: u32, limit: u32) -> Request {
        if let Some(request) = self.walk_request(limit) {
            return request;
        }
        if self.is_sliced() {
            return self.request_window(need);
        }
        // the second refill and a tie that blocks the page are read in full pages; where Items are dropped, the first too
        let full = self.refills >= 2 || self.cut || self.in_tie() || (self.selective && self.refills >= 1);
        let size = match self.mode {
            Mode::Drain => self.page_max,
            // the page size of a token stays as it was first: from the start it must let a tie be read whole
            Mode::Token if self.by_collection || self.selective => {
                limit.saturating_add(1).max(TIE_ITEMS_MAX / REQUESTS_MAX)
            }
            Mode::Token => limit.saturating_add(1).max(TOKEN_PAGE_MIN),
            _ if full => limit.saturating_add(1).max(TIE_ITEMS_MAX),
            _ if self.selective => need.saturating_add(1).max(SELECTIVE_PAGE_MIN),
            _ => need.saturating_add(1),
        };
        let size = size.clamp(1, self.page_max);
        // a larger page only helps where the member gave as much as it was asked for
        if full
            && self.ordered.is_empty()
            && !self.capped
            && self.resumes_by_bound()
            && self.list_size < size
            && let Some(first) = &self.last_first
        {
            self.next = Next::Bound(Position::Before(first.clone()));
        }
        self.requests += 1;
        self.refills += 1;
        match self.next.clone() {
            Next::Bound(position) => {
                // a list that begins anew may show again what lies before the bound
                self.last_first = None;
                self.last_key = None;
                self.tokens.clear();
                self.list_seen.clear();
                self.resumed = false;
                self.list_start = position.clone();
                self.list_size = size;
                let datetime = self.up_to_the_range(self.bounded(&position));
                Request { limit: size, datetime, filter: self.condition(&position), ..Request::default() }
            }
            Next::Token(token) => {
                if self.list_size == 0 {
                    self.list_size = size;
                }
                let datetime = self.up_to_the_range(self.bounded(&self.list_start));
                let filter = self.condition(&self.list_start);
                Request { limit: self.list_size, token: Some(token), datetime, filter, ..Request::default() }
            }
        }
    }

    /// The user's interval, narrowed to what lies at or behind a position (`paging.md` section 3).
    ///
    /// An Item that spans the user's interval may begin before it: its key then lies outside. Such Items all contain
    /// the nearer edge of the interval, so that edge alone is asked for.
    pub(super) fn bounded(&self, position: &Position) -> Option<Interval> {
        if !self.is_bounded() {
            return self.user_interval;
        }
        let (at, strict) = match position {
            Position::Before(Value::Time(at)) => (*at, false),
            Position::At(Key { values, .. }) => match values.first() {
                Some(Value::Time(at)) => (*at, false),
                _ => return self.user_interval,
            },
            Position::After(Value::Time(at)) => (*at, true),
            _ => return self.user_interval,
        };
        let user = self.user_interval.unwrap_or_default();
        if self.descending {
            // Items cut to this millisecond may lie up to 999 µs behind it
            let end = micros(at, if strict { -1 } else { 999 })?;
            match (user.start, user.end) {
                (Some(start), _) if start > end => Some(Interval { start: Some(start), end: Some(start) }),
                (start, given) => Some(Interval { start, end: Some(given.map_or(end, |given| given.min(end))) }),
            }
        } else {
            let start = micros(at, if strict { 1_000 } else { 0 })?;
            match (user.start, user.end) {
                (_, Some(end)) if start > end => Some(Interval { start: Some(end), end: Some(end) }),
                (given, end) => Some(Interval { start: Some(given.map_or(start, |given| given.max(start))), end }),
            }
        }
    }

    /// Whether no bound leads behind a time: what lies there spans the edge of the time asked for, and has to be found in
    /// a list of all that does.
    pub(super) fn is_at_the_edge(&self, first: &Value) -> bool {
        let (Value::Time(at), Some(user), true) = (first, self.user_interval, self.is_bounded()) else { return false };
        if self.descending {
            user.start.is_some_and(|start| micros(*at, 0).is_some_and(|at| start >= at))
        } else {
            user.end.is_some_and(|end| micros(*at, 1_000).is_some_and(|at| end < at))
        }
    }

    /// An interval without what lies behind the part that is asked for. What cannot be narrowed stays as it is.
    pub(super) fn up_to_the_range(&self, interval: Option<Interval>) -> Option<Interval> {
        let range = self.ranges.as_ref().and_then(VecDeque::front);
        let (true, Some(Value::Time(at))) = (self.is_bounded(), range.and_then(|range| range.to.first())) else {
            return interval;
        };
        let mut narrowed = interval.unwrap_or_default();
        if self.descending {
            let start = micros(*at, 0)?;
            narrowed.start = Some(narrowed.start.map_or(start, |given| given.max(start)));
        } else {
            let end = micros(*at, 999)?;
            narrowed.end = Some(narrowed.end.map_or(end, |given| given.min(end)));
        }
        let inverted = matches!((narrowed.start, narrowed.end), (Some(start), Some(end)) if start > end);
        if inverted { interval } else { Some(narrowed) }
    }
}

/// An instant given in milliseconds, moved by microseconds.
pub(super) fn micros(at_ms: i64, offset_us: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at_ms)?.checked_add_signed(TimeDelta::microseconds(offset_us))
}
