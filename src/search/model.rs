//! The paging procedure against an oracle: seeded histories of members, orders, caps, ties, repeats, inserts, deletes
//! and outages (`paging.md` section 10).
//!
//! Every history is a number. A failure prints it; `STAC_BROKER_MODEL_SEED=n cargo test --lib search::model` runs that
//! one alone, and `STAC_BROKER_MODEL_HISTORIES=n` sets how many are run.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::collections::Ids;
use crate::cql2::Expr;
use crate::federation::{self, Federation, Interval, Limits, MemberId, Server};
use crate::members::item::{Spans, Times};
use crate::members::{Ask, Fault, Item, Matched, Page, Token};

use super::cursor::KeyRing;
use super::merge::Step;
use super::order::{Comparator, Position, Value};
use super::outcome::Status;
use super::page::{LegEnd, PageEnd, PageRun};
use super::plan::{Leg, Mode, Order, Plan};
use super::request::SortBy;
use super::residual::Residual;
use super::session::Session;
use super::stream::{REQUESTS_EMPTY_MAX, Request};

const HISTORIES: u64 = 20_000;
const PAGES_MAX: usize = 600;
/// Sessions of gaps that one history walks; after the second no member fails any more.
const GAP_RETRIES_MAX: usize = 6;

/// `SplitMix64`: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most.max(1)
    }
    fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Thing {
    id: String,
    collection: String,
    start_ms: i64,
    end_ms: i64,
    /// Digits of the start that do not order it.
    micros: i64,
    /// The member's own order inside a tie.
    tie: u64,
    /// Present at the member, unchanged, since the session began.
    lasting: bool,
    /// Its property `v`, and how the member writes it.
    value: Option<u64>,
    properties: Bytes,
}

/// A condition on the property `v`, told apart from the broker's own.
#[derive(Debug, Clone, Copy)]
enum Condition {
    Below(u64),
    Between(u64, u64),
    /// Also where it is absent.
    NotAbove(u64),
    IsOrAbsent(u64),
    /// One in so many Items.
    Rare,
}

impl Condition {
    fn random(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::Below(dice.below(VALUES)),
            1 => Self::Between(dice.below(VALUES), dice.below(VALUES)),
            2 => Self::NotAbove(dice.below(VALUES)),
            3 => Self::IsOrAbsent(dice.below(VALUES)),
            _ => Self::Rare,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Below(most) => format!("v < {most}"),
            Self::Between(low, high) => format!("v BETWEEN {low} AND {high}"),
            Self::NotAbove(most) => format!("NOT (v > {most} AND id IS NOT NULL)"),
            Self::IsOrAbsent(value) => format!("v = {value} OR v IS NULL"),
            Self::Rare => format!("v IN ({}, -1)", VALUES - 1),
        }
    }

    fn holds(self, value: Option<u64>) -> bool {
        match self {
            Self::Below(most) => value.is_some_and(|value| value < most),
            Self::Between(low, high) => value.is_some_and(|value| low <= value && value <= high),
            Self::NotAbove(most) => value.is_some_and(|value| value <= most),
            Self::IsOrAbsent(wanted) => value.is_none_or(|value| value == wanted),
            Self::Rare => value == Some(VALUES - 1),
        }
    }
}

/// How a member takes a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Takes {
    Exactly,
    /// Lets some Items through that do not meet it.
    Loosely,
    /// Says exactly, and does as the one before.
    Falsely,
    Never,
}

/// Different values of `v`.
const VALUES: u64 = 12;

/// How a member behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Habits {
    cap: usize,
    /// Never sends a next link.
    no_next: bool,
    /// Sends one even on the last page.
    trailing_empty: bool,
    /// Each page begins with the last Item of the one before.
    repeats: bool,
    /// Page numbers instead of keys: depends on the page size.
    offsets: bool,
    /// Orders ties by id.
    sorts_ties: bool,
    /// Tie order differs from request to request.
    shuffles_ties: bool,
}

