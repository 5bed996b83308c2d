//! One member's share: what it is asked, and what the broker checks on the Items that come back (S8).

use std::sync::Arc;

use geo::{Geometry, LineString, MultiPolygon};

use crate::federation::{Area, Bbox, Method, Policy, Support};
use crate::members::capabilities::{INTERSECTS_GET_BYTES_MAX, INTERSECTS_POST_BYTES_MAX};
use crate::members::{Ask, Intersects, Room};
use crate::search::request::{SearchRequest, intersecting};
use crate::search::residual::Residual;

use super::condition;
use super::otherwise;
use super::shared::Share;
use super::sorting::{Reading, null_filter};
use super::{Asked, FirstKey, Leg, Mode, NullItems};

/// `of` tells the share of a shared Collection, with its part; otherwise it is the member's own.
pub(super) fn make(
    asked: &Asked<'_>,
    request: &SearchRequest,
    area: Option<&Area>,
    reading: &Reading,
    of: Option<(String, Share)>,
) -> Leg {
    let mut share = Pushed { ask: Ask::default(), residual: Residual::default(), pushdown: Vec::new() };
    let room = room(asked, request);
    collections(&mut share, asked, room.collections);
    if let Some(ids) = &request.ids {
        if share.condition("ids", if room.ids { asked.abilities.ids } else { Support::Unsupported }) {
            share.ask.ids = Some(ids.clone());
        }
        share.residual.ids = Some(ids.clone());
    }
    if let Some(interval) = request.datetime {
        if share.condition("datetime", asked.abilities.datetime) {
            share.ask.datetime = Some(interval);
        }
        share.residual.datetime = Some(interval);
    }
    if let Some((_, of)) = of.as_ref().filter(|(_, of)| !of.windows.is_all()) {
        if asked.abilities.datetime != Support::Unsupported {
            share.ask.datetime = of.windows.asked_within(request.datetime.as_ref());
            if request.datetime.is_none() && share.ask.datetime.is_some() {
                share.pushdown.push("datetime".to_owned());
            }
        }
        share.residual.windows = of.windows.clone();
        share.remains("owned instant in window");
    }
    place(&mut share, asked, request, area);
    condition::condition(&mut share, asked);
    if !reading.sortby.is_empty() {
        share.pushdown.push(format!("sortby: {}", spelled(&reading.sortby).join(",")));
        share.ask.sortby.clone_from(&reading.sortby);
        share.ask.kinds.clone_from(&reading.kinds);
    }
    if let FirstKey::Bounded { property, nulls } = &reading.first {
        share.pushdown.push(format!("bounds on {property}"));
        if *nulls == NullItems::OutOfReach {
            share.residual.described.push(null_filter(property));
        }
    }
    otherwise::adjust(&mut share, asked);
    let alone = asked.abilities.ids_alone && share.ask.ids.is_some();
    let page_requests = if alone { share.ask.ids.as_ref().map_or(1, Vec::len) } else { page_requests(asked) };
    let page_max = asked.member.request.page_items_max.unwrap_or(u32::MAX).min(asked.abilities.page_items_max).max(1);
    let bounds = !alone && asked.abilities.datetime != Support::Unsupported;
    // without a bound there are no windows either
    let mode = if reading.mode == Mode::Slice && !bounds { Mode::Drain } else { reading.mode };
    Leg {
        member: asked.member.id.clone(),
        reason: of.as_ref().map_or_else(|| reason(asked), |(_, of)| of.reason()),
        part: of.as_ref().map_or_else(String::new, |(part, _)| part.clone()),
        shared: of.map(|(_, of)| of),
        mode,
        ask: share.ask,
        residual: share.residual,
        pushdown: share.pushdown,
        page_max,
        discovered: asked.abilities.discovered,
        required: asked.member.policy.required,
        page_requests,
        counts_exact: asked.abilities.counts_exact,
        bounds,
        expected: asked.expected,
        first: reading.first.clone(),
    }
}

impl Leg {
    /// The keys that the member is asked to sort by, as reports write them.
    pub(in crate::search) fn sorted_by(&self) -> Vec<String> {
        spelled(&self.ask.sortby)
    }
}

fn spelled(sortby: &[(String, bool)]) -> Vec<String> {
    sortby.iter().map(|(field, down)| format!("{}{field}", sign(*down))).collect()
}

/// A member without Item Search is asked for each collection, of which there are at least those that are known.
fn page_requests(asked: &Asked<'_>) -> usize {
    match asked.abilities.collections_max {
        Some(most) if asked.candidates.others => most,
        Some(most) => asked.candidates.natives.len().clamp(1, most),
        None => 1,
    }
}

pub(super) fn sign(descending: bool) -> char {
    if descending { '-' } else { '+' }
}

/// A leg in the making.
pub(super) struct Pushed {
    pub ask: Ask,
    pub residual: Residual,
    pub pushdown: Vec<String>,
}

impl Pushed {
    /// Notes a condition where it belongs; true when it is pushed down.
    fn condition(&mut self, name: &str, support: Support) -> bool {
        if support != Support::Exact {
            self.remains(name);
        }
        if support != Support::Unsupported {
            self.pushdown.push(name.to_owned());
        }
        support != Support::Unsupported
    }

    /// Notes a condition that the member does not do, or not exactly.
    pub(super) fn remains(&mut self, name: &str) {
        self.residual.described.push(name.to_owned());
        self.residual.selective = true;
    }
}

