//! A stream is made: from a leg, and from what its session knows of earlier pages.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use super::segment::Lead;
use super::slice::Slices;
use super::walk::Walk;
use super::{
    Class, Comparator, Exposed, Leg, Mode, Next, Place, Position, Range, SessionLeg, Stream, TIE_ITEMS_MAX,
    TIE_ITEMS_TELLING, replicas, with_its_tie,
};

impl Stream {
    /// `prefix` stands before native collection ids: member id and delimiter.
    pub fn new(leg: &Leg, session: &SessionLeg, served: &Position, order: &Comparator, prefix: &str) -> Self {
        let windows = leg.shared.as_ref().and_then(|share| replicas::ranges(&share.windows, order));
        let ranges: Option<VecDeque<Range>> = match (session.ranges.as_slice(), windows) {
            ([], windows) => windows,
            (ranges, None) => Some(ranges.iter().cloned().collect()),
            (ranges, Some(windows)) => Some(replicas::both(ranges, &windows, order)),
        };
        let parts_were_missed = session.open().is_some_and(|gap| {
            let is_missed = |range: &Range| {
                order.positions(&range.to, &gap.from) == Ordering::Greater
                    && order.positions(&range.to, served) != Ordering::Greater
            };
            ranges.iter().flatten().any(is_missed)
        });
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
        // the list of a part that is missed now had Items of later ones, which were left to lists of their own
        let place = session.place.as_ref().filter(|place| !(place.is_walk() || parts_were_missed && leg.bounds));
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
}
