//! Hrefs of a Collection: which links stay, and what makes the others absolute (`members.md` section 5, lower table).
//!
//! Links are chosen by relation, never by matching a host in text.

use serde_json::value::RawValue;
use url::Url;

use super::object::{Object, Writer, array, is_null, text};

/// Relations that the broker writes itself, that name documents it does not serve, or that belong to a member's paging.
const NOT_PASSED_ON: [&str; 16] = [
    "self",
    "root",
    "parent",
    "items",
    "canonical",
    "child",
    "item",
    "queryables",
    "sortables",
    "http://www.opengis.net/def/rel/ogc/1.0/queryables",
    "http://www.opengis.net/def/rel/ogc/1.0/sortables",
    "next",
    "prev",
    "previous",
    "first",
    "last",
];

/// Appends those links of the member that clients get, each preceded by a comma.
pub(super) fn pass_on(raw: &RawValue, base: Option<&Url>, out: &mut Vec<u8>) {
    for link in array(raw).unwrap_or_default() {
        let Some(object) = Object::read(link) else { continue };
        let (Some(rel), Some(href)) = (object.text("rel"), object.text("href")) else { continue };
        if !well_formed(&object) || NOT_PASSED_ON.contains(&rel.as_ref()) {
            continue;
        }
        let Some(href) = absolute(&href, base) else { continue };
        out.push(b',');
        if href.is_none() && !object.0.iter().any(|(name, value)| nothing(name, value)) {
            out.extend_from_slice(link.get().as_bytes());
        } else {
            rewritten(&object, href.as_deref(), out);
        }
    }
}

/// How many links have no usable `rel` or `href`, and how many carry members that are null.
pub(super) fn faults(raw: &RawValue) -> (usize, usize) {
    let links = array(raw).unwrap_or_default();
    let objects: Vec<Object> = links.iter().filter_map(|link| Object::read(link)).collect();
    let usable = objects.iter().filter(|link| well_formed(link)).count();
    let nulls = objects.iter().filter(|link| link.0.iter().any(|(name, value)| nothing(name, value))).count();
    (links.len() - usable, nulls)
}

fn well_formed(link: &Object<'_>) -> bool {
    let filled = |name: &str| link.text(name).is_some_and(|text| !text.is_empty());
    let text_or_absent = |name: &str| link.get(name).is_none_or(|value| is_null(value) || link.text(name).is_some());
    filled("rel") && filled("href") && text_or_absent("type") && text_or_absent("title")
}

fn nothing(name: &str, value: &RawValue) -> bool {
    matches!(name, "type" | "title") && is_null(value)
}

/// Appends the assets with absolute hrefs; those that are absolute already keep their bytes.
pub(super) fn assets(raw: &RawValue, base: Option<&Url>, out: &mut Vec<u8>) {
    let Some(assets) = Object::read(raw) else {
        out.extend_from_slice(raw.get().as_bytes());
        return;
    };
    let mut writer = Writer::open(out);
    for (name, value) in &assets.0 {
        let Some(asset) = Object::read(value) else { continue };
        let Some(given) = asset.text("href").filter(|href| !href.is_empty()) else { continue };
        match absolute(&given, base) {
            Some(None) => writer.raw(name, value.get()),
            Some(href) => rewritten(&asset, href.as_deref(), writer.name(name)),
            None => {}
        }
    }
    writer.close();
}

/// How many assets have no usable `href`.
pub(super) fn assets_without_href(assets: &Object<'_>) -> usize {
    let usable = |value: &RawValue| {
        Object::read(value).is_some_and(|asset| asset.text("href").is_some_and(|href| !href.is_empty()))
    };
    assets.0.iter().filter(|(_, value)| !usable(value)).count()
}

fn rewritten(object: &Object<'_>, href: Option<&str>, out: &mut Vec<u8>) {
    let mut writer = Writer::open(out);
    for (name, value) in &object.0 {
        match href {
            Some(href) if name == "href" => writer.text(name, href),
            _ if nothing(name, value) => {}
            _ => writer.raw(name, value.get()),
        }
    }
    writer.close();
}

/// `Some(None)`: absolute already. `Some(Some(…))`: the absolute form of a relative one. `None`: not to be passed on,
/// because it runs a script, carries its own content, or cannot be resolved.
#[expect(clippy::option_option, reason = "three answers, read by the two functions above only")]
fn absolute(href: &str, base: Option<&Url>) -> Option<Option<String>> {
    match Url::parse(href) {
        Ok(url) => (!matches!(url.scheme(), "javascript" | "data" | "vbscript")).then_some(None),
        Err(url::ParseError::RelativeUrlWithoutBase) => base?.join(href).ok().map(|url| Some(url.to_string())),
        // Not an address that we understand, for example a template: it is the member's, absolute or not.
        Err(_) => Some(None),
    }
}

/// The text of the member's own link of a relation; of several, the first.
pub(super) fn href(links: &RawValue, rels: &[&str]) -> Option<String> {
    array(links)?
        .into_iter()
        .filter_map(Object::read)
        .find(|link| link.get("rel").and_then(text).is_some_and(|rel| rels.contains(&rel.as_ref())))
        .and_then(|link| link.text("href").map(std::borrow::Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(links: &str) -> String {
        let base = Url::parse("https://member.example/api/collections/c").unwrap();
        let mut out = Vec::new();
        pass_on(serde_json::from_str(links).unwrap(), Some(&base), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn structural_links_go_and_others_keep_their_bytes() {
        let links = r#"[{"rel":"self","href":"x"},{"rel":"child","href":"y"},
            {"rel":"http://www.opengis.net/def/rel/ogc/1.0/queryables","href":"https://m.example/q"},
            { "rel":"license", "href":"https://other.example/licence","x":1.0}]"#;
        assert_eq!(passed(links), r#",{ "rel":"license", "href":"https://other.example/licence","x":1.0}"#);
    }

    #[test]
    fn relative_hrefs_become_absolute_and_scripts_go() {
        let links = r#"[{"rel":"preview","href":"./c/p.png","type":null},{"rel":"about","href":"JavaScript:alert(1)"},
            {"rel":"via","href":"data:text/html,x"},{"rel":"store","href":"s3://bucket/key"}]"#;
        assert_eq!(
            passed(links),
            concat!(
                r#",{"rel":"preview","href":"https://member.example/api/collections/c/p.png"}"#,
                r#",{"rel":"store","href":"s3://bucket/key"}"#
            )
        );
    }

    #[test]
    fn links_that_are_none_go_and_are_counted() {
        let links = r#"[{"rel":"about"},7,{"rel":"","href":"https://x.example"},{"rel":"a","href":"https://x.example","title":null},
            {"rel":"b","href":"https://x.example","title":3}]"#;
        assert_eq!(passed(links), r#",{"rel":"a","href":"https://x.example"}"#);
        assert_eq!(faults(serde_json::from_str(links).unwrap()), (4, 1));
    }

    #[test]
    fn assets_are_made_absolute_one_by_one() {
        let base = Url::parse("https://member.example/collections/c").unwrap();
        let mut out = Vec::new();
        let raw = r#"{"a":{"href":"https://x.example/a","n":1.0},"b":{"href":"../b.tif"},"c":{"title":"no href"}}"#;
        assets(serde_json::from_str(raw).unwrap(), Some(&base), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":{"href":"https://x.example/a","n":1.0},"b":{"href":"https://member.example/b.tif"}}"#
        );
    }
}
