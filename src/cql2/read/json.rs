//! The JSON spelling (OGC 21-065r2 clause 8.3 and its schema), and what clients carried over from drafts: operators by
//! words, an operand that is not in an array, `{"casei": …}`.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::cql2::ast::{Edge, Expr, Shape, Value};
use crate::cql2::bounds::{self, Used};
use crate::cql2::names::{self, FUNCTIONS};
use crate::cql2::wrong::{Wrong, quoted};

use super::{build, geojson};

const CONDITIONS: &str = "an object with `op` and `args`, `true` or `false`";
const VALUES: &str = "a text, a number, a boolean, `{\"property\": …}`, `{\"timestamp\": …}`, `{\"date\": …}`, \
    `{\"interval\": […]}`, `{\"bbox\": […]}`, a GeoJSON geometry or arithmetic";

impl Expr {
    /// Reads the JSON spelling.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_json(json: &Json) -> Result<Self, Wrong> {
        bounds::whole(Reader::default().condition(json, 1)?)
    }
}

#[derive(Default)]
struct Reader {
    used: Used,
}

/// An object with `op` and `args`.
struct Call<'a> {
    /// As written, for messages.
    name: &'a str,
    /// In lower case.
    op: String,
    args: &'a [Json],
}

impl<'a> Call<'a> {
    fn of(object: &'a Map<String, Json>) -> Result<Self, Wrong> {
        let name = object.get("op").and_then(Json::as_str);
        let name = name.ok_or_else(|| Wrong::new("an object whose `op` is missing or no text", CONDITIONS))?;
        let args = match object.get("args") {
            Some(Json::Array(args)) => args.as_slice(),
            // Drafts had the operand of `isNull` and `not` bare.
            Some(alone @ Json::Object(_)) => std::slice::from_ref(alone),
            _ => return Err(Wrong::new(format!("{} without an array of `args`", quoted(name)), CONDITIONS)),
        };
        Ok(Self { name, op: name.to_ascii_lowercase(), args })
    }

    fn operands<const N: usize>(&self) -> Result<&'a [Json; N], Wrong> {
        let Ok(operands) = self.args.try_into() else {
            let count = self.args.len();
            let given = format!("{} has {count} operand{}", quoted(self.name), if count == 1 { "" } else { "s" });
            return Err(Wrong::new(given, format!("exactly {N}")));
        };
        Ok(operands)
    }
}

impl Reader {
    fn enter(&mut self, level: usize) -> Result<(), Wrong> {
        self.used.step()?;
        bounds::levels(level)
    }

    fn condition(&mut self, json: &Json, level: usize) -> Result<Expr, Wrong> {
        let Json::Object(object) = json else {
            self.enter(level)?;
            return match json {
                Json::Bool(constant) => Ok(Expr::Constant(*constant)),
                other => Err(Wrong::new(format!("{} where a condition belongs", shown(other)), CONDITIONS)),
            };
        };
        if !object.contains_key("op") && object.contains_key("property") {
            // `property = TRUE` has one level more than the property.
            return build::condition(self.value(json, level + 1)?);
        }
        self.enter(level)?;
        self.called(&Call::of(object)?, level)
    }

    fn called(&mut self, call: &Call<'_>, level: usize) -> Result<Expr, Wrong> {
        match call.op.as_str() {
            "and" | "or" => build::joined(self.conditions(call, level)?, call.op == "or"),
            "not" => {
                let [inner] = call.operands()?;
                Ok(Expr::Not(Box::new(self.condition(inner, level + 1)?)))
            }
            "isnull" => {
                let [value] = call.operands()?;
                build::is_null(self.value(value, level + 1)?)
            }
            "like" => {
                let [value, pattern] = call.operands()?;
                build::like(self.value(value, level + 1)?, self.value(pattern, level + 1)?)
            }
            "between" => self.between(call, level),
            "in" => {
                let [value, list] = call.operands()?;
                let list = list
                    .as_array()
                    .ok_or_else(|| Wrong::new(format!("`in` of {}", shown(list)), "a value and an array of values"))?;
                build::in_list(self.value(value, level + 1)?, self.values(list, level + 1)?)
            }
            op => self.operator(call, op, level),
        }
    }

