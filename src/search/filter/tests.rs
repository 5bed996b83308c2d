use std::path::Path;

use crate::federation::load_text;

use super::*;

fn ids(delimiter: char) -> Ids {
    let member = |id: &str| format!("[[member]]\nid = \"{id}\"\nurl = \"https://{id}.example\"\n");
    let members = ["A", "B", "EO", "EODC"].map(member).concat();
    let text = format!("[federation]\nid = \"test\"\ndelimiter = \"{delimiter}\"\n{members}");
    Ids::new(&load_text("test.toml", &text, Path::new(".")).unwrap().federation)
}

fn localised_at(member: &str, given: &str) -> Expr {
    localised(&Expr::from_text(given).unwrap(), &MemberId::new(member), &ids('|'))
}

/// `A` is asked for the second when a client asks for the first.
fn check(given: &str, expected: &str) {
    assert_eq!(localised_at("A", given), Expr::from_text(expected).unwrap(), "{given}");
}

#[test]
fn collections_get_the_members_own_ids() {
    check("collection = 'A|x'", "collection = 'x'");
    check("'A|x' = collection", "collection = 'x'");
    check("collection = 'x'", "collection = 'x'");
    check("collection = 'A%7Cx'", "collection = 'x'");
    check("collection = 'A%7cx' AND a = 1", "collection = 'x' AND a = 1");
    check("collection = 'A|B|x'", "collection = 'B|x'");
    check("collection = 'C|x'", "collection = 'C|x'");
    check("collection <> 'A|x'", "collection <> 'x'");
    check("collection IN ('A|x', 'y', 'B|z')", "collection IN ('x', 'y')");
    check("'A|x' IN (collection, a)", "collection = 'x' OR 'A|x' = a");
    check("id = 'A|x' AND title = 'B|x'", "id = 'A|x' AND title = 'B|x'");
}

#[test]
fn what_names_another_member_is_decided() {
    for decided in
        ["collection = 'B|x'", "collection IN ('B|x', 'B|y')", "collection = 'B%7Cx'", "NOT collection <> 'B|x'"]
    {
        check(decided, "FALSE");
    }
    for decided in ["collection <> 'B|x'", "NOT collection IN ('B|x')", "collection = 'B|x' OR collection LIKE '%'"] {
        check(decided, "TRUE");
    }
    check("collection = 'B|x' OR a = 1", "a = 1");
    check("collection = 'B|x' AND a = 1", "FALSE");
    check("NOT (collection = 'B|x' AND a = 1)", "TRUE");
    check("NOT (collection = 'B|x' OR a = 1)", "NOT a = 1");
    check("collection <> 'B|x' AND a = 1", "a = 1");
}

#[test]
fn an_order_of_collections_takes_the_name_that_the_literal_has_the_form_of() {
    check("collection >= 'A|s'", "collection >= 's'");
    check("collection >= 's'", "collection >= 's'");
    check("collection >= 'B|a'", "FALSE");
    check("collection < 'B|a'", "TRUE");
    check("collection BETWEEN 'A|a' AND 'B|c'", "collection >= 'a'");
    assert_eq!(localised_at("EODC", "collection > 'EO|a'"), Expr::Constant(false), "as `EODC|x` and `EO|a` compare");
}

#[test]
fn a_pattern_meets_either_name() {
    check("collection LIKE 'A|s%'", "collection LIKE 'A|s%' OR collection LIKE 's%'");
    check("collection LIKE 'A%'", "TRUE");
    check("collection LIKE '%'", "TRUE");
    check("collection LIKE 's%'", "collection LIKE 's%'");
    check("collection LIKE '%|s%'", "collection LIKE '%|s%' OR collection LIKE 's%'");
    check("collection LIKE '_|s_'", "collection LIKE '_|s_' OR collection LIKE 's_'");
    check("collection LIKE 'A|100\\%'", "collection LIKE 'A|100\\%' OR collection LIKE '100\\%'");
    check("collection LIKE 'B|%'", "collection LIKE 'B|%'");
    check(
        "CASEI(collection) LIKE CASEI('a|S%')",
        "CASEI(collection) LIKE CASEI('a|S%') OR CASEI(collection) LIKE CASEI('S%')",
    );
    check("collection LIKE 'a|s%'", "collection LIKE 'a|s%'");
}

#[test]
fn a_comparison_without_regard_to_case_takes_the_members_name_so_too() {
    check("CASEI(collection) = CASEI('a|X')", "CASEI(collection) = CASEI('X')");
    check("CASEI(collection) IN (CASEI('A|x'), CASEI('y'))", "CASEI(collection) IN (CASEI('x'), CASEI('y'))");
}

#[test]
fn what_is_no_text_stays() {
    check("collection = 5", "collection = 5");
    check("collection = a", "collection = a");
    check("collection IS NULL", "collection IS NULL");
}

#[test]
fn another_delimiter_is_read_as_such() {
    let local = localised(&Expr::from_text("collection = 'A~x|y'").unwrap(), &MemberId::new("A"), &ids('~'));
    assert_eq!(local, Expr::from_text("collection = 'x|y'").unwrap());
}
