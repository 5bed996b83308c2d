//! A member that answers as resto 10 does (`members.md` 6.1), by the rules of its source, not by those of the standard.

use serde_json::{Value, json};

use super::store::instant;
use super::stub::{Asked, Kind, collections, landing, one_item};

/// Unknown parameters of a GET are words to look for: nothing has them.
const KNOWN: [&str; 11] = [
    "limit",
    "collections",
    "ids",
    "intersects",
    "bbox",
    "datetime",
    "sortby",
    "filter",
    "filter-lang",
    "next",
    "page",
];

pub struct Resto {
    items: Vec<Value>,
    /// Whether it says of itself what it is.
    says: bool,
}

/// An Item with the number that it is sorted by: its milliseconds, and how many came before it.
struct Row<'a> {
    index: Option<i64>,
    item: &'a Value,
}

impl Resto {
    pub fn new(items: Vec<Value>) -> Self {
        Self { items, says: true }
    }

    pub fn silent(items: Vec<Value>) -> Self {
        Self { items, says: false }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let starts = |item: &Value| {
            let properties = &item["properties"];
            instant(properties["start_datetime"].as_str().or_else(|| properties["datetime"].as_str())?)
        };
        let index = |(sequence, item): (usize, &Value)| {
            Some((starts(item)?.div_euclid(1000) << 17) | i64::try_from(sequence % 131_072).unwrap())
        };
        self.items.iter().enumerate().map(|(n, item)| Row { index: index((n + 1, item)), item }).collect()
    }

    fn search(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        if asked.query.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return Ok(self.page(base, asked, &[], 10));
        }
        if asked.get("intersects").is_some() && asked.get("bbox").is_some() {
            return Err(400);
        }
        let limit = asked.number("limit").unwrap_or(10).min(500);
        let mut rows = self.rows();
        match asked.get("ids") {
            // `ids` override, and only a single one is turned into what the database knows
            Some(ids) => rows.retain(|row| !ids.contains(',') && row.item["id"] == ids),
            None => restrict(&mut rows, asked)?,
        }
        let sortby = asked.get("sortby").unwrap_or("startDate");
        if sortby.contains(|c: char| !c.is_ascii_alphabetic() && c != '-') {
            return Err(400);
        }
        let ascending = sortby.starts_with('-');
        if sortby.trim_start_matches('-') != "startDate" {
            return Err(400);
        }
        // a place means "less than", whichever the order
        if let Some(next) = asked.get("next") {
            let next: i64 = next.parse().map_err(|_odd| 400_u16)?;
            rows.retain(|row| row.index.is_some_and(|index| index < next));
        }
        // the database puts what has no time first when it goes down, and last when it goes up
        rows.sort_by_key(|row| row.index.unwrap_or(i64::MAX));
        if !ascending {
            rows.reverse();
        }
        Ok(self.page(base, asked, &rows, limit))
    }

    fn page(&self, base: &str, asked: &Asked, rows: &[Row<'_>], limit: usize) -> Value {
        let page = &rows[..rows.len().min(limit)];
        let mut links =
            vec![json!({"rel": "self", "href": format!("{base}/search")}), json!({"rel": "root", "href": base})];
        if asked.get("next").is_some() {
            links.push(json!({"rel": "first", "href": format!("{base}/search?limit={limit}")}));
        }
        if let Some(index) = page.last().and_then(|row| row.index).filter(|_| page.len() >= limit) {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(asked.query.iter().filter(|(name, _)| *name != "next" && *name != "limit"));
            query.append_pair("next", &index.to_string()).append_pair("limit", &limit.to_string());
            links.push(json!({"rel": "next", "type": "application/geo+json", "href": format!("{base}/search?{}", query.finish())}));
        }
        let matched = estimate(rows.len());
        let features: Vec<&Value> = page.iter().map(|row| row.item).collect();
        json!({
            "type": "FeatureCollection", "id": "20ac2fc6", "links": links, "timeStamp": "2026-01-01T00:00:00Z",
            "context": self.says.then(|| json!({"returned": page.len(), "limit": limit, "matched": matched, "exactCount": rows.len() < 100, "startIndex": 1})),
            "numberMatched": matched, "numberReturned": page.len(), "features": features,
        })
    }
}

