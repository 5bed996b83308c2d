//! Forms of a `next` link -> the token to send to the *configured* address (`members.md` section 4).
//!
//! A member's link is never followed as given: what differs from our own query is taken out of it (the **delta**), and
//! scheme, host, port and path are thrown away. The token is the delta as compact JSON; an address is never in it.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::Token;

/// Names a delta may have: real ones have one or two.
const NAMES_MAX: usize = 8;
/// Bytes of a token, since it travels in our cursor.
pub const TOKEN_BYTES_MAX: usize = 2048;
/// Links of one page that are looked at.
const LINKS_MAX: usize = 1000;
/// Bytes of `Link` headers that are looked at.
const LINK_HEADER_BYTES_MAX: usize = 8192;

/// Names that carry the query itself: ours count, never the member's repetition of them.
const QUERY_NAMES: [&str; 16] = [
    "collections",
    "collection",
    "ids",
    "bbox",
    "bbox-crs",
    "intersects",
    "datetime",
    "filter",
    "filter-lang",
    "filter-crs",
    "query",
    "sortby",
    "fields",
    "q",
    "conf",
    "f",
];
/// Names of page numbers, whose meaning depends on the page size they were made with.
const PAGE_NUMBERS: [&str; 4] = ["page", "pagenumber", "page_number", "startpage"];

/// What a request sent, without what an earlier token added.
#[derive(Debug)]
pub struct Sent<'a> {
    pub url: &'a Url,
    /// Query parameters of a GET.
    pub query: &'a [(String, String)],
    /// Body of a POST.
    pub body: Option<&'a Map<String, Value>>,
    pub limit: u32,
    /// Path of the member's landing page if the path of `next` links is to be kept below it.
    pub follow: Option<&'a str>,
    /// Of the condition that was sent.
    pub mark: Option<u32>,
    /// What of a link counts, where it has one of these; empty: all that is new in it.
    pub only: &'a [&'a str],
}

/// What a token adds to our own query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// By POST; else by GET.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub post: bool,
    #[serde(rename = "q", default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    #[serde(rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<(String, Value)>,
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Mark of the condition that the list is under.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// Path segments below the member's landing page; only with `next_path = "follow"`.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Why a `next` link cannot be used; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("`next` link has no address, or one that cannot be parsed")]
    Address,
    #[error("`next` link asks for method `{0}`")]
    Method(String),
    #[error("`next` link adds more than {NAMES_MAX} names or {TOKEN_BYTES_MAX} bytes")]
    TooLarge,
    #[error("token is not one of ours")]
    Token,
}

/// The token of a page: from its `links`, else from the `Link` header. `None` when the page has no next one.
pub fn token(links: Option<&[u8]>, headers: &HeaderMap, sent: &Sent<'_>) -> Result<Option<Token>, Unusable> {
    let delta = match links.and_then(find) {
        Some(link) => delta_of(&link, sent)?,
        None => match header_next(headers) {
            Some(href) => delta_of(&Map::from_iter([("href".to_owned(), Value::from(href))]), sent)?,
            None => return Ok(None),
        },
    };
    delta.seal().map(Some)
}

impl Delta {
    /// The token's text.
    pub fn seal(&self) -> Result<Token, Unusable> {
        if self.query.len() + self.body.len() + self.headers.len() > NAMES_MAX {
            return Err(Unusable::TooLarge);
        }
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > TOKEN_BYTES_MAX { Err(Unusable::TooLarge) } else { Ok(Token(text.into())) }
    }

    /// Reads a token back. It comes from our own cursor, and is still checked like anything that travelled.
    pub fn open(token: &Token) -> Result<Self, Unusable> {
        if token.0.len() > TOKEN_BYTES_MAX || !token.0.starts_with('{') {
            return Err(Unusable::Token);
        }
        let delta: Self = serde_json::from_str(&token.0).map_err(|_unreadable| Unusable::Token)?;
        let good = delta.query.len() + delta.body.len() + delta.headers.len() <= NAMES_MAX
            && delta.query.iter().all(|(name, _)| !carries_query(name))
            && delta.body.iter().all(|(name, _)| !carries_query(name))
            && delta.headers.iter().all(|(name, value)| header(name, value).is_some())
            && delta.path.as_deref().is_none_or(safe_path);
        if good { Ok(delta) } else { Err(Unusable::Token) }
    }
}

/// The first object of `links` with the relation `next`; JSON is preferred where several have it.
fn find(links: &[u8]) -> Option<Map<String, Value>> {
    let links: Vec<&serde_json::value::RawValue> = serde_json::from_slice(links).ok()?;
    let mut found = None;
    for link in links.into_iter().take(LINKS_MAX) {
        let Ok(Value::Object(link)) = serde_json::from_str(link.get()) else { continue };
        if !link.get("rel").and_then(Value::as_str).is_some_and(|rel| rel.eq_ignore_ascii_case("next")) {
            continue;
        }
        let html = link
            .get("type")
            .and_then(Value::as_str)
            .is_some_and(|media| media.contains("html") || media.contains("xml"));
        if !html {
            return Some(link);
        }
        found.get_or_insert(link);
    }
    found
}

