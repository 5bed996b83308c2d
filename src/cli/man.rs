//! `stac-broker man`: manual pages, made of the same words as `--help`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, NO, out};

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker man | man -l -
  stac-broker man --folder /usr/local/share/man/man1";

/// What the foot of each page names.
const SOURCE: &str = concat!("stac-broker ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for each command into this folder instead of printing the main one
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let written = match &args.folder {
        None => page().map(|page| out::data_bytes(&page)),
        Some(folder) => pages(command(), folder).map(|()| true),
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
    Man::new(command()).source(SOURCE).render(&mut page)?;
    Ok(page)
}

/// Writes the pages of a command and of those below it.
fn pages(mut command: clap::Command, folder: &Path) -> io::Result<()> {
    command.build();
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below.clone(), folder)?;
    }
    Man::new(command).source(SOURCE).generate_to(folder).map(|_path| ())
}

/// Without `help`, which has no page of its own.
fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}
