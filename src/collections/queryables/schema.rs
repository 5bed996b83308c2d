//! Schemas of queryables: what a member's may say to our clients, what several have in common, what always holds.
//!
//! A member's schema was written for its own addresses and ids. What would be untrue or lead nowhere here is left out:
//! its identity, references that are not absolute, and what it says of the properties that the broker knows itself.

use serde_json::{Map, Value, json};

use crate::members::{Failure, Fault};

/// Properties of one schema; real ones have fewer than 200.
const PROPERTIES_MAX: usize = 1_000;
/// Keywords that give a schema an identity or point to one.
const IDENTITY: [&str; 8] =
    ["$id", "$schema", "$anchor", "$recursiveAnchor", "$recursiveRef", "$dynamicAnchor", "$dynamicRef", "id"];
/// What is kept of a property that members describe differently: where they agree.
const AGREED: [&str; 2] = ["type", "format"];

/// The properties that conditions can name, each with its JSON Schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema(pub Map<String, Value>);

/// What every Item has, whoever holds it. `collections` are the ids that can occur; empty: any.
#[must_use]
pub fn minimum(collections: &[&str]) -> Schema {
    let mut collection = json!({ "title": "Collection", "description": "Id of the Collection", "type": "string" });
    if !collections.is_empty() {
        collection["enum"] = json!(collections);
    }
    let mut properties = Map::new();
    properties.insert("id".into(), json!({ "title": "Item", "description": "Id of the Item", "type": "string" }));
    properties.insert("collection".into(), collection);
    let geometry = json!({ "title": "Geometry", "description": "Footprint of the Item", "format": "geometry-any" });
    properties.insert("geometry".into(), geometry);
    let datetime =
        json!({ "title": "Time", "description": "Time of the data", "type": "string", "format": "date-time" });
    properties.insert("datetime".into(), datetime);
    Schema(properties)
}

impl Schema {
    /// Reads a member's schema and leaves out what is not true here.
    ///
    /// # Errors
    /// It is no JSON Schema of an object.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let wrong = |detail: String| Failure { fault: Fault::BadResponse, detail, status: None, retry_after_s: None };
        let mut schema: Value =
            serde_json::from_slice(bytes).map_err(|error| wrong(format!("queryables are not JSON: {error}")))?;
        if schema.get("type").is_some_and(|kind| kind != "object") {
            return Err(wrong("queryables are the schema of something else than an object".into()));
        }
        let Some(Value::Object(properties)) = schema.get_mut("properties").map(Value::take) else {
            return Err(wrong("queryables have no `properties`".into()));
        };
        let describes = |schema: &Value| schema.is_object() || *schema == Value::Bool(true);
        let mut kept = Map::new();
        for (name, mut schema) in properties.into_iter().filter(|(_, schema)| describes(schema)).take(PROPERTIES_MAX) {
            if schema == Value::Bool(true) {
                schema = json!({});
            }
            clean(&mut schema, true);
            // Clients write names of properties without it, and so do other members.
            let name = name.strip_prefix("properties.").unwrap_or(&name).to_owned();
            kept.entry(name).or_insert(schema);
        }
        Ok(Self(kept))
    }

    /// Bytes it takes when written, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(&self.0).map_or(0, |written| 2 * written.len())
    }

    /// The properties of both; where both have one, that of the other.
    #[must_use]
    pub fn under(mut self, other: Self) -> Self {
        for (name, schema) in other.0 {
            self.0.insert(name, schema);
        }
        self
    }
}

