//! Sort keys of Items: what the value of a property is as a key, and how two keys compare (S2). Pure.
//!
//! The order of a search is made of these, and so is that of a snapshot that is searched here: one rule for both.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::cql2::times;

/// Bytes of a text by which it is ordered: eight keys of this size still fit a cursor in a link.
pub const TEXT_KEY_BYTES_MAX: usize = 256;

/// Two numbers that differ by less than this part of them may stand in either order at a member that stores single
/// precision (24 binary digits, half of the last of which is lost).
const SINGLE_PRECISION: f64 = 1.0 / (1 << 22) as f64;

/// From this number on, 64-bit floating point does not tell every integer from the next.
const INTEGERS_EXACT: f64 = 9_007_199_254_740_992.0;

/// What the values of a sort key are, as its sortable declares; a value of another type counts as null (S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum KeyKind {
    /// Nothing is declared: as `id` and `collection`, or each value by its own type.
    #[default]
    Any,
    Time,
    Number,
    Text,
    Boolean,
}

/// A sort key as it is compared (S2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Milliseconds since 1970, rounded down; finer digits stay in the Item but do not order it.
    Time(i64),
    Number(f64),
    Text(Box<str>),
    Bool(bool),
    Null,
}

impl Value {
    /// The key that a property's JSON text is, taken for this kind.
    #[must_use]
    pub fn read(json: &str, kind: KeyKind) -> Self {
        match json.as_bytes().first() {
            Some(b'"') if matches!(kind, KeyKind::Time | KeyKind::Text | KeyKind::Any) => {
                text(json).map_or(Self::Null, |text| Self::of_text(&text, kind))
            }
            Some(b't' | b'f') if matches!(kind, KeyKind::Boolean | KeyKind::Any) => Self::Bool(json == "true"),
            Some(b'-' | b'0'..=b'9') if matches!(kind, KeyKind::Number | KeyKind::Any) => {
                // the nearest 64-bit number; what is none, as 1e999, has no place among them
                json.parse().ok().filter(|number: &f64| number.is_finite()).map_or(Self::Null, Self::Number)
            }
            _ => Self::Null,
        }
    }

    fn of_text(text: &str, kind: KeyKind) -> Self {
        if kind == KeyKind::Time {
            return times::parse(text.as_bytes()).map_or(Self::Null, |at| Self::Time(at.timestamp_millis()));
        }
        let mut end = text.len().min(TEXT_KEY_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::Text(text[..end].into())
    }

    /// Ascending order, nulls last. Values of different types follow the order of the variants, so that the order
    /// stays total whatever a member sends.
    fn ascending(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            // -0 equals 0: partial_cmp says so; NaN cannot come out of JSON
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Time(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Bool(_) => 3,
            Self::Null => 4,
        }
    }

    /// The value in a given direction; null stays last (S2).
    #[must_use]
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let ascending = self.ascending(other);
        if descending && *self != Self::Null && *other != Self::Null { ascending.reverse() } else { ascending }
    }

    /// Whether a text ends where keys are cut.
    #[must_use]
    pub fn is_cut(text: &str) -> bool {
        text.len() + char::MAX.len_utf8() > TEXT_KEY_BYTES_MAX
    }

    /// Whether a member may tell values apart that are this one here: it then sorts a tie by more than what follows.
    #[must_use]
    pub fn may_be_several(&self) -> bool {
        match self {
            Self::Text(text) => Self::is_cut(text),
            Self::Number(number) => number.abs() >= INTEGERS_EXACT,
            _ => false,
        }
    }

    /// The earliest value that may still come behind this one in a list of a member that stores numbers in single
    /// precision, and so may have put two near ones in either order.
    #[must_use]
    pub fn earliest_near(&self, descending: bool) -> Self {
        match self {
            Self::Number(number) => {
                let near = number.abs() * SINGLE_PRECISION;
                Self::Number(if descending { number + near } else { number - near })
            }
            other => other.clone(),
        }
    }
}

