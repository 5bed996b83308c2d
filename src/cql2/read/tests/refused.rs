//! Everything that is refused, with its message.

use serde_json::{Value as Json, json};

use crate::cql2::Expr;

/// Checks that the message says all of the given.
fn check(read: Result<Expr, crate::cql2::Wrong>, says: &[&str], what: &str) {
    let wrong = match read {
        Ok(expr) => panic!("{what} was read as {}", expr.to_text()),
        Err(wrong) => wrong.to_string(),
    };
    assert!(says.iter().all(|part| wrong.contains(part)), "{what}: {wrong}");
    assert!(wrong.starts_with("wrong") && !wrong.ends_with('.') && wrong.len() < 1_000, "{what}: {wrong}");
}

#[test]
fn texts_that_are_no_condition_are_refused_with_the_place() {
    for (text, at, says) in [
        ("", 1, "the end; accepted: a property, a value, a function or `(`"),
        ("   ", 4, "the end"),
        ("a", 0, ""),
        ("a =", 4, "the end"),
        ("a = 'x", 5, "a text without its closing quote"),
        ("\"a = 1", 1, "a name without its closing quote"),
        ("a = 1 b", 7, "`b`; accepted: an operator or the end"),
        ("a = 1)", 6, "`)`; accepted: an operator or the end"),
        ("(a = 1", 7, "accepted: `)`"),
        ("a = 1 AND", 10, "the end"),
        ("AND a = 1", 1, "`AND`"),
        ("a = 1 OR OR b = 2", 10, "`OR`"),
        ("a == 1", 4, "`=`"),
        ("a = 1 = 2", 1, "a condition where a value belongs"),
        ("(a = 1) = TRUE", 1, "a condition where a value belongs"),
        ("a = NULL", 5, "`NULL`; accepted: an operand in this place; to test for a missing value write `a IS NULL`"),
        ("a NOT 5", 7, "`LIKE`, `BETWEEN` or `IN` after `NOT`"),
        ("a IS 5", 6, "`NULL` after `IS`"),
        ("a IS NOT TRUE", 10, "`NULL` after `IS`"),
        ("a BETWEEN 1", 12, "`AND` between the two ends"),
        ("a BETWEEN 1 OR 2", 13, "`AND` between the two ends"),
        ("a IN 5", 6, "accepted: `(`"),
        ("a IN (1", 8, "accepted: `)`"),
        ("a IN (1,)", 9, "`)`"),
        ("a LIKE 5", 3, "a number as the pattern of `like`; accepted: a text"),
        ("a LIKE b", 3, "a property as the pattern of `like`"),
        ("5 LIKE 'x'", 3, "`like` of a number"),
        ("buffer(geometry, 10, 'm') = 1", 1, "the unknown function `buffer`; accepted: `casei`, `accenti`"),
        ("avg(x)", 1, "the unknown function `avg`"),
        ("'a'", 1, "a text where a condition belongs"),
        ("5", 1, "a number where a condition belongs"),
        ("a + 1", 1, "a number where a condition belongs"),
        ("DATE('2020-01-01')", 1, "an instant where a condition belongs"),
        ("POINT(1 2)", 1, "a geometry where a condition belongs"),
        ("a = 1 AND 5", 11, "a number where a condition belongs"),
        ("NOT 5", 5, "a number where a condition belongs"),
        ("a = 1e999", 5, "`1e999`, which is too large"),
        ("a = .", 5, "`.`, which is no number"),
        ("a = 1.2.3", 8, "the number `0.3`"),
        ("a = 5x", 6, "`x`"),
        ("a = @b", 5, "the character `@`"),
        ("a ; b", 3, "the character `;`"),
        ("a = \0", 5, "the character `\\u{0}`"),
        ("é = 1 AND 名 ? 2", 13, "the character `?`"),
        ("\"\" = 1", 1, "an empty name"),
        ("properties. = 1", 1, "an empty name"),
        ("\"a'b\" = 1", 1, "with a quote"),
        ("a = 'x\u{1}'", 5, "with a control character"),
        ("sar:center-frequency = 'x'", 22, "`=` of a number and a text"),
        ("a - 'x' = 1", 3, "stands in double quotes"),
        ("a = 1 + 'x'", 7, "`+` of a text"),
        ("a ^ 2 ^ 3 = 1", 7, "parentheses around one of two `^`"),
        ("+a = 1", 1, "a `+` that is not before a number"),
        ("'a' = 5", 5, "`=` of a text and a number; accepted: operands of one kind"),
        ("a IN ('x', 5)", 3, "`in` of a text and a number"),
        ("TRUE < 'x'", 6, "`<` of a boolean and a text"),
        ("geometry = POINT(1 2)", 10, "`=` of a geometry"),
        ("POINT(1 2) BETWEEN 1 AND 2", 12, "`between` of a geometry"),
        ("a BETWEEN FALSE AND TRUE", 3, "`between` of a boolean"),
        ("a = INTERVAL('..','..')", 3, "`=` of an interval; accepted: texts"),
        ("a = (1, 2)", 3, "`=` of an array"),
        ("(1, 2) IS NULL", 1, "`isNull` of an array"),
        ("a IN ((1, 2))", 3, "`in` of an array"),
        ("CASEI(5) = 'x'", 1, "`casei` of a number"),
        ("CASEI(a, b) = 'x'", 8, "`,`; accepted: `)`"),
        ("S_INTERSECTS(geometry, 'POINT(1 2)')", 1, "`s_intersects` of a text; accepted: geometries"),
        ("S_INTERSECTS(geometry)", 22, "accepted: `,`"),
        ("S_INTERSECTS(geometry, POINT(1 2), 5)", 34, "accepted: `)`"),
        ("S_INTERSECTS(geometry, POINT EMPTY)", 24, "an empty geometry"),
        ("S_INTERSECTS(geometry, POINT M (1 2 3))", 30, "`M`; accepted: `(`"),
        ("S_INTERSECTS(geometry, POINT(1))", 31, "a number"),
        ("S_INTERSECTS(geometry, POINT(1 2 3 4))", 36, "accepted: `)`"),
        ("S_INTERSECTS(geometry, POINT(a b))", 30, "a number"),
        ("S_INTERSECTS(geometry, LINESTRING(1 2))", 24, "a line of less than two positions"),
        ("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1, 0 1)))", 24, "a ring that is not closed"),
        ("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 0 0)))", 24, "less than four positions"),
        (
            "S_INTERSECTS(geometry, GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2))))",
            43,
            "no collection in a collection",
        ),
        ("S_INTERSECTS(geometry, BBOX(1,2,3))", 24, "a `bbox` of other than 4 or 6 numbers"),
        ("S_INTERSECTS(geometry, BBOX(1,5,3,4))", 24, "its south above its north"),
        ("S_INTERSECTS(geometry, BBOX(1,2,9,3,4,5))", 24, "its lowest elevation above its highest"),
        ("S_INTERSECTS(geometry, CIRCLE(1 2))", 24, "the unknown function `CIRCLE`"),
        ("T_AFTER(datetime, 5)", 1, "`t_after` of a number; accepted: instants"),
        ("T_AFTER(datetime, 'soon')", 1, "`t_after` of a text"),
        ("T_AFTER(datetime, TIMESTAMP('2020-01-01'))", 29, "the timestamp `2020-01-01`; accepted: an RFC 3339 time"),
        ("T_AFTER(datetime, DATE('2020-02-30'))", 24, "the date `2020-02-30`"),
        ("T_AFTER(datetime, DATE(2020))", 24, "a text in single quotes"),
        ("T_AFTER(datetime, INTERVAL('2020-01-01'))", 40, "accepted: `,`"),
        ("T_AFTER(datetime, INTERVAL('soon', '..'))", 28, "`soon` as an end of an interval"),
        ("T_AFTER(datetime, INTERVAL(5, '..'))", 28, "a number as an end of an interval"),
        ("T_AFTER(datetime, INTERVAL('2020-01-02', '2020-01-01'))", 19, "an interval whose start is after its end"),
        ("A_CONTAINS(a, 'x')", 1, "`a_contains` of a text; accepted: arrays"),
        ("A_CONTAINS(a, (1, (2, 3)))", 15, "an array in an array"),
        ("A_CONTAINS(a, (1, b = 2))", 19, "a condition where a value belongs"),
    ] {
        if at == 0 {
            assert!(Expr::from_text(text).is_ok(), "{text}");
            continue;
        }
        let place = format!("wrong at character {at}: ");
        check(Expr::from_text(text), &[&place, says], text);
    }
}

