//! A second evaluator that shares nothing with the first but the tree: it works on the whole document, takes truth as 0, ½
//! and 1, time as sets of hours, areas as sets of points, and tries all ways for `LIKE`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use geo::{Coord, CoordsIter, Geometry};
use serde_json::Value as Json;

use super::generate::{Random, expr, subject};
use super::{Document, text as literal};
use crate::cql2::{Arithmetic, ArrayOp, Comparison, Edge, Expr, SpatialOp, Subject, TemporalOp, Value};

/// Twice the truth: 0 false, 1 unknown, 2 true.
type Truth = u8;

#[derive(Debug, Clone, PartialEq)]
enum Known {
    Null,
    Odd,
    Bool(bool),
    Number(f64),
    Text(String),
    /// The hours it takes, from 1970 on.
    Hours(BTreeSet<i64>),
    List(Vec<Known>),
}

const EVER: i64 = i64::MIN;
const NEVER: i64 = i64::MAX;

fn truth(known: bool) -> Truth {
    if known { 2 } else { 0 }
}

fn oracle(expr: &Expr, on: &Document) -> Truth {
    match expr {
        Expr::Constant(known) => truth(*known),
        Expr::And(parts) => parts.iter().map(|part| oracle(part, on)).min().unwrap(),
        Expr::Or(parts) => parts.iter().map(|part| oracle(part, on)).max().unwrap(),
        Expr::Not(part) => 2 - oracle(part, on),
        Expr::Compare { op, left, right } => comparison(*op, left, right, on),
        Expr::Between { value, low, high } => comparison(Comparison::LessOrEqual, low, value, on).min(comparison(
            Comparison::LessOrEqual,
            value,
            high,
            on,
        )),
        Expr::In { value, list } => {
            list.iter().map(|one| comparison(Comparison::Equal, value, one, on)).max().unwrap_or(0)
        }
        Expr::Like { value, pattern } => match (known(value, on), known(pattern, on)) {
            (Known::Text(text), Known::Text(pattern)) => {
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                truth(like(&chars(&text), &chars(&pattern)))
            }
            _ => 1,
        },
        Expr::IsNull(value) => match known(value, on) {
            Known::Null => 2,
            Known::Odd if !matches!(value, Value::Property(_)) => 1,
            _ => 0,
        },
        Expr::Spatial { op, left, right } => match (drawn(left, on), drawn(right, on)) {
            (Some(left), Some(right)) => truth(places(*op, &left, &right)),
            _ => 1,
        },
        Expr::Temporal { op, left, right } => match (span(left, on), span(right, on)) {
            (Some(left), Some(right)) => truth(times(*op, &left, &right)),
            _ => 1,
        },
        Expr::Array { op, left, right } => match (known(left, on), known(right, on)) {
            (Known::List(left), Known::List(right)) => {
                let has = |all: &[Known], one: &Known| all.iter().any(|other| same(one, other));
                let all = |few: &[Known], many: &[Known]| few.iter().all(|one| has(many, one));
                truth(match op {
                    ArrayOp::Equals => all(&left, &right) && all(&right, &left),
                    ArrayOp::Contains => all(&right, &left),
                    ArrayOp::ContainedBy => all(&left, &right),
                    ArrayOp::Overlaps => right.iter().any(|one| has(&left, one)),
                })
            }
            _ => 1,
        },
    }
}

fn same(one: &Known, other: &Known) -> bool {
    match (one, other) {
        (Known::Odd, _) | (_, Known::Odd) => false,
        (Known::Hours(_), _) | (_, Known::Hours(_)) => {
            matches!((hours(one), hours(other)), (Some(one), Some(other)) if !one.is_disjoint(&other))
        }
        _ => one == other,
    }
}

fn known(value: &Value, on: &Document) -> Known {
    match value {
        Value::Property(name) => on.value(name).map_or(Known::Null, of_json),
        Value::Text(text) => Known::Text(text.to_string()),
        Value::Number(number) => Known::Number(*number),
        Value::Bool(known) => Known::Bool(*known),
        Value::Timestamp(at) => Known::Hours(BTreeSet::from([at.timestamp() / 3600])),
        Value::Date(day) => Known::Hours(hours_of(*day)),
        Value::Array(values) => Known::List(values.iter().map(|value| known(value, on)).collect()),
        Value::Arithmetic { op, left, right } => match (known(left, on), known(right, on)) {
            (Known::Null, _) | (_, Known::Null) => Known::Null,
            (Known::Number(left), Known::Number(right)) => calculated(*op, left, right),
            _ => Known::Odd,
        },
        Value::CaseI(inner) => changed(known(inner, on), |text| {
            text.replace('ß', "ss").to_lowercase().replace('ς', "σ").replace('É', "é").replace('Σ', "σ")
        }),
        Value::AccentI(inner) => changed(known(inner, on), |text| text.replace('\u{301}', "").replace('é', "e")),
        Value::Interval(_) | Value::Geometry(_) => Known::Odd,
    }
}

