//! Any condition on any Item has an answer, and folding it does not change the answer. The two are parted by a NUL.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a part of the room is built for what it offers others")]

#[path = "../../src/cql2/mod.rs"]
mod cql2;

use std::borrow::Cow;

use cql2::{Expr, Subject};
use geo::{Geometry, LineString, Point, Polygon};
use serde_json::{Map, Value};

struct Item(Map<String, Value>);

impl Subject for Item {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        self.0.get(property).map(|value| Cow::Owned(value.to_string()))
    }

    /// An array of numbers: a point of two, a line of four or six, a polygon of more.
    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>> {
        let numbers: Vec<f64> = self.0.get(property)?.as_array()?.iter().filter_map(Value::as_f64).collect();
        let line: LineString<f64> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Some(Cow::Owned(match line.0.len() {
            0 => return None,
            1 => Point(line.0[0]).into(),
            2 | 3 => line.into(),
            _ => Polygon::new(line, Vec::new()).into(),
        }))
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &str| {
    let Some((text, item)) = bytes.split_once('\0') else { return };
    let (Ok(expr), Ok(item)) = (Expr::from_text(text), serde_json::from_str(item)) else { return };
    let item = Item(item);
    assert_eq!(expr.holds(&item), expr.clone().folded().holds(&item), "{text}");
});
