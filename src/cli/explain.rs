//! `explain`: the plan of a search, from the file alone or from a running broker. Asks no member.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use url::Url;

use super::query::{SearchArgs, Where, below};
use super::{Format, NO, WRONG, block_on, check, out};
use crate::collections::Ids;
use crate::members::remote::{NoAnswer, Remote};
use crate::search::plan::{Facts, explain, plan};
use crate::search::request::SearchRequest;

pub(super) const EXAMPLES: &str = r#"Examples:
  stac-broker explain --collections sentinel-2-l2a --bbox 12,48,19,51 --datetime 2025-06-01T00:00:00Z/..
  stac-broker explain --filter "collection = 'sentinel-2-l2a' AND eo:cloud_cover < 20"
  stac-broker explain --url http://127.0.0.1:8080 --ids S2A_33UWP_20250601 --format json

With a file nothing is discovered: the members' collections and capabilities are not known, so every member is asked
that the file itself does not leave out. A running broker knows more."#;

/// A broker answers this from memory.
const BROKER_TIME: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    pub(super) search: SearchArgs,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let pairs = match args.search.pairs() {
        Ok(pairs) => pairs,
        Err(error) => {
            out::note(&format!("error: {error}"));
            return ExitCode::from(WRONG);
        }
    };
    match &args.place.url {
        Some(broker) => block_on(async {
            match explained(broker, &pairs).await {
                Ok(plan) if args.format == Format::Json => json(&plan),
                Ok(plan) => {
                    out::data(explain::text(&plan).trim_end());
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    out::note(&format!("error: {error}"));
                    ExitCode::from(if error.refused { WRONG } else { NO })
                }
            }
        }),
        None => from_file(args, &pairs),
    }
}

async fn explained(broker: &Url, pairs: &[(String, String)]) -> Result<Value, NoAnswer> {
    let remote = Remote::new(broker, BROKER_TIME)?;
    remote.ask(&below(broker, "search/explain", pairs), None).await.map(|reply| reply.body)
}

fn from_file(args: &Args, pairs: &[(String, String)]) -> ExitCode {
    let federation = match check::load_or_print(&args.place.file.path(), Format::Text) {
        Ok(loaded) => loaded.federation,
        Err(status) => return status,
    };
    let planned = SearchRequest::from_query(pairs, &federation.limits).and_then(|request| {
        let plan = plan(&federation, &Ids::new(&federation), |_| Facts::default(), &request, Utc::now(), None)?;
        Ok((plan, request))
    });
    match planned {
        Ok((plan, request)) if args.format == Format::Json => json(&plan.explain(&request)),
        Ok((plan, request)) => {
            out::data(plan.explain_text(&request).trim_end());
            ExitCode::SUCCESS
        }
        Err(invalid) => {
            out::note(&format!("error: {invalid}"));
            ExitCode::from(WRONG)
        }
    }
}

fn json(plan: &Value) -> ExitCode {
    out::data(&format!("{plan:#}"));
    ExitCode::SUCCESS
}
