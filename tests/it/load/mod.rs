//! Figures that need long and quiet runs: degradation, overload, leaks. Not part of the usual run:
//!
//! `STAC_BROKER_LOAD_S=20 cargo test --release --test it load:: -- --nocapture --test-threads 1`
//!
//! The variable gives the seconds of each phase; without it nothing is measured. What is compared is measured in one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stac_broker::federation::Federation;
use stac_broker::members::{Service, State};

use crate::support::front::Reply;
use crate::support::{Fails, Front, Running, ScriptedMember, federation_of, items};

/// Searches at once, and as many as are taken at once where there is a capacity.
const CLIENTS: usize = 8;
const AT_ONCE: usize = 8;

/// The length of a phase; `None`: these figures are not wanted now.
#[expect(clippy::print_stdout, reason = "who reads the figures wants to know that there are none")]
fn phase() -> Option<Duration> {
    let given = std::env::var("STAC_BROKER_LOAD_S").ok().and_then(|text| text.parse().ok());
    if given.is_none() {
        println!("skipped: STAC_BROKER_LOAD_S is not set");
    }
    given.map(Duration::from_secs)
}

async fn members(count: usize, delay: Duration) -> Vec<Running> {
    let mut members = Vec::new();
    for n in 0..count {
        let id = format!("M{n}");
        members.push(ScriptedMember::new(&id).items(items(&id.to_lowercase(), 200)).slow(delay).start().await);
    }
    members
}

fn federation(members: &[Running]) -> Federation {
    federation_of(members.iter().map(Running::declared))
}

/// A search that is like no other.
async fn unlike(front: &Front, number: usize) -> Reply {
    front.get(&format!("/search?limit=10&datetime=2025-01-01T00:00:00.{number:06}Z/..")).await
}

/// Searches by so many clients, one after the other each, until the time is over.
async fn closed_loop(front: &Front, numbers: &AtomicUsize, clients: usize, time: Duration) -> Vec<Reply> {
    let until = Instant::now() + time;
    let one = |_| async move {
        let mut replies = Vec::new();
        while Instant::now() < until {
            replies.push(unlike(front, numbers.fetch_add(1, Ordering::Relaxed)).await);
        }
        replies
    };
    futures::future::join_all((0..clients).map(one)).await.concat()
}

fn percentile(replies: &[Reply], percent: usize) -> Duration {
    let mut took: Vec<Duration> = replies.iter().map(|reply| reply.took).collect();
    took.sort_unstable();
    took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn requests(members: &[Running]) -> usize {
    members.iter().map(|member| member.recorded().len()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b as f64
}

/// One member hangs: once its breaker is open, p99 within 10 % of healthy, and at most 1.2 times the requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hung_member() {
    let Some(phase) = phase() else { return };
    let members = members(5, Duration::from_millis(20)).await;
    let mut declared = federation(&members);
    declared.limits.member_deadline = Duration::from_secs(2);
    let front = Front::of(declared).await;
    let numbers = AtomicUsize::new(0);
    closed_loop(&front, &numbers, CLIENTS, phase / 10).await;
    let before = requests(&members);
    let well = closed_loop(&front, &numbers, CLIENTS, phase).await;
    let (well_requests, at) = (requests(&members) - before, requests(&members));
    members[0].breaks(Fails::Hang);
    let mut falling = Vec::new();
    let is_open =
        || front.broker.snapshot().members.guard("M0", Service::Catalogue).unwrap().breaker.state == State::Open;
    while !is_open() {
        falling.extend(closed_loop(&front, &numbers, CLIENTS, Duration::from_millis(100)).await);
    }
    let hung = closed_loop(&front, &numbers, CLIENTS, phase).await;
    let hung_requests = requests(&members) - at;
    assert!(hung.iter().all(|reply| reply.status == 200));
    let missed = hung.iter().filter(|reply| reply.missing() == ["M0"]).count();
    let per_search = ratio(hung_requests, falling.len() + hung.len()) / ratio(well_requests, well.len());
    let p99 = percentile(&hung, 99).as_secs_f64() / percentile(&well, 99).as_secs_f64();
    println!(
        "searches: {} well, {} until the breaker opened, {} hung ({missed} declared)",
        well.len(),
        falling.len(),
        hung.len()
    );
    println!(
        "p50 {:?} -> {:?}, p99 {:?} -> {:?}, ratio {p99:.2}",
        percentile(&well, 50),
        percentile(&hung, 50),
        percentile(&well, 99),
        percentile(&hung, 99)
    );
    println!("requests to members per search, ratio {per_search:.2}");
    assert!(p99 <= 1.10 && per_search <= 1.2);
}

/// Five times capacity: refusals within 50 ms, at least 90 % of the peak, and well again within five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_capacity() {
    let Some(phase) = phase() else { return };
    // So slow that what is measured is the broker and not what this machine can compute.
    let members = members(2, Duration::from_millis(400)).await;
    let mut declared = federation(&members);
    declared.limits.in_flight_max = AT_ONCE;
    let front = Arc::new(Front::of(declared).await);
    let numbers = Arc::new(AtomicUsize::new(0));
    closed_loop(&front, &numbers, AT_ONCE, phase / 10).await;
    let peak = closed_loop(&front, &numbers, AT_ONCE, phase).await.len();
    let per_s = ratio(peak, 1) / phase.as_secs_f64();

    let (began, mut asked) = (Instant::now(), Vec::new());
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / (5.0 * per_s)));
    while began.elapsed() < phase {
        tick.tick().await;
        let (front, number) = (Arc::clone(&front), numbers.fetch_add(1, Ordering::Relaxed));
        asked.push(tokio::spawn(async move { unlike(&front, number).await }));
    }
    let mut replies = Vec::new();
    for one in asked {
        replies.push(one.await.unwrap());
    }
    let (served, refused): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(refused.iter().all(|reply| reply.status == 503 && !reply.header("retry-after").is_empty()));
    let kept = ratio(served.len(), peak);
    println!(
        "peak {per_s:.0}/s; at five times that: {} served ({kept:.2} of the peak), {} refused",
        served.len(),
        refused.len()
    );
    println!(
        "refusals p50 {:?}, p99 {:?}; served p99 {:?}",
        percentile(&refused, 50),
        percentile(&refused, 99),
        percentile(&served, 99)
    );
    let after = closed_loop(&front, &numbers, AT_ONCE, Duration::from_secs(5)).await;
    let well = after.iter().filter(|reply| reply.status == 200).count();
    let back = ratio(well, 5) / per_s;
    println!("in the five seconds after: {back:.2} of the peak");
    assert!(kept >= 0.9 && percentile(&refused, 99) < Duration::from_millis(50) && back >= 0.9);
}

