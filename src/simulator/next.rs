//! The `next` link of a page, in the form that a catalogue has for it, and where its faults change that.

use std::fmt::Write as _;

use serde_json::json;

use crate::members::wire::Sent;

use super::faults::Fault;
use super::member::{Asked, Catalogue, NextForm, Thing};

impl Catalogue {
    /// The `next` link, and whether it is a header.
    pub fn next(&mut self, asked: &Asked, sent: &Sent, until: usize, size: usize, list: &[usize]) -> (String, bool) {
        let until = if !asked.sortby.is_empty() && self.bite(Fault::NextLostWithSortby) { size } else { until };
        let last: Option<&Thing> = until.checked_sub(1).and_then(|at| list.get(at)).map(|&index| &self.things[index]);
        let id = last.map_or_else(String::new, Thing::name);
        let mut token = format!("{}.{}.{id}", until.saturating_sub(1), self.clock_ms());
        if self.on(Fault::EmptyPagesForEver) {
            let _ = write!(token, "{}", self.searches);
        }
        if self.bite(Fault::HugeToken) {
            token.push_str(&"x".repeat(3 << 10));
        }
        let pad = asked.pad + 400;
        let pad = if self.bite(Fault::GrowingNext) { "p".repeat(pad) } else { String::new() };
        let form = self.habits.next;
        if asked.by_post && matches!(form, NextForm::Merge | NextForm::Whole) {
            let mut body = json!({"token": token});
            if form == NextForm::Whole {
                body = sent.body.as_deref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
                body["token"] = token.into();
            }
            if !pad.is_empty() {
                body["pad"] = pad.into();
            }
            let href = self.href();
            let link =
                json!({"rel": "next", "method": "POST", "href": href, "body": body, "merge": form == NextForm::Merge});
            return (link.to_string(), false);
        }
        let keep = |name: &str| !matches!(name, "token" | "page" | "pad");
        let mut query: Vec<(String, String)> =
            sent.url.query_pairs().into_owned().filter(|(name, _)| keep(name)).collect();
        if form == NextForm::Page && !asked.by_post && pad.is_empty() && asked.token.is_none() {
            query.push(("page".to_owned(), (until / size.max(1) + 1).to_string()));
        } else {
            query.push(("token".to_owned(), token));
        }
        if !pad.is_empty() {
            query.push(("pad".to_owned(), pad));
        }
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let href = format!("{}?{text}", self.href());
        if form == NextForm::Header {
            return (format!(r#"<{href}>; rel="next"; type="application/geo+json""#), true);
        }
        (json!({"rel": "next", "href": href, "type": "application/geo+json"}).to_string(), false)
    }

    /// The address of the search as the catalogue writes it into links.
    fn href(&mut self) -> String {
        let host = format!("https://{}.sim", self.id.to_lowercase());
        if self.bite(Fault::InternalHostInNext) {
            "http://10.0.0.5:8080/inside/search".to_owned()
        } else if self.bite(Fault::PrefixLost) {
            format!("{host}/search")
        } else if self.bite(Fault::PrefixDoubled) {
            format!("{host}/stac/stac/search")
        } else if self.bite(Fault::SchemeMalformed) {
            format!("http,{host}/stac/search")
        } else {
            format!("{host}/stac/search")
        }
    }
}
