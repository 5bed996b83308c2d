//! What is wrong with a condition, in words for whoever wrote it.

use std::fmt;

/// Characters of what was written that a message repeats.
const GIVEN_CHARACTERS_MAX: usize = 60;

/// A condition that cannot be read. It displays as what follows "`filter` is": wrong how and where, and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The character where it was noticed, counted from 1; only of the text spelling.
    pub at: Option<usize>,
    /// What was found, as a phrase: the unknown function so and so.
    pub given: String,
    pub accepted: String,
}

impl Wrong {
    pub(in crate::cql2) fn new(given: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self { at: None, given: given.into(), accepted: accepted.into() }
    }

    /// Says where, unless a closer place is known already.
    pub(in crate::cql2) fn at(mut self, character: usize) -> Self {
        self.at.get_or_insert(character);
        self
    }

    /// What is wrong and where, without what is accepted: for errors that name both apart.
    #[must_use]
    pub fn what(&self) -> String {
        match self.at {
            Some(at) => format!("wrong at character {at}: {}", self.given),
            None => format!("wrong: {}", self.given),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; accepted: {}", self.what(), self.accepted)
    }
}

impl std::error::Error for Wrong {}

/// Something of the client's for a message: in backticks, cut, control characters escaped.
pub(in crate::cql2) fn quoted(given: &str) -> String {
    let mut shown: String = given
        .chars()
        .take(GIVEN_CHARACTERS_MAX)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if given.chars().nth(GIVEN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
