//! Which window is read next: arithmetic over whole milliseconds, told apart from the reading.
//!
//! All numbers here are times *along the order*: of a descending order they are negated, so that a window always goes
//! from a smaller number to a larger one. Whatever is chosen here decides how many requests a page takes, never what it
//! holds.

/// How much wider than the last one a window may be, or narrower, in one step: densities change.
const STEP_MAX: i64 = 8;

/// A window; both ends belong to it, and `None` is an open one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Window {
    pub fn holds(&self, key: i64) -> bool {
        self.from.is_none_or(|from| from <= key) && self.to.is_none_or(|to| key <= to)
    }
}

/// The interval that the client asks for, along the order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edges {
    pub near: Option<i64>,
    pub far: Option<i64>,
    pub descending: bool,
}

/// The search for windows that hold about as much as is wanted.
#[derive(Debug, Default)]
pub(super) struct Windows {
    pub edges: Edges,
    /// Where Items are expected. A guess: what lies outside is found all the same.
    guess: (i64, i64),
    /// Of the window to try; `None`: all that is left.
    width: Option<i64>,
    /// Where the next window ends, found in what an overfull one showed.
    cut: Option<i64>,
    /// From the start of the window up to here lies too much.
    full: Option<i64>,
    empty: u32,
}

impl Windows {
    pub fn new(edges: Edges, guess: (i64, i64), width: Option<i64>) -> Self {
        Self { edges, guess, width, ..Self::default() }
    }

    /// How wide the next window would be, if that is known.
    pub fn width(&self) -> Option<i64> {
        self.width
    }

    /// The next window: from where the leg stands, up to `limit` at most, which is the end of what is asked for.
    pub fn next(&mut self, from: Option<i64>, limit: Option<i64>) -> Window {
        let Edges { near, far, descending } = self.edges;
        // nothing begins behind the end of the client's interval
        let from = if descending { from.max(near) } else { from };
        let by_width = |width: i64| from.unwrap_or(self.guess.0).saturating_add(width - 1);
        let expected = from.is_none_or(|from| from <= self.guess.1);
        let mut to = self.width.map(by_width).filter(|to| !expected || *to < self.guess.1);
        to = self.cut.take().or(to).filter(|to| far.is_none_or(|far| *to < far));
        if let (Some(near), false) = (near, descending) {
            // all that begins before the client's interval is asked for by its edge alone, whatever the window
            to = to.map(|to| to.max(near - 1));
        }
        to = match (to, limit) {
            (Some(to), Some(limit)) => Some(to.min(limit)),
            (to, limit) => to.or(limit),
        };
        Window { from, to: to.map(|to| from.map_or(to, |from| from.max(to))) }
    }

    /// A window was read whole and held so many Items of its own.
    pub fn read(&mut self, window: Window, own: usize, aim: usize) {
        let Some(to) = window.to else { return };
        self.full = self.full.filter(|full| to < *full);
        let width = to.saturating_sub(window.from.unwrap_or(self.guess.0)).saturating_add(1).max(1);
        let wider = width.saturating_mul(STEP_MAX);
        let (own, aim) = (own.try_into().unwrap_or(i64::MAX), aim.try_into().unwrap_or(i64::MAX));
        self.empty = if own > 0 { 0 } else { self.empty + 1 };
        let next = match (self.empty, self.full) {
            (0, _) => Some((width.saturating_mul(aim) / own).clamp(width / STEP_MAX, wider)),
            (1, _) => Some(wider),
            (_, Some(full)) => Some(full.saturating_sub(to) / 2),
            (_, None) => None,
        };
        let unexpected = own == 0 && self.full.is_none() && to > self.guess.1;
        let most = self.full.map_or(i64::MAX, |full| full.saturating_sub(to).saturating_sub(1));
        self.width = next.filter(|_| !unexpected).map(|width| width.min(most).max(1));
    }

    /// Cuts a window that holds too much, by the keys that were seen of it, which are sorted; `total` is how many Items
    /// it holds, where the member counts. False: it cannot be cut.
    pub fn cut(&mut self, window: Window, keys: &[i64], total: Option<u64>, aim: usize) -> bool {
        if self.is_whole(window) {
            return false;
        }
        if let (Some(first), Some(last)) = (keys.first(), keys.last()) {
            self.guess = (self.guess.0.min(*first), self.guess.1.max(*last));
        }
        let Edges { near, far, descending } = self.edges;
        let end = window.to.or(far.filter(|_| !descending));
        let from = window.from.unwrap_or_else(|| self.guess.0.min(end.unwrap_or(i64::MAX)));
        let to = end.unwrap_or_else(|| self.guess.1.max(from));
        let mut cut = aimed(keys, total, aim, (from, to));
        cut = window.from.map_or(cut, |from| cut.max(from));
        if let Some(end) = end.filter(|end| cut >= *end) {
            let before = keys.partition_point(|key| *key < end);
            let half = from.saturating_add(to.saturating_sub(from) / 2).min(end - 1);
            cut = before.checked_sub(1).map_or(half, |index| keys[index]);
        }
        match (near, far) {
            (Some(near), _) if !descending && cut < near => cut = near - 1,
            // what lies at the edge comes with every window that reaches it
            (_, Some(far)) if descending && cut >= far => cut = far - 1,
            _ => {}
        }
        self.full = Some(to);
        self.empty = 0;
        self.width = Some(cut.saturating_sub(from).saturating_add(1).max(1));
        self.cut = Some(cut);
        true
    }

    /// All that is left is the next window.
    pub fn open(&mut self) {
        (self.width, self.cut, self.full) = (None, None, None);
    }

    /// Whether it lies behind all that can match.
    pub fn is_behind(&self, window: Window) -> bool {
        let Edges { far, descending, .. } = self.edges;
        !descending && matches!((window.from, far), (Some(from), Some(far)) if from > far)
    }

    /// Whether no narrower window would be answered by less: it is one millisecond, or an edge of the client's interval
    /// and all that lies behind it.
    pub fn is_whole(&self, window: Window) -> bool {
        let Edges { near, far, descending } = self.edges;
        let one = window.from.is_some() && window.from == window.to;
        let at_near = !descending && matches!((window.to, near), (Some(to), Some(near)) if to < near);
        let at_far = matches!((window.from, far), (Some(from), Some(far)) if from >= far);
        one || at_near || at_far
    }
}

/// Where a window would end that holds about `aim` of the Items whose keys are seen in part.
fn aimed(keys: &[i64], total: Option<u64>, aim: usize, (from, to): (i64, i64)) -> i64 {
    let length = to.saturating_sub(from);
    let half = from.saturating_add(length / 2);
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return half };
    let spread = last.saturating_sub(*first);
    let total = total.and_then(|total| usize::try_from(total).ok()).filter(|total| *total > keys.len());
    // keys from all over the window stand for the others; a cluster of them stands for itself
    let rank = match total {
        Some(total) if spread >= length / 2 => keys.len().saturating_mul(aim) / total,
        _ => aim,
    };
    let by_rank = keys[rank.min(keys.len() / 2)];
    if by_rank <= half {
        return by_rank;
    }
    // all that was seen lies in the farther half: what comes before it can only be guessed
    let (length_of, count) = match total {
        Some(total) => (length, total),
        None => (spread, keys.len()),
    };
    let share = |length: i64| length / i64::try_from(count).unwrap_or(i64::MAX).max(1);
    let width = share(length_of).saturating_mul(i64::try_from(aim).unwrap_or(i64::MAX));
    from.saturating_add(width.clamp(0, length / 2))
}
