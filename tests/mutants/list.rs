//! The list of mutants: how it is written, and where its snippets stand in the sources.
//!
//! A mutant is a block of keys, ended by an empty line. A value stands behind its key or, indented, on the lines below it:
//!
//! ```text
//! mutant: strict-bound-on-resume
//! row: Exclusive bound on resume
//! file: src/search/stream.rs
//! means: a tie at the edge of a page loses what was not given of it
//! was:
//!     Position::Before(Value::Time(at)) => (*at, «false»),
//! becomes: true
//! ```
//!
//! `file` is a file, or what several begin with: `src/search/stream` is that file and the folder of its parts. `was` is
//! what they hold exactly once, white space apart, with the part that changes between « and ». What ends
//! with `;` is a statement, anything else an expression. A `becomes` with `MUTANT` in it takes the place of the part as it
//! stands, and `MUTANT` is true when the mutant is chosen. `row` names the row of the design's table (`paging.md` section
//! 10); `equivalent` is the argument why no test can find the mutant. Blocks of one name are one mutant of several places;
//! the first of them says what it means.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

const OPENS: char = '«';
const CLOSES: char = '»';

/// One deliberate mistake.
#[derive(Debug, Clone, Default)]
pub struct Mutant {
    pub name: String,
    pub row: String,
    pub file: String,
    pub means: String,
    pub was: String,
    pub becomes: String,
    pub equivalent: String,
}

/// Reads one list.
///
/// # Errors
/// Names the line, or the mutant that lacks something.
pub fn read(list: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants: Vec<Mutant> = Vec::new();
    let mut current: Option<Mutant> = None;
    let mut key = String::new();
    for (at, line) in list.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            mutants.extend(current.take());
            continue;
        }
        let mutant = current.get_or_insert_default();
        let mut text = line;
        if !line.starts_with(' ') {
            let (name, value) = line.split_once(':').ok_or(format!("line {}: no key: `{line}`", at + 1))?;
            name.clone_into(&mut key);
            text = value;
        }
        let field = field(mutant, &key).ok_or(format!("line {}: `{key}` is no key of a mutant", at + 1))?;
        if !field.is_empty() {
            field.push('\n');
        }
        field.push_str(text.trim());
    }
    mutants.extend(current);
    for (at, mutant) in mutants.iter().enumerate() {
        // a mutant that changes two places has a block for each, and says in the first what it means
        if mutants[..at].iter().any(|before| before.name == mutant.name) && marked(&mutant.was).is_some() {
            continue;
        }
        let incomplete = [&mutant.name, &mutant.file, &mutant.means, &mutant.was].iter().any(|text| text.is_empty());
        if incomplete || marked(&mutant.was).is_none() {
            return Err(format!("mutant `{}` lacks a name, a file, a meaning, or a part between « and »", mutant.name));
        }
    }
    Ok(mutants)
}

fn field<'a>(mutant: &'a mut Mutant, key: &str) -> Option<&'a mut String> {
    Some(match key {
        "mutant" => &mut mutant.name,
        "row" => &mut mutant.row,
        "file" => &mut mutant.file,
        "means" => &mut mutant.means,
        "was" => &mut mutant.was,
        "becomes" => &mut mutant.becomes,
        "equivalent" => &mut mutant.equivalent,
        _ => return None,
    })
}

/// What stands before, between and behind the marks.
fn marked(was: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = was.split_once(OPENS)?;
    let (part, after) = rest.split_once(CLOSES)?;
    Some((before, part, after))
}

impl Mutant {
    /// Where the part that changes stands in a text: once in each copy of the snippet.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let Some((before, part, after)) = marked(&self.was) else { return Vec::new() };
        let [before, part, after] = [before, part, after].map(without_space);
        let snippet = format!("{before}{part}{after}");
        // the places of what is no white space, so that a snippet is found however it is broken into lines
        let bare = without_space(text);
        if !bare.contains(&snippet) {
            return Vec::new();
        }
        let places: Vec<usize> = text.char_indices().filter(|(_, c)| !c.is_whitespace()).map(|(at, _)| at).collect();
        let found = bare.match_indices(&snippet).map(|(at, _)| bare[..at].chars().count() + before.chars().count());
        let length = part.chars().count();
        found.map(|begin| part_at(text, &places, begin..begin + length)).collect()
    }

    /// What takes the place of the part, which now reads `original`.
    pub fn schema(&self, original: &str) -> String {
        let Self { name, becomes, .. } = self;
        let chosen = format!("crate::mutant(\"{name}\")");
        if becomes.contains("MUTANT") {
            return becomes.replace("MUTANT", &chosen);
        }
        let switched = format!("if {chosen} {{ {becomes} }} else {{ {original} }}");
        if original.trim_end().ends_with(';') { switched } else { format!("({switched})") }
    }
}

/// The range in the text of a range of its characters that are no white space.
fn part_at(text: &str, places: &[usize], bare: Range<usize>) -> Range<usize> {
    let start = places.get(bare.start).copied().unwrap_or(text.len());
    // behind the last character of the part, not before the next one
    let last = bare.end.checked_sub(1).and_then(|last| places.get(last)).filter(|_| !bare.is_empty());
    start..last.map_or(start, |&last| last + text[last..].chars().next().map_or(0, char::len_utf8))
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The places of a file's mutants.
pub type Places<'a> = Vec<(Range<usize>, &'a Mutant)>;

/// Finds every mutant in the sources, which are given with their paths.
///
/// # Errors
/// Names each mutant whose snippet is not there, or more than once.
pub fn locate<'a>(mutants: &'a [Mutant], sources: &[(String, String)]) -> Result<BTreeMap<String, Places<'a>>, String> {
    let (mut found, mut wrong) = (BTreeMap::<String, Places>::new(), Vec::new());
    for mutant in mutants {
        let mut here = Vec::new();
        for (path, text) in sources.iter().filter(|(path, _)| path.starts_with(&mutant.file)) {
            here.extend(mutant.places(text).into_iter().map(|place| (path, place)));
        }
        match &here[..] {
            [(path, place)] => found.entry((*path).clone()).or_default().push((place.clone(), mutant)),
            _ => {
                wrong.push(format!("mutant `{}`: its snippet is {} times in {}", mutant.name, here.len(), mutant.file));
            }
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong.join("\n")) }
}

/// Puts the mutants of one file behind their switches. Parts may lie inside one another, and several mutants may change
/// one.
///
/// # Errors
/// When two parts overlap.
pub fn rewrite(text: &str, mut places: Places<'_>) -> Result<String, String> {
    // outer parts before those inside them
    places.sort_by_key(|(place, _)| (place.start, Reverse(place.end)));
    let mut written = String::new();
    write(text, 0..text.len(), &places, &mut written)?;
    Ok(written)
}

/// Writes a range of the text with the mutants inside it; gives how many of `places` it took.
fn write(
    text: &str,
    range: Range<usize>,
    places: &[(Range<usize>, &Mutant)],
    out: &mut String,
) -> Result<usize, String> {
    let (mut at, mut taken) = (range.start, 0);
    while let Some((place, mutant)) = places.get(taken)
        && place.start < range.end.max(range.start + 1)
    {
        if place.end > range.end || place.start < at {
            return Err(format!("mutant `{}` overlaps another", mutant.name));
        }
        out.push_str(&text[at..place.start]);
        taken += 1;
        // the rest of those that change this very part, and those inside it
        let mut inner = String::new();
        taken += write(text, place.clone(), &places[taken..], &mut inner)?;
        out.push_str(&mutant.schema(&inner));
        at = place.end;
    }
    out.push_str(&text[at..range.end]);
    Ok(taken)
}
