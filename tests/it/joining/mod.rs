//! Catalogues that want to join: every row of the checklist, at a good member of the demo with one thing bent; and the
//! commands that people use.

mod bent;
mod commands;
mod rows;

use stac_broker::demo::Demo;
use stac_broker::onboarding::{Candidate, Finding, Report, Row, Severity, Verdict, check};

use bent::{Bend, Bent};

/// Landing page of a member of the demo.
fn url_of(demo: &Demo, member: &str) -> String {
    let text = &demo.federation_toml;
    let at = text.find(&format!("id = \"{member}\"")).unwrap();
    let line = text[at..].lines().find(|line| line.starts_with("url = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn candidate(url: &str) -> Candidate {
    Candidate { url: url.to_owned(), internal: true, ..Candidate::default() }
}

async fn checked(candidate: &Candidate) -> Report {
    check(candidate, &|_| ()).await.unwrap()
}

/// The report of a bent member; `change` is made to the candidate.
async fn report_of(demo: &Demo, bend: Bend, change: fn(&mut Candidate)) -> Report {
    let bent = Bent::of(&url_of(demo, "EODC"), bend).await;
    let mut candidate = candidate(&bent.url);
    change(&mut candidate);
    checked(&candidate).await
}

fn findings(report: &Report, row: Row) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.row == row).collect()
}

fn told(finding: &Finding) -> String {
    format!("{} | {}", finding.seen, finding.remedy.as_deref().unwrap_or_default())
}

/// Fails unless the row has a finding of this verdict that says this.
fn assert_says(report: &Report, row: Row, verdict: Verdict, says: &str) {
    let found = findings(report, row);
    let good = found.iter().any(|finding| finding.verdict == verdict && told(finding).contains(says));
    assert!(good, "{row:?} does not say {verdict:?} `{says}`: {found:#?}");
}

const ERROR: Verdict = Verdict::Bad(Severity::Error);
const LESS: Verdict = Verdict::Bad(Severity::Degraded);
const NOTE: Verdict = Verdict::Bad(Severity::Note);
