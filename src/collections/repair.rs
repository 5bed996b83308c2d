//! Which Collections can be listed, which small repairs that takes, and the reason when it takes more.
//!
//! A document is listed when it meets the Collection specification after these repairs and no other, none of which
//! invents anything:
//!
//! - a single box or interval is put into the list that the specification wants;
//! - times of the temporal extent with a space for `T`, without zone, with `ZZ` or with another offset are written in UTC;
//! - optional members that are null are left out, and so are empty summaries;
//! - links and assets that lack what makes them one (`rel`, `href`) are left out, and null titles and types of links.
//!
//! Everything else is quarantined: searched, not listed, shown to admins with the reason. The stored document stays as
//! it came; repairs are applied when it is written (`document.rs`).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::extent::{self, Extent};
use super::object::{Object, array, depth, is_null, text};
use super::{links, search};

/// Largest document; real ones stay below 300 KB.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Deepest nesting; `serde_json` itself stops at 128.
const DEPTH_MAX: usize = 64;
/// Most links or assets of one document.
const PARTS_MAX: usize = 2_000;

/// Members of the specification that may be absent; null is read as absent.
pub(super) const OPTIONAL: [&str; 8] =
    ["title", "keywords", "providers", "summaries", "assets", "item_assets", "stac_extensions", "bands"];

/// What was read of a document that can be listed.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) id: String,
    pub(super) title: Option<String>,
    pub(super) description: String,
    pub(super) keywords: Vec<String>,
    pub(super) extent: Extent,
    /// The repairs that writing it takes, for admins.
    pub(super) notes: Vec<String>,
}

impl Sound {
    /// The words that free text is looked for in: id, title, keywords, description.
    pub(super) fn words(&self, exposed_id: &str) -> Box<str> {
        let keywords = self.keywords.iter().map(String::as_str);
        let before = [Some(exposed_id), self.title.as_deref()].into_iter().flatten();
        search::of_collection(before.chain(keywords).chain([self.description.as_str()]))
    }
}

/// Why a document is not listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsound {
    /// `None`: it has no usable id and cannot even be searched by name.
    pub(super) id: Option<String>,
    pub(super) reason: String,
}

/// Judges one document.
///
/// # Errors
/// The first reason not to list it.
pub(super) fn judge(document: &[u8]) -> Result<Sound, Unsound> {
    let nameless = |reason: String| Unsound { id: None, reason };
    let json = std::str::from_utf8(document).map_err(|error| nameless(format!("it is not UTF-8: {error}")))?;
    let raw: &RawValue = serde_json::from_str(json).map_err(|error| nameless(format!("it is not JSON: {error}")))?;
    let object = Object::read(raw).ok_or_else(|| nameless("it is not an object".into()))?;
    let id = object
        .text("id")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| nameless("`id` is missing or not a text".into()))?
        .into_owned();
    match members(document, &object) {
        Ok((extent, notes)) => {
            let text_of = |name: &str| object.text(name).map(Cow::into_owned);
            let keywords = object.get("keywords").and_then(array).unwrap_or_default();
            let keywords = keywords.into_iter().filter_map(text).map(Cow::into_owned).collect();
            let (title, description) = (text_of("title"), text_of("description").unwrap_or_default());
            Ok(Sound { id, title, description, keywords, extent, notes })
        }
        Err(reason) => Err(Unsound { id: Some(id), reason }),
    }
}

fn members(document: &[u8], object: &Object<'_>) -> Result<(Extent, Vec<String>), String> {
    if document.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, more than {BYTES_MAX}", document.len()));
    }
    if depth(document) > DEPTH_MAX {
        return Err(format!("it is nested {} deep, more than {DEPTH_MAX}", depth(document)));
    }
    kind(object)?;
    words(object)?;
    let links = required(object, "links")?;
    let count = array(links).ok_or("`links` is not an array")?.len();
    within("links", count)?;
    let extent = extent::read(required(object, "extent")?)?;
    let mut notes = extent.notes.clone();
    link_notes(links, &mut notes);
    for name in OPTIONAL {
        match object.get(name) {
            None => {}
            Some(value) if is_null(value) => notes.push(format!("`{name}` was null and is left out")),
            Some(value) => optional(name, value, &mut notes)?,
        }
    }
    Ok((extent, notes))
}

fn required<'a>(object: &Object<'a>, name: &str) -> Result<&'a RawValue, String> {
    object.get(name).filter(|value| !is_null(value)).ok_or_else(|| format!("`{name}` is missing"))
}

