use super::*;
use serde_json::json;

fn items() -> Url {
    Url::parse("https://c.example/api/collections/all/items?f=json").unwrap()
}

fn read(feature: &Value) -> (Record, Notes) {
    let mut notes = Notes::default();
    (record(feature, &items(), &mut notes).expect("a record"), notes)
}

fn times_of(time: &Value) -> String {
    let (record, notes) = read(&json!({"id": "r", "time": time, "properties": {}}));
    match (record.times.as_slice(), notes.count(Note::TimeLeftOut)) {
        ([only], 0) => only.to_param(),
        ([], 0) => "none".to_owned(),
        ([], 1) => "left out".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_of_the_standard_is_read_whole() {
    let feature = json!({
        "id": "urn:x-wmo:md:1", "type": "Feature",
        "conformsTo": ["http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/record-core"],
        "time": {"interval": ["1990-02-01", ".."], "resolution": "P1D"},
        "geometry": {"type": "Polygon", "coordinates": [[[-10, 40], [5, 40], [5, 60], [-10, 60], [-10, 40]]]},
        "properties": {
            "type": "dataset", "title": "Sea  surface", "description": "Two\n\nparagraphs",
            "created": "2020-01-02T03:04:05Z", "updated": "2024-05-06",
            "keywords": ["sea", "sea", 7], "language": {"code": "en"},
            "themes": [{"concepts": [{"id": "ozone", "title": "Ozone"}, {"id": "wind"}], "scheme": "https://x.example/t"}],
            "formats": [{"name": "NetCDF", "mediaType": "application/x-netcdf"}, "CSV"],
            "contacts": [{"name": "A. Person", "organization": "VLIZ", "emails": [{"value": "a@x.example"}],
                "links": [{"href": "https://vliz.example/"}], "roles": ["originator"]}],
            "license": "CC-BY-4.0", "rights": "© VLIZ", "externalIds": [{"scheme": "doi", "value": "10.14284/1"}],
        },
        "links": [
            {"rel": "self", "href": "https://c.example/x"},
            {"rel": "enclosure", "href": "../files/a.nc", "type": "application/x-netcdf", "title": "File"},
            {"rel": "license", "href": "https://creativecommons.org/licenses/by/4.0/", "title": "CC BY"},
            {"href": "https://ows.example/wms", "protocol": "OGC:WMS", "name": "layer"},
            {"rel": "about", "href": "javascript:alert(1)"},
        ],
    });
    let (record, notes) = read(&feature);
    assert_eq!(
        (record.title.as_deref(), record.description.as_deref()),
        (Some("Sea surface"), Some("Two\n\nparagraphs"))
    );
    assert_eq!(record.keywords, ["sea", "Ozone", "wind"]);
    assert_eq!(record.times[0].to_param(), "1990-02-01T00:00:00Z/..");
    assert_eq!(record.places, [Place::new(-10.0, 40.0, 5.0, 60.0).unwrap()]);
    assert!(record.geometry.is_some());
    assert_eq!(record.formats.len(), 2);
    assert_eq!(
        (record.parties[0].name.as_str(), record.parties[0].roles.as_slice()),
        ("VLIZ", &["originator".to_owned()][..])
    );
    assert_eq!(record.terms.len(), 3);
    assert_eq!(record.identifiers, ["10.14284/1"]);
    let hrefs: Vec<&str> = record.resources.iter().map(|resource| resource.href.as_str()).collect();
    assert_eq!(hrefs, ["https://c.example/api/collections/all/files/a.nc", "https://ows.example/wms"]);
    assert_eq!(record.href.unwrap().0.as_str(), "https://c.example/api/collections/all/items/urn:x-wmo:md:1");
    assert_eq!((notes.count(Note::AddressLeftOut), notes.sentences().len()), (1, 1));
}

#[test]
fn times_are_read_in_every_form_they_had() {
    for (time, meant) in [
        (json!(null), "none"),
        (json!({"date": "2020-05-06"}), "2020-05-06T00:00:00Z/2020-05-06T23:59:59Z"),
        (json!({"timestamp": "2020-05-06T07:08:09Z"}), "2020-05-06T07:08:09Z"),
        (json!({"interval": ["..", "2020-05-06T07:08:09Z"]}), "../2020-05-06T07:08:09Z"),
        (json!({"interval": ["..", ".."]}), "none"),
        (json!(["2020", null]), "2020-01-01T00:00:00Z/.."),
        (json!("2020-01-01/2021-01-01"), "2020-01-01T00:00:00Z/2021-01-01T23:59:59Z"),
        (json!("2020"), "2020-01-01T00:00:00Z/2020-12-31T23:59:59Z"),
        (json!({"interval": ["2021", "2020"]}), "left out"),
        (json!({"interval": ["soon", ".."]}), "left out"),
        (json!({"interval": {"interval": {}}}), "left out"),
        (json!(7), "left out"),
    ] {
        assert_eq!(times_of(&time), meant, "{time}");
    }
}

#[test]
fn boxes_come_from_where_they_are() {
    let boxes = |feature: Value| read(&feature).0.places.iter().map(Place::numbers).collect::<Vec<_>>();
    assert_eq!(boxes(json!({"id": "r", "bbox": [1, 2, 3, 4]})), [[1.0, 2.0, 3.0, 4.0]]);
    assert_eq!(boxes(json!({"id": "r", "geometry": {"type": "Point", "coordinates": [1, 2]}})), [[1.0, 2.0, 1.0, 2.0]]);
    let extent = json!({"id": "r", "properties": {"extent": {"spatial": {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]]}}}});
    assert_eq!(boxes(extent).len(), 2);
    assert!(boxes(json!({"id": "r", "geometry": null})).is_empty());
    for bad in [json!({"type": "Polygon"}), json!({"type": "Point", "coordinates": [1e300, 0]}), json!("x")] {
        let (record, notes) = read(&json!({"id": "r", "geometry": bad}));
        assert!(record.places.is_empty() && record.geometry.is_none());
        assert_eq!(notes.count(Note::BoxLeftOut), 1, "{bad}");
    }
}

#[test]
fn other_types_are_left_out_and_odd_members_are_absent() {
    let mut notes = Notes::default();
    for kind in ["service", "http://purl.org/dc/dcmitype/Software"] {
        let feature = json!({"id": "r", "properties": {"type": kind}});
        assert!(record(&feature, &items(), &mut notes).is_err(), "{kind}");
    }
    assert_eq!(notes.count(Note::NotADataset), 2);
    for kind in ["dataset", "http://purl.org/dc/dcmitype/Dataset", "series"] {
        assert!(record(&json!({"id": 7, "properties": {"type": kind}}), &items(), &mut notes).is_ok(), "{kind}");
    }
    for nameless in [json!({}), json!({"id": ""}), json!({"id": null}), json!([]), json!(null)] {
        assert!(record(&nameless, &items(), &mut notes).is_err());
    }
    let odd = json!({"id": "r", "properties": {"title": 7, "keywords": "x", "contacts": {}, "links": 3, "license": []}, "links": [1, {"href": 2}]});
    let (record, _) = read(&odd);
    assert_eq!((record.title, record.keywords.len(), record.terms.len(), record.resources.len()), (None, 0, 0, 0));
}
