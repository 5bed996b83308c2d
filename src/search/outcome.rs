//! How each leg ended, and whether the answer is complete, partial or failed (S17 to S21). Decided here and nowhere else.

use crate::members::Fault;

/// The closed status set of S21.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    Exhausted,
    Joined,
    SkippedCapability,
    Timeout,
    Unreachable,
    CircuitOpen,
    RateLimited,
    Unauthorized,
    Forbidden,
    BadResponse,
    TooLarge,
    ScanLimit,
    OrderViolation,
    NoProgress,
    Removed,
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout => Self::Timeout,
            Fault::Unreachable => Self::Unreachable,
            Fault::CircuitOpen => Self::CircuitOpen,
            Fault::RateLimited => Self::RateLimited,
            Fault::Unauthorized => Self::Unauthorized,
            Fault::Forbidden => Self::Forbidden,
            Fault::BadResponse | Fault::TokenRefused => Self::BadResponse,
            Fault::TooLarge => Self::TooLarge,
            Fault::Unsupported => Self::SkippedCapability,
        }
    }
}

impl Status {
    /// Whether a missing part of this kind may be there on another try (S21).
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Unreachable
                | Self::CircuitOpen
                | Self::RateLimited
                | Self::BadResponse
                | Self::ScanLimit
                | Self::OrderViolation
        )
    }
}

/// How a search without a page failed (S19, S20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// 502 `MembersFailed`
    Bad,
    /// 503 `MembersUnavailable`
    Unavailable,
    /// 504 `MembersTimedOut`
    TimedOut,
    /// 400: strict handling and a member that lacks a feature: waiting does not help.
    Incapable,
}
