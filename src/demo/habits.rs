//! How the members differ: kind of catalogue, methods, page sizes and the form of their `next` links.

/// What a member is, in the words of `docs/members.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// A STAC API that does what it says.
    StacApi(Api),
    /// A STAC API that does otherwise than it says: `resto.rs`.
    Resto,
    /// A tree of documents without any API: `files.rs`.
    Files,
    /// OGC API - Records: `records.rs`.
    Records,
}

impl Speaks {
    /// Whether a broker reads it whole, as nothing in it can be searched for Items.
    pub fn read_whole(self) -> bool {
        matches!(self, Self::Files | Self::Records)
    }
}

/// The ways of a STAC API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// False: POST is answered with 405.
    pub post: bool,
    /// False: no Filter class, and `filter` has no effect.
    pub filters: bool,
    /// A larger `limit` is cut to this in silence.
    pub page_items_max: usize,
    pub next: NextForm,
}

/// How a member says where its next page is (`docs/members.md` names the forms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextForm {
    /// POST: the whole body again with a token; GET: a token in the query.
    WholeBody,
    /// GET only: `page=2`.
    PageNumber,
}

impl NextForm {
    /// The parameter that carries the place.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::WholeBody => "token",
            Self::PageNumber => "page",
        }
    }
}

/// One member's ways.
#[derive(Debug)]
pub struct Habits {
    pub id: &'static str,
    pub title: &'static str,
    /// Path of the catalogue below the port.
    pub base: &'static str,
    /// Path of the process service below the port, where the member executes processes.
    pub processes: Option<&'static str>,
    pub speaks: Speaks,
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
        speaks: Speaks::StacApi(Api { post: true, filters: true, page_items_max: 1000, next: NextForm::WholeBody }),
        habit: "does all that is asked, by POST and by GET; filters; runs processes",
        policy: "an archive: Sentinel-2 of 2019 to 2023, early Landsat",
        table: include_str!("data/eodc.tsv"),
    },
    Habits {
        id: "GRNET-OPENSTACK",
        title: "GRNET relay on OpenStack",
        base: "/stac",
        processes: None,
        speaks: Speaks::StacApi(Api { post: false, filters: false, page_items_max: 100, next: NextForm::PageNumber }),
        habit: "GET only, pages by number, at most 100 Items each",
        policy: "Sentinel-2 of the last 90 days, and of July to December 2023",
        table: include_str!("data/grnet.tsv"),
    },
    Habits {
        id: "EDITO",
        title: "European Digital Twin of the Ocean",
        base: "/data",
        processes: Some("/processes"),
        speaks: Speaks::Resto,
        habit: "a resto: GET, newest first, by start alone; estimates counts; runs processes",
        policy: "nothing before 1979; projections until 2151",
        table: include_str!("data/edito.tsv"),
    },
    Habits {
        id: "EMODnet",
        title: "European Marine Observation and Data Network",
        base: "/records",
        processes: None,
        speaks: Speaks::Records,
        habit: "metadata records: read whole, each one an Item, searched here",
        policy: "European seas, 1958 to 2022",
        table: include_str!("data/emodnet.tsv"),
    },
    Habits {
        id: "CMEMS",
        title: "Copernicus Marine Service",
        base: "/metadata",
        processes: None,
        speaks: Speaks::Files,
        habit: "a catalogue of files: read whole, searched here",
        policy: "ocean products from 1978 on, each with a start and an end",
        table: include_str!("data/cmems.tsv"),
    },
];
