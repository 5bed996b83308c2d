//! A condition as a tree. Everything in it was checked when it was read: no unknown function, no shape that cannot be
//! evaluated, no more nodes and levels than the bounds of the reader.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use geo::Geometry;

/// A condition: true, false or unknown (null) of each Item. Only true selects.
///
/// A property that stands for a condition is read as `property = TRUE`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `TRUE` or `FALSE`, and what remains of a part that was decided before any Item was seen.
    Constant(bool),
    /// At least two.
    And(Vec<Expr>),
    /// At least two.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare {
        op: Comparison,
        left: Value,
        right: Value,
    },
    /// `value BETWEEN low AND high`, both ends included.
    Between {
        value: Value,
        low: Value,
        high: Value,
    },
    In {
        value: Value,
        list: Vec<Value>,
    },
    /// `%` any run of characters, `_` any one, `\` takes the next one as it is.
    Like {
        value: Value,
        pattern: Value,
    },
    IsNull(Value),
    Spatial {
        op: SpatialOp,
        left: Value,
        right: Value,
    },
    Temporal {
        op: TemporalOp,
        left: Value,
        right: Value,
    },
    Array {
        op: ArrayOp,
        left: Value,
        right: Value,
    },
}

/// What conditions are made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The name as clients write it, without a leading `properties.`: `id`, `collection`, `geometry`, `datetime`,
    /// `eo:cloud_cover`.
    Property(Box<str>),
    Text(Box<str>),
    Number(f64),
    Bool(bool),
    /// `TIMESTAMP('…')`.
    Timestamp(DateTime<Utc>),
    /// `DATE('…')`: the whole day, in UTC.
    Date(NaiveDate),
    /// `INTERVAL(start, end)`.
    Interval(Box<[Edge; 2]>),
    Geometry(Arc<Shape>),
    Array(Vec<Value>),
    Arithmetic {
        op: Arithmetic,
        left: Box<Value>,
        right: Box<Value>,
    },
    /// `CASEI(…)`: compared without regard to case.
    CaseI(Box<Value>),
    /// `ACCENTI(…)`: compared without regard to accents.
    AccentI(Box<Value>),
}

/// An end of an `INTERVAL`.
#[derive(Debug, Clone, PartialEq)]
pub enum Edge {
    /// `'..'`
    Open,
    Timestamp(DateTime<Utc>),
    Date(NaiveDate),
    Property(Box<str>),
}

/// A geometry literal: as it is evaluated, and as it is sent on.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Longitude and latitude, WGS 84; a `BBOX` across the antimeridian is a `MultiPolygon` of two.
    pub geometry: Geometry<f64>,
    /// The corners of a `BBOX` literal as given (4 or 6 numbers); empty for any other geometry.
    pub bbox: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpatialOp {
    Intersects,
    Equals,
    Disjoint,
    Touches,
    Within,
    Overlaps,
    Crosses,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalOp {
    After,
    Before,
    Contains,
    Disjoint,
    During,
    Equals,
    FinishedBy,
    Finishes,
    Intersects,
    Meets,
    MetBy,
    OverlappedBy,
    Overlaps,
    StartedBy,
    Starts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayOp {
    Equals,
    Contains,
    ContainedBy,
    Overlaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// `%`, with the sign of the dividend.
    Modulo,
    /// `div`: rounded towards zero.
    IntegerDivide,
    Power,
}

/// What a condition is evaluated on: an Item or a Collection.
pub trait Subject {
    /// The JSON text of a property by the name of [`Value::Property`]; `None` when it is absent.
    fn json(&self, property: &str) -> Option<Cow<'_, str>>;

    /// A property that is a geometry; `None` when it is absent, null or unreadable.
    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>>;
}
