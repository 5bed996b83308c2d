//! Closed time intervals with open ends, as in the `datetime` parameter (RFC 3339; OGC API - Features, 7.15.4).

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};

/// Longest text that is read as an instant: a date, a time with nine fraction digits and an offset need 35 bytes.
const INSTANT_BYTES_MAX: usize = 40;

/// A closed interval; `None` is an open end. Never both open when it stands for a client's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
}

impl Interval {
    #[must_use]
    pub fn instant(at: DateTime<Utc>) -> Self {
        Self { start: Some(at), end: Some(at) }
    }

    /// The value of a `datetime` parameter: one instant, or two ends of which one may be open (`..` or nothing).
    ///
    /// # Errors
    /// A clause that says what is wrong, for a sentence that names the parameter and what was given.
    pub fn from_param(text: &str) -> Result<Self, String> {
        let Some((start, end)) = text.split_once('/') else {
            return parse_instant(text).map(Self::instant);
        };
        if end.contains('/') {
            return Err("has more than one `/`".into());
        }
        let read = |text: &str| if matches!(text, "" | "..") { Ok(None) } else { parse_instant(text).map(Some) };
        let interval = Self { start: read(start)?, end: read(end)? };
        match (interval.start, interval.end) {
            (None, None) => Err("is open at both ends; leave it out to ask for any time".into()),
            (Some(start), Some(end)) if start > end => Err("starts after it ends".into()),
            _ => Ok(interval),
        }
    }

    /// Whether the two share an instant.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let before = |end: Option<DateTime<Utc>>, start: Option<DateTime<Utc>>| matches!((end, start), (Some(end), Some(start)) if end < start);
        !before(self.end, other.start) && !before(other.end, self.start)
    }

    /// Whether the instant lies in it.
    #[must_use]
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }

    /// The instants that lie in both; `None` when there is none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.meets(other).then_some(Self { start, end })
    }

    /// The smallest interval that has both in it.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        let end = self.end.zip(other.end).map(|(a, b)| a.max(b));
        Self { start: self.start.min(other.start), end }
    }

    /// The interval grown on both sides; an end that would leave the calendar becomes open.
    #[must_use]
    pub fn widened(&self, by: Duration) -> Self {
        Self {
            start: self.start.and_then(|start| start.checked_sub_signed(by)),
            end: self.end.and_then(|end| end.checked_add_signed(by)),
        }
    }

    /// The value of a `datetime` parameter: one instant, or `a/b` with `..` for an open end.
    #[must_use]
    pub fn to_param(&self) -> String {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start == end => text(start),
            (start, end) => {
                format!("{}/{}", start.map_or_else(|| "..".into(), text), end.map_or_else(|| "..".into(), text))
            }
        }
    }
}

/// RFC 3339 in UTC with as few fraction digits as the instant needs: none, 3, 6 or 9.
#[must_use]
pub fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads an instant strictly by RFC 3339: `t` and `z` in either case, up to nine fraction digits, any offset as `+hh:mm`.
/// Second 60 is the first instant of the next minute, as in POSIX time.
///
/// # Errors
/// A clause that says what is wrong, for a sentence that names the parameter or key and what was given.
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, String> {
    let form = || "is not an RFC 3339 time such as `2025-06-30T12:00:00Z`".to_string();
    if text.len() > INSTANT_BYTES_MAX || !text.is_ascii() {
        return Err(form());
    }
    let bytes = text.as_bytes();
    if bytes.len() == 10 && day(bytes).is_some() {
        return Err(format!("is a date without a time; write `{text}T00:00:00Z`"));
    }
    let date = bytes.get(..10).and_then(day).ok_or_else(form)?;
    if !matches!(bytes.get(10), Some(b'T' | b't')) {
        return Err(form());
    }
    let (time, rest) = clock(&bytes[11..]).ok_or_else(form)?;
    let (fraction, rest) = fraction(rest).ok_or_else(form)?;
    if rest.is_empty() {
        return Err("has no time zone; end it with `Z` or an offset such as `+02:00`".into());
    }
    let offset = offset(rest).ok_or_else(form)?;
    let range = || "lies outside the calendar".to_string();
    let [year, month, day] = date;
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).map_err(|_too_large| range())?, month, day).ok_or_else(range)?;
    let [hour, minute, second] = time;
    if hour > 23 || minute > 59 || second > 60 {
        return Err(range());
    }
    // Seconds are added, so that second 60 carries into the next minute.
    let minute = NaiveTime::from_hms_opt(hour, minute, 0).ok_or_else(range)?;
    let since = TimeDelta::seconds(i64::from(second)) + TimeDelta::nanoseconds(fraction) - TimeDelta::minutes(offset);
    date.and_time(minute).and_utc().checked_add_signed(since).ok_or_else(range)
}

/// The number of exactly these digits.
fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// `yyyy-mm-dd`
fn day(bytes: &[u8]) -> Option<[u32; 3]> {
    (bytes[4] == b'-' && bytes[7] == b'-').then_some(())?;
    Some([digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?])
}

/// `hh:mm:ss` and what follows it.
fn clock(bytes: &[u8]) -> Option<([u32; 3], &[u8])> {
    let (time, rest) = bytes.split_at_checked(8)?;
    (time[2] == b':' && time[5] == b':').then_some(())?;
    Some(([digits(&time[..2])?, digits(&time[3..5])?, digits(&time[6..8])?], rest))
}

/// Nanoseconds of a fraction of one to nine digits, 0 without one, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (written, rest) = rest.split_at(count);
    if !(1..=9).contains(&count) {
        return None;
    }
    let scale = 10_i64.pow(9 - u32::try_from(count).ok()?);
    Some((i64::from(digits(written)?) * scale, rest))
}

