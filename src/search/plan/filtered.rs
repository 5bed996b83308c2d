//! What a condition proves of a collection before any Item is seen (S16).
//!
//! The condition, in the member's own terms, is read once into a [`Proof`]; each candidate collection is then tested
//! against it. The answer is a refusal or nothing: whatever is not understood proves nothing. Comparisons of one time
//! joined by AND are intersected, since they speak of one instant; areas never are, since a large Item can touch two
//! areas that do not touch each other.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::collections::Entry;
use crate::cql2::{Comparison, Edge, Expr, Shape, SpatialOp, TemporalOp, Value, times};
use crate::federation::{Area, Bbox, Interval, Policy, Question, Refusal, Rule};
use crate::search::filter::COLLECTION;

use super::candidates::extent;

/// What must hold of an Item for the condition to be true of it.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// Nothing is known.
    Nothing,
    /// All of them.
    Every(Vec<Proof>),
    /// One of them.
    Any(Vec<Proof>),
    /// Its collection is one of these, or none of these.
    Collection { natives: Vec<String>, among: bool },
    /// Its `datetime`, or its `start_datetime`, lies in this interval.
    Time { property: &'static str, interval: Interval },
    /// Its geometry touches this.
    Area(Area),
    /// Its id is one of these.
    Ids(Vec<String>),
    /// No Item meets it.
    Never,
}

/// A collection that is tested.
pub(super) struct Candidate<'a> {
    pub policy: &'a Policy,
    /// `None`: any collection that is not in `listed`.
    pub native: Option<&'a str>,
    pub listed: &'a [&'a str],
    pub entry: Option<&'a Entry>,
    pub now: DateTime<Utc>,
}

/// The times of an Item that its member's windows speak of.
const TIMES: [&str; 2] = ["datetime", "start_datetime"];

impl Proof {
    /// Reads a condition that is joined from parts by AND.
    pub(super) fn of(condition: &Expr) -> Self {
        read(condition, true)
    }

    /// The collections that the condition names, when it is true of no other; each by its native id.
    pub(super) fn natives(&self) -> Option<Vec<String>> {
        match self {
            Self::Collection { natives, among: true } => Some(natives.clone()),
            Self::Every(parts) => parts.iter().filter_map(Self::natives).reduce(|mut left, right| {
                left.retain(|native| right.contains(native));
                left
            }),
            Self::Any(parts) => {
                let lists: Option<Vec<_>> = parts.iter().map(Self::natives).collect();
                let mut natives: Vec<String> = Vec::new();
                for native in lists?.into_iter().flatten() {
                    if !natives.contains(&native) {
                        natives.push(native);
                    }
                }
                Some(natives)
            }
            _ => None,
        }
    }

    /// The interval in which the `datetime` of every Item lies that meets it, where that is known.
    pub(super) fn time(&self) -> Option<Interval> {
        match self {
            Self::Time { property, interval } if *property == TIMES[0] => Some(*interval),
            Self::Every(parts) => parts.iter().find_map(Self::time),
            _ => None,
        }
    }

    /// Whether an Item of one of these collections meets it, whatever else the Item is.
    pub(super) fn is_only_of(&self, natives: &[String]) -> bool {
        match self {
            Self::Collection { natives: named, among } => natives.iter().all(|native| named.contains(native) == *among),
            Self::Every(parts) => parts.iter().all(|part| part.is_only_of(natives)),
            _ => false,
        }
    }

    /// The rule that excludes a candidate, with its reason.
    pub(super) fn refusal(&self, candidate: &Candidate<'_>) -> Option<Refusal> {
        match self {
            Self::Nothing => None,
            Self::Every(parts) => {
                parts.iter().filter_map(|part| part.refusal(candidate)).min_by_key(|refusal| refusal.rule)
            }
            Self::Any(parts) => {
                let refusals: Option<Vec<_>> = parts.iter().map(|part| part.refusal(candidate)).collect();
                refusals?.into_iter().max_by_key(|refusal| refusal.rule)
            }
            Self::Collection { natives, among } => candidate.misses(natives, *among),
            Self::Time { property, interval } => candidate.out_of_time(property, interval),
            Self::Area(area) => candidate.out_of_place(area),
            Self::Ids(ids) => {
                candidate.by_policy(&Question { ids: Some(ids), ..Question::default() }, Rule::Ids, Rule::Ids)
            }
            Self::Never => Some(Refusal {
                rule: Rule::FilterCollection,
                detail: "the filter is true for none of its Items".into(),
            }),
        }
    }
}

