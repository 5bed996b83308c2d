//! What is a condition: operands checked as far as they can be without an Item, and turned into the one form that the
//! rest of the broker knows: property on the left, instants as instants.

use crate::cql2::ast::{Arithmetic, Comparison, Edge, Expr, Value};
use crate::cql2::names::{self, Function};
use crate::cql2::wrong::{Wrong, quoted};
use crate::cql2::{bounds, instants};

const SCALARS: &str = "texts, numbers, booleans, instants and properties";

/// What can be known of an operand without an Item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A property: whatever the Item has.
    Any,
    Text,
    Number,
    Bool,
    Instant,
    Interval,
    Geometry,
    Array,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Property(_) => Self::Any,
            Value::Text(_) | Value::CaseI(_) | Value::AccentI(_) => Self::Text,
            Value::Number(_) | Value::Arithmetic { .. } => Self::Number,
            Value::Bool(_) => Self::Bool,
            Value::Timestamp(_) | Value::Date(_) => Self::Instant,
            Value::Interval(_) => Self::Interval,
            Value::Geometry(_) => Self::Geometry,
            Value::Array(_) => Self::Array,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Any => "a property",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Instant => "an instant",
            Self::Interval => "an interval",
            Self::Geometry => "a geometry",
            Self::Array => "an array",
        }
    }

    fn is_scalar(self) -> bool {
        !matches!(self, Self::Interval | Self::Geometry | Self::Array)
    }
}

/// A value that stands for a condition: `TRUE`, `FALSE` or a property that has one of them.
pub(in crate::cql2) fn condition(value: Value) -> Result<Expr, Wrong> {
    match value {
        Value::Bool(constant) => Ok(Expr::Constant(constant)),
        Value::Property(_) => Ok(Expr::Compare { op: Comparison::Equal, left: value, right: Value::Bool(true) }),
        other => Err(Wrong::new(
            format!("{} where a condition belongs", Kind::of(&other).shown()),
            "a comparison, a function that is true or false, `TRUE`, `FALSE` or a property that is boolean",
        )),
    }
}

/// The name without the `properties.` that some clients put before it.
pub(in crate::cql2) fn property(given: &str) -> Result<Box<str>, Wrong> {
    let mut name = given;
    while let Some(rest) = name.strip_prefix("properties.") {
        name = rest;
    }
    let accepted = "names of properties such as `eo:cloud_cover`";
    if name.is_empty() {
        return Err(Wrong::new("an empty name", accepted));
    }
    if name.len() > bounds::NAME_BYTES_MAX {
        let accepted = format!("{accepted}, of at most {} bytes", bounds::NAME_BYTES_MAX);
        return Err(Wrong::new("a name that is too long", accepted));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\'' | '"' | '\\')) {
        let given = format!("the name {} with a quote, backslash or control character", quoted(name));
        return Err(Wrong::new(given, accepted));
    }
    Ok(name.into())
}

pub(in crate::cql2) fn text(given: &str) -> Result<Value, Wrong> {
    if given.len() > bounds::TEXT_BYTES_MAX {
        return Err(Wrong::new("a text that is too long", format!("at most {} bytes", bounds::TEXT_BYTES_MAX)));
    }
    // The others cannot be part of a text in CQL2 (annex B, `character`), and a member's database may fail on them.
    if given.chars().any(|c| c.is_control() && !matches!(c, '\u{7}' | '\u{8}') && !c.is_whitespace()) {
        return Err(Wrong::new(format!("the text {} with a control character", quoted(given)), "printable texts"));
    }
    Ok(Value::Text(given.into()))
}

pub(in crate::cql2) fn number(given: f64) -> Value {
    // One of the two zeros.
    Value::Number(given + 0.0)
}

/// A boolean pair of AND or OR; a single part stands for itself, and those of the same kind inside it become one with
/// it: programs nest them in pairs.
pub(in crate::cql2) fn joined(parts: Vec<Expr>, or: bool) -> Result<Expr, Wrong> {
    if parts.is_empty() {
        return Err(Wrong::new("`and` or `or` of nothing", "two conditions or more"));
    }
    Ok(if or { Expr::or(parts) } else { Expr::and(parts) })
}

pub(in crate::cql2) fn compare(op: Comparison, left: Value, right: Value) -> Result<Expr, Wrong> {
    let mut operands = [left, right];
    as_instants(&mut operands)?;
    let sign = op.name();
    let [left, right] = operands;
    scalars(sign, [&left, &right].into_iter())?;
    if right.names_property() && !left.names_property() {
        return Ok(Expr::Compare { op: op.mirrored(), left: right, right: left });
    }
    Ok(Expr::Compare { op, left, right })
}

