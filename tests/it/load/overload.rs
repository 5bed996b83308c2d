//! Five times as many requests as may be in progress: refusals within 50 ms that say when to come back, at least nine
//! tenths of the peak kept, and well again within five seconds.

use std::time::Duration;

use super::clients::{Clients, Seen, percentile, ratio};
use super::program::Program;
use super::{members, phase, unlike};

/// As many clients as the broker serves at once.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_as_many_as_may_be_in_progress() {
    let Some(phase) = phase() else { return };
    // So slow that what is measured is the broker and not what this machine can compute.
    let members = members(2, Duration::from_millis(400)).await;
    let program = Program::over(&members, &format!("in_flight_max = {AT_ONCE}"), "").await;
    let all = Clients::of(program.address(), unlike);
    all.closed_loop(AT_ONCE, phase / 10).await;
    let peak = served(&all.closed_loop(AT_ONCE, phase).await, phase);
    let flood = all.open_loop(5.0 * peak, phase).await;
    let kept = served(&flood, phase) / peak;
    let refused: Vec<Seen> = flood.iter().filter(|one| one.refused).copied().collect();
    println!(
        "peak {peak:.0}/s; at five times that {kept:.2} of it, {} refused within p50 {:.1?}, p99 {:.1?}",
        refused.len(),
        percentile(&refused, 50),
        percentile(&refused, 99)
    );
    let after = Duration::from_secs(5);
    let back = served(&all.closed_loop(AT_ONCE, after).await, after) / peak;
    println!("in the five seconds after: {back:.2} of the peak");
    assert!(flood.iter().all(|one| one.status == 200 || (one.refused && one.says_when)));
    assert!(kept >= 0.9 && percentile(&refused, 99) < Duration::from_millis(50) && back >= 0.9);
}

/// Whole pages a second.
fn served(seen: &[Seen], time: Duration) -> f64 {
    ratio(seen.iter().filter(|one| one.status == 200 && !one.misses).count(), 1) / time.as_secs_f64()
}