    /// Comparisons, and what is a function in the text spelling.
    fn operator(&mut self, call: &Call<'_>, op: &str, level: usize) -> Result<Expr, Wrong> {
        if let Some(op) = names::comparison(op) {
            let [left, right] = call.operands()?;
            return build::compare(op, self.value(left, level + 1)?, self.value(right, level + 1)?);
        }
        if let Some(function) = names::function(op) {
            let [left, right] = call.operands()?;
            return build::function(function, self.value(left, level + 1)?, self.value(right, level + 1)?);
        }
        if names::arithmetic(op).is_some() || op == "casei" || op == "accenti" {
            return Err(Wrong::new(format!("{} where a condition belongs", quoted(call.name)), CONDITIONS));
        }
        Err(unknown(call.name))
    }

    /// Drafts had the two ends in an array.
    fn between(&mut self, call: &Call<'_>, level: usize) -> Result<Expr, Wrong> {
        let (value, low, high) = match call.args {
            [value, Json::Array(ends)] if ends.len() == 2 => (value, &ends[0], &ends[1]),
            _ => {
                let [value, low, high] = call.operands()?;
                (value, low, high)
            }
        };
        let value = self.value(value, level + 1)?;
        let expr = build::between(value, self.value(low, level + 1)?, self.value(high, level + 1)?)?;
        // `between` of instants became two conditions.
        if let Expr::And(_) = expr {
            bounds::levels(level + 2)?;
        }
        Ok(expr)
    }

    /// The parts of an `and` or `or`, and those of the same inside it, which are no levels of their own.
    fn conditions(&mut self, call: &Call<'_>, level: usize) -> Result<Vec<Expr>, Wrong> {
        let mut found = Vec::new();
        let mut open = vec![call.args.iter()];
        while let Some(parts) = open.last_mut() {
            let Some(part) = parts.next() else {
                open.pop();
                continue;
            };
            match same(part, &call.op)? {
                Some(inner) => {
                    self.used.step()?;
                    open.push(inner.iter());
                }
                None => found.push(self.condition(part, level + 1)?),
            }
        }
        Ok(found)
    }

    fn values(&mut self, list: &[Json], level: usize) -> Result<Vec<Value>, Wrong> {
        bounds::entries(list.len())?;
        list.iter().map(|json| self.value(json, level)).collect()
    }

    fn value(&mut self, json: &Json, level: usize) -> Result<Value, Wrong> {
        self.enter(level)?;
        match json {
            Json::String(text) => build::text(text),
            Json::Number(number) => number.as_f64().map(build::number).ok_or_else(|| Wrong::new("a number", VALUES)),
            Json::Bool(boolean) => Ok(Value::Bool(*boolean)),
            Json::Array(entries) => build::array(self.values(entries, level + 1)?),
            Json::Object(object) => self.object(object, level),
            Json::Null => Err(Wrong::new("`null`", format!("{VALUES}; `isNull` for what is absent"))),
        }
    }

    fn object(&mut self, object: &Map<String, Json>, level: usize) -> Result<Value, Wrong> {
        if object.contains_key("op") {
            return self.computed(&Call::of(object)?, level);
        }
        if object.contains_key("type") {
            return geojson::geometry(object, &mut self.used).map(geometry);
        }
        let Some((name, inner)) = object.iter().next().filter(|_| object.len() == 1) else {
            return Err(Wrong::new("an object that is no value", VALUES));
        };
        match name.as_str() {
            "property" => build::property(text_of(name, inner)?).map(Value::Property),
            "timestamp" => build::timestamp(text_of(name, inner)?),
            "date" => build::date(text_of(name, inner)?),
            "interval" => interval(inner),
            "bbox" => geojson::bbox(inner).map(geometry),
            "casei" => self.folding(name, inner, Value::CaseI, level),
            "accenti" => self.folding(name, inner, Value::AccentI, level),
            other => Err(Wrong::new(format!("an object with the member {}", quoted(other)), VALUES)),
        }
    }

