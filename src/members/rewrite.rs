//! Item bytes -> what clients get (`members.md` section 5): identity and structural links by splicing, nothing else.
//!
//! Links are replaced by *relation*; no host is ever searched for in text. Everything that is not named in the table of
//! `docs/members.md` goes out byte for byte as it came in.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::item::Item;
use super::scan::{Broken, Kind, Scanner, Text};

/// Relations the broker writes itself.
const OWN: [&str; 5] = ["self", "root", "parent", "collection", "canonical"];
/// Relations that lead around in the member's catalogue and mean nothing in the broker's.
const DROPPED: [&str; 11] =
    ["next", "prev", "previous", "first", "last", "items", "search", "data", "conformance", "child", "item"];
/// Schemes that make a browser run or show what the href itself holds (T16).
const DANGEROUS: [&str; 3] = ["javascript", "data", "vbscript"];
/// Characters of a path segment that stay as they are (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the broker writes into an Item.
#[derive(Debug)]
pub struct ItemRewrite<'a> {
    /// Qualified or shared collection id.
    pub collection: &'a str,
    /// Address of the Item at the broker.
    pub self_href: &'a str,
    /// Address of its Collection at the broker.
    pub collection_href: &'a str,
    pub root_href: &'a str,
    /// The member's landing page (ends without slash) and further bases it prints: for `canonical` and relative hrefs.
    /// Empty: the member publishes no Items, and this one has no `canonical`.
    pub member_bases: &'a [&'a str],
    /// `federation:backends`.
    pub backends: &'a [&'a str],
}

/// A place where the Item's bytes are left: what stood there, and what is written instead.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Collection,
    /// The head of `properties`: what is missing there is inserted.
    Properties,
    Backends,
    Links,
    Assets,
}

/// Appends the Item to `out` as clients get it. Returns how many dangerous hrefs were dropped.
pub fn write_item(item: &Item, rewrite: &ItemRewrite<'_>, out: &mut Vec<u8>) -> u32 {
    let bytes = &item.bytes[..];
    let spans = &item.spans;
    let source = Source::of(item, rewrite);
    let mut dropped = 0;
    let mut parts = [
        (spans.collection.clone(), Part::Collection),
        (spans.properties.clone(), Part::Properties),
        (spans.backends.clone(), Part::Backends),
        (spans.links.clone(), Part::Links),
        (spans.assets.clone(), Part::Assets),
    ];
    parts.sort_unstable_by_key(|(span, _)| span.start);
    out.reserve(bytes.len() + 1024);
    out.push(b'{');
    write_absent(item, rewrite, &source, out);
    let mut copied = 1;
    for (span, part) in parts {
        let (start, end) = (span.start as usize, span.end as usize);
        if end == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[copied..start]);
        copied = end;
        let value = &bytes[start..end];
        match part {
            Part::Collection => write_text(rewrite.collection, out),
            Part::Properties => copied = start + write_properties_head(item, rewrite, value, out),
            Part::Backends => write_backends(rewrite, out),
            Part::Links => dropped += write_links(value, rewrite, &source, out),
            Part::Assets => dropped += write_assets(value, &source, out),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    dropped
}

/// Members that the Item lacks. An Item has at least `type` and `id`, so a comma always follows.
fn write_absent(item: &Item, rewrite: &ItemRewrite<'_>, source: &Source<'_>, out: &mut Vec<u8>) {
    if item.spans.collection.end == 0 {
        out.extend_from_slice(b"\"collection\":");
        write_text(rewrite.collection, out);
        out.push(b',');
    }
    if item.spans.properties.end == 0 {
        out.extend_from_slice(b"\"properties\":{");
        write_backends(rewrite, out);
        out.extend_from_slice(b"},");
    }
    if item.spans.links.end == 0 {
        out.extend_from_slice(b"\"links\":");
        write_links(b"[]", rewrite, source, out);
        out.push(b',');
    }
}

/// Writes the opening of `properties` and what is missing there; returns how many of its bytes are dealt with.
fn write_properties_head(item: &Item, rewrite: &ItemRewrite<'_>, value: &[u8], out: &mut Vec<u8>) -> usize {
    if value.first() != Some(&b'{') {
        out.push(b'{');
        write_backends(rewrite, out);
        out.push(b'}');
        return value.len();
    }
    out.push(b'{');
    let empty = value[1..].trim_ascii_start().first() == Some(&b'}');
    let times = &item.times;
    // stac-utils/pgstac#158: the member that a validator needs is lost when its value is null.
    let restore = item.spans.datetime.end == 0 && times.start.is_some() && times.end.is_some();
    if restore {
        out.extend_from_slice(b"\"datetime\":null,");
    }
    if item.spans.backends.end == 0 {
        write_backends(rewrite, out);
        if !empty {
            out.push(b',');
        }
    }
    1
}

fn write_backends(rewrite: &ItemRewrite<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"federation:backends\":[");
    for (n, member) in rewrite.backends.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_text(member, out);
    }
    out.push(b']');
}

