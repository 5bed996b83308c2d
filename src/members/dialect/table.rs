//! One row for each dialect: what `members.md` section 6 says of it, with where that was seen.

use super::{Filters, Habits, Ids, Paging, Signs, Sorting, Times};
use crate::federation::Dialect;
use crate::members::capabilities::Language;

/// The row of a dialect.
pub(super) const fn row(dialect: Dialect) -> &'static Habits {
    match dialect {
        Dialect::Auto | Dialect::Standard => &STANDARD,
        Dialect::Resto => &RESTO,
        Dialect::Page => &PAGE,
        Dialect::StacServer => &STAC_SERVER,
        Dialect::Pgstac => &PGSTAC,
        Dialect::PlanetaryComputer => &PLANETARY_COMPUTER,
        Dialect::Cmr => &CMR,
        Dialect::Fedeo => &FEDEO,
        Dialect::Geoserver => &GEOSERVER,
    }
}

/// A server that does what it declares; what it declares wrongly is found while reading and by probes.
const STANDARD: Habits = Habits {
    dialect: Dialect::Standard,
    page_items_max: None,
    post: true,
    parameters: None,
    filters: Filters::Declared,
    query: true,
    exact: true,
    sorting: Sorting { fields: None, signs: Signs::Standard, ascending: true },
    times: Times { starts_only: false, end_short_ms: 0, timeless_first: false },
    geometry_collections: true,
    ids: Ids::Condition,
    counts_estimated: false,
    empty_page_ends: false,
    full_page_ends: true,
    paging: Paging::Next,
    pages_max: None,
    halves: false,
    names_collections: false,
    refuses_unknown_collections: false,
    concurrency_max: None,
    properties: &[],
};

/// resto 10 (jjrom/resto, `app/resto/core`): EDITO.
///
/// - `api/STACAPI.php`: the body of a POST becomes parameters, and an unknown one is an error.
/// - `RestoModel.php`: `limit` at most 500; `sortby` is `startDate` or `created` with a minus for *ascending*; an unknown
///   parameter of a GET is a word to look for, so nothing is sent that it does not know.
/// - `models/DefaultModel.php`, `dbfunctions/FiltersFunctions.php`: `datetime` is held against the start of an Item alone.
///   Both ends become numbers of `(milliseconds << 17) + count`, so that of the last millisecond nothing is found.
/// - `FiltersFunctions.php`: `ids` are turned into the server's own where there is one of them, not where there are several.
/// - `RestoFeatureCollection.php`: a `next` link on every full page, unless Items have no time; `next=<number>` means
///   "less than" in either direction, so that an ascending list begins anew on its second page.
/// - `api/STACAPI.php`: a single collection is looked for first, and is 404 where it is not there.
/// - `utils/FilterParser.php`: triplets joined by AND; OR loses its place in a longer condition.
const RESTO: Habits = Habits {
    dialect: Dialect::Resto,
    page_items_max: Some(500),
    post: false,
    parameters: Some(&[
        "limit",
        "collections",
        "ids",
        "intersects",
        "bbox",
        "datetime",
        "sortby",
        "filter",
        "filter-lang",
        "next",
    ]),
    filters: Filters::Plain(Language::Text),
    query: false,
    sorting: Sorting {
        fields: Some(&[("properties.datetime", "startDate")]),
        signs: Signs::Reversed,
        ascending: false,
    },
    times: Times { starts_only: true, end_short_ms: 1, timeless_first: true },
    geometry_collections: false,
    ids: Ids::OverrideOneByOne,
    counts_estimated: true,
    empty_page_ends: true,
    full_page_ends: false,
    paging: Paging::Only(&["next"]),
    refuses_unknown_collections: true,
    ..STANDARD
};

/// The older CDSE and CREODIAS catalogues: GET only, pages by number, and nothing sent that they do not know.
///
/// eu-cdse/documentation#101, #123, #132; stac-utils/pystac-client#641, #775.
const PAGE: Habits = Habits {
    dialect: Dialect::Page,
    page_items_max: Some(1000),
    post: false,
    parameters: Some(&["limit", "collections", "ids", "bbox", "datetime", "sortby", "page"]),
    filters: Filters::Never,
    query: false,
    sorting: Sorting { fields: Some(&[("properties.datetime", "datetime")]), signs: Signs::Standard, ascending: true },
    empty_page_ends: true,
    full_page_ends: false,
    paging: Paging::Numbered("page"),
    pages_max: Some(100),
    properties: &[("eo:cloud_cover", "cloudCover"), ("eo:snow_cover", "snowCover")],
    ..STANDARD
};

/// stac-server (stac-utils/stac-server, `src/lib/api.ts`, `api-utils.ts`): earth-search, USGS.
///
/// - A `next` link stands on every page with an Item, so that an empty page ends the list, and no full page without one does.
/// - `filter-lang` is `cql2-json` or an error, by GET too.
/// - Answers of more than some 6 MB fail with an error of its own (Element84/earth-search#60): 267 Items of Sentinel-2.
const STAC_SERVER: Habits = Habits {
    dialect: Dialect::StacServer,
    page_items_max: Some(200),
    filters: Filters::Only(&[Language::Json]),
    empty_page_ends: true,
    full_page_ends: false,
    halves: true,
    ..STANDARD
};

/// pgSTAC behind stac-fastapi: its counts may be estimates (stac-utils/pgstac, `src/pgstac/sql/004_search.sql`).
const PGSTAC: Habits = Habits { dialect: Dialect::Pgstac, counts_estimated: true, ..STANDARD };

/// Planetary Computer: pgSTAC for everybody, so that wide and many requests are answered late or not at all.
///
/// microsoft/PlanetaryComputer#163, #427, #442; microsoft/planetary-computer-apis#274: `next` is missing at times.
const PLANETARY_COMPUTER: Habits = Habits {
    dialect: Dialect::PlanetaryComputer,
    page_items_max: Some(1000),
    full_page_ends: false,
    names_collections: true,
    concurrency_max: Some(4),
    ..PGSTAC
};

/// CMR-STAC (nasa/cmr-stac, `src/domains/stac.ts`, `src/routes/search.ts`): one provider of CMR at each address.
///
/// - The `next` link repeats the whole query in brackets; `cursor` alone is its own.
/// - Boxes lose their height, polygons their holes, `ids` match names, `query` knows the cloud cover and no `<`: all of
///   it is held against each Item.
const CMR: Habits = Habits {
    dialect: Dialect::Cmr,
    filters: Filters::Never,
    query: false,
    exact: false,
    paging: Paging::Only(&["cursor"]),
    ..STANDARD
};

/// FedEO: what is odd about it, links of many types and places by `startRecord`, is read at every member.
const FEDEO: Habits = Habits { dialect: Dialect::Fedeo, ..STANDARD };

/// GeoServer: a format in every address, with a twin for people, which is read at every member; no CQL2 JSON.
const GEOSERVER: Habits = Habits { dialect: Dialect::Geoserver, filters: Filters::Only(&[Language::Text]), ..STANDARD };
