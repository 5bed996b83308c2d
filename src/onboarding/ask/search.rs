//! Item Search by each method and parameter, asked about one Item that is known.

use std::sync::Arc;

use serde_json::Value;

use super::{Asked, Asker, Listing, PageSeen};
use crate::cql2::{Comparison, Expr, Value as Cql};
use crate::federation::{Dialect, Interval, Support};
use crate::members::capabilities::{Capabilities, Language};
use crate::members::dialect::{self, Filters, Ids, in_answer};
use crate::members::inspect::Question;
use crate::members::{Ask, Known, Seen, Words, known};

/// Items of the page among which one is chosen to ask about.
pub const SAMPLE: u32 = 10;
/// Items of a page that looks for one Item among its neighbours.
const NEIGHBOURS: u32 = 50;

/// How searches went.
#[derive(Debug)]
pub struct Search {
    /// By GET, a page of [`SAMPLE`] Items.
    pub get: PageSeen,
    pub post: Option<PageSeen>,
    /// All further questions go by POST.
    pub by_post: bool,
    /// There is no Item Search: Items were asked of one Collection at its own address.
    pub items_only: bool,
    /// `ids` override all other parameters there: they cannot stand beside another that is tried.
    pub ids_override: bool,
    /// The dialect that the first page gave away, where the landing page told nothing.
    pub dialect: Option<dialect::Seen>,
    /// Collections that a search has to name to find anything.
    pub home: Option<Vec<String>>,
    pub known: Option<Known>,
    /// `ids`, `collections`, `bbox`, `datetime`, `intersects`.
    pub probes: Vec<Probe>,
    /// The known Item at its own address.
    pub item: Option<Asked>,
    /// A Collection that does not exist.
    pub stranger: Option<PageSeen>,
    pub spoken: Vec<Spoken>,
    /// `fields`, where it is declared.
    pub fields: Option<PageSeen>,
    /// A search that is wrong.
    pub wrong: Option<Asked>,
}

/// One parameter: a question that the known Item meets, and one that it does not.
#[derive(Debug)]
pub struct Probe {
    pub parameter: &'static str,
    pub inside: PageSeen,
    pub outside: PageSeen,
    pub support: Option<Support>,
}

/// A condition in one language by one method.
#[derive(Debug)]
pub struct Spoken {
    /// `filter as cql2-text by GET`, `query by POST`.
    pub what: String,
    /// The class that promises it.
    pub class: &'static str,
    pub inside: PageSeen,
    pub outside: PageSeen,
    pub support: Option<Support>,
}

impl Search {
    /// The page that the sample came from.
    #[must_use]
    pub fn sample(&self) -> &PageSeen {
        if self.by_post { self.post.as_ref().unwrap_or(&self.get) } else { &self.get }
    }

    /// Whether any search gives pages.
    #[must_use]
    pub fn works(&self) -> bool {
        self.sample().is_page()
    }

    #[must_use]
    pub fn support(&self, parameter: &str) -> Option<Support> {
        self.probes.iter().find(|probe| probe.parameter == parameter).and_then(|probe| probe.support)
    }

    /// What narrows a question to where Items are.
    #[must_use]
    pub fn ask(&self, limit: u32) -> Ask {
        Ask { collections: self.home.clone(), limit, ..Ask::default() }
    }
}

