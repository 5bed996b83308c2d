//! Brings one document, if it changed: over the member's line, or from a folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use url::Url;

use super::address::Base;
use crate::members::harvest::fetch::{self, Late, Validators};
use crate::members::line::{Line, Outgoing, failure};
use crate::members::{Failure, Fault};

const JSON: &str = "application/json, application/geo+json;q=0.9";
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
    /// Whether the catalogue is there: its server answers, or its root is a file.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn sign_of_life(&self, base: &Base, root: &Url, deadline: Instant) -> Result<(), Failure> {
        match self {
            Self::Web(line) => line.sign_of_life(root.clone(), deadline).await,
            Self::Folder(folder) => {
                let parts = base.parts(root).unwrap_or_default();
                let path = parts.iter().fold(folder.clone(), |path, part| path.join(part));
                let there = tokio::fs::metadata(&path).await;
                let gone = |error| failure(Fault::Unreachable, &format!("the file cannot be read: {error}"));
                there.map(drop).map_err(gone)
            }
        }
    }

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
    match fetch::ask(line, Outgoing::get(url.clone(), JSON), before, Late::AskAgain, deadline).await {
        Ok(answer) if !answer.changed => Ok(Fetched::Unchanged),
        Ok(answer) => {
            let validators = Validators::of(&answer.headers);
            Ok(Fetched::Changed { bytes: answer.body, url: answer.url, validators })
        }
        Err(failed) if matches!(failed.status, Some(404 | 410)) => Err(Lost::Gone),
        Err(failed) => Err(Lost::Failed(failed)),
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
    // A file that was written anew has another time or another size.
    let validators = Validators::of_file(facts.modified().ok().map(|at| stamp(at, facts.len())));
    if !validators.is_empty() && before == Some(&validators) {
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

fn stamp(at: SystemTime, bytes: u64) -> Box<str> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09} {bytes}", since.as_secs(), since.subsec_nanos()).into()
}
