//! Rows become a catalogue: STAC 1.0.0 Items and Collections as JSON text, with what conditions are checked against.
//!
//! Where a member has records, its Items are what a broker makes of these: of one Collection.

use std::cmp::Ordering;

use chrono::{DateTime, SecondsFormat, Utc};
use geo::{BoundingRect, Geometry, Rect};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::habits::{Habits, Speaks};
use super::table::{self, Described, Row};
use super::{assets, files, recent, records};

/// What stays readable in a path segment (RFC 3986 section 3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Words about the Collections of all members.
pub const COLLECTIONS: &str = include_str!("data/collections.tsv");

/// Everything one member holds.
pub struct Catalog {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Collection id and document; of records the one catalogue of them.
    pub collections: Vec<(String, Value)>,
}

/// One Item.
pub struct Entry {
    pub collection: String,
    pub id: String,
    /// `datetime`, else `start_datetime`: what the member sorts by.
    pub time: DateTime<Utc>,
    /// First and last instant.
    pub span: (DateTime<Utc>, DateTime<Utc>),
    pub geometry: Geometry<f64>,
    /// Percent.
    pub cloud: Option<f64>,
    /// The Item as JSON.
    pub text: String,
}

impl Entry {
    /// A property of the Item, read anew: only few conditions and computations need one.
    pub fn property(&self, name: &str) -> Option<Value> {
        self.properties().remove(name)
    }

    pub fn properties(&self) -> Map<String, Value> {
        let item: Value = serde_json::from_str(&self.text).unwrap_or_default();
        item["properties"].as_object().cloned().unwrap_or_default()
    }
}

/// A path segment for an id.
pub fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

impl Catalog {
    /// The catalogue of one member, with links below `url`.
    ///
    /// # Errors
    /// The first row that cannot be read.
    pub fn of(habits: &Habits, url: &str, now: DateTime<Utc>) -> Result<Self, String> {
        let mut rows = table::rows(habits.table)?;
        if habits.id == "GRNET-OPENSTACK" {
            let recent = recent::passes(&rows, now);
            rows.extend(recent);
        }
        let mut entries = rows.iter().map(|row| entry(habits, url, row)).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(newest_first);
        let collections = if habits.speaks == Speaks::Records {
            records::catalogue(habits, url, &entries).into_iter().collect()
        } else {
            let described = table::described(COLLECTIONS, habits.id);
            described.iter().filter_map(|known| collection(habits, url, known, &entries)).collect()
        };
        Ok(Self { entries, collections })
    }
}

/// Newest first, then by id, then by collection.
pub fn newest_first(a: &Entry, b: &Entry) -> Ordering {
    b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)).then_with(|| a.collection.cmp(&b.collection))
}

/// FNV-1a: the same text gives the same number on every start.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn corners(rect: Rect<f64>) -> [f64; 4] {
    [rect.min().x, rect.min().y, rect.max().x, rect.max().y]
}

fn entry(habits: &Habits, url: &str, row: &Row) -> Result<Entry, String> {
    let unusable = || format!("the row of `{}` has no time or no footprint", row.id);
    let time = row.datetime.or(row.start).ok_or_else(unusable)?;
    let geometry = table::footprint(&row.footprint).ok_or_else(unusable)?;
    let bounds = corners(geometry.bounding_rect().ok_or_else(unusable)?);

    let mut properties = Map::new();
    properties.insert("datetime".into(), row.datetime.map_or(Value::Null, |at| json!(text(at))));
    if let (Some(start), Some(end)) = (row.start, row.end) {
        properties.insert("start_datetime".into(), json!(text(start)));
        properties.insert("end_datetime".into(), json!(text(end)));
    }
    assets::properties(row, &mut properties);
    if let Some(cloud) = row.cloud {
        properties.insert("eo:cloud_cover".into(), json!(cloud));
    }

    let (collection, links) = match habits.speaks {
        Speaks::Records => (records::CATALOGUE, json!([])),
        Speaks::Files => (row.collection.as_str(), files::item_links()),
        Speaks::StacApi(_) | Speaks::Resto => (row.collection.as_str(), item_links(url, row)),
    };
    let item = json!({
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": row.id,
        "collection": collection,
        "geometry": geojson::GeometryValue::from(&geometry),
        "bbox": bounds,
        "properties": properties,
        "links": links,
        "assets": assets::assets(habits.id, row),
    });
    let span = (row.start.unwrap_or(time), row.end.unwrap_or(time));
    let (collection, id, text) = (collection.to_owned(), row.id.clone(), item.to_string());
    Ok(Entry { collection, id, time, span, geometry, cloud: row.cloud, text })
}

fn item_links(url: &str, row: &Row) -> Value {
    let of = format!("{url}/collections/{}", segment(&row.collection));
    json!([
        { "rel": "self", "type": "application/geo+json", "href": format!("{of}/items/{}", segment(&row.id)) },
        { "rel": "root", "type": "application/json", "href": format!("{url}/") },
        { "rel": "parent", "type": "application/json", "href": of },
        { "rel": "collection", "type": "application/json", "href": of },
    ])
}

/// What Items cover together; `None` of none. `growing`: more will come.
pub fn extent(entries: &[&Entry], growing: bool) -> Option<Value> {
    let first = entries.iter().map(|entry| entry.span.0).min()?;
    let last = entries.iter().map(|entry| entry.span.1).max()?;
    let boxes: Vec<[f64; 4]> = entries.iter().filter_map(|entry| entry.geometry.bounding_rect()).map(corners).collect();
    let least = |place: usize| boxes.iter().map(|bounds| bounds[place]).fold(f64::INFINITY, f64::min);
    let most = |place: usize| boxes.iter().map(|bounds| bounds[place]).fold(f64::NEG_INFINITY, f64::max);
    Some(json!({
        "spatial": { "bbox": [[least(0), least(1), most(2), most(3)]] },
        "temporal": { "interval": [[text(first), if growing { Value::Null } else { json!(text(last)) }]] },
    }))
}

/// `None` for a Collection without Items: it would have no extent.
fn collection(habits: &Habits, url: &str, known: &Described, entries: &[Entry]) -> Option<(String, Value)> {
    let own: Vec<&Entry> = entries.iter().filter(|entry| entry.collection == known.id).collect();
    let growing = habits.id == "GRNET-OPENSTACK" && known.id.starts_with("sentinel-2");
    let extent = extent(&own, growing)?;
    let (license, license_page) = assets::licence(habits.id);
    let files = habits.speaks == Speaks::Files;
    let mut links = if files { files::collection_links(&own) } else { collection_links(url, known) };
    links.push(json!({ "rel": "license", "type": "text/html", "href": license_page }));
    let document = json!({
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": known.id,
        "title": known.title,
        "description": known.description,
        "keywords": known.keywords,
        "license": license,
        "providers": [{ "name": habits.title, "roles": ["host"] }],
        "extent": extent,
        "links": links,
    });
    Some((known.id.to_owned(), document))
}

fn collection_links(url: &str, known: &Described) -> Vec<Value> {
    let own_url = format!("{url}/collections/{}", segment(known.id));
    vec![
        json!({ "rel": "self", "type": "application/json", "href": own_url }),
        json!({ "rel": "root", "type": "application/json", "href": format!("{url}/") }),
        json!({ "rel": "parent", "type": "application/json", "href": format!("{url}/") }),
        json!({ "rel": "items", "type": "application/geo+json", "href": format!("{own_url}/items") }),
    ]
}
