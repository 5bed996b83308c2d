//! `/collections` and `/collections/{id}`, written from the view: a list is never a fan-out.
//!
//! Which Collections a page has is decided by Collection Search; without parameters it finds all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use chrono::Utc;
use http::header;
use serde_json::json;
use tracing::error;

use crate::broker::Snapshot;
use crate::collections::search::{self, Found};
use crate::collections::{Behind, CollectionHrefs, Entry, HolderHrefs, Lookup, write_merged};
use crate::federation::{self, MemberId};

use super::collection_search::Asked;
use super::door::Call;
use super::features::link;
use super::items::cut;
use super::links::Links;
use super::params;
use super::problem::Problem;
use super::queryables::{OF_COLLECTIONS, QUERYABLES_REL, SORTABLES_REL};
use super::respond::{self, JSON, Keep, SCHEMA};
use super::stale::Stale;

/// How long a condition may be looked for in all Collections; usual ones take a few milliseconds.
const FILTER_TIME: Duration = Duration::from_secs(2);
/// Seconds for which others may keep a complete list.
const KEEP_S: u32 = 60;

/// `GET /collections`
pub async fn list(Extension(call): Extension<Call>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let asked = Asked::of(&params::pairs(&query), &call.snapshot)?;
    let found = found(&call, &asked).await?;

    let href = call.links.to("/collections");
    let mut links = vec![
        link("self", &params::with_query(&href, &query), JSON),
        link("root", &call.links.root(), JSON),
        link("parent", &call.links.root(), JSON),
        link(QUERYABLES_REL, &call.links.to(OF_COLLECTIONS.0), SCHEMA),
        link(SORTABLES_REL, &call.links.to(OF_COLLECTIONS.1), SCHEMA),
    ];
    if let Some(token) = found.next.and_then(|last| asked.token(last, &call.snapshot)) {
        let next = params::with_token(&href, &query, &token);
        links.push(json!({ "rel": "next", "href": next, "type": JSON, "method": "GET" }));
    }

    let mut out = Vec::with_capacity(found.page.iter().map(|entry| entry.document.len() + 1024).sum::<usize>() + 1024);
    let mut whole = Vec::new();
    out.extend_from_slice(br#"{"collections":["#);
    for (place, entry) in found.page.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match &asked.fields {
            None => write(entry, &call, &mut out),
            Some(fields) => {
                whole.clear();
                write(entry, &call, &mut whole);
                fields.apply_to_collection(&whole, &mut out);
            }
        }
    }
    let mut end = json!({ "links": links, "numberMatched": found.matched, "numberReturned": found.page.len() });
    let missing = mark_missing(&call.snapshot, &mut end);
    out.extend_from_slice(b"],");
    if !asked.ignored.is_empty() {
        end["federation:ignored"] = json!(asked.ignored);
    }
    // The rest of the object, without its opening brace.
    out.extend_from_slice(&end.to_string().as_bytes()[1..]);
    let mut response = respond::document(JSON, out, Keep::For(KEEP_S));
    respond::say_missing(&mut response, missing.iter().map(MemberId::as_str));
    Ok(response)
}

/// A condition can be dear, and then it must not hold up other requests.
async fn found(call: &Call, asked: &Asked) -> Result<Found, Problem> {
    let (snapshot, query, after, limit) =
        (call.snapshot.clone(), asked.query.clone(), asked.after.clone(), asked.limit);
    let is_dear = query.filter.is_some();
    let began = Instant::now();
    let find = move || search::search(&snapshot.view, &query, after.as_ref(), limit, || began.elapsed() < FILTER_TIME);
    let found = if is_dear { tokio::task::spawn_blocking(find).await } else { Ok(find()) };
    let found = found.map_err(|error| {
        error!(%error, "a search of Collections ended in a panic");
        Problem::internal()
    })?;
    found.map_err(|search::Stopped| {
        let seconds = FILTER_TIME.as_secs();
        Problem::invalid(format!(
            "`filter` takes more than {seconds} s over all Collections; accepted: one that is simpler"
        ))
    })
}

/// `GET /collections/{id}`
pub async fn one(
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let given = params::segments(path)?;
    let snapshot = &call.snapshot;
    let mut out = Vec::new();
    let entries = match snapshot.view.lookup(&snapshot.ids, &snapshot.federation, &given) {
        Lookup::One(entry) => {
            write(&entry, &call, &mut out);
            vec![entry]
        }
        Lookup::Many(entries) => {
            write_bare(&given, &entries, &call.links, &mut out);
            entries
        }
        Lookup::None => return Err(unknown(snapshot, &given)),
    };
    let mut response = respond::document(JSON, out, Keep::For(KEEP_S));
    say_age(&call, &entries, &mut response);
    Ok(response)
}

