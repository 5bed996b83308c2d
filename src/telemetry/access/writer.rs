//! Where the lines go: to standard error among the log, or to the end of a file. A thread of its own writes them, so that
//! a slow disk holds up no search; what it cannot keep up with is dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::TARGET;
use crate::telemetry::metrics;

/// Lines that wait for the disk: a second of a busy broker.
const WAITING_MAX: usize = 4_096;
/// How often it is looked whether the file was moved away.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last lines.
const FINISH: Duration = Duration::from_secs(2);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard error, unless the filter of the log leaves out the target `access`.
    Log,
    File(PathBuf),
}

enum Message {
    Line(String),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Begins to write. Only the first call has an effect.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(to: &Destination) -> io::Result<()> {
    let sink = match to {
        Destination::Log if !tracing::enabled!(target: TARGET, tracing::Level::INFO) => return Ok(()),
        Destination::Log => Sink::Log,
        Destination::File(path) => Sink::File(Named::open(path)?),
    };
    let (queue, lines) = sync_channel(WAITING_MAX);
    if QUEUE.set(queue).is_ok() {
        std::thread::Builder::new().name("access log".into()).spawn(move || run(&lines, sink))?;
    }
    Ok(())
}

/// Whether lines are wanted.
#[must_use]
pub fn is_on() -> bool {
    QUEUE.get().is_some()
}

/// Writes a line, soon.
pub fn write(line: String) {
    let Some(queue) = QUEUE.get() else { return };
    if queue.try_send(Message::Line(line)).is_err() {
        metrics::access_lost();
    }
}

/// Waits until the lines so far are written, but not for long.
pub fn finish() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, wait) = sync_channel(1);
    if queue.send(Message::Flush(done)).is_ok() {
        // Over in time or not, the process ends.
        let _ = wait.recv_timeout(FINISH);
    }
}

enum Sink {
    Log,
    File(Named),
}

fn run(lines: &Receiver<Message>, mut sink: Sink) {
    let mut failing = false;
    // Ends when the last sender is gone, which a static one never is: with the process.
    while let Ok(message) = next(lines, &mut sink) {
        match message {
            Message::Line(line) => match sink.line(&line) {
                Ok(()) => failing = false,
                Err(error) => {
                    metrics::access_lost();
                    if !failing {
                        tracing::error!(%error, "the access log cannot be written");
                    }
                    failing = true;
                }
            },
            Message::Flush(done) => {
                let _ = sink.flush();
                let _ = done.send(());
            }
        }
    }
}

/// The next message; what was written so far reaches the file before it is waited for.
fn next(lines: &Receiver<Message>, sink: &mut Sink) -> Result<Message, ()> {
    match lines.try_recv() {
        Ok(message) => Ok(message),
        Err(TryRecvError::Disconnected) => Err(()),
        Err(TryRecvError::Empty) => {
            let _ = sink.flush();
            lines.recv().map_err(|_gone| ())
        }
    }
}

impl Sink {
    fn line(&mut self, line: &str) -> io::Result<()> {
        match self {
            // One write for the whole line, so that lines of the log do not come between.
            Self::Log => io::stderr().lock().write_all(format!("{line}\n").as_bytes()),
            Self::File(file) => file.line(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Log => Ok(()),
            Self::File(file) => file.open.flush(),
        }
    }
}

/// A file by its name: when another one takes its place, or none, it is opened anew (`logrotate`).
struct Named {
    path: PathBuf,
    open: BufWriter<File>,
    looked: Instant,
}

impl Named {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), open: BufWriter::new(file), looked: Instant::now() })
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.open.flush()?;
            if !is_same(&self.path, self.open.get_ref()) {
                *self = Self::open(&self.path)?;
            }
            self.looked = Instant::now();
        }
        self.open.write_all(line.as_bytes())?;
        self.open.write_all(b"\n")
    }
}

#[cfg(unix)]
fn is_same(path: &Path, open: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |of: io::Result<std::fs::Metadata>| of.ok().map(|of| (of.dev(), of.ino()));
    let named = identity(std::fs::metadata(path));
    named.is_some() && named == identity(open.metadata())
}

#[cfg(not(unix))]
fn is_same(path: &Path, _: &File) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let mut file = Named::open(&path).unwrap();
        file.line("one").unwrap();
        std::fs::rename(&path, &old).unwrap();
        file.looked = Instant::now().checked_sub(LOOK).unwrap();
        file.line("two").unwrap();
        file.open.flush().unwrap();
        assert_eq!(
            (std::fs::read_to_string(&old).unwrap(), std::fs::read_to_string(&path).unwrap()),
            ("one\n".into(), "two\n".into())
        );
        let again = Named::open(&path).unwrap();
        drop((file, again));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n", "nothing that stands there is lost");
        assert!(Named::open(folder.path()).is_err());
    }
}
