//! What a member can do: conformance classes, then what a probe saw, overruled by configuration (S8, S10).
//!
//! Pure values. Which parts of a condition a member is given stands in `condition.rs`; what a probe asks, and what it
//! makes of the answers, in `members/probe.rs`.

mod condition;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::dialect::{Filters, Habits, Ids, Seen};
use crate::cql2::Class;
use crate::federation::{Dialect, Member, Method, Support};

pub(super) use condition::weaker;

/// What is known of a member's abilities.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Capabilities {
    /// The kind of server it is taken for, and what gave that away; nothing did where the file says so, or for `standard`.
    pub dialect: Dialect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect_seen: Option<String>,
    /// False until landing page and conformance were read once: until then everything is what the kind implies.
    pub discovered: bool,
    /// Item Search by POST, by GET.
    pub search_post: bool,
    pub search_get: bool,
    /// The broker holds a snapshot of the member and evaluates everything itself.
    pub evaluated_here: bool,
    /// The member has no Item Search: every collection costs a request, and at most so many are asked in one search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections_max: Option<usize>,
    pub datetime: Support,
    pub bbox: Support,
    pub intersects: Support,
    pub ids: Support,
    /// `ids` override every other condition there.
    pub ids_alone: bool,
    /// `datetime` is held against the start of an Item alone: what began before it and lasts is not found by it.
    pub datetime_starts: bool,
    pub collections: Support,
    pub sort: Support,
    /// Fields known to sort; `None`: all, verified while reading.
    pub sort_fields: Option<Vec<String>>,
    /// False: it sorts downwards only, and takes no windows of time to be read upwards by.
    pub sort_ascending: bool,
    /// Attested order without `sortby`: `-datetime` or `datetime`.
    pub native_order: Option<String>,
    pub string_order_bytes: bool,
    pub filter: Support,
    pub filter_lang: Vec<Language>,
    /// Conformance classes of CQL2 that the member declares, by the names of the standard.
    pub filter_classes: Vec<&'static str>,
    /// The language of each method; `None`: no filter by it.
    #[serde(skip)]
    pub spoken: Spoken,
    /// The properties that conditions may name, where the member says that it knows no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queryables: Option<Vec<String>>,
    /// Properties, and at last `*`, on which it refused a condition since it was discovered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_refused: Vec<String>,
    pub query: Support,
    pub fields: Support,
    /// Largest page to ask for.
    pub page_items_max: u32,
    /// Counts are exact unless known to be estimates.
    pub counts_exact: bool,
    /// Whether it counts; `None`: not probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Where each of these comes from, where it is not simply what the kind implies.
    pub sources: BTreeMap<&'static str, Source>,
    /// When the member was last probed to the end.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "instant")]
    pub probed_at: Option<DateTime<Utc>>,
    /// How often it did otherwise than it declares: probes, searches, and refusals together.
    pub contradictions: u32,
    /// What was found that contradicts or limits, for admins.
    pub notes: Vec<String>,
}

#[expect(clippy::ref_option, reason = "the shape that serde asks for")]
fn instant<S: serde::Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&crate::federation::interval::text(*at)),
        None => serializer.serialize_none(),
    }
}

/// A spelling of CQL2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Language {
    #[serde(rename = "cql2-text")]
    Text,
    #[serde(rename = "cql2-json")]
    Json,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// As `filter-lang` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "cql2-text",
            Self::Json => "cql2-json",
        }
    }
}

/// The language that conditions are sent in, by method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoken {
    pub get: Option<Language>,
    pub post: Option<Language>,
}

impl Spoken {
    /// What STAC API expects of each method, as far as the member reads it: text in an address, JSON in a body.
    /// Some servers read JSON only, in addresses too.
    fn of(languages: &[Language]) -> Self {
        let first = |wanted: [Language; 2]| wanted.into_iter().find(|language| languages.contains(language));
        Self { get: first([Language::Text, Language::Json]), post: first([Language::Json, Language::Text]) }
    }
}

/// What a member's counts are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counts {
    Exact,
    Estimated,
    None,
}

/// Where a capability is known from; the later overrules the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Conformance classes and links.
    Declared,
    /// The kind of server it is.
    Dialect,
    /// A probe, or searches that contradicted the declaration.
    Probed,
    /// The federation file.
    File,
}

