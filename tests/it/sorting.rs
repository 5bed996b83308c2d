//! Searches sorted by properties of Items, over members that sort, filter and place Items without the property in
//! unlike ways: the whole order, and what is said where a part of it cannot be had.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::support::front::names;
use crate::support::oracle::{Held, Oracle};
use crate::support::{Front, NextForm, Quirks, Running, ScriptedMember, federation_of, item, time};

const MEMBERS: [&str; 5] = ["EODC", "GRNET", "EDITO", "CMEMS", "SMALL"];

/// Clouds with ties, two zeros, whole and broken numbers; `nulls`: every so many Items has none.
fn catalogue(member: usize, count: usize, nulls: Option<usize>) -> Vec<Value> {
    let clouds =
        [json!(0), json!(-0.0), json!(12.5), json!(12.5), json!(100), json!(99.999_999), json!(7), json!(3e-5)];
    (0..count)
        .map(|n| {
            let id = format!("{}{:03}-{member}", ["a", "Z", "é"][n % 3], (n * 271) % 1000);
            let mut item = item("scenes", &id, &time((n * 17 + member * 3) % count));
            let cloud = clouds[(n * 5 + member) % clouds.len()].clone();
            let cloud = if n % 4 == 0 { json!(f64::from(u16::try_from(n * 37 % 1000).unwrap()) / 10.0) } else { cloud };
            match nulls {
                Some(every) if n % every == 0 => {}
                Some(every) if n % every == 1 => item["properties"]["eo:cloud_cover"] = Value::Null,
                _ => item["properties"]["eo:cloud_cover"] = cloud,
            }
            item["properties"]["platform"] = json!(["s2a", "s2b", "S1"][n % 3]);
            item
        })
        .collect()
}

fn catalogues() -> Vec<Vec<Value>> {
    let nulls = [Some(5), Some(3), None, Some(4), Some(7)];
    nulls.into_iter().enumerate().map(|(member, nulls)| catalogue(member, 40 + 15 * member, nulls)).collect()
}

/// One with all of CQL2 by POST, one by GET in small pages, one that sorts and filters nothing and lacks nothing, one
/// with its nulls at the other end, and one that does not sort.
async fn members(catalogues: &[Vec<Value>]) -> Vec<Running> {
    let member = |index: usize| ScriptedMember::new(MEMBERS[index]).items(catalogues[index].clone());
    let large = || Quirks { nulls_are_large: true, ..Quirks::default() };
    vec![
        member(0).able().next_form(NextForm::PostMerge).start().await,
        member(1).filters(&["cql2-text"]).get_only().page_cap(11).quirks(large()).start().await,
        member(2).start().await,
        member(3).able().quirks(large()).page_cap(20).trailing_empty_page().start().await,
        member(4).no_sort().start().await,
    ]
}

fn oracle(catalogues: &[Vec<Value>]) -> Oracle {
    Oracle::of(MEMBERS.iter().zip(catalogues).map(|(id, items)| (*id, items.as_slice())))
}

fn cloud(held: &Held) -> Option<f64> {
    held.item["properties"]["eo:cloud_cover"].as_f64()
}

