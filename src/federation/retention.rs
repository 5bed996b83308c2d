//! What a site keeps, and for how long. It decides whether a member is asked at all; it is never a cache lifetime.

use chrono::{DateTime, Utc};

use super::area::Area;
use super::policy::Patterns;

/// One `[[member.policy.retention]]` rule; all its keys hold together, several rules of one collection are alternatives.
#[derive(Debug, Clone)]
pub struct Retention {
    pub collections: Patterns,
    /// Rolling: nothing older than now minus this.
    pub keep: Option<Period>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Nothing newer than now minus this.
    pub lag: Option<Period>,
    /// Longest Item with a start and an end: widens the window on both sides.
    pub item_span_max: Period,
    pub focus: Option<Area>,
}

/// An ISO 8601 duration; years and months step on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    pub months: u32,
    pub seconds: u64,
}
