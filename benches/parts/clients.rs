//! Many clients on kept connections, cheap enough to be more than the broker can serve.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub status: u16,
    /// Refused at the door: the broker is overloaded.
    pub refused: bool,
    /// Whether it says when to come back, and whether it says that something is missing.
    pub says_when: bool,
    pub misses: bool,
    /// From the moment the request was due.
    pub took: Duration,
    /// So much later than that it was sent: what the client, not the broker, was late.
    pub late: Duration,
}

/// A connection.
struct Wire {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// All connections to one broker.
#[derive(Clone)]
pub struct Clients(Arc<Shared>);

struct Shared {
    to: SocketAddr,
    idle: Mutex<Vec<Wire>>,
    asked: AtomicUsize,
    /// The path of the n-th request.
    path: fn(usize) -> String,
}

impl Clients {
    pub fn of(to: SocketAddr, path: fn(usize) -> String) -> Self {
        Self(Arc::new(Shared { to, idle: Mutex::default(), asked: AtomicUsize::new(0), path }))
    }

    /// A request like no other, due now.
    pub async fn ask(&self, due: Instant) -> Seen {
        let path = (self.0.path)(self.0.asked.fetch_add(1, Ordering::Relaxed));
        let idle = self.0.idle.lock().unwrap().pop();
        let mut wire = match idle {
            Some(wire) => wire,
            None => Wire { stream: connected(self.0.to).await, answer: Vec::new() },
        };
        let seen = wire.ask(&path, due).await;
        self.0.idle.lock().unwrap().push(wire);
        seen
    }

    /// So many clients for so long, each of which asks when it has its answer.
    pub async fn closed_loop(&self, clients: usize, time: Duration) -> Vec<Seen> {
        let until = Instant::now() + time;
        let one = |_| {
            let all = self.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while Instant::now() < until {
                    seen.push(all.ask(Instant::now()).await);
                }
                seen
            })
        };
        let all: Vec<_> = (0..clients).map(one).collect();
        let mut seen = Vec::new();
        for client in all {
            seen.extend(client.await.unwrap());
        }
        seen
    }

    /// So many requests a second for so long, whatever becomes of them.
    pub async fn open_loop(&self, per_s: f64, time: Duration) -> Vec<Seen> {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        let mut asked = Vec::new();
        while began.elapsed() < time {
            tick.tick().await;
            loop {
                let due = began + Duration::from_secs_f64(f64::from(u32::try_from(asked.len()).unwrap()) / per_s);
                if due > Instant::now() {
                    break;
                }
                let all = self.clone();
                asked.push(tokio::spawn(async move { all.ask(due).await }));
            }
        }
        let mut seen = Vec::new();
        for one in asked {
            seen.push(one.await.unwrap());
        }
        seen
    }
}

async fn connected(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Wire {
    async fn ask(&mut self, path: &str, due: Instant) -> Seen {
        let request = format!("GET {path} HTTP/1.1\r\nhost: broker\r\n\r\n");
        let late = due.elapsed();
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.answer.clear();
        let head = loop {
            self.more().await;
            if let Some(at) = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
        };
        let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").expect("an answer says its length").parse().unwrap();
        let status: u16 = text.split(' ').nth(1).unwrap().parse().unwrap();
        let (says_when, misses) = (header("retry-after:").is_some(), header("federation-missing:").is_some());
        while self.answer.len() < head + 4 + length {
            self.more().await;
        }
        let refused = status == 503 && self.answer.windows(12).any(|bytes| bytes == b"\"Overloaded\"");
        Seen { status, refused, says_when, misses, took: due.elapsed(), late }
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.answer).await.unwrap();
        assert!(read > 0, "the broker closed a connection in the middle of an answer");
    }
}

/// The time within which so many percent of these were answered.
pub fn percentile<'a>(seen: impl IntoIterator<Item = &'a Seen>, percent: usize) -> Duration {
    let mut took: Vec<Duration> = seen.into_iter().map(|one| one.took).collect();
    took.sort_unstable();
    took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
pub fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b as f64
}
