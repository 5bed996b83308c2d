use crate::federation::Bbox;

use super::*;

/// An Item with these parts: `datetime`, `start_datetime` and `end_datetime`, bbox and geometry as JSON, left out where empty.
pub(crate) fn item(collection: &str, id: &str, times: [Option<&str>; 3], bbox: &str, geometry: &str) -> Item {
    let [datetime, start, end] = times.map(|time| time.map_or_else(|| "null".to_owned(), |time| format!("\"{time}\"")));
    let part = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!("\"{name}\":{value},") };
    let text = format!(
        "{{\"type\":\"Feature\",\"id\":\"{id}\",\"collection\":\"{collection}\",{}{}\"properties\":\
         {{\"datetime\":{datetime},\"start_datetime\":{start},\"end_datetime\":{end}}},\"links\":[],\"assets\":{{}}}}",
        part("bbox", bbox),
        part("geometry", geometry),
    );
    Item::new(text).unwrap()
}

fn interval(start: Option<&str>, end: Option<&str>) -> Interval {
    Interval { start: start.map(|text| text.parse().unwrap()), end: end.map(|text| text.parse().unwrap()) }
}

fn area(west: f64, south: f64, east: f64, north: f64) -> Area {
    Area::from(Bbox { west, south, east, north, elevation: None })
}

const TRIANGLE: &str = r#"{"type":"Polygon","coordinates":[[[0,0],[10,0],[0,10],[0,0]]]}"#;

fn at_triangle() -> Item {
    item("c", "a", [Some("2024-05-01T00:00:00Z"), None, None], "[0,0,10,10]", TRIANGLE)
}

#[test]
fn without_a_condition_everything_passes() {
    assert!(Residual::default().keeps(&item("", "x", [None; 3], "\"x\"", "null")));
}

#[test]
fn collections_and_ids_are_lists() {
    let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let item = at_triangle();
    for (collections, ids, kept) in [
        (some(&["b", "c"]), None, true),
        (some(&["C"]), None, false),
        (some(&[]), None, false),
        (None, some(&["a"]), true),
        (None, some(&["aa", ""]), false),
        (some(&["c"]), some(&["b"]), false),
    ] {
        let residual = Residual { collections, ids, ..Residual::default() };
        assert_eq!(residual.keeps(&item), kept, "{residual:?}");
    }
}

#[test]
fn an_item_is_in_time_by_its_instant_or_by_its_span() {
    let (march, april, may, june) =
        ("2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z", "2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z");
    for (times, asked, kept) in [
        ([Some(may), None, None], interval(Some(may), Some(may)), true),
        ([Some(may), None, None], interval(Some(april), None), true),
        ([Some(may), None, None], interval(None, Some(april)), false),
        ([None, Some(march), Some(may)], interval(Some(april), Some(april)), true),
        ([None, Some(march), Some(april)], interval(Some(may), None), false),
        ([Some(march), Some(march), Some(may)], interval(Some(april), Some(june)), true),
        ([Some(june), Some(march), Some(april)], interval(Some(may), None), true),
        ([Some(march), Some(march), Some(april)], interval(Some(may), None), false),
        ([None, Some(march), None], interval(Some(may), None), true),
        ([None, None, Some(april)], interval(Some(may), None), false),
        ([None; 3], interval(Some(march), None), false),
        ([None; 3], interval(None, Some(june)), false),
    ] {
        let residual = Residual { datetime: Some(asked), ..Residual::default() };
        assert_eq!(residual.keeps(&item("c", "a", times, "null", "null")), kept, "{times:?} in {asked:?}");
    }
}

#[test]
fn an_item_is_in_place_by_its_box_or_exactly_by_its_geometry() {
    let inside_the_box_only = area(8.0, 8.0, 9.0, 9.0);
    let loose = Residual { area: Some(inside_the_box_only.clone()), ..Residual::default() };
    let exact = Residual { area: Some(inside_the_box_only), exact_area: true, ..Residual::default() };
    assert!(loose.keeps(&at_triangle()));
    assert!(!exact.keeps(&at_triangle()));
    let exact = Residual { area: Some(area(1.0, 1.0, 2.0, 2.0)), exact_area: true, ..Residual::default() };
    assert!(exact.keeps(&at_triangle()));
    let far = Residual { area: Some(area(20.0, 20.0, 30.0, 30.0)), ..Residual::default() };
    assert!(!far.keeps(&at_triangle()));
}

