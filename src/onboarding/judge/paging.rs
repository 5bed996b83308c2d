//! P: pages one after the other.

use std::collections::HashMap;
use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use super::{Facts, Finding, Findings, Row, counted, degraded, error, note};
use crate::members::Item;
use crate::onboarding::ask::{PageSeen, Paging, SAMPLE, Search, Sized};

pub fn judge(facts: &Facts<'_>, paging: &Paging, search: &Search, findings: &mut Findings) {
    if search.sample().items().is_empty() {
        return;
    }
    findings.add_all(Row::P1, follow(paging), || fine(paging));
    address(facts, paging, findings);
    sizes(paging, findings);
    last_page(paging, findings);
}

fn name(item: &Item) -> (&str, &str) {
    (&item.collection, &item.id)
}

fn fine(paging: &Paging) -> Finding {
    let held: usize = paging.pages.iter().map(|page| page.items().len()).sum();
    if paging.pages.len() < 2 {
        return Finding::unchecked(Row::P1, format!("there is one page, of {}", counted(held, "Item")));
    }
    let all = format!("{} on {}, no repeats", counted(held, "Item"), counted(paging.pages.len(), "page"));
    Finding::good(Row::P1, all)
}

/// P1: a `next` of a known form, no repeats, no gap against one big page.
fn follow(paging: &Paging) -> Vec<Finding> {
    let mut list = Vec::new();
    let mut first_on: HashMap<(&str, &str), usize> = HashMap::new();
    for (at, page) in paging.pages.iter().enumerate() {
        let number = at + 1;
        let evidence = &page.asked.evidence;
        if !page.is_page() {
            if page.asked.unanswered().is_none() {
                let seen = format!("page {number} {}", page.clause());
                list.push(degraded(Row::P1, seen, "check the next link of the page before it").by(evidence));
            }
            break;
        }
        if let Err(wrong) = &page.next {
            let seen = format!("page {number}: {wrong}");
            list.push(degraded(Row::P1, seen, "give a next link that repeats the query and adds a token").by(evidence));
        }
        let repeated: Vec<usize> = page.items().iter().filter_map(|item| first_on.get(&name(item)).copied()).collect();
        if let Some(&earlier) = repeated.first() {
            let whole = repeated.len() == page.items().len();
            let remedy = format!("page {number} repeats page {earlier}: check the next link");
            let seen = format!("{} of {} on page {number} came before", repeated.len(), page.items().len());
            let found = if whole { error(Row::P1, seen, remedy) } else { degraded(Row::P1, seen, remedy) };
            list.push(found.by(evidence));
        }
        for item in page.items() {
            first_on.entry(name(item)).or_insert(number);
        }
    }
    if list.is_empty() {
        list.extend(gap(paging, &first_on).or_else(|| early_end(paging)));
    }
    list
}

fn gap(paging: &Paging, on_pages: &HashMap<(&str, &str), usize>) -> Option<Finding> {
    let big = paging.big.as_ref().filter(|big| big.is_page())?;
    let lost: Vec<&Item> = big.items().iter().filter(|item| !on_pages.contains_key(&name(item))).collect();
    let together: HashSet<_> = big.items().iter().map(name).collect();
    // a member that gives less at once than on three pages has a smaller page size, not a gap
    let comparable = together.len() == on_pages.len();
    let item = lost.first().filter(|_| comparable)?;
    let seen = format!(
        "{} of one page of {} are not on {}, for example `{}`",
        counted(lost.len(), "Item"),
        big.items().len(),
        counted(paging.pages.len(), "smaller page"),
        item.id
    );
    let remedy = "keep one order from page to page, with a tie-breaker such as the id";
    Some(degraded(Row::P1, seen, remedy).by(&big.asked.evidence))
}

/// A list that says how long it is, and ends before.
fn early_end(paging: &Paging) -> Option<Finding> {
    let last = paging.pages.last()?;
    let held: usize = paging.pages.iter().map(|page| page.items().len()).sum();
    let matched = last.matched().and_then(|matched| usize::try_from(matched).ok())?;
    if !matches!(last.next, Ok(None)) || matched <= held {
        return None;
    }
    let seen = format!("the list ends after {held} Items without a next link, though {matched} match");
    Some(degraded(Row::P1, seen, "give every page but the last a next link").by(&last.asked.evidence))
}

