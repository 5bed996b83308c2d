//! Adapters: one per kind of member. Only this room opens outgoing connections.
//!
//! It deliberately does not know the federation's order, other members, or what a client asked the broker: it is given
//! an [`Ask`] in the member's own terms and gives back a [`Page`] of Items as bytes. Start reading at [`Member`].

pub mod capabilities;
mod certificate;
mod client;
mod csw;
pub mod dialect;
mod encode;
mod error;
mod findings;
pub mod gocdb;
mod guard;
pub mod harvest;
pub mod inspect;
pub mod item;
pub mod known;
mod line;
mod memory;
mod next_link;
pub mod process_api;
mod records;
pub mod remote;
pub mod rewrite;
mod said;
mod scan;
pub mod sort;
mod stac_api;
mod static_stac;
mod tally;
#[cfg(test)]
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::cql2::Expr;
use crate::federation::{self, Bbox, Interval, MemberId};

pub use capabilities::{Capabilities, Counts, Language, Source};
pub use dialect::Habits;
pub use encode::Room;
pub use error::{Failure, Fault};
pub use findings::Seen;
pub use guard::{Bucket, Service, Standing, State, Told, Withheld};
pub use harvest::Harvest;
pub use item::Item;
pub use known::Known;
use line::failure;
pub use memory::held_bytes;
pub use said::Words;
pub use sort::KeyKind;

/// One catalogue, whatever software it runs. Every call ends by its deadline and never panics on what a member sends.
pub trait Member: Send + Sync {
    fn id(&self) -> &MemberId;

    /// What is known of the member's abilities; `None` until it was reached once and nothing is declared.
    fn capabilities(&self) -> Arc<Capabilities>;

    /// When the member last answered and what its last check said.
    fn health(&self) -> Health;

    /// The state of its snapshot, where the member is read whole.
    fn harvest(&self) -> Option<Harvest> {
        None
    }

    /// Reads the member anew, where it is read whole, and waits for the end of that.
    fn renew(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// One page of Items.
    fn search<'a>(&'a self, ask: &'a Ask, deadline: Instant) -> BoxFuture<'a, Result<Page, Failure>>;

    /// One Item by the member's own ids; `None` when the member says that it has no such Item.
    fn item<'a>(
        &'a self,
        collection: &'a str,
        id: &'a str,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Item>, Failure>>;

    /// All Collections, followed through their pages, each as the bytes of its JSON object.
    fn collections(&self, deadline: Instant) -> BoxFuture<'_, Result<Listing, Failure>>;

    /// The JSON Schema of what conditions can name: of one collection by its native id, with the member's own link to it
    /// where it has one, or of all. `None` when the member says that it has none.
    fn queryables<'a>(
        &'a self,
        _collection: Option<(&'a str, Option<&'a str>)>,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Failure>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Notes that the member broke the order it claims. After three times in ten minutes its sort capability is
    /// withdrawn until it is discovered again (S6), unless the federation file declares it.
    fn disordered(&self) {}

    /// Notes that an Item came which does not meet a condition that the member was said to do exactly; `what` is that
    /// condition, for admins. After three times in ten minutes conditions count as inexact until the member is
    /// discovered again (S10), unless the federation file declares them.
    fn contradicted(&self, _what: &str) {}

    /// Whether the member should be asked what it really does: after discovery and after contradictions.
    fn probe_due(&self) -> bool {
        false
    }

    /// Asks the member what it really does, a few requests one after the other, and adjusts the capabilities.
    fn probe(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Asks for a sign of life, which also keeps a connection warm; an adapter that has none to give says nothing.
    fn check(&self, _deadline: Instant) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Reads landing page and conformance again and replaces the capabilities; also a sign of life.
    fn discover(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Capabilities>, Failure>>;
}

/// What is asked of one member, in its own terms: native ids, no other member's.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// `None`: all.
    pub collections: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    pub bbox: Option<Bbox>,
    /// A GeoJSON geometry as text, with its bounding box for members and methods that cannot take it.
    pub intersects: Option<Arc<Intersects>>,
    pub datetime: Option<Interval>,
    /// What of the condition the member does itself, with its own collection ids.
    pub filter: Option<Arc<Expr>>,
    /// Field (as clients write it, for example `properties.datetime`, `id`) and whether descending. Empty: not asked.
    pub sortby: Vec<(String, bool)>,
    /// What the values of these are taken for; where there are fewer, each value by its own type. For members that are
    /// searched here: no other is told.
    pub kinds: Vec<KeyKind>,
    pub limit: u32,
    /// Where to go on: from an earlier [`Page`] of the same ask.
    pub token: Option<Token>,
}

/// A geometry condition.
#[derive(Debug)]
pub struct Intersects {
    pub geojson: String,
    pub geometry: geo::Geometry<f64>,
    /// Its bounding box; west > east when it crosses the antimeridian.
    pub bbox: Bbox,
}

/// A member's own paging value: the delta of its `next` link (`members.md` section 4), never an address. At most 2 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(pub Box<str>);

/// One page of a member.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub items: Vec<Item>,
    /// Features that came, the dropped ones included.
    pub received: u32,
    /// Dropped documents with the reason, at most 8 kept, and how many in all.
    pub invalid: Invalid,
    /// Absent at the end of the member's list.
    pub next: Option<Token>,
    /// There is no `next`, and yet the list goes on: the member gives no place to go on from.
    pub cut: bool,
    pub matched: Option<Matched>,
    /// Why the answer is not complete, when the member says so itself: it is a federation, and members of its own are
    /// missing; or it could not be harvested whole.
    pub partial: Option<Arc<str>>,
    /// A part of the condition was not sent to the member, for want of room or because it refused it.
    pub unsaid: bool,
    /// Size of the answer after decompression.
    pub bytes: usize,
}

#[derive(Debug, Clone, Default)]
pub struct Invalid {
    pub count: u32,
    pub reasons: Vec<String>,
}

/// How many Items a member says match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    pub count: u64,
    /// False: the member's counts are known to be estimates.
    pub exact: bool,
}

