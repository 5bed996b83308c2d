//! Documents that real catalogues publish and no schema admits: each is passed on, repaired or left out as
//! `docs/members.md` says, for a reason that is told, and what surrounds it comes through whole.
//!
//! Each kind has a document of our own here. Where `STAC_BROKER_TEST_DATA` names a folder of the real ones, each of
//! those is held against the same outcomes.

use serde_json::{Value, json};
use stac_broker::members::Item;
use stac_broker::members::item::Reason;

use crate::real_data::{check_untouched, folder, texts};
use crate::support::{Front, Running, ScriptedMember, collection, federation_of, items, time};

/// What becomes of an Item.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Given as it came.
    Passed,
    /// Given as it came, and found by a box that it lies in only when longitudes are taken around the Earth.
    PassedAndFoundIn(&'static str),
    /// Left out where collections are searched together; given where its collection is the only one asked for.
    Nameless,
    /// Left out and counted, for this reason.
    Dropped(Reason),
}

/// What becomes of a Collection.
#[derive(Debug, Clone, Copy)]
enum Listing {
    /// Listed as it came; its box proves nothing, so a search of any place asks the member for it.
    Doubtful,
    /// Listed with a repair, which admins are told in these words.
    Repaired(&'static str),
    /// Not listed, for this reason; its Items are searched.
    Quarantined(&'static str),
}

/// Ten Items before and ten behind, in the order of the list. The member leaves places to the broker.
async fn among_good_ones(document: &str) -> (Running, Front) {
    let mut documents: Vec<String> = items("c", 20).iter().map(Value::to_string).collect();
    documents.insert(10, document.to_owned());
    let member = ScriptedMember::new("A").documents(documents).no_sort().ignores(&["bbox"]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    (member, front)
}

fn good() -> Vec<String> {
    (0..20).map(|n| format!("A|c c-{n:04}")).collect()
}

async fn check_item(name: &str, document: &str, fate: Fate) {
    let read = Item::new(document.to_owned());
    match fate {
        Fate::Dropped(reason) => assert_eq!(read.unwrap_err(), reason, "{name}"),
        _ => assert!(read.is_ok(), "{name}: {read:?}"),
    }
    let (_member, front) = among_good_ones(document).await;
    let page = front.get("/search?limit=100").await;
    assert_eq!(page.status, 200, "{name}: {}", page.text);
    let mut names = page.names();
    let given = texts(&page);
    let odd = names.iter().position(|name| !name.starts_with("A|c c-"));
    let odd = odd.map(|at| (names.remove(at), given[at].clone()));
    assert_eq!(names, good(), "{name}: what surrounds it is whole");
    assert!(page.missing().is_empty(), "{name}");
    let left_out = u64::from(matches!(fate, Fate::Dropped(_) | Fate::Nameless));
    assert_eq!(page.report()["invalid"], left_out, "{name}: {}", page.report());
    match (fate, odd) {
        (Fate::Passed | Fate::PassedAndFoundIn(_), Some((_, text))) => check_untouched(document, &text),
        (Fate::Dropped(_) | Fate::Nameless, None) => {}
        (fate, odd) => panic!("{name}: {fate:?}, but {odd:?}"),
    }
    let value: Value = serde_json::from_str(document).unwrap();
    if let Fate::PassedAndFoundIn(place) = fate {
        let found = front.get(&format!("/search?limit=100&bbox={place}")).await;
        let id = format!("A|{} {}", value["collection"].as_str().unwrap(), value["id"].as_str().unwrap());
        assert!(found.names().contains(&id), "{name}: not found in {place}: {}", found.text);
    }
    if fate == Fate::Nameless {
        let member = ScriptedMember::new("A").documents(vec![document.to_owned()]).ignores(&["collections"]);
        let member = member.collections(vec![collection("only")]).start().await;
        let front = Front::of(federation_of([member.declared()])).await;
        let page = front.get("/search?collections=A%7Conly").await;
        assert_eq!(page.names(), [format!("A|only {}", value["id"].as_str().unwrap())], "{name}: {}", page.text);
    }
}

async fn check_collection(name: &str, document: &Value, fate: Listing) {
    let id = document["id"].as_str().unwrap();
    let all = vec![collection("before"), document.clone(), collection("zzz-behind")];
    let mut own = items("x", 3);
    for item in &mut own {
        item["collection"] = id.into();
    }
    let member = ScriptedMember::new("A").items(own).collections(all).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let answer = front.get("/collections").await;
    let listed = answer.json()["collections"].as_array().unwrap();
    let ids: Vec<&str> = listed.iter().filter_map(|collection| collection["id"].as_str()).collect();
    let exposed = format!("A|{id}");
    for good in ["A|before", "A|zzz-behind"] {
        assert!(ids.contains(&good), "{name}: {ids:?}");
    }
    assert_eq!(ids.contains(&exposed.as_str()), !matches!(fate, Listing::Quarantined(_)), "{name}: {ids:?}");
    let known = front.get("/federation/members/A").await.json()["collections"].clone();
    match fate {
        Listing::Doubtful => {
            assert_eq!(known["quarantined"], json!([]), "{name}");
            assert!(answer.text.contains(&document["extent"].to_string()), "{name}: passed on as it came");
        }
        Listing::Repaired(words) => {
            let view = front.broker.snapshot().view.clone();
            let entry = view.members[0].entries.iter().find(|entry| entry.native_id == id).unwrap();
            assert!(entry.repairs().iter().any(|note| note.contains(words)), "{name}: {:?}", entry.repairs());
        }
        Listing::Quarantined(words) => {
            let reason = known["quarantined"][0]["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(words), "{name}: {known}");
        }
    }
    let exposed = percent_encoding::utf8_percent_encode(&exposed, percent_encoding::NON_ALPHANUMERIC);
    let place = if matches!(fate, Listing::Repaired(_)) { "" } else { "&bbox=10,54,11,55" };
    assert_eq!(
        front.get(&format!("/search?collections={exposed}{place}")).await.names().len(),
        3,
        "{name}: its Items are found"
    );
}

/// A valid Item, changed.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut item = crate::support::item("odd", "odd", &time(30));
    change(&mut item);
    item.to_string()
}

fn square(west: f64, south: f64, east: f64, north: f64) -> Value {
    json!({"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]})
}

#[tokio::test]
async fn longitudes_beyond_180_are_passed_on_and_found_around_the_earth() {
    let mosaic = changed(|item| {
        item["bbox"] = json!([-182.083_132_038_886, 68.4, -179.5, 69.4]);
        item["geometry"] = square(-182.083_132_038_886, 68.4, -179.5, 69.4);
    });
    check_item("west of -180", &mosaic, Fate::PassedAndFoundIn("178.5,69,179.5,70")).await;
    let mosaic = mosaic.replace("-182.083132038886", "179.0").replace("-179.5", "181.5");
    check_item("east of 180", &mosaic, Fate::PassedAndFoundIn("-179.9,69,-179,70")).await;
    let model = changed(|item| {
        item["bbox"] = json!([0.0, -90.0, 360.0, 90.0]);
        item["geometry"] = square(0.0, -90.0, 360.0, 90.0);
    });
    check_item("0 to 360", &model, Fate::PassedAndFoundIn("-20,-10,-10,10")).await;
    let half = changed(|item| {
        item["bbox"] = json!([200.0, 10.0, 210.0, 20.0]);
        item["geometry"] = square(200.0, 10.0, 210.0, 20.0);
    });
    check_item("200 to 210", &half, Fate::PassedAndFoundIn("-155,12,-154,13")).await;
}

#[tokio::test]
async fn fill_values_missing_geometries_and_odd_versions_are_passed_on() {
    let fill = 9.969_209_968_386_869e36;
    let filled = changed(|item| {
        item["bbox"] = json!([-180, -90, 179.998_991_992_187_5, fill]);
        item["geometry"] = square(-180.0, -90.0, 179.998_991_992_187_5, fill);
        item["properties"] =
            json!({"datetime": null, "start_datetime": time(1), "end_datetime": time(2), "valid_max": fill});
    });
    check_item("fill value of NetCDF", &filled, Fate::Passed).await;
    let without = changed(|item| drop(item.as_object_mut().unwrap().remove("geometry")));
    check_item("no geometry", &without, Fate::Passed).await;
    check_item("null geometry", &changed(|item| item["geometry"] = Value::Null), Fate::Passed).await;
    for version in ["0.9.0", "1.0.0-beta.2", "1.010"] {
        check_item(version, &changed(|item| item["stac_version"] = version.into()), Fate::Passed).await;
    }
    let single = changed(|item| item["assets"]["data"]["instruments"] = "SMMR > Radiometer".into());
    check_item("a text for a list", &single, Fate::Passed).await;
    let path = changed(|item| item["id"] = "rcp=26\\ens5\\2007-01-01.tif".into());
    check_item("backslashes in the id", &path, Fate::Passed).await;
}

#[tokio::test]
async fn datetimes_that_no_standard_has_are_read() {
    for odd in ["2025-01-01T00:30:00ZZ", "2025-01-01 00:30:00", "2025-01-01T00:30:00", "2024-12-31T24:00:00Z"] {
        check_item(odd, &changed(|item| item["properties"]["datetime"] = odd.into()), Fate::Passed).await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_for_its_reason() {
    let nameless = changed(|item| drop(item.as_object_mut().unwrap().remove("collection")));
    check_item("no collection", &nameless, Fate::Nameless).await;
    let geometry = |value: Value| changed(|item| item["geometry"] = value);
    let nested = json!({"type": "Polygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]});
    check_item("a MultiPolygon called Polygon", &geometry(nested), Fate::Dropped(Reason::Geometry)).await;
    let texts = json!({"type": "Point", "coordinates": ["1", "2"]});
    check_item("coordinates as texts", &geometry(texts), Fate::Dropped(Reason::Geometry)).await;
    let list = json!({"type": "FeatureCollection", "features": [], "properties": {"totalResults": null}}).to_string();
    check_item("a page among its Items", &list, Fate::Dropped(Reason::NotAFeature)).await;
    check_item("an id that is a number", &changed(|item| item["id"] = 7.into()), Fate::Dropped(Reason::NoId)).await;
}

#[tokio::test]
async fn collections_that_no_schema_admits_are_listed_repaired_or_put_aside() {
    let with_box = |numbers: Value| {
        let mut document = collection("odd");
        document["extent"]["spatial"]["bbox"] = json!([numbers]);
        document
    };
    let boxes = [
        ("fill value", json!([-180, -90, 179.9, 9.969_209_968_386_869e36])),
        ("reversed latitudes", json!([-180.0, 85.0, 180.0, -56.0])),
        ("0 to 360", json!([0, -89, 360, 89])),
        ("metres", json!([732_701, 3_720_189, 748_901, 3_744_039])),
    ];
    for (name, numbers) in boxes {
        check_collection(name, &with_box(numbers), Listing::Doubtful).await;
    }
    let mut zoneless = collection("odd");
    zoneless["extent"]["temporal"]["interval"] = json!([["2000-02-20T00:00:00", "2030-02-20T00:00:00"]]);
    check_collection("times without zone", &zoneless, Listing::Repaired("RFC 3339")).await;
    let mut number = collection("odd");
    number["title"] = 1.into();
    check_collection("a number for a title", &number, Listing::Quarantined("`title` is not a text")).await;
    let mut text = collection("odd");
    text["extent"] = "{\"spatial\": {\"bbox\": [[]]}}".into();
    check_collection("a text for an extent", &text, Listing::Quarantined("`extent` is not an object")).await;
}

/// Of a real Item, by the number that its file begins with.
fn fate(number: u32) -> Fate {
    match number {
        1 | 5 => Fate::PassedAndFoundIn("178,68.5,179.5,69.5"),
        2..=4 => Fate::PassedAndFoundIn("178,69,179.5,71.2"),
        7..=9 | 16..=23 => Fate::Passed,
        11..=15 => Fate::PassedAndFoundIn("-20,-10,-10,10"),
        34..=38 | 42 => Fate::Nameless,
        43 => Fate::Dropped(Reason::Geometry),
        44 | 45 => Fate::Dropped(Reason::NotAFeature),
        other => panic!("{other:03}: what becomes of it is not written down"),
    }
}

/// Of a real Collection, likewise.
fn listing(number: u32) -> Listing {
    match number {
        6 | 29..=33 | 39..=41 => Listing::Doubtful,
        10 => Listing::Quarantined("`title` is not a text"),
        24..=28 => Listing::Repaired("RFC 3339"),
        other => panic!("{other:03}: what becomes of it is not written down"),
    }
}

#[tokio::test]
async fn each_real_document_has_its_outcome() {
    let Some(folder) = folder("malformed documents of real catalogues") else { return };
    let entries = std::fs::read_dir(folder.join("malformed")).unwrap();
    let mut count = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(number) = name.get(..3).and_then(|digits| digits.parse().ok()) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        if value["type"] == "Collection" {
            check_collection(&name, &value, listing(number)).await;
        } else {
            check_item(&name, text.trim(), fate(number)).await;
        }
        count += 1;
    }
    assert_eq!(count, 45);
}

#[tokio::test]
async fn real_collections_with_texts_for_extents_are_put_aside_one_by_one() {
    let Some(folder) = folder("Collections with texts for extents") else { return };
    let lines = std::fs::read_to_string(folder.join("malformed/wekeo-collections.ndjson")).unwrap();
    let mut all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = all.len();
    all.insert(count / 2, collection("good"));
    let member = ScriptedMember::new("A").collections(all).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let listed = front.get("/collections").await;
    assert_eq!(listed.json()["collections"].as_array().unwrap().len(), 1, "{}", listed.text);
    let known = front.get("/federation/members/A").await.json()["collections"].clone();
    let aside = known["quarantined"].as_array().unwrap();
    assert_eq!(aside.len(), count);
    assert!(aside.iter().all(|one| one["reason"].as_str().is_some_and(|reason| reason.contains('`'))), "{known}");
}

#[tokio::test]
async fn all_real_documents_together_do_not_break_a_page() {
    let Some(folder) = folder("malformed documents of real catalogues, together") else { return };
    let mut documents: Vec<String> = items("c", 40).iter().map(Value::to_string).collect();
    let entries = std::fs::read_dir(folder.join("malformed")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let text = std::fs::read_to_string(path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        documents.extend(value["features"].as_array().into_iter().flatten().map(Value::to_string));
        documents.insert(documents.len() / 2, text);
    }
    for script in [ScriptedMember::new("A"), ScriptedMember::new("A").no_sort()] {
        let member = script.documents(documents.clone()).collections(vec![collection("c")]).start().await;
        let front = Front::of(federation_of([member.declared()])).await;
        for query in ["limit=1000", "limit=7", "limit=1000&bbox=-10,-10,60,60", "limit=50&sortby=-datetime"] {
            let pages = front.walk_get(&format!("/search?{query}")).await;
            let got = crate::support::front::names(&pages);
            assert_eq!(got.iter().filter(|name| name.starts_with("A|c c-")).count(), 40, "{query}");
            for page in &pages {
                let body = page.json();
                assert!(body["features"].as_array().unwrap().iter().all(|item| item["type"] == "Feature"));
            }
        }
    }
}
