//! Items -> a `FeatureCollection`, by appending bytes: the hot path of an answer. No document tree is built for an Item.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::broker::Snapshot;
use crate::federation::MemberId;
use crate::members::rewrite::{ItemRewrite, write_item};
use crate::search::fields::Fields;
use crate::search::{Answer, Found, OneItem, Replica};

use super::links::Links;
use super::respond::GEOJSON;

/// What rewriting adds to an Item, at most, in the common case; only a guess for the first allocation.
const ADDED_BYTES: usize = 1024;

/// A link of an answer.
pub fn link(rel: &str, href: &str, media_type: &str) -> Value {
    json!({ "rel": rel, "href": href, "type": media_type })
}

/// Writes Items with the broker's identity and links; remembers what does not change from Item to Item.
pub struct Writer<'a> {
    links: &'a Links,
    root_href: String,
    snapshot: &'a Snapshot,
    /// Bases that each member prints.
    bases: HashMap<MemberId, Vec<String>>,
    /// Exposed id and addresses of the collection of the last Item.
    collection: (String, String),
}

impl<'a> Writer<'a> {
    pub fn new(snapshot: &'a Snapshot, links: &'a Links) -> Self {
        Self { links, root_href: links.root(), snapshot, bases: HashMap::new(), collection: Default::default() }
    }

    /// Appends one Item.
    pub fn item(&mut self, found: &Found, out: &mut Vec<u8>) {
        if self.collection.0 != *found.collection {
            self.collection = (found.collection.to_string(), self.links.collection(&found.collection));
        }
        let snapshot = self.snapshot;
        let bases = self.bases.entry(found.member.clone()).or_insert_with(|| bases(snapshot, &found.member));
        let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
        let others = found.replicas.iter().map(|replica| replica.member.as_str());
        let backends: Vec<&str> = std::iter::once(found.member.as_str()).chain(others).collect();
        let rewrite = ItemRewrite {
            collection: &found.collection,
            self_href: &self.links.item(&found.collection, &found.item.id),
            collection_href: &self.collection.1,
            root_href: &self.root_href,
            member_bases: &bases,
            backends: &backends,
        };
        let start = out.len();
        let dropped = write_item(&found.item, &rewrite, out);
        let replica = |replica: &Replica| {
            json!({ "rel": "alternate", "href": self.links.item(&replica.collection, &found.item.id), "type": GEOJSON,
                "title": replica.member })
        };
        add_links(out, start, &found.replicas.iter().map(replica).collect::<Vec<_>>());
        if dropped > 0 {
            tracing::debug!(member = %found.member, dropped, "hrefs with a dangerous scheme dropped");
        }
    }
}

/// An Item as this federation publishes it where no request names an address: below its public or its listen address.
#[must_use]
pub fn published(snapshot: &Snapshot, found: &Found) -> Vec<u8> {
    let mut out = Vec::with_capacity(found.item.bytes.len() + ADDED_BYTES);
    Writer::new(snapshot, &Links::configured(&snapshot.federation)).item(found, &mut out);
    out
}

/// The configured landing page of a member and its further bases, without trailing slashes.
fn bases(snapshot: &Snapshot, member: &MemberId) -> Vec<String> {
    let declared = snapshot.federation.member(member.as_str());
    // what is made of a record has no address of its own at the member; the record's is its `via`
    let Some(declared) = declared.filter(|member| !member.kind.has_records()) else { return Vec::new() };
    let base = declared.base();
    let urls = std::iter::once(&base).chain(&declared.aliases);
    urls.map(|url| url.as_str().trim_end_matches('/').to_owned()).collect()
}

/// One page as a `FeatureCollection`.
pub fn collection(
    answer: &Answer,
    snapshot: &Snapshot,
    links: &Links,
    fields: Option<&Fields>,
    page_links: &[Value],
) -> Vec<u8> {
    let expected: usize = answer.items.iter().map(|found| found.item.bytes.len() + ADDED_BYTES).sum();
    let mut out = Vec::with_capacity(expected + 4 * ADDED_BYTES);
    let mut writer = Writer::new(snapshot, links);
    let mut whole = Vec::new();
    out.extend_from_slice(br#"{"type":"FeatureCollection","features":["#);
    for (place, found) in answer.items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match fields {
            None => writer.item(found, &mut out),
            Some(fields) => {
                whole.clear();
                writer.item(found, &mut whole);
                fields.apply(&whole, &mut out);
            }
        }
    }
    out.push(b']');
    member(&mut out, "links", &json!(page_links));
    member(&mut out, "numberReturned", &json!(answer.items.len()));
    if let Some(matched) = answer.number_matched {
        member(&mut out, "numberMatched", &json!(matched));
    }
    let missing = answer.report.missing();
    if !missing.is_empty() {
        member(&mut out, "federation:missing", &json!(missing));
    }
    member(&mut out, "federation:report", &json!(answer.report));
    out.push(b'}');
    out
}

/// Appends `,"name":value` to an open JSON object.
fn member(out: &mut Vec<u8>, name: &str, value: &Value) {
    out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
}

/// One Item alone: its links name the other collections that have it.
pub fn one(one: &OneItem, snapshot: &Snapshot, links: &Links) -> Vec<u8> {
    let mut out = Vec::with_capacity(one.found.item.bytes.len() + ADDED_BYTES);
    Writer::new(snapshot, links).item(&one.found, &mut out);
    let alternate = |id: &std::sync::Arc<str>| link("alternate", &links.item(id, &one.found.item.id), GEOJSON);
    let more: Vec<Value> = one.alternates.iter().map(alternate).collect();
    add_links(&mut out, 0, &more);
    out
}

#[derive(serde::Deserialize)]
struct Linked<'a> {
    #[serde(borrow)]
    links: &'a serde_json::value::RawValue,
}

/// Puts links before those of an Item that was written from `start` on; everything else stays as it is.
fn add_links(out: &mut Vec<u8>, start: usize, more: &[Value]) {
    if more.is_empty() {
        return;
    }
    let Ok(linked) = serde_json::from_slice::<Linked>(&out[start..]) else { return };
    let text = linked.links.get();
    let Some(inside) = text.strip_prefix('[') else { return };
    let is_empty = inside.trim_start().starts_with(']');
    // The raw value borrows from the Item: its place is the distance of the two starts.
    let at = text.as_ptr() as usize - out.as_ptr() as usize + 1;
    let written = more.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
    let written = if is_empty { written } else { format!("{written},") };
    out.splice(at..at, written.into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(item: &str, more: &[Value]) -> String {
        let mut bytes = item.as_bytes().to_vec();
        add_links(&mut bytes, 0, more);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn links_are_added_and_nothing_else_changes() {
        let more = [json!({ "rel": "alternate" })];
        let item = r#"{"id":"a","n":1.10,"links": [ {"rel":"self"}],"z":0}"#;
        let expected = r#"{"id":"a","n":1.10,"links": [{"rel":"alternate"}, {"rel":"self"}],"z":0}"#;
        assert_eq!(added(item, &more), expected);
        assert_eq!(added(r#"{"links":[ ]}"#, &more), r#"{"links":[{"rel":"alternate"} ]}"#);
        assert_eq!(added(r#"{"links":[]}"#, &[]), r#"{"links":[]}"#);
        assert_eq!(added(r#"{"no":1}"#, &more), r#"{"no":1}"#);
    }
}
