//! One Item at several holders of a shared Collection: who gives it, and who is named.

use super::*;
use crate::search::plan::shared::{Over, Share};
use crate::search::plan::windows::Windows;
use crate::search::request::KeyKind;

fn holder(member: &str, mode: Mode, rank: usize) -> Leg {
    let share = Share { id: "s".into(), rank, windows: Windows::default(), united: true, ids_max: 50, stands_by: None };
    Leg { part: "s".into(), shared: Some(share), ..leg(member, mode) }
}

/// An Item with a property to sort by.
fn valued(id: &str, value: i64) -> Item {
    let bytes = Bytes::from(format!("{{\"v\":{value}}}"));
    let spans = Spans { properties: 0..bytes.len() as u32, ..Spans::default() };
    Item { bytes, spans, ..item(id, 0) }
}

#[test]
fn of_one_item_the_highest_holders_is_given_and_the_others_are_named() {
    // the lower holder stands first in the session
    let plan = plan(vec![holder("B", Mode::Keyset, 1), holder("A", Mode::Keyset, 0)], newest_first());
    let end = first(&plan, 10, |_, _, _| Ok(answer(vec![item("x", 9)], None)));
    assert_eq!(ids(&end), ["x"]);
    let (member, hit) = &end.hits[0];
    assert_eq!((member.as_str(), &hit.replicas[..]), ("A", &[MemberId::new("B")][..]));
}

#[test]
fn holders_that_disagree_on_the_key_give_an_item_once_and_from_the_highest() {
    let key = SortBy { field: "v".into(), kind: KeyKind::Number, ..SortBy::default() };
    let plan = plan(vec![holder("A", Mode::Token, 0), holder("B", Mode::Token, 1)], Order::Sorted(vec![key]));
    for (high, low) in [(1, 5), (5, 1)] {
        let end = first(&plan, 10, |member, request, _| {
            let all = if member == "A" { vec![valued("x", high)] } else { vec![valued("x", low), valued("y", 7)] };
            let wanted = |item: &Item| request.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| **id == *item.id));
            Ok(answer(all.into_iter().filter(wanted).collect(), None))
        });
        assert_eq!(ids(&end), ["x", "y"], "at {high} and {low}");
        assert_eq!(end.hits[0].0.as_str(), "A");
        assert!(end.legs.iter().all(|leg| leg.gaps.is_empty()));
    }
}

#[test]
fn nothing_is_missing_of_a_holder_that_is_taken_over() {
    let mut standing_by = holder("B", Mode::Keyset, 1);
    standing_by.part = "s,A".into();
    if let Some(share) = &mut standing_by.shared {
        share.stands_by = Some(Over { member: "A".into(), part: "s".into() });
    }
    let plan = Plan { standby: vec![standing_by], ..plan(vec![holder("A", Mode::Keyset, 0)], newest_first()) };
    let end = first(
        &plan,
        10,
        |member, _, _| {
            if member == "A" { Err(Fault::Timeout) } else { Ok(answer(vec![item("x", 9)], None)) }
        },
    );
    assert_eq!(ids(&end), ["x"]);
    assert!(end.legs.iter().all(|leg| leg.gaps.is_empty()), "{:?}", end.legs);
}

/// By a number on which holders need not agree.
fn by_value() -> Order {
    Order::Sorted(vec![SortBy { field: "v".into(), kind: KeyKind::Number, ..SortBy::default() }])
}

/// What a holder answers of its list, which is sorted by value, in pages of three.
fn of_list(list: &[(&str, i64)], request: &Request) -> Page {
    let is_asked = |id: &str| request.ids.as_ref().is_none_or(|ids| ids.iter().any(|asked| asked == id));
    let list: Vec<Item> = list.iter().filter(|(id, _)| is_asked(id)).map(|(id, value)| valued(id, *value)).collect();
    let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().unwrap());
    let to = (from + 3).min(list.len());
    let next = (to < list.len()).then(|| to.to_string());
    answer(list[from..to].to_vec(), next.as_deref())
}

