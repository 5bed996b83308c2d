//! Members that lead nowhere, and the bounds of a page.

use super::*;
use crate::members::KeyKind;
use crate::search::missed::Range;
use crate::search::order::{Key, Position};
use crate::search::session::{Gap, Place, SessionLeg};

/// As [`answer`], of a member that goes on with this token.
fn numbered(range: std::ops::Range<i64>, next: Option<&str>) -> Page {
    answer(range.map(|n| item(&format!("i{n:05}"), 1_000_000 - n)).collect(), next)
}

#[test]
fn disorder_on_a_later_page_is_declared_from_the_start_of_the_session() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let b = || answer(vec![item("b3", 30), item("b2", 20), item("b1", 10)], None);
    let end = first(&plan, 2, |member, _, _| {
        Ok(if member == "B" { b() } else { answer(vec![item("a4", 40), item("a3", 25)], None) })
    });
    assert_eq!(ids(&end), ["a4", "b3"]);
    let later = page(&plan, end.next.expect("a next page"), false, 2, |member, _, _| {
        Ok(if member == "B" { b() } else { answer(vec![item("a3", 25), item("a1", 5), item("a2", 15)], None) })
    });
    assert_eq!(later.legs[0].status, Status::OrderViolation);
    assert_eq!(later.legs[0].gaps[0].from, Position::Start, "what it gave earlier cannot be trusted either");
}

#[test]
fn a_page_with_items_examines_no_more_than_its_allowance() {
    let mut useless = leg("A", Mode::Keyset);
    useless.residual = Residual { ids: Some(vec!["none".into()]), selective: true, ..Residual::default() };
    let plan = plan(vec![useless, leg("B", Mode::Keyset)], newest_first());
    let end = first(&plan, 10, |member, _, count| {
        let from = 1_000 * i64::try_from(count).expect("a count");
        Ok(match member {
            "A" => numbered(from..from + 1_000, Some(&format!("after-{count}"))),
            _ => answer(vec![item("b2", 2_000_000), item("b1", 0)], None),
        })
    });
    assert_eq!(ids(&end), ["b2"], "the page ends early");
    assert_eq!(end.legs[0].requests, 3, "2,000 Items may be examined, and the third page has gone beyond");
    assert!(end.next.is_some() && end.legs[0].gaps.is_empty());
}

#[test]
fn empty_pages_with_new_tokens_are_followed_three_times() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let empty_before = |pages: usize| {
        first(&plan, 10, |member, _, count| {
            Ok(match member {
                "A" if count < pages => answer(Vec::new(), Some(&format!("t{count}"))),
                "A" => answer(vec![item("a", 9)], None),
                _ => answer(vec![item("b", 8)], None),
            })
        })
    };
    assert_eq!(ids(&empty_before(3)), ["a", "b"]);
    let end = empty_before(4);
    assert_eq!((ids(&end), end.legs[0].status), (vec!["b"], Status::NoProgress));
    assert!(!end.legs[0].gaps.is_empty() && end.missed.is_none(), "waiting does not help");
}

#[test]
fn an_empty_page_that_repeats_its_token_is_the_end() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let end = first(&plan, 10, |_, request, _| {
        Ok(if request.token.is_none() { answer(vec![item("a", 9)], Some("t")) } else { answer(Vec::new(), Some("t")) })
    });
    assert_eq!((ids(&end), end.legs[0].status), (vec!["a"], Status::Exhausted));
    assert!(end.legs[0].gaps.is_empty() && end.next.is_none());
}

#[test]
fn pages_that_lead_in_a_circle_are_left() {
    for (mode, order) in [(Mode::Keyset, newest_first()), (Mode::PassThrough, Order::Quota)] {
        let plan = plan(vec![leg("A", mode)], order);
        let end = first(&plan, 100, |_, _, count| {
            let from = 3 * i64::try_from(count).expect("a count");
            Ok(numbered(from..from + 3, Some(if count % 2 == 0 { "x" } else { "y" })))
        });
        assert_eq!(end.legs[0].status, Status::NoProgress, "{mode:?}");
        assert_eq!(end.legs[0].requests, 3, "{mode:?}: the third page leads where the first did");
    }
}

#[test]
fn a_member_that_refuses_its_token_is_read_on_by_bound() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let mut refused = 0;
    let end = first(&plan, 10, |_, request, _| {
        if request.token.is_some() {
            refused += 1;
            return Err(Fault::TokenRefused);
        }
        let below = request.datetime.and_then(|asked| asked.end).map_or(i64::MAX, |end| end.timestamp_millis());
        let list: Vec<Item> = (0..9).rev().filter(|ms| *ms <= below).map(|ms| item(&format!("i{ms}"), ms)).collect();
        Ok(answer(list.into_iter().take(3).collect(), Some("t")))
    });
    assert_eq!((refused, end.legs[0].gaps.len()), (2, 0));
    assert_eq!(ids(&end), ["i8", "i7", "i6", "i5"], "each list begins with the last tie of the one before");
    assert!(end.next.is_some() && decide(&end, &plan, Handling::Lenient) == Verdict::Complete);
}