/// Largest page asked for where nothing is configured.
const PAGE_ITEMS_DEFAULT: u32 = 1000;
/// Bytes of a geometry that a GET carries; many servers refuse longer addresses.
pub const INTERSECTS_GET_BYTES_MAX: usize = 6 << 10;
/// Bytes of a geometry that a POST carries.
pub const INTERSECTS_POST_BYTES_MAX: usize = 256 << 10;
/// Collections of a member without Item Search that one search asks: each is a request.
pub const ITEMS_ONLY_COLLECTIONS_MAX: usize = 20;
/// Items asked for one by one of a member whose `ids` override all else and mean what they say only alone.
pub const IDS_ALONE_MAX: usize = 20;
/// Notes kept for admins.
const NOTES_MAX: usize = 16;
/// Properties that are remembered as refused; beyond it the member is not given conditions until it is discovered again.
const REFUSED_MAX: usize = 32;
/// What stands in `filter_refused` for all conditions.
pub const ALL_REFUSED: &str = "*";

/// Names that earlier drafts had for classes of CQL2; servers still use them.
const OLD_CLASSES: [(Class, &str); 7] = [
    (Class::BasicCql2, "basic-cql"),
    (Class::CaseInsensitiveComparison, "case-insensitive-comparisons"),
    (Class::BasicSpatialFunctions, "basic-spatial-operators"),
    (Class::SpatialFunctions, "spatial-operators"),
    (Class::TemporalFunctions, "temporal-operators"),
    (Class::ArrayFunctions, "array-operators"),
    (Class::Arithmetic, "arithmetic-expressions"),
];

/// What landing page and conformance say.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub conforms_to: Vec<String>,
    /// A `search` link of JSON type, and the methods such links name.
    pub search_link: bool,
    pub search_post: bool,
    /// Neither link nor class, and `/search` is not there: Items are to be had collection by collection.
    pub items_only: bool,
    /// The kind of server it is, if something gave that away.
    pub seen: Option<Seen>,
}

impl Found {
    /// Whether a class is declared, in whatever version.
    #[must_use]
    pub fn has(&self, class: &str) -> bool {
        self.conforms_to.iter().any(|uri| is_class(uri, class))
    }
}

impl Capabilities {
    /// What the kind implies, overruled by configuration: all that is known before the member was reached.
    ///
    /// It is taken to sort, so that one member that was never reached does not change the order of all; a wrong guess
    /// shows while reading, as `order-violation`.
    #[must_use]
    pub fn implied(member: &Member) -> Self {
        let mut known = Self {
            dialect: Dialect::Standard,
            dialect_seen: None,
            discovered: false,
            search_post: member.request.method != Method::Get,
            search_get: member.request.method != Method::Post,
            evaluated_here: false,
            collections_max: None,
            datetime: Support::Exact,
            bbox: Support::Exact,
            intersects: Support::Exact,
            ids: Support::Exact,
            ids_alone: false,
            datetime_starts: false,
            collections: Support::Exact,
            sort: Support::Exact,
            sort_fields: None,
            sort_ascending: true,
            native_order: None,
            string_order_bytes: false,
            filter: Support::Unsupported,
            filter_lang: Vec::new(),
            filter_classes: Vec::new(),
            spoken: Spoken::default(),
            queryables: None,
            filter_refused: Vec::new(),
            query: Support::Unsupported,
            fields: Support::Unsupported,
            page_items_max: member.request.page_items_max.unwrap_or(PAGE_ITEMS_DEFAULT).max(1),
            counts_exact: true,
            counts: None,
            sources: BTreeMap::new(),
            probed_at: None,
            contradictions: 0,
            notes: Vec::new(),
        };
        known.follow(member, Habits::of(member.request.dialect));
        known.overrule(member);
        known
    }

    /// What discovery found, overruled by configuration.
    #[must_use]
    pub fn discovered(member: &Member, found: &Found) -> Self {
        let support = |class: &str| if found.has(class) { Support::Exact } else { Support::Unsupported };
        let mut known = Self { discovered: true, ..Self::implied(member) };
        known.sort = support("item-search#sort");
        known.filter = support("item-search#filter");
        known.query = support("item-search#query");
        known.fields = support("item-search#fields");
        let by_old_name = |class: Class| OLD_CLASSES.iter().any(|(new, old)| *new == class && found.has(old));
        let classes = Class::ALL.into_iter().filter(|class| found.has(class.name()) || by_old_name(*class));
        known.filter_classes = classes.map(Class::name).collect();
        known.filter_lang = Language::ALL.into_iter().filter(|language| found.has(language.name())).collect();
        known.spoken = Spoken::of(&known.filter_lang);
        for name in ["sort", "filter", "query", "fields"] {
            known.sources.insert(name, Source::Declared);
        }
        known.note_search(member, found);
        let seen = found.seen.as_ref().filter(|_| member.request.dialect == Dialect::Auto);
        known.dialect_seen = seen.map(|seen| seen.sign.clone());
        known.follow(member, Habits::of(seen.map_or(member.request.dialect, |seen| seen.dialect)));
        known.overrule(member);
        known
    }

