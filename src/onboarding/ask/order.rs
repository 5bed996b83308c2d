//! Order by time in both directions, and counts of windows of time.

use chrono::{DateTime, TimeDelta, Utc};

use super::search::{SAMPLE, Search};
use super::{Asker, PageSeen};
use crate::federation::Interval;
use crate::members::Ask;

/// Pages of each order.
#[derive(Debug, Default)]
pub struct Order {
    /// Newest first, two pages.
    pub down: Vec<PageSeen>,
    /// Oldest first, one page.
    pub up: Vec<PageSeen>,
}

/// Counts of a window of time and of its two halves.
#[derive(Debug)]
pub struct Counted {
    pub whole: PageSeen,
    pub halves: [PageSeen; 2],
}

impl Asker<'_> {
    pub async fn order(&mut self, search: &Search) -> Order {
        Order { down: self.sorted(search, true).await, up: self.sorted(search, false).await }
    }

    async fn sorted(&mut self, search: &Search, down: bool) -> Vec<PageSeen> {
        let sortby = vec![("properties.datetime".to_owned(), down)];
        let ask = Ask { sortby, ..search.ask(SAMPLE) };
        let first = self.page(&self.inspector.search(ask, None, &[], search.by_post)).await;
        let next = first.next.clone().ok().flatten().filter(|_| down);
        let mut pages = vec![first];
        if let Some(question) = next {
            pages.push(self.page(&question).await);
        }
        pages
    }

    /// Counts the Items around the known ones, whole and in two parts; `None` where there is nothing to count: an Item
    /// with a start and an end may lie in both parts.
    pub async fn counted(&mut self, search: &Search) -> Option<Counted> {
        let items = search.sample().items();
        let instants: Option<Vec<DateTime<Utc>>> = items
            .iter()
            .map(|item| item.times.datetime.filter(|_| item.times.start.is_none() && item.times.end.is_none()))
            .collect();
        let instants = instants.filter(|_| search.sample().matched().is_some())?;
        let (from, until) = (*instants.iter().min()?, *instants.iter().max()?);
        let middle = from + (until - from) / 2;
        let behind = middle.checked_add_signed(TimeDelta::milliseconds(1))?;
        if behind > until {
            return None;
        }
        let window = |start, end| Interval { start: Some(start), end: Some(end) };
        let whole = self.window(search, window(from, until)).await;
        let halves =
            [self.window(search, window(from, middle)).await, self.window(search, window(behind, until)).await];
        Some(Counted { whole, halves })
    }

    async fn window(&mut self, search: &Search, interval: Interval) -> PageSeen {
        let ask = Ask { datetime: Some(interval), ..search.ask(1) };
        self.page(&self.inspector.search(ask, None, &[], search.by_post)).await
    }
}
