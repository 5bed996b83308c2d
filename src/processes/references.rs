//! References to data in the body of an execution (`processes.md` 6.2): what a request speaks of, and where in it.
//!
//! It looks at shapes alone: whether an address or an id is known to the federation is the question of `holders.rs`. The
//! whole body is looked at, whatever its form, since members take other forms than the standard's; only `subscriber` and
//! `outputs` are not, which say where results go. Numbers of geometries are no references and are not counted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::filter::Filter;

/// Deepest nesting that is looked at: the deepest known shape, an Item in a collection in a qualified value, needs five.
pub const DEPTH_MAX: usize = 8;
/// Most values of one body: several hundred Items by value.
pub const NODES_MAX: usize = 10_000;
/// Most references of one body; each is compared with every member.
pub const REFERENCES_MAX: usize = 500;
/// Longest text that can be an address or an id.
const TEXT_BYTES_MAX: usize = 8192;
/// Inputs that carry collection ids by their names alone.
const DATA_NAMES: [&str; 5] = ["collection", "collections", "collection_id", "dataset", "dataset_id"];
/// Where inputs stand: by the standard, and as EDITO writes it.
const INPUTS: [&str; 2] = ["inputs", "processInputs"];
/// Where results go, which is not where data is.
const NOT_DATA: [&str; 2] = ["subscriber", "outputs"];

/// The shape of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Code {
    /// A process: pinned in the path, or nested in the body.
    P,
    /// A link: `{href, …}`.
    L,
    /// An Item given by value.
    Q,
    /// A collection as input: `{collection, …}`.
    C,
    /// An address as text.
    U,
    /// A place in a store.
    S,
    /// An id of a collection as text.
    I,
    /// A job or its results.
    J,
}

/// What one text of a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An absolute `http` or `https` address.
    Address(String),
    /// `s3://…` and other places that are matched by prefix only.
    Store(String),
    /// A collection id, qualified or bare.
    Collection(String),
}

/// A text in the body and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    pub target: Target,
}

/// One reference.
#[derive(Debug, Clone)]
pub struct Reference {
    pub code: Code,
    /// The first that leads to a member decides; an Item by value has several. Never empty.
    pub places: Vec<Place>,
    /// What of the data is meant.
    pub filter: Filter,
}

/// A body over a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMuch {
    /// What there is too much of: `levels of nesting`, `values`, `references`.
    pub what: &'static str,
    pub max: usize,
}

/// Finds every reference, in the order of the body. `data_inputs` are the names of further inputs that carry collection ids.
///
/// # Errors
/// When the body is over a bound.
pub fn find(body: &Value, data_inputs: &BTreeSet<String>) -> Result<Vec<Reference>, TooMuch> {
    let mut scan = Scan { data_inputs, nodes: 0, found: Vec::new() };
    let top = Around { filter: Filter::default(), name: None, depth: 0 };
    match body {
        Value::Object(members) => scan.request(members, "", &top)?,
        _ => scan.value(body, "", &top)?,
    }
    Ok(scan.found)
}

struct Scan<'a> {
    data_inputs: &'a BTreeSet<String>,
    nodes: usize,
    found: Vec<Reference>,
}

/// What surrounds a value.
#[derive(Clone)]
struct Around<'a> {
    filter: Filter,
    /// The input that the value belongs to.
    name: Option<&'a str>,
    depth: usize,
}

impl<'a> Around<'a> {
    fn inside(&self, name: Option<&'a str>) -> Self {
        Self { filter: self.filter.clone(), name: name.or(self.name), depth: self.depth + 1 }
    }
}

