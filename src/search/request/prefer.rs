//! The `Prefer` header (RFC 7240): `handling` and `wait`.

use super::{Handling, SearchRequest};

/// Reads the preferences that are honoured; of one given twice the first counts (RFC 7240 section 2).
pub(super) fn read<'a>(request: &mut SearchRequest, values: impl Iterator<Item = &'a str>) -> Option<String> {
    let (mut handling, mut wait_s) = (None, None);
    for preference in values.flat_map(|value| value.split(',')) {
        // What follows a semicolon are parameters of the preference; none is defined for these two.
        let plain = preference.split(';').next().unwrap_or_default();
        let Some((name, value)) = plain.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "handling" if handling.is_none() => {
                handling = match value.to_ascii_lowercase().as_str() {
                    "strict" => Some(Handling::Strict),
                    "lenient" => Some(Handling::Lenient),
                    _ => None,
                };
            }
            // A search that may not wait at all has no answer: zero is not honoured.
            "wait" if wait_s.is_none() => wait_s = value.parse::<u32>().ok().filter(|seconds| *seconds > 0),
            _ => {}
        }
    }
    request.handling = handling.unwrap_or_default();
    request.wait_s = wait_s;
    let mut honoured = Vec::new();
    if let Some(handling) = handling {
        honoured.push(format!("handling={}", if handling == Handling::Strict { "strict" } else { "lenient" }));
    }
    if let Some(seconds) = wait_s {
        honoured.push(format!("wait={seconds}"));
    }
    (!honoured.is_empty()).then(|| honoured.join(", "))
}
