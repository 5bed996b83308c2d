//! The caller's jobs at all members that may be asked for them (`processes.md` 1 and 2, row 8).
//!
//! Members sort inside pages, and pygeoapi ignores every filter: each list is read whole within bounds, filtered again and
//! sorted here. A page goes on after the last job given, so nothing is kept between pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant};

use crate::broker::Snapshot;
use crate::federation::{Interval, Member, MemberId, MemberProcesses};
use crate::members::process_api::{Caller, Outgoing, ProcessApi};

use super::answers::{self, Shown};
use super::job::JobPath;
use super::names;
use super::relay;
use super::rewrite::Outbound;

/// For one member's whole list.
const LIST_TIME: Duration = Duration::from_secs(10);
/// Pages of one member, and jobs asked for on each: more jobs than anybody looks through.
const PAGES_MAX: usize = 5;
const PAGE_JOBS: usize = 1000;
/// Longest token that is looked at: a time and a job id.
const TOKEN_BYTES_MAX: usize = 1200;

/// What of the jobs is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Empty: all.
    pub states: Vec<String>,
    /// Public process ids, logical or pinned; empty: all.
    pub processes: Vec<String>,
    /// When the job was made.
    pub datetime: Option<Interval>,
    /// Seconds from start to end, or to now.
    pub duration_min: Option<u64>,
    pub duration_max: Option<u64>,
    pub limit: usize,
    pub after: Option<Position>,
}

/// A place in the order of jobs: the newest first, those of unknown age last, then by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    created: Option<DateTime<Utc>>,
    id: String,
}

impl Position {
    fn key(&self) -> (std::cmp::Reverse<Option<DateTime<Utc>>>, &str) {
        (std::cmp::Reverse(self.created), &self.id)
    }

    /// As text for a link. It is a place and grants nothing.
    #[must_use]
    pub fn token(&self) -> String {
        let created = self.created.map_or_else(String::new, |at| at.to_rfc3339());
        URL_SAFE_NO_PAD.encode(format!("{created} {}", self.id))
    }

    /// Reads a token.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let bytes = (token.len() <= TOKEN_BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
        let text = String::from_utf8(bytes).ok()?;
        let (created, id) = text.split_once(' ')?;
        let created = if created.is_empty() { None } else { Some(instant(created)?) };
        Some(Self { created, id: id.to_owned() })
    }
}

/// One page of jobs.
#[derive(Debug, Default)]
pub struct Listed {
    pub jobs: Vec<Map<String, Value>>,
    pub next: Option<Position>,
    /// Members whose list was not read, or not to its end.
    pub missing: Vec<MemberId>,
    /// Members that were not asked because they want the caller's credentials and none came.
    pub without_credentials: usize,
    /// Members that may be asked.
    pub members: usize,
}

/// Whether any member may be asked for the caller's jobs.
#[must_use]
pub fn is_enabled(snapshot: &Snapshot) -> bool {
    open(snapshot).next().is_some()
}

/// The members that may be asked.
fn open(snapshot: &Snapshot) -> impl Iterator<Item = (&Member, &MemberProcesses, &ProcessApi)> {
    snapshot.members.process_apis().filter_map(|api| {
        let member = snapshot.federation.member(api.member().as_str())?;
        let processes = member.processes.as_ref().filter(|processes| processes.job_list)?;
        Some((member, processes, api.as_ref()))
    })
}

/// Asks every member that may be asked, and gives one page.
pub async fn list(snapshot: &Snapshot, base: &str, caller: &Caller, wanted: &Wanted, now: DateTime<Utc>) -> Listed {
    let mut listed = Listed::default();
    let mut asked = Vec::new();
    for (member, processes, api) in open(snapshot) {
        listed.members += 1;
        if api.forwards() && !caller.is_authenticated() {
            listed.without_credentials += 1;
        } else {
            asked.push(async move { (member, jobs_of(snapshot, base, caller, (member, processes, api)).await) });
        }
    }
    let mut all: Vec<(Position, Map<String, Value>)> = Vec::new();
    for (member, (jobs, whole)) in join_all(asked).await {
        if !whole {
            listed.missing.push(member.id.clone());
        }
        let jobs = jobs.into_iter().filter(|job| is_wanted(snapshot, member, job, wanted, now));
        all.extend(jobs.map(|job| (position(&job), job)));
    }
    all.sort_by(|a, b| a.0.key().cmp(&b.0.key()));
    all.retain(|(place, _)| wanted.after.as_ref().is_none_or(|after| place.key() > after.key()));
    if all.len() > wanted.limit {
        all.truncate(wanted.limit);
        listed.next = all.last().map(|(place, _)| place.clone());
    }
    listed.jobs = all.into_iter().map(|(_, job)| job).collect();
    listed
}

