//! A proxy on loopback that does to a member's connections what networks do.
//!
//! Each connection carries one request: it is read, passed on, and the whole answer is taken before any of it is given
//! back, so that a fault strikes at the very byte it is meant for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// The rest comes later.
    Latency,
    /// Closed.
    Down,
    /// The rest comes at some bytes a second.
    Bandwidth,
    /// Nothing more comes, and the connection is closed later.
    SlowClose,
    /// Nothing more comes, ever.
    Hang,
    /// The connection is reset.
    Reset,
    /// The rest comes in slices of a few bytes.
    Slicing,
    /// Some more bytes come, then it is closed.
    Cut,
}

/// Where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the request is read.
    Connect,
    /// In the middle of the handshake; the proxy speaks TLS then.
    Tls,
    /// In the middle of the answer's head.
    Headers,
    /// Between head and body.
    FirstByte,
    MidBody,
    /// In the body of the second and every later page.
    PageK,
}

pub const TOXICS: [Toxic; 8] = [
    Toxic::Latency,
    Toxic::Down,
    Toxic::Bandwidth,
    Toxic::SlowClose,
    Toxic::Hang,
    Toxic::Reset,
    Toxic::Slicing,
    Toxic::Cut,
];
pub const PHASES: [Phase; 6] =
    [Phase::Connect, Phase::Tls, Phase::Headers, Phase::FirstByte, Phase::MidBody, Phase::PageK];

/// How late what is late comes.
const LATE: Duration = Duration::from_millis(150);
/// Bytes after which a connection is cut, and of a slice.
const CUT_AFTER: usize = 9;
const SLICE: usize = 7;
/// After so many slices they become larger, so that a busy machine is not taken for a member that is too slow.
const SLICES: usize = 20;
const SLICE_LATER: usize = 500;

