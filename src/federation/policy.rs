//! What a site declares of a member: collections, focus, priority, retention; and why a plan may leave it out.

use std::fmt;

use chrono::{DateTime, Utc};

use super::area::Area;
use super::interval::Interval;
use super::retention::{Retention, edge};

/// Most globs in one list, and the longest of them in bytes: every collection of a member is matched against them.
pub(super) const PATTERNS_MAX: usize = 256;
const PATTERN_BYTES_MAX: usize = 256;
/// Retention rules that are written out in a sentence; the rest is counted.
const RULES_SHOWN: usize = 3;

/// `[member.policy]`.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Clone)]
pub struct Patterns {
    pub written: Vec<String>,
    set: globset::GlobSet,
}

impl PartialEq for Patterns {
    /// By what was written: equal globs compile to equal sets.
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl fmt::Debug for Patterns {
    /// As written; the compiled form is pages long and says no more.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(out)
    }
}

/// A glob that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern {
    /// Its place in the list.
    pub index: usize,
    /// A clause, for example `is not a glob: unclosed character class; missing ']'`.
    pub reason: String,
}

impl Patterns {
    /// Reads globs: `*` any text (also `/`), `?` one character, `[ab]` one of these, `{a,b}` either. Case matters.
    ///
    /// # Errors
    /// The first pattern that is not a glob.
    pub fn new(written: &[String]) -> Result<Self, BadPattern> {
        let bad = |index, reason| Err(BadPattern { index, reason });
        if written.len() > PATTERNS_MAX {
            return bad(PATTERNS_MAX, format!("is one of {} patterns; at most {PATTERNS_MAX} are read", written.len()));
        }
        let mut set = globset::GlobSetBuilder::new();
        for (index, pattern) in written.iter().enumerate() {
            if pattern.is_empty() {
                return bad(index, "is empty".into());
            }
            if pattern.len() > PATTERN_BYTES_MAX {
                return bad(index, format!("is longer than {PATTERN_BYTES_MAX} bytes"));
            }
            match globset::GlobBuilder::new(pattern).backslash_escape(true).build() {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => return bad(index, format!("is not a glob: {}", error.kind())),
            }
        }
        match set.build() {
            Ok(set) => Ok(Self { written: written.to_vec(), set }),
            Err(error) => bad(0, format!("cannot be matched: {}", error.kind())),
        }
    }

    /// The pattern `*`.
    #[must_use]
    pub fn everything() -> Self {
        Self { written: vec!["*".into()], ..Self::nothing() }
    }

    /// No pattern at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { written: Vec::new(), set: globset::GlobSet::empty() }
    }

    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        self.has_everything() || self.set.is_match(id)
    }

    /// Whether one of the patterns is a plain `*`.
    fn has_everything(&self) -> bool {
        self.written.iter().any(|pattern| pattern == "*")
    }

    /// Whether every id that `other` matches is matched here too, as far as the spelling of the patterns shows it.
    fn covers(&self, other: &str) -> bool {
        self.has_everything() || self.written.iter().any(|pattern| pattern == other)
    }
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

impl Default for Policy {
    /// Keeps everything: what holds for a member without `[member.policy]`.
    fn default() -> Self {
        Self {
            priority: 0,
            required: false,
            authoritative: true,
            include: Patterns::everything(),
            exclude: Patterns::nothing(),
            focus: None,
            ids_prefixes: Vec::new(),
            extents: Extents::AreaAndStart,
            retention: Vec::new(),
        }
    }
}

impl Policy {
    /// Whether the federation sees this collection of the member at all.
    #[must_use]
    pub fn sees(&self, collection: &str) -> bool {
        self.include.matches(collection) && !self.exclude.matches(collection)
    }

    /// Facts that hold for every collection of the member, the unknown ones included.
    ///
    /// # Errors
    /// The first rule, in the order of [`Rule`], that proves that no Item of the member can match.
    pub fn admits_any(&self, question: &Question<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.include.written.is_empty() || self.exclude.has_everything() {
            return Err(Refusal {
                rule: Rule::FocusCollection,
                detail: "its policy leaves out every collection".into(),
            });
        }
        // A collection that no rule names is kept without limit, so rules prove something only where each
        // pattern that lets collections in stands in a rule as well.
        let named = |pattern: &String| self.retention.iter().any(|rule| rule.collections.covers(pattern));
        let rules: Vec<_> =
            if self.include.written.iter().all(named) { self.retention.iter().collect() } else { Vec::new() };
        self.admits_by(&rules, question, now)
    }

    /// Whether the member may keep a match of the question in this collection (given by the member's own id).
    ///
    /// # Errors
    /// The first rule, in the order of [`Rule`], that proves that it does not.
    pub fn admits(&self, collection: &str, question: &Question<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
        if !self.sees(collection) {
            let detail = format!("its policy leaves out the collection `{collection}`");
            return Err(Refusal { rule: Rule::FocusCollection, detail });
        }
        let rules: Vec<_> = self.retention.iter().filter(|rule| rule.collections.matches(collection)).collect();
        self.admits_by(&rules, question, now)
    }

