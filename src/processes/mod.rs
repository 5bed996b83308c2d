//! OGC API - Processes over the federation: which member executes, and everything after that choice.
//!
//! Nothing is kept from one request to the next: a job id names its member and the job's path there. This room does not
//! know the status codes that clients get, and it opens no connections itself.

pub mod job;
pub mod prefer;
pub mod rewrite;
pub mod splice;
