//! A raw Item: its bytes and the places of the few fields the broker uses; and the one pass that splits a page into Items.
//!
//! It deliberately builds no document tree and repairs nothing: a document is passed on as it came or dropped with its
//! [`Reason`] (`members.md` section 5). A member name that the broker uses and that comes twice makes a document
//! invalid, since readers disagree on which of the two counts.

mod meets;
mod subject;
mod values;

use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Invalid;
use super::scan::{Broken, Kind, Scanner, Text};
use crate::cql2::times;
use crate::federation::Bbox;

pub use subject::Properties;

/// Reasons kept of a page, for the log.
const REASONS_MAX: usize = 8;
/// Characters of an id that the log shows.
const ID_SHOWN: usize = 80;
/// `GeometryCollection`s inside one another.
const GEOMETRY_NESTING_MAX: u32 = 4;
/// Bytes of an Item's geometry that a residual check parses.
const GEOMETRY_BYTES_MAX: usize = 1 << 20;

/// An Item as a member sent it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Exactly the JSON object of the Item.
    pub bytes: Bytes,
    pub id: Box<str>,
    /// The member's own collection id; empty when it sent none.
    pub collection: Box<str>,
    pub times: Times,
    pub spans: Spans,
}

/// The temporal properties as instants; what does not parse is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    pub datetime: Option<DateTime<Utc>>,
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
}

/// Byte ranges of member values inside [`Item::bytes`]; an empty range at 0 means absent.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    pub collection: Range<u32>,
    pub geometry: Range<u32>,
    pub bbox: Range<u32>,
    pub properties: Range<u32>,
    pub links: Range<u32>,
    pub assets: Range<u32>,
    /// The value of `properties.datetime`.
    pub datetime: Range<u32>,
    /// The whole `federation:backends` member of `properties`, if the member sent one (key, colon and value).
    pub backends: Range<u32>,
}

/// Bounds on what a page may hold; each protects memory and time from one hostile or broken answer.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub item_bytes_max: usize,
    /// Links, and assets, of one Item.
    pub links_max: u32,
    /// Levels of nesting of one Item.
    pub depth_max: u32,
    /// Features read of one page; more are a member that ignores `limit` by far.
    pub features_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { item_bytes_max: 2 << 20, links_max: 2_000, depth_max: 64, features_max: 20_000 }
    }
}

/// Why a document was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("{0}")]
    NotJson(Broken),
    #[error("not an object")]
    NotAnObject,
    #[error("not a Feature")]
    NotAFeature,
    #[error("no `id`, or one that is not text")]
    NoId,
    #[error("geometry is neither null nor a GeoJSON geometry")]
    Geometry,
    #[error("`properties` is neither null nor an object")]
    Properties,
    #[error("over the bound on bytes")]
    TooLarge,
    #[error("too many links or assets")]
    TooManyLinks,
    #[error("nested too deep")]
    TooDeep,
    #[error("a member name comes twice")]
    Doubled,
    #[error("text with half a character")]
    HalfCharacter,
}

/// A document that is no Item.
struct Refused {
    reason: Reason,
    /// What it calls itself, cut for the log.
    id: Option<String>,
}

/// One page, split.
#[derive(Debug, Clone, Default)]
pub struct Split {
    pub items: Vec<Item>,
    /// Features that came, the dropped ones included.
    pub received: u32,
    pub invalid: Invalid,
    /// `numberMatched`, else `context.matched`, else `numMatched`, else `totalResults` of OpenSearch.
    pub matched: Option<u64>,
    /// The page names members of its own that are missing from it (`federation:missing`).
    pub partial: bool,
    /// The `links` array of the page, where there is one.
    pub links: Option<Bytes>,
}

impl Split {
    /// Why the page is not complete, if it says so itself.
    pub fn lacking(&self) -> Option<std::sync::Arc<str>> {
        self.partial.then(|| "its own answer names members that are missing".into())
    }
}

/// Splits an `ItemCollection`, or any JSON object with `features`, in one pass.
///
/// # Errors
/// When the body is not UTF-8, not JSON, or not an object with one `features` array; the text is for the log.
pub fn split_page(body: &Bytes, bounds: &Bounds) -> Result<Split, String> {
    std::str::from_utf8(body).map_err(|error| format!("body is not UTF-8: {error}"))?;
    let mut page = Split::default();
    let mut scanner = Scanner::new(body);
    let found = page_members(&mut scanner, body, bounds, &mut page).map_err(|broken| broken.to_string())?;
    if found { Ok(page) } else { Err("body is not an object with one `features` array".to_owned()) }
}

