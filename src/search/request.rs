//! A search as asked: normalised, bounded, refused with the parameter's name when wrong (`stac-api.md` section 6).
//!
//! Query string and body meet here: both become one [`SearchRequest`], so nothing later knows which way a search came.
//! What a condition *means* for Items is not known here. `time.rs` reads `datetime`, `place.rs` reads `bbox` and
//! `intersects`, `condition.rs` reads `filter` and `query`, `lists.rs` reads everything that is a list of names, `body.rs`
//! opens the JSON of a `POST`, and `digest.rs` gives the short sums by which a cursor recognises its search.

pub(in crate::search) mod body;
mod condition;
mod digest;
mod lists;
mod place;
mod prefer;
mod said;
mod sortable;
mod time;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Bbox, Interval, Limits};
use crate::members::Intersects;

use super::fields::Fields;
use super::order::CORE;

pub use crate::members::KeyKind;
use condition::{Language, Written};
pub use digest::DIGEST_NAMES;
pub(super) use place::intersecting;
pub use said::Said;
pub use sortable::sortables;

/// Names kept of parameters that were not understood: enough to find a misspelling, too few to fill a report.
const IGNORED_MAX: usize = 20;
/// Characters kept of such a name.
const IGNORED_CHARACTERS_MAX: usize = 64;
/// Bytes of a `token`; the hard bound of a cursor in a body (`paging.md` section 9).
const TOKEN_BYTES_MAX: usize = 16_000;
/// Characters of a wrong value that a message repeats.
const GIVEN_CHARACTERS_MAX: usize = 80;

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
    /// `filter` and `query`, joined by AND; ids in it are as the client wrote them.
    pub filter: Option<Arc<Expr>>,
    /// Sums of the two by their meaning, 0 where one was not given: a cursor tells which of them was changed.
    pub filter_sum: u32,
    pub query_sum: u32,
    /// Empty: no `sortby` was given.
    pub sortby: Vec<SortBy>,
    /// Clamped to the maximum.
    pub limit: u32,
    pub fields: Option<Fields>,
    pub token: Option<String>,
    /// It came as a body, which has room for a longer cursor than an address.
    pub by_body: bool,
    pub handling: Handling,
    /// `Prefer: wait=n`, in seconds.
    pub wait_s: Option<u32>,
    /// Parameters that were not understood, for `federation:report.ignored`.
    pub ignored: Vec<String>,
}

/// One sort key. The field is canonical: `datetime`, `id`, `collection`, or a property without `properties.`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SortBy {
    pub field: String,
    pub descending: bool,
    /// What its values are taken for; chosen with the order of a session and kept for all its pages.
    pub kind: KeyKind,
}

impl SortBy {
    /// Whether the key is no property, or read with every Item: then it is never null.
    #[must_use]
    pub fn is_core(&self) -> bool {
        CORE.contains(&self.field.as_str())
    }

    /// As members and reports spell it.
    #[must_use]
    pub fn full_name(&self) -> Cow<'_, str> {
        match self.field.as_str() {
            name @ ("id" | "collection") => name.into(),
            property => format!("properties.{property}").into(),
        }
    }
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

impl Invalid {
    fn new(parameter: &str, given: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), given: given.into(), accepted: accepted.into() }
    }

    /// Free text searches Collections. Ignoring it here would answer another question than the one asked.
    fn free_text() -> Self {
        Self::new(
            "q",
            "not a parameter of an Item search",
            "`/collections?q=` to find Collections, and `filter` for Items",
        )
    }

    fn repeated(parameter: &str) -> Self {
        Self::new(parameter, "given more than once", "one value")
    }
}

