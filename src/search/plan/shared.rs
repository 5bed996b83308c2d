//! Shared Collections: which holder is asked for which windows of time, and who stands by (S11 to S14).
//!
//! With `prefer` time is divided at the edges of what holders cover, and in each window the highest holder that covers it
//! leads; the next ones stand by. A window that nobody covers is asked of all holders that may have something in it. A
//! holder that surely has nothing in a window, or cannot be searched, neither leads nor stands by there.

use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Interval, Member, Question, Refusal, Replicas, Rule, Shared, Support};
use crate::members::Capabilities;
use crate::members::capabilities::IDS_ALONE_MAX;
use crate::search::filter::of_shared;
use crate::search::owners::United;

use super::candidates::{self, Asking, Candidates};
use super::filtered::Proof;
use super::leg::by_post;
use super::windows::{Window, Windows, covers, divided};
use super::{Asked, Facts, Scene, is_true, unsearchable};

/// Ids of one question: those of usual length fit the address of a GET; a body has room for more, and an answer of that
/// many Items is a page of usual size.
const IDS_GET_MAX: usize = 50;
const IDS_POST_MAX: usize = 250;
/// Legs that stand by for one shared Collection at most; beyond that a failure is a gap.
const STANDBYS_MAX: usize = 64;

/// A leg's share of a shared Collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The id under which clients see its Items.
    pub id: Arc<str>,
    /// The holder's place in the order of preference; 0 is the highest.
    pub rank: usize,
    pub windows: Windows,
    /// All holders are asked, so that the same Item may come from several.
    pub united: bool,
    /// Ids that the member is asked for at once, to tell which Items it has; 0: it cannot be asked by ids.
    pub ids_max: usize,
    /// The part of the leg that this one takes over from when it fails; `None`: it is asked at once.
    pub stands_by: Option<Over>,
}

/// A leg that may be taken over from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    pub member: String,
    pub part: String,
}

/// What became of the holders of one shared Collection.
pub(super) struct Parts<'a> {
    pub asked: Vec<(String, Share, Asked<'a>)>,
    pub standby: Vec<(String, Share, Asked<'a>)>,
    /// Holders that are asked for nothing of it, with the reason; by rank.
    pub pruned: Vec<(&'a Member, Refusal)>,
    pub refused: Vec<(&'a Member, String)>,
}

/// A holder that may have something that matches.
struct Able<'a> {
    rank: usize,
    member: &'a Member,
    native: &'a str,
    facts: Facts<'a>,
    abilities: Capabilities,
    filter: Option<Arc<Expr>>,
    proof: Option<Proof>,
    covered: Vec<Window>,
}

/// A window with the ranks of those that cover it, or, where nobody does, of those that may have something in it.
struct Division {
    window: Window,
    covering: Vec<usize>,
    all: Vec<usize>,
}

pub(super) fn parts<'a>(shared: &'a Shared, scene: &Scene<'a, '_>) -> Parts<'a> {
    let mut parts = Parts { asked: Vec::new(), standby: Vec::new(), pruned: Vec::new(), refused: Vec::new() };
    let able = able(shared, scene, &mut parts);
    let asked = scene.question.interval;
    let (mut led, mut alone) = (vec![Vec::new(); shared.holders.len()], vec![Vec::new(); shared.holders.len()]);
    let mut divisions = Vec::new();
    if shared.replicas == Replicas::Union {
        for holder in &able {
            alone[holder.rank].push(Window::default());
        }
    } else {
        let covered: Vec<Vec<Window>> = able.iter().map(|holder| holder.covered.clone()).collect();
        for window in divided(&covered, asked.as_ref()) {
            let may: Vec<&Able<'_>> = able.iter().filter(|holder| holder.may_match(&window, scene)).collect();
            let covering = may.iter().filter(|holder| covers(&holder.covered, &window, asked.as_ref()));
            let covering: Vec<usize> = covering.map(|holder| holder.rank).collect();
            let all = if covering.is_empty() { may.iter().map(|holder| holder.rank).collect() } else { Vec::new() };
            match covering.as_slice() {
                [only] => alone[*only].push(window),
                [first, ..] => led[*first].push(window),
                [] => all.iter().for_each(|rank: &usize| alone[*rank].push(window)),
            }
            divisions.push(Division { window, covering, all });
        }
    }
    for holder in &able {
        let id: Arc<str> = shared.id.as_str().into();
        let (led, alone) = (&led[holder.rank], &alone[holder.rank]);
        let united = |windows: &[Window]| {
            shared.replicas == Replicas::Union
                || divisions.iter().any(|part| windows.contains(&part.window) && part.all.len() > 1)
        };
        let share = |windows: &[Window]| Share {
            id: Arc::clone(&id),
            rank: holder.rank,
            windows: Windows::of(windows.iter().copied()),
            united: united(windows),
            ids_max: holder.ids_max(),
            stands_by: None,
        };
        if !led.is_empty() {
            parts.asked.push((shared.id.clone(), share(led), holder.asked()));
            let over = Over { member: holder.member.id.to_string(), part: shared.id.clone() };
            stand_by(&mut parts, &able, &id, &over, &divisions, led, 1);
        }
        if !alone.is_empty() {
            // beside windows that others could take over, those that nobody can are a share of their own
            let part = if led.is_empty() { shared.id.clone() } else { format!("{};", shared.id) };
            parts.asked.push((part, share(alone), holder.asked()));
        }
    }
    for holder in able.iter().filter(|holder| led[holder.rank].is_empty() && alone[holder.rank].is_empty()) {
        parts.pruned.push((holder.member, replica(shared, holder, &parts, &divisions)));
    }
    parts
}

