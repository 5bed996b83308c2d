//! The order of the answer, and how each leg is read for it (S4, S5).

use chrono::DateTime;

use crate::cql2::{Comparison, Expr, Value};
use crate::federation::{MemberId, Support};
use crate::members::{Capabilities, KeyKind};
use crate::search::request::{Handling, SearchRequest, SortBy};

use super::{Asked, FirstKey, Mode, NullItems, Order};

/// How a leg is read, and the sort keys it is asked for, in the member's spelling.
pub(super) struct Reading {
    pub mode: Mode,
    pub sortby: Vec<(String, bool)>,
    /// What the values of these are taken for.
    pub kinds: Vec<KeyKind>,
    pub first: FirstKey,
}

impl Reading {
    /// Not asked for any order.
    fn unsorted(mode: Mode) -> Self {
        Self { mode, sortby: Vec::new(), kinds: Vec::new(), first: FirstKey::Certain }
    }

    fn sorted(mode: Mode, abilities: &Capabilities, keys: &[SortBy], first: FirstKey) -> Self {
        let sortby = pushed(abilities, keys);
        let kinds = keys.iter().take(sortby.len()).map(|key| key.kind).collect();
        Self { mode, sortby, kinds, first }
    }
}

/// The order of a first page: as requested, else newest first if every member asked can deliver it.
///
/// A text is ordered as its member orders it where nobody can know how that is and nobody else is asked.
pub(super) fn choose<'a>(request: &SearchRequest, asked: impl Iterator<Item = &'a Asked<'a>>) -> Order {
    let asked: Vec<&Asked<'_>> = asked.collect();
    if let (Some(first), [alone]) = (request.sortby.first(), asked.as_slice())
        && is_collated(first, &alone.abilities)
        && delivers(&alone.abilities, first)
    {
        return Order::Quota;
    }
    if !request.sortby.is_empty() {
        return Order::Sorted(request.sortby.clone());
    }
    if unsorted(asked.into_iter()).is_empty() { Order::Sorted(vec![newest_first()]) } else { Order::Quota }
}

/// The members that cannot deliver newest first.
pub(super) fn unsorted<'a>(asked: impl Iterator<Item = &'a Asked<'a>>) -> Vec<MemberId> {
    let cannot = asked.filter(|asked| !delivers(&asked.abilities, &newest_first()));
    let mut members: Vec<MemberId> = cannot.map(|asked| asked.member.id.clone()).collect();
    members.dedup();
    members
}

fn newest_first() -> SortBy {
    SortBy { field: "datetime".to_owned(), descending: true, ..SortBy::default() }
}

/// How this leg is read under the order; `alone` when no other member is asked.
///
/// # Errors
/// The feature that the member lacks.
pub(super) fn read(order: &Order, asked: &Asked<'_>, request: &SearchRequest, alone: bool) -> Result<Reading, String> {
    let abilities = &asked.abilities;
    let keys = match order {
        Order::Quota => {
            let mode = if alone { Mode::PassThrough } else { Mode::Quota };
            return Ok(Reading::sorted(mode, abilities, &request.sortby, FirstKey::Certain));
        }
        Order::Sorted(keys) => keys,
    };
    let Some(first) = keys.first().filter(|first| delivers(abilities, first)) else {
        // Sorted by the broker: by windows of time, or whole; then the page refuses it when it turns out to be long.
        let timed = keys.first().is_some_and(|first| first.field == "datetime");
        let mode = if timed && abilities.datetime != Support::Unsupported { Mode::Slice } else { Mode::Drain };
        return Ok(Reading::unsorted(mode));
    };
    if is_collated(first, abilities) && !alone {
        // Its collation may differ from ours, and then its stream cannot be merged with others.
        return Err(format!("string-order: {}", first.field));
    }
    let (mode, first) = resumed(abilities, first);
    // an answer that may lack Items, and says so only when the values are over, is no answer for who wants all
    if let (FirstKey::Bounded { property, nulls: NullItems::OutOfReach }, Handling::Strict) = (&first, request.handling)
    {
        return Err(null_filter(property));
    }
    Ok(Reading::sorted(mode, abilities, keys, first))
}