struct Catalogue {
    member: MemberId,
    things: Vec<Thing>,
    habits: Habits,
    mode: Mode,
    takes: Takes,
    down: bool,
}

struct World {
    dice: Dice,
    order: Option<Comparator>,
    catalogues: Vec<Catalogue>,
    user: Option<Interval>,
    condition: Option<Condition>,
    /// Ties over this many Items are large.
    ties_max: usize,
    trace: Trace,
}

/// What happened in a history; written only when one is replayed alone.
#[derive(Default)]
struct Trace {
    wanted: bool,
    lines: Vec<String>,
}

impl Trace {
    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push(line());
        }
    }
}

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).expect("a time of the model")
}

impl Thing {
    fn item(&self) -> Item {
        let spans = self.end_ms != self.start_ms;
        let times = Times {
            datetime: (!spans).then(|| self.start()),
            start: spans.then(|| self.start()),
            end: spans.then(|| self.end()),
        };
        Item {
            bytes: self.properties.clone(),
            id: self.id.as_str().into(),
            collection: self.collection.as_str().into(),
            times,
            spans: Spans { properties: 0..self.properties.len() as u32, ..Spans::default() },
        }
    }

    /// Gives it a property, or its absence.
    fn valued(mut self, dice: &mut Dice) -> Self {
        self.value = (!dice.one_in(8)).then(|| dice.below(VALUES));
        self.properties = match self.value {
            Some(value) => format!("{{\"v\":{value}}}").into(),
            None if dice.one_in(2) => Bytes::from_static(b"{\"v\":null}"),
            None => Bytes::from_static(b"{}"),
        };
        self
    }

    fn interval(&self) -> Interval {
        Interval { start: Some(self.start()), end: Some(self.end()) }
    }

    fn start(&self) -> DateTime<Utc> {
        instant(self.start_ms) + TimeDelta::microseconds(self.micros)
    }

    fn end(&self) -> DateTime<Utc> {
        instant(self.end_ms) + TimeDelta::microseconds(self.micros)
    }
}

impl Catalogue {
    /// What the member makes of a condition.
    fn sends(&self, condition: Option<Condition>, thing: &Thing) -> bool {
        let Some(condition) = condition else { return true };
        match self.takes {
            Takes::Never => true,
            Takes::Exactly => condition.holds(thing.value),
            Takes::Loosely | Takes::Falsely => condition.holds(thing.value) || thing.tie.is_multiple_of(3),
        }
    }

    /// The member's list for an ask, in its own order, as (order key, thing).
    fn list(&self, order: Option<&Comparator>, condition: Option<Condition>, ask: &Ask, dice: &mut Dice) -> Vec<Thing> {
        let mut list: Vec<Thing> = self
            .things
            .iter()
            .filter(|thing| ask.datetime.is_none_or(|asked| asked.meets(&thing.interval())))
            .filter(|thing| self.sends(condition, thing))
            .cloned()
            .collect();
        if self.habits.shuffles_ties {
            for thing in &mut list {
                thing.tie = dice.roll();
            }
        }
        match order {
            Some(order) if matches!(self.mode, Mode::Keyset | Mode::Token) => {
                let mut keyed: Vec<(Value, Thing)> =
                    list.into_iter().map(|thing| (self.first(order, &thing), thing)).collect();
                keyed.sort_by(|(left, a), (right, b)| order.first(left, right).then(a.tie.cmp(&b.tie)));
                list = keyed.into_iter().map(|(_, thing)| thing).collect();
            }
            _ => list.sort_by_key(|thing| thing.tie),
        }
        list
    }

    fn first(&self, order: &Comparator, thing: &Thing) -> Value {
        let exposed = Arc::from(format!("{}|{}", self.member, thing.collection));
        order.read(&thing.item(), &exposed).expect("a key").values.swap_remove(0)
    }

