//! Collection Search over HTTP: parameters, pages and links. What matches is tested in the room `collections`.

use serde_json::{Value, json};

use crate::support::front::sent;
use crate::support::{Front, Running, ScriptedMember, collection, federation_of};

fn described(id: &str, title: &str, start: &str, bbox: &Value) -> Value {
    let mut document = collection(id);
    document["title"] = json!(title);
    document["keywords"] = json!(["ocean", title.to_lowercase()]);
    document["extent"] = json!({"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[start, null]]}});
    document["summaries"] = json!({"platform": ["s1"], "gsd": [10]});
    document
}

async fn front() -> (Vec<Running>, Front) {
    let a = ScriptedMember::new("A").collections(vec![
        described("ice", "Sea ice", "2010-01-01T00:00:00Z", &json!([-180, 60, 180, 90])),
        described("sst", "Sea surface temperature", "2015-01-01T00:00:00Z", &json!([170, -20, -170, 20])),
        collection("plain"),
    ]);
    let b = ScriptedMember::new("B").collections(vec![
        described("ice", "Ice, of the sea", "2020-01-01T00:00:00Z", &json!([0, 50, 30, 70])),
        described("wind", "Wind", "2018-01-01T00:00:00Z", &json!([0, 0, 10, 10])),
    ]);
    let members = vec![a.start().await, b.start().await];
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    (members, front)
}

fn ids(body: &Value) -> Vec<&str> {
    body["collections"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// The ids that a query finds, all on one page.
async fn found(front: &Front, query: &str) -> Vec<String> {
    let reply = front.get(&format!("/collections?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text);
    let body = reply.json();
    assert_eq!(body["numberMatched"], body["numberReturned"], "{query}");
    assert!(reply.next().is_none(), "{query}");
    ids(body).into_iter().map(str::to_owned).collect()
}

const ALL: [&str; 5] = ["A|ice", "A|plain", "A|sst", "B|ice", "B|wind"];

#[tokio::test]
async fn every_parameter_narrows() {
    let (_members, front) = front().await;
    for (query, expected) in [
        ("", &ALL[..]),
        ("q=", &ALL),
        ("q=sea", &["A|ice", "A|sst", "B|ice"]),
        ("q=SURFACE%20temp,wind", &["A|sst", "B|wind"]),
        ("q=%22sea%20ice%22", &["A|ice"]),
        ("q=ocean&bbox=5,5,6,6", &["B|wind"]),
        ("bbox=-175,0,-174,1", &["A|plain", "A|sst"]),
        ("bbox=175,0,-175,1", &["A|plain", "A|sst"]),
        ("bbox=5,65,0,6,66,100", &["A|ice", "A|plain", "B|ice"]),
        ("datetime=2012-01-01T00:00:00Z", &["A|ice", "A|plain"]),
        ("datetime=../2016-01-01T00:00:00.000Z", &["A|ice", "A|plain", "A|sst"]),
        ("datetime=2030-01-01T00:00:00Z/..&q=ice", &["A|ice", "B|ice"]),
        ("q=nothing-like-it", &[]),
        ("unknown=z", &ALL),
    ] {
        assert_eq!(found(&front, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_filter_is_understood_in_both_languages() {
    let (_members, front) = front().await;
    let json = |filter: &Value| {
        let encoded =
            percent_encoding::utf8_percent_encode(&filter.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string();
        format!("filter-lang=cql2-json&filter={encoded}")
    };
    for (query, expected) in [
        ("filter=title LIKE 'Sea%25'".to_owned(), &["A|ice", "A|sst"][..]),
        ("filter=title LIKE 'Sea%25'&filter-lang=cql2-text&q=temperature".to_owned(), &["A|sst"]),
        ("filter=id = 'B|ice' OR title = 'Wind'&sortby=-title".to_owned(), &["B|wind", "B|ice"]),
        ("filter=A_CONTAINS(keywords, ('wind'))".to_owned(), &["B|wind"]),
        (
            "filter=T_AFTER(datetime, TIMESTAMP('2012-01-01T00:00:00Z'))&fields=id".to_owned(),
            &["A|sst", "B|ice", "B|wind"],
        ),
        ("filter=title IS NULL".to_owned(), &["A|plain"]),
        (json(&json!({"op": "casei", "args": [{"property": "title"}]})), &[]),
        (
            json(
                &json!({"op": "like", "args": [{"op": "casei", "args": [{"property": "title"}]}, {"op": "casei", "args": ["%SEA%"]}]}),
            ),
            &["A|ice", "A|sst", "B|ice"],
        ),
        (
            json(
                &json!({"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point", "coordinates": [5, 65]}]}),
            ),
            &["A|ice", "A|plain", "B|ice"],
        ),
    ] {
        let query = query.replace(' ', "%20");
        if expected.is_empty() {
            assert_eq!(front.get(&format!("/collections?{query}")).await.status, 400, "{query}");
            continue;
        }
        let reply = front.get(&format!("/collections?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        assert_eq!(ids(reply.json()), expected, "{query}");
    }
    for wrong in [
        "filter=title%20LIKE",
        "filter=%7B%7D&filter-lang=cql2-json",
        "filter-lang=sql&filter=a=1",
        "filter=a=1&filter-crs=EPSG:3857",
    ] {
        let reply = front.get(&format!("/collections?{wrong}")).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("InvalidParameter")), "{wrong}");
        assert!(reply.json()["description"].as_str().unwrap().starts_with("`filter"), "{}", reply.text);
    }
    let next = front.get("/collections?limit=1&filter=id%20%3C%3E%20'x'").await.next().unwrap();
    let next = next["href"].as_str().unwrap();
    assert_eq!(ids(front.get(next).await.json()), ["A|plain"]);
    let changed = front.get(&next.replace("%27x%27", "%27y%27")).await;
    assert_eq!((changed.status, &changed.json()["code"]), (400, &json!("InvalidCursor")));
    assert!(changed.text.contains("`filter`"), "{}", changed.text);
}

#[tokio::test]
async fn order_is_total_and_absent_values_are_last() {
    let (_members, front) = front().await;
    for (query, expected) in [
        ("sortby=title", ["B|ice", "A|ice", "A|sst", "B|wind", "A|plain"]),
        ("sortby=-title", ["B|wind", "A|sst", "A|ice", "B|ice", "A|plain"]),
        ("sortby=-id", ["B|wind", "B|ice", "A|sst", "A|plain", "A|ice"]),
        ("sortby=%2Bdatetime", ["A|ice", "A|sst", "B|wind", "B|ice", "A|plain"]),
        ("sortby=+datetime", ["A|ice", "A|sst", "B|wind", "B|ice", "A|plain"]),
        ("sortby=-properties.datetime,id", ["B|ice", "B|wind", "A|sst", "A|ice", "A|plain"]),
        ("sortby=updated", ALL),
    ] {
        assert_eq!(found(&front, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole() {
    let (_members, front) = front().await;
    for query in ["", "q=sea,wind", "sortby=-title", "bbox=-180,-90,180,90&sortby=datetime&fields=id,title"] {
        let whole = found(&front, query).await;
        for limit in 1..=whole.len() {
            let (mut walked, mut at) = (Vec::new(), format!("/collections?limit={limit}&{query}"));
            loop {
                let reply = front.get(&at).await;
                assert_eq!(reply.status, 200, "{at}: {}", reply.text);
                assert_eq!(reply.json()["numberMatched"], whole.len());
                let page = ids(reply.json());
                assert!(!page.is_empty(), "{at}");
                walked.extend(page.into_iter().map(str::to_owned));
                let Some(next) = reply.next() else { break };
                assert_eq!((&next["method"], &next["type"]), (&json!("GET"), &json!("application/json")));
                at = next["href"].as_str().unwrap().to_owned();
                assert!(at.starts_with(&format!("{}/collections?", front.base)), "{at}");
            }
            assert_eq!(walked, whole, "{query} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_token_survives_a_refresh_and_no_other_query() {
    let (members, front) = front().await;
    let first = front.get("/collections?limit=2&q=sea").await;
    let next = first.next().unwrap()["href"].as_str().unwrap().to_owned();
    front.broker.refresh_now().await;
    assert_eq!(ids(front.get(&next).await.json()), ["B|ice"]);
    // Another page size is allowed, anything else is named.
    assert_eq!(front.get(&next.replace("limit=2", "limit=1")).await.status, 200);
    for (wrong, named) in [
        (next.replace("q=sea", "q=ice"), "`q`"),
        (format!("{next}&sortby=id"), "`sortby`"),
        (format!("{next}&datetime=2020-01-01T00:00:00Z"), "`datetime`"),
        (next.replace("token=", "token=A"), "`token`"),
        (format!("{}/collections?token=nonsense", front.base), "`token`"),
    ] {
        let reply = front.get(&wrong).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("InvalidCursor")), "{wrong}");
        assert!(reply.json()["description"].as_str().unwrap().starts_with(named), "{}", reply.text);
    }
    let listings =
        |member: &Running| member.recorded().iter().filter(|asked| asked.uri.path().contains("collections")).count();
    let before: Vec<usize> = members.iter().map(listings).collect();
    front.get("/collections?q=sea&sortby=title").await;
    assert_eq!(members.iter().map(listings).collect::<Vec<_>>(), before, "only the view is used");
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let (_members, front) = front().await;
    for (query, named) in [
        ("bbox=1,2,3", "`bbox`"),
        ("bbox=0,10,1,5", "`bbox`"),
        ("datetime=2020-01-01", "`datetime`"),
        ("datetime=../..", "`datetime`"),
        ("sortby=license", "`sortby`"),
        ("q=%2C--", "`q`"),
        ("limit=0", "`limit`"),
        ("limit=1&limit=2", "`limit`"),
        ("bbox=1,2,3,4&bbox=1,2,3,4", "`bbox`"),
        ("query=%7B%7D", "`query`"),
        ("ids=x", "`ids`"),
        ("collections=x", "`collections`"),
        ("intersects=x", "`intersects`"),
    ] {
        let reply = front.get(&format!("/collections?{query}")).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("InvalidParameter")), "{query}");
        let text = reply.json()["description"].as_str().unwrap();
        assert!(text.contains(named) && text.contains("accepted"), "{query}: {text}");
    }
}

#[tokio::test]
async fn fields_leave_identity_and_links() {
    let (_members, front) = front().await;
    let members =
        |body: &Value| -> Vec<String> { body["collections"][0].as_object().unwrap().keys().cloned().collect() };
    for (fields, expected) in [
        ("title", &["type", "id", "title", "links"][..]),
        ("id,extent.temporal", &["type", "id", "extent", "links"]),
        ("", &["type", "stac_version", "id", "title", "description", "license", "extent", "links"]),
        (
            "-keywords,-summaries,-extent",
            &["type", "stac_version", "id", "title", "description", "license", "links", "federation:backends"],
        ),
    ] {
        let reply = front.get(&format!("/collections?limit=1&fields={fields}")).await;
        let mut members = members(reply.json());
        let mut expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        members.sort();
        expected.sort();
        assert_eq!(members, expected, "{fields}");
    }
    let reply = front.get("/collections?limit=1&fields=extent.temporal").await;
    assert_eq!(
        reply.json()["collections"][0]["extent"],
        json!({"temporal": {"interval": [["2010-01-01T00:00:00Z", null]]}})
    );
}

/// What STAC Browser sends from another origin: no preflight for a GET, but one is answered.
#[tokio::test]
async fn a_browser_can_search_from_elsewhere() {
    let (_members, front) = front().await;
    for path in [
        "/collections?q=sea,ice&sortby=-title&limit=5",
        "/collections-queryables",
        "/collections-sortables",
        "/queryables",
        "/collections/A%7Cice/queryables",
    ] {
        let reply = front.get_with(path, "origin", "https://browser.example").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "*"), "{path}");
        let preflight = sent(front.request("OPTIONS", path).header("origin", "https://browser.example")).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, "*"), "{path}");
        for method in ["POST", "PUT", "DELETE"] {
            let refused = sent(front.request(method, path)).await;
            assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
}
