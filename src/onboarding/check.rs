//! The checklist from the first question to the report. Read top to bottom: each stage asks only what the stages before
//! it found to be there, so that one cause makes one finding.

use chrono::Utc;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::ask::Asker;
use super::candidate::{Candidate, Refused, kind_of};
use super::finding::Finding;
use super::judge::{Facts, Manner, judge};
use super::report::Report;
use super::row::Row;
use super::suggest::Discovered;
use crate::collections::{Ids, MemberView};
use crate::federation::{Federation, Kind, Member};
use crate::members::inspect::Inspector;
use crate::members::{Listing, Registry};

/// Checks a candidate; `told` hears of each request.
///
/// # Errors
/// When the call itself is wrong: an address that no federation file could have.
pub fn check<'a>(
    candidate: &'a Candidate,
    told: &'a (dyn Fn(usize) + Send + Sync),
) -> BoxFuture<'a, Result<Report, Refused>> {
    Box::pin(run(candidate, told))
}

async fn run(candidate: &Candidate, told: &(dyn Fn(usize) + Send + Sync)) -> Result<Report, Refused> {
    let began = Instant::now();
    let federation = candidate.declared(Kind::StacApi)?;
    let Some(member) = federation.members.first() else {
        return Err(Refused { sentence: "it cannot be declared".to_owned(), ..Refused::default() });
    };
    let deadline = candidate.limits.member_deadline;
    let mut asker = Asker::new(Inspector::new(member, &federation), deadline, told);
    let landing = asker.landing(member).await;
    let told_kind = landing.last().good().map(|answer| kind_of(&answer.body));
    let kind = candidate.kind.or(told_kind).unwrap_or(Kind::StacApi);
    let mut facts = Facts {
        candidate,
        base: member.url.clone(),
        landing,
        listing: None,
        view: None,
        search: None,
        paging: None,
        order: None,
        counted: None,
        manner: Manner::default(),
        now: Utc::now(),
    };
    let mut harvested = Vec::new();
    if kind != Kind::StacApi {
        harvested = harvest(candidate, kind, &mut facts).await;
    } else if facts.landing.page.is_some() {
        interface(&mut asker, (&federation, member), &mut facts).await;
    }
    let (stopped, requests) = (asker.stopped().map(str::to_owned), asker.requests);
    facts.manner = Manner {
        times: asker.times,
        deadline,
        limits: asker.limits,
        closed: asker.closed,
        oversized: asker.oversized,
        largest: asker.largest,
        bytes_max: candidate.limits.answer_bytes_max,
    };
    let (mut findings, mut left_out) = judge(&facts);
    if kind != Kind::StacApi {
        findings.retain(|finding| !INTERFACE.contains(&finding.row) && finding.row != Row::L1);
        findings.append(&mut harvested);
        left_out.extend(INTERFACE);
    }
    let because = stopped.unwrap_or_else(|| because(&facts));
    Ok(Report {
        url: candidate.url.clone(),
        member: candidate.id.clone().or_else(|| Some(candidate.registered.as_ref()?.member.as_ref()?.0.clone())),
        kind,
        discovered: Discovered::of(&facts),
        findings: Report::put_together(findings, &left_out, &because),
        requests,
        elapsed: began.elapsed(),
    })
}

/// A STAC API: Collections, then Items, then what lists of Items do.
async fn interface(asker: &mut Asker<'_>, (federation, member): (&Federation, &Member), facts: &mut Facts<'_>) {
    let listing = asker.listing().await;
    let listed = Listing { collections: listing.documents.clone(), complete: listing.ended };
    facts.view = Some(MemberView::of(member, &Ids::new(federation), &listed, facts.now));
    let search = asker.search(&facts.landing.declared, &listing).await;
    facts.landing.dialect = facts.landing.dialect.take().or_else(|| search.dialect.clone());
    facts.listing = Some(listing);
    if search.works() && !search.sample().items().is_empty() {
        facts.paging = Some(asker.paging(&search).await);
        if !search.items_only {
            facts.order = Some(asker.order(&search).await);
            facts.counted = asker.counted(&search).await;
        }
    }
    facts.search = Some(search);
}

/// Why rows without a finding have none.
fn because(facts: &Facts<'_>) -> String {
    if facts.landing.page.is_none() {
        return "there is no landing page".to_owned();
    }
    match &facts.search {
        Some(search) if !search.works() => "no search answers".to_owned(),
        Some(search) if search.items_only => "there is no Item Search".to_owned(),
        Some(search) if search.sample().items().is_empty() => "no search gave an Item".to_owned(),
        _ => "the member did not get that far".to_owned(),
    }
}

/// Rows about an interface that is searched; other kinds are read, and searched here.
const INTERFACE: [Row; 27] = [
    Row::L2,
    Row::L3,
    Row::L4,
    Row::L5,
    Row::A1,
    Row::A2,
    Row::C3,
    Row::C4,
    Row::C5,
    Row::C6,
    Row::S1,
    Row::S2,
    Row::S3,
    Row::S4,
    Row::S5,
    Row::S6,
    Row::P1,
    Row::P2,
    Row::P3,
    Row::P4,
    Row::O1,
    Row::O2,
    Row::N1,
    Row::N2,
    Row::Q1,
    Row::E1,
    Row::X2,
];

/// A catalogue that is read whole: its adapter reads it once, and what came is judged.
async fn harvest(candidate: &Candidate, kind: Kind, facts: &mut Facts<'_>) -> Vec<Finding> {
    let what = format!("a catalogue of kind `{}`", kind.name());
    let federation = match candidate.declared(kind) {
        Ok(federation) => federation,
        Err(refused) => {
            let seen = format!("{what}; but {}", refused.sentence);
            let other = if refused.is_internal { "say that it is internal" } else { "ask for the address of an API" };
            let remedy = refused.hint.unwrap_or_else(|| other.to_owned());
            return vec![super::judge::error(Row::L1, seen, remedy)];
        }
    };
    let registry = Registry::new(&federation);
    let (Some(member), Some(declared)) = (registry.iter().next(), federation.members.first()) else {
        let seen = format!("{what}, which this release does not read yet");
        return vec![super::judge::error(Row::L1, seen, "ask for the address of an API")];
    };
    let until = Instant::now() + super::ask::CHECK_TIME;
    // what discovery of such a kind needs, its listing needs too, and says better
    let _ = member.discover(until).await;
    match member.collections(until).await {
        Ok(listing) => {
            let view = MemberView::of(declared, &Ids::new(&federation), &listing, facts.now);
            let mut findings = vec![Finding::good(Row::L1, what)];
            super::judge::read_whole(&listing, &view, &mut findings);
            facts.view = Some(view);
            findings
        }
        Err(failed) => {
            let remedy = "check the address, and that all of the catalogue can be read from here";
            vec![super::judge::error(Row::L1, format!("{what}, which could not be read: {}", failed.detail), remedy)]
        }
    }
}
