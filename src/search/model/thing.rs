//! The Items of the model, and the conditions on them.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::federation::Interval;
use crate::members::Item;
use crate::members::item::{Spans, Times};

use super::dice::Dice;

/// Different values of `v`.
pub(super) const VALUES: u64 = 12;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thing {
    pub(super) id: String,
    pub(super) collection: String,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Digits of the start that do not order it.
    pub(super) micros: i64,
    /// The member's own order inside a tie.
    pub(super) tie: u64,
    /// Present at the member, unchanged, since the session began.
    pub(super) lasting: bool,
    /// Its property `v`, and how the member writes it.
    pub(super) value: Option<u64>,
    pub(super) properties: Bytes,
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

pub(super) fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).expect("a time of the model")
}

impl Thing {
    pub(super) fn item(&self) -> Item {
        let spans = self.end_ms != self.start_ms;
        let times = Times {
            datetime: (!spans).then(|| self.start()),
            start: spans.then(|| self.start()),
            end: spans.then(|| self.end()),
        };
        Item {
            bytes: self.properties.clone(),
            id: self.id.as_str().into(),
            collection: self.collection.as_str().into(),
            times,
            spans: Spans { properties: 0..self.properties.len() as u32, ..Spans::default() },
        }
    }

    /// Gives it a property, or its absence.
    pub(super) fn valued(mut self, dice: &mut Dice) -> Self {
        self.value = (!dice.one_in(8)).then(|| dice.below(VALUES));
        self.properties = match self.value {
            Some(value) => format!("{{\"v\":{value}}}").into(),
            None if dice.one_in(2) => Bytes::from_static(b"{\"v\":null}"),
            None => Bytes::from_static(b"{}"),
        };
        self
    }

    pub(super) fn interval(&self) -> Interval {
        Interval { start: Some(self.start()), end: Some(self.end()) }
    }

    pub(super) fn start(&self) -> DateTime<Utc> {
        instant(self.start_ms) + TimeDelta::microseconds(self.micros)
    }

    pub(super) fn end(&self) -> DateTime<Utc> {
        instant(self.end_ms) + TimeDelta::microseconds(self.micros)
    }
}