const HIGH: [(&str, i64); 3] = [("x", 1), ("y", 5), ("w", 30)];
const LOW: [(&str, i64); 5] = [("z", 2), ("y", 10), ("x", 20), ("w", 25), ("u", 40)];

fn two_holders() -> Plan {
    plan(vec![holder("A", Mode::Token, 0), holder("B", Mode::Token, 1)], by_value())
}

/// Pages of one Item, until there are no more; on pages of `silent` the first holder does not answer.
fn walked(plan: &Plan, silent: &[usize]) -> Vec<PageEnd> {
    let mut session = Some(Session::begin(plan, [0; 12], 0));
    let mut pages = Vec::new();
    while let Some(now) = session.take() {
        let number = pages.len();
        let end = page(plan, now, number == 0, 1, |member, request, _| match member {
            "A" if silent.contains(&number) => Err(Fault::Timeout),
            "A" => Ok(of_list(&HIGH, request)),
            _ => Ok(of_list(&LOW, request)),
        });
        session.clone_from(&end.next);
        pages.push(end);
        assert!(pages.len() < 20, "it does not end");
    }
    pages
}

fn all_ids(pages: &[PageEnd]) -> Vec<&str> {
    pages.iter().flat_map(ids).collect()
}

#[test]
fn a_holder_that_has_given_all_is_still_asked_which_of_it_others_have() {
    let pages = walked(&two_holders(), &[]);
    assert_eq!(all_ids(&pages), ["x", "z", "y", "w", "u"], "`x` is at 20 of the other list too, `y` at 10");
    assert!(pages.iter().all(|end| decide(end, &two_holders(), Handling::Lenient) == Verdict::Complete));
}

#[test]
fn each_higher_holder_is_asked_once_for_a_page() {
    let plan = two_holders();
    let low: Vec<(String, i64)> = (0..40).map(|n| (format!("i{n:02}"), n)).collect();
    let mut questions = 0;
    let end = first(&plan, 40, |member, request, _| {
        questions += usize::from(request.ids.is_some());
        let all: Vec<Item> = if member == "A" { vec![valued("far", 900)] } else { low_items(&low) };
        let wanted = |item: &Item| request.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| **id == *item.id));
        let items = all.into_iter().filter(wanted).collect();
        // it says that there is more of its own list
        Ok(answer(items, (member == "A" && request.ids.is_none()).then_some("more")))
    });
    assert_eq!((end.hits.len(), questions), (40, 1));
}

fn low_items(list: &[(String, i64)]) -> Vec<Item> {
    list.iter().map(|(id, value)| valued(id, *value)).collect()
}

#[test]
fn a_holder_that_is_silent_from_the_start_is_passed_over_and_comes_with_the_retry() {
    let plan = two_holders();
    let pages = walked(&plan, &[0]);
    assert_eq!(all_ids(&pages), ["z", "y", "x", "w", "u"], "as the other one has them");
    for end in &pages {
        let out = end.legs.iter().find(|leg| leg.member.as_str() == "A").unwrap();
        assert_eq!((out.status, out.gaps[0].to.as_ref(), out.broken), (Status::Timeout, None, true), "no way back in");
        assert_eq!(decide(end, &plan, Handling::Lenient), Verdict::Partial);
    }
    let missed = pages.last().unwrap().missed.clone().expect("what is missing can be had");
    let end = page(&plan, missed, false, 10, |member, request, _| {
        assert_eq!(member, "A", "who misses nothing is not asked");
        Ok(of_list(&HIGH, request))
    });
    assert_eq!(ids(&end), ["x", "y", "w"]);
}

