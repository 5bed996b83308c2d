//! Results with several parts (`multipart/related`, RFC 2387): the `Content-Location` of each part is rewritten, the parts
//! themselves are not touched.

use super::rewrite::Outbound;

/// Longest boundary (RFC 2046 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Bytes of the headers of one part; longer ones are no headers.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The boundary of a `multipart/…` media type.
#[must_use]
pub fn boundary(media_type: &str) -> Option<&str> {
    let (kind, parameters) = media_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= BOUNDARY_BYTES_MAX).then_some(value)
}

/// The body with rewritten `Content-Location` headers; `None` when nothing changes.
#[must_use]
pub fn rewritten(out: &Outbound<'_>, body: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let delimiter = format!("--{boundary}");
    let mut result = Vec::with_capacity(body.len());
    let mut copied = 0;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        if at > 0 && body[at - 1] != b'\n' {
            continue;
        }
        let start = at + delimiter.len();
        let head = &body[start..body.len().min(start + HEAD_BYTES_MAX)];
        for line in head_lines(head) {
            let text = std::str::from_utf8(&head[line.clone()]).unwrap_or_default();
            let Some((name, value)) = text.split_once(':') else { continue };
            if !name.trim().eq_ignore_ascii_case("content-location") {
                continue;
            }
            let Some(own) = out.href(value.trim()) else { continue };
            let value_at = start + line.start + name.len() + 1;
            result.extend_from_slice(&body[copied..value_at]);
            result.extend_from_slice(b" ");
            result.extend_from_slice(own.as_bytes());
            copied = start + line.end;
        }
    }
    if copied == 0 {
        return None;
    }
    result.extend_from_slice(&body[copied..]);
    Some(result)
}

/// The header lines after a delimiter, up to the empty line, without their line ends.
fn head_lines(head: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (number, end) in memchr::memchr_iter(b'\n', head).enumerate() {
        let text_end = if end > start && head[end - 1] == b'\r' { end - 1 } else { end };
        // The rest of the delimiter's own line comes first.
        if number > 0 {
            if text_end == start {
                return lines;
            }
            lines.push(start..text_end);
        }
        start = end + 1;
    }
    // No empty line: not headers.
    Vec::new()
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
