//! Servers as they are (`members.md` section 6, faults F1 to F22 of `reliability.md`): a scripted member for each habit
//! that was seen, and what a client of the broker gets of it.

use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Bbox, Interval};
use stac_broker::members::{Ask, Fault};
use tokio::time::Instant;

use crate::support::front::{Reply, names};
use crate::support::oracle::Oracle;
use crate::support::scripted::Recorded;
use crate::support::{
    Front, NextForm, OutboundMonitor, Quirks, Running, ScriptedMember, collection, federation_of, items, time,
};

/// What a walk of all of A and B gives.
fn wanted(a: &[Value], b: &[Value]) -> Vec<String> {
    Oracle::of([("A", a), ("B", b)]).newest_first()
}

/// Walks A, which has 60 Items, beside B, which is well-behaved, at several page sizes; gives A and the last walk.
async fn check(script: ScriptedMember) -> (Running, Vec<Reply>) {
    check_items(script, items("a", 60)).await
}

async fn check_items(script: ScriptedMember, own: Vec<Value>) -> (Running, Vec<Reply>) {
    let other = items("b", 30);
    let wanted = wanted(&own, &other);
    let (a, b) = (script.items(own).start().await, ScriptedMember::new("B").items(other).start().await);
    let front = Front::of(federation_of([a.declared(), b.declared()])).await;
    let mut last = Vec::new();
    for limit in [100, 7, 1] {
        last = front.walk_get(&format!("/search?limit={limit}")).await;
        assert_eq!(names(&last), wanted, "pages of {limit}");
        assert!(last.iter().all(|page| page.missing().is_empty()), "pages of {limit}: {:?}", last[0].report());
    }
    (a, last)
}

fn new() -> ScriptedMember {
    ScriptedMember::new("A")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Parameters of a request, whichever way they were sent; texts of members that are none.
fn parameters(request: &Recorded) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let body: serde_json::Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
    let query = url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).into_owned();
    query.chain(body.iter().map(|(name, value)| (name.clone(), text(value)))).collect()
}

fn searches(member: &Running) -> Vec<Recorded> {
    member.recorded().into_iter().filter(|request| request.uri.path().ends_with("/search")).collect()
}

#[tokio::test]
async fn counts_in_context_are_counts() {
    let quirks = Quirks { counts_in_context: true, ..Quirks::default() };
    let (_member, pages) = check(new().quirks(quirks)).await;
    assert_eq!(pages[0].json()["numberMatched"], 90);
}

#[tokio::test]
async fn bracket_addresses_in_next_are_read_for_their_cursor_alone() {
    let (member, _) = check(new().page_cap(9).next_form(NextForm::GetAfterPost)).await;
    for request in searches(&member) {
        assert!(parameters(&request).iter().all(|(name, _)| !name.contains('[')), "{}", request.uri);
    }
    assert!(searches(&member).iter().any(|request| request.uri.query().is_some_and(|query| query.contains("cursor="))));
}

#[tokio::test]
async fn a_trailing_empty_page_is_the_end() {
    check(new().trailing_empty_page()).await;
    check(new().trailing_empty_page().page_cap(20).next_form(NextForm::PostFull)).await;
}

#[tokio::test]
async fn items_repeated_on_later_pages_are_given_once() {
    for form in [NextForm::Get, NextForm::PostFull] {
        check(new().page_cap(9).repeats(4).next_form(form)).await;
    }
}

#[tokio::test]
async fn pages_that_loop_are_no_progress() {
    let own = items("a", 60);
    let a = new().items(own.clone()).page_cap(20).fails(crate::support::Fails::Loop).start().await;
    let front = Front::of(federation_of([a.declared()])).await;
    let search = "/search?limit=200&sortby=-datetime";
    let page = front.get(search).await;
    assert_eq!(page.names(), wanted(&own, &[])[..20], "what it showed before is given");
    assert!(page.report()["complete"] == false && page.missing() == ["A"], "{}", page.report());
    assert_eq!(page.member("A")["status"], "no-progress", "{}", page.report());
    assert!(a.searches() <= 12, "{} searches", a.searches());
}

#[tokio::test]
async fn next_links_at_other_hosts_paths_and_schemes_lead_to_the_configured_address() {
    let monitor = OutboundMonitor::start().await;
    let host = monitor.base.trim_start_matches("http://");
    for base in [
        monitor.base.clone(),
        format!("{}/stac/stac", monitor.base),
        format!("https://{host}"),
        format!("//{host}/prefix/stac"),
        "http:/stac".to_owned(),
        "/internal".to_owned(),
        "ftp://internal.invalid".to_owned(),
    ] {
        for form in [NextForm::Get, NextForm::PostFull, NextForm::GetAfterPost] {
            let (member, _) = check(new().page_cap(20).next_form(form).next_at(&base)).await;
            assert!(searches(&member).iter().all(|request| request.uri.path() == "/stac/search"), "{base}");
        }
    }
    monitor.assert_untouched();
}

