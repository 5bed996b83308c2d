//! The members' processes as one list (`processes.md` 5): equal processes under one logical id, all others under pinned ids.
//!
//! Two processes are equal when they have one public id and take the same inputs, of which they require the same. What
//! else differs is shown and never hidden. A description that cannot be read says nothing against.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::federation::{MemberId, Routing};

use super::ids::pinned;

/// Where a process can be executed, in this order of the text.
const MODES: [&str; 3] = ["sync-execute", "async-execute", "dismiss"];

/// One member's process.
#[derive(Debug, Clone)]
pub struct Offer {
    pub member: MemberId,
    pub priority: i32,
    pub native: String,
    /// What its list says.
    pub summary: Value,
    /// Absent: not read, or not readable without credentials.
    pub description: Option<Value>,
}

impl Offer {
    /// What is known of it: the description, else what the list says.
    fn known(&self) -> &Value {
        self.description.as_ref().unwrap_or(&self.summary)
    }

    /// Whether it runs asynchronously. A process that says nothing runs synchronously (18-062r2, 7.11.2.3).
    #[must_use]
    pub fn runs_async(&self) -> bool {
        modes(self.known()).contains(&"async-execute")
    }
}

fn modes(process: &Value) -> Vec<&str> {
    let listed = process.get("jobControlOptions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(Value::as_str).collect()
}

/// A process as clients see it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Logical, or `MEMBER:native`.
    pub id: String,
    pub is_pinned: bool,
    /// By descending priority, then by member; never empty.
    pub offers: Vec<Offer>,
}

/// What the offers of one public id differ in, by member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// For example `inputs`, `required`, `version`, `inputs/bbox/schema`.
    pub what: String,
    /// Whether it keeps the offers from being one process.
    pub parts: bool,
    pub values: BTreeMap<MemberId, Value>,
}

/// The list: logical ids, then pinned ids of processes that have none, each in byte order.
#[must_use]
pub fn merge(offers: Vec<Offer>, routing: &Routing) -> Vec<Process> {
    let mut groups: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    for offer in offers {
        let public = routing.public_id(&offer.member, &offer.native).to_owned();
        groups.entry(public).or_default().push(offer);
    }
    let (mut logical, mut alone) = (Vec::new(), Vec::new());
    for (id, group) in groups {
        let (mut named, others) = one_of_each(group, &id, routing);
        sort(&mut named);
        if differences(&named).iter().any(|difference| difference.parts) {
            alone.extend(named);
        } else {
            logical.push(Process { id, is_pinned: false, offers: named });
        }
        alone.extend(others);
    }
    let mut pinned: Vec<Process> = alone.into_iter().map(Process::pinned).collect();
    pinned.sort_by(|a, b| a.id.cmp(&b.id));
    logical.extend(pinned);
    logical
}

/// Of each member the process that has the public id: an equated one before one that only happens to be called so.
fn one_of_each(group: Vec<Offer>, id: &str, routing: &Routing) -> (Vec<Offer>, Vec<Offer>) {
    let equated = |offer: &Offer| {
        let aliases = routing.aliases.iter().filter(|equated| equated.public == id);
        aliases.flat_map(|equated| &equated.processes).any(|(of, own)| *of == offer.member && *own == offer.native)
    };
    let taken: BTreeSet<MemberId> =
        group.iter().filter(|offer| equated(offer)).map(|offer| offer.member.clone()).collect();
    group.into_iter().partition(|offer| equated(offer) || !taken.contains(&offer.member))
}

fn sort(offers: &mut [Offer]) {
    offers.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.member.cmp(&b.member)));
}

impl Process {
    /// One member's own process.
    #[must_use]
    pub fn pinned(offer: Offer) -> Self {
        Self { id: pinned(&offer.member, &offer.native), is_pinned: true, offers: vec![offer] }
    }

    /// The members behind it, the first one first.
    #[must_use]
    pub fn members(&self) -> Vec<&MemberId> {
        self.offers.iter().map(|offer| &offer.member).collect()
    }

    /// The document of the list: what the first member says, with the modes of all.
    #[must_use]
    pub fn summary(&self, links: &[Value]) -> Value {
        self.document(self.offers.first().map(|offer| &offer.summary), links)
    }

    /// The description: inputs and outputs of the first member that lets itself be described.
    #[must_use]
    pub fn description(&self, links: &[Value]) -> Value {
        let described = self.offers.iter().find_map(|offer| offer.description.as_ref());
        self.document(described.or_else(|| self.offers.first().map(|offer| &offer.summary)), links)
    }

    fn document(&self, base: Option<&Value>, links: &[Value]) -> Value {
        let mut document = Map::new();
        document.insert("id".into(), json!(self.id));
        for (key, value) in base.and_then(Value::as_object).into_iter().flatten() {
            if !matches!(key.as_str(), "id" | "links") && !key.starts_with("federation:") {
                document.insert(key.clone(), value.clone());
            }
        }
        // The standard wants one; members leave it out.
        document.entry("version").or_insert_with(|| json!("1.0.0"));
        let modes = self.modes();
        if !modes.is_empty() {
            document.insert("jobControlOptions".into(), json!(modes));
        }
        document.insert("federation:backends".into(), json!(self.members()));
        let differences = differences(&self.offers);
        if !differences.is_empty() {
            let shown: Vec<Value> = differences.iter().map(Difference::as_json).collect();
            document.insert("federation:differences".into(), json!(shown));
        }
        document.insert("links".into(), json!(links));
        Value::Object(document)
    }