impl Candidate<'_> {
    fn misses(&self, natives: &[String], among: bool) -> Option<Refusal> {
        let excluded = match self.native {
            Some(native) => natives.iter().any(|named| named == native) != among,
            // a collection that is not listed is none of those that are, nor one that the policy hides
            None => {
                among && natives.iter().all(|named| self.listed.contains(&named.as_str()) || !self.policy.sees(named))
            }
        };
        let detail = match self.native {
            Some(native) => format!("the filter is not true for the collection `{native}`"),
            None => "the filter asks for other collections".to_owned(),
        };
        excluded.then_some(Refusal { rule: Rule::FilterCollection, detail })
    }

    fn out_of_time(&self, property: &str, interval: &Interval) -> Option<Refusal> {
        if let (Some(start), Some(end)) = (interval.start, interval.end)
            && start > end
        {
            let detail = format!("no `{property}` meets all that the filter asks of it");
            return Some(Refusal { rule: Rule::FilterTime, detail });
        }
        let question = Question { interval: Some(*interval), ..Question::default() };
        self.by_policy(&question, Rule::Retention, Rule::FilterTime).or_else(|| self.by_extent(&question))
    }

    fn out_of_place(&self, area: &Area) -> Option<Refusal> {
        let question = Question { area: Some(area), ..Question::default() };
        self.by_policy(&question, Rule::FocusArea, Rule::FilterArea).or_else(|| self.by_extent(&question))
    }

    /// What the policy proves by the rule `by`, named for the filter.
    fn by_policy(&self, question: &Question<'_>, by: Rule, named: Rule) -> Option<Refusal> {
        let admitted = match self.native {
            Some(native) => self.policy.admits(native, question, self.now),
            None => self.policy.admits_any(question, self.now),
        };
        let refusal = admitted.err().filter(|refusal| refusal.rule == by)?;
        Some(Refusal { rule: named, detail: of_the_filter(&refusal.detail) })
    }

    fn by_extent(&self, question: &Question<'_>) -> Option<Refusal> {
        let refusal = extent(self.policy.extents, self.entry?, question)?;
        Some(Refusal { detail: of_the_filter(&refusal.detail), ..refusal })
    }
}

/// Policies speak of the query; here it is the filter that asks.
fn of_the_filter(detail: &str) -> String {
    detail.replacen("; the query ", "; the filter ", 1).replacen("of the query's", "of the filter's", 1)
}

/// Reads a condition, or its negation. Of what is negated only collections prove something.
fn read(condition: &Expr, positive: bool) -> Proof {
    match condition {
        Expr::Constant(known) if *known == positive => Proof::Nothing,
        Expr::Constant(_) => Proof::Never,
        Expr::Not(inner) => read(inner, !positive),
        Expr::And(parts) | Expr::Or(parts) => {
            let all = matches!(condition, Expr::And(_)) == positive;
            let parts: Vec<Proof> = parts.iter().map(|part| read(part, positive)).collect();
            if all { every(parts) } else { Proof::Any(parts) }
        }
        Expr::Compare { op: op @ (Comparison::Equal | Comparison::NotEqual), left, right }
            if named(left, right).is_some_and(|(name, _)| name == COLLECTION) =>
        {
            let texts = named(left, right).and_then(|(_, value)| texts(std::slice::from_ref(value)));
            let among = (*op == Comparison::Equal) == positive;
            texts.map_or(Proof::Nothing, |natives| Proof::Collection { natives, among })
        }
        Expr::In { value: Value::Property(name), list } if &**name == COLLECTION => {
            texts(list).map_or(Proof::Nothing, |natives| Proof::Collection { natives, among: positive })
        }
        _ if !positive => Proof::Nothing,
        Expr::In { value: Value::Property(name), list } if &**name == "id" => {
            texts(list).map_or(Proof::Nothing, Proof::Ids)
        }
        Expr::Compare { op, left, right } => compared(*op, left, right),
        Expr::Between { value: Value::Property(name), low, high } => {
            let bounds = timed(name).zip(moment(low)).zip(moment(high));
            bounds.map_or(Proof::Nothing, |((property, low), high)| Proof::Time {
                property,
                interval: Interval { start: low.start, end: high.end },
            })
        }
        Expr::Temporal { op, left, right } => related(*op, left, right),
        Expr::Spatial { op, left, right } => placed(*op, left, right).map_or(Proof::Nothing, Proof::Area),
        _ => Proof::Nothing,
    }
}

