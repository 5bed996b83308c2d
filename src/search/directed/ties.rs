//! Large ties: many Items of one time at a member that gives them in an order of its own (`paging.md` section 5).

use std::collections::BTreeSet;

use crate::federation::Interval;

use super::*;
use crate::search::session::Class;

/// The time of the tie, in milliseconds.
const V: i64 = 50;

/// A member that sorts by time, gives each tie in its own order, and leads on behind the last Item of a page.
#[derive(Clone)]
struct Own {
    /// In the member's order, each with its rank in it.
    ranked: Vec<(i64, Item)>,
    /// Pages by number instead, as the member of another software would.
    numbered: bool,
}

impl Own {
    fn of(items: Vec<Item>) -> Self {
        Self { ranked: (0..).step_by(1_000).zip(items).collect(), numbered: false }
    }

    /// So many Items of one time, in no order of ids, and one before and one behind them.
    fn of_one_time(name: &str, count: i64) -> Self {
        let tie = (0..count).map(|n| item(&format!("{name}{:05}", (n * 7_919) % count), V));
        let items = std::iter::once(item(&format!("{name}-new"), 90)).chain(tie);
        Self::of(items.chain([item(&format!("{name}-old"), 10)]).collect())
    }

    /// New Items at the beginning of the tie.
    fn insert(&mut self, items: Vec<Item>) {
        let rank = self.ranked[1].0 - items.len() as i64;
        self.ranked.splice(1..1, (rank..).zip(items));
    }

    fn serve(&self, request: &Request) -> Page {
        let asked = request.datetime.unwrap_or_default();
        let meets = |item: &Item| {
            let (from, to) = (item.times.datetime.or(item.times.start), item.times.datetime.or(item.times.end));
            asked.start.is_none_or(|start| Some(start) <= to) && asked.end.is_none_or(|end| from <= Some(end))
        };
        let list: Vec<&(i64, Item)> = self.ranked.iter().filter(|(_, item)| meets(item)).collect();
        let size = request.limit as usize;
        let token: Option<i64> = request.token.as_ref().map(|token| token.0.parse().expect("a token"));
        let from = match token {
            None => 0,
            Some(page) if self.numbered => page as usize * size,
            Some(last) => list.partition_point(|(rank, _)| *rank <= last),
        };
        let to = (from + size).min(list.len());
        let next =
            if self.numbered { token.unwrap_or_default() + 1 } else { list[..to].last().map_or(0, |last| last.0) };
        let items = list[from.min(to)..to].iter().map(|(_, item)| item.clone()).collect();
        answer(items, (to < list.len()).then(|| next.to_string()).as_deref())
    }

    fn ids(&self) -> Vec<String> {
        self.ranked.iter().map(|(_, item)| item.id.to_string()).collect()
    }
}

/// What a client has of a walk.
#[derive(Default)]
struct Got {
    ids: Vec<String>,
    /// Of all members together, page by page.
    requests: Vec<u32>,
    last: Option<PageEnd>,
}

/// Follows `next` to the end.
fn walk(
    plan: &Plan,
    session: Option<Session>,
    limit: u32,
    serve: impl Fn(&str, &Request) -> Result<Page, Fault>,
) -> Got {
    let mut got = Got::default();
    let first_page = session.is_none();
    let mut session = session.unwrap_or_else(|| Session::begin(plan, [0; 12], 0));
    for turn in 0.. {
        let end = page(plan, session, first_page && turn == 0, limit, |member, request, _| serve(member, request));
        got.take(&end);
        let Some(next) = end.next.clone() else {
            got.last = Some(end);
            break;
        };
        session = next;
    }
    got
}

impl Got {
    fn take(&mut self, end: &PageEnd) {
        self.ids.extend(ids(end).into_iter().map(ToOwned::to_owned));
        self.requests.push(end.legs.iter().map(|leg| leg.requests).sum());
    }

    fn gaps(&self) -> usize {
        self.last.iter().flat_map(|end| &end.legs).map(|leg| leg.gaps.len()).sum()
    }
}

fn keyset(members: &[&str]) -> Plan {
    plan(members.iter().map(|member| leg(member, Mode::Keyset)).collect(), newest_first())
}

