//! The quota order: one Item from each leg in turn (`paging.md` section 4.1), and pass-through when there is one leg.
//!
//! Used when no order was asked for and newest first cannot be had from every member. There is no watermark: each leg
//! has a place in its own list. What was read but not given is read again from that place. Whose turn it is travels in
//! the session, so the order does not depend on the page size.

mod owners;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::federation::MemberId;
use crate::members::{Fault, Item, Page, Token};

use super::anchors;
use super::merge::Step;
use super::order::{Key, Position};
use super::outcome::Status;
use super::owners::United;
use super::plan::Leg;
use super::plan::shared::Share;
use super::session::{Gap, Place, SessionLeg};
use super::stream::{Hit, LegFailure, REQUESTS_EMPTY_MAX, REQUESTS_MAX, Request, SELECTIVE_PAGE_MIN};

const EMPTY_PAGES_MAX: u32 = 3;
/// Items of a page when nothing of a list's first page was kept: the list is begun anew with pages of this size, once,
/// since the page size of a list that goes on must stay.
const BARREN_PAGE: u32 = 1_000;

/// One leg of the interleave.
pub struct QuotaLeg {
    pub member: MemberId,
    pub session: SessionLeg,
    prefix: Box<str>,
    /// All of its Items are one shared Collection's.
    shared: Option<Arc<str>>,
    rank: usize,
    /// Other holders may give the same Items.
    united: Option<United>,
    /// The collection of Items that name none, when only one was asked for.
    single_collection: Option<Box<str>>,
    page_max: u32,
    /// The broker drops Items of it, so a page holds less than it was asked for.
    selective: bool,
    /// The page being given from: its Items with their index as received.
    buffer: VecDeque<(u32, Item)>,
    place: Place,
    /// Token of the page after the one at hand; `None` when that was the last.
    next: Option<Token>,
    /// There is none, though the list goes on.
    cut: bool,
    pub asked: Option<Request>,
    /// A page is at hand (possibly used up).
    open: bool,
    tokens: Vec<Token>,
    empty_pages: u32,
    pub requests: u32,
    pub failure: Option<LegFailure>,
    /// A lower holder of which the page has read enough without an Item to give: others go on without it.
    waits: bool,
    pub ended: bool,
    pub answered: bool,
    /// It said of an answer that it is not complete.
    pub partial: Option<std::sync::Arc<str>>,
    pub invalid: u32,
    pub matched: Option<u64>,
    pub returned: u32,
}

pub struct Quota {
    /// In the order of member ids.
    pub legs: Vec<QuotaLeg>,
    pub turn: usize,
    limit: u32,
    pub hits: Vec<(usize, Hit)>,
    pub deduplicated: u32,
    /// There is no time to ask anybody any more.
    pub out_of_time: bool,
    /// By the leg of a higher holder and the id of an Item of a shared Collection: whether it has it.
    held: HashMap<(usize, Box<str>), bool>,
    /// Higher holders that could not be asked who has what, and why.
    mute: HashMap<usize, LegFailure>,
}

impl QuotaLeg {
    pub fn new(leg: &Leg, session: SessionLeg, prefix: &str) -> Self {
        let place = session.place.clone().unwrap_or_default();
        let united = leg.shared.as_ref().and_then(Share::united);
        let is_lower = united.is_some() && leg.rank() > 0;
        Self {
            member: leg.member.clone(),
            ended: session.ended,
            session,
            prefix: prefix.into(),
            shared: leg.shared.as_ref().map(|share| Arc::clone(&share.id)),
            rank: leg.rank(),
            united,
            single_collection: leg.only_collection().map(Into::into),
            page_max: leg.page_max.max(1),
            // most of what a lower holder has is given by a higher one
            selective: leg.residual.selective || is_lower,
            waits: false,
            buffer: VecDeque::new(),
            place,
            next: None,
            cut: false,
            asked: None,
            open: false,
            tokens: Vec::new(),
            empty_pages: 0,
            requests: 0,
            failure: None,
            answered: false,
            partial: None,
            invalid: 0,
            matched: None,
            returned: 0,
        }
    }

