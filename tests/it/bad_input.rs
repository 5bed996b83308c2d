//! Wrong requests: each gets a clear answer that names what is wrong, and nothing that a client sends is a fault of the broker.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Front, ScriptedMember, federation_of, items};

async fn front() -> (crate::support::Running, Front) {
    let member =
        ScriptedMember::new("A").items(items("c", 30)).collections(vec![crate::support::collection("c")]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    (member, front)
}

/// The error body of `stac-api.md` section 8, with the headers of every answer.
fn check_problem(reply: &crate::support::front::Reply, status: u16, code: &str, says: &str, what: &str) {
    assert_eq!((reply.status, reply.json()["code"].as_str()), (status, Some(code)), "{what}: {}", reply.text);
    let description = reply.json()["description"].as_str().unwrap();
    assert!(description.contains(says), "{what}: `{description}` does not say `{says}`");
    assert!(!description.ends_with('.') && description.len() < 1_500, "{what}: {description}");
    assert_eq!(reply.header("content-type"), "application/json", "{what}");
    assert_eq!(reply.header("access-control-allow-origin"), "*", "{what}: CORS on errors");
    assert_eq!(reply.header("cache-control"), "no-store", "{what}");
    assert_eq!(reply.json()["request_id"], reply.header("x-request-id"), "{what}");
}

const WRONG_QUERIES: &[(&str, &str)] = &[
    ("limit=0", "`limit`"),
    ("limit=-1", "`limit`"),
    ("limit=", "`limit`"),
    ("limit=ten", "`limit`"),
    ("limit=1.5", "`limit`"),
    ("limit=1e3", "`limit`"),
    ("limit=%2B5", "`limit`"),
    ("limit=5&limit=6", "`limit` is given more than once"),
    ("limit=%F0%9F%98%80", "`limit`"),
    ("bbox=", "`bbox`"),
    ("bbox=1,2,3", "`bbox`"),
    ("bbox=1,2,3,4,5", "`bbox`"),
    ("bbox=1,2,3,4,5,6,7", "`bbox`"),
    ("bbox=[1,2,3,4]", "`bbox`"),
    ("bbox=1,2,3,x", "`bbox`"),
    ("bbox=1,9,3,4", "`bbox`"),
    ("bbox=1,2,3,NaN", "`bbox`"),
    ("bbox=1,2,3,inf", "`bbox`"),
    ("bbox=1,2,3,1e999", "`bbox`"),
    ("bbox=1,2,9,3,4,1", "`bbox`"),
    ("bbox=1;2;3;4", "`bbox`"),
    ("datetime=", "`datetime`"),
    ("datetime=/", "`datetime`"),
    ("datetime=../..", "`datetime`"),
    ("datetime=/..", "`datetime`"),
    ("datetime=../", "`datetime`"),
    ("datetime=2020-01-01", "`datetime`"),
    ("datetime=2020-01-01T00:00:00", "`datetime`"),
    ("datetime=2020-01-01T00:00:00%2B0100", "`datetime`"),
    ("datetime=20-01-01T00:00:00Z", "`datetime`"),
    ("datetime=12020-01-01T00:00:00Z", "`datetime`"),
    ("datetime=2020-13-01T00:00:00Z", "`datetime`"),
    ("datetime=2020-02-30T00:00:00Z", "`datetime`"),
    ("datetime=2020-01-01T25:00:00Z", "`datetime`"),
    ("datetime=2020-01-01T00:00:61Z", "`datetime`"),
    ("datetime=2020-01-01T00:00:00.Z", "`datetime`"),
    ("datetime=2020-01-01T00:00:00,5Z", "`datetime`"),
    ("datetime=2021-01-01T00:00:00Z/2020-01-01T00:00:00Z", "`datetime`"),
    ("datetime=2020-01-01T00:00:00Z/2020-02-01T00:00:00Z/2020-03-01T00:00:00Z", "`datetime`"),
    ("datetime=yesterday", "`datetime`"),
    ("intersects=x", "`intersects`"),
    ("intersects=%7B%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Circle%22%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[1]%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[]%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[%22a%22,2]%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Polygon%22,%22coordinates%22:[[[0,0],[1,1]]]%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22FeatureCollection%22,%22features%22:[]%7D", "`intersects`"),
    ("intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[1,2]%7D&bbox=1,2,3,4", "`intersects`"),
    ("sortby=geometry", "`sortby`"),
    ("sortby=%2B", "`sortby`"),
    ("sortby=--datetime", "`sortby`"),
    ("sortby=datetime%20desc", "`sortby`"),
    ("sortby=properties.id", "`sortby`"),
    ("filter=", "`filter`"),
    ("filter=id%3D", "`filter`"),
    ("filter=buffer(geometry,1)%3D2", "`filter`"),
    ("filter=%7B%22op%22:%22isNull%22%7D", "`filter`"),
    ("filter=id%3D%27x%27&filter-lang=cql2-json", "`filter`"),
    ("filter=%7B%22op%22:%22near%22,%22args%22:[]%7D&filter-lang=cql2-json", "`filter`"),
    ("filter=id%3D%27x%27&filter=id%3D%27x%27", "`filter` is given more than once"),
    ("filter-lang=cql-text", "`filter-lang`"),
    ("filter-lang=", "`filter-lang`"),
    ("filter-crs=x", "`filter-crs`"),
    ("filter-crs=http://www.opengis.net/def/crs/EPSG/0/4326", "`filter-crs`"),
    ("query=x", "`query`"),
    ("query=[]", "`query`"),
    ("query=%7B%22a%22:%7B%22near%22:1%7D%7D", "`query`"),
    ("q=water", "`q`"),
    ("ids=a&ids=b", "`ids` is given more than once"),
    ("collections=a&collections=b", "`collections` is given more than once"),
];

#[tokio::test]
async fn every_wrong_parameter_of_a_query_is_named() {
    let (member, front) = front().await;
    for (query, says) in WRONG_QUERIES {
        for path in ["/search", "/search/explain"] {
            let reply = front.get(&format!("{path}?{query}")).await;
            check_problem(&reply, 400, "InvalidParameter", says, query);
        }
    }
    for (query, says) in WRONG_QUERIES.iter().filter(|(query, _)| !query.starts_with("collections")) {
        let reply = front.get(&format!("/collections/A%7Cc/items?{query}")).await;
        check_problem(&reply, 400, "InvalidParameter", says, query);
    }
    assert_eq!(member.searches(), 0, "nobody is asked for what is wrong");
}

#[tokio::test]
async fn every_wrong_member_of_a_body_is_named() {
    let (member, front) = front().await;
    let point = json!({"type": "Point", "coordinates": [1, 2]});
    for (body, says) in [
        (json!({"limit": 0}), "`limit`"),
        (json!({"limit": "10"}), "`limit`"),
        (json!({"limit": -3}), "`limit`"),
        (json!({"limit": 2.5}), "`limit`"),
        (json!({"limit": true}), "`limit`"),
        (json!({"limit": []}), "`limit`"),
        (json!({"bbox": "1,2,3,4"}), "`bbox`"),
        (json!({"bbox": [1, 2, 3]}), "`bbox`"),
        (json!({"bbox": [1, 2, 3, "4"]}), "`bbox`"),
        (json!({"bbox": [1, 9, 3, 4]}), "`bbox`"),
        (json!({"bbox": [[1, 2], [3, 4]]}), "`bbox`"),
        (json!({"bbox": {}}), "`bbox`"),
        (json!({"datetime": 2020}), "`datetime`"),
        (json!({"datetime": ["2020-01-01T00:00:00Z"]}), "`datetime`"),
        (json!({"datetime": "2020-01-01T00:00:00 01:00"}), "`datetime`"),
        (json!({"intersects": "x"}), "`intersects`"),
        (json!({"intersects": {"type": "Feature", "geometry": point, "properties": {}}}), "`intersects`"),
        (json!({"intersects": {"type": "Point", "coordinates": {}}}), "`intersects`"),
        (json!({"intersects": point, "bbox": [1, 2, 3, 4]}), "`intersects`"),
        (json!({"ids": 5}), "`ids`"),
        (json!({"ids": [5]}), "`ids`"),
        (json!({"ids": [""]}), "`ids`"),
        (json!({"ids": ["x".repeat(1_025)]}), "`ids`"),
        (json!({"collections": {"a": 1}}), "`collections`"),
        (json!({"collections": [null]}), "`collections`"),
        (json!({"collections": (0..10_001).map(|n| n.to_string()).collect::<Vec<_>>()}), "`collections`"),
        (json!({"sortby": "datetime"}), "`sortby`"),
        (json!({"sortby": [{"direction": "asc"}]}), "`sortby`"),
        (json!({"sortby": [{"field": "datetime", "direction": "up"}]}), "`sortby`"),
        (json!({"sortby": [{"field": "assets"}]}), "`sortby`"),
        (json!({"sortby": ["datetime"]}), "`sortby`"),
        (json!({"fields": null}), "`fields`"),
        (json!({"fields": "id"}), "`fields`"),
        (json!({"fields": {"include": "id"}}), "`fields`"),
        (json!({"fields": {"include": [1]}}), "`fields`"),
        (json!({"token": 5}), "`token`"),
        (json!({"filter": {"op": "=", "args": []}}), "`filter`"),
        (json!({"filter": "id = 'x'"}), "`filter`"),
        (json!({"filter": {"op": "isNull", "args": [{"property": "a"}]}, "filter-lang": "cql2-text"}), "`filter`"),
        (json!({"filter": 5}), "`filter`"),
        (json!({"filter-lang": 5}), "`filter-lang`"),
        (json!({"filter-crs": "x"}), "`filter-crs`"),
        (json!({"query": "x"}), "`query`"),
        (json!({"query": {"a": {"near": 1}}}), "`query`"),
        (json!({"q": ["water"]}), "`q`"),
        (json!([]), "body"),
        (json!("x"), "body"),
        (json!(5), "body"),
        (json!(null), "body"),
    ] {
        for path in ["/search", "/search/explain"] {
            let reply = front.post(path, &body).await;
            let shown: String = body.to_string().chars().take(80).collect();
            check_problem(&reply, 400, "InvalidParameter", says, &shown);
        }
    }
    for text in [
        "{",
        "{]",
        "{\"limit\": 1} x",
        "\u{feff}{}",
        "{\"limit\": 1, \"limit\": 2}",
        "limit=5",
        "{'limit': 1}",
        "\0",
        "NaN",
    ] {
        let reply = front.post_text("/search", text).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (400, Some("InvalidParameter")),
            "{text:?}: {}",
            reply.text
        );
    }
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(front.post_text("/search", &deep).await.status, 400);
    assert_eq!(member.searches(), 0, "nobody is asked for what is wrong");
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_what_there_is() {
    let (_member, front) = front().await;
    for path in [
        "/x",
        "/search/x",
        "/collections/c/x",
        "/queryables/x",
        "/collections/nothing",
        "/collections/nothing/queryables",
        "/collections/nothing/items",
        "/collections/B%7Cc",
        "/collections/A%7Cc/items/nothing",
        "/federation/members/B",
        "/federation",
        "/admin/status",
        "/metrics",
        "/..%2F..%2Fetc%2Fpasswd",
        "/%00",
        "/collections/%FF",
    ] {
        check_problem(&front.get(path).await, 404, "NotFound", "", path);
    }
    for (method, path, allow) in [
        ("POST", "/", "GET"),
        ("PUT", "/search", "POST"),
        ("DELETE", "/search", "GET"),
        ("PATCH", "/search", "GET"),
        ("POST", "/collections", "GET"),
        ("DELETE", "/collections/A%7Cc", "GET"),
        ("POST", "/collections/A%7Cc/items", "GET"),
        ("PUT", "/collections/A%7Cc/items/c-0001", "GET"),
        ("DELETE", "/collections/A%7Cc/items/c-0001", "GET"),
        ("POST", "/conformance", "GET"),
        ("POST", "/api", "GET"),
        ("POST", "/health/live", "GET"),
        ("PUT", "/federation/members", "GET"),
        ("PROPFIND", "/search", "GET"),
        ("TRACE", "/search", "GET"),
    ] {
        let reply = crate::support::front::sent(front.request(method, path)).await;
        check_problem(&reply, 405, "MethodNotAllowed", allow, &format!("{method} {path}"));
        let allowed: Vec<&str> = reply.header("allow").split(',').map(str::trim).collect();
        assert!(allowed.contains(&allow) && allowed.contains(&"OPTIONS"), "{method} {path}: {allowed:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_are_413() {
    let (member, front) = front().await;
    for bytes in [1_048_577, 3 << 20] {
        let reply = front.post_text("/search", &format!("{{\"x\": \"{}\"}}", "a".repeat(bytes))).await;
        check_problem(&reply, 413, "RequestTooLarge", "1048576", &bytes.to_string());
    }
    let just = format!("{{\"x\": \"{}\"}}", "a".repeat(1_048_576 - 9));
    assert_eq!((just.len(), front.post_text("/search", &just).await.status), (1_048_576, 200));
    // chunked, without an announced length
    let chunks = futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536])));
    let request = front.request("POST", "/search").body(reqwest::Body::wrap_stream(chunks));
    check_problem(&crate::support::front::sent(request).await, 413, "RequestTooLarge", "1048576", "chunked");
    assert_eq!(member.searches(), 1);
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_named() {
    let (_member, front) = front().await;
    for page in [
        front.get("/search?colections=x&limit=2&%00=1&<script>=1").await,
        front.post("/search", &json!({"colections": "x", "limit": 2, "\u{0}": 1, "<script>": {"x": []}})).await,
    ] {
        assert_eq!((page.status, page.names().len()), (200, 2));
        assert!(page.report()["ignored"].as_array().unwrap().contains(&json!("colections")), "{}", page.text);
    }
    let many: Vec<String> = (0..500).map(|n| format!("p{n}=1")).collect();
    let page = front.get(&format!("/search?{}&limit=1", many.join("&"))).await;
    assert!(page.report()["ignored"].as_array().unwrap().len() <= 20);
}

