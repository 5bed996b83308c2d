//! The breaker under a clock that only the test moves, and against a model that looks at the whole history.

use super::super::tests::Dice;
use super::*;

const S: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

struct Clock {
    breaker: Breaker,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { breaker: Breaker::new(now), now }
    }

    fn later(&mut self, by: Duration) -> &mut Self {
        self.now += by;
        self
    }

    fn fail(&mut self) -> bool {
        self.breaker.failed(self.now, false, Fault::Timeout, 0.0)
    }

    fn fine(&mut self) {
        self.breaker.succeeded(self.now, false);
    }

    fn enter(&mut self) -> Entry {
        self.breaker.enter(self.now)
    }

    /// Fails in a row until it opens.
    fn open(&mut self) {
        for count in 1..=5 {
            assert_eq!(self.fail(), count == 5, "{count}");
        }
    }
}

#[test]
fn five_failures_in_a_row_open_it_and_four_do_not() {
    let mut clock = Clock::new();
    for _ in 0..20 {
        (0..4).for_each(|_| assert!(!clock.fail()));
        // Spread out, so that the share of the last ten seconds does not count.
        clock.later(11 * S).fine();
        assert_eq!(clock.enter(), Entry::Go);
    }
    clock.open();
    assert_eq!(clock.enter(), Entry::Closed(30 * S));
    let standing = clock.breaker.standing(clock.now);
    assert_eq!(
        standing.to_string(),
        "5 requests failed in a row, the last with `timeout`; it is not asked for another 30 s"
    );
}

#[test]
fn half_of_twenty_within_ten_seconds_open_it() {
    let every_other = |requests: u32, gap: Duration| {
        let mut clock = Clock::new();
        (0..requests).any(|n| {
            clock.later(gap);
            if n % 2 == 0 {
                clock.fine();
                false
            } else {
                clock.fail()
            }
        })
    };
    assert!(!every_other(19, ms(100)), "too few to tell");
    assert!(every_other(20, ms(100)));
    assert!(!every_other(400, ms(600)), "seventeen in ten seconds");
    let mut clock = Clock::new();
    (0..1_000).for_each(|n| {
        clock.later(ms(10));
        if n % 3 == 0 { assert!(!clock.fail(), "a third is not half") } else { clock.fine() }
    });
}

#[test]
fn it_stays_open_longer_each_time_and_never_longer_than_five_minutes() {
    for (chance, percent) in [(0.0, 100_u32), (0.5, 110), (1.0, 120)] {
        let mut clock = Clock::new();
        (0..4).for_each(|_| assert!(!clock.fail()));
        assert!(clock.breaker.failed(clock.now, false, Fault::Unreachable, chance));
        for seconds in [30_u32, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300] {
            let Entry::Closed(left) = clock.enter() else { panic!("open") };
            assert_eq!(left.as_millis(), u128::from(seconds * 10 * percent));
            assert_eq!(clock.later(left.saturating_sub(ms(1))).enter(), Entry::Closed(ms(1)));
            assert_eq!(clock.later(ms(1)).enter(), Entry::Try);
            assert!(clock.breaker.failed(clock.now, true, Fault::Unreachable, chance));
        }
    }
}

#[test]
fn one_request_tries_and_what_it_says_decides() {
    let mut clock = Clock::new();
    clock.open();
    assert_eq!(clock.later(30 * S).enter(), Entry::Try);
    assert!(matches!(clock.enter(), Entry::Closed(_)), "one only");
    // It was given up by its client: the next one tries.
    clock.breaker.learnt_nothing(true);
    assert_eq!(clock.breaker.standing(clock.now).state, State::HalfOpen);
    assert_eq!(clock.enter(), Entry::Try);
    // What was sent before the breaker opened says nothing any more.
    clock.fine();
    assert!(!clock.fail());
    assert!(matches!(clock.enter(), Entry::Closed(_)));
    clock.breaker.succeeded(clock.now, true);
    assert_eq!(clock.enter(), Entry::Go);
}

