//! Values of a condition as they are for one subject, read from the JSON text of its properties when they are needed.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use geo::Geometry;

use super::temporal::Moment;
use super::{number, text};
use crate::cql2::{Subject, Value};

/// Steps one subject may cost beyond visiting every node once: bytes of its values that are read, characters that `LIKE`
/// looks at, pairs of array elements and of segments. Real conditions take some hundreds, a relation of two coastlines a
/// million; this many take some 50 ms.
const STEPS_MAX: u64 = 10_000_000;
/// Arrays within arrays that are read: those of GeoJSON coordinates, the deepest that STAC knows, are four.
pub(super) const LEVELS_MAX: u32 = 8;

/// A value, as far as conditions tell values apart.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    Null,
    /// There, but nothing to compare: broken JSON, an object, a result that is no number.
    Unreadable,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(Cow<'a, str>),
    Moment(Moment),
    List(Vec<Operand<'a>>),
}

impl Operand<'_> {
    /// The value as a time; a text is one when it reads as one.
    pub(super) fn moment(&self) -> Option<Moment> {
        match self {
            Self::Moment(moment) => Some(*moment),
            Self::Text(text) => Moment::read(text),
            _ => None,
        }
    }
}

/// The subject, and what reading it may still cost.
pub(super) struct Reader<'a> {
    subject: &'a dyn Subject,
    steps_left: Cell<u64>,
    /// The first property that was asked for as a geometry: conditions ask for one, at times in many places.
    drawn: OnceCell<(&'a str, Option<Cow<'a, Geometry<f64>>>)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        Self { subject, steps_left: Cell::new(STEPS_MAX), drawn: OnceCell::new() }
    }

    /// Takes steps from the allowance; false when too few are left, and then none are left for anybody.
    pub(super) fn pay(&self, steps: usize) -> bool {
        let left = self.steps_left.get().checked_sub(steps as u64);
        self.steps_left.set(left.unwrap_or(0));
        left.is_some()
    }

    pub(super) fn operand(&self, value: &'a Value) -> Operand<'a> {
        match value {
            Value::Property(name) => self.property(name),
            Value::Text(text) => Operand::Text(Cow::Borrowed(text)),
            Value::Number(number) => number::finite(*number),
            Value::Bool(known) => Operand::Bool(*known),
            Value::Timestamp(at) => Operand::Moment(Moment::instant(*at)),
            Value::Date(day) => Operand::Moment(Moment::day(*day)),
            Value::Array(values) => Operand::List(values.iter().map(|value| self.operand(value)).collect()),
            Value::Arithmetic { op, left, right } => number::compute(*op, &self.operand(left), &self.operand(right)),
            Value::CaseI(inner) => self.changed(inner, text::without_case),
            Value::AccentI(inner) => self.changed(inner, text::without_accents),
            // only spatial and temporal operators know what to do with these, and they ask for them by name
            Value::Interval(_) | Value::Geometry(_) => Operand::Unreadable,
        }
    }

    fn changed(&self, inner: &'a Value, change: fn(&str) -> String) -> Operand<'a> {
        match self.operand(inner) {
            Operand::Text(text) if self.pay(text.len()) => Operand::Text(Cow::Owned(change(&text))),
            Operand::Null => Operand::Null,
            _ => Operand::Unreadable,
        }
    }

    pub(super) fn property(&self, name: &str) -> Operand<'a> {
        let Some(json) = self.subject.json(name) else { return Operand::Null };
        if !self.pay(json.len()) {
            return Operand::Unreadable;
        }
        match json {
            Cow::Borrowed(json) => read(json),
            Cow::Owned(json) => owned(read(&json)),
        }
    }

    pub(super) fn geometry(&self, value: &'a Value) -> Option<Cow<'_, Geometry<f64>>> {
        match value {
            Value::Geometry(shape) => Some(Cow::Borrowed(&shape.geometry)),
            Value::Property(name) => {
                let (kept, drawn) = self.drawn.get_or_init(|| (name, self.subject.geometry(name)));
                if **kept == **name { drawn.as_deref().map(Cow::Borrowed) } else { self.subject.geometry(name) }
            }
            _ => None,
        }
    }
}

fn owned<'a>(operand: Operand<'_>) -> Operand<'a> {
    match operand {
        Operand::Null => Operand::Null,
        Operand::Unreadable => Operand::Unreadable,
        Operand::Bool(known) => Operand::Bool(known),
        Operand::Number(number) => Operand::Number(number),
        Operand::Text(text) => Operand::Text(Cow::Owned(text.into_owned())),
        Operand::Moment(moment) => Operand::Moment(moment),
        Operand::List(list) => Operand::List(list.into_iter().map(owned).collect()),
    }
}

/// Reads one JSON value. Texts and numbers, the common ones, come straight from the slice.
pub(super) fn read(json: &str) -> Operand<'_> {
    let json = json.trim_ascii();
    match json.as_bytes() {
        b"null" => Operand::Null,
        b"true" => Operand::Bool(true),
        b"false" => Operand::Bool(false),
        [b'"', inner @ .., b'"'] if inner.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\')) => {
            Operand::Text(Cow::Borrowed(&json[1..json.len() - 1]))
        }
        [b'"', ..] => serde_json::from_str(json).map_or(Operand::Unreadable, |text| Operand::Text(Cow::Owned(text))),
        [b'-' | b'0'..=b'9', ..] => number::read(json),
        [b'[', ..] => super::array::read(json),
        _ => Operand::Unreadable,
    }
}
