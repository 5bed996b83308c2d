//! Which window is read next: arithmetic over whole milliseconds, told apart from the reading.
//!
//! All numbers here are times *along the order*: of a descending order they are negated, so that a window always goes
//! from a smaller number to a larger one. Whatever is chosen here decides how many requests a page takes, never what it
//! holds.

/// How much wider than the last one a window may be, or narrower, in one step: densities change.
const STEP_MAX: i64 = 8;
/// The first and the last instant that members are asked about by name, in milliseconds: the years 1 and 9999.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;
/// Cuts in a row after which a window is no longer meant to hold what the page wants and no more.
const CUTS_MAX: u32 = 2;

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

/// A share: so many of so many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part(pub u32, pub u32);

impl Part {
    /// No less than a step: what is seen of a much smaller window says little of a larger one.
    fn of(self, width: i64) -> i64 {
        let least = width / STEP_MAX;
        (width.saturating_mul(self.0.into()) / i64::from(self.1.max(1))).clamp(least, width)
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
    /// Windows in a row that held nothing.
    empty: u32,
    /// A window was empty though a wider one from the same start held too much.
    missed: bool,
    /// The first key that an overfull window showed, and its count.
    shown: Option<(i64, Option<u64>)>,
    /// What the member shows of a window is its far end, so that it says nothing of the near one.
    far_first: bool,
    /// That seems so: the window is asked for that lies before all that was seen.
    suspect: bool,
    /// Where the next window ends if that one holds little.
    fallback: Option<i64>,
    /// Cuts since a window held anything and was read.
    cuts: u32,
    /// The width comes of a window that was read, and is no guess.
    measured: bool,
}

impl Windows {
    pub fn new(edges: Edges, guess: (i64, i64), width: Option<i64>) -> Self {
        Self { edges, guess, width, measured: width.is_some(), ..Self::default() }
    }

    /// How wide a window is that holds what a page wants, if that is known.
    pub fn width(&self) -> Option<i64> {
        self.width
    }

    /// Whether the window is a guess, so that it may hold any number.
    pub fn is_guess(&self) -> bool {
        !self.measured
    }

    /// Whether the windows were cut again and again: then any number that can be read will do.
    pub fn is_hard(&self) -> bool {
        self.cuts >= CUTS_MAX
    }

    /// The next window: from where the leg stands, up to `limit` at most, which is the end of what is asked for. `part` is
    /// how much of what a window usually holds is wanted of this one.
    pub fn next(&mut self, from: Option<i64>, limit: Option<i64>, part: Part) -> Window {
        let Edges { near, far, descending } = self.edges;
        // nothing begins behind the end of the client's interval
        let from = if descending { from.max(near) } else { from };
        let by_width = |width: i64| from.unwrap_or(self.guess.0).saturating_add(part.of(width).max(1) - 1);
        let expected = from.is_none_or(|from| from <= self.guess.1);
        let limit = limit.filter(|limit| far.is_none_or(|far| *limit < far));
        let last = if descending { -FIRST_MS } else { LAST_MS };
        let mut to = self.width.map(by_width).filter(|to| *to < last && (!expected || *to < self.guess.1));
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
        if own > 0 {
            (self.measured, self.shown, self.cuts) = (true, None, 0);
        }
        self.empty = if own > 0 { 0 } else { self.empty + 1 };
        self.missed = own == 0 && self.full.is_some();
        let next = match (self.empty, self.full) {
            (0, _) => Some((width.saturating_mul(aim) / own).clamp(width / STEP_MAX, wider)),
            (_, Some(full)) => Some(full.saturating_sub(to) / 2),
            (1, None) => Some(wider),
            (_, None) => None,
        };
        let unexpected = own == 0 && self.full.is_none() && to > self.guess.1;
        let most = self.full.map_or(i64::MAX, |full| full.saturating_sub(to).saturating_sub(1));
        // what was seen is the way on, as the member does not list its far end first after all
        self.suspect = false;
        self.cut = self.fallback.take().filter(|fallback| *fallback > to);
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
        // a window before all that was seen holds too much, too
        self.far_first |= std::mem::take(&mut self.suspect);
        self.suspect = !self.far_first && self.is_far_end(keys, total);
        self.shown = keys.first().map(|first| (*first, total));
        // where the window begins, its Items are the first that it showed
        let by_rank =
            keys.first().map(|first| by_rank(keys, total, aim, to.saturating_sub(window.from.unwrap_or(*first))));
        let unseen = keys.first().map(|first| first - 1).filter(|end| window.from.is_none_or(|from| from <= *end));
        self.suspect &= unseen.is_some();
        self.fallback = by_rank.filter(|_| self.suspect);
        let mut cut = match (by_rank, unseen) {
            (Some(_), Some(unseen)) if self.suspect => unseen,
            (Some(rank), _) if !self.far_first => rank,
            (Some(_), _) if !self.missed => by_density(keys, total, aim, (from, to)),
            _ => from.saturating_add(to.saturating_sub(from) / 2),
        };
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
        (self.measured, self.cuts) = (false, self.cuts + 1);
        self.width = Some(cut.saturating_sub(from).saturating_add(1).max(1));
        self.cut = Some(cut);
        true
    }

