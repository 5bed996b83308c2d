//! The adapter of kind `stac-api`: discovery here, pages of Item Search in `search.rs`, members without Item Search in
//! `items_only.rs`, Collections through their pages in `listing.rs`, what a member really does in `probe.rs`, what kind of
//! server it is in `kind.rs`, pages that are too large for it in `size.rs`.

mod deep;
mod items_only;
mod kind;
mod listing;
mod naming;
mod numbered;
mod one_by_one;
mod probe;
mod search;
mod size;
mod slices;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use futures::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use url::Url;

use super::capabilities::{Capabilities, Found};
use super::client::Clients;
use super::findings::Findings;
use super::item::Item;
use super::line::{Answer, Expects, Line, Outgoing, Purpose, failure};
use super::next_link::{self, Delta};
use super::tally::Tally;
use super::{Ask, Failure, Fault, Health, Listing, Member, Page};
use crate::federation::{self, MemberId, Method, Support};

const JSON: &str = "application/json";
const SCHEMA: &str = "application/schema+json, application/json";
const GEOJSON: &str = "application/geo+json, application/json";
/// How long a request waits for one of the few turns of a member that stands no more: other requests take some seconds.
const GATE_WAIT: Duration = Duration::from_secs(5);
/// Parameters of a link that choose a format; they say nothing else.
const FORMATS: [&str; 2] = ["f", "httpAccept"];
/// Contradictions remembered from one discovery to the next.
const OBSERVED_MAX: usize = 16;
/// Characters of a condition that a note shows.
const CONDITION_SHOWN: usize = 120;
/// Bytes of the queryables of one collection; real ones have some ten thousand.
const QUERYABLES_BYTES_MAX: usize = 512 << 10;
/// Characters of a path segment that stay as they are (RFC 3986, unreserved).
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A STAC API.
pub struct StacApi {
    member: federation::Member,
    line: Line,
    known: ArcSwap<Capabilities>,
    /// What was known when it was last discovered, before any probe: what the next probe is held against.
    declared: ArcSwap<Capabilities>,
    /// What that discovery found.
    found: ArcSwap<Found>,
    /// What one of its answers gave away of its kind, or that it is none of those it was taken for.
    answered: Mutex<Option<kind::Answered>>,
    /// How wide a window of time was that it could be read in.
    width: slices::Width,
    /// How searches found it to do otherwise than it declares, since it was discovered.
    observed: Mutex<Vec<String>>,
    search_url: ArcSwap<Url>,
    health: ArcSwap<Health>,
    /// POST was refused once; GET is used from then on.
    post_refused: AtomicBool,
    disorder: Tally,
    contradictions: Tally,
    /// Properties that it took in a condition, since its start.
    accepted: Mutex<BTreeSet<String>>,
    /// Its Collections as last listed.
    listed: ArcSwap<Vec<items_only::Listed>>,
    /// That list was whole.
    listed_whole: AtomicBool,
    /// Largest page that works, where larger ones were seen to fail since it was discovered.
    page_cap: AtomicU32,
    /// Requests at once, where its kind of server stands fewer than the line allows.
    gate: ArcSwapOption<Semaphore>,
    gate_size: AtomicUsize,
    /// What the last probe saw; it outlives a new discovery until the next one.
    findings: Mutex<Option<Findings>>,
    /// A probe is wanted: after discovery, and after it contradicted what it declares.
    probe_due: AtomicBool,
    /// Its conditions counted as exact and were not, since it was discovered: no probe of a few Items can take that back.
    distrusted: AtomicBool,
    /// It broke its order again and again, since it was discovered: likewise.
    disorderly: AtomicBool,
}

