//! The Items of one collection and one Item: searches with the path as a condition.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use crate::broker::Snapshot;
use crate::collections::ids::Named;
use crate::collections::{Known, Lookup};
use crate::search::report::Report;
use crate::search::{Answer, SearchRequest};

use super::door::{Call, Face};
use super::features::{self, link};
use super::params;
use super::problem::Problem;
use super::respond::{self, GEOJSON, JSON, Keep};
use super::search::{self, Paging};

/// `GET /collections/{id}/items`
pub async fn list(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let given = params::segments(path)?;
    let id = searchable(&call.snapshot, &given)?;
    let query = query.unwrap_or_default();
    // `collections` is redundant here, but clients send it: it may only narrow.
    let (named, pairs): (Vec<_>, Vec<_>) = params::pairs(&query).into_iter().partition(|(key, _)| key == "collections");
    let mut request = SearchRequest::from_query(&pairs, &call.snapshot.federation.limits)?;

    let href = call.links.items(&id);
    let paging = Paging::Get { href: &href, query: &query };
    let more = [link("collection", &call.links.collection(&id), JSON)];
    let Some(collections) = narrowed(|id| call.snapshot.ids.parse(id), &id, &named) else {
        let applied = search::prefer(&mut request, &headers);
        return Ok(search::page(&call, nothing(&request), &request, applied.as_deref(), &paging, &more));
    };
    request.collections = collections;
    search::run(&face, &call, request, &headers, &paging, &more).await
}

/// `GET /collections/{id}/items/{item}`
pub async fn one(
    Extension(call): Extension<Call>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (given, item) = params::segments(path)?;
    let collection = searchable(&call.snapshot, &given)?;
    let mut request = SearchRequest::default();
    let applied = search::prefer(&mut request, &headers);
    let clock = search::clock(&call, request.wait_s);
    let found = crate::search::item(&call.snapshot, &collection, &item, clock).await;
    // No cursor is involved, so there is no link to go on with.
    let found = found.map_err(|error| Problem::of_search(error, |_, _| serde_json::Value::Null))?;
    let Some(one) = found else {
        return Err(Problem::not_found(format!("collection `{}` has no Item `{}`", cut(&given), cut(&item))));
    };
    let bytes = features::one(&one, &call.snapshot, &call.links);
    let mut response = respond::document(GEOJSON, bytes, Keep::Revalidate);
    respond::say_applied(&mut response, applied.as_deref());
    Ok(response)
}

/// The exposed id of a collection whose Items may be asked for: a listed one, or one that no list disproves.
fn searchable(snapshot: &Snapshot, given: &str) -> Result<String, Problem> {
    match snapshot.view.lookup(&snapshot.ids, &snapshot.federation, given) {
        Lookup::One(entry) => Ok(entry.exposed_id.clone()),
        Lookup::Many(_) => Ok(given.to_owned()),
        Lookup::None if may_exist(snapshot, given) => Ok(match snapshot.ids.parse(given) {
            Named::Qualified { member, native } => snapshot.ids.qualified(&member, &native),
            Named::Shared(id) | Named::Bare(id) => id,
        }),
        Lookup::None => Err(Problem::not_found(format!("no collection `{}`", cut(given)))),
    }
}

/// Whether some member may have a collection that is not listed: quarantined, or beyond a list that proves nothing.
fn may_exist(snapshot: &Snapshot, given: &str) -> bool {
    let named = snapshot.ids.parse(given);
    snapshot.view.members.iter().any(|view| {
        let Some(native) = snapshot.ids.native(&named, &view.member) else { return false };
        let declared = snapshot.federation.member(view.member.as_str());
        let seen = declared.is_some_and(|member| member.enabled && member.policy.sees(native));
        seen && (view.puts_aside(native).is_some() || view.known == Known::Unknown)
    })
}

/// The collection of the path, narrowed by a redundant `collections`; `None` when that excludes it.
fn narrowed(parse: impl Fn(&str) -> Named, path: &str, named: &[(String, String)]) -> Option<Vec<String>> {
    let own = parse(path);
    let mut given = named.iter().flat_map(|(_, list)| list.split(',')).filter(|id| !id.is_empty()).peekable();
    if given.peek().is_none() {
        return Some(vec![path.to_owned()]);
    }
    let mut kept: Vec<String> = Vec::new();
    for id in given {
        let both = match (&own, parse(id)) {
            (own, other) if *own == other => path,
            (Named::Qualified { native, .. }, Named::Bare(bare)) if *native == bare => path,
            (Named::Bare(bare), Named::Qualified { native, .. }) if *bare == native => id,
            _ => continue,
        };
        if !kept.iter().any(|known| known == both) {
            kept.push(both.to_owned());
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// The empty, complete answer to a question that excludes itself.
fn nothing(request: &SearchRequest) -> Answer {
    let report = Report { complete: true, ignored: request.ignored.clone(), ..Report::default() };
    Answer { items: Vec::new(), next: None, retry: None, number_matched: Some(0), report }
}

/// A client's value in a message, of readable length.
pub fn cut(given: &str) -> String {
    given.chars().filter(|character| !character.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::MemberId;

    /// As the room `collections` reads ids, for members of one letter.
    fn parse(id: &str) -> Named {
        match id.replace("%7C", "|").split_once('|') {
            Some((member, native)) => Named::Qualified { member: MemberId::new(member), native: native.to_owned() },
            None => Named::Bare(id.to_owned()),
        }
    }

    fn check(path: &str, collections: &[&str]) -> Option<Vec<String>> {
        let named: Vec<_> = collections.iter().map(|list| ("collections".to_owned(), (*list).to_owned())).collect();
        narrowed(parse, path, &named)
    }

    #[test]
    fn a_redundant_collections_parameter_only_narrows() {
        let own = Some(vec!["A|x".to_owned()]);
        assert_eq!(check("A|x", &[]), own);
        assert_eq!(check("A|x", &[""]), own);
        assert_eq!(check("A|x", &["A|x"]), own);
        assert_eq!(check("A|x", &["A%7Cx"]), own);
        assert_eq!(check("A|x", &["x,B|y"]), own);
        assert_eq!(check("A|x", &["B|x"]), None);
        assert_eq!(check("x", &["A|x", "B|x,A|x"]), Some(vec!["A|x".to_owned(), "B|x".to_owned()]));
        assert_eq!(check("x", &["y"]), None);
    }
}
