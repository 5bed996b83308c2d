//! What a kind of server does otherwise than the standard says: a [`Habits`] row for each dialect (`members.md` section 6).
//!
//! Dialects are data where possible. The rows stand in `table.rs`; which of them a member is of, and what gave that away,
//! in `evidence.rs`. The adapter, the encoding of an ask and the reading of `next` links consult the row, and none of
//! them names a dialect. A row makes a member cheaper to ask or saves it questions it answers wrongly; it never makes the
//! broker believe more than it checks, so that a wrong guess costs requests, not Items.

mod evidence;
mod table;

pub use evidence::{Seen, in_answer, in_landing};

use super::capabilities::Language;
use crate::federation::Dialect;

/// One row: what is known of a kind of server beyond the standard.
#[derive(Debug)]
pub struct Habits {
    pub dialect: Dialect,
    /// Largest page it serves; larger ones are cut in silence, or refused. `None`: not known.
    pub page_items_max: Option<u32>,
    /// False: searches go by GET, whatever is declared.
    pub post: bool,
    /// The parameters of a GET that it knows: others are errors there, or words to look for. `None`: all of the standard.
    pub parameters: Option<&'static [&'static str]>,
    pub filters: Filters,
    /// False: the Query extension is not to be used, whatever is declared.
    pub query: bool,
    /// False: whatever it says, what it returns for a condition counts as inexact.
    pub exact: bool,
    pub sorting: Sorting,
    pub times: Times,
    /// Whether it takes a `GeometryCollection` to intersect.
    pub geometry_collections: bool,
    pub ids: Ids,
    /// True: its counts are estimates.
    pub counts_estimated: bool,
    /// Whether an empty page is the end, though it has a `next` link.
    pub empty_page_ends: bool,
    /// Whether a full page without a `next` link is the end. Otherwise the list was cut there.
    pub full_page_ends: bool,
    pub paging: Paging,
    /// Deepest page of one list; a longer list is cut there, and goes on by a bound on time.
    pub pages_max: Option<u32>,
    /// Whether a page that fails by its size (413, or 5xx) is asked for once more at half of it.
    pub halves: bool,
    /// Whether a search must name its collections: without them it finds nothing.
    pub names_collections: bool,
    /// Whether a search that names one collection which it does not have is refused.
    pub refuses_unknown_collections: bool,
    /// Requests at once, where the federation file says nothing.
    pub concurrency_max: Option<usize>,
    /// Properties of its Items that are not spelled as the standard does: our name, its name.
    pub properties: &'static [(&'static str, &'static str)],
}

/// How it takes conditions in CQL2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    /// As its conformance classes say.
    Declared,
    /// Not at all.
    Never,
    /// In these languages only, whatever is declared.
    Only(&'static [Language]),
    /// In this language, and one comparison of a property with a number or one `S_INTERSECTS` after the other: what
    /// is joined by `OR`, negated or nested it reads as something else.
    Plain(Language),
}

/// How it sorts.
#[derive(Debug, Clone, Copy)]
pub struct Sorting {
    /// The fields it sorts by: our name, its name. `None`: as declared, spelled as we do.
    pub fields: Option<&'static [(&'static str, &'static str)]>,
    pub signs: Signs,
    /// False: it can only sort downwards, or cannot be paged through upwards.
    pub ascending: bool,
}

/// How a direction is written in `sortby` of a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// `+field`, `-field`.
    Standard,
    /// `-field` is ascending, `field` descending.
    Reversed,
}

/// How it reads `datetime`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The interval is held against the start of an Item alone: one that began before it and lasts is not found.
    pub starts_only: bool,
    /// Milliseconds before the end of an interval from which on nothing is found.
    pub end_short_ms: i64,
    /// Items without a time come first, and no list goes on behind a page that ends with one.
    pub timeless_first: bool,
}

/// What `ids` are beside other parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// One condition among others.
    Condition,
    /// They override all others, and only one at a time is read as meant.
    OverrideOneByOne,
}

/// How a list goes on behind a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By what is new in the `next` link.
    Next,
    /// By these parameters of the `next` link, where it has one of them; all else in it is noise.
    Only(&'static [&'static str]),
    /// By the number of the page in this parameter, counted by us from 1 on: its links are not usable.
    Numbered(&'static str),
}

impl Habits {
    /// The row of a dialect. `Auto` is what it is until something was seen: the standard.
    #[must_use]
    pub fn of(dialect: Dialect) -> &'static Self {
        table::row(dialect)
    }

    /// Whether a parameter of a GET may be sent.
    #[must_use]
    pub fn knows(&self, parameter: &str) -> bool {
        self.parameters.is_none_or(|known| known.contains(&parameter))
    }

    /// How a sort field is spelled there; `None`: it does not sort by it.
    #[must_use]
    pub fn sort_field<'a>(&self, field: &'a str) -> Option<&'a str> {
        match self.sorting.fields {
            None => Some(field),
            Some(fields) => fields.iter().find(|(ours, _)| *ours == field).map(|(_, theirs)| *theirs),
        }
    }

    /// One entry of `sortby` in the address of a GET.
    #[must_use]
    pub fn sort_entry(&self, field: &str, descending: bool) -> String {
        let sign = match (self.sorting.signs, descending) {
            (Signs::Standard, true) | (Signs::Reversed, false) => "-",
            (Signs::Standard, false) => "+",
            (Signs::Reversed, true) => "",
        };
        format!("{sign}{}", self.sort_field(field).unwrap_or(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_a_row_of_its_own() {
        for dialect in Dialect::ALL {
            let expected = if dialect == Dialect::Auto { Dialect::Standard } else { dialect };
            assert_eq!(Habits::of(dialect).dialect, expected, "{}", dialect.name());
        }
    }

    #[test]
    fn signs_and_fields_are_spelled_as_the_member_reads_them() {
        let standard = Habits::of(Dialect::Standard);
        assert_eq!(standard.sort_entry("properties.datetime", true), "-properties.datetime");
        assert_eq!(standard.sort_entry("id", false), "+id");
        let resto = Habits::of(Dialect::Resto);
        assert_eq!(resto.sort_entry("properties.datetime", true), "startDate", "no sign is down");
        assert_eq!(resto.sort_entry("properties.datetime", false), "-startDate", "a minus is up");
        assert_eq!(resto.sort_field("id"), None);
        let page = Habits::of(Dialect::Page);
        assert_eq!(page.sort_entry("properties.datetime", true), "-datetime");
        assert_eq!(page.sort_entry("properties.datetime", false), "+datetime");
        assert!(page.knows("bbox") && !page.knows("filter"));
    }
}
