//! A record as a Collection (`members.md` section 1.2, the table).
//!
//! The four members that STAC wants and a record may lack: an absent extent is written as open, which proves nothing to
//! anybody; an absent licence as `other`, which claims none; an absent abstract is the title, the record's own words.
//! Where there is no title either, `description` stays out, and the Collection is searched by id and not listed. Each is
//! counted in the notes.

use serde_json::{Map, Value, json};

use super::licence;
use super::moments;
use super::notes::{Note, Notes};
use super::parties;
use super::places;
use super::reach;
use super::record::{Format, Record, Terms, address};
use crate::federation::Interval;
use crate::federation::interval;

pub const STAC_VERSION: &str = "1.1.0";
/// What an open extent is written as, since the specification wants a box.
const EVERYWHERE: [f64; 4] = [-180.0, -90.0, 180.0, 90.0];
/// Characters of a limitation of use that a link is titled with.
const TITLE_CHARS_MAX: usize = 500;

/// The Collection of this id, as the bytes of its JSON object.
pub fn document(record: &Record, id: &str, notes: &mut Notes) -> Vec<u8> {
    let reach = reach::of(record);
    let mut out = Map::new();
    out.insert("type".to_owned(), "Collection".into());
    out.insert("stac_version".to_owned(), STAC_VERSION.into());
    if !reach.extensions.is_empty() {
        out.insert("stac_extensions".to_owned(), reach.extensions.into());
    }
    out.insert("id".to_owned(), id.into());
    describe(record, &mut out, notes);
    out.entry("license").or_insert(licence::OTHER.into());
    out.insert("extent".to_owned(), extent(record, notes));
    let links = links(record).into_iter().chain(reach.links).collect();
    out.insert("links".to_owned(), Value::Array(links));
    if !reach.assets.is_empty() {
        out.insert("assets".to_owned(), reach.assets.into());
    }
    Value::Object(out).to_string().into_bytes()
}

/// What Collections and the properties of Items have in common: words, stamps, licence, providers, formats.
pub(super) fn describe(record: &Record, out: &mut Map<String, Value>, notes: &mut Notes) {
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    if let Some(title) = &record.title {
        put("title", title.as_str().into());
    }
    match (&record.description, &record.title) {
        (Some(text), _) => put("description", text.as_str().into()),
        (None, Some(title)) => {
            notes.add(Note::NoDescription, &record.id);
            put("description", title.as_str().into());
        }
        (None, None) => {}
    }
    if !record.keywords.is_empty() {
        put("keywords", record.keywords.clone().into());
    }
    if record.terms.is_empty() {
        notes.add(Note::NoTerms, &record.id);
    } else {
        put("license", licence::of(&record.terms).unwrap_or(licence::OTHER).into());
    }
    let providers = parties::providers(&record.parties);
    if !providers.is_empty() {
        put("providers", providers.into());
    }
    for (name, at) in [("created", record.created), ("updated", record.updated)] {
        if let Some(at) = at {
            put(name, interval::text(at).into());
        }
    }
    if !record.formats.is_empty() {
        put("formats", record.formats.iter().map(format).collect());
    }
}

/// A format as OGC API - Records writes it.
fn format(format: &Format) -> Value {
    let mut out = Map::new();
    for (name, text) in [("name", &format.name), ("mediaType", &format.media)] {
        if let Some(text) = text {
            out.insert(name.to_owned(), text.as_str().into());
        }
    }
    out.into()
}

/// Several boxes or intervals: the overall one first, as the specification wants.
fn extent(record: &Record, notes: &mut Notes) -> Value {
    let mut boxes: Vec<[f64; 4]> = record.places.iter().map(places::Place::numbers).collect();
    match places::overall(&record.places) {
        None => {
            notes.add(Note::NoArea, &record.id);
            boxes.push(EVERYWHERE);
        }
        Some(all) if boxes.len() > 1 => boxes.insert(0, all.numbers()),
        Some(_) => {}
    }
    let mut times = record.times.clone();
    match moments::overall(&record.times) {
        None => {
            notes.add(Note::NoTime, &record.id);
            times.push(Interval::default());
        }
        Some(all) if times.len() > 1 => times.insert(0, all),
        Some(_) => {}
    }
    let times: Vec<[Option<String>; 2]> =
        times.iter().map(|time| [time.start.map(interval::text), time.end.map(interval::text)]).collect();
    json!({"spatial": {"bbox": boxes}, "temporal": {"interval": times}})
}

/// Where the record lies, what it is part of, how it is cited, under which terms it may be used.
pub(super) fn links(record: &Record) -> Vec<Value> {
    let mut links = Vec::new();
    if let Some((href, media)) = &record.href {
        links.push(json!({"rel": "via", "href": href.as_str(), "type": media, "title": "Metadata record"}));
    }
    if let Some(href) = &record.parent_href {
        links.push(json!({"rel": "up", "href": href.as_str(), "title": "Metadata record of the series"}));
    }
    let cited = record.identifiers.iter().filter_map(|identifier| doi(identifier));
    links.extend(cited.map(|href| json!({"rel": "cite-as", "href": href})));
    let said = licence::of(&record.terms);
    links.extend(record.terms.iter().filter_map(|terms| terms_link(terms, said, record)));
    links
}

