//! What a request asks of a member, and whether an Item meets it.
//!
//! Evaluated plainly, Item by Item: the demo's checks compare the broker with this.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use geo::{Coord, Geometry, Intersects, Rect};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::catalog::Entry;
use super::filter::Filter;

/// The conditions, the order and the page of one request.
#[derive(Debug, Default)]
pub struct Conditions {
    pub ids: Option<Vec<String>>,
    pub collections: Option<Vec<String>>,
    /// Any of these: a box across the antimeridian is two, a geometry one.
    pub area: Option<Vec<Geometry<f64>>>,
    pub datetime: Option<Ends>,
    pub filter: Option<Filter>,
    /// Field without `properties.`, and whether descending.
    pub sortby: Vec<(String, bool)>,
    pub limit: Option<usize>,
    /// `token` or `page`, as given.
    pub place: Option<(String, String)>,
}

impl Conditions {
    /// Reads a query string.
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn from_query(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            asked.parameter(&name, &value)?;
        }
        Ok(asked)
    }

    fn parameter(&mut self, name: &str, value: &str) -> Result<(), String> {
        let list = || value.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        match name {
            "ids" => self.ids = Some(list()),
            "collections" => self.collections = Some(list()),
            "bbox" => {
                let numbers: Result<Vec<f64>, _> = value.split(',').map(|part| part.trim().parse::<f64>()).collect();
                self.area = Some(boxes(&numbers.map_err(|wrong| format!("`bbox`: {wrong}"))?)?);
            }
            "intersects" => {
                let parsed: Value = serde_json::from_str(value).map_err(|wrong| format!("`intersects`: {wrong}"))?;
                self.area = Some(vec![geometry(&parsed)?]);
            }
            "datetime" => self.datetime = Some(interval(value)?),
            "filter" => {
                let parsed: Value = serde_json::from_str(value).map_err(|wrong| format!("`filter`: {wrong}"))?;
                self.filter = Some(Filter::read(&parsed)?);
            }
            "limit" => self.limit = Some(limit(value.parse().ok())?),
            "sortby" => {
                let keys = value.split(',').filter(|part| !part.trim().is_empty());
                // An unescaped plus sign arrives as a space.
                let key = |part: &str| sort_key(part.trim_start_matches(['+', '-', ' ']), part.starts_with('-'));
                self.sortby = keys.map(key).collect::<Result<_, _>>()?;
            }
            "token" | "page" => self.place = Some((name.to_owned(), value.to_owned())),
            _ => {}
        }
        Ok(())
    }

    /// Reads the body of a POST.
    ///
    /// # Errors
    /// The first member that is wrong.
    pub fn from_body(body: &Map<String, Value>) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in body {
            asked.member(name, value)?;
        }
        Ok(asked)
    }

    fn member(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let wrong = || format!("`{name}` has the wrong type");
        let texts = || -> Result<Vec<String>, String> {
            let list = value.as_array().ok_or_else(wrong)?;
            list.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        };
        match name {
            "ids" => self.ids = Some(texts()?),
            "collections" => self.collections = Some(texts()?),
            "bbox" => {
                let list = value.as_array().ok_or_else(wrong)?;
                let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
                self.area = Some(boxes(&numbers.ok_or_else(wrong)?)?);
            }
            "intersects" => self.area = Some(vec![geometry(value)?]),
            "datetime" => self.datetime = Some(interval(value.as_str().ok_or_else(wrong)?)?),
            "filter" => self.filter = Some(Filter::read(value)?),
            "limit" => self.limit = Some(limit(value.as_u64())?),
            "sortby" => {
                let key = |one: &Value| -> Result<(String, bool), String> {
                    let field = one["field"].as_str().ok_or_else(wrong)?;
                    sort_key(field, one["direction"].as_str() == Some("desc"))
                };
                self.sortby = value.as_array().ok_or_else(wrong)?.iter().map(key).collect::<Result<_, _>>()?;
            }
            "token" => self.place = Some((name.to_owned(), value.as_str().ok_or_else(wrong)?.to_owned())),
            _ => {}
        }
        Ok(())
    }

    /// Whether the Item meets every condition.
    pub fn hold(&self, entry: &Entry) -> bool {
        let among = |list: &Option<Vec<String>>, value: &String| list.as_ref().is_none_or(|list| list.contains(value));
        among(&self.ids, &entry.id)
            && among(&self.collections, &entry.collection)
            && self.datetime.is_none_or(|(start, end)| {
                start.is_none_or(|start| entry.span.1 >= start) && end.is_none_or(|end| entry.span.0 <= end)
            })
            && self.area.as_ref().is_none_or(|areas| areas.iter().any(|area| area.intersects(&entry.geometry)))
            && self.filter.as_ref().is_none_or(|filter| filter.holds(entry) == Some(true))
    }

    /// The order asked for; ties by id, then by collection.
    pub fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let keys = self.sortby.iter().map(|(field, descending)| {
            let turned = |order: Ordering| if *descending { order.reverse() } else { order };
            match field.as_str() {
                "id" => turned(a.id.cmp(&b.id)),
                "collection" => turned(a.collection.cmp(&b.collection)),
                CLOUD => match (a.cloud, b.cloud) {
                    (Some(a), Some(b)) => turned(a.total_cmp(&b)),
                    // those without come last in both directions
                    (a, b) => a.is_none().cmp(&b.is_none()),
                },
                _ => turned(a.time.cmp(&b.time)),
            }
        });
        keys.fold(Ordering::Equal, Ordering::then)
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| a.collection.cmp(&b.collection))
    }
}