/// Leaves identities and references that lead nowhere out of a schema. `is_schema` is false for the maps and lists in
/// between, whose names are not keywords.
fn clean(value: &mut Value, is_schema: bool) {
    match value {
        Value::Object(members) => {
            if is_schema {
                // `id` was the identity in early drafts, as a text; as anything else it is no keyword at all.
                members
                    .retain(|name, value| !IDENTITY.contains(&name.as_str()) || (name == "id" && !value.is_string()));
                if members.get("$ref").is_some_and(|to| !to.as_str().is_some_and(is_absolute)) {
                    members.remove("$ref");
                }
            }
            for (name, inner) in members {
                // Values that are data, and maps from names to schemas.
                let is_data = is_schema && matches!(name.as_str(), "enum" | "const" | "default" | "examples");
                let is_map =
                    is_schema && matches!(name.as_str(), "properties" | "patternProperties" | "$defs" | "definitions");
                if !is_data {
                    clean(inner, !is_map);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| clean(inner, is_schema)),
        _ => {}
    }
}

fn is_absolute(reference: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| reference.starts_with(scheme))
}

/// What all of several schemas have; of a property that they describe differently, what they agree on.
#[must_use]
pub fn common(schemas: &[Schema]) -> Schema {
    let Some((first, others)) = schemas.split_first() else { return Schema::default() };
    let mut shared = Map::new();
    for (name, schema) in &first.0 {
        let Some(theirs) = others.iter().map(|other| other.0.get(name)).collect::<Option<Vec<_>>>() else { continue };
        let schema = if theirs.iter().all(|their| *their == schema) { schema.clone() } else { agreed(schema, &theirs) };
        shared.insert(name.clone(), schema);
    }
    Schema(shared)
}

/// The words of the first, and of the rest only what no other contradicts: a list of values or a bound of one member
/// would be wrong for another.
fn agreed(first: &Value, others: &[&Value]) -> Value {
    let mut schema = Map::new();
    for name in ["title", "description"] {
        schema.extend(first.get(name).map(|words| (name.to_owned(), words.clone())));
    }
    for name in AGREED {
        let own = first.get(name).filter(|own| others.iter().all(|other| other.get(name) == Some(*own)));
        schema.extend(own.map(|own| (name.to_owned(), own.clone())));
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &Value) -> Value {
        Value::Object(Schema::read(schema.to_string().as_bytes()).unwrap().0)
    }

    #[test]
    fn what_is_true_only_at_the_member_is_left_out() {
        let properties = read(&json!({
            "$id": "https://member.example/queryables", "$schema": "x", "type": "object", "additionalProperties": false,
            "properties": {
                "eo:cloud_cover": {"$ref": "https://schemas.example/eo.json#/cloud", "title": "Clouds"},
                "platform": {"$ref": "#/$defs/platform", "type": "string", "enum": ["$ref"]},
                "gsd": {"$id": "gsd", "type": "number", "anyOf": [{"$ref": "./x.json", "minimum": 1}]},
                "view": {"type": "object", "properties": {"id": {"type": "string"}, "$ref": {"type": "string"}}},
                "properties.instruments": true,
                "broken": 7,
            },
        }));
        assert_eq!(
            properties,
            json!({
                "eo:cloud_cover": {"$ref": "https://schemas.example/eo.json#/cloud", "title": "Clouds"},
                "platform": {"type": "string", "enum": ["$ref"]},
                "gsd": {"type": "number", "anyOf": [{"minimum": 1}]},
                "view": {"type": "object", "properties": {"id": {"type": "string"}, "$ref": {"type": "string"}}},
                "instruments": {},
            })
        );
    }

    #[test]
    fn what_is_no_schema_of_an_object_is_a_failure() {
        for wrong in [json!([]), json!({}), json!({"type": "array", "properties": {}}), json!({"properties": []})] {
            assert_eq!(Schema::read(wrong.to_string().as_bytes()).unwrap_err().fault, Fault::BadResponse, "{wrong}");
        }
        assert!(Schema::read(b"<html>").is_err());
        assert_eq!(read(&json!({"properties": {}})), json!({}));
    }

    #[test]
    fn common_is_what_all_have_and_agree_on() {
        let schema = |properties: Value| Schema(properties.as_object().unwrap().clone());
        let a =
            schema(json!({"x": {"type": "number"}, "p": {"title": "P", "type": "string", "enum": ["a"]}, "only": {}}));
        let b = schema(json!({"p": {"title": "Q", "type": "string", "enum": ["b"]}, "x": {"type": "number"}}));
        let c = schema(json!({"p": {"type": "array"}, "x": {"type": "number"}, "more": {}}));
        let both = common(&[a.clone(), b.clone()]);
        assert_eq!(both, schema(json!({"x": {"type": "number"}, "p": {"title": "P", "type": "string"}})));
        assert_eq!(common(&[a.clone(), b, c]), schema(json!({"x": {"type": "number"}, "p": {"title": "P"}})));
        assert_eq!(common(std::slice::from_ref(&a)), a);
        assert_eq!(common(&[]), Schema::default());
    }

    #[test]
    fn what_the_broker_knows_itself_wins() {
        let member = Schema(json!({"collection": {"enum": ["native"]}, "gsd": {}}).as_object().unwrap().clone());
        let schema = member.under(minimum(&["A|c"]));
        assert_eq!(schema.0["collection"]["enum"], json!(["A|c"]));
        assert_eq!(schema.0.keys().collect::<Vec<_>>(), ["collection", "gsd", "id", "geometry", "datetime"]);
        assert!(minimum(&[]).0["collection"].get("enum").is_none());
    }
}
