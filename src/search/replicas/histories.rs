//! Random histories of a shared Collection: holders with windows of their own, outages between and inside pages, both
//! ways of replicas, both directions; what is given is held against all Items in one list.
//! A failure names its seed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::format_push_string,
    reason = "the numbers of a test are small, and so are its texts"
)]

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::collections::Ids;
use crate::federation::{Federation, Limits, MemberId, Support, load_text};
use crate::members::item::{Spans, Times};
use crate::members::{Capabilities, Fault, Item, Page, Token};
use crate::search::may_follow;
use crate::search::merge::Step;
use crate::search::order::{Comparator, Key, Position};
use crate::search::outcome::{Status, Verdict, decide};
use crate::search::page::{PageEnd, PageRun};
use crate::search::plan::{Facts, Leg, Order, Plan, plan};
use crate::search::request::{Handling, SearchRequest};
use crate::search::session::{Gap, Session};
use crate::search::stream::Request;

const HISTORIES: u64 = 3_000;
const NAMES: [&str; 3] = ["A", "B", "C"];
/// Instants of the model, a second apart.
const SPAN: u64 = 40;
const PAGES_MAX: usize = 400;
/// Where no tie is large.
const TIES_MAX: usize = 1_000;

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut roll = self.0;
        roll = (roll ^ (roll >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        roll = (roll ^ (roll >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (roll ^ (roll >> 31)) % most
    }

    fn one_in(&mut self, most: u64) -> bool {
        self.below(most) == 0
    }
}

fn at(second: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000 + second as i64, 0).unwrap()
}

/// One holder: what it declares and what it has.
struct Holder {
    /// Seconds, inclusive and exclusive.
    window: (Option<u64>, Option<u64>),
    items: Vec<Item>,
    cap: usize,
    sorts_ties: bool,
    away: bool,
}

struct History {
    dice: Dice,
    union: bool,
    descending: bool,
    all: Vec<Item>,
    holders: Vec<Holder>,
    asked: Option<(u64, u64)>,
    /// Any outage at all.
    outages: bool,
    /// Ties over this many Items are large.
    ties_max: usize,
}

fn item(id: &str, start: u64, lasts: Option<u64>) -> Item {
    let times = match lasts {
        None => Times { datetime: Some(at(start)), ..Times::default() },
        Some(lasts) => Times { datetime: None, start: Some(at(start)), end: Some(at(start + lasts)) },
    };
    Item { bytes: Bytes::new(), id: id.into(), collection: "c".into(), times, spans: Spans::default() }
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let long = dice.one_in(2);
        let ties_max = if dice.one_in(2) { 1 + dice.below(8) as usize } else { TIES_MAX };
        let span = if ties_max < TIES_MAX && dice.one_in(2) { 4 } else { SPAN };
        let all: Vec<Item> = (0..dice.below(80))
            .map(|n| {
                let lasts = (long && dice.one_in(3)).then(|| dice.below(15));
                item(&format!("i{:02}", (n * 37) % 80), dice.below(span), lasts)
            })
            .collect();
        let union = dice.one_in(3);
        let holders = (0..=dice.below(3)).map(|_| {
            let mut edge = || (!dice.one_in(3)).then(|| dice.below(span));
            let window = match (edge(), edge()) {
                (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b) + 1)),
                open => open,
            };
            // a holder keeps what meets its window, as policies are read
            let kept = |item: &&Item| {
                let start = item.times.datetime.or(item.times.start).unwrap();
                let end = item.times.end.unwrap_or(start);
                window.0.is_none_or(|from| end >= at(from)) && window.1.is_none_or(|to| start <= at(to))
            };
            let mut items: Vec<Item> = all.iter().filter(kept).cloned().collect();
            if union {
                // in union each may lack some
                items.retain(|_| !dice.one_in(4));
            }
            let (cap, sorts_ties) = (1 + dice.below(9) as usize, dice.one_in(2));
            Holder { window, items, cap, sorts_ties, away: false }
        });
        let holders = holders.collect();
        let asked = dice.one_in(2).then(|| {
            let (a, b) = (dice.below(SPAN), dice.below(SPAN));
            (a.min(b), a.max(b))
        });
        let (descending, outages) = (dice.one_in(2), !dice.one_in(3));
        Self { dice, union, descending, all, holders, asked, outages, ties_max }
    }

    fn federation(&self) -> Federation {
        let mut text = "[federation]\nid = \"f\"\n[[collection]]\nid = \"s\"\n".to_owned();
        let holders: Vec<String> = (0..self.holders.len()).map(|n| format!("\"{}|c\"", NAMES[n])).collect();
        text += &format!("holders = [{}]\n", holders.join(", "));
        text += if self.union { "replicas = \"union\"\n" } else { "" };
        for (name, holder) in NAMES.iter().zip(&self.holders) {
            text += &format!("[[member]]\nid = \"{name}\"\nurl = \"https://{name}.example\"\n");
            text += "[[member.policy.retention]]\nitem_span_max = \"PT1M\"\n";
            let edges = [("from", holder.window.0), ("until", holder.window.1)];
            for (key, edge) in edges.into_iter().filter_map(|(key, edge)| Some((key, edge?))) {
                text += &format!("{key} = \"{}\"\n", at(edge).to_rfc3339());
            }
        }
        load_text("f.toml", &text, Path::new("")).map_err(|problems| problems.to_text()).unwrap().federation
    }

    fn request(&self, limit: u64) -> SearchRequest {
        let sort = if self.descending { "-datetime" } else { "+datetime" };
        let mut pairs =
            vec![("collections", "s".to_owned()), ("sortby", sort.to_owned()), ("limit", limit.to_string())];
        if let Some((from, to)) = self.asked {
            let time = |second| at(second).format("%Y-%m-%dT%H:%M:%SZ");
            pairs.push(("datetime", format!("{}/{}", time(from), time(to))));
        }
        let pairs: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        SearchRequest::from_query(&pairs, &Limits::default()).unwrap()
    }

    fn plan(federation: &Federation, request: &SearchRequest) -> Plan {
        let members = &federation.members;
        let able = |member| Capabilities {
            discovered: true,
            sort: Support::Exact,
            string_order_bytes: true,
            ..Capabilities::implied(member)
        };
        let able: Vec<(MemberId, Capabilities)> =
            members.iter().map(|member| (member.id.clone(), able(member))).collect();
        let facts = |id: &MemberId| Facts {
            capabilities: able.iter().find(|(known, _)| known == id).map(|(_, able)| able),
            collections: None,
        };
        plan(federation, &Ids::new(federation), facts, request, at(SPAN), None).unwrap()
    }

    fn serve(&mut self, leg: &Leg, request: &Request) -> Result<Page, Fault> {
        let number = NAMES.iter().position(|name| *name == leg.member.as_str()).unwrap();
        let flickers = self.outages && self.dice.one_in(25);
        let holder = &mut self.holders[number];
        holder.away |= flickers;
        if holder.away {
            return Err(Fault::Timeout);
        }
        let asked = request.datetime.or(leg.ask.datetime).unwrap_or_default();
        let mut list: Vec<Item> = holder.items.iter().filter(|item| item.meets_time(&asked)).cloned().collect();
        let (descending, sorts_ties) = (self.descending, holder.sorts_ties);
        list.sort_by(|a, b| {
            let by_time = a.time_key().cmp(&b.time_key());
            let by_time = if descending { by_time.reverse() } else { by_time };
            by_time.then_with(|| if sorts_ties { a.id.cmp(&b.id) } else { b.id.cmp(&a.id) })
        });
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().unwrap());
        let to = (from + holder.cap.min(request.limit as usize)).min(list.len());
        let next = (to < list.len()).then(|| Token(to.to_string().into()));
        let items = list[from.min(to)..to].to_vec();
        Ok(Page { received: u32::try_from(items.len()).unwrap(), items, next, ..Page::default() })
    }

    fn page(&mut self, plan: &Plan, session: Session, first: bool, limit: u32) -> PageEnd {
        let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
        run.with_ties_of(|member| {
            let number = NAMES.iter().position(|name| *name == member.as_str()).unwrap();
            (self.ties_max, self.holders[number].sorts_ties)
        });
        for _round in 0..1_000 {
            let Step::Needs(requests) = run.step() else { return run.finish() };
            for (index, request) in requests {
                let answer = self.serve(run.leg(index), &request);
                run.feed(index, answer.map_err(|fault| (fault, None)));
            }
        }
        panic!("the page does not come to an end");
    }

    /// Ids that must be given where nothing is missing: of Items that some holder has, as it has them.
    fn wanted(&self, federation: &Federation) -> Vec<Item> {
        let asked = self.request(1).datetime.unwrap_or_default();
        let is_held = |item: &Item| {
            let has = |holder: &Holder| holder.items.iter().any(|own| own.id == item.id);
            self.holders.iter().any(has)
        };
        // what lies outside of every declared window is nobody's to give, though it may be given
        let start = |item: &Item| item.time_key().unwrap();
        let is_declared = |item: &Item| {
            let meets = |rule: &crate::federation::retention::Retention| {
                let from = rule.from.is_none_or(|from| {
                    item.times.end.map_or(start(item), |end| end.timestamp_millis()) >= from.timestamp_millis()
                });
                from && rule.until.is_none_or(|until| start(item) <= until.timestamp_millis())
            };
            federation.members.iter().any(|member| member.policy.retention.iter().any(meets))
        };
        self.all.iter().filter(|item| item.meets_time(&asked) && is_held(item) && is_declared(item)).cloned().collect()
    }
}