/// The conditions beside `ids`.
fn restrict(rows: &mut Vec<Row<'_>>, asked: &Asked) -> Result<(), u16> {
    if let Some(collections) = asked.get("collections") {
        let named: Vec<&str> = collections.split(',').collect();
        // a single one is looked for first
        if named.len() == 1 && rows.iter().all(|row| row.item["collection"] != collections) {
            return Err(404);
        }
        rows.retain(|row| named.iter().any(|id| row.item["collection"] == *id));
    }
    if let Some(bbox) = asked.get("bbox") {
        let numbers: Vec<f64> =
            bbox.split(',').map(|text| text.parse().map_err(|_odd| 400_u16)).collect::<Result<_, _>>()?;
        let [west, south, east, north] = *numbers.as_slice() else { return Err(400) };
        rows.retain(|row| {
            let at = |n: usize| row.item["bbox"][n].as_f64().unwrap();
            at(0) <= east && at(2) >= west && at(1) <= north && at(3) >= south
        });
    }
    if let Some(datetime) = asked.get("datetime") {
        let (from, until) = interval(datetime)?;
        rows.retain(|row| {
            row.index
                .is_some_and(|index| from.is_none_or(|from| index >= from) && until.is_none_or(|until| index <= until))
        });
    }
    if let Some(filter) = asked.get("filter") {
        if asked.get("filter-lang").is_some_and(|language| language != "cql2-text") {
            return Err(400);
        }
        let parts: Vec<&str> = filter.split(" AND ").collect();
        for part in parts {
            let words: Vec<&str> = part.split_whitespace().collect();
            let ["eo:cloud_cover" | "\"eo:cloud_cover\"", op, number] = words.as_slice() else { return Err(400) };
            let number: f64 = number.parse().map_err(|_odd| 400_u16)?;
            rows.retain(|row| match (row.item["properties"]["eo:cloud_cover"].as_f64(), *op) {
                (Some(value), "<") => value < number,
                (Some(value), "<=") => value <= number,
                (Some(value), ">") => value > number,
                (Some(value), ">=") => value >= number,
                (Some(value), "=") => (value - number).abs() < f64::EPSILON,
                _ => false,
            });
        }
    }
    Ok(())
}

/// The first and the last number of an interval: an instant is its second, and both ends are first numbers.
fn interval(text: &str) -> Result<(Option<i64>, Option<i64>), u16> {
    let first = |text: &str| match text {
        "" | ".." => Ok(None),
        text => instant(text).map(|at| Some(at.div_euclid(1000) << 17)).ok_or(400_u16),
    };
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [one] => {
            let at = instant(one).ok_or(400_u16)?.div_euclid(1_000_000) * 1000;
            Ok((Some(at << 17), Some((at + 1000) << 17)))
        }
        ["" | "..", "" | ".."] => Err(400),
        [from, until] => Ok((first(from)?, first(until)?)),
        _ => Err(400),
    }
}

/// Two digits of large counts.
fn estimate(count: usize) -> usize {
    let unit = 10_usize.pow(u32::try_from(count.to_string().len().saturating_sub(2)).unwrap());
    if count < 100 { count } else { (count + unit / 2) / unit * unit }
}

impl Kind for Resto {
    fn answer(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        match asked.path.as_str() {
            "" => {
                let classes = [
                    "core",
                    "collections",
                    "item-search",
                    "item-search#sort",
                    "item-search#fields",
                    "item-search#filter",
                ];
                let mut page = landing(base, &classes, &["GET", "POST"]);
                let cql2 = ["basic-cql2", "cql2-text", "basic-spatial-functions"];
                let class = |name| Value::from(format!("http://www.opengis.net/spec/cql2/1.0/conf/{name}"));
                page["conformsTo"].as_array_mut().unwrap().extend(cql2.map(class));
                if self.says {
                    page["resto:version"] = "10.1.0".into();
                }
                Ok(page)
            }
            "collections" => Ok(collections(&self.items)),
            "search" if asked.method == "GET" => self.search(base, asked),
            "search" => {
                // the body becomes parameters; a list to sort by is none
                let known = ["limit", "collections", "ids", "bbox", "intersects", "datetime", "next"];
                let object = asked.body.as_object().ok_or(400_u16)?;
                if object.keys().any(|name| !known.contains(&name.as_str())) {
                    return Err(400);
                }
                let text = |value: &Value| match value {
                    Value::String(text) => text.clone(),
                    Value::Array(list) => {
                        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        list.iter().map(plain).collect::<Vec<_>>().join(",")
                    }
                    other => other.to_string(),
                };
                let query = object.iter().map(|(name, value)| (name.clone(), text(value))).collect();
                self.search(base, &Asked { query, ..asked.clone() })
            }
            path => one_item(&self.items, path),
        }
    }
}
