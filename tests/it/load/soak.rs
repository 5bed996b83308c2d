//! Faults under load, with clients that leave, walks, and a reload each minute: no task, socket or memory is left, and no
//! valid cursor is refused. The promise is ten minutes: `STAC_BROKER_LOAD_S=600`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::clients::Clients;
use super::program::{Held, Program};
use super::{members, phase, requests, unlike};
use crate::support::front::sent;
use crate::support::{Fails, Running};

const CLIENTS: usize = 8;
/// How long all members go wrong in one way, and how many of their searches do: were it half of them, or five in a row,
/// breakers would open, nobody would be asked, and nothing would be shown.
const FAULT: Duration = Duration::from_millis(300);
const ONE_OF: usize = 7;
/// Of all searches so many percent must have been pages, and of these so many lacked a member.
const PAGES_PERCENT_MIN: usize = 90;
const INCOMPLETE_PERCENT_MIN: usize = 2;
/// Pause between two clients that leave at once.
const LEAVE: Duration = Duration::from_millis(20);
const RELOAD: Duration = Duration::from_secs(60);
/// Idle connections to members are kept for 90 s: until then there may be more of them than before.
const SETTLE_MAX: Duration = Duration::from_secs(95);
/// What may be more than before: connections of checks and probes that happen to be under way.
const FEW: usize = 8;
/// Memory comes and goes in bursts, whose largest is chance: what a leak raises is what is held in between, of which the
/// least tenth of all seconds tells. In the second half that may be a tenth more than in the first.
const GROWTH_PARTS: usize = 10;

fn faults() -> [Fails; 7] {
    [
        Fails::Hang,
        Fails::Html,
        Fails::Truncated,
        Fails::Huge(8 << 20),
        Fails::Trickle(Duration::from_millis(20)),
        Fails::Status(503, None),
        Fails::Status(500, None),
    ]
}

/// What happened in a round.
#[derive(Default)]
struct Happened {
    searches: AtomicUsize,
    pages: AtomicUsize,
    incomplete: AtomicUsize,
    asked: AtomicUsize,
    left: AtomicUsize,
    pages_walked: AtomicUsize,
    faults: AtomicUsize,
    reloads: AtomicUsize,
    /// Resident memory, each second.
    resident_kib: Mutex<Vec<usize>>,
    over: AtomicBool,
}

