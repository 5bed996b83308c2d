//! File -> Federation, or every problem.

use std::path::Path;

use super::{Federation, Problem, Problems};

/// A federation and what its admin should still know.
#[derive(Debug)]
pub struct Loaded {
    pub federation: Federation,
    pub warnings: Vec<Problem>,
}

/// Reads and validates a federation file.
///
/// # Errors
/// Every problem of the file at once; warnings are among them.
pub fn load(_path: &Path) -> Result<Loaded, Problems> {
    todo!()
}

/// The same for a text; `name` stands for the file in messages, paths in it are relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn load_text(_name: &str, _text: &str, _folder: &Path) -> Result<Loaded, Problems> {
    todo!()
}
