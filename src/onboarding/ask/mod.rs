//! Asks a candidate, one question after the other, within bounds, and keeps what came; `judge/` says what it means.

mod collections;
mod landing;
mod order;
mod paging;
mod search;

use std::time::Duration;

use tokio::time::Instant;

use super::finding::Evidence;
use crate::members::inspect::{Answer, Inspector, Question};
use crate::members::item::{Bounds, Split, split_page};
use crate::members::{Failure, Fault, Item, Known};

pub use collections::{Listing, is_queryables};
pub use landing::{Landing, Processes};
pub use order::{Counted, Order};
pub use paging::{Paging, Sized};
pub use search::{Probe, SAMPLE, Search};

/// Requests of one check: what a person clicking through a catalogue would send in a few minutes.
pub const REQUESTS_MAX: usize = 90;
/// All of a check. A catalogue that takes longer was asked enough to know that it is slow.
pub const CHECK_TIME: Duration = Duration::from_secs(180);
/// The longest pause between two requests; it is as long as the last answer took.
const PAUSE_MAX: Duration = Duration::from_millis(300);
/// A `Retry-After` up to this is waited for, once for each request; a longer one ends the check.
const RETRY_AFTER_MAX_S: u32 = 10;
/// Questions in a row that get no answer before the rest is not asked.
const UNANSWERED_MAX: usize = 3;

/// The line to a candidate, and what may still be asked.
pub struct Asker<'a> {
    pub inspector: Inspector,
    /// Requests sent so far.
    pub requests: usize,
    /// How long searches took.
    pub times: Vec<Duration>,
    /// Rate limits that an answer spoke of: a header, or a status.
    pub limits: Vec<String>,
    /// Answers that were not let in, for example 401.
    pub closed: Vec<Evidence>,
    /// Answers over the bound on bytes.
    pub oversized: Vec<Evidence>,
    /// The largest answer, in bytes.
    pub largest: usize,
    each: Duration,
    until: Instant,
    unanswered: usize,
    stopped: Option<String>,
    told: &'a (dyn Fn(usize) + Send + Sync),
}

/// A question and what came of it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub evidence: Evidence,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "most are answers, and there are less than a hundred")]
pub enum Outcome {
    Answer(Answer),
    Failed(Failure),
    /// The check stopped before; why.
    NotAsked(String),
}

/// A question for Items and the page that came.
#[derive(Debug, Clone)]
pub struct PageSeen {
    pub asked: Asked,
    /// What the page holds; an error says why it is no page.
    pub split: Result<Split, String>,
    /// The next page as the broker would ask for it; an error says why its link cannot be used.
    pub next: Result<Option<Question>, String>,
}

impl Asked {
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// An answer with a status of success.
    #[must_use]
    pub fn good(&self) -> Option<&Answer> {
        self.answer().filter(|answer| answer.is_good())
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    /// What came, as a clause: `answered 404`, `gave no whole answer in time`.
    #[must_use]
    pub fn clause(&self) -> String {
        match &self.outcome {
            Outcome::Answer(answer) => match answer.location() {
                Some(to) => format!("answered {} and leads to {to}", answer.status),
                None => format!("answered {}", answer.status),
            },
            Outcome::Failed(failed) => clause(failed),
            Outcome::NotAsked(because) => format!("was not asked: {because}"),
        }
    }

    /// Whether the member had the question, whatever came of it.
    #[must_use]
    pub fn was_put(&self) -> bool {
        !matches!(self.outcome, Outcome::NotAsked(_))
    }

    /// Why nothing can be said; `None` where there is an answer.
    #[must_use]
    pub fn unanswered(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Answer(_) => None,
            Outcome::Failed(failed) => Some(format!("the question {}", clause(failed))),
            Outcome::NotAsked(because) => Some(because.clone()),
        }
    }
}

/// A failure in the words of someone who runs a catalogue.
fn clause(failed: &Failure) -> String {
    match failed.fault {
        Fault::Timeout => "got no whole answer in time".to_owned(),
        Fault::Unreachable if failed.detail.contains("InvalidContentType") => {
            "got no connection: no TLS is spoken there; is it http://?".to_owned()
        }
        Fault::Unreachable if failed.detail.contains("invalid peer certificate") => {
            "got no connection: its certificate is not accepted (self-signed, or of an unknown issuer)".to_owned()
        }
        Fault::Unreachable => format!("got no connection: {}", failed.detail),
        Fault::TooLarge => format!("got an answer that is too large: {}", failed.detail),
        _ => format!("got an answer that broke off: {}", failed.detail),
    }
}

