//! A client of the demo's own endpoint: asks, and follows `next` links as any STAC client does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::form_urlencoded;

use crate::members::remote::{Remote, Reply};

/// Above the broker's own deadline for a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pages of one walk: more than any walk of the demo needs.
const PAGES_MAX: usize = 5_000;

/// One condition after the other, as they stand in a query string.
pub type Query = Vec<(&'static str, String)>;

/// Asks one broker.
pub struct Client {
    remote: Remote,
    /// Landing page, without a slash at the end.
    pub url: String,
}

/// What a walk brought.
#[derive(Default)]
pub struct Walk {
    pub items: Vec<Key>,
    pub pages: usize,
    /// Every member that some page named as missing.
    pub missing: BTreeSet<String>,
    /// Every member that the header of some page named as missing.
    pub missing_header: BTreeSet<String>,
    /// `numberMatched` of the first page.
    pub matched: Option<u64>,
}

/// Identity and place of an Item in the order "newest first".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub collection: String,
    pub id: String,
    /// `datetime`, else `start_datetime`, in milliseconds.
    pub time: Option<i64>,
}

/// Writes a query string.
pub fn encoded(query: &Query) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

impl Client {
    pub fn new(address: SocketAddr) -> Result<Self, String> {
        let url = format!("http://{address}");
        let broker = url.parse().map_err(|wrong| format!("`{url}`: {wrong}"))?;
        let remote = Remote::new(&broker, PATIENCE).map_err(|wrong| wrong.text)?;
        Ok(Self { remote, url })
    }

    pub async fn get(&self, url: &str) -> Result<Reply, String> {
        self.ask(url, None).await.map_err(|wrong| format!("GET {url}: {wrong}"))
    }

    pub async fn post(&self, url: &str, body: &Value) -> Result<Reply, String> {
        self.ask(url, Some(body)).await.map_err(|wrong| format!("POST {url}: {wrong}"))
    }

    async fn ask(&self, url: &str, body: Option<&Value>) -> Result<Reply, String> {
        let url = url.parse().map_err(|wrong| format!("not an address: {wrong}"))?;
        self.remote.ask(&url, body).await.map_err(|wrong| wrong.text)
    }

    /// The first page of a search.
    pub async fn search(&self, query: &Query) -> Result<Reply, String> {
        self.get(&format!("{}/search?{}", self.url, encoded(query))).await
    }

    /// All pages of a search by GET.
    pub async fn walk(&self, query: &Query) -> Result<Walk, String> {
        let first = self.search(query).await?;
        self.follow(first, &Value::Null).await
    }

    /// All pages of a search by POST.
    pub async fn walk_post(&self, body: &Value) -> Result<Walk, String> {
        let first = self.post(&format!("{}/search", self.url), body).await?;
        self.follow(first, body).await
    }

    async fn follow(&self, first: Reply, sent: &Value) -> Result<Walk, String> {
        let mut walk = Walk { matched: first.body["numberMatched"].as_u64(), ..Walk::default() };
        let mut page = first;
        loop {
            walk.add(&page)?;
            let Some(link) = link(&page.body, "next") else { return Ok(walk) };
            if walk.pages >= PAGES_MAX {
                return Err(format!("the walk has not ended after {PAGES_MAX} pages"));
            }
            let href = link["href"].as_str().ok_or("a next link without href")?;
            page = if link["method"] == "POST" {
                self.post(href, &merged(sent, link)).await?
            } else {
                self.get(href).await?
            };
        }
    }
}

/// The link of a relation.
fn link<'a>(body: &'a Value, rel: &str) -> Option<&'a Value> {
    body["links"].as_array()?.iter().find(|link| link["rel"] == rel)
}

