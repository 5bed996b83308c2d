//! One leg of the sorted merge: what to ask next, what is known of it, what it holds (`paging.md` sections 3 to 5).
//!
//! A stream never emits: it states a [`Bound`], and the merge decides. It knows no clock and no member, only pages; how
//! it takes one in stands in `reading.rs`.

mod reading;
mod segment;
mod slice;
mod tie;
mod walk;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cql2::Expr;
use crate::federation::{Interval, MemberId};
use crate::members::{Item, Token};

use super::missed::Range;
use super::order::{Comparator, Key, Position, Value};
use super::outcome::Status;
use super::plan::{FirstKey, Leg, Mode};
use super::replicas;
use super::session::{Class, Place, SessionLeg};

use segment::Lead;
use slice::Slices;
pub use slice::first_window;
use walk::Walk;

/// Items of one first key that are read to sort them. A larger tie is given as it comes where the member orders it, else
/// it is walked in the member's own order.
pub const TIE_ITEMS_MAX: u32 = 1_000;
/// Pages in a row inside one tie after which a member that orders the tie is taken at its word, if they held enough
/// Items to tell that from chance.
const TIE_PAGES_MAX: u32 = 3;
const TIE_ITEMS_TELLING: usize = 64;
/// Items a member that is resumed by its token is asked for at least: its page size stays for the whole list.
const TOKEN_PAGE_MIN: u32 = 100;
/// Items a member is asked for at least when the broker drops some of what it returns; if the first page does not do,
/// full ones follow.
pub const SELECTIVE_PAGE_MIN: u32 = 100;
/// Items a member that cannot sort may report before it is left out.
pub const DRAIN_ITEMS_MAX: u64 = 1_000;
/// Requests per leg and page while the page holds an Item, and while it holds none.
pub const REQUESTS_MAX: u32 = 4;
pub const REQUESTS_EMPTY_MAX: u32 = 12;
/// Empty pages with a new token, and pages that repeat what was seen, that are followed in a row.
const EMPTY_PAGES_MAX: u32 = 3;
const REPEATED_PAGES_MAX: u32 = 2;

/// An Item with its place in the order.
#[derive(Debug, Clone)]
pub struct Hit {
    pub key: Key,
    pub item: Item,
    /// Which page of its stream it came with, counted in this request.
    pub page: usize,
    /// It was given in its member's own order, inside a large tie.
    pub walked: bool,
    /// Of a shared Collection: other holders that gave the same Item.
    pub replicas: Vec<MemberId>,
}

/// What a leg can say about its next Item.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// Its smallest Item at hand comes before everything it has not shown.
    Head,
    /// Nothing of it that is unseen lies below this.
    AtLeast(Position),
    /// A tie of it is walked from here on, and nothing else of it lies below. Needs no request to be stated.
    Walk(Position),
    /// It has no more Items.
    Nothing,
}

/// One request to a member: what is set on the leg's ask for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    pub limit: u32,
    pub token: Option<Token>,
    /// Replaces the ask's interval.
    pub datetime: Option<Interval>,
    /// Only these: which of them the member has.
    pub ids: Option<Vec<String>>,
    /// Joined to the ask's filter by AND: a bound on a key that is no time, or which segment of its values is read.
    pub filter: Option<Arc<Expr>>,
}

/// How the next page is asked for.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    /// By the bound of this position.
    Bound(Position),
    Token(Token),
}

/// A failure that takes effect when the leg's bound is the smallest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegFailure {
    pub status: Status,
    /// What a `skipped-capability` member lacks.
    pub feature: Option<String>,
    /// The tie that is given up alone, if it is only that.
    pub tie_only: bool,
    pub retry_after_s: Option<u32>,
}

impl From<Status> for LegFailure {
    fn from(status: Status) -> Self {
        Self { status, feature: None, tie_only: false, retry_after_s: None }
    }
}

