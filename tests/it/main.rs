//! One integration binary; a module per subject (one link instead of many).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod binary;
mod classes;
mod collection_search;
mod contract;
mod faults;
mod federation;
mod filters;
mod hostile;
mod house;
mod items_only;
mod kubernetes;
mod operating;
mod probes;
mod processes;
mod pruning;
mod queryables;
mod real_data;
mod registry;
mod reload;
mod requests;
mod retry_missed;
mod rewriting;
mod rooms;
mod schema;
mod support;
mod tls;
mod unequal;
mod view;
mod walk;