impl PageSeen {
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.split.as_ref().map_or(&[], |split| &split.items)
    }

    #[must_use]
    pub fn is_page(&self) -> bool {
        self.split.is_ok()
    }

    #[must_use]
    pub fn matched(&self) -> Option<u64> {
        self.split.as_ref().ok().and_then(|split| split.matched)
    }

    /// What came, as a clause.
    #[must_use]
    pub fn clause(&self) -> String {
        match (&self.split, self.asked.good()) {
            (Err(wrong), Some(_)) => format!("answered something that is no page of Items: {wrong}"),
            _ => self.asked.clause(),
        }
    }

    /// How it took a condition, with regard to one known Item.
    #[must_use]
    pub fn seen(&self, known: &Known) -> Option<crate::members::Seen> {
        let Ok(split) = &self.split else {
            let refused = self.asked.status().is_some_and(|status| status >= 400);
            return refused.then_some(crate::members::Seen::REFUSED);
        };
        Some(crate::members::Seen {
            known: split.items.iter().any(|item| known.is(item)),
            others: split.items.iter().any(|item| !known.is(item)),
            more: matches!(self.next, Ok(Some(_))),
            refused: false,
        })
    }
}

impl<'a> Asker<'a> {
    /// `each` bounds one answer; `told` hears how many requests were sent.
    pub fn new(inspector: Inspector, each: Duration, told: &'a (dyn Fn(usize) + Send + Sync)) -> Self {
        Self {
            inspector,
            requests: 0,
            times: Vec::new(),
            limits: Vec::new(),
            closed: Vec::new(),
            oversized: Vec::new(),
            largest: 0,
            each,
            until: Instant::now() + CHECK_TIME,
            unanswered: 0,
            stopped: None,
            told,
        }
    }

    /// Why nothing more is asked.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    pub async fn ask(&mut self, question: &Question) -> Asked {
        let request = question.shown();
        let mut asked = Asked { evidence: Evidence { request, status: None }, outcome: self.once(question).await };
        let wait = asked.answer().filter(|answer| matches!(answer.status, 429 | 503));
        if let Some(seconds) = wait.and_then(Answer::retry_after_s) {
            if seconds > RETRY_AFTER_MAX_S {
                let because = format!("the member asked for a pause of {seconds} s");
                asked.outcome = Outcome::NotAsked(because.clone());
                self.stop(because);
            } else {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                asked.outcome = self.once(question).await;
            }
        }
        asked.evidence.status = asked.status();
        if matches!(asked.status(), Some(401 | 403)) {
            self.closed.push(asked.evidence.clone());
        }
        if matches!(&asked.outcome, Outcome::Failed(failed) if failed.fault == Fault::TooLarge) {
            self.oversized.push(asked.evidence.clone());
        }
        asked
    }

    /// Asks for a page of Items.
    pub async fn page(&mut self, question: &Question) -> PageSeen {
        let asked = self.ask(question).await;
        let Some(answer) = asked.good() else {
            return PageSeen { split: Err(asked.clause()), next: Ok(None), asked };
        };
        self.times.push(answer.elapsed);
        let split = split_page(&answer.body, &Bounds::default());
        let links = split.as_ref().ok().and_then(|split| split.links.clone());
        let next = question.next(answer, links.as_deref());
        PageSeen { asked, split, next }
    }

    async fn once(&mut self, question: &Question) -> Outcome {
        if self.requests >= REQUESTS_MAX {
            self.stop(format!("the check had sent {REQUESTS_MAX} requests"));
        } else if Instant::now() >= self.until {
            self.stop(format!("the check took longer than {} s", CHECK_TIME.as_secs()));
        }
        if let Some(because) = &self.stopped {
            return Outcome::NotAsked(because.clone());
        }
        self.requests += 1;
        (self.told)(self.requests);
        let began = Instant::now();
        let outcome = self.inspector.ask(question, self.until.min(began + self.each)).await;
        // half of the time is the member's own
        tokio::time::sleep(began.elapsed().min(PAUSE_MAX)).await;
        match outcome {
            Ok(answer) => {
                self.unanswered = 0;
                self.note(&answer);
                Outcome::Answer(answer)
            }
            Err(failed) => {
                self.unanswered += 1;
                if self.unanswered >= UNANSWERED_MAX {
                    self.stop(format!("{UNANSWERED_MAX} questions in a row got no answer"));
                }
                Outcome::Failed(failed)
            }
        }
    }

    fn stop(&mut self, because: String) {
        self.stopped.get_or_insert(because);
    }

    fn note(&mut self, answer: &Answer) {
        self.largest = self.largest.max(answer.body.len());
        let named = answer.headers.keys().map(http::HeaderName::as_str).find(|name| name.contains("ratelimit"));
        let said = match (answer.status, answer.retry_after_s()) {
            (429, Some(seconds)) => Some(format!("429 with `Retry-After: {seconds}`")),
            (429, None) => Some("429 without `Retry-After`".to_owned()),
            _ => named.map(|name| format!("the header `{name}`")),
        };
        if let Some(said) = said.filter(|said| !self.limits.contains(said) && self.limits.len() < UNANSWERED_MAX) {
            self.limits.push(said);
        }
    }
}