#[tokio::test]
async fn a_format_in_every_href_is_kept_and_queries_are_appended_to_it() {
    let quirks = Quirks { formats_in_hrefs: true, ..Quirks::default() };
    let (member, _) = check(new().get_only().page_cap(20).next_form(NextForm::GetEcho).quirks(quirks.clone())).await;
    for request in searches(&member) {
        let formats = parameters(&request).into_iter().filter(|(name, _)| name == "f");
        assert_eq!(formats.map(|(_, format)| format).collect::<Vec<_>>(), ["application/geo+json"], "{}", request.uri);
        assert_eq!(request.uri.to_string().matches('?').count(), 1, "{}", request.uri);
    }
    let (member, _) = check(new().page_cap(20).next_form(NextForm::PostFull).quirks(quirks)).await;
    assert!(searches(&member).iter().all(|request| request.uri.query() == Some("f=application%2Fgeo%2Bjson")));
}

#[tokio::test]
async fn a_query_in_the_configured_address_stays_in_every_request() {
    let member = new().items(items("a", 60)).page_cap(20).next_form(NextForm::GetEcho).start().await;
    let mut declared = member.declared();
    declared.url.set_query(Some("map=ocean"));
    let front = Front::of(federation_of([declared])).await;
    assert_eq!(names(&front.walk_get("/search?limit=7").await).len(), 60);
    front.get("/collections/A%7Ca/items/a-0001").await;
    for request in member.recorded() {
        let of_map = parameters(&request).into_iter().filter(|(name, _)| name == "map").count();
        assert_eq!(of_map, 1, "{}", request.uri);
    }
}

#[tokio::test]
async fn a_full_page_without_next_is_asked_again_by_a_bound() {
    let (member, _) = check(new().page_cap(25).next_form(NextForm::None)).await;
    assert!(searches(&member).iter().any(|request| parameters(request).iter().any(|(name, _)| name == "datetime")));
}

#[tokio::test]
async fn conditions_go_as_json_by_get_where_the_server_reads_json_only() {
    let own: Vec<Value> = items("a", 10)
        .into_iter()
        .zip(0..)
        .map(|(mut item, n)| {
            item["properties"]["gsd"] = n.into();
            item
        })
        .collect();
    let member = new().items(own).filters(&["cql2-json"]).get_only().start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let page = front.get("/search?filter=gsd%3C3&filter-lang=cql2-text").await;
    assert_eq!(page.names().len(), 3, "{}", page.text);
    let sent = searches(&member).iter().map(parameters).find(|sent| sent.iter().any(|(name, _)| name == "filter"));
    let sent = sent.expect("the condition is given to the member");
    assert!(sent.contains(&("filter-lang".to_owned(), "cql2-json".to_owned())), "{sent:?}");
}

#[tokio::test]
async fn a_listing_cut_at_a_round_number_proves_nothing_until_more_was_asked_for() {
    let many = |count: usize| (0..count).map(|n| collection(&format!("c{n:03}"))).collect::<Vec<_>>();
    for (held, cut, knows_limit, listed, complete) in [
        (150, 100, false, 100, false),
        (150, 100, true, 150, true),
        (100, 100, false, 100, false),
        (25, 10, false, 10, false),
        (25, 10, true, 25, true),
        (7, 10, false, 7, true),
    ] {
        let quirks = Quirks { listing_cut: Some((cut, knows_limit)), ..Quirks::default() };
        let member = new().collections(many(held)).quirks(quirks).start().await;
        let front = Front::of(federation_of([member.declared()])).await;
        let view = front.broker.snapshot().view.clone();
        let found = (view.members[0].entries.len(), view.members[0].known == stac_broker::collections::Known::Complete);
        assert_eq!(found, (listed, complete), "{held} cut at {cut}, limit known: {knows_limit}");
    }
}

#[tokio::test]
async fn sortby_as_json_in_a_next_link_is_not_sent_beside_ours() {
    let (member, _) = check(new().get_only().page_cap(9).next_form(NextForm::GetEcho)).await;
    for request in searches(&member) {
        let sent = parameters(&request);
        let sortby: Vec<&String> = sent.iter().filter(|(name, _)| name == "sortby").map(|(_, value)| value).collect();
        assert!(sortby.len() == 1 && !sortby[0].starts_with('['), "{sortby:?}");
    }
}

#[tokio::test]
async fn a_token_that_names_a_deleted_item_is_left_for_a_bound_on_time() {
    for status in [400, 404, 410, 422, 500] {
        for form in [NextForm::Get, NextForm::PostFull] {
            let quirks = Quirks { refuses_tokens: Some((status, false)), ..Quirks::default() };
            check(new().page_cap(20).next_form(form).quirks(quirks)).await;
        }
    }
}