pub struct Stream {
    /// The leg in positions inside a walk: its member, and which share of it.
    name: Box<str>,
    /// Other holders of a shared Collection are asked for the same Items.
    united: bool,
    mode: Mode,
    page_max: u32,
    by_time: bool,
    /// The member may be asked for what lies behind a time.
    bounds: bool,
    /// Every Item of a collection is then one tie.
    by_collection: bool,
    descending: bool,
    first: FirstKey,
    /// Of a list that holds Items with and without a key.
    lead: Lead,
    /// What is left of a list is of the other segment.
    values_over: bool,
    /// Items without a key are out of reach, and that was not declared yet: whether they are asked for.
    nulls_missing: Option<bool>,
    user_interval: Option<Interval>,
    /// Of a `retry-missed` session: the parts still asked for. `None`: everything is.
    ranges: Option<VecDeque<Range>>,
    /// The broker drops Items of it, so a page holds less than it was asked for.
    selective: bool,
    single_collection: Option<Box<str>>,
    exposed: Exposed,
    /// What the client had of this leg when the page began.
    from: Position,
    pub start: Position,
    pub known: Position,
    buffer: VecDeque<Hit>,
    next: Next,
    last_first: Option<Value>,
    pub failure: Option<LegFailure>,
    pub requests: u32,
    pub examined: usize,
    /// Items that met every condition.
    pub kept: u64,
    pub invalid: u32,
    /// Count of the first page's answer, if exact.
    pub matched: Option<u64>,
    empty_pages: u32,
    repeated_pages: u32,
    refills: u32,
    /// The member's last page had no next link, and its list may go on all the same.
    cut: bool,
    /// The member says so itself, or its kind does.
    surely_cut: bool,
    /// How often a full page had no next link though nobody says that it is cut.
    pub suspicious_ends: u32,
    /// Its last page, the first of a list, said that more match than it holds.
    said_more: bool,
    /// The member's last page was smaller than asked, though not its last.
    capped: bool,
    /// Bound that the current list was asked with: a token goes on in the list of the request it came with.
    list_start: Position,
    /// The list goes on where an earlier page left it: what it has shown of its first tie is not known here.
    resumed: bool,
    /// Page size of the list that the current token goes on in: page-number tokens depend on it.
    list_size: u32,
    /// Items met in this stream, and in the current list of it: lists may overlap, a list must not repeat itself.
    seen: HashSet<u64>,
    list_seen: HashSet<u64>,
    hasher: RandomState,
    tokens: Vec<Token>,
    /// How each page was asked for, and, in token mode, the page that each first key began in.
    pages: Vec<PageAsked>,
    firsts: Vec<(Value, usize)>,
    /// The last Item met, while the list goes on: inside a tie it tells whether the member orders ties itself.
    last_key: Option<Key>,
    tie_sorted: bool,
    tie_pages: u32,
    /// The page in which the tie of that Item begins, by its index in `pages`.
    tie_page: usize,
    tie_items_max: usize,
    tie_items_telling: usize,
    /// Ties that the member orders itself: too large to be read whole, given as they come (class `ordered`).
    ordered: Vec<Value>,
    /// The tie that is walked, or is to be walked: then nothing else is at hand.
    walk: Option<Walk>,
    /// The tie that was walked to its end.
    walked: Option<Value>,
    /// In slice mode: the window that is being read.
    slices: Slices,
}

/// What it takes to ask for a page again.
struct PageAsked {
    token: Option<Token>,
    size: u32,
    bound: Position,
}

impl Leg {
    /// The collection of Items that name none: known when only one was asked for.
    pub(super) fn only_collection(&self) -> Option<&str> {
        match self.ask.collections.as_deref() {
            Some([only]) => Some(only),
            _ => None,
        }
    }
}

/// Exposed collection ids by native id, each made once.
struct Exposed {
    prefix: Box<str>,
    /// All of them are one shared Collection's.
    shared: Option<Arc<str>>,
    made: HashMap<Box<str>, Arc<str>>,
}