/// Where the Item stands at its member.
struct Source<'a> {
    canonical: Option<Cow<'a, str>>,
    /// The same, parsed when a relative href asks for it.
    base: std::cell::OnceCell<Option<Url>>,
}

impl<'a> Source<'a> {
    /// The member's own `self` link if it lies below one of the member's bases, else the address a STAC API has for it.
    fn of(item: &'a Item, rewrite: &ItemRewrite<'_>) -> Self {
        let own = self_link(item.slice(&item.spans.links)).ok().flatten();
        let below = |href: &str| {
            rewrite.member_bases.iter().any(|base| {
                let base = base.trim_end_matches('/');
                href.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
                    && !href.contains(['\\', '\n', '\r', '\t'])
            })
        };
        let canonical = own.filter(|href| below(href)).or_else(|| {
            let base = rewrite.member_bases.first()?.trim_end_matches('/');
            let collection = utf8_percent_encode(&item.collection, SEGMENT);
            let id = utf8_percent_encode(&item.id, SEGMENT);
            Some(Cow::Owned(format!("{base}/collections/{collection}/items/{id}")))
        });
        Self { canonical, base: std::cell::OnceCell::new() }
    }

    fn resolve(&self, href: &str) -> Option<String> {
        let base = self.base.get_or_init(|| Url::parse(self.canonical.as_ref()?).ok()).as_ref()?;
        base.join(href).ok().map(String::from)
    }
}

fn self_link(links: &[u8]) -> Result<Option<Cow<'_, str>>, Broken> {
    let mut scanner = Scanner::new(links);
    if links.is_empty() || scanner.kind()? != Kind::Array {
        return Ok(None);
    }
    let mut walk = scanner.enter();
    while scanner.element(&mut walk)? {
        let link = Link::read(&mut scanner)?;
        if link.is("self") {
            return Ok(link.href.and_then(Text::decode));
        }
    }
    Ok(None)
}

/// One element of `links`: its relation and href, where it is an object that has them.
#[derive(Default)]
struct Link<'a> {
    object: bool,
    rel: Option<Cow<'a, str>>,
    href: Option<Text<'a>>,
}

impl<'a> Link<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Self, Broken> {
        if scanner.kind()? != Kind::Object {
            scanner.skip()?;
            return Ok(Self::default());
        }
        let mut link = Self { object: true, ..Self::default() };
        let mut walk = scanner.enter();
        while let Some(key) = scanner.key(&mut walk)? {
            let text = scanner.text()?;
            match (&*key.name(), text) {
                (b"rel", Some(text)) => link.rel = text.decode(),
                (b"href", Some(text)) => link.href = Some(text),
                (_, Some(_)) => {}
                (_, None) => scanner.pass()?,
            }
        }
        Ok(link)
    }

    fn is(&self, rel: &str) -> bool {
        self.rel.as_deref().is_some_and(|own| own.trim().eq_ignore_ascii_case(rel))
    }
}

/// What is to be done with an href.
enum Href {
    Keep,
    Absolute(String),
    Drop,
}

fn judge(text: Text<'_>, source: &Source<'_>) -> Href {
    let Some(href) = text.decode() else { return Href::Drop };
    match scheme(&href) {
        Some(scheme) if DANGEROUS.iter().any(|bad| scheme.eq_ignore_ascii_case(bad)) => Href::Drop,
        Some(_) => Href::Keep,
        None => source.resolve(&href).map_or(Href::Keep, Href::Absolute),
    }
}

/// The scheme a browser sees: white space and control characters before it and inside it do not count (WHATWG URL, 4.4).
fn scheme(href: &str) -> Option<Cow<'_, str>> {
    let (scheme, _) = href.split_once(':')?;
    let scheme = if scheme.bytes().any(|byte| byte <= b' ') {
        Cow::Owned(scheme.chars().filter(|&letter| letter > ' ').collect())
    } else {
        Cow::Borrowed(scheme)
    };
    let mut letters = scheme.bytes();
    let first = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (first && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))).then_some(scheme)
}

/// Writes the broker's links, then the member's others. Bytes of a kept link change in a relative href only.
fn write_links(value: &[u8], rewrite: &ItemRewrite<'_>, source: &Source<'_>, out: &mut Vec<u8>) -> u32 {
    const GEOJSON: &str = "application/geo+json";
    const JSON: &str = "application/json";
    let own = [
        ("self", GEOJSON, Some(rewrite.self_href)),
        ("root", JSON, Some(rewrite.root_href)),
        ("parent", JSON, Some(rewrite.collection_href)),
        ("collection", JSON, Some(rewrite.collection_href)),
        ("canonical", GEOJSON, source.canonical.as_deref()),
    ];
    for (n, (rel, media, href)) in
        own.into_iter().filter_map(|(rel, media, href)| Some((rel, media, href?))).enumerate()
    {
        out.extend_from_slice(if n == 0 { b"[{\"rel\":\"" } else { b",{\"rel\":\"" });
        out.extend_from_slice(rel.as_bytes());
        out.extend_from_slice(b"\",\"type\":\"");
        out.extend_from_slice(media.as_bytes());
        out.extend_from_slice(b"\",\"href\":");
        write_text(href, out);
        out.push(b'}');
    }
    let mut dropped = 0;
    // The value was validated when the Item was read: an error cannot come, and if it did, only the rest of the
    // member's links would be missing.
    let _ = write_other_links(value, source, out, &mut dropped);
    out.push(b']');
    dropped
}

