//! The federation file again: changed -> loaded -> swapped, or the last good one kept.
//!
//! The file is looked at by its content, so that it does not matter how it was replaced: written in place, renamed over,
//! or swung round by a symbolic link. It is small; looking at it costs less than a watcher that misses one of these.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

use crate::federation::{Federation, load};

use super::Broker;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Problems kept for the admin's status: the first tells what to mend first.
const PROBLEMS_MAX: usize = 50;
/// Files of a folder that are looked at: more than are read, since some of them may be hidden or no TOML.
const FILES_MAX: usize = 1024;

/// How reloads went. Start-up is none of them.
#[derive(Debug, Default)]
pub struct Reloads {
    told: Mutex<Told>,
    /// Wakes the loop before its time.
    now: Notify,
    /// How often that was asked for, and up to which of these it was done.
    asked: AtomicU64,
    done: watch::Sender<u64>,
}

/// What admins are told of reloads.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Reloads that took effect, and files that were refused.
    pub good: u64,
    pub bad: u64,
    /// When the file that is in effect was taken, if not at start.
    pub taken_at: Option<DateTime<Utc>>,
    /// When a file was refused last, unless a good one came after it.
    pub refused_at: Option<DateTime<Utc>>,
    /// Why, as `check` says it, each with its file and line.
    pub problems: Vec<String>,
    /// Keys that are not what they were at start, and need a restart to take effect.
    pub restart_needed: Vec<&'static str>,
}

impl Reloads {
    #[must_use]
    pub fn told(&self) -> Told {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Only whole values are put in, so a panic elsewhere leaves nothing half done.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, problems: Vec<String>) {
        let mut told = self.lock();
        told.bad += 1;
        told.refused_at = Some(Utc::now());
        told.problems = problems;
    }

    fn taken(&self, restart_needed: Vec<&'static str>) {
        let mut told = self.lock();
        *told =
            Told { good: told.good + 1, bad: told.bad, taken_at: Some(Utc::now()), restart_needed, ..Told::default() };
    }

    /// Looks at the file now, and waits until that is done. Gives what came of it.
    pub async fn look_now(&self) -> Told {
        let mut done = self.done.subscribe();
        let turn = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.now.notify_one();
        // An error means that the loop has ended with the process: what is known then is all there is.
        let _ = done.wait_for(|done| *done >= turn).await;
        self.told()
    }
}

/// Looks at the file again and again, and puts what it says in effect. Never ends by itself.
///
/// `files` are those that the federation in effect names, which count as parts of it. `renew` takes what lies outside the broker and depends on the federation, such as cursor keys; when it refuses, the
/// file is refused.
pub async fn look_again(
    broker: Arc<Broker>,
    file: PathBuf,
    mut files: Vec<PathBuf>,
    renew: impl Fn(&Federation) -> Result<(), String>,
) {
    // What was bound is that of the start, however often the file has changed since.
    let start = broker.snapshot().federation.clone();
    let mut seen = print(&file, &files);
    loop {
        let asked = tokio::time::timeout(LOOK_EVERY, broker.reloads.now.notified()).await.is_ok();
        let turn = broker.reloads.asked.load(Ordering::SeqCst);
        let now = print(&file, &files);
        if asked || now != seen {
            // What changes while it is being read differs from what was seen before it, and is looked at next time.
            seen = now;
            if let Some(named) = reload(&broker, &start, &file, &renew).filter(|named| *named != files) {
                files = named;
                seen = print(&file, &files);
            }
        }
        broker.reloads.done.send_replace(turn);
    }
}

/// Loads the file and swaps, or says why not. Gives the files that a good one names.
fn reload(
    broker: &Arc<Broker>,
    start: &Federation,
    file: &Path,
    renew: &impl Fn(&Federation) -> Result<(), String>,
) -> Option<Vec<PathBuf>> {
    let problems = match load(file) {
        Ok(loaded) => match renew(&loaded.federation) {
            Ok(()) => {
                let restart_needed = restart_needed(start, &loaded.federation);
                tracing::info!(members = loaded.federation.members.len(), ?restart_needed, "federation reloaded");
                broker.replace(loaded.federation);
                broker.reloads.taken(restart_needed);
                return Some(loaded.files);
            }
            Err(wrong) => vec![wrong],
        },
        Err(problems) => problems.lines().into_iter().take(PROBLEMS_MAX).collect(),
    };
    for problem in &problems {
        tracing::error!(%problem, "federation file refused, the last good one stays in effect");
    }
    broker.reloads.refused(problems);
    None
}

/// What was bound at start and stays until the next.
fn restart_needed(start: &Federation, now: &Federation) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if start.server.listen != now.server.listen {
        keys.push("server.listen");
    }
    if start.server.tls.is_some() != now.server.tls.is_some() {
        keys.push("server.tls");
    }
    if start.server.admin != now.server.admin {
        keys.push("server.admin_listen and admin_token");
    }
    if start.limits.in_flight_max != now.limits.in_flight_max {
        keys.push("limits.in_flight_max");
    }
    if start.telemetry != now.telemetry {
        keys.push("telemetry");
    }
    keys
}

/// A sum over what the files say; one that cannot be read is a content of its own. A folder says what its files say.
fn print(file: &Path, files: &[PathBuf]) -> u64 {
    let mut sum = DefaultHasher::new();
    for file in std::iter::once(file).chain(files.iter().map(PathBuf::as_path)) {
        match std::fs::read_dir(file) {
            Ok(entries) => {
                let files = entries.take(FILES_MAX).flatten().map(|entry| entry.path());
                let mut inside: Vec<PathBuf> =
                    files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect();
                inside.sort();
                for file in inside {
                    (&file, std::fs::read(&file).ok()).hash(&mut sum);
                }
            }
            Err(_no_folder) => std::fs::read(file).ok().hash(&mut sum),
        }
    }
    sum.finish()
}
