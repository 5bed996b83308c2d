//! What conditions can name, as far as the Items of a snapshot show it: their properties with the types of their values.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::members::Item;

/// Items that are looked at: the Items of one Collection are alike.
const ITEMS_MAX: usize = 2_000;
/// Properties of one schema.
const PROPERTIES_MAX: usize = 500;
/// Times that every Item can have.
const TIMES: [&str; 6] = ["datetime", "start_datetime", "end_datetime", "created", "updated", "published"];

/// The JSON Schema of these Items' properties; `None` without Items.
pub fn of<'a>(items: impl Iterator<Item = &'a Item>) -> Option<Value> {
    let mut found: BTreeMap<String, Option<&'static str>> = BTreeMap::new();
    let mut any = false;
    for item in items.take(ITEMS_MAX) {
        any = true;
        // numbers beyond 64 bits are no fault here: values are looked at, not read
        let Ok(properties) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(item.slice(&item.spans.properties))
        else {
            continue;
        };
        for (name, value) in properties {
            let Some(kind) = kind(value.get()) else { continue };
            let full = found.len() >= PROPERTIES_MAX;
            match found.get_mut(&name) {
                Some(known) => *known = known.filter(|known| *known == kind),
                None if full => {}
                None => drop(found.insert(name, Some(kind))),
            }
        }
    }
    let schema = |(name, kind): (String, Option<&'static str>)| {
        let mut schema = Map::new();
        if let Some(kind) = kind {
            schema.insert("type".into(), kind.into());
        }
        if TIMES.contains(&name.as_str()) {
            schema.insert("format".into(), "date-time".into());
        }
        (name, Value::Object(schema))
    };
    let properties: Map<String, Value> = found.into_iter().map(schema).collect();
    any.then(|| json!({ "type": "object", "properties": properties }))
}

/// The type of a value by its first byte; `None` for null, which says nothing.
fn kind(value: &str) -> Option<&'static str> {
    match value.as_bytes().first()? {
        b'"' => Some("string"),
        b'{' => Some("object"),
        b'[' => Some("array"),
        b't' | b'f' => Some("boolean"),
        b'n' => None,
        _ => Some("number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_values_and_unequal_ones_are_left_open() {
        let item = |properties: &str| {
            Item::new(format!(r#"{{"type":"Feature","id":"a","geometry":null,"properties":{properties}}}"#)).unwrap()
        };
        let items = [
            item(r#"{"datetime":null,"n":123456789012345678901234567890,"s":"x","mixed":1,"l":[1],"o":{"a":1}}"#),
            item(r#"{"datetime":"2020-01-01T00:00:00Z","n":1.5,"mixed":"a","b":true,"null":null}"#),
        ];
        let schema = of(items.iter()).unwrap();
        assert_eq!(
            schema["properties"],
            json!({
                "datetime": { "type": "string", "format": "date-time" }, "n": { "type": "number" }, "mixed": {},
                "s": { "type": "string" }, "b": { "type": "boolean" }, "l": { "type": "array" }, "o": { "type": "object" },
            })
        );
        assert!(of(std::iter::empty()).is_none());
    }
}
