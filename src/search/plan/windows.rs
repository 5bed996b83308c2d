//! Windows of time in which holders of a shared Collection serve it (S11, S12).
//!
//! A window is a set of first instants: of `datetime`, else `start_datetime`, in milliseconds. Where windows divide an
//! asked interval, the outermost reach on without end: an Item that matches by its duration, and whose own instant lies
//! outside, is thereby taken from exactly one holder, that of the nearer edge.

use chrono::{DateTime, TimeDelta, Utc};

use crate::federation::Interval;
use crate::members::Item;

/// Most edges within one interval; more windows than these would be more requests than asking everybody.
const EDGES_MAX: usize = 64;

/// From inclusive, to exclusive, in milliseconds since 1970; `None`: without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Window {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Window {
    /// The whole milliseconds that lie in an interval for certain.
    #[must_use]
    pub fn inside(interval: &Interval) -> Self {
        let up = |at: DateTime<Utc>| {
            let cut = at.timestamp_millis();
            cut + i64::from(DateTime::from_timestamp_millis(cut) != Some(at))
        };
        Self { from: interval.start.map(up), to: interval.end.map(|end| end.timestamp_millis()) }
    }

    #[must_use]
    pub fn contains(&self, at: i64) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    fn holds(&self, other: &Self) -> bool {
        let from = self.from.is_none_or(|from| other.from.is_some_and(|other| from <= other));
        let to = self.to.is_none_or(|to| other.to.is_some_and(|other| other <= to));
        from && to
    }

    /// The interval that a member is asked for: everything that begins in the window lies in it, or reaches into it.
    /// `None` when there is nothing to ask.
    #[must_use]
    pub fn asked_within(&self, asked: Option<&Interval>) -> Option<Interval> {
        let time = |at: i64| DateTime::from_timestamp_millis(at);
        // the last instant that lies before the edge, as precisely as members store it
        let end = self.to.and_then(|to| time(to)?.checked_sub_signed(TimeDelta::microseconds(1)));
        let own = Interval { start: self.from.and_then(time), end };
        asked.map_or(Some(own), |asked| own.intersection(asked))
    }
}

/// Windows of one leg, in ascending order, none touching another. Empty: all of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Joins windows that touch; given in ascending order.
    #[must_use]
    pub fn of(windows: impl IntoIterator<Item = Window>) -> Self {
        let mut joined: Vec<Window> = Vec::new();
        for window in windows {
            match joined.last_mut() {
                Some(last) if last.to.is_some() && last.to == window.from => last.to = window.to,
                _ => joined.push(window),
            }
        }
        if joined == [Window::default()] { Self::default() } else { Self(joined) }
    }

    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn list(&self) -> &[Window] {
        &self.0
    }

    /// Whether an Item is taken from the holder of these windows (S12). One without any time is taken only where time
    /// is not divided.
    #[must_use]
    pub fn own(&self, item: &Item) -> bool {
        self.is_all() || item.time_key().is_some_and(|at| self.0.iter().any(|window| window.contains(at)))
    }

    /// The interval that has all of them in it, within what is asked for; `None`: any time.
    #[must_use]
    pub fn asked_within(&self, asked: Option<&Interval>) -> Option<Interval> {
        let hull = self.0.iter().filter_map(|window| window.asked_within(asked)).reduce(|a, b| a.hull(&b));
        hull.or(asked.copied()).filter(|hull| hull.start.is_some() || hull.end.is_some())
    }
}

/// Divides time at the edges of what holders cover, within an asked interval; the outermost windows reach on without
/// end. With too many edges time stays whole.
#[must_use]
pub fn divided(covered: &[Vec<Window>], asked: Option<&Interval>) -> Vec<Window> {
    let inside = |edge: &i64| {
        let (start, end) = asked.map_or((None, None), |asked| (asked.start, asked.end));
        start.is_none_or(|start| start.timestamp_millis() < *edge)
            && end.is_none_or(|end| *edge <= end.timestamp_millis())
    };
    let edges = covered.iter().flatten().flat_map(|window| [window.from, window.to]).flatten();
    let mut edges: Vec<i64> = edges.filter(inside).collect();
    edges.sort_unstable();
    edges.dedup();
    if edges.len() > EDGES_MAX {
        edges.clear();
    }
    let starts = std::iter::once(None).chain(edges.iter().copied().map(Some));
    let ends = edges.iter().copied().map(Some).chain(std::iter::once(None));
    starts.zip(ends).map(|(from, to)| Window { from, to }).collect()
}

