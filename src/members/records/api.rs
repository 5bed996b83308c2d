//! OGC API - Records as pages (Part 1, clauses 7 and 8): the catalogues of a member, and `items` of each.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use super::fetch::{Validators, ask, fingerprint};
use super::pages::{Came, Content, Known, Pages, Place};
use super::{Notes, geojson};
use crate::federation::{Federation, Member};
use crate::members::client::Clients;
use crate::members::line::{Line, Outgoing};
use crate::members::next_link::{self, Delta, Sent};
use crate::members::{Failure, Fault, Token, failure};

const GEOJSON: &str = "application/geo+json, application/json;q=0.9";
const JSON: &str = "application/json";
/// Catalogues of one member. Servers have one, or one for each community.
const CATALOGUES_MAX: usize = 50;
/// Records read of one page; more are a server that ignores `limit` by far.
const PAGE_RECORDS_MAX: usize = 20_000;

/// A member that offers OGC API - Records.
pub struct RecordsApi {
    line: Line,
    url: Url,
}

impl RecordsApi {
    pub fn new(member: &Member, federation: &Federation, clients: &Clients) -> Self {
        let line = Line::new(member, federation, clients).with_answer_bytes_max(member.crawl.document_bytes_max);
        Self { line, url: member.url.clone() }
    }

    /// The configured catalogue, else every one that the landing page's `/collections` lists.
    async fn find(&self, deadline: Instant) -> Result<Vec<Place>, Failure> {
        if let Some(items) = configured(&self.url) {
            return Ok(vec![Place { catalogue: items, token: None }]);
        }
        let url = below(&self.url, "collections");
        let answer = ask(&self.line, Outgoing::get(url, JSON), None, deadline).await?;
        let ids = catalogues(&answer.body).map_err(|error| failure(Fault::BadResponse, &error))?;
        let place = |id: &String| Place {
            catalogue: below(&self.url, &format!("collections/{}/items", segment(id))),
            token: None,
        };
        Ok(ids.iter().map(place).collect())
    }

    async fn read(&self, place: &Place, size: u32, before: Option<&Known>, deadline: Instant) -> Result<Came, Failure> {
        let bad = |text: &str| failure(Fault::BadResponse, text);
        let token = place.token.clone().map(Token);
        let delta = token.as_ref().map(Delta::open).transpose().map_err(|wrong| bad(&wrong.to_string()))?;
        let query = [("type".to_owned(), "dataset".to_owned()), ("limit".to_owned(), size.to_string())];
        let outgoing = request(&place.catalogue, &query, delta.as_ref());
        let answer = ask(&self.line, outgoing, before.map(|known| &known.validators), deadline).await?;
        if !answer.changed {
            return Ok(Came::Unchanged);
        }
        let (bytes, headers) = (answer.body.len(), answer.headers);
        let (body, items) = (answer.body, place.catalogue.clone());
        let read = tokio::task::spawn_blocking(move || page(&body, &items)).await;
        let (content, links, print) = read.map_err(|error| bad(&error.to_string()))?.map_err(|error| bad(&error))?;
        let sent =
            Sent { url: &place.catalogue, query: &query, body: None, limit: size, follow: None, mark: None, only: &[] };
        let next = next_link::token(links.as_deref().map(str::as_bytes), &headers, &sent);
        let next = next.map_err(|error| bad(&error.to_string()))?;
        let next = next.map(|token| Place { catalogue: place.catalogue.clone(), token: Some(token.0) });
        let validators = Validators::of(&headers);
        Ok(Came::Page { page: Known { content: Arc::new(content), next, validators, fingerprint: print }, bytes })
    }
}

impl Pages for RecordsApi {
    fn catalogues(&self, deadline: Instant) -> BoxFuture<'_, Result<Vec<Place>, Failure>> {
        Box::pin(self.find(deadline))
    }

    fn page<'a>(
        &'a self,
        place: &'a Place,
        size: u32,
        before: Option<&'a Known>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Came, Failure>> {
        Box::pin(self.read(place, size, before, deadline))
    }

    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.line.sign_of_life(self.url.clone(), deadline))
    }
}

