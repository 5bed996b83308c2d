//! One document or page over the member's line, politely: only if it changed, and a busy server is asked again after the
//! pause that it names.

use std::time::Duration;

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::members::line::{Answer, Line, Outgoing};
use crate::members::{Failure, Fault};

/// How often one document is asked for, when the server is busy or does not answer.
const TRIES: u32 = 4;
/// First pause before asking again, where the server names none; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest validator that is kept.
const VALIDATOR_BYTES_MAX: usize = 256;

/// What a document was when it was read: the next request asks whether it is still that. Empty: the server gives none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    tag: Option<Box<str>>,
    /// `Last-Modified`; of a file whatever tells that it was written anew.
    modified: Option<Box<str>>,
}

impl Validators {
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= VALIDATOR_BYTES_MAX).then(|| text.into())
        };
        Self { tag: text(ETAG), modified: text(LAST_MODIFIED) }
    }

    /// Those of a file.
    pub fn of_file(stamp: Option<Box<str>>) -> Self {
        Self { tag: None, modified: stamp }
    }

    pub fn is_empty(&self) -> bool {
        self.tag.is_none() && self.modified.is_none()
    }

    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let value = |text: &Option<Box<str>>| text.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
        let tag = value(&self.tag).map(|tag| (IF_NONE_MATCH, tag));
        let modified = value(&self.modified).map(|modified| (IF_MODIFIED_SINCE, modified));
        tag.into_iter().chain(modified).collect()
    }
}

/// What is done about an answer that does not come in time, and about a member that is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is waited for and asked for again: a document cannot be had in another way.
    AskAgain,
    /// It is given up: what takes too long is better asked for in smaller parts.
    GiveUp,
}

/// Sends a request until it is answered, or it is clear that it will not be.
///
/// # Errors
/// The last failure.
pub async fn ask(
    line: &Line,
    request: Outgoing,
    before: Option<&Validators>,
    late: Late,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let conditions = before.map(Validators::headers).unwrap_or_default();
    let headers = request.headers.iter().cloned().chain(conditions).collect();
    let request = Outgoing { headers, ..request };
    let (mut pause, mut tries) = (PAUSE, 1);
    loop {
        let failed = match line.send(request.clone(), deadline).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let wait = failed.retry_after_s.map_or(pause, |seconds| Duration::from_secs(seconds.into()));
        // waiting for one's turn in this very process is no fault of the server
        let own = failed.fault == Fault::RateLimited && failed.status.is_none();
        if !may_pass(&failed, late) || (tries >= TRIES && !own) || Instant::now() + wait >= deadline {
            return Err(failed);
        }
        tokio::time::sleep(wait).await;
        if !own {
            tries += 1;
            pause *= 2;
        }
    }
}

/// Whether a failure may be over after a while.
fn may_pass(failed: &Failure, late: Late) -> bool {
    match (failed.status, failed.fault) {
        (Some(status), _) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
        (None, Fault::Unreachable | Fault::RateLimited) => true,
        (None, Fault::Timeout | Fault::CircuitOpen) => late == Late::AskAgain,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(fault: Fault, status: Option<u16>) -> Failure {
        Failure { fault, detail: String::new(), status, retry_after_s: None }
    }

    #[test]
    fn what_may_pass_is_asked_for_again() {
        for late in [Late::AskAgain, Late::GiveUp] {
            for status in [408, 425, 429, 500, 502, 503, 504] {
                assert!(may_pass(&failed(Fault::BadResponse, Some(status)), late), "{status}");
            }
            for status in [302, 400, 401, 403, 404, 410, 501] {
                assert!(!may_pass(&failed(Fault::BadResponse, Some(status)), late), "{status}");
            }
            assert!(may_pass(&failed(Fault::Unreachable, None), late));
            assert!(may_pass(&failed(Fault::RateLimited, None), late));
            assert!(!may_pass(&failed(Fault::TooLarge, None), late));
            for fault in [Fault::Timeout, Fault::CircuitOpen] {
                assert_eq!(may_pass(&failed(fault, None), late), late == Late::AskAgain, "{fault:?}");
            }
        }
    }

    #[test]
    fn validators_ask_whether_it_is_still_that() {
        let headers = |pairs: &[(HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, text)| (name.clone(), HeaderValue::from_str(text).unwrap())).collect()
        };
        let both = Validators::of(&headers(&[(ETAG, "\"a\""), (LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT")]));
        assert_eq!(both.headers().iter().map(|(name, _)| name).collect::<Vec<_>>(), [IF_NONE_MATCH, IF_MODIFIED_SINCE]);
        let long = Validators::of(&headers(&[(ETAG, &"x".repeat(VALIDATOR_BYTES_MAX + 1))]));
        assert!(long.is_empty() && long.headers().is_empty());
    }
}
