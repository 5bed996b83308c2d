//! `check`: validates a federation file; `--probe` also asks every member.
use super::{FileArg, Format};
use crate::federation::{Loaded, load};
use std::path::Path;
use std::process::ExitCode;
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: FileArg,
    #[arg(long)]
    probe: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}
#[expect(clippy::needless_pass_by_value, reason = "every command takes its arguments by value")]
pub(super) fn run(args: Args) -> ExitCode {
    match load_or_print(&args.file.path()) {
        Ok(l) if args.probe => super::probe::run(l.federation, args.format),
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => e,
    }
}
pub(super) fn load_or_print(path: &Path) -> Result<Loaded, ExitCode> {
    load(path).map_err(|p| {
        super::out::note(&format!("{:?}", p.list));
        ExitCode::from(2)
    })
}
