//! The order of a snapshot's Items and the text of a place in it.
//!
//! A page ends at an Item, and the next begins behind that Item's key, whether or not the Item is still there: so pages
//! go on over a new snapshot.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::members::sort::{KeyKind, Value};
use crate::members::{Ask, Item, Token};

/// Bytes of a token with the values of its Item; a longer one names the Item alone, which is then looked up.
const TOKEN_BYTES_MAX: usize = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Time,
    Id,
    Collection,
    /// A property, by its place among the values of a key.
    Property(usize),
}

/// The keys that were asked for; then id and collection, both ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    fields: Vec<(Field, bool)>,
    properties: Vec<Box<str>>,
    kinds: Vec<KeyKind>,
}

/// What places an Item in every order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key<'a> {
    /// Milliseconds since 1970.
    #[serde(rename = "t")]
    time: Option<i64>,
    #[serde(rename = "i", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "c", borrow)]
    collection: Cow<'a, str>,
    /// Of the properties that it is ordered by.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Value>,
}

impl<'a> Key<'a> {
    pub fn of(item: &'a Item, order: &Order) -> Self {
        let found = if order.properties.is_empty() { Vec::new() } else { item.values(&order.properties) };
        let value = |(json, kind): (Option<&str>, &KeyKind)| json.map_or(Value::Null, |json| Value::read(json, *kind));
        Self {
            time: item.time_key(),
            id: (&*item.id).into(),
            collection: (&*item.collection).into(),
            values: found.into_iter().zip(&order.kinds).map(value).collect(),
        }
    }

    pub fn token(&self) -> Option<Token> {
        let whole = serde_json::to_string(self).ok()?;
        if whole.len() <= TOKEN_BYTES_MAX || self.values.is_empty() {
            return Some(Token(whole.into()));
        }
        serde_json::to_string(&Self { values: Vec::new(), ..self.clone() }).ok().map(|text| Token(text.into()))
    }

    /// The key of a token; where that has no values, of the Item that it names, if it is still there.
    pub fn read(token: &'a Token, order: &Order, item: impl FnOnce(&str, &str) -> Option<&'a Item>) -> Option<Self> {
        let key: Self = serde_json::from_str(&token.0).ok()?;
        if key.values.len() == order.properties.len() {
            return Some(key);
        }
        item(&key.collection, &key.id).map(|item| Self::of(item, order))
    }
}

impl Order {
    /// The order of `sortby`, newest first where it is empty.
    pub fn of(ask: &Ask) -> Self {
        let mut order = Self { fields: Vec::new(), properties: Vec::new(), kinds: Vec::new() };
        if ask.sortby.is_empty() {
            order.fields.push((Field::Time, true));
        }
        for (place, (name, descending)) in ask.sortby.iter().enumerate() {
            let field = match name.as_str() {
                "datetime" | "properties.datetime" => Field::Time,
                "id" => Field::Id,
                "collection" => Field::Collection,
                property => {
                    order.properties.push(property.strip_prefix("properties.").unwrap_or(property).into());
                    order.kinds.push(ask.kinds.get(place).copied().unwrap_or_default());
                    Field::Property(order.properties.len() - 1)
                }
            };
            order.fields.push((field, *descending));
        }
        order
    }

    /// Whether an Item without a time has no place in it (S3).
    pub fn is_of_time(&self) -> bool {
        self.fields.iter().any(|(field, _)| *field == Field::Time)
    }

