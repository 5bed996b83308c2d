//! Each row of the checklist, broken.

use serde_json::{Value, json};
use stac_broker::demo::Demo;
use stac_broker::federation::{Kind, load_text};
use stac_broker::onboarding::{Candidate, Registered, Row, Severity, Verdict, check};

use super::bent::{Asked, Bend, Bent, Reply, ask, reply};
use super::{ERROR, LESS, NOTE, assert_says, candidate, checked, findings, report_of, told, url_of};

/// A row, what it must say, and what is bent for it.
type Case = (Row, Verdict, &'static str, Bend);

async fn all(cases: &[Case]) {
    let demo = Demo::start().await.unwrap();
    let reports = cases.iter().map(|(_, _, _, bend)| report_of(&demo, *bend, |_| ()));
    let reports = futures::future::join_all(reports).await;
    for ((row, verdict, says, _), report) in cases.iter().zip(&reports) {
        assert_says(report, *row, *verdict, says);
        for finding in findings(report, *row).iter().filter(|finding| finding.verdict == ERROR) {
            assert!(finding.evidence.is_some(), "the request that shows it is named: {finding:?}");
        }
    }
}

fn landing(change: fn(&mut Reply), asked: &Asked, reply: &mut Reply) {
    if asked.path.is_empty() {
        change(reply);
    }
}

fn each_collection(asked: &Asked, reply: &mut Reply, change: fn(&mut Value)) {
    if asked.path == "collections" {
        reply.body["collections"].as_array_mut().unwrap().iter_mut().for_each(change);
    }
}

fn features(reply: &mut Reply) -> Option<&mut Vec<Value>> {
    reply.body["features"].as_array_mut()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_the_demo_can_all_join() {
    let demo = Demo::start().await.unwrap();
    // EDITO is a resto, and asked as one
    for member in ["EODC", "GRNET-OPENSTACK", "EDITO"] {
        let report = checked(&candidate(&url_of(&demo, member))).await;
        assert!(report.may_join(), "{member}: {:#?}", report.findings);
        let less: Vec<Row> =
            report.findings.iter().filter(|finding| finding.verdict == LESS).map(|finding| finding.row).collect();
        assert_eq!(less, [], "{member}: {:#?}", report.findings);
        assert!(report.requests > 15 && report.requests < 60, "{member}: {}", report.requests);
        for row in [Row::L1, Row::C1, Row::C2, Row::S1, Row::S5, Row::P1, Row::N1, Row::E1, Row::X1] {
            assert_eq!(findings(&report, row)[0].verdict, Verdict::Good, "{member} {row:?}");
        }
    }
    for (member, kind) in [("EMODnet", Kind::OgcRecords), ("CMEMS", Kind::StaticStac)] {
        let report = checked(&candidate(&url_of(&demo, member))).await;
        assert!(report.may_join(), "{member}: {:#?}", report.findings);
        assert_eq!(report.kind, kind, "{member} is told by what it answers");
        let bad = report.findings.iter().filter(|finding| matches!(finding.verdict, ERROR | LESS));
        assert_eq!(bad.count(), 0, "{member}: {:#?}", report.findings);
    }
    let known = checked(&candidate(&url_of(&demo, "EDITO"))).await.discovered;
    assert_eq!((known.page_items_max, known.collections), (Some(500), 31));
    let known = checked(&candidate(&url_of(&demo, "GRNET-OPENSTACK"))).await.discovered;
    assert_eq!((known.get, known.post), (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_landing_pages() {
    let cases: [Case; 12] = [
        (
            Row::H3,
            LESS,
            "configure the final URL: http://127.0.0.1:",
            reply(|asked, reply| {
                if asked.raw == "/api/v1" {
                    reply.status = 302;
                    reply.headers.push(("location", "/api/v1/".into()));
                }
            }),
        ),
        (
            Row::L1,
            ERROR,
            "leads to http://127.0.0.1:9/, which is another site",
            reply(|asked, reply| {
                if asked.path.is_empty() {
                    reply.status = 302;
                    reply.headers.push(("location", "http://127.0.0.1:9/".into()));
                }
            }),
        ),
        (
            Row::L1,
            ERROR,
            "`type` is `Feature`, not `Catalog`",
            reply(|a, r| landing(|reply| reply.body["type"] = "Feature".into(), a, r)),
        ),
        (
            Row::L1,
            ERROR,
            "a page for people",
            reply(|a, r| landing(|reply| reply.text = Some("<!doctype html><p>hello"), a, r)),
        ),
        (Row::L1, ERROR, "there is nothing at this address", reply(|a, r| landing(|reply| reply.fails(404), a, r))),
        (
            Row::L1,
            ERROR,
            "declares no conformance classes",
            reply(|asked, reply| {
                landing(|reply| drop(reply.body.as_object_mut().unwrap().remove("conformsTo")), asked, reply);
                if asked.path == "conformance" {
                    reply.fails(404);
                }
            }),
        ),
        (
            Row::L1,
            LESS,
            "repeat conformsTo in the landing page",
            reply(|asked, reply| {
                landing(|reply| drop(reply.body.as_object_mut().unwrap().remove("conformsTo")), asked, reply);
                if asked.path == "conformance" {
                    reply.status = 200;
                    reply.body = json!({"conformsTo": ["https://api.stacspec.org/v1.0.0/core"]});
                }
            }),
        ),
        (
            Row::L2,
            ERROR,
            "add a link rel=data to /collections",
            reply(|a, r| {
                landing(
                    |reply| {
                        reply.without_link("data");
                        reply.without_link("child");
                    },
                    a,
                    r,
                );
            }),
        ),
        (Row::L3, LESS, "add rel=search", reply(|a, r| landing(|reply| reply.without_link("search"), a, r))),
        (
            Row::L4,
            LESS,
            "is relative: ./x",
            reply(|a, r| landing(|reply| reply.links()[0]["href"] = "./x".into(), a, r)),
        ),
        (
            Row::L4,
            LESS,
            "leads to http://internal:8080",
            reply(|a, r| landing(|reply| reply.links()[0]["href"] = "http://internal:8080/".into(), a, r)),
        ),
        (
            Row::C6,
            NOTE,
            "have no `type`",
            reply(|a, r| landing(|reply| drop(reply.links()[0].as_object_mut().unwrap().remove("type")), a, r)),
        ),
    ];
    all(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_that_do_not_hold() {
    fn claims(asked: &Asked, reply: &mut Reply, class: &str) {
        if asked.path.is_empty() {
            reply.body["conformsTo"].as_array_mut().unwrap().push(class.into());
        }
    }
    let cases: [Case; 5] = [
        (
            Row::L5,
            LESS,
            "`item-search#query` is advertised, but `query` on `eo:cloud_cover` by POST failed",
            reply(|asked, reply| {
                claims(asked, reply, "https://api.stacspec.org/v1.0.0/item-search#query");
                if asked.has("query") {
                    reply.fails(400);
                }
            }),
        ),
        (
            Row::L5,
            LESS,
            "`item-search#filter` is advertised, but `filter` as cql2-json by POST failed",
            ask(|asked| asked.forget("filter")),
        ),
        (
            Row::L5,
            LESS,
            "`item-search#sort` is advertised, but `sortby=-datetime` failed",
            reply(|asked, reply| {
                if asked.value("sortby").is_some_and(|by| by.starts_with('-'))
                    && let Some(features) = features(reply)
                {
                    features.reverse();
                }
            }),
        ),
        (
            Row::L5,
            LESS,
            "`item-search#fields` is advertised, but `fields` failed",
            reply(|asked, reply| {
                claims(asked, reply, "https://api.stacspec.org/v1.0.0/item-search#fields");
            }),
        ),
        (
            Row::A2,
            Verdict::Good,
            "authentication extension",
            reply(|asked, reply| {
                each_collection(asked, reply, |collection| {
                    collection["stac_extensions"] =
                        json!(["https://stac-extensions.github.io/authentication/v1.1.0/schema.json"]);
                });
            }),
        ),
    ];
    all(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collections() {
    let cases: [Case; 12] = [
        (
            Row::A1,
            ERROR,
            "open collections and items to anonymous reading",
            reply(|asked, reply| {
                if asked.path == "collections" {
                    reply.fails(401);
                }
            }),
        ),
        (
            Row::C1,
            ERROR,
            "answer there with all Collections",
            reply(|asked, reply| {
                if asked.path == "collections" {
                    reply.body["collections"] = json!([]);
                }
            }),
        ),
        (
            Row::C1,
            ERROR,
            "/collections answered 404",
            reply(|asked, reply| {
                if asked.path == "collections" {
                    reply.fails(404);
                }
            }),
        ),
        (
            Row::C1,
            LESS,
            "`numberMatched` is 99",
            reply(|asked, reply| {
                if asked.path == "collections" {
                    reply.body["numberMatched"] = 99.into();
                }
            }),
        ),
        (
            Row::C1,
            LESS,
            "then a page answered 500",
            reply(|asked, reply| {
                if asked.path == "collections" && asked.has("token") {
                    reply.fails(500);
                } else if asked.path == "collections" {
                    reply.links().push(json!({"rel": "next", "href": "?token=2"}));
                }
            }),
        ),
        (
            Row::C2,
            LESS,
            "`license` is missing",
            reply(|a, r| each_collection(a, r, |one| drop(one.as_object_mut().unwrap().remove("license")))),
        ),
        (
            Row::C3,
            LESS,
            "a comma in",
            reply(|a, r| each_collection(a, r, |one| one["id"] = format!("{},", one["id"].as_str().unwrap()).into())),
        ),
        (
            Row::C3,
            NOTE,
            "`/` in",
            reply(|a, r| each_collection(a, r, |one| one["id"] = format!("a/{}", one["id"].as_str().unwrap()).into())),
        ),
        (
            Row::C4,
            LESS,
            "add rel=items with type application/geo+json",
            reply(|a, r| {
                each_collection(a, r, |one| {
                    one["links"].as_array_mut().unwrap().retain(|link| link["rel"] != "items");
                });
            }),
        ),
        (Row::Q1, NOTE, "link queryables from the collection", reply(|_, _| ())),
        (
            Row::Q1,
            Verdict::Good,
            "linked from every Collection",
            reply(|asked, reply| {
                each_collection(asked, reply, |one| {
                    one["links"].as_array_mut().unwrap().push(json!({"rel": "queryables", "href": "queryables"}));
                });
                if asked.path == "queryables" {
                    reply.status = 200;
                    reply.body = json!({"type": "object", "properties": {}});
                }
            }),
        ),
        (
            Row::Q1,
            NOTE,
            "but the link answered 404",
            reply(|asked, reply| {
                each_collection(asked, reply, |one| {
                    one["links"].as_array_mut().unwrap().push(json!({"rel": "queryables", "href": "queryables"}));
                });
                if asked.path == "queryables" {
                    reply.fails(404);
                }
            }),
        ),
    ];
    all(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_and_their_parameters() {
    let cases: [Case; 13] = [
        (
            Row::S1,
            NOTE,
            "POST is used",
            reply(|asked, reply| {
                if asked.is_search() && !asked.post {
                    reply.fails(500);
                }
            }),
        ),
        (
            Row::S1,
            ERROR,
            "GET search answered 500",
            reply(|asked, reply| {
                if asked.is_search() {
                    reply.fails(500);
                }
            }),
        ),
        (
            Row::S2,
            NOTE,
            "offer POST",
            reply(|asked, reply| {
                if asked.post {
                    reply.fails(405);
                }
            }),
        ),
        (
            Row::S3,
            LESS,
            "`bbox` gives Items that do not match it | answer `bbox` as Item Search says",
            ask(|asked| asked.forget("bbox")),
        ),
        (Row::S3, LESS, "`datetime` gives Items that do not match it", ask(|asked| asked.forget("datetime"))),
        (
            Row::S3,
            LESS,
            "`datetime` does not find an Item that matches it",
            reply(|asked, reply| {
                if asked.has("datetime")
                    && let Some(features) = features(reply)
                {
                    features.clear();
                }
            }),
        ),
        (Row::S4, LESS, "`ids` with an id that no Item has gives Items", ask(|asked| asked.forget("ids"))),
        (
            Row::S4,
            LESS,
            "a search with `intersects` answered 400",
            reply(|asked, reply| {
                if asked.has("intersects") {
                    reply.fails(400);
                }
            }),
        ),
        (
            Row::S4,
            LESS,
            "serve each Item at /collections/{collection}/items/{item}",
            reply(|asked, reply| {
                if asked.path.contains("/items/") {
                    reply.fails(404);
                }
            }),
        ),
        (
            Row::S5,
            ERROR,
            "a search for an unknown collection returned Items",
            ask(|asked| {
                if asked.value("collections").is_some_and(|ids| ids.contains("none-of-this-name")) {
                    asked.forget("collections");
                }
            }),
        ),
        (
            Row::S6,
            LESS,
            "a geometry, but no valid `bbox`",
            reply(|_, reply| {
                if let Some(features) = features(reply) {
                    for item in features.iter_mut() {
                        item.as_object_mut().unwrap().remove("bbox");
                    }
                }
            }),
        ),
        (
            Row::S6,
            LESS,
            "no `id`, or one that is not text | mend the Item; it is dropped",
            reply(|_, reply| {
                if let Some(first) = features(reply).and_then(|features| features.first_mut()) {
                    first["id"] = 7.into();
                }
            }),
        ),
        (
            Row::E1,
            NOTE,
            "answered as if it were right",
            reply(|asked, reply| {
                if asked.value("bbox").as_deref() == Some("1,2,3") {
                    reply.status = 200;
                    reply.body = json!({"type": "FeatureCollection", "features": []});
                }
            }),
        ),
    ];
    all(&cases).await;
    let cases: [Case; 2] = [
        (
            Row::E1,
            NOTE,
            "400 without `code` and `description`",
            reply(|asked, reply| {
                if reply.status == 400 && asked.is_search() {
                    reply.text = Some("no");
                }
            }),
        ),
        (
            Row::E1,
            NOTE,
            "is answered 500, as if the server were wrong",
            reply(|asked, reply| {
                if reply.status == 400 && asked.is_search() {
                    reply.fails(500);
                }
            }),
        ),
    ];
    all(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages() {
    let cases: [Case; 9] = [
        (
            Row::P1,
            ERROR,
            "page 2 repeats page 1: check the next link",
            ask(|asked| {
                asked.forget("token");
                asked.forget("next");
            }),
        ),
        (
            Row::P1,
            LESS,
            "for example",
            reply(|asked, reply| {
                let first_page =
                    asked.is_search() && asked.value("limit").as_deref() == Some("10") && !asked.has("token");
                if first_page && let Some(features) = features(reply) {
                    drop(features.pop());
                }
                // a list of as many in all: the gap is not its end
                let big = asked.value("limit").as_deref() == Some("29");
                if big && let Some(features) = features(reply) {
                    features.truncate(29);
                }
            }),
        ),
        (
            Row::P1,
            LESS,
            "Items without a next link, though 608 match",
            reply(|_, reply| {
                if features(reply).is_some() {
                    reply.without_link("next");
                }
            }),
        ),
        (
            Row::P1,
            LESS,
            "asks for method `PUT`",
            reply(|_, reply| {
                if features(reply).is_some() {
                    reply
                        .links()
                        .iter_mut()
                        .filter(|link| link["rel"] == "next")
                        .for_each(|link| link["method"] = "PUT".into());
                }
            }),
        ),
        (
            Row::P1,
            LESS,
            "page 2 answered 400",
            reply(|asked, reply| {
                if asked.is_search() && (asked.has("token") || asked.has("next")) {
                    reply.fails(400);
                }
            }),
        ),
        (
            Row::P2,
            NOTE,
            "next points to http://internal:8080; set the public URL of the service",
            reply(|_, reply| {
                let internal = |link: &mut Value| {
                    let href = url::Url::parse(link["href"].as_str().unwrap()).unwrap();
                    link["href"] =
                        format!("http://internal:8080{}?{}", href.path(), href.query().unwrap_or_default()).into();
                };
                if features(reply).is_some() {
                    reply.links().iter_mut().filter(|link| link["rel"] == "next").for_each(internal);
                }
            }),
        ),
        (
            Row::P3,
            NOTE,
            "limit above 250 fails with 500",
            reply(|asked, reply| {
                let limit = asked.value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
                if limit > 250 {
                    reply.fails(500);
                }
            }),
        ),
        (
            Row::P3,
            Verdict::Good,
            "clamped to 40 Items",
            reply(|_, reply| {
                if let Some(features) = features(reply) {
                    features.truncate(40);
                }
            }),
        ),
        (
            Row::P4,
            NOTE,
            "an empty page follows the last one",
            reply(|asked, reply| {
                if !asked.has("ids") || features(reply).is_none() {
                    return;
                }
                if asked.has("token") {
                    reply.body["features"] = json!([]);
                } else {
                    reply.links().push(json!({"rel": "next", "href": "search?token=behind"}));
                }
            }),
        ),
    ];
    let demo = Demo::start().await.unwrap();
    for (row, verdict, says, bend) in &cases {
        // a member that cuts pages silently still says that there is more
        let report = report_of(&demo, *bend, |_| ()).await;
        assert_says(&report, *row, *verdict, says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_counts_limits_and_processes() {
    let cases: [Case; 12] = [
        (Row::O1, LESS, "order is not", ask(|asked| asked.forget("sortby"))),
        (
            Row::O1,
            LESS,
            "a search with `sortby` answered 400",
            reply(|asked, reply| {
                if asked.has("sortby") {
                    reply.fails(400);
                }
            }),
        ),
        (
            Row::O2,
            LESS,
            "has neither `datetime` nor `start_datetime`",
            reply(|_, reply| {
                if let Some(first) = features(reply).and_then(|features| features.first_mut()) {
                    first["properties"]["datetime"] = Value::Null;
                }
            }),
        ),
        (
            Row::N1,
            NOTE,
            "offer numberMatched, an estimate is enough",
            reply(|_, reply| {
                if let Some(page) = reply.body.as_object_mut() {
                    page.remove("numberMatched");
                    page.remove("context");
                }
            }),
        ),
        (
            Row::N1,
            NOTE,
            "`numberMatched` is 4711 for a search that matches 1",
            reply(|_, reply| {
                if features(reply).is_some() {
                    reply.body["numberMatched"] = 4711.into();
                }
            }),
        ),
        (
            Row::N2,
            LESS,
            "counts are estimates",
            reply(|asked, reply| {
                if asked.has("datetime") && features(reply).is_some() {
                    reply.body["numberMatched"] = (reply.body["numberMatched"].as_u64().unwrap() + 7).into();
                }
            }),
        ),
        (Row::T2, NOTE, "no answer speaks of a rate limit", reply(|_, _| ())),
        (
            Row::T2,
            Verdict::Good,
            "the header `x-ratelimit-limit`",
            reply(|_, reply| reply.headers.push(("x-ratelimit-limit", "10".into()))),
        ),
        (
            Row::T2,
            NOTE,
            "429 without `Retry-After`",
            reply(|asked, reply| {
                if asked.has("intersects") {
                    reply.fails(429);
                }
            }),
        ),
        (
            Row::X2,
            LESS,
            "the list of processes at",
            reply(|a, r| {
                landing(
                    |reply| {
                        reply.links().push(
                            json!({"rel": "http://www.opengis.net/def/rel/ogc/1.0/processes", "href": "v1/none"}),
                        );
                    },
                    a,
                    r,
                );
            }),
        ),
        (
            Row::X2,
            Verdict::Good,
            "processes are listed and described",
            reply(|asked, reply| {
                landing(
                    |reply| {
                        reply.links().push(
                            json!({"rel": "http://www.opengis.net/def/rel/ogc/1.0/processes", "href": "v1/processes"}),
                        );
                    },
                    asked,
                    reply,
                );
                if asked.path.starts_with("processes") {
                    reply.status = 200;
                    reply.body = json!({"id": "subset", "processes": [{"id": "subset"}]});
                }
            }),
        ),
        (Row::T1, Verdict::Good, "search answers", reply(|_, _| ())),
    ];
    all(&cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_over_the_bound_are_refused() {
    let demo = Demo::start().await.unwrap();
    let report = report_of(&demo, reply(|_, _| ()), |candidate| candidate.limits.answer_bytes_max = 12_000).await;
    assert_says(&report, Row::X1, ERROR, "give smaller pages");
    // a page of 1,000 alone is a page that is not asked for
    let report = report_of(&demo, reply(|_, _| ()), |candidate| candidate.limits.answer_bytes_max = 400_000).await;
    assert_says(&report, Row::X1, Verdict::Good, "the largest answer has");
    assert_says(&report, Row::P3, NOTE, "limit above 250 fails");
    assert_eq!(report.discovered.page_items_max, Some(250));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_federation_file_is_held_against_the_member() {
    let demo = Demo::start().await.unwrap();
    let bent = Bent::of(&url_of(&demo, "EODC"), reply(|_, _| ())).await;
    let text = format!(
        "[federation]\nid = \"f\"\n[[member]]\nid = \"A\"\nurl = \"{}\"\ninternal = true\n[[member.policy.retention]]\nkeep = \"P90D\"\n",
        bent.url
    );
    let federation = load_text("f", &text, std::path::Path::new("")).unwrap().federation;
    let with = |id: Option<&str>, url: &str| Candidate {
        registered: Some(Registered::of(&federation, "f.toml", url, id)),
        id: id.map(str::to_owned),
        ..candidate(url)
    };
    let report = checked(&with(None, &bent.url)).await;
    assert_says(&report, Row::R1, Verdict::Good, "member `A` of f.toml");
    assert_says(&report, Row::C5, LESS, "policy keeps collection `sentinel-2-l2a` from");
    assert_eq!(report.member.as_deref(), Some("A"));
    let other = url_of(&demo, "EODC");
    assert_says(&checked(&with(None, &other)).await, Row::R1, NOTE, "no member of f.toml has this address");
    assert_says(&checked(&with(Some("a"), &other)).await, Row::R2, ERROR, "`a` is taken by member `A`");
    assert_says(&checked(&with(Some("B"), &other)).await, Row::R2, Verdict::Good, "`B` can be taken");
    let report = checked(&candidate(&other)).await;
    assert!(findings(&report, Row::R1).is_empty() && findings(&report, Row::C5).is_empty(), "they do not apply");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cause_makes_one_finding() {
    let demo = Demo::start().await.unwrap();
    for (bend, cause) in [
        (reply(|_, reply| reply.fails(404)), "there is no landing page"),
        (
            reply(|asked, reply| {
                if asked.is_search() {
                    reply.fails(500);
                }
            }),
            "no search answers",
        ),
        (
            reply(|asked, reply| {
                if asked.path == "collections" {
                    reply.fails(429);
                    reply.headers.push(("retry-after", "120".into()));
                }
            }),
            "the member asked for a pause of 120 s",
        ),
    ] {
        let report = report_of(&demo, bend, |_| ()).await;
        let bad = report.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Bad(Severity::Error)));
        assert!(bad.count() <= 1, "{:#?}", report.findings);
        let unchecked = report.findings.iter().filter(|finding| finding.verdict == Verdict::Unchecked);
        let of_it = unchecked.filter(|finding| finding.seen == cause).count();
        assert!(of_it > 10, "{cause}: {:#?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_never_answers_ends_the_check_soon() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut slow = candidate(&url);
    slow.limits.member_deadline = std::time::Duration::from_millis(100);
    let report = checked(&slow).await;
    assert_says(&report, Row::L1, ERROR, "got no whole answer in time");
    assert_eq!(report.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_item_search_is_asked_by_collection() {
    let demo = Demo::start().await.unwrap();
    let bend = reply(|asked, reply| {
        if asked.is_search() {
            reply.fails(404);
        }
        landing(|reply| reply.without_link("search"), asked, reply);
    });
    let report = report_of(&demo, bend, |_| ()).await;
    assert_says(&report, Row::L3, LESS, "until then each collection costs one request");
    assert_says(&report, Row::S1, NOTE, "Items were asked of one Collection at its own address");
    assert_says(&report, Row::S3, Verdict::Good, "datetime");
    assert!(report.may_join() && report.discovered.items_only, "{:#?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_outside_the_address() {
    let monitor = crate::support::OutboundMonitor::start().await;
    let demo = Demo::start().await.unwrap();
    let bent = Bent::of(&url_of(&demo, "EODC"), reply(|_, _| ())).await;
    let outside = monitor.base.clone();
    let away = Bent::of(&url_of(&demo, "EODC"), reply(|_, _| ())).await;
    // every address that the member prints leads elsewhere
    let hostile = crate::support::ScriptedMember::new("H")
        .items(crate::support::items("c", 60))
        .next_at(&outside)
        .landing_redirect(&outside)
        .start()
        .await;
    let report = checked(&candidate(hostile.url.as_str())).await;
    assert!(!report.may_join(), "{:#?}", report.findings);
    let hostile = crate::support::ScriptedMember::new("H")
        .items(crate::support::items("c", 60))
        .next_at(&outside)
        .at("", 200, json!({"type": "Catalog", "stac_version": "1.0.0", "conformsTo": ["https://api.stacspec.org/v1.0.0/core"], "links": [
            {"rel": "search", "type": "application/geo+json", "href": format!("{outside}/search")},
            {"rel": "data", "href": format!("{outside}/collections")},
            {"rel": "http://www.opengis.net/def/rel/ogc/1.0/processes", "href": format!("{outside}/processes")},
        ]}))
        .start()
        .await;
    let report = checked(&candidate(hostile.url.as_str())).await;
    assert_says(&report, Row::L4, LESS, &outside);
    assert_says(&report, Row::P2, NOTE, &outside);
    assert!(
        hostile.recorded().iter().all(super::super::support::scripted::Recorded::is_probe),
        "it says that it is a probe"
    );
    monitor.assert_untouched();
    drop((bent, away));
}

#[tokio::test]
async fn addresses_of_the_own_network_need_to_be_called_internal() {
    for url in ["http://127.0.0.1:9/", "http://[::1]:9/", "http://10.0.0.1/", "http://169.254.169.254/latest"] {
        let public = Candidate { internal: false, ..candidate(url) };
        let refused = check(&public, &|_| ()).await.unwrap_err();
        assert!(refused.is_internal && refused.hint.is_none(), "{url}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_kinds_are_told_by_what_answers() {
    let demo = Demo::start().await.unwrap();
    let fixed = reply(|a, r| {
        landing(
            |reply| {
                reply.body.as_object_mut().unwrap().remove("conformsTo");
                reply.links().retain(|link| link["rel"] == "self");
                reply.links().push(json!({"rel": "child", "href": "v1/child.json"}));
            },
            a,
            r,
        );
        if a.path == "child.json" {
            r.status = 200;
            r.body = crate::support::collection("fixed");
        }
    });
    let report = report_of(&demo, fixed, |_| ()).await;
    assert_eq!(report.kind, Kind::StaticStac);
    assert_says(&report, Row::C1, Verdict::Good, "1 Collection");
    assert!(report.findings.iter().all(|finding| finding.row != Row::S1), "rows that do not apply are left out");
    let first = findings(&report, Row::L1)[0];
    assert!(told(first).contains("static-stac"), "{first:?}");
    let report = report_of(&demo, fixed, |candidate| candidate.kind = Some(Kind::StacApi)).await;
    assert_eq!(report.kind, Kind::StacApi);
}
