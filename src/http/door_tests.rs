//! Requests through the whole face, over a federation without members: what it answers by itself.

use http::Request as HttpRequest;
use http_body_util::BodyExt;
use serde_json::Value;

use super::super::conformance::CLASSES;
use super::super::routes::tests::federation;
use super::*;
use crate::broker::Broker;
use crate::federation::Federation;
use crate::members::Registry;
use crate::search::KeyRing;

fn door_of(federation: Federation) -> Door {
    let keys = Arc::new(KeyRing::from_federation(&federation).unwrap());
    let broker = Broker::of(federation, Registry::of(Vec::new()));
    Door::new(App { broker, keys })
}

async fn send(
    door: &Door,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> (Response, Vec<u8>) {
    let mut request = HttpRequest::builder().method(method).uri(uri).header("host", "broker.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = door.answer(request.body(Body::from(body)).unwrap()).await.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes().to_vec();
    (Response::from_parts(parts, Body::empty()), bytes)
}

async fn get(uri: &str) -> (Response, Value) {
    let (response, bytes) = send(&door_of(federation()), "GET", uri, &[], "").await;
    (response, serde_json::from_slice(&bytes).unwrap())
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_landing_page_is_a_catalog_and_names_the_same_classes_as_conformance() {
    let (response, landing) = get("/").await;
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, "application/json"));
    let (_, conformance) = get("/conformance").await;
    assert_eq!(landing["conformsTo"], conformance["conformsTo"]);
    assert_eq!(landing["conformsTo"].as_array().unwrap().len(), CLASSES.len());
    for member in ["type", "stac_version", "id", "title", "description", "links", "federation"] {
        assert!(!landing[member].is_null(), "{member}");
    }
    let links = landing["links"].as_array().unwrap();
    assert!(links.iter().all(|link| link["href"].as_str().unwrap().starts_with("http://broker.example/")));
    let rels: Vec<_> = links.iter().map(|link| link["rel"].as_str().unwrap()).collect();
    for rel in ["self", "root", "data", "search", "conformance", "service-desc", "service-doc"] {
        assert!(rels.contains(&rel), "{rel}");
    }
    let ogc = |name: &str| format!("http://www.opengis.net/def/rel/ogc/1.0/{name}");
    assert!(rels.contains(&ogc("queryables").as_str()) && rels.contains(&ogc("sortables").as_str()));
    assert!(!rels.iter().any(|rel| rel.contains("processes")));
}

#[tokio::test]
async fn self_of_collections_equals_the_link_that_leads_there() {
    let (_, landing) = get("/").await;
    let (_, collections) = get("/collections").await;
    let href = |document: &Value, rel: &str| {
        let links = document["links"].as_array().unwrap();
        links.iter().find(|link| link["rel"] == rel).unwrap()["href"].clone()
    };
    assert_eq!(href(&collections, "self"), href(&landing, "data"));
    assert_eq!(collections["numberReturned"], 0);
}

#[tokio::test]
async fn openapi_has_its_exact_media_type_and_the_limits() {
    let (response, api) = get("/api").await;
    assert_eq!(header(&response, "content-type"), "application/vnd.oai.openapi+json;version=3.0");
    assert_eq!(api["components"]["parameters"]["limit"]["schema"]["maximum"], 1000);
    let (page, bytes) = send(&door_of(federation()), "GET", "/api.html", &[], "").await;
    assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, "text/html; charset=utf-8"));
    assert!(!String::from_utf8(bytes).unwrap().contains("<script"));
}

