//! `key`: a new cursor key.

use std::process::ExitCode;

/// No options.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args) -> ExitCode {
    super::out::note("error: not built yet");
    ExitCode::from(super::WRONG)
}
