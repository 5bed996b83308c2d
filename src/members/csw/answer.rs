//! One answer to `GetRecords`: a page of records, or the exception report in its place.

use url::Url;

use super::iso;
use super::xml::{Element, Ns, Over, Reader, Step, Wrong};
use crate::members::records::{Notes, Record};

/// Characters of an exception's text that are kept.
const QUOTE_MAX: usize = 300;

/// One page of records.
#[derive(Debug, Default)]
pub struct Answer {
    /// `numberOfRecordsMatched`.
    pub matched: Option<u64>,
    /// `nextRecord`: 0 at the end; servers leave it out, too.
    pub next: Option<u64>,
    pub records: Vec<Record>,
    /// Elements that came as records, those left out included.
    pub received: u64,
    /// Which were left out, by identifier or place in the page, and why.
    pub left_out: Vec<(String, String)>,
    pub notes: Notes,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the answer is {0}")]
    Wrong(#[from] Wrong),
    /// `ows:ExceptionReport`: the catalogue says what it did not like.
    #[error("the catalogue reports `{code}`: {text}")]
    Exception { code: String, text: String },
    #[error("the answer is XML, but `{0}` and not a `GetRecordsResponse` of CSW 2.0.2")]
    Other(String),
}

/// Reads an answer. `base` is the configured address of the catalogue.
///
/// # Errors
/// Why there is no page.
pub fn read(bytes: &[u8], base: &Url) -> Result<Answer, Refused> {
    let mut reader = Reader::new(bytes)?;
    let Step::Start(root) = reader.step()? else { return Err(Refused::Other("nothing".to_owned())) };
    match (root.ns, &*root.name) {
        (Ns::Ows, "ExceptionReport") => {
            let report = reader.tree(*root)?.map_err(Wrong::Over)?;
            Err(exception(&report))
        }
        (Ns::Csw, "GetRecordsResponse") => page(&mut reader, base),
        _ => Err(Refused::Other(root.name.chars().take(40).collect())),
    }
}

fn exception(report: &Element) -> Refused {
    let first = report.child("Exception");
    let code = first.and_then(|exception| exception.attribute("exceptionCode")).unwrap_or("no code");
    let texts: Vec<&str> = report.at(&["Exception", "ExceptionText"]).iter().map(|text| text.text.trim()).collect();
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(QUOTE_MAX).collect();
    Refused::Exception { code: cut(code), text: cut(&texts.join(" ")) }
}

fn page(reader: &mut Reader<'_>, base: &Url) -> Result<Answer, Refused> {
    let mut answer = Answer::default();
    let mut inside = false;
    let mut results = false;
    loop {
        match reader.step()? {
            Step::Over if results => return Ok(answer),
            Step::Over => return Err(Refused::Other("a GetRecordsResponse without SearchResults".to_owned())),
            Step::End => inside = false,
            Step::Start(element) if inside => {
                answer.received += 1;
                let tree = reader.tree(*element)?;
                take(tree, base, &mut answer);
            }
            Step::Start(element) if element.ns == Ns::Csw && *element.name == *"SearchResults" => {
                let number = |name| element.attribute(name).and_then(|text| text.trim().parse().ok());
                answer.matched = number("numberOfRecordsMatched");
                answer.next = number("nextRecord");
                (inside, results) = (true, true);
            }
            // `SearchStatus`, `RequestId`: nothing of use.
            Step::Start(element) => drop(reader.tree(*element)?),
        }
    }
}

/// One element in the place of a record.
fn take(tree: Result<Element, Over>, base: &Url, answer: &mut Answer) {
    let place = format!("record {} of its page", answer.received);
    match tree {
        Err(over) => answer.left_out.push((place, format!("it is beyond a bound: {over}"))),
        Ok(element) if element.ns == Ns::Iso && matches!(&*element.name, "MD_Metadata" | "MI_Metadata") => {
            match iso::record(&element, base, &mut answer.notes) {
                Ok(record) => answer.records.push(record),
                Err(reason) => answer.left_out.push((iso::identifier(&element).unwrap_or(place), reason)),
            }
        }
        Ok(element) => {
            let name: String = element.name.chars().take(40).collect();
            answer.left_out.push((place, format!("it is `{name}`, not a record of ISO 19139")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?><csw:GetRecordsResponse
        xmlns:csw="http://www.opengis.net/cat/csw/2.0.2" xmlns:gmd="http://www.isotc211.org/2005/gmd"
        xmlns:gco="http://www.isotc211.org/2005/gco"><csw:SearchStatus timestamp="2024-01-01T00:00:00Z"/>"#;

    fn base() -> Url {
        Url::parse("https://c.example/csw").unwrap()
    }

    fn page_of(attributes: &str, records: &str) -> Result<Answer, Refused> {
        let text =
            format!("{HEAD}<csw:SearchResults {attributes}>{records}</csw:SearchResults></csw:GetRecordsResponse>");
        read(text.as_bytes(), &base())
    }

    fn record(id: &str) -> String {
        format!(
            "<gmd:MD_Metadata><gmd:fileIdentifier><gco:CharacterString>{id}</gco:CharacterString></gmd:fileIdentifier>\
             <gmd:identificationInfo><gmd:MD_DataIdentification/></gmd:identificationInfo></gmd:MD_Metadata>"
        )
    }

    #[test]
    fn a_page_says_how_it_goes_on() {
        let records = format!("{}{}", record("a"), record("b"));
        let page =
            page_of(r#"numberOfRecordsMatched="7" numberOfRecordsReturned="2" nextRecord="3""#, &records).unwrap();
        assert_eq!((page.matched, page.next, page.received), (Some(7), Some(3), 2));
        let ids: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        let empty = page_of(r#"numberOfRecordsMatched="0""#, "").unwrap();
        assert_eq!((empty.matched, empty.next, empty.received), (Some(0), None, 0));
    }

    #[test]
    fn one_bad_record_costs_itself() {
        let huge = format!("<gmd:MD_Metadata>{}</gmd:MD_Metadata>", "<gmd:x>".repeat(100) + &"</gmd:x>".repeat(100));
        let records = format!("{}{huge}<csw:Record/><gmd:MD_Metadata/>{}", record("a"), record("b"));
        let page = page_of("", &records).unwrap();
        assert_eq!((page.records.len(), page.received), (2, 5));
        let reasons: Vec<&str> = page.left_out.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(
            reasons,
            [
                "it is beyond a bound: nested deeper than 64",
                "it is `Record`, not a record of ISO 19139",
                "it has no file identifier"
            ]
        );
    }

    #[test]
    fn exceptions_are_told_with_code_and_text() {
        let report = r#"<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows" version="1.2.0">
            <ows:Exception exceptionCode="InvalidParameterValue" locator="typeNames">
            <ows:ExceptionText>no such type</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"#;
        let told = read(report.as_bytes(), &base()).unwrap_err();
        assert_eq!(told.to_string(), "the catalogue reports `InvalidParameterValue`: no such type");
    }

    #[test]
    fn other_documents_are_named() {
        for (text, told) in [
            ("<html/>", "the answer is XML, but `html` and not"),
            (r#"<Capabilities xmlns="http://www.opengis.net/cat/csw/2.0.2"/>"#, "`Capabilities`"),
            ("", "ends inside an element"),
            ("<!DOCTYPE html><html/>", "document type declaration"),
        ] {
            let said = read(text.as_bytes(), &base()).unwrap_err().to_string();
            assert!(said.contains(told), "{said}");
        }
        let cut = format!("{HEAD}<csw:SearchResults>{}", record("a"));
        assert_eq!(read(cut.as_bytes(), &base()).unwrap_err(), Refused::Wrong(Wrong::Unclosed));
        let bare = format!("{HEAD}</csw:GetRecordsResponse>");
        assert!(read(bare.as_bytes(), &base()).is_err());
    }
}
