//! Cases that random histories meet too rarely, each by name (`paging.md` section 10, `members.md` section 4).

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

mod holders;
mod limits;
mod slices;
mod ties;

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;

use crate::federation::{Interval, MemberId};
use crate::members::item::{Spans, Times};
use crate::members::{Ask, Fault, Item, Page, Token};

use super::merge::Step;
use super::order::{Comparator, Position, Value};
use super::outcome::{Failed, Status, Verdict, decide};
use super::page::{PageEnd, PageRun};
use super::plan::{FirstKey, Leg, Mode, Order, Plan, Refused};
use super::request::{Handling, SortBy};
use super::residual::Residual;
use super::session::Session;
use super::stream::Request;

fn item(id: &str, ms: i64) -> Item {
    let times = Times { datetime: DateTime::from_timestamp_millis(ms), ..Times::default() };
    Item { bytes: Bytes::new(), id: id.into(), collection: "c".into(), times, spans: Spans::default() }
}

fn answer(items: Vec<Item>, next: Option<&str>) -> Page {
    Page { received: items.len() as u32, items, next: next.map(|text| Token(text.into())), ..Page::default() }
}

fn leg(member: &str, mode: Mode) -> Leg {
    Leg {
        member: MemberId::new(member),
        part: String::new(),
        shared: None,
        mode,
        ask: Ask::default(),
        residual: Residual::default(),
        pushdown: Vec::new(),
        page_max: 1_000,
        reason: String::new(),
        discovered: true,
        required: false,
        page_requests: 1,
        counts_exact: true,
        bounds: true,
        expected: Interval::default(),
        first: FirstKey::Certain,
    }
}

fn newest_first() -> Order {
    Order::Sorted(vec![SortBy { field: "datetime".into(), descending: true, ..SortBy::default() }])
}

fn plan(legs: Vec<Leg>, order: Order) -> Plan {
    Plan { order, legs, pruned: Vec::new(), refused: Vec::new(), unsorted: Vec::new(), standby: Vec::new() }
}

/// Runs a page against members that answer by a function of member, request and how often they were asked.
fn page(
    plan: &Plan,
    session: Session,
    first: bool,
    limit: u32,
    mut member: impl FnMut(&str, &Request, usize) -> Result<Page, Fault>,
) -> PageEnd {
    let mut run = PageRun::new(plan, session, first, limit, |member| format!("{member}|"));
    let mut asked = std::collections::HashMap::<String, usize>::new();
    for _round in 0..100 {
        let Step::Needs(requests) = run.step() else { return run.finish() };
        for (index, request) in requests {
            let id = run.leg(index).member.to_string();
            let count = asked.entry(id.clone()).or_default();
            let answer = member(&id, &request, *count);
            *count += 1;
            run.feed(index, answer.map_err(|fault| (fault, None)));
        }
    }
    panic!("the page does not come to an end");
}

fn first(plan: &Plan, limit: u32, member: impl FnMut(&str, &Request, usize) -> Result<Page, Fault>) -> PageEnd {
    page(plan, Session::begin(plan, [0; 12], 0), true, limit, member)
}

fn ids(end: &PageEnd) -> Vec<&str> {
    end.hits.iter().map(|(_, hit)| &*hit.key.id).collect()
}

#[test]
fn a_member_that_is_out_of_order_is_not_believed() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let end = first(&plan, 5, |_, _, _| Ok(answer(vec![item("a", 9), item("b", 5), item("c", 7)], None)));
    assert_eq!(end.legs[0].status, Status::OrderViolation);
    assert!(end.legs[0].gaps[0].to.is_none() && end.hits.is_empty());
    assert!(matches!(decide(&end, &plan, Handling::Lenient), Verdict::Failed { kind: Failed::Bad, .. }));
}

#[test]
fn a_member_that_repeats_its_first_page_for_ever_is_left_with_no_progress() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let mut tokens = 0;
    let end = first(&plan, 10, |member, _, _| {
        tokens += 1;
        Ok(match member {
            "A" => answer(vec![item("a", 9), item("b", 8)], Some(&format!("page-{tokens}"))),
            _ => answer(vec![item("z", 1)], None),
        })
    });
    assert_eq!(ids(&end), ["a"]);
    assert_eq!(end.legs[0].status, Status::NoProgress);
    assert!(end.legs[0].requests <= 4);
    // an Item was given, so no gap is opened yet: the page ends early and can be gone on from
    assert!(end.next.is_some() && decide(&end, &plan, Handling::Lenient) == Verdict::Complete);
}

