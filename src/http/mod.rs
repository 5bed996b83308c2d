//! The STAC API face. Only this room knows the status codes that clients get.
//!
//! It deliberately does not know how members are asked, merged or paged: it reads a request, takes a Snapshot, calls
//! `search` or reads the view, and writes the answer as bytes. Start reading at `routes.rs`, then `door.rs`, which every
//! request passes on its way in and out.

mod access;
mod admin;
mod admission;
mod clients;
mod collection_search;
mod collections;
mod conformance;
mod door;
mod exception;
mod execution;
mod features;
mod federation;
mod health;
mod html;
mod items;
mod job_list;
mod jobs;
mod landing;
mod links;
mod measure;
mod openapi;
mod params;
mod problem;
mod processes;
mod queryables;
mod respond;
mod routes;
mod search;
mod seen;
mod server;
mod stale;
mod stream;
mod tls;

use std::sync::Arc;

use crate::broker::Broker;
use crate::search::KeyRing;

pub use admin::{Office, serve as serve_admin};
pub use features::published;
pub use links::via;
pub use server::serve;

/// Steps of work after which a thread of the runtime looks for new requests and answers. A step can take the better part
/// of a millisecond (reading one member's page), and a refusal is promised within 50 ms; looking costs a microsecond.
pub const EVENTS_EVERY: u32 = 16;

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    pub broker: Arc<Broker>,
    pub keys: Arc<KeyRing>,
}
