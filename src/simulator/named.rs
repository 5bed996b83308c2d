//! Each fault alone, by its name: at one of three members, on every answer of it, until the search has come to its end.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::faults::{Effect, Fault};
use super::keys::Sort;
use super::member::{Catalogue, NextForm, Thing};
use super::whole::{Course, run};
use super::world::{Wish, World, plain, things};

/// The member that falls ill; `A` and `B` stay well.
const ILL: &str = "Z";
/// Items of each member.
const ITEMS: u64 = 40;
const HUGE: usize = 50_000;

macro_rules! named {
    ($($name:ident: $fault:ident,)*) => {
        $(#[test] fn $name() { check(Fault::$fault); })*

        #[test]
        fn every_fault_has_a_test_of_its_own() {
            let named = BTreeSet::from([$(Fault::$fault),*]);
            assert_eq!(named, Fault::ALL.iter().copied().collect());
        }
    };
}

named! {
    repeated_items: RepeatedItems,
    repeated_items_sorted: RepeatedItemsSorted,
    next_missing: NextMissing,
    later_pages_are_first: LaterPagesAreFirst,
    next_answers_500: NextAnswers500,
    down_by_the_hour: DownByTheHour,
    fourteen_seconds: FourteenSeconds,
    unannounced_cap: UnannouncedCap,
    growing_next: GrowingNext,
    internal_host_in_next: InternalHostInNext,
    prefix_lost: PrefixLost,
    prefix_doubled: PrefixDoubled,
    scheme_malformed: SchemeMalformed,
    post_next_405: PostNext405,
    next_lost_with_sortby: NextLostWithSortby,
    next_lost_with_fields: NextLostWithFields,
    null_datetime_token: NullDatetimeToken,
    no_tie_breaker: NoTieBreaker,
    token_refused: TokenRefused,
    large_page_500: LargePage500,
    large_page_413: LargePage413,
    wide_query_504: WideQuery504,
    trailing_empty_page: TrailingEmptyPage,
    html_page: HtmlPage,
    wrong_media_type: WrongMediaType,
    collections_cut: CollectionsCut,
    malformed_times: MalformedTimes,
    latency: Latency,
    connection_refused: ConnectionRefused,
    connect_hangs: ConnectHangs,
    name_failure: NameFailure,
    tls_failure: TlsFailure,
    reset: Reset,
    hang: Hang,
    first_byte_late: FirstByteLate,
    bandwidth: Bandwidth,
    drip: Drip,
    slow_close: SlowClose,
    reset_in_body: ResetInBody,
    cut_body: CutBody,
    sliced_body: SlicedBody,
    endless_body: EndlessBody,
    empty_body: EmptyBody,
    another_document: AnotherDocument,
    large_headers: LargeHeaders,
    status_401: Status401,
    status_403: Status403,
    status_429: Status429,
    status_500: Status500,
    status_502: Status502,
    status_503: Status503,
    status_503_pause: Status503Pause,
    redirect: Redirect,
    flapping: Flapping,
    stumbling: Stumbling,
    restarts: Restarts,
    order_inverted: OrderInverted,
    tie_inverted: TieInverted,
    collation_not_bytes: CollationNotBytes,
    nulls_first: NullsFirst,
    single_precision: SinglePrecision,
    times_rounded_up: TimesRoundedUp,
    times_rounded_down: TimesRoundedDown,
    times_in_seconds: TimesInSeconds,
    token_expires: TokenExpires,
    huge_token: HugeToken,
    empty_pages_for_ever: EmptyPagesForEver,
    cap_changes: CapChanges,
    huge_tie: HugeTie,
    wrong_items: WrongItems,
    invalid_items: InvalidItems,
    deep_item: DeepItem,
    counts_lie: CountsLie,
    inserts: Inserts,
    deletes: Deletes,
    clock_ahead: ClockAhead,
    clock_behind: ClockBehind,
    reload: Reload,
    member_leaves: MemberLeaves,
    member_joins: MemberJoins,
    key_rotation: KeyRotation,
}

/// What the answers say while a fault is on.
struct Expected {
    /// One of these is the member's status on some page; nothing: it is well on all of them.
    statuses: &'static [&'static str],
    /// Whether all pages are complete; `None`: that depends on where pages end.
    complete: Option<bool>,
}

