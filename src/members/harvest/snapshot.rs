//! One harvest as it is searched: immutable, with its indexes.
//!
//! A search takes its candidates from the narrowest index (ids, collections, or place and time together), checks every
//! condition on each of them exactly, and orders what is left. So counts are exact, and a page costs as much as its
//! candidates, not as much as the catalogue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::order::{Key, Order};
use super::tree::{Candidate, Tree};
use super::{Harvested, LeftOut};
use crate::cql2::{Expr, SpatialOp, Value};
use crate::federation::{Area, MemberId};
use crate::members::item::Properties;
use crate::members::{Ask, Failure, Fault, Invalid, Item, Listing, Matched, Page, failure};

/// Longest id of an Item or a Collection: both stand in the token of a page, which has at most 2 KiB.
const ID_BYTES_MAX: usize = 512;
/// Candidates that are checked in one go; then others have their turn, and the deadline is looked at.
const AT_ONCE: usize = 256;
/// Items of the collections asked for are looked at one by one when they are at most this part of all; else place and
/// time narrow better.
const FEW: usize = 8;

/// A harvest with its indexes.
pub struct Snapshot<K> {
    pub harvested: Harvested<K>,
    /// Places of Items by id, then collection; each pair is there once.
    by_id: Vec<u32>,
    by_collection: HashMap<Box<str>, Vec<u32>>,
    tree: Tree,
    listing: Listing,
    /// Repeated and overlong ones included.
    pub left_out: LeftOut,
}

/// A page and what it cost.
pub struct Searched {
    pub page: Page,
    /// Items whose conditions were checked.
    pub looked_at: usize,
}

impl<K> Snapshot<K> {
    /// Builds the indexes: some microseconds for each Item, on the caller's thread.
    pub fn of(harvested: Harvested<K>) -> Self {
        let mut left_out = harvested.left_out.clone();
        let items = &harvested.items;
        let mut by_id: Vec<u32> = (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect();
        by_id.retain(|place| {
            let item = &items[*place as usize];
            let fits = item.id.len() <= ID_BYTES_MAX && item.collection.len() <= ID_BYTES_MAX;
            if !fits {
                left_out.add(&item.id, "its id or that of its Collection is longer than 512 bytes");
            }
            fits
        });
        by_id.sort_by(|a, b| names(&items[*a as usize]).cmp(&names(&items[*b as usize])));
        by_id.dedup_by(|a, b| {
            let (repeated, first) = (&items[*a as usize], &items[*b as usize]);
            let same = names(repeated) == names(first);
            if same {
                left_out
                    .add(&repeated.id, &format!("Collection `{}` has an Item of this id already", first.collection));
            }
            same
        });
        let mut by_collection: HashMap<Box<str>, Vec<u32>> = HashMap::new();
        for place in &by_id {
            by_collection.entry(items[*place as usize].collection.clone()).or_default().push(*place);
        }
        // the tree counts Items in the order of `by_id`, so that what was left out is not found
        let tree = Tree::of(by_id.iter().map(|place| &*items[*place as usize]));
        let listed: HashSet<String> = harvested.collections.iter().filter_map(collection_id).collect();
        // a list that lacks the Collection of an Item proves nothing about what there is
        let complete = harvested.incomplete.is_none() && by_collection.keys().all(|id| listed.contains(&**id));
        let listing = Listing { collections: harvested.collections.clone(), complete };
        Self { harvested, by_id, by_collection, tree, listing, left_out }
    }

    /// Items that can be found.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn listing(&self) -> Listing {
        self.listing.clone()
    }

    fn item(&self, place: u32) -> &Arc<Item> {
        &self.harvested.items[place as usize]
    }

    /// The Items of a Collection, or all, in the order of their ids.
    pub fn items_of(&self, collection: Option<&str>) -> impl Iterator<Item = &Item> {
        let places = collection.map_or(Some(&self.by_id), |id| self.by_collection.get(id));
        places.into_iter().flatten().map(|place| &**self.item(*place))
    }

    pub fn get(&self, collection: &str, id: &str) -> Option<&Item> {
        let place =
            self.by_id.binary_search_by(|place| names(self.item(*place)).cmp(&(id.as_bytes(), collection.as_bytes())));
        place.ok().map(|place| &**self.item(self.by_id[place]))
    }

    /// One page, exactly as asked, and how many Items there are in all.
    pub async fn search(&self, ask: &Ask, member: &MemberId, deadline: Instant) -> Result<Searched, Failure> {
        let order = Order::of(ask);
        let read = |token| Key::read(token, &order, |collection, id| self.get(collection, id));
        let refused = || failure(Fault::TokenRefused, "no token of a snapshot, or of an Item that is gone");
        let after = ask.token.as_ref().map(|token| read(token).ok_or_else(refused)).transpose()?;
        let conditions = Conditions::of(ask, member);
        let candidates = self.candidates(ask, &conditions);
        let looked_at = candidates.len();
        // in an order of time an Item without one has no place (S3): it is no match, and said so
        let timed = order.is_of_time() && !ask.sortby.is_empty();
        let (mut matched, mut timeless, mut rest) = (0_u64, 0_u32, Vec::new());
        for some in candidates.chunks(AT_ONCE) {
            for candidate in some {
                let item = self.item(candidate.place);
                if !conditions.hold(item, candidate.inside) {
                    continue;
                }
                if timed && item.time_key().is_none() {
                    timeless += 1;
                    continue;
                }
                matched += 1;
                let key = Key::of(item, &order);
                if after.as_ref().is_none_or(|after| order.compare(&key, after).is_gt()) {
                    rest.push((key, item));
                }
            }
            tokio::task::yield_now().await;
            if Instant::now() > deadline {
                return Err(failure(Fault::Timeout, "the snapshot was not searched through by the deadline"));
            }
        }
        let limit = (ask.limit as usize).max(1);
        let more = rest.len() > limit;
        if more {
            rest.select_nth_unstable_by(limit, |a, b| order.compare(&a.0, &b.0));
            rest.truncate(limit);
        }
        rest.sort_unstable_by(|a, b| order.compare(&a.0, &b.0));
        let next = rest.last().filter(|_| more).and_then(|(key, _)| key.token());
        let items: Vec<Item> = rest.iter().map(|(_, item)| Item::clone(item)).collect();
        let page = Page {
            received: u32::try_from(items.len()).unwrap_or(u32::MAX),
            bytes: items.iter().map(|item| item.bytes.len()).sum(),
            items,
            next,
            matched: Some(Matched { count: matched, exact: true }),
            invalid: Invalid { count: timeless, reasons: Vec::new() },
            ..Page::default()
        };
        Ok(Searched { page, looked_at })
    }

