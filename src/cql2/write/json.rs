//! The JSON spelling.

use geo::{Coord, Geometry, LineString, Polygon};
use serde_json::{Map, Value as Json, json};

use crate::cql2::ast::{Edge, Expr, Shape, Value};
use crate::cql2::instants;

use super::number;

impl Expr {
    /// The condition in CQL2 JSON; it reads back to an equal one.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Expr::Constant(constant) => json!(constant),
            Expr::And(parts) => call("and", parts.iter().map(Expr::to_json).collect()),
            Expr::Or(parts) => call("or", parts.iter().map(Expr::to_json).collect()),
            Expr::Not(inner) => call("not", vec![inner.to_json()]),
            Expr::Compare { op, left, right } => call(op.name(), vec![value(left), value(right)]),
            Expr::Between { value: operand, low, high } => {
                call("between", vec![value(operand), value(low), value(high)])
            }
            Expr::In { value: operand, list } => call("in", vec![value(operand), entries(list)]),
            Expr::Like { value: operand, pattern } => call("like", vec![value(operand), value(pattern)]),
            Expr::IsNull(operand) => call("isNull", vec![value(operand)]),
            Expr::Spatial { op, left, right } => call(op.name(), vec![value(left), value(right)]),
            Expr::Temporal { op, left, right } => call(op.name(), vec![value(left), value(right)]),
            Expr::Array { op, left, right } => call(op.name(), vec![value(left), value(right)]),
        }
    }
}

impl Shape {
    /// The geometry as GeoJSON, a `BBOX` as the polygons it means.
    #[must_use]
    pub fn to_geojson(&self) -> Json {
        geometry(&self.geometry)
    }
}

fn call(op: &str, args: Vec<Json>) -> Json {
    let mut object = Map::new();
    object.insert("op".to_owned(), op.into());
    object.insert("args".to_owned(), Json::Array(args));
    Json::Object(object)
}

fn value(whole: &Value) -> Json {
    match whole {
        Value::Property(name) => json!({"property": name}),
        Value::Text(text) => json!(text),
        Value::Number(value) => Json::Number(number(*value)),
        Value::Bool(constant) => json!(constant),
        Value::Timestamp(at) => json!({"timestamp": instants::timestamp_text(*at)}),
        Value::Date(day) => json!({"date": instants::date_text(*day)}),
        Value::Interval(edges) => json!({"interval": edges.iter().map(edge).collect::<Vec<Json>>()}),
        Value::Geometry(shape) if shape.bbox.is_empty() => shape.to_geojson(),
        Value::Geometry(shape) => json!({"bbox": numbers(&shape.bbox)}),
        Value::Array(list) => entries(list),
        Value::Arithmetic { op, left, right } => call(op.name(), vec![value(left), value(right)]),
        Value::CaseI(inner) => call("casei", vec![value(inner)]),
        Value::AccentI(inner) => call("accenti", vec![value(inner)]),
    }
}

fn entries(list: &[Value]) -> Json {
    Json::Array(list.iter().map(value).collect())
}

fn edge(whole: &Edge) -> Json {
    match whole {
        Edge::Open => json!(".."),
        Edge::Timestamp(at) => json!(instants::timestamp_text(*at)),
        Edge::Date(day) => json!(instants::date_text(*day)),
        Edge::Property(name) => json!({"property": name}),
    }
}

fn geometry(whole: &Geometry<f64>) -> Json {
    let (kind, coordinates) = match whole {
        Geometry::Point(point) => ("Point", position(&point.0)),
        Geometry::LineString(whole) => ("LineString", line(whole)),
        Geometry::Polygon(whole) => ("Polygon", polygon(whole)),
        Geometry::MultiPoint(points) => ("MultiPoint", points.iter().map(|point| position(&point.0)).collect()),
        Geometry::MultiLineString(lines) => ("MultiLineString", lines.iter().map(line).collect()),
        Geometry::MultiPolygon(polygons) => ("MultiPolygon", polygons.iter().map(polygon).collect()),
        Geometry::GeometryCollection(parts) => {
            let parts: Vec<Json> = parts.iter().map(geometry).collect();
            return json!({"type": "GeometryCollection", "geometries": parts});
        }
        // The readers make no others.
        Geometry::Rect(rect) => return geometry(&Geometry::Polygon(rect.to_polygon())),
        Geometry::Triangle(triangle) => return geometry(&Geometry::Polygon(triangle.to_polygon())),
        Geometry::Line(ends) => return geometry(&Geometry::LineString(LineString::from(*ends))),
    };
    json!({"type": kind, "coordinates": coordinates})
}

fn polygon(whole: &Polygon<f64>) -> Json {
    std::iter::once(whole.exterior()).chain(whole.interiors()).map(line).collect()
}

fn line(whole: &LineString<f64>) -> Json {
    whole.0.iter().map(position).collect()
}

fn position(at: &Coord<f64>) -> Json {
    numbers(&[at.x, at.y])
}

fn numbers(list: &[f64]) -> Json {
    list.iter().map(|value| Json::Number(number(*value))).collect()
}
