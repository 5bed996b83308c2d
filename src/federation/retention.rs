//! What a site keeps, and for how long. It decides whether a member is asked at all; it is never a cache lifetime.

use std::fmt;

use chrono::{DateTime, Duration, Months, TimeDelta, Utc};

use super::area::Area;
use super::interval::{Interval, text};
use super::policy::Patterns;

/// Sites purge and publish at their own hour and their clocks differ from ours: rolling edges count this much wider.
const ROLLING_MARGIN: TimeDelta = TimeDelta::hours(1);

/// What lies this near to a rolling edge may be gone already where a site is to have every Item (S11).
const PURGE_MARGIN: TimeDelta = TimeDelta::days(1);

const SECONDS_PER_DAY: u64 = 86_400;
/// Longest period that is read; 10 000 years, the reach of RFC 3339.
const MONTHS_MAX: u32 = 120_000;
const SECONDS_MAX: u64 = 10_000 * 366 * SECONDS_PER_DAY;

/// One `[[member.policy.retention]]` rule; all its keys hold together, several rules of one collection are alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    pub collections: Patterns,
    /// Rolling: nothing older than now minus this.
    pub keep: Option<Period>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Nothing newer than now minus this.
    pub lag: Option<Period>,
    /// Longest Item with a start and an end: widens the window on both sides.
    pub item_span_max: Period,
    pub focus: Option<Area>,
}

impl Default for Retention {
    /// A rule for every collection that limits nothing.
    fn default() -> Self {
        Self {
            collections: Patterns::everything(),
            keep: None,
            from: None,
            until: None,
            lag: None,
            item_span_max: Period::default(),
            focus: None,
        }
    }
}

impl Retention {
    /// The times for which the rule may have an Item: its window, widened by the longest Item and the margin of rolling edges.
    ///
    /// No query that misses it matches any Item the rule covers. An edge beyond the calendar is open.
    #[must_use]
    pub fn window(&self, now: DateTime<Utc>) -> Interval {
        let oldest = self.keep.and_then(|keep| keep.before(now)?.checked_sub_signed(ROLLING_MARGIN));
        let newest = self.lag.and_then(|lag| lag.before(now)?.checked_add_signed(ROLLING_MARGIN));
        let earlier = |edge: Option<DateTime<Utc>>| edge.and_then(|edge| self.item_span_max.before(edge));
        let later = |edge: Option<DateTime<Utc>>| edge.and_then(|edge| self.item_span_max.after(edge));
        let (from, oldest) = (earlier(self.from), earlier(oldest));
        let end = match (later(self.until), later(newest)) {
            (Some(until), Some(newest)) => Some(until.min(newest)),
            (until, newest) => until.or(newest),
        };
        Interval { start: from.max(oldest), end }
    }

    /// The times of which the rule surely has every Item (S11): sites purge and publish at their own hour, so the last day
    /// before a rolling edge and the hour before a lag do not count. `None`: it is sure of none.
    #[must_use]
    pub fn sure(&self, now: DateTime<Utc>) -> Option<Interval> {
        // an edge beyond the calendar is none
        let oldest = self.keep.and_then(|keep| keep.before(now)?.checked_add_signed(PURGE_MARGIN));
        let newest = self.lag.and_then(|lag| lag.before(now)?.checked_sub_signed(ROLLING_MARGIN));
        let end = match (self.until, newest) {
            (Some(until), Some(newest)) => Some(until.min(newest)),
            (until, newest) => until.or(newest),
        };
        let start = self.from.max(oldest);
        let some = start.zip(end).is_none_or(|(start, end)| start < end);
        some.then_some(Interval { start, end })
    }

    /// What the rule keeps, to follow `keeps`: for example `the last 90 days`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(keep) = self.keep {
            parts.push(format!("the last {keep}"));
        }
        match (self.from, self.until) {
            (Some(from), Some(until)) => parts.push(format!("{} to {}", edge(from), edge(until))),
            (Some(from), None) => parts.push(format!("times from {} on", edge(from))),
            (None, Some(until)) => parts.push(format!("times until {}", edge(until))),
            (None, None) => {}
        }
        if let Some(lag) = self.lag {
            parts.push(format!("nothing newer than {lag}"));
        }
        if parts.is_empty() { "everything".into() } else { parts.join(", ") }
    }
}

