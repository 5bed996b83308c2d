//! Who is asked what, decided without I/O: every member is a [`Leg`], [`Pruned`] with its rule, or [`Refused`] for lack of a feature.
//!
//! Stages, one file each: `filtered.rs` reads what a filter proves (S16), `candidates.rs` finds which collections of
//! a member may hold a match (S15), `shared.rs` who serves which `windows.rs` of a shared Collection (S11), `sorting.rs` chooses the order and how each leg is read (S4, S5), `leg.rs` says what is pushed down and what stays
//! with the broker (S8), the filter's part of it in `condition.rs`, and for members that read parameters otherwise in `otherwise.rs`, `explain.rs` tells people. A member is left out only on proof: what is not known is asked.

mod filtered;
mod candidates;
mod condition;
pub mod explain;
mod leg;
mod otherwise;
pub mod shared;
mod sorting;
pub mod windows;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::collections::ids::Named;
use crate::collections::{Ids, MemberView};
use crate::cql2::Expr;
use crate::federation::{Area, Federation, Interval, Member, MemberId, Question, Refusal, Shared};
use crate::members::{Ask, Capabilities};

use super::filter::{localised, named_in};
use super::request::{Invalid, SearchRequest, SortBy};
use super::residual::Residual;

use candidates::{Asking, Candidates, Judged};
pub(super) use condition::shown;
use filtered::Proof;
use shared::Share;
pub(super) use sorting::null_filter;

/// What the plan knows of one member. `None` where nothing was discovered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub capabilities: Option<&'a Capabilities>,
    pub collections: Option<&'a MemberView>,
}

/// The plan of one search.
#[derive(Debug, Clone)]
pub struct Plan {
    pub order: Order,
    /// Members' own collections in the order of the file, then shared Collections, each by the rank of its holders.
    pub legs: Vec<Leg>,
    /// Legs that are asked only when the one fails that they take over from (S13).
    pub standby: Vec<Leg>,
    pub pruned: Vec<Pruned>,
    /// `skipped-capability`, with the feature.
    pub refused: Vec<Refused>,
    /// The members for whose sake the order is [`Order::Quota`]: they cannot deliver newest first.
    pub unsorted: Vec<MemberId>,
}

/// The order of the answer (S1, S4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// One total order by these keys, then id, then exposed collection id. Never empty.
    Sorted(Vec<SortBy>),
    /// Deterministic interleave by quota; with a single leg the member's own order passes through.
    Quota,
}

/// How a leg is read and resumed (`paging.md` section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Sorted by the member, resumed by an inclusive bound on the first key.
    Keyset,
    /// Sorted by the member, resumed by its token.
    Token,
    /// Cannot sort: read by windows of the first key, each read whole and sorted by the broker.
    Slice,
    /// Cannot sort and reports few matches: read whole and sorted on every page.
    Drain,
    /// Own order, places instead of a watermark.
    Quota,
    /// Quota with a single leg.
    PassThrough,
}

/// One member's share.
#[derive(Debug, Clone)]
pub struct Leg {
    pub member: MemberId,
    /// Which share of the member this is: empty for its own collections, else the shared collection it is a holder of.
    pub part: String,
    /// Of a shared Collection: what of it.
    pub shared: Option<Share>,
    pub mode: Mode,
    /// Conditions and sort keys in the member's own terms; `limit` and `token` are set for each request.
    pub ask: Ask,
    /// What the broker checks on each Item that comes back.
    pub residual: Residual,
    /// For people, for example `collections`, `datetime`, `sortby: -properties.datetime,+id`.
    pub pushdown: Vec<String>,
    /// Largest page the member takes.
    pub page_max: u32,
    /// Why the member is asked.
    pub reason: String,
    /// False: its abilities are what its kind implies and the file declares; nothing was read from it yet.
    pub discovered: bool,
    /// The member declares `required = true`.
    pub required: bool,
    /// Requests that one page of it costs at most: more than one where each collection is a request.
    pub page_requests: usize,
    /// Its counts are known to be exact.
    pub counts_exact: bool,
    /// It may be asked for Items at or behind a time: what it returns for `datetime` lacks nothing.
    pub bounds: bool,
    /// Where in time its Items are expected: a guess that saves requests and decides nothing.
    pub expected: Interval,
    /// How its list begins at a value of the first sort key that is no time of the Item.
    pub first: FirstKey,
}

/// What is known of the first sort key at a member that sorts by it (`paging.md` section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FirstKey {
    /// No Item lacks it; a time is bounded by an interval, ids not at all.
    #[default]
    Certain,
    /// The member can be asked for what lies at or behind a value: its list is read in segments, values and nulls.
    Bounded { property: Box<str>, nulls: NullItems },
    /// It cannot, so that one list holds all. `nulls_last`: it is known to put Items without the key at the end.
    Unbounded { nulls_last: bool },
}

