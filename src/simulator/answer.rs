//! What a scripted catalogue answers, and where its faults change that: connections, statuses, bodies, what it says of
//! itself. Its pages of Items are made in `listed.rs`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use crate::members::wire::{Sent, Unsent};

use super::faults::Fault;
use super::member::Catalogue;

const CLASSES: [&str; 3] = ["core", "collections", "item-search"];
const FILTERS: [&str; 6] = [
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
];
const NOTHING: &str = "";
/// Of this many Collections a list that is cut shows the first.
const LISTED_MAX: usize = 100;

/// An answer in the making.
pub struct Reply {
    /// Until its headers, or its failure.
    pub after: Duration,
    pub what: What,
}

pub enum What {
    Unsent(Unsent),
    /// Nothing ever comes.
    Silence,
    Answer {
        status: u16,
        headers: HeaderMap,
        body: Body,
    },
}

/// A body in pieces, each after a while.
#[derive(Debug)]
pub struct Body {
    pub bytes: Bytes,
    pub piece: usize,
    pub every: Duration,
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Whole,
    /// After so many bytes it is over, as if that were all.
    Cut(usize),
    /// After so many bytes the connection is lost.
    Lost(usize),
    /// All is there, and the end does not come.
    Open,
    /// It begins anew for ever.
    Endless,
}

