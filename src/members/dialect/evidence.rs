//! Which dialect a member speaks, told by what it sends. Pure.
//!
//! Two places: the landing page at discovery, and the first answer of a search when it is probed. One sign of a kind that
//! no other server gives is enough; without one the member is taken to speak the standard. The federation file overrules.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::federation::Dialect;

/// Links that are looked at.
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

/// What a landing page gives away: its members, its links, the conformance classes (which may stand elsewhere), and its
/// headers.
pub fn in_landing(
    landing: &Map<String, Value>,
    links: &[Value],
    conforms_to: &[String],
    _headers: &HeaderMap,
) -> Option<Seen> {
    if landing.contains_key("resto:version") {
        return Some(Seen::new(Dialect::Resto, "`resto:version` on the landing page"));
    }
    if conforms_to.iter().any(|class| class.ends_with("/resto-core")) {
        return Some(Seen::new(Dialect::Resto, "the conformance class `resto-core`"));
    }
    by_class(conforms_to).or_else(|| by_name(landing)).or_else(|| by_links(links))
}

/// Classes that one server alone declares.
fn by_class(conforms_to: &[String]) -> Option<Seen> {
    let has = |end: &str| conforms_to.iter().any(|class| class.trim_end_matches('/').ends_with(end));
    if has("/item-search#features") {
        return Some(Seen::new(Dialect::Cmr, "the class `item-search#features`, which there is not"));
    }
    if conforms_to.iter().any(|class| class.starts_with("http://geoserver.org/spec/")) {
        return Some(Seen::new(Dialect::Geoserver, "a conformance class of geoserver.org"));
    }
    None
}

/// What a landing page calls itself.
fn by_name(landing: &Map<String, Value>) -> Option<Seen> {
    let text = |name: &str| landing.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("id") {
        "microsoft-pc" => return Some(Seen::new(Dialect::PlanetaryComputer, "the id `microsoft-pc`")),
        "GeoserverSTACLandingPage" => return Some(Seen::new(Dialect::Geoserver, "the id of the landing page")),
        "CMR-STAC" | "CMR-CLOUDSTAC" => return Some(Seen::new(Dialect::Cmr, "the id of the root of all providers")),
        _ => {}
    }
    let words = text("description");
    if words.contains("powered by stac-server") || words.contains("running on stac-server") {
        return Some(Seen::new(Dialect::StacServer, "its description"));
    }
    None
}

