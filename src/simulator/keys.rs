//! The orders that are searched in, and what an Item is sorted by, said anew: nothing here compares as the code does that
//! it judges.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::search::Found;
use crate::search::report::{GapReport, PlaceReport};

use super::member::Thing;

/// What Items are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Time,
    Id,
    /// `eo:cloud_cover`, which some Items lack.
    Number,
    /// `platform`, which some Items lack.
    Text,
}

impl By {
    /// As a parameter names it.
    fn field(self) -> &'static str {
        match self {
            Self::Time => "datetime",
            Self::Id => "id",
            Self::Number => "eo:cloud_cover",
            Self::Text => "platform",
        }
    }

    /// What a member's own name of a field stands for.
    pub fn named(field: &str) -> Option<Self> {
        let field = field.strip_prefix("properties.").unwrap_or(field);
        [Self::Time, Self::Id, Self::Number, Self::Text].into_iter().find(|by| by.field() == field)
    }
}

/// The order of a search: keys, each with its direction (true: descending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort(&'static [(By, bool)]);

impl Sort {
    /// None is asked for: newest first where every member can, else by turns.
    pub const UNSAID: Self = Self(&[]);
    pub const NEWEST: Self = Self(&[(By::Time, true)]);
    pub const OLDEST: Self = Self(&[(By::Time, false)]);
    pub const ID: Self = Self(&[(By::Id, false)]);
    /// Others than by one time.
    pub const OTHERS: [Self; 10] = [
        Self::ID,
        Self(&[(By::Id, true)]),
        Self(&[(By::Number, false)]),
        Self(&[(By::Number, true)]),
        Self(&[(By::Text, false)]),
        Self(&[(By::Text, true)]),
        Self(&[(By::Number, true), (By::Time, false)]),
        Self(&[(By::Text, false), (By::Number, true)]),
        Self(&[(By::Time, true), (By::Number, false)]),
        Self(&[(By::Time, false), (By::Id, true)]),
    ];

    /// The parameter `sortby`.
    pub fn text(self) -> Option<String> {
        let key = |(by, descending): &(By, bool)| format!("{}{}", if *descending { "-" } else { "+" }, by.field());
        let keys: Vec<String> = self.0.iter().map(key).collect();
        (!keys.is_empty()).then(|| keys.join(","))
    }

    pub fn is_said(self) -> bool {
        !self.0.is_empty()
    }

    /// What is compared: newest first where nothing was said.
    fn keys(self) -> &'static [(By, bool)] {
        if self.is_said() { self.0 } else { Self::NEWEST.0 }
    }

    /// The first key.
    pub fn first(self) -> By {
        self.keys()[0].0
    }
}

/// One value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Milliseconds since 1970.
    Time(i64),
    Number(f64),
    Text(String),
    Null,
}

impl Value {
    /// S2: null is last in both directions.
    fn against(&self, other: &Self, descending: bool) -> Ordering {
        let ascending = match (self, other) {
            (Self::Null, Self::Null) => return Ordering::Equal,
            (Self::Null, _) => return Ordering::Greater,
            (_, Self::Null) => return Ordering::Less,
            (Self::Time(one), Self::Time(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.total_cmp(other),
            (Self::Text(one), Self::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
            other => panic!("values of two kinds: {other:?}"),
        };
        if descending { ascending.reverse() } else { ascending }
    }
}

/// Place of an Item in the order of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub values: Vec<Value>,
    pub id: String,
    /// As exposed.
    pub collection: String,
}

impl Key {
    pub fn of(thing: &Thing, collection: &str, sort: Sort) -> Self {
        let value = |(by, _): &(By, bool)| match by {
            By::Time => Value::Time(thing.at_ms()),
            By::Id => Value::Text(thing.id.clone()),
            By::Number => thing.cloud().map_or(Value::Null, Value::Number),
            By::Text => thing.platform().map_or(Value::Null, |platform| Value::Text(platform.to_owned())),
        };
        let values = sort.keys().iter().map(value).collect();
        Self { values, id: thing.id.clone(), collection: collection.to_owned() }
    }

    /// Of an Item as a client gets it.
    pub fn of_found(found: &Found, sort: Sort) -> Self {
        let properties = || -> serde_json::Value {
            let item: serde_json::Value = serde_json::from_slice(&found.item.bytes).expect("an Item");
            item["properties"].clone()
        };
        let value = |(by, _): &(By, bool)| match by {
            By::Time => Value::Time(found.item.time_key().unwrap_or_default()),
            By::Id => Value::Text(found.item.id.to_string()),
            By::Number => properties()["eo:cloud_cover"].as_f64().map_or(Value::Null, Value::Number),
            By::Text => {
                properties()["platform"].as_str().map_or(Value::Null, |platform| Value::Text(platform.to_owned()))
            }
        };
        let values = sort.keys().iter().map(value).collect();
        Self { values, id: found.item.id.to_string(), collection: found.collection.to_string() }
    }

    /// What Items of one tie have in common.
    pub fn tie(&self) -> String {
        format!("{:?}", self.values[0])
    }

    /// By the first key alone.
    pub fn first(&self, other: &Self, sort: Sort) -> Ordering {
        self.values[0].against(&other.values[0], sort.keys()[0].1)
    }

    /// S1: the keys asked for, then the id, then the Collection.
    pub fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let mut order = Ordering::Equal;
        for ((one, other), (_, descending)) in self.values.iter().zip(&other.values).zip(sort.keys()) {
            order = order.then_with(|| one.against(other, *descending));
        }
        order.then_with(|| (&self.id, &self.collection).cmp(&(&other.id, &other.collection)))
    }
}

/// Whether a gap covers a place. Where it does not say whether its edge is before or behind a value, or what comes behind
/// the first one, it covers that.
pub fn covers(gap: &GapReport, key: &Key, sort: Sort) -> bool {
    let single = sort.keys().len() == 1;
    let edge = |place: &PlaceReport| {
        let value = edge_value(&place.value, sort.first());
        let id = place.id.clone().unwrap_or_default();
        let collection = place.collection.clone().unwrap_or_default();
        (Key { values: vec![value], id, collection }, single && place.id.is_some())
    };
    let behind = gap.from.as_ref().is_none_or(|from| match edge(from) {
        (edge, true) => key.compare(&edge, sort) == Ordering::Greater,
        (edge, false) => key.first(&edge, sort) != Ordering::Less,
    });
    let before = gap.to.as_ref().is_none_or(|to| match edge(to) {
        (edge, true) => key.compare(&edge, sort) != Ordering::Greater,
        (edge, false) => key.first(&edge, sort) != Ordering::Greater,
    });
    behind && before
}

fn edge_value(value: &serde_json::Value, by: By) -> Value {
    let text = value.as_str();
    match (by, text) {
        (By::Time, Some(text)) => {
            text.parse::<DateTime<Utc>>().map_or(Value::Null, |at| Value::Time(at.timestamp_millis()))
        }
        (_, Some(text)) => Value::Text(text.to_owned()),
        (_, None) => value.as_f64().map_or(Value::Null, Value::Number),
    }
}
