//! Collection Search against a naive reading of the same documents: what matches, in which order, page by page.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;
use crate::collections::{Ids, MemberView};
use crate::federation::{Bbox, Federation, load_text};
use crate::members::Listing;

/// A page of a search that nobody stops.
fn page(view: &View, query: &Query, after: Option<&Position>, limit: usize) -> Found {
    search(view, query, after, limit, || true).unwrap()
}

/// Histories of the model test.
const SEEDS: u64 = 300;

/// A small generator whose numbers are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

fn federation() -> Federation {
    let text = r#"
        [federation]
        id = "test"
        [[member]]
        id = "B"
        url = "https://b.example"
        [[member]]
        id = "A"
        url = "https://a.example"
        [[member]]
        id = "C"
        url = "https://c.example"
    "#;
    load_text("test.toml", text, Path::new(".")).unwrap().federation
}

const WORDS: [&str; 6] = ["Sea", "sea ice", "ICE", "temperature", "Ozone", "sea-level"];
const TIMES: [&str; 4] =
    ["2015-01-01T00:00:00Z", "2018-06-01T12:00:00Z", "2020-01-01T00:00:00Z", "2023-03-03T03:03:03Z"];

/// A Collection with about anything missing that may be missing.
fn document(random: &mut Random, id: &str) -> Value {
    let west = -180 + 40 * i32::try_from(random.below(8)).unwrap();
    // Some cross the antimeridian; some are no boxes.
    let east = if random.below(4) == 0 { west - 300 } else { west + 30 };
    let bbox = match random.below(6) {
        0 => json!([[west, 90, east, -90]]),
        1 => json!([[-180, -90, 180, 90]]),
        _ => json!([[west, -10, if east < -180 { east + 360 } else { east }, 10]]),
    };
    let (from, to) = (random.below(TIMES.len()), random.below(TIMES.len()));
    let interval = match random.below(5) {
        0 => json!([[null, null]]),
        1 => json!([[TIMES[from], null]]),
        2 => json!([[null, TIMES[to]]]),
        _ => json!([[TIMES[from.min(to)], TIMES[from.max(to)]]]),
    };
    let mut document = json!({
        "type": "Collection", "stac_version": "1.0.0", "id": id, "license": "other", "links": [],
        "description": random.pick(&WORDS), "extent": {"spatial": {"bbox": bbox}, "temporal": {"interval": interval}},
    });
    if random.below(3) > 0 {
        document["title"] = json!(random.pick(&WORDS));
    }
    if random.below(3) == 0 {
        document["keywords"] = json!([random.pick(&WORDS), random.pick(&WORDS)]);
    }
    if random.below(2) == 0 {
        document["updated"] = json!(random.pick(&TIMES));
    }
    document
}

/// Every member's documents, in the order of the federation.
type World = Vec<(String, Vec<Value>)>;

fn world(random: &mut Random) -> World {
    let documents = |random: &mut Random| {
        let count = random.below(12);
        (0..count).map(|n| document(random, &format!("c{}", (n * 7) % 12))).collect()
    };
    ["B", "A", "C"].map(|member| (member.to_owned(), documents(random))).into()
}

fn view(federation: &Federation, world: &World) -> View {
    let ids = Ids::new(federation);
    let part = |(member, documents): &(String, Vec<Value>)| {
        let collections = documents.iter().map(|document| Bytes::from(document.to_string())).collect();
        let listing = Listing { collections, complete: true };
        MemberView::of(federation.member(member).unwrap(), &ids, &listing, DateTime::<Utc>::default())
    };
    View { members: world.iter().map(part).collect(), ..View::default() }
}

/// A query, and the same as the oracle takes it.
struct Asked {
    bbox: Option<[f64; 4]>,
    datetime: Option<(Option<&'static str>, Option<&'static str>)>,
    term: Option<&'static str>,
    /// `title = … OR updated >= …`
    filter: Option<(&'static str, &'static str)>,
    sortby: Vec<SortBy>,
}

