//! A catalogue of records read whole, page after page; what the two protocols have in common.
//!
//! Pages come one after the other: where one leads is known from the one before, and a catalogue that people search is not
//! to be kept busy. A page that does not lead on, leads in a circle or brings nothing new ends the walk. What fails behind
//! the first page is taken from the harvest before, record by record, and else said to be missing.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::build;
use super::fetch::Validators;
use super::{Notes, Record};
use crate::federation::{Crawl, Member};
use crate::members::harvest::{Harvested, Progress, Source};
use crate::members::{Failure, Fault, failure};

/// Records of one page, unless that makes a page too large.
pub const PAGE_MAX: u32 = 100;
/// Pages in a row that may bring no record that is new; servers give one at the end, or between.
const IDLE_PAGES_MAX: u32 = 3;

/// Where a page begins, in the protocol's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The catalogue's address.
    pub catalogue: url::Url,
    /// What the page before says of this one; `None`: the first one.
    pub token: Option<Box<str>>,
}

/// How a protocol asks for pages and reads them.
pub trait Pages: Send + Sync + 'static {
    /// The first place of each catalogue of the member.
    fn catalogues(&self, deadline: Instant) -> BoxFuture<'_, Result<Vec<Place>, Failure>>;

    /// One page of at most so many records.
    fn page<'a>(
        &'a self,
        place: &'a Place,
        size: u32,
        before: Option<&'a Known>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Came, Failure>>;

    /// As [`Source::sign_of_life`].
    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>>;
}

/// How asking for a page ended well.
#[derive(Debug)]
pub enum Came {
    /// It is as it was; nothing was transferred.
    Unchanged,
    Page {
        page: Known,
        bytes: usize,
    },
}

/// A page as it was read.
#[derive(Debug, Clone)]
pub struct Known {
    pub content: Arc<Content>,
    pub next: Option<Place>,
    pub validators: Validators,
    /// Of the part that says something: equal where the page is.
    pub fingerprint: [u8; 32],
}

/// What a page has.
#[derive(Debug, Default)]
pub struct Content {
    pub records: Vec<Record>,
    /// Records that came, those left out included.
    pub received: u64,
    /// What the catalogue says it has in all.
    pub matched: Option<u64>,
    /// Which were left out, and why.
    pub left_out: Vec<(String, String)>,
    pub notes: Notes,
}

/// What the next harvest wants to know of this one: its pages, in their order.
#[derive(Debug, Default)]
pub struct Kept {
    pages: Vec<(Place, Known)>,
}

impl Kept {
    fn at(&self, place: &Place) -> Option<(usize, &Known)> {
        self.pages.iter().enumerate().find(|(_, (own, _))| own == place).map(|(at, (_, known))| (at, known))
    }
}

/// A member that has records.
pub struct Catalogue<P> {
    pages: P,
    bounds: Crawl,
    title: String,
    url: url::Url,
}

impl<P: Pages> Catalogue<P> {
    pub fn new(member: &Member, pages: P) -> Self {
        Self { pages, bounds: member.crawl.clone(), title: member.title.clone(), url: member.url.clone() }
    }

    async fn harvest(
        &self,
        before: Option<&Harvested<Kept>>,
        progress: &Progress,
        deadline: Instant,
    ) -> Result<Harvested<Kept>, Failure> {
        let mut walk =
            Walk { catalogue: self, before, progress, deadline, found: Harvested::default(), size: PAGE_MAX };
        for first in self.pages.catalogues(deadline).await? {
            walk.through(first).await?;
        }
        Ok(walk.finish())
    }
}

impl<P: Pages> Source for Catalogue<P> {
    type Kept = Kept;

    fn read<'a>(
        &'a self,
        before: Option<&'a Harvested<Kept>>,
        progress: &'a Progress,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Harvested<Kept>, Failure>> {
        Box::pin(self.harvest(before, progress, deadline))
    }

    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        self.pages.sign_of_life(deadline)
    }
}

/// A harvest while it runs.
struct Walk<'a, P> {
    catalogue: &'a Catalogue<P>,
    before: Option<&'a Harvested<Kept>>,
    progress: &'a Progress,
    deadline: Instant,
    found: Harvested<Kept>,
    /// Records asked for at once; smaller after a page that was too large.
    size: u32,
}