/// Our own query, plus what a token adds or overrides.
fn request(items: &Url, query: &[(String, String)], delta: Option<&Delta>) -> Outgoing {
    let none = Delta::default();
    let delta = delta.unwrap_or(&none);
    let own = query.iter().filter(|(name, _)| !delta.query.iter().any(|(other, _)| other == name));
    let mut url = items.clone();
    url.query_pairs_mut().extend_pairs(own.chain(&delta.query));
    let headers = delta.headers.iter().filter_map(|(name, value)| next_link::header(name, value)).collect();
    Outgoing { headers, ..Outgoing::get(url, GEOJSON) }
}

/// The address of the records, when the configured one names a catalogue: `…/collections/{id}`, or its `items`.
fn configured(url: &Url) -> Option<Url> {
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/items").unwrap_or(path);
    let (before, id) = path.rsplit_once('/')?;
    if id.is_empty() || !before.ends_with("/collections") {
        return None;
    }
    let mut items = url.clone();
    items.set_path(&format!("{path}/items"));
    Some(items)
}

/// An address below the landing page; a query of its own is kept.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// All that is not unreserved in a path segment (RFC 3986), but `:`.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, SEGMENT).to_string()
}

/// The ids of those collections whose items are records (`itemType`, clause 7.4); drafts had a list there.
fn catalogues(body: &[u8]) -> Result<Vec<String>, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| format!("`/collections`: {error}"))?;
    let list = document.get("collections").and_then(Value::as_array).ok_or("`/collections` has no `collections`")?;
    let of_records = |collection: &&Value| match collection.get("itemType") {
        Some(Value::String(kind)) => kind.eq_ignore_ascii_case("record"),
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "record"),
        _ => false,
    };
    let ids = list.iter().filter(of_records).filter_map(|collection| collection.get("id")?.as_str());
    let ids: Vec<String> = ids.map(str::to_owned).take(CATALOGUES_MAX).collect();
    if ids.is_empty() {
        let text = "no collection of it has records (`itemType` is `record`); `url` can name one: …/collections/{id}";
        return Err(text.to_owned());
    }
    Ok(ids)
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    features: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
    #[serde(default, rename = "numberMatched")]
    number_matched: Option<u64>,
}

/// What a page holds, its links, and its fingerprint: of the records and of where it leads, as a time stamp may change
/// while these do not.
fn page(body: &[u8], items: &Url) -> Result<(Content, Option<String>, [u8; 32]), String> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|error| format!("no page of records: {error}"))?;
    let mut content = Content { matched: page.number_matched, ..Content::default() };
    let mut notes = Notes::default();
    let mut said = String::new();
    for raw in page.features.iter().take(PAGE_RECORDS_MAX) {
        content.received += 1;
        said.push_str(raw.get());
        let feature: Value = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        match geojson::record(&feature, items, &mut notes) {
            Ok(record) => content.records.push(record),
            Err(reason) => {
                let id = feature.get("id").and_then(Value::as_str);
                let id = id.map_or_else(|| format!("record {} of its page", content.received), str::to_owned);
                content.left_out.push((id, reason.to_owned()));
            }
        }
    }
    content.notes = notes;
    let links = page.links.map(|links| links.get().to_owned());
    said.push_str(links.as_deref().unwrap_or_default());
    Ok((content, links, fingerprint(said.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_address_may_name_a_catalogue() {
        let items = |url: &str| configured(&Url::parse(url).unwrap()).map(|url| url.to_string());
        for (url, found) in [
            ("https://c.example/api", None),
            ("https://c.example/collections", None),
            ("https://c.example/api/collections/all", Some("https://c.example/api/collections/all/items")),
            (
                "https://c.example/api/collections/all/items/?f=json",
                Some("https://c.example/api/collections/all/items?f=json"),
            ),
        ] {
            assert_eq!(items(url).as_deref(), found, "{url}");
        }
    }

    #[test]
    fn catalogues_are_told_from_other_collections() {
        let body = r#"{"collections":[{"id":"a","itemType":"record"},{"id":"b","itemType":"feature"},{"id":"c"},{"id":"d","itemType":["record"]}]}"#;
        assert_eq!(catalogues(body.as_bytes()).unwrap(), ["a", "d"]);
        assert!(
            catalogues(br#"{"collections":[{"id":"b","itemType":"feature"}]}"#).unwrap_err().contains("`itemType`")
        );
        assert!(catalogues(b"{}").is_err() && catalogues(b"[]").is_err());
    }
}
