//! What holds of what: known answers, an independent oracle on generated conditions, laws, and hostile subjects.

mod answers;
mod classes;
mod generate;
mod hostile;
mod laws;
mod oracle;
mod places;

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use geo::Geometry;
use serde_json::Value as Json;

use crate::cql2::generate::{ARITHMETIC, ARRAY as ARRAYS, COMPARISONS, SPATIAL, TEMPORAL};
use crate::cql2::{Arithmetic, ArrayOp, Comparison, Edge, Expr, Shape, SpatialOp, Subject, TemporalOp, Value, times};

/// A subject that is a whole document in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) item: Json,
    /// Properties by their JSON text, good or bad, instead of the document's own.
    pub(crate) raw: BTreeMap<String, String>,
    /// The geometry, instead of the document's own.
    pub(crate) drawn: Option<Geometry<f64>>,
}

impl Document {
    pub(crate) fn of(item: Json) -> Self {
        Self { item, ..Self::default() }
    }

    pub(crate) fn with(properties: impl Into<Json>) -> Self {
        let properties: Json = properties.into();
        Self::of(serde_json::json!({ "id": "i", "collection": "c", "geometry": null, "properties": properties }))
    }

    pub(crate) fn value(&self, property: &str) -> Option<&Json> {
        match property {
            "id" | "collection" | "geometry" | "bbox" => self.item.get(property),
            _ => self.item.get("properties")?.get(property),
        }
    }
}

impl Subject for Document {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        if let Some(raw) = self.raw.get(property) {
            return Some(Cow::Borrowed(raw));
        }
        self.value(property).map(|value| Cow::Owned(value.to_string()))
    }

    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>> {
        if property != "geometry" {
            return None;
        }
        if let Some(drawn) = &self.drawn {
            return Some(Cow::Borrowed(drawn));
        }
        let geometry = serde_json::from_value::<geojson::Geometry>(self.value(property)?.clone()).ok()?;
        Geometry::try_from(geometry).ok().map(Cow::Owned)
    }
}

fn prop(name: &str) -> Value {
    Value::Property(name.into())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

fn time(text: &str) -> DateTime<Utc> {
    times::parse(text.as_bytes()).unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(time(text))
}

/// An interval of `..`, dates, times and properties.
fn interval(start: &str, end: &str) -> Value {
    let edge = |text: &str| match text {
        ".." => Edge::Open,
        _ if text.len() == 10 && text.starts_with('2') => Edge::Date(date(text)),
        _ if text.starts_with('2') => Edge::Timestamp(time(text)),
        _ => Edge::Property(text.into()),
    };
    Value::Interval(Box::new([edge(start), edge(end)]))
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect())
}

fn shape(geometry: impl Into<Geometry<f64>>) -> Value {
    Value::Geometry(std::sync::Arc::new(Shape { geometry: geometry.into(), bbox: Vec::new() }))
}

fn compare(left: Value, op: Comparison, right: Value) -> Expr {
    Expr::Compare { op, left, right }
}

fn equal(left: Value, right: Value) -> Expr {
    compare(left, Comparison::Equal, right)
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn spatial(op: SpatialOp, left: Value, right: Value) -> Expr {
    Expr::Spatial { op, left, right }
}

fn temporal(op: TemporalOp, left: Value, right: Value) -> Expr {
    Expr::Temporal { op, left, right }
}

fn array(op: ArrayOp, left: Value, right: Value) -> Expr {
    Expr::Array { op, left, right }
}

fn arithmetic(left: Value, op: Arithmetic, right: Value) -> Value {
    Value::Arithmetic { op, left: Box::new(left), right: Box::new(right) }
}
