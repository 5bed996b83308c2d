//! The walk through a large tie in its member's own order (class `walker`, `paging.md` section 5).
//!
//! A walk reads a list of its own: of the tie alone where an interval can say that, else one that begins with the tie,
//! or, of a member without bounds, the list in which the tie was met.
//! Its place travels in the cursor: the page, how many Items of it are dealt with, and anchors. All that the members order
//! comes before it, and while it lasts nobody else is asked.

mod reading;

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

use crate::federation::Interval;
use crate::members::Token;
use crate::search::anchors;
use crate::search::order::{Comparator, Position, Value};
use crate::search::outcome::Status;
use crate::search::session::Place;

use super::{
    EMPTY_PAGES_MAX, Hit, LegFailure, Next, REPEATED_PAGES_MAX, REQUESTS_MAX, Request, Stream, TIE_ITEMS_MAX,
    TOKEN_PAGE_MIN, micros,
};

/// Items that are read again to find a place whose token is lost: as many as are read of a tie to sort it.
const SKIPPED_MAX: u32 = TIE_ITEMS_MAX;

/// A tie that is being walked, or is to be walked when all before it is given.
pub(super) struct Walk {
    pub(super) tie: Value,
    /// The name of the leg in positions.
    walker: Box<str>,
    /// Items of the tie that were given so far.
    given: u32,
    place: Place,
    /// Items at hand, in the member's order.
    buffer: VecDeque<Walked>,
    ahead: Ahead,
    /// Tokens of the pages read for this page of the client.
    pages: Vec<Option<Token>>,
    seen: HashSet<u64>,
    /// Items of the next page, as received, that are dealt with.
    offset: u32,
    /// Items still to be passed over, as they were given before and their place is lost.
    skip: u32,
    /// The place is known: an anchor was met, or there is none to meet.
    found: bool,
    /// A page did not hold an anchor that it should: the next one may, if Items were inserted before.
    doubt: bool,
    /// Its token was refused, and the list is read from its start.
    restarted: bool,
    /// Where the last Item met stands: before the tie, in it or behind it.
    stands: Ordering,
    empty_pages: u32,
    repeated_pages: u32,
}

struct Walked {
    hit: Hit,
    /// Index in [`Walk::pages`].
    page: usize,
    /// As received.
    index: u32,
}

/// What follows the pages that were read.
enum Ahead {
    Page(Option<Token>),
    /// The tie is over; true when the last page holds Items that lie behind it.
    Over(bool),
}

impl Walk {
    /// A walk from its beginning, or from where an earlier page left it.
    fn new(tie: Value, walker: &str, given: u32, place: Place) -> Self {
        let lost = given > 0 && place.token.is_none() && place.offset == 0;
        Self {
            tie,
            walker: walker.into(),
            given,
            buffer: VecDeque::new(),
            ahead: Ahead::Page(place.token.clone()),
            pages: Vec::new(),
            seen: HashSet::new(),
            offset: place.offset,
            skip: if lost { given } else { 0 },
            found: place.anchors.is_empty() || (place.offset == 0 && !lost),
            doubt: false,
            restarted: lost,
            stands: Ordering::Less,
            empty_pages: 0,
            repeated_pages: 0,
            place,
        }
    }

    /// The walk that a leg is in, or is to begin, when the client has been served up to `watermark`.
    pub(super) fn resumed(
        place: Option<&Place>,
        walker: &str,
        watermark: &Position,
        order: &Comparator,
    ) -> Option<Self> {
        let place = place?;
        let Position::Walk { first, given, .. } = &place.bound else { return None };
        let walk = Self::new(first.clone(), walker, *given, place.clone());
        (order.positions(&walk.position(), watermark) != Ordering::Less).then_some(walk)
    }

    /// The walk in which the client stands, where nothing but the number of Items given tells the place.
    pub(super) fn lost(walker: &str, watermark: &Position) -> Option<Self> {
        match watermark {
            Position::Walk { first, member, given } if **member == *walker => {
                Some(Self::new(first.clone(), walker, *given, Place::default()))
            }
            _ => None,
        }
    }

    pub(super) fn position(&self) -> Position {
        Position::Walk { first: self.tie.clone(), member: self.walker.clone(), given: self.given }
    }

