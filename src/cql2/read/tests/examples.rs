//! One table by conformance class: text, the same in JSON, and the classes that a server needs for it. The forms are
//! those of the standard's examples and of its abstract tests, over what STAC has.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::cql2::{Class, Expr};

/// Classes of the standard that have no line in the table, with the reason.
const NOT_COVERED: &[(&str, &str)] = &[("functions", "no functions are offered; each is refused by its name")];

/// All classes about what can be said (OGC 21-065r2 clause 2); `cql2-text` and `cql2-json` are the two columns.
const STANDARD: &[&str] = &[
    "basic-cql2",
    "advanced-comparison-operators",
    "case-insensitive-comparison",
    "accent-insensitive-comparison",
    "basic-spatial-functions",
    "basic-spatial-functions-plus",
    "spatial-functions",
    "temporal-functions",
    "array-functions",
    "property-property",
    "functions",
    "arithmetic",
];

fn p(name: &str) -> Json {
    json!({"property": name})
}

fn op(name: &str, args: &[Json]) -> Json {
    json!({"op": name, "args": args})
}

fn not(arg: Json) -> Json {
    op("not", &[arg])
}

fn intersects(geometry: Json) -> Json {
    op("s_intersects", &[p("geometry"), geometry])
}

fn table() -> Vec<(&'static str, Json, &'static [&'static str])> {
    const BASIC: &[&str] = &["basic-cql2"];
    const ADVANCED: &[&str] = &["basic-cql2", "advanced-comparison-operators"];
    const CASEI: &[&str] = &["basic-cql2", "case-insensitive-comparison"];
    const ACCENTI: &[&str] = &["basic-cql2", "accent-insensitive-comparison"];
    const SPATIAL: &[&str] = &["basic-cql2", "spatial-functions"];
    const POINT: &[&str] = &["basic-cql2", "basic-spatial-functions"];
    const PLUS: &[&str] = &["basic-cql2", "basic-spatial-functions-plus"];
    const TEMPORAL: &[&str] = &["basic-cql2", "temporal-functions"];
    const ARRAY: &[&str] = &["basic-cql2", "array-functions"];
    const ARITHMETIC: &[&str] = &["basic-cql2", "arithmetic"];
    const PAIR: &[&str] = &["basic-cql2", "property-property"];
    let square = json!([[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], [[1, 1], [2, 1], [2, 2], [1, 1]]]);
    let july = json!({"interval": ["2023-07-01T00:00:00Z", "2023-07-31T23:59:59.500Z"]});
    vec![
        // basic-cql2
        ("platform = 'sentinel-2a'", op("=", &[p("platform"), json!("sentinel-2a")]), BASIC),
        ("gsd=10", op("=", &[p("gsd"), json!(10)]), BASIC),
        ("gsd <> 10", op("<>", &[p("gsd"), json!(10)]), BASIC),
        ("gsd != 10", op("!=", &[p("gsd"), json!(10)]), BASIC),
        ("gsd < 10.5", op("<", &[p("gsd"), json!(10.5)]), BASIC),
        ("gsd <= +1e1", op("<=", &[p("gsd"), json!(10)]), BASIC),
        ("gsd > -.5", op(">", &[p("gsd"), json!(-0.5)]), BASIC),
        ("gsd >= 1.E-2", op(">=", &[p("gsd"), json!(0.01)]), BASIC),
        ("\"gsd\" >= 10", op("gte", &[p("gsd"), json!(10)]), BASIC),
        ("10 <= gsd", op(">=", &[p("gsd"), json!(10)]), BASIC),
        ("properties.eo:cloud_cover<0.1", op("<", &[p("eo:cloud_cover"), json!(0.1)]), BASIC),
        ("eo:cloud_cover < 0.1", op("lt", &[p("properties.eo:cloud_cover"), json!(0.1)]), BASIC),
        ("\"noaa-mrms-qpe:pass\" = 2", op("=", &[p("noaa-mrms-qpe:pass"), json!(2)]), BASIC),
        ("ø:größe = 2", op("=", &[p("ø:größe"), json!(2)]), BASIC),
        ("title = 'Via dell''Avvento'", op("=", &[p("title"), json!("Via dell'Avvento")]), BASIC),
        (r"title = 'Via dell\'Avvento'", op("=", &[p("title"), json!("Via dell'Avvento")]), BASIC),
        (r"title = 'a\a\b\t\n\v\f\r\\z'", op("=", &[p("title"), json!("a\u{7}\u{8}\t\n\u{b}\u{c}\r\\z")]), BASIC),
        ("title = ''", op("=", &[p("title"), json!("")]), BASIC),
        ("title = '''; DROP TABLE items'", op("=", &[p("title"), json!("'; DROP TABLE items")]), BASIC),
        ("deprecated = true", op("=", &[p("deprecated"), json!(true)]), BASIC),
        ("deprecated", op("=", &[p("deprecated"), json!(true)]), BASIC),
        ("NOT deprecated", not(p("deprecated")), BASIC),
        ("updated >= DATE('1970-01-01')", op(">=", &[p("updated"), json!({"date": "1970-01-01"})]), BASIC),
        ("updated >= '1970-01-01'", op(">=", &[p("updated"), json!("1970-01-01")]), BASIC),
        (
            "datetime >= TIMESTAMP('2021-04-08T04:39:23Z')",
            op(">=", &[p("datetime"), json!("2021-04-08T06:39:23+02:00")]),
            BASIC,
        ),
        ("geometry IS NULL", op("isNull", &[p("geometry")]), BASIC),
        ("geometry is not null", not(json!({"op": "isnull", "args": p("geometry")})), BASIC),
        ("TRUE", json!(true), BASIC),
        ("false", json!(false), BASIC),
        ("(((gsd = 10)))", op("=", &[p("gsd"), json!(10)]), BASIC),
        (
            "a = 1 AND b = 2 OR NOT c = 3 AND d = 4",
            op(
                "or",
                &[
                    op("and", &[op("=", &[p("a"), json!(1)]), op("=", &[p("b"), json!(2)])]),
                    op("AND", &[not(op("=", &[p("c"), json!(3)])), op("=", &[p("d"), json!(4)])]),
                ],
            ),
            BASIC,
        ),
        (
            "a = 1 AND (b = 2 OR c = 3)",
            op(
                "and",
                &[
                    op("=", &[p("a"), json!(1)]),
                    op("or", &[op("=", &[p("b"), json!(2)]), op("=", &[p("c"), json!(3)])]),
                ],
            ),
            BASIC,
        ),
        (
            "\n id='x'\tAnD\u{a0}collection = 'y' ",
            op("and", &[op("=", &[p("id"), json!("x")]), op("=", &[p("collection"), json!("y")])]),
            BASIC,
        ),
        // advanced-comparison-operators
        ("instrument LIKE 'OLI%'", op("like", &[p("instrument"), json!("OLI%")]), ADVANCED),
        ("instrument not like '_\\%'", not(op("like", &[p("instrument"), json!("_\\%")])), ADVANCED),
        ("gsd BETWEEN 100.0 AND 150", op("between", &[p("gsd"), json!(100), json!(150)]), ADVANCED),
        (
            "gsd BETWEEN 1 AND 2 AND a = 1",
            op("and", &[op("between", &[p("gsd"), json!([1, 2])]), op("=", &[p("a"), json!(1)])]),
            ADVANCED,
        ),
        ("gsd NOT BETWEEN 1 AND 2", not(op("between", &[p("gsd"), json!(1), json!(2)])), ADVANCED),
        ("city IN ('Bonn','Kiel')", op("in", &[p("city"), json!(["Bonn", "Kiel"])]), ADVANCED),
        ("grade NOT IN (1,2, 3)", not(op("in", &[p("grade"), json!([1, 2, 3])])), ADVANCED),
        (
            "datetime IN ('2020-01-01T00:00:00Z', DATE('2020-02-01'))",
            op("in", &[p("datetime"), json!([{"timestamp": "2020-01-01T00:00:00Z"}, "2020-02-01"])]),
            ADVANCED,
        ),
        ("grade IN ()", op("in", &[p("grade"), json!([])]), BASIC),
        (
            "datetime BETWEEN TIMESTAMP('2020-01-01T00:00:00Z') AND '2020-02-01T00:00:00Z'",
            op(
                "between",
                &[p("datetime"), json!("2020-01-01T00:00:00Z"), json!({"timestamp": "2020-02-01T00:00:00Z"})],
            ),
            BASIC,
        ),
        // case-insensitive-comparison
        (
            "CASEI(mission) = casei('COPERNICUS')",
            op("=", &[op("casei", &[p("mission")]), op("CASEI", &[json!("COPERNICUS")])]),
            CASEI,
        ),
        ("casei(mission) <> 'x'", op("<>", &[json!({"casei": p("mission")}), json!("x")]), CASEI),
        (
            "CASEI(road) IN (CASEI('Οδος'), CASEI('Straße'))",
            op(
                "in",
                &[op("casei", &[p("road")]), json!([op("casei", &[json!("Οδος")]), op("casei", &[json!("Straße")])])],
            ),
            &["basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison"],
        ),
        (
            "name LIKE CASEI('FOO%')",
            op("like", &[p("name"), op("casei", &[json!("FOO%")])]),
            &["basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison"],
        ),
        // accent-insensitive-comparison
        (
            "ACCENTI(etat) = ACCENTI('débárquér')",
            op("=", &[op("accenti", &[p("etat")]), op("accenti", &[json!("débárquér")])]),
            ACCENTI,
        ),
        (
            "ACCENTI(CASEI(etat)) = accenti(casei('ÄÉ'))",
            op("=", &[op("accenti", &[op("casei", &[p("etat")])]), op("accenti", &[op("casei", &[json!("ÄÉ")])])]),
            &["basic-cql2", "case-insensitive-comparison", "accent-insensitive-comparison"],
        ),
        // basic-spatial-functions
        (
            "S_INTERSECTS(geometry,POINT(36.319836 32.288087))",
            intersects(json!({"type": "Point", "coordinates": [36.319_836, 32.288_087]})),
            POINT,
        ),
        (
            "s_intersects(geometry, point z (90 180 5))",
            intersects(json!({"type": "Point", "coordinates": [90, 180, -7.5]})),
            POINT,
        ),
        (
            "S_INTERSECTS(geometry, BBOX(160.6,-55.95,-170,-25.89))",
            intersects(json!({"bbox": [160.6, -55.95, -170, -25.89]})),
            POINT,
        ),
        (
            "S_INTERSECTS(POINT(1 2), geometry)",
            op("S_INTERSECTS", &[json!({"type": "Point", "coordinates": [1, 2]}), p("geometry")]),
            POINT,
        ),
        // basic-spatial-functions-plus
        (
            "S_INTERSECTS(geometry, POLYGON((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 1)))",
            intersects(json!({"type": "Polygon", "coordinates": square})),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, LINESTRING(-180 -45, 0 -45))",
            intersects(json!({"type": "LineString", "coordinates": [[-180, -45], [0, -45]]})),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, MULTIPOINT(7.02 49.92, 90 80))",
            intersects(json!({"type": "MultiPoint", "coordinates": [[7.02, 49.92], [90, 80]]})),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, MULTIPOINT((7.02 49.92), (90 80)))",
            intersects(json!({"type": "MultiPoint", "coordinates": [[7.02, 49.92], [90, 80]]})),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, MULTILINESTRING((-180 -45, 0 -45), (0 45, 180 45)))",
            intersects(
                json!({"type": "MultiLineString", "coordinates": [[[-180, -45], [0, -45]], [[0, 45], [180, 45]]]}),
            ),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, MULTIPOLYGON(((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 1))))",
            intersects(json!({"type": "MultiPolygon", "coordinates": [square]})),
            PLUS,
        ),
        (
            "S_INTERSECTS(geometry, GEOMETRYCOLLECTION Z (POINT Z (7 49 1), LINESTRING(0 0, 1 1)))",
            intersects(
                json!({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [7, 49]}, {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}]}),
            ),
            PLUS,
        ),
        // spatial-functions
        (
            "S_DISJOINT(geometry, POINT(1 2))",
            op("s_disjoint", &[p("geometry"), json!({"type": "Point", "coordinates": [1, 2]})]),
            SPATIAL,
        ),
        (
            "S_EQUALS(POINT(1 2), geometry)",
            op("s_equals", &[p("geometry"), json!({"type": "Point", "coordinates": [1, 2]})]),
            SPATIAL,
        ),
        (
            "S_WITHIN(geometry, BBOX(-118,33.8,-117.9,34))",
            op("s_within", &[p("geometry"), json!({"bbox": [-118, 33.8, -117.9, 34]})]),
            SPATIAL,
        ),
        (
            "S_WITHIN(BBOX(-118,33.8,-10,-117.9,34,10), geometry)",
            op("s_contains", &[p("geometry"), json!({"bbox": [-118, 33.8, -10, -117.9, 34, 10]})]),
            SPATIAL,
        ),
        (
            "S_TOUCHES(geometry, LINESTRING(0 0, 1 1))",
            op("s_touches", &[p("geometry"), json!({"type": "LineString", "coordinates": [[0, 0], [1, 1]]})]),
            SPATIAL,
        ),
        (
            "S_OVERLAPS(geometry, BBOX(0,0,1,1))",
            op("s_overlaps", &[p("geometry"), json!({"bbox": [0, 0, 1, 1]})]),
            SPATIAL,
        ),
        (
            "S_CROSSES(geometry, BBOX(0,0,1,1))",
            op("s_crosses", &[p("geometry"), json!({"bbox": [0, 0, 1, 1]})]),
            SPATIAL,
        ),
        (
            "S_CONTAINS(geometry, BBOX(0,0,1,1))",
            op("s_contains", &[p("geometry"), json!({"bbox": [0, 0, 1, 1]})]),
            SPATIAL,
        ),
        // temporal-functions
        (
            "T_INTERSECTS(datetime, INTERVAL('2023-07-01T00:00:00Z', '2023-07-31T23:59:59.5Z'))",
            op("t_intersects", &[p("datetime"), july.clone()]),
            TEMPORAL,
        ),
        (
            "T_DURING(INTERVAL(start_datetime, end_datetime), INTERVAL('2023-07-01T00:00:00Z', '2023-07-31T23:59:59.500Z'))",
            op("t_during", &[json!({"interval": [p("start_datetime"), p("properties.end_datetime")]}), july.clone()]),
            TEMPORAL,
        ),
        (
            "T_CONTAINS(INTERVAL('2023-07-01T00:00:00Z', '2023-07-31T23:59:59.500Z'), datetime)",
            op("t_during", &[p("datetime"), july]),
            TEMPORAL,
        ),
        ("T_BEFORE(built, DATE('2015-01-01'))", op("t_before", &[p("built"), json!({"date": "2015-01-01"})]), TEMPORAL),
        ("T_BEFORE(DATE('2015-01-01'), built)", op("t_after", &[p("built"), json!("2015-01-01")]), TEMPORAL),
        (
            "T_AFTER(built, TIMESTAMP('2015-01-01T00:00:00Z'))",
            op("T_AFTER", &[p("built"), json!({"timestamp": "2015-01-01T00:00:00Z"})]),
            TEMPORAL,
        ),
        ("T_EQUALS(built, DATE('2015-01-01'))", op("t_equals", &[p("built"), json!({"date": "2015-01-01"})]), TEMPORAL),
        (
            "T_DISJOINT(built, INTERVAL('..', '2015-01-01'))",
            op("t_disjoint", &[p("built"), json!({"interval": ["..", "2015-01-01"]})]),
            TEMPORAL,
        ),
        (
            "T_MEETS(INTERVAL(a, b), INTERVAL('2015-01-01', '..'))",
            op("t_meets", &[json!({"interval": [p("a"), p("b")]}), json!({"interval": ["2015-01-01", ".."]})]),
            TEMPORAL,
        ),
        (
            "T_METBY(INTERVAL(a, '..'), DATE('2015-01-01'))",
            op("t_metBy", &[json!({"interval": [p("a"), ".."]}), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        ("T_STARTS(built, DATE('2015-01-01'))", op("t_starts", &[p("built"), json!({"date": "2015-01-01"})]), TEMPORAL),
        (
            "T_STARTEDBY(built, DATE('2015-01-01'))",
            op("t_startedby", &[p("built"), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        (
            "T_FINISHES(built, DATE('2015-01-01'))",
            op("t_finishes", &[p("built"), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        (
            "T_FINISHEDBY(built, DATE('2015-01-01'))",
            op("t_finishedBy", &[p("built"), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        (
            "T_OVERLAPS(built, DATE('2015-01-01'))",
            op("t_overlaps", &[p("built"), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        (
            "T_OVERLAPPEDBY(built, DATE('2015-01-01'))",
            op("t_overlappedBy", &[p("built"), json!({"date": "2015-01-01"})]),
            TEMPORAL,
        ),
        // array-functions
        (
            "A_CONTAINS(instruments, ('msi','olci'))",
            op("a_contains", &[p("instruments"), json!(["msi", "olci"])]),
            ARRAY,
        ),
        ("A_CONTAINS(instruments, ('msi'))", op("a_contains", &[p("instruments"), json!(["msi"])]), ARRAY),
        ("A_CONTAINEDBY(('msi'), instruments)", op("a_contains", &[p("instruments"), json!(["msi"])]), ARRAY),
        (
            "A_EQUALS(('a', TRUE, 1.0, 8), instruments)",
            op("a_equals", &[json!(["a", true, 1, 8]), p("instruments")]),
            ARRAY,
        ),
        (
            "A_OVERLAPS(instruments, (TIMESTAMP('2012-08-10T05:30:00Z'), DATE('2010-02-10'), FALSE))",
            op(
                "a_overlaps",
                &[p("instruments"), json!([{"timestamp": "2012-08-10T05:30:00Z"}, {"date": "2010-02-10"}, false])],
            ),
            ARRAY,
        ),
        ("A_CONTAINEDBY(instruments, ())", op("a_containedBy", &[p("instruments"), json!([])]), ARRAY),
        // property-property
        ("start_datetime <= end_datetime", op("<=", &[p("start_datetime"), p("end_datetime")]), PAIR),
        ("1 = 1", op("=", &[json!(1), json!(1)]), PAIR),
        (
            "S_INTERSECTS(geometry, footprint)",
            op("s_intersects", &[p("geometry"), p("footprint")]),
            &["basic-cql2", "basic-spatial-functions", "property-property"],
        ),
        (
            "a BETWEEN b AND 5",
            op("between", &[p("a"), p("b"), json!(5)]),
            &["basic-cql2", "advanced-comparison-operators", "property-property"],
        ),
        // arithmetic
        ("depth-150.5>0", op(">", &[op("-", &[p("depth"), json!(150.5)]), json!(0)]), ARITHMETIC),
        ("0 = (a % 2)", op("=", &[op("%", &[p("a"), json!(2)]), json!(0)]), ARITHMETIC),
        ("1 = (a div 2)", op("=", &[json!(1), op("DIV", &[p("a"), json!(2)])]), ARITHMETIC),
        (
            "a = - b * 2.0 + c / 6.5 - d ^ 2",
            op(
                "=",
                &[
                    p("a"),
                    op(
                        "-",
                        &[
                            op(
                                "+",
                                &[op("*", &[op("*", &[json!(-1), p("b")]), json!(2)]), op("/", &[p("c"), json!(6.5)])],
                            ),
                            op("^", &[p("d"), json!(2)]),
                        ],
                    ),
                ],
            ),
            &["basic-cql2", "arithmetic", "property-property"],
        ),
        (
            "height > (clearance - 1)",
            op(">", &[p("height"), op("-", &[p("clearance"), json!(1)])]),
            &["basic-cql2", "arithmetic", "property-property"],
        ),
        ("-a ^ 2 = 4", op("=", &[op("^", &[op("*", &[json!(-1), p("a")]), json!(2)]), json!(4)]), ARITHMETIC),
        ("8 - 4 - 2 < a", op(">", &[p("a"), op("-", &[op("-", &[json!(8), json!(4)]), json!(2)])]), ARITHMETIC),
    ]
}

#[test]
fn both_spellings_give_the_same_tree_and_need_the_same_classes() {
    for (text, json, classes) in table() {
        let read = Expr::from_text(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert_eq!(Expr::from_json(&json).unwrap_or_else(|wrong| panic!("{json}: {wrong}")), read, "{text}");
        assert_eq!(Expr::from_text(&read.to_text()).as_ref(), Ok(&read), "{text} → {}", read.to_text());
        assert_eq!(Expr::from_json(&read.to_json()).as_ref(), Ok(&read), "{text} → {}", read.to_json());
        let needed: BTreeSet<&str> = read.classes().into_iter().map(Class::name).collect();
        assert_eq!(needed, classes.iter().copied().collect(), "{text}");
    }
}

#[test]
fn every_class_of_the_standard_has_examples_or_a_reason() {
    let table = table();
    let covered: BTreeSet<&str> = table.iter().flat_map(|(_, _, classes)| classes.iter().copied()).collect();
    for class in STANDARD {
        let excused = NOT_COVERED.iter().any(|(name, _)| name == class);
        assert_ne!(covered.contains(class), excused, "{class}");
    }
    assert_eq!(covered.len() + NOT_COVERED.len(), STANDARD.len());
    assert_eq!(Class::ALL.map(Class::name).into_iter().collect::<BTreeSet<_>>(), covered);
}

#[test]
fn a_box_is_what_it_covers() {
    let wkt = |bbox: &str| {
        let expr = Expr::from_text(&format!("S_INTERSECTS(geometry, BBOX({bbox}))")).unwrap();
        let Expr::Spatial { right: crate::cql2::Value::Geometry(shape), .. } = &expr else { panic!("{expr:?}") };
        shape.to_geojson().to_string()
    };
    let ring = |west: f64, east: f64| format!("[[{west},0],[{east},0],[{east},5],[{west},5],[{west},0]]");
    let polygon = |west, east| format!(r#"{{"type":"Polygon","coordinates":[{}]}}"#, ring(west, east));
    assert_eq!(wkt("1,0,2,5"), polygon(1.0, 2.0));
    assert_eq!(wkt("-180,0,180,5"), polygon(-180.0, 180.0));
    assert_eq!(wkt("0,0,360,5"), polygon(-180.0, 180.0));
    assert_eq!(wkt("200,0,210,5"), polygon(-160.0, -150.0));
    assert_eq!(wkt("180,0,-170,5"), polygon(-180.0, -170.0));
    assert_eq!(wkt("170,0,-180,5"), polygon(170.0, 180.0));
    let two =
        format!(r#"{{"type":"MultiPolygon","coordinates":[[{}],[{}]]}}"#, ring(170.0, 180.0), ring(-180.0, -170.0));
    assert_eq!(wkt("170,0,-170,5"), two);
    assert_eq!(wkt("170,0,190,5"), two);
    assert_eq!(wkt("1,2,1,2"), r#"{"type":"Point","coordinates":[1,2]}"#);
    assert_eq!(wkt("1,2,3,2"), r#"{"type":"LineString","coordinates":[[1,2],[3,2]]}"#);
    let lines = r#"{"type":"MultiLineString","coordinates":[[[170,2],[180,2]],[[-180,2],[-170,2]]]}"#;
    assert_eq!(wkt("170,2,-170,2"), lines);
}

#[test]
fn texts_beside_other_properties_stay_texts() {
    let expr = Expr::from_text("platform > '2020-01-01T00:00:00Z' AND my:datetime > 'soon'").unwrap();
    assert_eq!(expr.to_text(), "platform > '2020-01-01T00:00:00Z' AND my:datetime > 'soon'");
}