/// A member's Collections.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub collections: Vec<Bytes>,
    /// False when the list was cut (a bound, a page that failed, exactly 100 without a next link): then it proves nothing.
    pub complete: bool,
}

/// Signs of life of a member.
#[derive(Debug, Clone, Default)]
pub struct Health {
    pub last_check: Option<chrono::DateTime<chrono::Utc>>,
    pub last_success: Option<chrono::DateTime<chrono::Utc>>,
    pub last_failure: Option<Fault>,
}

/// The running members of a federation, in the order of the file.
pub struct Registry {
    members: Vec<Arc<dyn Member>>,
    /// The process APIs of those members that have one, likewise.
    process_apis: Vec<Arc<process_api::ProcessApi>>,
    guards: Arc<guard::Guards>,
    memory: Option<Arc<memory::Memory>>,
    #[cfg(test)]
    wire: Option<Arc<dyn wire::Wire>>,
}

impl Registry {
    /// Makes the adapter of every enabled member. Contacts nobody.
    #[must_use]
    pub fn new(federation: &federation::Federation) -> Self {
        Self::with(federation, &client::Clients::new(&federation.members, &federation.limits))
    }

    /// As [`Registry::new`], over a wire that is no network.
    #[cfg(test)]
    pub fn over(federation: &federation::Federation, wire: Arc<dyn wire::Wire>) -> Self {
        let clients = client::Clients::over(&wire, &federation.limits);
        Self { wire: Some(wire), ..Self::with(federation, &clients) }
    }