/// An Item that was given.
struct Given {
    key: Key,
    member: String,
    walked: bool,
    /// Its holder orders ties by id; else by ids backwards.
    sorts_ties: bool,
}

impl Given {
    fn follows(&self, last: &Self, order: &Comparator) -> bool {
        let own = self.key.id.cmp(&last.key.id);
        let walks = || self.member.cmp(&last.member).then(if self.sorts_ties { own } else { own.reverse() });
        let firsts = order.first(&self.key.values[0], &last.key.values[0]);
        may_follow((self.walked, last.walked), firsts, order.keys_of(&self.key, &last.key), walks)
    }
}

/// Whether an Item lies in a tie of which the rest is missing.
fn walked_over(gap: &Gap, key: &Key, order: &Comparator) -> bool {
    let first = &key.values[0];
    gap.from.first() == Some(first)
        && gap.to.as_ref().is_none_or(|to| order.positions(to, &Position::After(first.clone())).is_ge())
}

fn run(seed: u64) {
    let mut history = History::new(seed);
    let federation = history.federation();
    let mut request = history.request(1);
    let plan = History::plan(&federation, &request);
    let Order::Sorted(keys) = &plan.order else { panic!("an order was asked for") };
    let order = Comparator::new(keys.clone());
    let shared: std::sync::Arc<str> = "s".into();
    let mut given: Vec<Given> = Vec::new();
    let mut session = Some(Session::begin(&plan, [0; 12], 0));
    let (mut gaps, mut complete, mut failed) = (Vec::new(), true, false);
    let mut covered = BTreeSet::new();
    for number in 0..PAGES_MAX {
        let Some(now) = session.take() else { break };
        request.limit = 1 + u32::try_from(history.dice.below(12)).unwrap();
        let before = now.clone();
        let end = history.page(&plan, now, number == 0, request.limit);
        let verdict = decide(&end, &plan, Handling::Lenient);
        for (member, hit) in &end.hits {
            let key = order.read(&hit.item, &shared).expect("a time");
            assert_eq!(*hit.key.collection, *shared, "seed {seed}: under its shared name");
            let number = NAMES.iter().position(|name| *name == member.as_str()).unwrap();
            let sorts_ties = history.holders[number].sorts_ties;
            let now = Given { key, member: member.to_string(), walked: hit.walked, sorts_ties };
            let follows = given.last().is_none_or(|last| now.follows(last, &order));
            assert!(follows, "seed {seed}: page {number} is out of order");
            given.push(now);
        }
        gaps = end.legs.iter().flat_map(|leg| leg.gaps.clone()).collect();
        complete = verdict == Verdict::Complete;
        let now_covered: BTreeSet<String> = end
            .legs
            .iter()
            .filter(|leg| !leg.covered_by.is_empty())
            .map(|leg| format!("{} {}", leg.member, leg.part))
            .collect();
        assert!(covered.is_subset(&now_covered), "seed {seed}: page {number} forgot who was taken over");
        if !matches!(verdict, Verdict::Failed { .. }) {
            covered = now_covered;
        }
        assert_eq!(
            complete,
            gaps.is_empty() && !matches!(verdict, Verdict::Failed { .. }),
            "seed {seed}: page {number}"
        );
        for holder in &mut history.holders {
            // an outage lasts for a while
            holder.away &= !history.dice.one_in(3);
        }
        if matches!(verdict, Verdict::Failed { .. }) {
            assert!(end.hits.is_empty(), "seed {seed}: a failure with Items");
            failed = number + 1 == PAGES_MAX;
            session = Some(before);
            continue;
        }
        assert!(end.next.is_none() || !end.hits.is_empty(), "seed {seed}: an empty page leads on");
        session = end.next;
    }
    assert!(session.is_none() || failed, "seed {seed}: the walk does not end");
    let ids: Vec<&str> = given.iter().map(|given| &*given.key.id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "seed {seed}: an Item twice: {ids:?}");
    for item in history.wanted(&federation) {
        let key = order.read(&item, &shared).unwrap();
        let in_gap = gaps
            .iter()
            .any(|gap| order.key_after(&key, &gap.from) && gap.to.as_ref().is_none_or(|to| !order.key_after(&key, to)));
        let is_given = ids.iter().any(|id| **id == *item.id);
        // inside a walk a position tells nothing of one Item
        let in_gap = in_gap || gaps.iter().any(|gap| walked_over(gap, &key, &order));
        assert!(is_given || in_gap || failed, "seed {seed}: `{}` is lost, complete: {complete}", item.id);
    }
    // large ties that several holders give side by side are not walked, and small pages of long Items before a tie use up
    // what a page may ask
    let by_bound = gaps.iter().all(|gap| matches!(gap.status, Status::TooLarge | Status::ScanLimit))
        && (history.ties_max < TIES_MAX || history.holders.iter().any(|holder| holder.cap <= 3));
    assert!(history.outages || complete || by_bound, "seed {seed}: a gap without a failure: {gaps:?}");
}

#[test]
fn histories_of_shared_collections_lose_and_repeat_nothing() {
    let only = std::env::var("STAC_BROKER_MODEL_SEED").ok().and_then(|text| text.parse().ok());
    only.map_or(0..HISTORIES, |seed| seed..seed + 1).for_each(run);
}