/// Minutes east of UTC.
fn offset(bytes: &[u8]) -> Option<i64> {
    let sign = match *bytes {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let [_, h1, h2, b':', m1, m2] = *bytes else { return None };
    let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
    (hours < 24 && minutes < 60).then_some(sign * i64::from(hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    fn interval(text: &str) -> Interval {
        Interval::from_param(text).unwrap()
    }

    #[test]
    fn instants_of_rfc_3339() {
        for (given, expected) in [
            ("2020-07-23T00:00:00Z", "2020-07-23T00:00:00Z"),
            ("1985-04-12t23:20:50.52z", "1985-04-12T23:20:50.520Z"),
            ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"),
            ("1937-01-01T12:00:27.8710+00:20", "1937-01-01T11:40:27.871Z"),
            ("2020-07-23T00:00:00.123456789Z", "2020-07-23T00:00:00.123456789Z"),
            ("2020-07-23T00:00:00.000000001-00:00", "2020-07-23T00:00:00.000000001Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("2024-02-29T00:00:00+23:59", "2024-02-28T00:01:00Z"),
        ] {
            assert_eq!(text(at(given)), expected, "{given}");
        }
    }

    #[test]
    fn what_is_not_an_instant() {
        for given in [
            "",
            "2020-07-23",
            "2020-07-23T00:00:00",
            "2020-07-23T00:00:00.123",
            "2020-07-23T00:00:00+0100",
            "2020-07-23T00:00:00+01",
            "20-07-23T00:00:00Z",
            "02020-07-23T00:00:00Z",
            "+2020-07-23T00:00:00Z",
            "2020-13-23T00:00:00Z",
            "2020-00-23T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2020-07-32T00:00:00Z",
            "2020-07-23T24:00:00Z",
            "2020-07-23T00:60:00Z",
            "2020-07-23T00:00:61Z",
            "2020-07-23T00:00:00.Z",
            "2020-07-23T00:00:00,5Z",
            "2020-07-23T00:00:00.0123456789Z",
            "2020-07-23T00:00:00+24:00",
            "2020-07-23T00:00:00+01:60",
            "2020-07-23 00:00:00Z",
            "2020-07-23T00:00:00ZZ",
            "2020-07-23T00:00Z",
            "2020-07-23T0:00:00Z",
            "2020-7-23T00:00:00Z",
            "2020-07-23T00:00:00é",
            "２020-07-23T00:00:00Z",
            "1985-04-12",
            "37-01-01T12:00:27.87Z",
            "1937-01-01T12:00:27.87 Z",
            " 1937-01-01T12:00:27Z",
        ] {
            assert!(parse_instant(given).is_err(), "{given}");
        }
        assert_eq!(parse_instant("2020-07-23").unwrap_err(), "is a date without a time; write `2020-07-23T00:00:00Z`");
        assert!(parse_instant("2020-07-23T00:00:00").unwrap_err().contains("no time zone"));
    }

    #[test]
    fn intervals_of_the_datetime_parameter() {
        for (given, expected) in [
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00Z/2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00Z/2021-01-01T00:00:00Z", "2020-01-01T00:00:00Z/2021-01-01T00:00:00Z"),
            ("../2020-01-01T00:00:00Z", "../2020-01-01T00:00:00Z"),
            ("/2020-01-01T00:00:00Z", "../2020-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00Z/..", "2020-01-01T00:00:00Z/.."),
            ("2020-01-01T00:00:00Z/", "2020-01-01T00:00:00Z/.."),
        ] {
            assert_eq!(interval(given).to_param(), expected, "{given}");
        }
        for given in [
            "/",
            "../..",
            "/..",
            "../",
            "..",
            "2020-01-01T00:00:00Z/2021-01-01T00:00:00Z/..",
            "2021-01-01T00:00:00Z/2020-01-01T00:00:00Z",
            "2020-01-01/2021-01-01",
            ".../2020-01-01T00:00:00Z",
        ] {
            assert!(Interval::from_param(given).is_err(), "{given}");
        }
    }

    #[test]
    fn meeting_is_closed_and_has_no_direction() {
        let year = interval("2020-01-01T00:00:00Z/2021-01-01T00:00:00Z");
        for (other, expected) in [
            ("2021-01-01T00:00:00Z", true),
            ("2021-01-01T00:00:00.001Z/..", false),
            ("../2020-01-01T00:00:00Z", true),
            ("../2019-12-31T23:59:59Z", false),
            ("2020-05-01T00:00:00Z/2020-05-02T00:00:00Z", true),
            ("2010-01-01T00:00:00Z/2030-01-01T00:00:00Z", true),
        ] {
            let other = interval(other);
            assert_eq!(year.meets(&other), expected, "{}", other.to_param());
            assert_eq!(other.meets(&year), expected, "{}", other.to_param());
            assert_eq!(year.intersection(&other).is_some(), expected, "{}", other.to_param());
        }
        assert!(Interval::default().meets(&year));
    }

    #[test]
    fn parts_of_an_interval() {
        let year = interval("2020-01-01T00:00:00Z/2021-01-01T00:00:00Z");
        assert!(year.contains(at("2021-01-01T00:00:00Z")) && !year.contains(at("2021-01-01T00:00:01Z")));
        let common = year.intersection(&interval("2020-06-01T00:00:00Z/..")).unwrap();
        assert_eq!(common.to_param(), "2020-06-01T00:00:00Z/2021-01-01T00:00:00Z");
        assert_eq!(year.widened(Duration::days(1)).to_param(), "2019-12-31T00:00:00Z/2021-01-02T00:00:00Z");
        assert_eq!(Interval::instant(DateTime::<Utc>::MIN_UTC).widened(Duration::days(1)).start, None);
    }
}
