//! Processes of members (OGC API - Processes, 18-062r2): which there are, which member executes one, and everything after
//! that choice.
//!
//! The broker has no processes of its own and keeps nothing: a job id names its member and the job's path there.
//! `references.rs` finds what a request speaks of, `holders.rs` who holds it, `route.rs` who executes and why; `execute.rs`
//! sends the one request, `results.rs` asks for jobs and what they made, `rewrite.rs` turns addresses into the broker's
//! and back, `answers.rs` makes members' documents regular. It opens no connections itself and deliberately does not know
//! the statuses that clients get of the broker's own refusals. Start reading at [`route::decide`].

mod address;
pub mod catalogue;
pub mod choose;
pub mod explain;
pub mod facts;
pub mod filter;
pub mod holders;
pub mod ids;
pub mod merge;
pub mod references;
pub mod refusal;
pub mod route;
pub mod prefer;
pub mod execute;
pub mod job;
pub mod results;
pub mod listing;
pub mod relay;
pub mod trouble;
mod answers;
mod multipart;
mod names;
pub mod rewrite;
pub mod splice;
