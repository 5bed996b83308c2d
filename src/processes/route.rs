//! Which member executes a process, and why (`processes.md` 6.4). A request is never sent to a member because it came first:
//! either the data says where, or the settings do, or it is refused with what was seen.
//!
//! Everything here is whole numbers and byte order, so that every replica of the broker decides alike. Read [`decide`] first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::DateTime;
use chrono::Utc;

use crate::collections::ids::Named as NamedCollection;
use crate::federation::{Ambiguous, MemberId, Spread, Unlocated};

use super::facts::{Facts, Holdings};
use super::filter::Filter;
use super::holders::{Holder, How, Located, locate};
use super::ids::{Elsewhere, pinned};
use super::references::{Code, Place, Reference, Target};
use super::refusal::Refused;

/// Days of headroom that count as without limit.
const HEADROOM_MAX: i64 = 100_000;

/// What is asked: one execution.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The member that the process id pins.
    pub pinned: Option<MemberId>,
    /// The members that offer the process, in any order.
    pub offers: Vec<Candidate>,
    /// Under which ids the process is offered, if not under the one that was asked for.
    pub elsewhere: Elsewhere,
    /// Members that may offer the process too: they could not be asked.
    pub unread: Vec<MemberId>,
    pub references: Vec<Reference>,
    pub wants_async: bool,
    /// Whether the caller sent an `Authorization`.
    pub has_token: bool,
    /// What members said when asked for a matching Item.
    pub probed: BTreeMap<MemberId, Probed>,
    /// The members that have the Item of an address, by the pointer of the reference.
    pub having: BTreeMap<String, Vec<MemberId>>,
}

/// A member that offers the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub member: MemberId,
    /// Its own id of the process.
    pub native: String,
    /// Whether it runs the process asynchronously.
    pub runs_async: bool,
}

/// Whether a member has a matching Item. In ascending order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Probed {
    None,
    /// It was not asked, or gave no answer.
    #[default]
    Unknown,
    Some,
}

/// A member that is left out, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eliminated {
    pub member: MemberId,
    /// `does-not-offer`, `unread`, `holds-not-all`, `credentials`, `unavailable`.
    pub rule: &'static str,
    pub detail: String,
}

/// What members are compared by, the first difference deciding; more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scores {
    /// References it holds; differs only where no member holds all.
    pub held: usize,
    /// References that name an Item, a job or a process there.
    pub explicit: usize,
    pub probed: Probed,
    /// Whether it runs the process in the way that was asked for.
    pub mode_fits: bool,
    /// Its places among the holders of the shared Collections meant, summed: 0 is the highest of all.
    pub place: Reverse<usize>,
    pub priority: i32,
    /// Whole days between the oldest data meant and the oldest it keeps.
    pub headroom_days: i64,
}

/// A member that could execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    pub candidate: Candidate,
    pub scores: Scores,
}

/// Why the chosen member was chosen: the names of `federation:reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Located(How),
    OnlyCandidate,
    Preferred,
}

impl Reason {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Located(How::Pin) => "pin",
            Self::Located(How::ItemUrl) => "item-url",
            Self::Located(How::Job) => "job",
            Self::Located(How::Collection) => "collection",
            Self::Located(How::Prefix) => "prefix",
            Self::OnlyCandidate => "only-candidate",
            Self::Preferred => "preferred",
        }
    }
}

/// The choice with everything that led to it.
#[derive(Debug, Clone)]
pub struct Decision {
    pub located: Vec<Located>,
    /// By descending priority, then by id.
    pub candidates: Vec<Candidate>,
    pub eliminated: Vec<Eliminated>,
    /// The best first: it executes. The others serve only when no connection to it can be made.
    pub ranking: Vec<Ranked>,
    /// Why the first of the ranking executes, or why nobody does.
    pub outcome: Result<Reason, Refused>,
}

impl Decision {
    /// The member that executes.
    #[must_use]
    pub fn chosen(&self) -> Option<&Candidate> {
        self.outcome.is_ok().then(|| self.ranking.first().map(|ranked| &ranked.candidate)).flatten()
    }
}

/// Chooses the member that executes.
#[must_use]
pub fn decide(facts: &Facts<'_>, asked: &Asked) -> Decision {
    let mut candidates = asked.offers.clone();
    candidates.sort_by(|a, b| {
        let priority = |candidate: &Candidate| facts.priority(&candidate.member);
        priority(b).cmp(&priority(a)).then_with(|| a.member.cmp(&b.member))
    });
    let references = asked.references.iter().cloned();
    let mut located: Vec<Located> = references.map(|reference| locate(facts, reference)).collect();
    for located in &mut located {
        if let Some(having) = located.reference.places.first().and_then(|place| asked.having.get(&place.pointer)) {
            located.keep_holders(having);
        }
    }
    if let Some(pinned) = &asked.pinned {
        located.insert(0, pin(pinned, &candidates));
    }
    let mut choice = Choice { facts, asked, located: &located, eliminated: Vec::new(), ranking: Vec::new() };
    let outcome = choice.made(&candidates);
    let Choice { eliminated, ranking, .. } = choice;
    Decision { located, candidates, eliminated, ranking, outcome }
}

