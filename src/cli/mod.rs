//! The command line: one file per command. Data goes to standard output, everything else to standard error.
//!
//! Exit status: 0 good, 1 the answer is no (a failed check, an incomplete search), 2 the request or the file is wrong.

pub mod check;
mod completions;
pub mod demo;
mod explain;
pub mod key;
mod man;
mod member;
mod out;
mod policy;
mod probe;
mod query;
mod schema;
mod search;
mod serve;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{federation, telemetry};

pub(crate) use check::Format;

/// The answer is no.
pub(crate) const NO: u8 = 1;
/// The request or the file is wrong.
pub(crate) const WRONG: u8 = 2;

/// One STAC endpoint over many catalogues.
#[derive(Debug, Parser)]
#[command(
    name = "stac-broker",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 good, 1 the answer is no (a failed check, an incomplete search), 2 the request or the \
                  file is wrong.\nLog lines go to standard error: STAC_BROKER_LOG sets the filter (for example `info` \
                  or `stac_broker=debug`), STAC_BROKER_LOG_FORMAT=json their form."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker for the members of a federation file
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),
    /// Run a complete federation of embedded members
    Demo(demo::Args),
    /// Validate a federation file; with --probe also ask every member
    Check(check::Args),
    /// Show who would be asked what, and who would not and why, without asking anybody
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Args),
    /// Search all members and print the Items
    #[command(after_help = search::EXAMPLES)]
    Search(search::Args),
    /// Check a catalogue that wants to join, or add it to the federation file
    Member(member::Args),
    /// Try a policy on the searches of an access log
    Policy(policy::Args),
    /// Print a new cursor key
    Key(key::Args),
    /// Print the JSON Schema of the federation file
    #[command(after_help = schema::EXAMPLES)]
    Schema(schema::Args),
    /// Print what a shell needs to complete commands and options
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Args),
    /// Print the manual page, or write one for each command
    #[command(after_help = man::EXAMPLES)]
    Man(man::Args),
}

/// The federation file, where a command takes one.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FileArg {
    /// Federation file; default: what `STAC_BROKER_FEDERATION` names, else `federation.toml`
    #[arg(short = 'f', long = "federation", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl FileArg {
    /// The file named on the command line, else by the environment, else the usual one. (Not by clap: a file named in
    /// the environment must not be in conflict with `--url`.)
    pub(crate) fn path(&self) -> PathBuf {
        let environment =
            || std::env::var_os("STAC_BROKER_FEDERATION").filter(|value| !value.is_empty()).map(PathBuf::from);
        self.file.clone().or_else(environment).unwrap_or_else(|| PathBuf::from("federation.toml"))
    }
}

/// Parses the arguments and runs the command. 0: good, 1: the answer is no, 2: the request or the file is wrong.
#[must_use]
pub fn run() -> ExitCode {
    // clap prints what is wrong, or the help that was asked for, and ends with status 2 or 0.
    let cli = Cli::parse();
    telemetry::start(default_filter(&cli.command));
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => validate(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Member(args) => member::run(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// `check`, and `check --probe` behind a good file.
fn validate(args: &check::Args) -> ExitCode {
    if !args.probe {
        return check::validate(args).1;
    }
    // One JSON document on standard output: the members' when the file is good (its warnings then go to standard
    // error), else the problems.
    let file = args.file.path();
    let good = federation::load(&file).is_ok();
    let format = if good { Format::Text } else { args.format };
    match check::load_or_print(&file, format) {
        Ok(loaded) => probe::run(loaded.federation, args.format),
        Err(status) => status,
    }
}

/// A server tells what it does; a command that prints an answer only tells what is in the way.
fn default_filter(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) => "info",
        _ => "error",
    }
}

/// Runs a command that waits for others.
pub(crate) fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().event_interval(crate::http::EVENTS_EVERY).enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            out::note(&format!("error: cannot start the runtime: {error}"));
            ExitCode::from(NO)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_that_start_with_a_minus_are_values() {
        let cli = Cli::try_parse_from(["stac-broker", "explain", "--bbox", "-10,40,5,50", "--sortby", "-datetime"]);
        let Ok(Cli { command: Command::Explain(args) }) = cli else { panic!("{cli:?}") };
        assert_eq!(args.search.bbox.as_deref(), Some("-10,40,5,50"));
        assert_eq!(args.search.sortby.as_deref(), Some("-datetime"));
    }

    #[test]
    fn a_file_and_a_broker_exclude_each_other() {
        let both = ["stac-broker", "search", "-f", "x.toml", "--url", "http://127.0.0.1:1"];
        assert!(Cli::try_parse_from(both).is_err());
        assert!(Cli::try_parse_from(["stac-broker", "search", "--url", "not an address"]).is_err());
        assert!(Cli::try_parse_from(["stac-broker", "search", "--limit", "0"]).is_err());
    }

    #[test]
    fn every_command_names_the_file_alike() {
        for command in ["serve", "check", "explain", "search"] {
            for flag in ["-f", "--federation"] {
                let parsed = Cli::try_parse_from(["stac-broker", command, flag, "x.toml"]);
                assert!(parsed.is_ok(), "{command} {flag}: {parsed:?}");
            }
        }
    }
}
