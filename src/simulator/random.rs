//! Runs of numbers: each makes a federation, what goes wrong in it, and what is searched for.
//!
//! A run that fails prints its number; `STAC_BROKER_SIM_SEED=n cargo test --lib simulator` repeats it alone and tells its
//! course. `STAC_BROKER_SIM_RUNS=n` sets how many are run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::faults::Fault;
use super::whole::{Course, run};
use super::world::World;

const RUNS: u64 = 500;
/// Findings of one run that are shown.
const SHOWN_MAX: usize = 6;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn course(seed: u64, traced: bool) -> Course {
    run(seed, || World::random(seed, traced), |_| ())
}

/// Says which run it was, should it end in a panic.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("STAC_BROKER_SIM_SEED={} cargo test --lib simulator", self.0);
        }
    }
}

#[test]
fn seeded_runs_lose_nothing_unsaid() {
    if let Some(seed) = number("STAC_BROKER_SIM_SEED") {
        let course = course(seed, true);
        eprintln!("{}", course.trace.join("\n"));
        assert!(course.wrong.is_empty(), "{}", course.wrong.join("\n"));
        return;
    }
    let runs = number("STAC_BROKER_SIM_RUNS").unwrap_or(RUNS);
    let (next, pages, requests) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let bites: Mutex<BTreeMap<Fault, u32>> = Mutex::default();
    let work = || {
        let mut wrong = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return wrong;
            }
            let named = Named(seed);
            let course = course(seed, false);
            drop(named);
            pages.fetch_add(course.pages, Ordering::Relaxed);
            requests.fetch_add(course.requests, Ordering::Relaxed);
            let mut bites = bites.lock().unwrap();
            for (fault, count) in course.bites {
                *bites.entry(fault).or_default() += count;
            }
            drop(bites);
            if !course.wrong.is_empty() {
                let shown: Vec<String> = course.wrong.iter().take(SHOWN_MAX).cloned().collect();
                wrong.push(format!("STAC_BROKER_SIM_SEED={seed} cargo test --lib simulator\n  {}", shown.join("\n  ")));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run that panicked is named above")).collect()
    });
    let (pages, requests, bites) = (pages.into_inner(), requests.into_inner(), bites.into_inner().unwrap());
    let (kinds, bites) = (bites.len(), bites.values().map(|count| u64::from(*count)).sum::<u64>());
    println!("{runs} runs, {pages} pages, {requests} requests, {bites} answers changed by {kinds} kinds of faults");
    assert!(wrong.is_empty(), "{} of {runs} runs:\n{}", wrong.len(), wrong.join("\n"));
    assert!(runs < RUNS || (bites > 5 * runs && kinds >= 60), "only {bites} answers were changed, by {kinds} kinds");
}

/// A run follows from its number alone.
#[test]
fn a_run_can_be_repeated() {
    for seed in 0..12 {
        let (first, second) = (course(seed, true), course(seed, true));
        assert!(first.trace.len() > 3);
        let differs = first.trace.iter().zip(&second.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "run {seed}");
        assert_eq!(first.trace.len(), second.trace.len(), "run {seed}");
    }
}
