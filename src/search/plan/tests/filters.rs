//! What a filter does to a plan: who is left out (S16), what is pushed down, what stays (S8), and how it is explained.

use super::*;
use crate::cql2::Expr;
use crate::members::capabilities::Found;

/// The federation of the worked examples; `ocean` are the collections that CMEMS lists.
fn worked_with(ocean: &[&str]) -> World {
    let mut world = worked();
    world.views.insert("CMEMS".to_owned(), view("CMEMS", ocean, Known::Complete));
    world
}

fn check(world: &World, filter: &str, asked: &[&str], pruned: &[(&str, &str)]) {
    let plan = world.plan(&[("filter", filter)]);
    let legs: Vec<&str> = plan.legs.iter().map(|leg| leg.member.as_str()).collect();
    let left: Vec<(&str, &str)> =
        plan.pruned.iter().map(|left| (left.member.as_str(), left.refusal.rule.name())).collect();
    assert_eq!((legs.as_slice(), left.as_slice()), (asked, pruned), "{filter}\n{:?}", plan.pruned);
}

const ALL: [&str; 4] = ["GRNET", "EODC", "CREODIAS", "CMEMS"];
const NORWAY: &str = "POLYGON((5 58, 12 58, 12 64, 5 64, 5 58))";

#[test]
fn worked_examples_of_filters() {
    let world = worked_with(&["ocean-sst", "ocean-salinity"]);
    check(
        &world,
        "collection IN ('ocean-sst') AND datetime > TIMESTAMP('2025-01-01T00:00:00Z')",
        &["CREODIAS"],
        &[("GRNET", "filter-collection"), ("EODC", "filter-collection"), ("CMEMS", "filter-time")],
    );
    check(&world, "collection = 'ocean-sst' OR eo:cloud_cover < 5", &ALL, &[]);
    check(&world, "NOT collection = 'ocean-sst'", &ALL, &[]);
    check(
        &world,
        &format!("S_INTERSECTS(geometry, {NORWAY}) AND eo:cloud_cover < 5"),
        &["EODC", "CREODIAS", "CMEMS"],
        &[("GRNET", "filter-area")],
    );
}

#[test]
fn collections_of_a_filter_are_those_of_either_name() {
    let world = worked();
    check(
        &world,
        "collection = 'EODC|sentinel-1-grd'",
        &["EODC"],
        &[("GRNET", "filter-collection"), ("CREODIAS", "filter-collection"), ("CMEMS", "filter-collection")],
    );
    check(&world, "collection = 'EODC|x' OR collection = 'GRNET|x'", &[], &ALL.map(|id| (id, "filter-collection")));
}

#[test]
fn a_member_with_nothing_but_what_is_negated_is_left_out() {
    check(
        &worked_with(&["ocean-sst"]),
        "collection <> 'ocean-sst'",
        &["GRNET", "EODC", "CREODIAS"],
        &[("CMEMS", "filter-collection")],
    );
    let narrowed = worked_with(&["ocean-sst", "ocean-salinity"]).plan(&[("filter", "NOT collection IN ('ocean-sst')")]);
    let leg = narrowed.legs.iter().find(|leg| leg.member.as_str() == "CMEMS").unwrap();
    assert_eq!(leg.ask.collections, Some(names(&["ocean-salinity"])));
    assert!(!leg.residual.selective, "the list of collections says all of it");
}