    fn answer(
        &self,
        order: Option<&Comparator>,
        condition: Option<Condition>,
        ask: &Ask,
        dice: &mut Dice,
    ) -> Result<Page, (Fault, Option<u32>)> {
        if self.down {
            return Err((Fault::Unreachable, None));
        }
        let list = self.list(order, condition.filter(|_| ask.filter.is_some()), ask, dice);
        let size = (ask.limit as usize).min(self.habits.cap);
        let from = match &ask.token {
            None => 0,
            Some(Token(text)) if self.habits.offsets => text.parse::<usize>().expect("an offset") * size,
            // behind the Item that the token names; gone Items hold their place by the member's order
            Some(Token(text)) => {
                let (first, tie) = text.split_once('/').expect("a key");
                let (first, tie): (i64, u64) = (first.parse().expect("a time"), tie.parse().expect("a tie"));
                list.iter().position(|thing| self.behind(order, thing, first, tie)).unwrap_or(list.len())
            }
        };
        let overlap = usize::from(self.habits.repeats && from > 0 && from < list.len() && size > 1);
        let begin = (from.min(list.len())).saturating_sub(overlap);
        let end = (begin + size).min(list.len());
        let shown = &list[begin..end];
        let more = end < list.len() || (self.habits.trailing_empty && !shown.is_empty());
        let next = (more && !self.habits.no_next).then(|| match shown.last() {
            _ if self.habits.offsets => {
                let page = ask.token.as_ref().map_or(0, |token| token.0.parse::<usize>().expect("an offset"));
                Token((page + 1).to_string().into())
            }
            Some(last) => Token(format!("{}/{}", last.start_ms, last.tie).into()),
            None => Token("0/0".into()),
        });
        Ok(Page {
            items: shown.iter().map(Thing::item).collect(),
            received: shown.len() as u32,
            next,
            matched: Some(Matched { count: list.len() as u64, exact: true }),
            ..Page::default()
        })
    }

