//! What a member of the model makes of the condition that goes with a request, told apart from the broker's own.

use crate::cql2::{Comparison, Expr, Value};

use super::oracle::Store;
use super::thing::Thing;

/// A part of a member's Items by one property.
pub(super) enum Segment {
    Null(Property),
    Known(Property),
    Numbers { limit: f64, upwards: bool },
    Texts { limit: String, upwards: bool },
}

pub(super) enum Property {
    Number,
    Text,
}

impl Segment {
    /// Reads what may be asked: one property, one comparison, never a strict one.
    pub(super) fn of(asked: &Expr) -> Self {
        match asked {
            Expr::IsNull(value) => Self::Null(property(value)),
            Expr::Not(inner) => match &**inner {
                Expr::IsNull(value) => Self::Known(property(value)),
                other => panic!("no member of the model is asked {other:?}"),
            },
            Expr::Compare { op, left, right } => {
                let upwards = match op {
                    Comparison::GreaterOrEqual => true,
                    Comparison::LessOrEqual => false,
                    other => panic!("a strict bound: {other:?}"),
                };
                match (property(left), right) {
                    (Property::Number, Value::Number(limit)) => Self::Numbers { limit: *limit, upwards },
                    (Property::Text, Value::Text(limit)) => Self::Texts { limit: limit.to_string(), upwards },
                    _ => panic!("a bound of another type: {right:?}"),
                }
            }
            other => panic!("no member of the model is asked {other:?}"),
        }
    }

    pub(super) fn holds(&self, store: Store, thing: &Thing) -> bool {
        match self {
            Self::Null(property) => !is_known(property, thing),
            Self::Known(property) => is_known(property, thing),
            Self::Numbers { limit, upwards } => thing.number.is_some_and(|number| {
                let number = store.kept(number);
                if *upwards { number >= *limit } else { number <= *limit }
            }),
            Self::Texts { limit, upwards } => {
                thing.text.as_ref().is_some_and(|text| if *upwards { text >= limit } else { text <= limit })
            }
        }
    }
}

fn is_known(property: &Property, thing: &Thing) -> bool {
    match property {
        Property::Number => thing.number.is_some(),
        Property::Text => thing.text.is_some(),
    }
}

fn property(value: &Value) -> Property {
    match value {
        Value::Property(name) if &**name == "n" => Property::Number,
        Value::Property(name) if &**name == "s" => Property::Text,
        other => panic!("no property of the model: {other:?}"),
    }
}
