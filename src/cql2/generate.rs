//! Conditions made up for tests: every form, over properties that Items of tests have, from a seed.
//!
//! What is made is in the form that the readers give, so that reading what was written must give the same again.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::DateTime;
use geo::{Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon};

use super::ast::{Arithmetic, ArrayOp, Comparison, Edge, Expr, Shape, SpatialOp, Subject, TemporalOp, Value};

pub const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
];
pub const SPATIAL: [SpatialOp; 8] = [
    SpatialOp::Intersects,
    SpatialOp::Equals,
    SpatialOp::Disjoint,
    SpatialOp::Touches,
    SpatialOp::Within,
    SpatialOp::Overlaps,
    SpatialOp::Crosses,
    SpatialOp::Contains,
];
pub const TEMPORAL: [TemporalOp; 15] = [
    TemporalOp::After,
    TemporalOp::Before,
    TemporalOp::Contains,
    TemporalOp::Disjoint,
    TemporalOp::During,
    TemporalOp::Equals,
    TemporalOp::FinishedBy,
    TemporalOp::Finishes,
    TemporalOp::Intersects,
    TemporalOp::Meets,
    TemporalOp::MetBy,
    TemporalOp::OverlappedBy,
    TemporalOp::Overlaps,
    TemporalOp::StartedBy,
    TemporalOp::Starts,
];
pub const ARRAY: [ArrayOp; 4] = [ArrayOp::Equals, ArrayOp::Contains, ArrayOp::ContainedBy, ArrayOp::Overlaps];
pub const ARITHMETIC: [Arithmetic; 7] = [
    Arithmetic::Add,
    Arithmetic::Subtract,
    Arithmetic::Multiply,
    Arithmetic::Divide,
    Arithmetic::Modulo,
    Arithmetic::IntegerDivide,
    Arithmetic::Power,
];
const NAMES: [&str; 10] = [
    "eo:cloud_cover",
    "platform",
    "gsd",
    "id",
    "collection",
    "not",
    "noaa-mrms-qpe:pass",
    "ø:größe",
    "a.b",
    "proj:code",
];
const TEXTS: [&str; 14] = [
    "",
    "a",
    "S2A_1",
    "100%",
    "it's",
    "''",
    "\\",
    "\\%_",
    "\\\\",
    "\\'",
    "C:\\temp\\new\\",
    "Οδος Straße 😀",
    "line\nfeed\t",
    "..",
];
const NUMBERS: [f64; 11] =
    [0.0, 1.0, -1.0, 10.0, 0.1, -2.5, 1e21, 1.5e-7, 9_007_199_254_740_993.0, 1e300, 59.999_999_999];