/// Restricts the member to the collections that are left, by its own ids; never to another member's.
fn collections(share: &mut Pushed, asked: &Asked<'_>, has_room: bool) {
    let candidates = &asked.candidates;
    let policy = &asked.member.policy;
    if !candidates.named {
        if sees_everything(policy) && candidates.left_out == 0 && candidates.excluded.is_empty() {
            return;
        }
        if candidates.others {
            // No list can name what is not known; what the federation does not see is dropped on arrival.
            if !sees_everything(policy) {
                share.residual.policy = Some(Arc::new(policy.clone()));
                share.remains("collections of the policy");
            }
            if !candidates.excluded.is_empty() {
                share.residual.others_than.clone_from(&candidates.excluded);
                share.remains("collections that are asked as shared ones");
            }
            return;
        }
    }
    let support = if has_room { asked.abilities.collections } else { Support::Unsupported };
    if share.condition("collections", support) {
        share.ask.collections = Some(candidates.natives.clone());
    }
    share.residual.collections = Some(candidates.natives.clone());
}

/// Which lists the member can be asked for: a body has room for all, an address has not.
fn room(asked: &Asked<'_>, request: &SearchRequest) -> Room {
    if by_post(asked) {
        return Room { collections: true, ids: true };
    }
    Room::of(Some(&asked.candidates.natives), request.ids.as_deref())
}

pub(super) fn by_post(asked: &Asked<'_>) -> bool {
    asked.abilities.search_post && asked.member.request.method != Method::Get
}

fn sees_everything(policy: &Policy) -> bool {
    policy.exclude.written.is_empty() && policy.include.written.iter().any(|glob| glob == "*")
}

/// `bbox` and `intersects`.
fn place(share: &mut Pushed, asked: &Asked<'_>, request: &SearchRequest, area: Option<&Area>) {
    let abilities = &asked.abilities;
    share.residual.area = area.cloned();
    if let Some(bbox) = request.bbox {
        let drawn = drawn(bbox).filter(|_| abilities.intersects == Support::Exact);
        let support = match abilities.bbox {
            _ if drawn.is_some() => Support::Exact,
            Support::Exact if bbox.boxes().len() > 1 => Support::Inexact,
            support => support,
        };
        if share.condition("bbox", support) {
            // Members disagree on heights: they get the flat box, which can only return too much.
            share.ask.bbox = drawn.is_none().then(|| flat(bbox));
            share.ask.intersects = drawn.map(Arc::new);
        }
        share.residual.exact_area = support != Support::Exact;
        if bbox.elevation.is_some() {
            share.remains("elevation of bbox");
            share.residual.elevation = bbox.elevation;
        }
    }
    let Some(intersects) = &request.intersects else { return };
    let bytes_max = if by_post(asked) { INTERSECTS_POST_BYTES_MAX } else { INTERSECTS_GET_BYTES_MAX };
    let fits = intersects.geojson.len() <= bytes_max;
    let readable = abilities.habits().geometry_collections || !is_collection(&intersects.geometry);
    let support = if fits && readable { abilities.intersects } else { Support::Unsupported };
    if share.condition("intersects", support) {
        share.ask.intersects = Some(Arc::clone(intersects));
    } else if abilities.bbox != Support::Unsupported {
        share.ask.bbox = Some(flat(intersects.bbox));
        share.pushdown.push("bbox of intersects".to_owned());
    }
    share.residual.exact_area = support != Support::Exact;
}

fn is_collection(geometry: &Geometry<f64>) -> bool {
    matches!(geometry, Geometry::GeometryCollection(_))
}

/// A box that members disagree on, as a geometry. Over the antimeridian it is the two boxes that it is: as `bbox`, some
/// refuse it, and others take it the other way around the globe. Without width or height it is a point or a line: as a
/// box of no size some lose what lies there.
fn drawn(bbox: Bbox) -> Option<Intersects> {
    let boxes = bbox.boxes();
    let [one] = boxes.as_slice() else {
        let polygons = boxes.iter().map(|half| half.to_polygon()).collect();
        return intersecting(&Geometry::MultiPolygon(MultiPolygon(polygons)));
    };
    match (one.width() > 0.0, one.height() > 0.0) {
        (true, true) => None,
        (false, false) => intersecting(&Geometry::Point(one.min().into())),
        _ => intersecting(&Geometry::LineString(LineString(vec![one.min(), one.max()]))),
    }
}

/// Four numbers that every member understands: of a box over the antimeridian, all around the globe.
pub(super) fn flat(bbox: Bbox) -> Bbox {
    let (west, east) = match bbox.boxes().as_slice() {
        [one] => (one.min().x, one.max().x),
        [_, _] => (-180.0, 180.0),
        _ => (bbox.west, bbox.east),
    };
    Bbox { west, east, elevation: None, ..bbox }
}

/// Why the member is asked, for admins.
fn reason(asked: &Asked<'_>) -> String {
    let candidates = &asked.candidates;
    let left = candidates.natives.len();
    let all = left + candidates.left_out;
    match (candidates.named, candidates.others) {
        (false, true) => "its list of collections is not known, or not known to be complete".to_owned(),
        (false, false) if candidates.left_out == 0 => "no rule and no extent excludes it".to_owned(),
        (false, false) => format!("{left} of its {all} collections may hold a match"),
        (true, _) if candidates.left_out == 0 => "holds or may hold the collections named".to_owned(),
        (true, _) => format!("{left} of the {all} collections named may hold a match here"),
    }
}