/// Joined by AND: what is said of one time is one interval.
fn every(parts: Vec<Proof>) -> Proof {
    let mut joined: Vec<Proof> = Vec::new();
    let mut times: [Option<Interval>; 2] = [None; 2];
    let mut queue: std::collections::VecDeque<Proof> = parts.into();
    while let Some(part) = queue.pop_front() {
        match part {
            Proof::Nothing => {}
            Proof::Every(inner) => queue.extend(inner),
            Proof::Time { property, interval } => {
                let place = usize::from(property != TIMES[0]);
                let before = times[place].unwrap_or_default();
                times[place] = Some(Interval {
                    start: before.start.into_iter().chain(interval.start).max(),
                    end: before.end.into_iter().chain(interval.end).min(),
                });
            }
            other => joined.push(other),
        }
    }
    let times = TIMES.into_iter().zip(times);
    joined.extend(times.filter_map(|(property, interval)| Some(Proof::Time { property, interval: interval? })));
    match joined.len() {
        0 => Proof::Nothing,
        1 => joined.swap_remove(0),
        _ => Proof::Every(joined),
    }
}

fn compared(op: Comparison, left: &Value, right: &Value) -> Proof {
    let Some((name, value)) = named(left, right) else { return Proof::Nothing };
    if name == "id" && op == Comparison::Equal {
        return texts(std::slice::from_ref(value)).map_or(Proof::Nothing, Proof::Ids);
    }
    let (Some(property), Some(moment)) = (timed(name), moment(value)) else { return Proof::Nothing };
    let op = if matches!(left, Value::Property(_)) { op } else { op.mirrored() };
    let interval = match op {
        Comparison::NotEqual => return Proof::Nothing,
        Comparison::Equal => moment,
        Comparison::Less | Comparison::LessOrEqual => Interval { start: None, ..moment },
        Comparison::Greater | Comparison::GreaterOrEqual => Interval { end: None, ..moment },
    };
    Proof::Time { property, interval }
}

/// A temporal function of a property and a literal. Whatever the relation, but for being apart, the two have an instant in common.
fn related(op: TemporalOp, left: &Value, right: &Value) -> Proof {
    let Some((name, value)) = named(left, right) else { return Proof::Nothing };
    let (Some(property), Some(span)) = (timed(name), span(value)) else { return Proof::Nothing };
    let op = if matches!(left, Value::Property(_)) { op } else { op.mirrored() };
    let interval = match op {
        TemporalOp::Disjoint => return Proof::Nothing,
        TemporalOp::After => Interval { start: span.end, end: None },
        TemporalOp::Before => Interval { start: None, end: span.start },
        _ => span,
    };
    Proof::Time { property, interval }
}

/// The area that an Item's geometry must touch.
pub(super) fn placed(op: SpatialOp, left: &Value, right: &Value) -> Option<Area> {
    let (name, Value::Geometry(shape)) = named(left, right)? else { return None };
    if name != "geometry" || op == SpatialOp::Disjoint {
        return None;
    }
    area(shape)
}

fn area(shape: &Shape) -> Option<Area> {
    match Bbox::from_numbers(&shape.bbox) {
        Ok(bbox) => Some(Area::from(bbox)),
        Err(_) => Area::from_geometry(&shape.geometry),
    }
}

/// A property and what it is compared with, in either order.
pub(super) fn named<'a>(left: &'a Value, right: &'a Value) -> Option<(&'a str, &'a Value)> {
    match (left, right) {
        (Value::Property(_), Value::Property(_)) => None,
        (Value::Property(name), value) | (value, Value::Property(name)) => Some((name, value)),
        _ => None,
    }
}

fn timed(name: &str) -> Option<&'static str> {
    TIMES.into_iter().find(|time| *time == name)
}

/// All of a list, if all of it is text.
pub(super) fn texts(list: &[Value]) -> Option<Vec<String>> {
    let text = |value: &Value| if let Value::Text(text) = value { Some(text.to_string()) } else { None };
    list.iter().map(text).collect()
}

/// An instant, or the whole day of a date. A text next to a time is read as one.
fn moment(value: &Value) -> Option<Interval> {
    match value {
        Value::Timestamp(at) => Some(Interval::instant(*at)),
        Value::Date(date) => Some(day(*date)),
        Value::Text(text) => match times::parse(text.as_bytes()) {
            Some(at) => Some(Interval::instant(at)),
            None => text.parse().ok().map(day),
        },
        _ => None,
    }
}

fn day(date: NaiveDate) -> Interval {
    let start = date.and_time(NaiveTime::MIN).and_utc();
    Interval { start: Some(start), end: start.checked_add_signed(TimeDelta::days(1)) }
}

/// An instant, a day, or an interval without properties in it; an open end is open.
fn span(value: &Value) -> Option<Interval> {
    let Value::Interval(edges) = value else { return moment(value) };
    let edge = |edge: &Edge| match edge {
        Edge::Open => Some(Interval::default()),
        Edge::Timestamp(at) => Some(Interval::instant(*at)),
        Edge::Date(date) => Some(day(*date)),
        Edge::Property(_) => None,
    };
    let [start, end] = &**edges;
    Some(Interval { start: edge(start)?.start, end: edge(end)?.end })
}
