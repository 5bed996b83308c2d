//! Catalogs that hold Items and no Collection: each is listed as a Collection made of it.
//!
//! Its Items name it as theirs, so clients look for it in the list and at its address, and searches name it. What is made
//! is what is known: the Catalog's own words, and the extent of the Items that were read. Pure.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::Url;

use super::document::Named;
use super::{Documents, What};
use crate::federation::interval::text;
use crate::members::Item;
use crate::members::harvest::Harvested;

/// Catalogs that an admin is told of by name.
const TOLD_MAX: usize = 3;

/// Adds the Collections that Items name and no document is.
pub fn complete(found: &mut Harvested<Documents>, collections: &HashSet<Box<str>>, root: &Url) {
    let mut held: BTreeMap<&str, Extent> = BTreeMap::new();
    for item in &found.items {
        if !collections.contains(&*item.collection) {
            held.entry(&item.collection).or_default().widen(item);
        }
    }
    // Of several Catalogs with one id the first by address speaks for all.
    let mut catalogs: BTreeMap<&str, (&str, &Named)> = BTreeMap::new();
    for (key, document) in &found.kept.0 {
        if let What::Catalog(named) = &document.what
            && catalogs.get(&*named.id).is_none_or(|(first, _)| key.as_str() < *first)
        {
            catalogs.insert(&named.id, (key, named));
        }
    }
    let made: Vec<(String, Bytes)> = held
        .into_iter()
        .filter_map(|(id, extent)| {
            let (key, named) = catalogs.get(id).filter(|_| !id.is_empty())?;
            Some((id.to_owned(), collection(named, address(root, key).as_ref(), &extent)))
        })
        .collect();
    if made.is_empty() {
        return;
    }
    let names: Vec<&str> = made.iter().take(TOLD_MAX).map(|(id, _)| id.as_str()).collect();
    let more = if made.len() > TOLD_MAX { format!(" and {} more", made.len() - TOLD_MAX) } else { String::new() };
    let note =
        format!("Catalogs that hold Items and no Collection are listed as Collections: `{}`{more}", names.join("`, `"));
    found.notes.push(note);
    found.collections.extend(made.into_iter().map(|(_, bytes)| bytes));
}

/// A key is the path and query of its document, below the origin of the root.
fn address(root: &Url, key: &str) -> Option<Url> {
    root.join(key).ok()
}

fn collection(named: &Named, address: Option<&Url>, extent: &Extent) -> Bytes {
    let links: Vec<Value> = address
        .map(|url| json!({ "rel": "self", "href": url.as_str(), "type": "application/json" }))
        .into_iter()
        .collect();
    let mut collection = json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": named.id,
        "description": named.description.as_ref().or(named.title.as_ref()).unwrap_or(&named.id),
        "license": "other",
        "extent": extent.to_json(),
        "links": links,
    });
    if let Some(title) = &named.title {
        collection["title"] = json!(title);
    }
    collection.to_string().into()
}

