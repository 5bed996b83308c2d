//! Instants and days of conditions (OGC 21-065r2 clause 6.3; RFC 3339 section 5.6), strict in reading, UTC in writing.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Utc};

/// `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`, letters in either case, at most nine digits of fraction.
///
/// Second 60 is the first instant of the next minute. The standard has UTC only; offsets cost nothing and clients send
/// them. What lies outside the years 0000 to 9999 in UTC could not be written again and is none.
pub(super) fn timestamp(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    let date = day(bytes.get(..10)?)?;
    let [b'T' | b't', h0, h1, b':', m0, m1, b':', s0, s1, rest @ ..] = &bytes[10..] else { return None };
    let (hour, minute, second) = (two(*h0, *h1)?, two(*m0, *m1)?, two(*s0, *s1)?);
    let (nanosecond, zone) = fraction(rest)?;
    let (second, leap_s) = if second == 60 { (59, 1) } else { (second, 0) };
    let local = date.and_hms_nano_opt(hour, minute, second, nanosecond)?;
    let utc = local.checked_add_signed(TimeDelta::seconds(leap_s - offset_s(zone)?))?.and_utc();
    (0..=9999).contains(&utc.year()).then_some(utc)
}

/// `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    day(text.as_bytes())
}

pub(super) fn timestamp_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub(super) fn date_text(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}

fn day(bytes: &[u8]) -> Option<NaiveDate> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = bytes else { return None };
    let year = i32::try_from(two(y0, y1)? * 100 + two(y2, y3)?).ok()?;
    NaiveDate::from_ymd_opt(year, two(m0, m1)?, two(d0, d1)?)
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.', digits @ ..] = rest else { return Some((0, rest)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 9 {
        return None;
    }
    let value = digits[..count].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((value * 10_u32.pow(9 - u32::try_from(count).ok()?), &digits[count..]))
}

/// Seconds east of Greenwich.
fn offset_s(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h0, h1, b':', m0, m1] => (1, two(h0, h1)?, two(m0, m1)?),
        [b'-', h0, h1, b':', m0, m1] => (-1, two(h0, h1)?, two(m0, m1)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_strictly_and_written_in_utc() {
        for (text, meant) in [
            ("2021-04-08T04:39:23Z", "2021-04-08T04:39:23Z"),
            ("2021-04-08t04:39:23.5z", "2021-04-08T04:39:23.500Z"),
            ("2021-04-08T04:39:23.137000Z", "2021-04-08T04:39:23.137Z"),
            ("2021-04-08T04:39:23.123456789Z", "2021-04-08T04:39:23.123456789Z"),
            ("2021-04-08T04:39:23+02:00", "2021-04-08T02:39:23Z"),
            ("2021-04-08T04:39:23-02:30", "2021-04-08T07:09:23Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(text).map(timestamp_text).as_deref(), Some(meant), "{text}");
        }
        for text in [
            "",
            "2021",
            "2021-04-08",
            "2021-04-08T04:39:23",
            "2021-04-08 04:39:23Z",
            "2021-04-08T04:39Z",
            "2021-04-08T04:39:23.Z",
            "2021-04-08T04:39:23,5Z",
            "2021-04-08T04:39:23.1234567890Z",
            "2021-04-08T04:39:23+0200",
            "2021-04-08T24:00:00Z",
            "2021-04-08T04:39:61Z",
            "2021-02-29T00:00:00Z",
            "2021-04-08T04:39:23+24:00",
            "2021-04-08T04:39:23ZZ",
            "12021-04-08T04:39:23Z",
            "２021-04-08T04:39:23Z",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn an_offset_does_not_lead_out_of_the_years_that_can_be_written() {
        assert_eq!(timestamp("0000-01-01T00:00:00+23:59"), None);
        assert_eq!(timestamp("9999-12-31T23:59:60Z"), None);
        assert_eq!(timestamp("9999-12-31T23:59:59-00:01"), None);
    }

    #[test]
    fn days_are_read() {
        assert_eq!(date("1970-01-01").map(date_text).as_deref(), Some("1970-01-01"));
        for text in ["1970-1-1", "1970-02-30", "1970-01-01Z", "", "1970-01-01T00:00:00Z"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
