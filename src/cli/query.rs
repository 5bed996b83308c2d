//! What `explain` and `search` have in common: where to ask, and the conditions of a search.

use std::path::PathBuf;

use url::Url;

use super::FileArg;

/// Largest file of `--intersects`; a broker takes no larger body by default.
const GEOMETRY_BYTES_MAX: u64 = 1_048_576;

/// A federation file, or a running broker.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    #[command(flatten)]
    pub(crate) file: FileArg,
    /// Ask a running broker instead: the address of its landing page
    #[arg(long, value_name = "BROKER", value_parser = broker, conflicts_with = "file")]
    pub(crate) url: Option<Url>,
}

/// The conditions of a search, as clients write them in a query string.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SearchArgs {
    /// Collections, qualified (`EODC|sentinel1-grd`) or bare, separated by commas
    #[arg(long, value_name = "A,B")]
    pub(crate) collections: Option<String>,
    /// west,south,east,north in degrees; west may be greater than east
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true, conflicts_with = "intersects")]
    pub(crate) bbox: Option<String>,
    /// File with a GeoJSON geometry
    #[arg(long, value_name = "FILE")]
    pub(crate) intersects: Option<PathBuf>,
    /// An RFC 3339 time, or an interval a/b with `..` for an open end
    #[arg(long, value_name = "TIME")]
    pub(crate) datetime: Option<String>,
    /// Item ids, separated by commas
    #[arg(long, value_name = "ID,ID")]
    pub(crate) ids: Option<String>,
    /// Fields to sort by, each with + or - in front: -datetime,+id
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    pub(crate) sortby: Option<String>,
    /// A condition in CQL2, as text or as JSON: "platform = 'sentinel-2a'"
    #[arg(long, value_name = "CQL2")]
    pub(crate) filter: Option<String>,
    /// A condition of the Query extension: {"platform": {"eq": "sentinel-2a"}}
    #[arg(long, value_name = "JSON")]
    pub(crate) query: Option<String>,
}

impl SearchArgs {
    /// The conditions as the parameters of `GET /search`.
    ///
    /// # Errors
    /// A sentence, when the geometry cannot be read.
    pub(crate) fn pairs(&self) -> Result<Vec<(String, String)>, String> {
        let intersects = self.intersects.as_ref().map(|path| geometry(path)).transpose()?;
        let given = [
            ("collections", self.collections.clone()),
            ("bbox", self.bbox.clone()),
            ("intersects", intersects),
            ("datetime", self.datetime.clone()),
            ("ids", self.ids.clone()),
            ("sortby", self.sortby.clone()),
            ("filter", self.filter.clone()),
            ("filter-lang", self.filter.as_deref().map(language).map(str::to_owned)),
            ("query", self.query.clone()),
        ];
        Ok(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }
}

/// Only JSON begins with a brace.
fn language(filter: &str) -> &'static str {
    if filter.trim_start().starts_with('{') { "cql2-json" } else { "cql2-text" }
}

fn geometry(path: &std::path::Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("`--intersects` cannot read `{}`: {error}", path.display());
    let size = std::fs::metadata(path).map_err(told)?.len();
    if size > GEOMETRY_BYTES_MAX {
        return Err(format!(
            "`--intersects` is `{}` with {size} bytes; accepted: up to {GEOMETRY_BYTES_MAX}",
            path.display()
        ));
    }
    std::fs::read_to_string(path).map_err(told)
}

/// The address of a resource below a broker's landing page, with these parameters.
pub(crate) fn below(broker: &Url, path: &str, pairs: &[(String, String)]) -> Url {
    let mut url = broker.clone();
    url.set_path(&format!("{}/{path}", broker.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url
}

fn broker(given: &str) -> Result<Url, String> {
    let url = Url::parse(given).map_err(|error| format!("{error}; accepted: http://… or https://…"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err("accepted: http://… or https://…".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_parameters_in_one_order() {
        let args =
            SearchArgs { collections: Some("A|x,b".into()), sortby: Some("+id".into()), ..SearchArgs::default() };
        let url = below(&"http://127.0.0.1:80/v1/?x=1#y".parse().unwrap(), "search", &args.pairs().unwrap());
        assert_eq!(url.as_str(), "http://127.0.0.1/v1/search?collections=A%7Cx%2Cb&sortby=%2Bid");
        let bare = below(&"http://127.0.0.1:8080".parse().unwrap(), "search/explain", &[]);
        assert_eq!(bare.as_str(), "http://127.0.0.1:8080/search/explain");
    }

    #[test]
    fn a_filter_goes_with_its_language() {
        let pairs = |filter: &str| SearchArgs { filter: Some(filter.into()), ..SearchArgs::default() }.pairs().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("a = 1"), [pair("filter", "a = 1"), pair("filter-lang", "cql2-text")]);
        let json = r#" {"op": "isNull", "args": [{"property": "a"}]}"#;
        assert_eq!(pairs(json), [pair("filter", json), pair("filter-lang", "cql2-json")]);
    }

    #[test]
    fn a_geometry_is_read_from_its_file_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("area.geojson");
        let pairs = |path: PathBuf| SearchArgs { intersects: Some(path), ..SearchArgs::default() }.pairs();
        std::fs::write(&path, r#"{"type":"Point","coordinates":[1,2]}"#).unwrap();
        assert_eq!(pairs(path.clone()).unwrap()[0].1, r#"{"type":"Point","coordinates":[1,2]}"#);
        std::fs::write(&path, vec![b' '; 1_048_577]).unwrap();
        assert!(pairs(path).unwrap_err().contains("1048577 bytes"));
        assert!(pairs(folder.path().join("none")).unwrap_err().contains("`--intersects` cannot read"));
    }

    #[test]
    fn a_broker_is_an_http_address() {
        assert!(broker("https://stac.example.org/v1").is_ok());
        for wrong in ["stac.example.org", "file:///x", "ftp://x.example"] {
            assert!(broker(wrong).is_err(), "{wrong}");
        }
    }
}
