//! Members without Item Search: OGC API - Features, one collection after the other.
//!
//! A cross-collection search is a permission, not a duty (CEOS-STAC-PER-4320). Such a member is read through the
//! `items` of its Collections, in the order of their ids. A page of ours is made of several of its own, and the token
//! names the collection that the walk stands in, with the member's own place in it. Pages of a member may be short or
//! empty in the middle, since some of them page before they filter; what matters is whether they have a `next`.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{StacApi, below, rebased, request};
use crate::members::capabilities::ITEMS_ONLY_COLLECTIONS_MAX;
use crate::members::encode;
use crate::members::item::{Bounds, split_page};
use crate::members::line::{Outgoing, Purpose, failure};
use crate::members::next_link::{self, Delta, Sent};
use crate::members::{Ask, Failure, Fault, Matched, Page, Token};

/// Requests for one page of ours: one for each collection of a leg.
const REQUESTS_PER_PAGE_MAX: usize = ITEMS_ONLY_COLLECTIONS_MAX;
/// Items asked for by their own addresses; more are looked for among all.
const BY_ADDRESS_MAX: usize = 20;
/// Links of one Collection that are looked at.
const LINKS_MAX: usize = 1000;

/// A Collection of the member's list.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    id: String,
    /// Where its Items are, if not below `/collections/{id}`.
    items: Option<Url>,
}

/// Where a walk stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    #[serde(rename = "c")]
    collection: String,
    /// The member's own token there; `None`: at the start.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Place {
    /// The token's text, which travels in our cursor.
    fn seal(&self) -> Result<Token, Failure> {
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > next_link::TOKEN_BYTES_MAX {
            return Err(failure(Fault::BadResponse, "place in a collection over the bound on bytes"));
        }
        Ok(Token(text.into()))
    }

    /// Reads a token back: where to go on in these collections, which are sorted. A collection that is gone is passed.
    fn open(token: &Token, collections: &[String]) -> Result<(usize, Option<Delta>), Failure> {
        let refused = |text: &str| failure(Fault::TokenRefused, text);
        let place: Self =
            serde_json::from_str(&token.0).map_err(|_foreign| refused("token of another kind of member"))?;
        let at = collections.partition_point(|id| *id < place.collection);
        let here = collections.get(at) == Some(&place.collection);
        let delta = match place.token.filter(|_| here) {
            Some(text) => Some(Delta::open(&Token(text.into())).map_err(|wrong| refused(&wrong.to_string()))?),
            None => None,
        };
        Ok((at, delta))
    }
}

/// What a Collection's document says of its Items.
#[derive(Deserialize)]
struct Document {
    id: Option<String>,
    #[serde(default)]
    links: Option<Vec<Value>>,
}

