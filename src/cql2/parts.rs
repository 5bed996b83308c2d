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
            });
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

    /// Conditions and operands in it.
    pub(super) fn nodes(&self) -> usize {
        let mut operands = 0;
        self.visit_values(&mut |value| operands += value.nodes());
        operands + self.conditions()
    }

    fn conditions(&self) -> usize {
        match self {
            Expr::And(parts) | Expr::Or(parts) => 1 + parts.iter().map(Expr::conditions).sum::<usize>(),
            Expr::Not(inner) => 1 + inner.conditions(),
            _ => 1,
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

    /// The text of a text literal, whatever is disregarded in comparing it.
    #[must_use]
    pub fn literal_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::CaseI(inner) | Self::AccentI(inner) => inner.literal_text(),
            _ => None,
        }
    }

    /// The same literal with another text.
    #[must_use]
    pub fn with_literal_text(&self, text: &str) -> Self {
        match self {
            Self::CaseI(inner) => Self::CaseI(Box::new(inner.with_literal_text(text))),
            Self::AccentI(inner) => Self::AccentI(Box::new(inner.with_literal_text(text))),
            _ => Self::Text(text.into()),
        }
    }

    fn nodes(&self) -> usize {
        match self {
            Value::Array(entries) => 1 + entries.iter().map(Value::nodes).sum::<usize>(),
            Value::Arithmetic { left, right, .. } => 1 + left.nodes() + right.nodes(),
            Value::CaseI(inner) | Value::AccentI(inner) => 1 + inner.nodes(),
            _ => 1,
        }
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

#[cfg(test)]
mod tests {
    use super::super::Comparison;
    use super::super::generate::{Seeded, Thing};
    use super::*;

    fn read(text: &str) -> Expr {
        Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
    }

    #[test]
    fn conjuncts_are_the_parts_of_nested_ands() {
        let texts = |text: &str| read(text).conjuncts().iter().map(|part| part.to_text()).collect::<Vec<_>>();
        assert_eq!(
            texts("a = 1 AND (b = 2 AND (c = 3 OR d = 4)) AND NOT (e = 5 AND f = 6)"),
            ["a = 1", "b = 2", "c = 3 OR d = 4", "NOT (e = 5 AND f = 6)",]
        );
        assert_eq!(texts("a = 1"), ["a = 1"]);
    }

    #[test]
    fn and_and_or_join_what_there_is() {
        let [a, b, c] = ["a = 1", "b = 2", "c = 3"].map(read);
        assert_eq!(Expr::and(vec![]), Expr::Constant(true));
        assert_eq!(Expr::or(vec![]), Expr::Constant(false));
        assert_eq!(Expr::and(vec![a.clone()]), a);
        let both = Expr::and(vec![a.clone(), b.clone()]);
        assert_eq!(Expr::and(vec![both.clone(), c.clone()]).to_text(), "a = 1 AND b = 2 AND c = 3");
        assert_eq!(Expr::or(vec![both, Expr::or(vec![c, a])]).to_text(), "(a = 1 AND b = 2) OR c = 3 OR a = 1");
    }

    #[test]
    fn constants_are_folded_away() {
        for (text, folded) in [
            ("a = 1 AND TRUE", "a = 1"),
            ("a = 1 AND FALSE", "FALSE"),
            ("a = 1 OR TRUE", "TRUE"),
            ("a = 1 OR FALSE", "a = 1"),
            ("NOT (a = 1 AND FALSE)", "TRUE"),
            ("TRUE AND TRUE", "TRUE"),
            ("(a = 1 OR FALSE) AND (TRUE OR b = 2) AND NOT FALSE", "a = 1"),
            ("NOT (a = 1 OR FALSE)", "NOT (a = 1)"),
            ("a IN () OR b = 2", "b = 2"),
        ] {
            assert_eq!(read(text).folded().to_text(), folded, "{text}");
        }
    }

    #[test]
    fn folding_changes_the_answer_for_no_item() {
        let mut seeded = Seeded::new(7);
        for at in 0..2_000 {
            let (expr, thing) = (seeded.expr(at % 5), Thing::some(&mut seeded));
            assert_eq!(expr.clone().folded().holds(&thing), expr.holds(&thing), "{} on {thing:?}", expr.to_text());
        }
    }

    #[test]
    fn all_properties_are_found() {
        let expr = read(
            "a = b + c AND CASEI(d) LIKE 'x' AND e IN (f, 1) AND S_WITHIN(g, POINT(1 2)) AND \
             T_DURING(INTERVAL(h, '..'), INTERVAL('..', '2020-01-01')) AND A_OVERLAPS(i, (j)) AND k IS NULL AND \
             NOT (l BETWEEN m AND 5)",
        );
        assert_eq!(expr.properties(), "abcdefghijklm".split("").filter(|name| !name.is_empty()).collect());
    }

    #[test]
    fn leaves_are_mapped_wherever_they_stand() {
        let mapped = read("a = 1 AND NOT (b = 2 OR c = 3)").map_leaves(&mut |leaf| match leaf {
            Expr::Compare { left, right, .. } => Expr::Compare { op: Comparison::Less, left, right },
            other => other,
        });
        assert_eq!(mapped.to_text(), "a < 1 AND NOT (b < 2 OR c < 3)");
    }
}
