//! The holders of a history: what each has, how it answers, and what a client may expect of all of them.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::collections::Ids;
use crate::cql2::Class;
use crate::federation::retention::Retention;
use crate::federation::{Federation, Limits, MemberId, Support, load_text};
use crate::members::capabilities::{Language, Spoken};
use crate::members::item::{Spans, Times};
use crate::members::{Capabilities, Fault, Item, Page, Token};
use crate::search::merge::Step;
use crate::search::order::Comparator;
use crate::search::page::{PageEnd, PageRun};
use crate::search::plan::{Facts, Leg, Plan, plan};
use crate::search::request::SearchRequest;
use crate::search::residual::Residual;
use crate::search::session::Session;
use crate::search::stream::Request;

pub const NAMES: [&str; 3] = ["A", "B", "C"];
/// Instants of the model, a second apart.
const SPAN: u64 = 40;
/// Orders beside that by time: by one key or two, on which replicas agree or not.
const SORTS: [&str; 11] = [
    "+eo:cloud_cover",
    "-eo:cloud_cover",
    "+platform",
    "-platform",
    "-updated",
    "+id",
    "-id",
    "-datetime,+eo:cloud_cover",
    "+datetime,-platform",
    "+eo:cloud_cover,-datetime",
    "-platform,+updated",
];

pub struct Dice(u64);