impl Happened {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

fn one_more(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_faults_under_load() {
    let Some(phase) = phase() else { return };
    let members = members(4, Duration::from_millis(2)).await;
    let program = Program::over(&members, "connect_ms = 500\nmember_deadline_ms = 500", "").await;
    round(&program, &members, (phase / 5).min(Duration::from_secs(30))).await;
    let before = settled(&program, None).await;
    println!("before: {before:?}");
    let happened = round(&program, &members, phase).await;
    let after = settled(&program, Some(before)).await;
    let resident = happened.resident_kib.lock().unwrap().clone();
    let (first, second) = resident.split_at(resident.len() / 2);
    let most = |half: &[usize]| half.iter().copied().max().unwrap();
    let between_bursts = |half: &[usize]| {
        let mut sorted = half.to_vec();
        sorted.sort_unstable();
        sorted[sorted.len() / 10]
    };
    let count = |what: &AtomicUsize| what.load(Ordering::Relaxed);
    let (searches, pages, incomplete) =
        (count(&happened.searches), count(&happened.pages), count(&happened.incomplete));
    println!(
        "{searches} searches, {pages} pages of which {incomplete} lack a member, {} requests to members, {} clients that left, {} pages of walks, {} changes of the fault, {} reloads",
        count(&happened.asked),
        count(&happened.left),
        count(&happened.pages_walked),
        count(&happened.faults),
        count(&happened.reloads)
    );
    println!(
        "after:  {after:?}; resident KiB between bursts {} in the first half (most {}), {} in the second (most {})",
        between_bursts(first),
        most(first),
        between_bursts(second),
        most(second)
    );
    assert!(pages * 100 >= searches * PAGES_PERCENT_MIN, "most of it was refused, which shows nothing");
    assert!(incomplete * 100 >= pages * INCOMPLETE_PERCENT_MIN, "the faults cost nothing");
    assert!(after.tasks <= before.tasks + FEW && after.files <= before.files + FEW, "{before:?} -> {after:?}");
    assert!(between_bursts(second) <= between_bursts(first) + between_bursts(first) / GROWTH_PARTS, "{resident:?}");
}

/// Load and faults for so long.
async fn round(program: &Program, members: &[Running], time: Duration) -> Happened {
    let happened = Happened::default();
    let load = async {
        // New ones for each round, so that their connections end with it.
        let all = Clients::of(program.address(), unlike);
        let seen = all.closed_loop(CLIENTS, time).await;
        let pages = seen.iter().filter(|one| one.status == 200);
        happened.searches.store(seen.len(), Ordering::Relaxed);
        happened.incomplete.store(pages.clone().filter(|one| one.misses).count(), Ordering::Relaxed);
        happened.pages.store(pages.count(), Ordering::Relaxed);
        happened.over.store(true, Ordering::Relaxed);
        assert!(seen.iter().all(|one| [200, 502, 503, 504].contains(&one.status)));
    };
    tokio::join!(
        load,
        strike(members, &happened),
        leave(program, &happened),
        walk(program, &happened),
        tell(program, &happened)
    );
    members.iter().for_each(Running::heals);
    happened
}

/// Some searches at every member go wrong, in one way after the other.
async fn strike(members: &[Running], happened: &Happened) {
    for fault in faults().into_iter().cycle() {
        if !happened.goes_on() {
            return;
        }
        for member in members {
            member.breaks_every(ONE_OF, fault.clone());
        }
        tokio::time::sleep(FAULT).await;
        happened.asked.fetch_add(requests(members), Ordering::Relaxed);
        members.iter().for_each(Running::forget);
        one_more(&happened.faults);
    }
}

/// Clients that ask and go away before they are answered.
async fn leave(program: &Program, happened: &Happened) {
    while happened.goes_on() {
        let mut stream = TcpStream::connect(program.address()).await.unwrap();
        let request = format!("GET {} HTTP/1.1\r\nhost: broker\r\n\r\n", unlike(happened.left.load(Ordering::Relaxed)));
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
        drop(stream);
        one_more(&happened.left);
        tokio::time::sleep(LEAVE).await;
    }
}

/// Walks over whatever is there, over reloads too.
async fn walk(program: &Program, happened: &Happened) {
    let (client, first) = (reqwest::Client::new(), format!("{}/search?limit=50", program.base()));
    let mut address = first.clone();
    while happened.goes_on() {
        let page = sent(client.get(&address)).await;
        assert!([200, 502, 503, 504].contains(&page.status), "{} {}", page.status, page.text);
        let next = page.next().filter(|_| page.status == 200);
        address = next.map_or_else(|| first.clone(), |link| link["href"].as_str().unwrap().to_owned());
        one_more(&happened.pages_walked);
        tokio::time::sleep(LEAVE).await;
    }
}

/// Reloads, and says how it goes.
#[expect(clippy::print_stdout, reason = "a long run says how it goes")]
async fn tell(program: &Program, happened: &Happened) {
    let mut told = Instant::now();
    while happened.goes_on() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        happened.resident_kib.lock().unwrap().push(program.resident_kib());
        if told.elapsed() >= RELOAD {
            program.reload().await;
            one_more(&happened.reloads);
            told = Instant::now();
            println!("{:?}", program.held().await);
        }
    }
}

/// What is held when all is quiet: when it is no more than before, or when idle connections have ended.
async fn settled(program: &Program, before: Option<Held>) -> Held {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        let held = program.held().await;
        let is_quiet = before.is_some_and(|before| held.tasks <= before.tasks && held.files <= before.files);
        if is_quiet || Instant::now() >= until {
            return held;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
