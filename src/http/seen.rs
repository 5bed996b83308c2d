//! What members did otherwise than they should, while they served: what, how often, when first and last.
//!
//! Kept in memory for admins and for whoever wonders about a member; a second process has its own. Bounded, as what is
//! kept is a word of a closed set for each member of the file.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::federation::{Federation, MemberId, interval};
use crate::search::Report;
use crate::search::outcome::Status;

#[derive(Debug, Default)]
pub struct Seen(Mutex<BTreeMap<MemberId, BTreeMap<&'static str, Times>>>);

#[derive(Debug, Clone, Copy)]
struct Times {
    count: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

/// The words that are no statuses.
const CONTRADICTION: &str = "contradiction";
const SUSPICIOUS_END: &str = "suspicious-end";
const POLICY_CONTRADICTED: &str = "policy-contradicted";

impl Seen {
    /// Takes from a page what it showed of its members.
    pub fn take(&self, report: &Report, federation: &Federation, now: DateTime<Utc>) {
        let told: Vec<(&MemberId, &'static str, u64)> = report
            .members
            .iter()
            .flat_map(|member| {
                let status = is_odd(member.status).then_some((&member.id, member.status.name(), 1));
                let contradiction = Some((&member.id, CONTRADICTION, u64::from(member.contradictions)));
                let end = Some((&member.id, SUSPICIOUS_END, u64::from(member.suspicious_ends)));
                [status, contradiction, end]
            })
            .flatten()
            .chain(report.outside.iter().map(|one| (&one.member, POLICY_CONTRADICTED, u64::from(one.items))))
            .filter(|(_, _, times)| *times > 0)
            .collect();
        if told.is_empty() {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| federation.members.iter().any(|member| member.id == *id));
        for (id, what, times) in told {
            let kept = seen.entry(id.clone()).or_default();
            let entry = kept.entry(what).or_insert(Times { count: 0, first: now, last: now });
            (entry.count, entry.last) = (entry.count.saturating_add(times), now);
        }
    }

    /// What was seen of a member, the latest first.
    pub fn of(&self, member: &MemberId) -> Value {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = seen.get(member).into_iter().flatten().collect();
        list.sort_by_key(|(_, times)| std::cmp::Reverse(times.last));
        let one = |(what, times): (&&'static str, &Times)| {
            json!({
                "what": what, "times": times.count,
                "first": interval::text(times.first), "last": interval::text(times.last),
            })
        };
        list.into_iter().map(one).collect()
    }
}

/// Whether a share ended as it should not.
fn is_odd(status: Status) -> bool {
    !matches!(status, Status::Ok | Status::Exhausted | Status::Joined | Status::SkippedCapability | Status::Removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::report::MemberReport;

    #[test]
    fn what_was_seen_is_counted_with_its_times_and_forgotten_with_its_member() {
        let federation = |ids: &[&str]| {
            let member = |id: &&str| format!("[[member]]\nid = \"{id}\"\nurl = \"https://a.example/{id}\"\n");
            let members: Vec<String> = ids.iter().map(member).collect();
            let file = format!("[federation]\nid = \"f\"\n{}", members.concat());
            crate::federation::load_text("f", &file, std::path::Path::new("")).unwrap().federation
        };
        let report = |id: &str, status, contradictions| {
            let member = MemberReport { contradictions, ..MemberReport::bare(&MemberId::new(id), status, None) };
            Report { members: vec![member], ..Report::default() }
        };
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let (both, seen) = (federation(&["A", "B"]), Seen::default());
        seen.take(&report("A", Status::Timeout, 0), &both, at(1));
        seen.take(&report("A", Status::Ok, 3), &both, at(2));
        seen.take(&report("A", Status::Timeout, 0), &both, at(3));
        seen.take(&report("B", Status::Ok, 0), &both, at(4));
        let expected = json!([
            {"what": "timeout", "times": 2, "first": "1970-01-01T00:00:01Z", "last": "1970-01-01T00:00:03Z"},
            {"what": "contradiction", "times": 3, "first": "1970-01-01T00:00:02Z", "last": "1970-01-01T00:00:02Z"},
        ]);
        assert_eq!((seen.of(&MemberId::new("A")), seen.of(&MemberId::new("B"))), (expected, json!([])));
        seen.take(&report("B", Status::NoProgress, 0), &federation(&["B"]), at(5));
        assert_eq!(seen.of(&MemberId::new("A")), json!([]));
    }
}
