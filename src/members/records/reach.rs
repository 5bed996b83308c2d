//! How data is reached: online resources as links with their protocol's media type, files as assets.

use serde_json::{Map, Value};

use super::record::{Record, Resource, Role};

/// The Web Map Links extension, which gives layers of WMS and WMTS a place.
pub const WEB_MAP_LINKS: &str = "https://stac-extensions.github.io/web-map-links/v1.2.0/schema.json";

/// Links and assets of one document.
#[derive(Debug, Default, PartialEq)]
pub struct Reach {
    pub links: Vec<Value>,
    pub assets: Map<String, Value>,
    pub extensions: Vec<&'static str>,
}

/// What a protocol is. Catalogues spell them in many ways: `OGC:WMS`, `OGC:WMS-1.3.0-http-get-map`, `WWW:DOWNLOAD-…`,
/// `http://www.opengis.net/def/serviceType/ogc/wms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Wms,
    Wmts,
    Wfs,
    Wcs,
    Sos,
    Csw,
    OpenDap,
    Erddap,
    Download,
    Other,
}

impl Protocol {
    fn of(written: &str) -> Self {
        let lower = written.to_ascii_lowercase();
        // Whole words, so that `wms` is not found in `wmsc`.
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let says = |word: &str| words.contains(&word);
        if says("wmts") {
            Self::Wmts
        } else if says("wms") {
            Self::Wms
        } else if says("wfs") {
            Self::Wfs
        } else if says("wcs") {
            Self::Wcs
        } else if says("sos") {
            Self::Sos
        } else if says("csw") {
            Self::Csw
        } else if says("opendap") || says("dap") || says("dods") {
            Self::OpenDap
        } else if says("erddap") {
            Self::Erddap
        } else if says("download") || says("file") || says("ftp") {
            Self::Download
        } else {
            Self::Other
        }
    }

    /// The media type of what answers there; `None` where a protocol has none of its own.
    fn media(self) -> Option<&'static str> {
        Some(match self {
            Self::Wms => "application/vnd.ogc.wms_xml",
            Self::Wmts => "application/vnd.ogc.wmts_xml",
            Self::Wfs => "application/vnd.ogc.wfs_xml",
            Self::Wcs => "application/vnd.ogc.wcs_xml",
            Self::Sos => "application/vnd.ogc.sos+xml",
            Self::Csw => "application/vnd.ogc.csw_xml",
            Self::OpenDap => "application/vnd.opendap.dap4.dataset-services+xml",
            Self::Erddap => "text/html",
            Self::Download | Self::Other => return None,
        })
    }
}

/// Relations of a record that mean something else for a STAC document, or that the broker writes itself.
const NOT_OURS: [&str; 17] = [
    "self",
    "alternate",
    "canonical",
    "collection",
    "root",
    "parent",
    "child",
    "item",
    "items",
    "next",
    "prev",
    "previous",
    "first",
    "last",
    "search",
    "data",
    "license",
];

/// The links and assets of all resources, in the record's order.
pub fn of(record: &Record) -> Reach {
    let mut reach = Reach::default();
    for resource in &record.resources {
        let protocol = resource.protocol.as_deref().map_or(Protocol::Other, Protocol::of);
        match (&resource.role, protocol) {
            (Role::Preview, _) => reach.asset(resource, "thumbnail", &["thumbnail"]),
            (Role::Download, Protocol::Download | Protocol::Other) | (Role::Unsaid, Protocol::Download) => {
                reach.asset(resource, "data", &["data"]);
            }
            (Role::Relation(rel), _) if NOT_OURS.contains(&rel.as_str()) => {}
            (Role::Relation(rel), Protocol::Other) => reach.links.push(link(rel, resource, resource.media.as_deref())),
            (_, Protocol::Other) => reach.links.push(link("related", resource, resource.media.as_deref())),
            (_, protocol) => reach.service(resource, protocol),
        }
    }
    reach
}

impl Reach {
    /// A link to a service. A named layer of a map service gets the relation that map clients look for.
    fn service(&mut self, resource: &Resource, protocol: Protocol) {
        let media = resource.media.as_deref().or(protocol.media());
        // Names of layers have no spaces; what has is a name for people.
        let layer = resource.name.as_deref().filter(|name| name.split(',').all(|one| !one.trim().contains(' ')));
        let (rel, member, value) = match (protocol, layer) {
            (Protocol::Wms, Some(layer)) => {
                let layers: Vec<&str> = layer.split(',').map(str::trim).filter(|layer| !layer.is_empty()).collect();
                ("wms", "wms:layers", Value::from(layers))
            }
            (Protocol::Wmts, Some(layer)) => ("wmts", "wmts:layer", Value::from(layer)),
            _ => return self.links.push(link("service", resource, media)),
        };
        let mut link = link(rel, resource, media);
        link[member] = value;
        self.links.push(link);
        if !self.extensions.contains(&WEB_MAP_LINKS) {
            self.extensions.push(WEB_MAP_LINKS);
        }
    }