/// An instant for a sentence; the first and the last instant of a day are written as its date.
#[must_use]
pub(super) fn edge(at: DateTime<Utc>) -> String {
    let second = at.timestamp().rem_euclid(86_400);
    let whole = (second == 0 && at.timestamp_subsec_nanos() == 0) || second == 86_399;
    if whole { at.format("%Y-%m-%d").to_string() } else { text(at) }
}

/// An ISO 8601 duration; years and months step on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    pub months: u32,
    pub seconds: u64,
}

impl Period {
    /// Reads an ISO 8601 duration of whole numbers: years, months, weeks and days, then hours, minutes and seconds.
    ///
    /// # Errors
    /// A clause that says what is wrong, for a sentence that names the key and what was given.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not an ISO 8601 duration".to_string();
        let body = text.strip_prefix('P').ok_or_else(wrong)?;
        let (date, time) = match body.split_once('T') {
            Some((_, "")) => return Err(wrong()),
            Some((date, time)) => (date, time),
            None if body.is_empty() => return Err(wrong()),
            None => (body, ""),
        };
        let days = designated(date, "YMWD").ok_or_else(wrong)?;
        let clock = designated(time, "HMS").ok_or_else(wrong)?;
        let (mut months, mut seconds) = (0_u64, 0_u64);
        for (number, designator) in days {
            match designator {
                'Y' => months = months.saturating_add(number.saturating_mul(12)),
                'M' => months = months.saturating_add(number),
                'W' => seconds = seconds.saturating_add(number.saturating_mul(7 * SECONDS_PER_DAY)),
                _ => seconds = seconds.saturating_add(number.saturating_mul(SECONDS_PER_DAY)),
            }
        }
        for (number, designator) in clock {
            let unit = match designator {
                'H' => 3600,
                'M' => 60,
                _ => 1,
            };
            seconds = seconds.saturating_add(number.saturating_mul(unit));
        }
        match u32::try_from(months) {
            Ok(months) if months <= MONTHS_MAX && seconds <= SECONDS_MAX => Ok(Self { months, seconds }),
            _ => Err("longer than 10000 years".into()),
        }
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The instant this long before another; `None` beyond the calendar. The day of the month is cut to the month's last.
    #[must_use]
    pub fn before(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        at.checked_sub_months(Months::new(self.months))?.checked_sub_signed(self.clock()?)
    }

    /// The instant this long after another; `None` beyond the calendar. The day of the month is cut to the month's last.
    #[must_use]
    pub fn after(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        at.checked_add_months(Months::new(self.months))?.checked_add_signed(self.clock()?)
    }

    fn clock(self) -> Option<Duration> {
        Duration::try_seconds(i64::try_from(self.seconds).ok()?)
    }
}

/// Numbers with their designators, each at most once and in this order.
fn designated(text: &str, designators: &str) -> Option<Vec<(u64, char)>> {
    let mut found = Vec::new();
    let mut allowed = designators;
    let mut rest = text;
    // Each round consumes a designator, of which there are at most four.
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit())?;
        let designator = rest[at..].chars().next()?;
        let place = allowed.find(designator)?;
        found.push((rest[..at].parse().ok()?, designator));
        allowed = &allowed[place + 1..];
        rest = &rest[at + 1..];
    }
    Some(found)
}

