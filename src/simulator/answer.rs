//! What a scripted catalogue answers, and where each of its faults changes that.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use crate::members::wire::{Sent, Unsent};

use super::faults::Fault;
use super::member::{Asked, Catalogue, NextForm, Thing, known_us};

const CLASSES: [&str; 3] = ["core", "collections", "item-search"];
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
struct Document {
    status: u16,
    text: String,
    headers: Vec<(&'static str, String)>,
}

impl Document {
    fn good(text: String) -> Self {
        Self { status: 200, text, headers: vec![("content-type", "application/geo+json".to_owned())] }
    }

    fn bad(status: u16) -> Self {
        let text = format!(r#"{{"code":"{status}","description":"canary-of-the-member"}}"#);
        Self { status, text, headers: vec![("content-type", "application/json".to_owned())] }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
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
        let body = self.body(Bytes::from(document.text));
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

    fn body(&mut self, bytes: Bytes) -> Body {
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

    fn search_document(&mut self, sent: &Sent) -> Document {
        let asked = Asked::of(sent);
        self.asked_fields += u32::from(asked.fields);
        if let Some(refused) = self.refused_search(&asked) {
            return refused;
        }
        let list = self.list(&asked);
        let size = self.page_size(&asked);
        let from = self.place(&asked, &list, size);
        let again = self.repeated(&asked, from, size);
        let mut page: Vec<usize> = list.iter().skip(from - again).take(size).copied().collect();
        let until = from - again + page.len();
        self.disturb(&asked, &mut page);
        let mut features: Vec<String> = page.iter().map(|&index| self.feature(index)).collect();
        self.intrude(&asked, &mut features);
        let mut more = until < list.len();
        more |= !more && !page.is_empty() && self.bite(Fault::TrailingEmptyPage);
        if asked.goes_on() && self.bite(Fault::EmptyPagesForEver) {
            features.clear();
            more = true;
        }
        if more && (self.bite(Fault::NextMissing) || asked.fields && self.bite(Fault::NextLostWithFields)) {
            more = false;
        }
        let mut text = r#"{"type":"FeatureCollection""#.to_owned();
        if self.habits.counts {
            let count = if self.bite(Fault::CountsLie) { 10 * list.len() + 7 } else { list.len() };
            let _ = write!(text, r#","numberMatched":{count}"#);
        }
        let _ = write!(text, r#","numberReturned":{},"features":[{}]"#, features.len(), features.join(","));
        let mut header = None;
        if more {
            let (link, by_header) = self.next(&asked, sent, until, size, &list);
            if by_header {
                header = Some(link)
            } else {
                let _ = write!(text, r#","links":[{link}]"#);
            }
        }
        text.push('}');
        let document = Document::good(text);
        let document = if let Some(link) = header { document.with("link", link) } else { document };
        if self.bite(Fault::WrongMediaType) {
            return Document { headers: vec![("content-type", "text/html".to_owned())], ..document };
        }
        document
    }

    fn refused_search(&mut self, asked: &Asked) -> Option<Document> {
        let later = asked.goes_on();
        if later && self.bite(Fault::NextAnswers500) {
            return Some(Document::bad(500));
        }
        if later && asked.by_post && self.bite(Fault::PostNext405) {
            return Some(Document::bad(405));
        }
        if later && self.bite(Fault::TokenRefused) {
            return Some(Document::bad(400));
        }
        if asked.limit > 4 && self.bite(Fault::LargePage500) {
            return Some(Document::bad(500));
        }
        if asked.limit > 12 && self.bite(Fault::LargePage413) {
            return Some(Document::bad(413));
        }
        if asked.interval.is_none() && self.bite(Fault::WideQuery504) {
            return Some(Document::bad(504));
        }
        let token = asked.token.as_deref()?;
        let mut parts = token.splitn(3, '.');
        let (minted, id) = (parts.nth(1), parts.next());
        let minted = minted.and_then(|text| text.parse::<u128>().ok()).unwrap_or_default();
        let now = self.clock_ms();
        if now.saturating_sub(minted) > 3_000 && self.bite(Fault::TokenExpires) {
            return Some(Document::bad(410));
        }
        let names_span = self.things.iter().any(|thing| thing.spans && Some(thing.name().as_str()) == id);
        (names_span && self.bite(Fault::NullDatetimeToken)).then(|| Document::bad(500))
    }

    /// Milliseconds of virtual time since the first request came.
    fn clock_ms(&self) -> u128 {
        self.arrivals.first().map_or(0, |first| first.at.elapsed().as_millis())
    }

    fn page_size(&mut self, asked: &Asked) -> usize {
        let size = asked.limit.min(self.habits.cap);
        if size > 3 && self.bite(Fault::UnannouncedCap) {
            return 3;
        }
        let caps = [5, 20, 3];
        let cap = caps[self.searches as usize % caps.len()];
        if size > cap && self.bite(Fault::CapChanges) {
            return cap;
        }
        size.max(1)
    }

    /// Where in the list the page begins.
    fn place(&mut self, asked: &Asked, list: &[usize], size: usize) -> usize {
        let from = match (&asked.token, asked.page) {
            (Some(token), _) => {
                let mut parts = token.splitn(3, '.');
                let index = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
                let id = parts.nth(1).unwrap_or_default();
                // behind the Item that the token names, wherever it is by now
                let is = |thing: usize| self.things[thing].name() == id;
                let named = list.get(index).is_some_and(|&thing| is(thing));
                let found = if named { Some(index) } else { list.iter().position(|&thing| is(thing)) };
                found.map_or(index, |index| index + 1)
            }
            (None, Some(page)) => page.saturating_sub(1) * size,
            (None, None) => 0,
        };
        if from > 0 && self.bite(Fault::LaterPagesAreFirst) {
            return 0;
        }
        from.min(list.len())
    }

    /// How many Items of the page before are shown again.
    fn repeated(&mut self, asked: &Asked, from: usize, size: usize) -> usize {
        if from == 0 || size < 2 {
            return 0;
        }
        if self.bite(Fault::RepeatedItems) {
            return 1;
        }
        let half = (size / 2).min(from);
        if !asked.sortby.is_empty() && half > 0 && self.bite(Fault::RepeatedItemsSorted) {
            return half;
        }
        0
    }

    /// Items of a page in another order.
    fn disturb(&mut self, asked: &Asked, page: &mut [usize]) {
        let at = |catalogue: &Self, index: usize| catalogue.things[index].at_ms();
        if let (Some(&first), Some(&last)) = (page.first(), page.last())
            && !asked.sortby.is_empty()
            && at(self, first) != at(self, last)
            && self.bite(Fault::OrderInverted)
        {
            let end = page.len() - 1;
            page.swap(0, end);
        }
        if self.on(Fault::TieInverted) {
            let times: Vec<i64> = page.iter().map(|&index| at(self, index)).collect();
            let mut from = 0;
            while from < page.len() {
                let length = times[from..].iter().take_while(|time| **time == times[from]).count();
                if length > 1 {
                    self.bite(Fault::TieInverted);
                }
                page[from..from + length].reverse();
                from += length;
            }
        }
    }

    /// Features of a page that do not belong there.
    fn intrude(&mut self, asked: &Asked, features: &mut Vec<String>) {
        let outside = asked.interval.and_then(|(start, end)| {
            let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
            let first = asked.descending();
            let mut things = self.things.iter().enumerate();
            things
                .find(|(_, thing)| if first { thing.at_us > end } else { thing.at_us < start })
                .map(|(index, _)| index)
        });
        if let Some(index) = outside
            && !asked.goes_on()
            && self.bite(Fault::WrongItems)
        {
            features.insert(0, self.feature(index));
        }
        if self.bite(Fault::InvalidItems) {
            features.insert(0, "null".to_owned());
            features.push(r#"{"type":"Feature","id":5,"properties":{}}"#.to_owned());
        }
        if self.bite(Fault::DeepItem) {
            let (open, close) = ("[".repeat(200), "]".repeat(200));
            features.push(format!(r#"{{"type":"Feature","id":"deep","collection":"c","x":{open}{close}}}"#));
        }
    }

    fn feature(&mut self, index: usize) -> String {
        let seconds = self.on(Fault::TimesInSeconds).then_some(Fault::TimesInSeconds);
        let odd = match index % 3 {
            0 => Some("ZZ"),
            1 => Some(""),
            _ => None,
        };
        let odd = odd.filter(|_| self.bite(Fault::MalformedTimes));
        let thing = &self.things[index];
        let at = written(known_us(thing, seconds.as_slice()));
        let at = odd.map_or_else(|| at.clone(), |end| at.replace('Z', end));
        let times = if thing.spans {
            format!(r#""datetime":null,"start_datetime":"{at}","end_datetime":"{at}""#)
        } else {
            format!(r#""datetime":"{at}""#)
        };
        format!(
            r#"{{"type":"Feature","stac_version":"1.0.0","id":"{}","collection":"{}","geometry":{{"type":"Point","coordinates":[10.5,54.25]}},"bbox":[10.5,54.25,10.5,54.25],"properties":{{{times}}},"links":[],"assets":{{}}}}"#,
            thing.id, self.collections[thing.collection]
        )
    }

    /// The `next` link, and whether it is a header.
    fn next(&mut self, asked: &Asked, sent: &Sent, until: usize, size: usize, list: &[usize]) -> (String, bool) {
        let until = if !asked.sortby.is_empty() && self.bite(Fault::NextLostWithSortby) { size } else { until };
        let last: Option<&Thing> = until.checked_sub(1).and_then(|at| list.get(at)).map(|&index| &self.things[index]);
        let id = last.map_or_else(String::new, Thing::name);
        let mut token = format!("{}.{}.{id}", until.saturating_sub(1), self.clock_ms());
        if self.on(Fault::EmptyPagesForEver) {
            let _ = write!(token, "{}", self.searches);
        }
        if self.bite(Fault::HugeToken) {
            token.push_str(&"x".repeat(3 << 10));
        }
        let pad = asked.pad + 400;
        let pad = if self.bite(Fault::GrowingNext) { "p".repeat(pad) } else { String::new() };
        let form = self.habits.next;
        if asked.by_post && matches!(form, NextForm::Merge | NextForm::Whole) {
            let mut body = json!({"token": token});
            if form == NextForm::Whole {
                body = sent.body.as_deref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
                body["token"] = token.into();
            }
            if !pad.is_empty() {
                body["pad"] = pad.into();
            }
            let href = self.href();
            let link =
                json!({"rel": "next", "method": "POST", "href": href, "body": body, "merge": form == NextForm::Merge});
            return (link.to_string(), false);
        }
        let keep = |name: &str| !matches!(name, "token" | "page" | "pad");
        let mut query: Vec<(String, String)> =
            sent.url.query_pairs().into_owned().filter(|(name, _)| keep(name)).collect();
        if form == NextForm::Page && !asked.by_post && pad.is_empty() && asked.token.is_none() {
            query.push(("page".to_owned(), (until / size.max(1) + 1).to_string()));
        } else {
            query.push(("token".to_owned(), token));
        }
        if !pad.is_empty() {
            query.push(("pad".to_owned(), pad));
        }
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let href = format!("{}?{text}", self.href());
        if form == NextForm::Header {
            return (format!(r#"<{href}>; rel="next"; type="application/geo+json""#), true);
        }
        (json!({"rel": "next", "href": href, "type": "application/geo+json"}).to_string(), false)
    }

    /// The address of the search as the catalogue writes it into links.
    fn href(&mut self) -> String {
        let host = format!("https://{}.sim", self.id.to_lowercase());
        if self.bite(Fault::InternalHostInNext) {
            "http://10.0.0.5:8080/inside/search".to_owned()
        } else if self.bite(Fault::PrefixLost) {
            format!("{host}/search")
        } else if self.bite(Fault::PrefixDoubled) {
            format!("{host}/stac/stac/search")
        } else if self.bite(Fault::SchemeMalformed) {
            format!("http,{host}/stac/search")
        } else {
            format!("{host}/stac/search")
        }
    }
}

/// A time as catalogues write it.
pub fn written(at_us: i64) -> String {
    let at = DateTime::from_timestamp_micros(at_us).expect("a time of the script");
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn collection(id: &str) -> serde_json::Value {
    json!({"type": "Collection", "stac_version": "1.0.0", "id": id, "description": id, "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}}, "links": []})
}