#[test]
fn comparisons_of_one_time_are_intersected_and_of_two_are_not() {
    let world = worked();
    let late = "datetime >= TIMESTAMP('2025-01-01T00:00:00Z')";
    let without_cmems = (&["GRNET", "EODC", "CREODIAS"], &[("CMEMS", "filter-time")]);
    for filter in [
        late,
        "start_datetime > DATE('2025-01-02')",
        "TIMESTAMP('2025-01-02T00:00:00Z') < datetime",
        "datetime BETWEEN TIMESTAMP('2025-05-01T00:00:00Z') AND TIMESTAMP('2025-06-01T00:00:00Z')",
        "datetime > '2025-01-01T00:00:00Z'",
        "T_AFTER(datetime, INTERVAL('..', '2025-01-02'))",
        "T_DURING(datetime, INTERVAL('2025-05-01', '2025-06-01'))",
        "T_BEFORE(INTERVAL('2025-05-01', '2025-06-01'), datetime)",
        "datetime > TIMESTAMP('2025-05-01T00:00:00Z') AND eo:cloud_cover < 5",
        "datetime > TIMESTAMP('2025-05-01T00:00:00Z') OR (start_datetime > TIMESTAMP('2025-06-01T00:00:00Z') AND a = 1)",
    ] {
        check(&world, filter, without_cmems.0, without_cmems.1);
    }
    for filter in [
        "NOT datetime < TIMESTAMP('2025-01-01T00:00:00Z')",
        "datetime <> TIMESTAMP('2025-05-01T00:00:00Z')",
        "created > TIMESTAMP('2025-01-01T00:00:00Z')",
        "T_DISJOINT(datetime, INTERVAL('1990-01-01', '1991-01-01'))",
        "datetime > updated",
        "a = 1 OR datetime > TIMESTAMP('2025-01-01T00:00:00Z')",
        // an Item that lasts may have both
        "start_datetime < TIMESTAMP('1990-01-01T00:00:00Z') AND a = 1 OR datetime > TIMESTAMP('2000-01-01T00:00:00Z')",
    ] {
        check(&world, filter, &ALL, &[]);
    }
    let none = "datetime > TIMESTAMP('2024-06-02T00:00:00Z') AND datetime < TIMESTAMP('2024-06-01T00:00:00Z')";
    check(&world, none, &[], &ALL.map(|id| (id, "filter-time")));
    // each of the two meets the windows of EODC, CREODIAS and, for itself, of CMEMS
    let two = "datetime < TIMESTAMP('2024-06-01T00:00:00Z') AND start_datetime > TIMESTAMP('2024-07-01T00:00:00Z')";
    check(&world, two, &["EODC", "CREODIAS", "CMEMS"], &[("GRNET", "filter-time")]);
}

#[test]
fn areas_are_tested_one_by_one() {
    let world = worked();
    let greece = "POLYGON((20 35, 25 35, 25 40, 20 40, 20 35))";
    let both = format!("S_INTERSECTS(geometry, {greece}) AND S_INTERSECTS(geometry, POINT(21 41))");
    check(&world, &both, &ALL, &[]);
    for op in ["S_WITHIN", "S_EQUALS", "S_OVERLAPS", "S_TOUCHES", "S_CROSSES", "S_CONTAINS"] {
        check(
            &world,
            &format!("{op}(geometry, {NORWAY})"),
            &["EODC", "CREODIAS", "CMEMS"],
            &[("GRNET", "filter-area")],
        );
    }
    check(
        &world,
        "S_INTERSECTS(BBOX(170, 0, -170, 5), geometry)",
        &["EODC", "CREODIAS", "CMEMS"],
        &[("GRNET", "filter-area")],
    );
    for filter in [
        format!("S_DISJOINT(geometry, {NORWAY})"),
        format!("NOT S_INTERSECTS(geometry, {NORWAY})"),
        format!("S_INTERSECTS(proj:geometry, {NORWAY})"),
        format!("S_INTERSECTS(geometry, {NORWAY}) OR S_INTERSECTS(geometry, {greece})"),
    ] {
        check(&world, &filter, &ALL, &[]);
    }
}

#[test]
fn ids_of_a_filter_prune_like_those_of_the_parameter() {
    check(&worked(), "id = 'S2A_1'", &["GRNET", "CREODIAS", "CMEMS"], &[("EODC", "ids")]);
    check(&worked(), "id IN ('S2A_1', 'S1B_2')", &ALL, &[]);
    check(&worked(), "id <> 'S2A_1'", &ALL, &[]);
    check(&worked(), "id LIKE 'S2%'", &ALL, &[]);
}

#[test]
fn the_detail_speaks_of_the_filter() {
    let plan = worked().plan(&[("filter", "datetime < TIMESTAMP('2020-01-01T00:00:00Z')")]);
    assert_eq!(
        plan.pruned[0].refusal.detail,
        "none of 2 collections can match; `sentinel-2-l2a`: keeps the last 90 days, nothing newer than 3 hours; the filter ends 2020-01-01"
    );
}

fn leg_of(abilities: Capabilities, query: &[(&str, &str)]) -> Leg {
    one(member("A", policy(&["*"])), abilities).leg(query)
}

