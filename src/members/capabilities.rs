//! What a member can do: conformance classes, overruled by configuration (S8, S10).

use crate::cql2::Expr;
use crate::federation::{Member, Method, Support};

/// What is known of a member's abilities.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Capabilities {
    /// False until landing page and conformance were read once: until then everything is what the kind implies.
    pub discovered: bool,
    /// Item Search by POST, by GET.
    pub search_post: bool,
    pub search_get: bool,
    pub datetime: Support,
    pub bbox: Support,
    pub intersects: Support,
    pub ids: Support,
    pub collections: Support,
    pub sort: Support,
    /// Fields known to sort; `None`: all, verified while reading.
    pub sort_fields: Option<Vec<String>>,
    /// Attested order without `sortby`: `-datetime` or `datetime`.
    pub native_order: Option<String>,
    pub string_order_bytes: bool,
    pub filter: Support,
    pub filter_lang: Vec<String>,
    pub query: Support,
    pub fields: Support,
    /// Largest page to ask for.
    pub page_items_max: u32,
    /// Counts are exact unless known to be estimates.
    pub counts_exact: bool,
    /// What was found that contradicts or limits, for admins.
    pub notes: Vec<String>,
}

/// Largest page asked for where nothing is configured.
const PAGE_ITEMS_DEFAULT: u32 = 1000;
/// Bytes of a geometry that a GET carries; many servers refuse longer addresses.
pub const INTERSECTS_GET_BYTES_MAX: usize = 6 << 10;
/// Bytes of a geometry that a POST carries.
pub const INTERSECTS_POST_BYTES_MAX: usize = 256 << 10;
/// Notes kept for admins.
const NOTES_MAX: usize = 16;

/// What landing page and conformance say.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub conforms_to: Vec<String>,
    /// A `search` link of JSON type, and the methods such links name.
    pub search_link: bool,
    pub search_post: bool,
}

impl Capabilities {
    /// What the kind implies, overruled by configuration: all that is known before the member was reached.
    ///
    /// It is taken to sort, so that one member that was never reached does not change the order of all; a wrong guess
    /// shows while reading, as `order-violation`.
    #[must_use]
    pub fn implied(member: &Member) -> Self {
        let declared = &member.capabilities;
        Self {
            discovered: false,
            search_post: member.request.method != Method::Get,
            search_get: member.request.method != Method::Post,
            datetime: Support::Exact,
            bbox: Support::Exact,
            intersects: declared.intersects.unwrap_or(Support::Exact),
            ids: Support::Exact,
            collections: Support::Exact,
            sort: declared.sort.unwrap_or(Support::Exact),
            sort_fields: declared.sort_fields.clone(),
            native_order: declared.native_order.clone(),
            string_order_bytes: declared.string_order_bytes,
            filter: Support::Unsupported,
            filter_lang: Vec::new(),
            query: Support::Unsupported,
            fields: Support::Unsupported,
            page_items_max: member.request.page_items_max.unwrap_or(PAGE_ITEMS_DEFAULT).max(1),
            counts_exact: true,
            notes: Vec::new(),
        }
    }

    /// What discovery found, overruled by configuration.
    #[must_use]
    pub fn discovered(member: &Member, found: &Found) -> Self {
        let has = |class: &str| found.conforms_to.iter().any(|uri| is_class(uri, class));
        let declared = &member.capabilities;
        let support = |class: &str| if has(class) { Support::Exact } else { Support::Unsupported };
        let mut known = Self { discovered: true, ..Self::implied(member) };
        known.sort = declared.sort.unwrap_or_else(|| support("item-search#sort"));
        known.filter = support("item-search#filter");
        known.query = support("item-search#query");
        known.fields = support("item-search#fields");
        let languages = ["cql2-text", "cql2-json"].into_iter().filter(|language| has(language));
        known.filter_lang = languages.map(str::to_owned).collect();
        if member.request.method == Method::Auto && found.search_link && !found.search_post {
            known.search_post = false;
        }
        if !found.search_link && !has("item-search") {
            known.note("neither a `search` link nor the Item Search class: asked at `/search` all the same");
        } else if !found.search_link {
            known.note("no `search` link of a JSON type: asked at `/search`");
        } else if !has("item-search") {
            known.note("a `search` link without the Item Search class");
        }
        known
    }

    /// How the member evaluates a condition that is joined to the rest by AND (S8).
    #[must_use]
    pub fn condition(&self, _condition: &Expr) -> Support {
        Support::Unsupported
    }

    pub(super) fn note(&mut self, text: &str) {
        if self.notes.len() < NOTES_MAX && !self.notes.iter().any(|note| note == text) {
            self.notes.push(text.to_owned());
        }
    }
}

/// Whether a conformance URI names a class, whatever its version, host, and `conf` or `req`. A class of a part (`item-search#sort`)
/// is written after `#`; servers put `/` there as well.
fn is_class(uri: &str, class: &str) -> bool {
    let uri = uri.trim().trim_end_matches('/').to_ascii_lowercase();
    let ends = |class: &str| uri.strip_suffix(class).is_some_and(|before| before.ends_with(['/', '#']));
    ends(class) || (class.contains('#') && ends(&class.replace('#', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_match_by_suffix_in_any_version() {
        for uri in [
            "https://api.stacspec.org/v1.0.0/item-search#sort",
            "https://api.stacspec.org/v1.0.0-rc.1/item-search#sort",
            "http://stac.example/req/item-search/sort/",
        ] {
            assert!(is_class(uri, "item-search#sort"), "{uri}");
        }
        for uri in [
            "https://api.stacspec.org/v1.0.0/item-search#sortables",
            "https://api.stacspec.org/v1.0.0/item-search",
            "xitem-search#sort",
            "",
        ] {
            assert!(!is_class(uri, "item-search#sort"), "{uri}");
        }
        assert!(is_class("https://api.stacspec.org/v1.0.0/item-search", "item-search"));
    }
}