fn changed(known: Known, change: impl Fn(String) -> String) -> Known {
    match known {
        Known::Text(text) => Known::Text(change(text)),
        Known::Null => Known::Null,
        _ => Known::Odd,
    }
}

fn of_json(json: &Json) -> Known {
    match json {
        Json::Null => Known::Null,
        Json::Bool(known) => Known::Bool(*known),
        Json::Number(number) => Known::Number(number.as_f64().unwrap()),
        Json::String(text) => Known::Text(text.clone()),
        Json::Array(elements) => Known::List(elements.iter().map(of_json).collect()),
        Json::Object(_) => Known::Odd,
    }
}

fn calculated(op: Arithmetic, left: f64, right: f64) -> Known {
    let divided = matches!(op, Arithmetic::Divide | Arithmetic::Modulo | Arithmetic::IntegerDivide);
    if divided && right == 0.0 {
        return Known::Odd;
    }
    let result = match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left - right * (left / right).trunc(),
        Arithmetic::IntegerDivide if (left < 0.0) == (right < 0.0) => (left / right).floor(),
        Arithmetic::IntegerDivide => (left / right).ceil(),
        Arithmetic::Power => left.powf(right),
    };
    if result.is_finite() { Known::Number(result) } else { Known::Odd }
}

fn hours_of(day: NaiveDate) -> BTreeSet<i64> {
    let first = day.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp() / 3600;
    (first..first + 24).collect()
}

fn hours(known: &Known) -> Option<BTreeSet<i64>> {
    match known {
        Known::Hours(hours) => Some(hours.clone()),
        Known::Text(text) => {
            if let Ok(day) = text.parse::<NaiveDate>() {
                return Some(hours_of(day));
            }
            let at = DateTime::parse_from_rfc3339(&text.to_uppercase()).ok()?.with_timezone(&Utc);
            Some(BTreeSet::from([at.timestamp() / 3600]))
        }
        _ => None,
    }
}

fn comparison(op: Comparison, left: &Value, right: &Value, on: &Document) -> Truth {
    let is_time = |value: &Value| matches!(value, Value::Property(name) if name.contains("datetime"));
    let (is_time, left, right) = (is_time(left) || is_time(right), known(left, on), known(right, on));
    let (less, equal) = match (&left, &right) {
        (Known::Number(left), Known::Number(right)) => (left < right, left <= right && left >= right),
        (Known::Bool(left), Known::Bool(right)) => (!left & right, left == right),
        (Known::Text(left), Known::Text(right)) if !is_time => (left.as_bytes() < right.as_bytes(), left == right),
        (Known::Text(_) | Known::Hours(_), Known::Text(_) | Known::Hours(_)) => {
            let (Some(left), Some(right)) = (hours(&left), hours(&right)) else { return 1 };
            (left.last() < right.first(), !left.is_disjoint(&right))
        }
        _ => return 1,
    };
    truth(match op {
        Comparison::Equal => equal,
        Comparison::NotEqual => !equal,
        Comparison::Less => less,
        Comparison::LessOrEqual => less || equal,
        Comparison::Greater => !less && !equal,
        Comparison::GreaterOrEqual => !less,
    })
}

/// Every way to match, by recursion.
fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|taken| like(&text[taken..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', escaped, rest @ ..] => text.first() == Some(escaped) && like(&text[1..], rest),
        [plain, rest @ ..] => text.first() == Some(plain) && like(&text[1..], rest),
    }
}

type Hours = BTreeSet<i64>;

fn span(value: &Value, on: &Document) -> Option<(Hours, Hours)> {
    let Value::Interval(edges) = value else {
        let at = hours(&known(value, on))?;
        return Some((at.clone(), at));
    };
    let edge = |edge: &Edge, open: i64| match edge {
        Edge::Open => Some(Hours::from([open])),
        Edge::Timestamp(at) => Some(Hours::from([at.timestamp() / 3600])),
        Edge::Date(day) => Some(hours_of(*day)),
        Edge::Property(name) => hours(&known(&Value::Property(name.clone()), on)),
    };
    let (start, end) = (edge(&edges[0], EVER)?, edge(&edges[1], NEVER)?);
    (start.first() <= end.last()).then_some((start, end))
}

fn times(op: TemporalOp, (a, b): &(Hours, Hours), (c, d): &(Hours, Hours)) -> bool {
    let before = |x: &Hours, y: &Hours| x.last() < y.first();
    let with = |x: &Hours, y: &Hours| !x.is_disjoint(y);
    match op {
        TemporalOp::After => before(d, a),
        TemporalOp::Before => before(b, c),
        TemporalOp::Disjoint => before(d, a) || before(b, c),
        TemporalOp::Intersects => !(before(d, a) || before(b, c)),
        TemporalOp::Equals => with(a, c) && with(b, d),
        TemporalOp::Contains => before(a, c) && before(d, b),
        TemporalOp::During => before(c, a) && before(b, d),
        TemporalOp::Finishes => before(c, a) && with(b, d),
        TemporalOp::FinishedBy => before(a, c) && with(b, d),
        TemporalOp::Starts => with(a, c) && before(b, d),
        TemporalOp::StartedBy => with(a, c) && before(d, b),
        TemporalOp::Meets => with(b, c),
        TemporalOp::MetBy => with(a, d),
        TemporalOp::Overlaps => before(a, c) && before(c, b) && before(b, d),
        TemporalOp::OverlappedBy => before(c, a) && before(a, d) && before(d, b),
    }
}