/// Why a collection is not there: the reason helps more than the status.
pub fn unknown(snapshot: &Snapshot, given: &str) -> Problem {
    let named = snapshot.ids.parse(given);
    let natives =
        snapshot.view.members.iter().filter_map(|view| Some((view, snapshot.ids.native(&named, &view.member)?)));
    let quarantined = natives.clone().any(|(view, native)| view.puts_aside(native).is_some());
    let unread = natives.clone().any(|(view, _)| view.known == crate::collections::Known::Unknown);
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

/// The address of a Collection at its member; `None` for what is made of a record, whose address is its `via`.
fn canonical(entry: &Entry, declared: Option<&federation::Member>) -> Option<String> {
    declared.filter(|member| !member.kind.has_records()).map(|member| match member.kind {
        // it has no API whose addresses could be built
        federation::Kind::StaticStac => entry.source(member),
        _ => Links::member_collection(&member.url, &entry.native_id),
    })
}

fn write(entry: &Entry, call: &Call, out: &mut Vec<u8>) {
    if let Some(behind) = &entry.behind {
        return write_shared(entry, behind, call, out);
    }
    let declared = call.snapshot.federation.member(entry.member.as_str());
    let canonical = canonical(entry, declared);
    let has_items = declared.is_none_or(federation::Member::has_items);
    let links = &call.links;
    let [items, queryables, sortables] =
        [Links::items, Links::queryables, Links::sortables].map(|of| has_items.then(|| of(links, &entry.exposed_id)));
    let hrefs = CollectionHrefs {
        id: &entry.exposed_id,
        self_href: &links.collection(&entry.exposed_id),
        root_href: &links.root(),
        items_href: items.as_deref(),
        queryables_href: queryables.as_deref(),
        sortables_href: sortables.as_deref(),
        canonical: canonical.as_deref(),
        backends: &[entry.member.as_str()],
        holders: &[],
        missing: &[],
    };
    entry.write(&hrefs, out);
}

/// A shared Collection, with links to the same at each holder.
fn write_shared(entry: &Entry, behind: &Behind, call: &Call, out: &mut Vec<u8>) {
    let links = &call.links;
    let holder = |own: &Arc<Entry>| {
        let declared = call.snapshot.federation.member(own.member.as_str());
        let title = declared.map_or_else(|| own.member.to_string(), |member| member.title.clone());
        HolderHrefs { title, href: links.collection(&own.exposed_id), source: canonical(own, declared) }
    };
    let holders: Vec<HolderHrefs> = behind.entries.iter().map(holder).collect();
    let backends: Vec<&str> = behind.entries.iter().map(|own| own.member.as_str()).collect();
    let missing: Vec<&str> = behind.missing.iter().map(MemberId::as_str).collect();
    let id = &entry.exposed_id;
    let hrefs = CollectionHrefs {
        id,
        self_href: &links.collection(id),
        root_href: &links.root(),
        items_href: Some(&links.items(id)),
        queryables_href: Some(&links.queryables(id)),
        sortables_href: Some(&links.sortables(id)),
        canonical: None,
        backends: &backends,
        holders: &holders,
        missing: &missing,
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
        items_href: Some(&links.items(id)),
        queryables_href: Some(&links.queryables(id)),
        sortables_href: Some(&links.sortables(id)),
        canonical: None,
        backends: &backends,
        holders: &[],
        missing: &[],
    };
    write_merged(entries, &hrefs, out);
}

/// Names the members whose part of the list is absent or older than it should be.
fn mark_missing(snapshot: &Snapshot, document: &mut serde_json::Value) -> Vec<MemberId> {
    let (mut stale, now) = (Stale::default(), Utc::now());
    snapshot.view.members.iter().for_each(|view| stale.add(&view.member, view.outdated(now)));
    let unread = snapshot.view.members.iter().filter(|view| view.read_at.is_none());
    stale.mark(document, &unread.map(|view| view.member.clone()).collect::<Vec<_>>())
}

/// Says of a Collection from a list that could not be read again how old it is: its members count as missing.
fn say_age(call: &Call, entries: &[Arc<Entry>], response: &mut Response) {
    let now = Utc::now();
    let age = |entry: &Arc<Entry>| call.snapshot.view.member(&entry.member).and_then(|view| view.outdated(now));
    let old = entries.iter().filter_map(|entry| Some((&entry.member, age(entry)?)));
    let old: Vec<(&MemberId, Duration)> = old.collect();
    let Some(oldest) = old.iter().map(|(_, age)| age.as_secs()).max() else { return };
    response.headers_mut().insert(header::AGE, oldest.into());
    respond::say_missing(response, old.iter().map(|(member, _)| member.as_str()));
}
