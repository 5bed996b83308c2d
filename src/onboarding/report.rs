//! All findings of one check, in the order of the rows, and as JSON for machines.

use std::time::Duration;

use serde_json::{Value, json};

use super::finding::{Finding, Severity, Verdict};
use super::row::Row;
use super::suggest::Discovered;
use crate::federation::Kind;

/// Characters of one sentence or request in a report: members put anything into what is quoted.
const TEXT_CHARS_MAX: usize = 600;

/// What a check found.
#[derive(Debug, Clone)]
pub struct Report {
    /// As it was given.
    pub url: String,
    /// Id, where the caller named one.
    pub member: Option<String>,
    pub kind: Kind,
    pub findings: Vec<Finding>,
    /// Requests that were sent, and how long all of it took.
    pub requests: usize,
    pub elapsed: Duration,
    pub discovered: Discovered,
}

impl Report {
    /// Puts findings in the order of the rows; a row that applies and has none becomes one that was not checked.
    pub(super) fn put_together(mut findings: Vec<Finding>, left_out: &[Row], because: &str) -> Vec<Finding> {
        for row in Row::ALL {
            if !left_out.contains(&row) && !findings.iter().any(|finding| finding.row == row) {
                findings.push(Finding::unchecked(row, because));
            }
        }
        findings.retain(|finding| !left_out.contains(&finding.row));
        findings.sort_by_key(|finding| finding.row);
        for finding in &mut findings {
            finding.seen = clean(&finding.seen);
            finding.remedy = finding.remedy.as_deref().map(clean);
            if let Some(evidence) = &mut finding.evidence {
                evidence.request = clean(&evidence.request);
            }
        }
        findings
    }

    /// How many findings are as grave as this.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad(severity)).count()
    }

    /// Whether nothing keeps the member from joining.
    #[must_use]
    pub fn may_join(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// For machines: every finding with `member`, `check`, `severity`, `seen`, `remedy` and `evidence`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let member = self.member.as_deref().unwrap_or(&self.url);
        let findings = self.findings.iter().map(|finding| {
            let evidence = finding.evidence.as_ref();
            json!({
                "member": member,
                "check": finding.row.id(),
                "subject": finding.row.subject(),
                "severity": finding.verdict.name(),
                "seen": finding.seen,
                "remedy": finding.remedy,
                "evidence": evidence.map(|evidence| json!({"request": evidence.request, "status": evidence.status})),
            })
        });
        json!({
            "url": self.url,
            "member": self.member,
            "kind": self.kind.name(),
            "may_join": self.may_join(),
            "requests": self.requests,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "discovered": self.discovered.to_json(),
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}

/// One line of bounded length without control characters, whatever a member sent.
fn clean(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut cut: String = line.take(TEXT_CHARS_MAX + 1).collect();
    if cut.chars().count() > TEXT_CHARS_MAX {
        cut.pop();
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_applies_and_was_not_looked_at_says_so() {
        let findings = vec![Finding::good(Row::S1, "x"), Finding::good(Row::H1, "y"), Finding::good(Row::R1, "z")];
        let all = Report::put_together(findings, &[Row::R1, Row::R2], "nobody answers");
        assert_eq!(all.len(), Row::ALL.len() - 2);
        assert!(all.is_sorted_by_key(|finding| finding.row));
        let unchecked = all.iter().find(|finding| finding.row == Row::T1).unwrap();
        assert_eq!((unchecked.verdict, unchecked.seen.as_str()), (Verdict::Unchecked, "nobody answers"));
        assert!(all.iter().all(|finding| finding.row != Row::R1));
    }

    #[test]
    fn nothing_that_a_member_sends_breaks_a_line() {
        assert_eq!(clean("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(clean(&"x".repeat(5000)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
