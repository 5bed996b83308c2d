//! A member that answers as the older CDSE and CREODIAS catalogues do (`members.md` section 6): by GET and by the number
//! of the page, and with an error for whatever it does not know.

use serde_json::{Value, json};

use super::store::instant;
use super::stub::{Asked, Kind, collections, landing, one_item};

const KNOWN: [&str; 7] = ["limit", "collections", "ids", "bbox", "datetime", "sortby", "page"];
const PAGES: usize = 100;

pub struct Page {
    items: Vec<Value>,
    /// The Items' places from the oldest on, each with its time in microseconds.
    by_time: Vec<(usize, i64)>,
    /// Items of a page, at most, whatever is asked.
    cap: usize,
    /// So many Items of a page are shown again on the next one.
    repeats: usize,
}

impl Page {
    pub fn new(items: Vec<Value>) -> Self {
        let at = |item: &Value| instant(item["properties"]["datetime"].as_str().unwrap()).unwrap();
        let mut by_time: Vec<(usize, i64)> = items.iter().map(at).enumerate().collect();
        by_time.sort_by_key(|(_, at)| *at);
        Self { items, by_time, cap: 1000, repeats: 0 }
    }

    pub fn cap(self, cap: usize) -> Self {
        Self { cap, ..self }
    }

    pub fn repeats(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }

    fn search(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        if asked.query.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return Err(400);
        }
        let limit = asked.number("limit").unwrap_or(20);
        let number = asked.number("page").unwrap_or(1);
        if limit > 1000 || !(1..=PAGES).contains(&number) {
            return Err(400);
        }
        let limit = limit.min(self.cap);
        let interval = asked.get("datetime").map(interval);
        let timely = |at: i64| interval.is_none_or(|(from, until)| from <= at && at <= until);
        let inside = self.by_time.iter().filter(|(_, at)| timely(*at)).map(|(place, _)| &self.items[*place]);
        // Items of one time come in no order that means anything, though always in the same
        let mut found: Vec<&Value> = inside.filter(|item| meets(item, asked)).collect();
        let sortby = asked.get("sortby").unwrap_or("-datetime");
        if !["datetime", "start_datetime", "end_datetime"].contains(&sortby.trim_start_matches(['+', '-'])) {
            return Err(400);
        }
        if sortby.starts_with('-') {
            found.reverse();
        }
        let from = ((number - 1) * limit).saturating_sub(if number > 1 { self.repeats } else { 0 });
        let page: Vec<&Value> = found.iter().skip(from).take(limit).copied().collect();
        let mut links = vec![json!({"rel": "self", "href": format!("{base}/search")})];
        if from + page.len() < found.len() {
            // it leads to no address that can be asked, and repeats what it does not know itself
            links.push(json!({"rel": "next", "type": "text/html", "href": format!("http://internal.invalid:8000/x?page={}&bbox=None&offset=1", number + 1)}));
        }
        Ok(json!({"type": "FeatureCollection", "features": page, "links": links}))
    }
}

/// Both ends in microseconds.
fn interval(text: &str) -> (i64, i64) {
    let (from, until) = text.split_once('/').unwrap_or((text, text));
    let at = |text: &str, open: i64| if matches!(text, "" | "..") { open } else { instant(text).unwrap() };
    (at(from, i64::MIN), at(until, i64::MAX))
}

fn meets(item: &Value, asked: &Asked) -> bool {
    let listed = |name: &str, value: &Value| {
        asked.get(name).is_none_or(|list| list.split(',').any(|entry| value.as_str() == Some(entry)))
    };
    let inside = asked.get("bbox").is_none_or(|bbox| {
        let numbers: Vec<f64> = bbox.split(',').map(|text| text.parse().unwrap()).collect();
        let [west, south, east, north] = *numbers.as_slice() else { panic!("{bbox}") };
        let at = |n: usize| item["bbox"][n].as_f64().unwrap();
        at(0) <= east && at(2) >= west && at(1) <= north && at(3) >= south
    });
    listed("collections", &item["collection"]) && listed("ids", &item["id"]) && inside
}

impl Kind for Page {
    fn answer(&self, base: &str, asked: &Asked) -> Result<Value, u16> {
        match asked.path.as_str() {
            "" => Ok(landing(base, &["core", "collections"], &[])),
            "collections" => Ok(collections(&self.items)),
            "search" if asked.method == "GET" => self.search(base, asked),
            "search" => Err(405),
            path => one_item(&self.items, path),
        }
    }
}
