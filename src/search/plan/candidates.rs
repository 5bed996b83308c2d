//! Which collections of a member may hold a match, and the rule that proves that none does (S15).
//!
//! Every candidate collection is tested alone. A member is left out when all its candidates are, with the rule that
//! excluded the last of them when the rules are applied in their order.

use chrono::{DateTime, TimeDelta, Utc};

use crate::collections::ids::Named;
use crate::collections::{Entry, Known, MemberView};
use crate::federation::{Extents, Interval, Member, Question, Refusal, Rule};

use super::filtered::{Candidate, Proof};

/// Advertised boxes are rounded: they count this much larger, in degrees.
const EXTENT_MARGIN_DEGREES: f64 = 0.01;
/// Advertised times are often dates in some time zone: they count this much longer.
const EXTENT_MARGIN: TimeDelta = TimeDelta::days(1);
/// 1972, the first Landsat: where nothing advertises a beginning.
const FIRST_EXPECTED_S: i64 = 63_072_000;

const DISABLED: &str = "the federation file says `enabled = false`";
const NO_ITEMS: &str = "its metadata records are Collections, which have no Items";

/// Whether a member is asked.
pub(super) enum Judged {
    Asked(Candidates),
    Pruned(Refusal),
}

/// What is left of a member's collections.
pub(super) struct Candidates {
    /// Native ids: named by the client, else those of the member's list.
    pub natives: Vec<String>,
    /// Collections outside a list that is not known to be complete count too.
    pub others: bool,
    /// How many of the candidates were left out by a rule.
    pub left_out: usize,
    /// The client named collections, as parameter or in the filter: there are no others.
    pub named: bool,
    /// Its collections that are asked as shared ones, and are none of these.
    pub excluded: Vec<String>,
}

/// What is asked of each candidate.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub question: &'a Question<'a>,
    /// What the filter proves, in the member's own terms.
    pub proof: Option<&'a Proof>,
    pub now: DateTime<Utc>,
}

/// Whether one collection of a member, named as part of a shared one, may hold a match.
pub(super) fn one(member: &Member, view: Option<&MemberView>, native: &str, asking: Asking<'_>) -> Result<(), Refusal> {
    let refuse = |rule, detail: &str| Err(Refusal { rule, detail: detail.to_owned() });
    if !member.enabled {
        return refuse(Rule::Disabled, DISABLED);
    }
    if !member.has_items() {
        return refuse(Rule::NoItems, NO_ITEMS);
    }
    let listed = listed(view);
    let complete = view.is_some_and(|view| view.known == Known::Complete);
    let candidate = candidate(member, Some(native), &listed, entry(view, native), asking.now);
    collection(member, native, complete && !listed.contains(&native), &candidate, asking)
}

/// `excluded` are the member's collections that are asked as shared ones when none is named.
pub(super) fn judge(
    member: &Member,
    view: Option<&MemberView>,
    named: &[Named],
    excluded: Vec<String>,
    asking: Asking<'_>,
) -> Judged {
    if !member.enabled {
        return pruned(Rule::Disabled, DISABLED);
    }
    let complete = view.is_some_and(|view| view.known == Known::Complete);
    let listed = listed(view);
    let is_own = |native: &&str| !excluded.iter().any(|shared| shared == native);
    let wanted =
        if named.is_empty() { listed.iter().copied().filter(is_own).collect() } else { of_member(member, named) };
    let others = named.is_empty() && !complete;
    if !member.has_items() && (named.is_empty() || !wanted.is_empty()) {
        return pruned(Rule::NoItems, NO_ITEMS);
    }
    if wanted.is_empty() && !others {
        return if named.is_empty() {
            let alone = if excluded.is_empty() { "it lists no collection" } else { "it lists no other collection" };
            pruned(Rule::Collection, alone)
        } else {
            pruned(Rule::NotRequested, "the collections named belong to other members")
        };
    }

    let mut left = Candidates { natives: Vec::new(), others: false, left_out: 0, named: !named.is_empty(), excluded };
    let mut refusals: Vec<(Option<String>, Refusal)> = Vec::new();
    let test = |native: &str, left: &mut Candidates, refusals: &mut Vec<(Option<String>, Refusal)>| {
        let missing = complete && !listed.contains(&native);
        let candidate = candidate(member, Some(native), &listed, entry(view, native), asking.now);
        match collection(member, native, missing, &candidate, asking) {
            Ok(()) => left.natives.push(native.to_owned()),
            Err(refusal) => refusals.push((Some(native.to_owned()), refusal)),
        }
    };
    for native in wanted {
        test(native, &mut left, &mut refusals);
    }
    if others {
        let unlisted = candidate(member, None, &listed, None, asking.now);
        let by_policy = member.policy.admits_any(asking.question, asking.now).err();
        let by_filter = asking.proof.and_then(|proof| proof.refusal(&unlisted));
        let named_by_filter = asking.proof.and_then(Proof::natives);
        match (first(by_policy.into_iter().chain(by_filter)), named_by_filter) {
            (Some(refusal), _) => refusals.push((None, refusal)),
            (None, None) => left.others = true,
            // the filter names what they could be
            (None, Some(natives)) => {
                left.named = true;
                let unlisted = natives.iter().filter(|native| !listed.contains(&native.as_str()));
                let excluded = left.excluded.clone();
                for native in unlisted.filter(|native| !excluded.contains(native)) {
                    test(native, &mut left, &mut refusals);
                }
            }
        }
    }
    left.left_out = refusals.len();
    if left.others || !left.natives.is_empty() {
        return Judged::Asked(left);
    }
    Judged::Pruned(last(refusals))
}

