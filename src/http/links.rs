//! Links that lead back to the broker: the public base address, and the addresses below it.
//!
//! Every href is absolute (`stac-api.md` 2.3). The base is `public_url`, else what a trusted proxy says, else `Host`.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::federation::Federation;

use super::problem::Problem;
use super::server::{Peer, Secure};

/// What is encoded in an id: everything but the unreserved characters of RFC 3986, `:` and `@`.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');

/// Longest host, path prefix or protocol that is believed: names end at 253 characters.
const FORWARDED_MAX: usize = 300;

/// Addresses below one base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Without a trailing slash.
    base: String,
}

impl Links {
    /// Finds the base for one request.
    pub fn of(federation: &Federation, request: &Parts) -> Result<Self, Problem> {
        if federation.public_url.is_some() {
            return Ok(Self::configured(federation));
        }
        let peer = request.extensions.get::<Peer>().map(|peer| peer.0);
        let forwarded =
            if is_trusted(federation, peer) { Forwarded::read(&request.headers) } else { Forwarded::default() };
        let host = match forwarded.host {
            Some(host) => host,
            None => own_host(federation, request)?,
        };
        let scheme = forwarded.scheme.unwrap_or(scheme(request.extensions.get::<Secure>().is_some()));
        let prefix = forwarded.prefix.unwrap_or_default();
        Ok(Self { base: format!("{scheme}://{host}{prefix}") })
    }

    /// The base where there is no request: `public_url`, else the listen address.
    pub fn configured(federation: &Federation) -> Self {
        let listen = || format!("{}://{}", scheme(federation.server.tls.is_some()), federation.server.listen);
        let base =
            federation.public_url.as_ref().map_or_else(listen, |url| url.as_str().trim_end_matches('/').to_owned());
        Self { base }
    }

    #[cfg(test)]
    pub fn at(base: &str) -> Self {
        Self { base: base.to_owned() }
    }

    /// The base itself, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path prefix that the base carries: empty, or `/…` without a trailing slash.
    pub fn prefix(&self) -> &str {
        let after = self.base.find("://").map_or(0, |at| at + 3);
        self.base[after..].find('/').map_or("", |at| &self.base[after + at..])
    }

    /// A Collection at its member: `canonical` of ours.
    pub fn member_collection(member: &url::Url, native_id: &str) -> String {
        format!("{}/collections/{}", member.as_str().trim_end_matches('/'), encode(native_id))
    }

    /// The landing page.
    pub fn root(&self) -> String {
        format!("{}/", self.base)
    }

    /// A fixed path below the base, for example `/search`.
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn collection(&self, id: &str) -> String {
        format!("{}/collections/{}", self.base, encode(id))
    }

    pub fn items(&self, collection: &str) -> String {
        format!("{}/collections/{}/items", self.base, encode(collection))
    }

    pub fn queryables(&self, collection: &str) -> String {
        format!("{}/collections/{}/queryables", self.base, encode(collection))
    }

    pub fn sortables(&self, collection: &str) -> String {
        format!("{}/collections/{}/sortables", self.base, encode(collection))
    }

    pub fn item(&self, collection: &str, id: &str) -> String {
        let mut href = self.items(collection);
        // Writing to a String cannot fail.
        let _ = write!(href, "/{}", encode(id));
        href
    }
}

/// An id as one path segment.
pub fn encode(id: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(id, ID)
}

/// The name under which a broker of this federation stands in the `Via` header of its requests to members.
#[must_use]
pub fn via(federation_id: &str) -> String {
    format!("stac-broker-{federation_id}")
}

/// Whether a request has passed this federation already (RFC 9110 section 7.6.3).
pub fn is_loop(federation: &Federation, headers: &HeaderMap) -> bool {
    let own = via(&federation.id);
    let values = headers.get_all(http::header::VIA).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|element| element.split_ascii_whitespace().nth(1) == Some(own.as_str()))
}

