//! Dates of metadata as instants: ISO 8601 with reduced precision, where `2020` means all of that year.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};

use crate::cql2::times;
use crate::federation::Interval;

/// Which end of the span that a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Last,
}

/// The first instant of what a text means: a year, a month, a day or an instant, with or without a zone.
pub fn first(text: &str) -> Option<DateTime<Utc>> {
    read(text, Side::First)
}

/// The last second of what a text means: of `2020`, the last one of that year. An instant is itself.
pub fn last(text: &str) -> Option<DateTime<Utc>> {
    read(text, Side::Last)
}

/// The span of one text: of `2020`, that year.
pub fn span(text: &str) -> Option<Interval> {
    Some(Interval { start: Some(first(text)?), end: Some(last(text)?) })
}

fn read(text: &str, side: Side) -> Option<DateTime<Utc>> {
    let text = text.trim();
    // A date may carry a zone (XML Schema); a day is a day wherever it is.
    let date = text.strip_suffix('Z').unwrap_or(text);
    let (start, months) = match date.len() {
        4 => (NaiveDate::from_ymd_opt(number(date)?, 1, 1)?, 12),
        7 => (month(date)?, 1),
        10 => {
            let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
            return edge(day, day.succ_opt()?, side);
        }
        // `2001-05-03T10:00` has no seconds in much of the metadata that people type.
        16 => return times::parse(format!("{date}:00Z").as_bytes()),
        _ => return times::parse(text.as_bytes()),
    };
    edge(start, start.checked_add_months(Months::new(months))?, side)
}

fn month(text: &str) -> Option<NaiveDate> {
    let (year, month) = text.split_once('-')?;
    NaiveDate::from_ymd_opt(number(year)?, u32::try_from(number(month)?).ok()?, 1)
}

fn number(digits: &str) -> Option<i32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The first instant from `start` on, or the last second before `next`. STAC's times have four digits of a year.
fn edge(start: NaiveDate, next: NaiveDate, side: Side) -> Option<DateTime<Utc>> {
    let midnight = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc());
    let at = match side {
        Side::First => midnight(start)?,
        Side::Last => midnight(next)? - TimeDelta::seconds(1),
    };
    (0..=9999).contains(&at.year()).then_some(at)
}

/// The smallest interval that holds all; open where any of them is. `None` for none.
pub fn overall(times: &[Interval]) -> Option<Interval> {
    let start = times.iter().map(|time| time.start).min()?;
    let ends: Option<Vec<_>> = times.iter().map(|time| time.end).collect();
    Some(Interval { start, end: ends.and_then(|ends| ends.into_iter().max()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::interval::text;

    #[test]
    fn reduced_dates_mean_all_of_what_they_name() {
        for (given, begin, end) in [
            ("2020", "2020-01-01T00:00:00Z", "2020-12-31T23:59:59Z"),
            ("2020-02", "2020-02-01T00:00:00Z", "2020-02-29T23:59:59Z"),
            ("2020-12-31", "2020-12-31T00:00:00Z", "2020-12-31T23:59:59Z"),
            ("2020-12-31Z", "2020-12-31T00:00:00Z", "2020-12-31T23:59:59Z"),
            ("2020-05-03T10:00", "2020-05-03T10:00:00Z", "2020-05-03T10:00:00Z"),
            (" 2020-05-03T10:00:00+02:00 ", "2020-05-03T08:00:00Z", "2020-05-03T08:00:00Z"),
            ("2020-05-03T10:00:00", "2020-05-03T10:00:00Z", "2020-05-03T10:00:00Z"),
        ] {
            assert_eq!(
                (first(given).map(text).as_deref(), last(given).map(text).as_deref()),
                (Some(begin), Some(end)),
                "{given}"
            );
        }
        for given in
            ["", "soon", "20", "2020-13", "2020-02-30", "-200", "20200", "é020", "2020-1é", "2020/05/0", "+020"]
        {
            assert_eq!((first(given), last(given)), (None, None), "{given}");
        }
    }

    #[test]
    fn the_overall_interval_is_open_where_one_is() {
        let year = |text: &str| span(text).unwrap();
        let open = Interval { end: None, ..year("2021") };
        assert_eq!(overall(&[]), None);
        assert_eq!(overall(&[year("2019"), year("2015")]), Some(Interval { start: first("2015"), end: last("2019") }));
        assert_eq!(overall(&[year("2019"), open]), Some(Interval { start: first("2019"), end: None }));
        assert_eq!(overall(&[Interval { start: None, ..year("2021") }, year("2019")]).and_then(|all| all.start), None);
    }
}