/// What this process has open and alive.
fn held() -> (usize, usize, usize) {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    (tasks, files, resident.unwrap_or(0))
}

/// Faults under load: no task, socket or memory is left. The promise is ten minutes: `STAC_BROKER_LOAD_S=600`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_faults_under_load() {
    let Some(phase) = phase() else { return };
    let members = members(4, Duration::from_millis(2)).await;
    let mut declared = federation(&members);
    declared.limits.member_deadline = Duration::from_millis(500);
    let front = Front::of(declared).await;
    let (numbers, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let faults = || {
        [
            Fails::Hang,
            Fails::Html,
            Fails::Truncated,
            Fails::Huge(8 << 20),
            Fails::Trickle(Duration::from_millis(20)),
            Fails::Status(503, None),
            Fails::Status(500, None),
        ]
    };
    let round = |time: Duration| {
        let (members, front, numbers, over) = (&members, &front, &numbers, &over);
        over.store(false, Ordering::Relaxed);
        let strike = async move {
            for (n, fault) in faults().into_iter().cycle().enumerate() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                members[n % members.len()].breaks(fault);
                tokio::time::sleep(Duration::from_millis(300)).await;
                members[n % members.len()].heals();
            }
        };
        let leave = async move {
            while !over.load(Ordering::Relaxed) {
                let gone = unlike(front, numbers.fetch_add(1, Ordering::Relaxed));
                drop(tokio::time::timeout(Duration::from_millis(3), gone).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        async move {
            let load = async {
                let replies = closed_loop(front, numbers, CLIENTS, time).await;
                over.store(true, Ordering::Relaxed);
                replies.len()
            };
            let (count, (), ()) = tokio::join!(load, strike, leave);
            // Idle connections end, and what was given up is over.
            tokio::time::sleep(Duration::from_secs(2)).await;
            count
        }
    };
    round(phase / 4).await;
    members.iter().for_each(Running::forget);
    let before = held();
    let searches = round(phase).await;
    members.iter().for_each(Running::forget);
    let after = held();
    println!("{searches} searches; tasks, files, resident KiB: {before:?} -> {after:?}");
    // Connections that are kept come and go; what leaks grows with the searches.
    assert!(after.0 < before.0 + 100 && after.1 < before.1 + 100, "{before:?} -> {after:?}");
    assert!(after.2 < before.2 * 105 / 100 + 20_000, "{before:?} -> {after:?}");
}
