//! One of five members hangs: once its breaker is open, p99 is within 10 % of healthy, and members get at most 1.2 times
//! the requests.

use std::time::Duration;

use super::clients::{Clients, percentile, ratio};
use super::program::Program;
use super::{members, phase, requests, unlike};
use crate::support::Fails;

const CLIENTS: usize = 8;
/// Of healthy.
const P99_MAX: f64 = 1.10;
const REQUESTS_MAX: f64 = 1.2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hung_member() {
    let Some(phase) = phase() else { return };
    let members = members(5, Duration::from_millis(20)).await;
    let program = Program::over(&members, "member_deadline_ms = 2000", "").await;
    let all = Clients::of(program.address(), unlike);
    all.closed_loop(CLIENTS, phase / 10).await;
    let before = requests(&members);
    let well = all.closed_loop(CLIENTS, phase).await;
    let (well_requests, at) = (requests(&members) - before, requests(&members));

    members[0].breaks(Fails::Hang);
    let mut falling = Vec::new();
    while program.breaker("M0").await != "open" {
        falling.extend(all.closed_loop(CLIENTS, Duration::from_millis(100)).await);
    }
    let hung = all.closed_loop(CLIENTS, phase).await;
    let hung_requests = requests(&members) - at;
    assert!(hung.iter().all(|seen| seen.status == 200));
    let declared = hung.iter().filter(|seen| seen.misses).count();
    println!(
        "searches: {} well, {} until the breaker opened, {} hung ({declared} declared)",
        well.len(),
        falling.len(),
        hung.len()
    );
    assert_eq!(declared, hung.len(), "every page says that a member is missing");
    let per_search = ratio(hung_requests, falling.len() + hung.len()) / ratio(well_requests, well.len());
    let p99 = percentile(&hung, 99).as_secs_f64() / percentile(&well, 99).as_secs_f64();
    println!(
        "p50 {:.1?} -> {:.1?}, p99 {:.1?} -> {:.1?}, ratio {p99:.2}",
        percentile(&well, 50),
        percentile(&hung, 50),
        percentile(&well, 99),
        percentile(&hung, 99)
    );
    println!("requests to members for each search, ratio {per_search:.2}");
    assert!(p99 <= P99_MAX && per_search <= REQUESTS_MAX);
}
