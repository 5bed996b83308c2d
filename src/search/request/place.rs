//! `bbox` (RFC 7946 section 5) and `intersects` (RFC 7946 section 3.1).

use std::sync::Arc;

use geo::{Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};
use serde_json::Value;

use crate::federation::{Area, Bbox};
use crate::members::Intersects;

use super::body::described;
use super::{Invalid, quoted};

/// Positions of one `intersects`: about 1 MiB of text, and a test against an Item stays within a millisecond.
const VERTICES_MAX: usize = 20_000;
/// Rings, lines and points of multi-part geometries.
const PARTS_MAX: usize = 500;
/// Geometry collections inside one another.
const COLLECTIONS_DEEP_MAX: usize = 4;

const BBOX: &str = "4 or 6 finite numbers, west, south, (lowest,) east, north (, highest), with south not above north";

/// `bbox` of a query string: numbers between commas.
pub(super) fn bbox_text(given: &str) -> Result<Bbox, Invalid> {
    let numbers: Option<Vec<f64>> = given.split(',').take(7).map(|number| number.trim().parse().ok()).collect();
    numbers.and_then(|numbers| bbox(&numbers)).ok_or_else(|| Invalid::new("bbox", quoted(given), BBOX))
}

/// `bbox` of a body: an array of numbers.
pub(super) fn bbox_json(value: &Value) -> Result<Bbox, Invalid> {
    let numbers = |list: &Vec<Value>| list.iter().take(7).map(Value::as_f64).collect::<Option<Vec<f64>>>();
    value.as_array().and_then(numbers).and_then(|numbers| bbox(&numbers)).ok_or_else(|| {
        let given = if value.is_array() { quoted(&value.to_string()) } else { described(value) };
        Invalid::new("bbox", given, format!("an array of {BBOX}"))
    })
}

fn bbox(numbers: &[f64]) -> Option<Bbox> {
    Bbox::from_numbers(numbers).ok()
}

/// `intersects` of a query string: GeoJSON as text.
pub(super) fn intersects_text(given: &str) -> Result<Arc<Intersects>, Invalid> {
    // Parsing stops by itself at a nesting of 128.
    let value: Value = serde_json::from_str(given).map_err(|error| wrong(format!("not JSON ({error})")))?;
    intersects_json(&value)
}

/// `intersects` of a body: a GeoJSON object.
pub(super) fn intersects_json(value: &Value) -> Result<Arc<Intersects>, Invalid> {
    let mut reader = Reader { vertices: 0, parts: 0 };
    let geometry = reader.geometry(value, 0).map_err(wrong)?;
    let read = intersecting(&geometry).ok_or_else(|| wrong("a geometry without a position".to_owned()))?;
    Ok(Arc::new(read))
}

/// A geometry as members are asked for it; `None` without a position.
pub(in crate::search) fn intersecting(geometry: &Geometry<f64>) -> Option<Intersects> {
    let mut geojson = String::new();
    write(geometry, &mut geojson);
    Some(Intersects { geojson, geometry: geometry.clone(), bbox: bounding_box(geometry)? })
}

fn wrong(given: String) -> Invalid {
    Invalid::new(
        "intersects",
        given,
        format!(
            "a GeoJSON geometry (no Feature) of at most {VERTICES_MAX} positions and {PARTS_MAX} rings or parts, with finite coordinates and closed rings"
        ),
    )
}

/// Reads a geometry, counting what it is made of. Errors say what was given.
struct Reader {
    vertices: usize,
    parts: usize,
}