#[test]
fn a_full_page_without_a_next_link_is_not_believed() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let all: Vec<Item> = (0..30).map(|n| item(&format!("i{n:02}"), 1_000 - n)).collect();
    let serve = |request: &Request| {
        let below = request.datetime.and_then(|interval| interval.end).map_or(i64::MAX, |end| end.timestamp_millis());
        let list = all.iter().filter(|item| item.time_key() <= Some(below)).cloned();
        Ok(answer(list.take(request.limit.min(10) as usize).collect(), None))
    };
    let mut capped = plan.clone();
    capped.legs[0].page_max = 10;
    let end = first(&capped, 20, |_, request, _| serve(request));
    assert_eq!(end.hits.len(), 20, "ten at a time, by bound, though the member never says that there is more");
    let rest = page(&capped, end.next.expect("a next page"), false, 20, |_, request, _| serve(request));
    assert_eq!(rest.hits.len(), 10);
    assert!(rest.next.is_none() && rest.legs[0].gaps.is_empty());
}

#[test]
fn a_tie_that_nothing_leads_through_is_given_up_alone() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let tie: Vec<Item> = (0..2_500).map(|n| item(&format!("t{:04}", (n * 7) % 2_500), 50)).collect();
    let end = first(&plan, 10, |member, request, _| {
        if member == "B" {
            return Ok(answer(vec![item("b", 10)], None));
        }
        let below = request.datetime.and_then(|interval| interval.end).map_or(i64::MAX, |end| end.timestamp_micros());
        if below < 50_000 {
            return Ok(answer(vec![item("a", 5)], None));
        }
        // there is more, and no way to it
        Ok(answer(tie[..request.limit as usize].to_vec(), None))
    });
    assert_eq!(ids(&end), ["b", "a"], "what lies behind the tie is still given");
    assert_eq!(end.legs[0].status, Status::TooLarge);
    assert!(end.legs[0].gaps[0].to.is_some(), "the gap is the tie, no more");
    assert_eq!(decide(&end, &plan, Handling::Lenient), Verdict::Partial);
    let strict = decide(&end, &plan, Handling::Strict);
    assert!(matches!(strict, Verdict::Failed { kind: Failed::Bad, retry_after_s: None, .. }), "{strict:?}");
}

#[test]
fn a_member_that_cannot_sort_and_has_too_much_is_left_out_by_name() {
    let plan = plan(vec![leg("A", Mode::Drain), leg("B", Mode::Keyset)], newest_first());
    let end = first(&plan, 10, |member, _, _| {
        Ok(match member {
            "A" => Page {
                matched: Some(crate::members::Matched { count: 1_001, exact: true }),
                ..answer(vec![item("a", 1)], Some("2"))
            },
            _ => answer(vec![item("b", 2)], None),
        })
    });
    assert_eq!(ids(&end), ["b"]);
    assert_eq!(end.legs[0].status, Status::SkippedCapability);
    assert!(end.legs[0].feature.as_deref().is_some_and(|feature| feature.contains("sort")));
    assert_eq!(end.matched, None);
}

