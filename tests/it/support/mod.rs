//! Scripted members, federations of them, and the outbound monitor.
//!
//! A test reads as a sentence:
//!
//! ```ignore
//! let member = ScriptedMember::new("A").items(items("c", 120)).page_cap(50).next_form(NextForm::PostFull).start().await;
//! let federation = federation_of([member.declared()]);
//! assert_eq!(member.searches(), 0);
//! ```

#![allow(dead_code, reason = "a tool box: not every test file uses every tool")]

pub mod answer;
pub mod catalogue;
pub mod condition;
pub mod files;
pub mod front;
pub mod json_schema;
pub mod monitor;
pub mod oracle;
pub mod page;
pub mod process_stub;
pub mod proxy;
pub mod replay;
pub mod resto;
pub mod scripted;
pub mod store;
pub mod stub;

use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{
    Auth, Cursor, Declared, Dialect, Extents, Federation, Kind, Limits, Member, MemberId, Method, NextPath, Patterns,
    Policy, Request, Server,
};
use url::Url;

pub use front::Front;
pub use monitor::OutboundMonitor;
pub use scripted::{Fails, Filters, NextForm, Quirks, Running, ScriptedMember};

/// `count` Items of one collection, a minute apart from 2025-01-01 on, ids `{collection}-0000` and so on, all in one place.
pub fn items(collection: &str, count: usize) -> Vec<Value> {
    (0..count).map(|n| item(collection, &format!("{collection}-{n:04}"), &time(n))).collect()
}

/// The time of the n-th of [`items`].
pub fn time(n: usize) -> String {
    let at = chrono::DateTime::from_timestamp(1_735_689_600 + 60 * i64::try_from(n).unwrap(), 0).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A small valid Item.
pub fn item(collection: &str, id: &str, datetime: &str) -> Value {
    json!({
        "type": "Feature", "stac_version": "1.0.0", "id": id, "collection": collection,
        "geometry": {"type": "Point", "coordinates": [10.5, 54.25]}, "bbox": [10.5, 54.25, 10.5, 54.25],
        "properties": {"datetime": datetime},
        "links": [{"rel": "self", "href": format!("./{id}")}],
        "assets": {"data": {"href": format!("https://data.example/{id}.nc")}},
    })
}

/// A small valid Collection, of everywhere and always.
pub fn collection(id: &str) -> Value {
    json!({
        "type": "Collection", "stac_version": "1.0.0", "id": id, "description": id, "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}},
        "links": [],
    })
}

/// A member as a federation file would declare it, with nothing said that has a default.
pub fn declared(id: &str, url: Url) -> Member {
    let all = || Patterns::new(&["*".to_owned()]).unwrap();
    Member {
        id: MemberId::new(id),
        title: id.to_owned(),
        kind: Kind::StacApi,
        url,
        folder: None,
        aliases: Vec::new(),
        enabled: true,
        renamed_from: Vec::new(),
        internal: true,
        request: Request {
            method: Method::Auto,
            dialect: Dialect::Auto,
            page_items_max: None,
            deadline: None,
            concurrency_max: 64,
            rate_per_s: None,
            next_path: NextPath::Rebase,
            headers: Vec::new(),
        },
        crawl: stac_broker::federation::Crawl::default(),
        capabilities: Declared::default(),
        policy: Policy {
            priority: 0,
            required: false,
            authoritative: true,
            include: all(),
            exclude: Patterns::new(&[]).unwrap(),
            focus: None,
            ids_prefixes: Vec::new(),
            extents: Extents::AreaAndStart,
            retention: Vec::new(),
        },
        auth: Auth::None,
        processes: None,
    }
}

/// A federation of these members with default limits.
pub fn federation_of(members: impl IntoIterator<Item = Member>) -> Federation {
    Federation {
        id: "test".to_owned(),
        title: "Test".to_owned(),
        description: String::new(),
        public_url: None,
        delimiter: '|',
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,

            admin: stac_broker::federation::Admin::default(),
            trusted_proxies: Vec::new(),
            cors_origins: vec!["*".to_owned()],
        },
        limits: Limits::default(),
        telemetry: stac_broker::federation::Telemetry::default(),
        cursor: Cursor { keys: Vec::new(), life: Duration::from_secs(86_400) },
        processes: 1,
        routing: stac_broker::federation::Routing::default(),
        registry: stac_broker::federation::Registry::default(),
        members: members.into_iter().collect(),
        shared: Vec::new(),
    }
}