    /// Where the next page goes on.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    fn feed(&mut self, page: Page, asked: &Request, keeps: &mut dyn FnMut(&Item) -> bool) {
        self.invalid += page.invalid.count;
        self.selective |= page.unsaid;
        if self.requests == 1 {
            self.matched = page.matched.filter(|matched| matched.exact).map(|matched| matched.count);
        }
        self.open = true;
        self.place.size = asked.limit;
        let start = self.resume_at(&page.items);
        let given_before = self.place.anchors.clone();
        let received = page.received;
        for (index, item) in (0_u32..).zip(page.items) {
            if item.collection.is_empty() && self.single_collection.is_none() {
                self.invalid += 1;
            } else if index >= start && keeps(&item) && !anchors::holds(&given_before, &item) {
                self.buffer.push_back((index, item));
            }
        }
        self.cut = page.cut && page.next.is_none();
        self.next = page.next;
        if self.is_barren(asked) {
            self.open = false;
            self.next = None;
            self.place = Place { size: BARREN_PAGE.min(self.page_max), ..Place::default() };
            return;
        }
        if let Some(token) = &self.next {
            self.empty_pages = if received == 0 { self.empty_pages + 1 } else { 0 };
            let met_before = self.tokens.contains(token) || asked.token.as_ref() == Some(token);
            if received == 0 && met_before {
                self.next = None;
            } else if met_before || self.empty_pages > EMPTY_PAGES_MAX {
                self.failure = Some(Status::NoProgress.into());
            } else {
                self.tokens.push(token.clone());
            }
        }
        self.turn_page();
    }

    /// Whether the first page of the list holds nothing for the client, while a larger one could.
    fn is_barren(&self, asked: &Request) -> bool {
        let first = asked.token.is_none() && self.place.offset == 0 && self.place.anchors.is_empty();
        let larger = asked.limit < BARREN_PAGE.min(self.page_max);
        self.selective && first && larger && self.buffer.is_empty() && self.next.is_some()
    }

    /// The index to go on from: behind the last anchor found, else the stored offset.
    fn resume_at(&self, items: &[Item]) -> u32 {
        anchors::behind(&self.place.anchors, items).unwrap_or(self.place.offset)
    }

    /// A page that is used up gives way to its successor, or the leg has ended.
    fn turn_page(&mut self) {
        if !self.open || !self.buffer.is_empty() || self.failure.is_some() {
            return;
        }
        self.open = false;
        match self.next.take() {
            Some(token) => self.place = Place { token: Some(token), size: self.place.size, ..Place::default() },
            None if self.cut => self.failure = Some(Status::TooLarge.into()),
            None => self.ended = true,
        }
    }

    fn take(&mut self) -> Option<Hit> {
        let (index, item) = self.buffer.pop_front()?;
        self.place.offset = index + 1;
        anchors::note(&mut self.place.anchors, &item);
        self.returned += 1;
        self.turn_page();
        let native =
            if item.collection.is_empty() { self.single_collection.as_deref().unwrap_or("") } else { &item.collection };
        let own = || format!("{}{native}", self.prefix).into();
        let collection: Arc<str> = self.shared.clone().unwrap_or_else(own);
        let key = Key { values: Vec::new(), id: item.id.clone(), collection };
        Some(Hit { key, item, page: 0, walked: false, replicas: Vec::new() })
    }
}

impl Quota {
    pub fn new(legs: Vec<QuotaLeg>, turn: usize, limit: u32) -> Self {
        Self {
            legs,
            turn,
            limit,
            hits: Vec::new(),
            deduplicated: 0,
            out_of_time: false,
            held: HashMap::new(),
            mute: HashMap::new(),
        }
    }

    /// Gives Items in turn until input is needed or the page is done.
    pub fn step(&mut self) -> Step {
        let mut idle = 0;
        while self.hits.len() < self.limit as usize && idle < self.legs.len() {
            let index = self.turn % self.legs.len();
            if let Some(step) = self.pass_by(index) {
                return step;
            }
            let leg = &mut self.legs[index];
            if leg.failure.is_some() || leg.waits {
                idle += 1;
            } else if let Some(hit) = leg.take() {
                self.give(index, hit);
                idle = 0;
            } else if leg.ended {
                idle += 1;
            } else if leg.asked.is_none() && self.allowance_is_over(index) {
                if !self.hits.is_empty() && self.is_lower(index) && !self.out_of_time {
                    self.legs[index].waits = true;
                } else if !self.hits.is_empty() {
                    return Step::Done;
                } else {
                    self.legs[index].failure = Some(Status::ScanLimit.into());
                }
                idle += 1;
            } else {
                // the turn waits: the order must not depend on who answers first
                return Step::Needs(self.needs());
            }
            self.turn = (index + 1) % self.legs.len();
        }
        Step::Done
    }

