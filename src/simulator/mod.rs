//! The whole broker in virtual time against scripted members that go wrong (`docs/CONTRIBUTING.md`, "The simulator").
//!
//! Everything is the real thing but the network and the clock: plan, merge, cursor, adapters, guard, retry. A [`member`]
//! is a catalogue with habits and [`faults`] as switches; [`net`] is the wire to all of them; [`world`] makes a federation
//! of a number, [`run`] walks searches through it, and [`judge`] holds every page against what the members hold. Each
//! fault has a test of its own in [`named`]; [`random`] mixes them, and prints the number that repeats a failed run.
//! [`degradation`] measures what members that are gone cost the others.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the numbers of a test are small"
)]

mod dice;
mod faults;
mod keys;
mod member;
mod answer;
mod listed;
mod next;
mod net;
mod sharing;
mod world;
mod run;
mod judge;
mod pages;
mod named;
mod replicated;
mod whole;
mod random;
mod degradation;