/// The body of the next request: the link's own, or what was sent with it (STAC API, `merge`).
fn merged(sent: &Value, link: &Value) -> Value {
    let mut body = if link["merge"] == true { sent.clone() } else { Value::Object(serde_json::Map::new()) };
    if let (Some(into), Some(delta)) = (body.as_object_mut(), link["body"].as_object()) {
        into.extend(delta.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    body
}

impl Walk {
    fn add(&mut self, page: &Reply) -> Result<(), String> {
        self.pages += 1;
        let features = page.body["features"].as_array().ok_or("an answer without features")?;
        for item in features {
            self.items.push(key(item).ok_or_else(|| format!("an Item without id or collection: {}", item["id"]))?);
        }
        let listed = page.body["federation:missing"].as_array().into_iter().flatten();
        self.missing.extend(listed.filter_map(Value::as_str).map(str::to_owned));
        let header = page.missing.iter().flat_map(|value| value.split(','));
        self.missing_header.extend(header.map(|id| id.trim().trim_matches('"').to_owned()));
        Ok(())
    }

    /// Each Item once, or the first that came twice.
    pub fn ids(&self) -> Result<BTreeSet<(String, String)>, String> {
        let mut seen = BTreeSet::new();
        for item in &self.items {
            if !seen.insert((item.collection.clone(), item.id.clone())) {
                return Err(format!("`{}` of `{}` came twice", item.id, item.collection));
            }
        }
        Ok(seen)
    }

    /// Newest first, then by id, then by collection; or the first pair that is not.
    pub fn newest_first(&self) -> Result<(), String> {
        let place = |key: &Key| (std::cmp::Reverse(key.time), key.id.clone(), key.collection.clone());
        match self.items.windows(2).find(|pair| place(&pair[0]) > place(&pair[1])) {
            Some(pair) => Err(format!("`{}` stands before `{}`", pair[0].id, pair[1].id)),
            None => Ok(()),
        }
    }
}

/// `None` for what is not an Item of the federation.
pub fn key(item: &Value) -> Option<Key> {
    let properties = &item["properties"];
    let time = properties["datetime"].as_str().or_else(|| properties["start_datetime"].as_str());
    let instant = time.and_then(|text| text.parse::<DateTime<Utc>>().ok());
    Some(Key {
        collection: item["collection"].as_str()?.to_owned(),
        id: item["id"].as_str()?.to_owned(),
        time: instant.map(|at| at.timestamp_millis()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn walk(keys: &[(&str, i64)]) -> Walk {
        let item = |(id, time): &(&str, i64)| Key { collection: "A|x".into(), id: (*id).into(), time: Some(*time) };
        Walk { items: keys.iter().map(item).collect(), ..Walk::default() }
    }

    #[test]
    fn repeats_and_inversions_are_found() {
        assert!(walk(&[("b", 2), ("a", 1), ("c", 1)]).ids().is_ok());
        assert!(walk(&[("b", 2), ("b", 2)]).ids().is_err());
        assert!(walk(&[("b", 2), ("a", 1), ("c", 1)]).newest_first().is_ok());
        assert!(walk(&[("b", 1), ("a", 2)]).newest_first().is_err());
        assert!(walk(&[("b", 1), ("a", 1)]).newest_first().is_err(), "ties go by id");
    }

    #[test]
    fn a_next_body_stands_alone_unless_it_is_to_be_merged() {
        let sent = json!({ "limit": 5 });
        assert_eq!(
            merged(&sent, &json!({ "body": { "token": "t" }, "merge": true })),
            json!({ "limit": 5, "token": "t" })
        );
        assert_eq!(merged(&sent, &json!({ "body": { "token": "t" } })), json!({ "token": "t" }));
    }

    #[test]
    fn the_time_of_an_item_falls_back_to_its_start() {
        let item = json!({ "id": "a", "collection": "A|x", "properties": { "datetime": null, "start_datetime": "1970-01-01T00:00:01Z" } });
        assert_eq!(key(&item).unwrap().time, Some(1000));
        assert!(key(&json!({ "id": "a" })).is_none());
    }
}
