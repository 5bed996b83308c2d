//! The `fields` parameter (`stac-api.md` 6.2), applied last, on the bytes of an Item or a Collection.
//!
//! Objects are opened one level at a time and only where a path leads into them; every value that stays is copied as it
//! came. Arrays are not opened: `links` or `assets` stay or go as a whole, an asset can be named by its key.

use serde_json::value::RawValue;

use super::request::body::Members;

/// Without these an Item has no identity and no way on, nor has a Collection; no request takes them away.
const ALWAYS: [&str; 4] = ["type", "id", "collection", "links"];

/// What an empty `fields` asks for; the times of `properties` are added in [`default_set`].
const DEFAULT: [&str; 8] = ["type", "stac_version", "id", "collection", "geometry", "bbox", "links", "assets"];

/// What it asks for of a Collection: what the specification requires of one, and the title.
const DEFAULT_OF_COLLECTION: [&str; 8] =
    ["type", "stac_version", "id", "title", "description", "license", "extent", "links"];

/// What an empty `fields` leaves of a document.
type DefaultSet = fn(&[(String, &RawValue)]) -> Selection<'static>;

/// What to keep of each Item or Collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// `None`: `include` was absent. Dotted paths below the top level.
    pub include: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
}

impl Fields {
    /// Appends the Item, reduced to what was asked for.
    ///
    /// An Item that is not a JSON object is appended as it is.
    pub fn apply(&self, item: &[u8], out: &mut Vec<u8>) {
        self.reduce(item, default_set, out);
    }

    /// Appends the Collection, reduced to what was asked for.
    pub fn apply_to_collection(&self, collection: &[u8], out: &mut Vec<u8>) {
        let default = |_: &[(String, &RawValue)]| Selection {
            include: DEFAULT_OF_COLLECTION.to_vec(),
            exclude: Vec::new(),
            otherwise: false,
        };
        self.reduce(collection, default, out);
    }

    fn reduce(&self, document: &[u8], default_set: DefaultSet, out: &mut Vec<u8>) {
        let Some(members) = std::str::from_utf8(document).ok().and_then(open) else {
            out.extend_from_slice(document);
            return;
        };
        let include = paths(self.include.as_ref());
        let exclude = paths(self.exclude.as_ref());
        if !include.is_empty() {
            // Both given: the longer path decides, and `include` where both name the same.
            write(&members, &Selection { include, exclude, otherwise: false }, true, out);
        } else if self.include.is_none() && !exclude.is_empty() {
            write(&members, &Selection { include, exclude, otherwise: true }, true, out);
        } else {
            let mut reduced = Vec::new();
            write(&members, &default_set(&members), true, &mut reduced);
            match std::str::from_utf8(&reduced).ok().and_then(open) {
                Some(members) if !exclude.is_empty() => {
                    write(&members, &Selection { include, exclude, otherwise: true }, true, out);
                }
                _ => out.extend_from_slice(&reduced),
            }
        }
    }
}

fn paths(list: Option<&Vec<String>>) -> Vec<&str> {
    list.map(|list| list.iter().map(String::as_str).collect()).unwrap_or_default()
}

/// Which members of one object stay. A path goes on below a member where it begins with the member's name and a dot,
/// so names that contain dots are found too.
struct Selection<'a> {
    include: Vec<&'a str>,
    exclude: Vec<&'a str>,
    /// Whether a member stays that no path names.
    otherwise: bool,
}

impl<'a> Selection<'a> {
    /// Whether the member itself stays, and what is said of its inside.
    fn of(&self, name: &str) -> Selection<'a> {
        let below = |list: &[&'a str]| -> Vec<&'a str> {
            list.iter().filter_map(|path| path.strip_prefix(name)?.strip_prefix('.')).collect()
        };
        let otherwise = if self.include.contains(&name) {
            true
        } else if self.exclude.contains(&name) {
            false
        } else {
            self.otherwise
        };
        Selection { include: below(&self.include), exclude: below(&self.exclude), otherwise }
    }
}

/// The default set: `datetime` of the properties, or start and end where an Item has no single time.
fn default_set(members: &[(String, &RawValue)]) -> Selection<'static> {
    let mut include = DEFAULT.to_vec();
    include.push("properties.datetime");
    let properties = members.iter().find(|(name, _)| name == "properties").and_then(|(_, value)| open(value.get()));
    let timed = properties
        .is_some_and(|properties| properties.iter().any(|(name, value)| name == "datetime" && value.get() != "null"));
    if !timed {
        include.extend(["properties.start_datetime", "properties.end_datetime"]);
    }
    Selection { include, exclude: Vec::new(), otherwise: false }
}

