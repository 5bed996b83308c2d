use super::*;
use crate::members::csw::answer::{self, Answer};
use crate::members::csw::xml::{Reader, Step};

/// The shape of a GeoNetwork answer; the suite's loopback catalogue serves it, too.
const PAGE: &str = include_str!("../../../../tests/it/fixtures/records/getrecords.xml");

fn base() -> Url {
    Url::parse("https://c.example/csw").unwrap()
}

fn page() -> Answer {
    answer::read(PAGE.as_bytes(), &base()).unwrap()
}

/// The record of a fragment of an `MD_DataIdentification`.
fn about(inner: &str) -> (Record, Notes) {
    let text = format!(
        r#"<MD_Metadata xmlns="http://www.isotc211.org/2005/gmd" xmlns:gml="http://www.opengis.net/gml/3.2">
        <fileIdentifier><x>r</x></fileIdentifier>
        <identificationInfo><MD_DataIdentification>{inner}</MD_DataIdentification></identificationInfo></MD_Metadata>"#
    );
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    let Ok(Step::Start(root)) = reader.step() else { panic!("a root") };
    let root = reader.tree(*root).unwrap().unwrap();
    let mut notes = Notes::default();
    (record(&root, &base(), &mut notes).unwrap(), notes)
}

#[test]
fn a_full_record_is_read_whole() {
    let page = page();
    let record = &page.records[0];
    assert_eq!(record.id, "a1b2c3d4-0001-4000-8000-5ea5e1f00d01");
    assert_eq!(record.title.as_deref(), Some("Seagrass cover of a made-up bay"));
    assert_eq!(record.description.as_deref(), Some("Polygons of seagrass & algae.\n\nMapped by divers < 20 m."));
    assert_eq!(record.keywords, ["Habitats and biotopes", "Seagrass"]);
    assert_eq!(record.updated, moments::first("2024-11-12T13:14:15Z"));
    let boxes: Vec<_> = record.places.iter().map(Place::numbers).collect();
    assert_eq!(boxes, [[-5.25, 47.75, -4.5, 48.5], [-3.0, 47.0, -2.0, 48.0]]);
    assert_eq!(record.times[0].to_param(), "2008-03-01T00:00:00Z/2012-12-31T23:59:59Z");
    assert_eq!(record.identifiers, ["10.99999/SEAGRASS", "https://doi.org/10.99999/SEAGRASS"]);
    assert_eq!(record.formats, [Format { name: Some("Shapefile".into()), media: None }]);
    let parties: Vec<_> = record.parties.iter().map(|party| (party.name.as_str(), party.roles[0].as_str())).collect();
    let wanted = [
        ("Institute of the Bay", "originator"),
        ("Institute of the Bay", "owner"),
        ("Harbour Data Centre", "distributor"),
    ];
    assert_eq!(parties, wanted);
    assert_eq!(record.terms.len(), 2);
    assert_eq!(record.terms[1].href.as_ref().map(Url::as_str), Some("https://creativecommons.org/licenses/by/4.0/"));
    let hrefs: Vec<&str> = record.resources.iter().map(|resource| resource.href.as_str()).collect();
    assert_eq!(hrefs.len(), 6, "{hrefs:?}");
    assert_eq!(hrefs[0], "https://ows.bay.example/wms?map=a&x=1");
    assert_eq!(record.resources[2].media.as_deref(), Some("application/zip"));
    assert_eq!(record.resources[5].role, Role::Preview);
    assert_eq!(page.notes.count(Note::AddressLeftOut), 1);
    let (href, _) = record.href.as_ref().unwrap();
    assert!(
        href.as_str()
            .starts_with("https://c.example/csw?service=CSW&version=2.0.2&request=GetRecordById&id=a1b2c3d4-0001")
    );
    assert!(record.parent_href.as_ref().unwrap().as_str().contains("id=a1b2c3d4-0002"));
}

#[test]
fn gml_3_1_and_nested_instants_are_read() {
    let page = page();
    let series = &page.records[1];
    assert_eq!(series.times[0].to_param(), "1999-05-06T07:08:09Z/..");
    assert_eq!(series.places, [Place::new(-180.0, -90.0, 180.0, 90.0).unwrap()]);
}

#[test]
fn services_are_left_out_and_counted_and_little_is_enough() {
    let page = page();
    assert_eq!(page.left_out.len(), 1);
    assert!(page.left_out[0].1.contains("`service`"), "{:?}", page.left_out);
    let minimal = &page.records[2];
    assert_eq!((minimal.title.as_deref(), minimal.description.as_deref()), (Some("Only a title"), None));
    assert!(minimal.places.is_empty() && minimal.times.is_empty() && minimal.terms.is_empty());
}

