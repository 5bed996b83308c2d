//! What a site declares of a member: collections, focus, priority, retention; and why a plan may leave it out.

use chrono::{DateTime, Utc};

use super::area::Area;
use super::interval::Interval;
use super::retention::Retention;

/// `[member.policy]`.
#[derive(Debug, Clone)]
pub struct Policy {
    pub priority: i32,
    pub required: bool,
    pub authoritative: bool,
    pub include: Patterns,
    pub exclude: Patterns,
    pub focus: Option<Area>,
    pub ids_prefixes: Vec<String>,
    pub extents: Extents,
    pub retention: Vec<Retention>,
}

/// How advertised Collection extents prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extents {
    AreaAndStart,
    All,
    Ignore,
}

/// Globs over a member's own collection ids, with the text they were written as.
#[derive(Debug, Clone)]
pub struct Patterns {
    pub written: Vec<String>,
    set: globset::GlobSet,
}

/// What a plan asks a policy: does the member have anything for this time and area?
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    pub interval: Option<Interval>,
    pub area: Option<&'a Area>,
    /// `None`: any id. An empty list is a question nobody can answer.
    pub ids: Option<&'a [String]>,
}

/// The rules of S15 that a policy can prove, in the order in which they are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Disabled,
    Access,
    NotRequested,
    NoItems,
    FocusCollection,
    Collection,
    FilterCollection,
    Retention,
    FilterTime,
    FocusArea,
    FilterArea,
    ExtentArea,
    ExtentTime,
    Ids,
    Replica,
}

impl Rule {
    /// The name in reports and explanations (S15).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Access => "access",
            Self::NotRequested => "not-requested",
            Self::NoItems => "no-items",
            Self::FocusCollection => "focus-collection",
            Self::Collection => "collection",
            Self::FilterCollection => "filter-collection",
            Self::Retention => "retention",
            Self::FilterTime => "filter-time",
            Self::FocusArea => "focus-area",
            Self::FilterArea => "filter-area",
            Self::ExtentArea => "extent-area",
            Self::ExtentTime => "extent-time",
            Self::Ids => "ids",
            Self::Replica => "replica",
        }
    }
}

/// A rule that proves that a member has nothing, with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub rule: Rule,
    /// For example `keeps the last 90 days; the query ends 2025-03-31`.
    pub detail: String,
}

impl Policy {
    /// Whether the federation sees this collection of the member at all.
    #[must_use]
    pub fn sees(&self, _collection: &str) -> bool {
        todo!()
    }

    /// Facts that hold for every collection of the member, the unknown ones included.
    ///
    /// # Errors
    /// The first rule, in the order of [`Rule`], that proves that no Item of the member can match.
    pub fn admits_any(&self, _question: &Question<'_>, _now: DateTime<Utc>) -> Result<(), Refusal> {
        todo!()
    }

    /// Whether the member may keep a match of the question in this collection (given by the member's own id).
    ///
    /// # Errors
    /// The first rule, in the order of [`Rule`], that proves that it does not.
    pub fn admits(&self, _collection: &str, _question: &Question<'_>, _now: DateTime<Utc>) -> Result<(), Refusal> {
        todo!()
    }
}
