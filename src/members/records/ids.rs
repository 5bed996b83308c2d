//! Identifiers of records as ids that fit into a path: `[A-Za-z0-9._:-]`, the rest becomes `_`.
//!
//! Two records may end up with one id. The one whose identifier needed no change keeps it, else the first by its bytes;
//! the others get a suffix made of their own identifier, so that neither the order in which a server sends its records
//! nor a new record elsewhere changes an id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use super::notes::{Note, Notes};

/// Longest id: it stands in addresses and cursors.
const ID_BYTES_MAX: usize = 200;
/// Bytes of the digest in a suffix, written as two digits each.
const SUFFIX_BYTES: usize = 4;

/// The id of every identifier, each of which is given once.
pub fn assign<'a>(identifiers: impl IntoIterator<Item = &'a str>, notes: &mut Notes) -> BTreeMap<&'a str, String> {
    let mut by_id: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for identifier in identifiers {
        by_id.entry(cleaned(identifier)).or_default().insert(identifier);
    }
    let mut assigned = BTreeMap::new();
    for (id, identifiers) in by_id {
        let keeper = identifiers.get(id.as_str()).or_else(|| identifiers.first()).copied();
        for identifier in identifiers {
            if identifier != id {
                notes.add(Note::IdChanged, identifier);
            }
            if Some(identifier) == keeper {
                assigned.insert(identifier, id.clone());
            } else {
                notes.add(Note::IdClash, identifier);
                assigned.insert(identifier, suffixed(&id, identifier));
            }
        }
    }
    assigned
}

/// The identifier with allowed characters only; one that is too long is cut and told apart by its suffix.
pub fn cleaned(identifier: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    let id: String = identifier.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    // A path segment of dots alone means another folder.
    let id = if id.bytes().all(|byte| byte == b'.') { "_".repeat(id.len().max(1)) } else { id };
    if id.len() > ID_BYTES_MAX { suffixed(&id, identifier) } else { id }
}

fn suffixed(id: &str, identifier: &str) -> String {
    let digest = digest(&SHA256, identifier.as_bytes());
    let kept: String = id.chars().take(ID_BYTES_MAX - 2 * SUFFIX_BYTES - 1).collect();
    digest.as_ref().iter().take(SUFFIX_BYTES).fold(format!("{kept}-"), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_into_a_path() {
        assert_eq!(cleaned("6d617269-6e65:a.b_c"), "6d617269-6e65:a.b_c");
        assert_eq!(cleaned("https://x.example/a b?é"), "https:__x.example_a_b__");
        assert_eq!((cleaned(".."), cleaned("|")), ("__".to_owned(), "_".to_owned()));
        let long = cleaned(&"x".repeat(5_000));
        assert_eq!(long.len(), ID_BYTES_MAX);
        assert_ne!(long, cleaned(&"x".repeat(5_001)));
    }

    #[test]
    fn a_clash_gets_a_suffix_that_depends_on_the_record_alone() {
        let mut notes = Notes::default();
        let assigned = assign(["a/b", "a_b", "a b", "c"], &mut notes);
        assert_eq!((assigned["a_b"].as_str(), assigned["c"].as_str()), ("a_b", "c"));
        assert!(assigned["a/b"].starts_with("a_b-") && assigned["a b"].starts_with("a_b-"));
        assert_ne!(assigned["a/b"], assigned["a b"]);
        assert_eq!((notes.count(Note::IdChanged), notes.count(Note::IdClash)), (2, 2));
        let mut others = Notes::default();
        let reversed = assign(["c", "a b", "a_b", "a/b"], &mut others);
        assert_eq!((assigned, notes), (reversed, others));
    }
}
