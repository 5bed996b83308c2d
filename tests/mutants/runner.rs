//! Builds the tests of a copy that holds every mutant behind a switch, runs them once for each, and prints a table.

mod copy;
mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use list::Mutant;

/// Histories of the model that are run first, and those that are run when they find nothing.
const HISTORIES_FIRST: u32 = 500;
const HISTORIES_MOST: u32 = 20_000;
/// A run that takes longer than this, and longer than so many times the run without a mutant, does not end by itself.
const RUN_LEAST: Duration = Duration::from_secs(60);
const RUN_TIMES: u32 = 20;
/// Address space of a run in KiB: a mutant that grows for ever must not take the machine with it.
const MEMORY_KIB_MAX: u32 = 4 << 20;
/// The tests that may catch a mutant: what they are filtered by, and the model among them.
const TESTS: [&str; 3] = ["search::", "members::item::", "federation::interval::"];
const MODEL: &str = "search::model";
/// Tests that take seconds: they are asked last.
const SLOW: [&str; 3] =
    ["search::replicas::histories", "search::directed::slices", "search::request::tests::ten_thousand"];
/// Slow, and about what no mutant changes.
const UNTOUCHED: [&str; 2] = ["collections::", "search::plan::tests::property"];

/// How a run ends that is killed from outside.
const SIGKILL: i32 = 9;

/// How a mutant fared.
enum Fate {
    /// What failed first.
    Caught(String),
    Survived,
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(by) => write!(out, "caught by {by}"),
            Self::Survived => write!(out, "SURVIVED"),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let target = PathBuf::from(arguments.next().unwrap_or_else(|| "target".into()));
    let wanted: Vec<String> = arguments.collect();
    match run(&target, &wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err((status, why)) => {
            eprintln!("{why}");
            ExitCode::from(status)
        }
    }
}

/// Whether every mutant fared as it should. An error is the status to end with and a sentence.
fn run(target: &Path, wanted: &[String]) -> Result<bool, (u8, String)> {
    let cannot = |why: String| (2, why);
    let mut mutants = every_mutant().map_err(cannot)?;
    let copy = target.join("mutants").join("tree");
    let files = copy::rewritten(&mutants).map_err(|why| (1, why))?;
    copy::make(&copy, files).map_err(|why| (2, format!("the copy cannot be made: {why}")))?;
    let mut named = BTreeSet::new();
    mutants.retain(|mutant| named.insert(mutant.name.clone()));
    if wanted.iter().any(|word| word == "--list") {
        mutants.iter().for_each(|mutant| println!("{:<44} {}", mutant.name, mutant.means.replace('\n', " ")));
        return Ok(true);
    }
    mutants.retain(|mutant| wanted.is_empty() || wanted.iter().any(|word| mutant.name.contains(word)));
    let tests = build(&copy, target).map_err(cannot)?;
    let begun = Instant::now();
    let healthy = fate(&tests, "", HISTORIES_FIRST, RUN_LEAST * RUN_TIMES);
    if let Fate::Caught(by) = healthy {
        return Err((2, format!("the tests fail without a mutant: {by}")));
    }
    let bound = RUN_LEAST.max(begun.elapsed() * RUN_TIMES);
    let fates = all_fates(&tests, &mutants, bound);
    let mut good = true;
    for mutant in &mutants {
        let fate = &fates[&mutant.name];
        let as_it_should = matches!(fate, Fate::Survived) != mutant.equivalent.is_empty();
        good &= as_it_should;
        let argued = if mutant.equivalent.is_empty() { "" } else { " (said to be equivalent)" };
        println!("{} {:<44} {fate}{argued}", if as_it_should { "ok  " } else { "FAIL" }, mutant.name);
    }
    let survived = fates.values().filter(|fate| matches!(fate, Fate::Survived)).count();
    let equivalent = mutants.iter().filter(|mutant| !mutant.equivalent.is_empty()).count();
    println!(
        "\n{} mutants, {} caught, {survived} survived; {equivalent} of them are said to be equivalent; {} s",
        mutants.len(),
        mutants.len() - survived,
        begun.elapsed().as_secs()
    );
    Ok(good)
}

fn every_mutant() -> Result<Vec<Mutant>, String> {
    let mut files: Vec<PathBuf> = fs::read_dir("tests/mutants")
        .map_err(|why| format!("tests/mutants cannot be read: {why}"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "mutants"))
        .collect();
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).map_err(|why| format!("{name} cannot be read: {why}"))?;
        mutants.extend(list::read(&text).map_err(|why| format!("{name}: {why}"))?);
    }
    Ok(mutants)
}

