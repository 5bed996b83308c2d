//! An accepted connection with the two timers that hyper lacks: one for the bytes that tell HTTP/1.1 from HTTP/2, one
//! for a client that does not read its answer. It deliberately does not know HTTP beyond the HTTP/2 preface.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Until the version of HTTP is known: the read that finds it out happens before any timer of hyper.
const FIRST_BYTES: Duration = Duration::from_secs(10);

/// How long a client may leave an answer unread before its connection is cut.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// What an HTTP/2 connection with prior knowledge begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream under the two timers.
pub struct Timed<S> {
    inner: S,
    /// Bytes of the preface seen so far; the timer is gone once they are all there or one differs.
    preface: usize,
    first: Option<Pin<Box<Sleep>>>,
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Timed<S> {
    /// Starts the first timer. Must be called inside a tokio runtime.
    pub fn new(inner: S) -> Self {
        Self { inner, preface: 0, first: Some(Box::pin(sleep(FIRST_BYTES))), stall: None }
    }

    /// Drops the first timer as soon as the version of HTTP can be told.
    fn seen(&mut self, bytes: &[u8]) {
        if self.first.is_none() || bytes.is_empty() {
            return;
        }
        let expected = &PREFACE[self.preface..];
        let compared = bytes.len().min(expected.len());
        self.preface += compared;
        if bytes[..compared] != expected[..compared] || self.preface == PREFACE.len() {
            self.first = None;
        }
    }

    /// Keeps the second timer running while writes are pending.
    fn stalled<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let timer = self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.inner).poll_read(context, buffer) {
            this.seen(&buffer.filled()[before..]);
            return Poll::Ready(read);
        }
        let Some(timer) = this.first.as_mut() else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the first bytes of the request did not arrive")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.stalled(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_silent_client_is_cut_and_half_a_preface_does_not_help() {
        for sent in [&b""[..], &b"PRI * HT"[..]] {
            let (mut client, server) = duplex(64);
            let mut timed = Timed::new(server);
            timed.first = Some(Box::pin(sleep(Duration::from_millis(5))));
            client.write_all(sent).await.unwrap();
            let mut buffer = vec![0; 64];
            let mut read = timed.read(&mut buffer).await;
            if matches!(read, Ok(count) if count > 0) {
                read = timed.read(&mut buffer).await;
            }
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn the_first_timer_ends_with_the_first_byte_that_tells() {
        for (sent, running) in [(&b"GET"[..], false), (PREFACE, false), (&PREFACE[..23], true), (&b"PRIx"[..], false)] {
            let (mut client, server) = duplex(64);
            let mut timed = Timed::new(server);
            client.write_all(sent).await.unwrap();
            timed.read_exact(&mut vec![0; sent.len()]).await.unwrap();
            assert_eq!(timed.first.is_some(), running, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (_client, server) = duplex(4);
        let mut timed = Timed::new(server);
        timed.write_all(b"four").await.unwrap();
        timed.stall = Some(Box::pin(sleep(Duration::from_millis(5))));
        assert_eq!(timed.write(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
