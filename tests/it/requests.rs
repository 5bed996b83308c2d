//! The face as HTTP: methods, headers, compression, versions, clients that are slow, and links that lead where they say.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stac_broker::federation::Federation;

use crate::support::front::sent;
use crate::support::{Fails, Front, Running, ScriptedMember, collection, federation_of, items};

async fn one_member() -> (Running, Front) {
    front_with(|_| {}).await
}

async fn front_with(change: impl FnOnce(&mut Federation)) -> (Running, Front) {
    let member = ScriptedMember::new("A").items(items("c", 120)).collections(vec![collection("c")]).start().await;
    let mut federation = federation_of([member.declared()]);
    change(&mut federation);
    let front = Front::of(federation).await;
    (member, front)
}

const PATHS: &[&str] = &[
    "/",
    "/conformance",
    "/queryables",
    "/sortables",
    "/collections-queryables",
    "/collections-sortables",
    "/collections/A%7Cc/queryables",
    "/collections/A%7Cc/sortables",
    "/api",
    "/api.html",
    "/collections",
    "/collections/A%7Cc",
    "/collections/A%7Cc/items",
    "/collections/A%7Cc/items/c-0001",
    "/search",
    "/search/explain",
    "/federation/members",
    "/federation/members/A",
    "/health/live",
    "/health/ready",
];

