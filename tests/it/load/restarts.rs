//! A full walk of 20,000 Items while one of five members restarts every few seconds: the pages and what `retry-missed`
//! then gives are everything, with order and uniqueness on the way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::phase;
use super::program::Program;
use crate::support::front::{Reply, sent};
use crate::support::oracle::Oracle;
use crate::support::{Running, ScriptedMember, item, time};

const MEMBERS: [&str; 5] = ["CMEMS", "EDITO", "EMODNET", "EODC", "GRNET"];
const ITEMS: usize = 4_000;
/// So slow that the walk takes long enough for some restarts.
const DELAY: Duration = Duration::from_millis(80);
const UP: Duration = Duration::from_millis(2_300);
const DOWN: Duration = Duration::from_millis(700);
/// Longest time that the member may be left alone after its last restart: a breaker that opened some times.
const PATIENCE: Duration = Duration::from_secs(400);

/// Ties inside and across members, ids whose order is not that of the times.
fn catalogue(member: usize) -> Vec<Value> {
    let own = |n: usize| {
        item("c", &format!("{:04}-{}", n * 271 % ITEMS, MEMBERS[member]), &time((n * 7 + member) % (ITEMS / 2)))
    };
    (0..ITEMS).map(own).collect()
}

/// Restarts a member until it is told to stop; gives it back, serving.
async fn restarts(mut member: Running, over: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Running {
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(UP).await;
        member.refuse().await;
        tokio::time::sleep(DOWN).await;
        member.accept_again().await;
        count.fetch_add(1, Ordering::Relaxed);
    }
    member
}

/// What was given so far: every page further down the order than the one before it.
struct Walked<'a> {
    places: &'a HashMap<String, usize>,
    last: Option<usize>,
    names: HashSet<String>,
}

impl Walked<'_> {
    fn take(&mut self, page: &Reply) {
        for name in page.names() {
            let place = Some(self.places[&name]);
            assert!(place > self.last, "{name} is repeated, or not in order");
            self.last = place;
            self.names.insert(name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_walk_while_a_member_restarts() {
    if phase().is_none() {
        return;
    }
    let catalogues: Vec<Vec<Value>> = (0..5).map(catalogue).collect();
    let all = Oracle::of(MEMBERS.iter().zip(&catalogues).map(|(id, items)| (*id, items.as_slice()))).newest_first();
    let places: HashMap<String, usize> = all.iter().cloned().zip(0..).collect();
    let mut members = Vec::new();
    for (id, items) in MEMBERS.iter().zip(catalogues) {
        members.push(ScriptedMember::new(id).items(items).slow(DELAY).start().await);
    }
    let program = Program::over(&members, "", "").await;
    let restarted = members.remove(1);
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let restarting = tokio::spawn(restarts(restarted, Arc::clone(&over), Arc::clone(&count)));

    let client = reqwest::Client::new();
    let ask = async |address: String| -> Reply { sent(client.get(address)).await };
    let began = Instant::now();
    let mut walked = Walked { places: &places, last: None, names: HashSet::new() };
    let mut page = ask(format!("{}/search?limit=100", program.base())).await;
    let (mut pages, mut declared) = (1, 0);
    loop {
        assert_eq!(page.status, 200, "{}", page.text);
        walked.take(&page);
        declared += usize::from(page.missing() == ["EDITO"]);
        let Some(next) = link(&page, "next") else { break };
        page = ask(next).await;
        pages += 1;
    }
    over.store(true, Ordering::Relaxed);
    let member = restarting.await.unwrap();
    let missed = all.len() - walked.names.len();
    println!(
        "{pages} pages in {:.0?} over {} restarts; {missed} Items missed, {declared} pages say so",
        began.elapsed(),
        count.load(Ordering::Relaxed)
    );
    assert!(missed > 0 && declared > 0, "the restarts cost nothing");
    let of_others = all.iter().filter(|name| !name.starts_with("EDITO")).filter(|name| !walked.names.contains(*name));
    assert_eq!(of_others.count(), 0, "the others' Items are all there");

    let (mut met, mut repeated, mut retries, until) = (walked.names, 0, 0, Instant::now() + PATIENCE);
    while let Some(retry) = link(&page, "retry-missed") {
        assert!(Instant::now() < until, "{}", page.report());
        if let Some(seconds) = page.member("EDITO")["retry_after_s"].as_u64() {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        page = ask(retry).await;
        let mut again = Walked { places: &places, last: None, names: HashSet::new() };
        loop {
            retries += 1;
            if page.status != 200 {
                assert!([502, 503, 504].contains(&page.status), "{}", page.text);
                break;
            }
            again.take(&page);
            let Some(next) = link(&page, "next") else { break };
            page = ask(next).await;
        }
        for name in again.names {
            assert!(name.starts_with("EDITO"), "{name} was no gap");
            repeated += usize::from(!met.insert(name));
        }
    }
    println!("{retries} pages of `retry-missed` gave the rest, and {repeated} Items beside widened gaps again");
    assert_eq!(met.len(), all.len(), "pages and `retry-missed` are everything");
    drop(member);
}

fn link(page: &Reply, rel: &str) -> Option<String> {
    let links = page.json()["links"].as_array()?;
    let found = links.iter().find(|link| link["rel"] == rel)?;
    found["href"].as_str().map(str::to_owned)
}
