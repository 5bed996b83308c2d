//! What admins are told of a harvest: how old the snapshot is, what it lacks, how the running one goes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::snapshot::Snapshot;
use super::{LeftOut, Tally};
use crate::members::{Failure, Fault, Health, Withheld};

/// A snapshot that is this much older than the time between two harvests should have been replaced: the time is spread
/// by a fifth either way.
const OVERDUE: f64 = 1.25;

/// How the harvests went so far.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Harvests that ended, well or not.
    pub attempts: u64,
    /// Set while one runs.
    pub begun_at: Option<DateTime<Utc>>,
    pub tried_at: Option<DateTime<Utc>>,
    /// When the newest snapshot was made.
    pub read_at: Option<DateTime<Utc>>,
    pub next_at: Option<DateTime<Utc>>,
    /// Of the last one; `None`: it went well.
    pub failure: Option<Failure>,
}

/// A sign of life that was asked for between two harvests.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    pub at: DateTime<Utc>,
    /// Why there was none.
    pub failed: Option<Fault>,
}

impl Past {
    /// The health of the member after what came last, a harvest or a sign of life. A sign of life says that the member is
    /// there, and not that what it gives can be read.
    pub fn health(&self, pulse: Option<&Pulse>) -> Health {
        let harvest = Health {
            last_check: self.tried_at,
            last_success: self.read_at,
            last_failure: self.failure.as_ref().map(|failed| failed.fault),
        };
        let Some(pulse) = pulse.filter(|pulse| self.tried_at.is_none_or(|tried| pulse.at > tried)) else {
            return harvest;
        };
        let was_away = |fault| matches!(fault, Fault::Timeout | Fault::Unreachable | Fault::CircuitOpen);
        match (pulse.failed, harvest.last_failure) {
            (Some(fault), _) => Health { last_check: Some(pulse.at), last_failure: Some(fault), ..harvest },
            (None, Some(fault)) if !was_away(fault) => harvest,
            (None, _) => Health { last_check: Some(pulse.at), last_success: Some(pulse.at), last_failure: None },
        }
    }
}

/// The state of a member that is read whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Harvest {
    /// When the snapshot was read that searches see; `None`: there is none yet.
    #[serde(serialize_with = "instant")]
    pub read_at: Option<DateTime<Utc>>,
    pub age_s: Option<i64>,
    /// It is older than it should be: harvests since then failed, or the running one takes long.
    pub overdue: bool,
    /// Whether it is all the member has, as far as that can be known.
    pub complete: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    pub collections: usize,
    pub items: usize,
    /// What the snapshot cost.
    pub read: Tally,
    pub left_out: LeftOut,
    /// What was lacking or changed on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The running harvest: since when, and documents and bytes so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// Why the last harvest brought nothing; the snapshot is the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Fault>,
    /// When the next one begins; while one runs: nothing.
    #[serde(serialize_with = "instant")]
    pub next_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Running {
    #[serde(serialize_with = "instant")]
    pub since: Option<DateTime<Utc>>,
    pub documents: u64,
    pub bytes: u64,
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn instant<S: serde::Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&crate::federation::interval::text(*at)),
        None => serializer.serialize_none(),
    }
}

impl Harvest {
    pub(super) fn of<K>(
        past: &Past,
        newest: Option<&Snapshot<K>>,
        progress: (u64, u64),
        every: Duration,
        now: DateTime<Utc>,
    ) -> Self {
        let age = past.read_at.map(|at| now - at);
        let due = chrono::TimeDelta::from_std(every.mul_f64(OVERDUE)).unwrap_or(chrono::TimeDelta::MAX);
        let running = past.begun_at.map(|at| Running { since: Some(at), documents: progress.0, bytes: progress.1 });
        let incomplete = newest.and_then(|snapshot| snapshot.harvested.incomplete.clone());
        Self {
            read_at: past.read_at,
            age_s: age.map(|age| age.num_seconds()),
            overdue: age.is_some_and(|age| age > due),
            complete: newest.is_some() && incomplete.is_none(),
            incomplete,
            collections: newest.map_or(0, |snapshot| snapshot.harvested.collections.len()),
            items: newest.map_or(0, Snapshot::len),
            read: newest.map_or_else(Tally::default, |snapshot| snapshot.harvested.tally),
            left_out: newest.map_or_else(LeftOut::default, |snapshot| snapshot.left_out.clone()),
            notes: newest.map_or_else(Vec::new, |snapshot| snapshot.harvested.notes.clone()),
            next_at: past.next_at.filter(|_| running.is_none()),
            running,
            failure: past.failure.as_ref().map(|failed| failed.fault),
        }
    }

