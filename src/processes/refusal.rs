//! Why nobody executes, in words that help whoever asked: what was seen, who holds it, and how to go on.

use crate::federation::{MemberId, Rule};

use super::facts::Facts;
use super::holders::Located;
use super::ids::{self, Elsewhere, Named, pinned};
use super::route::{Candidate, Decision};

/// References that a sentence names; the document has all.
const NAMED_MAX: usize = 3;
/// Longest text of a reference that is repeated, in characters.
const TEXT_CHARS_MAX: usize = 120;

/// Why nobody executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No member offers it, or the pinned one does not.
    NoSuchProcess {
        elsewhere: Elsewhere,
    },
    /// What is meant is past the retention of everyone who had it.
    Expired,
    /// What is meant is of a time that no member keeps, and never kept: later, or between two times.
    NotKept,
    /// Nothing leads to a member, and several offer the process.
    Unlocated,
    /// No single member holds all of it.
    Spread,
    NotNearData {
        holders: Vec<MemberId>,
    },
    /// Every member that could execute needs the caller's own token, and none came.
    Credentials {
        members: Vec<MemberId>,
    },
    Unavailable {
        members: Vec<MemberId>,
        retry_after_s: Option<u32>,
    },
    /// Members that may offer the process could not be asked, and without them nobody can be chosen.
    Unread {
        members: Vec<MemberId>,
    },
    Ambiguous {
        members: Vec<MemberId>,
    },
}

impl Refused {
    /// The name of the problem, the last part of its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoSuchProcess { .. } => "no-such-process",
            Self::Expired => "data-expired",
            Self::NotKept => "data-not-kept",
            Self::Unlocated => "data-location-unknown",
            Self::Spread => "data-spread",
            Self::NotNearData { .. } => "process-not-near-data",
            Self::Credentials { .. } => "credentials-not-forwardable",
            Self::Unavailable { .. } | Self::Unread { .. } => "member-unavailable",
            Self::Ambiguous { .. } => "ambiguous-data-location",
        }
    }
}

/// Data that left the retention of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired<'a> {
    pub pointer: &'a str,
    pub member: &'a MemberId,
    pub detail: &'a str,
    /// The process that brings it back, as a pinned id.
    pub order_process: Option<String>,
}

/// What nobody keeps, by reference and member.
#[must_use]
pub fn expired<'a>(facts: &Facts<'_>, decision: &'a Decision) -> Vec<Expired<'a>> {
    let past = decision.located.iter().filter(|located| located.is_kept_by_nobody());
    past.flat_map(|located| {
        let left = located.left.iter().filter(|left| left.rule == Rule::Retention);
        left.map(|left| Expired {
            pointer: pointer(located),
            member: &left.member,
            detail: &left.detail,
            order_process: facts
                .member(&left.member)
                .and_then(|member| member.order_process)
                .filter(|_| left.is_past)
                .map(|process| pinned(&left.member, process)),
        })
    })
    .collect()
}

/// The pinned ids under which the process can be asked of one member.
#[must_use]
pub fn pins(candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|candidate| pinned(&candidate.member, &candidate.native)).collect()
}

/// The pinned ids that help after a refusal: of the members between which it was not chosen, or that have a part of the data.
#[must_use]
pub fn proposed(decision: &Decision, refused: &Refused) -> Vec<String> {
    let of = |fits: &dyn Fn(&MemberId) -> bool| -> Vec<Candidate> {
        decision.candidates.iter().filter(|one| fits(&one.member)).cloned().collect()
    };
    match refused {
        Refused::NoSuchProcess { elsewhere } => elsewhere.pins.clone(),
        Refused::Ambiguous { members } => pins(&of(&|member| members.contains(member))),
        Refused::Spread => {
            let some = of(&|member| decision.located.iter().any(|located| located.is_held_by(member)));
            pins(if some.is_empty() { &decision.candidates } else { &some })
        }
        _ => pins(&decision.candidates),
    }
}

/// What is said of an id that names nothing; `member` and the rest are those of a pinned one.
#[must_use]
pub fn no_such_process(id: &str, pinned: Option<(&MemberId, &str)>, elsewhere: &Elsewhere) -> String {
    let ids: Vec<&String> = elsewhere.logical.iter().chain(&elsewhere.pins).collect();
    let ask_for = series(&ids, "or");
    match pinned {
        _ if ids.is_empty() => {
            format!("no member offers a process `{}`; `/processes` lists those that are offered", shown(id))
        }
        Some((member, native)) => format!("`{member}` does not offer `{}`; ask for {ask_for}", shown(native)),
        None => format!("there is no process `{}`; ask for {ask_for}", shown(id)),
    }
}

