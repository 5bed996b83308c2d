//! One finding: which row, how grave, what was seen, what to do, and the request that shows it.

use super::row::Row;

/// Findings of one row that a report holds; a thousand Collections with one fault are one thing to mend.
pub const PER_ROW_MAX: usize = 4;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Not usable or unsafe: the member is refused.
    Error,
    /// Usable with less; the finding says what is lost.
    Degraded,
    /// For the site to know.
    Note,
}

impl Severity {
    /// Its letter in reports.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Error => "E",
            Self::Degraded => "D",
            Self::Note => "N",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Bad(Severity),
    /// `seen` says why.
    Unchecked,
}

impl Verdict {
    /// `good`, the letter of the severity, or `not checked`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad(severity) => severity.letter(),
            Self::Unchecked => "not checked",
        }
    }
}

/// A request, as a person would repeat it, and the status that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub request: String,
    /// `None`: no answer.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub row: Row,
    pub verdict: Verdict,
    pub seen: String,
    pub remedy: Option<String>,
    pub evidence: Option<Evidence>,
}

impl Finding {
    pub fn good(row: Row, seen: impl Into<String>) -> Self {
        Self { row, verdict: Verdict::Good, seen: seen.into(), remedy: None, evidence: None }
    }

    pub fn bad(row: Row, severity: Severity, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { row, verdict: Verdict::Bad(severity), seen: seen.into(), remedy, evidence: None }
    }

    pub fn unchecked(row: Row, because: impl Into<String>) -> Self {
        Self { row, verdict: Verdict::Unchecked, seen: because.into(), remedy: None, evidence: None }
    }

    /// The same with the request that shows it.
    #[must_use]
    pub fn by(self, evidence: &Evidence) -> Self {
        Self { evidence: Some(evidence.clone()), ..self }
    }

    #[must_use]
    pub fn is_error(&self) -> bool {
        self.verdict == Verdict::Bad(Severity::Error)
    }
}