impl Exposed {
    fn of(&mut self, native: &str) -> Arc<str> {
        if let Some(shared) = &self.shared {
            return Arc::clone(shared);
        }
        if let Some(made) = self.made.get(native) {
            return Arc::clone(made);
        }
        let exposed: Arc<str> = format!("{}{native}", self.prefix).into();
        self.made.insert(native.into(), Arc::clone(&exposed));
        exposed
    }
}

impl Stream {
    /// `prefix` stands before native collection ids: member id and delimiter.
    pub fn new(leg: &Leg, session: &SessionLeg, served: &Position, order: &Comparator, prefix: &str) -> Self {
        let windows = leg.shared.as_ref().and_then(|share| replicas::ranges(&share.windows, order));
        let ranges: Option<VecDeque<Range>> = match (session.ranges.as_slice(), windows) {
            ([], windows) => windows,
            (ranges, None) => Some(ranges.iter().cloned().collect()),
            (ranges, Some(windows)) => Some(replicas::both(ranges, &windows, order)),
        };
        let ranges = ranges.map(|mut ranges| {
            ranges.retain(|range| order.positions(&range.to, served) == Ordering::Greater);
            ranges
        });
        let watermark = match ranges.as_ref().and_then(VecDeque::front) {
            Some(range) => order.later(served, &range.from),
            None => served,
        };
        let name: Box<str> = match leg.part.as_str() {
            "" => leg.member.as_str().into(),
            part => format!("{}|{part}", leg.member).into(),
        };
        let range = ranges.as_ref().and_then(VecDeque::front);
        let of_the_range = range.and_then(|range| range.place.as_ref());
        let walk = Walk::resumed(session.place.as_ref(), &name, watermark, order)
            .or_else(|| Walk::resumed(of_the_range, &name, watermark, order))
            .or_else(|| Walk::lost(&name, watermark).filter(|_| session.class != Class::Past))
            // a walk in a later part waits until this one is read
            .filter(|walk| range.is_none_or(|range| order.positions(&walk.position(), &range.to) != Ordering::Greater));
        let mut start = with_its_tie(watermark);
        if let Position::At(_) | Position::Walk { .. } = served
            && let (Some(tie), Class::Past | Class::Out) = (served.first(), session.class)
        {
            start = order.later(&start, &Position::After(tie.clone())).clone();
        }
        // a tie that was given up is not read again
        for gap in &session.gaps {
            if let Some(to @ Position::After(_)) = &gap.to {
                start = order.later(&start, to).clone();
            }
        }
        if let Some(walk) = &walk {
            start = walk.position();
        }
        let by_token = |place: &Place| leg.mode == Mode::Keyset && place.token.is_some();
        let place = session.place.as_ref().filter(|place| !place.is_walk());
        let place = place.filter(|place| leg.mode == Mode::Token || place.ordered || by_token(place));
        let (next, list_start) = match place {
            Some(Place { token: Some(token), bound, .. }) => (Next::Token(token.clone()), bound.clone()),
            Some(Place { bound, .. }) if leg.mode == Mode::Keyset => (Next::Bound(bound.clone()), bound.clone()),
            _ => (Next::Bound(start.clone()), start.clone()),
        };
        let ordered = match watermark {
            Position::At(key) if place.is_some_and(|place| place.ordered) => key.values.first().cloned(),
            _ => None,
        };
        let single_collection = leg.only_collection().map(Into::into);
        let resumed = matches!(next, Next::Token(_));
        let lead = Lead::of(&leg.first, session, &start, resumed);
        let over = lead.leaves_nothing(&start) || ranges.as_ref().is_some_and(VecDeque::is_empty);
        let mut stream = Self {
            name,
            united: leg.shared.as_ref().is_some_and(|share| share.united),
            mode: leg.mode,
            from: watermark.clone(),
            page_max: leg.page_max.max(1),
            by_time: order.by_time(),
            bounds: leg.bounds,
            by_collection: order.keys().first().is_some_and(|key| key.field == "collection"),
            descending: order.descending(),
            user_interval: leg.ask.datetime,
            selective: leg.residual.selective,
            single_collection,
            exposed: Exposed {
                prefix: prefix.into(),
                shared: leg.shared.as_ref().map(|share| Arc::clone(&share.id)),
                made: HashMap::new(),
            },
            known: if over { Position::End } else { start.clone() },
            lead,
            first: leg.first.clone(),
            values_over: false,
            nulls_missing: None,
            ranges,
            resumed: place.is_some_and(by_token),
            list_start,
            start,
            buffer: VecDeque::new(),
            next,
            last_first: None,
            failure: None,
            requests: 0,
            examined: 0,
            kept: 0,
            invalid: 0,
            matched: None,
            empty_pages: 0,
            repeated_pages: 0,
            refills: 0,
            capped: false,
            cut: false,
            surely_cut: false,
            suspicious_ends: 0,
            said_more: false,
            list_size: session.place.as_ref().map_or(0, |place| place.size),
            seen: HashSet::new(),
            list_seen: HashSet::new(),
            hasher: RandomState::new(),
            tokens: Vec::new(),
            pages: Vec::new(),
            firsts: Vec::new(),
            last_key: None,
            tie_sorted: true,
            tie_pages: 0,
            tie_page: 0,
            tie_items_max: TIE_ITEMS_MAX as usize,
            tie_items_telling: TIE_ITEMS_TELLING,
            ordered: ordered.into_iter().collect(),
            walk: None,
            walked: None,
            slices: Slices::new(leg.ask.datetime, leg.expected, order.descending(), session.share, session.window),
        };
        if let Some(walk) = walk {
            stream.enter_walk(walk);
        }
        stream
    }