fn write_other_links(value: &[u8], source: &Source<'_>, out: &mut Vec<u8>, dropped: &mut u32) -> Result<(), Broken> {
    let mut scanner = Scanner::new(value);
    if scanner.kind()? != Kind::Array {
        return Ok(());
    }
    let mut walk = scanner.enter();
    while scanner.element(&mut walk)? {
        scanner.kind()?;
        let start = scanner.at();
        let link = Link::read(&mut scanner)?;
        if !link.object || OWN.iter().chain(&DROPPED).any(|rel| link.is(rel)) {
            continue;
        }
        let end = scanner.at();
        match link.href.map(|href| (href, judge(href, source))) {
            Some((_, Href::Drop)) => *dropped += 1,
            Some((href, Href::Absolute(address))) => {
                out.push(b',');
                out.extend_from_slice(&value[start..href.at]);
                write_text(&address, out);
                out.extend_from_slice(&value[href.at + href.raw.len()..end]);
            }
            _ => {
                out.push(b',');
                out.extend_from_slice(&value[start..end]);
            }
        }
    }
    Ok(())
}

/// Writes the assets: as they came when every href is absolute and harmless, which is nearly always.
fn write_assets(value: &[u8], source: &Source<'_>, out: &mut Vec<u8>) -> u32 {
    if plainly_absolute(value) {
        out.extend_from_slice(value);
        return 0;
    }
    let mut written = Vec::with_capacity(value.len() + 256);
    let mut dropped = 0;
    match write_described(value, source, &mut written, &mut dropped, 1) {
        Ok(()) => out.extend_from_slice(&written),
        // Cannot come: the value was validated when the Item was read.
        Err(_) => out.extend_from_slice(b"{}"),
    }
    dropped
}

/// Whether each `"href"` is followed by an address of a harmless scheme. Says no when in doubt.
fn plainly_absolute(value: &[u8]) -> bool {
    if memchr::memchr(b'\\', value).is_some() {
        return false;
    }
    memchr::memmem::find_iter(value, b"\"href\"").all(|at| {
        let rest = value[at + 6..].trim_ascii_start();
        let rest = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        rest.is_some_and(|rest| {
            [&b"\"https://"[..], b"\"http://", b"\"s3://"].iter().any(|good| rest.starts_with(good))
        })
    })
}

/// Writes an object whose values are objects with an `href` (assets, and the `alternate` places of one asset), without
/// those whose href is dangerous.
fn write_described(
    value: &[u8],
    source: &Source<'_>,
    out: &mut Vec<u8>,
    dropped: &mut u32,
    alternates: u32,
) -> Result<(), Broken> {
    let mut scanner = Scanner::new(value);
    if scanner.kind()? != Kind::Object {
        out.extend_from_slice(value);
        return Ok(());
    }
    out.push(b'{');
    let mut first = true;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        let span = scanner.skip()?;
        let before = out.len();
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(&value[key.at..span.start]);
        if !write_one(&value[span], source, out, dropped, alternates)? {
            *dropped += 1;
            out.truncate(before);
            first = out.last() == Some(&b'{');
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes one asset; false when its href is dangerous.
fn write_one(
    value: &[u8],
    source: &Source<'_>,
    out: &mut Vec<u8>,
    dropped: &mut u32,
    alternates: u32,
) -> Result<bool, Broken> {
    let mut scanner = Scanner::new(value);
    if scanner.kind()? != Kind::Object {
        out.extend_from_slice(value);
        return Ok(true);
    }
    let mut copied = 0;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        match &*key.name() {
            b"href" => {
                let Some(href) = scanner.text()? else {
                    scanner.skip()?;
                    continue;
                };
                match judge(href, source) {
                    Href::Keep => {}
                    Href::Drop => return Ok(false),
                    Href::Absolute(address) => {
                        out.extend_from_slice(&value[copied..href.at]);
                        write_text(&address, out);
                        copied = scanner.at();
                    }
                }
            }
            b"alternate" if alternates > 0 => {
                let span = scanner.skip()?;
                out.extend_from_slice(&value[copied..span.start]);
                copied = span.end;
                write_described(&value[span], source, out, dropped, alternates - 1)?;
            }
            _ => scanner.pass()?,
        }
    }
    out.extend_from_slice(&value[copied..]);
    Ok(true)
}

/// Writes a JSON string.
fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
