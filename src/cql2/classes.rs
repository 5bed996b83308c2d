//! Which conformance classes of the standard a condition needs (OGC 21-065r2 clause 2), so that a member is only sent
//! what it declares.

use std::collections::BTreeSet;

use geo::Geometry;

use super::ast::{Expr, SpatialOp, Value};

/// A conformance class of CQL2, by its last part of `http://www.opengis.net/spec/cql2/1.0/conf/…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// AND, OR, NOT, comparisons of a property and a literal, IS NULL.
    BasicCql2,
    /// LIKE, BETWEEN, IN.
    AdvancedComparisonOperators,
    CaseInsensitiveComparison,
    AccentInsensitiveComparison,
    /// `S_INTERSECTS` of a property and a point or box.
    BasicSpatialFunctions,
    /// `S_INTERSECTS` of a property and any geometry.
    BasicSpatialFunctionsPlus,
    /// The other `S_…`.
    SpatialFunctions,
    TemporalFunctions,
    ArrayFunctions,
    /// Properties or literals on both sides.
    PropertyProperty,
    Arithmetic,
}

impl Class {
    pub const ALL: [Self; 11] = [
        Self::BasicCql2,
        Self::AdvancedComparisonOperators,
        Self::CaseInsensitiveComparison,
        Self::AccentInsensitiveComparison,
        Self::BasicSpatialFunctions,
        Self::BasicSpatialFunctionsPlus,
        Self::SpatialFunctions,
        Self::TemporalFunctions,
        Self::ArrayFunctions,
        Self::PropertyProperty,
        Self::Arithmetic,
    ];

    /// The last part of its identifier.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BasicCql2 => "basic-cql2",
            Self::AdvancedComparisonOperators => "advanced-comparison-operators",
            Self::CaseInsensitiveComparison => "case-insensitive-comparison",
            Self::AccentInsensitiveComparison => "accent-insensitive-comparison",
            Self::BasicSpatialFunctions => "basic-spatial-functions",
            Self::BasicSpatialFunctionsPlus => "basic-spatial-functions-plus",
            Self::SpatialFunctions => "spatial-functions",
            Self::TemporalFunctions => "temporal-functions",
            Self::ArrayFunctions => "array-functions",
            Self::PropertyProperty => "property-property",
            Self::Arithmetic => "arithmetic",
        }
    }
}

impl Expr {
    /// Every class that a server must have to evaluate this condition.
    #[must_use]
    pub fn classes(&self) -> BTreeSet<Class> {
        let mut needed = BTreeSet::from([Class::BasicCql2]);
        self.add_classes(&mut needed);
        self.visit_values(&mut |value| add_of_value(value, &mut needed));
        needed
    }

    fn add_classes(&self, needed: &mut BTreeSet<Class>) {
        let operands: (&Value, Vec<&Value>) = match self {
            Expr::Constant(_) | Expr::IsNull(_) => return,
            Expr::And(parts) | Expr::Or(parts) => return parts.iter().for_each(|part| part.add_classes(needed)),
            Expr::Not(inner) => return inner.add_classes(needed),
            Expr::Between { value, low, high } => (value, vec![low, high]),
            Expr::In { value, list } => (value, list.iter().collect()),
            Expr::Like { value, pattern } => (value, vec![pattern]),
            Expr::Compare { left, right, .. }
            | Expr::Spatial { left, right, .. }
            | Expr::Temporal { left, right, .. }
            | Expr::Array { left, right, .. } => (left, vec![right]),
        };
        let (first, others) = operands;
        if !first.names_property() || others.iter().any(|other| other.names_property()) {
            needed.insert(Class::PropertyProperty);
        }
        match self {
            Expr::Between { .. } | Expr::In { .. } | Expr::Like { .. } => {
                needed.insert(Class::AdvancedComparisonOperators);
            }
            Expr::Spatial { op, left, right } => {
                needed.insert(of_spatial(*op, left, right));
            }
            Expr::Temporal { .. } => {
                needed.insert(Class::TemporalFunctions);
            }
            Expr::Array { .. } => {
                needed.insert(Class::ArrayFunctions);
            }
            _ => {}
        }
    }
}

fn of_spatial(op: SpatialOp, left: &Value, right: &Value) -> Class {
    if op != SpatialOp::Intersects {
        return Class::SpatialFunctions;
    }
    let basic = |value: &Value| match value {
        Value::Geometry(shape) => !shape.bbox.is_empty() || matches!(shape.geometry, Geometry::Point(_)),
        _ => true,
    };
    if basic(left) && basic(right) { Class::BasicSpatialFunctions } else { Class::BasicSpatialFunctionsPlus }
}

fn add_of_value(value: &Value, needed: &mut BTreeSet<Class>) {
    match value {
        Value::Arithmetic { .. } => {
            // Its operands are numbers and properties.
            needed.insert(Class::Arithmetic);
        }
        Value::CaseI(inner) => {
            needed.insert(Class::CaseInsensitiveComparison);
            add_of_value(inner, needed);
        }
        Value::AccentI(inner) => {
            needed.insert(Class::AccentInsensitiveComparison);
            add_of_value(inner, needed);
        }
        Value::Array(entries) => entries.iter().for_each(|entry| add_of_value(entry, needed)),
        _ => {}
    }
}
