//! Positions in the one total order (S1 to S3; `paging.md` section 2).
//!
//! An Item's place is its requested keys, then its id, then its exposed collection id. Nulls stand last in both
//! directions. A [`Position`] is a cut in that order: everything up to it is dealt with.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::members::Item;

use super::request::SortBy;

/// A sort key as it is compared (S2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Milliseconds since 1970, rounded down; finer digits stay in the Item but do not order it.
    Time(i64),
    Number(f64),
    Text(Box<str>),
    Bool(bool),
    Null,
}

impl Value {
    /// Ascending order, nulls last. Values of different types follow the order of the variants, so that the order
    /// stays total whatever a member sends.
    fn ascending(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            // -0 equals 0: partial_cmp says so; NaN cannot come out of JSON
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Time(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::Bool(_) => 3,
            Self::Null => 4,
        }
    }

    /// The value in a given direction; null stays last (S2).
    #[must_use]
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let ascending = self.ascending(other);
        if descending && *self != Self::Null && *other != Self::Null { ascending.reverse() } else { ascending }
    }
}

/// The whole key of an Item: no two Items of a federation share one.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The requested keys; never empty.
    pub values: Vec<Value>,
    pub id: Box<str>,
    /// Exposed collection id.
    pub collection: Arc<str>,
}

/// A cut in the total order: everything up to here is dealt with.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Position {
    /// Before everything.
    #[default]
    Start,
    /// All Items with an earlier first key.
    Before(Value),
    /// Also the Items of that first key up to this one.
    At(Key),
    /// Also all that is ordered in the tie of this first key, all of the tie at members that are walked before this one,
    /// and the first `given` Items of this member's own sequence (`paging.md` section 5, class `walker`).
    Walk { first: Value, member: Box<str>, given: u32 },
    /// All Items with this first key too.
    After(Value),
    /// Everything.
    End,
}

impl Position {
    /// Its first key; none at the ends of the order.
    #[must_use]
    pub fn first(&self) -> Option<&Value> {
        match self {
            Self::Before(value) | Self::After(value) | Self::Walk { first: value, .. } => Some(value),
            Self::At(key) => key.values.first(),
            Self::Start | Self::End => None,
        }
    }

    fn form(&self) -> u8 {
        match self {
            Self::Start => 0,
            Self::Before(_) => 1,
            Self::At(_) => 2,
            Self::Walk { .. } => 3,
            Self::After(_) => 4,
            Self::End => 5,
        }
    }
}

/// The requested keys with their directions: reads keys from Items and compares positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparator {
    keys: Vec<SortBy>,
}

impl Comparator {
    /// `keys` must not be empty; an empty list compares like `+id`.
    #[must_use]
    pub fn new(mut keys: Vec<SortBy>) -> Self {
        if keys.is_empty() {
            keys.push(SortBy { field: "id".into(), descending: false, ..SortBy::default() });
        }
        Self { keys }
    }

    #[must_use]
    pub fn keys(&self) -> &[SortBy] {
        &self.keys
    }

    /// Whether the first key is the time of the Item: then a `datetime` interval bounds it.
    #[must_use]
    pub fn by_time(&self) -> bool {
        self.keys[0].field == "datetime"
    }

    #[must_use]
    pub fn descending(&self) -> bool {
        self.keys[0].descending
    }