fn delta_of(link: &Map<String, Value>, sent: &Sent<'_>) -> Result<Delta, Unusable> {
    let href = link.get("href").and_then(Value::as_str).ok_or(Unusable::Address)?;
    let address = sent.url.join(href).map_err(|_unparsable| Unusable::Address)?;
    let method = link.get("method").and_then(Value::as_str);
    let body = link.get("body").and_then(Value::as_object);
    let post = match method {
        None => body.is_some(),
        Some(method) if method.eq_ignore_ascii_case("post") => true,
        Some(method) if method.eq_ignore_ascii_case("get") => false,
        Some(method) => return Err(Unusable::Method(method.chars().take(16).collect())),
    };
    let mut delta = Delta { post, mark: sent.mark, ..Delta::default() };
    delta.query = address
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .filter(|pair| !carries_query(&pair.0) && !sent.query.contains(pair) && !configured(sent.url, pair))
        .filter(|(name, value)| !(name == "limit" && *value == sent.limit.to_string()))
        .take(NAMES_MAX + 1)
        .collect();
    if post {
        delta.body = body_delta(body, sent);
    }
    delta.headers = header_delta(link);
    keep_only(&mut delta, sent.only);
    if sent.limit > 0 {
        keep_page_size(&mut delta, sent.limit);
    }
    delta.path = sent.follow.and_then(|base| path_below(&address, base));
    Ok(delta)
}

/// Drops all names but these, if one of them is there: without any, the member is not the one it was taken for.
fn keep_only(delta: &mut Delta, only: &[&str]) {
    let counts = |name: &str| only.contains(&name);
    if delta.query.iter().any(|(name, _)| counts(name)) || delta.body.iter().any(|(name, _)| counts(name)) {
        delta.query.retain(|(name, _)| counts(name));
        delta.body.retain(|(name, _)| counts(name));
        delta.headers.clear();
    }
}

/// A page number counts pages of the size it was made with.
fn keep_page_size(delta: &mut Delta, limit: u32) {
    if !delta.post
        && delta.query.iter().any(|(name, _)| is_page_number(name))
        && !delta.query.iter().any(|(name, _)| name == "limit")
    {
        delta.query.push(("limit".to_owned(), limit.to_string()));
    }
    if delta.body.iter().any(|(name, _)| is_page_number(name)) && !delta.body.iter().any(|(name, _)| name == "limit") {
        delta.body.push(("limit".to_owned(), limit.into()));
    }
}

/// N2 and N3 alike: what we did not send or what differs. A full body repeats ours, a body to be merged holds only news.
fn body_delta(body: Option<&Map<String, Value>>, sent: &Sent<'_>) -> Vec<(String, Value)> {
    let ours = |name: &str| sent.body.and_then(|body| body.get(name));
    body.into_iter()
        .flatten()
        .filter(|(name, value)| !carries_query(name) && !value.is_null() && ours(name) != Some(*value))
        .take(NAMES_MAX + 1)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn header_delta(link: &Map<String, Value>) -> Vec<(String, String)> {
    let headers = link.get("headers").and_then(Value::as_object);
    let mut list = Vec::new();
    for (name, value) in headers.into_iter().flatten() {
        // The specification allows a list of values for one name.
        let value = match value {
            Value::Array(values) => values.first().and_then(Value::as_str),
            value => value.as_str(),
        };
        if let Some(value) = value
            && header(name, value).is_some()
            && list.len() <= NAMES_MAX
        {
            list.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    list
}

/// A header that a member may ask to be sent back (N4); `None` for all others.
pub fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = name.to_ascii_lowercase();
    let paging = name.starts_with("x-") || name.contains("token") || name.contains("cursor");
    let forbidden = [
        "auth",
        "cookie",
        "host",
        "forwarded",
        "api-key",
        "apikey",
        "secret",
        "real-ip",
        "http-method",
        "original",
        "rewrite",
    ];
    if !paging || forbidden.iter().any(|part| name.contains(part)) {
        return None;
    }
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

fn carries_query(name: &str) -> bool {
    let stem = name.split_once('[').map_or(name, |(stem, _)| stem);
    QUERY_NAMES.iter().any(|query| stem.eq_ignore_ascii_case(query))
}

fn is_page_number(name: &str) -> bool {
    PAGE_NUMBERS.iter().any(|number| name.eq_ignore_ascii_case(number))
}

/// Parameters that the configured address itself has.
fn configured(url: &Url, (name, value): &(String, String)) -> bool {
    url.query_pairs().any(|(own_name, own_value)| own_name == *name && own_value == *value)
}

/// The path of a link below the base's path, without a leading slash.
fn path_below(address: &Url, base: &str) -> Option<String> {
    let rest = address.path().strip_prefix(base.trim_end_matches('/'))?.strip_prefix('/')?;
    safe_path(rest).then(|| rest.to_owned())
}

/// Whether segments stay below what they are appended to, however a server reads them.
fn safe_path(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    !path.is_empty()
        && path.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != "..")
        && !path.contains(['\\', '?', '#', ':', '@', '%'])
        && lower.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The address of `Link: <…>; rel="next"` (RFC 8288); JSON or untyped ones only.
fn header_next(headers: &HeaderMap) -> Option<String> {
    let mut budget = LINK_HEADER_BYTES_MAX;
    for value in headers.get_all(http::header::LINK) {
        let text = value.to_str().ok()?;
        budget = budget.checked_sub(text.len())?;
        let mut rest = text;
        while let Some(open) = rest.find('<') {
            let (address, after) = rest[open + 1..].split_once('>')?;
            let (parameters, further) = split_outside_quotes(after);
            let is = |name: &str, wanted: &dyn Fn(&str) -> bool| {
                parameters
                    .split(';')
                    .filter_map(|pair| pair.split_once('='))
                    .any(|(key, value)| key.trim().eq_ignore_ascii_case(name) && wanted(value.trim().trim_matches('"')))
            };
            let next = is("rel", &|value| value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next")));
            if next && !is("type", &|media| !media.contains("json")) {
                return Some(address.to_owned());
            }
            rest = further;
        }
    }
    None
}

fn split_outside_quotes(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests;