#[derive(Deserialize)]
struct Landing {
    #[serde(default, rename = "conformsTo")]
    conforms_to: Option<Vec<String>>,
    #[serde(default)]
    links: Vec<Value>,
    /// All else that it says.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl StacApi {
    pub fn new(member: &federation::Member, federation: &federation::Federation, clients: &Clients) -> Self {
        Self {
            line: Line::new(member, federation, clients),
            known: ArcSwap::from_pointee(Capabilities::implied(member)),
            declared: ArcSwap::from_pointee(Capabilities::implied(member)),
            found: ArcSwap::default(),
            answered: Mutex::default(),
            width: slices::Width::default(),
            observed: Mutex::default(),
            search_url: ArcSwap::from_pointee(below(&member.url, "search")),
            health: ArcSwap::from_pointee(Health::default()),
            post_refused: AtomicBool::new(false),
            disorder: Tally::default(),
            contradictions: Tally::default(),
            accepted: Mutex::default(),
            listed: ArcSwap::default(),
            listed_whole: AtomicBool::new(false),
            page_cap: AtomicU32::new(u32::MAX),
            gate: ArcSwapOption::empty(),
            gate_size: AtomicUsize::new(0),
            findings: Mutex::default(),
            probe_due: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            disorderly: AtomicBool::new(false),
            member: member.clone(),
        }
    }

