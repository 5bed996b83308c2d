//! What networks do to a member's connections, times where in an answer it strikes, on real sockets.
//!
//! Every cell is the same promise: each page by its deadline and 200 ms, all Items of the healthy member, order and
//! uniqueness on the way, and whatever may be missing declared. Each fault in each phase is tried on every run, on one
//! kind of member after the other; `STAC_BROKER_FAULT_CELLS=all` tries it on all of them, and `Hang Files` those cells
//! whose names have these words. A table is printed.

mod victims;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use stac_broker::federation::{Federation, Member};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::front::{Reply, names};
use crate::support::oracle::Oracle;
use crate::support::proxy::{PHASES, Phase, Proxy, TOXICS, Toxic};
use crate::support::{Front, federation_of};
use victims::{VICTIMS, Victim};

/// What a client may wait: so long that the healthy member answers within it on a machine that does other things too.
const DEADLINE: Duration = Duration::from_secs(2);
/// What is promised beyond it.
const PROMISED: Duration = Duration::from_millis(200);
/// Where this machine kept a run waiting for longer than this, the healthy member may have had no time: it is tried again.
const BUSY: Duration = Duration::from_millis(250);
/// Cells at a time: they mostly wait.
const AT_ONCE: usize = 12;
/// Names the folder of certificates in the run whose clients trust them.
const TRUSTED: &str = "STAC_BROKER_FAULT_CERTIFICATES";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Network(Toxic, Phase),
    Tls(Handshake),
    /// A name that leads nowhere.
    NoName,
}

/// How a TLS handshake goes wrong by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    PlainHttp,
    Alert,
    /// A certificate that nobody trusts.
    Stranger,
}

fn faults() -> Vec<Fault> {
    let network = TOXICS.into_iter().flat_map(|toxic| PHASES.map(|phase| Fault::Network(toxic, phase)));
    let tls = [Handshake::PlainHttp, Handshake::Alert, Handshake::Stranger].map(Fault::Tls);
    network.chain(tls).chain([Fault::NoName]).collect()
}

/// Every fault once, on one kind of member after the other; or on each; or those that are named.
fn cells(which: Option<&str>) -> Vec<(Fault, Victim)> {
    let faults = faults();
    let all = VICTIMS.into_iter().flat_map(|victim| faults.iter().map(move |fault| (*fault, victim)));
    let is_named = |cell: &(Fault, Victim), words: &str| {
        let name = format!("{cell:?}");
        words.split_whitespace().all(|word| name.contains(word))
    };
    match which {
        None => faults.iter().enumerate().map(|(number, fault)| (*fault, VICTIMS[number % VICTIMS.len()])).collect(),
        Some("all") => all.collect(),
        Some(words) => all.filter(|cell| is_named(cell, words)).collect(),
    }
}

/// Whether everything arrives all the same, only later or otherwise.
fn is_harmless(fault: Fault) -> bool {
    matches!(fault, Fault::Network(Toxic::Latency | Toxic::Slicing, _))
}

/// Where everything is to arrive it may take all the time there is.
fn federation(fault: Fault, deadline: Duration, good: Member, bad: Member) -> Federation {
    let mut federation = federation_of([good, bad]);
    federation.limits.deadline = if is_harmless(fault) { 6 * deadline } else { deadline };
    federation.limits.member_deadline = federation.limits.deadline;
    federation.limits.connect = federation.limits.deadline / 2;
    federation
}

/// A certificate for this machine, and its key, in PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn acceptor((certificate, key): (&str, &str)) -> TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server whose TLS goes wrong by itself.
async fn bad_tls(handshake: Handshake) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = pair();
    let stranger = acceptor((&own.0, &own.1));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stranger = stranger.clone();
            // how it ends is what this is about
            tokio::spawn(async move { drop(spoilt(stream, handshake, &stranger).await) });
        }
    });
    port
}

async fn spoilt(mut stream: TcpStream, handshake: Handshake, stranger: &TlsAcceptor) -> std::io::Result<()> {
    let said: &[u8] = match handshake {
        Handshake::PlainHttp => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        // fatal, handshake_failure
        Handshake::Alert => &[0x15, 3, 3, 0, 2, 2, 40],
        Handshake::Stranger => return stranger.accept(stream).await.map(drop),
    };
    let _hello = stream.read(&mut [0; 4096]).await?;
    stream.write_all(said).await
}

/// How long this machine kept what could run waiting, as far as one task sees it.
#[derive(Clone, Default)]
struct Lag(Arc<AtomicU64>);

impl Lag {
    /// Longer than a timer is late by itself.
    const LATE: Duration = Duration::from_millis(8);
    const TICK: Duration = Duration::from_millis(5);

