//! The Query extension of STAC API: read as CQL2, and CQL2 written as it where nothing of the meaning is lost.
//!
//! The extension does not say what its operators mean for an Item without the property, nor how texts are ordered.
//! Here they mean what CQL2 means: absent matches nothing. Servers differ in this, so [`write()`] gives only what they
//! agree on: no `neq`, no order of texts.

use serde_json::{Map, Value as Json, json};

use super::ast::{ArrayOp, Comparison, Expr, Value};
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
            used.step()?;
            let part = condition(&property, operator, operand, &mut used);
            parts
                .push(part.map_err(|wrong| Wrong { given: format!("{} for {}", wrong.given, quoted(name)), ..wrong })?);
        }
    }
    bounds::whole(Expr::and(parts))
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
        // Of a text a part of it, of an array one of its entries: whichever the property is, the other is unknown.
        "contains" => Ok(Expr::or(vec![like("%", "%")?, entry(property, operand)?])),
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

/// That the property is an array with this text in it.
fn entry(property: &Value, operand: &Json) -> Result<Expr, Wrong> {
    let entries = build::array(vec![build::text(operand.as_str().unwrap_or_default())?])?;
    build::function(names::Function::Array(ArrayOp::Contains), property.clone(), entries)
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
        used.step()?;
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
            let both = match operators.get(operator) {
                Some(before) => narrower(operator, before, &operand)?,
                None => operand,
            };
            operators.insert(operator.to_owned(), both);
        }
    }
    Some(Json::Object(query))
}

