//! All records of a member as its Collections, or as the Items of one Collection.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::pages::Content;
use super::{Note, Notes, Record, collection, ids, item};
use crate::federation::Records;
use crate::members::Item;
use crate::members::harvest::LeftOut;

/// What the records become.
#[derive(Debug, Default)]
pub struct Built {
    pub collections: Vec<Bytes>,
    pub items: Vec<Arc<Item>>,
    pub left_out: LeftOut,
    pub notes: Notes,
}

/// Builds the documents. `title` and `url` are the member's.
pub fn of(contents: &[&Content], form: &Records, records_max: usize, title: &str, url: &Url) -> Built {
    let mut built = Built::default();
    for content in contents {
        built.notes.merge(content.notes.clone());
        for (document, reason) in &content.left_out {
            built.left_out.add(document, reason);
        }
    }
    let records = once(contents, records_max, &mut built.notes);
    let ids = ids::assign(records.iter().map(|record| record.id.as_str()), &mut built.notes);
    let id_of = |record: &Record| ids.get(record.id.as_str()).cloned().unwrap_or_default();
    match form {
        Records::Collections => {
            for record in &records {
                built.collections.push(collection::document(record, &id_of(record), &mut built.notes).into());
            }
        }
        Records::Items { collection } => {
            built.collections.push(item::holder(collection, title, &records, url.as_str()).into());
            for record in &records {
                match Item::new(item::document(record, &id_of(record), collection, &mut built.notes)) {
                    Ok(item) => built.items.push(Arc::new(item)),
                    Err(reason) => built.left_out.add(&record.id, &reason.to_string()),
                }
            }
        }
    }
    built
}

/// Every identifier once: what is stored twice, or moved to a later page while the pages were read, comes again.
fn once<'a>(contents: &[&'a Content], records_max: usize, notes: &mut Notes) -> Vec<&'a Record> {
    let (mut seen, mut records) = (HashSet::new(), Vec::new());
    for record in contents.iter().flat_map(|content| &content.records) {
        if !seen.insert(record.id.as_str()) {
            notes.add(Note::Twice, &record.id);
        } else if records.len() < records_max {
            records.push(record);
        }
    }
    records
}
