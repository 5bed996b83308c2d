//! The two requests that a catalogue is asked: a page of records, and one record (OGC 07-006r1, clauses 10.8 and 10.9,
//! as GET with key-value pairs).

use url::Url;

const GMD: &str = "http://www.isotc211.org/2005/gmd";

/// The address of the page of so many records that begins with this one; the first record is 1.
pub fn page(base: &Url, start: u64, size: u32) -> Url {
    asking(
        base,
        "GetRecords",
        &[
            ("resultType", "results"),
            ("typeNames", "csw:Record"),
            ("namespace", "xmlns(csw=http://www.opengis.net/cat/csw/2.0.2)"),
            ("elementSetName", "full"),
            ("outputSchema", GMD),
            ("outputFormat", "application/xml"),
            ("startPosition", &start.to_string()),
            ("maxRecords", &size.to_string()),
        ],
    )
}

/// The address of one record, for people and for links.
pub fn record(base: &Url, id: &str) -> Url {
    asking(base, "GetRecordById", &[("id", id), ("elementSetName", "full"), ("outputSchema", GMD)])
}

/// What the configured address has of its own stays (`?map=…`, `?config=…`), but for what is asked here.
fn asking(base: &Url, request: &str, further: &[(&str, &str)]) -> Url {
    let fixed = [("service", "CSW"), ("version", "2.0.2"), ("request", request)];
    let asked: Vec<(&str, &str)> = fixed.into_iter().chain(further.iter().copied()).collect();
    let own = |name: &str| !asked.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let kept: Vec<(String, String)> =
        base.query_pairs().filter(|(name, _)| own(name)).map(|(name, value)| (name.into(), value.into())).collect();
    let mut url = base.clone();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(asked);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_query_stays_but_for_what_is_asked() {
        let base = Url::parse("https://c.example/csw?map=a%20b&SERVICE=WMS&request=GetCapabilities").unwrap();
        let asked = page(&base, 101, 100);
        let pairs: Vec<(String, String)> = asked.query_pairs().map(|(a, b)| (a.into(), b.into())).collect();
        let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!((of("map"), of("service"), of("request")), (Some("a b"), Some("CSW"), Some("GetRecords")));
        assert_eq!((of("startPosition"), of("maxRecords"), of("SERVICE")), (Some("101"), Some("100"), None));
        let one = record(&base, "a&b=c").to_string();
        assert!(one.contains("&id=a%26b%3Dc&"), "{one}");
    }
}
