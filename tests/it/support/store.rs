//! The Items of a scripted member, read once: their text, and what a member filters and sorts by.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use stac_broker::cql2::Expr;

use super::condition;

/// One Item.
pub struct Doc {
    /// As it is written.
    pub text: String,
    pub id: String,
    pub collection: String,
    /// From and to, in microseconds.
    pub time: Option<(i64, i64)>,
    pub bbox: Option<Vec<f64>>,
    pub value: Value,
}

/// Fields to sort by, each with whether it is descending.
type Keys = Vec<(String, bool)>;

/// All of them, in the member's own order.
pub struct Store {
    pub docs: Vec<Doc>,
    orders: Mutex<HashMap<Keys, Arc<Vec<usize>>>>,
    /// Where Items without a property stand that they are sorted by: at the other end.
    nulls_are_large: bool,
}

impl Doc {
    fn new(text: String, value: Value) -> Self {
        let time = |field: &str| instant(value["properties"][field].as_str()?);
        let span = || Some((time("start_datetime")?, time("end_datetime").or_else(|| time("start_datetime"))?));
        Self {
            time: time("datetime").map(|at| (at, at)).or_else(span),
            id: value["id"].as_str().unwrap_or_default().to_owned(),
            collection: value["collection"].as_str().unwrap_or_default().to_owned(),
            bbox: value["bbox"].as_array().map(|list| list.iter().filter_map(Value::as_f64).collect()),
            text,
            value,
        }
    }

    fn lacks(&self, field: &str) -> bool {
        let property = field.strip_prefix("properties.").unwrap_or(field);
        !matches!(property, "id" | "collection" | "datetime") && self.value["properties"][property].is_null()
    }

    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "datetime" | "properties.datetime" => self.time.map(|time| time.0).cmp(&other.time.map(|time| time.0)),
            "id" => self.id.cmp(&other.id),
            "collection" => self.collection.cmp(&other.collection),
            field => {
                let name = field.strip_prefix("properties.").unwrap_or(field);
                let value = |doc: &Self| doc.value["properties"][name].clone();
                scalars(&value(self), &value(other))
            }
        }
    }
}

/// Numbers, and texts by bytes; what is neither comes first, and so last where the order is turned.
fn scalars(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

impl Store {
    pub fn new(items: &[Value], documents: &[String], nulls_are_large: bool) -> Self {
        let items = items.iter().map(|item| Doc::new(item.to_string(), item.clone()));
        let parsed = |text: &String| serde_json::from_str(text).unwrap_or_default();
        let documents = documents.iter().map(|text| Doc::new(text.clone(), parsed(text)));
        Self { docs: items.chain(documents).collect(), orders: Mutex::default(), nulls_are_large }
    }

    /// The indices of all Items in this order.
    pub fn order(&self, keys: Keys) -> Arc<Vec<usize>> {
        let mut orders = self.orders.lock().unwrap();
        let sorted = || {
            let mut all: Vec<usize> = (0..self.docs.len()).collect();
            for (field, down) in keys.iter().rev() {
                all.sort_by(|a, b| {
                    let (a, b) = (&self.docs[*a], &self.docs[*b]);
                    let lacks = |doc: &Doc| self.nulls_are_large && doc.lacks(field);
                    let order = lacks(a).cmp(&lacks(b)).then_with(|| a.compare(b, field));
                    if *down { order.reverse() } else { order }
                });
            }
            Arc::new(all)
        };
        if let Some(known) = orders.get(&keys) {
            return known.clone();
        }
        let made = sorted();
        orders.insert(keys, made.clone());
        made
    }
}

/// The conditions of a search, as a member reads them.
#[derive(Default)]
pub struct Conditions {
    collections: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    interval: Option<(i64, i64)>,
    bbox: Option<Vec<f64>>,
    pub intersects: Option<geo::Geometry<f64>>,
    pub filter: Option<Expr>,
    pub query: Option<Value>,
}

impl Conditions {
    pub fn of(asked: &Map<String, Value>) -> Self {
        let numbers = |value: &Value| match value {
            Value::Array(list) => list.iter().filter_map(Value::as_f64).collect(),
            value => value.as_str().unwrap_or_default().split(',').filter_map(|part| part.parse().ok()).collect(),
        };
        Self {
            collections: list(asked.get("collections")),
            ids: list(asked.get("ids")),
            interval: asked.get("datetime").and_then(Value::as_str).map(|text| {
                let (start, end) = text.split_once('/').unwrap_or((text, text));
                (instant(start).unwrap_or(i64::MIN), instant(end).unwrap_or(i64::MAX))
            }),
            bbox: asked.get("bbox").map(numbers),
            intersects: asked.get("intersects").and_then(drawn),
            filter: None,
            query: None,
        }
    }

    /// Whether the Item meets the parts of the condition that this member understands.
    fn meets(&self, doc: &Doc) -> bool {
        let filter = |expr: &Expr| condition::holds(expr, &doc.value) == Ok(Some(true));
        let query = |query: &Value| condition::query_holds(query, &doc.value) == Ok(true);
        self.filter.as_ref().is_none_or(filter) && self.query.as_ref().is_none_or(query)
    }

    pub fn hold(&self, doc: &Doc) -> bool {
        let one_of = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|one| one == value))
        };
        one_of(&self.collections, &doc.collection)
            && one_of(&self.ids, &doc.id)
            && self.interval.is_none_or(|(from, to)| doc.time.is_some_and(|(start, end)| start <= to && from <= end))
            && self.bbox.as_ref().is_none_or(|asked| doc.bbox.as_ref().is_some_and(|own| touch(asked, own)))
            && self.intersects.as_ref().is_none_or(|asked| condition::touches(asked, &doc.value) == Some(true))
            && self.meets(doc)
    }
}

/// A geometry, as text or object.
fn drawn(asked: &Value) -> Option<geo::Geometry<f64>> {
    let parsed = asked.as_str().and_then(|text| serde_json::from_str(text).ok());
    let geometry: geojson::Geometry = serde_json::from_value(parsed.unwrap_or_else(|| asked.clone())).ok()?;
    geo::Geometry::try_from(geometry).ok()
}

/// Boxes of four numbers.
fn touch(a: &[f64], b: &[f64]) -> bool {
    let [aw, as_, ae, an] = *a else { return true };
    let [bw, bs, be, bn] = *b else { return true };
    let wide = if aw > ae { aw <= be || bw <= ae } else { aw <= be && bw <= ae };
    wide && as_ <= bn && bs <= an
}

/// Microseconds since 1970.
pub fn instant(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_micros())
}

/// A list given as JSON array or as text with commas.
fn list(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::Array(values) => {
            Some(values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect())
        }
        value => Some(value.as_str()?.split(',').map(str::to_owned).collect()),
    }
}