    /// Where it goes on.
    pub(super) fn place(&self) -> Place {
        Place { bound: self.position(), ..self.place.clone() }
    }

    /// Its place is lost too far behind to be found again.
    pub(super) fn is_lost(&self) -> bool {
        self.skip > SKIPPED_MAX
    }

    /// It still looks for its place.
    pub(super) fn is_searching(&self) -> bool {
        self.skip > 0
    }

    fn is_ready(&self) -> bool {
        self.found && !self.buffer.is_empty()
    }

    /// Reads the list again from its start.
    fn restart(&mut self) {
        let place = std::mem::take(&mut self.place);
        let anew = Place { token: None, offset: 0, ..place.clone() };
        // until the place is found again, the one that was lost stays what later pages begin with
        *self = Self { place, restarted: true, ..Self::new(self.tie.clone(), &self.walker, self.given, anew) };
    }

    /// After a page: whether its Items are those that follow what was given.
    fn settle_place(&mut self) {
        if self.found || self.skip > 0 {
            return;
        }
        self.found = self.doubt || matches!(self.ahead, Ahead::Over(_));
        self.doubt = true;
    }

    /// What follows a page: `Err` when the list cannot be gone on with.
    fn look_ahead(&mut self, next: Option<Token>, asked: &Request, received: u32, news: bool) -> Result<(), Status> {
        let Some(token) = next else {
            self.ahead = Ahead::Over(false);
            return Ok(());
        };
        let met_before = asked.token.as_ref() == Some(&token) || self.pages.contains(&Some(token.clone()));
        self.empty_pages = if received == 0 { self.empty_pages + 1 } else { 0 };
        self.repeated_pages = if received > 0 && !news { self.repeated_pages + 1 } else { 0 };
        if received == 0 && met_before {
            self.ahead = Ahead::Over(false);
        } else if met_before || self.empty_pages > EMPTY_PAGES_MAX || self.repeated_pages >= REPEATED_PAGES_MAX {
            return Err(Status::NoProgress);
        } else {
            self.ahead = Ahead::Page(Some(token));
        }
        Ok(())
    }
}

impl Stream {
    /// Begins to walk the tie that is being read; what was read of it is read again in the walk's own list.
    pub(super) fn open_walk(&mut self) {
        let Some(tie) = self.last_first.clone() else { return };
        let place = match self.pages.get(self.tie_page) {
            Some(page) if !self.is_bounded() && !self.resumes_by_bound() => {
                Place { token: page.token.clone(), size: page.size, ..Place::default() }
            }
            _ => Place::default(),
        };
        self.kept = self.kept.saturating_sub(self.buffer.len() as u64);
        self.buffer.clear();
        self.begin_walk(tie, place);
    }

    /// Begins a walk at its first Item.
    pub(super) fn begin_walk(&mut self, tie: Value, place: Place) {
        let walk = Walk::new(tie, &self.name, 0, place);
        self.known = walk.position();
        self.walk = Some(walk);
    }

    /// Goes on with a walk of an earlier page.
    pub(super) fn enter_walk(&mut self, walk: Walk) {
        self.known = walk.position();
        if walk.is_lost() {
            self.failure = Some(self.of_the_tie(Status::TooLarge));
        }
        self.walk = Some(walk);
    }

    /// Whether Items of its walk are at hand.
    pub fn has_walked(&self) -> bool {
        self.walk.as_ref().is_some_and(Walk::is_ready)
    }

    /// The next Item of the walk and the position that it brings the leg to.
    pub fn pop_walked(&mut self, order: &Comparator) -> Option<(Hit, Position)> {
        let walk = self.walk.as_mut().filter(|walk| walk.is_ready())?;
        let Walked { hit, page, index } = walk.buffer.pop_front()?;
        walk.place.token = walk.pages.get(page).cloned().flatten();
        walk.place.offset = index + 1;
        anchors::note(&mut walk.place.anchors, &hit.item);
        walk.given += 1;
        let position = walk.position();
        self.known = position.clone();
        self.go_on_walking(order);
        Some((hit, position))
    }

