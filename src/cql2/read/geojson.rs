//! Geometries of the JSON spelling: GeoJSON (RFC 7946 section 3.1) and `bbox`. A third coordinate is dropped.

use geo::{Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};
use serde_json::{Map, Value};

use crate::cql2::ast::Shape;
use crate::cql2::bounds::Used;
use crate::cql2::wrong::{Wrong, quoted};

use super::shape;

/// `{"bbox": […]}`
pub(super) fn bbox(value: &Value) -> Result<Shape, Wrong> {
    // More than six numbers are as wrong as seven.
    let numbers = value.as_array().map(|list| list.iter().take(7).map(number).collect::<Option<Vec<f64>>>());
    let Some(Some(numbers)) = numbers else {
        return Err(Wrong::new("a `bbox` that is not an array of numbers", "4 or 6 numbers"));
    };
    shape::bbox(numbers)
}

/// An object with a `type`.
pub(super) fn geometry(object: &Map<String, Value>, used: &mut Used) -> Result<Shape, Wrong> {
    let kind = kind(object)?;
    let geometry = if kind == "GeometryCollection" {
        let parts = each(object.get("geometries"), used, |part, used| {
            let object = part.as_object().ok_or_else(|| not_nested("geometries"))?;
            simple(object, used)
        })?;
        Geometry::GeometryCollection(GeometryCollection::from(parts))
    } else {
        simple(object, used)?
    };
    Ok(Shape { geometry, bbox: Vec::new() })
}

fn kind(object: &Map<String, Value>) -> Result<&str, Wrong> {
    object
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| Wrong::new("a geometry without a `type`", shape::GEOMETRIES))
}

/// A geometry that is no collection.
fn simple(object: &Map<String, Value>, used: &mut Used) -> Result<Geometry<f64>, Wrong> {
    let at = object.get("coordinates");
    Ok(match kind(object)? {
        "Point" => Point(position(at.unwrap_or(&Value::Null), used)?).into(),
        "MultiPoint" => MultiPoint::new(each(at, used, |point, used| position(point, used).map(Point))?).into(),
        "LineString" => line(at, used)?.into(),
        "MultiLineString" => MultiLineString::new(each(at, used, |part, used| line(Some(part), used))?).into(),
        "Polygon" => polygon(at, used)?.into(),
        "MultiPolygon" => MultiPolygon::new(each(at, used, |part, used| polygon(Some(part), used))?).into(),
        other => return Err(Wrong::new(format!("a geometry of the type {}", quoted(other)), shape::GEOMETRIES)),
    })
}

/// Every part of an array that is not empty.
fn each<T>(
    list: Option<&Value>,
    used: &mut Used,
    read: impl Fn(&Value, &mut Used) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let list = list.and_then(Value::as_array).ok_or_else(|| not_nested("coordinates"))?;
    if list.is_empty() {
        return Err(shape::empty());
    }
    let mut parts = Vec::new();
    for part in list {
        parts.push(read(part, used)?);
    }
    Ok(parts)
}

fn not_nested(what: &str) -> Wrong {
    Wrong::new(format!("a geometry whose `{what}` are not what its type has"), "GeoJSON geometries")
}

fn line(at: Option<&Value>, used: &mut Used) -> Result<LineString<f64>, Wrong> {
    shape::line(each(at, used, position)?)
}

fn polygon(at: Option<&Value>, used: &mut Used) -> Result<Polygon<f64>, Wrong> {
    shape::polygon(each(at, used, |ring, used| line(Some(ring), used))?)
}

fn position(value: &Value, used: &mut Used) -> Result<Coord<f64>, Wrong> {
    used.vertex()?;
    let list = value.as_array().ok_or_else(|| not_nested("coordinates"))?;
    let numbers: Option<Vec<f64>> = list.iter().take(4).map(number).collect();
    shape::position(&numbers.unwrap_or_default())
}

fn number(value: &Value) -> Option<f64> {
    // One of the two zeros.
    value.as_f64().map(|number| number + 0.0)
}
