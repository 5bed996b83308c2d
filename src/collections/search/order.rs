//! The order of a Collection Search, and positions in it.
//!
//! Texts are compared without regard to case, times as instants; what a Collection does not have comes last in both
//! directions. Positions are what a token holds: the last Collection given, by its keys and its id, so that the next
//! page goes on behind it however the view has changed.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Query;
use crate::collections::view::{Entry, View};

/// Fields that Collections can be sorted by. `datetime` is the start of the temporal extent.
pub const SORTABLES: [&str; 5] = ["id", "title", "datetime", "created", "updated"];

/// Characters of a text that are compared: a token carries them.
const TEXT_CHARACTERS_MAX: usize = 200;

/// One key of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortBy {
    /// One of [`SORTABLES`].
    pub field: &'static str,
    pub descending: bool,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    Text(String),
    /// Seconds and nanoseconds since 1970.
    Time(i64, u32),
}

/// A place in the order: that of a Collection which was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// One per key of the order.
    pub keys: Vec<Option<Key>>,
    /// Empty: a shared Collection's.
    pub member: String,
    pub native_id: String,
}

/// A Collection that matches, with what its order needs.
pub(super) struct Match<'v> {
    pub(super) entry: &'v Arc<Entry>,
    keys: Vec<Option<Key>>,
    /// Of its member in the view, from 1; 0: it is shared.
    place: usize,
}

impl<'v> Match<'v> {
    pub(super) fn new(entry: &'v Arc<Entry>, place: usize, sortby: &[SortBy]) -> Self {
        Self { entry, keys: sortby.iter().map(|key| value(entry, key.field)).collect(), place }
    }

    pub(super) fn position(&self) -> Position {
        Position {
            keys: self.keys.clone(),
            member: if self.entry.behind.is_some() { String::new() } else { self.entry.member.to_string() },
            native_id: self.entry.native_id.clone(),
        }
    }
}

fn value(entry: &Entry, field: &str) -> Option<Key> {
    let text = |text: &str| Key::Text(text.chars().take(TEXT_CHARACTERS_MAX).flat_map(char::to_lowercase).collect());
    let time = |at: DateTime<Utc>| Key::Time(at.timestamp(), at.timestamp_subsec_nanos());
    match field {
        "id" => Some(text(&entry.exposed_id)),
        "title" => entry.title.as_deref().map(text),
        "datetime" => entry.interval?.start.map(time),
        other => {
            let written: String = serde_json::from_str(entry.property(other)?).ok()?;
            DateTime::parse_from_rfc3339(&written).ok().map(|at| time(at.to_utc()))
        }
    }
}

pub(super) fn compare(sortby: &[SortBy], a: &Match<'_>, b: &Match<'_>) -> Ordering {
    keys(sortby, &a.keys, &b.keys)
        .then_with(|| a.place.cmp(&b.place))
        .then_with(|| a.entry.native_id.cmp(&b.entry.native_id))
}

fn keys(sortby: &[SortBy], a: &[Option<Key>], b: &[Option<Key>]) -> Ordering {
    for (by, (a, b)) in sortby.iter().zip(a.iter().zip(b)) {
        let order = match (a, b) {
            (Some(a), Some(b)) if by.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

impl Position {
    /// Whether the position lies in this view: its member is still one of the federation.
    #[must_use]
    pub fn is_of(&self, view: &View) -> bool {
        self.member.is_empty() || view.members.iter().any(|member| member.member.as_str() == self.member)
    }
}

/// Whether a Collection comes behind a position of the view.
pub(super) fn is_after(query: &Query, view: &View, one: &Match<'_>, last: &Position) -> bool {
    let place = match view.members.iter().position(|member| member.member.as_str() == last.member) {
        _ if last.member.is_empty() => 0,
        place => 1 + place.unwrap_or(view.members.len()),
    };
    keys(&query.sortby, &one.keys, &last.keys)
        .then_with(|| one.place.cmp(&place))
        .then_with(|| one.entry.native_id.as_str().cmp(&last.native_id))
        .is_gt()
}