/// What a member lacks that cannot be asked for the Items without a key.
pub(in crate::search) fn null_filter(property: &str) -> String {
    format!("null-filter: {property}")
}

/// How a member that sorts by the first key is resumed, and where its Items without one are.
fn resumed(abilities: &Capabilities, first: &SortBy) -> (Mode, FirstKey) {
    if first.is_core() {
        // A bound on time resumes a leg without its token; an inexact one returns too much, which does no harm.
        let bounded = first.field == "datetime" && abilities.datetime != Support::Unsupported;
        return (if bounded { Mode::Keyset } else { Mode::Token }, FirstKey::Certain);
    }
    if abilities.evaluated_here {
        return (Mode::Token, FirstKey::Unbounded { nulls_last: true });
    }
    if !takes_bounds(abilities, first) {
        return (Mode::Token, FirstKey::Unbounded { nulls_last: false });
    }
    let property: Box<str> = first.field.as_str().into();
    let nulls = match abilities.condition(&Expr::IsNull(Value::Property(property.clone()))) {
        Support::Exact => NullItems::Apart,
        Support::Inexact => NullItems::Hinted,
        Support::Unsupported => NullItems::OutOfReach,
    };
    (Mode::Keyset, FirstKey::Bounded { property, nulls })
}

/// Whether the member returns at least what lies at or behind a value of the key.
fn takes_bounds(abilities: &Capabilities, key: &SortBy) -> bool {
    let literal = match key.kind {
        KeyKind::Number => Value::Number(1.0),
        KeyKind::Text => Value::Text("a".into()),
        KeyKind::Time => Value::Timestamp(DateTime::UNIX_EPOCH),
        KeyKind::Any | KeyKind::Boolean => return false,
    };
    let op = if key.descending { Comparison::LessOrEqual } else { Comparison::GreaterOrEqual };
    let bound = Expr::Compare { op, left: Value::Property(key.field.as_str().into()), right: literal };
    abilities.condition(&bound) != Support::Unsupported
}

/// Whether the order of the key's values depends on a collation that is not known to be that of bytes.
fn is_collated(key: &SortBy, abilities: &Capabilities) -> bool {
    let is_text = matches!(key.kind, KeyKind::Any | KeyKind::Text) && key.field != "datetime";
    is_text && !abilities.string_order_bytes
}

/// Whether the member gives its Items in the order of this key: by sorting, or as it is.
fn delivers(abilities: &Capabilities, key: &SortBy) -> bool {
    let sorts = key.descending || abilities.sort_ascending;
    (sorts && spelling(abilities, key).is_some()) || native(abilities, key)
}

fn native(abilities: &Capabilities, key: &SortBy) -> bool {
    let Some(order) = &abilities.native_order else { return false };
    let (descending, field) = match order.strip_prefix('-') {
        Some(field) => (true, field),
        None => (false, order.strip_prefix('+').unwrap_or(order)),
    };
    key.field == "datetime" && matches!(field, "datetime" | "properties.datetime") && descending == key.descending
}

/// The requested keys as far as the member sorts by them, then its id: ties in our order are cheap to resume.
fn pushed(abilities: &Capabilities, keys: &[SortBy]) -> Vec<(String, bool)> {
    let mut pushed = Vec::new();
    for key in keys {
        // A key behind one that cannot be pushed would order nothing.
        let Some(field) = spelling(abilities, key).filter(|_| key.descending || abilities.sort_ascending) else {
            return pushed;
        };
        pushed.push((field, key.descending));
    }
    let id = SortBy { field: "id".to_owned(), ..SortBy::default() };
    if !keys.is_empty()
        && !keys.iter().any(|key| key.field == "id")
        && abilities.sort_ascending
        && let Some(id) = spelling(abilities, &id)
    {
        pushed.push((id, false));
    }
    pushed
}

/// How the member spells a field that it sorts by; `None` when it does not.
fn spelling(abilities: &Capabilities, key: &SortBy) -> Option<String> {
    if abilities.sort != Support::Exact {
        return None;
    }
    let full = key.full_name();
    match &abilities.sort_fields {
        None => Some(full.into_owned()),
        Some(known) => {
            [&*full, &key.field].into_iter().find(|name| known.iter().any(|known| known == name)).map(str::to_owned)
        }
    }
}
