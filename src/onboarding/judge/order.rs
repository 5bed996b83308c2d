//! O and N: order and counts.

use super::{Facts, Finding, Findings, Row, counted, degraded, note};
use crate::federation::Support;
use crate::members::Item;
use crate::onboarding::ask::{Counted, Order, PageSeen, Search};

pub fn judge(facts: &Facts<'_>, order: &Order, search: &Search, findings: &mut Findings) {
    if search.sample().items().is_empty() {
        return;
    }
    sorted(facts, order, search, findings);
    timeless(facts, order, search, findings);
    counts(facts, search, findings);
}

/// Whether Items come in the order asked for.
pub enum Sorts<'a> {
    Yes,
    No { by: &'static str, seen: String, page: &'a PageSeen },
    Unknown(String),
}

pub fn verdict(order: &Order) -> Sorts<'_> {
    let mut telling = true;
    for (by, pages, down) in [("-datetime", &order.down, true), ("+datetime", &order.up, false)] {
        let Some(first) = pages.first() else { return Sorts::Unknown("no search was sorted".to_owned()) };
        if let Some(unanswered) = first.asked.unanswered() {
            return Sorts::Unknown(unanswered);
        }
        if !first.is_page() {
            return Sorts::No { by, seen: format!("a search with `sortby` {}", first.clause()), page: first };
        }
        let keys = keys(pages);
        let out = keys.windows(2).position(|pair| if down { pair[0] < pair[1] } else { pair[0] > pair[1] });
        if let Some(at) = out {
            let seen = format!("the Items at {} and {} of `sortby={by}` are the wrong way around", at + 1, at + 2);
            return Sorts::No { by, seen, page: first };
        }
        telling &= keys.first() != keys.last();
    }
    if telling { Sorts::Yes } else { Sorts::Unknown("all Items that came have the same time".to_owned()) }
}

fn keys(pages: &[PageSeen]) -> Vec<i64> {
    pages.iter().flat_map(PageSeen::items).filter_map(Item::time_key).collect()
}

/// The order of Items without `sortby`, where it looks like one.
pub fn native(search: &Search) -> Option<&'static str> {
    let keys: Vec<i64> = search.sample().items().iter().filter_map(Item::time_key).collect();
    if keys.len() < 3 || keys.first() == keys.last() {
        return None;
    }
    match (keys.is_sorted_by(|a, b| a >= b), keys.is_sorted()) {
        (true, _) => Some("-datetime"),
        (_, true) => Some("datetime"),
        _ => None,
    }
}

fn sorted(facts: &Facts<'_>, order: &Order, search: &Search, findings: &mut Findings) {
    let own = native(search).map_or("no order by time".to_owned(), |order| format!("the order `{order}`"));
    let declared = facts.landing.declared.sort != Support::Unsupported;
    findings.add(match verdict(order) {
        Sorts::Yes => Finding::good(Row::O1, format!("by time, both ways; without `sortby` {own}")),
        Sorts::Unknown(why) => Finding::unchecked(Row::O1, why),
        Sorts::No { by, seen, page } => {
            let says = if declared { "Sort is advertised; " } else { "it does not sort; " };
            degraded(
                Row::O1,
                format!("{says}{seen}; without `sortby` {own}"),
                format!("order is not {by}: implement Sort; until then few matches are sorted by the broker, and many are not"),
            )
            .by(&page.asked.evidence)
        }
    });
}

/// O2: Items that have no place in an order by time.
fn timeless(facts: &Facts<'_>, order: &Order, search: &Search, findings: &mut Findings) {
    let paged = facts.paging.iter().flat_map(|paging| &paging.pages);
    let pages = paged.chain(&order.down).chain(&order.up).chain([search.sample()]);
    let mut without: Vec<(&str, &str, &PageSeen)> = pages
        .flat_map(|page| page.items().iter().map(move |item| (item, page)))
        .filter(|(item, _)| item.time_key().is_none())
        .map(|(item, page)| (&*item.collection, &*item.id, page))
        .collect();
    without.sort_by_key(|(collection, id, _)| (*collection, *id));
    without.dedup_by_key(|(collection, ..)| *collection);
    let wrong = without.iter().map(|(collection, id, page)| {
        degraded(
            Row::O2,
            format!("collection `{collection}`: Item `{id}` has neither `datetime` nor `start_datetime`"),
            format!("collection `{collection}` has Items without datetime: paging may be incomplete"),
        )
        .by(&page.asked.evidence)
    });
    findings.add_all(Row::O2, wrong.collect(), || Finding::good(Row::O2, "every Item that came has a time"));
}

fn counts(facts: &Facts<'_>, search: &Search, findings: &mut Findings) {
    let sample = search.sample();
    let Some(matched) = sample.matched() else {
        let remedy = "offer numberMatched, an estimate is enough";
        findings.add(note(Row::N1, "searches are not counted", remedy).by(&sample.asked.evidence));
        findings.leave_out(Row::N2);
        return;
    };
    findings.add(plausible(matched, search));
    match &facts.counted {
        Some(counted) => findings.add(adds_up(counted)),
        None => findings
            .add(Finding::unchecked(Row::N2, "the Items that came have no instants that a window could be parted by")),
    }
}

/// N1: a search for one Item matches one.
fn plausible(matched: u64, search: &Search) -> Finding {
    let one = search
        .probes
        .iter()
        .find(|probe| probe.parameter == "ids")
        .filter(|probe| probe.support == Some(Support::Exact) && matches!(probe.inside.next, Ok(None)));
    let received = one.map(|probe| probe.inside.items().len() as u64);
    let said = one.and_then(|probe| probe.inside.matched());
    match (one, received, said) {
        (Some(probe), Some(received), Some(said)) if said != received => {
            let seen = format!("`numberMatched` is {said} for a search that matches {received}");
            let remedy = "count what the search matches, or leave the count out";
            note(Row::N1, seen, remedy).by(&probe.inside.asked.evidence)
        }
        _ => Finding::good(Row::N1, format!("{matched} Items match a search for everything")),
    }
}

/// N2: two windows without a common instant add up to the window of both.
fn adds_up(windows: &Counted) -> Finding {
    let [first, second] = &windows.halves;
    let (Some(whole), Some(first), Some(second)) = (windows.whole.matched(), first.matched(), second.matched()) else {
        return Finding::unchecked(Row::N2, "a search by time was not counted");
    };
    if first + second == whole {
        return Finding::good(
            Row::N2,
            format!("{first} and {second} are {}", counted(usize::try_from(whole).unwrap_or(usize::MAX), "Item")),
        );
    }
    degraded(
        Row::N2,
        format!("two windows of time have {first} and {second} Items, but {whole} together"),
        "counts are estimates: whether few enough match to be sorted here is then not known",
    )
    .by(&windows.whole.asked.evidence)
}
