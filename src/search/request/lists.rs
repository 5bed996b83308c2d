//! `limit`, and the parameters that are lists of names: `ids`, `collections`, `sortby`, `fields`.

use std::collections::HashSet;

use serde_json::Value;

use crate::federation::Limits;
use crate::search::fields::Fields;

use super::body::described;
use super::{Invalid, SortBy, quoted, sortable};

/// Entries of `ids` and of `collections`; what a body of one MiB holds of usual ids.
const NAMES_MAX: usize = 10_000;
/// Bytes of one id or field.
const NAME_BYTES_MAX: usize = 1024;
/// Keys of `sortby`; each is a part of every position in a cursor.
const SORT_KEYS_MAX: usize = 8;
/// Bytes of the name of one: it travels in every cursor.
const SORT_KEY_BYTES_MAX: usize = 128;
/// Names in `fields`; each is looked for in each Item of a page.
const FIELDS_MAX: usize = 100;

const LIMIT: &str = "an integer of at least 1";

/// `limit` of a query string: clamped to the maximum, however large.
pub(super) fn limit_text(given: &str, limits: &Limits) -> Result<u32, Invalid> {
    let digits = given.trim_start_matches('0');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Invalid::new("limit", quoted(given), LIMIT));
    }
    // Too many digits for a number are more than any maximum.
    Ok(digits.parse().unwrap_or(u32::MAX).min(limits.page_items_max))
}