fn page_members(scanner: &mut Scanner<'_>, body: &Bytes, bounds: &Bounds, page: &mut Split) -> Result<bool, Broken> {
    if scanner.kind()? != Kind::Object {
        return Ok(false);
    }
    let (mut features, mut matched) = (0, [None; 4]);
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        match &*key.name() {
            b"features" if scanner.kind()? == Kind::Array => {
                features += 1;
                page_features(scanner, body, bounds, page)?;
            }
            b"links" => {
                let span = scanner.skip()?;
                page.links = Some(body.slice(span));
            }
            b"numberMatched" => matched[0] = count(scanner)?,
            b"context" if scanner.kind()? == Kind::Object => matched[1] = member_count(scanner, b"matched")?,
            b"numMatched" => matched[2] = count(scanner)?,
            b"totalResults" => matched[3] = count(scanner)?,
            // where resto's OpenSearch has it
            b"properties" if scanner.kind()? == Kind::Object => {
                let total = member_count(scanner, b"totalResults")?;
                matched[3] = matched[3].or(total);
            }
            b"federation:missing" if scanner.kind()? == Kind::Array => {
                let mut walk = scanner.enter();
                while scanner.element(&mut walk)? {
                    page.partial = true;
                    scanner.pass()?;
                }
            }
            _ => scanner.pass()?,
        }
    }
    scanner.end()?;
    page.matched = matched.into_iter().flatten().next();
    Ok(features == 1)
}

/// The count that an object has under this name.
fn member_count(scanner: &mut Scanner<'_>, name: &[u8]) -> Result<Option<u64>, Broken> {
    let mut found = None;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        if &*key.name() == name {
            found = count(scanner)?;
        } else {
            scanner.skip()?;
        }
    }
    Ok(found)
}

fn count(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Broken> {
    let span = scanner.skip()?;
    Ok(std::str::from_utf8(scanner.slice(&span)).ok().and_then(|text| text.parse().ok()))
}

fn page_features(scanner: &mut Scanner<'_>, body: &Bytes, bounds: &Bounds, page: &mut Split) -> Result<(), Broken> {
    let mut walk = scanner.enter();
    while scanner.element(&mut walk)? {
        if page.received >= bounds.features_max {
            return Err(Broken { at: scanner.at(), what: "more features than a page may have" });
        }
        page.received += 1;
        match read_item(scanner, body, bounds)? {
            Ok(item) => page.items.push(item),
            Err(Refused { reason, id }) => {
                page.invalid.count += 1;
                if page.invalid.reasons.len() < REASONS_MAX {
                    let number = page.received;
                    page.invalid.reasons.push(match id {
                        Some(id) => format!("feature {number} `{id}`: {reason}"),
                        None => format!("feature {number}: {reason}"),
                    });
                }
            }
        }
    }
    Ok(())
}

/// What is found on the way through one Item. Spans are absolute until the Item is made.
#[derive(Default)]
struct Found<'a> {
    feature: bool,
    id: Option<Text<'a>>,
    collection: Option<Text<'a>>,
    times: Times,
    spans: Spans,
    fault: Option<Reason>,
}

impl Found<'_> {
    fn blame(&mut self, reason: Reason) {
        self.fault.get_or_insert(reason);
    }
}

/// Reads one element of `features` to its end, whatever it is. The outer error means that the page is not JSON.
fn read_item(scanner: &mut Scanner<'_>, body: &Bytes, bounds: &Bounds) -> Result<Result<Item, Refused>, Broken> {
    if scanner.kind()? != Kind::Object {
        scanner.skip()?;
        return Ok(Err(Refused { reason: Reason::NotAnObject, id: None }));
    }
    let start = scanner.at();
    let outside = scanner.depth();
    scanner.watch();
    let mut found = Found::default();
    let mut seen = 0u32;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        item_member(scanner, &key, start, bounds, &mut found, &mut seen)?;
    }
    let span = start..scanner.at();
    let deep = scanner.deepest() - outside > bounds.depth_max;
    let id = found.id.and_then(Text::decode);
    let shown = |id: &str| id.chars().filter(|c| !c.is_control()).take(ID_SHOWN).collect();
    let item = finish(found, span, body, bounds, deep, scanner.lone_surrogate());
    Ok(item.map_err(|reason| Refused { reason, id: id.as_deref().map(shown) }))
}

