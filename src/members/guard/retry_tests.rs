//! The budget of retries under a clock that only the test moves.

use super::super::tests::Dice;
use super::*;

const S: Duration = Duration::from_secs(1);

#[test]
fn the_pause_is_between_its_bounds() {
    let now = Instant::now();
    for (chance, ms) in [(0.0, 50), (0.5, 150), (1.0, 250), (7.0, 250)] {
        let again = Retries::new(now).again(now, now + 10 * S, chance);
        assert_eq!(again, Again::After(Duration::from_millis(ms)));
    }
}

#[test]
fn without_time_for_a_usual_answer_nothing_is_sent_again() {
    let now = Instant::now();
    let mut retries = Retries::new(now);
    for ms in [10, 2_000, 30, 3_000, 1_000] {
        retries.answered(Duration::from_millis(ms));
    }
    assert_eq!(retries.median(), S);
    let left = |ms| now + Duration::from_millis(ms);
    assert_eq!(retries.again(now, left(1_050), 0.0), Again::Late);
    assert!(matches!(retries.again(now, left(1_051), 0.0), Again::After(_)));
    assert_eq!(Retries::new(now).again(now, left(50), 0.0), Again::Late, "nothing is known, and no time is left");
}

#[test]
fn what_is_remembered_has_an_end() {
    let mut retries = Retries::new(Instant::now());
    (0..10_000).for_each(|_| retries.answered(9 * S));
    (0..TIMES_KEPT).for_each(|_| retries.answered(S));
    assert_eq!((retries.median(), retries.times.len()), (S, TIMES_KEPT));
}

#[test]
fn a_fifth_of_the_requests_and_one_a_second_at_least() {
    let start = Instant::now();
    let mut retries = Retries::new(start);
    // Little is asked, all of it is lost: one a second.
    let sent = (0..100).filter(|n| {
        let now = start + Duration::from_millis(n * 100);
        retries.asked(now);
        matches!(retries.again(now, now + 10 * S, 0.5), Again::After(_))
    });
    let sent = sent.count();
    assert!((10..=20).contains(&sent), "{sent} of 100 in ten seconds");
    // Much is asked: a fifth.
    let mut retries = Retries::new(start);
    let mut sent = 0;
    for n in 0..1_000 {
        let now = start + Duration::from_millis(n);
        retries.asked(now);
        sent += u32::from(matches!(retries.again(now, now + 10 * S, 0.5), Again::After(_)));
    }
    assert!((150..=200).contains(&sent), "{sent} of 1000 in a second");
}

#[test]
fn seeded_histories_stay_within_the_budget() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let start = Instant::now();
        let mut retries = Retries::new(start);
        let (mut now, mut asked, mut again) = (start, Vec::new(), Vec::new());
        for _ in 0..2_000 {
            now += Duration::from_millis([0, 1, 20, 300, 4_000][dice.below(5)]);
            retries.asked(now);
            asked.push(now);
            if dice.below(3) > 0 && matches!(retries.again(now, now + 10 * S, 0.0), Again::After(_)) {
                again.push(now);
                // Whole seconds are counted, so the window may reach back ten of them and the running one.
                let recent = |times: &[Instant]| times.iter().filter(|at| now.duration_since(**at) < 11 * S).count();
                assert!(5 * recent(&again) <= recent(&asked) + 5 * 11, "seed {seed}");
            }
        }
        assert!(!again.is_empty());
    }
}