impl Scan<'_> {
    /// An Execute request: the body itself, or a nested process.
    fn request(&mut self, members: &Map<String, Value>, pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        self.count(around.depth)?;
        if let Some(Value::String(process)) = members.get("process") {
            self.text(Code::P, process, child(pointer, "process"), around)?;
        }
        // A body without inputs has another form: what it says by name counts as input.
        let is_bare = !INPUTS.iter().any(|inputs| members.contains_key(*inputs));
        let filter = if is_bare { around.filter.narrowed(members) } else { around.filter.clone() };
        let around = Around { filter, ..around.clone() };
        for (key, value) in members {
            let at = child(pointer, key);
            let inner = around.inside(is_bare.then_some(key));
            match value {
                _ if key == "process" && value.is_string() || NOT_DATA.contains(&key.as_str()) => {}
                Value::Object(inputs) if INPUTS.contains(&key.as_str()) => self.inputs(inputs, &at, &inner)?,
                Value::Array(list) if INPUTS.contains(&key.as_str()) => self.input_list(list, &at, &inner)?,
                _ => self.value(value, &at, &inner)?,
            }
        }
        Ok(())
    }

    /// Inputs by name; `bbox`, `datetime` and the like among them say what of the data is meant.
    fn inputs(&mut self, inputs: &Map<String, Value>, pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        self.count(around.depth)?;
        let filter = around.filter.narrowed(inputs);
        let around = Around { filter, ..around.clone() };
        for (name, value) in inputs {
            self.value(value, &child(pointer, name), &around.inside(Some(name)))?;
        }
        Ok(())
    }

    /// Inputs as a list of `{id, …}`, as drafts of the standard had it.
    fn input_list(&mut self, list: &[Value], pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        self.count(around.depth)?;
        for (index, input) in list.iter().enumerate() {
            let name = input.get("id").and_then(Value::as_str);
            self.value(input, &child(pointer, &index.to_string()), &around.inside(name))?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        match value {
            Value::Object(members) => self.object(members, pointer, around),
            Value::Array(values) => {
                self.count(around.depth)?;
                for (index, value) in values.iter().enumerate() {
                    self.value(value, &child(pointer, &index.to_string()), &around.inside(None))?;
                }
                Ok(())
            }
            Value::String(text) => {
                self.count(0)?;
                let is_id = around.name.is_some_and(|name| self.carries_data(name));
                self.text(if is_id { Code::I } else { Code::U }, text, pointer.to_owned(), around)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.count(0),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        self.count(around.depth)?;
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        match (text("type"), members.get("features")) {
            (Some("Feature"), _) => return self.item(members, pointer, around),
            (Some("FeatureCollection"), Some(Value::Array(features))) => {
                return self.features(features, &child(pointer, "features"), around);
            }
            (Some(_), _) if members.contains_key("coordinates") => return Ok(()),
            _ => {}
        }
        // A condition (CQL2 JSON) nests as deep as it likes and names no data.
        if text("op").is_some() && members.contains_key("args") {
            return Ok(());
        }
        if let Some(href) = text("href") {
            return self.text(Code::L, href, child(pointer, "href"), around);
        }
        let nested = text("process").is_some_and(|process| process.contains("://"));
        if nested && INPUTS.iter().any(|inputs| members.contains_key(*inputs)) {
            return self.request(members, pointer, around);
        }
        let filter = around.filter.narrowed(members);
        let around = Around { filter, ..around.clone() };
        let collection = text("collection");
        if let Some(collection) = collection {
            self.text(Code::C, collection, child(pointer, "collection"), &around)?;
        }
        for (key, value) in members {
            let seen = collection.is_some() && matches!(key.as_str(), "collection" | "ids" | "filter");
            // The name of an input in a list is no value of it.
            let is_name = key == "id" && value.is_string();
            if !seen && !is_name {
                self.value(value, &child(pointer, key), &around.inside(None))?;
            }
        }
        Ok(())
    }

    fn features(&mut self, features: &[Value], pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        for (index, feature) in features.iter().enumerate() {
            if let Value::Object(members) = feature {
                self.count(around.depth + 2)?;
                self.item(members, &child(pointer, &index.to_string()), around)?;
            }
        }
        Ok(())
    }

    /// An Item by value: its own address first, then its collection, then where its assets lie. Any other feature names nothing.
    fn item(&mut self, members: &Map<String, Value>, pointer: &str, around: &Around<'_>) -> Result<(), TooMuch> {
        let mut places = Vec::new();
        let links = members.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for wanted in ["self", "canonical"] {
            for (index, link) in links.iter().enumerate().filter(|(_, link)| link["rel"] == wanted) {
                self.count(0)?;
                let at = child(&child(&child(pointer, "links"), &index.to_string()), "href");
                places.extend(link["href"].as_str().and_then(address).map(|target| Place { pointer: at, target }));
            }
        }
        if let Some(collection) = members.get("collection").and_then(Value::as_str).filter(|id| is_id(id)) {
            let target = Target::Collection(collection.to_owned());
            places.push(Place { pointer: child(pointer, "collection"), target });
        }
        for (key, asset) in members.get("assets").and_then(Value::as_object).into_iter().flatten() {
            self.count(0)?;
            let at = child(&child(&child(pointer, "assets"), key), "href");
            places.extend(asset["href"].as_str().and_then(address).map(|target| Place { pointer: at, target }));
        }
        if places.is_empty() {
            return Ok(());
        }
        self.push(Reference { code: Code::Q, places, filter: around.filter.of_item(members) })
    }

    /// A text: an address or a place in a store wherever it stands, an id of a collection where one is expected.
    fn text(&mut self, expected: Code, text: &str, pointer: String, around: &Around<'_>) -> Result<(), TooMuch> {
        let (code, target) = match (address(text), expected) {
            (Some(target @ Target::Store(_)), _) => (Code::S, target),
            // In an input that may have an id, an address is an address like elsewhere.
            (Some(target), Code::I) => (Code::U, target),
            (Some(target), code) => (code, target),
            (None, Code::C | Code::I) if is_id(text) => (expected, Target::Collection(text.to_owned())),
            (None, _) => return Ok(()),
        };
        let places = vec![Place { pointer, target }];
        self.push(Reference { code, places, filter: around.filter.clone() })
    }

    fn push(&mut self, reference: Reference) -> Result<(), TooMuch> {
        if self.found.len() >= REFERENCES_MAX {
            return Err(TooMuch { what: "references", max: REFERENCES_MAX });
        }
        self.found.push(reference);
        Ok(())
    }

    /// Counts one value, of this depth if it has others in it.
    fn count(&mut self, depth: usize) -> Result<(), TooMuch> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            Err(TooMuch { what: "levels of nesting", max: DEPTH_MAX })
        } else if self.nodes > NODES_MAX {
            Err(TooMuch { what: "values", max: NODES_MAX })
        } else {
            Ok(())
        }
    }

    fn carries_data(&self, name: &str) -> bool {
        DATA_NAMES.contains(&name) || self.data_inputs.contains(name)
    }
}

/// A pointer one step further down.
fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// An absolute address, or a place in a store. Text that only contains one is none.
fn address(text: &str) -> Option<Target> {
    if text.len() > TEXT_BYTES_MAX || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    match text.split_once("://") {
        Some((scheme, rest)) if !rest.is_empty() && is_scheme(scheme) => {
            let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
            Some(if web { Target::Address(text.to_owned()) } else { Target::Store(text.to_owned()) })
        }
        _ if text.split('/').any(|part| part.strip_suffix(".zarr").is_some_and(|name| !name.is_empty())) => {
            Some(Target::Store(text.to_owned()))
        }
        _ => None,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !text.contains(|c: char| c.is_control())
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