/// Items at the very start of the time asked for are read on by token, since no bound leads behind them; that list may end
/// with a full page.
#[test]
fn the_last_page_of_a_list_that_goes_on_by_token_may_be_full() {
    let edge = DateTime::from_timestamp_millis(50);
    let interval = Some(Interval { start: edge, end: None });
    let mut only = leg("A", Mode::Keyset);
    only.ask.datetime = interval;
    let plan = plan(vec![only], newest_first());
    let all = [("a", 70), ("b", 60), ("c", 50), ("d", 50)];
    let mut session = Some(Session::begin(&plan, [0; 12], 0));
    let (mut got, mut first) = (Vec::new(), true);
    while let Some(begun) = session {
        let end = page(&plan, begun, first, 1, |_, request, _| {
            let asked = request.datetime.or(interval).unwrap_or_default();
            let last = asked.end.map_or(i64::MAX, |end| end.timestamp_millis());
            let list: Vec<Item> = all.iter().filter(|(_, ms)| *ms <= last).map(|(id, ms)| item(id, *ms)).collect();
            let from = request.token.as_ref().map_or(0, |token| token.0.parse::<usize>().expect("a number"));
            let until = (from + request.limit as usize).min(list.len());
            let next = until.to_string();
            Ok(answer(list[from..until].to_vec(), (until < list.len()).then_some(next.as_str())))
        });
        assert_eq!(decide(&end, &plan, Handling::Strict), Verdict::Complete, "after {got:?}: {:?}", end.legs);
        got.extend(ids(&end).into_iter().map(str::to_owned));
        (session, first) = (end.next, false);
    }
    assert_eq!(got, ["a", "b", "c", "d"]);
}

#[test]
fn a_failure_after_an_item_ends_the_page_early_and_opens_no_gap() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let end = first(&plan, 10, |member, _, count| match (member, count) {
        ("A", _) => Ok(answer(vec![item("a", 90)], None)),
        (_, 0) => Ok(answer(vec![item("b1", 80), item("b2", 70)], Some("more"))),
        _ => Err(Fault::Timeout),
    });
    assert_eq!(ids(&end), ["a", "b1"]);
    assert_eq!(end.legs[1].status, Status::Timeout);
    assert!(end.legs[1].gaps.is_empty() && end.next.is_some());
    assert_eq!(decide(&end, &plan, Handling::Strict), Verdict::Complete);
}

#[test]
fn a_gap_is_carried_and_closed_where_the_member_is_picked_up_again() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let healthy = |member: &str| match member {
        "A" => answer(vec![item("a3", 30), item("a2", 20), item("a1", 10)], None),
        _ => answer(vec![item("b2", 25), item("b1", 5)], None),
    };
    let end = first(&plan, 2, |member, _, _| if member == "B" { Err(Fault::Unreachable) } else { Ok(healthy(member)) });
    assert_eq!(ids(&end), ["a3", "a2"]);
    assert_eq!(decide(&end, &plan, Handling::Lenient), Verdict::Partial);
    assert!(matches!(decide(&end, &plan, Handling::Strict), Verdict::Failed { kind: Failed::Unavailable, .. }));
    let later = page(&plan, end.next.expect("a next page"), false, 10, |member, _, _| Ok(healthy(member)));
    assert_eq!(ids(&later), ["a1", "b1"], "b2 lies in the gap and is not shown out of order");
    let gap = &later.legs[1].gaps[0];
    assert!(gap.to.is_some(), "the gap ends where the member was picked up");
    assert_eq!(decide(&later, &plan, Handling::Lenient), Verdict::Partial, "every later page repeats it");
    assert_eq!(decide(&later, &plan, Handling::Strict), Verdict::Partial, "a closed gap does not fail a strict page");
}

#[test]
fn all_failed_is_an_error_and_nobody_selected_is_not() {
    let asked = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let cases = [
        (Fault::Timeout, Fault::Timeout, Failed::TimedOut),
        (Fault::Timeout, Fault::Unreachable, Failed::Unavailable),
        (Fault::BadResponse, Fault::Timeout, Failed::Bad),
    ];
    for (a, b, expected) in cases {
        let end = first(&asked, 10, |member, _, _| Err(if member == "A" { a } else { b }));
        assert!(matches!(decide(&end, &asked, Handling::Lenient), Verdict::Failed { kind, .. } if kind == expected));
    }
    let nobody = plan(Vec::new(), newest_first());
    let end = first(&nobody, 10, |_, _, _| Err(Fault::Timeout));
    assert_eq!(decide(&end, &nobody, Handling::Strict), Verdict::Complete);
    assert!(end.hits.is_empty() && end.next.is_none());
}

