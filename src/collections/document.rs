//! Writing a Collection as clients get it (`members.md` section 5, `stac-api.md` 5.4).
//!
//! Every member of the document that is not identity, a structural link or a documented repair is written byte for
//! byte as it came, in its own place.

use std::sync::Arc;

use serde_json::value::RawValue;
use url::Url;

use super::object::{Object, Writer, is_null, string};
use super::view::{CollectionHrefs, Entry};
use super::{extent, links, repair};
use crate::federation::{self, interval};

const GEOJSON: &str = "application/geo+json";
const JSON: &str = "application/json";
const SCHEMA: &str = "application/schema+json";
/// Relations of OGC API - Features - Parts 3 and 5.
const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
const SORTABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/sortables";

impl Entry {
    /// Appends the Collection as clients get it (`members.md` section 5, lower table; `stac-api.md` 5.4).
    pub fn write(&self, hrefs: &CollectionHrefs<'_>, out: &mut Vec<u8>) {
        let Ok(document) = serde_json::from_slice::<Object<'_>>(&self.document) else {
            // Only documents that were read once become entries.
            tracing::error!(member = %self.member, collection = %self.native_id, "stored collection is unreadable");
            out.extend_from_slice(b"{}");
            return;
        };
        let source = hrefs.holders.first().map_or(hrefs.canonical, |highest| highest.source.as_deref());
        let base = source.and_then(|href| Url::parse(href).ok());
        let mut writer = Writer::open(out);
        for (name, value) in &document.0 {
            match name.as_ref() {
                "id" => writer.text(name, hrefs.id),
                "links" => write_links(hrefs, Some((value, base.as_ref())), writer.name(name)),
                "federation:backends" => {}
                "federation:missing" if self.behind.is_some() => {}
                name if is_null(value) && repair::OPTIONAL.contains(&name) => {}
                "assets" => links::assets(value, base.as_ref(), writer.name(name)),
                "summaries" => write_summaries(value, writer.name(name)),
                "extent" => {
                    let repaired = extent::read(value).ok().and_then(|extent| extent.repaired);
                    writer.raw(name, repaired.as_deref().unwrap_or(value.get()));
                }
                _ => writer.raw(name, value.get()),
            }
        }
        write_names("federation:backends", hrefs.backends, &mut writer);
        if !hrefs.missing.is_empty() {
            write_names("federation:missing", hrefs.missing, &mut writer);
        }
        writer.close();
    }

    /// The member's own address of the Collection: its `self` link if that lies below the configured base, else built
    /// from the base.
    #[must_use]
    pub fn source(&self, member: &federation::Member) -> String {
        let base = member.base();
        let base = base.as_str().trim_end_matches('/');
        let given = serde_json::from_slice::<Object<'_>>(&self.document)
            .ok()
            .and_then(|document| document.get("links").and_then(|links| links::href(links, &["self"])))
            .and_then(|href| Url::parse(&href).ok())
            .map(String::from);
        let below = |href: &str, base: &str| href.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        let published =
            |href: &str| member.aliases.iter().any(|alias| below(href, alias.as_str().trim_end_matches('/')));
        match given {
            Some(href) if below(&href, base) || (member.kind.is_harvested() && published(&href)) => href,
            _ => {
                let id = percent_encoding::utf8_percent_encode(&self.native_id, SEGMENT);
                format!("{base}/collections/{id}")
            }
        }
    }

    /// The member's own link to the queryables of the Collection, as it stands.
    #[must_use]
    pub fn queryables_link(&self) -> Option<String> {
        let document = serde_json::from_slice::<Object<'_>>(&self.document).ok()?;
        links::href(document.get("links")?, &[QUERYABLES, "queryables"])
    }

    /// What had to be repaired before the document could be listed, for admins. Empty: nothing.
    #[must_use]
    pub fn repairs(&self) -> Vec<String> {
        repair::judge(&self.document).map(|sound| sound.notes).unwrap_or_default()
    }
}

