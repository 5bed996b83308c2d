//! Which members hold the data of one reference (`processes.md` 6.3); the first rule that leads anywhere counts.
//!
//! 1. An address below the broker leads to the member it stands for, or to every holder of its collection.
//! 2. An address below a member's catalogue or process base leads to that member.
//! 3. A declared data prefix leads to the members that declare it; the longest counts.
//! 4. A collection id leads to the members that list it.
//!
//! Then policy: a member whose retention excludes all of the time meant, or whose focus excludes the area, leaves again.
//! An Item that is named by its address never makes a member leave. A bare id that several members have leads to each of
//! them; a shared Collection leads to its holders, of which the highest that can execute is preferred.

use url::Url;

use crate::collections::ids::Named as NamedCollection;
use crate::federation::{MemberId, Question, Rule};

use super::address::{below, covers, depth};
use super::facts::Facts;
use super::filter::Filter;
use super::ids::{self, Named};
use super::references::{Code, Reference, Target};
use super::refusal::series;

/// How a reference was located; the names of `federation:reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A process that is one member's own.
    Pin,
    ItemUrl,
    Job,
    Collection,
    Prefix,
}

impl How {
    /// Whether it names one thing at one member, rather than where things of its kind are.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::Pin | Self::ItemUrl | Self::Job)
    }
}

/// A member that has the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub member: MemberId,
    /// Its own id of the Collection that located the reference.
    pub collection: Option<String>,
    /// Its place among the holders of a shared Collection, which are in order of preference; 0 elsewhere.
    pub place: usize,
}

/// A member that would have the data, but for its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub member: MemberId,
    pub rule: Rule,
    /// For example `keeps the last 90 days; the request ends 2016-12-31`.
    pub detail: String,
    /// Whether all that is meant lies before what it keeps: only that can have been there.
    pub is_past: bool,
}

/// A reference with the members that hold its data.
#[derive(Debug, Clone)]
pub struct Located {
    pub reference: Reference,
    /// Absent: nothing leads to a member.
    pub how: Option<How>,
    /// In the order of the file.
    pub holders: Vec<Holder>,
    pub left: Vec<Left>,
    /// A clause for people.
    pub why: String,
}

impl Located {
    #[must_use]
    pub fn is_owned(&self) -> bool {
        !self.holders.is_empty()
    }

    /// Whether no member that has data of the kind keeps data of that time.
    #[must_use]
    pub fn is_kept_by_nobody(&self) -> bool {
        self.holders.is_empty() && self.left.iter().any(|left| left.rule == Rule::Retention)
    }

    /// The same, where a member may have kept it once.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_kept_by_nobody() && self.left.iter().any(|left| left.is_past)
    }

    /// Whether it is an address of an Item that any of several members may have, and not each of them.
    #[must_use]
    pub fn is_item_of_some(&self) -> bool {
        let is_address = self.reference.places.iter().any(|place| matches!(place.target, Target::Address(_)));
        is_address
            && self.how == Some(How::Collection)
            && self.holders.len() > 1
            && !self.reference.filter.ids.is_empty()
    }

    /// Leaves the members that have the Item, as they said.
    pub fn keep_holders(&mut self, having: &[MemberId]) {
        self.holders.retain(|holder| having.contains(&holder.member));
        self.why = if self.holders.is_empty() {
            "is an Item that no member of its collection has".to_owned()
        } else {
            format!("is an Item of {}", listed(&self.holders))
        };
    }

    #[must_use]
    pub fn is_held_by(&self, member: &MemberId) -> bool {
        self.holder(member).is_some()
    }

    #[must_use]
    pub fn holder(&self, member: &MemberId) -> Option<&Holder> {
        self.holders.iter().find(|holder| holder.member == *member)
    }
}

/// What a text leads to, before policy.
struct Lead {
    how: How,
    holders: Vec<Holder>,
    filter: Filter,
    why: String,
}

/// What came of looking at a text: a lead, or why there is none.
type Found = Result<Lead, String>;

/// Finds the holders of one reference.
#[must_use]
pub fn locate(facts: &Facts<'_>, mut reference: Reference) -> Located {
    let mut reasons = Vec::new();
    for place in &reference.places {
        match lead(facts, &place.target, &reference.filter) {
            Ok(lead) => {
                if lead.how == How::Job {
                    reference.code = Code::J;
                }
                return under_policy(facts, reference, lead);
            }
            Err(reason) => reasons.push(reason),
        }
    }
    // The first text is the one that names the reference.
    let why = reasons.into_iter().next().unwrap_or_default();
    Located { reference, how: None, holders: Vec::new(), left: Vec::new(), why }
}

