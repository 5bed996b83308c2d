//! How a stream takes a page in: each Item is checked against the order, the tie and what was met before; then the
//! stream knows where it stands and how it goes on.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::members::{Item, Page, Token};
use crate::search::order::{Comparator, Key, Position, Value};
use crate::search::outcome::Status;
use crate::search::plan::Mode;

use super::segment::Seat;
use super::{DRAIN_ITEMS_MAX, EMPTY_PAGES_MAX, Hit, LegFailure, Next, PageAsked, REPEATED_PAGES_MAX, Request, Stream};

impl Stream {
    /// Takes a page in. `last` is the position emitted up to; `keeps` the residual conditions.
    pub fn feed(
        &mut self,
        page: Page,
        asked: &Request,
        order: &Comparator,
        last: &Position,
        keeps: &mut dyn FnMut(&Item) -> bool,
    ) {
        if self.mode == Mode::Slice && self.walk.is_none() {
            return self.feed_window(page, asked, order, last, keeps);
        }
        self.invalid += page.invalid.count;
        self.selective |= page.unsaid;
        if self.requests == 1 && !self.is_in_segments() {
            self.matched = page.matched.filter(|matched| matched.exact).map(|matched| matched.count);
        }
        if self.walk.is_some() {
            self.feed_walk(page, asked, order, keeps);
            return;
        }
        if self.mode == Mode::Drain && page.matched.is_some_and(|matched| matched.count > DRAIN_ITEMS_MAX) {
            self.refuse_drain();
            return;
        }
        let page_asked = PageAsked { token: asked.token.clone(), size: asked.limit, bound: self.list_start.clone() };
        self.pages.push(page_asked);
        let tie_before = self.last_first.clone();
        let received = page.received;
        self.capped = received < asked.limit && page.next.is_some();
        self.surely_cut = page.cut;
        // a list whose own count says more than came, and which says nothing of a next page
        let counted = page.matched.is_some_and(|matched| matched.exact && matched.count > u64::from(received));
        self.said_more = counted && asked.token.is_none() && received > 0;
        let mut unseen = 0_usize;
        let met_in_list = self.list_seen.len();
        for item in page.items {
            match self.examine(item, order, last, keeps) {
                Ok(true) => unseen += 1,
                Ok(false) => {}
                Err(failure) => {
                    self.fail(failure);
                    return;
                }
            }
        }
        self.buffer.make_contiguous().sort_by(|a, b| order.keys_of(&a.key, &b.key));
        self.tie_pages = if self.last_first == tie_before { self.tie_pages + 1 } else { 0 };
        let advanced = self.list_seen.len() > met_in_list;
        self.go_on(page.next, received, unseen, advanced, asked, order);
    }

    /// One Item of a page: `Ok(true)` when it was not met before in this stream.
    fn examine(
        &mut self,
        item: Item,
        order: &Comparator,
        last: &Position,
        keeps: &mut dyn FnMut(&Item) -> bool,
    ) -> Result<bool, LegFailure> {
        self.examined += 1;
        let Some((unseen, collection)) = self.meet(&item) else {
            self.invalid += 1;
            return Ok(true);
        };
        let Some(key) = order.read(&item, &collection) else {
            self.invalid += 1;
            return Ok(unseen);
        };
        let first = key.values.first().cloned().unwrap_or(Value::Null);
        let seat = if self.mode == Mode::Drain { Seat::Taken } else { self.seat(&first) };
        match seat {
            Seat::Taken | Seat::Held => {}
            Seat::Passed => {
                // the list of its own segment brings it again
                self.forget(&item);
                return Ok(unseen);
            }
            Seat::Invalid => {
                self.invalid += 1;
                return Ok(unseen);
            }
        }
        if self.mode != Mode::Drain && seat == Seat::Taken {
            let against = self.last_first.as_ref().map_or(Ordering::Less, |before| order.first(before, &first));
            // what is shown again, by a list that begins anew or a page that repeats, says nothing about the order
            if against == Ordering::Greater && unseen && !self.is_near(&first) {
                return Err(Status::OrderViolation.into());
            }
            if against == Ordering::Less {
                self.firsts.push((first.clone(), self.pages.len().saturating_sub(1)));
                self.last_first = Some(first);
                self.tie_sorted = true;
                self.tie_page = self.pages.len().saturating_sub(1);
            }
            if unseen {
                self.check_tie_order(against, &key, order)?;
                self.last_key = Some(key.clone());
            }
        }
        if !unseen {
            return Ok(false);
        }
        if self.is_of_a_later_range(&key, order) {
            self.forget(&item);
            return Ok(true);
        }
        if order.key_after(&key, last)
            && order.key_after(&key, &self.start)
            && self.in_ranges(&key, order)
            && keeps(&item)
        {
            self.kept += 1;
            let page = self.pages.len().saturating_sub(1);
            self.buffer.push_back(Hit { key, item, page, walked: false, replicas: Vec::new() });
        }
        Ok(true)
    }

    /// The place of an Item in the order, if it has one.
    pub(super) fn key_of(&mut self, item: &Item, order: &Comparator) -> Option<Key> {
        let native: &str = match (&*item.collection, &self.single_collection) {
            ("", Some(only)) => only,
            (native, _) => native,
        };
        if native.is_empty() {
            return None;
        }
        let collection = self.exposed.of(native);
        order.read(item, &collection)
    }

