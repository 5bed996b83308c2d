//! Answers of real servers, given again by a member on loopback and read through the adapter without loss: Items byte
//! for byte, where the next page is, counts, Collections, and what the landing page promises.
//!
//! The answers lie in `fixtures/recorded`, of the same shape as those that were recorded from real servers and in our
//! own words. Where `STAC_BROKER_TEST_DATA` names a folder of the recorded ones, these are read too.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method as Verb;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stac_broker::federation::{Bbox, Dialect, Interval, Method, Support};
use stac_broker::members::{Ask, Capabilities, Intersects, Item, Member, Page, Registry};
use tokio::time::Instant;
use url::Url;

use crate::support::federation_of;
use crate::support::replay::{Answer, Asked, Replay};

/// Names under which servers hand out a place in a list.
const PLACES: [&str; 6] = ["next", "token", "cursor", "page", "startIndex", "startRecord"];
/// Parts of a search that can be asked again as they were recorded.
const CONDITIONS: [&str; 3] = ["collections", "ids", "bbox"];
/// A landing page without Item Search.
const ITEMS_ONLY: &str = r#"{"type":"Catalog","id":"a","links":[],"conformsTo":[]}"#;

/// One recorded answer, as `index.json` describes it.
struct Recording {
    entry: Value,
    text: String,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The folders with recordings.
#[expect(clippy::print_stderr, reason = "what was not checked is said plainly")]
fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/recorded");
    let real = std::env::var_os("STAC_BROKER_TEST_DATA").map(|folder| PathBuf::from(folder).join("recorded"));
    if real.is_none() {
        eprintln!("skipped: recorded answers of real servers, since STAC_BROKER_TEST_DATA is not set");
    }
    std::iter::once(own).chain(real).collect()
}

fn recordings(folder: &Path) -> Vec<Recording> {
    let index: Vec<Value> = serde_json::from_str(&text(&folder.join("index.json"))).unwrap();
    let read = |entry: Value| Recording { text: text(&folder.join(entry["file"].as_str().unwrap())), entry };
    index.into_iter().map(read).collect()
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

impl Recording {
    fn file(&self) -> &str {
        self.entry["file"].as_str().unwrap()
    }

    fn is(&self, kind: &str) -> bool {
        self.entry["kind"] == kind
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.file()))
    }

    /// The elements of an array of the document, as they are written.
    fn elements(&self, name: &str) -> Vec<Box<RawValue>> {
        let document: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(&self.text).unwrap();
        serde_json::from_str(document[name].get()).unwrap_or_else(|error| panic!("{}: {error}", self.file()))
    }

    fn next(&self) -> Option<Value> {
        Some(self.entry["next"].clone()).filter(|next| !next.is_null())
    }

    /// The path below the landing page, with the collection whose Items are read by themselves.
    fn items_of(&self) -> Option<String> {
        let url = Url::parse(self.entry["url"].as_str()?).ok()?;
        let (_, below) = url.path().rsplit_once("/collections/")?;
        below.strip_suffix("/items").map(str::to_owned)
    }

    /// What was asked: the members of the body, or the parameters of the address.
    fn asked(&self) -> Map<String, Value> {
        if let Some(body) = self.entry["request_body"].as_object() {
            return body.clone();
        }
        let url = self.entry["url"].as_str().and_then(|url| Url::parse(url).ok());
        let pairs = url.iter().flat_map(|url| url.query_pairs().into_owned());
        pairs.map(|(name, value)| (name, Value::from(value))).collect()
    }

    fn ask(&self, count: usize) -> Ask {
        let asked = self.asked();
        let names = |name: &str| match asked.get(name)? {
            Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            text => Some(text.as_str()?.split(',').map(str::to_owned).collect()),
        };
        let limit = asked.get("limit").and_then(|limit| limit.as_u64().or_else(|| limit.as_str()?.parse().ok()));
        Ask {
            collections: names("collections"),
            ids: names("ids"),
            bbox: asked.get("bbox").map(corners).and_then(|list| match list[..] {
                [west, south, east, north] => Some(Bbox { west, south, east, north, elevation: None }),
                _ => None,
            }),
            datetime: asked.get("datetime").and_then(|text| Interval::from_param(text.as_str()?).ok()),
            intersects: asked.get("intersects").filter(|shape| shape.is_object()).map(shape),
            limit: limit.and_then(|limit| limit.try_into().ok()).unwrap_or_else(|| count.max(1).try_into().unwrap()),
            ..Ask::default()
        }
    }

    /// The count of the document, wherever it stands in it.
    fn count(&self) -> Option<u64> {
        let body = self.json();
        let places = ["/numberMatched", "/context/matched", "/numMatched", "/totalResults", "/properties/totalResults"];
        places.iter().find_map(|place| body.pointer(place)?.as_u64())
    }
}

