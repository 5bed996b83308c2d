//! Any JSON is refused or read as a filter and as a query, and what was read is written so that it reads back the same.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a part of the room is built for what it offers others")]

#[path = "../../src/cql2/mod.rs"]
mod cql2;

use cql2::Expr;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice(bytes) else { return };
    for read in [Expr::from_json(&json), cql2::query::read(&json)] {
        match read {
            Ok(expr) => {
                assert!(Expr::from_text(&expr.to_text()).as_ref() == Ok(&expr), "{}", expr.to_text());
                assert!(Expr::from_json(&expr.to_json()).as_ref() == Ok(&expr), "{}", expr.to_json());
                if let Some(query) = cql2::query::write(&expr) {
                    assert!(cql2::query::read(&query).is_ok(), "{query}");
                }
            }
            Err(wrong) => assert!(wrong.to_string().len() < 2_000, "{wrong}"),
        }
    }
});
