//! How a leg is read whose member cannot sort: by windows of time, each read whole and sorted here (`paging.md` sections 3
//! and 7).
//!
//! A window is asked for by `datetime`, from where the leg stands. Nothing of it is given before all of it was read, so
//! that it does not matter in which order the member lists it, nor that the order changes from request to request. An
//! Item belongs to the window in which its own time lies: what began before a window and lasts into it comes along and is
//! dropped there. A window that holds too much is cut, one that holds nothing makes the next one wider; the last one is
//! open, so that nothing is lost behind what a member advertises.
//!
//! An Item that spans the edge of the client's interval has its time outside of it. All such Items contain that edge, so
//! that the edge alone is asked for where a window lies behind it.

mod state;
mod windows;

use crate::federation::Interval;
use crate::members::{Item, Page, Token};
use crate::search::order::{Comparator, Position, Value};
use crate::search::outcome::Status;
use crate::search::session::Place;

use super::{DRAIN_ITEMS_MAX, Hit, LegFailure, Next, REQUESTS_MAX, Request, Stream, TIE_ITEMS_MAX, micros};
pub(super) use state::Slices;
pub use state::first_window;
use state::{AIM_MAX, aim_at, page_of};
use windows::{Part, Window};

/// What a window turned out to hold.
enum Held {
    Whole,
    More(Token),
    TooMuch,
    /// One time, of more Items than are read to sort them, in a list that goes on.
    LargeTie(Value),
}

impl Stream {
    /// A time along the order, and back.
    fn along(&self, at_ms: i64) -> i64 {
        if self.descending { -at_ms } else { at_ms }
    }

    fn time_along(&self, value: Option<&Value>) -> Option<i64> {
        match value {
            Some(Value::Time(at)) => Some(self.along(*at)),
            _ => None,
        }
    }

    /// How wide the next page's window is, as the nearest power of two of its milliseconds; 0: all that is left.
    pub fn window(&self) -> u8 {
        let width = self.slices.windows.width().filter(|_| self.is_sliced());
        // the root of two lies in the middle between one power and the next
        let nearest = |width: i64| width.saturating_mul(1_414) / 1_000;
        width.map_or(0, |width| u8::try_from(nearest(width).max(2).ilog2()).unwrap_or_default())
    }

    /// Whether the page found nothing but a narrower window to go on with.
    pub fn is_narrowed(&self) -> bool {
        self.window() > 0 && (self.slices.began == 0 || self.window() < self.slices.began)
    }

    /// The next request: the next page of the window, or the first of a new one.
    pub(super) fn request_window(&mut self, need: u32) -> Request {
        self.requests += 1;
        if let Next::Token(token) = &self.next {
            let token = Some(token.clone());
            return Request { limit: self.list_size, token, datetime: self.slices.asked, ..Request::default() };
        }
        let from = match &self.known {
            Position::After(_) => self.time_along(self.known.first()).map(|behind| behind + 1),
            known => self.time_along(known.first()),
        };
        let limit =
            self.ranges.as_ref().and_then(|ranges| ranges.front()).and_then(|range| self.time_along(range.to.first()));
        let aim = self.aim(need);
        self.slices.page_aim = self.slices.page_aim.max(aim).min(self.slices.aim_max());
        let window = self.slices.windows.next(from, limit, Part(aim, self.slices.page_aim));
        let asked = self.asked_by(window);
        self.slices.begin(window, asked, aim);
        self.seen.clear();
        self.list_seen.clear();
        self.tokens.clear();
        self.empty_pages = 0;
        self.repeated_pages = 0;
        let full = self.slices.is_whole() || self.slices.deaf || self.slices.is_hard();
        let size = if full { TIE_ITEMS_MAX } else { page_of(aim) };
        self.list_size = size.clamp(1, self.page_max);
        Request { limit: self.list_size, datetime: asked, ..Request::default() }
    }

    fn aim(&self, need: u32) -> u32 {
        let share = self.slices.share;
        let expected = if share > 0 { need.min(share + 2 * share.isqrt() + 1) } else { need };
        let aim = if self.selective { AIM_MAX } else { aim_at(expected) };
        aim.min(self.slices.aim_max())
    }