pub(in crate::cql2) fn between(value: Value, low: Value, high: Value) -> Result<Expr, Wrong> {
    let mut operands = [value, low, high];
    as_instants(&mut operands)?;
    scalars("between", operands.iter())?;
    let known = operands.iter().map(Kind::of).find(|kind| *kind != Kind::Any);
    let [value, low, high] = operands;
    match known {
        Some(Kind::Bool) => Err(Wrong::new("`between` of a boolean", "numbers, instants, texts and properties")),
        None | Some(Kind::Number) => Ok(Expr::Between { value, low, high }),
        // The standard has BETWEEN for numbers only; members understand this whatever they have.
        Some(_) => Ok(Expr::And(vec![
            compare(Comparison::GreaterOrEqual, value.clone(), low)?,
            compare(Comparison::LessOrEqual, value, high)?,
        ])),
    }
}

/// Nothing is in an empty list, whatever the value is.
pub(in crate::cql2) fn in_list(value: Value, list: Vec<Value>) -> Result<Expr, Wrong> {
    let mut operands = list;
    operands.insert(0, value);
    as_instants(&mut operands)?;
    scalars("in", operands.iter())?;
    let value = operands.remove(0);
    if operands.is_empty() {
        return Ok(Expr::Constant(false));
    }
    Ok(Expr::In { value, list: operands })
}

pub(in crate::cql2) fn like(value: Value, pattern: Value) -> Result<Expr, Wrong> {
    let kind = Kind::of(&value);
    if !matches!(kind, Kind::Any | Kind::Text) {
        return Err(Wrong::new(format!("`like` of {}", kind.shown()), "a text or a property before `like`"));
    }
    let mut literal = &pattern;
    while let Value::CaseI(inner) | Value::AccentI(inner) = literal {
        literal = inner;
    }
    if !matches!(literal, Value::Text(_)) {
        let given = format!("{} as the pattern of `like`", Kind::of(literal).shown());
        return Err(Wrong::new(given, "a text, or `casei` or `accenti` of one"));
    }
    Ok(Expr::Like { value, pattern })
}

pub(in crate::cql2) fn is_null(value: Value) -> Result<Expr, Wrong> {
    if Kind::of(&value) == Kind::Array {
        return Err(Wrong::new("`isNull` of an array", "a property"));
    }
    Ok(Expr::IsNull(value))
}

/// `CASEI` and `ACCENTI`.
pub(in crate::cql2) fn folding(name: &str, value: Value, fold: fn(Box<Value>) -> Value) -> Result<Value, Wrong> {
    match Kind::of(&value) {
        Kind::Any | Kind::Text => Ok(fold(Box::new(value))),
        kind => Err(Wrong::new(format!("`{name}` of {}", kind.shown()), "a text or a property")),
    }
}

pub(in crate::cql2) fn arithmetic(op: Arithmetic, left: Value, right: Value) -> Result<Value, Wrong> {
    for operand in [&left, &right] {
        let kind = Kind::of(operand);
        if !matches!(kind, Kind::Any | Kind::Number) {
            let given = format!("`{}` of {}", op.name(), kind.shown());
            return Err(Wrong::new(given, "numbers and properties; a name with a hyphen stands in double quotes"));
        }
    }
    Ok(Value::Arithmetic { op, left: Box::new(left), right: Box::new(right) })
}

pub(in crate::cql2) fn array(entries: Vec<Value>) -> Result<Value, Wrong> {
    bounds::entries(entries.len())?;
    match entries.iter().map(Kind::of).find(|kind| !kind.is_scalar()) {
        Some(kind) => Err(Wrong::new(format!("{} in an array", kind.shown()), SCALARS)),
        None => Ok(Value::Array(entries)),
    }
}

/// A condition of two operands that is written as a call.
pub(in crate::cql2) fn function(function: Function, left: Value, right: Value) -> Result<Expr, Wrong> {
    let mut operands = [left, right];
    let (name, accepted) = match function {
        Function::Spatial(op) => (op.name(), "geometries and properties that are geometries"),
        Function::Temporal(op) => (op.name(), "instants, intervals and properties that are instants"),
        Function::Array(op) => (op.name(), "arrays and properties that are arrays"),
    };
    if let Function::Temporal(_) = function {
        for operand in &mut operands {
            as_instant(operand);
        }
    }
    for operand in &operands {
        let kind = Kind::of(operand);
        let fits = match function {
            Function::Spatial(_) => kind == Kind::Geometry,
            Function::Temporal(_) => matches!(kind, Kind::Instant | Kind::Interval),
            Function::Array(_) => kind == Kind::Array,
        };
        if !fits && kind != Kind::Any {
            return Err(Wrong::new(format!("`{name}` of {}", kind.shown()), accepted));
        }
    }
    let mirrored = operands[1].names_property() && !operands[0].names_property();
    if mirrored {
        operands.reverse();
    }
    let [left, right] = operands;
    Ok(match function {
        Function::Spatial(op) => Expr::Spatial { op: if mirrored { op.mirrored() } else { op }, left, right },
        Function::Temporal(op) => Expr::Temporal { op: if mirrored { op.mirrored() } else { op }, left, right },
        Function::Array(op) => Expr::Array { op: if mirrored { op.mirrored() } else { op }, left, right },
    })
}

