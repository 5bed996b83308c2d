//! Reading of the datetimes that members send, odd ones included (`members.md` section 5): a space for `T`, a missing
//! zone as UTC, `…ZZ`. What does not parse is absent. Requests of clients are read elsewhere, and strictly. It lives
//! here, in the leaf, so that the time of an Item is the same one for its order and for a condition on it.

use chrono::{DateTime, NaiveDate, Utc};

/// The instant meant by a member's text; `None` when it is none.
#[must_use]
pub fn parse(text: &[u8]) -> Option<DateTime<Utc>> {
    let text = text.trim_ascii();
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T' | b't' | b' ',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
        ref rest @ ..,
    ] = text
    else {
        return None;
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day, hour, minute, second) = (two(m0, m1)?, two(d0, d1)?, two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    let (nanosecond, rest) = fraction(rest)?;
    let offset_s = zone(rest)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    // 24:00:00 is the end of its day (ISO 8601), :60 a leap second: both are read as the instant after.
    let (hour, carry_s) =
        if hour == 24 && minute == 0 && second == 0 && nanosecond == 0 { (0, 86_400) } else { (hour, 0) };
    let (second, carry_s) = if second == 60 { (59, carry_s + 1) } else { (second, carry_s) };
    let local = date.and_hms_nano_opt(hour, minute, second, nanosecond)?;
    local.checked_add_signed(chrono::TimeDelta::seconds(carry_s - offset_s)).map(|utc| utc.and_utc())
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Nanoseconds of `.5` or `,5`; digits past the ninth are cut.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.' | b',', digits @ ..] = text else { return Some((0, text)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let kept = digits[..count.min(9)].iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let scale = 10u32.pow(9 - u32::try_from(count.min(9)).ok()?);
    Some((kept * scale, &digits[count..]))
}

/// Seconds east of Greenwich.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [] | [b'Z' | b'z'] | [b'Z', b'Z'] => return Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] | [sign @ (b'+' | b'-'), h0, h1, m0, m1] => {
            (sign, two(h0, h1)?, two(m0, m1)?)
        }
        [sign @ (b'+' | b'-'), h0, h1] => (sign, two(h0, h1)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours * 3600 + minutes * 60);
    Some(if sign == b'-' { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse(text.as_bytes()).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn common_and_odd_forms_are_instants() {
        for (text, meant) in [
            ("2025-06-12T09:10:31Z", "2025-06-12T09:10:31Z"),
            ("2025-06-12T09:10:31.024Z", "2025-06-12T09:10:31.024Z"),
            ("2025-06-12T09:10:31.123456789123Z", "2025-06-12T09:10:31.123456789Z"),
            ("2025-06-12t09:10:31z", "2025-06-12T09:10:31Z"),
            ("2025-06-12T09:10:31+02:00", "2025-06-12T07:10:31Z"),
            ("2025-06-12T09:10:31.5-0330", "2025-06-12T12:40:31.500Z"),
            ("2025-06-12 09:10:31", "2025-06-12T09:10:31Z"),
            ("2025-06-12T09:10:31ZZ", "2025-06-12T09:10:31Z"),
            ("2025-06-12T24:00:00Z", "2025-06-13T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2024-02-29T00:00:00+00", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(meant), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_absent() {
        for text in [
            "",
            "2025",
            "2025-06-12",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-06-12T25:00:00Z",
            "2025-06-12T24:00:01Z",
            "2025-06-12T09:10Z",
            "2025-06-12T09:10:31.Z",
            "2025-06-12T09:10:31ZZZ",
            "2025-06-12T09:10:31+99:00",
            "2025-06-12T09:10:61Z",
            "2025-06-1xT09:10:31Z",
            "now",
            "2025-06-12T09:10:31Zx",
            "٢٠٢٥-06-12T09:10:31Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