/// The holders that may have something and can be searched; the others with their reasons.
fn able<'a>(shared: &'a Shared, scene: &Scene<'a, '_>, parts: &mut Parts<'a>) -> Vec<Able<'a>> {
    let mut able: Vec<Able<'a>> = Vec::new();
    let mut unable = Vec::new();
    for (rank, holder) in shared.holders.iter().enumerate() {
        let Some(member) = scene.federation.members.iter().find(|member| member.id == holder.member) else { continue };
        let facts = (scene.facts)(&member.id);
        let filter = scene.request.filter.as_ref().map(|filter| Arc::new(of_shared(filter, &shared.id)));
        let proof = filter.as_deref().map(Proof::of);
        let asking = Asking { question: scene.question, proof: proof.as_ref(), now: scene.now };
        if let Err(refusal) = candidates::one(member, facts.collections, &holder.native, asking) {
            parts.pruned.push((member, refusal));
            continue;
        }
        let abilities = facts.capabilities.cloned().unwrap_or_else(|| Capabilities::implied(member));
        let filter = filter.filter(|filter| !is_true(filter));
        let covered = member.policy.covers(&holder.native, scene.question, scene.now);
        let covered = covered.iter().map(Window::inside).collect();
        let holder = Able { rank, member, native: &holder.native, facts, abilities, filter, proof, covered };
        match unsearchable(&holder.candidates(), &holder.abilities) {
            None => able.push(holder),
            Some(feature) => unable.push((holder, feature)),
        }
    }
    for (holder, feature) in unable {
        // equivalent holders make up for it where they cover all that it could give
        let everywhere = shared.replicas == Replicas::Prefer
            && able.iter().any(|other| covers(&other.covered, &Window::default(), scene.question.interval.as_ref()));
        if everywhere {
            let detail = format!("cannot be searched (`{feature}`), and other holders of `{}` serve it", shared.id);
            parts.pruned.push((holder.member, Refusal { rule: Rule::Replica, detail }));
        } else {
            parts.refused.push((holder.member, feature));
        }
    }
    able
}

