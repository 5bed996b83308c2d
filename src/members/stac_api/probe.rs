//! Asks a member what it really does (`members.md` section 3): one request after the other, each for a few Items, by what
//! is known of one Item of its own. Where a member has no Items, or does not answer, nothing is proven.
//!
//! Nobody waits for a probe: searches run with what is declared until it is done. Its requests say so in `User-Agent`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::search::Exchange;
use super::{JSON, StacApi, below};
use crate::cql2::{Comparison, Expr, Value as Cql};
use crate::federation::{Bbox, Support};
use crate::members::capabilities::{Capabilities, Counts, Language};
use crate::members::dialect::Filters;
use crate::members::findings::{Findings, Seen, Spoke};
use crate::members::known::{Known, absent, polygon};
use crate::members::line::{Outgoing, Purpose};
use crate::members::next_link::Delta;
use crate::members::said::{Said, Words};
use crate::members::{Ask, Failure, Fault, Item, Page};

/// Requests of one probe.
const REQUESTS_MAX: usize = 40;
/// The longest pause between two requests; it is as long as the last answer took.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Items among which the one is chosen that tells most.
const CANDIDATES: u32 = 10;
/// Items of a page that looks for one Item among its neighbours.
const NEIGHBOURS: u32 = 50;
/// Items of a page that shows an order; two such pages are read.
const ORDER_ITEMS: u32 = 4;
/// Properties listed by a member that says that there are no others.
const QUERYABLES_MAX: usize = 1_000;

/// One probe under way.
struct Probe<'a> {
    api: &'a StacApi,
    can: Arc<Capabilities>,
    deadline: Instant,
    left: AtomicUsize,
}

impl StacApi {
    /// Runs a probe, and adjusts the capabilities by what it saw.
    pub(super) async fn run_probe(&self, deadline: Instant) -> Result<(), Failure> {
        self.look_at_an_answer(deadline).await;
        let can = self.known.load_full();
        let probe = Probe { api: self, can, deadline, left: AtomicUsize::new(REQUESTS_MAX) };
        let findings = match probe.run().await {
            Ok(findings) => findings,
            Err(failed) => {
                debug!(member = %self.member.id, fault = ?failed.fault, detail = %failed.detail, "probe broken off");
                return Err(failed);
            }
        };
        self.probe_due.store(false, Ordering::Relaxed);
        if let Ok(mut last) = self.findings.lock() {
            *last = Some(findings.clone());
        }
        let before = self.known.load().contradictions;
        let observed = self.observed.lock().map(|observed| observed.clone()).unwrap_or_default();
        let distrusted = self.distrusted.load(Ordering::Relaxed);
        let disorderly = self.disorderly.load(Ordering::Relaxed);
        self.known.rcu(|current| {
            let mut known = (**self.declared.load()).clone();
            known.search_post = current.search_post;
            known.page_items_max = known.page_items_max.min(self.page_cap.load(Ordering::Relaxed));
            known.filter_refused.clone_from(&current.filter_refused);
            findings.apply(&mut known);
            if distrusted {
                known.distrust();
            }
            if disorderly {
                known.sort = Support::Unsupported;
            }
            for note in &observed {
                known.contradicted(note);
            }
            known
        });
        let known = self.known.load();
        if known.contradictions > before {
            warn!(member = %self.member.id, contradictions = known.contradictions, notes = ?known.notes, "does otherwise than it declares");
        }
        Ok(())
    }
}

/// A failure that a probe goes on after: it is about the question, not about the member.
fn is_refusal(failed: &Failure) -> bool {
    matches!(failed.status, Some(400 | 404 | 405 | 413 | 414 | 415 | 422 | 500 | 501))
}

