//! What a member may take, each bound by itself: a connection, the first byte, silence, speed, the whole answer; and that
//! a client may lower the deadline and not raise it.

use std::sync::Arc;
use std::time::Duration;

use stac_broker::federation::{Limits, Member as Declared};
use stac_broker::members::{Ask, Failure, Fault, Member, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Fails, Front, ScriptedMember, declared, federation_of, items};

/// Longer than any bound here: what ends by then ended by its bound.
const FAR: Duration = Duration::from_secs(60);

fn adapter(member: Declared, limits: impl FnOnce(&mut Limits)) -> (Registry, Arc<dyn Member>) {
    let mut federation = federation_of([member]);
    (federation.limits.deadline, federation.limits.member_deadline) = (FAR, FAR);
    limits(&mut federation.limits);
    let registry = Registry::new(&federation);
    let adapter = registry.iter().next().unwrap().clone();
    (registry, adapter)
}

async fn failed(adapter: &Arc<dyn Member>) -> Failure {
    adapter.search(&Ask { limit: 1, ..Ask::default() }, Instant::now() + FAR).await.unwrap_err()
}

/// A server that begins its answer well and goes on with these bytes, so far apart.
async fn slowly(bytes: usize, apart: Duration) -> Declared {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/stac", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _request = stream.read(&mut [0; 8192]).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n{ ").await?;
                loop {
                    sleep(apart).await;
                    stream.write_all(&vec![b' '; bytes]).await?;
                }
                #[expect(unreachable_code, reason = "says what the block gives")]
                std::io::Result::Ok(())
            });
        }
    });
    declared("A", url.parse().unwrap())
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let limits = Limits::default();
    assert_eq!(limits.deadline, Duration::from_secs(15));
    assert_eq!((limits.connect, limits.member_deadline), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!((limits.in_flight_max, limits.buffered_bytes_max), (1024, 1 << 30));
    assert_eq!((limits.answer_bytes_max, limits.check_every_s), (32 << 20, 30));
}

/// A member whose queue of connections is full answers to no connection at all.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_does_not_come_ends_by_its_own_bound_and_is_not_waited_for_again_at_once() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 100, "its queue has no end");
    }
    let (registry, member) = adapter(declared("A", format!("http://{address}/stac").parse().unwrap()), |limits| {
        limits.connect = Duration::from_millis(300);
    });
    let first = failed(&member).await;
    assert_eq!((first.fault, first.retry_after_s), (Fault::Unreachable, None), "{first}");
    let told = registry.guard("A", stac_broker::members::Service::Catalogue).unwrap();
    assert_eq!(told.withheld().map(|withheld| withheld.fault), Some(Fault::Unreachable));
    let second = failed(&member).await;
    assert_eq!(second.fault, Fault::Unreachable);
    assert!(second.retry_after_s.is_some_and(|seconds| seconds <= 5), "it was not tried: {second:?}");
}

#[tokio::test]
async fn a_name_that_is_not_found_is_not_asked_for_again_at_once() {
    let (_registry, member) = adapter(declared("A", "http://no-such-name.invalid/stac".parse().unwrap()), |_| ());
    let (first, second) = (failed(&member).await, failed(&member).await);
    assert_eq!((first.fault, first.retry_after_s), (Fault::Unreachable, None), "{first}");
    assert_eq!(second.fault, Fault::Unreachable);
    assert!(second.retry_after_s.is_some_and(|seconds| seconds <= 5), "it was not tried: {second:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_begin_ends_before_the_member_s_whole_time() {
    let hangs = ScriptedMember::new("A").fails(Fails::Hang).start().await;
    let mut member = hangs.declared();
    member.request.deadline = Some(Duration::from_secs(1));
    let failed = failed(&adapter(member, |_| ()).1).await;
    assert_eq!((failed.fault, failed.detail.as_str()), (Fault::Timeout, "no answer began in time"));
}

#[tokio::test]
async fn an_answer_that_goes_on_too_long_ends_with_the_member_s_time() {
    let mut member = slowly(4096, Duration::from_millis(100)).await;
    member.request.deadline = Some(Duration::from_millis(1_500));
    let failed = failed(&adapter(member, |_| ()).1).await;
    assert_eq!((failed.fault, failed.detail.as_str()), (Fault::Timeout, "no whole answer by the deadline"));
}

#[tokio::test]
async fn silence_and_too_little_speed_end_an_answer() {
    let silent = async {
        let member = slowly(1, Duration::from_secs(3600)).await;
        failed(&adapter(member, |_| ()).1).await
    };
    let slow = async {
        let member = slowly(100, Duration::from_millis(200)).await;
        failed(&adapter(member, |_| ()).1).await
    };
    let (silent, slow) = tokio::join!(silent, slow);
    assert_eq!((silent.fault, silent.detail.as_str()), (Fault::Timeout, "body stopped"));
    assert_eq!((slow.fault, slow.detail.as_str()), (Fault::Timeout, "body comes slower than 1 KiB/s"));
}

#[tokio::test]
async fn a_client_cannot_raise_its_deadline() {
    let hangs = ScriptedMember::new("A").items(items("a", 3)).start().await;
    let mut federation = federation_of([hangs.declared()]);
    (federation.limits.deadline, federation.limits.member_deadline) = (Duration::from_secs(1), FAR);
    let front = Front::of(federation).await;
    hangs.breaks(Fails::Hang);
    let page = front.get_with("/search", "prefer", "wait=3600").await;
    assert_eq!((page.status, page.json()["code"].as_str()), (504, Some("MembersTimedOut")), "{}", page.text);
    assert!(page.took < FAR / 2, "{:?}", page.took);
}
