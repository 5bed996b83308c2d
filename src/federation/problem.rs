//! What is wrong with a federation file and the files of its members: place, sentence, hint; as text for people and as
//! JSON.

use std::fmt::Write as _;

/// Every code that a problem can have, with what is wrong then. Codes are stable; sentences may become better.
pub const CODES: &[(&str, &str)] = &[
    ("bad-area", "a focus is not an area on the Earth"),
    ("bad-certificate", "a certificate or its key cannot be used"),
    ("bad-cursor-key", "a key for cursors has not the form of one"),
    ("bad-duration", "a duration is not ISO 8601"),
    ("bad-glob", "a pattern is not a glob"),
    ("bad-header", "a header cannot be sent"),
    ("bad-id", "a member id has characters or a length that ids cannot have"),
    ("bad-path", "a path does not lead to a catalogue"),
    ("bad-time", "a time is not RFC 3339"),
    ("bad-url", "an address cannot be asked"),
    ("bad-value", "a value is none of those that are accepted"),
    ("contradicting-keys", "keys do not go together"),
    ("contradicting-limits", "a limit is larger than one that it must fit into"),
    ("credentials-without-tls", "credentials would go over a line that others read"),
    ("duplicate-collection", "two shared collections have one id, or one holder"),
    ("duplicate-member", "two members have one id"),
    ("empty-window", "a retention rule covers no time"),
    ("internal-address", "an address is private and not declared so"),
    ("literal-secret", "a secret stands in the file"),
    ("missing-key", "a required key is absent"),
    ("missing-secret", "a secret cannot be read"),
    ("no-cursor-key", "cursors end with the process, or cannot be read by the others"),
    (NO_MEMBER, "the federation has no member yet"),
    ("no-member-files", "the folder of members is empty"),
    ("no-tls", "an address is asked without TLS"),
    ("not-in-this-release", "a key or value comes with a later release"),
    ("open-admin", "the listener for admins is open to others"),
    ("out-of-range", "a number is too small or too large"),
    ("reserved-header", "a header is the broker's own"),
    ("toml-syntax", "the file is not TOML"),
    ("too-large", "there is more of something than is read"),
    ("unknown-key", "a key is not known"),
    ("unknown-member", "a name is no member's"),
    ("unreadable-file", "a file or folder cannot be read"),
    ("wrong-type", "a value has another type"),
];

/// Longest source line that is shown whole, in characters.
const LINE_CHARS_MAX: usize = 160;

/// Code of a federation that is yet to get its first member.
pub const NO_MEMBER: &str = "no-member";

/// Code of a problem whose place holds a secret.
pub(super) const LITERAL_SECRET: &str = "literal-secret";

/// Parts of keys whose values may be secrets; a line with one is shown only when it refers to the secret.
const SECRET_WORDS: [&str; 6] = ["token", "pas", "pwd", "secret", "keys", "value"];

/// Whether start-up may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One finding, with its place in the file where it has one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// Stable, in kebab case, for example `unknown-key`.
    pub code: &'static str,
    /// Lower case, no final full stop, values in backticks.
    pub sentence: String,
    pub hint: Option<String>,
    /// Which of [`Problems::sources`] it stands in.
    pub source: usize,
    /// Byte range in that file.
    pub span: Option<(usize, usize)>,
}

/// One of the files that make a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the admin named it; a file of `registry.directory` by its way from there.
    pub name: String,
    pub text: String,
}

/// Everything found in a federation file and in the files of its members.
#[derive(Debug, Clone)]
pub struct Problems {
    /// The federation file, then the files of its members.
    pub sources: Vec<Source>,
    /// In the order of the files, and in each in the order of its lines.
    pub list: Vec<Problem>,
}

/// A problem as one JSON object.
#[derive(serde::Serialize)]
struct Written<'a> {
    file: &'a str,
    /// From 1, as editors count; absent where the problem has no place in the file.
    line: Option<usize>,
    /// In characters, from 1.
    column: Option<usize>,
    code: &'a str,
    severity: Severity,
    sentence: &'a str,
    hint: Option<&'a str>,
}

/// Where a span begins: line and column from 1, the line itself, and how many of its characters are meant.
struct Place<'a> {
    line: usize,
    column: usize,
    source: &'a str,
    width: usize,
}

