//! In place of the network, for `simulator`: what leaves a line, and what comes back of it.
//!
//! Everything of a request but the connection itself is the real thing: guard, retry, deadlines, bounds on bytes, the
//! reading of bodies and links. Chance is drawn from a seed, so that a run can be repeated.

use std::cell::Cell;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::HeaderMap;
use url::Url;

use super::guard::Lost;
use super::line::failure;
use super::{Failure, Fault};
use crate::federation::MemberId;

/// What takes requests and gives answers. A request that is given up is dropped.
pub trait Wire: Send + Sync {
    fn exchange(&self, sent: Sent) -> BoxFuture<'static, Result<Given, Unsent>>;
}

/// A request as it leaves.
#[derive(Debug)]
pub struct Sent {
    pub member: MemberId,
    pub url: Url,
    pub headers: HeaderMap,
    /// A body makes it a POST.
    pub body: Option<Bytes>,
}

/// An answer whose headers have come.
pub struct Given {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: BoxStream<'static, Result<Bytes, std::io::Error>>,
}

impl Given {
    pub(super) fn into_response(self) -> reqwest::Response {
        let mut response = http::Response::new(reqwest::Body::wrap_stream(self.body));
        *response.status_mut() = http::StatusCode::from_u16(self.status).expect("a status of the script");
        *response.headers_mut() = self.headers;
        response.into()
    }
}

/// Why no answer began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// Nobody listens.
    Refused,
    /// The connection took its whole time not to come.
    Unconnected,
    /// The name leads nowhere.
    Unnamed,
    /// The certificate is no good.
    Untrusted,
    /// The connection ended before anything of an answer came.
    Reset,
}

impl Unsent {
    /// What a line makes of it, as of the errors of the real client.
    pub(super) fn told(self) -> (Failure, Lost) {
        let slowly = matches!(self, Self::Unconnected | Self::Unnamed);
        let lost = if self == Self::Reset { Lost::Reset } else { Lost::Connect { slowly } };
        (failure(Fault::Unreachable, &format!("simulated: {self:?}")), lost)
    }
}

thread_local! {
    static CHANCE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on what this thread draws follows from a number.
pub fn seed_chance(seed: u64) {
    CHANCE.set(Some(seed));
}

/// Between 0 and 1, where this thread's chance is seeded.
pub fn chance() -> Option<f64> {
    let state = CHANCE.get()?.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    CHANCE.set(Some(state));
    #[expect(clippy::cast_precision_loss, reason = "a spread, not a count")]
    Some((state >> 33) as f64 / (1_u64 << 31) as f64)
}
