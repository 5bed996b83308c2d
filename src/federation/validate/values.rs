//! Single values: addresses, origins, secrets, cursor keys, headers.

use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::{Host, Url};

use super::super::Secret;
use super::super::file::{At, Notes};
use super::super::problem::LITERAL_SECRET;
use super::read_bounded;

/// Largest file that holds a secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Length of a key for AES-256.
const CURSOR_KEY_BYTES: usize = 32;
/// Most headers of one member, and the longest value of one in bytes.
pub(super) const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 4096;

/// An absolute `http` or `https` address without credentials, query and fragment.
pub(super) fn web_url(notes: &Notes<'_>, at: &At<&str>) -> Option<Url> {
    let refuse = |clause: &str, hint: Option<String>| {
        at.refuse(notes, "bad-url", clause, hint);
        None
    };
    // Before anything else, and without repeating the address: what stands before an `@` may be a secret.
    let authority = at.value.rsplit("://").next().unwrap_or_default();
    if authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        let hint = Some("use `[member.auth]` with references".into());
        at.blame(notes, LITERAL_SECRET, "has a user or a password in the address", hint);
        return None;
    }
    let Ok(url) = Url::parse(at.value) else {
        let hint = (!at.value.contains("://")).then(|| format!("write `https://{}`", at.value));
        return refuse("not an absolute address", hint);
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("an address that is neither `https` nor `http`", None);
    }
    if !url.username().is_empty() || url.password().is_some() {
        at.blame(notes, LITERAL_SECRET, "has a user or a password in the address", None);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("an address with a query or a fragment", Some("end it before `?` and `#`".into()));
    }
    Some(url)
}

/// The same as a base of links: without a trailing slash in its path.
pub(super) fn base_url(notes: &Notes<'_>, at: &At<&str>) -> Option<Url> {
    let mut url = web_url(notes, at)?;
    let path = url.path().trim_end_matches('/').to_string();
    url.set_path(&path);
    Some(url)
}

/// Puts a file name at the end of an address.
pub(super) fn push_segment(url: &mut Url, name: &str) {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(name);
    }
}

/// Whether the host is written as an address, or a name, that never leaves the site.
pub(super) fn is_internal(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address_is_internal(address.into()),
        Some(Host::Ipv6(address)) => address_is_internal(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

fn address_is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || first == 0 || v4.is_broadcast() || shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || in_v6(v6, 0xfe80, 0xffc0) || in_v6(v6, 0xfc00, 0xfe00)
        }
    }
}

fn in_v6(address: Ipv6Addr, net: u16, mask: u16) -> bool {
    address.segments()[0] & mask == net
}

/// `*`, or scheme, host and port alone.
pub(super) fn is_origin(text: &str) -> bool {
    text == "*"
        || Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

/// What a reference (`env:NAME` or `file:PATH`) stands for. The value is never repeated in a problem.
pub(super) fn secret(notes: &Notes<'_>, at: &At<&str>) -> Option<Secret> {
    let missing = |clause: String| {
        at.blame(notes, "missing-secret", &clause, None);
        None
    };
    let value = if let Some(name) = at.value.strip_prefix("env:") {
        match std::env::var(name) {
            Ok(value) => value,
            Err(_) => return missing(format!("names the environment variable `{name}`, which is not set")),
        }
    } else if let Some(path) = at.value.strip_prefix("file:") {
        match read_bounded(&notes.beside(path), SECRET_BYTES_MAX) {
            Ok(value) => value,
            Err(reason) => return missing(format!("names the file `{path}`, which cannot be read: {reason}")),
        }
    } else {
        let hint = "keep the secret out of the file: write `env:NAME` or `file:PATH`";
        at.blame(notes, LITERAL_SECRET, "is not a reference to a secret", Some(hint.into()));
        return None;
    };
    let value = zeroize::Zeroizing::new(value);
    let trimmed = value.trim();
    if trimmed.is_empty() {
        return missing(format!("names `{}`, which is empty", at.value));
    }
    if trimmed.contains(|c: char| c.is_control()) {
        return missing(format!("names `{}`, which has more than one line or control characters", at.value));
    }
    Some(Secret::new(trimmed.to_string()))
}

/// A secret of 32 bytes in base64url.
pub(super) fn cursor_key(notes: &Notes<'_>, at: &At<&str>) -> Option<Secret> {
    let key = secret(notes, at)?;
    let bytes = URL_SAFE_NO_PAD.decode(key.expose().trim_end_matches('=')).map(zeroize::Zeroizing::new);
    if bytes.is_ok_and(|bytes| bytes.len() == CURSOR_KEY_BYTES) {
        return Some(key);
    }
    let hint = Some("make one with `stac-broker key`".into());
    at.blame(
        notes,
        "bad-cursor-key",
        &format!("names `{}`, which is not {CURSOR_KEY_BYTES} bytes in base64url", at.value),
        hint,
    );
    None
}

/// Names that a member's headers may not have: the connection's, the broker's own, credentials, and what proxies say.
const RESERVED: [&str; 18] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "prefer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The name of a header in lower case, when it is one that may be configured.
pub(super) fn header_name(notes: &Notes<'_>, at: &At<&str>, credential: bool) -> Option<String> {
    let name = at.value.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
        at.blame(notes, "bad-header", &format!("has `{}`, which is not a header name", at.value), None);
        return None;
    }
    let reserved = RESERVED.contains(&name.as_str()) || name.starts_with("proxy-") || name.starts_with("x-forwarded-");
    if reserved && !(credential && name == "authorization") {
        let clause = format!("sets the header `{name}`, which the broker sets itself");
        if matches!(name.as_str(), "authorization" | "cookie" | "proxy-authorization") {
            at.blame(notes, LITERAL_SECRET, &clause, Some("credentials belong in `[member.auth]`".into()));
        } else {
            at.blame(notes, "reserved-header", &clause, None);
        }
        return None;
    }
    Some(name)
}

/// Whether a text may be the value of a header.
pub(super) fn is_header_value(text: &str) -> bool {
    text.len() <= HEADER_BYTES_MAX && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_are_known() {
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "a.localhost",
            "2130706433",
            "localhost.",
        ] {
            assert!(is_internal(&Url::parse(&format!("http://{host}/")).unwrap()), "{host}");
        }
        for host in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "[2001:db8::1]", "stac.example.org", "localhost.example.org"]
        {
            assert!(!is_internal(&Url::parse(&format!("http://{host}/")).unwrap()), "{host}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        assert!(is_origin("*") && is_origin("https://a.example") && is_origin("http://a.example:8080"));
        assert!(!is_origin("https://a.example/") && !is_origin("a.example") && !is_origin("ftp://a.example"));
    }
}