impl Reader {
    fn geometry(&mut self, value: &Value, deep: usize) -> Result<Geometry<f64>, String> {
        let Some(object) = value.as_object() else { return Err(described(value)) };
        let kind = object.get("type").and_then(Value::as_str).ok_or("an object without a `type`")?;
        if kind == "GeometryCollection" {
            if deep == COLLECTIONS_DEEP_MAX {
                return Err(format!("a GeometryCollection nested more than {COLLECTIONS_DEEP_MAX} deep"));
            }
            let list = object.get("geometries").ok_or("a GeometryCollection without `geometries`")?;
            let parts = self.each(list, |reader, part| reader.geometry(part, deep + 1))?;
            return Ok(Geometry::GeometryCollection(GeometryCollection::from(parts)));
        }
        let Some(at) = object.get("coordinates") else {
            return Err(format!("of type {} without `coordinates`", quoted(kind)));
        };
        Ok(match kind {
            "Point" => Geometry::Point(Point(self.position(at)?)),
            "MultiPoint" => {
                let points = self.each(at, |reader, point| reader.position(point).map(Point))?;
                Geometry::MultiPoint(MultiPoint::new(points))
            }
            "LineString" => Geometry::LineString(self.line(at)?),
            "MultiLineString" => Geometry::MultiLineString(MultiLineString::new(self.each(at, Self::line)?)),
            "Polygon" => Geometry::Polygon(self.polygon(at)?),
            "MultiPolygon" => Geometry::MultiPolygon(MultiPolygon::new(self.each(at, Self::polygon)?)),
            other => return Err(format!("of type {}", quoted(other))),
        })
    }

    /// Every part of a non-empty array.
    fn each<T>(
        &mut self,
        value: &Value,
        read: impl Fn(&mut Self, &Value) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let list = value.as_array().ok_or("a geometry whose coordinates are no array")?;
        if list.is_empty() {
            return Err("a geometry with an empty array".to_owned());
        }
        let mut parts = Vec::with_capacity(list.len());
        for part in list {
            self.parts += 1;
            if self.parts > PARTS_MAX {
                return Err("a geometry of too many rings or parts".to_owned());
            }
            parts.push(read(self, part)?);
        }
        Ok(parts)
    }

    fn line(&mut self, value: &Value) -> Result<LineString<f64>, String> {
        let list = value.as_array().ok_or("a geometry whose coordinates are not nested as its type says")?;
        if list.len() < 2 {
            return Err("a line of less than two positions".to_owned());
        }
        let mut line = Vec::with_capacity(list.len().min(VERTICES_MAX));
        for position in list {
            line.push(self.position(position)?);
        }
        Ok(LineString::new(line))
    }

    fn polygon(&mut self, value: &Value) -> Result<Polygon<f64>, String> {
        let mut rings = self.each(value, |reader, ring| {
            let ring = reader.line(ring)?;
            if ring.0.len() < 4 || ring.0.first() != ring.0.last() {
                return Err("a polygon with a ring that is not closed or has less than four positions".to_owned());
            }
            Ok(ring)
        })?;
        let outer = rings.remove(0);
        Ok(Polygon::new(outer, rings))
    }

    fn position(&mut self, value: &Value) -> Result<Coord<f64>, String> {
        self.vertices += 1;
        if self.vertices > VERTICES_MAX {
            return Err("a geometry of too many positions".to_owned());
        }
        let numbers = value.as_array().filter(|list| (2..=4).contains(&list.len()));
        let numbers: Option<Vec<f64>> = numbers.and_then(|list| list.iter().map(Value::as_f64).collect());
        match numbers.as_deref() {
            Some([x, y, ..]) if x.is_finite() && y.is_finite() => Ok(Coord { x: *x, y: *y }),
            _ => Err("a geometry with a position that is not two or three finite numbers".to_owned()),
        }
    }
}

/// The geometry as GeoJSON in two dimensions: what members get.
fn write(geometry: &Geometry<f64>, out: &mut String) {
    let (kind, member) = match geometry {
        Geometry::Point(_) => ("Point", "coordinates"),
        Geometry::MultiPoint(_) => ("MultiPoint", "coordinates"),
        Geometry::LineString(_) => ("LineString", "coordinates"),
        Geometry::MultiLineString(_) => ("MultiLineString", "coordinates"),
        Geometry::Polygon(_) => ("Polygon", "coordinates"),
        Geometry::MultiPolygon(_) => ("MultiPolygon", "coordinates"),
        _ => ("GeometryCollection", "geometries"),
    };
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"");
    out.push_str(member);
    out.push_str("\":");
    match geometry {
        Geometry::Point(point) => position(&point.0, out),
        Geometry::MultiPoint(points) => array(&points.0, out, |point, out| position(&point.0, out)),
        Geometry::LineString(line) => array(&line.0, out, position),
        Geometry::MultiLineString(lines) => array(&lines.0, out, |line, out| array(&line.0, out, position)),
        Geometry::Polygon(polygon) => rings(polygon, out),
        Geometry::MultiPolygon(polygons) => array(&polygons.0, out, rings),
        Geometry::GeometryCollection(parts) => array(&parts.0, out, write),
        // The reader makes no other kind.
        _ => out.push_str("[]"),
    }
    out.push('}');
}

