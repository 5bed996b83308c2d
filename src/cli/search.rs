//! `search`: asks all members, page after page, and prints the Items.
//!
//! The federation runs in this process (`-f`) or is a running broker (`--url`); either way a page is a [`Batch`], and
//! one loop prints them.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use super::query::{SearchArgs, Where, below};
use super::{NO, WRONG, block_on, check, out};
use crate::broker::{Broker, Snapshot};
use crate::federation::Federation;
use crate::http;
use crate::members::remote::{NoAnswer, Remote};
use crate::search::request::SearchRequest;
use crate::search::{self, Answer, Clock, KeyRing, SearchError};

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker search --collections sentinel-2-l2a --datetime 2025-06-01T00:00:00Z/.. --format table
  stac-broker search --url http://127.0.0.1:8080 --bbox 12,48,19,51 --max-items 500 > items.ndjson

Ends with status 1 when something is missing; standard error then says of which member.";

/// How long the members' collections are waited for before the first page.
const SETTLE: Duration = Duration::from_secs(15);
/// What a broker may take for a page beyond its own deadline.
const BROKER_TIME: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    search: SearchArgs,
    /// Items per page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Stop after this many Items
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    max_items: u64,
    /// How Items are printed
    #[arg(long, value_enum, default_value_t = Form::Ndjson)]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One Item per line
    Ndjson,
    /// One `FeatureCollection`
    Geojson,
    /// For people
    Table,
}

/// One page, wherever it comes from.
#[derive(Debug, Default)]
struct Batch {
    /// Each Item on one line.
    items: Vec<Vec<u8>>,
    next: Option<String>,
    /// Members, each with what is the matter with it: `EDITO (timeout)`.
    missing: Vec<String>,
    matched: Option<u64>,
}

/// Why there is no page: the exit status and a sentence.
#[derive(Debug)]
struct Stop(u8, String);

enum Source {
    Here { broker: std::sync::Arc<Broker>, keys: Box<KeyRing> },
    There { broker: Url, remote: Remote },
}

pub(super) fn run(args: &Args) -> ExitCode {
    block_on(async {
        match all(args).await {
            Ok(status) => status,
            Err(Stop(status, text)) => {
                out::note(&format!("error: {text}"));
                ExitCode::from(status)
            }
        }
    })
}

/// Follows the pages. The bound is `--max-items`: a page with a next one is never empty.
async fn all(args: &Args) -> Result<ExitCode, Stop> {
    let pairs = args.search.pairs().map_err(|text| Stop(WRONG, text))?;
    let source = match &args.place.url {
        Some(broker) => {
            Source::There { broker: broker.clone(), remote: Remote::new(broker, BROKER_TIME).map_err(unanswered)? }
        }
        None => match check::load_or_print(&args.place.file.path(), check::Format::Text) {
            Ok(loaded) => here(loaded.federation).await?,
            // What is wrong with the file was printed already.
            Err(status) => return Ok(status),
        },
    };
    let bar = out::progress(None, "items");
    let mut printer = Printer::new(args.format);
    let mut missing: Vec<String>;
    let (mut shown, mut token, mut matched) = (0_u64, None, None);
    loop {
        let left = args.max_items - shown;
        let limit = u64::from(args.limit).min(left);
        let batch = match source.page(&pairs, limit, token.take()).await {
            Ok(batch) => batch,
            Err(stop) => {
                bar.finish_and_clear();
                if shown > 0 {
                    printer.end();
                    out::note(&format!("{shown} items, then:"));
                }
                return Err(stop);
            }
        };
        matched = matched.or(batch.matched);
        // Every later page repeats what is missing, but for what came after all: the last one knows.
        missing = batch.missing;
        let before = shown;
        for item in batch.items.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            shown += 1;
            if !bar.suspend(|| printer.item(item)) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        bar.set_position(shown);
        token = batch.next;
        if token.is_none() || shown >= args.max_items || shown == before {
            break;
        }
    }
    bar.finish_and_clear();
    printer.end();
    let of = matched.map(|count| format!(" of {count}")).unwrap_or_default();
    let more = if token.is_some() { ", there are more (`--max-items`)" } else { "" };
    out::note(&format!("{shown} items{of}{more}"));
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    out::note(&format!("incomplete: missing {}", missing.join(", ")));
    Ok(ExitCode::from(NO))
}

