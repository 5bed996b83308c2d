//! Laws that hold of every subject, unknown included.

use super::generate::{Random, between, expr, leaf, membership, subject};
use super::{COMPARISONS, Document, array, compare, equal, interval, not, prop, spatial, temporal, timestamp};
use crate::cql2::{ArrayOp, Comparison, Expr, SpatialOp, TemporalOp, Value};

const ROUNDS: u64 = 2_000;

/// Two ways to say the same, for generated conditions and subjects.
fn same(law: &str, mut make: impl FnMut(&mut Random) -> (Expr, Expr)) {
    let mut known = 0;
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed ^ 0x1A35);
        let (one, other) = make(&mut random);
        let item = subject(&mut random);
        let (one_holds, other_holds) = (one.holds(&item), other.holds(&item));
        assert_eq!(one_holds, other_holds, "{law}: seed {seed}: {one:?}\nand {other:?}\non {}", item.item);
        known += u64::from(one_holds.is_some());
    }
    assert!(known > ROUNDS / 8, "{law}: {known} of {ROUNDS} are known");
}

#[test]
fn laws_of_logic() {
    let two = |random: &mut Random| (expr(random, 2), expr(random, 2));
    same("NOT NOT", |random| {
        let one = expr(random, 3);
        (not(not(one.clone())), one)
    });
    same("De Morgan, AND", |random| {
        let (one, other) = two(random);
        (not(Expr::And(vec![one.clone(), other.clone()])), Expr::Or(vec![not(one), not(other)]))
    });
    same("De Morgan, OR", |random| {
        let (one, other) = two(random);
        (not(Expr::Or(vec![one.clone(), other.clone()])), Expr::And(vec![not(one), not(other)]))
    });
    same("order", |random| {
        let (one, other) = two(random);
        (Expr::And(vec![one.clone(), other.clone()]), Expr::And(vec![other, one]))
    });
    same("distribution", |random| {
        let ((a, b), c) = (two(random), leaf(random));
        let both = |one: &Expr| Expr::And(vec![c.clone(), one.clone()]);
        (Expr::And(vec![c.clone(), Expr::Or(vec![a.clone(), b.clone()])]), Expr::Or(vec![both(&a), both(&b)]))
    });
}

#[test]
fn laws_of_comparison() {
    same("BETWEEN", |random| {
        let Expr::Between { value, low, high } = between(random) else { unreachable!() };
        let two = Expr::And(vec![
            compare(value.clone(), Comparison::GreaterOrEqual, low.clone()),
            compare(value.clone(), Comparison::LessOrEqual, high.clone()),
        ]);
        (Expr::Between { value, low, high }, two)
    });
    same("IN", |random| {
        let Expr::In { value, list } = membership(random) else { unreachable!() };
        let each = list.iter().map(|one| equal(value.clone(), one.clone())).collect();
        (Expr::In { value, list }, Expr::Or(each))
    });
    let (below, above) = (COMPARISONS, |op| match op {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
    });
    same("opposites", |random| {
        let Expr::Between { value, low, .. } = between(random) else { unreachable!() };
        let op = random.pick(&below);
        (compare(value.clone(), op, low.clone()), not(compare(value, above(op), low)))
    });
    same("sides", |random| {
        let Expr::Between { value, low, .. } = between(random) else { unreachable!() };
        let op = random.pick(&below);
        (compare(value.clone(), op, low.clone()), compare(low, op.mirrored(), value))
    });
}

#[test]
fn laws_of_functions() {
    let pair = |random: &mut Random, wanted: fn(&Expr) -> Option<(Value, Value)>| loop {
        if let Some(pair) = wanted(&leaf(random)) {
            return pair;
        }
    };
    let times = |expr: &Expr| match expr {
        Expr::Temporal { left, right, .. } => Some((left.clone(), right.clone())),
        _ => None,
    };
    let places = |expr: &Expr| match expr {
        Expr::Spatial { left, right, .. } => Some((left.clone(), right.clone())),
        _ => None,
    };
    let arrays = |expr: &Expr| match expr {
        Expr::Array { left, right, .. } => Some((left.clone(), right.clone())),
        _ => None,
    };
    same("T_DISJOINT", |random| {
        let (a, b) = pair(random, times);
        (temporal(TemporalOp::Disjoint, a.clone(), b.clone()), not(temporal(TemporalOp::Intersects, a, b)))
    });
    for (one, other) in [
        (TemporalOp::After, TemporalOp::Before),
        (TemporalOp::Contains, TemporalOp::During),
        (TemporalOp::Finishes, TemporalOp::FinishedBy),
        (TemporalOp::Starts, TemporalOp::StartedBy),
        (TemporalOp::Meets, TemporalOp::MetBy),
        (TemporalOp::Overlaps, TemporalOp::OverlappedBy),
        (TemporalOp::Equals, TemporalOp::Equals),
    ] {
        same("mirrored times", |random| {
            let (a, b) = pair(random, times);
            (temporal(one, a.clone(), b.clone()), temporal(other, b, a))
        });
    }
    same("S_DISJOINT", |random| {
        let (a, b) = pair(random, places);
        (spatial(SpatialOp::Disjoint, a.clone(), b.clone()), not(spatial(SpatialOp::Intersects, a, b)))
    });
    same("S_WITHIN", |random| {
        let (a, b) = pair(random, places);
        (spatial(SpatialOp::Within, a.clone(), b.clone()), spatial(SpatialOp::Contains, b, a))
    });
    same("A_CONTAINS", |random| {
        let (a, b) = pair(random, arrays);
        (array(ArrayOp::Contains, a.clone(), b.clone()), array(ArrayOp::ContainedBy, b, a))
    });
    same("A_EQUALS", |random| {
        let (a, b) = pair(random, arrays);
        let both =
            vec![array(ArrayOp::Contains, a.clone(), b.clone()), array(ArrayOp::ContainedBy, a.clone(), b.clone())];
        (array(ArrayOp::Equals, a, b), Expr::And(both))
    });
}

#[test]
fn an_instant_in_an_interval_is_between_its_ends() {
    let (start, end) = ("2024-02-28T23:00:00Z", "2024-03-01T00:00:00Z");
    same("T_INTERSECTS", |random| {
        let name = prop(random.pick(&super::generate::TIMES));
        let within = temporal(TemporalOp::Intersects, name.clone(), interval(start, end));
        (within, Expr::Between { value: name, low: timestamp(start), high: timestamp(end) })
    });
    assert_eq!(temporal(TemporalOp::Intersects, prop("x"), interval(start, "..")).holds(&Document::default()), None);
}
