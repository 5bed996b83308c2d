//! `stac-broker schema`, `completions` and `man`: what editors, shells and readers get, and that it is true of the files.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stac_broker::demo::Demo;
use stac_broker::federation::{Loaded, Problems, load_text};

use crate::binary::{run, stderr, stdout};
use crate::support::json_schema::problems;

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(place(path)).unwrap()
}

async fn printed(args: &[&str]) -> Value {
    let output = run(args).await;
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    serde_json::from_str(stdout(&output)).unwrap()
}

/// A file as an editor hands it to a schema: times without quotes are texts.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, as_json(value))).collect(),
        toml::Value::Array(list) => list.into_iter().map(as_json).collect(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
    }
}

fn document(text: &str) -> Option<Value> {
    Some(as_json(toml::Value::Table(text.parse().ok()?)))
}

#[tokio::test]
async fn good_files_are_good_to_the_schema() {
    let schema = printed(&["schema"]).await;
    let demo = Demo::start().await.unwrap();
    let good = [
        ("federation.toml", read("federation.toml")),
        ("all-keys.toml", read("tests/it/fixtures/federation/good/all-keys.toml")),
        ("doubts.toml", read("tests/it/fixtures/federation/warn/doubts.toml")),
        ("the demo's file", demo.federation_toml.clone()),
    ];
    for (name, text) in good {
        assert_eq!(problems(&schema, &document(&text).unwrap()), [] as [String; 0], "{name}");
    }
    let site = printed(&["schema", "--site"]).await;
    let text = read("tests/it/fixtures/federation/good/members.d/grnet.toml");
    assert_eq!(problems(&site, &document(&text).unwrap()), [] as [String; 0]);
    assert!(!problems(&site, &document(&text.replace("id = ", "ID = ")).unwrap()).is_empty());
    assert!(!problems(&site, &document("[federation]\nid = \"f\"").unwrap()).is_empty());
}

#[tokio::test]
async fn what_is_wrong_by_its_shape_is_wrong_to_the_schema() {
    let schema = printed(&["schema"]).await;
    let folder = place("tests/it/fixtures/federation/bad");
    // A schema sees one value at a time: what keys mean together, and what lies outside the file, is for `check`.
    let shape = ["unknown-key", "wrong-type", "out-of-range", "bad-id"];
    let named = ["missing-keys.toml", "nothing.toml", "words.toml", "secrets.toml", "durations.toml", "processes.toml"];
    let (mut seen, mut fail) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(document) = document(&text) else { continue };
        seen += 1;
        let found = load_text(&name, &text, &folder).map(|loaded: Loaded| loaded.file);
        let Problems { list, .. } = found.unwrap_err();
        // Problems of the files of sites are not this file's.
        let here = |code: &str| list.iter().any(|problem| problem.source == 0 && problem.code == code);
        if shape.iter().any(|code| here(code)) || named.contains(&name.as_str()) {
            fail += 1;
            assert!(!problems(&schema, &document).is_empty(), "{name} is good to the schema");
        }
    }
    assert!(seen >= 25 && fail >= 15, "{seen} files were read, {fail} of them fail");
}

#[tokio::test]
async fn every_command_and_option_is_completed_and_has_a_page() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for word in ["serve", "federation", "probe", "completions"] {
            assert!(stdout(&output).contains(word), "{word} is not completed by {shell}");
        }
    }
    let output = run(&["completions", "cmd"]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    let output = run(&["man"]).await;
    assert_eq!(output.status.code(), Some(0));
    let page = stdout(&output);
    assert!(page.contains(".TH stac-broker 1") && page.contains("Exit status"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["man", "--folder", folder.path().to_str().unwrap()]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""), "{output:?}");
    for name in ["stac-broker.1", "stac-broker-serve.1", "stac-broker-check.1", "stac-broker-man.1"] {
        let page = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page.contains("stac\\-broker"), "{name}: {page}");
    }
    let output = run(&["man", "--folder", "/nowhere/at/all"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write manual pages into `/nowhere/at/all`"), "{}", stderr(&output));
}
