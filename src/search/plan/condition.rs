//! The filter's share of a leg: which of its parts the member evaluates, which of them plain parameters say, and which
//! are left (S8).
//!
//! The whole filter is checked on every Item that comes back, so that an answer means the same whichever member gave it.
//! What is pushed down only decides how much comes back. A part that the member does not evaluate exactly is said by a
//! parameter where one can be found that returns too much at worst: this is what makes members affordable that know no
//! filter. A parameter that the client uses itself stays as it is, but for `ids`: an Item that lasts can meet two
//! intervals, and a large one two areas, that do not meet each other.

use std::sync::Arc;

use crate::cql2::{Expr, SpatialOp, Value};
use crate::federation::{Bbox, Interval, Support};
use crate::members::Room;
use crate::members::capabilities::{INTERSECTS_GET_BYTES_MAX, INTERSECTS_POST_BYTES_MAX};
use crate::search::request::intersecting;

use super::Asked;
use super::filtered::{Proof, named};
use super::leg::{Pushed, by_post, flat};

/// Characters of one part of the filter in an explanation.
const SHOWN_CHARACTERS_MAX: usize = 160;
/// Bytes of filter text in the address of a GET; with the rest of the query it stays below the 8 KiB at which many
/// servers and proxies answer 414.
const FILTER_GET_BYTES_MAX: usize = 3 << 10;

/// Puts the filter where it belongs.
pub(super) fn condition(share: &mut Pushed, asked: &Asked<'_>) {
    let Some(filter) = &asked.filter else { return };
    share.residual.filter = Some(Arc::clone(filter));
    share.residual.member = Some(asked.member.id.clone());
    let names = filter.properties();
    let aliases = asked.abilities.habits().properties;
    let other = aliases.iter().filter(|(ours, _)| names.contains(ours)).map(|(_, theirs)| *theirs);
    share.residual.aliases = aliases;
    share.residual.properties = names.iter().copied().chain(other).map(Into::into).collect();
    let mut parts = Parts { pushed: Vec::new(), promised: Vec::new(), interval: None, bytes: 0 };
    for part in filter.conjuncts() {
        if !is_said_by_collections(share, asked, part) {
            parts.place(share, asked, part);
        }
    }
    if let Some(interval) = parts.interval {
        share.ask.datetime = Some(interval);
        share.pushdown.push("datetime of the filter".to_owned());
    }
    share.ask.filter = joined(parts.pushed);
    share.residual.promised = joined(parts.promised);
}

/// What was pushed so far.
struct Parts {
    pushed: Vec<Expr>,
    promised: Vec<Expr>,
    /// What the parts that the member does not evaluate say of its Items' times.
    interval: Option<Interval>,
    bytes: usize,
}

impl Parts {
    fn place(&mut self, share: &mut Pushed, asked: &Asked<'_>, part: &Expr) {
        let text = part.to_text();
        let described = format!("filter: {}", shown(&text));
        let support = match asked.abilities.condition(part) {
            _ if !by_post(asked) && self.bytes + text.len() > FILTER_GET_BYTES_MAX => Support::Unsupported,
            support => support,
        };
        if support != Support::Unsupported {
            self.bytes += text.len();
            self.pushed.push(part.clone());
            share.pushdown.push(described.clone());
        }
        if support == Support::Exact {
            self.promised.push(part.clone());
            return;
        }
        if !self.say(share, asked, part) {
            share.remains(&described);
        }
    }

    /// Says a part by a parameter, if there is one for it; true when that says all of it.
    fn say(&mut self, share: &mut Pushed, asked: &Asked<'_>, part: &Expr) -> bool {
        match Proof::of(part) {
            Proof::Ids(ids) => say_ids(share, asked, ids),
            Proof::Time { property, interval } => {
                self.say_time(share, asked, property, interval);
                false
            }
            _ => match part {
                Expr::Spatial { op, left, right } => say_place(share, asked, *op, left, right),
                _ => false,
            },
        }
    }

    /// An Item's `datetime` lies between its start and its end, so an interval around it meets the Item whichever of them
    /// a member looks at. Its start proves something only of what lies behind it.
    fn say_time(&mut self, share: &Pushed, asked: &Asked<'_>, property: &str, interval: Interval) {
        if share.ask.datetime.is_some() || asked.abilities.datetime == Support::Unsupported {
            return;
        }
        let end = interval.end.filter(|_| property == "datetime");
        if interval.start.is_none() && end.is_none() {
            return;
        }
        let before = self.interval.unwrap_or_default();
        let both = Interval {
            start: before.start.into_iter().chain(interval.start).max(),
            end: before.end.into_iter().chain(end).min(),
        };
        let reversed = matches!((both.start, both.end), (Some(start), Some(end)) if start > end);
        if !reversed {
            self.interval = Some(both);
        }
    }
}

/// Whether the list of collections that the member is asked for says all of a part.
fn is_said_by_collections(share: &Pushed, asked: &Asked<'_>, part: &Expr) -> bool {
    let plain = match part {
        Expr::Not(inner) => inner,
        part => part,
    };
    let natives = share.ask.collections.as_ref().filter(|_| asked.abilities.collections == Support::Exact);
    matches!(plain, Expr::Compare { .. } | Expr::In { .. })
        && natives.is_some_and(|natives| Proof::of(part).is_only_of(natives))
}

fn say_ids(share: &mut Pushed, asked: &Asked<'_>, ids: Vec<String>) -> bool {
    let ids = match &share.ask.ids {
        None => ids,
        Some(before) => before.iter().filter(|id| ids.contains(id)).cloned().collect(),
    };
    let fits = by_post(asked) || Room::of(share.ask.collections.as_deref(), Some(&ids)).for_all();
    if ids.is_empty() || !fits || asked.abilities.ids == Support::Unsupported {
        return false;
    }
    share.ask.ids = Some(ids);
    share.pushdown.push("ids of the filter".to_owned());
    asked.abilities.ids == Support::Exact
}

fn say_place(share: &mut Pushed, asked: &Asked<'_>, op: SpatialOp, left: &Value, right: &Value) -> bool {
    let Some(("geometry", Value::Geometry(shape))) = named(left, right) else { return false };
    if op == SpatialOp::Disjoint || share.ask.bbox.is_some() || share.ask.intersects.is_some() {
        return false;
    }
    let corners = Bbox::from_numbers(&shape.bbox).ok();
    let Some(intersects) = intersecting(&shape.geometry) else { return false };
    let bytes_max = if by_post(asked) { INTERSECTS_POST_BYTES_MAX } else { INTERSECTS_GET_BYTES_MAX };
    // members take a geometry as it is drawn: one that leaves the world goes as its box
    let drawn =
        intersects.bbox.west >= -180.0 && intersects.bbox.east <= 180.0 && intersects.geojson.len() <= bytes_max;
    let abilities = &asked.abilities;
    if corners.is_none() && drawn && abilities.intersects != Support::Unsupported {
        share.ask.intersects = Some(Arc::new(intersects));
        share.pushdown.push("intersects of the filter".to_owned());
        return op == SpatialOp::Intersects && abilities.intersects == Support::Exact;
    }
    if abilities.bbox != Support::Unsupported {
        share.ask.bbox = Some(flat(corners.unwrap_or(intersects.bbox)));
        share.pushdown.push("bbox of the filter".to_owned());
    }
    false
}

fn joined(parts: Vec<Expr>) -> Option<Arc<Expr>> {
    (!parts.is_empty()).then(|| Arc::new(Expr::and(parts)))
}

/// A part for people, cut to a readable length.
pub(in crate::search) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if text.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
