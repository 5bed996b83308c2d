//! Parse arguments, run the command, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    stac_broker::cli::run()
}
