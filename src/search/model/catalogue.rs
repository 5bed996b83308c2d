//! A member of the model: what it holds, its habits, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Interval, MemberId};
use crate::members::{Ask, Matched, Page, Token};
use crate::search::plan::{FirstKey, Leg, Mode, NullItems};
use crate::search::residual::Residual;

use super::dice::Dice;
use super::oracle::{By, Store};
use super::segment::Segment;
use super::thing::{Condition, Span, Thing, When};

/// How a member takes a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Takes {
    Exactly,
    /// Lets some Items through that do not meet it.
    Loosely,
    /// Says exactly, and does as the one before.
    Falsely,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Habits {
    pub(super) cap: usize,
    /// Never sends a next link.
    pub(super) no_next: bool,
    /// Sends one even on the last page.
    pub(super) trailing_empty: bool,
    /// Each page begins with the last Item of the one before.
    pub(super) repeats: bool,
    /// Page numbers instead of keys: depends on the page size.
    pub(super) offsets: bool,
    /// Orders ties by id.
    pub(super) sorts_ties: bool,
    /// Tie order differs from request to request.
    pub(super) shuffles_ties: bool,
    /// In which order a member lists that cannot sort.
    pub(super) lists: Lists,
    pub(super) counts: Counts,
    /// Says of a list that it ends before its last Item, where it has no next link.
    pub(super) says_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lists {
    AsItIs,
    OldestFirst,
    NewestFirst,
    /// Another order for every list; the pages of one list go on in it.
    Shuffled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Counts {
    Honestly,
    Never,
    /// All that it has, whatever was asked.
    Everything,
}

pub(super) struct Catalogue {
    pub(super) member: MemberId,
    /// In the member's own order.
    pub(super) things: Vec<Thing>,
    pub(super) habits: Habits,
    pub(super) mode: Mode,
    pub(super) takes: Takes,
    pub(super) store: Store,
    /// What the leg is told of the first key.
    pub(super) first: FirstKey,
    /// What the member sorts by, if it does.
    lead: Option<(By, bool)>,
}

impl Catalogue {
    /// `lead` is the first key that is asked for, if any; `keyed` Items have the properties that sort them.
    pub(super) fn new(
        dice: &mut Dice,
        index: u64,
        mode: Mode,
        lead: Option<(By, bool)>,
        keyed: bool,
        (span, long_items): (i64, bool),
    ) -> Self {
        let member = MemberId::new(&format!("M{index}"));
        let collections = ["c0", "c1", "c2"].map(|native| (native, Arc::from(format!("{member}|{native}"))));
        let most = if dice.one_in(8) { 120 } else { 30 };
        let count = dice.below(most);
        let mut things: Vec<Thing> = (0..count)
            .map(|number| {
                let start_ms = dice.below(span as u64) as i64;
                let lasts_ms = if long_items && dice.one_in(3) { dice.below(30) as i64 } else { 0 };
                // ids are shared between members and collections: they are no key alone
                let id = format!("i{}", if dice.one_in(3) { number } else { dice.below(1_000) });
                let (native, exposed) = &collections[dice.below(3) as usize];
                let micros = if dice.one_in(3) { dice.below(1_000) as i64 } else { 0 };
                Thing::new(&id, native, Arc::clone(exposed), When { start_ms, lasts_ms, micros }, dice.roll())
            })
            .collect();
        let by_property = lead.map(|(by, _)| by).filter(|by| matches!(by, By::Number | By::Text));
        let (store, first) = by_property.map_or_else(Default::default, |by| stored(dice, by, mode));
        if keyed {
            let nulls = [2, 4, 1_000][dice.below(3) as usize];
            let mistyped = !matches!(first, FirstKey::Bounded { .. });
            things = things.into_iter().map(|thing| thing.keyed(dice, nulls, mistyped)).collect();
        }
        let mut met = BTreeSet::new();
        things.retain(|thing| met.insert((thing.item.id.clone(), thing.item.collection.clone())));
        let sliced = mode == Mode::Slice;
        let offsets = dice.one_in(4) || mode == Mode::Token || sliced || by_property == Some(By::Text);
        let no_next = (mode == Mode::Keyset || sliced) && dice.one_in(8);
        let shuffles_ties = mode == Mode::Keyset && no_next;
        let keeps_ties = mode == Mode::Keyset || (mode == Mode::Token && by_property.is_some());
        let sorts_ties = keeps_ties && !shuffles_ties && dice.one_in(2);
        if sorts_ties {
            things.sort_by(|a, b| a.item.id.cmp(&b.item.id));
            for (rank, thing) in things.iter_mut().enumerate() {
                thing.tie = rank as u64;
            }
        }
        let (mut lists, mut counts) = (Lists::AsItIs, Counts::Honestly);
        if sliced {
            lists = [lists, Lists::OldestFirst, Lists::NewestFirst, Lists::Shuffled][dice.below(4) as usize];
            counts = [counts, Counts::Never, Counts::Everything][dice.below(3) as usize];
        }
        // a list that is cut in silence cannot be told from a whole one
        let says_cut = sliced && no_next && (counts != Counts::Honestly || dice.one_in(2));
        let large = no_next && !(sliced && dice.one_in(2));
        let habits = Habits {
            sorts_ties,
            lists,
            counts,
            says_cut,
            cap: 1 + dice.below(9) as usize + if large { 200 } else { 20 * dice.below(2) as usize },
            no_next,
            trailing_empty: dice.one_in(4),
            repeats: !offsets && matches!(mode, Mode::Keyset) && dice.one_in(6),
            offsets,
            shuffles_ties,
        };
        let lead = match lists {
            Lists::OldestFirst => Some((By::Time, false)),
            Lists::NewestFirst => Some((By::Time, true)),
            Lists::AsItIs | Lists::Shuffled => lead.filter(|_| matches!(mode, Mode::Keyset | Mode::Token)),
        };
        things.sort_by(|a, b| store.compare(lead, a, b));
        Self { member, things, habits, mode, takes: Takes::Never, store, first, lead }
    }

    /// Takes a new Item in, at its place.
    pub(super) fn insert(&mut self, thing: Thing) {
        let at = self.things.partition_point(|known| self.store.compare(self.lead, known, &thing).is_lt());
        self.things.insert(at, thing);
    }

    /// For a history with a condition.
    pub(super) fn value(&mut self, dice: &mut Dice) {
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

    pub(super) fn leg(&self, user: Option<Interval>, filter: Option<&Arc<Expr>>) -> Leg {
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
            part: String::new(),
            shared: None,
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
            expected: Interval::default(),
            first: self.first.clone(),
        }
    }

    /// What the member makes of a condition.
    fn sends(&self, condition: Option<Condition>, thing: &Thing) -> bool {
        let Some(condition) = condition else { return true };
        match self.takes {
            Takes::Never => true,
            Takes::Exactly => condition.holds(thing.value),
            Takes::Loosely | Takes::Falsely => condition.holds(thing.value) || thing.tie.is_multiple_of(3),
        }
    }

    /// Whether an Item belongs to the segment that is asked for. Who takes conditions loosely takes this one so too.
    fn has_place(&self, segment: Option<&Segment>, thing: &Thing) -> bool {
        let Some(segment) = segment else { return true };
        let loose = matches!(self.first, FirstKey::Bounded { nulls: NullItems::Hinted, .. });
        segment.holds(self.store, thing) || (loose && thing.tie.is_multiple_of(3))
    }

    /// The member's list for an ask, in its own order.
    fn list(
        &self,
        condition: Option<Condition>,
        ask: &Ask,
        segment: Option<&Segment>,
        shuffle: u64,
        dice: &mut Dice,
    ) -> Vec<&Thing> {
        let asked = Span::of(ask.datetime);
        let mut list = Vec::with_capacity(self.things.len());
        for thing in &self.things {
            if thing.meets(&asked) && self.sends(condition, thing) && self.has_place(segment, thing) {
                list.push(thing);
            }
        }
        if self.habits.shuffles_ties {
            let mut shuffled: Vec<(u64, &Thing)> = list.into_iter().map(|thing| (dice.roll(), thing)).collect();
            shuffled.sort_by_key(|(roll, _)| *roll);
            list = shuffled.into_iter().map(|(_, thing)| thing).collect();
            list.sort_by(|a, b| self.store.by_lead(self.lead, a, b));
        }
        if self.habits.lists == Lists::Shuffled {
            list.sort_by_key(|thing| Dice(thing.tie ^ shuffle).roll());
        }
        list
    }

    /// Answers an ask; `segment` is what goes with its filter.
    pub(super) fn answer(
        &self,
        condition: Option<Condition>,
        ask: &Ask,
        segment: Option<&Segment>,
        dice: &mut Dice,
    ) -> Page {
        // what a list was shuffled by goes on in its tokens
        let (page, shuffle) = match &ask.token {
            Some(Token(text)) if self.habits.offsets => {
                let (page, shuffle) = text.split_once(':').expect("a place");
                (page.parse::<usize>().expect("a page"), shuffle.parse::<u64>().expect("a seed"))
            }
            _ => (0, if self.habits.lists == Lists::Shuffled { dice.roll() } else { 0 }),
        };
        let list = self.list(condition.filter(|_| ask.filter.is_some()), ask, segment, shuffle, dice);
        let size = (ask.limit as usize).min(self.habits.cap);
        let from = match &ask.token {
            None => 0,
            Some(_) if self.habits.offsets => page * size,
            // behind the Item that the token names; gone Items hold their place by the member's order
            Some(Token(text)) => {
                let (first, tie) = text.split_once('/').expect("a key");
                let tie: u64 = tie.parse().expect("a tie");
                list.iter().position(|thing| self.behind(thing, first, tie)).unwrap_or(list.len())
            }
        };
        let overlap = usize::from(self.habits.repeats && from > 0 && from < list.len() && size > 1);
        let begin = (from.min(list.len())).saturating_sub(overlap);
        let end = (begin + size).min(list.len());
        let shown = &list[begin..end];
        let more = end < list.len() || (self.habits.trailing_empty && !shown.is_empty());
        let next = (more && !self.habits.no_next).then(|| match shown.last() {
            _ if self.habits.offsets => Token(format!("{}:{shuffle}", page + 1).into()),
            Some(last) => Token(format!("{}/{}", self.named(last), last.tie).into()),
            None => Token("0/0".into()),
        });
        Page {
            items: shown.iter().map(|thing| thing.item.clone()).collect(),
            received: shown.len() as u32,
            next,
            matched: self.count(&list).map(|count| Matched { count, exact: true }),
            cut: self.habits.says_cut && end < list.len(),
            ..Page::default()
        }
    }

    fn count(&self, list: &[&Thing]) -> Option<u64> {
        match self.habits.counts {
            Counts::Honestly => Some(list.len() as u64),
            Counts::Never => None,
            Counts::Everything => Some(self.things.len() as u64),
        }
    }

    /// What a token says of an Item's first key.
    fn named(&self, thing: &Thing) -> String {
        match (self.lead, thing.number) {
            (Some((By::Number, _)), Some(number)) => format!("{:?}", self.store.kept(number)),
            (Some((By::Number, _)), None) => "null".to_owned(),
            _ => thing.start_ms.to_string(),
        }
    }

    fn behind(&self, thing: &Thing, first: &str, tie: u64) -> bool {
        let order = match self.lead {
            Some((By::Time, descending)) => {
                let order = thing.start_ms.cmp(&first.parse().expect("a time"));
                if descending { order.reverse() } else { order }
            }
            Some((By::Number, descending)) => {
                let number = thing.number.map(|number| self.store.kept(number));
                let known = |a: f64, b: f64| if descending { b.total_cmp(&a) } else { a.total_cmp(&b) };
                // both zeros are one
                self.store.known_or_not(number.map(|n| n + 0.0), first.parse().ok().map(|n: f64| n + 0.0), known)
            }
            _ => return thing.tie > tie,
        };
        order.is_gt() || (order.is_eq() && thing.tie > tie)
    }
}

/// How a member keeps a property that it sorts by, and what is known of it.
fn stored(dice: &mut Dice, by: By, mode: Mode) -> (Store, FirstKey) {
    let store = Store { single: by == By::Number && dice.one_in(3), nulls_first: dice.one_in(2) };
    let property = if by == By::Number { "n" } else { "s" };
    match mode {
        Mode::Keyset => {
            let nulls = [NullItems::Apart, NullItems::Hinted, NullItems::OutOfReach][dice.below(3) as usize];
            (store, FirstKey::Bounded { property: property.into(), nulls })
        }
        Mode::Token => (store, FirstKey::Unbounded { nulls_last: !store.nulls_first && dice.one_in(2) }),
        _ => (store, FirstKey::Certain),
    }
}
