//! Shared Collections: who is asked for which windows, who stands by, and who is left out (S11 to S15).

use super::*;
use crate::federation::{Holder, Replicas, Shared};

const GREECE: &str = "22,37,25,39";
const NORWAY: &str = "5,58,12,64";

fn shared(id: &str, replicas: Replicas, holders: &[(&str, &str)]) -> Shared {
    let holder =
        |(member, native): &(&str, &str)| Holder { member: MemberId::new(member), native: (*native).to_owned() };
    Shared { id: id.to_owned(), title: None, replicas, holders: holders.iter().map(holder).collect() }
}

/// The federation of the worked examples, with a shared collection; GRNET without lag.
fn with_shared(replicas: Replicas) -> World {
    let mut world = worked();
    world.federation.members[0].policy.retention[0].lag = None;
    let holders = [("GRNET", "sentinel-2-l2a"), ("EODC", "sentinel-2-l2a")];
    world.federation.shared = vec![shared("sentinel-2-l2a", replicas, &holders)];
    world
}

/// Each leg as `MEMBER part datetime`, or with `own` for the member's own collections.
fn legs(legs: &[Leg]) -> Vec<String> {
    let one = |leg: &Leg| {
        let part = if leg.part.is_empty() { "own" } else { &leg.part };
        let time = leg.ask.datetime.map(|time| time.to_param()).unwrap_or_default();
        format!("{} {part} {time}", leg.member).trim_end().to_owned()
    };
    legs.iter().map(one).collect()
}

fn check(world: &World, query: &[(&str, &str)], asked: &[&str], standby: &[&str], pruned: &[(&str, &str)]) {
    let plan = world.plan(query);
    let left: Vec<(&str, &str)> =
        plan.pruned.iter().map(|left| (left.member.as_str(), left.refusal.rule.name())).collect();
    assert_eq!(legs(&plan.legs), asked, "{query:?}");
    assert_eq!(plan.explain(&request(query))["standby"], serde_json::json!(standby), "{query:?}");
    assert_eq!(left, pruned, "{query:?}: {:?}", plan.pruned);
}

#[test]
fn worked_examples_with_a_shared_collection() {
    let world = with_shared(Replicas::Prefer);
    let of = [("CREODIAS", "not-requested"), ("CMEMS", "not-requested")];
    let name = ("collections", "sentinel-2-l2a");
    // 1
    check(
        &world,
        &[name, ("datetime", "2025-06-01T00:00:00Z/.."), ("bbox", GREECE)],
        &["GRNET sentinel-2-l2a 2025-06-01T00:00:00Z/.."],
        &["EODC"],
        &[("EODC", "replica"), of[0], of[1]],
    );
    // 2: the edge of 90 days, plus a day
    check(
        &world,
        &[name, ("datetime", "2025-01-01T00:00:00Z/.."), ("bbox", GREECE)],
        &[
            "GRNET sentinel-2-l2a 2025-04-02T12:00:00Z/..",
            "EODC sentinel-2-l2a 2025-01-01T00:00:00Z/2025-04-02T11:59:59.999999Z",
        ],
        &[],
        &of,
    );
    // 3
    check(
        &world,
        &[name, ("datetime", "2025-06-01T00:00:00Z/.."), ("bbox", NORWAY)],
        &["EODC sentinel-2-l2a 2025-06-01T00:00:00Z/.."],
        &[],
        &[("GRNET", "focus-area"), of[0], of[1]],
    );
    // 4: nobody is named, so all are asked for their own, and the holders for what is shared
    check(
        &world,
        &[("datetime", "2019-05-01T00:00:00Z/2019-05-02T00:00:00Z")],
        &[
            "EODC own 2019-05-01T00:00:00Z/2019-05-02T00:00:00Z",
            "CREODIAS own 2019-05-01T00:00:00Z/2019-05-02T00:00:00Z",
            "CMEMS own 2019-05-01T00:00:00Z/2019-05-02T00:00:00Z",
            "EODC sentinel-2-l2a 2019-05-01T00:00:00Z/2019-05-02T00:00:00Z",
        ],
        &[],
        &[("GRNET", "retention")],
    );
}

