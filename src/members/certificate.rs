//! When a certificate ends (RFC 5280, 4.1): the one field of it that an admin is warned about. Pure.

use chrono::{DateTime, NaiveDateTime, Utc};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The explicit tag of `version`, which stands first where it is not the oldest.
const VERSION: u8 = 0xa0;

/// `notAfter` of a certificate in DER; `None` when it cannot be read.
#[must_use]
pub fn ends(der: &[u8]) -> Option<DateTime<Utc>> {
    let (tag, certificate, _) = element(der)?;
    let (inner, signed, _) = element(certificate)?;
    if (tag, inner) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    let (tag, _, mut rest) = element(signed)?;
    if tag == VERSION {
        rest = after(rest, INTEGER)?;
    } else if tag != INTEGER {
        return None;
    }
    // signature algorithm, issuer
    rest = after(after(rest, SEQUENCE)?, SEQUENCE)?;
    let (tag, validity, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let (_, _, until) = element(validity)?;
    let (tag, text, _) = element(until)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // two digits of the year: from 50 on they are of the last century
        UTC_TIME => format!("{}{text}", if text.get(..2)? >= "50" { "19" } else { "20" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok().map(|at| at.and_utc())
}

/// What follows an element of this tag.
fn after(text: &[u8], tag: u8) -> Option<&[u8]> {
    element(text).filter(|(found, ..)| *found == tag).map(|(_, _, rest)| rest)
}

/// Tag, content, and what follows.
fn element(text: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = text.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // four bytes of length are four gigabytes
        let bytes = Some(bytes).filter(|bytes| (1..=4).contains(&bytes.len()))?;
        (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content.to_vec()].concat()
    }

    fn certificate(version: bool, until: &[u8]) -> Vec<u8> {
        let mut signed = if version { der(VERSION, &der(INTEGER, &[2])) } else { Vec::new() };
        signed.extend(der(INTEGER, &[7]));
        signed.extend(der(SEQUENCE, &[0; 9]));
        signed.extend(der(SEQUENCE, &[1; 90]));
        signed.extend(der(SEQUENCE, &[der(UTC_TIME, b"250101000000Z"), until.to_vec()].concat()));
        signed.extend(der(SEQUENCE, &[3; 10]));
        der(SEQUENCE, &[der(SEQUENCE, &signed), der(SEQUENCE, &[])].concat())
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(ends(&certificate(true, &der(UTC_TIME, b"261231235959Z"))), at("2026-12-31T23:59:59Z"));
        assert_eq!(ends(&certificate(false, &der(UTC_TIME, b"991231235959Z"))), at("1999-12-31T23:59:59Z"));
        assert_eq!(ends(&certificate(true, &der(GENERALIZED_TIME, b"20510102030405Z"))), at("2051-01-02T03:04:05Z"));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let good = certificate(true, &der(UTC_TIME, b"261231235959Z"));
        for cut in 0..good.len() - 1 {
            let _ = ends(&good[..cut]);
        }
        for text in [&b""[..], b"0", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0x30; 40]] {
            assert_eq!(ends(text), None);
        }
        assert_eq!(ends(&certificate(true, &der(UTC_TIME, b"26123123595\xffZ"))), None);
    }
}
