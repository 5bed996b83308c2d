//! A search as asked: normalised, bounded, refused with the parameter's name when wrong (`stac-api.md` section 6).

use std::sync::Arc;

use crate::federation::{Bbox, Interval, Limits};
use crate::members::Intersects;

use super::fields::Fields;

/// A search, whichever way it was asked.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// As given, in the given order, without doubles; empty: all.
    pub collections: Vec<String>,
    /// `None`: any. `Some(vec![])`: an empty list was given, nothing can match.
    pub ids: Option<Vec<String>>,
    pub bbox: Option<Bbox>,
    pub intersects: Option<Arc<Intersects>>,
    pub datetime: Option<Interval>,
    /// Empty: no `sortby` was given.
    pub sortby: Vec<SortBy>,
    /// Clamped to the maximum.
    pub limit: u32,
    pub fields: Option<Fields>,
    pub token: Option<String>,
    pub handling: Handling,
    /// `Prefer: wait=n`, in seconds.
    pub wait_s: Option<u32>,
    /// Parameters that were not understood, for `federation:report.ignored`.
    pub ignored: Vec<String>,
}

/// One sort key. The field is canonical: `datetime`, `id`, `collection` (clients may write `properties.datetime`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortBy {
    pub field: String,
    pub descending: bool,
}

/// `Prefer: handling=…` (RFC 7240 section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handling {
    #[default]
    Lenient,
    Strict,
}

/// A parameter that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` is {given}; accepted: {accepted}")]
pub struct Invalid {
    pub parameter: String,
    /// What was given, cut to a readable length, in backticks or described.
    pub given: String,
    pub accepted: String,
}

impl SearchRequest {
    /// Reads the query string of `GET /search` and of the items endpoint (pairs are percent-decoded once, `+` as space).
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn from_query(_pairs: &[(String, String)], _limits: &Limits) -> Result<Self, Invalid> {
        todo!()
    }

    /// Reads the JSON body of `POST /search`.
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn from_body(_body: &[u8], _limits: &Limits) -> Result<Self, Invalid> {
        todo!()
    }

    /// Reads the `Prefer` header values; returns what is honoured, for `Preference-Applied`.
    pub fn prefer<'a>(&mut self, _values: impl Iterator<Item = &'a str>) -> Option<String> {
        todo!()
    }
}
