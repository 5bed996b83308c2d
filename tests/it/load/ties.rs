//! A tie of tens of thousands of Items with one datetime: walked in pages of 100, each Item once, with as many requests
//! for the last pages as for the first, and no more memory.

use serde_json::Value;

use super::clients::ratio;
use super::phase;
use super::program::Program;
use crate::support::front::{Reply, sent};
use crate::support::{Running, ScriptedMember, item, items, time};

/// Without the variable: as many as the usual run has time for.
const FEW: usize = 5_000;
const MANY: usize = 50_000;
/// Pages at the beginning and at the end that are compared.
const SOME: usize = 20;
/// A page reads again the member's page in which the one before ended, and the next; the other member is asked once. The
/// page that opens the tie reads up to four, and one of the other.
const REQUESTS_MAX: usize = 5;
const MEAN_MAX: f64 = 3.1;
/// What memory may be more at the end than after the first pages.
const GROWTH_KIB_MAX: usize = 16 << 10;

/// One member with the tie and a few Items beside it, and one without, so that pages are merged.
async fn tied(count: usize) -> [Running; 2] {
    let shuffled = |n: usize| item("tied", &format!("tied-{:05}", n * 7 % count), &time(10));
    let mut tied: Vec<Value> = (0..count).map(shuffled).collect();
    tied.extend(items("e", 20));
    let other = ScriptedMember::new("B").items(items("d", 20)).start().await;
    [ScriptedMember::new("A").items(tied).start().await, other]
}

/// What one page cost: requests to members, and what the broker held then.
struct Cost {
    requests: usize,
    resident_kib: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tie_that_its_member_orders_by_id() {
    let count = phase().map_or(FEW, |_| MANY);
    let members = tied(count).await;
    let program = Program::over(&members, "", "").await;
    let costs = walk(&program, &members, count).await;
    let requests: Vec<usize> = costs.iter().map(|cost| cost.requests).collect();
    let mean = |of: &[usize]| ratio(of.iter().sum(), of.len());
    let (first, last) = (mean(&requests[..SOME]), mean(&requests[requests.len() - SOME..]));
    let mut sorted = requests.clone();
    sorted.sort_unstable();
    let (p99, most) = (sorted[sorted.len() * 99 / 100], sorted[sorted.len() - 1]);
    println!(
        "{count} Items, {} pages; requests for each: mean {:.2}, p99 {p99}, most {most}; first {SOME} pages {first:.2}, last {last:.2}",
        costs.len(),
        mean(&requests)
    );
    let (early, late) = (costs[SOME].resident_kib, costs[costs.len() - 1].resident_kib);
    println!(
        "resident memory after {SOME} pages {early} KiB, at the end {late} KiB, most {} KiB",
        program.most_resident_kib()
    );
    assert!(most <= REQUESTS_MAX && mean(&requests) <= MEAN_MAX && last <= first + 0.1, "{requests:?}");
    assert!(late < early + GROWTH_KIB_MAX);
}

/// Walks it all; checks that each Item comes once, in order, and nothing is said to be missing.
async fn walk(program: &Program, members: &[Running], count: usize) -> Vec<Cost> {
    let client = reqwest::Client::new();
    let asked = || members.iter().map(Running::searches).sum::<usize>();
    let (mut costs, mut tied, mut others) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(format!("{}/search?limit=100", program.base()));
    while let Some(address) = next {
        let before = asked();
        let page: Reply = sent(client.get(address)).await;
        assert_eq!((page.status, page.missing().len()), (200, 0), "{}", page.text);
        for name in page.names() {
            match name.strip_prefix("A|tied ") {
                Some(id) => tied.push(id.to_owned()),
                None => others += 1,
            }
        }
        costs.push(Cost { requests: asked() - before, resident_kib: program.resident_kib() });
        members.iter().for_each(Running::forget);
        next = page.next().map(|link| link["href"].as_str().unwrap().to_owned());
    }
    assert_eq!((tied.len(), others), (count, 40));
    assert!(tied.is_sorted_by(|a, b| a < b), "each once, by id");
    costs
}
