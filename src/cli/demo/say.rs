//! How the demo speaks: lines of the crate's one writer, with headings.

use anstyle::Style;

use super::super::out;

/// One line to standard output. A reader that went away does not end the demo.
pub fn line(text: &str) {
    let _read = out::data(text);
}

/// A heading with an empty line before it.
pub fn heading(text: &str) {
    let bold = Style::new().bold();
    line(&format!("\n{bold}{text}{bold:#}"));
}
