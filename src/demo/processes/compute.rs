//! What the processes do: real computations on the member's own catalogue.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::demo::catalog::{Catalog, Entry, segment};
use crate::demo::conditions::Conditions;

/// Items that a request may name one by one.
const ITEMS_NAMED_MAX: usize = 1_000;
/// Items that a subset gives; `statistics` has no such bound, since its answer does not grow.
const SUBSET_ITEMS_MAX: usize = 500;

/// An Execute request's inputs, read.
#[derive(Debug)]
pub struct Inputs {
    /// Collection and id of Items named one by one; empty: all that meet the conditions.
    items: Vec<(String, String)>,
    conditions: Conditions,
}

impl Inputs {
    /// Reads `inputs`. Item and Collection addresses are those of the catalogue at `stac_url`.
    ///
    /// # Errors
    /// The first input that is wrong.
    pub fn read(inputs: &Map<String, Value>, stac_url: &str) -> Result<Self, String> {
        let mut read = Self { items: Vec::new(), conditions: Conditions::default() };
        for (name, value) in inputs {
            match name.as_str() {
                "items" => read.items = items(value, stac_url)?,
                "collection" => read.conditions.collections = Some(vec![collection(value, stac_url)?]),
                "bbox" | "datetime" => {
                    let value = value.get("bbox").unwrap_or(value);
                    read.conditions = condition(name, value, read.conditions)?;
                }
                _ => return Err(format!("`{name}` is no input; accepted: items, collection, bbox, datetime")),
            }
        }
        if read.items.is_empty() && read.conditions.collections.is_none() {
            return Err("neither `items` nor `collection` is given; accepted: at least one of the two".to_owned());
        }
        Ok(read)
    }

    fn select<'a>(&self, catalog: &'a Catalog) -> Result<Vec<&'a Entry>, String> {
        let named = |entry: &Entry| self.items.iter().any(|(of, id)| *of == entry.collection && *id == entry.id);
        for (of, id) in &self.items {
            if !catalog.entries.iter().any(|entry| entry.collection == *of && entry.id == *id) {
                return Err(format!("no Item `{id}` in Collection `{of}` is held here"));
            }
        }
        if let Some([wanted]) = self.conditions.collections.as_deref()
            && !catalog.collections.iter().any(|(id, _)| id == wanted)
        {
            return Err(format!("no Collection `{wanted}` is held here"));
        }
        let all = catalog.entries.iter();
        Ok(all.filter(|entry| (self.items.is_empty() || named(entry)) && self.conditions.hold(entry)).collect())
    }
}

/// Conditions are read the way a search's are; what was read before stays.
fn condition(name: &str, value: &Value, before: Conditions) -> Result<Conditions, String> {
    let value =
        value.as_str().filter(|_| name == "datetime").map_or_else(|| value.clone(), |text| json!(whole_days(text)));
    let read = Conditions::from_body(&Map::from_iter([(name.to_owned(), value)]))?;
    Ok(Conditions { area: read.area.or(before.area), datetime: read.datetime.or(before.datetime), ..before })
}

/// A `datetime` whose dates are whole days: from the first instant of the first to the last of the last.
fn whole_days(text: &str) -> String {
    let is_date = |part: &str| NaiveDate::parse_from_str(part, "%Y-%m-%d").is_ok();
    let end = |part: &str, time: &str| if is_date(part) { format!("{part}T{time}Z") } else { part.to_owned() };
    let (from, to) = match text.split_once('/') {
        Some(ends) => ends,
        None if is_date(text) => (text, text),
        None => return text.to_owned(),
    };
    format!("{}/{}", end(from, "00:00:00"), end(to, "23:59:59.999999999"))
}

/// One reference or a list of them: an address, or a link `{"href": address}`.
fn items(value: &Value, stac_url: &str) -> Result<Vec<(String, String)>, String> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() || list.len() > ITEMS_NAMED_MAX {
        return Err(format!("`items` names {} Items; accepted: 1 to {ITEMS_NAMED_MAX}", list.len()));
    }
    list.iter().map(|one| item(one, stac_url)).collect()
}

