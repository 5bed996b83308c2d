//! Members that cannot sort, read by windows of time (`paging.md` sections 3 and 7).

use chrono::{DateTime, TimeDelta, Utc};

use super::{answer, item, leg, page, plan};
use crate::federation::Interval;
use crate::members::item::Times;
use crate::members::{Fault, Item, Matched, Page};
use crate::search::model::dice::Dice;
use crate::search::outcome::Status;
use crate::search::page::PageEnd;
use crate::search::plan::{Mode, Order, Plan};
use crate::search::request::SortBy;
use crate::search::session::Session;
use crate::search::stream::Request;

/// In which order a member lists what it has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lists {
    AsTheyAre,
    AnyHow,
    OldestFirst,
    NewestFirst,
}

/// A member that holds Items of these times, counted in milliseconds, each lasting so long.
struct Member {
    times: Vec<(i64, i64)>,
    lists: Lists,
    counts: bool,
    cap: usize,
    /// Takes no notice of `datetime`.
    deaf: bool,
}

impl Member {
    fn of(times: impl IntoIterator<Item = i64>) -> Self {
        Self::lasting(times.into_iter().map(|at| (at, 0)))
    }

    fn lasting(times: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let times = times.into_iter().collect();
        Self { times, lists: Lists::AnyHow, counts: true, cap: 1_000, deaf: false }
    }

    fn item(&self, index: usize) -> Item {
        let (start, lasts) = self.times[index];
        let at = DateTime::from_timestamp_millis;
        let times = match lasts {
            0 => Times { datetime: at(start), ..Times::default() },
            _ => Times { start: at(start), end: at(start + lasts), ..Times::default() },
        };
        Item { times, ..item(&format!("i{index:06}"), 0) }
    }

    fn answer(&self, request: &Request) -> Page {
        let asked = request.datetime.filter(|_| !self.deaf);
        let ms = |at: DateTime<Utc>| at.timestamp_millis();
        let inside = |(start, lasts): (i64, i64)| {
            asked.is_none_or(|asked| {
                asked.start.is_none_or(|from| {
                    start + lasts >= ms(from) + i64::from(ms(from) * 1_000 < from.timestamp_micros())
                }) && asked.end.is_none_or(|to| start <= ms(to))
            })
        };
        let mut list: Vec<usize> = (0..self.times.len()).filter(|index| inside(self.times[*index])).collect();
        match self.lists {
            Lists::AsTheyAre => {}
            Lists::AnyHow => list.sort_by_cached_key(|index| Dice(*index as u64).roll()),
            Lists::OldestFirst => list.sort_by_key(|index| self.times[*index]),
            Lists::NewestFirst => list.sort_by_key(|index| std::cmp::Reverse(self.times[*index])),
        }
        let from: usize = request.token.as_ref().map_or(0, |token| token.0.parse().expect("an offset"));
        let to = (from + self.cap.min(request.limit as usize)).min(list.len());
        let next = (to < list.len()).then(|| to.to_string());
        let items = list[from.min(to)..to].iter().map(|index| self.item(*index)).collect();
        let matched = self.counts.then_some(Matched { count: list.len() as u64, exact: true });
        Page { matched, ..answer(items, next.as_deref()) }
    }
}

fn by_time(descending: bool) -> Order {
    Order::Sorted(vec![SortBy { field: "datetime".into(), descending, ..SortBy::default() }])
}

/// A walk of at most so many pages: what was given, the requests of each page, and the last page.
struct Walked {
    ids: Vec<usize>,
    requests: Vec<u32>,
    end: PageEnd,
}

fn walk(plan: &Plan, limit: u32, pages_max: usize, member: &Member) -> Walked {
    let (mut ids, mut requests) = (Vec::new(), Vec::new());
    let mut session = Session::begin(plan, [0; 12], 0);
    loop {
        let end = page(plan, session, requests.is_empty(), limit, |_, request, _| Ok(member.answer(request)));
        ids.extend(end.hits.iter().map(|(_, hit)| hit.key.id[1..].parse::<usize>().expect("a number")));
        requests.push(end.legs.iter().map(|leg| leg.requests).sum());
        match end.next.clone().or(end.retry.clone()).filter(|_| requests.len() < pages_max) {
            Some(next) => session = next,
            None => return Walked { ids, requests, end },
        }
    }
}

fn sliced(descending: bool) -> Plan {
    plan(vec![leg("A", Mode::Slice)], by_time(descending))
}