    fn behind(&self, order: Option<&Comparator>, thing: &Thing, first: i64, tie: u64) -> bool {
        match order {
            Some(order) if self.mode == Mode::Keyset => {
                let ahead = if order.descending() { thing.start_ms < first } else { thing.start_ms > first };
                ahead || (thing.start_ms == first && thing.tie > tie)
            }
            _ => thing.tie > tie,
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let kind = dice.below(10);
        let sort = |field: &str, descending| SortBy { field: field.into(), descending };
        let down = dice.one_in(2);
        let order = match kind {
            0..=5 => Some(vec![sort("datetime", down)]),
            6 => Some(vec![sort("datetime", down), sort("collection", dice.one_in(2))]),
            7 => Some(vec![sort("id", down)]),
            _ => None,
        };
        let by_time = kind <= 6;
        let members = 1 + dice.below(5);
        let span = 1 + dice.below(60) as i64;
        let long_items = dice.one_in(4);
        let catalogues = (0..members)
            .map(|index| {
                let mode = match (kind, dice.below(4)) {
                    (0..=7, 0) => Mode::Drain,
                    (0..=6, _) => Mode::Keyset,
                    (7, _) => Mode::Token,
                    _ if members == 1 => Mode::PassThrough,
                    _ => Mode::Quota,
                };
                Catalogue::new(&mut dice, index, mode, span, long_items)
            })
            .collect();
        let user = (by_time && dice.one_in(3)).then(|| {
            let start = dice.below(span as u64) as i64;
            let end = start + dice.below(span as u64) as i64;
            Interval { start: dice.below(4).gt(&0).then(|| instant(start)), end: Some(instant(end)) }
        });
        let condition = dice.one_in(3).then(|| Condition::random(&mut dice));
        let mut catalogues: Vec<Catalogue> = catalogues;
        if condition.is_some() {
            for catalogue in &mut catalogues {
                catalogue.value(&mut dice);
            }
        }
        let ties_max = if dice.one_in(2) { 1 + dice.below(12) as usize } else { 1_000 };
        Self { dice, order: order.map(Comparator::new), catalogues, user, condition, ties_max, trace: Trace::default() }
    }

    fn plan(&self) -> Plan {
        let order = match &self.order {
            Some(order) => Order::Sorted(order.keys().to_vec()),
            None => Order::Quota,
        };
        let filter = self.condition.map(|condition| Arc::new(Expr::from_text(&condition.text()).expect("a filter")));
        let legs = self.catalogues.iter().map(|catalogue| catalogue.leg(self.user, filter.as_ref())).collect();
        Plan { order, legs, pruned: Vec::new(), refused: Vec::new(), unsorted: Vec::new() }
    }

    /// Items come and go between pages, where the member's paging can bear it.
    fn drift(&mut self) {
        let dice = &mut self.dice;
        for catalogue in &mut self.catalogues {
            let steady = catalogue.habits.offsets || !matches!(catalogue.mode, Mode::Keyset | Mode::Drain);
            if steady || !dice.one_in(6) {
                continue;
            }
            if (dice.one_in(2) || catalogue.habits.sorts_ties) && !catalogue.things.is_empty() {
                let gone = dice.below(catalogue.things.len() as u64) as usize;
                catalogue.things.remove(gone);
            } else {
                let at = dice.below(60) as i64;
                let id = format!("new-{:x}", dice.roll());
                let tie = dice.roll();
                let thing = Thing {
                    id,
                    collection: "c0".into(),
                    start_ms: at,
                    end_ms: at,
                    micros: 0,
                    tie,
                    lasting: false,
                    value: None,
                    properties: Bytes::new(),
                };
                catalogue.things.push(if self.condition.is_some() { thing.valued(dice) } else { thing });
            }
        }
    }
}

impl Catalogue {
    fn new(dice: &mut Dice, index: u64, mode: Mode, span: i64, long_items: bool) -> Self {
        let most = if dice.one_in(8) { 120 } else { 30 };
        let count = dice.below(most);
        let mut things: Vec<Thing> = (0..count)
            .map(|number| {
                let start_ms = dice.below(span as u64) as i64;
                let lasts = if long_items && dice.one_in(3) { dice.below(30) as i64 } else { 0 };
                Thing {
                    // ids are shared between members and collections: they are no key alone
                    id: format!("i{}", if dice.one_in(3) { number } else { dice.below(1_000) }),
                    collection: format!("c{}", dice.below(3)),
                    start_ms,
                    end_ms: start_ms + lasts,
                    micros: if dice.one_in(3) { dice.below(1_000) as i64 } else { 0 },
                    tie: dice.roll(),
                    lasting: true,
                    value: None,
                    properties: Bytes::new(),
                }
            })
            .collect();
        let mut met = BTreeSet::new();
        things.retain(|thing| met.insert((thing.id.clone(), thing.collection.clone())));
        if mode == Mode::Token {
            // sorted by id in the direction asked; equal ids of several collections are its ties
            things.sort_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
        }
        let offsets = dice.one_in(4) || mode == Mode::Token;
        let no_next = mode == Mode::Keyset && dice.one_in(8);
        let shuffles_ties = mode == Mode::Keyset && no_next;
        let sorts_ties = mode == Mode::Keyset && !shuffles_ties && dice.one_in(2);
        if sorts_ties {
            things.sort_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
            for (rank, thing) in things.iter_mut().enumerate() {
                thing.tie = rank as u64;
            }
        }
        let habits = Habits {
            sorts_ties,
            cap: 1 + dice.below(9) as usize + if no_next { 200 } else { 20 * dice.below(2) as usize },
            no_next,
            trailing_empty: dice.one_in(4),
            repeats: !offsets && matches!(mode, Mode::Keyset) && dice.one_in(6),
            offsets,
            shuffles_ties,
        };
        Self { member: MemberId::new(&format!("M{index}")), things, habits, mode, takes: Takes::Never, down: false }
    }

