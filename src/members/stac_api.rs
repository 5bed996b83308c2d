//! The adapter of kind `stac-api`: discovery, search by POST or GET, one Item, Collections through their pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::capabilities::{Capabilities, Found};
use super::client::{Answer, Clients, Line, Outgoing, failure};
use super::disorder::Disorder;
use super::encode;
use super::item::{Bounds, Item, split_page};
use super::next_link::{self, Delta, Sent};
use super::{Ask, Failure, Fault, Health, Listing, Matched, Member, Page};
use crate::federation::{self, MemberId, Method, NextPath, Support};

const JSON: &str = "application/json";
const SCHEMA: &str = "application/schema+json, application/json";
const GEOJSON: &str = "application/geo+json, application/json";
/// Collections of one member; the largest catalogues have some thousands.
const COLLECTIONS_MAX: usize = 10_000;
/// Pages of a collection listing.
const LISTING_PAGES_MAX: usize = 200;
/// Bytes of a whole collection listing.
const LISTING_BYTES_MAX: usize = 128 << 20;
/// Bytes of the queryables of one collection; real ones have some ten thousand.
const QUERYABLES_BYTES_MAX: usize = 512 << 10;
/// The length at which several servers cut a listing without saying so.
const SUSPICIOUS_LENGTH: usize = 100;
/// Characters of a path segment that stay as they are (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A STAC API.
pub struct StacApi {
    member: federation::Member,
    line: Line,
    known: ArcSwap<Capabilities>,
    search_url: ArcSwap<Url>,
    health: ArcSwap<Health>,
    /// POST was refused once; GET is used from then on.
    post_refused: AtomicBool,
    disorder: Disorder,
}

#[derive(Deserialize)]
struct Landing {
    #[serde(default, rename = "conformsTo")]
    conforms_to: Option<Vec<String>>,
    #[serde(default)]
    links: Vec<Value>,
}

#[derive(Deserialize)]
struct CollectionsPage<'a> {
    #[serde(borrow)]
    collections: Vec<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a serde_json::value::RawValue>,
    #[serde(default, rename = "numberMatched")]
    number_matched: Option<u64>,
}

impl StacApi {
    pub fn new(member: &federation::Member, federation: &federation::Federation, clients: &Clients) -> Self {
        Self {
            line: Line::new(member, federation, clients),
            known: ArcSwap::from_pointee(Capabilities::implied(member)),
            search_url: ArcSwap::from_pointee(below(&member.url, "search")),
            health: ArcSwap::from_pointee(Health::default()),
            post_refused: AtomicBool::new(false),
            disorder: Disorder::default(),
            member: member.clone(),
        }
    }

    /// Sends, and keeps what it says of the member's health.
    async fn send(&self, request: Outgoing, deadline: Instant) -> Result<Answer, Failure> {
        let outcome = self.line.send(request, deadline).await;
        self.remember(outcome.as_ref().err());
        outcome
    }

    fn remember(&self, failed: Option<&Failure>) {
        let now = Some(chrono::Utc::now());
        // An answer with a status is a sign of life, whatever it says: only its absence is a failure of the member,
        // and errors of its own making.
        let alive = failed.is_none_or(|failed| failed.status.is_some_and(|status| status < 500));
        self.health.rcu(|health| Health {
            last_check: now,
            last_success: if alive { now } else { health.last_success },
            last_failure: if alive { None } else { failed.map(|failed| failed.fault) },
        });
    }

