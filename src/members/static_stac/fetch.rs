//! Brings one document, if it changed: over the member's line, or from a folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use url::Url;

use super::address::Base;
use crate::members::line::{Line, Outgoing, failure};
use crate::members::{Failure, Fault};

const JSON: &str = "application/json, application/geo+json;q=0.9";
/// How often one document is asked for, when the server is busy or does not answer.
const TRIES: u32 = 4;
/// First pause before asking again, where the server names none; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest validator that is kept.
const VALIDATOR_BYTES_MAX: usize = 256;

/// What a document was when it was read: the next request asks whether it is still that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    tag: Option<Box<str>>,
    /// `Last-Modified`; of a file, its time and size.
    modified: Option<Box<str>>,
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= VALIDATOR_BYTES_MAX).then(|| text.into())
        };
        Self { tag: text(ETAG), modified: text(LAST_MODIFIED) }
    }

    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let value = |text: &Option<Box<str>>| text.as_ref().and_then(|text| HeaderValue::from_str(text).ok());
        let tag = value(&self.tag).map(|tag| (IF_NONE_MATCH, tag));
        let modified = value(&self.modified).map(|modified| (IF_MODIFIED_SINCE, modified));
        tag.into_iter().chain(modified).collect()
    }
}

/// What came.
pub enum Fetched {
    /// It is as it was.
    Unchanged,
    Changed {
        bytes: Bytes,
        /// Where it came from, after redirects.
        url: Url,
        validators: Validators,
    },
}

/// Why nothing came.
pub enum Lost {
    /// The server says that there is no such document.
    Gone,
    Failed(Failure),
}

/// How documents are had.
pub enum Via {
    Web(Box<Line>),
    Folder(PathBuf),
}

impl Via {
    /// One document. A busy server is asked again after the pause that it names, within the deadline.
    pub async fn fetch(
        &self,
        base: &Base,
        url: &Url,
        before: Option<&Validators>,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Fetched, Lost> {
        match self {
            Self::Web(line) => ask(line, url, before, deadline).await,
            Self::Folder(folder) => open(folder, base, url, before, bytes_max).await,
        }
    }
}

async fn ask(line: &Line, url: &Url, before: Option<&Validators>, deadline: Instant) -> Result<Fetched, Lost> {
    let mut pause = PAUSE;
    let mut tries = 1;
    loop {
        let headers = before.map(Validators::headers).unwrap_or_default();
        let failed = match line.send(Outgoing { headers, ..Outgoing::get(url.clone(), JSON) }, deadline).await {
            Ok(answer) if !answer.changed => return Ok(Fetched::Unchanged),
            Ok(answer) => {
                let validators = Validators::of(&answer.headers);
                return Ok(Fetched::Changed { bytes: answer.body, url: answer.url, validators });
            }
            Err(failed) if matches!(failed.status, Some(404 | 410)) => return Err(Lost::Gone),
            Err(failed) => failed,
        };
        let wait = failed.retry_after_s.map_or(pause, |seconds| Duration::from_secs(seconds.into()));
        // waiting for one's turn in this very process is no fault of the server
        let own = failed.fault == Fault::RateLimited && failed.status.is_none();
        if !may_pass(&failed) || (tries >= TRIES && !own) || Instant::now() + wait >= deadline {
            return Err(Lost::Failed(failed));
        }
        tokio::time::sleep(wait).await;
        if !own {
            tries += 1;
            pause *= 2;
        }
    }
}

/// Whether a failure may be over after a while.
fn may_pass(failed: &Failure) -> bool {
    match failed.status {
        Some(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
        None => matches!(failed.fault, Fault::Timeout | Fault::Unreachable | Fault::RateLimited | Fault::CircuitOpen),
    }
}

async fn open(
    folder: &Path,
    base: &Base,
    url: &Url,
    before: Option<&Validators>,
    bytes_max: usize,
) -> Result<Fetched, Lost> {
    let broken = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Lost::Gone,
        _ => Lost::Failed(failure(Fault::Unreachable, &format!("the file cannot be read: {error}"))),
    };
    let outside = || Lost::Failed(failure(Fault::Forbidden, "the file lies outside the folder"));
    let parts = base.parts(url).ok_or_else(outside)?;
    let folder = tokio::fs::canonicalize(folder).await.map_err(|error| broken(&error))?;
    let path = parts.iter().fold(folder.clone(), |path, part| path.join(part));
    let path = tokio::fs::canonicalize(&path).await.map_err(|error| broken(&error))?;
    if !path.starts_with(&folder) {
        return Err(outside());
    }
    let mut file = tokio::fs::File::open(&path).await.map_err(|error| broken(&error))?;
    let facts = file.metadata().await.map_err(|error| broken(&error))?;
    if !facts.is_file() {
        return Err(Lost::Gone);
    }
    let validators = Validators { tag: None, modified: facts.modified().ok().map(|at| stamp(at, facts.len())) };
    if validators.modified.is_some() && before == Some(&validators) {
        return Ok(Fetched::Unchanged);
    }
    let mut bytes = Vec::new();
    let read = (&mut file).take(bytes_max as u64 + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| broken(&error))?;
    if bytes.len() > bytes_max {
        return Err(Lost::Failed(failure(Fault::TooLarge, "the file is over the bound on bytes")));
    }
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Bytes::copy_from_slice(rest),
        None => bytes.into(),
    };
    Ok(Fetched::Changed { bytes, url: url.clone(), validators })
}

/// A file that was written anew has another time or another size.
fn stamp(at: SystemTime, bytes: u64) -> Box<str> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09} {bytes}", since.as_secs(), since.subsec_nanos()).into()
}