/// All that is not unreserved in a path segment (RFC 3986), but `:`, which ids of several members contain.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// Appends the merged view of one bare id at several members: title and description of the first, extents united.
pub fn write_merged(entries: &[Arc<Entry>], hrefs: &CollectionHrefs<'_>, out: &mut Vec<u8>) {
    let documents: Vec<Object<'_>> =
        entries.iter().filter_map(|entry| serde_json::from_slice(&entry.document).ok()).collect();
    let first = |name: &str| documents.iter().find_map(|document| document.text(name));
    let licenses: Vec<_> = documents.iter().filter_map(|document| document.text("license")).collect();
    let license = match licenses.first() {
        Some(license) if licenses.iter().all(|other| other == license) => license.as_ref(),
        _ => "various",
    };
    let mut writer = Writer::open(out);
    writer.text("type", "Collection");
    writer.text("stac_version", "1.0.0");
    writer.text("id", hrefs.id);
    if let Some(title) = first("title") {
        writer.text("title", &title);
    }
    writer.text("description", &first("description").unwrap_or_else(|| hrefs.id.into()));
    writer.text("license", license);
    writer.raw("extent", &united(&documents).to_string());
    write_links(hrefs, None, writer.name("links"));
    write_names("federation:backends", hrefs.backends, &mut writer);
    writer.close();
}

/// The union of extents: the overall box and interval first, as the specification wants, then each member's own.
pub(super) fn united(documents: &[Object<'_>]) -> serde_json::Value {
    let extents: Vec<_> = documents
        .iter()
        .filter_map(|document| document.get("extent"))
        .filter_map(|raw| extent::read(raw).ok())
        .collect();
    let areas: Option<Vec<_>> = extents.iter().map(|extent| extent.area.as_ref()).collect();
    let bounds = areas.and_then(|areas| {
        let rects = areas.iter().flat_map(|area| &area.boxes);
        rects
            .map(|rect| [rect.min().x, rect.min().y, rect.max().x, rect.max().y])
            .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
    });
    // A part that says nothing usable makes the whole open: the union of something and the unknown is unknown.
    let bounds = bounds.unwrap_or([-180.0, -90.0, 180.0, 90.0]);
    let intervals: Option<Vec<_>> = extents.iter().map(|extent| extent.interval).collect();
    let intervals = intervals.unwrap_or_default();
    let start = intervals.iter().map(|interval| interval.start).min().flatten();
    let ends: Option<Vec<_>> = intervals.iter().map(|interval| interval.end).collect();
    let end = ends.and_then(|ends| ends.into_iter().max());
    let time = |at: Option<_>| at.map(interval::text);
    serde_json::json!({
        "spatial": { "bbox": [bounds] },
        "temporal": { "interval": [[time(start), time(end)]] },
    })
}

fn write_links(hrefs: &CollectionHrefs<'_>, member: Option<(&RawValue, Option<&Url>)>, out: &mut Vec<u8>) {
    let own = [
        ("self", Some(hrefs.self_href), JSON),
        ("root", Some(hrefs.root_href), JSON),
        ("parent", Some(hrefs.root_href), JSON),
        ("items", hrefs.items_href, GEOJSON),
        (QUERYABLES, hrefs.queryables_href, SCHEMA),
        (SORTABLES, hrefs.sortables_href, SCHEMA),
        ("canonical", hrefs.canonical, JSON),
    ];
    out.push(b'[');
    for (rel, href, media) in own.into_iter().filter_map(|(rel, href, media)| Some((rel, href?, media))) {
        if rel != "self" {
            out.push(b',');
        }
        let mut link = Writer::open(out);
        link.text("rel", rel);
        link.text("href", href);
        link.text("type", media);
        link.close();
    }
    for holder in hrefs.holders {
        out.push(b',');
        let mut link = Writer::open(out);
        link.text("rel", "alternate");
        link.text("href", &holder.href);
        link.text("type", JSON);
        link.text("title", &holder.title);
        link.close();
    }
    if let Some((links, base)) = member {
        links::pass_on(links, base, out);
    }
    out.push(b']');
}

fn write_summaries(raw: &RawValue, out: &mut Vec<u8>) {
    match Object::read(raw) {
        Some(summaries) if summaries.0.iter().any(|(_, value)| repair::empty_summary(value)) => {
            let mut writer = Writer::open(out);
            for (name, value) in summaries.0.iter().filter(|(_, value)| !repair::empty_summary(value)) {
                writer.raw(name, value.get());
            }
            writer.close();
        }
        _ => out.extend_from_slice(raw.get().as_bytes()),
    }
}

fn write_names(name: &str, members: &[&str], writer: &mut Writer<'_>) {
    let out = writer.name(name);
    out.push(b'[');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(member, out);
    }
    out.push(b']');
}
