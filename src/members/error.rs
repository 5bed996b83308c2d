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

impl Fault {
    /// The word for it, as it is serialised.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::CircuitOpen => "circuit-open",
            Self::RateLimited => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::BadResponse => "bad-response",
            Self::TooLarge => "too-large",
            Self::TokenRefused => "token-refused",
            Self::Unsupported => "unsupported",
        }
    }
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

/// Causes shown of one error, innermost ones included.
const CAUSES_MAX: usize = 4;

/// What went wrong, from what caused it: the outermost sentences of HTTP clients only say that something did.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause.filter(|_| chain.len() < CAUSES_MAX + 2) {
        chain.push(inner.to_string());
        cause = inner.source();
    }
    let empty = |text: &String| text.starts_with("error sending request") || text.starts_with("client error (");
    let first = chain.iter().position(|text| !empty(text)).unwrap_or(0);
    chain[first..].join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn causes_begin_where_they_say_something() {
        let refused = || Layer("tcp connect error", Some(Box::new(Layer("Connection refused", None))));
        let sending =
            Layer("error sending request", Some(Box::new(Layer("client error (Connect)", Some(Box::new(refused()))))));
        assert_eq!(causes(&sending), "tcp connect error: Connection refused");
        assert_eq!(causes(&Layer("error sending request", None)), "error sending request");
    }
}