    /// Adds an Item to the page. A replica of one that stands there already joins it: the highest holder's is given.
    fn give(&mut self, index: usize, hit: Hit) {
        let shared = self.legs[index].shared.is_some();
        let is_same = |known: &Hit| known.key.id == hit.key.id && known.key.collection == hit.key.collection;
        let Some(at) = self.hits.iter().position(|(_, known)| shared && is_same(known)) else {
            self.hits.push((index, hit));
            return;
        };
        self.deduplicated += 1;
        self.legs[index].returned -= 1;
        let (first, known) = &mut self.hits[at];
        let mut replicas = std::mem::take(&mut known.replicas);
        let mut other = index;
        if self.legs[index].rank < self.legs[*first].rank {
            other = std::mem::replace(first, index);
            *known = hit;
            self.legs[index].returned += 1;
            self.legs[other].returned -= 1;
        }
        replicas.push(self.legs[other].member.clone());
        known.replicas = replicas;
    }

    /// The member whose turn it is.
    pub fn turn_member(&self) -> String {
        self.legs.get(self.turn).map_or_else(String::new, |leg| leg.member.to_string())
    }

    fn allowance_is_over(&self, leg: usize) -> bool {
        let most = if self.hits.is_empty() { REQUESTS_EMPTY_MAX } else { REQUESTS_MAX };
        self.out_of_time || self.legs[leg].requests >= most
    }

    fn needs(&mut self) -> Vec<(usize, Request)> {
        let live = self.legs.iter().filter(|leg| !leg.ended && leg.failure.is_none()).count().max(1);
        let share = self.limit.div_ceil(u32::try_from(live).unwrap_or(1)).max(1);
        let mut needs = Vec::new();
        for index in 0..self.legs.len() {
            let over = self.allowance_is_over(index);
            let leg = &mut self.legs[index];
            if over || leg.ended || leg.failure.is_some() || leg.asked.is_some() || !leg.buffer.is_empty() {
                continue;
            }
            // a place inside a list keeps the page size it was found with
            let least = if leg.selective { SELECTIVE_PAGE_MIN } else { 1 };
            let size = if leg.place.size > 0 { leg.place.size } else { share.max(least) };
            let request =
                Request { limit: size.clamp(1, leg.page_max), token: leg.place.token.clone(), ..Request::default() };
            leg.requests += 1;
            leg.asked = Some(request.clone());
            needs.push((index, request));
        }
        needs
    }

    pub fn feed(&mut self, index: usize, page: Page, mut keeps: impl FnMut(&Item) -> bool) {
        let leg = &mut self.legs[index];
        let Some(asked) = leg.asked.take() else { return };
        if let Some(ids) = &asked.ids {
            self.hear(index, ids, &page, keeps);
            return;
        }
        if !leg.answered {
            leg.answered = true;
            // it kept its place, so nothing was lost but what its own answers lacked
            leg.session.gaps.retain(|gap| gap.to.is_some());
        }
        if page.partial.is_some() && leg.partial.is_none() {
            leg.partial.clone_from(&page.partial);
            let (from, to) = (Position::Start, Some(Position::End));
            leg.session.push_gap(Gap { from, to, status: Status::BadResponse, place: None });
        }
        leg.feed(page, &asked, &mut keeps);
    }

    pub fn feed_failure(&mut self, index: usize, fault: Fault, retry_after_s: Option<u32>) {
        let failure = LegFailure { retry_after_s, ..Status::from(fault).into() };
        let leg = &mut self.legs[index];
        if leg.asked.take().is_some_and(|asked| asked.ids.is_some()) {
            self.mute.insert(index, failure);
        } else {
            leg.failure = Some(failure);
        }
    }
}
