//! Processes of members (OGC API - Processes, 18-062r2): which there are, and which member executes one.
//!
//! The broker has no processes of its own and keeps nothing. `references.rs` finds what a request speaks of, `holders.rs`
//! who holds it, `route.rs` who executes and why; these are pure. It deliberately does not know the statuses that clients
//! get. Start reading at [`route::decide`].

mod address;
pub mod facts;
pub mod filter;
pub mod holders;
pub mod ids;
pub mod references;
pub mod refusal;
pub mod route;