impl Asked {
    fn any(random: &mut Random) -> Self {
        let bboxes = [
            [-170.0, -5.0, -160.0, 5.0],
            [170.0, 0.0, -170.0, 1.0],
            [0.0, 20.0, 10.0, 30.0],
            [-60.0, 10.0, 90.0, 40.0],
        ];
        let times = [
            (Some(TIMES[0]), Some(TIMES[1])),
            (Some(TIMES[3]), None),
            (None, Some(TIMES[0])),
            (Some(TIMES[2]), Some(TIMES[2])),
        ];
        let mut sortby = Vec::new();
        for field in SORTABLES {
            if random.below(4) == 0 {
                sortby.push(SortBy { field, descending: random.below(2) == 0 });
            }
        }
        Self {
            bbox: (random.below(2) == 0).then(|| *random.pick(&bboxes)),
            datetime: (random.below(2) == 0).then(|| *random.pick(&times)),
            term: (random.below(2) == 0).then(|| *random.pick(&["sea", "ice", "sea ice", "te", "ozone"])),
            filter: (random.below(3) == 0).then(|| (*random.pick(&WORDS), *random.pick(&TIMES))),
            sortby,
        }
    }

    fn query(&self) -> Query {
        let instant = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Query {
            area: self.bbox.map(|numbers| Area::from(Bbox::from_numbers(&numbers).unwrap())),
            datetime: self.datetime.map(|(start, end)| Interval { start: instant(start), end: instant(end) }),
            terms: self.term.and_then(|term| Terms::read(term).unwrap()),
            filter: self.filter.map(|(title, updated)| {
                let text = format!("title = '{title}' OR updated >= TIMESTAMP('{updated}')");
                Arc::new(Expr::from_text(&text).unwrap())
            }),
            sortby: self.sortby.clone(),
        }
    }

    fn selects(&self, document: &Value) -> bool {
        let space = self.bbox.is_none_or(|asked| {
            let numbers: Vec<f64> = document["extent"]["spatial"]["bbox"][0]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_f64().unwrap())
                .collect();
            let reversed = numbers[1] > numbers[3];
            let north_south = asked[1] <= numbers[3] && numbers[1] <= asked[3];
            reversed
                || (north_south
                    && turns(asked[0], asked[2])
                        .iter()
                        .any(|a| turns(numbers[0], numbers[2]).iter().any(|b| a.0 <= b.1 && b.0 <= a.1)))
        });
        let interval = &document["extent"]["temporal"]["interval"][0];
        // Texts of the same form and zone compare as the times they are.
        let time = self.datetime.is_none_or(|(start, end)| {
            start.is_none_or(|start| interval[1].as_str().is_none_or(|end| start <= end))
                && end.is_none_or(|end| interval[0].as_str().is_none_or(|start| start <= end))
        });
        let texts = [&document["title"], &document["description"], &document["keywords"][0], &document["keywords"][1]];
        let words = |text: &str| text.to_lowercase().replace(['-', '|'], " ");
        let text = self.term.is_none_or(|term| {
            texts
                .iter()
                .filter_map(|text| text.as_str())
                .any(|text| format!(" {}", words(text)).contains(&format!(" {term}")))
        });
        let filter = self.filter.is_none_or(|(title, updated)| {
            document["title"] == title || document["updated"].as_str().is_some_and(|at| at >= updated)
        });
        space && time && text && filter
    }
}

/// Longitudes as ranges that do not cross the antimeridian; its two names are one place.
fn turns(west: f64, east: f64) -> Vec<(f64, f64)> {
    let cut = if west <= east { vec![(west, east)] } else { vec![(west, 180.0), (-180.0, east)] };
    let mut all = cut.clone();
    if cut.iter().any(|range| range.1 >= 180.0) {
        all.push((-180.0, -180.0));
    }
    if cut.iter().any(|range| range.0 <= -180.0) {
        all.push((180.0, 180.0));
    }
    all
}

fn key(document: &Value, id: &str, field: &str) -> Option<String> {
    let value = match field {
        "id" => Some(id),
        "datetime" => document["extent"]["temporal"]["interval"][0][0].as_str(),
        other => document[other].as_str(),
    };
    value.map(str::to_lowercase)
}

