//! The total order, said anew: it shares no comparison with the one that it judges.

use std::cmp::Ordering;

use crate::members::Item;
use crate::search::order::{Key, Position, Value};
use crate::search::request::{KeyKind, SortBy};

use super::thing::Thing;

/// What an Item is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Time,
    Id,
    Collection,
    /// The property `n`.
    Number,
    /// The property `s`.
    Text,
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
            By::Number => "n",
            By::Text => "s",
        };
        let kind = |by| match by {
            By::Number => KeyKind::Number,
            By::Text => KeyKind::Text,
            _ => KeyKind::Any,
        };
        let key = |(by, descending): &(By, bool)| SortBy {
            field: field(*by).into(),
            descending: *descending,
            kind: kind(*by),
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
            By::Number => sent(item, "n").as_f64().map_or(Value::Null, Value::Number),
            By::Text => sent(item, "s").as_str().map_or(Value::Null, |text| Value::Text(first_bytes(text).into())),
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

    /// Whether an Item lacks the first key.
    pub(super) fn is_null(&self, thing: &Thing) -> bool {
        match self.lead().0 {
            By::Number => thing.number.is_none(),
            By::Text => thing.text.is_none(),
            By::Time | By::Id | By::Collection => false,
        }
    }

    /// First keys alone.
    pub(super) fn firsts(&self, a: &Key, b: &Key) -> Ordering {
        turned(&a.values[0], &b.values[0], self.keys[0].1)
    }

    /// Whether the position does not deal yet with an Item that its member gives in its own order.
    pub(super) fn is_walked_behind(&self, key: &Key, member: &str, position: &Position) -> bool {
        match position {
            Position::At(at) => self.firsts(key, at).is_ge(),
            Position::Walk { first, member: walker, .. } => {
                let first = turned(&key.values[0], first, self.keys[0].1);
                first.is_gt() || (first.is_eq() && member >= &**walker)
            }
            _ => self.is_behind(key, position),
        }
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

/// A property as it was sent.
fn sent(item: &Item, name: &str) -> serde_json::Value {
    let properties: serde_json::Value = serde_json::from_slice(&item.bytes).expect("properties of the model");
    properties[name].clone()
}

/// As many characters as 256 bytes have room for: a longer text is ordered by these.
fn first_bytes(text: &str) -> String {
    let mut first = String::new();
    for character in text.chars() {
        if first.len() + character.len_utf8() > 256 {
            break;
        }
        first.push(character);
    }
    first
}

/// How a member keeps what it sorts by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Store {
    /// Numbers in single precision.
    pub(super) single: bool,
    /// Items without the key stand first.
    pub(super) nulls_first: bool,
}

impl Store {
    /// A number as the member has it.
    pub(super) fn kept(self, number: f64) -> f64 {
        if self.single { f64::from(number as f32) } else { number }
    }

    /// How a member sorts two of its Items: by the first key, then by its own order of ties.
    pub(super) fn compare(self, lead: Option<(By, bool)>, a: &Thing, b: &Thing) -> Ordering {
        self.by_lead(lead, a, b).then(a.tie.cmp(&b.tie))
    }

    /// By the first key alone.
    pub(super) fn by_lead(self, lead: Option<(By, bool)>, a: &Thing, b: &Thing) -> Ordering {
        let Some((by, descending)) = lead else { return Ordering::Equal };
        let turn = |ascending: Ordering| if descending { ascending.reverse() } else { ascending };
        match by {
            By::Time => turn(a.start_ms.cmp(&b.start_ms)),
            By::Id => turn(a.item.id.cmp(&b.item.id)),
            By::Collection => turn(a.item.collection.cmp(&b.item.collection)),
            By::Number => {
                let number = |thing: &Thing| thing.number.map(|number| self.kept(number));
                self.known_or_not(number(a), number(b), |a, b| turn(a.partial_cmp(&b).expect("a number of the model")))
            }
            By::Text => self.known_or_not(a.text.as_deref(), b.text.as_deref(), |a, b| turn(a.cmp(b))),
        }
    }

    pub(super) fn known_or_not<T>(self, a: Option<T>, b: Option<T>, known: impl Fn(T, T) -> Ordering) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => known(a, b),
            (None, None) => Ordering::Equal,
            (None, Some(_)) => {
                if self.nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Some(_), None) => {
                if self.nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
        }
    }
}
