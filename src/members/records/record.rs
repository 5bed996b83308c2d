//! One metadata record, whatever standard it was written in: the facts that STAC has a place for, and no others.

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::places::Place;
use crate::federation::Interval;

/// Entries kept of each list of a record. Real ones have a few dozen; STAC readers meet no more than 2,000 links.
pub const ENTRIES_MAX: usize = 500;
/// Characters kept of a text in one line: titles, keywords, names.
const LINE_CHARS_MAX: usize = 2_000;

/// A metadata record. What is `None` or empty was not said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Identifier of the record in its catalogue; never empty.
    pub id: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub keywords: Vec<String>,
    /// Of the record, not of what it describes.
    pub created: Option<DateTime<Utc>>,
    pub updated: Option<DateTime<Utc>>,
    pub places: Vec<Place>,
    /// A GeoJSON geometry, where the record has one that is more than its boxes.
    pub geometry: Option<Value>,
    /// Closed where both ends are known; an open end is one that the record leaves open.
    pub times: Vec<Interval>,
    pub terms: Vec<Terms>,
    pub resources: Vec<Resource>,
    pub parties: Vec<Party>,
    pub formats: Vec<Format>,
    /// Identifiers of what is described, as its publisher gives them: DOIs and the like.
    pub identifiers: Vec<String>,
    /// Identifier of the record that this one is part of.
    pub parent: Option<String>,
    /// The record's own address, and its media type.
    pub href: Option<(Url, &'static str)>,
    /// The address of the parent's record.
    pub parent_href: Option<Url>,
}

/// A licence or a limitation of use: words, an address, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub text: Option<String>,
    pub href: Option<Url>,
}

/// Something online that the record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub href: Url,
    /// As the record writes it, for example `OGC:WMS-1.3.0-http-get-map`.
    pub protocol: Option<String>,
    /// ISO: of the layer or file; Records: none.
    pub name: Option<String>,
    pub title: Option<String>,
    pub media: Option<String>,
    pub role: Role,
}

/// What a resource is for, as far as the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Nothing was said but perhaps a protocol.
    Unsaid,
    Download,
    Preview,
    /// A relation of IANA's or OGC's list, passed on.
    Relation(String),
}

/// An organisation or a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    pub name: String,
    pub url: Option<Url>,
    /// Codes of ISO 19115 (`CI_RoleCode`) or roles of OGC API - Records.
    pub roles: Vec<String>,
}

/// A format in which the data is given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pub name: Option<String>,
    pub media: Option<String>,
}

/// A text in one line: white space put together, control characters gone, cut where no reader would follow. `None` when
/// nothing is left.
pub fn line(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(LINE_CHARS_MAX).collect();
    (!line.is_empty()).then_some(line)
}

/// A text with its paragraphs: only white space around it and control characters go.
pub fn paragraphs(text: &str) -> Option<String> {
    let kept: String = text.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    (!kept.is_empty()).then_some(kept)
}

/// Adds a value to a list that keeps each once, up to a bound.
pub fn keep<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if list.len() < ENTRIES_MAX && !list.contains(&value) {
        list.push(value);
    }
}

/// An address that clients may be sent to. Everything that runs a script or carries its own content is none; nor is one
/// without a scheme, since nothing says what it would be relative to.
pub fn address(text: &str) -> Option<Url> {
    const SCHEMES: [&str; 9] = ["http", "https", "ftp", "ftps", "sftp", "s3", "gs", "az", "abfs"];
    let url = Url::parse(text.trim()).ok()?;
    SCHEMES.contains(&url.scheme()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_lines_and_paragraphs_stay() {
        assert_eq!(line("  Sea \n\t surface\u{0}x ").as_deref(), Some("Sea surface x"));
        assert_eq!(line(" \n ").as_deref(), None);
        assert_eq!(paragraphs("\n a\n\nb\u{7}\r\n ").as_deref(), Some("a\n\nb"));
        assert_eq!(line(&"é".repeat(5_000)).map(|line| line.chars().count()), Some(LINE_CHARS_MAX));
    }

    #[test]
    fn addresses_that_act_are_none() {
        for bad in [
            "javascript:alert(1)",
            " JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "www.x.example",
            "",
            "//x.example/a",
            "blob:https://x.example/1",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
        for good in ["https://x.example/a?b=c", "ftp://x.example/f.nc", "s3://bucket/key", " http://x.example "] {
            assert!(address(good).is_some(), "{good}");
        }
    }
}
