//! Free text: the terms of `q`, and the words of a Collection they are looked for in.
//!
//! A term is found where its words stand one after the other in one of title, description, keywords and id, whatever
//! the case and whatever stands between the words (STAC API Free-Text Search 1.0.0-rc.1; OGC API - Records, parameter
//! `q`). The last word of a term may be the beginning of a longer one, so that `temp` finds temperatures while one types;
//! a term in double quotes is meant word for word. Terms are joined by OR.
//!
//! Both sides become the same plain text: every word in lower case after a space, every field ended by a line break.
//! Looking for a term is then one search for a piece of text.

/// Terms of one `q`; each is looked for in each Collection.
const TERMS_MAX: usize = 50;
/// Bytes of a whole `q`.
const BYTES_MAX: usize = 4096;
/// Bytes of words kept of one Collection: longer descriptions are searched in their beginning only.
const WORDS_BYTES_MAX: usize = 64 << 10;

/// The terms of a `q`, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// As in the words of a Collection: every word after a space.
    words: String,
    /// In double quotes: the last word is whole.
    exact: bool,
}

/// Why a `q` cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    #[error("a term without a letter or digit")]
    NoWord,
    #[error("more than {TERMS_MAX} terms")]
    TooMany,
    #[error("more than {BYTES_MAX} bytes long")]
    TooLong,
}

impl Terms {
    /// Reads a `q`: terms between commas, those in double quotes may contain commas. `None`: nothing is asked.
    ///
    /// # Errors
    /// A `q` that could not find what was meant, or is over the bounds.
    pub fn read(given: &str) -> Result<Option<Self>, TermsError> {
        if given.len() > BYTES_MAX {
            return Err(TermsError::TooLong);
        }
        let mut terms = Vec::new();
        for written in split(given).into_iter().map(str::trim).filter(|term| !term.is_empty()) {
            let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let mut words = String::new();
            add_words(quoted.unwrap_or(written), &mut words);
            if words.is_empty() {
                return Err(TermsError::NoWord);
            }
            if terms.len() == TERMS_MAX {
                return Err(TermsError::TooMany);
            }
            terms.push(Term { words, exact: quoted.is_some() });
        }
        Ok((!terms.is_empty()).then_some(Self(terms)))
    }

    /// Whether one of the terms is in the words of a Collection.
    pub(super) fn found_in(&self, words: &str) -> bool {
        let ends_a_word = |at: usize| matches!(words.as_bytes().get(at), None | Some(b' ' | b'\n'));
        self.0.iter().any(|term| {
            let mut places = words.match_indices(&term.words);
            places.any(|(at, found)| !term.exact || ends_a_word(at + found.len()))
        })
    }
}

/// The parts between commas outside double quotes. A quote that is never closed is a character like others.
fn split(given: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in given.char_indices() {
        match c {
            '"' if quoted => quoted = false,
            '"' if given[start..at].trim().is_empty() => quoted = given[at + 1..].contains('"'),
            ',' if !quoted => {
                parts.push(&given[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&given[start..]);
    parts
}

/// Appends the words of a text, each in lower case after a space.
fn add_words(text: &str, out: &mut String) {
    let mut inside = false;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            inside = false;
            continue;
        }
        if !std::mem::replace(&mut inside, true) {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
}

/// The words of a Collection's texts, field by field; descriptions come last, since they may be cut.
pub(in crate::collections) fn of_collection<'a>(fields: impl Iterator<Item = &'a str>) -> Box<str> {
    let mut words = String::new();
    for field in fields {
        let room = WORDS_BYTES_MAX.saturating_sub(words.len());
        let mut end = room.min(field.len());
        while !field.is_char_boundary(end) {
            end -= 1;
        }
        add_words(&field[..end], &mut words);
        words.push('\n');
    }
    words.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(q: &str, fields: &[&str]) -> bool {
        Terms::read(q).unwrap().unwrap().found_in(&of_collection(fields.iter().copied()))
    }

    #[test]
    fn terms_are_words_in_any_case_from_their_beginning() {
        let fields = ["EODC|sentinel-2-l2a", "Sea surface Temperature", "Océan Ünder"];
        for found in [
            "sentinel",
            "SENTINEL-2",
            "sentinel 2",
            "2-l2a",
            "temp",
            "surface temp",
            "sea   surface\ttemperature",
            "océ",
            "ünder",
            "Océan",
            "nothing,temp",
            "temp,nothing",
            " temp ",
            "eodc",
            "EODC|sentinel-2-l2a",
            "\"surface\"",
            "\"surface temperature\"",
            "\"no, thing\",temp",
        ] {
            assert!(finds(found, &fields), "{found}");
        }
        for absent in [
            "entinel",
            "emperature",
            "surface sea",
            "sea temperature",
            "temperature océan",
            "\"temp\"",
            "\"surface temp\"",
            "nothing",
            "\"sea, temperature\"",
            "sentinel2",
        ] {
            assert!(!finds(absent, &fields), "{absent}");
        }
    }

    #[test]
    fn commas_in_quotes_do_not_part() {
        assert!(finds("\"Red, Green\"", &["red green"]));
        assert!(!finds("\"Red, Green\"", &["green"]));
        assert!(finds("Red, Green", &["green"]));
        assert!(finds("\"open, green", &["green"]), "a quote that is not closed is none");
        assert!(finds("5\" pipe, green", &["a 5 pipe"]));
    }

    #[test]
    fn nothing_is_asked_by_nothing_and_what_cannot_be_found_is_refused() {
        for nothing in ["", " ", ",", " , ,"] {
            assert_eq!(Terms::read(nothing), Ok(None), "{nothing}");
        }
        assert_eq!(Terms::read("a,-"), Err(TermsError::NoWord));
        assert_eq!(Terms::read("\"\""), Err(TermsError::NoWord));
        assert_eq!(Terms::read(&"a,".repeat(TERMS_MAX + 1)), Err(TermsError::TooMany));
        assert_eq!(Terms::read(&"a".repeat(BYTES_MAX + 1)), Err(TermsError::TooLong));
        assert!(Terms::read(&"a,".repeat(TERMS_MAX)).is_ok());
    }

    #[test]
    fn long_texts_are_searched_in_their_beginning() {
        let long = format!("first {}", "é".repeat(WORDS_BYTES_MAX));
        let words = of_collection([long.as_str(), "last"].into_iter());
        assert!(words.len() <= WORDS_BYTES_MAX + 16);
        assert!(Terms::read("first").unwrap().unwrap().found_in(&words));
    }
}