/// Links that one server alone writes.
fn by_links(links: &[Value]) -> Option<Seen> {
    let links = || links.iter().take(LINKS_MAX);
    let any = |test: &dyn Fn(&str, &str) -> bool| {
        links().any(|link| {
            let text = |name: &str| link.get(name).and_then(Value::as_str).unwrap_or_default();
            test(text("rel"), text("href"))
        })
    };
    if any(&|rel, href| rel == "server" && href.contains("stac-server")) {
        return Some(Seen::new(Dialect::StacServer, "a `server` link to stac-server"));
    }
    if any(&|rel, _| rel == "aggregate") && any(&|rel, _| rel == "aggregations") {
        let types = || links().filter_map(|link| link.get("type").and_then(Value::as_str));
        if types().any(|media| media == "application/vnd.oai.openapi") {
            return Some(Seen::new(
                Dialect::StacServer,
                "links `aggregate` and `aggregations`, as stac-server has them",
            ));
        }
    }
    if any(&|_, href| href.contains("httpAccept=")) {
        return Some(Seen::new(Dialect::Fedeo, "`httpAccept` in the addresses of its links"));
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
    let links = page.get("links").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let next = links.iter().take(LINKS_MAX).find(|link| link.get("rel").is_some_and(|rel| rel == "next"))?;
    let in_body = next.get("body").and_then(|body| body.get("token")).and_then(Value::as_str);
    let href = next.get("href").and_then(Value::as_str).unwrap_or_default();
    let in_address = ["token=next:", "token=next%3A", "token=next%3a"].iter().any(|place| href.contains(place));
    if in_address || in_body.is_some_and(|token| token.starts_with("next:")) {
        return Some(Seen::new(Dialect::Pgstac, "a token `next:` with the name of an Item"));
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
            in_landing(&object(landing), &[], &classes, &headers).map(|seen| seen.dialect)
        };
        assert_eq!(seen(json!({"resto:version": "10.1.0"}), &[]), Some(Dialect::Resto));
        assert_eq!(seen(json!({}), &["https://api.snapplanet.io/v1.0.0/resto-core"]), Some(Dialect::Resto));
        assert_eq!(seen(json!({"id": "resto"}), &["https://api.stacspec.org/v1.0.0/core"]), None);
        let answer = object(json!({"context": {"exactCount": false, "matched": 3}}));
        assert_eq!(in_answer(&answer, &headers).map(|seen| seen.dialect), Some(Dialect::Resto));
        assert_eq!(in_answer(&object(json!({"context": {"matched": 3}})), &headers), None);
    }

    #[test]
    fn other_kinds_give_themselves_away_by_one_sign_each() {
        let seen = |landing: Value, links: Value, classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
            let links: Vec<Value> = links.as_array().unwrap().clone();
            in_landing(&object(landing), &links, &classes, &HeaderMap::new()).map(|seen| seen.dialect)
        };
        let stac = "https://api.stacspec.org/v1.0.0";
        let none = || json!([]);
        assert_eq!(seen(json!({}), none(), &[&format!("{stac}/item-search#features")]), Some(Dialect::Cmr));
        assert_eq!(seen(json!({}), none(), &[&format!("{stac}/item-search#fields")]), None);
        let ecql = "http://geoserver.org/spec/ecql/1.0/req/gs-ecql";
        assert_eq!(seen(json!({}), none(), &[ecql]), Some(Dialect::Geoserver));
        assert_eq!(seen(json!({"id": "microsoft-pc"}), none(), &[]), Some(Dialect::PlanetaryComputer));
        assert_eq!(seen(json!({"id": "my-microsoft-pc"}), none(), &[]), None);
        let described = json!({"description": "A STAC API running on stac-server"});
        assert_eq!(seen(described, none(), &[]), Some(Dialect::StacServer));
        assert_eq!(seen(json!({"description": "We looked at stac-server"}), none(), &[]), None);
        let aggregate = |media: &str| json!([{"rel": "aggregate"}, {"rel": "aggregations"}, {"rel": "service-desc", "type": media}]);
        assert_eq!(seen(json!({}), aggregate("application/vnd.oai.openapi"), &[]), Some(Dialect::StacServer));
        assert_eq!(seen(json!({}), aggregate("application/vnd.oai.openapi+json;version=3.0"), &[]), None);
        let format = json!([{"rel": "alternate", "href": "https://a.example?httpAccept=text/html"}]);
        assert_eq!(seen(json!({}), format, &[]), Some(Dialect::Fedeo));
        assert_eq!(seen(json!({}), json!([7, {"rel": 7}, null]), &[]), None);
    }

    #[test]
    fn a_pgstac_gives_itself_away_by_its_token() {
        let seen = |link: Value| {
            let page = object(json!({"features": [], "links": [{"rel": "self"}, link]}));
            in_answer(&page, &HeaderMap::new()).map(|seen| seen.dialect)
        };
        let pgstac = Some(Dialect::Pgstac);
        assert_eq!(seen(json!({"rel": "next", "method": "POST", "href": "x", "body": {"token": "next:c:i"}})), pgstac);
        assert_eq!(seen(json!({"rel": "next", "href": "https://a/search?limit=1&token=next:c:i"})), pgstac);
        assert_eq!(seen(json!({"rel": "next", "href": "https://a/search?token=next%3Ac"})), pgstac);
        assert_eq!(seen(json!({"rel": "next", "href": "https://a/search?token=MTcwMDAw"})), None);
        assert_eq!(seen(json!({"rel": "next", "body": {"next": "2025,a,b"}})), None);
        assert_eq!(seen(json!({"rel": "prev", "href": "?token=next:c"})), None);
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
