//! What a member can do: conformance classes, overruled by configuration (S8, S10).

use crate::federation::Support;

/// What is known of a member's abilities.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Capabilities {
    /// False until landing page and conformance were read once: then everything is what the kind implies.
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