    /// For a history with a condition.
    fn value(&mut self, dice: &mut Dice) {
        self.things = std::mem::take(&mut self.things).into_iter().map(|thing| thing.valued(dice)).collect();
        self.takes = match dice.below(8) {
            0..=2 => Takes::Exactly,
            3 | 4 => Takes::Loosely,
            5 => Takes::Falsely,
            _ => Takes::Never,
        };
        // pages so small that the allowance of a page is used up before an Item is found
        if !self.habits.no_next && dice.one_in(4) {
            self.habits.cap = 1 + dice.below(2) as usize;
            self.takes = Takes::Never;
        }
    }

    fn leg(&self, user: Option<Interval>, filter: Option<&Arc<Expr>>) -> Leg {
        let exact = matches!(self.takes, Takes::Exactly | Takes::Falsely);
        let residual = Residual {
            datetime: user,
            filter: filter.cloned(),
            properties: filter.into_iter().flat_map(|filter| filter.properties()).map(Into::into).collect(),
            promised: filter.filter(|_| exact).cloned(),
            selective: filter.is_some() && !exact,
            ..Residual::default()
        };
        let pushed = filter.filter(|_| self.takes != Takes::Never).cloned();
        Leg {
            member: self.member.clone(),
            mode: self.mode,
            ask: Ask { datetime: user, filter: pushed, ..Ask::default() },
            residual,
            pushdown: Vec::new(),
            page_max: 1_000,
            reason: String::new(),
            discovered: true,
            required: false,
            page_requests: 1,
            counts_exact: true,
            bounds: true,
        }
    }
}

/// One page, answers arriving in any order; `outages` decides which requests fail.
fn page(
    world: &mut World,
    plan: &Plan,
    session: Session,
    first: bool,
    limit: u32,
    outages: u64,
) -> Result<PageEnd, String> {
    let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
    run.with_ties_of(|member| {
        // a few Items may look ordered by chance, so only members that do order their ties have small ones taken for large
        let simple = world.order.as_ref().is_some_and(|order| order.keys().len() == 1);
        let sorts = |catalogue: &Catalogue| {
            catalogue.member == *member && (catalogue.habits.sorts_ties || catalogue.mode == Mode::Token)
        };
        if simple && world.catalogues.iter().any(sorts) { world.ties_max } else { usize::MAX }
    });
    let mut under_way: Vec<(usize, Request)> = Vec::new();
    let mut rounds = 0;
    while let Step::Needs(requests) = run.step() {
        under_way.extend(requests);
        if under_way.is_empty() {
            return Err("asks for input, but for none that is not under way".into());
        }
        rounds += 1;
        if rounds > 200 {
            return Err("does not come to an end of its page".into());
        }
        let chosen = world.dice.below(under_way.len() as u64) as usize;
        let (index, request) = under_way.swap_remove(chosen);
        let leg = run.leg(index);
        let ask = Ask {
            limit: request.limit,
            token: request.token,
            datetime: request.datetime.or(leg.ask.datetime),
            ..leg.ask.clone()
        };
        let catalogue =
            world.catalogues.iter().find(|catalogue| catalogue.member == leg.member).expect("a member of the world");
        let fails = outages > 0 && world.dice.one_in(outages);
        let answer = if fails {
            Err((Fault::Timeout, None))
        } else {
            catalogue.answer(world.order.as_ref(), world.condition, &ask, &mut world.dice)
        };
        if let Ok(page) = &answer {
            let items: Vec<_> = page.items.iter().map(|item| (item.time_key(), &item.id, &item.collection)).collect();
            world.trace.say(|| format!("    {} {ask:?} -> {items:?}", leg.member));
        }
        run.feed(index, answer);
    }
    Ok(run.finish())
}

#[derive(Default)]
struct Walk {
    given: Vec<(String, String, String)>,
    gaps: BTreeMap<String, Vec<super::session::Gap>>,
    pages: usize,
    /// Links that were followed from pages without an Item.
    retries: usize,
    /// Sessions of `retry-missed` that asked for gaps.
    gap_retries: usize,
    /// Gaps of ended sessions that no retry can fill.
    lasting_gaps: BTreeMap<String, Vec<super::session::Gap>>,
    /// A gap was widened, so that a retry may repeat what lies beside it.
    widened: bool,
}

/// Runs one history and checks it against the oracle; gives how many `retry-missed` links it followed from pages without
/// an Item, and how many sessions of gaps it walked.
fn history(seed: u64, keys: &KeyRing, ids: &Ids) -> Result<(usize, usize), String> {
    walk_the(&mut World::new(seed), keys, ids)
}

fn walk_the(world: &mut World, keys: &KeyRing, ids: &Ids) -> Result<(usize, usize), String> {
    let plan = world.plan();
    for catalogue in &world.catalogues {
        let Catalogue { member, mode, things, habits, takes, .. } = catalogue;
        let condition = world.condition.map(Condition::text);
        world.trace.say(|| format!("{member} {mode:?} {} Items {habits:?} {takes:?} {condition:?}", things.len()));
    }
    let mut outages = if world.dice.one_in(2) { 0 } else { 2 + world.dice.below(12) };
    let mut limit = 1 + world.dice.below(20) as u32;
    let mut session = Session::begin(&plan, [0; 12], 0);
    let mut first = true;
    let mut walk = Walk::default();
    let mut last = Position::Start;
    let mut failed_once = false;
    let mut failures_in_a_row = 0;
    loop {
        walk.pages += 1;
        if walk.pages > PAGES_MAX {
            return Err("the walk does not end".into());
        }
        let before = session.clone();
        let end = page(world, &plan, session.clone(), first, limit, outages)?;
        world.trace.say(|| {
            let legs = end.legs.iter().map(|leg| {
                format!(
                    "\n  {} {:?} returned {} requests {} gaps {:?}",
                    leg.member, leg.status, leg.returned, leg.requests, leg.gaps
                )
            });
            format!(
                "page {} of {limit}: {} hits; next {}{}",
                walk.pages,
                end.hits.len(),
                end.next.is_some(),
                legs.collect::<String>()
            )
        });
        let fine = |leg: &LegEnd| match leg.status {
            Status::Ok | Status::Exhausted => true,
            // goes on where it stopped, with no more gaps than it had
            Status::ScanLimit => end.retry.as_ref().is_some_and(|retry| gaps_of(retry, leg) == gaps_of(&session, leg)),
            _ => false,
        };
        failed_once |= !end.legs.iter().all(fine);
        if let Some(leg) = end.legs.iter().find(|leg| leg.requests > REQUESTS_EMPTY_MAX) {
            return Err(format!("{} requests to {}", leg.requests, leg.member));
        }
        if end.hits.len() > limit as usize {
            return Err("a page larger than its limit".into());
        }
        if outages == 0 && world.dice.one_in(10) {
            let again = page(world, &plan, before, first, limit, 0)?;
            let ids = |end: &PageEnd| {
                end.hits.iter().map(|(_, hit)| (hit.key.id.clone(), hit.key.collection.clone())).collect::<Vec<_>>()
            };
            // a page may end early, depending on who answers first; what it gives is the same
            let (one, other) = (ids(&end), ids(&again));
            let alike = one.iter().zip(&other).all(|(one, other)| one == other);
            if !alike && !world.catalogues.iter().any(|catalogue| catalogue.habits.shuffles_ties) {
                return Err("the same cursor gave another page".into());
            }
        }
        for (member, hit) in &end.hits {
            if let Some(order) = &world.order {
                if !order.key_after(&hit.key, &last) {
                    return Err(format!("order: {:?} does not lie behind {last:?}", hit.key));
                }
                last = Position::At(hit.key.clone());
            }
            walk.given.push((member.to_string(), hit.key.collection.to_string(), hit.key.id.to_string()));
        }
        for leg in end.legs.iter().filter(|leg| leg.contradictions > 0) {
            let false_word =
                |catalogue: &Catalogue| catalogue.member == leg.member && catalogue.takes == Takes::Falsely;
            if !world.catalogues.iter().any(false_word) {
                return Err(format!("{} did not contradict itself", leg.member));
            }
        }
        for leg in &end.legs {
            let known = walk.gaps.entry(leg.member.to_string()).or_default();
            if known.len() > leg.gaps.len() && leg.gaps.len() < 4 && world.order.is_some() && walk.gap_retries == 0 {
                return Err(format!("a gap of {} was forgotten", leg.member));
            }
            known.clone_from(&leg.gaps);
            walk.widened |= leg.gaps.len() >= 4;
        }
        if let Some(retry) = end.retry {
            if end.next.is_some() || !end.hits.is_empty() {
                return Err("a page that goes on offers another try".into());
            }
            // the gaps that it closes are no gaps of the walk
            walk.gaps = retry.legs.iter().map(|leg| (leg.member.clone(), leg.gaps.clone())).collect();
            walk.retries += 1;
            session = reopened(&retry, keys, ids)?;
            first = false;
            failures_in_a_row = 0;
            world.drift();
            continue;
        }
        let all_failed = end.hits.is_empty() && end.legs.iter().all(|leg| leg.broken && !leg.ended);
        if all_failed && !end.legs.is_empty() {
            // the client gets an error and comes again with the cursor it has
            let bounded = end
                .legs
                .iter()
                .any(|leg| matches!(leg.status, Status::SkippedCapability | Status::TooLarge | Status::ScanLimit));
            if outages == 0 && !bounded {
                return Err("everybody failed without an outage".into());
            }
            failures_in_a_row += 1;
            // what fails by a bound fails again; an outage may pass
            if bounded || failures_in_a_row > 50 {
                break;
            }
            walk.gaps = session.legs.iter().map(|leg| (leg.member.clone(), leg.gaps.clone())).collect();
            continue;
        }
        failures_in_a_row = 0;
        first = false;
        session = match (end.next, end.missed) {
            (Some(next), _) => reopened(&next, keys, ids)?,
            // the walk is over: what it missed is asked for, at first while members still fail
            (None, Some(missed)) if walk.gap_retries < GAP_RETRIES_MAX => {
                walk.gap_retries += 1;
                outages = if walk.gap_retries > 2 { 0 } else { outages };
                last = Position::Start;
                for (member, gaps) in std::mem::take(&mut walk.gaps) {
                    let lasting = gaps.into_iter().filter(|gap| !gap.status.retryable());
                    walk.lasting_gaps.entry(member).or_default().extend(lasting);
                }
                world.trace.say(|| format!("retry {missed:?}"));
                reopened(&missed, keys, ids)?
            }
            (None, _) => break,
        };
        if world.dice.one_in(4) {
            limit = 1 + world.dice.below(30) as u32;
        }
        world.drift();
    }
    judge(world, &walk, failed_once)?;
    Ok((walk.retries, walk.gap_retries))
}

fn gaps_of(session: &Session, leg: &LegEnd) -> usize {
    session.legs.iter().filter(|known| known.member == leg.member.as_str()).map(|known| known.gaps.len()).sum()
}

/// A session as its cursor brings it back.
fn reopened(session: &Session, keys: &KeyRing, ids: &Ids) -> Result<Session, String> {
    let sealed = keys.seal(session, ids, 0);
    let opened = keys.open(&sealed, ids, 0).map_err(|refused| refused.to_string())?.session;
    if opened == *session { Ok(opened) } else { Err("the cursor does not open to what was sealed".into()) }
}

/// I2 to I4: each lasting Item once, or inside a declared gap of its member.
fn judge(world: &World, walk: &Walk, failed_once: bool) -> Result<(), String> {
    let mut met = BTreeSet::new();
    for given in &walk.given {
        if !met.insert(given) && !walk.widened {
            return Err(format!("given twice: {given:?}"));
        }
    }
    if !failed_once && walk.gaps.values().any(|gaps| !gaps.is_empty()) {
        return Err("a gap without a failure".into());
    }
    let meant = |thing: &Thing| world.condition.is_none_or(|condition| condition.holds(thing.value));
    for catalogue in &world.catalogues {
        let member = catalogue.member.to_string();
        for thing in catalogue.things.iter().filter(|thing| !meant(thing)) {
            let exposed = format!("{member}|{}", thing.collection);
            if met.contains(&(member.clone(), exposed, thing.id.clone())) {
                return Err(format!("does not meet the filter: {thing:?} of {member}"));
            }
        }
        let gaps = [&walk.gaps, &walk.lasting_gaps].map(|gaps| gaps.get(&member).map_or(&[][..], Vec::as_slice));
        let gaps = gaps.concat();
        for thing in catalogue.things.iter().filter(|thing| thing.lasting && meant(thing)) {
            if world.user.is_some_and(|user| !user.meets(&thing.interval())) {
                continue;
            }
            let exposed = format!("{member}|{}", thing.collection);
            if met.contains(&(member.clone(), exposed.clone(), thing.id.clone())) {
                continue;
            }
            let declared = match &world.order {
                Some(order) => {
                    let key = order.read(&thing.item(), &Arc::from(exposed)).expect("a key");
                    gaps.iter().any(|gap| {
                        order.key_after(&key, &gap.from) && gap.to.as_ref().is_none_or(|to| !order.key_after(&key, to))
                    })
                }
                None => !gaps.is_empty(),
            };
            if !declared {
                return Err(format!("lost without a gap: {thing:?} of {member}; gaps {gaps:?}"));
            }
        }
    }
    Ok(())
}

/// A key ring and ids of a federation that names nobody: positions then hold exposed ids as they are.
fn ring() -> (KeyRing, Ids) {
    let federation = Federation {
        id: "model".into(),
        title: String::new(),
        description: String::new(),
        public_url: None,
        delimiter: '|',
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            admin: crate::federation::Admin::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        },
        limits: Limits::default(),
        telemetry: federation::Telemetry::default(),
        cursor: federation::Cursor { keys: Vec::new(), life: Duration::from_secs(3600) },
        processes: 1,
        routing: crate::federation::Routing::default(),
        registry: crate::federation::Registry::default(),
        shared: Vec::new(),
        members: Vec::new(),
    };
    (KeyRing::from_federation(&federation).expect("a key"), Ids::new(&federation))
}