/// A wrong value for a message: in backticks, cut, control characters escaped.
fn quoted(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(GIVEN_CHARACTERS_MAX)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if value.chars().nth(GIVEN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

impl SearchRequest {
    /// Reads the query string of `GET /search` and of the items endpoint (pairs are percent-decoded once, `+` as space).
    ///
    /// A parameter that is understood may be given once; others are ignored and named.
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn from_query(pairs: &[(String, String)], limits: &Limits) -> Result<Self, Invalid> {
        let mut request = Self::asking_nothing(limits);
        let mut condition = Written::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in pairs {
            let first = !seen.contains(&name.as_str());
            match name.as_str() {
                "limit" => request.limit = lists::limit_text(value, limits)?,
                "ids" => request.ids = Some(lists::names_text("ids", value)?),
                "collections" => request.collections = lists::names_text("collections", value)?,
                "bbox" => request.bbox = Some(place::bbox_text(value)?),
                "intersects" => request.intersects = Some(place::intersects_text(value)?),
                "datetime" => request.datetime = Some(time::interval(value, time::Plus::MayBeSpace)?),
                "sortby" => request.sortby = lists::sortby_text(value)?,
                "fields" => request.fields = Some(lists::fields_text(value)?),
                "token" => request.token = Some(token(value.clone())?),
                "q" => return Err(Invalid::free_text()),
                other if condition.take_text(other, value)? => {}
                other => {
                    request.ignore(other);
                    continue;
                }
            }
            if !first {
                return Err(Invalid::repeated(name));
            }
            seen.push(name);
        }
        condition.read(&mut request, Language::Text)?;
        request.consistent()
    }

    /// Reads the JSON body of `POST /search`.
    ///
    /// A member of value `null` counts as absent, but `fields` (the difference between no `fields` and empty ones is
    /// the whole Item). A member given twice is refused like a repeated parameter; inside a member the last one wins.
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn from_body(body: &[u8], limits: &Limits) -> Result<Self, Invalid> {
        let mut request = Self { by_body: true, ..Self::asking_nothing(limits) };
        let mut condition = Written::default();
        for (name, value) in body::members(body)? {
            if value.is_null() && name != "fields" {
                continue;
            }
            match name.as_str() {
                "limit" => request.limit = lists::limit_json(&value, limits)?,
                "ids" => request.ids = Some(lists::names_json("ids", &value)?),
                "collections" => request.collections = lists::names_json("collections", &value)?,
                "bbox" => request.bbox = Some(place::bbox_json(&value)?),
                "intersects" => request.intersects = Some(place::intersects_json(&value)?),
                "datetime" => {
                    request.datetime = Some(time::interval(body::text("datetime", &value)?, time::Plus::Plus)?);
                }
                "sortby" => request.sortby = lists::sortby_json(&value)?,
                "fields" => request.fields = Some(lists::fields_json(&value)?),
                "token" => request.token = Some(token(body::text("token", &value)?.to_owned())?),
                "q" => return Err(Invalid::free_text()),
                other if condition.take_json(other, &value)? => {}
                other => request.ignore(other),
            }
        }
        condition.read(&mut request, Language::Json)?;
        request.consistent()
    }

    /// Reads the `Prefer` header values; returns what is honoured, for `Preference-Applied`.
    pub fn prefer<'a>(&mut self, values: impl Iterator<Item = &'a str>) -> Option<String> {
        prefer::read(self, values)
    }

    /// A stable sum for each parameter of [`DIGEST_NAMES`], 0 where it was not given.
    ///
    /// Taken over what was meant, so that query string and body, CQL2 text and JSON, `Z` and `+00:00`, any order of `ids`
    /// and of `collections` give the same. `limit`, `token` and preferences may change between pages and are not part of it.
    #[must_use]
    pub fn digests(&self) -> [u32; 12] {
        digest::of(self)
    }

    fn asking_nothing(limits: &Limits) -> Self {
        Self { limit: limits.page_items_default.min(limits.page_items_max).max(1), ..Self::default() }
    }

    fn consistent(self) -> Result<Self, Invalid> {
        if self.bbox.is_some() && self.intersects.is_some() {
            return Err(Invalid::new("intersects", "given together with `bbox`", "one of the two"));
        }
        Ok(self)
    }

    fn ignore(&mut self, name: &str) {
        let name: String = name.chars().filter(|c| !c.is_control()).take(IGNORED_CHARACTERS_MAX).collect();
        if self.ignored.len() < IGNORED_MAX && !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }
}

fn token(given: String) -> Result<String, Invalid> {
    if given.len() > TOKEN_BYTES_MAX {
        let given = format!("{} bytes long", given.len());
        return Err(Invalid::new("token", given, "a cursor of this service, as its `next` link gives it"));
    }
    Ok(given)
}