fn corners(bbox: &Value) -> Vec<f64> {
    match bbox {
        Value::Array(list) => list.iter().filter_map(Value::as_f64).collect(),
        text => text.as_str().unwrap_or_default().split(',').filter_map(|part| part.parse().ok()).collect(),
    }
}

fn shape(geojson: &Value) -> Arc<Intersects> {
    let parsed: geojson::Geometry = serde_json::from_value(geojson.clone()).unwrap();
    let bbox = Bbox { west: -180.0, south: -90.0, east: 180.0, north: 90.0, elevation: None };
    Arc::new(Intersects { geojson: geojson.to_string(), geometry: parsed.try_into().unwrap(), bbox })
}

/// A member that answers like this, and its adapter.
async fn member(answers: Vec<Answer>, method: Method) -> (Replay, Arc<dyn Member>) {
    let replay = Replay::start(answers).await;
    let mut declared = replay.declared();
    declared.request.method = method;
    let adapter = Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
    (replay, adapter)
}

fn check_items(recording: &Recording, page: &Page) {
    let wanted = recording.elements("features");
    assert_eq!(page.items.len(), wanted.len(), "{}: {:?}", recording.file(), page.invalid);
    assert_eq!((page.received as usize, page.invalid.count), (wanted.len(), 0), "{}", recording.file());
    for (item, raw) in page.items.iter().zip(&wanted) {
        assert_eq!(std::str::from_utf8(&item.bytes).unwrap(), raw.get(), "{}", recording.file());
        let value: Value = serde_json::from_str(raw.get()).unwrap();
        assert_eq!(*item.id, *value["id"].as_str().unwrap(), "{}", recording.file());
    }
    let stated = recording.entry["features"].as_u64().map(|count| usize::try_from(count).unwrap());
    assert!(stated.is_none_or(|stated| stated == wanted.len()), "{}", recording.file());
}

/// The request asks what was asked when the answer was recorded.
fn check_asked(recording: &Recording, request: &Asked) {
    let asked = recording.asked();
    for name in CONDITIONS.iter().filter(|name| asked.contains_key(**name)) {
        let sent = request.body.get(*name).cloned().or_else(|| {
            request.query.iter().find(|(own, _)| own == *name).map(|(_, value)| Value::from(value.as_str()))
        });
        let sent = sent.unwrap_or_else(|| panic!("{}: `{name}` was not sent", recording.file()));
        if *name == "bbox" {
            assert_eq!(corners(&sent), corners(&asked[*name]), "{}", recording.file());
        } else {
            assert_eq!(sent, asked[*name], "{}: {name}", recording.file());
        }
    }
}

/// The second request goes where the first one went, by the method that the link names, with all of the first query
/// and with the link's place in the list.
fn check_followed(recording: &Recording, next: &Value, first: &Asked, second: &Asked) {
    let file = recording.file();
    assert_eq!(second.path, first.path, "{file}");
    let by_post = next["method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("post"));
    assert_eq!(second.method == Verb::POST, by_post, "{file}");
    let href = Url::parse(next["href"].as_str().unwrap()).unwrap();
    let mut places = 0;
    for (name, value) in href.query_pairs().filter(|(name, _)| PLACES.contains(&&**name)) {
        assert!(
            second.query.contains(&(name.clone().into_owned(), value.into_owned())),
            "{file}: {name} in {second:?}"
        );
        places += 1;
    }
    for (name, value) in next["body"].as_object().into_iter().flatten().filter(|(name, _)| PLACES.contains(&&***name)) {
        assert_eq!(second.body.get(name), Some(value), "{file}: {name}");
        places += 1;
    }
    assert_eq!(places, 1, "{file}: one place in the list");
    if by_post && first.method == Verb::POST {
        for (name, value) in &first.body {
            assert_eq!(second.body.get(name), Some(value), "{file}: {name} is asked again");
        }
    }
    let repeats = |pairs: &[(String, String)]| {
        let mut names: Vec<String> = pairs.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1]) || names.iter().any(|name| name.contains('['))
    };
    assert!(!repeats(&second.query), "{file}: nothing twice, no brackets: {second:?}");
}

