//! The order of a snapshot's Items and the text of a place in it.
//!
//! A page ends at an Item, and the next begins behind that Item's key, whether or not the Item is still there: so pages
//! go on over a new snapshot.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::members::{Item, Token};

/// Fields that Items are ordered by, as members spell them.
pub const FIELDS: [&str; 3] = ["properties.datetime", "id", "collection"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Time,
    Id,
    Collection,
}

/// The keys that were asked for; then id and collection, both ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(Vec<(Field, bool)>);

/// What places an Item in every order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key<'a> {
    /// Milliseconds since 1970.
    #[serde(rename = "t")]
    time: Option<i64>,
    #[serde(rename = "i", borrow)]
    id: std::borrow::Cow<'a, str>,
    #[serde(rename = "c", borrow)]
    collection: std::borrow::Cow<'a, str>,
}

impl<'a> Key<'a> {
    pub fn of(item: &'a Item) -> Self {
        Self { time: item.time_key(), id: (&*item.id).into(), collection: (&*item.collection).into() }
    }

    pub fn token(&self) -> Option<Token> {
        serde_json::to_string(self).ok().map(|text| Token(text.into()))
    }

    pub fn read(token: &'a Token) -> Option<Self> {
        serde_json::from_str(&token.0).ok()
    }
}

impl Order {
    /// The order of `sortby`, newest first where it is empty; `None` when it names another field.
    pub fn of(sortby: &[(String, bool)]) -> Option<Self> {
        if sortby.is_empty() {
            return Some(Self(vec![(Field::Time, true)]));
        }
        let field = |name: &str| match name {
            "datetime" | "properties.datetime" => Some(Field::Time),
            "id" => Some(Field::Id),
            "collection" => Some(Field::Collection),
            _ => None,
        };
        sortby.iter().map(|(name, descending)| Some((field(name)?, *descending))).collect::<Option<_>>().map(Self)
    }

    pub fn compare(&self, a: &Key<'_>, b: &Key<'_>) -> Ordering {
        for (field, descending) in &self.0 {
            let order = match field {
                // an Item without time stands last in both directions
                Field::Time => match (a.time, b.time) {
                    (Some(a), Some(b)) => turned(a.cmp(&b), *descending),
                    (a, b) => a.is_none().cmp(&b.is_none()),
                },
                Field::Id => turned(a.id.as_bytes().cmp(b.id.as_bytes()), *descending),
                Field::Collection => turned(a.collection.as_bytes().cmp(b.collection.as_bytes()), *descending),
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
        Key { time, id: id.into(), collection: collection.into() }
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
        let newest = Order::of(&[]).unwrap();
        for pair in keys.windows(2) {
            assert_eq!(newest.compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
        let oldest = Order::of(&[("properties.datetime".into(), false)]).unwrap();
        assert_eq!(oldest.compare(&keys[3], &keys[0]), Ordering::Less);
        assert_eq!(oldest.compare(&keys[4], &keys[0]), Ordering::Greater);
        let by_id = Order::of(&[("id".into(), true)]).unwrap();
        assert_eq!(by_id.compare(&keys[3], &keys[2]), Ordering::Less);
        assert!(Order::of(&[("eo:cloud_cover".into(), false)]).is_none());
        assert!(FIELDS.iter().all(|field| Order::of(&[((*field).to_owned(), true)]).is_some()));
    }

    #[test]
    fn a_token_reads_back_and_nonsense_does_not() {
        let key = key(Some(-7), "i \"d", "c|é");
        let token = key.token().unwrap();
        assert_eq!(Key::read(&token).unwrap(), key);
        assert!(Key::read(&Token("{}".into())).is_none() && Key::read(&Token("next".into())).is_none());
    }
}