/// `type` and `stac_version`: the version decides which specification a client holds the document against.
fn kind(object: &Object<'_>) -> Result<(), String> {
    match object.text("type") {
        Some(kind) if kind == "Collection" => {}
        Some(kind) => return Err(format!("`type` is `{}`, not `Collection`", shown(&kind))),
        None => return Err("`type` is missing, not `Collection`".into()),
    }
    let version = required(object, "stac_version").map(text)?.unwrap_or_default();
    let mut parts = version.split('.');
    let released = parts.next() == Some("1")
        && parts.clone().count() == 2
        && parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if released { Ok(()) } else { Err(format!("`stac_version` is `{}`, not a release of 1", shown(&version))) }
}

fn words(object: &Object<'_>) -> Result<(), String> {
    let description = text(required(object, "description")?).ok_or("`description` is not a text")?;
    if description.is_empty() {
        return Err("`description` is empty".into());
    }
    let license = text(required(object, "license")?).ok_or("`license` is not a text")?;
    let identifier = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    if license.is_empty() || !license.chars().all(identifier) {
        return Err(format!("`license` is `{}`, not an SPDX identifier or `other`", shown(&license)));
    }
    Ok(())
}

fn within(name: &str, count: usize) -> Result<(), String> {
    if count > PARTS_MAX { Err(format!("it has {count} {name}, more than {PARTS_MAX}")) } else { Ok(()) }
}

fn link_notes(links: &RawValue, notes: &mut Vec<String>) {
    let (broken, nulls) = links::faults(links);
    if broken > 0 {
        notes.push(format!("{broken} links without `rel` or `href` are left out"));
    }
    if nulls > 0 {
        notes.push(format!("null titles or types of {nulls} links are left out"));
    }
}

fn optional(name: &str, value: &RawValue, notes: &mut Vec<String>) -> Result<(), String> {
    let texts = |raw: &RawValue| array(raw).is_some_and(|list| list.iter().all(|value| text(value).is_some()));
    match name {
        "title" => text(value).map(drop).ok_or_else(|| "`title` is not a text".into()),
        "keywords" | "stac_extensions" if texts(value) => Ok(()),
        "keywords" | "stac_extensions" => Err(format!("`{name}` is not an array of texts")),
        "providers" => providers(value),
        "summaries" => summaries(value, notes),
        "assets" => {
            let assets = Object::read(value).ok_or("`assets` is not an object")?;
            within("assets", assets.0.len())?;
            match links::assets_without_href(&assets) {
                0 => {}
                count => notes.push(format!("{count} assets without `href` are left out")),
            }
            Ok(())
        }
        "item_assets" => Object::read(value).map(drop).ok_or_else(|| "`item_assets` is not an object".into()),
        _ => array(value).map(drop).ok_or_else(|| format!("`{name}` is not an array")),
    }
}

fn providers(value: &RawValue) -> Result<(), String> {
    const ROLES: [&str; 4] = ["producer", "licensor", "processor", "host"];
    for provider in array(value).ok_or("`providers` is not an array")? {
        let provider = Object::read(provider).ok_or("`providers` holds something that is not an object")?;
        if provider.text("name").is_none() {
            return Err("`providers` has one without `name`".into());
        }
        for name in ["description", "url"] {
            if provider.get(name).is_some() && provider.text(name).is_none() {
                return Err(format!("`providers` has a `{name}` that is not a text"));
            }
        }
        for role in provider
            .get("roles")
            .map(|roles| array(roles).ok_or("`providers` has `roles` that are no array"))
            .transpose()?
            .unwrap_or_default()
        {
            let role = text(role).unwrap_or_default();
            if !ROLES.contains(&role.as_ref()) {
                return Err(format!("`providers` has the role `{}`, not one of {}", shown(&role), ROLES.join(", ")));
            }
        }
    }
    Ok(())
}

fn summaries(value: &RawValue, notes: &mut Vec<String>) -> Result<(), String> {
    let summaries = Object::read(value).ok_or("`summaries` is not an object")?;
    for (name, value) in &summaries.0 {
        if empty_summary(value) {
            notes.push(format!("empty `summaries.{}` is left out", shown(name)));
        } else if array(value).is_none() && Object::read(value).is_none() {
            return Err(format!("`summaries.{}` is neither a range nor a set of values", shown(name)));
        }
    }
    Ok(())
}

