//! `stac-broker completions SHELL`: what the shell needs to complete commands, options and their words.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, NO, out};

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker completions bash > /etc/bash_completion.d/stac-broker
  stac-broker completions zsh > \"${fpath[1]}/_stac-broker\"
  stac-broker completions fish > ~/.config/fish/completions/stac-broker.fish";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stac-broker", &mut script);
    if out::data_bytes(&script) { ExitCode::SUCCESS } else { ExitCode::from(NO) }
}