async fn here(federation: Federation) -> Result<Source, Stop> {
    let keys = KeyRing::from_federation(&federation).map_err(|text| Stop(WRONG, text))?;
    let broker = Broker::start(federation);
    let bar = out::progress(None, "reading the members' collections");
    broker.settled(SETTLE).await;
    bar.finish_and_clear();
    Ok(Source::Here { broker, keys: Box::new(keys) })
}

impl Source {
    async fn page(&self, pairs: &[(String, String)], limit: u64, token: Option<String>) -> Result<Batch, Stop> {
        let mut pairs = pairs.to_vec();
        pairs.push(("limit".into(), limit.to_string()));
        pairs.extend(token.map(|token| ("token".into(), token)));
        match self {
            Self::Here { broker, keys } => page_here(&broker.snapshot(), keys, &pairs).await,
            Self::There { broker, remote } => {
                let page = remote.ask(&below(broker, "search", &pairs), None).await;
                page.map_err(unanswered).map(|page| batch_of(&page.body))
            }
        }
    }
}

fn unanswered(none: NoAnswer) -> Stop {
    Stop(if none.refused { WRONG } else { NO }, none.text)
}

async fn page_here(snapshot: &Snapshot, keys: &KeyRing, pairs: &[(String, String)]) -> Result<Batch, Stop> {
    let limits = &snapshot.federation.limits;
    let request = SearchRequest::from_query(pairs, limits).map_err(|invalid| Stop(WRONG, invalid.to_string()))?;
    let clock = Clock { now: Utc::now(), deadline: Instant::now() + limits.deadline };
    let answer = search::search(snapshot, keys, &request, clock)
        .await
        .map_err(|error| Stop(status(&error), error.to_string()))?;
    Ok(batch(snapshot, answer))
}

fn status(error: &SearchError) -> u8 {
    match error {
        // What no member can do is asked wrongly: waiting does not help.
        SearchError::Invalid(_)
        | SearchError::Cursor(_)
        | SearchError::Failed { kind: search::outcome::Failed::Incapable, .. } => WRONG,
        SearchError::Expired { .. } | SearchError::Failed { .. } => NO,
    }
}

fn batch(snapshot: &Snapshot, answer: Answer) -> Batch {
    Batch {
        items: answer.items.iter().map(|found| on_one_line(&http::published(snapshot, found))).collect(),
        missing: missing(
            &serde_json::json!({ "federation:missing": answer.report.missing(), "federation:report": answer.report }),
        ),
        next: answer.next,
        matched: answer.number_matched,
    }
}

/// A broker's `ItemCollection`.
fn batch_of(page: &Value) -> Batch {
    let features = page["features"].as_array();
    let next = page["links"].as_array().into_iter().flatten().find(|link| link["rel"] == "next");
    Batch {
        items: features.into_iter().flatten().map(|item| item.to_string().into_bytes()).collect(),
        next: next.and_then(|link| link["href"].as_str()).and_then(token_of),
        missing: missing(page),
        matched: page["numberMatched"].as_u64(),
    }
}

/// The members of which something is missing, each with its status.
fn missing(page: &Value) -> Vec<String> {
    let reports = || page["federation:report"]["members"].as_array().into_iter().flatten();
    let status = |id: &str| {
        let status = reports().find(|member| member["id"] == id).and_then(|member| member["status"].as_str());
        status.unwrap_or("no reason given")
    };
    let ids = page["federation:missing"].as_array().into_iter().flatten().filter_map(Value::as_str);
    ids.map(|id| format!("{id} ({})", status(id))).collect()
}