/// Takes the public path prefix off a path, so that proxies may strip it or not.
///
/// A path that is the prefix itself is the landing page, unless one of the broker's own paths has that very name.
pub fn below<'a>(path: &'a str, prefix: &str) -> &'a str {
    const OWN: &[&str] = &[
        "/api",
        "/api.html",
        "/conformance",
        "/collections",
        "/jobs",
        "/processes",
        "/collections-queryables",
        "/collections-sortables",
        "/queryables",
        "/search",
        "/sortables",
    ];
    match path.strip_prefix(prefix) {
        Some("") if !prefix.is_empty() && OWN.contains(&path) => path,
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn is_trusted(federation: &Federation, peer: Option<IpAddr>) -> bool {
    peer.is_some_and(|peer| federation.server.trusted_proxies.iter().any(|network| network.contains(&peer)))
}

/// The host as the client named it; an HTTP/1.0 client that names none gets the listen address.
fn own_host(federation: &Federation, request: &Parts) -> Result<String, Problem> {
    if let Some(authority) = request.uri.authority() {
        return valid_host(authority.as_str()).ok_or_else(|| bad_host(authority.as_str()));
    }
    let Some(value) = request.headers.get(http::header::HOST) else {
        return Ok(federation.server.listen.to_string());
    };
    let given = String::from_utf8_lossy(value.as_bytes());
    valid_host(&given).ok_or_else(|| bad_host(&given))
}

fn bad_host(given: &str) -> Problem {
    let given: String = given.chars().take(100).filter(|character| !character.is_control()).collect();
    Problem::invalid(format!("header `host` is `{given}`; accepted: a host name or address with an optional port"))
}

/// A host name, IPv4 address or bracketed IPv6 address, with an optional port; nothing else gets into our links.
fn valid_host(given: &str) -> Option<String> {
    let (name, port) = match given.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (&given[..address.len() + 2], after)
        }
        None => given.find(':').map_or((given, ""), |at| given.split_at(at)),
    };
    let port_ok = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok() && !digits.starts_with('+'));
    let name_ok = name.starts_with('[')
        || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    (!name.is_empty() && given.len() <= FORWARDED_MAX && port_ok && name_ok).then(|| given.to_ascii_lowercase())
}

/// What a trusted proxy says about the address the client used.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    scheme: Option<&'static str>,
    host: Option<String>,
    prefix: Option<String>,
}

impl Forwarded {
    /// `Forwarded` (RFC 7239) if it says anything, else the `X-Forwarded-*` family. Of several proxies the last entry
    /// counts: it was written by the one we trust, the earlier ones may be the client's own invention.
    fn read(headers: &HeaderMap) -> Self {
        let standard = last(headers, "forwarded");
        let mut found =
            Self { prefix: last(headers, "x-forwarded-prefix").as_deref().and_then(valid_prefix), ..Self::default() };
        for pair in standard.iter().flat_map(|element| element.split(';')) {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "proto" => found.scheme = valid_scheme(value),
                "host" => found.host = valid_host(value),
                _ => {}
            }
        }
        if standard.is_none() {
            found.scheme = last(headers, "x-forwarded-proto").as_deref().and_then(valid_scheme);
            found.host = last(headers, "x-forwarded-host").as_deref().and_then(valid_host);
        }
        found
    }
}

/// The last entry of a comma list that may be spread over several headers.
fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty())
}

fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

fn valid_scheme(given: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| given.eq_ignore_ascii_case(scheme))
}