/// What a walk must give, in order.
fn wanted(member: &Member, descending: bool) -> Vec<usize> {
    let mut all: Vec<usize> = (0..member.times.len()).collect();
    let direction = if descending { -1 } else { 1 };
    all.sort_by_key(|index| (direction * member.times[*index].0, *index));
    all
}

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_750_000_000_000;

fn expecting(mut plan: Plan, years: i64) -> Plan {
    let now = DateTime::from_timestamp_millis(NOW).expect("a time");
    plan.legs[0].expected = Interval { start: Some(now - TimeDelta::days(365 * years)), end: Some(now) };
    plan
}

#[test]
fn three_items_in_thirty_years_take_one_request() {
    for descending in [true, false] {
        let member = Member::of([NOW - 30 * 365 * DAY, NOW - 15 * 365 * DAY, NOW]);
        let walked = walk(&expecting(sliced(descending), 50), 10, 9, &member);
        assert_eq!((walked.ids, walked.requests), (wanted(&member, descending), vec![1]));
        assert_eq!(walked.end.matched, Some(3), "the first window was everything");
    }
}

#[test]
fn thousands_of_items_take_few_requests_however_they_are_listed() {
    let spread = |index: i64| NOW - (index * 7_919 % 8_000) * 20 * 365 * DAY / 8_000;
    let bursts = |index: i64| NOW - (index % 40) * 180 * DAY - (index * 31 % 200) * 60_000;
    let late = |index: i64| NOW - (Dice(index as u64).below(1_000) as i64).pow(2) * 365 * 20 * DAY / 1_000_000 - index;
    for (name, times) in [
        ("spread", (0..8_000).map(spread).collect::<Vec<_>>()),
        ("bursts", (0..8_000).map(bursts).collect()),
        ("late", (0..8_000).map(late).collect()),
    ] {
        for (lists, counts) in [Lists::AnyHow, Lists::OldestFirst, Lists::NewestFirst]
            .map(|lists| [(lists, true), (lists, false)])
            .concat()
        {
            for (descending, limit) in [(true, 10), (false, 10), (true, 100), (false, 100)] {
                let member = Member { lists, counts, ..Member::of(times.iter().copied()) };
                let walked = walk(&expecting(sliced(descending), 53), limit, 12, &member);
                let what = format!(
                    "{name}, {lists:?}, counts {counts}, descending {descending}, limit {limit}: {:?}",
                    walked.requests
                );
                println!("{what}");
                assert_eq!(walked.ids, wanted(&member, descending)[..walked.ids.len()], "{what}");
                // a page that looks for the next burst may end early
                assert!(walked.ids.len() >= 5 * limit as usize, "{} Items; {what}", walked.ids.len());
                assert!(walked.end.legs[0].gaps.is_empty(), "{what}");
                assert!(walked.requests.iter().all(|requests| *requests <= 12), "{what}");
                assert!(walked.requests[1..].iter().sum::<u32>() <= 5 * 11, "{what}");
            }
        }
    }
}

#[test]
fn long_items_are_given_once_at_their_start_in_both_directions() {
    // every third lasts over most of the list
    let member = Member::lasting((0..3_000).map(|n| (NOW + n * 1_000, if n % 3 == 0 { 900_000 } else { 0 })));
    for descending in [true, false] {
        let walked = walk(&expecting(sliced(descending), 1), 100, 99, &member);
        assert_eq!(walked.ids, wanted(&member, descending), "descending {descending}");
        assert!(walked.requests.iter().all(|requests| *requests <= 12), "{:?}", walked.requests);
        assert!(walked.end.legs[0].gaps.is_empty());
    }
}

#[test]
fn items_that_span_the_edge_of_the_interval_asked_for_are_given_where_they_begin() {
    let member = Member::lasting((0..2_000).map(|n| (NOW + n * 1_000, if n % 2 == 0 { 400_000 } else { 0 })));
    let at = |ms: i64| DateTime::from_timestamp_millis(NOW + ms);
    let user = Interval { start: at(500_500), end: at(1_200_000) };
    for descending in [true, false] {
        let mut plan = expecting(sliced(descending), 1);
        plan.legs[0].ask.datetime = Some(user);
        let walked = walk(&plan, 100, 99, &member);
        let asked = |index: &usize| {
            let (start, lasts) = member.times[*index];
            start <= NOW + 1_200_000 && start + lasts >= NOW + 500_500
        };
        let wanted: Vec<usize> = wanted(&member, descending).into_iter().filter(asked).collect();
        assert!(wanted.iter().any(|index| member.times[*index].0 < NOW + 500_500));
        assert_eq!(walked.ids, wanted, "descending {descending}");
    }
}

