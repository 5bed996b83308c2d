//! A scripted catalogue: what it holds, its habits, and which of its faults are on at a moment.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use url::Url;

use crate::cql2::{Comparison, Expr, Value as Operand};
use crate::members::wire::Sent;

use super::dice::{Dice, mixed, sum};
use super::faults::Fault;
use super::keys::{By, Value};

/// An Item, as the oracle knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    pub id: String,
    /// Index into the catalogue's collections.
    pub collection: usize,
    /// Microseconds since 1970.
    pub at_us: i64,
    /// Written without `datetime`, with `start_datetime` and `end_datetime` instead.
    pub spans: bool,
    /// Place in the catalogue's own order.
    pub tie: u64,
    /// Held, unchanged, since the run began.
    pub lasting: bool,
}

impl Thing {
    /// What a token calls it.
    pub fn name(&self) -> String {
        format!("{}-{}", self.collection, self.id)
    }

    pub fn at_ms(&self) -> i64 {
        self.at_us.div_euclid(1_000)
    }

    /// Some have the same, and some have none.
    pub fn cloud(&self) -> Option<f64> {
        let number = mixed(self.tie) % 24;
        (number >= 4).then_some(number as f64 * 2.5)
    }

    pub fn platform(&self) -> Option<&'static str> {
        [Some("s2a"), Some("S2B"), Some("s2c"), None, Some("landsat-8")][(mixed(self.tie + 1) % 5) as usize]
    }

    fn value(&self, by: By) -> Value {
        match by {
            By::Number => self.cloud().map_or(Value::Null, Value::Number),
            By::Text => self.platform().map_or(Value::Null, |platform| Value::Text(platform.to_owned())),
            By::Id => Value::Text(self.id.clone()),
            By::Time => Value::Time(self.at_ms()),
        }
    }
}

/// How `next` is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextForm {
    /// A GET link with a token.
    Query,
    /// A GET link with a page number.
    Page,
    /// The header `Link`.
    Header,
    /// A POST link whose body is merged into ours.
    Merge,
    /// A POST link with a whole body.
    Whole,
}

/// How a catalogue is when nothing is wrong with it.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Largest page.
    pub cap: usize,
    pub next: NextForm,
    pub post: bool,
    pub sorts: bool,
    /// Evaluates conditions.
    pub filters: bool,
    /// Items without a key come first.
    pub nulls_first: bool,
    /// Ties are in the order of ids where that is asked for; else in one of its own.
    pub orders_ties: bool,
    pub counts: bool,
    /// Median time of an answer.
    pub latency: Duration,
}

impl Habits {
    /// One of many.
    pub fn random(dice: &mut Dice) -> Self {
        let post = dice.one_in(2);
        let next = match dice.below(3) {
            0 => NextForm::Query,
            1 if post => NextForm::Merge,
            2 if post => NextForm::Whole,
            1 => NextForm::Page,
            _ => NextForm::Header,
        };
        let sorts = !dice.one_in(8);
        Self {
            // one that does not sort may have to be read whole for every page: its list has to fit
            cap: if sorts { *dice.pick(&[5, 10, 25, 100, 1_000]) } else { *dice.pick(&[20, 100, 1_000]) },
            next,
            post,
            sorts,
            filters: dice.one_in(2),
            nulls_first: dice.one_in(2),
            orders_ties: dice.one_in(2),
            counts: dice.one_in(2),
            latency: Duration::from_millis(dice.between(5, 300)),
        }
    }
}

/// A fault from one moment to another.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    pub fault: Fault,
    pub from: Instant,
    pub until: Instant,
}

/// What a search asks for, by whichever method.
#[derive(Debug, Default)]
pub struct Asked {
    pub by_post: bool,
    pub limit: usize,
    pub collections: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    pub filter: Option<Expr>,
    /// Microseconds since 1970, both included.
    pub interval: Option<(Option<i64>, Option<i64>)>,
    pub sortby: Vec<(String, bool)>,
    pub fields: bool,
    pub token: Option<String>,
    pub page: Option<usize>,
    /// Padding of a `next` link that grows.
    pub pad: usize,
    /// All but the place: what makes two lists the same.
    pub list: String,
}

