use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use url::Url;

use crate::collections::{Entry, Known, Quarantined};
use crate::federation::retention::{Period, Retention};
use crate::federation::{
    Auth, Bbox, Cursor, Declared, Dialect, Extents, Interval, Kind, Limits, Method, NextPath, Patterns, Policy,
    Request, Rule, Server, Support,
};
use crate::members::{Fault, Withheld};
use crate::search::request::Handling;
use crate::search::residual::tests::item;

use super::*;

mod filters;
mod property;
mod shared;

const NOW: &str = "2025-06-30T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn days(days: u64) -> Period {
    Period { months: 0, seconds: days * 86_400 }
}

fn hours(hours: u64) -> Period {
    Period { months: 0, seconds: hours * 3600 }
}

fn boxed(west: f64, south: f64, east: f64, north: f64) -> Area {
    Area::from(Bbox { west, south, east, north, elevation: None })
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn patterns(globs: &[&str]) -> Patterns {
    Patterns::new(&names(globs)).unwrap()
}

fn policy(include: &[&str]) -> Policy {
    Policy {
        priority: 0,
        required: false,
        authoritative: true,
        include: patterns(include),
        exclude: patterns(&[]),
        focus: None,
        ids_prefixes: Vec::new(),
        extents: Extents::AreaAndStart,
        retention: Vec::new(),
    }
}

fn member(id: &str, policy: Policy) -> Member {
    Member {
        id: MemberId::new(id),
        title: id.to_owned(),
        kind: Kind::StacApi,
        url: Url::parse("https://stac.example").unwrap(),
        folder: None,
        aliases: Vec::new(),
        enabled: true,
        renamed_from: Vec::new(),
        internal: false,
        request: Request {
            method: Method::Auto,
            dialect: Dialect::Auto,
            page_items_max: None,
            deadline: None,
            concurrency_max: 64,
            rate_per_s: None,
            next_path: NextPath::Rebase,
            headers: Vec::new(),
        },
        crawl: crate::federation::Crawl::default(),
        capabilities: Declared::default(),
        policy,
        auth: Auth::None,
        processes: None,
    }
}

fn federation(members: Vec<Member>) -> Federation {
    Federation {
        id: "test".to_owned(),
        title: "Test".to_owned(),
        description: String::new(),
        public_url: None,
        delimiter: '|',
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            admin: crate::federation::Admin::default(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        },
        limits: Limits::default(),
        telemetry: crate::federation::Telemetry::default(),
        cursor: Cursor { keys: Vec::new(), life: std::time::Duration::from_secs(86_400) },
        processes: 1,
        routing: crate::federation::Routing::default(),
        registry: crate::federation::Registry::default(),
        shared: Vec::new(),
        members,
    }
}

/// A member that does everything.
fn able() -> Capabilities {
    Capabilities {
        discovered: true,
        sort: Support::Exact,
        string_order_bytes: true,
        page_items_max: 500,
        ..Capabilities::implied(&member("A", policy(&[])))
    }
}

fn view(member: &str, natives: &[&str], known: Known) -> MemberView {
    let entries = natives.iter().map(|native| Arc::new(entry(member, native, None, None))).collect();
    MemberView { member: MemberId::new(member), entries, quarantined: Vec::new(), known, read_at: None, stale: false }
}

fn entry(member: &str, native: &str, area: Option<Area>, interval: Option<Interval>) -> Entry {
    Entry {
        member: MemberId::new(member),
        native_id: native.to_owned(),
        exposed_id: format!("{member}|{native}"),
        document: bytes::Bytes::new(),
        title: None,
        area,
        interval,
        words: "".into(),
        places: Vec::new(),
        behind: None,
    }
}

/// A federation with what is known of it.
struct World {
    federation: Federation,
    views: BTreeMap<String, MemberView>,
    abilities: BTreeMap<String, Capabilities>,
}

impl World {
    fn of(members: Vec<(Member, Option<MemberView>, Capabilities)>) -> Self {
        let mut world = Self { federation: federation(Vec::new()), views: BTreeMap::new(), abilities: BTreeMap::new() };
        for (member, view, abilities) in members {
            let id = member.id.as_str().to_owned();
            if let Some(view) = view {
                world.views.insert(id.clone(), view);
            }
            world.abilities.insert(id, abilities);
            world.federation.members.push(member);
        }
        world
    }

    fn plan_at(&self, request: &SearchRequest, now: DateTime<Utc>, order: Option<&Order>) -> Plan {
        let ids = Ids::new(&self.federation);
        let facts = |id: &MemberId| Facts {
            capabilities: self.abilities.get(id.as_str()),
            collections: self.views.get(id.as_str()),
        };
        plan(&self.federation, &ids, facts, request, now, order).unwrap()
    }

    fn plan(&self, query: &[(&str, &str)]) -> Plan {
        self.plan_at(&request(query), at(NOW), None)
    }

    /// The only leg of a plan.
    fn leg(&self, query: &[(&str, &str)]) -> Leg {
        let mut plan = self.plan(query);
        assert_eq!(plan.legs.len(), 1, "{:?}", plan.pruned);
        plan.legs.remove(0)
    }
}

fn request(query: &[(&str, &str)]) -> SearchRequest {
    let pairs: Vec<(String, String)> = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    SearchRequest::from_query(&pairs, &Limits::default()).unwrap()
}

fn one(member: Member, abilities: Capabilities) -> World {
    let view = view(member.id.as_str(), &["a", "b"], Known::Complete);
    World::of(vec![(member, Some(view), abilities)])
}

/// The federation of the worked examples, without shared collections.
fn worked() -> World {
    let grnet = Policy {
        focus: Some(boxed(19.0, 34.0, 30.0, 42.0)),
        retention: vec![Retention { keep: Some(days(90)), lag: Some(hours(3)), ..Retention::default() }],
        ..policy(&["sentinel-*"])
    };
    let eodc = Policy { ids_prefixes: names(&["S1"]), ..policy(&["*"]) };
    let cmems = Policy {
        retention: vec![Retention {
            from: Some(at("1993-01-01T00:00:00Z")),
            until: Some(at("2024-12-31T23:59:59Z")),
            ..Retention::default()
        }],
        ..policy(&["ocean-*"])
    };
    World::of(vec![
        (member("GRNET", grnet), Some(view("GRNET", &["sentinel-2-l2a", "landsat"], Known::Complete)), able()),
        (member("EODC", eodc), Some(view("EODC", &["sentinel-1-grd", "sentinel-2-l2a"], Known::Complete)), able()),
        (member("CREODIAS", policy(&["*"])), None, able()),
        (member("CMEMS", cmems), Some(view("CMEMS", &["ocean-sst"], Known::Complete)), able()),
    ])
}

fn check_worked(query: &[(&str, &str)], asked: &[&str], pruned: &[(&str, &str)]) {
    let plan = worked().plan(query);
    let legs: Vec<&str> = plan.legs.iter().map(|leg| leg.member.as_str()).collect();
    let left: Vec<(&str, &str)> =
        plan.pruned.iter().map(|left| (left.member.as_str(), left.refusal.rule.name())).collect();
    assert_eq!((legs.as_slice(), left.as_slice()), (asked, pruned), "{query:?}\n{:?}", plan.pruned);
    assert!(plan.pruned.iter().all(|left| !left.refusal.detail.is_empty()));
    assert!(plan.refused.is_empty());
}

#[test]
fn worked_examples() {
    check_worked(&[], &["GRNET", "EODC", "CREODIAS", "CMEMS"], &[]);
    check_worked(&[("bbox", "5,58,12,64")], &["EODC", "CREODIAS", "CMEMS"], &[("GRNET", "focus-area")]);
    check_worked(
        &[("datetime", "2019-05-01T00:00:00Z/2019-05-02T00:00:00Z")],
        &["EODC", "CREODIAS", "CMEMS"],
        &[("GRNET", "retention")],
    );
    check_worked(
        &[("collections", "EODC|sentinel-1-grd")],
        &["EODC"],
        &[("GRNET", "not-requested"), ("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
    check_worked(&[("ids", "S2A_1")], &["GRNET", "CREODIAS", "CMEMS"], &[("EODC", "ids")]);
    check_worked(&[("ids", "S2A_1,S1B_2")], &["GRNET", "EODC", "CREODIAS", "CMEMS"], &[]);
    check_worked(&[("ids", "")], &[], &[("GRNET", "ids"), ("EODC", "ids"), ("CREODIAS", "ids"), ("CMEMS", "ids")]);
    check_worked(
        &[("collections", "no-such-thing")],
        &["CREODIAS"],
        &[("GRNET", "focus-collection"), ("EODC", "collection"), ("CMEMS", "focus-collection")],
    );
    check_worked(
        &[("datetime", "2025-06-30T11:30:00Z/..")],
        &["EODC", "CREODIAS"],
        &[("GRNET", "retention"), ("CMEMS", "retention")],
    );
    check_worked(
        &[("collections", "sentinel-2-l2a"), ("datetime", "2025-06-01T00:00:00Z/.."), ("bbox", "20,35,25,40")],
        &["GRNET", "EODC", "CREODIAS"],
        &[("CMEMS", "focus-collection")],
    );
}

#[test]
fn the_rule_named_is_the_one_that_excluded_the_last_candidate() {
    // `landsat` falls to the policy's collections, `sentinel-2-l2a` only later to retention.
    check_worked(
        &[("collections", "GRNET|landsat,GRNET|sentinel-2-l2a"), ("datetime", "2019-05-01T00:00:00Z")],
        &[],
        &[("GRNET", "retention"), ("EODC", "not-requested"), ("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
    let plan = worked().plan(&[("collections", "GRNET|landsat")]);
    assert_eq!(plan.pruned[0].refusal.rule, Rule::FocusCollection);
    assert!(plan.pruned[0].refusal.detail.contains("`landsat`"));
    // Both retention and area exclude: the earlier rule is named.
    let plan = worked().plan(&[("datetime", "2019-05-01T00:00:00Z"), ("bbox", "5,58,12,64")]);
    assert_eq!(plan.pruned[0].refusal.rule, Rule::Retention);
}

#[test]
fn of_several_rules_that_exclude_a_collection_the_first_is_named() {
    let mut list = view("A", &[], Known::Complete);
    list.entries.push(Arc::new(entry("A", "a", Some(boxed(0.0, 0.0, 10.0, 10.0)), None)));
    let world =
        World::of(vec![(member("A", Policy { ids_prefixes: names(&["S1"]), ..policy(&["*"]) }), Some(list), able())]);
    let rule = |query: &[(&str, &str)]| world.plan(query).pruned[0].refusal.rule;
    assert_eq!(rule(&[("ids", "X"), ("bbox", "20,20,30,30")]), Rule::ExtentArea);
    assert_eq!(rule(&[("ids", "X"), ("bbox", "2,2,3,3")]), Rule::Ids);
}

#[test]
fn a_disabled_member_is_named() {
    let mut off = member("A", policy(&["*"]));
    off.enabled = false;
    assert_eq!(one(off, able()).plan(&[]).pruned[0].refusal.rule, Rule::Disabled);
}

#[test]
fn a_leg_carries_its_own_ids_only() {
    let world = worked();
    let collections = |query: &str| -> Vec<(String, Option<Vec<String>>)> {
        let plan = world.plan(&[("collections", query)]);
        plan.legs.iter().map(|leg| (leg.member.to_string(), leg.ask.collections.clone())).collect()
    };
    let leg = |member: &str, list: &[&str]| (member.to_owned(), Some(names(list)));
    assert_eq!(
        collections("CMEMS|ocean-sst,EODC|sentinel-1-grd,sentinel-2-l2a,CMEMS|gone"),
        [
            leg("GRNET", &["sentinel-2-l2a"]),
            leg("EODC", &["sentinel-1-grd", "sentinel-2-l2a"]),
            leg("CREODIAS", &["sentinel-2-l2a"]),
            leg("CMEMS", &["ocean-sst"]),
        ]
    );
    assert_eq!(collections("EODC%7Csentinel-1-grd"), [leg("EODC", &["sentinel-1-grd"])]);
    assert_eq!(collections("CREODIAS|x|y"), [leg("CREODIAS", &["x|y"])]);
}

#[test]
fn without_collections_a_member_is_restricted_only_where_something_is_left_out() {
    let plan = worked().plan(&[]);
    let asked: Vec<Option<Vec<String>>> = plan.legs.iter().map(|leg| leg.ask.collections.clone()).collect();
    assert_eq!(asked, [Some(names(&["sentinel-2-l2a"])), None, None, Some(names(&["ocean-sst"]))]);
    assert!(plan.legs.iter().all(|leg| !leg.residual.selective && leg.residual.described.is_empty()));

    // A list that is not known cannot be named: what the federation does not see is dropped on arrival.
    let partly =
        World::of(vec![(member("A", policy(&["ocean-*"])), Some(view("A", &["ocean-1"], Known::Unknown)), able())]);
    let leg = partly.leg(&[]);
    assert!(leg.ask.collections.is_none() && leg.residual.selective);
    assert!(leg.residual.keeps(&item("ocean-2", "x", [None; 3], "null", "null")));
    assert!(!leg.residual.keeps(&item("land", "x", [None; 3], "null", "null")));
    assert!(leg.reason.contains("not known"));
}

#[test]
fn quarantined_collections_are_searched() {
    let mut list = view("A", &["good"], Known::Complete);
    list.quarantined.push(Quarantined { native_id: "odd".to_owned(), reason: "no `extent`".to_owned() });
    let world = World::of(vec![(member("A", policy(&["*"])), Some(list), able())]);
    assert_eq!(world.leg(&[("collections", "odd")]).ask.collections, Some(names(&["odd"])));
    assert!(world.plan(&[("collections", "other")]).legs.is_empty());
}

#[test]
fn advertised_extents_prune_as_far_as_they_are_trusted() {
    let may = Interval { start: Some(at("2024-05-02T00:00:00Z")), end: Some(at("2024-06-01T00:00:00Z")) };
    let world = |trust| {
        let mut list = view("A", &[], Known::Complete);
        list.entries.push(Arc::new(entry("A", "a", Some(boxed(0.0, 0.0, 10.0, 10.0)), Some(may))));
        list.entries.push(Arc::new(entry("A", "b", None, None)));
        World::of(vec![(member("A", Policy { extents: trust, ..policy(&["*"]) }), Some(list), able())])
    };
    for (query, by_start, by_all) in [
        (("bbox", "10.009,0,12,1"), None, None),
        (("bbox", "10.02,0,12,1"), Some("extent-area"), Some("extent-area")),
        (("datetime", "../2024-05-01T00:00:00Z"), None, None),
        (("datetime", "../2024-04-30T23:59:59Z"), Some("extent-time"), Some("extent-time")),
        (("datetime", "2024-06-02T00:00:00Z/.."), None, None),
        (("datetime", "2024-06-02T00:00:01Z/.."), None, Some("extent-time")),
    ] {
        for (trust, expected) in [(Extents::Ignore, None), (Extents::AreaAndStart, by_start), (Extents::All, by_all)] {
            let plan = world(trust).plan(&[("collections", "a"), query]);
            assert_eq!(plan.pruned.first().map(|left| left.refusal.rule.name()), expected, "{query:?} {trust:?}");
            // Without an extent nothing is proved, and only the other collection is asked.
            let leg = world(trust).leg(&[query]);
            assert_eq!(leg.ask.collections, expected.map(|_| names(&["b"])), "{query:?} {trust:?}");
        }
    }
}

fn with(change: impl FnOnce(&mut Capabilities)) -> Capabilities {
    let mut abilities = able();
    change(&mut abilities);
    abilities
}

fn two(first: Capabilities, second: Capabilities) -> World {
    World::of(vec![
        (member("A", policy(&["*"])), Some(view("A", &["a"], Known::Complete)), first),
        (member("B", policy(&["*"])), Some(view("B", &["b"], Known::Complete)), second),
    ])
}

fn modes(plan: &Plan) -> Vec<Mode> {
    plan.legs.iter().map(|leg| leg.mode).collect()
}

#[test]
fn newest_first_needs_every_member() {
    let native =
        |order: &str| with(|can| (can.sort, can.native_order) = (Support::Unsupported, Some(order.to_owned())));
    let unsorted = with(|can| can.sort = Support::Unsupported);
    let newest = Order::Sorted(vec![SortBy { field: "datetime".to_owned(), descending: true, ..SortBy::default() }]);

    let plan = two(able(), native("-datetime")).plan(&[]);
    assert_eq!((&plan.order, modes(&plan)), (&newest, vec![Mode::Keyset, Mode::Keyset]));
    let pushed = |leg: usize| plan.legs[leg].ask.sortby.clone();
    assert_eq!(pushed(0), [("properties.datetime".to_owned(), true), ("id".to_owned(), false)]);
    assert!(pushed(1).is_empty());

    for other in [
        unsorted.clone(),
        native("datetime"),
        with(|can| can.sort = Support::Inexact),
        with(|can| can.sort_fields = Some(names(&["id"]))),
    ] {
        let plan = two(able(), other).plan(&[]);
        assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::Quota, Mode::Quota]));
        assert!(plan.legs.iter().all(|leg| leg.ask.sortby.is_empty()));
    }
    // Only those asked count.
    let plan = two(able(), unsorted.clone()).plan(&[("collections", "a")]);
    assert_eq!((&plan.order, modes(&plan)), (&newest, vec![Mode::Keyset]));
    let plan = two(able(), unsorted).plan(&[("collections", "b")]);
    assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::PassThrough]));
}

#[test]
fn a_session_keeps_its_order() {
    let unsorted = with(|can| can.sort = Support::Unsupported);
    let newest = Order::Sorted(vec![SortBy { field: "datetime".to_owned(), descending: true, ..SortBy::default() }]);
    let plan = two(able(), unsorted).plan_at(&request(&[]), at(NOW), Some(&newest));
    assert_eq!((&plan.order, modes(&plan)), (&newest, vec![Mode::Keyset, Mode::Slice]));
    let plan = two(able(), able()).plan_at(&request(&[]), at(NOW), Some(&Order::Quota));
    assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::Quota, Mode::Quota]));
}