/// The sentence for the client. `process` is the id as it was asked for.
#[must_use]
pub fn sentence(facts: &Facts<'_>, decision: &Decision, refused: &Refused, process: &str) -> String {
    let id = process;
    let process = shown(process);
    let pins = proposed(decision, refused);
    match refused {
        Refused::NoSuchProcess { elsewhere } => {
            let named = match ids::parse(facts.ids, id) {
                Named::Pinned { member, native } => Some((member, native)),
                Named::Logical(_) => None,
            };
            no_such_process(id, named.as_ref().map(|(member, native)| (member, native.as_str())), elsewhere)
        }
        Refused::Expired => {
            let past = expired(facts, decision);
            let then = match past.iter().find_map(|one| one.order_process.as_ref()) {
                Some(order) => format!("It can be brought back with the process `{order}`"),
                None => "No process to bring it back is declared".to_owned(),
            };
            format!("{}. {then}", kept(&past))
        }
        Refused::NotKept => kept(&expired(facts, decision)),
        Refused::Unlocated => format!(
            "`{process}` is offered by {} and the request does not say where its data lies{}; name the data by its address or its collection, or choose a member: {}",
            number(decision.candidates.len()),
            seen(&decision.located),
            ticked(&pins)
        ),
        Refused::Spread => format!(
            "no single member holds all the data: {}; ask for the parts one by one, or choose the member that should fetch the rest: {}",
            where_each(&decision.located),
            ticked(&pins)
        ),
        Refused::NotNearData { holders } => format!(
            "the data lies at {}, and `{process}` is offered by {} only; to have the data fetched from there, name the member in the process id: {}",
            listed(holders),
            listed(&decision.candidates.iter().map(|candidate| candidate.member.clone()).collect::<Vec<_>>()),
            ticked(&pins)
        ),
        Refused::Credentials { members } => format!(
            "{} executes only with your own credentials for it, and the request has no `Authorization`",
            listed(members)
        ),
        Refused::Unavailable { members, .. } => {
            format!("{} holds the data and cannot be reached at the moment; try again later", listed(members))
        }
        Refused::Unread { members } => format!(
            "it cannot be told who executes `{process}`: {} may offer it and could not be asked; try again later, or choose a member: {}",
            listed(members),
            ticked(&pins)
        ),
        Refused::Ambiguous { members } => format!(
            "the data lies at {} alike, and this federation does not choose between them; name one in the process id: {}",
            listed(members),
            ticked(&pins)
        ),
    }
}

/// What members keep instead, in sentences: their own clauses have commas and semicolons in them.
fn kept(left: &[Expired<'_>]) -> String {
    let one = |one: &Expired<'_>| match one.detail.split_once("; ") {
        Some((keeps, asked)) => format!("`{}` {keeps} ({asked})", one.member),
        None => format!("`{}` {}", one.member, one.detail),
    };
    let first = std::iter::once("no member keeps data of that time".to_owned());
    first.chain(left.iter().take(NAMED_MAX).map(one)).collect::<Vec<_>>().join(". ")
}

/// The pointer of what a reference is known by.
#[must_use]
pub fn pointer(located: &Located) -> &str {
    located.reference.places.first().map_or("", |place| place.pointer.as_str())
}

/// The text of a reference, whole.
#[must_use]
pub fn text(located: &Located) -> String {
    use super::references::Target;
    located.reference.places.first().map_or_else(String::new, |place| match &place.target {
        Target::Address(text) | Target::Store(text) | Target::Collection(text) => text.clone(),
    })
}

fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    let mut cut: String = plain.clone().take(TEXT_CHARS_MAX).collect();
    if plain.count() > TEXT_CHARS_MAX {
        cut.push('…');
    }
    cut
}

fn number(members: usize) -> String {
    if members == 1 { "one member".to_owned() } else { format!("{members} members") }
}

/// What was seen and leads nowhere, for a sentence.
fn seen(located: &[Located]) -> String {
    let unowned: Vec<String> = located
        .iter()
        .filter(|located| !located.is_owned())
        .take(NAMED_MAX)
        .map(|located| format!("`{}`: {}", shown(&text(located)), located.why))
        .collect();
    if unowned.is_empty() { String::new() } else { format!(" ({})", unowned.join("; ")) }
}

/// Each reference with its holders, for a sentence.
fn where_each(located: &[Located]) -> String {
    let owned: Vec<&Located> = located.iter().filter(|located| located.is_owned()).collect();
    let one = |located: &&&Located| {
        let holders: Vec<MemberId> = located.holders.iter().map(|holder| holder.member.clone()).collect();
        format!("`{}` lies at {}", shown(&text(located)), listed(&holders))
    };
    let mut parts: Vec<String> = owned.iter().take(NAMED_MAX).map(|located| one(&located)).collect();
    if owned.len() > NAMED_MAX {
        parts.push(format!("and {} more", owned.len() - NAMED_MAX));
    }
    parts.join(", ")
}

fn listed(members: &[MemberId]) -> String {
    series(members, "and")
}

/// `A`, `B` and `C`.
pub fn series<T: std::fmt::Display>(names: &[T], last: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        Some((one, _)) => one.clone(),
        None => String::new(),
    }
}

fn ticked(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
