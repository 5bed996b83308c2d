//! `[member.processes]`, and `[processes]` once the members are known.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::super::file::{At, Keys, Notes, nearest};
use super::super::problem::LITERAL_SECRET;
use super::super::processes::{Ambiguous, Callbacks, Equated, MemberProcesses, Routing, Spread, Unlocated};
use super::super::{Auth, Member, MemberId, Patterns};
use super::{policy, values};

/// Most entries of one list of a member: every reference of a request is compared with each.
const ENTRIES_MAX: usize = 256;
/// Longest process id, input name and data prefix: all of them stand in addresses or messages.
const TEXT_BYTES_MAX: usize = 512;
/// Most public ids that `[processes] aliases` makes.
const ALIASES_MAX: usize = 1000;
/// Bounds of `sync_s` and `async_s`: an hour is the longest that proxies on the way keep a silent connection.
const WAIT_S: RangeInclusive<i64> = 1..=3600;

/// What the process base inherits from its member.
pub(super) struct Host<'a> {
    pub internal: bool,
    pub auth: &'a Auth,
}

/// Reads `[member.processes]`; `None` when it has no usable base.
pub(super) fn read(keys: &Keys<'_>, host: &Host<'_>) -> Option<MemberProcesses> {
    let url = read_url(keys, host);
    let aliases = keys.texts("aliases").unwrap_or_default();
    let include = policy::read_patterns(keys, "include", false).unwrap_or_else(Patterns::everything);
    let exclude = policy::read_patterns(keys, "exclude", true).unwrap_or_else(Patterns::nothing);
    let order_process = keys.text("order_process").filter(|at| is_name(keys.notes, at));
    let data_prefixes = read_prefixes(keys);
    let data_inputs = names(keys, "data_inputs");
    let flag = |key| keys.flag(key, false);
    let (prefer_return, job_list) = (flag("prefer_return"), flag("job_list"));
    let callbacks = match word(keys, "callbacks", &["pass", "refuse"]) {
        Some("refuse") => Callbacks::Refuse,
        _ => Callbacks::Pass,
    };
    let seconds = |key| keys.number(key, WAIT_S).map(|at| Duration::from_secs(at.value.unsigned_abs()));
    let (sync, r#async) = (seconds("sync_s"), seconds("async_s"));
    keys.finish();
    let plain = MemberProcesses::at(url?);
    Some(MemberProcesses {
        aliases: aliases.iter().filter_map(|at| values::base_url(keys.notes, at)).collect(),
        include,
        exclude,
        order_process: order_process.map(|at| at.value.to_owned()),
        data_prefixes,
        data_inputs,
        prefer_return,
        job_list,
        callbacks,
        sync: sync.unwrap_or(plain.sync),
        r#async: r#async.unwrap_or(plain.r#async),
        ..plain
    })
}

fn read_url(keys: &Keys<'_>, host: &Host<'_>) -> Option<Url> {
    let at = keys.text("url");
    if at.is_none() && !keys.has("url") {
        keys.missing("url", "write `url = \"https://…\"`: the base below which `processes` and `jobs` lie");
    }
    let at = at?;
    let url = values::base_url(keys.notes, &at)?;
    let plain = url.scheme() == "http" && !host.internal;
    if !host.internal && values::is_internal(&url) {
        let hint = Some("write `internal = true` for the member if this address is meant".into());
        at.refuse(keys.notes, "internal-address", "a private, loopback or link-local address", hint);
    } else if plain && !matches!(host.auth, Auth::None) {
        let hint = "write `https://`, or `internal = true` for a member on the own network".to_owned();
        at.refuse(keys.notes, "credentials-without-tls", "which would send credentials without TLS", Some(hint));
    } else if plain {
        let sentence = format!("{} has no TLS: requests and results can be read and changed on the way", at.name);
        keys.notes.warn("no-tls", Some(at.span), sentence, "write `https://` if the member offers it");
    }
    Some(url)
}

/// Data prefixes: a scheme and what follows it, with neither query nor fragment.
fn read_prefixes(keys: &Keys<'_>) -> Vec<String> {
    let list = keys.texts("data_prefixes").unwrap_or_default();
    bounded(keys, "data_prefixes", list.len());
    let good = |at: &&At<&str>| {
        let (scheme, rest) = at.value.split_once("://").unwrap_or_default();
        if rest.split('/').next().is_some_and(|place| place.contains('@')) {
            at.blame(keys.notes, LITERAL_SECRET, "has a user or a password in the address", None);
            return false;
        }
        let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let place = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' ']);
        let good = named && place && !at.value.contains(|c: char| c.is_control()) && at.value.len() <= TEXT_BYTES_MAX;
        if !good {
            let hint = Some("write for example `s3://bucket/` or `https://data.example.org/archive/`".into());
            at.refuse(keys.notes, "bad-value", "not a scheme and a place of data", hint);
        }
        good
    };
    list.iter().take(ENTRIES_MAX).filter(good).map(|at| at.value.to_owned()).collect()
}