#[test]
fn requested_orders_decide_how_a_leg_is_read() {
    let collated = || with(|can| can.string_order_bytes = false);
    let unsorted = || with(|can| can.sort = Support::Unsupported);
    let untimed = || with(|can| can.datetime = Support::Unsupported);
    let datetime_only = || with(|can| can.sort_fields = Some(names(&["datetime"])));
    for (sortby, abilities, mode, pushed) in [
        ("datetime", able(), Mode::Keyset, "+properties.datetime,+id"),
        ("-datetime,-id", able(), Mode::Keyset, "-properties.datetime,-id"),
        ("-datetime,-collection", able(), Mode::Keyset, "-properties.datetime,-collection,+id"),
        ("-datetime,-collection", datetime_only(), Mode::Keyset, "-datetime"),
        ("datetime", untimed(), Mode::Token, "+properties.datetime,+id"),
        ("id", able(), Mode::Token, "+id"),
        ("-collection", able(), Mode::Token, "-collection,+id"),
        ("id", datetime_only(), Mode::Drain, ""),
        ("datetime", unsorted(), Mode::Slice, ""),
        ("-id", unsorted(), Mode::Drain, ""),
    ] {
        let plan = two(abilities, able()).plan(&[("sortby", sortby)]);
        let keys: Vec<String> =
            plan.legs[0].ask.sortby.iter().map(|(field, down)| format!("{}{field}", leg::sign(*down))).collect();
        assert_eq!((plan.legs[0].mode, keys.join(",").as_str()), (mode, pushed), "{sortby}");
    }
    let plan = two(collated(), able()).plan(&[("sortby", "id")]);
    assert_eq!((plan.legs.len(), plan.refused[0].feature.as_str()), (1, "string-order: id"));
    let plan = two(collated(), able()).plan(&[("sortby", "id"), ("collections", "a")]);
    assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::PassThrough]), "a single member's own order");
    assert_eq!(plan.legs[0].pushdown, ["collections", "sortby: +id"], "which it is asked for");
}

