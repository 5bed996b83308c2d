//! The file as written: TOML tables read key by key, with the place of every value.
//!
//! Reading never stops at the first problem: each reader notes what is wrong in [`Notes`] and gives `None`.
//! A key that nobody asked for is unknown, so the list of known keys is the code that reads them.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{LITERAL_SECRET, Problem, Severity};

/// Most problems that are kept, of one file and of all together; a file with more is not a federation file.
pub(super) const PROBLEMS_MAX: usize = 200;
/// Longest piece of the file that a sentence repeats, in characters.
const GIVEN_CHARS_MAX: usize = 60;

/// Keys whose values are references to secrets: what stands there instead is not repeated.
const SECRET_KEYS: [&str; 5] = ["keys", "token", "user", "password", "value"];

/// What was found so far, the text it was found in, and where paths begin.
pub(super) struct Notes<'a> {
    /// The file, as the admin named it.
    pub name: &'a str,
    pub text: &'a str,
    pub folder: &'a Path,
    /// Number of the file, as problems give it.
    source: usize,
    list: RefCell<Vec<Problem>>,
    /// Files that this one names and that were looked for.
    files: RefCell<Vec<PathBuf>>,
    /// Every key that a reader asked for, from the root on, whether it stood there or not: what the schema must list.
    #[cfg(test)]
    pub asked: RefCell<std::collections::BTreeSet<String>>,
}

impl<'a> Notes<'a> {
    pub fn new(name: &'a str, text: &'a str, folder: &'a Path) -> Self {
        Self::numbered(0, name, text, folder)
    }

    /// Of a further file.
    pub fn numbered(source: usize, name: &'a str, text: &'a str, folder: &'a Path) -> Self {
        Self {
            name,
            text,
            folder,
            source,
            list: RefCell::default(),
            files: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// The place of a file that this one names; it counts from now on as part of the federation.
    pub fn beside(&self, path: &str) -> PathBuf {
        let path = self.folder.join(path);
        self.files.borrow_mut().push(path.clone());
        path
    }

    pub fn add(&self, code: &'static str, span: Option<Range<usize>>, sentence: String, hint: Option<String>) {
        self.push(Severity::Error, code, span, sentence, hint);
    }

    pub fn warn(&self, code: &'static str, span: Option<Range<usize>>, sentence: String, hint: &str) {
        self.push(Severity::Warning, code, span, sentence, Some(hint.into()));
    }

    fn push(
        &self,
        severity: Severity,
        code: &'static str,
        span: Option<Range<usize>>,
        sentence: String,
        hint: Option<String>,
    ) {
        let mut list = self.list.borrow_mut();
        if list.len() < PROBLEMS_MAX {
            let span = span.map(|span| (span.start, span.end));
            list.push(Problem { severity, code, sentence, hint, source: self.source, span });
        }
    }

    /// How many errors were found so far.
    pub fn errors(&self) -> usize {
        self.list.borrow().iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Everything found, in the order of the file, and the files that were looked for.
    pub fn finish(self) -> (Vec<Problem>, Vec<PathBuf>) {
        let mut list = self.list.into_inner();
        list.sort_by_key(|problem| problem.span);
        (list, self.files.into_inner())
    }

    /// What stands in the file there, on one line and cut.
    fn given(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() <= GIVEN_CHARS_MAX {
            return text;
        }
        text.chars().take(GIVEN_CHARS_MAX).chain("…".chars()).collect()
    }
}

/// A value with its place in the file and the words that name it.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Range<usize>,
    /// For example ``member `EODC`: `policy.retention[0].keep` ``.
    pub name: String,
}

impl<T> At<T> {
    /// Notes that the value is not what it must be: `name is given, expected`.
    pub fn refuse(&self, notes: &Notes<'_>, code: &'static str, clause: &str, hint: Option<String>) {
        let given = notes.given(&self.span);
        notes.add(code, Some(self.span.clone()), format!("{} is {given}, {clause}", self.name), hint);
    }

    /// Notes that the value is wrong by a clause that goes after its text: `name `given` clause`.
    pub fn blame(&self, notes: &Notes<'_>, code: &'static str, clause: &str, hint: Option<String>) {
        notes.add(code, Some(self.span.clone()), format!("{} {clause}", self.name), hint);
    }
}

/// One table of the file.
pub(super) struct Keys<'a> {
    pub notes: &'a Notes<'a>,
    table: &'a DeTable<'a>,
    pub span: Range<usize>,
    /// Names the whole: ``member `EODC`: `` or nothing.
    subject: String,
    /// Path of this table below the subject, with a final dot: `policy.`.
    path: String,
    /// Path of this table from the root of the file, without numbers: `member.policy.`.
    #[cfg(test)]
    whole: String,
    asked: RefCell<Vec<&'static str>>,
    /// Set when the reader itself has reported this table as a whole.
    silent: Cell<bool>,
}

impl<'a> Keys<'a> {
    pub fn root(notes: &'a Notes<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(notes, table.get_ref(), table.span(), String::new(), String::new())
    }