    /// The modes of all offers.
    fn modes(&self) -> Vec<&str> {
        let all: Vec<&str> = self.offers.iter().flat_map(|offer| modes(offer.known())).collect();
        MODES.into_iter().filter(|mode| all.contains(mode)).collect()
    }
}

impl Difference {
    #[must_use]
    pub fn as_json(&self) -> Value {
        json!({ "what": self.what, "members": self.values })
    }
}

/// The public ids under which members offer unequal processes, each with what they differ in.
#[must_use]
pub fn parted(processes: &[Process], routing: &Routing) -> Vec<(String, Vec<Difference>)> {
    let mut groups: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    for offer in processes.iter().filter(|process| process.is_pinned).flat_map(|process| &process.offers) {
        let public = routing.public_id(&offer.member, &offer.native).to_owned();
        groups.entry(public).or_default().push(offer.clone());
    }
    let unequal = groups.into_iter().map(|(public, offers)| (public, differences(&offers)));
    unequal.filter(|(_, differences)| differences.iter().any(|difference| difference.parts)).collect()
}

/// What the offers differ in; nothing for a single one.
#[must_use]
pub fn differences(offers: &[Offer]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: &str, parts: bool, values: Vec<(&MemberId, Value)>| {
        if values.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            let values = values.into_iter().map(|(member, value)| (member.clone(), value)).collect();
            found.push(Difference { what: what.to_owned(), parts, values });
        }
    };
    let described: Vec<(&MemberId, &Value)> =
        offers.iter().filter_map(|offer| Some((&offer.member, offer.description.as_ref()?))).collect();
    let each =
        |read: &dyn Fn(&Value) -> Value| described.iter().map(|(member, value)| (*member, read(value))).collect();
    compare("inputs", true, each(&|process| json!(input_names(process, false))));
    compare("required", true, each(&|process| json!(input_names(process, true))));
    compare("outputs", false, each(&|process| json!(names(process, "outputs"))));
    compare("version", false, each(&|process| process["version"].clone()));
    let all = offers.iter().map(|offer| (&offer.member, json!(modes(offer.known())))).collect();
    compare("jobControlOptions", false, all);
    let shared = described.first().map(|(_, first)| input_names(first, false)).unwrap_or_default();
    for name in shared {
        // Schemas are long: their texts are not repeated, only who says the same.
        compare(&format!("inputs/{name}/schema"), false, each(&|process| schema_number(&described, process, &name)));
    }
    found
}

/// The place of the first description that has the same schema of an input: equal numbers, equal schemas.
fn schema_number(described: &[(&MemberId, &Value)], process: &Value, name: &str) -> Value {
    let own = input(process, name).map(|input| &input["schema"]);
    let place = described.iter().position(|(_, other)| input(other, name).map(|input| &input["schema"]) == own);
    let first = place.and_then(|place| described.get(place)).map(|(member, _)| format!("as `{member}`"));
    json!(first)
}

/// Inputs by name; drafts of the standard have them as a list of `{id, …}`.
fn input<'a>(process: &'a Value, name: &str) -> Option<&'a Value> {
    match process.get("inputs")? {
        Value::Object(inputs) => inputs.get(name),
        Value::Array(list) => list.iter().find(|input| input["id"] == name),
        _ => None,
    }
}

fn names(process: &Value, kind: &str) -> BTreeSet<String> {
    match process.get(kind) {
        Some(Value::Object(inputs)) => inputs.keys().cloned().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(|input| input["id"].as_str()).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

/// The names of all inputs, or of those without which it does not run (`minOccurs`, 1 where it is not given).
fn input_names(process: &Value, required: bool) -> BTreeSet<String> {
    let mut names = names(process, "inputs");
    if required {
        names.retain(|name| input(process, name).is_none_or(|input| input["minOccurs"] != 0));
    }
    names
}

/// Inputs that say of themselves that they carry a collection.
#[must_use]
pub fn collection_inputs(process: &Value) -> BTreeSet<String> {
    let carries = |name: &String| {
        input(process, name).is_some_and(|input| {
            let formats = [&input["schema"]["format"], &input["schema"]["items"]["format"]];
            formats.contains(&&json!("stac-collection"))
        })
    };
    names(process, "inputs").into_iter().filter(carries).collect()
}

/// Whether a process is found by this text: any of its words between commas, in id, title, description or keywords,
/// whatever the case.
#[must_use]
pub fn matches(process: &Process, q: &str) -> bool {
    let mut texts = vec![process.id.to_lowercase()];
    for offer in &process.offers {
        for value in [&offer.summary["title"], &offer.summary["description"]] {
            texts.extend(value.as_str().map(str::to_lowercase));
        }
        let keywords = offer.summary["keywords"].as_array().into_iter().flatten();
        texts.extend(keywords.filter_map(Value::as_str).map(str::to_lowercase));
    }
    q.split(',')
        .map(|word| word.trim().to_lowercase())
        .any(|word| !word.is_empty() && texts.iter().any(|text| text.contains(&word)))
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
