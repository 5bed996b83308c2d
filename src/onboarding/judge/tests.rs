//! Rows that no server on loopback can show: plain http and certificates of the public network, and times.

use std::time::Duration;

use super::*;
use crate::members::inspect::Answer;
use crate::onboarding::ask::{Asked, Outcome};
use crate::onboarding::finding::Verdict;

fn asked(url: &str, certificate_ends: Option<&str>) -> Asked {
    let answer = Answer {
        status: 200,
        headers: http::HeaderMap::new(),
        body: "{}".into(),
        url: url.parse().unwrap(),
        elapsed: Duration::ZERO,
        certificate_ends: certificate_ends.map(|at| at.parse().unwrap()),
    };
    Asked { evidence: Evidence { request: "GET".into(), status: Some(200) }, outcome: Outcome::Answer(answer) }
}

fn facts<'a>(candidate: &'a Candidate, ends: Option<&str>) -> Facts<'a> {
    let federation = candidate.declared(crate::federation::Kind::StacApi).unwrap();
    let found = crate::members::capabilities::Found::default();
    let landing = Landing {
        asked: asked(&candidate.url, ends),
        moved: None,
        page: Some(serde_json::json!({})),
        conformance: None,
        declared: crate::members::Capabilities::discovered(&federation.members[0], &found),
        found,
        dialect: None,
        processes: None,
    };
    Facts {
        candidate,
        base: candidate.url.parse().unwrap(),
        landing,
        listing: None,
        view: None,
        search: None,
        paging: None,
        order: None,
        counted: None,
        manner: Manner { deadline: Duration::from_secs(10), bytes_max: 1 << 20, ..Manner::default() },
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
    }
}

fn verdict_of(row: Row, facts: &Facts<'_>) -> Option<(Verdict, String)> {
    let (list, _) = judge(facts);
    let found = list.into_iter().find(|finding| finding.row == row)?;
    Some((found.verdict, format!("{} {}", found.seen, found.remedy.unwrap_or_default())))
}

fn candidate(url: &str) -> Candidate {
    Candidate { url: url.into(), ..Candidate::default() }
}

#[test]
fn plain_http_on_the_public_network_is_refused() {
    let (plain, https) = (candidate("http://stac.north.example"), candidate("https://stac.north.example"));
    let (verdict, text) = verdict_of(Row::H1, &facts(&plain, None)).unwrap();
    assert_eq!(verdict, Verdict::Bad(Severity::Error));
    assert!(text.contains("serve the catalogue over https"), "{text}");
    assert_eq!(verdict_of(Row::H1, &facts(&https, None)).unwrap().0, Verdict::Good);
}

#[test]
fn a_certificate_that_ends_soon_is_told_with_its_date() {
    let https = candidate("https://stac.north.example");
    let (verdict, text) = verdict_of(Row::H2, &facts(&https, Some("2026-06-14T00:00:00Z"))).unwrap();
    assert_eq!(verdict, Verdict::Bad(Severity::Note));
    assert!(text.contains("renew the certificate before 2026-06-14"), "{text}");
    assert_eq!(verdict_of(Row::H2, &facts(&https, Some("2026-06-16T00:00:00Z"))).unwrap().0, Verdict::Good);
    assert_eq!(verdict_of(Row::H2, &facts(&https, None)).unwrap().0, Verdict::Unchecked);
    assert_eq!(verdict_of(Row::H2, &facts(&candidate("http://stac.north.example"), None)), None);
}

#[test]
fn answers_that_leave_no_room_to_the_deadline_are_told() {
    let https = candidate("https://stac.north.example");
    let with = |times: &[u64]| {
        let mut facts = facts(&https, None);
        facts.manner.times = times.iter().map(|ms| Duration::from_millis(*ms)).collect();
        verdict_of(Row::T1, &facts).unwrap()
    };
    assert_eq!(with(&[100, 100, 100, 100, 4900]).0, Verdict::Good);
    let (verdict, text) = with(&[6000, 6000, 7000, 8000, 9000]);
    assert_eq!(verdict, Verdict::Bad(Severity::Degraded));
    assert!(text.contains("searches take 8.0 s, the deadline is 10.0 s"), "{text}");
    assert_eq!(with(&[9000; 4]).0, Verdict::Unchecked);
}
