//! Addresses in both directions (`processes.md` 3): a member's become the broker's, the broker's become a member's.
//!
//! An address is compared by its parts, never as text: `https://a.example.evil/` does not lie below `https://a.example`.
//! What lies below nothing that is configured stays letter for letter as it was.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::collections::ids::Named;
use crate::collections::{Ids, View};
use crate::federation::{Federation, Member, MemberProcesses};

use super::job::{self, JobPath};
use super::references::{Place, Target};
use super::splice::Rewrite;

/// What is encoded in an id that becomes a path segment.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');

/// An id as one path segment.
pub fn segment(id: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(id, SEGMENT)
}

fn decoded(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}

/// The rest of an address below a process base or one of its aliases: a path without a slash in front, as encoded.
#[must_use]
pub fn below<'a>(processes: &MemberProcesses, url: &'a Url) -> Option<&'a str> {
    let bases = std::iter::once(&processes.url).chain(&processes.aliases);
    bases.filter_map(|base| rest(base, url)).min_by_key(|rest| rest.len())
}

/// The path of an address below a base; empty for the base itself.
fn rest<'a>(base: &Url, url: &'a Url) -> Option<&'a str> {
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
    // A port that is not written is the usual one of either scheme: members behind proxies print `http` for `https`.
    let same_place = base.host() == url.host() && base.port() == url.port();
    if !is_web(base) || !is_web(url) || !same_place {
        return None;
    }
    let rest = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// A path below a base address, absolute.
fn on(base: &Url, path: &str) -> String {
    let base = base.as_str().trim_end_matches('/');
    if path.is_empty() { base.to_owned() } else { format!("{base}/{path}") }
}

/// Query and fragment as they were.
fn tail(url: &Url) -> String {
    let part = |mark: &str, text: Option<&str>| text.map_or_else(String::new, |text| format!("{mark}{text}"));
    part("?", url.query()) + &part("#", url.fragment())
}

/// What the broker itself exposes, and where.
#[derive(Clone, Copy)]
pub struct Face<'a> {
    /// Without a slash at its end.
    pub base: &'a str,
    pub federation: &'a Federation,
    pub ids: &'a Ids,
    pub view: &'a View,
}

impl Face<'_> {
    /// The exposed id of a member's Collection, if it is listed.
    fn exposed(&self, member: &Member, native: &str) -> Option<String> {
        self.view.member(&member.id)?.entry(native).map(|entry| entry.exposed_id.clone())
    }
}

/// One member's addresses become the broker's.
#[derive(Clone, Copy)]
pub struct Outbound<'a> {
    pub face: Face<'a>,
    pub member: &'a Member,
    pub processes: &'a MemberProcesses,
    /// The public id of the member's process.
    pub process_id: &'a (dyn Fn(&str) -> String + Sync),
    /// Where the document came from: relative addresses are relative to this.
    pub against: &'a Url,
}

/// What lies below a process base.
enum Below<'a> {
    Job(JobPath, &'a str),
    Process(String, &'a str),
    Collection(String, &'a str),
    Lists(&'a str),
    Other,
}

impl<'a> Below<'a> {
    fn of(path: &'a str) -> Self {
        let path = path.trim_end_matches('/');
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
        let segment = |index: usize| {
            let start = if index == 0 { 0 } else { ends[index - 1] + 1 };
            &path[start..ends[index]]
        };
        if let Some(jobs) = (0..ends.len() - 1).find(|index| segment(*index) == "jobs")
            && let Some(job) = JobPath::new(&path[..ends[jobs + 1]])
        {
            return Self::Job(job, &path[ends[jobs + 1]..]);
        }
        let second = || decoded(segment(1)).map(|id| (id, &path[ends[1]..]));
        match (segment(0), ends.len()) {
            ("jobs" | "processes", 1) => Self::Lists(path),
            ("processes", 2..) => second().map_or(Self::Other, |(id, rest)| Self::Process(id, rest)),
            ("collections", 2..=4) => second().map_or(Self::Other, |(id, rest)| Self::Collection(id, rest)),
            _ => Self::Other,
        }
    }
}

impl Outbound<'_> {
    /// What a client has to see instead of this address; `None` when it stays as it is.
    #[must_use]
    pub fn href(&self, href: &str) -> Option<String> {
        let url = self.against.join(href).ok()?;
        let Some(path) = below(self.processes, &url) else {
            // Left relative it would lead to the broker.
            return Url::parse(href).is_err().then(|| url.to_string());
        };
        let base = self.face.base;
        let tail = tail(&url);
        let own = match Below::of(path) {
            // A status has one form here; results have many, and the query chooses.
            Below::Job(job, "") => format!("{base}/jobs/{}", job.public(self.member)),
            Below::Job(job, rest) if is_results(rest) => {
                format!("{base}/jobs/{}{rest}{tail}", job.public(self.member))
            }
            Below::Process(native, rest) => {
                format!("{base}/processes/{}{rest}{tail}", segment(&(self.process_id)(&native)))
            }
            Below::Collection(native, rest) => match self.face.exposed(self.member, &native) {
                Some(exposed) => format!("{base}/collections/{}{rest}{tail}", segment(&exposed)),
                None => on(&self.processes.url, path) + &tail,
            },
            Below::Lists(list) => format!("{base}/{list}"),
            // Logs of a job and the like: the broker has no such path, the member does.
            Below::Job(..) | Below::Other => on(&self.processes.url, path) + &tail,
        };
        (own != href).then_some(own)
    }

    /// Where a Collection that was made is found (section 2, row 9): at the broker if it is exposed, else at the member.
    #[must_use]
    pub fn collection(&self, location: &str) -> String {
        let Ok(url) = self.against.join(location) else { return location.to_owned() };
        let mut bases = std::iter::once(&self.member.url).chain(&self.member.aliases);
        let path = below(self.processes, &url).or_else(|| bases.find_map(|base| rest(base, &url)));
        if let Some(Below::Collection(native, rest)) = path.map(Below::of)
            && let Some(exposed) = self.face.exposed(self.member, &native)
        {
            return format!("{}/collections/{}{rest}", self.face.base, segment(&exposed));
        }
        self.href(location).unwrap_or_else(|| location.to_owned())
    }

    /// A `Link` header with its addresses rewritten (RFC 8288); what is not understood stays as it is.
    #[must_use]
    pub fn link_header(&self, value: &str) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, (target, after))) =
            rest.split_once('<').and_then(|(before, after)| Some((before, after.split_once('>')?)))
        {
            let target = self.href(target.trim()).unwrap_or_else(|| target.to_owned());
            out.extend([before, "<", &target, ">"]);
            // Parameters may quote brackets; the next link begins after a comma outside of quotes.
            let end = link_end(after);
            out.push_str(&after[..end]);
            rest = &after[end..];
        }
        out + rest
    }
}

