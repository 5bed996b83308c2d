//! Federation files as admins write them: each kind of problem with the text they get, and files that are good.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixture has failed")]

use std::path::{Path, PathBuf};

use stac_broker::federation::{
    AccessLog, Ambiguous, Auth, Callbacks, Loaded, NextPath, Problems, Spread, Support, Unlocated, load, load_text,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/federation").join(name)
}

/// Loads a fixture under its bare name, so that the expected text does not depend on where the repository lies.
fn read(folder: &Path, file: &str) -> Result<Loaded, Problems> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    load_text(file, &text, folder)
}

fn example() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("federation.toml")).unwrap()
}

/// To accept new texts after reading them: `UPDATE_EXPECTED=1 cargo test --test it federation`.
#[test]
fn every_kind_of_problem_has_its_text() {
    let folder = folder("bad");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let problems =
            read(&folder, path.file_name().unwrap().to_str().unwrap()).expect_err(&path.display().to_string());
        assert!(problems.has_errors());
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, problems.to_text()).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap();
        assert_eq!(problems.to_text(), expected, "{}", path.display());
    }
    assert!(seen >= 18, "only {seen} fixtures were found");
}

#[test]
fn the_example_is_good_and_warns_only_of_the_missing_key() {
    let loaded =
        load_text("federation.toml", &example(), Path::new("")).map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(loaded.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["no-cursor-key"]);
    assert_eq!(loaded.federation.members.len(), 6);
}

#[test]
fn every_default_in_the_example_is_the_code_s_default() {
    let plain = example();
    let is_default = |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    let shown = plain.lines().filter(is_default).count();
    assert!(shown >= 30, "only {shown} defaults are shown");
    let written: Vec<_> = plain.lines().map(|line| if is_default(&line) { &line[1..] } else { line }).collect();
    let plain = load_text("federation.toml", &plain, Path::new("")).unwrap().federation;
    let written = load_text("federation.toml", &written.join("\n"), Path::new(""))
        .map_err(|problems| problems.to_text())
        .unwrap();
    assert_eq!(format!("{plain:#?}"), format!("{:#?}", written.federation));
}