    pub fn compare(&self, a: &Key<'_>, b: &Key<'_>) -> Ordering {
        for (field, descending) in &self.fields {
            let order = match field {
                // an Item without time stands last in both directions
                Field::Time => match (a.time, b.time) {
                    (Some(a), Some(b)) => turned(a.cmp(&b), *descending),
                    (a, b) => a.is_none().cmp(&b.is_none()),
                },
                Field::Id => turned(a.id.as_bytes().cmp(b.id.as_bytes()), *descending),
                Field::Collection => turned(a.collection.as_bytes().cmp(b.collection.as_bytes()), *descending),
                Field::Property(place) => match (a.values.get(*place), b.values.get(*place)) {
                    (Some(a), Some(b)) => a.compare(b, *descending),
                    _ => Ordering::Equal,
                },
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        a.id.as_bytes().cmp(b.id.as_bytes()).then_with(|| a.collection.as_bytes().cmp(b.collection.as_bytes()))
    }
}

fn turned(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(time: Option<i64>, id: &'static str, collection: &'static str) -> Key<'static> {
        Key { time, id: id.into(), collection: collection.into(), values: Vec::new() }
    }

    fn order(sortby: &[(&str, bool, KeyKind)]) -> Order {
        Order::of(&Ask {
            sortby: sortby.iter().map(|(name, descending, _)| ((*name).to_owned(), *descending)).collect(),
            kinds: sortby.iter().map(|(_, _, kind)| *kind).collect(),
            ..Ask::default()
        })
    }

    #[test]
    fn ties_are_broken_by_id_and_collection_ascending_and_no_time_is_last() {
        let keys = [
            key(Some(5), "a", "x"),
            key(Some(5), "a", "y"),
            key(Some(5), "b", "x"),
            key(Some(1), "c", "x"),
            key(None, "a", "x"),
        ];
        let newest = order(&[]);
        for pair in keys.windows(2) {
            assert_eq!(newest.compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
        let oldest = order(&[("properties.datetime", false, KeyKind::Any)]);
        assert_eq!(oldest.compare(&keys[3], &keys[0]), Ordering::Less);
        assert_eq!(oldest.compare(&keys[4], &keys[0]), Ordering::Greater);
        let by_id = order(&[("id", true, KeyKind::Any)]);
        assert_eq!(by_id.compare(&keys[3], &keys[2]), Ordering::Less);
        assert!(newest.is_of_time() && !by_id.is_of_time());
    }

    #[test]
    fn properties_are_ordered_by_kind_and_nulls_are_last_in_both_directions() {
        let item = |id: &str, cover: &str| {
            let properties = format!(r#"{{"eo:cloud_cover":{cover}}}"#);
            Item::new(format!(r#"{{"type":"Feature","id":"{id}","geometry":null,"properties":{properties}}}"#)).unwrap()
        };
        let items = [item("a", "null"), item("b", "10"), item("c", "9.5"), item("d", "\"7\""), item("e", "10.0")];
        for (descending, expected) in [(false, ["c", "b", "e", "a", "d"]), (true, ["b", "e", "c", "a", "d"])] {
            let order = order(&[("properties.eo:cloud_cover", descending, KeyKind::Number)]);
            let mut keys: Vec<Key<'_>> = items.iter().map(|item| Key::of(item, &order)).collect();
            keys.sort_by(|a, b| order.compare(a, b));
            assert_eq!(keys.iter().map(|key| &*key.id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_token_reads_back_and_nonsense_does_not() {
        let newest = order(&[]);
        let key = key(Some(-7), "i \"d", "c|é");
        let token = key.token().unwrap();
        assert_eq!(Key::read(&token, &newest, |_, _| None).unwrap(), key);
        for wrong in ["{}", "next"] {
            let token = Token(wrong.into());
            assert!(Key::read(&token, &newest, |_, _| None).is_none());
        }
    }

    #[test]
    fn a_token_too_long_for_its_values_names_the_item() {
        let properties: Vec<String> = (0..8).map(|n| format!(r#""t{n}":"{}""#, "x".repeat(300))).collect();
        let text =
            format!(r#"{{"type":"Feature","id":"a","geometry":null,"properties":{{{}}}}}"#, properties.join(","));
        let item = Item::new(text).unwrap();
        let names: Vec<String> = (0..8).map(|n| format!("properties.t{n}")).collect();
        let order = order(&names.iter().map(|name| (name.as_str(), false, KeyKind::Text)).collect::<Vec<_>>());
        let key = Key::of(&item, &order);
        let token = key.token().unwrap();
        assert!(token.0.len() < 100);
        assert_eq!(Key::read(&token, &order, |_, id| (id == "a").then_some(&item)).unwrap(), key);
        assert!(Key::read(&token, &order, |_, _| None).is_none(), "the Item is gone");
    }
}
