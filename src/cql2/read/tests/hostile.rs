//! Texts made to hurt: each is read or refused within milliseconds, on a stack of 256 KiB.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::cql2::bounds::{LEVELS_MAX, LIST_MAX, NODES_MAX, VERTICES_MAX};
use crate::cql2::{Expr, Wrong};

/// Generous for a loaded machine and a build without optimisation; a cost that is not linear is seconds.
const LONG: Duration = Duration::from_millis(1_500);

/// Runs with little stack; a panic or an overflow fails the test.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap();
}

fn timed(what: &str, read: impl FnOnce() -> Result<Expr, Wrong>) -> Result<Expr, Wrong> {
    let started = Instant::now();
    let read = read();
    assert!(started.elapsed() < LONG, "{what} took {:?}", started.elapsed());
    read
}

#[test]
fn deep_texts_are_refused() {
    on_a_small_stack(|| {
        for (before, inner, after) in [
            ("(", "a = 1", ")"),
            ("NOT ", "a = 1", ""),
            ("NOT(", "a = 1", ")"),
            ("-", "1 = 1", ""),
            ("- ", "a = 1", ""),
            ("CASEI(", "a", ") = 'x'"),
            ("CASEI(", "a", ")"),
            ("a = (1 + ", "2", ")"),
            ("a = 1 + (", "2", ")"),
            ("a IN (", "1", ")"),
            ("a = 1 AND (b = 1 OR (", "c = 1", "))"),
            ("S_INTERSECTS(", "a, b", ")"),
            ("S_INTERSECTS(a, ", "b", ")"),
            ("A_CONTAINS(a, (", "1", "))"),
            ("INTERVAL(", "a", ", '..')"),
            ("GEOMETRYCOLLECTION(", "POINT(1 2)", ")"),
            ("BBOX(", "1", ")"),
            ("a BETWEEN ", "1", " AND 2"),
            ("a NOT ", "", ""),
            ("\"a\" ", "= 1", ""),
        ] {
            for times in [LEVELS_MAX, 2 * LEVELS_MAX, 1_000, 20_000, 100_000] {
                let text = format!("{}{inner}{}", before.repeat(times), after.repeat(times));
                let read = timed(&format!("{before} × {times}"), || Expr::from_text(&text));
                assert!(times < 20_000 || read.is_err(), "{before} × {times}");
            }
        }
    });
}

#[test]
fn as_deep_as_allowed_is_read_on_a_small_stack_and_written_and_read_again() {
    on_a_small_stack(|| {
        let nots = format!("{}a = 1{}", "NOT (".repeat(LEVELS_MAX - 2), ")".repeat(LEVELS_MAX - 2));
        let sums = format!("a = {}b{}", "1 - (".repeat(LEVELS_MAX - 2), ")".repeat(LEVELS_MAX - 2));
        let cases = format!("{}a{} = 'x'", "CASEI(".repeat(LEVELS_MAX - 2), ")".repeat(LEVELS_MAX - 2));
        let mixed =
            format!("{}a{}", "b = 1 AND (c OR (".repeat((LEVELS_MAX - 2) / 2), "))".repeat((LEVELS_MAX - 2) / 2));
        for text in [&nots, &sums, &cases, &mixed] {
            let expr = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(Expr::from_text(&expr.to_text()).as_ref(), Ok(&expr));
            assert_eq!(Expr::from_json(&expr.to_json()).as_ref(), Ok(&expr));
            // As it comes over the network, where the JSON reader has its own bound.
            assert_eq!(serde_json::from_str::<Json>(&expr.to_json().to_string()).unwrap(), expr.to_json());
            assert_eq!(expr.clone().folded(), expr);
        }
        let deeper = format!("NOT ({nots})");
        let wrong = Expr::from_text(&deeper).unwrap_err().to_string();
        assert!(wrong.contains("more than 24 levels inside one another; accepted: at most 24"), "{wrong}");
    });
}

#[test]
fn flat_chains_do_not_recurse() {
    on_a_small_stack(|| {
        for (part, joint) in [("a = 1", " AND "), ("a = 1", " OR "), ("a", " and "), ("NOT a", " OR ")] {
            let chain = |times: usize| vec![part; times].join(joint);
            let read = timed("1,000 parts", || Expr::from_text(&chain(1_000))).unwrap();
            assert!(matches!(&read, Expr::And(parts) | Expr::Or(parts) if parts.len() == 1_000));
            assert!(Expr::from_text(&read.to_text()) == Ok(read));
            assert!(timed("100,000 parts", || Expr::from_text(&chain(100_000))).is_err());
        }
        for joint in [" + ", " - ", "*", " div ", "/", "%"] {
            let sum = |times: usize| format!("b > {}", vec!["a"; times].join(joint));
            assert!(Expr::from_text(&sum(LEVELS_MAX - 1)).is_ok());
            assert!(Expr::from_text(&sum(LEVELS_MAX)).is_err());
            assert!(timed("100,000 terms", || Expr::from_text(&sum(100_000))).is_err());
        }
        for chain in [" = 1", " < a", " IS NULL", " LIKE 'x'", " IN (1)", " BETWEEN 1 AND 2", "^2"] {
            assert!(timed(chain, || Expr::from_text(&format!("a{}", chain.repeat(100_000)))).is_err(), "{chain}");
        }
    });
}

