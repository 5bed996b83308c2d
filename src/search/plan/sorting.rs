//! The order of the answer, and how each leg is read for it (S4, S5).

use crate::federation::{MemberId, Support};
use crate::members::Capabilities;
use crate::search::request::{SearchRequest, SortBy};

use super::{Asked, Mode, Order};

/// How a leg is read, and the sort keys it is asked for, in the member's spelling.
pub(super) struct Reading {
    pub mode: Mode,
    pub sortby: Vec<(String, bool)>,
}

/// The order of a first page: as requested, else newest first if every member asked can deliver it.
pub(super) fn choose<'a>(request: &SearchRequest, asked: impl Iterator<Item = &'a Asked<'a>>) -> Order {
    if !request.sortby.is_empty() {
        return Order::Sorted(request.sortby.clone());
    }
    if unsorted(asked).is_empty() { Order::Sorted(vec![newest_first()]) } else { Order::Quota }
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
pub(super) fn read(order: &Order, asked: &Asked<'_>, alone: bool) -> Result<Reading, String> {
    let abilities = &asked.abilities;
    let keys = match order {
        Order::Quota => {
            let mode = if alone { Mode::PassThrough } else { Mode::Quota };
            return Ok(Reading { mode, sortby: Vec::new() });
        }
        Order::Sorted(keys) => keys,
    };
    let Some(first) = keys.first().filter(|first| delivers(abilities, first)) else {
        // Sorted by the broker; the page refuses it when it turns out to be long.
        return Ok(Reading { mode: Mode::Drain, sortby: Vec::new() });
    };
    let timed = first.field == "datetime";
    if !timed && !alone && !abilities.string_order_bytes {
        // Its collation may differ from ours, and then its stream cannot be merged with others.
        return Err(format!("string-order: {}", first.field));
    }
    // A bound on time resumes a leg without its token; an inexact one returns too much, which does no harm.
    let bounded = timed && abilities.datetime != Support::Unsupported;
    let mode = if bounded { Mode::Keyset } else { Mode::Token };
    Ok(Reading { mode, sortby: pushed(abilities, keys) })
}

/// Whether the member gives its Items in the order of this key: by sorting, or as it is.
fn delivers(abilities: &Capabilities, key: &SortBy) -> bool {
    let sorts = key.descending || abilities.sort_ascending;
    (sorts && spelling(abilities, &key.field).is_some()) || native(abilities, key)
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
        let Some(field) = spelling(abilities, &key.field).filter(|_| key.descending || abilities.sort_ascending) else {
            return pushed;
        };
        pushed.push((field, key.descending));
    }
    if !keys.iter().any(|key| key.field == "id")
        && abilities.sort_ascending
        && let Some(id) = spelling(abilities, "id")
    {
        pushed.push((id, false));
    }
    pushed
}

/// How the member spells a field that it sorts by; `None` when it does not.
fn spelling(abilities: &Capabilities, field: &str) -> Option<String> {
    if abilities.sort != Support::Exact {
        return None;
    }
    let full = if field == "datetime" { "properties.datetime" } else { field };
    match &abilities.sort_fields {
        None => Some(full.to_owned()),
        Some(known) => {
            [full, field].into_iter().find(|name| known.iter().any(|known| known == name)).map(str::to_owned)
        }
    }
}
