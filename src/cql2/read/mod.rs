//! From both spellings to the tree.
//!
//! `text.rs` and `json.rs` know the two grammars; whatever they find goes through `build.rs`, which alone decides what
//! is a condition, so that both spellings accept the same. `wkt.rs` and `geojson.rs` read geometries, `shape.rs` is
//! what they share.

mod lex;
mod text;
mod wkt;
mod json;
mod geojson;
mod shape;
pub(super) mod build;

#[cfg(test)]
mod tests;
