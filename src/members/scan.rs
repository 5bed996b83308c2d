//! A validating pull scanner over JSON text (RFC 8259): it walks objects and arrays by spans and allocates nothing per value.
//!
//! It deliberately does not know what STAC is, and it checks neither UTF-8 (the caller does so once for the whole body)
//! nor whether numbers fit a machine type: those that pass through stay text. It is iterative, so nesting costs one bit
//! per level and never stack; whoever has a bound on depth reads [`Scanner::deepest`].

use std::borrow::Cow;
use std::ops::Range;

/// Where the text stopped being JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {what}")]
pub struct Broken {
    pub at: usize,
    pub what: &'static str,
}

/// What the next value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// A place in a JSON text. Every method leaves it behind what was read.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    deepest: u32,
    lone_surrogate: bool,
    nest: Nest,
}

/// Open objects (1) and arrays (0) of one skipped value: the innermost in the low bit, full words put aside.
#[derive(Debug, Clone, Default)]
struct Nest {
    word: u64,
    level: u32,
    spilled: Vec<u64>,
}

impl Nest {
    fn push(&mut self, object: bool) {
        if self.level > 0 && self.level.is_multiple_of(64) {
            self.spilled.push(self.word);
            self.word = 0;
        }
        self.word = (self.word << 1) | u64::from(object);
        self.level += 1;
    }

    fn in_object(&self) -> bool {
        self.word & 1 == 1
    }

    fn pop(&mut self) {
        self.level -= 1;
        self.word >>= 1;
        if self.level > 0 && self.level.is_multiple_of(64) {
            self.word = self.spilled.pop().unwrap_or_default();
        }
    }
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `bytes`, which must be UTF-8.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0, deepest: 0, lone_surrogate: false, nest: Nest::default() }
    }

    /// Reads one value that fills `bytes` but for white space, and gives its span.
    ///
    /// # Errors
    /// Where the text is not JSON, or when something follows the value.
    #[cfg(test)]
    pub fn document(bytes: &'a [u8]) -> Result<Range<usize>, Broken> {
        let mut scanner = Self::new(bytes);
        let span = scanner.skip()?;
        scanner.end()?;
        Ok(span)
    }

    /// Byte offset of the next byte to read.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes of a span.
    #[must_use]
    pub fn slice(&self, span: &Range<usize>) -> &'a [u8] {
        self.bytes.get(span.clone()).unwrap_or_default()
    }

    /// Levels of nesting at this place: 1 inside the outermost object.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Greatest depth met since the last call of [`Self::watch`].
    #[must_use]
    pub fn deepest(&self) -> u32 {
        self.deepest
    }

    /// Whether an escape that is half a character was met since the last call of [`Self::watch`]: valid by the grammar,
    /// refused by many readers (RFC 8259, section 8.2).
    #[must_use]
    pub fn lone_surrogate(&self) -> bool {
        self.lone_surrogate
    }

    /// Begins to watch depth and surrogates anew.
    pub fn watch(&mut self) {
        self.deepest = self.depth;
        self.lone_surrogate = false;
    }

    /// Requires that only white space follows.
    ///
    /// # Errors
    /// When anything else does.
    pub fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.broken("something after the end of the document")) }
    }

    /// What the next value is; reads white space only.
    ///
    /// # Errors
    /// When no value can begin here.
    pub fn kind(&mut self) -> Result<Kind, Broken> {
        self.space();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.broken("expected a value")),
        }
    }

    /// Enters an object or array whose kind was seen by [`Self::kind`].
    pub fn enter(&mut self) -> Walk {
        self.at += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        Walk { first: true }
    }

    /// The next key of an entered object, its value to be read next; `None` leaves the object.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn key(&mut self, walk: &mut Walk) -> Result<Option<Text<'a>>, Broken> {
        if !self.more(walk, b'}')? {
            return Ok(None);
        }
        let span = self.key_and_colon()?;
        Ok(Some(Text { raw: self.slice(&span), at: span.start }))
    }

    /// Whether an entered array has a further element, to be read next; `false` leaves the array.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn element(&mut self, walk: &mut Walk) -> Result<bool, Broken> {
        self.more(walk, b']')
    }

    fn more(&mut self, walk: &mut Walk, close: u8) -> Result<bool, Broken> {
        self.space();
        match self.bytes.get(self.at) {
            Some(&byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !walk.first => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(_) if walk.first => {
                walk.first = false;
                Ok(true)
            }
            _ => Err(self.broken("expected a comma or the end of an object or array")),
        }
    }

    /// Reads a text value; `None` (nothing read) when the next value is none.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn text(&mut self) -> Result<Option<Text<'a>>, Broken> {
        if self.kind()? != Kind::Text {
            return Ok(None);
        }
        let start = self.at;
        self.string()?;
        Ok(Some(Text { raw: self.slice(&(start..self.at)), at: start }))
    }

    /// Reads one value of any kind, validating all of it, and gives its span.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn skip(&mut self) -> Result<Range<usize>, Broken> {
        self.space();
        let start = self.at;
        self.nest.level = 0;
        self.nest.word = 0;
        self.nest.spilled.clear();
        loop {
            if self.begin_value()? {
                continue;
            }
            if self.end_values()? {
                return Ok(start..self.at);
            }
        }
    }

    /// Reads a scalar or an empty container whole, or opens a container up to its first value (true).
    fn begin_value(&mut self) -> Result<bool, Broken> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(self.broken("expected a value")),
        }
        Ok(false)
    }

    fn open(&mut self, object: bool) -> Result<bool, Broken> {
        self.at += 1;
        self.deepest = self.deepest.max(self.depth + self.nest.level + 1);
        self.space();
        let close = if object { b'}' } else { b']' };
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(false);
        }
        self.nest.push(object);
        if object {
            self.key_and_colon()?;
        }
        Ok(true)
    }

    /// After a value: closes what closes here. True when the skipped value is over, false when a further value begins.
    fn end_values(&mut self) -> Result<bool, Broken> {
        while self.nest.level > 0 {
            self.space();
            let object = self.nest.in_object();
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if object {
                        self.key_and_colon()?;
                    }
                    return Ok(false);
                }
                Some(b'}') if object => self.nest.pop(),
                Some(b']') if !object => self.nest.pop(),
                _ => return Err(self.broken("expected a comma or the end of an object or array")),
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn key_and_colon(&mut self) -> Result<Range<usize>, Broken> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.broken("expected a key"));
        }
        let start = self.at;
        self.string()?;
        let span = start..self.at;
        self.space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.broken("expected a colon"));
        }
        self.at += 1;
        self.space();
        Ok(span)
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Reads a string from its opening quote, eight bytes at a time up to the next quote, backslash or control character.
    #[inline]
    fn string(&mut self) -> Result<(), Broken> {
        let mut at = self.at + 1;
        loop {
            at = plain(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(());
                }
                Some(b'\\') => at = self.escape(at)?,
                Some(_) => return Err(Broken { at, what: "control character in a string" }),
                None => return Err(Broken { at, what: "string without an end" }),
            }
        }
    }

    #[cold]
    fn escape(&mut self, at: usize) -> Result<usize, Broken> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let unit = self.unit(at)?;
                match unit {
                    0xD800..=0xDBFF if self.bytes.get(at + 6..at + 8) == Some(b"\\u") => {
                        let low = self.unit(at + 6)?;
                        if (0xDC00..=0xDFFF).contains(&low) {
                            return Ok(at + 12);
                        }
                        self.lone_surrogate = true;
                    }
                    0xD800..=0xDFFF => self.lone_surrogate = true,
                    _ => {}
                }
                Ok(at + 6)
            }
            _ => Err(Broken { at, what: "unknown escape" }),
        }
    }

    /// The code unit of `\uXXXX` at `at`.
    fn unit(&self, at: usize) -> Result<u32, Broken> {
        let digits = self.bytes.get(at + 2..at + 6).ok_or(Broken { at, what: "escape cut off" })?;
        digits.iter().try_fold(0, |unit, &digit| {
            let digit = char::from(digit).to_digit(16).ok_or(Broken { at, what: "escape without four hex digits" })?;
            Ok(unit * 16 + digit)
        })
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at - start
    }

    #[inline]
    fn number(&mut self) -> Result<(), Broken> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.broken("number without a proper whole part"));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.broken("number without digits after its point"));
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.broken("number without digits in its exponent"));
            }
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Broken> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.broken("expected a value"))
    }

    fn broken(&self, what: &'static str) -> Broken {
        Broken { at: self.at, what }
    }
}

