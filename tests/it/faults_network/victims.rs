//! The kinds of member that networks strike, each with sixty Items at times that all know.

use std::net::SocketAddr;

use serde_json::Value;
use stac_broker::federation::{Kind, Member, Records};

use crate::support::catalogue::{Catalogue, Habits, records_of};
use crate::support::files::{Files, tree};
use crate::support::{NextForm, Running, ScriptedMember, collection, item, items};

pub const ITEMS: usize = 60;
const PAGE_CAP: usize = 25;

/// What stands in the way of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Sorts; asked by POST, resumed by time.
    Post,
    /// Sorts; asked by GET alone.
    Get,
    /// Cannot sort: read whole on each page.
    Drained,
    /// Without Item Search.
    ItemsOnly,
    /// A catalogue of files, read whole.
    Files,
    Records,
    Csw,
}

pub const VICTIMS: [Victim; 7] =
    [Victim::Post, Victim::Get, Victim::Drained, Victim::ItemsOnly, Victim::Files, Victim::Records, Victim::Csw];

enum Server {
    Api(Running),
    Files(Files),
    Catalogue(Catalogue),
}

/// A serving member, of which nothing is broken yet.
pub struct Serving {
    server: Server,
    /// As a federation would declare it.
    pub member: Member,
    /// What it has.
    pub items: Vec<Value>,
}

impl Victim {
    /// Stands in the first line of requests for its pages.
    pub fn pages(self) -> &'static str {
        match self {
            Self::Post | Self::Get | Self::Drained => "/search",
            Self::ItemsOnly | Self::Records => "/items",
            Self::Files => ".stac.json",
            Self::Csw => "GetRecords",
        }
    }

    /// Whether searches are answered from what was read of it before.
    pub fn is_read_whole(self) -> bool {
        matches!(self, Self::Files | Self::Records | Self::Csw)
    }

    pub async fn start(self, id: &str) -> Serving {
        let own = id.to_lowercase();
        let script = ScriptedMember::new(id).items(items(&own, ITEMS)).page_cap(PAGE_CAP);
        let script = match self {
            Self::Post => script,
            Self::Get => script.get_only().next_form(NextForm::Get),
            Self::Drained => script.no_sort(),
            Self::ItemsOnly => script.items_only(),
            Self::Files => return files(id, &own).await,
            Self::Records => return records(id, Kind::OgcRecords).await,
            Self::Csw => return records(id, Kind::Csw).await,
        };
        let running = script.start().await;
        let member = running.declared();
        Serving { server: Server::Api(running), member, items: items(&own, ITEMS) }
    }
}

async fn files(id: &str, own: &str) -> Serving {
    let files = Files::start(tree(&[collection(own)], &items(own, ITEMS))).await;
    let member = files.declared(id);
    Serving { server: Server::Files(files), member, items: items(own, ITEMS) }
}

async fn records(id: &str, kind: Kind) -> Serving {
    let habits = Habits { records: records_of(ITEMS), page_cap: Some(PAGE_CAP), ..Habits::default() };
    let as_item =
        |record: &Value| item("records", record["id"].as_str().unwrap(), record["time"]["timestamp"].as_str().unwrap());
    let items = habits.records.iter().map(as_item).collect();
    let catalogue = Catalogue::start(kind, habits).await;
    let member = catalogue.declared(id, Records::Items { collection: "records".to_owned() });
    Serving { server: Server::Catalogue(catalogue), member, items }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let url = match &self.server {
            Server::Api(running) => return running.address(),
            Server::Files(files) => &files.base,
            Server::Catalogue(catalogue) => &catalogue.url,
        };
        SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()))
    }
}