    /// Begins at a later position than it was made for; nothing of it was asked yet. In an order that is not by time it is
    /// read from where the page began, and what was given is dropped.
    pub fn begin_at(&mut self, position: &Position, order: &Comparator) {
        if !self.by_time {
            return;
        }
        let start = with_its_tie(position);
        self.start = order.later(&self.start, &start).clone();
        if self.known == Position::End {
            return;
        }
        self.known = order.later(&self.known, &self.start).clone();
        self.pass_ranges(order);
        self.list_start = self.known.clone();
        self.next = Next::Bound(self.known.clone());
    }

    /// Another bound on ties, so that a test need not make a thousand Items for each; `usize::MAX`: none is large. A few Items may look ordered by
    /// chance: `ordered` tells whether the member does order its ties.
    #[cfg(test)]
    pub fn with_ties_of(&mut self, items_max: usize, ordered: bool) {
        self.tie_items_max = items_max;
        self.tie_items_telling = if ordered { items_max.min(TIE_ITEMS_TELLING) } else { usize::MAX };
    }

    /// Asks for nothing: all that it had was given on earlier pages.
    pub fn end(&mut self) {
        self.known = Position::End;
        self.walk = None;
    }

    /// What the leg can say about its next Item.
    pub fn bound(&self, order: &Comparator) -> Bound {
        match self.buffer.front() {
            Some(hit) if !order.key_after(&hit.key, &self.known) || self.known == Position::End => Bound::Head,
            None if self.known == Position::End => Bound::Nothing,
            _ if self.walk.is_some() => Bound::Walk(self.known.clone()),
            _ => Bound::AtLeast(self.known.clone()),
        }
    }

    /// The Items that were read and not given yet.
    pub fn at_hand(&self) -> impl Iterator<Item = &Hit> {
        self.buffer.iter()
    }

    pub fn head(&self) -> Option<&Hit> {
        self.buffer.front()
    }

    pub fn pop(&mut self) -> Option<Hit> {
        self.buffer.pop_front()
    }