/// Of two bounds on one number the one that says both.
fn narrower(operator: &str, one: &Json, other: &Json) -> Option<Json> {
    let (a, b) = (one.as_f64()?, other.as_f64()?);
    let first = match operator {
        "lt" | "lte" => a <= b,
        "gt" | "gte" => a >= b,
        _ => return None,
    };
    Some(if first { one.clone() } else { other.clone() })
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

#[cfg(test)]
mod tests {
    use super::super::generate::Thing;
    use super::*;

    fn text(query: &Json) -> String {
        read(query).unwrap_or_else(|wrong| panic!("{query}: {wrong}")).to_text()
    }

    #[test]
    fn operators_are_read_as_cql2() {
        for (query, meant) in [
            (json!({}), "TRUE"),
            (json!({"gsd": {}}), "TRUE"),
            (json!({"gsd": {"eq": 10}}), "gsd = 10"),
            (json!({"properties.gsd": {"neq": 10}}), "gsd <> 10"),
            (json!({"gsd": {"lt": 1, "gte": 0.5}}), "gsd < 1 AND gsd >= 0.5"),
            (json!({"gsd": {"lte": 1}, "platform": {"eq": "x"}}), "gsd <= 1 AND platform = 'x'"),
            (json!({"gsd": {"gt": -1e3}}), "gsd > -1000"),
            (json!({"gsd": {"eq": "10"}}), "gsd = '10' OR gsd = 10"),
            (json!({"gsd": {"neq": "10"}}), "gsd <> '10' OR gsd <> 10"),
            (json!({"gsd": {"lt": "-1.5e1"}, "a": {"eq": "+1"}}), "(gsd < '-1.5e1' OR gsd < -15) AND a = '+1'"),
            (json!({"gsd": {"eq": "007"}}), "gsd = '007'"),
            (json!({"gsd": {"eq": "1e999"}}), "gsd = '1e999'"),
            (json!({"gsd": {"eq": "NaN"}}), "gsd = 'NaN'"),
            (json!({"deprecated": {"eq": true}}), "deprecated = TRUE"),
            (json!({"gsd": {"eq": null}, "a": {"neq": null}}), "gsd IS NULL AND a IS NOT NULL"),
            (json!({"platform": {"startsWith": "50%_\\"}}), r"platform LIKE '50\%\_\\\%'"),
            (json!({"platform": {"endsWith": "a"}}), "platform LIKE '%a'"),
            (json!({"platform": {"contains": "'"}}), "platform LIKE '%''%' OR A_CONTAINS(platform, (''''))"),
            (json!({"platform": {"in": ["a", "b"]}}), "platform IN ('a', 'b')"),
            (json!({"gsd": {"in": [1, 2]}}), "gsd IN (1, 2)"),
            (json!({"gsd": {"in": ["1", "x", 2, true]}}), "gsd IN ('1', 'x') OR gsd IN (1, 2) OR gsd IN (TRUE)"),
            (json!({"gsd": {"in": []}}), "FALSE"),
            (json!({"datetime": {"gte": "2020-01-01T00:00:00Z"}}), "datetime >= TIMESTAMP('2020-01-01T00:00:00Z')"),
            (json!({"created": {"lt": "2020-01-01"}}), "created < DATE('2020-01-01')"),
        ] {
            assert_eq!(text(&query), meant, "{query}");
            assert_eq!(Expr::from_text(meant), read(&query), "{query}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for (query, says) in [
            (json!([]), "no object; accepted: an object of properties") as (Json, &str),
            (json!("x"), "no object"),
            (json!({"gsd": 10}), "no object of operators for `gsd`"),
            (json!({"gsd": {"is": 10}}), "the unknown operator `is` for `gsd`; accepted: `eq`, `neq`"),
            (json!({"gsd": {"EQ": 10}}), "the unknown operator `EQ` for `gsd`"),
            (json!({"": {"eq": 10}}), "an empty name"),
            (json!({"gsd": {"eq": []}}), "an operand that is no text, number or boolean for `gsd`"),
            (json!({"gsd": {"lt": null}}), "an operand that is no text, number or boolean"),
            (json!({"gsd": {"lt": true}}), "an order of booleans"),
            (json!({"gsd": {"in": 5}}), "no array as `in`"),
            (json!({"gsd": {"in": [null]}}), "an operand that is no text"),
            (json!({"gsd": {"in": vec![1; 2_001]}}), "more than 2000 entries in a list"),
            (json!({"gsd": {"startsWith": 5}}), "no text as `startsWith`"),
            (json!({"gsd": {"contains": "x\u{0}"}}), "control character"),
        ] {
            let wrong = read(&query).unwrap_err().to_string();
            assert!(wrong.starts_with("wrong: ") && wrong.contains(says), "{query}: {wrong}");
        }
    }

    #[test]
    fn contains_finds_an_entry_of_an_array_and_a_part_of_a_text() {
        let query = json!({"instruments": {"contains": "olci"}});
        let expr = read(&query).unwrap();
        for (value, holds) in [
            (json!(["slstr", "olci"]), true),
            (json!(["slstr", "olci-2"]), false),
            (json!([]), false),
            (json!("the olci instrument"), true),
            (json!("slstr"), false),
            (json!(5), false),
            (json!(null), false),
        ] {
            assert_eq!(expr.holds(&Thing::of(&[("instruments", value.clone())])) == Some(true), holds, "{value}");
        }
        // Servers differ in which of the two they mean.
        assert_eq!(write(&expr), None);
    }

    #[test]
    fn an_unreadable_time_is_refused_by_query_too() {
        for operand in [json!({"gt": "2025"}), json!({"in": ["2025-01-01", "x"]}), json!({"eq": 5})] {
            let wrong = read(&json!({"datetime": operand})).unwrap_err().to_string();
            assert!(wrong.contains("beside `datetime`, which is an instant"), "{operand}: {wrong}");
        }
    }

    #[test]
    fn a_text_that_reads_as_a_number_compares_with_both() {
        for (operator, of) in [
            ("eq", [(json!(10), true), (json!("10"), true), (json!(9), false), (json!("x"), false)]),
            ("neq", [(json!(10), false), (json!("10"), false), (json!(9), true), (json!("x"), true)]),
            ("lt", [(json!(9), true), (json!(10), false), (json!(100), false), (json!(-1), true)]),
            ("gte", [(json!(9), false), (json!(10), true), (json!(100), true), (json!(true), false)]),
        ] {
            let expr = read(&json!({"gsd": {operator: "10"}})).unwrap();
            for (value, holds) in of {
                assert_eq!(
                    expr.holds(&Thing::of(&[("gsd", value.clone())])) == Some(true),
                    holds,
                    "{operator} {value}"
                );
            }
            assert_ne!(expr.holds(&Thing::of(&[])), Some(true), "{operator} of an absent property");
            assert_ne!(expr.holds(&Thing::of(&[("gsd", json!(null))])), Some(true), "{operator} of null");
        }
    }

    #[test]
    fn two_bounds_on_one_number_are_said_as_the_narrower() {
        for (text, query) in [
            ("gsd < 1 AND gsd < 2", json!({"gsd": {"lt": 1}})),
            ("gsd <= 2 AND gsd <= 1.5 AND gsd > 1", json!({"gsd": {"lte": 1.5, "gt": 1}})),
            ("gsd >= 1 AND gsd BETWEEN 2 AND 3", json!({"gsd": {"gte": 2, "lte": 3}})),
        ] {
            assert_eq!(write(&Expr::from_text(text).unwrap()), Some(query), "{text}");
        }
        assert_eq!(write(&Expr::from_text("platform > 'a' AND platform > 'b'").unwrap()), None);
    }

    #[test]
    fn what_servers_agree_on_is_written_and_reads_back_equal() {
        for (text, query) in [
            ("gsd = 10", json!({"gsd": {"eq": 10}})),
            ("gsd > 1 AND (gsd <= 2 AND platform = 'x')", json!({"gsd": {"gt": 1, "lte": 2}, "platform": {"eq": "x"}})),
            ("deprecated", json!({"deprecated": {"eq": true}})),
            ("gsd BETWEEN 1 AND 2.5", json!({"gsd": {"gte": 1, "lte": 2.5}})),
            (
                "platform IN ('a', 'b') AND gsd IN (1, 2)",
                json!({"platform": {"in": ["a", "b"]}, "gsd": {"in": [1, 2]}}),
            ),
            ("platform LIKE 'a%'", json!({"platform": {"startsWith": "a"}})),
            ("platform LIKE '%a' AND b LIKE '%a%'", json!({"platform": {"endsWith": "a"}, "b": {"contains": "a"}})),
            ("datetime < '2020-01-01T00:00:00Z'", json!({"datetime": {"lt": "2020-01-01T00:00:00Z"}})),
        ] {
            let expr = Expr::from_text(text).unwrap();
            assert_eq!(write(&expr), Some(query.clone()), "{text}");
            let again = read(&query).unwrap();
            for value in [json!(1), json!(1.5), json!(3), json!("a"), json!("xa"), json!("x"), json!(true), json!(null)]
            {
                let names = ["gsd", "platform", "deprecated", "b", "datetime"].map(|name| (name, value.clone()));
                let thing = Thing::of(&names);
                assert_eq!(again.holds(&thing) == Some(true), expr.holds(&thing) == Some(true), "{text} on {value}");
            }
        }
    }

    #[test]
    fn what_servers_disagree_on_is_not_written() {
        for text in [
            "gsd <> 10",
            "NOT (gsd = 10)",
            "gsd = 1 OR gsd = 2",
            "gsd IS NULL",
            "gsd = '10'",
            "platform < 'x'",
            "gsd IN ('1', 'x')",
            "gsd = 1 AND gsd = 2",
            "id = 'x'",
            "collection IN ('x')",
            "created < '2020-01-01T00:00:00Z'",
            "datetime < DATE('2020-01-01')",
            "a = b",
            "a + 1 = 2",
            "CASEI(a) = 'x'",
            "a LIKE 'x'",
            "a LIKE '%'",
            "a LIKE '%%'",
            "a LIKE 'a_b%'",
            r"a LIKE 'a\%%'",
            "a LIKE 'a*%'",
            "a LIKE CASEI('x%')",
            "S_INTERSECTS(geometry, POINT(1 2))",
            "TRUE OR gsd = 1",
        ] {
            assert_eq!(write(&Expr::from_text(text).unwrap()), None, "{text}");
        }
    }
}
