//! Servers as they are (`members.md` section 6, faults F1 to F22 of `reliability.md`): a scripted member for each habit
//! that was seen, and what a client of the broker gets of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stac_broker::federation::{Bbox, Dialect, Interval};
use stac_broker::members::{Ask, Fault, Member, Registry};
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
    for limit in [100, 7] {
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
    let first = front.get(search).await;
    assert_eq!(first.member("A")["status"], "no-progress", "{}", first.report());
    let (mut pages, mut last) = (vec![first.clone()], first);
    while let Some(next) = last.next() {
        last = front.follow(&next).await;
        if last.status != 200 {
            break;
        }
        pages.push(last.clone());
    }
    let given = names(&pages);
    assert!(wanted(&own, &[]).starts_with(&given), "in order, and nothing twice");
    // a bound on time leads out of the circle; where it does not, nothing is lost in silence
    assert!(
        given.len() >= 19 && (given.len() == 60 || last.missing() == ["A"]),
        "{} Items: {}",
        given.len(),
        last.text
    );
    assert!(a.searches() <= 12 * pages.len(), "{} searches", a.searches());
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
        for form in [NextForm::Get, NextForm::PostFull] {
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
    let by_bound = |member: &Running| {
        searches(member).iter().any(|request| parameters(request).iter().any(|(name, _)| name == "datetime"))
    };
    // its own count says that there is more
    let (member, _) = check(new().page_cap(25).next_form(NextForm::None)).await;
    assert!(by_bound(&member));
    // without a count a page tells by being as long as was asked for
    let (own, other) = (items("a", 60), items("b", 30));
    let wanted = wanted(&own, &other);
    let a = new().items(own).page_cap(25).no_counts().next_form(NextForm::None).start().await;
    let b = ScriptedMember::new("B").items(other).start().await;
    let mut declared = a.declared();
    declared.request.page_items_max = Some(25);
    let front = Front::of(federation_of([declared, b.declared()])).await;
    assert_eq!(names(&front.walk_get("/search?limit=100").await), wanted);
    assert!(by_bound(&a));
}

#[tokio::test]
async fn a_count_that_is_too_high_costs_a_request_and_nothing_else() {
    let own = items("a", 20);
    let mut all = own.clone();
    all.extend(items("other", 40));
    let member = new().items(all).guesses_counts().start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let pages = front.walk_get("/search?collections=A%7Ca&limit=50&sortby=-datetime").await;
    assert_eq!(names(&pages), wanted(&own, &[]));
    assert!(pages.iter().all(|page| page.missing().is_empty()), "{}", pages[0].report());
    assert!(member.searches() <= 3, "{} searches", member.searches());
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
        "https://api.stacspec.org/v1.0.0-rc.3/item-search#filter",
        "https://api.stacspec.org/v1.0.0/item-search#none",
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
    let member = new().items(own.clone()).no_sort().ignores(&["datetime"]).start().await;
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
    let adapter = Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
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

/// The adapter of a member that the file says to be of this kind.
async fn adapter(member: &Running, dialect: Dialect) -> Arc<dyn Member> {
    let mut declared = member.declared();
    declared.request.dialect = dialect;
    let adapter = Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
    adapter.discover(soon()).await.unwrap();
    adapter
}

/// Asks for pages of this size, the first one only, and tells the sizes that reached the member.
async fn sizes(script: ScriptedMember, dialect: Dialect, asked: &[u32]) -> (Vec<String>, Vec<Result<usize, Fault>>) {
    let member = script.items(items("a", 60)).start().await;
    let adapter = adapter(&member, dialect).await;
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
        let (sent, outcomes) = sizes(script.quirks(quirks), Dialect::Auto, &[80, 80, 10]).await;
        assert_eq!(sent, ["80", "40", "20", "20", "10"], "413: as often as it helps");
        assert_eq!(outcomes, [Ok(20), Ok(20), Ok(10)]);
    }
}

#[tokio::test]
async fn an_error_of_its_own_is_taken_for_the_size_once_and_only_where_the_kind_is_known_for_it() {
    let fails = |most| new().quirks(Quirks { fails_over: Some((most, 500)), ..Quirks::default() });
    let (sent, outcomes) = sizes(fails(50), Dialect::StacServer, &[80, 80]).await;
    assert_eq!((sent, outcomes), (["80", "40", "40"].map(str::to_owned).to_vec(), vec![Ok(40), Ok(40)]));
    let (sent, outcomes) = sizes(fails(25), Dialect::StacServer, &[80, 80]).await;
    assert_eq!(sent, ["80", "40", "80", "40"], "it may be suffering: nothing is learnt of it");
    assert_eq!(outcomes, [Err(Fault::BadResponse), Err(Fault::BadResponse)]);
    let (sent, _) = sizes(fails(50), Dialect::Standard, &[80]).await;
    assert_eq!(sent, ["80"]);
}

#[tokio::test]
async fn a_walk_over_a_server_that_cannot_make_large_pages_is_complete() {
    for status in [413, 500] {
        let quirks = Quirks {
            fails_over: Some((30, status)),
            landing: Some(json!({"description": "A STAC API running on stac-server"})),
            ..Quirks::default()
        };
        let own = items("a", 200);
        let member = new().items(own.clone()).next_form(NextForm::PostFull).quirks(quirks).start().await;
        let front = Front::of(federation_of([member.declared()])).await;
        let pages = front.walk_get("/search?limit=50").await;
        assert_eq!(names(&pages), wanted(&own, &[]), "{status}");
        assert!(pages.iter().all(|page| page.missing().is_empty()), "{status}");
        let known = front.get("/federation/members/A").await.json()["capabilities"].clone();
        assert!(known["page_items_max"].as_u64().is_some_and(|most| most <= 30), "{status}: {known}");
        assert_eq!(known["dialect"], "stac-server", "{known}");
    }
}

/// Planetary Computer, by its landing page.
fn planetary(script: ScriptedMember) -> ScriptedMember {
    let landing = Some(json!({"id": "microsoft-pc"}));
    script.quirks(Quirks { needs_collections: true, landing, ..Quirks::default() })
}

#[tokio::test]
async fn collections_are_always_named_to_a_server_that_finds_nothing_without() {
    let mut own = items("a", 20);
    own.extend(items("c", 20));
    let (member, _) = check_items(planetary(new().no_counts().next_form(NextForm::PostFull).page_cap(9)), own).await;
    assert!(!searches(&member).is_empty());
    for request in searches(&member) {
        assert!(parameters(&request).iter().any(|(name, value)| name == "collections" && value == r#"["a","c"]"#));
    }
}

#[tokio::test]
async fn what_lies_outside_a_cut_list_of_collections_is_told_to_be_missing() {
    let mut own = items("c000", 5);
    own.extend(items("elsewhere", 5));
    let many = (0..100).map(|n| collection(&format!("c{n:03}"))).collect();
    let member = planetary(new().items(own)).collections(many).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    let page = front.get("/search?limit=50").await;
    assert_eq!(page.names().len(), 5);
    assert_eq!(page.missing(), ["A"], "a list of exactly 100 proves nothing: {}", page.report());
}

#[tokio::test]
async fn no_more_than_four_requests_reach_planetary_computer_at_once() {
    let slow = |script: ScriptedMember| script.items(items("a", 20)).slow(Duration::from_millis(40));
    for (script, file_says, most) in
        [(planetary(slow(new())), None, 4), (slow(new()), None, 12), (planetary(slow(new())), Some(7), 7)]
    {
        let member = script.start().await;
        let mut declared = member.declared();
        declared.request.concurrency_max = file_says.unwrap_or(declared.request.concurrency_max);
        let adapter = Registry::new(&federation_of([declared])).iter().next().unwrap().clone();
        adapter.discover(soon()).await.unwrap();
        let ask = Ask { collections: Some(vec!["a".to_owned()]), limit: 5, ..Ask::default() };
        let all = futures::future::join_all((0..12).map(|_| adapter.search(&ask, soon()))).await;
        let good = all.iter().filter(|page| page.is_ok()).count();
        assert!(member.most_at_once() <= most, "{} at once", member.most_at_once());
        // with fewer turns than the file allows the others wait for theirs
        assert!(good == 12 || file_says.is_some(), "{good} of 12");
    }
}

#[tokio::test]
async fn cmr_is_checked_in_everything_and_asked_for_its_cursor_alone() {
    let classes = vec!["item-search#features", "item-search#context"];
    let quirks = Quirks { classes, counts_in_context: true, ..Quirks::default() };
    let script = new().queries().page_cap(9).next_form(NextForm::GetAfterPost).quirks(quirks);
    let own = items("a", 30);
    let member = script.items(own.clone()).ignores(&["ids", "intersects"]).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    assert_eq!(names(&front.walk_get("/search?limit=7").await), wanted(&own, &[]));
    let page = front.get("/search?ids=a-0003,a-0004&limit=10").await;
    assert_eq!(page.names(), ["A|a a-0004", "A|a a-0003"]);
    assert_eq!(page.json().get("numberMatched"), None, "its count is not that of the answer");
    let known = front.get("/federation/members/A").await.json()["capabilities"].clone();
    for name in ["datetime", "bbox", "intersects", "ids", "collections"] {
        assert_eq!(known[name], "inexact", "{name}: {known}");
    }
    assert_eq!((&known["dialect"], &known["query"]), (&json!("cmr"), &json!("unsupported")), "{known}");
}

#[tokio::test]
async fn the_file_overrules_what_was_seen() {
    let member = planetary(new().items(items("a", 3))).start().await;
    for (dialect, shown, named) in
        [(Dialect::Auto, "planetary-computer", 3), (Dialect::Standard, "standard", 0), (Dialect::Pgstac, "pgstac", 0)]
    {
        let mut declared = member.declared();
        declared.request.dialect = dialect;
        let front = Front::of(federation_of([declared])).await;
        let known = front.get("/federation/members/A").await.json()["capabilities"].clone();
        assert_eq!(known["dialect"], shown, "{known}");
        assert_eq!(known["dialect_seen"].is_string(), dialect == Dialect::Auto, "{known}");
        assert_eq!(front.get("/search?limit=10").await.names().len(), named, "{shown}");
    }
}

#[tokio::test]
async fn a_box_with_a_height_goes_to_the_member_as_it_was_asked() {
    let member = new().items(items("a", 1)).start().await;
    let adapter = Registry::new(&federation_of([member.declared()])).iter().next().unwrap().clone();
    let bbox = Bbox { west: 10.0, south: 54.0, east: 11.0, north: 55.0, elevation: Some((-20.0, 0.0)) };
    adapter.search(&Ask { bbox: Some(bbox), limit: 1, ..Ask::default() }, soon()).await.unwrap();
    assert!(parameters(&searches(&member)[0]).contains(&("bbox".to_owned(), "[10,54,-20,11,55,0]".to_owned())));
}

#[tokio::test]
async fn an_able_member_taken_for_another_kind_of_server_loses_nothing() {
    let kinds = [
        Dialect::StacServer,
        Dialect::Pgstac,
        Dialect::PlanetaryComputer,
        Dialect::Cmr,
        Dialect::Fedeo,
        Dialect::Geoserver,
    ];
    let mut own = items("a", 60);
    own.extend(items("c", 30));
    for (n, item) in own.iter_mut().enumerate() {
        item["properties"]["gsd"] = (n % 10).into();
    }
    for form in [NextForm::Get, NextForm::PostFull] {
        let member = new().items(own.clone()).able().next_form(form).page_cap(25).start().await;
        for dialect in kinds {
            let mut declared = member.declared();
            declared.request.dialect = dialect;
            let front = Front::of(federation_of([declared])).await;
            let all = wanted(&own, &[]);
            let walked = names(&front.walk_get("/search?limit=40").await);
            assert_eq!(walked, all, "{}", dialect.name());
            for (query, count) in [
                ("filter=gsd%3C3&filter-lang=cql2-text", 27),
                ("ids=a-0003,c-0004", 2),
                ("bbox=10,54,11,55&collections=A%7Cc", 30),
                ("bbox=0,0,1,1", 0),
                ("datetime=../2025-01-01T00:09:00Z", 20),
            ] {
                let pages = front.walk_get(&format!("/search?limit=40&{query}")).await;
                assert_eq!(names(&pages).len(), count, "{}: {query}", dialect.name());
                assert!(pages.iter().all(|page| page.missing().is_empty()), "{}: {query}", dialect.name());
            }
        }
    }
}