#[test]
fn a_file_with_every_key() {
    let loaded = read(&folder("good"), "all-keys.toml").map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(loaded.report().to_text(), "");
    let federation = loaded.federation;
    assert_eq!(federation.public_url.as_ref().unwrap().as_str(), "https://stac.example.org/v1");
    assert_eq!((federation.delimiter, federation.processes), ('~', 3));
    assert_eq!(federation.limits.buffered_bytes_max, 0x0100_0000);
    assert_eq!(federation.cursor.keys.len(), 1);
    let telemetry = &federation.telemetry;
    assert_eq!(telemetry.access_log, AccessLog::File(folder("good").join("access.log")));
    assert_eq!((telemetry.otlp_url.as_ref().unwrap().as_str(), telemetry.otlp_percent), ("http://127.0.0.1:4318/", 5));
    let member = federation.member("OLD").unwrap();
    assert_eq!(member.id.as_str(), "EODC");
    assert_eq!(member.request.next_path, NextPath::Follow);
    let can = &member.capabilities;
    assert_eq!((can.filter, can.query), (Some(Support::Inexact), Some(Support::Unsupported)));
    assert_eq!(can.filter_lang.as_deref(), Some(&["cql2-text".to_string(), "cql2-json".to_string()][..]));
    assert_eq!(member.request.headers, [("x-client".to_string(), "stac-broker".to_string())]);
    assert!(
        matches!(&member.auth, Auth::Header { name, value } if name == "x-api-key" && value.expose() == "test-only")
    );
    assert!(member.policy.sees("abc") && !member.policy.sees("a-demo-b") && !member.policy.sees("c"));
    assert_eq!(member.policy.retention.len(), 2);
    assert_eq!(member.policy.retention[0].focus.as_ref().unwrap().boxes.len(), 3);
    assert_eq!(member.policy.retention[1].until.unwrap().to_rfc3339(), "2023-12-31T23:00:00+00:00");
    assert!(!format!("{member:?}").contains("test-only"));
    let processes = member.processes.as_ref().unwrap();
    assert_eq!(processes.url.as_str(), "http://10.0.0.1:5000/oapi");
    assert_eq!(processes.data_prefixes, ["s3://bucket/part", "https://data.example.org/"]);
    assert_eq!((processes.sync.as_secs(), processes.r#async.as_secs()), (60, 10));
    assert!(processes.prefer_return && processes.job_list && processes.callbacks == Callbacks::Refuse);
    let routing = &federation.routing;
    assert_eq!((routing.unlocated, routing.spread), (Unlocated::Preferred, Spread::Majority));
    assert!(routing.probe && routing.ambiguous == Ambiguous::Reject);
    assert_eq!(routing.public_id(&member.id, "subset"), "cut");
    assert_eq!(routing.public_id(&member.id, "other"), "other");
}

#[test]
fn a_member_passes_tokens_on_to_executions_only() {
    let file = |more: &str| {
        format!(
            "[federation]\nid = \"f\"\n[cursor]\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n[member.auth]\nmode = \"forward\"\n{more}"
        )
    };
    let good =
        load_text("f.toml", &file("[member.processes]\nurl = \"https://p.example/ogc/\""), Path::new("")).unwrap();
    let member = good.federation.member("A").unwrap();
    assert!(matches!(member.auth, Auth::Forward));
    assert_eq!(member.processes.as_ref().unwrap().sync.as_secs(), 300);
    for (more, code) in
        [("", "contradicting-keys"), ("[member.processes]\nurl = \"http://p.example\"", "credentials-without-tls")]
    {
        let problems = load_text("f.toml", &file(more), Path::new("")).unwrap_err();
        assert!(problems.list.iter().any(|problem| problem.code == code), "{}", problems.to_text());
    }
}

#[test]
fn problems_as_json_have_place_code_and_hint() {
    let problems = read(&folder("bad"), "durations.toml").unwrap_err();
    let list: serde_json::Value = serde_json::from_str(&problems.to_json()).unwrap();
    assert_eq!(list[0]["file"], "durations.toml");
    assert_eq!(list[0]["code"], "no-cursor-key");
    assert_eq!(list[0]["line"], serde_json::Value::Null);
    assert_eq!(list[1]["code"], "bad-duration");
    assert_eq!(list[1]["severity"], "error");
    assert_eq!(list[1]["hint"], "write `keep = \"P90D\"`");
    assert!(list[1]["line"].is_u64() && list[1]["column"] == 8);
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let problems = load(&folder("no-such-file.toml")).unwrap_err();
    assert_eq!(problems.list[0].code, "unreadable-file");
}

#[test]
fn secrets_are_never_repeated() {
    for file in ["secrets.toml", "secrets-of-wrong-type.toml", "addresses.toml"] {
        let problems = read(&folder("bad"), file).unwrap_err();
        assert!(problems.list.iter().any(|problem| problem.code == "literal-secret"));
        let text = problems.to_text() + &problems.to_json();
        for secret in ["hunter2", "c2VjcmV0", "4711"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_file_cut_off_or_damaged_anywhere_is_read_without_panic() {
    let folder = folder("good");
    let text = std::fs::read_to_string(folder.join("all-keys.toml")).unwrap();
    for at in (0..text.len()).step_by(7) {
        for filler in ["", "[", "\"", "é=", "999999999999999999999"] {
            let damaged = format!("{}{filler}{}", &text[..at], &text[at + 1..]);
            for text in [&text[..at], &damaged] {
                if let Err(problems) = load_text("f.toml", text, &folder) {
                    assert!(!problems.to_text().is_empty() && problems.has_errors());
                }
            }
        }
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(load_text("f.toml", &deep, &folder).is_err());
}
