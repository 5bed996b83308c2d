//! `serve`: load the federation, bind, announce, serve until told to stop, drain.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{FileArg, NO, WRONG, block_on, check, out, query};
use crate::broker::{Broker, registry, reload};
use crate::federation::{AccessLog, Federation, Loaded, Telemetry};
use crate::http::{self, App, Office};
use crate::members::remote::Remote;
use crate::search::KeyRing;
use crate::telemetry::access::{self, Destination};
use crate::telemetry::metrics::Recorder;
use crate::telemetry::otlp;

/// A collector that takes longer loses the spans of one message.
const COLLECTOR_TIME: Duration = Duration::from_secs(10);

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
    let file = args.file.path();
    let loaded = match check::load_or_print(&file, check::Format::Text) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let keys = match KeyRing::from_federation(&loaded.federation) {
        Ok(keys) => Arc::new(keys),
        Err(error) => {
            out::note(&format!("error: {error}"));
            return ExitCode::from(WRONG);
        }
    };
    let listen = args.listen.unwrap_or(loaded.federation.server.listen);
    block_on(serve(file, loaded, keys, listen))
}

async fn serve(file: PathBuf, loaded: Loaded, keys: Arc<KeyRing>, listen: SocketAddr) -> ExitCode {
    let Loaded { federation, files, .. } = loaded;
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
    let admin = match bind_admin(&federation).await {
        Ok(admin) => admin,
        Err(status) => return status,
    };
    if let Err(status) = begin_telling(&federation.telemetry) {
        return status;
    }
    out::note(&announcement(&federation, address));
    tracing::info!(%address, members = federation.members.len(), "serving");
    let broker = Broker::start(federation);
    let renewed = Arc::clone(&keys);
    let renew = move |federation: &Federation| renewed.renew(federation);
    let watching = tokio::spawn(reload::look_again(Arc::clone(&broker), file, files, renew));
    let asking = tokio::spawn(registry::keep_asking(Arc::clone(&broker)));
    let hearing = tokio::spawn(look_on_hangup(Arc::clone(&broker)));
    let (stopping, stopped) = watch::channel(false);
    let admin = admin.map(|(admin, recorder)| tokio::spawn(serve_admin(&broker, admin, recorder, stopped)));
    let served = http::serve(App { broker, keys }, listener, stop()).await;
    // Admins see the drain to its end; with nobody left to tell, there is no admin listener.
    let _ = stopping.send(true);
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    watching.abort();
    asking.abort();
    hearing.abort();
    access::finish();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::note(&format!("error: serving on `{address}` ended: {error}"));
            ExitCode::from(NO)
        }
    }
}

/// Opens the access log, and the way of spans to their collector.
fn begin_telling(telemetry: &Telemetry) -> Result<(), ExitCode> {
    let destination = match &telemetry.access_log {
        AccessLog::Off => None,
        AccessLog::Log => Some(Destination::Log),
        AccessLog::File(path) => Some(Destination::File(path.clone())),
    };
    if let Some(destination) = destination
        && let Err(error) = access::start(&destination)
    {
        let place = if let Destination::File(path) = &destination { path.display().to_string() } else { String::new() };
        out::note(&format!(
            "error: cannot write the access log `{place}`: {error}\n  hint: name another file as `telemetry.access_log`, or \"off\""
        ));
        return Err(ExitCode::from(NO));
    }
    let Some(base) = &telemetry.otlp_url else { return Ok(()) };
    let collector = query::below(base, "v1/traces", &[]);
    match Remote::new(base, COLLECTOR_TIME) {
        Ok(remote) => {
            let remote = Arc::new(remote);
            let send = move |message: serde_json::Value| {
                let (remote, collector) = (Arc::clone(&remote), collector.clone());
                async move {
                    remote.ask(&collector, Some(&message)).await.map(drop).map_err(|no_answer| no_answer.to_string())
                }
            };
            otlp::start(telemetry.otlp_percent, send).map(tokio::spawn);
            Ok(())
        }
        Err(error) => {
            out::note(&format!("error: {error}"));
            Err(ExitCode::from(NO))
        }
    }
}

/// The admin listener of the file, and what counts.
async fn bind_admin(federation: &Federation) -> Result<Option<(TcpListener, Recorder)>, ExitCode> {
    let Some(at) = federation.server.admin.listen else { return Ok(None) };
    let failed = |what: String| {
        out::note(&format!("error: {what}\n  hint: name another address as `server.admin_listen`, or \"off\""));
        ExitCode::from(NO)
    };
    let listener = TcpListener::bind(at).await;
    let listener = listener.map_err(|error| failed(format!("cannot listen for admins on `{at}`: {error}")))?;
    let address = listener.local_addr().map_err(|error| failed(format!("cannot name the admin address: {error}")))?;
    let recorder = Recorder::install().map_err(|error| failed(format!("cannot count: {error}")))?;
    out::note(&format!("metrics and status for admins at http://{address}/metrics and /admin/status"));
    Ok(Some((listener, recorder)))
}

/// Serves admins until the public listener has ended.
fn serve_admin(
    broker: &Arc<Broker>,
    listener: TcpListener,
    recorder: Recorder,
    mut stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let token = broker.snapshot().federation.server.admin.token.clone();
    let office = Office { broker: Arc::clone(broker), recorder, token, started: chrono::Utc::now() };
    async move {
        let stop = async {
            // An error means that the sender is gone, and with it what is administered.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        if let Err(error) = http::serve_admin(office, listener, stop).await {
            tracing::error!(%error, "the admin listener ended");
        }
    }
}

fn announcement(federation: &Federation, address: SocketAddr) -> String {
    let enabled: Vec<&str> =
        federation.members.iter().filter(|member| member.enabled).map(|member| member.id.as_str()).collect();
    let public = federation.public_url.as_ref().map(|url| format!(", published as {url}")).unwrap_or_default();
    format!(
        "{title} at {scheme}://{address}/{public}\n  {count}: {list}\n  try: curl '{scheme}://{address}/search?limit=2'",
        title = federation.title,
        scheme = if federation.server.tls.is_some() { "https" } else { "http" },
        count = out::counted(enabled.len(), "member"),
        list = enabled.join(", "),
    )
}

/// Looks at the federation file, and asks the registry, at once on each SIGHUP.
async fn look_on_hangup(broker: Arc<Broker>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without the signal the file is still looked at, every other second.
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        while hangup.recv().await.is_some() {
            broker.joining.ask_now();
            broker.reloads.look_now().await;
        }
    }
    #[cfg(not(unix))]
    drop(broker);
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