/// A sequence that a seed decides: xorshift64*.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % n
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A condition of at most so many levels above its leaves.
    pub(crate) fn expr(&mut self, deep: usize) -> Expr {
        match if deep == 0 { 9 } else { self.below(12) } {
            0..=2 => Expr::and(self.several(|seeded| seeded.expr(deep - 1))),
            3..=4 => Expr::or(self.several(|seeded| seeded.expr(deep - 1))),
            5 => Expr::Not(Box::new(self.expr(deep - 1))),
            _ => self.leaf(deep.min(3)),
        }
    }

    /// A condition that is no AND, OR or NOT.
    pub(crate) fn leaf(&mut self, deep: usize) -> Expr {
        match self.below(12) {
            0 => Expr::Constant(self.below(2) == 0),
            1..=3 => {
                let (left, right) = self.pair(deep);
                Expr::Compare { op: self.one(&COMPARISONS), left, right }
            }
            4 => Expr::Between { value: self.number(deep), low: self.number(0), high: self.number(0) },
            5 => Expr::In { value: self.name(), list: self.several(|seeded| seeded.text(1)) },
            6 => Expr::In { value: self.number(deep), list: self.several(|seeded| seeded.number(1)) },
            7 => Expr::Like { value: self.folding(), pattern: self.text(deep) },
            8 => Expr::IsNull(self.name()),
            9 => Expr::Spatial { op: self.one(&SPATIAL), left: property("geometry"), right: self.shape() },
            10 => Expr::Temporal { op: self.one(&TEMPORAL), left: self.times(), right: self.interval(false) },
            _ => Expr::Array { op: self.one(&ARRAY), left: self.name(), right: self.array() },
        }
    }

    fn several<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..2 + self.below(3)).map(|_| make(self)).collect()
    }

    fn name(&mut self) -> Value {
        property(self.one(&NAMES))
    }

    /// Operands of one kind, a property first.
    fn pair(&mut self, deep: usize) -> (Value, Value) {
        match self.below(6) {
            0 => (self.folding(), self.text(deep)),
            1 => (self.name(), Value::Bool(self.below(2) == 0)),
            2 => (property("datetime"), self.instant()),
            3 => (self.name(), self.name()),
            4 => (Value::Number(self.one(&NUMBERS)), Value::Number(self.one(&NUMBERS))),
            _ => (self.sum(deep), self.number(deep)),
        }
    }

    /// A number, or something that gives one.
    fn number(&mut self, deep: usize) -> Value {
        match self.below(if deep == 0 { 2 } else { 4 }) {
            0 => self.name(),
            1 => Value::Number(self.one(&NUMBERS)),
            _ => self.sum(deep - 1),
        }
    }

    /// Arithmetic with a property in it.
    fn sum(&mut self, deep: usize) -> Value {
        if deep == 0 {
            return self.name();
        }
        let (op, left, right) = (self.one(&ARITHMETIC), self.number(deep - 1), self.number(deep - 1));
        let with = if self.below(2) == 0 { (self.name(), right) } else { (left, self.name()) };
        Value::Arithmetic { op, left: Box::new(with.0), right: Box::new(with.1) }
    }

    fn text(&mut self, deep: usize) -> Value {
        match self.below(if deep == 0 { 1 } else { 4 }) {
            2 => Value::CaseI(Box::new(self.text(deep - 1))),
            3 => Value::AccentI(Box::new(self.text(deep - 1))),
            _ => Value::Text(self.one(&TEXTS).into()),
        }
    }

    fn folding(&mut self) -> Value {
        match self.below(4) {
            0 => Value::CaseI(Box::new(self.name())),
            1 => Value::AccentI(Box::new(Value::CaseI(Box::new(self.name())))),
            _ => self.name(),
        }
    }

    fn array(&mut self) -> Value {
        match self.below(4) {
            0 => Value::Array(Vec::new()),
            1 => Value::Array(vec![self.text(1)]),
            2 => Value::Array(vec![Value::Number(self.one(&NUMBERS)), Value::Bool(true), self.instant(), self.name()]),
            _ => self.name(),
        }
    }

    /// Seconds between 1970 and 2100, with 0, 3, 6 or 9 digits of fraction.
    fn moment(&mut self) -> DateTime<chrono::Utc> {
        let seconds = i64::try_from(self.below(4_102_444_800)).unwrap();
        DateTime::from_timestamp(seconds, self.one(&[0, 137_000_000, 137_250_000, 1])).unwrap()
    }

    fn instant(&mut self) -> Value {
        if self.below(2) == 0 { Value::Timestamp(self.moment()) } else { Value::Date(self.moment().date_naive()) }
    }

    fn times(&mut self) -> Value {
        if self.below(2) == 0 { property("datetime") } else { self.interval(true) }
    }

    fn interval(&mut self, of_properties: bool) -> Value {
        if of_properties {
            let edges = [Edge::Property("start_datetime".into()), Edge::Property("end_datetime".into())];
            return Value::Interval(Box::new(edges));
        }
        let mut moments = [self.moment(), self.moment()];
        moments.sort();
        let mut edge = |at: DateTime<chrono::Utc>| match self.below(3) {
            0 => Edge::Open,
            1 => Edge::Date(at.date_naive()),
            _ => Edge::Timestamp(at),
        };
        let edges = [edge(moments[0]), edge(moments[1])];
        // The day of a start begins before it, and that of an end ends after it: the order stays.
        Value::Interval(Box::new(edges))
    }

    fn coord(&mut self) -> Coord<f64> {
        let degrees = |n: usize, max: f64| (f64::from(u32::try_from(n).unwrap()) / 1_000.0) - max;
        Coord { x: degrees(self.below(360_001), 180.0), y: degrees(self.below(180_001), 90.0) }
    }

    fn line(&mut self) -> LineString<f64> {
        LineString::new(self.several(Self::coord))
    }

    fn polygon(&mut self) -> Polygon<f64> {
        let Coord { x, y } = self.coord();
        let ring = |size: f64| LineString::from(vec![(x, y), (x + size, y), (x + size, y + size), (x, y)]);
        let holes = if self.below(3) == 0 { vec![ring(0.25)] } else { Vec::new() };
        Polygon::new(ring(1.5), holes)
    }

    fn simple(&mut self) -> Geometry<f64> {
        match self.below(6) {
            0 => Point(self.coord()).into(),
            1 => self.line().into(),
            2 => self.polygon().into(),
            3 => MultiPoint::new(self.several(|seeded| Point(seeded.coord()))).into(),
            4 => MultiLineString::new(self.several(Self::line)).into(),
            _ => MultiPolygon::new(self.several(Self::polygon)).into(),
        }
    }

    pub(crate) fn shape(&mut self) -> Value {
        let geometry = match self.below(8) {
            0 => return bbox(&[self.coord(), self.coord()]),
            1 => Geometry::GeometryCollection(GeometryCollection::from(self.several(Self::simple))),
            _ => self.simple(),
        };
        Value::Geometry(Arc::new(Shape { geometry, bbox: Vec::new() }))
    }
}