/// The cursor of a next link. Its address is not followed: the broker that was named is asked again.
fn token_of(href: &str) -> Option<String> {
    let url = Url::parse(href).ok()?;
    url.query_pairs().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned())
}

/// JSON without the white space between its tokens; everything else keeps its bytes.
fn on_one_line(json: &[u8]) -> Vec<u8> {
    let (mut in_text, mut escaped) = (false, false);
    let kept = json.iter().copied().filter(|byte| {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            _ => {}
        }
        in_text || !byte.is_ascii_whitespace()
    });
    kept.collect()
}

const GEOJSON_START: &str = r#"{"type":"FeatureCollection","features":["#;

/// Prints Items as they come; a table is printed at the end, when its widths are known.
struct Printer {
    form: Form,
    table: comfy_table::Table,
    first: bool,
}

impl Printer {
    fn new(form: Form) -> Self {
        Self { form, table: out::table(&["datetime", "collection", "id"]), first: true }
    }

    /// False when nobody reads any more.
    fn item(&mut self, item: &[u8]) -> bool {
        let first = std::mem::take(&mut self.first);
        match self.form {
            Form::Ndjson => out::data_bytes(item),
            Form::Geojson if first => out::data(GEOJSON_START) && out::data_bytes(item),
            Form::Geojson => out::data_bytes(&[b",", item].concat()),
            Form::Table => {
                self.table.add_row(row(item));
                true
            }
        }
    }

    fn end(&self) {
        match self.form {
            Form::Ndjson => true,
            Form::Geojson if self.first => out::data(GEOJSON_START) && out::data("]}"),
            Form::Geojson => out::data("]}"),
            Form::Table => out::data(&self.table.to_string()),
        };
    }
}

fn row(item: &[u8]) -> [String; 3] {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        id: String,
        #[serde(default)]
        collection: Option<String>,
        #[serde(borrow)]
        properties: Option<&'a RawValue>,
    }
    #[derive(Default, serde::Deserialize)]
    struct Times {
        datetime: Option<String>,
        start_datetime: Option<String>,
    }
    let Ok(head) = serde_json::from_slice::<Head<'_>>(item) else { return Default::default() };
    let times: Times = head.properties.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let time = times.datetime.or(times.start_datetime).unwrap_or_default();
    // A member's text must not steer the terminal.
    [time, head.collection.unwrap_or_default(), head.id].map(|text| text.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_fits_on_one_line_and_keeps_its_text() {
        let json = b"{ \"a\" : \"x \\\" y\\\\\",\n\t\"b\": 1.50 }";
        assert_eq!(on_one_line(json), b"{\"a\":\"x \\\" y\\\\\",\"b\":1.50}");
    }

    #[test]
    fn a_brokers_page_is_read() {
        let page = serde_json::json!({
            "features": [{"id": "a"}], "numberMatched": 7, "federation:missing": ["X"],
            "federation:report": {"members": [{"id": "X", "status": "timeout"}]},
            "links": [{"rel": "self", "href": "http://b/search?token=no"}, {"rel": "next", "href": "http://b/search?limit=1&token=A%2Bb"}]
        });
        let batch = batch_of(&page);
        assert_eq!((batch.next.as_deref(), batch.matched), (Some("A+b"), Some(7)));
        assert_eq!((batch.items, batch.missing), (vec![br#"{"id":"a"}"#.to_vec()], vec!["X (timeout)".to_owned()]));
        let nothing = batch_of(&serde_json::json!({"links": [{"rel": "next", "href": "/relative?token=x"}]}));
        assert!(nothing.next.is_none() && nothing.items.is_empty());
    }

    #[test]
    fn a_row_has_a_time_where_the_item_has_one_and_no_control_characters() {
        let item = br#"{"id":"i\u001b[31m","collection":"A|c","properties":{"datetime":null,"start_datetime":"2020"}}"#;
        assert_eq!(row(item), ["2020", "A|c", "i[31m"]);
        assert_eq!(row(b"7"), ["", "", ""]);
    }
}
