//! XML as catalogues send it, within bounds: a pull reader, and the tree of one element at a time.
//!
//! There is no document type and no entity but the five that XML defines: a `DOCTYPE` is refused before anything in it
//! is looked at, so nothing can be expanded and nothing can be fetched. Names are resolved to namespaces; prefixes mean
//! nothing. What is not well-formed is refused as a whole. An element that is only too large, too wide or too deep is
//! read past, so that one monstrous record costs itself and not its page.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// Elements inside one another. Records of ISO 19139 nest about twenty deep.
const DEPTH_MAX: usize = 64;
/// Elements of one tree. A long record of ISO 19139 has some five thousand.
const ELEMENTS_MAX: usize = 50_000;
/// Elements of one document: a page of a hundred long records, four times over.
const DOCUMENT_ELEMENTS_MAX: usize = 2_000_000;
/// Namespace declarations in force at one place: each name is looked for among them.
const NAMESPACES_MAX: usize = 64;
/// Bytes of the text of one element. Abstracts and lineages are long, books are not expected.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Bytes of one attribute: addresses, codes and schema locations.
const ATTRIBUTE_BYTES_MAX: usize = 16 << 10;
/// Attributes of one element, namespace declarations included; the root of a GeoNetwork answer has about thirty.
const ATTRIBUTES_MAX: usize = 128;
/// Characters of a name or word that an error quotes.
const QUOTE_MAX: usize = 40;

/// The namespaces that are read; versions of one vocabulary count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ns {
    /// Catalogue Service 2.0.2.
    Csw,
    Ows,
    /// ISO 19139: metadata, basic types, extensions, imagery, services.
    Iso,
    /// 3.1 and 3.2.
    Gml,
    Other,
}

impl Ns {
    fn of(resolved: &ResolveResult<'_>) -> Self {
        let ResolveResult::Bound(Namespace(name)) = resolved else { return Self::Other };
        match *name {
            "http://www.opengis.net/cat/csw/2.0.2" => Self::Csw,
            "http://www.opengis.net/ows" | "http://www.opengis.net/ows/1.1" | "http://www.opengis.net/ows/2.0" => {
                Self::Ows
            }
            "http://www.isotc211.org/2005/gmd"
            | "http://www.isotc211.org/2005/gco"
            | "http://www.isotc211.org/2005/gmx"
            | "http://www.isotc211.org/2005/gmi"
            | "http://www.isotc211.org/2005/srv" => Self::Iso,
            "http://www.opengis.net/gml" | "http://www.opengis.net/gml/3.2" => Self::Gml,
            _ => Self::Other,
        }
    }
}

/// Why a document is not read. Completes the sentence "the answer is …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    #[error("in the encoding `{0}`; only UTF-8 is read")]
    Encoding(String),
    #[error("XML with a document type declaration, which is never read")]
    DocType,
    #[error("XML with the entity `&{0};`, which is not one of XML's own")]
    Entity(String),
    #[error("XML that ends inside an element")]
    Unclosed,
    #[error("not well-formed XML at byte {at}: {why}")]
    Malformed { at: u64, why: String },
    #[error("XML beyond a bound: {0}")]
    Over(Over),
}

/// Which bound an element is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    #[error("nested deeper than {DEPTH_MAX}")]
    Depth,
    #[error("more than {ELEMENTS_MAX} elements")]
    Elements,
    #[error("more than {DOCUMENT_ELEMENTS_MAX} elements in all")]
    Document,
    #[error("a text of more than {TEXT_BYTES_MAX} bytes")]
    Text,
    #[error("an attribute of more than {ATTRIBUTE_BYTES_MAX} bytes, or more than {ATTRIBUTES_MAX} of them")]
    Attributes,
}

/// One element with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub ns: Ns,
    /// Without prefix.
    pub name: Box<str>,
    /// Local names; declarations of namespaces are not among them.
    attributes: Vec<(Box<str>, Box<str>)>,
    /// All text directly inside, with entities resolved.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The value of an attribute by its local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
    }

    /// The children of a name, in any namespace that is read.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.ns != Ns::Other && *child.name == *name)
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.ns != Ns::Other && *child.name == *name)
    }

    /// Every element that a path of names leads to, in the order of the document; `*` stands for any name.
    pub fn at(&self, path: &[&str]) -> Vec<&Element> {
        path.iter().fold(vec![self], |found, &step| {
            let below = found.into_iter().flat_map(|element| &element.children);
            below.filter(|child| child.ns != Ns::Other && (step == "*" || *child.name == *step)).collect()
        })
    }
}

/// What a step of the reader came upon.
#[derive(Debug)]
pub enum Step {
    /// An element begins. It is entered unless [`Reader::tree`] reads it.
    Start(Box<Element>),
    /// The element that was entered last ends.
    End,
    /// The document is over.
    Over,
}

/// Reads one document from its beginning to its end.
pub struct Reader<'a> {
    xml: NsReader<&'a [u8]>,
    depth: usize,
    /// Seen so far.
    elements: usize,
    /// The element that [`Step::Start`] told last has its end already: `<a/>`.
    empty: bool,
}

