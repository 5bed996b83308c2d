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
/// Lengths at which servers cut a listing without saying so, by their defaults; the first is asked for more in vain.
const CUT_LENGTHS: [usize; 2] = [100, 10];
/// What is asked for where a listing may be cut.
const WHOLE_LIMIT: usize = 1_000;

#[derive(Deserialize)]
struct CollectionsPage<'a> {
    #[serde(borrow)]
    collections: Vec<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a serde_json::value::RawValue>,
    #[serde(default, rename = "numberMatched")]
    number_matched: Option<u64>,
    #[serde(default)]
    context: Option<Context>,
}

/// Of it the limit counts: some servers write the number of those that they show where the number of all belongs.
#[derive(Deserialize)]
struct Context {
    #[serde(default)]
    limit: Option<usize>,
}

/// A listing, and whether it may have been cut without a word: then it counts as incomplete.
struct Reading {
    listing: Listing,
    doubt: Option<Doubt>,
}

/// Why a listing that was one page without a `next` link may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// As long as the default of some servers is, which all know `limit`.
    Round,
    /// As long as it can be at a server that does not know `limit`.
    Full,
}

impl Doubt {
    fn of(length: usize, matched: Option<u64>, page_limit: Option<usize>) -> Option<Self> {
        if matched == Some(length as u64) {
            return None;
        }
        match length {
            _ if length == CUT_LENGTHS[0] || length == WHOLE_LIMIT || page_limit == Some(length) => Some(Self::Full),
            _ if CUT_LENGTHS.contains(&length) => Some(Self::Round),
            _ => None,
        }
    }
}

impl StacApi {
    /// Reads the listing, and keeps which Collections there are.
    pub(super) async fn read_collections(&self, deadline: Instant) -> Result<Listing, Failure> {
        let first = self.read_listing(&[], deadline).await?;
        let listing = match first.doubt {
            None => first.listing,
            Some(doubt) => self.read_whole(first.listing, doubt, deadline).await,
        };
        self.keep_listed(&listing.collections, listing.complete);
        Ok(listing)
    }

    /// Asks once more, for as many as there may be: more of them show that the listing was cut, the same ones that it
    /// was not, if the server knows `limit` at all.
    async fn read_whole(&self, first: Listing, doubt: Doubt, deadline: Instant) -> Listing {
        let limit = [("limit".to_owned(), WHOLE_LIMIT.to_string())];
        match self.read_listing(&limit, deadline).await {
            Ok(again) if again.listing.collections.len() > first.collections.len() => again.listing,
            Ok(again) if again.listing.collections.len() == first.collections.len() => {
                Listing { complete: doubt == Doubt::Round, ..first }
            }
            _ => first,
        }
    }

    async fn read_listing(&self, query: &[(String, String)], deadline: Instant) -> Result<Reading, Failure> {
        let url = below(&self.member.url, "collections");
        let mut listing = Listing::default();
        let mut bytes = 0;
        let mut delta: Option<Delta> = None;
        let mut tokens = Vec::new();
        // what the last page says that says anything: an empty page at the end has no count
        let mut matched = None;
        let cut = |listing| Ok(Reading { listing, doubt: None });
        for page in 0..LISTING_PAGES_MAX {
            let answer = self.send(request(&url, query, None, delta.as_ref()), deadline).await;
            // What was read stays useful, though it proves nothing any more.
            let answer = match answer {
                Err(_) if page > 0 => return cut(listing),
                other => other?,
            };
            bytes += answer.body.len();
            let before = listing.collections.len();
            let read = take_collections(&answer.body, &mut listing);
            let Taken { links, counted, limit } = match read {
                Err(_) if page > 0 => return cut(listing),
                other => other?,
            };
            matched = counted.or(matched);
            let sent = Sent { url: &url, query, body: None, limit: 0, follow: None, mark: None, only: &[] };
            let Ok(next) = next_link::token(links.as_deref(), &answer.headers, &sent) else { return cut(listing) };
            let Some(next) = next else {
                let length = listing.collections.len();
                let doubt = if page == 0 { Doubt::of(length, matched, limit) } else { None };
                let short = matched.is_some_and(|matched| matched > length as u64);
                listing.complete = doubt.is_none() && !short;
                return Ok(Reading { listing, doubt });
            };
            let stuck = listing.collections.len() == before || tokens.contains(&next);
            if stuck || bytes > LISTING_BYTES_MAX || listing.collections.len() >= COLLECTIONS_MAX {
                return cut(listing);
            }
            delta = Delta::open(&next).ok();
            tokens.push(next);
        }
        cut(listing)
    }
}

/// What stands beside the Collections of a page.
struct Taken {
    links: Option<Bytes>,
    counted: Option<u64>,
    /// `context.limit`
    limit: Option<usize>,
}

/// Appends the Collections of one page.
fn take_collections(body: &Bytes, listing: &mut Listing) -> Result<Taken, Failure> {
    let page: CollectionsPage<'_> =
        serde_json::from_slice(body).map_err(|error| failure(Fault::BadResponse, &format!("collections: {error}")))?;
    let room = COLLECTIONS_MAX.saturating_sub(listing.collections.len());
    let texts = page.collections.iter().take(room).map(|raw| body.slice_ref(raw.get().as_bytes()));
    listing.collections.extend(texts);
    Ok(Taken {
        links: page.links.map(|raw| body.slice_ref(raw.get().as_bytes())),
        counted: page.number_matched,
        limit: page.context.and_then(|context| context.limit),
    })
}