fn property(name: &str) -> Value {
    Value::Property(name.into())
}

/// A box from one corner eastwards to the other.
fn bbox(corners: &[Coord<f64>; 2]) -> Value {
    let [a, b] = corners;
    let json = serde_json::json!({"op": "s_within", "args": [{"property": "geometry"},
        {"bbox": [a.x, a.y.min(b.y), b.x, a.y.max(b.y)]}]});
    match Expr::from_json(&json) {
        Ok(Expr::Spatial { right, .. }) => right,
        other => panic!("{other:?}"),
    }
}

/// Something to evaluate conditions on: JSON texts by property, and a geometry.
#[derive(Debug)]
pub(crate) struct Thing {
    properties: Vec<(&'static str, String)>,
    geometry: Option<Geometry<f64>>,
}

impl Thing {
    pub(crate) fn of(properties: &[(&'static str, serde_json::Value)]) -> Self {
        let properties = properties.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Self { properties, geometry: None }
    }

    /// Each property may be absent, null, or of a kind that the condition does not expect.
    pub(crate) fn some(seeded: &mut Seeded) -> Self {
        let mut properties = Vec::new();
        for name in NAMES {
            let value = match seeded.below(7) {
                0 => continue,
                1 => serde_json::json!(null),
                2 => serde_json::json!(seeded.below(2) == 0),
                3 => serde_json::json!([seeded.one(&TEXTS), seeded.one(&NUMBERS), true]),
                4 => serde_json::json!(seeded.one(&TEXTS)),
                _ => serde_json::json!(seeded.one(&NUMBERS)),
            };
            properties.push((name, value.to_string()));
        }
        for name in ["datetime", "start_datetime", "end_datetime"] {
            properties.push((name, serde_json::json!(seeded.moment().to_rfc3339()).to_string()));
        }
        let geometry = (seeded.below(5) > 0).then(|| seeded.simple());
        Self { properties, geometry }
    }
}

impl Subject for Thing {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        self.properties.iter().find(|(name, _)| *name == property).map(|(_, json)| Cow::Borrowed(json.as_str()))
    }

    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>> {
        self.geometry.as_ref().filter(|_| property == "geometry").map(Cow::Borrowed)
    }
}
