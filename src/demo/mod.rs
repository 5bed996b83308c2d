//! Embedded members: real HTTP servers on loopback, unlike one another, with catalogues of realistic size and shape.
//!
//! For trying the broker without any network, and for checking it: what a member answers here is computed straight from
//! its table, so [`Demo::all_ids`] is an oracle. This room knows of the broker only the text of a federation file. It
//! deliberately shares no code with the rooms it is used to check: conditions, order and paging are evaluated anew.
//!
//! Reading order: `table.rs` rows of `data/*.tsv`; `recent.rs` the rolling part of one site; `catalog.rs` rows to Items
//! and Collections; `conditions.rs` and `filter.rs` what a request asks; `habits.rs` how the members differ; `server.rs` the HTTP
//! server, and one file for each kind that it serves: `api.rs` a STAC API, `resto.rs` one that does otherwise, `files.rs` a
//! catalogue of files, `records.rs` metadata records; `processes/` what two of them execute; `declared.rs` the federation file.

mod api;
mod assets;
mod catalog;
mod conditions;
mod declared;
mod files;
mod filter;
mod habits;
mod processes;
mod recent;
mod records;
mod resto;
mod server;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use chrono::Utc;

use habits::{HABITS, Habits};
use server::Running;

/// The running demo members. Dropping it stops them.
pub struct Demo {
    /// The federation file that names them, as `demo --write` puts it down.
    pub federation_toml: String,
    members: Vec<Running>,
}

/// One member in words, for people.
#[derive(Debug, Clone)]
pub struct Portrait {
    pub id: &'static str,
    /// How it behaves.
    pub habit: &'static str,
    /// What its admin declares.
    pub policy: &'static str,
    pub items: usize,
    pub collections: usize,
    /// What the federation file names: its landing page, or its root document.
    pub url: String,
    /// Whether a broker reads it whole, and asks it nothing when it is searched.
    pub read_whole: bool,
}

impl Demo {
    /// Starts all members on free loopback ports.
    ///
    /// # Errors
    /// When no port can be bound, or a table of the catalogue cannot be read.
    pub async fn start() -> io::Result<Self> {
        let now = Utc::now();
        let mut members = Vec::with_capacity(HABITS.len());
        for habits in &HABITS {
            members.push(Running::start(habits, now).await?);
        }
        let federation_toml = declared::federation_toml(&members);
        Ok(Self { federation_toml, members })
    }

    /// Requests that each member received since the start, by member id.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, u64)> {
        self.members.iter().map(|member| (member.habits.id.to_owned(), member.counters.all())).collect()
    }

    /// Requests for Items (search, items) that each member received since the start, by member id. What is read whole
    /// receives none.
    #[must_use]
    pub fn search_requests(&self) -> Vec<(String, u64)> {
        self.members.iter().map(|member| (member.habits.id.to_owned(), member.counters.searches())).collect()
    }

    /// Execute requests that each member with processes received since the start, by member id.
    #[must_use]
    pub fn executions(&self) -> Vec<(String, u64)> {
        let executing = self.members.iter().filter_map(|member| Some((member, member.processes.as_ref()?)));
        executing.map(|(member, (_, service))| (member.habits.id.to_owned(), service.executions())).collect()
    }

    /// Makes a member refuse connections (`true`) or serve again. An unknown member is left alone.
    pub fn switch_off(&self, member: &str, off: bool) {
        if let Some(found) = self.member(member) {
            found.switch_off(off);
        }
    }

    /// How many Items a member holds; 0 for an unknown member.
    #[must_use]
    pub fn items(&self, member: &str) -> usize {
        self.member(member).map_or(0, |found| found.catalog.entries.len())
    }

    /// Every Item as the broker must expose it: `(MEMBER|collection, id)`, or `(collection, id)` of a shared Collection.
    #[must_use]
    pub fn all_ids(&self) -> BTreeSet<(String, String)> {
        let all = |member: &Running| -> Vec<(String, String)> {
            member.catalog.entries.iter().map(|entry| exposed(member.habits, entry)).collect()
        };
        self.members.iter().flat_map(all).collect()
    }

    /// The Items of one member under the names of its own: `(MEMBER|collection, id)`.
    #[must_use]
    pub fn ids_of(&self, member: &str) -> BTreeSet<(String, String)> {
        self.member(member).map(|found| found.exposed().collect()).unwrap_or_default()
    }

    /// The Items of all members that meet the conditions of a query string such as `bbox=9,53,30,66`.
    ///
    /// # Errors
    /// What is wrong with the query. Collections are the ids that each member has.
    pub fn matching(&self, query: &str) -> Result<BTreeSet<(String, String)>, String> {
        let conditions = conditions::Conditions::from_query(query)?;
        let found = |member: &Running| -> Vec<(String, String)> {
            let entries = member.catalog.entries.iter().filter(|entry| conditions.hold(entry));
            entries.map(|entry| exposed(member.habits, entry)).collect()
        };
        Ok(self.members.iter().flat_map(found).collect())
    }

    /// The members in words, in the order of the federation file.
    #[must_use]
    pub fn portraits(&self) -> Vec<Portrait> {
        self.members.iter().map(portrait).collect()
    }

    fn member(&self, id: &str) -> Option<&Running> {
        self.members.iter().find(|member| member.habits.id == id)
    }
}

/// An Item as the broker must expose it.
fn exposed(habits: &Habits, entry: &catalog::Entry) -> (String, String) {
    let (shared, holders) = declared::SHARED;
    let is_shared = entry.collection == shared && holders.contains(&habits.id);
    let collection = if is_shared { shared.to_owned() } else { format!("{}|{}", habits.id, entry.collection) };
    (collection, entry.id.clone())
}

fn portrait(member: &Running) -> Portrait {
    let Habits { id, habit, policy, speaks, .. } = *member.habits;
    Portrait {
        id,
        habit,
        policy,
        items: member.catalog.entries.len(),
        collections: member.catalog.collections.len(),
        url: member.url.clone(),
        read_whole: speaks.read_whole(),
    }
}

/// A member's catalogue, shared by the tasks of its server.
type Shared = Arc<catalog::Catalog>;