impl fmt::Display for Period {
    /// For people: `90 days`, `1 year 6 months`, `12 hours`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (u64::from(self.months / 12), "year"),
            (u64::from(self.months % 12), "month"),
            (self.seconds / SECONDS_PER_DAY, "day"),
            (self.seconds % SECONDS_PER_DAY / 3600, "hour"),
            (self.seconds % 3600 / 60, "minute"),
            (self.seconds % 60, "second"),
        ];
        let mut parts = Vec::new();
        for (number, unit) in units.into_iter().filter(|(number, _)| *number > 0) {
            parts.push(format!("{number} {unit}{}", if number == 1 { "" } else { "s" }));
        }
        out.write_str(if parts.is_empty() { "0 seconds" } else { "" })?;
        out.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::interval::parse_instant;
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    #[test]
    fn durations_are_read_and_written() {
        for (given, months, seconds, shown) in [
            ("P90D", 0, 7_776_000, "90 days"),
            ("PT12H", 0, 43_200, "12 hours"),
            ("P1Y6M", 18, 0, "1 year 6 months"),
            ("P2W", 0, 1_209_600, "14 days"),
            ("P1Y2M3W4DT5H6M7S", 14, 25 * 86_400 + 18_367, "1 year 2 months 25 days 5 hours 6 minutes 7 seconds"),
            ("PT1M", 0, 60, "1 minute"),
            ("P1M", 1, 0, "1 month"),
            ("P0D", 0, 0, "0 seconds"),
            ("P007D", 0, 604_800, "7 days"),
        ] {
            let period = Period::parse(given).unwrap();
            assert_eq!(period, Period { months, seconds }, "{given}");
            assert_eq!(period.to_string(), shown);
        }
    }

    #[test]
    fn garbage_is_not_a_duration() {
        for given in [
            "", "P", "PT", "P1", "90 days", "90D", "p90d", "P-1D", "+P1D", "P1DT", "P1H", "PT1D", "P1D1Y", "P1D2D",
            "P1.5D", "P1DT1H1H", "P1D ", "PT1Sx", "P１D", "P1DT1T1H", "PD",
        ] {
            assert_eq!(Period::parse(given).unwrap_err(), "not an ISO 8601 duration", "{given}");
        }
        assert_eq!(Period::parse("P10001Y").unwrap_err(), "longer than 10000 years");
        assert!(Period::parse("PT99999999999999999999S").is_err());
    }

    #[test]
    fn months_step_on_the_calendar() {
        let month = Period::parse("P1M").unwrap();
        assert_eq!(month.before(at("2025-03-31T12:00:00Z")).unwrap(), at("2025-02-28T12:00:00Z"));
        assert_eq!(month.after(at("2024-01-31T12:00:00Z")).unwrap(), at("2024-02-29T12:00:00Z"));
        let year = Period::parse("P1Y").unwrap();
        assert_eq!(year.before(at("2024-02-29T00:00:00Z")).unwrap(), at("2023-02-28T00:00:00Z"));
        assert_eq!(
            Period::parse("P90D").unwrap().before(at("2025-06-30T00:00:00Z")).unwrap(),
            at("2025-04-01T00:00:00Z")
        );
        assert_eq!(year.before(DateTime::<Utc>::MIN_UTC), None);
    }

    #[test]
    fn windows_have_margins_where_they_roll() {
        let now = at("2025-06-30T12:00:00Z");
        let rule = Retention {
            keep: Some(Period::parse("P90D").unwrap()),
            lag: Some(Period::parse("PT3H").unwrap()),
            ..Retention::default()
        };
        assert_eq!(rule.window(now).to_param(), "2025-04-01T11:00:00Z/2025-06-30T10:00:00Z");
        let long = Retention { item_span_max: Period::parse("P1D").unwrap(), ..rule };
        assert_eq!(long.window(now).to_param(), "2025-03-31T11:00:00Z/2025-07-01T10:00:00Z");
        let fixed = Retention {
            from: Some(at("1993-01-01T00:00:00Z")),
            until: Some(at("2024-12-31T00:00:00Z")),
            item_span_max: Period::parse("P1M").unwrap(),
            ..Retention::default()
        };
        assert_eq!(fixed.window(now).to_param(), "1992-12-01T00:00:00Z/2025-01-31T00:00:00Z");
        let both = Retention {
            keep: Some(Period::parse("P1Y").unwrap()),
            from: Some(at("2025-01-01T00:00:00Z")),
            ..Retention::default()
        };
        assert_eq!(both.window(now).to_param(), "2025-01-01T00:00:00Z/..");
        assert_eq!(Retention::default().window(now), Interval::default());
    }

    #[test]
    fn rules_are_described_for_people() {
        let rule = |keep: Option<&str>, from: Option<&str>, until: Option<&str>, lag: Option<&str>| {
            Retention {
                keep: keep.map(|text| Period::parse(text).unwrap()),
                from: from.map(at),
                until: until.map(at),
                lag: lag.map(|text| Period::parse(text).unwrap()),
                ..Retention::default()
            }
            .describe()
        };
        assert_eq!(rule(Some("P90D"), None, None, Some("PT3H")), "the last 90 days, nothing newer than 3 hours");
        assert_eq!(
            rule(None, Some("1993-01-01T00:00:00Z"), Some("2024-12-31T23:59:59Z"), None),
            "1993-01-01 to 2024-12-31"
        );
        assert_eq!(rule(None, Some("1993-01-01T06:00:00Z"), None, None), "times from 1993-01-01T06:00:00Z on");
        assert_eq!(rule(None, None, None, None), "everything");
    }
}
