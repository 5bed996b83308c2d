//! Closed time intervals with open ends, as in the `datetime` parameter (RFC 3339; OGC API - Features, 7.15.4).

use chrono::{DateTime, SecondsFormat, Utc};

/// A closed interval; `None` is an open end. Never both open when it stands for a client's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
}

impl Interval {
    #[must_use]
    pub fn instant(at: DateTime<Utc>) -> Self {
        Self { start: Some(at), end: Some(at) }
    }

    /// Whether the two share an instant.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let before = |end: Option<DateTime<Utc>>, start: Option<DateTime<Utc>>| matches!((end, start), (Some(end), Some(start)) if end < start);
        !before(self.end, other.start) && !before(other.end, self.start)
    }

    /// The value of a `datetime` parameter: one instant, or `a/b` with `..` for an open end.
    #[must_use]
    pub fn to_param(&self) -> String {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start == end => text(start),
            (start, end) => {
                format!("{}/{}", start.map_or_else(|| "..".into(), text), end.map_or_else(|| "..".into(), text))
            }
        }
    }
}

/// RFC 3339 in UTC with as few fraction digits as the instant needs: none, 3, 6 or 9.
#[must_use]
pub fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