#[test]
fn worked_examples_of_filters_with_a_shared_collection() {
    let mut world = with_shared(Replicas::Prefer);
    // something is left where one of its Collections is negated
    let ocean = view("CMEMS", &["ocean-sst", "ocean-salinity"], Known::Complete);
    world.views.insert("CMEMS".to_owned(), ocean);
    // 5
    check(
        &world,
        &[("filter", "collection IN ('ocean-sst') AND datetime > TIMESTAMP('2025-01-01T00:00:00Z')")],
        &["CREODIAS own 2025-01-01T00:00:00Z/.."],
        &[],
        &[("GRNET", "filter-collection"), ("EODC", "filter-collection"), ("CMEMS", "filter-time")],
    );
    // 6 and 7: nothing is proved, and without an area the holder of one country serves nobody
    for filter in ["collection = 'ocean-sst' OR eo:cloud_cover < 5", "NOT collection = 'ocean-sst'"] {
        check(
            &world,
            &[("filter", filter)],
            &["EODC own", "CREODIAS own", "CMEMS own", "EODC sentinel-2-l2a"],
            &[],
            &[("GRNET", "replica")],
        );
    }
    // 8
    let norway = "S_INTERSECTS(geometry, POLYGON((5 58, 12 58, 12 64, 5 64, 5 58))) AND eo:cloud_cover < 5";
    check(
        &world,
        &[("filter", norway)],
        &["EODC own", "CREODIAS own", "CMEMS own", "EODC sentinel-2-l2a"],
        &[],
        &[("GRNET", "filter-area")],
    );
}

