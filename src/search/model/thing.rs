//! The Items of the model, and the conditions on them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::federation::Interval;
use crate::members::Item;
use crate::members::item::{Spans, Times};

use super::dice::Dice;

/// Different values of `v`.
pub(super) const VALUES: u64 = 12;

/// Values of `n`, as Items write them: two zeros, numbers that single precision cannot tell apart, and one that 64 bits
/// cannot.
const NUMBERS: [&str; 14] = [
    "-3.5",
    "-0.0",
    "0",
    "1",
    "1.0",
    "2",
    "2.0000001",
    "2.00000015",
    "7.25",
    "50",
    "50.000001",
    "50.0000001",
    "9007199254740992",
    "9007199254740993",
];
/// Values of `s`, in no order: of several languages, empty, and longer than what they are ordered by.
const TEXTS: [&str; 8] = ["", "a", "B", "b", "é", "it's", "z", "zz"];

/// An Item at a member of the model.
#[derive(Clone)]
pub(super) struct Thing {
    /// As it is sent; made once.
    pub(super) item: Item,
    /// Its collection as clients see it.
    pub(super) exposed: Arc<str>,
    /// What sorts it: milliseconds, without the finer digits.
    pub(super) start_ms: i64,
    start_us: i64,
    end_us: i64,
    /// The member's own order inside a tie.
    pub(super) tie: u64,
    /// Present at the member, unchanged, since the session began.
    pub(super) lasting: bool,
    /// Its property `v`.
    pub(super) value: Option<u64>,
    /// Its properties `n` and `s`, where a history is sorted by them.
    pub(super) number: Option<f64>,
    pub(super) text: Option<String>,
    /// The JSON of the two.
    sorted: [Option<String>; 2],
}

/// When an Item is: `micros` are the digits of its start and end that do not order it.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) start_ms: i64,
    pub(super) lasts_ms: i64,
    pub(super) micros: i64,
}

pub(super) fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).expect("a time of the model")
}

impl Thing {
    pub(super) fn new(id: &str, collection: &str, exposed: Arc<str>, when: When, tie: u64) -> Self {
        let at = |ms: i64| instant(ms) + TimeDelta::microseconds(when.micros);
        let end_ms = when.start_ms + when.lasts_ms;
        let (start, end) = (at(when.start_ms), at(end_ms));
        let times = if when.lasts_ms == 0 {
            Times { datetime: Some(start), ..Times::default() }
        } else {
            Times { datetime: None, start: Some(start), end: Some(end) }
        };
        let item =
            Item { bytes: Bytes::new(), id: id.into(), collection: collection.into(), times, spans: Spans::default() };
        let (start_us, end_us) = (when.start_ms * 1_000 + when.micros, end_ms * 1_000 + when.micros);
        Self {
            item,
            exposed,
            start_ms: when.start_ms,
            start_us,
            end_us,
            tie,
            lasting: true,
            value: None,
            number: None,
            text: None,
            sorted: [None, None],
        }
    }

    /// Gives it keys to sort by. `mistyped`: where it lacks one, it may have a value of another type instead.
    pub(super) fn keyed(mut self, dice: &mut Dice, nulls: u64, mistyped: bool) -> Self {
        let absent = |dice: &mut Dice| match dice.below(3) {
            0 => None,
            1 if mistyped => Some("[\"x\"]".to_owned()),
            _ => Some("null".to_owned()),
        };
        let number = NUMBERS[dice.below(NUMBERS.len() as u64) as usize];
        self.number = (!dice.one_in(nulls)).then(|| number.parse().expect("a number of the model"));
        let of_number = if self.number.is_some() { Some(number.to_owned()) } else { absent(dice) };
        let long = dice.one_in(6).then(|| format!("{}{}", "é".repeat(130), dice.below(3)));
        let text = long.unwrap_or_else(|| TEXTS[dice.below(TEXTS.len() as u64) as usize].to_owned());
        self.text = (!dice.one_in(nulls)).then_some(text);
        let of_text = match &self.text {
            Some(text) => Some(format!("\"{text}\"")),
            None => absent(dice),
        };
        self.sorted = [of_number, of_text];
        self.write(None);
        self
    }

    fn write(&mut self, value: Option<&String>) {
        let named = ["v", "n", "s"].into_iter().zip([value, self.sorted[0].as_ref(), self.sorted[1].as_ref()]);
        let named = named.filter_map(|(name, json)| Some(format!("\"{name}\":{}", json?)));
        let text = format!("{{{}}}", named.collect::<Vec<_>>().join(","));
        self.item.spans.properties = 0..text.len() as u32;
        self.item.bytes = text.into();
    }

    /// Gives it a property, or its absence, which is written in two ways.
    pub(super) fn valued(mut self, dice: &mut Dice) -> Self {
        self.value = (!dice.one_in(8)).then(|| dice.below(VALUES));
        let json = match self.value {
            Some(value) => Some(value.to_string()),
            None => dice.one_in(2).then(|| "null".to_owned()),
        };
        self.write(json.as_ref());
        self
    }

    /// Whether it shares an instant with the interval.
    pub(super) fn meets(&self, asked: &Span) -> bool {
        self.start_us <= asked.end_us && asked.start_us <= self.end_us
    }
}

impl fmt::Debug for Thing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { item, exposed, start_us, end_us, tie, lasting, value, number, text, .. } = self;
        write!(
            out,
            "{} of {exposed} at {start_us}..{end_us} µs, v {value:?}, n {number:?}, s {text:?}, tie {tie}, lasting {lasting}",
            item.id
        )
    }
}

/// An interval in microseconds since 1970, closed.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start_us: i64,
    end_us: i64,
}

impl Span {
    pub(super) fn of(interval: Option<Interval>) -> Self {
        let interval = interval.unwrap_or_default();
        let micros = |at: DateTime<Utc>| at.timestamp_micros();
        Self { start_us: interval.start.map_or(i64::MIN, micros), end_us: interval.end.map_or(i64::MAX, micros) }
    }
}

/// A condition on the property `v`, told apart from the broker's own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition {
    Below(u64),
    Between(u64, u64),
    /// Also where it is absent.
    NotAbove(u64),
    IsOrAbsent(u64),
    /// One in so many Items.
    Rare,
}

impl Condition {
    pub(super) fn random(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::Below(dice.below(VALUES)),
            1 => Self::Between(dice.below(VALUES), dice.below(VALUES)),
            2 => Self::NotAbove(dice.below(VALUES)),
            3 => Self::IsOrAbsent(dice.below(VALUES)),
            _ => Self::Rare,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Below(most) => format!("v < {most}"),
            Self::Between(low, high) => format!("v BETWEEN {low} AND {high}"),
            Self::NotAbove(most) => format!("NOT (v > {most} AND id IS NOT NULL)"),
            Self::IsOrAbsent(value) => format!("v = {value} OR v IS NULL"),
            Self::Rare => format!("v IN ({}, -1)", VALUES - 1),
        }
    }

    pub(super) fn holds(self, value: Option<u64>) -> bool {
        match self {
            Self::Below(most) => value.is_some_and(|value| value < most),
            Self::Between(low, high) => value.is_some_and(|value| low <= value && value <= high),
            Self::NotAbove(most) => value.is_some_and(|value| value <= most),
            Self::IsOrAbsent(wanted) => value.is_none_or(|value| value == wanted),
            Self::Rare => value == Some(VALUES - 1),
        }
    }
}
