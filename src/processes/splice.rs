//! Puts other texts at places of a JSON document and leaves every other byte as it is: the order of keys, the way numbers
//! are written, and what nobody here has heard of.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::value::RawValue;

/// A text in a document that gives way to another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rewrite {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    pub before: String,
    pub after: String,
}

/// The document with the texts at these places replaced; `None` when it is not JSON. Places that do not exist change nothing.
#[must_use]
pub fn replace(document: &[u8], rewrites: &[Rewrite]) -> Option<Vec<u8>> {
    let whole: &RawValue = serde_json::from_slice(document).ok()?;
    let wanted = rewrites.iter().filter_map(|rewrite| Some((tokens(&rewrite.pointer)?, rewrite.after.as_str())));
    let mut found = Vec::new();
    find(whole, document.as_ptr() as usize, &wanted.collect::<Vec<_>>(), 0, &mut found);
    found.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::with_capacity(document.len());
    let mut at = 0;
    for (range, after) in found.into_iter().filter(|(range, _)| range.end <= document.len()) {
        // Two rewrites of one place: the first one holds.
        if range.start >= at {
            out.extend_from_slice(&document[at..range.start]);
            out.extend_from_slice(serde_json::Value::from(after).to_string().as_bytes());
            at = range.end;
        }
    }
    out.extend_from_slice(&document[at..]);
    Some(out)
}

/// The steps of a pointer, unescaped.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let steps = pointer.strip_prefix('/')?;
    Some(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

type Wanted<'a> = (Vec<String>, &'a str);

/// Notes where in the document each wanted value stands; each level is read once, however many are wanted below it.
fn find<'a>(
    value: &RawValue,
    start: usize,
    wanted: &[Wanted<'a>],
    depth: usize,
    found: &mut Vec<(Range<usize>, &'a str)>,
) {
    let text = value.get();
    for (_, after) in wanted.iter().filter(|(steps, _)| steps.len() == depth) {
        let at = text.as_ptr() as usize - start;
        found.push((at..at + text.len(), after));
    }
    let mut below: HashMap<&str, Vec<Wanted<'a>>> = HashMap::new();
    for (steps, after) in wanted.iter().filter(|(steps, _)| steps.len() > depth) {
        below.entry(&steps[depth]).or_default().push((steps.clone(), *after));
    }
    if below.is_empty() {
        return;
    }
    if text.starts_with('{') {
        // Of equal keys the last one counts, as it does where the document is read.
        let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
        for (key, wanted) in below {
            if let Some(member) = members.get(key) {
                find(member, start, &wanted, depth + 1, found);
            }
        }
    } else if text.starts_with('[') {
        let values: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        for (key, wanted) in below {
            if let Some(value) = key.parse().ok().and_then(|index: usize| values.get(index)) {
                find(value, start, &wanted, depth + 1, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(document: &str, changes: &[(&str, &str)]) -> String {
        let rewrites: Vec<Rewrite> = changes
            .iter()
            .map(|(pointer, after)| Rewrite {
                pointer: (*pointer).into(),
                before: String::new(),
                after: (*after).into(),
            })
            .collect();
        String::from_utf8(replace(document.as_bytes(), &rewrites).unwrap()).unwrap()
    }

    #[test]
    fn only_the_places_change() {
        let document = " {\"b\" : 1.50e+1, \"a/~\": [ {\"href\":\"x\"} , \"y\\u0041\" ],\"ü\":{ \"z\":\"é\" } }\n";
        let changes = [("/a~1~0/1", "two"), ("/ü/z", "q\"\n"), ("/a~1~0/0/href", "one")];
        assert_eq!(
            replaced(document, &changes),
            " {\"b\" : 1.50e+1, \"a/~\": [ {\"href\":\"one\"} , \"two\" ],\"ü\":{ \"z\":\"q\\\"\\n\" } }\n"
        );
    }

    #[test]
    fn places_that_do_not_exist_change_nothing() {
        let document = r#"{"a":[1,{"b":2}],"c":"x"}"#;
        for pointer in ["/a/2", "/a/x", "/a/0/b", "/c/d", "/d", "", "a", "/a/-1", "/a/1/b/c"] {
            assert_eq!(replaced(document, &[(pointer, "new")]), document, "{pointer}");
        }
        assert_eq!(replace(b"{", &[]), None);
        assert_eq!(replace(b"", &[]), None);
    }

    #[test]
    fn doubled_keys_and_doubled_rewrites() {
        assert_eq!(replaced(r#"{"a":"1","a":"2"}"#, &[("/a", "3")]), r#"{"a":"1","a":"3"}"#);
        assert_eq!(replaced(r#"{"a":"1"}"#, &[("/a", "2"), ("/a", "3")]), r#"{"a":"2"}"#);
        assert_eq!(replaced(r#"{"k\"e":"1"}"#, &[("/k\"e", "2")]), r#"{"k\"e":"2"}"#);
    }
}
