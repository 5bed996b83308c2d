//! Conditions that the broker checks on each Item a member returned: what the member could not do, and the truth of what it claims.
//!
//! Collection, id and times were read when the Item arrived. Of its bytes the `bbox` is read only under a condition on
//! the area, the geometry only where the box cannot decide, and the properties that a filter names only under a filter.

use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Area, Interval, MemberId, Policy};
use crate::members::Item;
use crate::members::item::Properties;

use super::plan::windows::Windows;

/// Conditions on an Item, in the member's own terms. Empty: everything passes.
#[derive(Debug, Clone, Default)]
pub struct Residual {
    /// Native ids the Item's collection must be one of.
    pub collections: Option<Vec<String>>,
    /// The collections that the federation sees, where the member's list is not known and so cannot be named.
    pub policy: Option<Arc<Policy>>,
    /// Native ids the Item's collection must be none of.
    pub others_than: Vec<String>,
    /// Of a shared Collection: when Items begin that are taken from this holder (S12).
    pub windows: Windows,
    pub ids: Option<Vec<String>>,
    pub datetime: Option<Interval>,
    /// The whole condition, with the member's own collection ids: evaluated also where the member says it does it.
    pub filter: Option<Arc<Expr>>,
    /// Who is asked: a condition on `federation:backends` means what the broker writes there, not what a member did.
    pub member: Option<MemberId>,
    /// The names of the properties that it reads.
    pub properties: Arc<[Box<str>]>,
    /// Other names that the member has for some of them, which count where an Item lacks the first: our name, its name.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The parts of it that the member says it evaluates exactly.
    pub promised: Option<Arc<Expr>>,
    /// Checked by the Item's `bbox` alone, or by its geometry where `exact_area`.
    pub area: Option<Area>,
    pub exact_area: bool,
    /// Lowest and highest elevation asked for; an Item without elevation lies at 0.
    pub elevation: Option<(f64, f64)>,
    /// For people: the conditions that the member cannot do (not those that are only checked).
    pub described: Vec<String>,
    /// True when some condition was not pushed down exactly: counts of the member are then not counts of the answer.
    pub selective: bool,
}

/// What becomes of an Item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Kept,
    Dropped,
    /// Dropped, though the member says that it evaluates the condition which excludes it.
    Contradiction,
}

impl Residual {
    /// Whether the Item meets every condition.
    #[must_use]
    pub fn fit(&self, item: &Item) -> Fit {
        if !self.meets_parameters(item) {
            return Fit::Dropped;
        }
        let Some(filter) = &self.filter else { return Fit::Kept };
        let subject = Properties::of(item, self.only_collection(), self.member.as_ref(), &self.properties);
        let subject = subject.with_aliases(self.aliases);
        if filter.holds(&subject) == Some(true) {
            return Fit::Kept;
        }
        match &self.promised {
            Some(promised) if promised.holds(&subject) != Some(true) => Fit::Contradiction,
            _ => Fit::Dropped,
        }
    }

    #[cfg(test)]
    pub fn keeps(&self, item: &Item) -> bool {
        self.fit(item) == Fit::Kept
    }

    /// The collection of Items that name none: known when only one was asked for.
    fn only_collection(&self) -> &str {
        match self.collections.as_deref() {
            Some([only]) => only,
            _ => "",
        }
    }

    fn meets_parameters(&self, item: &Item) -> bool {
        // a member that gives no collection is taken at its word where only one was asked for
        let collection = if item.collection.is_empty() { self.only_collection() } else { &item.collection };
        one_of(self.collections.as_deref(), collection)
            && !self.others_than.iter().any(|other| other == collection)
            && self.windows.own(item)
            && self.policy.as_ref().is_none_or(|policy| policy.sees(collection))
            && one_of(self.ids.as_deref(), &item.id)
            && self.datetime.is_none_or(|asked| item.meets_time(&asked))
            && self.area.as_ref().is_none_or(|area| self.in_place(area, item))
    }

    fn in_place(&self, area: &Area, item: &Item) -> bool {
        if let Some((low, high)) = self.elevation {
            let (lowest, highest) = item.bbox().and_then(|bbox| bbox.elevation).unwrap_or((0.0, 0.0));
            if highest < low || lowest > high {
                return false;
            }
        }
        // A box that touches decides unless the member's word is not enough.
        item.meets_place(area, self.exact_area)
    }
}

fn one_of(list: Option<&[String]>, value: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|entry| entry == value))
}

#[cfg(test)]
pub(super) mod tests;