impl StacApi {
    /// Keeps the ids of a listing, and where the Items are where that is not where the standard puts them.
    pub(super) fn keep_listed(&self, collections: &[Bytes], complete: bool) {
        let listed = collections.iter().filter_map(|text| {
            let document: Document = serde_json::from_slice(text).ok()?;
            let id = document.id?;
            let standard = items_url(&self.member.url, &id);
            let links = document.links.unwrap_or_default();
            let is_items = |link: &&Value| {
                let json = link["type"].as_str().is_none_or(|media| media.contains("json"));
                link["rel"] == "items" && json
            };
            let href = links.iter().take(LINKS_MAX).find(is_items).and_then(|link| link["href"].as_str());
            let target = href.and_then(|href| below(&self.member.url, "collections").join(href).ok());
            let items = target.and_then(|target| rebased(&self.member, &target)).filter(|url| *url != standard);
            Some(Listed { id, items })
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        self.listed.store(listed.into());
        self.listed_whole.store(complete, Ordering::Relaxed);
    }

    /// The ids of its Collections, as last listed.
    pub(super) fn listed_ids(&self) -> Vec<String> {
        self.listed.load().iter().map(|listed| listed.id.clone()).collect()
    }

    /// Some Collection of the member.
    pub(super) fn first_listed(&self) -> Option<String> {
        self.listed.load().first().map(|listed| listed.id.clone())
    }

    /// The collections of an ask, sorted: a token names the one it stands in.
    async fn asked(&self, ask: &Ask, deadline: Instant) -> Result<Vec<String>, Failure> {
        if self.listed.load().is_empty() && ask.collections.is_none() {
            self.read_collections(deadline).await?;
        }
        let mut ids = match &ask.collections {
            Some(ids) => ids.clone(),
            None => self.listed_ids(),
        };
        ids.sort_unstable();
        ids.dedup();
        if ids.len() > ITEMS_ONLY_COLLECTIONS_MAX {
            let text =
                format!("{} collections, each a request; at most {ITEMS_ONLY_COLLECTIONS_MAX} are asked", ids.len());
            return Err(failure(Fault::Unsupported, &text));
        }
        Ok(ids)
    }

    /// One page of ours: Items of the collections in turn, until it is full or they are at their end.
    pub(super) async fn walk(&self, ask: &Ask, purpose: Purpose, deadline: Instant) -> Result<Page, Failure> {
        let collections = self.asked(ask, deadline).await?;
        if let (Some(ids), None) = (&ask.ids, &ask.token)
            && ids.len().saturating_mul(collections.len()) <= BY_ADDRESS_MAX
        {
            return self.by_address(&collections, ids, deadline).await;
        }
        let (mut at, mut delta) = match &ask.token {
            Some(token) => Place::open(token, &collections)?,
            None => (0, None),
        };
        let mut page = Page { matched: Some(Matched { count: 0, exact: true }), ..Page::default() };
        // a count of what is left is no count
        let mut counted = ask.token.is_none();
        for number in 0..REQUESTS_PER_PAGE_MAX {
            let Some(collection) = collections.get(at) else { break };
            let wanted = ask.limit.saturating_sub(page.received);
            if wanted == 0 {
                break;
            }
            let ask = Ask { limit: wanted, bbox: ask.bbox, datetime: ask.datetime, ..Ask::default() };
            let part = match self.part(collection, &ask, delta.as_ref(), purpose, deadline).await {
                Ok(part) => part,
                // what was read stays useful; the next page begins where this one failed
                Err(_) if number > 0 => break,
                Err(failed) => return Err(failed),
            };
            counted &= delta.is_some() || part.matched.is_some();
            let next = part.next.clone();
            take(&mut page, part, delta.is_none());
            let stuck = delta.is_some() && next.as_ref() == delta.as_ref().and_then(|delta| delta.seal().ok()).as_ref();
            (at, delta) = match next {
                Some(token) => (at, Some(opened(&token)?)),
                None => (at + 1, None),
            };
            if stuck {
                break;
            }
        }
        // the collection that the walk stands in was counted by its first page
        let reached = at + usize::from(delta.is_some());
        page.matched = page.matched.filter(|_| counted && reached >= collections.len());
        if let Some(collection) = collections.get(at) {
            let token = delta.and_then(|delta| delta.seal().ok()).map(|token| token.0.into());
            page.next = Some(Place { collection: collection.clone(), token }.seal()?);
        }
        Ok(page)
    }

    /// One page of one collection, as the member gives it.
    async fn part(
        &self,
        collection: &str,
        ask: &Ask,
        delta: Option<&Delta>,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<Page, Failure> {
        let own =
            self.listed.load().iter().find(|listed| listed.id == collection).and_then(|listed| listed.items.clone());
        let url = own.unwrap_or_else(|| items_url(&self.member.url, collection));
        let known = self.known.load_full();
        let query = encode::query(ask, None, false, known.habits());
        let outgoing = Outgoing { purpose, ..request(&url, &query, None, delta) };
        let answer = match self.send(outgoing, deadline).await {
            // a Collection without Items has no such address
            Err(failed) if delta.is_none() && matches!(failed.status, Some(404 | 410)) => {
                return Ok(Page { matched: Some(Matched { count: 0, exact: true }), ..Page::default() });
            }
            Err(failed) if delta.is_some() && matches!(failed.status, Some(400 | 404 | 410)) => {
                return Err(Failure { fault: Fault::TokenRefused, ..failed });
            }
            other => other?,
        };
        let split = split_page(&answer.body, &Bounds::default()).map_err(|error| failure(Fault::BadResponse, &error));
        let mut split = split.inspect_err(|failed| self.remember(Some(failed)))?;
        for item in split.items.iter_mut().filter(|item| item.collection.is_empty()) {
            item.collection = collection.into();
        }
        let sent = Sent { url: &url, query: &query, body: None, limit: ask.limit, follow: None, mark: None, only: &[] };
        let next = next_link::token(split.links.as_deref(), &answer.headers, &sent)
            .map_err(|error| failure(Fault::BadResponse, &error.to_string()))?;
        let exact = known.counts_exact;
        Ok(Page {
            partial: split.lacking(),
            items: split.items,
            received: split.received,
            invalid: split.invalid,
            next,
            cut: false,
            matched: split.matched.map(|count| Matched { count, exact }),
            unsaid: false,
            bytes: answer.body.len(),
        })
    }

    /// A few Items by their own addresses. Other conditions are the broker's to check.
    async fn by_address(&self, collections: &[String], ids: &[String], deadline: Instant) -> Result<Page, Failure> {
        let mut page = Page::default();
        for collection in collections {
            for id in ids {
                if let Some(mut item) = self.read_item(collection, id, deadline).await? {
                    if item.collection.is_empty() {
                        item.collection = collection.as_str().into();
                    }
                    page.received += 1;
                    page.bytes += item.bytes.len();
                    page.items.push(item);
                }
            }
        }
        Ok(page)
    }
}

fn items_url(base: &Url, collection: &str) -> Url {
    let id = percent_encoding::utf8_percent_encode(collection, super::SEGMENT);
    below(base, &format!("collections/{id}/items"))
}

fn opened(token: &Token) -> Result<Delta, Failure> {
    Delta::open(token).map_err(|wrong| failure(Fault::BadResponse, &wrong.to_string()))
}

/// Adds a part to a page; counts are those of the first page of each collection.
fn take(page: &mut Page, part: Page, first: bool) {
    page.received = page.received.saturating_add(part.received);
    page.items.extend(part.items);
    page.invalid.count += part.invalid.count;
    page.invalid.reasons.extend(part.invalid.reasons.into_iter().take(1));
    page.partial = page.partial.take().or(part.partial);
    page.bytes += part.bytes;
    if let (Some(sum), Some(matched), true) = (&mut page.matched, part.matched, first) {
        sum.count += matched.count;
        sum.exact &= matched.exact;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[&str]) -> Vec<String> {
        list.iter().map(|id| (*id).to_owned()).collect()
    }

    fn place(collection: &str, token: Option<&str>) -> Token {
        Place { collection: collection.to_owned(), token: token.map(str::to_owned) }.seal().unwrap()
    }

    #[test]
    fn a_token_names_the_collection_that_the_walk_stands_in() {
        let collections = ids(&["a", "b", "d"]);
        let at = |token: &Token| Place::open(token, &collections).map(|(at, delta)| (at, delta.is_some())).ok();
        assert_eq!(at(&place("b", None)), Some((1, false)));
        assert_eq!(at(&place("b", Some(r#"{"q":[["offset","10"]]}"#))), Some((1, true)));
        assert_eq!(
            at(&place("c", Some(r#"{"q":[["offset","10"]]}"#))),
            Some((2, false)),
            "it is gone: at the next one"
        );
        assert_eq!(at(&place("e", None)), Some((3, false)), "behind the last");
    }

    #[test]
    fn a_place_that_no_cursor_has_room_for_is_a_bad_response() {
        let long = Place { collection: "a".repeat(3_000), token: None };
        assert_eq!(long.seal().unwrap_err().fault, Fault::BadResponse);
    }

    #[test]
    fn tokens_that_are_not_ours_are_refused() {
        let collections = ids(&["a"]);
        for text in ["", "{", "7", r#"{"q":[["token","x"]]}"#, r#"{"c":"a","x":1}"#, r#"{"c":"a","t":"nonsense"}"#] {
            let refused = Place::open(&Token(text.into()), &collections).map(|_| ()).unwrap_err();
            assert_eq!(refused.fault, Fault::TokenRefused, "{text}");
        }
    }
}
