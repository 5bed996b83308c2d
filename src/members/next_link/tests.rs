//! Every form of `next`, its bounds, and addresses that a hostile member might print (T2).

use serde_json::json;

use super::*;

fn url() -> Url {
    Url::parse("https://member.example/stac/search").unwrap()
}

fn get_delta(link: &Value) -> Result<Delta, Unusable> {
    let query = [("limit".to_owned(), "10".to_owned()), ("collections".to_owned(), "a,b".to_owned())];
    let links = serde_json::to_vec(&json!([{"rel": "self", "href": "x"}, link])).unwrap();
    let sent = Sent { url: &url(), query: &query, body: None, limit: 10, follow: None, mark: None, only: &[] };
    Delta::open(&token(Some(&links), &HeaderMap::new(), &sent)?.unwrap())
}

fn post_delta(link: &Value) -> Result<Delta, Unusable> {
    let Value::Object(body) =
        json!({"limit": 10, "collections": ["a"], "sortby": [{"field": "id", "direction": "asc"}]})
    else {
        unreachable!()
    };
    let links = serde_json::to_vec(&json!([link])).unwrap();
    let sent = Sent { url: &url(), query: &[], body: Some(&body), limit: 10, follow: None, mark: None, only: &[] };
    Delta::open(&token(Some(&links), &HeaderMap::new(), &sent)?.unwrap())
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn each_form_gives_its_delta() {
    let n1 = get_delta(
        &json!({"rel": "next", "href": "https://member.example/stac/search?collections=b%2Ca&limit=10&token=next:abc"}),
    )
    .unwrap();
    assert_eq!(n1, Delta { query: pairs(&[("token", "next:abc")]), ..Delta::default() });

    let n2 = post_delta(&json!({"rel": "next", "href": "https://member.example/stac/search", "method": "POST",
        "body": {"limit": 10, "collections": ["a"], "sortby": [], "token": "next:abc", "next": null}}));
    let expected = Delta { post: true, body: vec![("token".to_owned(), json!("next:abc"))], ..Delta::default() };
    assert_eq!(n2.unwrap(), expected);

    let n3 = post_delta(
        &json!({"rel": "next", "href": "/search", "method": "post", "merge": true, "body": {"token": "next:abc"}}),
    );
    assert_eq!(n3.unwrap(), expected);

    let n4 = get_delta(
        &json!({"rel": "next", "href": "", "headers": {"X-Page": "2", "Search-Cursor": ["c"], "Authorization": "Bearer x",
        "Cookie": "a=b", "Host": "evil", "Accept": "text/html", "x-forwarded-host": "evil", "x-api-key": "k", "x-bad": "a\r\nb: c"}}),
    );
    assert_eq!(n4.unwrap().headers, pairs(&[("x-page", "2"), ("search-cursor", "c")]));

    let n5 = post_delta(
        &json!({"rel": "next", "href": "https://member.example/stac/search?collections[0]=a&bbox[]=1&limit=10&cursor=xyz"}),
    );
    assert_eq!(n5.unwrap(), Delta { query: pairs(&[("cursor", "xyz")]), ..Delta::default() });

    let n6 = get_delta(&json!({"rel": "next", "href": "?page=2&collections=a,b"})).unwrap();
    assert_eq!(n6.query, pairs(&[("page", "2"), ("limit", "10")]), "a page number counts pages of its own size");
    let n6 = get_delta(&json!({"rel": "next", "href": "?offset=20&limit=5"})).unwrap();
    assert_eq!(n6.query, pairs(&[("offset", "20"), ("limit", "5")]));
}

#[test]
fn n7_no_link_is_the_end() {
    let sent = Sent { url: &url(), query: &[], body: None, limit: 10, follow: None, mark: None, only: &[] };
    for links in [
        None,
        Some(&b"[]"[..]),
        Some(b"null"),
        Some(br#"[{"rel":"prev","href":"?token=a"}]"#),
        Some(br#"[7,{"href":"?token=a"}]"#),
    ] {
        assert_eq!(token(links, &HeaderMap::new(), &sent), Ok(None));
    }
}

#[test]
fn n8_the_link_header_is_read() {
    let sent = Sent { url: &url(), query: &[], body: None, limit: 10, follow: None, mark: None, only: &[] };
    let read = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::LINK, HeaderValue::from_static(value));
        token(None, &headers, &sent).unwrap().map(|token| Delta::open(&token).unwrap().query)
    };
    assert_eq!(
        read(r#"<https://a/?x=1>; rel="self", <https://a/search?token=t>; rel="next"; type="application/geo+json""#),
        Some(pairs(&[("token", "t")]))
    );
    assert_eq!(read("</search?token=t>; title=\"a, <b>; rel=x\"; rel=next"), Some(pairs(&[("token", "t")])));
    assert_eq!(read("</search?token=t>; rel=next; type=text/html"), None);
    assert_eq!(read("</search?token=t>; rel=prev"), None);
    assert_eq!(read("<unclosed"), None);
}

#[test]
fn links_that_cannot_be_used_are_named() {
    assert_eq!(get_delta(&json!({"rel": "next"})), Err(Unusable::Address));
    assert_eq!(get_delta(&json!({"rel": "next", "href": 7})), Err(Unusable::Address));
    assert_eq!(get_delta(&json!({"rel": "next", "href": "https://[::1/x"})), Err(Unusable::Address));
    assert_eq!(
        get_delta(&json!({"rel": "next", "href": "?a=1", "method": "DELETE"})),
        Err(Unusable::Method("DELETE".to_owned()))
    );
    let many = ["a=1", "b=1", "c=1", "d=1", "e=1", "g=1", "h=1", "i=1", "j=1"].join("&");
    assert_eq!(get_delta(&json!({"rel": "next", "href": format!("?{many}")})), Err(Unusable::TooLarge));
    assert_eq!(
        get_delta(&json!({"rel": "next", "href": format!("?token={}", "x".repeat(2048))})),
        Err(Unusable::TooLarge)
    );
    assert!(get_delta(&json!({"rel": "next", "href": format!("?token={}", "x".repeat(1900))})).is_ok());
}

#[test]
fn tokens_that_are_not_ours_are_refused() {
    for text in [
        "",
        "next:abc",
        "[]",
        r#"{"u":"https://evil.example/"}"#,
        r#"{"q":[["collections","secret"]]}"#,
        r#"{"h":[["authorization","x"]]}"#,
        r#"{"s":"../admin"}"#,
        r#"{"s":"//evil.example/x"}"#,
        r#"{"s":"a/%2e%2e/b"}"#,
        r#"{"s":"https://evil.example"}"#,
        r#"{"b":[["filter",1]]}"#,
    ] {
        assert_eq!(Delta::open(&Token(text.into())), Err(Unusable::Token), "{text}");
    }
}

#[test]
fn sixty_hostile_addresses_leave_no_address_in_the_token() {
    let hosts = [
        "https://evil.example",
        "http://evil.example",
        "//evil.example",
        "///evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "https://member.example@evil.example",
        "https://user:pw@evil.example",
        "https://evil.example:8443",
        "https://member.example:1",
        "https://127.0.0.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://127.1",
        "https://[::1]",
        "https://[::ffff:169.254.169.254]",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://evil.example",
    ];
    let mut checked = 0;
    for host in hosts {
        for tail in ["/search?token=t", "/stac/../../admin?token=t", "?token=t#@evil.example"] {
            for follow in [None, Some("/stac")] {
                let links = serde_json::to_vec(&json!([{"rel": "next", "href": format!("{host}{tail}")}])).unwrap();
                let sent = Sent { url: &url(), query: &[], body: None, limit: 10, follow, mark: None, only: &[] };
                if let Ok(Some(Token(text))) = token(Some(&links), &HeaderMap::new(), &sent) {
                    assert_eq!(&*text, r#"{"q":[["token","t"]]}"#, "{host}{tail}");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 60);
}

#[test]
fn a_path_is_kept_only_below_the_base_and_only_if_asked_for() {
    let path = |href: &str, follow: Option<&str>| {
        let links = serde_json::to_vec(&json!([{"rel": "next", "href": href}])).unwrap();
        let sent = Sent { url: &url(), query: &[], body: None, limit: 10, follow, mark: None, only: &[] };
        Delta::open(&token(Some(&links), &HeaderMap::new(), &sent).unwrap().unwrap()).unwrap().path
    };
    assert_eq!(path("http://internal:8080/stac/search/page/2", Some("/stac")).as_deref(), Some("search/page/2"));
    assert_eq!(path("/stac/search/page/2", Some("/stac/")).as_deref(), Some("search/page/2"));
    assert_eq!(path("/stac/search/page/2", None), None);
    assert_eq!(path("/stacks/x", Some("/stac")), None);
    assert_eq!(path("/stac/%2e%2e/x", Some("/stac")), None);
    assert_eq!(path("/other", Some("/stac")), None);
}
