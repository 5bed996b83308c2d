//! Metadata of members that is older than it should be, because reading it again failed: it is given all the same, its
//! members count as missing, and how old it is stands beside them (`reliability.md`, metadata cache).

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::federation::MemberId;

/// The members whose part of an answer is old, each with its age in whole seconds.
#[derive(Debug, Default)]
pub struct Stale(Vec<(MemberId, u64)>);

impl Stale {
    /// Takes a member in whose part is that old; `None`: it is as it should be.
    pub fn add(&mut self, member: &MemberId, outdated: Option<Duration>) {
        self.0.extend(outdated.map(|age| (member.clone(), age.as_secs())));
    }

    /// Writes `federation:missing` and `federation:stale` into an answer of which `missing` have no part at all; gives
    /// all members that are missing.
    pub fn mark(&self, document: &mut Value, missing: &[MemberId]) -> Vec<MemberId> {
        let missing: Vec<MemberId> = missing.iter().chain(self.0.iter().map(|(member, _)| member)).cloned().collect();
        if !missing.is_empty() {
            document["federation:missing"] = json!(missing);
        }
        if !self.0.is_empty() {
            let ages = self.0.iter().map(|(member, age_s)| (member.to_string(), json!({ "age_s": age_s })));
            document["federation:stale"] = Value::Object(ages.collect::<Map<_, _>>());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_parts_are_missing_and_say_how_old_they_are() {
        let (mut stale, [a, b, c]) = (Stale::default(), ["A", "B", "C"].map(MemberId::new));
        let mut well = json!({});
        assert!(stale.mark(&mut well, &[]).is_empty());
        assert_eq!(well, json!({}), "nothing is said where nothing is wrong");
        stale.add(&b, None);
        stale.add(&c, Some(Duration::from_millis(4_000_900)));
        let mut document = json!({ "links": [] });
        assert_eq!(stale.mark(&mut document, std::slice::from_ref(&a)), [a, c]);
        let wanted = json!({
            "links": [], "federation:missing": ["A", "C"], "federation:stale": { "C": { "age_s": 4000 } },
        });
        assert_eq!(document, wanted);
    }
}
