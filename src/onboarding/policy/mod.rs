//! A declared policy against what a member really gives: too much is lost time, too little is lost Items.
//!
//! `ask.rs` asks a running member a few questions through its adapter; `judge.rs` compares, purely, and suggests lines
//! that can be pasted into the federation file.

mod ask;
mod judge;
#[cfg(test)]
mod tests;

pub use ask::{Held, ItemSeen, ask};
pub use judge::{extents, judge};

/// What a policy and a member disagree in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What was seen, with values.
    pub seen: String,
    pub remedy: String,
    /// Lines to paste, with the head of their table; empty where there is nothing to paste.
    pub toml: Vec<String>,
}

impl Remark {
    fn new(seen: String, remedy: &str) -> Self {
        Self { seen, remedy: remedy.to_owned(), toml: Vec::new() }
    }

    fn with(self, lines: &[&str]) -> Self {
        Self { toml: lines.iter().map(|line| (*line).to_owned()).collect(), ..self }
    }
}
