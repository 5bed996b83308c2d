//! Who is checked, and what kind of catalogue answers at its address.

use std::path::Path;

use serde_json::Value;
use url::Url;

use crate::federation::{Federation, Kind, Limits, Policy, Severity, load_text, quoted};

/// A catalogue that wants to join, or has joined.
#[derive(Debug, Clone, Default)]
pub struct Candidate {
    pub url: String,
    /// True permits private, loopback and link-local addresses.
    pub internal: bool,
    /// `None`: found out by what the address answers.
    pub kind: Option<Kind>,
    /// The id that it is to have.
    pub id: Option<String>,
    /// Bounds that requests run under.
    pub limits: Limits,
    /// What the federation file says of it; `None`: no file is known.
    pub registered: Option<Registered>,
}

/// What a federation file says of an address.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The file, as its admin names it.
    pub file: String,
    /// The member that has this address, with its policy.
    pub member: Option<(String, Box<Policy>)>,
    /// Why the id cannot be taken.
    pub id_refused: Option<String>,
    /// Between member id and Collection id.
    pub delimiter: char,
}

impl Registered {
    /// What a federation says of an address, and of an id for it.
    #[must_use]
    pub fn of(federation: &Federation, file: &str, url: &str, id: Option<&str>) -> Self {
        let place = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let wanted = Url::parse(url).ok().map(|url| place(&url));
        let member = federation.members.iter().find(|member| {
            let mut bases = std::iter::once(&member.url).chain(&member.aliases);
            wanted.is_some() && bases.any(|base| Some(place(base)) == wanted)
        });
        let id_refused = id.and_then(|id| {
            let taken = |other: &str| other.eq_ignore_ascii_case(id);
            let holder = federation
                .members
                .iter()
                .find(|member| taken(member.id.as_str()) || member.renamed_from.iter().any(|old| taken(old)));
            match holder {
                // its own id
                Some(holder) if member.is_some_and(|member| member.id == holder.id) && taken(holder.id.as_str()) => {
                    None
                }
                Some(holder) => Some(format!("`{id}` is taken by member `{}`", holder.id)),
                None => declared(id, Kind::StacApi, "https://id.invalid", false).err().map(|refused| refused.sentence),
            }
        });
        Self {
            file: file.to_owned(),
            member: member.map(|member| (member.id.to_string(), Box::new(member.policy.clone()))),
            id_refused,
            delimiter: federation.delimiter,
        }
    }
}

/// The kind of a catalogue, by what its address answers. What cannot be told is taken for a STAC API, whose checks say what is wrong.
pub(super) fn kind_of(body: &[u8]) -> Kind {
    let Ok(page) = serde_json::from_slice::<Value>(body) else {
        let head = String::from_utf8_lossy(&body[..body.len().min(4096)]).to_ascii_lowercase();
        let csw = head.contains("opengis.net/cat/csw") || (head.contains("exceptionreport") && head.contains("ows"));
        return if csw { Kind::Csw } else { Kind::StacApi };
    };
    let links = page.get("links").and_then(Value::as_array);
    let has = |wanted: &str| links.is_some_and(|links| links.iter().any(|link| link["rel"] == wanted));
    let classes = page.get("conformsTo").and_then(Value::as_array);
    let names = |part: &str| {
        classes.is_some_and(|list| list.iter().filter_map(Value::as_str).any(|class| class.contains(part)))
    };
    let stac = page.get("stac_version").is_some() || names("api.stacspec.org");
    if !stac && (names("ogcapi-records") || (classes.is_none() && has("data"))) {
        return Kind::OgcRecords;
    }
    let api = classes.is_some() || has("data") || has("search") || has("conformance");
    if stac && !api && (has("child") || has("item")) { Kind::StaticStac } else { Kind::StacApi }
}

/// The call itself is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refused {
    pub sentence: String,
    pub hint: Option<String>,
    /// The address is one of the own network, and was not called so; how it is called so, whoever asked knows.
    pub is_internal: bool,
}

/// Stands for the id of a candidate that has none yet.
const UNNAMED: &str = "CANDIDATE";

