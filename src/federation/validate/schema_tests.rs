//! The JSON Schema says what the readers do: the same keys, the same words, the same bounds, the same defaults.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::super::SCHEMA;
use super::super::file::Notes;
use super::*;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The schema that a `$ref` leads to, with what stands beside it.
fn resolved(root: &Value, mut schema: Value) -> Value {
    while let Some(Value::String(place)) = schema.as_object_mut().unwrap().remove("$ref") {
        let target = root.pointer(place.strip_prefix('#').unwrap()).unwrap();
        for (key, value) in target.as_object().unwrap() {
            schema.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
        }
    }
    schema
}

/// Each key of the schema with its path from the root on, lists passed through, and what is said of it.
fn keys(root: &Value, schema: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let inner = resolved(root, inner.clone());
        let place = format!("{path}{key}");
        let below = if inner["items"].is_object() { resolved(root, inner["items"].clone()) } else { inner.clone() };
        keys(root, &below, &format!("{place}."), out);
        out.push((place, inner));
    }
}

fn all_keys() -> Vec<(String, Value)> {
    let (root, mut out) = (schema(), Vec::new());
    keys(&root, &root, "", &mut out);
    out
}

/// What the readers ask for, over all files of the tests together.
fn asked() -> BTreeSet<String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/federation");
    let mut asked = BTreeSet::new();
    for folder in ["good", "bad", "warn"].map(|name| fixtures.join(name)) {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let notes = Notes::new("f.toml", &text, &folder);
            parse(&notes, &mut Found::default());
            asked.extend(notes.asked.borrow().iter().cloned());
        }
    }
    asked
}

#[test]
fn every_key_that_is_read_is_in_the_schema_and_the_reverse() {
    let listed: BTreeSet<String> = all_keys().into_iter().map(|(key, _)| key).collect();
    let asked = asked();
    let missing: Vec<_> = asked.difference(&listed).collect();
    assert!(missing.is_empty(), "read, but not in src/federation/schema.json: {missing:?}");
    let dead: Vec<_> = listed.difference(&asked).collect();
    assert!(dead.is_empty(), "in src/federation/schema.json, but read in no file of the tests: {dead:?}");
}

#[test]
fn every_key_of_the_schema_is_described() {
    for (key, said) in all_keys() {
        let text = said["description"].as_str().unwrap_or_default();
        assert!(text.len() > 7 && text.ends_with('.'), "{key}: {text}");
    }
}

/// Files in which each key is read: one with every table, and one for each kind that has keys of its own.
fn base(key: &str) -> toml::Table {
    let kind = match key {
        "member.crawl.records_as" | "member.crawl.records_collection" => "csw",
        _ if key.starts_with("member.crawl.") => "static-stac",
        _ => "",
    };
    let text = if kind.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/federation/good/all-keys.toml");
        std::fs::read_to_string(path).unwrap()
    } else {
        format!(
            "[federation]\nid = \"f\"\n[[member]]\nid = \"A\"\nkind = \"{kind}\"\nurl = \"https://a.example\"\n[member.crawl]\n"
        )
    };
    text.parse().unwrap()
}

/// Puts a value at a path, into the first table of each list.
fn put(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| toml::Table::new().into());
            let inner = if let toml::Value::Array(list) = inner { &mut list[0] } else { inner };
            put(inner.as_table_mut().unwrap(), rest, value);
        }
    }
}

/// Whether the reader of this key refuses the value for what it is.
fn refuses(key: &str, value: &toml::Value) -> bool {
    let mut table = base(key);
    put(&mut table, key, value.clone());
    let text = table.to_string();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/federation/good");
    let own = key.rsplit('.').next().unwrap();
    let list = load_text("f.toml", &text, &folder).map_or_else(|problems| problems.list, |loaded| loaded.warnings);
    let codes = [
        "bad-value",
        "bad-glob",
        "out-of-range",
        "wrong-type",
        "not-in-this-release",
        "literal-secret",
        "bad-id",
        "bad-duration",
    ];
    list.iter().any(|problem| codes.contains(&problem.code) && problem.sentence.contains(own))
}

#[test]
fn words_and_bounds_of_the_schema_are_those_of_the_readers() {
    let (mut words, mut numbers) = (0, 0);
    for (key, said) in all_keys() {
        let list = said["type"] == "array";
        let said = if list { resolved(&schema(), said["items"].clone()) } else { said };
        let wrap = |value: toml::Value| if list { toml::Value::Array(vec![value]) } else { value };
        if let Some(accepted) = said["enum"].as_array() {
            words += 1;
            for word in accepted {
                let word = word.as_str().unwrap();
                assert!(!refuses(&key, &wrap(word.into())), "{key} = {word}");
            }
            assert!(refuses(&key, &wrap("zzz".into())), "{key} takes any word");
        }
        if said["type"] == "integer" {
            numbers += 1;
            let (low, high) = (said["minimum"].as_i64().unwrap(), said["maximum"].as_i64().unwrap());
            for (value, wrong) in [(low, false), (high, false), (low - 1, true), (high + 1, true)] {
                assert_eq!(refuses(&key, &value.into()), wrong, "{key} = {value}");
            }
        }
    }
    assert!(words >= 15 && numbers >= 25, "only {words} words and {numbers} numbers were tried");
}

#[test]
fn types_of_the_schema_are_those_of_the_readers() {
    for (key, said) in all_keys() {
        // None of these is a table, a list and a text at once.
        let wrong: toml::Value = if said["type"] == "boolean" { "yes".into() } else { true.into() };
        assert!(refuses(&key, &wrong), "{key} = {wrong}");
    }
}

#[test]
fn defaults_of_the_schema_are_those_of_the_readers() {
    let bare = "[federation]\nid = \"f\"\n[registry]\ngocdb = { url = \"https://g.example\", scope = \"S\" }\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n[member.processes]\nurl = \"https://a.example/p\"\n[[member.policy.retention]]\nkeep = \"P1D\"\n[[collection]]\nid = \"s\"\nholders = [\"A|c\"]\n";
    let mut written: toml::Table = bare.parse().unwrap();
    let mut tried = 0;
    for (key, said) in all_keys() {
        let Some(default) = said.get("default") else { continue };
        // Keys of other kinds of member: their defaults are held against `Crawl::default` below.
        if key.starts_with("member.crawl.") {
            continue;
        }
        tried += 1;
        put(&mut written, &key, toml::Value::try_from(default).unwrap());
    }
    assert!(tried > 45, "only {tried} defaults were tried");
    let load = |text: &str| load_text("f.toml", text, Path::new("")).map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(format!("{:#?}", load(bare).federation), format!("{:#?}", load(&written.to_string()).federation));
}

#[test]
fn defaults_of_a_crawl_are_those_of_the_schema() {
    let crawl = super::super::harvest::Crawl::default();
    let said =
        |key: &str| schema().pointer(&format!("/$defs/member/properties/crawl/properties/{key}/default")).cloned();
    let number = |value: u64| Some(Value::from(value));
    assert_eq!(said("every_s"), number(crawl.every.as_secs()));
    assert_eq!(said("time_s"), number(crawl.time.as_secs()));
    assert_eq!(said("documents_max"), number(crawl.documents_max as u64));
    assert_eq!(said("depth_max"), number(crawl.depth_max.into()));
    assert_eq!(said("document_bytes_max"), number(crawl.document_bytes_max as u64));
    assert_eq!(said("bytes_max"), number(crawl.bytes_max as u64));
    assert_eq!(said("requests_max"), number(crawl.requests_max as u64));
}
