//! `[[collection]]`: shared Collections and their holders.

use std::collections::HashSet;

use super::super::file::{At, Keys, Notes, nearest};
use super::super::shared::{Holder, Replicas, Shared};
use super::super::{Member, MemberId};

/// Most shared Collections: a search that names none asks for each of them.
const SHARED_MAX: usize = 256;
/// Most holders of one; each can be a request of its own.
const HOLDERS_MAX: usize = 16;
/// Longest id, as it stands in addresses.
const ID_BYTES_MAX: usize = 128;
const TITLE_BYTES_MAX: usize = 512;

/// What a holder is looked for in.
pub(super) struct Members<'a> {
    pub list: &'a [Member],
    /// False: a member that is not among them may be one that could not be read, or that a registry names later.
    pub all: bool,
    pub delimiter: char,
}

/// Reads every shared Collection of the file.
pub(super) fn read(root: &Keys<'_>, members: &Members<'_>) -> Vec<Shared> {
    let tables = root.tables("collection");
    if tables.len() > SHARED_MAX {
        let sentence = format!("there are more than {SHARED_MAX} shared collections; at most {SHARED_MAX} are read");
        root.notes.add("too-large", Some(root.place(&["collection"])), sentence, None);
    }
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    let mut list = Vec::new();
    for keys in tables.into_iter().take(SHARED_MAX) {
        list.extend(read_one(keys, members, &mut ids, &mut taken));
    }
    list
}

fn read_one(
    keys: Keys<'_>,
    members: &Members<'_>,
    ids: &mut HashSet<String>,
    taken: &mut HashSet<(MemberId, String)>,
) -> Option<Shared> {
    let id = keys.text("id");
    if id.is_none() && !keys.has("id") {
        keys.missing("id", "write `id = \"…\"`: the name under which clients see it");
    }
    let keys = match &id {
        Some(id) => keys.with_subject(format!("collection `{}`: ", id.value)),
        None => keys,
    };
    let id = id.map(|id| At { name: keys.name("id"), ..id }).filter(|at| is_id(keys.notes, at, members.delimiter));
    let id = id.filter(|at| {
        let fresh = ids.insert(at.value.to_owned());
        if !fresh {
            at.refuse(keys.notes, "duplicate-collection", "taken by another shared collection", None);
        }
        fresh
    });
    let title = keys.text("title").filter(|at| {
        let fits = at.value.len() <= TITLE_BYTES_MAX;
        if !fits {
            at.blame(keys.notes, "too-large", &format!("is longer than {TITLE_BYTES_MAX} bytes"), None);
        }
        fits
    });
    let replicas = keys.text("replicas").map_or(Replicas::default(), |at| read_replicas(keys.notes, &at));
    let holders = read_holders(&keys, members, taken);
    keys.finish();
    Some(Shared { id: id?.value.to_owned(), title: title.map(|at| at.value.to_owned()), replicas, holders })
}

/// An id stands in paths and lists as it is, and is never read as one member's.
fn is_id(notes: &Notes<'_>, at: &At<&str>, delimiter: char) -> bool {
    let given = at.value;
    if given.contains(delimiter) {
        let clause = format!("which contains `{delimiter}`, as ids of members' own collections do");
        at.refuse(notes, "bad-value", &clause, Some(format!("choose an id without `{delimiter}`")));
        return false;
    }
    let unfit = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | '/' | '%' | '\\');
    let good = !matches!(given, "" | "." | "..") && given.len() <= ID_BYTES_MAX && !given.contains(unfit);
    if !good {
        let clause = format!("not an id of 1 to {ID_BYTES_MAX} bytes without spaces, `,`, `/`, `%` and `\\`");
        at.refuse(notes, "bad-value", &clause, None);
    }
    good
}

fn read_replicas(notes: &Notes<'_>, at: &At<&str>) -> Replicas {
    Replicas::named(at.value).unwrap_or_else(|| {
        let hint = nearest(at.value, &Replicas::ALL.map(Replicas::name)).map(|near| format!("did you mean `{near}`?"));
        at.refuse(notes, "bad-value", "neither `prefer` nor `union`", hint);
        Replicas::default()
    })
}

fn read_holders(keys: &Keys<'_>, members: &Members<'_>, taken: &mut HashSet<(MemberId, String)>) -> Vec<Holder> {
    let example =
        format!("write for example `holders = [\"EODC{}SENTINEL2_L2A\"]`, the preferred one first", members.delimiter);
    if !keys.has("holders") {
        keys.missing("holders", &example);
    }
    let Some(list) = keys.texts("holders") else { return Vec::new() };
    if list.is_empty() {
        let sentence = format!("{} is empty, so nobody has the collection", keys.name("holders"));
        keys.notes.add("bad-value", Some(keys.place(&["holders"])), sentence, Some(example));
    }
    if list.len() > HOLDERS_MAX {
        let sentence = format!("{} has {} entries; at most {HOLDERS_MAX} are read", keys.name("holders"), list.len());
        keys.notes.add("too-large", Some(keys.place(&["holders"])), sentence, None);
    }
    let mut holders: Vec<Holder> = Vec::new();
    for at in list.iter().take(HOLDERS_MAX) {
        let Some(holder) = read_holder(keys.notes, at, members) else { continue };
        if holders.contains(&holder) {
            at.refuse(keys.notes, "bad-value", "which is in this list already", Some("remove one of the two".into()));
        } else if holders.iter().any(|other| other.member == holder.member) {
            let hint = "name one of its collections here; give the other a `[[collection]]` of its own";
            at.refuse(keys.notes, "bad-value", "a second collection of one member", Some(hint.into()));
        } else if !taken.insert((holder.member.clone(), holder.native.clone())) {
            at.refuse(keys.notes, "duplicate-collection", "which another shared collection has", None);
        } else {
            holders.push(holder);
        }
    }
    holders
}

/// `MEMBER|collection`, of a member with Items whose policy lets the collection in.
fn read_holder(notes: &Notes<'_>, at: &At<&str>, members: &Members<'_>) -> Option<Holder> {
    let delimiter = members.delimiter;
    let Some((before, native)) = at.value.split_once(delimiter).filter(|(_, native)| !native.is_empty()) else {
        at.refuse(notes, "bad-value", &format!("not of the form `MEMBER{delimiter}collection`"), None);
        return None;
    };
    let Some(member) = members.list.iter().find(|member| member.id.as_str() == before) else {
        if !members.all {
            return Some(Holder { member: MemberId::new(before), native: native.to_owned() });
        }
        let earlier = members.list.iter().find(|member| member.renamed_from.iter().any(|old| old == before));
        let known: Vec<_> = members.list.iter().map(|member| member.id.as_str()).collect();
        let near = earlier.map(|member| member.id.as_str()).or_else(|| nearest(before, &known));
        let hint = near.map(|near| format!("did you mean `{near}{delimiter}{native}`?"));
        at.refuse(notes, "unknown-member", "which names no member of this file", hint);
        return None;
    };
    if !member.has_items() {
        let hint = "`records_as = \"items\"` in its `[member.crawl]` makes Items of them";
        at.refuse(notes, "bad-value", "of a member whose records are Collections without Items", Some(hint.into()));
        return None;
    }
    if !member.policy.sees(native) {
        let hint = format!("let `{native}` in, or remove the holder");
        let clause = format!("which `policy.collections` of `{before}` leaves out");
        at.refuse(notes, "contradicting-keys", &clause, Some(hint));
        return None;
    }
    Some(Holder { member: member.id.clone(), native: native.to_owned() })
}