fn candidate<'a>(
    member: &'a Member,
    native: Option<&'a str>,
    listed: &'a [&'a str],
    entry: Option<&'a Entry>,
    now: DateTime<Utc>,
) -> Candidate<'a> {
    Candidate { policy: &member.policy, native, listed, entry, now }
}

/// The rule that stands first.
fn first(refusals: impl Iterator<Item = Refusal>) -> Option<Refusal> {
    refusals.min_by_key(|refusal| refusal.rule)
}

fn pruned(rule: Rule, detail: &str) -> Judged {
    Judged::Pruned(Refusal { rule, detail: detail.to_owned() })
}

/// Every collection the member is known to have; a quarantined one is searched, too.
fn listed(view: Option<&MemberView>) -> Vec<&str> {
    let Some(view) = view else { return Vec::new() };
    let mut natives: Vec<&str> = view.entries.iter().map(|entry| entry.native_id.as_str()).collect();
    natives.extend(view.quarantined.iter().map(|entry| entry.native_id.as_str()));
    natives.sort_unstable();
    natives.dedup();
    natives
}

/// The named collections that may be this member's, in the order given: its own, and bare ids.
fn of_member<'a>(member: &Member, named: &'a [Named]) -> Vec<&'a str> {
    let mut natives: Vec<&str> = Vec::new();
    for name in named {
        let native = match name {
            Named::Qualified { member: of, native } if *of == member.id => native,
            Named::Qualified { .. } | Named::Shared(_) => continue,
            Named::Bare(native) => native,
        };
        if !natives.contains(&native.as_str()) {
            natives.push(native);
        }
    }
    natives
}

fn entry<'a>(view: Option<&'a MemberView>, native: &str) -> Option<&'a Entry> {
    view?.entries.iter().find(|entry| entry.native_id == native).map(AsRef::as_ref)
}

/// Whether one collection may hold a match; else the first rule that proves that it does not.
fn collection(
    member: &Member,
    native: &str,
    missing: bool,
    candidate: &Candidate<'_>,
    asking: Asking<'_>,
) -> Result<(), Refusal> {
    if !member.policy.sees(native) {
        let detail = format!("`policy.collections` leaves `{native}` out");
        return Err(Refusal { rule: Rule::FocusCollection, detail });
    }
    if missing {
        return Err(Refusal { rule: Rule::Collection, detail: format!("it has no collection `{native}`") });
    }
    let by_policy = member.policy.admits(native, asking.question, asking.now).err();
    let by_extent = candidate.entry.and_then(|entry| extent(member.policy.extents, entry, asking.question));
    let by_filter = asking.proof.and_then(|proof| proof.refusal(candidate));
    first(by_policy.into_iter().chain(by_extent).chain(by_filter)).map_or(Ok(()), Err)
}

/// What the advertised extent proves, as far as the policy trusts it.
pub(super) fn extent(trust: Extents, entry: &Entry, question: &Question<'_>) -> Option<Refusal> {
    if trust == Extents::Ignore {
        return None;
    }
    if let (Some(asked), Some(advertised)) = (question.area, &entry.area)
        && !advertised.widened(EXTENT_MARGIN_DEGREES).touches(asked)
    {
        let detail = format!("advertises {}; the query asks {}", advertised.describe(), asked.describe());
        return Some(Refusal { rule: Rule::ExtentArea, detail });
    }
    let (asked, advertised) = (question.interval?, entry.interval?);
    let window = Interval {
        start: advertised.start.and_then(|start| start.checked_sub_signed(EXTENT_MARGIN)),
        end: advertised.end.filter(|_| trust == Extents::All).and_then(|end| end.checked_add_signed(EXTENT_MARGIN)),
    };
    if window.meets(&asked) {
        return None;
    }
    let detail = format!("advertises {}; the query asks {}", advertised.to_param(), asked.to_param());
    Some(Refusal { rule: Rule::ExtentTime, detail })
}

/// Where in time the candidates' Items are expected, by what their collections advertise: a guess, since that is often out
/// of date. What is not said begins with the first catalogues of satellite images and ends now.
pub(super) fn expected(candidates: &Candidates, view: Option<&MemberView>, now: DateTime<Utc>) -> Interval {
    let advertised = candidates.natives.iter().filter_map(|native| entry(view, native)?.interval);
    let (mut start, mut end) = (None, now);
    for interval in advertised {
        start = interval.start.into_iter().chain(start).min();
        end = interval.end.map_or(end, |until| until.max(end));
    }
    let first = DateTime::from_timestamp(FIRST_EXPECTED_S, 0);
    Interval { start: start.or(first), end: Some(end) }
}

/// The rule that excluded the last candidate: of each candidate's first rule the last one.
fn last(refusals: Vec<(Option<String>, Refusal)>) -> Refusal {
    let count = refusals.len();
    // The first candidate among equals, so that the sentence does not depend on anything but the file's order.
    let Some((native, mut refusal)) = refusals.into_iter().rev().max_by_key(|(_, refusal)| refusal.rule) else {
        return Refusal { rule: Rule::NotRequested, detail: "nothing of it was asked for".to_owned() };
    };
    if count > 1
        && let Some(native) = native
        && !refusal.detail.contains(&native)
    {
        refusal.detail = format!("none of {count} collections can match; `{native}`: {}", refusal.detail);
    }
    refusal
}
