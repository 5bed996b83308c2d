//! The Query extension of STAC API: read as CQL2, and CQL2 written as it where nothing of the meaning is lost.
//!
//! The extension does not say what its operators mean for an Item without the property, nor how texts are ordered.
//! Here they mean what CQL2 means: absent matches nothing. Servers differ in this, so [`write`] gives only what they
//! agree on: no `neq`, no order of texts.

use serde_json::{Map, Value as Json, json};

use super::ast::{Comparison, Expr, Value};
use super::bounds::{self, Used};
use super::instants;
use super::names;
use super::read::build;
use super::wrong::{Wrong, quoted};

const OPERATORS: &str = "`eq`, `neq`, `lt`, `lte`, `gt`, `gte`, `startsWith`, `endsWith`, `contains` and `in`";

/// Reads the object of the `query` parameter: every operator of every property must hold.
///
/// Texts that read as a number also compare with properties that are numbers.
///
/// # Errors
/// The first thing that is wrong.
pub fn read(query: &Json) -> Result<Expr, Wrong> {
    let accepted = "an object of properties, each with an object of operators";
    let properties = query.as_object().ok_or_else(|| Wrong::new("no object", accepted))?;
    let mut used = Used::default();
    let mut parts = Vec::new();
    for (name, operators) in properties {
        let property = Value::Property(build::property(name)?);
        let operators = operators
            .as_object()
            .ok_or_else(|| Wrong::new(format!("no object of operators for {}", quoted(name)), accepted))?;
        for (operator, operand) in operators {
            used.node()?;
            let part = condition(&property, operator, operand, &mut used);
            parts
                .push(part.map_err(|wrong| Wrong { given: format!("{} for {}", wrong.given, quoted(name)), ..wrong })?);
        }
    }
    Ok(Expr::and(parts))
}

fn condition(property: &Value, operator: &str, operand: &Json, used: &mut Used) -> Result<Expr, Wrong> {
    let like = |before: &str, after: &str| {
        let text = operand.as_str().ok_or_else(|| Wrong::new(format!("no text as `{operator}`"), "a text"))?;
        let pattern = build::text(&format!("{before}{}{after}", escaped(text)))?;
        build::like(property.clone(), pattern)
    };
    match operator {
        "startsWith" => like("", "%"),
        "endsWith" => like("%", ""),
        "contains" => like("%", "%"),
        "in" => in_list(property, operand, used),
        "eq" | "neq" if operand.is_null() => {
            let absent = build::is_null(property.clone())?;
            Ok(if operator == "eq" { absent } else { Expr::Not(Box::new(absent)) })
        }
        "eq" | "neq" | "lt" | "lte" | "gt" | "gte" => {
            let op = names::comparison(operator).ok_or_else(|| unknown(operator))?;
            compare(op, property, operand)
        }
        _ => Err(unknown(operator)),
    }
}

fn unknown(operator: &str) -> Wrong {
    Wrong::new(format!("the unknown operator {}", quoted(operator)), OPERATORS)
}

/// An operand with what else it may stand for: the number that a text reads as.
fn operands(operand: &Json) -> Result<(Value, Option<Value>), Wrong> {
    match operand {
        Json::String(text) => Ok((build::text(text)?, as_number(text).map(build::number))),
        Json::Bool(boolean) => Ok((Value::Bool(*boolean), None)),
        Json::Number(number) => Ok((build::number(number.as_f64().unwrap_or_default()), None)),
        _ => Err(Wrong::new("an operand that is no text, number or boolean", "a text, a number or a boolean")),
    }
}

/// Each of the two readings is unknown where the other holds, so `OR` is right for `neq` too.
fn compare(op: Comparison, property: &Value, operand: &Json) -> Result<Expr, Wrong> {
    let (operand, number) = operands(operand)?;
    let equality = matches!(op, Comparison::Equal | Comparison::NotEqual);
    if matches!(operand, Value::Bool(_)) && !equality {
        return Err(Wrong::new("an order of booleans", "`eq` and `neq` of booleans"));
    }
    let mut readings = vec![build::compare(op, property.clone(), operand)?];
    if let Some(number) = number {
        readings.push(build::compare(op, property.clone(), number)?);
    }
    Ok(Expr::or(readings))
}