/// A member that evaluates the basic class of CQL2.
fn filtering() -> Capabilities {
    let mut can = able();
    can.filter = Support::Exact;
    can.filter_classes = vec!["basic-cql2"];
    can.filter_lang = crate::members::Language::ALL.to_vec();
    can.spoken.post = Some(crate::members::Language::Json);
    can
}

#[test]
fn properties_are_read_by_bounds_where_they_can_be_and_by_tokens_elsewhere() {
    let bounded = |property: &str, nulls| FirstKey::Bounded { property: property.into(), nulls };
    let one_list = FirstKey::Unbounded { nulls_last: false };
    let querying = || with(|can| can.query = Support::Exact);
    let loose = || Capabilities { filter: Support::Inexact, ..filtering() };
    let snapshot = || with(|can| can.evaluated_here = true);
    let unsorted = || Capabilities { sort: Support::Unsupported, ..filtering() };
    for (sortby, abilities, mode, first, pushed) in [
        (
            "eo:cloud_cover",
            filtering(),
            Mode::Keyset,
            bounded("eo:cloud_cover", NullItems::Apart),
            "+properties.eo:cloud_cover,+id",
        ),
        (
            "-gsd,-datetime",
            loose(),
            Mode::Keyset,
            bounded("gsd", NullItems::Hinted),
            "-properties.gsd,-properties.datetime,+id",
        ),
        ("gsd", querying(), Mode::Keyset, bounded("gsd", NullItems::OutOfReach), "+properties.gsd,+id"),
        ("gsd", able(), Mode::Token, one_list.clone(), "+properties.gsd,+id"),
        ("gsd", snapshot(), Mode::Token, FirstKey::Unbounded { nulls_last: true }, "+properties.gsd,+id"),
        ("platform", filtering(), Mode::Keyset, bounded("platform", NullItems::Apart), "+properties.platform,+id"),
        // members store times in more than one way, and only some of them as times
        ("-created", filtering(), Mode::Token, one_list.clone(), "-properties.created,+id"),
        ("deprecated", filtering(), Mode::Token, one_list, "+properties.deprecated,+id"),
        ("gsd", unsorted(), Mode::Drain, FirstKey::Certain, ""),
    ] {
        let plan = two(abilities, able()).plan(&[("sortby", sortby)]);
        let leg = &plan.legs[0];
        assert_eq!((leg.mode, &leg.first, leg.sorted_by().join(",").as_str()), (mode, &first, pushed), "{sortby}");
    }
}

