use chrono::{DateTime, Utc};

use super::*;

const VALID_DATETIMES: [&str; 30] = [
    "1985-04-12T23:20:50.52Z",
    "1996-12-19T16:39:57-00:00",
    "1996-12-19T16:39:57+00:00",
    "1996-12-19T16:39:57-08:00",
    "1996-12-19T16:39:57+08:00",
    "../1985-04-12T23:20:50.52Z",
    "1985-04-12T23:20:50.52Z/..",
    "/1985-04-12T23:20:50.52Z",
    "1985-04-12T23:20:50.52Z/",
    "1985-04-12T23:20:50.52Z/1986-04-12T23:20:50.52Z",
    "1985-04-12T23:20:50.52+01:00/1986-04-12T23:20:50.52+01:00",
    "1985-04-12T23:20:50.52-01:00/1986-04-12T23:20:50.52-01:00",
    "1937-01-01T12:00:27.87+01:00",
    "1937-01-01T12:00:27.8710+01:00",
    "1937-01-01T12:00:27.8+01:00",
    "1937-01-01T12:00:27.8Z",
    "2020-07-23T00:00:00.000+03:00",
    "2020-07-23T00:00:00+03:00",
    "1985-04-12t23:20:50.000z",
    "2020-07-23T00:00:00Z",
    "2020-07-23T00:00:00.0Z",
    "2020-07-23T00:00:00.01Z",
    "2020-07-23T00:00:00.012Z",
    "2020-07-23T00:00:00.0123Z",
    "2020-07-23T00:00:00.01234Z",
    "2020-07-23T00:00:00.012345Z",
    "2020-07-23T00:00:00.0123456Z",
    "2020-07-23T00:00:00.01234567Z",
    "2020-07-23T00:00:00.012345678Z",
    "1990-12-31T23:59:60Z",
];

const INVALID_DATETIMES: [&str; 34] = [
    "/",
    "../..",
    "/..",
    "../",
    "/1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z",
    "1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z/",
    "/1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z/",
    "1985-04-12",
    "1937-01-01T12:00:27.87+0100",
    "37-01-01T12:00:27.87Z",
    "1985-12-12T23:20:50.52",
    "21985-12-12T23:20:50.52Z",
    "1985-13-12T23:20:50.52Z",
    "1985-12-32T23:20:50.52Z",
    "1985-12-01T25:20:50.52Z",
    "1985-12-01T00:60:50.52Z",
    "1985-12-01T00:06:61.52Z",
    "1985-04-12T23:20:50.Z",
    "1985-04-12T23:20:50,Z",
    "1990-12-31T23:59:61Z",
    "1986-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z",
    "1985-04-12T23:20:50,52Z",
    "",
    "..",
    "2024-05-01 00:00:00Z",
    "2024-05-01T00:00Z",
    "2023-02-29T00:00:00Z",
    "2024-05-01T00:00:00.0123456789Z",
    "2024-05-01T00:00:00+24:00",
    "2024-05-01T00:00:00+01:60",
    "2024-05-01T00:00:00ZZ",
    "2024-05-01T00:00:00Z/.../",
    "0000-01-01T00:00:00+01:00",
    "２024-05-01T00:00:00Z",
];

fn limits() -> Limits {
    Limits::default()
}

fn get(pairs: &[(&str, &str)]) -> Result<SearchRequest, Invalid> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    SearchRequest::from_query(&pairs, &limits())
}

fn post(body: &str) -> Result<SearchRequest, Invalid> {
    SearchRequest::from_body(body.as_bytes(), &limits())
}

