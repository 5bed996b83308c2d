//! A page of a walk is taken in: where what was given ends, which Items are of the tie, and whether it is over.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use crate::members::{Item, Page};
use crate::search::anchors::{self, ANCHORS};
use crate::search::order::{Comparator, Key, Value};
use crate::search::outcome::Status;
use crate::search::plan::Mode;

use super::super::{Hit, LegFailure, Request, Stream};
use super::{Ahead, Walk, Walked};

impl Stream {
    /// Takes a page of the walk in.
    pub(in crate::search::stream) fn feed_walk(
        &mut self,
        page: Page,
        asked: &Request,
        order: &Comparator,
        keeps: &mut dyn FnMut(&Item) -> bool,
    ) {
        let Some(mut walk) = self.walk.take() else { return };
        let read = self.read_walked(&mut walk, page, asked, order, keeps);
        self.walk = Some(walk);
        match read {
            Ok(()) => self.go_on_walking(order),
            Err(failure) => self.fail(failure),
        }
    }

    fn read_walked(
        &mut self,
        walk: &mut Walk,
        page: Page,
        asked: &Request,
        order: &Comparator,
        keeps: &mut dyn FnMut(&Item) -> bool,
    ) -> Result<(), LegFailure> {
        // also where it is known: a member may begin a page with the last Item of the one before
        let looked_for = !walk.found || walk.pages.is_empty();
        let anchor = if looked_for { anchors::behind(&walk.place.anchors, &page.items) } else { None };
        if anchor.is_some() {
            walk.found = true;
            walk.skip = 0;
            walk.buffer.clear();
        }
        // without an anchor, these few are gone, and what followed them has moved up
        let gone = if walk.found { 0 } else { ANCHORS };
        let from = anchor.unwrap_or(walk.offset.saturating_sub(gone));
        walk.offset = 0;
        walk.pages.push(asked.token.clone());
        let (received, counted) = (page.received, page.matched.filter(|matched| matched.exact));
        let met = walk.seen.len();
        for (index, item) in (0_u32..).zip(page.items) {
            self.examined += 1;
            let Some(key) = self.key_of(&item, order) else {
                self.invalid += 1;
                continue;
            };
            let unseen = walk.seen.insert(self.hasher.hash_one((&*key.id, &*key.collection)));
            if self.is_of_the_other_segment(&key, &walk.tie) {
                continue;
            }
            self.stand(walk, &key, order)?;
            match walk.stands {
                Ordering::Equal => {}
                Ordering::Greater if self.is_sorted() => break,
                Ordering::Less | Ordering::Greater => continue,
            }
            let given = index < from || !unseen || anchors::holds(&walk.place.anchors, &item);
            if given || !keeps(&item) {
                continue;
            }
            if walk.skip > 0 {
                walk.skip -= 1;
                continue;
            }
            self.kept += 1;
            let hit = Hit { key, item, page: 0, walked: true, replicas: Vec::new() };
            walk.buffer.push_back(Walked { hit, page: walk.pages.len() - 1, index });
        }
        if walk.stands == Ordering::Greater && self.is_sorted() {
            walk.ahead = Ahead::Over(true);
        } else {
            // a list whose own count says more than came, and which says nothing of a next page
            let more = counted.is_some_and(|counted| counted.count > u64::from(received)) && asked.token.is_none();
            let ends = page.next.is_none();
            let full = ends && received >= asked.limit;
            self.suspicious_ends += u32::from(full && !page.cut);
            let news = walk.seen.len() > met;
            walk.look_ahead(page.next, asked, received, news).map_err(|status| self.of_the_tie(status))?;
            if ends && received > 0 && (page.cut || more) {
                // what is at hand is given before this takes effect
                self.failure = Some(self.of_the_tie(Status::TooLarge));
            }
        }
        walk.settle_place();
        Ok(())
    }

    /// Notes where an Item stands; what comes before the one before it breaks the order, where there is one.
    fn stand(&self, walk: &mut Walk, key: &Key, order: &Comparator) -> Result<(), LegFailure> {
        let stands = key.values.first().map_or(Ordering::Less, |first| order.first(first, &walk.tie));
        if self.is_sorted() && stands < walk.stands {
            return Err(Status::OrderViolation.into());
        }
        walk.stands = stands;
        Ok(())
    }

    /// Whether an Item has no key while the tie has one, or the other way round: such come along where a member cannot
    /// tell them apart, and stand anywhere.
    fn is_of_the_other_segment(&self, key: &Key, tie: &Value) -> bool {
        let is_null = key.values.first() == Some(&Value::Null);
        self.is_in_segments() && is_null != (*tie == Value::Null)
    }

    /// Whether the member sorts by the first key, so that a tie is over at the first Item behind it.
    fn is_sorted(&self) -> bool {
        matches!(self.mode, Mode::Keyset | Mode::Token)
    }
}
