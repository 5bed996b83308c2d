//! What a reader sees: the members, four searches with who was asked and why, and what to try next.

use std::fmt::Write as _;

use chrono::Utc;
use serde_json::Value;

use crate::search::plan::Plan;
use crate::search::{self, SearchRequest};

use super::super::out;
use super::Stage;
use super::ask::Query;
use super::execution;
use super::samples::{Sample, samples};
use super::say;

/// Items of an answer that are shown.
const ITEMS_SHOWN: usize = 6;

/// Shows the federation and serves until it is interrupted.
pub async fn run(stage: &Stage) -> Result<(), String> {
    members(stage);
    for sample in samples(Utc::now()) {
        one(stage, &sample).await?;
    }
    let execute = execution::show(stage).await?;
    commands(stage, &execute);
    // An error means that no signal can be waited for: then the demo ends at once.
    let _ = tokio::signal::ctrl_c().await;
    say::line("\nStopped.");
    Ok(())
}

fn members(stage: &Stage) {
    let portraits = stage.demo.portraits();
    say::heading(&format!("{} catalogues, one STAC endpoint", portraits.len()));
    let mut table = out::table(&["member", "Items", "Collections", "what it is like", "what its admin declares"]);
    for member in &portraits {
        let (items, collections) = (member.items.to_string(), member.collections.to_string());
        table.add_row([member.id, items.as_str(), collections.as_str(), member.habit, member.policy]);
    }
    say::line(&table.to_string());
}

/// The plan of a query as the endpoint would make it now.
pub fn plan(stage: &Stage, query: &Query) -> Result<Plan, String> {
    let snapshot = stage.broker.snapshot();
    let pairs: Vec<(String, String)> = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let request = SearchRequest::from_query(&pairs, &snapshot.federation.limits).map_err(|wrong| wrong.to_string())?;
    search::explain(&snapshot, &request, Utc::now()).map_err(|wrong| wrong.to_string())
}

async fn one(stage: &Stage, sample: &Sample) -> Result<(), String> {
    say::heading(sample.title);
    say::line(sample.look);
    let plan = plan(stage, &sample.asked())?;
    let portraits = stage.demo.portraits();
    for leg in &plan.legs {
        let id = leg.member.as_str();
        let here = portraits.iter().any(|portrait| portrait.id == id && portrait.read_whole);
        say::line(&format!("  {:<7} {id:<16} {}", if here { "here" } else { "asked" }, leg.reason));
    }
    for left_out in &plan.pruned {
        let refusal = &left_out.refusal;
        say::line(&format!("  pruned  {:<16} {}: {}", left_out.member.as_str(), refusal.rule.name(), refusal.detail));
    }
    for refused in &plan.refused {
        say::line(&format!("  cannot  {:<16} {}", refused.member.as_str(), refused.feature));
    }

    let mut query = sample.asked();
    query.push(("limit", ITEMS_SHOWN.to_string()));
    let page = stage.client.search(&query).await?;
    let features = page.body["features"].as_array().ok_or("an answer without features")?;
    say::line(&matched(&page.body, features.len()));
    for item in features {
        say::line(&format!("  {}", item_line(item)));
    }
    Ok(())
}

fn matched(body: &Value, shown: usize) -> String {
    let mut text = match body["numberMatched"].as_u64() {
        Some(count) => format!("{count} Items match; the first {shown}:"),
        None => format!("The first {shown} Items:"),
    };
    let missing: Vec<&str> =
        body["federation:missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !missing.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, " (missing: {})", missing.join(", "));
    }
    text
}

fn item_line(item: &Value) -> String {
    let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let properties = &item["properties"];
    let time = if properties["datetime"].is_string() { &properties["datetime"] } else { &properties["start_datetime"] };
    let day: String = field(time).chars().take(10).collect();
    format!("{day}  {}  {}", field(&item["collection"]), field(&item["id"]))
}

/// A query string for people: its values hold nothing that a URL in quotes could not hold as it is.
fn readable(query: &Query) -> String {
    query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn commands(stage: &Stage, execute: &str) {
    let url = &stage.client.url;
    let flanders = &samples(Utc::now())[2].query;
    let text = readable(flanders);
    say::heading("Try it");
    say::line(&format!("Open {url} in a browser or in any STAC client.\n"));
    say::line("With curl, the same search again, then who would be asked and why:");
    say::line(&format!("  curl '{url}/search?{text}&limit=3'"));
    say::line(&format!("  curl '{url}/search/explain?{text}'\n"));
    say::line("The execution again, with its headers:");
    say::line(&format!("  {execute}\n"));
    say::line("With pystac-client (pip install pystac-client), page after page:");
    say::line(&format!("  stac-client search {url} --collections sentinel-2-l2a --datetime 2023-09 --matched"));
    say::line("  python3 -c \"from pystac_client import Client");
    say::line(&format!(
        "  for item in Client.open('{url}').search(max_items=20).items(): print(item.collection_id, item.id)\"\n"
    ));
    say::line("With this program, in words:");
    say::line(&format!(
        "  stac-broker explain --url {url} --collections sentinel-2-l2a --datetime 2023-09-01T00:00:00Z/2023-09-30T23:59:59Z"
    ));
    say::line("\nCtrl-C ends the demo.");
}