#[test]
fn every_history_keeps_order_uniqueness_and_declares_what_is_missing() {
    let (keys, ids) = ring();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("STAC_BROKER_MODEL_SEED") {
        let mut world = World::new(seed);
        world.trace.wanted = true;
        if let Err(wrong) = walk_the(&mut world, &keys, &ids) {
            panic!("history {seed}: {wrong}\n{}", world.trace.lines.join("\n"));
        }
        return;
    }
    let histories = number("STAC_BROKER_MODEL_HISTORIES").unwrap_or(HISTORIES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let (retries, gap_retries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong: Vec<(u64, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (keys, ids, retries, gap_retries) = (&keys, &ids, &retries, &gap_retries);
                scope.spawn(move || {
                    (worker..histories)
                        .step_by(threads as usize)
                        .filter_map(|seed| match history(seed, keys, ids) {
                            Ok((followed, of_gaps)) => {
                                retries.fetch_add(followed, Ordering::Relaxed);
                                gap_retries.fetch_add(of_gaps, Ordering::Relaxed);
                                None
                            }
                            Err(wrong) => Some((seed, wrong)),
                        })
                        .take(3)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker of the model")).collect()
    });
    let told: Vec<String> =
        wrong.iter().map(|(seed, wrong)| format!("STAC_BROKER_MODEL_SEED={seed}: {wrong}")).collect();
    assert!(wrong.is_empty(), "of {histories} histories:\n{}", told.join("\n"));
    let retries = retries.into_inner();
    assert!(histories < HISTORIES || retries > 0, "no page was left to `retry-missed`");
    let gap_retries = gap_retries.into_inner();
    assert!(histories < HISTORIES || gap_retries > 0, "no gap was asked for again");
    println!("{retries} `retry-missed` links were followed from empty pages, {gap_retries} from gaps");
}