#[test]
fn an_unreadable_time_beside_an_instant_is_not_a_condition_that_selects_nothing() {
    let accepted = "beside `datetime`, which is an instant; accepted: an RFC 3339 time such as `2024-05-01T00:00:00Z`";
    for (text, given) in [
        ("datetime > 'yesterday'", "`yesterday` "),
        ("datetime < '2023-13-01T00:00:00Z'", "`2023-13-01T00:00:00Z` "),
        ("'2023' < properties.datetime", "`2023` "),
        ("datetime = 5", "`5` "),
        ("datetime + 1 = datetime", "a number "),
        ("datetime = TRUE", "a boolean "),
        ("CASEI('x') = datetime", "a text "),
        ("datetime BETWEEN '2020-01-01' AND '2021'", "`2021` "),
        ("datetime IN ('2020-01-01', 'x')", "`x` "),
    ] {
        check(Expr::from_text(text), &["wrong at character ", given, accepted], text);
    }
    for property in ["start_datetime", "end_datetime", "created", "updated", "published", "expires"] {
        let json = json!({"op": "<", "args": [{"property": property}, "soon"]});
        check(Expr::from_json(&json), &[&format!("`soon` beside `{property}`")], property);
    }
    for text in ["datetime > created", "datetime LIKE '2024-%'", "datetime IS NULL", "my:datetime > 'yesterday'"] {
        assert!(Expr::from_text(text).is_ok(), "{text}");
    }
}

