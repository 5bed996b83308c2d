//! Documents of real catalogues, served by scripted members and walked through the broker. Read where the environment
//! variable `STAC_BROKER_TEST_DATA` names a folder of them; without it nothing is checked, and the test says so.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::front::{Reply, names};
use crate::support::oracle::{Held, Oracle};
use crate::support::{Front, NextForm, Running, ScriptedMember, federation_of};

/// More of one catalogue say nothing new and take their time.
const ITEMS_MAX: usize = 1_200;

/// The folder of the data, where there is one.
#[expect(clippy::print_stderr, reason = "what was not checked is said plainly")]
pub fn folder(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STAC_BROKER_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {what}, since STAC_BROKER_TEST_DATA is not set");
    }
    folder
}

/// The lines of a file, unpacked where its name ends in `.gz`.
pub fn lines(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// One catalogue: its Items as they are written, each once, and its Collections.
struct Catalogue {
    items: Vec<(String, Value)>,
    collections: Vec<Value>,
}

impl Catalogue {
    fn read(folder: &Path, items: &str, collections: &str) -> Self {
        let mut met = HashSet::new();
        let parsed = lines(&folder.join(items)).into_iter().map(|line| {
            let value: Value = serde_json::from_str(&line).unwrap();
            (line, value)
        });
        let once = parsed.filter(|(_, item)| met.insert((item["collection"].to_string(), item["id"].to_string())));
        let items = once.take(ITEMS_MAX).collect();
        let collections = lines(&folder.join(collections));
        Self { items, collections: collections.iter().map(|line| serde_json::from_str(line).unwrap()).collect() }
    }

    fn held(&self, member: &str) -> Vec<Held> {
        self.items.iter().map(|(_, item)| Held { member: member.to_owned(), item: item.clone() }).collect()
    }
}

type Parts = HashMap<String, Box<RawValue>>;

/// Everything that the broker has no reason to touch is the same text.
pub fn check_untouched(before: &str, after: &str) {
    let (was, is): (Parts, Parts) = (serde_json::from_str(before).unwrap(), serde_json::from_str(after).unwrap());
    for (name, text) in &was {
        match name.as_str() {
            "collection" | "links" => {}
            // relative hrefs become absolute; else it is the same text
            "assets" if text.get() != is[name].get() => {
                let (was, is): (Value, Value) =
                    (serde_json::from_str(text.get()).unwrap(), serde_json::from_str(is[name].get()).unwrap());
                for (key, asset) in was.as_object().unwrap() {
                    let href = asset["href"].as_str().unwrap_or_default();
                    let absolute = is[key]["href"].as_str().unwrap_or_default();
                    assert!(
                        absolute.ends_with(href.trim_start_matches(['.', '/'])),
                        "{href} became {absolute} in {before}"
                    );
                    let rest = |asset: &Value| {
                        let mut rest = asset.clone();
                        rest.as_object_mut().unwrap().remove("href");
                        rest.as_object_mut().unwrap().remove("alternate");
                        rest
                    };
                    assert_eq!(rest(asset), rest(&is[key]), "{}: asset {key}", was["id"]);
                }
            }
            "properties" => {
                let (was, mut is): (Parts, Parts) =
                    (serde_json::from_str(text.get()).unwrap(), serde_json::from_str(is[name].get()).unwrap());
                assert!(is.remove("federation:backends").is_some());
                for (name, text) in &was {
                    assert_eq!(is[name].get(), text.get(), "property {name} of {before}");
                }
            }
            _ => assert_eq!(is[name].get(), text.get(), "{name} of {before}"),
        }
    }
}

/// The Items of a page as text.
pub fn texts(page: &Reply) -> Vec<String> {
    let parts: Parts = serde_json::from_str(&page.text).unwrap();
    let features: Vec<Box<RawValue>> = serde_json::from_str(parts["features"].get()).unwrap();
    features.iter().map(|feature| feature.get().to_owned()).collect()
}

async fn start(catalogues: &[(&str, Catalogue)]) -> Vec<Running> {
    let mut members = Vec::new();
    for (index, (id, catalogue)) in catalogues.iter().enumerate() {
        let texts = catalogue.items.iter().map(|(text, _)| text.clone()).collect();
        let member = ScriptedMember::new(id).documents(texts).collections(catalogue.collections.clone());
        let form = [NextForm::Get, NextForm::PostFull, NextForm::PostMerge, NextForm::GetAfterPost][index % 4];
        let member = if index % 3 == 2 { member.page_cap(60).get_only() } else { member.page_cap(500).next_form(form) };
        members.push(member.start().await);
    }
    members
}

#[tokio::test]
async fn real_catalogues_are_walked_to_the_end() {
    let Some(folder) = folder("the walk over real catalogues") else { return };
    let files = [
        ("CMEMS", "cmems/items.ndjson.gz", "cmems/collections.ndjson.gz"),
        ("EDITO", "edito/items_bulk.ndjson.gz", "edito/collections.ndjson"),
        ("EMODNET", "emodnet/items.ndjson.gz", "emodnet/collections.ndjson"),
        ("EODC", "eodc/items.ndjson.gz", "eodc/collections.ndjson"),
        ("GRNET", "grnet/items.ndjson.gz", "grnet/collections.ndjson"),
        ("CREODIAS", "creodias/items.ndjson.gz", "creodias/collections.ndjson"),
        ("VITO", "vito/items.ndjson.gz", "vito/collections.ndjson"),
    ];
    let catalogues = files.map(|(id, items, collections)| (id, Catalogue::read(&folder, items, collections)));
    let members = start(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let oracle = Oracle(catalogues.iter().flat_map(|(id, catalogue)| catalogue.held(id)).collect());
    let originals: HashMap<String, &String> = catalogues
        .iter()
        .flat_map(|(id, catalogue)| {
            catalogue
                .items
                .iter()
                .map(move |(text, item)| (Held { member: (*id).to_owned(), item: item.clone() }.name(), text))
        })
        .collect();

    let pages = front.walk_get("/search?limit=500").await;
    let got = names(&pages);
    let wanted = oracle.newest_first();
    if let Some(at) = got.iter().zip(&wanted).position(|(got, wanted)| got != wanted) {
        panic!("of {} Items from place {at} on {:?} instead of {:?}", got.len(), &got[at], &wanted[at]);
    }
    assert_eq!(got.len(), wanted.len());
    let report = pages.last().unwrap().report();
    assert_eq!((report["complete"].clone(), report["invalid"].clone()), (true.into(), 0.into()), "{report}");
    for page in &pages {
        for (name, text) in page.names().iter().zip(texts(page)) {
            check_untouched(originals[name], &text);
        }
    }

    let body = serde_json::json!({"limit": 173, "sortby": [{"field": "datetime", "direction": "asc"}], "datetime": "2015-01-01T00:00:00Z/.."});
    let from = 1_420_070_400_000;
    let open = |held: &Held| {
        let end = held.item["properties"]["end_datetime"]
            .as_str()
            .map_or(i64::MIN, |text| crate::support::store::instant(text).unwrap() / 1000);
        held.at() >= from || end >= from
    };
    let got = names(&front.walk_post(&body).await);
    assert_eq!(got, oracle.only(open).oldest_first());

    let listed = front.get("/collections").await;
    let collections: usize = catalogues.iter().map(|(_, catalogue)| catalogue.collections.len()).sum();
    assert_eq!(listed.json()["collections"].as_array().unwrap().len(), collections, "every Collection is listed");
    assert!(listed.missing().is_empty());
}
