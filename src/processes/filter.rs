//! What of the data a request means: time, area and ids that stand beside a reference (`processes.md` 6.2 F).
//!
//! A filter decides that a member does *not* have the data, so only what is surely understood counts: anything else is
//! no filter.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};

use crate::federation::interval::parse_instant;
use crate::federation::{Area, Bbox, Interval};

/// Names under which a time and an area stand.
const TIMES: [&str; 2] = ["datetime", "time"];
const AREAS: [&str; 2] = ["bbox", "aoi"];
/// The coordinate system that boxes and geometries are in where it is named (OGC CRS84, and EPSG:4326 as it is mostly meant).
const KNOWN_CRS: [&str; 2] = ["CRS84", "4326"];
/// Most ids that narrow a reference.
const IDS_MAX: usize = 100;

/// Time, area and ids; what is absent narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub time: Option<Interval>,
    pub bbox: Option<Bbox>,
    pub area: Option<Area>,
    pub ids: Vec<String>,
}

impl Filter {
    /// The filter with what these members of an object say in place of what was said around them.
    #[must_use]
    pub fn narrowed(&self, members: &Map<String, Value>) -> Self {
        let mut filter = self.clone();
        if let Some(time) = TIMES.iter().find_map(|name| time(plain(members.get(*name)?))) {
            filter.time = Some(time);
        }
        let foreign = ["crs", "bbox-crs", "bbox_crs"].iter().any(|name| members.get(*name).is_some_and(is_foreign));
        let area = || AREAS.iter().find_map(|name| area(plain(members.get(*name)?)));
        if let Some((bbox, area)) = (!foreign).then(area).flatten() {
            (filter.bbox, filter.area) = (bbox, Some(area));
        }
        if let Some(Value::Array(ids)) = members.get("ids") {
            filter.ids = ids.iter().filter_map(Value::as_str).take(IDS_MAX).map(str::to_owned).collect();
        }
        filter
    }

    /// What an Item by value says of itself.
    #[must_use]
    pub fn of_item(&self, item: &Map<String, Value>) -> Self {
        let own = item.get("properties").and_then(|properties| properties.get("datetime")).and_then(time);
        let id = item.get("id").and_then(Value::as_str).map(str::to_owned);
        Self { time: own, bbox: None, area: None, ids: id.into_iter().collect() }
    }

    /// The filter of an address with a query (`datetime`, `bbox`), over what was said around it.
    #[must_use]
    pub fn of_query(&self, query: &[(String, String)]) -> Self {
        let mut filter = self.clone();
        for (name, value) in query {
            match name.as_str() {
                "datetime" => filter.time = time(&Value::String(value.clone())).or(filter.time),
                "bbox" => {
                    let numbers: Option<Vec<f64>> = value.split(',').map(|number| number.trim().parse().ok()).collect();
                    if let Some(bbox) = numbers.and_then(|numbers| degrees(&numbers)) {
                        (filter.bbox, filter.area) = (Some(bbox), Some(Area::from(bbox)));
                    }
                }
                _ => {}
            }
        }
        filter
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.time.is_none() && self.area.is_none() && self.ids.is_empty()
    }
}

/// The value of `{value}`, else the value itself.
fn plain(value: &Value) -> &Value {
    value.get("value").unwrap_or(value)
}

/// A `datetime` parameter, a day, two of them in a list or with a slash, or `{interval: [[a, b]]}`.
fn time(value: &Value) -> Option<Interval> {
    match value {
        Value::String(text) => match text.split_once('/') {
            Some((start, end)) => between(start, end),
            None => between(text, text),
        },
        Value::Array(ends) => {
            let end = |value: &'_ Value| match value {
                Value::Null => Some(String::new()),
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            match ends.as_slice() {
                [Value::String(one)] => between(one, one),
                [start, last] => between(&end(start)?, &end(last)?),
                _ => None,
            }
        }
        Value::Object(members) => time(members.get("interval")?.get(0)?),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn between(start: &str, end: &str) -> Option<Interval> {
    let read = |text: &str, last: bool| match text {
        "" | ".." => Some(None),
        text => edge(text, last).map(Some),
    };
    let interval = Interval { start: read(start, false)?, end: read(end, true)? };
    let empty = matches!((interval.start, interval.end), (Some(start), Some(end)) if start > end);
    (interval != Interval::default() && !empty).then_some(interval)
}

/// An instant; a day is meant from its first to its last.
fn edge(text: &str, last: bool) -> Option<DateTime<Utc>> {
    if let Ok(at) = parse_instant(text) {
        return Some(at);
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
    let time = if last { day.and_hms_milli_opt(23, 59, 59, 999) } else { day.and_hms_opt(0, 0, 0) };
    time.map(|time| time.and_utc())
}

/// Numbers of a box, `{bbox, crs}`, or GeoJSON.
fn area(value: &Value) -> Option<(Option<Bbox>, Area)> {
    match value {
        Value::Array(numbers) => {
            let numbers: Vec<f64> = numbers.iter().map(Value::as_f64).collect::<Option<_>>()?;
            let bbox = degrees(&numbers)?;
            Some((Some(bbox), Area::from(bbox)))
        }
        Value::Object(members) if members.contains_key("bbox") => {
            if members.get("crs").is_some_and(is_foreign) {
                return None;
            }
            area(members.get("bbox")?)
        }
        Value::Object(members) => {
            let geometry = members.get("geometry").unwrap_or(value);
            let geometry = serde_json::from_value::<geojson::Geometry>(geometry.clone()).ok()?;
            let geometry = geo::Geometry::<f64>::try_from(&geometry).ok()?;
            let area = Area::from_geometry(&geometry)?;
            let degrees = |rect: &geo::Rect<f64>| rect.min().y >= -90.0 && rect.max().y <= 90.0;
            area.boxes.iter().all(degrees).then_some((None, area))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A box that can be one in degrees.
fn degrees(numbers: &[f64]) -> Option<Bbox> {
    let bbox = Bbox::from_numbers(numbers).ok()?;
    let [west, south, east, north] = bbox.corners();
    (west.abs() <= 360.0 && east.abs() <= 360.0 && south >= -90.0 && north <= 90.0).then_some(bbox)
}

fn is_foreign(crs: &Value) -> bool {
    crs.as_str().is_none_or(|name| !KNOWN_CRS.iter().any(|known| name.ends_with(known)))
}
