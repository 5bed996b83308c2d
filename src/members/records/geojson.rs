//! OGC API - Records, Part 1, record as GeoJSON -> [`Record`] (clause 8, Tables 8 to 12); older drafts where they differ.
//!
//! A member of the wrong type counts as absent: one odd member must not cost the record.

use serde_json::Value;
use url::Url;

use super::moments;
use super::notes::{Note, Notes};
use super::places::Place;
use super::record::{ENTRIES_MAX, Format, Party, Record, Resource, Role, Terms, address, keep, line, paragraphs};
use crate::federation::Interval;

/// Vertices of a geometry that is kept; a record with more has its box.
const VERTICES_MAX: usize = 10_000;
/// Longest relation or media type that is passed on.
const TOKEN_CHARS_MAX: usize = 200;
/// Texts of `license` that say nothing but that it is said elsewhere.
const SAID_ELSEWHERE: [&str; 3] = ["other", "various", "not-provided"];

/// Reads one record. `items` is the address of the catalogue's records.
///
/// # Errors
/// Why it is left out, as a clause for people.
pub fn record(feature: &Value, items: &Url, notes: &mut Notes) -> Result<Record, &'static str> {
    let id = match feature.get("id") {
        Some(Value::String(id)) if !id.trim().is_empty() => id.trim().to_owned(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err("it has no `id`"),
    };
    let empty = Value::Null;
    let properties = feature.get("properties").unwrap_or(&empty);
    if !is_dataset(properties) {
        notes.add(Note::NotADataset, &id);
        return Err("it describes no data set or series");
    }
    let own = own_address(items, &id);
    let mut record = Record { href: Some((own.clone(), "application/geo+json")), id, ..Record::default() };
    record.title = text(properties, "title").and_then(line);
    record.description = text(properties, "description").and_then(paragraphs);
    record.keywords = keywords(properties);
    let stamp = |names: &[&str]| names.iter().find_map(|name| moments::first(text(properties, name)?));
    record.created = stamp(&["created", "recordCreated", "record-created"]);
    record.updated = stamp(&["updated", "recordUpdated", "record-updated"]);
    place(feature, properties, &mut record, notes);
    times(feature, properties, &mut record, notes);
    record.parties = parties(properties);
    record.formats = formats(properties);
    for known in list(properties, "externalIds") {
        if let Some(value) = text(known, "value").or(known.as_str()).and_then(line) {
            keep(&mut record.identifiers, value);
        }
    }
    for name in ["license", "rights"] {
        if let Some(text) =
            text(properties, name).and_then(line).filter(|text| !SAID_ELSEWHERE.contains(&text.as_str()))
        {
            keep(&mut record.terms, Terms { text: Some(text), href: None });
        }
    }
    links(feature, &own, &mut record, notes);
    Ok(record)
}

/// The address of one record of a catalogue (requirement `record-core`: `/collections/{catalogue}/items/{id}`).
fn own_address(items: &Url, id: &str) -> Url {
    let mut own = items.clone();
    own.set_query(None);
    if let Ok(mut path) = own.path_segments_mut() {
        path.pop_if_empty().push(id);
    }
    own
}

/// `type` may be a code or the address of one; a server that was asked for data sets may still send others.
fn is_dataset(properties: &Value) -> bool {
    let Some(kind) = text(properties, "type") else { return true };
    let code = kind.rsplit(['/', '#', ':']).next().unwrap_or(kind);
    ["dataset", "series", "collection"].iter().any(|known| code.eq_ignore_ascii_case(known))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten().take(ENTRIES_MAX)
}

/// Keywords, and the concepts of `themes` by their title, else by their id.
fn keywords(properties: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for word in list(properties, "keywords").filter_map(Value::as_str).filter_map(line) {
        keep(&mut found, word);
    }
    for concept in list(properties, "themes").flat_map(|theme| list(theme, "concepts")) {
        let name = text(concept, "title").or_else(|| text(concept, "id")).or(concept.as_str());
        if let Some(word) = name.and_then(line) {
            keep(&mut found, word);
        }
    }
    found
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().take(7).map(Value::as_f64).collect()
}

/// Boxes: those of `extent` (drafts), else `bbox`, else that of the geometry.
fn place(feature: &Value, properties: &Value, record: &mut Record, notes: &mut Notes) {
    let spatial = ["extent", "extents"].iter().find_map(|name| properties.get(name)?.get("spatial"));
    let boxes: Vec<&Value> = spatial.map(|spatial| list(spatial, "bbox").collect()).unwrap_or_default();
    let boxes = if boxes.is_empty() { feature.get("bbox").into_iter().collect() } else { boxes };
    for given in boxes {
        match numbers(given).and_then(|numbers| Place::from_numbers(&numbers)) {
            Some(place) => keep(&mut record.places, place),
            None => notes.add(Note::BoxLeftOut, &record.id),
        }
    }
    let Some(given) = feature.get("geometry").filter(|geometry| !geometry.is_null()) else { return };
    let parsed = serde_json::from_value::<geojson::Geometry>(given.clone()).ok();
    let Some(geometry) = parsed.and_then(|geometry| geo::Geometry::<f64>::try_from(geometry).ok()) else {
        notes.add(Note::BoxLeftOut, &record.id);
        return;
    };
    let around = geo::BoundingRect::bounding_rect(&geometry);
    let around = around.and_then(|rect| Place::new(rect.min().x, rect.min().y, rect.max().x, rect.max().y));
    let Some(around) = around else {
        notes.add(Note::BoxLeftOut, &record.id);
        return;
    };
    if record.places.is_empty() {
        record.places.push(around);
    }
    if geo::CoordsIter::coords_count(&geometry) <= VERTICES_MAX {
        record.geometry = Some(given.clone());
    }
}