fn lead(facts: &Facts<'_>, target: &Target, filter: &Filter) -> Found {
    match target {
        Target::Address(text) => {
            let Ok(url) = Url::parse(text) else { return Err("is no address that can be read".into()) };
            of_broker(facts, &url, filter)
                .or_else(|| of_member(facts, &url, filter).map(Ok))
                .or_else(|| of_prefix(facts, text, filter).map(Ok))
                .unwrap_or_else(|| Err("lies below no member's catalogue, process base or data prefix".into()))
        }
        Target::Store(text) => {
            of_prefix(facts, text, filter).ok_or_else(|| "lies below no declared data prefix".to_owned())
        }
        Target::Collection(id) => of_collection(facts, id, filter, How::Collection),
    }
}

/// Rule 1. `None`: the address is none of ours.
fn of_broker(facts: &Facts<'_>, url: &Url, filter: &Filter) -> Option<Found> {
    let path = facts.bases.iter().find_map(|base| below(base, url))?;
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Some(match path[..] {
        ["collections", collection, "items", item, ..] => {
            let filter = Filter { ids: vec![item.to_owned()], ..Filter::default() };
            of_collection(facts, collection, &filter, How::ItemUrl)
        }
        ["collections", collection] | ["collections", collection, "items"] => {
            of_collection(facts, collection, &filter.of_query(&query), How::Collection)
        }
        ["jobs", job, ..] => of_job(facts, job),
        ["processes", process, ..] => of_process(facts, process),
        _ => Err("is an address of this broker that names no data of one member".into()),
    })
}

fn of_job(facts: &Facts<'_>, job: &str) -> Found {
    let named = job.split_once('.').and_then(|(member, _)| facts.ids.member(member));
    let Some(member) = named.filter(|member| facts.member(member).is_some()) else {
        return Err("names no job of a member".into());
    };
    Ok(Lead::one(How::Job, member, format!("is a job of `{member}`")))
}

fn of_process(facts: &Facts<'_>, process: &str) -> Found {
    match ids::parse(facts.ids, process) {
        Named::Pinned { member, .. } if facts.member(&member).is_some() => {
            let why = format!("is a process of `{member}`");
            Ok(Lead::one(How::Pin, &member, why))
        }
        _ => Err("is a process of no certain member".into()),
    }
}

/// A member and the path of an address below one of its bases.
type Below = (MemberId, Vec<String>);

/// Rule 2: the member whose base lies nearest; several when they share it.
fn of_member(facts: &Facts<'_>, url: &Url, filter: &Filter) -> Option<Lead> {
    let mut nearest: Option<(usize, Vec<Below>)> = None;
    for member in &facts.members {
        let bases = member.stac.iter().chain(&member.processes);
        let found = bases.filter_map(|base| Some((depth(base), below(base, url)?))).max_by_key(|(depth, _)| *depth);
        let Some((depth, path)) = found else { continue };
        match &mut nearest {
            Some((best, _)) if *best > depth => {}
            Some((best, members)) if *best == depth => members.push((member.id.clone(), path)),
            _ => nearest = Some((depth, vec![(member.id.clone(), path)])),
        }
    }
    let (_, members) = nearest?;
    let path: Vec<&str> = members.first()?.1.iter().map(String::as_str).collect();
    let (how, collection) = match path[..] {
        ["collections", collection, "items", _, ..] => (How::ItemUrl, Some(collection)),
        ["collections", collection] | ["collections", collection, "items"] => (How::Collection, Some(collection)),
        ["jobs", _, ..] | ["processes", _, "jobs", _, ..] => (How::Job, None),
        ["processes", _, ..] => (How::Pin, None),
        _ => (How::Prefix, None),
    };
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let holder =
        |(member, _): &Below| Holder { member: member.clone(), collection: collection.map(str::to_owned), place: 0 };
    let holders: Vec<Holder> = members.iter().map(holder).collect();
    let why = format!("lies below the catalogue or process base of {}", listed(&holders));
    Some(Lead { how, holders, filter: filter.of_query(&query), why })
}

/// Rule 3.
fn of_prefix(facts: &Facts<'_>, place: &str, filter: &Filter) -> Option<Lead> {
    let longest = |prefixes: &[String]| prefixes.iter().filter_map(|prefix| covers(prefix, place)).max();
    let covered = facts.members.iter().filter_map(|member| Some((longest(member.data_prefixes)?, member.id)));
    let covered: Vec<(usize, &MemberId)> = covered.collect();
    let best = covered.iter().map(|(length, _)| *length).max()?;
    let holders = covered.iter().filter(|(length, _)| *length == best);
    let holders: Vec<Holder> =
        holders.map(|(_, member)| Holder { member: (*member).clone(), collection: None, place: 0 }).collect();
    let why = format!("lies below a data prefix of {}", listed(&holders));
    Some(Lead { how: How::Prefix, holders, filter: filter.clone(), why })
}

