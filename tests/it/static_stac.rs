//! Members that are catalogues of files: crawled from a server and from a folder, searched like any other, crawled again.

mod contract;
mod crawls;
mod real;
mod searches;

use std::sync::Arc;
use std::time::Duration;

use stac_broker::federation::Member as Declared;
use stac_broker::members::{Ask, Harvest, Member, Registry};
use tokio::time::Instant;

use crate::support::federation_of;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn adapter(declared: Declared) -> Arc<dyn Member> {
    Registry::new(&federation_of([declared])).iter().next().unwrap().clone()
}

async fn state(member: &dyn Member) -> Harvest {
    member.renew(soon()).await.unwrap();
    member.harvest().unwrap()
}

/// Ids of everything the member has.
async fn all(member: &dyn Member) -> Vec<String> {
    let ask = Ask { limit: 10_000, sortby: vec![("id".to_owned(), false)], ..Ask::default() };
    member.search(&ask, soon()).await.unwrap().items.iter().map(|item| item.id.to_string()).collect()
}