#[tokio::test]
async fn a_federation_that_contains_itself_is_noticed() {
    let (member, front) = front().await;
    front.get("/search").await;
    let via = member.recorded().last().unwrap().headers["via"].to_str().unwrap().to_owned();
    let reply = front.get_with("/search", "via", &format!("1.1 proxy, {via}")).await;
    check_problem(&reply, 508, "LoopDetected", "itself", &via);
    assert_eq!(front.get_with("/search", "via", "1.1 proxy, 1.1 other-broker").await.status, 200);

    // a federation whose only member is itself
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut declared = member.declared();
    declared.url = format!("http://{address}/").parse().unwrap();
    let federation = federation_of([declared]);
    let keys = std::sync::Arc::new(stac_broker::search::KeyRing::from_federation(&federation).unwrap());
    let registry = stac_broker::members::Registry::new(&federation);
    let broker = stac_broker::broker::Broker::of(federation, registry);
    tokio::spawn(stac_broker::http::serve(stac_broker::http::App { broker, keys }, listener, std::future::pending()));
    let reply = front.get(&format!("http://{address}/search")).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (502, Some("MembersFailed")), "{}", reply.text);
}

/// xorshift64*: reproducible without a dependency.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A value that is right, nearly right, or nothing of the kind.
    fn value(&mut self) -> String {
        const VALUES: &[&str] = &[
            "",
            "0",
            "-1",
            "5",
            "1e308",
            "NaN",
            "null",
            "true",
            "..",
            "../..",
            "/",
            "a/b/c",
            "%",
            "%00",
            "%zz",
            "%FF",
            "%F0%9F%98%80",
            "A%7Cc",
            "A|c",
            "|",
            "||c",
            "A%257Cc",
            "1,2,3,4",
            "-180,-90,180,90",
            "179,-90,-179,90",
            "0,0,0,0",
            "1,2,3,4,5,6",
            "-1e-320,0,1,1",
            "2025-01-01T00:00:00Z",
            "2025-01-01T00:00:00Z/..",
            "../2025-01-01T00:00:00z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "0000-01-01T00:00:00%2B23:59",
            "2016-12-31T23:59:60Z",
            "-datetime",
            "+id",
            "-collection,+id,-datetime",
            "id,-properties.datetime,geometry.x",
            "%3Cscript%3E",
            "'%20OR%201=1--",
            "${jndi:ldap://x}",
            "%0D%0ASet-Cookie:%20x=1",
            "AQAAAA",
            "\u{202e}",
            "c-0001",
            "c-0001,c-0002",
            ",,,",
            "-,+,",
            "%7B%22type%22:%22Point%22,%22coordinates%22:[10.5,54.25]%7D",
            "%7B%22type%22:%22GeometryCollection%22,%22geometries%22:[]%7D",
            "%7B%22type%22:%22Polygon%22,%22coordinates%22:[[[0,0],[0,0],[0,0],[0,0]]]%7D",
            "%7B%22type%22:%22Polygon%22,%22coordinates%22:[[[-1e300,0],[1e300,1],[0,1e300],[-1e300,0]]]%7D",
            "%7B%22type%22:%22LineString%22,%22coordinates%22:[[-200,-95],[400,95]]%7D",
        ];
        let mut value = self.one(VALUES).to_owned();
        if self.below(6) == 0 {
            value = value.repeat(1 + self.below(40));
        }
        if self.below(8) == 0 {
            let other = self.one(VALUES);
            value.push_str(other);
        }
        value
    }

    fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!([0.0, -1.0, 1e308, 5.0, 1e-320, 4_294_967_296.0][self.below(6)]),
            3..=5 => percent_encoding::percent_decode_str(&self.value()).decode_utf8_lossy().into(),
            6 => {
                json!({"type": self.one(&["Point", "Polygon", "GeometryCollection", "Feature"]), "coordinates": [[1, 2], 3], "geometries": [null]})
            }
            7 => (0..self.below(5)).map(|_| self.json(depth - 1)).collect(),
            _ => {
                const NAMES: &[&str] = &["include", "exclude", "field", "direction", "type", "coordinates", "x", ""];
                (0..self.below(4))
                    .map(|_| (self.one(NAMES).to_owned(), self.json(depth - 1)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }
        }
    }
}

