//! A report for people: what is good in a line each, then what is not, with what to do; wrapped to the terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::super::out::counted;
use crate::onboarding::{Finding, Report, Severity, Verdict};

/// Columns where no terminal says otherwise, and the bounds within which lines read well.
const WIDTH: usize = 100;
const WIDTH_MIN: usize = 60;
const WIDTH_MAX: usize = 120;
/// Columns of a row's id and subject.
const SUBJECT: usize = 33;
/// Columns of `asked` and its like.
const LABEL: usize = 14;
/// Rows that are named of one cause.
const ROWS_MAX: usize = 10;
/// Characters of a request; a long POST is in the JSON.
const REQUEST_CHARS_MAX: usize = 300;

const BOLD: Style = Style::new().bold();

/// Everything.
pub fn whole(report: &Report, width: Option<usize>) -> String {
    written(report, width, true)
}

/// What is good is only counted.
pub fn short(report: &Report, width: Option<usize>) -> String {
    written(report, width, false)
}

fn written(report: &Report, width: Option<usize>, with_good: bool) -> String {
    let width = width.unwrap_or(WIDTH).clamp(WIDTH_MIN, WIDTH_MAX);
    let name = report.member.as_ref().map(|member| format!("{member}: ")).unwrap_or_default();
    let mut text = format!("{BOLD}{name}{}{BOLD:#} ({})\n", report.url, report.kind.name());
    let good: Vec<&Finding> = of(report, Verdict::Good);
    if with_good && !good.is_empty() {
        head(&mut text, "good", AnsiColor::Green);
        for finding in &good {
            let label = format!("  {:<3} {}", finding.row.id(), finding.row.subject());
            lines(&mut text, &label, SUBJECT + 2, &finding.seen, width);
        }
    }
    for (severity, title, colour) in [
        (Severity::Error, "keeps it from joining", AnsiColor::Red),
        (Severity::Degraded, "works with less", AnsiColor::Yellow),
        (Severity::Note, "notes", AnsiColor::Cyan),
    ] {
        let found = of(report, Verdict::Bad(severity));
        if found.is_empty() {
            continue;
        }
        head(&mut text, title, colour);
        for finding in found {
            bad(&mut text, finding, severity, width);
        }
    }
    unchecked(&mut text, report, width);
    text.push('\n');
    text.push_str(&verdict(report, good.len()));
    text
}

fn of(report: &Report, verdict: Verdict) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.verdict == verdict).collect()
}

fn head(text: &mut String, title: &str, colour: AnsiColor) {
    let style = BOLD.fg_color(Some(colour.into()));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{style}{title}{style:#}");
}

fn bad(text: &mut String, finding: &Finding, severity: Severity, width: usize) {
    let _ = writeln!(text, "  {} {:<3} {BOLD}{}{BOLD:#}", severity.letter(), finding.row.id(), finding.row.subject());
    lines(text, "        seen", LABEL, &finding.seen, width);
    if let Some(remedy) = &finding.remedy {
        lines(text, "        do", LABEL, remedy, width);
    }
    if let Some(evidence) = &finding.evidence {
        let request: String = evidence.request.chars().take(REQUEST_CHARS_MAX).collect();
        let status = evidence.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        // not wrapped, so that it can be copied
        let _ = writeln!(text, "{:<LABEL$}{request}  -> {status}", "        asked");
    }
}

/// Rows that could not be looked at, together where one cause explains them.
fn unchecked(text: &mut String, report: &Report, width: usize) {
    let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
    for finding in of(report, Verdict::Unchecked) {
        let row = finding.row.id();
        match causes.iter_mut().find(|(cause, _)| *cause == finding.seen) {
            Some((_, rows)) => rows.push(row),
            None => causes.push((&finding.seen, vec![row])),
        }
    }
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{BOLD}not checked{BOLD:#}");
    for (cause, rows) in causes {
        let rows = if rows.len() > ROWS_MAX { format!("{} rows", rows.len()) } else { rows.join(", ") };
        lines(text, "  -", 4, &format!("{rows}: because {cause}"), width);
    }
}

fn verdict(report: &Report, good: usize) -> String {
    let errors = report.count(Severity::Error);
    let verdict = if errors == 0 {
        format!("{BOLD}It can join.{BOLD:#}")
    } else {
        format!(
            "{BOLD}It cannot join yet:{BOLD:#} {} in the way.",
            if errors == 1 { "1 finding is".to_owned() } else { format!("{errors} findings are") }
        )
    };
    format!(
        "{verdict} {} good, {} with less, {}. {} in {:.1} s.",
        good,
        report.count(Severity::Degraded),
        counted(report.count(Severity::Note), "note"),
        counted(report.requests, "request"),
        report.elapsed.as_secs_f64()
    )
}

/// A label and a text beside it, wrapped at words; a word that is longer than the line stays whole.
fn lines(text: &mut String, label: &str, indent: usize, content: &str, width: usize) {
    let mut line = format!("{label:<indent$}");
    if label.len() >= indent {
        line.push(' ');
    }
    let mut fresh = true;
    for word in content.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_words_under_their_label() {
        let mut text = String::new();
        lines(&mut text, "  do", 6, "one two three four five six", 16);
        assert_eq!(text, "  do  one two\n      three four\n      five six\n");
        let mut text = String::new();
        lines(&mut text, "  do", 6, "https://a.example/a/very/long/address then", 16);
        assert_eq!(text, "  do  https://a.example/a/very/long/address\n      then\n");
    }
}