pub(in crate::cql2) fn timestamp(given: &str) -> Result<Value, Wrong> {
    instants::timestamp(given).map(Value::Timestamp).ok_or_else(|| {
        Wrong::new(format!("the timestamp {}", quoted(given)), "an RFC 3339 time such as `2024-05-01T00:00:00Z`")
    })
}

pub(in crate::cql2) fn date(given: &str) -> Result<Value, Wrong> {
    let date = instants::date(given).map(Value::Date);
    date.ok_or_else(|| Wrong::new(format!("the date {}", quoted(given)), "a date such as `2024-05-01`"))
}

/// An end of an interval that is written as text.
pub(in crate::cql2) fn edge(given: &str) -> Result<Edge, Wrong> {
    if given == ".." {
        return Ok(Edge::Open);
    }
    let timestamp = instants::timestamp(given).map(Edge::Timestamp);
    timestamp.or_else(|| instants::date(given).map(Edge::Date)).ok_or_else(|| {
        let given = format!("{} as an end of an interval", quoted(given));
        Wrong::new(given, "an RFC 3339 time, a date, `..` or a property")
    })
}

/// An end of an interval that is written as a value.
pub(in crate::cql2) fn edge_of(value: Value) -> Result<Edge, Wrong> {
    match value {
        Value::Property(name) => Ok(Edge::Property(name)),
        Value::Timestamp(at) => Ok(Edge::Timestamp(at)),
        Value::Date(day) => Ok(Edge::Date(day)),
        Value::Text(text) => edge(&text),
        other => {
            let given = format!("{} as an end of an interval", Kind::of(&other).shown());
            Err(Wrong::new(given, "an RFC 3339 time, a date, `..` or a property"))
        }
    }
}

pub(in crate::cql2) fn interval(start: Edge, end: Edge) -> Result<Value, Wrong> {
    let first = match &start {
        Edge::Timestamp(at) => Some(at.naive_utc()),
        Edge::Date(day) => day.and_hms_opt(0, 0, 0),
        Edge::Open | Edge::Property(_) => None,
    };
    let last = match &end {
        Edge::Timestamp(at) => Some(at.naive_utc()),
        Edge::Date(day) => day.and_hms_nano_opt(23, 59, 59, 999_999_999),
        Edge::Open | Edge::Property(_) => None,
    };
    match (first, last) {
        (Some(first), Some(last)) if first > last => {
            Err(Wrong::new("an interval whose start is after its end", "a start that is not after the end"))
        }
        _ => Ok(Value::Interval(Box::new([start, end]))),
    }
}

/// Operands that can be compared, all of one kind as far as it is known.
fn scalars<'a>(name: &str, operands: impl Iterator<Item = &'a Value>) -> Result<(), Wrong> {
    let mut known: Option<Kind> = None;
    for kind in operands.map(Kind::of) {
        if !kind.is_scalar() {
            let given = format!("`{name}` of {}", kind.shown());
            return Err(Wrong::new(given, format!("{SCALARS}; `s_…`, `t_…` and `a_…` for the others")));
        }
        if kind == Kind::Any {
            continue;
        }
        match known {
            Some(first) if first != kind => {
                let given = format!("`{name}` of {} and {}", first.shown(), kind.shown());
                return Err(Wrong::new(given, "operands of one kind"));
            }
            _ => known = Some(kind),
        }
    }
    Ok(())
}

/// Texts beside a property that STAC defines to be an instant are instants: clients write them so. Any other literal
/// beside one would select nothing of anything, and whoever wrote it would not learn why.
fn as_instants(operands: &mut [Value]) -> Result<(), Wrong> {
    let instant = |operand: &Value| match operand {
        Value::Property(name) if names::is_instant(name) => Some(name.clone()),
        _ => None,
    };
    let Some(property) = operands.iter().find_map(instant) else { return Ok(()) };
    for operand in operands {
        as_instant(operand);
        let given = match (&*operand, Kind::of(operand)) {
            (_, Kind::Any | Kind::Instant | Kind::Interval | Kind::Geometry | Kind::Array) => continue,
            (Value::Text(text), _) => quoted(text),
            (Value::Number(number), _) => format!("`{number}`"),
            (_, kind) => kind.shown().to_owned(),
        };
        let given = format!("{given} beside {}, which is an instant", quoted(&property));
        return Err(Wrong::new(
            given,
            "an RFC 3339 time such as `2024-05-01T00:00:00Z`, or a date such as `2024-05-01`",
        ));
    }
    Ok(())
}

fn as_instant(operand: &mut Value) {
    let Value::Text(text) = operand else { return };
    if let Some(at) = instants::timestamp(text) {
        *operand = Value::Timestamp(at);
    } else if let Some(day) = instants::date(text) {
        *operand = Value::Date(day);
    }
}
