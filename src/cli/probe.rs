//! `check --probe`: asks the registry for further members, and every member who it is, which Collections it has, tries
//! what it can do, and holds its policy against what it has.

use std::collections::HashMap;
use std::process::ExitCode;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Format, NO, block_on, out};
use crate::broker::{Broker, Snapshot};
use crate::collections::Known;
use crate::collections::refresh::{AT_ONCE, PROBE_TIME};
use crate::federation::{Dialect, Federation, MemberId, Support, registry};
use crate::members::{Capabilities, Failure, Harvest, gocdb};
use crate::onboarding::policy::{self, Held, ItemSeen, Remark};
use crate::processes::catalogue::{Catalogue, Listed};
use crate::processes::merge::{self, Difference};

/// Reasons that are printed of one member; `--format json` has all.
const REASONS_SHOWN: usize = 10;

/// Asks the registry and every enabled member. Ends with status 1 when one of them fails.
pub(super) fn run(federation: Federation, format: Format) -> ExitCode {
    block_on(async {
        let (federation, answered) = with_registry(federation).await;
        let registry = crate::members::Registry::new(&federation);
        let asked = registry.iter().count() as u64;
        let broker = Broker::of(federation, registry);
        let bar = out::progress(Some(asked), "asking members");
        let outcomes = broker.refresh_telling(|_| bar.inc(1)).await;
        bar.finish_and_clear();
        let bar = out::progress(None, "trying what members can do");
        let mut unproven: HashMap<MemberId, String> = HashMap::new();
        for (id, outcome) in broker.probe_now().await {
            if let Err(failure) = outcome {
                unproven.insert(id, format!("what it can do was not tried to the end: {}", name(&failure)));
            }
        }
        bar.finish_and_clear();
        let snapshot = broker.snapshot();
        let mut findings: Vec<Finding> =
            outcomes.into_iter().map(|(id, outcome)| finding(&snapshot, &id, outcome, &unproven)).collect();
        let listed = Catalogue::default().list(&snapshot).await;
        tell_processes(&snapshot, &listed, &mut findings);
        tell_shared(&snapshot, &mut findings);
        let bar = out::progress(Some(asked), "holding policies against what members have");
        tell_policies(&snapshot, &mut findings, &|| bar.inc(1)).await;
        bar.finish_and_clear();
        match format {
            Format::Json => out::data(&format!("{:#}", Value::from(findings.iter().map(as_json).collect::<Vec<_>>()))),
            Format::Text => out::data(&text(&findings)),
        };
        let good = |finding: &Finding| finding.failure.is_none() && !finding.processes_unread;
        if answered && findings.iter().all(good) { ExitCode::SUCCESS } else { ExitCode::from(NO) }
    })
}

/// The federation with the members that the registry names, where the file names one, and whether it answered. What it
/// names and what is left out of it is told on standard error.
async fn with_registry(federation: Federation) -> (Federation, bool) {
    let Some(question) = &federation.registry.gocdb else { return (federation, true) };
    let bar = out::progress(None, "asking the registry");
    let answer = gocdb::endpoints(question, &federation).await;
    bar.finish_and_clear();
    let endpoints = match answer {
        Ok(endpoints) => endpoints,
        Err(failure) => {
            out::note(&format!("error: the registry at {} gave no answer: {}", question.url, failure.detail));
            return (federation, false);
        }
    };
    let joined = registry::joined(&federation, &endpoints);
    let named = out::counted(endpoints.len(), "endpoint");
    out::note(&format!("the registry names {named} `STAC` in the scope `{}`", question.scope));
    for listed in &joined.registry.listed {
        let how = if listed.declared { "declared as" } else { "is the member" };
        out::note(&format!("  {}: {how} `{}`", listed.site, listed.member));
    }
    for left in &joined.registry.left_out {
        out::note(&format!("  {}: left out: {}", left.endpoint.site, left.reason));
    }
    (joined, true)
}

/// What was found at one member.
#[derive(Debug, Default)]
struct Finding {
    id: String,
    url: String,
    /// Category and detail.
    failure: Option<(String, String)>,
    capabilities: Option<Capabilities>,
    listed: usize,
    complete: bool,
    /// Native id and reason.
    quarantined: Vec<(String, String)>,
    /// Native id and repairs.
    repaired: Vec<(String, Vec<String>)>,
    /// Processes it offers; absent where it executes none.
    processes: Option<usize>,
    /// Its list of processes could not be read, or not whole.
    processes_unread: bool,
    warnings: Vec<String>,
    /// Of a member that is read whole.
    harvest: Option<Harvest>,
    /// What it was found to hold; absent where it was not asked.
    held: Option<Held>,
    /// What its policy and this disagree in.
    policy: Vec<Remark>,
}

