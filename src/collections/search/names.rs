//! Both names of a Collection in a condition: `MEMBER|collection` as it is shown, and the bare id.
//!
//! As with `collection` in conditions on Items: `=`, `<>`, `IN` and `LIKE` are true when one of the two names meets them,
//! an ordering comparison takes the name that its literal has the form of, and `MEMBER%7Ccollection` is the qualified name.

use crate::collections::Ids;
use crate::collections::ids::Named;
use crate::cql2::{Comparison, Expr, Value};

/// The property of a condition that is rewritten.
const ID: &str = "id";
/// The bare id in a rewritten condition; no document has a property of such a name.
pub(super) const BARE_ID: &str = "\0bare id";

/// The condition with predicates on `id` put to the name that they are about.
#[must_use]
pub fn of_either_name(filter: &Expr, ids: &Ids) -> Expr {
    filter.clone().map_leaves(&mut |leaf| rewritten(leaf, ids)).folded()
}

fn rewritten(leaf: Expr, ids: &Ids) -> Expr {
    match &leaf {
        Expr::Compare { op, left, right } if is_id(left) => compared(*op, left, right, ids),
        Expr::Compare { op, left, right } if is_id(right) => compared(op.mirrored(), right, left, ids),
        Expr::Between { value, low, high } if is_id(value) => Expr::And(vec![
            compared(Comparison::GreaterOrEqual, value, low, ids),
            compared(Comparison::LessOrEqual, value, high, ids),
        ]),
        Expr::In { value, list } if is_id(value) => one_of(value, list, ids),
        Expr::In { value, list } if list.iter().any(is_id) => {
            let equal = |entry: &Value| {
                if is_id(entry) {
                    return compared(Comparison::Equal, entry, value, ids);
                }
                Expr::Compare { op: Comparison::Equal, left: value.clone(), right: entry.clone() }
            };
            Expr::Or(list.iter().map(equal).collect())
        }
        Expr::Like { value, pattern } if is_id(value) => {
            Expr::Or(vec![leaf.clone(), Expr::Like { value: bare(value), pattern: pattern.clone() }])
        }
        _ => leaf,
    }
}

/// Two lists at most, however many names there are.
fn one_of(id: &Value, list: &[Value], ids: &Ids) -> Expr {
    let (mut shown, mut own) = (Vec::new(), Vec::new());
    for entry in list {
        let text = if matches!(id, Value::Property(_)) { entry.literal_text() } else { None };
        if let Some(text) = text {
            match ids.parse(text) {
                Named::Qualified { member, native } => {
                    shown.push(entry.with_literal_text(&ids.qualified(&member, &native)));
                }
                Named::Shared(_) => shown.push(entry.clone()),
                Named::Bare(_) => own.push(entry.clone()),
            }
        } else {
            shown.push(entry.clone());
            own.push(entry.clone());
        }
    }
    let lists = [(id.clone(), shown), (bare(id), own)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    Expr::Or(lists.map(|(value, list)| Expr::In { value, list }).collect())
}

fn compared(op: Comparison, id: &Value, literal: &Value, ids: &Ids) -> Expr {
    let with = |left: Value, right: Value| Expr::Compare { op, left, right };
    let as_it_is = || with(id.clone(), literal.clone());
    match (id, literal.literal_text()) {
        (Value::Property(_), Some(text)) => match ids.parse(text) {
            Named::Qualified { member, native } => {
                with(id.clone(), literal.with_literal_text(&ids.qualified(&member, &native)))
            }
            Named::Shared(_) => as_it_is(),
            Named::Bare(_) => with(bare(id), literal.clone()),
        },
        // Without regard to case or accents no member is told from a literal, so both names are looked at.
        (_, Some(_)) if op == Comparison::NotEqual => Expr::And(vec![as_it_is(), with(bare(id), literal.clone())]),
        (_, Some(_)) if op == Comparison::Equal => Expr::Or(vec![as_it_is(), with(bare(id), literal.clone())]),
        _ => as_it_is(),
    }
}

/// Whether a value is the id, whatever is disregarded in comparing it.
fn is_id(value: &Value) -> bool {
    match value {
        Value::Property(name) => &**name == ID,
        Value::CaseI(inner) | Value::AccentI(inner) => is_id(inner),
        _ => false,
    }
}

/// The same of the bare id.
fn bare(id: &Value) -> Value {
    match id {
        Value::CaseI(inner) => Value::CaseI(Box::new(bare(inner))),
        Value::AccentI(inner) => Value::AccentI(Box::new(bare(inner))),
        _ => Value::Property(BARE_ID.into()),
    }
}
