//! The command line: one file per command. Data goes to standard output, everything else to standard error.

pub mod demo;

use std::process::ExitCode;

/// Parses the arguments and runs the command. 0: good, 1: the answer is no, 2: the request or the file is wrong.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::from(2)
}