/// Whether somebody covers all of a window, as far as an asked interval reaches.
#[must_use]
pub fn covers(covered: &[Window], window: &Window, asked: Option<&Interval>) -> bool {
    let start = asked.and_then(|asked| asked.start).map(|start| start.timestamp_millis());
    let end = asked.and_then(|asked| asked.end).map(|end| end.timestamp_millis() + 1);
    // an edge of the interval ends a window that reaches on
    let within = Window { from: window.from.or(start), to: window.to.or(end) };
    covered.iter().any(|covered| covered.holds(&within))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> Interval {
        Interval::from_param(text).unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_millis()
    }

    #[test]
    fn windows_of_an_interval_lie_inside_it() {
        let cut = Window::inside(&interval("2024-01-01T00:00:00.000000001Z/2024-02-01T00:00:00.0009Z"));
        assert_eq!(cut, Window { from: Some(at("2024-01-01T00:00:00.001Z")), to: Some(at("2024-02-01T00:00:00Z")) });
        assert_eq!(Window::inside(&Interval::default()), Window::default());
    }

    #[test]
    fn an_edge_belongs_to_one_side_only() {
        let edge = Window { from: None, to: Some(5) };
        let covered = [vec![edge], vec![Window { from: Some(5), to: None }]];
        let windows = divided(&covered, None);
        assert_eq!(windows.len(), 2);
        for instant in [i64::MIN, 4, 5, 6, i64::MAX] {
            assert_eq!(windows.iter().filter(|window| window.contains(instant)).count(), 1, "{instant}");
        }
        assert!(covers(&covered[0], &windows[0], None) && !covers(&covered[0], &windows[1], None));
        assert!(covers(&covered[1], &windows[1], None) && !covers(&covered[1], &windows[0], None));
    }

    #[test]
    fn only_edges_inside_of_what_is_asked_divide() {
        let edge = at("2024-06-01T00:00:00Z");
        let covered = [vec![Window { from: Some(edge), to: None }]];
        let count = |asked: &str| divided(&covered, Some(&interval(asked))).len();
        assert_eq!(count("2024-05-01T00:00:00Z/2024-07-01T00:00:00Z"), 2);
        assert_eq!(count("2024-06-01T00:00:00Z/.."), 1, "an edge at its start leaves nothing before it");
        assert_eq!(count("../2024-06-01T00:00:00Z"), 2, "the last instant lies behind the edge");
        assert_eq!(count("../2024-05-31T23:59:59.999Z"), 1);
        let whole = divided(&covered, Some(&interval("2024-06-01T00:00:00Z/2024-07-01T00:00:00Z")));
        assert!(covers(&covered[0], &whole[0], Some(&interval("2024-06-01T00:00:00Z/2024-07-01T00:00:00Z"))));
        assert!(!covers(&covered[0], &whole[0], Some(&interval("2024-05-31T23:59:59.999Z/2024-07-01T00:00:00Z"))));
        let many = [(0..200).map(|n| Window { from: Some(2 * n), to: Some(2 * n + 1) }).collect::<Vec<_>>()];
        assert_eq!(divided(&many, None), [Window::default()], "more windows than are worth it");
    }

    #[test]
    fn what_a_member_is_asked_for_ends_before_the_edge() {
        let window = Window { from: Some(at("2024-01-01T00:00:00Z")), to: Some(at("2024-02-01T00:00:00Z")) };
        let asked = |asked: Option<&str>| {
            let asked = asked.map(interval);
            window.asked_within(asked.as_ref()).map(|interval| interval.to_param())
        };
        assert_eq!(asked(None).unwrap(), "2024-01-01T00:00:00Z/2024-01-31T23:59:59.999999Z");
        assert_eq!(asked(Some("2024-01-15T00:00:00Z/..")).unwrap(), "2024-01-15T00:00:00Z/2024-01-31T23:59:59.999999Z");
        assert_eq!(asked(Some("2024-02-15T00:00:00Z/..")), None);
        let windows = Windows::of([
            Window { from: None, to: Some(3) },
            Window { from: Some(3), to: Some(9) },
            Window { from: Some(12), to: None },
        ]);
        assert_eq!(windows.list(), [Window { from: None, to: Some(9) }, Window { from: Some(12), to: None }]);
        assert_eq!(windows.asked_within(None), None, "from one end of time to the other");
        assert!(Windows::of(divided(&[], None)).is_all());
    }
}