#[test]
fn a_tie_in_a_members_own_order_is_given_once_and_in_that_order() {
    for (mode, numbered) in [(Mode::Keyset, false), (Mode::Keyset, true), (Mode::Token, false), (Mode::Token, true)] {
        let plan = plan(vec![leg("A", mode), leg("B", mode)], newest_first());
        let own = Own { numbered, ..Own::of_one_time("a", 5_000) };
        let other = Own { numbered, ..Own::of(vec![item("b-new", 95), item("b-tie", V), item("b-old", 5)]) };
        let serve =
            |member: &str, request: &Request| Ok(if member == "A" { own.serve(request) } else { other.serve(request) });
        let mut expected = vec!["b-new".to_owned(), "a-new".to_owned(), "b-tie".to_owned()];
        expected.extend(own.ids().into_iter().skip(1));
        expected.push("b-old".to_owned());
        for limit in [1, 10, 100, 1_000] {
            // a tie of that many pages is long enough to show what one of 5,000 does
            if limit == 1 && (mode, numbered) != (Mode::Keyset, false) {
                continue;
            }
            let got = walk(&plan, None, limit, serve);
            assert_eq!(got.ids, expected, "{mode:?}, numbered {numbered}, pages of {limit}");
            assert_eq!(got.gaps(), 0, "{mode:?}, pages of {limit}: {:?}", got.last.map(|end| end.legs));
            let most = got.requests.iter().max();
            assert!(most <= Some(&12), "{mode:?}, pages of {limit}: {most:?} requests");
            if limit <= 100 {
                let in_the_walk = &got.requests[got.requests.len() / 4..got.requests.len() / 4 * 3];
                assert!(in_the_walk.iter().all(|count| *count <= 3), "{mode:?}, pages of {limit}: {in_the_walk:?}");
            }
        }
    }
}

#[test]
fn what_is_ordered_comes_first_and_then_one_walker_after_the_other() {
    let plan = keyset(&["A", "B", "C", "D"]);
    let (a, b) = (Own::of_one_time("a", 2_500), Own::of_one_time("b", 2_300));
    let ordered: Vec<Item> = (0..2_400).map(|n| item(&format!("c{n:05}"), V)).collect();
    let (c, d) = (Own::of(ordered), Own::of(vec![item("c00700x", V)]));
    let asked = std::cell::RefCell::new(Vec::<BTreeSet<String>>::new());
    let mut session = Session::begin(&plan, [0; 12], 0);
    let mut got = Got::default();
    for turn in 0.. {
        asked.borrow_mut().push(BTreeSet::new());
        let end = page(&plan, session, turn == 0, 100, |member, request, _| {
            asked.borrow_mut().last_mut().expect("a page").insert(member.to_owned());
            Ok(match member {
                "A" => a.serve(request),
                "B" => b.serve(request),
                "C" => c.serve(request),
                _ => d.serve(request),
            })
        });
        got.take(&end);
        assert!(end.legs.iter().all(|leg| leg.gaps.is_empty() && leg.status as u8 <= Status::Exhausted as u8));
        let walkers: Vec<&str> = end.legs.iter().filter(|leg| leg.walked).map(|leg| leg.member.as_str()).collect();
        let walked = end.hits.iter().any(|(_, hit)| hit.walked);
        let in_the_tie = end.hits.last().is_some_and(|(_, hit)| hit.key.values[0] == Value::Time(V));
        assert_eq!(!walkers.is_empty(), walked || in_the_tie, "the report names who is walked");
        let Some(next) = end.next else { break };
        session = next;
    }
    let mut expected = vec!["a-new".to_owned(), "b-new".to_owned()];
    expected.extend(c.ids().into_iter().chain(d.ids()));
    expected[2..].sort();
    expected.extend(a.ids().into_iter().skip(1).take(2_500));
    expected.extend(b.ids().into_iter().skip(1).take(2_300));
    expected.extend(["a-old".to_owned(), "b-old".to_owned()]);
    assert_eq!(got.ids, expected);
    let alone = |who: &str| asked.borrow().iter().filter(|asked| asked.len() == 1 && asked.contains(who)).count();
    assert!(alone("A") >= 22 && alone("B") >= 20, "while one walks only that one is asked");
}

