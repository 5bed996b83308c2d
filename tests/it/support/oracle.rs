//! What a search must give, found without the broker: all Items in one list, filtered and sorted here.

use std::cmp::Ordering;

use serde_json::Value;

use super::store::instant;

/// An Item and the member that has it.
#[derive(Debug, Clone)]
pub struct Held {
    pub member: String,
    pub item: Value,
}

impl Held {
    pub fn id(&self) -> &str {
        self.item["id"].as_str().unwrap()
    }

    /// As the broker exposes it.
    pub fn collection(&self) -> String {
        format!("{}|{}", self.member, self.item["collection"].as_str().unwrap())
    }

    /// Milliseconds since 1970, rounded down.
    pub fn at(&self) -> i64 {
        let properties = &self.item["properties"];
        let text = properties["datetime"].as_str().or_else(|| properties["start_datetime"].as_str()).unwrap();
        instant(text).unwrap().div_euclid(1000)
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.collection(), self.id())
    }
}

/// All Items of these members.
#[derive(Debug, Clone, Default)]
pub struct Oracle(pub Vec<Held>);

impl Oracle {
    pub fn of<'a>(members: impl IntoIterator<Item = (&'a str, &'a [Value])>) -> Self {
        let held = |(member, items): (&'a str, &'a [Value])| {
            items.iter().map(move |item| Held { member: member.to_owned(), item: item.clone() })
        };
        Self(members.into_iter().flat_map(held).collect())
    }

    /// Those of which this holds.
    pub fn only(&self, keep: impl Fn(&Held) -> bool) -> Self {
        Self(self.0.iter().filter(|held| keep(held)).cloned().collect())
    }

    /// The names in this order, which is then continued by id and exposed collection.
    pub fn sorted(&self, by: impl Fn(&Held, &Held) -> Ordering) -> Vec<String> {
        let mut all: Vec<(&Held, String)> = self.0.iter().map(|held| (held, held.collection())).collect();
        all.sort_by(|(a, of_a), (b, of_b)| by(a, b).then_with(|| a.id().cmp(b.id())).then_with(|| of_a.cmp(of_b)));
        all.into_iter().map(|(held, _)| held.name()).collect()
    }

    pub fn newest_first(&self) -> Vec<String> {
        let at: std::collections::HashMap<String, i64> = self.0.iter().map(|held| (held.name(), held.at())).collect();
        self.sorted(|a, b| at[&b.name()].cmp(&at[&a.name()]))
    }

    pub fn oldest_first(&self) -> Vec<String> {
        let at: std::collections::HashMap<String, i64> = self.0.iter().map(|held| (held.name(), held.at())).collect();
        self.sorted(|a, b| at[&a.name()].cmp(&at[&b.name()]))
    }

    /// In no order: for comparison with an answer that promises none.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(Held::name).collect();
        names.sort_unstable();
        names
    }
}
