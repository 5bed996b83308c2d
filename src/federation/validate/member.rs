//! One `[[member]]`: identity, address, requests, capabilities, credentials.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::super::file::{At, Keys, Notes, nearest};
use super::super::{
    Auth, Declared, Dialect, Kind, Limits, Member, MemberId, Method, NextPath, Policy, Request, Support,
};
use super::registry::Taken;
use super::{crawl, policy, processes, values};

/// Longest member id: it stands in every collection id and cursor.
pub(in super::super) const ID_BYTES_MAX: usize = 64;
const CONCURRENCY: usize = 64;
/// Kinds of members.
const KINDS: [&str; 4] = ["stac-api", "static-stac", "ogc-records", "csw"];

impl Default for Request {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            dialect: Dialect::Auto,
            page_items_max: None,
            deadline: None,
            concurrency_max: CONCURRENCY,
            rate_per_s: None,
            next_path: NextPath::Rebase,
            headers: Vec::new(),
        }
    }
}

/// Reads a member; `taken` has the ids so far.
pub(super) fn read(keys: Keys<'_>, limits: &Limits, taken: &mut Taken) -> Option<Member> {
    let id = keys.text("id");
    let place = id.as_ref().map_or_else(|| keys.name("id"), |id| format!("member `{}`", id.value));
    if id.is_none() && !keys.has("id") {
        keys.missing("id", "write `id = \"SITE\"`: it stands before each of the member's collections");
    }
    let keys = match &id {
        Some(_) => keys.with_subject(format!("{place}: ")),
        None => keys,
    };
    let id = id.map(|id| At { name: keys.name("id"), ..id });
    if let Some(id) = &id {
        check_id(keys.notes, id);
        claim(keys.notes, id, taken);
    }
    let kind = read_kind(&keys);
    // one that is no flag is a problem of its own, and meant as one: it is not followed by problems of the address
    let internal = keys.flag("internal", keys.has("internal"));
    let aliases = keys.texts("aliases").unwrap_or_default();
    let aliases: Vec<_> = aliases.iter().filter_map(|at| values::web_url(keys.notes, at)).collect();
    let (url, folder) = read_place(&keys, kind, internal, &aliases);
    crawl::refuse_tables(&keys, kind, folder.is_some());
    let enabled = keys.flag("enabled", true);
    let renamed = keys.texts("renamed_from").unwrap_or_default();
    for old in &renamed {
        check_id(keys.notes, old);
        claim(keys.notes, old, taken);
    }
    let title = keys.text("title");
    let request = keys.table("request").map(|keys| read_request(&keys, kind, limits)).unwrap_or_default();
    let harvested = kind != Kind::StacApi;
    let crawl = keys.table("crawl").filter(|_| harvested).map(|keys| crawl::read(&keys, kind)).unwrap_or_default();
    let capabilities = keys.table("capabilities").map(|keys| read_capabilities(&keys)).unwrap_or_default();
    let policy = keys.table("policy").map_or_else(Policy::default, |keys| policy::read(&keys));
    let auth = keys.table("auth").map_or(Auth::None, |keys| {
        let auth = read_auth(&keys);
        let plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
        if !matches!(auth, Auth::None) && plain && !internal {
            let sentence = format!("{} would send credentials without TLS", keys.name("mode"));
            let hint = "write `https://` in `url`, or `internal = true` for a member on the own network".to_owned();
            keys.notes.add("credentials-without-tls", Some(keys.place(&["mode"])), sentence, Some(hint));
        }
        auth
    });
    let host = processes::Host { internal, auth: &auth };
    let executes = keys.table("processes").map(|keys| processes::read(&keys, &host));
    if matches!(auth, Auth::Forward) && executes.is_none() {
        let sentence = format!(
            "member `{}`: `auth.mode` is \"forward\", but the member executes no processes",
            id.as_ref().map_or("", |id| id.value)
        );
        let hint = "the caller's token goes with executions only: add `[member.processes]`, or choose another `mode`";
        keys.notes.add("contradicting-keys", Some(keys.place(&["auth"])), sentence, Some(hint.into()));
    }
    keys.finish();
    let id = id?.value;
    Some(Member {
        id: MemberId::new(id),
        title: title.map_or_else(|| id.to_string(), |title| title.value.to_string()),
        kind,
        url: url?,
        folder,
        crawl,
        aliases,
        enabled,
        renamed_from: renamed.iter().map(|old| old.value.to_string()).collect(),
        internal,
        request,
        capabilities,
        policy,
        auth,
        processes: executes.flatten(),
    })
}

fn check_id(notes: &Notes<'_>, id: &At<&str>) {
    let mut bytes = id.value.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if id.value.contains(super::DELIMITERS) {
        id.refuse(
            notes,
            "bad-id",
            "with a character that separates member and collection ids (`|`, `.`, `~`, `@`)",
            None,
        );
    } else if !first || !rest {
        id.refuse(notes, "bad-id", "not letters, digits, `_` and `-` with a letter or digit first", None);
    } else if id.value.len() > ID_BYTES_MAX {
        id.refuse(notes, "bad-id", &format!("longer than {ID_BYTES_MAX} bytes"), None);
    }
}