#[test]
fn a_wrong_or_missing_box_is_made_good_by_the_geometry() {
    let residual = Residual { area: Some(area(1.0, 1.0, 2.0, 2.0)), ..Residual::default() };
    for bbox in ["null", "[50,50,60,60]", "[1,2,3]", "\"x\""] {
        assert!(residual.keeps(&item("c", "a", [None; 3], bbox, TRIANGLE)), "{bbox}");
    }
    assert!(!residual.keeps(&item(
        "c",
        "a",
        [None; 3],
        "[50,50,60,60]",
        "{\"type\":\"Point\",\"coordinates\":[1e999,0]}"
    )));
    assert!(residual.keeps(&item("c", "a", [None; 3], "[0,0,3,3]", "{\"type\":\"Point\",\"coordinates\":[1e999,0]}")));
}

#[test]
fn a_null_geometry_matches_no_area() {
    for exact_area in [false, true] {
        let residual = Residual { area: Some(area(-180.0, -90.0, 180.0, 90.0)), exact_area, ..Residual::default() };
        for geometry in ["null", ""] {
            assert!(!residual.keeps(&item("c", "a", [None; 3], "[0,0,10,10]", geometry)));
        }
    }
}

#[test]
fn areas_meet_across_the_antimeridian() {
    let asked = area(170.0, -10.0, -170.0, 10.0);
    let west = r#"{"type":"Polygon","coordinates":[[[-178,0],[-177,0],[-177,1],[-178,0]]]}"#;
    let beyond = r#"{"type":"Polygon","coordinates":[[[179,0],[183,0],[183,1],[179,0]]]}"#;
    let elsewhere = r#"{"type":"Point","coordinates":[0,0]}"#;
    for exact_area in [false, true] {
        let residual = Residual { area: Some(asked.clone()), exact_area, ..Residual::default() };
        assert!(residual.keeps(&item("c", "a", [None; 3], "[-178,0,-177,1]", west)));
        assert!(residual.keeps(&item("c", "a", [None; 3], "[179,0,-177,1]", beyond)));
        assert!(!residual.keeps(&item("c", "a", [None; 3], "[0,0,0,0]", elsewhere)));
    }
}

#[test]
fn an_item_without_elevation_lies_at_zero() {
    let of = |low, high| Residual {
        area: Some(area(0.0, 0.0, 10.0, 10.0)),
        elevation: Some((low, high)),
        ..Residual::default()
    };
    let raised = item("c", "a", [None; 3], "[0,0,100,10,10,200]", TRIANGLE);
    for (low, high, flat_kept, raised_kept) in
        [(-5.0, 5.0, true, false), (0.0, 150.0, true, true), (150.0, 160.0, false, true), (201.0, 300.0, false, false)]
    {
        assert_eq!(of(low, high).keeps(&at_triangle()), flat_kept, "{low} to {high}");
        assert_eq!(of(low, high).keeps(&raised), raised_kept, "{low} to {high}");
    }
}

#[test]
fn backends_in_a_condition_are_what_the_broker_writes() {
    let text = r#"{"type":"Feature","id":"a","collection":"c","geometry":null,"links":[],"assets":{},
        "properties":{"datetime":"2024-05-01T00:00:00Z","federation:backends":["X"]}}"#;
    let own = Item::new(text.to_owned()).unwrap();
    for (filter, kept) in [
        ("A_CONTAINS(federation:backends, ('EODC'))", true),
        ("A_EQUALS(properties.federation:backends, ('EODC'))", true),
        ("federation:backends IS NOT NULL", true),
        ("A_CONTAINS(federation:backends, ('X'))", false),
        ("NOT A_CONTAINS(federation:backends, ('EODC'))", false),
    ] {
        let filter = Expr::from_text(filter).unwrap();
        let residual = Residual {
            properties: filter.properties().into_iter().map(Into::into).collect(),
            filter: Some(Arc::new(filter)),
            member: Some(MemberId::new("EODC")),
            ..Residual::default()
        };
        assert_eq!((residual.keeps(&own), residual.keeps(&at_triangle())), (kept, kept), "{:?}", residual.filter);
    }
}
