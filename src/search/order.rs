//! Positions in the one total order (S1 to S3; `paging.md` section 2).
//!
//! An Item's place is its requested keys, then its id, then its exposed collection id. Nulls stand last in both
//! directions. A [`Position`] is a cut in that order: everything up to it is dealt with.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::members::Item;
pub use crate::members::sort::Value;

use super::request::SortBy;

/// Keys that are no properties of an Item, or are read with every Item.
pub const CORE: [&str; 3] = ["datetime", "id", "collection"];

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
    /// The properties among the keys, which are looked for in the bytes of an Item: mostly none.
    properties: Vec<Box<str>>,
}

impl Comparator {
    /// `keys` must not be empty; an empty list compares like `+id`.
    #[must_use]
    pub fn new(mut keys: Vec<SortBy>) -> Self {
        if keys.is_empty() {
            keys.push(SortBy { field: "id".into(), descending: false, ..SortBy::default() });
        }
        let properties = keys.iter().filter(|key| !key.is_core()).map(|key| key.field.as_str().into()).collect();
        Self { keys, properties }
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
        let found = if self.properties.is_empty() { Vec::new() } else { item.values(&self.properties) };
        let mut found = found.into_iter();
        for key in &self.keys {
            values.push(match key.field.as_str() {
                "datetime" => Value::Time(item.time_key()?),
                "id" => Value::Text(item.id.clone()),
                "collection" => Value::Text(collection.as_ref().into()),
                _ => found.next().flatten().map_or(Value::Null, |json| Value::read(json, key.kind)),
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
        keys.iter().map(|key| format!("{}{}", if key.descending { '-' } else { '+' }, key.full_name())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::KeyKind;

    fn comparator(descending: bool) -> Comparator {
        Comparator::new(vec![SortBy { field: "datetime".into(), descending, ..SortBy::default() }])
    }

    fn at(time: i64, id: &str, collection: &str) -> Position {
        Position::At(Key { values: vec![Value::Time(time)], id: id.into(), collection: collection.into() })
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

    #[test]
    fn keys_are_read_from_properties_each_by_its_kind() {
        let key = |field: &str, kind| SortBy { field: field.into(), descending: false, kind };
        let keys = [("eo:cloud_cover", KeyKind::Number), ("id", KeyKind::Any), ("created", KeyKind::Time)];
        let order = Comparator::new(keys.map(|(field, kind)| key(field, kind)).to_vec());
        let item = |properties: &str| {
            Item::new(format!(r#"{{"type":"Feature","id":"a","geometry":null,"properties":{properties}}}"#)).unwrap()
        };
        let values = |properties: &str| order.read(&item(properties), &"M|c".into()).unwrap().values;
        let of = values(r#"{"created":"1970-01-01T00:00:00.5Z","eo:cloud_cover":7}"#);
        assert_eq!(of, [Value::Number(7.0), Value::Text("a".into()), Value::Time(500)]);
        assert_eq!(values(r#"{"created":5,"eo:cloud_cover":"7"}"#)[0], Value::Null, "of another type");
        assert_eq!(values("{}")[2], Value::Null, "absent");
        assert_eq!(order.described(), ["+properties.eo:cloud_cover", "+id", "+properties.created", "+collection"]);
    }
}
