//! Any text is refused or read, and what was read is written so that it reads back the same.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a part of the room is built for what it offers others")]

#[path = "../../src/cql2/mod.rs"]
mod cql2;

use cql2::Expr;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Expr::from_text(text) {
        Ok(expr) => {
            assert!(Expr::from_text(&expr.to_text()).as_ref() == Ok(&expr), "{}", expr.to_text());
            assert!(Expr::from_json(&expr.to_json()).as_ref() == Ok(&expr), "{}", expr.to_json());
            let _ = (expr.classes(), cql2::query::write(&expr), expr.folded());
        }
        Err(wrong) => assert!(wrong.to_string().len() < 2_000, "{wrong}"),
    }
});
