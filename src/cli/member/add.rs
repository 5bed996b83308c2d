//! `stac-broker member add`: the checklist, then the member at the end of the federation file.
//!
//! What stands in the file stays byte for byte, and what is written passes `check`, or nothing is written.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::{FileArg, NO, WRONG, block_on, out};
use super::{Catalogue, checked, diff, refuse, text};
use crate::federation::{Federation, Limits, NO_MEMBER, Problems, Severity, load, load_text};
use crate::onboarding::{Candidate, Registered, Report, addition};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    catalogue: Catalogue,
    /// Id that stands before each of its Collections: letters, digits, `-` and `_`
    #[arg(long, value_name = "ID")]
    id: String,
    #[command(flatten)]
    file: FileArg,
    /// Write without asking
    #[arg(long, short = 'y')]
    yes: bool,
    /// Print what would change in the file, and write nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Add it even though something keeps it from joining
    #[arg(long)]
    force: bool,
}

/// Why nothing was written: what to say, and the exit status.
struct Unwritten(String, u8);

pub(super) fn run(args: &Args) -> ExitCode {
    if !args.yes && !args.dry_run && !io::stdin().is_terminal() {
        out::note(
            "error: there is nobody to ask\n  hint: `--yes` writes without asking, `--dry-run` shows what would be written",
        );
        return ExitCode::from(WRONG);
    }
    match block_on_result(add(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Unwritten(why, status)) => {
            if !why.is_empty() {
                out::note(&why);
            }
            ExitCode::from(status)
        }
    }
}

fn block_on_result(work: impl Future<Output = Result<(), Unwritten>>) -> Result<(), Unwritten> {
    let mut outcome = Err(Unwritten(String::new(), NO));
    block_on(async {
        outcome = work.await;
        ExitCode::SUCCESS
    });
    outcome
}

async fn add(args: &Args) -> Result<(), Unwritten> {
    let path = args.file.path();
    let before = Before::read(&path).map_err(|problems| Unwritten(problems.to_text(), WRONG))?;
    let candidate = candidate(args, &before)?;
    let report = checked(&candidate).await.map_err(|refused| {
        refuse(&refused);
        Unwritten(String::new(), WRONG)
    })?;
    out::data(&text::short(&report, out::width()));
    if !report.may_join() && !args.force {
        let why = "not added: see above what keeps it from joining\n  hint: `--force` adds it all the same";
        return Err(Unwritten(why.to_owned(), NO));
    }
    let new = composed(args, &report, &before, &path)?;
    out::data(&format!("\n{}", diff::appended(&before.file, &before.text, &new).trim_end()));
    if args.dry_run {
        out::note("nothing is written (`--dry-run`)");
        return Ok(());
    }
    if !args.yes && !out::confirmed(&format!("write this to {}?", before.file)) {
        return Err(Unwritten("nothing is written".to_owned(), NO));
    }
    replace(&path, &before.text, &new)
        .map_err(|why| Unwritten(format!("error: {} stays as it was: {why}", before.file), NO))?;
    out::note(&format!(
        "added `{}` to {}; a broker that runs with this file takes it within seconds, without a restart",
        args.id, before.file
    ));
    Ok(())
}

/// The file as it is before the addition.
struct Before {
    file: String,
    text: String,
    /// `None`: it has no member yet, and is good but for that.
    federation: Option<Federation>,
}

impl Before {
    fn read(path: &Path) -> Result<Self, Problems> {
        match load(path) {
            Ok(loaded) => {
                let text = loaded.sources.into_iter().next().map(|source| source.text).unwrap_or_default();
                Ok(Self { file: loaded.file, text, federation: Some(loaded.federation) })
            }
            Err(problems) => {
                let mut errors = problems.list.iter().filter(|problem| problem.severity == Severity::Error);
                let only = errors.next().filter(|_| errors.next().is_none());
                let first = only.is_some_and(|problem| problem.code == NO_MEMBER);
                match problems.sources.first().filter(|_| first) {
                    Some(source) => Ok(Self { file: source.name.clone(), text: source.text.clone(), federation: None }),
                    None => Err(problems),
                }
            }
        }
    }
}

/// The candidate, unless its id or its address is taken.
fn candidate(args: &Args, before: &Before) -> Result<Candidate, Unwritten> {
    let Catalogue { url, internal, kind } = &args.catalogue;
    let Some(federation) = &before.federation else {
        let id = Some(args.id.clone());
        let (url, limits) = (url.clone(), Limits::default());
        return Ok(Candidate { url, internal: *internal, kind: *kind, id, limits, registered: None });
    };
    let registered = Registered::of(federation, &before.file, url, Some(&args.id));
    if let Some((member, _)) = &registered.member {
        let file = &before.file;
        let flag = if *internal { " --internal" } else { "" };
        let why = format!(
            "error: member `{member}` of {file} has this address already\n  hint: `stac-broker member check {url}{flag} -f {file}` checks it"
        );
        return Err(Unwritten(why, WRONG));
    }
    if let Some(why) = &registered.id_refused {
        return Err(Unwritten(format!("error: {why}\n  hint: choose another `--id`"), WRONG));
    }
    Ok(Candidate {
        url: url.clone(),
        internal: *internal,
        kind: *kind,
        id: Some(args.id.clone()),
        limits: federation.limits.clone(),
        registered: Some(registered),
    })
}

/// The whole new text of the file, which passes `check`.
fn composed(args: &Args, report: &Report, before: &Before, path: &Path) -> Result<String, Unwritten> {
    let Catalogue { url, internal, .. } = &args.catalogue;
    let now = chrono::Utc::now();
    let new = addition(&report.discovered, &args.id, url, (report.kind, *internal), now).to(&before.text);
    let folder = path.parent().unwrap_or(Path::new(""));
    match load_text(&before.file, &new, folder) {
        Ok(_) => Ok(new),
        Err(problems) => {
            let why =
                format!("{}error: nothing is written: with this member the file would be wrong", problems.to_text());
            Err(Unwritten(why, WRONG))
        }
    }
}

/// Puts the new text in the place of the old one, whole or not at all: whoever reads the file meanwhile, a running broker
/// first of all, sees one or the other.
fn replace(path: &Path, old: &str, new: &str) -> Result<(), String> {
    // a link stays one: what it leads to is replaced
    let target = fs::canonicalize(path).map_err(|error| error.to_string())?;
    let beside = Beside::of(&target);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside.0)?;
        file.set_permissions(fs::metadata(&target)?.permissions())?;
        file.write_all(new.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| format!("cannot write beside it: {error}"))?;
    let now = fs::read(&target).map_err(|error| error.to_string())?;
    if now != old.as_bytes() {
        return Err("it was changed meanwhile; try again".to_owned());
    }
    fs::rename(&beside.0, &target).map_err(|error| error.to_string())
}

/// A file beside another, which goes away unless it was given its name.
struct Beside(PathBuf);

impl Beside {
    fn of(target: &Path) -> Self {
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self(target.with_file_name(format!(".{name}.{}.new", std::process::id())))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // gone already when it was renamed
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_meanwhile_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        fs::write(&file, "now").unwrap();
        assert!(replace(&file, "before", "new").unwrap_err().contains("changed meanwhile"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "now");
        replace(&file, "now", "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f.toml"), folder.path().join("link.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