    /// Why a search would get nothing of it at this moment: there is no snapshot, and none is in the making.
    #[must_use]
    pub fn withheld(&self, now: DateTime<Utc>) -> Option<Withheld> {
        let (None, None, Some(fault)) = (self.read_at, &self.running, self.failure) else { return None };
        let retry_after_s = self.next_in_s(now).unwrap_or(1);
        let reason = format!("reading it ended with `{}`; it is read again in {retry_after_s} s", fault.name());
        Some(Withheld { fault, reason, retry_after_s })
    }

    /// Whole seconds until it is read again, never none; `None` where that is not known, or is under way.
    #[must_use]
    pub fn next_in_s(&self, now: DateTime<Utc>) -> Option<u32> {
        let left = self.next_at.filter(|_| self.running.is_none())? - now;
        Some(u32::try_from(left.num_seconds().max(0)).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// What an admin should read, one sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match (&self.read_at, &self.failure) {
            (None, _) => remarks.push("no snapshot yet".to_owned()),
            (Some(_), Some(_)) => {
                remarks.push(format!("the last harvest failed; the snapshot is {} s old", self.age_s.unwrap_or(0)));
            }
            (Some(_), None) if self.overdue => {
                remarks.push(format!("the snapshot is {} s old and should have been renewed", self.age_s.unwrap_or(0)));
            }
            _ => {}
        }
        remarks.extend(self.incomplete.iter().map(|why| format!("the snapshot is not complete: {why}")));
        remarks.extend(self.left_out.list.iter().map(|(what, why)| format!("left out `{what}`: {why}")));
        let more = self.left_out.count.saturating_sub(self.left_out.list.len() as u64);
        if more > 0 {
            remarks.push(format!("{more} further documents are left out"));
        }
        remarks.extend(self.notes.iter().cloned());
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_read_says_when_it_is_read_again() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let failed = Some(crate::members::failure(Fault::Unreachable, "canary-of-the-member"));
        let past = Past { attempts: 1, next_at: Some(at(100)), failure: failed, ..Past::default() };
        let state = |past: &Past| Harvest::of::<()>(past, None, (0, 0), Duration::from_secs(100), at(70));
        let withheld = state(&past).withheld(at(70)).unwrap();
        assert_eq!((withheld.fault, withheld.retry_after_s), (Fault::Unreachable, 31));
        assert_eq!(withheld.reason, "reading it ended with `unreachable`; it is read again in 31 s");
        let running = Past { begun_at: Some(at(60)), ..past.clone() };
        assert_eq!((state(&running).withheld(at(70)), state(&running).next_in_s(at(70))), (None, None));
        let read = Past { read_at: Some(at(1)), ..past };
        assert_eq!((state(&read).withheld(at(70)), state(&read).next_in_s(at(500))), (None, Some(1)));
    }

    #[test]
    fn a_sign_of_life_tells_between_harvests_whether_the_member_is_there() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let pulse = |seconds, failed| Pulse { at: at(seconds).unwrap(), failed };
        let told = |past: &Past, pulse: Pulse| {
            let health = past.health(Some(&pulse));
            (health.last_check, health.last_success, health.last_failure)
        };
        let well = Past { attempts: 1, tried_at: at(10), read_at: at(10), ..Past::default() };
        assert_eq!(told(&well, pulse(40, None)), (at(40), at(40), None));
        let away = Some(Fault::Unreachable);
        assert_eq!(told(&well, pulse(40, away)), (at(40), at(10), away));
        assert_eq!(told(&well, pulse(5, away)), (at(10), at(10), None), "the harvest came later");
        let failed =
            |fault| Past { tried_at: at(30), failure: Some(crate::members::failure(fault, "")), ..well.clone() };
        assert_eq!(told(&failed(Fault::Timeout), pulse(40, None)), (at(40), at(40), None), "it is back");
        let unread = told(&failed(Fault::BadResponse), pulse(40, None));
        assert_eq!(unread, (at(30), at(10), Some(Fault::BadResponse)), "it is there and cannot be read");
    }

    #[test]
    fn a_snapshot_over_its_age_says_so() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let past = Past { attempts: 1, read_at: Some(at(0)), next_at: Some(at(100)), ..Past::default() };
        let state = |past: &Past, now| Harvest::of::<()>(past, None, (7, 70), Duration::from_secs(100), at(now));
        assert!(!state(&past, 120).overdue, "the time is spread by a fifth");
        let old = state(&past, 126);
        assert_eq!(old.remarks(), ["the snapshot is 126 s old and should have been renewed"]);
        assert_eq!((old.age_s, old.next_at), (Some(126), Some(at(100))));
        let running = state(&Past { begun_at: Some(at(110)), ..past }, 126);
        assert_eq!(running.running, Some(Running { since: Some(at(110)), documents: 7, bytes: 70 }));
        assert_eq!(running.next_at, None);
    }
}
