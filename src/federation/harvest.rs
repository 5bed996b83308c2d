//! `[member.crawl]`: how often a member that is read whole is read again, and what one reading may cost.

use std::time::Duration;

use url::Url;

use super::{Kind, Member};

/// Period and bounds of the harvests of one member (`static-stac`, `ogc-records`, `csw`).
#[derive(Debug, Clone, PartialEq)]
pub struct Crawl {
    /// From one harvest to the next, spread by 20 % either way.
    pub every: Duration,
    /// One whole harvest; what is read by then is served.
    pub time: Duration,
    /// Documents, or records, of one harvest.
    pub documents_max: usize,
    /// Catalogues inside one another, the root being the first.
    pub depth_max: u32,
    /// One document, after decompression.
    pub document_bytes_max: usize,
    /// All documents of one harvest together.
    pub bytes_max: usize,
    /// Requests at once.
    pub requests_max: usize,
    pub records: Records,
}

/// What becomes of a metadata record (`records_as`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// A Collection without Items.
    Collections,
    /// An Item of the one Collection of this id (`records_collection`).
    Items { collection: String },
}

impl Default for Crawl {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(21_600),
            time: Duration::from_secs(600),
            documents_max: 50_000,
            depth_max: 8,
            document_bytes_max: 8_388_608,
            bytes_max: 536_870_912,
            requests_max: 8,
            records: Records::Collections,
        }
    }
}

impl Member {
    /// What lies below it is the member's: the landing page or, of a catalogue of files, the folder of the root document.
    #[must_use]
    pub fn base(&self) -> Url {
        let folder = (self.kind == Kind::StaticStac).then(|| self.url.join(".").ok()).flatten();
        folder.unwrap_or_else(|| self.url.clone())
    }

    /// Whether it has Items at all: records that become Collections have none (`records_as`).
    #[must_use]
    pub fn has_items(&self) -> bool {
        !self.kind.has_records() || matches!(self.crawl.records, Records::Items { .. })
    }
}
