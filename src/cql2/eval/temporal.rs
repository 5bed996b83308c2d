//! Times: instants, days and intervals, and how they lie to each other (clause 7.7).
//!
//! The standard lets a date and a time be compared and leaves open how. Here a date is its whole day in UTC: a time on that day is
//! equal to it, not before and not after. The ends of intervals are such instants or days too, so `INTERVAL('2024-01-01', '2024-01-31')`
//! holds all of the 31st. Comparison is to the nanosecond, unlike order, which stops at the millisecond.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::value::{Operand, Reader};
use crate::cql2::{Edge, TemporalOp, Value, times};

/// An instant, or a day: its first and last nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Moment {
    pub(super) fn instant(at: DateTime<Utc>) -> Self {
        Self { first: at, last: at }
    }

    pub(super) fn day(day: NaiveDate) -> Self {
        let last = NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap_or(NaiveTime::MIN);
        Self { first: day.and_time(NaiveTime::MIN).and_utc(), last: day.and_time(last).and_utc() }
    }

    /// A time as members write it, or a date.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        if text.len() != "2024-01-01".len() {
            return times::parse(text.as_bytes()).map(Self::instant);
        }
        let digits = text.bytes().enumerate().all(|(at, byte)| matches!(at, 4 | 7) || byte.is_ascii_digit());
        if !digits {
            return None;
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self::day)
    }

    /// Equal when one lies in the other. Instants and days are apart or within each other, so that always exactly one of
    /// less, equal and greater is true.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if self.last < other.first {
            Ordering::Less
        } else if self.first > other.last {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// An end of an interval on the line of time.
#[derive(Debug, Clone, Copy)]
enum End {
    Ever,
    At(Moment),
    Never,
}

impl End {
    fn order(self, other: Self) -> Ordering {
        let place = |end| match end {
            Self::Ever => -1,
            Self::At(_) => 0,
            Self::Never => 1,
        };
        match (self, other) {
            (Self::At(left), Self::At(right)) => left.order(&right),
            _ => place(self).cmp(&place(other)),
        }
    }
}

/// An interval, closed at both ends. An instant or a day is one that starts and ends with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    start: End,
    end: End,
}

impl Period {
    /// `None` when an end has no value, or when it ends before it starts.
    pub(super) fn of<'a>(value: &'a Value, reader: &Reader<'a>) -> Option<Self> {
        let Value::Interval(edges) = value else {
            return match reader.operand(value) {
                Operand::List(edges) => Self::of_edges(&edges),
                instant => instant.moment().map(|at| Self { start: End::At(at), end: End::At(at) }),
            };
        };
        let [start, end] = edges.as_ref();
        Self { start: end_of(start, End::Ever, reader)?, end: end_of(end, End::Never, reader)? }.forward()
    }

    /// A property that is itself an interval, as the extent of a Collection: two times, null where it is open.
    fn of_edges(edges: &[Operand<'_>]) -> Option<Self> {
        let [start, end] = edges else { return None };
        let edge = |edge: &Operand<'_>, open| match edge {
            Operand::Null => Some(open),
            time => time.moment().map(End::At),
        };
        Self { start: edge(start, End::Ever)?, end: edge(end, End::Never)? }.forward()
    }

    fn forward(self) -> Option<Self> {
        self.start.order(self.end).is_le().then_some(self)
    }
}

fn end_of(edge: &Edge, open: End, reader: &Reader<'_>) -> Option<End> {
    Some(match edge {
        Edge::Open => open,
        Edge::Timestamp(at) => End::At(Moment::instant(*at)),
        Edge::Date(day) => End::At(Moment::day(*day)),
        Edge::Property(name) => End::At(reader.property(name).moment()?),
    })
}

/// The definitions of OWL-Time that the standard names. Those it defines for intervals alone are applied to instants as to
/// intervals without length, since whether a property is an instant is known only from its value.
pub(super) fn holds(op: TemporalOp, left: &Period, right: &Period) -> bool {
    let (starts, ends) = (left.start.order(right.start), left.end.order(right.end));
    let (start_to_end, end_to_start) = (left.start.order(right.end), left.end.order(right.start));
    match op {
        TemporalOp::After => start_to_end.is_gt(),
        TemporalOp::Before => end_to_start.is_lt(),
        TemporalOp::Disjoint => start_to_end.is_gt() || end_to_start.is_lt(),
        TemporalOp::Intersects => start_to_end.is_le() && end_to_start.is_ge(),
        TemporalOp::Equals => starts.is_eq() && ends.is_eq(),
        TemporalOp::Contains => starts.is_lt() && ends.is_gt(),
        TemporalOp::During => starts.is_gt() && ends.is_lt(),
        TemporalOp::Finishes => starts.is_gt() && ends.is_eq(),
        TemporalOp::FinishedBy => starts.is_lt() && ends.is_eq(),
        TemporalOp::Starts => starts.is_eq() && ends.is_lt(),
        TemporalOp::StartedBy => starts.is_eq() && ends.is_gt(),
        TemporalOp::Meets => end_to_start.is_eq(),
        TemporalOp::MetBy => start_to_end.is_eq(),
        TemporalOp::Overlaps => starts.is_lt() && end_to_start.is_gt() && ends.is_lt(),
        TemporalOp::OverlappedBy => starts.is_gt() && start_to_end.is_lt() && ends.is_gt(),
    }
}
