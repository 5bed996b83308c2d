//! What geometries of both spellings have in common: when they are valid, and what a `BBOX` is on the sphere.

use geo::{Coord, Geometry, LineString, MultiLineString, MultiPolygon, Point, Polygon};

use crate::cql2::ast::Shape;
use crate::cql2::wrong::Wrong;

pub(super) const GEOMETRIES: &str =
    "a point, line, polygon, several of one of these, or a collection of them (no collection in a collection)";

pub(super) fn position(numbers: &[f64]) -> Result<Coord<f64>, Wrong> {
    match *numbers {
        // Adding zero makes one of the two zeros, which members would take for two.
        [x, y] | [x, y, _] if x.is_finite() && y.is_finite() => Ok(Coord { x: x + 0.0, y: y + 0.0 }),
        _ => Err(Wrong::new("a position that is not two or three numbers", "positions of longitude and latitude")),
    }
}

pub(super) fn line(positions: Vec<Coord<f64>>) -> Result<LineString<f64>, Wrong> {
    if positions.len() < 2 {
        return Err(Wrong::new("a line of less than two positions", "two positions or more"));
    }
    Ok(LineString::new(positions))
}

/// The first ring is the outer one.
pub(super) fn polygon(rings: Vec<LineString<f64>>) -> Result<Polygon<f64>, Wrong> {
    for ring in &rings {
        if ring.0.len() < 4 || ring.0.first() != ring.0.last() {
            let given = "a polygon with a ring that is not closed or has less than four positions";
            return Err(Wrong::new(given, "rings whose last position is the first again"));
        }
    }
    let mut rings = rings.into_iter();
    let Some(outer) = rings.next() else { return Err(empty()) };
    Ok(Polygon::new(outer, rings.collect()))
}

pub(super) fn empty() -> Wrong {
    Wrong::new("an empty geometry", GEOMETRIES)
}

/// A `BBOX` of four or six numbers: cut at the antimeridian, and no polygon where it has no area.
pub(super) fn bbox(numbers: Vec<f64>) -> Result<Shape, Wrong> {
    let accepted = "4 or 6 numbers: west, south, (lowest,) east, north (, highest), with south not above north";
    let wrong = |given: &str| Err(Wrong::new(given, accepted));
    let (west, south, east, north) = match *numbers {
        [west, south, east, north] => (west, south, east, north),
        [west, south, low, east, north, high] if low <= high => (west, south, east, north),
        [_, _, _, _, _, _] => return wrong("a `bbox` with its lowest elevation above its highest"),
        _ => return wrong("a `bbox` of other than 4 or 6 numbers"),
    };
    if south > north {
        return wrong("a `bbox` with its south above its north");
    }
    let parts = longitudes(west, east).map(|(west, east)| part(west, south, east, north));
    let geometry = match parts {
        Parts::One(one) => one,
        Parts::Two(Geometry::Polygon(a), Geometry::Polygon(b)) => MultiPolygon::new(vec![a, b]).into(),
        Parts::Two(Geometry::LineString(a), Geometry::LineString(b)) => MultiLineString::new(vec![a, b]).into(),
        Parts::Two(a, _) => a,
    };
    Ok(Shape { geometry, bbox: numbers })
}

enum Parts<T> {
    One(T),
    Two(T, T),
}

impl<T> Parts<T> {
    fn map<U>(self, change: impl Fn(T) -> U) -> Parts<U> {
        match self {
            Self::One(one) => Parts::One(change(one)),
            Self::Two(a, b) => Parts::Two(change(a), change(b)),
        }
    }
}

/// The spans in -180..=180 of a box from west eastwards to east.
#[expect(clippy::float_cmp, reason = "the two meridians are exact")]
fn longitudes(west: f64, east: f64) -> Parts<(f64, f64)> {
    if east - west >= 360.0 {
        return Parts::One((-180.0, 180.0));
    }
    let (west, east) = (longitude(west), longitude(east));
    if west <= east {
        Parts::One((west, east))
    } else if west == 180.0 {
        Parts::One((-180.0, east))
    } else if east == -180.0 {
        Parts::One((west, 180.0))
    } else {
        Parts::Two((west, 180.0), (-180.0, east))
    }
}

/// Moved by full turns into -180..=180; neither remainder nor turn rounds.
fn longitude(degrees: f64) -> f64 {
    let within = degrees % 360.0;
    if within > 180.0 {
        within - 360.0
    } else if within < -180.0 {
        within + 360.0
    } else {
        within
    }
}

#[expect(clippy::float_cmp, reason = "a box without width was given with two equal numbers")]
fn part(west: f64, south: f64, east: f64, north: f64) -> Geometry<f64> {
    let (lower, upper) = (Coord { x: west, y: south }, Coord { x: east, y: north });
    if lower == upper {
        Point(lower).into()
    } else if west == east || south == north {
        LineString::new(vec![lower, upper]).into()
    } else {
        let ring = vec![lower, Coord { x: east, y: south }, upper, Coord { x: west, y: north }, lower];
        Polygon::new(LineString::new(ring), Vec::new()).into()
    }
}