#[test]
fn a_mebibyte_of_anything_is_answered_at_once() {
    on_a_small_stack(|| {
        let fill = |part: &str, bytes: usize| part.repeat(bytes / part.len());
        for part in [
            "(",
            ")",
            "'",
            "\"",
            "''",
            "\\'",
            "a",
            "a ",
            "1",
            "1 ",
            "-",
            "+",
            "=",
            "<>",
            ",",
            ".",
            "1e",
            "é",
            "😀",
            "\0",
            "\u{feff}",
            " ",
            "\n",
            "(a=1)",
            "a=1 AND ",
            "NOT",
            "POINT(1 2)",
            "1 2,",
            "/*",
            "--",
            "%",
            "_",
            ":",
            "\\",
        ] {
            for bytes in [200_000, 1 << 20] {
                for text in
                    [fill(part, bytes), format!("a = '{}", fill(part, bytes)), format!("a = '{}'", fill(part, bytes))]
                {
                    let _ = timed(&format!("{bytes} bytes of {part:?}"), || Expr::from_text(&text));
                }
            }
        }
    });
}

#[test]
fn lists_geometries_and_texts_have_bounds() {
    let list = |count: usize| format!("a IN ({})", vec!["1"; count].join(","));
    assert!(Expr::from_text(&list(LIST_MAX)).is_ok());
    assert!(Expr::from_text(&list(LIST_MAX + 1)).unwrap_err().to_string().contains("entries in a list"));
    let json = |count: usize| json!({"op": "in", "args": [{"property": "a"}, vec![1; count]]});
    assert!(Expr::from_json(&json(LIST_MAX)).is_ok());
    assert!(Expr::from_json(&json(LIST_MAX + 1)).unwrap_err().to_string().contains("entries in a list"));

    let line = |count: usize| format!("S_WITHIN(geometry, LINESTRING({}))", vec!["1 2"; count].join(","));
    assert!(Expr::from_text(&line(VERTICES_MAX)).is_ok());
    assert!(Expr::from_text(&line(VERTICES_MAX + 1)).unwrap_err().to_string().contains("positions in geometries"));
    let line = |count: usize| json!({"type": "LineString", "coordinates": vec![[1, 2]; count]});
    let within = |count: usize| json!({"op": "s_within", "args": [{"property": "geometry"}, line(count)]});
    assert!(Expr::from_json(&within(VERTICES_MAX)).is_ok());
    assert!(Expr::from_json(&within(VERTICES_MAX + 1)).unwrap_err().to_string().contains("positions in geometries"));

    let text = |bytes: usize| format!("a = '{}'", "x".repeat(bytes));
    assert!(Expr::from_text(&text(1_024)).is_ok());
    assert!(Expr::from_text(&text(1_025)).unwrap_err().to_string().contains("at most 1024 bytes"));
    assert!(
        Expr::from_text(&format!("{} = 1", "x".repeat(257))).unwrap_err().to_string().contains("name that is too long")
    );
    assert!(Expr::from_text(&" ".repeat(300_000)).unwrap_err().to_string().contains("300000 bytes long"));

    let parts =
        |count: usize| json!({"op": "or", "args": vec![json!({"op": "=", "args": [{"property": "a"}, 1]}); count]});
    assert!(Expr::from_json(&parts((NODES_MAX - 1) / 3)).is_ok());
    assert!(Expr::from_json(&parts(NODES_MAX)).unwrap_err().to_string().contains("operators and operands"));
}

#[test]
fn chains_that_programs_nest_in_pairs_are_one_level() {
    on_a_small_stack(|| {
        for op in ["or", "and"] {
            let part = |n: usize| json!({"op": "=", "args": [{"property": "a"}, n]});
            let mut left = part(0);
            let mut right = part(0);
            // As many as the JSON reader lets through.
            for n in 1..60 {
                left = json!({"op": op, "args": [left, part(n)]});
                right = json!({"op": op.to_uppercase(), "args": [part(n), right]});
            }
            for json in [&left, &right] {
                let expr = Expr::from_json(json).unwrap();
                assert!(matches!(&expr, Expr::And(parts) | Expr::Or(parts) if parts.len() == 60));
                assert_eq!(Expr::from_json(&expr.to_json()), Ok(expr));
            }
            let text = format!("{}a = 0{}", format!("(a = 1 {op} ").repeat(200), ")".repeat(200));
            let expr = Expr::from_text(&text).unwrap();
            assert!(matches!(&expr, Expr::And(parts) | Expr::Or(parts) if parts.len() == 201));
            assert_eq!(Expr::from_text(&expr.to_text()), Ok(expr));
            let many = format!("{}a{}", format!("(a {op} ").repeat(100_000), ")".repeat(100_000));
            assert!(timed("100,000 pairs", || Expr::from_text(&many)).is_err());
        }
        // What is nested inside the chain still counts.
        let nots = format!("{}a{}", "a or (NOT (".repeat(LEVELS_MAX), "))".repeat(LEVELS_MAX));
        assert!(Expr::from_text(&nots).is_err());
    });
}

#[test]
fn deep_json_is_refused() {
    for wrap in [
        (|inner| json!({"op": "not", "args": [inner]})) as fn(Json) -> Json,
        |inner| json!({"op": "and", "args": [{"op": "or", "args": [inner, true]}, true]}),
        |inner| json!({"op": "=", "args": [{"property": "a"}, inner]}),
        |inner| json!({"op": "+", "args": [1, inner]}),
        |inner| json!({"casei": inner}),
        |inner| json!([inner]),
        |inner| json!({"interval": [inner, ".."]}),
        |inner| json!({"type": "GeometryCollection", "geometries": [inner]}),
    ] {
        let mut json = json!({"property": "a"});
        for _ in 0..60 {
            json = wrap(json);
        }
        let within = json!({"op": "in", "args": [json, [json]]});
        on_a_small_stack(move || {
            assert!(Expr::from_json(&json).is_err(), "{}", &json.to_string()[..80]);
            assert!(Expr::from_json(&within).is_err());
        });
    }
}
