use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::members::harvest::for_tests;

/// Gives what it is told to, one after the other; then it never ends.
#[derive(Default)]
struct Script {
    outcomes: Mutex<VecDeque<Result<usize, Fault>>>,
    given_up: Arc<AtomicBool>,
}

/// Says when it was dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Script {
    fn of(outcomes: impl IntoIterator<Item = Result<usize, Fault>>) -> Self {
        Self { outcomes: Mutex::new(outcomes.into_iter().collect()), ..Self::default() }
    }
}

impl Source for Script {
    type Kept = ();

    fn read<'a>(
        &'a self,
        before: Option<&'a Harvested<()>>,
        progress: &'a Progress,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Harvested<()>, Failure>> {
        let outcome = self.outcomes.lock().unwrap().pop_front();
        let given_up = Guard(Arc::clone(&self.given_up));
        Box::pin(async move {
            progress.add(10);
            let Some(outcome) = outcome else {
                std::future::pending::<()>().await;
                drop(given_up);
                unreachable!("it never ends")
            };
            std::mem::forget(given_up);
            let count =
                outcome.map_err(|fault| failure(fault, "as told"))? + before.map_or(0, |before| before.items.len());
            let item = |n| {
                let text =
                    format!(r#"{{"type":"Feature","id":"i{n}","collection":"c","geometry":null,"properties":{{}}}}"#);
                Arc::new(Item::new(text).unwrap())
            };
            Ok(Harvested { items: (0..count).map(item).collect(), ..Harvested::default() })
        })
    }

    fn sign_of_life(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn count(member: &Harvester<Script>) -> Result<u64, Fault> {
    let page = member.search(&Ask { limit: 1, ..Ask::default() }, soon()).await;
    page.map(|page| page.matched.unwrap().count).map_err(|failed| failed.fault)
}

#[tokio::test]
async fn the_first_harvest_is_waited_for_and_a_failed_one_changes_nothing() {
    let member = Harvester::new(&for_tests("S"), Script::of([Ok(2), Err(Fault::Unreachable), Ok(3)]));
    assert_eq!(count(&member).await, Ok(2), "whoever asks first begins it");
    assert_eq!(member.renew(soon()).await.unwrap_err().fault, Fault::Unreachable);
    assert_eq!(count(&member).await, Ok(2));
    let state = member.harvest().unwrap();
    assert_eq!((state.items, state.failure, state.complete), (2, Some(Fault::Unreachable), true));
    assert_eq!(member.health().last_failure, Some(Fault::Unreachable));
    member.renew(soon()).await.unwrap();
    assert_eq!(count(&member).await, Ok(5), "the harvest before was at hand");
    assert_eq!(member.harvest().unwrap().failure, None);
}

#[tokio::test]
async fn a_first_harvest_that_fails_is_the_answer_and_one_that_takes_long_says_how_far_it_is() {
    let member = Harvester::new(&for_tests("S"), Script::of([Err(Fault::Forbidden)]));
    assert_eq!(member.collections(soon()).await.unwrap_err().fault, Fault::Forbidden);
    assert_eq!(count(&member).await, Err(Fault::Forbidden));

    let member = Harvester::new(&for_tests("S"), Script::of([]));
    let mut past = member.shared.past.subscribe();
    member.discover(soon()).await.unwrap();
    past.wait_for(|past| past.begun_at.is_some()).await.unwrap();
    let failed = member.collections(Instant::now() + Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(failed.fault, Fault::Timeout);
    assert_eq!(failed.detail, "it is being read for the first time; 1 documents so far");
    let running = member.harvest().unwrap().running.unwrap();
    assert_eq!((running.documents, running.bytes), (1, 10));
    assert!(member.harvest().unwrap().remarks().contains(&"no snapshot yet".to_owned()));
}

#[tokio::test]
async fn it_reads_again_by_itself() {
    let mut declared = for_tests("S");
    declared.crawl.every = Duration::from_millis(2);
    let member = Harvester::new(&declared, Script::of([Ok(1), Err(Fault::Timeout), Ok(1)]));
    let mut past = member.shared.past.subscribe();
    assert!(count(&member).await.is_ok());
    past.wait_for(|past| past.attempts == 3).await.unwrap();
    assert_eq!((member.harvest().unwrap().failure, count(&member).await), (None, Ok(2)));
}

#[tokio::test]
async fn a_member_that_is_dropped_stops_reading() {
    let source = Script::of([]);
    let given_up = Arc::clone(&source.given_up);
    let member = Harvester::new(&for_tests("S"), source);
    let deadline = Instant::now() + Duration::from_millis(20);
    assert!(member.collections(deadline).await.is_err());
    assert!(!given_up.load(Ordering::SeqCst));
    drop(member);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(given_up.load(Ordering::SeqCst), "the harvest goes on without a member");
}

#[test]
fn pauses_grow_with_failures_and_are_as_long_as_a_server_asks_for() {
    let seconds = |failures, asked| pause(Duration::from_secs(3_600), failures, asked, 0.5).as_secs();
    assert_eq!([0, 1, 2, 3, 8, u32::MAX].map(|failures| seconds(failures, None)), [3_600, 30, 60, 120, 3_600, 3_600]);
    assert_eq!(seconds(1, Some(300)), 300);
    let spread = |jitter| pause(Duration::from_secs(100), 0, None, jitter).as_secs();
    assert_eq!((spread(0.0), spread(1.0)), (80, 120));
}