fn names(keys: &Keys<'_>, key: &'static str) -> Vec<String> {
    let list = keys.texts(key).unwrap_or_default();
    bounded(keys, key, list.len());
    list.iter().take(ENTRIES_MAX).filter(|at| is_name(keys.notes, at)).map(|at| at.value.to_owned()).collect()
}

fn bounded(keys: &Keys<'_>, key: &'static str, count: usize) {
    if count > ENTRIES_MAX {
        let sentence = format!("{} has {count} entries; at most {ENTRIES_MAX} are read", keys.name(key));
        keys.notes.add("too-large", Some(keys.place(&[key])), sentence, None);
    }
}

/// Whether a text can be the id of a process or the name of an input.
fn is_name(notes: &Notes<'_>, at: &At<&str>) -> bool {
    let good = !at.value.is_empty() && at.value.len() <= TEXT_BYTES_MAX && !at.value.contains(|c: char| c.is_control());
    if !good {
        at.refuse(notes, "bad-value", &format!("not a name of 1 to {TEXT_BYTES_MAX} bytes"), None);
    }
    good
}

/// One of these words; `None` when the key is absent, or wrong and noted.
fn word<'a>(keys: &Keys<'a>, key: &'static str, accepted: &[&'static str]) -> Option<&'a str> {
    let at = keys.text(key)?;
    if accepted.contains(&at.value) {
        return Some(at.value);
    }
    let listed = accepted.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let hint = nearest(at.value, accepted).map(|near| format!("did you mean `{near}`?"));
    at.refuse(keys.notes, "bad-value", &format!("not one of {listed}"), hint);
    None
}

/// Reads `[processes]`; what its aliases name must be among the members, when all of them could be read.
pub(super) fn read_routing(keys: &Keys<'_>, members: &[Member], all_read: bool) -> Routing {
    let mut routing = Routing::default();
    if word(keys, "unlocated", &["reject", "preferred"]) == Some("preferred") {
        routing.unlocated = Unlocated::Preferred;
    }
    if word(keys, "spread", &["reject", "majority"]) == Some("majority") {
        routing.spread = Spread::Majority;
    }
    if word(keys, "ambiguous", &["pick", "reject"]) == Some("reject") {
        routing.ambiguous = Ambiguous::Reject;
    }
    routing.probe = keys.flag("probe", routing.probe);
    if let Some(table) = keys.table("aliases") {
        routing.aliases = read_aliases(&table, members, all_read);
    }
    keys.finish();
    routing
}

fn read_aliases(table: &Keys<'_>, members: &[Member], all_read: bool) -> Vec<Equated> {
    let lists = table.lists();
    if lists.len() > ALIASES_MAX {
        let sentence = format!("{} are more than {ALIASES_MAX}", table.name("*"));
        table.notes.add("too-large", Some(table.span.clone()), sentence, None);
    }
    let mut taken = HashSet::new();
    let mut aliases = Vec::new();
    for (public, list) in lists.into_iter().take(ALIASES_MAX) {
        if !is_public(table.notes, &public, members) {
            continue;
        }
        let mut processes: Vec<(MemberId, String)> = Vec::new();
        for at in &list {
            let Some(process) = member_process(table.notes, at, members, all_read) else { continue };
            if processes.iter().any(|(member, _)| *member == process.0) {
                at.refuse(table.notes, "bad-value", "a second process of one member", None);
            } else if taken.insert(process.clone()) {
                processes.push(process);
            } else {
                at.refuse(table.notes, "bad-value", "equated with another id already", None);
            }
        }
        aliases.push(Equated { public: public.value.to_owned(), processes });
    }
    aliases
}

/// A public id names no member, or it would be read as one member's own process.
fn is_public(notes: &Notes<'_>, at: &At<&str>, members: &[Member]) -> bool {
    let before = at.value.split_once(':').map(|(before, _)| before);
    if before.is_some_and(|before| find(members, before).is_some()) {
        let clause = "begins with a member's id, so it already means that member's own process";
        at.blame(notes, "bad-value", clause, Some("choose an id without `:`".into()));
        return false;
    }
    is_name(notes, at)
}

/// `MEMBER:process`, of a member that executes.
fn member_process(notes: &Notes<'_>, at: &At<&str>, members: &[Member], all_read: bool) -> Option<(MemberId, String)> {
    let Some((before, native)) = at.value.split_once(':').filter(|(_, native)| !native.is_empty()) else {
        at.refuse(notes, "bad-value", "not of the form `MEMBER:process`", None);
        return None;
    };
    let Some(member) = find(members, before) else {
        let known: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
        let hint = nearest(before, &known).map(|near| format!("did you mean `{near}:{native}`?"));
        if all_read {
            at.refuse(notes, "unknown-member", "which names no member of this file", hint);
        }
        return None;
    };
    if member.processes.is_none() {
        let hint = format!("give `{}` a `[member.processes]` with its `url`", member.id);
        at.refuse(notes, "unknown-member", "which names a member that executes nothing", Some(hint));
        return None;
    }
    Some((member.id.clone(), native.to_owned()))
}

fn find<'a>(members: &'a [Member], id: &str) -> Option<&'a Member> {
    members.iter().find(|member| member.id.as_str() == id)
}
