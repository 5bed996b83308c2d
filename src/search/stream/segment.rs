//! The list of a member in segments: first its Items with a value of the first key, then those without one
//! (`paging.md` section 3, "Bounds on numbers", "Bounds on text", "Null keys").
//!
//! A bound on a key silently leaves out the Items that lack it, and members disagree on where these stand. So a leg that
//! is resumed by bounds reads two lists, each of which is of one segment alone, whatever comes along in it; which of them
//! is read follows from the position that it begins at. A leg that is resumed by its token has one list for both; where
//! that begins with nulls, they are left out and declared.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};

use crate::cql2::{Comparison, Expr, Value as Cql};
use crate::search::order::{Comparator, Position, Value};
use crate::search::outcome::Status;
use crate::search::plan::{FirstKey, NullItems, null_filter};
use crate::search::session::{Gap, SessionLeg};

use super::{LegFailure, Next, Stream};

/// A bound on a number is widened by this part of it: members may store single precision.
const WIDENED: f64 = 1.0 / (1 << 20) as f64;
/// Of numbers as small and as large as these, single precision keeps neither.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;
const LARGEST: f64 = f32::MAX as f64;

/// What becomes of an Item by its first key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// It belongs to the list.
    Taken,
    /// Not to the segment that is read.
    Passed,
    /// The member says that it has a value, and it has none of the kind.
    Invalid,
    /// Without a key, at the start of a list: kept until it shows whether values follow.
    Held,
}

/// What is known of nulls at the start of a list that holds both segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// The list begins where no null can lead, or a value came first.
    None,
    /// Nothing was read yet.
    Open,
    /// Nothing but nulls was read yet.
    Nulls,
    /// Nulls stand before the values at this member.
    Proven,
    /// Only nulls are asked for, wherever they stand.
    Wanted,
}

impl Lead {
    /// At the start of a page. That nulls lead is known from the gap that says so.
    pub(super) fn of(first: &FirstKey, session: &SessionLeg, start: &Position, resumed: bool) -> Self {
        match first {
            FirstKey::Unbounded { nulls_last: false } if session.gaps.iter().any(Gap::is_lasting) => Self::Proven,
            FirstKey::Unbounded { nulls_last: false } if start.first() == Some(&Value::Null) => Self::Wanted,
            FirstKey::Unbounded { nulls_last: false } if !resumed => Self::Open,
            _ => Self::None,
        }
    }

    /// Whether nothing of a list is left that begins there.
    pub(super) fn leaves_nothing(self, start: &Position) -> bool {
        // behind the nulls is nothing, and where they are out of reach, behind the values too
        *start == Position::After(Value::Null) || (self == Self::Proven && start.first() == Some(&Value::Null))
    }
}

impl Stream {
    /// The condition of a list that begins at a position: a bound on the key, or the segment.
    pub(super) fn condition(&self, from: &Position) -> Option<Arc<Expr>> {
        let FirstKey::Bounded { property, nulls } = &self.first else { return None };
        let key = || Cql::Property(property.clone());
        let told_apart = *nulls != NullItems::OutOfReach;
        let condition = match from.first() {
            Some(Value::Null) => Some(Expr::IsNull(key())).filter(|_| told_apart),
            Some(value) => bound(key(), value, self.descending),
            None => None,
        };
        let any_value = || told_apart.then(|| Expr::Not(Box::new(Expr::IsNull(key()))));
        condition.or_else(any_value).map(Arc::new)
    }

    /// Whether a list can be asked for that begins at a value of the first key.
    pub(super) fn resumes_by_bound(&self) -> bool {
        self.mode == crate::search::plan::Mode::Keyset
            && (self.by_time || matches!(self.first, FirstKey::Bounded { .. }))
    }

    /// Whether the list that is read holds one segment of two, so that counts are no counts of everything.
    pub(super) fn is_in_segments(&self) -> bool {
        matches!(self.first, FirstKey::Bounded { .. })
    }

    fn is_of_nulls(&self) -> bool {
        self.list_start.first() == Some(&Value::Null)
    }

    /// Where an Item of this first key belongs.
    pub(super) fn seat(&mut self, first: &Value) -> Seat {
        let is_null = *first == Value::Null;
        match &self.first {
            FirstKey::Certain | FirstKey::Unbounded { nulls_last: true } => Seat::Taken,
            FirstKey::Bounded { .. } if self.is_of_nulls() => {
                if is_null {
                    Seat::Taken
                } else {
                    Seat::Passed
                }
            }
            FirstKey::Bounded { .. } if !is_null => Seat::Taken,
            FirstKey::Bounded { nulls: NullItems::Apart, .. } => Seat::Invalid,
            FirstKey::Bounded { .. } => {
                // behind the values only nulls are left
                self.values_over |= self.last_first.is_some();
                Seat::Passed
            }
            FirstKey::Unbounded { nulls_last: false } => self.seat_in_one_list(is_null),
        }
    }

    fn seat_in_one_list(&mut self, is_null: bool) -> Seat {
        match (self.lead, is_null) {
            (Lead::Open | Lead::Nulls, true) => {
                self.lead = Lead::Nulls;
                Seat::Held
            }
            (Lead::Open, false) => {
                self.lead = Lead::None;
                Seat::Taken
            }
            (Lead::Nulls, false) => {
                self.nulls_lead();
                Seat::Taken
            }
            (Lead::Proven, true) if self.last_first.is_none() => Seat::Passed,
            (Lead::Wanted, false) if self.last_first == Some(Value::Null) => {
                self.values_over = true;
                Seat::Passed
            }
            _ => Seat::Taken,
        }
    }

