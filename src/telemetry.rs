//! Where log lines go, and how their fields are named; `metrics.rs` has what is counted.
//!
//! Every line about a member carries `member`; a line that belongs to a client's request carries its `request_id`, by
//! the span that `http` opens. Further names, spelled alike in every room: `collection` (the member's own id), `fault`
//! (category of a failure), `detail` (what was seen; it may quote a member), `status` (of HTTP), `elapsed_ms`. Units
//! stand in the names. Never logged: credentials, bodies, cursors. It knows no other room.

pub mod access;
pub mod context;
pub mod metrics;
pub mod otlp;
mod trace;

pub use trace::{SpanId, Trace, TraceId};

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Filter of log lines, in the syntax of `tracing` (`info`, `stac_broker=debug`).
pub const FILTER_VAR: &str = "STAC_BROKER_LOG";
/// `json` writes one JSON object per line; anything else writes text.
pub const FORMAT_VAR: &str = "STAC_BROKER_LOG_FORMAT";

/// Starts logging to standard error: compact text, or JSON where [`FORMAT_VAR`] says so. `default` holds where
/// [`FILTER_VAR`] is not set. A filter that cannot be read is reported and replaced by the default. Only the first call
/// has an effect.
pub fn start(default: &str) {
    let written = std::env::var(FILTER_VAR).ok().filter(|filter| !filter.trim().is_empty());
    let (filter, refused) = filter(written.as_deref(), default);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = std::env::var(FORMAT_VAR).is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    let started = if json {
        lines.json().flatten_event(true).with_span_events(FmtSpan::NONE).try_init()
    } else {
        let colour =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        lines.compact().with_target(false).with_ansi(colour).try_init()
    };
    if let (Ok(()), Some(refused)) = (started, refused) {
        tracing::warn!(given = %refused, "{FILTER_VAR} is not a filter, the default holds");
    }
}

/// The filter to use, and the one that was refused.
fn filter(written: Option<&str>, default: &str) -> (EnvFilter, Option<String>) {
    match written.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(_)) => (EnvFilter::new(default), written.map(str::to_owned)),
        None => (EnvFilter::new(default), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_taken_and_nonsense_replaced() {
        assert_eq!(filter(Some("debug"), "warn").0.to_string(), "debug");
        assert_eq!(filter(None, "warn").0.to_string(), "warn");
        let (used, refused) = filter(Some("a=b=c"), "warn");
        assert_eq!((used.to_string().as_str(), refused.as_deref()), ("warn", Some("a=b=c")));
    }
}