    /// What a member can do whose snapshot is searched in the broker: everything, exactly.
    #[must_use]
    pub fn evaluated_here(member: &Member) -> Self {
        Self {
            discovered: true,
            evaluated_here: true,
            // there is no address that anything would have to fit in
            search_post: true,
            search_get: true,
            string_order_bytes: true,
            filter: Support::Exact,
            filter_lang: Language::ALL.to_vec(),
            filter_classes: Class::ALL.into_iter().map(Class::name).collect(),
            counts: Some(Counts::Exact),
            ..Self::implied(member)
        }
    }

    /// What a kind of server does otherwise than it declares.
    fn follow(&mut self, member: &Member, habits: &Habits) {
        self.dialect = habits.dialect;
        if !habits.post && member.request.method != Method::Post {
            (self.search_post, self.search_get) = (false, true);
        }
        let most = member.request.page_items_max.or(habits.page_items_max);
        self.page_items_max = most.unwrap_or(PAGE_ITEMS_DEFAULT).max(1);
        self.follow_conditions(habits);
        if let Some(fields) = habits.sorting.fields {
            self.sort = Support::Exact;
            self.sort_fields = Some(fields.iter().map(|(ours, _)| (*ours).to_owned()).collect());
            self.sources.insert("sort", Source::Dialect);
        }
        // upwards it can be read by windows of time
        self.sort_ascending = habits.sorting.ascending || self.datetime != Support::Unsupported;
        self.ids_alone = habits.ids == Ids::OverrideOneByOne;
        self.datetime_starts = habits.times.starts_only;
        self.counts_exact &= !habits.counts_estimated;
    }

    fn follow_conditions(&mut self, habits: &Habits) {
        let languages: Option<&[Language]> = match &habits.filters {
            Filters::Declared => None,
            Filters::Never => Some(&[]),
            Filters::Only(languages) => Some(languages),
            Filters::Plain(language) => Some(std::slice::from_ref(language)),
        };
        if let Some(languages) = languages {
            self.filter_lang = languages.to_vec();
            self.spoken = Spoken::of(languages);
            self.sources.insert("filter_lang", Source::Dialect);
        }
        for (name, place, usable) in [
            ("datetime", &mut self.datetime, true),
            ("bbox", &mut self.bbox, true),
            ("intersects", &mut self.intersects, true),
            ("ids", &mut self.ids, true),
            ("collections", &mut self.collections, true),
            ("filter", &mut self.filter, habits.filters != Filters::Never),
            ("query", &mut self.query, habits.query),
        ] {
            let most = match usable && habits.knows(name) {
                false => Support::Unsupported,
                true if habits.exact => Support::Exact,
                true => Support::Inexact,
            };
            let lowered = weaker(*place, most);
            if lowered != *place {
                *place = lowered;
                self.sources.insert(name, Source::Dialect);
            }
        }
    }

