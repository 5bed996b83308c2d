//! What is done to an Item on its way out: a test for each row of the table in `docs/members.md`, and a seeded property.

use bytes::Bytes;
use serde_json::{Value, json};
use stac_broker::members::item::Item;
use stac_broker::members::rewrite::{ItemRewrite, write_item};

const BASES: &[&str] = &["https://member.example/stac", "http://internal:8080/stac"];

fn rewritten(text: &str) -> (String, u32) {
    let item = Item::new(Bytes::from(text.to_owned())).unwrap();
    let rewrite = ItemRewrite {
        collection: "A|c",
        self_href: "https://broker.example/collections/A%7Cc/items/i",
        collection_href: "https://broker.example/collections/A%7Cc",
        root_href: "https://broker.example",
        member_bases: BASES,
        backends: &["A", "B"],
    };
    let mut out = b"before,".to_vec();
    let dropped = write_item(&item, &rewrite, &mut out);
    let out = String::from_utf8(out).unwrap().split_off(7);
    (out, dropped)
}

fn parsed(text: &str) -> Value {
    let (out, _) = rewritten(text);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn with_links(links: &Value) -> Value {
    parsed(&json!({"type": "Feature", "id": "i", "collection": "c", "links": links, "properties": {}}).to_string())
}

fn href<'a>(item: &'a Value, rel: &str) -> &'a Value {
    item["links"].as_array().unwrap().iter().find(|link| link["rel"] == rel).map_or(&Value::Null, |link| &link["href"])
}