impl Problems {
    /// Whether one of them ends start-up.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The errors, each on one line with its place: for logs and for the admin's status.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let errors = self.list.iter().filter(|problem| problem.severity == Severity::Error);
        errors.map(|problem| format!("{}: {}", self.address(problem), problem.sentence)).collect()
    }

    /// For people, without colour: place and sentence, the line with what is meant underlined, and the hint.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for problem in &self.list {
            self.write_one(&mut out, problem);
        }
        out
    }

    /// A JSON array with one object for each problem, in the order of the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let list: Vec<_> = self.list.iter().map(|problem| self.written(problem)).collect();
        // Strings and numbers always serialise.
        serde_json::to_string_pretty(&list).unwrap_or_else(|_cannot_happen| "[]".into())
    }

    /// The file of a problem, as it was named.
    fn file(&self, problem: &Problem) -> &str {
        self.sources.get(problem.source).map_or("", |source| &source.name)
    }

    /// File and line, where it has one: `federation.toml:31`.
    fn address(&self, problem: &Problem) -> String {
        let file = self.file(problem);
        self.place(problem).map_or_else(|| file.to_owned(), |place| format!("{file}:{}", place.line))
    }

    fn written<'a>(&'a self, problem: &'a Problem) -> Written<'a> {
        let place = self.place(problem);
        Written {
            file: self.file(problem),
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            code: problem.code,
            severity: problem.severity,
            sentence: &problem.sentence,
            hint: problem.hint.as_deref(),
        }
    }

    fn write_one(&self, out: &mut String, problem: &Problem) {
        let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
        let place = self.place(problem);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}: {warning}{}", self.address(problem), problem.sentence);
        if let Some(place) = place
            && !self.holds_secret(problem.source, place.line)
            && !looks_secret(place.source)
            && place.source.chars().count() <= LINE_CHARS_MAX
        {
            let gutter = " ".repeat(place.line.to_string().len());
            let before = place.source.chars().take(place.column - 1);
            let blank: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let _ = writeln!(out, "  {} | {}", place.line, place.source);
            let _ = writeln!(out, "  {gutter} | {blank}{}", "^".repeat(place.width));
        }
        if let Some(hint) = &problem.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }

    /// Whether a line has a secret written into it: such a line is not repeated, as messages end in logs.
    fn holds_secret(&self, source: usize, line: usize) -> bool {
        let literal = |problem: &&Problem| problem.code == LITERAL_SECRET && problem.source == source;
        self.list.iter().filter(literal).any(|problem| self.place(problem).is_some_and(|place| place.line == line))
    }

    fn place(&self, problem: &Problem) -> Option<Place<'_>> {
        let (start, end) = problem.span?;
        let text = &self.sources.get(problem.source)?.text;
        let before = text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let meant = text.get(start..end.clamp(start, line_end)).unwrap_or_default();
        Some(Place {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            source: text[line_start..line_end].trim_end_matches('\r'),
            width: meant.trim_end().chars().count().max(1),
        })
    }
}

/// Whether a line seems to give a secret itself instead of a reference, also under a misspelt key.
fn looks_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    let named = SECRET_WORDS.iter().any(|word| line.split('=').next().is_some_and(|key| key.contains(word)));
    named && line.contains('=') && !line.contains("env:") && !line.contains("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(span: Option<(usize, usize)>, severity: Severity) -> Problems {
        let problem = Problem {
            severity,
            code: "bad-value",
            sentence: "is wrong".into(),
            hint: Some("write it".into()),
            source: 1,
            span,
        };
        let main = Source { name: "main.toml".into(), text: String::new() };
        let source = Source { name: "f.toml".into(), text: "é = 1\nkey = \"ö\"\r\n[t]".into() };
        Problems { sources: vec![main, source], list: vec![problem] }
    }

    #[test]
    fn text_shows_the_place() {
        assert_eq!(
            one(Some((13, 17)), Severity::Error).to_text(),
            "f.toml:2: is wrong\n  2 | key = \"ö\"\n    |       ^^^\n  hint: write it\n"
        );
        assert_eq!(one(None, Severity::Warning).to_text(), "f.toml: warning: is wrong\n  hint: write it\n");
    }

    #[test]
    fn logs_get_one_line_for_each_error() {
        assert_eq!(one(Some((13, 17)), Severity::Error).lines(), ["f.toml:2: is wrong"]);
        assert_eq!(one(None, Severity::Error).lines(), ["f.toml: is wrong"]);
        assert!(one(None, Severity::Warning).lines().is_empty());
    }

    #[test]
    fn a_span_over_lines_or_at_the_end_is_cut() {
        assert!(one(Some((0, 22)), Severity::Error).to_text().contains("\n    | ^^^^^\n"));
        assert!(one(Some((22, 22)), Severity::Error).to_text().contains("3 | [t]\n    |    ^\n"));
        assert!(one(Some((500, 600)), Severity::Error).to_text().starts_with("f.toml: is wrong"));
    }

    #[test]
    fn lines_that_seem_to_hold_a_secret_are_not_shown() {
        assert!(looks_secret("pasword = \"x\""));
        assert!(looks_secret("passwort = \"x\"") && looks_secret("keys = \"abc\"") && looks_secret("Token=1"));
        assert!(
            !looks_secret("token = \"env:X\"")
                && !looks_secret("[token]")
                && !looks_secret("url = \"https://keys.example\"")
        );
    }

    #[test]
    fn json_has_line_and_column() {
        let value: serde_json::Value = serde_json::from_str(&one(Some((13, 17)), Severity::Error).to_json()).unwrap();
        assert_eq!(value[0]["line"], 2);
        assert_eq!(value[0]["column"], 7);
        assert_eq!(value[0]["severity"], "error");
        assert_eq!(value[0]["hint"], "write it");
    }
}