impl Asked {
    pub fn of(sent: &Sent) -> Self {
        match &sent.body {
            Some(body) => Self::from_body(&serde_json::from_slice(body).unwrap_or_default()),
            None => Self::from_query(&sent.url),
        }
    }

    fn from_query(url: &Url) -> Self {
        let mut asked = Self { limit: 10, ..Self::default() };
        for (name, value) in url.query_pairs() {
            match &*name {
                "limit" => asked.limit = value.parse().unwrap_or(10),
                "collections" => asked.collections = Some(value.split(',').map(str::to_owned).collect()),
                "ids" => asked.ids = Some(value.split(',').map(str::to_owned).collect()),
                "filter" => asked.filter = Some(Expr::from_text(&value).expect("a condition")),
                "datetime" => asked.interval = Some(interval(&value)),
                "sortby" => asked.sortby = value.split(',').map(sort_key).collect(),
                "fields" => asked.fields = true,
                "token" => asked.token = Some(value.into_owned()),
                "page" => asked.page = value.parse().ok(),
                "pad" => asked.pad = value.len(),
                _ => {}
            }
        }
        asked.named()
    }

    fn from_body(body: &Map<String, Json>) -> Self {
        let text = |name: &str| body.get(name).and_then(Json::as_str);
        let list = |name: &str| body.get(name).and_then(Json::as_array);
        let sortby = list("sortby").into_iter().flatten().map(|key| {
            let field = key["field"].as_str().unwrap_or_default().to_owned();
            (field, key["direction"] == "desc")
        });
        let names = |name| list(name).map(|list| list.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        let filter = body.get("filter").map(|filter| match filter {
            Json::String(text) => Expr::from_text(text).expect("a condition"),
            json => Expr::from_json(json).expect("a condition"),
        });
        let asked = Self {
            by_post: true,
            limit: body.get("limit").and_then(Json::as_u64).unwrap_or(10) as usize,
            collections: names("collections"),
            ids: names("ids"),
            filter,
            interval: text("datetime").map(interval),
            sortby: sortby.collect(),
            fields: body.contains_key("fields"),
            token: text("token").map(str::to_owned),
            page: body.get("page").and_then(Json::as_u64).map(|page| page as usize),
            pad: text("pad").map_or(0, str::len),
            list: String::new(),
        };
        asked.named()
    }

    fn named(mut self) -> Self {
        self.list =
            format!("{:?}{:?}{:?}{:?}{:?}", self.collections, self.ids, self.interval, self.filter, self.sortby);
        self
    }

    /// Whether it asks for a later page.
    pub fn goes_on(&self) -> bool {
        self.token.is_some() || self.page.is_some_and(|page| page > 1)
    }

    pub fn descending(&self) -> bool {
        self.sortby.first().is_some_and(|(_, descending)| *descending)
    }
}

fn sort_key(text: &str) -> (String, bool) {
    let field = text.trim_start_matches(['+', '-', ' ']);
    (field.to_owned(), text.starts_with('-'))
}

fn interval(text: &str) -> (Option<i64>, Option<i64>) {
    let (start, end) = text.split_once('/').unwrap_or((text, text));
    let instant = |text: &str| text.parse::<DateTime<Utc>>().ok().map(|at| at.timestamp_micros());
    (instant(start), instant(end))
}

/// A scripted catalogue.
pub struct Catalogue {
    pub id: String,
    pub collections: Vec<String>,
    pub things: Vec<Thing>,
    pub habits: Habits,
    pub spells: Vec<Spell>,
    pub dice: Dice,
    /// How often a fault changed what was answered.
    pub bites: BTreeMap<Fault, u32>,
    /// Searches that came.
    pub searches: u64,
    /// Requests of any kind that came, and when.
    pub arrivals: Vec<Arrival>,
    /// Those of them that were not sent again.
    pub firsts: u32,
    /// Requests that another try may mend: when they ended, and what they were.
    pub lost: Vec<(Instant, String)>,
    /// Searches that asked for parts of Items.
    pub asked_fields: u32,
    /// Lists by what they were asked with, as long as nothing changes.
    lists: BTreeMap<String, Arc<Vec<usize>>>,
}

/// A request that came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub at: Instant,
    /// It was sent again because it was lost.
    pub again: bool,
}

