//! Which dialect a member speaks, told by what it sends. Pure.
//!
//! Two places: the landing page at discovery, and the first answer of a search when it is probed. One sign of a kind that
//! no other server gives is enough; without one the member is taken to speak the standard. The federation file overrules.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::federation::Dialect;

/// Links of an answer that are looked at.
const LINKS_MAX: usize = 1000;

/// A dialect, and what gave it away, for admins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub dialect: Dialect,
    pub sign: String,
}

impl Seen {
    fn new(dialect: Dialect, sign: impl Into<String>) -> Self {
        Self { dialect, sign: sign.into() }
    }
}

/// What a landing page gives away: its members, the conformance classes (which may stand elsewhere), and its headers.
pub fn in_landing(landing: &Map<String, Value>, conforms_to: &[String], _headers: &HeaderMap) -> Option<Seen> {
    if landing.contains_key("resto:version") {
        return Some(Seen::new(Dialect::Resto, "`resto:version` on the landing page"));
    }
    if conforms_to.iter().any(|class| class.ends_with("/resto-core")) {
        return Some(Seen::new(Dialect::Resto, "the conformance class `resto-core`"));
    }
    None
}

/// What the first page of a search gives away: the members beside `features`, and its headers.
pub fn in_answer(page: &Map<String, Value>, _headers: &HeaderMap) -> Option<Seen> {
    let context = page.get("context").and_then(Value::as_object);
    if context.is_some_and(|context| context.contains_key("exactCount")) {
        return Some(Seen::new(Dialect::Resto, "`context.exactCount` in an answer"));
    }
    if pages_by_number(page) && page.get("features").is_some_and(names_cloud_cover_its_own_way) {
        return Some(Seen::new(Dialect::Page, "`cloudCover` in an Item, and a `next` link by the number of the page"));
    }
    None
}

/// Whether the `next` link counts pages.
fn pages_by_number(page: &Map<String, Value>) -> bool {
    let links = page.get("links").and_then(Value::as_array);
    let mut next = links.into_iter().flatten().take(LINKS_MAX).filter(|link| link["rel"] == "next");
    next.any(|link| link["href"].as_str().is_some_and(|href| href.contains("?page=") || href.contains("&page=")))
}

/// Whether Items have `cloudCover` and none has the name of the extension.
fn names_cloud_cover_its_own_way(features: &Value) -> bool {
    let has = |name: &str| features.as_array().into_iter().flatten().any(|item| item["properties"].get(name).is_some());
    has("cloudCover") && !has("eo:cloud_cover")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("not an object") };
        object
    }

    #[test]
    fn a_resto_gives_itself_away_and_others_do_not() {
        let headers = HeaderMap::new();
        let seen = |landing: Value, classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
            in_landing(&object(landing), &classes, &headers).map(|seen| seen.dialect)
        };
        assert_eq!(seen(json!({"resto:version": "10.1.0"}), &[]), Some(Dialect::Resto));
        assert_eq!(seen(json!({}), &["https://api.snapplanet.io/v1.0.0/resto-core"]), Some(Dialect::Resto));
        assert_eq!(seen(json!({"id": "resto"}), &["https://api.stacspec.org/v1.0.0/core"]), None);
        let answer = object(json!({"context": {"exactCount": false, "matched": 3}}));
        assert_eq!(in_answer(&answer, &headers).map(|seen| seen.dialect), Some(Dialect::Resto));
        assert_eq!(in_answer(&object(json!({"context": {"matched": 3}})), &headers), None);
    }

    #[test]
    fn an_older_cdse_is_told_by_its_items_and_its_links_together() {
        let seen = |href: &str, name: &str| {
            let item = json!({"type": "Feature", "properties": {name: 3}});
            let page = json!({"features": [item], "links": [{"rel": "self"}, {"rel": "next", "href": href}]});
            in_answer(&object(page), &HeaderMap::new()).map(|seen| seen.dialect)
        };
        assert_eq!(seen("/search?limit=1&page=2", "cloudCover"), Some(Dialect::Page));
        assert_eq!(seen("/search?limit=1&page=2", "eo:cloud_cover"), None);
        assert_eq!(seen("/search?token=page=2", "cloudCover"), None);
    }
}
