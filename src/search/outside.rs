//! Items that lie outside what their member's policy declares: they are given all the same, since policy decides who is
//! asked and not what is shown, but such a policy leaves the member out where it has something (`policy_contradicted`).

use chrono::{DateTime, Utc};

use crate::federation::{Area, Federation, Interval, MemberId, Policy, Question, Rule};
use crate::members::Item;

use super::stream::Hit;

/// So many Items of a member, in one page, that a rule of its policy excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    pub member: MemberId,
    pub rule: Rule,
    pub items: u32,
}

/// The Items of a page that policies do not admit. `now` is the time that the plan counted windows from.
pub fn of(federation: &Federation, hits: &[(MemberId, Hit)], now: DateTime<Utc>) -> Vec<Outside> {
    let mut found: Vec<Outside> = Vec::new();
    for (id, hit) in hits {
        let Some(member) = federation.member(id.as_str()) else { continue };
        let Some(rule) = excluded(&member.policy, &hit.item, now) else { continue };
        match found.iter_mut().find(|one| one.member == *id && one.rule == rule) {
            Some(one) => one.items += 1,
            None => found.push(Outside { member: id.clone(), rule, items: 1 }),
        }
    }
    found
}

/// The rule of a policy that excludes an Item. What the Item does not say is no reason.
fn excluded(policy: &Policy, item: &Item, now: DateTime<Utc>) -> Option<Rule> {
    let has_focus = policy.focus.is_some() || policy.retention.iter().any(|rule| rule.focus.is_some());
    if item.collection.is_empty() || !(has_focus || !policy.retention.is_empty() || !policy.ids_prefixes.is_empty()) {
        return None;
    }
    let area = if has_focus { item.bbox().map(Area::from) } else { None };
    let ids = (!policy.ids_prefixes.is_empty()).then(|| [item.id.to_string()]);
    let question =
        Question { interval: interval(item), area: area.as_ref(), ids: ids.as_ref().map(<[String; 1]>::as_slice) };
    policy.admits(&item.collection, &question, now).err().map(|refusal| refusal.rule)
}

fn interval(item: &Item) -> Option<Interval> {
    let times = &item.times;
    match (times.start, times.end, times.datetime) {
        (None, None, datetime) => datetime.map(Interval::instant),
        (start, end, _) => Some(Interval { start, end }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        let file = format!("[federation]\nid = \"f\"\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\n{text}");
        let loaded = crate::federation::load_text("f.toml", &file, std::path::Path::new(""));
        loaded.map_err(|problems| problems.to_text()).unwrap().federation.members[0].policy.clone()
    }

    fn item(id: &str, properties: &str, x: f64) -> Item {
        let json = format!(
            "{{\"type\":\"Feature\",\"id\":\"{id}\",\"collection\":\"c\",\"geometry\":{{\"type\":\"Point\",\"coordinates\":[{x},50]}},\
             \"bbox\":[{x},50,{x},50],\"properties\":{{{properties}}},\"links\":[],\"assets\":{{}}}}"
        );
        Item::new(json).unwrap()
    }

    #[test]
    fn an_item_that_the_policy_excludes_is_told_with_the_rule() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let old = item("x1", "\"datetime\":\"2025-06-01T00:00:00Z\"", 10.0);
        let new = item("x2", "\"datetime\":\"2025-12-31T00:00:00Z\"", 10.0);
        let long = item(
            "x3",
            "\"datetime\":null,\"start_datetime\":\"2020-01-01T00:00:00Z\",\"end_datetime\":\"2025-12-31T00:00:00Z\"",
            10.0,
        );
        let keeps = policy("[[member.policy.retention]]\nkeep = \"P90D\"\n");
        assert_eq!(excluded(&keeps, &old, now), Some(Rule::Retention));
        assert_eq!((excluded(&keeps, &new, now), excluded(&keeps, &long, now)), (None, None));
        let focus = policy("[member.policy]\nfocus = { bbox = [9, 49, 11, 51] }\n");
        assert_eq!(excluded(&focus, &new, now), None);
        assert_eq!(
            excluded(&focus, &item("x", "\"datetime\":\"2025-12-31T00:00:00Z\"", 20.0), now),
            Some(Rule::FocusArea)
        );
        let ids = policy("[member.policy]\nids_prefixes = [\"S2\"]\n");
        assert_eq!(excluded(&ids, &new, now), Some(Rule::Ids));
        assert_eq!(excluded(&policy(""), &old, now), None);
    }
}
