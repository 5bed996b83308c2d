//! Spatial relations of shapes as they come: across the antimeridian, crossing themselves, without extent.

use geo::{Geometry, LineString, MultiPolygon, Point, Polygon, Rect};

use super::{Document, SPATIAL, prop, shape, spatial};
use crate::cql2::{Expr, SpatialOp};

fn ring(corners: &[(f64, f64)]) -> Geometry<f64> {
    Polygon::new(LineString::from(corners.to_vec()), Vec::new()).into()
}

fn boxed(west: f64, south: f64, east: f64, north: f64) -> Geometry<f64> {
    Rect::new((west, south), (east, north)).to_polygon().into()
}

fn relation(op: SpatialOp, item: &Geometry<f64>, other: &Geometry<f64>) -> Option<bool> {
    let item = Document { drawn: Some(item.clone()), ..Document::default() };
    spatial(op, prop("geometry"), shape(other.clone())).holds(&item)
}

/// The relations that hold, in the order of [`SPATIAL`].
fn check(item: &Geometry<f64>, other: &Geometry<f64>, holding: &[SpatialOp]) {
    for op in SPATIAL {
        assert_eq!(relation(op, item, other), Some(holding.contains(&op)), "{op:?} of {item:?} and {other:?}");
    }
}

use SpatialOp::{Contains, Crosses, Disjoint, Equals, Intersects, Overlaps, Touches, Within};

/// `BBOX(170, -10, -170, 10)` as it is read.
fn across() -> Geometry<f64> {
    let boxes = [Rect::new((170.0, -10.0), (180.0, 10.0)), Rect::new((-180.0, -10.0), (-170.0, 10.0))];
    MultiPolygon::new(boxes.map(Rect::to_polygon).to_vec()).into()
}

#[test]
fn a_box_across_the_antimeridian_is_not_its_complement() {
    // as the text spelling gives it, against places on both sides and in between
    let expr = Expr::from_text("S_INTERSECTS(geometry, BBOX(170, -10, -170, 10))").unwrap();
    for (x, inside) in [(175.0, true), (-175.0, true), (180.0, true), (-180.0, true), (0.0, false), (160.0, false)] {
        let item = Document { drawn: Some(Point::new(x, 0.0).into()), ..Document::default() };
        assert_eq!(expr.holds(&item), Some(inside), "{x}");
    }
    check(&boxed(172.0, -5.0, 174.0, 5.0), &across(), &[Intersects, Within]);
    check(&boxed(-10.0, -5.0, 10.0, 5.0), &across(), &[Disjoint]);
}

#[test]
fn shapes_drawn_past_the_antimeridian_lie_where_they_are() {
    let drawn = boxed(175.0, -5.0, 185.0, 5.0);
    check(&drawn, &across(), &[Intersects, Within]);
    check(&drawn, &boxed(-179.0, -1.0, -176.0, 1.0), &[Intersects, Contains]);
    check(&drawn, &boxed(-178.0, -1.0, -170.0, 1.0), &[Intersects, Overlaps]);
    check(&drawn, &boxed(-175.0, -5.0, -170.0, 5.0), &[Intersects, Touches]);
    check(&drawn, &boxed(0.0, -5.0, 10.0, 5.0), &[Disjoint]);
    check(&boxed(-185.0, -5.0, -175.0, 5.0), &drawn, &[Intersects, Within, Contains, Equals]);
    check(&Point::new(190.0, 0.0).into(), &Point::new(-170.0, 0.0).into(), &[Intersects, Within, Contains, Equals]);
    check(&LineString::from(vec![(170.0, 0.0), (190.0, 0.0)]).into(), &drawn, &[Intersects, Crosses]);
    // concave, with both teeth beyond the edge
    let comb = ring(&[
        (175.0, 0.0),
        (185.0, 0.0),
        (185.0, 1.0),
        (179.0, 1.0),
        (179.0, 2.0),
        (185.0, 2.0),
        (185.0, 3.0),
        (175.0, 3.0),
    ]);
    check(&comb, &boxed(-178.0, 1.25, -176.0, 1.75), &[Disjoint]);
    check(&comb, &boxed(-178.0, 0.25, -176.0, 0.75), &[Intersects, Contains]);
    check(&comb, &across(), &[Intersects, Within]);
    assert_eq!(relation(Intersects, &boxed(700.0, 0.0, 710.0, 1.0), &across()), None, "more than a turn away");
}