#[tokio::test]
async fn errors_are_json_with_every_header() {
    for (method, uri, status, code) in [
        ("GET", "/nope", 404, "NotFound"),
        ("GET", "/collections/x", 404, "NotFound"),
        ("GET", "/collections/x/items", 404, "NotFound"),
        ("GET", "/collections/%FF", 404, "NotFound"),
        ("GET", "/federation/members/x", 404, "NotFound"),
        ("POST", "/collections", 405, "MethodNotAllowed"),
        ("DELETE", "/collections/x/items/y", 405, "MethodNotAllowed"),
        ("POST", "/collections/x/items", 405, "MethodNotAllowed"),
        ("PUT", "/search", 405, "MethodNotAllowed"),
        ("GET", "/collections?sortby=ocean", 400, "InvalidParameter"),
        ("GET", "/collections?token=!", 400, "InvalidCursor"),
        ("GET", "/search?limit=0", 400, "InvalidParameter"),
        ("GET", "/search?filter=a=", 400, "InvalidParameter"),
        ("POST", "/search", 400, "InvalidParameter"),
    ] {
        let (response, body) = send(&door_of(federation()), method, uri, &[], "[1").await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((response.status().as_u16(), body["code"].as_str()), (status, Some(code)), "{method} {uri}");
        assert_eq!(body["request_id"], header(&response, "x-request-id"));
        assert!(!body["description"].as_str().unwrap().is_empty());
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert!(header(&response, "content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(response.headers().contains_key("allow"), status == 405);
    }
}

#[tokio::test]
async fn allow_names_the_methods_of_the_path() {
    let (response, _) = send(&door_of(federation()), "PUT", "/search", &[], "").await;
    let allowed = header(&response, "allow");
    assert!(["GET", "HEAD", "POST", "OPTIONS"].iter().all(|method| allowed.contains(method)), "{allowed}");
    let (response, _) = send(&door_of(federation()), "POST", "/collections", &[], "").await;
    assert!(!header(&response, "allow").contains("POST"));
}

#[tokio::test]
async fn options_is_answered_anywhere() {
    for uri in ["/", "/search", "/nope"] {
        let headers = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
        let (response, body) = send(&door_of(federation()), "OPTIONS", uri, &headers, "").await;
        assert_eq!((response.status().as_u16(), body.len()), (204, 0));
        assert!(header(&response, "access-control-allow-headers").contains("prefer"));
    }
}

#[tokio::test]
async fn head_is_get_without_body() {
    for uri in ["/", "/collections", "/nope"] {
        let (head, body) = send(&door_of(federation()), "HEAD", uri, &[], "").await;
        let (get, _) = send(&door_of(federation()), "GET", uri, &[], "").await;
        assert_eq!((head.status(), body.len()), (get.status(), 0));
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"));
    }
}

#[tokio::test]
async fn a_trailing_slash_and_the_public_prefix_are_tolerated() {
    let mut prefixed = federation();
    prefixed.public_url = Some("https://stac.example.org/v1".parse().unwrap());
    let door = door_of(prefixed);
    for uri in ["/collections", "/collections/", "/v1/collections", "/v1/collections/", "/v1", "/v1/", "/"] {
        let (response, body) = send(&door, "GET", uri, &[], "").await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(response.status(), 200, "{uri}");
        assert!(body["links"][0]["href"].as_str().unwrap().starts_with("https://stac.example.org/v1/"));
    }
}

#[tokio::test]
async fn a_browser_gets_a_page() {
    let (response, _) = send(&door_of(federation()), "GET", "/", &[("accept", "text/html,*/*;q=0.8")], "").await;
    assert!(header(&response, "content-type").starts_with("text/html"));
    assert!(response.headers().get_all("vary").iter().any(|value| value == "Accept"));
}

#[tokio::test]
async fn gzip_when_allowed_and_never_406() {
    let door = door_of(federation());
    let (response, body) = send(&door, "GET", "/api", &[("accept-encoding", "*")], "").await;
    assert_eq!((header(&response, "content-encoding"), &body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    let (response, _) = send(&door, "GET", "/health/live", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(header(&response, "content-encoding"), "");
    let (response, _) = send(&door, "GET", "/api", &[("accept-encoding", "identity;q=0, br")], "").await;
    assert_eq!((response.status().as_u16(), header(&response, "content-encoding")), (200, ""));
}

#[tokio::test]
async fn an_overloaded_broker_says_so_at_once_and_stays_healthy() {
    let mut full = federation();
    full.limits.in_flight_max = 0;
    let door = door_of(full);
    let (response, body) = send(&door, "GET", "/collections", &[], "").await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((response.status().as_u16(), body["code"].as_str()), (503, Some("Overloaded")));
    assert!(!header(&response, "retry-after").is_empty());
    assert_eq!(send(&door, "GET", "/health/live", &[], "").await.0.status(), 200);
    assert_eq!(send(&door, "GET", "/health/ready", &[], "").await.0.status(), 503);
}

#[tokio::test]
async fn a_closing_broker_is_not_ready_but_still_serves() {
    let door = door_of(federation());
    assert_eq!(send(&door, "GET", "/health/ready", &[], "").await.0.status(), 200);
    door.close();
    assert_eq!(send(&door, "GET", "/health/ready", &[], "").await.0.status(), 503);
    assert_eq!(send(&door, "GET", "/collections", &[], "").await.0.status(), 200);
}

#[tokio::test]
async fn a_loop_is_508() {
    let via = format!("1.1 {}", links::via("test"));
    let (response, _) = send(&door_of(federation()), "GET", "/search", &[("via", &via)], "").await;
    assert_eq!(response.status(), 508);
}

#[tokio::test]
async fn a_large_body_is_413() {
    let mut small = federation();
    small.limits.request_body_bytes_max = 4;
    let (response, body) = send(&door_of(small), "POST", "/search", &[], "{\"limit\":1}").await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((response.status().as_u16(), body["code"].as_str()), (413, Some("RequestTooLarge")));
}

#[tokio::test]
async fn a_presented_credential_makes_the_answer_private() {
    let (response, _) = send(&door_of(federation()), "GET", "/", &[("authorization", "Bearer x")], "").await;
    assert_eq!(header(&response, "cache-control"), "private, no-store");
}

#[tokio::test]
async fn a_panic_is_a_500_without_details() {
    let response = caught(async { panic!("secret") }).await;
    let problem = response.extensions().get::<Problem>().unwrap();
    assert_eq!((problem.status.as_u16(), problem.code), (500, "InternalError"));
    assert!(!problem.description.contains("secret"));
}