/// The address of a DOI, however it is written: `10.12770/x`, `doi:10.12770/x`, `https://doi.org/10.12770/x`.
fn doi(identifier: &str) -> Option<String> {
    let lower = identifier.trim().to_ascii_lowercase();
    let heads = ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:", ""];
    let head = heads.into_iter().find(|head| lower.starts_with(&format!("{head}10.")))?;
    let name = &identifier.trim()[head.len()..];
    let whole = name.contains('/') && !name.contains(char::is_whitespace);
    whole.then(|| address(&format!("https://doi.org/{name}")))?.map(String::from)
}

/// A link to the terms: their own address, else the record, which has the words. None for words that are the identifier
/// that `license` says already.
fn terms_link(terms: &Terms, said: Option<&str>, record: &Record) -> Option<Value> {
    let words = terms.text.as_deref();
    let own = terms.href.clone().or_else(|| words.and_then(address));
    let title = words.filter(|text| address(text).is_none());
    let title: Option<String> = title.map(|text| text.chars().take(TITLE_CHARS_MAX).collect());
    let href = match own {
        Some(href) => href,
        None if said.is_some() && licence::of(std::slice::from_ref(terms)) == said => return None,
        None => record.href.as_ref()?.0.clone(),
    };
    let mut link = json!({"rel": "license", "href": href.as_str()});
    if let Some(title) = title {
        link["title"] = title.into();
    }
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::records::places::Place;
    use crate::members::records::record::Party;
    use url::Url;

    fn read(record: &Record) -> (Value, Notes) {
        let mut notes = Notes::default();
        (serde_json::from_slice(&document(record, "id", &mut notes)).unwrap(), notes)
    }

    fn full() -> Record {
        let text = |text: &str| Some(text.to_owned());
        Record {
            id: "urn:x/1".into(),
            title: text("Winds"),
            description: text("Winds over the sea."),
            keywords: vec!["wind".into()],
            updated: moments::first("2024-05-06"),
            places: vec![Place::new(0.0, 40.0, 10.0, 50.0).unwrap(), Place::new(-5.0, 45.0, 2.0, 60.0).unwrap()],
            times: vec![moments::span("2019").unwrap(), Interval { end: None, ..moments::span("2021").unwrap() }],
            terms: vec![
                Terms { text: text("CC BY 4.0"), href: None },
                Terms { text: text("not for navigation"), href: None },
            ],
            parties: vec![Party { name: "VLIZ".into(), url: None, roles: vec!["author".into()] }],
            identifiers: vec!["doi:10.12770/Ab-c".into(), "other".into()],
            href: Some((Url::parse("https://c.example/records/1").unwrap(), "application/xml")),
            ..Record::default()
        }
    }

    #[test]
    fn a_full_record_needs_no_note() {
        let (collection, notes) = read(&full());
        assert_eq!(notes, Notes::default());
        assert_eq!(collection["license"], "CC-BY-4.0");
        assert_eq!(collection["updated"], "2024-05-06T00:00:00Z");
        assert_eq!(
            collection["extent"],
            json!({
                "spatial": {"bbox": [[-5.0, 40.0, 10.0, 60.0], [0.0, 40.0, 10.0, 50.0], [-5.0, 45.0, 2.0, 60.0]]},
                "temporal": {"interval": [["2019-01-01T00:00:00Z", null],
                    ["2019-01-01T00:00:00Z", "2019-12-31T23:59:59Z"], ["2021-01-01T00:00:00Z", null]]},
            })
        );
        assert_eq!(
            collection["links"],
            json!([
                {"rel": "via", "href": "https://c.example/records/1", "type": "application/xml", "title": "Metadata record"},
                {"rel": "cite-as", "href": "https://doi.org/10.12770/Ab-c"},
                {"rel": "license", "href": "https://c.example/records/1", "title": "not for navigation"},
            ])
        );
    }

    #[test]
    fn what_a_record_lacks_stays_absent_and_is_noted() {
        let (collection, notes) = read(&Record { id: "r".into(), title: Some("T".into()), ..Record::default() });
        let names: Vec<&str> = collection.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["type", "stac_version", "id", "title", "description", "license", "extent", "links"]);
        assert_eq!((&collection["description"], &collection["license"]), (&json!("T"), &json!("other")));
        assert_eq!(collection["extent"]["temporal"]["interval"], json!([[null, null]]));
        for note in [Note::NoArea, Note::NoTime, Note::NoDescription, Note::NoTerms] {
            assert_eq!(notes.count(note), 1, "{note:?}");
        }
        let (nameless, _) = read(&Record { id: "r".into(), ..Record::default() });
        assert!(nameless.get("description").is_none(), "nothing to say, nothing said");
    }

    #[test]
    fn dois_are_cited() {
        for good in ["10.1/x", "DOI:10.1/x", "https://dx.doi.org/10.1/x"] {
            assert_eq!(doi(good).as_deref(), Some("https://doi.org/10.1/x"), "{good}");
        }
        for none in ["10.1", "11.1/x", "urn:10.1/x", "", "10.1/x y"] {
            assert_eq!(doi(none), None, "{none}");
        }
    }

    #[test]
    fn terms_with_an_address_link_there() {
        let href = Url::parse("https://x.example/terms").ok();
        let record = Record { terms: vec![Terms { text: Some("Our terms".into()), href }], ..full() };
        let (collection, _) = read(&record);
        assert_eq!(collection["license"], "other");
        assert_eq!(
            collection["links"][2],
            json!({"rel": "license", "href": "https://x.example/terms", "title": "Our terms"})
        );
    }
}
