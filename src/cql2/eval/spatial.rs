//! Spatial functions (clause 7.6): the relations of DE-9IM between two geometries on the plane of longitude and latitude.
//!
//! Geometries are taken as drawn: one that ends at 180 and one that starts at -180 do not touch. What is drawn beyond ±180
//! is moved into the world first, so `175..185` meets `-180..-170`. A geometry without points, with a coordinate that is no
//! number, or too large to compare in bounded time gives unknown.

use geo::{BoundingRect, Coord, CoordsIter, Geometry, Intersects, Rect, Relate};

use super::shape;
use super::value::Reader;
use crate::cql2::SpatialOp;

/// Points of one geometry; a coastline at full detail has fewer.
const POINTS_MAX: usize = 50_000;
/// Pairs of segments that are compared one by one, some 20 ms; above it the relation is worked out, which sorts them first.
const PAIRS_MAX: usize = 4_000_000;
/// Pairs of segments compared for one step of the allowance.
const PAIRS_PER_STEP: usize = 4;
/// Largest absolute coordinate, degrees. Beyond it differences lose the digits that decide, and squares overflow.
const COORDINATE_MAX: f64 = 1e6;

pub(super) fn holds(op: SpatialOp, left: &Geometry<f64>, right: &Geometry<f64>, reader: &Reader<'_>) -> Option<bool> {
    let (left_box, right_box) = (extent(left, reader)?, extent(right, reader)?);
    if inside_world(&left_box) && inside_world(&right_box) {
        return within_world(op, (left, &left_box), (right, &right_box), reader);
    }
    let (left, right) = (shape::into_world(left)?, shape::into_world(right)?);
    let (left_box, right_box) = (extent(&left, reader)?, extent(&right, reader)?);
    within_world(op, (&left, &left_box), (&right, &right_box), reader)
}

/// The box of a geometry that can be compared.
fn extent(geometry: &Geometry<f64>, reader: &Reader<'_>) -> Option<Rect<f64>> {
    let mut points = 0;
    for Coord { x, y } in geometry.coords_iter() {
        points += 1;
        // NaN is in no range
        let sound = |number: f64| (-COORDINATE_MAX..=COORDINATE_MAX).contains(&number);
        if points > POINTS_MAX || !sound(x) || !sound(y) {
            return None;
        }
    }
    if reader.pay(points) { geometry.bounding_rect() } else { None }
}

fn inside_world(extent: &Rect<f64>) -> bool {
    extent.min().x >= -180.0 && extent.max().x <= 180.0
}

type Boxed<'a> = (&'a Geometry<f64>, &'a Rect<f64>);

fn within_world(
    op: SpatialOp,
    (left, left_box): Boxed<'_>,
    (right, right_box): Boxed<'_>,
    reader: &Reader<'_>,
) -> Option<bool> {
    if !left_box.intersects(right_box) {
        return Some(op == SpatialOp::Disjoint);
    }
    let pairs = left.coords_count().saturating_mul(right.coords_count());
    let quick = matches!(op, SpatialOp::Intersects | SpatialOp::Disjoint) && pairs <= PAIRS_MAX;
    if !quick {
        return related(op, left, right, reader);
    }
    if !reader.pay(pairs / PAIRS_PER_STEP) {
        return None;
    }
    Some(left.intersects(right) == (op == SpatialOp::Intersects))
}

fn related(op: SpatialOp, left: &Geometry<f64>, right: &Geometry<f64>, reader: &Reader<'_>) -> Option<bool> {
    let (left, right) = (shape::sound(left, reader)?, shape::sound(right, reader)?);
    if !shape::comparable(&left, &right, reader) {
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