/// Adds what was found of policies, of as many members at the same time as elsewhere.
async fn tell_policies(snapshot: &Snapshot, findings: &mut [Finding], told: &(dyn Fn() + Sync)) {
    let asks = findings.iter_mut().map(|finding| async move {
        let member = snapshot.members.get(&finding.id).filter(|_| finding.failure.is_none());
        let declared = snapshot.federation.member(&finding.id);
        let part = declared.and_then(|declared| snapshot.view.member(&declared.id));
        if let (Some(member), Some(declared), Some(part)) = (member, declared, part) {
            let now = chrono::Utc::now();
            let held = policy::ask(member, declared, part, now, Instant::now() + PROBE_TIME).await;
            finding.policy = policy::judge(&declared.policy, part, &held, now);
            finding.held = Some(held);
        }
        told();
    });
    futures::stream::iter(asks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Adds which shared Collections name a Collection that their holder does not have, or not in a form that can be listed.
fn tell_shared(snapshot: &Snapshot, findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.failure.is_none()) {
        let Some(declared) = snapshot.federation.member(&finding.id) else { continue };
        let Some(part) = snapshot.view.member(&declared.id) else { continue };
        let shared = snapshot.federation.shared.iter();
        for (shared, native) in shared.filter_map(|shared| Some((shared, shared.native(&declared.id)?))) {
            let what = format!("the shared collection `{}` names `{native}` here", shared.id);
            if part.lacks(native) {
                finding.warnings.push(format!("{what}, which it does not have: it is left out as a holder"));
            } else if part.puts_aside(native).is_some() {
                finding.warnings.push(format!("{what}, which is searched but cannot be listed"));
            }
        }
    }
}

/// Adds what was found of processes: how many each member offers, and what unequal ones of one name differ in.
fn tell_processes(snapshot: &Snapshot, listed: &Listed, findings: &mut [Finding]) {
    for finding in findings.iter_mut() {
        let Some(api) = snapshot.members.process_api(&finding.id) else { continue };
        let offered = listed.processes.iter().flat_map(|process| process.members());
        finding.processes = Some(offered.filter(|member| member.as_str() == finding.id).count());
        if listed.missing.iter().any(|member| member.as_str() == finding.id) {
            finding.processes_unread = true;
            finding.warnings.push(format!("the list of processes at {} could not be read whole", api.base()));
        }
    }
    let routing = &snapshot.federation.routing;
    let unequal = merge::parted(&listed.processes, routing).into_iter().map(|(id, differences)| {
        (format!("process `{id}` is offered under pinned ids only, as members differ"), differences)
    });
    let shown = listed.processes.iter().filter(|process| !process.is_pinned).filter_map(|process| {
        let differences = merge::differences(&process.offers);
        (!differences.is_empty())
            .then(|| (format!("process `{}` is one, though members differ", process.id), differences))
    });
    for (what, differences) in unequal.chain(shown) {
        for finding in findings.iter_mut() {
            finding.warnings.extend(differs_here(&what, &differences, &finding.id));
        }
    }
}

/// What one member's process differs in, as one line; what keeps processes apart comes first.
fn differs_here(what: &str, differences: &[Difference], member: &str) -> Option<String> {
    let (causes, others): (Vec<_>, Vec<_>) = differences.iter().partition(|difference| difference.parts);
    let here = |difference: &&Difference| {
        let value = difference.values.iter().find(|(id, _)| id.as_str() == member).map(|(_, value)| value)?;
        Some(format!("`{}` (here {value})", difference.what))
    };
    let told: Vec<String> = causes.iter().chain(&others).filter_map(here).collect();
    (!told.is_empty()).then(|| format!("{what} in {}", told.join(", ")))
}

fn finding(
    snapshot: &Snapshot,
    id: &MemberId,
    outcome: Result<(), Failure>,
    unproven: &HashMap<MemberId, String>,
) -> Finding {
    let declared = snapshot.federation.member(id.as_str());
    let mut finding = Finding {
        id: id.to_string(),
        url: declared.map(|member| member.url.to_string()).unwrap_or_default(),
        failure: outcome.err().map(|failure| (name(&failure), failure.detail)),
        capabilities: snapshot.members.get(id.as_str()).map(|member| member.capabilities().as_ref().clone()),
        warnings: unproven.get(id).cloned().into_iter().collect(),
        ..Finding::default()
    };
    finding.harvest = snapshot.members.get(id.as_str()).and_then(|member| member.harvest());
    let Some(part) = snapshot.view.member(id) else { return finding };
    finding.listed = part.entries.len();
    finding.complete = part.known == Known::Complete;
    finding.quarantined =
        part.quarantined.iter().map(|found| (found.native_id.clone(), found.reason.clone())).collect();
    let repairs = part.entries.iter().map(|entry| (entry.native_id.clone(), entry.repairs()));
    finding.repaired = repairs.filter(|(_, notes)| !notes.is_empty()).collect();
    let ids = || {
        let listed = part.entries.iter().map(|entry| entry.native_id.as_str());
        listed.chain(part.quarantined.iter().map(|found| found.native_id.as_str()))
    };
    for commas in ids().filter(|id| id.contains(',')) {
        finding.warnings.push(format!("collection `{commas}` has a comma in its id: it cannot be named in a GET list"));
    }
    finding
}

/// The category in the words of reports, for example `bad-response`.
fn name(failure: &Failure) -> String {
    let fault = serde_json::to_value(failure.fault).ok();
    fault.as_ref().and_then(Value::as_str).unwrap_or("failed").to_owned()
}

fn as_json(finding: &Finding) -> Value {
    let documents = |list: &[(String, String)]| -> Vec<Value> {
        list.iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect()
    };
    let repaired: Vec<Value> =
        finding.repaired.iter().map(|(id, repairs)| json!({ "id": id, "repairs": repairs })).collect();
    json!({
        "member": finding.id,
        "url": finding.url,
        "reachable": finding.failure.is_none(),
        "failure": finding.failure.as_ref().map(|(fault, detail)| json!({ "status": fault, "detail": detail })),
        "capabilities": finding.capabilities,
        "collections": { "listed": finding.listed, "complete": finding.complete, "quarantined": documents(&finding.quarantined), "repaired": repaired },
        "processes": finding.processes.map(|offered| json!({ "offered": offered, "complete": !finding.processes_unread })),
        "warnings": finding.warnings,
        "policy": finding.held.as_ref().map(|held| json!({
            "oldest": held.oldest.as_ref().map(item),
            "newest": held.newest.as_ref().map(item),
            "questions": held.asked,
            "unanswered": held.failed,
            "remarks": finding.policy.iter().map(|remark| json!({ "seen": remark.seen, "remedy": remark.remedy, "toml": remark.toml })).collect::<Vec<_>>(),
        })),
        "harvest": finding.harvest,
    })
}

fn item(item: &ItemSeen) -> Value {
    json!({ "collection": item.collection, "id": item.id, "datetime": item.at.map(crate::federation::interval::text) })
}

fn text(findings: &[Finding]) -> String {
    let mut table = out::table(&["member", "answers", "search", "sort", "filter", "page", "collections", "not listed"]);
    let mut notes = Vec::new();
    for finding in findings {
        table.add_row(cells(finding));
        notes.extend(remarks(finding));
    }
    let mut text = table.to_string();
    for note in notes {
        text.push('\n');
        text.extend(note.chars().filter(|c| !c.is_control()));
    }
    text
}

fn cells(finding: &Finding) -> [String; 8] {
    let answers = finding.failure.as_ref().map_or("yes", |(fault, _)| fault.as_str()).to_owned();
    let known = finding.capabilities.as_ref().filter(|can| can.discovered);
    let [search, sort, filter, page] = known.map_or_else(
        || ["?"; 4].map(str::to_owned),
        |can| [methods(can).to_owned(), support(can.sort).to_owned(), filters(can), can.page_items_max.to_string()],
    );
    let (listed, unlisted) = if finding.failure.is_some() {
        ("?".to_owned(), "?".to_owned())
    } else {
        let cut = if finding.complete { "" } else { " (list not complete)" };
        (format!("{}{cut}", finding.listed), finding.quarantined.len().to_string())
    };
    [finding.id.clone(), answers, search, sort, filter, page, listed, unlisted]
}

/// Conditions: how well, and in which words.
fn filters(can: &Capabilities) -> String {
    if can.filter != Support::Unsupported && !can.filter_lang.is_empty() {
        let languages: Vec<&str> = can.filter_lang.iter().map(|language| language.name()).collect();
        return format!("{} ({})", support(can.filter), languages.join(", "));
    }
    if can.query == Support::Unsupported { "no".to_owned() } else { format!("{} (query)", support(can.query)) }
}

fn methods(can: &Capabilities) -> &'static str {
    if can.evaluated_here {
        return "snapshot";
    }
    if can.collections_max.is_some() {
        return "by collection";
    }
    match (can.search_get, can.search_post) {
        (true, true) => "GET, POST",
        (true, false) => "GET",
        (false, true) => "POST",
        (false, false) => "no",
    }
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Exact => "exact",
        Support::Inexact => "inexact",
        Support::Unsupported => "no",
    }
}

