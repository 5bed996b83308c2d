//! One document: what it is, what it leads to, and its bytes as they are kept.
//!
//! Nothing is repaired here. The only bytes that are added are a `self` link, where the document does not name the address it
//! was read from: that is where its relative hrefs start, whoever reads them later.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::Link;
use super::address::Base;
use crate::members::item::Item;
use crate::members::scan::{Broken, Kind, Scanner};

/// A document of the catalogue.
#[derive(Debug)]
pub enum Content {
    Catalog(Box<Named>),
    Collection { id: Box<str>, bytes: Bytes },
    Item(Box<Item>),
}

/// What a Catalog says of itself.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Empty: it says none.
    pub id: Box<str>,
    pub title: Option<Box<str>>,
    pub description: Option<Box<str>>,
}

/// What a document is by the members that decide it.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    title: Option<&'a RawValue>,
    #[serde(borrow, default)]
    description: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawLink {
    rel: String,
    href: String,
}

/// Reads a document that came from `url`.
///
/// # Errors
/// Why it is neither a Catalog nor a Collection nor an Item.
pub fn read(bytes: &[u8], url: &Url, base: &Base) -> Result<(Content, Box<[Link]>), String> {
    std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let links = links(head.links);
    let placed = || with_self(bytes, &links, url, base).map_err(|broken| broken.to_string());
    let kind = head.kind.and_then(text);
    let id = head.id.and_then(text).filter(|id| !id.is_empty()).map(String::into_boxed_str);
    match kind.as_deref() {
        Some("Feature") => {
            let item = Item::new(placed()?).map_err(|reason| reason.to_string())?;
            Ok((Content::Item(Box::new(item)), Box::default()))
        }
        // before 1.0 the type was not written
        Some("Collection") | None if kind.is_some() || head.extent.is_some() => {
            let id = id.ok_or("no `id`, or one that is not text")?;
            Ok((Content::Collection { id, bytes: placed()?.into() }, followed(links)))
        }
        Some("Catalog") | None if kind.is_some() || head.links.is_some() => {
            let said = |raw: Option<&RawValue>| raw.and_then(text).filter(|text| !text.is_empty());
            let (title, description) = (said(head.title), said(head.description));
            let (title, description) = (title.map(Into::into), description.map(Into::into));
            Ok((Content::Catalog(Box::new(Named { id: id.unwrap_or_default(), title, description })), followed(links)))
        }
        Some(other) => Err(format!("a `{}`, neither Catalog nor Collection nor Item", short(other))),
        None => Err("neither Catalog nor Collection nor Item".to_owned()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn links(raw: Option<&RawValue>) -> Vec<RawLink> {
    let list: Vec<&RawValue> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    list.into_iter().filter_map(|link| serde_json::from_str(link.get()).ok()).collect()
}

/// The links that lead on through the catalogue.
fn followed(links: Vec<RawLink>) -> Box<[Link]> {
    let follow = |link: RawLink| match link.rel.trim() {
        "child" => Some(Link { href: link.href.into(), item: false }),
        "item" => Some(Link { href: link.href.into(), item: true }),
        _ => None,
    };
    links.into_iter().filter_map(follow).collect()
}

/// The document with a `self` link to where it came from before its others, unless its own says so already.
fn with_self(bytes: &[u8], links: &[RawLink], url: &Url, base: &Base) -> Result<Vec<u8>, Broken> {
    let own = links.iter().find(|link| link.rel.trim() == "self");
    let absolute = own.and_then(|link| Url::parse(&link.href).ok());
    if absolute.is_some_and(|own| base.resolve(&own, "").is_ok_and(|own| own == *url)) {
        return Ok(bytes.to_vec());
    }
    let link = serde_json::json!({ "rel": "self", "href": url.as_str(), "type": "application/json" }).to_string();
    let (at, text) = match place_of_links(bytes)? {
        Place::Inside(at) => (at, format!("{link},")),
        Place::Empty(at) => (at, link),
        Place::Absent(at) => (at, format!("\"links\":[{link}],")),
        Place::None => return Ok(bytes.to_vec()),
    };
    let mut placed = Vec::with_capacity(bytes.len() + text.len());
    placed.extend_from_slice(&bytes[..at]);
    placed.extend_from_slice(text.as_bytes());
    placed.extend_from_slice(&bytes[at..]);
    Ok(placed)
}

/// Where a link can be put.
enum Place {
    /// Before the first link.
    Inside(usize),
    /// Between the brackets.
    Empty(usize),
    /// Before the first member of the document, which is there.
    Absent(usize),
    /// `links` is no list.
    None,
}

fn place_of_links(bytes: &[u8]) -> Result<Place, Broken> {
    let mut scanner = Scanner::new(bytes);
    if scanner.kind()? != Kind::Object {
        return Ok(Place::None);
    }
    let first = scanner.at() + 1;
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        if &*key.name() != b"links" {
            scanner.pass()?;
            continue;
        }
        if scanner.kind()? != Kind::Array {
            return Ok(Place::None);
        }
        let inside = scanner.at() + 1;
        let mut walk = scanner.enter();
        return Ok(if scanner.element(&mut walk)? { Place::Inside(inside) } else { Place::Empty(inside) });
    }
    Ok(Place::Absent(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        let mut member = crate::members::harvest::for_tests("S");
        member.url = Url::parse("https://a.example/cat/catalog.json").unwrap();
        Base::of(&member)
    }

    fn read_at(text: &str) -> Result<(Content, Box<[Link]>), String> {
        read(text.as_bytes(), &Url::parse("https://a.example/cat/p/x.json").unwrap(), &base())
    }

    fn bytes(text: &str) -> String {
        match read_at(text).unwrap().0 {
            Content::Collection { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
            Content::Item(item) => String::from_utf8(item.bytes.to_vec()).unwrap(),
            Content::Catalog(_) => panic!("a Catalog"),
        }
    }

    #[test]
    fn a_document_names_where_it_was_read() {
        let own = r#"{"href":"https://a.example/cat/p/x.json","rel":"self","type":"application/json"}"#;
        let normal = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let first = |text: &str| normal(text)["links"][0].clone();
        for links in [
            r"[ ]",
            r#"[{"rel":"child","href":"y"}]"#,
            r#"[{"rel":"self","href":"./x.json"}]"#,
            r#"[{"rel":"self","href":"https://b.example/x.json"}]"#,
        ] {
            let text = format!(r#"{{"type":"Feature","id":"a","geometry":null,"properties":{{}},"links":{links}}}"#);
            assert_eq!(first(&bytes(&text)), normal(own), "{links}");
        }
        let absent = r#"{ "type":"Collection","id":"c","n":123456789012345678901234567890}"#;
        assert_eq!(first(&bytes(absent)), normal(own));
        assert!(bytes(absent).contains("123456789012345678901234567890"));
        let said = r#"{"type":"Collection","id":"c","links":[{"rel":"self","href":"https://a.example/cat/p/x.json"}]}"#;
        assert_eq!(bytes(said), said);
    }

    #[test]
    fn what_it_is_is_told_by_its_type_or_of_old_ones_by_what_they_have() {
        assert!(matches!(read_at(r#"{"type":"Catalog","links":[]}"#).unwrap().0, Content::Catalog(_)));
        assert!(matches!(read_at(r#"{"id":"a","links":[]}"#).unwrap().0, Content::Catalog(_)));
        assert!(matches!(read_at(r#"{"id":"a","extent":{},"links":[]}"#).unwrap().0, Content::Collection { .. }));
        for (text, why) in [
            (r#"{"type":"FeatureCollection","features":[]}"#, "a `FeatureCollection`"),
            (r#"{"type":"Collection"}"#, "no `id`"),
            (r#"{"type":"Feature","id":"a","geometry":7}"#, "geometry"),
            (r#"{"type":"Feature","id":"a","geometry":null,"properties":{"x":NaN}}"#, "not JSON"),
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"["Catalog","a",[],{}]"#, "not a JSON object"),
            ("{}", "neither"),
        ] {
            let refused = read_at(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn links_that_lead_on_are_kept_and_faulty_ones_are_not() {
        let text = r#"{"type":"Catalog","links":[{"rel":"child","href":"a"},7,{"rel":"item","href":"b","title":null},{"rel":"self","href":"c"},
            {"rel":"child"},{"rel":"item","href":5}]}"#;
        let expected = [Link { href: "a".into(), item: false }, Link { href: "b".into(), item: true }];
        assert_eq!(*read_at(text).unwrap().1, expected);
        assert!(read_at(r#"{"type":"Catalog","links":{"rel":"child"}}"#).unwrap().1.is_empty());
    }
}