fn expected(fault: Fault) -> Expected {
    let whole = |statuses| Expected { statuses, complete: Some(true) };
    let lacking = |statuses| Expected { statuses, complete: Some(false) };
    let either = |statuses| Expected { statuses, complete: None };
    match fault {
        // pages end before what fails, and the next one goes on by bound
        Fault::NextAnswers500 | Fault::HugeToken | Fault::NullDatetimeToken | Fault::Flapping | Fault::Stumbling => {
            either(&["bad-response"])
        }
        Fault::UnannouncedCap
        | Fault::GrowingNext
        | Fault::LargePage413
        | Fault::Bandwidth
        | Fault::NextMissing
        | Fault::CapChanges
        | Fault::TimesInSeconds => whole(&[]),
        // but where a tie is longer than a page, or the time is over
        Fault::PostNext405 | Fault::TokenRefused | Fault::TokenExpires | Fault::EmptyPagesForEver => either(&[]),
        Fault::LaterPagesAreFirst | Fault::NextLostWithSortby => either(&["no-progress"]),
        Fault::DownByTheHour | Fault::Restarts => either(&["unreachable", "circuit-open"]),
        Fault::FourteenSeconds
        | Fault::WideQuery504
        | Fault::Hang
        | Fault::FirstByteLate
        | Fault::Drip
        | Fault::SlowClose => lacking(&["timeout"]),
        Fault::LargePage500
        | Fault::HtmlPage
        | Fault::ResetInBody
        | Fault::CutBody
        | Fault::EmptyBody
        | Fault::AnotherDocument
        | Fault::Status500
        | Fault::Status502
        | Fault::Status503
        | Fault::Status503Pause
        | Fault::Redirect => lacking(&["bad-response"]),
        Fault::ConnectionRefused | Fault::ConnectHangs | Fault::NameFailure | Fault::TlsFailure | Fault::Reset => {
            lacking(&["unreachable"])
        }
        Fault::EndlessBody | Fault::LargeHeaders => lacking(&["too-large"]),
        Fault::Status401 => lacking(&["unauthorized"]),
        Fault::Status403 => lacking(&["forbidden"]),
        Fault::Status429 => lacking(&["rate-limited"]),
        Fault::MemberLeaves => lacking(&["removed"]),
        Fault::OrderInverted
        | Fault::CollationNotBytes
        | Fault::NullsFirst
        | Fault::SinglePrecision
        | Fault::TimesRoundedDown => lacking(&["order-violation"]),
        // what it does not show nobody can know of
        Fault::TimesRoundedUp | Fault::MalformedTimes | Fault::HugeTie => Expected { statuses: &[], complete: None },
        _ => {
            assert_eq!(fault.effect(), Effect::Whole, "{fault:?} has no row");
            whole(&[])
        }
    }
}

fn catalogue(id: &str, fault: Fault, times: &[i64], dice: &mut Dice) -> Catalogue {
    let ill = id == ILL;
    let collections = if ill && fault == Fault::CollectionsCut { 120 } else { 2 };
    let spans = ill && matches!(fault, Fault::NullDatetimeToken | Fault::NullsFirst);
    let mut list = things(ITEMS, collections, times, spans, dice);
    if ill && fault == Fault::HugeTie {
        let thing = |number: usize| Thing { id: format!("{number:06}"), tie: dice.roll(), ..list[0].clone() };
        list = (0..HUGE).map(thing).collect();
    }
    if ill && fault == Fault::CollectionsCut {
        for thing in &mut list {
            thing.collection = 110;
        }
    }
    let names = (0..collections).map(|number| format!("c{number}")).collect();
    let mut habits = plain(if ill { 4 } else { 100 });
    match fault {
        Fault::PostNext405 => (habits.post, habits.next) = (true, NextForm::Merge),
        Fault::NextMissing | Fault::LargePage413 | Fault::LargePage500 | Fault::CapChanges => habits.cap = 100,
        Fault::CollationNotBytes | Fault::HugeTie => habits.cap = 1_000,
        Fault::TokenExpires => habits.latency = std::time::Duration::from_millis(3_200),
        _ => {}
    }
    Catalogue::new(id, names, list, habits, dice.fork())
}

