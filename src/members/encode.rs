//! An [`Ask`] as GET parameters and as a POST body. Pure: no address, no member.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::capabilities::{INTERSECTS_GET_BYTES_MAX, INTERSECTS_POST_BYTES_MAX};
use super::dialect::Habits;
use super::said::Words;
use super::{Ask, Intersects};
use crate::federation::{Bbox, Interval};

/// Bytes of `collections`, `ids` and the condition together in the address of a GET, percent-encoded: with the rest of the query it stays
/// below the 8 KiB at which many servers and proxies answer 414.
const LISTS_GET_BYTES_MAX: usize = 6 << 10;

/// A time behind that of every Item, in seconds from 1970 on: the year 4000, within the reach of servers that keep
/// times as numbers.
const FAR_FUTURE_S: i64 = 64_060_588_800;

/// The query of a GET, without a token. Lists that an address has no room for are left out: the member then returns
/// too much, and what it returns is checked anyway.
pub fn query(ask: &Ask, words: Option<&Words>, intersects: bool, habits: &Habits) -> Vec<(String, String)> {
    let mut pairs = vec![("limit", ask.limit.to_string())];
    let room = Room::of(ask.collections.as_deref(), ask.ids.as_deref());
    pairs.extend(ask.collections.as_ref().filter(|_| room.collections).map(|list| ("collections", list.join(","))));
    pairs.extend(ask.ids.as_ref().filter(|_| room.ids).map(|list| ("ids", list.join(","))));
    let (geometry, bbox) = area(ask, intersects, INTERSECTS_GET_BYTES_MAX);
    pairs.extend(geometry.map(|geometry| ("intersects", geometry.geojson.clone())));
    pairs.extend(bbox.map(|bbox| ("bbox", corners(&bbox).iter().map(f64::to_string).collect::<Vec<_>>().join(","))));
    let timed = habits.times.timeless_first && !ask.sortby.is_empty() && ask.ids.is_none();
    let interval = ask.datetime.or_else(|| timed.then(whenever));
    let interval = interval.map(|interval| reaching(interval, habits.times.end_short_ms));
    pairs.extend(interval.map(|interval| ("datetime", interval.to_param())));
    if !ask.sortby.is_empty() {
        let keys = ask.sortby.iter().map(|(field, down)| habits.sort_entry(spelled(field), *down));
        pairs.push(("sortby", keys.collect::<Vec<_>>().join(",")));
    }
    pairs.extend(words.into_iter().flat_map(Words::pairs));
    // what a member does not know is left out: it then returns too much, and what it returns is checked anyway
    pairs.retain(|(name, _)| habits.knows(name));
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Bytes of an address that `ids` and `collections` leave to the condition.
pub fn room_left(ask: &Ask) -> usize {
    let room = Room::of(ask.collections.as_deref(), ask.ids.as_deref());
    let ids = ask.ids.as_deref().filter(|_| room.ids).map_or(0, encoded_bytes);
    let collections = ask.collections.as_deref().filter(|_| room.collections).map_or(0, encoded_bytes);
    LISTS_GET_BYTES_MAX.saturating_sub(ids + collections)
}

/// The body of a POST, without a token.
pub fn body(ask: &Ask, words: Option<&Words>, intersects: bool) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("limit".to_owned(), ask.limit.into());
    let (geometry, bbox) = area(ask, intersects, INTERSECTS_POST_BYTES_MAX);
    let geometry = geometry.and_then(|geometry| serde_json::from_str::<Value>(&geometry.geojson).ok());
    let sortby: Vec<Value> = ask
        .sortby
        .iter()
        .map(|(field, down)| json!({"field": spelled(field), "direction": if *down { "desc" } else { "asc" }}))
        .collect();
    for (name, value) in [
        ("collections", ask.collections.as_ref().map(|list| json!(list))),
        ("ids", ask.ids.as_ref().map(|list| json!(list))),
        ("intersects", geometry),
        ("bbox", bbox.map(|bbox| corners(&bbox).into_iter().map(number).collect())),
        ("datetime", ask.datetime.map(|interval| interval.to_param().into())),
        ("sortby", (!sortby.is_empty()).then(|| sortby.into())),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    }
    let condition = words.into_iter().flat_map(Words::members);
    body.extend(condition.map(|(name, value)| (name.to_owned(), value)));
    body
}

/// All times, so that what has none is left out: it has no place in an order of time.
fn whenever() -> Interval {
    Interval { start: None, end: DateTime::from_timestamp(FAR_FUTURE_S, 0) }
}

/// The interval that a member must be asked for whose own ends that long before it.
fn reaching(interval: Interval, short_ms: i64) -> Interval {
    let later = |end: DateTime<Utc>| end.checked_add_signed(TimeDelta::milliseconds(short_ms)).unwrap_or(end);
    Interval { start: interval.start, end: interval.end.map(later) }
}

