//! ISO 19139 -> [`Record`]: the parts of `gmd:MD_Metadata` that STAC has a place for.

use url::Url;

use super::request;
use super::xml::{Element, Ns};
use crate::federation::Interval;
use crate::members::records::moments;
use crate::members::records::places::Place;
use crate::members::records::record::{
    ENTRIES_MAX, Format, Party, Resource, Role, Terms, address, keep, line, paragraphs,
};
use crate::members::records::{Note, Notes, Record};

const XML: &str = "application/xml";

/// The identifier of a record, where it has one.
pub fn identifier(root: &Element) -> Option<String> {
    line(&words(root.child("fileIdentifier")?, None)?)
}

/// Reads one record. `base` is the configured address of the catalogue.
///
/// # Errors
/// Why it is left out, as a clause for people.
pub fn record(root: &Element, base: &Url, notes: &mut Notes) -> Result<Record, String> {
    let id = identifier(root).ok_or("it has no file identifier")?;
    if let Some(reason) = no_dataset(root) {
        notes.add(Note::NotADataset, &id);
        return Err(reason);
    }
    let found = root.at(&["identificationInfo", "*"]).into_iter().find(|part| part.name.contains("DataIdentification"));
    let about = found.ok_or("it identifies no data")?;
    let iso = Iso { root, about, locale: default_locale(root) };
    let text = |path: &[&str]| iso.texts(about, path).into_iter().next();
    let mut record = Record {
        title: text(&["citation", "CI_Citation", "title"]).and_then(|text| line(&text)),
        description: text(&["abstract"]).and_then(|text| paragraphs(&text)),
        updated: root.at(&["dateStamp", "*"]).first().and_then(|stamp| moments::first(&stamp.text)),
        parent: iso.texts(root, &["parentIdentifier"]).first().and_then(|text| line(text)),
        href: Some((request::record(base, &id), XML)),
        id,
        ..Record::default()
    };
    record.parent_href = record.parent.as_deref().map(|parent| request::record(base, parent));
    for word in iso.texts(about, &["descriptiveKeywords", "MD_Keywords", "keyword"]) {
        if let Some(word) = line(&word) {
            keep(&mut record.keywords, word);
        }
    }
    iso.identifiers(&mut record);
    iso.places(&mut record, notes);
    iso.times(&mut record, notes);
    iso.terms(&mut record);
    iso.parties(&mut record);
    iso.formats(&mut record);
    iso.resources(&mut record, notes);
    Ok(record)
}

/// Records of services, software, single features and the like. A record that names no level is a data set (ISO 19115,
/// `hierarchyLevel`, default).
fn no_dataset(root: &Element) -> Option<String> {
    let levels = root.at(&["hierarchyLevel", "*"]);
    let level = levels.first().map(|level| code(level)).filter(|level| !level.is_empty());
    if let Some(level) = level
        && !["dataset", "series", "nonGeographicDataset"].contains(&level)
    {
        return Some(format!(
            "it describes a `{}`, not a data set or series",
            level.chars().take(40).collect::<String>()
        ));
    }
    let service = root.at(&["identificationInfo", "SV_ServiceIdentification"]);
    (!service.is_empty()).then(|| "it describes a service".to_owned())
}

/// The value of a code list.
fn code(element: &Element) -> &str {
    element.attribute("codeListValue").map_or(element.text.as_str(), |value| value).trim()
}

/// The id of the locale in which the record's own texts are written, where it lists locales.
fn default_locale(root: &Element) -> Option<&str> {
    let language = root.at(&["language", "*"]).first().map(|language| code(language))?;
    let locales = root.at(&["locale", "PT_Locale"]);
    let own = locales.into_iter().find(|locale| {
        locale.at(&["languageCode", "LanguageCode"]).first().is_some_and(|of| code(of).eq_ignore_ascii_case(language))
    });
    own?.attribute("id")
}

/// The text of a property: a plain one, an anchor, a date; else, of several languages, the record's own.
fn words(property: &Element, locale: Option<&str>) -> Option<String> {
    let plain = property.children.iter().filter(|child| child.ns != Ns::Other && *child.name != *"PT_FreeText");
    let plain = plain.map(|child| child.text.as_str()).find(|text| !text.trim().is_empty());
    if let Some(text) = plain {
        return Some(text.to_owned());
    }
    let localised = property.at(&["PT_FreeText", "textGroup", "LocalisedCharacterString"]);
    let is_own = |text: &&&Element| {
        let given = text.attribute("locale").map(|given| given.trim_start_matches('#'));
        given.is_some() && given == locale
    };
    let filled: Vec<&Element> = localised.into_iter().filter(|text| !text.text.trim().is_empty()).collect();
    filled.iter().find(is_own).or(filled.first()).map(|text| text.text.clone())
}

