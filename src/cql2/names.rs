//! The words of both spellings. Operators are read without regard to case and written as the standard writes them.

use super::ast::{Arithmetic, ArrayOp, Comparison, SpatialOp, TemporalOp};

/// Words that are no property names unless quoted (OGC 21-065r2 annex B), and words that could be taken for calls.
const RESERVED: &[&str] = &[
    "and",
    "or",
    "not",
    "like",
    "in",
    "between",
    "is",
    "null",
    "true",
    "false",
    "div",
    "casei",
    "accenti",
    "date",
    "timestamp",
    "interval",
    "bbox",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "empty",
    "z",
];

/// Properties that STAC defines to be instants (STAC Common Metadata; Collection extents and the timestamps extension).
/// Clients write them as plain text; compared as text, fractions and offsets would come out wrong.
const INSTANTS: &[&str] = &["datetime", "start_datetime", "end_datetime", "created", "updated", "published", "expires"];

const COMPARISONS: &[(Comparison, &str)] = &[
    (Comparison::Equal, "="),
    (Comparison::NotEqual, "<>"),
    (Comparison::Less, "<"),
    (Comparison::LessOrEqual, "<="),
    (Comparison::Greater, ">"),
    (Comparison::GreaterOrEqual, ">="),
];

/// Spellings of drafts and of the Query extension that clients carried over.
const COMPARISONS_OLD: &[(Comparison, &str)] = &[
    (Comparison::NotEqual, "!="),
    (Comparison::Equal, "eq"),
    (Comparison::NotEqual, "neq"),
    (Comparison::Less, "lt"),
    (Comparison::LessOrEqual, "lte"),
    (Comparison::Greater, "gt"),
    (Comparison::GreaterOrEqual, "gte"),
];

const SPATIAL: &[(SpatialOp, &str)] = &[
    (SpatialOp::Intersects, "s_intersects"),
    (SpatialOp::Equals, "s_equals"),
    (SpatialOp::Disjoint, "s_disjoint"),
    (SpatialOp::Touches, "s_touches"),
    (SpatialOp::Within, "s_within"),
    (SpatialOp::Overlaps, "s_overlaps"),
    (SpatialOp::Crosses, "s_crosses"),
    (SpatialOp::Contains, "s_contains"),
];

const TEMPORAL: &[(TemporalOp, &str)] = &[
    (TemporalOp::After, "t_after"),
    (TemporalOp::Before, "t_before"),
    (TemporalOp::Contains, "t_contains"),
    (TemporalOp::Disjoint, "t_disjoint"),
    (TemporalOp::During, "t_during"),
    (TemporalOp::Equals, "t_equals"),
    (TemporalOp::FinishedBy, "t_finishedBy"),
    (TemporalOp::Finishes, "t_finishes"),
    (TemporalOp::Intersects, "t_intersects"),
    (TemporalOp::Meets, "t_meets"),
    (TemporalOp::MetBy, "t_metBy"),
    (TemporalOp::OverlappedBy, "t_overlappedBy"),
    (TemporalOp::Overlaps, "t_overlaps"),
    (TemporalOp::StartedBy, "t_startedBy"),
    (TemporalOp::Starts, "t_starts"),
];

const ARRAY: &[(ArrayOp, &str)] = &[
    (ArrayOp::Equals, "a_equals"),
    (ArrayOp::Contains, "a_contains"),
    (ArrayOp::ContainedBy, "a_containedBy"),
    (ArrayOp::Overlaps, "a_overlaps"),
];

const ARITHMETIC: &[(Arithmetic, &str)] = &[
    (Arithmetic::Add, "+"),
    (Arithmetic::Subtract, "-"),
    (Arithmetic::Multiply, "*"),
    (Arithmetic::Divide, "/"),
    (Arithmetic::Modulo, "%"),
    (Arithmetic::IntegerDivide, "div"),
    (Arithmetic::Power, "^"),
];

/// A condition of two operands, by its name in the JSON spelling; the text spelling has it in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Spatial(SpatialOp),
    Temporal(TemporalOp),
    Array(ArrayOp),
}

pub(super) const FUNCTIONS: &str = "`casei`, `accenti`, `s_intersects`, `s_equals`, `s_disjoint`, `s_touches`, \
    `s_within`, `s_overlaps`, `s_crosses`, `s_contains`, `t_after`, `t_before`, `t_contains`, `t_disjoint`, \
    `t_during`, `t_equals`, `t_finishedBy`, `t_finishes`, `t_intersects`, `t_meets`, `t_metBy`, `t_overlappedBy`, \
    `t_overlaps`, `t_startedBy`, `t_starts`, `a_equals`, `a_contains`, `a_containedBy` and `a_overlaps`";

