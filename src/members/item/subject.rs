//! An Item as a condition sees it: its id, the member's own id of its collection, its geometry, and of its properties
//! those that the condition names.

use std::borrow::Cow;
use std::cell::OnceCell;

use chrono::SecondsFormat;
use geo::Geometry;

use super::Item;
use crate::cql2::Subject;
use crate::federation::MemberId;

/// An Item and the values of the properties that are looked at.
pub struct Properties<'a> {
    item: &'a Item,
    collection: &'a str,
    member: Option<&'a MemberId>,
    names: &'a [Box<str>],
    aliases: &'static [(&'static str, &'static str)],
    values: Vec<Option<&'a str>>,
    /// Read at most once, by the first spatial function.
    geometry: OnceCell<Option<Geometry<f64>>>,
}

impl<'a> Properties<'a> {
    /// `collection` is that of an Item that names none; `member` who gave it.
    #[must_use]
    pub fn of(item: &'a Item, collection: &'a str, member: Option<&'a MemberId>, names: &'a [Box<str>]) -> Self {
        let collection = if item.collection.is_empty() { collection } else { &item.collection };
        Self { item, collection, member, names, aliases: &[], values: item.values(names), geometry: OnceCell::new() }
    }

    /// The member's other names for properties: ours, its own.
    #[must_use]
    pub fn with_aliases(self, aliases: &'static [(&'static str, &'static str)]) -> Self {
        Self { aliases, ..self }
    }

    /// A property by the member's other name for it.
    fn alias(&self, property: &str) -> Option<&'a str> {
        let (_, other) = self.aliases.iter().find(|(ours, _)| *ours == property)?;
        self.value(other)
    }

    fn value(&self, property: &str) -> Option<&'a str> {
        let place = self.names.iter().position(|name| **name == *property)?;
        self.values.get(place).copied().flatten()
    }

    /// The text of one of the Item's own members, beside its properties.
    fn own(&self, span: &std::ops::Range<u32>) -> Option<Cow<'a, str>> {
        let text = std::str::from_utf8(self.item.slice(span)).ok().filter(|text| !text.is_empty());
        text.map(Cow::Borrowed)
    }

    /// A time as it was understood when the Item arrived.
    fn time(&self, property: &str) -> Option<Cow<'a, str>> {
        let times = &self.item.times;
        let at = match property {
            "datetime" => times.datetime,
            "start_datetime" => times.start,
            "end_datetime" => times.end,
            _ => None,
        };
        at.map(|at| Cow::Owned(format!("\"{}\"", at.to_rfc3339_opts(SecondsFormat::AutoSi, true))))
    }
}

impl Subject for Properties<'_> {
    fn json(&self, property: &str) -> Option<Cow<'_, str>> {
        match property {
            "id" => Some(Cow::Owned(serde_json::Value::from(&*self.item.id).to_string())),
            "collection" => Some(Cow::Owned(serde_json::Value::from(self.collection).to_string())),
            "geometry" => self.own(&self.item.spans.geometry),
            "bbox" => self.own(&self.item.spans.bbox),
            // The broker writes it over whatever the member has there, which may be a broker itself.
            "federation:backends" => {
                self.member.map(|member| Cow::Owned(serde_json::json!([member.as_str()]).to_string()))
            }
            other => self.value(other).or_else(|| self.alias(other)).map(Cow::Borrowed).or_else(|| self.time(other)),
        }
    }

    fn geometry(&self, property: &str) -> Option<Cow<'_, Geometry<f64>>> {
        if property == "geometry" {
            return self.geometry.get_or_init(|| self.item.geometry()).as_ref().map(Cow::Borrowed);
        }
        let geometry: geojson::Geometry = serde_json::from_str(self.value(property)?).ok()?;
        Geometry::try_from(geometry).ok().map(Cow::Owned)
    }
}