    /// Everything it had was given.
    pub fn is_over(&self) -> bool {
        self.known == Position::End && self.buffer.is_empty() && self.walk.is_none()
    }

    /// The next request. `need` is how many more Items the page wants from this leg, `limit` the page's own.
    pub fn request(&mut self, need: u32, limit: u32) -> Request {
        if let Some(request) = self.walk_request(limit) {
            return request;
        }
        if self.is_sliced() {
            return self.request_window(need);
        }
        // the second refill and a tie that blocks the page are read in full pages; where Items are dropped, the first too
        let full = self.refills >= 2 || self.cut || self.in_tie() || (self.selective && self.refills >= 1);
        let size = match self.mode {
            Mode::Drain => self.page_max,
            // the page size of a token stays as it was first: from the start it must let a tie be read whole
            Mode::Token if self.by_collection || self.selective => {
                limit.saturating_add(1).max(TIE_ITEMS_MAX / REQUESTS_MAX)
            }
            Mode::Token => limit.saturating_add(1).max(TOKEN_PAGE_MIN),
            _ if full => limit.saturating_add(1).max(TIE_ITEMS_MAX),
            _ if self.selective => need.saturating_add(1).max(SELECTIVE_PAGE_MIN),
            _ => need.saturating_add(1),
        };
        let size = size.clamp(1, self.page_max);
        // a larger page only helps where the member gave as much as it was asked for
        if full
            && self.ordered.is_empty()
            && !self.capped
            && self.resumes_by_bound()
            && self.list_size < size
            && let Some(first) = &self.last_first
        {
            self.next = Next::Bound(Position::Before(first.clone()));
        }
        self.requests += 1;
        self.refills += 1;
        match self.next.clone() {
            Next::Bound(position) => {
                // a list that begins anew may show again what lies before the bound
                self.last_first = None;
                self.last_key = None;
                self.tokens.clear();
                self.list_seen.clear();
                self.resumed = false;
                self.list_start = position.clone();
                self.list_size = size;
                let datetime = self.up_to_the_range(self.bounded(&position));
                Request { limit: size, datetime, filter: self.condition(&position), ..Request::default() }
            }
            Next::Token(token) => {
                if self.list_size == 0 {
                    self.list_size = size;
                }
                let datetime = self.up_to_the_range(self.bounded(&self.list_start));
                let filter = self.condition(&self.list_start);
                Request { limit: self.list_size, token: Some(token), datetime, filter, ..Request::default() }
            }
        }
    }

    /// The user's interval, narrowed to what lies at or behind a position (`paging.md` section 3).
    ///
    /// An Item that spans the user's interval may begin before it: its key then lies outside. Such Items all contain
    /// the nearer edge of the interval, so that edge alone is asked for.
    fn bounded(&self, position: &Position) -> Option<Interval> {
        if !self.is_bounded() {
            return self.user_interval;
        }
        let (at, strict) = match position {
            Position::Before(Value::Time(at)) => (*at, false),
            Position::At(Key { values, .. }) => match values.first() {
                Some(Value::Time(at)) => (*at, false),
                _ => return self.user_interval,
            },
            Position::After(Value::Time(at)) => (*at, true),
            _ => return self.user_interval,
        };
        let user = self.user_interval.unwrap_or_default();
        if self.descending {
            // Items cut to this millisecond may lie up to 999 µs behind it
            let end = micros(at, if strict { -1 } else { 999 })?;
            match (user.start, user.end) {
                (Some(start), _) if start > end => Some(Interval { start: Some(start), end: Some(start) }),
                (start, given) => Some(Interval { start, end: Some(given.map_or(end, |given| given.min(end))) }),
            }
        } else {
            let start = micros(at, if strict { 1_000 } else { 0 })?;
            match (user.start, user.end) {
                (_, Some(end)) if start > end => Some(Interval { start: Some(end), end: Some(end) }),
                (given, end) => Some(Interval { start: Some(given.map_or(start, |given| given.max(start))), end }),
            }
        }
    }