#[tokio::test]
async fn every_path_answers_get_and_head_alike() {
    let (_member, front) = one_member().await;
    for path in PATHS {
        let get = front.get(path).await;
        assert_eq!(get.status, 200, "{path}: {}", get.text);
        let head = sent(front.request("HEAD", path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        let slashed = front.get(&format!("{path}/")).await;
        assert_eq!(slashed.status, 200, "{path}/");
    }
    let head = sent(front.request("HEAD", "/nothing")).await;
    assert_eq!((head.status, head.text.as_str()), (404, ""));
}

#[tokio::test]
async fn every_answer_has_the_headers_that_browsers_need() {
    let (_member, front) = one_member().await;
    let elsewhere = ["/nothing", "/search?limit=0", "/search?token=x", "/collections/nothing"];
    for path in PATHS.iter().chain(&elsewhere) {
        let reply = front.get_with(path, "origin", "https://browser.example").await;
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{path}");
        assert!(reply.header("access-control-expose-headers").contains("federation-missing"), "{path}");
        assert!(!reply.headers.contains_key("access-control-allow-credentials"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{path}");
        let vary: Vec<_> = reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.join(",").to_lowercase().contains("accept-encoding"), "{path}: {vary:?}");
    }
    for path in PATHS.iter().chain(&["/nothing", "/collections/a/b/c"]) {
        let request = front.request("OPTIONS", path).header("origin", "https://browser.example");
        let reply = sent(request.header("access-control-request-method", "POST")).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD, POST, DELETE, OPTIONS");
        assert!(reply.header("access-control-allow-headers").contains("content-type"));
    }
    let private = front.get_with("/search", "authorization", "Bearer x").await;
    assert_eq!(private.header("cache-control"), "private, no-store");
}

#[tokio::test]
async fn only_listed_origins_are_let_in_where_any_are_listed() {
    let (_member, front) =
        front_with(|federation| federation.server.cors_origins = vec!["https://a.example".to_owned()]).await;
    let of = async |origin: &str| {
        let reply = front.get_with("/search?limit=0", "origin", origin).await;
        reply.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(of("https://a.example").await, "https://a.example");
    assert_eq!(of("https://a.example.evil").await, "");
    assert_eq!(of("null").await, "");
}

#[tokio::test]
async fn zstd_or_gzip_where_it_is_allowed_and_nothing_else_ever() {
    let (_member, front) = one_member().await;
    let path = "/search?limit=100";
    let plain = front.get(path).await;
    for (accept, expected) in [
        ("gzip", Some("gzip")),
        ("*", Some("gzip")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("zstd", Some("zstd")),
        ("zstd, br;q=0.9", Some("zstd")),
        ("zstd;q=0.5, gzip;q=0.8", Some("gzip")),
        ("zstd;q=0, *", Some("gzip")),
        ("zstd, gzip;q=0", Some("zstd")),
        ("br, *;q=0.1", Some("gzip")),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("zstd;q=0, gzip;q=0", None),
        ("identity;q=0", None),
        ("nonsense;q=x", None),
    ] {
        let response = front.request("GET", path).header("accept-encoding", accept).send().await.unwrap();
        assert_eq!(response.status(), 200, "{accept}: an encoding is never a reason to refuse");
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(encoding.as_deref(), expected, "{accept}");
        let vary = response.headers().get_all("vary").iter().map(|value| value.to_str().unwrap().to_lowercase());
        assert!(vary.into_iter().any(|vary| vary.contains("accept-encoding")), "{accept}");
        let bytes = response.bytes().await.unwrap();
        assert!(expected.is_none() || bytes.len() < plain.text.len() / 3, "{accept}");
        let mut text = String::new();
        match expected {
            Some("gzip") => drop(flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap()),
            Some(_) => drop(zstd::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text).unwrap()),
            None => text = String::from_utf8(bytes.to_vec()).unwrap(),
        }
        let features = |text: &str| serde_json::from_str::<Value>(text).unwrap()["features"].clone();
        assert_eq!(features(&text), features(&plain.text), "{accept}");
    }
}

#[tokio::test]
async fn http_2_with_prior_knowledge_serves_many_requests_at_once() {
    let (_member, front) = one_member().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let asked = (0..50).map(|n| client.get(format!("{}/search?limit={}", front.base, n + 1)).send());
    for (n, response) in futures::future::join_all(asked).await.into_iter().enumerate() {
        let response = response.unwrap();
        assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["numberReturned"], n + 1);
    }
    // QGIS puts every collection id into the address
    let ids: Vec<String> = (0..900).map(|n| format!("A%7Ca-collection-with-a-long-name-{n:05}")).collect();
    let address = format!("{}/search?collections={}", front.base, ids.join(","));
    assert!(address.len() > 35_000);
    assert_eq!(client.get(&address).send().await.unwrap().status(), 200);
    assert_eq!(front.get(&address).await.status, 200, "and by HTTP/1.1");
}

#[tokio::test]
async fn every_link_is_absolute_and_leads_to_the_document_it_names() {
    let (_member, front) = one_member().await;
    let landing = front.get("/").await;
    let links = |body: &Value| body["links"].as_array().unwrap().clone();
    for link in links(landing.json()) {
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with(&format!("{}/", front.base)), "{link}");
        if link["method"] != "POST" {
            let accept = link["type"].as_str().unwrap_or("*/*");
            let reply = front.get_with(href, "accept", accept).await;
            assert_eq!(reply.status, 200, "{link}");
            let media = |text: &str| text.split(';').next().unwrap_or_default().to_owned();
            assert_eq!(media(reply.header("content-type")), media(accept), "{link}");
        }
    }
    let by_rel = |body: &Value, rel: &str| {
        links(body).iter().find(|link| link["rel"] == rel).map(|link| link["href"].as_str().unwrap().to_owned())
    };
    let collections = front.get(&by_rel(landing.json(), "data").unwrap()).await;
    assert_eq!(by_rel(collections.json(), "self"), by_rel(landing.json(), "data"));
    let one = &collections.json()["collections"][0];
    let own = by_rel(one, "self").unwrap();
    assert_eq!(own, format!("{}/collections/A%7Cc", front.base));
    let items = front.get(&by_rel(front.get(&own).await.json(), "items").unwrap()).await;
    assert_eq!(by_rel(items.json(), "self"), by_rel(one, "items"), "no limit is added");
    let item = &items.json()["features"][0];
    assert_eq!(front.get(&by_rel(item, "self").unwrap()).await.json()["id"], item["id"]);
    assert_eq!(by_rel(item, "collection").unwrap(), own);
    assert_eq!(by_rel(item, "root"), by_rel(landing.json(), "self"));
    assert!(by_rel(item, "canonical").unwrap().ends_with("/stac/collections/c/items/c-0119"), "{item}");
}

#[tokio::test]
async fn links_begin_with_the_public_address() {
    let (_member, front) =
        front_with(|federation| federation.public_url = Some("https://broker.example/stac".parse().unwrap())).await;
    for path in ["/search?limit=1", "/stac/search?limit=1"] {
        let page = front.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        let next = page.next().unwrap()["href"].as_str().unwrap().to_owned();
        assert!(next.starts_with("https://broker.example/stac/search?limit=1&token="), "{next}");
    }
    let evil = front.get_with("/search?limit=1", "x-forwarded-host", "evil.example").await;
    assert!(!evil.text.contains("evil.example"));
}

#[tokio::test]
async fn collections_are_paged_to_the_end() {
    let mut members = Vec::new();
    for (id, count) in [("B", 7), ("A", 5), ("C", 0), ("a", 3)] {
        let collections = (0..count).map(|n| collection(&format!("{}-{n}", ["z", "é", "x:y", "_"][n % 4]))).collect();
        members.push(ScriptedMember::new(id).collections(collections).collections_page(2).start().await);
    }
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let ids = |page: &crate::support::front::Reply| -> Vec<String> {
        let list = page.json()["collections"].as_array().unwrap();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&front.get("/collections").await);
    assert_eq!(all.len(), 15);
    for limit in [1, 2, 7, 14, 15, 16] {
        let mut page = front.get(&format!("/collections?limit={limit}")).await;
        let mut got = ids(&page);
        while let Some(next) = page.next() {
            page = front.follow(&next).await;
            assert!(!ids(&page).is_empty() && got.len() < 20, "{limit}");
            got.extend(ids(&page));
            assert_eq!(page.json()["numberMatched"], 15);
        }
        assert_eq!(got, all, "in pages of {limit}");
    }
    for id in all {
        let path: String = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC).collect();
        assert_eq!(front.get(&format!("/collections/{path}")).await.json()["id"], *id);
        assert_eq!(front.get(&format!("/collections/{path}/items")).await.status, 200, "{id}");
    }
}

#[tokio::test]
async fn items_come_out_as_they_are() {
    let text = r#"{"type":"Feature","stac_version":"1.0.0","x":1.0e+2,"id":"é-1","collection":"c","geometry":{"coordinates":[10.50000,54.250],"type":"Point"},"bbox":[10.5,54.25,10.5,54.25],"properties":{"datetime":"2025-01-01T00:00:00.123456789Z","big":12345678901234567890123,"a:b":null,"text":"\u00e9\/"},"links":[],"assets":{"z":{"href":"https://x.example/é?a=1&b=%20"},"a":{"href":"./a.nc"}},"extra":{"deep":[[[]]]}}"#;
    let member = ScriptedMember::new("A").documents(vec![text.to_owned()]).collections(vec![collection("c")]);
    let member = member.start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    for reply in [front.get("/search").await, front.get("/collections/A%7Cc/items/%C3%A9-1").await] {
        for part in [
            r#""x":1.0e+2"#,
            r#"{"coordinates":[10.50000,54.250],"type":"Point"}"#,
            r#""big":12345678901234567890123"#,
            r#""text":"\u00e9\/""#,
            r#""z":{"href":"https://x.example/é?a=1&b=%20"}"#,
            r#""extra":{"deep":[[[]]]}"#,
            r#""collection":"A|c""#,
            r#""datetime":"2025-01-01T00:00:00.123456789Z""#,
        ] {
            assert!(reply.text.contains(part), "{part} in {}", reply.text);
        }
        assert!(!reply.text.contains(r#""./a.nc""#), "relative hrefs are absolute");
    }
}

#[tokio::test]
async fn fields_are_left_out_here_and_paging_goes_on() {
    let (member, front) = one_member().await;
    let pages = front.walk_get("/search?limit=50&fields=id,-properties.datetime").await;
    assert_eq!(crate::support::front::names(&pages).len(), 120);
    let item = &pages[0].json()["features"][0];
    let members: Vec<&String> = item.as_object().unwrap().keys().collect();
    assert!(
        members.len() <= 5 && members.iter().all(|name| ["type", "id", "collection", "links"].contains(&name.as_str()))
    );
    assert!(member.recorded().iter().all(|request| !String::from_utf8_lossy(&request.body).contains("fields")));
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let (_member, front) = one_member().await;
    let started = Instant::now();
    let cut = async |bytes: &'static [u8]| front.raw(bytes, Duration::from_secs(16)).await;
    let all = futures::future::join_all([
        cut(b""),
        cut(b"GET /search HTTP/1.1\r\nHost: a\r\nX: "),
        cut(b"GET"),
        cut(b"PRI * HTTP/2.0\r\n\r\nSM"),
    ])
    .await;
    assert!(all.iter().all(|(_, closed)| *closed), "{all:?}");
    assert!(started.elapsed() > Duration::from_secs(5));
    assert_eq!(front.get("/search").await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_at_once() {
    let (_member, front) = one_member().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ] {
        let (answer, closed) = front.raw(bytes, Duration::from_secs(5)).await;
        let shown = String::from_utf8_lossy(bytes);
        assert!(closed, "{shown:?}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer}");
    }
    // two requests in one, the second hidden behind a double length: only one answer may come
    let smuggled = b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (answer, _) = front.raw(smuggled, Duration::from_secs(5)).await;
    assert!(!answer.contains("HTTP/1.1 500"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_the_deadline() {
    let (_member, front) = front_with(|federation| federation.limits.deadline = Duration::from_millis(600)).await;
    let head = b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"limit\":";
    let (answer, closed) = front.raw(head, Duration::from_secs(6)).await;
    assert!(closed && answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("did not arrive"), "{answer}");
}

#[tokio::test]
async fn nothing_of_a_client_reaches_a_member_but_its_search() {
    let (member, front) = one_member().await;
    let request = front.request("GET", "/search?x=canary-x").header("authorization", "Bearer canary-token");
    let request = request.header("cookie", "canary=1").header("x-canary", "1").header("user-agent", "canary");
    assert_eq!(sent(request).await.status, 200);
    for recorded in member.recorded() {
        let all = format!("{recorded:?}");
        assert!(!all.contains("canary"), "{all}");
    }
}

#[tokio::test]
async fn get_and_post_mean_the_same() {
    let (_member, front) = one_member().await;
    for (query, body) in [
        ("", json!({})),
        (
            "limit=7&sortby=%2Bdatetime",
            json!({"limit": 7, "sortby": [{"field": "properties.datetime", "direction": "asc"}]}),
        ),
        (
            "limit=7&sortby=+id,-datetime",
            json!({"limit": 7, "sortby": [{"field": "id"}, {"field": "datetime", "direction": "desc"}]}),
        ),
        ("ids=c-0001,c-0003", json!({"ids": ["c-0003", "c-0001"]})),
        ("collections=A%7Cc", json!({"collections": "A|c"})),
        ("bbox=10,54,11,55", json!({"bbox": [10, 54, 11, 55]})),
        ("bbox=10.5,54.25,10.5,54.25", json!({"bbox": [10.5, 54.25, 10.5, 54.25]})),
        ("bbox=10,54,-1,11,55,1", json!({"bbox": [10, 54, -1, 11, 55, 1]})),
        ("bbox=10,54,5,11,55,6", json!({"bbox": [10, 54, 5, 11, 55, 6]})),
        (
            "datetime=2025-01-01T01:00:00%2B01:00/2025-01-01T00:10:00z",
            json!({"datetime": "2025-01-01T00:00:00Z/2025-01-01T00:10:00Z"}),
        ),
        ("fields=id,-links", json!({"fields": {"include": ["id"], "exclude": ["links"]}})),
        ("limit=1000000", json!({"limit": 1_000_000})),
    ] {
        let (get, post) = (front.get(&format!("/search?{query}")).await, front.post("/search", &body).await);
        assert_eq!((get.status, post.status), (200, 200), "{query}: {}{}", get.text, post.text);
        assert_eq!(get.json()["features"], post.json()["features"], "{query}");
        assert_eq!(get.json()["numberMatched"], post.json()["numberMatched"], "{query}");
    }
}

#[tokio::test]
async fn a_panic_or_a_broken_client_leaves_other_requests_alone() {
    let (member, front) = front_with(|federation| federation.limits.member_deadline = Duration::from_secs(5)).await;
    member.breaks(Fails::Late(Duration::from_millis(300)));
    let abuse = futures::future::join_all((0..30).map(|n| {
        let bytes: &[u8] = match n % 3 {
            0 => b"GET /search?limit=1000 HTTP/1.1\r\nHost: a\r\n\r\n",
            1 => b"\0\0\0\0\r\n\r\n",
            _ => b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
        };
        front.raw(bytes, Duration::from_millis(100))
    }));
    let good = futures::future::join_all((0..30).map(|_| front.get("/search?limit=3")));
    let (_, good) = futures::future::join(abuse, good).await;
    assert!(good.iter().all(|page| page.status == 200 && page.names().len() == 3));
}

/// The members of an Item, those of `properties` after a dot, under each spelling of `fields` (the table of the
/// documents). Both methods, where both can say it.
#[tokio::test]
async fn fields_row_by_row() {
    let mut rich = items("c", 2);
    for item in &mut rich {
        item["stac_extensions"] = json!([]);
        item["properties"]["x"] = json!(1);
        item["properties"]["nest"] = json!({"a": 1, "b": 2});
    }
    let member = ScriptedMember::new("A").items(rich).collections(vec![collection("c")]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let all = "assets bbox collection geometry id links properties.datetime properties.federation:backends properties.nest properties.x stac_extensions stac_version type";
    let default = "assets bbox collection geometry id links properties.datetime stac_version type";
    let without = |names: &str, left_out: &str| {
        names.split(' ').filter(|name| name.split('.').next() != Some(left_out)).collect::<Vec<_>>().join(" ")
    };
    let only_x = "collection id links properties.x type";
    // By GET (absent: not sayable), by POST, and what is left.
    let rows: Vec<(Option<&str>, Option<Value>, String)> = vec![
        (Some(""), Some(json!({})), all.to_owned()),
        (Some("&fields="), Some(json!({"fields": {}})), default.to_owned()),
        (None, Some(json!({"fields": {"include": [], "exclude": []}})), default.to_owned()),
        (None, Some(json!({"fields": {"include": null, "exclude": null}})), default.to_owned()),
        (
            Some("&fields=bbox"),
            Some(json!({"fields": {"include": ["bbox"]}})),
            "bbox collection id links type".to_owned(),
        ),
        (
            Some("&fields=+properties.x"),
            Some(json!({"fields": {"include": ["properties.x"], "exclude": []}})),
            only_x.to_owned(),
        ),
        (Some("&fields=-properties"), Some(json!({"fields": {"exclude": ["properties"]}})), without(all, "properties")),
        (
            Some("&fields=-id,-links,-bbox"),
            Some(json!({"fields": {"exclude": ["id", "links", "bbox"]}})),
            without(all, "bbox"),
        ),
        (None, Some(json!({"fields": {"include": [], "exclude": ["assets"]}})), without(default, "assets")),
        (None, Some(json!({"fields": {"include": null, "exclude": ["assets"]}})), without(default, "assets")),
        (
            Some("&fields=-properties,%2Bproperties.x"),
            Some(json!({"fields": {"exclude": ["properties"], "include": ["properties.x"]}})),
            only_x.to_owned(),
        ),
        (
            Some("&fields=properties.x,-properties.x"),
            Some(json!({"fields": {"include": ["properties.x"], "exclude": ["properties.x"]}})),
            only_x.to_owned(),
        ),
    ];
    let left = |reply: &crate::support::front::Reply| {
        let mut names = Vec::new();
        for (name, value) in reply.json()["features"][0].as_object().unwrap() {
            match value.as_object().filter(|_| name == "properties") {
                Some(properties) => names.extend(properties.keys().map(|inner| format!("properties.{inner}"))),
                None => names.push(name.clone()),
            }
        }
        names.sort();
        names.join(" ")
    };
    for (get, post, expected) in rows {
        if let Some(query) = get {
            let reply = front.get(&format!("/search?limit=1{query}")).await;
            assert_eq!(left(&reply), expected, "GET {query}");
            assert!(reply.next().is_some(), "the next link survives {query}");
        }
        if let Some(body) = post {
            let mut body = body;
            body["limit"] = json!(1);
            let reply = front.post("/search", &body).await;
            assert_eq!(left(&reply), expected, "POST {body}");
        }
    }
    let nested = front.get("/search?limit=1&fields=properties.nest,-properties.nest.a").await;
    assert_eq!(nested.json()["features"][0]["properties"], json!({"nest": {"b": 2}}));
    let null = front.post("/search", &json!({"fields": null})).await;
    assert_eq!((null.status, &null.json()["code"]), (400, &json!("InvalidParameter")));
    assert!(null.json()["description"].as_str().unwrap().starts_with("`fields`"));
}