    /// The interval that holds something of every Item of a window that lies in the client's interval.
    fn asked_by(&self, window: Window) -> Option<Interval> {
        let first = |key: Option<i64>| key.and_then(|key| micros(self.along(key), 0));
        // Items cut to this millisecond may lie up to 999 µs behind it
        let last = |key: Option<i64>| key.and_then(|key| micros(self.along(key), 999));
        let (start, end) =
            if self.descending { (first(window.to), last(window.from)) } else { (first(window.from), last(window.to)) };
        let user = self.user_interval.unwrap_or_default();
        let interval = match (start, end, user.start, user.end) {
            (_, Some(end), Some(edge), _) if edge > end => Interval::instant(edge),
            (Some(start), _, _, Some(edge)) if start > edge => Interval::instant(edge),
            _ => Interval { start: start.max(user.start), end: end.into_iter().chain(user.end).min() },
        };
        (interval != Interval::default()).then_some(interval)
    }

    /// Takes a page of a window in.
    pub(super) fn feed_window(
        &mut self,
        page: Page,
        asked: &Request,
        order: &Comparator,
        last: &Position,
        keeps: &mut dyn FnMut(&Item) -> bool,
    ) {
        self.selective |= page.unsaid;
        self.slices.pages += 1;
        self.slices.received = self.slices.received.saturating_add(page.received);
        self.slices.invalid += page.invalid.count;
        self.slices.note_size(page.received, asked);
        if asked.token.is_none() {
            self.slices.count(page.matched.filter(|matched| matched.exact).map(|matched| matched.count));
        }
        if self.requests == 1 && self.start == Position::Start && self.ranges.is_none() && asked.token.is_none() {
            // a count of what the client asks for only where the window is all of it
            self.matched = self.slices.counted.filter(|_| self.slices.window.to.is_none());
        }
        let met = self.list_seen.len();
        for item in page.items {
            self.take_into_window(item, order);
        }
        let advanced = self.list_seen.len() > met;
        match self.held(page.next, page.received, page.cut, asked) {
            Held::Whole => self.window_is_read(order, last, keeps),
            Held::TooMuch => self.cut_window(),
            Held::LargeTie(tie) => self.walk_window(tie),
            Held::More(token) => self.follow(token, page.received, advanced, asked),
        }
        self.pass_ranges(order);
    }

    fn take_into_window(&mut self, item: Item, order: &Comparator) {
        self.examined += 1;
        let Some((unseen, collection)) = self.meet(&item) else {
            self.slices.invalid += 1;
            return;
        };
        let Some(key) = order.read(&item, &collection) else {
            self.slices.invalid += 1;
            return;
        };
        self.slices.strangers += u32::from(self.slices.asked.is_some_and(|asked| !item.meets_time(&asked)));
        let time = self.time_along(key.values.first());
        if let Some(time) = time.filter(|time| unseen && self.slices.window.holds(*time)) {
            self.slices.keys.push(time);
            self.slices.items.push((key, item));
        }
    }

    /// What the window holds, as far as its pages tell.
    fn held(&mut self, next: Option<Token>, received: u32, cut: bool, asked: &Request) -> Held {
        let slices = &self.slices;
        let (whole, total) = (slices.is_whole(), slices.trusted());
        let Some(token) = next else {
            let full = received > 0 && received >= asked.limit && total != Some(slices.received.into());
            let said_more = total.is_some_and(|total| total > slices.received.into()) && asked.token.is_none();
            self.suspicious_ends += u32::from(full && !cut);
            let more = cut || full || (said_more && received > 0);
            return if more && !slices.windows.is_behind(slices.window) { Held::TooMuch } else { Held::Whole };
        };
        let again = self.tokens.contains(&token) || asked.token.as_ref() == Some(&token);
        if received == 0 && again {
            return Held::Whole;
        }
        let most = self.tie_items_max;
        if slices.deaf {
            return if u64::from(slices.received) > DRAIN_ITEMS_MAX { Held::TooMuch } else { Held::More(token) };
        }
        if whole {
            let large = slices.items.len() > most;
            let tie = self.tie_of_the_window().filter(|tie| self.may_walk_from(tie));
            return match tie {
                Some(tie) if large || (slices.pages >= REQUESTS_MAX && !slices.items.is_empty()) => Held::LargeTie(tie),
                _ if large => Held::TooMuch,
                _ => Held::More(token),
            };
        }
        if received == 0 {
            return Held::More(token);
        }
        // as many more pages as may be asked for
        let room = u64::from(REQUESTS_MAX.saturating_sub(slices.pages)) * u64::from(received);
        let fits = match total {
            Some(total) => total <= most as u64 && total.saturating_sub(slices.received.into()) <= room,
            None if slices.is_hard() => (slices.received as usize) < most,
            // a short page may be the last one, though it has a next link
            None if slices.windows.is_guess() => received < slices.cap.unwrap_or(asked.limit).min(asked.limit),
            // half of what was seen is enough for the page
            None => slices.keys.len() < 2 * slices.aim as usize,
        };
        if fits && room > 0 && slices.received as usize <= most { Held::More(token) } else { Held::TooMuch }
    }