    /// Sends, and keeps what it says of the member's health.
    async fn send(&self, request: Outgoing, deadline: Instant) -> Result<Answer, Failure> {
        let purpose = request.purpose;
        let gate = self.gate.load_full();
        let turn = timeout_at(deadline.min(Instant::now() + GATE_WAIT), async {
            match &gate {
                Some(gate) => gate.acquire().await.ok(),
                None => None,
            }
        });
        let Ok(_turn) = turn.await else {
            return Err(failure(Fault::RateLimited, "all turns that this kind of server stands are taken"));
        };
        let outcome = self.line.send(request, deadline).await;
        // a probe asks for what may well be refused: an answer of any kind is a sign of life
        let failed = outcome.as_ref().err().filter(|failed| purpose != Purpose::Probe || failed.status.is_none());
        // What was not sent says nothing about the member at this moment.
        if !failed.is_some_and(|failed| failed.fault == Fault::CircuitOpen) {
            self.remember(failed);
        }
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

    async fn read_landing(&self, deadline: Instant) -> Result<Arc<Capabilities>, Failure> {
        let answer = self.send(Outgoing::get(self.member.url.clone(), JSON), deadline).await?;
        let landing = serde_json::from_slice(&answer.body)
            .map_err(|error| failure(Fault::BadResponse, &format!("landing page is not a Catalog: {error}")));
        let landing: Landing = answer.trial.of(landing)?;
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
        if !found.search_link && !found.has("item-search") {
            found.items_only = self.search_is_absent(&search_url, deadline).await;
        }
        found.seen = self.kind_of(&landing.rest, &landing.links, &found.conforms_to, &answer.headers);
        self.found.store(Arc::new(found.clone()));
        let mut known = Capabilities::discovered(&self.member, &found);
        let declared = known.clone();
        if let Some(findings) = self.findings.lock().ok().and_then(|findings| findings.clone()) {
            findings.apply(&mut known);
        }
        if self.post_refused.load(Ordering::Relaxed) && self.member.request.method != Method::Post {
            known.search_post = false;
            known.note("POST on `/search` is refused; asked by GET");
        }
        self.search_url.store(Arc::new(search_url));
        self.page_cap.store(u32::MAX, Ordering::Relaxed);
        self.hold_back(&known);
        let known = Arc::new(known);
        self.known.store(known.clone());
        self.declared.store(Arc::new(declared));
        if let Ok(mut observed) = self.observed.lock() {
            observed.clear();
        }
        self.distrusted.store(false, Ordering::Relaxed);
        self.disorderly.store(false, Ordering::Relaxed);
        self.probe_due.store(true, Ordering::Relaxed);
        Ok(known)
    }

    async fn read_sign_of_life(&self, deadline: Instant) -> Result<(), Failure> {
        let landing = Outgoing { purpose: Purpose::Check, ..Outgoing::get(self.member.url.clone(), JSON) };
        self.send(landing, deadline).await.map(|_| ())
    }

    /// Whether `/search` is not there, by any method that may be used.
    async fn search_is_absent(&self, url: &Url, deadline: Instant) -> bool {
        let limit = [("limit".to_owned(), "1".to_owned())];
        let body = Map::from_iter([("limit".to_owned(), Value::from(1))]);
        let mut attempts = vec![request(url, &limit, None, None)];
        if self.member.request.method != Method::Get {
            attempts.push(request(url, &[], Some(&body), None));
        }
        for attempt in attempts {
            match self.send(attempt, deadline).await {
                Err(failed) if matches!(failed.status, Some(404 | 405 | 501)) => {}
                _ => return false,
            }
        }
        true
    }

    /// Changes what is known of the member for what a search found it to do.
    fn observe(&self, note: &str, change: impl Fn(&mut Capabilities)) {
        if let Ok(mut observed) = self.observed.lock()
            && observed.len() < OBSERVED_MAX
        {
            observed.push(note.to_owned());
        }
        self.learn(|known| {
            change(known);
            known.contradicted(note);
        });
    }

    /// Changes what is known of the member.
    fn learn(&self, change: impl Fn(&mut Capabilities)) {
        self.known.rcu(|known| {
            let mut known = (**known).clone();
            change(&mut known);
            known
        });
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
}

/// A request: our own query, plus what a token adds or overrides.
pub(super) fn request(
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
    Outgoing {
        url,
        redirects: body.is_none() && query.is_empty(),
        body,
        headers,
        accept: GEOJSON,
        purpose: Purpose::Search,
        expects: Expects::Json,
    }
}

/// An address below a landing page; a query of the landing page itself is kept.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}

/// Links are chosen by relation *and* type: some catalogues have `search` links to descriptions in XML.
pub(super) fn is_search(link: &Map<String, Value>) -> bool {
    let rel = link.get("rel").and_then(Value::as_str).is_some_and(|rel| rel == "search");
    rel && link.get("type").and_then(Value::as_str).is_none_or(|media| media.contains("json"))
}

/// The path of a member's link below its configured base, at the configured origin; `None` when it leads elsewhere.
pub(super) fn rebased(member: &federation::Member, target: &Url) -> Option<Url> {
    let bases = std::iter::once(&member.url).chain(&member.aliases);
    let rest = bases.filter(|base| base.origin() == target.origin()).find_map(|base| {
        target.path().strip_prefix(base.path().trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'))
    })?;
    if rest.is_empty() {
        return None;
    }
    let mut url = below(&member.url, rest);
    // GeoServer has one address for people and for machines, and tells them apart in the query
    for (name, format) in target.query_pairs() {
        let own = url.query_pairs().any(|(given, _)| given == name);
        if FORMATS.contains(&&*name) && format.contains("json") && !own {
            url.query_pairs_mut().append_pair(&name, &format);
        }
    }
    Some(url)
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
        // What it really does is asked again soon, and not with the next discovery.
        self.probe_due.store(true, Ordering::Relaxed);
        if !self.disorder.add(Instant::now()) {
            return;
        }
        let declared = self.member.capabilities.sort.is_some();
        warn!(member = %self.member.id, declared, "order broken three times in ten minutes");
        if declared {
            self.observe("breaks the order that the federation file declares", |_| ());
            return;
        }
        self.disorderly.store(true, Ordering::Relaxed);
        let note = "broke its order three times in ten minutes; taken not to sort until it is discovered again";
        self.observe(note, |known| known.sort = Support::Unsupported);
    }

    fn contradicted(&self, what: &str) {
        if !self.contradictions.add(Instant::now()) {
            return;
        }
        warn!(member = %self.member.id, condition = %what, "Items outside the condition three times in ten minutes");
        self.distrusted.store(true, Ordering::Relaxed);
        let what: String = what.chars().take(CONDITION_SHOWN).collect();
        let note = format!("returned Items outside a condition that counted as exact: {what}");
        self.observe(&note, Capabilities::distrust);
        self.probe_due.store(true, Ordering::Relaxed);
    }

    fn probe_due(&self) -> bool {
        self.probe_due.load(Ordering::Relaxed)
    }

    fn probe(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.run_probe(deadline))
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

    fn check(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.read_sign_of_life(deadline))
    }

    fn discover(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>> {
        Box::pin(self.read_landing(deadline))
    }
}
