//! Who may know whom: the table of `docs/ARCHITECTURE.md`, held against the `use crate::` lines of every room.

use std::collections::BTreeSet;

use crate::house::{Source, sources};

/// Each room with the rooms it may name. What is not here is a design change.
const MAY_KNOW: [(&str, &[&str]); 16] = [
    ("main", &["cli"]),
    ("lib", &[]),
    (
        "cli",
        &[
            "http",
            "demo",
            "broker",
            "search",
            "collections",
            "processes",
            "onboarding",
            "members",
            "federation",
            "cql2",
            "error",
            "telemetry",
        ],
    ),
    (
        "http",
        &[
            "search",
            "collections",
            "processes",
            "onboarding",
            "broker",
            "members",
            "federation",
            "cql2",
            "error",
            "telemetry",
        ],
    ),
    ("demo", &["federation", "telemetry"]),
    ("search", &["broker", "members", "collections", "federation", "cql2", "telemetry"]),
    ("processes", &["broker", "members", "collections", "federation", "cache", "telemetry"]),
    ("collections", &["members", "federation", "cql2", "cache", "telemetry"]),
    ("onboarding", &["members", "collections", "federation", "cql2"]),
    ("broker", &["federation", "members", "collections", "telemetry"]),
    ("members", &["federation", "cql2", "cache", "telemetry"]),
    ("federation", &[]),
    ("cql2", &[]),
    ("telemetry", &[]),
    ("cache", &["telemetry"]),
    // compiled for tests only
    ("simulator", &["broker", "search", "members", "federation", "cql2"]),
];

/// The room of a file: the folder below `src`, or the file's own name at its top.
fn room(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

/// The rooms that a text names through `crate::`, in `use` lines and in paths; comments do not count.
fn named(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `some_crate::` are not ours.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            rooms.extend(heads(group));
        } else {
            rooms.insert(word(rest));
        }
    }
    rooms.remove("");
    rooms
}

/// The first words of a group `a::b, c::{d, e}}`, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0_i32, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && (c.is_alphabetic() || c == '_') => {
                heads.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn arrows(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Source { path, text } in files.iter().filter(|file| file.path.starts_with("src/")) {
        let from = room(path);
        let Some((_, may)) = MAY_KNOW.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!("{path}: room `{from}` is not in the table"));
            continue;
        };
        let unknown = named(text).into_iter().filter(|to| to != from && !may.contains(&to.as_str()));
        wrong.extend(unknown.map(|to| format!("{path}: `{from}` may not know `{to}`")));
    }
    wrong
}

#[test]
fn rooms_know_only_whom_they_may() {
    let wrong = arrows(&sources());
    assert!(wrong.is_empty(), "arrows that are not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn federation_alone_knows_toml_and_members_alone_connect() {
    // A crate, and the places that may name it. Tests are clients of what they test.
    let only = [("toml::", &["src/federation/"][..]), ("reqwest::", &["src/members/"]), ("moka::", &["src/cache.rs"])];
    for file in sources().iter().filter(|file| file.path.starts_with("src/") && !file.path.contains("tests")) {
        for (name, places) in only {
            let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let uses = code.filter(|line| line.contains(name)).count();
            assert!(
                uses == 0 || places.iter().any(|place| file.path.starts_with(place)),
                "{} names `{name}`, which only {places:?} may",
                file.path
            );
        }
    }
}

/// Files of `processes` in which a member is chosen, and in which ids, addresses and documents are read and written.
const CHOICE: [&str; 16] = [
    "address",
    "facts",
    "filter",
    "holders",
    "ids",
    "merge",
    "references",
    "refusal",
    "route",
    "answers",
    "job",
    "multipart",
    "prefer",
    "rewrite",
    "splice",
    "trouble",
];

/// Files of `members/guard` that decide; time comes in as an argument.
const GUARD: [&str; 6] = ["breaker", "judge", "limiter", "pace", "retry", "seconds"];

/// Files of `search` and `federation` that may wait, read a clock or a file.
const IMPURE: [&str; 6] = [
    "src/search/mod.rs",
    "src/search/legs.rs",
    "src/search/one.rs",
    "src/federation/mod.rs",
    "src/federation/file.rs",
    "src/federation/validate",
];

#[test]
fn the_stages_of_a_search_and_the_policy_are_pure() {
    let impure = [".await", "async fn", "async move", "::now()", "std::fs", "tokio::", "std::env"];
    let pure = |file: &&Source| {
        let choice = CHOICE.iter().any(|name| file.path == format!("src/processes/{name}.rs"));
        let view = file.path.starts_with("src/collections/search/") && !file.path.ends_with("tests.rs");
        let guard = GUARD.iter().any(|name| file.path == format!("src/members/guard/{name}.rs"));
        let inside =
            choice || view || guard || file.path.starts_with("src/search/") || file.path.starts_with("src/federation/");
        inside && !IMPURE.iter().any(|place| file.path.starts_with(place))
    };
    let mut checked = 0;
    for file in sources().iter().filter(pure).filter(|file| !file.path.starts_with("src/search/model/")) {
        checked += 1;
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        // The type of a time is not the clock.
        let lines = code.lines().filter(|line| *line != "use tokio::time::Instant;");
        for line in lines.filter(|line| !line.trim_start().starts_with("//")) {
            let found = impure.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{} is a pure stage: {line}", file.path);
        }
    }
    assert!(checked > 20, "only {checked} files were looked at");
}

#[test]
fn the_test_sees_every_spelling() {
    let text = "use crate::search::plan;\nuse crate::{http::App, cli, members::{Item, item::crate_of}};\n// crate::demo\nfn f() { \
                crate::broker::x(); $crate::y(); other_crate::z(); }";
    let expected = ["broker", "cli", "http", "members", "search"].map(str::to_owned);
    assert_eq!(named(text), BTreeSet::from(expected));
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let wrong = arrows(&[
        file("src/members/x.rs", "use crate::search::plan;"),
        file("src/new/mod.rs", ""),
        file("src/federation/area.rs", "use crate::federation::Bbox;"),
    ]);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