#[test]
fn texts_of_properties_are_ordered_by_who_orders_bytes_or_by_one_alone() {
    let collated = || Capabilities { string_order_bytes: false, ..filtering() };
    for field in ["platform", "what:ever"] {
        let plan = two(collated(), able()).plan(&[("sortby", field)]);
        assert_eq!(
            (modes(&plan), plan.refused[0].feature.clone()),
            (vec![Mode::Token], format!("string-order: {field}"))
        );
        let plan = two(collated(), able()).plan(&[("sortby", field), ("collections", "a")]);
        assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::PassThrough]));
        assert_eq!(plan.legs[0].sorted_by(), [format!("+properties.{field}"), "+id".to_owned()]);
    }
    let plan = two(collated(), able()).plan(&[("sortby", "gsd,platform")]);
    assert_eq!(modes(&plan), [Mode::Keyset, Mode::Token], "a text behind a number orders ties, which the broker does");
}

#[test]
fn strict_handling_refuses_a_member_whose_items_without_a_key_are_out_of_reach() {
    let mut request = request(&[("sortby", "gsd")]);
    let world = two(with(|can| can.query = Support::Exact), able());
    assert!(world.plan_at(&request, at(NOW), None).refused.is_empty());
    request.handling = Handling::Strict;
    assert_eq!(world.plan_at(&request, at(NOW), None).refused[0].feature, "null-filter: gsd");
}