/// How the Items without a key are had from a member that is asked for values by bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullItems {
    /// By `IS NULL`, exactly; `IS NOT NULL` leaves them out.
    Apart,
    /// The same, but Items of the other segment may come along.
    Hinted,
    /// Not at all.
    OutOfReach,
}

impl Plan {
    /// Whether a shared Collection is asked at more than one holder.
    #[must_use]
    pub fn is_split(&self, leg: &Leg) -> bool {
        let id = shared_id(&leg.part);
        !id.is_empty() && self.legs.iter().filter(|other| shared_id(&other.part) == id).count() > 1
    }

    /// Whether every window of what a part is of is served by a holder that covers it.
    #[must_use]
    pub fn covers(&self, part: &str) -> bool {
        let id = shared_id(part);
        let mut legs = self.legs.iter().filter(|leg| shared_id(&leg.part) == id).peekable();
        !id.is_empty()
            && legs.peek().is_some()
            && legs.all(|leg| leg.shared.as_ref().is_some_and(|share| !share.united))
    }
}

impl Leg {
    /// The place of its member among the holders of a shared Collection: of equal Items the lowest is given.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shared.as_ref().map_or(0, |share| share.rank)
    }
}

/// The shared Collection that a part is of; empty: the member's own.
#[must_use]
pub fn shared_id(part: &str) -> &str {
    part.split([',', ';']).next().unwrap_or_default()
}

#[derive(Debug, Clone)]
pub struct Pruned {
    pub member: MemberId,
    pub refusal: Refusal,
}

#[derive(Debug, Clone)]
pub struct Refused {
    pub member: MemberId,
    /// For example `sort: properties.datetime`.
    pub feature: String,
    pub required: bool,
}