    /// Whether an Item is met for the first time in this stream, and the exposed id of its collection; `None` when it has
    /// none.
    pub(super) fn meet(&mut self, item: &Item) -> Option<(bool, Arc<str>)> {
        let native = native_of(item, self.single_collection.as_deref())?;
        let identity = self.hasher.hash_one((&*item.id, native));
        let unseen = self.seen.insert(identity);
        self.list_seen.insert(identity);
        Some((unseen, self.exposed.of(native)))
    }

    /// An Item counts as not met: another list of the stream brings it again.
    fn forget(&mut self, item: &Item) {
        if let Some(native) = native_of(item, self.single_collection.as_deref()) {
            self.seen.remove(&self.hasher.hash_one((&*item.id, native)));
        }
    }

    /// Whether a first key that comes behind the last one may stand there, as single precision cannot tell the two apart.
    fn is_near(&self, first: &Value) -> bool {
        let Some(last) = self.last_first.as_ref().filter(|last| !self.ordered.contains(last)) else { return false };
        first.compare(&last.earliest_near(self.descending), self.descending) != Ordering::Less
    }

    /// After a page: where the stream stands and how it goes on.
    fn go_on(
        &mut self,
        next: Option<Token>,
        received: u32,
        unseen: usize,
        advanced: bool,
        asked: &Request,
        order: &Comparator,
    ) {
        if self.mode != Mode::Drain
            && let Some(read) = self.shown()
        {
            self.known = order.later(&self.known, &read).clone();
        }
        self.cut = next.is_none() && self.may_be_cut(received, asked);
        self.suspicious_ends += u32::from(self.cut && !self.surely_cut);
        match next {
            _ if self.values_over => self.list_is_over(order),
            None if self.cut && !self.goes_on_by_bound() => self.fail_cut(),
            None if self.cut => {
                // a full page without a next link: ask once more by bound before believing it
                // in a tie that was walked into, the bound would lead back to where an earlier page began
                if unseen == 0 && !self.surely_cut && received < asked.limit {
                    // only its count spoke for more, and there is none
                    self.list_is_over(order);
                } else if self.resumed && self.is_at_start() && !self.surely_cut {
                    // no bound leads on from there: the member is believed, as where there are none
                    self.list_is_over(order);
                } else if unseen == 0 || (self.resumed && self.is_at_start()) {
                    self.fail(self.too_large());
                } else {
                    let from = self.last_first.clone().map_or_else(|| self.list_start.clone(), Position::Before);
                    self.next = Next::Bound(from);
                }
            }
            None => self.list_is_over(order),
            // an empty page is the end, unless it has a new token
            Some(token) if received == 0 && (self.tokens.contains(&token) || asked.token.as_ref() == Some(&token)) => {
                self.list_is_over(order);
            }
            Some(token) => self.follow(token, received, advanced, asked),
        }
        self.check_lead();
        // a part that was read to its end tells nothing of ties, and a tie that is walked may lie behind a part
        self.pass_ranges(order);
        if self.known != Position::End && self.failure.is_none() && self.walk.is_none() {
            self.check_tie(order);
            self.pass_ranges(order);
        }
    }

    fn may_be_cut(&self, received: u32, asked: &Request) -> bool {
        self.surely_cut || (self.goes_on_by_bound() && received > 0 && (received >= asked.limit || self.said_more))
    }

    /// Whether what was read gives a bound to go on from.
    fn goes_on_by_bound(&self) -> bool {
        // of a segment where nothing of it came yet, the whole list is asked for again, in a larger page
        self.resumes_by_bound() && (self.last_first.is_some() || self.is_in_segments())
    }

    /// The list goes on, and there is no way to the rest of it.
    fn fail_cut(&mut self) {
        if self.mode == Mode::Drain {
            self.buffer.clear();
            let feature = "sort; its list ends before its last Item".to_owned();
            self.fail(LegFailure { feature: Some(feature), ..Status::SkippedCapability.into() });
        } else {
            self.fail(Status::TooLarge.into());
        }
    }

    pub(super) fn follow(&mut self, token: Token, received: u32, advanced: bool, asked: &Request) {
        self.empty_pages = if received == 0 { self.empty_pages + 1 } else { 0 };
        self.repeated_pages = if received > 0 && !advanced { self.repeated_pages + 1 } else { 0 };
        let met_before = self.tokens.contains(&token) || asked.token.as_ref() == Some(&token);
        if met_before || self.empty_pages > EMPTY_PAGES_MAX || self.repeated_pages >= REPEATED_PAGES_MAX {
            self.fail(Status::NoProgress.into());
            return;
        }
        self.tokens.push(token.clone());
        self.next = Next::Token(token);
    }
}

/// The collection of an Item, or, where it names none, the only one that was asked for.
fn native_of<'a>(item: &'a Item, only: Option<&'a str>) -> Option<&'a str> {
    let native = if item.collection.is_empty() { only? } else { &*item.collection };
    (!native.is_empty()).then_some(native)
}
