//! One leg of the sorted merge: what to ask next, what is known of it, what it holds (`paging.md` sections 3 to 5).
//!
//! A stream never emits: it states a [`Bound`], and the merge decides. It knows no clock and no member, only pages; how
//! it takes one in stands in `reading.rs`.

mod asking;
mod beginning;
mod failing;
mod parts;
mod reading;
mod segment;
mod slice;
mod tie;
mod walk;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use crate::cql2::Expr;
use crate::federation::{Interval, MemberId};
use crate::members::{Item, Token};

use super::missed::Range;
use super::order::{Comparator, Key, Position, Value};
use super::outcome::Status;
use super::plan::{FirstKey, Leg, Mode};
use super::replicas;
use super::session::{Class, Place, SessionLeg};

use asking::micros;
pub use failing::LegFailure;
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
