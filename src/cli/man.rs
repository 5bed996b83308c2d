//! `stac-broker man`: manual pages, made of the same words as `--help`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, NO, out};

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker man | man -l -
  stac-broker man --folder /usr/local/share/man/man1";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for each command into this folder instead of printing the main one
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let written = match &args.folder {
        None => page().map(|page| out::data_bytes(&page)),
        Some(folder) => clap_mangen::generate_to(command(), folder).map(|()| true),
    };
    match written {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NO),
        Err(error) => {
            let place = args.folder.as_ref().map(|folder| format!(" into `{}`", folder.display())).unwrap_or_default();
            out::note(&format!("error: cannot write manual pages{place}: {error}"));
            ExitCode::from(NO)
        }
    }
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command()).render(&mut page)?;
    Ok(page)
}

/// Without `help`, which has no page of its own.
fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}
