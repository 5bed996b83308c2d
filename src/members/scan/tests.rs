//! The scanner against `serde_json`, on documents made by hand and on seeded mutations of them.

use serde_json::value::RawValue;

use super::*;

/// xorshift64*: reproducible without a dependency.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

const SEEDS: [&str; 10] = [
    r#"{"type":"Feature","id":"a","bbox":[1,2.5,-3e-7,4.0E+10],"properties":{"datetime":null,"x":true,"y":false}}"#,
    r#" [ ] "#,
    r#"{"a":{},"b":[[],[{}],[[1]]],"":""}"#,
    r#""a string with \" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 and plain é""#,
    "-0.0",
    "12345678901234567890123456789012345678901234567890",
    "[1e5,1E-5,0,-1,0.5,[[[[[[[[[[]]]]]]]]]]]",
    "{\n\t\"key\" : [ 1 , 2 ,\r\n3 ] , \"other\" : null }",
    r#"{"12345678":"12345678","1234567":"1234567\\","123456789":"\"23456789"}"#,
    "true",
];

fn check_same(text: &[u8]) {
    if std::str::from_utf8(text).is_err() {
        return;
    }
    let theirs: Result<&RawValue, _> = serde_json::from_slice(text);
    let ours = Scanner::document(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}: {ours:?} {theirs:?}", String::from_utf8_lossy(text));
    if let (Ok(span), Ok(raw)) = (ours, theirs) {
        assert_eq!(&text[span], raw.get().as_bytes());
    }
    check_walk(text);
}

/// Spans of the first level equal those of `serde_json`.
fn check_walk(text: &[u8]) {
    if let Ok(theirs) = serde_json::from_slice::<Vec<&RawValue>>(text) {
        let mut scanner = Scanner::new(text);
        assert_eq!(scanner.kind(), Ok(Kind::Array));
        let mut walk = scanner.enter();
        let mut ours = Vec::new();
        while scanner.element(&mut walk).unwrap() {
            ours.push(scanner.skip().unwrap());
        }
        scanner.end().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            assert_eq!(&text[ours], theirs.get().as_bytes());
        }
    }
    if let Ok(theirs) = serde_json::from_slice::<std::collections::BTreeMap<String, Box<RawValue>>>(text) {
        let mut scanner = Scanner::new(text);
        assert_eq!(scanner.kind(), Ok(Kind::Object));
        let mut walk = scanner.enter();
        let mut ours = std::collections::BTreeMap::new();
        while let Some(key) = scanner.key(&mut walk).unwrap() {
            let key = key.decode().unwrap().into_owned();
            ours.insert(key, scanner.skip().unwrap());
        }
        scanner.end().unwrap();
        let ours: Vec<_> = ours.into_iter().map(|(key, span)| (key, text[span].to_vec())).collect();
        let theirs: Vec<_> = theirs.into_iter().map(|(key, raw)| (key, raw.get().as_bytes().to_vec())).collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn agrees_with_serde_json_on_mutated_documents() {
    let mut seeded = Seeded(0x9E37_79B9_7F4A_7C15);
    let alphabet = b"{}[]\",:\\ \n\t0123456789-+.eEtrufalsn\x00\x1f\x7fu00dD/ab\xc3\xa9";
    let mut accepted = 0;
    for round in 0..60_000 {
        let mut text = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..seeded.below(4) {
            let at = seeded.below(text.len().max(1));
            match seeded.below(5) {
                0 if !text.is_empty() => drop(text.remove(at)),
                1 => text.insert(at, alphabet[seeded.below(alphabet.len())]),
                2 if !text.is_empty() => text[at] = alphabet[seeded.below(alphabet.len())],
                3 => text.truncate(at),
                _ => {
                    let piece = SEEDS[seeded.below(SEEDS.len())].as_bytes();
                    text.splice(at..at, piece.iter().copied());
                }
            }
        }
        check_same(&text);
        accepted += usize::from(Scanner::document(&text).is_ok());
    }
    assert!((5_000..55_000).contains(&accepted), "{accepted} documents are no mix of good and bad");
}

#[test]
fn agrees_with_serde_json_on_edges() {
    for text in [
        "",
        " ",
        "nul",
        "nullx",
        "tru",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\x\"",
        "\"\t\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1]",
        "[1}",
        "[",
        "{",
        "]",
        "1 2",
        "[]]",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "1E400",
        "'a'",
        "NaN",
        "/**/1",
        "\u{feff}1",
        "1\u{a0}",
    ] {
        check_same(text.as_bytes());
    }
    for length in 0..40 {
        check_same(format!("\"{}\"", "a".repeat(length)).as_bytes());
        check_same(format!("\"{}\u{1}\"", "a".repeat(length)).as_bytes());
        check_same(format!("\"{}\\\\\"", "é".repeat(length)).as_bytes());
    }
}

#[test]
fn nesting_of_a_million_costs_no_stack() {
    let n = 1_000_000;
    let deep = format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(Scanner::document(deep.as_bytes()), Ok(0..2 * n));
    let mut scanner = Scanner::new(deep.as_bytes());
    scanner.skip().unwrap();
    assert_eq!(scanner.deepest(), 1_000_000);
    assert!(Scanner::document(&deep.as_bytes()[..2 * n - 1]).is_err());
    let mixed = "{\"a\":[".repeat(500) + &"]}".repeat(500);
    assert!(Scanner::document(mixed.as_bytes()).is_ok());
    assert!(Scanner::document(mixed.replacen("]}", "}]", 1).as_bytes()).is_err());
}

#[test]
fn depth_counts_levels_from_where_the_watch_began() {
    let mut scanner = Scanner::new(b"[[[1]],{\"a\":[]},2]");
    scanner.kind().unwrap();
    let mut walk = scanner.enter();
    let mut depths = Vec::new();
    while scanner.element(&mut walk).unwrap() {
        scanner.watch();
        let before = scanner.depth();
        scanner.skip().unwrap();
        depths.push(scanner.deepest() - before);
    }
    assert_eq!(depths, [2, 2, 0]);
}

#[test]
fn half_characters_are_noticed_and_whole_ones_are_not() {
    let lone = |text: &str| {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.skip().unwrap();
        scanner.lone_surrogate()
    };
    assert!(lone(r#""\ud800""#) && lone(r#""\udc00x""#) && lone(r#"["\ud800A"]"#) && lone(r#""\ud800\ud800""#));
    assert!(!lone(r#""\ud83d\ude00""#) && !lone(r#""é""#) && !lone(r#""\\ud800""#));
}

#[test]
fn keys_written_with_escapes_have_their_name() {
    let mut scanner = Scanner::new(br#"{"\u0069d":1}"#);
    scanner.kind().unwrap();
    let mut walk = scanner.enter();
    assert_eq!(&*scanner.key(&mut walk).unwrap().unwrap().name(), b"id");
}