    /// Whether no bound leads behind a time: what lies there spans the edge of the time asked for, and has to be found in
    /// a list of all that does.
    fn is_at_the_edge(&self, first: &Value) -> bool {
        let (Value::Time(at), Some(user), true) = (first, self.user_interval, self.is_bounded()) else { return false };
        if self.descending {
            user.start.is_some_and(|start| micros(*at, 0).is_some_and(|at| start >= at))
        } else {
            user.end.is_some_and(|end| micros(*at, 1_000).is_some_and(|at| end < at))
        }
    }

    /// An interval without what lies behind the part that is asked for. What cannot be narrowed stays as it is.
    fn up_to_the_range(&self, interval: Option<Interval>) -> Option<Interval> {
        let range = self.ranges.as_ref().and_then(VecDeque::front);
        let (true, Some(Value::Time(at))) = (self.is_bounded(), range.and_then(|range| range.to.first())) else {
            return interval;
        };
        let mut narrowed = interval.unwrap_or_default();
        if self.descending {
            let start = micros(*at, 0)?;
            narrowed.start = Some(narrowed.start.map_or(start, |given| given.max(start)));
        } else {
            let end = micros(*at, 999)?;
            narrowed.end = Some(narrowed.end.map_or(end, |given| given.min(end)));
        }
        let inverted = matches!((narrowed.start, narrowed.end), (Some(start), Some(end)) if start > end);
        if inverted { interval } else { Some(narrowed) }
    }

    /// The member's list is over: so is the leg, or the part that the list was asked for.
    fn list_is_over(&mut self, order: &Comparator) {
        if self.goes_on_with_nulls(order) {
            return;
        }
        let range = self.ranges.as_ref().and_then(VecDeque::front).filter(|_| self.is_bounded());
        self.known = range.map_or(Position::End, |range| order.later(&self.known, &range.to).clone());
    }

    /// Goes on with another list, which may show again what was met.
    fn begin_anew(&mut self, next: Next) {
        self.next = next;
        self.last_first = None;
        self.last_key = None;
        self.tie_pages = 0;
        self.tokens.clear();
        self.list_seen.clear();
        self.cut = false;
    }

    /// Whether a list is asked for by an interval of time.
    fn is_bounded(&self) -> bool {
        matches!(self.mode, Mode::Keyset | Mode::Drain | Mode::Slice) && self.by_time && self.bounds
    }

    fn is_sliced(&self) -> bool {
        self.mode == Mode::Slice
    }

    /// Leaves the parts that are read behind: the leg goes on with the next one, and ends after the last.
    pub fn pass_ranges(&mut self, order: &Comparator) {
        let bounded = self.is_bounded();
        let Some(ranges) = &mut self.ranges else { return };
        let count = ranges.len();
        while let Some(range) = ranges.front()
            && order.positions(&range.to, &self.known) != Ordering::Greater
        {
            if bounded {
                // long Items that reach into the part say nothing of what lies behind it
                self.known = range.to.clone();
            }
            ranges.pop_front();
        }
        match ranges.front() {
            None => {
                self.known = Position::End;
                self.walk = None;
            }
            Some(range) if ranges.len() < count => {
                let walk = Walk::resumed(range.place.as_ref(), &self.name, &range.from, order)
                    .or_else(|| Walk::lost(&self.name, &range.from));
                self.known = order.later(&self.known, &with_its_tie(&range.from)).clone();
                self.walk = None;
                if bounded {
                    self.begin_anew(Next::Bound(self.known.clone()));
                }
                if let Some(walk) = walk {
                    self.enter_walk(walk);
                }
            }
            Some(_) => {}
        }
    }