#[test]
fn a_token_of_a_cursor_that_is_refused_leads_back_to_the_start_of_its_tie() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let mut run_out = Session::begin(&plan, [0; 12], 0);
    run_out.legs[0].place =
        Some(Place { token: Some(Token("old".into())), size: 5, bound: Position::Start, ..Place::default() });
    let end = page(&plan, run_out, false, 10, |_, request, _| {
        if request.token.is_some() { Err(Fault::TokenRefused) } else { Ok(numbered(0..3, None)) }
    });
    assert_eq!(end.hits.len(), 3);
    assert_eq!(end.legs[0].status, Status::Exhausted);
}

#[test]
fn a_member_that_cannot_sort_and_does_not_count_is_left_out_when_it_has_too_much() {
    let plan = plan(vec![leg("A", Mode::Drain), leg("B", Mode::Keyset)], newest_first());
    let end = first(&plan, 10, |member, _, count| {
        let from = 600 * i64::try_from(count).expect("a count");
        Ok(match member {
            "A" => numbered(from..from + 600, (count < 2).then_some(if count == 0 { "2" } else { "3" })),
            _ => answer(vec![item("b", 2)], None),
        })
    });
    assert_eq!(ids(&end), ["b"]);
    assert_eq!(end.legs[0].status, Status::SkippedCapability);
}

#[test]
fn a_member_that_stops_ordering_its_large_tie_is_not_believed() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let tie = |numbers: &[i64], next: &str| {
        answer(numbers.iter().map(|n| item(&format!("t{n:05}"), 50)).collect(), Some(next))
    };
    let ordered: Vec<i64> = (0..1_100).collect();
    let end = first(&plan, 10, |_, _, _| Ok(tie(&ordered, "2")));
    assert_eq!(end.hits.len(), 10);
    let mut session = end.next.expect("a next page");
    for _page in 0..200 {
        let end = page(&plan, session, false, 100, |_, request, _| {
            let first_page = request.token.is_none();
            Ok(if first_page { tie(&ordered, "2") } else { tie(&[1_200, 1_150, 1_300], "3") })
        });
        if end.legs[0].status == Status::OrderViolation {
            assert_eq!(end.legs[0].gaps[0].from, Position::Start);
            return;
        }
        session = end.next.expect("a next page, until the disorder is met");
    }
    panic!("the disorder was not met");
}

#[test]
fn one_id_in_two_collections_at_the_edge_of_a_page_of_a_large_tie_is_given_from_both() {
    let mut small = leg("A", Mode::Keyset);
    small.page_max = 32;
    let plan = plan(vec![small], newest_first());
    let of = |n: i64, collection: &str| Item { collection: collection.into(), ..item(&format!("t{n:03}"), 50) };
    let mut tie: Vec<Item> = (0..200).map(|n| of(n, "c")).collect();
    // a page ends with the one, and the next begins with the other, which comes first in the order
    tie.insert(96, of(95, "b"));
    tie.insert(160, of(158, "b"));
    let serve = |request: &Request| {
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().expect("an offset"));
        let to = (from + request.limit as usize).min(tie.len());
        Ok(answer(tie[from..to].to_vec(), (to < tie.len()).then(|| to.to_string()).as_deref()))
    };
    let end = first(&plan, 95, |_, request, _| serve(request));
    assert_eq!((end.hits.len(), ids(&end)[94]), (95, "t094"));
    let later = page(&plan, end.next.expect("a next page"), false, 66, |_, request, _| serve(request));
    assert_eq!(ids(&later)[..3], ["t095", "t095", "t096"]);
    assert_eq!(ids(&later)[63..], ["t157", "t158", "t158"]);
    let rest = page(&plan, later.next.expect("a next page"), false, 100, |_, request, _| serve(request));
    assert_eq!(later.hits.len() + rest.hits.len(), tie.len() - 95, "none is lost, whichever page ends first");
}

