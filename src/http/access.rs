//! Search -> its line in the access log, and the lists of Collections that its plan was made with.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::broker::Snapshot;
use crate::collections::{Entry, Known, MemberView};
use crate::federation::{self, Area};
use crate::search::{Report, SearchRequest};
use crate::telemetry::access::{self, Asked, Collection, Collections, Line, Pruned, Search};
use crate::telemetry::context;

/// A list stands in the log again after this much time, so that a log that was cut begins with lists soon.
const AGAIN: Duration = Duration::from_secs(3600);
/// Collections of a member up to which its list is written: a line of some hundred kilobytes.
const COLLECTIONS_MAX: usize = 4_000;

/// The lists as last written, by member: a sum over the content, and when.
static WRITTEN: Mutex<Option<Lists>> = Mutex::new(None);

#[derive(Default)]
struct Lists {
    /// The view that was looked at last, by its address: while it is the same, so are all lists.
    view: usize,
    looked: Option<Instant>,
    members: HashMap<String, (u64, Instant)>,
}

/// What is told of a page beside its report.
pub struct Told<'a> {
    pub route: &'static str,
    pub status: u16,
    pub took: Duration,
    pub request: &'a SearchRequest,
}

/// Writes the line of a page, if lines are wanted.
pub fn search(snapshot: &Snapshot, told: &Told<'_>, report: &Report) {
    if !access::is_on() {
        return;
    }
    lists(snapshot);
    access::write(Line::Search(Box::new(line(told, report))).written());
}

fn line(told: &Told<'_>, report: &Report) -> Search {
    let said = told.request.said();
    let context = context::current();
    let sent = |member: &str, asked: u32| context.as_ref().map_or(asked, |context| context.sent(member));
    let asked: Vec<Asked> = report
        .members
        .iter()
        .map(|member| Asked {
            member: member.id.to_string(),
            status: member.status.name().to_owned(),
            requests: sent(member.id.as_str(), member.requests),
            items: member.returned,
            took_ms: member.took_ms,
        })
        .collect();
    let pruned = report.pruned.iter();
    Search {
        timestamp: now(),
        request_id: context.as_ref().map_or_else(String::new, |context| context.request_id.to_string()),
        trace_id: context.as_ref().map(|context| context.trace.id.to_string()),
        route: told.route.to_owned(),
        status: told.status,
        took_ms: u64::try_from(told.took.as_millis()).unwrap_or(u64::MAX),
        started: milliseconds(report.started),
        continued: told.request.token.is_some(),
        search: said.body,
        cut: said.cut.into_iter().map(str::to_owned).collect(),
        items: asked.iter().map(|asked| asked.items).sum(),
        complete: report.complete,
        requests: asked.iter().map(|asked| asked.requests).sum(),
        pruned: pruned.map(|left| Pruned { member: left.id.to_string(), rule: left.rule.to_owned() }).collect(),
        asked,
    }
}

fn now() -> String {
    milliseconds(Utc::now())
}

fn milliseconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes the lists of Collections that are not in the log yet.
fn lists(snapshot: &Snapshot) {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let written = written.get_or_insert_with(Lists::default);
    let view = std::sync::Arc::as_ptr(&snapshot.view) as usize;
    let (now, is_due) = (Instant::now(), |at: Instant| at.elapsed() >= AGAIN);
    if written.view == view && written.looked.is_some_and(|at| !is_due(at)) {
        return;
    }
    (written.view, written.looked) = (view, Some(now));
    for part in snapshot.view.members.iter().filter(|part| part.read_at.is_some()) {
        let Some(member) = snapshot.federation.member(part.member.as_str()) else { continue };
        let sum = sum(member, part);
        let before = written.members.get(part.member.as_str());
        if before.is_some_and(|(known, at)| *known == sum && !is_due(*at)) {
            continue;
        }
        written.members.insert(part.member.to_string(), (sum, now));
        if part.entries.len() + part.quarantined.len() <= COLLECTIONS_MAX {
            access::write(Line::Collections(list(member, part)).written());
        }
    }
    written.members.retain(|id, _| snapshot.federation.members.iter().any(|member| member.id.as_str() == id));
}

/// A sum over what a list would say, without writing it.
fn sum(member: &federation::Member, part: &MemberView) -> u64 {
    let mut sum = DefaultHasher::new();
    (part.known == Known::Complete, &member.policy.include.written, &member.policy.exclude.written).hash(&mut sum);
    for entry in &part.entries {
        (&entry.native_id, entry.interval.map(|interval| (interval.start, interval.end))).hash(&mut sum);
        for bbox in entry.area.iter().flat_map(boxes) {
            bbox.map(f64::to_bits).hash(&mut sum);
        }
    }
    part.quarantined.iter().for_each(|entry| entry.native_id.hash(&mut sum));
    sum.finish()
}

fn list(member: &federation::Member, part: &MemberView) -> Collections {
    let listed = part.entries.iter().map(|entry| collection(entry));
    let quarantined = part.quarantined.iter().filter(|entry| !entry.native_id.is_empty());
    Collections {
        timestamp: now(),
        member: part.member.to_string(),
        complete: part.known == Known::Complete,
        include: member.policy.include.written.clone(),
        exclude: member.policy.exclude.written.clone(),
        collections: listed
            .chain(quarantined.map(|entry| Collection { id: entry.native_id.clone(), ..Collection::default() }))
            .collect(),
    }
}

fn collection(entry: &Entry) -> Collection {
    Collection {
        id: entry.native_id.clone(),
        bboxes: entry.area.as_ref().map(boxes),
        datetime: entry.interval.map(|interval| interval.to_param()),
    }
}

fn boxes(area: &Area) -> Vec<[f64; 4]> {
    area.boxes.iter().map(|rect| [rect.min().x, rect.min().y, rect.max().x, rect.max().y]).collect()
}