    /// Whether an Item lies in what is asked for.
    fn in_ranges(&self, key: &Key, order: &Comparator) -> bool {
        let holds = |range: &Range| order.key_after(key, &range.from) && !order.key_after(key, &range.to);
        self.ranges.as_ref().is_none_or(|ranges| ranges.iter().any(holds))
    }

    /// Whether an Item lies behind the part that its list was asked for, as one does that lasts into it: the list of its
    /// own part brings it again.
    fn is_of_a_later_range(&self, key: &Key, order: &Comparator) -> bool {
        let range = self.ranges.as_ref().and_then(VecDeque::front).filter(|_| self.is_bounded());
        range.is_some_and(|range| order.key_after(key, &range.to))
    }

    /// The failure of a leg whose allowance of requests is used up.
    pub fn out_of_allowance(&self) -> LegFailure {
        if self.mode == Mode::Drain {
            Self::drain_refusal(self.by_time)
        } else if self.walk.as_ref().is_some_and(Walk::is_searching) {
            self.of_the_tie(Status::BadResponse)
        } else if self.is_sliced() && self.walk.is_none() {
            self.window_out_of_allowance()
        } else if self.in_tie() && self.known.first() == self.from.first() {
            // every request of the page went into this tie
            self.too_large()
        } else {
            Status::ScanLimit.into()
        }
    }

    fn drain_refusal(by_time: bool) -> LegFailure {
        let otherwise = if by_time { "" } else { ", or sort by `datetime`" };
        let feature = format!(
            "sort by what was asked for; it reports more than {DRAIN_ITEMS_MAX} matches, more than are sorted here: ask for fewer{otherwise}"
        );
        LegFailure { feature: Some(feature), ..Status::SkippedCapability.into() }
    }

    fn refuse_drain(&mut self) {
        self.buffer.clear();
        let refusal = Self::drain_refusal(self.by_time);
        self.fail(refusal);
    }

    /// Remembers a failure; the merge decides when it takes effect.
    pub fn fail(&mut self, failure: LegFailure) {
        if failure.status == Status::OrderViolation {
            // nothing it said is a place to go on from
            self.buffer.clear();
            self.ordered.clear();
            self.walk = None;
            self.next = Next::Bound(self.start.clone());
        }
        self.failure = Some(failure);
    }

    /// A member refused the token it gave: a keyset leg reads on by bound, once.
    pub fn token_refused(&mut self) {
        if self.walk.is_some() {
            self.walk_token_refused();
            return;
        }
        match (&self.last_first, &self.next) {
            (_, Next::Token(_)) if self.is_sliced() => self.window_refused(),
            (Some(first), Next::Token(_)) if self.resumes_by_bound() => {
                self.next = Next::Bound(Position::Before(first.clone()));
            }
            // the tie is read again from its start
            (None, Next::Token(_)) if self.resumes_by_bound() => self.next = Next::Bound(self.start.clone()),
            _ => self.fail(Status::BadResponse.into()),
        }
    }

    /// The page after those that were read, if it is asked for by a token: where a leg goes on that keeps no Item.
    pub fn onward(&self) -> Option<Place> {
        // a window is read whole or not at all
        let Next::Token(token) = &self.next else { return None };
        if self.is_sliced() || self.has_no_place() {
            return None;
        }
        let (token, bound) = (Some(token.clone()), self.list_start.clone());
        Some(Place { token, size: self.list_size, bound, ..Place::default() })
    }
}

/// The position before the whole tie in which a position lies: where an inclusive bound on the first key begins.
fn with_its_tie(position: &Position) -> Position {
    match position {
        Position::At(key) => key.values.first().cloned().map_or(Position::Start, Position::Before),
        // all that is ordered in the tie was given
        Position::Walk { first, .. } => Position::After(first.clone()),
        other => other.clone(),
    }
}

/// An instant given in milliseconds, moved by microseconds.
fn micros(at_ms: i64, offset_us: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at_ms)?.checked_add_signed(TimeDelta::microseconds(offset_us))
}
