//! The answer to `get_service`: `results / SERVICE_ENDPOINT / {SITENAME, ENDPOINTS / ENDPOINT / {NAME, URL}}`.
//!
//! A document type is refused as a whole, and of entities only the five of XML and numbers are read: a registry's answer
//! needs neither, and what others declare there can be made to grow without end.

use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use crate::federation::registry::Endpoint;

/// Name that a site gives to the endpoint which is a STAC catalogue; case does not matter.
const NAME: &str = "STAC";
/// Deepest element: the format needs five.
const DEPTH_MAX: usize = 64;
/// Most endpoints that are taken: several times what a federation holds.
const ENDPOINTS_MAX: usize = 1024;
/// Longest text that is read of one element, in bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// All endpoints named `STAC`, in the order of the document.
///
/// # Errors
/// Why this is not the answer of the registry, as a clause for admins.
pub(super) fn endpoints(document: &[u8]) -> Result<Vec<Endpoint>, String> {
    let text = std::str::from_utf8(document).map_err(|_invalid| "the answer is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    let mut reading = Reading::default();
    loop {
        match reader.read_event().map_err(|error| format!("the answer is not XML: {error}"))? {
            Event::Start(tag) => reading.open(tag.name().as_ref())?,
            Event::Empty(tag) => {
                reading.open(tag.name().as_ref())?;
                reading.close()?;
            }
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.add(&text.xml10_content())?,
            Event::CData(text) => reading.add(&text.xml10_content())?,
            Event::GeneralRef(entity) => reading.add(&resolved(&entity)?)?,
            Event::DocType(_) => return Err("the answer has a document type, which is refused".into()),
            Event::Eof if reading.began && reading.path.is_empty() => return Ok(reading.found),
            Event::Eof => return Err("the answer ends too early".into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = entity.resolve_char_ref().map_err(|error| format!("the answer is not XML: {error}"))? {
        return Ok(c.to_string());
    }
    let text = match &**entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err("the answer has an entity of its own, which is refused".into()),
    };
    Ok(text.to_owned())
}

/// Where the reader is, and what it has of the service and the endpoint it is in.
#[derive(Default)]
struct Reading {
    began: bool,
    path: Vec<String>,
    text: String,
    site: String,
    /// Names and addresses of the service's endpoints; the site's name may come after them.
    endpoints: Vec<(String, String)>,
    name: String,
    url: String,
    found: Vec<Endpoint>,
}

impl Reading {
    fn open(&mut self, name: &str) -> Result<(), String> {
        if self.path.is_empty() && (self.began || name != "results") {
            return Err("the answer is not a list of `results`".into());
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("the answer is nested deeper than {DEPTH_MAX} elements"));
        }
        self.began = true;
        self.path.push(name.to_owned());
        self.text.clear();
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            // Long texts stand in fields of no interest, such as descriptions and certificates.
            return if self.is_wanted() {
                Err(format!("a name or address is longer than {TEXT_BYTES_MAX} bytes"))
            } else {
                Ok(())
            };
        }
        self.text.push_str(text);
        Ok(())
    }

    fn place(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    fn is_wanted(&self) -> bool {
        matches!(
            self.place()[..],
            ["results", "SERVICE_ENDPOINT", "SITENAME"]
                | ["results", "SERVICE_ENDPOINT", "ENDPOINTS", "ENDPOINT", "NAME" | "URL"]
        )
    }

    fn close(&mut self) -> Result<(), String> {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        match self.place()[..] {
            ["results", "SERVICE_ENDPOINT", "SITENAME"] => self.site = text,
            ["results", "SERVICE_ENDPOINT", "ENDPOINTS", "ENDPOINT", "NAME"] => self.name = text,
            ["results", "SERVICE_ENDPOINT", "ENDPOINTS", "ENDPOINT", "URL"] => self.url = text,
            ["results", "SERVICE_ENDPOINT", "ENDPOINTS", "ENDPOINT"] => {
                let endpoint = (std::mem::take(&mut self.name), std::mem::take(&mut self.url));
                self.endpoints.push(endpoint);
            }
            ["results", "SERVICE_ENDPOINT"] => self.take_service()?,
            _ => {}
        }
        self.path.pop();
        Ok(())
    }

    fn take_service(&mut self) -> Result<(), String> {
        let site = std::mem::take(&mut self.site);
        for (name, url) in std::mem::take(&mut self.endpoints) {
            if !name.eq_ignore_ascii_case(NAME) || url.is_empty() || site.is_empty() {
                continue;
            }
            if self.found.len() >= ENDPOINTS_MAX {
                return Err(format!("there are more than {ENDPOINTS_MAX} endpoints named `{NAME}`"));
            }
            self.found.push(Endpoint { site: site.clone(), url });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(site: &str, endpoints: &str) -> String {
        format!(
            "<SERVICE_ENDPOINT PRIMARY_KEY=\"1G0\">{endpoints}<SITENAME>{site}</SITENAME><URL>https://other.example</URL></SERVICE_ENDPOINT>"
        )
    }

    fn named(name: &str, url: &str) -> String {
        format!(
            "<ENDPOINTS><ENDPOINT><ID>1</ID><NAME>{name}</NAME><URL>{url}</URL><EXTENSIONS/></ENDPOINT></ENDPOINTS>"
        )
    }

    fn of(inside: &str) -> Result<Vec<Endpoint>, String> {
        endpoints(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<results>{inside}</results>\n").as_bytes())
    }

    #[test]
    fn endpoints_named_stac_are_found_in_any_case_and_order() {
        let inside = service("EODC", &named("stac", " https://a.example/v1?x=1&amp;y=&#50; "))
            + &service("GRNET", &named("openstack", "https://nova.example"))
            + &service("VITO", &named("STAC", "<![CDATA[https://b.example]]>"))
            + &service("NOURL", &named("STAC", ""))
            + &service("", &named("STAC", "https://nobody.example"))
            + &service("NONE", "<ENDPOINTS/>");
        let found = of(&inside).unwrap();
        let plain: Vec<_> = found.iter().map(|found| (found.site.as_str(), found.url.as_str())).collect();
        assert_eq!(plain, [("EODC", "https://a.example/v1?x=1&y=2"), ("VITO", "https://b.example")]);
        assert_eq!(of("").unwrap(), []);
        assert_eq!(endpoints(b"<results/>").unwrap(), []);
    }

    #[test]
    fn what_is_not_the_registry_s_answer_is_no_empty_list() {
        let bomb = "<!DOCTYPE results [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><results>&b;</results>";
        let deep = format!("<results>{}", "<a>".repeat(100));
        let long = format!("<results>{}</results>", service(&"x".repeat(5000), ""));
        for (document, reason) in [
            (bomb, "document type"),
            ("<results>&b;</results>", "an entity of its own"),
            (deep.as_str(), "nested deeper"),
            (long.as_str(), "longer than"),
            ("<html><body>Maintenance</body></html>", "not a list of `results`"),
            ("<results/><results/>", "not a list of `results`"),
            ("<results><SERVICE_ENDPOINT>", "ends too early"),
            ("<results></wrong>", "not XML"),
            ("", "ends too early"),
            ("\u{feff}", "ends too early"),
        ] {
            let told = endpoints(document.as_bytes()).expect_err(document);
            assert!(told.contains(reason), "{document}: {told}");
        }
        assert!(endpoints(&[0xff, 0xfe, 0x00]).is_err());
        let many: String =
            (0..=ENDPOINTS_MAX).map(|n| service(&format!("S{n}"), &named("STAC", "https://a.example"))).collect();
        assert!(of(&many).unwrap_err().contains("more than"));
    }

    #[test]
    fn long_texts_of_no_interest_are_passed_over() {
        let inside = format!(
            "<SERVICE_ENDPOINT><HOSTDN>{}</HOSTDN><SITENAME>A</SITENAME>{}</SERVICE_ENDPOINT>",
            "x".repeat(9000),
            named("STAC", "https://a.example")
        );
        assert_eq!(of(&inside).unwrap().len(), 1);
    }

    #[test]
    fn a_document_cut_anywhere_is_no_answer() {
        let whole = format!("<results>{}</results>", service("EODC", &named("STAC", "https://a.example")));
        for end in 0..whole.len() {
            assert!(endpoints(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
        }
        assert_eq!(endpoints(whole.as_bytes()).unwrap().len(), 1);
    }
}
