//! A Collection as a condition sees it.
//!
//! Its properties are the members of its document by their names, then its summaries by theirs, and what the broker
//! knows better: the id as clients see it, the extent as times and geometry, the members behind it. They are found by
//! places noted when the document was read, so a condition on thousands of Collections parses none of them.

use std::borrow::Cow;
use std::ops::Range;

use geo::{Geometry, MultiPolygon, Polygon};
use serde_json::json;

use super::names::BARE_ID;
use crate::collections::object::Object;
use crate::collections::view::Entry;
use crate::cql2::Subject;
use crate::federation::interval;

/// Properties that every Collection is asked for under the same name, each with its type and what it is, for the
/// queryables. Others are found by their name in the document or in its summaries.
pub const QUERYABLES: [(&str, Kind, &str); 12] = [
    ("id", Kind::Text, "Id of the Collection, as this federation writes it"),
    ("title", Kind::Text, "Title"),
    ("description", Kind::Text, "Description"),
    ("keywords", Kind::Texts, "Keywords"),
    ("license", Kind::Text, "License"),
    ("datetime", Kind::Interval, "Temporal extent, for the temporal functions; an open end is null"),
    ("start_datetime", Kind::Time, "Start of the temporal extent"),
    ("end_datetime", Kind::Time, "End of the temporal extent; null while it is open"),
    ("created", Kind::Time, "When the Collection was described first"),
    ("updated", Kind::Time, "When its description was changed last"),
    ("geometry", Kind::Geometry, "Spatial extent, as boxes"),
    ("federation:backends", Kind::Texts, "Members of the federation that have the Collection"),
];

/// The type of a queryable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Texts,
    Time,
    Interval,
    Geometry,
}

/// Members of the document that are no properties: what the broker writes itself, and what no condition can be on.
const NO_PROPERTY: [&str; 9] =
    ["id", "type", "links", "assets", "item_assets", "extent", "summaries", "providers", "federation:backends"];
/// Properties noted of one Collection.
const PLACES_MAX: usize = 1_000;

/// Where the properties of a document stand in it, by name; summaries give way to members.
pub(in crate::collections) fn places(document: &[u8]) -> Vec<(Box<str>, Range<usize>)> {
    let Ok(object) = serde_json::from_slice::<Object<'_>>(document) else { return Vec::new() };
    let summaries = object.get("summaries").and_then(Object::read);
    let summaries = summaries.iter().flat_map(|summaries| summaries.0.iter());
    let members = object.0.iter().filter(|(name, _)| !NO_PROPERTY.contains(&name.as_ref()));
    let mut places: Vec<(Box<str>, Range<usize>)> = Vec::new();
    for (name, value) in members.chain(summaries).take(PLACES_MAX) {
        if places.iter().all(|(known, _)| known.as_ref() != name.as_ref()) {
            // The raw value borrows from the document: its place is the distance of the two starts.
            let start = value.get().as_ptr() as usize - document.as_ptr() as usize;
            places.push((name.as_ref().into(), start..start + value.get().len()));
        }
    }
    places
}

impl Entry {
    /// The JSON text of a member of the document, or of one of its summaries.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        let (_, place) = self.places.iter().find(|(known, _)| known.as_ref() == name)?;
        std::str::from_utf8(self.document.get(place.clone())?).ok()
    }
}

impl Subject for Entry {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        let time = |at: Option<_>| json!(at.map(interval::text));
        let known = match property {
            "id" => json!(self.exposed_id),
            BARE_ID => json!(self.native_id),
            "datetime" => json!([time(self.interval?.start), time(self.interval?.end)]),
            "start_datetime" => time(self.interval?.start),
            "end_datetime" => time(self.interval?.end),
            "federation:backends" => match &self.behind {
                None => json!([self.member.as_str()]),
                Some(behind) => behind.entries.iter().map(|entry| entry.member.as_str()).collect(),
            },
            "geometry" => json!(geojson::Geometry::from(&*self.geometry(property)?)),
            other => return self.property(other).map(Cow::Borrowed),
        };
        Some(Cow::Owned(known.to_string()))
    }

    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>> {
        let boxes = if property == "geometry" { &self.area.as_ref()?.boxes } else { return None };
        let polygons: Vec<Polygon<f64>> = boxes.iter().map(|rect| rect.to_polygon()).collect();
        Some(Cow::Owned(Geometry::MultiPolygon(MultiPolygon::new(polygons))))
    }
}
