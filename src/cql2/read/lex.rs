//! Words and signs of the text spelling (OGC 21-065r2 annex B and requirement `cql2-text/escaping`).

use std::borrow::Cow;

use crate::cql2::bounds::TEXT_BYTES_MAX;
use crate::cql2::wrong::{Wrong, quoted};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// `'…'`, escapes resolved.
    Text(Cow<'a, str>),
    /// Without sign.
    Number(f64),
    /// A keyword, a function or a property; in quotes it is a property for sure.
    Name {
        name: &'a str,
        quoted: bool,
    },
    Sign(&'static str),
    End,
}

impl Token<'_> {
    /// The token for a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Text(text) => format!("the text {}", quoted(text)),
            Token::Number(number) => format!("the number `{number}`"),
            Token::Name { name, .. } => quoted(name),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }

    /// Whether this is the keyword, which is given in lower case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Name { name, quoted: false } if name.eq_ignore_ascii_case(keyword))
    }
}

/// Two characters before one.
const SIGNS: &[&str] = &["<>", "<=", ">=", "!=", "(", ")", ",", "=", "<", ">", "+", "-", "*", "/", "%", "^"];

/// Gives one token after another; nothing is held of those that were given.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Bytes read.
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The number, from 1, of the character at a byte.
    pub(super) fn character(&self, byte: usize) -> usize {
        self.text[..byte].chars().count() + 1
    }

    /// The next token and the byte where it begins; [`Token::End`] again and again at the end.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, usize), Wrong> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        self.at = start;
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            '\'' => self.text_literal(rest),
            '"' => self.quoted_name(rest),
            '0'..='9' | '.' => self.number(rest),
            c if begins_name(c) => Ok(self.name(rest)),
            _ => self.sign(rest, first),
        };
        token.map(|token| (token, start)).map_err(|wrong| wrong.at(self.character(start)))
    }

    fn text_literal(&mut self, rest: &'a str) -> Result<Token<'a>, Wrong> {
        let end = closing(rest).ok_or_else(|| {
            Wrong::new("a text without its closing quote", "`'` at its end, `''` or `\\'` for a quote inside it")
        })?;
        self.at += end + 1;
        let inside = &rest[1..end];
        if inside.len() > 2 * TEXT_BYTES_MAX {
            return Err(Wrong::new("a text that is too long", format!("at most {TEXT_BYTES_MAX} bytes")));
        }
        Ok(Token::Text(unescaped(inside)))
    }

    fn quoted_name(&mut self, rest: &'a str) -> Result<Token<'a>, Wrong> {
        let end = rest[1..].find('"').map(|end| end + 1);
        let end = end.ok_or_else(|| Wrong::new("a name without its closing quote", "`\"` at its end"))?;
        self.at += end + 1;
        Ok(Token::Name { name: &rest[1..end], quoted: true })
    }

    fn name(&mut self, rest: &'a str) -> Token<'a> {
        let end = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
        self.at += end;
        Token::Name { name: &rest[..end], quoted: false }
    }

    fn number(&mut self, rest: &'a str) -> Result<Token<'a>, Wrong> {
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end += 1 + digits(end + 1);
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits((end + 1 + sign).min(bytes.len()));
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        self.at += end;
        match rest[..end].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Number(number)),
            Ok(_) => Err(Wrong::new(format!("{}, which is too large", quoted(&rest[..end])), "numbers up to 1.7e308")),
            Err(_) => Err(Wrong::new(format!("{}, which is no number", quoted(&rest[..end])), "numbers such as `0.5`")),
        }
    }

    fn sign(&mut self, rest: &'a str, first: char) -> Result<Token<'a>, Wrong> {
        let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
            let given = format!("the character {}", quoted(first.encode_utf8(&mut [0; 4])));
            return Err(Wrong::new(given, "CQL2 text; names with such characters stand in double quotes"));
        };
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }
}

/// The byte of the quote that ends the text which begins here.
fn closing(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'\'', b'\\', &bytes[at..])?;
        match (bytes[at], bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) | (b'\\', Some(b'\'' | b'\\')) => at += 2,
            (b'\'', _) => return Some(at),
            _ => at += 1,
        }
    }
}

/// `''` and `\'` are a quote, `\\` is a backslash, `\n` and its kind are control characters. A backslash before anything
/// else stays: it belongs to the pattern of a `LIKE`.
fn unescaped(inside: &str) -> Cow<'_, str> {
    if !inside.contains(['\'', '\\']) {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars().peekable();
    while let Some(c) = characters.next() {
        let escaped = match (c, characters.peek()) {
            ('\'' | '\\', Some('\'')) => '\'',
            ('\\', Some('\\')) => '\\',
            ('\\', Some('a')) => '\u{7}',
            ('\\', Some('b')) => '\u{8}',
            ('\\', Some('t')) => '\t',
            ('\\', Some('n')) => '\n',
            ('\\', Some('v')) => '\u{b}',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some('r')) => '\r',
            _ => {
                text.push(c);
                continue;
            }
        };
        characters.next();
        text.push(escaped);
    }
    Cow::Owned(text)
}

fn begins_name(c: char) -> bool {
    c == ':' || c == '_' || c.is_alphabetic()
}

fn continues_name(c: char) -> bool {
    // Combining marks and the two ties of annex B are no letters by themselves.
    begins_name(c) || c == '.' || c.is_ascii_digit() || matches!(c, '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
