//! What members that are gone cost the others: time and requests, against the same federation when it is well (layer L
//! of `reliability.md`).

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use crate::broker::Broker;
use crate::members::{Registry, Service, State, wire};
use crate::search::{Clock, KeyRing, SearchRequest, search};

use super::dice::Dice;
use super::faults::Fault;
use super::judge::Judge;
use super::keys::Sort;
use super::member::Catalogue;
use super::whole::virtually;
use super::world::{Wish, World, plain, things};

const MEMBERS: usize = 10;
/// Searches a second, and for how long.
const RATE: u32 = 10;
const MEASURED: Duration = Duration::from_secs(40);
/// Until the breakers are open.
const BEFORE: Duration = Duration::from_secs(15);
/// The same where all clients ask alike: equal requests are one, so that failures come one after the other.
const BEFORE_ALIKE: Duration = Duration::from_secs(60);
/// Long enough to see whether all are back.
const AFTER: Duration = Duration::from_secs(5);
/// A body without an end comes to it in a second and a half.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// What a degraded federation may take, in parts of a healthy one.
const SLOWER_MAX: f64 = 1.10;
const REQUESTS_MAX: f64 = 1.2;

/// What a while of load came to.
struct Load {
    /// The slowest of a hundred.
    p99: Duration,
    slowest: Duration,
    /// Requests that members saw, for each search.
    requests: f64,
    /// Items of each search.
    items: Vec<usize>,
    incomplete: usize,
}

fn world() -> World {
    let mut dice = Dice::new(7);
    let times: Vec<i64> = (0..50).map(|number| 1_750_000_000_000_000 + 977_000_000 * number).collect();
    let catalogue = |number: usize, dice: &mut Dice| {
        let list = things(10, 1, &times, false, dice);
        Catalogue::new(&format!("M{number}"), vec!["c0".to_owned()], list, plain(100), dice.fork())
    };
    let catalogues = (0..MEMBERS).map(|number| catalogue(number, &mut dice)).collect();
    let mut world = World::new(catalogues, Vec::new(), 7, false);
    world.federation.limits.answer_bytes_max = ANSWER_BYTES_MAX;
    world
}

/// Searches come at their times, whether or not those before them were answered.
async fn load(world: &World, broker: &Broker, alike: bool, lasting: Duration) -> Load {
    let keys = KeyRing::from_federation(&world.federation).expect("keys");
    let asked_before: usize = world.net.ids().iter().map(|id| world.net.arrivals(id)).sum();
    let (began, count) = (Instant::now(), lasting.as_secs() as u32 * RATE);
    let one = |number: u32| {
        let keys = &keys;
        async move {
            sleep_until(began + Duration::from_secs(1) * number / RATE).await;
            let limit = if alike { 10 } else { 5 + number % 10 };
            let request = SearchRequest::from_query(&Wish::all(Sort::NEWEST, limit).params(), &world.federation.limits);
            let clock = Clock { now: world.now(), deadline: Instant::now() + world.federation.limits.deadline };
            let sent = Instant::now();
            let answer = search(&broker.snapshot(), keys, &request.expect("a search"), clock).await.expect("a page");
            (sent.elapsed(), answer.items.len(), answer.report.complete)
        }
    };
    let answers = join_all((0..count).map(one)).await;
    let asked: usize = world.net.ids().iter().map(|id| world.net.arrivals(id)).sum();
    let mut took: Vec<Duration> = answers.iter().map(|(took, _, _)| *took).collect();
    took.sort_unstable();
    Load {
        p99: took[took.len() * 99 / 100],
        slowest: took[took.len() - 1],
        requests: (asked - asked_before) as f64 / f64::from(count),
        items: answers.iter().map(|(_, items, _)| *items).collect(),
        incomplete: answers.iter().filter(|(_, _, complete)| !complete).count(),
    }
}

/// A broker that reads its members again and again, and asks them for signs of life.
async fn started(world: &World) -> Arc<Broker> {
    let net: Arc<dyn wire::Wire> = Arc::clone(&world.net) as Arc<dyn wire::Wire>;
    let broker = Broker::running(world.federation.clone(), Registry::over(&world.federation, net));
    broker.settled(Duration::from_secs(30)).await;
    broker
}