#[test]
fn json_that_is_no_condition_is_refused() {
    let p = json!({"property": "a"});
    for (json, says) in [
        (json!(null), "`null` where a condition belongs") as (Json, &str),
        (json!("a = 1"), "a text where a condition belongs; accepted: an object with `op` and `args`"),
        (json!(5), "a number where a condition belongs"),
        (json!([]), "an array where a condition belongs"),
        (json!({}), "an object whose `op` is missing"),
        (json!({"op": 5, "args": []}), "an object whose `op` is missing or no text"),
        (json!({"op": "="}), "`=` without an array of `args`"),
        (json!({"op": "=", "args": "x"}), "`=` without an array of `args`"),
        (json!({"op": "=", "args": []}), "`=` has 0 operands; accepted: exactly 2"),
        (json!({"op": "=", "args": [p, 1, 2]}), "`=` has 3 operands"),
        (json!({"op": "not", "args": [true, true]}), "`not` has 2 operands; accepted: exactly 1"),
        (json!({"op": "and", "args": []}), "`and` or `or` of nothing"),
        (json!({"op": "and", "args": [5, true]}), "a number where a condition belongs"),
        (json!({"op": "xor", "args": [true, true]}), "the unknown operator or function `xor`; accepted: `and`, `or`"),
        (json!({"op": "avg", "args": [p]}), "the unknown operator or function `avg`"),
        (json!({"op": "=", "args": [{"op": "Buffer", "args": [p]}, 5]}), "the unknown operator or function `Buffer`"),
        (json!({"function": {"name": "f"}}), "an object whose `op` is missing"),
        (json!({"op": "+", "args": [1, 2]}), "`+` where a condition belongs"),
        (json!({"op": "casei", "args": ["x"]}), "`casei` where a condition belongs"),
        (json!({"op": "=", "args": [p, {"op": "=", "args": [p, 1]}]}), "the condition `=` where a value belongs"),
        (json!({"op": "=", "args": [p, {"op": "not", "args": [true]}]}), "the condition `not` where a value belongs"),
        (json!({"op": "=", "args": [p, null]}), "`null`; accepted: a text"),
        (json!({"op": "=", "args": [p, {}]}), "an object that is no value"),
        (json!({"op": "=", "args": [p, {"x": 1}]}), "an object with the member `x`"),
        (json!({"op": "=", "args": [p, {"property": "b", "x": 1}]}), "an object that is no value"),
        (json!({"op": "=", "args": [{"property": 5}, 1]}), "a `property` that is a number"),
        (json!({"op": "=", "args": [{"property": ""}, 1]}), "an empty name"),
        (json!({"op": "=", "args": [{"property": "a\u{0}"}, 1]}), "control character"),
        (json!({"op": "=", "args": [p, "a\u{0}"]}), "control character"),
        (json!({"op": "=", "args": [p, {"timestamp": "2020"}]}), "the timestamp `2020`"),
        (json!({"op": "=", "args": [p, {"timestamp": 2020}]}), "a `timestamp` that is a number"),
        (json!({"op": "=", "args": [p, {"date": "2020"}]}), "the date `2020`"),
        (json!({"op": "=", "args": [p, [1]]}), "`=` of an array"),
        (json!({"op": "=", "args": [p, {"type": "Point", "coordinates": [1, 2]}]}), "`=` of a geometry"),
        (json!({"op": "=", "args": ["a", 5]}), "`=` of a text and a number"),
        (json!({"op": "in", "args": [p, 5]}), "`in` of a number"),
        (json!({"op": "in", "args": [p, [1, "a"]]}), "`in` of a number and a text"),
        (json!({"op": "in", "args": [p, [null]]}), "`null`"),
        (json!({"op": "like", "args": [p, 5]}), "a number as the pattern"),
        (json!({"op": "like", "args": [p, {"property": "b"}]}), "a property as the pattern"),
        (json!({"op": "between", "args": [p, 1]}), "`between` has 2 operands"),
        (json!({"op": "between", "args": [p, [1]]}), "`between` has 2 operands"),
        (json!({"op": "isNull", "args": []}), "`isNull` has 0 operands"),
        (json!({"op": "isNull", "args": [[1]]}), "`isNull` of an array"),
        (json!({"op": "s_intersects", "args": [p, "POINT(1 2)"]}), "`s_intersects` of a text"),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "Feature", "geometry": null}]}),
            "a geometry of the type `Feature`",
        ),
        (json!({"op": "s_intersects", "args": [p, {"type": 5}]}), "a geometry without a `type`"),
        (json!({"op": "s_intersects", "args": [p, {"type": "Point"}]}), "whose `coordinates` are not"),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "Point", "coordinates": []}]}),
            "a position that is not two or three",
        ),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "Point", "coordinates": [1, 2, 3, 4]}]}),
            "a position that is not two or three",
        ),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "Point", "coordinates": ["1", "2"]}]}),
            "a position that is not two or three",
        ),
        (json!({"op": "s_intersects", "args": [p, {"type": "MultiPoint", "coordinates": []}]}), "an empty geometry"),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}]}),
            "a ring that is not closed",
        ),
        (
            json!({"op": "s_intersects", "args": [p, {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]}]}),
            "no collection in a collection",
        ),
        (json!({"op": "s_intersects", "args": [p, {"bbox": [1, 2, 3]}]}), "4 or 6 numbers"),
        (json!({"op": "s_intersects", "args": [p, {"bbox": "1,2,3,4"}]}), "a `bbox` that is not an array of numbers"),
        (
            json!({"op": "t_after", "args": [p, {"interval": ["2020-01-01"]}]}),
            "an `interval` that is not an array of two",
        ),
        (
            json!({"op": "t_after", "args": [p, {"interval": ["2020-01-02T00:00:00Z", "2020-01-01T23:00:00Z"]}]}),
            "start is after its end",
        ),
        (json!({"op": "a_contains", "args": [p, [[1]]]}), "an array in an array"),
        (json!({"op": "a_contains", "args": [p, [{"bbox": [1, 2, 3, 4]}]]}), "a geometry in an array"),
    ] {
        check(Expr::from_json(&json), &["wrong: ", says], &json.to_string());
    }
}
