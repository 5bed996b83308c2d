//! All Collections of a member, through the pages of its listing.

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::{StacApi, below, request};
use crate::members::line::failure;
use crate::members::next_link::{self, Delta, Sent};
use crate::members::{Failure, Fault, Listing};

/// Collections of one member; the largest catalogues have some thousands.
const COLLECTIONS_MAX: usize = 10_000;
/// Pages of a collection listing.
const LISTING_PAGES_MAX: usize = 200;
/// Bytes of a whole collection listing.
const LISTING_BYTES_MAX: usize = 128 << 20;
/// The length at which several servers cut a listing without saying so.
const SUSPICIOUS_LENGTH: usize = 100;

#[derive(Deserialize)]
struct CollectionsPage<'a> {
    #[serde(borrow)]
    collections: Vec<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a serde_json::value::RawValue>,
    #[serde(default, rename = "numberMatched")]
    number_matched: Option<u64>,
}

impl StacApi {
    /// Reads the listing, and keeps which Collections there are.
    pub(super) async fn read_collections(&self, deadline: Instant) -> Result<Listing, Failure> {
        let listing = self.read_listing(deadline).await?;
        self.keep_listed(&listing.collections);
        Ok(listing)
    }

    async fn read_listing(&self, deadline: Instant) -> Result<Listing, Failure> {
        let url = below(&self.member.url, "collections");
        let mut listing = Listing::default();
        let mut bytes = 0;
        let mut delta: Option<Delta> = None;
        let mut tokens = Vec::new();
        // what the last page says that says anything: an empty page at the end has no count
        let mut matched = None;
        for page in 0..LISTING_PAGES_MAX {
            let answer = self.send(request(&url, &[], None, delta.as_ref()), deadline).await;
            // What was read stays useful, though it proves nothing any more.
            let answer = match answer {
                Err(_) if page > 0 => return Ok(listing),
                other => other?,
            };
            bytes += answer.body.len();
            let before = listing.collections.len();
            let read = take_collections(&answer.body, &mut listing);
            let (links, counted) = match read {
                Err(_) if page > 0 => return Ok(listing),
                other => other?,
            };
            matched = counted.or(matched);
            let sent = Sent { url: &url, query: &[], body: None, limit: 0, follow: None, mark: None, only: &[] };
            let Ok(next) = next_link::token(links.as_deref(), &answer.headers, &sent) else { return Ok(listing) };
            let Some(next) = next else {
                let unsure = page == 0
                    && listing.collections.len() == SUSPICIOUS_LENGTH
                    && matched != Some(SUSPICIOUS_LENGTH as u64);
                let short = matched.is_some_and(|matched| matched > listing.collections.len() as u64);
                listing.complete = !unsure && !short;
                return Ok(listing);
            };
            let stuck = listing.collections.len() == before || tokens.contains(&next);
            if stuck || bytes > LISTING_BYTES_MAX || listing.collections.len() >= COLLECTIONS_MAX {
                return Ok(listing);
            }
            delta = Delta::open(&next).ok();
            tokens.push(next);
        }
        Ok(listing)
    }
}

/// Appends the Collections of one page; gives its links and its count.
fn take_collections(body: &Bytes, listing: &mut Listing) -> Result<(Option<Bytes>, Option<u64>), Failure> {
    let page: CollectionsPage<'_> =
        serde_json::from_slice(body).map_err(|error| failure(Fault::BadResponse, &format!("collections: {error}")))?;
    let room = COLLECTIONS_MAX.saturating_sub(listing.collections.len());
    let texts = page.collections.iter().take(room).map(|raw| body.slice_ref(raw.get().as_bytes()));
    listing.collections.extend(texts);
    Ok((page.links.map(|raw| body.slice_ref(raw.get().as_bytes())), page.number_matched))
}