/// One member's jobs, and whether these are all.
async fn jobs_of(
    snapshot: &Snapshot,
    base: &str,
    caller: &Caller,
    (member, processes, api): (&Member, &MemberProcesses, &ProcessApi),
) -> (Vec<Map<String, Value>>, bool) {
    let deadline = Instant::now() + LIST_TIME;
    let process_id = |native: &str| names::public(snapshot, &member.id, native);
    let (mut jobs, mut query) = (Vec::new(), format!("limit={PAGE_JOBS}"));
    for _ in 0..PAGES_MAX {
        let request = Outgoing { query: Some(query.clone()), ..Outgoing::get("jobs") };
        let reply = match api.ask(&request, caller, deadline).await {
            Ok(reply) if reply.status.is_success() => reply,
            Ok(reply) => {
                tracing::warn!(member = %member.id, status = reply.status.as_u16(), "list of jobs not read");
                return (jobs, false);
            }
            Err(no) => {
                tracing::warn!(member = %member.id, fault = ?no.failure.fault, detail = %no.failure.detail, "list of jobs not read");
                return (jobs, false);
            }
        };
        let against = reply.url.clone();
        let Some(mut document) = relay::document_of(reply, relay::REWRITE_BYTES_MAX).await else {
            return (jobs, false);
        };
        let Value::Array(page) = document["jobs"].take() else { return (jobs, false) };
        let face = names::face(snapshot, base);
        let out = Outbound { face, member, processes, process_id: &process_id, against: &against };
        jobs.extend(page.into_iter().filter_map(|job| shown(&out, job)));
        // The query of the link is taken and its address is not.
        let links = document["links"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = links.iter().find(|link| link["rel"] == "next").and_then(|link| link["href"].as_str());
        let next = next.and_then(|href| against.join(href).ok()).and_then(|url| url.query().map(str::to_owned));
        match next.filter(|next| *next != query) {
            Some(next) => query = next,
            None => return (jobs, true),
        }
    }
    (jobs, false)
}

/// A job of a list as clients see it; one without an id or a status is none.
fn shown(out: &Outbound<'_>, document: Value) -> Option<Map<String, Value>> {
    let links = document["links"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = links.iter().find(|link| link["rel"] == "self").and_then(|link| link["href"].as_str());
    let path =
        own.and_then(|href| out.against.join(href).ok()).and_then(|url| JobPath::of_location(out.processes, &url));
    let path = path.or_else(|| answers::job_id(&document).and_then(JobPath::of_id))?;
    let id = path.public(out.member);
    answers::status_info(&Shown { id: &id, path: &path, out: *out }, document)
}

fn text<'a>(job: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    job.get(name).and_then(Value::as_str)
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

fn position(job: &Map<String, Value>) -> Position {
    let created = text(job, "created").and_then(instant);
    Position { created, id: text(job, "jobID").unwrap_or_default().to_owned() }
}

/// Filters again what the member may have filtered: some ignore every parameter.
fn is_wanted(
    snapshot: &Snapshot,
    member: &Member,
    job: &Map<String, Value>,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> bool {
    let state_fits =
        wanted.states.is_empty() || wanted.states.iter().any(|state| Some(state.as_str()) == text(job, "status"));
    let process = text(job, "processID").map(|id| id.rsplit('/').next().unwrap_or(id));
    let native = |id: &str| names::native(snapshot, &member.id, id);
    let is_process = |id: &String| process.is_some_and(|process| process == id || native(process) == native(id));
    let process_fits = wanted.processes.is_empty() || wanted.processes.iter().any(is_process);
    let at = |name: &str| text(job, name).and_then(instant);
    let time_fits = wanted.datetime.is_none_or(|interval| at("created").is_some_and(|at| interval.contains(at)));
    let seconds = || {
        let end = at("finished").unwrap_or(now);
        u64::try_from((end - at("started").or_else(|| at("created"))?).num_seconds()).ok()
    };
    let lasts = |fits: &dyn Fn(u64) -> bool| seconds().is_some_and(fits);
    let long_enough = wanted.duration_min.is_none_or(|least| lasts(&|lasted| lasted >= least));
    let short_enough = wanted.duration_max.is_none_or(|most| lasts(&|lasted| lasted <= most));
    state_fits && process_fits && time_fits && long_enough && short_enough
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_list_become_tokens_and_back() {
        for (created, id) in [(instant("2026-01-01T00:00:00.5Z"), "A.x"), (None, "B.y z")] {
            let place = Position { created, id: id.into() };
            assert_eq!(Position::read(&place.token()), Some(place));
        }
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            String::new(),
            "!".into(),
            encoded("x"),
            encoded("soon A.x"),
            "A".repeat(TOKEN_BYTES_MAX + 4),
            URL_SAFE_NO_PAD.encode([0xff]),
        ] {
            assert_eq!(Position::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn the_newest_come_first_and_those_of_unknown_age_last() {
        let place = |created: &str, id: &str| Position { created: instant(created), id: id.into() };
        let mut places = [
            place("", "a"),
            place("2026-01-01T00:00:00Z", "b"),
            place("2026-01-02T01:00:00+01:00", "d"),
            place("2026-01-02T00:00:00Z", "c"),
        ];
        places.sort_by(|a, b| a.key().cmp(&b.key()));
        assert_eq!(places.map(|place| place.id), ["c", "d", "b", "a"]);
    }
}
