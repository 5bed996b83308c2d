//! One Item at several holders of a shared Collection: who gives it, and who is named.

use super::*;
use crate::search::plan::shared::{Over, Share};
use crate::search::plan::windows::Windows;
use crate::search::request::KeyKind;

fn holder(member: &str, mode: Mode, rank: usize) -> Leg {
    let share =
        Share { id: "s".into(), rank, windows: Windows::default(), united: true, by_ids: true, stands_by: None };
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

#[test]
fn a_holder_that_cannot_be_asked_by_ids_is_given_up_where_it_would_have_to_be() {
    let key = SortBy { field: "v".into(), kind: KeyKind::Number, ..SortBy::default() };
    let mut mute = holder("A", Mode::Token, 0);
    if let Some(share) = &mut mute.shared {
        share.by_ids = false;
    }
    let plan = plan(vec![mute, holder("B", Mode::Token, 1)], Order::Sorted(vec![key]));
    let end = first(&plan, 10, |member, request, _| {
        assert!(member != "A" || request.ids.is_none(), "it cannot be asked by ids");
        Ok(answer(vec![if member == "A" { valued("x", 9) } else { valued("y", 1) }], None))
    });
    assert_eq!(ids(&end), ["y"]);
    assert_eq!(end.legs[0].status, Status::SkippedCapability);
    assert!(!end.legs[0].gaps.is_empty(), "what it has and the other lacks is declared");
}

#[test]
fn nobody_takes_over_inside_a_walk_but_behind_it() {
    let mut leader = holder("A", Mode::Keyset, 0);
    let mut standing_by = holder("B", Mode::Keyset, 1);
    standing_by.part = "s,A".into();
    for share in [&mut leader.shared, &mut standing_by.shared].into_iter().flatten() {
        share.united = false;
    }
    if let Some(share) = &mut standing_by.shared {
        share.stands_by = Some(Over { member: "A".into(), part: "s".into() });
    }
    let plan = Plan { standby: vec![standing_by], ..plan(vec![leader], newest_first()) };
    // both have the same Items, in other orders
    let all: Vec<Item> = (0..3_000).map(|n| item(&format!("tie-{:04}", (n * 7_919) % 3_000), 50)).collect();
    let (before, behind) = (item("new", 90), item("old", 10));
    let serve = |member: &str, request: &Request| {
        let asked = request.datetime.unwrap_or_default();
        let mut list = [vec![before.clone()], all.clone(), vec![behind.clone()]].concat();
        if member == "B" {
            list[1..=3_000].sort_by(|a, b| b.id.cmp(&a.id));
        }
        list.retain(|item| item.meets_time(&asked));
        let from = request.token.as_ref().map_or(0, |token| token.0.parse().expect("a place"));
        let to = (from + request.limit as usize).min(list.len());
        answer(list[from..to].to_vec(), (to < list.len()).then(|| to.to_string()).as_deref())
    };
    let (mut given, mut session, mut last) = (Vec::new(), Some(Session::begin(&plan, [0; 12], 0)), None);
    for number in 0.. {
        let Some(now) = session.take() else { break };
        let end = page(&plan, now, number == 0, 100, |member, request, _| {
            if member == "A" && number > 4 { Err(Fault::Timeout) } else { Ok(serve(member, request)) }
        });
        given.extend(end.hits.iter().map(|(member, hit)| (member.to_string(), hit.item.id.to_string())));
        session.clone_from(&end.next);
        last = Some(end);
    }
    let end = last.expect("a page");
    let (old, by_the_leader) = given.split_last().expect("Items");
    assert!(by_the_leader.len() > 300 && by_the_leader.iter().all(|(member, _)| member == "A"), "in the walk");
    assert_eq!(*old, ("B".to_owned(), "old".to_owned()));
    assert_eq!(decide(&end, &plan, Handling::Lenient), Verdict::Partial, "{:?}", end.legs);
    // once A is well again, the retry gives the rest of the tie
    let mut session = end.missed;
    while let Some(now) = session.take() {
        let end = page(&plan, now, false, 100, |member, request, _| Ok(serve(member, request)));
        given.extend(end.hits.iter().map(|(member, hit)| (member.to_string(), hit.item.id.to_string())));
        session = end.next;
    }
    let ids: std::collections::BTreeSet<&str> = given.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!((ids.len(), given.len()), (3_002, 3_002));
}
