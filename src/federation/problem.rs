//! What is wrong with a federation file: place, sentence, hint; as text for people and as JSON.

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
