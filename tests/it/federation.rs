//! Federation files as admins write them: each kind of problem with the text they get, and files that are good.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its fixture has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::house::{Source, sources};
use stac_broker::federation::{
    AccessLog, Ambiguous, Auth, CODES, Callbacks, Dialect, Loaded, NextPath, Problems, Spread, Support, Unlocated,
    load, load_text,
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

/// The federation files of a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "toml")).collect();
    names.sort();
    names
}

/// Holds what is said of each file of a folder against the text beside it.
/// To accept new texts after reading them: `UPDATE_EXPECTED=1 cargo test --test it federation`.
fn check_texts(folder: &str, of: fn(Result<Loaded, Problems>) -> Problems) {
    let folder = self::folder(folder);
    for name in files(&folder) {
        let problems = of(read(&folder, &name));
        let expected = folder.join(&name).with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, problems.to_text()).unwrap();
        }
        assert_eq!(problems.to_text(), std::fs::read_to_string(&expected).unwrap(), "{name}");
    }
}

#[test]
fn every_kind_of_problem_has_its_text() {
    check_texts("bad", |loaded| {
        let problems = loaded.map(|loaded| loaded.file).expect_err("this file is bad");
        assert!(problems.has_errors());
        problems
    });
    check_texts("warn", |loaded| loaded.map_err(|problems| problems.to_text()).unwrap().report());
}

/// Codes in the source of the room: the first text in kebab case behind a call that notes a problem.
fn codes_in_the_source() -> BTreeSet<String> {
    const CALLS: [&str; 8] = [
        "add(",
        "warn(",
        "refuse(",
        "blame(",
        "code) = (Severity::",
        "missing_as(",
        "LITERAL_SECRET: &str =",
        "NO_MEMBER: &str =",
    ];
    let kebab = |text: &&str| text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut codes = BTreeSet::new();
    for Source { text, .. } in sources().iter().filter(|file| file.path.starts_with("src/federation/")) {
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for call in CALLS {
            for (at, _) in code.match_indices(call) {
                let quoted =
                    code[at..].split('"').nth(1).filter(|_| !code[at..].split('"').next().unwrap().contains(';'));
                codes.extend(quoted.filter(|text| kebab(text)).map(str::to_owned));
            }
        }
    }
    codes
}

#[test]
fn every_code_of_a_problem_is_listed_documented_and_has_a_fixture() {
    let listed: BTreeSet<String> = CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(listed.len(), CODES.len(), "a code stands twice");
    assert_eq!(codes_in_the_source(), listed, "what the source notes, and what `CODES` lists");
    let mut shown = BTreeSet::new();
    for folder in ["bad", "warn"].map(folder) {
        for name in files(&folder) {
            let list = read(&folder, &name).map_or_else(|problems| problems.list, |loaded| loaded.warnings);
            shown.extend(list.into_iter().map(|problem| problem.code.to_owned()));
        }
    }
    assert_eq!(shown, listed, "what the fixtures show, and what `CODES` lists");
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/federation.md")).unwrap();
    let guide = guide.split("\n## Problems\n").nth(1).unwrap();
    for code in &listed {
        assert!(guide.contains(&format!("`{code}`")), "docs/federation.md does not tell of `{code}`");
    }
}

#[test]
fn what_fixtures_cannot_hold_is_a_problem_too() {
    let problems = load(&folder("nowhere.toml")).unwrap_err();
    assert_eq!(
        problems.lines(),
        [format!("{}: cannot be read: No such file or directory (os error 2)", folder("nowhere.toml").display())]
    );
    let comment = "#".repeat(5 << 20);
    assert_eq!(
        load_text("f.toml", &comment, Path::new("")).unwrap_err().lines(),
        ["f.toml: is larger than 4194304 bytes"]
    );
    let member = |n: usize| format!("[[member]]\nid = \"M{n}\"\nurl = \"https://m{n}.example\"\n");
    let text = "[federation]\nid = \"f\"\n".to_owned() + &(0..300).map(member).collect::<String>();
    let lines = load_text("f.toml", &text, Path::new("")).unwrap_err().lines();
    assert_eq!(lines, ["f.toml:771: there are more than 256 members; at most 256 are read"]);
}

#[test]
fn the_example_is_good_and_warns_only_of_the_missing_key() {
    let loaded =
        load_text("federation.toml", &example(), Path::new("")).map_err(|problems| problems.to_text()).unwrap();
    assert_eq!(loaded.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["no-cursor-key"]);
    assert_eq!(loaded.federation.members.len(), 8);
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
    assert_eq!(
        federation.members.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(),
        ["EODC", "FILES", "RECORDS", "GRNET"]
    );
    assert!(federation.members[3].policy.focus.is_some(), "paths are relative to the file that has them");
    assert_eq!(federation.registry.directory.as_deref(), Some("members.d"));
    let gocdb = federation.registry.gocdb.as_ref().unwrap();
    assert_eq!(gocdb.url.as_str(), "http://goc.intern.example/gocdbpi/public");
    assert_eq!((gocdb.scope.as_str(), gocdb.refresh.as_secs(), gocdb.internal), ("C-SCALE", 600, true));
    assert!(gocdb.allow.matches("GRNET") && !gocdb.allow.matches("EODC") && gocdb.deny.matches("A-TEST"));
    let member = federation.member("OLD").unwrap();
    assert_eq!(member.id.as_str(), "EODC");
    assert_eq!(member.request.next_path, NextPath::Follow);
    assert_eq!(member.request.rate_per_s, Some(5));
    assert_eq!((federation.limits.client_rate_per_s, federation.limits.check_every_s), (20, 0));
    assert_eq!(member.request.dialect, Dialect::StacServer);
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