    /// The times of which the member surely has everything that is asked of this collection (S11): by its rules, and
    /// because the area asked for lies within its focus. Several are alternatives.
    #[must_use]
    pub fn covers(&self, collection: &str, question: &Question<'_>, now: DateTime<Utc>) -> Vec<Interval> {
        let within = |focus: Option<&Area>| match (focus, question.area) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(focus), Some(asked)) => focus.holds(asked),
        };
        let fits = |id: &String| self.ids_prefixes.iter().any(|prefix| id.starts_with(prefix.as_str()));
        let has_ids = self.ids_prefixes.is_empty() || question.ids.is_none_or(|ids| ids.iter().all(fits));
        if !self.sees(collection) || !within(self.focus.as_ref()) || !has_ids {
            return Vec::new();
        }
        let mut rules = self.retention.iter().filter(|rule| rule.collections.matches(collection)).peekable();
        if rules.peek().is_none() {
            return vec![Interval::default()];
        }
        rules.filter(|rule| within(rule.focus.as_ref())).filter_map(|rule| rule.sure(now)).collect()
    }

    /// The oldest time that the member may keep of this collection (by its own id); `None`: without limit.
    #[must_use]
    pub fn keeps_from(&self, collection: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let rules = self.retention.iter().filter(|rule| rule.collections.matches(collection));
        let starts: Option<Vec<_>> = rules.map(|rule| rule.window(now).start).collect();
        starts?.into_iter().min()
    }

    /// [`Policy::admits`] for the retention rules that count; without any, time is without limit.
    fn admits_by(&self, rules: &[&Retention], question: &Question<'_>, now: DateTime<Utc>) -> Result<(), Refusal> {
        let in_time = rules_in_time(rules, question.interval, now)?;
        if let Some(area) = question.area {
            admits_area(self.focus.as_ref(), &in_time, area)?;
        }
        match question.ids {
            Some(ids) => self.admits_ids(ids),
            None => Ok(()),
        }
    }

    fn admits_ids(&self, ids: &[String]) -> Result<(), Refusal> {
        let refuse = |detail| Err(Refusal { rule: Rule::Ids, detail });
        if ids.is_empty() {
            return refuse("the query's list of ids is empty".into());
        }
        let fits = |id: &String| self.ids_prefixes.iter().any(|prefix| id.starts_with(prefix.as_str()));
        if self.ids_prefixes.is_empty() || ids.iter().any(fits) {
            return Ok(());
        }
        let prefixes: Vec<_> = self.ids_prefixes.iter().map(|prefix| format!("`{prefix}`")).collect();
        refuse(format!("its ids start with {}; none of the query's ids does", shortened(&prefixes, " or ")))
    }
}

/// The rules whose window the interval meets; a refusal when there are rules and none does.
fn rules_in_time<'a>(
    rules: &[&'a Retention],
    interval: Option<Interval>,
    now: DateTime<Utc>,
) -> Result<Vec<&'a Retention>, Refusal> {
    let Some(interval) = interval else { return Ok(rules.to_vec()) };
    let in_time: Vec<_> = rules.iter().copied().filter(|rule| rule.window(now).meets(&interval)).collect();
    if !in_time.is_empty() || rules.is_empty() {
        return Ok(in_time);
    }
    let kept: Vec<_> = rules.iter().map(|rule| rule.describe()).collect();
    let asked = describe_miss(rules, interval, now);
    Err(Refusal { rule: Rule::Retention, detail: format!("keeps {}; the query {asked}", shortened(&kept, " or ")) })
}

/// What about the query's time misses every rule: its end is too early, its start too late, or it lies between.
fn describe_miss(rules: &[&Retention], interval: Interval, now: DateTime<Utc>) -> String {
    let starts_too_late =
        |rule: &&Retention| matches!((interval.start, rule.window(now).end), (Some(start), Some(end)) if start > end);
    match (interval.start, interval.end) {
        (Some(start), Some(end)) if start == end => format!("asks for {}", edge(start)),
        (Some(start), None) => format!("starts {}", edge(start)),
        (Some(start), _) if rules.iter().all(starts_too_late) => format!("starts {}", edge(start)),
        (_, Some(end)) if !rules.iter().any(starts_too_late) => format!("ends {}", edge(end)),
        (Some(start), Some(end)) => format!("asks for {} to {}", edge(start), edge(end)),
        (None, Some(end)) => format!("ends {}", edge(end)),
        (None, None) => "asks for any time".into(),
    }
}

/// The focus of the member and that of at least one rule must be touched; no rules, or a rule without focus, limit nothing.
fn admits_area(focus: Option<&Area>, rules: &[&Retention], area: &Area) -> Result<(), Refusal> {
    let refuse = |kept: String| {
        let detail = format!("keeps {kept}; the query asks {}", area.describe());
        Err(Refusal { rule: Rule::FocusArea, detail })
    };
    if let Some(focus) = focus
        && !focus.touches(area)
    {
        return refuse(focus.describe());
    }
    let touched = |rule: &&Retention| rule.focus.as_ref().is_none_or(|focus| focus.touches(area));
    if rules.is_empty() || rules.iter().any(touched) {
        return Ok(());
    }
    let kept: Vec<_> = rules.iter().filter_map(|rule| rule.focus.as_ref()).map(Area::describe).collect();
    refuse(shortened(&kept, " or "))
}

/// The first few of a list for a sentence, with the number of the others.
fn shortened(parts: &[String], between: &str) -> String {
    let shown = parts[..parts.len().min(RULES_SHOWN)].join(between);
    match parts.len().saturating_sub(RULES_SHOWN) {
        0 => shown,
        more => format!("{shown}{between}one of {more} more"),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