    /// What is known of the kind of server it is.
    #[must_use]
    pub fn habits(&self) -> &'static Habits {
        Habits::of(self.dialect)
    }

    fn note_search(&mut self, member: &Member, found: &Found) {
        if member.request.method == Method::Auto && found.search_link && !found.search_post {
            self.search_post = false;
        }
        if found.items_only {
            self.without_search();
            self.note("no Item Search: each collection costs a request, and the broker does the rest");
        } else if !found.search_link && !found.has("item-search") {
            self.note("neither a `search` link nor the Item Search class: asked at `/search` all the same");
        } else if !found.search_link {
            self.note("no `search` link of a JSON type: asked at `/search`");
        } else if !found.has("item-search") {
            self.note("a `search` link without the Item Search class");
        }
        if self.filter != Support::Unsupported && self.filter_lang.is_empty() {
            self.note("declares Filter, but no language of CQL2: asked without conditions");
        }
    }

    /// OGC API - Features: `bbox`, `datetime` and `limit`, for one collection at a time.
    fn without_search(&mut self) {
        (self.search_post, self.search_get) = (false, true);
        self.collections_max = Some(ITEMS_ONLY_COLLECTIONS_MAX);
        (self.sort, self.filter, self.query, self.fields) =
            (Support::Unsupported, Support::Unsupported, Support::Unsupported, Support::Unsupported);
        self.intersects = Support::Unsupported;
        // a few Items are asked for by their own addresses, many are looked for among all
        self.ids = Support::Inexact;
    }

    /// The federation file has the last word. What it cannot give is an Item Search.
    fn overrule(&mut self, member: &Member) {
        let declared = &member.capabilities;
        if declared.sort_fields.is_some() {
            self.sort_fields.clone_from(&declared.sort_fields);
        }
        self.native_order.clone_from(&declared.native_order);
        self.string_order_bytes = declared.string_order_bytes;
        if self.collections_max.is_some() {
            return;
        }
        let mut set = |name, value: Option<Support>, place: &mut Support| {
            if let Some(value) = value {
                *place = value;
                self.sources.insert(name, Source::File);
            }
        };
        set("sort", declared.sort, &mut self.sort);
        set("intersects", declared.intersects, &mut self.intersects);
        set("filter", declared.filter, &mut self.filter);
        set("query", declared.query, &mut self.query);
        set("fields", declared.fields, &mut self.fields);
        if let Some(languages) = &declared.filter_lang {
            self.filter_lang =
                Language::ALL.into_iter().filter(|known| languages.iter().any(|name| name == known.name())).collect();
            self.sources.insert("filter_lang", Source::File);
        } else if declared.filter.is_some_and(|support| support != Support::Unsupported) && self.filter_lang.is_empty()
        {
            self.filter_lang = Language::ALL.to_vec();
        }
        self.spoken = Spoken::of(&self.filter_lang);
    }

    /// Whether the federation file vouches for a capability.
    #[must_use]
    pub fn from_file(&self, name: &str) -> bool {
        self.sources.get(name) == Some(&Source::File)
    }

    /// Whether searches go by POST.
    #[must_use]
    pub fn by_post(&self) -> bool {
        self.search_post
    }

    pub(super) fn note(&mut self, text: &str) {
        if self.notes.len() < NOTES_MAX && !self.notes.iter().any(|note| note == text) {
            self.notes.push(text.to_owned());
        }
    }

    /// Notes that the member does otherwise than it declares.
    pub(super) fn contradicted(&mut self, text: &str) {
        self.contradictions = self.contradictions.saturating_add(1);
        self.note(text);
    }

    /// Conditions count as inexact from now on, unless the federation file vouches for them.
    pub(super) fn distrust(&mut self) {
        for (name, support) in [("filter", &mut self.filter), ("query", &mut self.query)] {
            if *support != Support::Exact {
                continue;
            }
            if self.sources.get(name) == Some(&Source::File) {
                let text =
                    format!("the federation file says `{name} = \"exact\"`, but Items outside the condition come");
                if !self.notes.contains(&text) && self.notes.len() < NOTES_MAX {
                    self.notes.push(text);
                }
                continue;
            }
            *support = Support::Inexact;
            self.sources.insert(name, Source::Probed);
        }
    }

    /// Remembers properties on which the member refused a condition; the plan leaves them to the broker from now on.
    pub(super) fn refuse(&mut self, properties: impl IntoIterator<Item = String>) {
        for property in properties {
            if self.filter_refused.len() >= REFUSED_MAX {
                self.filter_refused = vec![ALL_REFUSED.to_owned()];
                return;
            }
            if !self.filter_refused.contains(&property) {
                self.filter_refused.push(property);
            }
        }
    }
}

/// Whether a conformance URI names a class, whatever its version, host, and `conf` or `req`. A class of a part (`item-search#sort`)
/// is written after `#`; servers put `/` or `/#` there as well.
fn is_class(uri: &str, class: &str) -> bool {
    let uri = uri.trim().trim_end_matches('/').to_ascii_lowercase().replace("/#", "#");
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
            "https://api.stacspec.org/v1.0.0-beta.3/item-search/#sort",
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

    #[test]
    fn each_method_has_the_language_that_it_can_carry() {
        let both = Spoken::of(&Language::ALL);
        assert_eq!((both.get, both.post), (Some(Language::Text), Some(Language::Json)));
        let json = Spoken::of(&[Language::Json]);
        assert_eq!((json.get, json.post), (Some(Language::Json), Some(Language::Json)));
        assert_eq!(Spoken::of(&[]), Spoken::default());
    }
}