#[test]
fn everything_else_is_kept_byte_for_byte() {
    let text = r#"{ "stac_version":"1.0.0" , "type":"Feature","id":"i","unknown":{"b":1.10,"a":[1E+2,-0.0,12345678901234567890123]},
        "collection":"c","geometry":null,"bbox":[1.0,2.00],"properties":{"federation:backends":["x"],"datetime":"2025-01-01T00:00:00Z","t":"\u00e9\/"},
        "links":[],"assets":{"a":{"href":"https://x.example/a","n":0.10}},"stac_extensions":[]  }"#;
    let (out, dropped) = rewritten(text);
    let links_from = out.find("\"links\":[").unwrap() + 9;
    let links_to = out.find("],\"assets\"").unwrap();
    let without_links = format!("{}{}", &out[..links_from], &out[links_to..]);
    assert_eq!(without_links, text.replacen(r#""c""#, r#""A|c""#, 1).replacen(r#"["x"]"#, r#"["A","B"]"#, 1));
    assert_eq!(dropped, 0);
}

#[test]
fn what_an_item_lacks_is_inserted() {
    for text in [
        r#"{"type":"Feature","id":"i"}"#,
        r#" {"type":"Feature","id":"i","properties":null,"links":null,"collection":null}"#,
        r#"{"type":"Feature","id":"i","properties":{ },"links":{},"assets":null}"#,
        r#"{"type":"Feature","id":"i","properties":{"a":1},"links":7,"assets":[1]}"#,
    ] {
        let item = parsed(text);
        assert_eq!(item["collection"], "A|c", "{text}");
        assert_eq!(item["properties"]["federation:backends"], json!(["A", "B"]), "{text}");
        assert_eq!(item["links"].as_array().unwrap().len(), 5, "{text}");
    }
}

#[test]
fn structural_links_are_the_brokers() {
    let item = with_links(&json!([
        {"rel": "self", "href": "https://member.example/stac/collections/c/items/i?f=json"}, {"rel": "root", "href": "x"}, {"rel": "PARENT", "href": "x"},
        {"rel": "collection", "href": "x"}, {"rel": "canonical", "href": "https://elsewhere.example"},
    ]));
    assert_eq!(item["links"].as_array().unwrap().len(), 5);
    assert_eq!(href(&item, "self"), "https://broker.example/collections/A%7Cc/items/i");
    assert_eq!(href(&item, "root"), "https://broker.example");
    assert_eq!(href(&item, "parent"), "https://broker.example/collections/A%7Cc");
    assert_eq!(href(&item, "collection"), "https://broker.example/collections/A%7Cc");
    assert_eq!(href(&item, "canonical"), "https://member.example/stac/collections/c/items/i?f=json");
}

#[test]
fn links_that_lead_around_in_the_member_are_dropped() {
    let rels = ["next", "prev", "previous", "first", "last", "items", "search", "data", "conformance", "child", "item"];
    let links: Vec<Value> = rels.iter().map(|rel| json!({"rel": rel, "href": "https://member.example/x"})).collect();
    assert_eq!(with_links(&json!(links))["links"].as_array().unwrap().len(), 5);
}

#[test]
fn canonical_is_built_when_self_lies_elsewhere() {
    for own in [
        "https://elsewhere.example/stac/x",
        "./i",
        "https://member.example/stacks/x",
        "https://member.example/stac",
        "https://member.example@evil/stac/x",
        "https://member.example/stac\\..",
        "https://evil.example/https://member.example/stac/",
    ] {
        let item = with_links(&json!([{"rel": "self", "href": own}]));
        assert_eq!(href(&item, "canonical"), "https://member.example/stac/collections/c/items/i", "{own}");
    }
    let item = parsed(r#"{"type":"Feature","id":"a b/é","collection":"urn:c|x","links":[]}"#);
    assert_eq!(href(&item, "canonical"), "https://member.example/stac/collections/urn%3Ac%7Cx/items/a%20b%2F%C3%A9");
    let item = with_links(&json!([{"rel": "self", "href": "http://internal:8080/stac/collections/c/items/i"}]));
    assert_eq!(href(&item, "canonical"), "http://internal:8080/stac/collections/c/items/i");
}

#[test]
fn relative_hrefs_become_absolute() {
    let text = json!({
        "type": "Feature", "id": "i", "collection": "c",
        "links": [{"rel": "self", "href": "https://member.example/stac/collections/c/items/i"}, {"rel": "license", "href": "../../license.txt", "n": 1},
            {"rel": "via", "href": "//other.example/x"}, {"rel": "about", "href": "s3://bucket/x"}],
        "assets": {"data": {"title": "\"href\"", "href": "./i.nc", "n": [1]}, "thumbnail": {"href": "/thumbs/i.png", "roles": ["thumbnail"]},
            "far": {"href": "https://x.example/?sig=a%2Fb", "alternate": {"near": {"href": "i.zarr"}, "s3": {"href": "s3://b/k"}}}},
    });
    let item = parsed(&text.to_string());
    assert_eq!(href(&item, "license"), "https://member.example/stac/collections/license.txt");
    assert_eq!(href(&item, "via"), "https://other.example/x");
    assert_eq!(href(&item, "about"), "s3://bucket/x");
    assert_eq!(
        item["assets"]["data"],
        json!({"title": "\"href\"", "href": "https://member.example/stac/collections/c/items/i.nc", "n": [1]})
    );
    assert_eq!(item["assets"]["thumbnail"]["href"], "https://member.example/thumbs/i.png");
    assert_eq!(item["assets"]["far"]["href"], "https://x.example/?sig=a%2Fb");
    assert_eq!(
        item["assets"]["far"]["alternate"]["near"]["href"],
        "https://member.example/stac/collections/c/items/i.zarr"
    );
}

#[test]
fn dangerous_hrefs_are_dropped_and_counted() {
    let bad =
        ["javascript:alert(1)", "data:text/html,x", " JavaScript:x", "java\tscript:x", "\u{1}data:,x", "vbscript:x"];
    for href in bad {
        let text = json!({"type": "Feature", "id": "i", "links": [{"rel": "about", "href": href}, {"rel": "via", "href": "https://x.example"}],
            "assets": {"a": {"href": href}, "b": {"href": "https://x.example/b", "alternate": {"c": {"href": href}}}, "d": {"href": href}}});
        let (out, dropped) = rewritten(&text.to_string());
        let item: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(dropped, 4, "{href:?}");
        assert_eq!(item["links"].as_array().unwrap().len(), 6);
        assert_eq!(item["assets"], json!({"b": {"href": "https://x.example/b", "alternate": {}}}));
    }
    assert_eq!(rewritten(r#"{"type":"Feature","id":"i","assets":{"a":{"\u0068ref":"java\u0073cript:x"}}}"#).1, 1);
}

#[test]
fn a_lost_null_datetime_is_restored() {
    let times = r#""start_datetime":"2025-01-01T00:00:00Z","end_datetime":"2025-01-02T00:00:00Z""#;
    let item = |properties: &str| parsed(&format!(r#"{{"type":"Feature","id":"i","properties":{{{properties}}}}}"#));
    assert_eq!(item(times)["properties"].as_object().unwrap().get("datetime"), Some(&Value::Null));
    assert_eq!(item(&format!(r#""federation:backends":[],{times}"#))["properties"]["datetime"], Value::Null);
    assert_eq!(item(&format!(r#""datetime":"x",{times}"#))["properties"]["datetime"], "x");
    assert!(
        !item(r#""start_datetime":"2025-01-01T00:00:00Z""#)["properties"].as_object().unwrap().contains_key("datetime")
    );
}

#[test]
fn a_host_in_a_text_is_never_touched() {
    let text = r#"{"type":"Feature","id":"i","properties":{"note":"https://member.example/stac/collections/c","doi":"http://internal:8080/stac"},"x":"https://member.example/stac"}"#;
    let item = parsed(text);
    assert_eq!(item["properties"]["note"], "https://member.example/stac/collections/c");
    assert_eq!(item["x"], "https://member.example/stac");
}

/// xorshift64*: reproducible without a dependency.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1 << 40)),
            3 => json!(-1.5),
            4 => json!("a \"quoted\" \\ text: é😀\n"),
            5 => json!(["href", "./x", "links"][usize::try_from(self.below(3)).unwrap()]),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.below(4))
                .map(|n| (format!("k{n}"), self.value(depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

#[test]
fn untouched_members_are_equal_for_any_item() {
    for seed in 1..=3000 {
        let mut seeded = Seeded(0x9E37_79B9_7F4A_7C15 ^ seed);
        let mut members: Vec<(String, Value)> =
            vec![("type".to_owned(), "Feature".into()), ("id".to_owned(), "i".into())];
        let properties = |seeded: &mut Seeded| {
            let mut map = serde_json::Map::new();
            for name in ["datetime", "federation:backends", "other", "start_datetime", "end_datetime"] {
                if seeded.below(2) == 0 {
                    map.insert(
                        name.to_owned(),
                        if name.ends_with("time") { "2025-01-01T00:00:00Z".into() } else { seeded.value(3) },
                    );
                }
            }
            Value::from(map)
        };
        for name in ["collection", "links", "assets", "bbox", "stac_version", "x", "y"] {
            if seeded.below(3) > 0 {
                members.push((name.to_owned(), seeded.value(4)));
            }
        }
        if seeded.below(4) > 0 {
            members.push(("properties".to_owned(), properties(&mut seeded)));
        }
        for at in (1..members.len()).rev() {
            members.swap(at, usize::try_from(seeded.below(at as u64 + 1)).unwrap());
        }
        let before: serde_json::Map<String, Value> = members.into_iter().collect();
        let pretty = seeded.below(2) == 0;
        let text = if pretty {
            serde_json::to_string_pretty(&before).unwrap()
        } else {
            serde_json::to_string(&before).unwrap()
        };
        let after = parsed(&text);
        assert!(after["links"].as_array().unwrap().len() >= 5, "seed {seed}");
        for (name, value) in &before {
            match name.as_str() {
                "collection" => assert_eq!(after[name], "A|c", "seed {seed}"),
                "links" => {}
                "properties" => {
                    for (name, value) in
                        value.as_object().unwrap().iter().filter(|(name, _)| *name != "federation:backends")
                    {
                        assert_eq!(&after["properties"][name], value, "seed {seed}");
                    }
                    assert_eq!(after["properties"]["federation:backends"], json!(["A", "B"]), "seed {seed}");
                }
                _ => assert_eq!(&after[name], value, "seed {seed}: {name}"),
            }
        }
        assert!(Item::new(serde_json::to_vec(&after).unwrap()).is_ok(), "seed {seed}");
    }
}

/// Documents of real catalogues, where `STAC_BROKER_TEST_DATA` names a folder of them: each Item that is read comes out
/// as an Item with the same id and times.
#[test]
fn real_documents_come_out_whole() {
    let Some(folder) = std::env::var_os("STAC_BROKER_TEST_DATA") else { return };
    let (mut folders, mut count) = (vec![std::path::PathBuf::from(folder)], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "json") {
                let body = Bytes::from(std::fs::read(&entry).unwrap());
                let page =
                    stac_broker::members::item::split_page(&body, &stac_broker::members::item::Bounds::default());
                let items = page.map_or_else(|_| Item::new(body).ok().into_iter().collect(), |page| page.items);
                for item in items {
                    let (out, _) = rewritten(std::str::from_utf8(&item.bytes).unwrap());
                    let back = Item::new(out).unwrap();
                    assert_eq!((&back.id, back.times), (&item.id, item.times), "{}", entry.display());
                    count += 1;
                }
            }
        }
    }
    assert!(count > 0, "no Item was found");
}
