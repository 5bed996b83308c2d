//! `stac-broker member check`: the checklist, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use super::super::check::load_or_print;
use super::super::{Format, NO, WRONG, block_on, out};
use super::{Catalogue, checked, refuse, text};
use crate::onboarding::{Candidate, Registered};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    catalogue: Catalogue,
    /// Also hold it against this federation file: whether it is a member, what its policy says
    #[arg(short = 'f', long = "federation", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Id that it is to have; told whether it can be taken
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// A table for people, or JSON for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut candidate = Candidate {
        url: args.catalogue.url.clone(),
        internal: args.catalogue.internal,
        kind: args.catalogue.kind,
        id: args.id.clone(),
        ..Candidate::default()
    };
    // A file that lies there by chance has no part in it: a site checks itself without a federation.
    if let Some(path) = &args.file {
        let loaded = match load_or_print(path, Format::Text) {
            Ok(loaded) => loaded,
            Err(status) => return status,
        };
        let id = args.id.as_deref();
        candidate.registered = Some(Registered::of(&loaded.federation, &loaded.file, &candidate.url, id));
        candidate.limits = loaded.federation.limits;
    } else if args.id.is_some() {
        out::note("error: `--id` is held against a federation file\n  hint: name the file with `-f`");
        return ExitCode::from(WRONG);
    }
    block_on(async {
        let report = match checked(&candidate).await {
            Ok(report) => report,
            Err(refused) => {
                refuse(&refused);
                return ExitCode::from(WRONG);
            }
        };
        match args.format {
            Format::Json => out::data(&format!("{:#}", report.to_json())),
            Format::Text => out::data(&text::whole(&report, out::width())),
        };
        if report.may_join() { ExitCode::SUCCESS } else { ExitCode::from(NO) }
    })
}
