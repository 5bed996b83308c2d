//! A raw Item: its bytes and the places of the few fields the broker uses.

use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// An Item as a member sent it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Exactly the JSON object of the Item.
    pub bytes: Bytes,
    pub id: Box<str>,
    /// The member's own collection id; empty when it sent none.
    pub collection: Box<str>,
    pub times: Times,
    pub spans: Spans,
}

/// The temporal properties as instants; what does not parse is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    pub datetime: Option<DateTime<Utc>>,
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
}

/// Byte ranges of member values inside [`Item::bytes`]; an empty range at 0 means absent.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    pub collection: Range<u32>,
    pub geometry: Range<u32>,
    pub bbox: Range<u32>,
    pub properties: Range<u32>,
    pub links: Range<u32>,
    pub assets: Range<u32>,
    /// The value of `properties.datetime`.
    pub datetime: Range<u32>,
    /// The whole `federation:backends` member of `properties`, if the member sent one (key, colon and value).
    pub backends: Range<u32>,
}

impl Item {
    /// S3: `datetime`, else `start_datetime`, in milliseconds since 1970, rounded down.
    #[must_use]
    pub fn time_key(&self) -> Option<i64> {
        self.times.datetime.or(self.times.start).map(|at| at.timestamp_millis())
    }
}