#[test]
fn a_member_without_item_search_is_refused() {
    let mute = with(|can| (can.search_get, can.search_post) = (false, false));
    let mut world = two(mute, with(|can| can.sort = Support::Unsupported));
    world.federation.members[0].policy.required = true;
    let plan = world.plan(&[]);
    assert_eq!((plan.refused[0].feature.as_str(), plan.refused[0].required), ("item-search", true));
    assert_eq!(modes(&plan), [Mode::PassThrough]);
}

#[test]
fn what_a_member_cannot_do_stays_with_the_broker() {
    let query = [("collections", "a"), ("ids", "x"), ("bbox", "1,2,3,4"), ("datetime", "2024-05-01T00:00:00Z/..")];
    let leg = one(member("A", policy(&["*"])), able()).leg(&query);
    assert_eq!(leg.pushdown, ["collections", "ids", "datetime", "bbox", "sortby: -properties.datetime,+id"]);
    assert!(leg.residual.described.is_empty() && !leg.residual.selective && !leg.residual.exact_area);
    assert!(leg.residual.ids.is_some() && leg.residual.datetime.is_some() && leg.residual.area.is_some());

    let inexact = with(|can| {
        (can.bbox, can.ids, can.datetime, can.collections) =
            (Support::Inexact, Support::Inexact, Support::Inexact, Support::Inexact);
    });
    let leg = one(member("A", policy(&["*"])), inexact).leg(&query);
    assert!(
        leg.ask.bbox.is_some() && leg.ask.ids.is_some() && leg.ask.datetime.is_some() && leg.ask.collections.is_some()
    );
    assert_eq!(leg.residual.described, ["collections", "ids", "datetime", "bbox"]);
    assert!(leg.residual.selective && leg.residual.exact_area);

    let none = with(|can| {
        (can.bbox, can.ids, can.datetime, can.collections) =
            (Support::Unsupported, Support::Unsupported, Support::Unsupported, Support::Unsupported);
    });
    let leg = one(member("A", policy(&["*"])), none).leg(&query);
    assert!(
        leg.ask.bbox.is_none() && leg.ask.ids.is_none() && leg.ask.datetime.is_none() && leg.ask.collections.is_none()
    );
    assert_eq!(leg.residual.described, ["collections", "ids", "datetime", "bbox"]);
    assert_eq!(leg.residual.collections, Some(names(&["a"])));
}

