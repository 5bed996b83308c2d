//! Members' documents made regular (`processes.md` 2): statusInfo, the answer to an asynchronous execution, and the
//! addresses in results.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::job::JobPath;
use super::rewrite::Outbound;
use super::splice::{self, Rewrite};

/// Statuses of the standard (18-062r2, statusCode.yaml).
const STATUSES: [&str; 5] = [ACCEPTED, "running", "successful", "failed", "dismissed"];
const ACCEPTED: &str = "accepted";
/// A job that waits for its start, in the draft of version 2: to others it is accepted.
const CREATED: &str = "created";
/// Where a job id stands in documents of members, in the order in which it is believed.
const ID_NAMES: [&str; 3] = ["jobID", "id", "jobId"];
/// Links of one document; further ones are left out.
const LINKS_MAX: usize = 200;
const RESULTS: &str = "http://www.opengis.net/def/rel/ogc/1.0/results";

/// A job as it is shown: its public id and where it is.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub id: &'a str,
    pub path: &'a JobPath,
    pub out: Outbound<'a>,
}

impl Shown<'_> {
    fn href(&self) -> String {
        format!("{}/jobs/{}", self.out.face.base, self.id)
    }

    /// Where the member itself has the job.
    fn upstream(&self) -> String {
        format!("{}/{}", self.out.processes.url.as_str().trim_end_matches('/'), self.path.as_str())
    }

    /// The links that lead to the job, first at the broker, then at the member.
    fn own_links(&self) -> Vec<Value> {
        let link = |rel: &str, href: String, title: &str| json!({"rel": rel, "href": href, "type": "application/json", "title": title});
        let at = format!("The job at {}", self.out.member.id);
        vec![link("self", self.href(), "This job"), link("via", self.upstream(), &at)]
    }
}

/// The job id in a member's document.
#[must_use]
pub fn job_id(document: &Value) -> Option<&str> {
    ID_NAMES.iter().find_map(|name| document.get(name)?.as_str()).filter(|id| !id.is_empty())
}

/// A status in the words of the standard; `None` where a member says another: clients could not read it.
#[must_use]
pub fn status(document: &Value) -> Option<&'static str> {
    let given = document.get("status")?.as_str()?.trim();
    if given.eq_ignore_ascii_case(CREATED) {
        return Some(ACCEPTED);
    }
    STATUSES.into_iter().find(|status| given.eq_ignore_ascii_case(status))
}

/// A statusInfo as clients see it; `None` when the document is none.
#[must_use]
pub fn status_info(shown: &Shown<'_>, document: Value) -> Option<Map<String, Value>> {
    let status = status(&document)?;
    let Value::Object(mut info) = document else { return None };
    let done = status == "successful";
    info.insert("status".into(), json!(status));
    info.insert("jobID".into(), json!(shown.id));
    for other in ["id", "jobId"] {
        if let Some(id) = info.get_mut(other) {
            *id = json!(shown.id);
        }
    }
    info.insert("type".into(), json!("process"));
    let progress = info.get("progress").and_then(Value::as_f64).filter(|progress| (0.0..=100.0).contains(progress));
    match progress {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
        Some(progress) => drop(info.insert("progress".into(), json!(progress as u8))),
        None => drop(info.shift_remove("progress")),
    }
    if let Some(Value::String(process)) = info.get_mut("processID") {
        *process = process_id(&shown.out, process);
    }
    let given = info.shift_remove("links");
    let mut links = shown.own_links();
    links.extend(given.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(|link| {
        let mut link = link.as_object()?.clone();
        let leads_here = matches!(link.get("rel").and_then(Value::as_str), Some("self" | "via"));
        rewrite_href(&shown.out, &mut link);
        (!leads_here).then_some(Value::Object(link))
    }));
    if done && !links.iter().any(|link| link["rel"] == RESULTS) {
        links.push(json!({"rel": RESULTS, "href": format!("{}/results", shown.href()), "title": "The results"}));
    }
    links.truncate(LINKS_MAX);
    info.insert("links".into(), Value::Array(links));
    info.insert("federation:backends".into(), json!([shown.out.member.id]));
    Some(info)
}

/// The answer to an asynchronous execution, made anew: members send anything from nothing to another document (row 3).
#[must_use]
pub fn created(shown: &Shown<'_>, document: &Value, process: &str, reason: &str) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("jobID".into(), json!(shown.id));
    info.insert("type".into(), json!("process"));
    info.insert("processID".into(), json!(process));
    info.insert("status".into(), json!(status(document).unwrap_or(ACCEPTED)));
    info.insert("links".into(), Value::Array(shown.own_links()));
    info.insert("federation:backends".into(), json!([shown.out.member.id]));
    info.insert("federation:reason".into(), json!(reason));
    info
}

/// What a dismissal is answered with, whatever the member sent.
#[must_use]
pub fn dismissed(shown: &Shown<'_>, document: Value) -> Map<String, Value> {
    let mut document = if document.is_object() { document } else { json!({}) };
    document["status"] = json!("dismissed");
    status_info(shown, document).unwrap_or_default()
}

/// The public id of a process, in the kind received: plain, or an address (row 6).
fn process_id(out: &Outbound<'_>, given: &str) -> String {
    if given.contains("://") { out.href(given).unwrap_or_else(|| given.to_owned()) } else { (out.process_id)(given) }
}

fn rewrite_href(out: &Outbound<'_>, link: &mut Map<String, Value>) {
    if let Some(Value::String(href)) = link.get_mut("href")
        && let Some(own) = out.href(href)
    {
        *href = own;
    }
}

/// A results document with the addresses in it rewritten, byte for byte the same elsewhere; `None` when nothing changes.
#[must_use]
pub fn results(out: &Outbound<'_>, body: &Bytes) -> Option<Vec<u8>> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let mut changes = Vec::new();
    hrefs(&document, "", HREF_DEPTH_MAX, &mut |pointer, href| {
        if let Some(after) = out.href(href) {
            changes.push(Rewrite { pointer, before: href.to_owned(), after });
        }
    });
    if changes.is_empty() { None } else { splice::replace(body, &changes) }
}

/// How deep results by reference stand: `/outputs/0/value/href` is the deepest form seen.
const HREF_DEPTH_MAX: usize = 3;

/// Every `href` of an output: `/href`, `/{output}/href`, `/{output}/{n}/href`, `/outputs/{n}/value/href`.
fn hrefs(value: &Value, pointer: &str, depth: usize, found: &mut impl FnMut(String, &str)) {
    if let Some(href) = value.get("href").and_then(Value::as_str) {
        found(format!("{pointer}/href"), href);
    }
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                hrefs(value, &format!("{pointer}/{key}"), depth - 1, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                hrefs(value, &format!("{pointer}/{index}"), depth - 1, found);
            }
        }
        _ => {}
    }
}

/// One output of a results document, in the forms seen: a map of outputs, a list below `outputs`, a single output.
/// The value itself in all of them, without what qualifies it (18-062r2, 7.11.2.3).
#[must_use]
pub fn output<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    let value_of = |output: &'a Value| output.get("value").unwrap_or(output);
    if let Some(list) = document.get("outputs").and_then(Value::as_array) {
        return list.iter().find(|output| output["id"] == name).map(value_of);
    }
    if document["id"] == name && document.get("value").is_some() {
        return document.get("value");
    }
    document.as_object()?.get(name).map(value_of)
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
