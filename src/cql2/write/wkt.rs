//! Geometries of the text spelling.

use geo::{Coord, Geometry, LineString, Polygon};

use crate::cql2::ast::Shape;

use super::number;

pub(super) fn shape(shape: &Shape, out: &mut String) {
    if shape.bbox.is_empty() {
        geometry(&shape.geometry, out);
    } else {
        out.push_str("BBOX");
        list(&shape.bbox, out, |value, out| out.push_str(&number(*value).to_string()));
    }
}

fn geometry(whole: &Geometry<f64>, out: &mut String) {
    match whole {
        Geometry::Point(point) => {
            out.push_str("POINT");
            list(&[point.0], out, position);
        }
        Geometry::LineString(whole) => {
            out.push_str("LINESTRING");
            line(whole, out);
        }
        Geometry::Polygon(whole) => {
            out.push_str("POLYGON");
            polygon(whole, out);
        }
        Geometry::MultiPoint(points) => {
            out.push_str("MULTIPOINT");
            list(&points.0, out, |point, out| list(&[point.0], out, position));
        }
        Geometry::MultiLineString(lines) => {
            out.push_str("MULTILINESTRING");
            list(&lines.0, out, line);
        }
        Geometry::MultiPolygon(polygons) => {
            out.push_str("MULTIPOLYGON");
            list(&polygons.0, out, polygon);
        }
        Geometry::GeometryCollection(parts) => {
            out.push_str("GEOMETRYCOLLECTION");
            list(&parts.0, out, geometry);
        }
        // The readers make no others.
        Geometry::Rect(rect) => geometry(&Geometry::Polygon(rect.to_polygon()), out),
        Geometry::Triangle(triangle) => geometry(&Geometry::Polygon(triangle.to_polygon()), out),
        Geometry::Line(ends) => geometry(&Geometry::LineString(LineString::from(*ends)), out),
    }
}

fn polygon(whole: &Polygon<f64>, out: &mut String) {
    let rings: Vec<&LineString<f64>> = std::iter::once(whole.exterior()).chain(whole.interiors()).collect();
    list(&rings, out, |ring, out| line(ring, out));
}

fn line(whole: &LineString<f64>, out: &mut String) {
    list(&whole.0, out, position);
}

fn position(at: &Coord<f64>, out: &mut String) {
    out.push_str(&number(at.x).to_string());
    out.push(' ');
    out.push_str(&number(at.y).to_string());
}

fn list<T>(parts: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('(');
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(part, out);
    }
    out.push(')');
}
