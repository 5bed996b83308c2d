//! Whatever a member sends, evaluation ends, soon, and without a panic.

use std::time::{Duration, Instant};

use geo::{
    Coord, Geometry, GeometryCollection, Line, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon,
    Rect, Triangle,
};
use serde_json::json;

use super::generate::{LISTS, NUMBERS, Random, TEXTS, TIMES, expr, subject};
use super::{ARRAYS, Document, SPATIAL, array, list, number, prop, shape, spatial, text};
use crate::cql2::{Expr, SpatialOp, Subject};

/// Longest that one condition may take on one Item, in an unoptimised build on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

const JSON: [&str; 34] = [
    "",
    " ",
    "nul",
    "null ",
    "\"",
    "\"\\",
    "\"\\u\"",
    "\"\\ud800\"",
    "\"a\u{0}b\"",
    "\"a\"b\"",
    "\"\\n\"",
    "truefalse",
    "-",
    "1e999",
    "-1e999",
    "1e-999",
    "00",
    "1.",
    "0x10",
    "NaN",
    "Infinity",
    "123456789012345678901234567890",
    "[",
    "[1,",
    "[1,]",
    "[\"]\"]",
    "[[[[[[[[[[1]]]]]]]]]]",
    "{",
    "{}",
    "[{}]",
    "\"2024-02-30\"",
    "\"9999-12-31T24:00:00-23:59\"",
    "\"0000-01-01T00:00:00+23:59\"",
    "\"２024-01-01\"",
];

fn coordinate(random: &mut Random) -> f64 {
    match random.below(60) {
        0 => random.pick(&[f64::NAN, f64::INFINITY, -f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 1e300, -1e17, 5e-324]),
        1 => random.pick(&[180.0, -180.0, 181.0, 200.0, -539.0, 541.0, 90.0]),
        2 => f64::from(random.below(1_000_000)) / 1e6,
        _ => f64::from(random.below(5)),
    }
}

fn corners(random: &mut Random, most: u32) -> Vec<Coord<f64>> {
    let mut corners: Vec<Coord<f64>> = Vec::new();
    for _ in 0..random.below(most) {
        match corners.last() {
            Some(last) if random.one_in(8) => corners.push(*last),
            _ => corners.push(Coord { x: coordinate(random), y: coordinate(random) }),
        }
    }
    corners
}

fn polygon(random: &mut Random) -> Polygon<f64> {
    let holes = (0..random.below(3) / 2).map(|_| LineString::new(corners(random, 6))).collect();
    let exterior = corners(random, 8);
    // holes in nothing mean nothing
    Polygon::new(LineString::new(exterior.clone()), if exterior.is_empty() { Vec::new() } else { holes })
}

fn bad_figure(random: &mut Random, depth: u32) -> Geometry<f64> {
    let point = |random: &mut Random| Coord { x: coordinate(random), y: coordinate(random) };
    let line = |random: &mut Random| LineString::new(corners(random, 6));
    match random.below(if depth == 0 { 9 } else { 11 }) {
        0 => Point(point(random)).into(),
        1 => MultiPoint(corners(random, 4).into_iter().map(Point).collect()).into(),
        2 => line(random).into(),
        3 => MultiLineString((0..random.below(3)).map(|_| line(random)).collect()).into(),
        4 | 5 => polygon(random).into(),
        6 => MultiPolygon((0..random.below(4)).map(|_| polygon(random)).collect()).into(),
        7 => Rect::new(point(random), point(random)).into(),
        8 if random.one_in(2) => Line::new(point(random), point(random)).into(),
        8 => Triangle::new(point(random), point(random), point(random)).into(),
        _ => Geometry::GeometryCollection(GeometryCollection(
            (0..random.below(4)).map(|_| bad_figure(random, depth - 1)).collect(),
        )),
    }
}

/// Evaluates, and gives up the seed when that takes too long or panics.
fn evaluate(seed: u64, expr: &Expr, item: &Document) -> Option<bool> {
    let started = Instant::now();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| expr.holds(item)));
    let Ok(known) = result else { panic!("seed {seed} panics: {expr:?}\non {item:?}") };
    assert!(started.elapsed() < LONGEST, "seed {seed} takes {:?}: {expr:?}", started.elapsed());
    known
}

#[test]
fn hostile_subjects_do_no_harm() {
    for seed in 0..20_000 {
        let mut random = Random::new(seed ^ 0xBAD);
        let expr = expr(&mut random, 4);
        let mut item = subject(&mut random);
        for name in NUMBERS.iter().chain(&TEXTS).chain(&TIMES).chain(&LISTS) {
            if random.one_in(2) {
                item.raw.insert((*name).into(), random.pick(&JSON).into());
            }
        }
        item.drawn = Some(bad_figure(&mut random, 3));
        evaluate(seed, &expr, &item);
    }
}

