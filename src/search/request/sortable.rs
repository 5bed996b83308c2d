//! Which fields a search can be sorted by, and what their values are taken for (S2).
//!
//! Three kinds: what every Item has, properties that STAC and its extensions define, and what members list among their
//! queryables. The first two are known here, so that a search by them asks nobody; any other field is looked for in the
//! lists, and refused where nobody has it.

use serde_json::{Map, Value, json};

use crate::collections::queryables::{Schema, minimum};
use crate::members::KeyKind;
use crate::search::order::CORE;

use super::{Invalid, SearchRequest, SortBy, quoted};

/// What a message says that is accepted: not the whole list, which `/sortables` has.
pub(super) const ACCEPTED: &str = "`datetime`, `id`, `collection`, a property that STAC defines, such as `eo:cloud_cover`, `gsd` or \
     `created`, or another one that `/sortables` lists, in either direction";

/// Members of an Item that are no properties, and have no order.
const NO_KEYS: [&str; 10] =
    ["type", "stac_version", "stac_extensions", "geometry", "bbox", "links", "assets", "properties", "q", "federation"];

/// Properties that STAC 1.1 and its extensions define with a type that has an order.
const DEFINED: [(KeyKind, &[&str]); 4] = [
    (
        KeyKind::Time,
        &[
            "created",
            "end_datetime",
            "expires",
            "published",
            "sat:anx_datetime",
            "start_datetime",
            "unpublished",
            "updated",
        ],
    ),
    (
        KeyKind::Number,
        &[
            "eo:cloud_cover",
            "eo:snow_cover",
            "file:size",
            "gsd",
            "landsat:cloud_cover_land",
            "mgrs:utm_zone",
            "proj:epsg",
            "sar:center_frequency",
            "sar:looks_azimuth",
            "sar:looks_equivalent_number",
            "sar:looks_range",
            "sar:pixel_spacing_azimuth",
            "sar:pixel_spacing_range",
            "sar:resolution_azimuth",
            "sar:resolution_range",
            "sat:absolute_orbit",
            "sat:orbit_cycle",
            "sat:relative_orbit",
            "view:azimuth",
            "view:incidence_angle",
            "view:moon_azimuth",
            "view:moon_elevation",
            "view:off_nadir",
            "view:sun_azimuth",
            "view:sun_elevation",
        ],
    ),
    (
        KeyKind::Text,
        &[
            "constellation",
            "grid:code",
            "landsat:scene_id",
            "landsat:wrs_path",
            "landsat:wrs_row",
            "license",
            "mgrs:grid_square",
            "mgrs:latitude_band",
            "mission",
            "platform",
            "processing:facility",
            "processing:level",
            "product:timeliness",
            "product:type",
            "proj:code",
            "sar:frequency_band",
            "sar:instrument_mode",
            "sar:observation_direction",
            "sar:product_type",
            "sat:orbit_state",
            "sat:platform_international_designator",
            "sci:doi",
            "title",
            "version",
        ],
    ),
    (KeyKind::Boolean, &["deprecated", "experimental"]),
];

/// What the values of a property are by its definition; `None` where STAC does not define it.
pub(super) fn defined(field: &str) -> Option<KeyKind> {
    DEFINED.iter().find(|(_, fields)| fields.contains(&field)).map(|(kind, _)| *kind)
}

/// Whether a name can be that of a sort key at all.
pub(super) fn may_be_key(field: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != ',';
    !field.is_empty() && !field.starts_with(['-', '+']) && !NO_KEYS.contains(&field) && field.chars().all(plain)
}

impl SearchRequest {
    /// Whether it is sorted by a field of which only members can tell what it is.
    #[must_use]
    pub fn has_undefined_key(&self) -> bool {
        self.sortby.iter().any(is_undefined)
    }

    /// Takes what members list as their queryables for the fields that nothing else defines. `all` tells that every
    /// member was read: only then does a field that is in no list belong to nobody.
    ///
    /// # Errors
    /// A field that no member has.
    pub fn declare_keys(&mut self, listed: &[Schema], all: bool) -> Result<(), Invalid> {
        for key in self.sortby.iter_mut().filter(|key| is_undefined(key)) {
            match declared(&key.field, listed) {
                Some(kind) => key.kind = kind,
                None if all => return Err(Invalid::new("sortby", quoted(&key.field), ACCEPTED)),
                None => {}
            }
        }
        Ok(())
    }
}

fn is_undefined(key: &SortBy) -> bool {
    key.kind == KeyKind::Any && !key.is_core()
}

/// What members declare a field to be: of those that say so, the one kind they agree on.
fn declared(field: &str, listed: &[Schema]) -> Option<KeyKind> {
    let kinds = listed.iter().filter_map(|schema| schema.0.get(field)).filter_map(kind_of);
    let typed = |kind: &KeyKind| *kind != KeyKind::Any;
    let mut found = None;
    for kind in kinds {
        found = match found {
            Some(before) if typed(&before) && typed(&kind) && before != kind => return Some(KeyKind::Any),
            Some(before) if typed(&before) => Some(before),
            _ => Some(kind),
        };
    }
    found
}