#[test]
fn boxes_are_asked_flat_and_on_the_map() {
    let asked = |numbers: [f64; 4]| Bbox::from_numbers(&numbers).unwrap();
    let bbox = |text| one(member("A", policy(&["*"])), able()).leg(&[("bbox", text)]);
    assert_eq!(bbox("370,-5,380,5").ask.bbox, Some(asked([10.0, -5.0, 20.0, 5.0])));
    assert_eq!(bbox("-180,-90,180,90").ask.bbox, Some(asked([-180.0, -90.0, 180.0, 90.0])));
    let raised = bbox("1,2,10,3,4,20");
    assert_eq!(raised.ask.bbox.unwrap().elevation, None);
    assert_eq!(raised.residual.elevation, Some((10.0, 20.0)));
    assert_eq!(raised.residual.described, ["elevation of bbox"]);
}

/// rustac refused such a box, and pgSTAC took it the other way around the globe.
#[test]
fn a_box_over_the_antimeridian_is_asked_as_its_halves_or_all_around_the_globe() {
    for over in ["170,-5,190,5", "170,-5,-170,5"] {
        let leg = one(member("A", policy(&["*"])), able()).leg(&[("bbox", over)]);
        let halves = leg.ask.intersects.unwrap();
        assert!(halves.geojson.starts_with("{\"type\":\"MultiPolygon\""), "{}", halves.geojson);
        assert!(
            halves.geojson.contains("[170.0,-5.0]") && halves.geojson.contains("[-170.0,5.0]"),
            "{}",
            halves.geojson
        );
        assert!(leg.ask.bbox.is_none() && !leg.residual.selective && !leg.residual.exact_area);

        let flat = with(|can| can.intersects = Support::Unsupported);
        let leg = one(member("A", policy(&["*"])), flat).leg(&[("bbox", over)]);
        assert_eq!(leg.ask.bbox, Some(Bbox::from_numbers(&[-180.0, -5.0, 180.0, 5.0]).unwrap()));
        assert!(leg.ask.intersects.is_none() && leg.residual.selective && leg.residual.exact_area);
    }
}

