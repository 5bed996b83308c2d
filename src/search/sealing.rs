//! Sessions as texts that fit (`paging.md` section 9): what makes a cursor long is given up step by step, and never in a
//! way that leaves something missing undeclared.

use crate::collections::Ids;

use super::cursor::{CURSOR_BODY_CHARS_MAX, CURSOR_LINK_CHARS_MAX, KeyRing};
use super::missed::{self, Range};
use super::order::{Comparator, Position};
use super::outcome::Status;
use super::page::PageEnd;
use super::plan::Order;
use super::session::{Session, SessionLeg};

/// Above this a cursor gives up what it can spare: places of gaps, and their exact ends.
const CURSOR_CHARS_SOFT: usize = 1_500;

/// The cursors of a page.
#[derive(Debug, Default)]
pub struct Sealed {
    pub next: Option<String>,
    pub retry: Option<String>,
    pub missed: Option<String>,
}

/// What sealing takes.
#[derive(Clone, Copy)]
pub struct Seals<'a> {
    pub keys: &'a KeyRing,
    pub ids: &'a Ids,
    pub now_ms: i64,
    /// Longest text: an address has less room than a body.
    pub chars_max: usize,
}

impl Seals<'_> {
    /// The longest cursor for a request that came by body, or by address.
    pub fn room(by_body: bool) -> usize {
        if by_body { CURSOR_BODY_CHARS_MAX } else { CURSOR_LINK_CHARS_MAX }
    }

    /// Seals the sessions of a page. A leg that has to be left is told in the page's end, and asked for by the retry.
    pub fn page(self, end: &mut PageEnd) -> Sealed {
        let mut missed = end.missed.take();
        let next = end.next.take().map(|mut session| {
            let (text, left) = self.fitted(&mut session);
            tell(end, &session, &left);
            if !left.is_empty() {
                let until = session.watermark.clone();
                let left = left.into_iter().map(|leg| resumed(leg, until.clone()));
                missed = Some(with(missed::of(&session, true), &session, left.collect()));
            }
            text
        });
        let retry = end.retry.take().map(|mut session| {
            let (text, left) = self.fitted(&mut session);
            tell(end, &session, &left);
            text
        });
        Sealed { next, retry, missed: missed.map(|session| self.missed(session)) }
    }

    /// Seals a session as short as it must be; gives the legs that had to be left, as they were.
    fn fitted(self, session: &mut Session) -> (String, Vec<SessionLeg>) {
        let mut left = Vec::new();
        loop {
            let text = self.keys.seal(session, self.ids, self.now_ms);
            if text.len() <= CURSOR_CHARS_SOFT {
                return (text, left);
            }
            if spare(session) {
                continue;
            }
            if text.len() <= self.chars_max {
                return (text, left);
            }
            match park(session) {
                Some(leg) => left.push(leg),
                None => return (text, left),
            }
        }
    }

    /// Seals the session of a retry; where its places are too long, its legs find them again by reading.
    fn missed(self, mut session: Session) -> String {
        let text = self.keys.seal(&session, self.ids, self.now_ms);
        if text.len() <= self.chars_max {
            return text;
        }
        for leg in &mut session.legs {
            leg.place = None;
            leg.ranges.iter_mut().for_each(|range| range.place = None);
        }
        self.keys.seal(&session, self.ids, self.now_ms)
    }
}

/// Gives up the next thing that a session can spare; false when there is none.
fn spare(session: &mut Session) -> bool {
    let gaps = || session.legs.iter().flat_map(|leg| &leg.gaps);
    if gaps().any(|gap| gap.place.is_some()) {
        session.legs.iter_mut().flat_map(|leg| &mut leg.gaps).for_each(|gap| gap.place = None);
        return true;
    }
    let Order::Sorted(keys) = &session.order else { return false };
    let order = Comparator::new(keys.clone());
    let widened = session.legs.iter_mut().map(|leg| leg.widen_gaps(&order));
    widened.fold(false, |any, one| any | one)
}

/// Leaves the leg with the longest token, as a gap from the watermark on.
fn park(session: &mut Session) -> Option<SessionLeg> {
    let token =
        |leg: &SessionLeg| leg.place.as_ref().and_then(|place| place.token.as_ref()).map_or(0, |token| token.0.len());
    let leg = session.legs.iter_mut().filter(|leg| token(leg) > 0).max_by_key(|leg| token(leg))?;
    let before = leg.clone();
    leg.place = None;
    leg.ended = true;
    leg.open_gap(session.watermark.clone(), Status::TooLarge);
    Some(before)
}

/// Tells of legs that were left.
fn tell(end: &mut PageEnd, session: &Session, left: &[SessionLeg]) {
    for parked in left {
        let is_it = |leg: &&SessionLeg| leg.member == parked.member && leg.part == parked.part;
        let gaps = session.legs.iter().find(is_it).map(|leg| leg.gaps.clone()).unwrap_or_default();
        let reported = end.legs.iter_mut().find(|end| end.member.as_str() == parked.member && end.part == parked.part);
        if let Some(reported) = reported {
            reported.status = Status::TooLarge;
            reported.broken = true;
            reported.gaps = gaps;
        }
    }
}