impl Catalogue {
    pub fn new(id: &str, collections: Vec<String>, things: Vec<Thing>, habits: Habits, dice: Dice) -> Self {
        Self {
            id: id.to_owned(),
            collections,
            things,
            habits,
            spells: Vec::new(),
            dice,
            bites: BTreeMap::new(),
            searches: 0,
            arrivals: Vec::new(),
            firsts: 0,
            lost: Vec::new(),
            asked_fields: 0,
            lists: BTreeMap::new(),
        }
    }

    pub fn address(id: &str) -> String {
        format!("https://{}.sim/stac", id.to_lowercase())
    }

    pub fn on(&self, fault: Fault) -> bool {
        let now = Instant::now();
        self.spells.iter().any(|spell| spell.fault == fault && spell.from <= now && now < spell.until)
    }

    /// Whether a fault is on; it is about to change what is answered.
    pub fn bite(&mut self, fault: Fault) -> bool {
        let on = self.on(fault);
        if on {
            *self.bites.entry(fault).or_default() += 1;
        }
        on
    }

    /// After the things were changed.
    pub fn forget_lists(&mut self) {
        self.lists.clear();
    }

    /// The things of a list, in its order.
    pub fn list(&mut self, asked: &Asked) -> Arc<Vec<usize>> {
        let changing = [
            Fault::NoTieBreaker,
            Fault::CollationNotBytes,
            Fault::NullsFirst,
            Fault::SinglePrecision,
            Fault::TimesRoundedUp,
            Fault::TimesRoundedDown,
            Fault::TimesInSeconds,
        ];
        let on: Vec<Fault> = changing.into_iter().filter(|fault| self.on(*fault)).collect();
        let name = format!("{}{on:?}", asked.list);
        if let Some(list) = self.lists.get(&name) {
            return Arc::clone(list);
        }
        let list = Arc::new(self.make_list(asked, &on));
        if self.lists.len() > 64 {
            self.lists.clear();
        }
        self.lists.insert(name, Arc::clone(&list));
        list
    }

