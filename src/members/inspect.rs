//! Questions that judge a member: one request, and whatever answer comes to it, status and headers included.
//!
//! Requests are spelled by the same pieces as those of the adapters, go below the configured address only, and say
//! `(probe)` in `User-Agent`. What the answers mean is judged elsewhere; so is how many questions are asked, and when.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::{LOCATION, RETRY_AFTER};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::client::Clients;
use super::line::{self, Line, Outgoing, Purpose};
use super::next_link::{self, Delta, Sent};
use super::said::Words;
use super::stac_api::{SEGMENT, below, is_search, rebased, request};
use super::{Ask, Failure, Habits, certificate, encode};
use crate::federation::{self, Dialect, Federation};

/// One member, for whoever judges it.
pub struct Inspector {
    member: federation::Member,
    line: Line,
    search: Url,
    /// Items are to be had of this collection only, at its own address.
    items_of: Option<String>,
    /// How searches are spelled.
    habits: &'static Habits,
}

/// One request, as it is to be made.
#[derive(Debug, Clone)]
pub struct Question {
    url: Url,
    spelling: Spelling,
    delta: Option<Delta>,
}

/// Parameters by name.
type Query = Vec<(String, String)>;

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one at a time is asked")]
enum Spelling {
    /// A GET with these parameters.
    Plain(Query),
    Search {
        ask: Ask,
        words: Option<Words>,
        extra: Vec<(String, String)>,
        by_post: bool,
        whole: bool,
        habits: &'static Habits,
    },
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What was asked, without headers.
    pub url: Url,
    /// Until the end of the body.
    pub elapsed: Duration,
    /// When the member's certificate ends.
    pub certificate_ends: Option<DateTime<Utc>>,
}

impl Answer {
    #[must_use]
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Where a redirect leads.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        let redirect = (300..400).contains(&self.status);
        let target = self.headers.get(LOCATION).filter(|_| redirect)?.to_str().ok()?;
        self.url.join(target).ok()
    }

    /// Seconds of `Retry-After`, at most 300.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        line::retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Inspector {
    #[must_use]
    pub fn new(member: &federation::Member, federation: &Federation) -> Self {
        let clients = Clients::for_inspection(member, &federation.limits);
        Self {
            line: Line::new(member, federation, &clients),
            search: below(&member.url, "search"),
            items_of: None,
            habits: Habits::of(member.request.dialect),
            member: member.clone(),
        }
    }

    /// Takes the address of Item Search from the links of a landing page, as the adapter does.
    pub fn learn_search(&mut self, landing: &Value) {
        let links = landing.get("links").and_then(Value::as_array).into_iter().flatten();
        for link in links.filter_map(Value::as_object).filter(|link| is_search(link)) {
            let target = link.get("href").and_then(Value::as_str).and_then(|href| self.member.url.join(href).ok());
            if let Some(url) = target.and_then(|target| rebased(&self.member, &target)) {
                self.search = url;
            }
        }
    }

    /// From now on Items are asked of one collection, at its own address: there is no Item Search.
    pub fn without_search(&mut self, collection: &str) {
        self.items_of = Some(collection.to_owned());
    }

    /// From now on searches are spelled as this dialect wants it, unless the federation file names another.
    pub fn speak(&mut self, dialect: Dialect) {
        if self.member.request.dialect == Dialect::Auto {
            self.habits = Habits::of(dialect);
        }
    }

    #[must_use]
    pub fn habits(&self) -> &'static Habits {
        self.habits
    }

    #[must_use]
    pub fn landing(&self) -> Question {
        Question::plain(self.member.url.clone(), Vec::new())
    }

    /// The landing page at the address to which the configured one redirects; `None` outside the member's origin.
    #[must_use]
    pub fn moved(&self, to: &Url) -> Option<Question> {
        (to.origin() == self.member.url.origin()).then(|| Question::plain(to.clone(), Vec::new()))
    }

    /// A document below the landing page; segments come as they are and are encoded here.
    #[must_use]
    pub fn below(&self, segments: &[&str]) -> Question {
        let path: Vec<String> =
            segments.iter().map(|segment| utf8_percent_encode(segment, SEGMENT).to_string()).collect();
        Question::plain(below(&self.member.url, &path.join("/")), Vec::new())
    }

    /// A document that the member links to, if it lies below its landing page.
    #[must_use]
    pub fn linked(&self, from: &Url, href: &str) -> Option<Question> {
        let target = from.join(href).ok()?;
        let mut url = rebased(&self.member, &target)?;
        url.set_query(target.query());
        Some(Question::plain(url, Vec::new()))
    }

    /// A page of Items. `words` is a condition; `extra` are further parameters, which go by GET only.
    #[must_use]
    pub fn search(&self, ask: Ask, words: Option<Words>, extra: &[(&str, &str)], by_post: bool) -> Question {
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (url, by_post) = match &self.items_of {
            Some(collection) => (self.below(&["collections", collection, "items"]).url, false),
            None => (self.search.clone(), by_post && self.habits.post),
        };
        let whole = self.items_of.is_none();
        Question {
            url,
            spelling: Spelling::Search { ask, words, extra, by_post, whole, habits: self.habits },
            delta: None,
        }
    }

    /// Asks once, whatever the answer is.
    ///
    /// # Errors
    /// When no whole answer came within the member's bounds.
    pub async fn ask(&self, question: &Question, deadline: Instant) -> Result<Answer, Failure> {
        let outgoing = question.outgoing();
        let (url, began) = (outgoing.url.clone(), Instant::now());
        let whole = self.line.whole(&outgoing, deadline).await?;
        Ok(Answer {
            status: whole.status,
            headers: whole.headers,
            body: whole.body,
            url,
            elapsed: began.elapsed(),
            certificate_ends: whole.certificate.and_then(|der| certificate::ends(&der)),
        })
    }
}