impl<P: Pages> Walk<'_, P> {
    /// All pages of one catalogue.
    async fn through(&mut self, first: Place) -> Result<(), Failure> {
        let (mut seen, mut ids) = (HashSet::new(), HashSet::new());
        let (mut received, mut idle, mut matched) = (0_u64, 0, None);
        let mut next = Some(first);
        while let Some(place) = next.take() {
            if let Some(bound) = self.bound(received) {
                self.lack(bound);
                return Ok(());
            }
            let page = match self.page(&place).await {
                Ok(page) => page,
                // nothing can be said of a catalogue whose first page does not come
                Err(failed) if self.found.kept.pages.is_empty() => return Err(failed),
                Err(failed) => {
                    self.rescue(&place, &failed);
                    return Ok(());
                }
            };
            received += page.content.received;
            matched = page.content.matched.or(matched);
            let fresh = page.content.records.iter().filter(|record| ids.insert(record.id.clone())).count();
            idle = if fresh == 0 { idle + 1 } else { 0 };
            next.clone_from(&page.next);
            seen.insert(place.clone());
            self.found.kept.pages.push((place, page));
            if next.as_ref().is_some_and(|next| seen.contains(next)) {
                self.lack("a page leads back to an earlier one".to_owned());
                return Ok(());
            }
            if idle >= IDLE_PAGES_MAX && next.is_some() {
                self.lack(format!("{idle} pages in a row bring no record that is new"));
                return Ok(());
            }
        }
        if let Some(matched) = matched.filter(|matched| *matched > received) {
            self.lack(format!("{received} of {matched} records came"));
        }
        Ok(())
    }

    /// The bound that the harvest has reached, in words.
    fn bound(&self, received: u64) -> Option<String> {
        let Crawl { documents_max, bytes_max, time, .. } = &self.catalogue.bounds;
        if received >= *documents_max as u64 {
            return Some(format!("`documents_max`, which is {documents_max}, was reached"));
        }
        if self.found.tally.bytes >= *bytes_max as u64 {
            return Some(format!("`bytes_max`, which is {bytes_max}, was reached"));
        }
        (Instant::now() >= self.deadline).then(|| format!("`time_s`, which is {}, was over", time.as_secs()))
    }

    fn lack(&mut self, why: String) {
        self.found.incomplete.get_or_insert(why);
    }

    /// One page, or what is known of it where it did not change. One that is too large, or takes too
    /// long, is asked for in smaller parts.
    async fn page(&mut self, place: &Place) -> Result<Known, Failure> {
        let before = self.before.and_then(|before| before.kept.at(place)).map(|(_, known)| known);
        loop {
            let came = self.catalogue.pages.page(place, self.size, before, self.deadline).await;
            self.found.tally.documents += 1;
            match (came, before) {
                (Ok(Came::Unchanged), Some(known)) => {
                    self.progress.add(0);
                    self.found.tally.unchanged += 1;
                    return Ok(known.clone());
                }
                (Ok(Came::Unchanged), None) => {
                    return Err(failure(Fault::BadResponse, "304 to a request without conditions"));
                }
                (Ok(Came::Page { page, bytes }), before) => {
                    self.progress.add(bytes);
                    self.found.tally.bytes += bytes as u64;
                    let same = before.filter(|known| known.fingerprint == page.fingerprint);
                    self.found.tally.unchanged += u64::from(same.is_some());
                    // what is equal is held once
                    let content = same.map_or(page.content, |known| Arc::clone(&known.content));
                    return Ok(Known { content, ..page });
                }
                (Err(failed), _) if self.size > 1 && matches!(failed.fault, Fault::TooLarge | Fault::Timeout) => {
                    self.size = (self.size / 4).max(1);
                }
                (Err(failed), _) => return Err(failed),
            }
        }
    }

    /// A page that did not come, and all behind it: what the harvest before had there.
    fn rescue(&mut self, place: &Place, failed: &Failure) {
        let before = self.before.map(|before| &before.kept);
        let rest = before.and_then(|kept| kept.at(place).map(|(at, _)| &kept.pages[at..])).unwrap_or_default();
        let rest = rest.iter().take_while(|(own, _)| own.catalogue == place.catalogue);
        let rest: Vec<(Place, Known)> = rest.cloned().collect();
        if rest.is_empty() {
            let number = self.found.kept.pages.len() + 1;
            let status = failed.status.map(|status| format!(", status {status}")).unwrap_or_default();
            return self.lack(format!("page {number} could not be read ({:?}{status})", failed.fault));
        }
        self.found.tally.kept += rest.len() as u64;
        // the walk before may have ended early, too
        if let Some(why) = self.before.and_then(|before| before.incomplete.clone()) {
            self.lack(why);
        }
        self.found.kept.pages.extend(rest);
    }

    fn finish(mut self) -> Harvested<Kept> {
        let contents: Vec<&Content> = self.found.kept.pages.iter().map(|(_, known)| &*known.content).collect();
        if let Some(before) = self.before.filter(|before| before.kept.same(&self.found.kept)) {
            self.found.collections.clone_from(&before.collections);
            self.found.items.clone_from(&before.items);
            self.found.left_out = before.left_out.clone();
            self.found.notes.clone_from(&before.notes);
            return self.found;
        }
        let Catalogue { bounds, title, url, .. } = self.catalogue;
        let built = build::of(&contents, &bounds.records, bounds.documents_max, title, url);
        self.found.collections = built.collections;
        self.found.items = built.items;
        self.found.left_out = built.left_out;
        self.found.notes = built.notes.sentences();
        self.found
    }
}

impl Kept {
    /// Whether two harvests read the same.
    fn same(&self, other: &Self) -> bool {
        let fingerprints = |kept: &Self| kept.pages.iter().map(|(_, known)| known.fingerprint).collect::<Vec<_>>();
        fingerprints(self) == fingerprints(other)
    }
}