    /// An asset under a key that is free: `data`, then `data-2` and so on.
    fn asset(&mut self, resource: &Resource, stem: &str, roles: &[&str]) {
        let mut asset = Map::new();
        asset.insert("href".to_owned(), resource.href.as_str().into());
        describe(&mut asset, resource, resource.media.as_deref());
        asset.insert("roles".to_owned(), roles.into());
        let same = self.assets.keys().filter(|key| key.split('-').next() == Some(stem)).count();
        let key = if same == 0 { stem.to_owned() } else { format!("{stem}-{}", same + 1) };
        self.assets.insert(key, asset.into());
    }
}

fn link(rel: &str, resource: &Resource, media: Option<&str>) -> Value {
    let mut link = Map::new();
    link.insert("rel".to_owned(), rel.into());
    link.insert("href".to_owned(), resource.href.as_str().into());
    describe(&mut link, resource, media);
    if let Some(protocol) = &resource.protocol {
        link.insert("protocol".to_owned(), protocol.as_str().into());
    }
    link.into()
}

fn describe(object: &mut Map<String, Value>, resource: &Resource, media: Option<&str>) {
    if let Some(media) = media {
        object.insert("type".to_owned(), media.into());
    }
    if let Some(title) = resource.title.as_deref().or(resource.name.as_deref()) {
        object.insert("title".to_owned(), title.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use url::Url;

    fn reached(role: Role, protocol: Option<&str>, name: Option<&str>) -> Reach {
        let resource = Resource {
            href: Url::parse("https://x.example/y").unwrap(),
            protocol: protocol.map(str::to_owned),
            name: name.map(str::to_owned),
            title: None,
            media: None,
            role,
        };
        of(&Record { resources: vec![resource], ..Record::default() })
    }

    #[test]
    fn services_are_links_with_their_media_type() {
        for (protocol, media) in [
            ("OGC:WMS", "application/vnd.ogc.wms_xml"),
            ("OGC:WMS-1.3.0-http-get-map", "application/vnd.ogc.wms_xml"),
            ("http://www.opengis.net/def/serviceType/ogc/wfs", "application/vnd.ogc.wfs_xml"),
            ("OGC:WCS-2.0.1-http-get-coverage", "application/vnd.ogc.wcs_xml"),
            ("WWW:OPENDAP", "application/vnd.opendap.dap4.dataset-services+xml"),
            ("ERDDAP:griddap", "text/html"),
        ] {
            for role in [Role::Unsaid, Role::Download] {
                let reach = reached(role, Some(protocol), None);
                assert_eq!(
                    reach.links,
                    [json!({"rel": "service", "href": "https://x.example/y", "type": media, "protocol": protocol})]
                );
                assert!(reach.assets.is_empty());
            }
        }
    }

    #[test]
    fn layers_of_map_services_are_named() {
        let reach = reached(Role::Unsaid, Some("OGC:WMS"), Some("a:b, c"));
        assert_eq!((&reach.links[0]["rel"], &reach.links[0]["wms:layers"]), (&json!("wms"), &json!(["a:b", "c"])));
        assert_eq!(reach.extensions, [WEB_MAP_LINKS]);
        let reach = reached(Role::Unsaid, Some("OGC:WMTS"), Some("l"));
        assert_eq!((&reach.links[0]["rel"], &reach.links[0]["wmts:layer"]), (&json!("wmts"), &json!("l")));
    }

    #[test]
    fn files_are_assets_and_pages_are_links() {
        let reach = reached(Role::Download, None, Some("all.zip"));
        assert_eq!(
            Value::from(reach.assets),
            json!({"data": {"href": "https://x.example/y", "title": "all.zip", "roles": ["data"]}})
        );
        assert_eq!(reached(Role::Unsaid, Some("WWW:DOWNLOAD-1.0-http--download"), None).assets.len(), 1);
        assert_eq!(reached(Role::Preview, None, None).assets["thumbnail"]["roles"], json!(["thumbnail"]));
        assert_eq!(reached(Role::Unsaid, Some("WWW:LINK-1.0-http--link"), None).links[0]["rel"], "related");
        assert_eq!(reached(Role::Relation("about".into()), None, None).links[0]["rel"], "about");
        assert!(reached(Role::Relation("items".into()), None, None).links.is_empty());
    }

    #[test]
    fn assets_have_keys_of_their_own() {
        let resource = |n: u32| Resource {
            href: Url::parse(&format!("https://x.example/{n}")).unwrap(),
            protocol: None,
            name: None,
            title: None,
            media: None,
            role: Role::Download,
        };
        let record = Record { resources: (0..3).map(resource).collect(), ..Record::default() };
        assert_eq!(of(&record).assets.keys().collect::<Vec<_>>(), ["data", "data-2", "data-3"]);
    }
}
