//! Loopback catalogues of metadata records: OGC API - Records and CSW 2.0.2, with habits.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use stac_broker::federation::{Kind, Member, Records};
use url::Url;

/// What a catalogue does, and has.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    pub records: Vec<Value>,
    /// Records of one page at most, whatever was asked for.
    pub page_cap: Option<usize>,
    /// Pages carry an `ETag` and answer 304.
    pub tags: bool,
    /// This page (0 is the first) always leads to itself; of a CSW: names a next record that is not larger.
    pub loops_at: Option<usize>,
    /// From this page on, answers with this status.
    pub fails_from: Option<(usize, u16)>,
    /// Answers with this body, whatever is asked.
    pub says: Option<String>,
    /// `next` links and `nextRecord` are left out.
    pub no_next: bool,
    /// Pages of more records than this are larger than any bound.
    pub huge_above: Option<usize>,
    /// The time of day in each answer.
    pub clock: u32,
    /// Links are written with this base.
    pub links_at: Option<String>,
}

/// One request: path and query, after `HEAD` where it is one, and whether it was conditional.
pub type Asked = (String, bool);

/// A serving catalogue.
pub struct Catalogue {
    pub url: Url,
    kind: Kind,
    habits: Arc<Mutex<Habits>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Its members, as a query string has them.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

impl Catalogue {
    pub async fn start(kind: Kind, habits: Habits) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let path = if kind == Kind::Csw { "/csw" } else { "/api" };
        let url = Url::parse(&format!("{base}{path}")).unwrap();
        let habits = Arc::new(Mutex::new(habits));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (scripted, recorded, own) = (habits.clone(), asked.clone(), url.clone());
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
            let habits = scripted.lock().unwrap().clone();
            let name = if method == Method::HEAD { format!("HEAD {uri}") } else { uri.to_string() };
            recorded.lock().unwrap().push((name, headers.contains_key("if-none-match")));
            let answer = if kind == Kind::Csw { csw(&habits, &uri) } else { records(&habits, &uri, &own) };
            async move { tagged(&habits, &headers, answer) }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, kind, habits, asked, task }
    }

    /// As a federation would declare it.
    pub fn declared(&self, id: &str, records: Records) -> Member {
        let mut member = super::declared(id, self.url.clone());
        member.kind = self.kind;
        member.crawl.records = records;
        member
    }

    pub fn change(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.habits.lock().unwrap());
    }

    /// Requests for pages since the last time this was asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

type Answer = (u16, &'static str, String);

/// Conditional requests are answered as such, where the catalogue has tags.
fn tagged(habits: &Habits, headers: &HeaderMap, (status, media, body): Answer) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let tag = format!("\"{:x}\"", body.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)));
    let known = headers.get("if-none-match").is_some_and(|known| known.as_bytes() == tag.as_bytes());
    match (habits.tags, known) {
        (true, true) => (StatusCode::NOT_MODIFIED, [("etag", tag)]).into_response(),
        (true, false) => (status, [("etag", tag), ("content-type", media.to_owned())], body).into_response(),
        (false, _) => (status, [("content-type", media)], body).into_response(),
    }
}

/// The part of the records that a page has, its number, and where the next one begins.
fn cut(habits: &Habits, start: usize, limit: usize) -> (Vec<Value>, usize, Option<usize>) {
    let size = limit.min(habits.page_cap.unwrap_or(limit)).max(1);
    let number = start / size;
    let part: Vec<Value> = habits.records.iter().skip(start).take(size).cloned().collect();
    let next = (start + size < habits.records.len()).then_some(start + size);
    let next = if habits.loops_at == Some(number) { Some(start) } else { next };
    (part, number, next)
}

fn trouble(habits: &Habits, number: usize, count: usize) -> Option<Answer> {
    if let Some(body) = &habits.says {
        return Some((200, "application/octet-stream", body.clone()));
    }
    if habits.huge_above.is_some_and(|most| count > most) {
        let padding = " ".repeat(9 << 20);
        return Some((200, "application/octet-stream", format!("<x>{padding}</x>")));
    }
    let (from, status) = habits.fails_from?;
    (number >= from).then(|| (status, "text/plain", "no".to_owned()))
}