async fn check_search(recording: &Recording) {
    let count = recording.elements("features").len();
    let (mut path, mut answers) = ("search".to_owned(), Vec::new());
    let collection = recording.items_of().filter(|_| recording.is("search"));
    if let Some(collection) = &collection {
        path = format!("collections/{collection}/items");
        answers.push((String::new(), 200, ITEMS_ONLY.to_owned()));
        answers.push(("search".to_owned(), 404, "{}".to_owned()));
        answers.push(("search".to_owned(), 404, "{}".to_owned()));
    }
    answers.push((path.clone(), 200, recording.text.clone()));
    let by_post = recording.entry["method"] == "POST";
    let (replay, adapter) = member(answers, if by_post { Method::Post } else { Method::Get }).await;
    let mut ask = recording.ask(count);
    if let Some(collection) = collection {
        adapter.discover(soon()).await.unwrap();
        ask = Ask { collections: Some(vec![collection]), limit: count.try_into().unwrap(), ..Ask::default() };
    }
    let page = adapter.search(&ask, soon()).await.unwrap_or_else(|failed| panic!("{}: {failed}", recording.file()));
    check_items(recording, &page);
    assert_eq!(page.matched.map(|matched| matched.count), recording.count(), "{}", recording.file());
    let asked: Vec<Asked> = replay.asked().into_iter().filter(|request| request.path == path).collect();
    if path == "search" {
        check_asked(recording, &asked[0]);
    }

    let Some(next) = recording.next() else {
        assert_eq!(page.next, None, "{}", recording.file());
        return;
    };
    let token = page.next.unwrap_or_else(|| panic!("{}: the next page is lost", recording.file()));
    let host = Url::parse(next["href"].as_str().unwrap()).unwrap().host_str().unwrap().to_owned();
    assert!(!token.0.contains(&host), "{}: no address in {token:?}", recording.file());
    let end = adapter.search(&Ask { token: Some(token), ..ask }, soon()).await.unwrap();
    assert_eq!((end.items.len(), end.next), (0, None), "{}", recording.file());
    let again: Vec<Asked> = replay.asked().into_iter().filter(|request| request.path == path).collect();
    assert_eq!(again.len(), asked.len() + 1, "{}", recording.file());
    check_followed(recording, &next, &asked[0], &again[asked.len()]);
}

#[tokio::test]
async fn every_recorded_page_is_read_without_loss() {
    for folder in folders() {
        let recordings = recordings(&folder);
        let (mut pages, mut items, mut followed) = (0, 0, 0);
        for recording in recordings.iter().filter(|recording| recording.text.contains("\"features\"")) {
            check_search(recording).await;
            pages += 1;
            items += recording.elements("features").len();
            followed += usize::from(recording.next().is_some());
        }
        assert!(pages > 10 && items > 10 && followed >= 8, "{pages} pages, {items} Items, {followed} followed");
    }
}

/// A listing goes on with the recorded next page where there is one, else with an empty one.
async fn check_collections(recording: &Recording, later: Option<&Recording>) {
    let file = recording.file();
    let empty = r#"{"collections":[],"links":[]}"#.to_owned();
    let second = later.map_or(empty, |later| later.text.clone());
    let (replay, adapter) = member(
        vec![("collections".to_owned(), 200, recording.text.clone()), ("collections".to_owned(), 200, second)],
        Method::Auto,
    )
    .await;
    let listing = adapter.collections(soon()).await.unwrap();
    let mut wanted = recording.elements("collections");
    let next = recording.next();
    if next.is_some() {
        wanted.extend(later.into_iter().flat_map(|later| later.elements("collections")));
    }
    let got: Vec<&str> = listing.collections.iter().map(|text| std::str::from_utf8(text).unwrap()).collect();
    assert_eq!(got, wanted.iter().map(|raw| raw.get()).collect::<Vec<_>>(), "{file}");
    let asked = replay.asked();
    match next {
        Some(next) => check_followed(recording, &next, &asked[0], &asked[1]),
        None => assert!(asked.iter().all(|request| !request.query.iter().any(|(name, _)| name == "startRecord"))),
    }
    let matched = recording.json()["numberMatched"].as_u64();
    let whole = matched.is_none_or(|matched| matched <= wanted.len() as u64);
    assert_eq!(listing.complete, whole, "{file}: {} of {matched:?}", wanted.len());
}

#[tokio::test]
async fn every_recorded_collection_listing_is_read_without_loss() {
    for folder in folders() {
        let recordings = recordings(&folder);
        let listings: Vec<&Recording> = recordings.iter().filter(|recording| recording.is("collections")).collect();
        for recording in &listings {
            let next = recording.next();
            let later = next.and_then(|next| listings.iter().find(|other| other.entry["url"] == next["href"]));
            check_collections(recording, later.copied()).await;
        }
        assert!(listings.len() >= 4, "{} listings", listings.len());
    }
}

/// What a landing page promises, as far as it decides how a member is asked.
fn promises(known: &Capabilities) -> Value {
    let languages: Vec<&str> = known.filter_lang.iter().map(|language| language.name()).collect();
    let is = |support: Support| support != Support::Unsupported;
    json!({"dialect": known.dialect.name(), "post": known.search_post, "sort": is(known.sort), "filter": is(known.filter), "query": is(known.query), "languages": languages})
}