fn item_member<'a>(
    scanner: &mut Scanner<'a>,
    key: &Text<'a>,
    start: usize,
    bounds: &Bounds,
    found: &mut Found<'a>,
    seen: &mut u32,
) -> Result<(), Broken> {
    let name = key.name();
    let bit = match &*name {
        b"type" => 0,
        b"id" => 1,
        b"collection" => 2,
        b"geometry" => 3,
        b"bbox" => 4,
        b"properties" => 5,
        b"links" => 6,
        b"assets" => 7,
        _ => return scanner.pass(),
    };
    if *seen & (1 << bit) != 0 {
        found.blame(Reason::Doubled);
    }
    *seen |= 1 << bit;
    let kind = scanner.kind()?;
    let from = scanner.at();
    match bit {
        0 => {
            let span = scanner.skip()?;
            found.feature = scanner.slice(&span) == b"\"Feature\"";
        }
        1 => found.id = text_or_skip(scanner)?,
        2 => found.collection = text_or_skip(scanner)?,
        3 => {
            if !geometry(scanner, GEOMETRY_NESTING_MAX)? && kind != Kind::Null {
                found.blame(Reason::Geometry);
            }
        }
        5 if kind == Kind::Object => properties(scanner, start, found)?,
        5 => {
            scanner.skip()?;
            if kind != Kind::Null {
                found.blame(Reason::Properties);
            }
        }
        6 | 7 => {
            if children(scanner, kind)? > bounds.links_max {
                found.blame(Reason::TooManyLinks);
            }
        }
        _ => scanner.pass()?,
    }
    let span = relative(&(from..scanner.at()), start);
    match bit {
        2 => found.spans.collection = span,
        3 => found.spans.geometry = span,
        4 => found.spans.bbox = span,
        5 => found.spans.properties = span,
        6 => found.spans.links = span,
        7 => found.spans.assets = span,
        _ => {}
    }
    Ok(())
}

/// A span inside the Item. An Item too large for this is dropped for its size.
fn relative(span: &Range<usize>, start: usize) -> Range<u32> {
    let place = |at: usize| u32::try_from(at - start).unwrap_or(u32::MAX);
    place(span.start)..place(span.end)
}

fn text_or_skip<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Text<'a>>, Broken> {
    let text = scanner.text()?;
    if text.is_none() {
        scanner.skip()?;
    }
    Ok(text)
}

fn children(scanner: &mut Scanner<'_>, kind: Kind) -> Result<u32, Broken> {
    let mut count = 0;
    match kind {
        Kind::Array => {
            let mut walk = scanner.enter();
            while scanner.element(&mut walk)? {
                scanner.skip()?;
                count += 1;
            }
        }
        Kind::Object => {
            let mut walk = scanner.enter();
            while scanner.key(&mut walk)?.is_some() {
                scanner.skip()?;
                count += 1;
            }
        }
        _ => scanner.pass()?,
    }
    Ok(count)
}

fn properties(scanner: &mut Scanner<'_>, start: usize, found: &mut Found<'_>) -> Result<(), Broken> {
    let mut seen = 0u8;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        let name = key.name();
        let bit = match &*name {
            b"datetime" => 0,
            b"start_datetime" => 1,
            b"end_datetime" => 2,
            b"federation:backends" => 3,
            _ => {
                scanner.skip()?;
                continue;
            }
        };
        if seen & (1 << bit) != 0 {
            found.blame(Reason::Doubled);
        }
        seen |= 1 << bit;
        scanner.kind()?;
        let from = scanner.at();
        let text = text_or_skip(scanner)?;
        let instant = text.and_then(Text::decode).and_then(|text| times::parse(text.as_bytes()));
        match bit {
            0 => {
                found.times.datetime = instant;
                found.spans.datetime = relative(&(from..scanner.at()), start);
            }
            1 => found.times.start = instant,
            2 => found.times.end = instant,
            _ => {
                found.spans.backends = relative(&(key.at..scanner.at()), start);
            }
        }
    }
    Ok(())
}