/// Builds the tests of the copy, and gives where they are.
fn build(copy: &Path, target: &Path) -> Result<PathBuf, String> {
    let manifest = copy.join("Cargo.toml");
    let built = Command::new("cargo")
        .args(["test", "--lib", "--no-run", "--locked", "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cargo cannot be run: {why}"))?;
    if !built.status.success() {
        return Err("the copy does not build: a mutant is no Rust at its place".into());
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    });
    executable.ok_or_else(|| "cargo named no test binary".into())
}

/// Runs every mutant, as many at once as there are processors.
fn all_fates(tests: &Path, mutants: &[Mutant], bound: Duration) -> BTreeMap<String, Fate> {
    let most = std::env::var("MUTANTS_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(HISTORIES_MOST);
    let next = AtomicUsize::new(0);
    let fates = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _worker in 0..workers {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut found = fate(tests, &mutant.name, HISTORIES_FIRST, bound);
                    if matches!(found, Fate::Survived) && mutant.equivalent.is_empty() {
                        found = fate(tests, &mutant.name, most, bound * (most / HISTORIES_FIRST).max(1));
                    }
                    eprintln!("{}: {found}", mutant.name);
                    fates.lock().expect("a worker").insert(mutant.name.clone(), found);
                }
            });
        }
    });
    fates.into_inner().expect("a worker")
}

/// What the tests say of one mutant; of none when the name is empty. The fast ones come first.
fn fate(tests: &Path, mutant: &str, histories: u32, bound: Duration) -> Fate {
    let histories = histories.to_string();
    let variables = [("STAC_BROKER_MUTANT", mutant), ("STAC_BROKER_MODEL_HISTORIES", &histories)];
    let fast = [&TESTS[..], &without(&[MODEL]), &without(&SLOW), &without(&UNTOUCHED)].concat();
    let slow = [&SLOW[..], &without(&UNTOUCHED)].concat();
    let stages = [vec![MODEL], fast, slow];
    let caught = stages.iter().find_map(|stage| one_run(tests, stage, &variables, bound));
    caught.map_or(Fate::Survived, Fate::Caught)
}

fn without<'a>(tests: &[&'a str]) -> Vec<&'a str> {
    tests.iter().flat_map(|test| ["--skip", *test]).collect()
}

/// Runs some tests; a word on what failed, if anything did.
fn one_run(tests: &Path, arguments: &[&str], variables: &[(&str, &str)], bound: Duration) -> Option<String> {
    let limited = format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" \"$@\"");
    let skipped = std::env::var("MUTANTS_SKIP").unwrap_or_default();
    let skipped: Vec<&str> = skipped.split_whitespace().collect();
    let log = tests.with_extension(format!("{}.{}.log", variables[0].1, arguments.len()));
    let file = fs::File::create(&log).ok()?;
    let begun = Instant::now();
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .arg(tests)
        .args(arguments)
        .args(without(&skipped))
        .envs(variables.iter().copied())
        .env("RUST_BACKTRACE", "0")
        .stdout(file.try_clone().ok()?)
        .stderr(file)
        .spawn()
        .ok()?;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if begun.elapsed() > bound => break None,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _gone = fs::remove_file(&log);
    if status.is_some_and(|status| status.signal() == Some(SIGKILL)) {
        // somebody else ended it, which says nothing of the mutant
        return one_run(tests, arguments, variables, bound);
    }
    let Some(status) = status else {
        let _ended = child.kill();
        let _reaped = child.wait();
        return Some(format!("no end within {} s", bound.as_secs()));
    };
    if status.success() { None } else { Some(word(&text)) }
}

/// What failed: the first history of the model, or the first test and how many more.
fn word(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("STAC_BROKER_MODEL_SEED=") {
        let line = rest.lines().next().unwrap_or_default();
        let (seed, why) = line.split_once(": ").unwrap_or((line, ""));
        let why: String = why.chars().take(40).collect();
        return format!("history {seed} ({why})");
    }
    let failed: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED")).collect();
    match failed.split_first() {
        Some((first, [])) => format!("test {first}"),
        Some((first, more)) => format!("test {first} and {} more", more.len()),
        None => "an end without a result".into(),
    }
}
