//! Conditions and subjects from a seed: few properties and few values, so that something holds of something.

use chrono::{Days, NaiveDate, TimeDelta};
use geo::{Geometry, LineString, Point, Rect};
use serde_json::{Map, Value as Json, json};

use super::{
    ARITHMETIC, ARRAYS, COMPARISONS, Document, SPATIAL, TEMPORAL, arithmetic, array, compare, list, not, number, prop,
    shape, spatial, temporal, text,
};
use crate::cql2::{Edge, Expr, Value};

/// The generator `SplitMix64`.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    pub(super) fn one_in(&mut self, of: u32) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(u32::try_from(all.len()).unwrap()) as usize]
    }
}

pub(super) const NUMBERS: [&str; 2] = ["eo:cloud_cover", "gsd"];
pub(super) const TEXTS: [&str; 3] = ["platform", "id", "collection"];
pub(super) const TIMES: [&str; 4] = ["datetime", "start_datetime", "end_datetime", "other_time"];
pub(super) const LISTS: [&str; 2] = ["instruments", "bands"];
const ALPHABET: [&str; 10] = ["a", "b", "A", "é", "e\u{301}", "ß", "%", "_", "\\", "Σ"];

pub(super) fn word(random: &mut Random) -> String {
    (0..random.below(4)).map(|_| random.pick(&ALPHABET)).collect()
}

fn start() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 2, 28).unwrap()
}

/// An hour of four days.
fn hour(random: &mut Random) -> chrono::DateTime<chrono::Utc> {
    let hours = random.pick(&[0, 1, 23, 24, 25, 36, 47, 48, 72, 95]);
    start().and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::hours(hours)
}

fn some_day(random: &mut Random) -> NaiveDate {
    start().checked_add_days(Days::new(u64::from(random.below(4)))).unwrap()
}

/// The hour in one of its spellings of RFC 3339, or a date.
fn spelled(random: &mut Random) -> String {
    let at = hour(random);
    match random.below(6) {
        0 => at.format("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        1 => at.format("%Y-%m-%dt%H:%M:%Sz").to_string(),
        2 => (at + TimeDelta::hours(5)).format("%Y-%m-%dT%H:%M:%S+05:00").to_string(),
        3 => (at - TimeDelta::minutes(210)).format("%Y-%m-%dT%H:%M:%S.0-03:30").to_string(),
        4 => some_day(random).to_string(),
        _ => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn small(random: &mut Random) -> f64 {
    random.pick(&[-2.0, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 20.0])
}

fn scalar_json(random: &mut Random) -> Json {
    match random.below(6) {
        0 => json!(small(random)),
        1 => json!(random.below(3)),
        2 => json!(random.one_in(2)),
        3 => json!(spelled(random)),
        4 if random.one_in(4) => Json::Null,
        _ => json!(word(random)),
    }
}

/// A rectangle, a line along an axis or a point, with corners on whole numbers.
pub(super) fn figure(random: &mut Random) -> Geometry<f64> {
    let mut at = || f64::from(random.below(5));
    let (x, y) = (at(), at());
    let (wide, high) = (1.0 + at() % 3.0, 1.0 + at() % 3.0);
    match random.below(4) {
        0 => Point::new(x, y).into(),
        1 if random.one_in(2) => LineString::from(vec![(x, y), (x + wide, y)]).into(),
        1 => LineString::from(vec![(x, y), (x, y + high)]).into(),
        _ => Rect::new((x, y), (x + wide, y + high)).to_polygon().into(),
    }
}

pub(super) fn subject(random: &mut Random) -> Document {
    let mut properties = Map::new();
    for name in NUMBERS {
        properties.insert(name.into(), if random.one_in(5) { scalar_json(random) } else { json!(small(random)) });
    }
    for name in TIMES {
        properties.insert(name.into(), if random.one_in(8) { scalar_json(random) } else { json!(spelled(random)) });
    }
    for name in LISTS {
        let elements = (0..random.below(4)).map(|_| scalar_json(random)).collect();
        properties.insert(name.into(), if random.one_in(6) { scalar_json(random) } else { Json::Array(elements) });
    }
    properties.insert("platform".into(), json!(word(random)));
    properties.insert("flag".into(), json!(random.one_in(2)));
    properties.insert("inner".into(), json!({"a": 1}));
    let names: Vec<String> = properties.keys().cloned().collect();
    for name in names {
        match random.below(12) {
            0 => drop(properties.remove(&name)),
            1 => drop(properties.insert(name, Json::Null)),
            _ => {}
        }
    }
    let mut item = json!({ "id": word(random), "collection": word(random), "properties": properties });
    if !random.one_in(8) {
        item["geometry"] = serde_json::to_value(geojson::Geometry::from(&figure(random))).unwrap();
    }
    Document::of(item)
}

fn scalar(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 10 } else { 13 }) {
        0 | 1 => prop(random.pick(&NUMBERS)),
        2 => prop(random.pick(&TEXTS)),
        3 | 4 => prop(random.pick(&TIMES)),
        5 => prop(random.pick(&["flag", "inner", "instruments", "absent"])),
        6 => number(small(random)),
        7 => text(&if random.one_in(3) { spelled(random) } else { word(random) }),
        8 => Value::Timestamp(hour(random)),
        9 if random.one_in(3) => Value::Bool(random.one_in(2)),
        9 => Value::Date(some_day(random)),
        10 => Value::CaseI(Box::new(textual(random, depth - 1))),
        11 => Value::AccentI(Box::new(textual(random, depth - 1))),
        _ => calculation(random, depth - 1),
    }
}

fn textual(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 4 } else { 6 }) {
        0 | 1 => prop(random.pick(&TEXTS)),
        4 => Value::CaseI(Box::new(textual(random, depth - 1))),
        5 => Value::AccentI(Box::new(textual(random, depth - 1))),
        _ => text(&word(random)),
    }
}

