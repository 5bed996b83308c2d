//! Items by their ids, for members where `ids` override every other condition and several of them are not read as meant:
//! one request for each, one page in all. The plan asks for a few at most.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::StacApi;
use crate::members::capabilities::IDS_ALONE_MAX;
use crate::members::line::failure;
use crate::members::{Ask, Failure, Fault, Matched, Page};

/// Items of one id that are looked at: it may stand in several collections.
const OF_ONE_ID: u32 = 20;

impl StacApi {
    /// All Items of these ids, in the order asked for.
    pub(super) async fn one_by_one(&self, ask: &Ask, ids: &[String], deadline: Instant) -> Result<Page, Failure> {
        if ids.len() > IDS_ALONE_MAX {
            return Err(failure(
                Fault::Unsupported,
                &format!("{} ids; at most {IDS_ALONE_MAX} are asked for", ids.len()),
            ));
        }
        let mut page = Page::default();
        for id in ids {
            let ask =
                Ask { ids: Some(vec![id.clone()]), sortby: ask.sortby.clone(), limit: OF_ONE_ID, ..Ask::default() };
            let part = self.first_page(&ask, deadline).await?;
            page.received += part.received;
            page.bytes += part.bytes;
            page.partial = page.partial.take().or(part.partial);
            page.invalid.count += part.invalid.count;
            page.invalid.reasons.extend(part.invalid.reasons);
            // what an id is turned into there may be another Item
            page.items.extend(part.items.into_iter().filter(|item| *item.id == **id));
        }
        page.matched = Some(Matched { count: page.items.len() as u64, exact: true });
        if let Some((_, descending)) = ask.sortby.first() {
            page.items.sort_by(|a, b| a.id.cmp(&b.id));
            match descending {
                true => page.items.sort_by_key(|item| Reverse(item.time_key())),
                false => page.items.sort_by_key(|item| item.time_key().unwrap_or(i64::MAX)),
            }
        }
        Ok(page)
    }
}