#[test]
fn a_holder_that_falls_silent_after_it_gave_items_leaves_a_gap_and_no_repeat() {
    let plan = two_holders();
    // by then the first holder gave `x` and `y`: whether it gave `x`, at 20 of the other list, only it can tell
    let pages = walked(&plan, &[3]);
    assert_eq!(all_ids(&pages), ["x", "z", "y"]);
    let last = pages.last().unwrap();
    let gaps: Vec<(&str, Status)> =
        last.legs.iter().flat_map(|leg| leg.gaps.iter().map(|gap| (leg.member.as_str(), gap.status))).collect();
    assert_eq!(gaps, [("A", Status::Timeout), ("B", Status::Timeout)], "both may lack Items");
    let told = last.legs[1].feature.as_deref().unwrap();
    assert!(told.contains("`A` gave already"), "{told}");
    assert!(matches!(decide(last, &plan, Handling::Lenient), Verdict::Failed { kind: Failed::TimedOut, .. }));
}

#[test]
fn a_page_with_items_ends_where_a_holder_cannot_be_asked_and_goes_on_when_it_can() {
    let plan = two_holders();
    let mut silent = true;
    let mut serve = |member: &str, request: &Request, _: usize| match member {
        "A" if silent && request.ids.is_some() => {
            silent = false;
            Err(Fault::Timeout)
        }
        "A" => Ok(of_list(&[("x", 1), ("y", 5), ("w", 30), ("v", 50)], request)),
        _ => Ok(of_list(&LOW, request)),
    };
    let end = first(&plan, 10, &mut serve);
    assert_eq!((ids(&end), decide(&end, &plan, Handling::Lenient)), (vec!["x"], Verdict::Complete));
    let end = page(&plan, end.next.unwrap(), false, 10, &mut serve);
    assert_eq!((ids(&end), end.legs.iter().all(|leg| leg.gaps.is_empty())), (vec!["z", "y", "w", "u", "v"], true));
}

#[test]
fn a_holder_that_cannot_be_asked_by_ids_asks_the_others() {
    let mut plan = two_holders();
    mute(&mut plan, 0);
    let pages = walked(&plan, &[]);
    assert_eq!(all_ids(&pages), ["z", "y", "x", "w", "u"], "what both have comes from the one that can be asked");
    assert!(pages.iter().all(|end| end.legs.iter().all(|leg| leg.gaps.is_empty())));
}

fn mute(plan: &mut Plan, leg: usize) {
    plan.legs[leg].shared.as_mut().unwrap().ids_max = 0;
}

#[test]
fn of_two_holders_that_cannot_be_asked_by_ids_the_lower_one_is_left_out() {
    let mut plan = two_holders();
    mute(&mut plan, 0);
    mute(&mut plan, 1);
    for end in walked(&plan, &[]) {
        assert!(end.hits.iter().all(|(member, _)| member.as_str() == "A"));
        let out = end.legs.iter().find(|leg| leg.member.as_str() == "B").unwrap();
        assert_eq!((out.status, out.feature.as_deref(), out.requests), (Status::SkippedCapability, Some("ids"), 0));
        let strict = decide(&end, &plan, Handling::Strict);
        assert!(matches!(strict, Verdict::Failed { kind: Failed::Incapable, .. }), "{strict:?}");
    }
}

#[test]
fn an_incomplete_answer_does_not_tell_that_an_item_is_not_there() {
    let plan = two_holders();
    let mut pages = 0;
    let end = first(&plan, 10, |member, request, _| {
        pages += 1;
        let mut page = if member == "A" {
            of_list(&[("x", 1), ("y", 5), ("w", 30), ("v", 50)], request)
        } else {
            of_list(&LOW, request)
        };
        if request.ids.is_some() {
            page.items.clear();
            page.partial = Some("it lacks members of its own".into());
        }
        Ok(page)
    });
    assert_eq!(ids(&end), ["x"], "of {pages} answers none says who has `z`");
}

/// A federation in which the second holder stands by for the first.
fn standing_by(order: Order) -> Plan {
    let windowless = |mut leg: Leg| {
        leg.shared.as_mut().unwrap().united = false;
        leg
    };
    let mut second = windowless(holder("B", Mode::Keyset, 1));
    second.part = "s,A".into();
    second.shared.as_mut().unwrap().stands_by = Some(Over { member: "A".into(), part: "s".into() });
    Plan { standby: vec![second], ..plan(vec![windowless(holder("A", Mode::Keyset, 0))], order) }
}