/// Ids that match, in order, by brute force.
fn expected(world: &World, asked: &Asked) -> Vec<String> {
    let mut found = Vec::new();
    for (member, documents) in world {
        let mut own: Vec<&Value> = documents.iter().collect();
        own.sort_by_key(|document| document["id"].as_str().unwrap().to_owned());
        for document in own.into_iter().filter(|document| asked.selects(document)) {
            let id = format!("{member}|{}", document["id"].as_str().unwrap());
            if found.iter().all(|(known, _)| *known != id) {
                found.push((id, document));
            }
        }
    }
    // Stable and from the last key to the first: ties keep the order of the list.
    for by in asked.sortby.iter().rev() {
        found.sort_by(|a, b| match (key(a.1, &a.0, by.field), key(b.1, &b.0, by.field)) {
            (Some(a), Some(b)) => {
                if by.descending {
                    b.cmp(&a)
                } else {
                    a.cmp(&b)
                }
            }
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }
    found.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn pages_put_together_are_what_a_naive_reading_finds() {
    let federation = federation();
    let (mut given, mut pages_seen) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let world = world(&mut random);
        let view = view(&federation, &world);
        let asked = Asked::any(&mut random);
        let (query, expected) = (asked.query(), expected(&world, &asked));
        let limit = 1 + random.below(5);
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let found = page(&view, &query, after.as_ref(), limit);
            assert_eq!(found.matched, expected.len(), "seed {seed}");
            assert!(found.page.len() == limit || found.next.is_none(), "seed {seed}: a short page goes on");
            assert!(!found.page.is_empty() || after.is_none(), "seed {seed}: an empty later page");
            walked.extend(found.page.iter().map(|entry| entry.exposed_id.clone()));
            assert!(walked.len() <= expected.len(), "seed {seed}: the walk does not end");
            pages_seen += 1;
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walked, expected, "seed {seed}, sorted by {:?}", query.sortby);
        given += walked.len();
    }
    assert!(given > 1000 && pages_seen > 500, "only {given} Collections on {pages_seen} pages");
}

#[test]
fn a_walk_goes_on_after_the_view_was_read_again() {
    let federation = federation();
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let before = world(&mut random);
        let mut changed = before.clone();
        // Some Collections go, the one last given among them; others come.
        for (_, documents) in &mut changed {
            documents.retain(|_| random.below(3) > 0);
            documents.push(document(&mut random, "new"));
        }
        let sortby = vec![SortBy { field: "title", descending: seed % 2 == 0 }];
        let query = Query { sortby, ..Query::default() };
        let (old, new) = (view(&federation, &before), view(&federation, &changed));
        let first = page(&old, &query, None, 4);
        let Some(next) = first.next else { continue };
        let rest = page(&new, &query, Some(&next), usize::MAX);
        let all: Vec<_> = first.page.iter().chain(&rest.page).map(|entry| &entry.exposed_id).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "seed {seed}: something is given twice");
        let stayed = |view: &View| -> Vec<String> {
            view.members.iter().flat_map(|member| &member.entries).map(|entry| entry.exposed_id.clone()).collect()
        };
        for id in stayed(&old).iter().filter(|id| stayed(&new).contains(id) && !id.ends_with("new")) {
            assert!(all.contains(&id), "seed {seed}: {id} is lost");
        }
    }
}

