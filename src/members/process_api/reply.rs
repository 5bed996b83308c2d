//! An answer whose headers are there: its body is read whole within a bound, or passed on as it comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::super::line::{failure, sending};
use super::super::memory::Memory;
use super::super::{Failure, Fault};

/// A body that gives nothing for this long is given up (`processes.md` 1.2).
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// An answer, its body still on the way.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from, after redirects: links in it are relative to this.
    pub url: Url,
    response: reqwest::Response,
    memory: Arc<Memory>,
    idle: Duration,
}

/// A body read up to a bound.
pub enum Buffered {
    Whole(Bytes),
    /// Larger than the bound: what was read so far, and the rest as it comes.
    Longer(BodyStream),
}

/// Parts of a body as they come. Ends with an error when the member falls silent or breaks off.
pub type BodyStream = BoxStream<'static, Result<Bytes, Failure>>;

impl Reply {
    pub(super) fn new(response: reqwest::Response, url: Url, memory: Arc<Memory>, idle: Duration) -> Self {
        Self { status: response.status(), headers: response.headers().clone(), url, response, memory, idle }
    }

    /// The whole body, decompressed, of at most so many bytes and before the deadline.
    ///
    /// # Errors
    /// When it is larger, late, or breaks off.
    pub async fn document(self, bytes_max: usize, deadline: Instant) -> Result<Bytes, Failure> {
        match self.buffered(bytes_max, deadline).await? {
            Buffered::Whole(bytes) => Ok(bytes),
            Buffered::Longer(_) => Err(failure(Fault::TooLarge, "answer over the bound on bytes")),
        }
    }

    /// Reads so many bytes; a longer body goes on as a stream.
    ///
    /// # Errors
    /// When it is late or breaks off within the bound.
    pub async fn buffered(mut self, bytes_max: usize, deadline: Instant) -> Result<Buffered, Failure> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        if announced > bytes_max {
            return Ok(Buffered::Longer(self.stream()));
        }
        let mut body = self.memory.hold(announced);
        loop {
            let within = self.idle.min(deadline.saturating_duration_since(Instant::now()));
            let Some(chunk) = next(&mut self.response, within).await? else {
                return Ok(Buffered::Whole(body.keep()));
            };
            if body.len() + chunk.len() > bytes_max {
                let begun = stream::iter([Ok(body.keep()), Ok(chunk)]);
                return Ok(Buffered::Longer(begun.chain(self.stream()).boxed()));
            }
            if !body.push(&chunk) {
                return Err(failure(Fault::RateLimited, "the broker holds as many bytes of members as it may"));
            }
        }
    }

    /// The body as it comes; dropping the stream closes the member's connection.
    #[must_use]
    pub fn stream(self) -> BodyStream {
        let idle = self.idle;
        let parts = stream::try_unfold(self.response, move |mut response| async move {
            let chunk = next(&mut response, idle).await?;
            Ok(chunk.map(|chunk| (chunk, response)))
        });
        parts.boxed()
    }
}

async fn next(response: &mut reqwest::Response, within: Duration) -> Result<Option<Bytes>, Failure> {
    match timeout(within, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(sending(&error.without_url())),
        Err(_elapsed) => Err(failure(Fault::Timeout, "body stopped")),
    }
}
