//! File -> Federation, or every problem.
//!
//! This file reads what holds for the whole federation; `member.rs` one member, `policy.rs` what its site declares,
//! `registry.rs` the members in files of their own, `collection.rs` shared Collections, `processes.rs` what concerns executions, `telemetry.rs` logs and traces,
//! `values.rs` addresses, secrets and other single values. Each function reads one table, notes what is wrong with it, and
//! puts the default in the place of what it could not read, so that reading goes on.

mod collection;
mod crawl;
mod member;
mod policy;
mod processes;
mod registry;
mod telemetry;
mod tls;
mod values;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::file::{Keys, Notes, PROBLEMS_MAX};
use super::problem::{NO_MEMBER, Severity};
use super::{Admin, Cursor, Federation, Limits, Member, Problem, Problems, Registry, Server, Source};

pub(super) use member::ID_BYTES_MAX;
pub(super) use registry::plain_member;
use registry::{Found, Reading, Taken};

/// Largest federation file: thousands of members with long comments fit.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most members of one federation; a cursor names each that takes part.
pub(super) const MEMBERS_MAX: usize = 256;
/// Most broker processes that may be declared.
const PROCESSES_MAX: i64 = 10_000;
const DELIMITERS: [char; 4] = ['|', '.', '~', '@'];
const DELIMITER: char = '|';
const LISTEN: &str = "127.0.0.1:8080";
/// What hints propose; nothing listens there unless the file says so.
const ADMIN_LISTEN: &str = "127.0.0.1:8081";
const CURSOR_LIFE_S: u64 = 86_400;

/// A federation and what its admin should still know.
#[derive(Debug)]
pub struct Loaded {
    pub federation: Federation,
    pub warnings: Vec<Problem>,
    /// The file as the admin named it.
    pub file: String,
    /// It and the files of its members, to show where a warning belongs.
    pub sources: Vec<Source>,
    /// Further files it names: areas and secrets, and the folder of the files of members. A change of one is a change of
    /// the federation.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// The warnings with their files, to be written as text or JSON.
    #[must_use]
    pub fn report(&self) -> Problems {
        Problems { sources: self.sources.clone(), list: self.warnings.clone() }
    }
}

/// Reads and validates a federation file.
///
/// # Errors
/// Every problem of the file at once; warnings are among them.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    match read_bounded(path, FILE_BYTES_MAX) {
        Ok(text) => load_text(&name, &text, folder),
        Err(reason) => {
            let hint = Some("give the file with `-f`, or start in its folder".into());
            let sentence = format!("cannot be read: {reason}");
            let (severity, code) = (Severity::Error, "unreadable-file");
            let problem = Problem { severity, code, sentence, hint, source: 0, span: None };
            Err(Problems { sources: vec![Source { name, text: String::new() }], list: vec![problem] })
        }
    }
}

/// The same for a text; `name` stands for the file in messages, paths in it are relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &str, text: &str, folder: &Path) -> Result<Loaded, Problems> {
    let notes = Notes::new(name, text, folder);
    let mut found = Found::default();
    let federation = parse(&notes, &mut found);
    let (mut list, mut files) = notes.finish();
    list.append(&mut found.problems);
    files.append(&mut found.files);
    let failed = list.iter().any(|problem| problem.severity == Severity::Error);
    list.truncate(PROBLEMS_MAX);
    let mut sources = vec![Source { name: name.into(), text: text.into() }];
    sources.append(&mut found.sources);
    match federation {
        Some(federation) if !failed => Ok(Loaded { federation, warnings: list, file: name.into(), sources, files }),
        _ => Err(Problems { sources, list }),
    }
}

/// The text of a file of at most so many bytes.
fn read_bounded(path: &Path, bytes_max: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    String::from_utf8(bytes).map_err(|_invalid| "it is not UTF-8 text".into())
}

