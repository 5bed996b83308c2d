//! What passes, what is dropped and why, and what is read of an Item.

use super::*;

fn feature(rest: &str) -> String {
    format!(r#"{{"type":"Feature","id":"a"{rest}}}"#)
}

fn split(body: &str) -> Split {
    split_page(&Bytes::from(body.to_owned()), &Bounds::default()).unwrap()
}

fn refusal(text: &str) -> Reason {
    Item::new(text.to_owned()).unwrap_err()
}

#[test]
fn an_item_is_its_bytes_and_places() {
    let text = r#"{"stac_version":"1.0.0","type":"Feature","id":"S2\u0041","collection":"c","geometry":{"type":"Point","coordinates":[1,2]},
        "bbox":[1,2,3,4],"properties":{"federation:backends" : ["x"],"datetime":"2025-01-01T00:00:00.9999Z"},"links":[],"assets":{"a":{"href":"b"}}}"#;
    let item = Item::new(format!("  {text}\n")).unwrap();
    assert_eq!(item.bytes, text);
    assert_eq!((&*item.id, &*item.collection), ("S2A", "c"));
    assert_eq!(item.slice(&item.spans.collection), b"\"c\"");
    assert_eq!(item.slice(&item.spans.bbox), b"[1,2,3,4]");
    assert_eq!(item.slice(&item.spans.links), b"[]");
    assert_eq!(item.slice(&item.spans.assets), br#"{"a":{"href":"b"}}"#);
    assert_eq!(item.slice(&item.spans.datetime), b"\"2025-01-01T00:00:00.9999Z\"");
    assert_eq!(item.slice(&item.spans.backends), br#""federation:backends" : ["x"]"#);
    assert_eq!(item.time_key(), Some(1_735_689_600_999));
    assert_eq!(item.bbox(), Some(Bbox { west: 1., south: 2., east: 3., north: 4., elevation: None }));
    assert_eq!(item.geometry(), Some(geo::Point::new(1., 2.).into()));
}

#[test]
fn a_repeated_backends_text_elsewhere_does_not_move_its_place() {
    let item = Item::new(feature(
        r#","properties":{"title":"\"federation:backends\"","federation:backends":["federation:backends"],"z":1}"#,
    ))
    .unwrap();
    assert_eq!(item.slice(&item.spans.backends), br#""federation:backends":["federation:backends"]"#);
}

#[test]
fn time_key_falls_back_to_the_start() {
    let key = |properties: &str| Item::new(feature(&format!(r#","properties":{properties}"#))).unwrap().time_key();
    assert_eq!(key(r#"{"datetime":null,"start_datetime":"1970-01-01T00:00:01Z"}"#), Some(1000));
    assert_eq!(key(r#"{"datetime":"1969-12-31T23:59:59.9995Z"}"#), Some(-1));
    assert_eq!(key(r#"{"datetime":"soon"}"#), None);
    assert_eq!(key("{}"), None);
    assert_eq!(key("null"), None);
}

#[test]
fn faulty_documents_are_dropped_for_their_reason() {
    assert_eq!(refusal("[]"), Reason::NotAnObject);
    assert_eq!(refusal(r#"{"type":"Feature"}"#), Reason::NoId);
    assert_eq!(refusal(r#"{"type":"Feature","id":7}"#), Reason::NoId);
    assert_eq!(refusal(r#"{"type":"Feature","id":""}"#), Reason::NoId);
    assert_eq!(refusal(r#"{"type":"Collection","id":"a"}"#), Reason::NotAFeature);
    assert_eq!(refusal(r#"{"id":"a"}"#), Reason::NotAFeature);
    assert_eq!(refusal(&feature(r#","properties":[]"#)), Reason::Properties);
    assert_eq!(refusal(&feature(r#","id":"b""#)), Reason::Doubled);
    assert_eq!(refusal(&feature(r#","properties":{"datetime":null,"datetime":null}"#)), Reason::Doubled);
    assert_eq!(refusal(&feature(r#","x":"\ud800""#)), Reason::HalfCharacter);
    assert_eq!(refusal(&feature(&format!(r#","x":"{}""#, "y".repeat(2 << 20)))), Reason::TooLarge);
    let links = |count: usize| feature(&format!(r#","links":[{}]"#, vec!["{}"; count].join(",")));
    assert!(Item::new(links(2000)).is_ok());
    assert_eq!(refusal(&links(2001)), Reason::TooManyLinks);
    let assets: Vec<_> = (0..2001).map(|n| format!("\"{n}\":{{}}")).collect();
    assert_eq!(refusal(&feature(&format!(r#","assets":{{{}}}"#, assets.join(",")))), Reason::TooManyLinks);
    let nested = |depth: usize| feature(&format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(Item::new(nested(63)).is_ok());
    assert_eq!(refusal(&nested(64)), Reason::TooDeep);
    assert_eq!(refusal(&nested(500_000)), Reason::TooDeep);
    assert!(matches!(refusal("{"), Reason::NotJson(_)));
    assert!(matches!(Item::new(Bytes::from_static(b"{\"\xff\":1}")).unwrap_err(), Reason::NotJson(_)));
}

#[test]
fn geometries_pass_by_shape() {
    let passes = |geometry: &str| Item::new(feature(&format!(r#","geometry":{geometry}"#))).is_ok();
    for good in [
        "null",
        r#"{"type":"Point","coordinates":[1,2,3]}"#,
        r#"{"coordinates":[[[0,0],[1,0],[1,1],[0,0]]],"type":"Polygon"}"#,
        r#"{"type":"MultiPolygon","coordinates":[]}"#,
        r#"{"type":"GeometryCollection","geometries":[{"type":"LineString","coordinates":[[0,0],[1,1]]}]}"#,
    ] {
        assert!(passes(good), "{good}");
    }
    for bad in [
        "7",
        "[]",
        "{}",
        r#"{"type":"Point"}"#,
        r#"{"type":"Point","coordinates":"1,2"}"#,
        r#"{"type":"Point","coordinates":["1","2"]}"#,
        r#"{"type":"Point","coordinates":[null,2]}"#,
        r#"{"type":"Polygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}"#,
        r#"{"type":"Circle","coordinates":[1,2]}"#,
        r#"{"type":"GeometryCollection","geometries":[7]}"#,
        r#"{"type":"GeometryCollection"}"#,
        r#"{"type":"Point","type":"Point","coordinates":[1,2]}"#,
    ] {
        assert!(!passes(bad), "{bad}");
    }
}

#[test]
fn a_page_is_split_and_counts_what_it_drops() {
    let page = split(
        r#"{"numMatched":1,"context":{"matched":7,"x":{}},"type":"FeatureCollection","features":[{"type":"Feature","id":"a"},{"type":"Feature","id":1}, 7 ,
        {"type":"Feature","id":"b","collection":"c"}],"links":[{"rel":"next"}]}"#,
    );
    assert_eq!(page.items.iter().map(|item| &*item.id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((page.received, page.invalid.count, page.matched), (4, 2, Some(7)));
    assert_eq!(page.invalid.reasons, ["feature 2: no `id`, or one that is not text", "feature 3: not an object"]);
    let named = split(r#"{"features":[{"type":"Feature","id":"odd","geometry":7}]}"#);
    assert_eq!(named.invalid.reasons, ["feature 1 `odd`: geometry is neither null nor a GeoJSON geometry"]);
    assert_eq!(page.links.as_deref(), Some(&br#"[{"rel":"next"}]"#[..]));
    assert_eq!(split(r#"{"features":[],"numberMatched":3,"context":{"matched":7}}"#).matched, Some(3));
    assert_eq!(split(r#"{"features":[],"numberMatched":null}"#).matched, None);
    assert!(split(r#"{"features":[],"federation:missing":["A"]}"#).partial);
    assert!(!split(r#"{"features":[],"federation:missing":[]}"#).partial);
    assert!(!split(r#"{"features":[],"federation:missing":"A"}"#).partial);
    assert_eq!(split(r#"{"features":[],"numberMatched":-1}"#).matched, None);
}

#[test]
fn what_is_no_page_is_refused() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"features":{}}"#,
        r#"{"features":[],"features":[]}"#,
        r#"{"features":[]"#,
        r#"{"features":[{"a":]}"#,
        "<html>",
    ] {
        assert!(split_page(&Bytes::from(body.to_owned()), &Bounds::default()).is_err(), "{body}");
    }
    assert!(split_page(&Bytes::from_static(b"{\"features\":[\"\xff\"]}"), &Bounds::default()).is_err());
    let many = format!(r#"{{"features":[{}]}}"#, vec!["1"; 20_001].join(","));
    assert!(split_page(&Bytes::from(many), &Bounds::default()).is_err());
}
