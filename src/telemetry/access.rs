//! The access log: one JSON object for each search, and one for each list of Collections that plans were made with.
//!
//! These lines are read again, by `policy replay`: this file is their form, for both. What a plan depends on beside the
//! federation file stands in them, so that a log alone says who would have been asked. Never in them: credentials,
//! cursors, addresses of clients. Every line carries what other lines of a JSON log carry too. `writer.rs` writes them.

mod writer;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use writer::{Destination, finish, is_on, start, write};

/// What every line begins with.
pub const TARGET: &str = "access";

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "lowercase")]
pub enum Line {
    Search(Box<Search>),
    Collections(Collections),
}

/// One page of a search.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Search {
    pub timestamp: String,
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The pattern of the path.
    pub route: String,
    /// Of HTTP.
    pub status: u16,
    pub took_ms: u64,
    /// When the walk began that the page belongs to: windows of retention are counted from it.
    pub started: String,
    /// A later page of a walk.
    pub continued: bool,
    /// The search as the body of `POST /search`, its cursor left out.
    pub search: Map<String, Value>,
    /// Parameters that were too long for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
    /// Given to the client.
    pub items: u32,
    pub complete: bool,
    /// Requests that left for members, retries included.
    pub requests: u32,
    pub asked: Vec<Asked>,
    pub pruned: Vec<Pruned>,
}

/// One member's share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Asked {
    pub member: String,
    /// As in the report (S21).
    pub status: String,
    pub requests: u32,
    /// Of it, given to the client.
    pub items: u32,
    pub took_ms: u64,
}

/// A member that was left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Pruned {
    pub member: String,
    pub rule: String,
}

/// A member's list of Collections, from here on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Collections {
    pub timestamp: String,
    pub member: String,
    /// The list proves what the member does not have, of what its policy lets in.
    pub complete: bool,
    /// `policy.collections` at that time: what it hides is not in the list.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub collections: Vec<Collection>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Collection {
    /// The member's own id.
    pub id: String,
    /// The advertised extent; absent: none that proves anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bboxes: Option<Vec<[f64; 4]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datetime: Option<String>,
}

impl Line {
    /// The line, without its end.
    #[must_use]
    pub fn written(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let rest = json.strip_prefix('{').unwrap_or_default();
        format!("{{\"level\":\"INFO\",\"target\":\"{TARGET}\",{rest}")
    }

    /// Reads a line; `None` when it is a line of something else.
    ///
    /// # Errors
    /// When it begins as ours and does not go on so.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(default, borrow)]
            target: std::borrow::Cow<'a, str>,
        }
        match serde_json::from_str::<Head<'_>>(text) {
            Ok(head) if head.target == TARGET => {
                serde_json::from_str(text).map(Some).map_err(|error| error.to_string())
            }
            // Other lines of the log may be text; a piece of one of ours is not.
            Err(error) if text.trim_start().starts_with('{') => Err(error.to_string()),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_other_lines_are_told_apart() {
        let search = Search { request_id: "r1".into(), items: 3, asked: vec![Asked::default()], ..Search::default() };
        let collections =
            Collections { member: "A".into(), collections: vec![Collection::default()], ..Collections::default() };
        for line in [Line::Search(Box::new(search)), Line::Collections(collections)] {
            let text = line.written();
            assert!(text.starts_with(r#"{"level":"INFO","target":"access","message":""#), "{text}");
            assert_eq!(Line::read(&text), Ok(Some(line)));
            assert!(Line::read(&text[..text.len() / 2]).is_err(), "a cut line");
        }
        for other in ["", "2026-01-01T00:00:00Z  INFO serving", r#"{"target":"stac_broker","message":"serving"}"#, "[]"]
        {
            assert_eq!(Line::read(other), Ok(None), "{other}");
        }
        for broken in [r#"{"target":"access","message":"search"}"#, r#"{"target":"access","message":"unknown"}"#, "{"] {
            assert!(Line::read(broken).is_err(), "{broken}");
        }
    }
}
