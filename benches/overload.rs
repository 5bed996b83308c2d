//! Five times as many requests as a core can serve: how much of the peak is kept, how soon the others are refused, and
//! how soon the broker is well again.
//!
//! The broker has one core; five members that answer canned pages from memory, and the clients, have another. What the
//! capacity is, is measured first: the most pages that some number of clients get, each asking when it has its answer.
//! Then five times as many requests come, whatever becomes of them. It fails when an aim is missed, so run it on a machine
//! that does nothing else. Linux only: it binds processes with `taskset` and reads `/proc`.
//!
//! `taskset -c 1 cargo bench --bench overload`; `STAC_BROKER_LOAD_S` gives the seconds of each phase (10).

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

#[allow(dead_code, reason = "shared with benchmarks that need more of it")]
mod parts;

use std::error::Error;
use std::time::{Duration, Instant};

use parts::ROLE;
use parts::clients::{Clients, Seen, percentile, ratio};
use parts::role::Role;

/// Clients at once among which the peak is looked for.
const CLIENTS: [usize; 4] = [4, 8, 16, 32];
/// What is promised.
const TIMES: f64 = 5.0;
const KEPT_MIN: f64 = 0.9;
const REFUSED_WITHIN: Duration = Duration::from_millis(50);
const WELL_WITHIN_S: u32 = 5;
/// The core of the broker, and that of its members.
const BROKER_CORES: &str = "0";
const MEMBERS_CORES: &str = "1";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.event_interval(stac_broker::http::EVENTS_EVERY).enable_all().build()?;
    match std::env::var(ROLE).as_deref() {
        Ok("members") => runtime.block_on(parts::members()),
        Ok("broker") => runtime.block_on(parts::broker()),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() -> Outcome<()> {
    let phase = std::env::var("STAC_BROKER_LOAD_S").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut missed = Vec::new();
    for items in [10, 100] {
        missed.extend(overload(items, Duration::from_secs(phase)).await?);
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("; ").into()) }
}

fn ten(number: usize) -> String {
    path(10, number)
}

fn hundred(number: usize) -> String {
    path(100, number)
}

/// A search that is like no other: equal ones at one time would be one request to each member.
fn path(limit: usize, number: usize) -> String {
    let (minute, second, micros) = (number / 60_000_000 % 60, number / 1_000_000 % 60, number % 1_000_000);
    format!("/search?limit={limit}&datetime=2020-01-01T00:{minute:02}:{second:02}.{micros:06}Z/..")
}

/// Gives the aims that were missed.
async fn overload(items: usize, phase: Duration) -> Outcome<Vec<String>> {
    let members = Role::bound(MEMBERS_CORES, "members", "", items)?;
    let broker = Role::bound(BROKER_CORES, "broker", &members.url, items)?;
    let all = Clients::of(broker.url.trim_start_matches("http://").parse()?, if items == 10 { ten } else { hundred });
    println!("five members, pages of {items} Items of 11 KB");
    all.closed_loop(CLIENTS[0], phase / 4).await;
    let mut peak = 0.0_f64;
    for clients in CLIENTS {
        let cpu = broker.cpu()?;
        let seen = all.closed_loop(clients, phase / 2).await;
        let busy = broker.cpu()?.saturating_sub(cpu).as_secs_f64() / (phase / 2).as_secs_f64();
        let (per_s, refused) = (rate(&seen, phase / 2), seen.iter().filter(|one| one.refused).count());
        println!(
            "  {clients} clients: {per_s:.0} pages/s, {refused} refused, p50 {:.0?}, p99 {:.0?}, broker busy {busy:.2}",
            percentile(&seen, 50),
            percentile(&seen, 99)
        );
        peak = peak.max(per_s);
    }
    let cpu = broker.cpu()?;
    let flood = all.open_loop(TIMES * peak, phase).await;
    let busy = broker.cpu()?.saturating_sub(cpu).as_secs_f64() / phase.as_secs_f64();
    let ended = Instant::now();
    let resident = broker.resident_mb()?;
    let pages: Vec<Seen> = flood.iter().filter(|one| is_whole(one)).copied().collect();
    let refused: Vec<Seen> = flood.iter().filter(|one| one.refused).copied().collect();
    let kept = ratio(pages.len(), 1) / (peak * phase.as_secs_f64());
    let late: Vec<Seen> = flood.iter().map(|one| Seen { took: one.late, ..*one }).collect();
    println!(
        "  {:.0} requests/s: {} pages ({kept:.2} of the peak), {} refused, {} neither; broker busy {busy:.2}, {resident:.0} MB",
        TIMES * peak,
        pages.len(),
        refused.len(),
        flood.len() - pages.len() - refused.len()
    );
    println!(
        "  refusals p50 {:.1?}, p99 {:.1?}; pages p50 {:.0?}, p99 {:.0?}; of that the clients' own lateness p50 {:.1?}, p99 {:.1?}",
        percentile(&refused, 50),
        percentile(&refused, 99),
        percentile(&pages, 50),
        percentile(&pages, 99),
        percentile(&late, 50),
        percentile(&late, 99)
    );
    let mut after = Vec::new();
    for _ in 0..WELL_WITHIN_S {
        after.push(rate(&all.closed_loop(CLIENTS[2], Duration::from_secs(1)).await, Duration::from_secs(1)) / peak);
    }
    println!("  each second after: {after:.2?} of the peak, {:.1?} after the last answer", ended.elapsed());
    let mut missed = Vec::new();
    let mut aim = |met: bool, what: &str| {
        if !met {
            missed.push(format!("pages of {items}: {what}"));
        }
    };
    aim(refused.iter().all(|one| one.says_when), "a refusal does not say when to come back");
    aim(percentile(&refused, 99) < REFUSED_WITHIN, "refusals take longer than 50 ms");
    aim(kept >= KEPT_MIN, "less than nine tenths of the peak are kept");
    aim(after.last().is_some_and(|last| *last >= KEPT_MIN), "not well again after five seconds");
    Ok(missed)
}

fn is_whole(seen: &Seen) -> bool {
    seen.status == 200 && !seen.misses
}

/// Whole pages a second.
fn rate(seen: &[Seen], time: Duration) -> f64 {
    ratio(seen.iter().filter(|one| is_whole(one)).count(), 1) / time.as_secs_f64()
}