    /// The key of an Item; `None` when a time is asked for and the Item has none (S3: it is invalid in this order).
    #[must_use]
    pub fn read(&self, item: &Item, collection: &Arc<str>) -> Option<Key> {
        let mut values = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            values.push(match key.field.as_str() {
                "datetime" => Value::Time(item.time_key()?),
                "id" => Value::Text(item.id.clone()),
                "collection" => Value::Text(collection.as_ref().into()),
                _ => Value::Null,
            });
        }
        Some(Key { values, id: item.id.clone(), collection: Arc::clone(collection) })
    }

    /// First keys in the direction asked for.
    #[must_use]
    pub fn first(&self, a: &Value, b: &Value) -> Ordering {
        a.compare(b, self.keys[0].descending)
    }

    /// Whole keys: requested keys in turn, then id, then exposed collection id, both ascending (S1).
    #[must_use]
    pub fn keys_of(&self, a: &Key, b: &Key) -> Ordering {
        for (index, key) in self.keys.iter().enumerate() {
            let (Some(left), Some(right)) = (a.values.get(index), b.values.get(index)) else { break };
            let order = left.compare(right, key.descending);
            if order != Ordering::Equal {
                return order;
            }
        }
        a.id.as_bytes().cmp(b.id.as_bytes()).then_with(|| a.collection.as_bytes().cmp(b.collection.as_bytes()))
    }

    /// Whole keys but for the collection: what a member that sorts by id can be held to.
    #[must_use]
    pub fn within_member(&self, a: &Key, b: &Key) -> Ordering {
        let anywhere = Arc::clone(&a.collection);
        self.keys_of(a, &Key { collection: anywhere, ..b.clone() })
    }

    /// Positions: by first key, then by form, then inside the form.
    #[must_use]
    pub fn positions(&self, a: &Position, b: &Position) -> Ordering {
        match (a.first(), b.first()) {
            (Some(left), Some(right)) => {
                let order = self.first(left, right).then_with(|| a.form().cmp(&b.form()));
                match (a, b) {
                    (Position::At(left), Position::At(right)) if order == Ordering::Equal => self.keys_of(left, right),
                    (Position::Walk { member: left, given: a, .. }, Position::Walk { member: right, given: b, .. })
                        if order == Ordering::Equal =>
                    {
                        left.as_bytes().cmp(right.as_bytes()).then_with(|| a.cmp(b))
                    }
                    _ => order,
                }
            }
            _ => a.form().cmp(&b.form()),
        }
    }

    /// The place of a key against a position. Inside a walked tie it speaks of what is ordered there, which comes first.
    #[must_use]
    pub fn key_after(&self, key: &Key, position: &Position) -> bool {
        match position {
            Position::Start => true,
            Position::End => false,
            Position::Before(value) => self.first(&key.values[0], value) != Ordering::Less,
            Position::After(value) | Position::Walk { first: value, .. } => {
                self.first(&key.values[0], value) == Ordering::Greater
            }
            Position::At(at) => self.keys_of(key, at) == Ordering::Greater,
        }
    }

    /// The later of two positions.
    #[must_use]
    pub fn later<'a>(&self, a: &'a Position, b: &'a Position) -> &'a Position {
        if self.positions(a, b) == Ordering::Less { b } else { a }
    }

    /// For reports: `-properties.datetime`, `+id`, `+collection`; what S1 appends included.
    #[must_use]
    pub fn described(&self) -> Vec<String> {
        let mut keys = self.keys.clone();
        for field in ["id", "collection"] {
            if !keys.iter().any(|key| key.field == field) {
                keys.push(SortBy { field: field.into(), descending: false, ..SortBy::default() });
            }
        }
        keys.iter()
            .map(|key| {
                let field = if key.field == "datetime" { "properties.datetime" } else { &key.field };
                format!("{}{field}", if key.descending { '-' } else { '+' })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparator(descending: bool) -> Comparator {
        Comparator::new(vec![SortBy { field: "datetime".into(), descending, ..SortBy::default() }])
    }

    fn at(time: i64, id: &str, collection: &str) -> Position {
        Position::At(Key { values: vec![Value::Time(time)], id: id.into(), collection: collection.into() })
    }

    #[test]
    fn nulls_are_last_in_both_directions() {
        for descending in [false, true] {
            assert_eq!(Value::Null.compare(&Value::Time(1), descending), Ordering::Greater);
            assert_eq!(Value::Time(1).compare(&Value::Null, descending), Ordering::Less);
            assert_eq!(Value::Null.compare(&Value::Null, descending), Ordering::Equal);
        }
    }

    #[test]
    fn minus_zero_equals_zero_and_false_comes_before_true() {
        assert_eq!(Value::Number(-0.0).compare(&Value::Number(0.0), true), Ordering::Equal);
        assert_eq!(Value::Bool(false).compare(&Value::Bool(true), false), Ordering::Less);
    }

    #[test]
    fn text_is_compared_by_bytes() {
        assert_eq!(Value::Text("Z".into()).compare(&Value::Text("a".into()), false), Ordering::Less);
        assert_eq!(Value::Text("é".into()).compare(&Value::Text("z".into()), false), Ordering::Greater);
    }

    #[test]
    fn forms_of_one_first_key_follow_each_other() {
        for descending in [false, true] {
            let order = comparator(descending);
            let forms =
                [Position::Before(Value::Time(5)), at(5, "a", "x"), at(5, "b", "x"), Position::After(Value::Time(5))];
            for pair in forms.windows(2) {
                assert_eq!(order.positions(&pair[0], &pair[1]), Ordering::Less);
                assert_eq!(order.positions(&Position::Start, &pair[0]), Ordering::Less);
                assert_eq!(order.positions(&pair[1], &Position::End), Ordering::Less);
            }
        }
    }

    #[test]
    fn direction_turns_times_but_not_ids() {
        let order = comparator(true);
        assert_eq!(order.positions(&at(6, "b", "x"), &at(5, "a", "x")), Ordering::Less);
        assert_eq!(order.positions(&at(5, "a", "x"), &at(5, "b", "x")), Ordering::Less);
        assert_eq!(order.positions(&at(5, "a", "x"), &at(5, "a", "y")), Ordering::Less);
    }

    #[test]
    fn the_described_keys_name_what_the_order_appends() {
        assert_eq!(comparator(true).described(), ["-properties.datetime", "+id", "+collection"]);
        let by_id = Comparator::new(vec![SortBy { field: "id".into(), descending: true, ..SortBy::default() }]);
        assert_eq!(by_id.described(), ["-id", "+collection"]);
    }
}