    fn new(notes: &'a Notes<'a>, table: &'a DeTable<'a>, span: Range<usize>, subject: String, path: String) -> Self {
        Self {
            notes,
            table,
            span,
            subject,
            path,
            #[cfg(test)]
            whole: String::new(),
            asked: RefCell::default(),
            silent: Cell::new(false),
        }
    }

    /// Notes where a table below this one stands.
    #[cfg(test)]
    fn below(&self, key: &str, mut table: Self) -> Self {
        table.whole = format!("{}{key}.", self.whole);
        table
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests keep the place")]
    fn below(&self, _key: &str, table: Self) -> Self {
        table
    }

    /// Starts the names of everything below with this subject instead of the path so far.
    pub fn with_subject(mut self, subject: String) -> Self {
        self.subject = subject;
        self.path.clear();
        self
    }

    /// The words that name a key in sentences.
    pub fn name(&self, key: &str) -> String {
        format!("{}`{}{key}`", self.subject, self.path)
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        #[cfg(test)]
        self.notes.asked.borrow_mut().insert(format!("{}{key}", self.whole));
        self.table.get(key)
    }

    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    fn at<T>(&self, key: &str, span: Range<usize>, value: T) -> At<T> {
        At { value, span, name: self.name(key) }
    }

    fn typed<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.value(key)?;
        let Some(read) = read(value.get_ref()) else {
            let at = self.at(key, value.span(), ());
            if SECRET_KEYS.contains(&key) {
                at.blame(self.notes, LITERAL_SECRET, &format!("is not {expected}"), None);
            } else {
                at.refuse(self.notes, "wrong-type", &format!("not {expected}"), None);
            }
            return None;
        };
        Some(self.at(key, value.span(), read))
    }

    pub fn text(&self, key: &'static str) -> Option<At<&'a str>> {
        self.typed(key, "a text in quotes", DeValue::as_str)
    }

    /// A text, or a date and time without quotes.
    pub fn time(&self, key: &'static str) -> Option<At<String>> {
        self.typed(key, "an RFC 3339 time", |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(time) => Some(time.to_string()),
            _ => None,
        })
    }

    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        self.typed(key, "`true` or `false`", DeValue::as_bool).map_or(default, |at| at.value)
    }

