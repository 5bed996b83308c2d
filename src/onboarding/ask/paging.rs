//! Pages one after the other, one big page, the largest page, the last page.

use super::search::{SAMPLE, Search};
use super::{Asker, PageSeen};
use crate::members::Ask;

/// Pages that are followed.
const PAGES: usize = 3;
/// Page sizes that are tried, until one is good.
const SIZES: [u32; 5] = [1000, 500, 250, 100, 50];
/// A page of so many Items has to be within the bound on bytes.
const USUAL: u32 = 100;

/// How a list goes on.
#[derive(Debug, Default)]
pub struct Paging {
    /// Items asked for on each page.
    pub size: u32,
    /// The first one is the first of all.
    pub pages: Vec<PageSeen>,
    /// As many Items at once as those pages hold.
    pub big: Option<PageSeen>,
    pub sizes: Vec<Sized>,
    /// The page behind a page that held all there is.
    pub behind: Option<PageSeen>,
    /// A page that held all there is said that there is more.
    pub said_more: Option<bool>,
}

/// A large page.
#[derive(Debug)]
pub struct Sized {
    pub asked: u32,
    pub page: PageSeen,
}

impl Asker<'_> {
    pub async fn paging(&mut self, search: &Search) -> Paging {
        let sample = search.sample();
        let mut paging = Paging { size: SAMPLE, ..Paging::default() };
        let first = if matches!(sample.next, Ok(None)) && sample.items().len() > 1 {
            // all of it on one page, as far as it says: smaller pages show how it goes on
            paging.size = u32::try_from(sample.items().len().div_ceil(PAGES)).unwrap_or(SAMPLE).max(1);
            self.page(&self.inspector.search(search.ask(paging.size), None, &[], search.by_post)).await
        } else {
            sample.clone()
        };
        let mut next = first.next.clone().ok().flatten();
        paging.pages.push(first);
        while let Some(question) = next.take().filter(|_| paging.pages.len() < PAGES) {
            let page = self.page(&question).await;
            next = page.next.clone().ok().flatten();
            paging.pages.push(page);
        }
        let held: usize = paging.pages.iter().map(|page| page.items().len()).sum();
        if paging.pages.len() > 1 {
            let all = u32::try_from(held).unwrap_or(SAMPLE).max(1);
            paging.big = Some(self.page(&self.inspector.search(search.ask(all), None, &[], search.by_post)).await);
        }
        self.sizes(search, &mut paging).await;
        self.last_page(search, &mut paging).await;
        paging
    }

    async fn sizes(&mut self, search: &Search, paging: &mut Paging) {
        for asked in SIZES {
            let oversized = self.oversized.len();
            let page = self.page(&self.inspector.search(search.ask(asked), None, &[], search.by_post)).await;
            let good = page.is_page();
            if asked > USUAL {
                // the broker asks for smaller pages then: this is about the size of a page, not of answers
                self.oversized.truncate(oversized);
            }
            paging.sizes.push(Sized { asked, page });
            if good || self.stopped().is_some() {
                return;
            }
        }
    }

    /// A page that holds one Item of ten that it may hold.
    async fn last_page(&mut self, search: &Search, paging: &mut Paging) {
        let Some(known) = search.known.as_ref().filter(|_| !search.items_only) else { return };
        let ask = Ask { ids: Some(vec![known.id.clone()]), ..search.ask(SAMPLE) };
        let page = self.page(&self.inspector.search(ask, None, &[], search.by_post)).await;
        if page.items().len() != 1 {
            return;
        }
        let next = page.next.ok().flatten();
        paging.said_more = Some(next.is_some());
        if let Some(question) = next {
            paging.behind = Some(self.page(&question).await);
        }
    }
}
