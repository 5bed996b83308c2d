//! `/collections` and `/collections/{id}`, written from the view: a list is never a fan-out.
//!
//! Pages go on after the id of the last Collection given, so a list that changes between pages neither repeats nor loses
//! what was there before.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::broker::Snapshot;
use crate::collections::ids::Named;
use crate::collections::{CollectionHrefs, Entry, Lookup, write_merged};
use crate::federation::MemberId;

use super::door::Call;
use super::features::link;
use super::items::cut;
use super::links::Links;
use super::params;
use super::problem::Problem;
use super::respond::{self, JSON, Keep};

/// Collections of one page; several clients read the first page only, so it is large.
const PAGE_MAX: usize = 1000;
/// Longest token that is looked at: an exposed id of 1,000 bytes.
const TOKEN_MAX: usize = 1400;
/// Parameters of Collection Search that would change the answer; without them it would be a wrong one.
const NOT_YET: &[&str] = &["q", "filter", "filter-lang", "filter-crs", "query"];
/// Seconds for which others may keep a complete list.
const KEEP_S: u32 = 60;

/// `GET /collections`
pub async fn list(Extension(call): Extension<Call>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let asked = Asked::of(&params::pairs(&query), &call.snapshot)?;
    let entries = || call.snapshot.view.members.iter().flat_map(|view| &view.entries);
    let after = |entry: &&Arc<Entry>| asked.after.as_ref().is_none_or(|last| is_after(&call.snapshot, entry, last));
    let mut rest = entries().filter(after);
    let page: Vec<&Arc<Entry>> = rest.by_ref().take(asked.limit).collect();
    let is_last = rest.next().is_none();

    let href = call.links.to("/collections");
    let mut links = vec![
        link("self", &params::with_query(&href, &query), JSON),
        link("root", &call.links.root(), JSON),
        link("parent", &call.links.root(), JSON),
    ];
    if let Some(last) = page.last().filter(|_| !is_last) {
        let token = URL_SAFE_NO_PAD.encode(&last.exposed_id);
        let next = params::with_token(&href, &query, &token);
        links.push(json!({ "rel": "next", "href": next, "type": JSON, "method": "GET" }));
    }

    let mut out = Vec::with_capacity(page.iter().map(|entry| entry.document.len() + 1024).sum::<usize>() + 1024);
    out.extend_from_slice(br#"{"collections":["#);
    for (place, entry) in page.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(entry, &call, &mut out);
    }
    let missing = missing(&call.snapshot);
    let mut end = json!({ "links": links, "numberMatched": entries().count(), "numberReturned": page.len() });
    if !missing.is_empty() {
        end["federation:missing"] = json!(missing);
    }
    out.extend_from_slice(b"],");
    // The rest of the object, without its opening brace.
    out.extend_from_slice(&end.to_string().as_bytes()[1..]);
    let mut response = respond::document(JSON, out, Keep::For(KEEP_S));
    respond::say_missing(&mut response, missing.iter().map(|id| id.as_str()));
    Ok(response)
}

/// `GET /collections/{id}`
pub async fn one(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let given = params::segments(path)?;
    let snapshot = &call.snapshot;
    let mut out = Vec::new();
    match snapshot.view.lookup(&snapshot.ids, &snapshot.federation, &given) {
        Lookup::One(entry) => write(&entry, &call, &mut out),
        Lookup::Many(entries) => write_bare(&given, &entries, &call.links, &mut out),
        Lookup::None => return Err(unknown(snapshot, &given)),
    }
    Ok(respond::document(JSON, out, Keep::For(KEEP_S)))
}

/// Why a collection is not there: the reason helps more than the status.
fn unknown(snapshot: &Snapshot, given: &str) -> Problem {
    let (member, native) = match snapshot.ids.parse(given) {
        Named::Qualified { member, native } => (Some(member), native),
        Named::Bare(bare) => (None, bare),
    };
    let mut views = snapshot.view.members.iter().filter(|view| member.as_ref().is_none_or(|id| *id == view.member));
    let quarantined = views.clone().any(|view| view.quarantined.iter().any(|one| one.native_id == native));
    let unread = views.any(|view| view.known == crate::collections::Known::Unknown);
    let given = cut(given);
    Problem::not_found(if quarantined {
        format!(
            "collection `{given}` is searched but not listed, because its document is not valid; see `/federation/members`"
        )
    } else if unread {
        format!(
            "no collection `{given}` is listed; a member that may have it could not be read in full, see `/federation/members`"
        )
    } else {
        format!("no collection `{given}`")
    })
}

