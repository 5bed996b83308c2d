//! What a condition means to a scripted member: evaluated plainly on JSON, apart from the broker's own evaluator.

use serde_json::{Value, json};
use stac_broker::cql2::{Comparison, Expr, SpatialOp, Value as Cql};

use super::store::instant;

/// A condition of a search, read as a member would: in a language it knows, of parts it knows.
///
/// # Errors
/// What makes the member answer 400.
pub fn read(filter: &Value, language: &str) -> Result<Expr, String> {
    let expr = match (language, filter) {
        ("cql2-text", Value::String(text)) => Expr::from_text(text).map_err(|wrong| format!("{wrong:?}"))?,
        ("cql2-json", Value::String(text)) => {
            let json: Value = serde_json::from_str(text).map_err(|wrong| wrong.to_string())?;
            Expr::from_json(&json).map_err(|wrong| format!("{wrong:?}"))?
        }
        ("cql2-json", json) => Expr::from_json(json).map_err(|wrong| format!("{wrong:?}"))?,
        _ => return Err(format!("not a filter in {language}: {filter}")),
    };
    holds(&expr, &json!({"properties": {}})).map(|_| expr)
}

/// Whether an Item meets a condition; `None` is unknown, an error is a part that this member does not know.
pub fn holds(expr: &Expr, item: &Value) -> Result<Option<bool>, String> {
    Ok(match expr {
        Expr::And(parts) => {
            let all: Vec<_> = parts.iter().map(|part| holds(part, item)).collect::<Result<_, _>>()?;
            if all.contains(&Some(false)) { Some(false) } else { all.iter().all(Option::is_some).then_some(true) }
        }
        Expr::Or(parts) => {
            let all: Vec<_> = parts.iter().map(|part| holds(part, item)).collect::<Result<_, _>>()?;
            if all.contains(&Some(true)) { Some(true) } else { all.iter().all(Option::is_some).then_some(false) }
        }
        Expr::Not(inner) => holds(inner, item)?.map(|truth| !truth),
        Expr::Compare { op, left, right } => compare(*op, &value(left, item)?, &value(right, item)?),
        Expr::Between { value: of, low, high } => {
            let of = value(of, item)?;
            let low = compare(Comparison::GreaterOrEqual, &of, &value(low, item)?);
            let high = compare(Comparison::LessOrEqual, &of, &value(high, item)?);
            low.zip(high).map(|(low, high)| low && high)
        }
        Expr::In { value: of, list } => {
            let of = value(of, item)?;
            let mut found = of.as_ref().map(|_| false);
            for entry in list {
                if compare(Comparison::Equal, &of, &value(entry, item)?) == Some(true) {
                    found = Some(true);
                }
            }
            found
        }
        Expr::Like { value: of, pattern } => match (value(of, item)?, value(pattern, item)?) {
            // this member does not care for letters of either case, as many do not
            (Some(Value::String(text)), Some(Value::String(pattern))) => {
                let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
                Some(like(&lower(&text), &lower(&pattern)))
            }
            _ => None,
        },
        Expr::IsNull(of) => Some(value(of, item)?.is_none()),
        Expr::Spatial { op, left: Cql::Property(name), right: Cql::Geometry(shape) } if &**name == "geometry" => {
            let touches = touches(&shape.geometry, item);
            match op {
                SpatialOp::Intersects => touches,
                SpatialOp::Disjoint => touches.map(|truth| !truth),
                other => return Err(format!("{other:?} is not known here")),
            }
        }
        other => return Err(format!("not known here: {other:?}")),
    })
}

fn value(of: &Cql, item: &Value) -> Result<Option<Value>, String> {
    let found = match of {
        Cql::Property(name) => match &**name {
            "id" | "collection" => item[&**name].clone(),
            name => item["properties"][name].clone(),
        },
        Cql::Text(text) => json!(text),
        Cql::Number(number) => json!(number),
        Cql::Bool(truth) => json!(truth),
        Cql::Timestamp(at) => json!(at.to_rfc3339()),
        other => return Err(format!("not known here: {other:?}")),
    };
    Ok(Some(found).filter(|found| !found.is_null()))
}

fn compare(op: Comparison, left: &Option<Value>, right: &Option<Value>) -> Option<bool> {
    let (left, right) = (left.as_ref()?, right.as_ref()?);
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?)?,
        (Value::String(a), Value::String(b)) => match (instant(a), instant(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
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

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|from| like(&text[from..], rest)),
        Some(('_', rest)) => !text.is_empty() && like(&text[1..], rest),
        Some((letter, rest)) => text.first() == Some(letter) && like(&text[1..], rest),
    }
}

/// By points: the Items of these tests have no other geometry.
pub fn touches(geometry: &geo::Geometry<f64>, item: &Value) -> Option<bool> {
    use geo::Intersects;
    let at = item["geometry"]["coordinates"].as_array()?;
    let point = geo::Point::new(at.first()?.as_f64()?, at.get(1)?.as_f64()?);
    Some(geometry.intersects(&point))
}

/// The Query extension; an unknown operator is what makes the member answer 400.
pub fn query_holds(query: &Value, item: &Value) -> Result<bool, String> {
    for (name, operators) in query.as_object().into_iter().flatten() {
        let own = item["properties"].get(name).cloned().filter(|own| !own.is_null());
        for (operator, operand) in operators.as_object().into_iter().flatten() {
            let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or("\u{0}").to_owned();
            let operand_of = Some(operand.clone());
            let met = match operator.as_str() {
                "eq" => compare(Comparison::Equal, &own, &operand_of) == Some(true),
                "neq" => compare(Comparison::Equal, &own, &operand_of) != Some(true),
                "lt" => compare(Comparison::Less, &own, &operand_of) == Some(true),
                "lte" => compare(Comparison::LessOrEqual, &own, &operand_of) == Some(true),
                "gt" => compare(Comparison::Greater, &own, &operand_of) == Some(true),
                "gte" => compare(Comparison::GreaterOrEqual, &own, &operand_of) == Some(true),
                "startsWith" => text(&own).starts_with(&text(&operand_of)),
                "endsWith" => text(&own).ends_with(&text(&operand_of)),
                "contains" => text(&own).contains(&text(&operand_of)),
                "in" => operand.as_array().is_some_and(|list| own.as_ref().is_some_and(|own| list.contains(own))),
                other => return Err(format!("unknown operator {other}")),
            };
            if !met {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
