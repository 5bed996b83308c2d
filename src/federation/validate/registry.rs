//! `[registry]`: the files of a folder, one for each site, and the registry that is asked for more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::super::file::{At, Keys, Notes};
use super::super::problem::Severity;
use super::super::registry::{Gocdb, Registry};
use super::super::{Limits, Member, Patterns, Problem, Source};
use super::{FILE_BYTES_MAX, MEMBERS_MAX, member, policy, read_bounded, values};

/// Most files in the folder: one for each member would be enough.
const FILES_MAX: usize = MEMBERS_MAX;
/// How often the registry is asked, when the file does not say it: sites come and go within weeks.
const REFRESH_S: u64 = 3600;
/// Longest name of a scope, in bytes.
const SCOPE_BYTES_MAX: usize = 256;

/// Members as they are read, from whichever file, and what was found in the files beside the federation file.
pub(super) struct Reading<'a> {
    pub limits: &'a Limits,
    pub members: Vec<Member>,
    /// Ids so far in lower case.
    pub taken: Taken,
    /// Tables met, read or not.
    pub met: usize,
    pub found: Found,
}

/// Ids in lower case, with the spelling and the file they were first given in.
pub(super) type Taken = HashMap<String, (String, String)>;

/// The files of members, their problems, and the files that they name.
#[derive(Default)]
pub(super) struct Found {
    pub sources: Vec<Source>,
    pub problems: Vec<Problem>,
    pub files: Vec<PathBuf>,
}

impl Reading<'_> {
    /// Reads these members, up to the bound on all.
    pub fn take(&mut self, tables: Vec<Keys<'_>>) {
        for keys in tables {
            self.met += 1;
            if self.met == MEMBERS_MAX + 1 {
                let sentence = format!("there are more than {MEMBERS_MAX} members; at most {MEMBERS_MAX} are read");
                keys.notes.add("too-large", Some(keys.span.clone()), sentence, None);
            }
            if self.met <= MEMBERS_MAX {
                self.members.extend(member::read(keys, self.limits, &mut self.taken));
            }
        }
    }
}

/// Reads `[registry]`; the folder it names is for [`read_folder`].
pub(super) fn read<'a>(keys: &Keys<'a>) -> (Registry, Option<At<&'a str>>) {
    let directory = keys.text("directory");
    let gocdb = keys.table("gocdb").and_then(|keys| read_gocdb(&keys));
    keys.finish();
    let registry =
        Registry { directory: directory.as_ref().map(|at| at.value.to_owned()), gocdb, ..Registry::default() };
    (registry, directory)
}

/// Reads the members of every file of the folder, in the order of the files' names.
pub(super) fn read_folder(notes: &Notes<'_>, directory: &At<&str>, reading: &mut Reading<'_>) {
    let files = match member_files(&notes.beside(directory.value)) {
        Ok(files) => files,
        Err(reason) => {
            let clause = format!("a folder that cannot be read: {reason}");
            let hint = "make the folder, with one TOML file for each site, or remove `directory`";
            return directory.refuse(notes, "unreadable-file", &clause, Some(hint.into()));
        }
    };
    if files.is_empty() {
        let sentence = format!("{} is \"{}\", a folder without a TOML file", directory.name, directory.value);
        let hint = "put one file for each site there, each with its `[[member]]`";
        notes.warn("no-member-files", Some(directory.span.clone()), sentence, hint);
    }
    if files.len() > FILES_MAX {
        let clause = format!("a folder with {} TOML files; at most {FILES_MAX} are read", files.len());
        directory.refuse(notes, "too-large", &clause, None);
    }
    let shown = Path::new(notes.name).parent().unwrap_or(Path::new("")).join(directory.value);
    for file in files.iter().take(FILES_MAX) {
        let name = shown.join(file.file_name().unwrap_or_default()).display().to_string();
        read_file(name, file, reading);
    }
}

