//! The running federation.
//!
//! A request takes one [`Snapshot`] at its start and runs with it to its end; nothing in a Snapshot changes.

mod pulse;
pub mod registry;
pub mod reload;
mod snapshot;

pub use snapshot::{Broker, Snapshot};