impl Question {
    fn plain(url: Url, query: Vec<(String, String)>) -> Self {
        Self { url, spelling: Spelling::Plain(query), delta: None }
    }

    /// The request as a person would repeat it: method, address, and the body of a POST.
    #[must_use]
    pub fn shown(&self) -> String {
        let outgoing = self.outgoing();
        let address = outgoing.url;
        match outgoing.body {
            Some(body) => format!("POST {address} {}", String::from_utf8_lossy(&body)),
            None => format!("GET {address}"),
        }
    }

    /// The next page, as the broker would ask for it; `None` at the end of the list.
    ///
    /// # Errors
    /// A sentence, when there is a `next` link that cannot be used.
    pub fn next(&self, answer: &Answer, links: Option<&[u8]>) -> Result<Option<Self>, String> {
        let (query, body) = self.spelled(self.by_post());
        let limit = match &self.spelling {
            Spelling::Plain(_) => 0,
            Spelling::Search { ask, .. } => ask.limit,
        };
        let sent =
            Sent { url: &self.url, query: &query, body: body.as_ref(), limit, follow: None, mark: None, only: &[] };
        let token = next_link::token(links, &answer.headers, &sent).map_err(|error| error.to_string())?;
        let Some(token) = token else { return Ok(None) };
        let delta = Delta::open(&token).map_err(|error| error.to_string())?;
        Ok(Some(Self { delta: Some(delta), ..self.clone() }))
    }

    fn by_post(&self) -> bool {
        let first = matches!(self.spelling, Spelling::Search { by_post: true, .. });
        self.delta.as_ref().map_or(first, |delta| delta.post)
    }

    /// The query of a GET, and the body of a POST.
    fn spelled(&self, by_post: bool) -> (Query, Option<Map<String, Value>>) {
        match &self.spelling {
            Spelling::Plain(query) => (query.clone(), None),
            Spelling::Search { ask, words, .. } if by_post => {
                (Vec::new(), Some(encode::body(ask, words.as_ref(), true)))
            }
            Spelling::Search { ask, words, extra, whole, habits, .. } => {
                let mut query = encode::query(ask, words.as_ref(), true, habits);
                // OGC API - Features knows no others (7.15)
                query.retain(|(name, _)| *whole || ["limit", "bbox", "datetime"].contains(&name.as_str()));
                query.extend(extra.iter().cloned());
                (query, None)
            }
        }
    }

    fn outgoing(&self) -> Outgoing {
        let (query, body) = self.spelled(self.by_post());
        let outgoing = request(&self.url, &query, body.as_ref(), self.delta.as_ref());
        Outgoing { purpose: Purpose::Probe, redirects: false, ..outgoing }
    }
}