impl Candidate {
    /// A federation of the candidate alone, as its file would declare it.
    ///
    /// # Errors
    /// What `check` would say of the file.
    pub(super) fn declared(&self, kind: Kind) -> Result<Federation, Refused> {
        let federation = declared(UNNAMED, kind, &self.url, self.internal)?;
        Ok(Federation { limits: self.limits.clone(), ..federation })
    }
}

fn declared(id: &str, kind: Kind, url: &str, internal: bool) -> Result<Federation, Refused> {
    let text = format!(
        "[federation]\nid = \"check\"\n[[member]]\nid = {}\nkind = \"{}\"\nurl = {}\ninternal = {internal}\n",
        quoted(id),
        kind.name(),
        quoted(url),
    );
    let problems = match load_text("check", &text, Path::new("")) {
        Ok(loaded) => return Ok(loaded.federation),
        Err(problems) => problems.list,
    };
    let Some(first) = problems.into_iter().find(|problem| problem.severity == Severity::Error) else {
        return Err(Refused { sentence: "it cannot be declared".to_owned(), ..Refused::default() });
    };
    let prefix = format!("member `{id}`: ");
    let sentence = first.sentence.strip_prefix(&prefix).unwrap_or(&first.sentence).to_owned();
    let is_internal = first.code == "internal-address";
    Err(Refused { sentence, hint: first.hint.filter(|_| !is_internal), is_internal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_what_answers() {
        let api = r#"{"type":"Catalog","stac_version":"1.0.0","conformsTo":["https://api.stacspec.org/v1.0.0/core"],"links":[]}"#;
        let old = r#"{"type":"Catalog","stac_version":"1.0.0","links":[{"rel":"search","href":"x"},{"rel":"child","href":"y"}]}"#;
        let fixed = r#"{"type":"Catalog","stac_version":"1.0.0","links":[{"rel":"self","href":"x"},{"rel":"child","href":"y"}]}"#;
        let records = r#"{"conformsTo":["http://www.opengis.net/spec/ogcapi-records-1/1.0/conf/core"],"links":[]}"#;
        let csw = r#"<?xml version="1.0"?><csw:Capabilities xmlns:csw="http://www.opengis.net/cat/csw/2.0.2"/>"#;
        for (body, kind) in [
            (api, Kind::StacApi),
            (old, Kind::StacApi),
            (fixed, Kind::StaticStac),
            (records, Kind::OgcRecords),
            (csw, Kind::Csw),
            ("<html>", Kind::StacApi),
            ("{}", Kind::StacApi),
            ("[", Kind::StacApi),
        ] {
            assert_eq!(kind_of(body.as_bytes()), kind, "{body}");
        }
    }

    #[test]
    fn ids_and_addresses_that_are_taken_are_told() {
        let text = "[federation]\nid = \"f\"\n[[member]]\nid = \"NORTH\"\nurl = \"https://n.example/v1/\"\nrenamed_from = [\"OLD\"]\n";
        let federation = load_text("f", text, Path::new("")).unwrap().federation;
        let of = |url: &str, id: &str| Registered::of(&federation, "f.toml", url, Some(id));
        let other = of("https://n.example/v1", "SOUTH");
        assert_eq!(other.member.map(|(id, _)| id).as_deref(), Some("NORTH"));
        assert_eq!(other.id_refused, None);
        for taken in ["NORTH", "north", "old"] {
            let refused = of("https://s.example", taken);
            assert_eq!(refused.id_refused, Some(format!("`{taken}` is taken by member `NORTH`")));
            assert!(refused.member.is_none());
        }
        for wrong in ["a b", "A|B", "", "-a", "\"\nx = 1"] {
            assert!(of("https://s.example", wrong).id_refused.is_some(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_no_file_could_have_is_refused_in_its_words() {
        let of = |url: &str, internal| Candidate { url: url.into(), internal, ..Candidate::default() };
        let refused = of("http://127.0.0.1:8080", false).declared(Kind::StacApi).unwrap_err();
        assert!(refused.sentence.contains("loopback") && !refused.sentence.contains("CANDIDATE"), "{refused:?}");
        assert!(of("ftp://a.example", true).declared(Kind::StacApi).is_err());
        assert!(of("https://a.example/\" x = 1", true).declared(Kind::StacApi).is_ok(), "quoted, not spliced");
        assert!(of("http://127.0.0.1:8080", true).declared(Kind::StacApi).is_ok());
    }
}
