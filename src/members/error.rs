//! How asking a member can go wrong: a category for the report, facts for the log.

/// The category of a failure; the search room turns it into a status of S21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    Timeout,
    Unreachable,
    CircuitOpen,
    RateLimited,
    Unauthorized,
    Forbidden,
    BadResponse,
    TooLarge,
    /// The member refused the paging token: a key range may still work.
    TokenRefused,
    /// The member offers no way to answer this (no Item Search).
    Unsupported,
}

/// A failed request to a member. `detail` is for the log only: it may quote the member.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{fault:?}: {detail}")]
pub struct Failure {
    pub fault: Fault,
    pub detail: String,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// Seconds, from `Retry-After`, at most 300.
    pub retry_after_s: Option<u32>,
}
