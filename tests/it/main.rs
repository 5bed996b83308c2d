//! One integration binary; a module per subject (one link instead of many).

mod federation;
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod rewriting;
mod support;
mod house;
mod rooms;
mod view;