    /// Whether a window that was cut seems to show what the wider one hid: Items before all that were seen, about as many.
    fn is_far_end(&self, keys: &[i64], total: Option<u64>) -> bool {
        let (Some((first, before)), Some(third)) = (self.shown, keys.get(keys.len() / 3)) else { return false };
        let as_many = total.zip(before).is_none_or(|(total, before)| total > before / 2);
        *third <= first && as_many
    }

    /// All that is left is the next window.
    pub fn open(&mut self) {
        (self.width, self.cut, self.full, self.fallback) = (None, None, None, None);
        self.suspect = false;
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

/// The key at which a window would end that holds about `aim` Items, if the keys that are seen stand for the others, or
/// where they are a cluster, for themselves.
fn by_rank(keys: &[i64], total: Option<u64>, aim: usize, length: i64) -> i64 {
    let spread = keys[keys.len() - 1].saturating_sub(keys[0]);
    let rank = match total.and_then(|total| usize::try_from(total).ok()) {
        Some(total) if total > keys.len() && spread >= length / 2 => keys.len().saturating_mul(aim) / total,
        Some(_) => aim.min(keys.len() / 2),
        // how many there are is not known: a part of what was seen that is surely fewer
        None => aim.min(keys.len() / 8),
    };
    keys[rank.min(keys.len() / 2)]
}

/// The end of such a window where only its far end is seen: if the Items lie as densely everywhere.
fn by_density(keys: &[i64], total: Option<u64>, aim: usize, (from, to): (i64, i64)) -> i64 {
    let length = to.saturating_sub(from);
    let spread = keys[keys.len() - 1].saturating_sub(keys[0]);
    let seen = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    let (length_of, count) = total.filter(|total| *total > seen).map_or((spread, seen), |total| (length, total));
    let each = length_of / i64::try_from(count).unwrap_or(i64::MAX).max(1);
    let width = each.saturating_mul(i64::try_from(aim).unwrap_or(i64::MAX));
    from.saturating_add(width.clamp(0, length / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::model::dice::Dice;

    /// Somewhere in the first hundred milliseconds.
    fn place(dice: &mut Dice) -> i64 {
        i64::try_from(dice.below(100)).unwrap()
    }

    fn maybe(dice: &mut Dice) -> Option<i64> {
        (!dice.one_in(3)).then(|| place(dice))
    }

    #[test]
    fn a_cut_is_narrower_whatever_was_seen_and_what_cannot_be_cut_is_known_as_that() {
        let mut dice = Dice(1);
        for _ in 0..5_000 {
            let (a, b) = (place(&mut dice), place(&mut dice));
            let descending = dice.one_in(2);
            let near = dice.one_in(2).then_some(a.min(b));
            let far = dice.one_in(2).then_some(a.max(b));
            let width = maybe(&mut dice).map(|width| width + 1);
            let mut windows = Windows::new(Edges { near, far, descending }, (0, place(&mut dice)), width);
            let limit = maybe(&mut dice);
            let mut window = windows.next(maybe(&mut dice), limit, Part(1, 1));
            for cuts in 0.. {
                assert!(cuts < 600, "still {window:?} of {:?}", windows.edges);
                let mut keys: Vec<i64> = (0..dice.below(20)).map(|_| place(&mut dice)).collect();
                keys.retain(|key| window.holds(*key) && (descending || far.is_none_or(|far| *key <= far)));
                keys.sort_unstable();
                let total = dice.one_in(2).then(|| keys.len() as u64 + dice.below(100));
                let whole = windows.is_whole(window);
                assert_eq!(windows.cut(window, &keys, total, 8), !whole, "{window:?} of {:?}", windows.edges);
                // without an end it could be cut for ever
                if whole || window.from.is_none() && window.to < Some(-200) && window.to.is_some() {
                    break;
                }
                let narrower = windows.next(window.from, limit, Part(1, 1));
                let before = window.to.or(far);
                assert_eq!(narrower.from, window.from);
                assert!(
                    narrower.to.is_some_and(|to| before.is_none_or(|before| to < before)),
                    "{narrower:?} after {window:?} of {:?}",
                    windows.edges
                );
                window = narrower;
            }
        }
    }

    #[test]
    fn windows_grow_with_what_they_lack_and_end_open() {
        let mut windows = Windows::new(Edges::default(), (0, 1_000_000), Some(10));
        let mut from = 0;
        let mut widths = Vec::new();
        for _ in 0..3 {
            let window = windows.next(Some(from), None, Part(1, 1));
            widths.push(window.to.map(|to| to - from + 1));
            windows.read(window, 0, 20);
            from = window.to.map_or(from, |to| to + 1);
        }
        assert_eq!(widths, [Some(10), Some(80), None], "the second empty one is followed by all that is left");
        windows.read(Window { from: Some(0), to: Some(99) }, 50, 20);
        assert_eq!(windows.width(), Some(40), "less than half of what it held is wanted");
    }
}
