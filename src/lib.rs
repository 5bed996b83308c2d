//! One STAC endpoint over many catalogues.
//!
//! Read the rooms in the order a search passes them:
//!
//! 1. [`federation`] what admins declare in `federation.toml`, validated;
//! 2. [`cql2`] conditions: read, written, evaluated;
//! 3. [`members`] the adapters that ask one catalogue, and the Items they bring back as bytes;
//! 4. [`collections`] the merged view of every member's Collections;
//! 5. [`broker`] the running federation: one immutable [`broker::Snapshot`] per request;
//! 6. [`search`] plan, legs, residual, merge, page, cursor, outcome, report;
//! 7. [`processes`] which processes members offer, and which member executes one;
//! 8. [`onboarding`] whether a catalogue can join, and whether a member is what its policy says;
//! 9. [`http`] the STAC API face, the only room that knows status codes;
//! 10. [`demo`] embedded members that are real HTTP servers on loopback;
//! 11. [`cli`] one file per command.
//!
//! `docs/ARCHITECTURE.md` has the table of who may know whom; a test holds it.

#![forbid(unsafe_code)]

pub mod federation;
pub mod cql2;
pub mod members;
pub mod collections;
pub mod broker;
pub mod search;
pub mod processes;
pub mod onboarding;
pub mod http;
pub mod demo;
pub mod cli;
pub mod cache;
pub mod telemetry;
#[cfg(test)]
mod simulator;