    /// The next request of the walk.
    pub(super) fn walk_request(&mut self, limit: u32) -> Option<Request> {
        let least = if self.selective { TIE_ITEMS_MAX / REQUESTS_MAX } else { TOKEN_PAGE_MIN };
        let page_max = self.page_max;
        let walk = self.walk.as_mut()?;
        if walk.place.size == 0 {
            walk.place.size = limit.saturating_add(1).max(least).clamp(1, page_max);
        }
        let Ahead::Page(token) = &walk.ahead else { return None };
        let (limit, token, tie) = (walk.place.size, token.clone(), walk.tie.clone());
        let datetime = if self.is_bounded() { self.within_the_tie(&tie) } else { self.user_interval };
        let filter = self.condition(&Position::Before(tie));
        self.requests += 1;
        Some(Request { limit, token, datetime, filter, ..Request::default() })
    }

    /// The user's interval as far as it lies in a tie, or its nearer edge, which all its Items of the tie then contain.
    fn within_the_tie(&self, tie: &Value) -> Option<Interval> {
        let Value::Time(at) = tie else { return self.user_interval };
        let (from, to) = (micros(*at, 0)?, micros(*at, 999)?);
        let user = self.user_interval.unwrap_or_default();
        let start = user.start.map_or(from, |start| start.max(from));
        let end = user.end.map_or(to, |end| end.min(to));
        let edge = if start > to { start } else { end };
        Some(if start > end {
            Interval { start: Some(edge), end: Some(edge) }
        } else {
            Interval { start: Some(start), end: Some(end) }
        })
    }

    /// When nothing of a walk is at hand: its next page takes the place of the one before, or the tie is over.
    fn go_on_walking(&mut self, order: &Comparator) {
        let failed = self.failure.is_some();
        let Some(walk) = self.walk.as_mut().filter(|walk| walk.buffer.is_empty() && !failed) else { return };
        match &walk.ahead {
            Ahead::Page(token) if walk.found && walk.skip == 0 => {
                walk.place.token.clone_from(token);
                walk.place.offset = 0;
            }
            Ahead::Page(_) => {}
            Ahead::Over(_) => self.leave_walk(order),
        }
    }

    /// The tie was walked to its end: the leg goes on strictly behind it, by a bound or, in the list that holds more than
    /// the tie, from the last page.
    fn leave_walk(&mut self, order: &Comparator) {
        let Some(walk) = self.walk.take() else { return };
        let (behind, list) = (Position::After(walk.tie.clone()), Position::Before(walk.tie.clone()));
        let by_bound = self.is_sliced() || (self.is_bounded() && !self.is_at_the_edge(&walk.tie));
        self.known = behind.clone();
        self.begin_anew(Next::Bound(if by_bound { behind } else { list.clone() }));
        if !by_bound {
            self.list_size = walk.place.size;
            self.list_start = list;
            match walk.ahead {
                // the first page of a list has no token
                Ahead::Over(true) => {
                    if let Some(Some(token)) = walk.pages.last() {
                        self.next = Next::Token(token.clone());
                    }
                }
                _ => self.list_is_over(order),
            }
        }
        self.walked = Some(walk.tie);
        self.pass_ranges(order);
    }

    /// Where a leg goes on that takes no part any more in the tie of its walk, if no bound says that: in the list in which
    /// it walked.
    pub fn place_beside_the_walk(&self) -> Option<Place> {
        let walk = self.walk.as_ref().filter(|_| !self.is_bounded())?;
        let bound = Position::Before(walk.tie.clone());
        Some(Place { bound, offset: 0, anchors: Vec::new(), ..walk.place.clone() })
    }

    /// A member refused the token of a walk: its list is read from the start, once, if what was given is not too much.
    pub(super) fn walk_token_refused(&mut self) {
        let bounded = self.is_bounded() || self.resumes_by_bound();
        match &mut self.walk {
            Some(walk) if bounded && !walk.restarted && walk.given <= SKIPPED_MAX => walk.restart(),
            _ => self.fail(self.of_the_tie(Status::BadResponse)),
        }
    }

    /// A failure of the tie alone, where the leg can go on behind it.
    pub(super) fn of_the_tie(&self, status: Status) -> LegFailure {
        LegFailure { tie_only: self.is_bounded(), ..status.into() }
    }
}
