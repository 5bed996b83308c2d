//! `stac-broker demo`: a complete federation on this machine, shown or checked.
//!
//! Starts the embedded members, a broker over them and its STAC endpoint, then talks to that endpoint as any client
//! would. `demo/ask.rs` is that client, `demo/samples.rs` the searches, `demo/execution.rs` the process that is
//! run, `demo/show.rs` what a reader sees,
//! `demo/check.rs` what is proved with `--check`.

mod ask;
mod check;
mod execution;
mod samples;
mod say;
mod show;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::out;
use crate::broker::Broker;
use crate::demo::Demo;
use crate::federation::{Federation, load_text};
use crate::http::{self, App};
use crate::search::KeyRing;

use ask::Client;

/// Every member is on loopback, answers its landing page at once and is read whole in a second or two: what is not there
/// by then is broken.
const SETTLE: Duration = Duration::from_secs(10);
/// How a file that this command wrote begins; nothing else is overwritten.
const OWN_FILE: &str = "# The federation of `stac-broker demo`";

/// Options of `stac-broker demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen; if the port is taken, a free one is used instead
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Ask searches with known answers, print what happened, and end with status 0 or 1
    #[arg(long)]
    check: bool,
    /// Write the federation file that the demo runs with to FILE, then go on
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Runs the demo until it is interrupted, or until its checks are done. 0: good, 1: a check failed, 2: it could not start.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "every command takes its arguments by value")]
pub fn run(args: Args) -> ExitCode {
    let ended = tokio::runtime::Runtime::new().map_err(|wrong| format!("cannot start the runtime: {wrong}"));
    match ended.and_then(|runtime| runtime.block_on(demo(&args))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(wrong) => {
            out::note(&format!("error: {wrong}"));
            ExitCode::from(2)
        }
    }
}

/// What the commands below work with.
struct Stage {
    demo: Demo,
    broker: Arc<Broker>,
    client: Client,
}

async fn demo(args: &Args) -> Result<bool, String> {
    let demo = Demo::start().await.map_err(|wrong| format!("cannot start the embedded members: {wrong}"))?;
    if let Some(file) = &args.write {
        write_file(file, &demo.federation_toml)?;
        say::line(&format!(
            "Wrote the federation file to {}. Its member addresses hold while this demo runs.",
            file.display()
        ));
    }
    let federation = federation(&demo.federation_toml)?;
    let keys = Arc::new(KeyRing::from_federation(&federation)?);
    let broker = Broker::start(federation);
    broker.settled(SETTLE).await;

    let (listener, taken) = listen(args).await.map_err(|wrong| format!("cannot listen on {}: {wrong}", args.listen))?;
    let address = listener.local_addr().map_err(|wrong| format!("cannot name the address listened on: {wrong}"))?;
    if taken {
        say::line(&format!("{} is taken, so this demo listens on {address}.", args.listen));
    }

    let app = App { broker: broker.clone(), keys };
    let (stop, stopped) = oneshot::channel::<()>();
    let server = http::serve(app, listener, async {
        // An error means that the other end is gone: time to stop as well.
        let _ = stopped.await;
    });
    let stage = Stage { demo, broker, client: Client::new(address)? };
    let talk = async {
        let verdict = if args.check { check::run(&stage).await } else { show::run(&stage).await.map(|()| true) };
        drop(stage);
        let _ = stop.send(());
        verdict
    };
    let (served, verdict) = tokio::join!(server, talk);
    served.map_err(|wrong| format!("the listener failed: {wrong}"))?;
    verdict
}

/// The address asked for, or a free port when it is taken. A check runs beside whatever else listens.
async fn listen(args: &Args) -> io::Result<(TcpListener, bool)> {
    let free = SocketAddr::new(args.listen.ip(), 0);
    if args.check {
        return Ok((TcpListener::bind(free).await?, false));
    }
    match TcpListener::bind(args.listen).await {
        Err(wrong) if wrong.kind() == io::ErrorKind::AddrInUse => Ok((TcpListener::bind(free).await?, true)),
        bound => Ok((bound?, false)),
    }
}

fn federation(text: &str) -> Result<Federation, String> {
    match load_text("the demo's federation file", text, Path::new(".")) {
        Ok(loaded) => Ok(loaded.federation),
        Err(problems) => {
            let sentences: Vec<&str> = problems.list.iter().map(|problem| problem.sentence.as_str()).collect();
            Err(format!("the demo's federation file is refused: {}", sentences.join("; ")))
        }
    }
}

/// Puts the file down, but not over one that somebody wrote by hand.
fn write_file(file: &Path, text: &str) -> Result<(), String> {
    match fs::read_to_string(file) {
        Ok(there) if !there.starts_with(OWN_FILE) => {
            return Err(format!("{} exists and was not written by this demo; name another file", file.display()));
        }
        _ => {}
    }
    fs::write(file, text).map_err(|wrong| format!("cannot write {}: {wrong}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_written_by_hand_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("federation.toml");
        let text = format!("{OWN_FILE}: one\n");
        write_file(&file, &text).unwrap();
        write_file(&file, &format!("{text}two\n")).unwrap();
        assert!(fs::read_to_string(&file).unwrap().ends_with("two\n"));
        fs::write(&file, "[federation]\n").unwrap();
        let refused = write_file(&file, &text).unwrap_err();
        assert!(refused.contains("federation.toml"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "[federation]\n");
    }

    #[tokio::test]
    async fn a_taken_port_gives_way_to_a_free_one() {
        let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let args = Args { listen: held.local_addr().unwrap(), check: false, write: None };
        let (other, taken) = listen(&args).await.unwrap();
        assert!(taken);
        assert_ne!(other.local_addr().unwrap(), args.listen);
    }

    #[tokio::test]
    async fn the_file_that_is_written_out_begins_as_its_own() {
        assert!(Demo::start().await.unwrap().federation_toml.starts_with(OWN_FILE));
    }
}
