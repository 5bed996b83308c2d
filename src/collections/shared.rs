//! Shared Collections in the view: one Collection made of those of its holders, so that it is listed, found and read
//! like any other.
//!
//! What can be joined is: title and description of the highest holder that has one, keywords, providers, extensions and
//! `item_assets` of all, the licence where they agree, extents united, summaries as far as their forms let values be
//! united. Everything else is the highest holder's. It is made anew when the list of a holder was read.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::federation::interval::parse_instant;
use crate::federation::{Area, Interval, MemberId, Shared};

use super::document::united;
use super::object::{Object, Writer, array, text};
use super::view::{Entry, MemberView};
use super::{repair, search};

/// Values of one summary that are written; with more it says little, and a joined one could outgrow its parts.
const VALUES_MAX: usize = 1_000;

/// What stands behind a shared Collection.
#[derive(Debug)]
pub struct Behind {
    /// The holders' own, by rank; never empty.
    pub entries: Vec<Arc<Entry>>,
    /// Holders whose list is not known, or older than it should be.
    pub missing: Vec<MemberId>,
}

/// Makes the Collection of those that its holders list; `None` while none does.
pub(super) fn entry(shared: &Shared, members: &[MemberView]) -> Option<Arc<Entry>> {
    let (mut entries, mut missing) = (Vec::new(), Vec::new());
    let mut whole = true;
    for holder in &shared.holders {
        let Some(view) = members.iter().find(|view| view.member == holder.member) else { continue };
        if view.read_at.is_none() || view.stale {
            missing.push(holder.member.clone());
        }
        let entry = view.entry(&holder.native);
        // one that is searched but not listed says nothing of its extent
        whole &= entry.is_some() || view.lacks(&holder.native);
        entries.extend(entry.cloned());
    }
    let first = entries.first()?;
    let document = merged(shared, &entries);
    let sound = repair::judge(&document).ok();
    let words = sound.as_ref().map_or_else(|| first.words.clone(), |sound| sound.words(&shared.id));
    let areas: Option<Vec<&Area>> = entries.iter().map(|entry| entry.area.as_ref()).collect();
    let intervals: Option<Vec<Interval>> = entries.iter().map(|entry| entry.interval).collect();
    Some(Arc::new(Entry {
        member: first.member.clone(),
        native_id: shared.id.clone(),
        exposed_id: shared.id.clone(),
        title: shared.title.clone().or_else(|| sound.and_then(|sound| sound.title)),
        // of a holder that is not known nothing is proven
        area: areas.filter(|_| whole).map(|areas| {
            let boxes = areas.iter().flat_map(|area| area.boxes.iter().copied());
            Area { boxes: boxes.collect(), geometry: None }
        }),
        interval: intervals.filter(|_| whole).and_then(|all| all.into_iter().reduce(|a, b| a.hull(&b))),
        words,
        places: search::places(&document),
        document,
        behind: Some(Behind { entries, missing }),
    }))
}

/// The joined document; its links and assets are the highest holder's as they came.
fn merged(shared: &Shared, entries: &[Arc<Entry>]) -> Bytes {
    let documents: Vec<Object<'_>> =
        entries.iter().filter_map(|entry| serde_json::from_slice(&entry.document).ok()).collect();
    let mut out = Vec::new();
    let mut writer = Writer::open(&mut out);
    let Some(first) = documents.first() else {
        writer.close();
        return out.into();
    };
    let joined = Joined { shared, documents: &documents };
    for (name, value) in &first.0 {
        match joined.value(name) {
            Some(value) => writer.raw(name, &value),
            None => writer.raw(name, value.get()),
        }
    }
    for name in JOINED.into_iter().filter(|name| first.get(name).is_none()) {
        if let Some(value) = joined.value(name) {
            writer.raw(name, &value);
        }
    }
    writer.close();
    out.into()
}

/// Members of the document that are not simply the highest holder's.
const JOINED: [&str; 10] = [
    "id",
    "title",
    "description",
    "keywords",
    "license",
    "providers",
    "extent",
    "summaries",
    "item_assets",
    "stac_extensions",
];

struct Joined<'a> {
    shared: &'a Shared,
    documents: &'a [Object<'a>],
}

