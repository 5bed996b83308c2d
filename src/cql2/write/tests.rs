//! What is written reads back to the same, in both spellings.

use crate::cql2::generate::Seeded;
use crate::cql2::{Expr, Value};

#[test]
fn generated_conditions_read_back_equal_from_both_spellings() {
    let mut seeded = Seeded::new(1);
    for at in 0..5_000 {
        let expr = seeded.expr(1 + at % 6);
        let (text, json) = (expr.to_text(), expr.to_json());
        assert_eq!(Expr::from_text(&text).as_ref(), Ok(&expr), "{at}: {text}");
        assert_eq!(Expr::from_json(&json).as_ref(), Ok(&expr), "{at}: {json}");
    }
}

#[test]
fn text_is_written_as_other_parsers_understand_it() {
    for (given, written) in [
        ("a=1 and(b=2 or c=3)or d=4", "(a = 1 AND (b = 2 OR c = 3)) OR d = 4"),
        ("not a = 1", "NOT (a = 1)"),
        ("not a like 'x%'", "a NOT LIKE 'x%'"),
        (
            "a is not null and b not in (1,2) and c not between 1 and 2",
            "a IS NOT NULL AND b NOT IN (1, 2) AND c NOT BETWEEN 1 AND 2",
        ),
        ("\"platform\" = 'it''s'", "platform = 'it''s'"),
        ("\"noaa-mrms:pass\" = 1.0", "\"noaa-mrms:pass\" = 1"),
        ("\"In\" = 1e2", "\"In\" = 100"),
        ("a like '50\\%'", "a LIKE '50\\%'"),
        ("-a*2 > b - -1", "-1 * a * 2 > b - (-1)"),
        ("a - (b - c) > (a - b) - c", "a - (b - c) > a - b - c"),
        ("(-2)^a = 1", "(-2) ^ a = 1"),
        (
            "datetime not between '2020-01-01' and '2020-02-01'",
            "NOT (datetime >= DATE('2020-01-01') AND datetime <= DATE('2020-02-01'))",
        ),
        ("casei(a) = casei('X')", "CASEI(a) = CASEI('X')"),
        ("cloudy", "cloudy = TRUE"),
        ("datetime > '2020-01-01t00:00:00+01:00'", "datetime > TIMESTAMP('2019-12-31T23:00:00Z')"),
        ("s_intersects(geometry, multipoint(1 2, 3.50 4))", "S_INTERSECTS(geometry, MULTIPOINT((1 2), (3.5 4)))"),
        (
            "t_during(interval(a, b), interval('..', '2020-01-01'))",
            "T_DURING(INTERVAL(a, b), INTERVAL('..', '2020-01-01'))",
        ),
    ] {
        assert_eq!(Expr::from_text(given).map(|expr| expr.to_text()).as_deref(), Ok(written), "{given}");
    }
}

#[test]
fn numbers_are_as_short_as_they_can_be() {
    for (number, written) in [(1.0, "1"), (-0.5, "-0.5"), (1e15, "1000000000000000"), (1e300, "1e+300"), (0.1, "0.1")] {
        let expr = Expr::IsNull(Value::Number(number));
        assert_eq!(expr.to_json()["args"][0].to_string(), written);
    }
}