struct Iso<'a> {
    root: &'a Element,
    about: &'a Element,
    locale: Option<&'a str>,
}

impl Iso<'_> {
    fn texts(&self, from: &Element, path: &[&str]) -> Vec<String> {
        from.at(path).into_iter().take(ENTRIES_MAX).filter_map(|property| words(property, self.locale)).collect()
    }

    fn line(&self, from: &Element, path: &[&str]) -> Option<String> {
        self.texts(from, path).iter().find_map(|text| line(text))
    }

    fn identifiers(&self, record: &mut Record) {
        for code in self.about.at(&["citation", "CI_Citation", "identifier", "*", "code"]) {
            let anchor = code.child("Anchor").and_then(|anchor| anchor.attribute("href"));
            for text in words(code, self.locale).iter().map(String::as_str).chain(anchor) {
                if let Some(text) = line(text) {
                    keep(&mut record.identifiers, text);
                }
            }
        }
        if let Some(uri) = self.line(self.root, &["dataSetURI"]) {
            keep(&mut record.identifiers, uri);
        }
    }

    fn places(&self, record: &mut Record, notes: &mut Notes) {
        for given in self.about.at(&["extent", "EX_Extent", "geographicElement", "EX_GeographicBoundingBox"]) {
            // A box of what is *not* covered.
            let excluded = given
                .at(&["extentTypeCode", "*"])
                .first()
                .is_some_and(|code| matches!(code.text.trim(), "0" | "false"));
            if excluded {
                continue;
            }
            let bound = |name: &str| given.at(&[name, "*"]).first()?.text.trim().parse::<f64>().ok();
            let west_east = bound("westBoundLongitude").zip(bound("eastBoundLongitude"));
            let south_north = bound("southBoundLatitude").zip(bound("northBoundLatitude"));
            let place = west_east.zip(south_north).and_then(|((w, e), (s, n))| Place::new(w, s, e, n));
            match place {
                Some(place) => keep(&mut record.places, place),
                None => notes.add(Note::BoxLeftOut, &record.id),
            }
        }
    }

    fn times(&self, record: &mut Record, notes: &mut Notes) {
        for given in self.about.at(&["extent", "EX_Extent", "temporalElement", "*", "extent", "*"]) {
            let read = match &*given.name {
                "TimePeriod" => period(given),
                "TimeInstant" => given.child("timePosition").and_then(|at| moments::span(&at.text)),
                _ => None,
            };
            match read {
                // Open at both ends says nothing.
                Some(Interval { start: None, end: None }) => {}
                Some(interval) => keep(&mut record.times, interval),
                None => notes.add(Note::TimeLeftOut, &record.id),
            }
        }
    }

    /// Limitations of use and other constraints, in the order of the record. Codes of access and use say that there is a
    /// text, and are not one.
    fn terms(&self, record: &mut Record) {
        for constraints in self.about.at(&["resourceConstraints", "*"]) {
            for property in constraints.all("useLimitation").chain(constraints.all("otherConstraints")) {
                let href = property.child("Anchor").and_then(|anchor| anchor.attribute("href")).and_then(address);
                let text = words(property, self.locale).and_then(|text| line(&text));
                if text.is_some() || href.is_some() {
                    keep(&mut record.terms, Terms { text, href });
                }
            }
        }
    }

    /// Who made the data, has it and gives it out. Who wrote the metadata is no provider of the data.
    fn parties(&self, record: &mut Record) {
        let about = [
            &["citation", "CI_Citation", "citedResponsibleParty", "CI_ResponsibleParty"][..],
            &["pointOfContact", "CI_ResponsibleParty"],
        ];
        let distributor = [
            "distributionInfo",
            "MD_Distribution",
            "distributor",
            "MD_Distributor",
            "distributorContact",
            "CI_ResponsibleParty",
        ];
        let found = about.iter().flat_map(|path| self.about.at(path)).chain(self.root.at(&distributor));
        for party in found.take(ENTRIES_MAX) {
            let name = ["organisationName", "individualName"].iter().find_map(|name| self.line(party, &[name]));
            let Some(name) = name else { continue };
            let link =
                party.at(&["contactInfo", "CI_Contact", "onlineResource", "CI_OnlineResource", "linkage", "URL"]);
            let url = link.first().and_then(|url| address(&url.text)).filter(|url| url.scheme().starts_with("http"));
            let roles = party.at(&["role", "CI_RoleCode"]).into_iter().map(|role| code(role).to_owned()).collect();
            record.parties.push(Party { name, url, roles });
        }
    }

    fn formats(&self, record: &mut Record) {
        let paths = [
            &["distributionInfo", "MD_Distribution", "distributionFormat", "MD_Format"][..],
            &["distributionInfo", "MD_Distribution", "distributor", "MD_Distributor", "distributorFormat", "MD_Format"],
        ];
        for format in paths.iter().flat_map(|path| self.root.at(path)) {
            if let Some(name) = self.line(format, &["name"]) {
                keep(&mut record.formats, Format { name: Some(name), media: None });
            }
        }
    }

    fn resources(&self, record: &mut Record, notes: &mut Notes) {
        let paths = [
            &["distributionInfo", "MD_Distribution", "transferOptions"][..],
            &["distributionInfo", "MD_Distribution", "distributor", "MD_Distributor", "distributorTransferOptions"],
        ];
        let options = paths.iter().flat_map(|path| self.root.at(path));
        for online in
            options.flat_map(|option| option.at(&["MD_DigitalTransferOptions", "onLine", "CI_OnlineResource"]))
        {
            match self.resource(online) {
                Some(resource) => keep(&mut record.resources, resource),
                None => notes.add(Note::AddressLeftOut, &record.id),
            }
        }
        for graphic in self.about.at(&["graphicOverview", "MD_BrowseGraphic"]) {
            let href = self.line(graphic, &["fileName"]).and_then(|text| address(&text));
            let title = self.line(graphic, &["fileDescription"]);
            let Some(href) = href else {
                notes.add(Note::AddressLeftOut, &record.id);
                continue;
            };
            let role = Role::Preview;
            keep(&mut record.resources, Resource { href, protocol: None, name: None, title, media: None, role });
        }
    }

    fn resource(&self, online: &Element) -> Option<Resource> {
        let href = online.at(&["linkage", "URL"]).first().and_then(|url| address(&url.text))?;
        let protocol = self.line(online, &["protocol"]);
        let typed =
            online.at(&["name", "MimeFileType"]).first().and_then(|file| file.attribute("type")).map(str::to_owned);
        let media = typed.or_else(|| protocol.clone()).filter(|text| is_media(text));
        let function = online.at(&["function", "CI_OnLineFunctionCode"]);
        let download = function.first().is_some_and(|function| code(function) == "download");
        Some(Resource {
            href,
            name: self.line(online, &["name"]),
            title: self.line(online, &["description"]),
            media,
            protocol,
            role: if download { Role::Download } else { Role::Unsaid },
        })
    }
}

