//! Until conditions can be written: nothing is pushed down.

use crate::cql2::Expr;
pub fn query_write(_: &Expr) -> Option<serde_json::Value> {
    None
}
pub fn to_text(e: &Expr) -> String {
    format!("{e:?}")
}
pub fn to_json(e: &Expr) -> serde_json::Value {
    format!("{e:?}").into()
}
pub const READY: bool = false;
