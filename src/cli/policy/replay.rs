//! Lines -> counts, by policy and member. Pure: the time of a search is the one in its line.
//!
//! A plan is made of the search, the policy, and the Collections that the log told last. What a member would then have
//! been asked is known exactly where it was asked: the requests of the line. Where it was not, one page of it is counted
//! and said to be an estimate. The log does not know what members can do, so a member that was skipped for want of a
//! feature counts as the line says.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::collections::Ids;
use crate::federation::{Extents, Federation, Kind, MemberId, Rule};
use crate::search::SearchRequest;
use crate::search::plan::{self, Plan};
use crate::telemetry::access::{Asked, Collections, Line, Search};

use super::facts::Facts;

/// Lines that are named as bad; all are counted.
const BAD_SHOWN: usize = 10;
/// Searches that are named for one member and rule.
const EXAMPLES_MAX: usize = 5;

/// The rule for a member of the log that the policy's file does not name.
const NO_MEMBER: &str = "no-member";
/// Rules by which a member is left out whatever its policy says: what they keep back is not saved by a policy.
const NOT_OF_POLICY: [Rule; 3] = [Rule::NotRequested, Rule::Collection, Rule::Disabled];

/// What was found in a log.
pub(super) struct Replay {
    /// The current policy, and the one that is tried beside it.
    pub policies: Vec<Policy>,
    pub read: Read,
    /// Requests that members were sent, by the log.
    pub logged: BTreeMap<String, u64>,
}

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    pub lines: u64,
    pub searches: u64,
    /// Searches of which a parameter was too long for its line.
    pub cut: u64,
    pub lists: u64,
    pub others: u64,
    pub bad: u64,
    /// The first of them: number of the line, and what is wrong.
    pub bad_shown: Vec<(u64, String)>,
    pub from: Option<String>,
    pub until: Option<String>,
}

/// A policy and what it would have done.
pub(super) struct Policy {
    pub file: String,
    pub federation: Federation,
    ids: Ids,
    facts: Facts,
    /// In the order of the file.
    members: Vec<(MemberId, Tally)>,
    /// Members of the log that this federation does not have, by the name they have there.
    gone: BTreeMap<String, Tally>,
}

/// What a policy would have done with one member.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// Pages for which it is asked.
    pub asked: u64,
    /// Pages for which it is left out, by rule.
    pub pruned: BTreeMap<String, u64>,
    pub requests: u64,
    /// Of those, the ones that no line can say: the member was not asked then.
    pub estimated: u64,
    /// Requests that its policy keeps back: those of the log, and one for each page of which the log has none. None
    /// of a member that is read whole beforehand, as its searches send none.
    pub saved: u64,
    /// By rule.
    pub wrong: BTreeMap<String, Wrong>,
}

/// Members that answered Items and would be left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wrong {
    pub pages: u64,
    pub items: u64,
    /// Request ids.
    pub examples: Vec<String>,
}

/// What becomes of a member in one page.
enum Verdict {
    Asked { requests: u64, is_estimate: bool },
    Pruned(String),
}

impl Policy {
    pub(super) fn new(file: String, federation: Federation) -> Self {
        let members = federation.members.iter().map(|member| (member.id.clone(), Tally::default())).collect();
        Self { file, ids: Ids::new(&federation), facts: Facts::default(), members, gone: BTreeMap::new(), federation }
    }

    /// What becomes of each member: those of the file, in its order, and those that only the log has.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&str, &Tally)> {
        let members = self.members.iter().map(|(id, tally)| (id.as_str(), tally));
        members.chain(self.gone.iter().map(|(name, tally)| (name.as_str(), tally)))
    }

    fn search(&mut self, search: &Search, request: &SearchRequest, started: DateTime<Utc>) -> Result<(), String> {
        let facts = |id: &MemberId| plan::Facts { capabilities: None, collections: self.facts.of(id) };
        let plan = plan::plan(&self.federation, &self.ids, facts, request, started, None)
            .map_err(|wrong| wrong.to_string())?;
        for at in 0..self.members.len() {
            let id = self.members[at].0.clone();
            let verdict = self.verdict(&id, &plan, search);
            let logged = asked(search, &self.federation, &id);
            let is_read_whole = self.federation.member(id.as_str()).is_some_and(|member| member.kind != Kind::StacApi);
            self.members[at].1.count(&verdict, logged, is_read_whole, &search.request_id);
        }
        let federation = &self.federation;
        for asked in search.asked.iter().filter(|asked| federation.member(&asked.member).is_none()) {
            let tally = self.gone.entry(asked.member.clone()).or_default();
            tally.count(&Verdict::Pruned(NO_MEMBER.to_owned()), Some(asked), false, &search.request_id);
        }
        Ok(())
    }

    fn verdict(&self, id: &MemberId, plan: &Plan, search: &Search) -> Verdict {
        if let Some(left_out) = plan.pruned.iter().find(|pruned| pruned.member == *id) {
            return Verdict::Pruned(left_out.refusal.rule.name().to_owned());
        }
        if let Some(asked) = asked(search, &self.federation, id) {
            return Verdict::Asked { requests: asked.requests.into(), is_estimate: false };
        }
        let then = search.pruned.iter().find(|pruned| is(&self.federation, &pruned.member, id));
        if let Some(then) = then.filter(|then| self.still_holds(id, &then.rule, !search.cut.is_empty())) {
            return Verdict::Pruned(then.rule.clone());
        }
        let leg = plan.legs.iter().find(|leg| leg.member == *id);
        Verdict::Asked { requests: leg.map_or(0, |leg| leg.page_requests as u64), is_estimate: true }
    }

    /// Whether a rule of the log still leaves the member out, though the plan made now does not see it: the plan knows
    /// less than the one of then where a parameter was cut, or where the log does not tell the member's Collections.
    fn still_holds(&self, id: &MemberId, rule: &str, is_cut: bool) -> bool {
        let Some(member) = self.federation.member(id.as_str()) else { return false };
        let from_list = matches!(rule, "collection" | "no-items" | "extent-area" | "extent-time" | "filter-collection");
        let trusted = member.policy.extents != Extents::Ignore || !rule.starts_with("extent-");
        is_cut || (from_list && trusted && self.facts.of(id).is_none())
    }
}

