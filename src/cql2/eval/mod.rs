//! What a condition means for one Item or Collection: true, false or unknown (OGC 21-065r2, clauses 6 and 7).
//!
//! Unknown is the null of the standard: an absent property, a null, a value of another type than the one it is compared
//! with. It is never an error, because one odd Item must not fail a search, and it never selects. `AND`, `OR` and `NOT`
//! follow Kleene: unknown stays unknown unless the other side decides alone.
//!
//! Nothing is built of the whole document: a property's JSON text is read when the condition comes to it. Evaluation
//! is bounded: each node is visited at most once, and what a hostile Item could make expensive is paid from one
//! allowance per Item; when it is spent, what is left is unknown. Start reading at [`Expr::holds`].

mod value;
mod number;
mod text;
mod like;
mod temporal;
mod array;
mod spatial;
mod shape;

use super::{Comparison, Expr, Subject, Value, names};
use temporal::Period;
use value::{Operand, Reader};

impl Expr {
    /// Whether the condition is true of the subject; `None` is unknown, which selects as little as false does.
    #[must_use]
    pub fn holds(&self, subject: &dyn Subject) -> Option<bool> {
        decide(self, &Reader::new(subject))
    }
}

fn decide<'a>(expr: &'a Expr, reader: &Reader<'a>) -> Option<bool> {
    match expr {
        Expr::Constant(known) => Some(*known),
        Expr::And(parts) => all(parts, |part| decide(part, reader)),
        Expr::Or(parts) => any(parts, |part| decide(part, reader)),
        Expr::Not(part) => decide(part, reader).map(|known| !known),
        Expr::Compare { op, left, right } => compare(*op, &Side::new(left, reader), &Side::new(right, reader)),
        Expr::Between { value, low, high } => {
            let value = Side::new(value, reader);
            let above = compare(Comparison::GreaterOrEqual, &value, &Side::new(low, reader));
            let below = compare(Comparison::LessOrEqual, &value, &Side::new(high, reader));
            all(&[above, below], |known| *known)
        }
        Expr::In { value, list } => {
            let value = Side::new(value, reader);
            any(list, |one| compare(Comparison::Equal, &value, &Side::new(one, reader)))
        }
        Expr::Like { value, pattern } => {
            let (Operand::Text(text), Operand::Text(pattern)) = (reader.operand(value), reader.operand(pattern)) else {
                return None;
            };
            like::matches(&text, &pattern, reader)
        }
        Expr::IsNull(value) => is_null(value, reader),
        Expr::Spatial { op, left, right } => {
            let (left, right) = (reader.geometry(left)?, reader.geometry(right)?);
            spatial::holds(*op, &left, &right, reader)
        }
        Expr::Temporal { op, left, right } => {
            Some(temporal::holds(*op, &Period::of(left, reader)?, &Period::of(right, reader)?))
        }
        Expr::Array { op, left, right } => array::holds(*op, &reader.operand(left), &reader.operand(right), reader),
    }
}

/// False when one is false, else unknown when one is unknown.
fn all<'a, T>(parts: &'a [T], decide: impl Fn(&'a T) -> Option<bool>) -> Option<bool> {
    let mut unknown = false;
    for part in parts {
        match decide(part) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(true)
}

/// True when one is true, else unknown when one is unknown.
fn any<'a, T>(parts: &'a [T], decide: impl Fn(&'a T) -> Option<bool>) -> Option<bool> {
    all(parts, |part| decide(part).map(|known| !known)).map(|none| !none)
}

/// What a computed value cannot be read as is neither null nor not: `a / 0 IS NULL` is unknown.
fn is_null<'a>(value: &'a Value, reader: &Reader<'a>) -> Option<bool> {
    if matches!(value, Value::Geometry(_) | Value::Interval(_)) {
        return Some(false);
    }
    match (reader.operand(value), value) {
        (Operand::Null, _) => Some(true),
        (Operand::Unreadable, Value::Property(_)) => Some(false),
        (Operand::Unreadable, _) => None,
        _ => Some(false),
    }
}

/// One side of a comparison.
struct Side<'a> {
    operand: Operand<'a>,
    /// A property whose text is a time wherever it is compared.
    temporal: bool,
}

impl<'a> Side<'a> {
    fn new(value: &'a Value, reader: &Reader<'a>) -> Self {
        let temporal = matches!(value, Value::Property(name) if names::is_instant(name));
        Self { operand: reader.operand(value), temporal }
    }
}

fn compare(op: Comparison, left: &Side<'_>, right: &Side<'_>) -> Option<bool> {
    let order = match (&left.operand, &right.operand) {
        (Operand::Number(left), Operand::Number(right)) => left.partial_cmp(right)?,
        (Operand::Bool(left), Operand::Bool(right)) => left.cmp(right),
        (Operand::Text(_), Operand::Text(_)) if left.temporal || right.temporal => {
            left.operand.moment()?.order(&right.operand.moment()?)
        }
        (Operand::Text(left), Operand::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Operand::Moment(_), _) | (_, Operand::Moment(_)) => left.operand.moment()?.order(&right.operand.moment()?),
        _ => return None,
    };
    Some(match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

#[cfg(test)]
pub(crate) mod tests;
