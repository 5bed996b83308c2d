//! What a `filter` can name and a `sortby` can sort by, as JSON Schemas: of all Items, of one Collection's, and of
//! Collections themselves (`stac-api.md` 5.8).
//!
//! Any other property can be named in a `filter` too and is then null where an Item lacks it, so the schemas of
//! queryables allow more than they list; those of sortables do not, since any other field is refused.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::collections::queryables::{Offered, Said, Schema, common, minimum};
use crate::collections::search::{self, Kind};
use crate::collections::{Entry, Lookup};
use crate::federation::MemberId;
use crate::search::request::{Invalid, SearchRequest, sortables as all_sortables};

use super::collections::unknown;
use super::door::{Call, Face};
use super::params;
use super::problem::Problem;
use super::respond::{self, Keep, SCHEMA};
use super::stale::Stale;

/// Relations of OGC API - Features - Parts 3 and 5.
pub const QUERYABLES_REL: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
pub const SORTABLES_REL: &str = "http://www.opengis.net/def/rel/ogc/1.0/sortables";
/// Those of Collection Search; other paths than those of Items, as its specification asks.
pub const OF_COLLECTIONS: (&str, &str) = ("/collections-queryables", "/collections-sortables");

/// Seconds for which others may keep a schema.
const KEEP_S: u32 = 300;
/// Collections of a search whose lists are looked into for a sort key that no member lists for all it has.
const COLLECTIONS_READ_MAX: usize = 20;
/// What holds of every list of queryables.
const MORE: &str = "Other properties can be named too; where an Item lacks one, the condition on it is unknown.";

/// `GET /queryables`
pub async fn all(State(face): State<Arc<Face>>, Extension(call): Extension<Call>) -> Response {
    let offered = face.queryables.of_members(&call.snapshot.federation, &call.snapshot.members).await;
    let known = Known::of(offered);
    let schema = common(&known.schemas).under(minimum(&[]));
    let about = "Properties that conditions on Items can name, whichever member holds them.";
    known.answer(&call.links.to("/queryables"), &call.snapshot.federation.title, about, &schema)
}

/// `GET /collections/{id}/queryables`
pub async fn of_collection(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (id, entries) = found(&call, path)?;
    let offered = face.queryables.of_collection(&call.snapshot.federation, &call.snapshot.members, &entries).await;
    let known = Known::of(offered);
    let shared = call.snapshot.ids.shared(&id).map(|shared| vec![shared.id.as_str()]);
    let ids = shared.unwrap_or_else(|| entries.iter().map(|entry| entry.exposed_id.as_str()).collect());
    let schema = common(&known.schemas).under(minimum(&ids));
    let about = "Properties that conditions on Items of this Collection can name.";
    Ok(known.answer(&call.links.queryables(&id), &id, about, &schema))
}

/// `GET /sortables`
pub async fn sortables(State(face): State<Arc<Face>>, Extension(call): Extension<Call>) -> Response {
    let offered = face.queryables.of_members(&call.snapshot.federation, &call.snapshot.members).await;
    sortables_at(&call.links.to("/sortables"), &call.snapshot.federation.title, &Known::of(offered))
}

/// `GET /collections/{id}/sortables`
pub async fn sortables_of_collection(
    State(face): State<Arc<Face>>,
    Extension(call): Extension<Call>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (id, entries) = found(&call, path)?;
    let offered = face.queryables.of_collection(&call.snapshot.federation, &call.snapshot.members, &entries).await;
    Ok(sortables_at(&call.links.sortables(&id), &id, &Known::of(offered)))
}

/// Settles what the sort keys of a search are that only members can tell; asks nobody for those that STAC defines, and
/// on a later page, whose cursor has them.
///
/// # Errors
/// A field that no member lists.
pub async fn declare_keys(face: &Face, call: &Call, request: &mut SearchRequest) -> Result<(), Invalid> {
    if request.token.is_some() || !request.has_undefined_key() {
        return Ok(());
    }
    let snapshot = &call.snapshot;
    let mut known = Known::of(face.queryables.of_members(&snapshot.federation, &snapshot.members).await);
    let lookup = |given: &String| match snapshot.view.lookup(&snapshot.ids, &snapshot.federation, given) {
        Lookup::One(entry) => vec![entry],
        Lookup::Many(entries) => entries,
        Lookup::None => Vec::new(),
    };
    let named: Vec<Arc<Entry>> = request.collections.iter().take(COLLECTIONS_READ_MAX).flat_map(lookup).collect();
    let offered = face.queryables.of_collection(&snapshot.federation, &snapshot.members, &named).await;
    let of_collections = Known::of(offered);
    let all = known.missing.is_empty() && of_collections.missing.is_empty();
    known.schemas.extend(of_collections.schemas);
    request.declare_keys(&known.schemas, all && request.collections.len() <= COLLECTIONS_READ_MAX)
}