/// Which lists a GET has room for (`true` also where there is none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub collections: bool,
    pub ids: bool,
}

impl Room {
    /// `ids` first: they select more than collections do.
    #[must_use]
    pub fn of(collections: Option<&[String]>, ids: Option<&[String]>) -> Self {
        let ids_bytes = ids.map_or(0, encoded_bytes);
        let with_ids = ids_bytes <= LISTS_GET_BYTES_MAX;
        let left = if with_ids { LISTS_GET_BYTES_MAX - ids_bytes } else { LISTS_GET_BYTES_MAX };
        Self { collections: collections.map_or(0, encoded_bytes) <= left, ids: with_ids }
    }

    #[must_use]
    pub fn for_all(self) -> bool {
        self.collections && self.ids
    }
}

/// Bytes of a list in a query string.
fn encoded_bytes(list: &[String]) -> usize {
    let comma = "%2C".len();
    let entry = |text: &String| form_urlencoded::byte_serialize(text.as_bytes()).map(str::len).sum::<usize>() + comma;
    list.iter().map(entry).sum()
}

/// A geometry, or a box: never both, which STAC API forbids. A geometry over the bound goes as its box.
fn area(ask: &Ask, intersects: bool, bytes_max: usize) -> (Option<&Intersects>, Option<Bbox>) {
    match ask.intersects.as_deref() {
        Some(geometry) if intersects && geometry.geojson.len() <= bytes_max => (Some(geometry), None),
        Some(geometry) => (None, Some(ask.bbox.unwrap_or(geometry.bbox))),
        None => (None, ask.bbox),
    }
}

fn corners(bbox: &Bbox) -> Vec<f64> {
    match bbox.elevation {
        None => vec![bbox.west, bbox.south, bbox.east, bbox.north],
        Some((low, high)) => vec![bbox.west, bbox.south, low, bbox.east, bbox.north, high],
    }
}

/// A number as short as it can be written: whole ones without a point.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within a million")]
    if value.fract() == 0.0 && value.abs() < 1e6 { (value as i64).into() } else { value.into() }
}

/// A sort field as members spell it: time fields lie in `properties`.
fn spelled(field: &str) -> &str {
    match field {
        "datetime" => "properties.datetime",
        "start_datetime" => "properties.start_datetime",
        "end_datetime" => "properties.end_datetime",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::federation::Dialect;
    use crate::federation::Interval;

    fn ask() -> Ask {
        Ask {
            collections: Some(vec!["a".to_owned(), "b".to_owned()]),
            bbox: Some(Bbox { west: 170.0, south: -1.5, east: -170.0, north: 1e-3, elevation: None }),
            datetime: Some(Interval { start: None, end: "2025-01-01T00:00:00Z".parse().ok() }),
            sortby: vec![("datetime".to_owned(), true), ("id".to_owned(), false)],
            limit: 7,
            ..Ask::default()
        }
    }

    fn intersecting(bytes: usize) -> Ask {
        let geojson = format!(r#"{{"type":"Point","coordinates":[1,2]{}}}"#, " ".repeat(bytes.saturating_sub(36)));
        let bbox = Bbox { west: 1.0, south: 2.0, east: 1.0, north: 2.0, elevation: None };
        let geometry = geo::Point::new(1.0, 2.0).into();
        Ask { intersects: Some(Arc::new(Intersects { geojson, geometry, bbox })), limit: 1, ..Ask::default() }
    }

    #[test]
    fn an_ask_is_spelled_for_get_and_for_post() {
        let pairs: Vec<String> = query(&ask(), None, true, Habits::of(Dialect::Standard))
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            pairs,
            [
                "limit=7",
                "collections=a,b",
                "bbox=170,-1.5,-170,0.001",
                "datetime=../2025-01-01T00:00:00Z",
                "sortby=-properties.datetime,+id"
            ]
        );
        assert_eq!(
            Value::from(body(&ask(), None, true)),
            json!({"limit": 7, "collections": ["a", "b"], "bbox": [170, -1.5, -170, 0.001], "datetime": "../2025-01-01T00:00:00Z",
                "sortby": [{"field": "properties.datetime", "direction": "desc"}, {"field": "id", "direction": "asc"}]})
        );
    }

    #[test]
    fn long_geometries_go_as_their_box() {
        let names = |bytes: usize, intersects: bool| {
            let ask = intersecting(bytes);
            (
                query(&ask, None, intersects, Habits::of(Dialect::Standard))[1].0.clone(),
                body(&ask, None, intersects).contains_key("intersects"),
            )
        };
        assert_eq!(names(100, true), ("intersects".to_owned(), true));
        assert_eq!(names(7 << 10, true), ("bbox".to_owned(), true));
        assert_eq!(names(257 << 10, true), ("bbox".to_owned(), false));
        assert_eq!(names(100, false), ("bbox".to_owned(), false));
    }
}
