//! The process list and the descriptions (OGC 18-062r2, clause 7).

use serde_json::{Value, json};

/// The processes of a member; both members that execute offer the same, each on what it holds.
pub const PROCESSES: [&str; 2] = ["statistics", "subset"];

/// The name of the one output.
pub fn output(process: &str) -> &'static str {
    if process == "subset" { "items" } else { "statistics" }
}

pub fn summary(process: &str, url: &str) -> Value {
    let (title, description) = match process {
        "subset" => {
            ("Subset", "Gives the Items that were named, or those of a Collection inside a box and an interval.")
        }
        _ => ("Statistics", "Counts Items and says where, when and how clouded they are."),
    };
    json!({
        "id": process,
        "title": title,
        "description": description,
        "version": "1.0.0",
        "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
        "outputTransmission": ["value"],
        "links": [
            { "rel": "self", "type": "application/json", "href": format!("{url}/processes/{process}") },
            {
                "rel": "http://www.opengis.net/def/rel/ogc/1.0/execute",
                "type": "application/json",
                "href": format!("{url}/processes/{process}/execution"),
            },
        ],
    })
}

pub fn description(process: &str, url: &str) -> Value {
    let mut described = summary(process, url);
    described["inputs"] = json!({
        "items": {
            "title": "Items",
            "description": "Addresses of Items, as texts or as links.",
            "minOccurs": 0,
            "schema": { "type": "array", "minItems": 1, "items": { "oneOf": [
                { "type": "string", "format": "uri" },
                { "type": "object", "required": ["href"], "properties": { "href": { "type": "string", "format": "uri" } } },
            ] } },
        },
        "collection": {
            "title": "Collection",
            "description": "Id or address of a Collection; needed when no Items are named.",
            "minOccurs": 0,
            "schema": { "type": "string", "format": "stac-collection" },
        },
        "bbox": {
            "title": "Box",
            "description": "West, south, east, north in degrees.",
            "minOccurs": 0,
            "schema": { "type": "array", "minItems": 4, "maxItems": 6, "items": { "type": "number" } },
        },
        "datetime": {
            "title": "Interval",
            "description": "An instant or an interval as in a search.",
            "minOccurs": 0,
            "schema": { "type": "string" },
        },
    });
    let schema = match process {
        "subset" => json!({ "type": "object", "contentMediaType": "application/geo+json" }),
        _ => json!({ "type": "object", "required": ["items"], "properties": { "items": { "type": "integer" } } }),
    };
    described["outputs"] = json!({ output(process): { "title": described["title"], "schema": schema } });
    described
}
