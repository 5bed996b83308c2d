//! The immutable merged view that one request runs with.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::federation::{Area, Interval, MemberId};

/// Every member's Collections as last read.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// One per enabled member, in the order of the file.
    pub members: Vec<MemberView>,
}

#[derive(Debug, Clone)]
pub struct MemberView {
    pub member: MemberId,
    /// Sorted by native id.
    pub entries: Vec<Arc<Entry>>,
    pub quarantined: Vec<Quarantined>,
    pub known: Known,
    /// When the list was read last.
    pub read_at: Option<DateTime<Utc>>,
    /// True when the last refresh failed and the list is older than the fresh time.
    pub stale: bool,
}

/// Whether a list of Collections proves what a member does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Never read, or read in part: a collection outside the list may exist.
    Unknown,
    Complete,
}

/// A Collection that is listed.
#[derive(Debug)]
pub struct Entry {
    pub member: MemberId,
    pub native_id: String,
    /// `MEMBER|collection`.
    pub exposed_id: String,
    /// The member's document as it came, repaired where repairs are documented.
    pub document: Bytes,
    pub title: Option<String>,
    /// The advertised extent, absent when it is invalid or empty: it then proves nothing.
    pub area: Option<Area>,
    pub interval: Option<Interval>,
}

/// A Collection that is searched but not listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Quarantined {
    pub native_id: String,
    pub reason: String,
}

impl View {
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&MemberView> {
        self.members.iter().find(|view| view.member == *id)
    }
}

/// Addresses that the broker writes into a Collection.
#[derive(Debug)]
pub struct CollectionHrefs<'a> {
    /// The exposed id: qualified, or bare for a merged view.
    pub id: &'a str,
    pub self_href: &'a str,
    pub root_href: &'a str,
    pub items_href: &'a str,
    /// The member's own address of the Collection; `None` for a merged view of several.
    pub canonical: Option<&'a str>,
    /// `federation:backends`.
    pub backends: &'a [&'a str],
}

/// What an id in a path names.
#[derive(Debug)]
pub enum Lookup {
    None,
    One(Arc<Entry>),
    /// A bare id with several holders, by descending priority of their members, then in the order of the file.
    Many(Vec<Arc<Entry>>),
}

impl Entry {
    /// Appends the Collection as clients get it (`members.md` section 5, lower table; `stac-api.md` 5.4).
    pub fn write(&self, _hrefs: &CollectionHrefs<'_>, _out: &mut Vec<u8>) {
        todo!()
    }
}

/// Appends the merged view of one bare id at several members: title and description of the first, extents united.
pub fn write_merged(_entries: &[Arc<Entry>], _hrefs: &CollectionHrefs<'_>, _out: &mut Vec<u8>) {
    todo!()
}

impl View {
    /// Finds what a collection id in a path names.
    #[must_use]
    pub fn lookup(&self, _ids: &super::Ids, _federation: &crate::federation::Federation, _given: &str) -> Lookup {
        todo!()
    }
}
