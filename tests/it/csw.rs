//! Members of the kind `csw`: the records of a GeoNetwork as Collections and Items of the federation.

use serde_json::{Value, json};
use stac_broker::federation::{Kind, Records};

use crate::support::catalogue::{Catalogue, Habits};
use crate::support::{Front, federation_of};

/// The shape in which GeoNetwork answers.
const PAGE: &str = include_str!("fixtures/records/getrecords.xml");

async fn front(records: Records) -> (Catalogue, Front) {
    let catalogue = Catalogue::start(Kind::Csw, Habits { says: Some(PAGE.to_owned()), ..Habits::default() }).await;
    let front = Front::of(federation_of([catalogue.declared("EMODNET", records)])).await;
    (catalogue, front)
}

fn links<'a>(document: &'a Value, rel: &str) -> Vec<&'a Value> {
    document["links"].as_array().unwrap().iter().filter(|link| link["rel"] == rel).collect()
}

#[tokio::test]
async fn a_record_of_geonetwork_is_a_collection_that_says_where_it_comes_from() {
    let (catalogue, front) = front(Records::Collections).await;
    let reply = front.get("/collections/EMODNET%7Ca1b2c3d4-0001-4000-8000-5ea5e1f00d01").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let found = reply.json();
    assert_eq!(found["title"], "Seagrass cover of a made-up bay");
    assert_eq!(found["description"], "Polygons of seagrass & algae.\n\nMapped by divers < 20 m.");
    assert_eq!(found["license"], "CC-BY-4.0");
    assert_eq!(found["updated"], "2024-11-12T13:14:15Z");
    assert_eq!(
        found["extent"],
        json!({"spatial": {"bbox": [[-5.25, 47.0, -2.0, 48.5], [-5.25, 47.75, -4.5, 48.5], [-3.0, 47.0, -2.0, 48.0]]},
            "temporal": {"interval": [["2008-03-01T00:00:00Z", "2012-12-31T23:59:59Z"]]}})
    );
    assert_eq!(
        found["providers"],
        json!([{"name": "Institute of the Bay", "roles": ["producer", "licensor"], "url": "https://bay.example/"},
            {"name": "Harbour Data Centre", "roles": ["host"]}])
    );
    let via = links(found, "via")[0]["href"].as_str().unwrap().to_owned();
    assert!(via.starts_with(&format!("{}?service=CSW", catalogue.url)) && via.contains("GetRecordById"), "{via}");
    assert_eq!(links(found, "cite-as")[0]["href"], "https://doi.org/10.99999/SEAGRASS");
    assert_eq!(links(found, "wms")[0]["wms:layers"], json!(["bay:seagrass"]));
    assert_eq!(links(found, "service").len(), 2, "WFS and ERDDAP");
    assert_eq!(links(found, "license").len(), 2);
    assert!(links(found, "canonical").is_empty() && links(found, "items").is_empty());
    assert_eq!(found["assets"]["data"]["type"], "application/zip");
    assert!(!reply.text.contains("javascript") && !reply.text.contains("desk@bay.example"));
}

#[tokio::test]
async fn services_are_no_collections_and_ids_fit_into_paths() {
    let (_catalogue, front) = front(Records::Collections).await;
    let listed = front.get("/collections?limit=100").await;
    let ids: Vec<&str> =
        listed.json()["collections"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "EMODNET|a1b2c3d4-0001-4000-8000-5ea5e1f00d01",
            "EMODNET|a1b2c3d4-0002-4000-8000-5ea5e1f00d02",
            "EMODNET|urn:bay:4_minimal_record"
        ]
    );
    let minimal = front.get("/collections/EMODNET%7Curn:bay:4_minimal_record").await;
    assert_eq!((&minimal.json()["description"], &minimal.json()["license"]), (&json!("Only a title"), &json!("other")));
    let member = front.get("/federation/members/EMODNET").await;
    let notes = member.json()["harvest"]["notes"].to_string();
    assert!(notes.contains("no abstract") && notes.contains("no area is stated"), "{notes}");
    assert_eq!(member.json()["harvest"]["left_out"]["count"], 1);
}

#[tokio::test]
async fn records_as_items_have_their_own_extent() {
    let (_catalogue, front) = front(Records::Items { collection: "products".to_owned() }).await;
    let all = front.get("/search?sortby=id&limit=10").await;
    assert_eq!(all.names().len(), 3, "{}", all.text);
    let bay = front.get("/search?bbox=-5,47.9,-4.9,48").await;
    let names = bay.names();
    assert_eq!(names.len(), 2, "the bay, and the series that is everywhere: {names:?}");
    let item = front.get("/collections/EMODNET%7Cproducts/items/a1b2c3d4-0001-4000-8000-5ea5e1f00d01").await;
    let item = item.json();
    assert_eq!(item["geometry"]["type"], "MultiPolygon");
    assert_eq!(item["bbox"], json!([-5.25, 47.0, -2.0, 48.5]));
    assert_eq!(item["properties"]["start_datetime"], "2008-03-01T00:00:00Z");
    assert_eq!(item["properties"]["license"], "CC-BY-4.0");
    assert!(links(item, "canonical").is_empty());
    let then = front.get("/search?datetime=2010-01-01T00:00:00Z&sortby=id").await;
    assert_eq!(then.names().len(), 2, "the series goes on since 1999; what names no time is never then");
}

#[tokio::test]
async fn an_exception_report_is_a_failure_in_the_catalogues_words() {
    let report = r#"<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows"><ows:Exception exceptionCode="NoApplicableCode">
        <ows:ExceptionText>the index is being rebuilt</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"#;
    let catalogue = Catalogue::start(Kind::Csw, Habits { says: Some(report.to_owned()), ..Habits::default() }).await;
    let front =
        Front::of(federation_of([catalogue.declared("EMODNET", Records::Items { collection: "p".into() })])).await;
    let page = front.get("/search").await;
    assert_ne!(page.status, 200, "nobody answered: {}", page.text);
    assert!(!page.text.contains("being rebuilt"), "what a member said is for the log");
    let member = front.get("/federation/members/EMODNET").await;
    assert_eq!(member.json()["harvest"]["failure"], "bad-response");
}
