//! Upwards in time at a member that can only be read downwards: by windows, each small enough to be read whole.
//!
//! A window that holds more than one page is cut in half, or at the oldest Item that was seen of it, until it fits; an empty
//! one is passed. A page of ours is one window, turned around. Windows are closed and whole milliseconds, as keys are, so
//! that a tie is never divided. Which window to try first is remembered of the last one: that saves requests and decides
//! nothing.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::StacApi;
use crate::federation::Interval;
use crate::members::line::failure;
use crate::members::{Ask, Failure, Fault, Item, Page, Token};

/// Windows tried for one page: from all of time to one millisecond it takes 47 halves, and less when Items are seen.
const WINDOWS_MAX: usize = 64;
/// Pages of one millisecond that are read.
const TIE_PAGES_MAX: usize = 20;
/// The first and the last instant that is asked about, in milliseconds: the years 1 and 4000.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 64_060_588_800_000;

/// The width of the window that was read last, in milliseconds; 0: none yet.
#[derive(Debug, Default)]
pub(super) struct Width(AtomicI64);

/// Where the windows go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// First millisecond that was not read.
    from: i64,
    /// Of the window to try.
    width: i64,
}

/// The search for the next window that holds Items and fits a page.
#[derive(Debug)]
struct Windows {
    from: i64,
    until: i64,
    width: i64,
    /// A window from `from` up to here is too full.
    full_until: Option<i64>,
}

/// What a window turned out to hold.
#[derive(Debug, Clone, Copy)]
enum Held {
    Nothing,
    /// All of it came.
    Whole,
    /// More than a page; the oldest Item that came.
    TooMuch {
        oldest: i64,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Try the window again, as it is now.
    Again,
    /// It was read; here the next one begins.
    Read(Option<Place>),
    /// It is one millisecond, and more than a page.
    Tie(Option<Place>),
    /// Nothing is left.
    Over,
}

impl Windows {
    fn window(&self) -> (i64, i64) {
        (self.from, self.from.saturating_add(self.width.max(1) - 1).min(self.until))
    }

    fn took(&mut self, held: Held) -> Step {
        let (from, until) = self.window();
        // what is left of a window that was too full is less full
        let rest = self.full_until.map_or(0, |full| (full - until).div_euclid(2));
        let next = || (until < self.until).then_some(Place { from: until + 1, width: self.width.max(rest) });
        match held {
            Held::Whole => Step::Read(next()),
            Held::TooMuch { .. } if until == from => Step::Tie(next()),
            Held::TooMuch { oldest } => {
                self.full_until = Some(until);
                self.width = (until - from).div_euclid(2).min(oldest - from).max(1);
                Step::Again
            }
            Held::Nothing if until >= self.until => Step::Over,
            Held::Nothing => {
                self.from = until + 1;
                // towards the window that is known to be too full, else further and further
                self.width = match self.full_until {
                    Some(full) => (full - self.from).div_euclid(2).max(1),
                    None => self.width.saturating_mul(4),
                };
                Step::Again
            }
        }
    }
}

impl Place {
    fn open(token: &Token) -> Result<Self, Failure> {
        let place: Self = serde_json::from_str(&token.0)
            .map_err(|_foreign| failure(Fault::TokenRefused, "token of another way to read the member"))?;
        let good = (FIRST_MS..=LAST_MS).contains(&place.from) && place.width > 0;
        if good { Ok(place) } else { Err(failure(Fault::TokenRefused, "place outside of all times")) }
    }

    fn seal(self) -> Token {
        Token(serde_json::to_string(&self).unwrap_or_default().into())
    }
}

/// Whether an ask is for what only windows give.
pub(super) fn needed(ask: &Ask) -> bool {
    matches!(ask.sortby.first(), Some((field, false)) if matches!(&**field, "datetime" | "properties.datetime"))
}

impl StacApi {
    /// One page upwards: the next window that holds anything.
    pub(super) async fn slice(&self, ask: &Ask, deadline: Instant) -> Result<Page, Failure> {
        let mut windows = self.windows(ask)?;
        let mut unsaid = false;
        for _window in 0..WINDOWS_MAX {
            let (from, until) = windows.window();
            let mut page = self.first_page(&self.downwards(ask, from, until), deadline).await?;
            unsaid |= page.unsaid;
            page.unsaid = unsaid;
            let more = page.next.is_some() || page.cut;
            let held = match page.items.iter().filter_map(Item::time_key).min() {
                _ if page.received == 0 && !more => Held::Nothing,
                oldest if more => Held::TooMuch { oldest: oldest.unwrap_or(until) },
                _ => Held::Whole,
            };
            match windows.took(held) {
                Step::Again => {}
                Step::Over => return Ok(Page { matched: None, ..page }),
                Step::Read(next) => {
                    self.width.0.store(windows.width.saturating_mul(widened(page.received)), Ordering::Relaxed);
                    return Ok(upwards(page, (from, until), next));
                }
                Step::Tie(next) => {
                    self.read_on(ask, (from, until), &mut page, deadline).await?;
                    return Ok(upwards(page, (from, until), next));
                }
            }
        }
        Err(failure(Fault::TooLarge, "no window of time was small enough"))
    }

