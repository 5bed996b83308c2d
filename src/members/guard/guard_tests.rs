//! The guard as a whole: histories under a clock that only the test moves, and its turns under the real one.

use std::collections::BinaryHeap;

use super::*;
use crate::federation::Request;

/// A small generator of numbers, the same from the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % end as u64).unwrap()
    }
}

fn guard_of(request: &Request) -> Arc<Guard> {
    Arc::new(Guard::new(&MemberId::new("A"), request, false))
}

fn at_most(concurrency_max: usize) -> Arc<Guard> {
    guard_of(&Request { concurrency_max, ..Request::default() })
}

fn at_rate(rate: u32) -> Arc<Guard> {
    guard_of(&Request { rate_per_s: Some(rate), ..Request::default() })
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test]
async fn a_turn_that_nobody_gives_back_is_not_waited_for_long() {
    let guard = at_most(1);
    let pass = guard.enter(far()).await.unwrap();
    let refused = guard.enter(far()).await.unwrap_err();
    assert_eq!((refused.fault, refused.detail.contains("turns")), (Fault::RateLimited, true));
    drop(pass);
    assert!(guard.enter(far()).await.is_ok(), "it went away, and its turn came back");
}

#[tokio::test]
async fn turns_that_come_back_are_worth_waiting_for() {
    let guard = at_most(1);
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let guard = Arc::clone(&guard);
            tokio::spawn(async move {
                let pass = guard.enter(far()).await?;
                // More than a step each: no one of them could wait for all others by the clock alone.
                tokio::time::sleep(STEP / 2).await;
                drop(pass.answered("ok", 0));
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_rate_is_held_and_what_is_too_far_away_is_refused_at_once() {
    let guard = at_rate(2);
    for _ in 0..2 {
        drop(guard.enter(far()).await.unwrap().answered("ok", 0));
    }
    // A third may come after half a second; a fourth would have to wait longer than anybody waits for a turn.
    let (third, fourth, fifth) = tokio::join!(guard.enter(far()), guard.enter(far()), guard.enter(far()));
    let got = [third, fourth, fifth].into_iter().flatten().count();
    assert!((1..=2).contains(&got), "{got}");
    let refused = at_rate(1);
    drop(refused.enter(far()).await.unwrap());
    let hasty = refused.enter(Instant::now() + Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(hasty.fault, Fault::RateLimited);
}

#[tokio::test]
async fn an_open_breaker_says_why_and_for_how_long() {
    let guard = guard_of(&Request::default());
    for _ in 0..5 {
        let pass = guard.enter(far()).await.unwrap();
        pass.failed(Fault::Unreachable, Judged::Bad(Fault::Unreachable), Strength::Unknown);
    }
    let refused = guard.enter(far()).await.unwrap_err();
    assert_eq!(refused.fault, Fault::CircuitOpen);
    assert!((29..=36).contains(&refused.retry_after_s.unwrap()), "{refused:?}");
    assert!(refused.detail.contains("5 requests failed in a row, the last with `unreachable`"), "{refused:?}");
    assert_eq!(guard.told().in_flight, 0);
}

#[tokio::test]
async fn an_answer_that_turns_out_to_be_nonsense_counts_as_a_failure() {
    let guard = guard_of(&Request::default());
    for _ in 0..5 {
        let trial = guard.enter(far()).await.unwrap().answered("ok", 10);
        let read: Result<(), Failure> = trial.of(Err(failure(Fault::BadResponse, "not Items")));
        assert!(read.is_err());
    }
    assert_eq!(guard.told().breaker.state, State::Open);
    let guard = guard_of(&Request::default());
    for n in 0..50 {
        let trial = guard.enter(far()).await.unwrap().answered("ok", 10);
        let read: Result<(), Failure> = if n % 5 == 4 { Ok(()) } else { Err(failure(Fault::TooLarge, "")) };
        drop(trial.of(read));
    }
    assert_eq!(guard.told().breaker.state, State::Closed, "too large is no illness");
}

#[tokio::test]
async fn clients_that_go_away_open_nothing() {
    let guard = guard_of(&Request::default());
    for _ in 0..100 {
        drop(guard.enter(far()).await.unwrap());
    }
    let told = guard.told();
    assert_eq!((told.breaker.state, told.in_flight, told.concurrency_limit), (State::Closed, 0, 16));
}

#[tokio::test]
async fn a_pause_is_kept_and_bounded() {
    let guard = guard_of(&Request::default());
    guard.pause(u32::MAX);
    let refused = guard.enter(far()).await.unwrap_err();
    assert_eq!((refused.fault, refused.retry_after_s), (Fault::RateLimited, Some(RETRY_AFTER_MAX_S)));
}

/// A request under way: when it ends, and how.
type UnderWay = std::cmp::Reverse<(u64, bool, u8)>;

/// Requests at random times to a member that is well, slow, ill or away by turns: what the guard lets through.
#[test]
fn seeded_lives_of_a_member_stay_within_every_bound() {
    let (mut opened, mut closed_again, mut grown) = (0, 0, 0);
    for seed in 0..150 {
        let mut dice = Dice::new(seed);
        let start = Instant::now();
        let max = [2, 8, 64][dice.below(3)];
        let guard = at_most(max);
        let mut parts = guard.lock();
        let (mut now_ms, mut health, mut under_way) = (0, 0, BinaryHeap::<UnderWay>::new());
        let mut was_open = false;
        for step in 0..3_000 {
            now_ms += [0, 1, 5, 40, 600][dice.below(5)];
            let at = |ms: u64| start + Duration::from_millis(ms);
            if step % 300 == 0 {
                health = [0, 0, 1, 2, 3][dice.below(5)];
            }
            while let Some(std::cmp::Reverse((ends, tries, how))) =
                under_way.peek().copied().filter(|next| next.0.0 <= now_ms)
            {
                under_way.pop();
                let strength = [Strength::Fine, Strength::Strained, Strength::Unknown][usize::from(how)];
                parts.limiter.give_back(at(ends), strength);
                if how == 0 {
                    parts.breaker.succeeded(at(ends), tries);
                } else {
                    opened += u32::from(parts.breaker.failed(at(ends), tries, Fault::Timeout, 0.5));
                }
            }
            let standing = parts.breaker.standing(at(now_ms));
            closed_again += u32::from(was_open && standing.state == State::Closed);
            was_open = standing.state != State::Closed;
            match parts.look(at(now_ms)) {
                Door::Open { tries } => {
                    assert_ne!(standing.state, State::Open, "seed {seed}, step {step}");
                    assert_eq!(tries, standing.state == State::HalfOpen);
                    assert!(parts.limiter.in_flight() <= max + 1, "seed {seed}, step {step}");
                    let (took, how) = [(20, 0), (900, 0), (10_000, 1), (2, 2)][health];
                    under_way.push(std::cmp::Reverse((now_ms + took, tries, how)));
                }
                Door::Shut(why, _) => assert!(why.fault == Fault::CircuitOpen && standing.state != State::Closed),
                Door::Wait { .. } => {
                    assert!(parts.limiter.in_flight() >= parts.limiter.allowed(parts.breaker.share(at(now_ms))));
                }
            }
            assert_eq!(parts.limiter.in_flight(), under_way.len(), "every turn comes back once");
            grown += u32::from(parts.limiter.allowed(1.0) > 16);
        }
    }
    assert!(opened > 100 && closed_again > 20 && grown > 100, "{opened} {closed_again} {grown}");
}