    async fn ask_page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let delta = match &ask.token {
            Some(token) => Some(Delta::open(token).map_err(|error| failure(Fault::TokenRefused, &error.to_string()))?),
            None => None,
        };
        let known = self.known.load();
        let by_post = match &delta {
            Some(delta) => delta.post,
            None => known.search_post && !self.post_refused.load(Ordering::Relaxed),
        };
        let first = self.exchange(ask, delta.as_ref(), by_post, deadline).await;
        let refused = |failed: &Failure| matches!(failed.status, Some(405 | 501));
        match first {
            Err(failed) if by_post && delta.is_none() && known.search_get && refused(&failed) => {
                let page = self.exchange(ask, None, false, deadline).await?;
                self.post_refused.store(true, Ordering::Relaxed);
                self.known.rcu(|known| {
                    let mut known = Capabilities { search_post: false, ..(**known).clone() };
                    known.note("POST on `/search` is refused; asked by GET");
                    known
                });
                Ok(page)
            }
            Err(failed) if delta.is_some() && matches!(failed.status, Some(400 | 404 | 405 | 410)) => {
                Err(Failure { fault: Fault::TokenRefused, ..failed })
            }
            other => other,
        }
    }

    async fn exchange(
        &self,
        ask: &Ask,
        delta: Option<&Delta>,
        by_post: bool,
        deadline: Instant,
    ) -> Result<Page, Failure> {
        let exact = self.known.load().intersects != Support::Unsupported;
        let url = self.page_url(delta);
        let query = if by_post { Vec::new() } else { encode::query(ask, exact) };
        let body = by_post.then(|| encode::body(ask, exact));
        let request = request(&url, &query, body.as_ref(), delta);
        let answer = self.send(request, deadline).await?;
        let split = split_page(&answer.body, &Bounds::default()).map_err(|error| failure(Fault::BadResponse, &error));
        let split = split.inspect_err(|failed| self.remember(Some(failed)))?;
        let base = (self.member.request.next_path == NextPath::Follow).then(|| self.member.url.path());
        let sent = Sent { url: &url, query: &query, body: body.as_ref(), limit: ask.limit, follow: base };
        let next = next_link::token(split.links.as_deref(), &answer.headers, &sent)
            .map_err(|error| failure(Fault::BadResponse, &error.to_string()))?;
        let exact = self.known.load().counts_exact;
        let whole = by_post || encode::Room::of(ask.collections.as_deref(), ask.ids.as_deref()).for_all();
        Ok(Page {
            items: split.items,
            received: split.received,
            invalid: split.invalid,
            next,
            matched: split.matched.filter(|_| whole).map(|count| Matched { count, exact }),
            partial: split.partial,
            bytes: answer.body.len(),
        })
    }

    /// The configured search address, or, with `next_path = "follow"`, the path that a token names below the base.
    fn page_url(&self, delta: Option<&Delta>) -> Url {
        let path = delta.and_then(|delta| delta.path.as_deref());
        match path.filter(|_| self.member.request.next_path == NextPath::Follow) {
            Some(path) => below(&self.member.url, path),
            None => (**self.search_url.load()).clone(),
        }
    }

    async fn read_landing(&self, deadline: Instant) -> Result<Arc<Capabilities>, Failure> {
        let answer = self.send(Outgoing::get(self.member.url.clone(), JSON), deadline).await?;
        let landing: Landing = serde_json::from_slice(&answer.body)
            .map_err(|error| failure(Fault::BadResponse, &format!("landing page is not a Catalog: {error}")))?;
        let mut found = Found::default();
        let mut search_url = below(&self.member.url, "search");
        for link in landing.links.iter().filter_map(Value::as_object).filter(|link| is_search(link)) {
            found.search_link = true;
            found.search_post |=
                link.get("method").and_then(Value::as_str).is_some_and(|method| method.eq_ignore_ascii_case("post"));
            let target = link.get("href").and_then(Value::as_str).and_then(|href| answer.url.join(href).ok());
            if let Some(url) = target.and_then(|target| rebased(&self.member, &target)) {
                search_url = url;
            }
        }
        found.conforms_to = match landing.conforms_to {
            Some(classes) => classes,
            None => self.read_conformance(deadline).await,
        };
        // A landing page whose one `search` link names no method says nothing about POST: it is tried.
        found.search_post |= landing
            .links
            .iter()
            .filter_map(Value::as_object)
            .any(|link| is_search(link) && !link.contains_key("method"));
        let mut known = Capabilities::discovered(&self.member, &found);
        if self.post_refused.load(Ordering::Relaxed) && self.member.request.method != Method::Post {
            known.search_post = false;
            known.note("POST on `/search` is refused; asked by GET");
        }
        self.search_url.store(Arc::new(search_url));
        let known = Arc::new(known);
        self.known.store(known.clone());
        Ok(known)
    }

    async fn read_conformance(&self, deadline: Instant) -> Vec<String> {
        let request = Outgoing::get(below(&self.member.url, "conformance"), JSON);
        let Ok(answer) = self.send(request, deadline).await else { return Vec::new() };
        serde_json::from_slice::<Landing>(&answer.body).ok().and_then(|page| page.conforms_to).unwrap_or_default()
    }

    async fn read_item(&self, collection: &str, id: &str, deadline: Instant) -> Result<Option<Item>, Failure> {
        let path = format!(
            "collections/{}/items/{}",
            utf8_percent_encode(collection, SEGMENT),
            utf8_percent_encode(id, SEGMENT)
        );
        match self.send(Outgoing::get(below(&self.member.url, &path), GEOJSON), deadline).await {
            Ok(answer) => {
                let item =
                    Item::new(answer.body).map_err(|reason| failure(Fault::BadResponse, &format!("Item: {reason}")))?;
                if &*item.id == id {
                    Ok(Some(item))
                } else {
                    Err(failure(Fault::BadResponse, "another Item than asked for"))
                }
            }
            Err(failed) if matches!(failed.status, Some(404 | 410)) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn read_queryables(
        &self,
        collection: Option<(&str, Option<&str>)>,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Failure> {
        let url = match collection {
            None => below(&self.member.url, "queryables"),
            Some((id, link)) => {
                let own = below(&self.member.url, &format!("collections/{}", utf8_percent_encode(id, SEGMENT)));
                let linked = link.and_then(|href| own.join(href).ok()).filter(|target| target.query().is_none());
                let linked = linked.and_then(|target| rebased(&self.member, &target));
                linked.unwrap_or_else(|| below(&own, "queryables"))
            }
        };
        match self.send(Outgoing::get(url, SCHEMA), deadline).await {
            Ok(answer) if answer.body.len() > QUERYABLES_BYTES_MAX => {
                Err(failure(Fault::TooLarge, "queryables over the bound on bytes"))
            }
            Ok(answer) => Ok(Some(answer.body)),
            Err(failed) if matches!(failed.status, Some(404 | 405 | 410 | 501)) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn read_collections(&self, deadline: Instant) -> Result<Listing, Failure> {
        let url = below(&self.member.url, "collections");
        let mut listing = Listing::default();
        let mut bytes = 0;
        let mut delta: Option<Delta> = None;
        let mut tokens = Vec::new();
        for page in 0..LISTING_PAGES_MAX {
            let answer = self.send(request(&url, &[], None, delta.as_ref()), deadline).await;
            // What was read stays useful, though it proves nothing any more.
            let answer = match answer {
                Err(_) if page > 0 => return Ok(listing),
                other => other?,
            };
            bytes += answer.body.len();
            let before = listing.collections.len();
            let read = take_collections(&answer.body, &mut listing);
            let (links, matched) = match read {
                Err(_) if page > 0 => return Ok(listing),
                other => other?,
            };
            let sent = Sent { url: &url, query: &[], body: None, limit: 0, follow: None };
            let Ok(next) = next_link::token(links.as_deref(), &answer.headers, &sent) else { return Ok(listing) };
            let Some(next) = next else {
                let unsure = page == 0
                    && listing.collections.len() == SUSPICIOUS_LENGTH
                    && matched != Some(SUSPICIOUS_LENGTH as u64);
                let short = matched.is_some_and(|matched| matched > listing.collections.len() as u64);
                listing.complete = !unsure && !short;
                return Ok(listing);
            };
            let stuck = listing.collections.len() == before || tokens.contains(&next);
            if stuck || bytes > LISTING_BYTES_MAX || listing.collections.len() >= COLLECTIONS_MAX {
                return Ok(listing);
            }
            delta = Delta::open(&next).ok();
            tokens.push(next);
        }
        Ok(listing)
    }
}

/// Appends the Collections of one page; gives its links and its count.
fn take_collections(body: &Bytes, listing: &mut Listing) -> Result<(Option<Bytes>, Option<u64>), Failure> {
    let page: CollectionsPage<'_> =
        serde_json::from_slice(body).map_err(|error| failure(Fault::BadResponse, &format!("collections: {error}")))?;
    let room = COLLECTIONS_MAX.saturating_sub(listing.collections.len());
    let texts = page.collections.iter().take(room).map(|raw| body.slice_ref(raw.get().as_bytes()));
    listing.collections.extend(texts);
    Ok((page.links.map(|raw| body.slice_ref(raw.get().as_bytes())), page.number_matched))
}

/// A request: our own query, plus what a token adds or overrides.
fn request(
    url: &Url,
    query: &[(String, String)],
    body: Option<&Map<String, Value>>,
    delta: Option<&Delta>,
) -> Outgoing {
    let mut url = url.clone();
    let none = Delta::default();
    let delta = delta.unwrap_or(&none);
    let overridden = |name: &str| delta.query.iter().any(|(own, _)| own == name);
    let pairs = query.iter().filter(|(name, _)| !overridden(name)).chain(&delta.query);
    for (name, value) in pairs {
        url.query_pairs_mut().append_pair(name, value);
    }
    let body = body.map(|body| {
        let mut body = body.clone();
        body.extend(delta.body.iter().cloned());
        Bytes::from(Value::Object(body).to_string())
    });
    let headers = delta.headers.iter().filter_map(|(name, value)| next_link::header(name, value)).collect();
    Outgoing { url, redirects: body.is_none() && query.is_empty(), body, headers, accept: GEOJSON }
}

/// An address below a landing page; a query of the landing page itself is kept.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}

/// Links are chosen by relation *and* type: some catalogues have `search` links to descriptions in XML.
fn is_search(link: &Map<String, Value>) -> bool {
    let rel = link.get("rel").and_then(Value::as_str).is_some_and(|rel| rel == "search");
    rel && link.get("type").and_then(Value::as_str).is_none_or(|media| media.contains("json"))
}

/// The path of a member's link below its configured base, at the configured origin; `None` when it leads elsewhere.
fn rebased(member: &federation::Member, target: &Url) -> Option<Url> {
    let bases = std::iter::once(&member.url).chain(&member.aliases);
    let rest = bases.filter(|base| base.origin() == target.origin()).find_map(|base| {
        target.path().strip_prefix(base.path().trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'))
    })?;
    (!rest.is_empty()).then(|| below(&member.url, rest))
}

impl Member for StacApi {
    fn id(&self) -> &MemberId {
        &self.member.id
    }

    fn capabilities(&self) -> Arc<Capabilities> {
        self.known.load_full()
    }

    fn health(&self) -> Health {
        (**self.health.load()).clone()
    }

    fn disordered(&self) {
        if !self.disorder.add(Instant::now()) {
            return;
        }
        let declared = self.member.capabilities.sort.is_some();
        warn!(member = %self.member.id, declared, "order broken three times in ten minutes");
        self.known.rcu(|known| {
            let mut known = (**known).clone();
            if declared {
                known.note("breaks the order that the federation file declares");
            } else {
                known.sort = Support::Unsupported;
                known
                    .note("broke its order three times in ten minutes; taken not to sort until it is discovered again");
            }
            known
        });
    }

    fn search<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(self.ask_page(ask, deadline))
    }

    fn item<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Item>, Failure>> {
        Box::pin(self.read_item(collection, id, deadline))
    }

    fn collections(&self, deadline: Instant) -> BoxFuture<'_, Result<Listing, Failure>> {
        Box::pin(self.read_collections(deadline))
    }

    fn queryables<'a>(
        &'a self,
        collection: Option<(&'a str, Option<&'a str>)>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(self.read_queryables(collection, deadline))
    }

    fn discover(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>> {
        Box::pin(self.read_landing(deadline))
    }
}
