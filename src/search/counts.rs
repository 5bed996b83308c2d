//! How many Items match, as far as members say and the broker has read (S25).
//!
//! The first page decides: counts of later pages are counts of a remainder. What it finds travels in the session and is
//! repeated unchanged. Where a sum of counts would not be the truth there is none, but its bounds may still be known.

use serde::{Deserialize, Serialize};

/// Bounds on how many Items match; `None` where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bounds {
    pub lower: Option<u64>,
    pub upper: Option<u64>,
}

/// What the first page of a leg tells.
pub struct LegCount<'a> {
    /// As `Leg::part`.
    pub part: &'a str,
    /// Items that meet every condition, of those that were read.
    pub kept: u64,
    /// The leg was read to its end.
    pub whole: bool,
    /// The member's own count, if it says one that is known to be exact for what it was asked.
    pub counted: Option<u64>,
    /// Nothing of what was counted is dropped by the broker.
    pub unfiltered: bool,
}

impl LegCount<'_> {
    fn lower(&self) -> u64 {
        self.counted.filter(|_| self.unfiltered && !self.whole).unwrap_or(0).max(self.kept)
    }

    fn upper(&self) -> Option<u64> {
        if self.whole { Some(self.kept) } else { self.counted }
    }
}

impl Bounds {
    /// The bounds of all legs together; `all_asked` is false when a member that may have matches could not be asked.
    pub fn of(legs: &[LegCount<'_>], all_asked: bool) -> Self {
        // holders of one shared collection may have the same Items, so only the most that one has is certain
        let mut shared: Vec<(&str, u64)> = Vec::new();
        let mut lower = 0_u64;
        for leg in legs {
            match shared.iter_mut().find(|(part, _)| *part == leg.part) {
                _ if leg.part.is_empty() => lower = lower.saturating_add(leg.lower()),
                Some((_, most)) => *most = (*most).max(leg.lower()),
                None => shared.push((leg.part, leg.lower())),
            }
        }
        let shared: u64 = shared.into_iter().map(|(_, most)| most).sum();
        let upper = legs.iter().map(LegCount::upper).sum::<Option<u64>>().filter(|_| all_asked);
        Self { lower: Some(lower.saturating_add(shared)), upper }
    }

    /// Both bounds are the same number.
    pub fn exactly(count: u64) -> Self {
        Self { lower: Some(count), upper: Some(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(part: &str, kept: u64, counted: Option<u64>) -> LegCount<'_> {
        LegCount { part, kept, whole: false, counted, unfiltered: true }
    }

    #[test]
    fn counts_bound_from_both_sides_and_what_was_read_only_from_below() {
        let bounds = Bounds::of(&[leg("", 10, Some(50)), leg("", 7, None)], true);
        assert_eq!(bounds, Bounds { lower: Some(57), upper: None });
        let bounds = Bounds::of(&[leg("", 10, Some(50)), leg("", 7, Some(7))], true);
        assert_eq!(bounds, Bounds::exactly(57));
    }

    #[test]
    fn what_the_broker_filters_is_at_most_what_the_member_counts() {
        let filtered = LegCount { unfiltered: false, ..leg("", 3, Some(50)) };
        assert_eq!(Bounds::of(&[filtered], true), Bounds { lower: Some(3), upper: Some(50) });
    }

    #[test]
    fn a_leg_that_was_read_whole_is_known_whatever_it_counts() {
        let whole = LegCount { whole: true, unfiltered: false, ..leg("", 3, Some(50)) };
        assert_eq!(Bounds::of(&[whole], true), Bounds::exactly(3));
    }

    #[test]
    fn holders_of_a_shared_collection_are_not_added_up_from_below() {
        let bounds = Bounds::of(&[leg("s2", 1, Some(40)), leg("s2", 1, Some(30)), leg("", 5, Some(5))], true);
        assert_eq!(bounds, Bounds { lower: Some(45), upper: Some(75) });
    }

    #[test]
    fn a_member_that_could_not_be_asked_leaves_no_upper_bound() {
        assert_eq!(Bounds::of(&[leg("", 5, Some(5))], false), Bounds { lower: Some(5), upper: None });
    }
}