/// Corners of the box, in halves.
fn drawn(value: &Value, on: &Document) -> Option<[i32; 4]> {
    let geometry: Geometry<f64> = match value {
        Value::Geometry(shape) => shape.geometry.clone(),
        Value::Property(name) => on.geometry(name)?.into_owned(),
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
    let halves: Vec<(i32, i32)> =
        geometry.coords_iter().map(|Coord { x, y }| ((x * 2.0) as i32, (y * 2.0) as i32)).collect();
    let (x, y) = (halves.iter().map(|at| at.0), halves.iter().map(|at| at.1));
    Some([x.clone().min()?, y.clone().min()?, x.max()?, y.max()?])
}

#[derive(PartialEq, PartialOrd, Clone, Copy)]
enum Part {
    Inside,
    Edge,
    Outside,
}

fn dimension([west, south, east, north]: [i32; 4]) -> u8 {
    u8::from(west < east) + u8::from(south < north)
}

fn part([west, south, east, north]: [i32; 4], (x, y): (i32, i32)) -> Part {
    if x < west || x > east || y < south || y > north {
        return Part::Outside;
    }
    let ends = u8::from(x == west || x == east) + u8::from(y == south || y == north);
    let edge = match dimension([west, south, east, north]) {
        0 => false,
        1 => ends == 2,
        _ => ends > 0,
    };
    if edge { Part::Edge } else { Part::Inside }
}

/// Whole and half numbers suffice to tell how figures with whole corners lie to each other.
fn places(op: SpatialOp, a: &[i32; 4], b: &[i32; 4]) -> bool {
    let points = (-2..20).flat_map(|x| (-2..20).map(move |y| (x, y)));
    let found: Vec<((i32, i32), Part, Part)> = points.map(|at| (at, part(*a, at), part(*b, at))).collect();
    let any = |test: &dyn Fn(Part, Part) -> bool| found.iter().any(|(_, a, b)| test(*a, *b));
    let shared = any(&|a, b| a != Part::Outside && b != Part::Outside);
    let inner = any(&|a, b| a == Part::Inside && b == Part::Inside);
    let only_a = any(&|a, b| a != Part::Outside && b == Part::Outside);
    let only_b = any(&|a, b| a == Part::Outside && b != Part::Outside);
    let along =
        found.iter().any(|((x, y), a, b)| *a == Part::Inside && *b == Part::Inside && (x % 2 != 0 || y % 2 != 0));
    let (dim_a, dim_b) = (dimension(*a), dimension(*b));
    match op {
        SpatialOp::Intersects => shared,
        SpatialOp::Disjoint => !shared,
        SpatialOp::Equals => !only_a && !only_b,
        SpatialOp::Touches => shared && !inner,
        SpatialOp::Within => inner && !only_a,
        SpatialOp::Contains => inner && !only_b,
        SpatialOp::Overlaps => dim_a == dim_b && only_a && only_b && inner && (dim_a != 1 || along),
        SpatialOp::Crosses if dim_a == dim_b => dim_a == 1 && inner && !along,
        SpatialOp::Crosses => inner && if dim_a < dim_b { only_a } else { only_b },
    }
}

#[test]
fn generated_conditions_mean_what_the_oracle_says() {
    let mut seen = [0_u32; 3];
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let expr = expr(&mut random, 3);
        for _ in 0..4 {
            let item = subject(&mut random);
            let expected = oracle(&expr, &item);
            let given = match expr.holds(&item) {
                Some(known) => truth(known),
                None => 1,
            };
            assert_eq!(given, expected, "seed {seed}: {expr:?}\non {}", item.item);
            seen[usize::from(given)] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 2_000), "answers are too much alike: {seen:?}");
}

#[test]
fn generated_leaves_mean_what_the_oracle_says() {
    for seed in 0..40_000 {
        let mut random = Random::new(seed ^ 0x5EED);
        let expr = super::generate::leaf(&mut random);
        let item = subject(&mut random);
        let expected = [Some(false), None, Some(true)][usize::from(oracle(&expr, &item))];
        assert_eq!(expr.holds(&item), expected, "seed {seed}: {expr:?}\non {}", item.item);
    }
}

#[test]
fn the_oracle_can_be_wrong() {
    // the oracle is no copy: it is not asked what it cannot know, such as minutes
    let item = Document::with(serde_json::json!({ "datetime": "2024-01-01T00:30:00Z" }));
    let expr = super::equal(super::prop("datetime"), literal("2024-01-01T00:00:00Z"));
    assert_eq!((oracle(&expr, &item), expr.holds(&item)), (2, Some(false)));
}