#[test]
fn a_retry_goes_on_where_the_list_of_its_member_stood() {
    let by_id = Order::Sorted(vec![SortBy { field: "id".into(), ..SortBy::default() }]);
    let plan = plan(vec![leg("A", Mode::Token)], by_id);
    let serve = |request: &Request| {
        let pages = [["a1", "a2", "a3"], ["a4", "a5", "a6"], ["a7", "a8", "a9"]];
        let at: usize = request.token.as_ref().map_or(0, |token| token.0.parse().expect("a page"));
        let next = (at < 2).then(|| (at + 1).to_string());
        Ok(answer(pages[at].iter().map(|id| item(id, 0)).collect(), next.as_deref()))
    };
    let end = first(&plan, 4, |_, request, _| serve(request));
    assert_eq!(ids(&end), ["a1", "a2", "a3", "a4"]);
    let failed = page(&plan, end.next.expect("a next page"), false, 4, |_, _, _| Err(Fault::Timeout));
    assert!(failed.hits.is_empty() && failed.next.is_none());
    let mut asked = Vec::new();
    let retry = page(&plan, failed.missed.expect("another try"), false, 4, |_, request, _| {
        asked.push(request.token.clone());
        serve(request)
    });
    assert_eq!(asked[0], Some(Token("1".into())));
    assert_eq!(ids(&retry), ["a5", "a6", "a7", "a8"]);
}

#[test]
fn a_place_in_the_order_by_turns_outlives_the_item_that_it_names() {
    let plan = plan(vec![leg("A", Mode::Quota)], Order::Quota);
    let mut list: Vec<Item> = (0..8).map(|n| item(&format!("a{n}"), 0)).collect();
    let end = page(&plan, Session::begin(&plan, [0; 12], 0), true, 3, |_, _, _| Ok(answer(list.clone(), None)));
    assert_eq!(ids(&end), ["a0", "a1", "a2"]);
    list.remove(2);
    list.insert(0, item("new", 0));
    let later = page(&plan, end.next.expect("a next page"), false, 3, |_, _, _| Ok(answer(list.clone(), None)));
    assert_eq!(ids(&later), ["a3", "a4", "a5"], "nothing is passed over or given again");
}

#[test]
fn an_item_that_moves_behind_the_place_is_not_given_again() {
    let plan = plan(vec![leg("A", Mode::Quota)], Order::Quota);
    let list = |ids: &[&str]| answer(ids.iter().map(|id| item(id, 0)).collect(), None);
    let before = ["a0", "a1", "a2", "a3", "a4", "a5"];
    let end = page(&plan, Session::begin(&plan, [0; 12], 0), true, 3, |_, _, _| Ok(list(&before)));
    assert_eq!(ids(&end), ["a0", "a1", "a2"]);
    let session = end.next.expect("a next page");
    let moved = ["a0", "a2", "a3", "a1", "a4", "a5"];
    let later = page(&plan, session.clone(), false, 3, |_, _, _| Ok(list(&moved)));
    assert_eq!(ids(&later), ["a3", "a4", "a5"]);
    let all_gone = ["n0", "n1", "n2", "a3", "a4", "a5"];
    let later = page(&plan, session, false, 3, |_, _, _| Ok(list(&all_gone)));
    assert_eq!(ids(&later), ["a3", "a4", "a5"], "with nothing left to hold the place, the offset does");
}

#[test]
fn a_retry_beside_a_next_page_asks_for_nothing_that_is_still_to_come() {
    let plan = plan(vec![leg("A", Mode::Keyset), leg("B", Mode::Keyset)], newest_first());
    let end = first(&plan, 2, |member, _, _| match member {
        "A" => Ok(answer(vec![item("a3", 30), item("a2", 20), item("a1", 10)], None)),
        _ => Err(Fault::Timeout),
    });
    let (next, missed) = (end.next.expect("a next page"), end.missed.expect("another try"));
    assert!(missed.legs[0].ended, "A has missed nothing");
    let ranges = &missed.legs[1].ranges;
    assert_eq!((ranges.len(), &ranges[0].from, &ranges[0].to), (1, &Position::Start, &next.watermark));
}

#[test]
fn a_full_page_of_a_window_without_a_next_link_is_not_believed() {
    let mut short = leg("A", Mode::Slice);
    short.page_max = 10;
    let plan = plan(vec![short], newest_first());
    let all: Vec<Item> = (0..25).map(|n| item(&format!("i{n:02}"), 1_000 + 7 * n)).collect();
    let mut session = Session::begin(&plan, [0; 12], 0);
    let mut given = Vec::new();
    for turn in 0..25 {
        let end = page(&plan, session, turn == 0, 30, |_, request, _| {
            let asked = request.datetime.unwrap_or_default();
            let list = all.iter().filter(|item| item.meets_time(&asked)).cloned();
            Ok(answer(list.take(request.limit as usize).collect(), None))
        });
        given.extend(ids(&end).into_iter().map(str::to_owned));
        let Some(next) = end.next else { break };
        session = next;
    }
    assert_eq!(given.len(), 25, "{given:?}");
}