fn world(fault: Fault) -> World {
    let mut dice = Dice::new(fault as u64);
    // ties of a few Items, and times that differ by less than a second
    let times: Vec<i64> =
        (0..40).map(|number| 1_750_000_000_000_000 + 3_600_000_000 * (number / 4) + 250_017 * number).collect();
    let catalogues = ["A", "B", ILL].map(|id| catalogue(id, fault, &times, &mut dice)).into();
    let mut wish = Wish::all(Sort::NEWEST, 10);
    match fault {
        Fault::CollationNotBytes => wish.sort = Sort::ID,
        Fault::LargePage413 => wish.limit = 20,
        Fault::HugeTie => wish.limit = 1_000,
        Fault::CollectionsCut => wish.collection = Some("c110".to_owned()),
        Fault::WrongItems => wish.interval = Some((times[4], times[30])),
        _ => {}
    }
    let mut world = World::new(catalogues, vec![wish], fault as u64, std::env::var("STAC_BROKER_SIM_TRACE").is_ok());
    if fault.is_of_the_broker() {
        world.happenings.push((1, fault));
    }
    for member in &mut world.federation.members {
        member.capabilities.string_order_bytes = fault == Fault::CollationNotBytes;
    }
    if fault == Fault::CollectionsCut {
        world.sick_from_the_start = true;
        world.strike(ILL, fault);
    }
    world
}

fn check(fault: Fault) {
    let struck = |world: &World| {
        if !fault.is_of_the_broker() && !world.sick_from_the_start {
            world.strike(ILL, fault);
        }
    };
    let mut course = run(fault as u64, || world(fault), struck);
    let walked = course.walked.remove(0);
    let told = |what: &str| format!("{fault:?}: {what}\n{}", course.trace.join("\n"));
    assert!(course.wrong.is_empty(), "{}", told(&course.wrong.join("\n")));
    assert!(has_bitten(fault, &course), "{}", told("it changed nothing"));
    let Expected { statuses, complete } = expected(fault);
    let seen = walked.statuses.get(ILL).cloned().unwrap_or_default();
    let well = BTreeSet::from(["ok", "exhausted"]);
    if statuses.is_empty() {
        assert!(complete.is_none() || seen.is_subset(&well), "{}", told(&format!("{seen:?}")));
    } else {
        assert!(statuses.iter().any(|status| seen.contains(status)), "{}", told(&format!("{seen:?}")));
    }
    for other in ["A", "B"] {
        // who holds none of it is not asked
        let seen = walked.statuses.get(other).cloned().unwrap_or_default();
        assert!(seen.is_subset(&well), "{}", told(&format!("{other}: {seen:?}")));
    }
    assert!(
        complete.is_none_or(|complete| complete == walked.complete),
        "{}",
        told(&format!("complete: {}", walked.complete))
    );
    let of_ill = |shown: &BTreeSet<(String, String)>| shown.iter().filter(|(name, _)| name.starts_with(ILL)).count();
    if fault.effect() == Effect::Declared {
        assert_eq!(of_ill(&walked.shown), ITEMS as usize, "{}", told("with what was missed, everything is there"));
    }
    if complete == Some(false) {
        assert!(of_ill(&walked.shown_at_first) < ITEMS as usize, "{}", told("what was declared missing was there"));
    }
}

/// One that takes all of a page's time is late; the others are not, and none of them is asked as the page ends.
#[test]
fn members_that_are_well_are_not_blamed_for_the_time_of_a_page() {
    let mut dice = Dice::new(1);
    let times: Vec<i64> = (0..40).map(|number| 1_750_000_000_000_000 + 3_600_000_000 * number).collect();
    let mut course = run(
        1,
        || {
            let catalogues = ["A", ILL].map(|id| catalogue(id, Fault::Hang, &times, &mut dice)).into();
            // the page after the first begins with nothing at hand, and waits for the one that hangs
            let wish = Wish { interval: Some((times[4], times[30])), ..Wish::all(Sort::NEWEST, 10) };
            let mut world = World::new(catalogues, vec![wish], 1, true);
            world.federation.limits.deadline = std::time::Duration::from_secs(6);
            world
        },
        |world| {
            world.strike("A", Fault::WrongItems);
            world.strike("A", Fault::UnannouncedCap);
            world.strike(ILL, Fault::Hang);
        },
    );
    let walked = course.walked.remove(0);
    assert!(course.wrong.is_empty(), "{}\n{}", course.wrong.join("\n"), course.trace.join("\n"));
    assert!(walked.statuses[ILL].contains("timeout"), "{:?}", walked.statuses);
    assert!(!walked.statuses["A"].contains("timeout"), "{}", course.trace.join("\n"));
}

fn has_bitten(fault: Fault, course: &Course) -> bool {
    match fault {
        // the broker never asks for parts of Items
        Fault::NextLostWithFields => course.asked_fields == 0,
        fault if fault.is_of_the_broker() => course.pages > 2,
        Fault::HugeTie => course.walked.first().is_none_or(|walked| walked.pages > 1),
        fault => course.bites.contains_key(&fault),
    }
}