/// Nulls last, whatever the direction.
fn by_cloud(a: &Held, b: &Held, descending: bool) -> Ordering {
    match (cloud(a), cloud(b)) {
        (Some(a), Some(b)) if descending => b.partial_cmp(&a).unwrap(),
        (Some(a), Some(b)) => a.partial_cmp(&b).unwrap(),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

async fn check(front: &Front, query: &str, sortby: &Value, limits: &[u32], wanted: &[String]) {
    for limit in limits {
        let got = front.walk_get(&format!("/search?limit={limit}&{query}")).await;
        assert_eq!(names(&got), wanted, "GET {query} in pages of {limit}");
        assert!(got.iter().all(|page| page.report()["complete"] == true), "GET {query} in pages of {limit}");
        let got = front.walk_post(&json!({"sortby": sortby, "limit": limit})).await;
        assert_eq!(names(&got), wanted, "POST {sortby} in pages of {limit}");
    }
}

#[tokio::test]
async fn items_are_sorted_by_clouds_in_both_directions_and_those_without_come_last() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    for (query, direction) in [("sortby=eo:cloud_cover", "asc"), ("sortby=-properties.eo%3Acloud_cover", "desc")] {
        let wanted = oracle(&catalogues).sorted(|a, b| by_cloud(a, b, direction == "desc"));
        let sortby = json!([{"field": "properties.eo:cloud_cover", "direction": direction}]);
        check(&front, query, &sortby, &[7, 100], &wanted).await;
    }
    let page = front.get("/search?limit=1&sortby=-eo:cloud_cover").await;
    assert_eq!(page.report()["order"]["keys"], json!(["-properties.eo:cloud_cover", "+id", "+collection"]));
}

#[tokio::test]
async fn a_page_of_one_item_at_a_time_goes_over_from_values_to_nulls() {
    let catalogues: Vec<Vec<Value>> = (0..4).map(|member| catalogue(member, 12, (member != 2).then_some(3))).collect();
    let members = members(&[catalogues.as_slice(), &[Vec::new()]].concat()).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let wanted = oracle(&catalogues).sorted(|a, b| by_cloud(a, b, true));
    check(&front, "sortby=-eo:cloud_cover", &json!([{"field": "eo:cloud_cover", "direction": "desc"}]), &[1], &wanted)
        .await;
}

#[tokio::test]
async fn several_keys_have_directions_of_their_own() {
    let catalogues = catalogues();
    let members = members(&catalogues).await;
    let front = Front::of(federation_of(members.iter().map(Running::declared))).await;
    let platform = |held: &Held| held.item["properties"]["platform"].as_str().unwrap().to_owned();
    let wanted = oracle(&catalogues).sorted(|a, b| {
        by_cloud(a, b, true).then_with(|| a.at().cmp(&b.at())).then_with(|| platform(b).cmp(&platform(a)))
    });
    let sortby = json!([
        {"field": "eo:cloud_cover", "direction": "desc"}, {"field": "datetime"}, {"field": "platform", "direction": "desc"},
    ]);
    check(&front, "sortby=-eo:cloud_cover,%2Bdatetime,-platform", &sortby, &[9], &wanted).await;
}

#[tokio::test]
async fn nulls_that_cannot_be_asked_for_are_declared_and_strict_handling_is_told() {
    let catalogue = catalogue(0, 60, Some(4));
    let with = Oracle::of([("EODC", catalogue.as_slice())]).only(|held| cloud(held).is_some());
    let wanted = with.sorted(|a, b| by_cloud(a, b, false));
    // one that only has the Query extension, and one that takes no condition and begins its list with nulls
    for member in [ScriptedMember::new("EODC").queries(), ScriptedMember::new("EODC")] {
        let running = member.items(catalogue.clone()).start().await;
        let front = Front::of(federation_of([running.declared()])).await;
        for limit in [7, 100] {
            let pages = front.walk_get(&format!("/search?limit={limit}&sortby=eo:cloud_cover")).await;
            assert_eq!(names(&pages), wanted, "in pages of {limit}");
            let last = pages.last().unwrap();
            assert_eq!(last.missing(), ["EODC"]);
            let gaps = last.member("EODC")["gaps"].clone();
            assert_eq!(gaps.as_array().map(Vec::len), Some(1), "{gaps}");
            assert_eq!((&gaps[0]["from"]["value"], &gaps[0]["to"]), (&Value::Null, &Value::Null), "{gaps}");
            assert!(pages.iter().any(|page| page.member("EODC")["feature"] == "null-filter: eo:cloud_cover"));
        }
        let strict = front.get_with("/search?limit=100&sortby=eo:cloud_cover", "prefer", "handling=strict").await;
        assert_eq!(strict.status, 400, "{}", strict.text);
    }
}

#[tokio::test]
async fn a_text_is_sorted_over_members_that_order_bytes_and_by_one_member_as_it_does() {
    let catalogues = catalogues();
    let members = members(&catalogues[..]).await;
    let bytes = |member: &Running| {
        let mut declared = member.declared();
        declared.capabilities.string_order_bytes = true;
        declared
    };
    let platform = |held: &Held| held.item["properties"]["platform"].as_str().unwrap().to_owned();
    let front = Front::of(federation_of(members.iter().map(bytes))).await;
    let wanted = oracle(&catalogues).sorted(|a, b| platform(b).cmp(&platform(a)));
    let sortby = json!([{"field": "platform", "direction": "desc"}]);
    check(&front, "sortby=-platform", &sortby, &[60], &wanted).await;

    let front = Front::of(federation_of([members[0].declared()])).await;
    let page = front.get("/search?limit=5&sortby=-platform").await;
    let order = &page.report()["order"];
    assert_eq!((&order["by"], &order["keys"]), (&json!("member"), &json!(["-properties.platform", "+id"])));
    let firsts = page.json()["features"].as_array().unwrap().iter().map(|item| item["properties"]["platform"].clone());
    assert!(firsts.clone().count() == 5 && firsts.into_iter().all(|platform| platform == "s2b"));
}

#[tokio::test]
async fn a_field_that_nobody_has_is_refused_with_what_is_accepted() {
    let listed = r#"{"type":"object","properties":{"site:rank":{"type":"integer"}}}"#;
    let items = || vec![item("scenes", "a", &time(0))];
    let member = ScriptedMember::new("EODC").items(items()).able().at("queryables", 200, listed).start().await;
    let front = Front::of(federation_of([member.declared()])).await;
    for path in ["/search?sortby=nobody:has_it", "/search/explain?sortby=nobody:has_it", "/search?sortby=geometry"] {
        let reply = front.get(path).await;
        let description = reply.json()["description"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400, "{}", reply.text);
        assert!(
            ["sortby", "datetime", "eo:cloud_cover", "/sortables"].iter().all(|word| description.contains(word)),
            "{description}"
        );
    }
    let sortables = front.get("/sortables").await;
    let properties = &sortables.json()["properties"];
    assert_eq!(properties["site:rank"], json!({"type": "number"}));
    assert_eq!(properties["created"], json!({"type": "string", "format": "date-time"}));
    for (field, _) in properties.as_object().unwrap() {
        let reply = front.get(&format!("/search/explain?sortby={}", field.replace(':', "%3A"))).await;
        assert_eq!(reply.status, 200, "{field}: {}", reply.text);
    }
}
