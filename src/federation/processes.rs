//! What admins declare of processes: of one member (`[member.processes]`).

use std::time::Duration;

use url::Url;

use super::Patterns;

/// A synchronous execution may wait so long for its answer (`processes.md` 1.2).
pub const SYNC: Duration = Duration::from_secs(300);
/// The answer to an asynchronous execution comes within this time.
pub const ASYNC: Duration = Duration::from_secs(30);

/// `[member.processes]`: where and how a member executes processes. A member without it executes none.
#[derive(Debug, Clone)]
pub struct MemberProcesses {
    /// Process base: `{url}/processes` and `{url}/jobs` lie below it.
    pub url: Url,
    /// Further process bases this member prints.
    pub aliases: Vec<Url>,
    /// Over the member's own process ids.
    pub include: Patterns,
    pub exclude: Patterns,
    /// The process that brings back data which left the member's retention.
    pub order_process: Option<String>,
    /// Where the member's data lies, for example `s3://bucket/`.
    pub data_prefixes: Vec<String>,
    /// Names of inputs that carry data.
    pub data_inputs: Vec<String>,
    /// Copes with a second `Prefer` line.
    pub prefer_return: bool,
    /// May be asked for the caller's jobs.
    pub job_list: bool,
    pub callbacks: Callbacks,
    /// Longest synchronous execution.
    pub sync: Duration,
    /// Longest wait for the answer to an asynchronous one.
    pub r#async: Duration,
}

impl MemberProcesses {
    /// A process base with nothing said that has a default.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            url,
            aliases: Vec::new(),
            include: Patterns::everything(),
            exclude: Patterns::nothing(),
            order_process: None,
            data_prefixes: Vec::new(),
            data_inputs: Vec::new(),
            prefer_return: false,
            job_list: false,
            callbacks: Callbacks::Pass,
            sync: SYNC,
            r#async: ASYNC,
        }
    }
}

/// What becomes of a `subscriber` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callbacks {
    /// It reaches the member, which calls the client's address itself.
    Pass,
    /// Such a request is refused.
    Refuse,
}