fn item(value: &Value, stac_url: &str) -> Result<(String, String), String> {
    let wrong = || format!("`items` holds {value}; accepted: addresses of Items below {stac_url}/collections/");
    let address = value.get("href").unwrap_or(value).as_str().ok_or_else(wrong)?;
    let path = address.strip_prefix(stac_url).and_then(|path| path.strip_prefix("/collections/")).ok_or_else(wrong)?;
    let (of, id) = path.split_once("/items/").ok_or_else(wrong)?;
    Ok((decoded(of), decoded(id)))
}

/// An id, or the address of a Collection of this catalogue.
fn collection(value: &Value, stac_url: &str) -> Result<String, String> {
    let text = value.get("collection").unwrap_or(value).as_str();
    let text = text.ok_or_else(|| format!("`collection` is {value}; accepted: an id or an address"))?;
    match text.strip_prefix(stac_url).and_then(|path| path.strip_prefix("/collections/")) {
        Some(id) => Ok(decoded(id)),
        None => Ok(text.to_owned()),
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// What the catalogue says of the Items selected: how many, since when, where, and how clouded.
///
/// # Errors
/// An Item or Collection that is not held here.
pub fn statistics(catalog: &Catalog, inputs: &Inputs) -> Result<Value, String> {
    let found = inputs.select(catalog)?;
    let first = found.iter().map(|entry| entry.span.0).min();
    let last = found.iter().map(|entry| entry.span.1).max();
    let mut per_year: Map<String, Value> = Map::new();
    for entry in &found {
        let year = entry.time.format("%Y").to_string();
        let count = per_year.get(&year).and_then(Value::as_u64).unwrap_or(0);
        per_year.insert(year, json!(count + 1));
    }
    per_year.sort_keys();
    Ok(json!({
        "items": found.len(),
        "interval": [first.map(text), last.map(text)],
        "bbox": bounds(&found),
        "per_year": per_year,
        "cloud_cover": clouds(&found),
    }))
}

/// The Items selected, whole.
///
/// # Errors
/// An Item or Collection that is not held here.
pub fn subset(catalog: &Catalog, inputs: &Inputs, stac_url: &str) -> Result<Value, String> {
    let found = inputs.select(catalog)?;
    let shown = found.iter().take(SUBSET_ITEMS_MAX);
    let features: Vec<Value> = shown.filter_map(|entry| serde_json::from_str(&entry.text).ok()).collect();
    let of = |entry: &&Entry| format!("{stac_url}/collections/{}", segment(&entry.collection));
    let link = found.first().map(|entry| json!({ "rel": "collection", "type": "application/json", "href": of(entry) }));
    Ok(json!({
        "type": "FeatureCollection",
        "features": features,
        "links": link.into_iter().collect::<Vec<_>>(),
        "numberMatched": found.len(),
        "numberReturned": features.len(),
    }))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The box around all footprints; null when nothing was selected.
fn bounds(found: &[&Entry]) -> Value {
    use geo::BoundingRect;
    let boxes = found.iter().filter_map(|entry| entry.geometry.bounding_rect());
    let around = boxes.reduce(|a, b| {
        geo::Rect::new(
            (a.min().x.min(b.min().x), a.min().y.min(b.min().y)),
            (a.max().x.max(b.max().x), a.max().y.max(b.max().y)),
        )
    });
    around.map_or(Value::Null, |all| json!([all.min().x, all.min().y, all.max().x, all.max().y]))
}

/// Least, mean and most cloud cover in percent, over the Items that state it; null when none does.
fn clouds(found: &[&Entry]) -> Value {
    let covers: Vec<f64> = found.iter().filter_map(|entry| entry.property("eo:cloud_cover")?.as_f64()).collect();
    if covers.is_empty() {
        return Value::Null;
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands of Items")]
    let mean = covers.iter().sum::<f64>() / covers.len() as f64;
    let least = covers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = covers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    json!({ "items": covers.len(), "least": least, "mean": (mean * 100.0).round() / 100.0, "most": most })
}
