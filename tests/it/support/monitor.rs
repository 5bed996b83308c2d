//! A loopback address that nobody configured: hostile answers point at it, and nothing may ever connect to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts connections to an address outside the federation.
pub struct OutboundMonitor {
    /// `http://127.0.0.1:PORT`, for members to print.
    pub base: String,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl OutboundMonitor {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { base, connections, task }
    }

    /// Fails the test when anything connected.
    pub fn assert_untouched(&self) {
        assert_eq!(self.connections.load(Ordering::SeqCst), 0, "a connection to an address that no member owns");
    }
}

impl Drop for OutboundMonitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}