fn check(ill: &[&str], fault: Fault, alike: bool) {
    virtually(7, || async {
        let world = world();
        let broker = started(&world).await;
        let healthy = load(&world, &broker, alike, MEASURED).await;
        assert_eq!(healthy.incomplete, 0);
        for id in ill {
            world.strike(id, fault);
        }
        let began = Instant::now();
        let before = if alike { BEFORE_ALIKE } else { BEFORE };
        load(&world, &broker, alike, before).await;
        assert!(began.elapsed() < before + world.federation.limits.deadline + Duration::from_millis(200));
        let degraded = load(&world, &broker, alike, MEASURED).await;
        let (slower, more) =
            (degraded.p99.as_secs_f64() / healthy.p99.as_secs_f64(), degraded.requests / healthy.requests);
        println!(
            "{fault:?} at {} of {MEMBERS}: p99 {:?} -> {:?} ({slower:.2}), slowest {:?}, requests a search {:.2} -> {:.2} ({more:.2})",
            ill.len(),
            healthy.p99,
            degraded.p99,
            degraded.slowest,
            healthy.requests,
            degraded.requests
        );
        assert!(slower <= SLOWER_MAX, "p99 is {slower:.2} times that of a healthy federation");
        assert!(more <= REQUESTS_MAX, "{more:.2} times the requests of a healthy federation");
        assert!(degraded.slowest <= world.federation.limits.deadline + Duration::from_millis(200));
        assert_eq!(degraded.incomplete, degraded.items.len(), "each answer says that it is not complete");
        assert!(degraded.items.iter().all(|items| *items >= 5), "the others' Items are there");
        for id in ill {
            let told = broker.snapshot().members.guard(id, Service::Catalogue).expect("a guard");
            assert_ne!(told.breaker.state, State::Closed, "{id}");
        }
        world.net.calm();
        sleep(Duration::from_secs(400)).await;
        let after = load(&world, &broker, alike, AFTER).await;
        assert_eq!(after.incomplete, 0, "all are back");
        drop(broker);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "no task is left");
        assert_eq!(world.net.under_way(), 0, "no request is left");
    });
}

#[test]
fn one_of_ten_hangs() {
    check(&["M3"], Fault::Hang, false);
}

#[test]
fn one_of_ten_hangs_and_all_clients_ask_alike() {
    check(&["M3"], Fault::Hang, true);
}

#[test]
fn three_of_ten_answer_503() {
    check(&["M1", "M4", "M7"], Fault::Status503, false);
}

#[test]
fn one_of_ten_sends_a_byte_a_second() {
    check(&["M3"], Fault::Drip, false);
}

#[test]
fn one_of_ten_never_ends_its_answer() {
    check(&["M3"], Fault::EndlessBody, false);
}

/// A member that answers one request in three is asked again within the budget alone, and its breaker opens and closes.
#[test]
fn a_member_that_stumbles_is_not_asked_twice_as_often() {
    virtually(2, || async {
        let world = world();
        let broker = started(&world).await;
        world.strike("M3", Fault::Stumbling);
        let loaded = load(&world, &broker, false, MEASURED).await;
        assert!(loaded.incomplete > 0);
        let mut judge = Judge::default();
        judge.arrivals(&world.net, true);
        assert_eq!(judge.wrong, Vec::<String>::new());
        let again = world.net.with("M3", |catalogue| catalogue.arrivals.iter().filter(|arrival| arrival.again).count());
        assert!(again > 2, "{again}");
    });
}

/// Five failures in a row open it, thirty seconds and what is added by chance keep it open, one answer closes it.
#[test]
fn a_breaker_opens_after_five_failures_and_closes_on_one_answer() {
    virtually(1, || async {
        let world = world();
        let net: Arc<dyn wire::Wire> = Arc::clone(&world.net) as Arc<dyn wire::Wire>;
        let broker = Broker::of(world.federation.clone(), Registry::over(&world.federation, net));
        broker.refresh_now().await;
        world.strike("M3", Fault::Status500);
        let breaker = || broker.snapshot().members.guard("M3", Service::Catalogue).expect("a guard").breaker;
        let second = Duration::from_millis(1_100);
        assert_eq!(breaker().state, State::Closed);
        let failing = load(&world, &broker, true, second).await;
        assert_eq!(failing.incomplete, failing.items.len());
        let told = breaker();
        assert_eq!(told.state, State::Open);
        assert_eq!((told.openings, told.reason.map(|reason| reason.failures)), (1, Some(5)));
        assert!(told.left > Duration::from_secs(28) && told.left <= Duration::from_secs(36), "{told:?}");
        let seen = world.net.arrivals("M3");
        world.net.calm();
        load(&world, &broker, true, second).await;
        assert_eq!(world.net.arrivals("M3"), seen, "nothing is sent while it is open");
        sleep(told.left).await;
        let after = load(&world, &broker, true, second).await;
        assert_eq!(breaker().state, State::Closed);
        assert_eq!(after.incomplete, 0, "the search that tries is a search like any other");
    });
}
