//! How the members differ: methods, sorting, page sizes, speed and the form of their `next` links.

use std::time::Duration;

/// How a member says where its next page is (`docs/members.md` names the forms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextForm {
    /// POST: the whole body again with a token; GET: a token in the query.
    WholeBody,
    /// POST: the token alone, to be merged with the body; GET: a token in the query.
    Merge,
    /// GET only: `page=2`.
    PageNumber,
    /// `offset=100`, in the query or to be merged with the body.
    Offset,
}

impl NextForm {
    /// The parameter that carries the place.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::WholeBody | Self::Merge => "token",
            Self::PageNumber => "page",
            Self::Offset => "offset",
        }
    }
}

/// One member's ways.
#[derive(Debug)]
pub struct Habits {
    pub id: &'static str,
    pub title: &'static str,
    /// Path of the landing page below the port.
    pub base: &'static str,
    /// Path of the process service below the port, where the member executes processes.
    pub processes: Option<&'static str>,
    /// False: POST is answered with 405.
    pub post: bool,
    /// False: no Sort class, `sortby` has no effect, and the own order is not by time.
    pub sorts: bool,
    /// False: no Filter class, and `filter` has no effect.
    pub filters: bool,
    /// A larger `limit` is cut to this in silence.
    pub page_items_max: usize,
    pub next: NextForm,
    /// Before every answer to a search.
    pub delay: Duration,
    /// In words, for people.
    pub habit: &'static str,
    pub policy: &'static str,
    /// Rows of its table.
    pub table: &'static str,
}

/// The members, in the order of the federation file.
pub static HABITS: [Habits; 5] = [
    Habits {
        id: "EODC",
        title: "Earth Observation Data Centre",
        base: "/api/v1",
        processes: Some("/oapi"),
        post: true,
        sorts: true,
        filters: true,
        page_items_max: 1000,
        next: NextForm::WholeBody,
        delay: Duration::ZERO,
        habit: "does all that is asked, by POST and by GET; filters; runs processes",
        policy: "an archive: Sentinel-2 of 2019 to 2023, early Landsat",
        table: include_str!("data/eodc.tsv"),
    },
    Habits {
        id: "GRNET-OPENSTACK",
        title: "GRNET relay on OpenStack",
        base: "/stac",
        processes: None,
        post: false,
        sorts: true,
        filters: false,
        page_items_max: 200,
        next: NextForm::PageNumber,
        delay: Duration::ZERO,
        habit: "GET only, pages by number",
        policy: "Sentinel-2 of the last 90 days, and of July to December 2023",
        table: include_str!("data/grnet.tsv"),
    },
    Habits {
        id: "EDITO",
        title: "European Digital Twin of the Ocean",
        base: "/data/catalogs",
        processes: Some("/processes"),
        post: true,
        sorts: true,
        filters: false,
        page_items_max: 50,
        next: NextForm::Merge,
        delay: Duration::ZERO,
        habit: "gives at most 50 Items per page; runs processes",
        policy: "nothing before 1979; projections until 2151",
        table: include_str!("data/edito.tsv"),
    },
    Habits {
        id: "EMODnet",
        title: "European Marine Observation and Data Network",
        base: "/stac",
        processes: None,
        post: true,
        sorts: false,
        filters: false,
        page_items_max: 250,
        next: NextForm::Offset,
        delay: Duration::ZERO,
        habit: "cannot sort, says how many match",
        policy: "European seas, 1958 to 2022",
        table: include_str!("data/emodnet.tsv"),
    },
    Habits {
        id: "CMEMS",
        title: "Copernicus Marine Service",
        base: "/metadata",
        processes: None,
        post: true,
        sorts: true,
        filters: false,
        page_items_max: 500,
        next: NextForm::Merge,
        delay: Duration::from_millis(150),
        habit: "slow: 150 ms for every search",
        policy: "ocean products from 1978 on, each with a start and an end",
        table: include_str!("data/cmems.tsv"),
    },
];