fn parse(notes: &Notes<'_>, found: &mut Found) -> Option<Federation> {
    if notes.text.len() > FILE_BYTES_MAX {
        notes.add("too-large", None, format!("is larger than {FILE_BYTES_MAX} bytes"), None);
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(notes.text);
    // What recovery makes of a broken table would only raise problems that are not there.
    syntax(notes, &errors);
    if !errors.is_empty() {
        return None;
    }
    read_root(&Keys::root(notes, &table), found)
}

/// Notes where a text is not TOML.
fn syntax(notes: &Notes<'_>, errors: &[toml::de::Error]) {
    for error in errors {
        notes.add("toml-syntax", error.span(), format!("is not TOML here: {}", error.message()), None);
    }
}

fn read_root(root: &Keys<'_>, found: &mut Found) -> Option<Federation> {
    root.later("auth");
    let limits = root.table("limits").map(|keys| read_limits(&keys)).unwrap_or_default();
    let server = read_server(root.table("server").as_ref());
    let processes = read_processes(root);
    let cursor = read_cursor(root, processes);
    let telemetry = root.table("telemetry").map(|keys| telemetry::read(&keys)).unwrap_or_default();
    let own = root.table("federation");
    if own.is_none() && !root.has("federation") {
        root.missing("federation", "begin the file with `[federation]` and `id = \"…\"`");
    }
    let (registry, members, all_read) = read_members(root, &limits, found);
    let routing = root.table("processes").map(|keys| processes::read_routing(&keys, &members, all_read));
    let delimiter = own.as_ref().map_or(DELIMITER, read_delimiter);
    let all = all_read && registry.gocdb.is_none();
    let shared = collection::read(root, &collection::Members { list: &members, all, delimiter });
    root.finish();
    let own = own?;
    let id = own.text("id");
    if id.is_none() && !own.has("id") {
        own.missing("id", "write `id = \"my-federation\"`: it names the landing page");
    }
    let named = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if let Some(id) = id.as_ref().filter(|id| !named(id.value)) {
        id.refuse(own.notes, "bad-value", "not made of `a-z`, `0-9` and `-`", None);
    }
    let title = own.text("title").map(|at| at.value.to_string());
    let description = own.text("description").map(|at| at.value.to_string());
    let public_url = own.text("public_url").and_then(|at| values::base_url(own.notes, &at));
    own.finish();
    let id = id?.value.to_string();
    Some(Federation {
        title: title.unwrap_or_else(|| id.clone()),
        description: description.unwrap_or_default(),
        id,
        public_url,
        delimiter,
        server,
        limits,
        cursor,
        telemetry,
        processes,
        routing: routing.unwrap_or_default(),
        registry,
        members,
        shared,
    })
}

fn read_delimiter(own: &Keys<'_>) -> char {
    let Some(at) = own.text("delimiter") else { return DELIMITER };
    let mut letters = at.value.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if DELIMITERS.contains(&letter) => letter,
        _ => {
            at.refuse(own.notes, "bad-value", "not one of `|`, `.`, `~`, `@`", None);
            DELIMITER
        }
    }
}