/// Rule 4, and the collection in an address of the broker.
fn of_collection(facts: &Facts<'_>, given: &str, filter: &Filter, how: How) -> Found {
    let native = match facts.ids.parse(given) {
        NamedCollection::Qualified { member, native } => {
            let Some(holdings) = facts.member(&member) else {
                return Err(format!("names `{member}`, which takes no part"));
            };
            if holdings.complete && !holdings.lists(&native) && how == How::Collection {
                return Err(format!("`{member}` has no such collection"));
            }
            let holders = vec![Holder { member: member.clone(), collection: Some(native), place: 0 }];
            return Ok(Lead { how, holders, filter: filter.clone(), why: format!("names `{member}`") });
        }
        NamedCollection::Shared(id) => return of_shared(facts, &id, filter, how),
        NamedCollection::Bare(native) => native,
    };
    let have = facts.members.iter().filter(|member| member.lists(&native));
    let holders: Vec<Holder> =
        have.map(|member| Holder { member: member.id.clone(), collection: Some(native.clone()), place: 0 }).collect();
    if !holders.is_empty() {
        // Of an Item without its member nobody knows who has it: the members are asked (`choose.rs`).
        let how = if holders.len() > 1 { How::Collection } else { how };
        let why = format!("is a collection of {}", listed(&holders));
        return Ok(Lead { how, holders, filter: filter.clone(), why });
    }
    let unread: Vec<&MemberId> =
        facts.members.iter().filter(|member| !member.complete).map(|member| member.id).collect();
    Err(match unread.len() {
        0 => "no member has such a collection".into(),
        _ => format!(
            "no member lists such a collection, and the list of {} could not be read whole",
            series(&unread, "and")
        ),
    })
}

/// A shared Collection leads to its holders, but for those that surely lack it; their order counts (`route.rs`).
fn of_shared(facts: &Facts<'_>, id: &str, filter: &Filter, how: How) -> Found {
    let declared = facts.ids.shared(id).into_iter().flat_map(|shared| shared.holders.iter().enumerate());
    let have = declared.filter(|(_, holder)| {
        facts.member(&holder.member).is_some_and(|member| !member.complete || member.lists(&holder.native))
    });
    let holders: Vec<Holder> = have
        .map(|(place, holder)| Holder { member: holder.member.clone(), collection: Some(holder.native.clone()), place })
        .collect();
    if holders.is_empty() {
        return Err("is a shared collection that none of its holders has".into());
    }
    let how = if holders.len() > 1 { How::Collection } else { how };
    let why = format!("is a shared collection of {}", listed(&holders));
    Ok(Lead { how, holders, filter: filter.clone(), why })
}

/// Rule 5. A member that only lies elsewhere leaves when another one has, or had, the data: it may still be the best there is.
fn under_policy(facts: &Facts<'_>, reference: Reference, lead: Lead) -> Located {
    let Lead { how, holders, filter, why } = lead;
    let (mut held, mut elsewhere, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for holder in holders {
        match refusal(facts, &holder, how, &filter) {
            None => held.push(holder),
            Some(refusal) if refusal.rule == Rule::Retention => left.push(refusal),
            Some(refusal) => elsewhere.push((holder, refusal)),
        }
    }
    if held.is_empty() && left.is_empty() {
        held = elsewhere.into_iter().map(|(holder, _)| holder).collect();
    } else {
        left.extend(elsewhere.into_iter().map(|(_, refusal)| refusal));
    }
    Located { reference: Reference { filter, ..reference }, how: Some(how), holders: held, left, why }
}

/// Why a member does not have what is meant of a collection. An Item that is named is never refused.
fn refusal(facts: &Facts<'_>, holder: &Holder, how: How, filter: &Filter) -> Option<Left> {
    let (member, collection) = (facts.member(&holder.member)?, holder.collection.as_ref()?);
    if how != How::Collection {
        return None;
    }
    let question = Question { interval: filter.time, area: filter.area.as_ref(), ids: None };
    let refusal = member.policy.admits(collection, &question, facts.now).err()?;
    let detail = refusal.detail.replace("; the query ", "; the request ");
    let end = filter.time.and_then(|time| time.end);
    let oldest = member.policy.keeps_from(collection, facts.now);
    let is_past = refusal.rule == Rule::Retention && end.zip(oldest).is_some_and(|(end, oldest)| end < oldest);
    Some(Left { member: holder.member.clone(), rule: refusal.rule, detail, is_past })
}

impl Lead {
    fn one(how: How, member: &MemberId, why: String) -> Self {
        let holders = vec![Holder { member: member.clone(), collection: None, place: 0 }];
        Self { how, holders, filter: Filter::default(), why }
    }
}

/// `A`, `B` and `C`, for a sentence.
fn listed(holders: &[Holder]) -> String {
    series(&holders.iter().map(|holder| &holder.member).collect::<Vec<_>>(), "and")
}