/// Takes an id for this member; no two may differ by case alone, since people and file systems mix them up.
fn claim(notes: &Notes<'_>, id: &At<&str>, taken: &mut Taken) {
    match taken.entry(id.value.to_ascii_lowercase()) {
        Entry::Vacant(place) => {
            place.insert((id.value.to_string(), notes.name.to_owned()));
        }
        Entry::Occupied(first) => {
            let (first, file) = first.get();
            let elsewhere = if file == notes.name { String::new() } else { format!(" in `{file}`") };
            let clause = if *first == id.value {
                format!("taken already{elsewhere}")
            } else {
                format!("which differs from `{first}`{elsewhere} by case alone")
            };
            id.refuse(notes, "duplicate-member", &clause, Some("give each member an id of its own".into()));
        }
    }
}

fn read_kind(keys: &Keys<'_>) -> Kind {
    let Some(written) = keys.text("kind") else { return Kind::StacApi };
    later_or_unknown(keys.notes, &written, &KINDS, &[]);
    Kind::ALL.into_iter().find(|kind| kind.name() == written.value).unwrap_or(Kind::StacApi)
}

/// The landing page, or the root document; and the folder of a catalogue on this machine.
fn read_place(keys: &Keys<'_>, kind: Kind, internal: bool, aliases: &[Url]) -> (Option<Url>, Option<PathBuf>) {
    let at = keys.text("url");
    if at.is_none() && !keys.has("url") {
        let hint = match kind {
            Kind::StacApi => "write `url = \"https://…\"`: the landing page of the catalogue",
            Kind::StaticStac => "write `url = \"https://…/catalog.json\"`: the root document of the catalogue",
            Kind::OgcRecords | Kind::Csw => "write `url = \"https://…\"`: where the service answers",
        };
        keys.missing("url", hint);
    }
    let Some(at) = at else { return (None, None) };
    if kind == Kind::StaticStac && crawl::is_path(at.value) {
        return crawl::read_folder(keys, &at, aliases).map(|(folder, url)| (url, folder)).unzip();
    }
    (read_url(keys, &at, internal), None)
}

/// Whether the word is one of `now`; notes whether it comes later or is unknown.
fn later_or_unknown(notes: &Notes<'_>, at: &At<&str>, now: &[&str], later: &[&str]) -> bool {
    if now.contains(&at.value) {
        return true;
    }
    let accepted = now.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if later.contains(&at.value) {
        at.refuse(
            notes,
            "not-in-this-release",
            "which is not available in this release",
            Some(format!("accepted: {accepted}")),
        );
    } else {
        let hint = nearest(at.value, now).map(|near| format!("did you mean `{near}`?"));
        at.refuse(notes, "bad-value", &format!("not one of {accepted}"), hint);
    }
    false
}

fn read_url(keys: &Keys<'_>, at: &At<&str>, internal: bool) -> Option<Url> {
    let url = values::web_url(keys.notes, at)?;
    if !internal && values::is_internal(&url) {
        let hint = Some("write `internal = true` if this address is meant".into());
        at.refuse(keys.notes, "internal-address", "a private, loopback or link-local address", hint);
    } else if !internal && url.scheme() == "http" {
        let sentence = format!("{} has no TLS: queries and answers can be read and changed on the way", at.name);
        keys.notes.warn("no-tls", Some(at.span.clone()), sentence, "write `https://` if the member offers it");
    }
    Some(url)
}

fn read_request(keys: &Keys<'_>, kind: Kind, limits: &Limits) -> Request {
    crawl::refuse_request(keys, kind);
    let mut request = Request::default();
    if let Some(at) = keys.text("method") {
        later_or_unknown(keys.notes, &at, &["auto", "get", "post"], &[]);
        request.method = match at.value {
            "get" => Method::Get,
            "post" => Method::Post,
            _ => Method::Auto,
        };
    }
    if let Some(at) = keys.text("dialect") {
        later_or_unknown(keys.notes, &at, &Dialect::ALL.map(Dialect::name), &[]);
        request.dialect = Dialect::ALL.into_iter().find(|known| known.name() == at.value).unwrap_or(Dialect::Auto);
    }
    if let Some(at) = keys.text("next_path") {
        later_or_unknown(keys.notes, &at, &["rebase", "follow"], &[]);
        request.next_path = if at.value == "follow" { NextPath::Follow } else { NextPath::Rebase };
    }
    request.page_items_max = keys.number("page_items_max", 1..=10_000).and_then(|at| u32::try_from(at.value).ok());
    if let Some(at) = keys.number("deadline_ms", 1..=600_000) {
        let deadline = Duration::from_millis(at.value.unsigned_abs());
        if deadline > limits.deadline {
            let clause = format!("longer than `limits.deadline_ms`, which is {}", limits.deadline.as_millis());
            at.refuse(keys.notes, "contradicting-limits", &clause, None);
        }
        request.deadline = Some(deadline);
    }
    if let Some(at) = keys.number("concurrency_max", 1..=10_000) {
        request.concurrency_max = usize::try_from(at.value).unwrap_or(CONCURRENCY);
    }
    request.rate_per_s = keys.number("rate_per_s", 1..=10_000).and_then(|at| u32::try_from(at.value).ok());
    if let Some(headers) = keys.table("headers") {
        request.headers = read_headers(&headers);
    }
    keys.finish();
    request
}

