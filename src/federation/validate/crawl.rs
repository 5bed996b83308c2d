//! `[member.crawl]`, where the files of a `static-stac` member lie, and keys that mean nothing for a kind.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::super::Kind;
use super::super::file::{At, Keys};
use super::super::harvest::{Crawl, Records};
use super::values;

/// Shorter would be no snapshot, but a load; a month is about as long as anybody believes an old one.
const EVERY_S: RangeInclusive<i64> = 60..=2_592_000;
const TIME_S: RangeInclusive<i64> = 1..=86_400;
/// Every document costs memory for as long as its snapshot lives.
const DOCUMENTS: RangeInclusive<i64> = 1..=1_000_000;
const DEPTH: RangeInclusive<i64> = 1..=64;
const DOCUMENT_BYTES: RangeInclusive<i64> = 1_024..=268_435_456;
const BYTES: RangeInclusive<i64> = 1_024..=68_719_476_736;
/// More at once would be no politeness.
const REQUESTS: RangeInclusive<i64> = 1..=64;
/// Longest id of the Collection that records become Items of.
const ID_BYTES_MAX: usize = 256;
/// Stands for the folder in addresses when nobody says where its files are published: no path of the machine goes out.
const FOLDER_BASE: &str = "file:///";
/// The root document of a folder that names none.
const ROOT: &str = "catalog.json";

/// Reads `[member.crawl]` of a kind that is harvested.
pub(super) fn read(keys: &Keys<'_>, kind: Kind) -> Crawl {
    let mut crawl = Crawl::default();
    let size = |key, bounds| keys.number(key, bounds).and_then(|at| usize::try_from(at.value).ok());
    if let Some(at) = keys.number("every_s", EVERY_S) {
        crawl.every = Duration::from_secs(at.value.unsigned_abs());
    }
    if let Some(at) = keys.number("time_s", TIME_S) {
        crawl.time = Duration::from_secs(at.value.unsigned_abs());
    }
    crawl.documents_max = size("documents_max", DOCUMENTS).unwrap_or(crawl.documents_max);
    crawl.document_bytes_max = size("document_bytes_max", DOCUMENT_BYTES).unwrap_or(crawl.document_bytes_max);
    crawl.bytes_max = size("bytes_max", BYTES).unwrap_or(crawl.bytes_max);
    crawl.requests_max = size("requests_max", REQUESTS).unwrap_or(crawl.requests_max);
    if kind == Kind::StaticStac {
        if let Some(at) = keys.number("depth_max", DEPTH) {
            crawl.depth_max = u32::try_from(at.value).unwrap_or(crawl.depth_max);
        }
        refuse(keys, &["records_as", "records_collection"], kind);
    } else {
        // pages of records come one after the other
        refuse(keys, &["depth_max", "requests_max"], kind);
        crawl.records = read_records(keys);
    }
    contradictions(keys, &crawl);
    keys.finish();
    crawl
}

fn read_records(keys: &Keys<'_>) -> Records {
    let form = keys.text("records_as").filter(|at| {
        let known = matches!(at.value, "collections" | "items");
        if !known {
            at.refuse(keys.notes, "bad-value", "not one of `collections`, `items`", None);
        }
        known
    });
    let as_items = form.is_some_and(|at| at.value == "items");
    let collection = keys.text("records_collection");
    match collection {
        Some(at) if !as_items => {
            let hint = "write `records_as = \"items\"`, or remove it".to_owned();
            at.blame(keys.notes, "contradicting-keys", "is given, but records become no Items", Some(hint));
            Records::Collections
        }
        Some(at) => {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
            if at.value.is_empty() || at.value.len() > ID_BYTES_MAX || !at.value.bytes().all(good) {
                at.refuse(keys.notes, "bad-value", "not letters, digits, `.`, `_`, `:` and `-`", None);
            }
            Records::Items { collection: at.value.to_owned() }
        }
        None if as_items => {
            if !keys.has("records_collection") {
                keys.missing("records_collection", "name the Collection that the records become Items of");
            }
            Records::Collections
        }
        None => Records::Collections,
    }
}

fn contradictions(keys: &Keys<'_>, crawl: &Crawl) {
    let note = |key: &'static str, clause: String| {
        let sentence = format!("{} {clause}", keys.name(key));
        keys.notes.add("contradicting-limits", Some(keys.place(&[key])), sentence, None);
    };
    if crawl.document_bytes_max > crawl.bytes_max {
        note("document_bytes_max", format!("is larger than `bytes_max`, which is {}", crawl.bytes_max));
    }
    if crawl.time > crawl.every {
        note("time_s", format!("is longer than `every_s`, which is {}", crawl.every.as_secs()));
    }
}

/// Notes keys that a kind does not have.
fn refuse(keys: &Keys<'_>, without: &[&'static str], kind: Kind) {
    for key in without.iter().copied().filter(|key| keys.has(key)) {
        let sentence = format!("{} is given, but means nothing for a member of kind `{}`", keys.name(key), kind.name());
        keys.notes.add("contradicting-keys", Some(keys.place(&[key])), sentence, Some(format!("remove `{key}`")));
    }
}

/// Notes tables of the member that its kind has no use for.
pub(super) fn refuse_tables(keys: &Keys<'_>, kind: Kind, folder: bool) {
    if kind == Kind::StacApi {
        return refuse(keys, &["crawl"], kind);
    }
    refuse(keys, &["capabilities"], kind);
    if folder {
        for key in ["auth", "internal", "request", "processes"].into_iter().filter(|key| keys.has(key)) {
            let sentence =
                format!("{} is given, but the catalogue is a folder, to which nothing is sent", keys.name(key));
            let hint = Some(format!("remove `{key}`"));
            keys.notes.add("contradicting-keys", Some(keys.place(&[key])), sentence, hint);
        }
    }
}

/// Notes keys of `[member.request]` that speak of searches, which a member that is harvested is never asked.
pub(super) fn refuse_request(keys: &Keys<'_>, kind: Kind) {
    if kind != Kind::StacApi {
        refuse(keys, &["method", "page_items_max", "next_path", "dialect"], kind);
    }
}

/// Whether a `url` is meant as a path beside the federation file.
pub(super) fn is_path(text: &str) -> bool {
    !text.contains("://")
}

/// A catalogue of files on this machine: the folder, and the address that its root document has for clients.
///
/// Addresses of documents lie below the first of `aliases`, where the files are published too, else below a base that
/// stands for the folder itself.
pub(super) fn read_folder(keys: &Keys<'_>, at: &At<&str>, aliases: &[Url]) -> Option<(PathBuf, Url)> {
    let path = keys.notes.folder.join(at.value);
    let refuse = |clause: &str| {
        let hint = "write the path of the root document, or of its folder, relative to this file".to_owned();
        at.refuse(keys.notes, "bad-path", clause, Some(hint));
        None
    };
    if !path.exists() {
        return refuse("which is neither a file nor a folder");
    }
    let (folder, root) = if path.is_dir() {
        if !path.join(ROOT).is_file() {
            return refuse("a folder without a file `catalog.json`");
        }
        (path, ROOT.to_owned())
    } else {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return refuse("no file that can be read");
        };
        (folder.to_owned(), name.to_owned())
    };
    let base = aliases.first().cloned().or_else(|| Url::parse(FOLDER_BASE).ok())?;
    let mut address = base;
    values::push_segment(&mut address, &root);
    Some((folder, address))
}
