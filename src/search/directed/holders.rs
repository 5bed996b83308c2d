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