fn read_headers(keys: &Keys<'_>) -> Vec<(String, String)> {
    let entries = keys.entries();
    if entries.len() > values::HEADERS_MAX {
        let sentence = format!("{} are more than {}", keys.name("*"), values::HEADERS_MAX);
        keys.notes.add("bad-header", Some(keys.span.clone()), sentence, None);
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in entries {
        let Some(header) = values::header_name(keys.notes, &name, false) else { continue };
        if !values::is_header_value(value.value) {
            value.blame(keys.notes, "bad-header", "is not plain text of at most 4096 bytes", None);
        } else if headers.iter().any(|(other, _)| *other == header) {
            name.blame(keys.notes, "bad-header", "is given twice, as case does not matter", None);
        } else {
            headers.push((header, value.value.to_string()));
        }
    }
    headers
}

fn read_capabilities(keys: &Keys<'_>) -> Declared {
    let support = |key| {
        let at = keys.text(key)?;
        later_or_unknown(keys.notes, &at, &["exact", "inexact", "unsupported"], &[]);
        match at.value {
            "exact" => Some(Support::Exact),
            "inexact" => Some(Support::Inexact),
            "unsupported" => Some(Support::Unsupported),
            _ => None,
        }
    };
    let texts = |key| keys.texts(key).map(|list| list.iter().map(|at| at.value.to_string()).collect());
    let native_order = keys.text("native_order").filter(|at| {
        let known = matches!(at.value, "-datetime" | "datetime");
        if !known {
            at.refuse(keys.notes, "bad-value", "not one of `-datetime`, `datetime`", None);
        }
        known
    });
    let string_order =
        keys.text("string_order").filter(|at| later_or_unknown(keys.notes, at, &["unknown", "bytes"], &[]));
    let declared = Declared {
        sort: support("sort"),
        intersects: support("intersects"),
        filter: support("filter"),
        filter_lang: read_languages(keys),
        query: support("query"),
        fields: support("fields"),
        native_order: native_order.map(|at| at.value.to_string()),
        sort_fields: texts("sort_fields"),
        string_order_bytes: string_order.is_some_and(|at| at.value == "bytes"),
    };
    keys.finish();
    declared
}

/// `filter_lang`: without a language nothing can be said, so an empty list needs `filter = "unsupported"` instead.
fn read_languages(keys: &Keys<'_>) -> Option<Vec<String>> {
    let list = keys.texts("filter_lang")?;
    let known = list.iter().filter(|at| later_or_unknown(keys.notes, at, &["cql2-text", "cql2-json"], &[]));
    let languages = known.map(|at| at.value.to_owned()).collect();
    if list.is_empty() {
        let sentence = format!("{} names no language", keys.name("filter_lang"));
        let hint = "write `filter = \"unsupported\"` for a member that reads none".to_owned();
        keys.notes.add("bad-value", Some(keys.place(&["filter_lang"])), sentence, Some(hint));
    }
    Some(languages)
}

fn read_auth(keys: &Keys<'_>) -> Auth {
    keys.later("audience");
    let mode = keys.text("mode");
    if let Some(mode) = &mode {
        later_or_unknown(keys.notes, mode, &["none", "bearer", "basic", "header", "forward"], &["exchange"]);
    }
    let mode = mode.map_or("none", |mode| mode.value);
    let wanted: &[&'static str] = match mode {
        "bearer" => &["token"],
        "basic" => &["user", "password"],
        "header" => &["name", "value"],
        _ => &[],
    };
    let mut found = HashMap::new();
    for key in ["token", "user", "password", "name", "value"] {
        match (keys.text(key), wanted.contains(&key)) {
            (Some(at), true) => drop(found.insert(key, at)),
            (Some(at), false) => {
                let clause = format!("is given, but `mode` is `{mode}`");
                at.blame(keys.notes, "contradicting-keys", &clause, Some(format!("remove `{key}` or change `mode`")));
            }
            (None, true) if !keys.has(key) => keys.missing(key, &format!("`mode = \"{mode}\"` needs it")),
            (None, _) => {}
        }
    }
    keys.finish();
    let secret = |key| found.get(key).and_then(|at| values::secret(keys.notes, at));
    let auth = match mode {
        "bearer" => secret("token").map(|token| Auth::Bearer { token }),
        "basic" => secret("user").zip(secret("password")).map(|(user, password)| Auth::Basic { user, password }),
        "header" => {
            let name = found.get("name").and_then(|at| values::header_name(keys.notes, at, true));
            name.zip(secret("value")).map(|(name, value)| Auth::Header { name, value })
        }
        "forward" => Some(Auth::Forward),
        _ => None,
    };
    // Where credentials are wrong a problem is noted, so that this default is never used.
    auth.unwrap_or(Auth::None)
}