/// `time` is an object with a date, a timestamp or an interval; drafts had it below `properties`, or as text or list.
fn times(feature: &Value, properties: &Value, record: &mut Record, notes: &mut Notes) {
    let temporal = ["extent", "extents"].iter().find_map(|name| properties.get(name)?.get("temporal"));
    let several = temporal.and_then(|temporal| temporal.get("interval")).and_then(Value::as_array);
    let given = feature.get("time").filter(|time| !time.is_null()).or_else(|| properties.get("time"));
    let given = given.filter(|time| !time.is_null());
    let intervals: Vec<&Value> = several.into_iter().flatten().take(ENTRIES_MAX).collect();
    for time in given.into_iter().chain(intervals) {
        match time_of(time) {
            // Open at both ends says nothing.
            Some(Interval { start: None, end: None }) => {}
            Some(interval) => keep(&mut record.times, interval),
            None => notes.add(Note::TimeLeftOut, &record.id),
        }
    }
}

fn time_of(time: &Value) -> Option<Interval> {
    match time {
        Value::String(text) => match text.split_once('/') {
            Some((start, end)) => ends(Some(start), Some(end)),
            None => moments::span(text),
        },
        Value::Array(pair) => match pair.as_slice() {
            [at] => time_of(at),
            [start, end] => ends(start.as_str(), end.as_str()),
            _ => None,
        },
        Value::Object(members) => {
            let named = ["interval", "timestamp", "date"].iter().find_map(|name| members.get(*name));
            named.filter(|value| !value.is_object()).and_then(time_of)
        }
        _ => None,
    }
}

/// Null, nothing and `..` are open ends.
fn ends(start: Option<&str>, end: Option<&str>) -> Option<Interval> {
    let given = |text: Option<&str>| text.filter(|text| !matches!(text.trim(), "" | "..")).map(str::to_owned);
    let (start, end) = (given(start), given(end));
    let interval = Interval {
        start: start.as_deref().map(moments::first).map_or(Some(None), |at| at.map(Some))?,
        end: end.as_deref().map(moments::last).map_or(Some(None), |at| at.map(Some))?,
    };
    let backwards = matches!((interval.start, interval.end), (Some(start), Some(end)) if start > end);
    (!backwards).then_some(interval)
}

fn parties(properties: &Value) -> Vec<Party> {
    let mut found = Vec::new();
    for contact in list(properties, "contacts").chain(list(properties, "providers")) {
        let name = ["organization", "name"].iter().find_map(|name| text(contact, name).and_then(line));
        let Some(name) = name else { continue };
        let role = |role: &Value| role.as_str().or_else(|| text(role, "name")).map(str::to_owned);
        let href = list(contact, "links").find_map(|link| text(link, "href")).or_else(|| text(contact, "url"));
        let url = href.and_then(address).filter(|url| url.scheme().starts_with("http"));
        found.push(Party { name, url, roles: list(contact, "roles").filter_map(role).collect() });
    }
    found
}

fn formats(properties: &Value) -> Vec<Format> {
    let mut found = Vec::new();
    for format in list(properties, "formats") {
        let name = format.as_str().or_else(|| text(format, "name")).and_then(line);
        let media = text(format, "mediaType").and_then(token);
        if name.is_some() || media.is_some() {
            keep(&mut found, Format { name, media });
        }
    }
    found
}

/// A relation or a media type: one word.
fn token(text: &str) -> Option<String> {
    let text = text.trim();
    let good = !text.is_empty()
        && text.len() <= TOKEN_CHARS_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    good.then(|| text.to_owned())
}

fn links(feature: &Value, own: &Url, record: &mut Record, notes: &mut Notes) {
    for link in list(feature, "links") {
        let Some(given) = text(link, "href") else { continue };
        let rel = text(link, "rel").and_then(token).filter(|rel| !rel.contains(' '));
        let rel = rel.as_deref().unwrap_or_default();
        if matches!(rel, "self" | "alternate" | "collection" | "canonical") {
            continue;
        }
        let Some(href) = own.join(given.trim()).ok().and_then(|url| address(url.as_str())) else {
            notes.add(Note::AddressLeftOut, &record.id);
            continue;
        };
        let title = text(link, "title").and_then(line);
        if rel == "license" {
            keep(&mut record.terms, Terms { text: title, href: Some(href) });
            continue;
        }
        let protocol = text(link, "protocol").and_then(line);
        let media = text(link, "type").and_then(token);
        let role = match rel {
            "" | "item" => Role::Unsaid,
            "enclosure" | "data" | "download" => Role::Download,
            "preview" | "icon" | "thumbnail" => Role::Preview,
            rel => Role::Relation(rel.to_owned()),
        };
        let name = text(link, "name").and_then(line);
        keep(&mut record.resources, Resource { href, protocol, name, title, media, role });
    }
}

#[cfg(test)]
mod tests;