/// What an admin should read below the table.
fn remarks(finding: &Finding) -> Vec<String> {
    let id = &finding.id;
    let mut lines = Vec::new();
    if let Some((fault, detail)) = &finding.failure {
        lines.push(format!("{id}: {fault} at {}: {detail}", finding.url));
    }
    lines.extend(finding.capabilities.iter().filter_map(dialect).map(|dialect| format!("{id}: dialect: {dialect}")));
    lines.extend(finding.capabilities.iter().flat_map(|can| &can.notes).map(|note| format!("{id}: {note}")));
    lines.extend(finding.warnings.iter().map(|warning| format!("{id}: {warning}")));
    if let Some(harvest) = &finding.harvest {
        if harvest.read_at.is_some() {
            lines.push(format!("{id}: {}", told(harvest)));
        }
        let remarks: Vec<String> = harvest.remarks().into_iter().map(|remark| format!("{id}: {remark}")).collect();
        lines.extend(cut(id, "further remarks", remarks.into_iter()));
    }
    let quarantined = finding.quarantined.iter().map(|(collection, reason)| {
        let named = if collection.is_empty() {
            "a collection without id".to_owned()
        } else {
            format!("collection `{collection}`")
        };
        format!("{id}: {named} is searched but not listed: {reason}")
    });
    lines.extend(cut(id, "further collections are not listed", quarantined));
    let repaired = finding.repaired.iter().map(|(collection, repairs)| {
        format!("{id}: collection `{collection}` is listed after repairs: {}", repairs.join("; "))
    });
    lines.extend(cut(id, "further collections are repaired", repaired));
    lines.extend(policies(finding));
    lines
}

