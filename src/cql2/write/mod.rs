//! From the tree back to both spellings, as members of different software understand them: parentheses where parsers
//! are known to disagree about precedence, whole numbers without a fraction, instants in UTC.

mod text;
mod wkt;
mod json;

#[cfg(test)]
mod tests;

/// A number as short as it can be written; whole ones without a fraction.
pub(super) fn number(value: f64) -> serde_json::Number {
    /// Whole numbers up to here are exact.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the range of both")]
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        return (value as i64).into();
    }
    // The readers accept finite numbers only.
    serde_json::Number::from_f64(value).unwrap_or_else(|| 0.into())
}
