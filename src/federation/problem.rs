//! What is wrong with a federation file: place, sentence, hint; as text for people and as JSON.

use std::fmt::Write as _;

/// Longest source line that is shown whole, in characters.
const LINE_CHARS_MAX: usize = 160;

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
    /// Byte range in the file.
    pub span: Option<(usize, usize)>,
}

/// Everything found in one file.
#[derive(Debug, Clone)]
pub struct Problems {
    /// As the admin named it.
    pub file: String,
    pub text: String,
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

    fn written<'a>(&'a self, problem: &'a Problem) -> Written<'a> {
        let place = self.place(problem);
        Written {
            file: &self.file,
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
        let line = place.as_ref().map_or_else(String::new, |place| format!("{}:", place.line));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}:{line} {warning}{}", self.file, problem.sentence);
        if let Some(place) = place
            && !self.holds_secret(place.line)
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
    fn holds_secret(&self, line: usize) -> bool {
        let literal = |problem: &&Problem| problem.code == LITERAL_SECRET;
        self.list.iter().filter(literal).any(|problem| self.place(problem).is_some_and(|place| place.line == line))
    }

    fn place(&self, problem: &Problem) -> Option<Place<'_>> {
        let (start, end) = problem.span?;
        let before = self.text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let meant = self.text.get(start..end.clamp(start, line_end)).unwrap_or_default();
        Some(Place {
            line: before.matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            source: self.text[line_start..line_end].trim_end_matches('\r'),
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
        let problem =
            Problem { severity, code: "bad-value", sentence: "is wrong".into(), hint: Some("write it".into()), span };
        Problems { file: "f.toml".into(), text: "é = 1\nkey = \"ö\"\r\n[t]".into(), list: vec![problem] }
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
