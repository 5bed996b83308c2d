//! One integration binary; a module per subject (one link instead of many).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod binary;
mod contract;
mod faults;
mod federation;
mod house;
mod processes;
mod pruning;
mod real_data;
mod requests;
mod rewriting;
mod rooms;
mod support;
mod view;
mod walk;