impl Tally {
    fn count(&mut self, verdict: &Verdict, logged: Option<&Asked>, is_read_whole: bool, request_id: &str) {
        match verdict {
            Verdict::Asked { .. } if is_read_whole => self.asked += 1,
            Verdict::Asked { requests, is_estimate } => {
                self.asked += 1;
                self.requests += requests;
                self.estimated += if *is_estimate { *requests } else { 0 };
            }
            Verdict::Pruned(rule) => {
                *self.pruned.entry(rule.clone()).or_default() += 1;
                if !is_read_whole && NOT_OF_POLICY.iter().all(|other| other.name() != rule) {
                    self.saved += logged.map_or(1, |asked| asked.requests.into());
                }
                if let Some(asked) = logged.filter(|asked| asked.items > 0) {
                    let wrong = self.wrong.entry(rule.clone()).or_default();
                    wrong.pages += 1;
                    wrong.items += u64::from(asked.items);
                    if wrong.examples.len() < EXAMPLES_MAX {
                        wrong.examples.push(request_id.to_owned());
                    }
                }
            }
        }
    }
}

fn asked<'a>(search: &'a Search, federation: &Federation, id: &MemberId) -> Option<&'a Asked> {
    search.asked.iter().find(|asked| is(federation, &asked.member, id))
}

/// Whether a name in the log is this member's, or was.
fn is(federation: &Federation, named: &str, id: &MemberId) -> bool {
    named == id.as_str() || federation.member(named).is_some_and(|member| member.id == *id)
}

impl Replay {
    pub(super) fn new(policies: Vec<Policy>) -> Self {
        Self { policies, read: Read::default(), logged: BTreeMap::new() }
    }

    pub(super) fn searches(&self) -> u64 {
        self.read.searches
    }

    /// Whether nothing of an access log was met, not even a damaged line.
    pub(super) fn is_empty(&self) -> bool {
        self.read.searches + self.read.lists + self.read.bad == 0
    }

    /// Whether the policy that is tried would leave out a member that answered Items.
    pub(super) fn is_wrong(&self) -> bool {
        self.policies.last().is_some_and(|policy| policy.tallies().any(|(_, tally)| !tally.wrong.is_empty()))
    }

    /// Takes a line of a log.
    pub(super) fn line(&mut self, text: &str) {
        match Line::read(text.trim()) {
            Ok(Some(Line::Search(search))) => match self.search(&search) {
                Ok(()) => self.read.lines += 1,
                Err(wrong) => self.bad(&format!("its search cannot be read: {wrong}")),
            },
            Ok(Some(Line::Collections(told))) => {
                self.read.lines += 1;
                self.read.lists += 1;
                self.list(&told);
            }
            Ok(None) => {
                self.read.lines += 1;
                self.read.others += 1;
            }
            Err(wrong) => self.bad(&wrong),
        }
    }

    /// Takes note of a line that is none.
    pub(super) fn bad(&mut self, what: &str) {
        self.read.lines += 1;
        self.read.bad += 1;
        if self.read.bad_shown.len() < BAD_SHOWN {
            self.read.bad_shown.push((self.read.lines, what.to_owned()));
        }
    }

    fn list(&mut self, told: &Collections) {
        for policy in &mut self.policies {
            policy.facts.take(&policy.federation, &policy.ids, told);
        }
    }

    fn search(&mut self, search: &Search) -> Result<(), String> {
        let started = DateTime::parse_from_rfc3339(&search.started);
        let started =
            started.map_err(|_unreadable| format!("`started` is `{}`, not an RFC 3339 time", search.started))?;
        let body = Value::Object(search.search.clone()).to_string();
        // How many Items were wanted plays no part in who is asked, so the limits of one policy do for all.
        let limits = self.policies.first().map(|policy| policy.federation.limits.clone()).unwrap_or_default();
        let request = SearchRequest::from_body(body.as_bytes(), &limits).map_err(|wrong| wrong.to_string())?;
        for policy in &mut self.policies {
            policy.search(search, &request, started.with_timezone(&Utc))?;
        }
        for asked in &search.asked {
            *self.logged.entry(asked.member.clone()).or_default() += u64::from(asked.requests);
        }
        self.read.searches += 1;
        self.read.cut += u64::from(!search.cut.is_empty());
        self.read.from.get_or_insert_with(|| search.timestamp.clone());
        self.read.until = Some(search.timestamp.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
