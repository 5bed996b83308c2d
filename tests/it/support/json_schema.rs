//! As much of JSON Schema as our own schemas use; a keyword that is not known here is an error, so that nothing that a
//! schema says goes unchecked.

use serde_json::Value;

/// Keywords that say nothing about a value.
const SILENT: [&str; 6] = ["$schema", "$defs", "title", "description", "default", "$comment"];

/// Everything in which the value is not what the schema says, each with its place.
pub fn problems(root: &Value, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(root, root, value, "", &mut out);
    out
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    for (keyword, said) in schema.as_object().expect("a schema is an object") {
        let inner = |key: &str| format!("{place}/{key}");
        let bad = match keyword.as_str() {
            "$ref" => {
                let target =
                    root.pointer(said.as_str().unwrap().strip_prefix('#').unwrap()).expect("a $ref leads somewhere");
                check(root, target, value, place, out);
                false
            }
            "type" => !is(said, value),
            "enum" => !said.as_array().unwrap().contains(value),
            "const" => said != value,
            "pattern" => {
                value.as_str().is_some_and(|text| !regex::Regex::new(said.as_str().unwrap()).unwrap().is_match(text))
            }
            "minLength" => value.as_str().is_some_and(|text| text.chars().count() < count(said)),
            "maxLength" => value.as_str().is_some_and(|text| text.chars().count() > count(said)),
            "minimum" => value.as_f64().is_some_and(|number| number < said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_some_and(|number| number > said.as_f64().unwrap()),
            "minItems" => value.as_array().is_some_and(|list| list.len() < count(said)),
            "maxItems" => value.as_array().is_some_and(|list| list.len() > count(said)),
            "minProperties" => value.as_object().is_some_and(|table| table.len() < count(said)),
            "maxProperties" => value.as_object().is_some_and(|table| table.len() > count(said)),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, said, item, &inner(&index.to_string()), out);
                }
                false
            }
            "required" => {
                let table = value.as_object();
                said.as_array()
                    .unwrap()
                    .iter()
                    .any(|key| table.is_some_and(|table| !table.contains_key(key.as_str().unwrap())))
            }
            "properties" => {
                for (key, schema) in said.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        check(root, schema, value, &inner(key), out);
                    }
                }
                false
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let others = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                for (key, value) in others {
                    match said {
                        Value::Bool(true) => {}
                        Value::Bool(false) => out.push(format!("{}: not known", inner(key))),
                        schema => check(root, schema, value, &inner(key), out),
                    }
                }
                false
            }
            "anyOf" => !said.as_array().unwrap().iter().any(|one| {
                let mut found = Vec::new();
                check(root, one, value, place, &mut found);
                found.is_empty()
            }),
            silent if SILENT.contains(&silent) => false,
            other => panic!("the schema uses `{other}`, which the tests do not know"),
        };
        if bad {
            out.push(format!("{place}: {value} is against `{keyword}`: {said}"));
        }
    }
}

fn count(said: &Value) -> usize {
    usize::try_from(said.as_u64().unwrap()).unwrap()
}

fn is(said: &Value, value: &Value) -> bool {
    match said.as_str().expect("one type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the schema uses the type `{other}`, which the tests do not know"),
    }
}