/// Text of a document and what goes with it.
pub struct Document {
    pub status: u16,
    pub text: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Document {
    pub fn good(text: String) -> Self {
        Self { status: 200, text, headers: vec![("content-type", "application/geo+json".to_owned())] }
    }

    pub fn bad(status: u16) -> Self {
        let text = format!(r#"{{"code":"{status}","description":"canary-of-the-member"}}"#);
        Self { status, text, headers: vec![("content-type", "application/json".to_owned())] }
    }

    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Catalogue {
    pub fn reply(&mut self, sent: &Sent, started: Instant) -> Reply {
        let after = self.latency();
        if let Some(what) = self.connection(started) {
            let after = match what {
                What::Unsent(Unsent::Unconnected) => Duration::from_secs(2),
                _ => after.min(Duration::from_millis(60)),
            };
            return Reply { after, what };
        }
        let is_search = sent.url.path().ends_with("/search");
        let document = match self.refusal() {
            Some(document) => document,
            None if is_search => self.search_document(sent),
            None => self.metadata(sent),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in document.headers {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a header"));
        }
        let body = self.body(&Bytes::from(document.text));
        Reply { after: self.delayed(after, is_search), what: What::Answer { status: document.status, headers, body } }
    }

    fn latency(&mut self) -> Duration {
        let tail = if self.dice.one_in(100) { 5 } else { 1 };
        self.habits.latency.mul_f64(0.5 + self.dice.below(1_000) as f64 / 1_000.0) * tail
    }

    fn delayed(&mut self, after: Duration, is_search: bool) -> Duration {
        if self.bite(Fault::Latency) {
            return after + Duration::from_secs(2);
        }
        if self.bite(Fault::FirstByteLate) {
            return Duration::from_secs(9);
        }
        if is_search && self.bite(Fault::FourteenSeconds) {
            return Duration::from_secs(14);
        }
        after
    }

    fn connection(&mut self, started: Instant) -> Option<What> {
        let since = started.elapsed().as_millis();
        for (fault, unsent) in [
            (Fault::ConnectionRefused, Unsent::Refused),
            (Fault::ConnectHangs, Unsent::Unconnected),
            (Fault::NameFailure, Unsent::Unnamed),
            (Fault::TlsFailure, Unsent::Untrusted),
            (Fault::Reset, Unsent::Reset),
        ] {
            if self.bite(fault) {
                return Some(What::Unsent(unsent));
            }
        }
        if since % 60_000 < 20_000 && self.bite(Fault::DownByTheHour) {
            return Some(What::Unsent(Unsent::Refused));
        }
        if since % 5_000 < 1_000 && self.bite(Fault::Restarts) {
            return Some(What::Unsent(Unsent::Reset));
        }
        self.bite(Fault::Hang).then_some(What::Silence)
    }

    fn refusal(&mut self) -> Option<Document> {
        for (fault, status) in [
            (Fault::Status401, 401),
            (Fault::Status403, 403),
            (Fault::Status500, 500),
            (Fault::Status502, 502),
            (Fault::Status503, 503),
        ] {
            if self.bite(fault) {
                return Some(Document::bad(status));
            }
        }
        if self.bite(Fault::Status429) {
            return Some(Document::bad(429).with("retry-after", "3".to_owned()));
        }
        if self.bite(Fault::Status503Pause) {
            return Some(Document::bad(503).with("retry-after", "7".to_owned()));
        }
        if self.bite(Fault::Redirect) {
            return Some(Document::bad(302).with("location", "https://elsewhere.sim/search".to_owned()));
        }
        if self.searches % 2 == 1 && self.bite(Fault::Flapping) {
            return Some(Document::bad(500));
        }
        if !self.searches.is_multiple_of(3) && self.bite(Fault::Stumbling) {
            return Some(Document::bad(503));
        }
        if self.bite(Fault::LargeHeaders) {
            return Some(Document::good("{}".to_owned()).with("x-large", "a".repeat(40 << 10)));
        }
        if self.bite(Fault::HtmlPage) {
            let text = "<!DOCTYPE html><title>canary-of-the-member</title>".to_owned();
            return Some(Document { headers: vec![("content-type", "text/html".to_owned())], ..Document::good(text) });
        }
        if self.bite(Fault::EmptyBody) {
            return Some(Document::good(NOTHING.to_owned()));
        }
        self.bite(Fault::AnotherDocument)
            .then(|| Document::good(r#"{"type":"Catalog","id":"x","description":"x","links":[]}"#.to_owned()))
    }

    fn body(&mut self, bytes: &Bytes) -> Body {
        let (length, now) = (bytes.len(), Duration::ZERO);
        let whole = |piece: usize, every: Duration| Body { bytes: bytes.clone(), piece, every, end: End::Whole };
        let ending = |end: End| Body { end, ..whole(16 << 10, now) };
        if self.bite(Fault::Bandwidth) {
            whole(512, Duration::from_millis(250))
        } else if self.bite(Fault::Drip) {
            whole(1, Duration::from_secs(1))
        } else if self.bite(Fault::SlicedBody) {
            whole(7, now)
        } else if self.bite(Fault::SlowClose) {
            ending(End::Open)
        } else if self.bite(Fault::ResetInBody) {
            ending(End::Lost(length / 2))
        } else if self.bite(Fault::CutBody) {
            ending(End::Cut(length / 2))
        } else if self.bite(Fault::EndlessBody) {
            Body { piece: 256 << 10, every: Duration::from_millis(50), end: End::Endless, ..whole(0, now) }
        } else {
            whole(16 << 10, now)
        }
    }

    fn metadata(&mut self, sent: &Sent) -> Document {
        let base = Self::address(&self.id);
        let path = sent.url.path();
        if path.ends_with("/collections") {
            let cut = self.collections.len() > LISTED_MAX && self.bite(Fault::CollectionsCut);
            let shown = if cut { LISTED_MAX } else { self.collections.len() };
            let list: Vec<_> = self.collections[..shown].iter().map(|id| collection(id)).collect();
            return Document::good(json!({"collections": list, "links": []}).to_string());
        }
        let mut classes: Vec<String> =
            CLASSES.iter().map(|class| format!("https://api.stacspec.org/v1.0.0/{class}")).collect();
        if self.habits.sorts {
            classes.push("https://api.stacspec.org/v1.0.0/item-search#sort".to_owned());
        }
        if self.habits.filters {
            classes.extend(FILTERS.map(str::to_owned));
        }
        if path.ends_with("/conformance") {
            return Document::good(json!({"conformsTo": classes}).to_string());
        }
        let methods = if self.habits.post { &["GET", "POST"][..] } else { &["GET"] };
        let links: Vec<_> = methods
            .iter()
            .map(|method| {
                json!({"rel": "search", "href": format!("{base}/search"), "type": "application/geo+json", "method": method})
            })
            .collect();
        let landing = json!({"type": "Catalog", "stac_version": "1.0.0", "id": self.id, "description": self.id,
            "conformsTo": classes, "links": links});
        Document::good(landing.to_string())
    }
}

fn collection(id: &str) -> serde_json::Value {
    json!({"type": "Collection", "stac_version": "1.0.0", "id": id, "description": id, "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}}, "links": []})
}