#[test]
fn a_window_of_three_times_is_cut_to_them_and_each_is_walked() {
    // 9,000 Items of three times, with one Item before and one behind them
    let times = (0..9_000).map(|n| NOW - (n % 3) * 1_000).chain([NOW - DAY, NOW + DAY]);
    let member = Member::of(times);
    for descending in [true, false] {
        let walked = walk(&expecting(sliced(descending), 9), 200, 99, &member);
        let times: Vec<i64> = walked.ids.iter().map(|index| member.times[*index].0).collect();
        assert!(times.is_sorted_by(|a, b| if descending { a >= b } else { a <= b }), "descending {descending}");
        let mut ids = walked.ids.clone();
        ids.sort_unstable();
        assert_eq!(ids, (0..9_002).collect::<Vec<_>>(), "each once");
        assert!(walked.end.legs[0].gaps.is_empty(), "{:?}", walked.end.legs);
        assert!(walked.requests.iter().all(|requests| *requests <= 12), "{:?}", walked.requests);
    }
}

#[test]
fn a_dense_second_in_a_sparse_century_is_read_to_its_end() {
    let dense = (0..20_000).map(|n| NOW - n % 1_000);
    let sparse = (0..40).map(|n| NOW - n * 900 * DAY - 5_000);
    let member = Member::of(dense.chain(sparse));
    for descending in [true, false] {
        let walked = walk(&expecting(sliced(descending), 100), 100, 999, &member);
        assert_eq!(walked.ids, wanted(&member, descending), "descending {descending}");
        let pages = walked.requests.len();
        assert!(pages <= 210 && walked.requests.iter().all(|requests| *requests <= 12), "{:?}", walked.requests);
        assert!(walked.requests.iter().sum::<u32>() as usize <= 3 * pages, "{:?}", walked.requests);
    }
}

#[test]
fn a_member_that_takes_no_notice_of_datetime_is_read_whole_or_named() {
    let short = Member { deaf: true, ..Member::of((0..900).map(|n| NOW - n * DAY)) };
    let walked = walk(&expecting(sliced(true), 9), 100, 99, &short);
    assert_eq!(walked.ids, wanted(&short, true));
    let long = Member { deaf: true, ..Member::of((0..9_000).map(|n| NOW - n * DAY)) };
    let walked = walk(&expecting(sliced(true), 9), 100, 99, &long);
    assert_eq!((walked.ids.len(), walked.end.legs[0].status), (0, Status::SkippedCapability));
    assert!(walked.end.legs[0].feature.as_deref().is_some_and(|feature| feature.contains("datetime")));
}

#[test]
fn a_refused_token_inside_a_window_is_gone_around() {
    let member = Member { cap: 20, ..Member::of((0..500).map(|n| NOW - n * DAY)) };
    let mut given = Vec::new();
    let mut session = Session::begin(&sliced(true), [0; 12], 0);
    for turn in 0..200 {
        let end = page(&sliced(true), session, turn == 0, 50, |_, request, _| {
            if request.token.is_some() { Err(Fault::TokenRefused) } else { Ok(member.answer(request)) }
        });
        given.extend(end.hits.iter().map(|(_, hit)| hit.key.id[1..].parse::<usize>().expect("a number")));
        let Some(next) = end.next.or(end.retry) else { break };
        session = next;
    }
    assert_eq!(given, wanted(&member, true));
}

#[test]
fn a_member_of_small_pages_and_no_counts_is_found_where_nothing_says_when_it_is() {
    // in the order of the list the first Items stand for few of the others
    let times: Vec<i64> = (0..3_000).map(|n| NOW - 300 * DAY + n * 1_009 % 3_000 * 120_000).collect();
    for descending in [true, false] {
        let member = Member { lists: Lists::AsTheyAre, counts: false, cap: 40, ..Member::of(times.iter().copied()) };
        let walked = walk(&expecting(sliced(descending), 53), 60, 99, &member);
        assert_eq!(walked.ids, wanted(&member, descending), "descending {descending}: {:?}", walked.requests);
        assert!(walked.requests.iter().all(|requests| *requests <= 12), "{:?}", walked.requests);
    }
}