fn read_server(keys: Option<&Keys<'_>>) -> Server {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 8080));
    let Some(keys) = keys else {
        let admin = Admin::default();
        return Server { listen, tls: None, admin, trusted_proxies: Vec::new(), cors_origins: vec!["*".into()] };
    };
    let admin = read_admin(keys);
    let tls = keys.table("tls").and_then(|keys| tls::read(&keys));
    let mut server = Server { listen, tls, admin, trusted_proxies: Vec::new(), cors_origins: vec!["*".into()] };
    if let Some(at) = keys.text("listen") {
        if let Ok(address) = at.value.parse() {
            server.listen = address;
        } else {
            let hint = Some(format!("write `listen = \"{LISTEN}\"`"));
            at.refuse(keys.notes, "bad-value", "not an IP address with a port", hint);
        }
    }
    for at in keys.texts("trusted_proxies").unwrap_or_default() {
        let network = at.value.parse().or_else(|_| at.value.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
        match network {
            Ok(network) => server.trusted_proxies.push(network),
            Err(_) => at.refuse(keys.notes, "bad-value", "not a network such as `10.0.0.0/8`", None),
        }
    }
    if let Some(origins) = keys.texts("cors_origins") {
        for at in origins.iter().filter(|at| !values::is_origin(at.value)) {
            at.refuse(keys.notes, "bad-value", "neither `*` nor an origin such as `https://browser.example.org`", None);
        }
        server.cors_origins = origins.iter().map(|at| at.value.to_string()).collect();
    }
    keys.finish();
    server
}

/// Where admins are answered, and what they must show.
fn read_admin(keys: &Keys<'_>) -> Admin {
    let mut admin = Admin::default();
    let listen = keys.text("admin_listen").filter(|at| at.value != "off");
    if let Some(at) = &listen {
        if let Ok(address) = at.value.parse() {
            admin.listen = Some(address);
        } else {
            let hint = Some(format!("write `admin_listen = \"{ADMIN_LISTEN}\"`, or \"off\""));
            at.refuse(keys.notes, "bad-value", "neither an IP address with a port nor \"off\"", hint);
        }
    }
    if let Some(at) = keys.text("admin_token") {
        admin.token = values::secret(keys.notes, &at);
        if listen.is_none() {
            let hint = format!("add `admin_listen = \"{ADMIN_LISTEN}\"`, or remove `admin_token`");
            at.blame(keys.notes, "contradicting-keys", "protects a listener that is off", Some(hint));
        }
    }
    let open = admin.listen.filter(|address| !address.ip().is_loopback() && admin.token.is_none());
    if let Some(address) = open {
        let sentence = format!("`server.admin_listen` is {address}, which others reach, and no `admin_token` is set");
        keys.notes.warn(
            "open-admin",
            Some(keys.place(&["admin_listen"])),
            sentence,
            "listen on a loopback address, or add `admin_token`",
        );
    }
    admin
}

fn read_limits(keys: &Keys<'_>) -> Limits {
    let mut limits = Limits::default();
    let count = |key, max: i64, into: &mut u32| {
        if let Some(number) = keys.number(key, 1..=max).and_then(|at| u32::try_from(at.value).ok()) {
            *into = number;
        }
    };
    let or_none = |key, max: i64, into: &mut u32| {
        if let Some(number) = keys.number(key, 0..=max).and_then(|at| u32::try_from(at.value).ok()) {
            *into = number;
        }
    };
    let time = |key, into: &mut Duration| {
        if let Some(number) = keys.number(key, 1..=600_000).and_then(|at| u64::try_from(at.value).ok()) {
            *into = Duration::from_millis(number);
        }
    };
    let size = |key, bounds, into: &mut usize| {
        if let Some(number) = keys.number(key, bounds).and_then(|at| usize::try_from(at.value).ok()) {
            *into = number;
        }
    };
    count("page_items_default", 10_000, &mut limits.page_items_default);
    count("page_items_max", 10_000, &mut limits.page_items_max);
    time("deadline_ms", &mut limits.deadline);
    time("member_deadline_ms", &mut limits.member_deadline);
    time("connect_ms", &mut limits.connect);
    size("answer_bytes_max", 1024..=4_294_967_295, &mut limits.answer_bytes_max);
    size("in_flight_max", 1..=1_000_000, &mut limits.in_flight_max);
    size("buffered_bytes_max", 1024..=1_099_511_627_776, &mut limits.buffered_bytes_max);
    size("request_body_bytes_max", 1024..=1_073_741_824, &mut limits.request_body_bytes_max);
    or_none("client_rate_per_s", 1_000_000, &mut limits.client_rate_per_s);
    or_none("check_every_s", 86_400, &mut limits.check_every_s);
    contradictions(keys, &limits);
    if !keys.is_as_said("deadline_ms", limits.deadline.as_millis()) {
        // The file is refused for it: members' own are not held against a default that it does not mean.
        limits.deadline = Duration::from_secs(600);
    }
    keys.finish();
    limits
}

/// Limits of which the smaller is larger than the larger.
fn contradictions(keys: &Keys<'_>, limits: &Limits) {
    let pairs: [(&str, &str, u128, u128); 4] = [
        ("page_items_default", "page_items_max", limits.page_items_default.into(), limits.page_items_max.into()),
        ("member_deadline_ms", "deadline_ms", limits.member_deadline.as_millis(), limits.deadline.as_millis()),
        ("connect_ms", "member_deadline_ms", limits.connect.as_millis(), limits.member_deadline.as_millis()),
        ("answer_bytes_max", "buffered_bytes_max", limits.answer_bytes_max as u128, limits.buffered_bytes_max as u128),
    ];
    for (small, large, lower, upper) in pairs {
        if lower > upper && keys.is_as_said(small, lower) && keys.is_as_said(large, upper) {
            let sentence = format!("{} is larger than {}", keys.name(small), keys.name(large));
            let hint = format!("lower `{small}` or raise `{large}`; a key left out has its default");
            keys.notes.add("contradicting-limits", Some(keys.place(&[small, large])), sentence, Some(hint));
        }
    }
}

fn read_processes(root: &Keys<'_>) -> u32 {
    let Some(keys) = root.table("replicas") else { return 1 };
    let number = keys.number("processes", 1..=PROCESSES_MAX);
    keys.finish();
    number.and_then(|at| u32::try_from(at.value).ok()).unwrap_or(1)
}

fn read_cursor(root: &Keys<'_>, processes: u32) -> Cursor {
    let mut cursor = Cursor { keys: Vec::new(), life: Duration::from_secs(CURSOR_LIFE_S) };
    let mut declared = false;
    if let Some(keys) = root.table("cursor") {
        let references = keys.texts("keys").unwrap_or_default();
        declared = !references.is_empty();
        cursor.keys = references.iter().filter_map(|at| values::cursor_key(keys.notes, at)).collect();
        if let Some(life) = keys.number("life_s", 60..=31_536_000).and_then(|at| u64::try_from(at.value).ok()) {
            cursor.life = Duration::from_secs(life);
        }
        keys.finish();
    }
    let hint = "make a key with `stac-broker key` and name it in `[cursor] keys`, for example `keys = [\"env:STAC_BROKER_CURSOR_KEY\"]`";
    match (declared, processes) {
        (true, _) => {}
        (false, 1) => {
            let sentence = "there is no cursor key, so cursors end with the process that made them".into();
            root.notes.warn("no-cursor-key", None, sentence, hint);
        }
        (false, _) => {
            let sentence = format!("there is no cursor key, but {processes} processes must read one another's cursors");
            root.notes.add("no-cursor-key", Some(root.place(&["replicas"])), sentence, Some(hint.into()));
        }
    }
    cursor
}

/// The members of this file and of the files of sites, and whether all that are written could be read: the absence of one
/// that could not is a problem already, and no second one.
fn read_members(root: &Keys<'_>, limits: &Limits, found: &mut Found) -> (Registry, Vec<Member>, bool) {
    let before = root.notes.errors();
    let (registry, directory) = root.table("registry").map(|keys| registry::read(&keys)).unwrap_or_default();
    let found_so_far = std::mem::take(found);
    let mut reading = Reading { limits, members: Vec::new(), taken: Taken::new(), met: 0, found: found_so_far };
    reading.take(root.tables("member"));
    if let Some(directory) = &directory {
        registry::read_folder(root.notes, directory, &mut reading);
    }
    let unread = root.notes.errors() > before || !reading.found.problems.is_empty();
    // A registry may name the first member later, and one that could not be read is a problem already.
    if reading.met == 0 && registry.gocdb.is_none() && !unread {
        root.missing_as(NO_MEMBER, "member", "add a `[[member]]` with `id` and `url`");
    }
    *found = reading.found;
    let all_read = reading.members.len() == reading.met;
    (registry, reading.members, all_read)
}

#[cfg(test)]
mod schema_tests;
