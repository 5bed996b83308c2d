//! Figures that need long and quiet runs: large ties, restarts, degradation, overload, leaks. Not part of the usual run:
//!
//! `STAC_BROKER_LOAD_S=20 cargo test --release --test it load:: -- --nocapture --test-threads 1`
//!
//! The variable gives the seconds of each phase; without it nothing is measured, and what has a small version runs that.
//! What is compared is measured in one run. The broker is a process of its own, so that what it holds can be told;
//! members and clients are this process. `STAC_BROKER_LOAD_PROGRAM` names another build of the broker, and
//! `STAC_BROKER_LOAD_CORES` the cores it is bound to.
//!
//! What a core can compute, and five times that, is measured by `cargo bench --bench overload`.

mod hung;
mod overload;
mod program;
mod restarts;
mod soak;
mod ties;

#[path = "../../../benches/parts/clients.rs"]
#[allow(dead_code, reason = "shared with a benchmark that needs more of it")]
mod clients;

use std::time::Duration;

use crate::support::{Running, ScriptedMember, items};

/// The length of a phase; `None`: these figures are not wanted now.
#[expect(clippy::print_stdout, reason = "who reads the figures wants to know that there are none")]
fn phase() -> Option<Duration> {
    let given = std::env::var("STAC_BROKER_LOAD_S").ok().and_then(|text| text.parse().ok());
    if given.is_none() {
        println!("skipped: STAC_BROKER_LOAD_S is not set");
    }
    given.map(Duration::from_secs)
}

/// Members with 200 small Items each, so slow.
async fn members(count: usize, delay: Duration) -> Vec<Running> {
    let mut members = Vec::new();
    for n in 0..count {
        let id = format!("M{n}");
        members.push(ScriptedMember::new(&id).items(items(&id.to_lowercase(), 200)).slow(delay).start().await);
    }
    members
}

fn requests(members: &[Running]) -> usize {
    members.iter().map(|member| member.recorded().len()).sum()
}

/// A search that is like no other: equal ones at one time would be one request to each member.
fn unlike(number: usize) -> String {
    let (minute, second, micros) = (number / 60_000_000 % 60, number / 1_000_000 % 60, number % 1_000_000);
    format!("/search?limit=10&datetime=2020-01-01T00:{minute:02}:{second:02}.{micros:06}Z/..")
}