#[test]
fn a_required_member_fails_the_page_under_either_handling() {
    let mut required = leg("B", Mode::Keyset);
    required.required = true;
    let plan = plan(vec![leg("A", Mode::Keyset), required], newest_first());
    let end = first(
        &plan,
        2,
        |member, _, _| if member == "B" { Err(Fault::Timeout) } else { Ok(answer(vec![item("a", 1)], None)) },
    );
    assert!(matches!(decide(&end, &plan, Handling::Lenient), Verdict::Failed { kind: Failed::TimedOut, .. }));
}

#[test]
fn a_search_nobody_can_do_is_the_clients_to_change() {
    let refused = Refused { member: MemberId::new("A"), feature: "item-search".into(), required: false };
    let plan = Plan { refused: vec![refused], ..plan(Vec::new(), newest_first()) };
    let end = first(&plan, 10, |_, _, _| Err(Fault::Timeout));
    assert!(matches!(decide(&end, &plan, Handling::Lenient), Verdict::Failed { kind: Failed::Incapable, .. }));
}

#[test]
fn members_that_left_or_joined_between_pages_are_named() {
    let before = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let all = |member: &str| Ok(answer((0..9).map(|n| item(&format!("{member}{n}"), 90 - n)).collect(), None));
    let end = first(&before, 4, |member, _, _| all(member));
    let after = plan(vec![leg("A", Mode::Keyset), leg("C", Mode::Keyset)], newest_first());
    let later = page(&after, end.next.expect("a next page"), false, 4, |member, _, _| {
        assert_ne!(member, "C", "a member that joined is not asked in an older session");
        all(member)
    });
    assert_eq!(later.joined, [MemberId::new("C")]);
    let left = later.legs.iter().find(|leg| leg.member.as_str() == "B").expect("the member that left");
    assert_eq!(left.status, Status::Removed);
    assert!(left.gaps[0].to.is_none());
}

#[test]
fn counts_add_up_only_when_everybody_counts() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let counted = |count: Option<u64>| {
        let matched = count.map(|count| crate::members::Matched { count, exact: true });
        Page { matched, ..answer(vec![item("a", 1)], None) }
    };
    let both = first(&plan, 10, |_, _, _| Ok(counted(Some(21))));
    assert_eq!(both.matched, Some(42));
    let one = first(&plan, 10, |member, _, _| Ok(counted((member == "A").then_some(21))));
    assert_eq!(one.matched, None);
}

#[test]
fn the_quota_order_does_not_depend_on_the_page_size() {
    let plan = plan(vec![leg("A", Mode::Quota), leg("B", Mode::Quota), leg("C", Mode::Quota)], Order::Quota);
    let lists = |member: &str| {
        (0..if member == "B" { 3 } else { 8 }).map(|n| item(&format!("{member}{n}"), 0)).collect::<Vec<_>>()
    };
    let serve = |member: &str, request: &Request| {
        let all = lists(member);
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().expect("an offset"));
        let to = (from + request.limit as usize).min(all.len());
        let next = (to < all.len()).then(|| to.to_string());
        Ok(answer(all[from..to].to_vec(), next.as_deref()))
    };
    let walk = |limit: u32| {
        let mut given: Vec<Arc<str>> = Vec::new();
        let mut session = Session::begin(&plan, [0; 12], 0);
        for turn in 0.. {
            let end = page(&plan, session, turn == 0, limit, |member, request, _| serve(member, request));
            given.extend(end.hits.iter().map(|(_, hit)| Arc::from(&*hit.key.id)));
            let Some(next) = end.next else { break };
            session = next;
        }
        given
    };
    let whole = walk(100);
    assert_eq!(whole.len(), 19);
    assert_eq!(whole[..4].iter().map(|id| &**id).collect::<Vec<_>>(), ["A0", "B0", "C0", "A1"]);
    for limit in [1, 2, 3, 5, 7] {
        assert_eq!(walk(limit), whole, "pages of {limit}");
    }
}