/// Where and when Items are.
#[derive(Debug, Default)]
struct Extent {
    /// West, south, east, north.
    bbox: Option<[f64; 4]>,
    /// One of them crosses the antimeridian, or is nowhere that is known: all of it is everywhere.
    is_everywhere: bool,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Extent {
    fn widen(&mut self, item: &Arc<Item>) {
        match item.bbox() {
            Some(own) if own.west <= own.east => {
                let [west, south, east, north] = self.bbox.unwrap_or([own.west, own.south, own.east, own.north]);
                let corners = [west.min(own.west), south.min(own.south), east.max(own.east), north.max(own.north)];
                self.bbox = Some(corners);
            }
            _ => self.is_everywhere = true,
        }
        let times = [item.times.datetime, item.times.start, item.times.end];
        let (first, last) = (times.iter().flatten().min(), times.iter().flatten().max());
        self.from = [self.from, first.copied()].into_iter().flatten().min();
        self.to = [self.to, last.copied()].into_iter().flatten().max();
    }

    fn to_json(&self) -> Value {
        let bbox = self.bbox.filter(|_| !self.is_everywhere).unwrap_or([-180.0, -90.0, 180.0, 90.0]);
        json!({
            "spatial": { "bbox": [bbox] },
            "temporal": { "interval": [[self.from.map(text), self.to.map(text)]] },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::harvest::fetch::Validators;
    use crate::members::static_stac::{Document, Facts};

    fn item(collection: &str, bbox: &str, datetime: &str) -> Arc<Item> {
        let text = format!(
            r#"{{"type":"Feature","id":"i","collection":"{collection}","geometry":null,{bbox}"properties":{{"datetime":"{datetime}"}}}}"#
        );
        Arc::new(Item::new(text).unwrap())
    }

    fn catalog(id: &str, title: Option<&str>, description: Option<&str>) -> Document {
        let named = Named { id: id.into(), title: title.map(Into::into), description: description.map(Into::into) };
        let facts =
            Facts { validators: Validators::default(), hash: 0, bytes: 0, moved_to: None, links: Box::default() };
        Document { what: What::Catalog(Box::new(named)), facts }
    }

    fn completed(documents: &[(&str, Document)], items: Vec<Arc<Item>>) -> (Vec<Value>, Vec<String>) {
        let kept = Documents(documents.iter().map(|(key, document)| ((*key).to_owned(), document.clone())).collect());
        let mut found = Harvested { items, kept, ..Harvested::default() };
        let root = Url::parse("https://a.example/cat/catalog.json").unwrap();
        complete(&mut found, &HashSet::from(["real".into()]), &root);
        (found.collections.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect(), found.notes)
    }

    #[test]
    fn a_catalog_with_items_is_listed_with_their_extent() {
        let documents = [
            ("/cat/b/catalog.json", catalog("bare", Some("Bare"), Some("Items of a Catalog"))),
            ("/cat/c/catalog.json", catalog("bare", None, Some("another of that name"))),
            ("/cat/catalog.json", catalog("root", None, None)),
        ];
        let items = vec![
            item("bare", "\"bbox\":[1,2,3,4],", "2020-01-01T00:00:00Z"),
            item("bare", "\"bbox\":[-5,3,2,9],", "2021-06-01T00:00:00Z"),
            item("real", "\"bbox\":[90,0,91,1],", "1999-01-01T00:00:00Z"),
            item("nobody", "", "1999-01-01T00:00:00Z"),
        ];
        let (made, notes) = completed(&documents, items);
        let wanted = json!({
            "type": "Collection", "stac_version": "1.1.0", "id": "bare", "title": "Bare",
            "description": "Items of a Catalog", "license": "other",
            "extent": {
                "spatial": { "bbox": [[-5.0, 2.0, 3.0, 9.0]] },
                "temporal": { "interval": [["2020-01-01T00:00:00Z", "2021-06-01T00:00:00Z"]] },
            },
            "links": [{ "rel": "self", "href": "https://a.example/cat/b/catalog.json", "type": "application/json" }],
        });
        assert_eq!(made, [wanted]);
        assert_eq!(notes, ["Catalogs that hold Items and no Collection are listed as Collections: `bare`"]);
    }

    #[test]
    fn what_is_nowhere_or_crosses_the_antimeridian_is_everywhere() {
        for bbox in ["", "\"bbox\":[170,0,-170,1],"] {
            let items = vec![
                item("root", "\"bbox\":[1,2,3,4],", "2020-01-01T00:00:00Z"),
                item("root", bbox, "2020-01-01T00:00:00Z"),
            ];
            let (made, _) = completed(&[("/cat/catalog.json", catalog("root", None, None))], items);
            assert_eq!(made[0]["extent"]["spatial"]["bbox"], json!([[-180.0, -90.0, 180.0, 90.0]]));
            assert_eq!(made[0]["description"], "root");
        }
    }
}
