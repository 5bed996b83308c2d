//! Numbers as 64-bit floating point (`semantics.md` S2), and arithmetic on them (clause 7.11). A result that is not finite is no
//! value to compare: division by zero and overflow are unknown, not an infinity that is greater than everything.

use super::value::Operand;
use crate::cql2::Arithmetic;

pub(super) fn finite<'a>(number: f64) -> Operand<'a> {
    if number.is_finite() { Operand::Number(number) } else { Operand::Unreadable }
}

/// A JSON number. Read by the standard library and not by the JSON reader, whose last digit may differ from that of the same
/// literal in a condition.
pub(super) fn read<'a>(json: &str) -> Operand<'a> {
    if !is_json(json.as_bytes()) {
        return Operand::Unreadable;
    }
    json.parse().map_or(Operand::Unreadable, finite)
}

/// RFC 8259, section 6.
fn is_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, text) = digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let text = match text {
        [b'.', rest @ ..] => match digits(rest) {
            ([], _) => return false,
            (_, rest) => rest,
        },
        _ => text,
    };
    match text {
        [] => true,
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => {
            matches!(digits(rest), ([_, ..], []))
        }
        _ => false,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

pub(super) fn compute<'a>(op: Arithmetic, left: &Operand<'_>, right: &Operand<'_>) -> Operand<'a> {
    let (left, right) = match (left, right) {
        (Operand::Null, _) | (_, Operand::Null) => return Operand::Null,
        (Operand::Number(left), Operand::Number(right)) => (*left, *right),
        _ => return Operand::Unreadable,
    };
    finite(match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
        Arithmetic::IntegerDivide => (left / right).trunc(),
        Arithmetic::Power => left.powf(right),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_and_nothing_else_are_numbers() {
        for (text, number) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("-12.5e+2", -1250.0),
            ("1E-2", 0.01),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("0.1", 0.1),
            ("123456789012345678901234567890.123456789", 123_456_789_012_345_678_901_234_567_890.123_456_789),
            ("1e-999", 0.0),
        ] {
            assert!(
                matches!(read(text), Operand::Number(read) if read.partial_cmp(&number) == Some(std::cmp::Ordering::Equal)),
                "{text}"
            );
        }
        for text in
            ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "1x", "--1", "1 2", "inf", "NaN", "0x1", "1e999", "-1e999"]
        {
            assert!(matches!(read(text), Operand::Unreadable), "{text}");
        }
    }

    #[test]
    fn results_that_are_no_number_are_unknown() {
        let of = |op, left, right| match compute(op, &Operand::Number(left), &Operand::Number(right)) {
            Operand::Number(result) => Some(result),
            _ => None,
        };
        assert_eq!(of(Arithmetic::Divide, 7.0, 2.0), Some(3.5));
        assert_eq!(of(Arithmetic::IntegerDivide, -7.0, 2.0), Some(-3.0));
        assert_eq!(of(Arithmetic::Modulo, -7.0, 2.0), Some(-1.0));
        assert_eq!(of(Arithmetic::Power, 2.0, 10.0), Some(1024.0));
        for (op, left, right) in [
            (Arithmetic::Divide, 1.0, 0.0),
            (Arithmetic::Divide, 0.0, 0.0),
            (Arithmetic::Modulo, 1.0, 0.0),
            (Arithmetic::IntegerDivide, 1.0, -0.0),
            (Arithmetic::Power, 0.0, -1.0),
            (Arithmetic::Power, -1.0, 0.5),
            (Arithmetic::Multiply, 1e308, 10.0),
        ] {
            assert_eq!(of(op, left, right), None, "{op:?} {left} {right}");
        }
    }
}
