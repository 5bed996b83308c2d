//! Executions in the demo: a process runs at the member that holds the Item it is given.

use serde_json::{Value, json};

use super::Stage;
use super::ask::Query;
use super::say;

/// An Item of EDITO, which executes processes, as does EODC.
fn item_of_edito() -> Query {
    vec![
        ("bbox", "9,53,30,66".into()),
        ("datetime", "2020-01-01T00:00:00Z/2020-12-31T23:59:59Z".into()),
        ("sortby", "-datetime".into()),
        ("limit", "100".into()),
    ]
}

/// What came of one execution.
struct Ran {
    /// Id of the Item, and its address at the broker.
    item: String,
    href: String,
    /// The header `Federation-Member`.
    member: String,
    answer: Value,
}

/// Executes `statistics` on the first Item that the broker shows of EDITO.
async fn run(stage: &Stage) -> Result<Ran, String> {
    let page = stage.client.search(&item_of_edito()).await?;
    let features = page.body["features"].as_array().ok_or("an answer without features")?;
    let of_edito = |item: &&Value| item["collection"].as_str().is_some_and(|of| of.starts_with("EDITO|"));
    let item = features.iter().find(of_edito).ok_or("no Item of EDITO among those found")?;
    let links = item["links"].as_array().ok_or("an Item without links")?;
    let own = links.iter().find(|link| link["rel"] == "self").and_then(|link| link["href"].as_str());
    let href = own.ok_or("an Item without a self link")?.to_owned();
    let body = json!({ "inputs": { "items": [{ "href": href, "type": "application/geo+json" }] } });
    let reply = stage.client.post(&execution(stage), &body).await?;
    let member = reply.member.ok_or("an execution without the header Federation-Member")?;
    Ok(Ran { item: item["id"].as_str().unwrap_or_default().to_owned(), href, member, answer: reply.body })
}

fn execution(stage: &Stage) -> String {
    format!("{}/processes/statistics/execution", stage.client.url)
}

/// Shows one execution, and how to repeat it. Gives the command.
pub async fn show(stage: &Stage) -> Result<String, String> {
    say::heading("A process runs where the data is");
    say::line("EODC and EDITO both offer `statistics`; the Item that is named decides which of them executes it.");
    let ran = run(stage).await?;
    say::line(&format!("  given     {}", ran.item));
    say::line(&format!("  executed  {}", ran.member));
    say::line(&format!("  answer    {}", ran.answer));
    Ok(format!(
        "curl -i '{}' -H 'Content-Type: application/json' -d '{{\"inputs\": {{\"items\": [\"{}\"]}}}}'",
        execution(stage),
        ran.href
    ))
}

/// The holder executed once, and nobody else did.
pub async fn check(stage: &Stage) -> Result<String, String> {
    let before = stage.demo.executions();
    let ran = run(stage).await?;
    let after = stage.demo.executions();
    let more = |id: &str| {
        let count = |list: &[(String, u64)]| list.iter().find(|(of, _)| of == id).map_or(0, |(_, count)| *count);
        count(&after) - count(&before)
    };
    if (ran.member.as_str(), more("EDITO"), more("EODC")) != ("EDITO", 1, 0) {
        let (edito, eodc) = (more("EDITO"), more("EODC"));
        return Err(format!("{} executed; requests: {edito} at EDITO, {eodc} at EODC", ran.member));
    }
    if ran.answer["items"] != 1 {
        return Err(format!("statistics of one Item speak of {}", ran.answer["items"]));
    }
    Ok(format!("EDITO executed on `{}`, once; EODC, which offers the process too, received no request", ran.item))
}
