//! The merged view of every member's Collections: ids, extents, refresh.
//!
//! It deliberately does not know searches. Start reading at [`View`].

pub mod ids;
pub mod refresh;
mod repair;
mod view;

pub use ids::Ids;
pub use view::{CollectionHrefs, Entry, Known, Lookup, MemberView, Quarantined, View, write_merged};
