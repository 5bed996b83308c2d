//! Known answers, written as clients write conditions.

use serde_json::{Value as Json, json};

use super::Document;
use crate::cql2::Expr;

/// One Item for most questions.
fn item() -> Document {
    Document::of(json!({
        "id": "S2A_1",
        "collection": "sentinel-2-l2a",
        "geometry": { "type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]] },
        "properties": {
            "datetime": "2024-05-01T10:00:00.137000Z",
            "start_datetime": "2024-05-01T12:00:00+02:00",
            "end_datetime": "2024-05-02T00:00:00Z",
            "created": "2024-06-01 00:00:00",
            "day": "2024-05-01",
            "eo:cloud_cover": 12.5,
            "gsd": 10,
            "zero": 0,
            "platform": "Sentinel-2A",
            "city": "São Tomé",
            "street": "Straße",
            "pattern": "50%_a\\b",
            "flag": true,
            "off": false,
            "nothing": null,
            "empty": "",
            "instruments": ["msi", "aux", "msi"],
            "bands": [1, 2, 3],
            "days": ["2024-05-01", "2024-05-02T00:00:00Z"],
            "proj:shape": { "a": 1 },
        }
    }))
}

pub(super) const TRUE: Option<bool> = Some(true);
pub(super) const FALSE: Option<bool> = Some(false);
pub(super) const UNKNOWN: Option<bool> = None;

pub(super) fn check_on(item: &Document, table: &[(&str, Option<bool>)]) {
    for (text, expected) in table {
        let expr = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(expr.holds(item), *expected, "{text}");
    }
}

pub(super) fn check(table: &[(&str, Option<bool>)]) {
    check_on(&item(), table);
}

#[test]
fn an_item_without_datetime_is_at_no_known_time() {
    let item = Document::with(
        json!({ "datetime": null, "start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-31T00:00:00Z" }),
    );
    check_on(
        &item,
        &[
            ("datetime >= TIMESTAMP('2024-01-01T00:00:00Z')", UNKNOWN),
            ("NOT datetime >= TIMESTAMP('2024-01-01T00:00:00Z')", UNKNOWN),
            ("datetime IS NULL", TRUE),
            ("T_INTERSECTS(datetime, INTERVAL('2024-01-01', '..'))", UNKNOWN),
            ("T_INTERSECTS(INTERVAL(start_datetime, end_datetime), INTERVAL('2024-01-10', '2024-01-11'))", TRUE),
            ("T_CONTAINS(INTERVAL(start_datetime, end_datetime), INTERVAL('2024-01-10', '2024-01-11'))", TRUE),
            ("T_INTERSECTS(INTERVAL(datetime, end_datetime), INTERVAL('2024-01-10', '2024-01-11'))", UNKNOWN),
            (
                "datetime >= TIMESTAMP('2024-01-01T00:00:00Z') OR start_datetime >= TIMESTAMP('2024-01-01T00:00:00Z')",
                TRUE,
            ),
        ],
    );
}

#[test]
fn intervals_that_end_before_they_start_are_unknown() {
    let item =
        Document::with(json!({ "start_datetime": "2024-02-01T00:00:00Z", "end_datetime": "2024-01-31T00:00:00Z" }));
    check_on(&item, &[("T_INTERSECTS(INTERVAL(start_datetime, end_datetime), INTERVAL('..', '..'))", UNKNOWN)]);
}

#[test]
fn an_absent_property_is_unknown_and_never_an_error() {
    check(&[
        ("absent = 1", UNKNOWN),
        ("absent <> 1", UNKNOWN),
        ("NOT absent = 1", UNKNOWN),
        ("nothing = 1", UNKNOWN),
        ("absent IS NULL", TRUE),
        ("nothing IS NULL", TRUE),
        ("nothing IS NOT NULL", FALSE),
        ("empty IS NULL", FALSE),
        ("absent IN (1, 2)", UNKNOWN),
        ("absent BETWEEN 1 AND 2", UNKNOWN),
        ("absent LIKE '%'", UNKNOWN),
        ("absent = absent", UNKNOWN),
        ("absent = 1 OR gsd = 10", TRUE),
        ("absent = 1 AND gsd = 10", UNKNOWN),
        ("absent = 1 AND gsd = 11", FALSE),
    ]);
}

#[test]
fn a_value_of_another_type_is_unknown_and_never_an_error() {
    check(&[
        ("platform < 9", UNKNOWN),
        ("gsd = 'ten'", UNKNOWN),
        ("gsd <> '10'", UNKNOWN),
        ("flag = 1", UNKNOWN),
        ("instruments = 'msi'", UNKNOWN),
        ("gsd LIKE '1%'", UNKNOWN),
        ("CASEI(gsd) = '10'", UNKNOWN),
        ("gsd IN ('10', '11')", UNKNOWN),
        ("gsd = TIMESTAMP('2024-05-01T00:00:00Z')", UNKNOWN),
        ("platform = DATE('2024-05-01')", UNKNOWN),
    ]);
}

#[test]
fn an_object_is_there_but_compares_with_nothing() {
    check(&[
        ("\"proj:shape\" IS NULL", FALSE),
        ("\"proj:shape\" IS NOT NULL", TRUE),
        ("\"proj:shape\" = 1", UNKNOWN),
        ("\"proj:shape\" = \"proj:shape\"", UNKNOWN),
        ("instruments IS NULL", FALSE),
        ("geometry IS NULL", FALSE),
    ]);
}

#[test]
fn a_text_beside_a_time_is_an_instant_whatever_its_spelling() {
    check(&[
        ("datetime = '2024-05-01T10:00:00.137Z'", TRUE),
        ("datetime = '2024-05-01T12:00:00.137+02:00'", TRUE),
        ("datetime < '2024-05-01T11:00:00+02:00'", FALSE),
        ("datetime = TIMESTAMP('2024-05-01T10:00:00.137000000Z')", TRUE),
        ("datetime = TIMESTAMP('2024-05-01T10:00:00.137000001Z')", FALSE),
        ("datetime < TIMESTAMP('2024-05-01T10:00:00.137000001Z')", TRUE),
        ("start_datetime = TIMESTAMP('2024-05-01T10:00:00Z')", TRUE),
        ("start_datetime < datetime", TRUE),
        // odd forms of members
        ("created = TIMESTAMP('2024-06-01T00:00:00Z')", TRUE),
        // not a time by definition: only next to a time
        ("day = '2024-05-01T00:00:00Z'", FALSE),
        ("day = TIMESTAMP('2024-05-01T00:00:00Z')", TRUE),
        ("datetime BETWEEN '2024-05-01T00:00:00Z' AND '2024-05-02T00:00:00Z'", TRUE),
        ("datetime IN ('2024-05-01T10:00:00.137Z', '2024-05-02T00:00:00Z')", TRUE),
        ("datetime LIKE '2024-05-%'", TRUE),
    ]);
}

#[test]
fn a_date_is_its_whole_day() {
    check(&[
        ("datetime = DATE('2024-05-01')", TRUE),
        ("datetime >= DATE('2024-05-01')", TRUE),
        ("datetime <= DATE('2024-05-01')", TRUE),
        ("datetime < DATE('2024-05-01')", FALSE),
        ("datetime > DATE('2024-05-01')", FALSE),
        ("datetime <> DATE('2024-05-01')", FALSE),
        ("datetime < DATE('2024-05-02')", TRUE),
        ("datetime > DATE('2024-04-30')", TRUE),
        ("end_datetime = DATE('2024-05-01')", FALSE),
        ("end_datetime = DATE('2024-05-02')", TRUE),
        ("end_datetime > DATE('2024-05-01')", TRUE),
        ("end_datetime <= DATE('2024-05-01')", FALSE),
        ("day = DATE('2024-05-01')", TRUE),
        ("T_INTERSECTS(datetime, INTERVAL('2024-04-01', '2024-05-01'))", TRUE),
        ("T_AFTER(datetime, INTERVAL('2024-04-01', '2024-04-30'))", TRUE),
    ]);
}

#[test]
fn conditions_of_the_json_spelling_mean_the_same() {
    let item = item();
    let holds = |json: Json| Expr::from_json(&json).unwrap().holds(&item);
    assert_eq!(holds(json!({ "op": "<", "args": [{ "property": "eo:cloud_cover" }, 20] })), TRUE);
    assert_eq!(holds(json!({ "op": "isNull", "args": [{ "property": "absent" }] })), TRUE);
    assert_eq!(holds(json!({ "op": "in", "args": [{ "property": "platform" }, ["a", "Sentinel-2A"]] })), TRUE);
    let across =
        json!({ "op": "s_intersects", "args": [{ "property": "geometry" }, { "bbox": [170, -10, -170, 10] }] });
    assert_eq!(holds(across), FALSE);
}

#[test]
fn the_last_digit_of_a_number_is_the_same_in_a_condition_and_an_item() {
    for digits in
        ["0.1", "0.30000000000000004", "2.2250738585072011e-308", "8.5e22", "123456789.12345678912345", "5e-324"]
    {
        let item = Document { raw: [("gsd".into(), digits.to_owned())].into(), ..Document::default() };
        let expr = Expr::from_text(&format!("gsd = {digits}")).unwrap();
        assert_eq!(expr.holds(&item), TRUE, "{digits}");
    }
}
