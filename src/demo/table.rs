//! The rows of the embedded tables: facts about real products, one per line. Knows nothing of STAC documents.
//!
//! `data/<member>.tsv` has the columns `collection`, `id`, `datetime`, `start`, `end`, `cloud`, `footprint`; an empty field is
//! absent. A footprint is `west south east north`, or one ring per polygon as `lon lat,lon lat,…`, rings joined by `;`.
//! `data/collections.tsv` has `member`, `id`, `title`, `description`, `keywords` joined by `;`.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use geo::{Coord, Geometry, LineString, MultiPolygon, Polygon, Rect};

/// One Item as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub collection: String,
    pub id: String,
    pub datetime: Option<DateTime<Utc>>,
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
    /// Percent.
    pub cloud: Option<f64>,
    /// As written: read by [`footprint`].
    pub footprint: String,
}

/// One Collection as a row.
#[derive(Debug, Clone)]
pub struct Described {
    pub id: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub keywords: Vec<&'static str>,
}

/// Reads a table of Items, its head line left out.
///
/// # Errors
/// The first line that cannot be read.
pub fn rows(text: &str) -> Result<Vec<Row>, String> {
    text.lines().skip(1).map(row).collect()
}

fn row(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [collection, id, datetime, start, end, cloud, footprint] = fields[..] else {
        return Err(format!("the row `{line}` has {} fields; accepted: 7", fields.len()));
    };
    Ok(Row {
        collection: collection.to_owned(),
        id: id.to_owned(),
        datetime: optional(datetime)?,
        start: optional(start)?,
        end: optional(end)?,
        cloud: optional(cloud)?,
        footprint: footprint.to_owned(),
    })
}

/// Nothing for an empty field.
fn optional<T: FromStr>(text: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_not_one| format!("`{text}` is not what its column holds"))
}

/// The Collections of one member, in the order of the table.
pub fn described(text: &'static str, member: &str) -> Vec<Described> {
    let of_member = text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        if fields.next()? != member {
            return None;
        }
        let (id, title, description) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Described { id, title, description, keywords: fields.next()?.split(';').collect() })
    });
    of_member.collect()
}

/// The geometry of a footprint as written.
pub fn footprint(text: &str) -> Option<Geometry<f64>> {
    if !text.contains(',') {
        let numbers: Vec<f64> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [west, south, east, north] = numbers[..] else { return None };
        let corners = Rect::new(Coord { x: west, y: south }, Coord { x: east, y: north });
        return Some(Geometry::Polygon(corners.to_polygon()));
    }
    let polygons: Vec<Polygon<f64>> = text.split(';').map(ring).collect::<Option<_>>()?;
    match <[Polygon<f64>; 1]>::try_from(polygons) {
        Ok([one]) => Some(Geometry::Polygon(one)),
        Err(many) => Some(Geometry::MultiPolygon(MultiPolygon::new(many))),
    }
}

fn ring(text: &str) -> Option<Polygon<f64>> {
    let corner = |pair: &str| -> Option<Coord<f64>> {
        let (x, y) = pair.split_once(' ')?;
        Some(Coord { x: x.parse().ok()?, y: y.parse().ok()? })
    };
    let corners: Vec<Coord<f64>> = text.split(',').map(corner).collect::<Option<_>>()?;
    Some(Polygon::new(LineString::new(corners), Vec::new()))
}