    /// Arithmetic, `casei` and `accenti`.
    fn computed(&mut self, call: &Call<'_>, level: usize) -> Result<Value, Wrong> {
        match call.op.as_str() {
            "casei" | "accenti" => {
                let [inner] = call.operands()?;
                let fold = if call.op == "casei" { Value::CaseI } else { Value::AccentI };
                return self.folding(&call.op, inner, fold, level);
            }
            "and" | "or" | "not" | "isnull" | "like" | "between" | "in" => {}
            op => {
                if let Some(op) = names::arithmetic(op) {
                    let [left, right] = call.operands()?;
                    return build::arithmetic(op, self.value(left, level + 1)?, self.value(right, level + 1)?);
                }
                if names::comparison(op).is_none() && names::function(op).is_none() {
                    return Err(unknown(call.name));
                }
            }
        }
        Err(Wrong::new(format!("the condition {} where a value belongs", quoted(call.name)), VALUES))
    }

    fn folding(
        &mut self,
        name: &str,
        inner: &Json,
        fold: fn(Box<Value>) -> Value,
        level: usize,
    ) -> Result<Value, Wrong> {
        build::folding(name, self.value(inner, level + 1)?, fold)
    }
}

/// The parts of a condition that is this very `and` or `or`, of two or more.
fn same<'a>(part: &'a Json, op: &str) -> Result<Option<&'a [Json]>, Wrong> {
    let Some(object) = part.as_object().filter(|object| object.contains_key("op")) else { return Ok(None) };
    let inner = Call::of(object)?;
    Ok((inner.op == op && inner.args.len() > 1).then_some(inner.args))
}

fn interval(json: &Json) -> Result<Value, Wrong> {
    let Some([start, end]) = json.as_array().map(Vec::as_slice) else {
        return Err(Wrong::new("an `interval` that is not an array of two", "two times, dates, `..` or properties"));
    };
    build::interval(edge(start)?, edge(end)?)
}

fn edge(json: &Json) -> Result<Edge, Wrong> {
    if let Json::String(text) = json {
        return build::edge(text);
    }
    let member = |name: &str| json.as_object().filter(|object| object.len() == 1).and_then(|object| object.get(name));
    let value = if let Some(name) = member("property") {
        build::property(text_of("property", name)?).map(Value::Property)
    } else if let Some(at) = member("timestamp") {
        build::timestamp(text_of("timestamp", at)?)
    } else if let Some(day) = member("date") {
        build::date(text_of("date", day)?)
    } else {
        let given = format!("{} as an end of an interval", shown(json));
        Err(Wrong::new(given, "an RFC 3339 time, a date, `..` or a property"))
    };
    build::edge_of(value?)
}

fn geometry(shape: Shape) -> Value {
    Value::Geometry(Arc::new(shape))
}

fn text_of<'a>(name: &str, json: &'a Json) -> Result<&'a str, Wrong> {
    json.as_str().ok_or_else(|| Wrong::new(format!("a `{name}` that is {}", shown(json)), "a text"))
}

fn unknown(name: &str) -> Wrong {
    let operators = "`and`, `or`, `not`, `=`, `<>`, `<`, `<=`, `>`, `>=`, `like`, `between`, `in`, `isNull`, `+`, `-`, \
        `*`, `/`, `%`, `div`, `^`";
    Wrong::new(format!("the unknown operator or function {}", quoted(name)), format!("{operators}, {FUNCTIONS}"))
}

/// A JSON value for a message.
fn shown(json: &Json) -> &'static str {
    match json {
        Json::Null => "`null`",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
