//! One page over the member's line, politely: a busy catalogue is asked again after the pause that it names.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::members::line::{Answer, Line, Outgoing};
use crate::members::{Failure, Fault};

/// How often one page is asked for, when the catalogue is busy or does not answer.
const TRIES: u32 = 4;
/// First pause before asking again, where the catalogue names none; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest validator that is kept.
const VALIDATOR_BYTES_MAX: usize = 256;

/// What a page was when it was read: the next request asks whether it is still that. Empty: the catalogue gives none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators(Vec<(HeaderName, HeaderValue)>);

impl Validators {
    pub fn of(headers: &HeaderMap) -> Self {
        let kept = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)].into_iter();
        let kept = kept.filter_map(|(given, asked)| Some((asked, headers.get(given)?.clone())));
        Self(kept.filter(|(_, value)| value.len() <= VALIDATOR_BYTES_MAX).collect())
    }
}

/// The content of a page in 32 bytes.
pub fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Sends a request until it is answered, or it is clear that it will not be.
///
/// # Errors
/// The last failure.
pub async fn ask(
    line: &Line,
    request: Outgoing,
    validators: Option<&Validators>,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let conditions = validators.map(|known| known.0.clone()).unwrap_or_default();
    let headers = request.headers.iter().cloned().chain(conditions).collect();
    let request = Outgoing { headers, ..request };
    let (mut pause, mut tries) = (PAUSE, 1);
    loop {
        let failed = match line.send(request.clone(), deadline).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let wait = failed.retry_after_s.map_or(pause, |seconds| Duration::from_secs(seconds.into()));
        if !may_pass(&failed) || tries >= TRIES || Instant::now() + wait >= deadline {
            return Err(failed);
        }
        tokio::time::sleep(wait).await;
        tries += 1;
        pause *= 2;
    }
}

/// Whether a failure may be over after a while. What takes too long is better asked for in smaller parts.
fn may_pass(failed: &Failure) -> bool {
    match failed.status {
        Some(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
        None => matches!(failed.fault, Fault::Unreachable | Fault::RateLimited),
    }
}