    fn watch(&self) -> tokio::task::JoinHandle<()> {
        let lag = self.0.clone();
        tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                tokio::time::sleep(Self::TICK).await;
                let late = begun.elapsed().saturating_sub(Self::TICK);
                if late > Self::LATE {
                    lag.fetch_add(u64::try_from(late.as_micros()).unwrap(), Ordering::Relaxed);
                }
            }
        })
    }

    fn so_far(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// What became of a cell.
struct Told {
    slowest: Duration,
    /// By how much the latest page came after its deadline.
    late: Duration,
    pages: usize,
    missed: usize,
}

/// A page and what the machine did to it.
struct Timed {
    reply: Reply,
    lag: Duration,
}

/// Walks as clients do, noting the lag of each page.
async fn walked(front: &Front, lag: &Lag) -> Vec<Timed> {
    let mut pages: Vec<Timed> = Vec::new();
    loop {
        assert!(pages.len() < 50, "a walk that does not end");
        let before = lag.so_far();
        let reply = match pages.last().map(|page| page.reply.next()) {
            None => front.get("/search?limit=50&sortby=-datetime").await,
            Some(Some(next)) => front.follow(&next).await,
            Some(None) => return pages,
        };
        assert_eq!(reply.status, 200, "{}", reply.text);
        pages.push(Timed { reply, lag: lag.so_far().saturating_sub(before) });
    }
}

/// A cell; once more with more time where this machine gave the healthy member none.
async fn check(fault: Fault, victim: Victim, certificates: PathBuf, lag: Lag) -> Told {
    let mut deadline = DEADLINE;
    loop {
        let before = lag.so_far();
        match attempt(fault, victim, deadline, &certificates, &lag).await {
            Ok(told) => return told,
            Err(why) => {
                let busy = lag.so_far().saturating_sub(before);
                assert!(busy > BUSY && deadline < 10 * DEADLINE, "{fault:?} on {victim:?}: {why} (busy {busy:?})");
                deadline *= 3;
            }
        }
    }
}

async fn attempt(
    fault: Fault,
    victim: Victim,
    deadline: Duration,
    certificates: &Path,
    lag: &Lag,
) -> Result<Told, String> {
    let (good, bad) = (Victim::Post.start("GOOD").await, victim.start("BAD").await);
    let mut member = bad.member.clone();
    let mut proxy = None;
    match fault {
        Fault::Network(toxic, phase) => {
            let read = |name: &str| std::fs::read_to_string(certificates.join(name)).unwrap();
            let tls = (phase == Phase::Tls).then(|| acceptor((&read("cert.pem"), &read("key.pem"))));
            let started = Proxy::start(bad.address(), (toxic, phase), victim.pages(), tls).await;
            member.url.set_port(Some(started.address.port())).unwrap();
            if phase == Phase::Tls {
                member.url.set_scheme("https").unwrap();
            }
            proxy = Some(started);
        }
        Fault::Tls(handshake) => {
            member.url.set_port(Some(bad_tls(handshake).await)).unwrap();
            member.url.set_scheme("https").unwrap();
        }
        Fault::NoName => member.url.set_host(Some("no-such-name.invalid")).unwrap(),
    }
    let federation = federation(fault, deadline, good.member.clone(), member);
    let whole = federation.limits.deadline;
    let strike = || proxy.iter().for_each(Proxy::strike);
    let front = if victim.is_read_whole() {
        // What was read before the fault is there all the same: it has to strike the first reading.
        strike();
        Front::unread(federation).await
    } else {
        let front = Front::of(federation).await;
        strike();
        front
    };
    let pages = walked(&front, lag).await;
    for page in &pages {
        let late = page.reply.took.saturating_sub(whole);
        if late > PROMISED + page.lag {
            return Err(format!("a page came {late:?} after its deadline"));
        }
    }
    let told = Told {
        slowest: pages.iter().map(|page| page.reply.took).max().unwrap(),
        late: pages.iter().map(|page| page.reply.took.saturating_sub(whole)).max().unwrap(),
        pages: pages.len(),
        missed: 0,
    };
    let pages: Vec<Reply> = pages.into_iter().map(|page| page.reply).collect();
    let both = Oracle::of([("GOOD", good.items.as_slice()), ("BAD", bad.items.as_slice())]);
    let missed = judged(fault, &both.newest_first(), &pages)?;
    Ok(Told { missed, ..told })
}

/// Whether these pages are what was promised; gives how many Items they lack.
fn judged(fault: Fault, wanted: &[String], pages: &[Reply]) -> Result<usize, String> {
    let (got, last) = (names(pages), pages.last().unwrap());
    let all: HashSet<&String> = got.iter().collect();
    assert_eq!(all.len(), got.len(), "{fault:?}: nothing twice");
    let in_order: Vec<&String> = wanted.iter().filter(|name| all.contains(name)).collect();
    assert_eq!(got.iter().collect::<Vec<_>>(), in_order, "{fault:?}: in order, and nothing that nobody has");
    let missed: Vec<&String> = wanted.iter().filter(|name| !all.contains(name)).collect();
    let declared = last.missing();
    if missed.iter().any(|name| name.starts_with("GOOD")) {
        assert!(declared.contains(&"GOOD".to_owned()), "{fault:?}: lost and not declared");
        return Err(format!("the healthy member's Items are not all there: {}", last.report()));
    }
    assert_eq!(last.header("federation-missing"), declared.join(", "), "{fault:?}");
    let wanted = if is_harmless(fault) { vec![] } else { vec!["BAD".to_owned()] };
    if declared != wanted {
        return Err(format!("missing: {declared:?}: {}", last.report()));
    }
    match (missed.is_empty(), is_harmless(fault)) {
        (true, true) | (false, false) => Ok(missed.len()),
        (true, false) => Err("it struck nothing".to_owned()),
        (false, true) => panic!("{fault:?}: lost and not declared: {missed:?}"),
    }
}

/// One row for each fault, one column for each phase.
fn table(told: &[(Fault, Victim, Told)]) -> String {
    let mut rows: Vec<(String, HashMap<usize, String>)> = Vec::new();
    for (fault, victim, told) in told {
        let (row, column) = match fault {
            Fault::Network(toxic, phase) => {
                (format!("{toxic:?}"), PHASES.iter().position(|known| known == phase).unwrap())
            }
            Fault::Tls(handshake) => (format!("TLS {handshake:?}"), 1),
            Fault::NoName => ("no name".to_owned(), 0),
        };
        let seconds = told.slowest.as_secs_f32();
        let cell = format!("{victim:?} {seconds:.1} s, -{} of {}", told.missed, 2 * victims::ITEMS);
        let at = rows.iter().position(|(name, _)| *name == row).unwrap_or_else(|| {
            rows.push((row, HashMap::new()));
            rows.len() - 1
        });
        let cells = rows[at].1.entry(column).or_default();
        *cells = if cells.is_empty() { cell } else { format!("{cells}; {cell}") };
    }
    let head = format!("| fault | {} |", PHASES.map(|phase| format!("{phase:?}")).join(" | "));
    let rule = format!("|---|{}", "---|".repeat(PHASES.len()));
    let written = rows.into_iter().map(|(name, cells)| {
        let cells = (0..PHASES.len()).map(|column| cells.get(&column).cloned().unwrap_or_default());
        format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))
    });
    [head, rule].into_iter().chain(written).collect::<Vec<_>>().join("\n")
}