#[test]
fn a_tie_of_twenty_thousand_is_walked_with_few_requests_a_page() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let tie: Vec<Item> = (0..20_000).map(|n| item(&format!("t{n:05}"), 50)).collect();
    let serve = |member: &str, request: &Request| {
        let below = request.datetime.and_then(|interval| interval.end).map_or(i64::MAX, |end| end.timestamp_micros());
        let list = match member {
            "A" if below >= 50_000 => &tie[..],
            _ => &[],
        };
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().expect("an offset"));
        let to = (from + request.limit as usize).min(list.len());
        let last = if member == "B" { vec![item("t00500", 50), item("z", 40)] } else { Vec::new() };
        let next = (to < list.len()).then(|| to.to_string());
        Ok(answer([list[from.min(to)..to].to_vec(), last].concat(), next.as_deref()))
    };
    let (mut given, mut requests) = (Vec::new(), Vec::new());
    let mut session = Session::begin(&plan, [0; 12], 0);
    for turn in 0.. {
        let end = page(&plan, session, turn == 0, 100, |member, request, _| serve(member, request));
        given.extend(end.hits.iter().map(|(_, hit)| (hit.key.id.to_string(), hit.key.collection.to_string())));
        requests.push(end.legs.iter().map(|leg| leg.requests).sum::<u32>());
        assert!(end.legs.iter().all(|leg| leg.gaps.is_empty()), "page {turn}: {:?}", end.legs);
        let Some(next) = end.next else { break };
        session = next;
    }
    assert_eq!(given.len(), 20_002);
    assert!(given.is_sorted(), "by id, then by collection");
    assert!(requests.iter().all(|requests| *requests <= 6), "{requests:?}");
}

#[test]
fn a_member_that_lacks_members_of_its_own_makes_the_answer_incomplete() {
    for mode in [Mode::Keyset, Mode::PassThrough] {
        let order = if mode == Mode::Keyset { newest_first() } else { Order::Quota };
        let plan = plan(vec![leg("A", mode)], order);
        let whole = || answer(vec![item("a", 3), item("b", 2), item("c", 1)], None);
        let end = first(&plan, 1, |_, _, _| Ok(Page { partial: Some("it is not whole".into()), ..whole() }));
        assert_eq!(ids(&end), ["a"], "what it has is given");
        assert_eq!(end.legs[0].status, Status::BadResponse);
        assert_eq!(decide(&end, &plan, Handling::Lenient), Verdict::Partial);
        assert!(matches!(decide(&end, &plan, Handling::Strict), Verdict::Failed { .. }));
        let later = page(&plan, end.next.expect("a next page"), false, 1, |_, _, _| Ok(whole()));
        assert_eq!((ids(&later), later.legs[0].status), (vec!["b"], Status::Ok));
        assert_eq!(decide(&later, &plan, Handling::Lenient), Verdict::Partial, "later pages repeat it");
    }
}

#[test]
fn a_list_that_says_it_is_cut_goes_on_by_bound_though_its_page_was_not_full() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let end = first(&plan, 4, |_, request, _| {
        let until = request.datetime.and_then(|asked| asked.end).map_or(i64::MAX, |end| end.timestamp_millis());
        let below = (0..10).rev().filter(|ms| *ms <= until).take(2).map(|ms| item(&format!("i{ms}"), ms));
        let items: Vec<Item> = below.collect();
        let cut = items.last().is_some_and(|item| item.time_key() > Some(0));
        Ok(Page { cut, ..answer(items, None) })
    });
    assert_eq!(ids(&end), ["i9", "i8", "i7", "i6"], "each list gives one new time more");
    assert_eq!(end.legs[0].status, Status::Ok);
    assert!(end.next.is_some());
}

#[test]
fn a_cut_list_without_a_way_to_its_rest_is_declared() {
    let cut = || Page { cut: true, ..answer(vec![item("a", 9), item("b", 5)], None) };
    for (mode, status) in [(Mode::Drain, Status::SkippedCapability), (Mode::Token, Status::TooLarge)] {
        let plan = plan(vec![leg("A", mode)], newest_first());
        let end = first(&plan, 10, |_, _, _| Ok(cut()));
        assert_eq!(end.legs[0].status, status, "{mode:?}");
        assert!(end.next.is_none() || end.legs[0].broken || !end.hits.is_empty(), "{mode:?}");
    }
    let quota = plan(vec![leg("A", Mode::Quota)], Order::Quota);
    let end = first(&quota, 10, |_, _, _| Ok(cut()));
    assert_eq!((ids(&end), end.legs[0].status), (vec!["a", "b"], Status::TooLarge));
    assert!(end.legs[0].broken);
}
