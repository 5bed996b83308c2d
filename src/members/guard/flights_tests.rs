//! Equal requests at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::*;

type Outcome = Result<u32, &'static str>;

/// Far beyond any test.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Others get what was answered, and errors but the leader's own.
fn share(outcome: &Outcome) -> Option<Outcome> {
    (*outcome != Err("own")).then_some(*outcome)
}

fn told(flown: &Flown<Outcome, Outcome>) -> (&'static str, Outcome) {
    match flown {
        Flown::Led(outcome) => ("led", *outcome),
        Flown::Joined(outcome) => ("joined", *outcome),
        Flown::Late => ("late", Err("late")),
    }
}

#[derive(Default)]
struct Air {
    flights: Flights<&'static str, Outcome>,
    sent: AtomicUsize,
}

impl Air {
    async fn fly(&self, key: &'static str, answer: impl Future<Output = Outcome>) -> (&'static str, Outcome) {
        let send = || async {
            self.sent.fetch_add(1, Ordering::SeqCst);
            answer.await
        };
        told(&self.flights.fly(key, far(), share, send).await)
    }
}

async fn received(answer: oneshot::Receiver<Outcome>) -> Outcome {
    answer.await.unwrap_or(Err("own"))
}

/// Starts a leader and one who joins it; gives what answers the leader.
async fn two(air: &Arc<Air>) -> (oneshot::Sender<Outcome>, [tokio::task::JoinHandle<(&'static str, Outcome)>; 2]) {
    let (answer, asked) = oneshot::channel();
    let first = tokio::spawn({
        let air = Arc::clone(air);
        async move { air.fly("key", received(asked)).await }
    });
    while air.sent.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn({
        let air = Arc::clone(air);
        async move { air.fly("key", async { Ok(2) }).await }
    });
    tokio::task::yield_now().await;
    (answer, [first, second])
}

#[tokio::test]
async fn an_answer_is_everybody_s() {
    let air = Arc::new(Air::default());
    let (answer, [first, second]) = two(&air).await;
    assert_eq!(air.fly("other", async { Ok(3) }).await, ("led", Ok(3)), "another request goes by itself");
    answer.send(Ok(1)).unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (("led", Ok(1)), ("joined", Ok(1))));
    assert_eq!(air.sent.load(Ordering::SeqCst), 2);
    assert_eq!(air.fly("key", async { Ok(4) }).await, ("led", Ok(4)), "nothing is kept");
}

#[tokio::test]
async fn what_the_member_said_is_everybody_s_too() {
    let air = Arc::new(Air::default());
    let (answer, [first, second]) = two(&air).await;
    answer.send(Err("500")).unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (("led", Err("500")), ("joined", Err("500"))));
}

#[tokio::test]
async fn a_leader_s_own_failure_is_its_own() {
    let air = Arc::new(Air::default());
    let (answer, [first, second]) = two(&air).await;
    answer.send(Err("own")).unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (("led", Err("own")), ("led", Ok(2))));
}

#[tokio::test]
async fn a_leader_that_goes_away_is_replaced() {
    let air = Arc::new(Air::default());
    let (_answer, [first, second]) = two(&air).await;
    first.abort();
    assert_eq!(second.await.unwrap(), ("led", Ok(2)));
    assert!(air.flights.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_waits_by_its_own_deadline() {
    let air = Arc::new(Air::default());
    let (answer, [first, second]) = two(&air).await;
    let hasty = air.flights.fly("key", Instant::now(), share, || async { Ok(5) }).await;
    assert_eq!(told(&hasty).0, "late");
    answer.send(Ok(1)).unwrap();
    assert_eq!((first.await.unwrap().1, second.await.unwrap().1), (Ok(1), Ok(1)));
}

#[tokio::test]
async fn of_many_one_leads_whatever_becomes_of_leaders() {
    let air = Arc::new(Air::default());
    let asked = (0..200).map(|n| {
        let air = Arc::clone(&air);
        tokio::spawn(async move {
            let answer = async {
                tokio::task::yield_now().await;
                if n < 20 { Err("own") } else { Ok(n) }
            };
            air.fly("key", answer).await
        })
    });
    let all = futures::future::join_all(asked).await;
    let outcomes: Vec<_> = all.into_iter().map(|one| one.unwrap()).collect();
    let answers = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert!(answers >= 180, "{answers}");
    assert!(outcomes.iter().all(|(how, outcome)| *how == "led" || outcome.is_ok()), "no failure was shared as success");
    assert!(air.sent.load(Ordering::SeqCst) < 200);
}