/// The cells themselves, in a process whose clients trust the certificate of the proxies.
#[expect(clippy::print_stdout, reason = "the table is what people run it for")]
async fn run(certificates: &Path) {
    let begun = Instant::now();
    let lag = Lag::default();
    let watching = lag.watch();
    let which = std::env::var("STAC_BROKER_FAULT_CELLS").ok();
    let cells = cells(which.as_deref());
    assert!(!cells.is_empty(), "no cell has these words");
    assert!(which.is_some() || cells.len() >= 50, "{}", cells.len());
    let mut told: Vec<(usize, Fault, Victim, Told)> = futures::stream::iter(cells.into_iter().enumerate())
        .map(|(number, (fault, victim))| {
            let cell = tokio::spawn(check(fault, victim, certificates.to_owned(), lag.clone()));
            async move { (number, fault, victim, cell.await.unwrap()) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    watching.abort();
    told.sort_by_key(|(number, ..)| *number);
    let told: Vec<(Fault, Victim, Told)> =
        told.into_iter().map(|(_, fault, victim, told)| (fault, victim, told)).collect();
    println!("{}", table(&told));
    let late = told.iter().map(|(.., told)| told.late).max().unwrap_or_default();
    let pages: usize = told.iter().map(|(.., told)| told.pages).sum();
    println!(
        "{} cells, {pages} pages in {:.0} s; latest page {} ms after its deadline; this machine kept what could run waiting for {:.1} s",
        told.len(),
        begun.elapsed().as_secs_f32(),
        late.as_millis(),
        lag.so_far().as_secs_f32(),
    );
}

/// Members' certificates are checked against those of the system, which are read once in a process: so this runs in one
/// of its own, to which the system's certificates are the one of the proxies.
#[test]
fn every_fault_in_every_phase_is_answered_in_time_and_declared() {
    if let Ok(folder) = std::env::var(TRUSTED) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(run(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    std::fs::write(folder.path().join("cert.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("key.pem"), key).unwrap();
    let name = "faults_network::every_fault_in_every_phase_is_answered_in_time_and_declared";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(TRUSTED, folder.path())
        .env("SSL_CERT_FILE", folder.path().join("cert.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("cells, "), "it ran: {said}");
}
