//! Public job ids (`processes.md` 4): the member and the path of the job below its process base, and nothing else.
//!
//! `EDITO.am9icy8xMjM` is `jobs/123` at EDITO. Whoever has the id needs nothing from the broker to find the job again,
//! also another broker and also after a restart. An id is no secret and no authority: it leads to configured members
//! only, below their configured base only, and there the member decides who may see the job.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::federation::{Federation, Member, MemberProcesses};

use super::rewrite::{below, segment};

/// Longest job path in bytes; those seen have at most 100.
const PATH_BYTES_MAX: usize = 512;
/// Times a path is percent-decoded when dots and slashes are looked for: some servers decode twice.
const DECODINGS_MAX: usize = 4;
/// What has names of its own below it, so that `jobs` there may be such a name.
const RESOURCES: [&str; 3] = ["collections", "jobs", "processes"];

/// The path of a job below its member's process base, for example `jobs/123`. Percent-encoded as it stands in addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPath(String);

/// A job as its public id names it.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The id as the client wrote it.
    pub id: String,
    pub member: &'a Member,
    pub processes: &'a MemberProcesses,
    pub path: JobPath,
}

/// Why an id leads to no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// It was not made by a broker.
    Undecodable,
    /// No member of this name is configured any more, or it executes no processes.
    Member(String),
}

impl JobPath {
    /// Accepts a path that can only be a job below a process base.
    #[must_use]
    pub fn new(path: &str) -> Option<Self> {
        let good =
            path.len() <= PATH_BYTES_MAX && is_canonical(path) && decodings(path)?.iter().all(|path| is_plain(path));
        (good && is_job(path)).then(|| Self(path.to_owned()))
    }

    /// The job of a `Location` (section 2, row 1), already resolved against the address that was asked.
    #[must_use]
    pub fn of_location(processes: &MemberProcesses, location: &Url) -> Option<Self> {
        if let Some(path) = below(processes, location).and_then(|path| Self::new(path.trim_end_matches('/'))) {
            return Some(path);
        }
        // A base that nobody configured, such as the member's name inside its own network: only the end is believed.
        let path = location.path().trim_end_matches('/');
        let at = path.rfind("/jobs/")?;
        let before = path[..at].rsplit_once('/');
        let legacy = before.filter(|(front, process)| front.ends_with("/processes") && !process.is_empty());
        let start = legacy.map_or(at + 1, |(front, _)| front.len() - "processes".len());
        Self::new(&path[start..])
    }

    /// The job of an id in a member's document (section 2, row 2).
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::new(&format!("jobs/{}", segment(id)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The public id of this job at a member.
    #[must_use]
    pub fn public(&self, member: &Member) -> String {
        format!("{}.{}", member.id, URL_SAFE_NO_PAD.encode(&self.0))
    }
}

/// Reads a public job id against the members that are configured, the disabled ones included.
///
/// # Errors
/// When it can lead to no job.
pub fn read<'a>(federation: &'a Federation, id: &str) -> Result<Job<'a>, Unknown> {
    let (member, path) = id.split_once('.').ok_or(Unknown::Undecodable)?;
    let path = URL_SAFE_NO_PAD.decode(path).ok().and_then(|path| String::from_utf8(path).ok());
    let path = path.and_then(|path| JobPath::new(&path)).ok_or(Unknown::Undecodable)?;
    let found = federation.member(member).and_then(|member| Some((member, member.processes.as_ref()?)));
    let (member, processes) = found.ok_or_else(|| Unknown::Member(member.to_owned()))?;
    Ok(Job { id: id.to_owned(), member, processes, path })
}

/// Whether a path is `jobs/{x}` or `processes/{p}/jobs/{x}`, the former also below a version such as `v1/`: an id that
/// somebody made up reaches nothing of a member but its jobs.
fn is_job(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        ["processes", process, "jobs", _] => !matches!(*process, "jobs"),
        [prefix @ .., "jobs", _] => prefix.iter().all(|segment| is_version(segment)),
        _ => false,
    }
}

/// Whether a segment can stand before the resources of an API: plain, and none of the resources itself.
fn is_version(segment: &str) -> bool {
    !segment.contains(['%', ':']) && !RESOURCES.contains(&segment)
}

/// Whether an address keeps this path letter for letter.
fn is_canonical(path: &str) -> bool {
    let Ok(mut url) = Url::parse("http://h/") else { return false };
    let wanted = format!("/{path}");
    url.set_path(&wanted);
    url.path() == wanted
}

/// The path, and what it becomes where it is percent-decoded; `None` when that does not end.
fn decodings(path: &str) -> Option<Vec<String>> {
    let mut all = vec![path.to_owned()];
    for _ in 0..DECODINGS_MAX {
        let last = all.last()?;
        let next = percent_decode_str(last).decode_utf8().ok()?.into_owned();
        if next == *last {
            return Some(all);
        }
        all.push(next);
    }
    None
}

/// Without dots that climb, empty segments, and what ends or leaves a path.
fn is_plain(path: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '?' | '#' | '\\');
    !path.contains(odd) && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