#[test]
fn periods_say_what_they_know() {
    let time = |begin: &str, end: &str| {
        let (record, notes) = about(&format!(
            "<extent><EX_Extent><temporalElement><EX_TemporalExtent><extent><gml:TimePeriod>{begin}{end}\
             </gml:TimePeriod></extent></EX_TemporalExtent></temporalElement></EX_Extent></extent>"
        ));
        match (record.times.as_slice(), notes.count(Note::TimeLeftOut)) {
            ([only], 0) => only.to_param(),
            ([], 0) => "none".to_owned(),
            ([], 1) => "left out".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let begin = "<gml:beginPosition>2001-02-03</gml:beginPosition>";
    for (end, meant) in [
        ("<gml:endPosition indeterminatePosition=\"now\"/>", "2001-02-03T00:00:00Z/.."),
        ("<gml:endPosition indeterminatePosition=\"unknown\"/>", "2001-02-03T00:00:00Z/.."),
        ("<gml:endPosition indeterminatePosition=\"after\">2005</gml:endPosition>", "2001-02-03T00:00:00Z/.."),
        (
            "<gml:endPosition indeterminatePosition=\"before\">2005</gml:endPosition>",
            "2001-02-03T00:00:00Z/2005-12-31T23:59:59Z",
        ),
        ("<gml:endPosition/>", "2001-02-03T00:00:00Z/.."),
        ("", "2001-02-03T00:00:00Z/.."),
        ("<gml:endPosition>2000</gml:endPosition>", "left out"),
        ("<gml:endPosition>in spring</gml:endPosition>", "left out"),
    ] {
        assert_eq!(time(begin, end), meant, "{end}");
    }
    assert_eq!(time("", ""), "none");
    assert_eq!(
        time(
            "<gml:beginPosition indeterminatePosition=\"before\">1999</gml:beginPosition>",
            "<gml:endPosition>2000</gml:endPosition>"
        ),
        "../2000-12-31T23:59:59Z"
    );
    let (instant, _) = about(
        "<extent><EX_Extent><temporalElement><EX_TemporalExtent><extent><gml:TimeInstant><gml:timePosition>2001-02-03\
         </gml:timePosition></gml:TimeInstant></extent></EX_TemporalExtent></temporalElement></EX_Extent></extent>",
    );
    assert_eq!(instant.times[0].to_param(), "2001-02-03T00:00:00Z/2001-02-03T23:59:59Z");
}

#[test]
fn boxes_that_are_none_are_noted_and_excluding_ones_passed_over() {
    let given = |code: &str, west: &str| {
        let bound = |name: &str, value: &str| format!("<{name}><x>{value}</x></{name}>");
        let inner = [
            bound("westBoundLongitude", west),
            bound("eastBoundLongitude", "5"),
            bound("southBoundLatitude", "1"),
            bound("northBoundLatitude", "2"),
        ];
        let (record, notes) = about(&format!(
            "<extent><EX_Extent><geographicElement><EX_GeographicBoundingBox>{code}{}</EX_GeographicBoundingBox>\
             </geographicElement></EX_Extent></extent>",
            inner.concat()
        ));
        (record.places.len(), notes.count(Note::BoxLeftOut))
    };
    assert_eq!(given("", "4"), (1, 0));
    assert_eq!(given("", "NaN"), (0, 1));
    assert_eq!(given("", "4,5"), (0, 1));
    assert_eq!(given("<extentTypeCode><x>false</x></extentTypeCode>", "4"), (0, 0));
}

#[test]
fn a_text_in_several_languages_is_the_records_own_else_the_first() {
    let text = |locales: &str| {
        let (record, _) = about(&format!("<abstract><PT_FreeText>{locales}</PT_FreeText></abstract>"));
        record.description
    };
    let group = |locale: &str, text: &str| {
        format!(
            "<textGroup><LocalisedCharacterString locale=\"#{locale}\">{text}</LocalisedCharacterString></textGroup>"
        )
    };
    assert_eq!(text(&(group("DE", "") + &group("FR", "eau") + &group("EN", "water"))).as_deref(), Some("eau"));
    assert_eq!(text("").as_deref(), None);
}

#[test]
fn a_media_type_in_the_place_of_a_protocol_is_one() {
    for (text, is) in [
        ("application/zip", true),
        ("text/csv", true),
        ("OGC:WMS", false),
        ("application/x y", false),
        ("application/", false),
    ] {
        assert_eq!(is_media(text), is, "{text}");
    }
}