    /// The nulls at the start of the list are left out: what is behind them comes before them in our order.
    fn nulls_lead(&mut self) {
        self.buffer.retain(|hit| hit.key.values.first() != Some(&Value::Null));
        self.lead = Lead::Proven;
        self.nulls_missing = Some(self.wants_nulls());
    }

    /// Whether Items without a key lie in what is asked for.
    fn wants_nulls(&self) -> bool {
        let reaches = |to: &Position| *to == Position::End || (to.first() == Some(&Value::Null) && !is_before(to));
        self.ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| reaches(&range.to)))
    }

    /// Nulls at the start of a list are held until a value follows; too many of them are not.
    pub(super) fn check_lead(&mut self) {
        if self.lead == Lead::Nulls && self.buffer.len() > self.tie_items_max {
            self.nulls_lead();
        }
    }

    /// The list of the values is over: the one of the nulls follows. False where the list was no such.
    pub(super) fn goes_on_with_nulls(&mut self, order: &Comparator) -> bool {
        let FirstKey::Bounded { nulls, .. } = self.first else { return false };
        if self.is_of_nulls() {
            return false;
        }
        if nulls == NullItems::OutOfReach {
            self.nulls_missing = Some(self.wants_nulls());
            return false;
        }
        let nulls = Position::Before(Value::Null);
        self.known = order.later(&self.known, &nulls).clone();
        self.next = Next::Bound(nulls);
        self.last_first = None;
        self.cut = false;
        self.values_over = false;
        true
    }

    /// The gap of Items without a key that this page found out of reach; it is a failure where they are asked for.
    pub fn missing_nulls(&mut self, order: &Comparator) -> Option<(Gap, Option<LegFailure>)> {
        let wanted = self.nulls_missing.take()?;
        let status = Status::SkippedCapability;
        let feature = order.keys().first().map(|key| null_filter(&key.field));
        let (from, to) = (Position::Before(Value::Null), Some(Position::End));
        let failure = wanted.then(|| LegFailure { feature, ..status.into() });
        Some((Gap { from, to, status, place: None }, failure))
    }

    /// Whether nothing but nulls was read, of which it is not known where they stand: no place in such a list tells.
    pub(super) fn has_no_place(&self) -> bool {
        self.lead == Lead::Nulls
    }
}

fn is_before(position: &Position) -> bool {
    matches!(position, Position::Before(_))
}

/// At or behind a value. Never strict: what was shown is dropped on arrival.
fn bound(key: Cql, value: &Value, descending: bool) -> Option<Expr> {
    let limit = match value {
        Value::Number(number) => Cql::Number(widened(*number, descending)?),
        Value::Text(text) => Cql::Text(reaching(text, descending)),
        Value::Time(ms) => {
            // what is cut to this millisecond may lie up to 999 µs behind it
            let finer = TimeDelta::microseconds(if descending { 999 } else { 0 });
            Cql::Timestamp(DateTime::from_timestamp_millis(*ms)?.checked_add_signed(finer)?)
        }
        Value::Bool(_) | Value::Null => return None,
    };
    let op = if descending { Comparison::LessOrEqual } else { Comparison::GreaterOrEqual };
    Some(Expr::Compare { op, left: key, right: limit })
}

/// A number moved outward so far that single precision cannot have moved it further; `None` where that is no number.
fn widened(number: f64, descending: bool) -> Option<f64> {
    let outward = if descending { 1.0 } else { -1.0 };
    let limit = if number == 0.0 {
        0.0
    } else if number.abs() < SMALLEST {
        outward * SMALLEST
    } else {
        number + outward * number.abs() * WIDENED
    };
    // a larger one is infinite there
    (limit * outward < LARGEST).then_some(limit.clamp(-LARGEST, LARGEST))
}

/// A text that ends where keys are cut stands for all that begin with it.
fn reaching(text: &str, descending: bool) -> Box<str> {
    if descending && Value::is_cut(text) { format!("{text}{}", char::MAX).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: &Value, descending: bool) -> Option<String> {
        bound(Cql::Property("v".into()), value, descending).map(|bound| bound.to_text())
    }

    #[test]
    fn bounds_reach_outward_and_are_never_strict() {
        let number = |number, descending| text_of(&Value::Number(number), descending).unwrap();
        assert_eq!(number(0.0, false), "v >= 0");
        assert_eq!(number(1_048_576.0, true), "v <= 1048577");
        assert_eq!(number(1_048_576.0, false), "v >= 1048575");
        assert_eq!(number(-1_048_576.0, true), "v <= -1048575");
        assert_eq!(text_of(&Value::Text("it's".into()), false).unwrap(), "v >= 'it''s'");
        assert_eq!(text_of(&Value::Time(5), true).unwrap(), "v <= TIMESTAMP('1970-01-01T00:00:00.005999Z')");
        assert_eq!(text_of(&Value::Bool(true), true), None);
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is meant")]
    fn what_single_precision_makes_of_a_number_meets_its_bound() {
        for number in
            [1.0e-50, -1.0e-42, 0.1, 12.345_678_9, -50.000_000_1, 9_007_199_254_740_993.0, 3.0e38, 1.0e39, -1.0e39]
        {
            let stored = f64::from(number as f32);
            for descending in [false, true] {
                let Some(limit) = widened(number, descending) else { continue };
                let meets = if descending { stored <= limit } else { stored >= limit };
                assert!(meets, "{number} stored as {stored}, descending {descending}, bound {limit}");
            }
        }
        assert_eq!(widened(1.0e39, true), None);
        assert!(widened(1.0e39, false).is_some());
    }

    #[test]
    fn a_cut_text_stands_for_all_that_begin_with_it() {
        let long: String = "a".repeat(crate::members::sort::TEXT_KEY_BYTES_MAX);
        assert!(*reaching(&long, true) > *format!("{long}zzz"));
        assert_eq!(&*reaching("short", true), "short");
    }
}