impl Probe<'_> {
    async fn run(&self) -> Result<Findings, Failure> {
        let mut findings = Findings { at: Some(Utc::now()), ..Findings::default() };
        let Some(known) = self.known_item(&mut findings).await? else { return Ok(findings) };
        let items_only = self.can.collections_max.is_some();
        if !items_only {
            self.identity(&known, &mut findings).await?;
        }
        self.place_and_time(&known, &mut findings).await?;
        if items_only {
            return Ok(findings);
        }
        self.conditions(&known, &mut findings).await?;
        self.order(&mut findings).await?;
        findings.queryables = self.queryables().await?;
        Ok(findings)
    }

    /// One page; `None` when the member refused the question, or when the allowance is used up.
    async fn ask(&self, ask: &Ask, said: &Said, by_post: bool) -> Result<Option<Result<Page, ()>>, Failure> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Ok(None);
        }
        let began = Instant::now();
        let outcome = if self.can.collections_max.is_some() {
            self.api.walk(ask, Purpose::Probe, self.deadline).await
        } else {
            let Ok(delta) = ask.token.as_ref().map(Delta::open).transpose() else { return Ok(Some(Err(()))) };
            let by_post = delta.as_ref().map_or(by_post, |delta| delta.post);
            let named = self.api.with_collections(ask, self.deadline).await?;
            let ask = named.as_ref().unwrap_or(ask);
            let first = Exchange { by_post, purpose: Purpose::Probe, ..Exchange::of(ask, said) };
            self.api.exchange(&Exchange { delta: delta.as_ref(), ..first }, self.deadline).await
        };
        // half of the time is the member's own
        tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
        match outcome {
            Ok(page) => Ok(Some(Ok(page))),
            Err(failed) if is_refusal(&failed) || failed.fault == Fault::Unsupported => Ok(Some(Err(()))),
            Err(failed) if failed.fault == Fault::BadResponse || failed.fault == Fault::TooLarge => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// What comes of a question about the known Item.
    async fn see(&self, ask: &Ask, said: &Said, by_post: bool, known: &Known) -> Result<Option<Seen>, Failure> {
        Ok(self.ask(ask, said, by_post).await?.map(|answer| match answer {
            Err(()) => Seen::REFUSED,
            Ok(page) => {
                let is = |item: &Item| *item.id == *known.id && *item.collection == *known.collection;
                Seen {
                    known: page.items.iter().any(is),
                    others: page.items.iter().any(|item| !is(item)),
                    more: page.next.is_some(),
                    refused: false,
                }
            }
        }))
    }

    async fn seen(&self, ask: Ask, known: &Known) -> Result<Option<Seen>, Failure> {
        let ask = Ask { limit: if ask.limit == 0 { NEIGHBOURS } else { ask.limit }, ..ask };
        self.see(&ask, &plain(), self.can.by_post(), known).await
    }

    /// Some Item of the member, in whatever order it gives them; from its first Collection where it wants one named.
    async fn known_item(&self, findings: &mut Findings) -> Result<Option<Known>, Failure> {
        let first = self.api.first_listed();
        for collections in [None, first.map(|id| vec![id])] {
            let ask = Ask { collections, limit: CANDIDATES, ..Ask::default() };
            let Some(Ok(page)) = self.ask(&ask, &plain(), self.can.by_post()).await? else { continue };
            let counted = page.matched.is_some();
            let candidates = page.items.iter().filter(|item| !item.collection.is_empty()).map(Known::of);
            if let Some(known) = candidates.max_by_key(Known::tells) {
                findings.counts = (!counted).then_some(Counts::None);
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// `ids` and `collections`; the count of what is one Item.
    async fn identity(&self, known: &Known, findings: &mut Findings) -> Result<(), Failure> {
        let of = |id: &str| Ask { ids: Some(vec![id.to_owned()]), limit: 2, ..Ask::default() };
        let by_post = self.can.by_post();
        if let Some(Ok(page)) = self.ask(&of(&known.id), &plain(), by_post).await?
            && let (Some(matched), None) = (page.matched, findings.counts)
        {
            let good = matched.count == u64::from(page.received);
            findings.counts = Some(if good { Counts::Exact } else { Counts::Estimated });
        }
        let inside = self.seen(of(&known.id), known).await?;
        let outside = self.seen(of(&absent(&known.id)), known).await?;
        findings.ids = Seen::judge_exactly(inside, outside);

        let within = |id: &str| Ask {
            collections: Some(vec![id.to_owned()]),
            ids: self.ids_help(findings).then(|| vec![known.id.clone()]),
            ..Ask::default()
        };
        let (here, elsewhere) = (within(&known.collection), within(&absent(&known.collection)));
        let (here, mut elsewhere) = (self.seen(here, known).await?, self.seen(elsewhere, known).await?);
        if self.can.habits().refuses_unknown_collections && elsewhere == Some(Seen::REFUSED) {
            // which is to say that nothing is there
            elsewhere = Some(Seen { refused: false, ..Seen::REFUSED });
        }
        findings.collections = Seen::judge(here, elsewhere);
        Ok(())
    }

    fn ids_help(&self, findings: &Findings) -> bool {
        let found = matches!(findings.ids, Some(Support::Exact | Support::Inexact));
        // where they override all else, nothing can be learnt beside them
        found && self.can.collections_max.is_none() && !self.can.ids_alone
    }

    /// `datetime`, `bbox` and `intersects`, each inside and outside.
    async fn place_and_time(&self, known: &Known, findings: &mut Findings) -> Result<(), Failure> {
        let narrowed = || Ask {
            collections: Some(vec![known.collection.clone()]),
            ids: self.ids_help(findings).then(|| vec![known.id.clone()]),
            ..Ask::default()
        };
        let (mut datetime, mut bbox, mut intersects) = (None, None, None);
        if let Some((inside, outside)) = known.intervals() {
            let inside = self.seen(Ask { datetime: Some(inside), ..narrowed() }, known).await?;
            let outside = self.seen(Ask { datetime: Some(outside), ..narrowed() }, known).await?;
            datetime = Seen::judge(inside, outside);
        }
        if let Some((here, away)) = known.boxes() {
            let inside = self.seen(Ask { bbox: Some(here), ..narrowed() }, known).await?;
            let outside = self.seen(Ask { bbox: Some(away), ..narrowed() }, known).await?;
            bbox = Seen::judge(inside, outside);
            if self.can.collections_max.is_none() {
                let area = |bbox: Bbox| Some(Arc::new(polygon(bbox)));
                let inside = self.seen(Ask { intersects: area(here), ..narrowed() }, known).await?;
                let outside = self.seen(Ask { intersects: area(away), ..narrowed() }, known).await?;
                intersects = Seen::judge(inside, outside);
            }
        }
        (findings.datetime, findings.bbox, findings.intersects) = (datetime, bbox, intersects);
        Ok(())
    }

    /// Filter in each language and method, and the Query extension.
    async fn conditions(&self, known: &Known, findings: &mut Findings) -> Result<(), Failure> {
        let habits = self.can.habits();
        if habits.filters == Filters::Never && !habits.query {
            return Ok(());
        }
        let languages = if self.can.filter_lang.is_empty() { &Language::ALL[..] } else { &self.can.filter_lang };
        let ask = Ask { limit: 2, ..Ask::default() };
        for by_post in [true, false] {
            if !(if by_post { self.can.search_post } else { self.can.search_get }) {
                continue;
            }
            for language in languages {
                let equal = |id: &str| said(&equals("id", Cql::Text(id.into())), *language);
                let inside = self.see(&ask, &equal(&known.id), by_post, known).await?;
                let outside = self.see(&ask, &equal(&absent(&known.id)), by_post, known).await?;
                if let Some(support) = Seen::judge_exactly(inside, outside) {
                    findings.filter.push(Spoke { by_post, language: *language, support });
                }
            }
        }
        let by_post = self.can.by_post();
        let spoken =
            findings.filter.iter().find(|spoke| spoke.by_post == by_post && spoke.support != Support::Unsupported);
        let Some((name, value)) = &known.number else { return Ok(()) };
        if let Some(spoke) = spoken {
            let compared = |op| {
                let property =
                    Expr::Compare { op, left: Cql::Property(name.as_str().into()), right: Cql::Number(*value) };
                said(&Expr::And(vec![equals("id", Cql::Text(known.id.as_str().into())), property]), spoke.language)
            };
            let inside = self.see(&ask, &compared(Comparison::LessOrEqual), by_post, known).await?;
            let outside = self.see(&ask, &compared(Comparison::Less), by_post, known).await?;
            findings.filter_property = Seen::judge_exactly(inside, outside);
        }
        if self.ids_help(findings) && habits.query {
            let ask = Ask { ids: Some(vec![known.id.clone()]), limit: 2, ..Ask::default() };
            let query = |op: &str| {
                let query = serde_json::json!({ name.as_str(): { op: value } });
                Said { words: Some(Words::Query(query)), ..Said::default() }
            };
            let inside = self.see(&ask, &query("eq"), by_post, known).await?;
            let outside = self.see(&ask, &query("lt"), by_post, known).await?;
            findings.query = Seen::judge(inside, outside).map(|support| match support {
                // it was not looked at
                Support::Inexact => Support::Unsupported,
                other => other,
            });
        }
        Ok(())
    }

    /// Two pages down, two pages up, and the order without `sortby`.
    async fn order(&self, findings: &mut Findings) -> Result<(), Failure> {
        let by = |descending| vec![("properties.datetime".to_owned(), descending)];
        let down = self.times(by(true)).await?;
        // what it cannot do it is not asked: the direction that it has must do
        let up =
            if self.can.habits().sorting.ascending { self.times(by(false)).await? } else { down.clone().map(reversed) };
        if let (Some(down), Some(up)) = (down, up) {
            let sorted = down.is_sorted_by(|a, b| a >= b) && up.is_sorted();
            let telling = [&down, &up].iter().all(|times| times.first() != times.last());
            findings.sort = if sorted { telling.then_some(Support::Exact) } else { Some(Support::Unsupported) };
        } else {
            findings.sort = (self.can.sort != Support::Unsupported).then_some(Support::Unsupported);
        }
        if let Some(native) = self.times(Vec::new()).await?.filter(|times| times.first() != times.last()) {
            findings.native_order = match (native.is_sorted_by(|a, b| a >= b), native.is_sorted()) {
                (true, _) => Some("-datetime"),
                (_, true) => Some("datetime"),
                _ => None,
            };
        }
        Ok(())
    }

    /// The times of the Items of two pages; `None` when the member refused.
    async fn times(&self, sortby: Vec<(String, bool)>) -> Result<Option<Vec<i64>>, Failure> {
        let mut ask = Ask { sortby, limit: ORDER_ITEMS, ..Ask::default() };
        let mut times = Vec::new();
        for _page in 0..2 {
            match self.ask(&ask, &plain(), self.can.by_post()).await? {
                Some(Ok(page)) => {
                    times.extend(page.items.iter().filter_map(Item::time_key));
                    ask.token = page.next;
                }
                Some(Err(())) if ask.token.is_none() => return Ok(None),
                // a token that is refused says nothing of the order
                Some(Err(())) | None => break,
            }
            if ask.token.is_none() {
                break;
            }
        }
        Ok(Some(times))
    }

    /// The properties that may be named, if the member says that there are no others.
    async fn queryables(&self) -> Result<Option<Vec<String>>, Failure> {
        if self.can.filter == Support::Unsupported {
            return Ok(None);
        }
        let request =
            Outgoing { purpose: Purpose::Probe, ..Outgoing::get(below(&self.api.member.url, "queryables"), JSON) };
        let answer = match self.api.send(request, self.deadline).await {
            Ok(answer) => answer,
            Err(failed) if is_refusal(&failed) => return Ok(None),
            Err(failed) => return Err(failed),
        };
        let Ok(schema) = serde_json::from_slice::<Value>(&answer.body) else { return Ok(None) };
        let closed = schema["additionalProperties"] == false;
        let names = schema["properties"].as_object().filter(|_| closed).map(|properties| properties.keys());
        Ok(names.map(|names| names.take(QUERYABLES_MAX).cloned().collect()))
    }
}

fn reversed(mut times: Vec<i64>) -> Vec<i64> {
    times.reverse();
    times
}

fn equals(property: &str, value: Cql) -> Expr {
    Expr::Compare { op: Comparison::Equal, left: Cql::Property(property.into()), right: value }
}

/// No condition.
fn plain() -> Said {
    Said { whole: true, ..Said::default() }
}

/// A condition in a language, whatever the member declares.
fn said(expr: &Expr, language: Language) -> Said {
    Said { words: Some(Words::of(expr, language)), ..Said::default() }
}
