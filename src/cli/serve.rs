//! `serve`: load the federation, bind, announce, serve until told to stop, drain.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{FileArg, NO, WRONG, block_on, check, out};
use crate::broker::Broker;
use crate::federation::Federation;
use crate::http::{self, App};
use crate::search::KeyRing;

pub(super) const EXAMPLES: &str = "Examples:
  stac-broker serve
  stac-broker serve -f ocean.toml --listen 0.0.0.0:8080
  STAC_BROKER_LOG_FORMAT=json stac-broker serve -f ocean.toml";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: FileArg,
    /// Address to listen on instead of the file's `server.listen`; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let federation = match check::load_or_print(&args.file.path(), check::Format::Text) {
        Ok(loaded) => loaded.federation,
        Err(status) => return status,
    };
    let keys = match KeyRing::from_federation(&federation) {
        Ok(keys) => Arc::new(keys),
        Err(error) => {
            out::note(&format!("error: {error}"));
            return ExitCode::from(WRONG);
        }
    };
    let listen = args.listen.unwrap_or(federation.server.listen);
    block_on(serve(federation, keys, listen))
}

async fn serve(federation: Federation, keys: Arc<KeyRing>, listen: SocketAddr) -> ExitCode {
    let bound = match TcpListener::bind(listen).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    let (listener, address) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            out::note(&format!(
                "error: cannot listen on `{listen}`: {error}\n  hint: name another address with `--listen`"
            ));
            return ExitCode::from(NO);
        }
    };
    out::note(&announcement(&federation, address));
    tracing::info!(%address, members = federation.members.len(), "serving");
    let app = App { broker: Broker::start(federation), keys };
    match http::serve(app, listener, stop()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::note(&format!("error: serving on `{address}` ended: {error}"));
            ExitCode::from(NO)
        }
    }
}

fn announcement(federation: &Federation, address: SocketAddr) -> String {
    let enabled: Vec<&str> =
        federation.members.iter().filter(|member| member.enabled).map(|member| member.id.as_str()).collect();
    let public = federation.public_url.as_ref().map(|url| format!(", published as {url}")).unwrap_or_default();
    format!(
        "{title} at http://{address}/{public}\n  {count}: {list}\n  try: curl 'http://{address}/search?limit=2'",
        title = federation.title,
        count = out::counted(enabled.len(), "member"),
        list = enabled.join(", "),
    )
}

/// Resolves on ctrl-c, and on SIGTERM where there is one.
async fn stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // No way to be told: serve until the process is ended from outside.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => interrupt.await,
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
    out::note("stopping: requests in flight are finished");
}