    fn make_list(&mut self, asked: &Asked, on: &[Fault]) -> Vec<usize> {
        let known = |thing: &Thing| known_us(thing, on);
        let mut list: Vec<usize> = (0..self.things.len())
            .filter(|&index| {
                let thing = &self.things[index];
                let named = asked.collections.as_ref();
                named.is_none_or(|named| named.contains(&self.collections[thing.collection]))
                    && asked.ids.as_ref().is_none_or(|ids| ids.contains(&thing.id))
                    && asked.filter.as_ref().is_none_or(|filter| holds(filter, thing) == Some(true))
                    && asked.interval.is_none_or(|(start, end)| {
                        start.is_none_or(|start| known(thing) >= start) && end.is_none_or(|end| known(thing) <= end)
                    })
            })
            .collect();
        for fault in on {
            *self.bites.entry(*fault).or_default() += 1;
        }
        let salt = if on.contains(&Fault::NoTieBreaker) { sum(&asked.list) } else { 0 };
        let own = |thing: &Thing| mixed(thing.tie ^ salt);
        if asked.sortby.is_empty() || !self.habits.sorts {
            list.sort_by_key(|&index| own(&self.things[index]));
            return list;
        }
        let by_id = self.habits.orders_ties && salt == 0;
        list.sort_by(|&a, &b| {
            let (a, b) = (&self.things[a], &self.things[b]);
            for (field, descending) in &asked.sortby {
                let (by, first) = (By::named(field).expect("a field"), field == &asked.sortby[0].0);
                let order = match by {
                    By::Id if !by_id && !first => continue,
                    By::Id if on.contains(&Fault::CollationNotBytes) => a.id.to_lowercase().cmp(&b.id.to_lowercase()),
                    By::Id => a.id.cmp(&b.id),
                    By::Number | By::Text => {
                        let order = self.compare(&a.value(by), &b.value(by), *descending);
                        if order.is_ne() {
                            return order;
                        }
                        continue;
                    }
                    By::Time if on.contains(&Fault::NullsFirst) && a.spans != b.spans => return b.spans.cmp(&a.spans),
                    By::Time if on.contains(&Fault::SinglePrecision) => single(a).total_cmp(&single(b)),
                    By::Time => known(a).div_euclid(1_000).cmp(&known(b).div_euclid(1_000)),
                };
                let order = if *descending { order.reverse() } else { order };
                if order.is_ne() {
                    return order;
                }
            }
            own(a).cmp(&own(b))
        });
        list
    }
}

impl Catalogue {
    /// In its own order: nulls first or last, whatever the direction.
    fn compare(&self, a: &Value, b: &Value, descending: bool) -> Ordering {
        let ascending = match (a, b) {
            (Value::Null, Value::Null) => return Ordering::Equal,
            (Value::Null, _) if self.habits.nulls_first => return Ordering::Less,
            (_, Value::Null) if self.habits.nulls_first => return Ordering::Greater,
            (Value::Null, _) => return Ordering::Greater,
            (_, Value::Null) => return Ordering::Less,
            (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        };
        if descending { ascending.reverse() } else { ascending }
    }
}

/// What a condition says of a thing; `None` where a value is missing.
fn holds(condition: &Expr, thing: &Thing) -> Option<bool> {
    let value = |name: &Operand| match name {
        Operand::Property(name) => thing.value(By::named(name).expect("a property")),
        Operand::Number(number) => Value::Number(*number),
        Operand::Text(text) => Value::Text(text.to_string()),
        other => panic!("a condition that the script does not know: {other:?}"),
    };
    match condition {
        Expr::And(all) => {
            let all: Vec<Option<bool>> = all.iter().map(|part| holds(part, thing)).collect();
            if all.contains(&Some(false)) {
                Some(false)
            } else {
                all.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Expr::Not(inner) => holds(inner, thing).map(|yes| !yes),
        Expr::IsNull(name) => Some(value(name) == Value::Null),
        Expr::Compare { op, left, right } => {
            let (left, right) = (value(left), value(right));
            let order = match (&left, &right) {
                (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
                (Value::Text(left), Value::Text(right)) => left.cmp(right),
                _ => return None,
            };
            Some(match op {
                Comparison::LessOrEqual => order.is_le(),
                Comparison::GreaterOrEqual => order.is_ge(),
                Comparison::Less => order.is_lt(),
                Comparison::Greater => order.is_gt(),
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
            })
        }
        other => panic!("a condition that the script does not know: {other:?}"),
    }
}

/// The time that the catalogue goes by.
pub fn known_us(thing: &Thing, on: &[Fault]) -> i64 {
    let second = 1_000_000;
    let down = thing.at_us.div_euclid(second) * second;
    if on.contains(&Fault::TimesRoundedDown) || on.contains(&Fault::TimesInSeconds) {
        down
    } else if on.contains(&Fault::TimesRoundedUp) && down != thing.at_us {
        down + second
    } else {
        thing.at_us
    }
}

fn single(thing: &Thing) -> f32 {
    (thing.at_us as f64 / 1e6) as f32
}