#[test]
fn properties_are_found_in_the_document_and_in_its_summaries() {
    use crate::cql2::Subject;
    let mut document = document(&mut Random(3), "c");
    document["title"] = json!("T");
    document["summaries"] = json!({"platform": ["a", "b"], "title": ["no"], "gsd": {"minimum": 1.50}});
    document["extent"] = json!({"spatial": {"bbox": [[170, -10, -170, 10]]},
        "temporal": {"interval": [["2020-01-01T00:00:00Z", null]]}});
    document["sci:doi"] = json!("10.1/x");
    let federation = federation();
    let view = view(&federation, &vec![("A".to_owned(), vec![document])]);
    let entry = &view.members[0].entries[0];
    let json = |name: &str| entry.json(name).map(std::borrow::Cow::into_owned);
    for (name, expected) in [
        ("id", r#""A|c""#),
        ("title", r#""T""#),
        ("platform", r#"["a","b"]"#),
        ("gsd", r#"{"minimum":1.5}"#),
        ("sci:doi", r#""10.1/x""#),
        ("datetime", r#"["2020-01-01T00:00:00Z",null]"#),
        ("start_datetime", r#""2020-01-01T00:00:00Z""#),
        ("end_datetime", "null"),
        ("federation:backends", r#"["A"]"#),
    ] {
        assert_eq!(json(name).as_deref(), Some(expected), "{name}");
    }
    for absent in ["links", "extent", "summaries", "nothing"] {
        assert_eq!(json(absent), None, "{absent}");
    }
    let geometry = entry.geometry("geometry").unwrap().into_owned();
    assert!(
        matches!(&geometry, geo::Geometry::MultiPolygon(parts) if parts.0.len() == 2),
        "both sides of the antimeridian"
    );
    assert!(entry.geometry("bbox").is_none());
}

#[test]
fn a_filter_sees_extents_texts_and_summaries() {
    let federation = federation();
    let with = |id: &str, interval: Value, bbox: Value, platforms: Value| {
        let mut document = document(&mut Random(3), id);
        document["extent"] = json!({"spatial": {"bbox": [bbox]}, "temporal": {"interval": [interval]}});
        document["summaries"] = json!({"platform": platforms});
        document["title"] = json!(format!("Title of {id}"));
        document
    };
    let world = vec![
        (
            "A".to_owned(),
            vec![
                with(
                    "old",
                    json!(["2010-01-01T00:00:00Z", "2015-01-01T00:00:00Z"]),
                    json!([0, 0, 10, 10]),
                    json!(["s1"]),
                ),
                with("going", json!(["2014-01-01T00:00:00Z", null]), json!([170, -10, -170, 10]), json!(["s1", "s2"])),
            ],
        ),
        ("C".to_owned(), vec![with("ever", json!([null, null]), json!([5, 90, 6, -90]), json!([]))]),
    ];
    let view = view(&federation, &world);
    for (filter, expected) in [
        ("id = 'A|old'", &["old"][..]),
        ("title LIKE 'Title%' AND NOT id = 'A|old'", &["going", "ever"]),
        ("T_INTERSECTS(datetime, INTERVAL('2014-06-01', '2014-07-01'))", &["going", "old"]),
        ("T_INTERSECTS(datetime, INTERVAL('2020-01-01', '..'))", &["going"]),
        ("T_BEFORE(datetime, TIMESTAMP('2016-01-01T00:00:00Z'))", &["old"]),
        ("start_datetime < TIMESTAMP('2012-01-01T00:00:00Z')", &["old"]),
        ("end_datetime IS NULL", &["going", "ever"]),
        ("S_INTERSECTS(geometry, BBOX(-175, 0, -174, 1))", &["going"]),
        ("S_INTERSECTS(geometry, POINT(5 5))", &["old"]),
        ("A_CONTAINS(platform, ('s2'))", &["going"]),
        ("A_CONTAINS(\"federation:backends\", ('C'))", &["ever"]),
        ("nothing = 1", &[]),
    ] {
        let filter = Some(Arc::new(Expr::from_text(filter).unwrap_or_else(|wrong| panic!("{filter}: {wrong:?}"))));
        let query = Query { filter: filter.clone(), ..Query::default() };
        let found = page(&view, &query, None, 10).page;
        let found: Vec<_> = found.iter().map(|entry| entry.native_id.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn a_geometry_is_null_only_where_the_spatial_extent_is_missing() {
    let mut with = document(&mut Random(3), "with");
    with["extent"]["spatial"]["bbox"] = json!([[0, 0, 10, 10]]);
    let mut without = document(&mut Random(3), "without");
    without["extent"]["spatial"]["bbox"] = json!([[5, 90, 6, -90]]);
    let view = view(&federation(), &vec![("A".to_owned(), vec![with, without])]);
    let found = |filter: &str| {
        let query = Query { filter: Some(Arc::new(Expr::from_text(filter).unwrap())), ..Query::default() };
        let found = page(&view, &query, None, 10).page;
        found.iter().map(|entry| entry.native_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found("geometry IS NOT NULL"), ["with"]);
    assert_eq!(found("geometry IS NULL"), ["without"]);
}

#[test]
fn a_filter_takes_bare_and_percent_encoded_ids() {
    let federation = federation();
    let document = |id: &str| document(&mut Random(3), id);
    let world = [("A", vec![document("s2"), document("own")]), ("C", vec![document("s2")])];
    let world = world.map(|(member, documents)| (member.to_owned(), documents)).into();
    let view = view(&federation, &world);
    for (filter, expected) in [
        ("id = 'A|s2'", &["A|s2"][..]),
        ("id = 'A%7Cs2'", &["A|s2"]),
        ("'A%7cs2' = id", &["A|s2"]),
        ("id = 's2'", &["A|s2", "C|s2"]),
        ("id <> 's2'", &["A|own"]),
        ("id <> 'A%7Cs2'", &["A|own", "C|s2"]),
        ("id IN ('A|own', 'C%7Cs2')", &["A|own", "C|s2"]),
        ("id IN ('own', 'C|s2', 'x')", &["A|own", "C|s2"]),
        ("NOT id IN ('s2')", &["A|own"]),
        ("'s2' IN (title, id)", &["A|s2", "C|s2"]),
        ("id LIKE 's%'", &["A|s2", "C|s2"]),
        ("id LIKE 'C|%'", &["C|s2"]),
        ("id >= 'C|a'", &["C|s2"]),
        ("id BETWEEN 'n' AND 'p'", &["A|own"]),
        ("CASEI(id) = CASEI('S2')", &["A|s2", "C|s2"]),
        ("CASEI(id) = CASEI('c|S2')", &["C|s2"]),
        ("CASEI(id) <> CASEI('S2')", &["A|own"]),
        ("CASEI(id) IN (CASEI('OWN'), CASEI('c|s2'))", &["A|own", "C|s2"]),
        ("id IS NULL", &[]),
    ] {
        let read = Expr::from_text(filter).unwrap_or_else(|wrong| panic!("{filter}: {wrong:?}"));
        let read = of_either_name(&read, &Ids::new(&federation));
        let found = page(&view, &Query { filter: Some(Arc::new(read)), ..Query::default() }, None, 10).page;
        let found: Vec<_> = found.iter().map(|entry| entry.exposed_id.as_str()).collect();
        assert_eq!(found, expected, "{filter}");
    }
}

/// As the queryables and the page on the API tell.
#[test]
fn members_that_are_no_properties_are_null_though_the_document_has_them() {
    let mut document = document(&mut Random(3), "c");
    let names = ["type", "links", "assets", "item_assets", "extent", "summaries", "providers"];
    for name in ["assets", "item_assets", "summaries"] {
        document[name] = json!({"x": {}});
    }
    document["providers"] = json!([{"name": "P"}]);
    let view = view(&federation(), &vec![("A".to_owned(), vec![document])]);
    for name in names {
        let filter = Expr::from_text(&format!("{name} IS NULL")).unwrap();
        let query = Query { filter: Some(Arc::new(filter)), ..Query::default() };
        assert_eq!(page(&view, &query, None, 10).matched, 1, "{name}");
    }
    let filter = Expr::from_text("stac_version IS NOT NULL").unwrap();
    let query = Query { filter: Some(Arc::new(filter)), ..Query::default() };
    assert_eq!(page(&view, &query, None, 10).matched, 1);
}

#[test]
fn five_thousand_collections_take_a_few_milliseconds() {
    let federation = federation();
    let mut random = Random(1);
    let documents = (0..5_000).map(|n| document(&mut random, &format!("c{n:04}"))).collect();
    let view = view(&federation, &vec![("A".to_owned(), documents)]);
    let sortby = vec![SortBy { field: "title", descending: true }];
    let query = Query { terms: Terms::read("temperature,ozone").unwrap(), sortby, ..Query::default() };
    let began = std::time::Instant::now();
    let found = page(&view, &query, None, 100);
    // Without optimisation on a busy machine; a release build takes a hundredth.
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(found.matched > 1000 && found.page.len() == 100);
}

#[test]
fn a_search_stops_when_it_is_told_to() {
    let view = view(&federation(), &world(&mut Random(5)));
    let asked = std::cell::Cell::new(0);
    let twice = || {
        asked.set(asked.get() + 1);
        asked.get() <= 2
    };
    assert!(matches!(search(&view, &Query::default(), None, 10, twice), Err(Stopped)));
    assert_eq!(asked.get(), 3);
}