/// A member that declares these classes of CQL2 in both languages.
fn filtering(classes: &[&str]) -> Capabilities {
    let conforms_to = ["item-search", "item-search#sort", "item-search#filter", "cql2-text", "cql2-json"];
    let conforms_to = conforms_to.iter().chain(classes).map(|class| format!("https://x.example/conf/{class}"));
    let found = Found { conforms_to: conforms_to.collect(), search_link: true, search_post: true, ..Found::default() };
    Capabilities::discovered(&member("A", policy(&["*"])), &found)
}

fn texts(expr: Option<&Arc<Expr>>) -> Option<String> {
    expr.map(|expr| expr.to_text())
}

#[test]
fn each_part_goes_where_it_can_be_done() {
    let filter = "eo:cloud_cover < 20 AND platform LIKE 'sentinel-2%' AND id = 'x' AND collection = 'A|a'";
    let leg = leg_of(filtering(&["basic-cql2"]), &[("filter", filter)]);
    assert_eq!(texts(leg.ask.filter.as_ref()).as_deref(), Some("eo:cloud_cover < 20 AND id = 'x'"));
    assert_eq!(texts(leg.residual.promised.as_ref()), texts(leg.ask.filter.as_ref()));
    let whole = texts(leg.residual.filter.as_ref()).unwrap();
    assert!(whole.contains("LIKE") && whole.contains("collection = 'a'"), "all of it is checked: {whole}");
    assert_eq!(leg.ask.collections, Some(names(&["a"])));
    assert_eq!(
        leg.pushdown,
        ["collections", "filter: eo:cloud_cover < 20", "filter: id = 'x'", "sortby: -properties.datetime,+id"]
    );
    assert_eq!(leg.residual.described, ["filter: platform LIKE 'sentinel-2%'"]);
    assert!(leg.residual.selective);

    let exact = leg_of(filtering(&["basic-cql2"]), &[("filter", "eo:cloud_cover < 20 OR collection = 'B|x'")]);
    assert!(!exact.residual.selective && exact.residual.described.is_empty());
}

#[test]
fn a_member_without_filter_is_asked_by_parameters() {
    let leg = leg_of(
        able(),
        &[(
            "filter",
            "id IN ('x', 'y') AND datetime >= TIMESTAMP('2025-01-01T00:00:00Z') AND datetime < TIMESTAMP('2025-02-01T00:00:00Z') AND eo:cloud_cover < 20",
        )],
    );
    assert_eq!(leg.ask.filter, None);
    assert_eq!(leg.ask.ids, Some(names(&["x", "y"])));
    assert_eq!(leg.ask.datetime.unwrap().to_param(), "2025-01-01T00:00:00Z/2025-02-01T00:00:00Z");
    assert_eq!(leg.pushdown, ["ids of the filter", "datetime of the filter", "sortby: -properties.datetime,+id"]);
    assert_eq!(leg.residual.described.len(), 3, "ids are exact: {:?}", leg.residual.described);
    assert!(leg.residual.selective && leg.residual.filter.is_some() && leg.residual.promised.is_none());

    let only = leg_of(able(), &[("filter", "id = 'x' AND collection = 'A|a'")]);
    assert_eq!((only.ask.collections, only.ask.ids), (Some(names(&["a"])), Some(names(&["x"]))));
    assert!(!only.residual.selective && only.residual.described.is_empty() && only.residual.filter.is_some());
}

#[test]
fn what_the_client_asks_itself_is_not_replaced() {
    let leg = leg_of(
        able(),
        &[
            ("datetime", "2024-12-01T00:00:00Z/2025-01-15T00:00:00Z"),
            ("ids", "x,z"),
            ("bbox", "0,0,10,10"),
            (
                "filter",
                "id IN ('x', 'y') AND datetime >= TIMESTAMP('2025-01-01T00:00:00Z') AND S_INTERSECTS(geometry, POINT(50 50))",
            ),
        ],
    );
    assert_eq!(leg.ask.ids, Some(names(&["x"])));
    assert_eq!(leg.ask.datetime.unwrap().to_param(), "2024-12-01T00:00:00Z/2025-01-15T00:00:00Z");
    assert_eq!(leg.ask.bbox, request(&[("bbox", "0,0,10,10")]).bbox);
    assert!(leg.ask.intersects.is_none());
}

