//! The landing page, where it leads, and what it declares.

use serde_json::Value;

use super::{Asked, Asker};
use crate::federation::Member;
use crate::members::Capabilities;
use crate::members::capabilities::Found;
use crate::members::dialect::{Seen, in_landing};

/// How links name the list of processes (OGC API - Processes, 7.10).
const PROCESSES_REL: &str = "/rel/ogc/1.0/processes";

/// What the landing page said.
#[derive(Debug)]
pub struct Landing {
    pub asked: Asked,
    /// At the end of a redirect to the same origin.
    pub moved: Option<Asked>,
    pub page: Option<Value>,
    /// `/conformance`, where the landing page names no classes.
    pub conformance: Option<Asked>,
    pub found: Found,
    /// What the classes promise.
    pub declared: Capabilities,
    pub processes: Option<Processes>,
    /// The dialect that it gives away, in which searches are then asked.
    pub dialect: Option<Seen>,
}

/// The list of processes that a landing page links to, and the description of the first.
#[derive(Debug)]
pub struct Processes {
    pub href: String,
    pub list: Asked,
    pub description: Option<Asked>,
}

impl Landing {
    /// The landing page itself, wherever it was found.
    pub fn last(&self) -> &Asked {
        self.moved.as_ref().unwrap_or(&self.asked)
    }

    /// Its links.
    pub fn links(&self) -> impl Iterator<Item = &Value> {
        self.page.as_ref().and_then(|page| page.get("links")).and_then(Value::as_array).into_iter().flatten()
    }
}

impl Asker<'_> {
    pub async fn landing(&mut self, member: &Member) -> Landing {
        let asked = self.ask(&self.inspector.landing()).await;
        let onward = asked.answer().and_then(crate::members::inspect::Answer::location);
        let moved = match onward.and_then(|to| self.inspector.moved(&to)) {
            Some(question) => Some(self.ask(&question).await),
            None => None,
        };
        let page = moved.as_ref().unwrap_or(&asked).good().and_then(crate::members::inspect::Answer::json);
        let page = page.filter(Value::is_object);
        let mut classes = page.as_ref().and_then(classes_of);
        let mut conformance = None;
        if page.is_some() && classes.is_none() {
            let asked = self.ask(&self.inspector.below(&["conformance"])).await;
            classes = asked.good().and_then(crate::members::inspect::Answer::json).as_ref().and_then(classes_of);
            conformance = Some(asked);
        }
        let mut found = Found { conforms_to: classes.unwrap_or_default(), ..Found::default() };
        if let Some(page) = &page {
            self.inspector.learn_search(page);
            for link in page.get("links").and_then(Value::as_array).into_iter().flatten().filter(|l| is_search(l)) {
                found.search_link = true;
                let method = link["method"].as_str();
                found.search_post |= method.is_none_or(|method| method.eq_ignore_ascii_case("post"));
            }
        }
        let declared = Capabilities::discovered(member, &found);
        let answer = moved.as_ref().unwrap_or(&asked).good();
        let dialect = answer.zip(page.as_ref().and_then(Value::as_object)).and_then(|(answer, page)| {
            let links = page.get("links").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            in_landing(page, links, &found.conforms_to, &answer.headers)
        });
        if let Some(seen) = &dialect {
            self.inspector.speak(seen.dialect);
        }
        let mut landing = Landing { asked, moved, page, conformance, found, declared, processes: None, dialect };
        landing.processes = self.processes(&landing).await;
        landing
    }

    async fn processes(&mut self, landing: &Landing) -> Option<Processes> {
        let is_list = |link: &&Value| {
            let rel = link["rel"].as_str().is_some_and(|rel| rel.ends_with(PROCESSES_REL));
            rel && link["type"].as_str().is_none_or(|media| media.contains("json"))
        };
        let href = landing.links().find(is_list)?["href"].as_str()?.to_owned();
        let from = &landing.last().answer()?.url;
        let list = self.ask(&self.inspector.linked(from, &href)?).await;
        let first = list.good().and_then(crate::members::inspect::Answer::json);
        let first = first.as_ref().and_then(|list| list["processes"][0]["id"].as_str()).map(str::to_owned);
        let address = list.answer().map(|answer| answer.url.clone());
        let description = match (first, address) {
            (Some(id), Some(address)) => {
                let below = format!("{}/{id}", address.path().trim_end_matches('/'));
                match self.inspector.linked(&address, &below) {
                    Some(question) => Some(self.ask(&question).await),
                    None => None,
                }
            }
            _ => None,
        };
        Some(Processes { href, list, description })
    }
}

fn classes_of(page: &Value) -> Option<Vec<String>> {
    let classes = page.get("conformsTo")?.as_array()?;
    Some(classes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

pub fn is_search(link: &Value) -> bool {
    link["rel"] == "search" && link["type"].as_str().is_none_or(|media| media.contains("json"))
}