#[tokio::test]
async fn a_next_page_that_is_405_by_post_is_asked_by_a_bound() {
    let quirks = Quirks { refuses_tokens: Some((405, true)), ..Quirks::default() };
    check(new().page_cap(20).next_form(NextForm::PostFull).quirks(quirks)).await;
}

#[tokio::test]
async fn items_without_datetime_that_break_the_token_lose_nothing_silently() {
    let mut own = items("a", 40);
    for (n, item) in own.iter_mut().enumerate().filter(|(n, _)| n % 8 == 3) {
        item["properties"] = json!({"datetime": null, "start_datetime": time(n), "end_datetime": time(n)});
    }
    let quirks = Quirks { null_times_break: true, ..Quirks::default() };
    for cap in [4, 5, 40] {
        check_items(new().page_cap(cap).quirks(quirks.clone()), own.clone()).await;
    }
}

#[tokio::test]
async fn links_of_other_types_are_passed_over() {
    let own = items("a", 20);
    let at = |base: &str, rel: &str, path: &str, media: &str| json!({"rel": rel, "type": media, "href": format!("{base}/{path}")});
    // the scripted member does not know its address before it has started: relative links serve as well
    let links = json!([
        at(
            "./stac",
            "search",
            "api?httpAccept=application/opensearchdescription%2Bxml",
            "application/opensearchdescription+xml"
        ),
        at("./stac", "data", "series", "text/turtle"),
        at("./stac", "data", "collections", "application/json"),
        at("./stac", "search", "search.html", "text/html"),
        at("./stac", "search", "search", "application/geo+json"),
        at("./stac", "service-desc", "api", "application/sru+xml"),
    ]);
    let quirks = Quirks { landing: Some(json!({"links": links})), ..Quirks::default() };
    let member = new().items(own.clone()).quirks(quirks).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    assert_eq!(names(&front.walk_get("/search?limit=7").await), wanted(&own, &[]));
    let known = front.get("/federation/members/A").await.json()["collections"].clone();
    assert_eq!(known["list"], "complete", "{known}");
    let odd = ["/stac/api", "/stac/series", "/stac/search.html"];
    assert!(member.recorded().iter().all(|request| !odd.contains(&request.uri.path())));
}

#[tokio::test]
async fn classes_count_by_their_end_in_any_spelling_and_unknown_ones_do_not() {
    let classes = vec![
        "http://www.opengis.net/spec/cql2/1.0/req/cql2-text",
        "http://www.opengis.net/spec/cql2/1.0/req/basic-cql2",
        "https://api.stacspec.org/v1.0.0-rc.3/item-search#filter",
        "https://api.stacspec.org/v1.0.0/item-search#features",
        "https://api.stacspec.org/v1.0.0/item-search#features",
    ];
    let member = new().items(items("a", 3)).quirks(Quirks { classes, ..Quirks::default() }).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let known = front.get("/federation/members/A").await.json()["capabilities"].clone();
    assert_eq!(known["filter_lang"], json!(["cql2-text"]), "{known}");
    assert_eq!((&known["filter"], &known["fields"]), (&json!("exact"), &json!("unsupported")), "{known}");
    assert_eq!(known["filter_classes"], json!(["basic-cql2"]), "{known}");
}

#[tokio::test]
async fn ids_that_are_urns_go_to_the_member_and_come_back() {
    let urn = "urn:eop:VITO:CGS_S1_GRD_L1";
    let mut own = items(urn, 5);
    own[2]["id"] = format!("{urn}:S1A_IW 1/2?#é").into();
    let member = new().items(own.clone()).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let page = front.get("/search?collections=A%7Curn:eop:VITO:CGS_S1_GRD_L1&limit=10").await;
    assert_eq!(page.names(), wanted(&own, &[]), "{}", page.text);
    for item in page.json()["features"].as_array().unwrap() {
        let own = item["links"].as_array().unwrap().iter().find(|link| link["rel"] == "self").unwrap();
        let again = front.get(own["href"].as_str().unwrap()).await;
        assert_eq!((again.status, &again.json()["id"]), (200, &item["id"]), "{own}");
    }
    let sent = searches(&member).iter().map(parameters).any(|sent| sent.iter().any(|(_, value)| value.contains(urn)));
    assert!(sent, "unprefixed and whole");
}