/// OGC API - Records: one catalogue `all` beside a collection of features.
fn records(habits: &Habits, uri: &Uri, own: &Url) -> Answer {
    let query = Query::of(uri);
    let json = |value: Value| (200, "application/json", value.to_string());
    match uri.path() {
        "/api/collections" => json(json!({"collections": [
            {"id": "roads", "itemType": "feature"}, {"id": "all", "itemType": "record", "title": "All"}]})),
        "/api/collections/all/items" => {
            let (start, limit) = (query.number("offset", 0), query.number("limit", 10));
            let (features, number, next) = cut(habits, start, limit);
            if let Some(trouble) = trouble(habits, number, features.len()) {
                return trouble;
            }
            let base = habits.links_at.as_deref().unwrap_or(own.as_str());
            let mut links = vec![json!({"rel": "self", "href": format!("{base}/collections/all/items?f=json")})];
            if let Some(next) = next.filter(|_| !habits.no_next) {
                let href = format!("{base}/collections/all/items?type=dataset&limit={limit}&offset={next}");
                links.push(json!({"rel": "next", "type": "application/geo+json", "href": href}));
            }
            json(json!({"type": "FeatureCollection", "timeStamp": format!("2025-01-01T00:00:{:02}Z", habits.clock),
                "numberMatched": habits.records.len(), "numberReturned": features.len(), "features": features, "links": links}))
        }
        _ => (404, "application/json", json!({"code": "NotFound"}).to_string()),
    }
}

/// CSW 2.0.2 with records of ISO 19139, each made of a GeoJSON record's id and title.
fn csw(habits: &Habits, uri: &Uri) -> Answer {
    let query = Query::of(uri);
    let wanted = [("request", "GetRecords"), ("resultType", "results"), ("elementSetName", "full")];
    let good = wanted.iter().all(|(name, value)| query.get(name) == Some(value))
        && query.get("outputSchema") == Some("http://www.isotc211.org/2005/gmd");
    if !good {
        let report = r#"<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows"><ows:Exception
            exceptionCode="InvalidParameterValue"><ows:ExceptionText>not asked well</ows:ExceptionText></ows:Exception>
            </ows:ExceptionReport>"#;
        return (200, "application/xml", report.to_owned());
    }
    let (start, limit) = (query.number("startPosition", 1), query.number("maxRecords", 10));
    let (records, number, next) = cut(habits, start - 1, limit);
    if let Some(trouble) = trouble(habits, number, records.len()) {
        return trouble;
    }
    let next =
        if habits.no_next { String::new() } else { format!(r#"nextRecord="{}""#, next.map_or(0, |next| next + 1)) };
    let mut body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><csw:GetRecordsResponse xmlns:csw="http://www.opengis.net/cat/csw/2.0.2"
        xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco">
        <csw:SearchStatus timestamp="2025-01-01T00:00:{:02}"/>
        <csw:SearchResults numberOfRecordsMatched="{}" numberOfRecordsReturned="{}" {next}>"#,
        habits.clock,
        habits.records.len(),
        records.len()
    );
    for record in records {
        write!(
            body,
            "<gmd:MD_Metadata><gmd:fileIdentifier><gco:CharacterString>{}</gco:CharacterString></gmd:fileIdentifier>\
             <gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation><gmd:title>\
             <gco:CharacterString>{}</gco:CharacterString></gmd:title></gmd:CI_Citation></gmd:citation><gmd:abstract>\
             <gco:CharacterString>Made up.</gco:CharacterString></gmd:abstract>{}</gmd:MD_DataIdentification>\
             </gmd:identificationInfo></gmd:MD_Metadata>",
            record["id"].as_str().unwrap(),
            record["properties"]["title"].as_str().unwrap(),
            record["time"]["timestamp"].as_str().map(at).unwrap_or_default()
        )
        .unwrap();
    }
    body.push_str("</csw:SearchResults></csw:GetRecordsResponse>");
    (200, "application/xml", body)
}

/// The temporal extent of an ISO record that is about one moment.
fn at(moment: &str) -> String {
    format!(
        "<gmd:extent><gmd:EX_Extent><gmd:temporalElement><gmd:EX_TemporalExtent><gmd:extent>\
         <gml:TimeInstant xmlns:gml=\"http://www.opengis.net/gml/3.2\" gml:id=\"t\"><gml:timePosition>{moment}</gml:timePosition>\
         </gml:TimeInstant></gmd:extent></gmd:EX_TemporalExtent></gmd:temporalElement></gmd:EX_Extent></gmd:extent>"
    )
}

/// `count` records, a day and a degree apart.
pub fn records_of(count: usize) -> Vec<Value> {
    (0..count).map(|n| record(&format!("r-{n:04}"), n)).collect()
}

/// A small record of OGC API - Records.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
pub fn record(id: &str, n: usize) -> Value {
    let (x, day) = (
        n as f64 % 170.0,
        chrono::DateTime::from_timestamp(1_577_836_800 + 86_400 * i64::try_from(n).unwrap(), 0).unwrap(),
    );
    json!({
        "type": "Feature", "id": id, "time": {"timestamp": day.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)},
        "geometry": {"type": "Point", "coordinates": [x, 50.0]},
        "properties": {"type": "dataset", "title": format!("Record {n}"), "description": "Made up.",
            "updated": "2024-01-01T00:00:00Z", "license": "CC-BY-4.0"},
        "links": [{"rel": "enclosure", "href": format!("https://data.example/{id}.nc")}],
    })
}