/// Whether the rest of a job's path leads to its results or to one of its outputs.
fn is_results(rest: &str) -> bool {
    rest.strip_prefix("/results").is_some_and(|rest| {
        let output = rest.strip_prefix('/');
        rest.is_empty() || output.is_some_and(|output| !output.is_empty() && !output.contains('/'))
    })
}

/// Where the parameters of one link end: at a comma outside of quotes.
fn link_end(parameters: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in parameters.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    parameters.len()
}

/// The broker's addresses and collection ids become one member's own.
#[derive(Clone, Copy)]
pub struct Inbound<'a> {
    pub face: Face<'a>,
    pub member: &'a Member,
    pub processes: &'a MemberProcesses,
    /// The member's own id of a public process id, if it offers that process.
    pub native_process: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl Inbound<'_> {
    /// The member's own address of what the broker has at this one; `None` when it is not the broker's, or not this member's.
    #[must_use]
    pub fn address(&self, address: &str) -> Option<String> {
        let url = Url::parse(address).ok()?;
        let path = rest(&Url::parse(self.face.base).ok()?, &url)?.trim_end_matches('/');
        let (root, path) = path.split_once('/')?;
        let (id, rest) = path.find('/').map_or((path, ""), |at| path.split_at(at));
        let id = decoded(id)?;
        let own = match root {
            "collections" => {
                let native = self.native_collection(&id)?;
                on(&self.member.url, &format!("collections/{}{rest}", segment(&native)))
            }
            "jobs" => {
                let job = job::read(self.face.federation, &id).ok().filter(|job| job.member.id == self.member.id)?;
                on(&self.processes.url, &format!("{}{rest}", job.path.as_str()))
            }
            "processes" => {
                let native = (self.native_process)(&id)?;
                on(&self.processes.url, &format!("processes/{}{rest}", segment(&native)))
            }
            _ => return None,
        };
        Some(own + &tail(&url))
    }

    /// What a recognised reference becomes; `None` when it stays as it is.
    #[must_use]
    pub fn rewrite(&self, place: &Place) -> Option<Rewrite> {
        let (before, after) = match &place.target {
            Target::Address(address) => (address, self.address(address)?),
            Target::Collection(id) => (id, self.collection(id)?),
            Target::Store(_) => return None,
        };
        Some(Rewrite { pointer: place.pointer.clone(), before: before.clone(), after })
    }

    /// The member's own id of a Collection; `None` when the id is its own already, or not known to be this member's.
    #[must_use]
    pub fn collection(&self, id: &str) -> Option<String> {
        self.native_collection(id).filter(|native| native != id)
    }

    fn native_collection(&self, id: &str) -> Option<String> {
        match self.face.ids.parse(id) {
            Named::Qualified { member, native } => (member == self.member.id).then_some(native),
            Named::Shared(id) => self.face.ids.shared(&id)?.native(&self.member.id).map(str::to_owned),
            Named::Bare(id) => self.face.exposed(self.member, &id).is_some().then_some(id),
        }
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
pub mod tests;