#[test]
fn hostile_shapes_do_no_harm() {
    let mut known = 0;
    for seed in 0..3_000 {
        let mut random = Random::new(seed ^ 0x5AFE);
        let (one, other) = (bad_figure(&mut random, 2), bad_figure(&mut random, 2));
        let item = Document { drawn: Some(one), ..Document::default() };
        let of = |op| evaluate(seed, &spatial(op, prop("geometry"), shape(other.clone())), &item);
        let back = |op| evaluate(seed, &spatial(op, shape(other.clone()), prop("geometry")), &item);
        let intersects = of(SpatialOp::Intersects);
        known += u32::from(intersects.is_some());
        for op in SPATIAL {
            assert_eq!(of(op).is_some(), intersects.is_some(), "seed {seed}: {op:?}");
        }
        assert_eq!(of(SpatialOp::Disjoint), intersects.map(|known| !known), "seed {seed}");
        assert_eq!(back(SpatialOp::Intersects), intersects, "seed {seed}: {:?} {other:?}", item.drawn);
        assert_eq!(back(SpatialOp::Contains), of(SpatialOp::Within), "seed {seed}: {:?} {other:?}", item.drawn);
    }
    assert!(known > 1_500, "{known} of 3,000 pairs of shapes were compared");
}

#[test]
fn long_values_cost_bounded_time() {
    let long = "a".repeat(1 << 20);
    let pattern = format!("{}b", "%a".repeat(500));
    let item = |json: String| Document { raw: [("platform".into(), json)].into(), ..Document::default() };
    let like = |pattern: &str| Expr::Like { value: prop("platform"), pattern: text(pattern) };
    let quoted = item(format!("\"{long}\""));
    evaluate(1, &like(&pattern), &quoted);
    assert_eq!(evaluate(2, &like("%aaa%a"), &quoted), Some(true));
    let bites = format!("%{}b%{}c", "a".repeat(30_000), "_a".repeat(15_000));
    assert_eq!(evaluate(3, &like(&bites), &quoted), None, "the allowance is spent");
    let deep = item("[".repeat(1 << 20));
    let nested = item(format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)));
    let wide = item(format!("[{}1]", "1,".repeat(400_000)));
    let wanted = list((0..2_000).map(|one| number(f64::from(one + 2))));
    for op in ARRAYS {
        for item in [&deep, &nested, &wide] {
            assert_eq!(evaluate(4, &array(op, prop("platform"), wanted.clone()), item), None);
            assert_eq!(evaluate(5, &array(op, prop("platform"), prop("platform")), item), None);
        }
    }
    let many = Expr::Or((0..2_000).map(|one| super::equal(prop("platform"), text(&one.to_string()))).collect());
    assert_eq!(evaluate(6, &many, &quoted), None);
    assert_eq!(evaluate(7, &Expr::Or(vec![many, super::equal(prop("id"), text("i"))]), &quoted), None);
}

#[test]
fn like_takes_no_time_for_many_wildcards() {
    let item = Document::with(json!({ "platform": "a".repeat(5_000) }));
    let started = Instant::now();
    let like = Expr::Like { value: prop("platform"), pattern: text(&format!("{}b", "%a".repeat(40))) };
    assert_eq!(like.holds(&item), Some(false));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// A comb of so many teeth, along x or along y.
fn comb(teeth: u32, upright: bool) -> Geometry<f64> {
    let mut ring = Vec::new();
    for tooth in 0..teeth {
        let at = f64::from(tooth) * 100.0 / f64::from(teeth);
        ring.push(Coord { x: at, y: if tooth % 2 == 0 { 0.5 } else { 100.0 } });
    }
    ring.extend([Coord { x: 100.0, y: 0.0 }, Coord { x: 0.0, y: 0.0 }]);
    if !upright {
        for at in &mut ring {
            std::mem::swap(&mut at.x, &mut at.y);
        }
    }
    Polygon::new(LineString::new(ring), Vec::new()).into()
}

/// A star of so many points (odd), each of whose sides crosses nearly all others.
fn star(points: u32) -> Geometry<f64> {
    let turns = (0..points).map(|n| f64::from(n * (points / 2) % points) * std::f64::consts::TAU / f64::from(points));
    let ring = turns.map(|turn| Coord { x: turn.cos(), y: turn.sin() }).collect();
    Polygon::new(LineString::new(ring), Vec::new()).into()
}

#[test]
fn shapes_that_cross_without_end_are_unknown() {
    let item = Document { drawn: Some(comb(2_000, true)), ..Document::default() };
    assert_eq!(evaluate(1, &spatial(SpatialOp::Overlaps, prop("geometry"), shape(comb(2_000, false))), &item), None);
    // found at once, however many crossings there are
    assert_eq!(
        evaluate(2, &spatial(SpatialOp::Intersects, prop("geometry"), shape(comb(1_500, false))), &item),
        Some(true)
    );
    for points in [5, 31, 401, 3_001] {
        let inside = spatial(SpatialOp::Within, prop("geometry"), shape(Rect::new((-2.0, -2.0), (2.0, 2.0))));
        let known = evaluate(3, &inside, &Document { drawn: Some(star(points)), ..Document::default() });
        assert_eq!(known, (points < 100).then_some(true), "{points} points");
    }
    let huge = Geometry::from(MultiPoint::from(vec![(0.0, 0.0); 60_000]));
    let huge = Document { drawn: Some(huge), ..Document::default() };
    assert_eq!(
        evaluate(4, &spatial(SpatialOp::Intersects, prop("geometry"), shape(Point::new(0.0, 0.0))), &huge),
        None
    );
    assert_eq!(huge.json("id"), None);
}