/// By folder and file, for landing pages whose index does not say what to expect.
fn expected(file: &str) -> Value {
    let both = json!(["cql2-text", "cql2-json"]);
    let (sort, filter, query, languages) = match file {
        "earth-search.aws.element84.com/landing-01.json" => (true, false, true, json!(["cql2-json"])),
        "planetarycomputer.microsoft.com/landing-04.json" | "planetarycomputer.microsoft.com/landing-05.json" => {
            (true, true, true, json!([]))
        }
        "planetarycomputer.microsoft.com/landing-06.json" => (false, false, true, json!([])),
        "emc.spacebel.be/landing-01.json" => (true, true, false, both),
        _ => (true, true, true, both),
    };
    let dialect = match file.split('/').next().unwrap() {
        "earth-search.aws.element84.com" => "stac-server",
        "planetarycomputer.microsoft.com" => "planetary-computer",
        "emc.spacebel.be" => "fedeo",
        // stac-fastapi, whatever lies behind it
        _ => "standard",
    };
    json!({"dialect": dialect, "post": true, "sort": sort, "filter": filter, "query": query, "languages": languages})
}

/// What the answer of a search gives away where the landing page says nothing.
#[tokio::test]
async fn no_recorded_answer_is_taken_for_that_of_another_kind_of_server() {
    const LANDING: &str = r#"{"type":"Catalog","id":"a","conformsTo":["https://api.stacspec.org/v1.0.0/item-search"],
        "links":[{"rel":"search","type":"application/geo+json","method":"GET","href":"search"}]}"#;
    for folder in folders() {
        let recordings = recordings(&folder);
        let mut seen = std::collections::BTreeSet::new();
        for recording in recordings.iter().filter(|recording| recording.text.contains("\"features\"")) {
            let answers =
                vec![(String::new(), 200, LANDING.to_owned()), ("search".to_owned(), 200, recording.text.clone())];
            let (_replay, adapter) = member(answers, Method::Auto).await;
            adapter.discover(soon()).await.unwrap();
            drop(adapter.probe(soon()).await);
            let file = recording.file();
            let paged = recording.next().is_some();
            let pgstac = file.starts_with("planetary") || file.starts_with("pgstac");
            let resto = ["resto-stac", "stacItemsResponseCScale"].iter().any(|name| file.contains(name));
            let wanted = match (pgstac && paged, resto) {
                (true, _) => Dialect::Pgstac,
                (_, true) => Dialect::Resto,
                _ => Dialect::Standard,
            };
            assert_eq!(adapter.capabilities().dialect, wanted, "{file}");
            seen.insert(wanted.name());
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
    }
}

#[tokio::test]
async fn every_recorded_landing_page_says_what_its_server_can_do() {
    for folder in folders() {
        let mut count = 0;
        for recording in recordings(&folder).iter().filter(|recording| recording.is("landing")) {
            let (_replay, adapter) = member(vec![(String::new(), 200, recording.text.clone())], Method::Auto).await;
            let known = adapter.discover(soon()).await.unwrap();
            let mut wanted = recording.entry["expect"].clone();
            if wanted.is_null() {
                wanted = expected(recording.file());
            }
            assert_eq!(promises(&known), wanted, "{}", recording.file());
            assert_eq!(known.dialect_seen.is_some(), known.dialect != Dialect::Standard, "{}", recording.file());
            count += 1;
        }
        assert!(count >= 8, "{count} landing pages");
    }
}

#[tokio::test]
async fn recorded_refusals_and_single_documents_are_told_apart() {
    for folder in folders() {
        let mut count = 0;
        for recording in &recordings(&folder) {
            let document = recording.json();
            let item = "collections/c/items/41c7".to_owned();
            if recording.is("other") {
                let (_replay, adapter) = member(vec![(item, 404, recording.text.clone())], Method::Auto).await;
                assert!(adapter.item("c", "41c7", soon()).await.unwrap().is_none(), "{}", recording.file());
            } else if recording.is("queryables") {
                let path = "queryables".to_owned();
                let (_replay, adapter) = member(vec![(path, 200, recording.text.clone())], Method::Auto).await;
                let schema = adapter.queryables(None, soon()).await.unwrap().unwrap();
                assert_eq!(std::str::from_utf8(&schema).unwrap(), recording.text, "{}", recording.file());
            } else if document["type"] == "Feature" {
                let id = document["id"].as_str().unwrap();
                let path = format!("collections/c/items/{id}");
                let (_replay, adapter) = member(vec![(path, 200, recording.text.clone())], Method::Auto).await;
                let item: Item = adapter.item("c", id, soon()).await.unwrap().unwrap();
                assert_eq!(item.bytes, recording.text.trim(), "{}", recording.file());
            } else {
                continue;
            }
            count += 1;
        }
        assert!(count >= 4, "{count} documents");
    }
}
