//! What becomes of a leg where the member reads a parameter otherwise than the standard says: the leg is asked for more,
//! and the broker checks what comes back.

use chrono::{DateTime, Utc};

use crate::federation::Interval;
use crate::federation::retention::Period;
use crate::members::capabilities::IDS_ALONE_MAX;

use super::Asked;
use super::leg::Pushed;

/// Changes what a leg is asked for. The residual conditions stand already: they hold whatever the member is asked.
pub(super) fn adjust(share: &mut Pushed, asked: &Asked<'_>) {
    if asked.abilities.ids_alone {
        ids_alone(share);
    }
    if asked.abilities.datetime_starts
        && let Some(interval) = share.ask.datetime
    {
        share.ask.datetime = reaching_back(interval, span_max(asked));
        share.remains("datetime: Items that began before it and last");
    }
}

/// Where `ids` override all other conditions, nothing else is asked, and all of it is left to the broker.
fn ids_alone(share: &mut Pushed) {
    let Some(ids) = &share.ask.ids else { return };
    if ids.len() > IDS_ALONE_MAX {
        share.ask.ids = None;
        share.pushdown.retain(|pushed| pushed != "ids" && pushed != "ids of the filter");
        share.remains("ids");
        return;
    }
    let ids = share.ask.ids.take();
    let (sortby, kinds) = (std::mem::take(&mut share.ask.sortby), std::mem::take(&mut share.ask.kinds));
    share.ask = crate::members::Ask { ids, sortby, kinds, ..crate::members::Ask::default() };
    share.pushdown.retain(|pushed| pushed.starts_with("ids"));
    share.residual.promised = None;
    share.residual.exact_area = share.residual.area.is_some();
    share.remains("everything beside ids");
}

/// The interval in which everything begins that meets the one asked for. Without a known longest Item it has no start.
fn reaching_back(interval: Interval, span_max: Option<Period>) -> Option<Interval> {
    let back = |start: DateTime<Utc>| span_max.and_then(|span| span.before(start));
    let wider = Interval { start: interval.start.and_then(back), end: interval.end };
    (wider.start.is_some() || wider.end.is_some()).then_some(wider)
}

/// How long the longest Item lasts that may match, if the policy says so of every collection that is asked.
fn span_max(asked: &Asked<'_>) -> Option<Period> {
    let candidates = &asked.candidates;
    if candidates.others || candidates.natives.is_empty() {
        return None;
    }
    let mut longest = Period::default();
    for native in &candidates.natives {
        let mut rules = asked.member.policy.retention.iter().filter(|rule| rule.collections.matches(native)).peekable();
        rules.peek()?;
        for rule in rules {
            // sums are longer than either: months and seconds cannot be compared
            longest.months = longest.months.max(rule.item_span_max.months);
            longest.seconds = longest.seconds.max(rule.item_span_max.seconds);
        }
    }
    Some(longest)
}
