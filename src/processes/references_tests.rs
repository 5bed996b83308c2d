use super::*;

use serde_json::json;

fn found(body: &Value) -> Vec<(Code, String, String)> {
    let names = BTreeSet::from(["product".to_owned()]);
    let one = |reference: Reference| {
        let place = &reference.places[0];
        let text = match &place.target {
            Target::Address(text) | Target::Store(text) | Target::Collection(text) => text.clone(),
        };
        (reference.code, place.pointer.clone(), text)
    };
    find(body, &names).unwrap().into_iter().map(one).collect()
}

fn check(body: &Value, expected: &[(Code, &str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(code, at, text)| (*code, (*at).to_owned(), (*text).to_owned())).collect();
    assert_eq!(found(body), expected);
    for (code, pointer, text) in found(body) {
        assert_eq!(body.pointer(&pointer).and_then(Value::as_str), Some(text.as_str()), "{code:?} {pointer}");
    }
}

#[test]
fn every_shape_is_found_where_it_stands() {
    check(
        &json!({ "inputs": {
            "image": { "href": "https://a.example/collections/c/items/i", "type": "image/tiff" },
            "stac_items": ["https://a.example/collections/c/items/y", "no address"],
            "store": "s3://bucket/a/b.zarr",
            "zarr": "archive/x.zarr",
            "data": { "collection": "sentinel-2-l2a", "bbox": [1, 2, 3, 4], "ids": ["a"], "filter": "eo:cloud_cover < 5" },
            "collection": "EODC|sentinel-1",
            "product": { "value": "landsat" },
            "collections": ["a", "b"],
            "name": "Ada",
            "a/b~c": "https://x.example/",
        } }),
        &[
            (Code::L, "/inputs/image/href", "https://a.example/collections/c/items/i"),
            (Code::U, "/inputs/stac_items/0", "https://a.example/collections/c/items/y"),
            (Code::S, "/inputs/store", "s3://bucket/a/b.zarr"),
            (Code::S, "/inputs/zarr", "archive/x.zarr"),
            (Code::C, "/inputs/data/collection", "sentinel-2-l2a"),
            (Code::I, "/inputs/collection", "EODC|sentinel-1"),
            (Code::I, "/inputs/product/value", "landsat"),
            (Code::I, "/inputs/collections/0", "a"),
            (Code::I, "/inputs/collections/1", "b"),
            (Code::U, "/inputs/a~1b~0c", "https://x.example/"),
        ],
    );
}

#[test]
fn other_forms_of_a_request_are_looked_at_too() {
    check(
        &json!({ "metadata": {}, "processInputs": { "dataset": "c", "url": "https://a.example/x" } }),
        &[(Code::I, "/processInputs/dataset", "c"), (Code::U, "/processInputs/url", "https://a.example/x")],
    );
    check(
        &json!({ "inputs": [{ "id": "collection", "data": "c" }, { "id": "files", "href": "https://a.example/f" }, { "id": "x", "url": "https://a.example/g" }] }),
        &[
            (Code::I, "/inputs/0/data", "c"),
            (Code::L, "/inputs/1/href", "https://a.example/f"),
            (Code::U, "/inputs/2/url", "https://a.example/g"),
        ],
    );
    check(&json!({ "collection": "c", "outputs": "s3://a/b" }), &[(Code::I, "/collection", "c")]);
    check(&json!(["s3://a/b"]), &[(Code::S, "/0", "s3://a/b")]);
}

#[test]
fn a_nested_process_is_a_reference_and_its_inputs_are_inputs() {
    check(
        &json!({ "process": "https://b.example/processes/EDITO:clip", "inputs": {
            "x": { "process": "https://b.example/processes/EODC:cut", "inputs": { "collection": "c" } },
        } }),
        &[
            (Code::P, "/process", "https://b.example/processes/EDITO:clip"),
            (Code::P, "/inputs/x/process", "https://b.example/processes/EODC:cut"),
            (Code::I, "/inputs/x/inputs/collection", "c"),
        ],
    );
}

#[test]
fn where_results_go_is_no_reference() {
    check(
        &json!({ "inputs": {}, "outputs": { "o": { "href": "https://a.example/o" } }, "subscriber": { "successUri": "https://c.example/done" } }),
        &[],
    );
}

#[test]
fn an_item_by_value_is_one_reference_with_its_places() {
    let item = json!({ "type": "Feature", "stac_version": "1.0.0", "id": "i", "collection": "c",
        "geometry": { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]] },
        "properties": { "datetime": "2020-01-01T00:00:00Z" },
        "links": [{ "rel": "root", "href": "https://a.example/" }, { "rel": "canonical", "href": "https://a.example/canonical" }, { "rel": "self", "href": "https://a.example/self" }],
        "assets": { "b1": { "href": "s3://bucket/b1.tif" }, "relative": { "href": "./x.tif" } } });
    let body = json!({ "inputs": { "image": { "value": { "type": "FeatureCollection", "features": [item, { "type": "Feature", "geometry": null, "properties": {} }] }, "mediaType": "application/geo+json" } } });
    let references = find(&body, &BTreeSet::new()).unwrap();
    assert_eq!(references.len(), 1);
    let at: Vec<&str> = references[0].places.iter().map(|place| place.pointer.as_str()).collect();
    let item = "/inputs/image/value/features/0";
    let expected =
        ["/links/2/href", "/links/1/href", "/collection", "/assets/b1/href"].map(|rest| format!("{item}{rest}"));
    assert_eq!(at, expected);
    assert_eq!(references[0].filter.time.unwrap().to_param(), "2020-01-01T00:00:00Z");
    assert_eq!(references[0].filter.ids, ["i"]);
}

