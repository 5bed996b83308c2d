//! `stac-broker check`: validates the federation file. Asking the members (`--probe`) is the caller's.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{FileArg, WRONG, out};
use crate::federation::{Loaded, Problems, load};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) file: FileArg,
    /// Also ask every member whether it is there, what it can do, and which Collections it has
    #[arg(long)]
    pub probe: bool,
    /// How problems and results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Loads a federation file; writes its warnings, or every problem, and gives the exit status when it is wrong.
///
/// Text goes to standard error. JSON is what was asked for, so it goes to standard output, one array in either case.
///
/// # Errors
/// Exit status 2 when the file is wrong, after its problems were written.
pub fn load_or_print(file: &Path, format: Format) -> Result<Loaded, ExitCode> {
    match load(file) {
        Ok(loaded) => {
            write_problems(&loaded.report(), format);
            Ok(loaded)
        }
        Err(problems) => {
            write_problems(&problems, format);
            Err(ExitCode::from(WRONG))
        }
    }
}

/// Validates and says so; the federation is for the caller that goes on to probe.
#[must_use]
pub fn validate(args: &Args) -> (Option<Loaded>, ExitCode) {
    match load_or_print(&args.file.path(), args.format) {
        Ok(loaded) => {
            if args.format == Format::Text {
                let federation = &loaded.federation;
                let members = federation.members.len();
                let members = out::counted(members, "member");
                let good = format!("{}: good; federation `{}` of {members}\n", loaded.file, federation.id);
                write(&mut io::stdout(), &good);
            }
            (Some(loaded), ExitCode::SUCCESS)
        }
        Err(code) => (None, code),
    }
}

fn write_problems(problems: &Problems, format: Format) {
    match format {
        Format::Text => write(&mut io::stderr(), &problems.to_text()),
        Format::Json => write(&mut io::stdout(), &(problems.to_json() + "\n")),
    }
}

/// A reader that went away is no reason to fail.
fn write(out: &mut impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