/// How far an entered object or array was walked.
#[derive(Debug)]
pub struct Walk {
    first: bool,
}

/// A string with its quotes, as written.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    pub raw: &'a [u8],
    /// Byte offset of its opening quote.
    pub at: usize,
}

impl<'a> Text<'a> {
    /// Between the quotes, as written.
    #[must_use]
    pub fn inner(self) -> &'a [u8] {
        self.raw.get(1..self.raw.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The characters meant; `None` with half a surrogate pair.
    #[must_use]
    pub fn decode(self) -> Option<Cow<'a, str>> {
        let inner = self.inner();
        if memchr::memchr(b'\\', inner).is_none() {
            return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
        }
        serde_json::from_slice::<String>(self.raw).ok().map(Cow::Owned)
    }

    /// The name this key has, compared as plain bytes; a key written with escapes is decoded first.
    #[must_use]
    pub fn name(self) -> Cow<'a, [u8]> {
        let inner = self.inner();
        if memchr::memchr(b'\\', inner).is_none() {
            return Cow::Borrowed(inner);
        }
        self.decode().map_or(Cow::Borrowed(inner), |name| Cow::Owned(name.into_owned().into_bytes()))
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The next place at or after `at` with a quote, a backslash or a control character, or the end of `bytes`.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let slash = word ^ (ONES * 0x5C);
        // A byte whose high bit was clear and that borrows is the one sought; borrows reach only bytes behind it, and
        // the first one is all that counts.
        let found =
            (word.wrapping_sub(ONES * 0x20) | quote.wrapping_sub(ONES) | slash.wrapping_sub(ONES)) & !word & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            return at;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
