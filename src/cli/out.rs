//! The one place that prints: data to standard output, everything else to standard error, colours as `NO_COLOR` and
//! the terminal allow.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::Duration;

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Prints a line of data. False: nobody reads any more (`… | head`), so the command may stop.
pub(crate) fn data(line: &str) -> bool {
    written(&mut anstream::stdout().lock(), line.as_bytes())
}

/// As [`data`], for bytes of JSON.
pub(crate) fn data_bytes(line: &[u8]) -> bool {
    written(&mut anstream::stdout().lock(), line)
}

/// Prints a line for the person at the terminal.
pub(crate) fn note(line: &str) {
    // When standard error is closed there is nobody left to tell.
    let _ = written(&mut anstream::stderr().lock(), line.as_bytes());
}

fn written(out: &mut impl Write, line: &[u8]) -> bool {
    let wrote: io::Result<()> = out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    wrote.is_ok()
}

/// A number with its noun: `1 member`, `2 members`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A table for people, as wide as the terminal allows.
pub(crate) fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let bold = std::io::stdout().is_terminal();
    table.set_header(heads.iter().map(|head| {
        let cell = Cell::new(head);
        if bold { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    table
}

/// Columns of the terminal; `None` in a pipe.
pub(crate) fn width() -> Option<usize> {
    Table::new().width().map(usize::from).filter(|_| io::stdout().is_terminal())
}

/// A question to the person at the terminal, which only a plain yes answers.
pub(crate) fn confirmed(question: &str) -> bool {
    let mut err = anstream::stderr().lock();
    if write!(err, "{question} [y/N] ").and_then(|()| err.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    // a line of this length is no answer
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// A progress bar on a terminal, nothing in a pipe. Without a `length` it counts.
pub(crate) fn progress(length: Option<u64>, what: &str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        return bar;
    }
    let form = if length.is_some() { "{msg} {bar:30} {pos}/{len}" } else { "{spinner} {msg} {pos}" };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
