//! The window that a leg is reading, and what its pages told so far.

use crate::federation::Interval;
use crate::members::Item;
use crate::search::order::Key;

use super::super::{Request, SELECTIVE_PAGE_MIN, TIE_ITEMS_MAX};
use super::windows::{Edges, Window, Windows};

/// Items that a window is to hold: twice what the page expects of the leg, within these bounds. The upper one leaves room
/// to be wrong by half before a window exceeds what is read of it.
const AIM_MIN: u32 = 8;
pub(super) const AIM_MAX: u32 = TIE_ITEMS_MAX / 2;

/// The window that is being read, and how the next one is found.
#[derive(Default)]
pub(in crate::search::stream) struct Slices {
    pub(super) windows: Windows,
    /// Items it gave to the last page.
    pub(super) share: u32,
    /// Power of two of the width that the page began with; 0: none.
    pub(super) began: u8,
    pub(super) window: Window,
    /// What the window is asked for by.
    pub(super) asked: Option<Interval>,
    pub(super) aim: u32,
    /// What a window is to hold that the page begins with.
    pub(super) page_aim: u32,
    /// Its Items so far, and their times along the order.
    pub(super) items: Vec<(Key, Item)>,
    pub(super) keys: Vec<i64>,
    /// Documents received, those of another time than was asked for, and those that are no Items.
    pub(super) received: u32,
    pub(super) strangers: u32,
    pub(super) invalid: u32,
    pub(super) pages: u32,
    /// Items of its first page.
    pub(super) first_page: u32,
    /// Items of a page that was smaller than asked for though it was not the last.
    pub(super) cap: Option<u32>,
    /// What the member says that the window holds.
    pub(super) counted: Option<u64>,
    /// The first count of the page, of which window, and two times that it counts: a count that never changes is none of a
    /// window.
    pub(super) first_count: Option<(Window, u64, [i64; 2])>,
    pub(super) counts_lie: bool,
    /// The member takes no notice of `datetime`: it is read whole, if it is short.
    pub(super) deaf: bool,
}

impl Slices {
    pub(in crate::search::stream) fn new(
        user: Option<Interval>,
        expected: Interval,
        descending: bool,
        share: u16,
        window: u8,
    ) -> Self {
        let along = |at: i64| if descending { -at } else { at };
        let user = user.unwrap_or_default();
        let (start, end) =
            (user.start.map(|at| along(at.timestamp_millis())), user.end.map(|at| along(at.timestamp_millis())));
        let edges = if descending {
            Edges { near: end, far: start, descending }
        } else {
            Edges { near: start, far: end, descending }
        };
        let first = along(expected.start.map_or(0, |at| at.timestamp_millis()));
        let last = along(expected.end.map_or(0, |at| at.timestamp_millis()));
        let width = (window > 0).then(|| 1_i64 << window.min(62));
        Self {
            windows: Windows::new(edges, (first.min(last), first.max(last)), width),
            share: share.into(),
            began: window,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, window: Window, asked: Option<Interval>, aim: u32) {
        self.window = window;
        self.asked = asked;
        self.aim = aim;
        self.items.clear();
        self.keys.clear();
        (self.received, self.strangers, self.invalid, self.pages) = (0, 0, 0, 0);
        self.counted = None;
    }

    /// A count of the window, unless it turns out to be one of something else: a part that counts as many as the whole,
    /// though Items of the whole lie outside.
    pub(super) fn count(&mut self, counted: Option<u64>) {
        self.counted = counted;
        if let (Some((whole, first, times)), Some(count)) = (self.first_count, counted) {
            let part = whole.to.is_none_or(|end| self.window.to.is_some_and(|to| to <= end));
            self.counts_lie |= part && first == count && !times.iter().all(|time| self.window.holds(*time));
        }
    }

    /// What the first window that is cut says of itself: its count, and the first and the last time of what does not last.
    pub(super) fn keep_count(&mut self) {
        let moments = self.items.iter().zip(&self.keys).filter(|((_, item), _)| item.times.start.is_none());
        let times = moments.map(|(_, time)| *time);
        if let (None, Some(count), Some(first), Some(last)) =
            (self.first_count, self.counted, times.clone().min(), times.max())
        {
            self.first_count = Some((self.window, count, [first, last]));
        }
    }

    pub(super) fn trusted(&self) -> Option<u64> {
        self.counted.filter(|_| !self.counts_lie)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.windows.is_whole(self.window)
    }

    /// Whether the member makes smaller pages than it is asked for: one more page that holds something tells.
    pub(super) fn note_size(&mut self, received: u32, asked: &Request) {
        if asked.token.is_none() {
            self.first_page = received;
        } else if received > 0 && self.first_page < asked.limit {
            self.cap = Some(self.first_page.max(received)).max(self.cap);
        }
    }

    /// Items of a window that is read with two pages of the member; what is wrong by half is read all the same.
    pub(super) fn aim_max(&self) -> u32 {
        self.cap.map_or(AIM_MAX, |cap| (2 * cap).clamp(1, AIM_MAX))
    }

    /// Whether a window may hold whatever can be read at once.
    pub(super) fn is_hard(&self) -> bool {
        self.cap.is_none() && self.windows.is_hard()
    }
}

/// Items of a window from which the page wants so many.
pub(super) fn aim_at(expected: u32) -> u32 {
    expected.saturating_mul(2).clamp(AIM_MIN, AIM_MAX)
}

/// Items of a page that takes such a window in though it is twice as full.
pub(super) fn page_of(aim: u32) -> u32 {
    (2 * aim).max(SELECTIVE_PAGE_MIN)
}

/// Items that the first request for a page of the client asks for at most.
pub fn first_window(limit: u32) -> u32 {
    page_of(aim_at(limit))
}