impl Asker<'_> {
    /// Tries the methods, and asks about one Item with each parameter.
    pub async fn search(&mut self, declared: &Capabilities, listing: &Listing) -> Search {
        let mut search = self.methods(listing).await;
        let items = search.sample().items().iter().filter(|item| !item.collection.is_empty());
        search.known = items.map(Known::of).max_by_key(Known::tells);
        let Some(known) = search.known.clone() else { return search };
        if !search.items_only {
            self.identity(&known, &mut search).await;
        }
        self.place_and_time(&known, &mut search).await;
        search.item =
            Some(self.ask(&self.inspector.below(&["collections", &known.collection, "items", &known.id])).await);
        if !search.items_only {
            self.conditions(&known, declared, &mut search).await;
        }
        let wrong = self.inspector.search(search.ask(1), None, &[("bbox", "1,2,3")], false);
        search.wrong = Some(self.ask(&wrong).await);
        search
    }

    async fn methods(&mut self, listing: &Listing) -> Search {
        let first = listing.collections.first().map(|collection| collection.id.clone());
        let mut get = self.sample(None, false).await;
        let mut dialect = None;
        if self.inspector.habits().dialect == Dialect::Standard
            && let Some((Value::Object(page), answer)) = get.asked.good().and_then(|a| Some((a.json()?, a)))
        {
            dialect = in_answer(&page, &answer.headers);
        }
        if let Some(seen) = &dialect {
            self.inspector.speak(seen.dialect);
        }
        let mut post = if self.inspector.habits().post { Some(self.sample(None, true).await) } else { None };
        let mut items_only = false;
        let absent = |page: &PageSeen| matches!(page.asked.status(), Some(404 | 405 | 501));
        if absent(&get)
            && post.as_ref().is_some_and(absent)
            && let Some(first) = &first
        {
            self.inspector.without_search(first);
            (get, post, items_only) = (self.sample(None, false).await, None, true);
        }
        let by_post = !get.is_page() && post.as_ref().is_some_and(PageSeen::is_page);
        let mut home = None;
        // some give nothing, or refuse, as long as no Collection is named
        let found = |page: &PageSeen| !page.items().is_empty();
        let empty = if by_post { post.as_ref().is_none_or(|page| !found(page)) } else { !found(&get) };
        if empty && !items_only && get.asked.unanswered().is_none() {
            for id in listing.collections.iter().take(3).map(|collection| collection.id.clone()) {
                let page = self.sample(Some(vec![id.clone()]), by_post).await;
                if found(&page) {
                    home = Some(vec![id]);
                    if by_post {
                        post = Some(page);
                    } else {
                        get = page;
                    }
                    break;
                }
            }
        }
        Search {
            get,
            post,
            by_post,
            items_only,
            dialect,
            ids_override: self.inspector.habits().ids != Ids::Condition,
            home,
            known: None,
            probes: Vec::new(),
            item: None,
            stranger: None,
            spoken: Vec::new(),
            fields: None,
            wrong: None,
        }
    }

    async fn sample(&mut self, collections: Option<Vec<String>>, by_post: bool) -> PageSeen {
        let ask = Ask { collections, limit: SAMPLE, ..Ask::default() };
        self.page(&self.inspector.search(ask, None, &[], by_post)).await
    }

    fn question(&self, search: &Search, ask: Ask) -> Question {
        let limit = if ask.limit == 0 { NEIGHBOURS } else { ask.limit };
        self.inspector.search(Ask { limit, ..ask }, None, &[], search.by_post)
    }

    /// Asks inside and outside, and judges both as the adapters' probes do.
    async fn probe(&mut self, parameter: &'static str, known: &Known, search: &mut Search, asks: [Ask; 2]) {
        let [inside, outside] = asks;
        let inside = self.page(&self.question(search, inside)).await;
        let outside = self.page(&self.question(search, outside)).await;
        let seen = (inside.seen(known), outside.seen(known));
        let support =
            if parameter == "ids" { Seen::judge_exactly(seen.0, seen.1) } else { Seen::judge(seen.0, seen.1) };
        search.probes.push(Probe { parameter, inside, outside, support });
    }

    async fn identity(&mut self, known: &Known, search: &mut Search) {
        let of = |id: &str| Ask { ids: Some(vec![id.to_owned()]), limit: 2, ..search.ask(0) };
        let asks = [of(&known.id), of(&known::absent(&known.id))];
        self.probe("ids", known, search, asks).await;
        let within =
            |id: &str| Ask { collections: Some(vec![id.to_owned()]), ids: one(known, search), ..Ask::default() };
        let asks = [within(&known.collection), within(&known::absent(&known.collection))];
        self.probe("collections", known, search, asks).await;
        let stranger = known::absent("collection");
        let ask = Ask { collections: Some(vec![stranger]), limit: 1, ..Ask::default() };
        search.stranger = Some(self.page(&self.question(search, ask)).await);
    }

    async fn place_and_time(&mut self, known: &Known, search: &mut Search) {
        let narrowed = |search: &Search| Ask {
            collections: Some(vec![known.collection.clone()]),
            ids: one(known, search),
            ..Ask::default()
        };
        if let Some(times) = known.intervals() {
            let at = |interval: Interval| Ask { datetime: Some(interval), ..narrowed(search) };
            let asks = [at(times.0), at(times.1)];
            self.probe("datetime", known, search, asks).await;
        }
        let Some(boxes) = known.boxes() else { return };
        let at = |bbox| Ask { bbox: Some(bbox), ..narrowed(search) };
        let asks = [at(boxes.0), at(boxes.1)];
        self.probe("bbox", known, search, asks).await;
        if !search.items_only {
            let at = |bbox| Ask { intersects: Some(Arc::new(known::polygon(bbox))), ..narrowed(search) };
            let asks = [at(boxes.0), at(boxes.1)];
            self.probe("intersects", known, search, asks).await;
        }
    }

    /// What the classes promise of conditions and of `fields`.
    async fn conditions(&mut self, known: &Known, declared: &Capabilities, search: &mut Search) {
        let post = search.post.as_ref().is_some_and(PageSeen::is_page);
        let get = search.get.is_page();
        let habits = self.inspector.habits();
        // what a dialect does not do is never asked of it, whatever is declared
        if declared.filter != Support::Unsupported && habits.filters == Filters::Declared {
            for language in &declared.filter_lang {
                let by_post = (*language == Language::Json && post) || !get;
                let method = if by_post { "POST" } else { "GET" };
                let equals = |id: &str| {
                    let id = Cql::Text(id.into());
                    let expr = Expr::Compare { op: Comparison::Equal, left: Cql::Property("id".into()), right: id };
                    Words::of(&expr, *language)
                };
                let words = [equals(&known.id), equals(&known::absent(&known.id))];
                let what = format!("`filter` as {} by {method}", language.name());
                self.spoken(what, "item-search#filter", known, search, (words, by_post)).await;
            }
        }
        if let Some((name, value)) =
            known.number.as_ref().filter(|_| habits.query && declared.query != Support::Unsupported)
        {
            let query = |op: &str| Words::Query(serde_json::json!({ name.as_str(): { op: value } }));
            let method = if post { "POST" } else { "GET" };
            let what = format!("`query` on `{name}` by {method}");
            self.spoken(what, "item-search#query", known, search, ([query("eq"), query("lt")], post)).await;
        }
        if declared.fields != Support::Unsupported && habits.knows("fields") && get {
            let ask = Ask { ids: one(known, search), ..search.ask(1) };
            let question = self.inspector.search(ask, None, &[("fields", "id,collection,geometry")], false);
            search.fields = Some(self.page(&question).await);
        }
    }

    async fn spoken(
        &mut self,
        what: String,
        class: &'static str,
        known: &Known,
        search: &mut Search,
        (words, by_post): ([Words; 2], bool),
    ) {
        let [inside, outside] = words;
        // the id is a condition of its own in `filter`; `query` needs it beside it to find the one Item
        let ids = if class == "item-search#query" { one(known, search) } else { None };
        let ask = Ask { ids, ..search.ask(2) };
        let inside = self.page(&self.inspector.search(ask.clone(), Some(inside), &[], by_post)).await;
        let outside = self.page(&self.inspector.search(ask, Some(outside), &[], by_post)).await;
        let (within, without) = (inside.seen(known), outside.seen(known));
        let support = if class == "item-search#query" {
            // an answer that holds the Item both times was not looked at
            Seen::judge(within, without).map(|support| match support {
                Support::Inexact => Support::Unsupported,
                other => other,
            })
        } else {
            Seen::judge_exactly(within, without)
        };
        search.spoken.push(Spoken { what, class, inside, outside, support });
    }
}

/// The known Item by its id, where that is understood: its neighbours then do not matter.
fn one(known: &Known, search: &Search) -> Option<Vec<String>> {
    let works = matches!(search.support("ids"), Some(Support::Exact | Support::Inexact));
    (works && !search.ids_override).then(|| vec![known.id.clone()])
}
