//! `explain`: the plan of a search, from the file alone or from a running broker. Asks no member.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;

use super::query::{SearchArgs, Where, below};
use super::{Format, NO, WRONG, block_on, check, out};
use crate::collections::Ids;
use crate::members::remote;
use crate::search::plan::{Facts, plan};
use crate::search::request::SearchRequest;

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker explain --collections sentinel-2-l2a --bbox 12,48,19,51 --datetime 2025-06-01T00:00:00Z/..
  stac-broker explain --url http://127.0.0.1:8080 --ids S2A_33UWP_20250601 --format json

With a file nothing is discovered: no member's collections or abilities are known, and missing information means ask.
A running broker knows more.";

/// Words of one list that text shows; `--format json` has all.
const WORDS_SHOWN: usize = 8;
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
            match remote::get_json(&below(broker, "search/explain", &pairs), BROKER_TIME).await {
                Ok(plan) if args.format == Format::Json => json(&plan),
                Ok(plan) => {
                    out::data(&text(&plan));
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

/// A broker's explanation (S24) as text.
fn text(plan: &Value) -> String {
    let mut lines = Vec::new();
    let order = &plan["order"];
    lines.push(format!("order: {} by {}", or(&listed(&order["keys"]), "members' own"), word(order, "by")));
    for leg in rows(plan, "legs") {
        lines.push(format!("ask    {}: {}", word(leg, "id"), word(leg, "reason")));
        for (head, value) in [
            ("collections", listed(&leg["collections"])),
            ("datetime", word(leg, "datetime").to_owned()),
            ("pushdown", listed(&leg["pushdown"])),
            ("residual", listed(&leg["residual"])),
            ("mode", word(leg, "mode").to_owned()),
        ] {
            if !value.is_empty() {
                lines.push(format!("         {head}: {value}"));
            }
        }
    }
    for pruned in rows(plan, "pruned") {
        lines.push(format!("prune  {}: {}: {}", word(pruned, "id"), word(pruned, "rule"), word(pruned, "detail")));
    }
    for refused in rows(plan, "refused") {
        lines.push(format!("refuse {}: cannot do {}", word(refused, "id"), word(refused, "feature")));
    }
    lines.join("\n")
}

fn rows<'a>(plan: &'a Value, name: &str) -> &'a [Value] {
    plan[name].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The first words of a list, and how many more there are.
fn listed(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let shown = words.iter().take(WORDS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(WORDS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_explanation_reads_as_text() {
        let plan = serde_json::json!({
            "order": {"keys": ["-properties.datetime", "+id"], "by": "broker"},
            "legs": [{"id": "EODC", "mode": "keyset", "pushdown": ["collections"], "residual": [], "reason": "may hold it"}],
            "pruned": [{"id": "GRNET", "rule": "retention", "detail": "keeps the last 90 days"}],
            "refused": [{"id": "X", "feature": "sort: id"}]
        });
        assert_eq!(
            text(&plan),
            "order: -properties.datetime, +id by broker\nask    EODC: may hold it\n         pushdown: collections\n         \
             mode: keyset\nprune  GRNET: retention: keeps the last 90 days\nrefuse X: cannot do sort: id"
        );
        assert_eq!(text(&serde_json::json!([])), "order: members' own by ");
        let many: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(listed(&Value::from(many)), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
    }
}
