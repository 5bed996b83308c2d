//! The total order, said anew: it shares no comparison with the one that it judges.

use std::cmp::Ordering;

use crate::members::Item;
use crate::search::order::{Key, Position, Value};
use crate::search::request::SortBy;

use super::thing::Thing;

/// What an Item is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Time,
    Id,
    Collection,
}

/// The order that a history asks for: keys with their directions (true: descending).
#[derive(Debug, Clone)]
pub(super) struct Oracle {
    keys: Vec<(By, bool)>,
}

impl Oracle {
    pub(super) fn new(keys: &[(By, bool)]) -> Self {
        Self { keys: keys.to_vec() }
    }

    /// In the words of a request.
    pub(super) fn asked(&self) -> Vec<SortBy> {
        let field = |by| match by {
            By::Time => "datetime",
            By::Id => "id",
            By::Collection => "collection",
        };
        let key = |(by, descending): &(By, bool)| SortBy {
            field: field(*by).into(),
            descending: *descending,
            ..SortBy::default()
        };
        self.keys.iter().map(key).collect()
    }

    /// The first key: what a member must be able to sort by.
    pub(super) fn lead(&self) -> (By, bool) {
        self.keys[0]
    }

    pub(super) fn is_simple(&self) -> bool {
        self.keys.len() == 1
    }

    /// An Item's key, made from what the member sent.
    pub(super) fn key(&self, item: &Item, exposed: &std::sync::Arc<str>) -> Key {
        let value = |by: By| match by {
            By::Time => {
                let at = item.times.datetime.or(item.times.start).expect("a time");
                Value::Time(at.timestamp_micros().div_euclid(1_000))
            }
            By::Id => Value::Text(item.id.clone()),
            By::Collection => Value::Text(exposed.as_ref().into()),
        };
        let values = self.keys.iter().map(|(by, _)| value(*by)).collect();
        Key { values, id: item.id.clone(), collection: exposed.clone() }
    }

    /// S1: the keys asked for, then the id, then the collection.
    pub(super) fn compare(&self, a: &Key, b: &Key) -> Ordering {
        let mut order = Ordering::Equal;
        for (index, (_, descending)) in self.keys.iter().enumerate() {
            order = order.then_with(|| turned(&a.values[index], &b.values[index], *descending));
        }
        order.then_with(|| a.id.cmp(&b.id)).then_with(|| a.collection.cmp(&b.collection))
    }

    /// Whether the position does not deal with the Item yet.
    pub(super) fn is_behind(&self, key: &Key, position: &Position) -> bool {
        let first = |value: &Value| turned(&key.values[0], value, self.keys[0].1);
        match position {
            Position::Start => true,
            Position::Before(value) => first(value).is_ge(),
            Position::At(at) => self.compare(key, at).is_gt(),
            // what is ordered in a tie comes before what is walked
            Position::Walk { first: value, .. } | Position::After(value) => first(value).is_gt(),
            Position::End => false,
        }
    }
}

/// S2: null is last in both directions.
fn turned(a: &Value, b: &Value, descending: bool) -> Ordering {
    let ascending = match (a, b) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return Ordering::Greater,
        (_, Value::Null) => return Ordering::Less,
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b).expect("a number of the model"),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        other => panic!("no order of the model compares {other:?}"),
    };
    if descending { ascending.reverse() } else { ascending }
}

/// How a member sorts two of its Items: by the first key, then by its own order of ties.
pub(super) fn at_member(lead: Option<(By, bool)>, a: &Thing, b: &Thing) -> Ordering {
    by_lead(lead, a, b).then(a.tie.cmp(&b.tie))
}

/// By the first key alone.
pub(super) fn by_lead(lead: Option<(By, bool)>, a: &Thing, b: &Thing) -> Ordering {
    let Some((by, descending)) = lead else { return Ordering::Equal };
    let ascending = match by {
        By::Time => a.start_ms.cmp(&b.start_ms),
        By::Id => a.item.id.cmp(&b.item.id),
        By::Collection => a.item.collection.cmp(&b.item.collection),
    };
    if descending { ascending.reverse() } else { ascending }
}
