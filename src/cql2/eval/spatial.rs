//! Spatial functions (clause 7.6): the relations of DE-9IM between two geometries on the plane of longitude and latitude.
//!
//! Geometries are taken as drawn: one that ends at 180 and one that starts at -180 do not touch. What is drawn beyond ±180
//! is moved into the world first, so `175..185` meets `-180..-170`. A geometry without points, with a coordinate that is no
//! number, or too large to compare in bounded time gives unknown.

use geo::{BoundingRect, Coord, CoordsIter, Geometry, Intersects, Rect, Relate};

use super::shape;
use crate::cql2::SpatialOp;

/// Points of one geometry; a coastline at full detail has fewer.
const POINTS_MAX: usize = 50_000;
/// Pairs of segments that are compared one by one, some 50 ms; above it an index is built.
const PAIRS_MAX: usize = 4_000_000;
/// Largest absolute coordinate, degrees. Beyond it differences lose the digits that decide, and squares overflow.
const COORDINATE_MAX: f64 = 1e6;

pub(super) fn holds(op: SpatialOp, left: &Geometry<f64>, right: &Geometry<f64>) -> Option<bool> {
    let (left_box, right_box) = (extent(left)?, extent(right)?);
    if inside_world(&left_box) && inside_world(&right_box) {
        return within_world(op, left, &left_box, right, &right_box);
    }
    let (left, right) = (shape::into_world(left)?, shape::into_world(right)?);
    within_world(op, &left, &extent(&left)?, &right, &extent(&right)?)
}

/// The box of a geometry that can be compared.
fn extent(geometry: &Geometry<f64>) -> Option<Rect<f64>> {
    let mut points = 0;
    for Coord { x, y } in geometry.coords_iter() {
        points += 1;
        // NaN is in no range
        let sound = |number: f64| (-COORDINATE_MAX..=COORDINATE_MAX).contains(&number);
        if points > POINTS_MAX || !sound(x) || !sound(y) {
            return None;
        }
    }
    geometry.bounding_rect()
}

fn inside_world(extent: &Rect<f64>) -> bool {
    extent.min().x >= -180.0 && extent.max().x <= 180.0
}

fn within_world(
    op: SpatialOp,
    left: &Geometry<f64>,
    left_box: &Rect<f64>,
    right: &Geometry<f64>,
    right_box: &Rect<f64>,
) -> Option<bool> {
    if !left_box.intersects(right_box) {
        return Some(op == SpatialOp::Disjoint);
    }
    let pairs = left.coords_count().saturating_mul(right.coords_count());
    match op {
        SpatialOp::Intersects if pairs <= PAIRS_MAX => Some(left.intersects(right)),
        SpatialOp::Disjoint if pairs <= PAIRS_MAX => Some(!left.intersects(right)),
        _ => related(op, left, right),
    }
}

fn related(op: SpatialOp, left: &Geometry<f64>, right: &Geometry<f64>) -> Option<bool> {
    let (left, right) = (shape::sound(left)?, shape::sound(right)?);
    if !shape::comparable(&left, &right) {
        return None;
    }
    let matrix = left.relate(&right);
    Some(match op {
        SpatialOp::Intersects => matrix.is_intersects(),
        SpatialOp::Disjoint => matrix.is_disjoint(),
        SpatialOp::Equals => matrix.is_equal_topo(),
        SpatialOp::Touches => matrix.is_touches(),
        SpatialOp::Within => matrix.is_within(),
        SpatialOp::Overlaps => matrix.is_overlaps(),
        SpatialOp::Crosses => matrix.is_crosses(),
        SpatialOp::Contains => matrix.is_contains(),
    })
}