/// `GET /collections-queryables`
pub async fn for_collections(Extension(call): Extension<Call>) -> Response {
    let property = |(name, kind, about): (&str, Kind, &str)| (name.to_owned(), described(name, kind, about));
    let properties = search::QUERYABLES.into_iter().map(property).collect();
    let about = "Properties that a `filter` on `/collections` can name. Any other member of a Collection, and each of \
                 its summaries, can be named too; where a Collection lacks it, the condition on it is unknown. Always \
                 null are `type`, `links`, `assets`, `item_assets`, `extent`, `summaries` and `providers`.";
    let href = call.links.to(OF_COLLECTIONS.0);
    respond::document(SCHEMA, schema(&href, "Collections", about, &properties, true).to_string(), Keep::For(KEEP_S))
}

/// `GET /collections-sortables`
pub async fn sortables_for_collections(Extension(call): Extension<Call>) -> Response {
    let of = |name: &str| search::QUERYABLES.into_iter().find(|(known, ..)| *known == name);
    let property = |name: &str| match of(name) {
        // An extent is sorted by its start.
        Some((_, Kind::Interval, _)) => described(name, Kind::Time, "Start of the temporal extent"),
        Some((_, kind, about)) => described(name, kind, about),
        None => json!({}),
    };
    let properties = search::SORTABLES.into_iter().map(|name| (name.to_owned(), property(name))).collect();
    let href = call.links.to(OF_COLLECTIONS.1);
    let about = "Fields that `sortby` on `/collections` accepts.";
    respond::document(SCHEMA, schema(&href, "Collections", about, &properties, false).to_string(), Keep::For(KEEP_S))
}

fn sortables_at(href: &str, title: &str, known: &Known) -> Response {
    let properties = all_sortables(&known.schemas);
    let mut about = "Fields that `sortby` accepts. An Item that lacks one comes last, in both directions. Texts are \
                     ordered by their bytes: a member that is not known to do the same is missing from a search that \
                     is sorted by text, and named in its answer."
        .to_owned();
    if !known.missing.is_empty() {
        let names = known.missing.iter().map(MemberId::as_str).collect::<Vec<_>>().join(", ");
        about = format!("{about} Could not be read just now, and may have more: {names}.");
    }
    let mut schema = schema(href, title, &about, &properties, false);
    if !known.missing.is_empty() {
        schema["federation:missing"] = json!(known.missing);
    }
    let mut response = respond::document(SCHEMA, schema.to_string(), Keep::For(KEEP_S));
    respond::say_missing(&mut response, known.missing.iter().map(MemberId::as_str));
    response
}

/// The exposed id that a path names, and the listed Collections behind it.
fn found(call: &Call, path: Result<Path<String>, PathRejection>) -> Result<(String, Vec<Arc<Entry>>), Problem> {
    let given = params::segments(path)?;
    let snapshot = &call.snapshot;
    match snapshot.view.lookup(&snapshot.ids, &snapshot.federation, &given) {
        Lookup::One(entry) => Ok((entry.exposed_id.clone(), entry.parts())),
        Lookup::Many(entries) => Ok((given, entries)),
        Lookup::None => Err(unknown(snapshot, &given)),
    }
}

/// A queryable of Collections.
fn described(name: &str, kind: Kind, about: &str) -> Value {
    let mut schema = json!({ "title": name, "description": about });
    let more = match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Interval => json!({ "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": ["string", "null"], "format": "date-time" } }),
        Kind::Geometry => json!({ "format": "geometry-multipolygon" }),
    };
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
    schema
}

fn schema(href: &str, title: &str, about: &str, properties: &Map<String, Value>, additional: bool) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": href,
        "title": title,
        "description": about,
        "type": "object",
        "properties": properties,
        "additionalProperties": additional,
    })
}

/// What the asked members said.
struct Known {
    schemas: Vec<Schema>,
    /// Members that have no queryables.
    silent: Vec<MemberId>,
    /// Members that could not be asked.
    missing: Vec<MemberId>,
    /// Members that could not be asked again.
    stale: Stale,
}

impl Known {
    fn of(all: Vec<Said>) -> Self {
        let mut known = Self { schemas: Vec::new(), silent: Vec::new(), missing: Vec::new(), stale: Stale::default() };
        for Said { member, offered, outdated } in all {
            known.stale.add(&member, outdated);
            match offered {
                Offered::Schema(schema) => known.schemas.push(schema),
                Offered::Nothing => known.silent.push(member),
                Offered::Unread => known.missing.push(member),
            }
        }
        known
    }

    fn answer(&self, href: &str, title: &str, about: &str, properties: &Schema) -> Response {
        let names = |members: &[MemberId]| members.iter().map(MemberId::as_str).collect::<Vec<_>>().join(", ");
        let mut about = about.to_owned();
        if self.schemas.is_empty() {
            about.push_str(" Listed is what every Item has.");
        } else if self.schemas.len() > 1 {
            about.push_str(" Listed is what all members that have a list of their own offer.");
        }
        if !self.silent.is_empty() {
            about = format!("{about} Without a list of their own: {}.", names(&self.silent));
        }
        if !self.missing.is_empty() {
            about = format!("{about} Could not be read just now: {}.", names(&self.missing));
        }
        about = format!("{about} {MORE}");
        let mut schema = schema(href, title, &about, &properties.0, true);
        let missing = self.stale.mark(&mut schema, &self.missing);
        let mut response = respond::document(SCHEMA, schema.to_string(), Keep::For(KEEP_S));
        respond::say_missing(&mut response, missing.iter().map(MemberId::as_str));
        response
    }
}