/// Some catalogues write a media type in the place of a protocol.
fn is_media(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    };
    let known =
        ["application/", "image/", "text/", "video/", "audio/", "model/"].iter().any(|kind| text.starts_with(kind));
    known && text.split_once('/').is_some_and(|(_, name)| word(name))
}

/// A period of GML 3.1 or 3.2: two positions, or two instants. `None` when an end is given and cannot be read.
fn period(period: &Element) -> Option<Interval> {
    let position = |plain: &str, nested: &str| {
        let nested = period.at(&[nested, "TimeInstant", "timePosition"]).into_iter().next();
        period.child(plain).or(nested)
    };
    let start = position("beginPosition", "begin").map_or(Some(None), |at| bound(at, "before", moments::first))?;
    let end = position("endPosition", "end").map_or(Some(None), |at| bound(at, "after", moments::last))?;
    let backwards = matches!((start, end), (Some(start), Some(end)) if start > end);
    (!backwards).then_some(Interval { start, end })
}

type Moment = chrono::DateTime<chrono::Utc>;

/// One end of a period. `unknown` and `now` are open, and so is one that lies somewhere beyond what is said: a beginning
/// before it, an end after it. The outer `None`: there is a text, and it is no time.
#[expect(clippy::option_option, reason = "unreadable, open, known")]
fn bound(at: &Element, beyond: &str, read: fn(&str) -> Option<Moment>) -> Option<Option<Moment>> {
    let text = at.text.trim();
    let indeterminate = at.attribute("indeterminatePosition").unwrap_or_default();
    let open = ["now", "unknown", beyond].contains(&indeterminate) || matches!(text, "" | "now" | "unknown");
    if open { Some(None) } else { read(text).map(Some) }
}

#[cfg(test)]
mod tests;
