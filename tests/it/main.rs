//! One integration binary; a module per subject (one link instead of many).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod binary;
mod classes;
mod collection_search;
mod contract;
mod csw;
mod dialect_page;
mod dialect_resto;
mod dialects;
mod faults;
mod faults_network;
mod federation;
mod filters;
mod hostile;
mod house;
mod items_only;
mod joining;
mod kubernetes;
mod load;
mod malformed;
mod operating;
mod probes;
mod processes;
mod pruning;
mod queryables;
mod real_data;
mod recorded;
mod records;
mod registry;
mod reload;
mod replay;
mod requests;
mod resilience;
mod retry_missed;
mod rewriting;
mod rooms;
mod schema;
mod static_stac;
mod support;
mod tls;
mod traces;
mod unequal;
mod view;
mod walk;
