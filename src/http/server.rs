//! The accept loop: HTTP/1.1 and HTTP/2, with prior knowledge or as TLS negotiates it, timers, connection bound, bounded
//! drain.
//!
//! It is our own because the ready-made one installs no header timer and drains without an end. It deliberately does not
//! know what the requests are about: that begins in `door.rs`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::App;
use super::door::Door;
use super::stream::Timed;
use super::tls;

/// Open connections: each costs a file descriptor and some kilobytes.
const CONNECTIONS_MAX: u32 = 4096;
/// From the first byte of a request's head to its last.
const HEADER_READ: Duration = Duration::from_secs(10);
/// Request line and headers, also in HTTP/2: clients put every collection id into the address.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// HTTP/2 has no timer for a header block: a connection that does not answer a ping ends.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_ANSWER: Duration = Duration::from_secs(10);
/// After this a connection is asked to end, so that no client holds one for ever.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3600);
/// Requests in progress may finish for so long after the stop: longer than the longest of them may take by default.
pub(super) const DRAIN: Duration = Duration::from_secs(20);
/// Pause after an accept that failed, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address a connection came from; requests carry it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Marks requests that came over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Secure;

/// Serves until `stop` resolves, then drains.
///
/// # Errors
/// When the listener itself fails.
pub async fn serve(app: App, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
    let tls = tls::acceptor(&app.broker)?;
    let door = Door::new(app);
    let closing = door.clone();
    let watching = door.clone().watch();
    let answer = move |request| {
        let door = door.clone();
        async move { door.answer(request).await }
    };
    tokio::select! {
        served = accept_until(listener, tls, stop, DRAIN, answer, || closing.close()) => served,
        never = watching => match never {},
    }
}

/// The loop itself, whatever answers. `closing` is called when the stop comes, before the drain, which takes at most
/// `drain`.
pub(super) async fn accept_until<A, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()> + Send,
    drain: Duration,
    answer: A,
    closing: impl FnOnce() + Send,
) -> io::Result<()>
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);

    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let stopped = Stopped { told: stopped.clone(), drain };
                tokio::spawn(connection(answer.clone(), tls.clone(), stream, peer, stopped, permit));
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                warn!(%error, "accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    closing();
    drop(listener);
    // The receivers live in the connections; with none left there is nobody to tell.
    let _ = stopping.send(true);
    if timeout(drain, room.acquire_many(CONNECTIONS_MAX)).await.is_err() {
        let left = CONNECTIONS_MAX as usize - room.available_permits();
        info!(connections = left, "drain is over, connections are cut");
    }
    Ok(())
}

/// Waits for room first: connections that cannot be served stay in the listen queue.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Whether the listener is broken, rather than one connection or the moment.
fn is_final(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected | io::ErrorKind::Unsupported)
}

/// How a connection hears of the stop, and how long it may go on then.
struct Stopped {
    told: watch::Receiver<bool>,
    drain: Duration,
}

impl Stopped {
    async fn comes(&mut self) {
        // An error means that the loop is gone: that is a stop too.
        let _ = self.told.wait_for(|stopped| *stopped).await;
    }
}

/// Serves one connection to its end; a handshake costs nobody else's time.
async fn connection<A, F>(
    answer: A,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stopped: Stopped,
    _permit: OwnedSemaphorePermit,
) where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Answers are written whole: waiting for more bytes only delays their last segment.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "set TCP_NODELAY");
    }
    let peer = Peer(peer.ip().to_canonical());
    let Some(tls) = tls else {
        return talk(answer, stream, peer, false, stopped).await;
    };
    let secured = tokio::select! {
        secured = tls::secured(&tls, stream) => secured,
        () = stopped.comes() => return,
    };
    match secured {
        Ok(stream) => talk(answer, stream, peer, true, stopped).await,
        Err(error) => debug!(%error, "handshake failed"),
    }
}

