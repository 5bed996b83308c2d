//! Geometries of the text spelling: Well-Known Text and `BBOX` (rule `spatialInstance`). A third coordinate is dropped.

use std::sync::Arc;

use geo::{Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};

use crate::cql2::ast::{Shape, Value};
use crate::cql2::wrong::Wrong;

use super::lex::Token;
use super::shape;
use super::text::Parser;

/// Whether a name and the token behind it are a geometry of three dimensions, or an empty one.
pub(super) fn has_dimension(name: &str, next: &Token<'_>) -> bool {
    let geometry = GEOMETRIES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    geometry && ["z", "m", "zm", "empty"].iter().any(|word| next.is(word))
}

type Read = fn(&mut Parser<'_>) -> Result<Geometry<f64>, Wrong>;

const GEOMETRIES: &[(&str, Read)] = &[
    ("point", |parser| Ok(Point(inside(parser, position)?).into())),
    ("linestring", |parser| Ok(line(parser)?.into())),
    ("polygon", |parser| Ok(polygon(parser)?.into())),
    ("multipoint", |parser| Ok(MultiPoint::new(list(parser, point)?).into())),
    ("multilinestring", |parser| Ok(MultiLineString::new(list(parser, line)?).into())),
    ("multipolygon", |parser| Ok(MultiPolygon::new(list(parser, polygon)?).into())),
    ("geometrycollection", |parser| {
        let parts: Vec<Geometry<f64>> = list(parser, part)?;
        Ok(Geometry::GeometryCollection(GeometryCollection::from(parts)))
    }),
];

/// The geometry whose name, in lower case, was taken; `None` when it is no geometry's.
pub(super) fn geometry(parser: &mut Parser<'_>, name: &str) -> Option<Result<Value, Wrong>> {
    let shape = if name == "bbox" {
        list(parser, signed).and_then(shape::bbox)
    } else {
        let (_, read) = GEOMETRIES.iter().find(|(known, _)| *known == name)?;
        tagged(parser, *read).map(|geometry| Shape { geometry, bbox: Vec::new() })
    };
    Some(shape.map(|shape| Value::Geometry(Arc::new(shape))))
}

/// A geometry behind its name.
fn tagged(parser: &mut Parser<'_>, read: Read) -> Result<Geometry<f64>, Wrong> {
    if parser.token.is("z") {
        parser.take()?;
    }
    if parser.token.is("empty") {
        return Err(shape::empty());
    }
    read(parser)
}

/// A member of a collection, which is no collection.
fn part(parser: &mut Parser<'_>) -> Result<Geometry<f64>, Wrong> {
    let Token::Name { name, quoted: false } = parser.token else { return Err(parser.unexpected("a geometry")) };
    let found = GEOMETRIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((_, read)) = found.filter(|(known, _)| *known != "geometrycollection") else {
        return Err(parser.unexpected(shape::GEOMETRIES));
    };
    parser.take()?;
    tagged(parser, *read)
}

fn polygon(parser: &mut Parser<'_>) -> Result<Polygon<f64>, Wrong> {
    shape::polygon(list(parser, line)?)
}

fn line(parser: &mut Parser<'_>) -> Result<LineString<f64>, Wrong> {
    shape::line(list(parser, position)?)
}

/// A point of several, with its parentheses or, as older versions of WKT have it, without.
fn point(parser: &mut Parser<'_>) -> Result<Point<f64>, Wrong> {
    let at = if parser.is_sign("(") { inside(parser, position)? } else { position(parser)? };
    Ok(Point(at))
}

/// One or more, between parentheses and commas.
fn list<T>(parser: &mut Parser<'_>, read: fn(&mut Parser<'_>) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    parser.expect("(")?;
    let mut parts = vec![read(parser)?];
    while parser.is_sign(",") {
        parser.take()?;
        parts.push(read(parser)?);
    }
    parser.expect(")")?;
    Ok(parts)
}

fn inside<T>(parser: &mut Parser<'_>, read: fn(&mut Parser<'_>) -> Result<T, Wrong>) -> Result<T, Wrong> {
    parser.expect("(")?;
    let part = read(parser)?;
    parser.expect(")")?;
    Ok(part)
}

fn position(parser: &mut Parser<'_>) -> Result<Coord<f64>, Wrong> {
    parser.used.vertex()?;
    let mut numbers = [signed(parser)?, signed(parser)?, 0.0];
    if !parser.is_sign(",") && !parser.is_sign(")") {
        numbers[2] = signed(parser)?;
    }
    shape::position(&numbers)
}

fn signed(parser: &mut Parser<'_>) -> Result<f64, Wrong> {
    let minus = parser.is_sign("-");
    if minus || parser.is_sign("+") {
        parser.take()?;
    }
    let Token::Number(number) = parser.token else { return Err(parser.unexpected("a number")) };
    parser.take()?;
    // Adding zero makes one of the two zeros.
    Ok(if minus { -number } else { number } + 0.0)
}