/// pgSTAC lost the Items at the place of such a box.
#[test]
fn a_box_of_no_size_is_asked_as_a_point_or_a_line() {
    for (text, wanted) in [("10,5,10,5", "\"Point\""), ("10,5,12,5", "\"LineString\""), ("10,5,10,7", "\"LineString\"")]
    {
        let leg = one(member("A", policy(&["*"])), able()).leg(&[("bbox", text)]);
        let asked = leg.ask.intersects.unwrap();
        assert!(asked.geojson.contains(wanted), "{text}: {}", asked.geojson);
        assert!(leg.ask.bbox.is_none() && !leg.residual.selective, "{text}");
        let flat = with(|can| can.intersects = Support::Unsupported);
        assert!(one(member("A", policy(&["*"])), flat).leg(&[("bbox", text)]).ask.bbox.is_some(), "{text}");
    }
}

#[test]
fn lists_too_long_for_an_address_stay_with_the_broker() {
    let get_only = || with(|can| can.search_post = false);
    let ids = |count: usize| (0..count).map(|n| format!("S2A_MSIL2A_{n:012}")).collect::<Vec<_>>().join(",");
    for (count, abilities, pushed) in [(100, get_only(), true), (400, get_only(), false), (400, able(), true)] {
        let list = ids(count);
        let leg = one(member("A", policy(&["*"])), abilities).leg(&[("ids", &list), ("collections", "a")]);
        assert_eq!(leg.ask.ids.is_some(), pushed, "{count}");
        assert_eq!(leg.residual.described, if pushed { vec![] } else { names(&["ids"]) });
        assert_eq!(leg.residual.ids.as_ref().map(Vec::len), Some(count), "the broker checks them either way");
        assert!(leg.ask.collections.is_some() && leg.residual.selective != pushed);
    }
}

#[test]
fn large_geometries_go_as_their_box() {
    let polygon = |positions: usize| {
        let ring: Vec<String> = (0..positions).map(|n| format!("[{}.5,{}.25]", n % 90, n / 90)).collect();
        format!("{{\"type\":\"Polygon\",\"coordinates\":[[{0},{1}]]}}", ring.join(","), ring[0])
    };
    let get_only = || with(|can| can.search_post = false);
    let flat = || with(|can| can.intersects = Support::Unsupported);
    let neither = || with(|can| (can.intersects, can.bbox) = (Support::Unsupported, Support::Unsupported));
    for (positions, abilities, geometry, bbox) in [
        (300, able(), true, false),
        (300, get_only(), true, false),
        (2_000, able(), true, false),
        (2_000, get_only(), false, true),
        (15_000, able(), true, false),
        (19_900, able(), false, true),
        (300, flat(), false, true),
        (300, neither(), false, false),
    ] {
        let text = polygon(positions);
        let leg = one(member("A", policy(&["*"])), abilities).leg(&[("intersects", &text)]);
        assert_eq!(
            (leg.ask.intersects.is_some(), leg.ask.bbox.is_some()),
            (geometry, bbox),
            "{positions} {} bytes",
            text.len()
        );
        assert_eq!(leg.residual.exact_area, !geometry);
        assert_eq!(leg.residual.described, if geometry { vec![] } else { names(&["intersects"]) });
    }
    // A member that is only asked by GET, whatever it offers.
    let mut by_get = member("A", policy(&["*"]));
    by_get.request.method = Method::Get;
    assert!(one(by_get, able()).leg(&[("intersects", &polygon(2_000))]).ask.intersects.is_none());
}

#[test]
fn pages_stay_within_member_and_file() {
    let mut small = member("A", policy(&["*"]));
    small.request.page_items_max = Some(50);
    assert_eq!(one(small.clone(), able()).leg(&[]).page_max, 50);
    assert_eq!(one(small.clone(), with(|can| can.page_items_max = 7)).leg(&[]).page_max, 7);
    assert_eq!(one(small, with(|can| can.page_items_max = 0)).leg(&[]).page_max, 1);
}

#[test]
fn nothing_discovered_leaves_what_the_file_says() {
    let mut told = member("A", policy(&["*"]));
    told.capabilities.native_order = Some("-datetime".to_owned());
    told.capabilities.intersects = Some(Support::Inexact);
    let federation = federation(vec![told]);
    let plan = plan(&federation, &Ids::new(&federation), |_| Facts::default(), &request(&[]), at(NOW), None).unwrap();
    assert_eq!(modes(&plan), [Mode::Keyset]);
    let explained = plan.explain(&request(&[]));
    assert_eq!(explained["legs"][0]["discovered"], false);
    let text = explain::text(&explained);
    assert!(text.contains("capabilities of the members are not known"), "{text}");
}

