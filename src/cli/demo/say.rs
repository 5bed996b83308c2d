//! The one writer of the demo: what is shown goes to standard output, problems to standard error.

use std::io::Write as _;

use anstyle::Style;

/// Writes lines, with colour where the terminal takes it. A reader that went away is not an error.
pub struct Out {
    to: anstream::AutoStream<std::io::Stdout>,
}

impl Out {
    pub fn new() -> Self {
        Self { to: anstream::stdout() }
    }

    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.to, "{text}");
        let _ = self.to.flush();
    }

    /// A heading with an empty line before it.
    pub fn heading(&mut self, text: &str) {
        let bold = Style::new().bold();
        self.line(&format!("\n{bold}{text}{bold:#}"));
    }
}

/// Says on standard error what went wrong.
pub fn problem(text: &str) {
    let _ = writeln!(anstream::stderr(), "error: {text}");
}
