//! Random histories of a shared Collection: holders with windows of their own, outages between and inside pages, both
//! ways of replicas, orders in which replicas agree and orders in which they do not; what is given is held against all
//! Items in one list. A failure names its seed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::format_push_string,
    reason = "the numbers of a test are small, and so are its texts"
)]

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::federation::Federation;
use crate::search::order::{Comparator, Position};
use crate::search::outcome::{Status, Verdict, decide};
use crate::search::owners::replicas_agree;
use crate::search::page::PageEnd;
use crate::search::plan::{Order, Plan};
use crate::search::request::Handling;
use crate::search::session::{Gap, Session};

use world::{History, NAMES};

const HISTORIES: u64 = 4_000;
const PAGES_MAX: usize = 400;

/// What a client has been given and told.
struct Walk<'a> {
    seed: u64,
    plan: &'a Plan,
    order: &'a Comparator,
    /// Where each Item stood, and its id.
    given: Vec<(Position, String)>,
    /// Of the last page, by member.
    gaps: Vec<(String, Gap)>,
    /// Legs that were taken over.
    covered: BTreeSet<String>,
    complete: bool,
    /// It ended with an error.
    failed: bool,
}

impl Walk<'_> {
    fn take(&mut self, end: &PageEnd, number: usize) -> Verdict {
        let seed = self.seed;
        let shared: Arc<str> = "s".into();
        let verdict = decide(end, self.plan, Handling::Lenient);
        for (_, hit) in &end.hits {
            let key = self.order.read(&hit.item, &shared).expect("a time");
            assert_eq!(*hit.key.collection, *shared, "seed {seed}: under its shared name");
            if let Some((last, _)) = self.given.last() {
                assert!(self.order.key_after(&key, last), "seed {seed}: page {number} is out of order");
            }
            self.given.push((Position::At(key), hit.key.id.to_string()));
        }
        let gaps = end.legs.iter().flat_map(|leg| leg.gaps.iter().map(|gap| (leg.member.to_string(), gap.clone())));
        self.gaps = gaps.collect();
        self.complete = verdict == Verdict::Complete;
        let is_failed = matches!(verdict, Verdict::Failed { .. });
        assert_eq!(self.complete, self.gaps.is_empty() && !is_failed, "seed {seed}: page {number}");
        let taken_over = end.legs.iter().filter(|leg| !leg.covered_by.is_empty());
        let now: BTreeSet<String> = taken_over.map(|leg| format!("{} {}", leg.member, leg.part)).collect();
        assert!(self.covered.is_subset(&now), "seed {seed}: page {number} forgot who was taken over");
        if is_failed {
            assert!(end.hits.is_empty(), "seed {seed}: a failure with Items");
        } else {
            self.covered = now;
            assert!(end.next.is_none() || !end.hits.is_empty(), "seed {seed}: an empty page leads on");
        }
        verdict
    }

    /// Whether an Item that was not given is declared: at its place at that holder.
    fn is_declared(&self, history: &History, holder: usize, id: &str) -> bool {
        let Some(item) = history.holders[holder].items.iter().find(|item| *item.id == *id) else { return false };
        let key = self.order.read(item, &"s".into()).expect("a time");
        self.gaps.iter().filter(|(member, _)| member == NAMES[holder]).any(|(_, gap)| {
            self.order.key_after(&key, &gap.from) && gap.to.as_ref().is_none_or(|to| !self.order.key_after(&key, to))
        })
    }

    fn judge(&self, history: &History, federation: &Federation) {
        let seed = self.seed;
        let ids: BTreeSet<&str> = self.given.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids.len(), self.given.len(), "seed {seed}: an Item twice: {:?}", self.given);
        for item in history.wanted(federation) {
            let declared = match history.owner(&item.id) {
                Some(owner) if !replicas_agree(self.order) => self.is_declared(history, owner, &item.id),
                _ => (0..history.holders.len()).any(|holder| self.is_declared(history, holder, &item.id)),
            };
            let fine = ids.contains(&*item.id) || declared || self.failed;
            assert!(fine, "seed {seed}: `{}` is lost, complete: {}, {:?}", item.id, self.complete, self.gaps);
        }
        // two holders that cannot be asked by ids cannot be told apart
        let skips = history.mutes() > 1 && !replicas_agree(self.order);
        let is_skip = |gap: &Gap| skips && gap.status == Status::SkippedCapability;
        if !history.outages {
            assert!(
                self.gaps.iter().all(|(_, gap)| is_skip(gap)),
                "seed {seed}: a gap without a failure: {:?}",
                self.gaps
            );
        }
    }
}

/// Runs one history; returns whether any Item was left to its owner, and whether something was missing.
fn run(seed: u64) -> (bool, bool) {
    let mut history = History::new(seed);
    let federation = history.federation();
    let mut request = history.request(1);
    let plan = history.plan(&federation, &request);
    let Order::Sorted(keys) = &plan.order else { panic!("an order was asked for") };
    let order = Comparator::new(keys.clone());
    let mut walk = Walk {
        seed,
        plan: &plan,
        order: &order,
        given: Vec::new(),
        gaps: Vec::new(),
        covered: BTreeSet::new(),
        complete: true,
        failed: false,
    };
    let mut session = Some(Session::begin(&plan, [0; 12], 0));
    let mut deduplicated = 0;
    for number in 0..PAGES_MAX {
        let Some(now) = session.take() else { break };
        request.limit = 1 + u32::try_from(history.dice.below(12)).unwrap();
        let before = now.clone();
        let end = history.page(&plan, &order, now, number == 0, request.limit);
        deduplicated += end.deduplicated;
        let verdict = walk.take(&end, number);
        for holder in &mut history.holders {
            // an outage lasts for a while
            holder.away &= !history.dice.one_in(3);
        }
        if matches!(verdict, Verdict::Failed { .. }) {
            walk.failed = number + 1 == PAGES_MAX;
            session = Some(before);
            continue;
        }
        session = end.next;
    }
    assert!(session.is_none() || walk.failed, "seed {seed}: the walk does not end");
    walk.judge(&history, &federation);
    (deduplicated > 0 && !replicas_agree(&order), !walk.gaps.is_empty())
}

#[test]
fn histories_of_shared_collections_lose_and_repeat_nothing() {
    let (mut left_to_owners, mut missing) = (0, 0);
    for seed in 0..HISTORIES {
        let (left, lacks) = run(seed);
        left_to_owners += u64::from(left);
        missing += u64::from(lacks);
    }
    assert!(left_to_owners > HISTORIES / 20, "only {left_to_owners} of them ask who owns an Item");
    assert!(missing > HISTORIES / 20 && missing < HISTORIES / 2, "{missing} of them miss something");
}