/// Refused, naming the parameter, and saying something about value and remedy.
fn check_refused(result: Result<SearchRequest, Invalid>, parameter: &str) {
    let invalid = result.expect_err(&format!("a wrong `{parameter}` was accepted"));
    assert_eq!(invalid.parameter, parameter, "{invalid}");
    assert!(!invalid.given.is_empty() && !invalid.accepted.is_empty());
    assert!(invalid.to_string().len() < 700, "{invalid}");
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn nothing_asked_is_a_search_for_everything() {
    for request in [get(&[]).unwrap(), post("{}").unwrap()] {
        assert_eq!(request.limit, 10);
        assert!(request.collections.is_empty() && request.ids.is_none() && request.fields.is_none());
        assert_eq!(request.digests(), [0; 12]);
    }
}

#[test]
fn every_valid_datetime_is_accepted_both_ways() {
    for text in VALID_DATETIMES {
        let by_get = get(&[("datetime", text)]).unwrap_or_else(|invalid| panic!("{invalid}"));
        let by_post = post(&format!("{{\"datetime\": \"{text}\"}}")).unwrap();
        assert_eq!(by_get.datetime, by_post.datetime, "{text}");
        // A plus that was not percent-encoded.
        assert_eq!(get(&[("datetime", &text.replace('+', " "))]).unwrap().datetime, by_get.datetime);
    }
}

#[test]
fn every_invalid_datetime_is_refused_both_ways() {
    for text in INVALID_DATETIMES {
        check_refused(get(&[("datetime", text)]), "datetime");
        check_refused(post(&format!("{{\"datetime\": \"{text}\"}}")), "datetime");
    }
    check_refused(post(r#"{"datetime": "1996-12-19T16:39:57 08:00"}"#), "datetime");
    check_refused(post(r#"{"datetime": 2024}"#), "datetime");
    check_refused(post(r#"{"datetime": ["2020-07-23T00:00:00Z", null]}"#), "datetime");
}

#[test]
fn datetimes_are_instants() {
    let interval = |text: &str| get(&[("datetime", text)]).unwrap().datetime.unwrap();
    assert_eq!(interval("1996-12-19T16:39:57-08:00"), Interval::instant(at("1996-12-20T00:39:57Z")));
    assert_eq!(interval("1990-12-31T23:59:60Z"), Interval::instant(at("1991-01-01T00:00:00Z")));
    assert_eq!(interval("2020-07-23T00:00:00.000000007Z").start, Some(at("2020-07-23T00:00:00.000000007Z")));
    assert_eq!(
        interval("/1985-04-12T23:20:50.52Z"),
        Interval { start: None, end: Some(at("1985-04-12T23:20:50.52Z")) }
    );
    assert_eq!(
        interval("1985-04-12T23:20:50.52Z/"),
        Interval { start: Some(at("1985-04-12T23:20:50.52Z")), end: None }
    );
}

#[test]
fn limits_are_clamped_or_refused() {
    for (text, expected) in
        [("1", 1), ("007", 7), ("1000", 1000), ("10000", 1000), ("1000000", 1000), ("99999999999999999999999", 1000)]
    {
        assert_eq!(get(&[("limit", text)]).unwrap().limit, expected, "{text}");
    }
    for (json, expected) in [("1", 1), ("10.0", 10), ("1e30", 1000), ("1001", 1000), ("null", 10)] {
        assert_eq!(post(&format!("{{\"limit\": {json}}}")).unwrap().limit, expected, "{json}");
    }
    for text in ["0", "-1", "1.5", "", "ten", "000", "1e3", " 5", "+5"] {
        check_refused(get(&[("limit", text)]), "limit");
    }
    for json in ["0", "-1", "1.5", "\"10\"", "[]", "true", "-1e30", "{}"] {
        check_refused(post(&format!("{{\"limit\": {json}}}")), "limit");
    }
}

#[test]
fn ids_and_collections_are_lists_without_doubles() {
    assert_eq!(get(&[("collections", "b,a,,b")]).unwrap().collections, names(&["b", "a"]));
    assert_eq!(post(r#"{"collections": "a,b"}"#).unwrap().collections, names(&["a,b"]));
    assert_eq!(post(r#"{"collections": ["b", "a", "b"]}"#).unwrap().collections, names(&["b", "a"]));
    assert_eq!(get(&[("ids", "")]).unwrap().ids, Some(Vec::new()));
    assert_eq!(post(r#"{"ids": []}"#).unwrap().ids, Some(Vec::new()));
    assert_eq!(post(r#"{"ids": null, "collections": null}"#).unwrap().ids, None);
    assert!(get(&[("collections", "")]).unwrap().collections.is_empty());
    for parameter in ["ids", "collections"] {
        for json in ["1", "{}", "[1]", "[null]", "[[\"a\"]]", "true", "\"\"", "[\"\"]"] {
            check_refused(post(&format!("{{\"{parameter}\": {json}}}")), parameter);
        }
        let long = "x".repeat(1025);
        check_refused(get(&[(parameter, &long)]), parameter);
        let many = (0..10_001).map(|n| n.to_string()).collect::<Vec<_>>();
        check_refused(get(&[(parameter, &many.join(","))]), parameter);
        assert!(get(&[(parameter, &many[1..].join(","))]).is_ok());
    }
}

#[test]
fn bboxes_of_four_and_six_numbers() {
    let of = |west, south, east, north, elevation| Bbox { west, south, east, north, elevation };
    for (text, expected) in [
        ("1,2,3,4", of(1.0, 2.0, 3.0, 4.0, None)),
        ("-10.5, 2 ,3e0,+4", of(-10.5, 2.0, 3.0, 4.0, None)),
        ("170,-10,-170,10", of(170.0, -10.0, -170.0, 10.0, None)),
        ("5,5,5,5", of(5.0, 5.0, 5.0, 5.0, None)),
        ("5,1,5,9", of(5.0, 1.0, 5.0, 9.0, None)),
        ("1,2,-100,3,4,200.5", of(1.0, 2.0, 3.0, 4.0, Some((-100.0, 200.5)))),
    ] {
        assert_eq!(get(&[("bbox", text)]).unwrap().bbox, Some(expected), "{text}");
    }
    assert_eq!(post(r#"{"bbox": [170, -10, -170, 10]}"#).unwrap().bbox, Some(of(170.0, -10.0, -170.0, 10.0, None)));
    assert_eq!(post(r#"{"bbox": [1,2,0,3,4,0]}"#).unwrap().bbox, Some(of(1.0, 2.0, 3.0, 4.0, Some((0.0, 0.0)))));
    assert_eq!(post(r#"{"bbox": null}"#).unwrap().bbox, None);
    for text in [
        "",
        "[1,2,3,4]",
        "1,2,3",
        "1,2,3,4,5",
        "1,2,3,4,5,6,7",
        "1,4,3,2",
        "1,2,9,3,4,5",
        "NaN,1,2,3",
        "1,2,inf,4",
        "1,2,1e999,4",
        "a,b,c,d",
        "1,2,3,",
    ] {
        check_refused(get(&[("bbox", text)]), "bbox");
    }
    for json in [
        "\"1,2,3,4\"",
        "[]",
        "[1,2,3]",
        "[1,2,3,4,5]",
        "[1,4,3,2]",
        "[1,2,3,\"4\"]",
        "[[1,2,3,4]]",
        "{}",
        "[1,2,3,4,5,6,7]",
        "[1,2,null,4]",
    ] {
        check_refused(post(&format!("{{\"bbox\": {json}}}")), "bbox");
    }
}

const GEOMETRIES: [&str; 8] = [
    r#"{"type":"Point","coordinates":[10.0,50.5]}"#,
    r#"{"type":"MultiPoint","coordinates":[[10.0,50.5],[11.0,51.0]]}"#,
    r#"{"type":"LineString","coordinates":[[10.0,50.0],[11.0,51.0]]}"#,
    r#"{"type":"MultiLineString","coordinates":[[[10.0,50.0],[11.0,51.0]],[[0.0,0.0],[1.0,1.0]]]}"#,
    r#"{"type":"Polygon","coordinates":[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,0.0]]]}"#,
    r#"{"type":"Polygon","coordinates":[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,4.0],[0.0,0.0]],[[1.0,1.0],[2.0,1.0],[2.0,2.0],[1.0,1.0]]]}"#,
    r#"{"type":"MultiPolygon","coordinates":[[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,0.0]]],[[[8.0,8.0],[9.0,8.0],[9.0,9.0],[8.0,8.0]]]]}"#,
    r#"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[10.0,50.5]},{"type":"LineString","coordinates":[[10.0,50.0],[11.0,51.0]]}]}"#,
];

#[test]
fn every_geometry_type_is_read_and_written() {
    for text in GEOMETRIES {
        let by_get = get(&[("intersects", text)]).unwrap_or_else(|invalid| panic!("{invalid}"));
        let by_post = post(&format!("{{\"intersects\": {text}}}")).unwrap();
        assert_eq!(by_get.intersects.as_ref().unwrap().geojson, text);
        assert_eq!(by_get.digests(), by_post.digests());
    }
    let raised = post(r#"{"intersects": {"coordinates":[10, 50.50, 12], "bbox": [], "type":"Point"}}"#).unwrap();
    assert_eq!(raised.intersects.as_ref().unwrap().geojson, GEOMETRIES[0], "elevation and further members are dropped");
    assert_eq!(raised.digests(), get(&[("intersects", GEOMETRIES[0])]).unwrap().digests());
}

#[test]
fn wrong_geometries_are_refused() {
    let point = r#"{"type":"Point","coordinates":[1,2]}"#;
    let nested = |deep: usize| {
        (0..deep)
            .fold(point.to_owned(), |inner, _| format!("{{\"type\":\"GeometryCollection\",\"geometries\":[{inner}]}}"))
    };
    assert!(get(&[("intersects", &nested(4))]).is_ok());
    let ring = |positions: usize| {
        let mut ring = vec!["[0,0]".to_owned(); positions - 1];
        ring.insert(1, "[1,1]".to_owned());
        format!("{{\"type\":\"Polygon\",\"coordinates\":[[{}]]}}", ring.join(","))
    };
    assert!(get(&[("intersects", &ring(20_000))]).is_ok());
    let points =
        |count: usize| format!("{{\"type\":\"MultiPoint\",\"coordinates\":[{}]}}", vec!["[1,2]"; count].join(","));
    assert!(get(&[("intersects", &points(500))]).is_ok());
    let wrong = [
        nested(5),
        ring(20_001),
        points(501),
        format!("{{\"type\":\"Feature\",\"geometry\":{point},\"properties\":{{}}}}"),
        "{\"type\":\"FeatureCollection\",\"features\":[]}".to_owned(),
    ];
    let malformed = [
        "7",
        "[]",
        "{}",
        r#"{"type":"Circle","coordinates":[1,2]}"#,
        r#"{"type":"Point"}"#,
        r#"{"type":"Point","coordinates":[1]}"#,
        r#"{"type":"Point","coordinates":[1,2,3,4,5]}"#,
        r#"{"type":"Point","coordinates":[1,"2"]}"#,
        r#"{"type":"Point","coordinates":[[1,2]]}"#,
        r#"{"type":"Point","coordinates":[1,null]}"#,
        r#"{"type":"LineString","coordinates":[[1,2]]}"#,
        r#"{"type":"LineString","coordinates":[]}"#,
        r#"{"type":"Polygon","coordinates":[]}"#,
        r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#,
        r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}"#,
        r#"{"type":"Polygon","coordinates":[[0,0],[1,0],[1,1],[0,0]]}"#,
        r#"{"type":"MultiPolygon","coordinates":[]}"#,
        r#"{"type":"GeometryCollection","geometries":[]}"#,
        r#"{"type":"GeometryCollection"}"#,
        r#"{"type":["Point"],"coordinates":[1,2]}"#,
    ];
    for text in wrong.iter().map(String::as_str).chain(malformed) {
        check_refused(get(&[("intersects", text)]), "intersects");
        check_refused(post(&format!("{{\"intersects\": {text}}}")), "intersects");
    }
    for text in
        ["", "POINT(1 2)", "{\"type\":\"Point\",\"coordinates\":[1,2]", r#"{"type":"Point","coordinates":[1,1e999]}"#]
    {
        check_refused(get(&[("intersects", text)]), "intersects");
    }
    check_refused(post(&format!("{{\"intersects\": \"{}\"}}", point.replace('"', "\\\""))), "intersects");
    check_refused(get(&[("bbox", "1,2,3,4"), ("intersects", point)]), "intersects");
    check_refused(post(&format!("{{\"intersects\": {point}, \"bbox\": [1,2,3,4]}}")), "intersects");
    assert!(post(&format!("{{\"intersects\": {point}, \"bbox\": null}}")).is_ok());
}

#[test]
fn a_geometry_cut_at_the_antimeridian_has_the_short_box() {
    let cut = r#"{"type":"MultiPolygon","coordinates":[[[[170,-5],[180,-5],[180,5],[170,-5]]],[[[-180,-5],[-170,-5],[-180,5],[-180,-5]]]]}"#;
    let bbox = get(&[("intersects", cut)]).unwrap().intersects.unwrap().bbox;
    assert_eq!((bbox.west, bbox.south, bbox.east, bbox.north), (170.0, -5.0, -170.0, 5.0));
    let jump = r#"{"type":"LineString","coordinates":[[179,1],[-179,2]]}"#;
    let bbox = get(&[("intersects", jump)]).unwrap().intersects.unwrap().bbox;
    assert_eq!((bbox.west, bbox.east), (-180.0, 180.0), "may lead either way round");
    let far = r#"{"type":"MultiPoint","coordinates":[[140,35],[10,50]]}"#;
    let bbox = get(&[("intersects", far)]).unwrap().intersects.unwrap().bbox;
    assert_eq!((bbox.west, bbox.east), (10.0, 140.0));
}

#[test]
fn sortby_in_both_forms() {
    let key = |field: &str, descending| SortBy { field: field.to_owned(), descending, ..SortBy::default() };
    for (text, expected) in [
        ("-datetime", vec![key("datetime", true)]),
        ("-properties.datetime,+id", vec![key("datetime", true), key("id", false)]),
        (" datetime,-id,collection", vec![key("datetime", false), key("id", true), key("collection", false)]),
        ("", vec![]),
        ("-cloud", vec![key("cloud", true)]),
        ("properties.eo:cloud_cover", vec![SortBy { kind: KeyKind::Number, ..key("eo:cloud_cover", false) }]),
    ] {
        assert_eq!(get(&[("sortby", text)]).unwrap().sortby, expected, "{text}");
    }
    let by_post = post(
        r#"{"sortby": [{"field": "properties.datetime", "direction": "DESC"}, {"field": "id", "direction": null}, {"field": "collection"}]}"#,
    );
    assert_eq!(by_post.unwrap().sortby, vec![key("datetime", true), key("id", false), key("collection", false)]);
    for text in [
        "geometry",
        "properties.bbox",
        "--datetime",
        "properties.id",
        "datetime desc",
        "-",
        "id,id",
        "datetime,properties.datetime",
    ] {
        check_refused(get(&[("sortby", text)]), "sortby");
    }
    for json in [
        "\"datetime\"",
        "{\"field\":\"id\"}",
        "[\"-datetime\"]",
        "[{}]",
        "[{\"field\":1}]",
        "[{\"field\":\"id\",\"direction\":\"up\"}]",
        "[{\"field\":\"id\",\"direction\":1}]",
        "[{\"field\":\"assets\"}]",
        "[{\"field\":\"id\"},{\"field\":\"id\",\"direction\":\"desc\"}]",
        "[null]",
    ] {
        check_refused(post(&format!("{{\"sortby\": {json}}}")), "sortby");
    }
    let invalid = get(&[("sortby", "geometry")]).unwrap_err();
    let named = ["datetime", "id", "collection", "eo:cloud_cover", "/sortables"];
    assert!(named.iter().all(|name| invalid.accepted.contains(name)), "{invalid}");
}

#[test]
fn fields_in_both_forms() {
    let fields = |include: Option<&[&str]>, exclude: Option<&[&str]>| {
        Some(Fields { include: include.map(names), exclude: exclude.map(names) })
    };
    for (text, expected) in [
        ("", fields(None, None)),
        ("id,+properties.x, assets", fields(Some(&["id", "properties.x", "assets"]), None)),
        ("-geometry", fields(None, Some(&["geometry"]))),
        ("-properties,+properties.x,-properties", fields(Some(&["properties.x"]), Some(&["properties"]))),
    ] {
        assert_eq!(get(&[("fields", text)]).unwrap().fields, expected, "{text}");
    }
    for (json, expected) in [
        ("{}", fields(None, None)),
        (r#"{"include": null, "exclude": null}"#, fields(Some(&[]), Some(&[]))),
        (r#"{"include": [], "exclude": ["a"]}"#, fields(Some(&[]), Some(&["a"]))),
    ] {
        assert_eq!(post(&format!("{{\"fields\": {json}}}")).unwrap().fields, expected, "{json}");
    }
    for json in
        ["null", "\"id\"", "[\"id\"]", "7", r#"{"include": "id"}"#, r#"{"exclude": [1]}"#, r#"{"include": [""]}"#]
    {
        check_refused(post(&format!("{{\"fields\": {json}}}")), "fields");
    }
    let many = (0..101).map(|n| format!("f{n}")).collect::<Vec<_>>().join(",");
    check_refused(get(&[("fields", &many)]), "fields");
}

#[test]
fn free_text_is_sent_to_the_collections() {
    check_refused(get(&[("q", "water")]), "q");
    check_refused(post(r#"{"q": ["water"]}"#), "q");
    assert!(post(r#"{"q": null}"#).is_ok());
    assert!(get(&[("q", "x")]).unwrap_err().to_string().contains("`/collections?q=`"));
}

#[test]
fn unknown_parameters_are_ignored_and_named_within_bounds() {
    let request = get(&[("limit", "2"), ("page", "1"), ("page", "2"), ("Bbox", "x")]).unwrap();
    assert_eq!(request.ignored, names(&["page", "Bbox"]));
    assert_eq!(post(r#"{"merge": false, "conf": {"a": [1]}}"#).unwrap().ignored, names(&["merge", "conf"]));
    let many: Vec<(String, String)> = (0..50).map(|n| (format!("{n}{}", "x".repeat(100)), String::new())).collect();
    let request = SearchRequest::from_query(&many, &limits()).unwrap();
    assert_eq!(request.ignored.len(), 20);
    assert!(request.ignored.iter().all(|name| name.len() == 64));
}

#[test]
fn a_parameter_is_given_once() {
    check_refused(get(&[("limit", "1"), ("limit", "2")]), "limit");
    check_refused(get(&[("collections", "a"), ("collections", "b")]), "collections");
    check_refused(post(r#"{"limit": 1, "limit": 1}"#), "limit");
}

#[test]
fn bodies_that_are_no_search_are_refused() {
    let deep = |levels: usize| format!("{{\"x\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(post(&deep(63)).is_ok());
    let many = (0..201).map(|n| format!("\"{n}\": 1")).collect::<Vec<_>>().join(",");
    for body in [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{}}",
        "{} {}",
        "{\"a\" 1}",
        &deep(64),
        &deep(100_000),
        &format!("{{{many}}}"),
    ] {
        check_refused(post(body), "body");
    }
    check_refused(SearchRequest::from_body(b"{\"x\": \"\xff\"}", &limits()), "body");
    // Brackets in a text are no nesting.
    assert!(post(&format!("{{\"x\": \"\\\"{}\"}}", "[".repeat(1000))).is_ok());
}

#[test]
fn tokens_are_bounded() {
    assert_eq!(get(&[("token", "abc")]).unwrap().token.as_deref(), Some("abc"));
    assert_eq!(post(r#"{"token": "abc"}"#).unwrap().token.as_deref(), Some("abc"));
    check_refused(get(&[("token", &"x".repeat(16_001))]), "token");
    check_refused(post(r#"{"token": 7}"#), "token");
}

#[test]
fn preferences() {
    let prefer = |values: &[&str]| {
        let mut request = SearchRequest::default();
        let applied = request.prefer(values.iter().copied());
        (request.handling, request.wait_s, applied)
    };
    let applied = |text: &str| Some(text.to_owned());
    assert_eq!(prefer(&["handling=strict"]), (Handling::Strict, None, applied("handling=strict")));
    assert_eq!(
        prefer(&["respond-async, Handling=\"Lenient\"; x=1", "wait = 5"]),
        (Handling::Lenient, Some(5), applied("handling=lenient, wait=5"))
    );
    assert_eq!(
        prefer(&["wait=3, handling=strict, wait=9, handling=lenient"]),
        (Handling::Strict, Some(3), applied("handling=strict, wait=3"))
    );
    for ignored in ["", "handling", "handling=maybe", "wait=0", "wait=-1", "wait=x", "wait=99999999999", ",;=,="] {
        assert_eq!(prefer(&[ignored]), (Handling::Lenient, None, None), "{ignored}");
    }
}

#[test]
fn digests_are_equal_for_equal_searches() {
    let pairs = [
        ("collections", "b,a"),
        ("ids", "2,1,2"),
        ("bbox", "1,-0,3,4"),
        ("datetime", "2024-05-01T02:00:00+02:00/.."),
        ("sortby", "-properties.datetime,id"),
        ("fields", "b,-c,a"),
        ("limit", "7"),
        ("token", "x"),
        ("other", "y"),
    ];
    let by_get = get(&pairs).unwrap();
    let by_post = post(
        r#"{"collections": ["a", "b"], "ids": ["1", "2"], "bbox": [1.0, 0, 3, 4.0], "datetime": "2024-05-01T00:00:00.000Z/",
            "sortby": [{"field": "datetime", "direction": "desc"}, {"field": "id"}], "fields": {"include": ["a", "b"], "exclude": ["c"]}}"#,
    )
    .unwrap();
    assert_eq!(by_get.digests(), by_post.digests());
    let absent: Vec<&str> =
        by_get.digests().iter().zip(DIGEST_NAMES).filter(|(sum, _)| **sum == 0).map(|(_, name)| name).collect();
    assert_eq!(absent, ["intersects", "filter", "filter-lang", "filter-crs", "query", "q"]);
    let empty = |text| get(&[("fields", text)]).unwrap().digests();
    assert_eq!(empty(""), post(r#"{"fields": {"include": [], "exclude": null}}"#).unwrap().digests());
    // Pinned: a cursor made by one release is opened by the next.
    assert_eq!(get(&[("collections", "a")]).unwrap().digests()[0], PINNED_COLLECTIONS_A);
}

const PINNED_COLLECTIONS_A: u32 = 2_333_726_643;

#[test]
fn every_changed_parameter_changes_its_own_digest_only() {
    let base = [
        ("collections", "a"),
        ("ids", "1"),
        ("bbox", "1,2,3,4"),
        ("datetime", "2024-05-01T00:00:00Z"),
        ("sortby", "datetime"),
        ("fields", "a"),
    ];
    let changes = [
        ("collections", "b"),
        ("ids", ""),
        ("bbox", "1,2,0,3,4,0"),
        ("datetime", "../2024-05-01T00:00:00Z"),
        ("sortby", "-datetime"),
        ("fields", "-a"),
    ];
    let before = get(&base).unwrap().digests();
    for (name, value) in changes {
        let pairs: Vec<(&str, &str)> =
            base.iter().map(|pair| if pair.0 == name { (name, value) } else { *pair }).collect();
        let after = get(&pairs).unwrap().digests();
        let changed: Vec<&str> =
            (0..12).filter(|place| before[*place] != after[*place]).map(|place| DIGEST_NAMES[place]).collect();
        assert_eq!(changed, [name]);
    }
    let points = GEOMETRIES.map(|text| get(&[("intersects", text)]).unwrap().digests()[3]);
    assert!((0..8).all(|a| (0..a).all(|b| points[a] != points[b])));
    // Parts do not run into one another.
    assert_ne!(get(&[("ids", "ab,c")]).unwrap().digests()[1], get(&[("ids", "a,bc")]).unwrap().digests()[1]);
}

#[test]
fn messages_are_short_and_escaped() {
    let invalid = get(&[("datetime", &format!("a\n\u{1b}[31m{}", "ü".repeat(5000)))]).unwrap_err();
    assert!(invalid.given.chars().count() < 120 && !invalid.given.contains(['\n', '\u{1b}']), "{}", invalid.given);
}

/// A small generator (splitmix64), so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Replaces, removes, doubles or swaps some bytes.
fn mutated(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.below(5) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = *random.pick(b"\"{}[],:/.+-0129TZe \\n\x00\xff"),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *random.pick(b"\"{}[],:/.+-09TZe \\\xc3")),
            3 => bytes.truncate(at),
            _ => {
                let other = random.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}

#[test]
fn ten_thousand_mutated_requests_never_panic() {
    let seed = 20_240_501;
    let mut random = Random(seed);
    let names =
        ["limit", "ids", "collections", "bbox", "intersects", "datetime", "sortby", "fields", "token", "q", "x"];
    let values = [
        "10",
        "a,b",
        "1,2,3,4",
        "170,-10,5,-170,10,6",
        "2024-05-01T00:00:00.5+02:00/..",
        "-datetime,+id",
        "-a,+b.c",
        GEOMETRIES[5],
        GEOMETRIES[7],
        "",
    ];
    let bodies = [
        r#"{"limit": 10, "ids": ["a"], "collections": "b", "datetime": "2024-05-01T00:00:00Z/..", "bbox": [1,2,3,4]}"#,
        r#"{"sortby": [{"field": "datetime", "direction": "desc"}], "fields": {"include": ["a.b"], "exclude": null}}"#,
        r#"{"intersects": {"type":"Polygon","coordinates":[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,0.0]]]}, "token": "x"}"#,
        r#"{"intersects": {"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[10.0,50.5]}]}}"#,
    ];
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let pairs: Vec<(String, String)> = (0..random.below(4))
            .map(|_| {
                let value_text = *random.pick(&values);
                let value = mutated(&mut random, value_text);
                ((*random.pick(&names)).to_owned(), String::from_utf8_lossy(&value).into_owned())
            })
            .collect();
        let body_text = *random.pick(&bodies);
        let body = mutated(&mut random, body_text);
        let item = br#"{"id":"a","properties":{"datetime":null,"b":{"c":1}},"links":[]}"#;
        for result in [SearchRequest::from_query(&pairs, &limits()), SearchRequest::from_body(&body, &limits())] {
            match result {
                Ok(request) => {
                    accepted += 1;
                    assert!((1..=1000).contains(&request.limit), "seed {seed}");
                    assert_eq!(request.digests(), request.digests());
                    request.fields.unwrap_or_default().apply(item, &mut Vec::new());
                }
                Err(invalid) => {
                    refused += 1;
                    assert!(invalid.to_string().len() < 1000, "seed {seed}: {invalid}");
                }
            }
        }
    }
    assert!(accepted > 2000 && refused > 2000, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_misspelt_member_of_fields_is_refused_by_name() {
    let told = |body: &str| SearchRequest::from_body(body.as_bytes(), &Limits::default()).unwrap_err().to_string();
    for body in [r#"{"fields":{"foo":1}}"#, r#"{"fields":{"include":["id"],"foo":[]}}"#] {
        assert!(told(body).starts_with("`fields` is an object with `foo`; accepted: an object"), "{}", told(body));
    }
}
