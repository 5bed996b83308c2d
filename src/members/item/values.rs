//! The values of a few properties, found in one pass over an Item's `properties`.

use std::ops::Range;

use super::Item;
use crate::members::scan::{Broken, Kind, Scanner};

/// Where a value was found, and how many objects below `properties`.
type Found = Option<(usize, Range<usize>)>;

impl Item {
    /// The JSON texts of the properties of these names; `None` where one is absent.
    ///
    /// A name with dots is the property of this very name or, where there is none, what it leads to through objects. Of
    /// a name that comes twice the last counts, as in most readers of JSON.
    #[must_use]
    pub fn values(&self, names: &[Box<str>]) -> Vec<Option<&str>> {
        let properties = self.slice(&self.spans.properties);
        let mut found: Vec<Found> = vec![None; names.len()];
        let mut scanner = Scanner::new(properties);
        let wanted: Vec<(usize, &[u8])> = names.iter().map(|name| name.as_bytes()).enumerate().collect();
        if matches!(scanner.kind(), Ok(Kind::Object)) {
            // The text was checked when the Item arrived, so it does not break off.
            let _whole = object(&mut scanner, &wanted, 0, &mut found);
        }
        let text = |span: Range<usize>| std::str::from_utf8(properties.get(span)?).ok();
        found.into_iter().map(|found| found.and_then(|(_, span)| text(span))).collect()
    }
}

/// Reads an object. It goes no deeper than a name has dots.
fn object(
    scanner: &mut Scanner<'_>,
    wanted: &[(usize, &[u8])],
    level: usize,
    found: &mut [Found],
) -> Result<(), Broken> {
    let mut walk = scanner.enter();
    while let Some(key) = scanner.key(&mut walk)? {
        let key = key.name();
        let below = |name: &'_ [u8]| name.strip_prefix(&*key).is_some_and(|rest| rest.first() == Some(&b'.'));
        if !wanted.iter().any(|(_, name)| **name == *key || below(name)) {
            scanner.pass()?;
            continue;
        }
        let kind = scanner.kind()?;
        let start = scanner.at();
        if kind == Kind::Object && wanted.iter().any(|(_, name)| below(name)) {
            let inner: Vec<(usize, &[u8])> = wanted
                .iter()
                .filter(|(_, name)| below(name))
                .map(|(place, name)| (*place, &name[key.len() + 1..]))
                .collect();
            object(scanner, &inner, level + 1, found)?;
        } else {
            scanner.skip()?;
        }
        for (place, _) in wanted.iter().filter(|(_, name)| **name == *key) {
            if found[*place].as_ref().is_none_or(|(before, _)| level <= *before) {
                found[*place] = Some((level, start..scanner.at()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(properties: &str, names: &[&str]) -> Vec<Option<String>> {
        let text = format!(r#"{{"type":"Feature","id":"a","geometry":null,"properties":{properties}}}"#);
        let item = Item::new(text).unwrap();
        let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
        item.values(&names).into_iter().map(|value| value.map(str::to_owned)).collect()
    }

    /// As many texts as there are, all of them there.
    fn all<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
        texts.map(|text| Some(text.to_owned()))
    }

    #[test]
    fn values_are_the_members_texts() {
        let properties = r#"{ "eo:cloud_cover" : 1.50e1, "a":"x\"y", "n":null, "l":[1, {"b":2}], "o":{"p":{"q":3}} }"#;
        let found = values(properties, &["eo:cloud_cover", "a", "n", "l", "o", "none", "q"]);
        let wanted = all(["1.50e1", r#""x\"y""#, "null", r#"[1, {"b":2}]"#, r#"{"p":{"q":3}}"#]);
        assert_eq!(found[..5], wanted);
        assert_eq!(found[5..], [None, None]);
    }

    #[test]
    fn a_dotted_name_leads_through_objects_unless_it_is_a_name_itself() {
        let nested = r#"{"o":{"p":{"q":3},"p.q":4,"r":5},"o.r":6,"x":1}"#;
        let found = values(nested, &["o.p.q", "o.r", "o.p", "o.none", "x.y", "o"]);
        assert_eq!(found[..3], all(["4", "6", r#"{"q":3}"#]), "the fewest steps count");
        assert_eq!(found[3..5], [None, None]);
        assert!(found[5].is_some());
        assert_eq!(values(r#"{"o.r":6,"o":{"r":5}}"#, &["o.r"]), all(["6"]), "in either order");
    }

    #[test]
    fn names_are_compared_as_what_they_mean() {
        assert_eq!(values(r#"{"a\u0062":1,"c":2,"c":3}"#, &["ab", "c"]), all(["1", "3"]));
        assert_eq!(values("null", &["a"]), [None]);
        assert_eq!(values("{}", &[]), Vec::<Option<String>>::new());
    }
}