/// A running proxy. Dropping it stops it.
pub struct Proxy {
    pub address: SocketAddr,
    on: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Stands before a member; until it is switched on it does nothing. `pages` stands in the first line of requests
    /// for pages. With `tls` it speaks TLS, and plain HTTP to the member.
    pub async fn start(
        member: SocketAddr,
        (toxic, phase): (Toxic, Phase),
        pages: &'static str,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let on = Arc::new(AtomicBool::new(false));
        let (is_on, searches) = (on.clone(), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let toxic = is_on.load(Ordering::SeqCst).then_some((toxic, phase));
                let (searches, tls) = (searches.clone(), tls.clone());
                connections.spawn(async move {
                    // how a connection ends is what this is about
                    drop(match tls {
                        Some(tls) => secured(stream, member, toxic.map(|(toxic, _)| toxic), &tls).await,
                        None => connection(stream, member, toxic, (&searches, pages)).await,
                    });
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, on, task }
    }

    /// From now on the fault strikes.
    pub fn strike(&self) {
        self.on.store(true, Ordering::SeqCst);
    }
}

async fn connection(
    mut stream: TcpStream,
    member: SocketAddr,
    toxic: Option<(Toxic, Phase)>,
    (searches, pages): (&AtomicUsize, &str),
) -> io::Result<()> {
    if let Some((toxic, Phase::Connect)) = toxic {
        match at_once(stream, toxic).await? {
            Some(spared) => stream = spared,
            None => return Ok(()),
        }
    }
    let slowly = matches!(toxic, Some((Toxic::Slicing, Phase::Connect)));
    let request = read_request(&mut stream, if slowly { 1 } else { 4096 }).await?;
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let is_search = line.windows(pages.len()).any(|bytes| bytes == pages.as_bytes());
    let number = searches.fetch_add(usize::from(is_search && toxic.is_some()), Ordering::SeqCst);
    let answer = answer_of(member, &request).await?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let body = answer.len() - head;
    let strikes = toxic.filter(|_| is_search).and_then(|(toxic, phase)| match phase {
        Phase::Connect | Phase::Tls => None,
        Phase::Headers => Some((toxic, head / 2)),
        Phase::FirstByte => Some((toxic, head)),
        Phase::MidBody => Some((toxic, head + body / 2)),
        Phase::PageK => (number > 0).then_some((toxic, head + body / 2)),
    });
    match strikes {
        None => stream.write_all(&answer).await?,
        Some((toxic, at)) => {
            stream.write_all(&answer[..at]).await?;
            stream = match rest(stream, toxic, &answer[at..]).await? {
                Some(stream) => stream,
                None => return Ok(()),
            };
        }
    }
    stream.shutdown().await
}

/// What happens before anything was said; `None`: that was the end of the connection.
async fn at_once(mut stream: TcpStream, toxic: Toxic) -> io::Result<Option<TcpStream>> {
    match toxic {
        Toxic::Latency => sleep(LATE).await,
        Toxic::Slicing => {}
        Toxic::Bandwidth | Toxic::Hang => {
            hang(stream).await?;
            return Ok(None);
        }
        Toxic::Reset => {
            stream.set_zero_linger()?;
            return Ok(None);
        }
        Toxic::Down | Toxic::SlowClose | Toxic::Cut => {
            if toxic == Toxic::SlowClose {
                sleep(LATE).await;
            }
            if toxic == Toxic::Cut {
                stream.read_exact(&mut [0; CUT_AFTER]).await?;
            }
            stream.shutdown().await?;
            return Ok(None);
        }
    }
    Ok(Some(stream))
}

/// A connection with TLS, whose handshake is struck after the client's first words.
async fn secured(mut stream: TcpStream, member: SocketAddr, toxic: Option<Toxic>, tls: &TlsAcceptor) -> io::Result<()> {
    let mut slice = usize::MAX;
    match toxic {
        None => {}
        Some(Toxic::Latency) => sleep(LATE).await,
        Some(Toxic::Slicing) => slice = SLICE,
        Some(toxic) => {
            let _hello = stream.read(&mut [0; 4096]).await?;
            // The head of a ServerHello, and then what strikes.
            stream.write_all(&[0x16, 3, 3, 0, 122, 2, 0, 0, 118]).await?;
            let Some(stream) = rest(stream, toxic, &[0; 122]).await? else { return Ok(()) };
            let mut stream = stream;
            return stream.shutdown().await;
        }
    }
    let mut stream = tls.accept(Sliced { stream, slice }).await?;
    let request = read_request(&mut stream, 4096).await?;
    let answer = answer_of(member, &request).await?;
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// Writes at most so many bytes at once.
struct Sliced {
    stream: TcpStream,
    slice: usize,
}

impl AsyncRead for Sliced {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Sliced {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let most = bytes.len().min(self.slice);
        Pin::new(&mut self.stream).poll_write(context, &bytes[..most])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Gives the rest of an answer, or not; `None` when the connection is gone.
async fn rest(mut stream: TcpStream, toxic: Toxic, rest: &[u8]) -> io::Result<Option<TcpStream>> {
    match toxic {
        Toxic::Latency => {
            sleep(LATE).await;
            stream.write_all(rest).await?;
        }
        Toxic::Slicing => {
            let (first, later) = rest.split_at(rest.len().min(SLICE * SLICES));
            for slice in first.chunks(SLICE).chain(later.chunks(SLICE_LATER)) {
                stream.write_all(slice).await?;
                tokio::task::yield_now().await;
            }
        }
        Toxic::Bandwidth => {
            for slice in rest.chunks(SLICE) {
                stream.write_all(slice).await?;
                sleep(LATE / 5).await;
            }
        }
        Toxic::Down => {}
        Toxic::SlowClose => sleep(LATE).await,
        Toxic::Cut => stream.write_all(&rest[..rest.len().min(CUT_AFTER)]).await?,
        Toxic::Hang => {
            hang(stream).await?;
            return Ok(None);
        }
        Toxic::Reset => {
            // What was sent has to arrive before the reset overtakes it.
            sleep(LATE / 5).await;
            stream.set_zero_linger()?;
            return Ok(None);
        }
    }
    Ok(Some(stream))
}

/// Until the other side goes away.
async fn hang(mut stream: TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// A whole request: its head, and as much of a body as that announces.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), at_once: usize) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut part = vec![0; at_once];
    loop {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&part[..read]);
        let Some(head) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
        if request.len() >= head + 4 + length {
            return Ok(request);
        }
    }
}

/// The member's whole answer, to the end of a connection of its own.
async fn answer_of(member: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(member).await?;
    let line = request.windows(2).position(|bytes| bytes == b"\r\n").unwrap_or(0) + 2;
    upstream.write_all(&request[..line]).await?;
    upstream.write_all(b"connection: close\r\n").await?;
    upstream.write_all(&request[line..]).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}