#[tokio::test]
async fn datetimes_with_a_doubled_zone_keep_their_place_in_the_order() {
    let mut own = items("a", 20);
    for item in own.iter_mut().step_by(3) {
        let odd = format!("{}Z", item["properties"]["datetime"].as_str().unwrap());
        item["properties"]["datetime"] = odd.into();
    }
    // its own order is that of the texts, which here is that of the times
    let own: Vec<Value> = own.into_iter().rev().collect();
    let member = new().items(own.clone()).no_sort().start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let pages = front.walk_get("/search?limit=7&sortby=-datetime").await;
    let ids: Vec<String> = own.iter().map(|item| format!("A|a {}", item["id"].as_str().unwrap())).collect();
    assert_eq!(names(&pages), ids);
    assert_eq!(pages.last().unwrap().report()["invalid"], 0);
}

#[tokio::test]
async fn boxes_with_a_height_are_read_as_boxes() {
    let mut own = items("a", 10);
    for item in &mut own {
        item["bbox"] = json!([10.5, 54.25, -30.0, 10.5, 54.25, -10.0]);
    }
    let member = new().items(own).ignores(&["bbox"]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    for (asked, count) in [("10,54,11,55", 10), ("0,0,1,1", 0), ("10,54,-20,11,55,0", 10), ("10,54,0,11,55,100", 0)] {
        assert_eq!(front.get(&format!("/search?bbox={asked}")).await.names().len(), count, "{asked}");
    }
}

#[tokio::test]
async fn a_next_link_that_grows_from_page_to_page_stays_small_in_our_cursor() {
    let (member, pages) = check(new().get_only().page_cap(9).next_form(NextForm::GetEcho)).await;
    let longest = searches(&member).iter().map(|request| request.uri.to_string().len()).max().unwrap();
    assert!(longest < 400, "{longest} bytes of address");
    let cursors = pages.iter().filter_map(Reply::next).map(|next| next["href"].as_str().unwrap().len());
    assert!(cursors.max().unwrap() < 1_500);
}

#[tokio::test]
async fn a_member_that_pages_before_it_filters_gives_short_pages_in_the_middle() {
    let script = new().items(items("a", 40)).items_only().pages_before_filtering().page_cap(4);
    let member = script.start().await;
    let mut declared = member.declared();
    declared.request.page_items_max = Some(4);
    let adapter = stac_broker::members::Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
    adapter.discover(soon()).await.unwrap();
    let late = Interval { start: time(30).parse().ok(), end: None };
    let mut ask = Ask { datetime: Some(late), limit: 4, ..Ask::default() };
    let mut got = 0;
    for _ in 0..60 {
        let page = adapter.search(&ask, soon()).await.unwrap();
        got += page.items.len();
        ask.token = page.next;
        if ask.token.is_none() {
            break;
        }
    }
    assert_eq!(got, 10);
}

/// Asks for pages of this size, the first one only, and tells the sizes that reached the member.
async fn sizes(script: ScriptedMember, asked: &[u32]) -> (Vec<String>, Vec<Result<usize, Fault>>) {
    let member = script.items(items("a", 60)).start().await;
    let adapter =
        stac_broker::members::Registry::new(&federation_of([member.declared()])).iter().next().unwrap().clone();
    adapter.discover(soon()).await.unwrap();
    let mut outcomes = Vec::new();
    for limit in asked {
        let ask = Ask { limit: *limit.min(&adapter.capabilities().page_items_max), ..Ask::default() };
        let page = adapter.search(&ask, soon()).await;
        outcomes.push(page.map(|page| page.items.len()).map_err(|failed| failed.fault));
    }
    let limit = |request: &Recorded| parameters(request).into_iter().find(|(name, _)| name == "limit").unwrap().1;
    (searches(&member).iter().map(limit).collect(), outcomes)
}

#[tokio::test]
async fn a_page_over_some_megabytes_is_asked_for_by_halves_and_the_size_is_remembered() {
    for method_by_get in [true, false] {
        let quirks = Quirks { fails_over: Some((25, 413)), ..Quirks::default() };
        let script = if method_by_get { new().get_only() } else { new() };
        let (sent, outcomes) = sizes(script.quirks(quirks), &[80, 80, 10]).await;
        assert_eq!(sent, ["80", "40", "20", "20", "10"], "413: as often as it helps");
        assert_eq!(outcomes, [Ok(20), Ok(20), Ok(10)]);
    }
}

/// The box of an Item that has a height.
#[tokio::test]
async fn a_box_with_a_height_goes_to_the_member_as_it_was_asked() {
    let member = new().items(items("a", 1)).start().await;
    let adapter =
        stac_broker::members::Registry::new(&federation_of([member.declared()])).iter().next().unwrap().clone();
    let bbox = Bbox { west: 10.0, south: 54.0, east: 11.0, north: 55.0, elevation: Some((-20.0, 0.0)) };
    adapter.search(&Ask { bbox: Some(bbox), limit: 1, ..Ask::default() }, soon()).await.unwrap();
    assert!(parameters(&searches(&member)[0]).contains(&("bbox".to_owned(), "[10,54,-20,11,55,0]".to_owned())));
}