impl<'a> Joined<'a> {
    /// The joined value of a member; `None` where it is the highest holder's, or nobody's.
    fn value(&self, name: &str) -> Option<String> {
        let quoted = |text: Cow<'_, str>| Value::from(text).to_string();
        match name {
            "id" => Some(quoted(self.shared.id.as_str().into())),
            "title" => {
                let declared = self.shared.title.as_deref().map(Cow::Borrowed);
                declared.or_else(|| self.first_text(name)).map(quoted)
            }
            "description" => self.first_text(name).map(quoted),
            "license" => self.license().map(quoted),
            "keywords" | "stac_extensions" => self.list(name, |value| text(value).map(Cow::into_owned)),
            "providers" => self.list(name, |value| Object::read(value)?.text("name").map(Cow::into_owned)),
            "extent" => Some(united(self.documents).to_string()),
            "item_assets" => self.object(name, |values| values.first().map(|value| value.get().to_owned())),
            "summaries" => self.object(name, summary),
            _ => None,
        }
    }

    fn first_text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.documents.iter().filter_map(|document| document.text(name)).find(|text| !text.is_empty())
    }

    /// The licence where all agree; else the word that the specification has for several.
    fn license(&self) -> Option<Cow<'a, str>> {
        let mut licenses = self.documents.iter().filter_map(|document| document.text("license"));
        let first = licenses.next()?;
        if licenses.all(|other| other == first) {
            return Some(first);
        }
        let version = self.documents.first().and_then(|first| first.text("stac_version"));
        Some(if version.is_some_and(|version| version.starts_with("1.0")) { "various".into() } else { "other".into() })
    }

    /// The elements of all lists, each name once, by rank.
    fn list(&self, name: &str, named: impl Fn(&RawValue) -> Option<String>) -> Option<String> {
        let (mut seen, mut elements) = (Vec::new(), Vec::new());
        let lists = self.documents.iter().filter_map(|document| document.get(name)).filter_map(array);
        for element in lists.flatten() {
            let Some(name) = named(element).filter(|name| !seen.contains(name)) else { continue };
            seen.push(name);
            elements.push(element.get());
        }
        (!elements.is_empty()).then(|| format!("[{}]", elements.join(",")))
    }

    /// The members of all objects under one name, each joined with its namesakes.
    fn object(&self, name: &str, joined: impl Fn(&[&RawValue]) -> Option<String>) -> Option<String> {
        let objects = self.documents.iter().filter_map(|document| document.get(name)).filter_map(Object::read);
        let objects: Vec<Object<'_>> = objects.collect();
        let (mut seen, mut out): (Vec<&str>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut writer = Writer::open(&mut out);
        for (member, _) in objects.iter().flat_map(|object| &object.0) {
            if seen.contains(&member.as_ref()) {
                continue;
            }
            seen.push(member);
            let values: Vec<&RawValue> = objects.iter().filter_map(|object| object.get(member)).collect();
            if let Some(value) = joined(&values) {
                writer.raw(member, &value);
            }
        }
        writer.close();
        let some = !seen.is_empty();
        some.then(|| String::from_utf8_lossy(&out).into_owned())
    }
}

/// One summary of several holders: values united, ranges widened. What cannot be joined is left out, since a part would
/// promise too little; a holder without it takes no part, as holders are declared equivalent.
fn summary(values: &[&RawValue]) -> Option<String> {
    let values: Vec<&RawValue> = values.iter().copied().filter(|value| !repair::empty_summary(value)).collect();
    let parsed: Vec<Value> = values.iter().filter_map(|value| serde_json::from_str(value.get()).ok()).collect();
    let first = parsed.first()?;
    if parsed.iter().all(|other| other == first) {
        return values.first().map(|value| value.get().to_owned());
    }
    let lists: Option<Vec<&Vec<Value>>> = parsed.iter().map(Value::as_array).collect();
    if let Some(lists) = lists {
        let mut united: Vec<&Value> = Vec::new();
        for value in lists.into_iter().flatten() {
            if !united.contains(&value) {
                united.push(value);
            }
        }
        return (united.len() <= VALUES_MAX).then(|| serde_json::json!(united).to_string());
    }
    let edge = |name: &str, wanted: Ordering| {
        let mut edges = parsed.iter().map(|range| range.get(name));
        let first = edges.next()??;
        edges.try_fold(first, |best, other| {
            let other = other?;
            Some(if compared(other, best)? == wanted { other } else { best })
        })
    };
    let (minimum, maximum) = (edge("minimum", Ordering::Less)?, edge("maximum", Ordering::Greater)?);
    Some(serde_json::json!({ "minimum": minimum, "maximum": maximum }).to_string())
}

/// Numbers by value, times as instants; other texts have no order that all agree on.
fn compared(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(parse_instant(a).ok()?.cmp(&parse_instant(b).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
