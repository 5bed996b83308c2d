//! The merged view of every member's Collections: ids, extents, refresh.
//!
//! It deliberately does not know searches. Start reading at [`View`]: `repair.rs` judges each document that a member
//! lists, `view.rs` holds what is listed, `shared.rs` makes shared Collections of it, `document.rs` writes it for clients,
//! `search/` finds Collections in it, `refresh.rs` keeps it fresh; `queryables/` asks members what conditions on their Items can name.

mod document;
mod extent;
pub mod ids;
mod links;
mod object;
pub mod queryables;
pub mod refresh;
mod repair;
pub mod search;
mod shared;
#[cfg(test)]
mod tests;
mod view;

pub use document::write_merged;
pub use ids::Ids;
pub use queryables::Queryables;
pub use shared::Behind;
pub use view::{CollectionHrefs, Entry, FRESH, HolderHrefs, Known, Lookup, MemberView, Quarantined, View};
