//! Members that find nothing unless a search names its collections: those of their list are named.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::StacApi;
use crate::members::{Ask, Failure, Page};

impl StacApi {
    /// The ask with collections to name; the ask as it is where it names some, and where none are known.
    pub(super) async fn with_collections(&self, ask: &Ask, deadline: Instant) -> Result<Option<Ask>, Failure> {
        if !self.known.load().habits().names_collections || ask.collections.is_some() {
            return Ok(None);
        }
        if self.listed.load().is_empty() {
            self.read_collections(deadline).await?;
        }
        let ids: Vec<String> = self.listed_ids();
        Ok((!ids.is_empty()).then(|| Ask { collections: Some(ids), ..ask.clone() }))
    }

    /// What was found under names from a list that was cut is not all that there is.
    pub(super) fn under_names(&self, page: Page) -> Page {
        if self.listed_whole.load(Ordering::Relaxed) {
            return page;
        }
        let cut = || "it finds nothing in collections that are not named, and its list of them is not whole".into();
        Page { partial: page.partial.or_else(|| Some(cut())), ..page }
    }
}
