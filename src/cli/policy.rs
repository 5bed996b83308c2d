//! `policy replay`: the searches of an access log, planned anew under a policy, and held against what members answered.
//!
//! `replay.rs` reads lines and counts, `facts.rs` knows the members' Collections as the log tells them, `show.rs` is the
//! table and the JSON.

mod facts;
mod replay;
mod show;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{FileArg, Format, NO, WRONG, check, out};
use crate::federation::Federation;
use replay::{Policy, Replay};

const EXAMPLES: &str = "Examples:
  stac-broker policy replay --log access.log
  stac-broker policy replay --log access.log.1 --log access.log --with tried.toml
  journalctl -u stac-broker -o cat | stac-broker policy replay --log - --with tried.toml --format json

The log is what `telemetry.access_log` of the federation file says: a file, or the log of the broker itself, whose other
lines are passed over. Nobody is asked. Status 1: the policy that is tried (that of `--with`, else the current one) would
leave out a member that answered Items.";

/// Longest line that is read: a member's list of some thousand Collections is below one megabyte.
const LINE_BYTES_MAX: usize = 8 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what each policy would have asked in the searches of an access log, and what it would have missed
    #[command(after_help = EXAMPLES)]
    Replay(ReplayArgs),
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    #[command(flatten)]
    file: FileArg,
    /// Access log; `-`: standard input. May be given more than once, oldest first
    #[arg(long, value_name = "FILE", required = true)]
    log: Vec<PathBuf>,
    /// Federation file to try, beside the current one
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Command::Replay(args) = &args.command;
    match replayed(args) {
        Ok(replay) => {
            match args.format {
                Format::Text => out::data(show::text(&replay).trim_end()),
                Format::Json => out::data(&format!("{:#}", show::json(&replay))),
            };
            if replay.is_wrong() { ExitCode::from(NO) } else { ExitCode::SUCCESS }
        }
        Err(status) => status,
    }
}

fn replayed(args: &ReplayArgs) -> Result<Replay, ExitCode> {
    let files = std::iter::once(args.file.path()).chain(args.with.clone());
    let mut policies = Vec::new();
    for file in files {
        policies.push(Policy::new(file.display().to_string(), load(&file)?));
    }
    let mut replay = Replay::new(policies);
    for path in &args.log {
        let bar = out::progress(None, "lines of the log");
        let read = open(path).and_then(|log| {
            lines(log, &mut |line| {
                bar.inc(1);
                match line {
                    Ok(line) => replay.line(&line),
                    Err(what) => replay.bad(what),
                }
            })
        });
        bar.finish_and_clear();
        if let Err(error) = read {
            out::note(&format!(
                "error: cannot read the log `{}`: {error}\n  hint: name the file that `telemetry.access_log` says, or `-` for standard input",
                path.display()
            ));
            return Err(ExitCode::from(WRONG));
        }
    }
    if replay.is_empty() {
        let logs: Vec<String> = args.log.iter().map(|path| format!("`{}`", path.display())).collect();
        out::note(&format!(
            "error: no line of an access log in {}\n  hint: name the file that `telemetry.access_log` says, or `-` for standard input",
            logs.join(", ")
        ));
        return Err(ExitCode::from(WRONG));
    }
    if replay.searches() == 0 {
        out::note(
            "note: no search was found; lines are written where `telemetry.access_log` of the federation file says",
        );
    }
    Ok(replay)
}

/// Problems go to standard error: standard output is the result's.
fn load(file: &Path) -> Result<Federation, ExitCode> {
    match crate::federation::load(file) {
        Ok(loaded) => Ok(loaded.federation),
        Err(_) => Err(check::load_or_print(file, Format::Text).err().unwrap_or(ExitCode::from(WRONG))),
    }
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)))
}

/// Gives each line, or why it is none; what is too long is passed over without being held.
fn lines(mut log: Box<dyn BufRead>, each: &mut dyn FnMut(Result<String, &'static str>)) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let read = log.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if read == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            log.skip_until(b'\n')?;
            each(Err("it is longer than 8 MiB"));
            continue;
        }
        each(String::from_utf8(line).map_err(|_not_text| "it is not UTF-8 text"));
    }
}
