//! Random filters, and what they mean, told in other words than those of the broker.

use super::*;

/// A condition as this test sees it.
#[derive(Debug)]
pub(super) enum Condition {
    /// `NOT IN` when it is not among them.
    Collection {
        given: Vec<&'static str>,
        among: bool,
    },
    Like(&'static str),
    /// `<=`, `>` and so on of a time.
    Time {
        property: &'static str,
        sign: &'static str,
        at: DateTime<Utc>,
    },
    During {
        property: &'static str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    Area {
        asked: Bbox,
        disjoint: bool,
    },
    Id(String),
    /// Of a property that no Item has.
    Unknown,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

const GIVEN: [&str; 8] = ["ocean-1", "land-1", "land-2", "A|ocean-2", "B|land-1", "B%7Cocean-1", "gone", "A|gone"];
const PATTERNS: [&str; 5] = ["ocean-%", "A|%", "B|land-_", "%-2", "A%"];
const SIGNS: [&str; 5] = ["=", "<", "<=", ">", ">="];

impl Condition {
    pub(super) fn random(random: &mut Random, items: &[Holding], levels: u32) -> Self {
        let below = |random: &mut Random| {
            (0..=1 + random.below(2)).map(|_| Self::random(random, items, levels - 1)).collect::<Vec<_>>()
        };
        let time = |random: &mut Random| {
            let known = (!items.is_empty() && random.chance(30)).then(|| random.pick(items).interval().start.unwrap());
            known.unwrap_or_else(|| random.hour())
        };
        match random.below(if levels == 0 { 8 } else { 14 }) {
            0 | 1 => {
                let given = (0..=random.below(2)).map(|_| *random.pick(&GIVEN)).collect();
                Self::Collection { given, among: random.chance(75) }
            }
            2 => Self::Like(random.pick::<&str>(&PATTERNS)),
            3 | 4 => {
                let property = *random.pick(&["datetime", "start_datetime"]);
                if random.chance(30) {
                    let (a, b) = (time(random), time(random));
                    return Self::During { property, from: a.min(b), until: a.max(b) + TimeDelta::hours(1) };
                }
                Self::Time { property, sign: random.pick::<&str>(&SIGNS), at: time(random) }
            }
            5 => {
                // half degrees: no edge of it is an edge of an Item
                let Bbox { west, south, east, north, .. } = random.bbox();
                let asked = Bbox {
                    west: west + 0.5,
                    south: south + 0.5,
                    east: east + 0.5,
                    north: north + 0.5,
                    elevation: None,
                };
                Self::Area { asked, disjoint: random.chance(15) }
            }
            6 if !items.is_empty() => Self::Id(random.pick(items).id.clone()),
            6 | 7 => Self::Unknown,
            8..=10 => Self::And(below(random)),
            11 | 12 => Self::Or(below(random)),
            _ => Self::Not(Box::new(Self::random(random, items, levels - 1))),
        }
    }

    pub(super) fn text(&self) -> String {
        let joined = |parts: &[Self], word: &str| {
            parts.iter().map(|part| format!("({})", part.text())).collect::<Vec<_>>().join(word)
        };
        match self {
            Self::Collection { given, among } => {
                let list: Vec<String> = given.iter().map(|name| format!("'{name}'")).collect();
                match (list.as_slice(), among) {
                    ([only], true) => format!("collection = {only}"),
                    ([only], false) => format!("{only} <> collection"),
                    (list, among) => format!("collection {}IN ({})", if *among { "" } else { "NOT " }, list.join(", ")),
                }
            }
            Self::Like(pattern) => format!("collection LIKE '{pattern}'"),
            Self::Time { property, sign, at } => format!("{property} {sign} TIMESTAMP('{}')", stamp(*at)),
            Self::During { property, from, until } => {
                format!("T_INTERSECTS({property}, INTERVAL('{}', '{}'))", stamp(*from), stamp(*until))
            }
            Self::Area { asked: Bbox { west, south, east, north, .. }, disjoint } => {
                let name = if *disjoint { "S_DISJOINT" } else { "S_INTERSECTS" };
                format!("{name}(geometry, BBOX({west}, {south}, {east}, {north}))")
            }
            Self::Id(id) => format!("id = '{id}'"),
            Self::Unknown => "unheard:of > 5".to_owned(),
            Self::And(parts) => joined(parts, " AND "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(inner) => format!("NOT ({})", inner.text()),
        }
    }

    /// True, false or unknown of an Item of a member.
    pub(super) fn holds(&self, member: &str, item: &Holding) -> Option<bool> {
        let qualified = format!("{member}|{}", item.collection);
        match self {
            Self::Collection { given, among } => {
                let named = |name: &&str| *name == item.collection || name.replace("%7C", "|") == qualified;
                Some(given.iter().any(named) == *among)
            }
            Self::Like(pattern) => Some(match *pattern {
                "ocean-%" => item.collection.starts_with("ocean-"),
                "A|%" | "A%" => member == "A",
                "B|land-_" => member == "B" && item.collection.starts_with("land-"),
                _ => item.collection.ends_with("-2"),
            }),
            Self::Time { property, sign, at } => {
                let time = time_of(item, property)?;
                Some(match *sign {
                    "=" => time == *at,
                    "<" => time < *at,
                    "<=" => time <= *at,
                    ">" => time > *at,
                    _ => time >= *at,
                })
            }
            Self::During { property, from, until } => {
                let time = time_of(item, property)?;
                Some(*from <= time && time <= *until)
            }
            Self::Area { asked, disjoint } => Some(boxes_meet(&item.bbox, asked) != *disjoint),
            Self::Id(id) => Some(item.id == *id),
            Self::Unknown => None,
            Self::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.holds(member, item)).collect();
                if parts.contains(&Some(false)) { Some(false) } else { (!parts.contains(&None)).then_some(true) }
            }
            Self::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.holds(member, item)).collect();
                if parts.contains(&Some(true)) { Some(true) } else { (!parts.contains(&None)).then_some(false) }
            }
            Self::Not(inner) => inner.holds(member, item).map(|known| !known),
        }
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn time_of(item: &Holding, property: &str) -> Option<DateTime<Utc>> {
    if property == "datetime" { item.datetime } else { item.span.map(|span| span.0) }
}