/// Decides who is asked what.
///
/// `now` is the session's start (retention windows are computed from it). `order` is the session's order once it is
/// chosen; `None` on a first page. `facts` gives what is known of each member.
///
/// # Errors
/// A condition that nobody can honour, named. None of this release's conditions is of that kind: a sort key that no
/// member can sort by is drained, and what cannot be drained is refused member by member.
pub fn plan<'a>(
    federation: &'a Federation,
    ids: &Ids,
    facts: impl Fn(&MemberId) -> Facts<'a>,
    request: &SearchRequest,
    now: DateTime<Utc>,
    order: Option<&Order>,
) -> Result<Plan, Invalid> {
    let area = asked_area(request);
    let question = Question { interval: request.datetime, area: area.as_ref(), ids: request.ids.as_deref() };
    let named: Vec<_> = request.collections.iter().map(|given| ids.parse(given)).collect();
    let scene = Scene { federation, facts: &facts, request, question: &question, now };

    let (mut refused, mut asked, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for member in &federation.members {
        let known = facts(&member.id);
        let filter = request.filter.as_ref().map(|filter| Arc::new(localised(filter, &member.id, ids)));
        let proof = filter.as_deref().map(Proof::of);
        let asking = Asking { question: &question, proof: proof.as_ref(), now };
        let excluded = if named.is_empty() { taken_as_shared(member, ids, request) } else { Vec::new() };
        match candidates::judge(member, known.collections, &named, excluded, asking) {
            Judged::Pruned(refusal) => left.push((member, refusal)),
            Judged::Asked(candidates) => {
                let abilities = known.capabilities.cloned().unwrap_or_else(|| Capabilities::implied(member));
                let filter = filter.filter(|filter| !is_true(filter));
                match unsearchable(&candidates, &abilities) {
                    None => asked.push((
                        None,
                        Asked {
                            member,
                            expected: candidates::expected(&candidates, known.collections, now),
                            candidates,
                            abilities,
                            filter,
                        },
                    )),
                    Some(feature) => refused.push(lacking(member, feature)),
                }
            }
        }
    }
    let mut waiting = Vec::new();
    for shared in federation.shared.iter().filter(|shared| is_asked(shared, &named)) {
        let parts = shared::parts(shared, &scene);
        asked.extend(parts.asked.into_iter().map(|(part, share, asked)| (Some((part, share)), asked)));
        waiting.extend(parts.standby);
        left.extend(parts.pruned);
        refused.extend(parts.refused.into_iter().map(|(member, feature)| lacking(member, feature)));
    }

    let order = order.cloned().unwrap_or_else(|| sorting::choose(request, asked.iter().map(|(_, asked)| asked)));
    let alone = asked.len() == 1;
    let mut legs = Vec::new();
    for (of, asked) in &asked {
        match sorting::read(&order, asked, request, alone) {
            Ok(reading) => legs.push(leg::make(asked, request, area.as_ref(), &reading, of.clone())),
            Err(feature) => refused.push(lacking(asked.member, feature)),
        }
    }
    // in the quota order a leg keeps its place in its own list, where nobody else can go on
    let waiting = waiting.into_iter().filter(|_| order != Order::Quota);
    let standby = waiting.filter_map(|(part, share, asked)| {
        let reading = sorting::read(&order, &asked, request, false).ok()?;
        Some(leg::make(&asked, request, area.as_ref(), &reading, Some((part, share))))
    });
    let standby = standby.collect();
    let unsorted =
        if order == Order::Quota { sorting::unsorted(asked.iter().map(|(_, asked)| asked)) } else { Vec::new() };
    // one member may lack the same for several shares
    let mut seen: Vec<MemberId> = Vec::new();
    refused.retain(|lacking| {
        let fresh = !seen.contains(&lacking.member);
        seen.push(lacking.member.clone());
        fresh
    });
    let pruned = pruned(federation, left, &legs, &refused);
    Ok(Plan { order, legs, standby, pruned, refused, unsorted })
}

/// What the shares of a shared Collection are decided from.
struct Scene<'a, 's> {
    federation: &'a Federation,
    facts: &'s dyn Fn(&MemberId) -> Facts<'a>,
    request: &'s SearchRequest,
    question: &'s Question<'s>,
    now: DateTime<Utc>,
}

/// A search that names no collection treats shared ones as shared.
fn is_asked(shared: &Shared, named: &[Named]) -> bool {
    named.is_empty() || named.iter().any(|name| matches!(name, Named::Shared(id) if *id == shared.id))
}

/// The member's collections that are asked as shared ones, unless the filter names them as the member's own.
fn taken_as_shared(member: &Member, ids: &Ids, request: &SearchRequest) -> Vec<String> {
    let taken = ids.all_shared().iter().filter_map(|shared| shared.native(&member.id));
    let own = request.filter.as_ref().map(|filter| named_in(filter, &member.id, ids)).unwrap_or_default();
    taken.filter(|native| !own.iter().any(|named| named == native)).map(str::to_owned).collect()
}

/// Each member of which nothing is asked, in the order of the file, with the rule that excluded the last of what it has.
fn pruned(federation: &Federation, left: Vec<(&Member, Refusal)>, legs: &[Leg], refused: &[Refused]) -> Vec<Pruned> {
    let mut last: Vec<(&Member, Refusal)> = Vec::new();
    for (member, refusal) in left {
        match last.iter_mut().find(|(known, _)| known.id == member.id) {
            Some((_, known)) if known.rule < refusal.rule => *known = refusal,
            Some(_) => {}
            None => last.push((member, refusal)),
        }
    }
    let takes_part = |member: &Member| {
        legs.iter().any(|leg| leg.member == member.id) || refused.iter().any(|lacking| lacking.member == member.id)
    };
    last.retain(|(member, _)| !takes_part(member));
    last.sort_by_key(|(member, _)| federation.members.iter().position(|known| known.id == member.id));
    last.into_iter().map(|(member, refusal)| Pruned { member: member.id.clone(), refusal }).collect()
}

/// A member that may hold a match.
struct Asked<'a> {
    member: &'a Member,
    candidates: Candidates,
    abilities: Capabilities,
    /// As [`Leg::expected`].
    expected: Interval,
    /// In the member's own terms; `None` also when it is true of all its Items.
    filter: Option<Arc<Expr>>,
}

fn is_true(filter: &Expr) -> bool {
    matches!(filter, Expr::Constant(true))
}

/// Why a member cannot be searched at all: by no method, or collection by collection in too many of them.
fn unsearchable(candidates: &Candidates, abilities: &Capabilities) -> Option<String> {
    if !abilities.search_get && !abilities.search_post {
        return Some("item-search".to_owned());
    }
    let (most, count) = (abilities.collections_max?, candidates.natives.len());
    let feature =
        || format!("item-search: {count} of its collections may match, and at most {most} are asked: name them");
    (count > most).then(feature)
}

fn lacking(member: &Member, feature: String) -> Refused {
    Refused { member: member.id.clone(), feature, required: member.policy.required }
}

/// The area of the search. Elevation plays no part in who is asked.
fn asked_area(request: &SearchRequest) -> Option<Area> {
    match (&request.bbox, &request.intersects) {
        (Some(bbox), _) => Some(Area::from(*bbox)),
        (None, Some(intersects)) => {
            Some(Area::from_geometry(&intersects.geometry).unwrap_or_else(|| Area::from(intersects.bbox)))
        }
        (None, None) => None,
    }
}