const NAMES: &[&str] = &[
    "limit",
    "ids",
    "collections",
    "bbox",
    "intersects",
    "datetime",
    "sortby",
    "fields",
    "token",
    "x",
    "",
    "filter",
    "%00",
];

#[tokio::test]
async fn no_request_is_a_fault_of_the_broker() {
    let (_member, front) = front().await;
    let seed = std::env::var("STAC_BROKER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_250_601_u64);
    let mut seeded = Seeded(seed);
    let mut answers = [0; 6];
    for round in 0..2_000 {
        let path = seeded
            .one(&[
                "/search",
                "/search/explain",
                "/collections/A%7Cc/items",
                "/collections/c/items",
                "/collections/A|c",
                "/",
            ])
            .to_owned();
        let request = if seeded.below(3) == 0 {
            let mut body: String = if seeded.below(4) == 0 {
                seeded.json(4).to_string()
            } else {
                let members = (0..=seeded.below(4)).map(|_| (seeded.one(NAMES).to_owned(), seeded.json(3)));
                Value::Object(members.collect()).to_string()
            };
            if seeded.below(5) == 0 {
                let at = (0..=seeded.below(body.len() + 1)).rev().find(|at| body.is_char_boundary(*at)).unwrap();
                body.truncate(at);
            }
            front.request("POST", if seeded.below(3) == 0 { "/search/explain" } else { "/search" }).body(body)
        } else {
            let pairs: Vec<String> =
                (0..=seeded.below(4)).map(|_| format!("{}={}", seeded.one(NAMES), seeded.value())).collect();
            front.request(
                seeded.one(&["GET", "GET", "GET", "HEAD", "OPTIONS", "PUT"]),
                &format!("{path}?{}", pairs.join("&")),
            )
        };
        let (name, value) = [
            ("accept", "text/html"),
            ("accept-encoding", "br, *"),
            ("prefer", "handling=strict, wait=0, x"),
            ("origin", "null"),
            ("x", "y"),
            ("authorization", "Basic x"),
            ("prefer", "wait=99999999999"),
            ("forwarded", "host=evil.example;proto=javascript"),
            ("x-forwarded-host", "evil.example"),
        ][seeded.below(9)];
        let request = request.header(name, value);
        let shown = format!("seed {seed}, round {round}: {request:?}");
        let reply = tokio::time::timeout(Duration::from_secs(20), crate::support::front::sent(request))
            .await
            .unwrap_or_else(|_| panic!("{shown} hangs"));
        assert!(reply.status < 500, "{shown}: {} {}", reply.status, reply.text);
        assert!(
            reply.status != 422 && (reply.status == 200 || reply.status == 204 || reply.status >= 400),
            "{shown}: {}",
            reply.status
        );
        assert!(!reply.text.contains("evil.example"), "{shown}: {}", reply.text);
        assert!(!reply.headers.contains_key("set-cookie"), "{shown}");
        if reply.status >= 400 && !reply.text.is_empty() {
            assert!(
                reply.json()["code"].is_string() && reply.json()["description"].is_string(),
                "{shown}: {}",
                reply.text
            );
        }
        answers[usize::from(reply.status / 100)] += 1;
    }
    assert!(answers[2] > 200 && answers[4] > 400, "a mixture: {answers:?}");
    assert_eq!(front.get("/search").await.names().len(), 10, "as good as before");
}
