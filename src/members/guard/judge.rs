//! What a request's end says of the member: whether the breaker counts it, and whether the member is strained.
//!
//! A client's mistake must not close a member to others: what a member refuses (401, 403, other 4xx) shows that it is
//! alive. A client's impatience neither: a request that was given up early says nothing.

use super::super::{Failure, Fault};
use super::Strength;

/// What the breaker makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Good,
    Bad(Fault),
    Nothing,
}

/// Whose requests these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Searches and metadata.
    Catalogue,
    /// A probe asks for what may well go wrong: any answer is a sign of life, and no error a sign of illness.
    Probe,
    /// Requests that clients write themselves: a 500 may be about what they wrote.
    Processes,
}

impl Rules {
    /// `patient`: it was waited for at least half of the time that the member may take.
    pub fn judge(self, failure: &Failure, patient: bool) -> Judged {
        match (failure.status, failure.fault) {
            (None, Fault::Unreachable | Fault::BadResponse) => Judged::Bad(failure.fault),
            (None, Fault::Timeout) if patient => Judged::Bad(failure.fault),
            (None | Some(429), _) => Judged::Nothing,
            // 501: it does not do this; that is an answer.
            (Some(400..=499 | 501), _) => Judged::Good,
            (Some(_), _) if self == Self::Probe => Judged::Nothing,
            (Some(502..=504), _) => Judged::Bad(failure.fault),
            (Some(_), _) if self == Self::Processes => Judged::Nothing,
            (Some(_), _) => Judged::Bad(failure.fault),
        }
    }

    /// Whether the member has more to do than it can.
    pub fn strength(failure: &Failure) -> Strength {
        match (failure.status, failure.fault) {
            (Some(429 | 503 | 504), _) | (None, Fault::Timeout) => Strength::Strained,
            (Some(_), _) => Strength::Fine,
            (None, _) => Strength::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(fault: Fault, status: Option<u16>) -> Failure {
        Failure { fault, detail: String::new(), status, retry_after_s: None }
    }

    #[test]
    fn what_counts_and_what_does_not() {
        let bad = |status, fault| Rules::Catalogue.judge(&failed(fault, status), true);
        assert_eq!(bad(None, Fault::Unreachable), Judged::Bad(Fault::Unreachable));
        assert_eq!(bad(None, Fault::BadResponse), Judged::Bad(Fault::BadResponse));
        assert_eq!(bad(None, Fault::Timeout), Judged::Bad(Fault::Timeout));
        for status in [500, 502, 503, 504, 599] {
            assert_eq!(bad(Some(status), Fault::BadResponse), Judged::Bad(Fault::BadResponse), "{status}");
        }
        assert_eq!(bad(Some(302), Fault::BadResponse), Judged::Bad(Fault::BadResponse));
        for status in [400, 401, 403, 404, 405, 408, 410, 422, 501] {
            assert_eq!(bad(Some(status), Fault::BadResponse), Judged::Good, "{status}");
        }
        assert_eq!(bad(Some(429), Fault::RateLimited), Judged::Nothing, "a pause only");
        assert_eq!(bad(None, Fault::TooLarge), Judged::Nothing, "a smaller page may do: whoever asks says so");
        assert_eq!(bad(None, Fault::RateLimited), Judged::Nothing, "the broker's own memory or turns");
    }

    #[test]
    fn an_impatient_client_and_a_probe_and_a_wrong_input_close_nothing() {
        assert_eq!(Rules::Catalogue.judge(&failed(Fault::Timeout, None), false), Judged::Nothing);
        assert_eq!(Rules::Probe.judge(&failed(Fault::BadResponse, Some(500)), true), Judged::Nothing);
        assert_eq!(Rules::Probe.judge(&failed(Fault::Unreachable, None), true), Judged::Bad(Fault::Unreachable));
        assert_eq!(Rules::Processes.judge(&failed(Fault::BadResponse, Some(500)), true), Judged::Nothing);
        assert_eq!(
            Rules::Processes.judge(&failed(Fault::BadResponse, Some(503)), true),
            Judged::Bad(Fault::BadResponse)
        );
    }
}