/// P2: where `next` leads.
fn address(facts: &Facts<'_>, paging: &Paging, findings: &mut Findings) {
    let next = paging.pages.iter().find_map(|page| Some((page, next_href(page)?)));
    let Some((page, href)) = next else {
        findings.leave_out(Row::P2);
        return;
    };
    let target = page.asked.answer().and_then(|answer| answer.url.join(&href).ok());
    let elsewhere = target.filter(|url: &Url| url.origin() != facts.base.origin());
    findings.add(match elsewhere {
        None => Finding::good(Row::P2, "on the public host"),
        Some(url) => {
            let host = url.origin().ascii_serialization();
            let remedy = format!("next points to {host}; set the public URL of the service");
            note(Row::P2, format!("the next link leads to {host}"), remedy).by(&page.asked.evidence)
        }
    });
}

fn next_href(page: &PageSeen) -> Option<String> {
    let links: Vec<Value> = serde_json::from_slice(page.split.as_ref().ok()?.links.as_ref()?).ok()?;
    let next = links.into_iter().find(|link| link["rel"] == "next")?;
    next["href"].as_str().map(str::to_owned)
}

/// P3: the largest page.
fn sizes(paging: &Paging, findings: &mut Findings) {
    let Some(last) = paging.sizes.last() else { return };
    let got = last.page.items().len();
    let failed = paging.sizes.iter().rev().find(|size| refused(size));
    findings.add(match failed {
        Some(failed) => {
            let largest = if last.page.is_page() { last.asked } else { SAMPLE };
            let seen = format!("a page of {} {}; one of {largest} is good", failed.asked, failed.page.clause());
            let remedy = format!(
                "limit above {largest} fails{}: clamp it instead",
                failed.page.asked.status().map(|status| format!(" with {status}")).unwrap_or_default()
            );
            note(Row::P3, seen, remedy).by(&failed.page.asked.evidence)
        }
        None if !last.page.is_page() => Finding::unchecked(Row::P3, last.page.clause()),
        None if cap(paging).is_some() => Finding::good(Row::P3, format!("clamped to {got} Items")),
        None => Finding::good(Row::P3, format!("a page of {} gives {}", last.asked, counted(got, "Item"))),
    });
}

/// Whether a page of this size was asked for and did not come.
fn refused(size: &Sized) -> bool {
    !size.page.is_page() && size.page.asked.was_put()
}

/// The largest page it gives, where that is less than the broker would ask for.
pub fn cap(paging: &Paging) -> Option<u32> {
    let last = paging.sizes.last()?;
    let got = u32::try_from(last.page.items().len()).ok()?;
    // more is there: it says so by a next link, or by its count
    let more = !matches!(last.page.next, Ok(None)) || last.page.matched().is_some_and(|matched| matched > got.into());
    let clamped = last.page.is_page() && got < last.asked && more;
    let failed = paging.sizes.iter().any(refused);
    if clamped {
        return Some(got.max(1));
    }
    (failed && last.page.is_page()).then_some(last.asked)
}

/// P4: what holds all there is has no next page.
fn last_page(paging: &Paging, findings: &mut Findings) {
    let Some(more) = paging.said_more else {
        findings.leave_out(Row::P4);
        return;
    };
    findings.add(match (&paging.behind, more) {
        (_, false) => Finding::good(Row::P4, "has no next"),
        (Some(page), true) if page.items().is_empty() => note(
            Row::P4,
            "a page that holds all there is has a next link",
            "an empty page follows the last one: give the last page no next link",
        )
        .by(&page.asked.evidence),
        (page, true) => {
            let found = degraded(
                Row::P4,
                "a search for one id goes on behind the Item of that id",
                "give the last page no next link",
            );
            page.as_ref().map_or_else(|| found.clone(), |page| found.clone().by(&page.asked.evidence))
        }
    });
}
