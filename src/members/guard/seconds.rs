//! Two counts over the last ten seconds, a second at a time.

use tokio::time::Instant;

/// Seconds that are looked back.
const WINDOW_S: u64 = 10;
const PLACES: usize = 10;

/// Events of the last ten seconds, and how many of them were marked. Bounded whatever happens.
#[derive(Debug)]
pub struct Seconds {
    start: Instant,
    /// The second since `start` that each place stands for, its events, and the marked ones.
    places: [(u64, u32, u32); PLACES],
}

impl Seconds {
    pub fn from(start: Instant) -> Self {
        Self { start, places: [(0, 0, 0); PLACES] }
    }

    pub fn add(&mut self, now: Instant, marked: bool) {
        let second = self.second(now);
        let place = &mut self.places[usize::try_from(second % WINDOW_S).unwrap_or_default()];
        if place.0 != second {
            *place = (second, 0, 0);
        }
        place.1 = place.1.saturating_add(1);
        place.2 = place.2.saturating_add(u32::from(marked));
    }

    /// Events and marked events of the last ten seconds.
    pub fn sum(&self, now: Instant) -> (u32, u32) {
        let second = self.second(now);
        let recent = self.places.iter().filter(|place| place.0 + WINDOW_S > second && place.0 <= second);
        recent.fold((0, 0), |(all, marked), place| (all.saturating_add(place.1), marked.saturating_add(place.2)))
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}