pub(super) fn function(name: &str) -> Option<Function> {
    let spatial = by_name(SPATIAL, name).map(Function::Spatial);
    let temporal = || by_name(TEMPORAL, name).map(Function::Temporal);
    spatial.or_else(temporal).or_else(|| by_name(ARRAY, name).map(Function::Array))
}

pub(super) fn comparison(name: &str) -> Option<Comparison> {
    by_name(COMPARISONS, name).or_else(|| by_name(COMPARISONS_OLD, name))
}

pub(super) fn arithmetic(name: &str) -> Option<Arithmetic> {
    by_name(ARITHMETIC, name)
}

fn by_name<T: Copy>(table: &[(T, &str)], name: &str) -> Option<T> {
    table.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(op, _)| *op)
}

fn name_of<T: Copy + PartialEq>(table: &[(T, &'static str)], op: T) -> &'static str {
    // The tables have every operator; a test holds it.
    table.iter().find(|(known, _)| *known == op).map_or("", |(_, name)| name)
}

impl Comparison {
    /// The sign of both spellings.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(COMPARISONS, self)
    }

    /// The operator with its operands exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

impl SpatialOp {
    /// The name in the JSON spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(SPATIAL, self)
    }

    /// The operator with its operands exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Within => Self::Contains,
            Self::Contains => Self::Within,
            other => other,
        }
    }
}

impl TemporalOp {
    /// The name in the JSON spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(TEMPORAL, self)
    }

    /// The operator with its operands exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::After => Self::Before,
            Self::Before => Self::After,
            Self::Contains => Self::During,
            Self::During => Self::Contains,
            Self::FinishedBy => Self::Finishes,
            Self::Finishes => Self::FinishedBy,
            Self::Meets => Self::MetBy,
            Self::MetBy => Self::Meets,
            Self::OverlappedBy => Self::Overlaps,
            Self::Overlaps => Self::OverlappedBy,
            Self::StartedBy => Self::Starts,
            Self::Starts => Self::StartedBy,
            Self::Disjoint | Self::Equals | Self::Intersects => self,
        }
    }
}

impl ArrayOp {
    /// The name in the JSON spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(ARRAY, self)
    }

    /// The operator with its operands exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Contains => Self::ContainedBy,
            Self::ContainedBy => Self::Contains,
            Self::Equals | Self::Overlaps => self,
        }
    }
}

impl Arithmetic {
    /// The sign of both spellings.
    #[must_use]
    pub fn name(self) -> &'static str {
        name_of(ARITHMETIC, self)
    }
}

/// Whether a name needs double quotes in the text spelling because it means something else without.
pub(super) fn reserved(name: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// Whether STAC defines the property to be an instant.
pub(super) fn is_instant(property: &str) -> bool {
    INSTANTS.contains(&property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_its_name_and_mirrors_twice_to_itself() {
        for (op, name) in SPATIAL {
            assert_eq!((op.name(), op.mirrored().mirrored()), (*name, *op));
            assert_eq!(function(&name.to_uppercase()), Some(Function::Spatial(*op)));
        }
        for (op, name) in TEMPORAL {
            assert_eq!((op.name(), op.mirrored().mirrored()), (*name, *op));
            assert_eq!(function(&name.to_uppercase()), Some(Function::Temporal(*op)));
        }
        for (op, name) in ARRAY {
            assert_eq!((op.name(), op.mirrored().mirrored()), (*name, *op));
        }
        for (op, name) in COMPARISONS {
            assert_eq!((op.name(), op.mirrored().mirrored()), (*name, *op));
        }
        for (op, name) in ARITHMETIC {
            assert_eq!((op.name(), arithmetic(name)), (*name, Some(*op)));
        }
        assert_eq!((SPATIAL.len(), TEMPORAL.len(), ARRAY.len(), COMPARISONS.len(), ARITHMETIC.len()), (8, 15, 4, 6, 7));
    }

    #[test]
    fn messages_name_every_function() {
        let all = SPATIAL.iter().map(|(_, name)| name).chain(TEMPORAL.iter().map(|(_, name)| name));
        for name in all.chain(ARRAY.iter().map(|(_, name)| name)).chain(&["casei", "accenti"]) {
            assert!(FUNCTIONS.contains(&format!("`{name}`")), "{name}");
        }
    }
}