#[test]
fn nobody_takes_over_in_an_order_in_which_replicas_may_stand_elsewhere() {
    let mut plan = standing_by(by_value());
    plan.legs[0].mode = Mode::Token;
    plan.standby[0].mode = Mode::Token;
    // from the start it is no matter where they stand
    let end = first(&plan, 2, |member, request, _| match member {
        "A" => Err(Fault::Timeout),
        _ => Ok(of_list(&LOW, request)),
    });
    assert_eq!((ids(&end), decide(&end, &plan, Handling::Lenient)), (vec!["z", "y"], Verdict::Complete));
    // later it would give `x` again, which the first one gave, and never `z`
    let one = first(&plan, 1, |_, request, _| Ok(of_list(&HIGH, request)));
    assert_eq!(ids(&one), ["x"]);
    let two = page(&plan, one.next.unwrap(), false, 1, |member, _, _| {
        assert_eq!(member, "A");
        Err(Fault::Timeout)
    });
    assert!(two.hits.is_empty() && two.legs[0].covered_by.is_empty(), "{:?}", two.legs);
    assert_eq!((two.legs[0].status, two.legs[0].gaps.len()), (Status::Timeout, 1));
}

#[test]
fn in_an_order_by_time_and_another_key_the_next_holder_goes_on_behind_the_tie() {
    let mut order = newest_first();
    if let Order::Sorted(keys) = &mut order {
        keys.push(SortBy { field: "v".into(), kind: KeyKind::Number, ..SortBy::default() });
    }
    let plan = standing_by(order);
    let at = |id: &str, ms: i64, value: i64| Item { times: item(id, ms).times, ..valued(id, value) };
    let one = first(&plan, 1, |_, _, _| Ok(answer(vec![at("a", 9, 1), at("b", 9, 2), at("c", 5, 1)], None)));
    assert_eq!(ids(&one), ["a"]);
    // the other one has the tie the other way around
    let two = page(&plan, one.next.unwrap(), false, 5, |member, request, _| {
        if member == "A" {
            return Err(Fault::Unreachable);
        }
        let until = request.datetime.and_then(|asked| asked.end).map_or(i64::MAX, |end| end.timestamp_millis());
        let all = [at("b", 9, 1), at("a", 9, 2), at("c", 5, 7)];
        Ok(answer(all.into_iter().filter(|item| item.time_key() <= Some(until)).collect(), None))
    });
    assert_eq!(ids(&two), ["c"], "neither `a` again nor `b` out of order");
    let failed = two.legs.iter().find(|leg| leg.member.as_str() == "A").unwrap();
    assert_eq!(failed.covered_by, ["B"]);
    assert_eq!(failed.gaps.len(), 1, "the rest of the tie: {:?}", failed.gaps);
    assert_eq!(failed.gaps[0].to, Some(Position::After(Value::Time(9))));
    assert_eq!(decide(&two, &plan, Handling::Lenient), Verdict::Partial);
}

#[test]
fn where_a_holder_leaves_in_mid_walk_nobody_can_tell_what_it_gave() {
    let both = two_holders();
    let one = first(&both, 1, |member, request, _| Ok(of_list(if member == "A" { &HIGH } else { &LOW }, request)));
    assert_eq!(ids(&one), ["x"]);
    let mut without = both.clone();
    without.legs.remove(0);
    let two = page(&without, one.next.unwrap(), false, 10, |_, _, _| panic!("nobody can be asked"));
    assert!(two.hits.is_empty() && two.legs.iter().all(|leg| leg.status == Status::Removed && !leg.gaps.is_empty()));
    // of a new search nothing was given yet
    let anew = first(&without, 10, |_, request, _| Ok(of_list(&LOW, request)));
    assert_eq!(anew.hits.len(), 5);
}