#[test]
fn five_gaps_become_four_that_cover_them_all() {
    let at = |ms: i64| Position::Before(crate::search::order::Value::Time(ms));
    let mut leg = SessionLeg::default();
    for n in 0..5 {
        let (from, to) = (at(10 * n), Some(at(10 * n + 5)));
        leg.push_gap(Gap { from, to, status: Status::Timeout, place: None });
    }
    assert_eq!(leg.gaps.len(), 4);
    assert_eq!((&leg.gaps[0].from, &leg.gaps[0].to), (&at(0), &Some(at(15))), "widened outward");
}

/// An Item from `start` to `end`, in milliseconds.
fn lasting(id: &str, start: i64, end: i64) -> Item {
    let at = DateTime::from_timestamp_millis;
    Item { times: Times { datetime: None, start: at(start), end: at(end) }, ..item(id, start) }
}

#[test]
fn long_items_of_a_later_part_of_a_retry_are_no_tie_of_the_one_before() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let part = |from, to| Range { from, to, place: None };
    let ranges = vec![
        part(Position::Start, Position::After(Value::Time(2_090))),
        part(Position::Before(Value::Time(2_050)), Position::End),
    ];
    let mut session = Session::begin(&plan, [0; 12], 0);
    session.legs[0].ranges = ranges;
    // all of them last into the first part: together with a small tie they are more than are read to sort one
    let long: Vec<Item> = (0..1_000).map(|n| lasting(&format!("long-{n:04}"), 2_000 - n, 2_099)).collect();
    let tie = vec![item("c2", 2_050), item("c1", 2_050)];
    let end = page(&plan, session, false, 1_000, |_, request, _| {
        let of_the_first = request.datetime.is_some_and(|asked| asked.start.is_some());
        Ok(match (&request.token, of_the_first) {
            (None, false) => answer(tie.clone(), Some("more")),
            _ => answer(long.clone(), None),
        })
    });
    assert_eq!((end.hits.len(), end.legs[0].gaps.len()), (1_000, 0), "{:?}", end.legs);
    assert_eq!(&ids(&end)[..4], ["c1", "c2", "long-0000", "long-0001"]);
}

/// The list in which a part was missed left the Items of the next part to a list of their own.
#[test]
fn a_part_behind_one_that_was_missed_is_not_looked_for_in_the_list_of_that_one() {
    let plan = plan(vec![leg("A", Mode::Keyset)], newest_first());
    let at = |id: &str| Position::At(Key { values: vec![Value::Time(2_000)], id: id.into(), collection: "A|c".into() });
    let part = |from, to| Range { from, to, place: None };
    let mut session = Session::begin(&plan, [0; 12], 0);
    session.legs[0].ranges = vec![part(Position::Start, at("b")), part(at("d"), Position::End)];
    let place = Place { token: Some(Token("more".into())), size: 100, ..Place::default() };
    let bound = Position::Before(Value::Time(2_000));
    session.legs[0].open_gap_at(Position::Start, Status::Timeout, None);
    session.legs[0].place = Some(Place { bound, ..place });
    session.watermark = at("e");
    let tie: Vec<Item> = ["a", "b", "c", "d", "e", "f", "g"].map(|id| item(id, 2_000)).into();
    let end = page(&plan, session, false, 10, |_, request, _| {
        Ok(if request.token.is_some() { answer(Vec::new(), None) } else { answer(tie.clone(), None) })
    });
    assert_eq!(ids(&end), ["f", "g"], "{:?}", end.legs);
}

#[test]
fn items_without_a_key_are_held_to_see_whether_values_follow_but_not_more_than_of_a_tie() {
    let unknown = Leg { first: FirstKey::Unbounded { nulls_last: false }, ..leg("A", Mode::Token) };
    let by_property = SortBy { field: "n".into(), descending: false, kind: KeyKind::Number };
    let plan = plan(vec![unknown], Order::Sorted(vec![by_property]));
    for (count, gaps) in [(1_000, 0), (1_001, 1)] {
        let all: Vec<Item> = (0..count).map(|n| item(&format!("i{n:04}"), n)).collect();
        let end = first(&plan, 10, |_, request, _| {
            let from = request.token.as_ref().map_or(0, |token| token.0.parse().expect("a place"));
            let to = (from + 500).min(all.len());
            Ok(answer(all[from..to].to_vec(), (to < all.len()).then(|| to.to_string()).as_deref()))
        });
        assert_eq!(end.legs[0].gaps.len(), gaps, "{count} Items: {:?}", end.legs);
        assert_eq!(end.hits.len(), if gaps == 0 { 10 } else { 0 });
    }
}