/// What it holds, and what of its policy is worth a look, with lines to paste.
fn policies(finding: &Finding) -> Vec<String> {
    let (id, mut lines) = (&finding.id, Vec::new());
    let Some(held) = &finding.held else { return lines };
    let day = |item: &Option<ItemSeen>| {
        let at = item.as_ref().and_then(|item| item.at);
        at.map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d").to_string())
    };
    if held.oldest.is_some() || held.newest.is_some() {
        lines.push(format!("{id}: its Items are of {} to {}", day(&held.oldest), day(&held.newest)));
    }
    if held.failed > 0 {
        lines.push(format!("{id}: {} of {} questions about its policy got no answer", held.failed, held.asked));
    }
    for remark in &finding.policy {
        lines.push(format!("{id}: policy: {}", remark.seen));
        lines.push(format!("  {}", remark.remedy));
        lines.extend(remark.toml.iter().map(|line| format!("      {line}")));
    }
    lines
}

/// What a harvest brought, and what it cost.
fn told(harvest: &Harvest) -> String {
    let read = &harvest.read;
    format!(
        "{} Collections and {} Items from {} documents of {} KiB",
        harvest.collections,
        harvest.items,
        read.documents,
        read.bytes.div_ceil(1024)
    )
}

/// The kind of server that it is taken for, where that is not simply the standard.
fn dialect(can: &Capabilities) -> Option<String> {
    let name = can.dialect.name();
    match &can.dialect_seen {
        Some(sign) => Some(format!("{name} (seen: {sign})")),
        None if can.dialect == Dialect::Standard => None,
        None => Some(format!("{name} (the federation file)")),
    }
}

fn cut(id: &str, more: &str, lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let rest = lines.len().saturating_sub(REASONS_SHOWN);
    let mut shown: Vec<String> = lines.take(REASONS_SHOWN).collect();
    if rest > 0 {
        shown.push(format!("{id}: {rest} {more} (see `--format json`)"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_readable_bounded_and_free_of_control_characters() {
        let finding = Finding {
            id: "EODC".into(),
            url: "https://e.example".into(),
            failure: Some(("timeout".into(), "no\u{1b}[31m answer".into())),
            quarantined: (0..12).map(|n| (format!("c{n}"), "`license` is missing".into())).collect(),
            ..Finding::default()
        };
        let text = text(&[finding]);
        assert!(text.contains("EODC: timeout at https://e.example: no[31m answer"), "{text}");
        assert!(text.contains("collection `c9` is searched but not listed: `license` is missing"), "{text}");
        assert!(!text.contains("`c10`") && text.contains("EODC: 2 further collections are not listed"), "{text}");
    }

    #[test]
    fn machines_get_everything() {
        let finding = Finding {
            id: "A".into(),
            listed: 3,
            complete: true,
            quarantined: vec![("c".into(), "why".into())],
            ..Finding::default()
        };
        let json = as_json(&finding);
        assert_eq!((&json["reachable"], &json["collections"]["listed"]), (&json!(true), &json!(3)));
        assert_eq!(json["collections"]["quarantined"], json!([{"id": "c", "reason": "why"}]));
    }
}