/// Legs for those that come next in windows of a leg that failed, and for those that come next to them.
fn stand_by<'a>(
    parts: &mut Parts<'a>,
    able: &[Able<'a>],
    id: &Arc<str>,
    over: &Over,
    divisions: &[Division],
    windows: &[Window],
    depth: usize,
) {
    let mine = || divisions.iter().filter(|part| windows.contains(&part.window));
    for holder in able {
        let next = mine().filter(|part| part.covering.get(depth) == Some(&holder.rank)).map(|part| part.window);
        let next: Vec<Window> = next.collect();
        if next.is_empty() || parts.standby.len() >= STANDBYS_MAX {
            continue;
        }
        let part = format!("{},{}", over.part, over.member);
        let share = Share {
            id: Arc::clone(id),
            rank: holder.rank,
            windows: Windows::of(next.iter().copied()),
            united: false,
            ids_max: 0,
            stands_by: Some(over.clone()),
        };
        parts.standby.push((part.clone(), share, holder.asked()));
        // a further failure is covered only where somebody comes next in every window
        let goes_on = mine().filter(|part| next.contains(&part.window)).all(|part| part.covering.len() > depth + 1);
        if goes_on {
            let over = Over { member: holder.member.id.to_string(), part };
            stand_by(parts, able, id, &over, divisions, &next, depth + 1);
        }
    }
}

/// Why a holder that could be asked is not.
fn replica(shared: &Shared, holder: &Able<'_>, parts: &Parts<'_>, divisions: &[Division]) -> Refusal {
    let mut leaders: Vec<&str> = Vec::new();
    for (_, _, asked) in &parts.asked {
        if !leaders.contains(&asked.member.id.as_str()) {
            leaders.push(asked.member.id.as_str());
        }
    }
    let who = leaders.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" and ");
    let stands_by = divisions.iter().any(|part| part.covering.contains(&holder.rank));
    let end = if stands_by { "it takes over if that fails" } else { "it covers none of what is asked" };
    let who = if who.is_empty() { "nobody".to_owned() } else { who };
    Refusal { rule: Rule::Replica, detail: format!("{who} comes before it in `{}` here; {end}", shared.id) }
}

impl<'a> Able<'a> {
    fn candidates(&self) -> Candidates {
        Candidates {
            natives: vec![self.native.to_owned()],
            others: false,
            left_out: 0,
            named: true,
            excluded: Vec::new(),
        }
    }

    fn ids_max(&self) -> usize {
        match (self.abilities.ids, self.abilities.ids_alone) {
            (Support::Unsupported, _) => 0,
            (_, true) => IDS_ALONE_MAX,
            _ if by_post(&self.asked()) => IDS_POST_MAX,
            _ => IDS_GET_MAX,
        }
    }

    fn asked(&self) -> Asked<'a> {
        Asked {
            member: self.member,
            // its windows are what is asked for
            expected: Interval::default(),
            candidates: self.candidates(),
            abilities: self.abilities.clone(),
            filter: self.filter.clone(),
        }
    }

    /// Whether it may have something that matches in a window.
    fn may_match(&self, window: &Window, scene: &Scene<'a, '_>) -> bool {
        let asked = scene.question.interval;
        let Some(interval) = window.asked_within(asked.as_ref()) else { return false };
        let interval = Some(interval).filter(|interval| interval.start.is_some() || interval.end.is_some());
        let question = Question { interval, ..*scene.question };
        let asking = Asking { question: &question, proof: self.proof.as_ref(), now: scene.now };
        let in_time = self.proof.as_ref().and_then(Proof::time).is_none_or(|time| {
            // `datetime` is what decides about windows
            window.asked_within(Some(&time)).is_some()
        });
        in_time && candidates::one(self.member, self.facts.collections, self.native, asking).is_ok()
    }
}

impl Share {
    /// Where the same Item may come from several holders: of which, and whether this one can be asked for it.
    #[must_use]
    pub fn united(&self) -> Option<United> {
        self.united.then(|| United { id: Arc::clone(&self.id), ids_max: self.ids_max })
    }

    /// Why its holder is asked, for admins.
    pub(super) fn reason(&self) -> String {
        match (&self.stands_by, self.united) {
            (Some(over), _) => format!("takes over `{}` when `{}` fails", self.id, over.member),
            (None, true) => format!("all holders of `{}` are asked, and replicas become one Item", self.id),
            (None, false) if self.windows.is_all() => {
                format!("highest holder of `{}` that covers what is asked", self.id)
            }
            (None, false) => format!("highest holder of `{}` that covers the window", self.id),
        }
    }
}