/// `limit` of a body; `10.0` is an integer in JSON.
pub(super) fn limit_json(value: &Value, limits: &Limits) -> Result<u32, Invalid> {
    let wrong = || Invalid::new("limit", described(value), LIMIT);
    let number = value.as_f64().ok_or_else(wrong)?;
    if number < 1.0 || number.fract() != 0.0 {
        return Err(wrong());
    }
    let max = limits.page_items_max;
    if number >= f64::from(max) {
        return Ok(max);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an integer between 1 and a u32")]
    Ok(number as u32)
}

/// `ids` or `collections` of a query string: names between commas.
pub(super) fn names_text(parameter: &str, given: &str) -> Result<Vec<String>, Invalid> {
    names(parameter, given.split(',').filter(|name| !name.is_empty()))
}

/// `ids` or `collections` of a body: an array, or one bare text.
pub(super) fn names_json(parameter: &str, value: &Value) -> Result<Vec<String>, Invalid> {
    let accepted = "an array of texts, or one text";
    match value {
        Value::String(name) => names(parameter, std::iter::once(name.as_str())),
        Value::Array(list) => {
            let mut texts = Vec::with_capacity(list.len());
            for entry in list {
                let text = entry.as_str().ok_or_else(|| {
                    Invalid::new(parameter, format!("an array that contains {}", described(entry)), accepted)
                })?;
                texts.push(text);
            }
            names(parameter, texts.into_iter())
        }
        other => Err(Invalid::new(parameter, described(other), accepted)),
    }
}

fn names<'a>(parameter: &str, given: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Invalid> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for name in given {
        let name = bounded(parameter, name)?;
        if !seen.insert(name) {
            continue;
        }
        if names.len() == NAMES_MAX {
            return Err(Invalid::new(parameter, "too long a list", format!("at most {NAMES_MAX} entries")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn bounded<'a>(parameter: &str, name: &'a str) -> Result<&'a str, Invalid> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let given = if name.is_empty() { "a list with an empty text".to_owned() } else { quoted(name) };
        return Err(Invalid::new(parameter, given, format!("texts of 1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(name)
}

/// A list entry of a query string: its sign, and its name. An unescaped plus arrives as a space.
fn signed(entry: &str) -> (bool, &str) {
    match entry.as_bytes().first() {
        Some(b'-') => (true, &entry[1..]),
        Some(b'+' | b' ') => (false, &entry[1..]),
        _ => (false, entry),
    }
}

/// `sortby` of a query string: `+field`, `-field` or `field`, between commas.
pub(super) fn sortby_text(given: &str) -> Result<Vec<SortBy>, Invalid> {
    let mut keys = Vec::new();
    for entry in given.split(',').filter(|entry| !entry.is_empty()) {
        let (descending, name) = signed(entry);
        add_key(&mut keys, name, descending)?;
    }
    Ok(keys)
}

/// `sortby` of a body: `[{"field": …, "direction": "asc" | "desc"}]`, ascending unless it says otherwise.
pub(super) fn sortby_json(value: &Value) -> Result<Vec<SortBy>, Invalid> {
    let accepted = "an array of objects `{\"field\": …, \"direction\": \"asc\" or \"desc\"}`";
    let list = value.as_array().ok_or_else(|| Invalid::new("sortby", described(value), accepted))?;
    let mut keys = Vec::new();
    for entry in list {
        let wrong =
            |what: &Value| Invalid::new("sortby", format!("an array that contains {}", described(what)), accepted);
        let field = entry.get("field").and_then(Value::as_str).ok_or_else(|| wrong(entry))?;
        let descending = match entry.get("direction") {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("asc") => false,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("desc") => true,
            Some(other) => return Err(wrong(other)),
        };
        add_key(&mut keys, field, descending)?;
    }
    Ok(keys)
}

fn add_key(keys: &mut Vec<SortBy>, given: &str, descending: bool) -> Result<(), Invalid> {
    let field = given.strip_prefix("properties.").unwrap_or(given);
    // ids are no properties, whatever is written before them
    let misplaced = field != given && matches!(field, "id" | "collection");
    if misplaced || field.len() > SORT_KEY_BYTES_MAX || !sortable::may_be_key(field) {
        return Err(Invalid::new("sortby", quoted(given), sortable::ACCEPTED));
    }
    if keys.iter().any(|key: &SortBy| key.field == field) {
        return Err(Invalid::new("sortby", format!("a list with `{field}` more than once"), "each field once"));
    }
    if keys.len() == SORT_KEYS_MAX {
        return Err(Invalid::new("sortby", "too long a list", format!("at most {SORT_KEYS_MAX} keys")));
    }
    let kind = sortable::defined(field).unwrap_or_default();
    keys.push(SortBy { field: field.to_owned(), descending, kind });
    Ok(())
}

/// `fields` of a query string: `+name`, `-name` or `name`, between commas. Empty: the default set.
pub(super) fn fields_text(given: &str) -> Result<Fields, Invalid> {
    let (mut include, mut exclude) = (Vec::new(), Vec::new());
    for entry in given.split(',') {
        let (left_out, name) = signed(entry);
        if !name.is_empty() {
            add_field(if left_out { &mut exclude } else { &mut include }, name)?;
        }
    }
    let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Ok(Fields { include: given(include), exclude: given(exclude) })
}

/// `fields` of a body: `{"include": […], "exclude": […]}`. An `include` of `null` is an empty list, not an absent one.
pub(super) fn fields_json(value: &Value) -> Result<Fields, Invalid> {
    let accepted = "an object `{\"include\": [texts], \"exclude\": [texts]}`";
    let object = value.as_object().ok_or_else(|| Invalid::new("fields", described(value), accepted))?;
    if let Some(unknown) = object.keys().find(|key| !matches!(key.as_str(), "include" | "exclude")) {
        return Err(Invalid::new("fields", format!("an object with {}", quoted(unknown)), accepted));
    }
    let read = |name: &str| -> Result<Option<Vec<String>>, Invalid> {
        let list = match object.get(name) {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(Vec::new())),
            Some(Value::Array(list)) => list,
            Some(other) => {
                return Err(Invalid::new(
                    "fields",
                    format!("an object whose `{name}` is {}", described(other)),
                    accepted,
                ));
            }
        };
        let mut names = Vec::new();
        for entry in list {
            let name = entry.as_str().ok_or_else(|| {
                Invalid::new("fields", format!("an object whose `{name}` contains {}", described(entry)), accepted)
            })?;
            add_field(&mut names, name)?;
        }
        Ok(Some(names))
    };
    Ok(Fields { include: read("include")?, exclude: read("exclude")? })
}

fn add_field(names: &mut Vec<String>, name: &str) -> Result<(), Invalid> {
    let name = bounded("fields", name)?;
    if names.iter().any(|earlier| earlier == name) {
        return Ok(());
    }
    if names.len() == FIELDS_MAX {
        return Err(Invalid::new("fields", "too long a list", format!("at most {FIELDS_MAX} names")));
    }
    names.push(name.to_owned());
    Ok(())
}
