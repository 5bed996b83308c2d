//! Conditions that the broker checks on each Item a member returned: what the member could not do, and the truth of what it claims.

use crate::federation::{Area, Interval};
use crate::members::Item;

/// Conditions on an Item, in the member's own terms. Empty: everything passes.
#[derive(Debug, Clone, Default)]
pub struct Residual {
    /// Native ids the Item's collection must be one of.
    pub collections: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    pub datetime: Option<Interval>,
    /// Checked by the Item's `bbox` alone, or by its geometry where `exact_area`.
    pub area: Option<Area>,
    pub exact_area: bool,
    /// For people: the conditions that the member cannot do (not those that are only checked).
    pub described: Vec<String>,
    /// True when some condition was not pushed down exactly: counts of the member are then not counts of the answer.
    pub selective: bool,
}

impl Residual {
    /// Whether the Item meets every condition.
    #[must_use]
    pub fn keeps(&self, _item: &Item) -> bool {
        todo!()
    }
}