#[test]
fn shapes_that_cross_themselves_are_mended() {
    let bow = ring(&[(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0)]);
    check(&bow, &boxed(-1.0, -1.0, 5.0, 5.0), &[Intersects, Within]);
    check(&bow, &boxed(3.0, 1.5, 3.5, 2.5), &[Intersects, Contains]);
    // above the knot lies neither wing
    check(&bow, &boxed(1.75, 3.0, 2.25, 3.5), &[Disjoint]);
    // a spike, and corners that come twice
    let spiked = ring(&[(0.0, 0.0), (2.0, 0.0), (2.0, 0.0), (9.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]);
    assert_eq!(relation(Within, &spiked, &boxed(-1.0, -1.0, 3.0, 3.0)), Some(true));
    assert_eq!(relation(Equals, &spiked, &boxed(0.0, 0.0, 2.0, 2.0)), Some(true));
    // two parts that overlap are one
    let parts = MultiPolygon::new(vec![
        Rect::new((0.0, 0.0), (3.0, 3.0)).to_polygon(),
        Rect::new((2.0, 0.0), (5.0, 3.0)).to_polygon(),
    ]);
    assert_eq!(relation(Equals, &parts.into(), &boxed(0.0, 0.0, 5.0, 3.0)), Some(true));
}

#[test]
fn shapes_without_extent_are_lines_and_points() {
    let around = boxed(0.0, 0.0, 4.0, 4.0);
    let dot = ring(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]);
    check(&dot, &around, &[Intersects, Within]);
    check(&dot, &Point::new(1.0, 1.0).into(), &[Intersects, Within, Contains, Equals]);
    let flat = ring(&[(1.0, 1.0), (3.0, 1.0), (2.0, 1.0), (1.0, 1.0)]);
    check(&flat, &around, &[Intersects, Within]);
    check(&flat, &LineString::from(vec![(1.0, 1.0), (3.0, 1.0)]).into(), &[Intersects, Within, Contains, Equals]);
    check(&flat, &LineString::from(vec![(2.0, 0.0), (2.0, 2.0)]).into(), &[Intersects, Crosses]);
    check(&LineString::from(vec![(4.0, 4.0), (4.0, 4.0)]).into(), &around, &[Intersects, Touches]);
}

#[test]
fn every_kind_of_geometry_is_compared_with_every_other() {
    let wkt = [
        "POINT(1 1)",
        "LINESTRING(0 0, 2 2)",
        "POLYGON((0 0, 2 0, 2 2, 0 2, 0 0))",
        "MULTIPOINT((1 1), (9 9))",
        "MULTILINESTRING((0 0, 2 2), (8 8, 9 9))",
        "MULTIPOLYGON(((0 0, 2 0, 2 2, 0 2, 0 0)), ((8 8, 9 8, 9 9, 8 9, 8 8)))",
        "GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(8 8, 9 9), POLYGON((4 4, 5 4, 5 5, 4 5, 4 4)))",
        "BBOX(0, 0, 2, 2)",
    ];
    for one in wkt {
        for other in wkt {
            let holds = |op: &str| {
                let expr = Expr::from_text(&format!("{op}({one}, {other})"));
                expr.unwrap_or_else(|wrong| panic!("{op} {one} {other}: {wrong:?}")).holds(&Document::default())
            };
            assert_eq!(holds("S_INTERSECTS"), Some(true), "{one} {other}");
            assert_eq!(holds("S_DISJOINT"), Some(false), "{one} {other}");
            assert_eq!(holds("S_TOUCHES"), Some(false), "{one} {other}");
            let alike =
                one == other || [one, other].iter().all(|one| one.starts_with("POLYGON") || one.starts_with("BBOX"));
            assert_eq!(holds("S_EQUALS"), Some(alike), "{one} {other}");
        }
    }
}

#[test]
fn nothing_is_known_of_an_item_without_geometry() {
    for item in [Document::default(), Document::with(serde_json::json!({}))] {
        for op in SPATIAL {
            assert_eq!(spatial(op, prop("geometry"), shape(across())).holds(&item), None, "{op:?}");
        }
    }
}

#[test]
fn corners_closer_than_numbers_can_tell_are_one() {
    // the smallest number there is beside zero made a relation contradict itself
    let nearly = |y| {
        let touching = LineString::from(vec![(4.0, 1.0), (3.0, 3.0), (3.0, 2.0), (0.0, y)]);
        let spike = LineString::from(vec![(0.0, 0.0), (3.0, 3.0), (0.0, 0.0)]);
        let parts = [spike, touching].map(|ring| Polygon::new(ring, Vec::new()));
        Geometry::from(MultiPolygon::new(parts.to_vec()))
    };
    let other = ring(&[(0.0, 4.0), (0.0, 4.0), (2.0, 3.0), (1.0, 4.0)]);
    for op in SPATIAL {
        assert_eq!(relation(op, &nearly(5e-324), &other), relation(op, &nearly(0.0), &other), "{op:?}");
    }
}
