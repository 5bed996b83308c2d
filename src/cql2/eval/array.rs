//! Array functions (clause 7.8). Arrays are taken as sets: order and repetition make no difference.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::value::{self, LEVELS_MAX, Operand, Reader};
use crate::cql2::ArrayOp;

/// Unknown when one of the two is no array, or when the condition's array has an element without a value.
pub(super) fn holds(op: ArrayOp, left: &Operand<'_>, right: &Operand<'_>, reader: &Reader<'_>) -> Option<bool> {
    let (Operand::List(left), Operand::List(right)) = (left, right) else { return None };
    if !reader.pay(size(left).saturating_mul(size(right))) {
        return None;
    }
    Some(match op {
        ArrayOp::Equals => within(left, right) && within(right, left),
        ArrayOp::Contains => within(right, left),
        ArrayOp::ContainedBy => within(left, right),
        ArrayOp::Overlaps => left.iter().any(|one| has(right, one)),
    })
}

fn within(few: &[Operand<'_>], many: &[Operand<'_>]) -> bool {
    few.iter().all(|one| has(many, one))
}

fn has(list: &[Operand<'_>], one: &Operand<'_>) -> bool {
    list.iter().any(|other| same(one, other))
}

/// Elements are the same or not, never unknown: as members of a set a null is a null.
fn same(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Null, Operand::Null) => true,
        (Operand::Bool(left), Operand::Bool(right)) => left == right,
        (Operand::Number(left), Operand::Number(right)) => left.partial_cmp(right).is_some_and(Ordering::is_eq),
        (Operand::Text(left), Operand::Text(right)) => left == right,
        (Operand::Moment(_), _) | (_, Operand::Moment(_)) => {
            matches!((left.moment(), right.moment()), (Some(left), Some(right)) if left.order(&right).is_eq())
        }
        (Operand::List(left), Operand::List(right)) => within(left, right) && within(right, left),
        _ => false,
    }
}

/// Elements at all levels: no comparison of two arrays looks at more pairs than the product of both.
fn size(list: &[Operand<'_>]) -> usize {
    let inner = |one: &Operand<'_>| if let Operand::List(list) = one { size(list) } else { 0 };
    list.iter().map(|one| 1 + inner(one)).sum()
}

/// A JSON array; unreadable when it is nested deeper than any that STAC knows.
pub(super) fn read(json: &str) -> Operand<'_> {
    if depth(json) > LEVELS_MAX {
        return Operand::Unreadable;
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) else { return Operand::Unreadable };
    Operand::List(elements.into_iter().map(|element| value::read(element.get())).collect())
}

/// Levels of arrays and objects, brackets in texts not counted.
fn depth(json: &str) -> u32 {
    let (mut level, mut deepest, mut quoted, mut escaped) = (0_u32, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