fn rings(polygon: &Polygon<f64>, out: &mut String) {
    let rings: Vec<&LineString<f64>> = std::iter::once(polygon.exterior()).chain(polygon.interiors()).collect();
    array(&rings, out, |ring, out| array(&ring.0, out, position));
}

fn array<T>(list: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (at, part) in list.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(part, out);
    }
    out.push(']');
}

fn position(at: &Coord<f64>, out: &mut String) {
    // As short as the number needs; adding zero makes one of the two zeros.
    let number = |value: f64| Value::from(value + 0.0).to_string();
    out.push('[');
    out.push_str(&number(at.x));
    out.push(',');
    out.push_str(&number(at.y));
    out.push(']');
}

/// A box that holds the geometry however its longitudes are read: members are asked for it in the geometry's place.
fn bounding_box(geometry: &Geometry<f64>) -> Option<Bbox> {
    let area = Area::from_geometry(geometry)?;
    let bbox = bounds(geometry)?;
    if area.geometry.is_some() {
        return Some(bbox);
    }
    // A step of more than 180 degrees may lead either way round, and about a pole.
    let south = area.boxes.iter().map(|rect| rect.min().y).fold(bbox.south, f64::min);
    let north = area.boxes.iter().map(|rect| rect.max().y).fold(bbox.north, f64::max);
    Some(Bbox { west: -180.0, south, east: 180.0, north, elevation: None })
}

/// The bounding box of the coordinates as they stand. A geometry cut at the antimeridian (RFC 7946 section 3.1.9) has parts at both edges: the box then
/// goes the short way round, so west > east.
fn bounds(geometry: &Geometry<f64>) -> Option<Bbox> {
    let mut spans = Vec::new();
    let (mut south, mut north) = (f64::INFINITY, f64::NEG_INFINITY);
    spans_of(geometry, &mut |at: &[Coord<f64>]| {
        let (mut west, mut east) = (f64::INFINITY, f64::NEG_INFINITY);
        for Coord { x, y } in at {
            (west, east) = (west.min(*x), east.max(*x));
            (south, north) = (south.min(*y), north.max(*y));
        }
        spans.push((west, east));
    });
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let west = spans.first()?.0;
    let east = spans.iter().map(|span| span.1).fold(f64::NEG_INFINITY, f64::max);
    let whole = Bbox { west, south, east, north, elevation: None };
    // Only where it touches both edges: an area of two far parts that do not is meant as it stands.
    #[expect(clippy::float_cmp, reason = "geometries are cut at exactly these meridians")]
    if west != -180.0 || east != 180.0 {
        return Some(whole);
    }
    let mut reached = spans.first()?.1;
    let (mut widest, mut gap) = (0.0, None);
    for (start, end) in spans {
        if start - reached > widest {
            (widest, gap) = (start - reached, Some((start, reached)));
        }
        reached = reached.max(end);
    }
    Some(gap.map_or(whole, |(west, east)| Bbox { west, east, ..whole }))
}

/// The outline of every part.
fn spans_of(geometry: &Geometry<f64>, visit: &mut impl FnMut(&[Coord<f64>])) {
    match geometry {
        Geometry::Point(point) => visit(&[point.0]),
        Geometry::MultiPoint(points) => points.0.iter().for_each(|point| visit(&[point.0])),
        Geometry::LineString(line) => visit(&line.0),
        Geometry::MultiLineString(lines) => lines.0.iter().for_each(|line| visit(&line.0)),
        Geometry::Polygon(polygon) => visit(&polygon.exterior().0),
        Geometry::MultiPolygon(polygons) => polygons.0.iter().for_each(|polygon| visit(&polygon.exterior().0)),
        Geometry::GeometryCollection(parts) => parts.0.iter().for_each(|part| spans_of(part, visit)),
        _ => {}
    }
}
