//! One page of Item Search: by POST or GET, with as much of the condition as the member does.

use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::{StacApi, below, deep, numbered, request, slices};
use crate::federation::{NextPath, Support};
use crate::members::capabilities::{ALL_REFUSED, Capabilities};
use crate::members::dialect::Paging;
use crate::members::encode;
use crate::members::item::{Bounds, split_page};
use crate::members::line::{Outgoing, Purpose, failure};
use crate::members::next_link::{self, Delta, Sent};
use crate::members::said::Said;
use crate::members::{Ask, Failure, Fault, Matched, Page};

/// Properties remembered as taken in a condition.
const ACCEPTED_MAX: usize = 256;

/// One request for a page, as it is to be made.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub ask: &'a Ask,
    pub delta: Option<&'a Delta>,
    pub by_post: bool,
    pub said: &'a Said,
    pub purpose: Purpose,
}

impl<'a> Exchange<'a> {
    /// The first page, by GET.
    pub fn of(ask: &'a Ask, said: &'a Said) -> Self {
        Self { ask, delta: None, by_post: false, said, purpose: Purpose::Search }
    }
}

impl StacApi {
    pub(super) async fn ask_page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        if self.known.load().collections_max.is_some() {
            return self.walk(ask, Purpose::Search, deadline).await;
        }
        match self.with_collections(ask, deadline).await? {
            Some(named) => Ok(self.under_names(self.any_page(&named, deadline).await?)),
            None => self.any_page(ask, deadline).await,
        }
    }

    async fn any_page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let known = self.known.load_full();
        if !known.habits().sorting.ascending && slices::needed(ask) && ask.ids.is_none() {
            return self.slice(ask, deadline).await;
        }
        if deep::needed(&known, ask) {
            return self.deep(ask, deadline).await;
        }
        match &ask.ids {
            Some(ids) if known.ids_alone => self.one_by_one(ask, ids, deadline).await,
            _ => self.listed_page(ask, deadline).await,
        }
    }

    /// A page of a list as the member gives it.
    pub(super) async fn listed_page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let Some(token) = &ask.token else { return self.first_page(ask, deadline).await };
        let delta = Delta::open(token).map_err(|error| failure(Fault::TokenRefused, &error.to_string()))?;
        self.later_page(ask, &delta, deadline).await
    }

    async fn later_page(&self, ask: &Ask, delta: &Delta, deadline: Instant) -> Result<Page, Failure> {
        let known = self.known.load_full();
        let said = Said::again(ask, &known, delta.post, delta.mark).ok_or_else(|| {
            failure(Fault::TokenRefused, "the list began under a condition that is not sent any more")
        })?;
        let exchange = Exchange { delta: Some(delta), by_post: delta.post, ..Exchange::of(ask, &said) };
        match self.exchange(&exchange, deadline).await {
            Err(failed) if matches!(failed.status, Some(400 | 404 | 405 | 410)) => {
                Err(Failure { fault: Fault::TokenRefused, ..failed })
            }
            other => other,
        }
    }

    pub(super) async fn first_page(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let known = self.known.load_full();
        let by_post = known.by_post() && !self.post_refused.load(Ordering::Relaxed);
        match self.with_condition(ask, &known, by_post, deadline).await {
            Err(failed) if !by_post && self.misjudged(&failed) => {
                let known = self.known.load_full();
                self.with_condition(ask, &known, known.by_post(), deadline).await
            }
            Err(failed) if by_post && known.search_get && matches!(failed.status, Some(405 | 501)) => {
                let page = self.with_condition(ask, &known, false, deadline).await?;
                self.post_refused.store(true, Ordering::Relaxed);
                self.observe("POST on `/search` is refused; asked by GET", |known| known.search_post = false);
                Ok(page)
            }
            other => other,
        }
    }

    /// Asks with the condition; where the member refuses it, once more without, and that is remembered.
    async fn with_condition(
        &self,
        ask: &Ask,
        known: &Capabilities,
        by_post: bool,
        deadline: Instant,
    ) -> Result<Page, Failure> {
        let said = Said::of(ask, known, by_post);
        let outcome = self.exchange(&Exchange { by_post, ..Exchange::of(ask, &said) }, deadline).await;
        match outcome {
            Err(refusal) if said.words.is_some() && matches!(refusal.status, Some(400 | 422 | 501)) => {
                let nothing = Said::nothing(ask);
                let plain = self.exchange(&Exchange { by_post, ..Exchange::of(ask, &nothing) }, deadline).await;
                // refused without the condition too: the refusal was about something else
                let page = plain.map_err(|_also| refusal)?;
                self.refused(&said);
                Ok(page)
            }
            Ok(page) => {
                self.accepted(&said);
                Ok(page)
            }
            other => other,
        }
    }

    /// Remembers what the member does not take: the properties that it never took before, else conditions as such.
    fn refused(&self, said: &Said) {
        let accepted = self.accepted.lock().map(|accepted| accepted.clone()).unwrap_or_default();
        let mut blamed: Vec<String> =
            said.properties.iter().filter(|name| !accepted.contains(*name)).cloned().collect();
        if blamed.is_empty() {
            blamed.push(ALL_REFUSED.to_owned());
        }
        let about = if blamed == [ALL_REFUSED] {
            "like those asked".to_owned()
        } else {
            format!("on `{}`", blamed.join("`, `"))
        };
        warn!(member = %self.member.id, about, "condition refused");
        let note = format!("refuses conditions {about}: left to the broker until it is discovered again");
        self.observe(&note, |known| known.refuse(blamed.iter().cloned()));
    }

    fn accepted(&self, said: &Said) {
        if let Ok(mut accepted) = self.accepted.lock()
            && accepted.len() < ACCEPTED_MAX
        {
            accepted.extend(said.properties.iter().cloned());
        }
    }

    /// One request to `/search`, and what its answer holds.
    pub(super) async fn exchange_once(&self, exchange: &Exchange<'_>, deadline: Instant) -> Result<Page, Failure> {
        let Exchange { ask, delta, by_post, said, purpose } = *exchange;
        let known = self.known.load_full();
        let habits = known.habits();
        let exact = known.intersects != Support::Unsupported;
        let url = self.page_url(delta);
        let words = said.words.as_ref();
        let query = if by_post { Vec::new() } else { encode::query(ask, words, exact, habits) };
        let body = by_post.then(|| encode::body(ask, words, exact));
        let request = Outgoing { purpose, ..request(&url, &query, body.as_ref(), delta) };
        let answer = self.send(request, deadline).await?;
        let split = split_page(&answer.body, &Bounds::default()).map_err(|error| failure(Fault::BadResponse, &error));
        let split = answer.trial.of(split.inspect_err(|failed| self.remember(Some(failed))))?;
        let base = (self.member.request.next_path == NextPath::Follow).then(|| self.member.url.path());
        let only = if let Paging::Only(names) = habits.paging { names } else { &[] };
        let sent = Sent {
            url: &url,
            query: &query,
            body: body.as_ref(),
            limit: ask.limit,
            follow: base,
            mark: said.mark,
            only,
        };
        let next = match habits.paging {
            Paging::Numbered(name) => numbered::next(name, delta, &split, ask.limit, said.mark),
            Paging::Next | Paging::Only(_) => next_link::token(split.links.as_deref(), &answer.headers, &sent),
        };
        let next = next.map_err(|error| failure(Fault::BadResponse, &error.to_string()))?;
        let next = next.filter(|_| split.received > 0 || !habits.empty_page_ends);
        let deep = next.is_some() && numbered::is_last(habits, delta);
        let cut = deep || (next.is_none() && !habits.full_page_ends && split.received >= ask.limit);
        let next = next.filter(|_| !deep);
        let listed = by_post || encode::Room::of(ask.collections.as_deref(), ask.ids.as_deref()).for_all();
        let counted = split.matched.filter(|_| listed && said.whole);
        Ok(Page {
            partial: split.lacking(),
            items: split.items,
            received: split.received,
            invalid: split.invalid,
            next,
            cut,
            matched: counted.map(|count| Matched { count, exact: known.counts_exact }),
            unsaid: !said.whole,
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
}
