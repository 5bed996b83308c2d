//! Collection Search over the view: which Collections match, in which order, from where on (`stac-api.md` 6.4).
//!
//! Pure: no member is asked, so an answer is as complete as the view is. It knows neither parameters nor tokens as
//! clients write them. A Collection whose extent is missing or invalid matches every `bbox` and `datetime`, because
//! nothing is known against it; in a `filter` it is unknown there, as the standard wants. Start reading at [`search`].

mod names;
mod order;
mod subject;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Area, Interval};

use super::view::{Entry, View};

pub use names::of_either_name;
pub use order::{Key, Position, SORTABLES, SortBy};
pub(super) use subject::places;
pub use subject::{Kind, QUERYABLES};
pub(super) use words::of_collection;
pub use words::{Terms, TermsError};

/// What is asked of the Collections. Empty: all of them, in the order of the list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub area: Option<Area>,
    pub datetime: Option<Interval>,
    /// `q`
    pub terms: Option<Terms>,
    /// With predicates on `id` put to the name that they are about, by [`of_either_name`].
    pub filter: Option<Arc<Expr>>,
    pub sortby: Vec<SortBy>,
}

/// One page.
#[derive(Debug)]
pub struct Found {
    pub page: Vec<Arc<Entry>>,
    /// All that match, on whichever page.
    pub matched: usize,
    /// Where the next page goes on; `None` when there is none.
    pub next: Option<Position>,
}

/// The search was told to stop before it had looked at every Collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// One page of the Collections that match, after a position of the same query. `goes_on` is asked before each
/// Collection: a condition can be dear, and there can be thousands.
///
/// The order is total: the asked keys, then the place of the member in the view, then the native id. So a view that was
/// refreshed in between neither repeats nor loses a Collection that stayed as it was.
///
/// # Errors
/// `goes_on` said no.
pub fn search(
    view: &View,
    query: &Query,
    after: Option<&Position>,
    limit: usize,
    goes_on: impl Fn() -> bool,
) -> Result<Found, Stopped> {
    let mut matches = Vec::new();
    // shared Collections stand before those of members
    let members = view.members.iter().map(|member| member.entries.as_slice());
    for (place, entries) in std::iter::once(view.shared.as_slice()).chain(members).enumerate() {
        for entry in entries {
            if !goes_on() {
                return Err(Stopped);
            }
            if query.selects(entry) {
                matches.push(order::Match::new(entry, place, &query.sortby));
            }
        }
    }
    let matched = matches.len();
    if !query.sortby.is_empty() {
        matches.sort_by(|a, b| order::compare(&query.sortby, a, b));
    }
    let mut rest = matches.into_iter().filter(|one| after.is_none_or(|last| order::is_after(query, view, one, last)));
    let page: Vec<order::Match<'_>> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| page.last().map(order::Match::position));
    Ok(Found { page: page.iter().map(|one| Arc::clone(one.entry)).collect(), matched, next })
}

impl Query {
    /// Whether a Collection meets every condition.
    fn selects(&self, entry: &Entry) -> bool {
        let unknown_or = |known: Option<bool>| known.unwrap_or(true);
        unknown_or(self.datetime.and_then(|asked| Some(asked.meets(&entry.interval?))))
            && unknown_or(self.area.as_ref().and_then(|asked| Some(asked.touches(entry.area.as_ref()?))))
            && self.terms.as_ref().is_none_or(|terms| terms.found_in(&entry.words))
            && self.filter.as_ref().is_none_or(|filter| filter.holds(entry) == Some(true))
    }
}
