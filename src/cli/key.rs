//! `stac-broker key`: a new cursor key.

use std::io::{self, Write};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[derive(Debug, clap::Args)]
pub struct Args {}

/// Writes 32 random bytes as base64url; 1 when the system gives no randomness or the output is gone.
#[must_use]
pub fn run(_args: &Args) -> ExitCode {
    match new_key().map(|key| writeln!(io::stdout(), "{key}")) {
        Some(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn new_key() -> Option<String> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    aws_lc_rs::rand::fill(bytes.as_mut()).ok()?;
    Some(URL_SAFE_NO_PAD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_new_and_32_bytes() {
        let (a, b) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(a, b);
        assert_eq!(URL_SAFE_NO_PAD.decode(a).unwrap().len(), 32);
    }
}
