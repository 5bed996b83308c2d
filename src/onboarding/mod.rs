//! Whether a catalogue can join, and whether a member is what its policy says: the checklist of `docs/joining.md`.
//!
//! `check.rs` is the order of the questions; `ask/` asks them, one after the other, and keeps what came; `judge/` makes
//! findings of that, purely, each with what was seen, what to do, and the request to repeat. `suggest.rs` makes of the
//! same facts what a federation file could say; `policy/` holds a declared policy against what a member gives.
//!
//! It deliberately does not know running federations, clients, or how a report is shown. Start reading at [`check`].

mod ask;
mod candidate;
mod check;
mod finding;
mod judge;
pub mod policy;
mod report;
mod row;
mod suggest;

pub use candidate::{Candidate, Refused, Registered};
pub use check::check;
pub use finding::{Evidence, Finding, Severity, Verdict};
pub use report::Report;
pub use row::Row;
pub use suggest::{Discovered, addition};