/// What a JSON Schema says of a value; `None` where that has no order.
fn kind_of(schema: &Value) -> Option<KeyKind> {
    let names: Vec<&str> = match schema.get("type") {
        None => return Some(KeyKind::Any),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        Some(_) => return None,
    };
    match names.as_slice() {
        ["number" | "integer"] | ["number", "integer"] | ["integer", "number"] => Some(KeyKind::Number),
        ["boolean"] => Some(KeyKind::Boolean),
        ["string"] => {
            let timed = schema.get("format").is_some_and(|format| format == "date-time");
            Some(if timed { KeyKind::Time } else { KeyKind::Text })
        }
        ["object" | "array"] | [] => None,
        _ => Some(KeyKind::Any),
    }
}

/// Every field that a search can be sorted by, with its schema: what all Items have, what STAC defines, what is listed.
#[must_use]
pub fn sortables(listed: &[Schema]) -> Map<String, Value> {
    let mut minimum = minimum(&[]).0;
    let mut all: Map<String, Value> =
        CORE.iter().filter_map(|name| Some(((*name).to_owned(), minimum.remove(*name)?))).collect();
    for (kind, fields) in DEFINED {
        all.extend(fields.iter().map(|field| ((*field).to_owned(), schema_of(kind))));
    }
    for (name, schema) in listed.iter().flat_map(|schema| &schema.0) {
        if may_be_key(name) && kind_of(schema).is_some() && !all.contains_key(name) {
            let kind = declared(name, listed).unwrap_or_default();
            all.insert(name.clone(), schema_of(kind));
        }
    }
    all
}

fn schema_of(kind: KeyKind) -> Value {
    match kind {
        KeyKind::Any => json!({}),
        KeyKind::Time => json!({ "type": "string", "format": "date-time" }),
        KeyKind::Number => json!({ "type": "number" }),
        KeyKind::Text => json!({ "type": "string" }),
        KeyKind::Boolean => json!({ "type": "boolean" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(properties: &[Value]) -> Vec<Schema> {
        properties.iter().map(|properties| Schema(properties.as_object().unwrap().clone())).collect()
    }

    fn sorted_by(fields: &[&str]) -> SearchRequest {
        let pairs = [("sortby".to_owned(), fields.join(","))];
        SearchRequest::from_query(&pairs, &crate::federation::Limits::default()).unwrap()
    }

    #[test]
    fn what_stac_defines_needs_nobodys_list() {
        let request = sorted_by(&["properties.eo:cloud_cover", "-created", "platform", "deprecated", "id"]);
        let kinds: Vec<KeyKind> = request.sortby.iter().map(|key| key.kind).collect();
        assert_eq!(kinds, [KeyKind::Number, KeyKind::Time, KeyKind::Text, KeyKind::Boolean, KeyKind::Any]);
        assert_eq!(request.sortby[0].field, "eo:cloud_cover", "one spelling");
        assert!(!request.has_undefined_key());
    }

    #[test]
    fn members_declare_what_stac_does_not() {
        let lists = listed(&[
            json!({"x": {"type": ["integer", "null"]}, "t": {"type": "string", "format": "date-time"}, "o": {"type": "object"}, "m": {"type": "string"}}),
            json!({"x": {"$ref": "https://schemas.example/x.json"}, "m": {"type": "number"}, "any": {}}),
        ]);
        let mut request = sorted_by(&["x", "t", "m", "any"]);
        assert!(request.has_undefined_key());
        request.declare_keys(&lists, true).unwrap();
        let kinds: Vec<KeyKind> = request.sortby.iter().map(|key| key.kind).collect();
        assert_eq!(kinds, [KeyKind::Number, KeyKind::Time, KeyKind::Any, KeyKind::Any]);
        for field in ["nobody:has_it", "o"] {
            let refused = sorted_by(&[field]).declare_keys(&lists, true).unwrap_err();
            assert!(refused.parameter == "sortby" && refused.given.contains(field), "{refused}");
            assert!(sorted_by(&[field]).declare_keys(&lists, false).is_ok(), "some member may have it");
        }
    }

    #[test]
    fn sortables_are_all_that_is_accepted() {
        let lists = listed(&[
            json!({"x": {"type": "integer"}, "geometry": {}, "list": {"type": "array"}, "gsd": {"type": "string"}}),
        ]);
        let all = sortables(&lists);
        assert_eq!(all["x"], json!({"type": "number"}));
        assert_eq!(all["gsd"], json!({"type": "number"}), "as STAC defines it");
        assert!(!all.contains_key("geometry") && !all.contains_key("list"));
        assert!(CORE.iter().all(|name| all.contains_key(*name)));
        for name in all.keys() {
            sorted_by(&[name]).declare_keys(&lists, true).unwrap();
        }
    }
}