/// A leg that was left, asked for all that it still has.
fn resumed(leg: SessionLeg, from: Position) -> SessionLeg {
    let range = Range { from, to: Position::End, place: leg.place.clone() };
    SessionLeg { gaps: Vec::new(), share: 0, ranges: vec![range], ..leg }
}

/// A retry that asks for these legs too.
fn with(missed: Option<Session>, session: &Session, parked: Vec<SessionLeg>) -> Session {
    let ended = |leg: &SessionLeg| SessionLeg {
        member: leg.member.clone(),
        part: leg.part.clone(),
        ended: true,
        ..SessionLeg::default()
    };
    let mut retry = missed.unwrap_or_else(|| Session {
        legs: session.legs.iter().map(ended).collect(),
        matched: None,
        bounds: super::counts::Bounds::default(),
        ..session.clone()
    });
    for leg in parked {
        if let Some(place) = retry.legs.iter_mut().find(|known| known.member == leg.member && known.part == leg.part) {
            *place = SessionLeg { ranges: [std::mem::take(&mut place.ranges), leg.ranges.clone()].concat(), ..leg };
        }
    }
    retry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Token;
    use crate::search::order::{Key, Value};
    use crate::search::request::SortBy;
    use crate::search::session::{Gap, Place};

    fn key(at: i64) -> Position {
        Position::At(Key { values: vec![Value::Time(at)], id: "i".repeat(60).into(), collection: "M|c".into() })
    }

    fn session(legs: Vec<SessionLeg>) -> Session {
        let order = Order::Sorted(vec![SortBy { field: "datetime".into(), ..SortBy::default() }]);
        Session {
            started_ms: 0,
            digests: [0; 12],
            order,
            matched: None,
            bounds: super::super::counts::Bounds::default(),
            watermark: key(900),
            turn: String::new(),
            legs,
        }
    }

    fn seals<'a>(keys: &'a KeyRing, ids: &'a Ids) -> Seals<'a> {
        Seals { keys, ids, now_ms: 0, chars_max: Seals::room(false) }
    }

    fn leg(number: usize) -> SessionLeg {
        SessionLeg { member: format!("M{number:02}"), ..SessionLeg::default() }
    }

    #[test]
    fn a_long_cursor_widens_its_gaps_before_it_leaves_anybody() {
        let (keys, ids) = crate::search::model::ring();
        let gap = |number: i64| Gap {
            from: key(number * 10),
            to: Some(key(number * 10 + 5)),
            status: Status::Timeout,
            place: Some(Place { token: Some(Token("t".repeat(100).into())), ..Place::default() }),
        };
        let legs = (0..8).map(|number| SessionLeg { gaps: (1..5).map(gap).collect(), ..leg(number) }).collect();
        let mut session = session(legs);
        let before = session.clone();
        let (text, left) = seals(&keys, &ids).fitted(&mut session);
        assert!(left.is_empty() && text.len() <= CURSOR_CHARS_SOFT, "{} characters", text.len());
        let Order::Sorted(sorted) = &session.order else { panic!("sorted") };
        let order = Comparator::new(sorted.clone());
        for (narrow, wide) in before.legs.iter().zip(&session.legs) {
            for gap in &narrow.gaps {
                let covers = |other: &Gap| {
                    order.positions(&other.from, &gap.from).is_le()
                        && order.positions(other.to.as_ref().unwrap(), gap.to.as_ref().unwrap()).is_ge()
                };
                assert!(wide.gaps.iter().any(covers), "a gap was narrowed: {gap:?} in {:?}", wide.gaps);
            }
        }
    }

    #[test]
    fn a_leg_whose_token_finds_no_room_is_a_gap_that_the_retry_asks_for() {
        let (keys, ids) = crate::search::model::ring();
        let place = |length: usize| {
            Some(Place { token: Some(Token("t".repeat(length).into())), size: 100, ..Place::default() })
        };
        let legs = (0..3).map(|number| SessionLeg { place: place(1_200 + 100 * number), ..leg(number) }).collect();
        let mut session = session(legs);
        let (text, left) = seals(&keys, &ids).fitted(&mut session);
        assert!(text.len() <= CURSOR_LINK_CHARS_MAX);
        assert_eq!(left.iter().map(|leg| leg.member.as_str()).collect::<Vec<_>>(), ["M02"]);
        assert!(session.legs[2].ended && session.legs[2].open().is_some());
        let watermark = session.watermark.clone();
        let retry = with(None, &session, left.into_iter().map(|leg| resumed(leg, watermark.clone())).collect());
        assert!(retry.legs[0].ended && !retry.legs[2].ended);
        assert_eq!((&retry.legs[2].place, retry.legs[2].ranges.len()), (&place(1_400), 1));
    }

    #[test]
    fn a_body_has_room_for_what_an_address_has_not() {
        let (keys, ids) = crate::search::model::ring();
        let place = Some(Place { token: Some(Token("t".repeat(1_900).into())), ..Place::default() });
        let legs = (0..4).map(|number| SessionLeg { place: place.clone(), ..leg(number) }).collect();
        let mut session = session(legs);
        let roomy = Seals { chars_max: Seals::room(true), ..seals(&keys, &ids) };
        assert!(roomy.fitted(&mut session.clone()).1.is_empty());
        assert_eq!(seals(&keys, &ids).fitted(&mut session).1.len(), 3);
    }
}
