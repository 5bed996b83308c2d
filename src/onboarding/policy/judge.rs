//! Policy and what is held -> what they disagree in. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::Remark;
use super::ask::{Held, ItemSeen, ids};
use crate::collections::MemberView;
use crate::federation::policy::Question;
use crate::federation::retention::{Period, Retention};
use crate::federation::{Area, Interval, Policy, quoted};
use crate::onboarding::suggest;

/// Differences below this are how Items come and go, and how people round.
const SLACK: TimeDelta = TimeDelta::days(45);
/// A window that is too wide by less than one part in so many costs too little to be told.
const SLACK_PARTS: i32 = 10;
/// Remarks of one kind; the rest is counted.
const REMARKS_MAX: usize = 5;

/// Everything that a policy and a member disagree in; the gravest first: what searches miss, what they ask in vain,
/// what could be said.
#[must_use]
pub fn judge(policy: &Policy, view: &MemberView, held: &Held, now: DateTime<Utc>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    remarks.extend(hidden(policy, held, now));
    remarks.extend(prefixes(policy, held));
    remarks.extend(extents(policy, view, now));
    remarks.extend(globs(policy, view));
    remarks.extend(empty_windows(policy, held, now));
    remarks.extend(suggestions(policy, view, held, now));
    remarks
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "no time".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

/// Items that are there although the policy says that they are not: no search reaches them.
fn hidden(policy: &Policy, held: &Held, now: DateTime<Utc>) -> Vec<Remark> {
    let refused = |item: &ItemSeen| {
        let interval = item.at.map(Interval::instant);
        let question = Question { interval, area: item.area.as_ref(), ids: None };
        policy.admits(&item.collection, &question, now).err()
    };
    let seen = held.beyond.iter().filter_map(|(question, item)| Some((question, item, refused(item)?)));
    let mut seen: Vec<_> = seen.collect();
    seen.dedup_by(|one, other| one.0 == other.0);
    let told = seen.into_iter().take(REMARKS_MAX).map(|(question, item, refusal)| {
        let seen = format!(
            "it has Items that its policy says it has not: {question} gave `{}` of `{}` of {}; {}: {}",
            item.id,
            item.collection,
            time(item.at),
            refusal.rule.name(),
            refusal.detail
        );
        let remark = Remark::new(seen, "searches for such Items do not come here: widen the policy if they should");
        match item.at.filter(|_| refusal.rule.name() == "retention") {
            Some(at) => remark.with(&[
                "[[member.policy.retention]]",
                &format!("collections = [{}]", quoted(&item.collection)),
                &format!("from = \"{}\"", at.format("%Y-%m-%dT00:00:00Z")),
            ]),
            None => remark,
        }
    });
    told.collect()
}

/// Ids that begin otherwise than declared: a search by such an id is not sent.
fn prefixes(policy: &Policy, held: &Held) -> Option<Remark> {
    if policy.ids_prefixes.is_empty() {
        return None;
    }
    let other = |id: &&String| !policy.ids_prefixes.iter().any(|prefix| id.starts_with(prefix.as_str()));
    let others: Vec<&String> = held.ids.iter().filter(other).collect();
    let first = others.first()?;
    let seen =
        format!("{} of {} ids begin with none of `ids_prefixes`, for example `{first}`", others.len(), held.ids.len());
    let remark = Remark::new(seen, "a search by these ids does not come here: add their beginnings, or drop the key");
    Some(remark.with(&["[member.policy]", "ids_prefixes = []"]))
}

/// What Collections advertise against what the policy keeps.
#[must_use]
pub fn extents(policy: &Policy, view: &MemberView, now: DateTime<Utc>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for entry in &view.entries {
        let id = &entry.native_id;
        if let (Some(kept), Some(start)) =
            (policy.keeps_from(id, now), entry.interval.and_then(|interval| interval.start))
            && start + SLACK < kept
        {
            let seen = format!(
                "policy keeps collection `{id}` from {} on, but it starts in {}",
                time(Some(kept)),
                time(Some(start))
            );
            remarks
                .push(Remark::new(seen, "check `retention`: either the extent is stale, or older Items are not found"));
        }
        let question = Question { interval: None, area: entry.area.as_ref(), ids: None };
        if let Err(refusal) = policy.admits(id, &question, now) {
            let seen =
                format!("collection `{id}` lies outside the policy, {}: {}", refusal.rule.name(), refusal.detail);
            remarks.push(Remark::new(seen, "check `focus`: searches of that area do not come here"));
        }
    }
    let more = remarks.len().saturating_sub(REMARKS_MAX);
    remarks.truncate(REMARKS_MAX);
    if let (true, Some(last)) = (more > 0, remarks.last_mut()) {
        last.seen = format!("{}; and {more} more of this kind", last.seen);
    }
    remarks
}

/// Globs that match no Collection.
fn globs(policy: &Policy, view: &MemberView) -> Vec<Remark> {
    let all: Vec<String> = ids(view).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let matched = |glob: &str| {
        let pattern = crate::federation::Patterns::new(&[glob.to_owned()]);
        pattern.is_ok_and(|pattern| all.iter().any(|id| pattern.matches(id)))
    };
    let lists = [("collections.include", &policy.include), ("collections.exclude", &policy.exclude)];
    let rules = policy.retention.iter().map(|rule| ("retention.collections", &rule.collections));
    let written =
        lists.into_iter().chain(rules).flat_map(|(key, globs)| globs.written.iter().map(move |glob| (key, glob)));
    // what is excluded is not listed here: such a glob does its work
    let idle = written.filter(|(key, glob)| *key != "collections.exclude" && !matched(glob));
    let named = idle.map(|(key, glob)| {
        let near = all.iter().take(REMARKS_MAX).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        Remark::new(
            format!("`{glob}` in `policy.{key}` matches no collection"),
            &format!("its collections are {near} …"),
        )
    });
    named.take(REMARKS_MAX).collect()
}

/// Lines of a rule as they stand in the file, with one that is to change.
fn lines(rule: &Retention, change: String) -> Vec<String> {
    let globs: Vec<String> = rule.collections.written.iter().map(|glob| quoted(glob)).collect();
    let collections = (!globs.is_empty()).then(|| format!("collections = [{}]", globs.join(", ")));
    std::iter::once("[[member.policy.retention]]".to_owned()).chain(collections).chain([change]).collect()
}

/// Windows that reach much further than what is there: searches that come in vain.
fn empty_windows(policy: &Policy, held: &Held, now: DateTime<Utc>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (at, (rule, (oldest, newest))) in policy.retention.iter().zip(&held.rules).enumerate() {
        // As declared: what widens a window for Items that last is no claim that they begin there.
        let window = Retention { item_span_max: Period::default(), ..rule.clone() }.window(now);
        let name = format!("policy.retention[{at}]");
        let end = window.end.unwrap_or(now).min(now);
        let slack = window.start.map_or(SLACK, |start| SLACK.max((end - start) / SLACK_PARTS));
        if let (Some(start), Some(oldest)) = (window.start, oldest.as_ref().and_then(|item| item.at))
            && start + slack < oldest
        {
            let seen = format!("{name} begins {}, but the oldest Item is of {}", time(Some(start)), time(Some(oldest)));
            let from = format!("from = \"{}\"", oldest.format("%Y-%m-%dT00:00:00Z"));
            let mut remark = Remark::new(seen, "searches before that come in vain; in this rule:");
            remark.toml = lines(rule, from);
            remarks.push(remark);
        }
        if let Some(newest) = newest.as_ref().and_then(|item| item.at)
            && rule.item_span_max.after(newest).is_some_and(|lasts| lasts + slack < end)
        {
            let until = newest.checked_add_signed(TimeDelta::days(1)).unwrap_or(newest);
            let seen =
                format!("{name} reaches until {}, but the newest Item is of {}", time(Some(end)), time(Some(newest)));
            let line = format!("until = \"{}\"", until.format("%Y-%m-%dT00:00:00Z"));
            let mut remark =
                Remark::new(seen, "if nothing more will come, searches behind that come in vain; in this rule:");
            remark.toml = lines(rule, line);
            remarks.push(remark);
        }
    }
    remarks
}

/// What could be declared where nothing is.
fn suggestions(policy: &Policy, view: &MemberView, held: &Held, now: DateTime<Utc>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let (bbox, start, end) = suggest::union(view);
    let oldest = held.oldest.as_ref().and_then(|item| item.at).or(start);
    let newest = held.newest.as_ref().and_then(|item| item.at).or(end);
    if let Some(oldest) = oldest.filter(|_| policy.retention.is_empty()) {
        let lines: Vec<String> = suggest::retention(oldest, newest, now)
            .into_iter()
            .map(|(line, why)| format!("{line}   # {why}"))
            .collect();
        let seen = format!("no retention is declared; its Items are of {} to {}", time(Some(oldest)), time(newest));
        let mut remark =
            Remark::new(seen, "declare it, if it will stay so: searches of other times then do not come here");
        remark.toml = std::iter::once("[[member.policy.retention]]".to_owned()).chain(lines).collect();
        remarks.push(remark);
    }
    let narrowed = policy.focus.is_some() || policy.retention.iter().any(|rule| rule.focus.is_some());
    if let Some(corners) = bbox.filter(|_| !narrowed) {
        let [west, south, east, north] = corners;
        let area = Area::from_boxes(&[crate::federation::Bbox { west, south, east, north, elevation: None }]);
        let seen = format!("no focus is declared; its Collections lie within {}", area.describe());
        let remark = Remark::new(seen, "declare it, if it will stay so: searches elsewhere then do not come here");
        remarks.push(remark.with(&["[member.policy]", &suggest::focus(corners)]));
    }
    remarks
}
