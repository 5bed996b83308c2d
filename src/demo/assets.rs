//! What the table does not say but its ids do: platform, instruments, licence, and where the files of a product lie.

use serde_json::{Map, Value, json};

use super::table::Row;

/// Properties that follow from the id of a product and of its Collection.
pub fn properties(row: &Row, into: &mut Map<String, Value>) {
    let (platform, constellation, instrument) = match row.id.split('_').next().unwrap_or_default() {
        "S2A" => ("sentinel-2a", Some("sentinel-2"), "msi"),
        "S2B" => ("sentinel-2b", Some("sentinel-2"), "msi"),
        "S3A" | "S3B" => return sentinel_3(row, into),
        text if text.starts_with("LM0") => (landsat(text), None, "mss"),
        _ => return product(row, into),
    };
    into.insert("platform".into(), json!(platform));
    if let Some(constellation) = constellation {
        into.insert("constellation".into(), json!(constellation));
    }
    into.insert("instruments".into(), json!([instrument]));
}

fn sentinel_3(row: &Row, into: &mut Map<String, Value>) {
    let platform = if row.id.starts_with("S3A") { "sentinel-3a" } else { "sentinel-3b" };
    let instruments = match row.id.get(4..6) {
        Some("OL") => json!(["olci"]),
        Some("SL") => json!(["slstr"]),
        Some("SR") => json!(["sral"]),
        _ => json!(["olci", "slstr"]),
    };
    into.insert("platform".into(), json!(platform));
    into.insert("constellation".into(), json!("sentinel-3"));
    into.insert("instruments".into(), instruments);
}

fn landsat(prefix: &str) -> &'static str {
    match prefix {
        "LM01" => "landsat-1",
        "LM02" => "landsat-2",
        "LM03" => "landsat-3",
        "LM04" => "landsat-4",
        _ => "landsat-5",
    }
}

/// A dataset of a marine product: the id ends with its version, `…_202311`.
fn product(row: &Row, into: &mut Map<String, Value>) {
    if let Some((dataset, version)) = row.id.rsplit_once('_')
        && version.len() == 6
        && version.bytes().all(|byte| byte.is_ascii_digit())
    {
        into.insert("dataset_id".into(), json!(dataset));
        into.insert("dataset_version".into(), json!(version));
    }
}

/// The files of a product: one below the Item's own address (relative) and one elsewhere (absolute).
pub fn assets(member: &str, row: &Row) -> Value {
    let id = &row.id;
    match member {
        "EODC" | "GRNET-OPENSTACK" => json!({
            "thumbnail": { "href": "./thumbnail.jpg", "type": "image/jpeg", "roles": ["thumbnail"] },
            "product": { "href": format!("s3://eodata/{}/{id}.SAFE", dated(row)), "type": "application/x-directory", "roles": ["data"] },
        }),
        "EMODnet" => json!({
            "preview": { "href": "./preview.png", "type": "image/png", "roles": ["overview"] },
            "wcs": { "href": coverage(row), "type": "image/tiff", "roles": ["data"] },
        }),
        "CMEMS" => json!({
            "documentation": { "href": format!("https://data.marine.copernicus.eu/product/{}/description", row.collection), "type": "text/html", "roles": ["metadata"] },
            "thumbnail": { "href": "../thumbnail.png", "type": "image/png", "roles": ["thumbnail"] },
        }),
        _ => json!({
            "data": { "href": format!("https://minio.dive.edito.eu/project-coclico/{}/{}", row.collection, id.replace('\\', "/")), "type": "application/octet-stream", "roles": ["data"] },
            "metadata": { "href": "metadata.json", "type": "application/json", "roles": ["metadata"] },
        }),
    }
}

fn dated(row: &Row) -> String {
    row.datetime.map_or_else(|| row.collection.clone(), |at| format!("{}/{}", row.collection, at.format("%Y/%m/%d")))
}

/// A `GetCoverage` request (WCS 2.0.1); for a series with one coverage of several times, the part after the last `_` is the time.
pub fn coverage(row: &Row) -> String {
    let host = match row.collection.as_str() {
        "emodnet-bathymetry" => "ows.emodnet-bathymetry.eu/wcs",
        "emodnet-biology" => "geo.vliz.be/geoserver/Emodnetbio/wcs",
        _ => "ows.emodnet-seabedhabitats.eu/geoserver/emodnet_open_maplibrary/wcs",
    };
    let name = if row.collection == "emodnet-biology" {
        row.id.rsplit_once('_').map_or(row.id.as_str(), |(series, _)| series)
    } else {
        row.id.as_str()
    };
    format!("https://{host}?service=WCS&version=2.0.1&request=GetCoverage&coverageId={name}&format=image/tiff")
}

/// Licence of a member's Collections, and a page about it.
pub fn licence(member: &str) -> (&'static str, &'static str) {
    match member {
        "EMODnet" => ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        "EDITO" => ("proprietary", "https://www.edito.eu/"),
        "CMEMS" => ("proprietary", "https://marine.copernicus.eu/user-corner/service-commitments-and-licence"),
        _ => ("proprietary", "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"),
    }
}