/// Reads a value and says whether it has the shape of a GeoJSON geometry (RFC 7946, section 3.1).
fn geometry(scanner: &mut Scanner<'_>, nesting: u32) -> Result<bool, Broken> {
    if scanner.kind()? != Kind::Object {
        scanner.skip()?;
        return Ok(false);
    }
    let (mut levels, mut coordinates, mut members) = (None, None, None);
    let mut doubled = false;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        match &*key.name() {
            b"type" => {
                let span = scanner.skip()?;
                doubled |= levels.is_some();
                levels = match scanner.slice(&span) {
                    b"\"Point\"" => Some(1),
                    b"\"MultiPoint\"" | b"\"LineString\"" => Some(2),
                    b"\"MultiLineString\"" | b"\"Polygon\"" => Some(3),
                    b"\"MultiPolygon\"" => Some(4),
                    b"\"GeometryCollection\"" => Some(0),
                    _ => None,
                };
            }
            b"coordinates" => {
                let span = scanner.skip()?;
                doubled |= coordinates.is_some();
                coordinates = Some(scanner.slice(&span));
            }
            b"geometries" if nesting > 0 && scanner.kind()? == Kind::Array => {
                let mut good = true;
                let mut walk = scanner.enter();
                while scanner.element(&mut walk)? {
                    good &= geometry(scanner, nesting - 1)?;
                }
                doubled |= members.is_some();
                members = Some(good);
            }
            _ => scanner.pass()?,
        }
    }
    Ok(!doubled
        && match levels {
            None => false,
            Some(0) => members == Some(true),
            Some(levels) => coordinates.is_some_and(|text| numbers_nested(text, levels)),
        })
}

/// Whether an array holds numbers and arrays only, opened to the depth of its type; an empty one at any depth passes.
fn numbers_nested(text: &[u8], levels: usize) -> bool {
    if memchr::memchr3(b'"', b'{', b'u', text).is_some() || memchr::memchr(b's', text).is_some() {
        return false;
    }
    let mut opened = 0;
    for &byte in text {
        match byte {
            b'[' => opened += 1,
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b']' => return opened <= levels,
            _ => return opened == levels,
        }
    }
    false
}

fn finish(
    found: Found<'_>,
    span: Range<usize>,
    body: &Bytes,
    bounds: &Bounds,
    deep: bool,
    half_character: bool,
) -> Result<Item, Reason> {
    if span.len() > bounds.item_bytes_max {
        return Err(Reason::TooLarge);
    }
    if deep {
        return Err(Reason::TooDeep);
    }
    if half_character {
        return Err(Reason::HalfCharacter);
    }
    if !found.feature {
        return Err(Reason::NotAFeature);
    }
    let id = found.id.and_then(Text::decode).filter(|id| !id.is_empty()).ok_or(Reason::NoId)?;
    if let Some(reason) = found.fault {
        return Err(reason);
    }
    let collection = found.collection.and_then(Text::decode).unwrap_or_default();
    Ok(Item {
        bytes: body.slice(span),
        id: Box::from(&*id),
        collection: Box::from(&*collection),
        times: found.times,
        spans: found.spans,
    })
}

impl Item {
    /// Reads one Item that fills `bytes` but for white space.
    ///
    /// # Errors
    /// Why the document is none.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Reason> {
        let bytes = bytes.into();
        if let Err(error) = std::str::from_utf8(&bytes) {
            return Err(Reason::NotJson(Broken { at: error.valid_up_to(), what: "not UTF-8" }));
        }
        let mut scanner = Scanner::new(&bytes);
        let item = read_item(&mut scanner, &bytes, &Bounds::default()).map_err(Reason::NotJson)?;
        scanner.end().map_err(Reason::NotJson)?;
        item.map_err(|refused| refused.reason)
    }

    /// The bytes of one of [`Item::spans`].
    #[must_use]
    pub fn slice(&self, span: &Range<u32>) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The time key (S3) in milliseconds since 1970, rounded down: `datetime`, else `start_datetime`.
    #[must_use]
    pub fn time_key(&self) -> Option<i64> {
        self.times.datetime.or(self.times.start).map(|at| at.timestamp_millis())
    }

    /// The bounding box, of four or six finite numbers; `None` when there is no such.
    #[must_use]
    pub fn bbox(&self) -> Option<Bbox> {
        let numbers: Vec<f64> = serde_json::from_slice(self.slice(&self.spans.bbox)).ok()?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return None;
        }
        match *numbers.as_slice() {
            [west, south, east, north] => Some(Bbox { west, south, east, north, elevation: None }),
            [west, south, low, east, north, high] => {
                Some(Bbox { west, south, east, north, elevation: Some((low, high)) })
            }
            _ => None,
        }
    }

    /// The geometry on the plane; `None` when it is null, absent, or no geometry that can be computed with.
    #[must_use]
    pub fn geometry(&self) -> Option<geo::Geometry<f64>> {
        let text = self.slice(&self.spans.geometry);
        if text.is_empty() || text.len() > GEOMETRY_BYTES_MAX {
            return None;
        }
        let parsed: geojson::Geometry = serde_json::from_slice(text).ok()?;
        geo::Geometry::try_from(parsed).ok()
    }
}

#[cfg(test)]
mod tests;