#[test]
fn a_page_that_ends_in_a_tie_before_its_walk_names_the_walker() {
    let plan = keyset(&["A", "B"]);
    let (own, other) = (Own::of_one_time("a", 2_000), Own::of(vec![item("b-tie", V), item("b-old", 5)]));
    let end = first(&plan, 2, |member, request, _| Ok(if member == "A" { &own } else { &other }.serve(request)));
    assert_eq!(ids(&end), ["a-new", "b-tie"]);
    assert_eq!(end.legs.iter().map(|leg| leg.walked).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn items_that_come_and_go_before_the_place_of_a_walk_move_nothing() {
    for numbered in [false, true] {
        let plan = keyset(&["A"]);
        let mut own = Own { numbered, ..Own::of_one_time("a", 2_100) };
        let lasting: Vec<String> = own.ids();
        let mut session = Session::begin(&plan, [0; 12], 0);
        let (mut got, mut gone) = (Got::default(), BTreeSet::new());
        for turn in 0.. {
            let end = page(&plan, session, turn == 0, 7, |_, request, _| Ok(own.serve(request)));
            got.take(&end);
            let Some(next) = end.next else { break };
            session = next;
            match turn % 3 {
                // just before the place, once so many that no anchor is left on its page
                1 if !numbered => {
                    let new = (0..if turn > 1 { 2 } else { 150 }).map(|n| item(&format!("x{turn}-{n}"), V));
                    own.insert(new.collect());
                }
                // pages by number bear no shift from one to the next, but within the page at hand they do
                1 if turn < 10 => {
                    own.insert(vec![item(&format!("x{turn}"), V)]);
                    gone.insert(own.ranked.remove(5).1.id.to_string());
                }
                // the Item given last, and one long given
                2 if !numbered => {
                    for id in [got.ids.len() - 1, got.ids.len() / 2] {
                        let id = got.ids[id].clone();
                        own.ranked.retain(|(_, item)| *item.id != *id);
                        gone.insert(id);
                    }
                }
                _ => {}
            }
        }
        let unique: BTreeSet<&String> = got.ids.iter().collect();
        assert_eq!(unique.len(), got.ids.len(), "nothing twice");
        let given: Vec<&String> = got.ids.iter().filter(|id| !id.starts_with('x')).collect();
        assert_eq!(given, lasting.iter().collect::<Vec<_>>(), "nothing lost, and in the member's order");
    }
}

#[test]
fn a_tie_that_grows_or_shrinks_between_pages_stays_what_it_was() {
    let plan = keyset(&["A", "B"]);
    let marker = Own::of(vec![item("m", V)]);
    // read whole on the first page, then too large, then small again
    let mut own = Own::of_one_time("a", 900);
    let mut sorted = own.ids()[1..=900].to_vec();
    sorted.sort();
    let start = page(&plan, Session::begin(&plan, [0; 12], 0), true, 400, |member, request, _| {
        Ok(if member == "A" { own.serve(request) } else { marker.serve(request) })
    });
    assert_eq!(ids(&start)[1..], sorted.iter().map(String::as_str).collect::<Vec<_>>()[..399]);
    own.insert((0..700).map(|n| item(&format!("z{:03}", (n * 37) % 700), V)).collect());
    let got = walk(&plan, start.next, 400, |member, request| {
        Ok(if member == "A" { own.serve(request) } else { marker.serve(request) })
    });
    let rest: Vec<&String> = got.ids.iter().filter(|id| id.starts_with('a') && !id.ends_with("old")).collect();
    assert_eq!(rest, sorted[399..].iter().collect::<Vec<_>>(), "it stays in order, and nothing of it comes again");

    // walked on the first pages, then small enough to be read whole
    let own = Own::of_one_time("a", 2_100);
    let start = page(&plan, Session::begin(&plan, [0; 12], 0), true, 400, |member, request, _| {
        Ok(if member == "A" { own.serve(request) } else { marker.serve(request) })
    });
    let session = start.next.clone().expect("a next page");
    assert_eq!(session.legs[0].class, Class::Walker);
    let mut small = own.clone();
    small.ranked.drain(2..350);
    small.ranked.drain(1_000..);
    let got = walk(&plan, Some(session), 400, |member, request| {
        Ok(if member == "A" { small.serve(request) } else { marker.serve(request) })
    });
    let all: Vec<String> =
        ids(&start).into_iter().map(ToOwned::to_owned).chain(got.ids).filter(|id| id != "m").collect();
    let (given, kept) = (ids(&start).len(), small.ids()[52..].to_vec());
    assert_eq!(given, 400);
    assert_eq!(all[..400], own.ids()[..400]);
    assert_eq!(all[400..], kept[..], "it goes on in the member's order from where it was");
}

#[test]
fn a_member_that_comes_late_to_a_large_tie_is_out_of_it() {
    let plan = keyset(&["A", "B"]);
    let (a, b) = (Own::of_one_time("z", 3_000), Own::of((0..60).map(|n| item(&format!("b{n:02}"), V)).collect()));
    let serve = |member: &str, request: &Request| Ok(if member == "A" { a.serve(request) } else { b.serve(request) });
    let start =
        first(&plan, 20, |member, request, _| if member == "A" { Err(Fault::Timeout) } else { serve(member, request) });
    assert_eq!(ids(&start).len(), 20, "of the other one, in the tie");
    let got = walk(&plan, start.next, 20, serve);
    let of_a: Vec<&String> = got.ids.iter().filter(|id| id.starts_with('z')).collect();
    assert_eq!(of_a, ["z-old"], "what is ordered was begun, so the walker takes no part");
    let gaps = &got.last.as_ref().expect("an end").legs[0].gaps;
    assert!(gaps.iter().any(|gap| gap.to == Some(Position::After(Value::Time(V)))), "{gaps:?}");
}

#[test]
fn a_failure_in_a_walk_keeps_its_place_for_the_retry() {
    for (mode, numbered) in [(Mode::Keyset, false), (Mode::Keyset, true), (Mode::Token, true)] {
        let plan = plan(vec![leg("A", mode), leg("B", mode)], newest_first());
        let (a, b) =
            (Own { numbered, ..Own::of_one_time("a", 2_500) }, Own { numbered, ..Own::of_one_time("b", 2_200) });
        let serve =
            |member: &str, request: &Request| Ok(if member == "A" { a.serve(request) } else { b.serve(request) });
        let mut session = Session::begin(&plan, [0; 12], 0);
        let mut got = Got::default();
        for turn in 0.. {
            let end = page(&plan, session, turn == 0, 130, |member, request, _| {
                if member == "A" && turn == 7 { Err(Fault::Unreachable) } else { serve(member, request) }
            });
            got.take(&end);
            if turn == 7 {
                let gap = &end.legs[0].gaps[0];
                assert!(matches!(&gap.from, Position::Walk { given, .. } if *given > 600), "{gap:?}");
                assert_eq!(end.next.as_ref().expect("the other goes on").legs[0].class, Class::Out);
            }
            if turn == 8 {
                assert_eq!((end.legs[0].requests, end.legs[0].status), (0, Status::Unreachable), "it waits");
                assert!(end.legs[0].broken);
            }
            let Some(next) = end.next.clone() else {
                got.last = Some(end);
                break;
            };
            session = next;
        }
        let last = got.last.take().expect("an end");
        assert!(
            matches!(&last.legs[0].gaps[..], [gap] if gap.to.is_some()),
            "closed behind the tie: {:?}",
            last.legs[0].gaps
        );
        let retried = walk(&plan, last.missed.clone(), 130, serve);
        assert!(retried.ids.iter().all(|id| id.starts_with('a')), "{mode:?}: just what was missed");
        let (begun, rest): (Vec<String>, Vec<String>) = a.ids().into_iter().partition(|id| got.ids.contains(id));
        assert_eq!(retried.ids, rest, "in the member's order");
        assert_eq!(begun.len() + rest.len(), 2_502);
        assert_eq!(got.ids.len() + retried.ids.len(), 2_502 + 2_202, "nothing twice");
    }
}

#[test]
fn a_refused_token_of_a_walk_costs_nothing_while_little_was_given() {
    let plan = keyset(&["A"]);
    let own = Own::of_one_time("a", 3_000);
    for (refused_at, gap) in [(6, false), (20, true)] {
        let mut session = Session::begin(&plan, [0; 12], 0);
        let mut got = Got::default();
        for turn in 0.. {
            let end = page(&plan, session, turn == 0, 100, |_, request, count| {
                let refuses = turn == refused_at && request.token.is_some() && count == 0;
                if refuses { Err(Fault::TokenRefused) } else { Ok(own.serve(request)) }
            });
            got.take(&end);
            let Some(next) = end.next.clone() else {
                got.last = Some(end);
                break;
            };
            session = next;
        }
        if gap {
            let gaps = &got.last.as_ref().expect("an end").legs[0].gaps;
            assert!(
                matches!(&gaps[..], [gap] if gap.status == Status::BadResponse && gap.to == Some(Position::After(Value::Time(V)))),
                "{gaps:?}"
            );
            assert_eq!(got.ids.last().map(String::as_str), Some("a-old"), "what lies behind is given");
        } else {
            assert_eq!(got.ids, own.ids());
            assert_eq!(got.gaps(), 0);
        }
    }
}

#[test]
fn a_walk_of_which_hardly_anything_is_wanted_gets_on_with_every_page() {
    let mut plan = keyset(&["A"]);
    let wanted: Vec<Box<str>> = ["a00001", "a02500", "a03999"].map(Into::into).to_vec();
    plan.legs[0].residual = Residual {
        ids: Some(wanted.iter().map(ToString::to_string).collect()),
        selective: true,
        ..Residual::default()
    };
    plan.legs[0].page_max = 50;
    let own = Own::of_one_time("a", 4_000);
    let expected: Vec<String> =
        own.ids().into_iter().filter(|id| wanted.iter().any(|wanted| **wanted == **id)).collect();
    let mut session = Session::begin(&plan, [0; 12], 0);
    let (mut given, mut read) = (Vec::new(), 0);
    for turn in 0..200 {
        let end = page(&plan, session, turn == 0, 10, |_, request, _| {
            let page = own.serve(request);
            read += page.received;
            Ok(page)
        });
        given.extend(ids(&end).into_iter().map(ToOwned::to_owned));
        let Some(next) = end.next.or(end.retry) else { break };
        session = next;
    }
    given.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(given, expected);
    assert!(read < 3 * 4_002, "{read} Items were read");
}

#[test]
fn a_session_without_its_places_still_knows_how_far_a_walk_had_come() {
    let plan = keyset(&["A"]);
    let own = Own::of_one_time("a", 2_800);
    let mut session = Session::begin(&plan, [0; 12], 0);
    let mut got = Got::default();
    for turn in 0..5 {
        let end = page(&plan, session, turn == 0, 150, |_, request, _| Ok(own.serve(request)));
        got.take(&end);
        session = end.next.expect("a next page");
    }
    let place = session.legs[0].place.take().expect("a place in the walk");
    session.legs[0].place = place.shortened();
    let rest = walk(&plan, Some(session), 150, |_, request| Ok(own.serve(request)));
    got.ids.extend(rest.ids);
    assert_eq!(got.ids, own.ids());
}

#[test]
fn a_tie_at_the_edge_of_the_time_asked_for_is_walked_with_those_that_span_it() {
    // Items that began at V and last beyond the start of what is asked for: no list of V alone meets it
    let spans = |id: String| {
        let mut spanning = item(&id, V);
        spanning.times = Times {
            datetime: None,
            start: DateTime::from_timestamp_millis(V),
            end: DateTime::from_timestamp_millis(200),
        };
        spanning
    };
    let tie: Vec<Item> = (0..2_300).map(|n| spans(format!("a{:04}", (n * 7) % 2_300))).collect();
    let mut plan = keyset(&["A"]);
    plan.legs[0].ask.datetime = Some(Interval { start: DateTime::from_timestamp_millis(100), end: None });
    let own = Own::of([vec![item("a-new", 150)], tie].concat());
    let got = walk(&plan, None, 100, |_, request| Ok(own.serve(request)));
    assert_eq!(got.ids.len(), 2_301);
    assert_eq!(got.ids, own.ids());
}

#[test]
fn a_gap_of_a_leg_that_walks_lies_inside_the_tie() {
    let order = Comparator::new(vec![SortBy { field: "datetime".into(), descending: true, ..SortBy::default() }]);
    let plan = keyset(&["A"]);
    let own = Own::of_one_time("a", 2_600);
    let start = first(&plan, 200, |_, request, _| Ok(own.serve(request)));
    let session = start.next.expect("a next page");
    let end = page(&plan, session.clone(), false, 200, |_, _, _| Err(Fault::Timeout));
    assert!(end.hits.is_empty() && end.next.is_none());
    assert_eq!(end.legs[0].gaps[0].from, session.watermark);
    let retry = end.missed.expect("a retry");
    assert_eq!(order.positions(&retry.watermark, &session.watermark), std::cmp::Ordering::Equal);
    let got = walk(&plan, Some(retry), 200, |_, request| Ok(own.serve(request)));
    assert_eq!(got.ids, own.ids()[200..]);
}
