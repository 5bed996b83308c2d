//! The jobs of one member: kept in memory, the oldest ended ones dropped first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Jobs kept: far more than anyone trying the demo starts.
const JOBS_MAX: usize = 1_000;

/// One execution that was asked for with `Prefer: respond-async`.
#[derive(Debug, Clone)]
pub struct Job {
    pub process: &'static str,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
    pub state: State,
}

/// Where a job stands.
#[derive(Debug, Clone)]
pub enum State {
    Running,
    /// The value of the one output.
    Successful(Value),
    /// Why.
    Failed(String),
    Dismissed,
}

impl State {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Successful(_) => "successful",
            Self::Failed(_) => "failed",
            Self::Dismissed => "dismissed",
        }
    }
}

/// All jobs of a member, by number.
#[derive(Debug, Default)]
pub struct Jobs {
    last: AtomicU64,
    kept: Mutex<BTreeMap<u64, Job>>,
}

impl Jobs {
    /// Begins a job; gives its id.
    pub fn begin(&self, process: &'static str, now: DateTime<Utc>) -> u64 {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut kept = self.lock();
        kept.insert(id, Job { process, created: now, updated: now, state: State::Running });
        if kept.len() > JOBS_MAX {
            kept.pop_first();
        }
        id
    }

    pub fn end(&self, id: u64, state: State, now: DateTime<Utc>) {
        if let Some(job) = self.lock().get_mut(&id) {
            job.state = state;
            job.updated = now;
        }
    }

    pub fn get(&self, id: u64) -> Option<Job> {
        self.lock().get(&id).cloned()
    }

    /// Takes a job out; its last status says `dismissed`.
    pub fn dismiss(&self, id: u64, now: DateTime<Utc>) -> Option<Job> {
        let job = self.lock().remove(&id)?;
        Some(Job { state: State::Dismissed, updated: now, ..job })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Job>> {
        // Every change is one assignment: a panic elsewhere leaves the map whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job as a statusInfo document.
pub fn status(job: &Job, id: u64, url: &str) -> Value {
    let at = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let own = format!("{url}/jobs/{id}");
    let mut links = vec![json!({ "rel": "self", "type": "application/json", "href": own })];
    if matches!(job.state, State::Successful(_)) {
        let results = "http://www.opengis.net/def/rel/ogc/1.0/results";
        links.push(json!({ "rel": results, "type": "application/json", "href": format!("{own}/results") }));
    }
    let mut status = json!({
        "jobID": id.to_string(),
        "type": "process",
        "processID": job.process,
        "status": job.state.word(),
        "created": at(job.created),
        "updated": at(job.updated),
        "progress": if matches!(job.state, State::Running) { 0 } else { 100 },
        "links": links,
    });
    if let State::Failed(why) = &job.state {
        status["message"] = json!(why);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_job_makes_room() {
        let jobs = Jobs::default();
        let first = jobs.begin("statistics", Utc::now());
        for _ in 0..JOBS_MAX {
            jobs.begin("statistics", Utc::now());
        }
        assert!(jobs.get(first).is_none());
        assert!(jobs.get(first + 1).is_some());
    }

    #[test]
    fn a_dismissed_job_is_gone_and_its_end_is_not_noted() {
        let jobs = Jobs::default();
        let id = jobs.begin("subset", Utc::now());
        assert_eq!(jobs.dismiss(id, Utc::now()).unwrap().state.word(), "dismissed");
        jobs.end(id, State::Failed("late".into()), Utc::now());
        assert!(jobs.get(id).is_none());
    }
}