#[test]
fn worked_examples_of_names_ids_and_lag_with_a_shared_collection() {
    let mut world = with_shared(Replicas::Prefer);
    // 9
    check(
        &world,
        &[("collections", "EODC|sentinel-1-grd")],
        &["EODC own"],
        &[],
        &[("GRNET", "not-requested"), ("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
    // 10: who could serve the world has no such id
    check(&world, &[("ids", "S2A_1")], &["CREODIAS own", "CMEMS own", "GRNET sentinel-2-l2a"], &[], &[("EODC", "ids")]);
    // 11
    check(
        &world,
        &[("collections", "no-such-thing")],
        &["CREODIAS own"],
        &[],
        &[("GRNET", "focus-collection"), ("EODC", "collection"), ("CMEMS", "focus-collection")],
    );
    // 12: half an hour old, which a holder that is three hours late cannot have
    world.federation.members[0].policy.retention[0].lag = Some(hours(3));
    check(
        &world,
        &[("datetime", "2025-06-30T11:30:00Z/.."), ("bbox", GREECE)],
        &[
            "EODC own 2025-06-30T11:30:00Z/..",
            "CREODIAS own 2025-06-30T11:30:00Z/..",
            "EODC sentinel-2-l2a 2025-06-30T11:30:00Z/..",
        ],
        &[],
        &[("GRNET", "retention"), ("CMEMS", "retention")],
    );
}

#[test]
fn a_query_without_area_is_covered_only_by_a_holder_without_focus() {
    let world = with_shared(Replicas::Prefer);
    // GRNET has nothing outside Greece, so it cannot serve the world, and it is no standby either
    check(
        &world,
        &[("collections", "sentinel-2-l2a"), ("datetime", "2025-06-01T00:00:00Z/..")],
        &["EODC sentinel-2-l2a 2025-06-01T00:00:00Z/.."],
        &[],
        &[("GRNET", "replica"), ("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
}

#[test]
fn windows_that_nobody_covers_are_asked_of_all_that_may_have_something() {
    let mut world = with_shared(Replicas::Prefer);
    world.federation.members[1].policy.retention =
        vec![Retention { until: Some(at("2020-01-01T00:00:00Z")), ..Retention::default() }];
    world.federation.members[0].policy.focus = None;
    // EODC until 2020, GRNET the last 90 days but one; what lies between may be GRNET's for an hour and a day
    let plan = world.plan(&[("collections", "sentinel-2-l2a")]);
    assert_eq!(
        legs(&plan.legs),
        ["GRNET sentinel-2-l2a 2020-01-01T00:00:00Z/..", "EODC sentinel-2-l2a ../2025-04-02T11:59:59.999999Z",],
        "the windows of each touch"
    );
    assert!(plan.legs.iter().all(|leg| leg.residual.selective), "Items of other windows are dropped");
    // its last instant lies in the window behind
    assert!(plan.legs.iter().all(|leg| leg.shared.as_ref().unwrap().united), "both may have something in the middle");
    let between =
        world.plan(&[("collections", "sentinel-2-l2a"), ("datetime", "2022-01-01T00:00:00Z/2022-02-01T00:00:00Z")]);
    assert!(between.legs.is_empty(), "{:?}", legs(&between.legs));
    world.federation.members[1].policy.retention = vec![Retention { lag: Some(days(30)), ..Retention::default() }];
    world.federation.members[0].policy.retention = vec![Retention { lag: Some(days(20)), ..Retention::default() }];
    let recent = world.plan(&[("collections", "sentinel-2-l2a"), ("datetime", "2025-06-10T00:00:00Z/..")]);
    let united: Vec<bool> = recent.legs.iter().map(|leg| leg.shared.as_ref().unwrap().united).collect();
    assert_eq!(
        united,
        [false],
        "within the hour before its lag only GRNET may have something: {:?}",
        legs(&recent.legs)
    );
}

#[test]
fn every_instant_belongs_to_exactly_one_holder_where_somebody_covers_it() {
    let mut world = with_shared(Replicas::Prefer);
    world.federation.members[0].policy.focus = None;
    world.federation.members[0].policy.retention = vec![
        Retention { keep: Some(days(90)), ..Retention::default() },
        Retention {
            from: Some(at("2018-01-01T00:00:00Z")),
            until: Some(at("2019-01-01T00:00:00Z")),
            ..Retention::default()
        },
    ];
    let plan = world.plan(&[("collections", "sentinel-2-l2a")]);
    let mut times: Vec<i64> =
        ["2018-01-01T00:00:00Z", "2019-01-01T00:00:00Z", "2025-04-01T12:00:00Z", "2025-04-02T12:00:00Z", NOW]
            .iter()
            .flat_map(|text| [-1, 0, 1].map(|step| at(text).timestamp_millis() + step))
            .collect();
    times.extend([i64::MIN, i64::MAX]);
    for time in times {
        let windows = |leg: &&Leg| {
            let windows = &leg.shared.as_ref().unwrap().windows;
            windows.list().iter().any(|window| window.contains(time))
        };
        let owners: Vec<&str> = plan.legs.iter().filter(windows).map(|leg| leg.member.as_str()).collect();
        assert_eq!(owners.len(), 1, "{time}: {owners:?}");
    }
    let lead: Vec<String> = legs(&plan.legs);
    assert_eq!(lead[0], "GRNET sentinel-2-l2a 2018-01-01T00:00:00Z/..", "{lead:?}");
    assert_eq!(plan.standby.len(), 1, "EODC stands by for GRNET: {:?}", legs(&plan.standby));
    assert_eq!(plan.standby[0].part, "sentinel-2-l2a,GRNET");
    assert!(plan.explain(&request(&[]))["standby"].as_array().unwrap().is_empty(), "it is asked anyhow");
}

#[test]
fn a_leader_that_only_some_windows_could_lose_is_asked_in_two_parts() {
    let mut world = with_shared(Replicas::Prefer);
    world.federation.members[0].policy.focus = None;
    world.federation.shared[0].holders.reverse();
    let plan = world.plan(&[("collections", "sentinel-2-l2a")]);
    assert_eq!(
        legs(&plan.legs),
        ["EODC sentinel-2-l2a 2025-04-02T12:00:00Z/..", "EODC sentinel-2-l2a; ../2025-04-02T11:59:59.999999Z"]
    );
    assert_eq!(legs(&plan.standby), ["GRNET sentinel-2-l2a,EODC 2025-04-02T12:00:00Z/.."]);
}

#[test]
fn union_asks_all_holders_for_all_of_it() {
    let world = with_shared(Replicas::Union);
    check(
        &world,
        &[("collections", "sentinel-2-l2a"), ("datetime", "2025-01-01T00:00:00Z/.."), ("bbox", GREECE)],
        &["GRNET sentinel-2-l2a 2025-01-01T00:00:00Z/..", "EODC sentinel-2-l2a 2025-01-01T00:00:00Z/.."],
        &[],
        &[("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
    let plan = world.plan(&[("collections", "sentinel-2-l2a")]);
    assert!(plan.legs.iter().all(|leg| leg.shared.as_ref().unwrap().united && plan.is_split(leg)));
    assert!(plan.standby.is_empty());
}

#[test]
fn a_search_that_names_no_collection_does_not_ask_twice_for_what_is_shared() {
    let world = with_shared(Replicas::Prefer);
    let plan = world.plan(&[("bbox", GREECE), ("datetime", "2025-06-01T00:00:00Z/..")]);
    let of = |member: &str, part: &str| {
        plan.legs
            .iter()
            .find(|leg| leg.member.as_str() == member && leg.part == part)
            .map(|leg| leg.ask.collections.clone())
    };
    assert_eq!(of("EODC", ""), Some(Some(names(&["sentinel-1-grd"]))));
    assert_eq!(of("GRNET", "sentinel-2-l2a"), Some(Some(names(&["sentinel-2-l2a"]))));
    assert_eq!(of("GRNET", ""), None, "its policy hides `landsat`");
    let mut unread = with_shared(Replicas::Prefer);
    unread.views.remove("EODC");
    let plan = unread.plan(&[("bbox", GREECE), ("datetime", "2025-06-01T00:00:00Z/..")]);
    let own = plan.legs.iter().find(|leg| leg.member.as_str() == "EODC" && leg.part.is_empty()).unwrap();
    assert_eq!((&own.ask.collections, &own.residual.others_than), (&None, &names(&["sentinel-2-l2a"])));
}

#[test]
fn a_members_own_name_asks_for_its_own() {
    let world = with_shared(Replicas::Prefer);
    check(
        &world,
        &[("collections", "EODC|sentinel-2-l2a")],
        &["EODC own"],
        &[],
        &[("GRNET", "not-requested"), ("CREODIAS", "not-requested"), ("CMEMS", "not-requested")],
    );
    let plan = world.plan(&[("filter", "collection = 'EODC|sentinel-2-l2a'")]);
    assert_eq!(legs(&plan.legs)[0], "EODC own", "also in a filter: {:?}", legs(&plan.legs));
    assert!(plan.legs.iter().all(|leg| leg.part.is_empty()), "the shared one has another name");
}

#[test]
fn a_filter_speaks_of_the_shared_name() {
    let world = with_shared(Replicas::Prefer);
    let plan = world.plan(&[
        ("filter", "collection = 'sentinel-2-l2a' AND datetime > TIMESTAMP('2025-06-01T00:00:00Z')"),
        ("bbox", GREECE),
    ]);
    let of: Vec<&Leg> = plan.legs.iter().filter(|leg| !leg.part.is_empty()).collect();
    assert_eq!(of.len(), 1, "the earlier window cannot match: {:?}", legs(&plan.legs));
    assert_eq!((of[0].member.as_str(), of[0].part.as_str()), ("GRNET", "sentinel-2-l2a"));
    let none = world.plan(&[("filter", "collection <> 'sentinel-2-l2a'")]);
    assert!(none.legs.iter().all(|leg| leg.part.is_empty()));
    let like = world.plan(&[("filter", "collection LIKE 'sentinel-2%'"), ("bbox", GREECE)]);
    assert!(like.legs.iter().any(|leg| leg.part == "sentinel-2-l2a"), "{:?}", legs(&like.legs));
}

#[test]
fn a_holder_that_cannot_be_searched_gives_way() {
    let mut world = with_shared(Replicas::Prefer);
    let grnet = world.abilities.get_mut("GRNET").unwrap();
    (grnet.search_get, grnet.search_post) = (false, false);
    let query = [("collections", "sentinel-2-l2a"), ("datetime", "2025-06-01T00:00:00Z/.."), ("bbox", GREECE)];
    let plan = world.plan(&query);
    assert_eq!(legs(&plan.legs), ["EODC sentinel-2-l2a 2025-06-01T00:00:00Z/.."]);
    assert!(plan.refused.is_empty(), "nothing is missing: {:?}", plan.refused);
    world.federation.shared[0].holders.truncate(1);
    let alone = world.plan(&query);
    assert_eq!((alone.legs.len(), alone.refused.len()), (0, 1));
}

#[test]
fn counts_are_no_sum_where_two_holders_are_asked() {
    let world = with_shared(Replicas::Prefer);
    let plan = world.plan(&[("collections", "sentinel-2-l2a"), ("bbox", GREECE)]);
    assert_eq!(plan.legs.len(), 2);
    assert!(plan.legs.iter().all(|leg| plan.is_split(leg)));
    let one =
        world.plan(&[("collections", "sentinel-2-l2a"), ("datetime", "2025-06-01T00:00:00Z/.."), ("bbox", GREECE)]);
    assert!(!plan.legs.is_empty() && !one.is_split(&one.legs[0]) && !one.legs[0].residual.selective);
}