impl Dice {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut roll = self.0;
        roll = (roll ^ (roll >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        roll = (roll ^ (roll >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (roll ^ (roll >> 31)) % most
    }

    pub fn one_in(&mut self, most: u64) -> bool {
        self.below(most) == 0
    }
}

fn at(second: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000 + second as i64, 0).unwrap()
}

/// One holder: what it declares and what it has.
pub struct Holder {
    /// Seconds, inclusive and exclusive.
    window: (Option<u64>, Option<u64>),
    pub items: Vec<Item>,
    cap: usize,
    sorts_ties: bool,
    abilities: Abilities,
    pub away: bool,
}

/// How it is read and asked.
#[derive(Clone, Copy)]
struct Abilities {
    sorts: bool,
    /// It takes conditions, so that it is resumed by a bound on the key.
    filters: bool,
    by_ids: bool,
}

pub struct History {
    pub dice: Dice,
    union: bool,
    sort: String,
    pub holders: Vec<Holder>,
    all: Vec<Item>,
    asked: Option<(u64, u64)>,
    /// Any outage at all.
    pub outages: bool,
}

fn item(id: &str, start: u64, lasts: Option<u64>) -> Item {
    let times = match lasts {
        None => Times { datetime: Some(at(start)), ..Times::default() },
        Some(lasts) => Times { datetime: None, start: Some(at(start)), end: Some(at(start + lasts)) },
    };
    Item { bytes: Bytes::new(), id: id.into(), collection: "c".into(), times, spans: Spans::default() }
}

/// With values of the keys on which replicas need not agree.
fn valued(item: Item, dice: &mut Dice, nulls: bool) -> Item {
    let mut value = |text: fn(&mut Dice) -> String| {
        if nulls && dice.one_in(5) { "null".to_owned() } else { text(dice) }
    };
    let cover = value(|dice| format!("{}.5", dice.below(12)));
    let platform = value(|dice| format!("\"p{}\"", dice.below(5)));
    let updated = value(|dice| format!("\"{}\"", at(dice.below(30)).to_rfc3339()));
    let properties = format!("{{\"eo:cloud_cover\":{cover},\"platform\":{platform},\"updated\":{updated}}}");
    let spans = Spans { properties: 0..properties.len() as u32, ..Spans::default() };
    Item { bytes: properties.into(), spans, ..item }
}

impl History {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let by_time = dice.one_in(2);
        let sort = match (by_time, dice.one_in(2)) {
            (true, true) => "-datetime",
            (true, false) => "+datetime",
            _ => SORTS[dice.below(SORTS.len() as u64) as usize],
        };
        let (long, nulls) = (dice.one_in(2), dice.one_in(3));
        let all: Vec<Item> = (0..dice.below(80))
            .map(|n| {
                let lasts = (long && dice.one_in(3)).then(|| dice.below(15));
                let item = item(&format!("i{:02}", (n * 37) % 80), dice.below(SPAN), lasts);
                valued(item, &mut dice, nulls)
            })
            .collect();
        let union = if by_time { dice.one_in(3) } else { !dice.one_in(3) };
        let disagree = !dice.one_in(4);
        let holders = (0..=dice.below(3)).map(|_| {
            let mut edge = || (!dice.one_in(3)).then(|| dice.below(SPAN));
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
            if disagree {
                let own = |item: Item| if dice.one_in(2) { valued(item, &mut dice, nulls) } else { item };
                items = items.into_iter().map(own).collect();
            }
            // the requests of a page are bounded: they must do for a tie, and for Items that last long
            let (cap, sorts_ties) = (3 + dice.below(7) as usize, dice.one_in(2));
            let cap = if by_time { cap } else { cap + 12 };
            let sorts = by_time || nulls || !dice.one_in(5);
            let filters = nulls || dice.one_in(2);
            let abilities = Abilities { sorts, filters, by_ids: !dice.one_in(6) };
            Holder { window, items, cap, sorts_ties, abilities, away: false }
        });
        let holders = holders.collect();
        let asked = dice.one_in(2).then(|| {
            let (a, b) = (dice.below(SPAN), dice.below(SPAN));
            (a.min(b), a.max(b))
        });
        let outages = !dice.one_in(3);
        Self { dice, union, sort: sort.to_owned(), holders, all, asked, outages }
    }

    pub fn mutes(&self) -> usize {
        self.holders.iter().filter(|holder| !holder.abilities.by_ids).count()
    }

    /// In `union`, the holder that gives an Item: the highest that has it, those that cannot be asked for it last.
    pub fn owner(&self, id: &str) -> Option<usize> {
        let has = |holder: &Holder| holder.items.iter().any(|item| *item.id == *id);
        let having = (0..self.holders.len()).filter(|&holder| self.union && has(&self.holders[holder]));
        having.min_by_key(|&holder| (!self.holders[holder].abilities.by_ids, holder))
    }

    pub fn federation(&self) -> Federation {
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

    pub fn request(&self, limit: u64) -> SearchRequest {
        let mut pairs =
            vec![("collections", "s".to_owned()), ("sortby", self.sort.clone()), ("limit", limit.to_string())];
        if let Some((from, to)) = self.asked {
            let time = |second| at(second).format("%Y-%m-%dT%H:%M:%SZ");
            pairs.push(("datetime", format!("{}/{}", time(from), time(to))));
        }
        let pairs: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        SearchRequest::from_query(&pairs, &Limits::default()).unwrap()
    }

    pub fn plan(&self, federation: &Federation, request: &SearchRequest) -> Plan {
        let support = |yes| if yes { Support::Exact } else { Support::Unsupported };
        let json = Some(Language::Json);
        let able = |number: usize| {
            let abilities = self.holders[number].abilities;
            Capabilities {
                discovered: true,
                sort: support(abilities.sorts),
                ids: support(abilities.by_ids),
                filter: support(abilities.filters),
                filter_classes: Class::ALL.into_iter().map(Class::name).collect(),
                spoken: Spoken { get: json, post: json },
                string_order_bytes: true,
                ..Capabilities::implied(&federation.members[number])
            }
        };
        let able: Vec<(MemberId, Capabilities)> =
            (0..self.holders.len()).map(|number| (federation.members[number].id.clone(), able(number))).collect();
        let facts = |id: &MemberId| Facts {
            capabilities: able.iter().find(|(known, _)| known == id).map(|(_, able)| able),
            collections: None,
        };
        plan(federation, &Ids::new(federation), facts, request, at(SPAN), None).unwrap()
    }

    fn serve(&mut self, order: &Comparator, leg: &Leg, request: &Request) -> Result<Page, Fault> {
        let number = NAMES.iter().position(|name| *name == leg.member.as_str()).unwrap();
        let flickers = self.outages && self.dice.one_in(25);
        let holder = &mut self.holders[number];
        holder.away |= flickers;
        if holder.away {
            return Err(Fault::Timeout);
        }
        let properties = request.filter.iter().flat_map(|filter| filter.properties()).map(Into::into).collect();
        let asked = Residual {
            datetime: request.datetime.or(leg.ask.datetime),
            ids: request.ids.clone(),
            filter: request.filter.clone(),
            properties,
            ..Residual::default()
        };
        assert!(request.ids.is_none() || holder.abilities.by_ids, "it cannot be asked by ids");
        let mut list: Vec<Item> = holder.items.iter().filter(|item| asked.keeps(item)).cloned().collect();
        if holder.abilities.sorts {
            let key = |item: &Item| order.read(item, &"s".into()).unwrap();
            list.sort_by(|a, b| {
                let (a, mut b) = (key(a), key(b));
                let by_id = a.id.cmp(&b.id);
                if !holder.sorts_ties {
                    b.id.clone_from(&a.id);
                }
                order.keys_of(&a, &b).then(by_id.reverse())
            });
        }
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().unwrap());
        let to = (from + holder.cap.min(request.limit as usize)).min(list.len());
        let next = (to < list.len()).then(|| Token(to.to_string().into()));
        let items = list[from.min(to)..to].to_vec();
        Ok(Page { received: u32::try_from(items.len()).unwrap(), items, next, ..Page::default() })
    }

    pub fn page(&mut self, plan: &Plan, order: &Comparator, session: Session, first: bool, limit: u32) -> PageEnd {
        let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
        for _round in 0..1_000 {
            let Step::Needs(requests) = run.step() else { return run.finish() };
            for (index, request) in requests {
                let answer = self.serve(order, run.leg(index), &request);
                run.feed(index, answer.map_err(|fault| (fault, None)));
            }
        }
        panic!("the page does not come to an end");
    }

    /// What must be given where nothing is missing: Items that some holder has, and whose window it declares.
    pub fn wanted(&self, federation: &Federation) -> Vec<Item> {
        let asked = self.request(1).datetime.unwrap_or_default();
        let is_held = |item: &Item| {
            let has = |holder: &Holder| holder.items.iter().any(|own| own.id == item.id);
            self.holders.iter().any(has)
        };
        // what lies outside of every declared window is nobody's to give, though it may be given
        let start = |item: &Item| item.time_key().unwrap();
        let is_declared = |item: &Item| {
            let meets = |rule: &Retention| {
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