#[test]
fn a_member_never_reached_does_not_change_the_order_of_all() {
    let newest = Order::Sorted(vec![SortBy { field: "datetime".to_owned(), descending: true, ..SortBy::default() }]);
    let unread = || Capabilities::implied(&member("B", policy(&["*"])));
    let plan = two(able(), unread()).plan(&[]);
    assert_eq!((&plan.order, modes(&plan)), (&newest, vec![Mode::Keyset, Mode::Keyset]));
    assert_eq!(plan.legs.iter().map(|leg| leg.discovered).collect::<Vec<_>>(), [true, false]);
    let text = plan.explain_text(&request(&[]));
    assert!(text.contains("capabilities of B are not known"), "{text}");
    assert!(!two(able(), able()).plan(&[]).explain_text(&request(&[])).contains("not known"));

    // What the file declares is no guess.
    let mut told = member("B", policy(&["*"]));
    told.capabilities.sort = Some(Support::Unsupported);
    let plan = two(able(), Capabilities::implied(&told)).plan(&[]);
    assert_eq!((&plan.order, modes(&plan)), (&Order::Quota, vec![Mode::Quota, Mode::Quota]));
}

#[test]
fn explained_as_json() {
    let mut world = worked();
    world.abilities.get_mut("CREODIAS").unwrap().search_post = false;
    world.abilities.get_mut("CREODIAS").unwrap().search_get = false;
    let request =
        request(&[("datetime", "2019-05-01T00:00:00Z/.."), ("bbox", "5,58,12,64"), ("limit", "100"), ("page", "3")]);
    let plan = world.plan_at(&request, at(NOW), None);
    let explained = plan.explain(&request);
    let members: Vec<&String> = explained.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["order", "legs", "standby", "pruned", "refused", "requests_first_page", "requests_max", "ignored"]
    );
    assert_eq!(
        explained["order"],
        serde_json::json!({ "keys": ["-properties.datetime", "+id", "+collection"], "by": "broker" })
    );
    assert_eq!(
        explained["legs"][0],
        serde_json::json!({
            "id": "EODC", "mode": "keyset", "collections": null, "datetime": "2019-05-01T00:00:00Z/..",
            "pushdown": ["datetime", "bbox", "sortby: -properties.datetime,+id"], "residual": [], "page": 100,
            "reason": "no rule and no extent excludes it",
        })
    );
    assert_eq!(explained["pruned"][0]["id"], "GRNET");
    assert_eq!(explained["pruned"][0]["rule"], "focus-area");
    assert_eq!(explained["refused"], serde_json::json!([{ "id": "CREODIAS", "feature": "item-search" }]));
    assert_eq!((&explained["requests_first_page"], &explained["requests_max"]), (&2.into(), &24.into()));
    assert_eq!(explained["ignored"], serde_json::json!(["page"]));
    let quota = two(with(|can| can.sort = Support::Unsupported), able()).plan(&[]).explain(&request);
    assert_eq!(quota["order"], serde_json::json!({ "keys": [], "by": "quota", "unsorted": ["A"] }));
    assert!(explain::text(&quota).contains("because A cannot sort"), "{}", explain::text(&quota));
}

#[test]
fn an_explanation_says_whom_nothing_is_sent_to_now() {
    let request = request(&[]);
    let mut explained = two(able(), able()).plan(&[]).explain(&request);
    let reason = "5 requests failed in a row, the last with `timeout`; it is not asked for another 24 s";
    let away = Withheld { fault: Fault::CircuitOpen, reason: reason.to_owned(), retry_after_s: 24 };
    explain::withhold(&mut explained, |member| (member == "B").then(|| away.clone()));
    assert_eq!(explained["legs"][0].get("withheld"), None);
    let told = serde_json::json!({ "status": "circuit-open", "reason": reason, "retry_after_s": 24 });
    assert_eq!(explained["legs"][1]["withheld"], told);
    let text = explain::text(&explained);
    assert!(text.contains("nothing is sent to B: its Items would be missing"), "{text}");
    assert!(text.contains("not now      circuit-open: 5 requests failed in a row"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn explained_as_text() {
    let request = request(&[("datetime", "2019-05-01T00:00:00Z/.."), ("bbox", "5,58,12,64"), ("page", "3")]);
    let mut world = worked();
    let many: Vec<String> = (0..40).map(|n| format!("collection-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    world.views.insert("EODC".to_owned(), view("EODC", &many, Known::Complete));
    world.federation.members[1].policy.exclude = patterns(&["*-39"]);
    world.abilities.get_mut("CMEMS").unwrap().search_post = false;
    world.abilities.get_mut("CMEMS").unwrap().search_get = false;
    let text = world.plan_at(&request, at(NOW), None).explain_text(&request);
    println!("{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line));
    for part in [
        "order    -properties.datetime, +id, +collection",
        "2 of 4 members",
        "collection-19 and 27 more",
        "focus-area",
        "item-search",
        "page",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let nobody = worked();
    let request = super::tests::request(&[("ids", "")]);
    assert!(nobody.plan_at(&request, at(NOW), None).explain_text(&request).contains("no request is sent"));
}
