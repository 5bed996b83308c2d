//! The JSON object of a `POST` body, member by member.

use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Invalid, quoted};

/// Arrays and objects inside one another. A geometry collection four deep needs 14; parsers of members stop near 128.
const DEPTH_MAX: usize = 64;

/// The members of the body in the order given.
///
/// # Errors
/// A body that is not one JSON object, is nested too deeply, or has a member twice.
pub(super) fn members(body: &[u8]) -> Result<Vec<(String, Value)>, Invalid> {
    let wanted = "a JSON object of search parameters";
    if depth(body) > DEPTH_MAX {
        return Err(Invalid::new("body", "nested too deeply", format!("{wanted}, nested at most {DEPTH_MAX} deep")));
    }
    let members: Members<'_> = serde_json::from_slice(body)
        .map_err(|error| Invalid::new("body", format!("not readable ({error})"), wanted))?;
    let mut read: Vec<(String, Value)> = Vec::new();
    for (name, raw) in members.0 {
        if read.iter().any(|(earlier, _)| *earlier == name) {
            return Err(Invalid::repeated(&name));
        }
        if read.len() == MEMBERS_MAX {
            return Err(Invalid::new("body", "an object of too many members", format!("at most {MEMBERS_MAX}")));
        }
        let value = serde_json::from_str(raw.get())
            .map_err(|error| Invalid::new("body", format!("not readable ({error})"), wanted))?;
        read.push((name, value));
    }
    Ok(read)
}

/// Members of a body; doubles are looked for one by one.
const MEMBERS_MAX: usize = 200;

/// A text member.
///
/// # Errors
/// Any other type.
pub(super) fn text<'a>(parameter: &str, value: &'a Value) -> Result<&'a str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new(parameter, described(value), "a text"))
}

/// A wrong JSON value for a message.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("an array of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => quoted(&value.to_string()),
    }
}

/// The deepest nesting of brackets outside texts; exact for JSON, harmless for anything else.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// An object's members as they stand, doubles included.
pub(in crate::search) struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}
