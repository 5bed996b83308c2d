//! One page over the member's line, and how its content is told from that of another.

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;

use crate::members::Failure;
use crate::members::harvest::fetch::{self, Late};
use crate::members::line::{Answer, Line, Outgoing};

pub use crate::members::harvest::fetch::Validators;

/// The content of a page in 32 bytes.
pub fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Sends a request until it is answered, or it is clear that it will not be. A page that takes too long can be had in
/// smaller parts.
///
/// # Errors
/// The last failure.
pub async fn ask(
    line: &Line,
    request: Outgoing,
    validators: Option<&Validators>,
    deadline: Instant,
) -> Result<Answer, Failure> {
    fetch::ask(line, request, validators, Late::GiveUp, deadline).await
}
