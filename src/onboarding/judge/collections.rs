//! C and Q1: the Collections.

use super::{Evidence, Facts, Finding, Findings, Row, counted, degraded, error, note};
use crate::collections::MemberView;
use crate::federation::Support;
use crate::members;
use crate::members::inspect::Answer;
use crate::onboarding::ask::Listing;
use crate::onboarding::ask::is_queryables;
use crate::onboarding::policy;

/// Ids that a sentence names.
const NAMED: usize = 3;

pub fn judge(facts: &Facts<'_>, listing: &Listing, view: &MemberView, findings: &mut Findings) {
    let there = listed(listing, findings);
    if !there {
        return;
    }
    valid(listing.pages.first().map(|page| &page.evidence), view, findings);
    ids(facts, listing, findings);
    items(facts, listing, findings);
    match &facts.candidate.registered.as_ref().and_then(|registered| registered.member.as_ref()) {
        Some((_, declared)) => {
            let wrong = policy::extents(declared, view, facts.now).into_iter();
            let wrong = wrong.map(|remark| degraded(Row::C5, remark.seen, remark.remedy)).collect();
            findings.add_all(Row::C5, wrong, || Finding::good(Row::C5, "extents and declared policy agree"));
        }
        None => findings.leave_out(Row::C5),
    }
    queryables(facts, listing, findings);
}

fn listed(listing: &Listing, findings: &mut Findings) -> bool {
    let Some(first) = listing.pages.first() else { return false };
    let last = listing.pages.last().unwrap_or(first);
    let count = listing.documents.len();
    if let Some(unanswered) = first.unanswered().filter(|_| count == 0) {
        findings.add(Finding::unchecked(Row::C1, unanswered));
        return false;
    }
    if count == 0 {
        let why = listing.broken.clone().unwrap_or_else(|| "lists none".to_owned());
        let remedy = "answer there with all Collections, as `collections` of a JSON object";
        findings.add(error(Row::C1, format!("/collections {why}"), remedy).by(&first.evidence));
        return false;
    }
    let total = listing.matched.filter(|matched| *matched != count as u64);
    findings.add(match (&listing.broken, total) {
        (Some(why), _) => degraded(
            Row::C1,
            format!("{} read, then a page {why}", counted(count, "Collection")),
            "mend the next link of /collections: what is not listed cannot be pruned by",
        )
        .by(&last.evidence),
        (None, Some(total)) if listing.ended => degraded(
            Row::C1,
            format!("{} listed, but `numberMatched` is {total}", counted(count, "Collection")),
            "list all Collections, over as many pages as it takes",
        )
        .by(&last.evidence),
        _ => {
            let pages = counted(listing.pages.len(), "page");
            let cut = if listing.ended { "" } else { "; further pages were not read" };
            Finding::good(Row::C1, format!("{} on {pages}{cut}", counted(count, "Collection")))
        }
    });
    true
}

/// The Collections of a catalogue that its adapter read whole.
pub fn read_whole(listing: &members::Listing, view: &MemberView, findings: &mut Vec<Finding>) {
    let count = listing.collections.len();
    findings.push(match (count, listing.complete) {
        (0, _) => error(Row::C1, "there is no Collection in it", "give the address of the root of the catalogue"),
        (_, true) => Finding::good(Row::C1, counted(count, "Collection")),
        (_, false) => degraded(
            Row::C1,
            format!("{} read, and then not all the rest", counted(count, "Collection")),
            "see that every document of the catalogue can be read; what cannot is not found",
        ),
    });
    let mut all = Findings::default();
    valid(None, view, &mut all);
    findings.append(&mut all.list);
}

fn valid(evidence: Option<&Evidence>, view: &MemberView, findings: &mut Findings) {
    let wrong = view.quarantined.iter().map(|found| {
        let name = if found.native_id.is_empty() { "without id" } else { found.native_id.as_str() };
        let lost = if found.native_id.is_empty() { "not listed" } else { "searched but not listed" };
        let seen = format!("collection `{name}`: {}", found.reason);
        let told = degraded(Row::C2, seen, format!("mend the document; until then it is {lost}"));
        Finding { evidence: evidence.cloned(), ..told }
    });
    let repaired = view.entries.iter().filter(|entry| !entry.repairs().is_empty()).count();
    let good = || {
        let after = if repaired > 0 { format!(", {repaired} after small repairs") } else { String::new() };
        Finding::good(Row::C2, format!("{} valid{after}", counted(view.entries.len(), "Collection")))
    };
    findings.add_all(Row::C2, wrong.collect(), good);
}

fn ids(facts: &Facts<'_>, listing: &Listing, findings: &mut Findings) {
    let with = |c: char| -> Vec<&str> {
        listing.collections.iter().map(|one| one.id.as_str()).filter(|id| id.contains(c)).collect()
    };
    let named = |ids: &[&str]| {
        let shown: Vec<&str> = ids.iter().take(NAMED).copied().collect();
        let more = if ids.len() > NAMED { " and others" } else { "" };
        format!("`{}`{more}", shown.join("`, `"))
    };
    let mut wrong = Vec::new();
    let commas = with(',');
    if !commas.is_empty() {
        wrong.push(degraded(
            Row::C3,
            format!("a comma in {}: it cannot be named in a GET list", named(&commas)),
            "rename the collection: give it an id without `,`",
        ));
    }
    let delimiter = facts.candidate.registered.as_ref().map_or('|', |registered| registered.delimiter);
    for c in [delimiter, '/'] {
        let found = with(c);
        if !found.is_empty() {
            let seen = format!("`{c}` in {}", named(&found));
            wrong.push(note(Row::C3, seen, "it works; a client has to encode it in addresses"));
        }
    }
    findings.add_all(Row::C3, wrong, || Finding::good(Row::C3, "plain"));
}

fn items(facts: &Facts<'_>, listing: &Listing, findings: &mut Findings) {
    let Some(search) = &facts.search else { return };
    let without: Vec<&str> = listing
        .collections
        .iter()
        .filter(|one| one.link(|rel| rel == "items").is_none())
        .map(|one| one.id.as_str())
        .collect();
    let total = listing.collections.len();
    findings.add(if search.works() && !without.is_empty() {
        let seen = format!(
            "{} of {} have no `items` link, for example `{}`",
            without.len(),
            counted(total, "Collection"),
            without[0]
        );
        degraded(Row::C4, seen, "add rel=items with type application/geo+json")
    } else if search.works() {
        Finding::good(Row::C4, format!("{} with an `items` link", counted(total, "Collection")))
    } else if without.len() < total {
        degraded(Row::C4, "there are `items` links, but no search gives Items", "serve the Items, or remove the links")
    } else {
        Finding::good(Row::C4, "no Items and no `items` links")
    });
}

fn queryables(facts: &Facts<'_>, listing: &Listing, findings: &mut Findings) {
    if facts.landing.declared.filter == Support::Unsupported {
        findings.leave_out(Row::Q1);
        return;
    }
    let linked = listing.collections.iter().filter(|one| one.link(is_queryables).is_some()).count();
    let total = listing.collections.len();
    let remedy = "link queryables from the collection";
    findings.add(match &listing.queryables {
        _ if linked < total => {
            note(Row::Q1, format!("{linked} of {} link to queryables", counted(total, "Collection")), remedy)
        }
        Some(asked) if asked.good().and_then(Answer::json).is_none() => {
            note(Row::Q1, format!("queryables are linked, but the link {}", asked.clause()), remedy).by(&asked.evidence)
        }
        _ => Finding::good(Row::Q1, "linked from every Collection"),
    });
}