fn write(entry: &Entry, call: &Call, out: &mut Vec<u8>) {
    let declared = call.snapshot.federation.member(entry.member.as_str());
    let canonical = declared.map(|member| Links::member_collection(&member.url, &entry.native_id));
    let hrefs = CollectionHrefs {
        id: &entry.exposed_id,
        self_href: &call.links.collection(&entry.exposed_id),
        root_href: &call.links.root(),
        items_href: &call.links.items(&entry.exposed_id),
        canonical: canonical.as_deref(),
        backends: &[entry.member.as_str()],
    };
    entry.write(&hrefs, out);
}

/// The merged view of one bare id.
fn write_bare(id: &str, entries: &[Arc<Entry>], links: &Links, out: &mut Vec<u8>) {
    let backends: Vec<&str> = entries.iter().map(|entry| entry.member.as_str()).collect();
    let hrefs = CollectionHrefs {
        id,
        self_href: &links.collection(id),
        root_href: &links.root(),
        items_href: &links.items(id),
        canonical: None,
        backends: &backends,
    };
    write_merged(entries, &hrefs, out);
}

/// Members whose part of the list is absent or older than it should be.
fn missing(snapshot: &Snapshot) -> Vec<&MemberId> {
    let parts = snapshot.view.members.iter().filter(|view| view.read_at.is_none() || view.stale);
    parts.map(|view| &view.member).collect()
}

/// Where a list goes on: the last Collection given, as the place of its member in the file and its own id.
type Last = (usize, String);

/// Order of the list: members as in the file, their Collections by id.
fn is_after(snapshot: &Snapshot, entry: &Entry, last: &Last) -> bool {
    let place = snapshot.view.members.iter().position(|view| view.member == entry.member);
    place.is_some_and(|place| (place, entry.native_id.as_str()) > (last.0, last.1.as_str()))
}

/// The parameters of the list.
#[derive(Debug)]
struct Asked {
    limit: usize,
    after: Option<Last>,
}

impl Asked {
    fn of(pairs: &[(String, String)], snapshot: &Snapshot) -> Result<Self, Problem> {
        let mut asked = Self { limit: PAGE_MAX, after: None };
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => asked.limit = limit(value)?,
                "token" => asked.after = Some(last(value, snapshot)?),
                name if NOT_YET.contains(&name) => {
                    return Err(Problem::invalid(format!(
                        "`{name}` is not supported by this release on `/collections`"
                    )));
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

fn limit(value: &str) -> Result<usize, Problem> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Digits that do not fit are a large number, and large numbers are clamped.
    let limit = if digits { value.parse().unwrap_or(usize::MAX) } else { 0 };
    if limit == 0 {
        return Err(Problem::invalid(format!("`limit` is `{}`; accepted: a whole number of at least 1", cut(value))));
    }
    Ok(limit.min(PAGE_MAX))
}

fn last(token: &str, snapshot: &Snapshot) -> Result<Last, Problem> {
    let read = || {
        let bytes = (token.len() <= TOKEN_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
        let id = String::from_utf8(bytes).ok()?;
        let Named::Qualified { member, native } = snapshot.ids.parse(&id) else { return None };
        let place = snapshot.view.members.iter().position(|view| view.member == member)?;
        Some((place, native))
    };
    read().ok_or_else(|| Problem::invalid_cursor("`token` is not one that `/collections` gave out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_clamped_and_nonsense_is_refused() {
        assert_eq!(limit("7").unwrap(), 7);
        assert_eq!(limit("1000000").unwrap(), PAGE_MAX);
        assert_eq!(limit("99999999999999999999999").unwrap(), PAGE_MAX);
        for bad in ["0", "-1", "", "1.5", "+1", "ten"] {
            assert_eq!(limit(bad).unwrap_err().code, "InvalidParameter", "{bad}");
        }
    }
}
