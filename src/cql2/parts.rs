//! Taking conditions apart and putting them together.

use std::collections::BTreeSet;

use super::ast::{Edge, Expr, Value};

impl Expr {
    /// All of them: nothing at all is true, one stands for itself, `AND` within `AND` is one.
    #[must_use]
    pub fn and(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        alone(flat, true, Expr::And)
    }

    /// Any of them: nothing at all is false, one stands for itself, `OR` within `OR` is one.
    #[must_use]
    pub fn or(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        alone(flat, false, Expr::Or)
    }

    /// The parts that `AND` joins, however they are nested; the condition itself when it is no `AND`.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        collect(self, &mut found);
        found
    }

    /// The names of all properties in it.
    #[must_use]
    pub fn properties(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.visit_values(&mut |value| {
            value.visit_properties(&mut |name| {
                found.insert(name);
            })
        });
        found
    }

    /// Calls for every operand of every condition in it, but not for operands inside operands.
    pub fn visit_values<'a>(&'a self, visit: &mut dyn FnMut(&'a Value)) {
        match self {
            Expr::Constant(_) => {}
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.visit_values(visit)),
            Expr::Not(inner) => inner.visit_values(visit),
            Expr::Compare { left, right, .. }
            | Expr::Spatial { left, right, .. }
            | Expr::Temporal { left, right, .. }
            | Expr::Array { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Expr::Between { value, low, high } => [value, low, high].into_iter().for_each(visit),
            Expr::In { value, list } => std::iter::once(value).chain(list).for_each(visit),
            Expr::Like { value, pattern } => [value, pattern].into_iter().for_each(visit),
            Expr::IsNull(value) => visit(value),
        }
    }

    /// The same tree with every condition that is no `AND`, `OR` or `NOT` put through `change`.
    #[must_use]
    pub fn map_leaves(self, change: &mut dyn FnMut(Expr) -> Expr) -> Expr {
        match self {
            Expr::And(parts) => Expr::And(parts.into_iter().map(|part| part.map_leaves(change)).collect()),
            Expr::Or(parts) => Expr::Or(parts.into_iter().map(|part| part.map_leaves(change)).collect()),
            Expr::Not(inner) => Expr::Not(Box::new(inner.map_leaves(change))),
            leaf => change(leaf),
        }
    }

    /// The same condition without constants in it, unless it is one itself.
    ///
    /// Holds in three-valued logic: FALSE decides an `AND` and TRUE an `OR` whatever is unknown beside them, and the
    /// other constant adds nothing.
    #[must_use]
    pub fn folded(self) -> Expr {
        match self {
            Expr::And(parts) => {
                let mut parts: Vec<Expr> = parts.into_iter().map(Expr::folded).collect();
                if parts.contains(&Expr::Constant(false)) {
                    return Expr::Constant(false);
                }
                parts.retain(|part| *part != Expr::Constant(true));
                alone(parts, true, Expr::And)
            }
            Expr::Or(parts) => {
                let mut parts: Vec<Expr> = parts.into_iter().map(Expr::folded).collect();
                if parts.contains(&Expr::Constant(true)) {
                    return Expr::Constant(true);
                }
                parts.retain(|part| *part != Expr::Constant(false));
                alone(parts, false, Expr::Or)
            }
            Expr::Not(inner) => match inner.folded() {
                Expr::Constant(constant) => Expr::Constant(!constant),
                other => Expr::Not(Box::new(other)),
            },
            leaf => leaf,
        }
    }
}

impl Value {
    /// Whether it depends on the Item.
    #[must_use]
    pub fn names_property(&self) -> bool {
        let mut found = false;
        self.visit_properties(&mut |_| found = true);
        found
    }

    /// Calls for every property's name in it.
    pub fn visit_properties<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        match self {
            Value::Property(name) => visit(name),
            Value::Interval(edges) => {
                for edge in edges.iter() {
                    if let Edge::Property(name) = edge {
                        visit(name);
                    }
                }
            }
            Value::Array(entries) => entries.iter().for_each(|entry| entry.visit_properties(visit)),
            Value::Arithmetic { left, right, .. } => {
                left.visit_properties(visit);
                right.visit_properties(visit);
            }
            Value::CaseI(inner) | Value::AccentI(inner) => inner.visit_properties(visit),
            Value::Text(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Timestamp(_)
            | Value::Date(_)
            | Value::Geometry(_) => {}
        }
    }
}

fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) {
    match expr {
        Expr::And(parts) => parts.iter().for_each(|part| collect(part, found)),
        other => found.push(other),
    }
}

fn alone(mut parts: Vec<Expr>, of_nothing: bool, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        0 => Expr::Constant(of_nothing),
        1 => parts.remove(0),
        _ => join(parts),
    }
}