#[test]
fn after_closing_concurrency_comes_back_in_thirty_seconds_and_then_all_is_forgiven() {
    let mut clock = Clock::new();
    clock.open();
    clock.later(30 * S).enter();
    clock.breaker.succeeded(clock.now, true);
    let shares: Vec<f64> = (0..5).map(|n| clock.breaker.share(clock.now + n * 10 * S)).collect();
    assert!((shares[0] - 0.1).abs() < 1e-9 && (shares[1] - 0.4).abs() < 1e-9, "{shares:?}");
    assert!(shares[3..].iter().all(|share| (share - 1.0).abs() < 1e-9), "{shares:?}");
    // Failing again meanwhile counts as the second time in a row.
    let mut again = clock.breaker.standing(clock.now).openings;
    assert_eq!(again, 1);
    clock.later(20 * S).open();
    again = clock.breaker.standing(clock.now).openings;
    assert_eq!((again, clock.enter()), (2, Entry::Closed(60 * S)));
    clock.later(60 * S).enter();
    clock.breaker.succeeded(clock.now, true);
    clock.later(30 * S).fine();
    assert_eq!(clock.breaker.standing(clock.now).openings, 0);
    clock.open();
    assert_eq!(clock.enter(), Entry::Closed(30 * S));
}

/// The same rules, told by looking at everything that ever happened.
#[derive(Default)]
struct Model {
    /// Since it was last closed: when, in milliseconds, and whether it failed.
    history: Vec<(u64, bool)>,
    closed_ms: u64,
    open_until_ms: Option<u64>,
    trying: bool,
    openings: u64,
    ever_open: bool,
}

impl Model {
    fn wants_open(&self, now: u64) -> bool {
        let row = self.history.iter().rev().take_while(|(_, failed)| *failed).count();
        let second = |at: u64| (at - self.closed_ms) / 1_000;
        let recent: Vec<_> = self.history.iter().filter(|(at, _)| second(*at) + 10 > second(now)).collect();
        let failed = recent.iter().filter(|(_, failed)| *failed).count();
        row >= 5 || (recent.len() >= 20 && 2 * failed >= recent.len())
    }

    fn open(&mut self, now: u64) {
        self.openings += 1;
        (self.trying, self.ever_open) = (false, true);
        self.open_until_ms = Some(now + 1_000 * (30 * self.openings).min(300));
    }

    /// 0: goes, 1: tries, 2: refused.
    fn enter(&mut self, now: u64) -> u8 {
        match self.open_until_ms {
            None => 0,
            Some(until) if now < until || self.trying => 2,
            Some(_) => {
                self.trying = true;
                1
            }
        }
    }

    fn ended(&mut self, now: u64, tries: bool, failed: Option<bool>) {
        match (self.open_until_ms, tries, failed) {
            (None, _, Some(failed)) => {
                self.history.push((now, failed));
                if failed && self.wants_open(now) {
                    self.open(now);
                } else if !failed && self.ever_open && now - self.closed_ms >= 30_000 {
                    (self.openings, self.ever_open) = (0, false);
                }
            }
            (Some(_), true, Some(true)) => self.open(now),
            (Some(_), true, Some(false)) => {
                (self.open_until_ms, self.trying) = (None, false);
                (self.closed_ms, self.history) = (now, Vec::new());
            }
            (Some(_), true, None) => self.trying = false,
            _ => {}
        }
    }
}

#[test]
fn seeded_histories_agree_with_the_model() {
    let mut openings = 0;
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let start = Instant::now();
        let (mut breaker, mut model) = (Breaker::new(start), Model::default());
        let (mut now_ms, mut under_way) = (0, Vec::new());
        let mut illness = 0;
        for step in 0..600 {
            if dice.below(40) == 0 {
                illness = [0, 0, 30, 60, 100][dice.below(5)];
            }
            now_ms += [0, 10, 150, 900, 9_000][dice.below(5)];
            let now = start + ms(now_ms);
            if dice.below(2) == 0 || under_way.is_empty() {
                let entered = match breaker.enter(now) {
                    Entry::Go => 0,
                    Entry::Try => 1,
                    Entry::Closed(_) => 2,
                };
                assert_eq!(entered, model.enter(now_ms), "seed {seed}, step {step}");
                if entered < 2 {
                    under_way.push(entered == 1);
                }
            } else {
                let tries = under_way.swap_remove(dice.below(under_way.len()));
                let failed = (dice.below(10) > 0).then(|| dice.below(100) < illness);
                match failed {
                    Some(true) => openings += u32::from(breaker.failed(now, tries, Fault::Timeout, 0.0)),
                    Some(false) => breaker.succeeded(now, tries),
                    None => breaker.learnt_nothing(tries),
                }
                model.ended(now_ms, tries, failed);
            }
        }
    }
    assert!(openings > 1_000, "only {openings} openings were seen");
}
