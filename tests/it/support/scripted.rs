//! A scripted member: a real HTTP server on loopback with Items and habits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::Value;
use stac_broker::federation::Member;
use url::Url;

use super::answer;
use super::store::Store;

/// How the member says where its next page is (`members.md` section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextForm {
    /// N1: GET address with `token`.
    Get,
    /// N2: POST with the whole body again.
    PostFull,
    /// N3: POST with a body to be merged.
    PostMerge,
    /// N4: a header to send.
    Headers,
    /// N5: GET address after a POST, bracket query string and `cursor`.
    GetAfterPost,
    /// N6: `page=`, counted in pages of the asked size.
    PageNumber,
    /// N6: `offset=`.
    Offset,
    /// N7: never.
    None,
    /// N8: `Link` header.
    LinkHeader,
    /// N1, with everything that was asked repeated as JSON, and `next` after it, as old stac-servers do.
    GetEcho,
}

/// What goes wrong on a request to `/search`.
#[derive(Debug, Clone)]
pub enum Fails {
    /// Accepts and never answers.
    Hang,
    /// 200 with an HTML page.
    Html,
    /// A body cut in the middle.
    Truncated,
    /// Every page is the first one, with the same `next`.
    Loop,
    /// A body of this many bytes without an end that matters.
    Huge(usize),
    /// A body that inflates to this many bytes.
    Bomb(usize),
    /// One byte at a time, this far apart.
    Trickle(Duration),
    /// An error status, with `Retry-After` where given.
    Status(u16, Option<&'static str>),
    /// A redirect to this address.
    Redirect(String),
    /// This text, as JSON.
    Says(&'static str),
    /// The right answer, this late.
    Late(Duration),
}

/// A request as the member received it.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What a member does with conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    /// It does not know the parameter and ignores it.
    Ignores,
    /// It answers 400.
    Refuses,
    /// It returns what meets the first part, and more.
    Loosely,
    Exactly,
}

/// A member before its start. Without a script it is a well-behaved STAC API that sorts, by GET and POST.
#[derive(Debug, Clone)]
pub struct ScriptedMember {
    pub(super) id: String,
    pub(super) items: Vec<Value>,
    /// Items as they are written, byte for byte.
    pub(super) documents: Vec<String>,
    pub(super) collections: Option<Vec<Value>>,
    pub(super) collections_page: usize,
    pub(super) page_cap: usize,
    pub(super) get: bool,
    pub(super) post: bool,
    /// What `/search` answers on POST when `post` is false.
    pub(super) says_post: bool,
    pub(super) sorts: bool,
    pub(super) says_sorts: bool,
    pub(super) counts: bool,
    /// Its counts are of all Items, whatever was asked.
    pub(super) guesses_counts: bool,
    pub(super) next_form: NextForm,
    pub(super) next_base: Option<String>,
    pub(super) trailing_empty: bool,
    pub(super) delay: Duration,
    /// From which search on (0: the first), and what.
    pub(super) fails: Option<(usize, Fails)>,
    pub(super) landing_redirect: Option<String>,
    /// So many Items of a page are shown again on the next one.
    pub(super) repeats: usize,
    pub(super) filters: Filters,
    /// Languages it reads by GET and by POST, and those that it declares.
    pub(super) reads_get: Vec<&'static str>,
    pub(super) reads_post: Vec<&'static str>,
    pub(super) says_filter: Vec<&'static str>,
    /// The properties that it knows in conditions; others are 400.
    pub(super) queryables: Option<Vec<&'static str>>,
    pub(super) queries: bool,
    pub(super) says_query: bool,
    /// Parameters that have no effect, and parameters that make Items disappear.
    pub(super) ignores: Vec<&'static str>,
    pub(super) loses: Vec<&'static str>,
    /// No Item Search: Items collection by collection.
    pub(super) items_only: bool,
    pub(super) pages_before_filtering: bool,
    /// Items name no collection.
    pub(super) unnamed: bool,
    /// Says nothing of its Item Search.
    pub(super) silent: bool,
    /// Documents at other paths below its landing page, each with its status.
    pub(super) documents_at: Vec<(String, u16, String)>,
    pub(super) quirks: Quirks,
}

/// Habits of single servers (`members.md` section 6).
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    /// Pages of more Items than this fail with this status.
    pub fails_over: Option<(usize, u16)>,
    /// The count stands in `context` alone.
    pub counts_in_context: bool,
    /// Without `collections` it finds nothing.
    pub needs_collections: bool,
    /// A request with a place in a list fails with this status; `true`: by POST only.
    pub refuses_tokens: Option<(u16, bool)>,
    /// Every href has `?f=…`, and each has a twin in HTML.
    pub formats_in_hrefs: bool,
    /// `/collections` shows so many without `limit`, with a count of those; `true`: it knows `limit`.
    pub listing_cut: Option<(usize, bool)>,
    /// Members of its landing page beside those that all have.
    pub landing: Option<Value>,
    /// Classes that it declares beside those that it has.
    pub classes: Vec<&'static str>,
    /// Without a time an Item breaks the list at its place: the next page is refused.
    pub null_times_break: bool,
    /// Items without a property stand behind those with the largest one, as in some databases; else before the smallest.
    pub nulls_are_large: bool,
}

