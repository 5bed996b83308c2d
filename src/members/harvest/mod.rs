//! Members that are read whole now and then, and searched in the broker: catalogues of files, metadata records.
//!
//! A [`Source`] reads one member and gives back everything it has; a `Harvester` does so again and again and is the
//! [`Member`](super::Member) over the newest `Snapshot` of it. What is read is held in memory alone and can be read again at
//! any time. Start with [`Source`], then `harvester.rs`; `snapshot.rs` is how a search is answered.
//!
//! It deliberately does not know in which form a member publishes its Collections and Items: sources do.

pub mod fetch;
mod harvester;
mod order;
mod queryables;
mod snapshot;
mod state;
mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{Failure, Item};

pub use harvester::Harvester;
pub use state::{Harvest, Running};

/// Reasons that are kept of one harvest; the rest is counted.
const LEFT_OUT_MAX: usize = 100;
/// Characters of what was left out, and of the reason: both may quote the member.
const LEFT_OUT_CHARS_MAX: usize = 300;

/// A way of reading one member whole.
pub trait Source: Send + Sync + 'static {
    /// What a later harvest wants to know of an earlier one: validators for conditional requests, places of what did not
    /// change. It lives as long as the snapshot.
    type Kept: Send + Sync + 'static;

    /// Reads everything within the bounds of the member's [`Crawl`](crate::federation::Crawl). A part that fails is taken
    /// from `before`, where there is one, else left out and said so; what comes by the deadline is given back as it is.
    ///
    /// # Errors
    /// When nothing can be said of the member at all, its entry being unreachable or no catalogue: then the newest good
    /// snapshot stays.
    fn read<'a>(
        &'a self,
        before: Option<&'a Harvested<Self::Kept>>,
        progress: &'a Progress,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Harvested<Self::Kept>, Failure>>;

    /// Asks whether the member is there, at the least cost for it: nothing is read.
    ///
    /// # Errors
    /// Why it is not, as far as that is known.
    fn sign_of_life(&self, deadline: Instant) -> BoxFuture<'_, Result<(), Failure>>;
}

/// Everything a member has, as one harvest found it.
#[derive(Debug)]
pub struct Harvested<K> {
    /// Each as the bytes of its JSON object. A first `self` link below the member's base is its `canonical` at clients, and
    /// what its relative hrefs start from; so too in Items.
    pub collections: Vec<Bytes>,
    /// Each with the id of its Collection in [`Item::collection`], whether its bytes name it or not.
    pub items: Vec<Arc<Item>>,
    pub left_out: LeftOut,
    /// What was lacking or changed on the way, for admins, one sentence each; a few.
    pub notes: Vec<String>,
    /// Why this is not all the member has, as a sentence for people: a bound, a part that failed and was never read before.
    pub incomplete: Option<String>,
    pub tally: Tally,
    pub kept: K,
}

impl<K: Default> Default for Harvested<K> {
    fn default() -> Self {
        Self {
            collections: Vec::new(),
            items: Vec::new(),
            left_out: LeftOut::default(),
            notes: Vec::new(),
            incomplete: None,
            tally: Tally::default(),
            kept: K::default(),
        }
    }
}

/// What was left out of a harvest, and why, for admins.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    pub count: u64,
    /// The first of them: which document, and the reason.
    pub list: Vec<(String, String)>,
}

impl LeftOut {
    pub fn add(&mut self, document: &str, reason: &str) {
        self.count += 1;
        if self.list.len() < LEFT_OUT_MAX {
            let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(LEFT_OUT_CHARS_MAX).collect();
            self.list.push((cut(document), cut(reason)));
        }
    }
}

/// What a harvest cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Documents, or pages of records, that were asked for.
    pub documents: u64,
    /// Of these: said to be as they were, so that nothing was transferred.
    pub unchanged: u64,
    /// Of these: taken from the harvest before, as reading them failed.
    pub kept: u64,
    /// Bytes of documents that came, after decompression.
    pub bytes: u64,
}

/// How far a running harvest is; read by admins while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    documents: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Counts one document, or page of records, of so many bytes.
    pub fn add(&self, bytes: usize) {
        self.documents.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Documents and bytes so far.
    #[must_use]
    pub fn now(&self) -> (u64, u64) {
        (self.documents.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    fn restart(&self) {
        self.documents.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}

/// A member of a kind that is harvested, with nothing said that has a default.
#[cfg(test)]
pub(in crate::members) fn for_tests(id: &str) -> crate::federation::Member {
    let text = format!(
        "[federation]\nid = \"t\"\n[[member]]\nid = \"{id}\"\nkind = \"static-stac\"\nurl = \"https://a.example/catalog.json\"\n"
    );
    let loaded = crate::federation::load_text("t", &text, std::path::Path::new("")).unwrap();
    loaded.federation.members.into_iter().next().unwrap()
}
