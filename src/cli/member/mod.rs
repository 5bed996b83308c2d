//! `stac-broker member`: catalogues that want to join.

mod add;
mod check;
mod diff;
mod text;

use std::process::ExitCode;

use clap::Subcommand;

use super::out;
use crate::federation::Kind;
use crate::onboarding::{Candidate, Refused, Report};

const EXAMPLES: &str = "Examples:
  stac-broker member check https://stac.north.example/v1
  stac-broker member check http://127.0.0.1:9000/stac --internal --format json
  stac-broker member add https://stac.north.example/v1 --id NORTH -f federation.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run the checklist for a catalogue: what is good, what to mend and how
    #[command(after_help = "Exit status: 0 it can join, 1 something keeps it from joining, 2 the call is wrong.")]
    Check(check::Args),
    /// Run the checklist, then write the member into the federation file, whose text is kept
    #[command(after_help = "Exit status: 0 it was added (or would be), 1 something keeps it from joining, 2 the call \
                            or the file is wrong.")]
    Add(add::Args),
}

/// What both commands are told of a catalogue.
#[derive(Debug, Clone, clap::Args)]
struct Catalogue {
    /// Landing page of a STAC API, or root of a catalogue of another kind
    #[arg(value_name = "URL")]
    url: String,
    /// Allow loopback, private and link-local addresses, and plain http
    #[arg(long)]
    internal: bool,
    /// Kind of catalogue, when what the address answers does not tell: stac-api, static-stac, ogc-records or csw
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
}

fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.map(Kind::name).join(", ");
    Kind::named(name).ok_or_else(|| format!("not one of {known}"))
}

pub(super) fn run(args: &Args) -> ExitCode {
    match &args.what {
        What::Check(args) => check::run(args),
        What::Add(args) => add::run(args),
    }
}

/// Runs the checklist, with a bar on a terminal.
async fn checked(candidate: &Candidate) -> Result<Report, Refused> {
    let bar = out::progress(None, "asking the catalogue, requests:");
    let told = {
        let bar = bar.clone();
        move |requests: usize| bar.set_position(requests as u64)
    };
    let report = crate::onboarding::check(candidate, &told).await;
    bar.finish_and_clear();
    report
}

/// A call that is wrong.
fn refuse(refused: &Refused) {
    out::note(&format!("error: {}", refused.sentence));
    if refused.is_internal {
        out::note("  hint: `--internal` says that it is meant");
    }
    if let Some(hint) = &refused.hint {
        out::note(&format!("  hint: {hint}"));
    }
}