fn write(members: &[(String, &RawValue)], selection: &Selection<'_>, top: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (name, value) in members {
        let inside = selection.of(name);
        let always = top && ALWAYS.contains(&name.as_ref());
        let opened =
            if always || (inside.include.is_empty() && inside.exclude.is_empty()) { None } else { open(value.get()) };
        // A member stays as a frame when something inside it was asked for, whether or not this Item has it.
        let stays = always || inside.otherwise || (opened.is_some() && !inside.include.is_empty());
        if !stays {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_name(name, out);
        match opened {
            Some(members) => write(&members, &inside, false, out),
            None => out.extend_from_slice(value.get().as_bytes()),
        }
    }
    out.push(b'}');
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
    out.push(b':');
}

/// The members of a JSON object, values as they stand; `None` for anything else.
fn open(text: &str) -> Option<Vec<(String, &RawValue)>> {
    text.trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str::<Members<'_>>(text).ok())
        .flatten()
        .map(|members| members.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"type":"Feature", "stac_version":"1.1.0","stac_extensions":[ "x" ],"id":"a","geometry":null,"bbox":[1.0,2, 3,4],"properties":{"datetime":"2024-05-01T00:00:00.000Z","platform":"s2a","proj:shape":[ 1,2 ],"a.b":1.50,"nest":{"deep":{"x":1,"y":2e3}}},"links":[{"rel":"self"}],"assets":{"B1":{"href":"h","title":"t"},"B2":{}},"collection":"A|c","own":12345678901234567890123}"#;

    fn applied(item: &str, include: Option<&[&str]>, exclude: Option<&[&str]>) -> String {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let mut out = Vec::new();
        Fields { include: include.map(owned), exclude: exclude.map(owned) }.apply(item.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn check(include: Option<&[&str]>, exclude: Option<&[&str]>, expected: &str) {
        assert_eq!(applied(ITEM, include, exclude), expected, "include {include:?}, exclude {exclude:?}");
    }

    #[test]
    fn empty_fields_give_the_default_set() {
        let default = r#"{"type":"Feature","stac_version":"1.1.0","id":"a","geometry":null,"bbox":[1.0,2, 3,4],"properties":{"datetime":"2024-05-01T00:00:00.000Z"},"links":[{"rel":"self"}],"assets":{"B1":{"href":"h","title":"t"},"B2":{}},"collection":"A|c"}"#;
        let empty: [Option<&[&str]>; 2] = [None, Some(&[])];
        for include in empty {
            for exclude in empty {
                check(include, exclude, default);
            }
        }
    }

    #[test]
    fn the_default_set_has_start_and_end_where_there_is_no_single_time() {
        let item = r#"{"type":"Feature","properties":{"datetime":null,"start_datetime":"s","end_datetime":"e","x":1}}"#;
        assert_eq!(
            applied(item, None, None),
            r#"{"type":"Feature","properties":{"datetime":null,"start_datetime":"s","end_datetime":"e"}}"#
        );
        let item = r#"{"id":"a","properties":{"datetime":"d","start_datetime":"s"}}"#;
        assert_eq!(applied(item, None, None), r#"{"id":"a","properties":{"datetime":"d"}}"#);
    }

    #[test]
    fn include_keeps_the_named_and_four_more() {
        check(
            Some(&["bbox"]),
            None,
            r#"{"type":"Feature","id":"a","bbox":[1.0,2, 3,4],"links":[{"rel":"self"}],"collection":"A|c"}"#,
        );
        check(Some(&["id"]), Some(&[]), r#"{"type":"Feature","id":"a","links":[{"rel":"self"}],"collection":"A|c"}"#);
        check(
            Some(&["properties.proj:shape", "properties.nest.deep.y", "assets.B1.href", "own", "nothing"]),
            None,
            r#"{"type":"Feature","id":"a","properties":{"proj:shape":[ 1,2 ],"nest":{"deep":{"y":2e3}}},"links":[{"rel":"self"}],"assets":{"B1":{"href":"h"}},"collection":"A|c","own":12345678901234567890123}"#,
        );
        check(
            Some(&["properties.a.b"]),
            None,
            r#"{"type":"Feature","id":"a","properties":{"a.b":1.50},"links":[{"rel":"self"}],"collection":"A|c"}"#,
        );
    }

    #[test]
    fn each_single_include_leaves_at_most_five_members() {
        for name in ["type", "geometry", "properties", "assets", "links", "stac_version", "bbox", "properties.platform"]
        {
            let members = serde_json::from_str::<serde_json::Value>(&applied(ITEM, Some(&[name]), None)).unwrap();
            assert!(members.as_object().unwrap().len() <= 5, "{name}");
        }
    }

    #[test]
    fn exclude_alone_keeps_everything_else_and_identity() {
        check(
            None,
            Some(&["properties", "assets", "geometry", "bbox", "stac_extensions", "id", "type", "links", "collection"]),
            r#"{"type":"Feature","stac_version":"1.1.0","id":"a","links":[{"rel":"self"}],"collection":"A|c","own":12345678901234567890123}"#,
        );
        let without = applied(ITEM, None, Some(&["properties.nest.deep", "assets.B2", "links.rel"]));
        assert_eq!(
            without,
            ITEM.replace(", \"stac_version", ",\"stac_version")
                .replace(r#","nest":{"deep":{"x":1,"y":2e3}}"#, r#","nest":{}"#)
                .replace(r#","B2":{}"#, "")
        );
    }

    #[test]
    fn exclude_with_an_empty_include_is_the_default_set_without_the_named() {
        check(
            Some(&[]),
            Some(&["assets", "properties", "own"]),
            r#"{"type":"Feature","stac_version":"1.1.0","id":"a","geometry":null,"bbox":[1.0,2, 3,4],"links":[{"rel":"self"}],"collection":"A|c"}"#,
        );
    }

    #[test]
    fn include_decides_against_exclude() {
        let only_x = r#"{"type":"Feature","id":"a","properties":{"platform":"s2a"},"links":[{"rel":"self"}],"collection":"A|c"}"#;
        check(Some(&["properties.platform"]), Some(&["properties"]), only_x);
        check(Some(&["properties.platform"]), Some(&["properties.platform"]), only_x);
        check(
            Some(&["properties"]),
            Some(&["properties.nest", "properties.platform"]),
            r#"{"type":"Feature","id":"a","properties":{"datetime":"2024-05-01T00:00:00.000Z","proj:shape":[ 1,2 ],"a.b":1.50},"links":[{"rel":"self"}],"collection":"A|c"}"#,
        );
        // The frame stays, so that an Item without the property is still a Feature.
        check(
            Some(&["properties.absent"]),
            Some(&["properties"]),
            r#"{"type":"Feature","id":"a","properties":{},"links":[{"rel":"self"}],"collection":"A|c"}"#,
        );
    }

    #[test]
    fn collections_have_a_default_set_of_their_own() {
        let collection = r#"{"type":"Collection","stac_version":"1.0.0","stac_extensions":[],"id":"A|c","title":"T","description":"d","keywords":["k"],"license":"other","extent":{"spatial":{"bbox":[[1.0,2,3,4]]}},"summaries":{"gsd":[10]},"links":[],"assets":{}}"#;
        let check = |include: Option<&[&str]>, exclude: Option<&[&str]>, expected: &str| {
            let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
            let fields = Fields { include: include.map(owned), exclude: exclude.map(owned) };
            let mut out = Vec::new();
            fields.apply_to_collection(collection.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{fields:?}");
        };
        let default = r#"{"type":"Collection","stac_version":"1.0.0","id":"A|c","title":"T","description":"d","license":"other","extent":{"spatial":{"bbox":[[1.0,2,3,4]]}},"links":[]}"#;
        check(None, None, default);
        check(Some(&[]), Some(&["description"]), &default.replace(r#","description":"d""#, ""));
        check(Some(&["title"]), None, r#"{"type":"Collection","id":"A|c","title":"T","links":[]}"#);
        check(
            Some(&["extent.spatial", "summaries"]),
            Some(&["summaries.gsd"]),
            r#"{"type":"Collection","id":"A|c","extent":{"spatial":{"bbox":[[1.0,2,3,4]]}},"summaries":{},"links":[]}"#,
        );
        check(None, Some(&["links", "assets", "id"]), &collection.replace(r#","assets":{}"#, ""));
    }

    #[test]
    fn names_that_need_escapes_stay_readable() {
        let item = r#"{"id":"a","p\"q":{"\u00e9":1,"z":2}}"#;
        assert_eq!(applied(item, Some(&["p\"q.é"]), None), r#"{"id":"a","p\"q":{"é":1}}"#);
    }

    #[test]
    fn what_is_no_object_is_left_alone() {
        for item in ["[1]", "", "{\"a\":", "7"] {
            assert_eq!(applied(item, Some(&["id"]), None), item);
        }
    }
}