/// The process id itself as a reference (P).
fn pin(member: &MemberId, candidates: &[Candidate]) -> Located {
    let own = candidates.iter().find(|candidate| candidate.member == *member);
    let target = Target::Collection(own.map_or_else(|| member.to_string(), |own| pinned(member, &own.native)));
    let places = vec![Place { pointer: String::new(), target }];
    Located {
        reference: Reference { code: Code::P, places, filter: Filter::default() },
        how: Some(How::Pin),
        holders: vec![Holder { member: member.clone(), collection: None, place: 0 }],
        left: Vec::new(),
        why: format!("the process id pins `{member}`"),
    }
}

/// A choice on its way.
struct Choice<'a> {
    facts: &'a Facts<'a>,
    asked: &'a Asked,
    located: &'a [Located],
    eliminated: Vec<Eliminated>,
    ranking: Vec<Ranked>,
}

impl Choice<'_> {
    fn made(&mut self, candidates: &[Candidate]) -> Result<Reason, Refused> {
        let (near, reason) = self.near_the_data(candidates)?;
        let reachable = self.reachable(near)?;
        self.ranking = reachable.into_iter().map(|candidate| self.ranked(candidate)).collect();
        // More is better, and the smaller id where nothing else differs. Preferred is who has the priority, and no more.
        self.ranking.sort_by(|a, b| {
            let by_scores = match reason {
                Some(Reason::Preferred) => b.scores.priority.cmp(&a.scores.priority),
                _ => b.scores.cmp(&a.scores),
            };
            by_scores.then_with(|| a.candidate.member.as_str().cmp(b.candidate.member.as_str()))
        });
        if matches!(reason, Some(Reason::Located(_)) | None) {
            self.not_ambiguous()?;
        }
        Ok(reason.unwrap_or_else(|| Reason::Located(self.evidence())))
    }

    /// The candidates that hold the data, and the reason when it is not the data itself.
    fn near_the_data(&mut self, candidates: &[Candidate]) -> Result<(Vec<Candidate>, Option<Reason>), Refused> {
        if let Some(pinned) = &self.asked.pinned {
            let own = candidates.iter().find(|candidate| candidate.member == *pinned);
            let own = own.ok_or_else(|| self.no_such_process())?;
            return Ok((vec![own.clone()], Some(Reason::Located(How::Pin))));
        }
        if candidates.is_empty() {
            return Err(self.no_such_process());
        }
        if self.located.iter().any(Located::is_expired) {
            return Err(Refused::Expired);
        }
        if self.located.iter().any(Located::is_kept_by_nobody) {
            return Err(Refused::NotKept);
        }
        let owned: Vec<&Located> = self.located.iter().filter(|located| located.is_owned()).collect();
        if owned.is_empty() {
            return self.unlocated(candidates);
        }
        // A collection that its member does not have is a mistake, not something that does not decide.
        if self.located.iter().any(|located| self.names_nothing(located)) {
            return Err(Refused::Unlocated);
        }
        let holds = |member: &MemberId| owned.iter().filter(|located| located.is_held_by(member)).count();
        let all = self.facts.members.iter().filter(|member| holds(member.id) == owned.len());
        let mut holders: Vec<MemberId> = all.map(|member| member.id.clone()).collect();
        if holders.is_empty() {
            if self.facts.routing.spread == Spread::Reject {
                return Err(Refused::Spread);
            }
            let some = self.facts.members.iter().filter(|member| holds(member.id) > 0);
            holders = some.map(|member| member.id.clone()).collect();
        }
        let (near, far): (Vec<_>, Vec<_>) =
            candidates.iter().cloned().partition(|candidate| holders.contains(&candidate.member));
        for candidate in far {
            let detail = format!("holds {} of {} references", holds(&candidate.member), owned.len());
            self.leave(&candidate.member, "holds-not-all", detail);
        }
        for holder in holders.iter().filter(|holder| !near.iter().any(|candidate| candidate.member == **holder)) {
            let (rule, detail) = if self.asked.unread.contains(holder) {
                ("unread", "holds the data; whether it offers the process could not be asked")
            } else {
                ("does-not-offer", "holds the data and does not offer the process")
            };
            self.leave(holder, rule, detail.to_owned());
        }
        if !near.is_empty() {
            return Ok((near, None));
        }
        let unread: Vec<MemberId> =
            holders.iter().filter(|holder| self.asked.unread.contains(holder)).cloned().collect();
        Err(if unread.is_empty() { Refused::NotNearData { holders } } else { Refused::Unread { members: unread } })
    }

    fn names_nothing(&self, located: &Located) -> bool {
        let is_qualified = |place: &Place| match &place.target {
            Target::Collection(id) => matches!(self.facts.ids.parse(id), NamedCollection::Qualified { .. }),
            Target::Address(_) | Target::Store(_) => false,
        };
        located.how.is_none() && located.reference.places.first().is_some_and(is_qualified)
    }

    fn no_such_process(&self) -> Refused {
        Refused::NoSuchProcess { elsewhere: self.asked.elsewhere.clone() }
    }

    /// Nothing says where the data lies.
    fn unlocated(&mut self, candidates: &[Candidate]) -> Result<(Vec<Candidate>, Option<Reason>), Refused> {
        match candidates {
            [only] if self.asked.unread.is_empty() => Ok((vec![only.clone()], Some(Reason::OnlyCandidate))),
            _ if self.facts.routing.unlocated == Unlocated::Preferred => {
                Ok((candidates.to_vec(), Some(Reason::Preferred)))
            }
            // Whether it is the only one cannot be told while others may offer it too.
            [_] => {
                for member in &self.asked.unread {
                    self.leave(member, "unread", "whether it offers the process could not be asked".to_owned());
                }
                Err(Refused::Unread { members: self.asked.unread.clone() })
            }
            _ => Err(Refused::Unlocated),
        }
    }

    /// The candidates that can be asked now, by this caller.
    fn reachable(&mut self, near: Vec<Candidate>) -> Result<Vec<Candidate>, Refused> {
        let member = |candidate: &Candidate| self.facts.member(&candidate.member);
        let lacks_token =
            |candidate: &Candidate| member(candidate).is_some_and(|m| m.needs_token) && !self.asked.has_token;
        let (without, near): (Vec<_>, Vec<_>) = near.into_iter().partition(lacks_token);
        for candidate in &without {
            self.leave(&candidate.member, "credentials", "needs the caller's own credentials".to_owned());
        }
        if near.is_empty() {
            return Err(Refused::Credentials {
                members: without.into_iter().map(|candidate| candidate.member).collect(),
            });
        }
        let closed = |candidate: &Candidate| self.facts.member(&candidate.member).and_then(|member| member.closed_s);
        let (down, near): (Vec<_>, Vec<_>) = near.into_iter().partition(|candidate| closed(candidate).is_some());
        let retry_after_s = down.iter().filter_map(closed).min();
        for candidate in &down {
            self.leave(&candidate.member, "unavailable", "failed repeatedly and is not asked for a while".to_owned());
        }
        if near.is_empty() {
            let members = down.into_iter().map(|candidate| candidate.member).collect();
            return Err(Refused::Unavailable { members, retry_after_s });
        }
        Ok(near)
    }

    fn leave(&mut self, member: &MemberId, rule: &'static str, detail: String) {
        self.eliminated.push(Eliminated { member: member.clone(), rule, detail });
    }

    fn ranked(&self, candidate: Candidate) -> Ranked {
        let member = &candidate.member;
        let here = || self.located.iter().filter(|located| located.is_held_by(member));
        let explicit = here().filter(|located| located.how.is_some_and(How::is_explicit)).count();
        let headroom = self.facts.member(member).map_or(HEADROOM_MAX, |holdings| {
            here().map(|located| headroom_days(holdings, located, self.facts.now)).min().unwrap_or(HEADROOM_MAX)
        });
        let scores = Scores {
            held: here().count(),
            explicit,
            probed: self.asked.probed.get(member).copied().unwrap_or_default(),
            mode_fits: !self.asked.wants_async || candidate.runs_async,
            place: Reverse(here().filter_map(|located| located.holder(member)).map(|holder| holder.place).sum()),
            priority: self.facts.priority(member),
            headroom_days: headroom,
        };
        Ranked { candidate, scores }
    }

    /// Several members that the data itself does not tell apart are refused where the settings want that.
    fn not_ambiguous(&self) -> Result<(), Refused> {
        let evidence = |ranked: &Ranked| {
            let scores = &ranked.scores;
            (scores.held, scores.explicit, scores.probed, scores.place)
        };
        let Some(best) = self.ranking.first().map(evidence) else { return Ok(()) };
        let alike: Vec<MemberId> = self
            .ranking
            .iter()
            .take_while(|ranked| evidence(ranked) == best)
            .map(|ranked| ranked.candidate.member.clone())
            .collect();
        if alike.len() > 1 && self.facts.routing.ambiguous == Ambiguous::Reject {
            return Err(Refused::Ambiguous { members: alike });
        }
        Ok(())
    }

    /// The strongest way in which a reference was located at the first of the ranking.
    fn evidence(&self) -> How {
        let first = self.ranking.first().map(|ranked| &ranked.candidate.member);
        let here = self.located.iter().filter(|located| first.is_some_and(|member| located.is_held_by(member)));
        here.filter_map(|located| located.how).min().unwrap_or(How::Prefix)
    }
}

/// How many whole days of what a member keeps lie before the oldest data meant.
fn headroom_days(member: &Holdings<'_>, located: &Located, now: DateTime<Utc>) -> i64 {
    let holder = located.holder(member.id);
    let collection = holder.and_then(|holder| holder.collection.as_deref());
    let Some(oldest) = collection.and_then(|collection| member.policy.keeps_from(collection, now)) else {
        return HEADROOM_MAX;
    };
    match located.reference.filter.time {
        // An open start reaches back for ever.
        Some(time) => time.start.map_or(0, |start| (start - oldest).num_days()),
        None => (now - oldest).num_days(),
    }
    .clamp(0, HEADROOM_MAX)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
