//! Pages that a member cannot make for their size: asked for by halves, and the size that works is remembered.
//!
//! Some servers fail when an answer grows beyond some megabytes (Element84/earth-search#60: 500 above 6 MB), which no
//! declaration says. A status that speaks of the size is believed as often as that helps; an error of the server's own
//! is taken for it once, and only where the kind of server is known for it, since it may as well be suffering.

use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tracing::info;

use super::StacApi;
use super::search::Exchange;
use crate::members::dialect::Habits;
use crate::members::next_link::Delta;
use crate::members::{Ask, Failure, Fault, Page};

/// Halvings of one page, where the member says that it is about the size: from 1,000 Items down to 125.
const HALVINGS_MAX: u32 = 3;
/// Pages of no more than this are not halved: their size is not what fails.
const SMALL: u32 = 10;

/// How a failure can be about the size of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// The member says so, for example by 413.
    Size,
    /// The answer was larger than the broker takes.
    OurBound,
    /// An error of its own, of a kind of server that fails so.
    Perhaps,
}

impl Blame {
    fn of(failed: &Failure, habits: &Habits) -> Option<Self> {
        match (failed.fault, failed.status) {
            (_, Some(413)) => Some(Self::Size),
            (Fault::TooLarge, _) => Some(Self::OurBound),
            (_, Some(500 | 502 | 504)) if habits.halves => Some(Self::Perhaps),
            _ => None,
        }
    }

    fn halvings(self) -> u32 {
        if self == Self::Size { HALVINGS_MAX } else { 1 }
    }
}

impl StacApi {
    /// One page, in the size that was asked for or in a smaller one if that is what it takes.
    pub(super) async fn exchange(&self, exchange: &Exchange<'_>, deadline: Instant) -> Result<Page, Failure> {
        let asked = exchange.ask.limit;
        // a place that counts pages holds for pages of its own size only
        if exchange.delta.is_some_and(has_size) {
            return self.exchange_once(exchange, deadline).await;
        }
        let mut limit = asked.min(self.page_cap.load(Ordering::Relaxed));
        let mut outcome = self.of_size(exchange, limit, deadline).await;
        let mut halved = 0;
        while let Err(failed) = &outcome {
            let Some(blame) = Blame::of(failed, self.known.load().habits()) else { break };
            if halved >= blame.halvings() || limit <= SMALL {
                break;
            }
            (limit, halved) = (limit / 2, halved + 1);
            outcome = self.of_size(exchange, limit, deadline).await;
            if outcome.is_ok() || blame == Blame::OurBound {
                self.remember_size(limit);
            }
        }
        if matches!(&outcome, Err(Failure { fault: Fault::TooLarge, status: None, .. })) {
            self.line.endless();
        }
        outcome.map(|page| Page { cut: page.cut || ends_full(&page, limit, asked), ..page })
    }

    async fn of_size(&self, exchange: &Exchange<'_>, limit: u32, deadline: Instant) -> Result<Page, Failure> {
        if limit == exchange.ask.limit {
            return self.exchange_once(exchange, deadline).await;
        }
        let ask = Ask { limit, ..exchange.ask.clone() };
        self.exchange_once(&Exchange { ask: &ask, ..*exchange }, deadline).await
    }

    /// Larger pages are not asked for any more, until it is discovered again.
    fn remember_size(&self, limit: u32) {
        let before = self.page_cap.fetch_min(limit, Ordering::Relaxed);
        if limit < before {
            info!(member = %self.member.id, limit, "larger pages fail");
            let note = format!("larger pages than {limit} Items fail; asked for no more");
            self.observe(&note, |known| known.page_items_max = known.page_items_max.min(limit));
        }
    }
}

/// A page that was full in the size it was asked for, though not in that which the caller wanted, and has no `next`.
fn ends_full(page: &Page, limit: u32, asked: u32) -> bool {
    limit < asked && page.next.is_none() && page.received >= limit
}

fn has_size(delta: &Delta) -> bool {
    delta.query.iter().any(|(name, _)| name == "limit") || delta.body.iter().any(|(name, _)| name == "limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::Dialect;

    fn failed(fault: Fault, status: Option<u16>) -> Failure {
        Failure { fault, detail: String::new(), status, retry_after_s: None }
    }

    #[test]
    fn only_what_can_be_the_size_is_taken_for_it() {
        let standard = Habits::of(Dialect::Standard);
        let server = Habits::of(Dialect::StacServer);
        for (failure, by_standard, by_server) in [
            (failed(Fault::BadResponse, Some(413)), Some(Blame::Size), Some(Blame::Size)),
            (failed(Fault::TooLarge, None), Some(Blame::OurBound), Some(Blame::OurBound)),
            (failed(Fault::BadResponse, Some(500)), None, Some(Blame::Perhaps)),
            (failed(Fault::Timeout, Some(504)), None, Some(Blame::Perhaps)),
            (failed(Fault::RateLimited, Some(503)), None, None),
            (failed(Fault::BadResponse, Some(400)), None, None),
            (failed(Fault::Timeout, None), None, None),
        ] {
            assert_eq!(Blame::of(&failure, standard), by_standard, "{failure}");
            assert_eq!(Blame::of(&failure, server), by_server, "{failure}");
        }
    }
}
