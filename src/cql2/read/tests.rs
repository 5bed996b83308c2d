//! Both spellings.

use serde_json::json;

use crate::cql2::Expr;

/// Expressions in the kinds of the standard's examples: as text, as JSON.
fn table() -> Vec<(&'static str, serde_json::Value)> {
    let p = |name: &str| json!({"property": name});
    vec![
        ("platform = 'sentinel-2a'", json!({"op": "=", "args": [p("platform"), "sentinel-2a"]})),
        ("depth - 150.5 > 0", json!({"op": ">", "args": [{"op": "-", "args": [p("depth"), 150.5]}, 0]})),
        ("depth-150.5>0", json!({"op": ">", "args": [{"op": "-", "args": [p("depth"), 150.5]}, 0]})),
        ("TRUE", json!(true)),
    ]
}

#[test]
fn both_spellings_give_the_same_tree() {
    for (text, json) in table() {
        let read = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert_eq!(Expr::from_json(&json).unwrap_or_else(|wrong| panic!("{json}: {wrong}")), read, "{text}");
    }
}
