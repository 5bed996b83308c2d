//! Texts that are nearly right, from a seed: whatever is read is written and read again as the same.

use serde_json::Value as Json;

use crate::cql2::Expr;
use crate::cql2::generate::Seeded;

/// What is put into texts.
const PIECES: &[&str] = &[
    "(",
    ")",
    ",",
    "'",
    "''",
    "\\",
    "\\'",
    "\"",
    " ",
    "-",
    "+",
    "^",
    "=",
    "<>",
    "<",
    ">=",
    "%",
    "1",
    "1e",
    ".5",
    "-0",
    "a",
    "AND",
    " OR ",
    "NOT ",
    " IS NULL",
    " IN (",
    " BETWEEN 1 AND 2",
    " LIKE 'x%'",
    "TRUE",
    "NULL",
    "POINT(1 2)",
    "BBOX(1,2,3,4)",
    "CASEI(",
    "A_EQUALS(a, (1))",
    "DATE('2020-01-01')",
    "TIMESTAMP('2020-01-01T00:00:00Z')",
    "INTERVAL('..','..')",
    "datetime",
    "properties.",
    ":",
    "é",
    "\0",
    "\u{301}",
    "😀",
    "div",
];

/// What is put in the place of a part of JSON.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1.5e300",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[1]",
    "{\"property\":\"a\"}",
    "{\"property\":\"properties.\"}",
    "{\"bbox\":[170,-1,-170,1]}",
    "{\"type\":\"Point\",\"coordinates\":[1,2]}",
    "{\"date\":\"2020-01-01\"}",
    "{\"timestamp\":\"2020-01-01T00:00:00Z\"}",
    "{\"op\":\"=\",\"args\":[1,1]}",
    "\"2020-01-01T00:00:00Z\"",
    "\"\\\\\"",
];

/// What was read must be written so that it reads back the same, in both spellings.
fn check(expr: &Expr, given: &str) {
    let (text, json) = (expr.to_text(), expr.to_json());
    assert_eq!(Expr::from_text(&text).as_ref(), Ok(expr), "{given:?} → {text}");
    assert_eq!(Expr::from_json(&json).as_ref(), Ok(expr), "{given:?} → {json}");
}

fn mutated(text: &str, seeded: &mut Seeded) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=seeded.below(3) {
        let at = seeded.below(characters.len() + 1);
        let end = (at + seeded.below(6)).min(characters.len());
        match seeded.below(4) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..at, seeded.one(PIECES).chars())),
            2 => drop(characters.splice(at..end, seeded.one(PIECES).chars())),
            _ => {
                let again: Vec<char> = characters[at..end].to_vec();
                characters.splice(at..at, again);
            }
        }
    }
    characters.into_iter().collect()
}

/// Puts something else in the place of one part of it.
fn replace(json: &mut Json, seeded: &mut Seeded) {
    let inner: Option<&mut Json> = match json {
        Json::Array(list) if !list.is_empty() => {
            let at = seeded.below(list.len());
            list.get_mut(at)
        }
        Json::Object(object) if !object.is_empty() => {
            let at = seeded.below(object.len());
            object.values_mut().nth(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) if seeded.below(6) > 0 => replace(inner, seeded),
        _ => *json = serde_json::from_str(seeded.one(VALUES)).unwrap(),
    }
}

#[test]
fn mutated_texts_are_refused_or_read_back_equal() {
    let mut seeded = Seeded::new(20);
    let mut read = 0;
    for at in 0..14_000 {
        let text = mutated(&seeded.expr(at % 4).to_text(), &mut seeded);
        if let Ok(expr) = Expr::from_text(&text) {
            read += 1;
            check(&expr, &text);
        }
    }
    assert!((1_000..13_000).contains(&read), "{read} of them were conditions");
}

#[test]
fn mutated_json_is_refused_or_reads_back_equal() {
    let mut seeded = Seeded::new(21);
    let mut read = 0;
    for at in 0..8_000 {
        let mut json = seeded.expr(at % 4).to_json();
        replace(&mut json, &mut seeded);
        if let Ok(expr) = Expr::from_json(&json) {
            read += 1;
            check(&expr, &json.to_string());
        }
    }
    assert!((500..7_500).contains(&read), "{read} of them were conditions");
}
