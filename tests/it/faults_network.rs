//! What networks do to a member's connections, times where in an answer it strikes, on real sockets.
//!
//! Every cell is the same promise: an answer in time, all Items of the healthy member, order and uniqueness on the way,
//! and whatever may be missing declared.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use stac_broker::federation::{Federation, Member};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::front::names;
use crate::support::oracle::Oracle;
use crate::support::proxy::{PHASES, Phase, Proxy, TOXICS, Toxic};
use crate::support::{Front, ScriptedMember, declared, federation_of, items};

/// What a member may take, and a client may wait.
const MEMBER_DEADLINE: Duration = Duration::from_millis(1_500);
const DEADLINE: Duration = Duration::from_secs(3);
/// Beyond the deadline: what is promised is 200 ms, the rest is for a machine that does other things too.
const MARGIN: Duration = Duration::from_millis(2_200);
/// Cells at a time: they mostly wait.
const AT_ONCE: usize = 4;
const ITEMS: usize = 60;
const PAGE_CAP: usize = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Network(Toxic, Phase),
    Tls(Handshake),
    /// A name that leads nowhere.
    NoName,
}

/// How a TLS handshake goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handshake {
    Closed,
    PlainHttp,
    Alert,
    Hangs,
}

fn cells() -> Vec<Cell> {
    let network = TOXICS.into_iter().flat_map(|toxic| PHASES.map(|phase| Cell::Network(toxic, phase)));
    let tls = [Handshake::Closed, Handshake::PlainHttp, Handshake::Alert, Handshake::Hangs].map(Cell::Tls);
    network.chain(tls).chain([Cell::NoName]).collect()
}

/// Whether everything arrives all the same, only later or otherwise.
fn is_harmless(cell: Cell) -> bool {
    matches!(cell, Cell::Network(Toxic::Latency | Toxic::Slicing, _))
}

/// The healthy member may take all the time there is; so may the other one where it gives everything after all.
fn federation(cell: Cell, good: Member, bad: Member) -> Federation {
    let mut federation = federation_of([good, bad]);
    federation.limits.deadline = if is_harmless(cell) { 4 * DEADLINE } else { DEADLINE };
    federation.limits.member_deadline = federation.limits.deadline;
    federation.members[1].request.deadline = (!is_harmless(cell)).then_some(MEMBER_DEADLINE);
    federation
}

/// A server that goes wrong in its TLS handshake.
async fn bad_tls(handshake: Handshake) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut hello = [0; 4096];
                let _ = stream.read(&mut hello).await;
                let said: &[u8] = match handshake {
                    Handshake::Closed => b"",
                    Handshake::PlainHttp => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                    // fatal, handshake_failure
                    Handshake::Alert => &[0x15, 3, 3, 0, 2, 2, 40],
                    Handshake::Hangs => return while stream.read(&mut hello).await.is_ok_and(|read| read > 0) {},
                };
                drop(stream.write_all(said).await);
            });
        }
    });
    port
}

async fn check(cell: Cell) {
    let good = ScriptedMember::new("GOOD").items(items("good", ITEMS)).start().await;
    let bad = ScriptedMember::new("BAD").items(items("bad", ITEMS)).page_cap(PAGE_CAP).start().await;
    let mut member = bad.declared();
    let mut proxy = None;
    match cell {
        Cell::Network(toxic, phase) => {
            let started = Proxy::start(bad.address(), toxic, phase).await;
            member.url.set_port(Some(started.address.port())).unwrap();
            proxy = Some(started);
        }
        Cell::Tls(handshake) => {
            member.url = format!("https://127.0.0.1:{}/stac", bad_tls(handshake).await).parse().unwrap();
        }
        Cell::NoName => member = declared("BAD", "http://no-such-name.invalid/stac".parse().unwrap()),
    }
    let front = Front::of(federation(cell, good.declared(), member)).await;
    if let Some(proxy) = &proxy {
        proxy.strike();
    }
    let pages = front.walk_get("/search?limit=50&sortby=-datetime").await;
    for page in pages.iter().filter(|_| !is_harmless(cell)) {
        assert!(page.took < DEADLINE + MARGIN, "{cell:?} took {:?}", page.took);
    }
    let both = [("GOOD", items("good", ITEMS)), ("BAD", items("bad", ITEMS))];
    let wanted = Oracle::of(both.iter().map(|(id, items)| (*id, items.as_slice()))).newest_first();
    let got = names(&pages);
    let last = pages.last().unwrap();
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "{cell:?}: nothing twice");
    let in_order: Vec<String> = wanted.iter().filter(|name| got.contains(name)).cloned().collect();
    assert_eq!(got, in_order, "{cell:?}: in order");
    let missed = wanted.iter().filter(|name| !got.contains(name));
    let of_good = missed.clone().filter(|name| name.starts_with("GOOD")).count();
    assert_eq!(of_good, 0, "{cell:?}: the healthy member's Items");
    if is_harmless(cell) {
        assert_eq!((missed.count(), last.missing().len()), (0, 0), "{cell:?}: {}", last.report());
    } else {
        assert!(missed.count() > 0, "{cell:?} struck nothing");
        assert_eq!(last.missing(), ["BAD"], "{cell:?}: {}", last.report());
        assert_eq!(last.header("federation-missing"), "BAD");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_phase_is_answered_in_time_and_declared() {
    let all = cells();
    assert!(all.len() >= 40, "{}", all.len());
    futures::stream::iter(all)
        .map(|cell| tokio::spawn(check(cell)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async {
            done.unwrap();
        })
        .await;
}