#[test]
fn an_area_of_the_filter_goes_as_geometry_or_as_box() {
    let asked = |abilities: Capabilities, filter: &str| {
        let leg = leg_of(abilities, &[("filter", filter)]);
        let place = (leg.ask.intersects.is_some(), leg.ask.bbox.map(|bbox| bbox.corners()));
        (place, leg.residual.selective)
    };
    let norway = format!("S_INTERSECTS(geometry, {NORWAY})");
    assert_eq!(asked(able(), &norway), ((true, None), false));
    assert_eq!(asked(able(), &format!("S_WITHIN(geometry, {NORWAY})")), ((true, None), true));
    let no_geometry = with(|abilities| abilities.intersects = Support::Unsupported);
    assert_eq!(asked(no_geometry, &norway), ((false, Some([5.0, 58.0, 12.0, 64.0])), true));
    assert_eq!(
        asked(able(), "S_INTERSECTS(geometry, BBOX(170, 0, -170, 5))"),
        ((false, Some([170.0, 0.0, -170.0, 5.0])), true)
    );
    // drawn beyond the map: members would take it as it is drawn
    let beyond = "S_INTERSECTS(geometry, POLYGON((175 0, 185 0, 185 5, 175 5, 175 0)))";
    assert_eq!(asked(able(), beyond), ((false, Some([175.0, 0.0, -175.0, 5.0])), true));
    assert_eq!(asked(able(), &format!("S_DISJOINT(geometry, {NORWAY})")), ((false, None), true));
    assert_eq!(asked(able(), &format!("{norway} OR a = 1")), ((false, None), true));
}

#[test]
fn only_what_follows_from_a_start_is_asked_of_the_datetime() {
    let asked = |filter: &str| leg_of(able(), &[("filter", filter)]).ask.datetime.map(|interval| interval.to_param());
    let day = "TIMESTAMP('2025-01-01T00:00:00Z')";
    assert_eq!(asked(&format!("start_datetime >= {day}")).as_deref(), Some("2025-01-01T00:00:00Z/.."));
    assert_eq!(asked(&format!("start_datetime <= {day}")), None);
    assert_eq!(asked(&format!("datetime <= {day}")).as_deref(), Some("../2025-01-01T00:00:00Z"));
    assert_eq!(asked(&format!("datetime <= {day} OR a = 1")), None);
    assert_eq!(asked("created > TIMESTAMP('2025-01-01T00:00:00Z')"), None);
}

#[test]
fn named_collections_stand_for_a_list_that_is_not_known() {
    let world = World::of(vec![(member("A", policy(&["*"])), None, able())]);
    let leg = world.leg(&[("filter", "collection IN ('A|x', 'y', 'B|z') AND a = 1")]);
    assert_eq!(leg.ask.collections, Some(names(&["x", "y", "B|z"])), "B is no member here");
    let leg = world.leg(&[("filter", "collection = 'x' OR a = 1")]);
    assert_eq!(leg.ask.collections, None);
    let hidden = World::of(vec![(member("A", policy(&["ocean-*"])), None, able())]);
    check(&hidden, "collection = 'land'", &[], &[("A", "filter-collection")]);
    assert_eq!(
        hidden.leg(&[("filter", "collection IN ('land', 'ocean-1')")]).ask.collections,
        Some(names(&["ocean-1"]))
    );
}

#[test]
fn a_filter_is_explained() {
    let filter = format!("eo:cloud_cover < 20 AND platform IN ({})", vec!["'sentinel-2a'"; 40].join(", "));
    let world = one(member("A", policy(&["*"])), able());
    let request = request(&[("filter", &filter)]);
    let plan = world.plan_at(&request, at(NOW), None);
    let explained = plan.explain(&request);
    let residual = explained["legs"][0]["residual"].as_array().unwrap();
    assert_eq!(residual[0], "filter: eo:cloud_cover < 20");
    let long = residual[1].as_str().unwrap();
    assert!(
        long.starts_with("filter: platform IN ('sentinel-2a'") && long.ends_with('…') && long.len() < 200,
        "{long}"
    );
    assert!(plan.explain_text(&request).contains("filter: eo:cloud_cover < 20"));
}
