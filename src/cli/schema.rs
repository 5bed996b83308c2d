//! `stac-broker schema`: the JSON Schema of the federation file, for editors.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{NO, out};
use crate::federation::SCHEMA;

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker schema > federation.schema.json
  then write `#:schema ./federation.schema.json` as the first line of federation.toml: editors with a TOML language server
  complete and check it";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the schema of one site's file in the folder of `registry.directory` instead
    #[arg(long)]
    site: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let text = if args.site { site() } else { Some(SCHEMA.trim_end().to_owned()) };
    match text {
        Some(text) if out::data(&text) => ExitCode::SUCCESS,
        _ => ExitCode::from(NO),
    }
}

/// The same definitions, with `[[member]]` alone at the root.
fn site() -> Option<String> {
    let mut schema: Value = serde_json::from_str(SCHEMA).ok()?;
    let member = schema["properties"]["member"].take();
    schema["title"] = json!("Members of one site, for stac-broker");
    schema["description"] = json!("A file of `registry.directory`.");
    schema["properties"] = json!({ "member": member });
    schema["required"] = json!(["member"]);
    serde_json::to_string_pretty(&schema).ok()
}