    fn windows(&self, ask: &Ask) -> Result<Windows, Failure> {
        let interval = ask.datetime.unwrap_or_default();
        let ms = |at: DateTime<Utc>| at.timestamp_millis().clamp(FIRST_MS, LAST_MS);
        let (first, until) = (interval.start.map_or(FIRST_MS, ms), interval.end.map_or(LAST_MS, ms));
        let remembered = self.width.0.load(Ordering::Relaxed);
        let (from, width) = match &ask.token {
            Some(token) => Place::open(token).map(|place| (place.from.max(first), place.width))?,
            // from the beginning of time a window that fits some place says nothing
            None if remembered > 0 && interval.start.is_some() => (first, remembered),
            None => (first, until.saturating_sub(first).saturating_add(1)),
        };
        Ok(Windows { from, until: until.max(from), width: width.max(1), full_until: None })
    }

    /// The ask for one window, newest first.
    fn downwards(&self, ask: &Ask, from: i64, until: i64) -> Ask {
        // Items cut to the last millisecond may lie up to 999 µs behind it
        let end =
            DateTime::from_timestamp_millis(until).and_then(|at| at.checked_add_signed(TimeDelta::microseconds(999)));
        let start = DateTime::from_timestamp_millis(from);
        let sortby = ask.sortby.first().map(|(field, _)| (field.clone(), true)).into_iter().collect();
        let limit = self.known.load().page_items_max;
        Ask { datetime: Some(Interval { start, end }), sortby, limit, token: None, ..ask.clone() }
    }

    /// The rest of a window of one millisecond.
    async fn read_on(
        &self,
        ask: &Ask,
        (from, until): (i64, i64),
        page: &mut Page,
        deadline: Instant,
    ) -> Result<(), Failure> {
        for _page in 0..TIE_PAGES_MAX {
            let Some(token) = page.next.take() else { break };
            let ask = Ask { token: Some(token.clone()), ..self.downwards(ask, from, until) };
            let part = self.listed_page(&ask, deadline).await?;
            page.received += part.received;
            page.bytes += part.bytes;
            page.invalid.count += part.invalid.count;
            page.items.extend(part.items);
            page.cut = part.cut;
            page.next = part.next.filter(|next| *next != token);
        }
        if page.next.is_some() || page.cut {
            return Err(failure(Fault::TooLarge, "more Items of one time than can be read"));
        }
        Ok(())
    }
}

/// A window as a page of the list upwards. What came beside the window comes again in its own.
fn upwards(mut page: Page, (from, until): (i64, i64), next: Option<Place>) -> Page {
    page.items.retain(|item| item.time_key().is_none_or(|at| (from..=until).contains(&at)));
    page.items.reverse();
    page.items.sort_by_key(Item::time_key);
    Page { next: next.map(Place::seal), cut: false, matched: None, ..page }
}

/// By how much the next window is wider: sparse times are passed faster.
fn widened(received: u32) -> i64 {
    if received < 100 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a catalogue of times upwards; gives what was read, and the most windows that one page took.
    fn read(times: &[i64], page: usize, (first, last): (i64, i64)) -> (Vec<i64>, usize) {
        let (mut read, mut most) = (Vec::new(), 0);
        let mut place = Some(Place { from: first, width: last - first + 1 });
        while let Some(Place { from, width }) = place {
            let mut windows = Windows { from, until: last, width, full_until: None };
            for tried in 1.. {
                most = most.max(tried);
                let (from, until) = windows.window();
                let mut inside: Vec<i64> = times.iter().copied().filter(|at| (from..=until).contains(at)).collect();
                inside.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
                let held = match inside.len() {
                    0 => Held::Nothing,
                    count if count > page => Held::TooMuch { oldest: inside[page - 1] },
                    _ => Held::Whole,
                };
                match windows.took(held) {
                    Step::Again => {}
                    Step::Over => {
                        place = None;
                        break;
                    }
                    Step::Read(next) | Step::Tie(next) => {
                        inside.reverse();
                        read.extend(inside);
                        place = next;
                        break;
                    }
                }
            }
        }
        (read, most)
    }

    #[test]
    fn windows_read_everything_once_in_order_within_their_bound() {
        let now = 1_750_000_000_000;
        let minutes: Vec<i64> = (0..3_000).map(|n| now + n * 60_000).collect();
        let bursts: Vec<i64> = (0..2_000).map(|n| now + (n / 300) * 86_400_000 * 365 + n % 7).collect();
        let tie: Vec<i64> = (0..1_500).map(|n| now + (n / 1_000)).collect();
        let far: Vec<i64> = vec![FIRST_MS, FIRST_MS + 1, 0, now, LAST_MS];
        for times in [minutes, bursts, tie, far, Vec::new()] {
            for page in [1, 20, 500] {
                let mut wanted = times.clone();
                wanted.sort_unstable();
                let (got, most) = read(&times, page, (FIRST_MS, LAST_MS));
                assert_eq!(got, wanted, "{} times in pages of {page}", times.len());
                assert!(most < WINDOWS_MAX, "{most} windows for {} times in pages of {page}", times.len());
            }
        }
    }

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = Place { from: 1_750_000_000_000, width: 3_600_000 };
        assert_eq!(Place::open(&place.seal()).unwrap(), place);
        for wrong in ["", "{}", r#"{"from":1}"#, r#"{"from":1,"width":0}"#, r#"{"q":[["page","2"]]}"#] {
            assert!(Place::open(&Token(wrong.into())).is_err(), "{wrong}");
        }
    }
}