/// The entries by kind, since CQL2 has lists of one kind only.
fn in_list(property: &Value, operand: &Json, used: &mut Used) -> Result<Expr, Wrong> {
    let list = operand.as_array().ok_or_else(|| Wrong::new("no array as `in`", "an array of texts or numbers"))?;
    bounds::entries(list.len())?;
    let (mut texts, mut numbers, mut booleans) = (Vec::new(), Vec::new(), Vec::new());
    for entry in list {
        used.node()?;
        let (value, number) = operands(entry)?;
        numbers.extend(number);
        match value {
            Value::Number(_) => numbers.push(value),
            Value::Bool(_) => booleans.push(value),
            _ => texts.push(value),
        }
    }
    let lists = [texts, numbers, booleans].into_iter().filter(|list| !list.is_empty());
    let parts: Result<Vec<Expr>, Wrong> = lists.map(|list| build::in_list(property.clone(), list)).collect();
    Ok(Expr::or(parts?))
}

/// The number that a text is written as in JSON.
fn as_number(text: &str) -> Option<f64> {
    let begins = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    if !begins {
        return None;
    }
    serde_json::from_str::<f64>(text).ok().filter(|number| number.is_finite())
}

/// The text as a pattern that matches it and nothing else.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The condition as an object of the `query` parameter; `None` when it cannot be said so, or when servers disagree
/// about what it would mean.
#[must_use]
pub fn write(expr: &Expr) -> Option<Json> {
    let mut query: Map<String, Json> = Map::new();
    for part in expr.conjuncts() {
        for (property, operator, operand) in said(part)? {
            let operators = query.entry(property).or_insert_with(|| json!({})).as_object_mut()?;
            if operators.insert(operator.to_owned(), operand).is_some() {
                return None;
            }
        }
    }
    Some(Json::Object(query))
}

/// Property, operator and operand, each of which must hold.
type Said = Vec<(String, &'static str, Json)>;

fn said(part: &Expr) -> Option<Said> {
    match part {
        Expr::Compare { op, left, right } => {
            let operator = match op {
                Comparison::Equal => "eq",
                Comparison::NotEqual => return None,
                Comparison::Less => "lt",
                Comparison::LessOrEqual => "lte",
                Comparison::Greater => "gt",
                Comparison::GreaterOrEqual => "gte",
            };
            let property = property(left)?;
            let operand = operand(&property, right, *op == Comparison::Equal)?;
            Some(vec![(property, operator, operand)])
        }
        Expr::Between { value, low, high } => {
            let property = property(value)?;
            let (low, high) = (operand(&property, low, false)?, operand(&property, high, false)?);
            Some(vec![(property.clone(), "gte", low), (property, "lte", high)])
        }
        Expr::In { value, list } => {
            let property = property(value)?;
            let list: Option<Vec<Json>> = list.iter().map(|entry| operand(&property, entry, true)).collect();
            Some(vec![(property, "in", Json::Array(list?))])
        }
        Expr::Like { value, pattern: Value::Text(pattern) } => {
            let (operator, text) = affix(pattern)?;
            Some(vec![(property(value)?, operator, json!(text))])
        }
        _ => None,
    }
}

/// A property of Items; what stands beside their `properties` is no matter of the extension.
fn property(value: &Value) -> Option<String> {
    match value {
        Value::Property(name) if !matches!(&**name, "id" | "collection" | "geometry" | "bbox") => {
            Some(name.to_string())
        }
        _ => None,
    }
}

fn operand(property: &str, value: &Value, equality: bool) -> Option<Json> {
    match value {
        // Servers that guess types would find numbers too; how they order texts is their own.
        Value::Text(text) if equality && as_number(text).is_none() => Some(json!(text)),
        Value::Number(number) => Some(Json::Number(super::write::number(*number))),
        Value::Bool(boolean) if equality => Some(json!(boolean)),
        // Every server knows this one to be an instant; others compare as text.
        Value::Timestamp(at) if property == "datetime" => Some(json!(instants::timestamp_text(*at))),
        _ => None,
    }
}

/// The operator and text of a pattern with `%` at one of its ends or at both.
fn affix(pattern: &str) -> Option<(&'static str, &str)> {
    let (front, rest) = pattern.strip_prefix('%').map_or((false, pattern), |rest| (true, rest));
    let (back, text) = rest.strip_suffix('%').map_or((false, rest), |rest| (true, rest));
    // What servers make of their own wildcards in it is not known.
    if text.is_empty() || text.contains(['%', '_', '\\', '*', '?']) {
        return None;
    }
    match (front, back) {
        (false, true) => Some(("startsWith", text)),
        (true, false) => Some(("endsWith", text)),
        (true, true) => Some(("contains", text)),
        (false, false) => None,
    }
}
