//! The paging procedure against an oracle: seeded histories of members, orders, caps, ties, repeats, inserts, deletes
//! and outages (`paging.md` section 10).
//!
//! Every history is a number. A failure prints it; `STAC_BROKER_MODEL_SEED=n cargo test --lib search::model` runs that
//! one alone, and `STAC_BROKER_MODEL_HISTORIES=n` sets how many are run.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

pub(super) mod dice;
mod thing;
mod oracle;
mod segment;
mod catalogue;
mod world;
mod page;
mod walk;
mod judge;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::collections::Ids;
use crate::federation::{self, Federation, Limits, Server};

use super::cursor::KeyRing;
pub use judge::may_follow;
use walk::history;
use world::World;

const HISTORIES: u64 = 20_000;

/// A key ring and ids of a federation that names nobody: positions then hold exposed ids as they are.
pub(in crate::search) fn ring() -> (KeyRing, Ids) {
    let federation = Federation {
        id: "model".into(),
        title: String::new(),
        description: String::new(),
        public_url: None,
        delimiter: '|',
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            admin: crate::federation::Admin::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        },
        limits: Limits::default(),
        telemetry: federation::Telemetry::default(),
        cursor: federation::Cursor { keys: Vec::new(), life: Duration::from_secs(3600) },
        processes: 1,
        routing: crate::federation::Routing::default(),
        registry: crate::federation::Registry::default(),
        shared: Vec::new(),
        members: Vec::new(),
    };
    (KeyRing::from_federation(&federation).expect("a key"), Ids::new(&federation))
}

#[test]
fn every_history_keeps_order_uniqueness_and_declares_what_is_missing() {
    let (keys, ids) = ring();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("STAC_BROKER_MODEL_SEED") {
        let mut world = World::new(seed);
        world.trace.wanted = true;
        if let Err(wrong) = history(&mut world, &keys, &ids) {
            panic!("history {seed}: {wrong}\n{}", world.trace.lines.join("\n"));
        }
        return;
    }
    let histories = number("STAC_BROKER_MODEL_HISTORIES").unwrap_or(HISTORIES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let (retries, gap_retries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong: Vec<(u64, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (keys, ids, retries, gap_retries) = (&keys, &ids, &retries, &gap_retries);
                scope.spawn(move || {
                    (worker..histories)
                        .step_by(threads as usize)
                        .filter_map(|seed| match history(&mut World::new(seed), keys, ids) {
                            Ok(followed) => {
                                retries.fetch_add(followed.retries, Ordering::Relaxed);
                                gap_retries.fetch_add(followed.gap_retries, Ordering::Relaxed);
                                None
                            }
                            Err(wrong) => Some((seed, wrong)),
                        })
                        .take(3)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker of the model")).collect()
    });
    let told: Vec<String> =
        wrong.iter().map(|(seed, wrong)| format!("STAC_BROKER_MODEL_SEED={seed}: {wrong}")).collect();
    assert!(wrong.is_empty(), "of {histories} histories:\n{}", told.join("\n"));
    let retries = retries.into_inner();
    assert!(histories < HISTORIES || retries > 0, "no page was left to `retry-missed`");
    let gap_retries = gap_retries.into_inner();
    assert!(histories < HISTORIES || gap_retries > 0, "no gap was asked for again");
    println!("{retries} `retry-missed` links were followed from empty pages, {gap_retries} from gaps");
}
