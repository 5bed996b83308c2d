//! A1, T and X1: how the member answered, whatever was asked.

use std::time::Duration;

use super::{Facts, Finding, Findings, Manner, Row, Search, counted, degraded, error, note};
use crate::onboarding::finding::PER_ROW_MAX;

/// Answers below which no quantile is told.
const TIMES_MIN: usize = 5;

pub fn judge(facts: &Facts<'_>, findings: &mut Findings) {
    let manner = &facts.manner;
    let closed = manner.closed.iter().take(PER_ROW_MAX).map(|evidence| {
        error(
            Row::A1,
            format!("answered {} to a question without a token", evidence.status.unwrap_or_default()),
            "open collections and items to anonymous reading; protect assets only",
        )
        .by(evidence)
    });
    let came = facts.listing.as_ref().is_some_and(|listing| !listing.documents.is_empty())
        || facts.search.as_ref().is_some_and(Search::works);
    findings.add_all(Row::A1, closed.collect(), || {
        if came {
            Finding::good(Row::A1, "everything asked is open to anonymous reading")
        } else {
            Finding::unchecked(Row::A1, "neither Collections nor Items came")
        }
    });
    findings.add(times(manner));
    findings.add(match manner.limits.first() {
        Some(said) if said.ends_with("without `Retry-After`") => {
            note(Row::T2, format!("a question was answered {said}"), "announce limits with 429 and Retry-After")
        }
        Some(said) => Finding::good(Row::T2, format!("announced by {said}")),
        None => note(
            Row::T2,
            "no answer speaks of a rate limit",
            "if there is one, announce limits with 429 and Retry-After; else nothing needs to be done",
        ),
    });
    let oversized = manner.oversized.iter().map(|evidence| {
        error(
            Row::X1,
            format!("an answer has more than {}", mebibytes(manner.bytes_max)),
            format!("answer is over the limit of {}: give smaller pages", mebibytes(manner.bytes_max)),
        )
        .by(evidence)
    });
    findings.add_all(Row::X1, oversized.collect(), || {
        Finding::good(
            Row::X1,
            format!("the largest answer has {}; {} are let in", size(manner.largest), mebibytes(manner.bytes_max)),
        )
    });
}

fn times(manner: &Manner) -> Finding {
    let mut times = manner.times.clone();
    times.sort();
    let at = |part: usize| times.get((times.len().saturating_sub(1)) * part / 100).copied().unwrap_or_default();
    if times.len() < TIMES_MIN {
        return Finding::unchecked(Row::T1, "too few searches were answered");
    }
    let (median, slow) = (at(50), at(95));
    let seen = format!(
        "half of {} took at most {}, 95 in 100 at most {}",
        counted(times.len(), "search answer"),
        seconds(median),
        seconds(slow)
    );
    if slow * 2 <= manner.deadline {
        return Finding::good(Row::T1, seen);
    }
    let remedy = format!(
        "searches take {}, the deadline is {}: make them faster, or give the member a longer `deadline_ms`",
        seconds(slow),
        seconds(manner.deadline)
    );
    degraded(Row::T1, seen, remedy)
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes.div_ceil(1 << 10)) } else { mebibytes(bytes) }
}