    fn candidates(&self, ask: &Ask, conditions: &Conditions<'_>) -> Vec<Candidate> {
        let look = |place: &u32| Candidate { place: *place, inside: false };
        if let Some(ids) = &ask.ids {
            let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
            return ids.into_iter().flat_map(|id| self.of_id(id)).map(look).collect();
        }
        let places = ask.collections.as_ref().map(|ids| {
            let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
            ids.into_iter().filter_map(|id| self.by_collection.get(id)).collect::<Vec<_>>()
        });
        let area = conditions.areas.first();
        let narrow = area.is_some() || ask.datetime.is_some();
        if let Some(places) = places {
            let count: usize = places.iter().map(|places| places.len()).sum();
            if !narrow || count * FEW <= self.by_id.len() {
                return places.into_iter().flatten().map(look).collect();
            }
        }
        if !narrow {
            return self.by_id.iter().map(look).collect();
        }
        let mut found = self.tree.find(area, ask.datetime.as_ref());
        for candidate in &mut found {
            candidate.place = self.by_id[candidate.place as usize];
            // what lies inside the first area is to be compared with the others all the same
            candidate.inside &= conditions.areas.len() == 1;
        }
        found
    }

    fn of_id(&self, id: &str) -> &[u32] {
        let start = self.by_id.partition_point(|place| self.item(*place).id.as_bytes() < id.as_bytes());
        let count = self.by_id[start..].iter().take_while(|place| *self.item(**place).id == *id).count();
        &self.by_id[start..start + count]
    }
}

/// By what Items are told apart, and sorted.
fn names(item: &Item) -> (&[u8], &[u8]) {
    (item.id.as_bytes(), item.collection.as_bytes())
}

fn collection_id(bytes: &Bytes) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_slice::<Named>(bytes).ok().map(|named| named.id)
}

/// What every Item of the answer meets.
struct Conditions<'a> {
    ask: &'a Ask,
    member: &'a MemberId,
    collections: Option<HashSet<&'a str>>,
    /// Of `bbox` and `intersects`: the Item touches each. What the filter says of the area is checked with the filter.
    areas: Vec<Area>,
    /// How many of these are no condition of their own, but a hint from the filter.
    hints: usize,
    properties: Vec<Box<str>>,
}

impl<'a> Conditions<'a> {
    fn of(ask: &'a Ask, member: &'a MemberId) -> Self {
        let mut areas: Vec<Area> = ask.bbox.map(Area::from).into_iter().collect();
        areas.extend(ask.intersects.as_ref().and_then(|asked| Area::from_geometry(&asked.geometry)));
        let mut hints = 0;
        if areas.is_empty()
            && let Some(hint) = ask.filter.as_deref().and_then(area_of)
        {
            areas.push(hint);
            hints = 1;
        }
        let properties = ask.filter.iter().flat_map(|filter| filter.properties()).map(Into::into).collect();
        let collections = ask.collections.as_ref().map(|ids| ids.iter().map(String::as_str).collect());
        Self { ask, member, collections, areas, hints, properties }
    }

    fn hold(&self, item: &Item, inside: bool) -> bool {
        let ask = self.ask;
        self.collections.as_ref().is_none_or(|ids| ids.contains(&*item.collection))
            && ask.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| **id == *item.id))
            && ask.datetime.is_none_or(|asked| item.meets_time(&asked))
            && (inside || self.hints > 0 || self.areas.iter().all(|area| item.meets_place(area, true)))
            && ask.filter.as_ref().is_none_or(|filter| {
                let subject = Properties::of(item, &item.collection, Some(self.member), &self.properties);
                filter.holds(&subject) == Some(true)
            })
    }
}

/// The box that every Item meets for which the condition is true, if one part of it says so.
fn area_of(filter: &Expr) -> Option<Area> {
    filter.conjuncts().into_iter().find_map(|part| {
        let Expr::Spatial { op, left, right } = part else { return None };
        let ((Value::Property(name), Value::Geometry(shape)) | (Value::Geometry(shape), Value::Property(name))) =
            (left, right)
        else {
            return None;
        };
        let boxes = Area::from_geometry(&shape.geometry)?.boxes;
        (&**name == "geometry" && *op != SpatialOp::Disjoint).then_some(Area { boxes, geometry: None })
    })
}

#[cfg(test)]
mod tests;