/// TOML files of a folder by name; hidden ones do not count, as editors and orchestrators leave such behind.
fn member_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(name: String, path: &Path, reading: &mut Reading<'_>) {
    // The federation file is the first source.
    let source = reading.found.sources.len() + 1;
    let (text, unreadable) = match read_bounded(path, FILE_BYTES_MAX) {
        Ok(text) => (text, None),
        Err(reason) => (String::new(), Some(reason)),
    };
    if let Some(reason) = unreadable {
        let sentence = format!("cannot be read: {reason}");
        let (severity, code) = (Severity::Error, "unreadable-file");
        reading.found.problems.push(Problem { severity, code, sentence, hint: None, source, span: None });
    } else {
        let notes = Notes::numbered(source, &name, &text, path.parent().unwrap_or(Path::new("")));
        let (table, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            read_tables(&Keys::root(&notes, &table), reading);
        }
        super::syntax(&notes, &errors);
        let (mut problems, mut files) = notes.finish();
        reading.found.problems.append(&mut problems);
        reading.found.files.append(&mut files);
    }
    reading.found.sources.push(Source { name, text });
}

fn read_tables(root: &Keys<'_>, reading: &mut Reading<'_>) {
    let tables = root.tables("member");
    if tables.is_empty() && !root.has("member") {
        root.missing("member", "add a `[[member]]` with `id` and `url`, or remove the file");
    }
    reading.take(tables);
    root.finish();
}

fn read_gocdb(keys: &Keys<'_>) -> Option<Gocdb> {
    let internal = keys.flag("internal", keys.has("internal"));
    let url = read_url(keys, internal);
    let scope = keys.text("scope");
    if scope.is_none() && !keys.has("scope") {
        keys.missing("scope", "write `scope = \"…\"`: the tag that the services of your federation carry");
    }
    let named = |scope: &&At<&str>| {
        let good = !scope.value.trim().is_empty()
            && scope.value.len() <= SCOPE_BYTES_MAX
            && !scope.value.contains(|c: char| c.is_control());
        if !good {
            scope.refuse(keys.notes, "bad-value", "not the name of a scope", None);
        }
        good
    };
    let scope = scope.as_ref().filter(named).map(|scope| scope.value.to_owned());
    let refresh = keys.number("refresh_s", 60..=604_800).map_or(REFRESH_S, |at| at.value.unsigned_abs());
    let allow = policy::read_patterns(keys, "allow", false).unwrap_or_else(Patterns::everything);
    let deny = policy::read_patterns(keys, "deny", true).unwrap_or_else(Patterns::nothing);
    keys.finish();
    Some(Gocdb { url: url?, scope: scope?, refresh: Duration::from_secs(refresh), allow, deny, internal })
}

fn read_url(keys: &Keys<'_>, internal: bool) -> Option<url::Url> {
    let at = keys.text("url");
    if at.is_none() && !keys.has("url") {
        keys.missing("url", "write `url = \"https://goc.egi.eu/gocdbpi/public\"`");
    }
    let at = at?;
    let url = values::base_url(keys.notes, &at)?;
    if !internal && values::is_internal(&url) {
        let hint = Some("write `internal = true` if this address is meant".into());
        at.refuse(keys.notes, "internal-address", "a private, loopback or link-local address", hint);
    } else if !internal && url.scheme() == "http" {
        let hint = Some("write `https://`".into());
        at.refuse(keys.notes, "bad-url", "without TLS: anybody on the way could name members", hint);
    }
    Some(url)
}

/// A member of which nothing else is known: every key that is not given here has its default, as in a file.
///
/// # Errors
/// Why it can be none.
pub(in super::super) fn plain_member(id: &str, title: &str, url: &str, internal: bool) -> Result<Member, String> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let text =
        format!("id = {}\ntitle = {}\nurl = {}\ninternal = {internal}\n", quoted(id), quoted(title), quoted(url));
    let notes = Notes::new("", &text, Path::new(""));
    let (table, errors) = DeTable::parse_recoverable(&text);
    super::syntax(&notes, &errors);
    let member = member::read(Keys::root(&notes, &table), &Limits::default(), &mut Taken::new());
    // A warning is for those who declare. Nobody declared this one, so that it has to be beyond doubt.
    match (member, notes.finish().0.first()) {
        (Some(member), None) => Ok(member),
        (_, problem) => Err(problem.map_or("it is not a member", |problem| &problem.sentence).to_owned()),
    }
}