/// Requests and answers of one connection, until the client, its age, or the stop ends it.
async fn talk<A, F, S>(answer: A, stream: S, peer: Peer, secure: bool, mut stopped: Stopped)
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        if secure {
            request.extensions_mut().insert(Secure);
        }
        let answered = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Timed::new(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped.comes() => None,
        () = sleep(CONNECTION_AGE_MAX) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        timeout(stopped.drain, connection).await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended");
    }
}

/// Both versions of HTTP with their timers and bounds.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ).max_buf_size(HEADER_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER);
    builder
}

#[cfg(test)]
mod tests {
    use super::super::routes::tests::federation;
    use super::*;
    use crate::broker::Broker;
    use crate::members::Registry;
    use crate::search::KeyRing;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    async fn started() -> (SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
        let federation = federation();
        let keys = Arc::new(KeyRing::from_federation(&federation).unwrap());
        let broker = Broker::of(federation, Registry::of(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        (address, stop, tokio::spawn(serve(App { broker, keys }, listener, stopped)))
    }

    async fn sent(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn http_1_with_large_headers_and_not_with_larger_ones() {
        let (address, _stop, _served) = started().await;
        let request = |bytes: usize| {
            let name = "x".repeat(bytes);
            format!("GET /health/live?{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        };
        assert!(sent(address, &request(60_000)).await.starts_with("HTTP/1.1 200"));
        let refused = sent(address, &request(70_000)).await;
        assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 4"), "{refused}");
    }

    #[tokio::test]
    async fn raw_and_encoded_paths_reach_the_same_place() {
        let (address, _stop, _served) = started().await;
        for path in ["/collections/A|x", "/collections/A%7Cx", "/collections/a%2Fb"] {
            let answer = sent(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("no collection `"), "{answer}");
        }
    }

    #[tokio::test]
    async fn http_2_with_prior_knowledge() {
        let (address, _stop, _served) = started().await;
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{address}/")).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
        assert!(answer.text().await.unwrap().contains(&format!("http://{address}/collections")));
    }

    /// Serves with a short drain. What is asked for at `/long` never ends, `/short` ends when it is told to.
    #[tokio::test]
    async fn what_is_in_progress_may_end_and_what_does_not_is_cut_after_the_drain() {
        let drain = Duration::from_secs(2);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ((stop, stopped), (go, gone)) = (oneshot::channel::<()>(), watch::channel(false));
        let (begun, mut begins) = watch::channel(0);
        let begun = Arc::new(begun);
        let answer = move |request: Request| {
            let (mut gone, begun) = (gone.clone(), Arc::clone(&begun));
            async move {
                begun.send_modify(|count| *count += 1);
                if request.uri().path() == "/long" {
                    std::future::pending::<()>().await;
                }
                gone.wait_for(|gone| *gone).await.unwrap();
                Response::new(Body::from("whole"))
            }
        };
        let closed = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let closing = Arc::clone(&closed);
        let served =
            tokio::spawn(accept_until(listener, None, async { drop(stopped.await) }, drain, answer, move || {
                closing.store(true, std::sync::atomic::Ordering::SeqCst);
            }));
        let ask = |path: &'static str| {
            tokio::spawn(async move { sent(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await })
        };
        let (long, short) = (ask("/long"), ask("/short"));
        begins.wait_for(|count| *count == 2).await.unwrap();
        let began = std::time::Instant::now();
        stop.send(()).unwrap();
        // Nobody is let in from now on, which takes a moment to be seen.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(closed.load(std::sync::atomic::Ordering::SeqCst), "not ready before anything ends");
        go.send(true).unwrap();
        assert!(short.await.unwrap().ends_with("whole"));
        assert_eq!(long.await.unwrap(), "", "cut without an answer");
        served.await.unwrap().unwrap();
        assert!(began.elapsed() >= drain, "it had its time");
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_stop() {
        let (address, stop, served) = started().await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        idle.read_exact(&mut [0; 12]).await.unwrap();
        stop.send(()).unwrap();
        timeout(Duration::from_secs(5), served).await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
