//! What no file of the repository may contain.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be read is a failed test")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the repository spells them in lower case")]

use std::fs;
use std::path::Path;

/// A text file of the repository, its path with `/` and relative to the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Folders that hold what people write; build output is not among them.
const FOLDERS: [&str; 6] = ["src", "tests", "benches", "docs", "examples", ".ci"];
/// Deepest folder below those.
const DEPTH_MAX: usize = 8;

/// Every text file people write, those at the top included.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, root, 0, &mut found);
    for folder in FOLDERS {
        collect(root, &root.join(folder), DEPTH_MAX, &mut found);
    }
    assert!(found.iter().any(|file| file.path == "src/lib.rs") && found.len() > 30, "the repository was not found");
    found
}

/// The files of a folder and, `depth` deep, of those below it.
fn collect(root: &Path, folder: &Path, depth: usize, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if depth > 0 {
                collect(root, &path, depth - 1, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).unwrap();
            let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            found.push(Source { path: parts.join("/"), text });
        }
    }
}

/// Words that appear in no other file.
fn refused() -> Vec<String> {
    let machine = ["home", "Users", "root", "work"].map(|folder| format!("/{folder}/"));
    let registry = ["index", "static"].map(|host| format!("{host}.crates"));
    machine.into_iter().chain(registry).collect()
}

/// The lock file names where Cargo reads from, in Cargo's own words; in a worktree `.git` is a file of git's.
const EXCEPT: [&str; 2] = ["Cargo.lock", ".git"];

#[test]
fn no_file_names_a_machine_or_a_registry_host() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| !EXCEPT.contains(&file.path.as_str())) {
        for word in refused() {
            let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains(&word));
            wrong.extend(lines.map(|(at, _)| format!("{}:{}: `{word}`", file.path, at + 1)));
        }
    }
    assert!(wrong.is_empty(), "not to be in the repository:\n{}", wrong.join("\n"));
}

#[test]
fn no_test_is_ignored() {
    let attribute = format!("#[{}", "ignore");
    let rust = sources().into_iter().filter(|file| file.path.ends_with(".rs"));
    let ignored: Vec<_> = rust.filter(|file| file.text.contains(&attribute)).map(|file| file.path).collect();
    assert!(ignored.is_empty(), "tests are ignored in {ignored:?}: assert today's behaviour and say that it is wrong");
}

/// Files below `src` that are compiled for tests only, whatever they are called: what a failed history prints is its
/// course, for whoever replays it.
const TESTS: [&str; 4] = ["src/search/model/", "src/search/directed", "src/simulator/", "src/members/wire.rs"];

/// Rust below `src`, without the files that hold only tests.
fn of_the_library(path: &str) -> bool {
    let tests =
        path.ends_with("tests.rs") || path.contains("/tests/") || TESTS.iter().any(|test| path.starts_with(test));
    path.starts_with("src/") && path.ends_with(".rs") && !tests
}

#[test]
fn the_library_does_not_print() {
    let macros = ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];
    for file in sources().iter().filter(|file| of_the_library(&file.path)) {
        let code = file.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let printed = code.filter(|line| macros.iter().any(|name| line.contains(name))).count();
        assert_eq!(printed, 0, "{} prints; there is `cli/out.rs` for that", file.path);
    }
}

#[test]
fn every_room_says_what_it_is_for() {
    for file in sources().iter().filter(|file| of_the_library(&file.path)) {
        assert!(file.text.starts_with("//! "), "{} has no module note on top", file.path);
    }
}