#[test]
fn a_filter_beside_a_reference_belongs_to_it() {
    let time = |body: Value| {
        let found = find(&body, &BTreeSet::new()).unwrap();
        found.first().and_then(|one| one.filter.time).map(|time| time.to_param())
    };
    let year = "2016-01-01T00:00:00Z/2016-12-31T23:59:59.999Z";
    for given in [
        json!("2016-01-01/2016-12-31"),
        json!(["2016-01-01", "2016-12-31"]),
        json!({ "value": "2016-01-01T00:00:00Z/2016-12-31T23:59:59.999Z" }),
        json!({ "interval": [["2016-01-01", "2016-12-31"]] }),
    ] {
        assert_eq!(time(json!({ "inputs": { "collection": "c", "datetime": given } })).unwrap(), year, "{given}");
    }
    assert_eq!(
        time(json!({ "inputs": { "data": { "collection": "c" }, "time": "2016-01-01/.." } })).unwrap(),
        "2016-01-01T00:00:00Z/.."
    );
    let own = json!({ "inputs": { "data": { "collection": "c", "datetime": "2020-01-01T00:00:00Z" }, "datetime": "2016-01-01/2016-12-31" } });
    assert_eq!(time(own).unwrap(), "2020-01-01T00:00:00Z");
    for nonsense in
        [json!("soon"), json!(5), json!("2016"), json!("2017-01-01/2016-01-01"), json!("../.."), json!([null, null])]
    {
        assert_eq!(time(json!({ "inputs": { "collection": "c", "datetime": nonsense } })), None, "{nonsense}");
    }
    let area = |inputs: Value| find(&json!({ "inputs": inputs }), &BTreeSet::new()).unwrap()[0].filter.area.clone();
    let polygon = json!({ "type": "Polygon", "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 2]]] });
    for (name, given) in [
        ("bbox", json!([1, 2, 3, 4])),
        ("bbox", json!({ "bbox": [1, 2, 3, 4], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84" })),
        ("aoi", polygon.clone()),
        ("aoi", json!({ "type": "Feature", "geometry": polygon, "properties": {} })),
    ] {
        assert_eq!(area(json!({ "collection": "c", name: given })).unwrap().describe(), "1,2,3,4", "{given}");
    }
    for nonsense in [
        json!([1, 2]),
        json!([500_000, 5_000_000, 600_000, 6_000_000]),
        json!({ "bbox": [1, 2, 3, 4], "crs": "EPSG:3857" }),
        json!("1,2,3,4"),
    ] {
        assert!(area(json!({ "collection": "c", "bbox": nonsense })).is_none(), "{nonsense}");
    }
    assert!(area(json!({ "collection": "c", "bbox": [1, 2, 3, 4], "bbox-crs": "EPSG:3857" })).is_none());
}

#[test]
fn texts_that_only_contain_an_address_are_none() {
    for text in ["see https://a.example/", "https://", "://x", "1://x", "print('s3://a/b')\n", "C:\\x", "urn:x:y", ""] {
        check(&json!({ "inputs": { "script": text } }), &[]);
    }
}

#[test]
fn every_bound_is_applied() {
    let none = BTreeSet::new();
    let many = |count: usize| json!({ "inputs": { "x": vec!["s3://a/b"; count] } });
    assert_eq!(find(&many(REFERENCES_MAX), &none).unwrap().len(), REFERENCES_MAX);
    assert_eq!(find(&many(REFERENCES_MAX + 1), &none).unwrap_err().what, "references");
    let numbers = |count: usize| json!({ "inputs": { "x": vec![1; count] } });
    assert!(find(&numbers(NODES_MAX - 3), &none).is_ok());
    assert_eq!(find(&numbers(NODES_MAX - 2), &none).unwrap_err(), TooMuch { what: "values", max: NODES_MAX });
    let nested = |levels: usize| (0..levels).fold(json!("s3://a/b"), |inner, _| json!({ "x": inner }));
    assert_eq!(find(&nested(DEPTH_MAX + 1), &none).unwrap().len(), 1);
    assert_eq!(find(&nested(DEPTH_MAX + 2), &none).unwrap_err().what, "levels of nesting");
    // A condition nests deeper than any reference, as the example of the standard's draft does.
    let deep = (0..20).fold(json!({ "property": "a" }), |inner, _| json!({ "op": "not", "args": [inner] }));
    assert!(find(&json!({ "inputs": { "data": { "collection": "c", "where": deep } } }), &none).is_ok());
    // A large polygon is one value, and no reference.
    let ring: Vec<_> = (0..NODES_MAX).map(|at| json!([at, at])).collect();
    let polygon = json!({ "type": "MultiPolygon", "coordinates": [[ring]] });
    assert!(find(&json!({ "inputs": { "aoi": polygon, "collection": "c" } }), &none).is_ok());
}