fn calculation(random: &mut Random, depth: u32) -> Value {
    let side = |random: &mut Random| match random.below(if depth == 0 { 3 } else { 4 }) {
        0 | 1 => prop(random.pick(&NUMBERS)),
        2 => number(small(random)),
        _ => calculation(random, depth - 1),
    };
    let left = side(random);
    arithmetic(left, random.pick(&ARITHMETIC), side(random))
}

/// Two values that are likely of one kind.
fn pair(random: &mut Random) -> (Value, Value) {
    match random.below(5) {
        0 => (calculation(random, 1), number(small(random))),
        1 => (textual(random, 2), textual(random, 2)),
        2 => (prop(random.pick(&TIMES)), Value::Timestamp(hour(random))),
        3 => (prop(random.pick(&TIMES)), Value::Date(some_day(random))),
        _ => (scalar(random, 2), scalar(random, 2)),
    }
}

fn period(random: &mut Random) -> Value {
    let edge = |random: &mut Random, day: bool| match random.below(5) {
        0 => Edge::Open,
        1 => Edge::Property(random.pick(&TIMES).into()),
        _ if day => Edge::Date(some_day(random)),
        _ => Edge::Timestamp(hour(random)),
    };
    match random.below(6) {
        0 | 1 => prop(random.pick(&TIMES)),
        2 => Value::Date(some_day(random)),
        kind => {
            let start = edge(random, kind == 3);
            Value::Interval(Box::new([start, edge(random, kind == 3)]))
        }
    }
}

fn elements(random: &mut Random) -> Value {
    if random.one_in(3) {
        return prop(random.pick(&LISTS));
    }
    let count = random.below(4);
    list((0..count).map(|_| scalar(random, 1)).collect::<Vec<_>>())
}

fn place(random: &mut Random) -> Value {
    if random.one_in(2) { prop("geometry") } else { shape(figure(random)) }
}

pub(super) fn leaf(random: &mut Random) -> Expr {
    match random.below(12) {
        0..=2 => {
            let (left, right) = pair(random);
            compare(left, random.pick(&COMPARISONS), right)
        }
        3 => between(random),
        4 => membership(random),
        5 | 6 => {
            let pattern: String = (0..random.below(5)).map(|_| random.pick(&["%", "_", "a", "A", "\\", "é"])).collect();
            let pattern = text(&pattern);
            let folded = random.one_in(3);
            let wrap = |value| if folded { Value::CaseI(Box::new(value)) } else { value };
            Expr::Like { value: wrap(textual(random, 1)), pattern: wrap(pattern) }
        }
        7 => Expr::IsNull(if random.one_in(4) { prop("geometry") } else { scalar(random, 1) }),
        8 => Expr::Constant(random.one_in(2)),
        9 => temporal(random.pick(&TEMPORAL), period(random), period(random)),
        10 => array(random.pick(&ARRAYS), elements(random), elements(random)),
        _ => spatial(random.pick(&SPATIAL), place(random), place(random)),
    }
}

pub(super) fn between(random: &mut Random) -> Expr {
    let ((value, low), (_, high)) = (pair(random), pair(random));
    Expr::Between { value, low, high }
}

pub(super) fn membership(random: &mut Random) -> Expr {
    let (value, first) = pair(random);
    let count = random.below(3);
    let others = (0..count).map(|_| scalar(random, 1)).collect::<Vec<_>>();
    Expr::In { value, list: std::iter::once(first).chain(others).collect() }
}

pub(super) fn expr(random: &mut Random, depth: u32) -> Expr {
    let several = |random: &mut Random| {
        let count = 2 + random.below(3);
        (0..count).map(|_| expr(random, depth - 1)).collect()
    };
    match random.below(if depth == 0 { 2 } else { 6 }) {
        0 | 1 => leaf(random),
        2 => not(expr(random, depth - 1)),
        3 => Expr::Or(several(random)),
        _ => Expr::And(several(random)),
    }
}
