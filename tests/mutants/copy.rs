//! The copy of the tree that holds every mutant behind a switch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::list::{self, Mutant};

/// What the copy holds of the tree.
const COPIED: [&str; 4] = ["src", "tests", "benches", "federation.toml"];

/// The switch, which the copy has at the end of its `lib.rs`.
const SWITCH: &str = r#"
/// Whether this mutant is chosen.
pub(crate) fn mutant(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("STAC_BROKER_MUTANT").unwrap_or_default());
    *CHOSEN == name
}
"#;

/// The sources with every mutant behind its switch, by their paths.
pub fn rewritten(mutants: &[Mutant]) -> Result<Vec<(String, String)>, String> {
    let mut sources = Vec::new();
    sources_below(Path::new("src"), &mut sources).map_err(|why| format!("the sources cannot be read: {why}"))?;
    let found = list::locate(mutants, &sources)?;
    for (path, text) in &mut sources {
        if let Some(places) = found.get(path) {
            *text = list::rewrite(text, places.clone())?;
        }
        if path == "src/lib.rs" {
            *text = format!("#![allow(warnings)]\n{text}{SWITCH}");
        }
    }
    Ok(sources)
}

/// The Rust files of a folder.
fn sources_below(folder: &Path, sources: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources_below(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push((path.to_string_lossy().replace('\\', "/"), fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Makes the copy: a package of its own, so that it shares what others build for the tree and overwrites nothing of it.
pub fn make(copy: &Path, sources: Vec<(String, String)>) -> std::io::Result<()> {
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for name in COPIED {
        files_below(Path::new(name), &mut files)?;
    }
    files.extend(sources.into_iter().map(|(path, text)| (path.into(), text.into_bytes())));
    let manifest = fs::read_to_string("Cargo.toml")?;
    let version = manifest.lines().find(|line| line.starts_with("version = ")).unwrap_or_default();
    let apart = format!("{}-mutants\"", version.trim_end_matches('"'));
    let name = "name = \"stac-broker\"\n";
    let lock = fs::read_to_string("Cargo.lock")?.replacen(&format!("{name}{version}"), &format!("{name}{apart}"), 1);
    files.insert("Cargo.lock".into(), lock.into_bytes());
    files.insert("Cargo.toml".into(), format!("{}\n[workspace]\n", manifest.replacen(version, &apart, 1)).into_bytes());
    let mut before = BTreeMap::new();
    files_below(copy, &mut before)?;
    for path in before.keys().filter_map(|path| path.strip_prefix(copy).ok()).filter(|path| !files.contains_key(*path))
    {
        fs::remove_file(copy.join(path))?;
    }
    for (path, text) in files {
        let path = copy.join(path);
        // what stays as it was is not built again
        if before.get(&path) != Some(&text) {
            fs::create_dir_all(path.parent().unwrap_or(copy))?;
            fs::write(path, text)?;
        }
    }
    Ok(())
}

fn files_below(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    if path.is_file() {
        files.insert(path.to_owned(), fs::read(path)?);
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            files_below(&entry?.path(), files)?;
        }
    }
    Ok(())
}