/// A summary that says nothing: null, `[]` or `{}`, all against the specification.
pub(super) fn empty_summary(value: &RawValue) -> bool {
    is_null(value)
        || array(value).is_some_and(|list| list.is_empty())
        || Object::read(value).is_some_and(|object| object.0.is_empty())
}

/// At most forty characters of what a member sent.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::collections) const GOOD: &str = r#"{"type":"Collection","stac_version":"1.0.0","id":"c","title":"C",
        "description":"d","license":"CC-BY-4.0","extent":{"spatial":{"bbox":[[10,40,20,50]]},
        "temporal":{"interval":[["2015-06-23T00:00:00Z",null]]}},"links":[]}"#;

    fn with(member: &str, value: &str) -> String {
        let mut document: serde_json::Value = serde_json::from_str(GOOD).unwrap();
        document[member] = serde_json::from_str(value).unwrap();
        document.to_string()
    }

    #[test]
    fn a_sound_document_needs_no_repair() {
        let sound = judge(GOOD.as_bytes()).unwrap();
        assert_eq!((sound.id.as_str(), sound.title.as_deref()), ("c", Some("C")));
        assert!(sound.notes.is_empty());
        assert!(sound.extent.area.is_some() && sound.extent.interval.is_some());
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["description", "license", "extent", "links", "stac_version", "type"] {
            let mut document: serde_json::Value = serde_json::from_str(GOOD).unwrap();
            document.as_object_mut().unwrap().remove(name);
            let unsound = judge(document.to_string().as_bytes()).unwrap_err();
            assert_eq!(unsound.id.as_deref(), Some("c"), "still searched by its id");
            assert!(unsound.reason.contains(&format!("`{name}` is missing")), "{}", unsound.reason);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (member, value, named) in [
            ("type", r#""Catalog""#, "`type` is `Catalog`"),
            ("stac_version", r#""1.0.0-beta.2""#, "not a release of 1"),
            ("stac_version", r#""0.9.0""#, "`stac_version` is `0.9.0`"),
            ("stac_version", "1.0", "`stac_version` is ``"),
            ("description", r#""""#, "`description` is empty"),
            ("license", r#"["Some_License"]"#, "`license` is not a text"),
            ("license", r#""see the site""#, "`license` is `see the site`"),
            ("extent", r#""{}""#, "`extent` is not an object"),
            ("links", "{}", "`links` is not an array"),
            ("title", "3", "`title` is not a text"),
            ("keywords", r#"["a",1]"#, "`keywords` is not an array of texts"),
            ("providers", r#"[{"roles":["host"]}]"#, "one without `name`"),
            ("providers", r#"[{"name":"n","roles":["owner"]}]"#, "the role `owner`"),
            ("summaries", r#"{"gsd":10}"#, "`summaries.gsd` is neither"),
            ("assets", "[]", "`assets` is not an object"),
        ] {
            let unsound = judge(with(member, value).as_bytes()).unwrap_err();
            assert!(unsound.reason.contains(named), "{}", unsound.reason);
        }
    }

    #[test]
    fn what_has_no_id_has_no_name() {
        for document in ["7", "[]", "{", "{}", r#"{"id":7}"#, r#"{"id":""}"#] {
            assert!(judge(document.as_bytes()).unwrap_err().id.is_none(), "{document}");
        }
    }

    #[test]
    fn bounds_hold() {
        let long = with("description", &format!("\"{}\"", "x".repeat(BYTES_MAX)));
        assert!(judge(long.as_bytes()).unwrap_err().reason.contains("bytes, more than"));
        let deep = with("x", &format!("{}{}", "[".repeat(64), "]".repeat(64)));
        assert_eq!(judge(deep.as_bytes()).unwrap_err().reason, "it is nested 65 deep, more than 64");
        let many = with("links", &format!("[{}7]", "7,".repeat(PARTS_MAX)));
        assert!(judge(many.as_bytes()).unwrap_err().reason.contains("more than 2000"));
    }

    #[test]
    fn repairs_are_told() {
        for (member, value, told) in [
            ("title", "null", "`title` was null"),
            ("summaries", r#"{"gsd":[]}"#, "empty `summaries.gsd`"),
            ("links", r#"[{"rel":"about"}]"#, "1 links without"),
            ("assets", r#"{"a":{}}"#, "1 assets without"),
        ] {
            let notes = judge(with(member, value).as_bytes()).unwrap().notes;
            assert!(notes.len() == 1 && notes[0].contains(told), "{notes:?}");
        }
    }
}
