//! The whole path over instant members, as a ratio to one plain proxy hop of the page it answers.
//!
//! Five members in a process of their own answer canned pages of 100 Items of 11 KB from memory. A broker process asks
//! them for `limit=100`; a proxy process passes one such page on. The CPU time of both is read from the system for the
//! same number of requests in the same run, so that their ratio holds whatever the machine does. Resident memory of the
//! broker is read idle and under 64 searches at once. Linux only: it reads `/proc`.
//!
//! `cargo bench --bench whole_path`

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

#[allow(dead_code, reason = "shared with benchmarks that need more of it")]
mod parts;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parts::role::Role;
use parts::{ITEMS_PER_PAGE, MEMBERS, ROLE};

const WARM_UP: usize = 50;
const SEARCHES: usize = 400;
const ROUNDS: usize = 5;
const AT_ONCE: usize = 64;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match std::env::var(ROLE).as_deref() {
        Ok("members") => runtime.block_on(parts::members()),
        Ok("proxy") => runtime.block_on(parts::proxy()),
        Ok("broker") => runtime.block_on(parts::broker()),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() -> Outcome<()> {
    let members = Role::start("members", "")?;
    let proxy = Role::start("proxy", &members.url)?;
    let broker = Role::start("broker", &members.url)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let search = format!("{}/search?limit={ITEMS_PER_PAGE}", broker.url);
    let page = format!("{}/page", proxy.url);
    let (answered, passed_on) = (get(&client, &search).await?, get(&client, &page).await?);
    println!(
        "{MEMBERS} members, {ITEMS_PER_PAGE} Items a page; the search answers {answered} bytes, the proxy passes on {passed_on}"
    );
    for _ in 0..WARM_UP {
        get(&client, &search).await?;
        get(&client, &page).await?;
    }
    println!("resident memory of the broker after {WARM_UP} searches: {:.0} MB", broker.resident_mb()?);
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let hop = per_request(&client, &page, &proxy).await?;
        let whole = per_request(&client, &search, &broker).await?;
        ratios.push(whole / hop);
        println!("round {round}: CPU per search {whole:.2} ms, per proxy hop {hop:.3} ms, ratio {:.1}", whole / hop);
    }
    ratios.sort_by(f64::total_cmp);
    println!("ratio, median of {ROUNDS}: {:.1}", ratios[ROUNDS / 2]);
    let peak = crowd(&client, &search, &broker).await?;
    println!("resident memory of the broker under {AT_ONCE} searches at once: at most {peak:.0} MB");
    Ok(())
}

async fn get(client: &reqwest::Client, url: &str) -> Outcome<usize> {
    let answer = client.get(url).send().await?.error_for_status()?;
    Ok(answer.bytes().await?.len())
}

/// CPU milliseconds of a process per request.
async fn per_request(client: &reqwest::Client, url: &str, role: &Role) -> Outcome<f64> {
    let before = role.cpu()?;
    for _ in 0..SEARCHES {
        get(client, url).await?;
    }
    let spent = role.cpu()?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred requests")]
    Ok(spent.as_secs_f64() * 1000.0 / SEARCHES as f64)
}

/// Keeps many searches under way for a few seconds; gives the largest resident memory seen.
async fn crowd(client: &reqwest::Client, url: &str, broker: &Role) -> Outcome<f64> {
    let until = Instant::now() + Duration::from_secs(8);
    let numbers = Arc::new(AtomicUsize::new(0));
    let searches: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (client, url, numbers) = (client.clone(), url.to_owned(), Arc::clone(&numbers));
            tokio::spawn(async move {
                while Instant::now() < until {
                    // Equal searches at one time would be one request to each member.
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let unlike = format!("{url}&datetime=2020-01-01T00:00:00.{number:06}Z/..");
                    if get(&client, &unlike).await.is_err() {
                        return false;
                    }
                }
                true
            })
        })
        .collect();
    let mut peak: f64 = 0.0;
    while Instant::now() < until {
        peak = peak.max(broker.resident_mb()?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for search in searches {
        if !search.await? {
            return Err("a search of the crowd failed".into());
        }
    }
    Ok(peak)
}