/// The one property that can be sorted by.
const CLOUD: &str = "eo:cloud_cover";

fn sort_key(field: &str, descending: bool) -> Result<(String, bool), String> {
    let field = field.strip_prefix("properties.").unwrap_or(field);
    match field {
        "datetime" | "id" | "collection" | CLOUD => Ok((field.to_owned(), descending)),
        _ => Err(format!("`sortby` names `{field}`; accepted: datetime, id, collection, {CLOUD}")),
    }
}

fn limit(given: Option<u64>) -> Result<usize, String> {
    let positive = given.filter(|limit| *limit > 0).ok_or("`limit` is not a positive integer")?;
    usize::try_from(positive).map_err(|wrong| format!("`limit`: {wrong}"))
}

/// Four or six numbers; west > east crosses the antimeridian.
fn boxes(numbers: &[f64]) -> Result<Vec<Geometry<f64>>, String> {
    let ([west, south, east, north] | [west, south, _, east, north, _]) = *numbers else {
        return Err(format!("`bbox` has {} numbers; accepted: 4 or 6", numbers.len()));
    };
    if south > north || !numbers.iter().all(|number| number.is_finite()) {
        return Err("`bbox` is not an area".into());
    }
    let area = |west, east| Geometry::Rect(Rect::new(Coord { x: west, y: south }, Coord { x: east, y: north }));
    Ok(if west > east { vec![area(west, 180.0), area(-180.0, east)] } else { vec![area(west, east)] })
}

fn geometry(value: &Value) -> Result<Geometry<f64>, String> {
    let parsed: geojson::Geometry =
        serde_json::from_value(value.clone()).map_err(|wrong| format!("`intersects`: {wrong}"))?;
    Geometry::try_from(parsed).map_err(|wrong| format!("`intersects`: {wrong}"))
}

/// Start and end; `None` is open.
type Ends = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn interval(value: &str) -> Result<Ends, String> {
    let end = |part: &str| -> Result<Option<DateTime<Utc>>, String> {
        if part.is_empty() || part == ".." {
            return Ok(None);
        }
        let at = DateTime::parse_from_rfc3339(part).map_err(|wrong| format!("`datetime` is `{value}`: {wrong}"))?;
        Ok(Some(at.to_utc()))
    };
    match value.split_once('/') {
        None => end(value).map(|at| (at, at)),
        Some((from, to)) => Ok((end(from)?, end(to)?)),
    }
}