    /// A whole number within bounds.
    pub fn number(&self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<At<i64>> {
        let number = self.typed(key, "a whole number", |value| {
            let written = value.as_integer()?;
            i64::from_str_radix(written.as_str(), written.radix()).ok()
        })?;
        if bounds.contains(&number.value) {
            return Some(number);
        }
        let clause = format!("not between {} and {}", bounds.start(), bounds.end());
        number.refuse(self.notes, "out-of-range", &clause, None);
        None
    }

    /// Whether a number is what the file says, or a default that nothing in the file is about: not one that stands in
    /// for a value that was refused.
    pub fn is_as_said(&self, key: &str, number: u128) -> bool {
        self.table.get(key).is_none_or(|value| {
            let written = value.get_ref().as_integer();
            written.and_then(|at| u128::from_str_radix(at.as_str(), at.radix()).ok()) == Some(number)
        })
    }

    /// A list of texts, each with its place.
    pub fn texts(&self, key: &'static str) -> Option<Vec<At<&'a str>>> {
        let list = self.typed(key, "a list of texts", DeValue::as_array)?;
        let mut texts = Vec::new();
        for (index, value) in list.value.iter().enumerate() {
            let at = self.at(&format!("{key}[{index}]"), value.span(), ());
            match value.get_ref().as_str() {
                Some(text) => texts.push(At { value: text, span: at.span, name: at.name }),
                None => at.refuse(self.notes, "wrong-type", "not a text in quotes", None),
            }
        }
        Some(texts)
    }

    /// A list of numbers.
    pub fn numbers(&self, key: &'static str) -> Option<At<Vec<f64>>> {
        self.typed(key, "a list of numbers", |value| {
            value.as_array()?.iter().map(|value| float(value.get_ref())).collect()
        })
    }

    /// A list of lists of numbers.
    pub fn number_lists(&self, key: &'static str) -> Option<Vec<At<Vec<f64>>>> {
        let lists = self.typed(key, "a list of lists of numbers", |value| {
            let inner = |value: &'a Spanned<DeValue<'a>>| {
                let numbers: Option<Vec<_>> =
                    value.get_ref().as_array()?.iter().map(|value| float(value.get_ref())).collect();
                Some((numbers?, value.span()))
            };
            value.as_array()?.iter().map(inner).collect::<Option<Vec<_>>>()
        })?;
        let named = lists.value.into_iter().enumerate();
        Some(named.map(|(index, (value, span))| self.at(&format!("{key}[{index}]"), span, value)).collect())
    }

    pub fn table(&self, key: &'static str) -> Option<Keys<'a>> {
        let table = self.typed(key, "a table", DeValue::as_table)?;
        let path = format!("{}{key}.", self.path);
        Some(self.below(key, Self::new(self.notes, table.value, table.span, self.subject.clone(), path)))
    }

    /// A list of tables, as `[[key]]` makes them.
    pub fn tables(&self, key: &'static str) -> Vec<Keys<'a>> {
        let Some(list) = self.typed(key, "a list of tables", DeValue::as_array) else { return Vec::new() };
        let mut tables = Vec::new();
        for (index, value) in list.value.iter().enumerate() {
            if let Some(table) = value.get_ref().as_table() {
                let path = format!("{}{key}[{index}].", self.path);
                let table = Self::new(self.notes, table, value.span(), self.subject.clone(), path);
                tables.push(self.below(key, table));
            } else {
                let at = self.at(&format!("{key}[{index}]"), value.span(), ());
                at.refuse(self.notes, "wrong-type", "not a table", None);
            }
        }
        tables
    }

    /// Every key with a text, for tables whose keys are the admin's.
    pub fn entries(&self) -> Vec<(At<&'a str>, At<&'a str>)> {
        self.silent.set(true);
        let mut entries = Vec::new();
        for (key, value) in self.table {
            let at = self.at(key.get_ref(), value.span(), ());
            match value.get_ref().as_str() {
                Some(text) => entries.push((
                    self.at(key.get_ref(), key.span(), key.get_ref().as_ref()),
                    At { value: text, span: at.span, name: at.name },
                )),
                None => at.blame(self.notes, "wrong-type", "is not a text in quotes", None),
            }
        }
        entries
    }

    /// Every key with a list of texts, for tables whose keys are the admin's. Lists of anything else are noted.
    pub fn lists(&self) -> Vec<(At<&'a str>, Vec<At<&'a str>>)> {
        self.silent.set(true);
        let mut lists = Vec::new();
        for (key, value) in self.table {
            let written: &'a str = key.get_ref();
            let at = self.at(written, value.span(), ());
            let texts = value.get_ref().as_array().and_then(|list| {
                let text = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
                    let name = self.name(&format!("{written}[{index}]"));
                    value.get_ref().as_str().map(|text| At { value: text, span: value.span(), name })
                };
                list.iter().enumerate().map(text).collect::<Option<Vec<_>>>()
            });
            match texts {
                Some(texts) => lists.push((self.at(written, key.span(), written), texts)),
                None => at.refuse(self.notes, "wrong-type", "not a list of texts", None),
            }
        }
        lists
    }

    /// A key whose feature this release does not have.
    pub fn later(&self, key: &'static str) {
        self.asked.borrow_mut().push(key);
        if let Some((written, _)) = self.table.get_key_value(key) {
            let sentence = format!("{} is not available in this release", self.name(key));
            self.notes.add(
                "not-in-this-release",
                Some(written.span()),
                sentence,
                Some(format!("remove `{key}`; it comes with a later release")),
            );
        }
    }

    /// Where the first of these keys stands, else the table.
    pub fn place(&self, keys: &[&str]) -> Range<usize> {
        let written = keys.iter().find_map(|key| self.table.get_key_value(*key));
        written.map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// Notes that a required key is missing.
    pub fn missing(&self, key: &str, hint: &str) {
        self.missing_as("missing-key", key, hint);
    }

    /// The same under a code of its own.
    pub fn missing_as(&self, code: &'static str, key: &str, hint: &str) {
        let sentence = format!("{} is missing", self.name(key));
        // What the whole file lacks has no place in it.
        let whole = self.subject.is_empty() && self.path.is_empty();
        let span = (!whole).then(|| self.span.clone());
        self.notes.add(code, span, sentence, Some(hint.into()));
    }

    /// Notes every key that nobody asked for.
    pub fn finish(&self) {
        if self.silent.get() {
            return;
        }
        let known = self.asked.borrow();
        for (key, _) in self.table {
            let written: &str = key.get_ref();
            if known.contains(&written) {
                continue;
            }
            let hint = match nearest(written, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", listed(&known)),
            };
            let sentence = format!("{} is not a known key", self.name(written));
            self.notes.add("unknown-key", Some(key.span()), sentence, Some(hint));
        }
    }
}

fn float(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

fn listed(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The known word that needs the fewest edits, when a third of the letters or less is wrong.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &&&'k str| edits(&word.to_lowercase(), known);
    let near = known.iter().min_by_key(distance)?;
    (distance(&near) <= (near.chars().count() / 3).max(1)).then_some(*near)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment), the first
/// cut to 64 letters.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut earlier: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for line in 0..a.len() {
        let mut next = vec![line + 1];
        for column in 0..b.len() {
            let replaced = row[column] + usize::from(a[line] != b[column]);
            let mut least = replaced.min(next[column] + 1).min(row[column + 1] + 1);
            if line > 0 && column > 0 && a[line] == b[column - 1] && a[line - 1] == b[column] {
                least = least.min(earlier[column - 1] + 1);
            }
            next.push(least);
        }
        earlier = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["keep", "lag", "from", "until", "item_span_max"];
        assert_eq!(nearest("kep", &known), Some("keep"));
        assert_eq!(nearest("Keep", &known), Some("keep"));
        assert_eq!(nearest("item_span", &known), Some("item_span_max"));
        assert_eq!(nearest("retention", &known), None);
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(nearest("titel", &["id", "title"]), Some("title"));
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!((edits("", "ab"), edits("ab", ""), edits("ba", "ab")), (2, 2, 1));
    }
}