/// What a JSON text in quotes means; the text itself is read only where something is escaped in it.
fn text(json: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(std::borrow::Cow::Owned) } else { Some(inner.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [KeyKind; 5] = [KeyKind::Any, KeyKind::Time, KeyKind::Number, KeyKind::Text, KeyKind::Boolean];

    #[test]
    fn a_value_of_another_type_is_null() {
        for (json, by_kind) in [
            ("1.5", [Value::Number(1.5), Value::Null, Value::Number(1.5), Value::Null, Value::Null]),
            ("true", [Value::Bool(true), Value::Null, Value::Null, Value::Null, Value::Bool(true)]),
            (
                "\"1970-01-01T00:00:01Z\"",
                [
                    Value::Text("1970-01-01T00:00:01Z".into()),
                    Value::Time(1_000),
                    Value::Null,
                    Value::Text("1970-01-01T00:00:01Z".into()),
                    Value::Null,
                ],
            ),
        ] {
            for (kind, expected) in KINDS.into_iter().zip(by_kind) {
                assert_eq!(Value::read(json, kind), expected, "{json} as {kind:?}");
            }
        }
        for json in ["null", "[1]", "{\"a\":1}", "1e999", ""] {
            for kind in KINDS {
                assert_eq!(Value::read(json, kind), Value::Null, "{json} as {kind:?}");
            }
        }
    }

    #[test]
    fn numbers_are_the_nearest_of_64_bits_and_times_are_rounded_down() {
        let number = |json| Value::read(json, KeyKind::Number);
        assert_eq!(number("9007199254740993"), number("9007199254740992"), "2^53 + 1");
        assert_eq!(number("-0").compare(&number("0"), false), Ordering::Equal);
        let time = |json| Value::read(json, KeyKind::Time);
        assert_eq!(time("\"1970-01-01T00:00:00.0019Z\""), Value::Time(1));
        assert_eq!(time("\"1969-12-31T23:59:59.9999Z\""), Value::Time(-1), "down, not towards zero");
        assert_eq!(time("\"1970-01-01T01:00:00+01:00\""), Value::Time(0));
        assert_eq!(time("\"yesterday\""), Value::Null);
    }

    #[test]
    fn texts_are_what_they_mean_and_ordered_by_their_first_bytes() {
        let text = |json: &str| Value::read(json, KeyKind::Text);
        assert_eq!(text(r#""a\u00e9\"b""#), Value::Text("aé\"b".into()));
        assert_eq!(text("\"Z\"").compare(&text("\"a\""), false), Ordering::Less);
        let long = format!("\"{}\"", "é".repeat(TEXT_KEY_BYTES_MAX));
        assert!(matches!(text(&long), Value::Text(cut) if cut.len() == TEXT_KEY_BYTES_MAX));
    }

    #[test]
    fn nulls_are_last_in_both_directions() {
        for descending in [false, true] {
            assert_eq!(Value::Null.compare(&Value::Time(1), descending), Ordering::Greater);
            assert_eq!(Value::Time(1).compare(&Value::Null, descending), Ordering::Less);
            assert_eq!(Value::Null.compare(&Value::Null, descending), Ordering::Equal);
        }
    }

    #[test]
    fn minus_zero_equals_zero_and_false_comes_before_true() {
        assert_eq!(Value::Number(-0.0).compare(&Value::Number(0.0), true), Ordering::Equal);
        assert_eq!(Value::Bool(false).compare(&Value::Bool(true), false), Ordering::Less);
    }

    #[test]
    fn text_is_compared_by_bytes() {
        assert_eq!(Value::Text("Z".into()).compare(&Value::Text("a".into()), false), Ordering::Less);
        assert_eq!(Value::Text("é".into()).compare(&Value::Text("z".into()), false), Ordering::Greater);
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is meant")]
    fn what_single_precision_turns_around_is_near() {
        for number in [50.000_000_1_f64, -12.345_678_9, 1.0e-7, 3.0e9] {
            let stored = f64::from(number as f32);
            for descending in [false, true] {
                let near = Value::Number(number).earliest_near(descending);
                assert_ne!(Value::Number(stored).compare(&near, descending), Ordering::Less, "{number}");
            }
        }
    }
}
