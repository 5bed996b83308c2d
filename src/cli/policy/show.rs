//! What a replay found: a table for people, JSON for machines.

use std::fmt::Write;

use serde_json::{Value, json};

use super::replay::{Policy, Read, Replay, Tally, Wrong};
use crate::cli::out;

pub(super) fn text(replay: &Replay) -> String {
    let mut text = head(&replay.read);
    let current = replay.policies.first();
    for (at, policy) in replay.policies.iter().enumerate() {
        let before = current.filter(|_| at > 0);
        let _ = write!(text, "\n{}\n{}\n", title(policy, at, replay.policies.len()), table(replay, policy, before));
    }
    let tried = replay.policies.last();
    for line in tried.iter().flat_map(|policy| wrongs(policy)) {
        let _ = write!(text, "\n{line}");
    }
    if replay.is_wrong() {
        text.push_str("\n\nA member that answered Items was left out: the policy says less than the member has.\n");
    } else if replay.searches() > 0 {
        text.push_str("\nNo member that answered Items would have been left out.\n");
    }
    text
}

fn head(read: &Read) -> String {
    let times = match (&read.from, &read.until) {
        (Some(from), Some(until)) => format!(", {from} to {until}"),
        _ => String::new(),
    };
    let mut head =
        format!("{} in {}{times}\n", plural(read.searches, "search", "searches"), plural(read.lines, "line", "lines"));
    if read.cut > 0 {
        let _ = writeln!(
            head,
            "{} with a parameter too long for the log: there, a member that was left out counts as left out",
            plural(read.cut, "search", "searches")
        );
    }
    if read.lists == 0 && read.searches > 0 {
        head.push_str("the log tells no member's Collections: what follows from them is taken as the log has it\n");
    }
    if read.bad > 0 {
        let _ = writeln!(head, "{} cannot be read:", plural(read.bad, "line", "lines"));
        for (line, what) in &read.bad_shown {
            let _ = writeln!(head, "  line {line}: {what}");
        }
    }
    head
}

fn title(policy: &Policy, at: usize, of: usize) -> String {
    match (at, of) {
        (_, 1) => policy.file.clone(),
        (0, _) => format!("{} (current)", policy.file),
        _ => format!("{} (tried)", policy.file),
    }
}

fn table(replay: &Replay, policy: &Policy, before: Option<&Policy>) -> String {
    let mut heads = vec!["member", "in the log", "requests", "saved", "pages asked", "left out", "wrongly left out"];
    if before.is_some() {
        heads.insert(3, "change");
    }
    let mut table = out::table(&heads);
    for (id, tally) in policy.tallies() {
        let logged = replay.logged.get(id).copied().unwrap_or_default();
        let mut row = vec![
            id.to_string(),
            logged.to_string(),
            if tally.estimated > 0 {
                format!("{} (~{})", tally.requests, tally.estimated)
            } else {
                tally.requests.to_string()
            },
            tally.saved.to_string(),
            tally.asked.to_string(),
            rules(tally),
            wrongly(tally),
        ];
        if let Some(before) = before {
            row.insert(3, change(before, id, tally));
        }
        table.add_row(row);
    }
    let mut text = table.to_string();
    if policy.tallies().any(|(_, tally)| tally.estimated > 0) {
        text.push_str("\n(~n): estimated, one page each, as the member was not asked then");
    }
    text
}

fn change(before: &Policy, id: &str, tally: &Tally) -> String {
    let Some((_, earlier)) = before.tallies().find(|(known, _)| *known == id) else { return "new".into() };
    match (earlier.requests, tally.requests) {
        (before, now) if now > before => format!("+{}", now - before),
        (before, now) if now < before => format!("-{}", before - now),
        _ => "0".into(),
    }
}

fn rules(tally: &Tally) -> String {
    let rules: Vec<String> = tally.pruned.iter().map(|(rule, count)| format!("{count} {rule}")).collect();
    if rules.is_empty() { "0".into() } else { rules.join(", ") }
}

fn wrongly(tally: &Tally) -> String {
    let (pages, items) = sums(tally);
    if pages == 0 {
        "0".into()
    } else {
        format!("{} with {}", plural(pages, "page", "pages"), plural(items, "Item", "Items"))
    }
}

fn sums(tally: &Tally) -> (u64, u64) {
    tally.wrong.values().fold((0, 0), |(pages, items), wrong| (pages + wrong.pages, items + wrong.items))
}

/// One sentence per member and rule.
fn wrongs(policy: &Policy) -> Vec<String> {
    let sentence = |id: &str, rule: &str, wrong: &Wrong| {
        format!(
            "{id}: `{rule}` leaves it out of {} in which it answered {}; request {}: {}",
            plural(wrong.pages, "page", "pages"),
            plural(wrong.items, "Item", "Items"),
            if wrong.examples.len() == 1 { "id" } else { "ids" },
            wrong.examples.join(", "),
        )
    };
    let members = policy.tallies();
    members.flat_map(|(id, tally)| tally.wrong.iter().map(move |(rule, wrong)| sentence(id, rule, wrong))).collect()
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

pub(super) fn json(replay: &Replay) -> Value {
    let read = &replay.read;
    let bad: Vec<Value> = read.bad_shown.iter().map(|(line, what)| json!({ "line": line, "what": what })).collect();
    json!({
        "log": {
            "from": read.from, "until": read.until, "lines": read.lines, "searches": read.searches, "cut": read.cut,
            "lists": read.lists, "others": read.others, "bad": read.bad, "bad_first": bad, "requests": replay.logged,
        },
        "policies": replay.policies.iter().map(policy_json).collect::<Vec<_>>(),
        "wrong": replay.is_wrong(),
    })
}

fn policy_json(policy: &Policy) -> Value {
    let member = |(id, tally): (&str, &Tally)| {
        let wrong = |(rule, wrong): (&String, &Wrong)| json!({ "rule": rule, "pages": wrong.pages, "items": wrong.items, "examples": wrong.examples });
        json!({
            "id": id, "asked": tally.asked, "pruned": tally.pruned, "requests": tally.requests,
            "estimated": tally.estimated, "saved": tally.saved, "wrong": tally.wrong.iter().map(wrong).collect::<Vec<_>>(),
        })
    };
    let sum = |of: fn(&Tally) -> u64| policy.tallies().map(|(_, tally)| of(tally)).sum::<u64>();
    json!({
        "file": policy.file,
        "requests": sum(|tally| tally.requests),
        "saved": sum(|tally| tally.saved),
        "members": policy.tallies().map(member).collect::<Vec<_>>(),
    })
}
