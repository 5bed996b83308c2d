//! One integration binary; a module per subject (one link instead of many).

mod contract;
mod rewriting;
mod support;