/// What the parser says, without what is not looked at.
enum Token {
    Start(Box<Element>, Option<Over>, bool),
    End,
    Text(String),
    Over,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let text = std::str::from_utf8(bytes).map_err(|error| Wrong::NotUtf8(error.valid_up_to()))?;
        let mut xml = NsReader::from_str(text);
        // End tags are checked by default; that a tag may not be closed by another one's end is what keeps depth true.
        xml.config_mut().check_end_names = true;
        xml.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
        Ok(Self { xml, depth: 0, elements: 0, empty: false })
    }

    /// The next beginning or end of an element; text between is passed over.
    ///
    /// # Errors
    /// Why the document is not read any further.
    pub fn step(&mut self) -> Result<Step, Wrong> {
        if std::mem::take(&mut self.empty) {
            return Ok(Step::End);
        }
        loop {
            match self.token()? {
                Token::Text(_) => {}
                Token::End => {
                    self.depth -= 1;
                    return Ok(Step::End);
                }
                Token::Over => return Ok(Step::Over),
                Token::Start(_, Some(over), _) => return Err(Wrong::Over(over)),
                Token::Start(element, None, empty) => {
                    self.empty = empty;
                    if !empty {
                        self.deeper()?;
                    }
                    return Ok(Step::Start(element));
                }
            }
        }
    }

    /// Reads the element that [`Step::Start`] just told to its end. The inner error means that it is over a bound, and
    /// that it was read past.
    ///
    /// # Errors
    /// Why the document is not read any further.
    pub fn tree(&mut self, start: Element) -> Result<Result<Element, Over>, Wrong> {
        if std::mem::take(&mut self.empty) {
            return Ok(Ok(start));
        }
        let mut open = vec![start];
        // Levels inside an element that is left out for its depth.
        let (mut elements, mut beyond, mut over) = (1, 0_usize, None);
        loop {
            match self.token()? {
                Token::Over => return Err(Wrong::Unclosed),
                Token::Text(text) if over.is_none() => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text);
                        over = (element.text.len() > TEXT_BYTES_MAX).then_some(Over::Text);
                    }
                }
                Token::Text(_) => {}
                Token::Start(element, too_much, empty) => {
                    elements += 1;
                    over = over.or(too_much).or((elements > ELEMENTS_MAX).then_some(Over::Elements));
                    over = over.or((self.depth + open.len() >= DEPTH_MAX).then_some(Over::Depth));
                    match (over, empty) {
                        (Some(_), true) => {}
                        (Some(_), false) => beyond += 1,
                        (None, true) => attach(&mut open, *element),
                        (None, false) => open.push(*element),
                    }
                }
                Token::End if beyond > 0 => beyond -= 1,
                Token::End => {
                    let Some(element) = open.pop() else { return Err(Wrong::Unclosed) };
                    if open.is_empty() {
                        self.depth -= 1;
                        return Ok(over.map_or(Ok(element), Err));
                    }
                    attach(&mut open, element);
                }
            }
        }
    }

    fn deeper(&mut self) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Wrong::Over(Over::Depth)) } else { Ok(()) }
    }

    fn token(&mut self) -> Result<Token, Wrong> {
        loop {
            let at = self.xml.buffer_position();
            let malformed = |why: String| Wrong::Malformed { at, why };
            let (resolved, event) =
                self.xml.read_resolved_event().map_err(|error| malformed(shortened(&error.to_string())))?;
            let ns = Ns::of(&resolved);
            let (start, empty) = match event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => return Ok(Token::End),
                Event::Text(text) => return Ok(Token::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Token::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(name) => return reference(&name).map(|c| Token::Text(c.to_string())),
                Event::DocType(_) => return Err(Wrong::DocType),
                Event::Decl(declared) => match declared.encoding() {
                    Some(Ok(name)) if !is_utf8(&name) => return Err(Wrong::Encoding(shortened(&name))),
                    Some(Err(error)) => return Err(malformed(shortened(&error.to_string()))),
                    _ => continue,
                },
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Eof if self.depth > 0 || self.elements == 0 => return Err(Wrong::Unclosed),
                Event::Eof => return Ok(Token::Over),
            };
            if self.elements > 0 && self.depth == 0 {
                return Err(malformed("a second root".to_owned()));
            }
            self.elements += 1;
            if self.elements > DOCUMENT_ELEMENTS_MAX {
                return Err(Wrong::Over(Over::Document));
            }
            let (element, over) = element(ns, &start).map_err(malformed)?;
            return Ok(Token::Start(Box::new(element), over, empty));
        }
    }
}

fn attach(open: &mut [Element], element: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(element);
    }
}

/// An element without what is below it, and the bound that its attributes are over.
fn element(ns: Ns, start: &BytesStart<'_>) -> Result<(Element, Option<Over>), String> {
    let name = start.local_name().into_inner().into();
    let mut made = Element { ns, name, attributes: Vec::new(), text: String::new(), children: Vec::new() };
    // Whether one comes twice is not checked: that costs the square of their number, and the first one counts.
    for (count, attribute) in start.attributes().with_checks(false).enumerate() {
        let attribute = attribute.map_err(|error| shortened(&error.to_string()))?;
        if count >= ATTRIBUTES_MAX || attribute.value.len() > ATTRIBUTE_BYTES_MAX {
            return Ok((made, Some(Over::Attributes)));
        }
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|error| shortened(&error.to_string()))?;
        made.attributes.push((attribute.key.local_name().into_inner().into(), value.into()));
    }
    Ok((made, None))
}

/// The character of `&lt;` and its four companions, and of `&#169;`.
fn reference(name: &quick_xml::events::BytesRef<'_>) -> Result<char, Wrong> {
    let word = name.xml10_content();
    let unknown = || Wrong::Entity(shortened(&word));
    match name.resolve_char_ref() {
        Ok(Some(c)) => return Ok(c),
        Ok(None) => {}
        Err(_no_character) => return Err(unknown()),
    }
    match &*word {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(unknown()),
    }
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(3 * QUOTE_MAX).collect()
}

#[cfg(test)]
mod tests;
