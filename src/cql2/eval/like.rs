//! `LIKE` (clause 7.2): `%` any run of characters, `_` any one, `\` takes the next character as it is.

use super::value::Reader;

/// Whether the whole text matches. It goes back only to the last `%`, which suffices because an earlier one could not do
/// better, so the time is at most the product of both lengths; that is paid step by step, and unknown when it runs out.
pub(super) fn matches(text: &str, pattern: &str, reader: &Reader<'_>) -> Option<bool> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut next) = (0, 0);
    // after the last `%`: where the pattern goes on, and where in the text that was tried last
    let mut retry: Option<(usize, usize)> = None;
    let mut since = 0;
    while at < text.len() {
        since += 1;
        if since == PAID_AT_ONCE && !reader.pay(std::mem::take(&mut since)) {
            return None;
        }
        match step(&text[at..], &pattern[next..]) {
            Step::Any => {
                next += 1;
                retry = Some((next, at));
            }
            Step::Taken { text, pattern } => (at, next) = (at + text, next + pattern),
            Step::Fails => {
                let Some((resume, tried)) = retry else { return Some(false) };
                let tried = tried + width(text[tried]);
                retry = Some((resume, tried));
                (at, next) = (tried, resume);
            }
        }
    }
    Some(pattern[next..].iter().all(|rest| *rest == b'%'))
}

/// Steps that are paid for together.
const PAID_AT_ONCE: usize = 1024;

enum Step {
    /// A `%`.
    Any,
    /// So many bytes of each agree.
    Taken {
        text: usize,
        pattern: usize,
    },
    Fails,
}

/// One step; the text is not empty and at the start of a character.
fn step(text: &[u8], pattern: &[u8]) -> Step {
    match *pattern {
        [b'%', ..] => Step::Any,
        [b'_', ..] => Step::Taken { text: width(text[0]), pattern: 1 },
        [b'\\', escaped, ..] if escaped == text[0] => Step::Taken { text: 1, pattern: 2 },
        [b'\\', _, ..] => Step::Fails,
        // bytes of one character are compared one by one: `_` and `%` are ASCII and never inside one
        [plain, ..] if plain == text[0] => Step::Taken { text: 1, pattern: 1 },
        _ => Step::Fails,
    }
}

/// Bytes of the character that starts with this one.
fn width(first: u8) -> usize {
    match first {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0.. => 4,
        _ => 1,
    }
}