/// The classes that a member with all of CQL2 declares, in new and in old spelling.
pub const ALL_CLASSES: [&str; 6] = [
    "basic-cql2",
    "advanced-comparison-operators",
    "basic-spatial-operators",
    "spatial-functions",
    "case-insensitive-comparison",
    "array-functions",
];

impl ScriptedMember {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            items: Vec::new(),
            documents: Vec::new(),
            collections: None,
            collections_page: usize::MAX,
            page_cap: usize::MAX,
            get: true,
            post: true,
            says_post: true,
            sorts: true,
            says_sorts: true,
            counts: true,
            guesses_counts: false,
            next_form: NextForm::Get,
            next_base: None,
            trailing_empty: false,
            documents_at: Vec::new(),
            delay: Duration::ZERO,
            fails: None,
            landing_redirect: None,
            repeats: 0,
            filters: Filters::Ignores,
            reads_get: Vec::new(),
            reads_post: Vec::new(),
            says_filter: Vec::new(),
            queryables: None,
            queries: false,
            says_query: false,
            ignores: Vec::new(),
            loses: Vec::new(),
            items_only: false,
            pages_before_filtering: false,
            unnamed: false,
            silent: false,
            quirks: Quirks::default(),
        }
    }

    /// Has habits of its own.
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// Reads conditions in these languages, by GET and POST, and says so.
    pub fn filters(mut self, languages: &[&'static str]) -> Self {
        self.filters = Filters::Exactly;
        (self.reads_get, self.reads_post) = (languages.to_vec(), languages.to_vec());
        self.says_filter = languages.to_vec();
        self.says_filter.push("item-search#filter");
        self.says_filter.extend(ALL_CLASSES);
        self
    }

    /// All of it: sorts, filters in both languages, has the Query extension.
    pub fn able(self) -> Self {
        self.filters(&["cql2-text", "cql2-json"]).queries()
    }

    /// Declares these classes, whatever it does.
    pub fn says_filter(mut self, classes: &[&'static str]) -> Self {
        self.says_filter = classes.to_vec();
        self
    }

    /// What it does, whatever it declares.
    pub fn really(mut self, filters: Filters) -> Self {
        self.filters = filters;
        self
    }

    /// By GET it reads these languages only.
    pub fn reads_get(mut self, languages: &[&'static str]) -> Self {
        self.reads_get = languages.to_vec();
        self
    }

    /// Conditions on other properties are 400.
    pub fn queryables(mut self, names: &[&'static str]) -> Self {
        self.queryables = Some(names.to_vec());
        self
    }

    pub fn queries(mut self) -> Self {
        (self.queries, self.says_query) = (true, true);
        self
    }

    pub fn claims_query(mut self) -> Self {
        (self.queries, self.says_query) = (false, true);
        self
    }

    pub fn hides_query(mut self) -> Self {
        (self.queries, self.says_query) = (true, false);
        self
    }

    /// Sorts and does not say so.
    pub fn hides_sort(mut self) -> Self {
        (self.sorts, self.says_sorts) = (true, false);
        self
    }

    pub fn ignores(mut self, parameters: &[&'static str]) -> Self {
        self.ignores = parameters.to_vec();
        self
    }

    pub fn loses(mut self, parameters: &[&'static str]) -> Self {
        self.loses = parameters.to_vec();
        self
    }

    /// No `/search`: `/collections/{id}/items` with `bbox`, `datetime`, `limit` and `offset`.
    pub fn items_only(mut self) -> Self {
        self.items_only = true;
        self.next_form = NextForm::Offset;
        self
    }

    /// A page is cut from the list before it is filtered: short and empty pages in the middle.
    pub fn pages_before_filtering(mut self) -> Self {
        self.pages_before_filtering = true;
        self
    }

    /// Neither a `search` link nor the class.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    pub fn unnamed_collections(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// Its Items, in its native order.
    pub fn items(mut self, items: Vec<Value>) -> Self {
        self.items = items;
        self
    }

    /// Its Collections; without this, one for each collection of its Items.
    pub fn collections(mut self, collections: Vec<Value>) -> Self {
        self.collections = Some(collections);
        self
    }

    /// Pages of its collection listing.
    pub fn collections_page(mut self, size: usize) -> Self {
        self.collections_page = size;
        self
    }

    /// Never more Items on a page than this, whatever is asked, and without saying so.
    pub fn page_cap(mut self, cap: usize) -> Self {
        self.page_cap = cap;
        self
    }

    /// POST is 405 and not advertised.
    pub fn get_only(mut self) -> Self {
        (self.post, self.says_post) = (false, false);
        self
    }

    /// POST is advertised and yet 405.
    pub fn claims_post(mut self) -> Self {
        (self.post, self.says_post) = (false, true);
        self
    }

    pub fn post_only(mut self) -> Self {
        self.get = false;
        self
    }

    /// Neither sorts nor claims to.
    pub fn no_sort(mut self) -> Self {
        (self.sorts, self.says_sorts) = (false, false);
        self
    }

    /// Claims to sort and does not.
    pub fn claims_sort(mut self) -> Self {
        (self.sorts, self.says_sorts) = (false, true);
        self
    }

    /// Gives no `numberMatched`.
    pub fn no_counts(mut self) -> Self {
        self.counts = false;
        self
    }

    pub fn guesses_counts(mut self) -> Self {
        self.guesses_counts = true;
        self
    }

    pub fn next_form(mut self, form: NextForm) -> Self {
        self.next_form = form;
        self
    }

    /// `next` links name this base (for example an internal host) instead of the member's own.
    pub fn next_at(mut self, base: &str) -> Self {
        self.next_base = Some(base.to_owned());
        self
    }

    /// A `next` after every non-empty page, so that an empty page ends the list.
    pub fn trailing_empty_page(mut self) -> Self {
        self.trailing_empty = true;
        self
    }

    pub fn slow(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Items as they are written: what comes out of the broker can be compared byte for byte.
    pub fn documents(mut self, documents: Vec<String>) -> Self {
        self.documents = documents;
        self
    }

    /// A page begins with the last Items of the page before it.
    pub fn repeats(mut self, count: usize) -> Self {
        self.repeats = count;
        self
    }

    /// Every search goes wrong.
    pub fn fails(self, how: Fails) -> Self {
        self.fails_from(0, how)
    }

    /// Searches go wrong from this one on (0 is the first).
    pub fn fails_from(mut self, search: usize, how: Fails) -> Self {
        self.fails = Some((search, how));
        self
    }

    /// What it answers at a path below its landing page, written as it comes in (`collections/a%20b/queryables`).
    pub fn at(mut self, path: &str, status: u16, document: impl std::fmt::Display) -> Self {
        self.documents_at.push((path.to_owned(), status, document.to_string()));
        self
    }

    /// The landing page is a redirect to this address.
    pub fn landing_redirect(mut self, to: &str) -> Self {
        self.landing_redirect = Some(to.to_owned());
        self
    }

    /// Serves on a free loopback port until the [`Running`] is dropped.
    pub async fn start(self) -> Running {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = Url::parse(&format!("http://{address}/stac")).unwrap();
        let id = self.id.clone();
        let state = Arc::new(State {
            store: Store::new(&self.items, &self.documents, self.quirks.nulls_are_large),
            script: self,
            base: url.to_string(),
            searches: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            recorded: Mutex::default(),
            filters: Mutex::default(),
            now: Mutex::default(),
            every: AtomicUsize::new(1),
        });
        let task = tokio::spawn(serve(listener, state.clone()));
        Running { id, url, address, state, task }
    }
}

/// Serves connections; when it is dropped they are cut, those in use too.
async fn serve(listener: tokio::net::TcpListener, state: Arc<State>) {
    let app = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let state = state.clone();
        async move { state.receive(Recorded { method, uri, headers, body }).await }
    });
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        connections.spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            // how a connection ends is the client's matter
            drop(builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

pub(super) struct State {
    pub(super) script: ScriptedMember,
    pub(super) store: Store,
    pub(super) base: String,
    pub(super) searches: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    pub(super) probes: AtomicUsize,
    recorded: Mutex<Vec<Recorded>>,
    pub(super) filters: Mutex<Option<Filters>>,
    /// What goes wrong from now on, whatever the script says.
    now: Mutex<Option<Fails>>,
    /// Of so many searches one goes wrong like that.
    every: AtomicUsize,
}

impl Recorded {
    /// Made by a probe, as its `User-Agent` says.
    pub fn is_probe(&self) -> bool {
        self.headers.get("user-agent").is_some_and(|agent| agent.as_bytes().ends_with(b"(probe)"))
    }
}

impl State {
    /// Counts a request for Items; gives its number among those that searches make.
    pub(super) fn count(&self, request: &Recorded) -> usize {
        let step = usize::from(!request.is_probe());
        self.searches.fetch_add(step, Ordering::SeqCst)
    }

    async fn receive(&self, request: Recorded) -> Response {
        self.recorded.lock().unwrap().push(request.clone());
        self.probes.fetch_add(usize::from(request.is_probe()), Ordering::SeqCst);
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(self.script.delay).await;
        let response = answer::answer(self, &request).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        response
    }

    /// What goes wrong from now on.
    pub(super) fn now(&self) -> Option<Fails> {
        self.now.lock().unwrap().clone()
    }

    /// What goes wrong on this search.
    pub(super) fn fault(&self, number: usize) -> Option<Fails> {
        self.now()
            .filter(|_| number.is_multiple_of(self.every.load(Ordering::SeqCst)))
            .or_else(|| self.script.fails.as_ref().filter(|(from, _)| number >= *from).map(|(_, how)| how.clone()))
    }
}

/// A serving member. Dropping it stops it.
pub struct Running {
    pub id: String,
    /// Landing page.
    pub url: Url,
    address: std::net::SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// As a federation would declare it.
    pub fn declared(&self) -> Member {
        super::declared(&self.id, self.url.clone())
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Requests for Items so far, those of probes not counted.
    pub fn searches(&self) -> usize {
        self.state.searches.load(Ordering::SeqCst)
    }

    /// The most requests that it had in hand at one time.
    pub fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::SeqCst)
    }

    /// Requests that a probe made, to whatever address.
    pub fn probes(&self) -> usize {
        self.state.probes.load(Ordering::SeqCst)
    }

    /// All requests so far, in the order in which they came.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.recorded.lock().unwrap().clone()
    }

    /// Forgets what it received, for long runs.
    pub fn forget(&self) {
        *self.state.recorded.lock().unwrap() = Vec::new();
    }

    /// From now on every search goes wrong like this.
    pub fn breaks(&self, how: Fails) {
        self.breaks_every(1, how);
    }

    /// From now on one search of so many goes wrong like this: too few for a breaker to open.
    pub fn breaks_every(&self, searches: usize, how: Fails) {
        self.state.every.store(searches, Ordering::SeqCst);
        *self.state.now.lock().unwrap() = Some(how);
    }

    /// From now on it does this with conditions.
    pub fn filters_now(&self, filters: Filters) {
        *self.state.filters.lock().unwrap() = Some(filters);
    }

    /// From now on searches are answered by the script again.
    pub fn heals(&self) {
        *self.state.now.lock().unwrap() = None;
    }

    /// Stops serving: open connections are cut, new ones refused.
    pub async fn refuse(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Serves again at the address it had.
    pub async fn accept_again(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.task = tokio::spawn(serve(listener, self.state.clone()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
