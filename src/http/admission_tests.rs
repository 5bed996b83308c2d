//! Turns: how many, who waits, who is refused, and that none is lost.

use std::task::Poll;

use futures::poll;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// `running` in progress of at most 1,000, with at least 8.
fn turns(running: usize) -> Turns {
    Turns { running, ..Turns::new(1_000, 8) }
}

#[test]
fn as_many_as_allowed_while_the_machine_is_not_saturated() {
    let now = Instant::now();
    assert_eq!(turns(999).place(now), Place::Turn);
    assert_eq!(turns(1_000).place(now), Place::None);
    let mut looked = Turns { due: Some(now), ..turns(999) };
    looked.look(SATURATED - 0.01);
    assert_eq!((looked.place(now + LATE), looked.allowed), (Place::Turn, 1_000), "nearly");
}

#[test]
fn fewer_are_let_in_as_long_as_the_machine_is_saturated_and_more_again_when_it_is_not() {
    let mut turns = turns(80);
    turns.look(1.0);
    assert_eq!(turns.allowed, 70);
    assert_eq!(turns.place(Instant::now()), Place::Queue);
    turns.running = 4;
    turns.look(1.0);
    assert_eq!(turns.allowed, 8, "never fewer than a core needs");
    assert!(turns.is_busy(), "it is looked until all are allowed again");
    turns.look(HAS_ROOM - 0.01);
    assert_eq!(turns.allowed, 8, "nobody wants more");
    turns.running = 8;
    turns.look(HAS_ROOM);
    assert_eq!(turns.allowed, 8, "more would not be served sooner");
    turns.look(HAS_ROOM - 0.01);
    assert_eq!(turns.allowed, 9);
}

/// A burst that kept the machine busy leaves nothing that the next one would be refused for.
#[test]
fn all_are_allowed_again_within_a_second_of_rest() {
    let mut turns = turns(0);
    turns.allowed = 8;
    let looks = (1..100).find(|_| {
        turns.look(0.0);
        turns.allowed == 1_000
    });
    assert!(looks.is_some(), "at looks 10 ms apart");
    assert!(!turns.is_busy(), "and then nobody looks");
}

/// The share of time is that of the runtime's own threads.
#[tokio::test]
async fn a_thread_that_works_is_busy_and_one_that_waits_is_not() {
    let mut load = Load::of(Handle::current().metrics());
    tokio::time::sleep(MS * 50).await;
    assert!(load.since_last() < RESTS);
    let begun = std::time::Instant::now();
    while begun.elapsed() < MS * 50 {
        std::thread::sleep(MS);
        tokio::task::yield_now().await;
    }
    assert!(load.since_last() > RESTS);
}

#[test]
fn an_overdue_look_lets_nobody_more_in() {
    let now = Instant::now();
    let mut turns = Turns { due: Some(now), ..turns(50) };
    assert_eq!(turns.place(now + LATE), Place::Turn);
    assert_eq!(turns.place(now + LATE + MS), Place::Queue);
    assert_eq!(turns.allowed, 50);
}

#[test]
fn not_more_wait_than_will_have_their_turn_soon() {
    let mut turns = turns(8);
    turns.look(1.0);
    let now = Instant::now();
    let waiting = std::iter::from_fn(|| {
        (turns.place(now) == Place::Queue).then(|| {
            turns.waiting.push_back(oneshot::channel().0);
        })
    });
    assert_eq!(waiting.count(), 64);
    assert_eq!(turns.place(now), Place::None);
}

/// A door of one turn, and room to wait.
fn narrow() -> Admission {
    let admission = Admission::new(100);
    *admission.lock() = Turns { allowed: 1, fewest: 1, ..Turns::new(100, 1) };
    admission
}

#[tokio::test]
async fn turns_are_given_in_the_order_in_which_they_were_asked_for() {
    let admission = narrow();
    let first = admission.enter().await.unwrap();
    let (mut second, mut third) = (Box::pin(admission.enter()), Box::pin(admission.enter()));
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    drop(first);
    assert!(poll!(&mut third).is_pending());
    let Poll::Ready(Ok(second)) = poll!(&mut second) else { panic!("the second is next") };
    drop(second);
    assert!(poll!(&mut third).is_ready());
}

#[tokio::test]
async fn a_client_that_leaves_takes_no_turn_with_it() {
    let admission = narrow();
    let first = admission.enter().await.unwrap();
    let (mut left, mut given) = (Box::pin(admission.enter()), Box::pin(admission.enter()));
    assert!(poll!(&mut left).is_pending() && poll!(&mut given).is_pending());
    drop(left);
    drop(first);
    assert_eq!(admission.lock().running, 1, "given to the one that still waits");
    // It leaves with the turn that it was given and did not look at.
    drop(given);
    assert_eq!(admission.lock().running, 0);
    assert!(admission.enter().await.is_ok());
}

#[tokio::test]
async fn a_wait_has_an_end_and_leaves_nothing() {
    let admission = narrow();
    let first = admission.enter().await.unwrap();
    assert!(matches!(admission.enter_within(MS).await, Err(Full)));
    drop(first);
    assert_eq!(admission.lock().running, 0, "nobody has the turn that came too late");
}
