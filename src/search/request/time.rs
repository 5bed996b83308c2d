//! The `datetime` parameter (OGC API - Features 7.15.4; RFC 3339 section 5.6).

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};

use crate::federation::Interval;

use super::{Invalid, quoted};

const ACCEPTED: &str = "an RFC 3339 time such as `2024-05-01T00:00:00Z`, or an interval `a/b`, `a/..` or `../b` whose start is not after its end";

/// How the plus of an offset may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    Plus,
    /// In a query string an unescaped plus arrives as a space.
    MayBeSpace,
}

/// Reads an instant or an interval with at most one open end.
///
/// # Errors
/// Anything else, with what was given.
pub(super) fn interval(given: &str, plus: Plus) -> Result<Interval, Invalid> {
    read(given, plus).ok_or_else(|| Invalid::new("datetime", quoted(given), ACCEPTED))
}

fn read(given: &str, plus: Plus) -> Option<Interval> {
    let Some((start, end)) = given.split_once('/') else {
        return instant(given, plus).map(Interval::instant);
    };
    let end_of = |text: &str| match text {
        "" | ".." => Some(None),
        text => instant(text, plus).map(Some),
    };
    let interval = Interval { start: end_of(start)?, end: end_of(end)? };
    match (interval.start, interval.end) {
        (None, None) => None,
        (Some(start), Some(end)) if start > end => None,
        _ => Some(interval),
    }
}

/// `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`, in either case, with up to nine digits of fraction.
///
/// A leap second is the first instant of the next minute: neither members nor Items can be expected to know it.
fn instant(text: &str, plus: Plus) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    // 1985-04-12T23:20:50Z
    // 01234567890123456789
    let separated = |at: usize, byte: u8| bytes.get(at).is_some_and(|b| b.eq_ignore_ascii_case(&byte));
    if !(separated(4, b'-') && separated(7, b'-') && separated(10, b't') && separated(13, b':') && separated(16, b':'))
    {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(digits(bytes, 0..4)?).ok()?,
        digits(bytes, 5..7)?,
        digits(bytes, 8..10)?,
    )?;
    let (hour, minute, second) = (digits(bytes, 11..13)?, digits(bytes, 14..16)?, digits(bytes, 17..19)?);
    if second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(bytes.get(19..)?)?;
    let whole = date.and_hms_nano_opt(hour, minute, second.min(59), nanos)?;
    let leap = Duration::seconds(i64::from(second == 60));
    let at = whole.checked_add_signed(leap)?.checked_sub_signed(offset(zone, plus)?)?;
    // Members are told times in four digits of year.
    (0..=9999).contains(&at.year()).then(|| at.and_utc())
}

/// The nanoseconds, and what follows them.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', rest)) = rest.split_first() else {
        return Some((0, rest));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let mut nanos = digits(rest, 0..length)?;
    for _ in length..9 {
        nanos *= 10;
    }
    Some((nanos, &rest[length..]))
}

fn offset(zone: &[u8], plus: Plus) -> Option<Duration> {
    if zone.eq_ignore_ascii_case(b"z") {
        return Some(Duration::zero());
    }
    let sign = match zone.first()? {
        b'+' => 1,
        b' ' if plus == Plus::MayBeSpace => 1,
        b'-' => -1,
        _ => return None,
    };
    if zone.len() != 6 || zone[3] != b':' {
        return None;
    }
    let (hours, minutes) = (digits(zone, 1..3)?, digits(zone, 4..6)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(Duration::minutes(sign * i64::from(hours * 60 + minutes)))
}

/// Up to nine decimal digits, nothing else.
fn digits(bytes: &[u8], range: std::ops::Range<usize>) -> Option<u32> {
    let mut value = 0;
    for byte in bytes.get(range)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(byte - b'0');
    }
    Some(value)
}
