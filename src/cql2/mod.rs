//! Conditions on Items and Collections in CQL2 (OGC 21-065r2): the expression, its two spellings, and what it means.
//!
//! A leaf like `federation`: it knows no member, no search and no HTTP, so that the plan can reason about a condition,
//! an adapter can translate it, the residual can evaluate it and the collections view can search with it. Both
//! spellings, and the Query extension, become one [`Expr`]; nothing later knows how a condition was written.
//! Start reading at [`Expr`]; `bounds.rs` has what it may cost, `read/` and `write/` the spellings, `parts.rs` the
//! ways to take it apart, `classes.rs` what a server needs to evaluate it.

mod ast;
mod names;
mod instants;
mod wrong;
mod bounds;
mod read;
mod write;
mod parts;
mod classes;
pub mod query;
mod eval;
pub mod times;
#[cfg(test)]
pub(crate) mod generate;

pub use ast::{Arithmetic, ArrayOp, Comparison, Edge, Expr, Shape, SpatialOp, Subject, TemporalOp, Value};
pub use classes::Class;
pub use wrong::Wrong;
