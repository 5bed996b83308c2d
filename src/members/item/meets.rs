//! Whether an Item meets the plain conditions of a search, on its times and its place. One meaning for all who check.

use super::Item;
use crate::federation::{Area, Interval};

impl Item {
    /// Whether its `datetime`, or the time from its start to its end, has an instant in common with the interval. An end
    /// that is absent is open; an Item without any time meets nothing. Members differ in which of the two they test, so either is
    /// enough.
    #[must_use]
    pub fn meets_time(&self, asked: &Interval) -> bool {
        let times = &self.times;
        let at = times.datetime.is_some_and(|at| asked.meets(&Interval::instant(at)));
        let lasting = (times.start.is_some() || times.end.is_some())
            && asked.meets(&Interval { start: times.start, end: times.end });
        at || lasting
    }

    /// Whether it lies in the area, or touches it: by its geometry or, where that cannot be computed with, its `bbox`.
    /// Unless `exactly`, a `bbox` that touches is enough. An Item without geometry lies nowhere.
    #[must_use]
    pub fn meets_place(&self, area: &Area, exactly: bool) -> bool {
        if matches!(self.slice(&self.spans.geometry), b"" | b"null") {
            return false;
        }
        // A box that does not touch may be wrong itself.
        let boxes_touch = self.bbox().is_some_and(|bbox| area.touches(&Area::from(bbox)));
        if boxes_touch && !exactly {
            return true;
        }
        match self.geometry() {
            Some(geometry) => Area::from_geometry(&geometry).is_some_and(|geometry| area.touches(&geometry)),
            None => boxes_touch,
        }
    }
}
