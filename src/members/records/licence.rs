//! Licences: an identifier of the SPDX list where the record names one, else `other` with links to what it says.

use url::Url;

use super::record::Terms;

/// What STAC writes where no identifier says it.
pub const OTHER: &str = "other";

/// Identifiers of the SPDX list under which data and metadata are given out. Those for software are left to `other`,
/// but for the few that data sets carry.
const SPDX: [&str; 75] = [
    "CC0-1.0",
    "CC-BY-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-3.0-AT",
    "CC-BY-3.0-AU",
    "CC-BY-3.0-DE",
    "CC-BY-3.0-IGO",
    "CC-BY-3.0-NL",
    "CC-BY-3.0-US",
    "CC-BY-4.0",
    "CC-BY-NC-1.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-2.5",
    "CC-BY-NC-3.0",
    "CC-BY-NC-3.0-DE",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-1.0",
    "CC-BY-NC-ND-2.0",
    "CC-BY-NC-ND-2.5",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-3.0-DE",
    "CC-BY-NC-ND-3.0-IGO",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-1.0",
    "CC-BY-NC-SA-2.0",
    "CC-BY-NC-SA-2.5",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-3.0-DE",
    "CC-BY-NC-SA-3.0-IGO",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-1.0",
    "CC-BY-ND-2.0",
    "CC-BY-ND-2.5",
    "CC-BY-ND-3.0",
    "CC-BY-ND-3.0-DE",
    "CC-BY-ND-4.0",
    "CC-BY-SA-1.0",
    "CC-BY-SA-2.0",
    "CC-BY-SA-2.5",
    "CC-BY-SA-3.0",
    "CC-BY-SA-3.0-AT",
    "CC-BY-SA-3.0-DE",
    "CC-BY-SA-3.0-IGO",
    "CC-BY-SA-4.0",
    "CC-PDDC",
    "CC-PDM-1.0",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
    "OGL-UK-1.0",
    "OGL-UK-2.0",
    "OGL-UK-3.0",
    "OGL-Canada-2.0",
    "OGC-1.0",
    "DL-DE-BY-2.0",
    "DL-DE-ZERO-2.0",
    "NLOD-1.0",
    "NLOD-2.0",
    "etalab-2.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0",
    "C-UDA-1.0",
    "O-UDA-1.0",
    "NASA-1.3",
    "EUPL-1.1",
    "EUPL-1.2",
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
];

/// The one identifier that a record's terms name. Two different ones are none: which of them holds is not ours to say.
pub fn of(terms: &[Terms]) -> Option<&'static str> {
    let mut found = None;
    for terms in terms {
        let named = terms.text.as_deref().and_then(identifier).or_else(|| terms.href.as_ref().and_then(of_address));
        match (found, named) {
            (None, Some(_)) => found = named,
            (Some(before), Some(now)) if before != now => return None,
            _ => {}
        }
    }
    found
}

/// The identifier that a text is, in any case and with spaces for hyphens; also when it is the address of one.
fn identifier(text: &str) -> Option<&'static str> {
    let text = text.trim().trim_end_matches('.');
    if let Ok(address) = Url::parse(text) {
        return of_address(&address);
    }
    let words: Vec<&str> = text.split([' ', '-', '_']).filter(|word| !word.is_empty()).collect();
    known(&words.join("-"))
}

fn known(name: &str) -> Option<&'static str> {
    SPDX.into_iter().find(|id| id.eq_ignore_ascii_case(name))
}

/// The identifier that an address stands for: SPDX's own pages, and Creative Commons', whose paths name licence,
/// version and place.
fn of_address(address: &Url) -> Option<&'static str> {
    let host = address.host_str()?.trim_start_matches("www.");
    let parts: Vec<&str> = address.path_segments()?.filter(|part| !part.is_empty()).collect();
    match (host, parts.as_slice()) {
        ("spdx.org", ["licenses", id]) => known(id.trim_end_matches(".html").trim_end_matches(".json")),
        ("creativecommons.org", ["publicdomain", "zero", "1.0", ..]) => known("CC0-1.0"),
        ("creativecommons.org", ["publicdomain", "mark", "1.0", ..]) => known("CC-PDM-1.0"),
        ("creativecommons.org", ["licenses", kind, version, rest @ ..]) => match rest {
            [place, ..] if is_place(place) => known(&format!("CC-{kind}-{version}-{place}")),
            _ => known(&format!("CC-{kind}-{version}")),
        },
        _ => None,
    }
}

/// Whether a segment names a jurisdiction (`de`, `igo`) and not a page (`deed.en`, `legalcode`).
fn is_place(segment: &str) -> bool {
    matches!(segment.len(), 2 | 3) && segment.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Terms {
        Terms { text: Some(text.to_owned()), href: None }
    }

    #[test]
    fn identifiers_are_told_from_prose() {
        for (given, id) in [
            ("CC-BY-4.0", "CC-BY-4.0"),
            ("cc by 4.0", "CC-BY-4.0"),
            (" CC BY-NC-SA 3.0. ", "CC-BY-NC-SA-3.0"),
            ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
            ("http://www.creativecommons.org/licenses/by-sa/3.0/de/deed.de", "CC-BY-SA-3.0-DE"),
            ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
            ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
            ("https://spdx.org/licenses/ODbL-1.0.html", "ODbL-1.0"),
        ] {
            assert_eq!(of(&[text(given)]), Some(id), "{given}");
        }
        for prose in [
            "no limitations",
            "CC-BY",
            "Licensed under CC-BY-4.0 except where noted",
            "other",
            "",
            "https://x.example/CC-BY-4.0",
            "https://creativecommons.org/licenses/by/5.0/",
            "https://creativecommons.org/licenses/by/4.0/de/",
        ] {
            assert_eq!(of(&[text(prose)]), None, "{prose}");
        }
    }

    #[test]
    fn two_licences_are_none_and_one_said_twice_is_one() {
        let address = Terms {
            text: Some("attribution".into()),
            href: Url::parse("https://creativecommons.org/licenses/by/4.0/").ok(),
        };
        assert_eq!(of(&[text("CC-BY-4.0"), text("not for navigation"), address.clone()]), Some("CC-BY-4.0"));
        assert_eq!(of(&[text("CC0-1.0"), address]), None);
        assert_eq!(of(&[]), None);
    }
}