/// `/a/b` without a trailing slash, of harmless characters only.
fn valid_prefix(given: &str) -> Option<String> {
    let path = given.trim_end_matches('/');
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
    let good = path.is_empty() || (path.starts_with('/') && !path.contains("//") && !path.contains(".."));
    (good && path.len() <= FORWARDED_MAX && path.bytes().all(harmless)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::routes::tests::federation;
    use super::*;
    use http::Request;

    fn parts(headers: &[(&str, &str)], peer: &str) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(peer.parse().unwrap()));
        parts
    }

    fn base(headers: &[(&str, &str)], peer: &str) -> Result<String, Problem> {
        let mut federation = federation();
        federation.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        Links::of(&federation, &parts(headers, peer)).map(|links| links.base().to_owned())
    }

    #[test]
    fn ids_become_one_path_segment() {
        let links = Links::at("https://x/v1");
        assert_eq!(links.collection("EODC|sentinel1-grd"), "https://x/v1/collections/EODC%7Csentinel1-grd");
        assert_eq!(links.item("A|b/c", "S1:x y%7C?#"), "https://x/v1/collections/A%7Cb%2Fc/items/S1:x%20y%257C%3F%23");
        assert_eq!(links.prefix(), "/v1");
        assert_eq!(Links::at("http://x:8080").prefix(), "");
    }

    #[test]
    fn public_url_wins_over_everything() {
        let mut federation = federation();
        federation.public_url = Some("https://stac.example.org/v1/".parse().unwrap());
        let links = Links::of(&federation, &parts(&[("host", "evil")], "10.0.0.1")).unwrap();
        assert_eq!(links.root(), "https://stac.example.org/v1/");
        federation.public_url = Some("https://stac.example.org".parse().unwrap());
        let links = Links::of(&federation, &parts(&[], "10.0.0.1")).unwrap();
        assert_eq!(links.to("/search"), "https://stac.example.org/search");
    }

    #[test]
    fn host_is_used_when_valid() {
        assert_eq!(base(&[("host", "127.0.0.1:8080")], "1.2.3.4").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base(&[("host", "[::1]:80")], "1.2.3.4").unwrap(), "http://[::1]:80");
        for bad in ["a b", "a/b", "a\"b", "x@y", "a:b", "a:99999", "a:+80", "[::1", "[zz]", "", ":80", "<script>"] {
            let problem = base(&[("host", bad)], "1.2.3.4").unwrap_err();
            assert_eq!(problem.status, 400, "{bad}");
        }
        assert_eq!(base(&[], "1.2.3.4").unwrap(), "http://127.0.0.1:8080");
    }

    #[test]
    fn forwarded_headers_count_only_from_trusted_proxies() {
        let headers = [
            ("host", "inner:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "forged.example, stac.example.org"),
            ("x-forwarded-prefix", "/v1/"),
        ];
        assert_eq!(base(&headers, "10.1.2.3").unwrap(), "https://stac.example.org/v1");
        assert_eq!(base(&headers, "11.1.2.3").unwrap(), "http://inner:8080");
    }

    #[test]
    fn the_standard_header_wins_and_nonsense_is_not_believed() {
        let headers = [
            ("host", "inner"),
            ("forwarded", "for=1.1.1.1;host=forged, for=2.2.2.2;proto=HTTPS;host=\"a.example:8443\""),
            ("x-forwarded-host", "other"),
        ];
        assert_eq!(base(&headers, "10.1.2.3").unwrap(), "https://a.example:8443");
        let headers = [
            ("host", "inner"),
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-host", "a\"b"),
            ("x-forwarded-prefix", "/..//x"),
        ];
        assert_eq!(base(&headers, "10.1.2.3").unwrap(), "http://inner");
    }

    #[test]
    fn a_prefix_is_taken_off_where_it_is() {
        assert_eq!(below("/v1/search", "/v1"), "/search");
        assert_eq!(below("/v1", "/v1"), "/");
        assert_eq!(below("/v1/", "/v1"), "/");
        assert_eq!(below("/search", "/v1"), "/search");
        assert_eq!(below("/v1x/search", "/v1"), "/v1x/search");
        assert_eq!(below("/search", ""), "/search");
        assert_eq!(below("/api", "/api"), "/api");
        assert_eq!(below("/api/", "/api"), "/");
        assert_eq!(below("/api/api", "/api"), "/api");
    }

    #[test]
    fn our_own_via_is_a_loop() {
        let federation = federation();
        let own = format!("1.1 first, 1.1 {} (stac-broker)", via(&federation.id));
        let headers = parts(&[("via", &own)], "1.1.1.1").headers;
        assert!(is_loop(&federation, &headers));
        let headers = parts(&[("via", "1.1 stac-broker-other, 2 cdn")], "1.1.1.1").headers;
        assert!(!is_loop(&federation, &headers));
    }
}
