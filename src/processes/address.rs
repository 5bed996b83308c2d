//! Addresses compared by their parts: kind of scheme, host, port, and path at the borders of its segments. Never a prefix
//! of the text, which `https://data.example.org.elsewhere` would have too (`processes.md` 3).

use percent_encoding::percent_decode_str;
use url::Url;

/// The decoded segments of an address below a base; `None` when it does not lie below.
#[must_use]
pub fn below(base: &Url, url: &Url) -> Option<Vec<String>> {
    let web = |url: &Url| matches!(url.scheme(), "http" | "https");
    let same_kind = base.scheme() == url.scheme() || (web(base) && web(url));
    // `port` is absent where it is the scheme's own, so that http and https meet there.
    if !same_kind || base.host() != url.host() || base.port() != url.port() {
        return None;
    }
    let mut path = segments(url.path());
    let base = segments(base.path());
    if path.len() < base.len() || path[..base.len()] != base[..] {
        return None;
    }
    path.drain(..base.len());
    // What cannot be read as text is no path of ours; the address still lies below.
    Some(path)
}

/// How deep a base lies, to prefer the nearer of two.
#[must_use]
pub fn depth(base: &Url) -> usize {
    segments(base.path()).len()
}

fn segments(path: &str) -> Vec<String> {
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
}

/// How many segments of a place of data this prefix covers; `None` when the place lies elsewhere.
///
/// Both may be addresses or places in stores (`s3://bucket/key`), whose keys are compared letter by letter.
#[must_use]
pub fn covers(prefix: &str, place: &str) -> Option<usize> {
    let is_web = |text: &str| {
        text.split_once("://")
            .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
    };
    if is_web(prefix) {
        let (prefix, place) = (Url::parse(prefix).ok()?, Url::parse(place).ok()?);
        return below(&prefix, &place).map(|_| depth(&prefix) + 1);
    }
    let (scheme, rest) = prefix.split_once("://")?;
    let (other, place) = place.split_once("://")?;
    let rest = rest.trim_end_matches('/');
    let after = place.strip_prefix(rest)?;
    let at_border = after.is_empty() || after.starts_with('/');
    // A key with such a segment means another place to some clients.
    let plain = !after.split('/').any(|segment| segment == "..");
    (scheme.eq_ignore_ascii_case(other) && at_border && plain).then(|| rest.split('/').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_below_at_borders_only() {
        let base: Url = "https://Data.example.org/oapi".parse().unwrap();
        let path = |text: &str| below(&base, &text.parse().unwrap());
        assert_eq!(path("https://data.example.org/oapi").unwrap(), Vec::<String>::new());
        assert_eq!(path("http://data.example.org/oapi/jobs/a%2Fb?x=1").unwrap(), ["jobs", "a/b"]);
        assert_eq!(path("https://data.example.org:443/oapi//jobs/").unwrap(), ["jobs"]);
        for other in [
            "https://data.example.org/oapi2/jobs",
            "https://data.example.org.elsewhere/oapi/jobs",
            "https://data.example.org:8443/oapi/jobs",
            "https://data.example.org/oapi/../jobs",
            "ftp://data.example.org/oapi/jobs",
            "https://user@elsewhere/oapi",
        ] {
            assert_eq!(path(other), None, "{other}");
        }
    }

    #[test]
    fn data_prefixes_cover_at_borders_only() {
        assert_eq!(covers("s3://bucket/", "s3://bucket/a/b.zarr"), Some(1));
        assert_eq!(covers("s3://bucket/a", "S3://bucket/a/b.zarr"), Some(2));
        assert_eq!(covers("s3://bucket/a", "s3://bucket/a"), Some(2));
        assert_eq!(covers("https://data.example.org/x/", "https://data.example.org/x/y.nc?sig=1"), Some(2));
        for (prefix, place) in [
            ("s3://bucket/a", "s3://bucket/ab"),
            ("s3://bucket", "s3://bucket2/a"),
            ("s3://bucket", "gs://bucket/a"),
            ("s3://bucket/a", "s3://bucket/a/../b"),
            ("https://data.example.org/x", "https://data.example.org/xy"),
            ("https://data.example.org", "https://data.example.org.elsewhere/x"),
            ("s3://bucket", "archive/a.zarr"),
        ] {
            assert_eq!(covers(prefix, place), None, "{prefix} {place}");
        }
    }
}