    /// The time of a window that is but one.
    fn tie_of_the_window(&self) -> Option<Value> {
        let Window { from, to } = self.slices.window;
        from.filter(|_| from == to).map(|at| Value::Time(self.along(at)))
    }

    /// Goes on with a tie in the order in which the member lists it; what was read of it is read again in that list.
    fn walk_window(&mut self, tie: Value) {
        self.next = Next::Bound(self.known.clone());
        self.slices.items.clear();
        self.slices.keys.clear();
        self.begin_walk(tie, Place::default());
    }

    /// All of a window was read: its Items are sorted among those at hand, and the leg stands behind it.
    fn window_is_read(&mut self, order: &Comparator, last: &Position, keeps: &mut dyn FnMut(&Item) -> bool) {
        self.invalid += self.slices.invalid;
        for (key, item) in std::mem::take(&mut self.slices.items) {
            let behind = order.key_after(&key, last) && order.key_after(&key, &self.start);
            if behind && self.in_ranges(&key, order) && keeps(&item) {
                self.kept += 1;
                self.buffer.push_back(Hit { key, item, page: 0, walked: false, replicas: Vec::new() });
            }
        }
        self.buffer.make_contiguous().sort_by(|a, b| order.keys_of(&a.key, &b.key));
        let Slices { window, keys, page_aim, .. } = &self.slices;
        let (window, own) = (*window, keys.len());
        let aim = (*page_aim).min(self.slices.aim_max()) as usize;
        self.slices.windows.read(window, own, aim);
        match window.to {
            None => self.known = Position::End,
            Some(to) => {
                let read = Position::After(Value::Time(self.along(to)));
                self.known = order.later(&self.known, &read).clone();
            }
        }
        self.next = Next::Bound(self.known.clone());
    }

    /// The window holds too much: a narrower one is asked for, or it is given up.
    fn cut_window(&mut self) {
        let slices = &mut self.slices;
        slices.keep_count();
        slices.keys.sort_unstable();
        if slices.strangers > slices.received / 2 && !slices.deaf {
            slices.deaf = true;
            slices.windows.open();
            self.next = Next::Bound(self.known.clone());
        } else if slices.deaf {
            let feature = "sort; and its `datetime` does not narrow what it returns".to_owned();
            self.fail(LegFailure { feature: Some(feature), ..Status::SkippedCapability.into() });
        } else if slices.windows.cut(slices.window, &slices.keys, slices.trusted(), slices.aim as usize) {
            self.next = Next::Bound(self.known.clone());
        } else {
            // Items that last into this millisecond would fill the next one too
            let tie_only = slices.keys.len() > slices.received as usize / 2;
            self.fail(LegFailure { tie_only, ..Status::TooLarge.into() });
        }
    }

    /// A member refused the token it gave: what its page would show is asked for in another way.
    pub(super) fn window_refused(&mut self) {
        if self.slices.is_whole() {
            self.next = Next::Bound(self.known.clone());
        } else {
            self.cut_window();
        }
    }

    /// What is given up with a window that can be neither read nor cut.
    pub(super) fn window_given_up(&self) -> Position {
        self.slices.window.to.map_or(Position::End, |to| Position::After(Value::Time(self.along(to))))
    }

    /// The failure of a leg whose allowance is used up: where it got on, the next page goes on.
    pub(super) fn window_out_of_allowance(&self) -> LegFailure {
        let stuck = matches!(self.next, Next::Token(_)) && self.slices.is_whole() && self.known == self.start;
        if stuck { LegFailure { tie_only: true, ..Status::TooLarge.into() } } else { Status::ScanLimit.into() }
    }
}
