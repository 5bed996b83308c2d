//! Basic CQL2 in JSON, as a member understands it: comparisons of properties with values, `in`, `isNull`, joined by
//! `and`, `or`, `not`, and `s_intersects` of the footprint. Written anew, like all of the demo, so that it can be compared.

use std::cmp::Ordering;

use chrono::DateTime;
use geo::{Geometry, Intersects};
use serde_json::{Value, json};

use super::catalog::Entry;

/// Operators inside one another.
const DEPTH_MAX: usize = 16;

/// A condition that was read.
#[derive(Debug)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// A property against a value, and which outcomes of the comparison hold.
    Compare(String, Value, &'static [Ordering]),
    In(String, Vec<Value>),
    IsNull(String),
    Intersects(Geometry<f64>),
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What this member does not understand.
    pub fn read(filter: &Value) -> Result<Self, String> {
        read(filter, 0)
    }

    /// Whether it holds: `None` is unknown, as where a property is absent.
    pub fn holds(&self, entry: &Entry) -> Option<bool> {
        match self {
            Self::And(parts) => all(parts.iter().map(|part| part.holds(entry))),
            Self::Or(parts) => all(parts.iter().map(|part| Some(!part.holds(entry)?))).map(|none| !none),
            Self::Not(part) => Some(!part.holds(entry)?),
            Self::Compare(name, wanted, outcomes) => {
                Some(outcomes.contains(&compare(&property(entry, name)?, wanted)?))
            }
            Self::In(name, list) => {
                let found = property(entry, name)?;
                Some(list.iter().any(|one| compare(&found, one) == Some(Ordering::Equal)))
            }
            Self::IsNull(name) => Some(property(entry, name).is_none()),
            Self::Intersects(area) => Some(area.intersects(&entry.geometry)),
        }
    }
}

/// True when all are; unknown when none is false and one is unknown.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => known = None,
            Some(true) => {}
        }
    }
    known
}

fn read(filter: &Value, depth: usize) -> Result<Filter, String> {
    let op = filter["op"].as_str().map(str::to_lowercase).ok_or("`filter` is no CQL2 in JSON")?;
    let args = filter["args"].as_array().ok_or("`filter`: an operator without `args`")?;
    if depth == DEPTH_MAX {
        return Err(format!("`filter` is nested over {DEPTH_MAX} deep"));
    }
    let parts = || args.iter().map(|part| read(part, depth + 1)).collect::<Result<Vec<_>, _>>();
    let own = || name(args.first());
    let not_equal: &[Ordering] = &[Ordering::Less, Ordering::Greater];
    let outcomes = match op.as_str() {
        "and" => return Ok(Filter::And(parts()?)),
        "or" => return Ok(Filter::Or(parts()?)),
        "not" => return Ok(Filter::Not(Box::new(read(args.first().unwrap_or(&Value::Null), depth + 1)?))),
        "isnull" => return Ok(Filter::IsNull(own()?)),
        "in" => {
            let list = args.get(1).and_then(Value::as_array).ok_or("`in` without a list")?;
            return Ok(Filter::In(own()?, list.iter().map(literal).collect()));
        }
        "s_intersects" if own()? == "geometry" => {
            let drawn: Result<geojson::Geometry, _> = serde_json::from_value(args.get(1).cloned().unwrap_or_default());
            let drawn = drawn.map_err(|wrong| format!("`s_intersects`: {wrong}"))?;
            let drawn = Geometry::try_from(drawn).map_err(|wrong| format!("`s_intersects`: {wrong}"))?;
            return Ok(Filter::Intersects(drawn));
        }
        "=" => &[Ordering::Equal],
        "<>" => not_equal,
        "<" => &[Ordering::Less],
        "<=" => &[Ordering::Less, Ordering::Equal],
        ">" => &[Ordering::Greater],
        ">=" => &[Ordering::Greater, Ordering::Equal],
        other => return Err(format!("`filter` uses `{other}`, which this catalogue does not know")),
    };
    let wanted = literal(args.get(1).unwrap_or(&Value::Null));
    if !(wanted.is_string() || wanted.is_number() || wanted.is_boolean()) {
        return Err(format!("`filter` compares with {wanted}; accepted: a text, a number, true or false"));
    }
    Ok(Filter::Compare(own()?, wanted, outcomes))
}

fn name(operand: Option<&Value>) -> Result<String, String> {
    let name = operand.and_then(|operand| operand["property"].as_str()).ok_or("the first operand is no property")?;
    Ok(name.strip_prefix("properties.").unwrap_or(name).to_owned())
}

/// A literal, `{"timestamp": …}` as its text.
fn literal(operand: &Value) -> Value {
    operand.get("timestamp").or_else(|| operand.get("date")).unwrap_or(operand).clone()
}

/// A property; nothing for null.
fn property(entry: &Entry, name: &str) -> Option<Value> {
    match name {
        "id" => Some(json!(entry.id)),
        "collection" => Some(json!(entry.collection)),
        _ => entry.property(name).filter(|value| !value.is_null()),
    }
}

/// Instants as instants, numbers as numbers, texts by their bytes; different kinds do not compare.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => {
            let instants = (DateTime::parse_from_rfc3339(a), DateTime::parse_from_rfc3339(b));
            let (Ok(a_at), Ok(b_at)) = instants else { return Some(a.cmp(b)) };
            Some(a_at.cmp(&b_at))
        }
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
