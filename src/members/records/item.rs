//! A record as an Item of the one Collection that is configured (`records_as = "items"`), and that Collection.
//!
//! An Item has the record's own geometry or that of its boxes, and none where it has none. Its time is the whole of what
//! the record says: an instant as `datetime`, else `start_datetime` and `end_datetime` as far as they are known.

use serde_json::{Map, Value, json};

use super::collection::{STAC_VERSION, describe, links};
use super::moments;
use super::notes::{Note, Notes};
use super::places::{self, Place};
use super::reach;
use super::record::Record;
use crate::federation::{Interval, interval};

/// The Item of this id, as the bytes of its JSON object.
pub fn document(record: &Record, id: &str, collection: &str, notes: &mut Notes) -> Vec<u8> {
    let reach = reach::of(record);
    let mut out = Map::new();
    out.insert("type".to_owned(), "Feature".into());
    out.insert("stac_version".to_owned(), STAC_VERSION.into());
    out.insert("stac_extensions".to_owned(), reach.extensions.into());
    out.insert("id".to_owned(), id.into());
    out.insert("collection".to_owned(), collection.into());
    out.insert("geometry".to_owned(), record.geometry.clone().unwrap_or_else(|| places::geometry(&record.places)));
    match places::overall(&record.places) {
        Some(all) => drop(out.insert("bbox".to_owned(), json!(all.numbers()))),
        None => notes.add(Note::NoArea, &record.id),
    }
    out.insert("properties".to_owned(), properties(record, notes).into());
    let links = links(record).into_iter().chain(reach.links).collect();
    out.insert("links".to_owned(), Value::Array(links));
    out.insert("assets".to_owned(), reach.assets.into());
    Value::Object(out).to_string().into_bytes()
}

fn properties(record: &Record, notes: &mut Notes) -> Map<String, Value> {
    let mut out = Map::new();
    let time = moments::overall(&record.times);
    if time.is_none() {
        notes.add(Note::NoTime, &record.id);
    }
    let time = time.unwrap_or_default();
    let instant = time.start.filter(|_| time.start == time.end);
    out.insert("datetime".to_owned(), instant.map(interval::text).into());
    for (name, at) in [("start_datetime", time.start), ("end_datetime", time.end)] {
        if let (None, Some(at)) = (instant, at) {
            out.insert(name.to_owned(), interval::text(at).into());
        }
    }
    describe(record, &mut out, notes);
    out
}

/// The Collection of all records, with the extent that they have together. `source` is the address of the catalogue.
pub fn holder(collection: &str, title: &str, records: &[&Record], source: &str) -> Vec<u8> {
    let places: Vec<Place> = records.iter().flat_map(|record| record.places.iter().copied()).collect();
    let times: Vec<Interval> = records.iter().flat_map(|record| record.times.iter().copied()).collect();
    // Where a record says nothing, the whole is open: the union of something and the unknown is unknown.
    let some_area = records.iter().all(|record| !record.places.is_empty());
    let some_time = records.iter().all(|record| !record.times.is_empty());
    let area = places::overall(&places).filter(|_| some_area);
    let area = area.map_or([-180.0, -90.0, 180.0, 90.0], |place| place.numbers());
    let time = moments::overall(&times).filter(|_| some_time).unwrap_or_default();
    let time = [time.start.map(interval::text), time.end.map(interval::text)];
    let document = json!({
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": collection,
        "title": title,
        "description": format!("The metadata records of {title}, each as one Item."),
        "license": super::licence::OTHER,
        "extent": {"spatial": {"bbox": [area]}, "temporal": {"interval": [time]}},
        "links": [{"rel": "via", "href": source}],
    });
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Item;

    fn read(record: &Record) -> Value {
        let bytes = document(record, "i", "c", &mut Notes::default());
        Item::new(bytes.clone()).expect("an Item that the broker reads");
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn times_are_said_as_far_as_they_are_known() {
        let with = |times: Vec<Interval>| {
            let item = read(&Record { times, ..Record::default() });
            ["datetime", "start_datetime", "end_datetime"].map(|name| item["properties"].get(name).cloned())
        };
        let year = moments::span("2019").unwrap();
        let at = Interval::instant(moments::first("2019-05-06T10:00:00Z").unwrap());
        let (start, end) = (json!("2019-01-01T00:00:00Z"), json!("2019-12-31T23:59:59Z"));
        assert_eq!(with(vec![]), [Some(Value::Null), None, None]);
        assert_eq!(with(vec![at]), [Some(json!("2019-05-06T10:00:00Z")), None, None]);
        assert_eq!(with(vec![year]), [Some(Value::Null), Some(start.clone()), Some(end.clone())]);
        assert_eq!(with(vec![Interval { end: None, ..year }]), [Some(Value::Null), Some(start), None]);
        assert_eq!(with(vec![Interval { start: None, ..year }]), [Some(Value::Null), None, Some(end)]);
    }

    #[test]
    fn an_item_has_its_own_geometry_or_that_of_its_boxes() {
        let places = vec![Place::new(1.0, 2.0, 3.0, 4.0).unwrap()];
        let boxed = read(&Record { places: places.clone(), ..Record::default() });
        assert_eq!((&boxed["geometry"]["type"], &boxed["bbox"]), (&json!("Polygon"), &json!([1.0, 2.0, 3.0, 4.0])));
        let own = json!({"type": "Point", "coordinates": [1, 2]});
        let own_one = read(&Record { places, geometry: Some(own.clone()), ..Record::default() });
        assert_eq!(own_one["geometry"], own);
        let none = read(&Record::default());
        assert!(none["geometry"].is_null() && none.get("bbox").is_none());
    }

    #[test]
    fn the_holder_is_open_where_a_record_is() {
        let known = Record {
            places: vec![Place::new(1.0, 2.0, 3.0, 4.0).unwrap()],
            times: vec![moments::span("2019").unwrap()],
            ..Record::default()
        };
        let read = |records: &[&Record]| -> Value {
            serde_json::from_slice(&holder("c", "EMODnet", records, "https://c.example/csw")).unwrap()
        };
        assert_eq!(read(&[&known])["extent"]["spatial"]["bbox"], json!([[1.0, 2.0, 3.0, 4.0]]));
        let open = read(&[&known, &Record::default()]);
        assert_eq!(open["extent"]["spatial"]["bbox"], json!([[-180.0, -90.0, 180.0, 90.0]]));
        assert_eq!(open["extent"]["temporal"]["interval"], json!([[null, null]]));
    }
}