    fn with(federation: &federation::Federation, clients: &client::Clients) -> Self {
        let enabled = federation.members.iter().filter(|member| member.enabled);
        let adapter = |member: &federation::Member| -> Option<Arc<dyn Member>> {
            match member.kind {
                federation::Kind::StacApi => Some(Arc::new(stac_api::StacApi::new(member, federation, clients))),
                federation::Kind::StaticStac => {
                    let source = static_stac::StaticStac::new(member, federation, clients);
                    Some(Arc::new(harvest::Harvester::new(member, source)))
                }
                federation::Kind::OgcRecords => {
                    let pages = records::RecordsApi::new(member, federation, clients);
                    let source = records::pages::Catalogue::new(member, pages);
                    Some(Arc::new(harvest::Harvester::new(member, source)))
                }
                federation::Kind::Csw => {
                    let pages = csw::Csw::new(member, federation, clients);
                    let source = records::pages::Catalogue::new(member, pages);
                    Some(Arc::new(harvest::Harvester::new(member, source)))
                }
            }
        };
        let members = enabled.filter_map(adapter).collect();
        let enabled = federation.members.iter().filter(|member| member.enabled);
        let process_apis = enabled
            .filter_map(|member| process_api::ProcessApi::new(member, federation, clients).map(Arc::new))
            .collect();
        Self {
            members,
            process_apis,
            guards: clients.guards(),
            memory: Some(clients.memory()),
            #[cfg(test)]
            wire: None,
        }
    }

    /// The registry of a federation that takes the place of another: members whose declaration did not change, but for
    /// their policy, keep their adapter with all that it knows, its connections and what it is waiting for.
    #[must_use]
    pub fn succeeded(&self, before: &federation::Federation, now: &federation::Federation) -> Self {
        #[cfg(not(test))]
        let fresh = Self::new(now);
        #[cfg(test)]
        let fresh = self.wire.as_ref().map_or_else(|| Self::new(now), |wire| Self::over(now, Arc::clone(wire)));
        if before.limits != now.limits || before.id != now.id || before.public_url != now.public_url {
            return fresh;
        }
        let kept = |id: &str| {
            let (old, new) = (before.member(id)?, now.member(id)?);
            old.asked_as(new).then_some(())
        };
        let members = fresh.members.into_iter().map(|new| {
            let old = kept(new.id().as_str()).and_then(|()| self.get(new.id().as_str()));
            if old.is_some() {
                fresh.guards.adopt(new.id(), &self.guards);
            }
            old.map_or(new, Arc::clone)
        });
        let process_apis = fresh.process_apis.into_iter().map(|new| {
            let old = kept(new.member().as_str()).and_then(|()| self.process_api(new.member().as_str()));
            old.map_or(new, Arc::clone)
        });
        let (members, process_apis) = (members.collect(), process_apis.collect());
        // What is kept holds its bytes in the memory it began with, so that goes on counting.
        let memory = self.memory.clone().or(fresh.memory);
        Self {
            members,
            process_apis,
            guards: fresh.guards,
            memory,
            #[cfg(test)]
            wire: fresh.wire,
        }
    }

    /// A registry of members made elsewhere, for tests.
    #[must_use]
    pub fn of(members: Vec<Arc<dyn Member>>) -> Self {
        Self {
            members,
            process_apis: Vec::new(),
            guards: Arc::default(),
            memory: None,
            #[cfg(test)]
            wire: None,
        }
    }

    /// Where the guard of a member stands; `None` where requests to it need none.
    #[must_use]
    pub fn guard(&self, id: &str, service: Service) -> Option<Told> {
        self.guards.get(id, service).map(|guard| guard.told())
    }

    /// Whether answers of members hold about as many bytes as they may.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.is_full())
    }

    /// Tells the metrics where the guards stand.
    pub fn measure(&self) {
        self.guards.measure();
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Member>> {
        self.members.iter()
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Member>> {
        self.members.iter().find(|member| member.id().as_str() == id)
    }

    /// The process APIs of enabled members.
    pub fn process_apis(&self) -> impl Iterator<Item = &Arc<process_api::ProcessApi>> {
        self.process_apis.iter()
    }

    /// The process API of one enabled member.
    #[must_use]
    pub fn process_api(&self, id: &str) -> Option<&Arc<process_api::ProcessApi>> {
        self.process_apis.iter().find(|api| api.member().as_str() == id)
    }
}
